/*
 * verify.c: `zcopy verify`: the tree's walk with another thing to do at each name. The source is walked, each
 * name is looked up on the other side; once a directory is done, the destination's names are looked up in the
 * source. Nothing is written, and no link is followed but the two operands.
 */
#include "verify.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "compare.h"

static const enum zc_side sides[COMPARE_SIDES] = { ZC_SIDE_SRC, ZC_SIDE_DST };

/* ---- one name of a tree */

struct verify_at {
	struct worker *worker;
	struct node *node; /* the directory it is in */
	const char *name;  /* NULL: that directory itself */
};

/* Below SRC and DST alike; the two themselves are called as the destination is. */
static char *verify_name(const struct compare *compare)
{
	const struct verify_at *at = compare->arg;
	char *path = node_path(at->node, "", at->name);

	if (path == NULL) {
		return NULL;
	}
	if (path[0] == '\0') {
		free(path);
		return strdup(at->worker->tree->dst_text);
	}
	memmove(path, path + 1, strlen(path)); /* with the NUL, without the slash */
	return path;
}

static int verify_fail_at(const struct verify_at *at, enum zc_side side, int status, const char *op, int code,
                          const char *what)
{
	struct node *node = at->node;
	const char *name = at->name;

	if (name == NULL && node->parent == NULL) {
		name = "."; /* the operand */
	} else if (name == NULL) {
		name = node->name;
		node = node->parent;
	}
	return entry_fail(at->worker, node, name, side, status, op, code, what);
}

static int verify_fail(struct compare *compare, enum zc_side side, const char *op, int code, const char *what)
{
	return verify_fail_at(compare->arg, side, 0, op, code, what);
}

static struct compare verify_compare(struct verify_at *at)
{
	return (struct compare){
		.report = &at->worker->report,
		.progress = at->worker->tree->progress,
		.pairs = at->worker->tree->pairs,
		.mem = at->worker->small,
		.fd = { -1, -1 },
		.name = verify_name,
		.fail = verify_fail,
		.arg = at,
	};
}

_Static_assert(SMALL_BYTES >= 2 * COMPARE_BYTES, "a worker's buffer is enough");

/* ---- descriptors */

static void verify_close(struct compare *compare)
{
	for (int side = COMPARE_SRC; side < COMPARE_SIDES; side++) {
		if (compare->fd[side] >= 0) {
			close(compare->fd[side]);
		}
	}
}

/* Opens both, which must still be what was looked at. 0, or -errno and said. */
static int verify_open(struct compare *compare, const int dir_fds[COMPARE_SIDES],
                       const char *const names[COMPARE_SIDES], int flags)
{
	for (int side = COMPARE_SRC; side < COMPARE_SIDES; side++) {
		const struct stat *seen = &compare->st[side];
		struct stat st;
		int fd = openat(dir_fds[side], names[side], flags | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);

		if (fd < 0 || fstat(fd, &st) < 0) {
			int res = -errno;

			if (fd >= 0) {
				close(fd);
			}
			return compare->fail(compare, sides[side], "openat", res, "cannot open");
		}
		compare->fd[side] = fd;
		if (st.st_dev != seen->st_dev || st.st_ino != seen->st_ino ||
		    (st.st_mode & S_IFMT) != (seen->st_mode & S_IFMT)) {
			return compare->fail(compare, sides[side], "openat", -ESTALE,
			                     "was replaced while it was compared");
		}
		compare->st[side] = st;
	}
	return 0;
}

/* ---- one pair */

static void verify_count(struct compare *compare)
{
	struct zc_report *report = compare->report;

	switch (compare->st[COMPARE_SRC].st_mode & S_IFMT) {
	case S_IFREG:
		report->items.files++;
		break;
	case S_IFDIR:
		report->items.directories++;
		break;
	case S_IFLNK:
		report->items.symlinks++;
		break;
	default:
		report->items.specials++;
		break;
	}
}

