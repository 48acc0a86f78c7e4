/*
 * The in-kernel routes and the ladder: byte-exact over odd sizes and offsets, and wherever one of them says
 * "not me" the bytes up to done_bytes are at the sink, no more and no less, so that the next can go on.
 */
#include "kernel.h"

#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <sys/socket.h>

#include <cmocka.h>

#include "route_lab.h"

#define GUARD 0xa5

static const enum zc_route_kind ladder[] = { ZC_ROUTE_REFLINK, ZC_ROUTE_CFR, ZC_ROUTE_SENDFILE,
	                                     ZC_ROUTE_SPLICE, ZC_ROUTE_BUFFER };

static int move(struct lab *lab, enum zc_route_kind kind, struct zc_leg *leg)
{
	return zc_route(kind)->move(&lab->kit, leg);
}

static uint64_t counted(const struct lab *lab)
{
	assert_true(lab->progress.read == lab->progress.written);
	return lab->progress.written;
}

/* A sink of guard bytes: what is not written must still be one. */
static int guarded(const char *place, uint64_t size)
{
	uint8_t *mem = malloc(size);
	int fd = lab_file(place, 0);

	memset(mem, GUARD, size);
	assert_true(pwrite(fd, mem, size, 0) == (ssize_t)size);
	free(mem);
	return fd;
}

static void assert_guard(int fd, uint64_t from, uint64_t to)
{
	uint8_t *mem = malloc(to - from + 1);

	assert_true(pread(fd, mem, to - from, (off_t)from) == (ssize_t)(to - from));
	for (uint64_t i = 0; i < to - from; i++) {
		assert_int_equal(mem[i], GUARD);
	}
	free(mem);
}

/* ---- file to file */

/* A part of a file, already begun, from an inherited position. */
static void move_part(enum zc_route_kind kind, const char *from, const char *to, uint64_t base, uint64_t off,
                      uint64_t len)
{
	const uint64_t seed = base * 31 + off * 7 + len;
	const uint64_t begun = len / 3;
	const uint64_t total = off + len + 5000;
	int src_fd = lab_source(from, base + total, seed);
	int dst_fd = guarded(to, total);
	struct zc_end src;
	struct zc_end dst = lab_end(dst_fd, ZC_DIR_DST, true);
	struct zc_leg leg;
	struct lab lab;

	lab_open(&lab, ZC_ENGINE_SYNC, 0, 0, 0);
	lseek(src_fd, (off_t)base, SEEK_SET);
	src = lab_end(src_fd, ZC_DIR_SRC, false);
	leg = lab_leg(&src, &dst, len);
	leg.span.off_bytes = off;
	leg.done_bytes = begun;
	assert_int_equal(move(&lab, kind, &leg), 0);
	assert_true(leg.done_bytes == len && !leg.eof && leg.err.code == 0);
	assert_true(counted(&lab) == len - begun);
	assert_guard(dst_fd, 0, off + begun);
	lab_check(dst_fd, off + begun, len - begun, seed, base + off + begun);
	assert_guard(dst_fd, off + len, total);
	assert_true(lab_size(dst_fd) == total);
	lab_close(&lab);
	close(src_fd);
	close(dst_fd);
}

/* Not in every sandbox or emulator. */
static bool host_has_cfr(void)
{
	int src_fd = lab_source("/tmp", 10, 1);
	int dst_fd = lab_file("/tmp", 0);
	ssize_t res = copy_file_range(src_fd, &(off64_t){ 0 }, dst_fd, &(off64_t){ 0 }, 10, 0);

	close(src_fd);
	close(dst_fd);
	return res == 10;
}

