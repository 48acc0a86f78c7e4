/*
 * hist.c: log-linear. A value keeps its highest bit and the seven below it; what is cut off is at most the
 * 256th part from the middle of the bin.
 */
#include "zcopy/bench.h"

#include "zcopy/base.h"

#define SUB_COUNT (1u << ZC_HIST_SUB_BITS)

static unsigned hist_bin(uint64_t ns)
{
	unsigned cut;

	if (ns < SUB_COUNT) {
		return (unsigned)ns;
	}
	if (ns >> ZC_HIST_TOP_BITS != 0) {
		return ZC_HIST_BINS - 1;
	}
	cut = 63 - (unsigned)__builtin_clzll(ns) - ZC_HIST_SUB_BITS;
	return (cut << ZC_HIST_SUB_BITS) + (unsigned)(ns >> cut);
}

uint64_t zc_hist_value(unsigned bin)
{
	unsigned cut;
	uint64_t low;

	if (bin < 2 * SUB_COUNT) {
		return bin;
	}
	cut = (bin >> ZC_HIST_SUB_BITS) - 1;
	low = (uint64_t)(SUB_COUNT + bin % SUB_COUNT) << cut;
	return low + (1ull << cut) / 2;
}

void zc_hist_add(struct zc_hist *hist, uint64_t ns)
{
	uint64_t max = __atomic_load_n(&hist->max_ns, __ATOMIC_RELAXED);

	__atomic_fetch_add(&hist->bins[hist_bin(ns)], 1, __ATOMIC_RELAXED);
	__atomic_fetch_add(&hist->count, 1, __ATOMIC_RELAXED);
	__atomic_fetch_add(&hist->sum_ns, ns, __ATOMIC_RELAXED);
	while (ns > max && !__atomic_compare_exchange_n(&hist->max_ns, &max, ns, true, __ATOMIC_RELAXED,
	                                                __ATOMIC_RELAXED)) {
	}
}

void zc_hist_merge(struct zc_hist *into, const struct zc_hist *from)
{
	for (unsigned i = 0; i < ZC_HIST_BINS; i++) {
		into->bins[i] += from->bins[i];
	}
	into->count += from->count;
	into->sum_ns += from->sum_ns;
	into->max_ns = zc_max_u64(into->max_ns, from->max_ns);
}

uint64_t zc_hist_percentile(const struct zc_hist *hist, unsigned percentile_thousandths)
{
	uint64_t rank = (uint64_t)(((__uint128_t)hist->count * percentile_thousandths + 99999) / 100000);
	uint64_t seen = 0;

	for (unsigned i = 0; i < ZC_HIST_BINS; i++) {
		seen += hist->bins[i];
		if (seen >= rank && seen > 0) {
			return i == ZC_HIST_BINS - 1 ? hist->max_ns
			                             : zc_min_u64(zc_hist_value(i), hist->max_ns);
		}
	}
	return 0;
}
