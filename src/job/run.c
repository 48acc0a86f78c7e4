/*
 * run.c: a command line, source by source.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "item.h"

struct zc_job {
	const struct zc_job_cfg *cfg;
	struct zc_progress *progress;
	struct zc_report report;
	struct lane lane;
	struct made made;
	unsigned next;    /* the next source                                    */
	bool dest_is_dir; /* sources go into it under their own names           */
	int dest_fd;      /* that directory, held from start to end; -1 */
	bool dest_known;  /* the question was asked                             */
};

int item_fail(struct item *item, enum zc_side side, int status, const char *op, int code, const char *what,
              const char *hint)
{
	struct zc_err err = { .code = code, .side = side, .op = op, .off_bytes = ZC_OFF_NONE };

	if (code == -ECANCELED && zc_stopped()) {
		return code; /* the user knows */
	}
	report_fail(item->report, status, side == ZC_SIDE_DST ? item->dst_text : item->src_uri.text, &err,
	            what, hint);
	return code == 0 ? -EINVAL : code;
}

/* ---- where to */

static int item_parse(struct item *item, struct zc_uri *uri, const char *text, enum zc_dir dir,
                      enum zc_side side)
{
	const char *why = NULL;

	uri->text = text; /* for the message, should it not parse */
	if (zc_uri_parse(uri, text, dir, &why) < 0) {
		uri->text = text;
		return item_fail(item, side, ZC_STATUS_USAGE, "parse", 0, why, NULL);
	}
	if (uri->kind == ZC_END_REMOTE) {
		return item_fail(item, side, ZC_STATUS_USAGE, "parse", 0,
		                 "network ends are not in this version", NULL);
	}
	return 0;
}

/* A link may have led to a descriptor of ours. */
static void item_aimed(struct item *item)
{
	if (item->target.inherited_fd < 0) {
		item->has_target = true;
		return;
	}
	item->dst_uri.kind = ZC_END_FD;
	item->dst_uri.fd = item->target.inherited_fd;
	target_close(&item->target);
}

/* DEST/name, where name is the source's own. */
static int item_aim_into(struct item *item)
{
	const char *dir = item->cfg->dest;
	const char *refused = NULL;
	char name[NAME_MAX + 1];
	size_t len;
	const char *base;
	int res;

	if (item->src_uri.kind != ZC_END_PATH) {
		return item_fail(item, ZC_SIDE_SRC, ZC_STATUS_USAGE, "parse", 0,
		                 "has no name to be copied under; name the destination file", NULL);
	}
	base = target_basename(item->src_uri.path, &len);
	if (len == 0 || len > NAME_MAX) {
		return item_fail(item, ZC_SIDE_SRC, 0, "parse", len == 0 ? -ENOENT : -ENAMETOOLONG,
		                 "cannot be copied", NULL);
	}
	memcpy(name, base, len);
	name[len] = '\0';
	if (asprintf(&item->dst_path, "%s%s%s", dir, dir[strlen(dir) - 1] == '/' ? "" : "/", name) < 0) {
		item->dst_path = NULL;
		return item_fail(item, ZC_SIDE_DST, 0, "malloc", -ENOMEM, "no memory for its name", NULL);
	}
	item->dst_text = item->dst_path;
	item->dst_uri =
	    (struct zc_uri){ .kind = ZC_END_PATH, .text = item->dst_path, .path = item->dst_path };
	res = target_open_in(&item->target, item->dest_fd, name, &refused);
	if (res < 0) {
		return item_fail(item, ZC_SIDE_DST, refused != NULL ? ZC_STATUS_REFUSED : 0, "open", res,
		                 refused != NULL ? refused : "cannot be reached", NULL);
	}
	item_aimed(item);
	return 0;
}

