/*
 * sink.c: opens what is to be written, and makes the result appear.
 *
 * A new name and a replaced file go through commit.c. Devices, FIFOs, descriptors and --inplace are
 * written where they are. What cannot be replaced whole (its directory is not writable, its owner cannot
 * be restored, it is a mount point or immutable) is refused with the hint --inplace, never silently done.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "check.h"
#include "item.h"
#include "meta.h"
#include "peer.h"
#include "rescue.h"
#include "resume.h"

#define PIECE_BYTES     (16u << 20)
#define DROP_STEP_BYTES (8 * ZC_MIB)
#define SYNC_STEP_BYTES (32 * ZC_MIB)
#define HINT_INPLACE    "--inplace would write into the existing file itself"

/* Of /proc and /sys: no file can be made there, but those that are written to take a value. */
static bool sink_is_knob(const struct item *item, int code)
{
	return code == -ENOENT && S_ISREG(item->target.st.st_mode) && (item->target.st.st_mode & 0222) != 0;
}

static int sink_fail(struct item *item, const char *op, int code, const char *what)
{
	const char *hint = NULL;

	if (item->replacing && !item->in_place &&
	    (code == -EACCES || code == -EPERM || code == -EBUSY || code == -EXDEV ||
	     sink_is_knob(item, code))) {
		hint = HINT_INPLACE;
	}
	return item_fail(item, ZC_SIDE_DST, 0, op, code, what, hint);
}

/* ---- whole or not at all */

/* The file to be replaced, for its attributes: also where we may write but not read it. */
static int sink_open_old(struct item *item)
{
	const int flags = O_NOFOLLOW | O_CLOEXEC;
	struct stat st;

	item->old_fd =
	    openat(item->target.dir_fd, item->target.name, flags | O_RDONLY | O_NONBLOCK | O_NOCTTY);
	if (item->old_fd < 0 && errno == EACCES) {
		item->old_fd = openat(item->target.dir_fd, item->target.name, flags | O_PATH);
	}
	if (item->old_fd < 0 || fstat(item->old_fd, &st) < 0) {
		return -errno;
	}
	if (st.st_dev == item->target.st.st_dev && st.st_ino == item->target.st.st_ino) {
		return 0;
	}
	/* Another run was quicker: its file is what is replaced, and whose attributes are kept. Of anything
	 * else that stands there now nothing is taken over. */
	if (!S_ISREG(item->target.st.st_mode) || !S_ISREG(st.st_mode) ||
	    st.st_dev != item->target.st.st_dev ||
	    (st.st_dev == item->src_st.st_dev && st.st_ino == item->src_st.st_ino)) {
		return -ESTALE;
	}
	item->target.st = st;
	return 0;
}

/* It is replaced, and its owner, mode and attributes live on in the new one. */
static bool sink_keeps(const struct item *item)
{
	/* with --remove-destination, and when it stays as a backup, cp makes a new file as well */
	return item->replacing && !item->as_new && !item->cfg->remove_dest &&
	       item->cfg->backup == ZC_BACKUP_NONE;
}

/* What can be known before a byte is copied: the old file is immutable, or a mount point of its own. */
static int sink_check_replaceable(struct item *item)
{
	int res = sink_open_old(item);
	unsigned flags = 0;
	struct statx stx;

	if (res < 0 && sink_keeps(item)) {
		return sink_fail(item, "openat", res, "cannot look at the file to be replaced");
	}
	if (ioctl(item->old_fd, FS_IOC_GETFLAGS, &flags) == 0 && (flags & (FS_IMMUTABLE_FL | FS_APPEND_FL))) {
		return sink_fail(item, "ioctl FS_IOC_GETFLAGS", -EPERM,
		                 "cannot replace an immutable or append-only file");
	}
	if (statx(item->target.dir_fd, item->target.name, AT_SYMLINK_NOFOLLOW, 0, &stx) == 0 &&
	    (stx.stx_attributes & stx.stx_attributes_mask & STATX_ATTR_MOUNT_ROOT)) {
		return sink_fail(item, "rename", -EBUSY, "cannot replace a mount point");
	}
	return 0;
}

