/* The command line: every option lands where it should, everything wrong is one line of GNU's words. */
#include "args.h"
#include "option.h"

#include <errno.h>
#include <getopt.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#define MAX_WORDS 24

static char message[1024];
static char words_text[2048];
static char *words[MAX_WORDS + 1];

/* Cuts line at blanks into argv; the words stay valid until the next call. Returns argc. */
static int words_of(const char *line)
{
	int count = 0;
	char *save;

	assert_true(strlen(line) < sizeof(words_text));
	strcpy(words_text, line);
	for (char *word = strtok_r(words_text, " ", &save); word; word = strtok_r(NULL, " ", &save)) {
		assert_true(count < MAX_WORDS);
		words[count++] = word;
	}
	words[count] = NULL;
	return count;
}

/* What was made of it is freed with the next one. */
static struct zc_args good(const char *line)
{
	static struct zc_args args;
	int count = words_of(line);

	zc_args_close(&args);
	message[0] = '\0';
	if (zc_args_parse(&args, count, words, message, sizeof(message)) != 0) {
		fail_msg("%s: %s", line, message);
	}
	return args;
}

static void bad_as(const char *line, int err, const char *expected)
{
	struct zc_args args;
	struct zc_args before;
	int count = words_of(line);

	memset(&args, 0x55, sizeof(args));
	memcpy(&before, &args, sizeof(args));
	assert_int_equal(zc_args_parse(&args, count, words, message, sizeof(message)), err);
	assert_string_equal(message, expected);
	assert_memory_equal(&args, &before, sizeof(args));
}

static void bad(const char *line, const char *expected)
{
	bad_as(line, -EINVAL, expected);
}

static void defaults(void **state)
{
	struct zc_args args = good("zcopy a b");
	struct zc_args zero = { 0 };

	(void)state;
	assert_int_equal(args.job.source_count, 1);
	assert_string_equal(args.job.sources[0], "a");
	assert_string_equal(args.job.dest, "b");
	assert_int_equal(args.job.numa_node, ZC_NODE_ANY);
	/* all else is zero */
	args.job.sources = NULL;
	args.job.source_count = 0;
	args.job.dest = NULL;
	args.job.numa_node = 0;
	assert_memory_equal(&args, &zero, sizeof(args));
}

static void operands(void **state)
{
	struct zc_args args;

	(void)state;
	args = good("zcopy a b c d");
	assert_int_equal(args.job.source_count, 3);
	assert_string_equal(args.job.sources[2], "c");
	assert_string_equal(args.job.dest, "d");
	assert_false(args.job.dest_is_dir);

	args = good("zcopy -t d a b");
	assert_int_equal(args.job.source_count, 2);
	assert_string_equal(args.job.dest, "d");
	assert_true(args.job.dest_is_dir);
	assert_int_equal(good("zcopy --target-directory=d a").job.source_count, 1);
	assert_int_equal(good("zcopy a -td b").job.source_count, 2);

	args = good("zcopy a -f b --inplace"); /* options anywhere */
	assert_true(args.job.force && args.job.inplace);
	assert_string_equal(args.job.sources[0], "a");
	assert_string_equal(args.job.dest, "b");

	args = good("zcopy -- -f --bogus");
	assert_string_equal(args.job.sources[0], "-f");
	assert_string_equal(args.job.dest, "--bogus");
	assert_false(args.job.force);

	args = good("zcopy - -"); /* "-" is an operand */
	assert_string_equal(args.job.sources[0], "-");
	assert_string_equal(args.job.dest, "-");
	assert_true(good("zcopy -T a b").job.dest_is_file);

	args = good("zcopy -fpTvq a b"); /* letters together */
	assert_true(args.job.force && args.job.dest_is_file && args.job.verbose && args.job.quiet);
	assert_int_equal(args.job.preserve, 7);
}

static void operands_refused(void **state)
{
	(void)state;
	bad("zcopy", "missing file operand");
	bad("zcopy -t d", "missing file operand");
	bad("zcopy -f --", "missing file operand");
	bad("zcopy a", "missing destination file operand after 'a'");
	bad("zcopy a\x1b[1m", "missing destination file operand after 'a\\033[1m'");
	bad("zcopy -T a b c", "extra operand 'c'");
	bad("zcopy -T -t d a", "cannot combine --target-directory (-t) and --no-target-directory (-T)");
	bad("zcopy -t d -t e a", "multiple target directories specified");
	bad("zcopy gen:1 b", "gen:1: as a source it is gen:SEED,SIZE");
	bad("zcopy a zero:1x b", "zero:1x: the size is not a number like 64M");
	bad("zcopy a zero:1", "zero:1: it is a source only; what discards bytes is null:");
	bad("zcopy -t d a null:x", "null:x: nothing may follow the colon");
	good("zcopy -t null:x a"); /* a directory, not an end */
}

static void flags(void **state)
{
	(void)state;
	assert_true(good("zcopy -f a b").job.force);
	assert_true(good("zcopy --force a b").job.force);
	assert_true(good("zcopy --inplace a b").job.inplace);
	assert_true(good("zcopy --allow-mounted a b").job.allow_mounted);
	assert_int_equal(good("zcopy a b").job.sandbox, ZC_SANDBOX_OFF);
	assert_int_equal(good("zcopy --sandbox a b").job.sandbox, ZC_SANDBOX_AUTO);
	assert_int_equal(good("zcopy --sandbox=require a b").job.sandbox, ZC_SANDBOX_REQUIRE);
	assert_int_equal(good("zcopy --sandbox --sandbox=off a b").job.sandbox, ZC_SANDBOX_OFF);
	assert_true(good("zcopy -v a b").job.verbose);
	assert_true(good("zcopy --verbose a b").job.verbose);
	assert_true(good("zcopy -q a b").job.quiet);
	assert_true(good("zcopy --quiet a b").job.quiet);
	assert_true(good("zcopy --explain a b").job.explain);
	assert_true(good("zcopy --dry-run a b").job.dry_run);
	assert_true(good("zcopy --stats a b").stats);
	assert_true(good("zcopy --no-target-directory a b").job.dest_is_file);
	assert_string_equal(good("zcopy --report=r.json a b").report_path, "r.json");
	assert_string_equal(good("zcopy --report r.json a b").report_path, "r.json");
	assert_string_equal(good("zcopy --report=- a b").report_path, "-");
}