static int item_aim_at(struct item *item)
{
	const char *refused = NULL;
	int res = item_parse(item, &item->dst_uri, item->cfg->dest, ZC_DIR_DST, ZC_SIDE_DST);

	if (res < 0 || item->dst_uri.kind != ZC_END_PATH) {
		return res;
	}
	res = target_open(&item->target, item->dst_uri.path, &refused);
	if (res < 0) {
		return item_fail(item, ZC_SIDE_DST, refused != NULL ? ZC_STATUS_REFUSED : 0, "open", res,
		                 refused != NULL ? refused : "cannot be created", NULL);
	}
	item_aimed(item);
	return 0;
}

/* ---- may it be */

static bool item_is_same_file(const struct item *item)
{
	const struct stat *dst = &item->target.st;
	struct stat st;

	if (item->src.shape.caps & ZC_CAP_SYNTH) {
		return false;
	}
	if (item->dst_uri.kind == ZC_END_FD) {
		if (fstat(item->dst_uri.fd, &st) < 0) {
			return false;
		}
		dst = &st;
	} else if (!item->has_target || !item->target.exists) {
		return false;
	}
	if (S_ISBLK(dst->st_mode) && S_ISBLK(item->src_st.st_mode)) {
		return dst->st_rdev == item->src_st.st_rdev;
	}
	return (S_ISREG(dst->st_mode) || S_ISFIFO(dst->st_mode)) && dst->st_dev == item->src_st.st_dev &&
	       dst->st_ino == item->src_st.st_ino;
}

static bool item_is_newer(const struct item *item)
{
	const struct timespec *src = &item->src_st.st_mtim;
	const struct timespec *dst = &item->target.st.st_mtim;

	return src->tv_sec > dst->tv_sec || (src->tv_sec == dst->tv_sec && src->tv_nsec > dst->tv_nsec);
}

static int item_skip(struct item *item)
{
	item->report->items.skipped++;
	return ITEM_SKIP;
}

/* As cp: a file that we may not write is replaced with -f only; and what this very run has made is not
 * overwritten by a later source of the same name. */
static int item_may_replace(struct item *item)
{
	const struct stat *st = &item->target.st;

	for (unsigned i = 0; i < item->made->count; i++) {
		if (item->made->list[i].dev == st->st_dev && item->made->list[i].ino == st->st_ino) {
			return item_fail(item, ZC_SIDE_DST, ZC_STATUS_SOME_FAILED, "stat", -EEXIST,
			                 "not overwriting what this run has just made", NULL);
		}
	}
	if (faccessat(item->target.dir_fd, item->target.name, W_OK, AT_EACCESS) == 0 || errno != EACCES) {
		return 0;
	}
	if (!item->cfg->force) {
		return item_fail(item, ZC_SIDE_DST, 0, "access", -EACCES, "is not writable",
		                 "-f replaces it, if its directory is writable");
	}
	item->as_new = true;
	return 0;
}

/* Remembers the file under its new name. Only several sources can meet it again. */
static void item_remember(struct item *item)
{
	struct made *made = item->made;
	struct made_file *list = made->list;
	struct stat st;

	if (item->cfg->source_count < 2 || !item->has_target ||
	    fstatat(item->target.dir_fd, item->target.name, &st, AT_SYMLINK_NOFOLLOW) < 0) {
		return;
	}
	if ((made->count & (made->count - 1)) == 0) { /* full at every power of two */
		list = reallocarray(list, made->count == 0 ? 1 : (size_t)made->count * 2, sizeof(*list));
		if (list == NULL) {
			return; /* the next one replaces it, as rename would */
		}
		made->list = list;
	}
	made->list[made->count++] = (struct made_file){ .dev = st.st_dev, .ino = st.st_ino };
}

