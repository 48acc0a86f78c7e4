/*
 * file.c: regular files and block devices: everything one can position in.
 *
 * Holes are asked of the kernel as a hint (SEEK_DATA): whatever it answers, offsets advance, and a file
 * system that cannot say has one span of data. O_DIRECT is set and cleared on descriptors of our own only,
 * since a flag on an inherited one is shared with whoever gave it to us.
 */
#include "zcopy/endpoint.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/falloc.h>
#include <linux/fiemap.h>
#include <linux/fs.h>
#include <linux/stat.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/uio.h>
#include <sys/vfs.h>
#include <unistd.h>

/* What a device is asked to zero at a time. */
#define ZERO_STEP_BYTES (128 * ZC_MIB)
/* Of a long piece only its beginning is asked for: whoever reads it has the rest come. */
#define AHEAD_PIECE_BYTES ZC_MIB

/* The file's end as far as it is known; a file without a size is one span to wherever it ends. */
static int file_next(struct zc_end *end, uint64_t from, struct zc_span *ret_span)
{
	const struct zc_shape *shape = &end->shape;
	uint64_t size = shape->size_bytes;
	off_t data;
	off_t hole;

	*ret_span = (struct zc_span){ .kind = ZC_SPAN_DATA, .off_bytes = from, .len_bytes = ZC_SIZE_UNKNOWN };
	if (size == ZC_SIZE_UNKNOWN) {
		return 0;
	}
	if (from >= size) {
		ret_span->kind = ZC_SPAN_END;
		return 0;
	}
	ret_span->len_bytes = size - from;
	if (!(shape->caps & ZC_CAP_HOLES)) {
		return 0;
	}
	data = lseek(shape->fd, (off_t)(shape->base_bytes + from), SEEK_DATA);
	if (data < 0 && errno == ENXIO) {
		ret_span->kind = ZC_SPAN_HOLE; /* a hole up to the end, or the file shrank: reading tells */
		return 0;
	}
	if (data < 0) {
		return errno == EIO ? -EIO : 0; /* it cannot say: all of it is data */
	}
	if ((uint64_t)data > shape->base_bytes + from) {
		ret_span->kind = ZC_SPAN_HOLE;
		ret_span->len_bytes = zc_min_u64((uint64_t)data - shape->base_bytes, size) - from;
		return 0;
	}
	hole = lseek(shape->fd, (off_t)(shape->base_bytes + from), SEEK_HOLE);
	if (hole > 0 && (uint64_t)hole > shape->base_bytes + from) {
		ret_span->len_bytes = zc_min_u64((uint64_t)hole - shape->base_bytes, size) - from;
	}
	return 0;
}

static bool file_prep(struct zc_end *end, struct zc_req *req)
{
	req->fd = end->shape.fd;
	req->off_bytes += end->shape.base_bytes;
	/* O_DIRECT ends at an unaligned byte, from where a continued read would be refused */
	req->flags = end->direct ? 0 : ZC_REQ_FULL;
	return false;
}

/* The device makes its own zeros: it gives the blocks up where it promises that they read as zeros then, else
 * it writes them. In steps, since a device without that ability has the kernel write each of them. */
static int file_zero_blocks(const struct zc_end *end, uint64_t off_bytes, uint64_t len_bytes)
{
	int mode = FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE;

	for (uint64_t done = 0; done < len_bytes;) {
		uint64_t step = zc_min_u64(len_bytes - done, ZERO_STEP_BYTES);

		if (zc_stopped()) {
			return -ECANCELED;
		}
		if (fallocate(end->shape.fd, mode, (off_t)(end->shape.base_bytes + off_bytes + done),
		              (off_t)step) == 0) {
			done += step;
		} else if (errno == EOPNOTSUPP && (mode & FALLOC_FL_PUNCH_HOLE)) {
			mode = FALLOC_FL_ZERO_RANGE | FALLOC_FL_KEEP_SIZE;
		} else if (errno != EINTR) {
			return errno == EINVAL || errno == ENODEV ? -EOPNOTSUPP : -errno;
		}
	}
	return 0;
}

/* In a fresh file what is not written is a hole already; elsewhere one is punched. */
static int file_hole(struct zc_end *end, uint64_t off_bytes, uint64_t len_bytes)
{
	if (end->shape.caps & ZC_CAP_FRESH) {
		return 0;
	}
	if (end->shape.caps & ZC_CAP_BLOCK) {
		return file_zero_blocks(end, off_bytes, len_bytes);
	}
	if (fallocate(end->shape.fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
	              (off_t)(end->shape.base_bytes + off_bytes), (off_t)len_bytes) < 0) {
		return -errno;
	}
	return 0;
}

