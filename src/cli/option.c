/*
 * The option table: letter, words or range, where the value goes, and the lines of --help of each option.
 * What an option does with its argument is in values.c; what no option says alone is in args.c.
 */
#include "option.h"

#include <getopt.h>

static int set_help(struct parse *parse, const struct option_row *row, const char *arg)
{
	(void)row;
	(void)arg;
	parse->args.help_of_bench = parse->args.command == ZC_COMMAND_BENCH;
	parse->args.command = ZC_COMMAND_HELP;
	return OPTION_STOP;
}

static int set_version(struct parse *parse, const struct option_row *row, const char *arg)
{
	(void)row;
	(void)arg;
	parse->args.command = ZC_COMMAND_VERSION;
	return OPTION_STOP;
}

static const struct word when_words[] = {
	{ "auto", ZC_WHEN_AUTO },
	{ "always", ZC_WHEN_ALWAYS },
	{ "never", ZC_WHEN_NEVER },
	{ NULL, 0 },
};
static const struct word sparse_words[] = {
	{ "never", ZC_WHEN_NEVER },
	{ "auto", ZC_WHEN_AUTO },
	{ "always", ZC_WHEN_ALWAYS },
	{ NULL, 0 },
};
static const struct word update_words[] = {
	{ "all", ZC_UPDATE_ALL },
	{ "none", ZC_UPDATE_NONE },
	{ "none-fail", ZC_UPDATE_NONE_FAIL },
	{ "older", ZC_UPDATE_OLDER },
	{ NULL, 0 },
};
static const struct word backup_words[] = {
	/* words of one value side by side, for messages */
	{ "none", ZC_BACKUP_NONE },
	{ "off", ZC_BACKUP_NONE },
	{ "simple", ZC_BACKUP_SIMPLE },
	{ "never", ZC_BACKUP_SIMPLE },
	{ "existing", ZC_BACKUP_EXISTING },
	{ "nil", ZC_BACKUP_EXISTING },
	{ "numbered", ZC_BACKUP_NUMBERED },
	{ "t", ZC_BACKUP_NUMBERED },
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
static const struct word read_error_words[] = {
	{ "fail", ZC_ON_READ_ERROR_FAIL },
	{ "zero", ZC_ON_READ_ERROR_ZERO },
	{ "skip", ZC_ON_READ_ERROR_SKIP },
	{ NULL, 0 },
};
static const struct word resume_words[] = {
	{ "verify", ZC_RESUME_VERIFY },
	{ NULL, 0 },
};
static const struct word sandbox_words[] = {
	{ "auto", ZC_SANDBOX_AUTO },
	{ "require", ZC_SANDBOX_REQUIRE },
	{ "off", ZC_SANDBOX_OFF },
	{ NULL, 0 },
};
const struct word option_tee_words[] = {
	{ "block", ZC_FAN_BLOCK },
	{ "drop", ZC_FAN_DROP },
	{ "fail", ZC_FAN_FAIL },
	{ NULL, 0 },
};
const struct word option_hash_words[] = {
	{ "xxh3", ZC_HASH_XXH3 },
	{ "crc32c", ZC_HASH_CRC32C },
	{ "sha256", ZC_HASH_SHA256 },
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

#define JOB(member)   offsetof(struct parse, args.job.member)
#define ARGS(member)  offsetof(struct parse, args.member)
#define PARSE(member) offsetof(struct parse, member)

#define B_COPY  (1u << ZC_BENCH_COPY)
#define B_READ  (1u << ZC_BENCH_READ)
#define B_WRITE (1u << ZC_BENCH_WRITE)
#define B_FILES (B_COPY | B_READ | B_WRITE)
#define B_NOP   (1u << ZC_BENCH_NOP)
#define B_MEM   (1u << ZC_BENCH_MEM)
#define B_HASH  (1u << ZC_BENCH_HASH)
#define B_ALL   (B_FILES | B_NOP | B_MEM | B_HASH)

/* clang-format off */
static const struct option_row option_rows[] = {
	{ .help = "Trees and links:" },
	{ .letter = 'R', .other_letter = 'r', .name = "recursive", .apply = set_flag, .field = JOB(recursive),
	  .help = "copy directories with all that is in them" },
	{ .letter = 'a', .name = "archive", .apply = set_archive,
	  .help = "the same as -dR, and keep all attributes" },
	{ .letter = 'd', .apply = set_links,
	  .help = "the same as -P, and keep hard links" },
	{ .letter = 'P', .name = "no-dereference", .apply = set_value, .field = JOB(deref),
	  .value = ZC_DEREF_NEVER,
	  .help = "copy symbolic links as such (with -R the default)" },
	{ .letter = 'H', .apply = set_value, .field = JOB(deref), .value = ZC_DEREF_OPERANDS,
	  .help = "follow those that are a SOURCE" },
	{ .letter = 'L', .name = "dereference", .apply = set_value, .field = JOB(deref),
	  .value = ZC_DEREF_ALWAYS,
	  .help = "follow all of them" },
	{ .letter = 'l', .name = "link", .apply = set_flag, .field = JOB(make_hard_links),
	  .help = "make hard links instead of copies" },
	{ .letter = 's', .name = "symbolic-link", .apply = set_flag, .field = JOB(make_symlinks),
	  .help = "make symbolic links instead of copies" },
	{ .letter = 'x', .name = "one-file-system", .apply = set_flag, .field = JOB(one_file_system),
	  .help = "do not go into other file systems" },
	{ .name = "parents", .apply = set_flag, .field = JOB(parents),
	  .help = "put a/b/SOURCE to DIRECTORY/a/b/SOURCE" },
	{ .name = "copy-contents", .apply = set_flag, .field = JOB(copy_contents),
	  .help = "read the FIFOs and devices of a tree" },
	{ .name = "keep-directory-symlink", .apply = set_flag, .field = JOB(keep_dir_links),
	  .help = "follow existing links to directories in DEST" },
	{ .name = "strip-trailing-slashes", .apply = set_flag, .field = JOB(strip_slashes),
	  .help = "take them off each SOURCE" },
	{ .name = "exclude", .own = true, .verify = true, .has_arg = required_argument,
	  .apply = set_rule, .value = true,
	  .arg = "GLOB",
	  .help = "leave out what matches, as rsync does: the first\n"
		  "GLOB that matches decides; /GLOB: from the top,\n"
		  "GLOB/: only directories, **: also across slashes" },
	{ .name = "include", .own = true, .verify = true, .has_arg = required_argument,
	  .apply = set_rule, .arg = "GLOB",
	  .help = "take what matches" },
	{ .name = "exclude-from", .own = true, .verify = true, .has_arg = required_argument,
	  .apply = set_rule,
	  .value = true, .min = true, .arg = "FILE",
	  .help = "GLOBs to leave out, one a line; + GLOB: to take" },
	{ .name = "files-from", .own = true, .has_arg = required_argument, .apply = set_text,
	  .field = JOB(files_from), .arg = "FILE",
	  .help = "copy what FILE names in SOURCE, one a line" },
	{ .letter = '0', .name = "null", .own = true, .verify = true,
	  .apply = set_flag, .field = JOB(names_end_in_nul),
	  .help = "in these files names end in NUL" },

	{ .help = "What is replaced, and what is kept:" },
	{ .letter = 'f', .name = "force", .apply = set_flag, .field = JOB(force),
	  .help = "replace a file that may not be opened for\nwriting" },
	{ .letter = 'i', .name = "interactive", .apply = set_value, .field = PARSE(ask), .value = ASK_USER,
	  .help = "ask before replacing" },
	{ .letter = 'n', .name = "no-clobber", .apply = set_value, .field = PARSE(ask), .value = ASK_SKIP,
	  .help = "skip what exists, with status 0" },
	{ .letter = 'u', .name = "update", .has_arg = optional_argument, .apply = set_word,
	  .field = JOB(update), .words = update_words, .bare = "older",
	  .help = "which existing files are replaced: all (default),\n"
		  "none, none-fail (status 1), or older ones (-u)" },
	{ .letter = 'b', .name = "backup", .has_arg = optional_argument, .apply = set_backup,
	  .words = backup_words,
	  .help = "keep what is replaced under another name:\n"
		  "simple name~, numbered name.~1~, existing (the\n"
		  "default): numbered where there are such" },
	{ .letter = 'S', .name = "suffix", .has_arg = required_argument, .apply = set_suffix, .arg = "SUFFIX",
	  .help = "of simple backups, instead of ~" },
	{ .name = "remove-destination", .apply = set_flag, .field = JOB(remove_dest),
	  .help = "remove what exists before anything is opened" },
	{ .letter = 'p', .name = "preserve", .has_arg = optional_argument, .apply = set_preserve,
	  .bare = "mode,ownership,timestamps", .arg = "LIST",
	  .help = "keep of the source: mode, ownership, timestamps,\n"
		  "links, context, xattr, all. -p: the first three" },
	{ .name = "no-preserve", .has_arg = required_argument, .apply = set_no_preserve, .arg = "LIST",
	  .help = "do not keep these" },
	{ .name = "attributes-only", .apply = set_flag, .field = JOB(attributes_only),
	  .help = "do not copy the data" },
	{ .letter = 'Z', .name = "context", .has_arg = optional_argument, .apply = set_context, .arg = "CTX",
	  .help = "SELinux: label by the destination's rules, or CTX" },
	{ .letter = 't', .name = "target-directory", .has_arg = required_argument, .apply = set_target,
	  .arg = "DIR",
	  .help = "copy all SOURCEs into DIR" },
	{ .letter = 'T', .name = "no-target-directory", .apply = set_flag, .field = JOB(dest_is_file),
	  .help = "DEST is the file itself, not a directory for it" },
	{ .name = "durability", .bench = B_COPY | B_WRITE, .own = true, .has_arg = required_argument,
	  .apply = set_word, .field = JOB(durability),
	  .words = durability_words,
	  .help = "safe from a power cut at exit: nothing, the data,\n"
		  "or also the name. Default: none for new names,\n"
		  "data when replacing" },
	{ .name = "resume", .own = true, .has_arg = optional_argument, .apply = set_resume, .words = resume_words,
	  .help = "go on where an earlier run was interrupted, also\ninside a large file; verify: compare what is there\n"
		  "with the source first" },
	{ .name = "inplace", .own = true, .apply = set_flag, .field = JOB(inplace),
	  .help = "write into the existing file itself: a failure\nleaves it partly written" },
	{ .name = "on-change", .own = true, .has_arg = required_argument,
	  .apply = set_word, .field = JOB(on_change),
	  .words = change_words,
	  .help = "when a source changes while it is read: once more,\nthen status 3; or status 3; "
		  "or keep the old file" },
	{ .name = "on-read-error", .own = true, .has_arg = required_argument,
	  .apply = set_word, .field = JOB(on_read_error),
	  .words = read_error_words,
	  .help = "what cannot be read of a source ends its copy,\nbecomes zeros, or is left out; the same command\n"
		  "again tries just that, by a map" },
	{ .name = "verify", .own = true, .apply = set_flag, .field = JOB(verify),
	  .help = "read each file back from storage and compare\nbefore it gets its name; status 4 when it differs" },
	{ .name = "hash", .bench = B_HASH, .own = true, .has_arg = required_argument, .apply = set_word, .field = JOB(hash),
	  .words = option_hash_words,
	  .help = "by which digest; alone: say that of the one file\nthat is copied, taken from the bytes as they pass" },
	{ .name = "manifest", .own = true, .has_arg = required_argument,
	  .apply = set_text, .field = JOB(manifest), .arg = "FILE",
	  .help = "when done, FILE has a digest of each file copied,\nas sha256sum writes them" },
	{ .name = "allow-mounted", .own = true, .apply = set_flag, .field = JOB(allow_mounted),
	  .help = "write to a block device that is in use" },
	{ .name = "sandbox", .own = true, .has_arg = optional_argument,
	  .apply = set_word, .field = JOB(sandbox),
	  .words = sandbox_words, .bare = "auto",
	  .help = "have the kernel see to it that only SOURCE is read\nand only DEST written; require: or nothing" },

	{ .help = "How bytes move (the default is to choose):" },
	{ .name = "engine", .bench = B_FILES | B_NOP, .own = true, .has_arg = required_argument,
	  .apply = set_engine, .field = JOB(engine),
	  .words = engine_words,
	  .help = "io_uring, or plain system calls" },
	{ .name = "route", .bench = B_FILES, .own = true, .has_arg = required_argument, .apply = set_word, .field = JOB(route),
	  .words = route_words,
	  .help = "a way through the kernel, or through buffers" },
	{ .name = "reflink", .bench = B_COPY, .has_arg = optional_argument, .apply = set_word, .field = JOB(reflink),
	  .words = when_words, .bare = "always",
	  .help = "share the blocks instead of copying them" },
	{ .name = "sparse", .has_arg = required_argument, .apply = set_word, .field = JOB(sparse),
	  .words = sparse_words,
	  .help = "keep holes; always: make holes of zeros, too" },
	{ .name = "direct", .bench = B_FILES, .own = true, .has_arg = required_argument,
	  .apply = set_word, .field = JOB(direct),
	  .words = when_words,
	  .help = "O_DIRECT: past the page cache" },
	{ .name = "cache", .bench = B_FILES, .own = true, .has_arg = required_argument, .apply = set_word, .field = JOB(cache),
	  .words = cache_words,
	  .help = "what stays in the page cache" },
	{ .name = "block-size", .bench = B_FILES, .own = true, .has_arg = required_argument,
	  .apply = set_size, .field = JOB(block_bytes),
	  .arg = "SIZE", .min = 512, .max = 64 * ZC_MIB, .range = "a multiple of 512 from 512 to 64M",
	  .help = "bytes in one request, 512 to 64M" },
	{ .name = "queue-depth", .bench = B_FILES | B_NOP, .own = true, .has_arg = required_argument,
	  .apply = set_count, .field = JOB(queue_depth),
	  .arg = "N", .min = 1, .max = 4096, .range = "a whole number from 1 to 4096",
	  .help = "requests in flight, 1 to 4096" },
	{ .letter = 'j', .name = "jobs", .bench = B_FILES | B_NOP, .own = true, .verify = true, .has_arg = required_argument,
	  .apply = set_jobs, .field = JOB(jobs),
	  .arg = "N", .min = 1, .max = 256, .range = "a whole number from 1 to 256",
	  .help = "helper threads of the sync engine, 1 to 256" },
	{ .name = "hugepages", .bench = B_FILES | B_MEM | B_HASH, .own = true, .has_arg = required_argument,
	  .apply = set_hugepages, .field = JOB(huge),
	  .words = huge_words, .arg = "SIZE", .min = 64 * ZC_KIB, .max = 16 * ZC_GIB,
	  .range = "auto, never, or a power of two from 64K to 16G",
	  .help = "pages of the buffers" },
	{ .name = "numa", .bench = B_FILES | B_MEM | B_HASH, .own = true, .has_arg = required_argument, .apply = set_numa, .words = numa_words,
	  .arg = "NODE", .min = 0, .max = 1023, .range = "auto, off, or a node from 0 to 1023",
	  .help = "memory node of the buffers" },
	{ .name = "pool", .bench = B_FILES, .own = true, .has_arg = required_argument,
	  .apply = set_size, .field = JOB(pool_bytes),
	  .arg = "SIZE", .min = 4 * ZC_KIB, .max = 64 * ZC_GIB, .range = "a multiple of 4K from 4K to 64G",
	  .help = "memory of all buffers together, 4K to 64G" },

	{ .help = "Streams:" },
	{ .name = "limit", .own = true, .has_arg = required_argument,
	  .apply = set_size, .field = ARGS(limit_bytes),
	  .arg = "RATE", .min = 1, .max = ZC_GIB * ZC_KIB, .range = "bytes a second from 1 to 1T",
	  .help = "write at most RATE bytes a second" },
	{ .name = "buffer", .own = true, .has_arg = required_argument,
	  .apply = set_size, .field = JOB(buffer_bytes),
	  .arg = "SIZE", .min = 4 * ZC_KIB, .max = ZC_GIB * ZC_KIB,
	  .range = "a multiple of 4K from 4K to 1T",
	  .help = "read ahead of a slow or bursty consumer by SIZE" },
	{ .name = "tee", .own = true, .has_arg = required_argument,
	  .apply = set_tee, .arg = "END[,POLICY]",
	  .help = "also to END; POLICY for one that takes nothing:\nblock (all wait), drop, or fail after a second" },
	{ .name = "expect-size", .own = true, .has_arg = required_argument,
	  .apply = set_expect_size, .arg = "SIZE", .range = "a size",
	  .help = "SOURCE has to have that size: else status 4, and\nthe file does not get its name" },
	{ .name = "expect-hash", .own = true, .has_arg = required_argument,
	  .apply = set_expect_hash, .arg = "ALG:HEX",
	  .range = "xxh3:HEX, crc32c:HEX or sha256:HEX",
	  .help = "likewise, that digest" },
	{ .name = "io-timeout", .own = true, .has_arg = required_argument,
	  .apply = set_time, .field = JOB(io_timeout_ns), .arg = "T", .min = 1000000,
	  .range = "a time like 200ms, 5s, 2m or 1h",
	  .help = "give up a TCP peer that takes that long to answer,\nto come, or without a byte" },
	{ .name = "stable", .own = true, .apply = set_flag, .field = JOB(stable),
	  .help = "pass no page of a file on that may change yet" },

	{ .help = "Of the command bench:" },
	{ .name = "size", .own = true, .tune = true, .bench = B_ALL, .only_bench = true, .has_arg = required_argument,
	  .apply = set_size, .field = ARGS(bench.size_bytes),
	  .arg = "SIZE", .min = 4 * ZC_KIB, .max = 16 * 1024 * ZC_GIB, .range = "a multiple of 4K from 4K to 16T",
	  .help = "of each run; default 512M, of mem and hash 1G,\nof nop 2M requests" },
	{ .name = "runs", .own = true, .bench = B_ALL, .only_bench = true, .has_arg = required_argument,
	  .apply = set_count, .field = ARGS(bench.runs),
	  .arg = "N", .min = ZC_BENCH_RUNS_MIN, .max = ZC_BENCH_RUNS_MAX,
	  .range = "a whole number from 5 to 1000",
	  .help = "of each arm, 5 to 1000; default 10" },
	{ .name = "via", .own = true, .bench = B_FILES | B_NOP, .only_bench = true, .has_arg = required_argument,
	  .apply = set_text, .field = ARGS(bench.via), .arg = "ARMS",
	  .help = "ways to compare, as in uring,sync+qd=8: engines,\nroutes, direct, buffered, bs=SIZE, qd=N, jobs=N" },
	{ .name = "warm", .own = true, .bench = B_COPY | B_READ, .only_bench = true,
	  .apply = set_flag, .field = ARGS(bench.warm),
	  .help = "what is read is in the page cache before each run\ninstead of out of it" },
	{ .name = "seed", .own = true, .tune = true, .bench = B_FILES, .only_bench = true, .has_arg = required_argument,
	  .apply = set_seed, .field = ARGS(bench.seed),
	  .arg = "N", .min = 0, .max = INT64_MAX, .range = "a whole number",
	  .help = "of the random bytes that are copied" },

	{ .help = "What is said:" },
	{ .letter = 'v', .name = "verbose", .apply = set_flag, .field = JOB(verbose),
	  .help = "name each file that is copied" },
	{ .name = "debug", .apply = set_debug,
	  .help = "also say how it was copied" },
	{ .letter = 'q', .name = "quiet", .tune = true, .bench = B_ALL, .own = true, .verify = true, .apply = set_flag, .field = JOB(quiet),
	  .help = "nothing but errors" },
	{ .name = "progress", .own = true, .verify = true, .has_arg = optional_argument,
	  .apply = set_word, .field = ARGS(progress),
	  .words = progress_words, .bare = "always",
	  .help = "a bar; auto: on a terminal, after a second;\njson: one object a line on stderr" },
	{ .name = "stats", .own = true, .verify = true, .apply = set_flag, .field = ARGS(stats),
	  .help = "when done, what was done and how fast, on stderr" },
	{ .name = "report", .bench = B_ALL, .own = true, .verify = true, .has_arg = required_argument,
	  .apply = set_text, .field = ARGS(report_path),
	  .arg = "FILE",
	  .help = "the same as a JSON object in FILE, - for stdout" },
	{ .name = "explain", .own = true, .apply = set_flag, .field = JOB(explain),
	  .help = "what was chosen and refused, and why, on stderr" },
	{ .name = "dry-run", .own = true, .apply = set_flag, .field = JOB(dry_run),
	  .help = "say what would be copied, write nothing" },
	{ .name = "help", .tune = true, .bench = B_ALL, .verify = true, .apply = set_help,
	  .help = "this text" },
	{ .name = "version", .tune = true, .bench = B_ALL, .verify = true, .apply = set_version,
	  .help = "the version" },
};
/* clang-format on */
#undef JOB
#undef ARGS
#undef PARSE

_Static_assert(ZC_ARRAY_LEN(option_rows) <= OPTION_MAX, "getopt's tables are this long");

const struct option_row *option_at(size_t i)
{
	return i < ZC_ARRAY_LEN(option_rows) ? &option_rows[i] : NULL;
}
