/*
 * tune.c: a race. All points run in turns, forwards and backwards; the slower half leaves, until one is left
 * beside the default; then these two alone, in pairs.
 */
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "bench.h"
#include "zcopy/job.h"

#define SIZE_DEFAULT (512 * ZC_MIB)
#define HEAT_ROUNDS  2
#define FINAL_ROUNDS 10
#define RUNS_MAX     64
#define GAIN_MIN     1.02
#define P_MAX        0.05

static const struct point {
	uint32_t block_bytes, depth;
} points[] = {
	{ ZC_MIB, 16 }, /* the default is the first */
	{ 64 * ZC_KIB, 1 },   { 64 * ZC_KIB, 8 },   { 64 * ZC_KIB, 64 },  { 128 * ZC_KIB, 16 },
	{ 256 * ZC_KIB, 4 },  { 256 * ZC_KIB, 16 }, { 256 * ZC_KIB, 64 }, { 512 * ZC_KIB, 8 },
	{ 512 * ZC_KIB, 16 }, { 512 * ZC_KIB, 32 }, { 512 * ZC_KIB, 64 }, { ZC_MIB, 4 },
	{ ZC_MIB, 8 },        { ZC_MIB, 32 },       { ZC_MIB, 64 },
};
_Static_assert(ZC_ARRAY_LEN(points) <= ARM_MAX, "each point is an arm");

struct race {
	struct zc_bench *bench;
	FILE *say;
	double seconds[ARM_MAX][RUNS_MAX];
	unsigned order[ARM_MAX]; /* arms that are still in it */
	unsigned count;
};

static void race_arms(struct zc_bench *bench)
{
	bench->arm_count = ZC_ARRAY_LEN(points);
	for (unsigned i = 0; i < bench->arm_count; i++) {
		struct arm *arm = &bench->arms[i];
		char size[16];

		*arm = (struct arm){ .kind = ARM_COPY, .dst = 1, .job = bench->cfg.job };
		arm->job.block_bytes = points[i].block_bytes;
		arm->job.queue_depth = points[i].depth;
		snprintf(arm->name, sizeof(arm->name), "%s x %u", zc_format_size(size, points[i].block_bytes),
		         points[i].depth);
	}
}

static int race_run(struct race *race, unsigned index)
{
	struct arm *arm = &race->bench->arms[index];
	struct run run = { 0 };
	int status = bench_run_disk(race->bench, arm, &run);

	if (status == 0) {
		zc_verify(arm->run_count < RUNS_MAX);
		race->seconds[index][arm->run_count++] = (double)run.wall_ns / 1e9;
	}
	return status;
}

static int race_rounds(struct race *race, unsigned rounds)
{
	int status = 0;

	for (unsigned round = 0; round < rounds; round++) {
		for (unsigned turn = 0; turn < race->count && status == 0; turn++) {
			unsigned at = round % 2 == 0 ? turn : race->count - 1 - turn;

			status = race_run(race, race->order[at]);
		}
	}
	return status;
}

static double race_median(const struct race *race, unsigned index)
{
	unsigned count = race->bench->arms[index].run_count;
	double sorted[RUNS_MAX];

	memcpy(sorted, race->seconds[index], count * sizeof(sorted[0]));
	zc_stats_sort(sorted, count);
	return zc_stats_median(sorted, count);
}

static void race_sort(struct race *race)
{
	for (unsigned i = 1; i < race->count; i++) {
		for (unsigned k = i;
		     k > 0 && race_median(race, race->order[k]) < race_median(race, race->order[k - 1]);
		     k--) {
			unsigned slower = race->order[k - 1];

			race->order[k - 1] = race->order[k];
			race->order[k] = slower;
		}
	}
}

/* Heats, until the fastest that is not the default is alone; *ret_best is it. */
static int race_heats(struct race *race, unsigned *ret_best)
{
	int status = 0;

	race->count = race->bench->arm_count;
	for (unsigned i = 0; i < race->count; i++) {
		race->order[i] = i;
	}
	while (status == 0) {
		status = race_rounds(race, HEAT_ROUNDS);
		if (status == 0 && race->count == 2) {
			break;
		}
		if (status == 0) {
			race_sort(race);
			race->count = (race->count + 1) / 2;
		}
	}
	if (status == 0) {
		race_sort(race);
		*ret_best = race->order[0] != 0 ? race->order[0] : race->order[1];
	}
	return status;
}

