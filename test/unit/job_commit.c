/*
 * The commit: nothing is to be seen before, the whole file after, and nothing is left, whichever way
 * the host allows, whoever else is at work on the same name, and when a maker dies half way.
 *
 * openat, faccessat and renameat2 are wrapped at link time, so that a host without them can be had here;
 * what they shall answer belongs to the thread that asks.
 */
#include "commit.h"

#include <fcntl.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <sys/file.h>
#include <sys/wait.h>

#include <cmocka.h>

#include "job_dir.h"
#include "meta.h"

enum {
	BIG = 96 * 1024,
	MAKERS = 4,
	ROUNDS = 40,
};

static _Thread_local int no_tmpfile; /* errno of openat O_TMPFILE; 0 = the host's own */
static _Thread_local int no_proc;    /* of faccessat                                   */
static _Thread_local int no_renameat2;

int __wrap_openat(int dir_fd, const char *path, int flags, ...);
int __real_openat(int dir_fd, const char *path, int flags, ...);
int __wrap_openat64(int dir_fd, const char *path, int flags, ...);
int __wrap_faccessat(int dir_fd, const char *path, int mode, int flags);
int __real_faccessat(int dir_fd, const char *path, int mode, int flags);
int __wrap_renameat2(int old_fd, const char *old, int new_fd, const char *new, unsigned flags);
int __real_renameat2(int old_fd, const char *old, int new_fd, const char *new, unsigned flags);

static int open_at(int dir_fd, const char *path, int flags, va_list args)
{
	bool tmpfile = (flags & O_TMPFILE) == O_TMPFILE;
	mode_t mode = tmpfile || (flags & O_CREAT) ? va_arg(args, mode_t) : 0;

	if (no_tmpfile != 0 && tmpfile) {
		errno = no_tmpfile;
		return -1;
	}
	return __real_openat(dir_fd, path, flags, mode);
}

int __wrap_openat(int dir_fd, const char *path, int flags, ...)
{
	va_list args;
	int fd;

	va_start(args, flags);
	fd = open_at(dir_fd, path, flags, args);
	va_end(args);
	return fd;
}

int __wrap_openat64(int dir_fd, const char *path, int flags, ...)
{
	va_list args;
	int fd;

	va_start(args, flags);
	fd = open_at(dir_fd, path, flags, args);
	va_end(args);
	return fd;
}

int __wrap_faccessat(int dir_fd, const char *path, int mode, int flags)
{
	errno = no_proc;
	return no_proc != 0 ? -1 : __real_faccessat(dir_fd, path, mode, flags);
}

int __wrap_renameat2(int old_fd, const char *old, int new_fd, const char *new, unsigned flags)
{
	errno = no_renameat2;
	return no_renameat2 != 0 ? -1 : __real_renameat2(old_fd, old, new_fd, new, flags);
}

/* Both ways to a temporary. */
static void use_named(bool named)
{
	no_tmpfile = named ? EOPNOTSUPP : 0;
}

static struct zc_fallbacks fallbacks;

static int begin(struct commit *commit, struct target *target, const char *name)
{
	const char *refused = NULL;
	const char *op = NULL;
	int res;

	memset(&fallbacks, 0, sizeof(fallbacks));
	assert_int_equal(target_open(target, in_dir(name), TARGET_FOLLOW, &refused), 0);
	res = commit_begin(commit, target, 0644, 0022, &fallbacks, &op);
	assert_non_null(op);
	return res;
}

static void say(struct commit *commit, const char *text)
{
	assert_true(pwrite(commit->fd, text, strlen(text), 0) == (ssize_t)strlen(text));
}

static int publish(struct commit *commit, bool keep_existing)
{
	const char *op = NULL;
	int res = commit_publish(commit, keep_existing, &op);

	assert_non_null(op);
	return res;
}

static void end(struct commit *commit, struct target *target)
{
	assert_int_equal(commit_end(commit), 0);
	assert_int_equal(commit_end(commit), 0); /* twice is fine */
	target_close(target);
}

static mode_t mode_of(const char *name)
{
	struct stat st;

	assert_int_equal(lstat(in_dir(name), &st), 0);
	return st.st_mode & 07777;
}

/* ---- one maker */

