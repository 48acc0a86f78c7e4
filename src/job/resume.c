/*
 * resume.c: may what an earlier run has left be gone on with, and what does this one leave?
 *
 * Trusted is what was flushed and then written down, when the source is what it was (file system, inode,
 * size, time of the last change of its data) and the temporary is the very one (inode and birth). Compared
 * with the source first it is when --resume=verify says so, when the source's ctime moved (its data may have
 * been changed and its mtime set back), and where the file system knows no births: an inode may be a new
 * file's. Anything else begins anew in a new file; nothing is ever written into one that is not trusted.
 */
#include "resume.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "check.h"
#include "trail.h"

/* Smaller files are soon copied again. */
#define RESUME_BYTES_MIN (16 * ZC_MIB)
#define OPEN_TRIES_MAX   8

enum trust {
	TRUST_NONE,
	TRUST_COMPARED,
	TRUST_FULL,
};

/* A file whose state could be kept under a name that it has. */
static bool resume_has_name(const struct item *item)
{
	return item->has_from && item->has_target && !item->target.magic && !item->report->gnu;
}

static bool resume_is_large(const struct item *item)
{
	return resume_has_name(item) && S_ISREG(item->src_st.st_mode) &&
	       (uint64_t)item->src_st.st_size >= RESUME_BYTES_MIN;
}

static void resume_explain(const struct item *item, const char *what, uint64_t bytes)
{
	char size[16];

	if (item->cfg->explain) {
		report_say(item->report, ZC_MSG_EXPLAIN, "resume: %s%s",
		           bytes > 0 ? zc_format_size(size, bytes) : "", what);
	}
}

/* ---- who is who */

static int resume_head(const struct item *item, struct journal_head *ret_head)
{
	const struct stat *src = &item->src_st;
	struct statx part;
	struct stat dir;
	bool born;

	if (fstat(item->target.dir_fd, &dir) < 0 ||
	    statx(item->commit.fd, "", AT_EMPTY_PATH, STATX_INO | STATX_BTIME, &part) < 0) {
		return -errno;
	}
	born = part.stx_mask & STATX_BTIME;
	*ret_head =
	    (struct journal_head){ .word = {
				       [JOURNAL_SRC_FS] = journal_fs(item->src.shape.fd, src->st_dev),
				       [JOURNAL_SRC_INO] = src->st_ino,
				       [JOURNAL_SRC_SIZE] = item->src.shape.size_bytes,
				       [JOURNAL_SRC_MTIME] = (uint64_t)src->st_mtim.tv_sec,
				       [JOURNAL_SRC_MTIME_NS] = (uint64_t)src->st_mtim.tv_nsec,
				       [JOURNAL_SRC_CTIME] = (uint64_t)src->st_ctim.tv_sec,
				       [JOURNAL_SRC_CTIME_NS] = (uint64_t)src->st_ctim.tv_nsec,
				       [JOURNAL_DIR_FS] = journal_fs(item->target.dir_fd, dir.st_dev),
				       [JOURNAL_DIR_INO] = dir.st_ino,
				       [JOURNAL_NAME] = commit_hash(item->target.name),
				       [JOURNAL_PART_INO] = part.stx_ino,
				       [JOURNAL_PART_BIRTH] =
					   born ? (uint64_t)part.stx_btime.tv_sec : UINT64_MAX,
				       [JOURNAL_PART_BIRTH_NS] = born ? part.stx_btime.tv_nsec : UINT64_MAX,
				   } };
	return 0;
}

/* Words first to last are the same in both. */
static bool resume_alike(const struct journal_head *a, const struct journal_head *b, enum journal_word first,
                         enum journal_word last)
{
	return memcmp(&a->word[first], &b->word[first], (last - first + 1) * sizeof(a->word[0])) == 0;
}

static enum trust resume_judge(const struct item *item, const struct journal_found *found,
                               const struct journal_head *now)
{
	const struct journal_head *then = &found->head;
	struct stat st;

	if (found->durable_bytes == 0 || fstat(item->commit.fd, &st) < 0 ||
	    (uint64_t)st.st_size < found->durable_bytes) {
		return TRUST_NONE;
	}
	if (!resume_alike(then, now, JOURNAL_SRC_FS, JOURNAL_SRC_MTIME_NS)) {
		resume_explain(item, "from the start: the source is not what it was", 0);
		return TRUST_NONE;
	}
	if (!resume_alike(then, now, JOURNAL_DIR_FS, JOURNAL_PART_BIRTH_NS)) {
		resume_explain(item, "from the start: the temporary is not the one of the journal", 0);
		return TRUST_NONE;
	}
	return item->cfg->resume == ZC_RESUME_VERIFY || now->word[JOURNAL_PART_BIRTH_NS] == UINT64_MAX ||
	               !resume_alike(then, now, JOURNAL_SRC_CTIME, JOURNAL_SRC_CTIME_NS)
	           ? TRUST_COMPARED
	           : TRUST_FULL;
}

