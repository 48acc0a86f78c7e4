/*
 * source.c: opens what is to be read.
 *
 * Nothing hangs by surprise: the name is opened O_NONBLOCK until its type is known. A FIFO then waits for
 * its writer in poll, where a signal ends it; the flag is taken off again, since the descriptor is ours.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
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

static int source_settle(struct item *item, int fd)
{
	int flags;

	if (S_ISFIFO(item->src_st.st_mode)) {
		int res = source_wait_for_writer(fd);

		if (res < 0) {
			return res;
		}
	}
	if (S_ISREG(item->src_st.st_mode)) {
		return 0; /* O_NONBLOCK means nothing there */
	}
	flags = fcntl(fd, F_GETFL);
	return flags < 0 || fcntl(fd, F_SETFL, flags & ~O_NONBLOCK) < 0 ? -errno : 0;
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

static int source_open_path(struct item *item)
{
	const char *path = item->src_uri.path;
	int fd;
	int res;

	if (target_link_is_unsafe(path)) {
		return item_fail(item, ZC_SIDE_SRC, ZC_STATUS_REFUSED, "open", -EACCES,
		                 "not following a stranger's symlink in a sticky directory", NULL);
	}
	fd = openat(AT_FDCWD, path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	if (fd < 0) {
		return item_fail(item, ZC_SIDE_SRC, 0, "open", -errno, "cannot open", NULL);
	}
	if (fstat(fd, &item->src_st) < 0) {
		res = -errno;
		close(fd);
		return item_fail(item, ZC_SIDE_SRC, 0, "fstat", res, "cannot stat", NULL);
	}
	if (S_ISDIR(item->src_st.st_mode)) {
		close(fd);
		return source_omit_directory(item);
	}
	res = source_settle(item, fd);
	if (res == 0) {
		res = zc_end_from_fd(&item->src, fd, ZC_DIR_SRC, true);
	}
	if (res < 0) {
		close(fd);
		return item_fail(item, ZC_SIDE_SRC, 0, "open", res, "cannot open", NULL);
	}
	return 0;
}

static int source_open_fd(struct item *item)
{
	int res = fstat(item->src_uri.fd, &item->src_st) < 0 ? -errno : 0;

	if (res == 0) {
		res = zc_end_from_fd(&item->src, item->src_uri.fd, ZC_DIR_SRC, false);
	}
	return res < 0 ? item_fail(item, ZC_SIDE_SRC, 0, "fstat", res, "cannot read", NULL) : 0;
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