static void new_name(void **state)
{
	(void)state;
	for (int named = 0; named < 2; named++) {
		struct target target;
		struct commit commit;

		use_named(named);
		assert_int_equal(begin(&commit, &target, "new"), 0);
		assert_int_equal(commit.temp[0] != '\0', named);
		assert_int_equal(commit.private_mode, named);
		assert_int_equal(commit.final_mode, 0644);
		assert_int_equal(fallbacks.count, named);
		assert_int_equal(dir_count(dir_path), named);
		assert_int_equal(access(in_dir("new"), F_OK), -1);
		say(&commit, "whole");
		assert_int_equal(fchmod(commit.fd, commit.final_mode), 0);
		assert_int_equal(publish(&commit, false), 0);
		assert_string_equal(commit.temp, "");
		assert_int_equal(commit_sync_dir(&commit), 0);
		end(&commit, &target);
		dir_expect("new", "whole");
		assert_int_equal(mode_of("new"), 0644);
		assert_int_equal(dir_count(dir_path), 1);
		assert_int_equal(unlink(in_dir("new")), 0);
	}
}

static void replaces(void **state)
{
	(void)state;
	for (int named = 0; named < 2; named++) {
		struct target target;
		struct commit commit;
		char text[8] = "";
		int old;

		use_named(named);
		dir_put("name", "old");
		old = open(in_dir("name"), O_RDONLY | O_CLOEXEC);
		assert_int_equal(begin(&commit, &target, "name"), 0);
		say(&commit, "the new one");
		dir_expect("name", "old");
		assert_int_equal(publish(&commit, false), 0);
		end(&commit, &target);
		dir_expect("name", "the new one");
		assert_int_equal(dir_count(dir_path), 1);
		assert_int_equal(pread(old, text, 7, 0), 3); /* who reads the old one goes on */
		assert_string_equal(text, "old");
		close(old);
	}
}

static void given_up(void **state)
{
	(void)state;
	for (int named = 0; named < 2; named++) {
		struct target target;
		struct commit commit;
		unsigned before = open_fds();

		use_named(named);
		dir_put("name", "old");
		assert_int_equal(begin(&commit, &target, "name"), 0);
		say(&commit, "half of the n");
		end(&commit, &target);
		dir_expect("name", "old");
		assert_int_equal(dir_count(dir_path), 1);
		assert_int_equal(open_fds(), before);
	}
}

/* Somebody else made the name meanwhile. */
static void made_meanwhile(void **state)
{
	(void)state;
	for (int i = 0; i < 8; i++) {
		const bool keep = i & 1;
		struct target target;
		struct commit commit;

		use_named(i & 2);
		no_renameat2 = i & 4 ? EINVAL : 0;
		assert_int_equal(begin(&commit, &target, "name"), 0);
		say(&commit, "ours");
		dir_put("name", "theirs");
		assert_int_equal(publish(&commit, keep), keep ? -EEXIST : 0);
		end(&commit, &target);
		dir_expect("name", keep ? "theirs" : "ours");
		assert_int_equal(dir_count(dir_path), 1);
		assert_int_equal(unlink(in_dir("name")), 0);
	}
	no_renameat2 = 0;
}

/* Old kernels and some file systems cannot rename onto a free name only. */
static void no_noreplace(void **state)
{
	static const int codes[] = { EINVAL, ENOSYS, EPERM };

	(void)state;
	use_named(true);
	for (unsigned i = 0; i < ZC_ARRAY_LEN(codes); i++) {
		struct target target;
		struct commit commit;

		no_renameat2 = codes[i];
		assert_int_equal(begin(&commit, &target, "name"), 0);
		say(&commit, "linked");
		assert_int_equal(publish(&commit, true), 0);
		end(&commit, &target);
		dir_expect("name", "linked");
		assert_int_equal(dir_count(dir_path), 1);
		assert_int_equal(unlink(in_dir("name")), 0);
	}
	no_renameat2 = 0;
}

/* ---- where there is no O_TMPFILE */

