/*
 * req.c: how one request advances, from attempt to attempt, until it is done.
 *
 * Invariants: done_bytes counts what the kernel said it moved, never what it was asked to move. No
 * result makes a request repeat for ever without either progress, a wait for readiness or a sleep.
 */
#include "req.h"

#include <errno.h>
#include <poll.h>
#include <time.h>
#include <unistd.h>

#include "zcopy/base.h"

enum {
	TRIES_MAX = 8,          /* refusals in a row of a descriptor that has no readiness */
	BACKOFF_NS = 50 * 1000, /* doubled with each refusal                               */
	BACKOFF_SHIFT_MAX = 7,
	POLL_MS = 250, /* a signal may come just before poll(): look again for zc_stopped() */
};

static bool is_stream(const struct zc_req *req)
{
	return req->off_bytes == ZC_OFF_STREAM;
}

static enum zc_step step_moved(struct zc_req *req, uint64_t moved_bytes)
{
	if (req->op == ZC_OP_NOP) {
		return ZC_STEP_DONE;
	}
	zc_verify(moved_bytes <= zc_req_rest(req));
	req->done_bytes += (uint32_t)moved_bytes;
	req->tries = 0;
	if (req->done_bytes == req->len_bytes) {
		return ZC_STEP_DONE;
	}
	if (req->op == ZC_OP_WRITE && moved_bytes == 0) {
		req->err = -EIO; /* accepted nothing, said nothing: asking again could go on for ever */
		return ZC_STEP_DONE;
	}
	if (req->op == ZC_OP_READ && (moved_bytes == 0 || !(req->flags & ZC_REQ_FULL))) {
		return ZC_STEP_DONE;
	}
	return ZC_STEP_AGAIN;
}

static enum zc_step step_refused(struct zc_req *req, int code)
{
	switch (code) {
	case -EINTR:
		return ZC_STEP_AGAIN;
	case -EAGAIN:
		if (is_stream(req)) {
			/* Ready and refused again: others share it, or it does not know. Then not at once. */
			req->tries++;
			return req->tries % 2 != 0 ? ZC_STEP_POLL : ZC_STEP_BACKOFF;
		}
		break;
	case -ENOMEM:
		break;
	default:
		req->err = code;
		return ZC_STEP_DONE;
	}
	/* Regular files answer so on some kernels although they are blocking (XFS, zram, ZFS). */
	req->tries++;
	if (req->tries <= TRIES_MAX) {
		return ZC_STEP_BACKOFF;
	}
	req->err = code;
	return ZC_STEP_TIRED;
}

enum zc_step zc_req_step(struct zc_req *req, int64_t result)
{
	enum zc_step step = result >= 0 ? step_moved(req, (uint64_t)result) : step_refused(req, (int)result);

	if (step != ZC_STEP_DONE && zc_stopped()) {
		req->err = -ECANCELED;
		return ZC_STEP_DONE;
	}
	return step;
}

void zc_req_backoff(const struct zc_req *req)
{
	uint64_t shift = zc_min_u64(req->tries, BACKOFF_SHIFT_MAX);
	struct timespec nap = { .tv_nsec = BACKOFF_NS << shift };

	nanosleep(&nap, NULL);
}

static int64_t attempt(const struct zc_req *req)
{
	uint8_t *mem = req->mem + req->done_bytes;
	size_t len_bytes = zc_req_rest(req);
	ssize_t result = 0;

	if (req->op == ZC_OP_READ) {
		result = is_stream(req) ? read(req->fd, mem, len_bytes)
		                        : pread(req->fd, mem, len_bytes, (off_t)zc_req_off(req));
	} else if (req->op == ZC_OP_WRITE) {
		result = is_stream(req) ? write(req->fd, mem, len_bytes)
		                        : pwrite(req->fd, mem, len_bytes, (off_t)zc_req_off(req));
	}
	return result < 0 ? -errno : result;
}

/* What poll() finds wrong, the next attempt will say better. */
static void wait_ready(const struct zc_req *req)
{
	struct pollfd pollfd = { .fd = req->fd, .events = req->op == ZC_OP_READ ? POLLIN : POLLOUT };
	int ready;

	do {
		ready = poll(&pollfd, 1, POLL_MS);
	} while ((ready == 0 || (ready < 0 && errno == EINTR)) && !zc_stopped());
}

void zc_req_perform(struct zc_req *req)
{
	for (;;) {
		switch (zc_req_step(req, attempt(req))) {
		case ZC_STEP_DONE:
		case ZC_STEP_TIRED:
			return;
		case ZC_STEP_AGAIN:
			break;
		case ZC_STEP_POLL:
			wait_ready(req);
			break;
		case ZC_STEP_BACKOFF:
			zc_req_backoff(req);
			break;
		}
	}
}

void zc_req_push(struct zc_req_list *list, struct zc_req *req)
{
	req->next = NULL;
	if (list->head) {
		list->tail->next = req;
	} else {
		list->head = req;
	}
	list->tail = req;
	list->count++;
}

struct zc_req *zc_req_pop(struct zc_req_list *list)
{
	struct zc_req *req = list->head;

	if (req) {
		list->head = req->next;
		list->count--;
		req->next = NULL;
	}
	return req;
}

unsigned zc_req_pop_many(struct zc_req_list *list, struct zc_req **ret_reqs, unsigned max)
{
	unsigned count = 0;

	while (count < max && list->head) {
		ret_reqs[count++] = zc_req_pop(list);
	}
	return count;
}
