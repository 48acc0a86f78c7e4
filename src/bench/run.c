/*
 * run.c: the order of things. Rounds: each arm once, in the order of the arms in even rounds, backwards in
 * odd ones (A B, B A, A B ...), so that a host that slows down or speeds up does it to all arms alike. The
 * first round is dropped. Stages are timed in half of the runs, T U U T, so that what the clock costs is seen
 * as well.
 */
#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "bench.h"
#include "zcopy/mem.h"

#define RUNS_DEFAULT 10
#define SIZE_FILES   (512 * ZC_MIB)
#define SIZE_MEMORY  ZC_GIB
#define COUNT_NOPS   (2 * ZC_MIB)
#define GEN_BYTES    (32 * ZC_MIB)
#define POOL_BYTES   (32 * ZC_MIB) /* of each of two buffers: larger than what CPUs keep, mostly */

int bench_fail(struct zc_bench *bench, int status, const char *format, ...)
{
	va_list args;

	if (bench->status == 0) {
		bench->status = status;
		va_start(args, format);
		vsnprintf(bench->why, sizeof(bench->why), format, args);
		va_end(args);
	}
	return status;
}

const char *bench_work_name(enum zc_bench_work work)
{
	static const char *const names[] = {
		[ZC_BENCH_COPY] = "copy", [ZC_BENCH_READ] = "read", [ZC_BENCH_WRITE] = "write",
		[ZC_BENCH_NOP] = "nop",   [ZC_BENCH_MEM] = "mem",   [ZC_BENCH_HASH] = "hash",
	};

	return names[work];
}

/* ---- opening */

static bool bench_is_disk(const struct zc_bench *bench)
{
	return bench->cfg.work <= ZC_BENCH_WRITE;
}

static void bench_defaults(struct zc_bench_cfg *cfg)
{
	cfg->runs = cfg->runs != 0 ? cfg->runs : RUNS_DEFAULT;
	if (cfg->size_bytes == 0) {
		cfg->size_bytes = cfg->work <= ZC_BENCH_WRITE ? SIZE_FILES
		                  : cfg->work == ZC_BENCH_NOP ? COUNT_NOPS
		                                              : SIZE_MEMORY;
	}
	if (cfg->job.durability == ZC_DURABILITY_AUTO) {
		cfg->job.durability = ZC_DURABILITY_DATA; /* else it is the memory that is measured */
	}
}

static int bench_open_pool(struct zc_bench *bench)
{
	const struct zc_job_cfg *job = &bench->cfg.job;
	struct zc_pool_cfg cfg = {
		.buf_bytes = POOL_BYTES,
		.buf_count = 2,
		.huge = job->huge,
		.huge_bytes = job->huge_bytes,
		.node = job->numa_off ? ZC_NODE_ANY : job->numa_node,
	};
	struct zc_buf *buf;

	if (bench->cfg.work != ZC_BENCH_MEM && bench->cfg.work != ZC_BENCH_HASH) {
		return 0;
	}
	if (zc_pool_create(&bench->pool, &cfg, NULL) < 0) {
		return bench_fail(bench, 1, "out of memory");
	}
	buf = zc_pool_take(bench->pool);
	memset(buf->mem, 0x5a, buf->cap_bytes);
	zc_pool_give(bench->pool, buf);
	return 0;
}

/* What is written alone is made meanwhile, by one CPU: that is a limit of its own. */
static int bench_gen_rate(struct zc_bench *bench)
{
	struct arm maker = { .name = "random bytes", .job = { .numa_node = ZC_NODE_ANY } };
	struct run run = { 0 };
	char gen[64];
	int status;

	if (bench->cfg.work != ZC_BENCH_COPY && bench->cfg.work != ZC_BENCH_WRITE) {
		return 0;
	}
	snprintf(gen, sizeof(gen), "gen:0,%llu", (unsigned long long)GEN_BYTES);
	status = work_job(bench, &maker, gen, "null:", &run);
	bench->gen_rate = (double)GEN_BYTES / (double)ZC_GIB / ((double)run.wall_ns / 1e9);
	return status;
}

static int bench_make_sources(struct zc_bench *bench)
{
	unsigned count = bench->cfg.work == ZC_BENCH_COPY   ? 1
	                 : bench->cfg.work == ZC_BENCH_READ ? bench->disk_count
	                                                    : 0;
	int status = bench_gen_rate(bench);

	for (unsigned i = 0; i < count && status == 0; i++) {
		status = disk_make_source(bench, &bench->disks[i]);
	}
	return status;
}

static int bench_make_room(struct zc_bench *bench)
{
	for (unsigned i = 0; i < bench->arm_count; i++) {
		struct arm *arm = &bench->arms[i];

		arm->runs = calloc(bench->cfg.runs + 1, sizeof(*arm->runs));
		arm->stages = bench_is_disk(bench) ? calloc(ZC_STAGE_COUNT, sizeof(*arm->stages)) : NULL;
		if (arm->runs == NULL || (bench_is_disk(bench) && arm->stages == NULL)) {
			return bench_fail(bench, 1, "out of memory");
		}
	}
	return 0;
}

