/*
 * check.c: the digest of a file, twice: of the bytes as they were read, and of what the storage gives back.
 *
 * Reading back: fdatasync, then the pages leave the cache, then O_DIRECT reads, where each can be had; where
 * none can (tmpfs) the cache is the storage. It is done before attributes are set, since it would change the
 * time of the last access.
 */
#include "check.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "hash.h"
#include "manifest.h"
#include "rescue.h"
#include "tree.h"

#define READ_BYTES   (1024u * 1024)
#define DIRECT_ALIGN 4096u
/* From here on many reads at a time are worth their buffers. */
#define DEEP_BYTES_MIN (16 * ZC_MIB)
#define DEEP_READS     16

static bool check_can_read_back(const struct item *item)
{
	return item->dst_uri.kind == ZC_END_PATH && (item->dst.shape.caps & (ZC_CAP_REG | ZC_CAP_BLOCK));
}

/* The digest itself is wanted, of the only file. */
static bool check_is_alone(const struct zc_job_cfg *cfg)
{
	return cfg->hash != ZC_HASH_AUTO && !cfg->verify && cfg->manifest == NULL;
}

bool check_is_asked(const struct zc_job_cfg *cfg)
{
	return cfg->verify || cfg->manifest != NULL || check_is_alone(cfg);
}

static bool check_is_size_wrong(const struct item *item, uint64_t bytes)
{
	return item->cfg->expect_size && bytes != item->cfg->expect_bytes;
}

static int check_fail_size(struct item *item, uint64_t bytes)
{
	uint64_t expected = item->cfg->expect_bytes;
	char what[120];

	if (bytes > expected && item->src.shape.size_bytes == ZC_SIZE_UNKNOWN) {
		snprintf(what, sizeof(what), "has more than the expected %llu bytes",
		         (unsigned long long)expected);
	} else {
		snprintf(what, sizeof(what), "has %llu bytes, not %llu as expected",
		         (unsigned long long)bytes, (unsigned long long)expected);
	}
	return item_fail(item, ZC_SIDE_SRC, ZC_STATUS_MISMATCH, "expect-size", -EBADMSG, what, NULL);
}

int check_begin(struct item *item)
{
	const struct zc_job_cfg *cfg = item->cfg;
	uint64_t size = item->src.shape.size_bytes;
	int res;

	if (cfg->attributes_only) {
		return 0;
	}
	if (size != ZC_SIZE_UNKNOWN && check_is_size_wrong(item, size)) {
		return check_fail_size(item, size);
	}
	if (!cfg->verify && item->manifest == NULL && !check_is_alone(cfg)) {
		return 0;
	}
	if (!check_can_read_back(item) && !check_is_alone(cfg)) {
		return cfg->verify ? item_fail(item, ZC_SIDE_DST, ZC_STATUS_USAGE, "open", -EOPNOTSUPP,
		                               "cannot be read back, as --verify wants", NULL)
		                   : 0;
	}
	res = hash_new(&item->hash, cfg->hash);
	if (res < 0) {
		return item_fail(item, ZC_SIDE_NONE, 0, "malloc", res, "cannot be verified", NULL);
	}
	if (cfg->verify) {
		item->report->verify.algorithm = zc_hash_name(cfg->hash);
	}
	return 0;
}

void check_tap(void *arg, uint64_t off_bytes, const void *mem, size_t len_bytes)
{
	hash_at(arg, off_bytes, mem, len_bytes);
}

void check_end(struct item *item)
{
	hash_free(item->hash);
	item->hash = NULL;
}

/* ---- reading a whole file */

static int check_read(struct item *item, struct hash_source *source, uint64_t *ret_off)
{
	uint64_t cap = zc_min_u64(READ_BYTES, zc_align_up(source->len_bytes + 1, DIRECT_ALIGN));
	int res;

	source->cap_bytes = (size_t)cap;
	source->mem = aligned_alloc(DIRECT_ALIGN, (size_t)cap);
	res = source->mem == NULL ? -ENOMEM : hash_file(item->hash, source, ret_off);
	free(source->mem);
	return res;
}

