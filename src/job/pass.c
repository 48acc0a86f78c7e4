/*
 * pass.c: one way through the source, span by span, by whatever route the choice and this host allow.
 *
 * Holes are a hint of the source; what is between them goes down the route ladder.
 */
#include "pass.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "check.h"
#include "peer.h"
#include "rescue.h"
#include "resume.h"
#include "split.h"
#include "tee.h"

/* No device's blocks are larger, but for some whose holes are written as zeros then. */
#define DEVICE_BLOCK_BYTES 4096
/* A stream that is written by O_DIRECT gets room ahead of it, more each time. */
#define AHEAD_BYTES_MIN (64 * ZC_MIB)
#define AHEAD_BYTES_MAX ZC_GIB
/* What of a file may be cached by itself, and how much of it has to be to be read from there. */
#define RANGE_BYTES        (64 * ZC_MIB)
#define RANGE_WARM_PERCENT 90

/* What the lane turned out to be: engine and pages as this host granted them. */
static void pass_explain_lane(const struct pass *pass)
{
	struct zc_report *report = pass->item->report;
	const struct zc_engine_facts *engine = &report->engine;
	struct rlimit memlock = { 0 };
	char size[16];
	char page[16];

	(void)getrlimit(RLIMIT_MEMLOCK, &memlock);
	report_say(report, ZC_MSG_EXPLAIN, "engine: %s (%s, %u helper threads), %s x %u", engine->name,
	           engine->setup, engine->thread_count, zc_format_size(size, report->block_bytes),
	           engine->depth);
	if (strcmp(engine->name, "uring") == 0) {
		report_say(report, ZC_MSG_EXPLAIN, "ring: buffers %s (memlock limit %s)",
		           engine->registered ? "registered" : "not registered",
		           memlock.rlim_cur == RLIM_INFINITY ? "none"
		                                             : zc_format_size(size, memlock.rlim_cur));
	}
	if (pass->choice.lane.small) {
		report_say(report, ZC_MSG_EXPLAIN, "pages: a plain allocation: too little for a pool");
		return;
	}
	report_say(report, ZC_MSG_EXPLAIN, "pages: %s, %s in pages of %s%s%s",
	           zc_pages_name(report->region.got), zc_format_size(size, report->region.len_bytes),
	           zc_format_size(page, report->region.page_bytes), report->region.why[0] != '\0' ? ": " : "",
	           report->region.why);
	report_say(report, ZC_MSG_EXPLAIN, "node: asked for %d, got %d (-1 is any) of %u",
	           pass->choice.lane.node, report->region.node, zc_topo_node_count());
}

/* How large the pipes were in the end: a user has only so much in them. */
static void pass_explain_pipes(struct pass *pass)
{
	const struct zc_kit *kit = &pass->item->lane->kit;
	const uint32_t sizes[] = { kit->src_pipe_bytes, kit->dst_pipe_bytes };
	const char *names[] = { "source", "destination" };

	for (unsigned i = 0; i < 2 && pass->item->cfg->explain && !pass->pipes_said; i++) {
		char size[16];

		if (sizes[i] != 0) {
			report_say(pass->item->report, ZC_MSG_EXPLAIN, "pipe: the %s's holds %s", names[i],
			           zc_format_size(size, sizes[i]));
		}
	}
	pass->pipes_said = true;
}

/* The lane of the buffer route, on first need. */
static int pass_open_lane(struct pass *pass)
{
	struct item *item = pass->item;
	bool was_open = item->lane->open;
	const char *op = "";
	int res;

	if (item->lane->ring_broke && pass->choice.lane.engine == ZC_ENGINE_AUTO) {
		pass->choice.lane.engine = ZC_ENGINE_SYNC;
	}
	if (pass->choice.tuned && !pass->steered) {
		pass->steered = true;
		steer_begin(&item->lane->steer, item->cfg, &item->src, &item->dst, item->report,
		            &pass->choice.lane);
	}
	res = lane_open(item->lane, &pass->choice.lane, &op);
	if (res == 0 && pass->choice.tuned) {
		steer_note(&item->lane->steer, item->report);
	}
	if (res == 0 && item->cfg->explain && !was_open) {
		pass_explain_lane(pass);
	}
	if (res < 0 && item->cfg->engine == ZC_ENGINE_URING && strcmp(op, "io_uring_setup") == 0) {
		return item_fail(item, ZC_SIDE_ENGINE, ZC_STATUS_USAGE, op, res,
		                 "--engine=uring cannot be had here", NULL);
	}
	return res < 0 ? item_fail(item, ZC_SIDE_ENGINE, 0, op, res, "no memory for buffers", NULL) : 0;
}