static void parts(void **state)
{
	const bool cfr = host_has_cfr();

	static const uint64_t lens[] = { 1, 511, 4096, 4097, 65537, ZC_MIB + 7 };
	static const uint64_t offs[] = { 0, 3, 4096, 70001 };
	static const uint64_t bases[] = { 0, 1, 4096 };

	(void)state;
	for (unsigned l = 0; l < ZC_ARRAY_LEN(lens); l++) {
		for (unsigned o = 0; o < ZC_ARRAY_LEN(offs); o++) {
			uint64_t base = bases[(l + o) % ZC_ARRAY_LEN(bases)];

			if (cfr) {
				move_part(ZC_ROUTE_CFR, "/tmp", "/tmp", base, offs[o], lens[l]);
			}
			move_part(ZC_ROUTE_SENDFILE, "/tmp", "/tmp", base, offs[o], lens[l]);
			move_part(ZC_ROUTE_SENDFILE, "/tmp", "/dev/shm", base, offs[o], lens[l]);
			move_part(ZC_ROUTE_SENDFILE, "/dev/shm", "/tmp", base, offs[o], lens[l]);
		}
	}
}

/* The file is shorter than was said: the kernel says 0, which only a read can explain. */
static void shorter_than_said(void **state)
{
	static const enum zc_route_kind kinds[] = { ZC_ROUTE_SENDFILE, ZC_ROUTE_CFR };

	(void)state;
	for (unsigned k = 0; k < (host_has_cfr() ? 2 : 1); k++) {
		int src_fd = lab_source("/tmp", 10001, 8);
		int dst_fd = lab_file("/tmp", 0);
		struct zc_end src = lab_end(src_fd, ZC_DIR_SRC, true);
		struct zc_end dst = lab_end(dst_fd, ZC_DIR_DST, true);
		struct zc_leg leg = lab_leg(&src, &dst, 20000);
		struct lab lab;

		assert_int_equal(lab_open(&lab, ZC_ENGINE_SYNC, 0, 1, 4096), 0);
		assert_int_equal(move(&lab, kinds[k], &leg), -EOPNOTSUPP);
		assert_true(leg.done_bytes == 10001 && !leg.eof);
		assert_true(leg.err.code == 0 && leg.err.off_bytes == 10001);
		assert_int_equal(move(&lab, ZC_ROUTE_BUFFER, &leg), 0);
		assert_true(leg.done_bytes == 10001 && leg.eof);
		assert_true(lab_size(dst_fd) == 10001);
		lab_check(dst_fd, 0, 10001, 8, 0);
		lab_close(&lab);
		zc_end_close(&src);
		zc_end_close(&dst);
	}
}

static void reflinks_whole_files_only(void **state)
{
	int src_fd = lab_source("/tmp", 8192, 3);
	int dst_fd = lab_file("/tmp", 0);
	struct zc_end src = lab_end(src_fd, ZC_DIR_SRC, true);
	struct zc_end dst = lab_end(dst_fd, ZC_DIR_DST, true);
	struct zc_leg leg = lab_leg(&src, &dst, 8192);
	struct lab lab;
	int res;

	(void)state;
	lab_open(&lab, ZC_ENGINE_SYNC, 0, 0, 0);
	leg.span.len_bytes = 4096;
	assert_int_equal(move(&lab, ZC_ROUTE_REFLINK, &leg), -EOPNOTSUPP);
	leg.span.len_bytes = 8192;
	leg.done_bytes = 1;
	assert_int_equal(move(&lab, ZC_ROUTE_REFLINK, &leg), -EOPNOTSUPP);
	assert_true(leg.done_bytes == 1 && lab_size(dst_fd) == 0);
	leg.done_bytes = 0;
	res = move(&lab, ZC_ROUTE_REFLINK, &leg);
	assert_true(res == 0 || res == -EOPNOTSUPP); /* as the file system can */
	assert_true(leg.done_bytes == (res == 0 ? 8192 : 0) && lab_size(dst_fd) == leg.done_bytes);
	assert_true(counted(&lab) == leg.done_bytes);
	lab_close(&lab);
	zc_end_close(&src);
	zc_end_close(&dst);
}

/* ---- the ladder */