static void enumerated(void **state)
{
	(void)state;
	assert_int_equal(good("zcopy --reflink a b").job.reflink, ZC_WHEN_ALWAYS);
	assert_int_equal(good("zcopy --reflink=auto a b").job.reflink, ZC_WHEN_AUTO);
	assert_int_equal(good("zcopy --reflink=never a b").job.reflink, ZC_WHEN_NEVER);
	assert_int_equal(good("zcopy --sparse=always a b").job.sparse, ZC_WHEN_ALWAYS);
	assert_int_equal(good("zcopy --sparse=never a b").job.sparse, ZC_WHEN_NEVER);
	assert_int_equal(good("zcopy --direct=always a b").job.direct, ZC_WHEN_ALWAYS);
	assert_int_equal(good("zcopy --cache=keep a b").job.cache, ZC_CACHE_KEEP);
	assert_int_equal(good("zcopy --cache=drop a b").job.cache, ZC_CACHE_DROP);
	assert_int_equal(good("zcopy --engine=uring a b").job.engine, ZC_ENGINE_URING);
	assert_int_equal(good("zcopy --engine=sync a b").job.engine, ZC_ENGINE_SYNC);
	assert_int_equal(good("zcopy --route=reflink a b").job.route, ZC_ROUTE_REFLINK);
	assert_int_equal(good("zcopy --route=cfr a b").job.route, ZC_ROUTE_CFR);
	assert_int_equal(good("zcopy --route=sendfile a b").job.route, ZC_ROUTE_SENDFILE);
	assert_int_equal(good("zcopy --route=splice a b").job.route, ZC_ROUTE_SPLICE);
	assert_int_equal(good("zcopy --route=buffer a b").job.route, ZC_ROUTE_BUFFER);
	assert_int_equal(good("zcopy --durability=none a b").job.durability, ZC_DURABILITY_NONE);
	assert_int_equal(good("zcopy --durability=data a b").job.durability, ZC_DURABILITY_DATA);
	assert_int_equal(good("zcopy --durability=full a b").job.durability, ZC_DURABILITY_FULL);
	assert_int_equal(good("zcopy --on-change=warn a b").job.on_change, ZC_ON_CHANGE_WARN);
	assert_int_equal(good("zcopy --on-change=fail a b").job.on_change, ZC_ON_CHANGE_FAIL);
	assert_int_equal(good("zcopy --progress a b").progress, ZC_PROGRESS_ALWAYS);
	assert_int_equal(good("zcopy --progress=never a b").progress, ZC_PROGRESS_NEVER);
	assert_int_equal(good("zcopy --progress=json a b").progress, ZC_PROGRESS_JSON);
	/* unambiguous beginnings, of options and of words; the last one wins */
	assert_int_equal(good("zcopy --refl=n a b").job.reflink, ZC_WHEN_NEVER);
	assert_int_equal(good("zcopy --en=u --eng=s a b").job.engine, ZC_ENGINE_SYNC);
	assert_int_equal(good("zcopy --engine uring a b").job.engine, ZC_ENGINE_URING);
}

static void updates(void **state)
{
	(void)state;
	assert_int_equal(good("zcopy -u a b").job.update, ZC_UPDATE_OLDER);
	assert_int_equal(good("zcopy --update a b").job.update, ZC_UPDATE_OLDER);
	assert_int_equal(good("zcopy --update=older a b").job.update, ZC_UPDATE_OLDER);
	assert_int_equal(good("zcopy --update=none a b").job.update, ZC_UPDATE_NONE);
	assert_int_equal(good("zcopy --update=none-fail a b").job.update, ZC_UPDATE_NONE_FAIL);
	assert_int_equal(good("zcopy --update=none- a b").job.update, ZC_UPDATE_NONE_FAIL);
	assert_int_equal(good("zcopy -u --update=all a b").job.update, ZC_UPDATE_ALL);
	assert_int_equal(good("zcopy -n a b").job.update, ZC_UPDATE_NONE);
	assert_int_equal(good("zcopy -n -u a b").job.update, ZC_UPDATE_NONE);
	assert_int_equal(good("zcopy --no-clobber --update=all a b").job.update, ZC_UPDATE_NONE);
	bad("zcopy --update=no a b",
	    "ambiguous argument 'no' for '--update': must be all, none, none-fail or older");
	assert_int_equal(good("zcopy --update=o a b").job.update, ZC_UPDATE_OLDER);

	/* of -i and -n the last one wins; -u is beside them */
	assert_true(good("zcopy -i a b").job.interactive);
	assert_true(good("zcopy -n --interactive a b").job.interactive);
	assert_int_equal(good("zcopy -n -i a b").job.update, ZC_UPDATE_ALL);
	assert_false(good("zcopy -i -n a b").job.interactive);
	assert_int_equal(good("zcopy -i -n a b").job.update, ZC_UPDATE_NONE);
	assert_true(good("zcopy -iu a b").job.interactive);
	assert_int_equal(good("zcopy -iu a b").job.update, ZC_UPDATE_OLDER);
	assert_int_equal(good("zcopy -nui a b").job.update, ZC_UPDATE_OLDER);
}

/* Where there is no SELinux, "all" does not mean labels. */
static unsigned labels(void)
{
	struct stat st;

	return stat("/sys/fs/selinux/enforce", &st) == 0 ? ZC_PRESERVE_CONTEXT : 0;
}

#define BASIC (ZC_PRESERVE_MODE | ZC_PRESERVE_OWNER | ZC_PRESERVE_TIMES)

