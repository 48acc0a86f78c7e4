/*
 * sendfile.c: file to file where copy_file_range is refused (another file system), file to socket and
 * file to pipe. The kernel splices through a pipe of its own.
 *
 * It writes at the sink's file position, so a sink that we position in is positioned first. What is "not
 * me" and what is final is as in cfr.c.
 */
#include "kernel.h"

#include <errno.h>
#include <sys/sendfile.h>
#include <unistd.h>

/* To a peer: it returns when all is sent, and a link may be slow. */
#define STREAM_STEP_BYTES (4 * ZC_MIB)

static const char *sendfile_unfit(const struct zc_shape *src, const struct zc_shape *dst)
{
	if (!(src->caps & (ZC_CAP_REG | ZC_CAP_BLOCK))) {
		return "the source must be a file or a block device";
	}
	if (dst->caps & ZC_CAP_SYNTH) {
		return "the destination has no descriptor";
	}
	if (dst->caps & ZC_CAP_APPEND) {
		return "the destination is open for appending";
	}
	return NULL;
}

static int sendfile_move(struct zc_kit *kit, struct zc_leg *leg)
{
	int dst_fd = leg->dst->shape.fd;
	uint64_t most = leg->dst->shape.caps & ZC_CAP_REG ? KERNEL_STEP_BYTES : STREAM_STEP_BYTES;

	if ((leg->dst->shape.caps & ZC_CAP_SEEK) && lseek(dst_fd, kernel_off(leg->dst, leg), SEEK_SET) < 0) {
		return kernel_not_me(leg, "lseek", -errno);
	}
	while (!kernel_done(leg)) {
		off_t src_off = kernel_off(leg->src, leg);
		size_t want = (size_t)zc_min_u64(kernel_step(kit, leg), most);
		ssize_t res;

		if (zc_stopped()) {
			return kernel_fail(leg, ZC_SIDE_NONE, "sendfile", -ECANCELED);
		}
		res = sendfile(dst_fd, leg->src->shape.fd, &src_off, want);
		if (res > 0) {
			kernel_moved(kit, leg, (size_t)res);
			continue;
		}
		if (res == 0) {
			return kernel_not_me(leg, "sendfile", 0);
		}
		if (errno == EINTR) {
			continue;
		}
		if (errno == EAGAIN && !(leg->dst->shape.caps & ZC_CAP_REG)) { /* a file has no readiness */
			if (kernel_wait(dst_fd, true) < 0) {
				return kernel_fail(leg, ZC_SIDE_NONE, "sendfile", -ECANCELED);
			}
			continue;
		}
		if (errno == ENOSPC || errno == EDQUOT || errno == EFBIG || errno == EPIPE ||
		    kernel_is_peer_lost(leg->dst, -errno)) {
			return kernel_fail(leg, ZC_SIDE_DST, "sendfile", -errno);
		}
		return kernel_not_me(leg, "sendfile", -errno);
	}
	return 0;
}

const struct zc_route_ops zc_route_sendfile = {
	.kind = ZC_ROUTE_SENDFILE,
	.name = "sendfile",
	.unfit = sendfile_unfit,
	.move = sendfile_move,
};