int sink_cannot_sync(struct item *item)
{
	return sink_fail(item, "open", -EACCES, "the directory cannot be synced, as --durability=full wants");
}

/* The new file, without a name or under a temporary one. */
static int sink_make(struct item *item)
{
	const char *op = "";
	bool plain = item->src_uri.kind != ZC_END_PATH || (item->cfg->preserve & ZC_PRESERVE_NOT_MODE);
	mode_t mode = plain ? 0666 : item->src_st.st_mode;
	int res = resume_begin(item, mode);

	if (res < 0) {
		return res;
	}
	if (res != RESUME_BEGUN) {
		res = commit_begin(&item->commit, &item->target, mode, item->cfg->umask,
		                   &item->report->fallbacks, &op);
	}
	if (res < 0) {
		return sink_fail(item, op, res,
		                 item->replacing ? "cannot create a new file beside it" : "cannot create");
	}
	item->committing = true;
	if (sink_keeps(item) && !(item->cfg->preserve & ZC_PRESERVE_OWNER)) {
		res = meta_keep_owner(item->commit.fd, &item->target.st);
		if (res < 0) {
			return sink_fail(item, "fchown", res,
			                 "cannot keep the owner of the file to be replaced");
		}
	}
	/* the descriptor stays commit's: dst is not closed as an end */
	res = zc_end_from_fd(&item->dst, item->commit.fd, ZC_DIR_DST, true);
	if (res < 0) {
		return sink_fail(item, "fstat", res, "cannot create");
	}
	item->dst.shape.caps |= ZC_CAP_FRESH;
	return 0;
}

static int sink_begin(struct item *item)
{
	int res = 0;

	if (item->durability == ZC_DURABILITY_FULL && item->target.dir_searchable_only) {
		return sink_cannot_sync(item);
	}
	if (item->replacing) {
		res = sink_check_replaceable(item);
	}
	return res < 0 ? res : sink_make(item);
}

int sink_anew(struct item *item)
{
	if (!item->committing) {
		return 0;
	}
	resume_abandon(item);
	(void)commit_end(&item->commit);
	return sink_make(item);
}

/* ---- in place */

static int sink_check_device(struct item *item)
{
	uint64_t size = item->dst.shape.size_bytes;
	uint64_t need = item->src.shape.size_bytes;

	if (need != ZC_SIZE_UNKNOWN && need > size) {
		return item_fail(item, ZC_SIDE_DST, ZC_STATUS_NO_SPACE, "open", -ENOSPC,
		                 "the device is smaller than the source; nothing was written", NULL);
	}
	return 0;
}

/* Opens what was looked at and nothing that has taken its place since. A block device is opened
 * exclusively: the kernel then refuses one that is mounted or otherwise in use. A FIFO waits for its reader.
 */
static int sink_open_bound(const struct item *item)
{
	const struct target *target = &item->target;
	bool excl = S_ISBLK(target->st.st_mode) && !item->cfg->allow_mounted;
	bool waits = S_ISFIFO(target->st.st_mode);
	int fd = openat(target->dir_fd, target->name,
	                O_WRONLY | O_CLOEXEC | O_NOCTTY | (excl ? O_EXCL : 0) | (waits ? 0 : O_NONBLOCK) |
	                    (target->magic ? 0 : O_NOFOLLOW));
	struct stat st;
	int flags;

	if (fd < 0) {
		return errno == EINTR && zc_stopped() ? -ECANCELED : -errno;
	}
	flags = fcntl(fd, F_GETFL);
	if (flags < 0 || fstat(fd, &st) < 0 || (!waits && fcntl(fd, F_SETFL, flags & ~O_NONBLOCK) < 0)) {
		int res = -errno;

		close(fd);
		return res;
	}
	if (st.st_dev != target->st.st_dev || st.st_ino != target->st.st_ino ||
	    (st.st_mode & S_IFMT) != (target->st.st_mode & S_IFMT)) {
		close(fd);
		return -ESTALE;
	}
	return fd;
}

