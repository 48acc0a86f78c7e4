/*
 * ring_fault: true faults at the edge between uring.c and liburing, below the continuation of short
 * results. For binaries linked with -Wl,--wrap= of io_uring_submit, io_uring_peek_batch_cqe and
 * io_uring_queue_init_params.
 */
#ifndef ZC_RING_FAULT_H
#define ZC_RING_FAULT_H

#include <stdint.h>

enum ring_fault {
	RING_FAULT_NONE,
	RING_FAULT_ERRNO,     /* not performed; its CQE carries value               */
	RING_FAULT_SHORT,     /* really performed, with its length clamped to value */
	RING_FAULT_LONG,      /* its CQE claims one byte more than was asked        */
	RING_FAULT_STALE,     /* its CQE carries an older generation                */
	RING_FAULT_DUPLICATE, /* a second CQE with its tag follows                  */
};

struct ring_fault_plan {
	enum ring_fault fault;
	uint8_t is_write; /* counts and hits writes, else reads */
	unsigned at;      /* which SQE of that kind, from 1     */
	unsigned times;   /* this one and the next times - 1    */
	int value;
	unsigned hits; /* result: how often it struck */
};

/* The plan in force; NULL = none. Borrowed, one thread. */
void ring_fault_set(struct ring_fault_plan *plan);
/* From now on a set-up with any of these IORING_SETUP_ flags is -EINVAL, as on an older kernel. */
void ring_fault_refuse(unsigned flags);

#endif
