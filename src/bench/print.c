/* print.c: the results as a table for people. A figure that so few values do not carry is not printed. */
#include <math.h>
#include <string.h>

#include "bench.h"

#define NAME_WIDTH 30

static const struct {
	const char *name;
	unsigned thousandths;
} percentiles[] = { { "P50", 50000 }, { "P95", 95000 }, { "P99", 99000 }, { "P99.9", 99900 } };

static void print_head(const struct zc_bench *bench, FILE *file)
{
	static const char *const durabilities[] = { "auto", "none", "data", "full" };
	const struct zc_bench_cfg *cfg = &bench->cfg;
	char size[16];

	if (cfg->work == ZC_BENCH_NOP) {
		fprintf(file, "nop: %llu requests", (unsigned long long)cfg->size_bytes);
	} else {
		fprintf(file, "%s: %s", bench_work_name(cfg->work), zc_format_size(size, cfg->size_bytes));
	}
	if (cfg->work == ZC_BENCH_COPY || cfg->work == ZC_BENCH_READ) {
		fprintf(file, ", source %s", cfg->warm ? "cached" : "not cached");
	}
	if (cfg->work == ZC_BENCH_COPY || cfg->work == ZC_BENCH_WRITE) {
		fprintf(file, ", durability %s", durabilities[cfg->job.durability]);
	}
	fprintf(file, "; %u runs an arm, in turns, after one to warm up\n", cfg->runs);
	if (!bench->complete) {
		fputs("NOT COMPLETE: what follows is of the runs so far\n", file);
	}
}

/* "uring single_issuer, 1.0 MiB x 16, direct, thp" */
static void print_way(const struct way *way, FILE *file)
{
	char size[16];

	fprintf(file, "%s", way->route != NULL ? way->route : "");
	if (way->engine[0] != '\0') {
		fprintf(file, "%s%s", way->route != NULL ? ", " : "", way->engine);
	}
	if (way->block_bytes != 0) {
		fprintf(file, ", %s x %u", zc_format_size(size, way->block_bytes), way->depth);
	}
	fprintf(file, "%s", way->direct ? ", O_DIRECT" : "");
	if (way->pages != NULL) {
		fprintf(file, "%s%s", way->route != NULL ? ", " : "", way->pages);
	}
}

static void print_number(FILE *file, int width, double value)
{
	if (isnan(value)) {
		fprintf(file, " %*s", width, "n/a");
	} else {
		fprintf(file, " %*.*f", width, value < 10 ? 3 : value < 100 ? 2 : 1, value);
	}
}

static void print_arms(const struct zc_bench *bench, FILE *file)
{
	fprintf(file, "\n%-*s %8s   %-19s %-19s %5s %9s  way\n", NAME_WIDTH, "", arm_unit(&bench->arms[0]),
	        "   95 % interval", "   quartiles", "CV %", "CPU s/GiB");
	for (unsigned i = 0; i < bench->arm_count; i++) {
		const struct summary *summary = &bench->arms[i].summary;

		if (summary->count == 0) {
			continue;
		}
		fprintf(file, "%-*s", NAME_WIDTH, bench->arms[i].name);
		print_number(file, 8, summary->median);
		print_number(file, 9, summary->interval.low);
		fputs(" -", file);
		print_number(file, 8, summary->interval.high);
		print_number(file, 8, summary->first_quartile);
		fputs(" -", file);
		print_number(file, 8, summary->third_quartile);
		fprintf(file, " %5.1f", 100 * summary->variation);
		print_number(file, 9, summary->cpu_s_per_gib);
		fputs("  ", file);
		print_way(&bench->arms[i].way, file);
		fputc('\n', file);
	}
}