static const char *pass_verb(const struct zc_err *err)
{
	return err->side == ZC_SIDE_SRC   ? "cannot read"
	       : err->side == ZC_SIDE_DST ? "cannot write"
	                                  : "cannot copy";
}

/* Says why moving failed; a signal and a closed pipe say nothing. */
static int pass_fail(struct pass *pass, const struct zc_err *err)
{
	struct item *item = pass->item;
	const struct zc_end *guilty = err->side == ZC_SIDE_SRC ? &item->src : &item->dst;

	if ((err->code == -ECANCELED && zc_stopped()) || err->code == -ENOTRECOVERABLE) {
		return err->code;
	}
	if (peer_watch_fired(item->watch)) {
		return err->code; /* its own doing, which it says itself */
	}
	if ((guilty->shape.caps & ZC_CAP_PEER) && (err->side == ZC_SIDE_SRC || err->side == ZC_SIDE_DST)) {
		report_fail(item->report, ZC_STATUS_PEER, item_text(item, err->side), err,
		            err->side == ZC_SIDE_SRC ? "the peer was lost" : "the peer takes no more", NULL);
		return err->code;
	}
	if (err->code == -EPIPE && !item->cfg->epipe_is_error && guilty == &item->dst &&
	    (guilty->shape.caps & (ZC_CAP_PIPE | ZC_CAP_SOCK))) {
		item->report->signal = 13; /* SIGPIPE: die as the reader of a closed pipe's writer does */
		return err->code;
	}
	if (err->code == -EBADMSG && guilty == &item->dst && (guilty->shape.caps & ZC_CAP_SYNTH)) {
		struct zc_err at = *err;

		at.off_bytes = item->dst.bad_bytes;
		report_fail(item->report, ZC_STATUS_MISMATCH, item_text(item, ZC_SIDE_DST), &at,
		            "a byte differs", NULL);
		return err->code;
	}
	if (item->report->gnu) { /* which has no word for where */
		return item_fail(item, err->side, 0, err->op, err->code,
		                 err->op != NULL && strcmp(err->op, "copy_file_range") == 0 ? "cannot copy"
		                                                                            : pass_verb(err),
		                 NULL);
	}
	report_fail(item->report, 0, item_text(item, err->side == ZC_SIDE_SRC ? ZC_SIDE_SRC : ZC_SIDE_DST),
	            err, pass_verb(err), NULL);
	return err->code;
}

/* A forced route that cannot move these bytes is a usage error: exit 2, naming the refusal. */
static int pass_forced_refused(struct pass *pass, const struct zc_err *err)
{
	struct item *item = pass->item;
	char what[96];
	const char *name =
	    item->cfg->route == ZC_ROUTE_AUTO ? "reflink=always" : zc_route_name(item->cfg->route);

	snprintf(what, sizeof(what), "--%s%s cannot be had here: %s answered",
	         item->cfg->route == ZC_ROUTE_AUTO ? "" : "route=", name, err->op);
	item_fail(item, ZC_SIDE_NONE, ZC_STATUS_USAGE, err->op, err->code != 0 ? err->code : -EOPNOTSUPP,
	          what, NULL);
	return -EINVAL;
}

/* Size 0 may be true: then no route has anything to do. */
static bool pass_is_empty(const struct pass *pass)
{
	const struct zc_shape *shape = &pass->item->src.shape;
	char byte;

	return (shape->caps & ZC_CAP_SEEK) && pread(shape->fd, &byte, 1, (off_t)shape->base_bytes) == 0;
}

/* Of a route within the kernel nobody knows which side has failed: can the source be read there? */
static enum zc_side pass_whose(const struct pass *pass, const struct zc_leg *leg)
{
	const struct zc_shape *shape = &pass->item->src.shape;
	uint64_t off = shape->base_bytes + leg->span.off_bytes + leg->done_bytes;
	char byte;

	return (shape->caps & ZC_CAP_SEEK) && pread(shape->fd, &byte, 1, (off_t)off) < 0 ? ZC_SIDE_SRC
	                                                                                 : ZC_SIDE_DST;
}

