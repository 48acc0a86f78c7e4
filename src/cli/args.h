/*
 * args.h: what the user said. One option table (option.c) drives parsing, --help and the environment; the
 * man page and the completion are checked against --help by the tests.
 */
#ifndef ZC_CLI_ARGS_H
#define ZC_CLI_ARGS_H

#include <stdio.h>

#include "zcopy/bench.h"
#include "zcopy/job.h"

enum zc_command {
	ZC_COMMAND_COPY,
	ZC_COMMAND_HELP,
	ZC_COMMAND_VERSION,
	ZC_COMMAND_VERIFY, /* job.compare is set */
	ZC_COMMAND_TUNE,   /* bench.dirs are the two directories                       */
	ZC_COMMAND_BENCH,  /* job.sources are its directories, job.dest the last one, or null: */
};

enum zc_progress_mode {
	ZC_PROGRESS_AUTO,
	ZC_PROGRESS_ALWAYS,
	ZC_PROGRESS_NEVER,
	ZC_PROGRESS_JSON,
};

struct zc_args {
	enum zc_command command;
	struct zc_job_cfg job; /* all but umask, which is the process's; borrows from argv */
	enum zc_progress_mode progress;
	const char *report_path; /* NULL = no report, "-" = standard output; borrowed         */
	bool stats;
	uint64_t limit_bytes;      /* a second; 0 is no limit. main's to make job.pace of */
	struct zc_bench_cfg bench; /* all but job, which is the one above */
	bool help_of_bench;        /* command is HELP, asked of bench     */
	struct zc_filter *filter;  /* job.filter's owner; NULL is none */
	const char *warning;       /* NULL, or a line for the user before the copy; lives for ever */
};

/* Whether argv0's last component is cp: then GNU cp's rules hold. NULL is not. */
bool zc_args_is_cp(const char *argv0);

/* Bytes that the longest refusal needs: it lists every option. */
#define ZC_ARGS_MESSAGE_BYTES 2048
/* Reorders argv (options first, as getopt_long does). 0, or with a message for the user, without the
 * program's name, in ret_message (in less than ZC_ARGS_MESSAGE_BYTES it is cut at any byte): -EINVAL, or
 * -ECANCELED where GNU does not say where to look for help. Reads the environment and looks whether a command
 * is also a file here, whether --parents has a directory, whether there is SELinux; asks the system nothing
 * else. One thread at a time (getopt). */
int zc_args_parse(struct zc_args *ret_args, int argc, char **argv, char *ret_message, size_t cap_bytes);
void zc_args_close(struct zc_args *args); /* frees what a good parse made; for copies of it once */
void zc_args_help(FILE *out, bool gnu_cp);
void zc_args_help_bench(FILE *out);
void zc_args_version(FILE *out, bool gnu_cp);

#endif