static void tmpfile_refused(void **state)
{
	static const int codes[] = { EOPNOTSUPP, EISDIR, ENOENT, EINVAL, EACCES, EPERM, ENOSYS };

	(void)state;
	for (unsigned i = 0; i <= ZC_ARRAY_LEN(codes); i++) {
		struct target target;
		struct commit commit;
		struct stat st;

		/* the last: it can be had, but not be given a name without /proc */
		no_tmpfile = i < ZC_ARRAY_LEN(codes) ? codes[i] : 0;
		no_proc = i < ZC_ARRAY_LEN(codes) ? 0 : ENOENT;
		assert_int_equal(begin(&commit, &target, "name"), 0);
		no_proc = 0;
		assert_int_equal(fallbacks.count, 1);
		assert_string_equal(fallbacks.list[0].from, "O_TMPFILE");
		assert_int_equal(strlen(commit.temp), strlen(".zcopy-") + 16);
		assert_int_equal(strncmp(commit.temp, ".zcopy-", 7), 0);
		assert_int_equal(strspn(commit.temp + 7, "0123456789abcdef"), 16);
		assert_int_equal(fstat(commit.fd, &st), 0);
		assert_int_equal(st.st_mode & 07777, 0600);
		assert_int_equal(commit.final_mode, 0644);
		end(&commit, &target);
		assert_int_equal(dir_count(dir_path), 0);
	}
}

/* No room is no room: no second way is tried, and nothing is made. */
static void no_room(void **state)
{
	static const int codes[] = { ENOSPC, EDQUOT, EROFS, EMFILE, ENFILE };

	(void)state;
	for (unsigned i = 0; i < ZC_ARRAY_LEN(codes); i++) {
		struct commit commit = { .fd = -7 };
		struct target target;

		no_tmpfile = codes[i];
		assert_int_equal(begin(&commit, &target, "name"), -codes[i]);
		assert_int_equal(commit.fd, -7);
		assert_int_equal(fallbacks.count, 0);
		assert_int_equal(dir_count(dir_path), 0);
		target_close(&target);
	}
}

/* ---- what others have left */

static void temp_name(char out[64], const char *name)
{
	struct target target;
	struct commit commit;

	use_named(true);
	assert_int_equal(begin(&commit, &target, name), 0);
	memcpy(out, commit.temp, 64);
	end(&commit, &target);
}

/* Its maker is dead: nobody holds the lock. */
static void stale_is_reclaimed(void **state)
{
	char temp[64];

	(void)state;
	temp_name(temp, "name");
	for (int named = 0; named < 2; named++) {
		struct target target;
		struct commit commit;

		use_named(named);
		dir_put("name", "old");
		dir_put(temp, "left by a dead one");
		assert_int_equal(begin(&commit, &target, "name"), 0);
		say(&commit, "new");
		if (named) {
			assert_string_equal(commit.temp, temp);
			dir_expect(temp, "new");
		}
		assert_int_equal(publish(&commit, false), 0);
		end(&commit, &target);
		dir_expect("name", "new");
		assert_int_equal(dir_count(dir_path), 1);
	}
}

/* A maker killed for real. */
static void killed_maker(void **state)
{
	int status;
	pid_t child;

	(void)state;
	use_named(true);
	dir_put("name", "old");
	child = fork();
	if (child == 0) {
		struct target target;
		struct commit commit;

		if (begin(&commit, &target, "name") == 0) {
			say(&commit, "half");
			raise(SIGKILL);
		}
		_exit(1);
	}
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
	dir_expect("name", "old");
	assert_int_equal(dir_count(dir_path), 2);
	for (int i = 0; i < 2; i++) {
		struct target target;
		struct commit commit;

		assert_int_equal(begin(&commit, &target, "name"), 0);
		say(&commit, "new");
		assert_int_equal(publish(&commit, false), 0);
		end(&commit, &target);
		assert_int_equal(dir_count(dir_path), 1);
	}
	dir_expect("name", "new");
}

/* The neighbour lives: its file is left alone, and ours gets another name. */
static void busy_is_left_alone(void **state)
{
	char temp[64];
	int neighbour;

	(void)state;
	temp_name(temp, "name");
	dir_put(temp, "the neighbour's");
	neighbour = open(in_dir(temp), O_RDWR | O_CLOEXEC);
	assert_int_equal(flock(neighbour, LOCK_EX | LOCK_NB), 0);
	for (int named = 0; named < 2; named++) {
		struct target target;
		struct commit commit;

		use_named(named);
		dir_put("name", "old");
		assert_int_equal(begin(&commit, &target, "name"), 0);
		if (named) {
			assert_string_not_equal(commit.temp, temp);
			assert_int_equal(strncmp(commit.temp, temp, strlen(temp)), 0);
		}
		say(&commit, "new");
		assert_int_equal(publish(&commit, false), 0);
		end(&commit, &target);
		dir_expect("name", "new");
		dir_expect(temp, "the neighbour's");
		assert_int_equal(dir_count(dir_path), 2);
	}
	close(neighbour);
}