static void preserved(void **state)
{
	const unsigned all = BASIC | ZC_PRESERVE_LINKS | ZC_PRESERVE_XATTR | labels();

	(void)state;
	assert_int_equal(good("zcopy -p a b").job.preserve, BASIC);
	assert_int_equal(good("zcopy --preserve a b").job.preserve, BASIC);
	assert_int_equal(good("zcopy --preserve=all a b").job.preserve, all);
	assert_int_equal(good("zcopy --preserve=mode a b").job.preserve, ZC_PRESERVE_MODE);
	assert_int_equal(good("zcopy --preserve=own,time a b").job.preserve,
	                 ZC_PRESERVE_OWNER | ZC_PRESERVE_TIMES);
	assert_int_equal(good("zcopy --preserve=links,xattr a b").job.preserve,
	                 ZC_PRESERVE_LINKS | ZC_PRESERVE_XATTR);
	assert_int_equal(good("zcopy --preserve=x a b").job.preserve, ZC_PRESERVE_XATTR);
	assert_int_equal(good("zcopy -p --no-preserve=timestamps a b").job.preserve,
	                 ZC_PRESERVE_MODE | ZC_PRESERVE_OWNER);
	assert_int_equal(good("zcopy -p --preserve=links a b").job.preserve, BASIC | ZC_PRESERVE_LINKS);
	assert_int_equal(good("zcopy --no-preserve=mode a b").job.preserve, ZC_PRESERVE_NOT_MODE);
	assert_int_equal(good("zcopy --no-preserve=mode -p a b").job.preserve, BASIC);
	assert_int_equal(good("zcopy --no-preserve=mode -a a b").job.preserve, all);
	assert_int_equal(good("zcopy -a --no-preserve=all a b").job.preserve, ZC_PRESERVE_NOT_MODE);
	assert_int_equal(good("zcopy --no-preserve=context a b").job.preserve, 0);
	bad("zcopy --preserve=mode, a b", "ambiguous argument '' for '--preserve': must be mode, timestamps, "
	                                  "ownership, links, context, xattr or all");
	bad("zcopy --preserve= a b", "ambiguous argument '' for '--preserve': must be mode, timestamps, "
	                             "ownership, links, context, xattr or all");
	bad("zcopy --preserve=modes a b", "invalid argument 'modes' for '--preserve': must be mode, "
	                                  "timestamps, ownership, links, context, xattr or all");
	bad("zcopy --preserve=links,a-very-long-word-indeed,x a b",
	    "invalid argument 'a-very-long-word-indeed' for '--preserve': must be mode, timestamps, "
	    "ownership, links, context, xattr or all");
	bad("zcopy --no-preserve", "option '--no-preserve' requires an argument");
	if (!labels()) {
		bad("zcopy --preserve=context a b",
		    "cannot preserve security context without an SELinux-enabled kernel");
		bad_as("cp --preserve=context a b", -ECANCELED,
		       "cannot preserve security context without an SELinux-enabled kernel");
		assert_false(good("zcopy -Z a b").job.set_context);
		assert_null(good("zcopy -Z a b").warning);
		assert_null(good("zcopy --context=x a b").job.context);
		assert_string_equal(good("zcopy --context=x a b").warning,
		                    "warning: ignoring --context; it requires an SELinux-enabled kernel");
	} else {
		assert_true(good("zcopy -Z a b").job.set_context);
		assert_string_equal(good("zcopy --context=x a b").job.context, "x");
		assert_int_equal(good("zcopy -aZ a b").job.preserve, all & ~(unsigned)ZC_PRESERVE_CONTEXT);
		bad("zcopy -Z --preserve=context a b", "cannot set target context and preserve it");
	}
}

/* What is asked for by name must work; what "all" means beside the basics need not. */
static void required(void **state)
{
	(void)state;
	assert_int_equal(good("zcopy a b").job.require, 0);
	assert_int_equal(good("zcopy -p a b").job.require, BASIC);
	assert_int_equal(good("zcopy -d a b").job.require, 0);
	assert_int_equal(good("zcopy -a a b").job.require, BASIC);
	assert_int_equal(good("zcopy --preserve=all a b").job.require, BASIC);
	assert_int_equal(good("zcopy --preserve=xattr,mode a b").job.require,
	                 ZC_PRESERVE_XATTR | ZC_PRESERVE_MODE);
	assert_int_equal(good("zcopy -a --preserve=xattr a b").job.require, BASIC | ZC_PRESERVE_XATTR);
	assert_int_equal(good("zcopy --preserve=xattr --no-preserve=xattr a b").job.require, 0);
	assert_int_equal(good("zcopy --preserve=xattr --no-preserve=all a b").job.require, 0);
	assert_int_equal(good("zcopy --preserve=xattr --no-preserve=xattr -a a b").job.require, BASIC);
	assert_int_equal(good("zcopy -a --no-preserve=ownership a b").job.require,
	                 ZC_PRESERVE_MODE | ZC_PRESERVE_TIMES);
	assert_true(good("zcopy -a a b").job.xattr_hushed);
	assert_false(good("zcopy --preserve=all a b").job.xattr_hushed);
	assert_false(good("zcopy -a --preserve=xattr a b").job.xattr_hushed);
}

static void trees(void **state)
{
	struct zc_job_cfg job;

	(void)state;
	assert_true(good("zcopy -r a b").job.recursive);
	assert_true(good("zcopy -R a b").job.recursive);
	assert_true(good("zcopy --rec a b").job.recursive);
	assert_int_equal(good("zcopy -r a b").job.deref, ZC_DEREF_DEFAULT);
	job = good("zcopy -a a b").job;
	assert_true(job.recursive);
	assert_int_equal(job.deref, ZC_DEREF_NEVER);
	assert_true(good("zcopy --arc a b").job.recursive);
	job = good("zcopy -d a b").job;
	assert_false(job.recursive);
	assert_int_equal(job.deref, ZC_DEREF_NEVER);
	assert_int_equal(job.preserve, ZC_PRESERVE_LINKS);
	assert_int_equal(good("zcopy -P a b").job.deref, ZC_DEREF_NEVER);
	assert_int_equal(good("zcopy -rL a b").job.deref, ZC_DEREF_ALWAYS);
	assert_int_equal(good("zcopy -aH a b").job.deref, ZC_DEREF_OPERANDS);
	assert_int_equal(good("zcopy -Ha a b").job.deref, ZC_DEREF_NEVER);
	assert_int_equal(good("zcopy -LHP a b").job.deref, ZC_DEREF_NEVER);
	assert_int_equal(good("zcopy --no-dereference --dereference a b").job.deref, ZC_DEREF_ALWAYS);
	assert_int_equal(good("zcopy -rl a b").job.deref, ZC_DEREF_ALWAYS); /* as cp */
	assert_int_equal(good("zcopy -al a b").job.deref, ZC_DEREF_NEVER);
	assert_true(good("zcopy -l a b").job.make_hard_links);
	assert_true(good("zcopy --link a b").job.make_hard_links);
	assert_true(good("zcopy -s a b").job.make_symlinks);
	assert_true(good("zcopy --symbolic-link a b").job.make_symlinks);
	bad("zcopy -ls a b", "cannot make both hard and symbolic links");
	assert_true(good("zcopy -x a b").job.one_file_system);
	assert_true(good("zcopy --one-file-system a b").job.one_file_system);
	assert_true(good("zcopy --copy-contents a b").job.copy_contents);
	assert_true(good("zcopy --keep-directory-symlink a b").job.keep_dir_links);
	assert_true(good("zcopy --strip-trailing-slashes a b").job.strip_slashes);
	assert_true(good("zcopy --attributes-only a b").job.attributes_only);
	assert_true(good("zcopy --remove-destination a b").job.remove_dest);
	assert_true(good("zcopy --debug a b").job.debug);
	assert_true(good("zcopy --debug a b").job.verbose);
	assert_true(good("zcopy --parents a /").job.parents);
	assert_true(good("zcopy --path -t b a").job.parents);   /* its old name */
	assert_true(good("zcopy --parents a b c").job.parents); /* the job finds out */
	bad("zcopy --parents a /dev/null", "with --parents, the destination must be a directory");
	bad("zcopy --parents a nowhere", "with --parents, the destination must be a directory");
	bad("zcopy --parents -T a /", "with --parents, the destination must be a directory");
}

