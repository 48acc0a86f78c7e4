/*
 * splice.c: pages are passed by reference, source -> our private pipe -> sink. One end is a pipe or socket.
 *
 * The private pipe stands between the ends always, also when both are pipes: whichever call fails then
 * names the guilty side (coreutils' cat, 9.11, for the same reason). What is in it is owed to the sink:
 * when the sink refuses splice, those bytes are read back and written plainly before "not me" is said,
 * so that done_bytes is exact.
 *
 * Inherited descriptors keep their flags: where O_NONBLOCK is set by somebody else, EAGAIN is polled.
 */
#include "fan.h"
#include "kernel.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <unistd.h>

/* More than this measured no better here, and a user may have 64 MiB in pipes (pipe-user-pages-soft). */
#define SPLICE_PIPE_BYTES       (1024 * 1024)
#define SPLICE_PIPE_BYTES_LEAST 4096

static const char *splice_unfit(const struct zc_shape *src, const struct zc_shape *dst)
{
	const unsigned passes = ZC_CAP_PIPE | ZC_CAP_SOCK;

	if ((src->caps & ZC_CAP_SYNTH) || (dst->caps & (ZC_CAP_SYNTH | ZC_CAP_DISCARD)) == ZC_CAP_SYNTH) {
		return "an end has no descriptor";
	}
	if (!((src->caps | dst->caps) & passes)) {
		return "neither end is a pipe or socket";
	}
	if ((dst->caps & ZC_CAP_DISCARD) && !(src->caps & ZC_CAP_PIPE)) {
		return "only what is in a pipe can be discarded unread";
	}
	if (dst->caps & ZC_CAP_APPEND) {
		return "the destination is open for appending";
	}
	return NULL;
}

int kernel_wait(int fd, bool to_write)
{
	struct pollfd pfd = { .fd = fd, .events = to_write ? POLLOUT : POLLIN };

	while (!zc_stopped()) {
		int res = poll(&pfd, 1, -1);

		if (res > 0 || (res < 0 && errno != EINTR)) {
			return 0;
		}
	}
	return -ECANCELED;
}

/* Grows a pipe as far as the limits on all pipes of a user let it; never shrinks one. Its size. */
static uint32_t splice_grow(struct zc_kit *kit, int fd, const char *whose)
{
	int size = fcntl(fd, F_GETPIPE_SZ);
	int code = 0;

	for (int want = SPLICE_PIPE_BYTES; size > 0 && want > size; want /= 2) {
		int got = fcntl(fd, F_SETPIPE_SZ, want);

		if (got > 0) {
			size = got;
			break;
		}
		code = code == 0 ? -errno : code;
	}
	if (code < 0) {
		zc_fallback_add(kit->fallbacks, whose, "a smaller one", "fcntl F_SETPIPE_SZ", code);
	}
	return size > 0 ? (uint32_t)size : SPLICE_PIPE_BYTES_LEAST;
}

void kernel_grow_pipes(struct zc_kit *kit, const struct zc_leg *leg)
{
	const struct zc_shape *src = &leg->src->shape;
	const struct zc_shape *dst = &leg->dst->shape;

	kit->src_pipe_bytes = src->caps & ZC_CAP_PIPE ? splice_grow(kit, src->fd, "source pipe of 1 MiB") : 0;
	kit->dst_pipe_bytes =
	    dst->caps & ZC_CAP_PIPE ? splice_grow(kit, dst->fd, "destination pipe of 1 MiB") : 0;
}

/* Page references are dropped at once. */
static bool splice_discards(const struct zc_leg *leg)
{
	return (leg->dst->shape.caps & ZC_CAP_DISCARD) && leg->fan == NULL;
}

static int splice_sink_fd(const struct zc_kit *kit, const struct zc_leg *leg)
{
	return leg->dst->shape.caps & ZC_CAP_DISCARD ? kit->null_fd : leg->dst->shape.fd;
}

/* Opens what stands between the ends: the private pipe; nothing is needed before one that discards. */
static int splice_open(struct zc_kit *kit, const struct zc_leg *leg, const char **ret_op)
{
	*ret_op = "openat";
	if ((leg->dst->shape.caps & ZC_CAP_DISCARD) && kit->null_fd < 0) {
		kit->null_fd = open("/dev/null", O_WRONLY | O_CLOEXEC);
		if (kit->null_fd < 0) {
			return -errno;
		}
	}
	*ret_op = "pipe2";
	if (kit->pipe[0] >= 0 || splice_discards(leg)) {
		return 0;
	}
	if (pipe2(kit->pipe, O_CLOEXEC) < 0) {
		kit->pipe[0] = kit->pipe[1] = -1; /* reads and writes serve */
		return -errno;
	}
	kit->pipe_bytes = splice_grow(kit, kit->pipe[1], "1 MiB pipe");
	return 0;
}

/* One splice; waits on EAGAIN, repeats on EINTR. Bytes, 0 at the end, or -errno. */
static ssize_t splice_once(int in_fd, int64_t *in_off, int out_fd, int64_t *out_off, size_t len, bool filling)
{
	for (;;) {
		ssize_t res = splice(in_fd, in_off, out_fd, out_off, len, SPLICE_F_MOVE);

		if (res >= 0) {
			return res;
		}
		if (zc_stopped()) {
			return -ECANCELED;
		}
		if (errno == EAGAIN) {
			int code = filling ? kernel_wait(in_fd, false) : kernel_wait(out_fd, true);

			if (code < 0) {
				return code;
			}
		} else if (errno != EINTR) {
			return -errno;
		}
	}
}

