/*
 * cfr.c: copy_file_range(2): the file system moves the bytes, on network file systems at the server.
 *
 * Its refusals have many faces (coreutils, Go and systemd met them one by one): 0 on the first call for
 * /proc-like files, EXDEV, EINVAL, EOPNOTSUPP, ENOSYS, EPERM (seccomp), EBADF (O_APPEND), ENOENT (CIFS),
 * ETXTBSY, EIO (old CIFS). Each means "not me": offsets are absolute, so another route goes on at the exact
 * byte, meets a real error again, and can tell whose it is, source's or sink's, which this call cannot.
 * Final are only those that speak of the sink's room. 0 hands over to a read, which alone knows the end.
 */
#include "kernel.h"

#include <errno.h>
#include <unistd.h>

static const char *cfr_unfit(const struct zc_shape *src, const struct zc_shape *dst)
{
	if (!(src->caps & ZC_CAP_REG) || !(dst->caps & ZC_CAP_REG)) {
		return "both ends must be regular files";
	}
	if (!(dst->caps & ZC_CAP_SEEK)) {
		return "the destination is an inherited descriptor";
	}
	return NULL;
}

static bool cfr_final(int code)
{
	return code == -ENOSPC || code == -EDQUOT || code == -EFBIG || code == -ENOMEM;
}

static int cfr_move(struct zc_kit *kit, struct zc_leg *leg)
{
	while (!kernel_done(leg)) {
		off64_t src_off = kernel_off(leg->src, leg);
		off64_t dst_off = kernel_off(leg->dst, leg);
		size_t want = kernel_step(kit, leg);
		ssize_t res;

		if (zc_stopped()) {
			return kernel_fail(leg, ZC_SIDE_NONE, "copy_file_range", -ECANCELED);
		}
		res = copy_file_range(leg->src->shape.fd, &src_off, leg->dst->shape.fd, &dst_off, want, 0);
		if (res > 0) {
			kernel_moved(kit, leg, (size_t)res);
			continue;
		}
		if (res == 0) {
			return kernel_not_me(leg, "copy_file_range", 0);
		}
		if (errno == EINTR) {
			continue;
		}
		if (!cfr_final(-errno)) {
			return kernel_not_me(leg, "copy_file_range", -errno);
		}
		return kernel_fail(leg, ZC_SIDE_DST, "copy_file_range", -errno);
	}
	return 0;
}

const struct zc_route_ops zc_route_cfr = {
	.kind = ZC_ROUTE_CFR,
	.name = "cfr",
	.unfit = cfr_unfit,
	.move = cfr_move,
};
