/*
 * make.c: names without data: symlinks, FIFOs, sockets, device nodes; the names that -l and -s make, and
 * the second names of a file with several.
 *
 * What exists is replaced whole: the new thing is made beside it under a temporary name and renamed over
 * it. Only as cp it is removed first, as cp does.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "check.h"
#include "group.h"
#include "item.h"
#include "links.h"
#include "resume.h"
#include "tree.h"

#define TRIES_MAX 16

/* Makes the thing under that name. 0 or -errno. */
typedef int (*make_fn)(struct item *item, const char *name, const void *arg);

static int make_symlink(struct item *item, const char *name, const void *arg)
{
	return symlinkat(arg, item->target.dir_fd, name) < 0 ? -errno : 0;
}

static mode_t make_mode(const struct item *item)
{
	mode_t mode = item->src_st.st_mode & 0777;

	if (item->cfg->preserve & ZC_PRESERVE_NOT_MODE) {
		mode = S_ISSOCK(item->src_st.st_mode) ? 0777 : 0666;
	}
	return mode;
}

/* Private until its owner is known; the attributes widen it. */
static int make_node(struct item *item, const char *name, const void *arg)
{
	mode_t mode = make_mode(item);

	(void)arg;
	if (item->cfg->preserve & (ZC_PRESERVE_OWNER | ZC_PRESERVE_MODE)) {
		mode &= 0700;
	}
	return mknodat(item->target.dir_fd, name, (item->src_st.st_mode & S_IFMT) | mode,
	               item->src_st.st_rdev) < 0
	           ? -errno
	           : 0;
}

static int make_hard_link(struct item *item, const char *name, const void *arg)
{
	const struct target *from = &item->from;

	(void)arg;
	return linkat(from->dir_fd, from->name, item->target.dir_fd, name,
	              from->magic ? AT_SYMLINK_FOLLOW : 0) < 0
	           ? -errno
	           : 0;
}

/* A new name of its own asked for no flush, but this one takes the place of a file. With the source's mode it
 * may be one that its owner cannot open: all that is there is flushed, then. */
