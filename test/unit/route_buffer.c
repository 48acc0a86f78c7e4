/*
 * The buffer route over each engine: random sizes, depths and blocks between every pair of files and
 * streams, holes, O_DIRECT, and ends that fail, shrink or are told to stop. After each copy every buffer
 * must be back. Where there is no ring its run is left out, with the reason.
 */
#include "zcopy/route.h"

#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>

#include <cmocka.h>

#include "route_lab.h"

static struct {
	enum zc_engine_kind kind;
	unsigned threads;
} engine;

static void open_lab(struct lab *lab, unsigned depth, size_t block)
{
	assert_int_equal(lab_open(lab, engine.kind, engine.threads, depth, block), 0);
}

static int copy(struct lab *lab, struct zc_leg *leg)
{
	int res = zc_copy_buffer(&lab->kit, leg);

	assert_int_equal(res, leg->err.code);
	assert_int_equal(zc_pool_free_count(lab->kit.pool), zc_pool_buf_count(lab->kit.pool));
	assert_int_equal(zc_engine_in_flight(lab->kit.engine), 0);
	return res;
}

/* ---- any size, any depth, any block, any two ends */

enum kind {
	KIND_FILE,
	KIND_PART, /* inherited, from its middle */
	KIND_STREAM,
	KIND_GEN,
	KIND_COUNT,
};

struct side {
	struct zc_end end;
	struct lab_stream stream;
	int fd;
};

static void open_source(struct side *side, enum kind kind, uint64_t seed, uint64_t len)
{
	const uint64_t base = kind == KIND_PART ? 1 + seed % 5000 : 0;

	side->fd = -1;
	if (kind == KIND_GEN) {
		side->end = lab_gen(ZC_DIR_SRC, seed, len);
	} else if (kind == KIND_STREAM) {
		side->end = lab_end(lab_feeder(&side->stream, seed, len), ZC_DIR_SRC, true);
	} else {
		side->fd = lab_file("/tmp", base);
		lab_put(side->fd, base, len, seed, 0);
		lseek(side->fd, (off_t)base, SEEK_SET);
		side->end = lab_end(side->fd, ZC_DIR_SRC, kind == KIND_FILE);
	}
}

static void open_sink(struct side *side, enum kind kind, uint64_t seed)
{
	side->fd = -1;
	if (kind == KIND_GEN) {
		side->end = lab_gen(ZC_DIR_DST, seed, 0);
	} else if (kind == KIND_STREAM) {
		side->end = lab_end(lab_drinker(&side->stream, seed), ZC_DIR_DST, true);
	} else {
		side->fd = lab_file(seed % 2 ? "/tmp" : "/dev/shm", 0);
		side->end = lab_end(side->fd, ZC_DIR_DST, kind == KIND_FILE);
	}
}

static void close_sides(struct side *src, enum kind src_kind, struct side *dst, enum kind dst_kind,
                        uint64_t seed, uint64_t len)
{
	if (dst->fd >= 0) {
		assert_true(lab_size(dst->fd) == len);
		lab_check(dst->fd, 0, len, seed, 0);
	}
	zc_end_close(&dst->end);
	zc_end_close(&src->end);
	if (src_kind == KIND_STREAM) {
		lab_join(&src->stream);
	} else if (src_kind == KIND_PART) {
		close(src->fd);
	}
	if (dst_kind == KIND_STREAM) {
		lab_join(&dst->stream);
		assert_true(dst->stream.same && dst->stream.len_bytes == len);
	} else if (dst_kind == KIND_PART) {
		close(dst->fd);
	}
}

static void copy_between(enum kind src_kind, enum kind dst_kind, uint64_t seed, uint64_t len, unsigned depth,
                         size_t block)
{
	struct side src;
	struct side dst;
	struct zc_span span;
	struct zc_leg leg;
	struct lab lab;

	open_lab(&lab, depth, block);
	open_source(&src, src_kind, seed, len);
	open_sink(&dst, dst_kind, seed);
	assert_int_equal(src.end.ops->next(&src.end, 0, &span), 0);
	leg = lab_leg(&src.end, &dst.end, span.kind == ZC_SPAN_END ? 0 : span.len_bytes);
	assert_int_equal(copy(&lab, &leg), 0);
	assert_true(leg.done_bytes == len && leg.hole_bytes == 0);
	assert_int_equal(leg.eof, leg.span.len_bytes == ZC_SIZE_UNKNOWN);
	assert_true(lab.progress.read == len && lab.progress.written == len);
	close_sides(&src, src_kind, &dst, dst_kind, seed, len);
	lab_close(&lab);
}