static void climb(struct lab *lab, struct zc_leg *leg)
{
	uint64_t moved[ZC_ROUTE_COUNT] = { 0 };
	uint64_t sum = 0;

	assert_int_equal(lab_open(lab, ZC_ENGINE_SYNC, 2, 3, 8192), 0);
	assert_int_equal(zc_copy(&lab->kit, leg, ladder, ZC_ARRAY_LEN(ladder), moved), 0);
	for (int kind = 0; kind < ZC_ROUTE_COUNT; kind++) {
		sum += moved[kind];
	}
	assert_true(sum == leg->done_bytes);
}

/* Files of the kernel's own: no size, or a false one. */
static void virtual_files(void **state)
{
	static const char *const paths[] = { "/proc/version",
		                             "/proc/filesystems",
		                             "/proc/devices",
		                             "/sys/kernel/mm/transparent_hugepage/enabled",
		                             "/sys/devices/system/cpu/online",
		                             "/proc/kallsyms" };
	char *text = malloc(ZC_MIB);
	char *copy = malloc(ZC_MIB);

	(void)state;
	for (unsigned i = 0; i < ZC_ARRAY_LEN(paths); i++) {
		int src_fd = open(paths[i], O_RDONLY | O_CLOEXEC);
		int dst_fd = lab_file("/tmp", 0);
		struct zc_end src;
		struct zc_end dst = lab_end(dst_fd, ZC_DIR_DST, true);
		struct zc_span span;
		struct zc_leg leg;
		struct lab lab;
		ssize_t len = 0;
		ssize_t res;

		if (src_fd < 0) {
			zc_end_close(&dst);
			continue;
		}
		while ((size_t)len < ZC_MIB &&
		       (res = pread(src_fd, text + len, ZC_MIB - (size_t)len, len)) > 0) {
			len += res;
		}
		src = lab_end(src_fd, ZC_DIR_SRC, true);
		assert_int_equal(src.ops->next(&src, 0, &span), 0);
		leg = lab_leg(&src, &dst,
		              zc_min_u64(span.len_bytes, (size_t)len == ZC_MIB ? ZC_MIB : UINT64_MAX));
		climb(&lab, &leg);
		assert_true(leg.done_bytes == (uint64_t)len);
		assert_true(lab_size(dst_fd) == (uint64_t)len);
		assert_true(pread(dst_fd, copy, (size_t)len, 0) == len);
		assert_memory_equal(text, copy, (size_t)len);
		lab_close(&lab);
		zc_end_close(&src);
		zc_end_close(&dst);
	}
	free(text);
	free(copy);
}

static void another_file_system(void **state)
{
	int src_fd = lab_source("/tmp", 300001, 12);
	int dst_fd = lab_file("/dev/shm", 0);
	struct zc_end src = lab_end(src_fd, ZC_DIR_SRC, true);
	struct zc_end dst = lab_end(dst_fd, ZC_DIR_DST, true);
	struct zc_leg leg = lab_leg(&src, &dst, 300001);
	struct lab lab;

	(void)state;
	climb(&lab, &leg);
	assert_true(leg.done_bytes == 300001 && lab_size(dst_fd) == 300001);
	assert_true(lab_fell_back(&lab, "reflink", "cfr"));
	lab_check(dst_fd, 0, 300001, 12, 0);
	lab_close(&lab);
	zc_end_close(&src);
	zc_end_close(&dst);
}

