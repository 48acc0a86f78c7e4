/*
 * xattrs: lists of names, values and ACLs as a hostile file system may answer them: unended lists, empty
 * names, lengths that change between two calls, errors anywhere. What is set on the new file is a name that
 * was listed or an ACL, with a value that was read; what is not to be copied is not.
 */
#include <errno.h>
#include <sys/stat.h>
#include <sys/xattr.h>

#include "fuzz.h"
#include "meta.h"

enum {
	SRC_FD = 900, /* nobody opens them: every call that meta.c makes is answered here */
	DST_FD = 901,
	CHUNK = 255 * 32,
};

static struct fuzz_input input;
static char last[CHUNK]; /* the value read last */
static ssize_t last_len;
static char listed[CHUNK + 2]; /* names, with two NULs behind them */

/* An error, or bytes of the input; longer than the room there is now and then, as a caller must expect. */
static ssize_t answer(void *mem, size_t cap)
{
	static const int codes[] = { ENODATA, EOPNOTSUPP, EPERM, EACCES, EIO, ERANGE, ENOMEM, E2BIG, EINVAL };
	unsigned kind = fuzz_byte(&input);
	size_t len = fuzz_byte(&input);

	if (kind >= 0xe0) {
		errno = codes[kind % ZC_ARRAY_LEN(codes)];
		return -1;
	}
	len = kind & 1 ? len * 32 : len;
	if (len > cap) {
		errno = ERANGE;
		return -1;
	}
	for (size_t i = 0; i < len; i++) {
		((char *)mem)[i] = (char)fuzz_byte(&input);
	}
	return (ssize_t)len;
}

ssize_t __wrap_flistxattr(int fd, char *list, size_t size);
ssize_t __wrap_flistxattr(int fd, char *list, size_t size)
{
	ssize_t len = answer(list, size);

	zc_verify(fd == SRC_FD || fd == DST_FD);
	if (fd == SRC_FD && len >= 0) {
		memset(listed, 0, sizeof(listed));
		memcpy(listed, list, (size_t)len);
	}
	return len;
}

static bool is_listed(const char *name)
{
	for (const char *at = listed; *at != '\0'; at += strlen(at) + 1) {
		if (strcmp(at, name) == 0) {
			return true;
		}
	}
	return strncmp(name, "system.posix_acl_", 17) == 0 || strcmp(name, "security.selinux") == 0;
}

ssize_t __wrap_fgetxattr(int fd, const char *name, void *value, size_t size);
ssize_t __wrap_fgetxattr(int fd, const char *name, void *value, size_t size)
{
	zc_verify(fd == SRC_FD && *name != '\0' && is_listed(name));
	last_len = answer(value, size);
	if (last_len > 0) {
		memcpy(last, value, (size_t)last_len);
	}
	return last_len;
}

static int result(void)
{
	static const int codes[] = { EACCES, EOPNOTSUPP, EPERM, ENOSPC, EINVAL, EIO };
	unsigned kind = fuzz_byte(&input);

	errno = codes[kind % ZC_ARRAY_LEN(codes)];
	return kind >= 0xc0 ? -1 : 0;
}

int __wrap_fsetxattr(int fd, const char *name, const void *value, size_t len, int flags);
int __wrap_fsetxattr(int fd, const char *name, const void *value, size_t len, int flags)
{
	zc_verify(fd == DST_FD && flags == 0 && *name != '\0');
	zc_verify(last_len >= 0 && len == (size_t)last_len && (len == 0 || memcmp(value, last, len) == 0));
	zc_verify(strncmp(name, "system.", 7) != 0 || strncmp(name, "system.posix_acl_", 17) == 0);
	zc_verify(strncmp(name, "security.evm", 12) != 0 && strncmp(name, "afs.", 4) != 0);
	return result();
}

int __wrap_fremovexattr(int fd, const char *name);
int __wrap_fremovexattr(int fd, const char *name)
{
	zc_verify(fd == DST_FD && strncmp(name, "system.posix_acl_", 17) == 0);
	return result();
}

int __wrap_fchown(int fd, uid_t uid, gid_t gid);
int __wrap_fchown(int fd, uid_t uid, gid_t gid)
{
	(void)uid;
	(void)gid;
	zc_verify(fd == DST_FD);
	return result();
}

int __wrap_fchmod(int fd, mode_t mode);
int __wrap_fchmod(int fd, mode_t mode)
{
	zc_verify(fd == DST_FD && (mode & ~07777u) == 0);
	return result();
}

int __wrap_futimens(int fd, const struct timespec times[2]);
int __wrap_futimens(int fd, const struct timespec times[2])
{
	zc_verify(fd == DST_FD && times);
	return result();
}

static void check_result(const struct meta_result *ret)
{
	zc_verify(ret->count <= META_WHAT_COUNT);
	for (unsigned i = 0; i < ret->count; i++) {
		zc_verify(ret->list[i].code < 0 && ret->list[i].op && ret->list[i].what < META_WHAT_COUNT);
		for (unsigned k = 0; k < i; k++) {
			zc_verify(ret->list[i].what != ret->list[k].what);
		}
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len_bytes)
{
	const struct attr_at src = { .fd = SRC_FD, .name = "" };
	const struct attr_at dst = { .fd = DST_FD, .name = "" };
	static const mode_t types[] = { S_IFREG, S_IFDIR, S_IFREG, S_IFLNK };
	struct meta_result ret;
	struct meta_given given;
	struct meta_wish wish;
	struct stat st = { .st_uid = 1 };
	const char *op = NULL;
	mode_t mode;
	unsigned kind;

	input = (struct fuzz_input){ data, len_bytes };
	last_len = -1;
	memset(listed, 0, sizeof(listed));
	kind = fuzz_byte(&input);
	mode = fuzz_byte(&input) * 16u & 07777;
	st.st_mode = types[kind & 3] | mode;
	wish = (struct meta_wish){ .preserve = fuzz_byte(&input) & 0x7f, .mode = mode };
	wish.require = wish.preserve & fuzz_byte(&input);
	wish.xattr_hushed = kind & 4;
	wish.set_mode = kind & 8;
	given = (struct meta_given){ .uid = kind >> 4 & 1, .mode = 0600, .has_acl = kind & 32 };
	meta_copy(&src, &st, &dst, &given, &wish, &ret);
	check_result(&ret);
	(void)meta_keep_rest(DST_FD, SRC_FD, &st, &op);
	mode = fuzz_byte(&input) * 3u;
	zc_verify((meta_new_mode(SRC_FD, mode, 022) & ~mode) == 0);
	return 0;
}