int zc_bench_open(struct zc_bench **ret_bench, const struct zc_bench_cfg *cfg, char *ret_why,
                  size_t cap_bytes)
{
	struct zc_bench *bench = calloc(1, sizeof(*bench));
	int status;

	if (bench == NULL) {
		snprintf(ret_why, cap_bytes, "out of memory");
		return 1;
	}
	bench->cfg = *cfg;
	bench->began_ns = zc_now_ns();
	bench_defaults(&bench->cfg);
	status = disks_open(bench);
	status = status == 0 ? arms_make(bench) : status;
	status = status == 0 ? bench_make_room(bench) : status;
	status = status == 0 ? facts_gather(bench) : status;
	status = status == 0 ? bench_open_pool(bench) : status;
	if (status != 0) {
		snprintf(ret_why, cap_bytes, "%s", bench->why);
		zc_bench_close(bench);
		return status;
	}
	*ret_bench = bench;
	return 0;
}

/* ---- runs */

int bench_run_disk(struct zc_bench *bench, struct arm *arm, struct run *run)
{
	struct disk *src = arm->kind == ARM_WRITE ? NULL : &bench->disks[arm->src];
	struct disk *dst = arm->kind == ARM_READ ? NULL : &bench->disks[arm->dst];
	char gen[64];
	int status = disk_prepare(bench, src, dst, run);
	int res;

	if (status != 0) {
		return status;
	}
	snprintf(gen, sizeof(gen), "gen:%llu,%llu", (unsigned long long)bench->cfg.seed,
	         (unsigned long long)bench->cfg.size_bytes);
	status = work_job(bench, arm, src == NULL ? gen : src->src_path,
	                  dst == NULL ? "null:" : dst->dst_path, run);
	if (src != NULL) {
		run->resident_after = disk_resident(src, bench->cfg.size_bytes);
	}
	/* also when it failed or was told to stop: it may have had its name by then */
	res = dst == NULL ? 0 : disk_remove(dst, bench->cfg.size_bytes);
	if (status != 0) {
		return status;
	}
	return res < 0 ? bench_fail(bench, 1, "%s: what was written is not there: %s", dst->dst_path,
	                            strerror(-res))
	               : 0;
}

/* Its writes passed the page cache because the copy's did; where that is refused they do not. */
static bool bench_undirect(struct zc_bench *bench, struct arm *arm, int status)
{
	if (status != 2 || !arm->as_copy) {
		return false;
	}
	arm->as_copy = false;
	arm->job.direct = ZC_WHEN_AUTO;
	bench->status = 0;
	return true;
}

static int bench_run_arm(struct zc_bench *bench, struct arm *arm)
{
	struct run *run = &arm->runs[arm->run_count];
	int status;

	*run = (struct run){ .round = bench->round,
		             .start_ns = zc_now_ns() - bench->began_ns,
		             .timed = bench->round > 0 && (bench->round % 4 == 1 || bench->round % 4 == 0),
		             .resident_before = -1,
		             .resident_after = -1 };
	if (bench->round == 0 && arm->as_copy && bench->arms[0].way.direct) {
		arm->job.direct = ZC_WHEN_ALWAYS;
	}
	status = bench_is_disk(bench) ? bench_run_disk(bench, arm, run) : work_floor(bench, arm, run);
	if (bench_undirect(bench, arm, status)) {
		return bench_run_arm(bench, arm);
	}
	arm->run_count += status == 0 && !zc_stopped();
	return status;
}

bool zc_bench_step(struct zc_bench *bench)
{
	unsigned turn = bench->round % 2 == 0 ? bench->turn : bench->arm_count - 1 - bench->turn;

	if (bench->round > bench->cfg.runs || zc_stopped() || bench->status != 0) {
		return false;
	}
	if ((bench->round == 0 && bench->turn == 0 && bench_make_sources(bench) != 0) ||
	    bench_run_arm(bench, &bench->arms[turn]) != 0) {
		return false;
	}
	bench->turn++;
	if (bench->turn == bench->arm_count) {
		bench->turn = 0;
		bench->round++;
	}
	bench->complete = bench->round > bench->cfg.runs;
	return !bench->complete;
}

void zc_bench_where(const struct zc_bench *bench, char *out, size_t cap_bytes)
{
	unsigned turn = bench->round % 2 == 0 ? bench->turn : bench->arm_count - 1 - bench->turn;

	if (bench->round == 0) {
		snprintf(out, cap_bytes, "warming up: %s", bench->arms[turn].name);
	} else {
		snprintf(out, cap_bytes, "run %u of %u: %s", bench->round, bench->cfg.runs,
		         bench->arms[turn].name);
	}
}

int zc_bench_finish(struct zc_bench *bench, const char **ret_why)
{
	summary_make(bench);
	*ret_why = bench->why;
	return bench->status;
}

void zc_bench_close(struct zc_bench *bench)
{
	if (bench == NULL) {
		return;
	}
	disks_close(bench);
	(void)zc_pool_destroy(bench->pool);
	for (unsigned i = 0; i < bench->arm_count; i++) {
		free(bench->arms[i].runs);
		free(bench->arms[i].stages);
	}
	facts_free(bench->facts);
	free(bench);
}