static int file_finish(struct zc_end *end, uint64_t size_bytes)
{
	if (!(end->shape.caps & ZC_CAP_REG)) {
		return 0;
	}
	return ftruncate(end->shape.fd, (off_t)(end->shape.base_bytes + size_bytes)) < 0 ? -errno : 0;
}

const struct zc_end_ops zc_end_file = {
	.scheme = "file",
	.next = file_next,
	.prep = file_prep,
	.hole = file_hole,
	.finish = file_finish,
};

/* statx tells since 6.1; a block device's logical block is right for itself; 4096 suits nearly all. */
static uint32_t file_direct_align(const struct zc_end *end)
{
	uint32_t align = 4096;
#ifdef STATX_DIOALIGN
	struct statx stx;

	if (statx(end->shape.fd, "", AT_EMPTY_PATH, STATX_DIOALIGN, &stx) == 0 &&
	    (stx.stx_mask & STATX_DIOALIGN)) {
		return stx.stx_dio_offset_align == 0
		           ? 0
		           : (uint32_t)zc_max_u64(stx.stx_dio_offset_align, stx.stx_dio_mem_align);
	}
#endif
	if (end->shape.caps & ZC_CAP_BLOCK) {
		int block = 0;

		if (ioctl(end->shape.fd, BLKSSZGET, &block) == 0 && block >= 512 &&
		    (block & (block - 1)) == 0) {
			align = (uint32_t)block;
		}
	}
	return align;
}

int zc_end_set_direct(struct zc_end *end, bool on)
{
	int flags;

	if (on == end->direct) {
		return 0;
	}
	if (!end->owned || end->ops != &zc_end_file) {
		return -EPERM;
	}
	if (on) {
		uint32_t align = file_direct_align(end);

		if (align == 0 || align > zc_page_bytes()) {
			return -EINVAL;
		}
		end->shape.align_bytes = align;
	}
	flags = fcntl(end->shape.fd, F_GETFL);
	if (flags < 0 || fcntl(end->shape.fd, F_SETFL, on ? flags | O_DIRECT : flags & ~O_DIRECT) < 0) {
		return -errno;
	}
	end->direct = on;
	return 0;
}

/* ---- what is in the page cache */

#ifndef SYS_cachestat
#define SYS_cachestat 451 /* the same number on every architecture (Linux 6.5) */
#endif

/* Of the first len bytes those that have blocks: what is not there cannot be cached. */
static uint64_t file_data_bytes(const struct zc_end *end, uint64_t len)
{
	struct stat st;

	return (end->shape.caps & ZC_CAP_REG) && fstat(end->shape.fd, &st) == 0
	           ? zc_min_u64(len, (uint64_t)st.st_blocks * 512)
	           : len;
}

static int file_cachestat_percent(int fd, uint64_t off, uint64_t len, uint64_t data)
{
	struct {
		uint64_t off, len;
	} range = { off, len };
	struct {
		uint64_t cache, dirty, writeback, evicted, recently_evicted;
	} stat;
	uint64_t pages = (data + zc_page_bytes() - 1) / zc_page_bytes();

	if (syscall(SYS_cachestat, fd, &range, &stat, 0) < 0) {
		return -1;
	}
	return pages == 0 ? 100 : (int)zc_min_u64(100, stat.cache * 100 / pages);
}

/* The i-th of PLACES in len bytes, or where after it there is data. */
#define PLACES 16
static off_t file_place(int fd, uint64_t off, uint64_t len, unsigned i)
{
	off_t place = (off_t)(off + len / PLACES * i);
	off_t data = lseek(fd, place, SEEK_DATA);

	return data > place ? data : place;
}

/* One byte each: a page that is not there answers EAGAIN. */
static int file_nowait_percent(int fd, uint64_t off, uint64_t len)
{
	unsigned hits = 0;

	for (unsigned i = 0; i < PLACES; i++) {
		char byte;
		struct iovec iov = { .iov_base = &byte, .iov_len = 1 };
		ssize_t res = preadv2(fd, &iov, 1, file_place(fd, off, len, i), RWF_NOWAIT);

		if (res < 0 && errno != EAGAIN) {
			return -1;
		}
		hits += res >= 0;
	}
	return (int)(hits * 100 / PLACES);
}

uint64_t zc_end_piece_bytes(const struct zc_end *end, uint64_t len_bytes)
{
	uint64_t sum = 0;

	if (!(end->shape.caps & ZC_CAP_HOLES) || file_data_bytes(end, len_bytes) >= len_bytes) {
		return len_bytes;
	}
	for (unsigned i = 0; i < PLACES; i++) {
		off_t data = file_place(end->shape.fd, end->shape.base_bytes, len_bytes, i);
		off_t hole = lseek(end->shape.fd, data, SEEK_HOLE);

		sum += hole > data ? (uint64_t)(hole - data) : 0;
	}
	return sum / PLACES;
}