/* A file of /proc may be a regular one and yet have no positions: bytes are written one after the other. */
static int sink_end_existing(struct item *item, int fd)
{
	int res = zc_end_from_fd(&item->dst, fd, ZC_DIR_DST, true);

	if (res == 0 && S_ISREG(item->target.st.st_mode) && item->target.st.st_size == 0 &&
	    pwrite(fd, "", 0, 0) < 0 && errno == ESPIPE) {
		item->dst.ops = &zc_end_stream;
		item->dst.shape.caps &= ~(unsigned)(ZC_CAP_SEEK | ZC_CAP_HOLES);
	}
	return res;
}

/* Another user of the device holds it; who that is may be seen in /proc and /sys. */
static int sink_fail_busy(struct item *item, dev_t dev)
{
	char user[ZC_BLOCK_USER_BYTES];
	char what[sizeof(user) + 64];

	(void)zc_block_is_used(user, dev);
	snprintf(what, sizeof(what), "is %s; not written", user);
	return item_fail(item, ZC_SIDE_DST, ZC_STATUS_REFUSED, "open", -EBUSY, what,
	                 item->cfg->allow_mounted ? NULL : "--allow-mounted writes all the same");
}

static int sink_open_existing(struct item *item)
{
	bool block = S_ISBLK(item->target.st.st_mode);
	int fd = sink_open_bound(item);
	int res;

	if (fd == -EACCES && item->cfg->force && item->replacing) {
		return sink_begin(item); /* cp -f: what cannot be opened is replaced */
	}
	if (fd == -ESTALE) {
		return item_fail(item, ZC_SIDE_DST, ZC_STATUS_REFUSED, "open", 0,
		                 "was replaced by something else meanwhile; not written", NULL);
	}
	if (fd == -EBUSY && block) {
		return sink_fail_busy(item, item->target.st.st_rdev);
	}
	if (fd < 0) {
		return item_fail(item, ZC_SIDE_DST, 0, "open", fd, "cannot open for writing", NULL);
	}
	res = sink_end_existing(item, fd);
	if (res < 0) {
		close(fd);
		return item_fail(item, ZC_SIDE_DST, 0, "open", res, "cannot open for writing", NULL);
	}
	item->in_place = true;
	return block ? sink_check_device(item) : 0;
}

/* An inherited device opened once more: exclusively, as by its name, and with flags of our own: a device that
 * is open for appending is written from its position on all the same. Who may not open it uses it as it is,
 * if nobody else does. 0, or refused and said. */
static int sink_claim_fd(struct item *item)
{
	uint64_t base = item->dst.shape.base_bytes;
	struct zc_end own;
	char user[ZC_BLOCK_USER_BYTES];
	char path[40];
	int fd;

	snprintf(path, sizeof(path), "/proc/self/fd/%d", item->dst_uri.fd);
	fd = openat(AT_FDCWD, path, O_WRONLY | O_CLOEXEC | (item->cfg->allow_mounted ? 0 : O_EXCL));
	if (fd < 0) {
		bool busy = errno == EBUSY ||
		            (!item->cfg->allow_mounted && zc_block_is_used(user, item->dst.shape.dev));

		return busy ? sink_fail_busy(item, item->dst.shape.dev) : 0;
	}
	if (zc_end_from_fd(&own, fd, ZC_DIR_DST, true) < 0) {
		close(fd);
		return 0;
	}
	own.shape.base_bytes = base;
	own.shape.size_bytes -= base;
	item->dst = own;
	return 0;
}