static int make_flushed(const struct item *item, const char *name)
{
	int dir_fd = item->target.dir_fd;
	int fd = openat(dir_fd, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	int res = fd < 0 || fdatasync(fd) < 0 ? -errno : 0;

	if (fd >= 0) {
		close(fd);
	} else if (res == -EACCES && group_serves(dir_fd)) {
		res = syncfs(dir_fd) == 0 ? 0 : errno == EBADF ? res : -errno;
	}
	return res;
}

static int make_link_to_copy(struct item *item, const char *name, const void *arg)
{
	bool replaces = item->target.exists && !item->report->gnu && S_ISREG(item->src_st.st_mode);
	int res = links_make(item->links, arg, item->target.dir_fd, name);

	if (res == 0 && replaces && item->cfg->durability != ZC_DURABILITY_NONE) {
		res = make_flushed(item, name);
		if (res < 0) {
			(void)unlinkat(item->target.dir_fd, name, 0);
		}
	}
	return res;
}

/* ---- the name */

/* A file may be a living neighbour's, and is asked by its lock; anything else is made and renamed within one
 * instant. */
bool make_reclaim(const struct item *item, const char *temp)
{
	struct stat st;

	if (fstatat(item->target.dir_fd, temp, &st, AT_SYMLINK_NOFOLLOW) < 0) {
		return errno == ENOENT;
	}
	if (st.st_uid != geteuid() && geteuid() != 0) {
		return false;
	}
	return S_ISREG(st.st_mode) && st.st_nlink == 1 ? commit_reclaim(&item->target, temp)
	                                               : unlinkat(item->target.dir_fd, temp, 0) == 0;
}

static int make_over(struct item *item, make_fn make, const void *arg)
{
	int dir_fd = item->target.dir_fd;
	int res = -EEXIST;
	char temp[64];

	for (unsigned tries = 0; tries < TRIES_MAX && res == -EEXIST; tries++) {
		commit_temp_name(temp, item->target.name, tries);
		res = make(item, temp, arg);
		if (res == -EEXIST && tries == 0 && make_reclaim(item, temp)) {
			res = make(item, temp, arg);
		}
	}
	if (res < 0) {
		return res;
	}
	if (renameat(dir_fd, temp, dir_fd, item->target.name) < 0) {
		res = -errno;
		(void)unlinkat(dir_fd, temp, 0);
		return res;
	}
	/* of two names of one file rename keeps both: nothing was to be done, then */
	(void)unlinkat(dir_fd, temp, 0);
	return 0;
}

/* cp has removed what it may remove: only -f, or a yes, makes a link in the place of something. */
static int make_named_gnu(struct item *item, make_fn make, const void *arg, bool force)
{
	int res;

	if (item->aim_code != 0) {
		return item->aim_code;
	}
	res = make(item, item->target.name, arg);
	return res == -EEXIST && force ? make_over(item, make, arg) : res;
}

static int make_named(struct item *item, make_fn make, const void *arg, bool force)
{
	if (item->report->gnu) {
		return make_named_gnu(item, make, arg, force);
	}
	return item->target.exists ? make_over(item, make, arg) : make(item, item->target.name, arg);
}

/* ---- what is made */

/* What has just been made, held: whoever may write in the directory may have put something of another's in
 * its place, which must not be given away. */
static int make_hold(struct item *item)
{
	int fd = openat(item->target.dir_fd, item->target.name, O_PATH | O_NOFOLLOW | O_CLOEXEC);
	struct stat st;

	if (fd < 0 || fstat(fd, &st) < 0) {
		int res = -errno;

		if (fd >= 0) {
			close(fd);
		}
		return item_fail(item, ZC_SIDE_DST, 0, "openat", res, "cannot keep its owner", NULL);
	}
	if ((st.st_mode & S_IFMT) == (item->src_st.st_mode & S_IFMT) && st.st_nlink == 1 &&
	    st.st_uid == geteuid() && st.st_rdev == item->src_st.st_rdev) {
		return fd;
	}
	close(fd);
	return item_fail(item, ZC_SIDE_DST, ZC_STATUS_SOME_FAILED, "fstat", -EPERM, "cannot keep its owner",
	                 "it is not what was made there");
}

static int make_meta(struct item *item)
{
	struct attr_at src = { .fd = -1, .dir_fd = item->from.dir_fd, .name = item->from.name };
	struct attr_at dst = { .fd = -1 };
	struct meta_wish wish = item_meta_wish(item);
	struct meta_result result = { 0 };
	int res;

	if (wish.preserve == 0) {
		return 0;
	}
	res = dst.fd = make_hold(item);
	if (res < 0) {
		return res;
	}
	if (!S_ISLNK(item->src_st.st_mode) && (wish.preserve & ZC_PRESERVE_OWNER) &&
	    !(wish.preserve & ZC_PRESERVE_MODE)) {
		wish.set_mode = true;
		wish.mode = make_mode(item) & ~item->cfg->umask;
	}
	meta_copy(&src, &item->src_st, &dst, NULL, &wish, &result);
	close(dst.fd);
	return item_meta_result(item, &result);
}

static int make_failed(struct item *item, const char *op, int code, const char *what)
{
	return code < 0 ? item_fail(item, ZC_SIDE_DST, 0, op, code, what, NULL) : 0;
}

static int make_copy_of_symlink(struct item *item)
{
	char path[PATH_MAX];
	ssize_t len = readlinkat(item->from.dir_fd, item->from.name, path, sizeof(path));
	int res;

	if (len < 0 || len == (ssize_t)sizeof(path)) {
		return item_fail(item, ZC_SIDE_SRC, 0, "readlinkat", len < 0 ? -errno : -ENAMETOOLONG,
		                 "cannot read the link", NULL);
	}
	path[len] = '\0';
	res = make_failed(item, "symlinkat", make_named(item, make_symlink, path, item->cfg->force),
	                  "cannot create the symlink");
	if (res == 0) {
		item->report->items.symlinks++;
		res = make_meta(item);
	}
	return res;
}

static int make_copy_of_node(struct item *item)
{
	bool fifo = S_ISFIFO(item->src_st.st_mode);
	int res = make_failed(item, "mknodat", make_named(item, make_node, NULL, false),
	                      fifo ? "cannot create the FIFO" : "cannot create the special file");

	if (res == 0) {
		item->report->items.specials++;
		res = make_meta(item);
	}
	return res;
}

/* -s: an absolute path of the source, or its relative one when both are in the working directory. */
static int make_symbolic(struct item *item)
{
	const char *src = item_text(item, ZC_SIDE_SRC);
	const struct timespec times[2] = { item->src_st.st_atim, item->src_st.st_mtim };
	struct stat here;
	struct stat there;
	int res;

	if (src[0] != '/' && item->aim_code == 0 &&
	    (fstatat(AT_FDCWD, ".", &here, 0) < 0 || fstat(item->target.dir_fd, &there) < 0 ||
	     here.st_dev != there.st_dev || here.st_ino != there.st_ino)) {
		return item_fail(item, ZC_SIDE_DST, ZC_STATUS_SOME_FAILED, "symlinkat", 0,
		                 "only in the working directory can a symlink be relative", NULL);
	}
	res = make_failed(item, "symlinkat", make_named(item, make_symlink, src, item->cfg->force),
	                  "cannot link symbolically");
	if (res == 0 && (item->cfg->preserve & ZC_PRESERVE_TIMES) &&
	    utimensat(item->target.dir_fd, item->target.name, times, AT_SYMLINK_NOFOLLOW) < 0) {
		return item_fail(item, ZC_SIDE_DST, 0, "utimensat", -errno, "cannot keep its times", NULL);
	}
	return res;
}

/* The old name keeps what it has until the new one takes it over. */
static int make_backup(struct item *item)
{
	return item->report->gnu ? 0 : backup_item(item);
}

/* What it should be linked to is the copy at path, below the same directory as this item's own name. */
static int make_link_failed(struct item *item, int code, const char *path)
{
	const char *root = item->node != NULL ? item->tree->dst_text : item->dst_text;
	const char *below = item->node != NULL ? item->tree->link_root : item->link_path;
	struct item link = { .cfg = item->cfg, .report = item->report };
	size_t len = strlen(root);
	char *text;

	while (len > 0 && root[len - 1] == '/') {
		len--;
	}
	len -= len >= strlen(below) ? strlen(below) : 0;
	if (asprintf(&text, "%.*s%s", (int)len, root, path) < 0) {
		text = NULL;
	}
	link.src_uri.text = text != NULL ? text : path;
	link.dst_text = item_text(item, ZC_SIDE_DST);
	code = item_fail(&link, ZC_SIDE_DST, 0, "linkat", code, "cannot link", NULL);
	free(text);
	return code;
}

static int make_durable(struct item *item)
{
	return item->tree != NULL ? 0 : item_sync_dir(item, item->target.dir_fd);
}

int make_kept_link(struct item *item, const char *path)
{
	int res = make_backup(item);

	if (res < 0) {
		return -EINVAL; /* it was said */
	}
	item_unfollow(item);
	res = make_named(item, make_link_to_copy, path, true);
	if (res == 0 && item->report->gnu && item->target.exists && item->cfg->verbose) {
		gnu_say_removed(item);
	}

	if (res == -EMLINK || res == -EXDEV || res == -ENOENT) {
		return res; /* the caller copies it then */
	}
	if (res < 0) {
		return make_link_failed(item, res, path);
	}
	item->report->items.hardlinks++;
	res = check_list_link(item);
	return res == 0 ? make_durable(item) : res;
}

int make_item(struct item *item)
{
	bool force = item->cfg->force || item->cfg->interactive;
	int res = make_backup(item);

	if (res < 0) {
		return res;
	}
	if (item->cfg->make_hard_links) {
		res =
		    make_failed(item, "linkat", make_named(item, make_hard_link, NULL, force), "cannot link");
		item->report->items.hardlinks += res == 0;
		res = res == 0 ? check_list_link(item) : res;
	} else if (item->cfg->make_symlinks) {
		res = make_symbolic(item);
		item->report->items.symlinks += res == 0;
	} else if (S_ISLNK(item->src_st.st_mode)) {
		res = make_copy_of_symlink(item);
	} else {
		res = make_copy_of_node(item);
	}
	if (res == 0) {
		resume_forget(item); /* the name may have been a file's when an earlier run was killed */
		item_remember(item);
		res = make_durable(item);
	}
	return res;
}
