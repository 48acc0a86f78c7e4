/*
 * peer.c: TCP ends in a run.
 *
 * Who listens does so first of all, before a file is opened, so that a peer may be started as soon as the
 * line that names the port is there. A peer that is lost, or cannot be reached, is status 6.
 *
 * The watch is a thread that looks at what the kernel has counted for the connection; a copy by any route is
 * asleep in the kernel then. It ends the connection, which wakes the copy up.
 */
#include "peer.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "stuck.h"

enum {
	LOOK_MS = 50,
};

bool peer_is(const struct zc_uri *uri)
{
	return uri->kind == ZC_END_TCP || uri->kind == ZC_END_TCP_LISTEN;
}

/* ---- those of a run */

void peers_init(struct peers *peers)
{
	*peers = (struct peers){ .listen_fd = { -1, -1 } };
}

static int peers_open_at(struct peers *peers, const struct zc_job_cfg *cfg, const char *text, enum zc_dir dir,
                         struct zc_report *report)
{
	struct zc_err err = { .side = dir == ZC_DIR_SRC ? ZC_SIDE_SRC : ZC_SIDE_DST,
		              .op = "bind",
		              .off_bytes = ZC_OFF_NONE };
	const char *why = NULL;
	char name[ZC_TCP_NAME_BYTES];
	struct zc_uri uri;

	if (zc_uri_parse(&uri, text, dir, &why) < 0) {
		return 0;
	}
	if (uri.kind == ZC_END_TCP && cfg->sandbox != ZC_SANDBOX_OFF) {
		err.op = "connect";
		err.code = zc_tcp_connect(&peers->called[dir], &uri, dir, cfg->io_timeout_ns, &why);
		return err.code < 0 ? report_fail(report, ZC_STATUS_PEER, text, &err, "cannot connect", why)
		                    : 0;
	}
	if (uri.kind != ZC_END_TCP_LISTEN) {
		return 0;
	}
	err.code = zc_tcp_listen(&peers->listen_fd[dir], &uri, &why);
	if (err.code < 0) {
		return report_fail(report, 0, text, &err, "cannot listen", why);
	}
	if (uri.port == 0 || cfg->verbose || cfg->explain) {
		report_say(report, ZC_MSG_ERROR, "listening on %s", zc_tcp_name(name, peers->listen_fd[dir]));
	}
	return 0;
}

int peers_open(struct peers *peers, const struct zc_job_cfg *cfg, struct zc_report *report)
{
	int res;

	if (cfg->gnu_cp || cfg->dry_run || cfg->compare || cfg->files_from != NULL ||
	    cfg->source_count != 1) {
		return 0;
	}
	res = peers_open_at(peers, cfg, cfg->sources[0], ZC_DIR_SRC, report);
	if (res == 0 && !cfg->dest_is_dir) {
		res = peers_open_at(peers, cfg, cfg->dest, ZC_DIR_DST, report);
	}
	return res;
}

bool peers_listening(const struct peers *peers)
{
	return peers->listen_fd[ZC_DIR_SRC] >= 0 || peers->listen_fd[ZC_DIR_DST] >= 0;
}

void peers_close(struct peers *peers)
{
	for (int dir = ZC_DIR_SRC; dir <= ZC_DIR_DST; dir++) {
		if (peers->listen_fd[dir] >= 0) {
			close(peers->listen_fd[dir]);
			peers->listen_fd[dir] = -1;
		}
		(void)zc_end_close(&peers->called[dir]);
	}
}

/* ---- one connection */

/* A host that is not found is told by the resolver, which has its own words for why. */
static int peer_fail(struct item *item, enum zc_dir dir, bool listens, int code, const char *why)
{
	enum zc_side side = dir == ZC_DIR_SRC ? ZC_SIDE_SRC : ZC_SIDE_DST;

	if (why != NULL) {
		return item_fail(item, side, ZC_STATUS_PEER, "getaddrinfo", 0, why, NULL);
	}
	return item_fail(item, side, ZC_STATUS_PEER, listens ? "accept" : "connect", code,
	                 listens ? "nobody connected" : "cannot connect", NULL);
}

int peer_open(struct item *item, enum zc_dir dir)
{
	const struct zc_uri *uri = dir == ZC_DIR_SRC ? &item->src_uri : &item->dst_uri;
	struct zc_end *end = dir == ZC_DIR_SRC ? &item->src : &item->dst;
	bool listens = uri->kind == ZC_END_TCP_LISTEN;
	uint64_t timeout_ns = item->cfg->io_timeout_ns;
	const char *why = NULL;
	int res;

	if (item->peers != NULL && item->peers->called[dir].ops != NULL) {
		*end = item->peers->called[dir];
		item->peers->called[dir].ops = NULL;
		return 0;
	}
	if (listens) {
		zc_verify(item->peers != NULL); /* what is no SOURCE or DEST does not listen */
		res = zc_tcp_accept(end, item->peers->listen_fd[dir], dir, timeout_ns);
	} else {
		stuck_start(); /* a name server that does not answer */
		res = zc_tcp_connect(end, uri, dir, timeout_ns, &why);
	}
	if (res < 0) {
		return peer_fail(item, dir, listens, res, why);
	}
	if (listens) { /* one peer: others are to be refused, not kept waiting */
		close(item->peers->listen_fd[dir]);
		item->peers->listen_fd[dir] = -1;
	}
	return 0;
}

