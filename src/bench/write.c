/* write.c: the results as zcopy.bench/1. Absent facts are absent keys. */
#include <errno.h>
#include <math.h>

#include "bench.h"
#include "zc_config.h"

static void write_text(struct zc_json *json, const char *key, const char *text)
{
	if (text != NULL && text[0] != '\0') {
		zc_json_str(json, key, text);
	}
}

static void write_interval(struct zc_json *json, const char *key, double low, double high)
{
	if (!isnan(low)) {
		zc_json_open(json, key, '[');
		zc_json_real(json, NULL, low);
		zc_json_real(json, NULL, high);
		zc_json_close(json, ']');
	}
}

static void write_spec(const struct zc_bench *bench, struct zc_json *json)
{
	static const char *const durabilities[] = { "auto", "none", "data", "full" };
	const struct zc_bench_cfg *cfg = &bench->cfg;

	zc_json_open(json, "spec", '{');
	zc_json_str(json, "work", bench_work_name(cfg->work));
	zc_json_u64(json, cfg->work == ZC_BENCH_NOP ? "requests" : "size_bytes", cfg->size_bytes);
	zc_json_u64(json, "runs", cfg->runs);
	zc_json_u64(json, "warm_up_runs", 1);
	if (bench->disk_count > 0) {
		zc_json_str(json, "source", cfg->warm ? "cached" : "not cached");
		zc_json_str(json, "durability", durabilities[cfg->job.durability]);
		zc_json_u64(json, "seed", cfg->seed);
	}
	write_text(json, "via", cfg->via);
	zc_json_open(json, "dirs", '[');
	for (unsigned i = 0; i < bench->disk_count; i++) {
		zc_json_open(json, NULL, '{');
		zc_json_name(json, "path", bench->disks[i].path);
		zc_json_close(json, '}');
	}
	zc_json_close(json, ']');
	zc_json_close(json, '}');
}

static void write_devices(const struct zc_bench *bench, struct zc_json *json)
{
	zc_json_open(json, "dev", '[');
	for (unsigned i = 0; i < bench->disk_count; i++) {
		const struct disk_facts *disk = &bench->facts->disks[i];

		zc_json_open(json, NULL, '{');
		zc_json_name(json, "path", bench->disks[i].path);
		zc_json_str(json, "fs", bench->disks[i].fs);
		zc_json_str(json, "numbers", disk->numbers);
		write_text(json, "device", disk->device);
		write_text(json, "model", disk->model);
		write_text(json, "sched", disk->scheduler);
		if (disk->rotational[0] != '\0') {
			zc_json_bool(json, "rotational", disk->rotational[0] == '1');
		}
		zc_json_close(json, '}');
	}
	zc_json_close(json, ']');
}

static void write_facts(const struct zc_bench *bench, struct zc_json *json)
{
	const struct facts *facts = bench->facts;

	zc_json_open(json, "facts", '{');
	zc_json_str(json, "arch", facts->machine);
	zc_json_open(json, "cpu", '{');
	write_text(json, "model", facts->cpu);
	zc_json_u64(json, "count", facts->cpus);
	write_text(json, "governor", facts->governor);
	zc_json_close(json, '}');
	zc_json_open(json, "kernel", '{');
	zc_json_str(json, "release", facts->kernel);
	zc_json_close(json, '}');
	zc_json_open(json, "page", '{');
	zc_json_u64(json, "base", facts->page_bytes);
	write_text(json, "thp", facts->huge);
	zc_json_close(json, '}');
	zc_json_open(json, "mem", '{');
	zc_json_u64(json, "total", facts->memory_bytes);
	zc_json_close(json, '}');
	zc_json_open(json, "clock", '{');
	write_text(json, "source", facts->clocksource);
	zc_json_u64(json, "tick_ns", facts->clock_tick_ns);
	zc_json_u64(json, "cost_ns", facts->clock_cost_ns);
	zc_json_close(json, '}');
	write_devices(bench, json);
	zc_json_close(json, '}');
}

