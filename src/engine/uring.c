/*
 * uring.c: requests performed by an io_uring, owned by one thread. The only user of liburing.
 *
 *   submit -> slot + SQE --> kernel --> CQE -> zc_req_step -+-> done -> reap
 *                 ^                                         |
 *                 +------- the rest, a poll, a retry -------+
 *
 * Invariants:
 * - A busy slot has exactly one SQE in the kernel (the operation, or a poll before it), or is parked.
 * - A CQE names its slot and the generation that issued it. The generation moves on with each CQE taken,
 *   so a late or doubled CQE is never credited to another request.
 * - The CQ holds twice what can be under way (an operation and a cancel for each slot): it does not
 *   overflow.
 *
 * When the ring itself fails (a CQE that nobody asked for, a result longer than asked, lost CQEs, enter
 * refused) it is poisoned: nothing more is issued, what is under way is cancelled and awaited for
 * DRAIN_NS. A slot that was answered is parked and goes on in the new ring. A slot that was not may
 * still have its memory written by the kernel: its request returns -ENOTRECOVERABLE, its buffer is LOST.
 */
#include "zc_config.h"
#if ZC_HAVE_URING

#include "zcopy/engine.h"

#include <errno.h>
#include <fcntl.h>
#include <liburing.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "req.h"
#include "zcopy/base.h"
#include "zcopy/mem.h"

#define TAG_CANCEL (UINT64_MAX - 1) /* LIBURING_UDATA_TIMEOUT is UINT64_MAX; no slot has such a number */
#define WAIT_NS    (200ull * 1000 * 1000) /* a signal may come just before the wait: look again */
#define CANCEL_NS  (100ull * 1000 * 1000) /* a request may have slipped past its cancel: again */
#define DRAIN_NS   (1000ull * 1000 * 1000)
#define NAP_NS     (1000ull * 1000)

enum {
	FLUSH_TRIES_MAX = 1000, /* naps: about a second of "no resources" */
	REBUILDS_MAX = 8,
	CQE_BATCH = 64,
	TEST_BYTES = 4096,
};

enum slot_state {
	SLOT_FREE,
	SLOT_OP,
	SLOT_POLL,
	SLOT_PARKED, /* to be issued in the next ring */
};

struct slot {
	struct zc_req *req;
	uint32_t generation;
	enum slot_state state;
};

struct uring_engine {
	struct zc_engine base;
	struct io_uring ring;
	bool alive;   /* there is a ring                               */
	int poisoned; /* 0, or why this ring is not to be used further */
	bool registered;
	unsigned rebuilds;
	const char *setup;
	struct zc_pool *pool;
	struct zc_fallbacks *fallbacks;
	unsigned busy;        /* slots not free                         */
	unsigned cancels;     /* cancels not answered                   */
	uint64_t cancel_next; /* when the next round of cancels may go  */
	struct zc_req_list done;
	unsigned free_count;
	uint32_t *free_slots; /* a stack */
	struct slot slots[];
};

static const struct {
	const char *name;
	unsigned flags;
} ladder[] = {
	/* 6.1: completions are worked off when we ask, by the only thread that may ask */
	{ "single_issuer+defer_taskrun", IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN |
	                                     IORING_SETUP_TASKRUN_FLAG | IORING_SETUP_SUBMIT_ALL },
	/* 5.19: no interruption of this thread */
	{ "coop_taskrun", IORING_SETUP_COOP_TASKRUN | IORING_SETUP_TASKRUN_FLAG | IORING_SETUP_SUBMIT_ALL },
	{ "plain", 0 },
};

static void nap(void)
{
	struct timespec time = { .tv_nsec = NAP_NS };

	nanosleep(&time, NULL);
}

static void note(const struct uring_engine *uring, const char *from, const char *to, const char *op, int code)
{
	if (uring->fallbacks) {
		zc_fallback_add(uring->fallbacks, from, to, op, code);
	}
}

static void poison(struct uring_engine *uring, int code)
{
	if (uring->poisoned == 0) {
		uring->poisoned = code;
	}
}

/* ---- opening a ring */