/* ---- the journal of an earlier run, and its temporary */

/* What the journal says holds from here on up to found->durable_bytes, and no further. */
static int resume_keep(struct item *item, struct journal_found *found, const struct journal_head *now,
                       enum trust trust)
{
	uint64_t trusted = found->durable_bytes;
	int res = 0;

	if (trust == TRUST_COMPARED) {
		trusted = check_common(item, found->durable_bytes);
		if (zc_stopped()) {
			item->commit.keep = true; /* the journal is as it was */
			return -ECANCELED;
		}
		resume_explain(item,
		               trusted > 0 ? " are as the source has them"
		                           : "from the start: nothing there is as the source has it",
		               trusted);
		res = journal_begin(item->journal, now);
		if (res == 0 && trusted > 0) {
			res = journal_add(item->journal, trusted);
		}
		res = res == 0 ? journal_sync(item->journal) : res;
	} else {
		res = journal_go_on(item->journal, found);
	}
	/* behind that it is empty, as a new file is */
	if (res == 0 && ftruncate(item->commit.fd, (off_t)trusted) < 0) {
		res = -errno;
	}
	item->resumed_bytes = res == 0 ? trusted : 0;
	return res;
}

/* 0: it is there, and can be gone on with. -ENOENT: it is not. */
static int resume_take_over(struct item *item, mode_t mode)
{
	struct journal_found found = { 0 };
	struct journal_head now = { 0 };
	enum trust trust = TRUST_NONE;
	int res = commit_take_over(&item->commit, &item->target, mode, item->cfg->umask);

	if (res < 0) {
		return res;
	}
	if (journal_read(item->journal, &found) == 0 && resume_head(item, &now) == 0) {
		trust = resume_judge(item, &found, &now);
	}
	if (trust != TRUST_NONE) {
		res = resume_keep(item, &found, &now, trust);
	}
	if (item->resumed_bytes == 0) {
		(void)commit_end(&item->commit);
		return res == -ECANCELED && zc_stopped() ? res : -ENOENT;
	}
	return 0;
}

static int resume_create(struct item *item, mode_t mode)
{
	struct journal_head now;
	int res = commit_begin_kept(&item->commit, &item->target, mode, item->cfg->umask);

	if (res == 0) {
		res = resume_head(item, &now);
		res = res == 0 ? journal_begin(item->journal, &now) : res;
		if (res < 0) {
			(void)commit_end(&item->commit);
		}
	}
	return res;
}

static void resume_drop(struct item *item, bool remove)
{
	if (item->journal == NULL) {
		return;
	}
	if (remove) {
		journal_remove(item->journal);
	} else {
		journal_close(item->journal);
	}
	free(item->journal);
	item->journal = NULL;
}

/* Copied without. */
static int resume_without(struct item *item, int code)
{
	char quoted[1200];

	resume_drop(item, true);
	report_say(item->report, ZC_MSG_ERROR, "%s: cannot be resumed if it is interrupted: %s",
	           zc_quote(quoted, sizeof(quoted), item_text(item, ZC_SIDE_DST)), strerror(-code));
	return 0;
}

static int resume_busy(struct item *item)
{
	resume_drop(item, false);
	return item_fail(item, ZC_SIDE_DST, 0, "flock", -EBUSY, "another run is copying it", NULL);
}

int resume_begin(struct item *item, mode_t mode)
{
	int res;

	if (item->state_fd < 0 || !resume_is_large(item)) {
		return 0;
	}
	item->journal = calloc(1, sizeof(*item->journal));
	if (item->journal == NULL) {
		return resume_without(item, -ENOMEM);
	}
	item->journal->fd = -1;
	res = journal_open(item->journal, item->state_fd, &item->target);
	for (unsigned tries = 0; res == 0 && tries < OPEN_TRIES_MAX; tries++) {
		res = resume_take_over(item, mode);
		if (res == -ENOENT) {
			res = resume_create(item, mode);
		}
		if (res == 0) {
			atomic_fetch_add_explicit(&item->progress->resumed, item->resumed_bytes,
			                          memory_order_relaxed);
			resume_explain(item,
			               item->resumed_bytes > 0 ? " of an earlier run are taken over"
			                                       : "journalled from the start",
			               item->resumed_bytes);
			return RESUME_BEGUN;
		}
		res = res == -EEXIST ? 0 : res; /* somebody was quicker: it is looked at again */
	}
	if (res == -ECANCELED && zc_stopped()) {
		resume_drop(item, false);
		return res;
	}
	return res == -EBUSY ? resume_busy(item) : resume_without(item, res == 0 ? -EEXIST : res);
}

