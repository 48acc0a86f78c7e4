/*
 * root.c: the top of a tree: may it be copied there, and both directories opened.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "root.h"

/* Is dir_fd at or below that directory? A bind mount or a symlink in the path hides nothing from "..". */
static bool root_is_below(int dir_fd, const struct stat *above)
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

static int root_allowed(struct item *item)
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
	if (root_is_below(target->dir_fd, &item->src_st)) {
		return item_fail(item, ZC_SIDE_DST, ZC_STATUS_REFUSED, "stat", 0,
		                 "cannot copy a directory into itself", NULL);
	}
	return 0;
}

static int root_open_src(struct item *item, struct node *node)
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

static int root_open_dst(struct item *item, struct node *node)
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
	if (!target->exists && target->dir_searchable_only && item->cfg->durability == ZC_DURABILITY_FULL) {
		return sink_cannot_sync(item);
	}
	res = item->aim_code != 0 ? item_fail(item, ZC_SIDE_DST, 0, "mkdirat", item->aim_code,
	                                      "cannot create the directory", NULL)
	                          : entry_make_dir(item, target->dir_fd, target->name, &node->src_st, &dir);
	if (res < 0) {
		return res;
	}
	entry_birth(node, &dir);
	res = dir.made ? item_sync_dir(item, target->dir_fd) : 0;
	if (res < 0) {
		close(dir.fd);
		return res;
	}
	if (dir.made && item->cfg->resume && item->dest_fd >= 0 && !item->cfg->quiet &&
	    item->cfg->source_count == 1) { /* the same command meant another place when DEST was not there */
		char quoted[2][1200];

		report_say(item->report, ZC_MSG_ERROR,
		           "%s: nothing to resume there, it is new; -T would go on in %s itself",
		           zc_quote(quoted[0], sizeof(quoted[0]), item->dst_text),
		           zc_quote(quoted[1], sizeof(quoted[1]), item->cfg->dest));
	}
	if (dir.made && item->cfg->verbose) {
		item_say(item);
	}
	return dir.fd;
}

static const char *root_filter_path(const struct item *item, char **ret_copy)
{
	size_t len = 0;
	const char *root = item->below != NULL ? item->below : zc_filter_root(item->src_uri.path, &len);

	len = item->below != NULL ? strlen(root) : len;
	*ret_copy = strndup(root, len);
	return *ret_copy;
}

/* The directories above are not needed any more, and descriptors may be few. */
static void root_let_go(struct item *item)
{
	if (item->has_from) {
		target_close(&item->from);
		item->has_from = false;
	}
	if (item->cfg->source_count == 1) { /* nobody will ask what this run has made */
		target_close(&item->target);
		item->has_target = false;
	}
}

int root_begin(struct item *item, struct tree_start *start, struct tree **ret_tree)
{
	struct node *root = node_new(NULL, "", 1);
	int res;

	if (root == NULL) {
		return item_fail(item, ZC_SIDE_SRC, 0, "malloc", -ENOMEM, "cannot access", NULL);
	}
	start->src_fd = start->dst_fd = -1;
	res = root_allowed(item);
	if (res == 0) {
		res = start->src_fd = root_open_src(item, root);
	}
	if (res >= 0) {
		start->dst_fd = root_open_dst(item, root);
		res = start->dst_fd < 0 && !item->cfg->dry_run ? start->dst_fd : 0;
	}
	if (res < 0) {
		if (start->src_fd >= 0) {
			close(start->src_fd);
		}
		node_free(root);
		return res;
	}
	if (item->cfg->dry_run) {
		item_say(item);
	}
	start->root = root;
	start->src_text = item->src_uri.text;
	start->dst_text = item->dst_text;
	start->filter_root = root_filter_path(item, &item->filter_root);
	root_let_go(item);
	res = tree_open(ret_tree, start);
	return res < 0 ? item_fail(item, ZC_SIDE_NONE, 0, "malloc", res, "cannot be copied", NULL) : 0;
}
