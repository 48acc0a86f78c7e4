/*
 * group.c: see group.h.
 */
#include "group.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Below this each is synced by itself. */
#define GROUP_FEW 4

struct group_file {
	struct node *node; /* counted in its pending                 */
	struct item *item; /* ours; NULL: the rest is of the short way */
	int fd;            /* ours, or the item's; -1: closed           */
	bool cloned;
	size_t len_bytes;
	char name[NAME_MAX + 1];
};

struct group {
	unsigned count;
	unsigned max;
	uint64_t bytes;
	struct group_file files[];
};

bool group_serves(int dir_fd)
{
	static const char *const known[] = { "ext4", "xfs", "btrfs", "f2fs", "bcachefs", "tmpfs" };
	char out[24];
	const char *name = zc_fs_name(dir_fd, out);

	for (size_t i = 0; i < ZC_ARRAY_LEN(known); i++) {
		if (strcmp(name, known[i]) == 0) {
			return syncfs(-1) < 0 && errno == EBADF; /* it is not refused */
		}
	}
	return false;
}

struct group *group_open(unsigned max)
{
	struct group *group;

	max = max > GROUP_FILES_MAX ? GROUP_FILES_MAX : max;
	group = max < GROUP_FEW ? NULL : malloc(sizeof(*group) + max * sizeof(group->files[0]));
	if (group != NULL) {
		*group = (struct group){ .max = max };
	}
	return group;
}

void group_close(struct group *group)
{
	free(group);
}

bool group_is_empty(const struct group *group)
{
	return group == NULL || group->count == 0;
}

bool group_is_full(const struct group *group)
{
	return group != NULL && (group->count == group->max || group->bytes >= GROUP_BYTES_MAX);
}

/* ---- what waits */

bool group_takes(const struct worker *worker, const struct node *node)
{
	const struct group *group = worker->group;

	return group != NULL && group->count < group->max && node->dst_dev == worker->tree->root->dst_dev;
}

static struct group_file *group_next(struct worker *worker, struct node *node, size_t len_bytes)
{
	struct group *group = worker->group;
	struct group_file *file;

	if (!group_takes(worker, node)) {
		return NULL;
	}
	file = &group->files[group->count++];
	group->bytes += len_bytes;
	atomic_fetch_add(&node->pending, 1);
	file->node = node;
	file->len_bytes = len_bytes;
	return file;
}

bool group_add_small(struct worker *worker, struct node *node, const char *name, int fd, size_t len_bytes,
                     bool cloned)
{
	struct group_file *file = group_next(worker, node, len_bytes);

	if (file == NULL) {
		return false;
	}
	file->item = NULL;
	file->fd = fd;
	file->cloned = cloned;
	memcpy(file->name, name, strlen(name) + 1);
	return true;
}

bool group_add_item(struct worker *worker, struct node *node, struct item *item)
{
	struct item *own = malloc(sizeof(*own));
	struct group_file *file = own == NULL ? NULL : group_next(worker, node, item->total_bytes);

	if (file == NULL) {
		free(own);
		return false;
	}
	*own = *item;
	own->commit.target = &own->target;
	item_let_go(own);
	file->item = own;
	file->fd = own->commit.fd;
	*item = (struct item){ .old_fd = -1 };
	return true;
}

/* ---- on the medium, and then their names */

static void group_name(struct worker *worker, struct group_file *file, int code)
{
	struct item *item = file->item;
	struct open_dir dir;
	int res;

	if (!tree_at(worker, file->node, &dir)) {
		return; /* said; nobody can give it a name */
	}
	if (item != NULL) {
		item->target.dir_fd = dir.dst_fd;
		item->from.dir_fd = dir.src_fd;
		res = item_finish(item, code);
	} else {
		res = small_finish(worker, file->node, &dir, file->name, file->fd, file->len_bytes,
		                   file->cloned, code);
		file->fd = -1;
	}
	if (res == 0) {
		atomic_fetch_add_explicit(&worker->tree->progress->durable, file->len_bytes,
		                          memory_order_relaxed);
	}
}

/* Few are synced each by itself: as quick, and it waits for nobody else's bytes. */
static int group_sync_one(struct worker *worker, const struct group_file *file)
{
	uint64_t from = zc_now_ns();
	int res = fdatasync(file->fd) < 0 ? -errno : 0;

	worker->report.ns.durable += zc_now_ns() - from;
	return res;
}

static int group_sync_all(struct worker *worker)
{
	uint64_t from = zc_now_ns();
	int res = syncfs(worker->group->files[0].fd) < 0 ? -errno : 0;

	worker->report.ns.durable += zc_now_ns() - from;
	return res;
}

/* A temporary that has a name goes while its directory is at hand. */
static void group_forget(struct worker *worker, struct group_file *file)
{
	struct item *item = file->item;
	struct open_dir dir;
	enum zc_side side;

	if (item == NULL && file->fd >= 0) {
		close(file->fd);
	}
	if (item != NULL) {
		if (item->commit.temp[0] != '\0' &&
		    cursor_at(&worker->cursor, file->node, &dir, &side) == 0) {
			item->target.dir_fd = dir.dst_fd;
		}
		item_close(item);
		free(item);
	}
	tree_node_done(worker, file->node);
}

void group_commit(struct worker *worker)
{
	struct group *group = worker->group;
	bool alone = group->count < GROUP_FEW;
	int code = alone || zc_stopped() ? 0 : group_sync_all(worker);

	for (unsigned i = 0; i < group->count; i++) {
		struct group_file *file = &group->files[i];

		if (!zc_stopped()) {
			group_name(worker, file, alone ? group_sync_one(worker, file) : code);
		}
		group_forget(worker, file);
	}
	group->count = 0;
	group->bytes = 0;
}

bool group_syncs_all(const struct tree *tree, const struct node *node)
{
	return tree->group_max > 0 && node->dst_dev == tree->root->dst_dev;
}

/* Names, directories and links, of all groups and of what had no data. */
void group_sync_tree(struct tree *tree, struct zc_report *report)
{
	struct zc_err err = { .side = ZC_SIDE_DST, .op = "syncfs", .off_bytes = ZC_OFF_NONE };
	uint64_t from = zc_now_ns();

	if (tree->group_max == 0 || tree->cfg->durability != ZC_DURABILITY_FULL || zc_stopped()) {
		return;
	}
	if (syncfs(tree->root_dst_fd) < 0) {
		err.code = -errno;
		(void)report_fail(report, 0, tree->dst_text, &err,
		                  "is complete, but its names cannot be made durable", NULL);
	}
	report->ns.durable += zc_now_ns() - from;
}