/* Every in-kernel route refuses O_APPEND in its own way; plain writes do not. */
static void append(void **state)
{
	int src_fd = lab_source("/tmp", 50001, 13);
	int dst_fd = lab_file("/tmp", 0);
	struct zc_end src = lab_end(src_fd, ZC_DIR_SRC, true);
	struct zc_end dst;
	struct zc_leg leg;
	struct lab lab;

	(void)state;
	lab_put(dst_fd, 0, 100, 14, 0);
	assert_int_equal(fcntl(dst_fd, F_SETFL, O_APPEND), 0);
	dst = lab_end(dst_fd, ZC_DIR_DST, false);
	leg = lab_leg(&src, &dst, 50001);
	climb(&lab, &leg);
	assert_true(leg.done_bytes == 50001 && lab_size(dst_fd) == 50101);
	lab_check(dst_fd, 0, 100, 14, 0);
	lab_check(dst_fd, 100, 50001, 13, 0);
	assert_true(lab_fell_back(&lab, "cfr", "sendfile"));
	assert_true(lab_fell_back(&lab, "splice", "buffer"));
	lab_close(&lab);
	close(dst_fd);
	zc_end_close(&src);
}

/* The last route's "not me" is the ladder's answer, and nothing is noted for want of a next one. */
static void no_route_left(void **state)
{
	static const enum zc_route_kind only = ZC_ROUTE_SENDFILE;
	struct lab_stream feeder;
	int src_fd = lab_feeder(&feeder, 1, 1000);
	int dst_fd = lab_file("/tmp", 0);
	struct zc_end src = lab_end(src_fd, ZC_DIR_SRC, true);
	struct zc_end dst = lab_end(dst_fd, ZC_DIR_DST, true);
	struct zc_leg leg = lab_leg(&src, &dst, ZC_SIZE_UNKNOWN);
	uint64_t moved[ZC_ROUTE_COUNT] = { 0 };
	struct lab lab;

	(void)state;
	lab_open(&lab, ZC_ENGINE_SYNC, 0, 0, 0);
	assert_int_equal(zc_copy(&lab.kit, &leg, &only, 1, moved), -EOPNOTSUPP);
	assert_string_equal(leg.err.op, "sendfile");
	assert_true(leg.err.code < 0 && leg.done_bytes == 0);
	assert_int_equal(lab.fallbacks.count, 0);
	lab_close(&lab);
	zc_end_close(&src);
	zc_end_close(&dst);
	lab_join(&feeder);
}

/* ---- splice */

static void pipe_to_pipe(void **state)
{
	static const uint64_t lens[] = { 0, 1, 65536, 65537, 3 * ZC_MIB + 11 };

	(void)state;
	for (unsigned l = 0; l < ZC_ARRAY_LEN(lens); l++) {
		struct lab_stream feeder;
		struct lab_stream drinker;
		struct zc_end src = lab_end(lab_feeder(&feeder, l, lens[l]), ZC_DIR_SRC, true);
		struct zc_end dst = lab_end(lab_drinker(&drinker, l), ZC_DIR_DST, true);
		struct zc_leg leg = lab_leg(&src, &dst, ZC_SIZE_UNKNOWN);
		struct lab lab;

		lab_open(&lab, ZC_ENGINE_SYNC, 0, 0, 0);
		assert_int_equal(move(&lab, ZC_ROUTE_SPLICE, &leg), 0);
		assert_true(leg.eof && leg.done_bytes == lens[l] && counted(&lab) == lens[l]);
		zc_end_close(&src);
		zc_end_close(&dst);
		lab_join(&feeder);
		lab_join(&drinker);
		assert_true(drinker.same && drinker.len_bytes == lens[l]);
		lab_close(&lab);
	}
}

/* Both sides O_NONBLOCK: EAGAIN is waited out, the flags stay. */
static void nonblocking_pipes(void **state)
{
	struct lab_stream feeder;
	struct lab_stream drinker;
	int in = lab_feeder(&feeder, 5, 700001);
	int out = lab_drinker(&drinker, 5);
	struct zc_end src;
	struct zc_end dst;
	struct zc_leg leg;
	struct lab lab;

	(void)state;
	assert_int_equal(fcntl(in, F_SETFL, O_NONBLOCK), 0);
	assert_int_equal(fcntl(out, F_SETFL, O_NONBLOCK), 0);
	src = lab_end(in, ZC_DIR_SRC, false);
	dst = lab_end(out, ZC_DIR_DST, false);
	leg = lab_leg(&src, &dst, ZC_SIZE_UNKNOWN);
	lab_open(&lab, ZC_ENGINE_SYNC, 0, 0, 0);
	assert_int_equal(move(&lab, ZC_ROUTE_SPLICE, &leg), 0);
	assert_true(leg.eof && leg.done_bytes == 700001);
	assert_true(fcntl(in, F_GETFL) & O_NONBLOCK);
	assert_true(fcntl(out, F_GETFL) & O_NONBLOCK);
	close(in);
	close(out);
	lab_join(&feeder);
	lab_join(&drinker);
	assert_true(drinker.same && drinker.len_bytes == 700001);
	lab_close(&lab);
}

