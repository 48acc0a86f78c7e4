/*
 * The command line: options by the table of option.c, the environment, operands, and what no option says
 * alone. GNU's rules and GNU's words for what is wrong. The last of repeated options wins, as with cp, but
 * -n wins over every --update.
 *
 * Called as cp there are only the rows that are not our own, and operands are names of files.
 */
#include "args.h"

#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "option.h"

#define LONG_OPTION 256 /* getopt's value of row i is this + i, so never a letter */
#define ALIAS_MAX   64
#define ALIAS_BYTES 16

/* getopt's two forms of the table, and the abbreviations that are added to it. */
struct tables {
	struct option longs[OPTION_MAX + ALIAS_MAX + 2];
	size_t long_count;
	char letters[3 * OPTION_MAX + 2];
	char aliases[ALIAS_MAX][ALIAS_BYTES];
	size_t alias_count;
};

static const struct option_row *row_by_name(const char *name)
{
	const struct option_row *row;

	for (size_t i = 0; (row = option_at(i)); i++) {
		if (row->name && !strcmp(row->name, name)) {
			return row;
		}
	}
	return NULL;
}

/* getopt's value: a letter, or LONG_OPTION + row. NULL: neither. */
static const struct option_row *row_of(int value)
{
	const struct option_row *row;

	if (value >= LONG_OPTION) {
		return option_at((size_t)(value - LONG_OPTION));
	}
	for (size_t i = 0; value != 0 && (row = option_at(i)); i++) {
		if (row->letter == value || row->other_letter == value) {
			return row;
		}
	}
	return NULL;
}

/* Whether the user may name this row: neither a heading, nor our own where we are cp. */
static bool is_known(const struct parse *parse, const struct option_row *row)
{
	if (parse->args.command == ZC_COMMAND_VERIFY) {
		return row->verify;
	}
	if (parse->args.command == ZC_COMMAND_BENCH) {
		return row->bench != 0;
	}
	if (parse->args.command == ZC_COMMAND_TUNE) {
		return row->tune;
	}
	return row->apply && !row->only_bench && !(row->own && parse->gnu_cp);
}

/* ---- getopt's tables */

static void add_long(struct tables *tables, const char *name, int has_arg, size_t row)
{
	zc_assert(tables->long_count + 1 < ZC_ARRAY_LEN(tables->longs));
	tables->longs[tables->long_count++] =
	    (struct option){ name, has_arg, NULL, (int)(LONG_OPTION + row) };
}

static void add_letter(struct tables *tables, char letter, int has_arg)
{
	size_t used = strlen(tables->letters);

	if (letter) {
		snprintf(tables->letters + used, sizeof(tables->letters) - used, "%c%s", letter,
		         has_arg == required_argument ? ":" : "");
	}
}

/* How many rows, of GNU's or of our own, begin so. */
static unsigned count_prefix(const char *text, size_t len, bool own)
{
	const struct option_row *row;
	unsigned count = 0;

	for (size_t i = 0; (row = option_at(i)); i++) {
		count += row->name && row->own == own && strncmp(row->name, text, len) == 0;
	}
	return count;
}

/* An abbreviation that means one option to cp means it here, too, whatever options of our own begin so:
 * --pr is --preserve, not ambiguous for --progress. Such ones are entered as names. */
static void add_aliases(struct tables *tables)
{
	const struct option_row *row;

	for (size_t i = 0; (row = option_at(i)); i++) {
		size_t len = row->name && !row->own ? 1 : ALIAS_BYTES;

		for (; len < ALIAS_BYTES && row->name[len] != '\0'; len++) {
			char *alias = tables->aliases[tables->alias_count];

			if (count_prefix(row->name, len, false) > 1) {
				continue;
			}
			if (count_prefix(row->name, len, true) == 0) {
				break;
			}
			zc_assert(tables->alias_count < ALIAS_MAX);
			snprintf(alias, ALIAS_BYTES, "%.*s", (int)len, row->name);
			add_long(tables, alias, row->has_arg, i);
			tables->alias_count++;
		}
	}
}

