/*
 * pace.c: a token bucket on the writing side (--limit).
 *
 * A piece is paid for when it is granted, by the time it should take, and the next one waits until that is
 * over: so it does not matter how many requests or threads there are. What is not written in the end is
 * written of the next piece. Pieces are short, and time in which nothing was asked for earns a quarter of a
 * second at most: no second sees much more than the rate, and a sleep that lasted too long is made up for.
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

/* Pays for bytes, if what was granted before has had its time. */
static bool pace_pay(struct zc_pace *pace, uint64_t bytes)
{
	uint64_t cost = zc_clamp_u64((double)bytes / (double)pace->bytes_per_second * NS_PER_SECOND);
	uint64_t now = zc_now_ns();
	uint64_t due = atomic_load_explicit(&pace->due_ns, memory_order_relaxed);

	while (due <= now) {
		if (atomic_compare_exchange_weak(&pace->due_ns, &due,
		                                 zc_max_u64(due, now - CREDIT_NS) + cost)) {
			return true;
		}
	}
	return false;
}

static void pace_nap(const struct zc_pace *pace)
{
	uint64_t now = zc_now_ns();
	uint64_t due = atomic_load_explicit(&pace->due_ns, memory_order_relaxed);
	struct timespec nap = { .tv_nsec = (long)zc_min_u64(due - zc_min_u64(due, now), SLEEP_NS_MAX) };

	(void)nanosleep(&nap, NULL);
}

uint64_t zc_pace_step(struct zc_kit *kit, uint64_t want_bytes, uint32_t align_bytes)
{
	struct zc_pace *pace = kit->pace;
	uint64_t piece;

	if (pace == NULL) {
		return want_bytes;
	}
	piece = zc_align_down(zc_max_u64(pace->bytes_per_second / PIECES_PER_S, align_bytes), align_bytes);
	for (;;) {
		if (kit->granted_bytes < piece && pace_pay(pace, piece)) {
			kit->granted_bytes += piece;
		}
		if (kit->granted_bytes >= align_bytes) {
			return zc_min_u64(want_bytes, zc_align_down(kit->granted_bytes, align_bytes));
		}
		if (zc_stopped()) {
			return 0;
		}
		pace_nap(pace);
	}
}

void zc_pace_spend(struct zc_kit *kit, uint64_t bytes)
{
	kit->granted_bytes -= zc_min_u64(bytes, kit->granted_bytes);
}

void zc_pace_return(struct zc_kit *kit, uint64_t bytes)
{
	kit->granted_bytes += kit->pace != NULL ? bytes : 0;
}
