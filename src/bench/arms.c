/*
 * arms.c: what is run in turns. --via names arms with commas between them; an arm is words joined by "+",
 * each of which sets one thing of how bytes move: an engine, a route, direct or buffered, bs=SIZE, qd=N,
 * jobs=N.
 */
#include <string.h>

#include "bench.h"

static bool arm_word_is(const char *word, size_t len, const char *name)
{
	return strlen(name) == len && memcmp(word, name, len) == 0;
}

/* "bs=", "qd=", "jobs=" */
static bool arm_number(struct zc_job_cfg *job, const char *word, size_t len)
{
	char text[40];
	uint64_t value;

	snprintf(text, sizeof(text), "%.*s", (int)len, word);
	if (strncmp(text, "bs=", 3) == 0 && zc_parse_size(text + 3, &value) == 0 && value >= 512 &&
	    value <= 64 * ZC_MIB && value % 512 == 0) {
		job->block_bytes = value;
	} else if (strncmp(text, "qd=", 3) == 0 && zc_parse_count(text + 3, 1, 4096, &value) == 0) {
		job->queue_depth = (unsigned)value;
	} else if (strncmp(text, "jobs=", 5) == 0 && zc_parse_count(text + 5, 1, 256, &value) == 0) {
		job->jobs = (unsigned)value;
	} else {
		return false;
	}
	return true;
}

static bool arm_word(struct zc_job_cfg *job, const char *word, size_t len)
{
	for (int kind = ZC_ROUTE_REFLINK; kind < ZC_ROUTE_COUNT; kind++) {
		if (arm_word_is(word, len, zc_route_name((enum zc_route_kind)kind))) {
			job->route = (enum zc_route_kind)kind;
			return true;
		}
	}
	if (arm_word_is(word, len, "auto")) {
		return true;
	}
	if (arm_word_is(word, len, "uring") || arm_word_is(word, len, "sync")) {
		job->engine = *word == 'u' ? ZC_ENGINE_URING : ZC_ENGINE_SYNC;
	} else if (arm_word_is(word, len, "direct") || arm_word_is(word, len, "buffered")) {
		job->direct = *word == 'd' ? ZC_WHEN_ALWAYS : ZC_WHEN_NEVER;
	} else if (!arm_number(job, word, len)) {
		return false;
	}
	if (job->reflink == ZC_WHEN_AUTO) {
		job->reflink = ZC_WHEN_NEVER; /* who says how bytes move wants them moved */
	}
	return true;
}

/* A way through the kernel, and words that say how our buffers are used: they would change nothing. */
static bool arm_is_contrary(const struct zc_job_cfg *job, const struct zc_job_cfg *like)
{
	bool kernel = job->route != ZC_ROUTE_AUTO && job->route != ZC_ROUTE_BUFFER;

	return kernel && (job->direct == ZC_WHEN_ALWAYS || job->engine != like->engine ||
	                  job->block_bytes != like->block_bytes || job->queue_depth != like->queue_depth ||
	                  job->jobs != like->jobs);
}

/* An arm beside itself shows what is chance: it gets a number. */
static void arm_make_unique(const struct zc_bench *bench, struct arm *arm)
{
	size_t used = strlen(arm->name);
	unsigned same = 1;

	for (unsigned i = 0; i < bench->arm_count; i++) {
		const char *other = bench->arms[i].name;

		same += strncmp(other, arm->name, used) == 0 &&
		        (other[used] == '\0' || strncmp(other + used, " #", 2) == 0);
	}
	if (same > 1) {
		snprintf(arm->name + used, sizeof(arm->name) - used, " #%u", same);
	}
}

/* Adds one, of the text up to len. */
static int arm_add(struct zc_bench *bench, const struct arm *like, const char *via, size_t len)
{
	struct arm *arm = &bench->arms[bench->arm_count];
	size_t word_len;

	if (bench->arm_count == ARM_MAX) {
		return bench_fail(bench, 2, "more than %d arms", ARM_MAX);
	}
	*arm = *like;
	for (size_t at = 0; via != NULL && at <= len; at += word_len + 1) {
		word_len = strcspn(via + at, "+,");
		if (!arm_word(&arm->job, via + at, word_len)) {
			return bench_fail(bench, 2,
			                  "--via: '%.*s' is none of auto, uring, sync, reflink, cfr, "
			                  "sendfile, splice, buffer, direct, buffered, bs=SIZE, qd=N, jobs=N",
			                  (int)zc_min_u64(word_len, 40), via + at);
		}
	}
	if (via != NULL && arm_is_contrary(&arm->job, &like->job)) {
		return bench_fail(bench, 2,
		                  "--via: '%.*s': %s goes without our buffers, of which the rest speaks",
		                  (int)zc_min_u64(len, 40), via, zc_route_name(arm->job.route));
	}
	if (via != NULL) {
		size_t used = strlen(arm->name);

		snprintf(arm->name + used, sizeof(arm->name) - used, "%s%.*s", used > 0 ? " " : "", (int)len,
		         via);
	}
	arm_make_unique(bench, arm);
	bench->arm_count++;
	return 0;
}

