/*
 * group.h: group commit: files of a tree that are complete but for their names wait for each other, are
 * made durable by one syncfs, and then get their names. Private to job/.
 *
 *   group_open -> group_add_item | group_add_small ... -> group_commit, and so on -> group_close
 *
 * A group is one thread's. What waits is held by its descriptor, so a killed run leaves of it what it leaves
 * of a file at work: nothing, where O_TMPFILE is to be had. The descriptor whose syncfs is asked is that of
 * the file that came first: every write of the others came after its opening, so their errors are in its
 * answer (the kernel counts them from there). An answer that is an error is the whole group's, and final.
 */
#ifndef ZC_JOB_GROUP_H
#define ZC_JOB_GROUP_H

#include "tree.h"

/* At most so many files wait at once, fewer where descriptors are few; and so many bytes a thread. */
#define GROUP_FILES_MAX 1024
#define GROUP_BYTES_MAX (32u << 20) /* a sync cannot be interrupted: a slow disk takes a second for these */

/* Whether files on the file system of dir_fd may be made durable together: syncfs is to be had, and known to
 * write all of them there and to tell of each error. */
bool group_serves(int dir_fd);
/* max: files. NULL: no memory, or too few to be of use. */
struct group *group_open(unsigned max);
/* Empty by then. NULL is fine. */
void group_close(struct group *group);
bool group_is_empty(const struct group *group);
bool group_is_full(const struct group *group);

/* There is room for a file below node, which is on the file system of the root. */
bool group_takes(const struct worker *worker, const struct node *node);
/* A file below node that is complete but for sync and name. false: it cannot wait here, and stays the
 * caller's. item: its contents move; it is empty after. */
bool group_add_item(struct worker *worker, struct node *node, struct item *item);
/* The same that came the short way: no item, only fd. cloned: its blocks are the source's. */
bool group_add_small(struct worker *worker, struct node *node, const char *name, int fd, size_t len_bytes,
                     bool cloned);
/* Syncs all that wait, gives them their names and says what went wrong. Between two names only: it moves the
 * cursor. After a signal nothing gets its name. */
void group_commit(struct worker *worker);
/* With --durability=full all that is made in that directory is synced at the tree's end, by the other. */
bool group_syncs_all(const struct tree *tree, const struct node *node);
void group_sync_tree(struct tree *tree, struct zc_report *report);

#endif
