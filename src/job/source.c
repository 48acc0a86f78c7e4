/*
 * source.c: opens what is to be read.
 *
 * Nothing hangs by surprise: the name is opened O_NONBLOCK until its type is known. A FIFO then waits for
 * its writer in poll, where a signal ends it; the flag is taken off again, since the descriptor is ours.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <unistd.h>

#include "item.h"

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
	report_say(item->report, ZC_MSG_ERROR, "-r not specified; omitting directory '%s'",
	           zc_quote(quoted, sizeof(quoted), item->src_uri.text));
	return err.code;
}

/* A path that ends in a slash or is nothing but slashes names a directory, or nothing. */
static bool source_names_directory(const char *path)
{
	size_t len = strlen(path);

	return len == 0 || path[len - 1] == '/';
}

static int source_open_fd(struct item *item)
{
	int res = fstat(item->src_uri.fd, &item->src_st) < 0 ? -errno : 0;

	if (res == 0) {
		res = zc_end_from_fd(&item->src, item->src_uri.fd, ZC_DIR_SRC, false);
	}
	return res < 0 ? item_fail(item, ZC_SIDE_SRC, 0, "fstat", res, "cannot read", NULL) : 0;
}

/* What stands behind the descriptor decides the rest. */
static int source_look(struct item *item, int fd)
{
	int res = 0;

	if (fstat(fd, &item->src_st) < 0) {
		res = -errno;
	} else if (S_ISDIR(item->src_st.st_mode)) {
		close(fd);
		return source_omit_directory(item);
	} else {
		res = zc_end_from_fd(&item->src, fd, ZC_DIR_SRC, true);
	}
	if (res < 0) {
		close(fd);
		return item_fail(item, ZC_SIDE_SRC, 0, "fstat", res, "cannot open", NULL);
	}
	return 0;
}

static int source_open_at(struct item *item, int dir_fd, const char *name, int flags)
{
	int fd = openat(dir_fd, name, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY | flags);

	return fd < 0 ? item_fail(item, ZC_SIDE_SRC, 0, "open", -errno, "cannot open", NULL)
	              : source_look(item, fd);
}

/* Symlinks are followed by our rules, not by the kernel's. */
static int source_open_path(struct item *item)
{
	const char *path = item->src_uri.path;
	const char *refused = NULL;
	struct target from;
	int res;

	if (source_names_directory(path)) {
		return source_open_at(item, AT_FDCWD, path, 0);
	}
	res = target_open(&from, path, &refused);
	if (res < 0) {
		bool unsafe = res == -EACCES && refused != NULL;

		return item_fail(item, ZC_SIDE_SRC, unsafe ? ZC_STATUS_REFUSED : 0, "open", res,
		                 unsafe ? refused : "cannot open", NULL);
	}
	if (from.inherited_fd >= 0) {
		item->src_uri.kind = ZC_END_FD;
		item->src_uri.fd = from.inherited_fd;
		res = source_open_fd(item);
	} else {
		res = source_open_at(item, from.dir_fd, from.name, from.magic ? 0 : O_NOFOLLOW);
	}
	target_close(&from);
	return res;
}

int source_open(struct item *item)
{
	switch (item->src_uri.kind) {
	case ZC_END_PATH:
		return source_open_path(item);
	case ZC_END_FD:
		return source_open_fd(item);
	default:
		zc_end_from_synth(&item->src, &item->src_uri, ZC_DIR_SRC);
		return 0;
	}
}