static void pipe_to_file(void **state)
{
	(void)state;
	for (uint64_t off = 0; off < 9000; off += 4097) {
		struct lab_stream feeder;
		int dst_fd = guarded("/tmp", 10000);
		struct zc_end src = lab_end(lab_feeder(&feeder, off, 400003), ZC_DIR_SRC, true);
		struct zc_end dst = lab_end(dst_fd, ZC_DIR_DST, true);
		struct zc_leg leg = lab_leg(&src, &dst, ZC_SIZE_UNKNOWN);
		struct lab lab;

		lab_open(&lab, ZC_ENGINE_SYNC, 0, 0, 0);
		leg.span.off_bytes = off;
		assert_int_equal(move(&lab, ZC_ROUTE_SPLICE, &leg), 0);
		assert_true(leg.eof && leg.done_bytes == 400003 && lab_size(dst_fd) == off + 400003);
		assert_guard(dst_fd, 0, off);
		lab_check(dst_fd, off, 400003, off, 0);
		zc_end_close(&src);
		zc_end_close(&dst);
		lab_join(&feeder);
		lab_close(&lab);
	}
}

/* Both in-kernel ways from a file to a stream, from an inherited position, to a pipe and to a socket. */
static void file_to_stream(void **state)
{
	static const enum zc_route_kind kinds[] = { ZC_ROUTE_SENDFILE, ZC_ROUTE_SPLICE };
	const uint64_t base = 4099;
	const uint64_t len = ZC_MIB + 13;

	(void)state;
	for (unsigned k = 0; k < 2 * ZC_ARRAY_LEN(kinds); k++) {
		struct lab_stream drinker = { .seed = 21 };
		int src_fd = lab_file("/tmp", base);
		struct zc_end src;
		struct zc_end dst;
		struct zc_leg leg;
		struct lab lab;
		int out;

		if (k % 2 == 0) {
			out = lab_drinker(&drinker, 21);
		} else {
			int fds[2];

			assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), 0);
			drinker.fd = fds[0];
			out = fds[1];
			assert_int_equal(pthread_create(&drinker.thread, NULL, lab_drink, &drinker), 0);
		}
		lab_put(src_fd, base, len, 21, 0);
		lseek(src_fd, (off_t)base, SEEK_SET);
		src = lab_end(src_fd, ZC_DIR_SRC, false);
		dst = lab_end(out, ZC_DIR_DST, true);
		assert_true(src.shape.size_bytes == len);
		leg = lab_leg(&src, &dst, len);
		lab_open(&lab, ZC_ENGINE_SYNC, 0, 0, 0);
		assert_int_equal(move(&lab, kinds[k / 2], &leg), 0);
		assert_true(leg.done_bytes == len && counted(&lab) == len);
		zc_end_close(&dst);
		lab_join(&drinker);
		assert_true(drinker.same && drinker.len_bytes == len);
		lab_close(&lab);
		close(src_fd);
	}
}

/* The private pipe is full when the sink says no: what is in it is written plainly, then "not me", and the
 * buffer route goes on at the next byte. Appending shows any byte that came twice or not at all. */