/* Whether a word looks like a long option that is not spelt out: only then are aliases worth their time. */
static bool is_abbreviated(int argc, char **argv)
{
	for (int i = 1; i < argc; i++) {
		char name[32];

		if (strncmp(argv[i], "--", 2) != 0 || argv[i][2] == '\0') {
			continue;
		}
		snprintf(name, sizeof(name), "%.*s", (int)strcspn(argv[i] + 2, "="), argv[i] + 2);
		if (!row_by_name(name)) {
			return true;
		}
	}
	return false;
}

static void fill_tables(const struct parse *parse, int argc, char **argv, struct tables *tables)
{
	const struct option_row *row;

	tables->long_count = tables->alias_count = 0;
	memcpy(tables->letters, ":",
	       2); /* tell a missing argument from an unknown option, and print neither */
	for (size_t i = 0; (row = option_at(i)); i++) {
		if (!is_known(parse, row)) {
			continue;
		}
		add_letter(tables, row->letter, row->has_arg);
		add_letter(tables, row->other_letter, row->has_arg);
		if (row->name) {
			add_long(tables, row->name, row->has_arg, i);
		}
		if (row->name && !strcmp(row->name, "parents")) {
			add_long(tables, "path", row->has_arg, i); /* an old name that GNU still takes */
		}
	}
	if (!parse->gnu_cp && parse->args.command == ZC_COMMAND_COPY && is_abbreviated(argc, argv)) {
		add_aliases(tables);
	}
	tables->longs[tables->long_count] = (struct option){ 0 };
}

/* ---- options */

/* A long option, as typed, that getopt does not know, or knows too many of. */
static int fail_long(struct parse *parse, const char *typed)
{
	size_t len = strcspn(typed + 2, "=");
	const struct option_row *row;
	char list[1536] = "";
	size_t used = 0;

	for (size_t i = 0; (row = option_at(i)); i++) {
		zc_assert(used < sizeof(list));
		if (is_known(parse, row) && row->name && strncmp(row->name, typed + 2, len) == 0) {
			used += (size_t)snprintf(list + used, sizeof(list) - used, " '--%s'", row->name);
		}
	}
	if (used == 0) {
		return option_fail(parse, "unrecognized option '%s'", option_quoted(parse, typed));
	}
	return option_fail(parse, "option '%s' is ambiguous; possibilities:%s", option_quoted(parse, typed),
	                   list);
}

/* getopt said '?' or ':' about code (optopt). */
static int fail_option(struct parse *parse, int result, int code, const char *typed)
{
	char letter[2] = { (char)code, '\0' };

	if (code == 0) {
		return fail_long(parse, typed);
	}
	if (code >= LONG_OPTION) {
		return option_fail(parse,
		                   result == ':' ? "option '--%s' requires an argument"
		                                 : "option '--%s' doesn't allow an argument",
		                   row_of(code)->name);
	}
	return option_fail(parse,
	                   result == ':' ? "option requires an argument -- '%s'" : "invalid option -- '%s'",
	                   option_quoted(parse, letter));
}

static int apply(struct parse *parse, const struct option_row *row, const char *arg)
{
	snprintf(parse->subject, sizeof(parse->subject), "--%s", row->name ? row->name : "");
	if (row->bench != 0 && parse->bench_given_count < OPTION_MAX) {
		parse->bench_given[parse->bench_given_count++] = row;
	}
	return row->apply(parse, row, arg);
}

static int parse_options(struct parse *parse, int argc, char **argv)
{
	struct tables tables;
	int result;
	int err = 0;

	fill_tables(parse, argc, argv, &tables);
	optind = 0; /* start over, also after an earlier parse */
	opterr = 0;
	while (err == 0 && (result = getopt_long(argc, argv, tables.letters, tables.longs, NULL)) != -1) {
		const struct option_row *row = result == '?' || result == ':' ? NULL : row_of(result);

		if (!row) {
			return fail_option(parse, result, optopt, argv[optind - 1]);
		}
		err = apply(parse, row, optarg ? optarg : row->bare);
	}
	return err;
}

/* ---- the environment: what it says where no option did */

/* Set but empty is as good as unset. */
static const char *variable_text(const char *variable)
{
	const char *value = getenv(variable);

	return value && *value ? value : NULL;
}

