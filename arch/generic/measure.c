/*
 * What zc_cycles() counts, found by watching it beside CLOCK_MONOTONIC, and two sizes of this machine.
 * For bench and tests: a copy never waits for a calibration.
 */
#include <time.h>
#include <unistd.h>

#include "zcopy/arch.h"

#define CALIBRATE_NS 10000000
#define TICK_READS   10000
#define LINE_BYTES   64 /* where the C library does not know */

struct moment {
	uint64_t cycles;
	uint64_t ns;
};

static uint64_t now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

/* Both clocks at one moment: of several tries the one that nothing came between. */
static struct moment moment_take(void)
{
	struct moment best = { 0, 0 };
	uint64_t gap_best = UINT64_MAX;

	for (unsigned i = 0; i < 16; i++) {
		uint64_t before = now_ns();
		uint64_t cycles = zc_cycles();
		uint64_t gap = now_ns() - before;

		if (gap < gap_best) {
			gap_best = gap;
			best = (struct moment){ .cycles = cycles, .ns = before + gap / 2 };
		}
	}
	return best;
}

static double cycles_per_second(void)
{
	struct moment start = moment_take();
	struct moment end;

	do {
		zc_relax();
		end = moment_take();
	} while (end.ns - start.ns < CALIBRATE_NS);
	return (double)(end.cycles - start.cycles) * 1e9 / (double)(end.ns - start.ns);
}

/* The smallest step seen, in cycles: the clock's own tick or the cost of reading it, whichever is more. */
static uint64_t tick_cycles(void)
{
	uint64_t tick = UINT64_MAX;

	for (unsigned i = 0; i < TICK_READS; i++) {
		uint64_t start = zc_cycles();
		uint64_t end;

		do {
			end = zc_cycles();
		} while (end == start);
		if (end - start < tick) {
			tick = end - start;
		}
	}
	return tick;
}

static unsigned line_bytes(void)
{
	long line = -1;

#ifdef _SC_LEVEL1_DCACHE_LINESIZE /* not with every C library, and zero on some machines */
	line = sysconf(_SC_LEVEL1_DCACHE_LINESIZE);
#endif
	return line > 0 ? (unsigned)line : LINE_BYTES;
}

void zc_arch_measure(struct zc_arch_facts *ret_facts)
{
	double per_second = cycles_per_second();

	*ret_facts = (struct zc_arch_facts){
		.line_bytes = line_bytes(),
		.page_bytes = (unsigned)sysconf(_SC_PAGESIZE),
		.cycles_per_second = per_second,
		.tick_ns = (double)tick_cycles() * 1e9 / per_second,
	};
}