static void any_two_ends(void **state)
{
	static const uint64_t most[] = { 1, 4097, 40000, 400000, 1500000 };
	uint64_t dice = 0x2545f4914f6cdd1d;

	(void)state;
	for (unsigned round = 0; round < 6; round++) {
		for (unsigned i = 0; i < KIND_COUNT * KIND_COUNT; i++) {
			uint64_t len = lab_random(&dice, 1 + most[lab_random(&dice, ZC_ARRAY_LEN(most))]);
			unsigned depth = 1 + (unsigned)lab_random(&dice, 9);
			size_t block = 4096 * (1 + lab_random(&dice, 16));

			copy_between((enum kind)(i / KIND_COUNT), (enum kind)(i % KIND_COUNT),
			             lab_random(&dice, 1u << 30), len, depth, block);
		}
	}
}

/* The edges of a block, exactly. */
static void block_edges(void **state)
{
	(void)state;
	for (uint64_t blocks = 1; blocks <= 4; blocks += 3) {
		for (uint64_t len = blocks * 4096 - 1; len <= blocks * 4096 + 1; len++) {
			for (unsigned i = 0; i < KIND_COUNT * KIND_COUNT; i++) {
				copy_between((enum kind)(i / KIND_COUNT), (enum kind)(i % KIND_COUNT), len,
				             len, 2, 4096);
			}
		}
	}
}

/* A span in the middle, already begun: what is around it stays as it is. */
static void begun_span(void **state)
{
	const uint64_t off = 5003;
	const uint64_t len = 70001;
	const uint64_t begun = 9001;
	int src_fd = lab_source("/tmp", 100000, 4);
	int dst_fd = lab_source("/tmp", 100000, 5);
	struct zc_end src = lab_end(src_fd, ZC_DIR_SRC, true);
	struct zc_end dst = lab_end(dst_fd, ZC_DIR_DST, true);
	struct zc_leg leg = lab_leg(&src, &dst, len);
	struct lab lab;

	(void)state;
	open_lab(&lab, 3, 8192);
	leg.span.off_bytes = off;
	leg.done_bytes = begun;
	assert_int_equal(copy(&lab, &leg), 0);
	assert_true(leg.done_bytes == len && !leg.eof);
	assert_true(lab.progress.written == len - begun);
	lab_check(dst_fd, 0, off + begun, 5, 0);
	lab_check(dst_fd, off + begun, len - begun, 4, off + begun);
	lab_check(dst_fd, off + len, 100000 - off - len, 5, off + len);
	lab_close(&lab);
	zc_end_close(&src);
	zc_end_close(&dst);
}

static void shrunk_source(void **state)
{
	static const uint64_t lens[] = { 0, 1, 8191, 8192, 30000 };

	(void)state;
	for (unsigned l = 0; l < ZC_ARRAY_LEN(lens); l++) {
		int dst_fd = lab_file("/tmp", 0);
		struct zc_end src = lab_end(lab_source("/tmp", lens[l], l), ZC_DIR_SRC, true);
		struct zc_end dst = lab_end(dst_fd, ZC_DIR_DST, true);
		struct zc_leg leg = lab_leg(&src, &dst, 100000);
		struct lab lab;

		open_lab(&lab, 4, 8192);
		assert_int_equal(copy(&lab, &leg), 0);
		assert_true(leg.eof && leg.done_bytes == lens[l] && lab_size(dst_fd) == lens[l]);
		lab_check(dst_fd, 0, lens[l], l, 0);
		lab_close(&lab);
		zc_end_close(&src);
		zc_end_close(&dst);
	}
}

static uint64_t ends_at;

/* A file that is short in one block only: it changed while it was read. */
static bool short_block_prep(struct zc_end *end, struct zc_req *req)
{
	if (req->off_bytes < ends_at && ends_at < req->off_bytes + req->len_bytes) {
		req->len_bytes = (uint32_t)(ends_at - req->off_bytes);
	}
	return zc_end_file.prep(end, req);
}

