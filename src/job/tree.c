/*
 * tree.c: the piles of work of a tree, and the threads that take from them (worker.c).
 */
#include "tree.h"

#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#include "census.h"
#include "group.h"
#include "pairs.h"
#include "stuck.h"

/* From here on a second thread is worth starting. */
#define SHARE_AFTER 64
/* Descriptors a lane may need at once besides its window: two ends, an old file, a pipe, links, a dup. */
#define LANE_FDS 10
/* What the program itself has open: the standard three, roots, links, report, and a few for libraries. */
#define BASE_FDS 14

/* ---- how many lanes, how large a window */

static unsigned tree_cpu_count(void)
{
	cpu_set_t set;
	int count = sched_getaffinity(0, sizeof(set), &set) == 0 ? CPU_COUNT(&set) : 1;

	return count < 1 ? 1 : (unsigned)count;
}

/* The soft limit is there for select(); we may have what the hard one grants, within reason. */
static rlim_t tree_fd_limit(void)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit) < 0) {
		return 256;
	}
	if (limit.rlim_cur < 4096 && limit.rlim_cur < limit.rlim_max) {
		limit.rlim_cur = limit.rlim_max < 4096 ? limit.rlim_max : 4096;
		if (setrlimit(RLIMIT_NOFILE, &limit) < 0 && getrlimit(RLIMIT_NOFILE, &limit) < 0) {
			return 256;
		}
	}
	return limit.rlim_cur;
}

/* What is synced before it gets its name may wait for others: they are made durable together. */
static bool tree_has_groups(const struct tree *tree)
{
	const struct zc_job_cfg *cfg = tree->cfg;

	return tree->ops == &entry_ops && !cfg->gnu_cp && !cfg->dry_run &&
	       cfg->durability != ZC_DURABILITY_NONE && cfg->cache != ZC_CACHE_DROP &&
	       tree->root_dst_fd >= 0 && group_serves(tree->root_dst_fd);
}

/* New files that are cloned on btrfs are changes of one B-tree and nothing else: two threads wait for each
 * other's leaves, and take longer than one. An update, which mostly looks, and copies of bytes do gain. */
static bool tree_is_one_lane(const struct tree *tree)
{
	const struct zc_job_cfg *cfg = tree->cfg;
	const struct node *root = tree->root;
	char fs[24];

	return tree->ops == &entry_ops && tree->plain && !tree->durable && cfg->reflink != ZC_WHEN_NEVER &&
	       root->made && root->src_st.st_dev == root->dst_dev &&
	       strcmp(zc_fs_name(tree->root_dst_fd, fs), "btrfs") == 0;
}

static unsigned tree_lanes(const struct tree *tree)
{
	if (tree->cfg->interactive || tree->root_dst_fd < 0) {
		return 1; /* one question at a time; one list */
	}
	return tree->cfg->jobs != 0 ? tree->cfg->jobs : tree_is_one_lane(tree) ? 1 : tree_cpu_count();
}

static void tree_size(struct tree *tree)
{
	rlim_t fds = tree_fd_limit();
	unsigned lanes = tree_lanes(tree);
	rlim_t each;
	bool groups;

	lanes = lanes > TREE_JOBS_MAX ? TREE_JOBS_MAX : lanes;
	while (lanes > 1 && (fds < BASE_FDS || (fds - BASE_FDS) / lanes < LANE_FDS + 4)) {
		lanes--;
	}
	each =
	    lanes > 0 && fds > BASE_FDS + lanes * (rlim_t)LANE_FDS ? (fds - BASE_FDS) / lanes - LANE_FDS : 0;
	tree->lane_max = lanes;
	groups = tree_has_groups(tree);
	tree->window = (unsigned)zc_max_u64(1, zc_min_u64(each / (groups ? 4 : 2), CURSOR_WINDOW_MAX));
	tree->group_max = groups ? (unsigned)(each - zc_min_u64(each, 2 * (rlim_t)tree->window)) : 0;
}

/* ---- threads */

static struct worker *worker_new(struct tree *tree)
{
	struct worker *worker = calloc(1, sizeof(*worker));

	if (worker == NULL) {
		return NULL;
	}
	worker->small = malloc(SMALL_BYTES + 1 + 8 + WALK_BYTES);
	if (worker->small == NULL) {
		free(worker);
		return NULL;
	}
	worker->batch = worker->small + SMALL_BYTES + 1;
	worker->batch += -(uintptr_t)worker->batch & 7;
	worker->tree = tree;
	worker->group = group_open(tree->group_max);
	worker->cursor.window = tree->window;
	worker->cursor.root_src_fd = tree->root_src_fd;
	worker->cursor.root_dst_fd = tree->root_dst_fd;
	lane_init(&worker->lane, tree->progress, &worker->report);
	worker->lane.kit.probe = tree->cfg->probe;
	worker->lane.share = worker_share;
	worker->lane.share_arg = worker;
	worker->report.gnu = tree->cfg->gnu_cp;
	worker->report.room_said = &tree->room_said;
	return worker;
}

