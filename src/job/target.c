/*
 * target.c: from an operand to (held directory, one name).
 *
 * The path is walked by the kernel once, here, when the directory is opened; everything later happens
 * below that descriptor, so that nobody can redirect it by renaming or replacing parents.
 */
#include "target.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/vfs.h>
#include <unistd.h>

#define LINKS_MAX 40 /* as the kernel's own limit */

const char *target_next(const char *path, char name[NAME_MAX + 1], size_t *ret_len)
{
	size_t len = strcspn(path, "/");
	const char *next = path + len + strspn(path + len, "/");

	*ret_len = len;
	if (*next == '\0') {
		return NULL;
	}
	if (len <= NAME_MAX) {
		memcpy(name, path, len);
		name[len] = '\0';
	}
	return next;
}

int target_walk(int root_fd, const char *path, int flags, int *ret_fd, const char **ret_last)
{
	char name[NAME_MAX + 1];
	const char *next;
	size_t len;
	int at_fd = openat(root_fd, ".", O_PATH | O_DIRECTORY | O_CLOEXEC);
	int res = at_fd < 0 ? -errno : 0;

	while (at_fd >= 0 && (next = target_next(path, name, &len)) != NULL) {
		int above_fd = at_fd;

		at_fd =
		    len > NAME_MAX ? -1 : openat(above_fd, name, O_PATH | O_DIRECTORY | O_CLOEXEC | flags);
		res = len > NAME_MAX ? -ENAMETOOLONG : at_fd < 0 ? -errno : 0;
		close(above_fd);
		path = next;
	}
	*ret_fd = at_fd;
	*ret_last = path;
	return res;
}

const char *target_basename(const char *path, size_t *ret_len)
{
	size_t end = strlen(path);
	size_t start;

	while (end > 1 && path[end - 1] == '/') {
		end--;
	}
	start = end;
	while (start > 0 && path[start - 1] != '/') {
		start--;
	}
	*ret_len = end - start;
	return path + start;
}

