/*
 * The command line. One table, option_rows, holds every option: its letter, its words or range, where
 * its value goes, and its lines of --help. GNU's rules and GNU's words for what is wrong. The last of
 * repeated options wins, as with cp, but -n wins over every --update.
 */
#include "args.h"

#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "zc_config.h"

#define HELP_COLUMN 30  /* where the second column of --help begins               */
#define LONG_OPTION 256 /* getopt's value of row i is this + i, so never a letter */
#define STOP        1   /* a parser's result: --help or --version, look no further */

/* The table writes every enum through an unsigned. */
_Static_assert(sizeof(enum zc_when) == sizeof(unsigned), "enums are ints here");

struct parse {
	struct zc_args args; /* becomes the result when all went well */
	const char *target_dir;
	bool no_clobber;
	bool engine_given;
	bool jobs_given;
	char subject[32]; /* what the value at hand belongs to: "--engine", "ZCOPY_ENGINE" */
	char shown[200];  /* quoted()'s */
	char *message;
	size_t cap_bytes;
};

struct word {
	const char *name;
	unsigned value;
};

struct option_row {
	const char *name; /* long; NULL: a heading of --help                             */
	const char *help; /* lines of its second column                                  */
	int (*apply)(struct parse *parse, const struct option_row *row, const char *arg);
	size_t field;             /* in struct parse; what it holds, apply knows                 */
	const struct word *words; /* what the argument may be                                    */
	const char *arg;          /* what else it may be, in --help: "SIZE"                      */
	const char *range;        /* the same in an error message                                */
	uint64_t min;
	uint64_t max;
	const char *bare; /* what an optional argument is when it is not given           */
	char letter;      /* 0 = none. Takes no argument where the long name's is optional */
	int has_arg;      /* getopt's no_argument, required_argument, optional_argument  */
};

/* ---- what is wrong */

__attribute__((format(printf, 2, 3))) static int fail(struct parse *parse, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vsnprintf(parse->message, parse->cap_bytes, format, args);
	va_end(args);
	return -EINVAL;
}

/* Valid until the next call. */
static const char *quoted(struct parse *parse, const char *text)
{
	return zc_quote(parse->shown, sizeof(parse->shown), text);
}

static int fail_value(struct parse *parse, const struct option_row *row, const char *what, const char *arg)
{
	return fail(parse, "%s argument '%s' for '%s'%s%s", what, quoted(parse, arg), parse->subject,
	            row->range ? ": must be " : "", row->range ? row->range : "");
}

/* ---- values */

/* The word that arg is, or is an unambiguous beginning of; NULL: none, with the message set. */
static const struct word *word_find(struct parse *parse, const struct option_row *row,
                                    const struct word *words, const char *arg)
{
	const struct word *found = NULL;
	bool ambiguous = false;

	for (const struct word *word = words; word->name; word++) {
		if (strncmp(word->name, arg, strlen(arg)) != 0) {
			continue;
		}
		if (!strcmp(word->name, arg)) {
			return word;
		}
		ambiguous = found != NULL;
		found = word;
	}
	if (!found || ambiguous) {
		fail_value(parse, row, ambiguous ? "ambiguous" : "invalid", arg);
		return NULL;
	}
	return found;
}

static void *field_of(struct parse *parse, const struct option_row *row)
{
	return (char *)parse + row->field;
}

static int set_flag(struct parse *parse, const struct option_row *row, const char *arg)
{
	(void)arg;
	*(bool *)field_of(parse, row) = true;
	return 0;
}

static int set_text(struct parse *parse, const struct option_row *row, const char *arg)
{
	*(const char **)field_of(parse, row) = arg;
	return 0;
}

static int set_word(struct parse *parse, const struct option_row *row, const char *arg)
{
	const struct word *word = word_find(parse, row, row->words, arg);

	if (!word) {
		return -EINVAL;
	}
	*(unsigned *)field_of(parse, row) = word->value;
	return 0;
}