static void worker_free(struct worker *worker, struct zc_report *into)
{
	lane_close(&worker->lane);
	cursor_close(&worker->cursor);
	group_close(worker->group);
	report_merge(into, &worker->report);
	report_fini(&worker->report);
	free(worker->small);
	free(worker);
}

static void *worker_main(void *arg)
{
	struct worker *worker = arg;

	while (worker_step(worker)) {
	}
	return NULL;
}

/* Signals are the first thread's business. A thread that cannot be had is done without. */
static void tree_start_worker(struct tree *tree)
{
	struct worker *worker = worker_new(tree);
	sigset_t all;
	sigset_t before;
	int res;

	if (worker == NULL) {
		tree->lane_max = tree->lane_count;
		return;
	}
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	res = pthread_create(&worker->thread, NULL, worker_main, worker);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	if (res != 0) {
		zc_fallback_add(&worker->report.fallbacks, "thread", "fewer lanes", "pthread_create", -res);
		worker_free(worker, &tree->said);
		tree->lane_max = tree->lane_count;
		return;
	}
	tree->workers[tree->lane_count++] = worker;
}

/* ---- the piles. Under the lock. */

void tree_more_work(struct tree *tree)
{
	if (atomic_load(&tree->idle) > 0) {
		pthread_cond_signal(&tree->wake);
	} else if (tree->lane_count < tree->lane_max &&
	           (atomic_load(&tree->seen) >= SHARE_AFTER || atomic_load(&tree->shares))) {
		tree_start_worker(tree);
	}
}

bool tree_has_work(const struct tree *tree)
{
	return tree->handed != NULL || tree->dir_lists > 0 || tree->readable != NULL;
}

void tree_push_files(struct tree *tree, struct names *names)
{
	pthread_mutex_lock(&tree->lock);
	names->next = tree->handed;
	tree->handed = names;
	tree_more_work(tree);
	pthread_mutex_unlock(&tree->lock);
}

void tree_push_dirs(struct worker *worker, struct names *names)
{
	struct tree *tree = worker->tree;

	pthread_mutex_lock(&tree->lock);
	names->newer = NULL;
	names->next = worker->newest;
	*(names->next != NULL ? &names->next->newer : &worker->oldest) = names;
	worker->newest = names;
	tree->dir_lists++;
	tree_more_work(tree);
	pthread_mutex_unlock(&tree->lock);
}

static void tree_unlist(struct worker *worker, struct names *names)
{
	*(names->newer != NULL ? &names->newer->next : &worker->newest) = names->next;
	*(names->next != NULL ? &names->next->newer : &worker->oldest) = names->newer;
	worker->tree->dir_lists--;
	free(names);
}

/* The next directory below where the thread has been last, whose parents it has open; else of somebody else's
 * the one that is nearest to the root, and so likely to keep it busy for long. */
static bool tree_take_dir(struct tree *tree, struct worker *worker, struct task *task)
{
	struct worker *owner = worker;
	struct names *names = worker->newest;
	const char *name;
	size_t len;

	for (unsigned i = 0; names == NULL && i < tree->lane_count; i++) {
		owner = tree->workers[i];
		names = owner->oldest;
	}
	if (names == NULL) {
		return false;
	}
	name = names->bytes + names->at + 1;
	len = strlen(name) + 1;
	task->node = names->node;
	task->enter = (uint8_t)names->bytes[names->at];
	memcpy(worker->name, name, len);
	names->at += (uint32_t)len + 1;
	if (names->at == names->end) {
		tree_unlist(owner, names);
	}
	return true;
}

/* Nobody works, and nobody waits but with files that want their names: they need not wait for more. */
static bool tree_is_at_end(const struct tree *tree)
{
	return atomic_load(&tree->idle) + 1 >= tree->lane_count;
}

static bool tree_take_now(struct tree *tree, struct worker *worker, struct task *task)
{
	*task = (struct task){ 0 };
	if (tree->handed != NULL) {
		task->handed = tree->handed;
		tree->handed = tree->handed->next;
		return true;
	}
	if (tree_take_dir(tree, worker, task)) {
		return true;
	}
	task->node = tree->readable;
	if (task->node != NULL) {
		tree->readable = task->node->next;
	}
	return task->node != NULL;
}

/* The first thread comes back now and then, so that its caller can show what is new. */
static void tree_wait(struct tree *tree)
{
	struct timespec until;

	clock_gettime(CLOCK_MONOTONIC, &until);
	until.tv_nsec += 50 * 1000 * 1000;
	if (until.tv_nsec >= 1000000000) {
		until.tv_sec++;
		until.tv_nsec -= 1000000000;
	}
	atomic_fetch_add(&tree->idle, 1);
	(void)pthread_cond_timedwait(&tree->wake, &tree->lock, &until);
	atomic_fetch_sub(&tree->idle, 1);
}

