/*
 * split.c: two threads with a part of the file each. A cached file costs its bytes twice through the CPU, out
 * of one file's cache and into the other's; only the second is under a lock, that of the written file.
 *
 *   cursor -> part -> zc_lane_run (pread, pwrite, ...) -> cursor ...      on each thread, with a kit of its
 * own
 *
 * Invariants: parts are handed out in order, and none after one came to an end (the source's, an error, a
 * stop), while those in hand are finished. So all below the lowest such end is copied: what two threads
 * find is what one would have found. Ends of a copy belong to one lane: each thread works on copies of them.
 */
#include "split.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>

/* Long enough that the cursor costs nothing, short enough that both threads end together. */
#define PART_BYTES (4 * ZC_MIB)

/* What the threads share while a span is on its way. */
struct work {
	const struct zc_leg *leg;
	uint64_t end_bytes;
	_Atomic uint64_t cursor_bytes; /* handed out up to here                    */
	atomic_bool ended;             /* somebody came to an end: hand out no more */
};

/* What one thread has done. */
struct part {
	uint64_t done_bytes;
	uint64_t end_bytes; /* where it came to an end; ZC_SIZE_UNKNOWN: nowhere                   */
	struct zc_err err;  /* code 0: it was the source's end                                    */
};

struct split {
	pthread_mutex_t lock;
	pthread_cond_t turn; /* work was handed over or is done, or closing */
	struct work *work;   /* the second thread's; NULL: none             */
	bool closing;
	pthread_t thread;
	/* the second thread's while it has work */
	struct lane mate;
	struct zc_report report;
	struct part part;
};

static void split_part(struct lane *lane, struct work *work, struct part *part)
{
	static const enum zc_route_kind buffer = ZC_ROUTE_BUFFER;
	struct zc_end src = *work->leg->src;
	struct zc_end dst = *work->leg->dst;
	uint64_t moved[ZC_ROUTE_COUNT] = { 0 }; /* the parts' sum is counted, once it is known */

	*part = (struct part){ .end_bytes = ZC_SIZE_UNKNOWN };
	while (!atomic_load(&work->ended)) {
		uint64_t at = atomic_fetch_add(&work->cursor_bytes, PART_BYTES);
		struct zc_leg leg = { .src = &src, .dst = &dst };
		int res;

		if (at >= work->end_bytes) {
			return;
		}
		leg.span = (struct zc_span){ .kind = ZC_SPAN_DATA,
			                     .off_bytes = at,
			                     .len_bytes = zc_min_u64(PART_BYTES, work->end_bytes - at) };
		res = zc_lane_run(lane, &leg, &buffer, 1, moved);
		part->done_bytes += leg.done_bytes;
		if (res < 0 || leg.eof) {
			atomic_store(&work->ended, true);
			part->err = leg.err;
			part->end_bytes = res < 0 ? leg.err.off_bytes : at + leg.done_bytes;
			return;
		}
	}
}

/* ---- the second thread */

static void *split_main(void *arg)
{
	struct split *split = arg;

	pthread_mutex_lock(&split->lock);
	for (;;) {
		while (split->work == NULL && !split->closing) {
			pthread_cond_wait(&split->turn, &split->lock);
		}
		if (split->work == NULL) {
			break;
		}
		pthread_mutex_unlock(&split->lock);
		split_part(&split->mate, split->work, &split->part);
		pthread_mutex_lock(&split->lock);
		split->work = NULL;
		pthread_cond_signal(&split->turn);
	}
	pthread_mutex_unlock(&split->lock);
	return NULL;
}

/* Signals are for the thread that runs the job: this one sees the stop flag between two blocks. */
static int split_start(struct split *split)
{
	sigset_t all;
	sigset_t before;
	int res;

	pthread_mutex_init(&split->lock, NULL);
	pthread_cond_init(&split->turn, NULL);
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	res = -pthread_create(&split->thread, NULL, split_main, split);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	if (res < 0) {
		pthread_cond_destroy(&split->turn);
		pthread_mutex_destroy(&split->lock);
	}
	return res;
}

static int split_new(struct lane *lane, const char **ret_op)
{
	struct split *split = calloc(1, sizeof(*split));
	int res;

	*ret_op = "malloc";
	if (split == NULL) {
		return -ENOMEM;
	}
	lane_init(&split->mate, lane->kit.progress, &split->report);
	*ret_op = "pthread_create";
	res = split_start(split);
	if (res < 0) {
		free(split);
		return res;
	}
	lane->split = split;
	return 0;
}

bool split_open(struct lane *lane, const struct lane_cfg *cfg)
{
	const char *op = "";
	int res = 0;

	if (lane->alone) {
		return false;
	}
	if (lane->split == NULL) {
		res = split_new(lane, &op);
	}
	if (res == 0) {
		res = lane_open(&lane->split->mate, cfg, &op);
	}
	if (res < 0) {
		lane->alone = true;
		zc_fallback_add(lane->kit.fallbacks, "two threads", "one", op, res);
	}
	return res == 0;
}

void split_close(struct lane *lane)
{
	struct split *split = lane->split;

	if (split == NULL) {
		return;
	}
	pthread_mutex_lock(&split->lock);
	split->closing = true;
	pthread_cond_signal(&split->turn);
	pthread_mutex_unlock(&split->lock);
	pthread_join(split->thread, NULL);
	lane_close(&split->mate);
	lane->report->leaked_buffers += split->report.leaked_buffers;
	pthread_cond_destroy(&split->turn);
	pthread_mutex_destroy(&split->lock);
	free(split);
	lane->split = NULL;
}

/* ---- a span */

/* Both threads' results as one: the lower end is the one that counts. What a source that shrank meanwhile
 * had behind it is not counted, and cut off with the result. */
static int split_join(struct zc_leg *leg, const struct part *parts[SPLIT_LANES])
{
	const struct part *first = parts[0]->end_bytes <= parts[1]->end_bytes ? parts[0] : parts[1];

	leg->done_bytes = parts[0]->done_bytes + parts[1]->done_bytes;
	if (first->end_bytes == ZC_SIZE_UNKNOWN) {
		return 0;
	}
	if (first->err.code < 0) {
		leg->err = first->err;
		return first->err.code;
	}
	leg->eof = true;
	leg->done_bytes = first->end_bytes - leg->span.off_bytes;
	return 0;
}

int split_run(struct lane *lane, struct zc_leg *leg, uint64_t moved[ZC_ROUTE_COUNT])
{
	struct split *split = lane->split;
	struct work work = {
		.leg = leg,
		.end_bytes = leg->span.off_bytes + leg->span.len_bytes,
		.cursor_bytes = leg->span.off_bytes,
	};
	struct part part;
	int res;

	zc_assert(leg->done_bytes == 0 && leg->sparse_bytes == 0 && !leg->src->direct && !leg->dst->direct);
	split->mate.kit.progress = lane->kit.progress;
	split->mate.kit.probe = lane->kit.probe;
	pthread_mutex_lock(&split->lock);
	split->work = &work;
	pthread_cond_signal(&split->turn);
	pthread_mutex_unlock(&split->lock);
	split_part(lane, &work, &part);
	pthread_mutex_lock(&split->lock);
	while (split->work != NULL) {
		pthread_cond_wait(&split->turn, &split->lock);
	}
	pthread_mutex_unlock(&split->lock);
	res = split_join(leg, (const struct part *[]){ &part, &split->part });
	moved[ZC_ROUTE_BUFFER] += leg->done_bytes;
	return res;
}
