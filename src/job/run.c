/*
 * run.c: a command line, operand by operand. A file is one step, a tree many.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "journal.h"
#include "links.h"
#include "manifest.h"
#include "parents.h"
#include "peer.h"
#include "root.h"
#include "sandbox.h"
#include "verify.h"

struct zc_job {
	const struct zc_job_cfg *cfg;
	struct zc_progress *progress;
	struct zc_report report;
	struct lane lane;
	struct made made;
	struct manifest *manifest; /* --manifest                                          */
	struct links *links;       /* made for the first operand that may need it         */
	int links_fd;              /* what its paths are relative to, when not dest_fd; -1 */
	struct tree *tree;         /* the operand at hand is a tree                       */
	struct item *item;         /* the operand at hand                                 */
	char *link_root;
	bool refused;              /* nothing is to be done: no sandbox, or no port      */
	bool begun;                /* what was said at the opening has been shown        */
	struct peers peers;        /* TCP ends that are open before their item           */
	struct zc_names *names;    /* --files-from */
	int base_fd;               /* the directory they are below; -1 */
	int state_fd;              /* --resume: where journals are; -1: none are kept */
	unsigned next;             /* the next source                                    */
	bool dest_is_dir;          /* sources go into it under their own names           */
	int dest_fd;               /* that directory, held from start to end; -1 */
	bool dest_known;           /* the question was asked                             */
	struct zc_job_cfg own_cfg; /* cfg, changed: see job_back_up_itself               */
	char *own_dest;
};

/* ---- hard links are kept over all operands */

/* Where the copy's name is seen from the directory that all copies are below. */
static int job_link_root(struct zc_job *job, const struct item *item)
{
	free(job->link_root);
	job->link_root = strdup(item->below != NULL ? item->below : item->target.name);
	return job->link_root == NULL ? -ENOMEM : 0;
}

/* The table of the copies so far, for all operands. */
static int job_links(struct zc_job *job, const struct item *item)
{
	int dir_fd = job->dest_fd;
	int res;

	if (job->links != NULL) {
		return 0;
	}
	if (dir_fd < 0) {
		dir_fd = job->links_fd = openat(item->target.dir_fd, ".", O_PATH | O_DIRECTORY | O_CLOEXEC);
	}
	res = dir_fd < 0 ? -errno : links_new(&job->links, dir_fd);
	if (res == 0 && (job->cfg->deref == ZC_DEREF_ALWAYS || job->cfg->deref == ZC_DEREF_OPERANDS)) {
		links_keep(job->links);
	}
	return res;
}

static void job_keep_links(struct zc_job *job, struct item *item)
{
	int res;

	/* behind a symlink the copy is not where its name says: no link is made to it */
	if (!(job->cfg->preserve & ZC_PRESERVE_LINKS) || !item->has_target || item->aim_code != 0 ||
	    item->target_link != NULL) {
		return;
	}
	res = job_link_root(job, item);
	res = res < 0 ? res : job_links(job, item);
	if (res < 0) {
		report_say(&job->report, ZC_MSG_ERROR,
		           "hard links cannot be kept track of, each name becomes a copy: %s",
		           strerror(-res));
		report_status(&job->report, ZC_STATUS_SOME_FAILED);
		return;
	}
	item->links = job->links;
	item->link_path = job->link_root;
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
	job->links_fd = -1;
	job->base_fd = -1;
	job->state_fd = -1;
	job->report.gnu = cfg->gnu_cp;
	lane_init(&job->lane, progress, &job->report);
	job->lane.kit.probe = cfg->probe;
	peers_init(&job->peers);
	job->refused = peers_open(&job->peers, cfg, &job->report) < 0 ||
	               sandbox_enter(cfg, &job->peers, &job->report) < 0;
	*ret_job = job;
	return 0;
}

/* cp -f -b a a: a copy under the backup's name, as GNU's documentation has it. */
static int job_back_up_itself(struct zc_job *job)
{
	const struct zc_job_cfg *cfg = job->cfg;
	struct target target;
	const char *refused;
	struct stat st;
	char *name;

	if (!cfg->force || cfg->backup == ZC_BACKUP_NONE || cfg->source_count != 1 ||
	    strcmp(cfg->sources[0], cfg->dest) != 0 || fstatat(AT_FDCWD, cfg->dest, &st, 0) < 0 ||
	    !S_ISREG(st.st_mode) || target_open(&target, cfg->dest, TARGET_KEEP, &refused) < 0) {
		return 0;
	}
	name = backup_name(cfg, &target);
	target_close(&target);
	if (name == NULL || asprintf(&job->own_dest, "%.*s%s", (int)(strlen(cfg->dest) - strlen(target.name)),
	                             cfg->dest, name) < 0) {
		job->own_dest = NULL;
	}
	free(name);
	job->own_cfg = *cfg;
	job->own_cfg.backup = ZC_BACKUP_NONE;
	job->own_cfg.dest = job->own_dest != NULL ? job->own_dest : cfg->dest;
	job->cfg = &job->own_cfg;
	return 0;
}

