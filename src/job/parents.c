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

static int parents_step(struct item *item, const char *name, int src_at, int dst_at)
{
	struct parent *parent = calloc(1, sizeof(*parent));
	int res;

	if (parent == NULL) {
		return item_fail(item, ZC_SIDE_DST, 0, "malloc", -ENOMEM, "cannot create the directory",
		                 NULL);
	}
	parent->src_fd = openat(src_at, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (parent->src_fd < 0 && errno == EACCES) {
		parent->src_fd = openat(src_at, name, O_PATH | O_DIRECTORY | O_CLOEXEC);
	}
	if (parent->src_fd < 0 || fstat(parent->src_fd, &parent->src_st) < 0) {
		res = item_fail(item, ZC_SIDE_SRC, 0, "openat", -errno, "cannot access", NULL);
	} else {
		res = entry_make_dir(item, dst_at, name, &parent->src_st, &parent->dst);
	}
	if (res < 0) {
		if (parent->src_fd >= 0) {
			close(parent->src_fd);
		}
		free(parent);
		return res;
	}
	parent->above = item->parents;
	item->parents = parent;
	return 0;
}

int parents_make(struct item *item, int *ret_dir_fd)
{
	const char *path = item->src_uri.path;
	int src_at = AT_FDCWD;
	int dst_at = item->dest_fd;
	int dup_fd;

	if (path[0] == '/') {
		src_at = openat(AT_FDCWD, "/", O_PATH | O_DIRECTORY | O_CLOEXEC);
	}
	for (path = parents_path(path);;) {
		size_t len = strcspn(path, "/");
		const char *next = path + len + strspn(path + len, "/");
		char name[NAME_MAX + 1];
		int root_fd = item->parents == NULL && src_at >= 0 ? src_at : -1;
		int res;

		if (*next == '\0' || len > NAME_MAX) {
			break; /* the last component is the item itself */
		}
		memcpy(name, path, len);
		name[len] = '\0';
		res = parents_step(item, name, src_at, dst_at);
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
	struct meta_result result;
	mode_t mode = parent->dst.st.st_mode & 07777 & ~(0700 & ~parent->src_st.st_mode);

	if (wish.preserve == 0) {
		if (mode != (parent->dst.st.st_mode & 07777)) {
			(void)fchmod(parent->dst.fd, mode);
		}
		return;
	}
	wish.set_mode = !(wish.preserve & ZC_PRESERVE_MODE);
	wish.mode = parent->src_st.st_mode & 0777 & ~item->cfg->umask;
	meta_copy(&(struct meta_at){ .fd = parent->src_fd }, &parent->src_st,
	          &(struct meta_at){ .fd = parent->dst.fd }, NULL, &wish, &result);
	(void)item_meta_result(item, &result);
}

void parents_finish(struct item *item)
{
	while (item->parents != NULL) {
		struct parent *parent = item->parents;

		item->parents = parent->above;
		if (parent->dst.made || item->cfg->preserve != 0) {
			parents_attributes(item, parent);
		}
		close(parent->src_fd);
		close(parent->dst.fd);
		free(parent);
	}
}
