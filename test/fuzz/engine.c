/*
 * engine: the buffer route over an engine whose every step the input decides: which request is performed
 * next, what the system call under it answers, in which order completions come back. Either the destination
 * is the source, or an error that was really made is reported and what is said to be done is done.
 */
#include <errno.h>
#include <stdio.h>
#include <sys/mman.h>
#include <unistd.h>

#include "fuzz.h"
#include "req.h"
#include "zcopy/route.h"

enum {
	DEPTH_MAX = 8,
	SIZE_MAX_BYTES = 96 * 1024,
	BUFFER_MAX = 32768,
};

static struct fuzz_input input;
static bool armed;
static int made; /* the last error that ends a request */

/* What the next system call does: its length may be cut to *len, or it fails with the result. */
static int fault(size_t *len, bool is_write)
{
	static const int codes[] = { EINTR, EIO,    ENOSPC, EDQUOT, EFBIG,   ESTALE,   ETIMEDOUT,
		                     EBADF, EINVAL, EFAULT, EPIPE,  EUCLEAN, EREMOTEIO };
	static const size_t lens[] = { 1, 511, 512, 4095, 4096, 0, 3, 100 };
	unsigned byte = armed ? fuzz_byte(&input) : 0;
	size_t most = lens[byte % 8];
	int code = codes[byte % ZC_ARRAY_LEN(codes)];

	if (byte < 192) { /* of a read, nothing at all would be the end of the file */
		most = byte < 128 || (most == 0 && !is_write) ? *len : most;
		made = most == 0 && *len > 0 ? -EIO : made;
		*len = zc_min_u64(*len, most);
		return 0;
	}
	made = code == EINTR ? made : -code;
	return code;
}

ssize_t FUZZ_REAL(pread)(int fd, void *mem, size_t len, off_t off);
ssize_t FUZZ_WRAP(pread)(int fd, void *mem, size_t len, off_t off);
ssize_t FUZZ_WRAP(pread)(int fd, void *mem, size_t len, off_t off)
{
	int code = fault(&len, false);

	errno = code;
	return code != 0 ? -1 : FUZZ_REAL(pread)(fd, mem, len, off);
}

ssize_t FUZZ_REAL(pwrite)(int fd, const void *mem, size_t len, off_t off);
ssize_t FUZZ_WRAP(pwrite)(int fd, const void *mem, size_t len, off_t off);
ssize_t FUZZ_WRAP(pwrite)(int fd, const void *mem, size_t len, off_t off)
{
	int code = fault(&len, true);

	errno = code;
	return code != 0 ? -1 : FUZZ_REAL(pwrite)(fd, mem, len, off);
}

/* ---- an engine that keeps what it is given until it is asked, and then takes any of it */

struct chaos {
	struct zc_engine base;
	struct zc_req *held[DEPTH_MAX];
	unsigned count;
};

static void chaos_submit(struct zc_engine *engine, struct zc_req *const *reqs, unsigned count)
{
	struct chaos *chaos = (struct chaos *)engine;

	for (unsigned i = 0; i < count; i++) {
		zc_verify(chaos->count < DEPTH_MAX);
		chaos->held[chaos->count++] = reqs[i];
	}
}

static unsigned chaos_reap(struct zc_engine *engine, struct zc_req **ret_done, unsigned max,
                           unsigned wait_min)
{
	struct chaos *chaos = (struct chaos *)engine;
	unsigned count = 0;
	unsigned wanted = wait_min + fuzz_byte(&input) % 3;

	while (count < wanted && count < max && chaos->count > 0) {
		unsigned at = fuzz_byte(&input) % chaos->count;

		ret_done[count] = chaos->held[at];
		chaos->held[at] = chaos->held[--chaos->count];
		zc_req_perform(ret_done[count++]);
	}
	return count;
}

static const struct zc_engine_ops chaos_ops = { .name = "chaos", .submit = chaos_submit, .reap = chaos_reap };

/* ---- files in memory */

static uint8_t bytes[SIZE_MAX_BYTES];

static struct zc_end open_end(enum zc_dir dir, size_t size, unsigned zeros)
{
	static int fds[2] = { -1, -1 };
	struct zc_end end;
	int fd;