static int apply_variable(struct parse *parse, const char *variable, const char *option)
{
	const struct option_row *row = row_by_name(option);
	const char *value = variable_text(variable);

	if (!value) {
		return 0;
	}
	snprintf(parse->subject, sizeof(parse->subject), "%s", variable);
	return row->apply(parse, row, value);
}

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

/* ---- operands */

/* The name of a file for a message, quoted as the program does whose name we have. */
static const char *named(struct parse *parse, const char *name)
{
	char *out = parse->shown;
	size_t len;

	if (parse->gnu_cp) {
		return zc_quote_shell(out, sizeof(parse->shown), name);
	}
	out[0] = '\'';
	zc_quote(out + 1, sizeof(parse->shown) - 2, name);
	len = strlen(out);
	out[len] = '\'';
	out[len + 1] = '\0';
	return out;
}

/* Looks at the form of an end only, and at what this version has; whether it can be had is the job's to
 * find out. */
static int check_end(struct parse *parse, const char *end, enum zc_dir dir)
{
	struct zc_uri uri;
	const char *name;
	const char *why;

	if (zc_uri_parse(&uri, end, dir, &why) < 0) {
		return option_fail(parse, "%s: %s", option_quoted(parse, end), why);
	}
	if (uri.kind != ZC_END_PATH && uri.kind != ZC_END_REMOTE && parse->args.job.compare) {
		return option_fail(parse, "%s: verify wants two files or directories",
		                   option_quoted(parse, end));
	}
	if ((uri.kind == ZC_END_TCP || uri.kind == ZC_END_TCP_LISTEN) && parse->args.job.recursive) {
		return option_fail(parse, "%s: one stream of bytes, not a directory: not with -r",
		                   option_quoted(parse, end));
	}
	if (uri.kind != ZC_END_REMOTE) {
		return 0;
	}
	name = option_quoted(parse, end);
	if (strstr(end, "://") == NULL && faccessat(AT_FDCWD, end, F_OK, AT_SYMLINK_NOFOLLOW) == 0) {
		return option_fail(
		    parse, "%s names another host, but a file of that name is here; for the file write ./%s",
		    name, name);
	}
	return option_fail(parse, "%s: network ends are not in this version", name);
}

static int check_ends(struct parse *parse)
{
	const struct zc_job_cfg *job = &parse->args.job;
	int err = job->dest_is_dir ? 0 : check_end(parse, job->dest, ZC_DIR_DST);

	for (unsigned i = 0; i < job->source_count && err == 0; i++) {
		err = check_end(parse, job->sources[i], ZC_DIR_SRC);
	}
	for (unsigned i = 0; i < job->tee_count && err == 0; i++) {
		err = check_end(parse, job->tees[i].end, ZC_DIR_DST);
		if (err == 0 && strncmp(job->tees[i].end, "tcp-listen://", 13) == 0) {
			err = option_fail(parse, "%s: --tee does not wait for a peer; DEST does",
			                  option_quoted(parse, job->tees[i].end));
		}
	}
	return err;
}

/* With --parents there has to be something to put the parents into. Of several sources the job says it. */
static int check_parents(struct parse *parse)
{
	const struct zc_job_cfg *job = &parse->args.job;
	struct stat st;

	if (!job->parents || job->dest_is_dir || job->source_count > 1) {
		return 0;
	}
	if (!job->dest_is_file && stat(job->dest, &st) == 0 && S_ISDIR(st.st_mode)) {
		return 0;
	}
	return option_fail(parse, "with --parents, the destination must be a directory");
}

/* What is about the bytes of one file, and of no other. */
static int parse_alone(struct parse *parse)
{
	const struct zc_job_cfg *job = &parse->args.job;
	bool several = job->source_count > 1 || job->recursive || job->files_from;
	const char *name = job->tee_count != 0                    ? "--tee"
	                   : job->buffer_bytes != 0               ? "--buffer"
	                   : job->expect_size                     ? "--expect-size"
	                   : job->expect_hash                     ? "--expect-hash"
	                   : job->hash == ZC_HASH_AUTO            ? NULL
	                   : job->verify || job->manifest != NULL ? NULL
	                                                          : "--hash";

	if (name && several) {
		return option_fail(parse, "%s is about one file%s", name,
		                   strcmp(name, "--hash") == 0 ? "; with --verify or --manifest about all"
		                                               : "");
	}
	if (name && (job->attributes_only || job->make_hard_links || job->make_symlinks)) {
		return option_fail(parse, "%s is about data, of which none is copied", name);
	}
	return 0;
}

