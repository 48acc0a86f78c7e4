/*
 * work.c: does one run and takes its time: a job, from its opening until all it held is given back; or a
 * floor, which is the loop alone.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#include "bench.h"
#include "zcopy/engine.h"
#include "zcopy/mem.h"

#define NOP_DEPTH  128
#define NOP_BATCH  64
#define HASH_BYTES ZC_MIB

/* ---- what a run takes */

struct meter {
	uint64_t ns;
	struct rusage usage;
};

static void meter_start(struct meter *meter)
{
	(void)getrusage(RUSAGE_SELF, &meter->usage);
	meter->ns = zc_now_ns();
}

static uint64_t meter_ns(const struct timeval *end, const struct timeval *start)
{
	return (uint64_t)(end->tv_sec - start->tv_sec) * 1000000000u +
	       (uint64_t)(end->tv_usec - start->tv_usec) * 1000u;
}

static void meter_stop(const struct meter *meter, struct run *run)
{
	struct rusage usage;

	run->wall_ns = zc_now_ns() - meter->ns;
	(void)getrusage(RUSAGE_SELF, &usage);
	run->user_ns = meter_ns(&usage.ru_utime, &meter->usage.ru_utime);
	run->system_ns = meter_ns(&usage.ru_stime, &meter->usage.ru_stime);
	run->minor_faults = (uint64_t)(usage.ru_minflt - meter->usage.ru_minflt);
	run->major_faults = (uint64_t)(usage.ru_majflt - meter->usage.ru_majflt);
	run->switches = (uint64_t)(usage.ru_nvcsw - meter->usage.ru_nvcsw) +
	                (uint64_t)(usage.ru_nivcsw - meter->usage.ru_nivcsw);
}

/* ---- a job */

static void work_stage(void *arg, enum zc_stage stage, uint64_t ns)
{
	struct zc_hist *stages = arg;

	zc_hist_add(&stages[stage], ns);
}

static void work_engine(struct way *way, const struct zc_engine_facts *facts)
{
	snprintf(way->engine, sizeof(way->engine), "%s", facts->name);
	if (facts->setup != NULL && facts->thread_count > 0) {
		snprintf(way->engine, sizeof(way->engine), "%s %u threads", facts->name, facts->thread_count);
	} else if (facts->setup != NULL) {
		snprintf(way->engine, sizeof(way->engine), "%s %s", facts->name, facts->setup);
	}
	way->depth = facts->depth;
}

static void work_way(struct way *way, const struct zc_report *report)
{
	enum zc_route_kind most = ZC_ROUTE_AUTO;

	*way = (struct way){ .direct = report->direct };
	for (int i = 0; i < ZC_ROUTE_COUNT; i++) {
		if (report->routes[i].bytes > report->routes[most].bytes) {
			most = (enum zc_route_kind)i;
		}
	}
	way->route = most == ZC_ROUTE_AUTO ? "none" : zc_route_name(most);
	if (most == ZC_ROUTE_BUFFER && report->engine.name != NULL) {
		work_engine(way, &report->engine);
		way->block_bytes = report->block_bytes;
		way->pages = report->region.page_bytes != 0 ? zc_pages_name(report->region.got) : NULL;
	}
}

/* The job's first words. Our own names in front of them tell nobody anything. */
static int work_failed(struct zc_bench *bench, const struct arm *arm, const struct zc_report *report,
                       const char *const ends[2])
{
	const char *text = "a run failed";

	for (unsigned i = report->msg_count; i-- > 0;) {
		if (report->msgs[i].kind == ZC_MSG_ERROR) {
			text = report->msgs[i].text;
		}
	}
	for (int i = 0; i < 2; i++) {
		size_t len = strlen(ends[i]);

		if (strncmp(text, ends[i], len) == 0 && strncmp(text + len, ": ", 2) == 0) {
			text += len + 2;
		}
	}
	return bench_fail(bench, report->status, "bench: %s: %s", arm->name, text);
}

int work_job(struct zc_bench *bench, struct arm *arm, const char *src, const char *dst, struct run *run)
{
	const struct zc_probe probe = { work_stage, arm->stages };
	struct zc_job_cfg cfg = arm->job;
	struct zc_progress progress = { 0 };
	struct zc_report *report;
	struct meter meter;
	struct zc_job *job;
	int status;

	cfg.sources = &src;
	cfg.source_count = 1;
	cfg.dest = dst;
	cfg.dest_is_file = true;
	cfg.dest_is_dir = false; /* it was of the directories of the bench that this was said */
	cfg.probe = run->timed && arm->stages != NULL ? &probe : NULL;
	meter_start(&meter);
	if (zc_job_open(&job, &cfg, &progress) < 0) {
		return bench_fail(bench, 1, "out of memory");
	}
	while (zc_job_step(job)) {
	}
	zc_job_finish(job);
	meter_stop(&meter, run);
	report = zc_job_report(job);
	run->durable_ns = report->ns.durable;
	run->shared_bytes = report->routes[ZC_ROUTE_REFLINK].bytes;
	work_way(&arm->way, report);
	status = report->status;
	if (zc_stopped()) {
		status = 128 + zc_stop_signal;
	} else if (status != 0) {
		(void)work_failed(bench, arm, report, (const char *const[]){ src, dst });
	}
	zc_job_close(job);
	return status;
}