static void race_table(const struct race *race)
{
	for (unsigned i = 0; race->say != NULL && i < race->bench->arm_count; i++) {
		fprintf(race->say, "%-16s %8.1f MB/s, median of %u\n", race->bench->arms[i].name,
		        (double)race->bench->cfg.size_bytes / 1e6 / race_median(race, i),
		        race->bench->arms[i].run_count);
	}
}

/* In pairs, A B, B A; what counts are these runs alone. */
static int race_final(struct race *race, unsigned best, struct zc_ratio *ret_ratio)
{
	unsigned first_run[2] = { race->bench->arms[0].run_count, race->bench->arms[best].run_count };
	double differences[FINAL_ROUNDS];
	const double *a;
	const double *b;
	int status;

	race->order[0] = 0;
	race->order[1] = best;
	race->count = 2;
	status = race_rounds(race, FINAL_ROUNDS);
	if (status != 0) {
		return status;
	}
	a = &race->seconds[0][first_run[0]];
	b = &race->seconds[best][first_run[1]];
	for (unsigned i = 0; i < FINAL_ROUNDS; i++) {
		differences[i] = log(a[i] / b[i]);
	}
	*ret_ratio = zc_stats_paired(a, b, FINAL_ROUNDS);
	ret_ratio->p = zc_stats_sign_flip(differences, FINAL_ROUNDS, race->bench->cfg.seed);
	return 0;
}

/* What a copy shall find: the best, or nothing of it. */
static int race_write(const struct race *race, unsigned best, bool adopt, char quoted[300])
{
	const struct disk *disks = race->bench->disks;
	char *path;
	int res = zc_profile_write(disks[0].fd, disks[1].fd, adopt ? points[best].block_bytes : 0,
	                           points[best].depth, &path);

	quoted[0] = '\0';
	if (path != NULL) {
		zc_quote(quoted, 300, path);
	}
	free(path);
	if (res < 0 && (adopt || res != -ENOENT)) {
		return bench_fail(race->bench, 1, "tune: %s: cannot write: %s",
		                  quoted[0] != '\0' ? quoted : "XDG_CACHE_HOME and HOME", strerror(-res));
	}
	return 0;
}

/* What is best for a small file says nothing of those that are copied by it. */
static int race_decide(const struct race *race, unsigned best, const struct zc_ratio *ratio)
{
	const struct arm *arms = race->bench->arms;
	bool tells = race->bench->cfg.size_bytes >= ZC_PROFILE_BYTES_MIN;
	bool adopt = ratio->ratio > GAIN_MIN && ratio->p < P_MAX;
	char quoted[300] = "";
	int status = tells ? race_write(race, best, adopt, quoted) : 0;

	if (status == 0 && race->say != NULL) {
		fprintf(race->say, "%s is %.3f times as fast as %s (95 %% %.3f to %.3f, p = %.3f): %s%s\n",
		        arms[best].name, ratio->ratio, arms[0].name, ratio->interval.low,
		        ratio->interval.high, ratio->p,
		        !tells  ? "with less than 64 MiB that tells nothing, and is not kept"
		        : adopt ? "copies use it from now on, by "
		                : "the default stays",
		        adopt ? quoted : "");
	}
	return status;
}

static int tune_race(struct zc_bench *bench, FILE *say)
{
	struct race race = { .bench = bench, .say = say };
	struct zc_ratio ratio;
	unsigned best;
	int status = disk_make_source(bench, &bench->disks[0]);

	status = status == 0 ? race_heats(&race, &best) : status;
	status = status == 0 ? race_final(&race, best, &ratio) : status;
	if (status == 0) {
		race_table(&race);
		status = race_decide(&race, best, &ratio);
	}
	return status;
}

int zc_tune(const struct zc_bench_cfg *cfg, FILE *say, char *ret_why, size_t cap_bytes)
{
	struct zc_bench *bench = calloc(1, sizeof(*bench));
	int status;

	if (bench == NULL) {
		snprintf(ret_why, cap_bytes, "out of memory");
		return 1;
	}
	bench->cfg = *cfg;
	bench->cfg.work = ZC_BENCH_COPY;
	bench->cfg.size_bytes = cfg->size_bytes != 0 ? cfg->size_bytes : SIZE_DEFAULT;
	bench->cfg.job.direct = ZC_WHEN_ALWAYS;
	bench->cfg.job.reflink = ZC_WHEN_NEVER;
	bench->cfg.job.durability = ZC_DURABILITY_DATA; /* else it is the memory that is measured */
	status = disks_open(bench);
	if (status == 0) {
		race_arms(bench);
		status = tune_race(bench, say);
	}
	snprintf(ret_why, cap_bytes, "%s", bench->why);
	zc_bench_close(bench);
	return status;
}