/* The source's first len_bytes, which do not pass our buffers. */
static int check_source(struct item *item, uint64_t len_bytes)
{
	struct hash_source source = {
		.fd = item->src.shape.fd,
		.fd_plain = -1,
		.from_bytes = item->src.shape.base_bytes,
		.len_bytes = len_bytes,
	};
	uint64_t off = 0;
	int res;

	(void)zc_end_set_direct(&item->src, false);
	res = check_read(item, &source, &off);
	if (res == -ENODATA) {
		return item_fail(item, ZC_SIDE_SRC, ZC_STATUS_CHANGED, "pread", 0,
		                 "became shorter while it was verified", NULL);
	}
	if (res < 0) {
		return item_fail(item, ZC_SIDE_SRC, 0, "pread", res, "cannot read", NULL);
	}
	return 0;
}

int check_restart(struct item *item)
{
	if (item->hash == NULL) {
		return 0;
	}
	hash_reset(item->hash);
	return item->resumed_bytes > 0 ? check_source(item, item->resumed_bytes) : 0;
}

static int check_expected(struct item *item)
{
	const struct zc_job_cfg *cfg = item->cfg;
	char what[200];

	if (check_is_size_wrong(item, item->total_bytes)) {
		return check_fail_size(item, item->total_bytes);
	}
	if (cfg->expect_hash != NULL && strcasecmp(cfg->expect_hash, item->digest) != 0) {
		snprintf(what, sizeof(what), "has the %s %s, not %s as expected", zc_hash_name(cfg->hash),
		         item->digest, cfg->expect_hash);
		return item_fail(item, ZC_SIDE_SRC, ZC_STATUS_MISMATCH, "expect-hash", -EBADMSG, what, NULL);
	}
	return 0;
}

/* Blocks that are shared never passed our buffers: what the source has now, if that is what was shared. */
static int check_shared(struct item *item)
{
	struct stat now;
	int res = check_source(item, item->total_bytes);

	if (res == 0 && fstat(item->src.shape.fd, &now) == 0 && source_changed(item, &now)) {
		res = item_fail(item, ZC_SIDE_SRC, ZC_STATUS_CHANGED, "fstat", -EAGAIN,
		                "changed while it was verified", NULL);
	}
	return res;
}

int check_digest(struct item *item)
{
	int res = 0;

	if (item->hash == NULL) {
		return check_expected(item);
	}
	if (item->moved[ZC_ROUTE_REFLINK] > 0) {
		res = check_shared(item);
	}
	if (res < 0) {
		return res;
	}
	hash_end(item->hash, item->total_bytes, item->digest);
	if (check_is_alone(item->cfg)) {
		item->report->hash.algorithm = zc_hash_name(item->cfg->hash);
		snprintf(item->report->hash.digest, sizeof(item->report->hash.digest), "%s", item->digest);
	}
	return check_expected(item);
}

/* ---- reading back */

/* The same file once more, past the page cache: by the link of /proc, since it may have no name. */
static int check_reopen(int new_fd)
{
	static const int flags[] = { O_DIRECT | O_NOATIME, O_DIRECT, O_NOATIME, 0 };
	char path[40];

	snprintf(path, sizeof(path), "/proc/self/fd/%d", new_fd);
	for (unsigned i = 0; i < ZC_ARRAY_LEN(flags); i++) {
		int fd = openat(AT_FDCWD, path, O_RDONLY | O_CLOEXEC | O_NOCTTY | flags[i]);

		if (fd >= 0) {
			return fd;
		}
	}
	return -errno;
}

/* len_bytes from both, as far as they can be had: fd reads past the cache where that is not refused. */
static bool check_alike(const struct item *item, int fd, uint8_t *mem, size_t len_bytes, uint64_t at)
{
	const int fds[2] = { item->src.shape.fd, fd };

	for (unsigned i = 0; i < 2; i++) {
		struct hash_source source = { .fd = fds[i], .fd_plain = item->commit.fd };
		size_t have = 0;

		while (have < len_bytes) {
			ssize_t len;

			source.mem = mem + i * (size_t)READ_BYTES + have;
			source.cap_bytes = READ_BYTES - have;
			len = hash_read(&source, at + have);
			if (len <= 0) {
				return false;
			}
			have += (size_t)len;
		}
	}
	return memcmp(mem, mem + READ_BYTES, len_bytes) == 0;
}