/* Ours is held while it has a name: nobody takes it for a stale one. */
static void ours_is_locked(void **state)
{
	struct target target;
	struct commit commit;
	int fd;

	(void)state;
	use_named(true);
	assert_int_equal(begin(&commit, &target, "name"), 0);
	fd = open(in_dir(commit.temp), O_RDONLY | O_CLOEXEC);
	assert_int_equal(flock(fd, LOCK_EX | LOCK_NB), -1);
	assert_int_equal(errno, EWOULDBLOCK);
	close(fd);
	end(&commit, &target);
}

/* Things of that name that no run of ours can have left. */
static void not_ours_to_remove(void **state)
{
	char temp[64];

	(void)state;
	temp_name(temp, "name");
	for (int i = 0; i < (geteuid() == 0 ? 4 : 3); i++) {
		struct target target;
		struct commit commit;

		switch (i) {
		case 0:
			assert_int_equal(mkdir(in_dir(temp), 0755), 0);
			break;
		case 1:
			assert_int_equal(symlink("/etc/passwd", in_dir(temp)), 0);
			break;
		case 2:
			assert_int_equal(mkfifo(in_dir(temp), 0644), 0);
			break;
		default:
			dir_put(temp, "a stranger's");
			assert_int_equal(chown(in_dir(temp), 12345, (gid_t)-1), 0);
			break;
		}
		use_named(true);
		assert_int_equal(begin(&commit, &target, "name"), 0);
		assert_string_not_equal(commit.temp, temp);
		assert_int_equal(publish(&commit, false), 0);
		end(&commit, &target);
		assert_int_equal(dir_count(dir_path), 2);
		assert_int_equal(remove(in_dir(temp)), 0);
		assert_int_equal(unlink(in_dir("name")), 0);
	}
}

/* ---- many makers of one name */

struct maker {
	pthread_t thread;
	int id;
	bool keep;
	unsigned wins;
	int err; /* the first thing that went wrong */
};

/* One file of one letter. 0, or what went wrong. No cmocka: this is not its thread. */
static int make_one(struct maker *maker, const char *path)
{
	struct zc_fallbacks log = { 0 };
	const char *why = NULL;
	struct target target;
	struct commit commit;
	char *text = malloc(BIG);
	int res = target_open(&target, path, TARGET_FOLLOW, &why);

	if (res == 0) {
		res = commit_begin(&commit, &target, 0644, 0, &log, &why);
	}
	if (res == 0) {
		memset(text, 'a' + maker->id, BIG);
		res = write(commit.fd, text, BIG) == BIG ? 0 : -EIO;
		if (res == 0) {
			res = commit_publish(&commit, maker->keep, &why);
		}
		if (commit_end(&commit) < 0) {
			res = -EBADF;
		}
		target_close(&target);
	}
	free(text);
	maker->wins += res == 0;
	return res == -EEXIST && maker->keep ? 0 : res;
}

static char contested[128];

static void *make_many(void *arg)
{
	struct maker *maker = arg;

	for (int round = 0; round < ROUNDS && maker->err == 0; round++) {
		use_named((maker->id + round) % 2);
		maker->err = make_one(maker, contested);
	}
	return NULL;
}

/* Whenever it is looked at, the name is a whole file of one letter. */
static unsigned look_until(const bool *done)
{
	char *text = malloc(BIG + 1);
	unsigned looks = 0;

	do {
		int fd = open(contested, O_RDONLY | O_CLOEXEC);

		if (fd < 0) {
			assert_int_equal(errno, ENOENT);
			assert_int_equal(looks, 0); /* once there, it is always there */
			continue;
		}
		assert_int_equal(read(fd, text, BIG + 1), BIG);
		for (int i = 1; i < BIG; i++) {
			assert_true(text[i] == text[0]);
		}
		close(fd);
		looks++;
	} while (!__atomic_load_n(done, __ATOMIC_ACQUIRE));
	free(text);
	return looks;
}

static bool makers_done;

static void *join_makers(void *arg)
{
	struct maker *makers = arg;

	for (int i = 0; i < MAKERS; i++) {
		pthread_join(makers[i].thread, NULL);
	}
	__atomic_store_n(&makers_done, true, __ATOMIC_RELEASE);
	return NULL;
}

