/*
 * copy.c: the bytes of one item, and whether the source stood still meanwhile.
 *
 * Nothing trusts the size that was seen first: the result is as long as what was really read. A source that
 * changed is copied once more from the start (the destination is not visible yet), then published as it was
 * read, with status 3.
 */
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "check.h"
#include "pass.h"
#include "peer.h"
#include "rescue.h"
#include "resume.h"
#include "stuck.h"

/* Once more from the start is for files that take seconds, not hours. */
#define RETRY_BYTES_MAX ZC_GIB

/* How long the result is. A hole at the end may only be a file that shrank: then what was read counts. */
static uint64_t copy_size(const struct pass *pass, const struct stat *now)
{
	const struct item *item = pass->item;
	uint64_t size = (uint64_t)now->st_size;

	if (!(item->src.shape.caps & ZC_CAP_REG) || item->src.shape.size_bytes == ZC_SIZE_UNKNOWN ||
	    size >= pass->at_bytes + item->src.shape.base_bytes) {
		return pass->at_bytes;
	}
	return zc_max_u64(pass->data_end_bytes, size - zc_min_u64(size, item->src.shape.base_bytes));
}

/* The source ended before its size, and has that size still: one of the two is wrong. What has no blocks
 * (/proc, /sys) only says a size, and cp takes what comes. */
static bool copy_fell_short(const struct pass *pass, const struct stat *now)
{
	const struct item *item = pass->item;

	if (item->src.shape.caps & ZC_CAP_BLOCK) {
		return pass->eof && pass->at_bytes < item->src.shape.size_bytes;
	}
	return pass->eof && (item->src.shape.caps & ZC_CAP_REG) && !item->cfg->gnu_cp && now->st_blocks > 0 &&
	       pass->at_bytes + item->src.shape.base_bytes < (uint64_t)now->st_size;
}

/* Other lanes count in the same sum. */
static void copy_uncount(struct item *item)
{
	struct zc_progress *share = item->lane->kit.progress;

	atomic_fetch_sub_explicit(&item->progress->read, atomic_exchange(&share->read, 0),
	                          memory_order_relaxed);
	atomic_fetch_sub_explicit(&item->progress->written, atomic_exchange(&share->written, 0),
	                          memory_order_relaxed);
}

/* From the start again: an empty destination, the source as it is now. */
static int copy_again(struct item *item, const struct stat *now)
{
	(void)zc_end_set_direct(&item->src, false);
	(void)zc_end_set_direct(&item->dst, false);
	item->src_st = *now;
	if (item->src.shape.caps & ZC_CAP_REG) {
		uint64_t size = (uint64_t)now->st_size;

		size -= zc_min_u64(item->src.shape.base_bytes, size);
		item->src.shape.size_bytes = now->st_size > 0 ? size : ZC_SIZE_UNKNOWN;
		item->src.shape.caps |= ZC_CAP_HOLES;
	}
	resume_restart(item);
	if ((item->dst.shape.caps & ZC_CAP_FRESH) && ftruncate(item->dst.shape.fd, 0) < 0) {
		return item_fail(item, ZC_SIDE_DST, 0, "ftruncate", -errno, "cannot start again", NULL);
	}
	copy_uncount(item);
	memset(item->moved, 0, sizeof(item->moved));
	return 0;
}

/* One pass over the whole source. *ret_now: the source as it was after it. */
static int copy_pass(struct item *item, struct pass *pass, struct stat *ret_now)
{
	int res;

	*pass = (struct pass){
		.item = item,
		.at_bytes = item->resumed_bytes,
		.data_end_bytes = item->resumed_bytes,
	};
	res = check_restart(item);
	if (res < 0) {
		return res;
	}
	rescue_restart(item);
	res = pass_prepare(pass);
	if (res < 0) {
		return res;
	}
	res = pass_bytes(pass);
	if (res < 0) {
		return res;
	}
	*ret_now = item->src_st;
	if (item->src.shape.fd >= 0 && fstat(item->src.shape.fd, ret_now) < 0) {
		return item_fail(item, ZC_SIDE_SRC, 0, "fstat", -errno, "cannot stat", NULL);
	}
	return 0;
}

/* What was appended while we read: taken along once, never followed for ever. */
static int copy_growth(struct pass *pass, const struct stat *now)
{
	struct item *item = pass->item;
	uint64_t size =
	    (uint64_t)now->st_size - zc_min_u64(item->src.shape.base_bytes, (uint64_t)now->st_size);

	if (item->src.shape.size_bytes == ZC_SIZE_UNKNOWN || size <= pass->at_bytes || pass->eof) {
		return 0;
	}
	(void)zc_end_set_direct(&item->src, false);
	(void)zc_end_set_direct(&item->dst, false);
	item->src.shape.size_bytes = size;
	return pass_spans(pass);
}

static bool copy_may_retry(const struct item *item, const struct stat *now)
{
	return item->cfg->on_change == ZC_ON_CHANGE_RETRY && item->tees == NULL &&
	       (item->dst.shape.caps & ZC_CAP_SEEK) && (uint64_t)now->st_size <= RETRY_BYTES_MAX;
}

static int copy_changed(struct pass *pass, const struct stat *now)
{
	struct item *item = pass->item;
	int res;

	item->changed = true;
	if (item->cfg->on_change == ZC_ON_CHANGE_FAIL) {
		return item_fail(item, ZC_SIDE_SRC, ZC_STATUS_CHANGED, "fstat", -EAGAIN,
		                 item->committing
		                     ? "changed while it was read; the destination is as it was"
		                     : "changed while it was read; what was read has been written in place",
		                 NULL);
	}
	res = copy_growth(pass, now);
	if (res < 0) {
		return res;
	}
	report_status(item->report, ZC_STATUS_CHANGED);
	item_fail(item, ZC_SIDE_SRC, ZC_STATUS_CHANGED, "fstat", 0,
	          copy_fell_short(pass, now) ? "ended before its size; copied as it was read"
	                                     : "changed while it was read; copied as it was read",
	          NULL);
	item->report->items.failed--; /* it was copied */
	return 0;
}

