/*
 * route_lab.h: what the tests of routes share: files and streams of gen: bytes, ends over them, and a kit.
 * Include it behind cmocka.h.
 */
#ifndef ZC_TEST_ROUTE_LAB_H
#define ZC_TEST_ROUTE_LAB_H

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <unistd.h>

#include "zcopy/route.h"

enum {
	LAB_CHUNK = 64 * 1024,
};

/* ---- bytes: the stream of a seed; byte i of a file or stream is byte i of its seed's */

static inline struct zc_end lab_gen(enum zc_dir dir, uint64_t seed, uint64_t size)
{
	struct zc_uri uri = { .kind = ZC_END_GEN, .seed = seed, .size_bytes = size };
	struct zc_end end;

	zc_end_from_synth(&end, &uri, dir);
	return end;
}

static inline void lab_make(uint8_t *mem, uint32_t len, uint64_t seed, uint64_t off)
{
	struct zc_end end = lab_gen(ZC_DIR_SRC, seed, ZC_SIZE_UNKNOWN);
	struct zc_req req = { .op = ZC_OP_READ, .mem = mem, .len_bytes = len, .off_bytes = off };

	end.ops->prep(&end, &req);
}

static inline bool lab_same(uint8_t *mem, uint32_t len, uint64_t seed, uint64_t off)
{
	struct zc_end end = lab_gen(ZC_DIR_DST, seed, 0);
	struct zc_req req = { .op = ZC_OP_WRITE, .mem = mem, .len_bytes = len, .off_bytes = off };

	end.ops->prep(&end, &req);
	return req.err == 0;
}

static inline uint64_t lab_random(uint64_t *state, uint64_t below)
{
	*state ^= *state << 13;
	*state ^= *state >> 7;
	*state ^= *state << 17;
	return *state % below;
}

/* ---- files */

static inline int lab_file(const char *place, uint64_t size)
{
	char path[64];
	int fd;

	snprintf(path, sizeof(path), "%s/zc-route-XXXXXX", place);
	fd = mkostemp(path, O_CLOEXEC);
	assert_true(fd >= 0);
	unlink(path);
	assert_int_equal(ftruncate(fd, (off_t)size), 0);
	return fd;
}

/* Writes bytes from..from+len of the seed's stream at off. */
static inline void lab_put(int fd, uint64_t off, uint64_t len, uint64_t seed, uint64_t from)
{
	static uint8_t chunk[LAB_CHUNK];

	while (len > 0) {
		uint32_t step = (uint32_t)zc_min_u64(len, LAB_CHUNK);

		lab_make(chunk, step, seed, from);
		assert_true(pwrite(fd, chunk, step, (off_t)off) == (ssize_t)step);
		off += step;
		from += step;
		len -= step;
	}
}

static inline int lab_source(const char *place, uint64_t size, uint64_t seed)
{
	int fd = lab_file(place, 0);

	lab_put(fd, 0, size, seed, 0);
	return fd;
}

static inline void lab_check(int fd, uint64_t off, uint64_t len, uint64_t seed, uint64_t from)
{
	static uint8_t chunk[LAB_CHUNK];

	while (len > 0) {
		uint32_t step = (uint32_t)zc_min_u64(len, LAB_CHUNK);

		assert_true(pread(fd, chunk, step, (off_t)off) == (ssize_t)step);
		assert_true(lab_same(chunk, step, seed, from));
		off += step;
		from += step;
		len -= step;
	}
}

static inline uint64_t lab_size(int fd)
{
	struct stat st;

	assert_int_equal(fstat(fd, &st), 0);
	return (uint64_t)st.st_size;
}

static inline struct zc_end lab_end(int fd, enum zc_dir dir, bool owned)
{
	struct zc_end end;

	assert_int_equal(zc_end_from_fd(&end, fd, dir, owned), 0);
	return end;
}

/* ---- streams: a thread that writes or reads the other side in odd pieces */

struct lab_stream {
	pthread_t thread;
	int fd;
	uint64_t seed;
	uint64_t len_bytes; /* feeder: to be written. drinker: what was read */
	bool same;          /* drinker: all of it is the seed's              */
};

static inline void *lab_feed(void *arg)
{
	struct lab_stream *stream = arg;
	uint64_t dice = stream->seed + 1;
	uint8_t *chunk = malloc(LAB_CHUNK);

	for (uint64_t at = 0; at < stream->len_bytes;) {
		uint32_t step = (uint32_t)zc_min_u64(stream->len_bytes - at, 1 + lab_random(&dice, 40000));
		ssize_t res;

		lab_make(chunk, step, stream->seed, at);
		res = write(stream->fd, chunk, step);
		if (res < 0 && errno != EAGAIN) {
			break;
		}
		at += res > 0 ? (uint64_t)res : 0;
	}
	free(chunk);
	close(stream->fd);
	return NULL;
}

static inline void *lab_drink(void *arg)
{
	struct lab_stream *stream = arg;
	uint64_t dice = stream->seed + 2;
	uint8_t *chunk = malloc(LAB_CHUNK);

	stream->same = true;
	for (;;) {
		ssize_t res = read(stream->fd, chunk, 1 + lab_random(&dice, 50000));

		if (res < 0 && errno == EAGAIN) {
			continue;
		}
		if (res <= 0) {
			break;
		}
		stream->same &= lab_same(chunk, (uint32_t)res, stream->seed, stream->len_bytes);
		stream->len_bytes += (uint64_t)res;
	}
	free(chunk);
	close(stream->fd);
	return NULL;
}

