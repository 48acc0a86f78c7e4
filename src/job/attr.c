/*
 * attr.c: the calls that read and set attributes, by whichever of them this file can be reached.
 */
#include "attr.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/xattr.h>
#include <unistd.h>

/* XATTR_LIST_MAX and XATTR_SIZE_MAX. */
#define LARGEST_BYTES 65536

static bool attr_by_name(const struct attr_place *place)
{
	return place->at->fd < 0;
}

/* The answer of a call on the descriptor, if it was one; an O_PATH one is remembered. */
static bool attr_is_answer(struct attr_place *place, bool failed)
{
	if (failed && errno == EBADF) {
		place->path_only = true;
	}
	return !place->path_only;
}

static bool attr_by_fd(const struct attr_place *place)
{
	return !attr_by_name(place) && !place->path_only;
}

/* For calls that know no (directory, name); the name, if any, is the last component and not followed. */
static const char *attr_path(struct attr_place *place)
{
	const struct attr_at *at = place->at;

	int len;

	if (place->path[0] == '\0') {
		len = at->fd >= 0 ? snprintf(place->path, ATTR_PATH_BYTES, "/proc/self/fd/%d", at->fd)
		                  : snprintf(place->path, ATTR_PATH_BYTES, "/proc/self/fd/%d/%s", at->dir_fd,
		                             at->name);
		if (len >= ATTR_PATH_BYTES) {
			place->path[0] = '\0'; /* no file, rather than another one */
		}
	}
	return place->path;
}

static ssize_t attr_list(struct attr_place *place, char *names, size_t cap_bytes)
{
	ssize_t len;

	if (attr_by_fd(place)) {
		len = flistxattr(place->at->fd, names, cap_bytes);
		if (attr_is_answer(place, len < 0)) {
			return len < 0 ? -errno : len;
		}
	}
	if (attr_by_name(place)) {
		len = llistxattr(attr_path(place), names, cap_bytes);
	} else {
		len = listxattr(attr_path(place), names, cap_bytes);
	}
	return len < 0 ? -errno : len;
}

static ssize_t attr_get(struct attr_place *place, const char *name, void *value, size_t cap_bytes)
{
	ssize_t len;

	if (attr_by_fd(place)) {
		len = fgetxattr(place->at->fd, name, value, cap_bytes);
		if (attr_is_answer(place, len < 0)) {
			return len < 0 ? -errno : len;
		}
	}
	if (attr_by_name(place)) {
		len = lgetxattr(attr_path(place), name, value, cap_bytes);
	} else {
		len = getxattr(attr_path(place), name, value, cap_bytes);
	}
	return len < 0 ? -errno : len;
}

int attr_set(struct attr_place *place, const char *name, const void *value, size_t len_bytes)
{
	int res;

	if (attr_by_fd(place)) {
		res = fsetxattr(place->at->fd, name, value, len_bytes, 0);
		if (attr_is_answer(place, res < 0)) {
			return res < 0 ? -errno : 0;
		}
	}
	if (attr_by_name(place)) {
		res = lsetxattr(attr_path(place), name, value, len_bytes, 0);
	} else {
		res = setxattr(attr_path(place), name, value, len_bytes, 0);
	}
	return res < 0 ? -errno : 0;
}

int attr_remove(struct attr_place *place, const char *name)
{
	int res;

	if (attr_by_fd(place)) {
		res = fremovexattr(place->at->fd, name);
		if (attr_is_answer(place, res < 0)) {
			return res < 0 && errno != ENODATA && errno != EOPNOTSUPP ? -errno : 0;
		}
	}
	if (attr_by_name(place)) {
		res = lremovexattr(attr_path(place), name);
	} else {
		res = removexattr(attr_path(place), name);
	}
	return res < 0 && errno != ENODATA && errno != EOPNOTSUPP ? -errno : 0;
}