static int sink_open_fd(struct item *item)
{
	int res = zc_end_from_fd(&item->dst, item->dst_uri.fd, ZC_DIR_DST, false);

	item->in_place = true;
	if (res < 0) {
		return item_fail(item, ZC_SIDE_DST, 0, "fstat", res, "cannot write", NULL);
	}
	if (!(item->dst.shape.caps & ZC_CAP_BLOCK)) {
		return 0;
	}
	res = item->report->gnu ? 0 : sink_claim_fd(item);
	return res < 0 ? res : sink_check_device(item);
}

/* What an earlier run that was killed may have left: written in place, nobody else would meet its name. */
static void sink_sweep(struct item *item)
{
	char temp[64];

	if (item->cfg->inplace && !item->report->gnu) {
		commit_temp_name(temp, item->target.name, 0);
		(void)commit_reclaim(&item->target, temp);
	}
}

static int sink_open_regular(struct item *item)
{
	item->replacing = item->target.exists;
	if (item->durability == ZC_DURABILITY_AUTO) {
		item->durability = item->replacing ? ZC_DURABILITY_DATA : ZC_DURABILITY_NONE;
	}
	if (item->replacing && S_ISREG(item->target.st.st_mode) && unread_find(item)) {
		return sink_open_existing(item); /* an earlier run's: only what is missing in it */
	}
	/* in place nothing but a file: in a tree a device or FIFO of that name is not what was meant */
	if (item->replacing && S_ISREG(item->target.st.st_mode) &&
	    (item->cfg->inplace || item->cfg->attributes_only)) {
		sink_sweep(item);
		return sink_open_existing(item);
	}
	return sink_begin(item);
}

static int sink_open_any(struct item *item)
{
	if (item->dst_uri.kind == ZC_END_FD) {
		return sink_open_fd(item);
	}
	if (peer_is(&item->dst_uri)) {
		return peer_open(item, ZC_DIR_DST);
	}
	if (item->dst_uri.kind != ZC_END_PATH) {
		zc_end_from_synth(&item->dst, &item->dst_uri, ZC_DIR_DST);
		return 0;
	}
	/* in a tree nothing is written through or into but files: what else has the name is replaced */
	if (item->target.exists && !item->target.magic && !S_ISREG(item->target.st.st_mode) &&
	    (item->node != NULL || S_ISLNK(item->target.st.st_mode))) {
		item->as_new = true;
		return sink_open_regular(item);
	}
	/* another process's descriptor (/proc/PID/fd/N) may be a file without a name to replace */
	if (item->target.exists && (item->target.magic || !S_ISREG(item->target.st.st_mode))) {
		(void)unread_find(item);
		return sink_open_existing(item);
	}
	return sink_open_regular(item);
}

/* ---- as cp: what exists is written into, what does not is created under its name */

/* A dangling symlink is only written through as POSIX wants it, which cannot be done safely. */
static int sink_open_new_gnu(struct item *item, mode_t mode)
{
	const int flags = O_WRONLY | O_CREAT | O_CLOEXEC | O_NOCTTY;
	const struct target *target = &item->target;
	char byte;
	int fd;

	if (item->aim_code != 0) {
		return item->aim_code;
	}
	fd = openat(target->dir_fd, target->name, flags | O_EXCL, mode);
	if (fd >= 0) {
		return fd;
	}
	if (errno != EEXIST || readlinkat(target->dir_fd, target->name, &byte, 1) < 0) {
		return errno == EINVAL ? -EEXIST : -errno; /* EINVAL: it is no symlink */
	}
	if (getenv("POSIXLY_CORRECT") == NULL) {
		return -ELOOP;
	}
	fd = openat(target->dir_fd, target->name, flags, mode);
	return fd < 0 ? -errno : fd;
}

