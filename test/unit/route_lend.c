/*
 * A sink that lends its own buffers: the source reads straight into its memory, the kit's pool is not
 * even there, and no byte of payload is copied in user space: the C library's copies are wrapped at link
 * time and counted.
 */
#include "zcopy/route.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#include "route_lab.h"

enum {
	DEPTH = 4,
	BLOCK = 32 * 1024,
	LARGE = 4096, /* a copy of at least this is payload; smaller ones are structs */
};

/* The linker sends every call here, and ours on to the real one. */
void *__wrap_memcpy(void *to, const void *from, size_t len);
void *__real_memcpy(void *to, const void *from, size_t len);
void *__wrap_memmove(void *to, const void *from, size_t len);
void *__real_memmove(void *to, const void *from, size_t len);
void *__wrap_mempcpy(void *to, const void *from, size_t len);
/* what a fortified build calls */
void *__wrap___memcpy_chk(void *to, const void *from, size_t len, size_t room);
void *__wrap___memmove_chk(void *to, const void *from, size_t len, size_t room);

static _Atomic unsigned copies;

void *__wrap_memcpy(void *to, const void *from, size_t len)
{
	copies += len >= LARGE;
	return __real_memcpy(to, from, len);
}

void *__wrap_memmove(void *to, const void *from, size_t len)
{
	copies += len >= LARGE;
	return __real_memmove(to, from, len);
}

void *__wrap_mempcpy(void *to, const void *from, size_t len)
{
	copies += len >= LARGE;
	return (uint8_t *)__real_memcpy(to, from, len) + len;
}

void *__wrap___memcpy_chk(void *to, const void *from, size_t len, size_t room)
{
	assert_true(len <= room);
	return __wrap_memcpy(to, from, len);
}

void *__wrap___memmove_chk(void *to, const void *from, size_t len, size_t room)
{
	assert_true(len <= room);
	return __wrap_memmove(to, from, len);
}

/* What the sink saw. */
static struct {
	struct zc_end *end;
	uint64_t seed;
	uint64_t got_bytes;
	unsigned foreign; /* requests whose memory is not its own */
	unsigned wrong;
} seen;

static bool is_lent(const struct zc_req *req)
{
	const struct zc_region *region = zc_pool_region(seen.end->lent);
	const uint8_t *first = region->mem;

	return req->mem == first + (size_t)req->buf->index * BLOCK && req->len_bytes <= BLOCK;
}

/* Looks at the bytes where they lie: this is all that a lending sink has to do. */
static bool lender_prep(struct zc_end *end, struct zc_req *req)
{
	(void)end;
	seen.foreign += !is_lent(req);
	seen.wrong += !lab_same(req->mem, req->len_bytes, seen.seed, req->off_bytes);
	seen.got_bytes += req->len_bytes;
	req->done_bytes = req->len_bytes;
	req->err = 0;
	return true;
}

/* The same, and on to a file by the engine. */
static bool lender_file_prep(struct zc_end *end, struct zc_req *req)
{
	lender_prep(end, req);
	return zc_end_file.prep(end, req);
}

static const struct zc_end_ops lender_ops = { .scheme = "lender:", .prep = lender_prep };
static const struct zc_end_ops lender_file_ops = { .scheme = "lender:", .prep = lender_file_prep };

static struct zc_pool *make_pool(void)
{
	struct zc_pool_cfg cfg = {
		.buf_bytes = BLOCK, .buf_count = DEPTH, .huge = ZC_HUGE_NEVER, .node = ZC_NODE_ANY
	};
	struct zc_pool *pool;

	assert_int_equal(zc_pool_create(&pool, &cfg, NULL), 0);
	return pool;
}

/* Engine and trips, no pool of the kit's own. */
static int open_lab(struct lab *lab, enum zc_engine_kind kind, unsigned threads, struct zc_pool *lent)
{
	struct zc_engine_cfg cfg = {
		.kind = kind, .depth = DEPTH, .thread_count = threads, .pool = lent, .node = ZC_NODE_ANY
	};
	int res;

	lab_open(lab, kind, 0, 0, 0);
	res = zc_engine_open(&lab->kit.engine, &cfg);
	if (res == 0) {
		lab->kit.trips = zc_trips_alloc(DEPTH);
		lab->kit.trip_count = DEPTH;
	}
	return res;
}