static void contest(bool keep)
{
	struct maker makers[MAKERS] = { 0 };
	pthread_t joiner;
	unsigned wins = 0;

	snprintf(contested, sizeof(contested), "%s", in_dir("name"));
	makers_done = false;
	for (int i = 0; i < MAKERS; i++) {
		makers[i].id = i;
		makers[i].keep = keep;
		assert_int_equal(pthread_create(&makers[i].thread, NULL, make_many, &makers[i]), 0);
	}
	assert_int_equal(pthread_create(&joiner, NULL, join_makers, makers), 0);
	assert_true(look_until(&makers_done) > 0);
	assert_int_equal(pthread_join(joiner, NULL), 0);
	for (int i = 0; i < MAKERS; i++) {
		assert_int_equal(makers[i].err, 0);
		wins += makers[i].wins;
	}
	assert_int_equal(wins, keep ? 1 : MAKERS * ROUNDS);
	assert_int_equal(dir_count(dir_path), 1);
}

static void threads(void **state)
{
	(void)state;
	contest(false);
}

static void threads_that_keep(void **state)
{
	(void)state;
	contest(true);
}

/* Processes, some of which are killed at some moment: what they leave, the next run removes. */
static void processes(void **state)
{
	pid_t children[MAKERS];
	char temp[64];

	(void)state;
	temp_name(temp, "name");
	snprintf(contested, sizeof(contested), "%s", in_dir("name"));
	for (int round = 0; round < 10; round++) {
		for (int i = 0; i < MAKERS; i++) {
			children[i] = fork();
			if (children[i] == 0) {
				struct maker maker = { .id = i };

				make_many(&maker);
				_exit(maker.err != 0);
			}
		}
		usleep(500 * (unsigned)round);
		kill(children[round % MAKERS], SIGKILL);
		for (int i = 0; i < MAKERS; i++) {
			int status;

			assert_int_equal(waitpid(children[i], &status, 0), children[i]);
			assert_true(status == 0 || WIFSIGNALED(status));
		}
		makers_done = true;
		assert_true(look_until(&makers_done) > 0);
	}
	/* A file with a random suffix stays if its maker was killed just then; that of the plain name not. */
	use_named(true);
	for (int i = 0; i < 2; i++) {
		struct maker maker = { .id = i };

		assert_int_equal(make_one(&maker, contested), 0);
		assert_int_equal(access(in_dir(temp), F_OK), -1);
	}
}

static void searchable_only(void **state)
{
	const struct target target = { .dir_fd = -1, .dir_searchable_only = true };
	const struct commit commit = { .target = &target };

	(void)state;
	assert_int_equal(commit_sync_dir(&commit), -EBADF);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(new_name, dir_set_up, dir_tear_down),
		cmocka_unit_test_setup_teardown(replaces, dir_set_up, dir_tear_down),
		cmocka_unit_test_setup_teardown(given_up, dir_set_up, dir_tear_down),
		cmocka_unit_test_setup_teardown(made_meanwhile, dir_set_up, dir_tear_down),
		cmocka_unit_test_setup_teardown(no_noreplace, dir_set_up, dir_tear_down),
		cmocka_unit_test_setup_teardown(tmpfile_refused, dir_set_up, dir_tear_down),
		cmocka_unit_test_setup_teardown(no_room, dir_set_up, dir_tear_down),
		cmocka_unit_test_setup_teardown(stale_is_reclaimed, dir_set_up, dir_tear_down),
		cmocka_unit_test_setup_teardown(killed_maker, dir_set_up, dir_tear_down),
		cmocka_unit_test_setup_teardown(busy_is_left_alone, dir_set_up, dir_tear_down),
		cmocka_unit_test_setup_teardown(ours_is_locked, dir_set_up, dir_tear_down),
		cmocka_unit_test_setup_teardown(not_ours_to_remove, dir_set_up, dir_tear_down),
		cmocka_unit_test_setup_teardown(threads, dir_set_up, dir_tear_down),
		cmocka_unit_test_setup_teardown(threads_that_keep, dir_set_up, dir_tear_down),
		cmocka_unit_test_setup_teardown(processes, dir_set_up, dir_tear_down),
		cmocka_unit_test(searchable_only),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
