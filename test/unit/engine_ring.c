/*
 * The ring engine under true faults at its lower edge: short results, refusals, and a ring that lies.
 * What must hold each time: the bytes are right or the request says that they are not, and no buffer
 * is used again that the kernel may still write to.
 */
#include "zcopy/engine.h"

#include <errno.h>
#include <fcntl.h>
#include <liburing.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "ring_fault.h"
#include "zcopy/base.h"
#include "zcopy/mem.h"

enum {
	DEPTH = 8,
	BUF_BYTES = 16 * 1024,
};

static struct zc_engine *engine;
static struct zc_pool *pool;
static struct zc_fallbacks fallbacks;
static int file;
static unsigned lost; /* by the test: what the pool must miss */

static int open_ring(void)
{
	/* One more than is used: the submission queue has room for a doubled request. */
	struct zc_engine_cfg cfg = { .kind = ZC_ENGINE_URING,
		                     .depth = DEPTH + 1,
		                     .pool = pool,
		                     .node = ZC_NODE_ANY,
		                     .fallbacks = &fallbacks };

	return zc_engine_open(&engine, &cfg);
}

static int set_up(void **state)
{
	struct zc_pool_cfg cfg = {
		.buf_bytes = BUF_BYTES, .buf_count = DEPTH, .huge = ZC_HUGE_NEVER, .node = ZC_NODE_ANY
	};
	char path[] = "/tmp/zc-engine-XXXXXX";

	(void)state;
	memset(&fallbacks, 0, sizeof(fallbacks));
	lost = 0;
	assert_int_equal(zc_pool_create(&pool, &cfg, NULL), 0);
	assert_int_equal(open_ring(), 0);
	file = mkstemp(path);
	unlink(path);
	return file < 0;
}

static int tear_down(void **state)
{
	(void)state;
	ring_fault_set(NULL);
	zc_engine_close(engine);
	assert_int_equal(zc_pool_destroy(pool), lost);
	close(file);
	return 0;
}

static void submit_all(struct zc_req *reqs, enum zc_op op)
{
	struct zc_req *batch[DEPTH];

	for (unsigned i = 0; i < DEPTH; i++) {
		struct zc_buf *buf = reqs[i].buf ? reqs[i].buf : zc_pool_take(pool);

		reqs[i] = (struct zc_req){ .op = op,
			                   .flags = ZC_REQ_FULL,
			                   .fd = file,
			                   .len_bytes = BUF_BYTES,
			                   .off_bytes = (uint64_t)i * BUF_BYTES,
			                   .mem = buf->mem,
			                   .buf = buf };
		if (op == ZC_OP_WRITE) {
			memset(buf->mem, (int)i + 1, BUF_BYTES);
			buf->mem[i] = 0;
		} else {
			memset(buf->mem, 0xee, BUF_BYTES);
		}
		batch[i] = &reqs[i];
	}
	zc_engine_submit(engine, batch, DEPTH);
}

static void reap_all(void)
{
	struct zc_req *done[DEPTH];

	assert_int_equal(zc_engine_reap(engine, done, DEPTH, DEPTH), DEPTH);
	assert_int_equal(zc_engine_in_flight(engine), 0);
}

static void give_all(struct zc_req *reqs)
{
	for (unsigned i = 0; i < DEPTH; i++) {
		if (reqs[i].buf->state == ZC_BUF_TAKEN) {
			zc_pool_give(pool, reqs[i].buf);
		}
	}
}

static void assert_bytes(const uint8_t *mem, unsigned i)
{
	for (unsigned at = 0; at < BUF_BYTES; at++) {
		assert_int_equal(mem[at], at == i ? 0 : i + 1);
	}
}

static void assert_on_disk(unsigned i)
{
	static uint8_t mem[BUF_BYTES];

	assert_int_equal(pread(file, mem, sizeof(mem), (off_t)i * BUF_BYTES), sizeof(mem));
	assert_bytes(mem, i);
}

static void assert_ok(const struct zc_req *req)
{
	assert_int_equal(req->err, 0);
	assert_int_equal(req->done_bytes, BUF_BYTES);
	assert_int_equal(req->buf->state, ZC_BUF_TAKEN);
}

