/*
 * run.c: a command line, operand by operand. A file is one step, a tree many.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "links.h"
#include "manifest.h"
#include "parents.h"
#include "tree.h"
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
	struct zc_names *names;    /* --files-from */
	int base_fd;               /* the directory they are below; -1 */
	unsigned next;             /* the next source                                    */
	bool dest_is_dir;          /* sources go into it under their own names           */
	int dest_fd;               /* that directory, held from start to end; -1 */
	bool dest_known;           /* the question was asked                             */
	struct zc_job_cfg own_cfg; /* cfg, changed: see job_back_up_itself               */
	char *own_dest;
};

/* ---- where to */

static int item_parse(struct item *item, struct zc_uri *uri, const char *text, enum zc_dir dir,
                      enum zc_side side)
{
	const char *why = NULL;

	if (item->cfg->gnu_cp) { /* to cp every operand is a file name */
		*uri = (struct zc_uri){ .kind = ZC_END_PATH, .text = text, .path = text };
		return 0;
	}
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
	if (item->target.inherited_fd >= 0) {
		item->dst_uri.kind = ZC_END_FD;
		item->dst_uri.fd = item->target.inherited_fd;
		item_unfollow(item);
		target_close(&item->target);
		item->has_target = false;
	}
}

/* Is a symlink under the destination's name followed? As cp: for the data of a file, and not where the name
 * itself is to be another thing. */
static enum target_link item_link_rule(const struct item *item)
{
	const struct zc_job_cfg *cfg = item->cfg;
	bool name_only = source_is_name_only(item) || S_ISDIR(item->src_st.st_mode);

	return name_only || cfg->remove_dest || cfg->backup != ZC_BACKUP_NONE ? TARGET_KEEP : TARGET_FOLLOW;
}

static int item_aim_fail(struct item *item, int res, const char *refused, const char *what)
{
	return item_fail(item, ZC_SIDE_DST, refused != NULL ? ZC_STATUS_REFUSED : 0, "open", res,
	                 refused != NULL ? refused : what, NULL);
}

static int item_join(struct item *item, const char *dir, const char *name)
{
	size_t len = strlen(name);
	const char *slash = len == 0 || dir[strlen(dir) - 1] == '/' ? "" : "/";

	while (len > 1 && name[len - 1] == '/') {
		len--;
	}
	if (asprintf(&item->dst_path, "%s%s%.*s", dir, slash, (int)len, name) < 0) {
		item->dst_path = NULL;
		return item_fail(item, ZC_SIDE_DST, 0, "malloc", -ENOMEM, "no memory for its name", NULL);
	}
	item->dst_text = item->dst_path;
	item->dst_uri =
	    (struct zc_uri){ .kind = ZC_END_PATH, .text = item->dst_path, .path = item->dst_path };
	return 0;
}

/* The source's own name; "" for one that has none: ".", ".." and "/". */
static int item_own_name(struct item *item, char name[NAME_MAX + 1])
{
	size_t len;
	const char *base;

	if (item->src_uri.kind != ZC_END_PATH) {
		return item_fail(item, ZC_SIDE_SRC, ZC_STATUS_USAGE, "parse", 0,
		                 "has no name to be copied under; name the destination file", NULL);
	}
	base = target_basename(item->src_uri.path, &len);
	if (len > NAME_MAX || (len == 0 && item->src_uri.path[0] == '\0')) {
		return item_fail(item, ZC_SIDE_SRC, 0, "parse", len == 0 ? -ENOENT : -ENAMETOOLONG,
		                 "cannot be copied", NULL);
	}
	memcpy(name, base, len);
	name[len] = '\0';
	if (walk_is_dot(name)) {
		name[0] = '\0';
	}
	return 0;
}

/* What stands behind DEST in messages. */
static const char *item_shown_name(const struct item *item, const char *name)
{
	size_t len;
	const char *base;

	if (item->below != NULL || name[0] != '\0') {
		return item->below != NULL ? item->below : name;
	}
	base = target_basename(item->src_uri.path, &len);
	return len == 1 && base[0] == '.' ? "." : "";
}

/* Symlinks are followed by the rule, or where the name says so by a slash behind it. */
static int item_aim_follow(struct item *item, bool always, const char *what)
{
	const char *refused = NULL;
	int res;

	item->has_target = true;
	res = always || item_link_rule(item) == TARGET_FOLLOW ? item_follow(item, &refused) : 0;
	if (res < 0) {
		return item_aim_fail(item, res, refused, what);
	}
	item_aimed(item);
	return 0;
}