static int ring_init(struct uring_engine *uring)
{
	int code = -EINVAL;
	unsigned i;

	for (i = 0; i < ZC_ARRAY_LEN(ladder) && code == -EINVAL; i++) {
		struct io_uring_params params = {
			.flags = ladder[i].flags | IORING_SETUP_CQSIZE | IORING_SETUP_CLAMP,
			.cq_entries = uring->base.depth * 4,
		};

		memset(&uring->ring, 0, sizeof(uring->ring));
		code = io_uring_queue_init_params(uring->base.depth, &uring->ring, &params);
		uring->setup = ladder[i].name;
	}
	return code;
}

/* The operations used; -EOPNOTSUPP when one is missing. */
static int ring_probe(struct uring_engine *uring)
{
	static const unsigned char needed[] = {
		IORING_OP_NOP,         IORING_OP_READ,     IORING_OP_WRITE,        IORING_OP_READ_FIXED,
		IORING_OP_WRITE_FIXED, IORING_OP_POLL_ADD, IORING_OP_ASYNC_CANCEL,
	};
	union {
		struct io_uring_probe probe;
		uint8_t room[sizeof(struct io_uring_probe) + 256 * sizeof(struct io_uring_probe_op)];
	} answer = { 0 };
	unsigned i;
	int code = io_uring_register_probe(&uring->ring, &answer.probe, 256);

	for (i = 0; i < ZC_ARRAY_LEN(needed) && code == 0; i++) {
		if (!io_uring_opcode_supported(&answer.probe, needed[i])) {
			code = -EOPNOTSUPP;
		}
	}
	return code;
}

/* Issues what was prepared and waits for its result, a while; only while nothing else is under way. 0, or
 * -errno: the request may still be in the ring, which is then not to be used. */
static int run_one(struct io_uring *ring, int *ret_result)
{
	uint64_t until = zc_now_ns() + DRAIN_NS;
	struct io_uring_cqe *cqe;
	bool issued = false;

	for (;;) {
		struct __kernel_timespec timeout = { .tv_nsec = (long long)WAIT_NS };
		int code = issued ? io_uring_wait_cqes(ring, &cqe, 1, &timeout, NULL)
		                  : io_uring_submit_and_wait(ring, 0);

		if (issued && code == 0) {
			break;
		}
		if (code < 0 && code != -EINTR && code != -ETIME) {
			return code;
		}
		issued = issued || code > 0;
		if (zc_stopped() || zc_now_ns() >= until) {
			return zc_stopped() ? -ECANCELED : -ETIME;
		}
	}
	*ret_result = cqe->res;
	io_uring_cqe_seen(ring, cqe);
	return 0;
}

/* Some sandboxes allow the set-up and refuse the rest: one round trip tells. */
static int ring_test(struct uring_engine *uring)
{
	int result;
	int code;

	io_uring_prep_nop(io_uring_get_sqe(&uring->ring));
	code = run_one(&uring->ring, &result);
	return code == 0 ? result : code;
}

/* Sends bytes out of mem into a pipe and looks at them there. *ret_refused: 0, or why registered buffers are
 * of no use. As run_one. Only out of mem: a read that is not answered might still write there when it is
 * free. */
static int fixed_write(struct io_uring *ring, uint8_t *mem, const int pipe_fds[2], int *ret_refused)
{
	uint8_t seen[TEST_BYTES];
	int result = 0;
	int code;

	memset(mem, 0x5a, TEST_BYTES);
	io_uring_prep_write_fixed(io_uring_get_sqe(ring), pipe_fds[1], mem, TEST_BYTES, ZC_OFF_STREAM, 0);
	code = run_one(ring, &result);
	if (code != 0 || result != TEST_BYTES) {
		*ret_refused = result < 0 ? result : -EIO;
		return code;
	}
	if (read(pipe_fds[0], seen, sizeof(seen)) != TEST_BYTES || memcmp(seen, mem, TEST_BYTES) != 0) {
		*ret_refused = -EIO;
	}
	return 0;
}

/* Kernel 6.5 fails registered buffers from the second page on, whichever way the bytes go: what is used is
 * tried first. The pool must be unused yet, for its second page is written to. By a pipe, which is served at
 * once: for a file the kernel calls a thread of its own, and may never hear from it (6.18). As fixed_write.
 */