/* A forced route said "not me". Before the first byte that is a refusal; later it is the source's end, which
 * came before the size said so, or a real error. */
static int pass_forced_end(struct pass *pass, struct zc_leg *leg)
{
	if (leg->err.code == 0 && (leg->done_bytes > 0 || pass->at_bytes > 0 || pass_is_empty(pass))) {
		leg->eof = true;
		return 0;
	}
	if (leg->done_bytes == 0 && pass->data_end_bytes == 0) { /* a hole before it proves nothing */
		return pass_forced_refused(pass, &leg->err);
	}
	leg->err.side = pass_whose(pass, leg);
	return pass_fail(pass, &leg->err);
}

/* By two threads, where choose() would have it and this lane can. false: by one, nothing is done yet. */
static bool pass_split(struct pass *pass, struct zc_leg *leg, int *ret_res)
{
	struct item *item = pass->item;
	struct lane *lane = item->lane;
	bool busy = pass->choice.shared && leg->span.len_bytes >= SPLIT_BYTES_MIN && lane->share != NULL &&
	            lane->share(lane->share_arg);

	if (!pass->choice.split || leg->span.len_bytes < SPLIT_BYTES_MIN || busy) {
		return false;
	}
	*ret_res = pass_open_lane(pass);
	if (*ret_res < 0) {
		return true;
	}
	if (!split_open(lane, &pass->choice.lane)) {
		return false;
	}
	item->report->lanes = (unsigned)zc_max_u64(item->report->lanes, SPLIT_LANES);
	*ret_res = split_run(lane, leg, item->moved) < 0 ? pass_fail(pass, &leg->err) : 0;
	return true;
}

/* The same lane with more buffers. Nothing is in flight. */
static int pass_deepen(struct pass *pass)
{
	struct item *item = pass->item;
	struct lane_cfg *cfg = &pass->choice.lane;
	uint64_t begin_ns = zc_now_ns();
	const char *op = "";
	int res = lane_open(item->lane, cfg, &op);

	if (res < 0) {
		zc_fallback_add(&item->report->fallbacks, "deeper queue", "as deep as before", op, res);
		steer_refused(&item->lane->steer, cfg);
		return pass_open_lane(pass);
	}
	if (item->cfg->explain) {
		char size[16];

		report_say(item->report, ZC_MSG_EXPLAIN, "tune: a pool of %s for more took %.1f ms",
		           zc_format_size(size, cfg->block_bytes * cfg->buf_count),
		           (double)(zc_now_ns() - begin_ns) / 1e6);
	}
	return 0;
}

static int pass_buffer(struct pass *pass, struct zc_leg *leg)
{
	static const enum zc_route_kind buffer = ZC_ROUTE_BUFFER;
	struct item *item = pass->item;
	struct steer *steer = &item->lane->steer;
	bool tuned = pass->choice.tuned && !pass->warm; /* the disk is what it learns about */
	bool deepen = false;
	int res = pass_open_lane(pass);

	if (res < 0) {
		return res;
	}
	if (tuned) {
		steer_leg(steer, leg);
	}
	res = zc_lane_run(item->lane, leg, &buffer, 1, item->moved);
	pass_explain_pipes(pass);
	if (tuned) {
		deepen = steer_leg_done(steer, leg, item->cfg->explain, item->report, &pass->choice.lane);
	}
	if (res < 0) {
		return pass_fail(pass, &leg->err);
	}
	return deepen ? pass_deepen(pass) : 0;
}

static int pass_move(struct pass *pass, struct zc_leg *leg)
{
	struct item *item = pass->item;
	const struct choice *choice = &pass->choice;
	int res = -EOPNOTSUPP;

	if (pass_split(pass, leg, &res)) {
		return res;
	}
	res = -EOPNOTSUPP;
	if (choice->kernel_count > 0) {
		res = zc_lane_run(item->lane, leg, choice->kernel, choice->kernel_count, item->moved);
		pass_explain_pipes(pass);
	}
	if (res == -EOPNOTSUPP && !choice->buffer) {
		return pass_forced_end(pass, leg);
	}
	if (res == -EOPNOTSUPP) {
		if (choice->kernel_count > 0) {
			zc_fallback_add(&item->report->fallbacks,
			                zc_route_name(choice->kernel[choice->kernel_count - 1]), "buffer",
			                leg->err.op, leg->err.code);
			leg->err = (struct zc_err){ 0 };
		}
		return pass_buffer(pass, leg);
	}
	return res < 0 ? pass_fail(pass, &leg->err) : 0;
}

