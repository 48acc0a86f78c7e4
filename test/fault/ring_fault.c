/*
 * ring_fault.c: meddles with prepared SQEs just before they are submitted, and with CQEs just after they
 * were taken. What is clamped is really clamped and what fails is really not performed (a NOP goes
 * in its place); only the three kinds of broken ring are told.
 */
#include "ring_fault.h"

#include <errno.h>
#include <liburing.h>
#include <stddef.h>

int __real_io_uring_submit(struct io_uring *ring);
int __wrap_io_uring_submit(struct io_uring *ring);
int __real_io_uring_queue_init_params(unsigned entries, struct io_uring *ring,
                                      struct io_uring_params *params);
int __wrap_io_uring_queue_init_params(unsigned entries, struct io_uring *ring,
                                      struct io_uring_params *params);
unsigned __real_io_uring_peek_batch_cqe(struct io_uring *ring, struct io_uring_cqe **cqes, unsigned count);
unsigned __wrap_io_uring_peek_batch_cqe(struct io_uring *ring, struct io_uring_cqe **cqes, unsigned count);

enum {
	HIT_MAX = 256,
};

static struct ring_fault_plan *plan;
static unsigned seen;
static struct {
	uint64_t tag;
	int result;
} hits[HIT_MAX];
static unsigned hit_count;
static unsigned refused_flags;

void ring_fault_set(struct ring_fault_plan *new_plan)
{
	plan = new_plan;
	seen = 0;
	hit_count = 0;
}

void ring_fault_refuse(unsigned flags)
{
	refused_flags = flags;
}

int __wrap_io_uring_queue_init_params(unsigned entries, struct io_uring *ring, struct io_uring_params *params)
{
	if (params->flags & refused_flags) {
		return -EINVAL;
	}
	return __real_io_uring_queue_init_params(entries, ring, params);
}

static void strike(struct io_uring *ring, struct io_uring_sqe *sqe)
{
	struct io_uring_sqe *extra;
	uint64_t tag = sqe->user_data;

	if (hit_count == HIT_MAX) {
		return;
	}
	switch (plan->fault) {
	case RING_FAULT_SHORT:
		plan->hits++;
		if (sqe->len > (unsigned)plan->value) {
			sqe->len = (unsigned)plan->value;
		}
		return;
	case RING_FAULT_DUPLICATE:
		extra = io_uring_get_sqe(ring);
		if (extra) {
			io_uring_prep_nop(extra);
			extra->flags |= IOSQE_IO_DRAIN; /* after the one it doubles */
			extra->user_data = tag;
			plan->hits++;
		}
		return;
	case RING_FAULT_ERRNO:
		io_uring_prep_nop(sqe);
		sqe->user_data = tag;
		break;
	default:
		break;
	}
	plan->hits++;
	hits[hit_count].tag = tag;
	hits[hit_count].result = plan->fault == RING_FAULT_LONG ? (int)sqe->len + 1 : plan->value;
	hit_count++;
}

static int is_due(const struct io_uring_sqe *sqe)
{
	int is_write = sqe->opcode == IORING_OP_WRITE || sqe->opcode == IORING_OP_WRITE_FIXED;
	int is_read = sqe->opcode == IORING_OP_READ || sqe->opcode == IORING_OP_READ_FIXED;

	if (plan->is_write ? !is_write : !is_read) {
		return 0;
	}
	seen++;
	return seen >= plan->at && seen < plan->at + plan->times;
}

int __wrap_io_uring_submit(struct io_uring *ring)
{
	unsigned tail = ring->sq.sqe_tail;
	unsigned i;

	for (i = ring->sq.sqe_head; plan && plan->fault != RING_FAULT_NONE && i != tail; i++) {
		struct io_uring_sqe *sqe = &ring->sq.sqes[i & *ring->sq.kring_mask];

		if (is_due(sqe)) {
			strike(ring, sqe);
		}
	}
	return __real_io_uring_submit(ring);
}

unsigned __wrap_io_uring_peek_batch_cqe(struct io_uring *ring, struct io_uring_cqe **cqes, unsigned count)
{
	unsigned got = __real_io_uring_peek_batch_cqe(ring, cqes, count);
	unsigned i;
	unsigned j;

	for (i = 0; i < got; i++) {
		for (j = 0; j < hit_count; j++) {
			if (cqes[i]->user_data != hits[j].tag) {
				continue;
			}
			if (plan->fault == RING_FAULT_STALE) {
				cqes[i]->user_data -= 1ull << 32;
			} else {
				cqes[i]->res = hits[j].result;
			}
			hits[j] = hits[--hit_count];
			break;
		}
	}
	return got;
}