/* Both were looked at, are not directories, and st is filled. follow: they are operands. */
static void verify_pair(struct compare *compare, const int dir_fds[COMPARE_SIDES],
                        const char *const names[COMPARE_SIDES], bool follow)
{
	bool regular = S_ISREG(compare->st[COMPARE_SRC].st_mode);
	int flags = (regular ? O_RDONLY : O_PATH) | (follow ? 0 : O_NOFOLLOW);

	if (compare_links(compare)) {
		compare->report->items.hardlinks++;
		return;
	}
	if (!compare_stat(compare)) {
		return;
	}
	verify_count(compare);
	if (verify_open(compare, dir_fds, names, flags) < 0) {
		return;
	}
	compare_xattrs(compare);
	if (S_ISLNK(compare->st[COMPARE_SRC].st_mode)) {
		compare_targets(compare);
	} else if (regular && compare->st[COMPARE_SRC].st_size == compare->st[COMPARE_DST].st_size) {
		compare_contents(compare);
	}
}

/* Looks at both. 0; or -errno and said. */
static int verify_look(struct compare *compare, const struct open_dir *dir, const char *name)
{
	const struct verify_at *at = compare->arg;

	if (fstatat(dir->src_fd, name, &compare->st[COMPARE_SRC], AT_SYMLINK_NOFOLLOW) < 0) {
		return verify_fail_at(at, ZC_SIDE_SRC, errno == ENOENT ? ZC_STATUS_CHANGED : 0, "fstatat",
		                      errno == ENOENT ? 0 : -errno,
		                      errno == ENOENT ? "vanished after it was seen" : "cannot stat");
	}
	if (fstatat(dir->dst_fd, name, &compare->st[COMPARE_DST], AT_SYMLINK_NOFOLLOW) == 0) {
		return 0;
	}
	if (errno != ENOENT) {
		return verify_fail_at(at, ZC_SIDE_DST, 0, "fstatat", -errno, "cannot stat");
	}
	compare_say(compare, "missing", "is missing");
	return -ENOENT;
}

/* ---- what the walk calls */

static void verify_entry(struct worker *worker, struct node *node, const struct open_dir *dir,
                         const char *name, uint8_t type)
{
	struct verify_at at = { .worker = worker, .node = node, .name = name };
	const int dir_fds[COMPARE_SIDES] = { dir->src_fd, dir->dst_fd };
	const char *const names[COMPARE_SIDES] = { name, name };
	struct compare compare = verify_compare(&at);

	(void)type; /* a hint, and what it says is asked anyway */
	if (entry_excluded(worker, node, name, false)) {
		return;
	}
	if (verify_look(&compare, dir, name) < 0) {
		return;
	}
	if (S_ISDIR(compare.st[COMPARE_SRC].st_mode)) {
		tree_add_dir(worker, node, name, DT_DIR);
		return;
	}
	verify_pair(&compare, dir_fds, names, false);
	verify_close(&compare);
}

/* Where the source's directory is one, too. NULL: not to be entered, and said why. */
static struct node *verify_enter_open(struct compare *compare, struct node *parent,
                                      const struct open_dir *dir, const char *name)
{
	const int flags = O_RDONLY | O_DIRECTORY | O_NOFOLLOW;
	const int dir_fds[COMPARE_SIDES] = { dir->src_fd, dir->dst_fd };
	const char *const names[COMPARE_SIDES] = { name, name };
	struct worker *worker = ((struct verify_at *)compare->arg)->worker;
	struct node *node;

	verify_count(compare);
	if (verify_open(compare, dir_fds, names, flags) < 0) {
		return NULL;
	}
	compare_xattrs(compare);
	node = node_new(parent, name, tree_next_id(worker->tree));
	if (node == NULL) {
		(void)compare->fail(compare, ZC_SIDE_SRC, "malloc", -ENOMEM, "cannot be compared");
		return NULL;
	}
	node->src_st = compare->st[COMPARE_SRC];
	node->dst_dev = compare->st[COMPARE_DST].st_dev;
	node->dst_ino = compare->st[COMPARE_DST].st_ino;
	cursor_enter(&worker->cursor, node, compare->fd[COMPARE_SRC], compare->fd[COMPARE_DST]);
	compare->fd[COMPARE_SRC] = compare->fd[COMPARE_DST] = -1;
	return node;
}

