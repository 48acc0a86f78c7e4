/*
 * Which names are left out: rsync's manual as a table, what is refused, patterns that would take for ever,
 * lists of names; and rsync itself, asked about random trees and rules.
 */
#include <fcntl.h>
#include <setjmp.h>
#include <spawn.h>
#include <stdarg.h>
#include <stddef.h>
#include <sys/wait.h>
#include <time.h>
#include <wctype.h>

#include <cmocka.h>

#include "job_dir.h"
#include "zcopy/job.h"

/* A filter of these exclude patterns, which may have signs; NULL ends them. */
static struct zc_filter *filter_of(const char *const *patterns)
{
	struct zc_filter *filter;
	const char *why = NULL;

	assert_int_equal(zc_filter_new(&filter), 0);
	for (; *patterns != NULL; patterns++) {
		assert_int_equal(zc_filter_add(filter, true, *patterns, &why), 0);
	}
	return filter;
}

/* path: a directory when it ends in a slash. */
static bool excludes(const struct zc_filter *filter, const char *path)
{
	char copy[8192];
	size_t len = strlen(path);
	bool is_dir = len > 0 && path[len - 1] == '/';

	snprintf(copy, sizeof(copy), "%.*s", (int)(len - is_dir), path);
	return zc_filter_excludes(filter, copy, is_dir);
}

static void check(const char *const *patterns, const char *const *paths, bool excluded)
{
	struct zc_filter *filter = filter_of(patterns);

	for (; *paths != NULL; paths++) {
		if (excludes(filter, *paths) != excluded) {
			fail_msg("\"%s\"... and %s: not %s", *patterns, *paths,
			         excluded ? "excluded" : "taken");
		}
	}
	zc_filter_free(filter);
}