/* Where it ended first is its end, also when later blocks were there. */
static void two_ends_of_file(void **state)
{
	static const struct zc_end_ops ops = { .scheme = "file", .prep = short_block_prep };
	struct zc_end src = lab_end(lab_source("/tmp", 100000, 7), ZC_DIR_SRC, true);
	struct zc_end dst = lab_end(lab_file("/tmp", 0), ZC_DIR_DST, true);
	struct zc_leg leg = lab_leg(&src, &dst, 100000);
	struct lab lab;

	(void)state;
	src.ops = &ops;
	ends_at = 20001;
	open_lab(&lab, 8, 8192);
	assert_int_equal(copy(&lab, &leg), 0);
	assert_true(leg.eof && leg.done_bytes == 20001);
	assert_true(lab.progress.written > 20001);
	lab_check(dst.shape.fd, 0, 20001, 7, 0);
	lab_close(&lab);
	zc_end_close(&src);
	zc_end_close(&dst);
}

/* ---- holes */

/* Data at both ends and in the middle of zeros; one page of zeros among data; a zero tail that is no page. */
static const struct {
	uint64_t off, len;
} islands[] = { { 0, 4096 }, { 300000, 1 }, { 400000, 50000 }, { 458752, 4096 }, { 466944, 4097 } };

static uint64_t blocks_bytes(int fd)
{
	struct stat st;

	assert_int_equal(fstat(fd, &st), 0);
	return (uint64_t)st.st_blocks * 512;
}

static void copy_sparse(int src_fd, uint64_t size, unsigned depth, size_t block, bool fresh)
{
	int dst_fd = fresh ? lab_file("/tmp", 0) : lab_source("/tmp", size, 99);
	struct zc_end src = lab_end(src_fd, ZC_DIR_SRC, true);
	struct zc_end dst = lab_end(dst_fd, ZC_DIR_DST, true);
	struct zc_leg leg = lab_leg(&src, &dst, size);
	uint8_t *want = malloc(size);
	uint8_t *got = malloc(size);
	struct lab lab;

	open_lab(&lab, depth, block);
	leg.sparse_bytes = 4096;
	dst.shape.caps |= fresh ? ZC_CAP_FRESH : 0;
	assert_int_equal(copy(&lab, &leg), 0);
	assert_true(leg.done_bytes == size && leg.hole_bytes > size - 100000);
	assert_true(lab.progress.written == size);
	assert_int_equal(dst.ops->finish(&dst, size), 0);
	assert_true(lab_size(dst_fd) == size);
	assert_true(pread(src_fd, want, size, 0) == (ssize_t)size);
	assert_true(pread(dst_fd, got, size, 0) == (ssize_t)size);
	assert_memory_equal(want, got, size);
	assert_int_equal(fdatasync(dst_fd), 0); /* some file systems give blocks only now */
	assert_true(blocks_bytes(dst_fd) <= 160000);
	lab_close(&lab);
	free(want);
	free(got);
	zc_end_close(&dst);
}

static void zeros_become_holes(void **state)
{
	const uint64_t size = 600001;
	int src_fd = lab_file("/tmp", 0);
	uint8_t *zeros = calloc(1, size);

	(void)state;
	assert_true(pwrite(src_fd, zeros, size, 0) == (ssize_t)size); /* written: the source has no holes */
	free(zeros);
	for (unsigned i = 0; i < ZC_ARRAY_LEN(islands); i++) {
		lab_put(src_fd, islands[i].off, islands[i].len, i + 1, 0);
	}
	copy_sparse(src_fd, size, 1, 4096, true);
	copy_sparse(src_fd, size, 4, 65536, true);
	copy_sparse(src_fd, size, 3, 20480, false);
	close(src_fd);
}

static int refuse_hole(struct zc_end *end, uint64_t off_bytes, uint64_t len_bytes)
{
	(void)end;
	(void)off_bytes;
	(void)len_bytes;
	return -EOPNOTSUPP;
}

/* A sink that cannot leave holes gets its zeros written; one that has no holes at all is never asked. */
static void zeros_without_holes(void **state)
{
	struct zc_end_ops ops = zc_end_file;
	struct zc_end zero;
	struct zc_uri uri = { .kind = ZC_END_ZERO, .size_bytes = 50000 };

	(void)state;
	zc_end_from_synth(&zero, &uri, ZC_DIR_SRC);
	for (unsigned i = 0; i < 2; i++) {
		int dst_fd = lab_source("/tmp", 50000, 1);
		struct zc_end dst = lab_end(dst_fd, ZC_DIR_DST, true);
		struct zc_leg leg = lab_leg(&zero, &dst, 50000);
		uint8_t last = 1;
		struct lab lab;

		ops.hole = i == 0 ? NULL : refuse_hole;
		dst.ops = &ops;
		open_lab(&lab, 2, 8192);
		leg.sparse_bytes = 4096;
		assert_int_equal(copy(&lab, &leg), 0);
		assert_true(leg.done_bytes == 50000 && leg.hole_bytes == 0);
		assert_int_equal(pread(dst_fd, &last, 1, 49999), 1);
		assert_int_equal(last, 0);
		lab_close(&lab);
		close(dst_fd);
	}
}