static void write_run(const struct zc_bench *bench, const struct arm *arm, const struct run *run,
                      struct zc_json *json)
{
	zc_json_open(json, NULL, '{');
	zc_json_str(json, "arm", arm->name);
	zc_json_u64(json, "round", run->round);
	zc_json_bool(json, "warm_up", run->round == 0);
	zc_json_bool(json, "timed", run->timed);
	zc_json_u64(json, arm->kind == ARM_NOP ? "requests" : "bytes", bench->cfg.size_bytes);
	zc_json_u64(json, "start_ns", run->start_ns);
	zc_json_u64(json, "wall_ns", run->wall_ns);
	zc_json_u64(json, "user_ns", run->user_ns);
	zc_json_u64(json, "sys_ns", run->system_ns);
	zc_json_u64(json, "minflt", run->minor_faults);
	zc_json_u64(json, "majflt", run->major_faults);
	zc_json_u64(json, "ctx", run->switches);
	if (bench->disk_count > 0) {
		zc_json_u64(json, "durable_ns", run->durable_ns);
		zc_json_u64(json, "dirty_before", run->dirty_bytes);
	}
	if (run->shared_bytes > 0) {
		zc_json_u64(json, "shared_bytes", run->shared_bytes);
	}
	if (run->resident_before >= 0) {
		zc_json_u64(json, "resident_before", (uint64_t)run->resident_before);
	}
	if (run->resident_after >= 0) {
		zc_json_u64(json, "resident_after", (uint64_t)run->resident_after);
	}
	zc_json_close(json, '}');
}

/* In the order in which they were done. */
static void write_runs(const struct zc_bench *bench, struct zc_json *json)
{
	zc_json_open(json, "runs", '[');
	for (unsigned round = 0; round <= bench->cfg.runs; round++) {
		for (unsigned turn = 0; turn < bench->arm_count; turn++) {
			unsigned i = round % 2 == 0 ? turn : bench->arm_count - 1 - turn;

			if (round < bench->arms[i].run_count) {
				write_run(bench, &bench->arms[i], &bench->arms[i].runs[round], json);
			}
		}
	}
	zc_json_close(json, ']');
}

static void write_stage(const struct zc_hist *hist, const char *name, struct zc_json *json)
{
	static const struct {
		const char *key;
		unsigned thousandths;
	} percentiles[] = { { "50", 50000 }, { "95", 95000 }, { "99", 99000 }, { "99.9", 99900 } };

	zc_json_open(json, name, '{');
	zc_json_u64(json, "count", hist->count);
	zc_json_u64(json, "sum_ns", hist->sum_ns);
	zc_json_u64(json, "max_ns", hist->max_ns);
	zc_json_open(json, "pct", '{');
	for (unsigned i = 0; i < ZC_ARRAY_LEN(percentiles); i++) {
		if (hist->count >= zc_stats_need(percentiles[i].thousandths)) {
			zc_json_u64(json, percentiles[i].key,
			            zc_hist_percentile(hist, percentiles[i].thousandths));
		}
	}
	zc_json_close(json, '}');
	zc_json_open(json, "hist", '[');
	for (unsigned i = 0; i < ZC_HIST_BINS; i++) {
		if (hist->bins[i] > 0) {
			zc_json_open(json, NULL, '[');
			zc_json_u64(json, NULL, i);
			zc_json_u64(json, NULL, hist->bins[i]);
			zc_json_close(json, ']');
		}
	}
	zc_json_close(json, ']');
	zc_json_close(json, '}');
}

static void write_way(const struct way *way, struct zc_json *json)
{
	write_text(json, "route", way->route);
	write_text(json, "engine", way->engine);
	if (way->block_bytes > 0) {
		zc_json_u64(json, "block_bytes", way->block_bytes);
	}
	if (way->depth > 0) {
		zc_json_u64(json, "queue_depth", way->depth);
	}
	zc_json_bool(json, "direct", way->direct);
	write_text(json, "pages", way->pages);
}

