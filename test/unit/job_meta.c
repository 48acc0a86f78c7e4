/*
 * Attributes. What a new file's mode will be is held against what the kernel really gives in the same
 * directory, over random default ACLs, modes and masks.
 */
#include "meta.h"

#include <fcntl.h>
#include <grp.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
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
		assert_int_equal(target_open(&target, in_dir("name"), &why), 0);
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
		assert_int_equal(meta_preserve(fd, src_fd, &src, bits, &op), 0);
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
	assert_int_equal(meta_preserve(fd, src_fd, &src, ZC_PRESERVE_OWNER | ZC_PRESERVE_MODE, &op), 0);
	assert_true(stat_of(fd).st_uid == STRANGER && stat_of(fd).st_gid == STRANGER + 1);
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
	if (meta_preserve(fd, src_fd, &src, ZC_PRESERVE_OWNER | ZC_PRESERVE_MODE, &op) != 0) {
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
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
