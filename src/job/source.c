/*
 * source.c: opens what is to be read.
 *
 * Nothing hangs by surprise: a name is looked at before it is opened, and opened O_NONBLOCK. A FIFO then
 * waits for its writer in poll, where a signal ends it; the flag is taken off again, since the descriptor is
 * ours.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <unistd.h>

#include "peer.h"

/* A FIFO without a writer reads as ended; poll, however, waits for the first writer. */
static int source_wait_for_writer(int fd)
{
	struct pollfd pfd = { .fd = fd, .events = POLLIN };

	while (poll(&pfd, 1, -1) < 0) {
		if (errno != EINTR) {
			return -errno;
		}
		if (zc_stopped()) {
			return -ECANCELED;
		}
	}
	return 0;
}

int source_ready(struct item *item)
{
	int fd = item->src.shape.fd;
	int flags;
	int res = 0;

	if (item->src_uri.kind != ZC_END_PATH || (item->src.shape.caps & ZC_CAP_REG)) {
		return 0; /* O_NONBLOCK means nothing to a regular file, and others' flags are not touched */
	}
	if (S_ISFIFO(item->src_st.st_mode)) {
		res = source_wait_for_writer(fd);
	}
	if (res == 0) {
		flags = fcntl(fd, F_GETFL);
		res = flags < 0 || fcntl(fd, F_SETFL, flags & ~O_NONBLOCK) < 0 ? -errno : 0;
	}
	item->src.shape.caps &= ~(unsigned)ZC_CAP_NONBLOCK;
	return res < 0 ? item_fail(item, ZC_SIDE_SRC, 0, "poll", res, "cannot read", NULL) : 0;
}

/* In cp's words: scripts look for them. */
static int source_omit_directory(struct item *item)
{
	const struct zc_err err = {
		.code = -EISDIR, .side = ZC_SIDE_SRC, .op = "open", .off_bytes = ZC_OFF_NONE
	};
	char quoted[1200];

	report_status(item->report, ZC_STATUS_SOME_FAILED);
	report_error(item->report, item->src_uri.text, &err);
	if (item->report->gnu) {
		report_gnu(item->report, "-r not specified; omitting directory %S", item->src_uri.text, "",
		           0);
	} else {
		report_say(item->report, ZC_MSG_ERROR, "-r not specified; omitting directory '%s'",
		           zc_quote(quoted, sizeof(quoted), item->src_uri.text));
	}
	return err.code;
}

/* Nothing but "/", ".", ".." and paths with a slash behind them name a directory without a name of its own.
 */
static bool source_names_directory(const char *path)
{
	size_t len;
	const char *base = target_basename(path, &len);

	return len == 0 || base[len] == '/' || (len == 1 && base[0] == '.') ||
	       (len == 2 && base[0] == '.' && base[1] == '.');
}

bool source_follows(const struct item *item)
{
	switch (item->cfg->deref) {
	case ZC_DEREF_NEVER:
		return false;
	case ZC_DEREF_DEFAULT:
		return !item->cfg->recursive;
	default:
		return true;
	}
}

bool source_is_name_only(const struct item *item)
{
	mode_t type = item->src_st.st_mode & S_IFMT;

	if (!item->has_from) {
		return false;
	}
	if (item->cfg->make_hard_links || item->cfg->make_symlinks || type == S_IFLNK) {
		return true;
	}
	return item->cfg->recursive && !item->cfg->copy_contents &&
	       (type == S_IFIFO || type == S_IFSOCK || type == S_IFCHR || type == S_IFBLK);
}

static int source_find_fd(struct item *item)
{
	if (fstat(item->src_uri.fd, &item->src_st) < 0) {
		return item_fail(item, ZC_SIDE_SRC, 0, "fstat", -errno, "cannot read", NULL);
	}
	/* a descriptor is a stream: there is no path by which a tree could be walked */
	return S_ISDIR(item->src_st.st_mode)
	           ? item_fail(item, ZC_SIDE_SRC, 0, "read", -EISDIR, "cannot read", NULL)
	           : 0;
}

static int source_find_directory(struct item *item)
{
	const char *path = item->src_uri.path;

	if (path[0] == '\0' || fstatat(AT_FDCWD, path, &item->src_st, 0) < 0) {
		return item_fail(item, ZC_SIDE_SRC, 0, "open", path[0] == '\0' ? -ENOENT : -errno,
		                 item->report->gnu ? "cannot stat" : "cannot open", NULL);
	}
	if (!S_ISDIR(item->src_st.st_mode)) {
		return item_fail(item, ZC_SIDE_SRC, 0, "open", -ENOTDIR,
		                 item->report->gnu ? "cannot stat" : "cannot open", NULL);
	}
	return item->cfg->recursive ? 0 : source_omit_directory(item);
}

