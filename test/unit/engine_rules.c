/*
 * The rules by which a request advances, as a table, and the plain system calls that follow them.
 */
#include "req.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
#include <sys/types.h>

#include <cmocka.h>

#include "zcopy/base.h"

enum {
	TIRED_AFTER = 9,
};

static const struct {
	const char *what;
	enum zc_op op;
	unsigned flags;
	bool stream;
	bool stopped;
	uint32_t done_bytes; /* before */
	int64_t result;
	enum zc_step step;
	int err;
	uint32_t done_after;
} rules[] = {
	{ "all of it", ZC_OP_READ, 0, 0, 0, 0, 100, ZC_STEP_DONE, 0, 100 },
	{ "a short read", ZC_OP_READ, 0, 0, 0, 0, 40, ZC_STEP_DONE, 0, 40 },
	{ "a short read, all wanted", ZC_OP_READ, ZC_REQ_FULL, 0, 0, 0, 40, ZC_STEP_AGAIN, 0, 40 },
	{ "its rest", ZC_OP_READ, ZC_REQ_FULL, 0, 0, 40, 60, ZC_STEP_DONE, 0, 100 },
	{ "end of file", ZC_OP_READ, ZC_REQ_FULL, 0, 0, 40, 0, ZC_STEP_DONE, 0, 40 },
	{ "end of file at once", ZC_OP_READ, 0, 1, 0, 0, 0, ZC_STEP_DONE, 0, 0 },
	{ "a short write", ZC_OP_WRITE, 0, 0, 0, 0, 1, ZC_STEP_AGAIN, 0, 1 },
	{ "a write of nothing", ZC_OP_WRITE, 0, 0, 0, 1, 0, ZC_STEP_DONE, -EIO, 1 },
	{ "an error after some", ZC_OP_WRITE, 0, 0, 0, 50, -ENOSPC, ZC_STEP_DONE, -ENOSPC, 50 },
	{ "a signal", ZC_OP_READ, 0, 0, 0, 10, -EINTR, ZC_STEP_AGAIN, 0, 10 },
	{ "a signal to stop", ZC_OP_READ, 0, 1, 1, 10, -EINTR, ZC_STEP_DONE, -ECANCELED, 10 },
	{ "stopped half way", ZC_OP_WRITE, 0, 0, 1, 10, 20, ZC_STEP_DONE, -ECANCELED, 30 },
	{ "stopped at the end", ZC_OP_WRITE, 0, 0, 1, 10, 90, ZC_STEP_DONE, 0, 100 },
	{ "an error while stopped", ZC_OP_WRITE, 0, 0, 1, 0, -EIO, ZC_STEP_DONE, -EIO, 0 },
	{ "a pipe not ready", ZC_OP_READ, 0, 1, 0, 0, -EAGAIN, ZC_STEP_POLL, 0, 0 },
	{ "a file not ready", ZC_OP_READ, 0, 0, 0, 0, -EAGAIN, ZC_STEP_BACKOFF, 0, 0 },
	{ "no memory, file", ZC_OP_WRITE, 0, 0, 0, 0, -ENOMEM, ZC_STEP_BACKOFF, 0, 0 },
	{ "no memory, pipe", ZC_OP_WRITE, 0, 1, 0, 0, -ENOMEM, ZC_STEP_BACKOFF, 0, 0 },
	{ "nothing to do", ZC_OP_NOP, 0, 0, 0, 0, 0, ZC_STEP_DONE, 0, 0 },
};

static struct zc_req make_req(enum zc_op op, bool stream)
{
	static uint8_t mem[100];

	return (struct zc_req){
		.op = op, .len_bytes = sizeof(mem), .off_bytes = stream ? ZC_OFF_STREAM : 0, .mem = mem
	};
}

static void table(void **state)
{
	(void)state;
	for (unsigned i = 0; i < ZC_ARRAY_LEN(rules); i++) {
		struct zc_req req = make_req(rules[i].op, rules[i].stream);
		enum zc_step step;

		req.flags = rules[i].flags;
		req.done_bytes = rules[i].done_bytes;
		zc_stop_signal = rules[i].stopped;
		step = zc_req_step(&req, rules[i].result);
		zc_stop_signal = 0;
		if (step != rules[i].step || req.err != rules[i].err ||
		    req.done_bytes != rules[i].done_after) {
			fail_msg("%s: step %d, err %d, done %u", rules[i].what, step, req.err,
			         req.done_bytes);
		}
	}
}