static void manual(void **state)
{
	static const struct {
		const char *patterns[5];
		const char *out[8];
		const char *in[8];
	} rows[] = {
		/* the examples */
		{ { "*.o" }, { "a.o", "d/a.o", ".o", "d.o/" }, { "a.o.c", "o", "a.o/b" } },
		{ { "/foo" }, { "foo", "foo/" }, { "a/foo", "foo/a", "fo", "food" } },
		{ { "foo/" }, { "foo/", "a/foo/" }, { "foo", "a/foo", "xfoo/" } },
		{ { "foo/*/bar" },
		  { "foo/a/bar", "x/foo/a/bar/" },
		  { "foo/bar", "foo/a/b/bar", "xfoo/a/bar" } },
		{ { "/foo/**/bar" }, { "foo/a/bar", "foo/a/b/bar/" }, { "foo/bar", "x/foo/a/bar" } },
		{ { "+ */", "+ *.c", "- *" }, { "a.h", "d/x" }, { "d/", "d/e/", "d/a.c" } },
		{ { "+ foo/", "+ foo/bar.c", "- *" }, { "a", "foo/b", "d/" }, { "foo/", "foo/bar.c" } },
		/* the words before them */
		{ { "foo" }, { "foo", "a/foo", "a/foo/" }, { "foo/a", "xfoo", "foox" } },
		{ { "foo/bar" },
		  { "foo/bar", "a/foo/bar" },
		  { "bar", "xfoo/bar", "foo/bar/a", "foo/x/bar" } },
		{ { "/foo/**" }, { "foo/a", "foo/a/b/" }, { "foo/", "foo", "a/foo/b" } },
		{ { "a?c" }, { "abc", "d/a.c" }, { "a/c", "ac", "abbc" } },
		{ { "/*" }, { "a", "ab/" }, { "a/b" } },
		{ { "**" }, { "a", "a/b", "a/b/c/" }, { "" } },
		{ { "**/b" }, { "b", "a/b", "a/c/b/" }, { "ab", "b/a", "a/ab" } },
		{ { "a/**/b" }, { "a/c/b", "x/a/c/d/b" }, { "a/b", "xa/c/b" } },
		{ { "a**b" }, { "ab", "a/b", "a/c/b", "x/axb" }, { "xab", "abc" } },
		{ { "dir/***" }, { "dir/", "dir/a", "dir/a/b", "x/dir/" }, { "dir", "xdir/", "adir/b" } },
		{ { "/dir/***" }, { "dir/", "dir/a" }, { "dir", "x/dir/", "x/dir/a" } },
		{ { "dir/***/" }, { "dir/", "dir/a/" }, { "dir", "dir/a" } },
		{ { "[a-c]x" }, { "ax", "cx", "d/bx" }, { "dx", "x", "-x", "/x" } },
		{ { "[!a-c]x" }, { "dx", "-x", "d/zx" }, { "ax", "x", "d/x", "axx" } },
		{ { "[^a]x" }, { "bx" }, { "ax" } },
		{ { "[[:alpha:]_]*" }, { "a1", "Z", "_" }, { "1a", "-", "\xe9" } },
		{ { "[[:digit:][:space:]]" }, { "1", "\t" }, { "a", "11" } },
		{ { "[]a]" }, { "]", "a" }, { "b", "[" } },
		{ { "[!]a]" }, { "b", "[" }, { "]", "a" } },
		{ { "[a-]" }, { "a", "-" }, { "b" } },
		{ { "[a-c-e]" }, { "b", "-", "e" }, { "d" } },
		{ { "/d[!a]x" }, { "dbx" }, { "d/x", "dax" } },
		{ { "[\\]-a]" }, { "]", "_", "a" }, { "[", "b" } },
		{ { "[[:a]" }, { "[", ":", "a" }, { "b" } },
		/* the backslash */
		{ { "foo\\bar" }, { "foo\\bar" }, { "foobar" } },
		{ { "foo\\bar*" }, { "foobar", "foobarx" }, { "foo\\bar" } },
		{ { "foo\\\\bar*" }, { "foo\\bar", "foo\\barx" }, { "foobar" } },
		{ { "\\*a*" }, { "*a", "*ab" }, { "ba", "\\*a" } },
		{ { "\\[a" }, { "[a" }, { "\\[a" } },
		/* order, signs, clearing */
		{ { "+ a*", "a", "b" }, { "b" }, { "a", "ab" } },
		{ { "a", "+ a", "b" }, { "a", "b" }, { "c" } },
		{ { "a", "!", "b" }, { "b" }, { "a", "!" } },
		{ { "!a", "-b", "+c", "" }, { "!a", "-b", "+c" }, { "a", "b", "c", "" } },
		{ { "- - a", "- + b" }, { "- a", "+ b" }, { "a", "b" } },
		{ { " a" }, { " a" }, { "a" } },
		/* what can match nothing */
		{ { "/", "//", "a//", "a//b" }, { NULL }, { "a", "a/", "a/b", "b" } },
		/* names are bytes */
		{ { "\xe9?" }, { "\xe9\xff" }, { "\xe9", "?" } },
	};

	(void)state;
	for (size_t i = 0; i < ZC_ARRAY_LEN(rows); i++) {
		check(rows[i].patterns, rows[i].out, true);
		check(rows[i].patterns, rows[i].in, false);
	}
}

/* [:class:] for every byte against the C library's own in the C locale. */
static void classes(void **state)
{
	static const char *const names[] = { "alnum", "alpha", "blank", "cntrl", "digit", "graph",
		                             "lower", "print", "punct", "space", "upper", "xdigit" };

	(void)state;
	for (size_t i = 0; i < ZC_ARRAY_LEN(names); i++) {
		char pattern[32];
		const char *patterns[] = { pattern, NULL };
		struct zc_filter *filter;

		snprintf(pattern, sizeof(pattern), "[[:%s:]]", names[i]);
		filter = filter_of(patterns);
		for (int byte = 1; byte < 256; byte++) {
			char name[] = { (char)byte, '\0' };
			bool want =
			    byte != '/' && iswctype(byte < 128 ? (wint_t)byte : WEOF, wctype(names[i]));

			if (zc_filter_excludes(filter, name, false) != want) {
				fail_msg("%s and byte %d", pattern, byte);
			}
		}
		zc_filter_free(filter);
	}
}

