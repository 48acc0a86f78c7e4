/* kernel.h: what the in-kernel routes share. Private to route/. */
#ifndef ZC_ROUTE_KERNEL_H
#define ZC_ROUTE_KERNEL_H

#include <errno.h>

#include "zcopy/route.h"

/* One step of an in-kernel copy: long enough to cost nothing, short enough for progress and Ctrl-C.
 * glibc 2.41 and 2.42 cut lengths over 2 GiB wrongly, and the kernel clamps them anyway. */
#define KERNEL_STEP_BYTES (64 * ZC_MIB)

/* What is left of the span, at most a step, or what --limit lets pass now: 0 after zc_stopped(). */
static inline size_t kernel_step(struct zc_kit *kit, const struct zc_leg *leg)
{
	uint64_t left = leg->span.len_bytes - leg->done_bytes;

	return (size_t)zc_pace_step(kit, zc_min_u64(left, KERNEL_STEP_BYTES), 1);
}

static inline bool kernel_done(const struct zc_leg *leg)
{
	return leg->done_bytes >= leg->span.len_bytes;
}

/* Source or sink offset of the next byte, as the descriptor counts. */
static inline int64_t kernel_off(const struct zc_end *end, const struct zc_leg *leg)
{
	return (int64_t)(end->shape.base_bytes + leg->span.off_bytes + leg->done_bytes);
}

static inline void kernel_count(struct zc_kit *kit, struct zc_leg *leg, size_t bytes)
{
	leg->done_bytes += bytes;
	zc_progress_add(kit->progress, bytes, bytes);
}

/* The same for bytes that were written, not shared. */
static inline void kernel_moved(struct zc_kit *kit, struct zc_leg *leg, size_t bytes)
{
	kernel_count(kit, leg, bytes);
	zc_pace_spend(kit, bytes);
}

/* "Not me", with what the kernel said; code 0: it moved nothing and called that success. */
static inline int kernel_not_me(struct zc_leg *leg, const char *op, int code)
{
	leg->err = (struct zc_err){
		.code = code,
		.op = op,
		.off_bytes = leg->span.off_bytes + leg->done_bytes,
	};
	return -EOPNOTSUPP;
}

/* What a socket says once, and then only that there is nothing more: another route would take that for the
 * end. */
static inline bool kernel_is_peer_lost(const struct zc_end *end, int code)
{
	return (end->shape.caps & ZC_CAP_SOCK) &&
	       (code == -ECONNRESET || code == -ETIMEDOUT || code == -EHOSTUNREACH || code == -ENETUNREACH ||
	        code == -ENETDOWN || code == -EHOSTDOWN || code == -ECONNABORTED);
}

static inline int kernel_fail(struct zc_leg *leg, enum zc_side side, const char *op, int code)
{
	return zc_err_set(&leg->err, code, side, op, leg->span.off_bytes + leg->done_bytes);
}

/* Pipes at the ends become as large as the limits let them, which saves turns; smaller ones are slower, not
 * wrong. In splice.c. */
void kernel_grow_pipes(struct zc_kit *kit, const struct zc_leg *leg);

/* Waits until fd can be read (or written); a NONBLOCK descriptor of somebody else's says EAGAIN.
 * 0, or -ECANCELED after zc_stopped(). In splice.c. */
int kernel_wait(int fd, bool to_write);

#endif