/* Microseconds, or how many requests it would take. */
static void print_latency(const struct zc_hist *hist, const char *arm, const char *stage, FILE *file)
{
	char name[128];

	snprintf(name, sizeof(name), "%s: %s", arm, stage);
	fprintf(file, "%-*s %9llu", NAME_WIDTH, name, (unsigned long long)hist->count);
	for (unsigned i = 0; i < ZC_ARRAY_LEN(percentiles); i++) {
		char text[40];
		unsigned thousandths = percentiles[i].thousandths;

		if (hist->count < zc_stats_need(thousandths)) {
			snprintf(text, sizeof(text), "n/a (need %llu)",
			         (unsigned long long)zc_stats_need(thousandths));
		} else {
			snprintf(text, sizeof(text), "%.1f",
			         (double)zc_hist_percentile(hist, thousandths) / 1000);
		}
		fprintf(file, " %16s", text);
	}
	fprintf(file, " %12.1f\n", (double)hist->max_ns / 1000);
}

static void print_stages(const struct zc_bench *bench, FILE *file)
{
	bool any = false;

	for (unsigned i = 0; i < bench->arm_count; i++) {
		const struct arm *arm = &bench->arms[i];

		for (int stage = 0; arm->stages != NULL && stage < ZC_STAGE_COUNT; stage++) {
			if (arm->stages[stage].count == 0) {
				continue;
			}
			if (!any) {
				fprintf(file, "\n%-*s %9s", NAME_WIDTH, "latency in us", "requests");
				for (unsigned p = 0; p < ZC_ARRAY_LEN(percentiles); p++) {
					fprintf(file, " %16s", percentiles[p].name);
				}
				fprintf(file, " %12s\n", "most");
			}
			any = true;
			print_latency(&arm->stages[stage], arm->name, stage_names[stage], file);
		}
	}
}

/* What fdatasync and the like took of the time. */
static void print_durable(const struct zc_bench *bench, FILE *file)
{
	const char *between = "\ndurable: ";

	for (unsigned i = 0; i < bench->arm_count; i++) {
		const struct arm *arm = &bench->arms[i];

		if (arm->summary.durable_share > 0) {
			fprintf(file, "%s%s waits %.1f %% of its time for the storage", between, arm->name,
			        100 * arm->summary.durable_share);
			between = ", ";
		}
	}
}

static void print_ratio(FILE *file, const struct zc_ratio *ratio)
{
	fprintf(file, "%.3f", ratio->ratio);
	if (!isnan(ratio->interval.low)) {
		fprintf(file, " (95 %% interval %.3f - %.3f)", ratio->interval.low, ratio->interval.high);
	}
}

static void print_versus(const struct zc_bench *bench, FILE *file)
{
	struct versus versus;

	fputc('\n', file);
	for (unsigned i = 0; i < bench->arm_count; i++) {
		if (!summary_versus(bench, &bench->arms[i], &versus)) {
			continue;
		}
		fprintf(file, "%s is ", versus.a->name);
		print_ratio(file, &versus.welch);
		fprintf(file, " times as fast as %s; p: Welch %.2g, Mann-Whitney %.2g, signs of pairs %.2g\n",
		        versus.b->name, versus.welch.p, versus.mann_whitney, versus.sign_flip);
	}
}

static bool print_shared(const struct arm *arm)
{
	return arm->run_count > 0 && arm->runs[arm->run_count - 1].shared_bytes > 0;
}

static void print_ceiling(const struct zc_bench *bench, FILE *file)
{
	struct ceiling ceiling;

	if (!summary_ceiling(bench, &ceiling)) {
		return;
	}
	fprintf(file, "ceiling: %.3f GiB/s, %s is the slower;", ceiling.rate, ceiling.limit->name);
	for (unsigned i = 0; i < bench->arm_count; i++) {
		const struct arm *arm = &bench->arms[i];

		if (!arm->asked || arm->summary.count == 0) {
			continue;
		}
		if (print_shared(arm)) {
			fprintf(file, " %s shares the blocks and moves none", arm->name);
		} else {
			fprintf(file, " %s reaches %.0f %%", arm->name,
			        100 * arm->summary.median / ceiling.rate);
		}
		fputc(';', file);
	}
	if (bench->disks[0].dev == bench->disks[bench->disk_count - 1].dev) {
		fputs(" one file system reads and writes", file);
	}
	fputc('\n', file);
}

