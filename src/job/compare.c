/*
 * compare.c: two files side by side: attributes by descriptors, bytes by plain reads.
 *
 * What both call a hole is not read: it is zeros on both sides. Attributes that a copy leaves to the host
 * (SELinux labels, IMA's and the file systems' own) are not compared.
 */
#include "compare.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>
#include <unistd.h>

#define LARGEST_BYTES 65536 /* XATTR_LIST_MAX and XATTR_SIZE_MAX */

/* ---- what is said */

static char *compare_quoted(const char *name)
{
	size_t cap_bytes = strlen(name) * 4 + 8; /* none is cut */
	char *quoted = malloc(cap_bytes);

	return quoted == NULL ? NULL : (char *)(uintptr_t)zc_quote(quoted, cap_bytes, name);
}

void compare_say(struct compare *compare, const char *key, const char *format, ...)
{
	const struct zc_err err = { .code = 0, .side = ZC_SIDE_DST, .op = key, .off_bytes = ZC_OFF_NONE };
	char *name = compare->name(compare);
	char *quoted = name != NULL ? compare_quoted(name) : NULL;
	char *what = NULL;
	va_list args;

	va_start(args, format);
	if (vasprintf(&what, format, args) < 0) {
		what = NULL;
	}
	va_end(args);
	report_status(compare->report, ZC_STATUS_MISMATCH);
	report_say(compare->report, ZC_MSG_SAY, "%s: %s", quoted != NULL ? quoted : "?",
	           what != NULL ? what : key);
	report_error(compare->report, name != NULL ? name : "", &err);
	if (compare->differs) {
		compare->report->items.failed--; /* one item, however much of it differs */
	} else {
		compare->report->verify.mismatches++;
	}
	compare->differs = true;
	free(what);
	free(quoted);
	free(name);
}

static void compare_no_memory(struct compare *compare)
{
	(void)compare->fail(compare, ZC_SIDE_NONE, "malloc", -ENOMEM, "cannot be compared");
}

/* ---- what stat tells */

static const char *compare_type(mode_t mode)
{
	switch (mode & S_IFMT) {
	case S_IFREG:
		return "a file";
	case S_IFDIR:
		return "a directory";
	case S_IFLNK:
		return "a symlink";
	case S_IFIFO:
		return "a FIFO";
	case S_IFSOCK:
		return "a socket";
	case S_IFCHR:
		return "a character device";
	default:
		return "a block device";
	}
}

static void compare_ids(struct compare *compare)
{
	const struct stat *src = &compare->st[COMPARE_SRC];
	const struct stat *dst = &compare->st[COMPARE_DST];

	if (!S_ISLNK(src->st_mode) && (src->st_mode & 07777) != (dst->st_mode & 07777)) {
		compare_say(compare, "mode", "mode is %04o, not %04o", dst->st_mode & 07777,
		            src->st_mode & 07777);
	}
	if (src->st_uid != dst->st_uid) {
		compare_say(compare, "owner", "owner is %u, not %u", dst->st_uid, src->st_uid);
	}
	if (src->st_gid != dst->st_gid) {
		compare_say(compare, "group", "group is %u, not %u", dst->st_gid, src->st_gid);
	}
	if (src->st_mtim.tv_sec != dst->st_mtim.tv_sec || src->st_mtim.tv_nsec != dst->st_mtim.tv_nsec) {
		compare_say(compare, "mtime", "mtime is %jd.%09ld, not %jd.%09ld",
		            (intmax_t)dst->st_mtim.tv_sec, dst->st_mtim.tv_nsec,
		            (intmax_t)src->st_mtim.tv_sec, src->st_mtim.tv_nsec);
	}
}

bool compare_stat(struct compare *compare)
{
	const struct stat *src = &compare->st[COMPARE_SRC];
	const struct stat *dst = &compare->st[COMPARE_DST];

	if ((src->st_mode & S_IFMT) != (dst->st_mode & S_IFMT)) {
		compare_say(compare, "type", "is %s, not %s", compare_type(dst->st_mode),
		            compare_type(src->st_mode));
		return false;
	}
	compare_ids(compare);
	if (S_ISREG(src->st_mode) && src->st_size != dst->st_size) {
		compare_say(compare, "size", "size is %jd, not %jd", (intmax_t)dst->st_size,
		            (intmax_t)src->st_size);
	}
	if ((S_ISCHR(src->st_mode) || S_ISBLK(src->st_mode)) && src->st_rdev != dst->st_rdev) {
		compare_say(compare, "rdev", "device is %u:%u, not %u:%u", major(dst->st_rdev),
		            minor(dst->st_rdev), major(src->st_rdev), minor(src->st_rdev));
	}
	return true;
}