uint64_t check_common(struct item *item, uint64_t len_bytes)
{
	uint8_t *mem = aligned_alloc(DIRECT_ALIGN, 2 * (size_t)READ_BYTES);
	uint64_t at = 0;
	int fd;

	(void)posix_fadvise(item->commit.fd, 0, 0, POSIX_FADV_DONTNEED);
	fd = check_reopen(item->commit.fd);
	while (mem != NULL && at < len_bytes && !zc_stopped()) {
		size_t step = (size_t)zc_min_u64(READ_BYTES, len_bytes - at);

		if (!check_alike(item, fd >= 0 ? fd : item->commit.fd, mem, step, at)) {
			break;
		}
		at += step;
	}
	if (fd >= 0) {
		close(fd);
	}
	free(mem);
	return at;
}

/* Where source and destination differ, for the message: ZC_OFF_NONE where that is not to be told. */
static uint64_t check_where(const struct item *item, int fd)
{
	enum { STEP = 64 * 1024 };
	uint8_t *mem = aligned_alloc(DIRECT_ALIGN, 2 * (size_t)STEP);
	uint64_t found = ZC_OFF_NONE;

	for (uint64_t at = 0; mem != NULL && found == ZC_OFF_NONE; at += STEP) {
		ssize_t src = pread(item->src.shape.fd, mem, STEP, (off_t)(item->src.shape.base_bytes + at));
		ssize_t dst = pread(fd, mem + STEP, STEP, (off_t)at);

		if (src <= 0 || dst <= 0 || zc_stopped()) {
			break;
		}
		for (ssize_t i = 0; i < src && i < dst && found == ZC_OFF_NONE; i++) {
			found = mem[i] != mem[STEP + i] ? at + (uint64_t)i : found;
		}
	}
	free(mem);
	return found;
}

static int check_mismatch(struct item *item, int fd)
{
	struct zc_err err = { .code = -EBADMSG, .side = ZC_SIDE_DST, .op = "verify" };

	item->report->verify.mismatches++;
	err.off_bytes = check_where(item, fd);
	return report_fail(item->report, ZC_STATUS_MISMATCH, item_text(item, ZC_SIDE_DST), &err,
	                   item->in_place ? "what was read back is not what was written"
	                                  : "what was read back is not what was written; not given its name",
	                   NULL);
}

/* With the lane that copied it, or a deeper one where nobody said how deep. */
static bool check_may_read_deep(struct item *item, int fd)
{
	const struct zc_job_cfg *cfg = item->cfg;
	bool pinned =
	    cfg->block_bytes != 0 || cfg->queue_depth != 0 || cfg->jobs != 0 || cfg->pool_bytes != 0;
	struct lane_cfg deep = item->lane->cfg;
	const char *op = "";
	struct stat st;

	if (item->total_bytes < DEEP_BYTES_MIN || !item->lane->open || fd == item->dst.shape.fd ||
	    fstat(fd, &st) < 0 || !S_ISREG(st.st_mode) ||
	    (uint64_t)st.st_blocks * 512 < (uint64_t)st.st_size) {
		return false;
	}
	if (deep.buf_count > 1 || pinned) {
		return true;
	}
	deep.engine = item->lane->ring_broke && cfg->engine == ZC_ENGINE_AUTO ? ZC_ENGINE_SYNC : cfg->engine;
	deep.block_bytes = ZC_MIB;
	deep.buf_count = deep.thread_count = DEEP_READS;
	deep.small = false;
	return lane_open(item->lane, &deep, &op) == 0;
}

/* Reads one after the other leave a disk idle between them: a large file without holes is read as it was
 * written, with many requests at a time. false: not this way, or it did not go well, and plain reads tell. */
