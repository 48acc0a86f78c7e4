/*
 * req: the rules by which one request advances. Both engines follow them, so that the same request
 * gives the same result whoever performs it.
 */
#ifndef ZC_ENGINE_REQ_H
#define ZC_ENGINE_REQ_H

#include <stdint.h>

#include "zcopy/engine.h"

enum zc_step {
	ZC_STEP_DONE,    /* the result stands in the request                               */
	ZC_STEP_AGAIN,   /* issue the rest now                                             */
	ZC_STEP_POLL,    /* wait until the descriptor is ready, then issue the rest        */
	ZC_STEP_BACKOFF, /* zc_req_backoff(), then issue the rest                          */
	ZC_STEP_TIRED,   /* refused too often for no reason of its own; err says with what */
};

/* Enters the result of one attempt (bytes or negative errno) and says what is next. After zc_stopped()
 * nothing is next: the request is done, -ECANCELED, with done_bytes exact. */
enum zc_step zc_req_step(struct zc_req *req, int64_t result);
/* Sleeps a little, longer with each refusal, at most 7 ms. */
void zc_req_backoff(const struct zc_req *req);
/* Performs the rest of the request with plain system calls. Blocks; a signal and zc_stopped() end it. */
void zc_req_perform(struct zc_req *req);

static inline uint32_t zc_req_rest(const struct zc_req *req)
{
	return req->len_bytes - req->done_bytes;
}

/* Where the next attempt goes in the file; streams have no such place. */
static inline uint64_t zc_req_off(const struct zc_req *req)
{
	return req->off_bytes == ZC_OFF_STREAM ? ZC_OFF_STREAM : req->off_bytes + req->done_bytes;
}

/* Requests are handed on in lists of their own. */
struct zc_req_list {
	struct zc_req *head;
	struct zc_req *tail;
	unsigned count;
};

void zc_req_push(struct zc_req_list *list, struct zc_req *req);
/* NULL = empty. */
struct zc_req *zc_req_pop(struct zc_req_list *list);
/* Moves at most max requests into ret_reqs; returns their number. */
unsigned zc_req_pop_many(struct zc_req_list *list, struct zc_req **ret_reqs, unsigned max);

#endif
