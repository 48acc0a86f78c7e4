/*
 * tree.h: one directory operand on its way, by several threads. Private to job/.
 *
 *   tree_open -> tree_step until false -> tree_close
 *
 * The unit of work is a batch of a directory's names. Three piles, taken in this order: names handed over
 * by a busy thread, directories found but not entered, directories with more to read. The newest first, so
 * what waits is at most one batch a level. The thread that calls tree_step is the first lane; the others
 * start once there is something to share, and end with the tree. A thread's lane, report, cursor and
 * buffers are its own; the piles are under one lock, taken once a batch.
 */
#ifndef ZC_JOB_TREE_H
#define ZC_JOB_TREE_H

#include <pthread.h>

#include "item.h"
#include "links.h"
#include "walk.h"

/* Names of one directory that wait: a d_type byte, then the name with its NUL, and so on. */
struct names {
	struct names *next;  /* on a pile: the older one  */
	struct names *newer; /* of a worker's directories */
	struct node *node;   /* counted in its pending */
	uint32_t at;
	uint32_t end;
	char bytes[];
};

#define WALK_BYTES  (32u * 1024)  /* a batch of getdents                                           */
#define SMALL_BYTES (128u * 1024) /* up to here a file is one read and one write                   */
#define AHEAD_KEEP  256           /* names that reading ahead goes on for after a read that waited */

struct tree;
struct census;
struct group;

struct worker {
	struct tree *tree;
	struct zc_report report;
	struct lane lane;
	struct cursor cursor;
	uint8_t *small;       /* SMALL_BYTES + 1: one more shows a file that grew                      */
	uint8_t *batch;       /* WALK_BYTES                                                           */
	struct group *group;  /* files that are synced together; NULL: each by itself             */
	struct names *newest; /* directories it has met and not entered; under the tree's lock  */
	struct names *oldest;
	struct list *list; /* from which it copies, of the batch; NULL: none                     */
	struct node *list_node;
	bool waited;         /* in vain, since it last had a task                                */
	bool patient;        /* has nothing better to do than to wait for a hard link's copy     */
	bool no_nowait;      /* RWF_NOWAIT is refused: what is cached cannot be told from what is not */
	unsigned ahead_left; /* names for which files are asked for beforehand; 0: it does not pay   */
	char name[NAME_MAX + 1];
	pthread_t thread;
};

#define TREE_JOBS_MAX 64

/* What is done at each name: entry.c copies, verify.c compares. */
struct tree_ops {
	void (*copy)(struct worker *worker, struct node *node, const struct open_dir *dir, const char *name,
	             uint8_t type);
	struct node *(*enter)(struct worker *worker, struct node *parent, const struct open_dir *dir,
	                      const char *name, uint8_t type);
	void (*leave)(struct worker *worker, struct node *node);
	void (*lost)(struct worker *worker, struct node *node, enum zc_side side, int code);
};

struct tree {
	const struct tree_ops *ops;
	struct pairs *pairs;          /* verify's, ours; else NULL                                         */
	struct manifest *manifest;    /* borrowed, or NULL */
	int state_fd;                 /* where journals are; borrowed; -1: none are kept                    */
	const struct zc_job_cfg *cfg; /* the tree's own copy: jobs is the number of lanes, not an item's */
	struct zc_job_cfg item_cfg;
	struct census *census; /* counts ahead, or NULL */
	struct zc_progress *progress;
	struct links *links;  /* borrowed: hard links are kept over all operands; NULL: they are not      */
	const char *src_text; /* borrowed: the operand, for messages                                  */
	const char *dst_text;
	const char *filter_root; /* what the paths of filters begin with                              */
	const char *link_root;   /* the root's name below links' directory                            */
	int root_src_fd;         /* ours */
	int root_dst_fd;
	struct node *root;
	bool plain;            /* nothing was asked that a file in a new directory would notice      */
	bool durable;          /* but --durability: new files, too, are synced before they get a name */
	atomic_int no_tmpfile; /* learnt about the destination: O_TMPFILE is refused                 */
	atomic_int room_said;  /* that the destination is full: the reports' */
	atomic_int no_reflink; /* FICLONE is refused                                                */
	atomic_ulong
	    no_xattrs_dev; /* a device of the source without any, 0: none is known. A tree has several */
	struct timespec started; /* by the clock that files have */
	atomic_ulong last_id;
	atomic_uint idle;     /* threads that wait for work: a busy one may hand names over          */
	atomic_ulong seen;    /* names met                                                         */
	atomic_bool shares;   /* a second thread is worth it however few they are                     */
	pthread_mutex_t lock; /* of everything below                                               */
	pthread_cond_t wake;
	struct names *handed;
	unsigned dir_lists; /* on the workers' piles */
	struct node *readable;
	struct names *later; /* hard links to what is being copied, oldest first: when all else is done */
	struct names **later_end; /* the next one goes here */
	struct zc_report said;    /* messages of all threads on their way to the caller                  */
	bool done;
	unsigned window;     /* a cursor's                                                       */
	unsigned group_max;  /* files that a thread may have waiting; 0: each is synced alone     */
	unsigned lane_count; /* of workers                                                        */
	unsigned lane_max;
	struct worker *workers[TREE_JOBS_MAX]; /* the first is the caller's                           */
};

