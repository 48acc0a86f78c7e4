/* attr.h: one file's attributes, however it is held, call by call. Private to job/. Results: 0 or a length,
 * else -errno. Nothing is kept between calls but in the caller's structures. */
#ifndef ZC_JOB_ATTR_H
#define ZC_JOB_ATTR_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <time.h>

/* A file whose attributes are read or set. */
struct attr_at {
	int fd;           /* O_PATH will do; -1: by name, as for symlinks and nodes, which are never opened */
	int dir_fd;       /* where name is, when fd is -1; held by the caller                              */
	const char *name; /* one component; never followed when it is a symlink                            */
};

enum {
	ATTR_NAMES_BYTES = 1024,     /* on the stack; a longer list is on the heap */
	ATTR_VALUE_BYTES = 4096,     /* an ACL of 500 entries */
	ATTR_PATH_BYTES = 32 + 1024, /* FUSE's longest name */
};

/* Zeroed but for at, which is borrowed. */
struct attr_place {
	const struct attr_at *at;
	bool path_only; /* at->fd turned out to be an O_PATH one: through /proc, where none but rights of
	                 * search are asked for; it leads to the very file, even to a symlink */
	char path[ATTR_PATH_BYTES]; /* "" until needed */
};

int attr_set(struct attr_place *place, const char *name, const void *value, size_t len_bytes);
/* What was not there is removed. */
int attr_remove(struct attr_place *place, const char *name);
int attr_chown(struct attr_place *place, uid_t uid, gid_t gid);
/* Never of a symlink: it has no mode. */
int attr_chmod(struct attr_place *place, mode_t mode);
int attr_utimens(struct attr_place *place, const struct timespec times[2]);
int attr_stat(const struct attr_place *place, struct stat *ret_st);

/* Names and values of extended attributes: on the stack while they are small. The large ones begin as NULL.
 */
struct attr_space {
	char names[ATTR_NAMES_BYTES];
	char value[ATTR_VALUE_BYTES];
	char *large_names; /* owned; NULL until needed */
	char *large_value;
};

void attr_space_free(struct attr_space *space);
/* A list of names that ends in "", whatever the file system did; its length without that. Valid until the
 * next call with this space, as a value is. */
ssize_t attr_names(struct attr_space *space, struct attr_place *place, const char **ret_names);
ssize_t attr_value(struct attr_space *space, struct attr_place *place, const char *name,
                   const char **ret_value);
bool attr_has(const char *names, const char *name);
/* code is what a file system says that knows no such attributes. */
bool attr_unsupported(int code);

#endif