/* O_DIRECT wants aligned ends; rounding out only moves zeros of a hole as data. */
static void pass_align(const struct pass *pass, struct zc_span *span)
{
	const struct item *item = pass->item;
	uint64_t align = zc_max_u64(item->src.direct ? item->src.shape.align_bytes : 1,
	                            item->dst.direct ? item->dst.shape.align_bytes : 1);
	uint64_t end = span->off_bytes + span->len_bytes;
	uint64_t size = item->src.shape.size_bytes;

	if (align == 1 || span->len_bytes == ZC_SIZE_UNKNOWN) {
		return;
	}
	span->off_bytes = zc_align_down(span->off_bytes, align);
	end = zc_align_up(end, align);
	if (size != ZC_SIZE_UNKNOWN) {
		end = zc_min_u64(end, size);
	}
	span->len_bytes = end - span->off_bytes;
}

/* Around what cannot be read. */
static int pass_rescue(struct pass *pass, struct zc_leg *leg)
{
	int res = pass_open_lane(pass);

	if (res < 0) {
		return res;
	}
	res = rescue_move(pass->item, leg);
	return res < 0 ? pass_fail(pass, &leg->err) : 0;
}

static bool pass_is_warm(const struct pass *pass, uint64_t from, uint64_t end)
{
	return zc_end_range_percent(&pass->item->src, from, end - from) >= RANGE_WARM_PERCENT;
}

static uint64_t pass_range_end(uint64_t from, uint64_t end)
{
	return zc_min_u64(end, zc_align_down(from, RANGE_BYTES) + RANGE_BYTES);
}

/* Cuts the span to what is as warm as its beginning, and has the source read as suits that. */
static void pass_mix(struct pass *pass, struct zc_span *span)
{
	uint64_t end = span->off_bytes + span->len_bytes;
	uint64_t at = pass_range_end(span->off_bytes, end);
	bool warm = pass_is_warm(pass, span->off_bytes, at);

	while (at < end && pass_is_warm(pass, at, pass_range_end(at, end)) == warm) {
		at = pass_range_end(at, end);
	}
	span->len_bytes = at - span->off_bytes;
	pass->warm = zc_end_set_direct(&pass->item->src, !warm) == 0 && warm;
}

static int pass_data(struct pass *pass, struct zc_span *span)
{
	struct item *item = pass->item;
	struct zc_leg leg = {
		.src = &item->src,
		.dst = &item->dst,
		.sparse_bytes = pass->choice.sparse_bytes,
		.direct_forced = item->cfg->direct == ZC_WHEN_ALWAYS,
		.tap = item->hash != NULL ? check_tap : NULL,
		.tap_arg = item->hash,
	};
	int res;

	pass_align(pass, span);
	if (item->cfg->expect_size && item->cfg->expect_bytes < UINT64_MAX - 1 &&
	    span->len_bytes == ZC_SIZE_UNKNOWN) { /* one byte more is too many */
		span->len_bytes = item->cfg->expect_bytes + 1 - span->off_bytes;
	}
	leg.span = *span;
	tee_attach(item, &leg);
	res = item->rescue != NULL ? pass_rescue(pass, &leg) : pass_move(pass, &leg);
	pass->at_bytes = span->off_bytes + leg.done_bytes;
	pass->data_end_bytes = pass->at_bytes;
	pass->whole_bytes = span->off_bytes + leg.whole_bytes;
	pass->hole_bytes += leg.hole_bytes;
	pass->eof = leg.eof;
	if (leg.undirected) {
		pass->choice.mixed = false;
		item->report->direct = false;
	}
	return res;
}

/* A device zeroes whole blocks only: what lies around them is copied. */
static void pass_trim_hole(const struct pass *pass, struct zc_span *span)
{
	uint64_t base = pass->item->dst.shape.base_bytes;
	uint64_t from = base + span->off_bytes;
	uint64_t first = zc_align_up(from, DEVICE_BLOCK_BYTES);
	uint64_t last = zc_align_down(from + span->len_bytes, DEVICE_BLOCK_BYTES);

	if (!(pass->item->dst.shape.caps & ZC_CAP_BLOCK)) {
		return;
	}
	if (first >= last) {
		span->kind = ZC_SPAN_DATA;
	} else if (first > from) {
		span->kind = ZC_SPAN_DATA;
		span->len_bytes = first - from;
	} else {
		span->len_bytes = last - from;
	}
}

