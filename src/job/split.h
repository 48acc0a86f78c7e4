/* split.h: one span of a file by two threads, each with parts of its own. Private to job/. */
#ifndef ZC_JOB_SPLIT_H
#define ZC_JOB_SPLIT_H

#include "lane.h"

/* From here on the second thread is worth its start. */
#define SPLIT_BYTES_MIN (32 * ZC_MIB)
/* Threads that copy. More were not faster: what remains is under the inode's lock. */
#define SPLIT_LANES 2
/* Of each thread's one buffer: it stays in the CPU's cache, and ext4 takes it as one folio. With 256 KiB a
 * quiet host is a little faster, one whose memory is in pieces half as fast. */
#define SPLIT_BLOCK_BYTES (128 * ZC_KIB)

/* Gives the lane its second thread, with buffers as cfg says, unless it has it: kept until lane_close. false:
 * it cannot be had, which is noted as a fallback and not tried again. */
bool split_open(struct lane *lane, const struct lane_cfg *cfg);
/* Moves the span by reads and writes on both threads, and returns when both are done. The lane is open, the
 * leg new, both ends files that one can position in, and not O_DIRECT. Result and leg as by the buffer
 * route alone, which would have met the lowest error or end first; after an error done_bytes is what was
 * written, anywhere. Nothing is allocated. */
int split_run(struct lane *lane, struct zc_leg *leg, uint64_t moved[ZC_ROUTE_COUNT]);
/* Ends the thread. For lane_close. */
void split_close(struct lane *lane);

#endif