static int set_count(struct parse *parse, const struct option_row *row, const char *arg)
{
	uint64_t count;

	if (zc_parse_count(arg, row->min, row->max, &count) != 0) {
		return fail_value(parse, row, "invalid", arg);
	}
	*(unsigned *)field_of(parse, row) = (unsigned)count;
	return 0;
}

/* From min to max, and a multiple of min. */
static int set_size(struct parse *parse, const struct option_row *row, const char *arg)
{
	uint64_t bytes;

	if (zc_parse_size(arg, &bytes) != 0 || bytes < row->min || bytes > row->max ||
	    bytes % row->min != 0) {
		return fail_value(parse, row, "invalid", arg);
	}
	*(uint64_t *)field_of(parse, row) = bytes;
	return 0;
}

static int set_engine(struct parse *parse, const struct option_row *row, const char *arg)
{
	parse->engine_given = true;
	return set_word(parse, row, arg);
}

static int set_jobs(struct parse *parse, const struct option_row *row, const char *arg)
{
	parse->jobs_given = true;
	return set_count(parse, row, arg);
}

static int set_hugepages(struct parse *parse, const struct option_row *row, const char *arg)
{
	uint64_t bytes;

	if (*arg < '0' || *arg > '9') {
		return set_word(parse, row, arg);
	}
	if (zc_parse_size(arg, &bytes) != 0 || bytes < row->min || bytes > row->max ||
	    (bytes & (bytes - 1)) != 0) {
		return fail_value(parse, row, "invalid", arg);
	}
	parse->args.job.huge = ZC_HUGE_SIZE;
	parse->args.job.huge_bytes = bytes;
	return 0;
}

static int set_numa(struct parse *parse, const struct option_row *row, const char *arg)
{
	const struct word *word;
	uint64_t node;

	parse->args.job.numa_off = false;
	parse->args.job.numa_node = ZC_NODE_ANY;
	if (*arg < '0' || *arg > '9') {
		word = word_find(parse, row, row->words, arg);
		parse->args.job.numa_off = word && word->value;
		return word ? 0 : -EINVAL;
	}
	if (zc_parse_count(arg, row->min, row->max, &node) != 0) {
		return fail_value(parse, row, "invalid", arg);
	}
	parse->args.job.numa_node = (int)node;
	return 0;
}

static int set_target(struct parse *parse, const struct option_row *row, const char *arg)
{
	(void)row;
	if (parse->target_dir) {
		return fail(parse, "multiple target directories specified");
	}
	parse->target_dir = arg;
	return 0;
}

static const struct word preserve_words[] = {
	{ "mode", ZC_PRESERVE_MODE },
	{ "ownership", ZC_PRESERVE_OWNER },
	{ "timestamps", ZC_PRESERVE_TIMES },
	{ "all", 0 },
	{ "links", 0 }, /* cp's other words: known, so that the message can say so */
	{ "context", 0 },
	{ "xattr", 0 },
	{ NULL, 0 },
};

/* "mode,timestamps" to bits. */
static int preserve_list(struct parse *parse, const struct option_row *row, const char *list,
                         unsigned *ret_bits)
{
	unsigned bits = 0;

	for (;;) {
		size_t len = strcspn(list, ",");
		char item[16] = "";
		const struct word *word;

		if (len >= sizeof(item)) {
			return fail_value(parse, row, "invalid", list);
		}
		memcpy(item, list, len);
		word = word_find(parse, row, preserve_words, item);
		if (!word) {
			return -EINVAL;
		}
		if (word->value == 0) {
			return fail(parse, "'%s' for '%s' is not in this version", word->name,
			            parse->subject);
		}
		bits |= word->value;
		if (list[len] == '\0') {
			*ret_bits = bits;
			return 0;
		}
		list += len + 1;
	}
}

static int set_preserve(struct parse *parse, const struct option_row *row, const char *arg)
{
	unsigned bits = 0;
	int err = preserve_list(parse, row, arg, &bits);

	parse->args.job.preserve |= bits;
	if (bits & ZC_PRESERVE_MODE) {
		parse->args.job.preserve &= ~(unsigned)ZC_PRESERVE_NOT_MODE;
	}
	return err;
}

