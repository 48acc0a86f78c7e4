/*
 * endpoint.c: from a descriptor or a name to an end.
 *
 * A descriptor is looked at once (fstat): what it is decides which functions serve it. Nothing about
 * the name is known here, so the same code serves operands, standard input and a job's temporary.
 */
#include "zcopy/endpoint.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <sys/ioctl.h>
#include <unistd.h>

/* A regular file that we may position in. An inherited source starts where its position stands. */
static int end_from_regular(struct zc_end *end, const struct stat *st, int flags, enum zc_dir dir)
{
	struct zc_shape *shape = &end->shape;

	shape->caps |= ZC_CAP_REG | ZC_CAP_SEEK | ZC_CAP_HOLES;
	if (!end->owned && dir == ZC_DIR_DST) {
		/* others write to it at the same position after us (a shell's "> file"): be a stream */
		shape->caps &= ~(unsigned)(ZC_CAP_SEEK | ZC_CAP_HOLES);
		end->ops = &zc_end_stream;
		if (flags & O_APPEND) {
			shape->caps |= ZC_CAP_APPEND;
		}
		return 0;
	}
	end->ops = &zc_end_file;
	if (!end->owned) {
		off_t at = lseek(end->shape.fd, 0, SEEK_CUR);

		shape->base_bytes = at > 0 ? (uint64_t)at : 0;
	}
	/* Size 0 says nothing: /proc, /sys and FUSE files have bytes all the same. Read to the end. */
	shape->size_bytes = ZC_SIZE_UNKNOWN;
	if (dir == ZC_DIR_SRC && st->st_size > 0) {
		shape->size_bytes =
		    (uint64_t)st->st_size - zc_min_u64(shape->base_bytes, (uint64_t)st->st_size);
	}
	return 0;
}

/* An inherited device is used from its position on, as others are who share it. */
static int end_from_block(struct zc_end *end, const struct stat *st, enum zc_dir dir)
{
	struct zc_shape *shape = &end->shape;
	int read_only = 0;
	uint64_t size = 0;
	off_t at = end->owned ? 0 : lseek(shape->fd, 0, SEEK_CUR);

	end->ops = &zc_end_file;
	shape->caps |= ZC_CAP_BLOCK | ZC_CAP_SEEK;
	shape->dev = st->st_rdev;
	if (dir == ZC_DIR_DST && ioctl(shape->fd, BLKROGET, &read_only) == 0 && read_only) {
		return -EROFS; /* which most drivers say at the first write only */
	}
	if (ioctl(shape->fd, BLKGETSIZE64, &size) < 0) {
		off_t last = lseek(shape->fd, 0, SEEK_END); /* sandboxes and emulators */

		if (last < 0 || (at > 0 && lseek(shape->fd, at, SEEK_SET) < 0)) {
			return -errno;
		}
		size = (uint64_t)last;
	}
	shape->base_bytes = at > 0 ? zc_min_u64((uint64_t)at, size) : 0;
	shape->size_bytes = size - shape->base_bytes;
	return 0;
}

int zc_end_from_fd(struct zc_end *ret_end, int fd, enum zc_dir dir, bool owned)
{
	struct zc_end end = { .ops = &zc_end_stream, .owned = owned };
	struct stat st;
	int flags = fcntl(fd, F_GETFL);
	int res = 0;

	if (flags < 0 || fstat(fd, &st) < 0) {
		return -errno;
	}
	end.shape = (struct zc_shape){
		.fd = fd,
		.size_bytes = ZC_SIZE_UNKNOWN,
		.dev = st.st_dev,
		.ino = st.st_ino,
		.io_bytes = (uint32_t)st.st_blksize,
	};
	if (flags & O_NONBLOCK) {
		end.shape.caps |= ZC_CAP_NONBLOCK;
	}
	switch (st.st_mode & S_IFMT) {
	case S_IFREG:
		res = end_from_regular(&end, &st, flags, dir);
		break;
	case S_IFBLK:
		res = end_from_block(&end, &st, dir);
		break;
	case S_IFIFO:
		end.shape.caps |= ZC_CAP_PIPE;
		break;
	case S_IFSOCK:
		end.shape.caps |= ZC_CAP_SOCK;
		break;
	case S_IFCHR:
		end.shape.caps |= ZC_CAP_CHAR;
		break;
	case S_IFDIR:
		res = -EISDIR;
		break;
	default:
		/* eventfd, timerfd and the like: plain read and write is all that can be said */
		break;
	}
	if (res == 0) {
		*ret_end = end;
	}
	return res;
}

void zc_end_from_synth(struct zc_end *ret_end, const struct zc_uri *uri, enum zc_dir dir)
{
	*ret_end = (struct zc_end){
		.ops = &zc_end_null,
		.seed = uri->seed,
		.bad_bytes = ZC_OFF_NONE,
		.shape = { .caps = ZC_CAP_SYNTH | ZC_CAP_SEEK, .fd = -1, .size_bytes = ZC_SIZE_UNKNOWN },
	};
	if (uri->kind == ZC_END_ZERO) {
		ret_end->ops = &zc_end_zero;
	} else if (uri->kind == ZC_END_GEN) {
		ret_end->ops = &zc_end_gen;
	}
	if (dir == ZC_DIR_DST && uri->kind == ZC_END_NULL) {
		ret_end->shape.caps |= ZC_CAP_DISCARD;
	}
	if (dir == ZC_DIR_SRC) {
		ret_end->shape.size_bytes = uri->kind == ZC_END_NULL ? 0 : uri->size_bytes;
	}
}

int zc_end_close(struct zc_end *end)
{
	int res = 0;

	if (end == NULL || end->ops == NULL) {
		return 0;
	}
	if (end->owned && end->shape.fd >= 0 && close(end->shape.fd) < 0 && errno != EINTR) {
		res = -errno;
	}
	end->ops = NULL;
	return res;
}

const char *zc_end_noun(const struct zc_end *end)
{
	unsigned caps = end->shape.caps;

	if (caps & ZC_CAP_SYNTH) {
		return end->ops->scheme;
	}
	if (caps & ZC_CAP_REG) {
		return caps & ZC_CAP_SEEK ? "file" : "inherited file";
	}
	if (caps & ZC_CAP_BLOCK) {
		return "block device";
	}
	if (caps & ZC_CAP_PIPE) {
		return "pipe";
	}
	if (caps & ZC_CAP_PEER) {
		return "TCP peer";
	}
	if (caps & ZC_CAP_SOCK) {
		return "socket";
	}
	return caps & ZC_CAP_CHAR ? "character device" : "descriptor";
}