static int job_manifest_fail(struct zc_job *job, int code, const char *op)
{
	const struct zc_err err = { .code = code, .side = ZC_SIDE_NONE, .op = op, .off_bytes = ZC_OFF_NONE };

	return report_fail(&job->report, 0, job->cfg->manifest, &err, "cannot write the manifest", NULL);
}

static int job_open_manifest(struct zc_job *job)
{
	const char *op = "";
	int res = 0;

	if (job->cfg->manifest != NULL && !job->cfg->dry_run) {
		res = manifest_new(&job->manifest, job->cfg->manifest, job->cfg->umask, &op);
	}
	return res < 0 ? job_manifest_fail(job, res, op) : 0;
}

/* A run that could not begin, or was interrupted, leaves the old one. */
static void job_publish_manifest(struct zc_job *job)
{
	const char *op = "";
	int res = 0;

	if (job->manifest != NULL && !zc_stopped() &&
	    (job->report.status == 0 || job->report.items.files > 0)) {
		uint64_t left_out = job->report.items.skipped;

		res = manifest_publish(job->manifest, &op);
		if (left_out > 0 && !job->cfg->quiet) {
			report_say(&job->report, ZC_MSG_ERROR,
			           "%s: %llu names are not in it: files that were skipped",
			           job->cfg->manifest, (unsigned long long)left_out);
		}
	}
	if (res < 0) {
		(void)job_manifest_fail(job, res, op);
	}
	manifest_free(job->manifest);
	job->manifest = NULL;
}

/* DEST was made by this run: its name is a part of the result. */
static int job_sync_dest(struct zc_job *job, struct item *item)
{
	int fd = openat(job->dest_fd, "..", O_PATH | O_DIRECTORY | O_CLOEXEC);
	int res = fd < 0 ? 0 : item_sync_dir(item, fd);

	if (fd >= 0) {
		close(fd);
	}
	return res;
}

/* --resume: who asked for it is told when it cannot be had; what was finished is skipped all the same. */
static void job_open_state(struct zc_job *job)
{
	char quoted[1200];
	char *path;

	if (!job->cfg->resume || job->cfg->dry_run || job->cfg->compare) {
		return;
	}
	job->state_fd = journal_open_dir(true, &path);
	if (job->state_fd < 0) {
		report_say(&job->report, ZC_MSG_ERROR,
		           "%s: no journal can be kept, a large file that is interrupted will begin anew: %s",
		           path == NULL ? "XDG_STATE_HOME and HOME" : zc_quote(quoted, sizeof(quoted), path),
		           path == NULL ? "not set" : strerror(-job->state_fd));
		job->state_fd = -1;
	}
	free(path);
}

/* A node that was asked for and is not here. 0, or -EINVAL and said: also where no buffer would be needed. */
static int job_check_node(struct zc_job *job)
{
	const struct zc_job_cfg *cfg = job->cfg;

	if (cfg->numa_off || cfg->numa_node == ZC_NODE_ANY || zc_topo_has_node(cfg->numa_node)) {
		return 0;
	}
	report_say(&job->report, ZC_MSG_ERROR, "--numa=%d cannot be had here: no such node with memory",
	           cfg->numa_node);
	report_status(&job->report, ZC_STATUS_USAGE);
	return -EINVAL;
}

/* --files-from, and the directory that the names are in: before anything is made. */
static int job_open_list(struct zc_job *job, struct item *item)
{
	const char *base = job->cfg->sources[0];
	int res = zc_names_open(&job->names, job->cfg->files_from, job->cfg->names_end_in_nul);

	item->src_uri.text = job->cfg->files_from;
	if (res < 0) {
		return item_fail(item, ZC_SIDE_SRC, 0, "open", res, "cannot open", NULL);
	}
	item->src_uri.text = base;
	job->base_fd = openat(AT_FDCWD, base, O_PATH | O_DIRECTORY | O_CLOEXEC);
	return job->base_fd < 0 ? item_fail(item, ZC_SIDE_SRC, 0, "open", -errno, "cannot access", NULL) : 0;
}

/* Any other error says nothing about what DEST is. */
static bool job_is_no_directory(int res)
{
	return res == -ENOENT || res == -ENOTDIR || res == -ELOOP || res == -EACCES || res == -ENAMETOOLONG;
}