static int fixed_test(struct uring_engine *uring, const struct zc_region *region, int *ret_refused)
{
	int pipe_fds[2];
	int code;

	*ret_refused = 0;
	if (zc_pool_free_count(uring->pool) != zc_pool_buf_count(uring->pool) ||
	    region->len_bytes < zc_page_bytes() + TEST_BYTES) {
		return 0;
	}
	if (pipe2(pipe_fds, O_CLOEXEC | O_NONBLOCK) < 0) {
		return 0; /* nothing to try it on */
	}
	code = fixed_write(&uring->ring, (uint8_t *)region->mem + zc_page_bytes(), pipe_fds, ret_refused);
	close(pipe_fds[0]);
	close(pipe_fds[1]);
	return code;
}

/* One buffer for the whole pool: the kernel charges whole huge pages per buffer. Refused or not, 0; or
 * -errno: the ring is not to be used. */
static int ring_register(struct uring_engine *uring)
{
	const struct zc_region *region = uring->pool ? zc_pool_region(uring->pool) : NULL;
	struct iovec all;
	int refused;
	int code = 0;

	uring->registered = false;
	if (!region || !region->mem) {
		return 0;
	}
	all = (struct iovec){ .iov_base = region->mem, .iov_len = region->len_bytes };
	refused = io_uring_register_buffers(&uring->ring, &all, 1);
	if (refused == 0) {
		code = fixed_test(uring, region, &refused);
		if (refused != 0) {
			io_uring_unregister_buffers(&uring->ring);
		}
	}
	if (refused == 0) {
		uring->registered = true;
	} else {
		note(uring, "registered buffers", "plain buffers", "io_uring_register", refused);
	}
	return code;
}

static int ring_open(struct uring_engine *uring)
{
	int code = ring_init(uring);

	if (code < 0) {
		return code;
	}
	code = ring_probe(uring);
	if (code == 0) {
		code = ring_test(uring);
	}
	if (code == 0) {
		(void)io_uring_ring_dontfork(&uring->ring); /* a child that maps the ring does not use it */
		code = ring_register(uring);
	}
	if (code < 0) {
		io_uring_queue_exit(&uring->ring);
		return code;
	}
	uring->alive = true;
	uring->poisoned = 0;
	uring->cancels = 0;
	return 0;
}

/* ---- issuing */

/* Gives the prepared SQEs to the kernel. */
static void flush(struct uring_engine *uring)
{
	unsigned tries = 0;

	while (io_uring_sq_ready(&uring->ring) != 0) {
		int code = io_uring_submit(&uring->ring);

		if (code > 0 || code == -EINTR) {
			continue;
		}
		if (code != 0 && code != -EAGAIN && code != -EBUSY && code != -ENOMEM) {
			poison(uring, code);
			return;
		}
		tries++;
		if (tries == FLUSH_TRIES_MAX) {
			poison(uring, -EAGAIN);
			return;
		}
		nap();
	}
}

/* NULL: the ring is poisoned. */
static struct io_uring_sqe *get_sqe(struct uring_engine *uring)
{
	struct io_uring_sqe *sqe = io_uring_get_sqe(&uring->ring);

	if (!sqe) {
		flush(uring);
		sqe = io_uring_get_sqe(&uring->ring);
		if (!sqe) {
			poison(uring, -EBUSY);
		}
	}
	return sqe;
}

static uint64_t slot_tag(const struct uring_engine *uring, const struct slot *slot)
{
	return (uint64_t)slot->generation << 32 | (uint64_t)(slot - uring->slots);
}

/* Streams never take the fixed path: reads of some character devices hang on it. */
static bool is_fixed(const struct uring_engine *uring, const struct zc_req *req)
{
	const struct zc_region *region;
	const uint8_t *base;

	if (!uring->registered || !req->buf || req->off_bytes == ZC_OFF_STREAM) {
		return false;
	}
	region = zc_pool_region(uring->pool);
	base = region->mem;
	return req->mem >= base && req->mem + req->len_bytes <= base + region->len_bytes;
}