static int sink_create_gnu(struct item *item)
{
	bool narrow = item->cfg->preserve & (ZC_PRESERVE_OWNER | ZC_PRESERVE_MODE);
	mode_t mode = item->cfg->preserve & ZC_PRESERVE_NOT_MODE ? 0666 : item->src_st.st_mode & 0777;
	int fd = sink_open_new_gnu(item, narrow ? mode & 0700 : mode);
	int res = fd < 0 ? fd : zc_end_from_fd(&item->dst, fd, ZC_DIR_DST, true);

	if (fd == -ELOOP) {
		return sink_fail(item, "openat", 0, "not writing through a dangling symlink");
	}
	if (res < 0) {
		if (fd >= 0) {
			close(fd);
		}
		return sink_fail(item, "openat", res, "cannot create");
	}
	item->dst.shape.caps |= ZC_CAP_FRESH;
	item->in_place = true;
	item->widen_mode = narrow && !(item->cfg->preserve & ZC_PRESERVE_MODE) ? mode & ~item->cfg->umask : 0;
	return 0;
}

static int sink_open_gnu(struct item *item)
{
	const struct target *target = &item->target;
	int fd;
	int res;

	if (item->dst_uri.kind == ZC_END_FD) {
		return sink_open_fd(item);
	}
	item->durability = ZC_DURABILITY_NONE;
	if (!target->exists) {
		return sink_create_gnu(item);
	}
	fd = sink_open_bound(item);
	if (fd < 0 && fd != -ECANCELED && fd != -EBUSY && item->cfg->force) {
		res = gnu_remove(item);
		return res < 0 ? res : sink_create_gnu(item);
	}
	res = fd < 0 ? fd : sink_end_existing(item, fd);
	if (res == 0 && S_ISREG(target->st.st_mode) && !item->cfg->attributes_only && ftruncate(fd, 0) < 0) {
		res = -errno;
	}
	if (res < 0) {
		if (fd >= 0 && item->dst.ops == NULL) {
			close(fd);
		}
		return sink_fail(item, "open", res, "cannot open for writing");
	}
	if (S_ISREG(target->st.st_mode)) {
		item->dst.shape.caps |= ZC_CAP_FRESH;
	}
	item->in_place = true;
	return 0;
}

const char *sink_durability_word(enum zc_durability durability)
{
	return durability == ZC_DURABILITY_FULL ? "full" : durability == ZC_DURABILITY_DATA ? "data" : "none";
}

const char *sink_durability_name(const struct item *item)
{
	bool flushed = item->durability == ZC_DURABILITY_AUTO && (item->dst.shape.caps & ZC_CAP_BLOCK);

	return sink_durability_word(flushed ? ZC_DURABILITY_DATA : item->durability);
}

static void sink_explain(const struct item *item)
{
	const char *how = "written where it is: an end without a name to replace";

	if (item->committing && item->replacing) {
		how = item->commit.temp[0] == '\0'
		          ? "O_TMPFILE, named and renamed over the old file when complete"
		          : "a locked temporary, renamed over the old file when complete";
	} else if (item->committing) {
		how = item->commit.temp[0] == '\0' ? "O_TMPFILE, given its name when complete"
		                                   : "a locked temporary, renamed when complete";
	} else if (item->dst.shape.caps & ZC_CAP_REG) {
		how = "in place: an interruption leaves it half-written";
	}
	report_say(item->report, ZC_MSG_EXPLAIN, "commit: %s; durability %s", how,
	           sink_durability_name(item));
}

int sink_open(struct item *item)
{
	int res;

	item->durability = item->cfg->durability;
	item_name_heir(item);
	res = item->report->gnu ? sink_open_gnu(item) : sink_open_any(item);
	if (res == 0 && item->cfg->explain) {
		sink_explain(item);
	}
	return res;
}

/* ---- all bytes are there */

/* The source's, by -p and its kin. A failure is said and counts, but the copy is good otherwise: it gets
 * its name, as with cp. */
