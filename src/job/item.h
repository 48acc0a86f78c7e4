/*
 * item.h: one source on its way to one destination. Private to job/.
 *
 *   source_find -> (where to) -> item_allowed -> source_open -> sink_open -> copy_item -> sink_complete
 *                                      |                                -> sink_sync -> sink_name
 *                                      +-> make_item: what has a name and no data
 *   item_close at the end
 *
 * An item is an operand (run.c finds both sides) or a name in a tree (entry.c does).
 *
 * Each step says what went wrong in the report itself and returns the negative errno; ITEM_SKIP means
 * that there is nothing to do for this item and nothing is wrong.
 */
#ifndef ZC_JOB_ITEM_H
#define ZC_JOB_ITEM_H

#include "choose.h"
#include "commit.h"
#include "lane.h"
#include "meta.h"
#include "report.h"
#include "seen.h"
#include "target.h"

#define ITEM_SKIP 1
/* Of an item that may wait (see there): complete, but item_finish is to give it its name. */
#define ITEM_WAITS 2
/* Of an item in a tree: another name of it is being copied by somebody. Nothing has happened. */
#define ITEM_LATER 3

/* What a run of several sources has met so far. */
struct made {
	struct seen sources; /* operands, under their paths                                          */
	struct seen dirs;    /* source directories, under the names of their copies below DEST        */
	struct seen files;   /* what was made of operands, likewise: not to be overwritten by others  */
};

struct tree;
struct node;
struct hash;
struct manifest;
struct parent;
struct links;
struct rescue;
struct journal;
struct trail;
struct peers;
struct peer_watch;
struct tees;

struct item {
	/* run.c or entry.c, when it begins: what it works with, borrowed */
	const struct zc_job_cfg *cfg;
	struct zc_report *report;
	struct lane *lane;
	struct zc_progress *progress;
	struct made *made;         /* NULL in a tree: the table holds operands only            */
	struct links *links;       /* NULL: hard links are not kept                            */
	struct manifest *manifest; /* NULL: none is written                                    */
	int state_fd;              /* where journals are; -1: none are kept                    */
	int base_fd;               /* --files-from: the directory that names are below; -1     */
	int dest_fd;               /* the directory to copy into; -1                           */
	struct peers *peers;       /* TCP ends that are open already; NULL: none, and nobody listens */
	const char *below;         /* the path of the source below DEST: --parents, --files-from; or NULL */
	const char *link_path;     /* of the destination below links' directory; NULL: not tracked */
	/* entry.c: in a tree, else NULL and false */
	const struct tree *tree;
	const struct node *node;
	bool patient;  /* waits for the copy of another of its names                */
	bool new_name; /* its directory was made by this run: nobody else's file is taken away */
	bool may_wait; /* somebody will sync it together with others, its name too, and finish it */
	/* item.c: hard links, and a path for messages */
	char *link_to;    /* the copy that it becomes one more name of, ours; or NULL */
	bool links_first; /* its copy is to be told to links, or that there is none    */
	char *src_path;   /* composed by item_text, ours                             */
	/* source.c, entry.c: the source */
	struct zc_uri src_uri; /* text NULL in a tree: see item_text                     */
	struct target from;    /* a path: the directory it is in, and its name           */
	bool has_from;
	struct target *from_link; /* the symlink that led there; ours; NULL: none was followed */
	struct zc_end src;
	struct stat src_st; /* as it was before the first byte; synthetic ends: zeroed   */
	/* aim.c, parents.c, entry.c: where it goes */
	const char *dst_text; /* for messages; NULL in a tree                            */
	char *dst_path;       /* DEST/name, ours                                         */
	struct zc_uri dst_uri;
	struct target target;
	bool has_target;            /* target is open                                            */
	struct target *target_link; /* the symlink that led there; ours; NULL: none was followed */
	int aim_code;      /* as cp: why nothing can be made under that name; said when something is to be */
	bool into_itself;  /* "dir/." and the like: what is in it goes into DEST itself */
	char *filter_root; /* an operand's, for the tree's filters, ours              */
	struct parent *parents; /* --parents: the directories that were made              */
	/* allow.c */
	bool as_new; /* -f on a file that we may not write: nothing of it is kept */
	bool stays;  /* what is there is what would be copied: other links are made to it */
	/* backup.c */
	char *backup; /* the name the old one was given, ours                    */
	/* sink.c: how the result appears */
	struct zc_end dst;
	struct commit commit;
	bool committing; /* dst.fd is commit.fd, and commit owns it                   */
	bool replacing;  /* an existing regular file gets new contents                */
	bool in_place;
	mode_t widen_mode; /* as cp: what a file created for its owner alone shall get; 0: nothing     */
	int old_fd;        /* the replaced file, for its attributes; -1                 */
	enum zc_durability durability;
	/* resume.c: NULL where nothing is journalled, or no bytes move */
	struct journal *journal;
	struct trail *trail;
	uint64_t resumed_bytes; /* of an earlier run: the copy goes on there            */
	uint64_t durable_bytes; /* counted as such in progress                          */
	/* rescue.c, unread.c */
	struct rescue *rescue; /* NULL: a read error ends the copy                     */
	bool unread_asked;     /* whether there is a map                                  */
	bool unread_was;       /* ... and there was                                             */
	/* peer.c */
	struct peer_watch *watch; /* while bytes move, with --io-timeout              */
	/* check.c */
	struct hash *hash; /* NULL: nobody wants a digest               */
	char digest[65];   /* of what was read, when hash is not NULL               */
	/* tee.c: NULL: there are no further destinations */
	struct tees *tees;
	/* copy.c: the result */
	uint64_t total_bytes; /* length of the result                                      */
	uint64_t moved[ZC_ROUTE_COUNT];
	bool changed; /* the source changed while it was read                      */
};

