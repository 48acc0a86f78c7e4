/* steer.c: between the tuner, which knows no clock, and the route, which knows no tuner. */
#include "steer.h"

#include <errno.h>
#include <stdlib.h>

#include "lane.h"
#include "profile.h"
#include "report.h"

/* The kernel cuts larger requests than 1 MiB anyway: more of them are as good. */
#define BLOCK_BYTES_MIN (64 * ZC_KIB)
#define DEPTH_MAX       64
/* From here on a step beyond twice the first depth is worth a new pool. */
#define DEEP_BYTES_MIN (4 * ZC_GIB)

static void steer_use(struct steer *steer)
{
	steer->route.block_bytes = steer->tune.now.at[TUNE_BLOCK];
	steer->route.depth = steer->tune.now.at[TUNE_DEPTH];
	steer->route.halt = steer->route.depth > steer->buf_count;
}

/* Between two batches of requests: allocates nothing and says nothing. */
static void steer_beat(struct zc_knobs *route, uint64_t done_bytes)
{
	struct steer *steer = (struct steer *)route;
	uint64_t bytes = steer->base_bytes + done_bytes;
	uint64_t ns;

	if (steer->tune.decided) {
		return;
	}
	ns = steer->base_ns + (zc_now_ns() - steer->leg_ns) + 1;
	if (tune_step(&steer->tune, bytes, ns)) {
		steer_use(steer);
	}
	if (steer->tune.decided) {
		steer->end_bytes = bytes;
		steer->end_ns = ns;
	}
}

static void steer_tune(struct steer *steer, const struct zc_job_cfg *cfg, const struct zc_end *src,
                       const struct zc_end *dst, const struct lane_cfg *lane)
{
	struct tune_point start = { { (uint32_t)lane->block_bytes, lane->buf_count, 1 } };
	struct tune_cfg tune = {
		.start = start, .min = start, .max = start, .total_bytes = src->shape.size_bytes
	};

	if (cfg->block_bytes == 0) {
		uint64_t align = zc_max_u64(src->shape.align_bytes, dst->shape.align_bytes);

		tune.min.at[TUNE_BLOCK] =
		    (uint32_t)zc_min_u64(lane->block_bytes, zc_max_u64(BLOCK_BYTES_MIN, align));
	}
	if (cfg->queue_depth == 0) {
		tune.min.at[TUNE_DEPTH] = 1;
		if (cfg->jobs == 0 && cfg->pool_bytes == 0) {
			uint32_t most =
			    src->shape.size_bytes < DEEP_BYTES_MIN ? 2 * lane->buf_count : DEPTH_MAX;

			tune.max.at[TUNE_DEPTH] = (uint32_t)zc_max_u64(most, lane->buf_count);
		}
	}
	tune_init(&steer->tune, &tune);
}

/* What zcopy tune found out, unless the user says something else. */
static bool steer_know(const struct zc_job_cfg *cfg, const struct zc_end *src, const struct zc_end *dst,
                       struct zc_report *report, struct profile *ret_profile)
{
	uint64_t align = zc_max_u64(src->shape.align_bytes, dst->shape.align_bytes);
	char *path;
	int res;

	if (cfg->block_bytes != 0 || cfg->queue_depth != 0 || cfg->jobs != 0 || cfg->pool_bytes != 0 ||
	    src->shape.size_bytes < ZC_PROFILE_BYTES_MIN) {
		return false;
	}
	res = profile_read(ret_profile, src->shape.fd, dst->shape.fd, &path);
	if (res == 0 && ret_profile->block_bytes % align != 0) {
		res = -ESTALE;
	}
	if (cfg->explain && path != NULL) {
		char quoted[300];

		report_say(report, ZC_MSG_EXPLAIN, "tune: %s: %s", zc_quote(quoted, sizeof(quoted), path),
		           res == 0         ? "as zcopy tune found out"
		           : res == -ENOENT ? "nothing known"
		           : res == -ESTALE ? "stale, of another kernel, file system or page size: ignored"
		                            : "cannot be used");
	}
	free(path);
	return res == 0;
}

