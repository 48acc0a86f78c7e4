/*
 * pace.c: a token bucket on the writing side (--limit).
 *
 * What has been written is paid for afterwards, by the time it should have taken, so that only bytes that
 * were really accepted count; the next piece waits until that is paid. Pieces are short, and time in which
 * nothing was written earns a quarter of a second at most: no second sees much more than the rate, and a
 * sleep that lasted too long is made up for.
 */
#include <time.h>

#include "zcopy/route.h"

#define CREDIT_NS     250000000ull
#define PIECES_PER_S  32
#define SLEEP_NS_MAX  100000000ull /* a signal may come just before the sleep */
#define NS_PER_SECOND 1000000000ull

void zc_pace_init(struct zc_pace *pace, uint64_t bytes_per_second)
{
	pace->bytes_per_second = bytes_per_second;
	atomic_store(&pace->due_ns, zc_now_ns());
}

uint64_t zc_pace_step(struct zc_pace *pace, uint64_t want_bytes, uint32_t align_bytes)
{
	uint64_t piece;

	if (pace == NULL) {
		return want_bytes;
	}
	for (;;) {
		uint64_t now = zc_now_ns();
		uint64_t due = atomic_load_explicit(&pace->due_ns, memory_order_relaxed);
		struct timespec nap = { 0 };

		if (due <= now) {
			break;
		}
		if (zc_stopped()) {
			return 0;
		}
		nap.tv_nsec = (long)zc_min_u64(due - now, SLEEP_NS_MAX);
		(void)nanosleep(&nap, NULL);
	}
	piece = zc_max_u64(pace->bytes_per_second / PIECES_PER_S, align_bytes);
	return zc_min_u64(want_bytes, zc_align_down(piece, align_bytes));
}

void zc_pace_spend(struct zc_pace *pace, uint64_t bytes)
{
	uint64_t now;
	uint64_t due;
	uint64_t cost;

	if (pace == NULL || bytes == 0) {
		return;
	}
	now = zc_now_ns();
	cost = zc_clamp_u64((double)bytes / (double)pace->bytes_per_second * NS_PER_SECOND);
	due = atomic_load_explicit(&pace->due_ns, memory_order_relaxed);
	while (!atomic_compare_exchange_weak(&pace->due_ns, &due, zc_max_u64(due, now - CREDIT_NS) + cost)) {
	}
}
