/*
 * entry.c: one name of a directory in a tree. Every call is (held directory, one component), and nothing in
 * the tree is followed but what -L says.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "group.h"
#include "links.h"
#include "tree.h"

/* ---- an item of the tree */

static void entry_item(struct item *item, struct worker *worker, struct node *node, const char *name)
{
	struct tree *tree = worker->tree;

	*item = (struct item){
		.cfg = &tree->item_cfg,
		.report = &worker->report,
		.lane = &worker->lane,
		.progress = tree->progress,
		.links = tree->links,
		.manifest = tree->manifest,
		.tree = tree,
		.node = node,
		.src_uri = { .kind = ZC_END_PATH },
		.dst_uri = { .kind = ZC_END_PATH },
		.dest_fd = -1,
		.base_fd = -1,
		.state_fd = tree->state_fd,
		.old_fd = -1,
	};
	memcpy(item->from.name, name, strlen(name) + 1);
	item->from.borrowed = true;
}

int entry_fail(struct worker *worker, struct node *node, const char *name, enum zc_side side, int status,
               const char *op, int code, const char *what)
{
	struct item item;
	int res;

	entry_item(&item, worker, node, name);
	res = item_fail(&item, side, status, op, code, what, NULL);
	item_close(&item);
	return res;
}

int entry_meta_result(struct worker *worker, struct node *node, const char *name,
                      const struct meta_result *result)
{
	struct item item;
	int res;

	entry_item(&item, worker, node, name);
	res = item_meta_result(&item, result);
	item_close(&item);
	return res;
}

/* The directory itself: below its parent under its own name. */
static void entry_of_node(struct item *item, struct worker *worker, struct node *node)
{
	entry_item(item, worker, node, "");
	item->src_path = node_path(node, worker->tree->src_text, NULL);
	item->dst_path = node_path(node, worker->tree->dst_text, NULL);
}

void entry_lost(struct worker *worker, struct node *node, enum zc_side side, int code)
{
	struct item item;

	entry_of_node(&item, worker, node);
	if (code == -ESTALE) {
		(void)item_fail(&item, side, ZC_STATUS_CHANGED, "openat", code,
		                "replaced while it was copied", NULL);
	} else {
		(void)item_fail(
		    &item, side, 0, "openat", code,
		    side == ZC_SIDE_SRC && code != -EACCES ? "cannot read its names" : "cannot access", NULL);
	}
	item_close(&item);
}

void entry_too_long(struct worker *worker, struct node *node, const char *name, enum zc_side side)
{
	struct item item;

	entry_item(&item, worker, node, "");
	item.src_path = node_path(node, worker->tree->src_text, name);
	item.dst_path = node_path(node, worker->tree->dst_text, name);
	(void)item_fail(&item, side, 0, "getdents64", -ENAMETOOLONG, "cannot open", NULL);
	item_close(&item);
}

struct meta_wish tree_meta_wish(struct tree *tree, const struct stat *src_st)
{
	const struct zc_job_cfg *cfg = tree->cfg;

	return (struct meta_wish){
		.preserve = cfg->preserve & ~(unsigned)(ZC_PRESERVE_NOT_MODE | ZC_PRESERVE_LINKS),
		.require = cfg->require,
		.xattr_hushed = cfg->xattr_hushed,
		.no_xattrs =
		    atomic_load_explicit(&tree->no_xattrs_dev, memory_order_relaxed) == src_st->st_dev,
	};
}

/* ---- what is left out */

bool entry_excluded(struct worker *worker, struct node *node, const char *name, bool is_dir)
{
	const struct zc_filter *filter = worker->tree->cfg->filter;
	char *path;
	bool excluded;

	if (filter == NULL) {
		return false;
	}
	path = node_path(node, worker->tree->filter_root, name);
	if (path == NULL) { /* rather too little than what was to be left out */
		(void)entry_fail(worker, node, name, ZC_SIDE_SRC, 0, "malloc", -ENOMEM, "cannot be copied");
		return true;
	}
	/* without a root of its own the path begins with the slash before its first name */
	excluded = zc_filter_excludes(filter, path + (path[0] == '/'), is_dir);
	free(path);
	return excluded;
}

/* A temporary that a killed run has left in the source. Its copy would stand where the next replacement of
 * that file looks for its own leftovers, and be removed. cp knows no temporaries. */
