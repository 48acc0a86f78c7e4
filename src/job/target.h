/* target.h: where a copy shall appear: a held directory and one name in it. Private to job/. */
#ifndef ZC_JOB_TARGET_H
#define ZC_JOB_TARGET_H

#include <limits.h>
#include <sys/stat.h>

#include "zcopy/job.h"

struct target {
	int dir_fd;               /* O_PATH where the directory may only be searched        */
	bool borrowed;            /* dir_fd is somebody else's, not closed here             */
	bool dir_searchable_only; /* so it cannot be fsynced */
	char name[NAME_MAX + 1];
	bool exists;
	struct stat st; /* of the name itself, when it exists; a symlink only where magic  */
	bool has_heir;  /* root gives the new file to heir_uid before it has its name          */
	uid_t heir_uid;
	bool magic;       /* a link of /proc: to be opened, since what it leads to may have no name */
	int inherited_fd; /* the name, or a link, was /dev/stdout, /dev/fd/N: that descriptor; else -1 */
};

enum target_link { /* when the name is a symlink */
	           TARGET_FOLLOW,
	           TARGET_KEEP,
};

/* Opens the directory that holds path and looks at the last component. Symlinks there are followed (at
 * most 40), so that the link stays and what it points at is found in its own directory; or not at all.
 * 0, or -errno: -ELOOP, -ENAMETOOLONG, -ENOTDIR ..., and with ret_refused set -ENOENT for a dangling
 * link, -EACCES for a link in a sticky directory that belongs to a stranger: the kernel's
 * protected_symlinks rule (Documentation/admin-guide/sysctl/fs.rst), whatever the sysctl says. */
int target_open(struct target *ret_target, const char *path, enum target_link link, const char **ret_refused);
/* name is an entry of the directory dir_fd, which stays the caller's and is opened once more. */
int target_open_in(struct target *ret_target, int dir_fd, const char *name, enum target_link link,
                   const char **ret_refused);
/* The same on dir_fd itself, which the caller keeps open as long as the target is used. */
int target_open_at(struct target *ret_target, int dir_fd, const char *name, enum target_link link,
                   const char **ret_refused);
/* target was opened with TARGET_KEEP. When it names a symlink, *ret_link becomes what target was (to be
 * closed after target, and free()d), and target what it leads to; else *ret_link is NULL. 0, or as
 * target_open, with target as it was. */
int target_follow_link(struct target *target, struct target **ret_link, const char **ret_refused);
void target_close(struct target *target);

/* Copies path's first component to name, and says where the next begins. NULL: there is no next, and name is
 * as it was. Slashes at the end are the last component's. *ret_len: of the first; longer than NAME_MAX: not
 * copied. */
const char *target_next(const char *path, char name[NAME_MAX + 1], size_t *ret_len);
/* Opens, by O_PATH and one component at a time, the directory below root_fd (which stays the caller's) that
 * holds path's last component; flags: O_NOFOLLOW, or 0. *ret_last: that component, within path. 0 or -errno.
 */
int target_walk(int root_fd, const char *path, int flags, int *ret_fd, const char **ret_last);

/* The last component of path without trailing slashes: start and length within path. */
const char *target_basename(const char *path, size_t *ret_len);

#endif
