/*
 * resume.h: --resume of one large file: its named temporary and its journal, over several runs. Private to
 * job/.
 *
 * resume_begin -> resume_follow, resume_mark... -> resume_end, in item.c, sink.c and copy.c. Where nothing is
 * journalled each of them does nothing.
 */
#ifndef ZC_JOB_RESUME_H
#define ZC_JOB_RESUME_H

#include "item.h"

#define RESUME_BEGUN 1

/* The new file is one that a later run finds again, if this item is worth it. RESUME_BEGUN: item->commit has
 * begun, with item->resumed_bytes of an earlier run in it; 0: it has not, nothing is journalled; -errno and
 * said. */
int resume_begin(struct item *item, mode_t mode);
/* Bytes are about to move: the first is that at item->resumed_bytes. */
void resume_follow(struct item *item);
/* Where the copy shall stop next on its way from at_bytes, for resume_mark. ZC_SIZE_UNKNOWN: nowhere. */
uint64_t resume_next(struct item *item, uint64_t at_bytes);
/* All up to at_bytes is written. 0, or -errno and said. */
int resume_mark(struct item *item, uint64_t at_bytes);
/* No more bytes move. all: what was marked is to be written down, which may take a while. 0, or -errno and
 * said: a flush failed. */
int resume_stop(struct item *item, bool all);
/* From the first byte once more, of the source as it is now: what was written down is void. */
void resume_restart(struct item *item);
/* What was kept of it is not gone on with: the journal goes, the temporary is the caller's. */
void resume_abandon(struct item *item);
/* The copy came to its end, res: failed, it leaves what the next run can go on with, else nothing. */
void resume_end(struct item *item, int res);
/* The name is complete without a journal: what a killed run may have left of it goes. */
void resume_forget(struct item *item);

#endif