/* A hole stays one where the sink can have it; where not, the source's zeros are copied like data. */
static int pass_hole(struct pass *pass, const struct zc_span *span)
{
	struct item *item = pass->item;
	int res = item->dst.ops->hole == NULL
	              ? -EOPNOTSUPP
	              : item->dst.ops->hole(&item->dst, span->off_bytes, span->len_bytes);

	if (res == -EOPNOTSUPP || res == -ENOSYS || res == -EPERM) {
		item->src.shape.caps &= ~(unsigned)ZC_CAP_HOLES;
		return 0;
	}
	if (res < 0) {
		return item_fail(item, ZC_SIDE_DST, 0, "fallocate", res, "cannot punch a hole", NULL);
	}
	pass->at_bytes += span->len_bytes;
	pass->whole_bytes = pass->at_bytes;
	pass->hole_bytes += span->len_bytes;
	zc_progress_add(item->lane->kit.progress, 0, span->len_bytes);
	return 0;
}

/* Room for all of it and at once: a full disk is found out before the first byte, and writes
 * need not find blocks one by one. Not where files are copied on write, which would do it all again.
 * 1 done, 0 not to be had here, -ENOSPC and the like. */
static int pass_allocate(const struct zc_end *dst, uint64_t from, uint64_t size)
{
	char out[24];
	const char *fs = zc_fs_name(dst->shape.fd, out);

	if (strcmp(fs, "btrfs") == 0 || strcmp(fs, "zfs") == 0 || strcmp(fs, "bcachefs") == 0) {
		return 0;
	}
	if (fallocate(dst->shape.fd, 0, (off_t)from, (off_t)(size - from)) == 0) {
		return 1;
	}
	return errno == ENOSPC || errno == EDQUOT || errno == EFBIG ? -errno : 0;
}

/* A sparse or a direct copy writes within the size, set beforehand: XFS keeps the room that it reserves
 * behind a growing file, which would fill the holes; and direct writes that grow a file go one by one.
 * Only for a fresh destination; what was really copied sets the size in the end. */
static int pass_extend(struct pass *pass, const struct zc_span *first)
{
	struct item *item = pass->item;
	uint64_t size = item->src.shape.size_bytes;
	bool whole = first->kind == ZC_SPAN_DATA && pass->choice.sparse_bytes == 0 &&
	             first->off_bytes + first->len_bytes >= size;
	int res = 0;

	if (!(item->dst.shape.caps & ZC_CAP_FRESH) || size == ZC_SIZE_UNKNOWN ||
	    (whole && !item->dst.direct && !pass->choice.allocate)) {
		return 0;
	}
	if (whole) {
		res = pass_allocate(&item->dst, first->off_bytes, size);
		if (res < 0) {
			return item_fail(item, ZC_SIDE_DST, 0, "fallocate", res, "cannot allocate its room",
			                 NULL);
		}
	}
	if (res == 0 && ftruncate(item->dst.shape.fd, (off_t)size) < 0) {
		return item_fail(item, ZC_SIDE_DST, 0, "ftruncate", -errno, "cannot set its length", NULL);
	}
	return 0;
}

/* How long a stream is nobody knows: it is copied in pieces, and room for each is made before. */
static void pass_extend_ahead(const struct pass *pass, struct zc_span *span)
{
	const struct zc_end *dst = &pass->item->dst;
	uint64_t len = zc_align_down(zc_min_u64(zc_max_u64(pass->at_bytes, AHEAD_BYTES_MIN), AHEAD_BYTES_MAX),
	                             AHEAD_BYTES_MIN);

	if (span->len_bytes == ZC_SIZE_UNKNOWN && dst->direct && (dst->shape.caps & ZC_CAP_FRESH) &&
	    (pass_allocate(dst, span->off_bytes, span->off_bytes + len) == 1 ||
	     ftruncate(dst->shape.fd, (off_t)(span->off_bytes + len)) == 0)) {
		span->len_bytes = len;
	}
}