/* DEST/name, where name is the source's own, or with --parents all of its path. */
static int item_aim_into(struct item *item)
{
	const char *refused = NULL;
	char name[NAME_MAX + 1] = "";
	int dir_fd = item->dest_fd;
	int res = item_own_name(item, name);

	if (res == 0) {
		res = item_join(item, item->cfg->dest, item_shown_name(item, name));
	}
	if (res == 0 && item->below != NULL) {
		res = parents_make(item, &dir_fd);
	}
	if (res < 0) {
		return res;
	}
	if (name[0] == '\0') { /* its contents go into the directory itself */
		item->into_itself = true;
		item->target.name[0] = '.';
		item->target.dir_fd = dir_fd;
		item->target.borrowed = item->below == NULL;
		item->target.inherited_fd = -1;
		item->has_target = true;
		return fstat(dir_fd, &item->target.st) < 0
		           ? item_aim_fail(item, -errno, NULL, "cannot be reached")
		           : 0;
	}
	res = target_open_in(&item->target, dir_fd, name, TARGET_KEEP, &refused);
	if (item->below != NULL) {
		close(dir_fd);
	}
	return res < 0 ? item_aim_fail(item, res, refused, "cannot be reached")
	               : item_aim_follow(item, false, "cannot be reached");
}

/* A directory may be named with a slash behind it before it is there. */
static int item_trim(struct item *item)
{
	size_t len;

	if (!S_ISDIR(item->src_st.st_mode)) {
		return 0;
	}
	len = strlen(item->dst_uri.path);
	while (len > 1 && item->dst_uri.path[len - 1] == '/') {
		len--;
	}
	item->dst_path = strndup(item->dst_uri.path, len);
	if (item->dst_path == NULL) {
		return item_fail(item, ZC_SIDE_DST, 0, "malloc", -ENOMEM, "no memory for its name", NULL);
	}
	item->dst_uri.path = item->dst_path;
	return 0;
}

/* cp says that the name cannot be looked at; or, when it is only not there, later what cannot be made. */
static int item_aim_gnu(struct item *item, int code)
{
	struct stat st;

	if (fstatat(AT_FDCWD, item->cfg->dest, &st, 0) < 0 && errno != ENOENT) {
		return item_fail(item, ZC_SIDE_DST, 0, "fstatat", -errno, "cannot be reached", NULL);
	}
	item->target = (struct target){ .dir_fd = -1, .borrowed = true, .inherited_fd = -1 };
	item->has_target = true;
	item->aim_code = code;
	return 0;
}

static int item_aim_at(struct item *item)
{
	size_t len = strlen(item->cfg->dest);
	bool slash = len > 0 && item->cfg->dest[len - 1] == '/';
	const char *refused = NULL;
	int res = item_parse(item, &item->dst_uri, item->cfg->dest, ZC_DIR_DST, ZC_SIDE_DST);

	if (res < 0 || item->dst_uri.kind != ZC_END_PATH) {
		return res;
	}
	res = item_trim(item);
	if (res < 0) {
		return res;
	}
	res = target_open(&item->target, item->dst_uri.path, TARGET_KEEP, &refused);
	if (res < 0) {
		return item->report->gnu ? item_aim_gnu(item, res)
		                         : item_aim_fail(item, res, refused, "cannot be created");
	}
	return item_aim_follow(item, slash, item->report->gnu ? "cannot be reached" : "cannot be created");
}

/* ---- trees */

/* Is dir_fd at or below that directory? A bind mount or a symlink in the path hides nothing from "..". */
static bool job_is_below(int dir_fd, const struct stat *above)
{
	struct stat st;
	struct stat last = { 0 };
	int fd = openat(dir_fd, ".", O_PATH | O_DIRECTORY | O_CLOEXEC);
	bool below = false;

	while (fd >= 0 && fstat(fd, &st) == 0) {
		int up;

		below = st.st_dev == above->st_dev && st.st_ino == above->st_ino;
		if (below || (st.st_dev == last.st_dev && st.st_ino == last.st_ino)) {
			break;
		}
		last = st;
		up = openat(fd, "..", O_PATH | O_DIRECTORY | O_CLOEXEC);
		close(fd);
		fd = up;
	}
	if (fd >= 0) {
		close(fd);
	}
	return below;
}