static void print_gen(const struct zc_bench *bench, FILE *file)
{
	if (bench->gen_rate > 0) {
		fprintf(file, "random bytes: what is written alone is made at %.1f GiB/s at most\n",
		        bench->gen_rate);
	}
}

static void print_cache(const struct zc_bench *bench, FILE *file)
{
	int least = 101;
	int most = -1;
	int after = -1;

	for (unsigned i = 0; i < bench->arm_count; i++) {
		for (unsigned r = 0; r < bench->arms[i].run_count; r++) {
			const struct run *run = &bench->arms[i].runs[r];

			if (run->resident_before >= 0) {
				least = run->resident_before < least ? run->resident_before : least;
				most = run->resident_before > most ? run->resident_before : most;
			}
			after = run->resident_after > after ? run->resident_after : after;
		}
	}
	if (most < 0) {
		if (bench->cfg.work == ZC_BENCH_COPY || bench->cfg.work == ZC_BENCH_READ) {
			fputs("cache: this kernel does not say what of the source is in it\n", file);
		}
		return;
	}
	fprintf(file,
	        "cache: before the runs %d - %d %% of the source was in it, afterwards up to %d %% (%s)%s\n",
	        least, most, after, bench->disks[0].how,
	        (bench->cfg.warm ? least < 99 : most > 1) ? ": NOT AS ASKED" : "");
}

static void print_observer(const struct zc_bench *bench, FILE *file)
{
	struct zc_ratio ratio;

	for (unsigned i = 0; i < bench->arm_count; i++) {
		if (summary_observer(bench, &bench->arms[i], &ratio)) {
			fprintf(file, "observer: with its stages timed, %s took ", bench->arms[i].name);
			print_ratio(file, &ratio);
			fputs(" times as long\n", file);
		}
	}
}

static void print_facts(const struct zc_bench *bench, FILE *file)
{
	const struct facts *facts = bench->facts;
	char size[16];
	char path[200];

	fprintf(file, "host: Linux %s %s, %s%s%u CPUs%s%s, %s, pages of %llu bytes, THP %s\n", facts->kernel,
	        facts->machine, facts->cpu, facts->cpu[0] != '\0' ? ", " : "", facts->cpus,
	        facts->governor[0] != '\0' ? ", governor " : "", facts->governor,
	        zc_format_size(size, facts->memory_bytes), (unsigned long long)facts->page_bytes,
	        facts->huge[0] != '\0' ? facts->huge : "none");
	fprintf(file, "clock: %s, step %llu ns, %llu ns a look\n",
	        facts->clocksource[0] != '\0' ? facts->clocksource : "unknown",
	        (unsigned long long)facts->clock_tick_ns, (unsigned long long)facts->clock_cost_ns);
	for (unsigned i = 0; i < bench->disk_count; i++) {
		const struct disk_facts *disk = &facts->disks[i];

		fprintf(file, "%s: %s on %s (%s)%s%s%s%s%s\n",
		        zc_quote(path, sizeof(path), bench->disks[i].path), bench->disks[i].fs,
		        disk->device[0] != '\0' ? disk->device : "no device", disk->numbers,
		        disk->model[0] != '\0' ? ", " : "", disk->model,
		        disk->scheduler[0] != '\0' ? ", scheduler " : "", disk->scheduler,
		        strcmp(disk->rotational, "1") == 0 ? ", rotational" : "");
	}
}

void zc_bench_print(const struct zc_bench *bench, FILE *file)
{
	if (bench->round <= 1) {
		return; /* not every arm has a run that counts */
	}
	print_head(bench, file);
	print_arms(bench, file);
	print_stages(bench, file);
	print_durable(bench, file);
	print_versus(bench, file);
	print_ceiling(bench, file);
	print_gen(bench, file);
	print_cache(bench, file);
	print_observer(bench, file);
	print_facts(bench, file);
}