static void backups(void **state)
{
	static const struct {
		const char *word;
		enum zc_backup backup;
	} controls[] = {
		{ "none", ZC_BACKUP_NONE },         { "off", ZC_BACKUP_NONE },
		{ "numbered", ZC_BACKUP_NUMBERED }, { "t", ZC_BACKUP_NUMBERED },
		{ "existing", ZC_BACKUP_EXISTING }, { "nil", ZC_BACKUP_EXISTING },
		{ "simple", ZC_BACKUP_SIMPLE },     { "never", ZC_BACKUP_SIMPLE },
		{ "nu", ZC_BACKUP_NUMBERED },       { "", ZC_BACKUP_EXISTING },
	};
	char line[64];

	(void)state;
	for (size_t i = 0; i < ZC_ARRAY_LEN(controls); i++) {
		snprintf(line, sizeof(line), "zcopy --backup=%s a b", controls[i].word);
		unsetenv("VERSION_CONTROL");
		assert_int_equal(good(line).job.backup, controls[i].backup);
		setenv("VERSION_CONTROL", controls[i].word, 1);
		assert_int_equal(good("zcopy -b a b").job.backup, controls[i].backup);
		assert_int_equal(good("zcopy --backup=numbered -b a b").job.backup, ZC_BACKUP_NUMBERED);
		assert_int_equal(good("zcopy a b").job.backup, ZC_BACKUP_NONE);
	}
	setenv("VERSION_CONTROL", "bogus", 1);
	bad("zcopy -b a b", "invalid argument 'bogus' for '$VERSION_CONTROL': must be none, off, simple, "
	                    "never, existing, nil, numbered or t");
	bad("zcopy -S.x a b", "invalid argument 'bogus' for '$VERSION_CONTROL': must be none, off, simple, "
	                      "never, existing, nil, numbered or t");
	good("zcopy a b"); /* nobody asks for it */
	unsetenv("VERSION_CONTROL");
	bad("zcopy --backup=n a b", "ambiguous argument 'n' for 'backup type': must be none, off, simple, "
	                            "never, existing, nil, numbered or t");
	bad("zcopy --backup=x a b", "invalid argument 'x' for 'backup type': must be none, off, simple, "
	                            "never, existing, nil, numbered or t");
	bad("zcopy --backup=x -n a b", "--backup is mutually exclusive with -n or --update=none-fail");
	bad("zcopy -b --update=none-fail a b",
	    "--backup is mutually exclusive with -n or --update=none-fail");
	bad("zcopy -b --update=none a b", "--backup is mutually exclusive with -n or --update=none-fail");
	bad("zcopy -n --backup=none a b", "--backup is mutually exclusive with -n or --update=none-fail");
	assert_int_equal(good("zcopy -bu a b").job.backup, ZC_BACKUP_EXISTING);
	bad("zcopy --inplace -b a b", "--inplace and --backup exclude each other");
	bad("zcopy --inplace --remove-dest a b", "--inplace and --remove-destination exclude each other");
}

static void suffixes(void **state)
{
	(void)state;
	assert_string_equal(good("zcopy -b a b").job.backup_suffix, "~");
	assert_string_equal(good("zcopy -S .bak a b").job.backup_suffix, ".bak");
	assert_int_equal(good("zcopy -S .bak a b").job.backup, ZC_BACKUP_EXISTING);
	assert_string_equal(good("zcopy --suf=.bak a b").job.backup_suffix, ".bak");
	assert_string_equal(good("zcopy --suffix= -b a b").job.backup_suffix, "~");
	assert_string_equal(good("zcopy -S /x a b").job.backup_suffix, "~");
	assert_string_equal(good("zcopy -S x/../y a b").job.backup_suffix, "~");
	setenv("SIMPLE_BACKUP_SUFFIX", ".old", 1);
	assert_string_equal(good("zcopy -b a b").job.backup_suffix, ".old");
	assert_string_equal(good("zcopy -S .bak a b").job.backup_suffix, ".bak");
	assert_int_equal(good("zcopy a b").job.backup, ZC_BACKUP_NONE);
	setenv("SIMPLE_BACKUP_SUFFIX", "/.old", 1);
	assert_string_equal(good("zcopy -b a b").job.backup_suffix, "~");
	unsetenv("SIMPLE_BACKUP_SUFFIX");
}

/* The rules arrive in the order in which they were given, and -0 also after its list. */
static void filters(void **state)
{
	char list[] = "/tmp/unit_cli_args.XXXXXX";
	char line[256];
	const struct zc_filter *filter;
	int fd = mkstemp(list);

	(void)state;
	assert_true(fd >= 0);
	assert_int_equal(write(fd, "+ *.h\0*.c", 10), 10);
	close(fd);
	assert_null(good("zcopy a b").job.filter);
	assert_null(good("zcopy --null a b").job.filter);
	filter = good("zcopy --exclude=*.o --include x.* --exclude x.c a b").job.filter;
	assert_true(zc_filter_excludes(filter, "x.o", false));
	assert_false(zc_filter_excludes(filter, "x.c", false));
	filter = good("zcopy --include x.* --exclude=*.o a b").job.filter;
	assert_false(zc_filter_excludes(filter, "x.o", false));
	snprintf(line, sizeof(line), "zcopy --exclude-from=%s -0 --exclude=*.h a b", list);
	filter = good(line).job.filter;
	assert_true(zc_filter_excludes(filter, "a.c", false));
	assert_false(zc_filter_excludes(filter, "a.h", false));
	bad("zcopy --exclude-from=/nonexistent a b",
	    "/nonexistent: it cannot be opened: No such file or directory");
	bad("zcopy --exclude-from=- --exclude-from=- a b", "standard input can be one list of names only");
	bad("zcopy --files-from=- --exclude-from=- a b", "standard input can be one list of names only");
	bad("zcopy --files-from=l a b c", "with --files-from there is one SOURCE, in which the names are");
	assert_string_equal(good("zcopy --files-from=l a b").job.files_from, "l");
	assert_true(good("zcopy -0 --files-from=l a b").job.names_end_in_nul);
	unlink(list);
}