static void prep_op(const struct uring_engine *uring, struct io_uring_sqe *sqe, const struct zc_req *req)
{
	uint8_t *mem = req->mem + req->done_bytes;
	uint32_t len_bytes = zc_req_rest(req);
	uint64_t off_bytes = zc_req_off(req); /* streams: all ones, "at the current position" */

	switch (req->op) {
	case ZC_OP_NOP:
		io_uring_prep_nop(sqe);
		break;
	case ZC_OP_READ:
		if (is_fixed(uring, req)) {
			io_uring_prep_read_fixed(sqe, req->fd, mem, len_bytes, off_bytes, 0);
		} else {
			io_uring_prep_read(sqe, req->fd, mem, len_bytes, off_bytes);
		}
		break;
	case ZC_OP_WRITE:
		if (is_fixed(uring, req)) {
			io_uring_prep_write_fixed(sqe, req->fd, mem, len_bytes, off_bytes, 0);
		} else {
			io_uring_prep_write(sqe, req->fd, mem, len_bytes, off_bytes);
		}
		break;
	}
}

/* Issues the rest of the slot's request, or a poll before it; parks it when the ring is poisoned. */
static void slot_issue(struct uring_engine *uring, struct slot *slot, enum slot_state state)
{
	struct io_uring_sqe *sqe = uring->poisoned ? NULL : get_sqe(uring);

	if (!sqe) {
		slot->state = SLOT_PARKED;
		return;
	}
	if (state == SLOT_POLL) {
		io_uring_prep_poll_add(sqe, slot->req->fd, slot->req->op == ZC_OP_READ ? POLLIN : POLLOUT);
	} else {
		prep_op(uring, sqe, slot->req);
	}
	sqe->user_data = slot_tag(uring, slot);
	slot->state = state;
}

static struct slot *slot_take(struct uring_engine *uring, struct zc_req *req)
{
	struct slot *slot;

	zc_verify(uring->free_count > 0);
	uring->free_count--;
	req->slot = uring->free_slots[uring->free_count];
	slot = &uring->slots[req->slot];
	slot->req = req;
	uring->busy++;
	return slot;
}

static void slot_finish(struct uring_engine *uring, struct slot *slot)
{
	zc_req_push(&uring->done, slot->req);
	uring->free_slots[uring->free_count] = slot->req->slot;
	uring->free_count++;
	slot->req = NULL;
	slot->state = SLOT_FREE;
	uring->busy--;
}

/* The kernel may write to its memory at any time from now on. */
static void slot_lose(struct uring_engine *uring, struct slot *slot)
{
	slot->req->err = -ENOTRECOVERABLE;
	if (slot->req->buf) {
		zc_buf_lose(slot->req->buf);
	}
	slot->generation++;
	slot_finish(uring, slot);
}

/* ---- taking results */

/* The ring refuses again and again what it should wait for: the plain system call may wait. Not on
 * streams, where that could be for ever. */
static void slot_tired(struct uring_engine *uring, struct slot *slot)
{
	struct zc_req *req = slot->req;

	if (req->off_bytes != ZC_OFF_STREAM) {
		note(uring, "uring", "sync", req->op == ZC_OP_READ ? "read" : "write", req->err);
		req->err = 0;
		req->tries = 0;
		zc_req_perform(req);
	}
	slot_finish(uring, slot);
}

/* The ring says that the file ends here. FUSE's asynchronous path says so wherever the size it announced
 * ends, also when it announced 0 for a file with bytes: the plain call is asked, as the twin would. */
static void slot_confirm_end(struct uring_engine *uring, struct slot *slot)
{
	zc_req_perform(slot->req);
	slot_finish(uring, slot);
}

static void slot_step(struct uring_engine *uring, struct slot *slot, int result)
{
	const struct zc_req *req = slot->req;

	if (result == 0 && req->op == ZC_OP_READ && req->off_bytes != ZC_OFF_STREAM &&
	    slot->state == SLOT_OP) {
		slot_confirm_end(uring, slot);
		return;
	}
	if (uring->poisoned && result == -ECANCELED && !zc_stopped()) {
		slot->state = SLOT_PARKED; /* our own cancel, to get it out of the old ring */
		return;
	}
	switch (zc_req_step(slot->req, result)) {
	case ZC_STEP_DONE:
		slot_finish(uring, slot);
		break;
	case ZC_STEP_AGAIN:
		slot_issue(uring, slot, SLOT_OP);
		break;
	case ZC_STEP_POLL:
		slot_issue(uring, slot, SLOT_POLL);
		break;
	case ZC_STEP_BACKOFF:
		zc_req_backoff(slot->req);
		slot_issue(uring, slot, SLOT_OP);
		break;
	case ZC_STEP_TIRED:
		slot_tired(uring, slot);
		break;
	}
}

