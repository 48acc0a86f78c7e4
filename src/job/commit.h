/* commit.h: how a file appears under its name: whole or not at all. Private to job/. */
#ifndef ZC_JOB_COMMIT_H
#define ZC_JOB_COMMIT_H

#include "target.h"
#include "zcopy/job.h"

struct commit {
	const struct target *target; /* borrowed                                                     */
	int fd;                      /* the new file, read-write; ours                               */
	char temp[64];               /* its name in the target's directory; "" = it has none          */
	mode_t final_mode;           /* what a new file gets (the umask or default ACL applied)       */
	bool private_mode;           /* it is 0600 until then                                        */
	bool keep;                   /* not published, it stays under its temporary name              */
};

/* An unnamed file in the target's directory (O_TMPFILE), or a named one, 0600 and locked, where that is
 * refused. mode: the source's. Nothing is visible yet. 0 or -errno (with *ret_op the failing call). */
int commit_begin(struct commit *ret_commit, const struct target *target, mode_t mode, mode_t mask,
                 struct zc_fallbacks *fallbacks, const char **ret_op);
/* Always a named one, under the first of its names: a later run looks for it there. -EEXIST: somebody has it.
 */
int commit_begin_kept(struct commit *ret_commit, const struct target *target, mode_t mode, mode_t mask);
/* That one of an earlier run, locked, as it is. 0; -ENOENT; -EBUSY: its run is not over; or -errno. */
int commit_take_over(struct commit *ret_commit, const struct target *target, mode_t mode, mode_t mask);
/* Gives the file its name. keep_existing: never replace what is there by now (-EEXIST then).
 * After 0 the temporary is gone or has become the destination. 0 or -errno. */
int commit_publish(struct commit *commit, bool keep_existing, const char **ret_op);
/* Of a name: spreads, and never changes. */
uint64_t commit_hash(const char *name);
/* The name a temporary of target has: the first is always the same, so that a later run meets what a killed
 * one has left; the others are random. */
void commit_temp_name(char out[64], const char *name, unsigned attempt);
/* A name as the first of these. */
bool commit_is_temp_name(const char *name);
/* A temporary of this name exists. Nobody's any more: removed, true. */
bool commit_reclaim(const struct target *target, const char *name);
/* An unnamed file can be given a name later. */
bool commit_can_link(int fd);
/* linkat of a file that has no name yet: by descriptor where we may, else through /proc. 0 or -errno. */
int commit_link_fd(int fd, int dir_fd, const char *name);
/* A call that syncs or allocates is not to be had here: code, an errno, is none of the storage's answers. */
bool commit_is_refusal(int code);
/* fsync of the directory (durability full). */
int commit_sync_dir(const struct commit *commit);
/* Closes; what was not published is gone. close's own error (NFS, FUSE) is returned. Twice is fine. */
int commit_end(struct commit *commit);

#endif