static void numbers(void **state)
{
	struct zc_job_cfg job;

	(void)state;
	assert_int_equal(good("zcopy --block-size=512 a b").job.block_bytes, 512);
	assert_int_equal(good("zcopy --block-size=64KB a b").job.block_bytes, 64000);
	assert_int_equal(good("zcopy --block-size=64M a b").job.block_bytes, 64 * ZC_MIB);
	assert_int_equal(good("zcopy --queue-depth=1 a b").job.queue_depth, 1);
	assert_int_equal(good("zcopy --queue-depth=4096 a b").job.queue_depth, 4096);
	assert_int_equal(good("zcopy -j1 a b").job.jobs, 1);
	assert_int_equal(good("zcopy -j 256 a b").job.jobs, 256);
	assert_int_equal(good("zcopy --jobs=7 a b").job.jobs, 7);
	assert_int_equal(good("zcopy --pool=4K a b").job.pool_bytes, 4096);
	assert_int_equal(good("zcopy --pool=64G a b").job.pool_bytes, 64 * ZC_GIB);
	job = good("zcopy --hugepages=2M a b").job;
	assert_int_equal(job.huge, ZC_HUGE_SIZE);
	assert_int_equal(job.huge_bytes, 2 * ZC_MIB);
	assert_int_equal(good("zcopy --hugepages=1G --hugepages=never a b").job.huge, ZC_HUGE_NEVER);
	assert_int_equal(good("zcopy --numa=0 a b").job.numa_node, 0);
	assert_int_equal(good("zcopy --numa=3 --numa=auto a b").job.numa_node, ZC_NODE_ANY);
	job = good("zcopy --numa=off a b").job;
	assert_true(job.numa_off);
	assert_int_equal(job.numa_node, ZC_NODE_ANY);
	assert_false(good("zcopy --numa=off --numa=1 a b").job.numa_off);
}

static void numbers_refused(void **state)
{
	static const char *const sizes[] = { "",
		                             "0",
		                             "-1",
		                             "-4K",
		                             "1x",
		                             "4Kx",
		                             "x",
		                             "513",
		                             "128M",
		                             "511",
		                             "99999999999999999999",
		                             "99999999999G" };
	static const char *const counts[] = { "", "0", "-1", "x", "1K", "4097", "99999999999" };
	char line[128];
	char expected[256];

	(void)state;
	for (size_t i = 0; i < ZC_ARRAY_LEN(sizes); i++) {
		snprintf(line, sizeof(line), "zcopy --block-size=%s a b", sizes[i]);
		snprintf(
		    expected, sizeof(expected),
		    "invalid argument '%s' for '--block-size': must be a multiple of 512 from 512 to 64M",
		    sizes[i]);
		bad(line, expected);
	}
	for (size_t i = 0; i < ZC_ARRAY_LEN(counts); i++) {
		snprintf(line, sizeof(line), "zcopy --queue-depth=%s a b", counts[i]);
		snprintf(expected, sizeof(expected),
		         "invalid argument '%s' for '--queue-depth': must be a whole number from 1 to 4096",
		         counts[i]);
		bad(line, expected);
	}
	bad("zcopy -j257 a b", "invalid argument '257' for '--jobs': must be a whole number from 1 to 256");
	bad("zcopy --pool=65G a b",
	    "invalid argument '65G' for '--pool': must be a multiple of 4K from 4K to 64G");
	bad("zcopy --pool=5000 a b",
	    "invalid argument '5000' for '--pool': must be a multiple of 4K from 4K to 64G");
	bad("zcopy --hugepages=3M a b", "invalid argument '3M' for '--hugepages': must be auto, never, or a "
	                                "power of two from 64K to 16G");
	bad("zcopy --hugepages=x a b",
	    "invalid argument 'x' for '--hugepages': must be auto, never, or a power of two from 64K to 16G");
	bad("zcopy --numa=1024 a b",
	    "invalid argument '1024' for '--numa': must be auto, off, or a node from 0 to 1023");
	bad("zcopy --numa=-1 a b",
	    "invalid argument '-1' for '--numa': must be auto, off, or a node from 0 to 1023");
	bad("zcopy --pool=64K --block-size=1M a b", "--pool is smaller than --block-size");
}

static void options_refused(void **state)
{
	(void)state;
	bad("zcopy --foo a b", "unrecognized option '--foo'");
	bad("zcopy --foo=bar a b", "unrecognized option '--foo=bar'");
	bad("zcopy --archives a b", "unrecognized option '--archives'");
	bad("zcopy -Q a b", "invalid option -- 'Q'");
	bad("zcopy -fQ a b", "invalid option -- 'Q'");
	bad("zcopy a b --suffix", "option '--suffix' requires an argument");
	bad("zcopy --recursive=x a b", "option '--recursive' doesn't allow an argument");
	bad("zcopy -\x01 a b", "invalid option -- '\\001'");
	bad("zcopy a b -t", "option requires an argument -- 't'");
	bad("zcopy a b --target-directory", "option '--target-directory' requires an argument");
	bad("zcopy a b --engine", "option '--engine' requires an argument");
	bad("zcopy --force=x a b", "option '--force' doesn't allow an argument");
	bad("zcopy --verb=x a b", "option '--verbose' doesn't allow an argument");
	bad("zcopy --reflink=x a b", "invalid argument 'x' for '--reflink': must be auto, always or never");
	bad("zcopy --reflink= a b", "ambiguous argument '' for '--reflink': must be auto, always or never");
	bad("zcopy --engine=warp a b", "invalid argument 'warp' for '--engine': must be auto, uring or sync");
	bad("zcopy --engine=AUTO a b", "invalid argument 'AUTO' for '--engine': must be auto, uring or sync");
	bad("zcopy --engine=\x1b[1m a b",
	    "invalid argument '\\033[1m' for '--engine': must be auto, uring or sync");
	bad("zcopy --no a b", "option '--no' is ambiguous; possibilities: '--no-dereference' '--no-clobber' "
	                      "'--no-preserve' '--no-target-directory'");
	bad("zcopy --re=x a b", "option '--re=x' is ambiguous; possibilities: '--recursive' "
	                        "'--remove-destination' '--resume' '--reflink' '--report'");
	bad("zcopy --reflink --sparse=always a b", "--reflink can be used only with --sparse=auto");
	bad("zcopy --reflink --sparse=never a b", "--reflink can be used only with --sparse=auto");
}

