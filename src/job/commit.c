/*
 * commit.c: the old file until the new one is complete, then the new one; at every instant.
 *
 *   O_TMPFILE ----------- data, attributes ---- linkat(name)                     a new name
 *   O_TMPFILE ----------- data, attributes ---- linkat(temp) -- rename(name)     a name that exists
 *   create(temp, locked)- data, attributes ---- rename(name)                     no O_TMPFILE here
 *
 * A killed run leaves nothing with O_TMPFILE but in the instant between linkat and rename. What can be
 * left is named by the final name's hash, .zcopy-<16 hex>, and was held by flock: whoever meets the name
 * and gets the lock knows that its maker is dead and removes it. A busy lock means a living neighbour:
 * a random suffix is added. No directory is ever scanned.
 */
#include "commit.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/random.h>
#include <time.h>
#include <unistd.h>

#include "meta.h"

#define NAME_TRIES_MAX 64

uint64_t commit_hash(const char *name)
{
	uint64_t hash = 0xcbf29ce484222325ull; /* FNV-1a: only has to spread, and never to change */

	for (; *name != '\0'; name++) {
		hash = (hash ^ (uint8_t)*name) * 0x100000001b3ull;
	}
	return hash;
}

bool commit_is_temp_name(const char *name)
{
	static const char prefix[] = ".zcopy-";
	const size_t len = sizeof(prefix) - 1;

	return strncmp(name, prefix, len) == 0 && strspn(name + len, "0123456789abcdef") == 16 &&
	       (name[len + 16] == '\0' || name[len + 16] == '-');
}

void commit_temp_name(char out[64], const char *name, unsigned attempt)
{
	uint64_t salt = 0;

	if (attempt == 0) {
		snprintf(out, 64, ".zcopy-%016llx", (unsigned long long)commit_hash(name));
		return;
	}
	if (getrandom(&salt, sizeof(salt), GRND_NONBLOCK) != (ssize_t)sizeof(salt)) {
		salt = zc_now_ns() + attempt;
	}
	snprintf(out, 64, ".zcopy-%016llx-%08x", (unsigned long long)commit_hash(name), (unsigned)salt);
}

/* Does the name mean the open file? 1 yes, 0 no, or -errno: cannot tell. */
static int commit_same_file(int fd, int dir_fd, const char *name)
{
	struct stat by_fd;
	struct stat by_name;

	if (fstat(fd, &by_fd) < 0) {
		return -errno;
	}
	if (fstatat(dir_fd, name, &by_name, AT_SYMLINK_NOFOLLOW) < 0) {
		return errno == ENOENT ? 0 : -errno;
	}
	return by_fd.st_dev == by_name.st_dev && by_fd.st_ino == by_name.st_ino;
}

/* The lock of a killed process goes with its ring, which the kernel takes down a little later
 * (liburing issue 1627): asked a few times. A living neighbour is worth the quarter of a second. */
static bool commit_lock(int fd)
{
	const struct timespec nap = { .tv_nsec = 50 * 1000 * 1000 };

	for (unsigned tries = 0; tries < 5; tries++) {
		if (flock(fd, LOCK_EX | LOCK_NB) == 0) {
			return true;
		}
		if (errno != EWOULDBLOCK) {
			return false;
		}
		nanosleep(&nap, NULL);
	}
	return false;
}

/* Whose a temporary of ours can be: ours, or of who is to have the file, once it was given away. */
static bool commit_may_be_ours(const struct target *target, uid_t uid)
{
	return uid == geteuid() || (target->exists && uid == target->st.st_uid) ||
	       (target->has_heir && uid == target->heir_uid);
}

/* A temporary of this name exists. If it may be ours and nobody holds it, its maker is dead: removed, true.
 */
bool commit_reclaim(const struct target *target, const char *name)
{
	int dir_fd = target->dir_fd;
	struct stat st;
	bool gone = false;
	int fd = openat(dir_fd, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC | O_NOCTTY);

	if (fd < 0) {
		return errno == ENOENT;
	}
	if (fstat(fd, &st) == 0 && S_ISREG(st.st_mode) && commit_may_be_ours(target, st.st_uid) &&
	    commit_lock(fd) && commit_same_file(fd, dir_fd, name) == 1) {
		gone = unlinkat(dir_fd, name, 0) == 0;
	}
	close(fd);
	return gone;
}

