/*
 * wrap_ring.c: faults of a ring in the whole program. What fails is not performed: a NOP goes to the kernel
 * in its place, and its completion gets the number. What is short is prepared with a shorter length.
 *
 * A ring is one thread's, so are the completions that are still to be changed.
 */
#include "zc_config.h"
#if ZC_HAVE_URING

#include <errno.h>
#include <liburing.h>

#include "wrap.h"

int __real_io_uring_queue_init_params(unsigned entries, struct io_uring *ring,
                                      struct io_uring_params *params);
int __wrap_io_uring_queue_init_params(unsigned entries, struct io_uring *ring,
                                      struct io_uring_params *params);
int __real_io_uring_register_probe(struct io_uring *ring, struct io_uring_probe *probe, unsigned count);
int __wrap_io_uring_register_probe(struct io_uring *ring, struct io_uring_probe *probe, unsigned count);
int __real_io_uring_register_buffers(struct io_uring *ring, const struct iovec *iov, unsigned count);
int __wrap_io_uring_register_buffers(struct io_uring *ring, const struct iovec *iov, unsigned count);
int __real_io_uring_submit(struct io_uring *ring);
int __wrap_io_uring_submit(struct io_uring *ring);
int __real_io_uring_submit_and_wait(struct io_uring *ring, unsigned count);
int __wrap_io_uring_submit_and_wait(struct io_uring *ring, unsigned count);
int __real_io_uring_wait_cqes(struct io_uring *ring, struct io_uring_cqe **cqe, unsigned count,
                              struct __kernel_timespec *timeout, sigset_t *mask);
int __wrap_io_uring_wait_cqes(struct io_uring *ring, struct io_uring_cqe **cqe, unsigned count,
                              struct __kernel_timespec *timeout, sigset_t *mask);
unsigned __real_io_uring_peek_batch_cqe(struct io_uring *ring, struct io_uring_cqe **cqes, unsigned count);
unsigned __wrap_io_uring_peek_batch_cqe(struct io_uring *ring, struct io_uring_cqe **cqes, unsigned count);

enum {
	STRUCK_MAX = 256,
};

static _Thread_local struct {
	uint64_t tag;
	int result;
} struck[STRUCK_MAX];
static _Thread_local unsigned struck_count;

int __wrap_io_uring_queue_init_params(unsigned entries, struct io_uring *ring, struct io_uring_params *params)
{
	return wrap_fails(CALL_ring_setup) ? -errno
	                                   : __real_io_uring_queue_init_params(entries, ring, params);
}

int __wrap_io_uring_register_probe(struct io_uring *ring, struct io_uring_probe *probe, unsigned count)
{
	int code = wrap_fails(CALL_ring_probe) ? -errno : __real_io_uring_register_probe(ring, probe, count);

	for (unsigned i = 0; code == 0 && i < probe->ops_len; i++) {
		if (wrap_due(CALL_ring_opcode)) {
			probe->ops[i].flags &= (uint16_t)~IO_URING_OP_SUPPORTED;
		}
	}
	return code;
}

int __wrap_io_uring_register_buffers(struct io_uring *ring, const struct iovec *iov, unsigned count)
{
	return wrap_fails(CALL_ring_buffers) ? -errno : __real_io_uring_register_buffers(ring, iov, count);
}

static void meddle_with(struct io_uring_sqe *sqe)
{
	bool is_read = sqe->opcode == IORING_OP_READ || sqe->opcode == IORING_OP_READ_FIXED;
	bool is_write = sqe->opcode == IORING_OP_WRITE || sqe->opcode == IORING_OP_WRITE_FIXED;
	uint64_t tag = sqe->user_data;
	size_t len = sqe->len;

	if (!is_read && !is_write) {
		return;
	}
	if (!wrap_fails_or_clamps(is_read ? CALL_ring_read : CALL_ring_write, &len)) {
		sqe->len = (unsigned)len;
	} else if (struck_count < STRUCK_MAX) {
		struck[struck_count].tag = tag;
		struck[struck_count].result = -errno;
		struck_count++;
		io_uring_prep_nop(sqe);
		sqe->user_data = tag;
	}
}

static void meddle(struct io_uring *ring)
{
	for (unsigned i = ring->sq.sqe_head; i != ring->sq.sqe_tail; i++) {
		meddle_with(&ring->sq.sqes[i & *ring->sq.kring_mask]);
	}
}

/* Changes what has arrived and was not taken yet. */
static void answer(struct io_uring *ring)
{
	unsigned tail = io_uring_smp_load_acquire(ring->cq.ktail);

	for (unsigned i = *ring->cq.khead; struck_count != 0 && i != tail; i++) {
		struct io_uring_cqe *cqe = &ring->cq.cqes[i & *ring->cq.kring_mask];

		for (unsigned j = 0; j < struck_count; j++) {
			if (cqe->user_data == struck[j].tag) {
				cqe->res = struck[j].result;
				struck[j] = struck[--struck_count];
				break;
			}
		}
	}
}

int __wrap_io_uring_submit(struct io_uring *ring)
{
	if (wrap_fails(CALL_ring_submit)) {
		return -errno;
	}
	meddle(ring);
	return __real_io_uring_submit(ring);
}

int __wrap_io_uring_submit_and_wait(struct io_uring *ring, unsigned count)
{
	int code;

	if (wrap_fails(CALL_ring_submit_wait)) {
		return -errno;
	}
	meddle(ring);
	code = __real_io_uring_submit_and_wait(ring, count);
	answer(ring);
	return code;
}

int __wrap_io_uring_wait_cqes(struct io_uring *ring, struct io_uring_cqe **cqe, unsigned count,
                              struct __kernel_timespec *timeout, sigset_t *mask)
{
	return wrap_fails(CALL_ring_wait) ? -errno
	                                  : __real_io_uring_wait_cqes(ring, cqe, count, timeout, mask);
}

unsigned __wrap_io_uring_peek_batch_cqe(struct io_uring *ring, struct io_uring_cqe **cqes, unsigned count)
{
	unsigned got = __real_io_uring_peek_batch_cqe(ring, cqes, count);

	answer(ring);
	return got;
}

#endif