static void refused_after_filling(void **state)
{
	static const uint64_t lens[] = { 1, 16384, 16385, 500009 };

	(void)state;
	for (unsigned l = 0; l < 2 * ZC_ARRAY_LEN(lens); l++) {
		const uint64_t len = lens[l / 2];
		const bool owned = l % 2; /* with and without a position */
		struct lab_stream feeder;
		int dst_fd = lab_file("/tmp", 0);
		struct zc_end src = lab_end(lab_feeder(&feeder, l, len), ZC_DIR_SRC, true);
		struct zc_end dst;
		struct zc_leg leg;
		struct lab lab;
		uint64_t done;

		assert_int_equal(fcntl(dst_fd, F_SETFL, O_APPEND), 0);
		dst = lab_end(dst_fd, ZC_DIR_DST, owned);
		dst.shape.caps &= ~(unsigned)ZC_CAP_APPEND; /* as if nobody had told */
		leg = lab_leg(&src, &dst, ZC_SIZE_UNKNOWN);
		assert_int_equal(lab_open(&lab, ZC_ENGINE_SYNC, 0, 1, 4096), 0);
		assert_int_equal(move(&lab, ZC_ROUTE_SPLICE, &leg), -EOPNOTSUPP);
		done = leg.done_bytes;
		assert_true(done > 0 && done <= len && !leg.eof && leg.err.code == -EINVAL);
		assert_true(lab_size(dst_fd) == done && counted(&lab) == done);
		lab_check(dst_fd, 0, done, l, 0);
		assert_int_equal(move(&lab, ZC_ROUTE_BUFFER, &leg), 0);
		assert_true(leg.eof && leg.done_bytes == len && lab_size(dst_fd) == len);
		lab_check(dst_fd, 0, len, l, 0);
		zc_end_close(&src);
		close(dst_fd);
		lab_join(&feeder);
		lab_close(&lab);
	}
}

/* What the sink says to the plain write is its own error. */
static void full_after_filling(void **state)
{
	struct lab_stream feeder;
	struct zc_end src = lab_end(lab_feeder(&feeder, 1, 5000), ZC_DIR_SRC, true);
	struct zc_end dst = lab_end(open("/dev/full", O_WRONLY | O_CLOEXEC), ZC_DIR_DST, true);
	struct zc_leg leg = lab_leg(&src, &dst, ZC_SIZE_UNKNOWN);
	struct lab lab;

	(void)state;
	lab_open(&lab, ZC_ENGINE_SYNC, 0, 0, 0);
	assert_int_equal(move(&lab, ZC_ROUTE_SPLICE, &leg), -ENOSPC);
	assert_int_equal(leg.err.side, ZC_SIDE_DST);
	assert_true(leg.done_bytes == 0 && leg.err.off_bytes == 0);
	zc_end_close(&src);
	zc_end_close(&dst);
	lab_join(&feeder);
	lab_close(&lab);
}

static void reader_gone(void **state)
{
	static const enum zc_route_kind kinds[] = { ZC_ROUTE_SPLICE, ZC_ROUTE_SENDFILE };

	(void)state;
	for (unsigned k = 0; k < ZC_ARRAY_LEN(kinds); k++) {
		struct zc_end src = lab_end(lab_source("/tmp", 100000, 1), ZC_DIR_SRC, true);
		struct zc_end dst;
		struct zc_leg leg;
		struct lab lab;
		int fds[2];

		assert_int_equal(pipe2(fds, O_CLOEXEC), 0);
		close(fds[0]);
		dst = lab_end(fds[1], ZC_DIR_DST, true);
		leg = lab_leg(&src, &dst, 100000);
		lab_open(&lab, ZC_ENGINE_SYNC, 0, 0, 0);
		assert_int_equal(move(&lab, kinds[k], &leg), -EPIPE);
		assert_int_equal(leg.err.side, ZC_SIDE_DST);
		assert_true(leg.done_bytes == 0);
		lab_close(&lab);
		zc_end_close(&src);
		zc_end_close(&dst);
	}
}