static int commit_open_named(struct commit *commit, int dir_fd)
{
	for (unsigned attempt = 0; attempt < NAME_TRIES_MAX; attempt++) {
		commit_temp_name(commit->temp, commit->target->name, attempt);
		commit->fd =
		    openat(dir_fd, commit->temp, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
		if (commit->fd >= 0) {
			/* somebody may have taken it for a stale one before it was locked */
			int res = flock(commit->fd, LOCK_EX | LOCK_NB) == 0 || errno != EWOULDBLOCK
			              ? commit_same_file(commit->fd, dir_fd, commit->temp)
			              : 0;

			if (res == 1) {
				return 0;
			}
			if (res < 0) { /* most likely ours: it is not left behind */
				(void)unlinkat(dir_fd, commit->temp, 0);
			}
			close(commit->fd);
			if (res < 0) {
				return res;
			}
			continue;
		}
		if (errno != EEXIST) {
			return -errno;
		}
		if (attempt == 0 && commit_reclaim(commit->target, commit->temp)) {
			attempt--; /* the name is free now: the same one again */
		}
	}
	return -EEXIST;
}

/* A named one, private until it is complete. */
static struct commit commit_named(const struct target *target, mode_t mode, mode_t mask)
{
	return (struct commit){
		.target = target,
		.fd = -1,
		.private_mode = true,
		.final_mode = meta_new_mode(target->dir_fd, mode, mask),
	};
}

int commit_begin_kept(struct commit *ret_commit, const struct target *target, mode_t mode, mode_t mask)
{
	struct commit commit = commit_named(target, mode, mask);
	int res = -EEXIST;

	commit_temp_name(commit.temp, target->name, 0);
	commit.fd =
	    openat(target->dir_fd, commit.temp, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (commit.fd < 0) {
		return -errno;
	}
	if (flock(commit.fd, LOCK_EX | LOCK_NB) < 0 && errno != EWOULDBLOCK) {
		res = -errno;
	} else {
		int same = commit_same_file(commit.fd, target->dir_fd, commit.temp);

		if (same == 1) {
			*ret_commit = commit;
			return 0;
		}
		res = same < 0 ? same : res;
	}
	close(commit.fd); /* taken for a stale one before it was locked; or without locks it cannot be kept */
	if (res != -EEXIST) {
		(void)unlinkat(target->dir_fd, commit.temp, 0);
	}
	return res;
}

/* What has another name as well was about to be published, and may be a file of somebody's by now. */
static int commit_check_left(const struct commit *commit)
{
	struct stat st;
	int res;

	if (fstat(commit->fd, &st) < 0) {
		return -errno;
	}
	if (!S_ISREG(st.st_mode) || !commit_may_be_ours(commit->target, st.st_uid)) {
		return -EPERM;
	}
	if (!commit_lock(commit->fd)) {
		return errno == EWOULDBLOCK ? -EBUSY : -errno;
	}
	res = commit_same_file(commit->fd, commit->target->dir_fd, commit->temp);
	if (res != 1) {
		return res == 0 ? -ENOENT : res;
	}
	if (st.st_nlink != 1) {
		return unlinkat(commit->target->dir_fd, commit->temp, 0) < 0 ? -errno : -ENOENT;
	}
	return fchmod(commit->fd, 0600) < 0 ? -errno : 0;
}

int commit_take_over(struct commit *ret_commit, const struct target *target, mode_t mode, mode_t mask)
{
	struct commit commit = commit_named(target, mode, mask);
	int res;

	commit_temp_name(commit.temp, target->name, 0);
	commit.fd =
	    openat(target->dir_fd, commit.temp, O_RDWR | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC | O_NOCTTY);
	if (commit.fd < 0) {
		return -errno;
	}
	res = commit_check_left(&commit);
	if (res < 0) {
		close(commit.fd);
		return res;
	}
	*ret_commit = commit;
	return 0;
}

bool commit_can_link(int fd)
{
	char path[32];

	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	return faccessat(AT_FDCWD, path, F_OK, AT_SYMLINK_NOFOLLOW) == 0;
}

int commit_begin(struct commit *ret_commit, const struct target *target, mode_t mode, mode_t mask,
                 struct zc_fallbacks *fallbacks, const char **ret_op)
{
	struct commit commit = { .target = target };
	struct stat st;
	int res;

	*ret_op = "openat O_TMPFILE";
	commit.fd = openat(target->dir_fd, ".", O_TMPFILE | O_RDWR | O_CLOEXEC, mode & 0777);
	res = commit.fd < 0 ? -errno : 0;
	if (commit.fd >= 0 && !commit_can_link(commit.fd)) {
		close(commit.fd);
		commit.fd = -1;
		res = -ENOENT;
	}
	if (commit.fd >= 0) {
		/* the kernel has applied the umask or the directory's default ACL, as for any new file */
		if (fstat(commit.fd, &st) < 0) {
			res = -errno;
			close(commit.fd);
			return res;
		}
		commit.final_mode = st.st_mode & 0777;
		*ret_commit = commit;
		return 0;
	}
	if (res == -ENOSPC || res == -EDQUOT || res == -EROFS || res == -EMFILE || res == -ENFILE) {
		return res;
	}
	*ret_op = "openat";
	zc_fallback_add(fallbacks, "O_TMPFILE", "named temporary", "openat", res);
	commit = commit_named(target, mode, mask);
	res = commit_open_named(&commit, target->dir_fd);
	if (res < 0) {
		return res;
	}
	*ret_commit = commit;
	return 0;
}

int commit_link_fd(int fd, int dir_fd, const char *name)
{
	char path[32];

	if (linkat(fd, "", dir_fd, name, AT_EMPTY_PATH) == 0) {
		return 0;
	}
	if (errno == EEXIST) {
		return -EEXIST;
	}
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	return linkat(AT_FDCWD, path, dir_fd, name, AT_SYMLINK_FOLLOW) < 0 ? -errno : 0;
}

static int commit_link(const struct commit *commit, const char *name)
{
	return commit_link_fd(commit->fd, commit->target->dir_fd, name);
}

/* Gives the unnamed file its temporary name, held by its lock from the first instant. */
static int commit_link_temp(struct commit *commit)
{
	(void)flock(commit->fd, LOCK_EX | LOCK_NB);
	for (unsigned attempt = 0; attempt < NAME_TRIES_MAX; attempt++) {
		int res;

		commit_temp_name(commit->temp, commit->target->name, attempt);
		res = commit_link(commit, commit->temp);
		if (res != -EEXIST) {
			if (res < 0) {
				commit->temp[0] = '\0';
			}
			return res;
		}
		if (attempt == 0 && commit_reclaim(commit->target, commit->temp)) {
			attempt--;
		}
	}
	commit->temp[0] = '\0';
	return -EEXIST;
}

/* rename onto a free name only. Where the file system has no RENAME_NOREPLACE, link and unlink. */
static int commit_rename_new(const struct commit *commit)
{
	int dir_fd = commit->target->dir_fd;
	const char *name = commit->target->name;

	if (renameat2(dir_fd, commit->temp, dir_fd, name, RENAME_NOREPLACE) == 0) {
		return 0;
	}
	if (errno != EINVAL && errno != ENOSYS && errno != EPERM) {
		return -errno;
	}
	if (linkat(dir_fd, commit->temp, dir_fd, name, 0) < 0) {
		return -errno;
	}
	(void)unlinkat(dir_fd, commit->temp, 0);
	return 0;
}

int commit_publish(struct commit *commit, bool keep_existing, const char **ret_op)
{
	int dir_fd = commit->target->dir_fd;
	int res;

	*ret_op = "linkat";
	if (commit->temp[0] == '\0' && (keep_existing || !commit->target->exists)) {
		res = commit_link(commit, commit->target->name);
		if (res != -EEXIST || keep_existing) {
			return res;
		}
	}
	if (commit->temp[0] == '\0') {
		res = commit_link_temp(commit);
		if (res < 0) {
			return res;
		}
	}
	*ret_op = "renameat";
	if (keep_existing) {
		res = commit_rename_new(commit);
	} else {
		res = renameat(dir_fd, commit->temp, dir_fd, commit->target->name) < 0 ? -errno : 0;
	}
	if (res == 0) {
		commit->temp[0] = '\0';
	}
	return res;
}

bool commit_is_refusal(int code)
{
	return code == ENOSYS || code == EPERM || code == EINVAL || code == EOPNOTSUPP || code == ESPIPE;
}

int commit_sync_dir(const struct commit *commit)
{
	if (commit->target->dir_searchable_only) {
		return -EBADF; /* an O_PATH descriptor cannot be synced */
	}
	if (fsync(commit->target->dir_fd) < 0) {
		return -errno;
	}
	/* An XFS that has shut down meanwhile says yes for a directory, but not for a file. */
	return fsync(commit->fd) < 0 ? -errno : 0;
}

int commit_end(struct commit *commit)
{
	int res = 0;

	if (commit->fd < 0) {
		return 0;
	}
	if (commit->temp[0] != '\0' && !commit->keep) {
		(void)unlinkat(commit->target->dir_fd, commit->temp, 0);
		commit->temp[0] = '\0';
	}
	if (close(commit->fd) < 0 && errno != EINTR) {
		res = -errno;
	}
	commit->fd = -1;
	return res;
}