static int parse_operands(struct parse *parse, int count, char **operands)
{
	struct zc_job_cfg *job = &parse->args.job;
	int source_count = parse->target_dir ? count : count - 1;
	int err;

	if (count <= 0) {
		return option_fail(parse, "missing file operand");
	}
	if (source_count == 0) {
		return option_fail(parse, "missing destination file operand after %s",
		                   named(parse, operands[0]));
	}
	if (job->dest_is_file && parse->target_dir) {
		parse->line_alone = true;
		return option_fail(parse,
		                   "cannot combine --target-directory (-t) and --no-target-directory (-T)");
	}
	if (job->dest_is_file && count > 2) {
		return option_fail(parse, "extra operand %s", named(parse, operands[2]));
	}
	job->sources = (const char *const *)operands;
	job->source_count = (unsigned)source_count;
	job->dest = parse->target_dir ? parse->target_dir : operands[count - 1];
	job->dest_is_dir = parse->target_dir != NULL;
	if (job->files_from && source_count > 1) {
		return option_fail(parse, "with --files-from there is one SOURCE, in which the names are");
	}
	err = parse->gnu_cp ? 0 : check_ends(parse);
	if (err == 0) {
		err = parse_alone(parse);
	}
	return err == 0 ? check_parents(parse) : err;
}

/* zcopy bench WORK [DIR...] */
static int parse_bench_operands(struct parse *parse, int count, char **operands)
{
	static const char *const works[] = { "copy", "read", "write", "nop", "mem", "hash" };
	static const int dirs_max[] = { 2, 8, 8, 0, 0, 0 };
	struct zc_job_cfg *job = &parse->args.job;
	size_t work = 0;

	while (count > 0 && work < ZC_ARRAY_LEN(works) && strcmp(operands[0], works[work]) != 0) {
		work++;
	}
	if (count <= 0 || work == ZC_ARRAY_LEN(works)) {
		return option_fail(parse, "bench: of what? copy, read, write, nop, mem or hash");
	}
	if (dirs_max[work] > 0 && count < 2) {
		return option_fail(parse, "bench %s: missing a directory", works[work]);
	}
	if (count - 1 > dirs_max[work]) {
		return option_fail(parse, "extra operand %s", named(parse, operands[1 + dirs_max[work]]));
	}
	for (unsigned i = 0; i < parse->bench_given_count; i++) {
		const struct option_row *row = parse->bench_given[i];

		if (!(row->bench & 1u << work)) {
			return option_fail(parse, "bench %s has no option --%s", works[work], row->name);
		}
	}
	parse->args.bench.work = (enum zc_bench_work)work;
	parse->args.bench.dirs = (const char *const *)operands + 1;
	parse->args.bench.dir_count = (unsigned)count - 1;
	job->sources = parse->args.bench.dirs;
	job->source_count = parse->args.bench.dir_count;
	job->dest = count > 1 ? operands[count - 1] : "null:";
	job->dest_is_dir = count > 1;
	return 0;
}

/* zcopy tune SRC_DIR DST_DIR */
static int parse_tune_operands(struct parse *parse, int count, char **operands)
{
	struct zc_job_cfg *job = &parse->args.job;

	if (count < 2) {
		return option_fail(parse, "tune: from which directory to which?");
	}
	if (count > 2) {
		return option_fail(parse, "extra operand %s", named(parse, operands[2]));
	}
	parse->args.bench.dirs = (const char *const *)operands;
	parse->args.bench.dir_count = 2;
	job->sources = parse->args.bench.dirs;
	job->source_count = 1;
	job->dest = operands[1];
	job->dest_is_dir = true;
	return 0;
}

/* ---- what no option says alone */