/* source.c */
/* Finds what the operand names: in a tree that is done already. Nothing of type FIFO or device is opened
 * here, and src_st says what it is. */
int source_find(struct item *item);
/* Opens what is to be read. */
int source_open(struct item *item);
/* Copying it makes a name only: a symlink that is not followed, with -r a FIFO, socket or device. */
bool source_is_name_only(const struct item *item);
/* Operands that are symlinks are followed. */
bool source_follows(const struct item *item);
/* now, of a later fstat, tells of other data than src_st. */
bool source_changed(const struct item *item, const struct stat *now);
/* Just before reading: waits for a FIFO's writer, and makes reads block. */
int source_ready(struct item *item);

/* sink.c: where and how the result appears */
int sink_open(struct item *item);
/* What was begun without its final name is given up for another new file. 0, or -errno and said. */
int sink_anew(struct item *item);
const char *sink_durability_word(enum zc_durability durability); /* "none" "data" "full" */
const char *sink_durability_name(const struct item *item);       /* what this one gets */
/* --durability=full, and the destination's directory may only be searched: said. -EACCES */
int sink_cannot_sync(struct item *item);
/* A large copy through the page cache is written out while it goes on: with --cache=drop in steps of 8 MiB,
 * each of which leaves the cache one step later; one that is to be durable in steps of 32 MiB, which only
 * begin their way, so that little is left for the sync at its end. */
struct behind {
	uint64_t started_bytes; /* on the way to the medium up to here */
	uint64_t dropped_bytes; /* there, and out of the cache         */
};
/* Such a step in bytes; 0: nothing is written out before the end. */
uint64_t sink_behind_step(const struct item *item);
/* All up to at_bytes is written. 0, or -errno and said: what is told here is not told again. */
int sink_write_behind(struct item *item, struct behind *behind, uint64_t at_bytes);
/* All bytes are there: its attributes. */
int sink_complete(struct item *item);
/* It is to be synced before it gets its name, by whomever, and not so large as to be worth a sync alone. */
bool sink_may_wait(const struct item *item);
int sink_sync(struct item *item);
int sink_name(struct item *item);
void sink_close(struct item *item);

/* copy.c: the bytes */
int copy_item(struct item *item);

/* same.c: source and destination are not the same thing, or it does not matter. */
int same_allowed(struct item *item);

