/*
 * args.h: what the user said. One option table in args.c drives parsing, --help and the environment;
 * the man page and the completion are checked against --help by the tests.
 */
#ifndef ZC_CLI_ARGS_H
#define ZC_CLI_ARGS_H

#include <stdio.h>

#include "zcopy/job.h"

enum zc_command {
	ZC_COMMAND_COPY,
	ZC_COMMAND_HELP,
	ZC_COMMAND_VERSION,
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
};

/* Reorders argv (options first, as getopt_long does). 0, or -EINVAL with one line for the user, without
 * the program's name, in ret_message. Reads the environment and looks whether a command is also a file
 * here; asks the file system nothing else. One thread at a time (getopt). */
int zc_args_parse(struct zc_args *ret_args, int argc, char **argv, char *ret_message, size_t cap_bytes);
void zc_args_help(FILE *out);
void zc_args_version(FILE *out);

#endif