/* Writes eight blocks and reads them back, with the plan in force for its kind; all must be well. */
static void copy_survives(struct ring_fault_plan plan)
{
	struct zc_req reqs[DEPTH] = { 0 };

	ring_fault_set(&plan);
	submit_all(reqs, ZC_OP_WRITE);
	reap_all();
	for (unsigned i = 0; i < DEPTH; i++) {
		assert_ok(&reqs[i]);
		assert_on_disk(i);
	}
	submit_all(reqs, ZC_OP_READ);
	reap_all();
	for (unsigned i = 0; i < DEPTH; i++) {
		assert_ok(&reqs[i]);
		assert_bytes(reqs[i].mem, i);
	}
	give_all(reqs);
	assert_true(plan.hits > 0);
	ring_fault_set(NULL);
}

static void short_results(void **state)
{
	static const int lengths[] = { 1, 511, 512, 4097, BUF_BYTES - 1 };

	(void)state;
	for (unsigned i = 0; i < 2 * ZC_ARRAY_LEN(lengths); i++) {
		copy_survives((struct ring_fault_plan){ .fault = RING_FAULT_SHORT,
		                                        .is_write = i % 2,
		                                        .at = 1,
		                                        .times = DEPTH + 3,
		                                        .value = lengths[i / 2] });
	}
	assert_int_equal(fallbacks.count, 0);
}

static void retried(void **state)
{
	static const int codes[] = { -EINTR, -EAGAIN, -ENOMEM };

	(void)state;
	for (unsigned i = 0; i < 2 * ZC_ARRAY_LEN(codes); i++) {
		copy_survives((struct ring_fault_plan){ .fault = RING_FAULT_ERRNO,
		                                        .is_write = i % 2,
		                                        .at = 3,
		                                        .times = 5,
		                                        .value = codes[i / 2] });
	}
	assert_int_equal(fallbacks.count, 0);
}

/* Refused for good: plain system calls do it, and it is said. */
static void refused_for_good(void **state)
{
	(void)state;
	for (unsigned is_write = 0; is_write < 2; is_write++) {
		memset(&fallbacks, 0, sizeof(fallbacks));
		copy_survives((struct ring_fault_plan){ .fault = RING_FAULT_ERRNO,
		                                        .is_write = (uint8_t)is_write,
		                                        .at = 1,
		                                        .times = 1000,
		                                        .value = -EAGAIN });
		assert_true(fallbacks.count > 0);
		assert_string_equal(fallbacks.list[0].to, "sync");
		assert_string_equal(fallbacks.list[0].op, is_write ? "write" : "read");
		assert_int_equal(fallbacks.list[0].code, -EAGAIN);
	}
}

static void one_error(void **state)
{
	static const int codes[] = { -EIO, -ENOSPC, -EDQUOT, -EFBIG, -EINVAL, -EOPNOTSUPP, -EFAULT, -ESTALE };
	struct zc_req reqs[DEPTH] = { 0 };

	(void)state;
	for (unsigned i = 0; i < ZC_ARRAY_LEN(codes); i++) {
		struct ring_fault_plan plan = {
			.fault = RING_FAULT_ERRNO, .is_write = 1, .at = 4, .times = 1, .value = codes[i]
		};

		assert_int_equal(ftruncate(file, 0), 0);
		ring_fault_set(&plan);
		submit_all(reqs, ZC_OP_WRITE);
		reap_all();
		for (unsigned k = 0; k < DEPTH; k++) {
			if (k == 3) {
				assert_int_equal(reqs[k].err, codes[i]);
				assert_int_equal(reqs[k].done_bytes, 0);
			} else {
				assert_ok(&reqs[k]);
				assert_on_disk(k);
			}
		}
	}
	give_all(reqs);
}

/* Half a block, then the error: what was written is counted. */
static void error_after_some(void **state)
{
	struct ring_fault_plan plan = {
		.fault = RING_FAULT_SHORT, .is_write = 1, .at = 1, .times = 1, .value = 99
	};
	struct zc_buf *buf = zc_pool_take(pool);
	struct zc_req req = {
		.op = ZC_OP_WRITE, .fd = file, .len_bytes = BUF_BYTES, .mem = buf->mem, .buf = buf
	};
	struct zc_req *batch[] = { &req };

	(void)state;
	ring_fault_set(&plan);
	zc_engine_submit(engine, batch, 1);
	plan = (struct ring_fault_plan){
		.fault = RING_FAULT_ERRNO, .is_write = 1, .at = 2, .times = 1, .value = -ENOSPC
	};
	assert_int_equal(zc_engine_reap(engine, batch, 1, 1), 1);
	assert_int_equal(req.err, -ENOSPC);
	assert_int_equal(req.done_bytes, 99);
	zc_pool_give(pool, buf);
}