/* One span, or of data what comes before the next stop. */
static int pass_span(struct pass *pass, struct zc_span *span)
{
	struct item *item = pass->item;
	uint64_t step = sink_behind_step(item);
	int res = pass->begun ? 0 : pass_extend(pass, span);

	pass->begun = true;
	if (res < 0) {
		return res;
	}
	if (span->kind == ZC_SPAN_HOLE) {
		pass_trim_hole(pass, span);
	}
	if (span->kind == ZC_SPAN_HOLE) {
		res = pass_hole(pass, span);
	} else {
		pass_extend_ahead(pass, span);
		if (pass->stop_bytes != ZC_SIZE_UNKNOWN) {
			span->len_bytes = zc_min_u64(span->len_bytes, pass->stop_bytes - span->off_bytes);
		}
		if (step > 0) {
			span->len_bytes = zc_min_u64(span->len_bytes, step);
		}
		if (pass->choice.mixed && item->rescue == NULL && span->len_bytes != ZC_SIZE_UNKNOWN) {
			pass_mix(pass, span);
		}
		res = pass_data(pass, span);
	}
	if (res == 0 && step > 0) {
		res = sink_write_behind(item, &pass->behind, pass->at_bytes);
	}
	if (item->rescue != NULL && item->rescue->bad.count > 0) {
		pass->stop_bytes = ZC_SIZE_UNKNOWN; /* what is behind a gap is not written down */
	}
	if (res == 0 && pass->at_bytes >= pass->stop_bytes) {
		res = resume_mark(item, pass->at_bytes);
		pass->stop_bytes = resume_next(item, pass->at_bytes);
	}
	return res;
}

/* It is not what was expected, whatever may follow. */
static bool pass_is_too_long(const struct pass *pass)
{
	const struct zc_job_cfg *cfg = pass->item->cfg;

	return cfg->expect_size && pass->at_bytes > cfg->expect_bytes;
}

/* Always one batch of pieces ahead of the one that is copied. */
static void pass_read_ahead(struct pass *pass)
{
	if (pass->choice.ahead && !pass->item->src.direct && pass->asked_bytes != ZC_SIZE_UNKNOWN &&
	    pass->at_bytes >= pass->ask_at_bytes) {
		pass->ask_at_bytes = pass->asked_bytes;
		pass->asked_bytes =
		    zc_end_read_ahead(&pass->item->src, zc_max_u64(pass->asked_bytes, pass->at_bytes));
	}
}

int pass_spans(struct pass *pass)
{
	struct item *item = pass->item;

	pass->stop_bytes = resume_next(item, pass->at_bytes);
	while (!pass->eof && !pass_is_too_long(pass)) {
		struct zc_span span;
		int res;

		if (zc_stopped()) {
			return -ECANCELED;
		}
		pass_read_ahead(pass);
		res = item->src.ops->next(&item->src, pass->at_bytes, &span);
		if (res < 0 && item->rescue != NULL) {
			item->src.shape.caps &= ~(unsigned)ZC_CAP_HOLES; /* reading tells what is lost */
			continue;
		}
		if (res < 0) {
			return item_fail(item, ZC_SIDE_SRC, 0, "lseek SEEK_DATA", res, "cannot read", NULL);
		}
		if (span.kind == ZC_SPAN_END) {
			return 0;
		}
		res = pass_span(pass, &span);
		if (res < 0) {
			return res;
		}
	}
	return 0;
}

/* Only what an earlier run could not read. Nothing around it is touched, so not by O_DIRECT's blocks. */
static int pass_missing(struct pass *pass)
{
	struct item *item = pass->item;
	const struct badmap *before = &item->rescue->before;
	struct zc_leg leg = { .src = &item->src, .dst = &item->dst };
	int res;

	(void)zc_end_set_direct(&item->src, false);
	(void)zc_end_set_direct(&item->dst, false);
	res = pass_open_lane(pass);
	if (res < 0) {
		return res;
	}
	res = rescue_clear(item, &leg);
	if (res < 0) {
		return pass_fail(pass, &leg.err);
	}
	for (unsigned i = 0; i < before->count && !pass->eof; i++) {
		struct zc_span span = { .kind = ZC_SPAN_DATA,
			                .off_bytes = before->list[i].off_bytes,
			                .len_bytes = before->list[i].len_bytes };

		res = pass_data(pass, &span);
		if (res < 0) {
			return res;
		}
	}
	pass->at_bytes = pass->data_end_bytes = pass->eof ? pass->at_bytes : item->src.shape.size_bytes;
	pass->stayed_bytes = pass->at_bytes - zc_min_u64(pass->at_bytes, badmap_bytes(before));
	zc_progress_add(item->lane->kit.progress, pass->stayed_bytes, pass->stayed_bytes);
	return 0;
}

