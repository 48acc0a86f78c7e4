/*
 * bench: measures the work that people do, through the same job as a copy, and says how sure it is.
 * The unit of replication is the run: what statistics are given is one value a run, never one a request.
 *
 * Threads: everything belongs to the thread that calls. Nothing here prints.
 */
#ifndef ZCOPY_BENCH_H
#define ZCOPY_BENCH_H

#include <stdbool.h>
#include <stdint.h>

/* ---- stats.c: pure functions of samples, in any order unless sorted is said. What cannot be said of so
 * few values is NAN. p values are two-sided. */

struct zc_interval {
	double low, high; /* NAN: too few values */
};

void zc_stats_sort(double *values, unsigned count);
/* Between the values nearest to fraction (0 .. 1) of the way, as R's type 7; count >= 1. */
double zc_stats_quantile(const double *sorted, unsigned count, double fraction);
double zc_stats_median(const double *sorted, unsigned count);
/* The 95 % interval of the median by order statistics, whatever the distribution: from 6 values on. */
struct zc_interval zc_stats_median_interval(const double *sorted, unsigned count);

/* Two arms compared as a ratio, of values above 0. */
struct zc_ratio {
	double ratio;                /* of the geometric means: a / b            */
	struct zc_interval interval; /* 95 %                                     */
	double p;                    /* NAN: fewer than 2 values, or all alike   */
};
/* Welch's t test on the logarithms. */
struct zc_ratio zc_stats_welch(const double *a, unsigned a_count, const double *b, unsigned b_count);
/* The same of pairs: Student's t on the logarithms of a[i] / b[i]. */
struct zc_ratio zc_stats_paired(const double *a, const double *b, unsigned count);
/* Mann and Whitney's test: exact, also with ties, up to 20 values an arm, else by the normal distribution. */
double zc_stats_mann_whitney(const double *a, unsigned a_count, const double *b, unsigned b_count);
/* Whether the differences lie around 0, by all ways to turn their signs: exact up to 16, beyond by 20,000
 * ways that seed draws. */
double zc_stats_sign_flip(const double *differences, unsigned count, uint64_t seed);

/* How many values it takes to speak of a percentile: ten of them have to lie beyond it. */
uint64_t zc_stats_need(unsigned percentile_thousandths); /* 99900: P99.9 */

/* The distributions themselves, to 1e-12. */
double zc_stats_beta(double a, double b, double x, double rest); /* I_x(a, b); rest is 1 - x   */
double zc_stats_student(double t, double freedom);               /* both tails beyond |t|      */
double zc_stats_student_beyond(double p, double freedom);        /* the t that leaves p outside */

/* ---- hist.c: how long each of many things took. Zeroed it is empty. Up to 128 ns exact, above within 0.4 %,
 * from 2^42 ns (73 minutes) on "more than that". To merge is to add; the order does not matter. */

#define ZC_HIST_SUB_BITS 7
#define ZC_HIST_TOP_BITS 42
/* the last one is for all above */
#define ZC_HIST_BINS (((ZC_HIST_TOP_BITS - ZC_HIST_SUB_BITS + 1) << ZC_HIST_SUB_BITS) + 1)

struct zc_hist {
	uint64_t count;
	uint64_t sum_ns;
	uint64_t max_ns;
	uint64_t bins[ZC_HIST_BINS];
};

void zc_hist_add(struct zc_hist *hist, uint64_t ns); /* any thread, at any time */
void zc_hist_merge(struct zc_hist *into, const struct zc_hist *from);
/* The value that percentile_thousandths of all do not exceed; 0: empty. */
uint64_t zc_hist_percentile(const struct zc_hist *hist, unsigned percentile_thousandths);
/* The middle of a bin's values. */
uint64_t zc_hist_value(unsigned bin);

#endif