/* The kernel accepts nothing and reports no error: that must not go on for ever. */
static void write_of_nothing(void **state)
{
	struct zc_req reqs[DEPTH] = { 0 };
	struct ring_fault_plan plan = { .fault = RING_FAULT_SHORT, .is_write = 1, .at = 1, .times = DEPTH };

	(void)state;
	ring_fault_set(&plan);
	submit_all(reqs, ZC_OP_WRITE);
	reap_all();
	for (unsigned i = 0; i < DEPTH; i++) {
		assert_int_equal(reqs[i].err, -EIO);
		assert_int_equal(reqs[i].done_bytes, 0);
	}
	give_all(reqs);
}

/* Older kernels: the next rung of the ladder, and the same bytes. */
static void ladder(void **state)
{
	static const struct {
		unsigned refused;
		const char *setup;
	} rungs[] = {
		{ IORING_SETUP_DEFER_TASKRUN, "coop_taskrun" },
		{ IORING_SETUP_TASKRUN_FLAG, "plain" },
	};
	struct zc_engine_facts facts;

	(void)state;
	for (unsigned i = 0; i < ZC_ARRAY_LEN(rungs); i++) {
		zc_engine_close(engine);
		ring_fault_refuse(rungs[i].refused);
		assert_int_equal(open_ring(), 0);
		ring_fault_refuse(0);
		zc_engine_facts(engine, &facts);
		assert_string_equal(facts.setup, rungs[i].setup);
		copy_survives((struct ring_fault_plan){
		    .fault = RING_FAULT_SHORT, .is_write = 1, .at = 1, .times = 2, .value = 700 });
	}
	zc_engine_close(engine);
	ring_fault_refuse(IORING_SETUP_CLAMP); /* every rung has it */
	assert_int_equal(open_ring(), -EINVAL);
	ring_fault_refuse(0);
	assert_int_equal(open_ring(), 0);
}

/* ---- a ring that lies */

static void assert_new_ring(void)
{
	struct zc_engine_facts facts;

	assert_int_equal(fallbacks.count, 1);
	assert_string_equal(fallbacks.list[0].to, "new ring");
	zc_engine_facts(engine, &facts);
	assert_string_equal(facts.name, "uring");
}

/* A CQE that was already used is credited to nobody. */
static void duplicate(void **state)
{
	struct zc_req *none;

	(void)state;
	copy_survives((struct ring_fault_plan){ .fault = RING_FAULT_DUPLICATE, .at = DEPTH / 2, .times = 1 });
	/* It may come last of all. */
	for (unsigned i = 0; i < 60000 && fallbacks.count == 0; i++) {
		assert_int_equal(zc_engine_reap(engine, &none, 1, 0), 0);
		usleep(1000);
	}
	assert_new_ring();
	copy_survives((struct ring_fault_plan){
	    .fault = RING_FAULT_SHORT, .is_write = 1, .at = 1, .times = 1, .value = 1 });
}

/* Its own CQE never comes: the buffer may be written to later. The seven others are not harmed. */
static void one_is_lost(struct ring_fault_plan plan)
{
	struct zc_req reqs[DEPTH] = { 0 };
	struct zc_req *done[DEPTH];
	uint64_t begin = zc_now_ns();

	submit_all(reqs, ZC_OP_WRITE);
	reap_all();
	ring_fault_set(&plan);
	submit_all(reqs, ZC_OP_READ);
	reap_all();
	assert_true(zc_now_ns() - begin < 60000000000ull);
	ring_fault_set(NULL);
	for (unsigned i = 0; i < DEPTH; i++) {
		if (i == 2) {
			assert_int_equal(reqs[i].err, -ENOTRECOVERABLE);
			assert_int_equal(reqs[i].buf->state, ZC_BUF_LOST);
		} else {
			assert_ok(&reqs[i]);
			assert_bytes(reqs[i].mem, i);
		}
	}
	assert_new_ring();
	give_all(reqs);
	lost = 1;
	/* The new ring works. */
	reqs[0].buf = zc_pool_take(pool);
	reqs[0].mem = reqs[0].buf->mem;
	done[0] = &reqs[0];
	zc_engine_submit(engine, done, 1);
	assert_int_equal(zc_engine_reap(engine, done, 1, 1), 1);
	assert_ok(&reqs[0]);
	assert_bytes(reqs[0].mem, 0);
	zc_pool_give(pool, reqs[0].buf);
}