/* What was put off, now that this thread has nothing else. Its group first: others may wait for it, and it
 * must not wait for them meanwhile. */
static bool tree_take_late(struct tree *tree, struct worker *worker, struct task *task)
{
	if (!group_is_empty(worker->group)) {
		task->commit = worker->waited || tree->later != NULL || tree_is_at_end(tree);
		if (task->commit) {
			pthread_cond_broadcast(&tree->wake);
		}
		return task->commit;
	}
	task->handed = tree->later;
	if (task->handed != NULL) {
		task->later = true;
		tree->later = task->handed->next;
		tree->later_end = tree->later == NULL ? &tree->later : tree->later_end;
	}
	return task->later;
}

int tree_take(struct tree *tree, struct worker *worker, struct task *task)
{
	int res = 0;

	pthread_mutex_lock(&tree->lock);
	if (tree_take_now(tree, worker, task)) {
		res = 1;
		if (tree_has_work(tree)) {
			tree_more_work(tree); /* there is more than this thread can do at once */
		}
	} else if (!tree->done && tree_take_late(tree, worker, task)) {
		res = 1;
	} else if (!tree->done) {
		tree_wait(tree);
	}
	worker->waited = res == 0;
	if (res == 0 && tree->done) {
		res = -1;
	}
	pthread_mutex_unlock(&tree->lock);
	return res;
}

/* ---- what comes of a task */

void tree_node_done(struct worker *worker, struct node *node)
{
	struct tree *tree = worker->tree;

	while (node != NULL && atomic_fetch_sub(&node->pending, 1) == 1) {
		struct node *parent = node->parent;

		if (!zc_stopped()) {
			worker->tree->ops->leave(worker, node);
		}
		if (parent == NULL) {
			pthread_mutex_lock(&tree->lock);
			tree->done = true;
			pthread_cond_broadcast(&tree->wake);
			pthread_mutex_unlock(&tree->lock);
		} else {
			node_free(node); /* the root is tree_close's */
		}
		node = parent;
	}
}

uint64_t tree_next_id(struct tree *tree)
{
	return atomic_fetch_add(&tree->last_id, 1) + 1;
}

struct names *names_new(struct node *node, size_t cap_bytes)
{
	struct names *names = malloc(sizeof(*names) + cap_bytes);

	if (names != NULL) {
		*names = (struct names){ .node = node };
	}
	return names;
}

void names_add(struct names *names, uint8_t type, const char *name)
{
	size_t len = strlen(name) + 1;

	names->bytes[names->end] = (char)type;
	memcpy(names->bytes + names->end + 1, name, len);
	names->end += (uint32_t)len + 1;
}

void tree_no_memory(struct worker *worker)
{
	report_status(&worker->report, ZC_STATUS_SOME_FAILED);
	report_say(&worker->report, ZC_MSG_ERROR, "out of memory; a part of the tree is not copied");
}

void tree_add_dir(struct worker *worker, struct node *node, const char *name, uint8_t type)
{
	struct names *names = names_new(node, strlen(name) + 2);

	if (names == NULL) {
		tree_no_memory(worker);
		return;
	}
	names_add(names, type, name);
	atomic_fetch_add(&node->pending, 1);
	tree_push_dirs(worker, names);
}

void tree_add_later(struct worker *worker, struct node *node, const char *name)
{
	struct tree *tree = worker->tree;
	struct names *names = names_new(node, strlen(name) + 2);

	if (names == NULL) {
		tree_no_memory(worker);
		return;
	}
	names_add(names, DT_UNKNOWN, name);
	atomic_fetch_add(&node->pending, 1);
	atomic_fetch_sub_explicit(&tree->progress->items_done, 1, memory_order_relaxed); /* not yet */
	pthread_mutex_lock(&tree->lock);
	*tree->later_end = names;
	tree->later_end = &names->next;
	pthread_mutex_unlock(&tree->lock);
}

/* ---- from open to close */

/* Nothing was asked that a new file in a new directory would notice: the short way is open to it. */
static bool tree_is_plain(const struct zc_job_cfg *cfg)
{
	if (cfg->gnu_cp && (cfg->preserve & (ZC_PRESERVE_OWNER | ZC_PRESERVE_MODE)) == ZC_PRESERVE_OWNER) {
		return false; /* the mode is to be widened again once the owner is right */
	}
	return !cfg->verify && cfg->manifest == NULL && !cfg->make_hard_links && !cfg->make_symlinks &&
	       !cfg->attributes_only && !cfg->dry_run && !cfg->debug && !cfg->explain && !cfg->set_context &&
	       cfg->sparse == ZC_WHEN_AUTO && cfg->reflink != ZC_WHEN_ALWAYS && cfg->route == ZC_ROUTE_AUTO &&
	       cfg->engine == ZC_ENGINE_AUTO && cfg->direct != ZC_WHEN_ALWAYS &&
	       cfg->cache != ZC_CACHE_DROP && cfg->on_read_error == ZC_ON_READ_ERROR_FAIL;
}

