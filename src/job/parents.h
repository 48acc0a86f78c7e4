/* parents.h: --parents: the directories of a source's own path, below the destination. Private to job/. */
#ifndef ZC_JOB_PARENTS_H
#define ZC_JOB_PARENTS_H

#include "item.h"

/* The source's path as it is used below the destination: without leading slashes. Borrowed. */
const char *parents_path(const char *path);
/* Makes what is missing of the directories of item->below, below item->dest_fd, like those of the source.
 * Says what is wrong. *ret_dir_fd: the last of them, the caller's. 0 or -errno. */
int parents_make(struct item *item, int *ret_dir_fd);
/* --dry-run: only looks for them. 0, or -ENOENT when they are not all there. */
int parents_find(const struct item *item, int *ret_dir_fd);
/* Gives those that were made their attributes, once the item is in place. */
void parents_finish(struct item *item);

#endif