/* ---- O_DIRECT */

/* Where it can be had; NULL: nowhere that is known here. */
static const char *direct_place(void)
{
	static const char *const places[] = { "/tmp", "/var/tmp" };

	for (unsigned i = 0; i < ZC_ARRAY_LEN(places); i++) {
		int fd = lab_file(places[i], 4096);
		struct zc_end end = lab_end(fd, ZC_DIR_SRC, true);
		bool can = zc_end_set_direct(&end, true) == 0;

		zc_end_close(&end);
		if (can) {
			return places[i];
		}
	}
	return NULL;
}

static const char *need_direct(void)
{
	const char *place = direct_place();

	if (place == NULL) {
		print_message("no O_DIRECT here\n");
		skip();
	}
	return place;
}

static void direct_tail(void **state)
{
	const char *place = need_direct();
	static const uint64_t lens[] = { 1, 511, 4096, 4097, 65536, 65536 + 513, 700000, 8 * 65536 };

	(void)state;
	for (unsigned l = 0; l < 3 * ZC_ARRAY_LEN(lens); l++) {
		const uint64_t len = lens[l / 3];
		int dst_fd = lab_file(place, 0);
		struct zc_end src = lab_end(lab_source(place, len, l), ZC_DIR_SRC, true);
		struct zc_end dst = lab_end(dst_fd, ZC_DIR_DST, true);
		struct zc_leg leg = lab_leg(&src, &dst, len);
		struct lab lab;

		assert_int_equal(fsync(src.shape.fd), 0);
		assert_int_equal(zc_end_set_direct(&src, l % 3 != 1), 0); /* both, the sink, the source */
		assert_int_equal(zc_end_set_direct(&dst, l % 3 != 2), 0);
		open_lab(&lab, 4, 65536);
		assert_int_equal(copy(&lab, &leg), 0);
		assert_true(leg.done_bytes == len && lab.progress.written == len);
		assert_true(lab_size(dst_fd) == len);
		assert_int_equal(dst.direct, l % 3 != 2 && len % dst.shape.align_bytes == 0);
		assert_int_equal(lab.fallbacks.count, 0);
		assert_int_equal(zc_end_set_direct(&dst, false), 0);
		lab_check(dst_fd, 0, len, l, 0);
		lab_close(&lab);
		zc_end_close(&src);
		zc_end_close(&dst);
	}
}

/* A direct read is rounded up: what it sees behind the span is not the span's. */
static void direct_within_file(void **state)
{
	const char *place = need_direct();
	const uint64_t len = 65536 + 513;
	struct zc_end src = lab_end(lab_source(place, 300000, 2), ZC_DIR_SRC, true);
	struct zc_end dst = lab_end(lab_file(place, 0), ZC_DIR_DST, true);
	struct zc_leg leg = lab_leg(&src, &dst, len);
	struct lab lab;

	(void)state;
	assert_int_equal(fsync(src.shape.fd), 0);
	assert_int_equal(zc_end_set_direct(&src, true), 0);
	open_lab(&lab, 2, 65536);
	assert_int_equal(copy(&lab, &leg), 0);
	assert_true(leg.done_bytes == len && !leg.eof && lab_size(dst.shape.fd) == len);
	assert_true(lab.progress.read == len && lab.progress.written == len);
	lab_check(dst.shape.fd, 0, len, 2, 0);
	lab_close(&lab);
	zc_end_close(&src);
	zc_end_close(&dst);
}