/* What is short for one option of cp's is so here, whatever of ours begins alike. */
static void abbreviations(void **state)
{
	char line[64];
	char name[32];
	unsigned count = 0;

	(void)state;
	assert_int_equal(good("zcopy --pr a b").job.preserve, BASIC);
	assert_int_equal(good("zcopy --pr=links a b").job.preserve, ZC_PRESERVE_LINKS);
	assert_int_equal(good("zcopy --f a b").job.force, true);
	assert_int_equal(good("zcopy --t d a").job.dest_is_dir, true);
	assert_int_equal(good("zcopy --t=d a").job.dest_is_dir, true);
	assert_true(good("zcopy --i a b").job.interactive);
	assert_int_equal(good("zcopy --b a b").job.backup, ZC_BACKUP_EXISTING);
	assert_int_equal(good("zcopy --prog=json a b").progress, ZC_PROGRESS_JSON);
	/* every beginning of every option means for zcopy what it means for cp, if cp has one for it */
	for (const struct option_row *row; (row = option_at(count)); count++) {
		for (size_t len = 1; row->name && !row->own && len <= strlen(row->name); len++) {
			const char *arg = row->has_arg == required_argument ? "=auto" : "";
			struct zc_args args;
			int count_of_words;

			snprintf(name, sizeof(name), "%.*s", (int)len, row->name);
			snprintf(line, sizeof(line), "cp --%s%s a b", name, arg);
			count_of_words = words_of(line);
			if (zc_args_parse(&args, count_of_words, words, message, sizeof(message)) < 0 &&
			    strstr(message, "ambiguous;")) {
				continue;
			}
			zc_args_close(&args);
			snprintf(line, sizeof(line), "zcopy --%s%s a b", name, arg);
			count_of_words = words_of(line);
			if (zc_args_parse(&args, count_of_words, words, message, sizeof(message)) < 0) {
				assert_null(strstr(message, "ambiguous;"));
			} else {
				zc_args_close(&args);
			}
		}
	}
}

static void environment(void **state)
{
	(void)state;
	setenv("ZCOPY_ENGINE", "sync", 1);
	setenv("ZCOPY_JOBS", "3", 1);
	assert_int_equal(good("zcopy a b").job.engine, ZC_ENGINE_SYNC);
	assert_int_equal(good("zcopy a b").job.jobs, 3);
	assert_int_equal(good("zcopy --engine=uring a b").job.engine, ZC_ENGINE_URING);
	assert_int_equal(good("zcopy --engine=auto a b").job.engine, ZC_ENGINE_AUTO);
	assert_int_equal(good("zcopy -j2 a b").job.jobs, 2);
	setenv("ZCOPY_ENGINE", "warp", 1);
	bad("zcopy a b", "invalid argument 'warp' for 'ZCOPY_ENGINE': must be auto, uring or sync");
	assert_int_equal(good("zcopy --engine=sync a b").job.engine, ZC_ENGINE_SYNC);
	assert_int_equal(good("zcopy --help").command, ZC_COMMAND_HELP);
	setenv("ZCOPY_ENGINE", "", 1);
	assert_int_equal(good("zcopy a b").job.engine, ZC_ENGINE_AUTO);
	setenv("ZCOPY_JOBS", "0", 1);
	bad("zcopy a b", "invalid argument '0' for 'ZCOPY_JOBS': must be a whole number from 1 to 256");
	unsetenv("ZCOPY_ENGINE");
	unsetenv("ZCOPY_JOBS");
}

static void commands(void **state)
{
	char dir[] = "/tmp/unit_cli_args.XXXXXX";

	(void)state;
	assert_non_null(mkdtemp(dir));
	assert_int_equal(chdir(dir), 0);
	assert_int_equal(good("zcopy help").command, ZC_COMMAND_HELP);
	assert_int_equal(good("zcopy version").command, ZC_COMMAND_VERSION);
	assert_int_equal(good("zcopy --help --bogus").command, ZC_COMMAND_HELP);
	assert_int_equal(good("zcopy --version").command, ZC_COMMAND_VERSION);
	assert_int_equal(good("zcopy -- help b").command, ZC_COMMAND_COPY);
	assert_int_equal(good("zcopy a help").command, ZC_COMMAND_COPY);
	assert_int_equal(good("zcopy -f help b").command, ZC_COMMAND_COPY);
	bad("zcopy help me", "extra operand 'me'");
	assert_int_equal(good("zcopy verify a b").command, ZC_COMMAND_VERIFY);
	assert_true(good("zcopy verify -j 2 a b").job.compare);
	assert_int_equal(good("zcopy verify a -j 2 b").job.jobs, 2);
	assert_string_equal(good("zcopy verify a -- -b").job.dest, "-b");
	assert_false(good("zcopy a verify").job.compare);
	bad("zcopy verify", "missing file operand");
	bad("zcopy verify a", "missing destination file operand after 'a'");
	bad("zcopy verify a b c", "extra operand 'c'");
	bad("zcopy verify -a a b", "invalid option -- 'a'");
	bad("zcopy verify a null:", "null:: verify wants two files or directories");
	bad("zcopy doctor a", "this version has no command 'doctor' yet; a file of that name is ./doctor");
	bad("zcopy serve", "this version has no command 'serve' yet; a file of that name is ./serve");

	assert_int_equal(symlink("nowhere", "bench"), 0);
	assert_int_equal(symlink("nowhere", "version"), 0);
	bad("zcopy bench a", "'bench' is a command and a file here: write ./bench, or zcopy -- bench");
	bad("zcopy version", "'version' is a command and a file here: write ./version, or zcopy -- version");
	assert_int_equal(good("zcopy ./bench a").command, ZC_COMMAND_COPY);
	assert_int_equal(good("zcopy -- bench a").command, ZC_COMMAND_COPY);
	assert_int_equal(unlink("bench"), 0);
	assert_int_equal(unlink("version"), 0);
	assert_int_equal(chdir("/"), 0);
	assert_int_equal(rmdir(dir), 0);
}

