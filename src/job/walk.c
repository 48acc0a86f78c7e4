/*
 * walk.c: nodes and cursors. See walk.h.
 */
#include "walk.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

struct node *node_new(struct node *parent, const char *name, uint64_t id)
{
	size_t len = strlen(name) + 1;
	struct node *node = calloc(1, sizeof(*node) + len);

	if (node == NULL) {
		return NULL;
	}
	node->parent = parent;
	node->id = id;
	node->depth = parent == NULL ? 0 : parent->depth + 1;
	atomic_init(&node->pending, 1);
	memcpy(node->name, name, len);
	return node;
}

void node_free(struct node *node)
{
	free(node);
}

char *node_path(const struct node *node, const char *root, const char *name)
{
	size_t root_len = strlen(root);
	size_t len = name == NULL ? 0 : strlen(name) + 1;
	char *path;
	char *at;

	while (root_len > 1 && root[root_len - 1] == '/') {
		root_len--;
	}
	for (const struct node *dir = node; dir->parent != NULL; dir = dir->parent) {
		len += strlen(dir->name) + 1;
	}
	root_len -= root_len == 1 && root[0] == '/' && len > 0; /* "/a", not "//a" */
	path = malloc(root_len + len + 1);
	if (path == NULL) {
		return NULL;
	}
	memcpy(path, root, root_len);
	at = path + root_len + len;
	*at = '\0';
	if (name != NULL) {
		at -= strlen(name);
		memcpy(at, name, strlen(name));
		*--at = '/';
	}
	for (const struct node *dir = node; dir->parent != NULL; dir = dir->parent) {
		at -= strlen(dir->name);
		memcpy(at, dir->name, strlen(dir->name));
		*--at = '/';
	}
	return path;
}

ssize_t walk_read(int dir_fd, void *buf, size_t cap_bytes)
{
	long len = syscall(SYS_getdents64, dir_fd, buf, cap_bytes);

	return len < 0 ? -errno : len;
}

/* ---- cursor */

/* From so many levels below the nearest open directory on it may be worth to climb instead. */
#define CLIMB_FROM 8

static struct open_dir *cursor_slot(struct cursor *cursor, unsigned depth)
{
	return &cursor->slots[depth % cursor->window];
}

static void open_dir_close(struct open_dir *dir)
{
	if (dir->id == 0) {
		return;
	}
	close(dir->src_fd);
	if (dir->dst_fd >= 0) {
		close(dir->dst_fd);
	}
	dir->id = 0;
}

void cursor_close(struct cursor *cursor)
{
	for (unsigned i = 0; i < cursor->window; i++) {
		open_dir_close(&cursor->slots[i]);
	}
}

void cursor_enter(struct cursor *cursor, const struct node *node, int src_fd, int dst_fd)
{
	struct open_dir *slot = cursor_slot(cursor, node->depth);

	open_dir_close(slot);
	cursor->last = node->depth % cursor->window;
	*slot = (struct open_dir){
		.id = node->id,
		.parent_id = node->parent == NULL ? 0 : node->parent->id,
		.depth = node->depth,
		.src_fd = src_fd,
		.dst_fd = dst_fd,
	};
}

/* The directory of that inode, or nothing. A directory that may be written but not read still serves. */
static int cursor_open(int at_fd, const char *name, int flags, dev_t dev, ino_t ino)
{
	int fd = openat(at_fd, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC | flags);
	struct stat st;
	int res;

	if (fd < 0 && errno == EACCES) {
		fd = openat(at_fd, name, O_PATH | O_DIRECTORY | O_CLOEXEC | flags);
	}
	if (fd < 0) {
		return errno == ELOOP || errno == ENOTDIR || errno == ENOENT ? -ESTALE : -errno;
	}
	res = fstat(fd, &st) < 0 ? -errno : st.st_dev == dev && st.st_ino == ino ? fd : -ESTALE;
	if (res < 0) {
		close(fd);
	}
	return res;
}

/* Opens node relative to two directories: its parents (name NULL) or, with "..", a child of its. */
static int cursor_reach(struct cursor *cursor, const struct node *node, const struct open_dir *from,
                        const char *up, enum zc_side *ret_side)
{
	const char *name = up != NULL ? up : node->name;
	int src_flags = node->followed && up == NULL ? 0 : O_NOFOLLOW;
	int dst_flags = node->kept_link && up == NULL ? 0 : O_NOFOLLOW;
	int src_fd = cursor_open(from->src_fd, name, src_flags, node->src_st.st_dev, node->src_st.st_ino);
	int dst_fd = -1;

	*ret_side = ZC_SIDE_SRC;
	if (src_fd < 0) {
		return src_fd;
	}
	if (from->dst_fd >= 0 && !node->no_dst) {
		*ret_side = ZC_SIDE_DST;
		dst_fd = cursor_open(from->dst_fd, name, dst_flags, node->dst_dev, node->dst_ino);
		if (dst_fd < 0) {
			close(src_fd);
			return dst_fd;
		}
	}
	cursor_enter(cursor, node, src_fd, dst_fd);
	return 0;
}