/* Twice the depth while a deeper queue may be tried. */
static void steer_fit(struct steer *steer, struct lane_cfg *lane)
{
	const struct tune *tune = &steer->tune;
	unsigned depth = tune->now.at[TUNE_DEPTH];

	steer->buf_count =
	    tune->decided ? depth : (unsigned)zc_min_u64(2ull * depth, tune->cfg.max.at[TUNE_DEPTH]);
	lane->buf_count = steer->buf_count;
	lane->block_bytes = tune->decided ? tune->now.at[TUNE_BLOCK] : tune->cfg.max.at[TUNE_BLOCK];
	if (steer->threads_follow) {
		lane->thread_count = steer->buf_count;
	}
}

void steer_begin(struct steer *steer, const struct zc_job_cfg *cfg, const struct zc_end *src,
                 const struct zc_end *dst, struct zc_report *report, struct lane_cfg *lane)
{
	struct profile profile;

	if (steer->begun && steer->devs[0] == src->shape.dev && steer->devs[1] == dst->shape.dev &&
	    steer->tune.cfg.total_bytes >= TUNE_BYTES_MIN) {
		tune_add(&steer->tune, src->shape.size_bytes);
	} else {
		*steer = (struct steer){
			.route.beat = steer_beat,
			.begun = true,
			.devs = { src->shape.dev, dst->shape.dev },
			.threads_follow = lane->thread_count == lane->buf_count,
		};
		steer_tune(steer, cfg, src, dst, lane);
		if (steer_know(cfg, src, dst, report, &profile)) {
			steer->tune.now.at[TUNE_BLOCK] = profile.block_bytes;
			steer->tune.now.at[TUNE_DEPTH] = profile.depth;
			steer->tune.best = steer->tune.now;
			steer->tune.decided = true;
		}
	}
	steer_fit(steer, lane);
}

void steer_leg(struct steer *steer, struct zc_leg *leg)
{
	leg->knobs = &steer->route;
	steer->leg_ns = zc_now_ns();
	tune_restart(&steer->tune, steer->base_bytes);
	steer_use(steer);
	steer->route.depth = (unsigned)zc_min_u64(steer->route.depth, steer->buf_count);
	steer->route.halt = false;
}

/* ---- what is said */

void steer_note(const struct steer *steer, struct zc_report *report)
{
	report->block_bytes = steer->tune.best.at[TUNE_BLOCK];
	report->engine.depth = steer->tune.best.at[TUNE_DEPTH];
}

static const char *steer_point(char out[40], const struct tune_point *point)
{
	char size[16];

	snprintf(out, 40, "%s x %u", zc_format_size(size, point->at[TUNE_BLOCK]), point->at[TUNE_DEPTH]);
	return out;
}

static void steer_say(struct steer *steer, struct zc_report *report)
{
	char from[40];
	char to[40];

	for (; steer->said < steer->tune.try_count; steer->said++) {
		const struct tune_try *one = &steer->tune.tries[steer->said];
		char rate[32] = "";

		if (one->to_rate > 0) {
			snprintf(rate, sizeof(rate), " at %.0f MB/s", one->to_rate / 1e6);
		}
		report_say(report, ZC_MSG_EXPLAIN, "tune: %s at %.0f MB/s, %s%s: %s",
		           steer_point(from, &one->from), one->from_rate / 1e6, steer_point(to, &one->to),
		           rate, tune_verdict_name(one->verdict));
	}
	if (steer->end_ns != 0 && !steer->said_end) {
		char size[16];

		steer->said_end = true;
		report_say(report, ZC_MSG_EXPLAIN, "tune: %s from here on, decided after %.3f s and %s",
		           steer_point(to, &steer->tune.now), (double)steer->end_ns / 1e9,
		           zc_format_size(size, steer->end_bytes));
	}
}

bool steer_leg_done(struct steer *steer, const struct zc_leg *leg, bool explain, struct zc_report *report,
                    struct lane_cfg *lane)
{
	steer->base_bytes += leg->done_bytes;
	steer->base_ns += zc_now_ns() - steer->leg_ns;
	if (explain) {
		steer_say(steer, report);
	}
	steer_note(steer, report);
	if (steer->route.halt) {
		steer_fit(steer, lane);
	}
	return steer->route.halt;
}

void steer_refused(struct steer *steer, struct lane_cfg *lane)
{
	tune_stop(&steer->tune);
	steer_fit(steer, lane);
}
