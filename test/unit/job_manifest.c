/*
 * The list of what was copied: writes that move nothing, and what it replaces is there until it is durable.
 */
#include "manifest.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

ssize_t __real_write(int fd, const void *mem, size_t len);
ssize_t __wrap_write(int fd, const void *mem, size_t len);
int __wrap_fdatasync(int fd);

static char place[] = "/tmp/zc-manifest-XXXXXX";
static bool writes_nothing;
static int sync_errno;
static unsigned syncs;

ssize_t __wrap_write(int fd, const void *mem, size_t len)
{
	return writes_nothing ? 0 : __real_write(fd, mem, len);
}

int __wrap_fdatasync(int fd)
{
	(void)fd;
	syncs++;
	errno = sync_errno;
	return sync_errno == 0 ? 0 : -1;
}

static int publish_list(const char **ret_op)
{
	struct manifest *manifest;
	int code;

	assert_int_equal(manifest_new(&manifest, "list", 022, ret_op), 0);
	manifest_add(manifest, "abcd", "name");
	code = manifest_publish(manifest, ret_op);
	manifest_free(manifest);
	return code;
}

static void expect_list(const char *want)
{
	char text[64] = "";
	FILE *file = fopen("list", "r");

	assert_non_null(file);
	assert_true(fread(text, 1, sizeof(text) - 1, file) > 0);
	fclose(file);
	assert_string_equal(text, want);
}

static int begin(void **state)
{
	FILE *file = fopen("list", "w");

	(void)state;
	writes_nothing = false;
	sync_errno = 0;
	syncs = 0;
	return file == NULL || fputs("old\n", file) < 0 || fclose(file) != 0;
}

static void nothing_is_written(void **state)
{
	const char *op = "";

	(void)state;
	alarm(30); /* what fails here is an end */
	writes_nothing = true;
	assert_int_equal(publish_list(&op), -EIO);
	alarm(0);
	assert_string_equal(op, "write");
	expect_list("old\n");
}

static void replaced_when_durable(void **state)
{
	const char *op = "";

	(void)state;
	sync_errno = EIO;
	assert_int_equal(publish_list(&op), -EIO);
	assert_string_equal(op, "fdatasync");
	expect_list("old\n");
	sync_errno = EINVAL; /* not to be had here */
	assert_int_equal(publish_list(&op), 0);
	assert_int_equal(syncs, 2);
	expect_list("abcd  name\n");
}

static void new_without_a_flush(void **state)
{
	const char *op = "";

	(void)state;
	assert_int_equal(unlink("list"), 0);
	assert_int_equal(publish_list(&op), 0);
	assert_int_equal(syncs, 0);
	expect_list("abcd  name\n");
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(nothing_is_written, begin),
		cmocka_unit_test_setup(replaced_when_durable, begin),
		cmocka_unit_test_setup(new_without_a_flush, begin),
	};
	int failures;

	if (mkdtemp(place) == NULL || chdir(place) < 0) {
		return 1;
	}
	failures = cmocka_run_group_tests(tests, NULL, NULL);
	return unlink("list") < 0 || rmdir(place) < 0 || failures != 0;
}