static bool check_read_deep(struct item *item, int fd)
{
	static const enum zc_route_kind buffer = ZC_ROUTE_BUFFER;
	static const struct zc_uri uri = { .kind = ZC_END_NULL };
	struct zc_progress apart = { 0 };
	uint64_t moved[ZC_ROUTE_COUNT] = { 0 };
	struct zc_progress *progress = item->lane->kit.progress;
	struct zc_end back;
	struct zc_end null;
	struct zc_leg leg = {
		.src = &back,
		.dst = &null,
		.span = { .kind = ZC_SPAN_DATA, .len_bytes = item->total_bytes },
		.tap = check_tap,
		.tap_arg = item->hash,
	};
	int res;

	if (!check_may_read_deep(item, fd) || zc_end_from_fd(&back, fd, ZC_DIR_SRC, true) < 0) {
		return false;
	}
	(void)zc_end_set_direct(&back, true);
	zc_end_from_synth(&null, &uri, ZC_DIR_DST);
	hash_reset(item->hash);
	item->lane->kit.progress = &apart;
	res = zc_lane_run(item->lane, &leg, &buffer, 1, moved);
	item->lane->kit.progress = progress;
	if (res == -ENOTRECOVERABLE) {
		lane_close(item->lane);
		item->lane->ring_broke = true;
	}
	return res == 0 && leg.done_bytes == item->total_bytes;
}

/* What fd gives back, with left_out for zeros. */
static int check_digest_of(struct item *item, int fd, const struct badmap *left_out,
                           char ret_digest[ZC_HASH_HEX_MAX])
{
	struct hash_source source = {
		.fd = fd,
		.fd_plain = item->in_place ? -1 : item->dst.shape.fd,
		.len_bytes = item->total_bytes,
		.left_out = left_out,
	};
	bool whole = left_out == NULL || left_out->count == 0;
	uint64_t off = 0;
	int res = whole && check_read_deep(item, fd) ? 0 : check_read(item, &source, &off);

	if (res == -ENODATA) {
		return check_mismatch(item, fd);
	}
	if (res < 0) {
		return item_fail(item, ZC_SIDE_DST, 0, "pread", res, "cannot be read back", NULL);
	}
	hash_end(item->hash, item->total_bytes, ret_digest);
	return 0;
}

/* Of the destination not all is what was read in this run. */
static bool check_is_partial(const struct item *item)
{
	const struct rescue *rescue = item->rescue;

	return rescue != NULL && (rescue->going_on || (rescue->old_bytes && rescue->bad.count > 0));
}

static int check_back(struct item *item, int fd)
{
	struct badmap left_out = { 0 };
	char digest[ZC_HASH_HEX_MAX];
	int res = check_is_partial(item) ? rescue_left_out(item, &left_out) : 0;

	if (res < 0) {
		(void)item_fail(item, ZC_SIDE_NONE, 0, "malloc", res, "cannot be verified", NULL);
	} else {
		res = check_digest_of(item, fd, &left_out, digest);
	}
	badmap_clear(&left_out);
	if (res < 0) {
		return res;
	}
	return strcmp(digest, item->digest) == 0 ? 0 : check_mismatch(item, fd);
}

/* For the manifest: of all of it, as it stands. */
static int check_whole(struct item *item)
{
	bool wanted = item->manifest != NULL && check_is_partial(item);
	int fd = wanted ? check_reopen(item->dst.shape.fd) : -1;
	int res;

	if (fd < 0) {
		return wanted ? item_fail(item, ZC_SIDE_DST, 0, "openat", fd, "cannot be read back", NULL)
		              : 0;
	}
	res = check_digest_of(item, fd, NULL, item->digest);
	close(fd);
	return res;
}

/* What it was read back from: past the page cache or with nothing of it left there, the storage; else what
 * the cache holds, which on some file systems is all there is. */