static bool entry_is_leftover(struct worker *worker, struct node *node, const char *name)
{
	if (worker->report.gnu || !commit_is_temp_name(name)) {
		return false;
	}
	(void)entry_fail(worker, node, name, ZC_SIDE_SRC, ZC_STATUS_SOME_FAILED, "check", 0,
	                 "not copied: what an interrupted copy has left; remove it");
	return true;
}

/* ---- files and names */

static int entry_vanished(struct worker *worker, struct node *node, const char *name, int code,
                          const char *op, const char *what)
{
	bool vanished = code == -ENOENT && !worker->report.gnu &&
	                worker->tree->cfg->deref != ZC_DEREF_ALWAYS; /* dangling links are there */

	return vanished ? entry_fail(worker, node, name, ZC_SIDE_SRC, ZC_STATUS_CHANGED, op, 0,
	                             "vanished after it was seen")
	                : entry_fail(worker, node, name, ZC_SIDE_SRC, 0, op, code, what);
}

/* Where it goes. A new directory holds only what this run puts there: nothing is looked up, and what is
 * there all the same (another name of a file system that folds cases) is not taken away. */
static int entry_aim(struct item *item, const struct node *node, const struct open_dir *dir)
{
	const char *refused = NULL;
	const char *name = item->from.name;
	bool follow = item->report->gnu && S_ISREG(item->src_st.st_mode) && !item->cfg->remove_dest &&
	              item->cfg->backup == ZC_BACKUP_NONE && !source_is_name_only(item) &&
	              (item->links == NULL || item->src_st.st_nlink == 1);
	int res;

	if (node->made || dir->dst_fd < 0) {
		item->target = (struct target){ .dir_fd = dir->dst_fd, .borrowed = true, .inherited_fd = -1 };
		memcpy(item->target.name, name, strlen(name) + 1);
		item->new_name = node->made;
		item->has_target = true;
		return 0;
	}
	res = target_open_at(&item->target, dir->dst_fd, name, TARGET_KEEP, &refused);
	item->has_target = res == 0;
	if (res == 0 && follow) {
		res = item_follow(item, &refused);
	}
	if (res < 0) {
		return item_fail(item, ZC_SIDE_DST, refused != NULL ? ZC_STATUS_REFUSED : 0, "fstatat", res,
		                 refused != NULL ? refused : "cannot be reached", NULL);
	}
	/* but as cp, a symlink is replaced, never written through */
	return 0;
}

/* The long way: everything that options and file types may want. src_fd: already open, or -1. */
static void entry_long(struct worker *worker, struct node *node, const struct open_dir *dir, const char *name,
                       const struct stat *st, bool followed, int src_fd)
{
	struct item item;
	int res = 0;

	entry_item(&item, worker, node, name);
	item.from.dir_fd = dir->src_fd;
	item.from.inherited_fd = -1;
	item.from.exists = true;
	item.from.magic = followed; /* to be opened through the link */
	item.from.st = *st;
	item.has_from = true;
	item.src_st = *st;
	item.patient = worker->patient;
	item.may_wait = group_takes(worker, node);
	if (src_fd >= 0) {
		res = zc_end_from_fd(&item.src, src_fd, ZC_DIR_SRC, true);
		if (res < 0) {
			close(src_fd);
			res = item_fail(&item, ZC_SIDE_SRC, 0, "fstat", res, "cannot open", NULL);
		}
	}
	if (res == 0) {
		res = entry_aim(&item, node, dir);
	}
	if (res == 0) {
		res = item_run(&item);
	}
	if (res == ITEM_WAITS && !group_add_item(worker, node, &item)) {
		(void)item_finish(&item, fdatasync(item.commit.fd) < 0 ? -errno : 0);
	}
	item_close(&item);
	if (res == ITEM_LATER) {
		tree_add_later(worker, node, name);
	}
}