	if (fds[dir] < 0) {
		fds[dir] = memfd_create("end", MFD_CLOEXEC);
	}
	zc_verify(ftruncate(fds[dir], 0) == 0);
	fd = dup(fds[dir]);
	if (dir == ZC_DIR_SRC) {
		for (size_t i = 0; i < size; i++) {
			bytes[i] = zeros && i / 4096 % zeros == 0 ? 0 : (uint8_t)(i * 131 + i / 4096 + 1);
		}
		zc_verify(pwrite(fd, bytes, size, 0) == (ssize_t)size);
	}
	zc_verify(zc_end_from_fd(&end, fd, dir, true) == 0);
	return end;
}

/* all: of the source's bytes; else each that is there is the source's, or was not written. */
static void check_bytes(int fd, size_t size, bool all)
{
	static uint8_t copy[SIZE_MAX_BYTES];
	ssize_t len = pread(fd, copy, sizeof(copy), 0);

	zc_verify(len >= 0 && (size_t)len <= size);
	memset(copy + len, 0, sizeof(copy) - (size_t)len); /* a hole at the end: finish sets the length */
	for (size_t i = 0; i < size; i++) {
		zc_verify(copy[i] == bytes[i] || (!all && copy[i] == 0));
	}
}

static void copy(struct zc_kit *kit, size_t size, unsigned zeros, bool to_end)
{
	struct zc_end src = open_end(ZC_DIR_SRC, size, zeros);
	struct zc_end dst = open_end(ZC_DIR_DST, 0, 0);
	struct zc_leg leg = {
		.src = &src,
		.dst = &dst,
		.span = { .kind = ZC_SPAN_DATA, .len_bytes = to_end ? ZC_SIZE_UNKNOWN : size },
		.sparse_bytes = zeros ? 4096 : 0,
	};
	int res;

	made = 0;
	armed = true;
	res = zc_copy_buffer(kit, &leg);
	armed = false;
	zc_verify(res == leg.err.code && leg.done_bytes <= size);
	zc_verify(zc_engine_in_flight(kit->engine) == 0 && ((struct chaos *)kit->engine)->count == 0);
	zc_verify(zc_pool_free_count(kit->pool) == zc_pool_buf_count(kit->pool));
	check_bytes(dst.shape.fd, size, res == 0);
	if (res == 0) {
		zc_verify(leg.done_bytes == size && leg.eof == to_end);
	} else {
		zc_verify(made != 0 && leg.err.op && leg.err.side != ZC_SIDE_NONE);
	}
	zc_verify(zc_end_close(&src) == 0 && zc_end_close(&dst) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len_bytes)
{
	static _Alignas(65536) uint8_t mem[DEPTH_MAX * BUFFER_MAX];
	static _Alignas(64) uint8_t storage[16384];
	struct zc_progress progress = { 0 };
	struct zc_fallbacks fallbacks = { .count = 0 };
	struct zc_kit kit = {
		.pipe = { -1, -1 }, .null_fd = -1, .progress = &progress, .fallbacks = &fallbacks
	};
	struct chaos chaos = { .base.ops = &chaos_ops };
	unsigned shape;
	size_t size;

	input = (struct fuzz_input){ data, len_bytes };
	shape = fuzz_byte(&input);
	size = fuzz_byte(&input) << 8;
	size = (size + fuzz_byte(&input)) % SIZE_MAX_BYTES;
	kit.trip_count = chaos.base.depth = 1 + shape % DEPTH_MAX;
	kit.engine = &chaos.base;
	kit.trips = zc_trips_alloc(kit.trip_count);
	zc_verify(kit.trips && zc_pool_static_bytes(kit.trip_count) <= sizeof(storage));
	kit.pool = zc_pool_static(storage, mem, BUFFER_MAX >> (shape / 8 % 4), kit.trip_count);
	copy(&kit, size, shape & 32 ? 1 + shape / 64 : 0, shape & 64);
	zc_verify(zc_pool_destroy(kit.pool) == 0);
	free(kit.trips);
	return 0;
}