static const char *check_mode(const struct item *item, int fd)
{
	struct zc_end back = { .ops = &zc_end_file, .shape = { .fd = fd } };
	const char *how;
	char out[24];
	const char *fs = zc_fs_name(fd, out);
	int flags = fcntl(fd, F_GETFL);

	if (strcmp(fs, "tmpfs") == 0 || strcmp(fs, "ramfs") == 0 || strcmp(fs, "hugetlbfs") == 0) {
		return "memory";
	}
	if (item->total_bytes == 0 || (flags >= 0 && (flags & O_DIRECT)) ||
	    zc_end_resident_percent(&back, item->total_bytes, &how) == 0) {
		return "storage";
	}
	return "cache";
}

int check_stored(struct item *item)
{
	uint64_t from = zc_now_ns();
	int fd;
	int res;

	if (item->hash == NULL || !item->cfg->verify) {
		return item->hash == NULL ? 0 : check_whole(item);
	}
	(void)zc_end_set_direct(&item->dst, false);
	if (fdatasync(item->dst.shape.fd) < 0) {
		return item_fail(item, ZC_SIDE_DST, 0, "fdatasync", -errno, "cannot be made durable", NULL);
	}
	item->report->ns.durable += zc_now_ns() - from;
	(void)posix_fadvise(item->dst.shape.fd, 0, 0, POSIX_FADV_DONTNEED);
	fd = check_reopen(item->dst.shape.fd);
	if (fd < 0 && item->in_place) { /* ours may not read */
		return item_fail(item, ZC_SIDE_DST, 0, "openat", fd, "cannot be read back", NULL);
	}
	item->report->verify.mode = check_mode(item, fd >= 0 ? fd : item->dst.shape.fd);
	res = check_back(item, fd >= 0 ? fd : item->dst.shape.fd);
	if (fd >= 0) {
		close(fd);
	}
	return res < 0 ? res : check_whole(item);
}

/* ---- the manifest */

/* Below DEST, where it is a directory; else the name of the file. */
static const char *check_name(const struct item *item, const char *path)
{
	const char *dest = item->cfg->dest;
	size_t len = strlen(dest);
	const char *slash;

	while (len > 1 && dest[len - 1] == '/') {
		len--;
	}
	if (strncmp(path, dest, len) == 0 && (path[len] == '/' || dest[len - 1] == '/')) {
		path += len;
		while (*path == '/') {
			path++;
		}
		if (*path != '\0') {
			return path;
		}
	}
	slash = strrchr(dest, '/');
	return slash == NULL ? dest : slash + 1;
}

void check_list(struct item *item)
{
	if (item->hash != NULL && check_is_alone(item->cfg) && item->cfg->expect_hash == NULL) {
		enum zc_side side = item->dst_uri.kind == ZC_END_PATH ? ZC_SIDE_DST : ZC_SIDE_SRC;
		char quoted[1200];

		report_say(item->report, ZC_MSG_SAY, "%s  %s", item->digest,
		           zc_quote(quoted, sizeof(quoted), item_text(item, side)));
	}
	if (item->hash != NULL && item->manifest != NULL) {
		manifest_add(item->manifest, item->digest, check_name(item, item_text(item, ZC_SIDE_DST)));
	}
}

int check_list_link(struct item *item)
{
	struct hash_source source = { .fd_plain = -1 };
	struct stat st = { 0 };
	uint64_t off = 0;
	int res;

	if (item->manifest == NULL || item->cfg->attributes_only || !S_ISREG(item->src_st.st_mode)) {
		return 0;
	}
	source.fd = openat(item->target.dir_fd, item->target.name,
	                   O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	res = source.fd < 0 || fstat(source.fd, &st) < 0 ? -errno : hash_new(&item->hash, item->cfg->hash);
	if (res == 0) {
		source.len_bytes = (uint64_t)st.st_size;
		res = check_read(item, &source, &off);
	}
	if (source.fd >= 0) {
		close(source.fd);
	}
	if (res < 0) {
		return item_fail(item, ZC_SIDE_DST, 0, "pread", res, "cannot be read for the manifest", NULL);
	}
	hash_end(item->hash, source.len_bytes, item->digest);
	check_list(item);
	return 0;
}