/* ---- floors */

static void nop_loop(struct zc_engine *engine, struct zc_req *reqs, unsigned depth, uint64_t count)
{
	struct zc_req *batch[NOP_BATCH];
	uint64_t started = zc_min_u64(depth, count);

	for (unsigned i = 0; i < started; i++) {
		batch[0] = &reqs[i];
		zc_engine_submit(engine, batch, 1);
	}
	while (zc_engine_in_flight(engine) > 0) {
		unsigned done = zc_engine_reap(engine, batch, NOP_BATCH, 1);
		unsigned next = zc_stopped() ? 0 : (unsigned)zc_min_u64(done, count - started);

		if (next > 0) {
			zc_engine_submit(engine, batch, next);
		}
		started += next;
	}
}

static int floor_nop(struct zc_bench *bench, struct arm *arm, struct run *run)
{
	unsigned depth = arm->job.queue_depth != 0 ? arm->job.queue_depth : NOP_DEPTH;
	struct zc_engine_cfg cfg = {
		.kind = arm->job.engine, .depth = depth, .thread_count = arm->job.jobs, .node = ZC_NODE_ANY
	};
	struct zc_req *reqs = calloc(depth, sizeof(*reqs));
	struct zc_engine_facts facts;
	struct zc_engine *engine;
	struct meter meter;
	int res = reqs == NULL ? -ENOMEM : zc_engine_open(&engine, &cfg);

	if (res < 0) {
		free(reqs);
		return bench_fail(bench, cfg.kind == ZC_ENGINE_URING ? 2 : 1,
		                  "--engine=uring cannot be had here: %s", strerror(-res));
	}
	for (unsigned i = 0; i < depth; i++) {
		reqs[i].op = ZC_OP_NOP;
	}
	zc_engine_facts(engine, &facts);
	work_engine(&arm->way, &facts);
	meter_start(&meter);
	nop_loop(engine, reqs, depth, bench->cfg.size_bytes);
	meter_stop(&meter, run);
	zc_engine_close(engine);
	free(reqs);
	return 0;
}

/* The compiler may not leave out what nobody looks at. */
static void floor_keep(const void *mem)
{
	__asm__ volatile("" : : "r"(mem) : "memory");
}

static void floor_mem(const struct zc_bench *bench, const struct arm *arm, struct zc_buf *const bufs[2])
{
	uint64_t left = bench->cfg.size_bytes;

	while (left > 0 && !zc_stopped()) {
		size_t len = (size_t)zc_min_u64(left, bufs[0]->cap_bytes);

		if (arm->kind == ARM_MEM_COPY) {
			memcpy(bufs[1]->mem, bufs[0]->mem, len);
		} else {
			memset(bufs[1]->mem, (int)(left >> 20) & 0xff, len);
		}
		floor_keep(bufs[1]->mem);
		left -= len;
	}
}

/* Pieces that stay in the CPU's cache: the digest is what is measured, mem says what memory gives. */
static int floor_hash(const struct zc_bench *bench, const struct arm *arm, struct zc_buf *const bufs[2])
{
	uint64_t left = bench->cfg.size_bytes;
	char hex[ZC_HASH_HEX_MAX];
	int res = 0;

	while (left > 0 && !zc_stopped() && res == 0) {
		size_t len = (size_t)zc_min_u64(left, HASH_BYTES);

		res = zc_hash_of(arm->job.hash, bufs[0]->mem, len, hex);
		left -= len;
	}
	return res;
}

int work_floor(struct zc_bench *bench, struct arm *arm, struct run *run)
{
	struct zc_buf *bufs[2];
	struct meter meter;
	int res = 0;

	if (arm->kind == ARM_NOP) {
		return floor_nop(bench, arm, run);
	}
	for (int i = 0; i < 2; i++) {
		bufs[i] = zc_pool_take(bench->pool);
	}
	arm->way.pages = zc_pages_name(zc_pool_region(bench->pool)->got);
	meter_start(&meter);
	if (arm->kind == ARM_HASH) {
		res = floor_hash(bench, arm, bufs);
	} else {
		floor_mem(bench, arm, bufs);
	}
	meter_stop(&meter, run);
	for (int i = 0; i < 2; i++) {
		zc_pool_give(bench->pool, bufs[i]);
	}
	return res < 0 ? bench_fail(bench, 1, "out of memory") : 0;
}