/* Symlinks are followed by our rules, not by the kernel's. */
static int source_find_path(struct item *item)
{
	const char *refused = NULL;
	int res;

	if (source_names_directory(item->src_uri.path)) {
		return source_find_directory(item);
	}
	res = target_open(&item->from, item->src_uri.path, TARGET_KEEP, &refused);
	if (res == 0) {
		item->has_from = true;
		res = source_follows(item) ? target_follow_link(&item->from, &item->from_link, &refused) : 0;
	}
	if (res == 0 && item->from.inherited_fd < 0 && !item->from.exists) {
		res = -ENOENT;
	}
	if (res < 0) {
		bool unsafe = res == -EACCES && refused != NULL;

		return item_fail(item, ZC_SIDE_SRC, unsafe ? ZC_STATUS_REFUSED : 0, "open", res,
		                 unsafe              ? refused
		                 : item->report->gnu ? "cannot stat"
		                                     : "cannot open",
		                 NULL);
	}
	if (item->from.inherited_fd >= 0) {
		item->src_uri.kind = ZC_END_FD;
		item->src_uri.fd = item->from.inherited_fd;
		item_forget_from(item);
		return source_find_fd(item);
	}
	item->src_st = item->from.st;
	return S_ISDIR(item->src_st.st_mode) && !item->cfg->recursive ? source_omit_directory(item) : 0;
}

/* A name of a list, component by component below the list's directory; no symlink leads out of it. */
static int source_find_below(struct item *item)
{
	const char *refused = NULL;
	const char *last;
	int at_fd;
	int res = target_walk(item->base_fd, item->below, O_NOFOLLOW, &at_fd, &last);

	if (res == 0) {
		res = target_open_in(&item->from, at_fd, last, TARGET_KEEP, &refused);
		item->has_from = res == 0;
	}
	if (res == 0 && !item->from.exists) {
		res = -ENOENT;
	}
	if (at_fd >= 0) {
		close(at_fd);
	}
	if (res < 0) {
		return item_fail(item, ZC_SIDE_SRC, 0, "open", res, "cannot open", NULL);
	}
	item->src_st = item->from.st;
	return S_ISDIR(item->src_st.st_mode) && !item->cfg->recursive ? source_omit_directory(item) : 0;
}

int source_find(struct item *item)
{
	if (item->base_fd >= 0) {
		return source_find_below(item);
	}
	switch (item->src_uri.kind) {
	case ZC_END_PATH:
		return source_find_path(item);
	case ZC_END_FD:
		return source_find_fd(item);
	case ZC_END_TCP:
	case ZC_END_TCP_LISTEN:
		return 0; /* there is nothing to look at before it is there */
	default:
		zc_end_from_synth(&item->src, &item->src_uri, ZC_DIR_SRC);
		return 0;
	}
}

/* The attributes and the decisions are those of what was looked at: something else under the name now is
 * not copied. */
static int source_check(struct item *item, int fd)
{
	struct stat st;

	if (fstat(fd, &st) < 0) {
		return item_fail(item, ZC_SIDE_SRC, 0, "fstat", -errno, "cannot stat", NULL);
	}
	if (st.st_dev != item->src_st.st_dev || st.st_ino != item->src_st.st_ino ||
	    (st.st_mode & S_IFMT) != (item->src_st.st_mode & S_IFMT)) {
		return item_fail(item, ZC_SIDE_SRC, ZC_STATUS_CHANGED, "open", 0,
		                 "replaced while it was copied", NULL);
	}
	item->src_st = st;
	return 0;
}

static int source_open_path(struct item *item)
{
	int flags = O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY | (item->from.magic ? 0 : O_NOFOLLOW);
	int fd = openat(item->from.dir_fd, item->from.name, flags);
	int res;

	if (fd < 0) {
		return item_fail(item, ZC_SIDE_SRC, 0, "open", -errno, "cannot open", NULL);
	}
	res = source_check(item, fd);
	if (res == 0) {
		res = zc_end_from_fd(&item->src, fd, ZC_DIR_SRC, true);
		if (res < 0) {
			item_fail(item, ZC_SIDE_SRC, 0, "fstat", res, "cannot open", NULL);
		}
	}
	if (res < 0) {
		close(fd);
	}
	return res;
}

int source_open(struct item *item)
{
	int res;

	if (item->src.ops != NULL) {
		return 0; /* synthetic, or opened by whoever found it in a tree */
	}
	if (item->src_uri.kind == ZC_END_PATH) {
		return source_open_path(item);
	}
	if (peer_is(&item->src_uri)) {
		return peer_open(item, ZC_DIR_SRC);
	}
	res = zc_end_from_fd(&item->src, item->src_uri.fd, ZC_DIR_SRC, false);
	return res < 0 ? item_fail(item, ZC_SIDE_SRC, 0, "fstat", res, "cannot read", NULL) : 0;
}

/* Data that changed shows in size or mtime; a ctime-only change (a new link, a chmod) is none. A file
 * without a size (/proc) changes its times at every look. */
bool source_changed(const struct item *item, const struct stat *now)
{
	const struct stat *then = &item->src_st;

	if (!(item->src.shape.caps & ZC_CAP_REG) || (then->st_size == 0 && now->st_size == 0)) {
		return false;
	}
	return then->st_size != now->st_size || then->st_mtim.tv_sec != now->st_mtim.tv_sec ||
	       then->st_mtim.tv_nsec != now->st_mtim.tv_nsec;
}