static void take_cqe(struct uring_engine *uring, uint64_t tag, int result)
{
	uint32_t index = (uint32_t)tag;
	struct slot *slot;

	if (tag == LIBURING_UDATA_TIMEOUT) {
		return; /* how liburing bounds a wait on kernels before 5.11 */
	}
	if (tag == TAG_CANCEL && uring->cancels != 0) {
		uring->cancels--;
		return;
	}
	slot = index < uring->base.depth ? &uring->slots[index] : NULL;
	if (!slot || !slot->req || slot->state == SLOT_PARKED || slot->generation != tag >> 32) {
		poison(uring, -EBADMSG);
		return;
	}
	slot->generation++;
	if (slot->state == SLOT_POLL) {
		/* Ready, or an error that the operation will meet itself; a cancel ends the request. */
		slot_step(uring, slot, result == -ECANCELED ? result : -EINTR);
	} else if (result > 0 && (uint32_t)result > zc_req_rest(slot->req)) {
		poison(uring, -EOVERFLOW);
		slot_lose(uring, slot); /* it may have written behind the end */
	} else {
		slot_step(uring, slot, result);
	}
}

static void collect(struct uring_engine *uring)
{
	struct io_uring_cqe *cqes[CQE_BATCH];
	unsigned count;
	unsigned i;

	while ((count = io_uring_peek_batch_cqe(&uring->ring, cqes, CQE_BATCH)) != 0) {
		for (i = 0; i < count; i++) {
			take_cqe(uring, cqes[i]->user_data, cqes[i]->res);
		}
		io_uring_cq_advance(&uring->ring, count);
	}
}

/* Waits for count CQEs, a signal or WAIT_NS. */
static void wait_some(struct uring_engine *uring, unsigned count, uint64_t wait_ns)
{
	struct __kernel_timespec timeout = { .tv_nsec = (long long)wait_ns };
	struct io_uring_cqe *cqe;
	int code;

	flush(uring);
	code = io_uring_wait_cqes(&uring->ring, &cqe, count, &timeout, NULL);
	if (code == -EAGAIN || code == -EBUSY || (code < 0 && uring->poisoned)) {
		nap();
	} else if (code < 0 && code != -ETIME && code != -EINTR) {
		poison(uring, code);
	}
}

/* ---- stopping and starting over */

static void cancel_all(struct uring_engine *uring)
{
	uint64_t now = zc_now_ns();
	unsigned i;

	if (uring->cancels != 0 || now < uring->cancel_next) {
		return;
	}
	uring->cancel_next = now + CANCEL_NS;
	for (i = 0; i < uring->base.depth; i++) {
		struct slot *slot = &uring->slots[i];
		struct io_uring_sqe *sqe;

		if (slot->state != SLOT_OP && slot->state != SLOT_POLL) {
			continue;
		}
		sqe = get_sqe(uring);
		if (!sqe) {
			break;
		}
		io_uring_prep_cancel64(sqe, slot_tag(uring, slot), 0);
		sqe->user_data = TAG_CANCEL;
		uring->cancels++;
	}
	flush(uring);
}

static unsigned under_way(const struct uring_engine *uring)
{
	unsigned count = 0;
	unsigned i;

	for (i = 0; i < uring->base.depth; i++) {
		count += uring->slots[i].state == SLOT_OP || uring->slots[i].state == SLOT_POLL;
	}
	return count;
}

static void drain(struct uring_engine *uring)
{
	uint64_t until = zc_now_ns() + DRAIN_NS;

	uring->cancel_next = 0;
	while (under_way(uring) != 0 && zc_now_ns() < until) {
		cancel_all(uring);
		wait_some(uring, 1, CANCEL_NS);
		collect(uring);
	}
}

