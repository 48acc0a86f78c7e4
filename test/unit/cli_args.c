/* The command line: every option lands where it should, everything wrong is one line of GNU's words. */
#include "args.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#define MAX_WORDS 24

static char message[256];
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

static struct zc_args good(const char *line)
{
	struct zc_args args;
	int count = words_of(line);

	message[0] = '\0';
	if (zc_args_parse(&args, count, words, message, sizeof(message)) != 0) {
		fail_msg("%s: %s", line, message);
	}
	return args;
}

static void bad(const char *line, const char *expected)
{
	struct zc_args args;
	struct zc_args before;
	int count = words_of(line);

	memset(&args, 0x55, sizeof(args));
	memcpy(&before, &args, sizeof(args));
	assert_int_equal(zc_args_parse(&args, count, words, message, sizeof(message)), -EINVAL);
	assert_string_equal(message, expected);
	assert_memory_equal(&args, &before, sizeof(args));
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
	bad("zcopy --update=no a b", "ambiguous argument 'no' for '--update'");
	assert_int_equal(good("zcopy --update=o a b").job.update, ZC_UPDATE_OLDER);
}

static void preserved(void **state)
{
	const unsigned all = ZC_PRESERVE_MODE | ZC_PRESERVE_OWNER | ZC_PRESERVE_TIMES;

	(void)state;
	assert_int_equal(good("zcopy -p a b").job.preserve, all);
	assert_int_equal(good("zcopy --preserve a b").job.preserve, all);
	bad("zcopy --preserve=all a b", "'all' for '--preserve' is not in this version");
	assert_int_equal(good("zcopy --preserve=mode a b").job.preserve, ZC_PRESERVE_MODE);
	assert_int_equal(good("zcopy --preserve=own,time a b").job.preserve,
	                 ZC_PRESERVE_OWNER | ZC_PRESERVE_TIMES);
	assert_int_equal(good("zcopy -p --no-preserve=timestamps a b").job.preserve,
	                 ZC_PRESERVE_MODE | ZC_PRESERVE_OWNER);
	assert_int_equal(good("zcopy --no-preserve=mode a b").job.preserve, ZC_PRESERVE_NOT_MODE);
	assert_int_equal(good("zcopy --no-preserve=mode -p a b").job.preserve, all);
	bad("zcopy --preserve=links a b", "'links' for '--preserve' is not in this version");
	bad("zcopy --preserve=mode,x a b", "'xattr' for '--preserve' is not in this version");
	bad("zcopy --no-preserve=context a b", "'context' for '--no-preserve' is not in this version");
	bad("zcopy --preserve=mode, a b", "ambiguous argument '' for '--preserve'");
	bad("zcopy --preserve=modes a b", "invalid argument 'modes' for '--preserve'");
	bad("zcopy --preserve=a-very-long-word-indeed a b",
	    "invalid argument 'a-very-long-word-indeed' for '--preserve'");
	bad("zcopy --no-preserve", "option '--no-preserve' requires an argument");
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
	bad("zcopy --archive a b", "unrecognized option '--archive'");
	bad("zcopy -r a b", "invalid option -- 'r'");
	bad("zcopy -fr a b", "invalid option -- 'r'");
	bad("zcopy -\x01 a b", "invalid option -- '\\001'");
	bad("zcopy a b -t", "option requires an argument -- 't'");
	bad("zcopy a b --target-directory", "option '--target-directory' requires an argument");
	bad("zcopy a b --engine", "option '--engine' requires an argument");
	bad("zcopy --force=x a b", "option '--force' doesn't allow an argument");
	bad("zcopy --verb=x a b", "option '--verbose' doesn't allow an argument");
	bad("zcopy --reflink=x a b", "invalid argument 'x' for '--reflink'");
	bad("zcopy --reflink= a b", "ambiguous argument '' for '--reflink'");
	bad("zcopy --engine=warp a b", "invalid argument 'warp' for '--engine'");
	bad("zcopy --engine=AUTO a b", "invalid argument 'AUTO' for '--engine'");
	bad("zcopy --engine=\x1b[1m a b", "invalid argument '\\033[1m' for '--engine'");
	bad("zcopy --no a b", "option '--no' is ambiguous; possibilities: '--no-clobber' '--no-preserve' "
	                      "'--no-target-directory'");
	bad("zcopy --pr=x a b", "option '--pr=x' is ambiguous; possibilities: '--preserve' '--progress'");
	bad("zcopy --reflink --sparse=always a b", "--reflink can be used only with --sparse=auto");
	bad("zcopy --reflink --sparse=never a b", "--reflink can be used only with --sparse=auto");
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
	bad("zcopy a b", "invalid argument 'warp' for 'ZCOPY_ENGINE'");
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
	bad("zcopy bench a", "this version has no command 'bench' yet; a file of that name is ./bench");
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

static char *help_text(void)
{
	char *text;
	size_t len;
	FILE *file = open_memstream(&text, &len);

	assert_non_null(file);
	zc_args_help(file);
	assert_int_equal(fclose(file), 0);
	return text;
}

static void help_fits_a_terminal(void **state)
{
	char *text = help_text();

	(void)state;
	for (const char *line = text; *line != '\0'; line += strcspn(line, "\n") + 1) {
		assert_true(strcspn(line, "\n") <= 80);
	}
	free(text);
}

/* The completion's list is --help's, word for word and in its order. */
static void completion_is_help(void **state)
{
	FILE *file = fopen(ZC_COMPLETION, "r");
	char *text = help_text();
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
	char *text;
	size_t len;
	FILE *file = open_memstream(&text, &len);

	(void)state;
	assert_non_null(file);
	zc_args_version(file);
	assert_int_equal(fclose(file), 0);
	assert_int_equal(strncmp(text, "zcopy ", 6), 0);
	assert_int_equal(text[len - 1], '\n');
	free(text);
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
	};

	(void)state;
	srandom(6);
	for (int i = 0; i < 100000; i++) {
		struct zc_args args;
		struct zc_args before;
		char line[512] = "zcopy";
		int count;

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
			continue;
		}
		assert_memory_equal(&args, &before, sizeof(args));
		assert_true(strlen(message) > 5);
		for (const char *at = message; *at != '\0'; at++) {
			assert_true((unsigned char)*at >= 0x20 && *at != 0x7f);
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
		cmocka_unit_test(numbers),
		cmocka_unit_test(numbers_refused),
		cmocka_unit_test(options_refused),
		cmocka_unit_test(environment),
		cmocka_unit_test(commands),
		cmocka_unit_test(short_message_buffer),
		cmocka_unit_test(help_fits_a_terminal),
		cmocka_unit_test(completion_is_help),
		cmocka_unit_test(version),
		cmocka_unit_test(noise),
	};

	/* what the caller's environment says is not under test */
	unsetenv("ZCOPY_ENGINE");
	unsetenv("ZCOPY_JOBS");
	unsetenv("POSIXLY_CORRECT");
	return cmocka_run_group_tests_name("cli/args", tests, NULL, NULL);
}