/* A regular file to a new name. false: not this way, nothing has happened. */
static bool entry_short(struct worker *worker, struct node *node, const struct open_dir *dir,
                        const char *name)
{
	struct tree *tree = worker->tree;
	struct stat st;
	int fd = openat(dir->src_fd, name, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY | O_NOFOLLOW);
	int res = SMALL_NOT_ME;

	if (fd < 0) {
		if (errno == ELOOP || errno == EMFILE || errno == ENFILE || errno == ENXIO) {
			return false;
		}
		(void)entry_vanished(worker, node, name, -errno, "openat", "cannot open");
		return true;
	}
	if (fstat(fd, &st) < 0 || !S_ISREG(st.st_mode)) {
		close(fd);
		return false;
	}
	if (st.st_size <= SMALL_BYTES && tree->cfg->pace == NULL &&
	    (uint64_t)st.st_blocks * 512 >= (uint64_t)st.st_size &&
	    (tree->links == NULL || (st.st_nlink == 1 && tree->cfg->deref != ZC_DEREF_ALWAYS)) &&
	    (tree->cfg->gnu_cp || !tree->no_tmpfile) && (!tree->durable || group_takes(worker, node))) {
		res = small_copy(worker, node, dir, name, fd, &st);
	}
	if (res == SMALL_NOT_ME) {
		entry_long(worker, node, dir, name, &st, false, fd);
		return true;
	}
	close(fd);
	if (tree->cfg->verbose && res == 0) {
		struct item item;

		entry_item(&item, worker, node, name);
		item_say(&item);
		item_close(&item);
	}
	return true;
}

/* -u again over a tree that is as it was, the common case: two looks a name and nothing else. What is not
 * plain goes the long way, which decides the same. */
static bool entry_unchanged(struct worker *worker, const struct node *node, const struct open_dir *dir,
                            const char *name, const struct stat *src)
{
	const struct tree *tree = worker->tree;
	struct stat dst;

	if (tree->cfg->update != ZC_UPDATE_OLDER || tree->cfg->debug ||
	    tree->cfg->on_read_error != ZC_ON_READ_ERROR_FAIL || tree->cfg->resume || node->made ||
	    dir->dst_fd < 0 || !S_ISREG(src->st_mode) || (src->st_nlink > 1 && tree->links != NULL) ||
	    fstatat(dir->dst_fd, name, &dst, AT_SYMLINK_NOFOLLOW) < 0 || !S_ISREG(dst.st_mode) ||
	    (dst.st_ino == src->st_ino && dst.st_dev == src->st_dev)) {
		return false;
	}
	if (src->st_mtim.tv_sec > dst.st_mtim.tv_sec ||
	    (src->st_mtim.tv_sec == dst.st_mtim.tv_sec && src->st_mtim.tv_nsec > dst.st_mtim.tv_nsec)) {
		return false;
	}
	worker->report.items.skipped++;
	return true;
}

void entry_copy(struct worker *worker, struct node *node, const struct open_dir *dir, const char *name,
                uint8_t type)
{
	struct tree *tree = worker->tree;
	bool follow = tree->cfg->deref == ZC_DEREF_ALWAYS;
	struct stat st;

	if (entry_excluded(worker, node, name, false) || entry_is_leftover(worker, node, name)) {
		return;
	}
	if (type == DT_REG && node->made && tree->plain && entry_short(worker, node, dir, name)) {
		return;
	}
	if (fstatat(dir->src_fd, name, &st, follow ? 0 : AT_SYMLINK_NOFOLLOW) < 0) {
		(void)entry_vanished(worker, node, name, -errno, "fstatat", "cannot stat");
		return;
	}
	if (S_ISDIR(st.st_mode)) {
		/* what it was called is a hint: nothing is followed but what -L follows */
		tree_add_dir(worker, node, name, follow ? DT_LNK : DT_DIR);
		return;
	}
	if (!entry_unchanged(worker, node, dir, name, &st)) {
		entry_long(worker, node, dir, name, &st, follow, -1);
	}
}

/* ---- directories */

/* Under which directories the source's and the destination's are found again and again. */
static bool entry_is_cycle(const struct node *node, const struct stat *st)
{
	for (; node != NULL; node = node->parent) {
		if (node->src_st.st_dev == st->st_dev && node->src_st.st_ino == st->st_ino) {
			return true;
		}
	}
	return false;
}

static int entry_open_dir(int at_fd, const char *name, int flags, bool *ret_unreadable)
{
	int fd = openat(at_fd, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC | flags);

	*ret_unreadable = fd < 0 && errno == EACCES;
	if (*ret_unreadable) {
		fd = openat(at_fd, name, O_PATH | O_DIRECTORY | O_CLOEXEC | flags);
	}
	return fd < 0 ? -errno : fd;
}

#define DISPLACED 1
/* Something stands under the name. 0: a directory, or what is used as one; DISPLACED: the name is free now.
 */