/* Returns the side to read from. */
static inline int lab_feeder(struct lab_stream *stream, uint64_t seed, uint64_t len)
{
	int fds[2];

	assert_int_equal(pipe2(fds, O_CLOEXEC), 0);
	*stream = (struct lab_stream){ .fd = fds[1], .seed = seed, .len_bytes = len };
	assert_int_equal(pthread_create(&stream->thread, NULL, lab_feed, stream), 0);
	return fds[0];
}

/* Returns the side to write to; closing it ends the thread. */
static inline int lab_drinker(struct lab_stream *stream, uint64_t seed)
{
	int fds[2];

	assert_int_equal(pipe2(fds, O_CLOEXEC), 0);
	*stream = (struct lab_stream){ .fd = fds[0], .seed = seed };
	assert_int_equal(pthread_create(&stream->thread, NULL, lab_drink, stream), 0);
	return fds[1];
}

static inline void lab_join(struct lab_stream *stream)
{
	assert_int_equal(pthread_join(stream->thread, NULL), 0);
}

/* ---- a kit */

struct lab {
	struct zc_kit kit;
	struct zc_progress progress;
	struct zc_fallbacks fallbacks;
};

/* Engine and pool; block_bytes 0: neither. 0 or the engine's refusal. */
static inline int lab_open(struct lab *lab, enum zc_engine_kind kind, unsigned threads, unsigned depth,
                           size_t block_bytes)
{
	struct zc_pool_cfg pool_cfg = {
		.buf_bytes = block_bytes, .buf_count = depth, .huge = ZC_HUGE_NEVER, .node = ZC_NODE_ANY
	};
	struct zc_engine_cfg engine_cfg = {
		.kind = kind, .depth = depth, .thread_count = threads, .node = ZC_NODE_ANY
	};
	int res;

	memset(lab, 0, sizeof(*lab));
	lab->kit = (struct zc_kit){
		.pipe = { -1, -1 }, .null_fd = -1, .progress = &lab->progress, .fallbacks = &lab->fallbacks
	};
	if (block_bytes == 0) {
		return 0;
	}
	assert_int_equal(zc_pool_create(&lab->kit.pool, &pool_cfg, NULL), 0);
	engine_cfg.pool = lab->kit.pool;
	res = zc_engine_open(&lab->kit.engine, &engine_cfg);
	if (res < 0) {
		zc_pool_destroy(lab->kit.pool);
		return res;
	}
	lab->kit.trips = zc_trips_alloc(depth);
	lab->kit.trip_count = depth;
	assert_non_null(lab->kit.trips);
	return 0;
}

/* No buffer may be missing, whatever happened. */
static inline void lab_close(struct lab *lab)
{
	if (lab->kit.engine != NULL) {
		assert_int_equal(zc_engine_in_flight(lab->kit.engine), 0);
	}
	zc_engine_close(lab->kit.engine);
	assert_int_equal(zc_pool_destroy(lab->kit.pool), 0);
	free(lab->kit.trips);
	for (int i = 0; i < 2; i++) {
		if (lab->kit.pipe[i] >= 0) {
			close(lab->kit.pipe[i]);
		}
	}
}

static inline bool lab_fell_back(const struct lab *lab, const char *from, const char *to)
{
	for (unsigned i = 0; i < lab->fallbacks.count; i++) {
		if (strcmp(lab->fallbacks.list[i].from, from) == 0 &&
		    strcmp(lab->fallbacks.list[i].to, to) == 0) {
			return true;
		}
	}
	return false;
}

/* The whole of a source, from its first byte on. */
static inline struct zc_leg lab_leg(struct zc_end *src, struct zc_end *dst, uint64_t len)
{
	return (struct zc_leg){ .src = src, .dst = dst, .span = { .kind = ZC_SPAN_DATA, .len_bytes = len } };
}

/* ---- what a machine may lack, and a signal */

static inline bool lab_has_ring(const char *test)
{
	struct zc_engine_cfg cfg = { .kind = ZC_ENGINE_URING, .depth = 1, .node = ZC_NODE_ANY };
	struct zc_engine *ring;
	int code = zc_engine_open(&ring, &cfg);

	if (code == 0) {
		zc_engine_close(ring);
	} else {
		printf("%s: the ring is not tested: %s\n", test, zc_errno_name(code));
	}
	return code == 0;
}

static inline void lab_on_alarm(int signal_number)
{
	__atomic_store_n(&zc_stop_signal, signal_number, __ATOMIC_RELAXED);
}

/* Again and again: the first may come before the wait. */
static inline void lab_alarm(bool on)
{
	struct sigaction action = { .sa_handler = lab_on_alarm };
	struct itimerval timer = { .it_interval = { .tv_usec = on ? 20000 : 0 },
		                   .it_value = { .tv_usec = on ? 20000 : 0 } };

	sigaction(SIGALRM, &action, NULL);
	setitimer(ITIMER_REAL, &timer, NULL);
}

#endif