static int item_allowed(struct item *item)
{
	bool exists = item->has_target && item->target.exists;

	if (exists && item->cfg->update == ZC_UPDATE_NONE) {
		return item_skip(item);
	}
	if (exists && item->cfg->update == ZC_UPDATE_NONE_FAIL) {
		return item_fail(item, ZC_SIDE_DST, ZC_STATUS_SOME_FAILED, "stat", -EEXIST,
		                 "not replacing it", NULL);
	}
	if (item_is_same_file(item)) {
		return item_fail(item, ZC_SIDE_DST, ZC_STATUS_REFUSED, "stat", 0,
		                 "is the same file as the source", NULL);
	}
	if (exists && S_ISDIR(item->target.st.st_mode)) {
		return item_fail(item, ZC_SIDE_DST, ZC_STATUS_SOME_FAILED, "stat", -EISDIR,
		                 "cannot overwrite a directory with a file", NULL);
	}
	if (exists && item->cfg->update == ZC_UPDATE_OLDER && !item_is_newer(item)) {
		return item_skip(item);
	}
	if (exists && S_ISREG(item->target.st.st_mode)) {
		return item_may_replace(item);
	}
	return 0;
}

/* ---- one item from end to end */

static void item_say(struct item *item)
{
	char src[1200];
	char dst[1200];

	if (item->cfg->verbose || item->cfg->dry_run) {
		report_say(item->report, ZC_MSG_SAY, "'%s' -> '%s'",
		           zc_quote(src, sizeof(src), item->src_uri.text),
		           zc_quote(dst, sizeof(dst), item->dst_text));
	}
	if (item->cfg->verbose && item->has_target && item->target.exists && item->target.st.st_nlink > 1 &&
	    S_ISREG(item->target.st.st_mode) && !item->cfg->inplace) {
		report_say(item->report, ZC_MSG_SAY, "%s: its other hard links keep the old file",
		           zc_quote(dst, sizeof(dst), item->dst_text));
	}
}

static int item_transfer(struct item *item)
{
	uint64_t from = zc_now_ns();
	int res = sink_open(item);

	if (res < 0) {
		return res;
	}
	if (item->cfg->source_count == 1) { /* of several, whoever shows progress has the sum */
		atomic_store_explicit(&item->progress->total, item->src.shape.size_bytes,
		                      memory_order_relaxed);
	}
	res = copy_item(item);
	item->report->ns.copy += zc_now_ns() - from;
	if (res == 0) {
		item->report->durability = sink_durability_name(item);
		res = sink_publish(item);
	}
	if (res == 0) {
		item->report->items.files++;
		item_remember(item);
	}
	return res;
}

