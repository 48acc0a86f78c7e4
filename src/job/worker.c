/*
 * worker.c: what a thread of a tree does with its task: it reads a directory, copies names, enters the next.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "group.h"
#include "tree.h"

/* The longest entry that getdents may give: FUSE takes names of 1024 bytes, of late of PATH_MAX - 1. */
#define DIRENT_BYTES_MAX (sizeof(struct walk_dirent) + PATH_MAX + 8)
/* How many files are asked for before they are copied, while that pays. */
#define AHEAD_FILES 64

bool tree_at(struct worker *worker, struct node *node, struct open_dir *ret_dir)
{
	enum zc_side side;
	int res = cursor_at(&worker->cursor, node, ret_dir, &side);

	if (res == -EMFILE || res == -ENFILE) {
		cursor_close(&worker->cursor);
		res = cursor_at(&worker->cursor, node, ret_dir, &side);
	}
	if (res < 0) {
		worker->tree->ops->lost(worker, node, side, res);
	}
	return res == 0;
}

static bool dirent_is_dir(const struct tree *tree, const struct walk_dirent *entry)
{
	(void)tree;
	return entry->type == DT_DIR;
}

/* ---- the names of a directory that are no directories */

/* A batch of getdents, or names handed over. */
struct list {
	const void *bytes;
	size_t at;
	size_t end;
	bool handed;
};

static bool list_next(struct list *list, const char **ret_name, uint8_t *ret_type)
{
	while (list->at < list->end) {
		const char *at = (const char *)list->bytes + list->at;
		const struct walk_dirent *entry = (const void *)at;

		if (list->handed) {
			*ret_type = (uint8_t)at[0];
			*ret_name = at + 1;
			list->at += strlen(*ret_name) + 2;
			return true;
		}
		list->at += entry->reclen;
		if (!walk_is_dot(entry->name) && entry->type != DT_DIR) {
			*ret_type = entry->type;
			*ret_name = entry->name;
			return true;
		}
	}
	return false;
}

/* What of a list was asked for beforehand. */
struct ahead {
	struct list list; /* at: up to here            */
	unsigned count;   /* names, not yet copied     */
};

/* The file's first bytes are on their way when this returns. What goes wrong shows when it is copied. */
static void worker_ahead_file(const struct open_dir *dir, const char *name)
{
	int fd = openat(dir->src_fd, name, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY | O_NOFOLLOW);

	if (fd >= 0) {
		(void)posix_fadvise(fd, 0, SMALL_BYTES, POSIX_FADV_WILLNEED);
		close(fd);
	}
}

/* One file after the other has the disk wait for us and us for the disk: those that come next are asked for
 * together, AHEAD_FILES of them, and again when half of these are copied. */
static void worker_ahead(struct worker *worker, struct node *node, const struct list *list,
                         struct ahead *ahead)
{
	struct open_dir dir;
	const char *name;
	uint8_t type;

	ahead->list.end = list->end;
	if (ahead->list.at < list->at) {
		ahead->list.at = list->at;
		ahead->count = 0;
	}
	if (ahead->count > AHEAD_FILES / 2 || !node->made || !tree_at(worker, node, &dir)) {
		return;
	}
	while (ahead->count < AHEAD_FILES && list_next(&ahead->list, &name, &type)) {
		if (type == DT_REG && !entry_excluded(worker, node, name, false)) {
			worker_ahead_file(&dir, name);
		}
		ahead->count++;
	}
}

static void worker_copy_one(struct worker *worker, struct node *node, const char *name, uint8_t type)
{
	struct open_dir dir;

	if (group_is_full(worker->group)) {
		group_commit(worker);
	}
	/* an item may have moved the cursor (a link elsewhere does not, a directory met late does) */
	if (!zc_stopped() && tree_at(worker, node, &dir)) {
		worker->tree->ops->copy(worker, node, &dir, name, type);
		atomic_fetch_add_explicit(&worker->tree->progress->items_done, 1, memory_order_relaxed);
	}
}