/* Puts a new ring in the place of the poisoned one. */
static void recover(struct uring_engine *uring)
{
	int why = uring->poisoned;
	unsigned i;

	drain(uring);
	for (i = 0; i < uring->base.depth; i++) {
		if (uring->slots[i].state == SLOT_OP || uring->slots[i].state == SLOT_POLL) {
			slot_lose(uring, &uring->slots[i]);
		}
	}
	io_uring_queue_exit(&uring->ring);
	uring->alive = false;
	uring->rebuilds++;
	if (uring->rebuilds <= REBUILDS_MAX && ring_open(uring) == 0) {
		note(uring, "uring", "new ring", "io_uring_enter", why);
	} else {
		note(uring, "uring", "nothing", "io_uring_enter", why);
	}
	for (i = 0; i < uring->base.depth; i++) {
		struct slot *slot = &uring->slots[i];

		if (slot->state == SLOT_PARKED && uring->alive) {
			slot_issue(uring, slot, SLOT_OP);
		} else if (slot->state == SLOT_PARKED) {
			slot->req->err = -ENOTRECOVERABLE;
			slot_finish(uring, slot);
		}
	}
}

/* ---- the operations */

static void uring_submit(struct zc_engine *engine, struct zc_req *const *reqs, unsigned count)
{
	struct uring_engine *uring = (struct uring_engine *)engine;
	unsigned i;

	for (i = 0; i < count; i++) {
		if (!uring->alive || zc_stopped()) {
			reqs[i]->err = uring->alive ? -ECANCELED : -ENOTRECOVERABLE;
			zc_req_push(&uring->done, reqs[i]);
		} else {
			slot_issue(uring, slot_take(uring, reqs[i]), SLOT_OP);
		}
	}
	if (uring->alive && !uring->poisoned) {
		flush(uring);
	}
}

/* Takes what is there, and sees to what it asks for. */
static void turn(struct uring_engine *uring)
{
	collect(uring);
	if (uring->poisoned) {
		recover(uring);
	}
	if (uring->busy != 0 && zc_stopped()) {
		cancel_all(uring);
	}
}

static unsigned uring_reap(struct zc_engine *engine, struct zc_req **ret_done, unsigned max,
                           unsigned wait_min)
{
	struct uring_engine *uring = (struct uring_engine *)engine;

	if (uring->alive) {
		turn(uring);
	}
	while (uring->alive && uring->done.count < wait_min) {
		wait_some(uring, wait_min - uring->done.count, WAIT_NS);
		turn(uring);
	}
	if (uring->alive && !uring->poisoned) {
		flush(uring); /* what is continued must not wait for the next call */
	}
	return zc_req_pop_many(&uring->done, ret_done, max);
}

static void uring_facts(const struct zc_engine *engine, struct zc_engine_facts *ret_facts)
{
	const struct uring_engine *uring = (const struct uring_engine *)engine;

	*ret_facts = (struct zc_engine_facts){
		.name = engine->ops->name,
		.setup = uring->setup,
		.depth = engine->depth,
		.registered = uring->registered,
	};
}

static void uring_close(struct zc_engine *engine)
{
	struct uring_engine *uring = (struct uring_engine *)engine;

	if (uring->alive) {
		io_uring_queue_exit(&uring->ring);
	}
	free(uring->free_slots);
	free(uring);
}

static int uring_open(struct zc_engine **ret_engine, const struct zc_engine_cfg *cfg)
{
	struct uring_engine *uring = calloc(1, sizeof(*uring) + cfg->depth * sizeof(uring->slots[0]));
	unsigned i;
	int code;

	if (!uring) {
		return -ENOMEM;
	}
	uring->base.ops = &zc_engine_uring;
	uring->base.depth = cfg->depth;
	uring->pool = cfg->pool;
	uring->fallbacks = cfg->fallbacks;
	uring->free_slots = calloc(cfg->depth, sizeof(uring->free_slots[0]));
	code = uring->free_slots ? ring_open(uring) : -ENOMEM;
	if (code < 0) {
		uring_close(&uring->base);
		return code;
	}
	/* The lowest number is taken first. */
	for (i = 0; i < cfg->depth; i++) {
		uring->free_slots[i] = cfg->depth - 1 - i;
	}
	uring->free_count = cfg->depth;
	*ret_engine = &uring->base;
	return 0;
}

const struct zc_engine_ops zc_engine_uring = {
	.name = "uring",
	.open = uring_open,
	.submit = uring_submit,
	.reap = uring_reap,
	.facts = uring_facts,
	.close = uring_close,
};

#endif