struct tree_start {
	const struct tree_ops *ops; /* NULL: a copy                                           */
	struct pairs *pairs;        /* the tree's from now on                                 */
	struct manifest *manifest;
	int state_fd; /* -1: no journals                                                             */
	const struct zc_job_cfg *cfg;
	struct zc_progress *progress;
	struct links *links;
	const char *src_text;
	const char *dst_text;
	const char *link_root;
	const char *filter_root;
	int src_fd; /* both the tree's from now on, also after a failure                                 */
	int dst_fd; /* -1: nothing is written                                                            */
	struct node *root; /* likewise; its pending is 1: the reading                                   */
};

/* 0 or -ENOMEM. */
int tree_open(struct tree **ret_tree, const struct tree_start *start);
/* Works on one batch and brings the messages of all threads into report. false: all is done. */
bool tree_step(struct tree *tree, struct zc_report *report);
/* Ends the threads and adds what they did to report. */
void tree_close(struct tree *tree, struct zc_report *report);

/* ---- between tree.c and worker.c */

struct task {
	struct names *handed; /* names to be copied, ours */
	bool later;           /* they are of tree->later */
	bool commit;          /* the worker's group, since there is nothing else to do */
	struct node *node;    /* else: the directory to be read, or the parent of the one to enter */
	uint8_t enter;        /* DT_DIR or DT_LNK: enter worker->name below node; 0: read node */
};

/* 1: there is a task; 0: nothing yet; -1: never again. */
int tree_take(struct tree *tree, struct worker *worker, struct task *task);
/* A list without names and room for so many bytes, each name with its type and NUL. NULL: no memory. */
struct names *names_new(struct node *node, size_t cap_bytes);
void names_add(struct names *names, uint8_t type, const char *name);
/* The list is the tree's from now on: files, for whoever comes first, or directories, for this worker before
 * any other. The node's pending counts it already. */
void tree_push_files(struct tree *tree, struct names *names);
void tree_push_dirs(struct worker *worker, struct names *names);
/* Under the lock: something waits for a thread. */
bool tree_has_work(const struct tree *tree);
/* Under the lock: wakes or starts a thread, if one is to be had. */
void tree_more_work(struct tree *tree);
/* Says so. */
void tree_no_memory(struct worker *worker);
/* One task. false: there are none any more. */
bool worker_step(struct worker *worker);
/* lane.h's share, of a worker: the next names need no others to be worth a second thread, as long files are
 * few. */
bool worker_share(void *arg);

/* ---- for entry.c and small.c */

uint64_t tree_next_id(struct tree *tree);
/* The node's directories, through the worker's cursor. false: lost, and said. */
bool tree_at(struct worker *worker, struct node *node, struct open_dir *ret_dir);
/* One piece of the node's work is done; the last one finishes the directory, and with it perhaps its parent.
 */
void tree_node_done(struct worker *worker, struct node *node);
/* A name whose copy is still being made by another thread, or waits in a group: asked again later. */
void tree_add_later(struct worker *worker, struct node *node, const char *name);
/* A directory was met below node that the reader did not take for one. type: DT_DIR, or DT_LNK: followed. */
void tree_add_dir(struct worker *worker, struct node *node, const char *name, uint8_t type);
struct meta_wish tree_meta_wish(struct tree *tree, const struct stat *src_st);

/* ---- entry.c */

extern const struct tree_ops entry_ops;
/* Left out by the filter. */
bool entry_excluded(struct worker *worker, struct node *node, const char *name, bool is_dir);

/* One name that is no directory. type: DT_*, a hint. Says itself what went wrong. */
void entry_copy(struct worker *worker, struct node *node, const struct open_dir *dir, const char *name,
                uint8_t type);
/* Opens a directory of the source and makes or finds its destination; the cursor has both then. NULL: left
 * out, or said what is wrong. type DT_LNK: a symlink that -L follows. */
struct node *entry_enter(struct worker *worker, struct node *parent, const struct open_dir *dir,
                         const char *name, uint8_t type);
/* All in the directory is done: its own attributes. */
void entry_leave(struct worker *worker, struct node *node);
/* The directory itself cannot be read or reached. */
void entry_lost(struct worker *worker, struct node *node, enum zc_side side, int code);
/* A name that is longer than any of ours can be. */
void entry_too_long(struct worker *worker, struct node *node, const char *name, enum zc_side side);
/* As item_fail and item_meta_result, for a name below node. */
int entry_fail(struct worker *worker, struct node *node, const char *name, enum zc_side side, int status,
               const char *op, int code, const char *what);
int entry_meta_result(struct worker *worker, struct node *node, const char *name,
                      const struct meta_result *result);

struct made_dir {
	int fd;
	bool made;
	bool kept_link;
	struct stat st;
};
/* What a new directory is made with: open to ourselves, and to nobody else when it is to be another's. */
mode_t entry_dir_mode(const struct zc_job_cfg *cfg, const struct stat *src_st);
/* mkdirat, or what is there when it is a directory; opened. Says what is wrong. 0 or -errno. */
int entry_make_dir(struct item *item, int dir_fd, const char *name, const struct stat *src_st,
                   struct made_dir *ret_dir);
/* The node's destination is dir. */
void entry_birth(struct node *node, const struct made_dir *dir);

/* small.c: a file of at most SMALL_BYTES to a new name, in as few calls as can be. 0 copied, -errno failed
 * and said, SMALL_NOT_ME: this one wants the long way, and nothing has happened. */
#define SMALL_NOT_ME 2
int small_copy(struct worker *worker, struct node *node, const struct open_dir *dir, const char *name,
               int src_fd, const struct stat *st);
/* What waited in a group gets its name, or its error when code is negative. fd is closed. */
int small_finish(struct worker *worker, struct node *node, const struct open_dir *dir, const char *name,
                 int fd, size_t len_bytes, bool cloned, int code);

#endif
