/*
 * small.c: a file of at most SMALL_BYTES to a new name in a directory that this run has made.
 *
 *   fstat was done, read, [flistxattr], fstat | openat O_TMPFILE, write, utimensat, linkat | close twice
 *
 * What is known is not asked: the owner that a new file gets is its directory's, made by us; its mode is
 * the asked one less the umask as long as the directory has no default ACL. Anything out of the ordinary
 * (sparse, changed while read, O_TMPFILE refused, a name taken meanwhile) goes the long way.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/uio.h>
#include <unistd.h>

#include "group.h"
#include "tree.h"

static int small_fail(struct worker *worker, struct node *node, const char *name, enum zc_side side,
                      const char *op, int code, const char *what)
{
	return entry_fail(worker, node, name, side, 0, op, code, what);
}

/* What is in the page cache, without waiting for more. That it is not all is noted: the disk is read, and the
 * files that come next are asked for beforehand. Bytes; an error is for the plain read to find. */
static size_t small_read_cached(struct worker *worker, int fd, size_t size)
{
	struct iovec iov = { .iov_base = worker->small, .iov_len = SMALL_BYTES + 1 };
	ssize_t len;

	if (worker->no_nowait || size == 0) {
		return 0;
	}
	len = preadv2(fd, &iov, 1, 0, RWF_NOWAIT);
	if (len < 0 && errno != EAGAIN) {
		worker->no_nowait = true;
	} else if (len < (ssize_t)size) {
		worker->ahead_left = AHEAD_KEEP;
	}
	return len < 0 ? 0 : (size_t)len;
}

/* All of it, and no more than a byte beyond what it may have. */
static ssize_t small_read(struct worker *worker, int fd, size_t size)
{
	size_t have = small_read_cached(worker, fd, size);

	if (have == size && size > 0) {
		return (ssize_t)have;
	}
	while (have <= SMALL_BYTES) {
		ssize_t len = pread(fd, worker->small + have, SMALL_BYTES + 1 - have, (off_t)have);

		if (len < 0 && errno == EINTR && !zc_stopped()) {
			continue;
		}
		if (len < 0) {
			return -errno;
		}
		have += (size_t)len;
		if (len == 0 || have < SMALL_BYTES) { /* less than was asked for: the end, for a file */
			break;
		}
	}
	return (ssize_t)have;
}

static int small_write(struct worker *worker, int fd, size_t len)
{
	for (size_t at = 0; at < len;) {
		ssize_t done = write(fd, worker->small + at, len - at);

		if (done < 0 && errno == EINTR && !zc_stopped()) {
			continue;
		}
		if (done <= 0) {
			return done < 0 ? -errno : -EIO;
		}
		at += (size_t)done;
	}
	return 0;
}

static bool small_same(const struct stat *a, const struct stat *b)
{
	return a->st_size == b->st_size && a->st_mtim.tv_sec == b->st_mtim.tv_sec &&
	       a->st_mtim.tv_nsec == b->st_mtim.tv_nsec;
}

static int small_create(struct worker *worker, struct node *node, const struct open_dir *dir,
                        const char *name, const struct stat *st, struct meta_given *ret_given)
{
	const struct zc_job_cfg *cfg = worker->tree->cfg;
	mode_t mode = cfg->preserve & ZC_PRESERVE_NOT_MODE ? 0666 : st->st_mode & 0777;
	int fd;

	if (cfg->gnu_cp) {
		/* visible at once: nobody else gets more than they may before the owner is right */
		if ((cfg->preserve & ZC_PRESERVE_OWNER) && st->st_uid != node->birth.uid) {
			mode &= 0700;
		}
		fd = openat(dir->dst_fd, name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, mode);
	} else {
		fd = openat(dir->dst_fd, ".", O_TMPFILE | O_WRONLY | O_CLOEXEC, mode);
	}
	if (fd < 0) {
		return -errno;
	}
	*ret_given = node->birth;
	ret_given->mode = mode & ~cfg->umask;
	return fd;
}

static int small_attributes(struct worker *worker, struct node *node, const char *name, int src_fd,
                            const struct stat *st, int fd, const struct meta_given *given)
{
	struct tree *tree = worker->tree;
	struct attr_at src = { .fd = src_fd };
	struct attr_at dst = { .fd = fd };
	struct meta_wish wish = tree_meta_wish(tree, st);
	struct meta_result result = { 0 };

	if (wish.preserve == 0) {
		return 0;
	}
	meta_copy(&src, st, &dst, given->has_acl ? NULL : given, &wish, &result);
	if (result.src_no_xattrs) {
		atomic_store_explicit(&tree->no_xattrs_dev, st->st_dev, memory_order_relaxed);
	}
	return result.count == 0 ? 0 : entry_meta_result(worker, node, name, &result);
}

static void small_count(struct worker *worker, size_t len, bool cloned)
{
	struct zc_report *report = &worker->report;
	enum zc_route_kind route = cloned ? ZC_ROUTE_REFLINK : ZC_ROUTE_BUFFER;
	struct zc_progress *progress = worker->tree->progress;

	report->durability =
	    sink_durability_word(worker->tree->durable ? worker->tree->cfg->durability : ZC_DURABILITY_NONE);
	report->items.files++;
	report->bytes.logical += len;
	report->bytes.data += len;
	report->routes[route].bytes += len;
	report->routes[route].files += len > 0;
	atomic_fetch_add_explicit(&progress->read, len, memory_order_relaxed);
	atomic_fetch_add_explicit(&progress->written, len, memory_order_relaxed);
}