static void stale(void **state)
{
	(void)state;
	one_is_lost((struct ring_fault_plan){ .fault = RING_FAULT_STALE, .at = 3, .times = 1 });
}

static void too_long(void **state)
{
	(void)state;
	one_is_lost((struct ring_fault_plan){ .fault = RING_FAULT_LONG, .at = 3, .times = 1 });
}

/* Requests that wait on a pipe when the ring breaks are taken out of it and wait on in the next one. */
static void waiting_moves_on(void **state)
{
	struct ring_fault_plan plan = { .fault = RING_FAULT_LONG, .is_write = 1, .at = 1, .times = 1 };
	struct zc_req reqs[2];
	struct zc_req *batch[] = { &reqs[0], &reqs[1] };
	struct zc_req *done[2];
	uint8_t mem[2] = { 0 };
	int fds[2];

	(void)state;
	assert_int_equal(pipe2(fds, O_CLOEXEC), 0);
	reqs[0] = (struct zc_req){
		.op = ZC_OP_READ, .fd = fds[0], .len_bytes = 1, .off_bytes = ZC_OFF_STREAM, .mem = &mem[0]
	};
	reqs[1] = (struct zc_req){ .op = ZC_OP_WRITE, .fd = file, .len_bytes = 1, .mem = &mem[1] };
	ring_fault_set(&plan);
	zc_engine_submit(engine, batch, 2);
	assert_int_equal(zc_engine_reap(engine, done, 2, 1), 1);
	assert_ptr_equal(done[0], &reqs[1]);
	assert_int_equal(reqs[1].err, -ENOTRECOVERABLE);
	assert_new_ring();
	assert_int_equal(write(fds[1], "x", 1), 1);
	assert_int_equal(zc_engine_reap(engine, done, 2, 1), 1);
	assert_int_equal(reqs[0].err, 0);
	assert_int_equal(mem[0], 'x');
	close(fds[0]);
	close(fds[1]);
}

/* A ring that always lies is given up; everything then answers at once. */
static void lies_for_ever(void **state)
{
	struct ring_fault_plan plan = { .fault = RING_FAULT_LONG, .is_write = 1, .at = 1, .times = 1000 };
	uint8_t byte = 0;
	struct zc_req req = { .op = ZC_OP_WRITE, .fd = file, .len_bytes = 1, .mem = &byte };
	struct zc_req *batch[] = { &req };

	(void)state;
	ring_fault_set(&plan);
	for (unsigned i = 0; i < 20; i++) {
		zc_engine_submit(engine, batch, 1);
		assert_int_equal(zc_engine_reap(engine, batch, 1, 1), 1);
		assert_int_equal(req.err, -ENOTRECOVERABLE);
	}
	assert_true(plan.hits < 20);
	assert_string_equal(fallbacks.list[fallbacks.count - 1].to, "nothing");
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(short_results, set_up, tear_down),
		cmocka_unit_test_setup_teardown(retried, set_up, tear_down),
		cmocka_unit_test_setup_teardown(refused_for_good, set_up, tear_down),
		cmocka_unit_test_setup_teardown(one_error, set_up, tear_down),
		cmocka_unit_test_setup_teardown(error_after_some, set_up, tear_down),
		cmocka_unit_test_setup_teardown(write_of_nothing, set_up, tear_down),
		cmocka_unit_test_setup_teardown(ladder, set_up, tear_down),
		cmocka_unit_test_setup_teardown(duplicate, set_up, tear_down),
		cmocka_unit_test_setup_teardown(stale, set_up, tear_down),
		cmocka_unit_test_setup_teardown(too_long, set_up, tear_down),
		cmocka_unit_test_setup_teardown(waiting_moves_on, set_up, tear_down),
		cmocka_unit_test_setup_teardown(lies_for_ever, set_up, tear_down),
	};
	int code = open_ring();

	if (code < 0) {
		printf("no io_uring: %s\n", zc_errno_name(code));
		return 77;
	}
	zc_engine_close(engine);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