static void sink_preserve(struct item *item)
{
	struct attr_at src = { .fd = item->src.shape.fd };
	struct attr_at dst = { .fd = item->dst.shape.fd };
	struct meta_wish wish = item_meta_wish(item);
	struct meta_result result = { 0 };

	if (wish.preserve == 0 || (item->src.shape.caps & ZC_CAP_SYNTH) ||
	    !(item->dst.shape.caps & ZC_CAP_REG)) {
		return;
	}
	if (item->widen_mode != 0) { /* created for its owner alone, who is known only now */
		wish.set_mode = true;
		wish.mode = item->widen_mode;
	}
	meta_copy(&src, &item->src_st, &dst, NULL, &wish, &result);
	(void)item_meta_result(item, &result);
}

/* --resume takes a name of the right size that is younger than the source for whole: what changed while it
 * was read is made older, so that the next run copies it again. */
static void sink_age(const struct item *item)
{
	const struct timespec times[2] = { { .tv_nsec = UTIME_OMIT },
		                           { .tv_sec = item->src_st.st_mtim.tv_sec - 1 } };

	if (item->changed && item->cfg->resume && !(item->cfg->preserve & ZC_PRESERVE_TIMES) &&
	    (item->dst.shape.caps & ZC_CAP_REG)) {
		(void)futimens(item->dst.shape.fd, times);
	}
}

static int sink_attributes(struct item *item)
{
	unsigned preserve = item->src.shape.caps & ZC_CAP_SYNTH ? 0 : item->cfg->preserve;
	const char *op = "";
	int fd = item->dst.shape.fd;
	int res = 0;

	if (item->committing && sink_keeps(item) && !(preserve & ZC_PRESERVE_MODE)) {
		res = meta_keep_rest(fd, item->old_fd, &item->target.st, &op);
	} else if (item->committing && item->commit.private_mode) {
		op = "fchmod";
		res = fchmod(fd, item->commit.final_mode) < 0 ? -errno : 0;
	}
	if (res < 0) {
		return sink_fail(item, op, res, "cannot keep its attributes");
	}
	sink_preserve(item);
	sink_age(item);
	return 0;
}

static bool sink_wants_sync(const struct item *item)
{
	unsigned caps = item->dst.shape.caps;
	/* a map speaks of what is durable */
	bool wanted = (item->rescue != NULL && (item->rescue->going_on || item->rescue->bad.count > 0)) ||
	              item->durability == ZC_DURABILITY_DATA || item->durability == ZC_DURABILITY_FULL ||
	              (item->durability == ZC_DURABILITY_AUTO && (caps & ZC_CAP_BLOCK));

	return wanted && (caps & (ZC_CAP_REG | ZC_CAP_BLOCK));
}

bool sink_may_wait(const struct item *item)
{
	return item->committing && sink_wants_sync(item) && item->rescue == NULL && item->journal == NULL &&
	       item->total_bytes <= PIECE_BYTES;
}

/* A sync cannot be interrupted, and of a large file it may take long: most of it is written before, piece by
 * piece, one ahead of the one that is waited for. What the kernel tells here it does not tell again. */
static int sink_write_out(const struct item *item)
{
	const unsigned wait =
	    SYNC_FILE_RANGE_WAIT_BEFORE | SYNC_FILE_RANGE_WRITE | SYNC_FILE_RANGE_WAIT_AFTER;
	int fd = item->dst.shape.fd;

	for (uint64_t at = 0; at + PIECE_BYTES < item->total_bytes; at += PIECE_BYTES) {
		if (zc_stopped()) {
			return -ECANCELED;
		}
		(void)sync_file_range(fd, (off_t)(at + PIECE_BYTES), PIECE_BYTES, SYNC_FILE_RANGE_WRITE);
		if (sync_file_range(fd, (off_t)at, PIECE_BYTES, wait) < 0) {
			return commit_is_refusal(errno) ? 0 : -errno;
		}
	}
	return 0;
}