static void copy_to_lender(enum zc_engine_kind kind, unsigned threads, bool stream, bool to_file,
                           uint64_t len)
{
	struct zc_end dst = { .ops = &lender_ops, .shape = { .caps = ZC_CAP_SEEK | ZC_CAP_LEND, .fd = -1 } };
	struct lab_stream feeder;
	struct zc_end src;
	struct zc_leg leg;
	struct lab lab;
	unsigned before;

	if (to_file) {
		dst = lab_end(lab_file("/tmp", 0), ZC_DIR_DST, true);
		dst.shape.caps |= ZC_CAP_LEND;
		dst.ops = &lender_file_ops;
	}
	dst.lent = make_pool();
	seen.end = &dst;
	seen.seed = len;
	seen.got_bytes = seen.foreign = seen.wrong = 0;
	assert_int_equal(open_lab(&lab, kind, threads, dst.lent), 0);
	src = stream ? lab_end(lab_feeder(&feeder, len, len), ZC_DIR_SRC, true)
	             : lab_end(lab_source("/tmp", len, len), ZC_DIR_SRC, true);
	leg = lab_leg(&src, &dst, stream ? ZC_SIZE_UNKNOWN : len);
	if (stream) {
		lab_join(&feeder); /* all of it fits the pipe: the thread's own work is not counted */
	}
	before = copies;
	assert_int_equal(zc_copy_buffer(&lab.kit, &leg), 0);
	assert_int_equal(copies, before);
	assert_true(leg.done_bytes == len && lab.progress.written == len && seen.got_bytes == len);
	assert_int_equal(seen.foreign, 0);
	assert_int_equal(seen.wrong, 0);
	if (to_file) {
		lab_check(dst.shape.fd, 0, len, len, 0);
		assert_int_equal(close(dst.shape.fd), 0);
	}
	zc_end_close(&src);
	lab_close(&lab);
	assert_int_equal(zc_pool_destroy(dst.lent), 0);
}

static void copy_all(enum zc_engine_kind kind, unsigned threads)
{
	static const uint64_t lens[] = { 1, BLOCK, BLOCK + 1, 20 * BLOCK + 4097 };

	for (unsigned l = 0; l < ZC_ARRAY_LEN(lens); l++) {
		copy_to_lender(kind, threads, false, false, lens[l]);
		copy_to_lender(kind, threads, false, true, lens[l]);
	}
	copy_to_lender(kind, threads, true, false, 50001);
	copy_to_lender(kind, threads, true, true, 50001);
}

static void lends_to_the_ring(void **state)
{
	(void)state;
	copy_all(ZC_ENGINE_URING, 0);
}

static void lends_to_threads(void **state)
{
	(void)state;
	copy_all(ZC_ENGINE_SYNC, 2);
}

static void lends_inline(void **state)
{
	(void)state;
	copy_all(ZC_ENGINE_SYNC, 0);
}

/* The buffer route with its own pool copies nothing either. */
static void own_pool(void **state)
{
	struct zc_end src = lab_end(lab_source("/tmp", 300001, 6), ZC_DIR_SRC, true);
	struct zc_end dst = lab_end(lab_file("/tmp", 0), ZC_DIR_DST, true);
	struct zc_leg leg = lab_leg(&src, &dst, 300001);
	struct lab lab;
	unsigned before;

	(void)state;
	assert_int_equal(lab_open(&lab, ZC_ENGINE_SYNC, 2, DEPTH, BLOCK), 0);
	before = copies;
	assert_int_equal(zc_copy_buffer(&lab.kit, &leg), 0);
	assert_int_equal(copies, before);
	lab_check(dst.shape.fd, 0, 300001, 6, 0);
	lab_close(&lab);
	zc_end_close(&src);
	zc_end_close(&dst);
}

/* The counter counts. */
static void counts(void **state)
{
	static uint8_t from[2 * LARGE];
	static uint8_t to[2 * LARGE];
	volatile size_t len = LARGE;
	unsigned before = copies;

	(void)state;
	from[LARGE] = 1;
	memcpy(to, from + 1, len);
	assert_int_equal(to[LARGE - 1], 1);
	memmove(to, from + 2, len);
	assert_int_equal(to[LARGE - 2], 1);
	assert_int_equal(copies, before + 2);
	len = LARGE - 1;
	memcpy(to, from + 1, len);
	assert_int_equal(to[LARGE - 2], 0);
	assert_int_equal(copies, before + 2);
}

int main(void)
{
	static const struct CMUnitTest ring_tests[] = { cmocka_unit_test(lends_to_the_ring) };
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(counts),
		cmocka_unit_test(lends_inline),
		cmocka_unit_test(lends_to_threads),
		cmocka_unit_test(own_pool),
	};
	int failed = cmocka_run_group_tests_name("sync", tests, NULL, NULL);

	if (lab_has_ring("route_lend")) {
		failed += cmocka_run_group_tests_name("uring", ring_tests, NULL, NULL);
	}
	return failed != 0;
}
