/* choose.h: how a copy is done: which routes, which lane, O_DIRECT or not; and why. Private to job/. */
#ifndef ZC_JOB_CHOOSE_H
#define ZC_JOB_CHOOSE_H

#include "lane.h"
#include "zcopy/job.h"

struct choice {
	enum zc_route_kind kernel[ZC_ROUTE_COUNT]; /* in-kernel routes, in order; need no lane          */
	unsigned kernel_count;
	bool buffer;     /* the buffer route may follow                                         */
	bool split;      /* by two threads where that can be had: reads and writes, the lane's buffers */
	bool shared;     /* a long file in the cache: other CPUs may copy others meanwhile               */
	bool allocate;   /* room for the whole file before its first byte                       */
	bool src_direct; /* to be switched on                                                   */
	bool dst_direct;
	bool mixed;            /* though parts of the source are cached: each is read as suits it     */
	bool tuned;            /* size and number of requests, while they are on their way            */
	bool ahead;            /* ask for the next pieces between holes while one is copied           */
	bool keep_holes;       /* ask the source for holes                                            */
	uint32_t sparse_bytes; /* --sparse=always: unit of the zero scan                              */
	struct lane_cfg lane;
};

/* Is the source to be cloned, if it can be? That is tried before choose() is asked: where it is done, nothing
 * else need be known, such as what of the source is cached, which takes longer than a clone. Explains the
 * ends. */
bool choose_clone(const struct zc_job_cfg *cfg, struct zc_end *src, struct zc_end *dst,
                  struct zc_report *report);
/* The way of what was not cloned; none when that was to be the only one. Looks at both ends and at what
 * this host says. Each decision is a line in the report when cfg->explain.
 * 0, or -EINVAL for a forced choice that cannot be had, with *ret_why the reason (for ever valid). */
int choose(struct choice *ret_choice, const struct zc_job_cfg *cfg, struct zc_end *src, struct zc_end *dst,
           struct zc_report *report, const char **ret_why);

#endif