/* A direct source that turns out shorter, and a stream into a direct sink. */
static void direct_surprises(void **state)
{
	const char *place = need_direct();
	struct lab_stream feeder;
	struct zc_end src;
	struct zc_end dst;
	struct zc_leg leg;
	struct lab lab;

	(void)state;
	for (unsigned i = 0; i < 2; i++) {
		int dst_fd = lab_file(place, 0);
		const uint64_t len = 200007;

		dst = lab_end(dst_fd, ZC_DIR_DST, true);
		assert_int_equal(zc_end_set_direct(&dst, true), 0);
		if (i == 0) {
			src = lab_end(lab_feeder(&feeder, i, len), ZC_DIR_SRC, true);
			leg = lab_leg(&src, &dst, ZC_SIZE_UNKNOWN);
		} else {
			src = lab_end(lab_source(place, len, i), ZC_DIR_SRC, true);
			assert_int_equal(fsync(src.shape.fd), 0);
			assert_int_equal(zc_end_set_direct(&src, true), 0);
			leg = lab_leg(&src, &dst, 16 * 65536);
		}
		open_lab(&lab, 4, 65536);
		assert_int_equal(copy(&lab, &leg), 0);
		assert_true(leg.eof && leg.done_bytes == len && lab_size(dst_fd) == len);
		assert_int_equal(zc_end_set_direct(&dst, false), 0);
		lab_check(dst_fd, 0, len, i, 0);
		lab_close(&lab);
		zc_end_close(&src);
		zc_end_close(&dst);
		if (i == 0) {
			lab_join(&feeder);
		}
	}
}

/* The flag is taken at open and the request refused (here: its alignment is a lie): once more without.
 * Forced, it is an error of the right side. */
static void direct_refused_late(void **state)
{
	const char *place = need_direct();
	(void)state;
	for (unsigned i = 0; i < 4; i++) {
		const bool forced = i & 1;
		const bool sink = i & 2;
		const uint64_t len = 90001;
		int dst_fd = lab_file(place, 0);
		struct zc_end src = lab_end(lab_source(place, len + 7, i), ZC_DIR_SRC, true);
		struct zc_end dst = lab_end(dst_fd, ZC_DIR_DST, true);
		struct zc_leg leg = lab_leg(&src, &dst, len);
		struct zc_end *end = sink ? &dst : &src;
		struct lab lab;

		assert_int_equal(fsync(src.shape.fd), 0);
		assert_int_equal(zc_end_set_direct(end, true), 0);
		end->shape.align_bytes = 1;
		leg.span.off_bytes = 7;
		leg.direct_forced = forced;
		open_lab(&lab, 3, 16384);
		assert_int_equal(copy(&lab, &leg), forced ? -EINVAL : 0);
		assert_int_equal(leg.err.side, !forced ? ZC_SIDE_NONE : sink ? ZC_SIDE_DST : ZC_SIDE_SRC);
		if (!forced) {
			assert_true(leg.done_bytes == len && !end->direct);
			assert_true(lab_fell_back(&lab, "O_DIRECT", "page cache"));
			lab_check(dst_fd, 7, len, i, 7);
		}
		lab_close(&lab);
		zc_end_close(&src);
		zc_end_close(&dst);
	}
}

/* ---- ends that fail */

static uint64_t fails_at;

/* gen: that fails at one byte: what comes before it is done. */
static bool failing_prep(struct zc_end *end, struct zc_req *req)
{
	uint64_t left = fails_at - zc_min_u64(fails_at, req->off_bytes);

	if (req->len_bytes <= left) {
		return zc_end_gen.prep(end, req);
	}
	if (left > 0) {
		req->len_bytes = (uint32_t)left;
		zc_end_gen.prep(end, req);
	}
	req->done_bytes = (uint32_t)left;
	req->err = -EIO;
	return true;
}

static const struct zc_end_ops failing_ops = { .scheme = "gen:", .next = NULL, .prep = failing_prep };

static void fails_at_byte(void **state)
{
	static const uint64_t places[] = { 0, 1, 8191, 8192, 50001 };
	const uint64_t len = 60000;

	(void)state;
	for (unsigned i = 0; i < 2 * ZC_ARRAY_LEN(places); i++) {
		const bool sink = i % 2;
		int fd = lab_source("/tmp", len, 3);
		struct zc_end file = lab_end(fd, sink ? ZC_DIR_SRC : ZC_DIR_DST, true);
		struct zc_end gen = lab_gen(sink ? ZC_DIR_DST : ZC_DIR_SRC, 3, len);
		struct zc_leg leg = lab_leg(sink ? &file : &gen, sink ? &gen : &file, len);
		struct lab lab;

		fails_at = places[i / 2];
		gen.ops = &failing_ops;
		open_lab(&lab, 1, 8192);
		assert_int_equal(copy(&lab, &leg), -EIO);
		assert_int_equal(leg.err.side, sink ? ZC_SIDE_DST : ZC_SIDE_SRC);
		assert_string_equal(leg.err.op, sink ? "write" : "read");
		assert_true(leg.err.off_bytes == fails_at);
		if (sink) {
			assert_true(leg.done_bytes == fails_at && lab.progress.written == fails_at);
		} else {
			assert_true(leg.done_bytes <= fails_at);
		}
		lab_close(&lab);
		zc_end_close(&file);
	}
}