/* Half of what is left of this batch, or all if that is one name, for whoever comes first. */
static size_t worker_hand_over(struct worker *worker, struct node *node, size_t at, size_t end,
                               bool *ret_handed)
{
	struct tree *tree = worker->tree;
	struct names *names;
	size_t middle = at;

	for (size_t next = at; next <= at + (end - at) / 2;) {
		middle = next;
		next += ((const struct walk_dirent *)(worker->batch + next))->reclen;
	}
	names = middle < end ? names_new(node, end - middle) : NULL;
	if (names == NULL) {
		return end;
	}
	for (size_t from = middle; from < end;) {
		const struct walk_dirent *entry = (const struct walk_dirent *)(worker->batch + from);

		if (!walk_is_dot(entry->name) && !dirent_is_dir(tree, entry)) {
			names_add(names, entry->type, entry->name);
		}
		from += entry->reclen;
	}
	if (names->end == 0) {
		free(names);
		return middle;
	}
	atomic_fetch_add(&node->pending, 1);
	tree_push_files(tree, names);
	*ret_handed = true;
	return middle;
}

static void worker_copy_list(struct worker *worker, struct node *node, struct list *list)
{
	struct ahead ahead = { .list = *list };

	worker->list = list->handed ? NULL : list;
	worker->list_node = node;
	while (list->at < list->end && !zc_stopped()) {
		const char *name;
		uint8_t type;

		if (worker->ahead_left > 0) {
			worker_ahead(worker, node, list, &ahead);
			worker->ahead_left--;
		}
		if (!list_next(list, &name, &type)) {
			break;
		}
		ahead.count -= ahead.count > 0;
		if (!list->handed && atomic_load_explicit(&worker->tree->idle, memory_order_relaxed) > 0 &&
		    list->end - list->at > 64) {
			list->end = worker_hand_over(worker, node, list->at, list->end, &(bool){ false });
		}
		worker_copy_one(worker, node, name, type);
	}
	worker->list = NULL;
}

bool worker_share(void *arg)
{
	struct worker *worker = arg;
	struct tree *tree = worker->tree;
	struct list *list = worker->list;
	bool others;

	if (tree->cfg->jobs == 1) { /* one thread, as asked */
		return true;
	}
	atomic_store(&tree->shares, true);
	pthread_mutex_lock(&tree->lock);
	if (tree_has_work(tree)) {
		tree_more_work(tree);
	}
	others = tree->lane_count > atomic_load(&tree->idle) + 1;
	pthread_mutex_unlock(&tree->lock);
	if (!others && tree->lane_max > 1 && list != NULL && list->at < list->end) {
		list->end = worker_hand_over(worker, worker->list_node, list->at, list->end, &others);
	}
	return others;
}

static void worker_copy_handed(struct worker *worker, struct names *names)
{
	struct node *node = names->node;
	struct list list = { .bytes = names->bytes, .end = names->end, .handed = true };

	worker_copy_list(worker, node, &list);
	free(names);
	tree_node_done(worker, node);
}

/* The directories of this batch go on their pile, to be taken before anything else is read. */
static void worker_pile_dirs(struct worker *worker, struct node *node, size_t end)
{
	struct tree *tree = worker->tree;
	struct names *names = NULL;
	size_t need = 0;
	unsigned count = 0;

	for (size_t at = 0; at < end;) {
		const struct walk_dirent *entry = (const struct walk_dirent *)(worker->batch + at);

		count++;
		if (!walk_is_dot(entry->name) && dirent_is_dir(tree, entry)) {
			need += strlen(entry->name) + 2;
		}
		at += entry->reclen;
	}
	atomic_fetch_add(&tree->seen, count);
	if (need == 0) {
		return;
	}
	names = names_new(node, need);
	if (names == NULL) {
		tree_no_memory(worker);
		return;
	}
	count = 0;
	for (size_t at = 0; at < end;) {
		const struct walk_dirent *entry = (const struct walk_dirent *)(worker->batch + at);

		if (!walk_is_dot(entry->name) && dirent_is_dir(tree, entry)) {
			names_add(names, entry->type, entry->name);
			count++;
		}
		at += entry->reclen;
	}
	atomic_fetch_add(&node->pending, count);
	tree_push_dirs(worker, names);
}

