/*
 * The fault decorator around both engines, told what to do through the environment as in test programs.
 */
#include "fault.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

#include "zcopy/base.h"

enum {
	COUNT = 4,
};

static struct zc_engine *open_with(const char *plan, enum zc_engine_kind kind, unsigned thread_count)
{
	struct zc_engine_cfg cfg = {
		.kind = kind, .depth = COUNT, .thread_count = thread_count, .node = ZC_NODE_ANY
	};
	struct zc_engine *engine;

	setenv("ZC_FAULT", plan, 1);
	assert_int_equal(zc_engine_open(&engine, &cfg), 0);
	unsetenv("ZC_FAULT");
	return engine;
}

/* Writes four bytes to four places of a file; errs says with what result. */
static void write_four(struct zc_engine *engine, const int errs[COUNT])
{
	char path[] = "/tmp/zc-engine-XXXXXX";
	int file = mkstemp(path);
	uint8_t mem[COUNT] = { 'a', 'b', 'c', 'd' };
	struct zc_req reqs[COUNT];
	struct zc_req *batch[COUNT];
	uint8_t seen;

	unlink(path);
	for (unsigned i = 0; i < COUNT; i++) {
		reqs[i] = (struct zc_req){
			.op = ZC_OP_WRITE, .fd = file, .len_bytes = 1, .off_bytes = i, .mem = &mem[i]
		};
		batch[i] = &reqs[i];
	}
	zc_engine_submit(engine, batch, COUNT);
	assert_int_equal(zc_engine_reap(engine, batch, COUNT, COUNT), COUNT);
	for (unsigned i = 0; i < COUNT; i++) {
		assert_int_equal(reqs[i].err, errs[i]);
		assert_int_equal(reqs[i].done_bytes, errs[i] ? 0 : 1);
		if (errs[i] == 0) {
			assert_int_equal(pread(file, &seen, 1, i), 1);
			assert_int_equal(seen, mem[i]);
		} else if (pread(file, &seen, 1, i) == 1) {
			assert_int_equal(seen, 0); /* what failed did not happen */
		}
	}
	close(file);
	zc_engine_close(engine);
}

static void once(void **state)
{
	(void)state;
	for (unsigned threads = 0; threads < 3; threads++) {
		write_four(open_with("engine-write:2:ENOSPC", ZC_ENGINE_SYNC, threads),
		           (int[]){ 0, -ENOSPC, 0, 0 });
		write_four(open_with("engine-write:4:EIO", ZC_ENGINE_AUTO, threads),
		           (int[]){ 0, 0, 0, -EIO });
	}
}

static void for_ever(void **state)
{
	(void)state;
	write_four(open_with("engine-write:3+:EDQUOT", ZC_ENGINE_AUTO, 2), (int[]){ 0, 0, -EDQUOT, -EDQUOT });
	write_four(open_with("engine-write:1+:EDQUOT", ZC_ENGINE_SYNC, 2),
	           (int[]){ -EDQUOT, -EDQUOT, -EDQUOT, -EDQUOT });
}

static void several(void **state)
{
	(void)state;
	write_four(open_with("other:1:EIO,engine-write:1:EIO,engine-read:1:EIO,engine-write:2:ENOMEM",
	                     ZC_ENGINE_AUTO, 2),
	           (int[]){ -EIO, -ENOMEM, 0, 0 });
}

static void late(void **state)
{
	uint64_t begin = zc_now_ns();

	(void)state;
	write_four(open_with("engine-write:2:delay=60", ZC_ENGINE_AUTO, 2), (int[]){ 0, 0, 0, 0 });
	assert_true(zc_now_ns() - begin >= 60000000);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(once),
		cmocka_unit_test(for_ever),
		cmocka_unit_test(several),
		cmocka_unit_test(late),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