static void bench(void **state)
{
	char dir[] = "/tmp/unit_cli_args.XXXXXX";
	struct zc_args args;

	(void)state;
	assert_non_null(mkdtemp(dir));
	assert_int_equal(chdir(dir), 0);
	args = good("zcopy bench copy a b --size=8K --runs=5 --via=uring,sync --warm --seed=7 --engine=sync");
	assert_int_equal(args.command, ZC_COMMAND_BENCH);
	assert_int_equal(args.bench.work, ZC_BENCH_COPY);
	assert_int_equal(args.bench.dir_count, 2);
	assert_string_equal(args.bench.dirs[0], "a");
	assert_string_equal(args.bench.dirs[1], "b");
	assert_int_equal(args.bench.size_bytes, 8192);
	assert_int_equal(args.bench.runs, 5);
	assert_string_equal(args.bench.via, "uring,sync");
	assert_true(args.bench.warm);
	assert_int_equal(args.bench.seed, 7);
	assert_int_equal(args.job.engine, ZC_ENGINE_SYNC);
	args = good("zcopy bench --hash=crc32c hash");
	assert_int_equal(args.bench.work, ZC_BENCH_HASH);
	assert_int_equal(args.bench.dir_count, 0);
	assert_int_equal(args.job.hash, ZC_HASH_CRC32C);
	assert_int_equal(good("zcopy bench read a b c").bench.dir_count, 3);
	assert_true(good("zcopy bench --help").help_of_bench);
	assert_false(good("zcopy --help").help_of_bench);
	bad("zcopy bench", "bench: of what? copy, read, write, nop, mem or hash");
	bad("zcopy bench a", "bench: of what? copy, read, write, nop, mem or hash");
	bad("zcopy bench copy", "bench copy: missing a directory");
	bad("zcopy bench copy a b c", "extra operand 'c'");
	bad("zcopy bench nop a", "extra operand 'a'");
	bad("zcopy bench nop --warm", "bench nop has no option --warm");
	bad("zcopy bench --direct=always mem", "bench mem has no option --direct");
	bad("zcopy bench write a --hash=crc32c", "bench write has no option --hash");
	bad("zcopy bench copy a --verify", "unrecognized option '--verify'");
	bad("zcopy bench copy a --runs=4",
	    "invalid argument '4' for '--runs': must be a whole number from 5 to 1000");
	bad("zcopy bench copy a --size=1K",
	    "invalid argument '1K' for '--size': must be a multiple of 4K from 4K to 16T");
	bad("zcopy bench copy a --route=cfr --direct=always",
	    "--direct=always needs our buffers; --route=cfr does without");
	bad("zcopy --size=8K a b", "unrecognized option '--size=8K'");
	assert_int_equal(chdir("/"), 0);
	assert_int_equal(rmdir(dir), 0);
}

/* Called as cp: GNU's options and no others, names that are names, GNU's words. */
static void personality(void **state)
{
	struct zc_args args;
	const struct option_row *row;
	char line[64];
	char expected[128];

	(void)state;
	assert_true(zc_args_is_cp("cp"));
	assert_true(zc_args_is_cp("/usr/bin/cp"));
	assert_true(zc_args_is_cp("./cp"));
	assert_false(zc_args_is_cp("scp"));
	assert_false(zc_args_is_cp("cp/zcopy"));
	assert_false(zc_args_is_cp("cpx"));
	assert_false(zc_args_is_cp(""));
	assert_false(zc_args_is_cp(NULL));

	args = good("/bin/cp - a:b");
	assert_true(args.job.gnu_cp);
	assert_int_equal(args.progress, ZC_PROGRESS_NEVER);
	assert_string_equal(args.job.sources[0], "-");
	assert_string_equal(args.job.dest, "a:b");
	good("cp null: zero:x");
	good("cp tcp://a:1 b");
	assert_int_equal(good("cp help b").command, ZC_COMMAND_COPY);
	assert_int_equal(good("cp bench b").command, ZC_COMMAND_COPY);
	assert_int_equal(good("cp --pr=links a b").job.preserve, ZC_PRESERVE_LINKS);
	assert_false(good("zcopy a b").job.gnu_cp);
	for (size_t i = 0; (row = option_at(i)); i++) {
		if (row->own && row->name) {
			snprintf(line, sizeof(line), "cp --%s a b", row->name);
			snprintf(expected, sizeof(expected), "unrecognized option '--%s'", row->name);
			bad(line, expected);
		}
	}
	bad("cp -j2 a b", "invalid option -- 'j'");
	bad("cp -q a b", "invalid option -- 'q'");
	bad("cp -0 a b", "invalid option -- '0'");
	bad("cp version", "missing destination file operand after 'version'");
	bad("cp it's", "missing destination file operand after \"it's\"");
	bad("cp a\x1b", "missing destination file operand after 'a'$'\\033'");
	bad("cp -T a b c$", "extra operand 'c$'");
	bad_as("cp -T -t d a", -ECANCELED,
	       "cannot combine --target-directory (-t) and --no-target-directory (-T)");
	bad_as("cp -t d -t e a", -ECANCELED, "multiple target directories specified");
	bad("cp --reflink=x a b", "invalid argument 'x' for '--reflink'\nValid arguments are:\n"
	                          "  - 'auto'\n  - 'always'\n  - 'never'");
	bad("cp --backup=n a b", "ambiguous argument 'n' for 'backup type'\nValid arguments are:\n"
	                         "  - 'none', 'off'\n  - 'simple', 'never'\n  - 'existing', 'nil'\n"
	                         "  - 'numbered', 't'");
	setenv("ZCOPY_ENGINE", "sync", 1);
	assert_int_equal(good("cp a b").job.engine, ZC_ENGINE_SYNC);
	unsetenv("ZCOPY_ENGINE");
}

static void short_message_buffer(void **state)
{
	struct zc_args args;
	char tiny[8];
	int count = words_of("zcopy --bogus a b");

	(void)state;
	assert_int_equal(zc_args_parse(&args, count, words, tiny, sizeof(tiny)), -EINVAL);
	assert_string_equal(tiny, "unrecog");
	assert_int_equal(zc_args_parse(&args, 0, words + count, message, sizeof(message)), -EINVAL);
	assert_string_equal(message, "missing file operand");
}

static char *help_text(bool gnu_cp)
{
	char *text;
	size_t len;
	FILE *file = open_memstream(&text, &len);

	assert_non_null(file);
	zc_args_help(file, gnu_cp);
	assert_int_equal(fclose(file), 0);
	return text;
}