/* Fills the batch. *ret_end: there is nothing behind it. Bytes; what goes wrong is said. */
static size_t worker_fill(struct worker *worker, struct node *node, int dir_fd, bool *ret_end)
{
	int64_t last = node->read_off;
	size_t have = 0;
	ssize_t len = 0;

	*ret_end = false;
	if (last != 0 && lseek(dir_fd, last, SEEK_SET) < 0) {
		len = -errno;
	}
	while (len >= 0 && WALK_BYTES - have > DIRENT_BYTES_MAX) {
		len = walk_read(dir_fd, worker->batch + have, WALK_BYTES - have);
		if (len <= 0) {
			break;
		}
		for (size_t end = have + (size_t)len; have < end;) {
			struct walk_dirent *entry = (struct walk_dirent *)(worker->batch + have);

			if (strlen(entry->name) > NAME_MAX) { /* FUSE allows them, nothing else here does */
				entry_too_long(worker, node, entry->name, ZC_SIDE_SRC);
				entry->name[0] = '.';
				entry->name[1] = '\0';
			}
			node->read_off = entry->off;
			have += entry->reclen;
		}
		if (node->read_off == last) { /* a file system that would send us round for ever */
			len = -ELOOP;
		}
	}
	if (len < 0) {
		worker->tree->ops->lost(worker, node, ZC_SIDE_SRC, (int)len);
	}
	*ret_end = len <= 0;
	return have;
}

/* Reads on where the last batch ended. Whoever comes next may read the batch after this one meanwhile. */
static void worker_read(struct worker *worker, struct node *node)
{
	struct tree *tree = worker->tree;
	struct open_dir dir;
	size_t len;
	bool end;

	if (node->unreadable) {
		worker->tree->ops->lost(worker, node, ZC_SIDE_SRC, -EACCES);
	}
	if (zc_stopped() || node->unreadable || node->shut || !tree_at(worker, node, &dir)) {
		tree_node_done(worker, node);
		return;
	}
	len = worker_fill(worker, node, dir.src_fd, &end);
	worker_pile_dirs(worker, node, len);
	if (!end) {
		atomic_fetch_add(&node->pending, 1); /* this batch; the right to read goes on */
		pthread_mutex_lock(&tree->lock);
		node->next = tree->readable;
		tree->readable = node;
		tree_more_work(tree);
		pthread_mutex_unlock(&tree->lock);
	}
	worker_copy_list(worker, node, &(struct list){ .bytes = worker->batch, .end = len });
	tree_node_done(worker, node);
}

static void worker_enter(struct worker *worker, struct node *parent, uint8_t type)
{
	struct open_dir dir;
	struct node *node = NULL;

	if (!zc_stopped() && tree_at(worker, parent, &dir)) {
		node = worker->tree->ops->enter(worker, parent, &dir, worker->name, type);
	}
	if (node != NULL) {
		worker_read(worker, node); /* the new node counts on its parent, as the name did */
	} else {
		tree_node_done(worker, parent);
	}
}

/* What this thread has to say goes to whoever shows it. */
static void worker_speak(struct worker *worker)
{
	struct tree *tree = worker->tree;

	if (worker->report.msg_count > 0) {
		pthread_mutex_lock(&tree->lock);
		report_take_msgs(&tree->said, &worker->report);
		pthread_mutex_unlock(&tree->lock);
	}
}

bool worker_step(struct worker *worker)
{
	struct task task;
	int res = tree_take(worker->tree, worker, &task);

	if (res <= 0) {
		return res == 0;
	}
	worker->patient = task.later;
	if (task.commit) {
		group_commit(worker);
	} else if (task.handed != NULL) {
		worker_copy_handed(worker, task.handed);
	} else if (task.enter != 0) {
		worker_enter(worker, task.node, task.enter);
	} else {
		worker_read(worker, task.node);
	}
	worker_speak(worker);
	return true;
}
