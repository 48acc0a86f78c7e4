/*
 * links.h: which file of the source became which name, for files with several names. Private to job/.
 *
 * Keyed by (dev, ino), for inodes with a link count above one only; with another size or mtime it is another
 * file. Dropped with the last of the names: 32 bytes each in memory. The path of the copy is kept in an
 * unnamed file in $TMPDIR, since it is asked for once a link. Thread-safe. The first thread to meet an inode
 * copies it; whoever meets it meanwhile may wait for that thread, which never waits for anything, or come
 * back later.
 */
#ifndef ZC_JOB_LINKS_H
#define ZC_JOB_LINKS_H

#include <limits.h>
#include <stdbool.h>
#include <sys/stat.h>

struct links;

/* dir_fd: the directory that paths are relative to; borrowed. 0 or -errno. */
int links_new(struct links **ret_links, int dir_fd);
void links_free(struct links *links);
/* Symlinks are followed: a file may be met more often than it has names. Nothing is dropped, then. */
void links_keep(struct links *links);

enum links_answer {
	LINKS_FIRST,  /* copy it, then links_publish, or links_give_up when that failed             */
	LINKS_BUSY,   /* is being copied                                                            */
	LINKS_LINK,   /* its copy is the path written to ret_path                                   */
	LINKS_COPY,   /* cannot be tracked, as ret_code tells: a copy of its own                     */
	LINKS_STOPPED /* we were asked to stop while waiting                                        */
};

enum links_wait {
	LINKS_WAIT_NOT,  /* for another's copy; */
	LINKS_WAIT_SOME, /* a tenth of a second; */
	LINKS_WAIT_ALL,  /* until it is there: LINKS_BUSY is no answer */
};

/* st: of the source. ret_path is free()d by the caller. ret_code: -errno. */
enum links_answer links_ask(struct links *links, const struct stat *st, enum links_wait wait, char **ret_path,
                            int *ret_code);
/* path: where the copy is now. */
void links_publish(struct links *links, const struct stat *st, const char *path);
void links_give_up(struct links *links, const struct stat *st);
/* Gives the copy at path one more name. Walks path by single components, following nothing. -errno. */
int links_make(struct links *links, const char *path, int dir_fd, const char *name);

#endif
