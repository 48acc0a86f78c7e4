/*
 * sync.c: requests performed by plain system calls: the twin of uring.c wherever there is no ring.
 * Helper threads make reads and writes overlap; with none, submit performs the request itself.
 *
 *      submit -> queue -> worker (zc_req_perform, no lock held) -> done -> reap
 *
 * Invariants: the lock guards both lists and every worker's req; a request is on one list, or in one
 * worker's hands. A request and its memory are touched by its holder only.
 *
 * Stopping: a worker may sleep in read() of an empty pipe. After zc_stopped() reap cancels what is still
 * queued and interrupts busy workers with a signal, again and again, for one may come just before
 * the worker falls asleep. The signal is SIGURG, which no one else needs here and which is ignored by
 * default; workers block all other signals, so that they reach the threads meant to see them.
 */
#include "zcopy/engine.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <time.h>

#include "req.h"
#include "zcopy/base.h"
#include "zcopy/mem.h"

#define WAKE_SIGNAL SIGURG

enum {
	LOOK_MS = 50, /* a signal does not end a wait for a condition: look at zc_stopped() so often */
	KICK_MS = 20,
};

struct worker {
	struct sync_engine *sync;
	struct zc_req *req; /* in hand, or NULL */
	pthread_t thread;
};

struct sync_engine {
	struct zc_engine base;
	int node;
	pthread_mutex_t lock;
	pthread_cond_t work;  /* the queue has grown, or closing */
	pthread_cond_t ready; /* done has reached wanted         */
	struct zc_req_list queue;
	struct zc_req_list done;
	unsigned idle;   /* workers that wait for work                  */
	unsigned wanted; /* what reap waits for; 0 = nobody is waiting  */
	bool closing;
	unsigned thread_count;
	struct worker workers[];
};

static void wake_handler(int signal_number)
{
	(void)signal_number; /* its arrival ends the system call; that is all */
}

static void perform(struct zc_req *req)
{
	if (zc_stopped()) {
		req->err = -ECANCELED;
	} else {
		zc_req_perform(req);
	}
}

/* Waits for a request; NULL: closing. The lock is held. */
static struct zc_req *worker_next(struct sync_engine *sync)
{
	while (!sync->queue.head && !sync->closing) {
		sync->idle++;
		pthread_cond_wait(&sync->work, &sync->lock);
		sync->idle--;
	}
	return zc_req_pop(&sync->queue);
}

static void *worker_main(void *arg)
{
	struct worker *worker = arg;
	struct sync_engine *sync = worker->sync;
	struct zc_req *req;

	if (sync->node != ZC_NODE_ANY) {
		(void)zc_topo_run_on(sync->node); /* elsewhere it is slower, not wrong */
	}
	pthread_mutex_lock(&sync->lock);
	while ((req = worker_next(sync))) {
		worker->req = req;
		pthread_mutex_unlock(&sync->lock);
		perform(req);
		pthread_mutex_lock(&sync->lock);
		worker->req = NULL;
		zc_req_push(&sync->done, req);
		if (sync->wanted != 0 && sync->done.count >= sync->wanted) {
			pthread_cond_signal(&sync->ready);
		}
	}
	pthread_mutex_unlock(&sync->lock);
	return NULL;
}

/* The lock is held. */
static void cancel(struct sync_engine *sync)
{
	struct zc_req *req;
	unsigned i;

	while ((req = zc_req_pop(&sync->queue))) {
		req->err = -ECANCELED;
		zc_req_push(&sync->done, req);
	}
	for (i = 0; i < sync->thread_count; i++) {
		if (sync->workers[i].req) {
			pthread_kill(sync->workers[i].thread, WAKE_SIGNAL);
		}
	}
}

/* The lock is held. */
static void wait_ready(struct sync_engine *sync, unsigned wait_ms)
{
	struct timespec until;

	clock_gettime(CLOCK_MONOTONIC, &until);
	until.tv_nsec += (long)wait_ms * 1000000;
	if (until.tv_nsec >= 1000000000) {
		until.tv_nsec -= 1000000000;
		until.tv_sec++;
	}
	pthread_cond_timedwait(&sync->ready, &sync->lock, &until);
}