static int arms_add_via(struct zc_bench *bench, const struct arm *like)
{
	const char *via = bench->cfg.via;
	int status = 0;
	size_t len;

	if (via == NULL) {
		return arm_add(bench, like, NULL, 0);
	}
	for (;; via += len + 1) {
		len = strcspn(via, ",");
		status = arm_add(bench, like, via, len);
		if (status != 0 || via[len] == '\0') {
			return status;
		}
	}
}

/* What the ceiling is made of: reading alone and writing alone, on the way that the copy goes. */
static int arms_add_ceiling(struct zc_bench *bench, struct arm like)
{
	int status;

	like.asked = false;
	like.job.route = ZC_ROUTE_AUTO;
	like.job.reflink = ZC_WHEN_NEVER;
	like.kind = ARM_READ;
	snprintf(like.name, sizeof(like.name), "read alone");
	status = arm_add(bench, &like, NULL, 0);
	like.kind = ARM_WRITE;
	snprintf(like.name, sizeof(like.name), "write alone");
	like.as_copy = like.job.direct == ZC_WHEN_AUTO;
	return status == 0 ? arm_add(bench, &like, NULL, 0) : status;
}

/* Each directory is one, and each of --via in it. */
static int arms_of_dirs(struct zc_bench *bench, struct arm like)
{
	int status = 0;

	for (unsigned i = 0; i < bench->disk_count && status == 0; i++) {
		like.src = like.dst = i;
		snprintf(like.name, sizeof(like.name), "%s", bench_work_name(bench->cfg.work));
		if (bench->disk_count > 1) {
			char quoted[64];

			zc_quote(quoted, sizeof(quoted), bench->disks[i].path);
			snprintf(like.name, sizeof(like.name), "%s %s", bench_work_name(bench->cfg.work),
			         quoted);
		}
		status = arms_add_via(bench, &like);
	}
	return status;
}

static int arms_of_hashes(struct zc_bench *bench, struct arm like)
{
	int status = 0;

	for (int kind = ZC_HASH_XXH3; kind <= ZC_HASH_SHA256 && status == 0; kind++) {
		bool wanted = bench->cfg.job.hash == ZC_HASH_AUTO || (int)bench->cfg.job.hash == kind;

		if (!wanted || !zc_hash_available((enum zc_hash)kind)) {
			continue;
		}
		like.job.hash = (enum zc_hash)kind;
		snprintf(like.name, sizeof(like.name), "%s", zc_hash_name(like.job.hash));
		status = arm_add(bench, &like, NULL, 0);
	}
	return status;
}

int arms_make(struct zc_bench *bench)
{
	struct arm like = { .kind = ARM_COPY, .asked = true, .job = bench->cfg.job };
	int status;

	switch (bench->cfg.work) {
	case ZC_BENCH_COPY:
		like.dst = bench->disk_count - 1;
		snprintf(like.name, sizeof(like.name), "copy");
		status = arms_add_via(bench, &like);
		return status == 0 ? arms_add_ceiling(bench, like) : status;
	case ZC_BENCH_READ:
		like.kind = ARM_READ;
		return arms_of_dirs(bench, like);
	case ZC_BENCH_WRITE:
		like.kind = ARM_WRITE;
		return arms_of_dirs(bench, like);
	case ZC_BENCH_NOP:
		like.kind = ARM_NOP;
		snprintf(like.name, sizeof(like.name), "nop");
		return arms_add_via(bench, &like);
	case ZC_BENCH_MEM:
		like.kind = ARM_MEM_COPY;
		snprintf(like.name, sizeof(like.name), "copy");
		status = arm_add(bench, &like, NULL, 0);
		like.kind = ARM_MEM_FILL;
		snprintf(like.name, sizeof(like.name), "fill");
		return status == 0 ? arm_add(bench, &like, NULL, 0) : status;
	case ZC_BENCH_HASH:
		like.kind = ARM_HASH;
		return arms_of_hashes(bench, like);
	}
	return 0;
}

const char *arm_unit(const struct arm *arm)
{
	return arm->kind == ARM_NOP ? "M/s" : "GiB/s";
}

double arm_value(const struct zc_bench *bench, const struct arm *arm, const struct run *run)
{
	double rate = (double)bench->cfg.size_bytes / ((double)run->wall_ns / 1e9);

	return rate / (arm->kind == ARM_NOP ? 1e6 : (double)ZC_GIB);
}