static int set_no_preserve(struct parse *parse, const struct option_row *row, const char *arg)
{
	unsigned bits = 0;
	int err = preserve_list(parse, row, arg, &bits);

	parse->args.job.preserve &= ~bits;
	if (bits & ZC_PRESERVE_MODE) {
		parse->args.job.preserve |= ZC_PRESERVE_NOT_MODE;
	}
	return err;
}

static int set_help(struct parse *parse, const struct option_row *row, const char *arg)
{
	(void)row;
	(void)arg;
	parse->args.command = ZC_COMMAND_HELP;
	return STOP;
}

static int set_version(struct parse *parse, const struct option_row *row, const char *arg)
{
	(void)row;
	(void)arg;
	parse->args.command = ZC_COMMAND_VERSION;
	return STOP;
}

/* ---- the table */

static const struct word when_words[] = {
	{ "auto", ZC_WHEN_AUTO },
	{ "always", ZC_WHEN_ALWAYS },
	{ "never", ZC_WHEN_NEVER },
	{ NULL, 0 },
};
static const struct word update_words[] = {
	{ "all", ZC_UPDATE_ALL },
	{ "none", ZC_UPDATE_NONE },
	{ "none-fail", ZC_UPDATE_NONE_FAIL },
	{ "older", ZC_UPDATE_OLDER },
	{ NULL, 0 },
};
static const struct word durability_words[] = {
	{ "none", ZC_DURABILITY_NONE },
	{ "data", ZC_DURABILITY_DATA },
	{ "full", ZC_DURABILITY_FULL },
	{ NULL, 0 },
};
static const struct word change_words[] = {
	{ "retry", ZC_ON_CHANGE_RETRY },
	{ "warn", ZC_ON_CHANGE_WARN },
	{ "fail", ZC_ON_CHANGE_FAIL },
	{ NULL, 0 },
};
static const struct word engine_words[] = {
	{ "auto", ZC_ENGINE_AUTO },
	{ "uring", ZC_ENGINE_URING },
	{ "sync", ZC_ENGINE_SYNC },
	{ NULL, 0 },
};
static const struct word route_words[] = {
	{ "auto", ZC_ROUTE_AUTO },
	{ "reflink", ZC_ROUTE_REFLINK },
	{ "cfr", ZC_ROUTE_CFR },
	{ "sendfile", ZC_ROUTE_SENDFILE },
	{ "splice", ZC_ROUTE_SPLICE },
	{ "buffer", ZC_ROUTE_BUFFER },
	{ NULL, 0 },
};
static const struct word cache_words[] = {
	{ "auto", ZC_CACHE_AUTO },
	{ "keep", ZC_CACHE_KEEP },
	{ "drop", ZC_CACHE_DROP },
	{ NULL, 0 },
};
static const struct word huge_words[] = {
	{ "auto", ZC_HUGE_AUTO },
	{ "never", ZC_HUGE_NEVER },
	{ NULL, 0 },
};
static const struct word numa_words[] = {
	{ "auto", false },
	{ "off", true },
	{ NULL, 0 },
};
static const struct word progress_words[] = {
	{ "auto", ZC_PROGRESS_AUTO },
	{ "always", ZC_PROGRESS_ALWAYS },
	{ "never", ZC_PROGRESS_NEVER },
	{ "json", ZC_PROGRESS_JSON },
	{ NULL, 0 },
};

#define JOB(member)  offsetof(struct parse, args.job.member)
#define ARGS(member) offsetof(struct parse, args.member)