/* The same blocks, where the file system can share them. 0 done, -EOPNOTSUPP not here, SMALL_NOT_ME: it can,
 * but failed this time, which is for the long way to try again and to judge. */
static int small_clone(struct tree *tree, int src_fd, int fd, const struct stat *st)
{
	if (st->st_size == 0 || tree->cfg->reflink == ZC_WHEN_NEVER ||
	    atomic_load_explicit(&tree->no_reflink, memory_order_relaxed)) {
		return -EOPNOTSUPP;
	}
	if (ioctl(fd, FICLONE, src_fd) == 0) {
		return 0;
	}
	if (errno != EOPNOTSUPP && errno != ENOTTY && errno != ENOSYS && errno != EXDEV && errno != EINVAL &&
	    errno != EPERM) {
		return SMALL_NOT_ME;
	}
	atomic_store_explicit(&tree->no_reflink, 1, memory_order_relaxed);
	return -EOPNOTSUPP;
}

static int small_fill(struct worker *worker, struct node *node, const char *name, int src_fd, int fd,
                      const struct stat *st, bool *ret_cloned, size_t *ret_len)
{
	ssize_t len = st->st_size;
	int res = small_clone(worker->tree, src_fd, fd, st);

	if (res == SMALL_NOT_ME) {
		return res;
	}
	*ret_cloned = res == 0;
	if (!*ret_cloned) {
		len = small_read(worker, src_fd, (size_t)st->st_size);
		if (len < 0) {
			return small_fail(worker, node, name, ZC_SIDE_SRC, "read", (int)len, "cannot read");
		}
		if (len != st->st_size) {
			return SMALL_NOT_ME;
		}
		res = small_write(worker, fd, (size_t)len);
	}
	*ret_len = (size_t)len;
	return res < 0 ? small_fail(worker, node, name, ZC_SIDE_DST, "write", res, "cannot write") : 0;
}

/* O_TMPFILE is not to be had here, or its room is gone: the long way tells which. */
static int small_refused(struct worker *worker, int code)
{
	if (code != -EEXIST && code != -EMFILE && code != -ENFILE && code != -ENOSPC && code != -EDQUOT) {
		atomic_store(&worker->tree->no_tmpfile, 1);
	}
	return SMALL_NOT_ME;
}

/* Gives it its name, and fd back. */
static int small_publish(struct worker *worker, struct node *node, const struct open_dir *dir,
                         const char *name, int fd)
{
	int res = worker->tree->cfg->gnu_cp ? 0 : commit_link_fd(fd, dir->dst_fd, name);

	if (res == -EEXIST) {
		return small_fail(worker, node, name, ZC_SIDE_DST, "linkat", res, "cannot create");
	}
	return res < 0 ? small_refused(worker, res) : 0;
}

static int small_close(struct worker *worker, struct node *node, const char *name, int fd, int res)
{
	return close(fd) < 0 && errno != EINTR && res == 0
	           ? small_fail(worker, node, name, ZC_SIDE_DST, "close", -errno,
	                        "closing it failed: its bytes may be lost")
	           : res;
}

int small_finish(struct worker *worker, struct node *node, const struct open_dir *dir, const char *name,
                 int fd, size_t len_bytes, bool cloned, int code)
{
	int res = code < 0
	              ? small_fail(worker, node, name, ZC_SIDE_DST, "sync", code, "cannot be made durable")
	              : commit_link_fd(fd, dir->dst_fd, name);

	if (code == 0 && res < 0) {
		res = small_fail(worker, node, name, ZC_SIDE_DST, "linkat", res, "cannot be given its name");
	}
	res = small_close(worker, node, name, fd, res);
	if (res == 0) {
		small_count(worker, len_bytes, cloned);
	}
	return res;
}

/* Its bytes are to be on the medium before it gets its name: in a group. Only the first can be refused for
 * want of a way to name it later. */
static int small_wait(struct worker *worker, struct node *node, const char *name, int fd, size_t len,
                      bool cloned)
{
	if (group_is_empty(worker->group) && !commit_can_link(fd)) {
		return small_refused(worker, -ENOENT);
	}
	return group_add_small(worker, node, name, fd, len, cloned) ? 0 : SMALL_NOT_ME;
}

int small_copy(struct worker *worker, struct node *node, const struct open_dir *dir, const char *name,
               int src_fd, const struct stat *st)
{
	bool gnu = worker->tree->cfg->gnu_cp;
	struct meta_given given = { 0 };
	struct stat now;
	bool cloned = false;
	size_t len = 0;
	int res;
	int fd = small_create(worker, node, dir, name, st, &given);

	if (fd < 0) {
		return small_refused(worker, fd);
	}
	res = small_fill(worker, node, name, src_fd, fd, st, &cloned, &len);
	/* cp does not look again, and has no status for what it would see */
	if (res == 0 && !gnu && (fstat(src_fd, &now) < 0 || !small_same(st, &now))) {
		res = SMALL_NOT_ME;
	}
	if (res == 0) {
		(void)small_attributes(worker, node, name, src_fd, st, fd, &given);
		if (worker->tree->durable) {
			res = small_wait(worker, node, name, fd, len, cloned);
			if (res == 0) {
				return 0;
			}
		} else {
			res = small_publish(worker, node, dir, name, fd);
		}
	}
	if (gnu && res == SMALL_NOT_ME) {
		(void)unlinkat(dir->dst_fd, name, 0); /* the long way creates it anew */
	}
	res = small_close(worker, node, name, fd, res);
	if (res == 0) {
		small_count(worker, len, cloned);
	}
	return res;
}