static int entry_displace(struct item *item, int dir_fd, const char *name, bool *ret_kept_link)
{
	struct stat st;

	if (fstatat(dir_fd, name, &st, AT_SYMLINK_NOFOLLOW) < 0) {
		return item_fail(item, ZC_SIDE_DST, 0, "fstatat", -errno, "cannot create the directory",
		                 NULL);
	}
	if (S_ISDIR(st.st_mode)) {
		return 0;
	}
	if (S_ISLNK(st.st_mode) && item->cfg->keep_dir_links && fstatat(dir_fd, name, &st, 0) == 0 &&
	    S_ISDIR(st.st_mode)) {
		*ret_kept_link = true;
		return 0;
	}
	if (!S_ISLNK(st.st_mode) || item->report->gnu || item->node == NULL) {
		return item_fail(item, ZC_SIDE_DST, ZC_STATUS_SOME_FAILED, "mkdirat", -EEXIST,
		                 "cannot overwrite a file with a directory", NULL);
	}
	return unlinkat(dir_fd, name, 0) < 0
	           ? item_fail(item, ZC_SIDE_DST, 0, "unlinkat", -errno, "cannot create the directory", NULL)
	           : DISPLACED;
}

/* Writable by us alone as long as it is filled, when owner or mode are to be the source's; else as any new
 * directory would be, but always open to ourselves. */
mode_t entry_dir_mode(const struct zc_job_cfg *cfg, const struct stat *src_st)
{
	if (cfg->preserve & (ZC_PRESERVE_OWNER | ZC_PRESERVE_MODE)) {
		return 0700;
	}
	return cfg->preserve & ZC_PRESERVE_NOT_MODE ? 0777 : (src_st->st_mode & 01777) | 0700;
}

static int entry_opened(struct item *item, struct made_dir *dir, struct made_dir *ret_dir)
{
	int res;

	if (fstat(dir->fd, &dir->st) < 0) {
		res = item_fail(item, ZC_SIDE_DST, 0, "fstat", -errno, "cannot stat", NULL);
		close(dir->fd);
		return res;
	}
	*ret_dir = *dir;
	return 0;
}

int entry_make_dir(struct item *item, int dir_fd, const char *name, const struct stat *src_st,
                   struct made_dir *ret_dir)
{
	struct made_dir dir = { 0 };
	bool unreadable;
	int res = 0;