static void help_fits_a_terminal(void **state)
{
	(void)state;
	for (int gnu_cp = 0; gnu_cp < 2; gnu_cp++) {
		char *text = help_text(gnu_cp);

		for (const char *line = text; *line != '\0'; line += strcspn(line, "\n") + 1) {
			assert_true(strcspn(line, "\n") <= 80);
		}
		free(text);
	}
}

/* cp's --help has none of our own options, zcopy's has all there are. */
static void help_by_name(void **state)
{
	char *ours = help_text(false);
	char *cps = help_text(true);
	const struct option_row *row;
	char name[40];

	(void)state;
	for (size_t i = 0; (row = option_at(i)); i++) {
		if (!row->apply) {
			continue;
		}
		snprintf(name, sizeof(name), row->name ? " --%s" : "  -%s",
		         row->name ? row->name : (const char[]){ row->letter, '\0' });
		assert_non_null(strstr(ours, name));
		assert_int_equal(strstr(cps, name) == NULL, row->own);
	}
	assert_non_null(strstr(cps, "Usage: cp "));
	free(ours);
	free(cps);
}

/* The completion's list is --help's, word for word and in its order. */
static void completion_is_help(void **state)
{
	FILE *file = fopen(ZC_COMPLETION, "r");
	char *text = help_text(false);
	char line[128];
	const char *at = text;
	unsigned count = 0;

	(void)state;
	assert_non_null(file);
	while (fgets(line, sizeof(line), file)) {
		size_t len = strcspn(line, "\n") - 1;

		if (strncmp(line, "\t\t--", 4) != 0) {
			continue;
		}
		line[1] = ' '; /* " --force": the blank keeps the search off the middle of a word */
		line[len + 1] = '\0';
		at = strstr(at, line + 1);
		assert_non_null(at);
		at += len;
		assert_true(*at == ' ' || *at == '\n');
		count++;
	}
	fclose(file);
	for (at = text; (at = strstr(at, " --")) != NULL; at += 3) {
		assert_true(count > 0);
		count--;
	}
	assert_int_equal(count, 0);
	free(text);
}

static void version(void **state)
{
	(void)state;
	for (int gnu_cp = 0; gnu_cp < 2; gnu_cp++) {
		const char *name = gnu_cp ? "cp (zcopy) " : "zcopy ";
		char *text;
		size_t len;
		FILE *file = open_memstream(&text, &len);

		assert_non_null(file);
		zc_args_version(file, gnu_cp);
		assert_int_equal(fclose(file), 0);
		assert_int_equal(strncmp(text, name, strlen(name)), 0);
		assert_int_equal(text[len - 1], '\n');
		free(text);
	}
}

/* Any words at all: a result, or one printable line. */
static void noise(void **state)
{
	static const char *const parts[] = {
		"-",        "--",         "a",          "=",
		"--update", "--update=",  "none",       "-p",
		"-t",       "d",          "-T",         "-j",
		"9",        "--numa=",    "--pool=1M",  "--block-size=",
		"64K",      "--re",       "--",         "-n",
		"-uf",      "\x1b[2J",    "\xff",       "--preserve=",
		"mode,",    "all",        "-vq",        "--p",
		"--engine", "sync",       "help",       "version",
		"--help",   "--report=-", "bench",      "-\n",
		"--no",     "--hugep=2M", "--route=",   "--sparse=always",
		"--direct", "auto",       "--version=", "999999999999999999999",
		"-a",       "-ls",        "-b",         "--backup=",
		"numbered", "-S",         "--exclude=", "--exclude",
		"-i",       "--parents",  "--context=", "--files-from=l",
		"-0",       "-rRdHLP",    "--att",      "--exclude-from=/",
	};

	(void)state;
	srandom(6);
	for (int i = 0; i < 100000; i++) {
		struct zc_args args;
		struct zc_args before;
		char line[512];
		int count;

		strcpy(line, random() & 1 ? "zcopy" : "cp");
		for (long k = random() % 9; k > 0; k--) {
			strcat(line, random() & 1 ? " " : "");
			strcat(line, parts[(size_t)random() % ZC_ARRAY_LEN(parts)]);
		}
		count = words_of(line);
		memset(&args, 0x55, sizeof(args));
		memcpy(&before, &args, sizeof(args));
		memset(message, 0, sizeof(message));
		if (zc_args_parse(&args, count, words, message, sizeof(message)) == 0) {
			assert_int_equal(message[0], '\0');
			assert_true(args.command != ZC_COMMAND_COPY ||
			            (args.job.source_count > 0 && args.job.dest && args.job.sources[0]));
			zc_args_close(&args);
			continue;
		}
		assert_memory_equal(&args, &before, sizeof(args));
		assert_true(strlen(message) > 5);
		for (const char *at = message; *at != '\0'; at++) {
			assert_true(((unsigned char)*at >= 0x20 && *at != 0x7f) ||
			            (*at == '\n' && line[0] == 'c'));
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(defaults),
		cmocka_unit_test(operands),
		cmocka_unit_test(operands_refused),
		cmocka_unit_test(flags),
		cmocka_unit_test(enumerated),
		cmocka_unit_test(updates),
		cmocka_unit_test(preserved),
		cmocka_unit_test(required),
		cmocka_unit_test(trees),
		cmocka_unit_test(backups),
		cmocka_unit_test(suffixes),
		cmocka_unit_test(filters),
		cmocka_unit_test(numbers),
		cmocka_unit_test(numbers_refused),
		cmocka_unit_test(options_refused),
		cmocka_unit_test(abbreviations),
		cmocka_unit_test(environment),
		cmocka_unit_test(commands),
		cmocka_unit_test(bench),
		cmocka_unit_test(personality),
		cmocka_unit_test(short_message_buffer),
		cmocka_unit_test(help_fits_a_terminal),
		cmocka_unit_test(help_by_name),
		cmocka_unit_test(completion_is_help),
		cmocka_unit_test(version),
		cmocka_unit_test(noise),
	};

	/* what the caller's environment says is not under test */
	unsetenv("ZCOPY_ENGINE");
	unsetenv("ZCOPY_JOBS");
	unsetenv("POSIXLY_CORRECT");
	unsetenv("VERSION_CONTROL");
	unsetenv("SIMPLE_BACKUP_SUFFIX");
	return cmocka_run_group_tests_name("cli/args", tests, NULL, NULL);
}
