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
#include <stdio.h>

#include "zcopy/job.h"

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

/* ---- run.c: one bench: arms that are run in turns, A B, B A, A B ..., the first round only to warm up.
 *
 * copy: the files of a user, from one directory to the same or a second one; beside it the ceiling, which is
 * the slower of reading alone and writing alone. read, write: each directory is an arm. nop, mem, hash:
 * floors, without files. Each run makes its destination anew and removes it; what it reads is made once, of
 * seeded random bytes, and has lost its name before it is used. What the page cache holds of it is set before
 * each run, and asked before and after; before each run the file systems have nothing more to write. */

enum zc_bench_work {
	ZC_BENCH_COPY,
	ZC_BENCH_READ,
	ZC_BENCH_WRITE,
	ZC_BENCH_NOP,
	ZC_BENCH_MEM,
	ZC_BENCH_HASH,
};

#define ZC_BENCH_RUNS_MIN 5
#define ZC_BENCH_RUNS_MAX 1000

struct zc_bench_cfg {
	enum zc_bench_work work;
	const char *const *dirs; /* which exist; borrowed                                     */
	unsigned dir_count;      /* copy: 1 or 2; read, write: 1 or more; else 0              */
	uint64_t size_bytes;     /* a run's; 0: the work's own. nop: how many requests        */
	unsigned runs;           /* an arm's, without the first; 0: 10                        */
	const char *via;         /* the arms, as --via takes them; NULL: one; borrowed        */
	bool warm;               /* the source is in the page cache, instead of not           */
	uint64_t seed;           /* of the data                                               */
	struct zc_job_cfg job;   /* how a run is done: all of it but the ends                 */
};

struct zc_bench;

/* cfg's borrowed parts have to stay until close. Makes the arms and what they need, but no file yet.
 * 0; or an exit status (contract 2) with a line for the user, without the program's name, in ret_why. */
int zc_bench_open(struct zc_bench **ret_bench, const struct zc_bench_cfg *cfg, char *ret_why,
                  size_t cap_bytes);
/* Does the next run, the first one with the files that are read before it. false: that was the last one, or
 * one failed, or we were asked to stop. */
bool zc_bench_step(struct zc_bench *bench);
/* Where it is, for people: "run 3 of 11: copy". */
void zc_bench_where(const struct zc_bench *bench, char *out, size_t cap_bytes);
/* After the last step: removes the files and counts. 0, or an exit status and its line. */
int zc_bench_finish(struct zc_bench *bench, const char **ret_why);
/* The results so far: zcopy.bench/1 on one line, or a table. 0 or -errno. */
int zc_bench_write(const struct zc_bench *bench, FILE *file);
void zc_bench_print(const struct zc_bench *bench, FILE *file);
void zc_bench_close(struct zc_bench *bench); /* NULL is fine */

/* ---- tune.c: the block size and queue depth of direct copies from cfg's first directory to its second one:
 * what is found goes where copies look for it (zc_profile_write). The default stays unless another point is
 * more than 2 % faster in paired runs, with p < 0.05. Of cfg it takes dirs, size_bytes, seed and job. What is
 * tried, and what comes of it, goes to say as it is known (NULL: nowhere). 0; or as zc_bench_open. */
int zc_tune(const struct zc_bench_cfg *cfg, FILE *say, char *ret_why, size_t cap_bytes);

#endif