int zc_end_range_percent(const struct zc_end *end, uint64_t off_bytes, uint64_t len_bytes)
{
	uint64_t at = end->shape.base_bytes + off_bytes;
	int percent = file_cachestat_percent(end->shape.fd, at, len_bytes, len_bytes);

	return percent >= 0 ? percent : file_nowait_percent(end->shape.fd, at, len_bytes);
}

int zc_end_resident_percent(struct zc_end *end, uint64_t len_bytes, const char **ret_how)
{
	int percent;

	if (end->ops != &zc_end_file) {
		return -1;
	}
	percent = file_cachestat_percent(end->shape.fd, end->shape.base_bytes, len_bytes,
	                                 file_data_bytes(end, len_bytes));
	*ret_how = "cachestat";
	if (percent < 0) {
		percent = file_nowait_percent(end->shape.fd, end->shape.base_bytes, len_bytes);
		*ret_how = "RWF_NOWAIT";
	}
	return percent;
}

/* FIEMAP names many pieces in one call, where SEEK_DATA and SEEK_HOLE take two for each; that it may be out
 * of date does no harm here. */
uint64_t zc_end_read_ahead(const struct zc_end *end, uint64_t from_bytes)
{
	_Alignas(struct fiemap)
	    uint8_t room[sizeof(struct fiemap) + ZC_AHEAD_PIECES * sizeof(struct fiemap_extent)] = { 0 };
	struct fiemap *map = (struct fiemap *)room;
	const struct fiemap_extent *last;

	map->fm_start = end->shape.base_bytes + from_bytes;
	map->fm_length = FIEMAP_MAX_OFFSET - map->fm_start;
	map->fm_extent_count = ZC_AHEAD_PIECES;
	if (ioctl(end->shape.fd, FS_IOC_FIEMAP, map) < 0 || map->fm_mapped_extents == 0) {
		return ZC_SIZE_UNKNOWN;
	}
	for (unsigned i = 0; i < map->fm_mapped_extents; i++) {
		const struct fiemap_extent *piece = &map->fm_extents[i];

		if (!(piece->fe_flags & FIEMAP_EXTENT_UNWRITTEN)) {
			(void)posix_fadvise(end->shape.fd, (off_t)piece->fe_logical,
			                    (off_t)zc_min_u64(piece->fe_length, AHEAD_PIECE_BYTES),
			                    POSIX_FADV_WILLNEED);
		}
	}
	last = &map->fm_extents[map->fm_mapped_extents - 1];
	return last->fe_flags & FIEMAP_EXTENT_LAST
	           ? ZC_SIZE_UNKNOWN
	           : last->fe_logical + last->fe_length - end->shape.base_bytes;
}

const char *zc_fs_name(int fd, char out[24])
{
	/* linux/magic.h and the file systems' own headers */
	static const struct {
		uint32_t magic;
		const char *name;
	} known[] = {
		{ 0xef53, "ext4" },          { 0x58465342, "xfs" },      { 0x9123683e, "btrfs" },
		{ 0x01021994, "tmpfs" },     { 0x794c7630, "overlay" },  { 0x65735546, "fuse" },
		{ 0x6969, "nfs" },           { 0xff534d42, "cifs" },     { 0xfe534d42, "smb2" },
		{ 0x2fc12fc1, "zfs" },       { 0xca451a4e, "bcachefs" }, { 0x4d44, "vfat" },
		{ 0x2011bab0, "exfat" },     { 0xf2f52010, "f2fs" },     { 0x9fa0, "proc" },
		{ 0x62656572, "sysfs" },     { 0x00c36400, "ceph" },     { 0x01021997, "9p" },
		{ 0x73717368, "squashfs" },  { 0xe0f5e1e2, "erofs" },    { 0x858458f6, "ramfs" },
		{ 0x958458f6, "hugetlbfs" },
	};
	struct statfs sfs;

	if (fstatfs(fd, &sfs) < 0) {
		return "?";
	}
	for (size_t i = 0; i < ZC_ARRAY_LEN(known); i++) {
		if (known[i].magic == (uint32_t)sfs.f_type) {
			return known[i].name;
		}
	}
	snprintf(out, 24, "0x%x", (unsigned)sfs.f_type);
	return out;
}

bool zc_fs_is_remote(int fd)
{
	static const char *const remote[] = { "fuse", "nfs", "cifs", "smb2", "ceph" };
	char out[24];
	const char *name = zc_fs_name(fd, out);

	for (size_t i = 0; i < ZC_ARRAY_LEN(remote); i++) {
		if (strcmp(name, remote[i]) == 0) {
			return true;
		}
	}
	return false;
}