/* aim.c: where an operand goes. Each says what is wrong. 0 or -errno */
/* text as an end; a file name to cp. text must outlive uri. */
int item_parse(struct item *item, struct zc_uri *uri, const char *text, enum zc_dir dir, enum zc_side side);
int item_aim_into(struct item *item); /* DEST is a directory: item->dest_fd */
int item_aim_at(struct item *item);   /* DEST itself                        */

/* allow.c: may what stands under the name be replaced? */
int item_allowed(struct item *item);
/* The destination is a symlink that an earlier operand became: it must not be written through. */
bool item_link_was_made(const struct item *item);
int item_refuse_link(struct item *item); /* says so */
/* Remembers what this run has made from an operand. */
void item_remember(struct item *item);
/* The directory operand was there before and goes to the same place: said, ITEM_SKIP. */
int item_dir_allowed(struct item *item);

/* gnu.c: what only cp does */
/* Takes away what is in the way, in cp's manner: before anything is said about the copy. */
int gnu_clear(struct item *item);
/* The copy failed: a backup gets its old name back. */
void gnu_undo(struct item *item);
/* Removes the destination's name; a symlink that was followed rather than what it leads to. */
int gnu_remove(struct item *item);
void gnu_say_removed(struct item *item);
/* --debug: how the data went. */
void gnu_debug(struct item *item);

/* make.c: symlinks, FIFOs, sockets, devices, and names made by -l, -s and of hard links */
int make_item(struct item *item);
/* One more name for a file that this run has copied; *ret_link_path as links_ask gave it. */
int make_kept_link(struct item *item, const char *path);
/* A temporary of that name is in the target's directory: a killed run's is removed, true. */
bool make_reclaim(const struct item *item, const char *temp);

/* backup.c: gives what stands under the target's name another one, before it is replaced. */
int backup_item(struct item *item);
/* The name a backup of target would get now. free() it; NULL: no memory. */
char *backup_name(const struct zc_job_cfg *cfg, const struct target *target);
/* That name, as the user would write it. free() it; NULL: no memory. */
char *backup_path(struct item *item);

/* item.c: what all of them share */
/* The name of that side for messages. Valid until item_close. */
const char *item_text(struct item *item, enum zc_side side);
/* "'a' -> 'b'" for -v and --dry-run. */
void item_say(struct item *item);
int item_skip(struct item *item);
/* An open target that is a symlink becomes what it leads to. As cp a dangling one becomes a name that is
 * free: who creates a file there finds the link. 0, or -errno as target_open. */
int item_follow(struct item *item, const char **ret_refused);
/* Goes back from what a symlink leads to to the symlink itself. */
void item_unfollow(struct item *item);
/* The target is told who is to own it: what was left there may be theirs already. */
void item_name_heir(struct item *item);
/* The source is no file with a name after all. */
void item_forget_from(struct item *item);
/* An operand's name below DEST. */
const char *item_dest_name(const struct item *item);
/* A file with data, from its opening to its name. */
int item_transfer(struct item *item);
/* After ITEM_WAITS: its name, or with a negative code the failure of its sync. target and from have their
 * directories again. */
int item_finish(struct item *item, int code);
/* It waits: gives back what is not needed any more. Its directories are not its own from here on. */
void item_let_go(struct item *item);
/* From item_allowed on: both sides are known. */
int item_run(struct item *item);
/* Says what could not be kept; negative when one of them was required. */
int item_meta_result(struct item *item, const struct meta_result *result);
/* With --durability=full: what was made in that directory, and its own attributes, are safe from a power cut.
 * A file with data sees to its name itself (sink.c), what has only a name in a tree does not: its directory
 * is synced when the tree leaves it. 0, or negative after saying so. */
int item_sync_dir(struct item *item, int dir_fd);
struct meta_wish item_meta_wish(const struct item *item);
void item_close(struct item *item);

/* "PATH: what: strerror" for this item's source or destination. Returns code. */
int item_fail(struct item *item, enum zc_side side, int status, const char *op, int code, const char *what,
              const char *hint);

#endif