/* The bytes of the last pass are the item's. */
static void copy_account(struct pass *pass, const struct stat *now)
{
	struct item *item = pass->item;
	struct zc_report *report = item->report;

	item->total_bytes = copy_size(pass, now);
	for (int kind = 0; kind < ZC_ROUTE_COUNT; kind++) {
		report->routes[kind].bytes += item->moved[kind];
		report->routes[kind].files += item->moved[kind] > 0;
		report->bytes.data += item->moved[kind];
	}
	report->bytes.holes += pass->hole_bytes;
	report->bytes.logical += item->total_bytes - zc_min_u64(pass->stayed_bytes, item->total_bytes);
}

static int copy_finish(struct pass *pass)
{
	struct item *item = pass->item;
	int res = 0;

	if (item->dst.ops->finish != NULL) {
		res = item->dst.ops->finish(&item->dst, item->total_bytes);
	}
	if (res < 0) {
		return item_fail(item, ZC_SIDE_DST, 0, "ftruncate", res, "cannot set its length", NULL);
	}
	/* leave an inherited file's position where the next reader goes on */
	if (!item->src.owned && (item->src.shape.caps & ZC_CAP_SEEK) && item->src.shape.fd >= 0) {
		(void)lseek(item->src.shape.fd, (off_t)(item->src.shape.base_bytes + item->total_bytes),
		            SEEK_SET);
	}
	if (item->dst_uri.kind == ZC_END_FD && (item->dst.shape.caps & ZC_CAP_BLOCK)) {
		(void)lseek(item->dst_uri.fd, (off_t)(item->dst.shape.base_bytes + item->total_bytes),
		            SEEK_SET);
	}
	return 0;
}

/* After a broken ring: nothing of the copy is visible, so it begins again, without the ring unless the ring
 * was asked for, and in another file, since a write that was never answered may still land in this one. Not
 * for streams, which cannot be read twice. */
static int copy_without_ring(struct item *item, unsigned attempt)
{
	lane_close(item->lane);
	if (attempt > 0 || item->tees != NULL ||
	    !(item->src.shape.caps & item->dst.shape.caps & ZC_CAP_SEEK)) {
		return item_fail(item, ZC_SIDE_ENGINE, 0, "io_uring_enter", -ENOTRECOVERABLE,
		                 "the ring broke", "--engine=sync does without");
	}
	item->lane->ring_broke = true;
	zc_fallback_add(&item->report->fallbacks, "uring",
	                item->cfg->engine == ZC_ENGINE_URING ? "new ring" : "sync", "io_uring_enter",
	                -ENOTRECOVERABLE);
	return sink_anew(item);
}

/* Until the source stood still for a whole pass, or as often as it is worth. *ret_changed: it did not. */
static int copy_passes(struct item *item, struct pass *pass, struct stat *ret_now, bool *ret_changed)
{
	for (unsigned attempt = 0;; attempt++) {
		int res = copy_pass(item, pass, ret_now);

		if (res == -ENOTRECOVERABLE) {
			res = copy_without_ring(item, attempt);
			*ret_now = item->src_st;
		} else if (res == 0) {
			*ret_changed = source_changed(item, ret_now) || copy_fell_short(pass, ret_now);
			if (!*ret_changed || attempt > 0 || !copy_may_retry(item, ret_now)) {
				return 0;
			}
		}
		if (res == 0) {
			res = copy_again(item, ret_now);
		}
		if (res < 0) {
			return res;
		}
	}
}

/* What is written in place stays as it is: how far a device is good. */
static void copy_say_rest(const struct pass *pass)
{
	struct item *item = pass->item;
	unsigned long long from = item->dst.shape.base_bytes + pass->whole_bytes;
	uint64_t moved = pass->hole_bytes;
	char quoted[1200];

	for (int kind = 0; kind < ZC_ROUTE_COUNT; kind++) {
		moved += item->moved[kind];
	}
	if (!(item->dst.shape.caps & ZC_CAP_BLOCK) || item->report->gnu || moved == 0) {
		return;
	}
	report_say(item->report, ZC_MSG_ERROR, "%s is incomplete from byte %llu",
	           zc_quote(quoted, sizeof(quoted), item_text(item, ZC_SIDE_DST)), from);
}

int copy_item(struct item *item)
{
	struct pass pass = { .item = item };
	struct zc_progress share = { .sum = item->progress }; /* this item's */
	struct stat now = item->src_st;
	bool changed = false;
	int late;
	int res;

	stuck_watch(item->src.shape.fd, item->src.shape.dev);
	stuck_watch(item->dst.shape.fd, item->dst.shape.dev);
	item->lane->kit.progress = &share;
	item->lane->kit.pace = item->cfg->pace;
	item->watch = peer_watch_begin(item);
	res = copy_passes(item, &pass, &now, &changed);
	late = peer_watch_end(item, item->watch);
	item->watch = NULL;
	res = late < 0 ? late : res;
	if (res == 0 && changed) {
		res = copy_changed(&pass, &now);
	}
	item->lane->kit.progress = item->progress;
	if (res < 0) {
		copy_say_rest(&pass);
		unread_keep_rest(item);
	}
	copy_account(&pass, &now); /* also what a failed copy has written: to a pipe it is there */
	res = res < 0 ? res : copy_finish(&pass);
	return res < 0 ? res : check_digest(item);
}