/* clang-format off */
static const struct option_row option_rows[] = {
	{ .help = "What is replaced, and what is kept:" },
	{ .letter = 'f', .name = "force", .apply = set_flag, .field = JOB(force),
	  .help = "replace a file that may not be opened for\nwriting" },
	{ .letter = 'n', .name = "no-clobber", .apply = set_flag, .field = offsetof(struct parse, no_clobber),
	  .help = "skip what exists, with status 0" },
	{ .letter = 'u', .name = "update", .has_arg = optional_argument, .apply = set_word,
	  .field = JOB(update), .words = update_words, .bare = "older",
	  .help = "which existing files are replaced: all (default),\n"
		  "none, none-fail (status 1), or older ones (-u)" },
	{ .letter = 'p', .name = "preserve", .has_arg = optional_argument, .apply = set_preserve,
	  .bare = "mode,ownership,timestamps", .arg = "LIST",
	  .help = "keep mode, ownership, timestamps of the source:\nthose of LIST, or (-p) all three" },
	{ .name = "no-preserve", .has_arg = required_argument, .apply = set_no_preserve, .arg = "LIST",
	  .help = "do not keep these" },
	{ .letter = 't', .name = "target-directory", .has_arg = required_argument, .apply = set_target,
	  .arg = "DIR",
	  .help = "copy all SOURCEs into DIR" },
	{ .letter = 'T', .name = "no-target-directory", .apply = set_flag, .field = JOB(dest_is_file),
	  .help = "DEST is the file itself, not a directory for it" },
	{ .name = "durability", .has_arg = required_argument, .apply = set_word, .field = JOB(durability),
	  .words = durability_words,
	  .help = "safe from a power cut at exit: nothing, the data,\n"
		  "or also the name. Default: none for new names,\n"
		  "data when replacing" },
	{ .name = "inplace", .apply = set_flag, .field = JOB(inplace),
	  .help = "write into the existing file itself: a failure\nleaves it partly written" },
	{ .name = "on-change", .has_arg = required_argument, .apply = set_word, .field = JOB(on_change),
	  .words = change_words,
	  .help = "when a source changes while it is read: once more,\nthen status 3; or status 3; "
		  "or keep the old file" },
	{ .name = "allow-mounted", .apply = set_flag, .field = JOB(allow_mounted),
	  .help = "write to a block device that is in use" },

	{ .help = "How bytes move (the default is to choose):" },
	{ .name = "engine", .has_arg = required_argument, .apply = set_engine, .field = JOB(engine),
	  .words = engine_words,
	  .help = "io_uring, or plain system calls" },
	{ .name = "route", .has_arg = required_argument, .apply = set_word, .field = JOB(route),
	  .words = route_words,
	  .help = "a way through the kernel, or through buffers" },
	{ .name = "reflink", .has_arg = optional_argument, .apply = set_word, .field = JOB(reflink),
	  .words = when_words, .bare = "always",
	  .help = "share the blocks instead of copying them" },
	{ .name = "sparse", .has_arg = required_argument, .apply = set_word, .field = JOB(sparse),
	  .words = when_words,
	  .help = "keep holes; always: make holes of zeros, too" },
	{ .name = "direct", .has_arg = required_argument, .apply = set_word, .field = JOB(direct),
	  .words = when_words,
	  .help = "O_DIRECT: past the page cache" },
	{ .name = "cache", .has_arg = required_argument, .apply = set_word, .field = JOB(cache),
	  .words = cache_words,
	  .help = "what stays in the page cache" },
	{ .name = "block-size", .has_arg = required_argument, .apply = set_size, .field = JOB(block_bytes),
	  .arg = "SIZE", .min = 512, .max = 64 * ZC_MIB, .range = "a multiple of 512 from 512 to 64M",
	  .help = "bytes in one request, 512 to 64M" },
	{ .name = "queue-depth", .has_arg = required_argument, .apply = set_count, .field = JOB(queue_depth),
	  .arg = "N", .min = 1, .max = 4096, .range = "a whole number from 1 to 4096",
	  .help = "requests in flight, 1 to 4096" },
	{ .letter = 'j', .name = "jobs", .has_arg = required_argument, .apply = set_jobs, .field = JOB(jobs),
	  .arg = "N", .min = 1, .max = 256, .range = "a whole number from 1 to 256",
	  .help = "helper threads of the sync engine, 1 to 256" },
	{ .name = "hugepages", .has_arg = required_argument, .apply = set_hugepages, .field = JOB(huge),
	  .words = huge_words, .arg = "SIZE", .min = 64 * ZC_KIB, .max = 16 * ZC_GIB,
	  .range = "auto, never, or a power of two from 64K to 16G",
	  .help = "pages of the buffers" },
	{ .name = "numa", .has_arg = required_argument, .apply = set_numa, .words = numa_words,
	  .arg = "NODE", .min = 0, .max = 1023, .range = "auto, off, or a node from 0 to 1023",
	  .help = "memory node of the buffers" },
	{ .name = "pool", .has_arg = required_argument, .apply = set_size, .field = JOB(pool_bytes),
	  .arg = "SIZE", .min = 4 * ZC_KIB, .max = 64 * ZC_GIB, .range = "a multiple of 4K from 4K to 64G",
	  .help = "memory of all buffers together, 4K to 64G" },

	{ .help = "What is said:" },
	{ .letter = 'v', .name = "verbose", .apply = set_flag, .field = JOB(verbose),
	  .help = "name each file that is copied" },
	{ .letter = 'q', .name = "quiet", .apply = set_flag, .field = JOB(quiet),
	  .help = "nothing but errors" },
	{ .name = "progress", .has_arg = optional_argument, .apply = set_word, .field = ARGS(progress),
	  .words = progress_words, .bare = "always",
	  .help = "a bar; auto: on a terminal, after a second;\njson: one object a line on stderr" },
	{ .name = "stats", .apply = set_flag, .field = ARGS(stats),
	  .help = "when done, what was done and how fast, on stderr" },
	{ .name = "report", .has_arg = required_argument, .apply = set_text, .field = ARGS(report_path),
	  .arg = "FILE",
	  .help = "the same as a JSON object in FILE, - for stdout" },
	{ .name = "explain", .apply = set_flag, .field = JOB(explain),
	  .help = "what was chosen and refused, and why, on stderr" },
	{ .name = "dry-run", .apply = set_flag, .field = JOB(dry_run),
	  .help = "say what would be copied, write nothing" },
	{ .name = "help", .apply = set_help,
	  .help = "this text" },
	{ .name = "version", .apply = set_version,
	  .help = "the version" },
};
/* clang-format on */
#undef JOB
#undef ARGS