/* A refused pattern leaves the rules as they were. */
static void refused(void **state)
{
	static const char *const bad[] = { "[",     "a[b", "[]",        "[!]",       "[a-",        "[a\\",
		                           "a[\\]", "[[:", "[[:foo:]]", "[[::]]",    "*\\",        "a[b/c]d",
		                           "- ",    "+ ",  "- a[",      "[[:alpha:", "[[:ALPHA:]]" };
	struct zc_filter *filter = filter_of((const char *[]){ "a", NULL });
	char pattern[PATH_MAX + 1] = "";
	const char *why;

	(void)state;
	for (size_t i = 0; i < ZC_ARRAY_LEN(bad); i++) {
		why = NULL;
		if (zc_filter_add(filter, true, bad[i], &why) != -EINVAL || why == NULL) {
			fail_msg("\"%s\" is not refused", bad[i]);
		}
	}
	memset(pattern, '?', PATH_MAX);
	why = NULL;
	assert_int_equal(zc_filter_add(filter, true, pattern, &why), -ENAMETOOLONG);
	assert_non_null(why);
	pattern[PATH_MAX - 1] = '\0';
	assert_int_equal(zc_filter_add(filter, true, pattern, &why), 0);
	assert_true(zc_filter_excludes(filter, "a", false));
	assert_false(zc_filter_excludes(filter, "b", false));
	memset(pattern, 'x', PATH_MAX - 1);
	assert_true(zc_filter_excludes(filter, pattern, false));
	pattern[PATH_MAX - 2] = '\0';
	assert_false(zc_filter_excludes(filter, pattern, false));
	zc_filter_free(filter);
	zc_filter_free(NULL);
}

