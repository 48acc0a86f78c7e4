/*
 * Attributes. What a new file's mode will be is held against what the kernel really gives in the same
 * directory, over random default ACLs, modes and masks. What a copy of a file has is held against what cp -a
 * gives it, on each file system there is; and each single call of it against what others could then do.
 */
#include "meta.h"

#include <fcntl.h>
#include <grp.h>
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <sys/mount.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/wait.h>
#include <sys/xattr.h>

#include <cmocka.h>

#include "commit.h"
#include "job_dir.h"

#define ACL_DEFAULT "system.posix_acl_default"
#define ACL_ACCESS  "system.posix_acl_access"

enum {
	USER_OBJ = 0x01,
	USER = 0x02,
	GROUP_OBJ = 0x04,
	GROUP = 0x08,
	MASK = 0x10,
	OTHER = 0x20,
	ENTRIES_MAX = 32,
	STRANGER = 12345,
	NOBODY = 65534,
	MODES = 07777,
};

struct acl {
	uint8_t bytes[4 + 8 * ENTRIES_MAX];
	size_t len;
};

static uint64_t dice = 0x9e3779b97f4a7c15;

static unsigned roll(unsigned below)
{
	dice ^= dice << 13;
	dice ^= dice >> 7;
	dice ^= dice << 17;
	return (unsigned)(dice % below);
}

static void acl_add(struct acl *acl, unsigned tag, unsigned perm, uint32_t id)
{
	const uint16_t head[2] = { (uint16_t)tag, (uint16_t)perm };

	memcpy(acl->bytes + acl->len, head, 4);
	memcpy(acl->bytes + acl->len + 4, &id, 4);
	acl->len += 8;
}

/* A valid one: sorted by tag and id; a mask wherever somebody is named, and sometimes where not. */
static struct acl random_acl(void)
{
	const uint32_t version = 2;
	const uint32_t none = UINT32_MAX;
	unsigned users = roll(3);
	unsigned groups = roll(3);
	struct acl acl = { .len = 4 };

	memcpy(acl.bytes, &version, 4);
	acl_add(&acl, USER_OBJ, roll(8), none);
	for (unsigned i = 0; i < users; i++) {
		acl_add(&acl, USER, roll(8), 1000 + i);
	}
	acl_add(&acl, GROUP_OBJ, roll(8), none);
	for (unsigned i = 0; i < groups; i++) {
		acl_add(&acl, GROUP, roll(8), 2000 + i);
	}
	if (users + groups > 0 || roll(2) == 0) {
		acl_add(&acl, MASK, roll(8), none);
	}
	acl_add(&acl, OTHER, roll(8), none);
	return acl;
}

static mode_t mode_of_fd(int fd)
{
	struct stat st;

	assert_int_equal(fstat(fd, &st), 0);
	return st.st_mode & 07777;
}

/* What the kernel makes of it. */
static mode_t kernels_mode(int dir_fd, mode_t mode, mode_t mask)
{
	mode_t before = umask(mask);
	int fd = openat(dir_fd, "probe", O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, mode);
	mode_t got;

	umask(before);
	assert_true(fd >= 0);
	got = mode_of_fd(fd);
	close(fd);
	assert_int_equal(unlinkat(dir_fd, "probe", 0), 0);
	return got;
}

static const mode_t masks[] = { 0, 0022, 0027, 0077, 0002, 0777 };

static void compare(int dir_fd)
{
	for (unsigned i = 0; i < 12; i++) {
		mode_t mode = i == 0 ? 0666 : i == 1 ? 0644 : i == 2 ? 0777 : roll(01000);
		mode_t mask = masks[roll(ZC_ARRAY_LEN(masks))];

		assert_int_equal(meta_new_mode(dir_fd, mode, mask), kernels_mode(dir_fd, mode, mask));
	}
}