/* Is DEST a directory to copy into? Several sources, or -t, demand one. 0, or -errno after saying so. */
static int job_look_at_dest(struct zc_job *job)
{
	const struct zc_job_cfg *cfg = job->cfg;
	struct item item = { .cfg = cfg, .report = &job->report, .dst_text = cfg->dest };
	int res = -ENOTDIR;
	bool made;

	job_open_state(job);
	item.src_uri.text = "";
	item.base_fd = item.state_fd = -1;
	job->dest_known = true;
	if (cfg->files_from != NULL && job_open_list(job, &item) < 0) {
		return -ENOENT;
	}
	made = cfg->files_from != NULL && !cfg->dry_run && mkdirat(AT_FDCWD, cfg->dest, 0777) == 0;
	if (cfg->files_from != NULL && !cfg->dry_run && !made && errno != EEXIST) {
		return item_fail(&item, ZC_SIDE_DST, 0, "mkdirat", -errno, "cannot create the directory",
		                 NULL);
	}
	if (!cfg->dest_is_file && item_parse(&item, &item.dst_uri, cfg->dest, ZC_DIR_DST, ZC_SIDE_DST) < 0) {
		return -EINVAL;
	}
	if (!cfg->dest_is_file && item.dst_uri.kind == ZC_END_PATH) {
		job->dest_fd = openat(AT_FDCWD, cfg->dest, O_PATH | O_DIRECTORY | O_CLOEXEC);
		res = job->dest_fd < 0 ? -errno : 0;
	}
	if (res == -ENOENT && cfg->files_from != NULL && cfg->dry_run) {
		res = 0; /* it would be made: what is below it is not there */
	}
	job->dest_is_dir = res == 0;
	if (made && res == 0 && job_sync_dest(job, &item) < 0) {
		return -EIO;
	}
	if (res < 0 && !job_is_no_directory(res)) {
		return item_fail(&item, ZC_SIDE_DST, 0, "openat", res, "cannot open", NULL);
	}
	if (res < 0 &&
	    (cfg->source_count > 1 || cfg->dest_is_dir || cfg->parents || cfg->files_from != NULL)) {
		return item_fail(&item, ZC_SIDE_DST, ZC_STATUS_SOME_FAILED, "stat", res,
		                 cfg->gnu_cp && cfg->dest_is_dir ? "target directory must be there"
		                                                 : "target must be a directory",
		                 NULL);
	}
	return res < 0 ? job_back_up_itself(job) : 0;
}

/* Left out by a rule that names it: asked of operands that have a name of their own. */
static bool job_excludes(const struct item *item)
{
	size_t len = 0;
	const char *root;
	char *path;
	bool excludes;

	if (item->cfg->filter == NULL || item->src_uri.kind != ZC_END_PATH) {
		return false;
	}
	root = item->below != NULL ? item->below : zc_filter_root(item->src_uri.path, &len);
	len = item->below != NULL ? strlen(root) : len;
	path = len == 0 ? NULL : strndup(root, len);
	excludes = path != NULL && zc_filter_excludes(item->cfg->filter, path, S_ISDIR(item->src_st.st_mode));
	free(path);
	return excludes;
}

/* The text of the operand as it is used: without slashes behind it when they are to be stripped. */
static int job_operand_text(struct item *item, const char *text)
{
	size_t len = strlen(text);

	if (!item->cfg->strip_slashes) {
		return item_parse(item, &item->src_uri, text, ZC_DIR_SRC, ZC_SIDE_SRC);
	}
	while (len > 1 && text[len - 1] == '/') {
		len--;
	}
	item->src_path = strndup(text, len);
	return item_parse(item, &item->src_uri, item->src_path != NULL ? item->src_path : text, ZC_DIR_SRC,
	                  ZC_SIDE_SRC);
}

static void job_begin_tree(struct zc_job *job, struct item *item)
{
	struct tree_start start = {
		.cfg = job->cfg,
		.progress = job->progress,
		.links = job->links,
		.link_root = job->link_root,
		.manifest = job->manifest,
		.state_fd = job->state_fd,
	};

	(void)root_begin(item, &start, &job->tree);
}

static void job_run_operand(struct zc_job *job, struct item *item)
{
	if (job->cfg->compare) {
		(void)verify_begin(item, &job->tree);
		return;
	}
	if (source_find(item) < 0) {
		return;
	}
	if (job_excludes(item)) {
		(void)item_skip(item);
		return;
	}
	if ((job->dest_is_dir ? item_aim_into(item) : item_aim_at(item)) < 0) {
		return;
	}
	job_keep_links(job, item);
	if (S_ISDIR(item->src_st.st_mode)) {
		if (item_dir_allowed(item) == 0) {
			job_begin_tree(job, item);
		}
	} else {
		(void)item_run(item);
	}
}