/* With much in flight the first error ends it all, whichever side it is on. */
static void fails_in_depth(void **state)
{
	const uint64_t len = 500000;

	(void)state;
	for (unsigned i = 0; i < 4; i++) {
		struct lab_stream feeder;
		struct zc_end src;
		struct zc_end dst;
		struct zc_leg leg;
		struct lab lab;
		int res;

		src = i < 2 ? lab_end(lab_source("/tmp", len, 3), ZC_DIR_SRC, true)
		            : lab_end(lab_feeder(&feeder, 3, len), ZC_DIR_SRC, true);
		if (i % 2 == 0) {
			dst = lab_end(open("/dev/full", O_WRONLY | O_CLOEXEC), ZC_DIR_DST, true);
		} else {
			dst = lab_gen(ZC_DIR_DST, 4, 0); /* another seed: the first byte is wrong */
		}
		leg = lab_leg(&src, &dst, i < 2 ? len : ZC_SIZE_UNKNOWN);
		open_lab(&lab, 8, 8192);
		res = copy(&lab, &leg);
		assert_int_equal(res, i % 2 == 0 ? -ENOSPC : -EBADMSG);
		assert_int_equal(leg.err.side, ZC_SIDE_DST);
		lab_close(&lab);
		zc_end_close(&src);
		zc_end_close(&dst);
		if (i >= 2) {
			lab_join(&feeder);
		}
	}
}

static void unreadable_source(void **state)
{
	int src_fd = lab_source("/tmp", 50000, 1);
	char path[40];
	struct zc_end src;
	struct zc_end dst = lab_end(lab_file("/tmp", 0), ZC_DIR_DST, true);
	struct zc_leg leg;
	struct lab lab;

	(void)state;
	snprintf(path, sizeof(path), "/proc/self/fd/%d", src_fd);
	src = lab_end(open(path, O_WRONLY | O_CLOEXEC), ZC_DIR_SRC, true);
	leg = lab_leg(&src, &dst, 50000);
	open_lab(&lab, 4, 8192);
	assert_int_equal(copy(&lab, &leg), -EBADF);
	assert_int_equal(leg.err.side, ZC_SIDE_SRC);
	assert_true(leg.done_bytes == 0 && lab_size(dst.shape.fd) == 0);
	lab_close(&lab);
	zc_end_close(&src);
	zc_end_close(&dst);
	close(src_fd);
}

/* ---- stop */

static void stopped_before(void **state)
{
	struct zc_end src = lab_end(lab_source("/tmp", 50000, 1), ZC_DIR_SRC, true);
	struct zc_end dst = lab_end(lab_file("/tmp", 0), ZC_DIR_DST, true);
	struct zc_leg leg = lab_leg(&src, &dst, 50000);
	struct lab lab;
	int res;

	(void)state;
	open_lab(&lab, 4, 8192);
	__atomic_store_n(&zc_stop_signal, SIGINT, __ATOMIC_RELAXED);
	res = copy(&lab, &leg);
	__atomic_store_n(&zc_stop_signal, 0, __ATOMIC_RELAXED);
	assert_int_equal(res, -ECANCELED);
	assert_int_equal(leg.err.side, ZC_SIDE_NONE);
	assert_true(leg.done_bytes == 0);
	lab_close(&lab);
	zc_end_close(&src);
	zc_end_close(&dst);
}