/* A device has its bytes, or nobody knows which. */
static void sink_say_unflushed(const struct item *item)
{
	char quoted[1200];

	if ((item->dst.shape.caps & ZC_CAP_BLOCK) && !item->report->gnu) {
		report_say(item->report, ZC_MSG_ERROR,
		           "%s: all bytes were written, but which of them have reached it is unknown",
		           zc_quote(quoted, sizeof(quoted), item->dst_text));
	}
}

uint64_t sink_behind_step(const struct item *item)
{
	uint64_t size = item->src.shape.size_bytes;

	if (!(item->dst.shape.caps & ZC_CAP_REG) || item->dst.direct || item->journal != NULL ||
	    size == ZC_SIZE_UNKNOWN) {
		return 0;
	}
	if (item->cfg->cache == ZC_CACHE_DROP) {
		return size >= 2 * DROP_STEP_BYTES ? DROP_STEP_BYTES : 0;
	}
	return size >= 2 * SYNC_STEP_BYTES && sink_wants_sync(item) ? SYNC_STEP_BYTES : 0;
}

/* Waits for what is on its way to the medium, and has it leave the cache on both sides. */
static int sink_drop_written(struct item *item, uint64_t from, uint64_t len)
{
	const unsigned wait =
	    SYNC_FILE_RANGE_WAIT_BEFORE | SYNC_FILE_RANGE_WRITE | SYNC_FILE_RANGE_WAIT_AFTER;

	if (sync_file_range(item->dst.shape.fd, (off_t)from, (off_t)len, wait) < 0) {
		return commit_is_refusal(errno)
		           ? 0
		           : sink_fail(item, "sync_file_range", -errno, "cannot be written back");
	}
	(void)posix_fadvise(item->dst.shape.fd, (off_t)from, (off_t)len, POSIX_FADV_DONTNEED);
	if (item->src.shape.caps & ZC_CAP_REG) {
		(void)posix_fadvise(item->src.shape.fd, (off_t)(item->src.shape.base_bytes + from),
		                    (off_t)len, POSIX_FADV_DONTNEED);
	}
	return 0;
}

int sink_write_behind(struct item *item, struct behind *behind, uint64_t at_bytes)
{
	uint64_t from = behind->started_bytes;
	int res = 0;

	if (at_bytes - from < sink_behind_step(item)) {
		return 0;
	}
	(void)sync_file_range(item->dst.shape.fd, (off_t)from, (off_t)(at_bytes - from),
	                      SYNC_FILE_RANGE_WRITE);
	if (item->cfg->cache == ZC_CACHE_DROP && from > behind->dropped_bytes) {
		res = sink_drop_written(item, behind->dropped_bytes, from - behind->dropped_bytes);
		behind->dropped_bytes = from;
	}
	behind->started_bytes = at_bytes;
	return res;
}

/* Errors of fdatasync are final: after one the kernel has forgotten which pages were lost. */
int sink_sync(struct item *item)
{
	uint64_t known = item->resumed_bytes + item->durable_bytes;
	uint64_t from = zc_now_ns();
	int res;

	if (!sink_wants_sync(item)) {
		return 0;
	}
	res = sink_write_out(item);
	if (res == 0) {
		res = item->durability == ZC_DURABILITY_FULL ? fsync(item->dst.shape.fd)
		                                             : fdatasync(item->dst.shape.fd);
		res = res < 0 ? -errno : 0;
	}
	item->report->ns.durable += zc_now_ns() - from;
	if (res < 0) {
		sink_say_unflushed(item);
		return sink_fail(item, "fdatasync", res, "cannot be made durable");
	}
	atomic_fetch_add_explicit(&item->progress->durable,
	                          item->total_bytes - zc_min_u64(item->total_bytes, known),
	                          memory_order_relaxed);
	return 0;
}

/* Written pages leave the cache only when clean. That they leave is advice; that they cannot be written is
 * not. */
