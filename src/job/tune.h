/*
 * tune.h: which block size, queue depth and number of lanes suit two devices, found out while they copy.
 * Private to job/. Pure: no clock and no I/O, whoever copies says how many bytes are done and what time it
 * is.
 *
 * It begins at a point that is known to do well and leaves it only for one that was seen to be faster: block
 * size, depth, lanes are doubled while that helps, in this order, then made smaller. A move is tried between
 * two looks at what it shall replace (A/B/A) and kept when it gained more than 3 % and more than those two
 * differ; a gain that is not obvious has to show twice. After 250 ms or 1 % of the bytes, whichever is later,
 * or when no move is left, the best point stays.
 * What trying may cost is counted: never more than 2 % of the time the whole takes without.
 */
#ifndef ZC_JOB_TUNE_H
#define ZC_JOB_TUNE_H

#include "zcopy/base.h"

/* What is less is copied at the point it begins with: it is over before anything could be learned, and the
 * pool for it would be a hundredth of its time. */
#define TUNE_BYTES_MIN (256 * ZC_MIB)

enum tune_knob {
	TUNE_BLOCK, /* bytes of a request                         */
	TUNE_DEPTH, /* buffers of a lane, all of them in flight   */
	TUNE_LANES,
	TUNE_KNOBS,
};

struct tune_point {
	uint32_t at[TUNE_KNOBS];
};

struct tune_cfg {
	struct tune_point start; /* kept unless another one is faster; within min and max              */
	struct tune_point min;   /* a knob whose ends are equal is not touched                         */
	struct tune_point max;   /* what is smaller stays a multiple of min                            */
	uint64_t total_bytes;    /* that will be copied                                                */
};

enum tune_verdict {
	TUNE_KEPT,
	TUNE_NO_GAIN, /* not enough of it, or less than the noise     */
	TUNE_WORSE,   /* given up as soon as that was clear           */
	TUNE_CUT_OFF, /* time or what trying may cost was used up     */
};
const char *tune_verdict_name(enum tune_verdict verdict);

/* A move that was tried. Rates are bytes a second; 0: not measured to the end. */
struct tune_try {
	struct tune_point from;
	struct tune_point to;
	double from_rate;
	double to_rate;
	enum tune_verdict verdict;
};

#define TUNE_TRIES_MAX 32

struct tune_window {          /* what is being measured */
	bool settled;         /* what was in flight before has ended */
	uint64_t begin_bytes; /* when the point was changed          */
	uint64_t begin_ns;
	uint64_t until_bytes; /* then what comes next: the first half, the second, the end */
	uint64_t from_bytes;  /* of the half that is being measured  */
	uint64_t from_ns;
	double half_rate; /* of the first half; 0: not yet       */
};

struct tune {
	/* for all to read */
	struct tune_point now;  /* to be used from now on                             */
	struct tune_point best; /* of what was measured; the start until then         */
	bool decided;           /* now stays as it is                                  */
	struct tune_try tries[TUNE_TRIES_MAX];
	unsigned try_count;
	/* tune.c's own */
	struct tune_cfg cfg;
	struct tune_point trial;
	struct tune_window window;
	double a_rates[3]; /* of best, around the trial's windows */
	double b_rates[2];
	unsigned a_count;
	unsigned b_count;
	unsigned move;     /* next of the table                   */
	unsigned grown;    /* bits: knobs that were doubled with success in this round      */
	bool tied;         /* the last step was no worse: a shorter one may be better        */
	bool flat;         /* more in flight was no worse: less will be no better           */
	bool kept;         /* something in this round, so that there will be another         */
	double loss_ns;    /* what trying has cost so far         */
	uint64_t start_ns; /* 0: not begun                        */
};

void tune_init(struct tune *tune, const struct tune_cfg *cfg);
/* Another file between the same devices, bytes long: adds to the total. Bytes and time go on counting. */
void tune_add(struct tune *tune, uint64_t bytes);
/* done_bytes have arrived at now_ns (> 0), both since the first call and never less than before. true: now
 * has changed, for requests that are still to be made. */
bool tune_step(struct tune *tune, uint64_t done_bytes, uint64_t now_ns);
/* Nothing was in flight just before, for whatever reason: what is being measured starts over. */
void tune_restart(struct tune *tune, uint64_t done_bytes);
/* Decides now, for the best point so far. */
void tune_stop(struct tune *tune);
uint64_t tune_flight_bytes(const struct tune_point *point);

#endif