static double seconds(void)
{
	struct timespec now;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
	return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

/* Patterns that make a backtracking matcher take until the end of the world. */
static void bounded(void **state)
{
	static const char *const pieces[] = { "*a", "**a", "a*", "?*", "*[a-b]", "**/a", "*a**" };
	char path[4000];

	(void)state;
	memset(path, 'a', sizeof(path));
	path[sizeof(path) - 1] = '\0';
	for (unsigned i = 0; i < 2 * ZC_ARRAY_LEN(pieces); i++) {
		const char *piece = pieces[i % ZC_ARRAY_LEN(pieces)];
		char pattern[PATH_MAX] = "";
		const char *patterns[] = { pattern, NULL };
		struct zc_filter *filter;
		double start;

		for (unsigned at = 0; at + strlen(piece) < 500; at += (unsigned)strlen(piece)) {
			strcat(pattern, piece);
		}
		strcat(pattern, "!*"); /* the last byte is not to give it away */
		for (unsigned at = 9; at < sizeof(path) - 1; at += 10) {
			path[at] = i < ZC_ARRAY_LEN(pieces) ? 'a' : '/';
		}
		filter = filter_of(patterns);
		start = seconds();
		assert_false(zc_filter_excludes(filter, path, true));
		assert_true(seconds() - start < 20);
		zc_filter_free(filter);
	}
}

/* Where the paths of an operand begin, as rsync prints them. */
static void roots(void **state)
{
	static const char *const rows[][2] = {
		{ "src", "src" }, { "a/src", "src" }, { "/src", "src" }, { "src/", "" }, { "a/src//", "" },
		{ ".", "" },      { "a/.", "" },      { "..", "" },      { "a/..", "" }, { "./", "" },
		{ "/", "" },      { "", "" },         { "..a", "..a" },  { ".a", ".a" }, { "../s", "s" },
	};

	(void)state;
	for (size_t i = 0; i < ZC_ARRAY_LEN(rows); i++) {
		size_t len = 99;
		const char *root = zc_filter_root(rows[i][0], &len);

		assert_int_equal(len, strlen(rows[i][1]));
		assert_memory_equal(root, rows[i][1], len);
	}
}

/* ---- files */

static void put_bytes(const char *name, const char *text, size_t len)
{
	int fd = open(in_dir(name), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);

	assert_true(fd >= 0);
	assert_true(write(fd, text, len) == (ssize_t)len);
	close(fd);
}

static int add_file(struct zc_filter *filter, const char *text, size_t len, bool nul, unsigned *ret_line)
{
	const char *why = NULL;
	int res;

	put_bytes("rules", text, len);
	res = zc_filter_add_file(filter, in_dir("rules"), true, nul, &why, ret_line);
	assert_true(res >= 0 || why != NULL);
	return res;
}
#define ADD_FILE(filter, text, nul, ret_line) add_file(filter, text, sizeof(text) - 1, nul, ret_line)

static void rule_files(void **state)
{
	struct zc_filter *filter = filter_of((const char *[]){ "old", NULL });
	char longest[PATH_MAX + 2];
	unsigned line = 99;
	const char *why;

	(void)state;
	assert_int_equal(ADD_FILE(filter, "\n# a\n;b\n+ c\n- d\r\n\re f\n #g\nlast", false, &line), 0);
	assert_int_equal(line, 99);
	check((const char *[]){ "x", NULL }, (const char *[]){ "d", NULL }, false);
	for (const char *const *name = (const char *[]){ "old", "d", "e f", " #g", "last", NULL }; *name;
	     name++) {
		assert_true(zc_filter_excludes(filter, *name, false));
	}
	for (const char *const *name = (const char *[]){ "# a", ";b", "b", "c", "- d", "e", NULL }; *name;
	     name++) {
		assert_false(zc_filter_excludes(filter, *name, false));
	}
	assert_int_equal(ADD_FILE(filter, "!\0#a\0b\nc\0\0d", true, &line), 0);
	assert_true(zc_filter_excludes(filter, "b\nc", false));
	assert_true(zc_filter_excludes(filter, "d", false));
	assert_false(zc_filter_excludes(filter, "old", false));
	assert_false(zc_filter_excludes(filter, "#a", false));
	/* refused: with the line */
	assert_int_equal(ADD_FILE(filter, "a\r\n\n[b\nc\n", false, &line), -EINVAL);
	assert_int_equal(line, 3);
	assert_int_equal(ADD_FILE(filter, "a\0#\0[b", true, &line), -EINVAL);
	assert_int_equal(line, 3);
	assert_int_equal(ADD_FILE(filter, "a\nb\0c\n", false, &line), -EINVAL);
	assert_int_equal(line, 2);
	memset(longest, 'a', sizeof(longest));
	assert_int_equal(add_file(filter, longest, PATH_MAX - 1, false, &line), 0);
	assert_int_equal(add_file(filter, longest, PATH_MAX, false, &line), -ENAMETOOLONG);
	assert_int_equal(line, 1);
	/* or without one */
	assert_int_equal(zc_filter_add_file(filter, in_dir("none"), true, false, &why, &line), -ENOENT);
	assert_int_equal(line, 0);
	line = 99;
	assert_int_equal(zc_filter_add_file(filter, in_dir(""), true, false, &why, &line), -EISDIR);
	assert_int_equal(line, 0);
	zc_filter_free(filter);
}

static void name_lists(void **state)
{
	static const struct {
		const char *line, *name; /* NULL: refused */
		bool inside;
	} rows[] = {
		{ "a", "a", false },          { "/a", "a", false },
		{ "//a//b", "a/b", false },   { "a/", "a", true },
		{ "a//", "a", true },         { "a/.", "a", true },
		{ "./a", "a", false },        { "a/./b", "a/b", false },
		{ "a/b/../c", "a/c", false }, { "a/..", ".", true },
		{ ".", ".", true },           { "/", ".", true },
		{ "./#a", "#a", false },      { "..", NULL, false },
		{ "../a", NULL, false },      { "/../a", NULL, false },
		{ "a/../../b", NULL, false }, { "a/../..", NULL, false },
		{ "./..", NULL, false },      { "..a/b..", "..a/b..", false },
		{ "...", "...", false },      { " a ", " a ", false },
		{ "*", "*", false },          { "a/b/c/../../d/", "a/d", true },
		{ "a\\b", "a\\b", false },
	};
	struct zc_names *names;
	unsigned fds = open_fds();
	const char *name;
	const char *why;
	bool inside;
	FILE *file;

	(void)state;
	file = fopen(in_dir("names"), "we");
	assert_non_null(file);
	for (size_t i = 0; i < ZC_ARRAY_LEN(rows); i++) {
		fprintf(file, "%s\n# no name\n", rows[i].line);
	}
	fclose(file);
	assert_int_equal(zc_names_open(&names, in_dir("names"), false), 0);
	for (size_t i = 0; i < ZC_ARRAY_LEN(rows); i++) {
		int res = zc_names_next(names, &name, &inside, &why);

		assert_int_equal(res, rows[i].name != NULL ? 1 : -EXDEV);
		assert_int_equal(zc_names_line(names), 2 * i + 1);
		if (res == 1) {
			assert_string_equal(name, rows[i].name);
			assert_int_equal(inside, rows[i].inside);
		}
	}
	assert_int_equal(zc_names_next(names, &name, &inside, &why), 0);
	assert_int_equal(zc_names_next(names, &name, &inside, &why), 0);
	zc_names_close(names);
	zc_names_close(NULL);
	assert_int_equal(zc_names_open(&names, in_dir("none"), false), -ENOENT);
	assert_int_equal(open_fds(), fds);
}

/* What cannot be a name is one error, and the next name comes after it; standard input stays open. */
static void name_lists_go_on(void **state)
{
	char text[2 * PATH_MAX + 100];
	struct zc_names *names;
	const char *name;
	const char *why;
	int old = dup(STDIN_FILENO);
	bool inside;

	(void)state;
	memset(text, 'x', sizeof(text));
	text[2 * PATH_MAX] = '\0';
	strcpy(text + 2 * PATH_MAX + 1, "a\nb");
	put_bytes("names", text, 2 * PATH_MAX + 5);
	assert_int_equal(dup2(open(in_dir("names"), O_RDONLY | O_CLOEXEC), STDIN_FILENO), STDIN_FILENO);
	assert_int_equal(zc_names_open(&names, "-", true), 0);
	assert_int_equal(zc_names_next(names, &name, &inside, &why), -ENAMETOOLONG);
	assert_int_equal(zc_names_line(names), 1);
	assert_int_equal(zc_names_next(names, &name, &inside, &why), 1);
	assert_string_equal(name, "a\nb");
	assert_int_equal(zc_names_line(names), 2);
	assert_int_equal(zc_names_next(names, &name, &inside, &why), 0);
	zc_names_close(names);
	assert_true(fcntl(STDIN_FILENO, F_GETFD) >= 0);
	dup2(old, STDIN_FILENO);
	close(old);
}

/* ---- rsync itself */

enum {
	CASES = 320,
	AT_ONCE = 8,  /* cases on one tree, whose rsyncs run at the same time */
	ENTRIES = 60, /* of a tree                                            */
	RULES = 6,    /* at most, of a case                                   */
	TEXT = 64 * 1024,
};

static uint64_t seed;

/* 0 .. count - 1 */
static unsigned any(unsigned count)
{
	seed ^= seed << 13;
	seed ^= seed >> 7;
	seed ^= seed << 17;
	return (unsigned)(seed >> 33) % count;
}

/* One of the words between the commas. */
static void any_word(char *out, const char *words)
{
	unsigned commas = 0;

	for (const char *at = words; *at != '\0'; at++) {
		commas += *at == ',';
	}
	for (unsigned skip_words = any(commas + 1); skip_words > 0; skip_words--) {
		words = strchr(words, ',') + 1;
	}
	sprintf(out, "%.*s", (int)strcspn(words, ","), words);
}

struct entry {
	char path[256]; /* from the root of the transfer, which is "s" */
	bool is_dir;
	bool out;
};

struct trial {
	char rules[RULES][256];
	unsigned count;
	char way;    /* 'o' options, 'l' a file of lines, 'c' the same with CR LF, '0' with NUL */
	bool inside; /* the operand is "s/"                                                     */
	char file[32];
	pid_t pid;
	int out;
};

static struct entry entries[ENTRIES];

static void random_name(char *out)
{
	any_word(
	    out,
	    "a,b,c,d,ab,abc,aa,aab,a.c,b.o,foo,bar,foo.c,.a,A,1,\xe9,*,a*b,?,[a],a],\\,a\\b,-,!,a b,+ a");
}

/* Entries of their kind under s, each in a directory that came before; some names are tried twice. */
static void plant_tree(void)
{
	strcpy(entries[0].path, "s");
	entries[0].is_dir = true;
	assert_int_equal(mkdir(in_dir("s"), 0755), 0);
	for (unsigned i = 1; i < ENTRIES;) {
		struct entry parent = entries[any(i)];
		struct entry *entry = &entries[i];
		unsigned kind = any(8);
		char name[32];
		int res;

		random_name(name);
		if (!parent.is_dir ||
		    snprintf(entry->path, sizeof(entry->path), "%s/%s", parent.path, name) > 60) {
			continue;
		}
		if (kind < 3) {
			res = mkdir(in_dir(entry->path), 0755);
		} else if (kind < 4) {
			res = symlink("..", in_dir(entry->path));
		} else {
			res = mknod(in_dir(entry->path), S_IFREG | 0644, 0);
		}
		entry->is_dir = kind < 3;
		i += res == 0;
	}
}

/* A part of a pattern between two slashes; now and then one that can match nothing. */
static void random_part(char *out)
{
	static const char pieces[] =
	    "*,*,*,*,*,?,?,**,***,[a-c],[!a],[^b-d],[]*],[\\]a],[[:alpha:]],[[:punct:]a],"
	    "[[:a],[a-\\c],[!-],\\*,\\a,\\\\,a,b,c,.,o,\xe9";
	unsigned count = 1 + any(3);

	*out = '\0';
	if (any(3) == 0) {
		random_name(out);
		return;
	}
	if (any(20) == 0) {
		any_word(out, "[,[a/],[[:foo:]],[!/],[a-");
	}
	while (count-- > 0) {
		any_word(out + strlen(out), pieces);
	}
}

/* With the names of the tree's own paths now and then, so that rules match. */
static void random_rule(char *out)
{
	unsigned parts = 1 + any(3) * any(2) * any(2);
	char part[64];

	*out = '\0';
	if (any(5) == 0) {
		any_word(out, "+ ,- ,+ ,- ,+ ,- ,!");
		if (strcmp(out, "!") == 0) {
			return;
		}
	}
	if (any(4) == 0) {
		strcat(out, "/");
		strcat(out, any(2) == 0 ? "s/" : "");
	} else if (any(10) == 0) {
		strcat(out, "**/");
	}
	if (any(4) == 0) {
		const char *path = entries[any(ENTRIES)].path;

		strcat(out, strchr(path, '/') != NULL && any(2) == 0 ? strchr(path, '/') + 1 : path);
		strcat(out, any(3) == 0 ? "/" : "");
		parts = any(2);
	}
	while (parts-- > 0) {
		random_part(part);
		strcat(out, part);
		strcat(out, parts > 0 || any(6) == 0 ? "/" : "");
	}
	if (any(12) == 0) {
		strcat(out, "/***");
	}
}

static void write_rules(const struct trial *trial)
{
	FILE *file = fopen(in_dir(trial->file), "we");

	assert_non_null(file);
	for (unsigned i = 0; i < trial->count; i++) {
		fputs(trial->rules[i], file);
		fputs(trial->way == 'c' ? "\r" : "", file);
		fputc(trial->way == '0' ? '\0' : '\n', file);
	}
	assert_int_equal(fclose(file), 0);
}

static void random_trial(struct trial *trial, unsigned number)
{
	trial->count = 2 + any(RULES - 1);
	trial->way = "ooolc0"[any(6)];
	trial->inside = any(3) == 0;
	snprintf(trial->file, sizeof(trial->file), "rules%u", number);
	for (unsigned i = 0; i < trial->count; i++) {
		do {
			random_rule(trial->rules[i]);
		} while (*trial->rules[i] == '\0' || strchr("#;", *trial->rules[i]) != NULL ||
		         strcmp(trial->rules[i], "+ ") == 0 || strcmp(trial->rules[i], "- ") == 0);
	}
	if (!trial->inside && any(4) != 0) { /* else too often all is out */
		strcpy(trial->rules[0], "+ /s");
	}
	write_rules(trial);
}

/* Starts rsync; what it prints comes from trial->out. */
static void start_rsync(struct trial *trial)
{
	const char *argv[RULES + 10] = { "rsync", "-a8", "--dry-run", "--out-format=%n" };
	const char *env[] = { "LC_ALL=C", "PATH=/usr/local/bin:/usr/bin:/bin", NULL };
	char options[RULES][sizeof(trial->rules[0]) + 100];
	posix_spawn_file_actions_t actions;
	unsigned count = 4;
	int fds[2];

	for (unsigned i = 0; trial->way == 'o' && i < trial->count; i++) {
		snprintf(options[i], sizeof(options[i]), "--exclude=%.255s", trial->rules[i]);
		argv[count++] = options[i];
	}
	if (trial->way == '0') {
		argv[count++] = "-0"; /* holds for what follows only */
	}
	if (trial->way != 'o') {
		snprintf(options[0], sizeof(options[0]), "--exclude-from=%s", in_dir(trial->file));
		argv[count++] = options[0];
	}
	argv[count++] = in_dir(trial->inside ? "s/" : "s");
	argv[count++] = in_dir("none/");
	assert_int_equal(pipe2(fds, O_CLOEXEC), 0);
	posix_spawn_file_actions_init(&actions);
	posix_spawn_file_actions_adddup2(&actions, fds[1], STDOUT_FILENO);
	assert_int_equal(posix_spawnp(&trial->pid, "rsync", &actions, NULL, (char **)argv, (char **)env), 0);
	posix_spawn_file_actions_destroy(&actions);
	close(fds[1]);
	trial->out = fds[0];
}

/* Our rules. Those that we refuse are left out, and rsync, which takes them, shows that they match nothing.
 */
static struct zc_filter *our_filter(const struct trial *trial, unsigned *ret_refused)
{
	struct zc_filter *filter;
	bool from_file = trial->way != 'o';
	unsigned line;
	const char *why;

	assert_int_equal(zc_filter_new(&filter), 0);
	if (from_file &&
	    zc_filter_add_file(filter, in_dir(trial->file), true, trial->way == '0', &why, &line) == 0) {
		return filter;
	}
	zc_filter_free(filter);
	assert_int_equal(zc_filter_new(&filter), 0);
	for (unsigned i = 0; i < trial->count; i++) {
		int res = zc_filter_add(filter, true, trial->rules[i], &why);

		assert_true(res == 0 || res == -EINVAL);
		*ret_refused += res != 0;
	}
	return filter;
}

/* Asks about each entry whose directory is taken; ends them with newlines as rsync prints them. */
static void our_answer(const struct trial *trial, char *out, unsigned *ret_refused)
{
	struct zc_filter *filter = our_filter(trial, ret_refused);

	*out = '\0';
	for (unsigned i = 0; i < ENTRIES; i++) {
		const char *path = entries[i].path + (trial->inside ? i == 0 ? 1 : 2 : 0);

		entries[i].out = zc_filter_excludes(filter, path, entries[i].is_dir);
		for (unsigned j = 0; j < i && !entries[i].out; j++) {
			size_t len = strlen(entries[j].path);

			entries[i].out = entries[j].out &&
			                 strncmp(entries[i].path, entries[j].path, len) == 0 &&
			                 entries[i].path[len] == '/';
		}
		if (!entries[i].out) {
			out +=
			    sprintf(out, "%s%s\n", *path != '\0' ? path : ".", entries[i].is_dir ? "/" : "");
		}
	}
	zc_filter_free(filter);
}

static int by_text(const void *left, const void *right)
{
	return strcmp(*(char *const *)left, *(char *const *)right);
}

/* Sorts the lines of text in place. */
static void sort_lines(char *text)
{
	char *lines[ENTRIES * 2];
	char *copy = strdup(text);
	unsigned count = 0;

	for (char *line = strtok(copy, "\n"); line != NULL; line = strtok(NULL, "\n")) {
		assert_true(count < ZC_ARRAY_LEN(lines));
		lines[count++] = line;
	}
	qsort(lines, count, sizeof(*lines), by_text);
	for (unsigned i = 0; i < count; i++) {
		text += sprintf(text, "%s\n", lines[i]);
	}
	free(copy);
}

static void only_in(const char *text, const char *other, const char *who)
{
	for (size_t len; *text != '\0'; text += len) {
		char line[300];
		const char *at;

		len = strcspn(text, "\n") + 1;
		snprintf(line, sizeof(line), "%.*s", (int)len, text);
		at = strstr(other, line);
		while (at != NULL && at != other && at[-1] != '\n') {
			at = strstr(at + 1, line);
		}
		if (at == NULL) {
			print_error("only %s takes %s", who, line);
		}
	}
}

/* The number of entries that were left out. */
static unsigned compare(const struct trial *trial, unsigned *ret_refused)
{
	static char theirs[TEXT], ours[TEXT];
	size_t len = 0;
	ssize_t got;
	int status;
	unsigned out = 0;

	while ((got = read(trial->out, theirs + len, sizeof(theirs) - 1 - len)) > 0) {
		len += (size_t)got;
	}
	theirs[len] = '\0';
	close(trial->out);
	assert_int_equal(waitpid(trial->pid, &status, 0), trial->pid);
	assert_int_equal(status, 0);
	our_answer(trial, ours, ret_refused);
	sort_lines(theirs);
	sort_lines(ours);
	if (strcmp(theirs, ours) != 0) {
		for (unsigned i = 0; i < trial->count; i++) {
			print_error("rule %s\n", trial->rules[i]);
		}
		only_in(theirs, ours, "rsync");
		only_in(ours, theirs, "zcopy");
		fail_msg("rules by way %c, operand s%s", trial->way, trial->inside ? "/" : "");
	}
	for (unsigned i = 0; i < ENTRIES; i++) {
		out += entries[i].out;
	}
	return out;
}

static bool have_rsync(void)
{
	static const char *const places[] = { "/usr/bin/rsync", "/usr/local/bin/rsync", "/bin/rsync" };

	for (size_t i = 0; i < ZC_ARRAY_LEN(places); i++) {
		if (access(places[i], X_OK) == 0) {
			return true;
		}
	}
	return false;
}

static void agrees_with_rsync(void **state)
{
	const char *cases = getenv("FILTER_CASES");
	unsigned left = cases != NULL ? (unsigned)atoi(cases) : CASES;
	struct trial trials[AT_ONCE];
	unsigned refused_count = 0;
	unsigned some_out = 0;
	unsigned done = 0;

	(void)state;
	if (!have_rsync()) {
		print_message("SKIP agrees_with_rsync: no rsync here\n");
		skip();
	}
	seed = getenv("FILTER_SEED") != NULL ? strtoull(getenv("FILTER_SEED"), NULL, 0) : 0x5eed;
	for (; done < left; done += AT_ONCE) {
		plant_tree();
		for (unsigned i = 0; i < AT_ONCE; i++) {
			random_trial(&trials[i], i);
			start_rsync(&trials[i]);
		}
		for (unsigned i = 0; i < AT_ONCE; i++) {
			unsigned out = compare(&trials[i], &refused_count);

			some_out += out > 0 && out < ENTRIES - 1;
		}
		nftw(in_dir("s"), dir_remove_one, 8, FTW_DEPTH | FTW_PHYS);
	}
	print_message(
	    "%u cases, in %u of them something was left out and something not, %u patterns refused\n", done,
	    some_out, refused_count);
	/* the generator is worth its name */
	assert_true(some_out > done / 2);
	assert_true(refused_count > 0 && refused_count < done);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(manual),
		cmocka_unit_test(classes),
		cmocka_unit_test(refused),
		cmocka_unit_test(bounded),
		cmocka_unit_test(roots),
		cmocka_unit_test_setup_teardown(rule_files, dir_set_up, dir_tear_down),
		cmocka_unit_test_setup_teardown(name_lists, dir_set_up, dir_tear_down),
		cmocka_unit_test_setup_teardown(name_lists_go_on, dir_set_up, dir_tear_down),
		cmocka_unit_test_setup_teardown(agrees_with_rsync, dir_set_up, dir_tear_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
