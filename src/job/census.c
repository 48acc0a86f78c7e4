/*
 * census.c: a second walk over the source that only looks, for whoever shows progress: a bar needs to know
 * what is still to come. It opens nothing but directories, takes its time from one core, and what it cannot
 * see it leaves out: its numbers are shown, nothing depends on them.
 */
#include "census.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

struct census {
	const struct tree *tree;
	uint64_t delay_ns;
	pthread_t thread;
	pthread_mutex_t lock;
	pthread_cond_t wake;
	atomic_bool stop;
	struct cursor cursor;
	uint64_t last_id;
	struct names *dirs; /* found and not entered, newest first */
	_Alignas(struct walk_dirent) uint8_t batch[WALK_BYTES];
};

static bool census_skips(const struct census *census, const struct node *node, const char *name, bool is_dir)
{
	const struct zc_filter *filter = census->tree->cfg->filter;
	char *path = filter == NULL ? NULL : node_path(node, census->tree->filter_root, name);
	bool skips = path != NULL && zc_filter_excludes(filter, path + (path[0] == '/'), is_dir);

	free(path);
	return walk_is_dot(name) || strlen(name) > NAME_MAX || skips;
}

static void census_count(struct census *census, int dir_fd, const char *name)
{
	struct zc_progress *progress = census->tree->progress;
	struct stat st;

	atomic_fetch_add_explicit(&progress->items_found, 1, memory_order_relaxed);
	if (fstatat(dir_fd, name, &st, AT_SYMLINK_NOFOLLOW) == 0 && S_ISREG(st.st_mode)) {
		atomic_fetch_add_explicit(&progress->total, (uint64_t)st.st_size, memory_order_relaxed);
	}
}

static void census_add_dir(struct census *census, struct node *node, const char *name)
{
	size_t len = strlen(name) + 1;
	struct names *names = malloc(sizeof(*names) + len);

	if (names != NULL) {
		*names = (struct names){ .next = census->dirs, .node = node };
		memcpy(names->bytes, name, len);
		census->dirs = names;
		if (node != census->tree->root) { /* that one is the copy's, and its count is too */
			atomic_fetch_add_explicit(&node->pending, 1, memory_order_relaxed);
		}
	}
}

static void census_done(struct census *census, struct node *node)
{
	while (node != census->tree->root &&
	       atomic_fetch_sub_explicit(&node->pending, 1, memory_order_relaxed) == 1) {
		struct node *parent = node->parent;

		node_free(node);
		node = parent;
	}
}

static void census_read(struct census *census, struct node *node, int dir_fd)
{
	ssize_t len;

	while ((len = walk_read(dir_fd, census->batch, sizeof(census->batch))) > 0 && !census->stop) {
		for (ssize_t at = 0; at < len && !census->stop;) {
			const struct walk_dirent *entry = (const struct walk_dirent *)(census->batch + at);
			bool is_dir = entry->type == DT_DIR;

			at += entry->reclen;
			if (census_skips(census, node, entry->name, is_dir)) {
				continue;
			}
			if (is_dir) {
				census_add_dir(census, node, entry->name);
			} else {
				census_count(census, dir_fd, entry->name);
			}
		}
	}
}

/* The parent is open in the cursor or opened anew; its child becomes a node of the census' own. */
static void census_enter(struct census *census, struct node *parent, const char *name)
{
	struct open_dir dir;
	enum zc_side side;
	struct node *node;
	int fd = -1;

	if (cursor_at(&census->cursor, parent, &dir, &side) == 0) {
		fd = openat(dir.src_fd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	}
	node = fd < 0 ? NULL : node_new(parent, name, ++census->last_id);
	if (node == NULL || fstat(fd, &node->src_st) < 0 ||
	    (census->tree->cfg->one_file_system &&
	     node->src_st.st_dev != census->tree->root->src_st.st_dev)) {
		if (fd >= 0) {
			close(fd);
		}
		node_free(node);
		census_done(census, parent);
		return;
	}
	cursor_enter(&census->cursor, node, fd, -1);
	census_read(census, node, fd);
	census_done(census, node);
}

static void census_walk(struct census *census)
{
	int fd = openat(census->cursor.root_src_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (fd < 0) {
		return;
	}
	census_read(census, census->tree->root, fd);
	close(fd);
	while (census->dirs != NULL) {
		struct names *names = census->dirs;

		census->dirs = names->next;
		if (census->stop) {
			census_done(census, names->node);
		} else {
			census_enter(census, names->node, names->bytes);
		}
		free(names);
	}
}

static void *census_main(void *arg)
{
	struct census *census = arg;
	uint64_t at = zc_now_ns() + census->delay_ns;
	struct timespec until = { .tv_sec = (time_t)(at / 1000000000ull),
		                  .tv_nsec = (long)(at % 1000000000ull) };

	pthread_mutex_lock(&census->lock);
	while (!census->stop && zc_now_ns() < at) {
		(void)pthread_cond_timedwait(&census->wake, &census->lock, &until);
	}
	pthread_mutex_unlock(&census->lock);
	if (!census->stop) {
		census_walk(census);
	}
	return NULL;
}

struct census *census_start(const struct tree *tree, uint64_t delay_ns)
{
	struct census *census = calloc(1, sizeof(*census));
	pthread_condattr_t attr;
	sigset_t all;
	sigset_t before;
	int res;

	if (census == NULL) {
		return NULL;
	}
	census->tree = tree;
	census->delay_ns = delay_ns;
	census->last_id = UINT64_MAX / 2; /* no node of the copy's */
	census->cursor = (struct cursor){ .window = 4, .root_src_fd = tree->root_src_fd, .root_dst_fd = -1 };
	pthread_mutex_init(&census->lock, NULL);
	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	pthread_cond_init(&census->wake, &attr);
	pthread_condattr_destroy(&attr);
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	res = pthread_create(&census->thread, NULL, census_main, census);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	if (res != 0) {
		free(census);
		return NULL;
	}
	return census;
}

void census_stop(struct census *census)
{
	if (census == NULL) {
		return;
	}
	pthread_mutex_lock(&census->lock);
	census->stop = true;
	pthread_cond_signal(&census->wake);
	pthread_mutex_unlock(&census->lock);
	pthread_join(census->thread, NULL);
	cursor_close(&census->cursor);
	pthread_mutex_destroy(&census->lock);
	pthread_cond_destroy(&census->wake);
	free(census);
}
