/*
 * From an operand to a held directory and a name: what is followed, what is refused, and that no
 * descriptor is left behind by either.
 */
#include "target.h"

#include <grp.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <sys/wait.h>

#include <cmocka.h>

#include "job_dir.h"

enum {
	STRANGER = 12345,
	NOBODY = 65534,
};

/* cmocka belongs to the parent: a child says what is wrong by itself. */
#define CHILD_CHECK(cond)                                                                                    \
	do {                                                                                                 \
		if (!(cond)) {                                                                               \
			dprintf(2, "job_target: line %d: %s\n", __LINE__, #cond);                            \
			_exit(1);                                                                            \
		}                                                                                            \
	} while (0)

static const char *refused;

static int look(struct target *target, const char *path)
{
	refused = NULL;
	return target_open(target, path, TARGET_FOLLOW, &refused);
}

static int look_in(struct target *target, const char *dir, const char *name)
{
	int fd = open(dir, O_PATH | O_DIRECTORY);
	int res = target_open_in(target, fd, name, TARGET_FOLLOW, &refused);

	close(fd);
	return res;
}

/* target is entry name of this directory of the test's. */
static void expect(struct target *target, const char *path, const char *dir, const char *name, bool exists)
{
	struct stat held;
	struct stat st;

	assert_int_equal(look(target, path), 0);
	assert_null(refused);
	assert_int_equal(fstat(target->dir_fd, &held), 0);
	assert_int_equal(stat(in_dir(dir), &st), 0);
	assert_true(held.st_dev == st.st_dev && held.st_ino == st.st_ino);
	assert_string_equal(target->name, name);
	assert_int_equal(target->exists, exists);
	assert_false(target->dir_searchable_only);
	if (exists) {
		assert_int_equal(fstatat(target->dir_fd, name, &st, AT_SYMLINK_NOFOLLOW), 0);
		assert_true(target->st.st_ino == st.st_ino && !S_ISLNK(target->st.st_mode));
	}
	target_close(target);
}

static void expect_error(const char *path, int code, bool with_reason)
{
	struct target target = { .dir_fd = -7 };
	unsigned before = open_fds();

	assert_int_equal(look(&target, path), code);
	assert_int_equal(refused != NULL, with_reason);
	assert_int_equal(target.dir_fd, -7);
	assert_int_equal(open_fds(), before);
}

static void link_to(const char *name, const char *to)
{
	assert_int_equal(symlink(to, in_dir(name)), 0);
}

static void basenames(void **state)
{
	static const struct {
		const char *path, *base;
	} rows[] = {
		{ "a", "a" },      { "a/", "a" },    { "/a", "a" },      { "d/a//", "a" },
		{ "//d//a", "a" }, { "/", "" },      { "///", "" },      { "", "" },
		{ ".", "." },      { "a/..", ".." }, { "a b/ c", " c" }, { "a/\n", "\n" },
	};

	(void)state;
	for (unsigned i = 0; i < ZC_ARRAY_LEN(rows); i++) {
		size_t len = 99;
		const char *base = target_basename(rows[i].path, &len);

		assert_int_equal(len, strlen(rows[i].base));
		assert_memory_equal(base, rows[i].base, len);
		assert_true(base >= rows[i].path && base <= rows[i].path + strlen(rows[i].path));
	}
}

static void names(void **state)
{
	struct target target;
	int cwd = open(".", O_PATH | O_DIRECTORY | O_CLOEXEC);

	(void)state;
	assert_int_equal(mkdir(in_dir("d"), 0755), 0);
	dir_put("d/old", "old");
	assert_int_equal(mkfifo(in_dir("d/fifo"), 0600), 0);
	expect(&target, in_dir("d/new"), "d", "new", false);
	expect(&target, in_dir("d/old"), "d", "old", true);
	expect(&target, in_dir("d//old"), "d", "old", true);
	expect(&target, in_dir("d/../d/./old"), "d", "old", true);
	expect(&target, in_dir("d/fifo"), "d", "fifo", true);
	expect(&target, in_dir("d"), ".", "d", true);
	assert_int_equal(chdir(in_dir("d")), 0);
	expect(&target, "old", "d", "old", true);
	expect(&target, "./new", "d", "new", false);
	expect(&target, "../new", ".", "new", false);
	assert_int_equal(fchdir(cwd), 0);
	close(cwd);
}

static void not_names(void **state)
{
	(void)state;
	dir_put("file", "");
	expect_error("", -ENOENT, false);
	expect_error("/", -EISDIR, false);
	expect_error("//", -EISDIR, false);
	expect_error(in_dir("new/"), -ENOTDIR, false);
	expect_error(in_dir("file/"), -ENOTDIR, false);
	expect_error(in_dir("file/x"), -ENOTDIR, false);
	expect_error(in_dir("missing/x"), -ENOENT, false);
}

static void long_names(void **state)
{
	char name[NAME_MAX + 2];
	char path[PATH_MAX + 300];
	struct target target;

	(void)state;
	memset(name, 'n', sizeof(name));
	name[NAME_MAX] = '\0';
	expect(&target, in_dir(name), ".", name, false);
	dir_put(name, "long");
	expect(&target, in_dir(name), ".", name, true);
	assert_int_equal(look_in(&target, dir_path, name), 0);
	target_close(&target);
	name[NAME_MAX] = 'n';
	name[NAME_MAX + 1] = '\0';
	expect_error(in_dir(name), -ENAMETOOLONG, false);
	assert_int_equal(look_in(&target, dir_path, name), -ENAMETOOLONG);
	memset(path, '/', sizeof(path));
	memcpy(path, dir_path, strlen(dir_path));
	path[sizeof(path) - 2] = 'x';
	path[sizeof(path) - 1] = '\0';
	expect_error(path, -ENAMETOOLONG, false);
}

/* The link stays; what it points at is looked up in its own directory. */
static void links(void **state)
{
	struct target target;

	(void)state;
	assert_int_equal(mkdir(in_dir("d"), 0755), 0);
	assert_int_equal(mkdir(in_dir("e"), 0755), 0);
	dir_put("e/file", "x");
	link_to("d/relative", "../e/file");
	link_to("d/absolute", in_dir("e/file"));
	link_to("d/twice", "relative");
	link_to("thrice", "d/twice");
	link_to("dir", "e");
	link_to("e/self", "./file");
	expect(&target, in_dir("d/relative"), "e", "file", true);
	expect(&target, in_dir("d/absolute"), "e", "file", true);
	expect(&target, in_dir("d/twice"), "e", "file", true);
	expect(&target, in_dir("thrice"), "e", "file", true);
	expect(&target, in_dir("dir/self"), "e", "file", true);
	expect(&target, in_dir("dir/new"), "e", "new", false); /* links on the way are the kernel's */
	expect(&target, in_dir("dir"), ".", "e", true);
	assert_int_equal(look_in(&target, in_dir("d"), "twice"), 0);
	assert_string_equal(target.name, "file");
	target_close(&target);
}

static void dangling(void **state)
{
	(void)state;
	link_to("gone", "nothing");
	link_to("far", "no/such/dir");
	link_to("chain", "gone");
	link_to("slash", "nothing/");
	expect_error(in_dir("gone"), -ENOENT, true);
	expect_error(in_dir("far"), -ENOENT, true);
	expect_error(in_dir("chain"), -ENOENT, true);
	expect_error(in_dir("slash"), -ENOTDIR, false);
}

/* As many links as the kernel follows itself, and not one more. */
static void loops(void **state)
{
	struct target target;
	char name[16];
	char to[16];

	(void)state;
	link_to("me", "me");
	link_to("ping", "pong");
	link_to("pong", "ping");
	expect_error(in_dir("me"), -ELOOP, false);
	expect_error(in_dir("ping"), -ELOOP, false);
	dir_put("l0", "end");
	for (int i = 1; i <= 41; i++) {
		snprintf(name, sizeof(name), "l%d", i);
		snprintf(to, sizeof(to), "l%d", i - 1);
		link_to(name, to);
	}
	expect(&target, in_dir("l40"), ".", "l0", true);
	assert_int_equal(access(in_dir("l40"), F_OK), 0);
	expect_error(in_dir("l41"), -ELOOP, false);
	assert_int_equal(access(in_dir("l41"), F_OK), -1);
}

/* What is held cannot be moved away under us. */
static void held_directory(void **state)
{
	struct target target;
	int fd;

	(void)state;
	assert_int_equal(mkdir(in_dir("d"), 0755), 0);
	assert_int_equal(mkdir(in_dir("trap"), 0755), 0);
	assert_int_equal(look(&target, in_dir("d/new")), 0);
	assert_int_equal(rename(in_dir("d"), in_dir("moved")), 0);
	link_to("d", "trap");
	fd = openat(target.dir_fd, target.name, O_WRONLY | O_CREAT | O_CLOEXEC, 0644);
	assert_true(fd >= 0);
	close(fd);
	target_close(&target);
	assert_int_equal(access(in_dir("moved/new"), F_OK), 0);
	assert_int_equal(dir_count(in_dir("trap")), 0);
}

/* ---- other users */

static void need_root(void)
{
	if (geteuid() != 0) {
		print_message("not root\n");
		skip();
	}
}

static void as_nobody(void (*work)(void))
{
	pid_t child = fork();
	int status;

	if (child == 0) {
		CHILD_CHECK(setgroups(0, NULL) == 0 && setgid(NOBODY) == 0 && setuid(NOBODY) == 0);
		work();
		_exit(0);
	}
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_int_equal(status, 0);
}

static void owned_link(const char *name, uid_t owner)
{
	link_to(name, "file");
	assert_int_equal(lchown(in_dir(name), owner, (gid_t)-1), 0);
}

static void nobody_follows(void)
{
	struct target target;

	CHILD_CHECK(look(&target, in_dir("root")) == 0);
	CHILD_CHECK(look(&target, in_dir("nobody")) == 0);
	CHILD_CHECK(look(&target, in_dir("stranger")) == -EACCES && refused != NULL);
}

static void sticky(void **state)
{
	struct target target;

	(void)state;
	need_root();
	dir_put("file", "x");
	owned_link("root", 0);
	owned_link("nobody", NOBODY);
	owned_link("stranger", STRANGER);
	assert_int_equal(chmod(dir_path, 01777), 0);
	expect(&target, in_dir("root"), ".", "file", true);
	expect_error(in_dir("stranger"), -EACCES, true);
	as_nobody(nobody_follows);
	/* the directory's owner is trusted; and without the sticky bit there is no such rule */
	assert_int_equal(chown(dir_path, STRANGER, (gid_t)-1), 0);
	expect(&target, in_dir("stranger"), ".", "file", true);
	expect_error(in_dir("nobody"), -EACCES, true);
	assert_int_equal(chmod(dir_path, 0777), 0);
	expect(&target, in_dir("nobody"), ".", "file", true);
	assert_int_equal(chmod(dir_path, 01755), 0);
	expect(&target, in_dir("nobody"), ".", "file", true);
}

/* A stranger's link half way down a chain counts as well. */
static void sticky_chain(void **state)
{
	(void)state;
	need_root();
	dir_put("file", "x");
	assert_int_equal(mkdir(in_dir("s"), 0755), 0);
	assert_int_equal(chmod(in_dir("s"), 01777), 0);
	link_to("s/theirs", "../file");
	assert_int_equal(lchown(in_dir("s/theirs"), STRANGER, (gid_t)-1), 0);
	link_to("mine", "s/theirs");
	expect_error(in_dir("mine"), -EACCES, true);
}

static void nobody_searches(void)
{
	struct target target;
	int fd;

	CHILD_CHECK(look(&target, in_dir("d/new")) == 0);
	CHILD_CHECK(target.dir_searchable_only && !target.exists);
	fd = openat(target.dir_fd, target.name, O_WRONLY | O_CREAT | O_CLOEXEC, 0644);
	CHILD_CHECK(fd >= 0);
	CHILD_CHECK(look(&target, in_dir("closed/new")) == -EACCES && refused == NULL);
}

static void searchable_only(void **state)
{
	(void)state;
	need_root();
	assert_int_equal(mkdir(in_dir("d"), 0333), 0);
	assert_int_equal(chmod(in_dir("d"), 0333), 0);
	assert_int_equal(mkdir(in_dir("closed"), 0700), 0);
	as_nobody(nobody_searches);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(basenames),
		cmocka_unit_test_setup_teardown(names, dir_set_up, dir_tear_down),
		cmocka_unit_test_setup_teardown(not_names, dir_set_up, dir_tear_down),
		cmocka_unit_test_setup_teardown(long_names, dir_set_up, dir_tear_down),
		cmocka_unit_test_setup_teardown(links, dir_set_up, dir_tear_down),
		cmocka_unit_test_setup_teardown(dangling, dir_set_up, dir_tear_down),
		cmocka_unit_test_setup_teardown(loops, dir_set_up, dir_tear_down),
		cmocka_unit_test_setup_teardown(held_directory, dir_set_up, dir_tear_down),
		cmocka_unit_test_setup_teardown(sticky, dir_set_up, dir_tear_down),
		cmocka_unit_test_setup_teardown(sticky_chain, dir_set_up, dir_tear_down),
		cmocka_unit_test_setup_teardown(searchable_only, dir_set_up, dir_tear_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