#define ROW_COUNT ZC_ARRAY_LEN(option_rows)

static const struct option_row *row_by_name(const char *name)
{
	for (size_t i = 0; i < ROW_COUNT; i++) {
		if (option_rows[i].name && !strcmp(option_rows[i].name, name)) {
			return &option_rows[i];
		}
	}
	return NULL;
}

/* getopt's value: a letter, or LONG_OPTION + row. NULL: neither. */
static const struct option_row *row_of(int value)
{
	if (value >= LONG_OPTION) {
		return &option_rows[value - LONG_OPTION];
	}
	for (size_t i = 0; i < ROW_COUNT; i++) {
		if (value != 0 && option_rows[i].letter == value) {
			return &option_rows[i];
		}
	}
	return NULL;
}

/* ---- parsing */

/* The table in getopt's two forms. */
static void getopt_tables(struct option longs[ROW_COUNT + 1], char letters[2 * ROW_COUNT + 2])
{
	*letters++ = ':'; /* tell a missing argument from an unknown option, and print neither */
	for (size_t i = 0; i < ROW_COUNT; i++) {
		const struct option_row *row = &option_rows[i];

		if (!row->name) {
			continue;
		}
		*longs++ = (struct option){ row->name, row->has_arg, NULL, (int)(LONG_OPTION + i) };
		if (row->letter) {
			*letters++ = row->letter;
		}
		if (row->letter && row->has_arg == required_argument) {
			*letters++ = ':';
		}
	}
	*longs = (struct option){ 0 };
	*letters = '\0';
}

