/*
 * steer.h: a lane's requests, as large and as many as the tuner has them, while bytes move. Private to job/.
 *
 * The pool has room for twice what is in flight, in buffers of the largest block: a smaller block uses the
 * beginning of one, and a deeper queue is tried without a new pool. Only the step beyond that drains the
 * lane, which is then opened again with more.
 */
#ifndef ZC_JOB_STEER_H
#define ZC_JOB_STEER_H

#include <sys/types.h>

#include "tune.h"
#include "zcopy/job.h"

struct lane_cfg;

struct steer {
	struct zc_knobs route; /* what the buffer route sees; first, so that its beat finds the rest    */
	struct tune tune;
	bool begun;
	dev_t devs[2];       /* source and destination that tune is about                              */
	bool threads_follow; /* as many helpers as buffers, should there be no ring                     */
	unsigned buf_count;  /* of the lane's pool                                                     */
	uint64_t base_bytes; /* of earlier legs, as tune counts                                        */
	uint64_t base_ns;
	uint64_t leg_ns; /* when this leg began                                                    */
	uint64_t end_ns; /* when it was decided, as tune counts; 0: not yet                         */
	uint64_t end_bytes;
	unsigned said; /* of tune's tries                                                        */
	bool said_end;
};

/* A file comes between these ends, by a lane as lane says. What was learned between the same devices goes on,
 * in lane as well, which also gets the pool that this takes. */
void steer_begin(struct steer *steer, const struct zc_job_cfg *cfg, const struct zc_end *src,
                 const struct zc_end *dst, struct zc_report *report, struct lane_cfg *lane);
/* The point that is used or, when all is tried, was found, into the report. */
void steer_note(const struct steer *steer, struct zc_report *report);
/* Around each leg. Afterwards what was tried is said, and the report has the point that was found. true: the
 * lane is to be opened again as lane now says; refused, steer_refused takes that back. */
void steer_leg(struct steer *steer, struct zc_leg *leg);
bool steer_leg_done(struct steer *steer, const struct zc_leg *leg, bool explain, struct zc_report *report,
                    struct lane_cfg *lane);
void steer_refused(struct steer *steer, struct lane_cfg *lane);

#endif
