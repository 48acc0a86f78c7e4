/* summary.c: what the runs say: one value a run, without the first round. */
#include <math.h>
#include <stdlib.h>

#include "bench.h"

const char *const stage_names[ZC_STAGE_COUNT] = {
	[ZC_STAGE_WAIT] = "wait",
	[ZC_STAGE_READ] = "read",
	[ZC_STAGE_WRITE] = "write",
};

/* The values of an arm's runs that count, in their order. */
static unsigned summary_values(const struct zc_bench *bench, const struct arm *arm,
                               double values[ZC_BENCH_RUNS_MAX])
{
	unsigned count = 0;

	for (unsigned i = 0; i < arm->run_count; i++) {
		if (arm->runs[i].round > 0) {
			values[count++] = arm_value(bench, arm, &arm->runs[i]);
		}
	}
	return count;
}

static double summary_variation(const double *values, unsigned count)
{
	double sum = 0;
	double squares = 0;

	for (unsigned i = 0; i < count; i++) {
		sum += values[i];
	}
	for (unsigned i = 0; i < count; i++) {
		squares += (values[i] - sum / count) * (values[i] - sum / count);
	}
	return count < 2 ? NAN : sqrt(squares / (count - 1)) / (sum / count);
}

static double summary_median_of(const struct zc_bench *bench, const struct arm *arm,
                                double (*value)(const struct zc_bench *bench, const struct run *run))
{
	double values[ZC_BENCH_RUNS_MAX];
	unsigned count = 0;

	for (unsigned i = 0; i < arm->run_count; i++) {
		if (arm->runs[i].round > 0) {
			values[count++] = value(bench, &arm->runs[i]);
		}
	}
	zc_stats_sort(values, count);
	return zc_stats_median(values, count);
}

static double run_cpu(const struct zc_bench *bench, const struct run *run)
{
	return (double)(run->user_ns + run->system_ns) / 1e9 /
	       ((double)bench->cfg.size_bytes / (double)ZC_GIB);
}

static double run_durable(const struct zc_bench *bench, const struct run *run)
{
	(void)bench;
	return (double)run->durable_ns / (double)run->wall_ns;
}

static void summary_arm(const struct zc_bench *bench, struct arm *arm)
{
	struct summary *summary = &arm->summary;
	double values[ZC_BENCH_RUNS_MAX];

	summary->count = summary_values(bench, arm, values);
	if (summary->count == 0) {
		return;
	}
	summary->variation = summary_variation(values, summary->count);
	zc_stats_sort(values, summary->count);
	summary->median = zc_stats_median(values, summary->count);
	summary->interval = zc_stats_median_interval(values, summary->count);
	summary->first_quartile = zc_stats_quantile(values, summary->count, 0.25);
	summary->third_quartile = zc_stats_quantile(values, summary->count, 0.75);
	summary->cpu_s_per_gib = arm->kind == ARM_NOP ? NAN : summary_median_of(bench, arm, run_cpu);
	summary->durable_share = summary_median_of(bench, arm, run_durable);
}

void summary_make(struct zc_bench *bench)
{
	for (unsigned i = 0; i < bench->arm_count; i++) {
		summary_arm(bench, &bench->arms[i]);
	}
}

bool summary_versus(const struct zc_bench *bench, const struct arm *arm, struct versus *ret_versus)
{
	const struct arm *first = &bench->arms[0];
	double a[ZC_BENCH_RUNS_MAX];
	double b[ZC_BENCH_RUNS_MAX];
	double differences[ZC_BENCH_RUNS_MAX];
	unsigned a_count = summary_values(bench, arm, a);
	unsigned b_count = summary_values(bench, first, b);
	unsigned pairs = (unsigned)zc_min_u64(a_count, b_count);

	if (arm == first || !arm->asked || pairs < 2) {
		return false;
	}
	for (unsigned i = 0; i < pairs; i++) {
		differences[i] = log(a[i] / b[i]);
	}
	*ret_versus = (struct versus){
		.a = arm,
		.b = first,
		.welch = zc_stats_welch(a, a_count, b, b_count),
		.paired = zc_stats_paired(a, b, pairs),
		.mann_whitney = zc_stats_mann_whitney(a, a_count, b, b_count),
		.sign_flip = zc_stats_sign_flip(differences, pairs, bench->cfg.seed),
	};
	return true;
}

bool summary_ceiling(const struct zc_bench *bench, struct ceiling *ret_ceiling)
{
	struct ceiling ceiling = { INFINITY, NULL };

	for (unsigned i = 0; i < bench->arm_count; i++) {
		const struct arm *arm = &bench->arms[i];

		if (!arm->asked && arm->summary.count > 0 && arm->summary.median < ceiling.rate) {
			ceiling = (struct ceiling){ arm->summary.median, arm };
		}
	}
	*ret_ceiling = ceiling;
	return ceiling.limit != NULL;
}

bool summary_observer(const struct zc_bench *bench, const struct arm *arm, struct zc_ratio *ret_ratio)
{
	double with[ZC_BENCH_RUNS_MAX];
	double without[ZC_BENCH_RUNS_MAX];
	unsigned counts[2] = { 0, 0 };

	if (arm->stages == NULL || arm->stages[ZC_STAGE_WAIT].count == 0) {
		return false;
	}
	for (unsigned i = 0; i < arm->run_count; i++) {
		const struct run *run = &arm->runs[i];

		if (run->round > 0) {
			*(run->timed ? &with[counts[0]++] : &without[counts[1]++]) =
			    1 / arm_value(bench, arm, run);
		}
	}
	if (counts[0] == 0 || counts[1] == 0) {
		return false;
	}
	*ret_ratio = zc_stats_welch(with, counts[0], without, counts[1]);
	return true;
}
