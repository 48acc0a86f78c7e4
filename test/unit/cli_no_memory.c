/*
 * No memory: of all that reads what others wrote, each allocation fails once. The failure is reported,
 * nothing is kept, and what was there before is as it was.
 */
#include "args.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cmocka.h>

#include "badmap.h"
#include "journal.h"
#include "report.h"

static unsigned calls;   /* so far, of this try                     */
static unsigned fail_at; /* 0: none fails                           */
static long live;        /* what was allocated here and not freed   */

static bool fails(void)
{
	calls++;
	return calls == fail_at;
}

static void *made(void *mem)
{
	live += mem != NULL;
	return mem;
}

void *__real_malloc(size_t size);
void *__wrap_malloc(size_t size);
void *__wrap_malloc(size_t size)
{
	return fails() ? NULL : made(__real_malloc(size));
}

void *__real_calloc(size_t count, size_t size);
void *__wrap_calloc(size_t count, size_t size);
void *__wrap_calloc(size_t count, size_t size)
{
	return fails() ? NULL : made(__real_calloc(count, size));
}

void *__real_reallocarray(void *old, size_t count, size_t size);
void *__wrap_reallocarray(void *old, size_t count, size_t size);
void *__wrap_reallocarray(void *old, size_t count, size_t size)
{
	void *mem = fails() ? NULL : __real_reallocarray(old, count, size);

	live += old == NULL && mem != NULL;
	return mem;
}

char *__real_strdup(const char *text);
char *__wrap_strdup(const char *text);
char *__wrap_strdup(const char *text)
{
	return fails() ? NULL : made(__real_strdup(text));
}

int __real_vasprintf(char **ret_text, const char *format, va_list args);
int __wrap_vasprintf(char **ret_text, const char *format, va_list args);
__attribute__((format(printf, 2, 0))) int __wrap_vasprintf(char **ret_text, const char *format, va_list args)
{
	int len = fails() ? -1 : __real_vasprintf(ret_text, format, args);

	live += len >= 0;
	return len;
}

FILE *__real_fdopen(int fd, const char *mode);
FILE *__wrap_fdopen(int fd, const char *mode);
FILE *__wrap_fdopen(int fd, const char *mode)
{
	return fails() ? NULL : __real_fdopen(fd, mode);
}

void __real_free(void *mem);
void __wrap_free(void *mem);
void __wrap_free(void *mem)
{
	live -= mem != NULL;
	__real_free(mem);
}

/* A file in memory with this text; its name is valid until the next call. */
static const char *file_of(int *ret_fd, const void *text, size_t len)
{
	static char name[40];

	*ret_fd = memfd_create("text", MFD_CLOEXEC);
	assert_true(*ret_fd >= 0 && pwrite(*ret_fd, text, len, 0) == (ssize_t)len);
	snprintf(name, sizeof(name), "/proc/self/fd/%d", *ret_fd);
	return name;
}

/* Calls one with the first allocation failing, the second, ... until none is left to fail. */
static void try_each(int (*one)(void))
{
	int res;

	for (fail_at = 1;; fail_at++) {
		long before = live;

		calls = 0;
		res = one();
		assert_true(live == before);
		if (calls < fail_at) {
			break;
		}
		assert_int_equal(res, -ENOMEM);
	}
	assert_int_equal(res, 0);
	assert_true(fail_at > 1);
	fail_at = 0;
}

/* ---- what may run out of it */

static int parse_args(void)
{
	static char words[][40] = { "zcopy", "-R", "--exclude=*.o", "--include=/a/**/[b-d]?", "a", "--jobs",
		                    "3",     "b" };
	char from_file[60];
	char message[256] = "";
	char *argv[10];
	struct zc_args args;
	int fd;
	int res;

	snprintf(from_file, sizeof(from_file), "--exclude-from=%s", file_of(&fd, "x\n+ y*\n", 7));
	for (size_t i = 0; i < 8; i++) {
		argv[i] = words[i];
	}
	argv[8] = from_file;
	argv[9] = NULL;
	res = zc_args_parse(&args, 9, argv, message, sizeof(message));
	close(fd);
	if (res == 0) {
		zc_args_close(&args);
		return 0;
	}
	assert_int_equal(res, -EINVAL);
	assert_non_null(strstr(message, "memory"));
	return -ENOMEM;
}

static int add_rules(void)
{
	const char *why = NULL;
	struct zc_filter *filter;
	int res = zc_filter_new(&filter);
	unsigned rules = 0;

	if (res < 0) {
		return res;
	}
	while (res == 0 && rules < 20) { /* more than there is room for at first */
		res = zc_filter_add(filter, true, rules == 0 ? "first" : "b*", &why);
		rules += res == 0;
	}
	assert_int_equal(zc_filter_excludes(filter, "dir/first", false), rules > 0);
	assert_int_equal(zc_filter_excludes(filter, "dir/bee", false), rules > 1);
	assert_true(res == 0 || strcmp(why, "out of memory") == 0);
	zc_filter_free(filter);
	return res;
}

static int open_names(void)
{
	struct zc_names *names;
	int fd;
	int res = zc_names_open(&names, file_of(&fd, "a\n", 2), false);

	if (res == 0) {
		zc_names_close(names);
	}
	close(fd);
	return res;
}

static int parse_badmap(void)
{
	static const char text[] = "# zcopy: source size=40 ino=1 mtime=1.0\n"
				   "# zcopy: destination size=40 ino=2 mtime=1.0\n0 +\n"
				   "0 10 +\n10 10 -\n20 10 *\n30 10 ?\n";
	struct badmap map = { .count = 9 };
	const char *why;
	unsigned line;
	int res = badmap_parse(&map, text, sizeof(text) - 1, &why, &line);

	assert_int_equal(map.count, res == 0 ? 3 : 9);
	if (res == 0) {
		badmap_clear(&map);
	}
	return res;
}

static int read_journal(void)
{
	struct journal journal = { .dir_fd = -1 };
	struct journal_head head = { .word = { [JOURNAL_SRC_SIZE] = 100 } };
	struct journal_found found;
	int res;

	file_of(&journal.fd, "", 0);
	assert_int_equal(journal_begin(&journal, &head), 0);
	assert_int_equal(journal_add(&journal, 50), 0);
	res = journal_read(&journal, &found);
	assert_true(res < 0 || found.durable_bytes == 50);
	journal_close(&journal);
	return res;
}

/* Words may be lost for want of memory, a status never; that they were is known. */
static int fail_items(void)
{
	const struct zc_err err = { .code = -EIO, .op = "read", .off_bytes = ZC_OFF_NONE };
	struct zc_report report = { .status = 0 };
	struct zc_report all = { .status = 0 };
	bool lost;

	for (unsigned i = 0; i < 3; i++) {
		(void)report_fail(&report, 0, "name", &err, "cannot be read", NULL);
	}
	report_merge(&all, &report);
	assert_true(all.status == 1 && all.items.failed == 3);
	lost = all.msg_count < 3;
	assert_true(all.words_lost == lost);
	lost |= all.error_count < 3;
	for (unsigned i = 0; i < all.error_count; i++) {
		lost |= all.errors[i].path == NULL;
	}
	report_fini(&report);
	report_fini(&all);
	return lost ? -ENOMEM : 0;
}

static void each(void **state)
{
	int (*const all[])(
	    void) = { parse_args, add_rules, open_names, parse_badmap, read_journal, fail_items };

	(void)state;
	for (size_t i = 0; i < ZC_ARRAY_LEN(all); i++) {
		try_each(all[i]);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(each) };

	return cmocka_run_group_tests_name("cli/no-memory", tests, NULL, NULL);
}