/* Two demands that cannot both be met: none is dropped silently. */
static int parse_forced(struct parse *parse)
{
	const struct zc_job_cfg *job = &parse->args.job;
	bool kernel = job->route != ZC_ROUTE_AUTO && job->route != ZC_ROUTE_BUFFER;
	bool may_share = job->route == ZC_ROUTE_REFLINK || job->route == ZC_ROUTE_CFR;
	const char *route = zc_route_name(job->route);

	if (kernel && job->direct == ZC_WHEN_ALWAYS) {
		return option_fail(parse, "--direct=always needs our buffers; --route=%s does without",
		                   route);
	}
	if (kernel && job->sparse == ZC_WHEN_ALWAYS) {
		return option_fail(parse, "--sparse=always needs our buffers; --route=%s does without",
		                   route);
	}
	if (may_share && (job->reflink == ZC_WHEN_NEVER || job->sparse == ZC_WHEN_NEVER)) {
		return option_fail(parse, "--route=%s may share blocks and keep holes, which was forbidden",
		                   route);
	}
	if (job->reflink == ZC_WHEN_ALWAYS && job->route != ZC_ROUTE_AUTO && job->route != ZC_ROUTE_REFLINK) {
		return option_fail(parse, "--reflink=always and --route=%s exclude each other", route);
	}
	if (job->reflink == ZC_WHEN_ALWAYS && job->direct == ZC_WHEN_ALWAYS) {
		return option_fail(parse, "--reflink=always and --direct=always exclude each other");
	}
	if ((job->verify || job->manifest) && kernel && job->route != ZC_ROUTE_REFLINK) {
		return option_fail(parse, "%s needs our buffers; --route=%s does without",
		                   job->verify ? "--verify" : "--manifest", route);
	}
	if (job->hash != ZC_HASH_AUTO && kernel && job->route != ZC_ROUTE_REFLINK) {
		return option_fail(parse, "%s needs our buffers; --route=%s does without",
		                   job->expect_hash ? "--expect-hash" : "--hash", route);
	}
	if (job->buffer_bytes != 0 && (kernel || job->engine == ZC_ENGINE_URING)) {
		return option_fail(parse, "--buffer excludes --%s%s: two threads read and write",
		                   kernel ? "route=" : "engine=uring", kernel ? route : "");
	}
	if (job->buffer_bytes != 0 &&
	    (job->sparse == ZC_WHEN_ALWAYS || job->on_read_error || job->block_bytes || job->queue_depth ||
	     job->jobs || job->pool_bytes)) {
		return option_fail(
		    parse, "--buffer excludes --sparse=always, --on-read-error and sizes of other buffers");
	}
	if (job->tee_count != 0 &&
	    (job->resume || job->on_read_error || job->sandbox != ZC_SANDBOX_OFF ||
	     job->reflink == ZC_WHEN_ALWAYS || (kernel && job->route != ZC_ROUTE_SPLICE))) {
		return option_fail(
		    parse, "--tee excludes --resume, --on-read-error, --sandbox and routes within the "
			   "kernel but splice");
	}
	if (job->stable && (job->route == ZC_ROUTE_SPLICE || job->route == ZC_ROUTE_SENDFILE)) {
		return option_fail(parse, "--stable passes no pages on, which --route=%s does", route);
	}
	if (job->on_read_error != ZC_ON_READ_ERROR_FAIL && (kernel || job->reflink == ZC_WHEN_ALWAYS)) {
		return option_fail(parse, "--on-read-error needs our buffers; --%s%s does without",
		                   kernel ? "route=" : "reflink=always", kernel ? route : "");
	}
	if (job->engine == ZC_ENGINE_URING && job->sandbox != ZC_SANDBOX_OFF) {
		return option_fail(parse, "--sandbox allows no io_uring; leave out --engine=uring");
	}
	if (!zc_hash_available(job->hash)) {
		return option_fail(parse, "%s is not in this build",
		                   job->expect_hash ? "xxh3" : "--hash=xxh3");
	}
	if (job->manifest && (*job->manifest == '\0' || !strcmp(job->manifest, "-"))) {
		return option_fail(parse, "--manifest wants the name of a file");
	}
	if (job->pool_bytes != 0 && job->block_bytes > job->pool_bytes) {
		return option_fail(parse, "--pool is smaller than --block-size");
	}
	if (job->inplace && (parse->make_backups || job->remove_dest)) {
		return option_fail(parse, "--inplace and %s exclude each other",
		                   parse->make_backups ? "--backup" : "--remove-destination");
	}
	if (job->inplace && job->resume) { /* half of a new file in an old one passes for a whole one */
		return option_fail(parse, "--inplace and --resume exclude each other");
	}
	return 0;
}