	if (item->node != NULL && !item->node->made) { /* merging: most likely it is there */
		dir.fd = openat(dir_fd, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
		if (dir.fd >= 0) {
			return entry_opened(item, &dir, ret_dir);
		}
	}
	dir.made = mkdirat(dir_fd, name, entry_dir_mode(item->cfg, src_st)) == 0;
	if (!dir.made && errno != EEXIST) {
		return item_fail(item, ZC_SIDE_DST, 0, "mkdirat", -errno, "cannot create the directory",
		                 NULL);
	}
	if (!dir.made && item->node != NULL && item->node->made && !item->report->gnu) {
		/* nothing is in there but what this run made: another name, where A is a */
		return item_fail(item, ZC_SIDE_DST, 0, "mkdirat", -EEXIST, "cannot create the directory",
		                 NULL);
	}
	if (!dir.made) {
		res = entry_displace(item, dir_fd, name, &dir.kept_link);
	}
	if (res == DISPLACED) {
		dir.made = mkdirat(dir_fd, name, entry_dir_mode(item->cfg, src_st)) == 0;
		res = dir.made ? 0
		               : item_fail(item, ZC_SIDE_DST, 0, "mkdirat", -errno,
		                           "cannot create the directory", NULL);
	}
	if (res < 0) {
		return res;
	}
	dir.fd = entry_open_dir(dir_fd, name, dir.kept_link ? 0 : O_NOFOLLOW, &unreadable);
	if (dir.fd < 0) {
		return item_fail(item, ZC_SIDE_DST, 0, "openat", dir.fd, "cannot access", NULL);
	}
	if (unreadable && item->cfg->durability == ZC_DURABILITY_FULL) {
		close(dir.fd);
		return sink_cannot_sync(item);
	}
	return entry_opened(item, &dir, ret_dir);
}

/* What a new file in it will have: its owner is the directory's own, which we made a moment ago, and a
 * default ACL is inherited from directory to directory. */
void entry_birth(struct node *node, const struct made_dir *dir)
{
	node->dst_dev = dir->st.st_dev;
	node->dst_ino = dir->st.st_ino;
	node->dst_mode = dir->st.st_mode;
	node->made = dir->made;
	node->kept_link = dir->kept_link;
	node->birth = (struct meta_given){ .uid = dir->st.st_uid, .gid = dir->st.st_gid };
	node->birth.has_acl = node->parent != NULL && node->parent->made
	                          ? node->parent->birth.has_acl
	                          : fgetxattr(dir->fd, "system.posix_acl_default", NULL, 0) > 0;
}

/* --dry-run: a look only, should it exist. */
static void entry_pretend_dir(struct item *item, struct node *node, int dir_fd, const char *name, int *ret_fd)
{
	struct made_dir dir = { 0 };

	item_say(item);
	*ret_fd = -1;
	node->no_dst = true;
	if (dir_fd < 0) {
		return;
	}
	dir.fd = openat(dir_fd, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
	if (dir.fd >= 0 && fstat(dir.fd, &dir.st) == 0) {
		entry_birth(node, &dir);
		node->no_dst = false;
		*ret_fd = dir.fd;
	}
}

static int entry_open_dst(struct item *item, struct node *node, const struct open_dir *dir, int *ret_fd)
{
	struct made_dir made = { .fd = -1 };
	int res;

	if (item->cfg->dry_run) {
		entry_pretend_dir(item, node, dir->dst_fd, node->name, ret_fd);
		return 0;
	}
	res = entry_make_dir(item, dir->dst_fd, node->name, &node->src_st, &made);
	if (res < 0) {
		return res;
	}
	if (made.made && item->cfg->verbose) {
		item_say(item);
	}
	entry_birth(node, &made);
	*ret_fd = made.fd;
	return 0;
}

static bool entry_is_older(const struct stat *st, const struct timespec *when)
{
	return st->st_ctim.tv_sec < when->tv_sec ||
	       (st->st_ctim.tv_sec == when->tv_sec && st->st_ctim.tv_nsec < when->tv_nsec);
}

/* Refused for what it is. */
static int entry_dir_allowed(struct worker *worker, struct node *parent, const char *name, uint8_t type,
                             const struct stat *st)
{
	const struct tree *tree = worker->tree;

	if (type == DT_LNK && entry_is_cycle(parent, st)) {
		return entry_fail(worker, parent, name, ZC_SIDE_SRC, ZC_STATUS_REFUSED, "openat", 0,
		                  "is a symlink that leads to a directory above it");
	}
	/* a bind mount may lead from the source into any directory that is being filled: it is new, then */
	for (const struct node *node = entry_is_older(st, &tree->started) ? tree->root : parent; node != NULL;
	     node = node->parent) {
		if (st->st_ino == node->dst_ino && st->st_dev == node->dst_dev && !node->no_dst) {
			return entry_fail(worker, parent, name, ZC_SIDE_SRC, ZC_STATUS_REFUSED, "openat", 0,
			                  "cannot copy a directory into itself");
		}
	}
	return 0;
}

static struct node *entry_enter_open(struct worker *worker, struct node *parent, const struct open_dir *dir,
                                     struct node *node, int src_fd)
{
	struct item item;
	int dst_fd = -1;
	int res;

	entry_item(&item, worker, parent, node->name);
	item.src_st = node->src_st;
	res = entry_open_dst(&item, node, dir, &dst_fd);
	item_close(&item);
	if (res < 0) {
		close(src_fd);
		node_free(node);
		return NULL;
	}
	cursor_enter(&worker->cursor, node, src_fd, dst_fd);
	return node;
}

struct node *entry_enter(struct worker *worker, struct node *parent, const struct open_dir *dir,
                         const char *name, uint8_t type)
{
	struct tree *tree = worker->tree;
	struct node *node;
	bool unreadable;
	int src_fd;

	if (entry_excluded(worker, parent, name, true)) {
		return NULL;
	}
	src_fd = entry_open_dir(dir->src_fd, name, type == DT_LNK ? 0 : O_NOFOLLOW, &unreadable);
	if (src_fd == -ENOTDIR || src_fd == -ELOOP) {
		entry_copy(worker, parent, dir, name, DT_UNKNOWN); /* the hint was wrong, or is by now */
		return NULL;
	}
	if (src_fd < 0) {
		(void)entry_vanished(worker, parent, name, src_fd, "openat", "cannot access");
		return NULL;
	}
	node = node_new(parent, name, tree_next_id(tree));
	if (node == NULL || fstat(src_fd, &node->src_st) < 0) {
		(void)entry_fail(worker, parent, name, ZC_SIDE_SRC, 0, "fstat",
		                 node == NULL ? -ENOMEM : -errno, "cannot stat");
	} else if (entry_dir_allowed(worker, parent, name, type, &node->src_st) == 0) {
		node->followed = type == DT_LNK;
		node->unreadable = unreadable;
		node->shut = tree->cfg->one_file_system && node->src_st.st_dev != tree->root->src_st.st_dev;
		return entry_enter_open(worker, parent, dir, node, src_fd);
	}
	close(src_fd);
	node_free(node);
	return NULL;
}

/* ---- when all in it is done */

/* The mode it shall have where the source's is not kept: what a new directory gets, without what was added
 * for ourselves while it was filled. */
static mode_t entry_final_mode(const struct zc_job_cfg *cfg, const struct node *node)
{
	/* of its parent it has inherited the set-group-ID bit */
	mode_t special = (node->src_st.st_mode & S_ISVTX) | (node->dst_mode & S_ISGID);

	if (cfg->preserve & ZC_PRESERVE_NOT_MODE) {
		return (0777 & ~cfg->umask) | special;
	}
	if (cfg->preserve & ZC_PRESERVE_OWNER) { /* it was made 0700 */
		return (node->src_st.st_mode & 0777 & ~cfg->umask) | special;
	}
	return node->dst_mode & 07777 & ~(0700 & ~node->src_st.st_mode);
}

/* Nothing is preserved. */
static void entry_narrow(struct worker *worker, struct node *node)
{
	mode_t mode = entry_final_mode(worker->tree->cfg, node);
	enum zc_side side;
	struct open_dir dir;
	int res;

	if (!node->made || mode == (node->dst_mode & 07777)) {
		return;
	}
	res = cursor_at(&worker->cursor, node, &dir, &side);
	if (res == 0 && fchmod(dir.dst_fd, mode) < 0) {
		res = -errno;
	}
	if (res < 0) {
		entry_lost(worker, node, ZC_SIDE_DST, res);
	}
}

static void entry_keep(struct worker *worker, struct node *node, const struct open_dir *dir,
                       struct meta_wish *wish)
{
	struct meta_given given = node->birth;
	struct meta_result result = { 0 };
	struct item item;

	if (!(wish->preserve & ZC_PRESERVE_MODE) && node->made) {
		wish->set_mode = true;
		wish->mode = entry_final_mode(worker->tree->cfg, node);
	}
	given.mode = node->dst_mode;
	meta_copy(&(struct attr_at){ .fd = dir->src_fd }, &node->src_st,
	          &(struct attr_at){ .fd = dir->dst_fd }, node->made && !given.has_acl ? &given : NULL, wish,
	          &result);
	if (result.count > 0) {
		entry_of_node(&item, worker, node);
		(void)item_meta_result(&item, &result);
		item_close(&item);
	}
}

void entry_leave(struct worker *worker, struct node *node)
{
	const struct zc_job_cfg *cfg = worker->tree->cfg;
	struct meta_wish wish = tree_meta_wish(worker->tree, &node->src_st);
	struct open_dir dir;
	struct item item;
	enum zc_side side;
	int res;

	if (cfg->dry_run) {
		return;
	}
	worker->report.items.directories++;
	if (wish.preserve == 0) {
		entry_narrow(worker, node);
	}
	if (wish.preserve == 0 && cfg->durability != ZC_DURABILITY_FULL) {
		return;
	}
	res = cursor_at(&worker->cursor, node, &dir, &side);
	if (res < 0) {
		entry_lost(worker, node, side, res);
		return;
	}
	if (wish.preserve != 0) {
		entry_keep(worker, node, &dir, &wish);
	}
	if (cfg->durability == ZC_DURABILITY_FULL && !group_syncs_all(worker->tree, node)) {
		entry_of_node(&item, worker, node);
		(void)item_sync_dir(&item, dir.dst_fd);
		item_close(&item);
	}
}

const struct tree_ops entry_ops = {
	.copy = entry_copy,
	.enter = entry_enter,
	.leave = entry_leave,
	.lost = entry_lost,
};