/* An empty pipe on one side, or a full one on the other, and a signal. */
static void stopped_waiting(void **state)
{
	(void)state;
	for (unsigned i = 0; i < 2; i++) {
		struct zc_end src;
		struct zc_end dst;
		struct zc_leg leg;
		struct lab lab;
		int fds[2];
		int res;

		assert_int_equal(pipe2(fds, O_CLOEXEC), 0);
		if (i == 0) {
			src = lab_end(fds[0], ZC_DIR_SRC, false);
			dst = lab_end(lab_file("/tmp", 0), ZC_DIR_DST, true);
			leg = lab_leg(&src, &dst, ZC_SIZE_UNKNOWN);
		} else {
			src = lab_end(lab_source("/tmp", 4 * ZC_MIB, 1), ZC_DIR_SRC, true);
			dst = lab_end(fds[1], ZC_DIR_DST, false);
			leg = lab_leg(&src, &dst, 4 * ZC_MIB); /* more than a pipe holds */
		}
		open_lab(&lab, 4, 16384);
		lab_alarm(true);
		res = copy(&lab, &leg);
		lab_alarm(false);
		__atomic_store_n(&zc_stop_signal, 0, __ATOMIC_RELAXED);
		assert_int_equal(res, -ECANCELED);
		assert_int_equal(leg.err.side, ZC_SIDE_NONE);
		assert_true(lab.progress.written == leg.done_bytes);
		lab_close(&lab);
		zc_end_close(&src);
		zc_end_close(&dst);
		close(fds[0]);
		close(fds[1]);
	}
}

/* ---- a bench's clock */

struct seen {
	atomic_uint count[ZC_STAGE_COUNT];
	_Atomic uint64_t ns[ZC_STAGE_COUNT];
};

static void seen_stage(void *arg, enum zc_stage stage, uint64_t ns)
{
	struct seen *seen = arg;

	seen->count[stage]++;
	seen->ns[stage] += ns;
}

/* 16 blocks and half a one through 2 buffers: each is waited for, read and written once, and no stage took
 * longer than the whole. What needs no request is not told of. */
static void stages_told(void **state)
{
	struct seen seen = { 0 };
	struct zc_probe probe = { seen_stage, &seen };
	struct zc_end src = lab_end(lab_source("/tmp", 16 * 65536 + 32768, 1), ZC_DIR_SRC, true);
	struct zc_end dst = lab_end(lab_file("/tmp", 0), ZC_DIR_DST, true);
	struct zc_end gen = lab_gen(ZC_DIR_SRC, 1, 65536);
	struct zc_leg leg = lab_leg(&src, &dst, 16 * 65536 + 32768);
	struct lab lab;
	uint64_t began = zc_now_ns();
	uint64_t took;

	(void)state;
	open_lab(&lab, 2, 65536);
	lab.kit.probe = &probe;
	assert_int_equal(copy(&lab, &leg), 0);
	took = zc_now_ns() - began;
	for (int i = 0; i < ZC_STAGE_COUNT; i++) {
		assert_int_equal(seen.count[i], 17);
		assert_true(seen.ns[i] <= took * 2);
	}
	assert_true(seen.ns[ZC_STAGE_READ] > 0 && seen.ns[ZC_STAGE_WRITE] > 0);
	leg = lab_leg(&gen, &dst, 65536);
	assert_int_equal(copy(&lab, &leg), 0);
	assert_int_equal(seen.count[ZC_STAGE_READ], 17);
	assert_int_equal(seen.count[ZC_STAGE_WRITE], 18);
	lab_close(&lab);
	zc_end_close(&src);
	zc_end_close(&dst);
}

/* ---- sizes and depths that change meanwhile */

struct dice_knobs {
	struct zc_knobs route;
	struct lab *lab;
	uint64_t dice;
	uint64_t seen_bytes;
};

static void throw_dice(struct zc_knobs *route, uint64_t done_bytes)
{
	struct dice_knobs *knobs = (struct dice_knobs *)route;

	assert_true(done_bytes >= knobs->seen_bytes);
	knobs->seen_bytes = done_bytes;
	if (lab_random(&knobs->dice, 3) == 0) {
		route->block_bytes = 4096 * (1 + (uint32_t)lab_random(&knobs->dice, 20)); /* some too large */
		route->depth = 1 + (unsigned)lab_random(&knobs->dice, 12);                /* some too many */
		route->halt = lab_random(&knobs->dice, 8) == 0;
	}
}

