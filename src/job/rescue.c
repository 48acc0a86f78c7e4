/*
 * rescue.c: see rescue.h. A piece that fails is done again in smaller ones, down to the smallest that the
 * source can be asked for; what fails then is left out.
 *
 *   64 MiB -> 1 MiB -> 64 KiB -> one block, past the page cache where that can be had
 *
 * All of it by the buffer route and this item's engine. What a failing piece has already written is written
 * again, but for a stream, where what went out is kept. Only so many single blocks may fail: then 64 KiB are
 * given up at once, for a later run to narrow, since a disk can take seconds for each.
 */
#include "rescue.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define BLOCK_TRIES_MAX 4096

static const uint64_t piece_bytes[] = { 64 * ZC_MIB, ZC_MIB, 64 * ZC_KIB, 0 };
enum { LEVEL_GIVE_UP = 2, LEVEL_BLOCK = 3 };

/* What the storage answers for bytes that it has lost; not what a program, a network or a right did wrong. */
static bool rescue_is_lost(const struct zc_err *err)
{
	static const int codes[] = { EIO,     EREMOTEIO, EBADMSG,   EILSEQ,   EUCLEAN,
		                     ENODATA, ENOLINK,   ETIMEDOUT, EHWPOISON };

	for (size_t i = 0; i < ZC_ARRAY_LEN(codes) && err->side == ZC_SIDE_SRC; i++) {
		if (err->code == -codes[i]) {
			return true;
		}
	}
	return false;
}

static bool rescue_in_order(const struct item *item)
{
	return !(item->dst.shape.caps & ZC_CAP_SEEK);
}

/* One piece, of src. 0: all of it, or up to the source's end. Counted is only what need not be done again:
 * *ret_done. */
static int rescue_try(struct item *item, struct zc_leg *whole, struct zc_end *src, const struct zc_span *span,
                      uint64_t *ret_done)
{
	static const enum zc_route_kind buffer = ZC_ROUTE_BUFFER;
	struct zc_progress *progress = item->lane->kit.progress;
	struct zc_progress apart = { 0 };
	uint64_t moved[ZC_ROUTE_COUNT] = { 0 };
	struct zc_leg leg = {
		.src = src,
		.dst = whole->dst,
		.span = *span,
		.sparse_bytes = whole->sparse_bytes,
		.direct_forced = whole->direct_forced,
		.tap = src == whole->src ? whole->tap : NULL,
		.tap_arg = whole->tap_arg,
	};
	int res;

	item->lane->kit.progress = &apart;
	res = zc_lane_run(item->lane, &leg, &buffer, 1, moved);
	item->lane->kit.progress = progress;
	whole->err = leg.err;
	whole->undirected |= leg.undirected;
	if (res < 0 && !rescue_in_order(item)) {
		*ret_done = 0;
		return res;
	}
	*ret_done = leg.done_bytes;
	if (src == whole->src) {
		item->rescue->at_bytes = span->off_bytes + leg.done_bytes;
	}
	whole->hole_bytes += leg.hole_bytes;
	whole->eof = leg.eof;
	item->moved[ZC_ROUTE_BUFFER] += leg.done_bytes - leg.hole_bytes;
	zc_progress_add(progress, leg.done_bytes, leg.done_bytes);
	return res;
}

static int rescue_zeros(struct item *item, struct zc_leg *whole, const struct zc_span *span)
{
	const struct zc_uri uri = { .kind = ZC_END_ZERO, .size_bytes = ZC_SIZE_UNKNOWN };
	struct zc_end zeros;
	uint64_t done;
	int res = -EOPNOTSUPP;

	if (item->dst.ops->hole != NULL && item->cfg->sparse != ZC_WHEN_NEVER) {
		res = item->dst.ops->hole(&item->dst, span->off_bytes, span->len_bytes);
	}
	if (res != -EOPNOTSUPP && res != -ENOSYS && res != -EPERM) {
		return res < 0 ? zc_err_set(&whole->err, res, ZC_SIDE_DST, "fallocate", span->off_bytes) : 0;
	}
	zc_end_from_synth(&zeros, &uri, ZC_DIR_SRC);
	return rescue_try(item, whole, &zeros, span, &done);
}

static int rescue_remember(struct badmap *map, const struct badmap_range *range, struct zc_leg *whole)
{
	int res = badmap_add(map, range);

	return res < 0 ? zc_err_set(&whole->err, res, ZC_SIDE_ENGINE, "malloc", range->off_bytes) : 0;
}

/* Nothing more is done for this piece. An earlier run has put there what belongs there. */
static int rescue_leave(struct item *item, struct zc_leg *whole, const struct zc_span *span, unsigned level)
{
	struct rescue *rescue = item->rescue;
	const struct badmap_range range = {
		.off_bytes = span->off_bytes,
		.len_bytes = span->len_bytes,
		.status = level == LEVEL_BLOCK ? BADMAP_UNREADABLE : BADMAP_WIDE,
		.code = whole->err.code,
	};
	bool zero = item->cfg->on_read_error == ZC_ON_READ_ERROR_ZERO && !rescue->going_on;
	int res;

	whole->err = (struct zc_err){ 0 };
	rescue->at_bytes = span->off_bytes + span->len_bytes;
	res = rescue_remember(&rescue->bad, &range, whole);
	if (res == 0 && (zero || rescue_in_order(item))) {
		res = rescue_zeros(item, whole, span);
	} else if (res == 0) {
		zc_progress_add(item->lane->kit.progress, span->len_bytes, span->len_bytes);
	}
	return res;
}