static int job_tree_allowed(struct item *item)
{
	const struct target *target = &item->target;
	struct stat end;

	if (!item->has_target) {
		return item_fail(item, ZC_SIDE_DST, ZC_STATUS_USAGE, "open", 0,
		                 "cannot take a directory: name a directory", NULL);
	}
	if ((target->exists || item->into_itself) && target->st.st_dev == item->src_st.st_dev &&
	    target->st.st_ino == item->src_st.st_ino) {
		return item_fail(item, ZC_SIDE_DST, ZC_STATUS_REFUSED, "stat", 0,
		                 "is the same file as the source", NULL);
	}
	if (target->exists && S_ISLNK(target->st.st_mode) &&
	    fstatat(target->dir_fd, target->name, &end, 0) == 0 && end.st_dev == item->src_st.st_dev &&
	    end.st_ino == item->src_st.st_ino) {
		return item_fail(item, ZC_SIDE_DST, ZC_STATUS_REFUSED, "stat", 0,
		                 "is the same file as the source", NULL);
	}
	if (job_is_below(target->dir_fd, &item->src_st)) {
		return item_fail(item, ZC_SIDE_DST, ZC_STATUS_REFUSED, "stat", 0,
		                 "cannot copy a directory into itself", NULL);
	}
	return 0;
}

static int job_open_tree_src(struct item *item, struct node *node)
{
	int flags = O_RDONLY | O_DIRECTORY | O_CLOEXEC;
	int at_fd = AT_FDCWD;
	const char *name = item->src_uri.path;
	int fd;

	if (item->has_from) {
		at_fd = item->from.dir_fd;
		name = item->from.name;
		flags |= item->from.magic ? 0 : O_NOFOLLOW;
	}
	fd = openat(at_fd, name, flags);
	node->unreadable = fd < 0 && errno == EACCES; /* made, but empty */
	if (node->unreadable) {
		fd = openat(at_fd, name, flags | O_PATH);
	}
	if (fd < 0 || fstat(fd, &node->src_st) < 0) {
		int res = -errno;

		if (fd >= 0) {
			close(fd);
		}
		return item_fail(item, ZC_SIDE_SRC, 0, "openat", res, "cannot access", NULL);
	}
	return fd;
}

