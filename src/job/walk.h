/*
 * walk.h: the directories of a tree while they are worked on, and one thread's open descriptors of them.
 * Private to job/.
 *
 * A node is a directory that is being copied: it lives from the moment it is opened until everything in
 * it is done. Nodes are shared between threads (pending is atomic, the rest is written by whoever makes
 * the node or holds its right to be read). Descriptors are not shared: each thread has a cursor, a small
 * window of open directories along the path it works on, and opens what it needs from the nearest one by
 * single components. So threads may have descriptor tables of their own, any depth needs a bounded number
 * of descriptors, and no path is ever handed to the kernel. A directory opened again must be the same
 * inode as before, else -ESTALE.
 */
#ifndef ZC_JOB_WALK_H
#define ZC_JOB_WALK_H

#include <dirent.h>
#include <stdatomic.h>
#include <sys/stat.h>

#include "meta.h"
#include "zcopy/job.h"

struct node {
	struct node *parent; /* NULL: the root. It outlives its children                          */
	struct node *next;   /* in the list of those with more to read; the queue's               */
	uint64_t id;         /* never used again, as addresses are                                 */
	unsigned depth;      /* the root's is 0                                                    */
	atomic_uint pending; /* the reading, batches handed out, directories below: 0 = all done   */
	struct stat src_st;  /* of the source directory before anything was read                   */
	dev_t dst_dev;
	ino_t dst_ino;
	mode_t dst_mode;         /* as the kernel made it, or found                                    */
	bool made;               /* this run made the destination: nothing is in it but what we put     */
	bool followed;           /* the source is a symlink that -L follows                             */
	bool kept_link;          /* the destination is a symlink (--keep-directory-symlink)             */
	bool no_dst;             /* --dry-run: there is no destination                                  */
	bool unreadable;         /* the source may not be read: made, but empty                         */
	bool shut;               /* -x: on another file system: made, but not entered                   */
	int64_t read_off;        /* getdents goes on here; whoever reads                                */
	struct meta_given birth; /* what a new file in it gets, when made                          */
	char name[];             /* one component                                                       */
};

/* id: a number that was never used before. NULL: no memory. */
struct node *node_new(struct node *parent, const char *name, uint64_t id);
void node_free(struct node *node);
/* "ROOT/a/b/name" for messages and filters; name NULL: the node itself. free() it; NULL: no memory. */
char *node_path(const struct node *node, const char *root, const char *name);

#define CURSOR_WINDOW_MAX 32

struct open_dir {
	uint64_t id; /* 0 = empty */
	uint64_t parent_id;
	unsigned depth;
	int src_fd;
	int dst_fd; /* -1: nothing is written (--dry-run) */
};

struct cursor {
	struct open_dir slots[CURSOR_WINDOW_MAX]; /* a node's place: its depth modulo window            */
	unsigned window;
	unsigned last;   /* the slot that was used last                                         */
	int root_src_fd; /* borrowed: the tree's                                                */
	int root_dst_fd;
};

/* Descriptors of the node's two directories, valid until the next call with this cursor. 0, or -errno with
 * *ret_side whose; -ESTALE: another directory stands there now. */
int cursor_at(struct cursor *cursor, const struct node *node, struct open_dir *ret_dir,
              enum zc_side *ret_side);
/* The node has just been opened: the cursor takes both descriptors over. */
void cursor_enter(struct cursor *cursor, const struct node *node, int src_fd, int dst_fd);
/* Gives back all but the root: before another try after EMFILE, and at the end. */
void cursor_close(struct cursor *cursor);

/* Raw getdents64 (the kernel's struct linux_dirent64): portable enough, and no allocation. */
struct walk_dirent {
	uint64_t ino; /* a hint only */
	int64_t off;
	uint16_t reclen;
	uint8_t type; /* a hint only */
	char name[];
};

/* Reads a batch into buf. Bytes, 0 at the end, or -errno. */
ssize_t walk_read(int dir_fd, void *buf, size_t cap_bytes);
static inline bool walk_is_dot(const char *name)
{
	return name[0] == '.' && (name[1] == '\0' || (name[1] == '.' && name[2] == '\0'));
}

#endif
