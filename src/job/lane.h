/* lane.h: what moves the bytes: a thread's engine, pool and pipe, made when first needed. Private to job/. */
#ifndef ZC_JOB_LANE_H
#define ZC_JOB_LANE_H

#include "steer.h"
#include "zcopy/job.h"

/* What a lane is made of. */
struct lane_cfg {
	enum zc_engine_kind engine;
	unsigned thread_count; /* sync engine's helpers; 0 = requests are performed in place       */
	unsigned buf_count;    /* = queue depth                                                    */
	size_t block_bytes;    /* of one buffer                                                    */
	bool store;            /* --buffer: the buffers are a store between two threads            */
	bool small;            /* a plain allocation instead of a pool region                      */
	enum zc_huge huge;
	size_t huge_bytes;
	int node; /* where the buffers and threads shall be, or ZC_NODE_ANY           */
};

struct lane {
	struct zc_kit kit;
	struct lane_cfg cfg;
	bool open;
	bool ring_broke; /* once: the sync engine from then on, unless the ring was asked for */
	bool alone;      /* no second thread: it cannot be had                                    */
	/* Of a tree's lanes: a long file is about to be copied, so other threads may begin with what comes
	 * after it. true: they keep the other CPUs busy, or no other is to be used. NULL: there are no
	 * others. */
	bool (*share)(void *arg);
	void *share_arg;
	struct steer steer;  /* of direct copies: what was learned from file to file            */
	struct split *split; /* the second thread, on first need; split.c's                    */
	void *small_mem;     /* buffers and pool of a small lane                                  */
	int state_fd;        /* unread.c's: the directory of maps; -1: not open yet              */
	struct zc_report *report;
};

void lane_init(struct lane *lane, struct zc_progress *progress, struct zc_report *report);
/* Makes engine and pool as cfg says, unless they are already so. 0, or -errno: with a forced engine the
 * reason why there is none, else -ENOMEM; *ret_op names the step. What was obtained is in the report. */
int lane_open(struct lane *lane, const struct lane_cfg *cfg, const char **ret_op);
/* zc_copy on this lane. Nothing is allocated from here to its return. */
int zc_lane_run(struct lane *lane, struct zc_leg *leg, const enum zc_route_kind *order, unsigned count,
                uint64_t moved[ZC_ROUTE_COUNT]);
/* Closes engine, pool and pipe; buffers that were not given back are counted into the report. */
void lane_close(struct lane *lane);

#endif