bool compare_links(struct compare *compare)
{
	const struct stat *src = &compare->st[COMPARE_SRC];
	const struct stat *dst = &compare->st[COMPARE_DST];

	if (compare->pairs == NULL || (src->st_nlink == 1 && dst->st_nlink == 1)) {
		return false;
	}
	switch (pairs_ask(compare->pairs, src, dst)) {
	case PAIRS_KNOWN:
		return true;
	case PAIRS_OTHER:
		compare_say(compare, "links", "is one file with other names than in the source");
		break;
	case PAIRS_LOST:
		compare_no_memory(compare);
		break;
	default:
		break;
	}
	return false;
}

/* ---- extended attributes */

/* A descriptor that is O_PATH takes no f*xattr: through /proc, where it leads to the very file, even to a
 * symlink. */
static const char *compare_path(int fd, char path[40])
{
	(void)snprintf(path, 40, "/proc/self/fd/%d", fd);
	return path;
}

static ssize_t compare_list(int fd, char *names, size_t cap_bytes)
{
	ssize_t len = flistxattr(fd, names, cap_bytes);
	char path[40];

	if (len < 0 && errno == EBADF) {
		len = listxattr(compare_path(fd, path), names, cap_bytes);
	}
	if (len < 0 && (errno == EOPNOTSUPP || errno == ENOSYS)) {
		return 0; /* the file system has none */
	}
	return len < 0 ? -errno : len;
}

static ssize_t compare_get(int fd, const char *name, void *value, size_t cap_bytes)
{
	ssize_t len = fgetxattr(fd, name, value, cap_bytes);
	char path[40];

	if (len < 0 && errno == EBADF) {
		len = getxattr(compare_path(fd, path), name, value, cap_bytes);
	}
	if (len < 0 && (errno == EOPNOTSUPP || errno == ENOSYS)) {
		return -ENODATA;
	}
	return len < 0 ? -errno : len;
}

/* The names with "" behind them, to be free()d; NULL: none, or said why not. */
static char *compare_names(struct compare *compare, int side)
{
	ssize_t len = compare_list(compare->fd[side], NULL, 0);
	char *names;

	if (len == 0) {
		return NULL;
	}
	names = len > 0 ? malloc(LARGEST_BYTES + 1) : NULL;
	if (names != NULL) {
		len = compare_list(compare->fd[side], names, LARGEST_BYTES);
	} else if (len > 0) {
		len = -ENOMEM;
	}
	if (len < 0) {
		(void)compare->fail(compare, side == COMPARE_SRC ? ZC_SIDE_SRC : ZC_SIDE_DST, "flistxattr",
		                    (int)len, "cannot list its extended attributes");
		free(names);
		return NULL;
	}
	names[len] = '\0';
	return names;
}

static bool compare_is_hosts(const char *name)
{
	static const char *const skipped[] = { "security.evm", "security.ima", "security.selinux",
		                               "trusted.SGI_", "trusted.overlay." };

	if (strncmp(name, "system.", 7) == 0) {
		return strncmp(name, "system.posix_acl_", 17) != 0;
	}
	for (unsigned i = 0; i < ZC_ARRAY_LEN(skipped); i++) {
		if (strncmp(name, skipped[i], strlen(skipped[i])) == 0) {
			return true;
		}
	}
	return false;
}

static void compare_xattr_say(struct compare *compare, const char *name, const char *what)
{
	char quoted[4 * (NAME_MAX + 1)];

	compare_say(compare, "xattr", "attribute %s %s", zc_quote(quoted, sizeof(quoted), name), what);
}

/* An attribute that the source has. */
static void compare_value(struct compare *compare, const char *name)
{
	uint8_t *mem = compare->mem;
	ssize_t src = compare_get(compare->fd[COMPARE_SRC], name, mem, COMPARE_BYTES);
	ssize_t dst = compare_get(compare->fd[COMPARE_DST], name, mem + COMPARE_BYTES, COMPARE_BYTES);

	if (dst == -ENODATA && src >= 0) {
		compare_xattr_say(compare, name, "is missing");
	} else if (src < 0 || dst < 0) {
		(void)compare->fail(compare, src < 0 ? ZC_SIDE_SRC : ZC_SIDE_DST, "fgetxattr",
		                    (int)(src < 0 ? src : dst), "cannot read its extended attributes");
	} else if (src != dst || memcmp(mem, mem + COMPARE_BYTES, (size_t)src) != 0) {
		compare_xattr_say(compare, name, "differs");
	}
}

void compare_xattrs(struct compare *compare)
{
	char *names = compare_names(compare, COMPARE_SRC);

	for (const char *name = names; name != NULL && *name != '\0'; name += strlen(name) + 1) {
		if (!compare_is_hosts(name)) {
			compare_value(compare, name);
		}
	}
	free(names);
	names = compare_names(compare, COMPARE_DST);
	for (const char *name = names; name != NULL && *name != '\0'; name += strlen(name) + 1) {
		if (!compare_is_hosts(name) &&
		    compare_get(compare->fd[COMPARE_SRC], name, NULL, 0) == -ENODATA) {
			compare_xattr_say(compare, name, "is not in the source");
		}
	}
	free(names);
}