/* The nearest directory above node that is open, or else the root. */
static const struct node *cursor_nearest(struct cursor *cursor, const struct node *node)
{
	const struct node *above = node->parent;

	while (above->parent != NULL && cursor_slot(cursor, above->depth)->id != above->id) {
		above = above->parent;
	}
	return above;
}

static bool fd_is(int fd, dev_t dev, ino_t ino)
{
	struct stat st;

	return fstat(fd, &st) == 0 && st.st_dev == dev && st.st_ino == ino;
}

/* fd becomes its parent's. */
static bool fd_up(int *fd)
{
	int up = openat(*fd, "..", O_PATH | O_DIRECTORY | O_CLOEXEC);

	close(*fd);
	*fd = up;
	return up >= 0;
}

/* Takes a directory over into its slot that is open for its identity only. */
static bool cursor_take(struct cursor *cursor, const struct node *node, int src_fd, int dst_fd)
{
	int src = cursor_open(src_fd, ".", O_NOFOLLOW, node->src_st.st_dev, node->src_st.st_ino);
	int dst = src < 0 ? -1 : cursor_open(dst_fd, ".", O_NOFOLLOW, node->dst_dev, node->dst_ino);

	if (dst < 0) {
		if (src >= 0) {
			close(src);
		}
		return false;
	}
	cursor_enter(cursor, node, src, dst);
	return true;
}

/*
 * Up from where this cursor was last to the first directory that node is in, or is, which is opened then; at
 * most limit steps. Whatever goes wrong, the way down from further above is left. Without this, threads
 * that share a deep tree would each come all the way from the root again and again.
 */
static void cursor_climb(struct cursor *cursor, const struct node *node, unsigned limit)
{
	const struct open_dir *from = &cursor->slots[cursor->last];
	unsigned depth = from->depth;
	int src_fd;
	int dst_fd;

	if (from->id == 0 || from->dst_fd < 0) {
		return;
	}
	src_fd = openat(from->src_fd, ".", O_PATH | O_DIRECTORY | O_CLOEXEC);
	dst_fd = openat(from->dst_fd, ".", O_PATH | O_DIRECTORY | O_CLOEXEC);
	while (src_fd >= 0 && dst_fd >= 0 && depth > 1 && limit-- > 0 && fd_up(&src_fd) && fd_up(&dst_fd)) {
		depth--;
		while (node->depth > depth) {
			node = node->parent;
		}
		if (node->depth == depth && fd_is(src_fd, node->src_st.st_dev, node->src_st.st_ino) &&
		    fd_is(dst_fd, node->dst_dev, node->dst_ino)) {
			(void)cursor_take(cursor, node, src_fd, dst_fd);
			break;
		}
	}
	if (src_fd >= 0) {
		close(src_fd);
	}
	if (dst_fd >= 0) {
		close(dst_fd);
	}
}

/* Down from the nearest open directory above. */
static int cursor_descend(struct cursor *cursor, const struct node *node, enum zc_side *ret_side)
{
	const struct node *above = cursor_nearest(cursor, node);
	const struct node **chain;
	struct open_dir from;
	unsigned count = node->depth - above->depth;
	int res = 0;

	chain = malloc(count * sizeof(const struct node *));
	if (chain == NULL) {
		return -ENOMEM;
	}
	for (unsigned i = count; i > 0; i--, node = node->parent) {
		chain[i - 1] = node;
	}
	from = above->parent == NULL
	           ? (struct open_dir){ .src_fd = cursor->root_src_fd, .dst_fd = cursor->root_dst_fd }
	           : *cursor_slot(cursor, above->depth);
	for (unsigned i = 0; i < count && res == 0; i++) {
		res = cursor_reach(cursor, chain[i], &from, NULL, ret_side);
		from = *cursor_slot(cursor, chain[i]->depth);
	}
	free(chain);
	return res;
}

/* The slot is not node's: opens it. */
static int cursor_find(struct cursor *cursor, const struct node *node, enum zc_side *ret_side)
{
	const struct open_dir *slot = cursor_slot(cursor, node->depth);
	const struct open_dir *below = cursor_slot(cursor, node->depth + 1);
	unsigned far;

	/* coming back from a directory below: one step up, as long as that leads where it did */
	if (below->id != 0 && below->parent_id == node->id &&
	    cursor_reach(cursor, node, below, "..", ret_side) == 0) {
		return 0;
	}
	far = node->depth - cursor_nearest(cursor, node)->depth;
	if (far > CLIMB_FROM) {
		cursor_climb(cursor, node, far);
	}
	return slot->id == node->id ? 0 : cursor_descend(cursor, node, ret_side);
}

int cursor_at(struct cursor *cursor, const struct node *node, struct open_dir *ret_dir,
              enum zc_side *ret_side)
{
	struct open_dir *slot = cursor_slot(cursor, node->depth);
	int res;

	*ret_side = ZC_SIDE_SRC;
	if (node->parent == NULL) {
		*ret_dir = (struct open_dir){ .src_fd = cursor->root_src_fd, .dst_fd = cursor->root_dst_fd };
		return 0;
	}
	if (slot->id != node->id) {
		res = cursor_find(cursor, node, ret_side);
		if (res < 0) {
			return res;
		}
	}
	cursor->last = node->depth % cursor->window;
	*ret_dir = *slot;
	return 0;
}