static void tired(void **state)
{
	struct zc_req req = make_req(ZC_OP_READ, false);

	(void)state;
	for (unsigned i = 1; i < TIRED_AFTER; i++) {
		assert_int_equal(zc_req_step(&req, -EAGAIN), ZC_STEP_BACKOFF);
	}
	assert_int_equal(zc_req_step(&req, -EAGAIN), ZC_STEP_TIRED);
	assert_int_equal(req.err, -EAGAIN);
}

/* Progress starts the count anew. */
static void not_tired(void **state)
{
	struct zc_req req = make_req(ZC_OP_WRITE, false);

	(void)state;
	for (unsigned i = 0; i < 3 * TIRED_AFTER; i++) {
		assert_int_equal(zc_req_step(&req, -ENOMEM), ZC_STEP_BACKOFF);
		assert_int_equal(zc_req_step(&req, 1), ZC_STEP_AGAIN);
	}
}

/* A pipe that says "ready" and refuses is asked less and less often, for as long as it takes. */
static void unready_pipe(void **state)
{
	struct zc_req req = make_req(ZC_OP_WRITE, true);

	(void)state;
	for (unsigned i = 0; i < 100; i++) {
		assert_int_equal(zc_req_step(&req, -EAGAIN), i % 2 == 0 ? ZC_STEP_POLL : ZC_STEP_BACKOFF);
	}
}

/* ---- the system calls, wrapped: a script of results */

static ssize_t script[16];
static unsigned script_at;
static off_t last_off;
static size_t last_len;

ssize_t __wrap_pwrite(int fd, const void *mem, size_t len, off_t off);
ssize_t __wrap_pread(int fd, void *mem, size_t len, off_t off);
/* What glibc calls them for 64 bit offsets. */
ssize_t __wrap_pwrite64(int fd, const void *mem, size_t len, off_t off)
    __attribute__((alias("__wrap_pwrite")));
ssize_t __wrap_pread64(int fd, void *mem, size_t len, off_t off) __attribute__((alias("__wrap_pread")));

static ssize_t play(size_t len, off_t off)
{
	ssize_t result = script[script_at++];

	last_len = len;
	last_off = off;
	if (result < 0) {
		errno = (int)-result;
		return -1;
	}
	return result;
}

ssize_t __wrap_pwrite(int fd, const void *mem, size_t len, off_t off)
{
	(void)fd;
	(void)mem;
	return play(len, off);
}

ssize_t __wrap_pread(int fd, void *mem, size_t len, off_t off)
{
	(void)fd;
	(void)mem;
	return play(len, off);
}

static void performed(void **state)
{
	static const ssize_t results[] = { 1, -EINTR, 30, -EAGAIN, 50, -ENOMEM, 19 };
	struct zc_req req = make_req(ZC_OP_WRITE, false);

	(void)state;
	memcpy(script, results, sizeof(results));
	script_at = 0;
	req.off_bytes = 1000;
	zc_req_perform(&req);
	assert_int_equal(req.err, 0);
	assert_int_equal(req.done_bytes, 100);
	assert_int_equal(script_at, ZC_ARRAY_LEN(results));
	assert_int_equal(last_off, 1081);
	assert_int_equal(last_len, 19);
}

static void given_up(void **state)
{
	struct zc_req req = make_req(ZC_OP_READ, false);

	(void)state;
	for (unsigned i = 0; i < ZC_ARRAY_LEN(script); i++) {
		script[i] = -EAGAIN;
	}
	script_at = 0;
	zc_req_perform(&req);
	assert_int_equal(req.err, -EAGAIN);
	assert_int_equal(script_at, TIRED_AFTER);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(table),        cmocka_unit_test(tired),     cmocka_unit_test(not_tired),
		cmocka_unit_test(unready_pipe), cmocka_unit_test(performed), cmocka_unit_test(given_up),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