/* How much of it can be asked for at least. Direct reads also see what is on the disk rather than what the
 * page cache reads around it. */
static uint64_t rescue_block(struct item *item)
{
	if (zc_end_set_direct(&item->src, true) == 0) {
		return item->src.shape.align_bytes;
	}
	return zc_page_bytes();
}

static int rescue_span(struct item *item, struct zc_leg *whole, const struct zc_span *span, unsigned level);

/* The piece failed: its parts, each on its own. */
static int rescue_narrow(struct item *item, struct zc_leg *whole, const struct zc_span *span, unsigned level)
{
	bool src_direct = item->src.direct;
	bool dst_direct = item->dst.direct;
	int res;

	if (level == LEVEL_BLOCK || (level == LEVEL_GIVE_UP && item->rescue->tries_left == 0)) {
		item->rescue->tries_left -= level == LEVEL_BLOCK && item->rescue->tries_left > 0;
		return rescue_leave(item, whole, span, level);
	}
	if (level + 1 < LEVEL_BLOCK) {
		return rescue_span(item, whole, span, level + 1);
	}
	(void)zc_end_set_direct(&item->dst, false); /* single blocks need not fit its alignment */
	res = rescue_span(item, whole, span, level + 1);
	(void)zc_end_set_direct(&item->src, src_direct);
	(void)zc_end_set_direct(&item->dst, dst_direct);
	return res;
}

static int rescue_span(struct item *item, struct zc_leg *whole, const struct zc_span *span, unsigned level)
{
	uint64_t end = span->off_bytes + span->len_bytes;
	uint64_t size = level == LEVEL_BLOCK ? rescue_block(item) : piece_bytes[level];
	uint64_t done;

	for (uint64_t at = span->off_bytes; at < end && !whole->eof; at += done) {
		struct zc_span piece = { .kind = ZC_SPAN_DATA, .off_bytes = at };
		int res;

		piece.len_bytes = zc_min_u64(end, zc_align_down(at, size) + size) - at;
		res = rescue_try(item, whole, whole->src, &piece, &done);
		if (res == 0) {
			const struct badmap_range range = { .off_bytes = at, .len_bytes = done };

			if (item->rescue->going_on && done > 0) {
				res = rescue_remember(&item->rescue->restored, &range, whole);
			}
		} else if (rescue_is_lost(&whole->err)) {
			piece.off_bytes += done;
			piece.len_bytes -= done;
			res = rescue_narrow(item, whole, &piece, level);
			done = piece.off_bytes + piece.len_bytes - at;
		}
		if (res < 0) {
			return res;
		}
	}
	return 0;
}

int rescue_move(struct item *item, struct zc_leg *leg)
{
	int res;

	item->rescue->at_bytes = leg->span.off_bytes;
	res = rescue_span(item, leg, &leg->span, 0);
	leg->done_bytes = item->rescue->at_bytes - leg->span.off_bytes;
	return res;
}

int rescue_clear(struct item *item, struct zc_leg *leg)
{
	struct rescue *rescue = item->rescue;

	unread_open(item);
	if (!rescue->old_bytes || item->cfg->on_read_error != ZC_ON_READ_ERROR_ZERO) {
		return 0;
	}
	for (unsigned i = 0; i < rescue->before.count; i++) {
		const struct badmap_range *range = &rescue->before.list[i];
		const struct zc_span span = { .kind = ZC_SPAN_DATA,
			                      .off_bytes = range->off_bytes,
			                      .len_bytes = range->len_bytes };
		int res = rescue_zeros(item, leg, &span);

		if (res < 0) {
			return res;
		}
	}
	rescue->old_bytes = false;
	unread_open(item);
	return 0;
}

/* ---- from item to item */

static bool rescue_is_wanted(const struct item *item)
{
	const struct zc_shape *src = &item->src.shape;

	return item->cfg->on_read_error != ZC_ON_READ_ERROR_FAIL && !item->cfg->attributes_only &&
	       (src->caps & ZC_CAP_SEEK) && !(src->caps & ZC_CAP_SYNTH) && src->size_bytes != ZC_SIZE_UNKNOWN;
}