/* What it was given. */
static void tree_let_go(struct node *root, struct pairs *pairs, int src_fd, int dst_fd)
{
	node_free(root);
	pairs_free(pairs);
	close(src_fd);
	if (dst_fd >= 0) {
		close(dst_fd);
	}
}

int tree_open(struct tree **ret_tree, const struct tree_start *start)
{
	struct tree *tree = calloc(1, sizeof(*tree));
	pthread_condattr_t attr;

	if (tree == NULL) {
		tree_let_go(start->root, start->pairs, start->src_fd, start->dst_fd);
		return -ENOMEM;
	}
	tree->ops = start->ops != NULL ? start->ops : &entry_ops;
	tree->pairs = start->pairs;
	tree->manifest = start->manifest;
	tree->state_fd = start->state_fd;
	tree->cfg = start->cfg;
	tree->item_cfg = *start->cfg;
	tree->item_cfg.jobs = 0;
	tree->progress = start->progress;
	tree->links = start->links;
	tree->src_text = start->src_text;
	tree->dst_text = start->dst_text;
	tree->link_root = start->link_root;
	tree->filter_root = start->filter_root;
	tree->root_src_fd = start->src_fd;
	tree->root_dst_fd = start->dst_fd;
	tree->root = start->root;
	tree->readable = start->root;
	tree->later_end = &tree->later;
	/* a server tells at close what it put off: the long way asks before a file gets its name */
	atomic_init(&tree->no_tmpfile, start->dst_fd >= 0 && zc_fs_is_remote(start->dst_fd));
	stuck_watch(start->src_fd, start->root->src_st.st_dev);
	stuck_watch(start->dst_fd, start->root->dst_dev);
	tree->durable =
	    start->cfg->durability == ZC_DURABILITY_DATA || start->cfg->durability == ZC_DURABILITY_FULL;
	tree->plain = tree_is_plain(start->cfg);
	tree->last_id = start->root->id;
	clock_gettime(CLOCK_REALTIME_COARSE, &tree->started);
	tree->said.gnu = start->cfg->gnu_cp;
	tree_size(tree);
	pthread_mutex_init(&tree->lock, NULL);
	pthread_condattr_init(&attr); /* a clock that is set back would make a wait as much longer */
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	pthread_cond_init(&tree->wake, &attr);
	pthread_condattr_destroy(&attr);
	tree->workers[0] = worker_new(tree);
	*ret_tree = tree;
	if (tree->workers[0] == NULL) {
		return -ENOMEM;
	}
	tree->lane_count = 1;
	if (start->cfg->count_ahead) {
		tree->census = census_start(tree, start->cfg->count_after_ns);
	}
	return 0;
}

bool tree_step(struct tree *tree, struct zc_report *report)
{
	bool more = tree->workers[0] != NULL && worker_step(tree->workers[0]); /* none: no memory for one */

	pthread_mutex_lock(&tree->lock);
	report_take_msgs(report, &tree->said);
	pthread_mutex_unlock(&tree->lock);
	return more;
}

static void tree_say_unsaid(const struct tree *tree, struct zc_report *report)
{
	char quoted[1200];

	if (report->room_unsaid > 0) {
		report_say(report, ZC_MSG_ERROR, "%s: no room for %llu more",
		           zc_quote(quoted, sizeof(quoted), tree->dst_text),
		           (unsigned long long)report->room_unsaid);
	}
	report->room_unsaid = 0;
}

void tree_close(struct tree *tree, struct zc_report *report)
{
	unsigned lanes = tree->lane_count; /* the tree is done: nobody adds one any more */

	census_stop(tree->census);
	for (unsigned i = 1; i < lanes; i++) {
		pthread_join(tree->workers[i]->thread, NULL);
	}
	for (unsigned i = 0; i < lanes; i++) {
		worker_free(tree->workers[i], report);
	}
	group_sync_tree(tree, report);
	report->lanes = (unsigned)zc_max_u64(report->lanes, lanes);
	report_merge(report, &tree->said);
	report_fini(&tree->said);
	tree_say_unsaid(tree, report);
	tree_let_go(tree->root, tree->pairs, tree->root_src_fd, tree->root_dst_fd);
	pthread_mutex_destroy(&tree->lock);
	pthread_cond_destroy(&tree->wake);
	free(tree);
}