static struct node *verify_enter(struct worker *worker, struct node *parent, const struct open_dir *dir,
                                 const char *name, uint8_t type)
{
	struct verify_at at = { .worker = worker, .node = parent, .name = name };
	struct compare compare = verify_compare(&at);
	struct node *node = NULL;

	(void)type;
	if (entry_excluded(worker, parent, name, true) || verify_look(&compare, dir, name) < 0) {
		return NULL;
	}
	if (!S_ISDIR(compare.st[COMPARE_SRC].st_mode)) { /* the hint was wrong, or is by now */
		verify_entry(worker, parent, dir, name, DT_UNKNOWN);
		return NULL;
	}
	if (compare_stat(&compare)) {
		node = verify_enter_open(&compare, parent, dir, name);
	}
	verify_close(&compare);
	return node;
}

/* A name of the destination: is it in the source? */
static void verify_extra(struct worker *worker, struct node *node, const struct open_dir *dir,
                         const struct walk_dirent *entry)
{
	struct verify_at at = { .worker = worker, .node = node, .name = entry->name };
	struct compare compare = verify_compare(&at);
	struct stat st;

	if (fstatat(dir->src_fd, entry->name, &st, AT_SYMLINK_NOFOLLOW) == 0) {
		return;
	}
	if (errno != ENOENT) {
		(void)verify_fail(&compare, ZC_SIDE_SRC, "fstatat", -errno, "cannot stat");
		return;
	}
	if (fstatat(dir->dst_fd, entry->name, &st, AT_SYMLINK_NOFOLLOW) == 0 &&
	    !entry_excluded(worker, node, entry->name, S_ISDIR(st.st_mode))) {
		compare_say(&compare, "extra", "is not in the source");
	}
}

/* All names of the source's directory are done. */
static void verify_leave(struct worker *worker, struct node *node)
{
	enum zc_side side;
	struct open_dir dir;
	int res = cursor_at(&worker->cursor, node, &dir, &side);
	ssize_t len;

	if (res == 0 && lseek(dir.dst_fd, 0, SEEK_SET) < 0) {
		side = ZC_SIDE_DST;
		res = -errno;
	}
	if (res < 0) {
		worker->tree->ops->lost(worker, node, side, res);
		return;
	}
	while (!zc_stopped() && (len = walk_read(dir.dst_fd, worker->batch, WALK_BYTES)) != 0) {
		if (len < 0) {
			worker->tree->ops->lost(worker, node, ZC_SIDE_DST, (int)len);
			return;
		}
		for (ssize_t at = 0; at < len;) {
			const struct walk_dirent *entry = (const struct walk_dirent *)(worker->batch + at);

			if (strlen(entry->name) > NAME_MAX) {
				entry_too_long(worker, node, entry->name, ZC_SIDE_DST);
			} else if (!walk_is_dot(entry->name)) {
				verify_extra(worker, node, &dir, entry);
			}
			at += entry->reclen;
		}
	}
}

static void verify_lost(struct worker *worker, struct node *node, enum zc_side side, int code)
{
	struct verify_at at = { .worker = worker, .node = node };

	(void)verify_fail_at(&at, side, code == -ESTALE ? ZC_STATUS_CHANGED : 0, "openat", code,
	                     code == -ESTALE ? "was replaced while it was compared"
	                                     : "cannot read its names");
}

static const struct tree_ops verify_ops = {
	.copy = verify_entry,
	.enter = verify_enter,
	.leave = verify_leave,
	.lost = verify_lost,
};

