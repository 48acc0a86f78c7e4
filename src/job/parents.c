/*
 * parents.c: cp --parents a/b/c DIR makes DIR/a and DIR/a/b with the modes, and with -p all attributes, of
 * a and a/b. Component by component on held directories.
 */
#include "parents.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tree.h"

/* One directory of the path. Kept until the item is done, since what goes into it changes its times. */
struct parent {
	struct parent *above;
	struct made_dir dst;
	struct stat src_st;
	int src_fd;
};

const char *parents_path(const char *path)
{
	while (*path == '/') {
		path++;
	}
	return path;
}

/* "p/q" and "d/p/q" for the directory whose path below DEST is the first len bytes of item->below. */
static void parents_names(const struct item *item, size_t len, char **ret_src, char **ret_dst)
{
	const char *dest = item->cfg->dest;
	size_t dest_len = strlen(dest);

	dest_len += dest_len > 0 && dest[dest_len - 1] == '/' ? 0 : 1;
	*ret_src = strndup(item->src_uri.path, (size_t)(item->below - item->src_uri.path) + len);
	*ret_dst = strndup(item->dst_text, dest_len + len);
}

/* The item cannot be copied for the sake of one of its parents: that one is named. */
static int parents_fail(struct item *item, size_t len, enum zc_side side, const char *op, int code,
                        const char *what)
{
	struct item parent = { .cfg = item->cfg, .report = item->report };
	char *src;
	char *dst;
	int res;

	parents_names(item, len, &src, &dst);
	parent.src_uri.text = src != NULL ? src : item->src_uri.text;
	parent.dst_text = dst != NULL ? dst : item->dst_text;
	res = item_fail(&parent, side, 0, op, code, what, NULL);
	free(src);
	free(dst);
	return res;
}

static void parents_say(struct item *item, size_t len)
{
	char quoted[2][1200];
	char *src;
	char *dst;

	parents_names(item, len, &src, &dst);
	if (src != NULL && dst != NULL && item->report->gnu) { /* cp quotes nothing here */
		report_say(item->report, ZC_MSG_SAY, "%s -> %s", src, dst);
	} else if (src != NULL && dst != NULL) {
		report_say(item->report, ZC_MSG_SAY, "'%s' -> '%s'",
		           zc_quote(quoted[0], sizeof(quoted[0]), src),
		           zc_quote(quoted[1], sizeof(quoted[1]), dst));
	}
	free(src);
	free(dst);
}

/* As cp, which follows what symlinks there are. */
static int parents_open_gnu(struct item *item, size_t len, const char *name, int dst_at,
                            struct parent *parent)
{
	struct made_dir *dst = &parent->dst;
	mode_t mode = entry_dir_mode(item->cfg, &parent->src_st);
	bool made = mkdirat(dst_at, name, mode) == 0;
	int code = made ? 0 : -errno;

	if (code != 0 && code != -EEXIST) {
		return parents_fail(item, len, ZC_SIDE_DST, "mkdirat", code, "cannot make the parent");
	}
	dst->fd = openat(dst_at, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (dst->fd < 0 && errno == EACCES) {
		dst->fd = openat(dst_at, name, O_PATH | O_DIRECTORY | O_CLOEXEC);
	}
	if (dst->fd < 0 || fstat(dst->fd, &dst->st) < 0) {
		code = errno == ENOENT ? -EEXIST : -errno;
		return errno == ENOTDIR
		           ? parents_fail(item, len, ZC_SIDE_DST, "mkdirat", code, "is no directory")
		           : parents_fail(item, len, ZC_SIDE_DST, "openat", code, "cannot make the parent");
	}
	dst->made = made;
	return 0;
}

static int parents_open(struct item *item, size_t len, const char *name, int src_at, int dst_at,
                        struct parent *parent)
{
	int flags = O_DIRECTORY | O_CLOEXEC | (item->base_fd >= 0 ? O_NOFOLLOW : 0);

