/*
 * trail.h: what follows a copy at some distance: makes durable what has been written, and then writes that
 * down in the journal. Private to job/.
 *
 * A thread of its own, so that the copy goes on meanwhile; where there is none to be had the caller's does
 * it. All calls are from one thread, the copy's.
 */
#ifndef ZC_JOB_TRAIL_H
#define ZC_JOB_TRAIL_H

#include "journal.h"

/* The copy stops at such places for an instant; at most so many of them are waited for. So of a copy that is
 * killed at most (TRAIL_PIECES + 1) * TRAIL_BYTES_MAX has to be made again. */
#define TRAIL_BYTES_MAX (64 * ZC_MIB)
#define TRAIL_PIECES    2

struct trail;

/* What came of it. */
struct trail_result {
	int code; /* of fdatasync, final: what was written is not safe                      */
	uint64_t durable_bytes;
	uint64_t durable_ns; /* in fdatasync                                                 */
	int journal_code;    /* why nothing more could be written down                        */
};

/* fd, journal and progress are borrowed until trail_end, and the journal is the trail's as long. from_bytes:
 * durable already. 0 or -ENOMEM. */
int trail_open(struct trail **ret_trail, int fd, struct journal *journal, struct zc_progress *progress,
               uint64_t from_bytes);
/* Where the copy shall come by next, on its way from at_bytes: near enough that it takes about a second. */
uint64_t trail_next(struct trail *trail, uint64_t at_bytes);
/* Everything up to end_bytes was written. Waits while TRAIL_PIECES are still under way. 0, or the code of a
 * flush that failed. */
int trail_add(struct trail *trail, uint64_t end_bytes);
/* Ends it: what has begun is finished; what has not, too, if all is wanted, else it is dropped. */
struct trail_result trail_end(struct trail *trail, bool all);

#endif
