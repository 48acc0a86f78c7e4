/*
 * fan.c: further sinks of the same bytes (--tee). The memory that the source was read into is what each of
 * them is written from; between pipes tee(2) passes the pages.
 *
 *   buffers:  source -> block -+-> sink, sink ...   by the tap of the buffer route, in the order of reading
 *                              +-> the destination
 *   pipes:    source -> private pipe --tee--> pipe of sink 1 --splice--> sink 1
 *                            |       --tee--> pipe of sink 2 --splice--> sink 2
 *                            +-------splice-> the destination
 *
 * The pipe of a sink holds what it still has to get of one turn: so one that is full keeps nobody from
 * theirs until all others have got them, and then its policy says what is done about it.
 */
#include "fan.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <sys/uio.h>
#include <unistd.h>

#include "kernel.h"

static bool fan_is_alive(const struct zc_fan_sink *sink)
{
	return sink->err.code == 0;
}

static void fan_fail(struct zc_fan_sink *sink, const char *op, int code)
{
	zc_err_set(&sink->err, code, ZC_SIDE_DST, op, sink->done_bytes);
}

static void fan_took(struct zc_fan_sink *sink, const void *mem, size_t len)
{
	if (sink->tap != NULL) {
		sink->tap(sink->tap_arg, sink->done_bytes, mem, len);
	}
	sink->done_bytes += len;
}

/* Is it ready, now or as soon as its policy lets the others wait? */
static bool fan_is_ready(const struct zc_fan_sink *sink)
{
	struct pollfd pfd = { .fd = sink->end->shape.fd, .events = POLLOUT };

	return poll(&pfd, 1, sink->policy == ZC_FAN_FAIL ? ZC_FAN_FAIL_MS : 0) != 0;
}

/* What a sink that may not keep the others waiting takes at once. Bytes or -errno, -EAGAIN: nothing. */
static ssize_t fan_offer(const struct zc_fan_sink *sink, const uint8_t *mem, size_t len)
{
	const struct iovec part = { .iov_base = (void *)(uintptr_t)mem, .iov_len = len };
	int fd = sink->end->shape.fd;
	ssize_t res = pwritev2(fd, &part, 1, -1, RWF_NOWAIT);

	if (res < 0 && (errno == EOPNOTSUPP || errno == ENOSYS || errno == EINVAL || errno == EPERM ||
	                errno == ESPIPE)) {
		struct pollfd pfd = { .fd = fd, .events = POLLOUT };

		/* a pipe with room for anything has room for so much */
		res = poll(&pfd, 1, 0) > 0 ? write(fd, mem, zc_min_u64(len, PIPE_BUF)) : (errno = EAGAIN, -1);
	}
	return res < 0 ? -errno : res;
}

/* A stream whose policy is not to wait. */
static void fan_write_ready(struct zc_fan_sink *sink, const uint8_t *mem, size_t len)
{
	while (len > 0 && !zc_stopped()) {
		ssize_t res = fan_offer(sink, mem, len);

		if (res > 0) {
			fan_took(sink, mem, (size_t)res);
			mem += res;
			len -= (size_t)res;
		} else if (res == 0 || (res != -EAGAIN && res != -EINTR)) {
			fan_fail(sink, "write", res == 0 ? -EIO : (int)res);
			return;
		} else if (res == -EAGAIN && !fan_is_ready(sink)) {
			break;
		}
	}
	sink->dropped_bytes += len;
	if (len > 0 && sink->policy == ZC_FAN_FAIL && !zc_stopped()) {
		fan_fail(sink, "write", -ETIME);
	}
}

static void fan_write_one(struct zc_fan *fan, struct zc_fan_sink *sink, const uint8_t *mem, size_t len)
{
	struct zc_end *end = sink->end;

	if (sink->policy != ZC_FAN_BLOCK && (end->shape.caps & (ZC_CAP_PIPE | ZC_CAP_SOCK))) {
		fan_write_ready(sink, mem, len);
		return;
	}
	while (len > 0 && fan_is_alive(sink)) {
		struct zc_req req = {
			.op = ZC_OP_WRITE,
			.mem = (uint8_t *)(uintptr_t)mem,
			.len_bytes = (uint32_t)zc_min_u64(len, ZC_GIB),
			.off_bytes = sink->done_bytes,
		};
		struct zc_req *one = &req;

		if (!end->ops->prep(end, &req)) {
			zc_engine_submit(fan->engine, &one, 1);
			(void)zc_engine_reap(fan->engine, &one, 1, 1);
		}
		fan_took(sink, mem, req.done_bytes);
		mem += req.done_bytes;
		len -= req.done_bytes;
		if (req.err < 0) {
			fan_fail(sink, "write", req.err);
		}
	}
}

void zc_fan_write(struct zc_fan *fan, const void *mem, size_t len_bytes)
{
	for (unsigned i = 0; i < fan->count; i++) {
		if (fan_is_alive(&fan->sinks[i])) {
			fan_write_one(fan, &fan->sinks[i], mem, len_bytes);
		}
	}
}