static int job_open_tree_dst(struct item *item, struct node *node)
{
	const struct target *target = &item->target;
	struct made_dir dir = { .fd = -1 };
	int res = 0;

	if (item->into_itself || item->cfg->dry_run) {
		dir.fd = openat(target->dir_fd, target->name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		if (dir.fd >= 0 && fstat(dir.fd, &dir.st) == 0) {
			entry_birth(node, &dir);
		} else if (!item->cfg->dry_run) {
			return item_fail(item, ZC_SIDE_DST, 0, "openat", -errno, "cannot access", NULL);
		}
		return dir.fd;
	}
	res = item->aim_code != 0 ? item_fail(item, ZC_SIDE_DST, 0, "mkdirat", item->aim_code,
	                                      "cannot create the directory", NULL)
	                          : entry_make_dir(item, target->dir_fd, target->name, &node->src_st, &dir);
	if (res < 0) {
		return res;
	}
	entry_birth(node, &dir);
	if (dir.made && item->cfg->verbose) {
		item_say(item);
	}
	return dir.fd;
}

static const char *job_filter_root(const struct item *item, char **ret_copy)
{
	size_t len = 0;
	const char *root = item->below != NULL ? item->below : zc_filter_root(item->src_uri.path, &len);

	len = item->below != NULL ? strlen(root) : len;
	*ret_copy = strndup(root, len);
	return *ret_copy;
}

/* The operand is a directory: from here on it is the tree's, step by step. */
static int job_begin_tree(struct zc_job *job, struct item *item)
{
	struct tree_start start = { .cfg = job->cfg, .progress = job->progress, .links = job->links };
	struct node *root = node_new(NULL, "", 1);
	int res;

	if (root == NULL) {
		return item_fail(item, ZC_SIDE_SRC, 0, "malloc", -ENOMEM, "cannot access", NULL);
	}
	start.src_fd = start.dst_fd = -1;
	res = job_tree_allowed(item);
	if (res == 0) {
		res = start.src_fd = job_open_tree_src(item, root);
	}
	if (res >= 0) {
		start.dst_fd = job_open_tree_dst(item, root);
		res = start.dst_fd < 0 && !job->cfg->dry_run ? start.dst_fd : 0;
	}
	if (res < 0) {
		if (start.src_fd >= 0) {
			close(start.src_fd);
		}
		node_free(root);
		return res;
	}
	if (job->cfg->dry_run) {
		item_say(item);
	}
	start.root = root;
	start.src_text = item->src_uri.text;
	start.dst_text = item->dst_text;
	start.link_root = job->link_root;
	start.filter_root = job_filter_root(item, &item->filter_root);
	start.manifest = job->manifest;
	res = tree_open(&job->tree, &start);
	return res < 0 ? item_fail(item, ZC_SIDE_NONE, 0, "malloc", res, "cannot be copied", NULL) : 0;
}

/* ---- hard links are kept over all operands */

/* Where the copy's name is seen from the directory that all copies are below. */
static int job_link_root(struct zc_job *job, const struct item *item)
{
	free(job->link_root);
	job->link_root = strdup(item->below != NULL ? item->below : item->target.name);
	return job->link_root == NULL ? -ENOMEM : 0;
}

static void job_keep_links(struct zc_job *job, struct item *item)
{
	if (!(job->cfg->preserve & ZC_PRESERVE_LINKS) || !item->has_target || item->aim_code != 0 ||
	    job_link_root(job, item) < 0) {
		return;
	}
	if (job->links == NULL) {
		int dir_fd = job->dest_fd;

		if (dir_fd < 0) {
			dir_fd = job->links_fd =
			    openat(item->target.dir_fd, ".", O_PATH | O_DIRECTORY | O_CLOEXEC);
		}
		if (dir_fd < 0 || links_new(&job->links, dir_fd) < 0) {
			report_say(&job->report, ZC_MSG_ERROR,
			           "hard links cannot be kept track of: each name becomes a copy");
			report_status(&job->report, ZC_STATUS_SOME_FAILED);
			return;
		}
		if (job->cfg->deref == ZC_DEREF_ALWAYS || job->cfg->deref == ZC_DEREF_OPERANDS) {
			links_keep(job->links);
		}
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
	job->report.gnu = cfg->gnu_cp;
	lane_init(&job->lane, progress, &job->report);
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
		res = manifest_publish(job->manifest, &op);
	}
	if (res < 0) {
		(void)job_manifest_fail(job, res, op);
	}
	manifest_free(job->manifest);
	job->manifest = NULL;
}

/* Is DEST a directory to copy into? Several sources, or -t, demand one. 0, or -errno after saying so. */
static int job_look_at_dest(struct zc_job *job)
{
	const struct zc_job_cfg *cfg = job->cfg;
	struct item item = { .cfg = cfg, .report = &job->report, .dst_text = cfg->dest };
	int res = -ENOTDIR;

	item.src_uri.text = "";
	item.base_fd = -1;
	job->dest_known = true;
	if (cfg->files_from != NULL && !cfg->dry_run && mkdirat(AT_FDCWD, cfg->dest, 0777) < 0 &&
	    errno != EEXIST) {
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
	job->dest_is_dir = res == 0;
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
			(void)job_begin_tree(job, item);
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
	};
	return item;
}

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

/* The next name of --files-from becomes the operand SOURCE/name. 1, 0 at the end, or -errno and said. */
static int job_next_name(struct zc_job *job, struct item *item)
{
	const char *base = job->cfg->sources[0];
	const char *name = NULL;
	const char *why = NULL;
	bool inside;
	int res = job->names == NULL ? job_open_list(job, item) : 0;

	if (res < 0) {
		return 0;
	}
	res = zc_names_next(job->names, &name, &inside, &why);
	if (res <= 0) {
		bool again = res == -EINVAL || res == -ENAMETOOLONG || res == -EXDEV;

		item->src_uri.text = job->cfg->files_from;
		if (res < 0) {
			(void)item_fail(item, ZC_SIDE_SRC, ZC_STATUS_SOME_FAILED, "read", 0,
			                why != NULL ? why : "cannot read", NULL);
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

	if (zc_stopped() || (job->cfg->files_from == NULL && job->next >= job->cfg->source_count) ||
	    (!job->dest_known && (job_look_at_dest(job) < 0 || job_open_manifest(job) < 0))) {
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
	if (job->links_fd >= 0) {
		close(job->links_fd);
	}
	if (job->dest_fd >= 0) {
		close(job->dest_fd);
	}
	free(job->link_root);
	free(job->own_dest);
	seen_free(&job->made.sources);
	seen_free(&job->made.dirs);
	seen_free(&job->made.files);
	free(job);
}