/* --backup's word, else VERSION_CONTROL's, else "existing". */
static int parse_backup_word(struct parse *parse)
{
	const struct option_row *row = row_by_name("backup");
	const char *control = parse->backup_control;
	const struct word *word;

	snprintf(parse->subject, sizeof(parse->subject), "backup type");
	if (!control || *control == '\0') {
		control = variable_text("VERSION_CONTROL");
		snprintf(parse->subject, sizeof(parse->subject), "$VERSION_CONTROL");
	}
	word = option_word(parse, row, row->words, control ? control : "existing");
	if (!word) {
		return -EINVAL;
	}
	parse->args.job.backup = (enum zc_backup)word->value;
	return 0;
}

static int parse_backup(struct parse *parse)
{
	struct zc_job_cfg *job = &parse->args.job;
	const char *suffix = parse->backup_suffix ? parse->backup_suffix : getenv("SIMPLE_BACKUP_SUFFIX");

	if (!parse->make_backups) {
		return 0;
	}
	/* a suffix that would lead elsewhere is none */
	job->backup_suffix = suffix && *suffix && !strchr(suffix, '/') ? suffix : "~";
	return parse_backup_word(parse);
}

/* What has to be kept, of all that shall be. */
static int parse_preserve(struct parse *parse)
{
	struct zc_job_cfg *job = &parse->args.job;
	unsigned named = (parse->require_xattr ? ZC_PRESERVE_XATTR : 0) |
	                 (parse->require_context ? ZC_PRESERVE_CONTEXT : 0);

	if (job->set_context && !parse->require_context) {
		job->preserve &= ~(unsigned)ZC_PRESERVE_CONTEXT; /* -Z wins over -a */
	}
	job->require = job->preserve & (ZC_PRESERVE_MODE | ZC_PRESERVE_OWNER | ZC_PRESERVE_TIMES | named);
	job->xattr_hushed = parse->archive && !(job->require & ZC_PRESERVE_XATTR);
	parse->line_alone = true;
	if (job->set_context && (job->preserve & ZC_PRESERVE_CONTEXT)) {
		return option_fail(parse, "cannot set target context and preserve it");
	}
	if ((job->require & ZC_PRESERVE_CONTEXT) && !option_selinux()) {
		return option_fail(parse,
		                   "cannot preserve security context without an SELinux-enabled kernel");
	}
	parse->line_alone = false;
	return 0;
}

/* In GNU's order, so that of two mistakes the same one is named. */
static int parse_together(struct parse *parse)
{
	struct zc_job_cfg *job = &parse->args.job;
	int err;

	if (job->make_hard_links && job->make_symlinks) {
		return option_fail(parse, "cannot make both hard and symbolic links");
	}
	if (parse->ask == ASK_SKIP) {
		job->update = ZC_UPDATE_NONE;
	}
	job->interactive = parse->ask == ASK_USER;
	if (parse->make_backups && (job->update == ZC_UPDATE_NONE || job->update == ZC_UPDATE_NONE_FAIL)) {
		return option_fail(parse, "--backup is mutually exclusive with -n or --update=none-fail");
	}
	if (job->reflink == ZC_WHEN_ALWAYS && job->sparse != ZC_WHEN_AUTO) {
		return option_fail(parse, "--reflink can be used only with --sparse=auto");
	}
	if (job->deref == ZC_DEREF_DEFAULT && job->recursive && job->make_hard_links) {
		job->deref = ZC_DEREF_ALWAYS;
	}
	if (job->resume && job->durability == ZC_DURABILITY_AUTO) {
		/* what has its whole size is taken for finished: it has to be, also after a power cut */
		job->durability = ZC_DURABILITY_DATA;
	}
	if (job->expect_hash && job->hash != ZC_HASH_AUTO && job->hash != parse->expect_kind) {
		return option_fail(parse, "--hash and --expect-hash name two digests; there can be one");
	}
	if (job->expect_hash) {
		job->hash = parse->expect_kind;
	}
	err = parse_backup(parse);
	if (err == 0) {
		err = parse_preserve(parse);
	}
	return err == 0 ? parse_forced(parse) : err;
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
	{ "bench", true, ZC_COMMAND_BENCH },
	{ .name = "doctor" },
	{ "tune", true, ZC_COMMAND_TUNE },
	{ "verify", true, ZC_COMMAND_VERIFY },
};