	/* a list of names may come from anywhere: nothing leads out of its directory */
	parent->src_fd = openat(src_at, name, O_RDONLY | flags);
	if (parent->src_fd < 0 && errno == EACCES) {
		parent->src_fd = openat(src_at, name, O_PATH | flags);
	}
	if (parent->src_fd < 0 || fstat(parent->src_fd, &parent->src_st) < 0) {
		return parents_fail(item, len, ZC_SIDE_SRC, "openat", -errno, "cannot look at the parent");
	}
	return item->report->gnu ? parents_open_gnu(item, len, name, dst_at, parent)
	                         : entry_make_dir(item, dst_at, name, &parent->src_st, &parent->dst);
}

/* len: of item->below up to the end of this name. */
static int parents_step(struct item *item, size_t len, const char *name, int src_at, int dst_at)
{
	struct parent *parent = calloc(1, sizeof(*parent));
	int res;

	if (parent == NULL) {
		(void)parents_fail(item, len, ZC_SIDE_DST, "malloc", -ENOMEM, "cannot make the parent");
		return -ENOMEM;
	}
	parent->src_fd = -1;
	res = parents_open(item, len, name, src_at, dst_at, parent);
	if (res < 0) {
		if (parent->src_fd >= 0) {
			close(parent->src_fd);
		}
		free(parent);
		return res;
	}
	if (parent->dst.made && item->cfg->verbose) {
		parents_say(item, len);
	}
	parent->above = item->parents;
	item->parents = parent;
	return parent->dst.made ? item_sync_dir(item, dst_at) : 0;
}

int parents_find(const struct item *item, int *ret_dir_fd)
{
	const char *last;

	return target_walk(item->dest_fd, item->below, 0, ret_dir_fd, &last) < 0 ? -ENOENT : 0;
}

int parents_make(struct item *item, int *ret_dir_fd)
{
	const char *path = item->below;
	int src_at = AT_FDCWD;
	int dst_at = item->dest_fd;
	int dup_fd;

	if (item->base_fd >= 0) {
		src_at = openat(item->base_fd, ".", O_PATH | O_DIRECTORY | O_CLOEXEC);
	} else if (item->src_uri.path[0] == '/') {
		src_at = openat(AT_FDCWD, "/", O_PATH | O_DIRECTORY | O_CLOEXEC);
	}
	for (;;) {
		char name[NAME_MAX + 1];
		size_t len;
		const char *next = target_next(path, name, &len);
		int root_fd = item->parents == NULL && src_at >= 0 ? src_at : -1;
		int res;

		if (next == NULL || len > NAME_MAX) {
			break; /* the last component is the item itself */
		}
		res = parents_step(item, (size_t)(path - item->below) + len, name, src_at, dst_at);
		if (root_fd >= 0) {
			close(root_fd);
		}
		if (res < 0) {
			return res;
		}
		src_at = item->parents->src_fd;
		dst_at = item->parents->dst.fd;
		path = next;
	}
	if (item->parents == NULL && src_at >= 0) {
		close(src_at);
	}
	dup_fd = fcntl(dst_at, F_DUPFD_CLOEXEC, 3);
	if (dup_fd < 0) {
		return item_fail(item, ZC_SIDE_DST, 0, "fcntl", -errno, "cannot create the directory", NULL);
	}
	*ret_dir_fd = dup_fd;
	return 0;
}

static void parents_attributes(struct item *item, const struct parent *parent)
{
	struct meta_wish wish = item_meta_wish(item);
	struct meta_result result = { 0 };
	mode_t mode = parent->dst.st.st_mode & 07777 & ~(0700 & ~parent->src_st.st_mode);

	if (wish.preserve == 0) {
		if (mode != (parent->dst.st.st_mode & 07777)) {
			(void)fchmod(parent->dst.fd, mode);
		}
		return;
	}
	wish.set_mode = parent->dst.made && !(wish.preserve & ZC_PRESERVE_MODE);
	wish.mode = parent->src_st.st_mode & 0777 & ~item->cfg->umask;
	meta_copy(&(struct attr_at){ .fd = parent->src_fd }, &parent->src_st,
	          &(struct attr_at){ .fd = parent->dst.fd }, NULL, &wish, &result);
	(void)item_meta_result(item, &result);
}

void parents_finish(struct item *item)
{
	/* cp leaves a path that was there all the way alone */
	bool all_there = item->report->gnu && item->parents != NULL && !item->parents->dst.made;

	while (item->parents != NULL) {
		struct parent *parent = item->parents;

		item->parents = parent->above;
		if (parent->dst.made || (item->cfg->preserve != 0 && !all_there)) {
			parents_attributes(item, parent);
			(void)item_sync_dir(item, parent->dst.fd);
		}
		close(parent->src_fd);
		close(parent->dst.fd);
		free(parent);
	}
}