static void mode_without_acl(void **state)
{
	int dir_fd = open(dir_path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	(void)state;
	compare(dir_fd);
	close(dir_fd);
}

/* Random default ACLs on the file system of this place; how many it took. */
static unsigned compare_acls(const char *place)
{
	unsigned taken = 0;
	int dir_fd;

	assert_int_equal(dir_make(place), 0);
	dir_fd = open(dir_path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	for (unsigned i = 0; i < 200; i++) {
		struct acl acl = random_acl();

		if (fsetxattr(dir_fd, ACL_DEFAULT, acl.bytes, acl.len, 0) == 0) {
			taken++;
			compare(dir_fd);
		}
	}
	close(dir_fd);
	assert_int_equal(dir_tear_down(NULL), 0);
	return taken;
}

static void mode_with_acl(void **state)
{
	(void)state;
	if (compare_acls("/tmp") + compare_acls("/dev/shm") == 0) {
		print_message("no default ACLs here\n");
		skip();
	}
}

/* An unnamed file gets the mode that any new file gets. */
static void mode_of_commits(void **state)
{
	int dir_fd = open(dir_path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	mode_t before = umask(0027);

	(void)state;
	for (unsigned i = 0; i < 40; i++) {
		struct acl acl = random_acl();
		struct zc_fallbacks fallbacks = { 0 };
		struct target target;
		struct commit commit;
		const char *why = NULL;
		mode_t mode = roll(01000);

		if (i > 0 && fsetxattr(dir_fd, ACL_DEFAULT, acl.bytes, acl.len, 0) < 0) {
			print_message("no default ACLs here\n");
			break;
		}
		assert_int_equal(target_open(&target, in_dir("name"), TARGET_FOLLOW, &why), 0);
		assert_int_equal(commit_begin(&commit, &target, mode, 0027, &fallbacks, &why), 0);
		assert_int_equal(commit.final_mode, kernels_mode(dir_fd, mode, 0027));
		assert_int_equal(commit_end(&commit), 0);
		target_close(&target);
	}
	umask(before);
	close(dir_fd);
}

/* ---- the old file's attributes, and the source's */

static int make(const char *name, mode_t mode)
{
	int fd = open(in_dir(name), O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

	assert_true(fd >= 0);
	assert_int_equal(fchmod(fd, mode), 0);
	return fd;
}

static struct stat stat_of(int fd)
{
	struct stat st;

	assert_int_equal(fstat(fd, &st), 0);
	return st;
}

static void expect_xattr(int fd, const char *name, const char *value)
{
	char got[64] = "";
	ssize_t len = fgetxattr(fd, name, got, sizeof(got) - 1);

	if (value == NULL) {
		assert_true(len < 0);
	} else {
		assert_int_equal(len, strlen(value));
		assert_string_equal(got, value);
	}
}

/* As a truncating cp would leave it: mode but not suid, user attributes, and no ACL that it did not have. */
static void keeps_the_old_ones(void **state)
{
	int path_fd;
	int old_fd = make("old", 04751);
	int fd = make("new", 0600);
	struct acl acl = random_acl();
	struct stat old = stat_of(old_fd);
	const char *op = "";
	bool xattrs = fsetxattr(old_fd, "user.colour", "green", 5, 0) == 0;
	bool acls = fsetxattr(fd, ACL_ACCESS, acl.bytes, acl.len, 0) == 0;

	(void)state;
	assert_int_equal(meta_keep_rest(fd, old_fd, &old, &op), 0);
	assert_int_equal(mode_of_fd(fd), 0751);
	expect_xattr(fd, ACL_ACCESS, NULL);
	expect_xattr(fd, "user.colour", xattrs ? "green" : NULL);
	/* and with one, that one */
	if (acls) {
		uint8_t got[sizeof(acl.bytes)];

		acl = (struct acl){ .len = 4 };
		memcpy(acl.bytes, &(const uint32_t){ 2 }, 4);
		acl_add(&acl, USER_OBJ, 6, UINT32_MAX);
		acl_add(&acl, USER, 4, STRANGER);
		acl_add(&acl, GROUP_OBJ, 0, UINT32_MAX);
		acl_add(&acl, MASK, 4, UINT32_MAX);
		acl_add(&acl, OTHER, 0, UINT32_MAX);
		assert_int_equal(fsetxattr(old_fd, ACL_ACCESS, acl.bytes, acl.len, 0), 0);
		old = stat_of(old_fd);
		assert_int_equal(meta_keep_rest(fd, old_fd, &old, &op), 0);
		assert_int_equal(fgetxattr(fd, ACL_ACCESS, got, sizeof(got)), acl.len);
		assert_memory_equal(got, acl.bytes, acl.len);
		assert_int_equal(mode_of_fd(fd), old.st_mode & 0777);
	}
	/* one that may not be read, so that it is open by O_PATH only: just the same */
	path_fd = open(in_dir("old"), O_PATH);
	assert_true(path_fd >= 0);
	assert_int_equal(fchmod(fd, 0600), 0);
	assert_int_equal(meta_keep_rest(fd, path_fd, &old, &op), 0);
	assert_int_equal(mode_of_fd(fd), old.st_mode & 0777);
	close(path_fd);
	close(old_fd);
	close(fd);
}

/* -p between two open files: 0, or the first failure. */
static int preserve_all(int fd, int src_fd, const struct stat *src, unsigned preserve, const char **ret_op)
{
	const unsigned known = ZC_PRESERVE_MODE | ZC_PRESERVE_OWNER | ZC_PRESERVE_TIMES;
	const struct meta_wish wish = { .preserve = preserve & known, .require = known };
	const struct attr_at from = { .fd = src_fd, .dir_fd = -1, .name = "" };
	const struct attr_at to = { .fd = fd, .dir_fd = -1, .name = "" };
	struct meta_result result;

	meta_copy(&from, src, &to, NULL, &wish, &result);
	if (result.count == 0) {
		return 0;
	}
	*ret_op = result.list[0].op;
	return result.list[0].code;
}

static void preserves(void **state)
{
	const struct timespec times[2] = { { 1000000007, 123456789 }, { 999999999, 987654321 } };
	int src_fd = make("src", 06750);
	struct stat src;
	const char *op = "";
	int fd;

	(void)state;
	assert_int_equal(fsetxattr(src_fd, "user.colour", "red", 3, 0) == 0 || errno == EOPNOTSUPP, 1);
	assert_int_equal(futimens(src_fd, times), 0);
	src = stat_of(src_fd);
	for (unsigned bits = 0; bits < 8; bits++) {
		struct stat got;

		fd = make("new", 0644);
		assert_int_equal(preserve_all(fd, src_fd, &src, bits, &op), 0);
		got = stat_of(fd);
		assert_int_equal(got.st_mode & 07777, bits & ZC_PRESERVE_MODE ? 06750 : 0644);
		if (bits & ZC_PRESERVE_TIMES) {
			assert_int_equal(got.st_mtim.tv_sec, times[1].tv_sec);
			assert_int_equal(got.st_mtim.tv_nsec, times[1].tv_nsec);
			assert_int_equal(got.st_atim.tv_sec, times[0].tv_sec);
			assert_int_equal(got.st_atim.tv_nsec, times[0].tv_nsec);
		} else {
			assert_true(got.st_mtim.tv_sec > times[1].tv_sec);
		}
		expect_xattr(fd, "user.colour", NULL); /* -p is mode, owner and times */
		close(fd);
	}
	close(src_fd);
}

/* ---- owners */

static void need_root(void)
{
	if (geteuid() != 0) {
		print_message("not root\n");
		skip();
	}
}

static void owners(void **state)
{
	int src_fd;
	int fd;
	struct stat src;
	const char *op = "";

	(void)state;
	need_root();
	src_fd = make("src", 0600);
	assert_int_equal(fchown(src_fd, STRANGER, STRANGER + 1), 0);
	assert_int_equal(fchmod(src_fd, 06755), 0);
	src = stat_of(src_fd);
	fd = make("new", 0600);
	assert_int_equal(meta_keep_owner(fd, &src), 0);
	assert_true(stat_of(fd).st_uid == STRANGER && stat_of(fd).st_gid == STRANGER + 1);
	assert_int_equal(mode_of_fd(fd), 0600);
	close(fd);
	fd = make("new2", 0600);
	/* the owner first, since it takes suid away */
	assert_int_equal(preserve_all(fd, src_fd, &src, ZC_PRESERVE_OWNER | ZC_PRESERVE_MODE, &op), 0);
	assert_true(stat_of(fd).st_uid == STRANGER && stat_of(fd).st_gid == STRANGER + 1);
	assert_int_equal(mode_of_fd(fd), 06755);
	close(fd);
	/* ... also from one that had the very mode */
	fd = make("new3", 06755);
	assert_int_equal(preserve_all(fd, src_fd, &src, ZC_PRESERVE_OWNER | ZC_PRESERVE_MODE, &op), 0);
	assert_int_equal(mode_of_fd(fd), 06755);
	close(fd);
	close(src_fd);
}

/* An ordinary user: -p does what it can, without suid; replacing refuses. 0 or the line. */
static int as_nobody(int src_fd)
{
	struct stat src;
	struct stat got;
	const char *op = "";
	int fd;

	if (setgroups(0, NULL) != 0 || setgid(NOBODY) != 0 || setuid(NOBODY) != 0 ||
	    fstat(src_fd, &src) != 0) {
		return __LINE__;
	}
	fd = open(dir_path, O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
	if (fd < 0) {
		return 0;
	}
	if (meta_keep_owner(fd, &src) != -EPERM) {
		return __LINE__;
	}
	if (preserve_all(fd, src_fd, &src, ZC_PRESERVE_OWNER | ZC_PRESERVE_MODE, &op) != 0) {
		return __LINE__;
	}
	if (fstat(fd, &got) != 0 || got.st_uid != NOBODY || (got.st_mode & 07777) != 0755) {
		return __LINE__;
	}
	src = got;
	return meta_keep_owner(fd, &src) == 0 ? 0 : __LINE__;
}

static void owners_of_others(void **state)
{
	int src_fd;
	int status;
	pid_t child;

	(void)state;
	need_root();
	src_fd = make("src", 06755);
	assert_int_equal(chmod(dir_path, 0777), 0);
	child = fork();
	if (child == 0) {
		int line = as_nobody(src_fd);

		if (line != 0) {
			dprintf(2, "job_meta: line %d\n", line);
		}
		_exit(line != 0);
	}
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_int_equal(status, 0);
	close(src_fd);
}

/* ---- the whole of cp -a, on each file system there is */

enum {
	PLACES_MAX = 8,
	FILES = 120,
	TRUSTED = 3, /* one file in so many has it, as each of the oddities below */
};

static const char *places[PLACES_MAX] = { "/tmp", "/dev/shm" };
static unsigned place_count = 2;
static char mounts_path[] = "/tmp/zc-meta-XXXXXX";
static const char *bare_place; /* a file system without attributes; NULL: none */

/* In a mount namespace of our own, which goes with us. The folder is made by main. */
static void mount_one(const char *type, const char *mkfs)
{
	static char paths[PLACES_MAX][64];
	char command[1024];
	char *path = paths[place_count];

	snprintf(path, sizeof(paths[0]), "%s/%s", mounts_path, type);
	if (mkfs == NULL) {
		snprintf(command, sizeof(command), "mkdir %s && mount -t %s none %s 2>/dev/null", path, type,
		         path);
	} else {
		snprintf(command, sizeof(command),
		         "mkdir %s && truncate -s 320M %s.img && %s %s.img >/dev/null 2>&1 && "
		         "mount -o loop %s.img %s 2>/dev/null && chmod 755 %s && rm %s.img",
		         path, path, mkfs, path, path, path, path, path);
	}
	if (system(command) != 0) {
		print_message("no %s here\n", type);
	} else if (mkfs == NULL) {
		bare_place = path;
	} else {
		places[place_count++] = path;
	}
}

static void mount_all(void)
{
	if (geteuid() != 0 || unshare(CLONE_NEWNS) != 0 ||
	    mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) != 0 || mkdtemp(mounts_path) == NULL) {
		print_message("no file systems of our own\n");
		return;
	}
	assert_int_equal(chmod(mounts_path, 0755), 0);
	mount_one("ext4", "mkfs.ext4 -q -F");
	mount_one("xfs", "mkfs.xfs -q -f");
	mount_one("btrfs", "mkfs.btrfs -q -f");
	mount_one("ramfs", NULL);
	/* busy ones go when the last of us does; their folders now */
}

static void unmount_all(void)
{
	char command[256];

	snprintf(command, sizeof(command), "umount -l %s/*/ 2>/dev/null; rm -rf --one-file-system %s",
	         mounts_path, mounts_path);
	if (strstr(mounts_path, "XXXXXX") == NULL && system(command) != 0) {
		print_message("left: %s\n", mounts_path);
	}
}

static const mode_t kinds[] = { S_IFREG, S_IFREG, S_IFREG, S_IFDIR, S_IFDIR, S_IFLNK, S_IFIFO, S_IFCHR };

static const char *proc_path(int dir_fd, const char *name)
{
	static char path[128];

	snprintf(path, sizeof(path), "/proc/self/fd/%d/%s", dir_fd, name);
	return path;
}

static void make_node(int dir_fd, const char *name, mode_t kind)
{
	int fd;

	if (kind == S_IFREG) {
		fd = openat(dir_fd, name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
		assert_true(fd >= 0);
		close(fd);
	} else if (kind == S_IFDIR) {
		assert_int_equal(mkdirat(dir_fd, name, 0700), 0);
	} else if (kind == S_IFLNK) {
		assert_int_equal(symlinkat("nowhere", dir_fd, name), 0);
	} else {
		assert_int_equal(mknodat(dir_fd, name, kind | 0600, kind == S_IFCHR ? makedev(1, 3) : 0), 0);
	}
}

/* Not every file system takes each of these. */
static void add_random_xattrs(const char *path, mode_t kind)
{
	static const uint8_t capability[20] = { 1, 0, 0, 2, 0, 4 }; /* CAP_NET_BIND_SERVICE */
	char value[3000];
	char name[64];

	memset(value, 'v', sizeof(value));
	for (unsigned i = roll(4); (kind == S_IFREG || kind == S_IFDIR) && i > 0; i--) {
		snprintf(name, sizeof(name), "user.name%u", i);
		(void)lsetxattr(path, name, value, roll(8) == 0 ? sizeof(value) : roll(40), 0);
	}
	if (roll(TRUSTED) == 0) {
		(void)lsetxattr(path, "trusted.odd", "T", 1, 0);
	}
	if (roll(TRUSTED) == 0) {
		(void)lsetxattr(path, "user.Beagle.index", "B", 1, 0);
	}
	if (kind == S_IFREG && roll(TRUSTED) == 0) {
		(void)lsetxattr(path, "security.capability", capability, sizeof(capability), 0);
	}
	if (kind != S_IFLNK && roll(TRUSTED) == 0) {
		struct acl acl = random_acl();

		(void)lsetxattr(path, ACL_ACCESS, acl.bytes, acl.len, 0);
	}
	if (kind == S_IFDIR && roll(TRUSTED) == 0) {
		struct acl acl = random_acl();

		(void)lsetxattr(path, ACL_DEFAULT, acl.bytes, acl.len, 0);
	}
}

/* readable: everybody may read it, as a copier who is not root must */
static void make_random(int dir_fd, const char *name, mode_t kind, bool readable)
{
	static const uid_t ids[] = { 0, 0, STRANGER, NOBODY };
	const struct timespec times[2] = { { (time_t)roll(2000000000), roll(1000000000) },
		                           { (time_t)roll(2000000000) - 100000000, roll(1000000000) } };
	mode_t more = readable ? (kind == S_IFDIR ? 0555 : 0444) : 0;

	make_node(dir_fd, name, kind);
	if (geteuid() == 0) {
		assert_int_equal(fchownat(dir_fd, name, ids[roll(4)], ids[roll(4)], AT_SYMLINK_NOFOLLOW), 0);
	}
	add_random_xattrs(proc_path(dir_fd, name), kind);
	if (kind != S_IFLNK) {
		mode_t mode = roll(01000) | more;

		mode |= kind == S_IFREG || kind == S_IFDIR ? roll(8) << 9 : 0;
		assert_int_equal(fchmodat(dir_fd, name, mode, 0), 0);
	}
	if (readable && kind != S_IFLNK) {
		(void)lremovexattr(proc_path(dir_fd, name), ACL_ACCESS); /* it may shut nobody out */
	}
	assert_int_equal(utimensat(dir_fd, name, times, AT_SYMLINK_NOFOLLOW), 0);
}

static uint64_t hash_bytes(const uint8_t *bytes, size_t len)
{
	uint64_t hash = 0xcbf29ce484222325ull;

	for (size_t i = 0; i < len; i++) {
		hash = (hash ^ bytes[i]) * 0x100000001b3ull;
	}
	return hash;
}

static int by_name(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

/* All there is to be said about a file, as words; the caller frees them. */
static char *describe(int dir_fd, const char *name)
{
	static char names[65536];
	static uint8_t value[65536];
	const char *sorted[256];
	unsigned count = 0;
	struct stat st;
	char *text = NULL;
	size_t size;
	FILE *out = open_memstream(&text, &size);
	ssize_t len = llistxattr(proc_path(dir_fd, name), names, sizeof(names));

	assert_int_equal(fstatat(dir_fd, name, &st, AT_SYMLINK_NOFOLLOW), 0);
	fprintf(out, "%s: mode %o owner %u:%u atime %lld.%09ld mtime %lld.%09ld", name, st.st_mode, st.st_uid,
	        st.st_gid, (long long)st.st_atim.tv_sec, st.st_atim.tv_nsec, (long long)st.st_mtim.tv_sec,
	        st.st_mtim.tv_nsec);
	for (ssize_t at = 0; at < len && count < 256; at += (ssize_t)strlen(names + at) + 1) {
		sorted[count++] = names + at;
	}
	qsort(sorted, count, sizeof(sorted[0]), by_name);
	for (unsigned i = 0; i < count; i++) {
		ssize_t size_bytes = lgetxattr(proc_path(dir_fd, name), sorted[i], value, sizeof(value));

		fprintf(out, " %s=%zd:%016llx", sorted[i], size_bytes,
		        (unsigned long long)hash_bytes(value, size_bytes > 0 ? (size_t)size_bytes : 0));
	}
	fclose(out);
	return text;
}

/* Open, open by O_PATH, by name: it must not matter. */
static struct attr_at at_of(int dir_fd, const char *name, mode_t kind, unsigned how)
{
	struct attr_at at = { .fd = -1, .dir_fd = dir_fd, .name = name };

	if (how % 3 == 1) {
		at.fd = openat(dir_fd, name, O_PATH | O_NOFOLLOW | O_CLOEXEC);
	} else if (how % 3 == 2 && (kind == S_IFREG || kind == S_IFDIR)) {
		at.fd = openat(dir_fd, name, O_RDONLY | O_CLOEXEC); /* by name where it may not be read */
	}
	return at;
}

static const struct meta_wish wish_a = {
	.preserve = ZC_PRESERVE_MODE | ZC_PRESERVE_OWNER | ZC_PRESERVE_TIMES | ZC_PRESERVE_XATTR |
	            ZC_PRESERVE_CONTEXT,
	.require = ZC_PRESERVE_MODE | ZC_PRESERVE_OWNER | ZC_PRESERVE_TIMES,
	.xattr_hushed = true,
};

static unsigned required_failures(const struct meta_result *result)
{
	unsigned count = 0;

	for (unsigned i = 0; i < result->count; i++) {
		const struct meta_failure *failure = &result->list[i];

		if (failure->required) {
			dprintf(2, "job_meta: %s %s: %s\n", failure->op, failure->xattr,
			        strerror(-failure->code));
			count++;
		}
	}
	return count;
}

/* One entry, as a caller would. How many failures were required to be none. */
static unsigned copy_one(int src_dir, int dst_dir, const char *name, bool dst_inherits, unsigned how)
{
	struct meta_given given;
	struct meta_result result;
	struct attr_at src;
	struct attr_at dst;
	struct stat src_st;
	struct stat dst_st;

	assert_int_equal(fstatat(src_dir, name, &src_st, AT_SYMLINK_NOFOLLOW), 0);
	make_node(dst_dir, name, src_st.st_mode & S_IFMT);
	assert_int_equal(fstatat(dst_dir, name, &dst_st, AT_SYMLINK_NOFOLLOW), 0);
	given = (struct meta_given){ dst_st.st_uid, dst_st.st_gid, dst_st.st_mode, dst_inherits };
	src = at_of(src_dir, name, src_st.st_mode & S_IFMT, how);
	dst = at_of(dst_dir, name, src_st.st_mode & S_IFMT, how / 3);
	meta_copy(&src, &src_st, &dst, how / 9 % 2 == 0 ? &given : NULL, &wish_a, &result);
	close(src.fd);
	close(dst.fd);
	return required_failures(&result);
}

/* Runs in a process of its own: cp's and our copies of all there is in src. 0 or what went wrong. */
static int copy_both(uid_t uid, bool dst_inherits, unsigned count)
{
	char command[256];
	unsigned failures = 0;
	int src_dir;
	int dst_dir;
	int status;

	if (uid != geteuid() &&
	    (setgroups(1, &(const gid_t){ STRANGER }) != 0 || setgid(uid) != 0 || setuid(uid) != 0)) {
		return 9;
	}
	src_dir = open(in_dir("src"), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	dst_dir = open(in_dir("ours"), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	for (unsigned i = 0; i < count; i++) {
		char name[16];

		snprintf(name, sizeof(name), "%u", i);
		failures += copy_one(src_dir, dst_dir, name, dst_inherits, i);
	}
	snprintf(command, sizeof(command), "exec cp -aT %s %s", in_dir("src"), in_dir("gnus"));
	status = system(command);
	if ((status != 0) != (failures != 0)) {
		dprintf(2, "job_meta: cp's status %d, failures of ours %u\n", status, failures);
		return 1;
	}
	return 0;
}

static void expect_alike(unsigned count)
{
	int gnu_dir = open(in_dir("gnus"), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	int our_dir = open(in_dir("ours"), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	int src_dir = open(in_dir("src"), O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	for (unsigned i = 0; i < count; i++) {
		char name[16];
		char *gnus;
		char *ours;
		char *source;

		snprintf(name, sizeof(name), "%u", i);
		gnus = describe(gnu_dir, name);
		ours = describe(our_dir, name);
		source = describe(src_dir, name);
		if (strcmp(gnus, ours) != 0) {
			print_message("src  %s\ngnus %s\nours %s\n", source, gnus, ours);
		}
		assert_string_equal(ours, gnus);
		free(gnus);
		free(ours);
		free(source);
	}
	close(gnu_dir);
	close(our_dir);
	close(src_dir);
}

static void as_cp(const char *place, uid_t uid, bool dst_inherits)
{
	unsigned count = geteuid() == 0 ? FILES : FILES / 2;
	struct acl acl = random_acl();
	int src_dir;
	int status;
	pid_t child;

	acl.bytes[4 + 2] = 7; /* cp 9.1 loses attributes of files that it may not write at once */
	assert_int_equal(dir_make(place), 0);
	assert_int_equal(mkdir(in_dir("src"), 0755), 0);
	src_dir = open(in_dir("src"), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	for (unsigned i = 0; i < count; i++) {
		mode_t kind = kinds[roll(ZC_ARRAY_LEN(kinds))];
		char name[16];

		snprintf(name, sizeof(name), "%u", i);
		make_random(src_dir, name, kind == S_IFCHR && (uid != 0 || geteuid() != 0) ? S_IFREG : kind,
		            uid != 0);
	}
	for (unsigned i = 0; i < 2; i++) {
		const char *path = in_dir(i == 0 ? "ours" : "gnus");

		assert_int_equal(mkdir(path, 0755), 0);
		assert_int_equal(chown(path, uid, dst_inherits ? (uid == 0 ? STRANGER : uid) : uid), 0);
		if (dst_inherits) {
			(void)setxattr(path, ACL_DEFAULT, acl.bytes, acl.len, 0);
		}
	}
	(void)fflush(NULL);
	child = fork();
	if (child == 0) {
		_exit(copy_both(uid, dst_inherits, count));
	}
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_int_equal(status, 0);
	expect_alike(count);
	close(src_dir);
	assert_int_equal(dir_tear_down(NULL), 0);
}

static void need_gnu_cp(void)
{
	if (system("cp --version 2>/dev/null | grep -q GNU") != 0) {
		print_message("no GNU cp here\n");
		skip();
	}
}

static void same_as_cp(void **state)
{
	(void)state;
	need_gnu_cp();
	for (unsigned i = 0; i < place_count; i++) {
		for (unsigned inherits = 0; inherits < 2; inherits++) {
			print_message("%s%s\n", places[i], inherits ? ", with a default ACL" : "");
			as_cp(places[i], geteuid(), inherits != 0);
		}
	}
}

static void same_as_cp_of_nobody(void **state)
{
	(void)state;
	need_root();
	need_gnu_cp();
	for (unsigned i = 0; i < place_count; i++) {
		for (unsigned inherits = 0; inherits < 2; inherits++) {
			print_message("%s%s\n", places[i], inherits ? ", with a default ACL" : "");
			as_cp(places[i], NOBODY, inherits != 0);
		}
	}
}

/* ---- watched call by call */

struct job { /* one meta_copy */
	struct attr_at src;
	struct attr_at dst;
	struct stat src_st;
	const struct meta_given *given;
	const struct meta_wish *wish;
	struct meta_result result;
};

/* The calls that meta_copy makes, in a child; look is called behind each. -1: nobody may watch here. */
static int watch(struct job *job, void (*look)(void *arg), void *arg)
{
	struct __ptrace_syscall_info info;
	int status;
	int calls = -1;
	pid_t child = fork();

	if (child == 0) {
		if (ptrace(PTRACE_TRACEME, 0, NULL, NULL) != 0) {
			_exit(2);
		}
		raise(SIGSTOP);
		syscall(SYS_getppid);
		meta_copy(&job->src, &job->src_st, &job->dst, job->given, job->wish, &job->result);
		syscall(SYS_getppid);
		_exit(required_failures(&job->result) != 0);
	}
	assert_int_equal(waitpid(child, &status, 0), child);
	if (!WIFSTOPPED(status) || ptrace(PTRACE_SETOPTIONS, child, NULL,
	                                  (void *)(PTRACE_O_TRACESYSGOOD | PTRACE_O_EXITKILL)) != 0) {
		(void)kill(child, SIGKILL);
		return -1;
	}
	while (ptrace(PTRACE_SYSCALL, child, NULL, NULL) == 0 && waitpid(child, &status, 0) == child &&
	       WIFSTOPPED(status)) {
		if (WSTOPSIG(status) != (SIGTRAP | 0x80) ||
		    ptrace(PTRACE_GET_SYSCALL_INFO, child, (void *)sizeof(info), &info) <= 0) {
			continue;
		}
		if (info.op == PTRACE_SYSCALL_INFO_EXIT && calls > 0 && look != NULL) {
			look(arg);
		} else if (info.op == PTRACE_SYSCALL_INFO_ENTRY) {
			if (info.entry.nr == SYS_getppid && calls >= 0) {
				look = NULL;
				calls = calls < 1000 ? calls + 1000 : calls;
			} else if (info.entry.nr == SYS_getppid) {
				calls = 0;
			} else if (calls >= 0 && calls < 1000) {
				calls++;
			}
		}
	}
	assert_int_equal(status, 0);
	assert_true(calls >= 1000);
	return calls - 1000;
}

static bool cannot_watch(int calls)
{
	if (calls < 0) {
		print_message("no ptrace here: an emulator or a tracer\n");
	}
	return calls < 0;
}

static int calls_of(const char *src, const char *dst, const struct meta_wish *wish, bool known)
{
	struct meta_given given;
	struct job job = { .wish = wish };
	int dir_fd = open(dir_path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	struct stat st;
	int calls;

	assert_int_equal(fstatat(dir_fd, src, &job.src_st, AT_SYMLINK_NOFOLLOW), 0);
	assert_int_equal(fstatat(dir_fd, dst, &st, AT_SYMLINK_NOFOLLOW), 0);
	given = (struct meta_given){ st.st_uid, st.st_gid, st.st_mode, false };
	job.given = known ? &given : NULL;
	job.src = at_of(dir_fd, src, job.src_st.st_mode & S_IFMT, 2);
	job.dst = at_of(dir_fd, dst, job.src_st.st_mode & S_IFMT, 2);
	calls = watch(&job, NULL, NULL);
	close(job.src.fd);
	close(job.dst.fd);
	close(dir_fd);
	return calls;
}

/* A tree is mostly files like this one. */
static void few_calls(void **state)
{
	struct meta_wish wish = wish_a;

	(void)state;
	close(make("src", 0644));
	close(make("dst", 0644));
	if (cannot_watch(calls_of("src", "dst", &wish, true))) {
		skip();
	}
	assert_int_equal(calls_of("src", "dst", &wish, true), 2); /* flistxattr, utimensat */
	/* fstat, flistxattr of both: the times are right by now, and are not set again */
	assert_int_equal(calls_of("src", "dst", &wish, false), 3);
	wish.no_xattrs = true;
	assert_int_equal(calls_of("src", "dst", &wish, true), 1);
	assert_int_equal(symlink("nowhere", in_dir("link")), 0);
	assert_int_equal(calls_of("link", "link", &wish, true), 1);
	wish.preserve = ZC_PRESERVE_MODE;
	assert_int_equal(calls_of("src", "dst", &wish, true), 0);
	assert_int_equal(chmod(in_dir("dst"), 0600), 0);
	assert_int_equal(calls_of("src", "dst", &wish, true), 1); /* fchmod */
}

struct rights {
	uid_t uid;
	gid_t gid;
	unsigned group; /* what the owning group may do */
	unsigned other;
	unsigned named; /* what anybody named in an ACL may do */
	bool suid;
};

static struct rights rights_of(int fd)
{
	struct rights rights = { 0 };
	struct stat st = stat_of(fd);
	uint8_t acl[sizeof(((struct acl *)NULL)->bytes)];
	ssize_t len = fgetxattr(fd, ACL_ACCESS, acl, sizeof(acl));
	unsigned mask = 7;

	rights.uid = st.st_uid;
	rights.gid = st.st_gid;
	rights.group = st.st_mode >> 3 & 7;
	rights.other = st.st_mode & 7;
	rights.suid = S_ISREG(st.st_mode) && (st.st_mode & S_ISUID) != 0;
	for (ssize_t at = 4; at + 8 <= len; at += 8) {
		unsigned perm = acl[at + 2];

		if (acl[at] == GROUP_OBJ) {
			rights.group = perm;
		} else if (acl[at] == USER || acl[at] == GROUP) {
			rights.named |= perm;
		} else if (acl[at] == MASK) {
			mask = perm;
		}
	}
	rights.group &= mask;
	rights.named &= mask;
	return rights;
}

struct widening {
	int fd;
	struct rights seen[64];
	unsigned count;
};

static void note_rights(void *arg)
{
	struct widening *widening = arg;

	if (widening->count < ZC_ARRAY_LEN(widening->seen)) {
		widening->seen[widening->count++] = rights_of(widening->fd);
	}
}

/* Nobody may do in between what he could not do before and cannot do in the end. */
static void expect_narrow(const struct widening *widening, struct rights before)
{
	struct rights after = rights_of(widening->fd);

	for (unsigned i = 0; i < widening->count; i++) {
		struct rights now = widening->seen[i];
		unsigned group = now.gid == after.gid ? after.group : 0;

		group |= now.gid == before.gid ? before.group : 0;
		assert_int_equal(now.group & ~group, 0);
		assert_int_equal(now.other & ~(before.other | after.other), 0);
		assert_int_equal(now.named & ~(before.named | after.named), 0);
		assert_true(!now.suid || (after.suid && now.uid == after.uid) ||
		            (before.suid && now.uid == before.uid));
	}
}

/* And in the end he can do the same, also where the old one had more. */
static void expect_same_rights(int src_fd, int fd, bool owner)
{
	static const char *const names[] = { ACL_ACCESS, ACL_DEFAULT };
	uint8_t acls[2][4096];
	struct stat src = stat_of(src_fd);
	struct stat st = stat_of(fd);

	assert_int_equal(st.st_mode, src.st_mode);
	assert_true(!owner || (st.st_uid == src.st_uid && st.st_gid == src.st_gid));
	assert_true(st.st_mtim.tv_sec == src.st_mtim.tv_sec && st.st_mtim.tv_nsec == src.st_mtim.tv_nsec);
	for (unsigned i = 0; i < ZC_ARRAY_LEN(names); i++) {
		ssize_t len = fgetxattr(src_fd, names[i], acls[0], sizeof(acls[0]));

		assert_int_equal(fgetxattr(fd, names[i], acls[1], sizeof(acls[1])), len);
		assert_true(len < 0 || memcmp(acls[0], acls[1], (size_t)len) == 0);
	}
}

static int watch_one(int dir_fd, mode_t kind, bool old, const struct meta_wish *wish)
{
	struct widening widening = { .count = 0 };
	struct job job = { .wish = wish };
	struct meta_given given;
	struct rights before;
	int calls;

	make_random(dir_fd, "src", kind, false);
	if (old) {
		make_random(dir_fd, "dst", kind, false);
	} else {
		make_node(dir_fd, "dst", kind);
	}
	assert_int_equal(fstatat(dir_fd, "src", &job.src_st, 0), 0);
	job.src = at_of(dir_fd, "src", kind, 2);
	job.dst = at_of(dir_fd, "dst", kind, 2);
	widening.fd = job.dst.fd;
	if (old && roll(2) == 0) { /* one that is not open to more, but perhaps to others */
		assert_int_equal(fchmod(job.dst.fd, stat_of(job.dst.fd).st_mode & job.src_st.st_mode & MODES),
		                 0);
	}
	if (roll(2) == 0) {
		struct stat st = stat_of(job.dst.fd);

		given = (struct meta_given){ st.st_uid, st.st_gid, st.st_mode,
			                     fgetxattr(job.dst.fd, ACL_ACCESS, NULL, 0) > 0 ||
			                         fgetxattr(job.dst.fd, ACL_DEFAULT, NULL, 0) > 0 };
		job.given = &given;
	}
	before = rights_of(widening.fd);
	calls = watch(&job, note_rights, &widening);
	if (calls > 0) {
		expect_narrow(&widening, before);
		expect_same_rights(job.src.fd, job.dst.fd, (wish->preserve & ZC_PRESERVE_OWNER) != 0);
	}
	close(job.src.fd);
	close(job.dst.fd);
	assert_int_equal(unlinkat(dir_fd, "src", kind == S_IFDIR ? AT_REMOVEDIR : 0), 0);
	assert_int_equal(unlinkat(dir_fd, "dst", kind == S_IFDIR ? AT_REMOVEDIR : 0), 0);
	return calls;
}

static void never_wider(void **state)
{
	int dir_fd = open(dir_path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	struct meta_wish wish_p = wish_a;

	(void)state;
	need_root();
	wish_p.preserve &= ~(unsigned)ZC_PRESERVE_OWNER;
	for (unsigned i = 0; i < 600; i++) {
		struct acl acl = random_acl();

		if (i % 4 == 0) {
			(void)fsetxattr(dir_fd, ACL_DEFAULT, acl.bytes, acl.len, 0);
		}
		if (cannot_watch(watch_one(dir_fd, i & 1 ? S_IFREG : S_IFDIR, i & 2,
		                           i % 3 == 0 ? &wish_p : &wish_a))) {
			skip();
		}
	}
	close(dir_fd);
}

/* ---- what cannot be copied */

static const char *fault_name; /* this attribute of fault_fd; "" the list; NULL none */
static int fault_fd = -1;
static int fault_errno;

ssize_t __real_flistxattr(int fd, char *names, size_t cap_bytes);
ssize_t __wrap_flistxattr(int fd, char *names, size_t cap_bytes);
ssize_t __real_fgetxattr(int fd, const char *name, void *value, size_t cap_bytes);
ssize_t __wrap_fgetxattr(int fd, const char *name, void *value, size_t cap_bytes);

ssize_t __wrap_flistxattr(int fd, char *names, size_t cap_bytes)
{
	if (fault_name != NULL && fault_name[0] == '\0' && fd == fault_fd) {
		errno = fault_errno;
		return -1;
	}
	return __real_flistxattr(fd, names, cap_bytes);
}

ssize_t __wrap_fgetxattr(int fd, const char *name, void *value, size_t cap_bytes)
{
	if (fault_name != NULL && strcmp(fault_name, name) == 0 && fd == fault_fd) {
		errno = fault_errno;
		return -1;
	}
	return __real_fgetxattr(fd, name, value, cap_bytes);
}

static struct meta_result copy_fds(int src_fd, int dst_fd, const struct meta_wish *wish)
{
	const struct attr_at src = { .fd = src_fd };
	const struct attr_at dst = { .fd = dst_fd };
	struct stat st = stat_of(src_fd);
	struct meta_result result;

	meta_copy(&src, &st, &dst, NULL, wish, &result);
	return result;
}

static void expect_failure(const struct meta_result *result, enum meta_what what, int code, bool required)
{
	for (unsigned i = 0; i < result->count; i++) {
		if (result->list[i].what == what) {
			assert_int_equal(result->list[i].code, code);
			assert_int_equal(result->list[i].required, required);
			return;
		}
	}
	fail_msg("no failure of kind %d", (int)what);
}

static struct acl some_acl(void)
{
	struct acl acl = { .len = 4 };

	memcpy(acl.bytes, &(const uint32_t){ 2 }, 4);
	acl_add(&acl, USER_OBJ, 6, UINT32_MAX);
	acl_add(&acl, USER, 6, STRANGER);
	acl_add(&acl, GROUP_OBJ, 4, UINT32_MAX);
	acl_add(&acl, MASK, 6, UINT32_MAX);
	acl_add(&acl, OTHER, 0, UINT32_MAX);
	return acl;
}

/* To and from a file system that takes no attributes. */
static void bare_file_system(void **state)
{
	struct meta_wish wish = wish_a;
	struct acl acl = some_acl();
	struct meta_result result;
	char path[128];
	int bare_fd;
	int fd;

	(void)state;
	if (bare_place == NULL) {
		print_message("cannot mount a ramfs\n");
		skip();
	}
	snprintf(path, sizeof(path), "%s/file", bare_place);
	bare_fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	assert_true(bare_fd >= 0);
	fd = make("file", 0600);
	if (fsetxattr(fd, "user.colour", "red", 3, 0) != 0 ||
	    fsetxattr(fd, ACL_ACCESS, acl.bytes, acl.len, 0) != 0) {
		print_message("cannot mount anything that takes attributes\n");
		skip();
	}
	assert_int_equal(mode_of_fd(fd), 0660); /* 6 is the mask, which the stranger has */
	result = copy_fds(fd, bare_fd, &wish);
	assert_int_equal(result.count, 1);
	expect_failure(&result, META_ACL, -EOPNOTSUPP, true);
	assert_int_equal(mode_of_fd(bare_fd), 0640); /* and 4 the group's */
	wish.xattr_hushed = false;
	result = copy_fds(fd, bare_fd, &wish);
	assert_int_equal(result.count, 2);
	expect_failure(&result, META_XATTR, -EOPNOTSUPP, false);
	assert_string_equal(result.list[0].xattr, "user.colour");
	wish.xattr_hushed = true;
	wish.require = ZC_PRESERVE_XATTR;
	result = copy_fds(fd, bare_fd, &wish);
	expect_failure(&result, META_XATTR, -EOPNOTSUPP, true);
	expect_failure(&result, META_ACL, -EOPNOTSUPP, false);
	assert_false(result.src_no_xattrs);
	/* and back: the ACL goes */
	result = copy_fds(bare_fd, fd, &wish);
	assert_int_equal(result.count, 0);
	expect_xattr(fd, ACL_ACCESS, NULL);
	assert_int_equal(mode_of_fd(fd), 0640);
	assert_int_equal(unlink(path), 0);
	close(bare_fd);
	close(fd);
}

static struct meta_result copy_with_fault(int src_fd, int dst_fd, const char *name, int code)
{
	struct meta_result result;

	fault_fd = src_fd;
	fault_name = name;
	fault_errno = code;
	result = copy_fds(src_fd, dst_fd, &wish_a);
	fault_name = NULL;
	return result;
}

/* What cannot be read is not left out in silence, and does not make the copy more open than it was. */
static void unreadable_attributes(void **state)
{
	struct acl acl = some_acl();
	struct meta_result result;
	int src_fd = make("src", 0600);
	int fd = make("dst", 0600);

	(void)state;
	if (fsetxattr(src_fd, "user.colour", "red", 3, 0) != 0 ||
	    fsetxattr(src_fd, ACL_ACCESS, acl.bytes, acl.len, 0) != 0) {
		print_message("cannot mount anything that takes attributes\n");
		skip();
	}
	/* a list too long to be had: the ACL has a name that is known */
	result = copy_with_fault(src_fd, fd, "", E2BIG);
	assert_int_equal(result.count, 1);
	expect_failure(&result, META_XATTR, -E2BIG, false);
	assert_int_equal(fgetxattr(fd, ACL_ACCESS, NULL, 0), acl.len);
	assert_false(result.src_no_xattrs);
	assert_int_equal(mode_of_fd(fd), 0660);
	/* no attributes at all: none are copied, and the ACL that is there goes */
	result = copy_with_fault(src_fd, fd, "", EOPNOTSUPP);
	assert_int_equal(result.count, 0);
	assert_true(result.src_no_xattrs);
	expect_xattr(fd, ACL_ACCESS, NULL);
	/* an ACL that is there and cannot be read: nobody but the owner, until somebody has looked */
	result = copy_with_fault(src_fd, fd, ACL_ACCESS, EIO);
	assert_int_equal(result.count, 1);
	expect_failure(&result, META_ACL, -EIO, true);
	assert_int_equal(mode_of_fd(fd), 0600);
	expect_xattr(fd, "user.colour", "red");
	/* an attribute that has gone since it was listed, one that cannot be read */
	result = copy_with_fault(src_fd, fd, "user.colour", ENODATA);
	assert_int_equal(result.count, 0);
	result = copy_with_fault(src_fd, fd, "user.colour", EIO);
	assert_int_equal(result.count, 1);
	expect_failure(&result, META_XATTR, -EIO, false);
	assert_string_equal(result.list[0].xattr, "user.colour");
	close(src_fd);
	close(fd);
}

/* More names than the first buffer holds, and a value larger than the other. */
static void large_attributes(void **state)
{
	static char value[60000];
	static char got[sizeof(value)];
	struct meta_wish wish = { .preserve = ZC_PRESERVE_XATTR };
	struct meta_result result;
	unsigned tried = 0;

	(void)state;
	memset(value, 'x', sizeof(value));
	for (unsigned i = 0; i < place_count; i++) {
		int src_fd;
		int fd;
		char name[256];
		unsigned names = 0;

		assert_int_equal(dir_make(places[i]), 0);
		src_fd = make("src", 0600);
		fd = make("dst", 0600);
		for (; names < 40; names++) {
			snprintf(name, sizeof(name), "user.%040u", names);
			if (fsetxattr(src_fd, name, &names, sizeof(names), 0) != 0) {
				break;
			}
		}
		if (names == 40 && fsetxattr(src_fd, "user.large", value, sizeof(value), 0) == 0) {
			tried++;
			result = copy_fds(src_fd, fd, &wish);
			assert_int_equal(result.count, 0);
			assert_int_equal(fgetxattr(fd, "user.large", got, sizeof(got)), sizeof(value));
			assert_memory_equal(got, value, sizeof(value));
			assert_int_equal(flistxattr(fd, got, sizeof(got)),
			                 flistxattr(src_fd, got, sizeof(got)));
			assert_int_equal(fgetxattr(fd, name, got, sizeof(got)), sizeof(names));
		}
		close(src_fd);
		close(fd);
		assert_int_equal(dir_tear_down(NULL), 0);
	}
	if (tried == 0) {
		print_message("not root: no file system for large attributes\n");
		skip();
	}
}

/* Root in a user namespace may not give files to those who are not in it. */
static int as_small_root(int src_fd, int fd)
{
	struct meta_wish wish = wish_a;
	struct stat st = stat_of(src_fd);
	const struct attr_at src = { .fd = src_fd };
	const struct attr_at dst = { .fd = fd };
	struct meta_result result;
	int map;

	if (unshare(CLONE_NEWUSER) != 0) {
		return -1;
	}
	map = open("/proc/self/uid_map", O_WRONLY | O_CLOEXEC);
	if (write(map, "0 0 1", 5) != 5) {
		return -1;
	}
	meta_copy(&src, &st, &dst, NULL, &wish, &result);
	if (result.count == 0 || result.list[0].what != META_OWNER || !result.list[0].required ||
	    (result.list[0].code != -EINVAL && result.list[0].code != -EPERM)) {
		return __LINE__;
	}
	return mode_of_fd(fd) == 0755 ? 0 : __LINE__;
}

static void owner_of_another_namespace(void **state)
{
	int src_fd;
	int fd;
	int status;
	pid_t child;

	(void)state;
	need_root();
	src_fd = make("src", 0600);
	assert_int_equal(fchown(src_fd, STRANGER, 0), 0);
	assert_int_equal(fchmod(src_fd, 04755), 0);
	fd = make("dst", 0600);
	child = fork();
	if (child == 0) {
		int line = as_small_root(src_fd, fd);

		if (line != 0) {
			dprintf(2, "job_meta: line %d\n", line);
		}
		_exit(line < 0 ? 77 : line != 0);
	}
	assert_int_equal(waitpid(child, &status, 0), child);
	close(src_fd);
	close(fd);
	if (WIFEXITED(status) && WEXITSTATUS(status) == 77) {
		print_message("cannot mount: no user namespaces\n");
		skip();
	}
	assert_int_equal(status, 0);
}

/* The mode of its own that a temporary waits with; and one that is taken for read-only, and is so again. */
static void set_mode(void **state)
{
	struct meta_wish wish = { .preserve = ZC_PRESERVE_XATTR, .set_mode = true, .mode = 0640 };
	struct meta_result result;
	int src_fd = make("src", 06755);
	int fd = make("dst", 0400);
	bool xattrs = fsetxattr(src_fd, "user.colour", "blue", 4, 0) == 0;

	(void)state;
	result = copy_fds(src_fd, fd, &wish);
	assert_int_equal(result.count, 0);
	assert_int_equal(mode_of_fd(fd), 0640);
	expect_xattr(fd, "user.colour", xattrs ? "blue" : NULL);
	close(fd);
	wish.set_mode = false;
	fd = make("dst2", 0444);
	result = copy_fds(src_fd, fd, &wish);
	assert_int_equal(result.count, 0);
	assert_int_equal(mode_of_fd(fd), 0444);
	expect_xattr(fd, "user.colour", xattrs ? "blue" : NULL);
	close(fd);
	close(src_fd);
}

/* Replacing: the new one is born with the source's mode. */
static void keeps_on_read_only(void **state)
{
	int old_fd = make("old3", 0640);
	int fd = make("new3", 0444);
	bool xattrs = fsetxattr(old_fd, "user.colour", "green", 5, 0) == 0;
	struct stat old = stat_of(old_fd);
	const char *op = "";

	(void)state;
	assert_int_equal(meta_keep_rest(fd, old_fd, &old, &op), 0);
	assert_int_equal(mode_of_fd(fd), 0640);
	expect_xattr(fd, "user.colour", xattrs ? "green" : NULL);
	close(old_fd);
	close(fd);
}

static void set_mode_of_nobody(void **state)
{
	int status;
	pid_t child;

	need_root();
	assert_int_equal(chmod(dir_path, 0777), 0);
	child = fork();
	if (child == 0) {
		if (setgroups(0, NULL) != 0 || setgid(NOBODY) != 0 || setuid(NOBODY) != 0) {
			_exit(1);
		}
		set_mode(state);
		keeps_on_read_only(state);
		_exit(0);
	}
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_int_equal(status, 0);
}

static void times_equal(void **state)
{
	const struct timespec src = { 1000000007, 123456789 };
	const struct timespec early = { -3, 500000000 };

	(void)state;
	assert_true(meta_times_equal(src, src));
	assert_true(meta_times_equal(src, (struct timespec){ 1000000007, 123456700 }));
	assert_true(meta_times_equal(src, (struct timespec){ 1000000007, 123456000 }));
	assert_true(meta_times_equal(src, (struct timespec){ 1000000007, 120000000 }));
	assert_true(meta_times_equal(src, (struct timespec){ 1000000007, 0 }));
	assert_true(meta_times_equal(src, (struct timespec){ 1000000006, 0 }));
	assert_true(meta_times_equal(early, (struct timespec){ -4, 0 }));
	assert_false(meta_times_equal(src, (struct timespec){ 1000000007, 123456788 }));
	assert_false(meta_times_equal(src, (struct timespec){ 1000000008, 0 }));
	assert_false(meta_times_equal(src, (struct timespec){ 1000000005, 0 }));
	assert_false(
	    meta_times_equal((struct timespec){ 1000000006, 0 }, (struct timespec){ 1000000005, 0 }));
	assert_false(meta_times_equal((struct timespec){ 1000000007, 0 }, src));
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(mode_without_acl, dir_set_up, dir_tear_down),
		cmocka_unit_test(mode_with_acl),
		cmocka_unit_test_setup_teardown(mode_of_commits, dir_set_up, dir_tear_down),
		cmocka_unit_test_setup_teardown(keeps_the_old_ones, dir_set_up, dir_tear_down),
		cmocka_unit_test_setup_teardown(preserves, dir_set_up, dir_tear_down),
		cmocka_unit_test_setup_teardown(owners, dir_set_up, dir_tear_down),
		cmocka_unit_test_setup_teardown(owners_of_others, dir_set_up, dir_tear_down),
		cmocka_unit_test(same_as_cp),
		cmocka_unit_test(same_as_cp_of_nobody),
		cmocka_unit_test_setup_teardown(few_calls, dir_set_up, dir_tear_down),
		cmocka_unit_test_setup_teardown(never_wider, dir_set_up, dir_tear_down),
		cmocka_unit_test_setup_teardown(bare_file_system, dir_set_up, dir_tear_down),
		cmocka_unit_test_setup_teardown(unreadable_attributes, dir_set_up, dir_tear_down),
		cmocka_unit_test(large_attributes),
		cmocka_unit_test_setup_teardown(owner_of_another_namespace, dir_set_up, dir_tear_down),
		cmocka_unit_test_setup_teardown(set_mode, dir_set_up, dir_tear_down),
		cmocka_unit_test_setup_teardown(keeps_on_read_only, dir_set_up, dir_tear_down),
		cmocka_unit_test_setup_teardown(set_mode_of_nobody, dir_set_up, dir_tear_down),
		cmocka_unit_test(times_equal),
	};
	const char *seed = getenv("ZC_TEST_SEED");
	int failed;

	dice += seed != NULL ? strtoull(seed, NULL, 10) * 0x2545f4914f6cdd1d : 0;
	mount_all();
	failed = cmocka_run_group_tests(tests, NULL, NULL);
	unmount_all();
	return failed;
}