/* ---- symlinks */

void compare_targets(struct compare *compare)
{
	char *target[COMPARE_SIDES] = { (char *)compare->mem, (char *)compare->mem + COMPARE_BYTES };
	char quoted[COMPARE_SIDES][600];

	for (int side = COMPARE_SRC; side < COMPARE_SIDES; side++) {
		ssize_t len = readlinkat(compare->fd[side], "", target[side], COMPARE_BYTES - 1);

		if (len < 0) {
			(void)compare->fail(compare, side == COMPARE_SRC ? ZC_SIDE_SRC : ZC_SIDE_DST,
			                    "readlinkat", -errno, "cannot read the symlink");
			return;
		}
		target[side][len] = '\0';
	}
	if (strcmp(target[COMPARE_SRC], target[COMPARE_DST]) != 0) {
		compare_say(compare, "target", "leads to '%s', not '%s'",
		            zc_quote(quoted[0], sizeof(quoted[0]), target[COMPARE_DST]),
		            zc_quote(quoted[1], sizeof(quoted[1]), target[COMPARE_SRC]));
	}
}

/* ---- bytes */

/* Where data may be from at on: whatever is before is a hole on both sides. */
static uint64_t compare_skip(const struct compare *compare, uint64_t at, uint64_t size)
{
	uint64_t next = size;

	for (int side = COMPARE_SRC; side < COMPARE_SIDES; side++) {
		off_t data = lseek(compare->fd[side], (off_t)at, SEEK_DATA);

		if (data < 0 && errno != ENXIO) {
			return at;
		}
		if (data >= 0) {
			next = zc_min_u64(next, (uint64_t)data);
		}
	}
	return next;
}

static bool compare_is_sparse(const struct compare *compare)
{
	const struct stat *st = compare->st;

	return (uint64_t)st[0].st_blocks * 512 < (uint64_t)st[0].st_size &&
	       (uint64_t)st[1].st_blocks * 512 < (uint64_t)st[1].st_size;
}

/* Up to len bytes at off, or fewer at the end. -errno. */
static ssize_t compare_read(int fd, uint8_t *mem, size_t len_bytes, uint64_t off)
{
	size_t have = 0;

	while (have < len_bytes) {
		ssize_t len = pread(fd, mem + have, len_bytes - have, (off_t)(off + have));

		if (len < 0 && errno == EINTR) {
			if (zc_stopped()) {
				return -ECANCELED;
			}
			continue;
		}
		if (len < 0) {
			return -errno;
		}
		if (len == 0) {
			break;
		}
		have += (size_t)len;
	}
	return (ssize_t)have;
}

/* One buffer of each. Bytes that were compared; 0: no more to do. */
static uint64_t compare_step(struct compare *compare, uint64_t at)
{
	uint8_t *mem[COMPARE_SIDES] = { compare->mem, compare->mem + COMPARE_BYTES };
	ssize_t len[COMPARE_SIDES];
	size_t common;

	for (int side = COMPARE_SRC; side < COMPARE_SIDES; side++) {
		len[side] = compare_read(compare->fd[side], mem[side], COMPARE_BYTES, at);
		if (len[side] < 0) {
			(void)compare->fail(compare, side == COMPARE_SRC ? ZC_SIDE_SRC : ZC_SIDE_DST, "pread",
			                    (int)len[side], "cannot read");
			return 0;
		}
	}
	common = (size_t)(len[0] < len[1] ? len[0] : len[1]);
	if (len[0] == len[1] && memcmp(mem[0], mem[1], common) == 0) {
		return common;
	}
	for (size_t i = 0; i < common; i++) {
		if (mem[0][i] != mem[1][i]) {
			common = i;
		}
	}
	compare_say(compare, "contents", "contents differ at byte %" PRIu64, at + common);
	return 0;
}

void compare_contents(struct compare *compare)
{
	uint64_t size = (uint64_t)compare->st[COMPARE_SRC].st_size;
	bool sparse = compare_is_sparse(compare);
	uint64_t at = 0;
	uint64_t step;

	for (;;) {
		if (zc_stopped()) {
			return;
		}
		if (sparse) {
			at = compare_skip(compare, at, size);
		}
		/* also behind the size: a file may have grown, and those of /proc have none */
		step = compare_step(compare, at);
		if (step == 0) {
			break;
		}
		at += step;
		atomic_fetch_add_explicit(&compare->progress->read, step, memory_order_relaxed);
		atomic_fetch_add_explicit(&compare->progress->written, step, memory_order_relaxed);
		compare->report->bytes.data += step;
		if (step < COMPARE_BYTES) {
			break;
		}
	}
	compare->report->bytes.logical += at;
}