static void write_summary(const struct zc_bench *bench, const struct arm *arm, struct zc_json *json)
{
	const struct summary *summary = &arm->summary;
	struct zc_ratio ratio;

	zc_json_open(json, NULL, '{');
	zc_json_str(json, "arm", arm->name);
	zc_json_str(json, "metric", arm->kind == ARM_NOP ? "Mreq_per_s" : "GiB_per_s");
	zc_json_u64(json, "n", summary->count);
	zc_json_real(json, "median", summary->median);
	write_interval(json, "ci95", summary->interval.low, summary->interval.high);
	write_interval(json, "quartiles", summary->first_quartile, summary->third_quartile);
	zc_json_real(json, "cv", summary->variation);
	zc_json_real(json, "cpu_s_per_gib", summary->cpu_s_per_gib);
	if (summary->durable_share > 0) {
		zc_json_real(json, "durable_share", summary->durable_share);
	}
	write_way(&arm->way, json);
	if (summary_observer(bench, arm, &ratio)) {
		zc_json_open(json, "observer", '{');
		zc_json_real(json, "ratio", ratio.ratio);
		write_interval(json, "ci95", ratio.interval.low, ratio.interval.high);
		zc_json_close(json, '}');
	}
	if (arm->stages != NULL && arm->stages[ZC_STAGE_WAIT].count > 0) {
		zc_json_open(json, "stages", '{');
		for (int stage = 0; stage < ZC_STAGE_COUNT; stage++) {
			if (arm->stages[stage].count > 0) {
				write_stage(&arm->stages[stage], stage_names[stage], json);
			}
		}
		zc_json_close(json, '}');
	}
	zc_json_close(json, '}');
}

static void write_compare(const struct zc_bench *bench, struct zc_json *json)
{
	struct versus versus;

	zc_json_open(json, "compare", '[');
	for (unsigned i = 0; i < bench->arm_count; i++) {
		if (!summary_versus(bench, &bench->arms[i], &versus)) {
			continue;
		}
		zc_json_open(json, NULL, '{');
		zc_json_str(json, "a", versus.a->name);
		zc_json_str(json, "b", versus.b->name);
		zc_json_real(json, "ratio", versus.welch.ratio);
		write_interval(json, "ci95", versus.welch.interval.low, versus.welch.interval.high);
		zc_json_real(json, "p_welch", versus.welch.p);
		zc_json_real(json, "p_mwu", versus.mann_whitney);
		write_interval(json, "ci95_paired", versus.paired.interval.low, versus.paired.interval.high);
		zc_json_real(json, "p_paired", versus.paired.p);
		zc_json_real(json, "p_sign_flip", versus.sign_flip);
		zc_json_close(json, '}');
	}
	zc_json_close(json, ']');
}

static void write_ceiling(const struct zc_bench *bench, struct zc_json *json)
{
	struct ceiling ceiling;

	if (!summary_ceiling(bench, &ceiling)) {
		return;
	}
	zc_json_open(json, "ceiling", '{');
	zc_json_real(json, "GiB_per_s", ceiling.rate);
	zc_json_str(json, "limit", ceiling.limit->name);
	zc_json_bool(json, "one_file_system", bench->disks[0].dev == bench->disks[bench->disk_count - 1].dev);
	zc_json_open(json, "reached", '[');
	for (unsigned i = 0; i < bench->arm_count; i++) {
		const struct arm *arm = &bench->arms[i];

		if (arm->asked && arm->summary.count > 0) {
			zc_json_open(json, NULL, '{');
			zc_json_str(json, "arm", arm->name);
			zc_json_real(json, "fraction", arm->summary.median / ceiling.rate);
			zc_json_close(json, '}');
		}
	}
	zc_json_close(json, ']');
	zc_json_close(json, '}');
}

int zc_bench_write(const struct zc_bench *bench, FILE *file)
{
	struct zc_json json;

	zc_json_init(&json, file);
	zc_json_open(&json, NULL, '{');
	zc_json_str(&json, "schema", "zcopy.bench/1");
	zc_json_bool(&json, "complete", bench->complete);
	zc_json_open(&json, "tool", '{');
	zc_json_str(&json, "version", ZC_VERSION);
	zc_json_str(&json, "cc", __VERSION__);
	zc_json_close(&json, '}');
	write_spec(bench, &json);
	write_facts(bench, &json);
	write_runs(bench, &json);
	zc_json_open(&json, "summary", '[');
	for (unsigned i = 0; i < bench->arm_count; i++) {
		if (bench->arms[i].summary.count > 0) {
			write_summary(bench, &bench->arms[i], &json);
		}
	}
	zc_json_close(&json, ']');
	write_compare(bench, &json);
	write_ceiling(bench, &json);
	if (bench->gen_rate > 0) {
		zc_json_real(&json, "gen_GiB_per_s", bench->gen_rate);
	}
	zc_json_close(&json, '}');
	putc('\n', file);
	return fflush(file) != 0 || ferror(file) ? -EIO : 0;
}