/* What would be written to: for a file one that has no name and is gone when closed. */
static int item_pretend_sink(struct item *item, struct zc_end *ret_end)
{
	const struct target *target = &item->target;
	int fd;
	int res;

	if (item->dst_uri.kind == ZC_END_FD) {
		return zc_end_from_fd(ret_end, item->dst_uri.fd, ZC_DIR_DST, false);
	}
	if (!item->has_target) {
		zc_end_from_synth(ret_end, &item->dst_uri, ZC_DIR_DST);
		return 0;
	}
	if (target->exists && !S_ISREG(target->st.st_mode)) {
		fd = openat(target->dir_fd, target->name, O_PATH | O_CLOEXEC);
	} else {
		fd = openat(target->dir_fd, ".", O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
	}
	if (fd < 0) {
		return -errno;
	}
	res = zc_end_from_fd(ret_end, fd, ZC_DIR_DST, true);
	if (res < 0) {
		close(fd);
	}
	return res;
}

/* With --dry-run the choice is made and explained all the same. */
static int item_pretend(struct item *item)
{
	struct zc_end dst = { 0 };
	struct choice choice;
	const char *why = NULL;
	int res;

	if (!item->cfg->explain) {
		return 0;
	}
	if (item_pretend_sink(item, &dst) < 0) {
		report_say(item->report, ZC_MSG_EXPLAIN,
		           "this destination cannot be tried without writing to it");
		return 0;
	}
	res = choose(&choice, item->cfg, &item->src, &dst, item->report, &why);
	(void)zc_end_close(&dst);
	return res < 0 ? item_fail(item, ZC_SIDE_NONE, ZC_STATUS_USAGE, "choose", 0,
	                           "cannot be copied as asked", why)
	               : 0;
}

static int item_run(struct item *item, bool into_dir)
{
	int res = source_open(item);

	if (res == 0) {
		res = into_dir ? item_aim_into(item) : item_aim_at(item);
	}
	if (res == 0) {
		res = item_allowed(item);
	}
	if (res != 0) {
		return res;
	}
	item_say(item);
	if (item->cfg->dry_run) {
		return item_pretend(item);
	}
	res = source_ready(item);
	return res < 0 ? res : item_transfer(item);
}

static void item_close(struct item *item)
{
	sink_close(item);
	if (item->has_target) {
		target_close(&item->target);
	}
	(void)zc_end_close(&item->src);
	free(item->dst_path);
}

/* ---- the job */

int zc_job_open(struct zc_job **ret_job, const struct zc_job_cfg *cfg, struct zc_progress *progress)
{
	struct zc_job *job = calloc(1, sizeof(*job));

	if (job == NULL) {
		return -ENOMEM;
	}
	job->cfg = cfg;
	job->progress = progress;
	job->dest_fd = -1;
	lane_init(&job->lane, progress, &job->report);
	*ret_job = job;
	return 0;
}

/* Is DEST a directory to copy into? Several sources, or -t, demand one. 0, or -errno after saying so. */
static int job_look_at_dest(struct zc_job *job)
{
	const struct zc_job_cfg *cfg = job->cfg;
	struct item item = { .cfg = cfg, .report = &job->report, .dst_text = cfg->dest };
	const char *why = NULL;
	int res = -ENOTDIR;

	job->dest_known = true;
	if (!cfg->dest_is_file && zc_uri_parse(&item.dst_uri, cfg->dest, ZC_DIR_DST, &why) == 0 &&
	    item.dst_uri.kind == ZC_END_PATH) {
		job->dest_fd = openat(AT_FDCWD, cfg->dest, O_PATH | O_DIRECTORY | O_CLOEXEC);
		res = job->dest_fd < 0 ? -errno : 0;
	}
	job->dest_is_dir = res == 0;
	if (res < 0 && (cfg->source_count > 1 || cfg->dest_is_dir)) {
		return item_fail(&item, ZC_SIDE_DST, ZC_STATUS_SOME_FAILED, "stat", res,
		                 "target must be a directory", NULL);
	}
	return 0;
}

bool zc_job_step(struct zc_job *job)
{
	struct item item = {
		.cfg = job->cfg,
		.report = &job->report,
		.lane = &job->lane,
		.progress = job->progress,
		.made = &job->made,
		.dst_text = job->cfg->dest,
		.old_fd = -1,
	};

	if (job->next >= job->cfg->source_count || zc_stopped()) {
		return false;
	}
	if (!job->dest_known && job_look_at_dest(job) < 0) {
		return false;
	}
	item.dest_fd = job->dest_fd;
	if (item_parse(&item, &item.src_uri, job->cfg->sources[job->next++], ZC_DIR_SRC, ZC_SIDE_SRC) == 0) {
		(void)item_run(&item, job->dest_is_dir);
	}
	item_close(&item);
	return true;
}

struct zc_report *zc_job_report(struct zc_job *job)
{
	return &job->report;
}

/* What was refused and what served in its place. */
static void job_explain_fallbacks(struct zc_job *job)
{
	const struct zc_fallbacks *fallbacks = &job->report.fallbacks;

	for (unsigned i = 0; i < fallbacks->count; i++) {
		const struct zc_fallback *item = &fallbacks->list[i];

		report_say(&job->report, ZC_MSG_EXPLAIN, "refused: %s: %s answered %s; %s instead",
		           item->from, item->op, item->code == 0 ? "0 bytes" : zc_errno_name(item->code),
		           item->to);
	}
}

void zc_job_finish(struct zc_job *job)
{
	if (job->cfg->explain) {
		job_explain_fallbacks(job);
	}
	lane_close(&job->lane);
	if (zc_stopped()) {
		job->report.signal = zc_stop_signal;
	}
}

void zc_job_close(struct zc_job *job)
{
	if (job == NULL) {
		return;
	}
	lane_close(&job->lane);
	report_fini(&job->report);
	if (job->dest_fd >= 0) {
		close(job->dest_fd);
	}
	free(job->made.list);
	free(job);
}