static int sink_drop_cache(struct item *item)
{
	const unsigned wait =
	    SYNC_FILE_RANGE_WAIT_BEFORE | SYNC_FILE_RANGE_WRITE | SYNC_FILE_RANGE_WAIT_AFTER;

	if (item->cfg->cache != ZC_CACHE_DROP) {
		return 0;
	}
	if (item->dst.shape.caps & ZC_CAP_REG) {
		if (sync_file_range(item->dst.shape.fd, 0, 0, wait) == 0) {
			(void)posix_fadvise(item->dst.shape.fd, 0, 0, POSIX_FADV_DONTNEED);
		} else if (!commit_is_refusal(errno)) {
			return sink_fail(item, "sync_file_range", -errno, "cannot be written back");
		}
	}
	if (item->src.shape.caps & ZC_CAP_REG) {
		(void)posix_fadvise(item->src.shape.fd, 0, 0, POSIX_FADV_DONTNEED);
	}
	return 0;
}

/* Closing any descriptor of a file makes NFS, CIFS and FUSE say what they had put off (EIO, ENOSPC): asked
 * while the old file is still there. */
static int sink_flush(struct item *item)
{
	int fd = fcntl(item->dst.shape.fd, F_DUPFD_CLOEXEC, 3);

	if (fd < 0) {
		return 0; /* no descriptor left: the last close has to do */
	}
	return close(fd) < 0 && errno != EINTR ? sink_fail(item, "close", -errno, "cannot write") : 0;
}

static int sink_rename(struct item *item)
{
	const char *op = "";
	bool keep =
	    item->cfg->update == ZC_UPDATE_NONE || item->cfg->update == ZC_UPDATE_NONE_FAIL || item->new_name;
	uint64_t from = zc_now_ns();
	int res = backup_item(item);

	if (res < 0) {
		return res;
	}
	res = commit_publish(&item->commit, keep, &op);

	if (res == -EEXIST && item->cfg->update == ZC_UPDATE_NONE) {
		item->report->items.skipped++; /* somebody else made it meanwhile */
		return ITEM_SKIP;
	}
	if (res < 0) {
		return sink_fail(item, op, res, "cannot be given its name");
	}
	if (item->replacing && item->target.st.st_nlink > 1) {
		item->report->hardlinks_cut++;
	}
	if (item->durability == ZC_DURABILITY_FULL && !item->may_wait) {
		res = commit_sync_dir(&item->commit);
		item->report->ns.durable += zc_now_ns() - from;
		if (res < 0) {
			return sink_fail(item, "fsync", res,
			                 "is complete, but its directory cannot be synced");
		}
	}
	return 0;
}

int sink_complete(struct item *item)
{
	int res = item->dst.shape.caps & ZC_CAP_PEER ? peer_finish(item) : check_stored(item);

	return res == 0 ? sink_attributes(item) : res;
}

int sink_name(struct item *item)
{
	int res = sink_drop_cache(item);

	if (res == 0 && item->committing) { /* in place there is nothing to keep back */
		res = sink_flush(item);
	}
	if (res == 0) {
		unread_keep(item);
	}
	if (res == 0 && item->committing) {
		res = sink_rename(item);
		if (res != 0) {
			unread_drop(item);
		} else {
			unread_named(item);
		}
	}
	if (res == 0) {
		/* NFS, FUSE and quotas may speak up only now */
		res = item->committing ? commit_end(&item->commit) : zc_end_close(&item->dst);
		if (res < 0) {
			return sink_fail(item, "close", res, "closing it failed: its bytes may be lost");
		}
	}
	return res;
}

void sink_close(struct item *item)
{
	if (item->committing) {
		(void)commit_end(&item->commit);
	} else {
		(void)zc_end_close(&item->dst);
	}
	if (item->old_fd >= 0) {
		close(item->old_fd);
		item->old_fd = -1;
	}
}
