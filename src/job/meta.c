/*
 * meta.c: what a file has besides its bytes: owner, mode, ACL, extended attributes, times.
 *
 * Everything goes through descriptors, in the order that loses nothing: owner first (it clears suid),
 * then mode, then ACL and other attributes, times last (all before change them).
 */
#include "meta.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/xattr.h>
#include <unistd.h>

#define ACL_ACCESS "system.posix_acl_access"

static bool meta_no_xattrs(int code)
{
	return code == -EOPNOTSUPP || code == -ENODATA || code == -ENOSYS || code == -EPERM ||
	       code == -EACCES;
}

/* Reads attributes of a file that may be open by O_PATH only (not readable for us): then through /proc,
 * where no right to read is asked for. */
static ssize_t meta_get(int fd, const char *name, void *value, size_t cap_bytes)
{
	ssize_t len = fgetxattr(fd, name, value, cap_bytes);
	char path[32];

	if (len < 0 && errno == EBADF) {
		snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
		len = getxattr(path, name, value, cap_bytes);
	}
	return len < 0 ? -errno : len;
}

static ssize_t meta_list(int fd, char *names, size_t cap_bytes)
{
	ssize_t len = flistxattr(fd, names, cap_bytes);
	char path[32];

	if (len < 0 && errno == EBADF) {
		snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
		len = listxattr(path, names, cap_bytes);
	}
	return len < 0 ? -errno : len;
}

/* Copies one attribute. What the source does not have, or cannot have, is nothing to copy; what it has
 * and the new file cannot take is an error. */
static int meta_copy_xattr(int src_fd, int dst_fd, const char *name)
{
	ssize_t len = meta_get(src_fd, name, NULL, 0);
	char *value;
	int res = 0;

	if (len < 0) {
		return meta_no_xattrs((int)len) ? 0 : (int)len;
	}
	value = malloc((size_t)len + 1);
	if (value == NULL) {
		return -ENOMEM;
	}
	len = meta_get(src_fd, name, value, (size_t)len);
	if (len < 0) {
		res = (int)len;
	} else if (fsetxattr(dst_fd, name, value, (size_t)len, 0) < 0) {
		res = -errno;
	}
	free(value);
	return res;
}

/* The old file's attributes, as a truncating cp would leave them: not capabilities, which a write takes
 * away, and not what only the kernel or a security module may set. The ACL comes by itself, last. */
static bool meta_xattr_is_kept(const char *name)
{
	return strncmp(name, "user.", 5) == 0 || strncmp(name, "trusted.", 8) == 0;
}

static int meta_keep_xattrs(int old_fd, int fd)
{
	ssize_t len = meta_list(old_fd, NULL, 0);
	char *names;
	int res = 0;

	if (len <= 0) {
		return len == 0 || meta_no_xattrs((int)len) ? 0 : (int)len;
	}
	names = malloc((size_t)len);
	if (names == NULL) {
		return -ENOMEM;
	}
	len = meta_list(old_fd, names, (size_t)len);
	for (ssize_t at = 0; at < len && res == 0; at += (ssize_t)strlen(names + at) + 1) {
		if (meta_xattr_is_kept(names + at)) {
			res = meta_copy_xattr(old_fd, fd, names + at);
		}
	}
	free(names);
	return len < 0 ? (int)len : res;
}

/* A default ACL of the directory may have put an ACL on the new file that the old one did not have. */
static void meta_drop_acl(int fd)
{
	(void)fremovexattr(fd, ACL_ACCESS);
}

int meta_keep_owner(int fd, const struct stat *old)
{
	struct stat now;

	if (fstat(fd, &now) < 0) {
		return -errno;
	}
	if (now.st_uid == old->st_uid && now.st_gid == old->st_gid) {
		return 0;
	}
	return fchown(fd, old->st_uid, old->st_gid) < 0 ? -errno : 0;
}

int meta_keep_rest(int fd, int old_fd, const struct stat *old, const char **ret_op)
{
	int res;

	/* user attributes while we may still write: the mode to be kept may say otherwise */
	*ret_op = "fsetxattr";
	res = meta_keep_xattrs(old_fd, fd);
	if (res < 0) {
		return res;
	}
	meta_drop_acl(fd);
	*ret_op = "fchmod";
	if (fchmod(fd, old->st_mode & 0777) < 0) {
		return -errno;
	}
	*ret_op = "fsetxattr";
	return meta_copy_xattr(old_fd, fd, ACL_ACCESS);
}

/* GNU's rule for -p: a chown that only root may do fails silently, and takes suid and sgid with it. */
static int meta_set_owner(int fd, const struct stat *src, mode_t *mode)
{
	struct stat now;

	if (fstat(fd, &now) < 0) {
		return -errno;
	}
	if (now.st_uid == src->st_uid && now.st_gid == src->st_gid) {
		return 0;
	}
	if (fchown(fd, src->st_uid, src->st_gid) == 0) {
		return 0;
	}
	if (errno != EPERM && errno != EINVAL) {
		return -errno;
	}
	*mode &= ~(mode_t)(S_ISUID | S_ISGID);
	if (fchown(fd, (uid_t)-1, src->st_gid) < 0 && errno != EPERM && errno != EINVAL) {
		return -errno;
	}
	return 0;
}

int meta_preserve(int fd, int src_fd, const struct stat *src, unsigned preserve, const char **ret_op)
{
	mode_t mode = src->st_mode & 07777;
	int res;

	if (preserve & ZC_PRESERVE_OWNER) {
		*ret_op = "fchown";
		res = meta_set_owner(fd, src, &mode);
		if (res < 0) {
			return res;
		}
	}
	if (preserve & ZC_PRESERVE_MODE) {
		meta_drop_acl(fd);
		*ret_op = "fchmod";
		if (fchmod(fd, mode) < 0) {
			return -errno;
		}
		*ret_op = "fsetxattr";
		res = meta_copy_xattr(src_fd, fd, ACL_ACCESS);
		if (res < 0) {
			return res;
		}
	}
	if (preserve & ZC_PRESERVE_TIMES) {
		const struct timespec times[2] = { src->st_atim, src->st_mtim };

		*ret_op = "futimens";
		if (futimens(fd, times) < 0) {
			return -errno;
		}
	}
	return 0;
}

/* The rights a file of this mode would get from the directory's default ACL (acl(5), "object creation"):
 * a POSIX ACL xattr is a version word and entries of { u16 tag, u16 perm, u32 id }, little-endian. */
mode_t meta_new_mode(int dir_fd, mode_t mode, mode_t mask)
{
	enum { USER_OBJ = 0x01, GROUP_OBJ = 0x04, MASK = 0x10, OTHER = 0x20 };
	uint8_t acl[4096];
	ssize_t len = fgetxattr(dir_fd, "system.posix_acl_default", acl, sizeof(acl));
	unsigned user = 7;
	unsigned group = 7;
	unsigned other = 7;

	if (len < 0 && errno == ERANGE) {
		return mode & 0700; /* hundreds of entries: rather too little than too much */
	}
	if (len < 4) {
		return mode & 0777 & ~mask;
	}
	for (ssize_t at = 4; at + 8 <= len; at += 8) {
		unsigned tag = acl[at] | (unsigned)acl[at + 1] << 8;
		unsigned perm = acl[at + 2] & 7;

		if (tag == USER_OBJ) {
			user = perm;
		} else if (tag == MASK || tag == GROUP_OBJ) {
			group =
			    perm; /* entries are sorted: a mask, where there is one, comes later and counts */
		} else if (tag == OTHER) {
			other = perm;
		}
	}
	return mode & (mode_t)(user << 6 | group << 3 | other);
}