/* The sink refused splice, or fan's did tee: the bytes in the private pipe go by read and write. */
static int splice_drain(struct zc_kit *kit, struct zc_leg *leg, size_t owed, struct zc_fan *fan)
{
	char block[16384];
	bool seek = (leg->dst->shape.caps & (ZC_CAP_SEEK | ZC_CAP_DISCARD)) == ZC_CAP_SEEK;
	int fd = splice_sink_fd(kit, leg);

	while (owed > 0) {
		ssize_t got = read(kit->pipe[0], block, zc_min_u64(owed, sizeof(block)));
		ssize_t put = 0;

		if (got < 0 && errno == EINTR && !zc_stopped()) {
			continue;
		}
		if (got <= 0) {
			return kernel_fail(leg, ZC_SIDE_ENGINE, "read", got == 0 ? -EIO : -errno);
		}
		if (fan != NULL) {
			zc_fan_write(fan, block, (size_t)got);
		}
		while (put < got) {
			ssize_t res =
			    seek ? pwrite(fd, block + put, (size_t)(got - put), kernel_off(leg->dst, leg))
				 : write(fd, block + put, (size_t)(got - put));

			if (res > 0) {
				put += res;
				kernel_moved(kit, leg, (size_t)res);
			} else if (res == 0) {
				return kernel_fail(leg, ZC_SIDE_DST, "write", -EIO);
			} else if (errno == EAGAIN) {
				if (kernel_wait(fd, true) < 0) {
					return kernel_fail(leg, ZC_SIDE_NONE, "write", -ECANCELED);
				}
			} else if (errno != EINTR || zc_stopped()) {
				return kernel_fail(leg, ZC_SIDE_DST, "write",
				                   zc_stopped() ? -ECANCELED : -errno);
			}
		}
		owed -= (size_t)got;
	}
	return 0;
}

/* Private pipe -> sink, all of what is owed. */
static int splice_out(struct zc_kit *kit, struct zc_leg *leg, size_t owed, bool began)
{
	bool seek = (leg->dst->shape.caps & (ZC_CAP_SEEK | ZC_CAP_DISCARD)) == ZC_CAP_SEEK;
	int fd = splice_sink_fd(kit, leg);

	zc_progress_wait(kit->progress, ZC_SIDE_DST);
	while (owed > 0) {
		int64_t off = kernel_off(leg->dst, leg);
		ssize_t res = splice_once(kit->pipe[0], NULL, fd, seek ? &off : NULL, owed, false);

		if (res > 0) {
			kernel_moved(kit, leg, (size_t)res);
			owed -= (size_t)res;
			began = true;
			continue;
		}
		if (res == -ECANCELED || res == -EPIPE || res == -ENOSPC || res == -EDQUOT || res == -EFBIG ||
		    began || kernel_is_peer_lost(leg->dst, (int)res)) {
			return kernel_fail(leg, ZC_SIDE_DST, "splice", res == 0 ? -EIO : (int)res);
		}
		if (splice_drain(kit, leg, owed, NULL) < 0) {
			return leg->err.code;
		}
		return kernel_not_me(leg, "splice", (int)res);
	}
	return 0;
}

/* One turn: what the source gives at once, and all of it to the sink. Bytes, 0 at the end, or -errno. */
static ssize_t splice_turn(struct zc_kit *kit, struct zc_leg *leg, bool began)
{
	bool seek = leg->src->shape.caps & ZC_CAP_SEEK;
	bool discard = splice_discards(leg);
	int64_t off = kernel_off(leg->src, leg);
	size_t want =
	    (size_t)zc_min_u64(kernel_step(kit, leg), discard ? SPLICE_PIPE_BYTES : kit->pipe_bytes);
	ssize_t got;
	int code;

	if (zc_stopped()) {
		return kernel_fail(leg, ZC_SIDE_NONE, "splice", -ECANCELED);
	}
	zc_progress_wait(kit->progress, ZC_SIDE_SRC);
	got = splice_once(leg->src->shape.fd, seek ? &off : NULL, discard ? kit->null_fd : kit->pipe[1], NULL,
	                  want, true);
	if (got == 0 && !seek) {
		leg->eof = true; /* every writer of the pipe is gone */
		return 0;
	}
	if (got == 0 ||
	    (got < 0 && !began && got != -ECANCELED && !kernel_is_peer_lost(leg->src, (int)got))) {
		return kernel_not_me(leg, "splice", (int)got);
	}
	if (got < 0) {
		return kernel_fail(leg, got == -ECANCELED ? ZC_SIDE_NONE : ZC_SIDE_SRC, "splice", (int)got);
	}
	if (discard) {
		kernel_moved(kit, leg, (size_t)got);
		return got;
	}
	code = fan_tee(leg->fan, kit->pipe[0], (size_t)got);
	if (code < 0) {
		int drained = splice_drain(kit, leg, (size_t)got, leg->fan);

		return drained < 0 ? drained : kernel_not_me(leg, "tee", code);
	}
	code = splice_out(kit, leg, (size_t)got, began);
	return code < 0 ? code : got;
}

static int splice_move(struct zc_kit *kit, struct zc_leg *leg)
{
	const char *op;
	bool began = false;
	int code = splice_open(kit, leg, &op);

	if (code < 0) {
		return kernel_not_me(leg, op, code);
	}
	kernel_grow_pipes(kit, leg);
	code = fan_open(leg->fan, kit->pipe_bytes);
	if (code < 0) {
		return kernel_not_me(leg, "pipe2", code);
	}
	while (!kernel_done(leg) && !leg->eof) {
		ssize_t res = splice_turn(kit, leg, began);

		if (res < 0) {
			return (int)res;
		}
		began = true;
	}
	return 0;
}

const struct zc_route_ops zc_route_splice = {
	.kind = ZC_ROUTE_SPLICE,
	.name = "splice",
	.unfit = splice_unfit,
	.move = splice_move,
};