static int pass_choose(struct pass *pass)
{
	struct item *item = pass->item;
	const char *why = NULL;
	int res;

	if (pass->chosen) {
		return 0;
	}
	res = choose(&pass->choice, item->cfg, &item->src, &item->dst, item->report, &why);
	if (res < 0) {
		return item_fail(item, ZC_SIDE_NONE, ZC_STATUS_USAGE, "choose", 0,
		                 item->cfg->route != ZC_ROUTE_AUTO && item->cfg->direct != ZC_WHEN_ALWAYS
		                     ? "cannot go by the asked route"
		                     : "cannot be copied as asked",
		                 why);
	}
	pass->chosen = true;
	why = tee_unfit(item);
	if (why != NULL && item->cfg->route == ZC_ROUTE_SPLICE) {
		return item_fail(item, ZC_SIDE_NONE, ZC_STATUS_USAGE, "choose", 0,
		                 "cannot go by the asked route", why);
	}
	if (why != NULL) {
		pass->choice.kernel_count = 0;
	}
	item->report->direct = item->src.direct || item->dst.direct;
	if (!pass->choice.keep_holes) {
		item->src.shape.caps &= ~(unsigned)ZC_CAP_HOLES;
	}
	return 0;
}

/* The file system does not share these blocks: which way then? -EOPNOTSUPP: that is known now. */
static int pass_not_cloned(struct pass *pass, const struct zc_err *err)
{
	struct item *item = pass->item;
	const struct choice *choice = &pass->choice;
	int res;

	if (item->cfg->reflink == ZC_WHEN_ALWAYS || item->cfg->route == ZC_ROUTE_REFLINK) {
		return pass_forced_refused(pass, err);
	}
	if (item->cfg->explain) {
		report_say(item->report, ZC_MSG_EXPLAIN, "route: not reflink: %s: %s", err->op,
		           zc_errno_name(err->code));
	}
	res = pass_choose(pass);
	if (res < 0) {
		return res;
	}
	zc_fallback_add(&item->report->fallbacks, "reflink",
	                choice->kernel_count > 0 && !choice->split ? zc_route_name(choice->kernel[0])
	                                                           : "buffer",
	                err->op, err->code);
	return -EOPNOTSUPP;
}

/* The whole file in one clone, holes and all. 0 done, -EOPNOTSUPP not to be had, else failed. */
static int pass_clone(struct pass *pass)
{
	static const enum zc_route_kind reflink = ZC_ROUTE_REFLINK;
	struct item *item = pass->item;
	struct zc_leg leg = {
		.src = &item->src,
		.dst = &item->dst,
		.span = { .kind = ZC_SPAN_DATA, .len_bytes = item->src.shape.size_bytes },
	};
	int res;

	if (!pass->clone) {
		return -EOPNOTSUPP;
	}
	res = zc_lane_run(item->lane, &leg, &reflink, 1, item->moved);
	if (res == 0) {
		pass->at_bytes = pass->data_end_bytes = leg.done_bytes;
		return 0;
	}
	return res != -EOPNOTSUPP ? pass_fail(pass, &leg.err) : pass_not_cloned(pass, &leg.err);
}

int pass_prepare(struct pass *pass)
{
	struct item *item = pass->item;
	/* a forced engine is tried before any byte moves, also where it may not be needed */
	bool forced = item->cfg->engine == ZC_ENGINE_URING;
	int res = 0;

	pass->clone = choose_clone(item->cfg, &item->src, &item->dst, item->report);
	if (!pass->clone || forced) {
		res = pass_choose(pass);
	}
	return res == 0 && forced ? pass_open_lane(pass) : res;
}

int pass_bytes(struct pass *pass)
{
	struct item *item = pass->item;
	int res;

	if (item->rescue != NULL && item->rescue->going_on) {
		return pass_missing(pass);
	}
	res = pass_clone(pass);
	if (res != -EOPNOTSUPP) {
		return res;
	}
	resume_follow(item);
	res = pass_spans(pass);
	if (res == 0) {
		return resume_stop(item, false);
	}
	(void)resume_stop(item, !zc_stopped()); /* somebody waits for our end then */
	return res;
}