static void rescue_explain(const struct item *item)
{
	const struct rescue *rescue = item->rescue;

	if (!item->cfg->explain) {
		return;
	}
	if (rescue->going_on) {
		report_say(item->report, ZC_MSG_EXPLAIN,
		           "read errors: going on with the %u ranges (%llu bytes) of the map; the rest of "
		           "the destination stays",
		           rescue->before.count, (unsigned long long)badmap_bytes(&rescue->before));
		return;
	}
	report_say(item->report, ZC_MSG_EXPLAIN, "read errors: what cannot be read %s",
	           item->cfg->on_read_error == ZC_ON_READ_ERROR_ZERO || rescue_in_order(item)
	               ? "becomes zeros"
	           : rescue->old_bytes ? "is left as it is in the destination"
	                               : "is left out: a hole");
}

int rescue_begin(struct item *item)
{
	unsigned caps = item->dst.shape.caps;

	if (item->rescue != NULL && !item->in_place) {
		rescue_end(item); /* what could not be opened is replaced */
	}
	if (item->rescue == NULL) {
		if (!rescue_is_wanted(item)) {
			return 0;
		}
		item->rescue = calloc(1, sizeof(*item->rescue));
		if (item->rescue == NULL) {
			return item_fail(item, ZC_SIDE_NONE, 0, "malloc", -ENOMEM, "cannot copy", NULL);
		}
		item->rescue->old_bytes = item->cfg->on_read_error == ZC_ON_READ_ERROR_SKIP &&
		                          (caps & ZC_CAP_SEEK) && !(caps & (ZC_CAP_FRESH | ZC_CAP_SYNTH));
	}
	item->rescue->tries_left = BLOCK_TRIES_MAX;
	rescue_explain(item);
	return 0;
}

void rescue_restart(struct item *item)
{
	struct rescue *rescue = item->rescue;

	if (rescue != NULL) {
		badmap_clear(&rescue->bad);
		badmap_clear(&rescue->restored);
		rescue->tries_left = BLOCK_TRIES_MAX;
		rescue->at_bytes = 0;
	}
}

void rescue_end(struct item *item)
{
	struct rescue *rescue = item->rescue;

	if (rescue != NULL) {
		badmap_clear(&rescue->bad);
		badmap_clear(&rescue->before);
		badmap_clear(&rescue->restored);
		free(rescue);
		item->rescue = NULL;
	}
}

int rescue_left_out(const struct item *item, struct badmap *ret_map)
{
	const struct rescue *rescue = item->rescue;
	const struct badmap *from = rescue->going_on ? &rescue->restored : &rescue->bad;
	struct badmap_range range = { 0 };
	int res = 0;

	for (unsigned i = 0; i < from->count && res == 0; i++) {
		const struct badmap_range *next = &from->list[i];

		if (!rescue->going_on) {
			res = badmap_add(ret_map, next);
			continue;
		}
		range.len_bytes = next->off_bytes - range.off_bytes;
		res = range.len_bytes > 0 ? badmap_add(ret_map, &range) : 0;
		range.off_bytes = next->off_bytes + next->len_bytes;
	}
	range.len_bytes = item->total_bytes - zc_min_u64(range.off_bytes, item->total_bytes);
	if (res == 0 && rescue->going_on && range.len_bytes > 0) {
		res = badmap_add(ret_map, &range);
	}
	return res;
}

/* ---- what is said */

static void rescue_say(struct item *item)
{
	const struct rescue *rescue = item->rescue;
	char *path = rescue->kept ? unread_path(item) : NULL;
	char size[16];
	char quoted[3][1200];

	zc_quote(quoted[0], sizeof(quoted[0]), item_text(item, ZC_SIDE_SRC));
	zc_quote(quoted[1], sizeof(quoted[1]), item_text(item, ZC_SIDE_DST));
	report_say(item->report, ZC_MSG_ERROR,
	           "%s: cannot read %u %s, %s in all, the first at byte %llu: %s (%s %s; %s%s)", quoted[0],
	           rescue->bad.count, rescue->bad.count == 1 ? "range" : "ranges",
	           zc_format_size(size, badmap_bytes(&rescue->bad)),
	           (unsigned long long)rescue->bad.list[0].off_bytes, strerror(-rescue->bad.list[0].code),
	           rescue->old_bytes ? "left as they were in" : "zeros in", quoted[1],
	           path != NULL ? "the same command tries them again, by the map "
	                        : "no map of them could be kept",
	           path != NULL ? zc_quote(quoted[2], sizeof(quoted[2]), path) : "");
	free(path);
}

void rescue_tell(struct item *item)
{
	const struct badmap *bad;

	if (item->rescue == NULL || item->rescue->bad.count == 0) {
		return;
	}
	bad = &item->rescue->bad;
	for (unsigned i = 0; i < bad->count; i++) {
		const struct zc_err err = { .code = bad->list[i].code,
			                    .side = ZC_SIDE_SRC,
			                    .op = "read",
			                    .off_bytes = bad->list[i].off_bytes };

		report_range(item->report, item_text(item, ZC_SIDE_SRC), &err, bad->list[i].len_bytes);
	}
	item->report->items.failed++;
	item->report->unread.files++;
	item->report->unread.ranges += bad->count;
	item->report->unread.bytes += badmap_bytes(bad);
	report_status(item->report, ZC_STATUS_SOME_FAILED);
	rescue_say(item);
}
