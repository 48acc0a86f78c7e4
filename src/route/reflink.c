/*
 * reflink.c: the destination shares the source's blocks (FICLONE). O(1), whole files only: a clone of a
 * part wants block-aligned ends, and a file that has to be split has lost the point.
 *
 * Which errors mean "not me" is GNU cp's list (coreutils bug 60489: after EIO or ENOSPC the destination
 * may be partly cloned, so those are final).
 */
#include "kernel.h"

#include <errno.h>
#include <linux/fs.h>
#include <sys/ioctl.h>
#include <sys/stat.h>

static const char *reflink_unfit(const struct zc_shape *src, const struct zc_shape *dst)
{
	if (!(src->caps & ZC_CAP_REG) || !(dst->caps & ZC_CAP_REG)) {
		return "both ends must be regular files";
	}
	if (!(dst->caps & ZC_CAP_SEEK)) {
		return "the destination is an inherited descriptor";
	}
	if (src->base_bytes != 0) {
		return "only a whole file can be cloned";
	}
	return NULL;
}

static bool reflink_refused(int code)
{
	switch (code) {
	case -EOPNOTSUPP:
	case -ENOTTY:
	case -EINVAL:
	case -EXDEV:
	case -EBADF:
	case -ETXTBSY:
	case -EPERM:
	case -EACCES:
	case -ENOSYS:
		return true;
	default:
		return false;
	}
}

/* The clone is as long as the source was at that instant, which may not be what was seen before. */
static int reflink_done(struct zc_kit *kit, struct zc_leg *leg)
{
	struct stat st;

	if (!(leg->dst->shape.caps & ZC_CAP_FRESH)) {
		kernel_count(kit, leg, leg->span.len_bytes == ZC_SIZE_UNKNOWN ? 0 : leg->span.len_bytes);
		return 0;
	}
	if (fstat(leg->dst->shape.fd, &st) < 0) {
		return kernel_fail(leg, ZC_SIDE_DST, "fstat", -errno);
	}
	kernel_count(kit, leg, (size_t)st.st_size);
	return 0;
}

static int reflink_move(struct zc_kit *kit, struct zc_leg *leg)
{
	int code;

	if (leg->span.off_bytes != 0 || leg->done_bytes != 0 ||
	    leg->span.len_bytes != leg->src->shape.size_bytes) {
		return kernel_not_me(leg, "ioctl FICLONE", -EINVAL);
	}
	if (ioctl(leg->dst->shape.fd, FICLONE, leg->src->shape.fd) == 0) {
		return reflink_done(kit, leg);
	}
	code = -errno;
	if (reflink_refused(code)) {
		return kernel_not_me(leg, "ioctl FICLONE", code);
	}
	return kernel_fail(leg, ZC_SIDE_DST, "ioctl FICLONE", code);
}

const struct zc_route_ops zc_route_reflink = {
	.kind = ZC_ROUTE_REFLINK,
	.name = "reflink",
	.unfit = reflink_unfit,
	.move = reflink_move,
};