/* ---- while bytes move */

void resume_follow(struct item *item)
{
	if (item->journal != NULL) {
		(void)trail_open(&item->trail, item->dst.shape.fd, item->journal, item->progress,
		                 item->resumed_bytes);
	}
}

uint64_t resume_next(struct item *item, uint64_t at_bytes)
{
	return item->trail == NULL ? ZC_SIZE_UNKNOWN : trail_next(item->trail, at_bytes);
}

int resume_mark(struct item *item, uint64_t at_bytes)
{
	return trail_add(item->trail, at_bytes) < 0 ? resume_stop(item, false) : 0;
}

int resume_stop(struct item *item, bool all)
{
	char quoted[1200];
	struct trail_result result;

	if (item->trail == NULL) {
		return 0;
	}
	result = trail_end(item->trail, all);
	item->trail = NULL;
	item->report->ns.durable += result.durable_ns;
	item->durable_bytes = result.durable_bytes - item->resumed_bytes;
	if (result.journal_code < 0) {
		report_say(item->report, ZC_MSG_ERROR, "%s: its journal cannot be written: %s",
		           zc_quote(quoted, sizeof(quoted), item_text(item, ZC_SIDE_DST)),
		           strerror(-result.journal_code));
	}
	return result.code < 0
	           ? item_fail(item, ZC_SIDE_DST, 0, "fdatasync", result.code, "cannot be made durable", NULL)
	           : 0;
}

static void resume_from_zero(struct item *item)
{
	atomic_fetch_sub_explicit(&item->progress->resumed, item->resumed_bytes, memory_order_relaxed);
	atomic_fetch_sub_explicit(&item->progress->durable, item->durable_bytes, memory_order_relaxed);
	item->resumed_bytes = item->durable_bytes = 0;
}

void resume_abandon(struct item *item)
{
	resume_from_zero(item);
	resume_drop(item, true);
}

void resume_restart(struct item *item)
{
	struct journal_head now;

	resume_from_zero(item);
	if (item->journal == NULL) {
		return;
	}
	if (resume_head(item, &now) < 0 || journal_begin(item->journal, &now) < 0 ||
	    journal_sync(item->journal) < 0) {
		resume_drop(item, true);
	}
}

/* ---- at the end */

static void resume_say_kept(struct item *item)
{
	char quoted[1200];
	char size[2][16];

	if (!item->cfg->quiet) {
		report_say(item->report, ZC_MSG_ERROR,
		           "%s: not complete: %s of %s are kept, --resume goes on there",
		           zc_quote(quoted, sizeof(quoted), item_text(item, ZC_SIDE_DST)),
		           zc_format_size(size[0], item->journal->durable_bytes),
		           zc_format_size(size[1], item->src.shape.size_bytes));
	}
}

void resume_end(struct item *item, int res)
{
	if (item->journal == NULL) {
		return;
	}
	item->commit.keep = res < 0 && res != -EBADMSG && !item->changed && item->journal->durable_bytes > 0;
	if (item->commit.keep) {
		resume_say_kept(item);
	}
	if (res == 0 && item->resumed_bytes > 0) {
		item->report->resumed.files++;
		item->report->resumed.bytes += item->resumed_bytes;
	}
	resume_drop(item, !item->commit.keep);
}

/* Did an earlier run leave something, and nobody has it? Its temporary is gone then. */
static bool resume_is_left(struct item *item)
{
	struct stat st;
	char temp[64];

	item_name_heir(item); /* of what is skipped nobody has asked yet */
	commit_temp_name(temp, item->target.name, 0);
	return (fstatat(item->target.dir_fd, temp, &st, AT_SYMLINK_NOFOLLOW) == 0 &&
	        make_reclaim(item, temp)) ||
	       (item->state_fd >= 0 && resume_is_large(item)); /* a power cut may have taken just that */
}

void resume_forget(struct item *item)
{
	struct journal journal = { .fd = -1 };
	char *path = NULL;
	int dir_fd = item->state_fd;

	/* the source may have been larger then; in a directory that this run has made nothing was before */
	if (item->journal != NULL || item->new_name || !resume_has_name(item) || !resume_is_left(item)) {
		return;
	}
	dir_fd = dir_fd < 0 ? journal_open_dir(false, &path) : dir_fd;
	if (dir_fd >= 0 && journal_open(&journal, dir_fd, &item->target) == 0) {
		journal_remove(&journal);
	}
	if (dir_fd >= 0 && dir_fd != item->state_fd) {
		close(dir_fd);
	}
	free(path);
}