int peer_finish(struct item *item)
{
	int res = zc_tcp_finish(&item->dst, item->cfg->io_timeout_ns);

	return res < 0 ? item_fail(item, ZC_SIDE_DST, ZC_STATUS_PEER, "shutdown", res,
	                           "the peer may not have got all of it", NULL)
	               : 0;
}

/* ---- the watch */

struct peer_watch {
	struct item *item;
	pthread_t thread;
	pthread_mutex_t lock;
	pthread_cond_t ended;
	bool ending;
	atomic_int fired; /* enum zc_side; NONE */
};

/* One peer as it was seen last. */
struct peer_look {
	uint64_t moved;
	uint64_t since_ns;
};

static bool watch_is_over(const struct peer_watch *watch, const struct zc_end *end, enum zc_dir dir,
                          struct peer_look *last)
{
	uint64_t now = zc_now_ns();
	uint64_t moved;
	bool idle;

	if (!(end->shape.caps & ZC_CAP_PEER)) {
		return false;
	}
	moved = zc_tcp_moved(end, dir, &idle);
	if (!idle || moved != last->moved || last->since_ns == 0) {
		*last = (struct peer_look){ .moved = moved, .since_ns = now };
	}
	return now - last->since_ns >= watch->item->cfg->io_timeout_ns;
}

static void *watch_run(void *arg)
{
	struct peer_watch *watch = arg;
	const struct zc_end *ends[2] = { &watch->item->src, &watch->item->dst };
	struct peer_look looks[2] = { 0 };

	pthread_mutex_lock(&watch->lock);
	while (!watch->ending && watch->fired == ZC_SIDE_NONE) {
		struct timespec until;

		for (int dir = ZC_DIR_SRC; dir <= ZC_DIR_DST && watch->fired == ZC_SIDE_NONE; dir++) {
			if (watch_is_over(watch, ends[dir], (enum zc_dir)dir, &looks[dir])) {
				watch->fired = dir == ZC_DIR_SRC ? ZC_SIDE_SRC : ZC_SIDE_DST;
				zc_tcp_abort(ends[dir]);
			}
		}
		clock_gettime(CLOCK_MONOTONIC, &until);
		until.tv_nsec += LOOK_MS * 1000000L;
		if (until.tv_nsec >= 1000000000L) {
			until.tv_nsec -= 1000000000L;
			until.tv_sec++;
		}
		if (!watch->ending) {
			pthread_cond_timedwait(&watch->ended, &watch->lock, &until);
		}
	}
	pthread_mutex_unlock(&watch->lock);
	return NULL;
}

struct peer_watch *peer_watch_begin(struct item *item)
{
	struct peer_watch *watch;
	pthread_condattr_t attr;
	sigset_t all;
	sigset_t old;
	int res;

	if (item->cfg->io_timeout_ns == 0 || !((item->src.shape.caps | item->dst.shape.caps) & ZC_CAP_PEER)) {
		return NULL;
	}
	watch = calloc(1, sizeof(*watch));
	if (watch == NULL) {
		return NULL;
	}
	watch->item = item;
	pthread_mutex_init(&watch->lock, NULL);
	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	pthread_cond_init(&watch->ended, &attr);
	pthread_condattr_destroy(&attr);
	sigfillset(&all);
	pthread_sigmask(SIG_BLOCK, &all, &old);
	res = pthread_create(&watch->thread, NULL, watch_run, watch);
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	if (res != 0) {
		free(watch);
		return NULL;
	}
	return watch;
}

bool peer_watch_fired(const struct peer_watch *watch)
{
	return watch != NULL && watch->fired != ZC_SIDE_NONE;
}

int peer_watch_end(struct item *item, struct peer_watch *watch)
{
	enum zc_side side;

	if (watch == NULL) {
		return 0;
	}
	pthread_mutex_lock(&watch->lock);
	watch->ending = true;
	pthread_cond_signal(&watch->ended);
	pthread_mutex_unlock(&watch->lock);
	pthread_join(watch->thread, NULL);
	side = (enum zc_side)watch->fired;
	pthread_cond_destroy(&watch->ended);
	pthread_mutex_destroy(&watch->lock);
	free(watch);
	return side == ZC_SIDE_NONE
	           ? 0
	           : item_fail(item, side, ZC_STATUS_PEER, side == ZC_SIDE_SRC ? "read" : "write", -ETIMEDOUT,
	                       "no byte went through for --io-timeout", NULL);
}