/* ---- the operands */

static int verify_fail_operand(struct compare *compare, enum zc_side side, const char *op, int code,
                               const char *what)
{
	return item_fail(compare->arg, side, 0, op, code, what, NULL);
}

static char *verify_operand_name(const struct compare *compare)
{
	return strdup(((struct item *)compare->arg)->dst_text);
}

static const char *verify_filter_root(struct item *item)
{
	size_t len = 0;
	const char *root = zc_filter_root(item->src_uri.path, &len);

	item->filter_root = strndup(root, len);
	return item->filter_root;
}

/* The tree takes both descriptors over. */
static int verify_begin_tree(struct item *item, struct compare *compare, struct tree **ret_tree)
{
	struct node *root = node_new(NULL, "", 1);
	struct tree_start start = {
		.cfg = item->cfg,
		.progress = item->progress,
		.ops = &verify_ops,
		.src_text = item->src_uri.text,
		.dst_text = item->dst_text,
		.filter_root = verify_filter_root(item),
		.link_root = "",
		.state_fd = -1,
		.src_fd = compare->fd[COMPARE_SRC],
		.dst_fd = compare->fd[COMPARE_DST],
		.root = root,
	};
	int res = root != NULL && start.filter_root != NULL ? pairs_new(&start.pairs) : -ENOMEM;

	if (res < 0) {
		node_free(root);
		return item_fail(item, ZC_SIDE_NONE, 0, "malloc", res, "cannot be compared", NULL);
	}
	root->src_st = compare->st[COMPARE_SRC];
	root->dst_dev = compare->st[COMPARE_DST].st_dev;
	root->dst_ino = compare->st[COMPARE_DST].st_ino;
	compare->fd[COMPARE_SRC] = compare->fd[COMPARE_DST] = -1;
	res = tree_open(ret_tree, &start);
	return res < 0 ? item_fail(item, ZC_SIDE_NONE, 0, "malloc", res, "cannot be compared", NULL) : 0;
}

static int verify_operands(struct item *item, struct compare *compare, struct tree **ret_tree)
{
	static const int dir_fds[COMPARE_SIDES] = { AT_FDCWD, AT_FDCWD };
	const char *const names[COMPARE_SIDES] = { item->src_uri.path, item->dst_text };

	for (int side = COMPARE_SRC; side < COMPARE_SIDES; side++) {
		if (fstatat(AT_FDCWD, names[side], &compare->st[side], 0) < 0) {
			return item_fail(item, sides[side], 0, "fstatat", -errno, "cannot stat", NULL);
		}
	}
	if (!S_ISDIR(compare->st[COMPARE_SRC].st_mode) || !S_ISDIR(compare->st[COMPARE_DST].st_mode)) {
		verify_pair(compare, dir_fds, names, true);
		return 0;
	}
	if (verify_open(compare, dir_fds, names, O_RDONLY | O_DIRECTORY) < 0) {
		return -EIO;
	}
	(void)compare_stat(compare);
	compare_xattrs(compare);
	verify_count(compare);
	return verify_begin_tree(item, compare, ret_tree);
}

int verify_begin(struct item *item, struct tree **ret_tree)
{
	struct compare compare = {
		.report = item->report,
		.progress = item->progress,
		.mem = malloc(2 * (size_t)COMPARE_BYTES),
		.fd = { -1, -1 },
		.name = verify_operand_name,
		.fail = verify_fail_operand,
		.arg = item,
	};
	int res;

	item->report->verify.mode = "compare";
	item->report->verify.algorithm = "bytes";
	if (compare.mem == NULL) {
		return item_fail(item, ZC_SIDE_NONE, 0, "malloc", -ENOMEM, "cannot be compared", NULL);
	}
	res = verify_operands(item, &compare, ret_tree);
	verify_close(&compare);
	free(compare.mem);
	return res;
}