static int target_open_dir(struct target *target, int at_fd, const char *path)
{
	target->dir_searchable_only = false;
	target->inherited_fd = -1;
	target->dir_fd = openat(at_fd, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (target->dir_fd < 0 && errno == EACCES) {
		target->dir_searchable_only = true;
		target->dir_fd = openat(at_fd, path, O_PATH | O_DIRECTORY | O_CLOEXEC);
	}
	return target->dir_fd < 0 ? -errno : 0;
}

/* Splits path at its last component and opens the directory part, relative to at_fd. */
static int target_split(struct target *target, int at_fd, const char *path)
{
	char dir[PATH_MAX];
	size_t len;
	const char *base = target_basename(path, &len);
	size_t dir_len = (size_t)(base - path);

	if (len == 0) {
		return path[0] == '\0' ? -ENOENT : -EISDIR; /* "" or "/" */
	}
	if (len > NAME_MAX || dir_len >= sizeof(dir)) {
		return -ENAMETOOLONG;
	}
	if (path[dir_len + len] == '/') {
		return -ENOTDIR; /* a trailing slash names a directory, which this is not */
	}
	memcpy(target->name, base, len);
	target->name[len] = '\0';
	memcpy(dir, path, dir_len);
	dir[dir_len] = '\0';
	return target_open_dir(target, at_fd, dir_len == 0 ? "." : dir);
}

static bool target_foreign_link(const struct stat *dir, const struct stat *link)
{
	return (dir->st_mode & S_ISVTX) && (dir->st_mode & S_IWOTH) && link->st_uid != 0 &&
	       link->st_uid != geteuid() && link->st_uid != dir->st_uid;
}

static bool target_on_proc(const struct target *target)
{
	struct statfs sfs;

	return fstatfs(target->dir_fd, &sfs) == 0 && sfs.f_type == PROC_SUPER_MAGIC;
}

/* Where the link leads, unless it leads to a descriptor of ours. */
static int target_go_on(struct target *target, const char *path)
{
	struct target next = { 0 };
	struct zc_uri uri;
	const char *why;
	int res;

	if (zc_uri_parse(&uri, path, ZC_DIR_DST, &why) == 0 && uri.kind == ZC_END_FD) {
		target->inherited_fd = uri.fd;
		return 0;
	}
	res = target_split(&next, target->dir_fd, path);
	if (res < 0) {
		return res;
	}
	target_close(target);
	*target = next;
	return 0;
}

/* Replaces target by what the symlink it names points at. */
static int target_follow(struct target *target, const char **ret_refused)
{
	struct stat dir;
	char path[PATH_MAX];
	ssize_t len;

	if (target_on_proc(target)) {
		target->magic = true;
		return fstatat(target->dir_fd, target->name, &target->st, 0) < 0 ? -errno : 0;
	}
	if (fstat(target->dir_fd, &dir) < 0) {
		return -errno;
	}
	if (target_foreign_link(&dir, &target->st)) {
		*ret_refused = "not following a stranger's symlink in a sticky directory";
		return -EACCES;
	}
	len = readlinkat(target->dir_fd, target->name, path, sizeof(path) - 1);
	if (len < 0) {
		return -errno;
	}
	path[len] = '\0';
	return target_go_on(target, path);
}

/* Looks at the name; follows it while it is a symlink. */
static int target_look(struct target *target, enum target_link link, const char **ret_refused)
{
	for (unsigned links = 0; links <= LINKS_MAX; links++) {
		int res;

		target->exists = fstatat(target->dir_fd, target->name, &target->st, AT_SYMLINK_NOFOLLOW) == 0;
		if (!target->exists && errno != ENOENT) {
			return -errno;
		}
		if (!target->exists && links > 0) {
			*ret_refused = "not writing through a dangling symlink";
			return -ENOENT;
		}
		if (!target->exists || !S_ISLNK(target->st.st_mode) || link == TARGET_KEEP) {
			return 0;
		}
		res = target_follow(target, ret_refused);
		if (res < 0) {
			if (res == -ENOENT) {
				*ret_refused = "not writing through a dangling symlink";
			}
			return res;
		}
		if (target->magic || target->inherited_fd >= 0) {
			return 0;
		}
	}
	return -ELOOP;
}

static int target_finish(struct target *ret_target, struct target *target, enum target_link link,
                         const char **ret_refused)
{
	int res = target_look(target, link, ret_refused);

	if (res < 0) {
		target_close(target);
		return res;
	}
	*ret_target = *target;
	return 0;
}

int target_open(struct target *ret_target, const char *path, enum target_link link, const char **ret_refused)
{
	struct target target = { 0 };
	int res = target_split(&target, AT_FDCWD, path);

	return res < 0 ? res : target_finish(ret_target, &target, link, ret_refused);
}

int target_open_in(struct target *ret_target, int dir_fd, const char *name, enum target_link link,
                   const char **ret_refused)
{
	struct target target = { 0 };
	int res;

	if (strlen(name) > NAME_MAX) {
		return -ENAMETOOLONG;
	}
	memcpy(target.name, name, strlen(name) + 1);
	res = target_open_dir(&target, dir_fd, ".");
	return res < 0 ? res : target_finish(ret_target, &target, link, ret_refused);
}

int target_open_at(struct target *ret_target, int dir_fd, const char *name, enum target_link link,
                   const char **ret_refused)
{
	struct target target = { .dir_fd = dir_fd, .borrowed = true, .inherited_fd = -1 };

	if (strlen(name) > NAME_MAX) {
		return -ENAMETOOLONG;
	}
	memcpy(target.name, name, strlen(name) + 1);
	return target_finish(ret_target, &target, link, ret_refused);
}

int target_follow_link(struct target *target, struct target **ret_link, const char **ret_refused)
{
	struct target *link;
	int res;

	*ret_link = NULL;
	if (!target->exists || !S_ISLNK(target->st.st_mode)) {
		return 0;
	}
	link = malloc(sizeof(*link));
	if (link == NULL) {
		return -ENOMEM;
	}
	*link = *target;
	res = target_open_at(target, link->dir_fd, link->name, TARGET_FOLLOW, ret_refused);
	if (res < 0) {
		free(link);
		return res;
	}
	*ret_link = link;
	return 0;
}

void target_close(struct target *target)
{
	if (!target->borrowed) {
		close(target->dir_fd);
	}
}