/* A long option, as typed, that getopt does not know, or knows too many of. */
static int fail_long(struct parse *parse, const char *typed)
{
	size_t len = strcspn(typed + 2, "=");
	char list[160] = "";
	size_t used = 0;

	for (size_t i = 0; i < ROW_COUNT && used < sizeof(list); i++) {
		if (option_rows[i].name && strncmp(option_rows[i].name, typed + 2, len) == 0) {
			used += (size_t)snprintf(list + used, sizeof(list) - used, " '--%s'",
			                         option_rows[i].name);
		}
	}
	if (used == 0) {
		return fail(parse, "unrecognized option '%s'", quoted(parse, typed));
	}
	return fail(parse, "option '%s' is ambiguous; possibilities:%s", quoted(parse, typed), list);
}

/* getopt said '?' or ':' about code (optopt). */
static int fail_option(struct parse *parse, int result, int code, const char *typed)
{
	char letter[2] = { (char)code, '\0' };

	if (code == 0) {
		return fail_long(parse, typed);
	}
	if (code >= LONG_OPTION) {
		return fail(parse,
		            result == ':' ? "option '--%s' requires an argument"
		                          : "option '--%s' doesn't allow an argument",
		            row_of(code)->name);
	}
	return fail(parse, result == ':' ? "option requires an argument -- '%s'" : "invalid option -- '%s'",
	            quoted(parse, letter));
}

static int apply(struct parse *parse, const struct option_row *row, const char *arg)
{
	snprintf(parse->subject, sizeof(parse->subject), "--%s", row->name);
	return row->apply(parse, row, arg);
}

static int parse_options(struct parse *parse, int argc, char **argv)
{
	struct option longs[ROW_COUNT + 1];
	char letters[2 * ROW_COUNT + 2];
	int result;
	int err = 0;

	getopt_tables(longs, letters);
	optind = 0; /* start over, also after an earlier parse */
	opterr = 0;
	while (err == 0 && (result = getopt_long(argc, argv, letters, longs, NULL)) != -1) {
		const struct option_row *row = result == '?' || result == ':' ? NULL : row_of(result);

		if (!row) {
			return fail_option(parse, result, optopt, argv[optind - 1]);
		}
		err = apply(parse, row, optarg ? optarg : row->bare);
	}
	return err;
}

/* Set but empty is as good as unset. */
static int apply_variable(struct parse *parse, const char *variable, const char *option)
{
	const struct option_row *row = row_by_name(option);
	const char *value = getenv(variable);

	if (!value || *value == '\0') {
		return 0;
	}
	snprintf(parse->subject, sizeof(parse->subject), "%s", variable);
	return row->apply(parse, row, value);
}

/* What the environment says where no option did. */
static int parse_environment(struct parse *parse)
{
	int err = 0;

	if (!parse->engine_given) {
		err = apply_variable(parse, "ZCOPY_ENGINE", "engine");
	}
	if (err == 0 && !parse->jobs_given) {
		err = apply_variable(parse, "ZCOPY_JOBS", "jobs");
	}
	return err;
}

/* Looks at the form of an end only, and at what this version has; whether it can be had is the job's to
 * find out. */
static int check_end(struct parse *parse, const char *end, enum zc_dir dir)
{
	struct zc_uri uri;
	const char *name;
	const char *why;

	if (zc_uri_parse(&uri, end, dir, &why) < 0) {
		return fail(parse, "%s: %s", quoted(parse, end), why);
	}
	if (uri.kind != ZC_END_REMOTE) {
		return 0;
	}
	name = quoted(parse, end);
	if (strstr(end, "://") == NULL && faccessat(AT_FDCWD, end, F_OK, AT_SYMLINK_NOFOLLOW) == 0) {
		return fail(parse,
		            "%s names another host, but a file of that name is here; for the file write ./%s",
		            name, name);
	}
	return fail(parse, "%s: network ends are not in this version", name);
}

static int check_ends(struct parse *parse)
{
	const struct zc_job_cfg *job = &parse->args.job;
	int err = job->dest_is_dir ? 0 : check_end(parse, job->dest, ZC_DIR_DST);

	for (unsigned i = 0; i < job->source_count && err == 0; i++) {
		err = check_end(parse, job->sources[i], ZC_DIR_SRC);
	}
	return err;
}