int attr_chown(struct attr_place *place, uid_t uid, gid_t gid)
{
	const struct attr_at *at = place->at;
	int res;

	if (attr_by_fd(place)) {
		res = fchown(at->fd, uid, gid);
		if (attr_is_answer(place, res < 0)) {
			return res < 0 ? -errno : 0;
		}
	}
	if (attr_by_name(place)) {
		res = fchownat(at->dir_fd, at->name, uid, gid, AT_SYMLINK_NOFOLLOW);
	} else {
		res = fchownat(at->fd, "", uid, gid, AT_EMPTY_PATH);
	}
	return res < 0 ? -errno : 0;
}

int attr_chmod(struct attr_place *place, mode_t mode)
{
	const struct attr_at *at = place->at;
	int res;

	if (attr_by_fd(place)) {
		res = fchmod(at->fd, mode);
		if (attr_is_answer(place, res < 0)) {
			return res < 0 ? -errno : 0;
		}
	}
	if (attr_by_name(place)) {
		res = fchmodat(at->dir_fd, at->name, mode, AT_SYMLINK_NOFOLLOW);
	} else {
		res = fchmodat(AT_FDCWD, attr_path(place), mode, 0);
	}
	return res < 0 ? -errno : 0;
}

int attr_utimens(struct attr_place *place, const struct timespec times[2])
{
	const struct attr_at *at = place->at;
	int res;

	if (attr_by_fd(place)) {
		res = futimens(at->fd, times);
		if (attr_is_answer(place, res < 0)) {
			return res < 0 ? -errno : 0;
		}
	}
	if (attr_by_name(place)) {
		res = utimensat(at->dir_fd, at->name, times, AT_SYMLINK_NOFOLLOW);
	} else {
		res = utimensat(AT_FDCWD, attr_path(place), times, 0);
	}
	return res < 0 ? -errno : 0;
}

int attr_stat(const struct attr_place *place, struct stat *ret_st)
{
	const struct attr_at *at = place->at;
	int res = attr_by_name(place) ? fstatat(at->dir_fd, at->name, ret_st, AT_SYMLINK_NOFOLLOW)
	                              : fstat(at->fd, ret_st);

	return res < 0 ? -errno : 0;
}

/* ---- names and values: on the stack while they are small */

void attr_space_free(struct attr_space *space)
{
	free(space->large_names);
	free(space->large_value);
}

ssize_t attr_names(struct attr_space *space, struct attr_place *place, const char **ret_names)
{
	char *names = space->names;
	ssize_t len = attr_list(place, names, ATTR_NAMES_BYTES - 2);

	if (len == -ERANGE) {
		space->large_names = space->large_names ? space->large_names : malloc(LARGEST_BYTES + 2);
		names = space->large_names;
		if (names == NULL) {
			return -ENOMEM;
		}
		len = attr_list(place, names, LARGEST_BYTES);
	}
	if (len >= 0) {
		names[len] = '\0';
		names[len + 1] = '\0';
		*ret_names = names;
	}
	return len;
}

ssize_t attr_value(struct attr_space *space, struct attr_place *place, const char *name,
                   const char **ret_value)
{
	ssize_t len = attr_get(place, name, space->value, ATTR_VALUE_BYTES);

	*ret_value = space->value;
	if (len == -ERANGE) {
		space->large_value = space->large_value ? space->large_value : malloc(LARGEST_BYTES);
		if (space->large_value == NULL) {
			return -ENOMEM;
		}
		*ret_value = space->large_value;
		len = attr_get(place, name, space->large_value, LARGEST_BYTES);
	}
	return len;
}

bool attr_has(const char *names, const char *name)
{
	for (; *names != '\0'; names += strlen(names) + 1) {
		if (strcmp(names, name) == 0) {
			return true;
		}
	}
	return false;
}

bool attr_unsupported(int code)
{
	return code == -EOPNOTSUPP || code == -ENOSYS;
}
