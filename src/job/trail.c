/*
 * trail.c: the thread behind a copy.
 *
 *   copy: [0, a) [a, b) [b, c) ...    each given here when the kernel has accepted all of it
 *   trail:   fdatasync, journal | fdatasync, journal | ...
 *
 * An fdatasync covers everything that was written before it began, so several pieces that wait become one.
 * An error of it is final and is never asked again: the kernel tells it once.
 */
#include "trail.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <unistd.h>

/* A piece shall take about so long, so that a slow disk loses no more time than a fast one. */
#define PIECE_NS_MIN (500ull * 1000 * 1000)
#define PIECE_NS_MAX (2000ull * 1000 * 1000)
/* Aligned for O_DIRECT anywhere, and not worth less. */
#define PIECE_BYTES_MIN   (4 * ZC_MIB)
#define PIECE_BYTES_FIRST (8 * ZC_MIB)

struct trail {
	int fd;
	struct journal *journal;
	struct zc_progress *progress;
	uint64_t piece_bytes;
	uint64_t piece_ns; /* when the last one began       */
	pthread_mutex_t lock;
	pthread_cond_t turn;  /* something was given, is done, or is not wanted any more */
	uint64_t given_bytes; /* all up to here is written     */
	unsigned waiting;     /* pieces of it not yet begun    */
	unsigned busy;        /* pieces at hand                */
	bool ending;
	bool alone; /* there is no thread            */
	pthread_t thread;
	struct trail_result result;
};

/* Called with the lock held, and gives it away meanwhile. */
static void trail_work(struct trail *trail)
{
	uint64_t end_bytes = trail->given_bytes;
	struct trail_result result = trail->result;
	uint64_t from_ns;

	trail->busy = trail->waiting;
	trail->waiting = 0;
	pthread_mutex_unlock(&trail->lock);
	from_ns = zc_now_ns();
	result.code = fdatasync(trail->fd) < 0 ? -errno : 0;
	result.durable_ns += zc_now_ns() - from_ns;
	if (result.code == 0) {
		atomic_fetch_add_explicit(&trail->progress->durable, end_bytes - result.durable_bytes,
		                          memory_order_relaxed);
		result.durable_bytes = end_bytes;
		result.journal_code =
		    result.journal_code == 0 ? journal_add(trail->journal, end_bytes) : result.journal_code;
	}
	pthread_mutex_lock(&trail->lock);
	trail->result = result;
	trail->busy = 0;
	pthread_cond_signal(&trail->turn);
}

static void *trail_main(void *arg)
{
	struct trail *trail = arg;

	pthread_mutex_lock(&trail->lock);
	for (;;) {
		if (trail->waiting > 0 && trail->result.code == 0) {
			trail_work(trail);
		} else if (!trail->ending) {
			pthread_cond_wait(&trail->turn, &trail->lock);
		} else {
			break;
		}
	}
	pthread_mutex_unlock(&trail->lock);
	return NULL;
}

int trail_open(struct trail **ret_trail, int fd, struct journal *journal, struct zc_progress *progress,
               uint64_t from_bytes)
{
	struct trail *trail = calloc(1, sizeof(*trail));
	sigset_t all;
	sigset_t before;

	if (trail == NULL) {
		return -ENOMEM;
	}
	trail->fd = fd;
	trail->journal = journal;
	trail->progress = progress;
	trail->piece_bytes = PIECE_BYTES_FIRST;
	trail->given_bytes = trail->result.durable_bytes = from_bytes;
	pthread_mutex_init(&trail->lock, NULL);
	pthread_cond_init(&trail->turn, NULL);
	sigfillset(&all); /* signals are for the thread that copies */
	pthread_sigmask(SIG_SETMASK, &all, &before);
	trail->alone = pthread_create(&trail->thread, NULL, trail_main, trail) != 0;
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	*ret_trail = trail;
	return 0;
}

uint64_t trail_next(struct trail *trail, uint64_t at_bytes)
{
	uint64_t now_ns = zc_now_ns();
	uint64_t took_ns = now_ns - trail->piece_ns;

	if (trail->piece_ns != 0 && took_ns > PIECE_NS_MAX) {
		trail->piece_bytes = zc_max_u64(trail->piece_bytes / 2, PIECE_BYTES_MIN);
	} else if (trail->piece_ns != 0 && took_ns < PIECE_NS_MIN) {
		trail->piece_bytes = zc_min_u64(trail->piece_bytes * 2, TRAIL_BYTES_MAX);
	}
	trail->piece_ns = now_ns;
	return zc_align_down(at_bytes, PIECE_BYTES_MIN) + trail->piece_bytes;
}

int trail_add(struct trail *trail, uint64_t end_bytes)
{
	int res;

	pthread_mutex_lock(&trail->lock);
	while (!trail->alone && trail->waiting + trail->busy >= TRAIL_PIECES && trail->result.code == 0) {
		pthread_cond_wait(&trail->turn, &trail->lock);
	}
	trail->given_bytes = end_bytes;
	trail->waiting++;
	if (trail->alone && trail->result.code == 0) {
		trail_work(trail);
	}
	res = trail->result.code;
	pthread_cond_signal(&trail->turn);
	pthread_mutex_unlock(&trail->lock);
	return res;
}

struct trail_result trail_end(struct trail *trail, bool all)
{
	struct trail_result result;

	pthread_mutex_lock(&trail->lock);
	trail->ending = true;
	trail->waiting = all ? trail->waiting : 0;
	pthread_cond_signal(&trail->turn);
	pthread_mutex_unlock(&trail->lock);
	if (!trail->alone) {
		pthread_join(trail->thread, NULL);
	}
	result = trail->result;
	pthread_cond_destroy(&trail->turn);
	pthread_mutex_destroy(&trail->lock);
	free(trail);
	return result;
}