static int parse_operands(struct parse *parse, int count, char **operands)
{
	struct zc_job_cfg *job = &parse->args.job;
	int source_count = parse->target_dir ? count : count - 1;

	if (count <= 0) {
		return fail(parse, "missing file operand");
	}
	if (source_count == 0) {
		return fail(parse, "missing destination file operand after '%s'", quoted(parse, operands[0]));
	}
	if (job->dest_is_file && parse->target_dir) {
		return fail(parse, "cannot combine --target-directory (-t) and --no-target-directory (-T)");
	}
	if (job->dest_is_file && count > 2) {
		return fail(parse, "extra operand '%s'", quoted(parse, operands[2]));
	}
	job->sources = (const char *const *)operands;
	job->source_count = (unsigned)source_count;
	job->dest = parse->target_dir ? parse->target_dir : operands[count - 1];
	job->dest_is_dir = parse->target_dir != NULL;
	return check_ends(parse);
}

/* What no option says alone. */
/* Two demands that cannot both be met: none is dropped silently. */
static int parse_forced(struct parse *parse)
{
	const struct zc_job_cfg *job = &parse->args.job;
	bool kernel = job->route != ZC_ROUTE_AUTO && job->route != ZC_ROUTE_BUFFER;
	bool may_share = job->route == ZC_ROUTE_REFLINK || job->route == ZC_ROUTE_CFR;
	const char *route = zc_route_name(job->route);

	if (kernel && job->direct == ZC_WHEN_ALWAYS) {
		return fail(parse, "--direct=always needs our buffers; --route=%s does without", route);
	}
	if (kernel && job->sparse == ZC_WHEN_ALWAYS) {
		return fail(parse, "--sparse=always needs our buffers; --route=%s does without", route);
	}
	if (may_share && (job->reflink == ZC_WHEN_NEVER || job->sparse == ZC_WHEN_NEVER)) {
		return fail(parse, "--route=%s may share blocks and keep holes, which was forbidden", route);
	}
	if (job->reflink == ZC_WHEN_ALWAYS && job->route != ZC_ROUTE_AUTO && job->route != ZC_ROUTE_REFLINK) {
		return fail(parse, "--reflink=always and --route=%s exclude each other", route);
	}
	if (job->reflink == ZC_WHEN_ALWAYS && job->direct == ZC_WHEN_ALWAYS) {
		return fail(parse, "--reflink=always and --direct=always exclude each other");
	}
	return 0;
}

static int parse_together(struct parse *parse)
{
	struct zc_job_cfg *job = &parse->args.job;

	if (parse->no_clobber) {
		job->update = ZC_UPDATE_NONE;
	}
	if (job->reflink == ZC_WHEN_ALWAYS && job->sparse != ZC_WHEN_AUTO) {
		return fail(parse, "--reflink can be used only with --sparse=auto");
	}
	if (job->pool_bytes != 0 && job->block_bytes > job->pool_bytes) {
		return fail(parse, "--pool is smaller than --block-size");
	}
	return parse_forced(parse);
}

/* ---- commands: only argv[1] can be one */

static const struct command {
	const char *name;
	bool built;
	enum zc_command command;
} commands[] = {
	{ "help", true, ZC_COMMAND_HELP },
	{ "version", true, ZC_COMMAND_VERSION },
	{ .name = "serve" },
	{ .name = "keygen" },
	{ .name = "bench" },
	{ .name = "doctor" },
	{ .name = "tune" },
	{ .name = "verify" },
};

static int parse_command(struct parse *parse, int argc, char **argv)
{
	const struct command *command = NULL;
	struct stat st;

	for (size_t i = 0; argc > 1 && i < ZC_ARRAY_LEN(commands); i++) {
		if (!strcmp(argv[1], commands[i].name)) {
			command = &commands[i];
		}
	}
	if (!command) {
		return 0;
	}
	if (lstat(command->name, &st) == 0) {
		return fail(parse, "'%s' is a command and a file here: write ./%s, or zcopy -- %s",
		            command->name, command->name, command->name);
	}
	if (!command->built) {
		return fail(parse, "this version has no command '%s' yet; a file of that name is ./%s",
		            command->name, command->name);
	}
	if (argc > 2) {
		return fail(parse, "extra operand '%s'", quoted(parse, argv[2]));
	}
	parse->args.command = command->command;
	return STOP;
}