static void job_end_operand(struct zc_job *job)
{
	if (job->tree != NULL) {
		tree_close(job->tree, &job->report);
		job->tree = NULL;
		if (!zc_stopped() && !job->cfg->dry_run) {
			item_remember(job->item);
		}
	}
	parents_finish(job->item);
	item_close(job->item);
	free(job->item);
	job->item = NULL;
}

static struct item *job_new_item(struct zc_job *job)
{
	struct item *item = malloc(sizeof(*item));

	if (item == NULL) {
		report_say(&job->report, ZC_MSG_ERROR, "out of memory");
		report_status(&job->report, ZC_STATUS_SOME_FAILED);
		return NULL;
	}
	*item = (struct item){
		.cfg = job->cfg,
		.report = &job->report,
		.lane = &job->lane,
		.progress = job->progress,
		.made = &job->made,
		.manifest = job->manifest,
		.dst_text = job->cfg->dest,
		.dest_fd = job->dest_fd,
		.old_fd = -1,
		.base_fd = -1,
		.state_fd = job->state_fd,
		.peers = &job->peers,
	};
	return item;
}

/* The next name of --files-from becomes the operand SOURCE/name. 1, 0 at the end, or -errno and said. */
static int job_next_name(struct zc_job *job, struct item *item)
{
	const char *base = job->cfg->sources[0];
	const char *name = NULL;
	const char *why = NULL;
	bool inside;
	int res = zc_names_next(job->names, &name, &inside, &why);

	if (res <= 0) {
		bool again = res == -EINVAL || res == -ENAMETOOLONG || res == -EXDEV;

		item->src_uri.text = job->cfg->files_from;
		if (res < 0) {
			char line[32];

			snprintf(line, sizeof(line), "line %u", zc_names_line(job->names));
			(void)item_fail(item, ZC_SIDE_SRC, ZC_STATUS_SOME_FAILED, "read", 0,
			                why != NULL ? why : "cannot read", line);
		}
		return again ? res : 0;
	}
	if (asprintf(&item->src_path, "%s/%s", base, name) < 0) {
		item->src_path = NULL;
		item->src_uri.text = base;
		return item_fail(item, ZC_SIDE_SRC, 0, "malloc", -ENOMEM, "cannot open", NULL);
	}
	item->src_uri =
	    (struct zc_uri){ .kind = ZC_END_PATH, .text = item->src_path, .path = item->src_path };
	item->base_fd = job->base_fd;
	item->below = item->src_path + strlen(base) + 1;
	return 1;
}

/* 1: there is one, 0: no more, negative: this one is not to be had, but there may be others. */
static int job_next_source(struct zc_job *job, struct item *item)
{
	int res;

	if (job->cfg->files_from != NULL) {
		return job_next_name(job, item);
	}
	res = job_operand_text(item, job->cfg->sources[job->next++]);
	if (res == 0 && job->cfg->parents && item->src_uri.kind == ZC_END_PATH) {
		item->below = parents_path(item->src_uri.path);
	}
	return res < 0 ? res : 1;
}

static bool job_next_operand(struct zc_job *job)
{
	struct item *item;
	int res;

	if (zc_stopped() || job->refused ||
	    (job->cfg->files_from == NULL && job->next >= job->cfg->source_count) ||
	    (!job->dest_known &&
	     (job_check_node(job) < 0 || job_look_at_dest(job) < 0 || job_open_manifest(job) < 0))) {
		return false;
	}
	item = job_new_item(job);
	if (item == NULL) {
		return false;
	}
	res = job_next_source(job, item);
	if (res == 0) {
		item_close(item);
		free(item);
		return false;
	}
	job->item = item;
	if (res > 0) {
		job_run_operand(job, item);
	}
	return true;
}

bool zc_job_step(struct zc_job *job)
{
	report_forget_shown(&job->report);
	if (!job->begun && job->report.msg_count > 0) { /* whoever waits for us is to know the port */
		job->begun = true;
		return true;
	}
	job->begun = true;
	if (job->tree == NULL && !job_next_operand(job)) {
		return false;
	}
	if (job->tree == NULL || !tree_step(job->tree, &job->report)) {
		job_end_operand(job);
	}
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
	job_publish_manifest(job);
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
	links_free(job->links);
	manifest_free(job->manifest);
	zc_names_close(job->names);
	if (job->base_fd >= 0) {
		close(job->base_fd);
	}
	if (job->state_fd >= 0) {
		close(job->state_fd);
	}
	if (job->links_fd >= 0) {
		close(job->links_fd);
	}
	if (job->dest_fd >= 0) {
		close(job->dest_fd);
	}
	peers_close(&job->peers);
	free(job->link_root);
	free(job->own_dest);
	seen_free(&job->made.sources);
	seen_free(&job->made.dirs);
	seen_free(&job->made.files);
	free(job);
}