static int parse_command(struct parse *parse, int argc, char **argv)
{
	const struct command *command = NULL;
	struct stat st;

	for (size_t i = 0; argc > 1 && !parse->gnu_cp && i < ZC_ARRAY_LEN(commands); i++) {
		if (!strcmp(argv[1], commands[i].name)) {
			command = &commands[i];
		}
	}
	if (!command) {
		return 0;
	}
	if (lstat(command->name, &st) == 0) {
		return option_fail(parse, "'%s' is a command and a file here: write ./%s, or zcopy -- %s",
		                   command->name, command->name, command->name);
	}
	if (!command->built) {
		return option_fail(parse, "this version has no command '%s' yet; a file of that name is ./%s",
		                   command->name, command->name);
	}
	parse->args.command = command->command;
	if (command->command == ZC_COMMAND_BENCH || command->command == ZC_COMMAND_TUNE) {
		return 0;
	}
	if (command->command == ZC_COMMAND_VERIFY) { /* has options and operands */
		parse->args.job.compare = true;
		parse->args.job.recursive = true;
		parse->args.job.dest_is_file = true; /* the two themselves are compared */
		return 0;
	}
	if (argc > 2) {
		return option_fail(parse, "extra operand %s", named(parse, argv[2]));
	}
	return OPTION_STOP;
}

bool zc_args_is_cp(const char *argv0)
{
	const char *slash = argv0 ? strrchr(argv0, '/') : NULL;

	return argv0 && !strcmp(slash ? slash + 1 : argv0, "cp");
}

/* Everything in its order. 0, OPTION_STOP, or -EINVAL. */
static int parse_all(struct parse *parse, int argc, char **argv)
{
	int err = parse_command(parse, argc, argv);

	if (parse->args.command == ZC_COMMAND_VERIFY || parse->args.command == ZC_COMMAND_BENCH ||
	    parse->args.command == ZC_COMMAND_TUNE) {
		argc--;
		argv++;
	}
	if (err == 0) {
		err = parse_options(parse, argc, argv);
	}
	if (err == 0) {
		err = parse_environment(parse);
	}
	if (err == 0) {
		err = parse_together(parse);
	}
	if (err == 0) {
		err = parse->args.command == ZC_COMMAND_BENCH
		          ? parse_bench_operands(parse, argc - optind, argv + optind)
		      : parse->args.command == ZC_COMMAND_TUNE
		          ? parse_tune_operands(parse, argc - optind, argv + optind)
		          : parse_operands(parse, argc - optind, argv + optind);
	}
	if (err == 0) {
		err = option_filter(parse);
	}
	return err;
}

int zc_args_parse(struct zc_args *ret_args, int argc, char **argv, char *ret_message, size_t cap_bytes)
{
	struct parse parse = {
		.args.job.numa_node = ZC_NODE_ANY,
		.message = ret_message,
		.cap_bytes = cap_bytes,
	};
	int err;

	parse.gnu_cp = zc_args_is_cp(argv[0]);
	parse.args.job.gnu_cp = parse.gnu_cp;
	parse.args.progress = parse.gnu_cp ? ZC_PROGRESS_NEVER : ZC_PROGRESS_AUTO;
	err = parse_all(&parse, argc, argv);
	free(parse.rules);
	if (err < 0) {
		zc_args_close(&parse.args);
		return parse.gnu_cp && parse.line_alone ? -ECANCELED : err;
	}
	*ret_args = parse.args;
	return 0;
}

void zc_args_close(struct zc_args *args)
{
	zc_filter_free(args->filter);
	args->filter = NULL;
	args->job.filter = NULL;
}
