/*
 * peer.h: TCP ends in a run: who is called or waited for, what is said about it, and the watch over a peer
 * that stands still (--io-timeout). Private to job/.
 */
#ifndef ZC_JOB_PEER_H
#define ZC_JOB_PEER_H

#include "item.h"

/* TCP ends of a run before they are an item's, by enum zc_dir. */
struct peers {
	int listen_fd[2];        /* -1: that end does not listen                           */
	struct zc_end called[2]; /* ops NULL: nobody has been called yet                   */
};

bool peer_is(const struct zc_uri *uri);
void peers_init(struct peers *peers);
/* Listens where the ends of cfg say so, before anything else is done; with a sandbox, which keeps from making
 * connections, also calls whom they say. What a caller has to know is said. 0, or negative and said. */
int peers_open(struct peers *peers, const struct zc_job_cfg *cfg, struct zc_report *report);
bool peers_listening(const struct peers *peers);
void peers_close(struct peers *peers);

/* Connects, or waits for the peer that connects: item->src or item->dst. 0, or negative and said. */
int peer_open(struct item *item, enum zc_dir dir);
/* All was written: until the peer has it. 0, or negative and said. */
int peer_finish(struct item *item);

struct peer_watch;
/* From here on a peer that neither gives nor takes a byte for --io-timeout is given up. NULL: there is
 * nothing to watch, or no thread for it. */
struct peer_watch *peer_watch_begin(struct item *item);
/* Whether it gave up somebody; any thread may ask. NULL is fine. */
bool peer_watch_fired(const struct peer_watch *watch);
/* Ends the watch. 0, or -ETIMEDOUT when it gave up somebody, which is said. NULL is fine. */
int peer_watch_end(struct item *item, struct peer_watch *watch);

#endif