/* ---- pipes */

const char *zc_fan_unfit(const struct zc_fan *fan)
{
	for (unsigned i = 0; fan != NULL && i < fan->count; i++) {
		unsigned caps = fan->sinks[i].end->shape.caps;

		if (!(caps & ZC_CAP_PIPE) || (caps & ZC_CAP_APPEND)) {
			return "not every end of --tee is a pipe";
		}
	}
	return NULL;
}

int fan_open(struct zc_fan *fan, uint32_t pipe_bytes)
{
	for (unsigned i = 0; fan != NULL && i < fan->count; i++) {
		struct zc_fan_sink *sink = &fan->sinks[i];

		if (sink->pipe[0] >= 0) {
			continue;
		}
		if (pipe2(sink->pipe, O_CLOEXEC) < 0) {
			sink->pipe[0] = sink->pipe[1] = -1;
			return -errno;
		}
		(void)fcntl(sink->end->shape.fd, F_SETPIPE_SZ, pipe_bytes);
		(void)fcntl(sink->pipe[1], F_SETPIPE_SZ, pipe_bytes);
		if (fcntl(sink->pipe[1], F_GETPIPE_SZ) != (int)pipe_bytes) {
			return -ENOBUFS; /* it might not hold what the others do */
		}
	}
	return 0;
}

void zc_fan_close(struct zc_fan *fan)
{
	for (unsigned i = 0; i < fan->count; i++) {
		for (int n = 0; n < 2; n++) {
			if (fan->sinks[i].pipe[n] >= 0) {
				close(fan->sinks[i].pipe[n]);
			}
			fan->sinks[i].pipe[n] = -1;
		}
	}
}

/* From its own pipe to the sink as long as that takes any; wait: until it has all. 0, or -errno. */
static int fan_pass(struct zc_fan_sink *sink, bool wait)
{
	int fd = sink->end->shape.fd;

	while (sink->owed_bytes > 0) {
		ssize_t res =
		    splice(sink->pipe[0], NULL, fd, NULL, sink->owed_bytes, wait ? 0 : SPLICE_F_NONBLOCK);

		if (res > 0) {
			sink->done_bytes += (uint64_t)res;
			sink->owed_bytes -= (size_t)res;
		} else if (zc_stopped()) {
			return -ECANCELED;
		} else if (res < 0 && errno == EAGAIN && wait) {
			(void)kernel_wait(fd, true);
		} else if (res == 0 || errno != EINTR) {
			return res == 0 ? -EIO : -errno;
		}
	}
	return 0;
}

/* What it will not get, out of its pipe. */
static void fan_drop(struct zc_fan_sink *sink)
{
	char block[16384];

	sink->dropped_bytes += sink->owed_bytes;
	while (sink->owed_bytes > 0) {
		ssize_t got = read(sink->pipe[0], block, zc_min_u64(sink->owed_bytes, sizeof(block)));

		if (got <= 0 && errno != EINTR) {
			fan_fail(sink, "read", got == 0 ? -EIO : -errno);
			return;
		}
		sink->owed_bytes -= got > 0 ? (size_t)got : 0;
	}
}

/* The second time: by its policy. */
static void fan_settle(struct zc_fan_sink *sink)
{
	int res;

	if (sink->policy == ZC_FAN_BLOCK) {
		res = fan_pass(sink, true);
	} else {
		do {
			res = fan_pass(sink, false);
		} while (res == -EAGAIN && sink->policy == ZC_FAN_FAIL && !zc_stopped() &&
		         fan_is_ready(sink));
	}
	if (res == -EAGAIN && sink->policy == ZC_FAN_DROP) {
		fan_drop(sink);
	} else if (res < 0 && res != -ECANCELED) {
		fan_fail(sink, "splice", res == -EAGAIN ? -ETIME : res);
	}
}

int fan_tee(struct zc_fan *fan, int from_fd, size_t len)
{
	bool began = false;

	for (unsigned i = 0; fan != NULL && i < fan->count; i++) {
		struct zc_fan_sink *sink = &fan->sinks[i];
		ssize_t res;

		if (!fan_is_alive(sink)) {
			continue;
		}
		res = tee(from_fd, sink->pipe[1], len, 0);
		if (res < 0 && !began && !fan->teed) {
			return -errno;
		}
		if (res != (ssize_t)len) {
			fan_fail(sink, "tee", res < 0 ? -errno : -EIO);
			continue;
		}
		began = fan->teed = true;
		sink->owed_bytes = len;
		res = fan_pass(sink, false);
		if (res < 0 && res != -EAGAIN && res != -ECANCELED) {
			fan_fail(sink, "splice", (int)res);
		}
	}
	for (unsigned i = 0; fan != NULL && i < fan->count; i++) {
		if (fan_is_alive(&fan->sinks[i]) && fan->sinks[i].owed_bytes > 0) {
			fan_settle(&fan->sinks[i]);
		}
	}
	return 0;
}