/* ---- stop */

static void stopped_before(void **state)
{
	static const enum zc_route_kind kinds[] = { ZC_ROUTE_CFR, ZC_ROUTE_SENDFILE, ZC_ROUTE_SPLICE };

	(void)state;
	for (unsigned k = 0; k < ZC_ARRAY_LEN(kinds); k++) {
		int dst_fd = lab_file("/tmp", 0);
		struct zc_end src = lab_end(lab_source("/tmp", 1000, 1), ZC_DIR_SRC, true);
		struct zc_end dst = lab_end(dst_fd, ZC_DIR_DST, true);
		struct zc_leg leg = lab_leg(&src, &dst, 1000);
		struct lab lab;
		int res;

		lab_open(&lab, ZC_ENGINE_SYNC, 0, 0, 0);
		__atomic_store_n(&zc_stop_signal, SIGINT, __ATOMIC_RELAXED);
		res = move(&lab, kinds[k], &leg);
		__atomic_store_n(&zc_stop_signal, 0, __ATOMIC_RELAXED);
		assert_int_equal(res, -ECANCELED);
		assert_int_equal(leg.err.side, ZC_SIDE_NONE);
		assert_true(leg.done_bytes == 0 && lab_size(dst_fd) == 0);
		lab_close(&lab);
		zc_end_close(&src);
		zc_end_close(&dst);
	}
}

/* Nothing to read, or no room to write: a signal ends the wait, blocking or not. */
static void stopped_waiting(void **state)
{
	(void)state;
	for (unsigned i = 0; i < 4; i++) {
		const bool to_write = i & 1;
		const int flags = O_CLOEXEC | (i & 2 ? O_NONBLOCK : 0);
		struct zc_end src;
		struct zc_end dst;
		struct zc_leg leg;
		struct lab lab;
		int in[2];
		int out[2];
		int res;

		assert_int_equal(pipe2(in, flags), 0);
		assert_int_equal(pipe2(out, flags), 0);
		src = to_write ? lab_end(lab_source("/tmp", 4 * ZC_MIB, 1), ZC_DIR_SRC, true)
		               : lab_end(in[0], ZC_DIR_SRC, false);
		dst = lab_end(out[1], ZC_DIR_DST, false);
		leg = lab_leg(&src, &dst, to_write ? 4 * ZC_MIB : ZC_SIZE_UNKNOWN);
		lab_open(&lab, ZC_ENGINE_SYNC, 0, 0, 0);
		lab_alarm(true);
		res = move(&lab, ZC_ROUTE_SPLICE, &leg);
		lab_alarm(false);
		__atomic_store_n(&zc_stop_signal, 0, __ATOMIC_RELAXED);
		assert_int_equal(res, -ECANCELED);
		if (to_write) {
			assert_true(leg.done_bytes > 0 && leg.done_bytes < 4 * ZC_MIB);
		} else {
			assert_true(leg.done_bytes == 0);
		}
		lab_close(&lab);
		zc_end_close(&src);
		for (int k = 0; k < 2; k++) {
			close(in[k]);
			close(out[k]);
		}
	}
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(parts),
		cmocka_unit_test(shorter_than_said),
		cmocka_unit_test(reflinks_whole_files_only),
		cmocka_unit_test(virtual_files),
		cmocka_unit_test(another_file_system),
		cmocka_unit_test(append),
		cmocka_unit_test(no_route_left),
		cmocka_unit_test(pipe_to_pipe),
		cmocka_unit_test(nonblocking_pipes),
		cmocka_unit_test(pipe_to_file),
		cmocka_unit_test(file_to_stream),
		cmocka_unit_test(refused_after_filling),
		cmocka_unit_test(full_after_filling),
		cmocka_unit_test(reader_gone),
		cmocka_unit_test(stopped_before),
		cmocka_unit_test(stopped_waiting),
	};

	signal(SIGPIPE, SIG_IGN);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