static void turned_between(enum kind src_kind, enum kind dst_kind, uint64_t seed, uint64_t len, bool direct)
{
	struct dice_knobs knobs = { .route = { 4096, 1, false, throw_dice }, .dice = seed * 2 + 1 };
	struct side src;
	struct side dst;
	struct zc_leg leg;
	struct lab lab;
	uint64_t at = 0;

	open_lab(&lab, 9, 65536);
	open_source(&src, src_kind, seed, len);
	open_sink(&dst, dst_kind, seed);
	direct = direct && zc_end_set_direct(&src.end, true) == 0 && zc_end_set_direct(&dst.end, true) == 0;
	do {
		leg = lab_leg(&src.end, &dst.end, len - at);
		leg.span.off_bytes = at;
		leg.knobs = &knobs.route;
		knobs.seen_bytes = 0;
		knobs.route.halt = false;
		assert_int_equal(copy(&lab, &leg), 0);
		assert_false(leg.eof);
		assert_true(leg.done_bytes <= len - at && (leg.done_bytes == len - at || knobs.route.halt));
		assert_true(!direct || leg.done_bytes == len - at || leg.done_bytes % 4096 == 0);
		at += leg.done_bytes;
	} while (at < len);
	if (direct) {
		assert_int_equal(zc_end_set_direct(&dst.end, false), 0); /* to be looked at */
	}
	close_sides(&src, src_kind, &dst, dst_kind, seed, len);
	lab_close(&lab);
}

static void turned(void **state)
{
	uint64_t dice = 0x9e3779b97f4a7c15;

	(void)state;
	for (unsigned i = 0; i < KIND_COUNT * KIND_COUNT; i++) {
		turned_between((enum kind)(i / KIND_COUNT), (enum kind)(i % KIND_COUNT),
		               lab_random(&dice, 1u << 30), 1 + lab_random(&dice, 2000000), false);
	}
	for (unsigned i = 0; i < 8; i++) {
		turned_between(KIND_FILE, KIND_FILE, lab_random(&dice, 1u << 30),
		               1 + lab_random(&dice, 1000000), true);
	}
}

/* No more buffers are in use than it says, and none is larger. */
static unsigned most_used;
static uint32_t largest;

static void count_used(struct zc_knobs *route, uint64_t done_bytes)
{
	struct dice_knobs *knobs = (struct dice_knobs *)route;
	struct zc_pool *pool = knobs->lab->kit.pool;
	unsigned used = zc_pool_buf_count(pool) - zc_pool_free_count(pool);

	most_used = used > most_used ? used : most_used;
	largest = (uint32_t)zc_max_u64(largest, done_bytes - knobs->seen_bytes);
	knobs->seen_bytes = done_bytes;
}

static void turned_within(void **state)
{
	struct zc_end src = lab_end(lab_source("/tmp", 1000000, 7), ZC_DIR_SRC, true);
	struct zc_end dst = lab_end(lab_file("/tmp", 0), ZC_DIR_DST, true);
	struct dice_knobs knobs = { .route = { 8192, 1, false, count_used } };
	struct zc_leg leg = lab_leg(&src, &dst, 1000000);
	struct lab lab;

	(void)state;
	most_used = largest = 0;
	open_lab(&lab, 5, 65536);
	knobs.lab = &lab;
	leg.knobs = &knobs.route;
	assert_int_equal(copy(&lab, &leg), 0);
	assert_int_equal(most_used, 1);
	assert_int_equal(largest, 8192);
	zc_end_close(&src);
	zc_end_close(&dst);
	lab_close(&lab);
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(any_two_ends),        cmocka_unit_test(block_edges),
	cmocka_unit_test(begun_span),          cmocka_unit_test(shrunk_source),
	cmocka_unit_test(zeros_become_holes),  cmocka_unit_test(zeros_without_holes),
	cmocka_unit_test(direct_tail),         cmocka_unit_test(direct_within_file),
	cmocka_unit_test(two_ends_of_file),    cmocka_unit_test(direct_surprises),
	cmocka_unit_test(direct_refused_late), cmocka_unit_test(fails_at_byte),
	cmocka_unit_test(fails_in_depth),      cmocka_unit_test(unreadable_source),
	cmocka_unit_test(stopped_before),      cmocka_unit_test(stopped_waiting),
	cmocka_unit_test(stages_told),         cmocka_unit_test(turned),
	cmocka_unit_test(turned_within),
};

int main(void)
{
	int failed = 0;

	signal(SIGPIPE, SIG_IGN);
	if (lab_has_ring("route_buffer")) {
		engine.kind = ZC_ENGINE_URING;
		failed += cmocka_run_group_tests_name("uring", tests, NULL, NULL);
	}
	engine.kind = ZC_ENGINE_SYNC;
	engine.threads = 3;
	failed += cmocka_run_group_tests_name("sync, threads", tests, NULL, NULL);
	engine.threads = 0;
	failed += cmocka_run_group_tests_name("sync, inline", tests, NULL, NULL);
	return failed != 0;
}