int zc_args_parse(struct zc_args *ret_args, int argc, char **argv, char *ret_message, size_t cap_bytes)
{
	struct parse parse = {
		.args.job.numa_node = ZC_NODE_ANY,
		.message = ret_message,
		.cap_bytes = cap_bytes,
	};
	int err = parse_command(&parse, argc, argv);

	if (err == 0) {
		err = parse_options(&parse, argc, argv);
	}
	if (err == 0) {
		err = parse_environment(&parse);
	}
	if (err == 0) {
		err = parse_operands(&parse, argc - optind, argv + optind);
	}
	if (err == 0) {
		err = parse_together(&parse);
	}
	if (err < 0) {
		return err;
	}
	*ret_args = parse.args;
	return 0;
}

/* ---- help */

/* "  -u, --update[=all|none|none-fail|older]"; returns its width. */
static int help_head(FILE *out, const struct option_row *row)
{
	const char *between = row->has_arg == optional_argument ? "[=" : "=";
	int width = row->letter ? fprintf(out, "  -%c, --%s", row->letter, row->name)
	                        : fprintf(out, "      --%s", row->name);

	for (const struct word *word = row->words; word && word->name; word++) {
		width += fprintf(out, "%s%s", between, word->name);
		between = "|";
	}
	if (row->arg) {
		width += fprintf(out, "%s%s", between, row->arg);
	}
	if (row->has_arg == optional_argument) {
		width += fprintf(out, "]");
	}
	return width;
}

static void help_row(FILE *out, const struct option_row *row)
{
	const char *line = row->help;
	int column;

	if (!row->name) {
		fprintf(out, "\n%s\n", row->help);
		return;
	}
	column = help_head(out, row);
	if (column > HELP_COLUMN - 2) {
		fputc('\n', out);
		column = 0;
	}
	while (*line != '\0') {
		size_t len = strcspn(line, "\n");

		fprintf(out, "%*s%.*s\n", HELP_COLUMN - column, "", (int)len, line);
		line += len + (line[len] == '\n');
		column = 0;
	}
}

void zc_args_help(FILE *out)
{
	fputs("Usage: zcopy [OPTION]... SOURCE DEST\n"
	      "  or:  zcopy [OPTION]... SOURCE... DIRECTORY\n"
	      "  or:  zcopy [OPTION]... -t DIRECTORY SOURCE...\n"
	      "  or:  zcopy help | version\n"
	      "Copy SOURCE to DEST, or several SOURCEs into DIRECTORY. A file that exists is\n"
	      "replaced whole: it is the old one until the new one is complete.\n"
	      "\n"
	      "SOURCE and DEST are:\n"
	      "  PATH            a file, a device or a FIFO\n"
	      "  -               standard input as SOURCE, standard output as DEST\n"
	      "  null:           discards as DEST, is empty as SOURCE\n"
	      "  zero:SIZE       SOURCE of zero bytes\n"
	      "  gen:SEED,SIZE   SOURCE of random-looking bytes; as DEST gen:SEED checks them\n",
	      out);
	for (size_t i = 0; i < ROW_COUNT; i++) {
		help_row(out, &option_rows[i]);
	}
	fputs("\n"
	      "SIZE takes K M G T (1024), KB MB GB TB (1000) and KiB MiB GiB TiB.\n"
	      "ZCOPY_ENGINE and ZCOPY_JOBS in the environment do what the options do.\n"
	      "\n"
	      "Exit status: 0 all good, 1 something failed, 2 usage, 3 a source changed,\n"
	      "4 wrong bytes, 5 no space, 9 refused by a safety check. More in zcopy(1).\n",
	      out);
}

void zc_args_version(FILE *out)
{
	fputs("zcopy " ZC_VERSION "\n", out);
}
