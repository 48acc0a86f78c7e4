/*
 * option.h: the option table between option.c (the table), values.c (what an option does with its argument),
 * args.c (parsing) and help.c (--help). Nobody else's. One thread at a time.
 */
#ifndef ZC_CLI_OPTION_H
#define ZC_CLI_OPTION_H

#include "args.h"

#define OPTION_STOP 1  /* an apply's result: --help or --version, look no further */
#define OPTION_MAX  96 /* rows there may be                                          */

enum ask { /* -i and -n: the last one wins */
	   ASK_UNSAID,
	   ASK_USER,
	   ASK_SKIP,
};

/* The table writes every enum through an unsigned. */
_Static_assert(sizeof(enum zc_when) == sizeof(unsigned), "enums are ints here");

struct word {
	const char *name;
	unsigned value;
};

/* --exclude, --include, --exclude-from, in the order in which they were given. */
struct rule {
	const char *text; /* borrowed from argv */
	bool exclude;
	bool from_file;
};

/* One parse. It becomes the result when all went well. */
struct parse {
	struct zc_args args;
	bool gnu_cp;
	const char *target_dir;
	enum ask ask;
	bool archive;       /* -a                                                       */
	bool require_xattr; /* --preserve=xattr, --preserve=context by name: must work  */
	bool require_context;
	bool make_backups;
	const char *backup_control; /* NULL or "": VERSION_CONTROL's                       */
	const char *backup_suffix;  /* NULL: SIMPLE_BACKUP_SUFFIX's                        */
	struct rule *rules;         /* of the heap; zc_args_parse's to free */
	unsigned rule_count;
	const struct option_row *bench_given[OPTION_MAX]; /* a bench's, to see whether they fit */
	unsigned bench_given_count;
	bool engine_given;
	enum zc_hash expect_kind; /* of --expect-hash */
	bool jobs_given;
	char subject[32]; /* what the value at hand belongs to: "--engine", "ZCOPY_ENGINE"   */
	char shown[200];  /* option_quoted()'s                                              */
	bool line_alone;  /* GNU says this one without where to look for help */
	char *message;
	size_t cap_bytes;
};

struct option_row {
	const char *name; /* long, or NULL                                               */
	const char *help; /* lines of its second column; without apply: a heading        */
	int (*apply)(struct parse *parse, const struct option_row *row, const char *arg);
	size_t field;             /* in struct parse; what it holds, apply knows                 */
	unsigned value;           /* set_value's                                                 */
	const struct word *words; /* what the argument may be                                    */
	const char *arg;          /* what else it may be, in --help: "SIZE"                      */
	const char *range;        /* the same in an error message                                */
	uint64_t min;
	uint64_t max;
	const char *bare;  /* what an optional argument is when it is not given           */
	char letter;       /* 0 = none. Takes no argument where the long name's is optional */
	char other_letter; /* 'r' for -R                                                  */
	bool own;          /* not GNU cp's: nobody who is called cp has it                */
	bool verify;       /* one of the few that the command verify has, too             */
	unsigned bench;    /* bits 1 << enum zc_bench_work: for these the command bench has it, too */
	bool tune;         /* the command tune has it                                     */
	bool only_bench;   /* and nobody else                                             */
	int has_arg;       /* getopt's no_argument, required_argument, optional_argument  */
};

extern const struct word option_hash_words[];
extern const struct word option_tee_words[];
/* NULL behind the last. */
const struct option_row *option_at(size_t i);

/* ---- values.c */

/* Puts the line for the user together; -EINVAL. */
__attribute__((format(printf, 2, 3))) int option_fail(struct parse *parse, const char *format, ...);
/* "invalid argument 'x' for '--y'" and what it may be. */
int option_fail_value(struct parse *parse, const struct option_row *row, const struct word *words,
                      const char *what, const char *arg);
/* In quotes, for a message. Valid until the next call. */
const char *option_quoted(struct parse *parse, const char *text);
/* The word that arg is, or is an unambiguous beginning of; NULL: none, with the message set. */
const struct word *option_word(struct parse *parse, const struct option_row *row, const struct word *words,
                               const char *arg);
bool option_selinux(void);
/* Makes the filter of the rules. 0 or -EINVAL; what was made is in args either way. */
int option_filter(struct parse *parse);

/* What rows apply. 0, OPTION_STOP, or -EINVAL with the message set. */
int set_flag(struct parse *parse, const struct option_row *row, const char *arg);
int set_value(struct parse *parse, const struct option_row *row, const char *arg);
int set_text(struct parse *parse, const struct option_row *row, const char *arg);
int set_word(struct parse *parse, const struct option_row *row, const char *arg);
int set_tee(struct parse *parse, const struct option_row *row, const char *arg);
int set_expect_size(struct parse *parse, const struct option_row *row, const char *arg);
int set_expect_hash(struct parse *parse, const struct option_row *row, const char *arg);
int set_resume(struct parse *parse, const struct option_row *row, const char *arg);
int set_count(struct parse *parse, const struct option_row *row, const char *arg);
int set_seed(struct parse *parse, const struct option_row *row, const char *arg);
int set_time(struct parse *parse, const struct option_row *row, const char *arg);
int set_size(struct parse *parse, const struct option_row *row, const char *arg);
int set_engine(struct parse *parse, const struct option_row *row, const char *arg);
int set_jobs(struct parse *parse, const struct option_row *row, const char *arg);
int set_hugepages(struct parse *parse, const struct option_row *row, const char *arg);
int set_numa(struct parse *parse, const struct option_row *row, const char *arg);
int set_target(struct parse *parse, const struct option_row *row, const char *arg);
int set_preserve(struct parse *parse, const struct option_row *row, const char *arg);
int set_no_preserve(struct parse *parse, const struct option_row *row, const char *arg);
int set_archive(struct parse *parse, const struct option_row *row, const char *arg);
int set_links(struct parse *parse, const struct option_row *row, const char *arg);
int set_debug(struct parse *parse, const struct option_row *row, const char *arg);
int set_backup(struct parse *parse, const struct option_row *row, const char *arg);
int set_rule(struct parse *parse, const struct option_row *row, const char *arg);
int set_suffix(struct parse *parse, const struct option_row *row, const char *arg);
int set_context(struct parse *parse, const struct option_row *row, const char *arg);

#endif
