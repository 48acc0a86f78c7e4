/* check.h: --verify and --manifest of one file: its digest while it is copied, and of what was stored.
 * Private to job/. */
#ifndef ZC_JOB_CHECK_H
#define ZC_JOB_CHECK_H

#include "item.h"

/* Are the bytes of files to be hashed as they pass? */
bool check_is_asked(const struct zc_job_cfg *cfg);
/* Once both ends are open: does this item want a digest? Makes item->hash. 0, or -errno and said: also when
 * --verify is asked of an end that cannot be read back. */
int check_begin(struct item *item);
/* A pass begins: what an earlier run has copied was not seen. 0, or -errno and said. */
int check_restart(struct item *item);
/* For zc_leg.tap: bytes as they were read. arg: the hash. */
void check_tap(void *arg, uint64_t off_bytes, const void *mem, size_t len_bytes);
/* All bytes are there: item->digest. Reads the source once more when its blocks were shared. */
int check_digest(struct item *item);
/* Of the first len_bytes, how many the new file has as the source does: read back from storage, a piece at a
 * time. Nothing is said; what cannot be read is not the same. */
uint64_t check_common(struct item *item, uint64_t len_bytes);
/* Reads the destination back from storage, before it gets its name. 0, or -errno and said. */
int check_stored(struct item *item);
/* It has its name: its line of the manifest. */
void check_list(struct item *item);
/* The same for one more name of a file: its bytes are read from there. 0, or -errno and said. */
int check_list_link(struct item *item);
void check_end(struct item *item);

#endif