static void sync_submit(struct zc_engine *engine, struct zc_req *const *reqs, unsigned count)
{
	struct sync_engine *sync = (struct sync_engine *)engine;
	unsigned wake;
	unsigned i;

	if (sync->thread_count == 0) {
		for (i = 0; i < count; i++) {
			perform(reqs[i]);
			zc_req_push(&sync->done, reqs[i]);
		}
		return;
	}
	pthread_mutex_lock(&sync->lock);
	for (i = 0; i < count; i++) {
		zc_req_push(&sync->queue, reqs[i]);
	}
	wake = count < sync->idle ? count : sync->idle;
	for (i = 0; i < wake; i++) {
		pthread_cond_signal(&sync->work);
	}
	pthread_mutex_unlock(&sync->lock);
}

static unsigned sync_reap(struct zc_engine *engine, struct zc_req **ret_done, unsigned max, unsigned wait_min)
{
	struct sync_engine *sync = (struct sync_engine *)engine;
	unsigned count;

	pthread_mutex_lock(&sync->lock);
	sync->wanted = wait_min;
	while (sync->done.count < wait_min) {
		if (zc_stopped()) {
			cancel(sync);
		}
		if (sync->done.count < wait_min) {
			wait_ready(sync, zc_stopped() ? KICK_MS : LOOK_MS);
		}
	}
	sync->wanted = 0;
	count = zc_req_pop_many(&sync->done, ret_done, max);
	pthread_mutex_unlock(&sync->lock);
	return count;
}

static void sync_facts(const struct zc_engine *engine, struct zc_engine_facts *ret_facts)
{
	const struct sync_engine *sync = (const struct sync_engine *)engine;

	*ret_facts = (struct zc_engine_facts){
		.name = engine->ops->name,
		.setup = sync->thread_count ? "threads" : "inline",
		.depth = engine->depth,
		.thread_count = sync->thread_count,
	};
}

static void sync_close(struct zc_engine *engine)
{
	struct sync_engine *sync = (struct sync_engine *)engine;
	unsigned i;

	pthread_mutex_lock(&sync->lock);
	sync->closing = true;
	pthread_cond_broadcast(&sync->work);
	pthread_mutex_unlock(&sync->lock);
	for (i = 0; i < sync->thread_count; i++) {
		pthread_join(sync->workers[i].thread, NULL);
	}
	pthread_cond_destroy(&sync->ready);
	pthread_cond_destroy(&sync->work);
	pthread_mutex_destroy(&sync->lock);
	free(sync);
}

/* As many of count as can be had, even none; 0, or why there are fewer. */
static int start_workers(struct sync_engine *sync, unsigned count)
{
	struct sigaction action = { .sa_handler = wake_handler }; /* no SA_RESTART: it must interrupt */
	sigset_t blocked;
	sigset_t before;
	int code = 0;

	sigaction(WAKE_SIGNAL, &action, NULL);
	sigfillset(&blocked);
	sigdelset(&blocked, WAKE_SIGNAL);
	pthread_sigmask(SIG_SETMASK, &blocked, &before);
	while (sync->thread_count < count && code == 0) {
		struct worker *worker = &sync->workers[sync->thread_count];

		worker->sync = sync;
		code = -pthread_create(&worker->thread, NULL, worker_main, worker);
		if (code == 0) {
			sync->thread_count++;
		}
	}
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	return code;
}

static void init_locks(struct sync_engine *sync)
{
	pthread_condattr_t attr;

	pthread_mutex_init(&sync->lock, NULL);
	pthread_cond_init(&sync->work, NULL);
	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	pthread_cond_init(&sync->ready, &attr);
	pthread_condattr_destroy(&attr);
}

static int sync_open(struct zc_engine **ret_engine, const struct zc_engine_cfg *cfg)
{
	unsigned thread_count = cfg->thread_count < cfg->depth ? cfg->thread_count : cfg->depth;
	struct sync_engine *sync = calloc(1, sizeof(*sync) + thread_count * sizeof(sync->workers[0]));
	int code = 0;

	if (!sync) {
		return -ENOMEM;
	}
	sync->base.ops = &zc_engine_sync;
	sync->base.depth = cfg->depth;
	sync->node = cfg->node;
	init_locks(sync);
	if (thread_count != 0) {
		code = start_workers(sync, thread_count);
	}
	if (code != 0 && cfg->fallbacks) {
		zc_fallback_add(cfg->fallbacks, "threads", sync->thread_count ? "fewer threads" : "inline",
		                "pthread_create", code);
	}
	*ret_engine = &sync->base;
	return 0;
}

const struct zc_engine_ops zc_engine_sync = {
	.name = "sync",
	.open = sync_open,
	.submit = sync_submit,
	.reap = sync_reap,
	.facts = sync_facts,
	.close = sync_close,
};
