/* The first error wins; names; the list of fallbacks; the clock; a broken rule ends the program. */
#include "zcopy/base.h"

#include <errno.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

static void first_error_wins(void **state)
{
	struct zc_err err = { 0 };

	(void)state;
	assert_int_equal(zc_err_set(&err, -ENOSPC, ZC_SIDE_DST, "write", 4096), -ENOSPC);
	assert_int_equal(zc_err_set(&err, -EIO, ZC_SIDE_SRC, "read", 0), -EIO);
	assert_int_equal(err.code, -ENOSPC);
	assert_int_equal(err.side, ZC_SIDE_DST);
	assert_string_equal(err.op, "write");
	assert_int_equal(err.off_bytes, 4096);
}

static void names(void **state)
{
	(void)state;
	assert_string_equal(zc_errno_name(ENOSPC), "ENOSPC");
	assert_string_equal(zc_errno_name(-ENOSPC), "ENOSPC");
	assert_string_equal(zc_errno_name(-EPERM), "EPERM");
	assert_string_equal(zc_errno_name(EHWPOISON), "EHWPOISON");
	assert_string_equal(zc_errno_name(-524), "ENOTSUPP");
	assert_string_equal(zc_errno_name(0), "errno ?");
	assert_string_equal(zc_errno_name(41), "errno ?");
	assert_string_equal(zc_errno_name(525), "errno ?");
	assert_string_equal(zc_errno_name(INT32_MIN), "errno ?");
	assert_string_equal(zc_errno_name(INT32_MAX), "errno ?");
	assert_string_equal(zc_side_name(ZC_SIDE_NONE), "");
	assert_string_equal(zc_side_name(ZC_SIDE_SRC), "src");
	assert_string_equal(zc_side_name(ZC_SIDE_DST), "dst");
	assert_string_equal(zc_side_name(ZC_SIDE_ENGINE), "engine");
}

/* Every errno that the C library has words for has a name here. */
static void every_errno_has_a_name(void **state)
{
	(void)state;
	for (int code = 1; code < 200; code++) {
		if (strncmp(strerror(code), "Unknown error", 13) != 0) {
			assert_int_equal(zc_errno_name(code)[0], 'E');
		}
	}
}

static void fallbacks_count_and_stop_when_full(void **state)
{
	static const char *const ops[] = {
		"a", "b", "c", "d", "e", "f", "g", "h", "i", "j", "k", "l", "m",
		"n", "o", "p", "q", "r", "s", "t", "u", "v", "w", "x", "y", "z",
	};
	struct zc_fallbacks log = { 0 };

	(void)state;
	zc_fallback_add(&log, "uring", "sync", "io_uring_setup", -EPERM);
	zc_fallback_add(&log, "uring", "sync", "io_uring_setup", -ENOSYS);
	zc_fallback_add(&log, "uring", "sync", "io_uring_setup", -EPERM);
	assert_int_equal(log.count, 2);
	assert_int_equal(log.list[0].count, 2);
	assert_int_equal(log.list[0].code, -EPERM);
	assert_int_equal(log.list[1].count, 1);
	for (size_t i = 0; i < ZC_ARRAY_LEN(ops); i++) {
		zc_fallback_add(&log, "x", "y", ops[i], -EINVAL);
	}
	assert_int_equal(log.count, ZC_ARRAY_LEN(log.list));
	assert_string_equal(log.list[ZC_ARRAY_LEN(log.list) - 1].op, "v");
}

static void clock_moves_forward(void **state)
{
	uint64_t start = zc_now_ns();

	(void)state;
	usleep(2000);
	assert_true(zc_now_ns() - start >= 2000000);
	assert_true(zc_now_ns() - start < 60000000000ull);
}

static void stop_flag(void **state)
{
	(void)state;
	assert_false(zc_stopped());
	zc_stop_signal = 15;
	assert_true(zc_stopped());
	zc_stop_signal = 0;
}

static void broken_rule_aborts(void **state)
{
	int status;
	pid_t child = fork();

	(void)state;
	assert_true(child >= 0);
	if (child == 0) {
		close(STDERR_FILENO);
		signal(SIGABRT, SIG_DFL); /* cmocka's and the sanitizers' handlers are the parent's */
		zc_verify(child != 0);
		_exit(0);
	}
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_true(WIFSIGNALED(status));
	assert_int_equal(WTERMSIG(status), SIGABRT);
}

static void alignment(void **state)
{
	(void)state;
	assert_int_equal(zc_align_down(4097, 4096), 4096);
	assert_int_equal(zc_align_up(4097, 4096), 8192);
	assert_int_equal(zc_align_up(0, 4096), 0);
	assert_int_equal(zc_align_up(8192, 4096), 8192);
	assert_int_equal(zc_min_u64(1, UINT64_MAX), 1);
	assert_int_equal(zc_max_u64(1, 2), 2);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(first_error_wins),
		cmocka_unit_test(names),
		cmocka_unit_test(every_errno_has_a_name),
		cmocka_unit_test(fallbacks_count_and_stop_when_full),
		cmocka_unit_test(clock_moves_forward),
		cmocka_unit_test(stop_flag),
		cmocka_unit_test(broken_rule_aborts),
		cmocka_unit_test(alignment),
	};

	return cmocka_run_group_tests_name("base/err", tests, NULL, NULL);
}
