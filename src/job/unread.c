/*
 * unread.c: the map of a destination's missing ranges, in $XDG_STATE_HOME/zcopy (rescue.h).
 *
 *   new:       copy -> durable -> map -> name              a map without its file is told by their times
 *   going on:  map "open" -> ranges -> durable -> map, or none when nothing is missing any more
 *
 * What the map calls read is durable in the destination, and a crash at any point leaves a map of at least
 * what is missing. It is used for the same source and the same destination only; where files have no births,
 * a destination is the same as long as its ctime is, and a map that a crash left before it was known is none.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "journal.h"
#include "rescue.h"

/* Its directory, held by the lane. -errno: none is to be had. */
static int unread_dir(struct item *item)
{
	char *path = NULL;

	if (item->lane->state_fd < 0) {
		item->lane->state_fd = journal_open_dir(!item->cfg->dry_run, &path);
		free(path);
	}
	return item->lane->state_fd;
}

static int unread_name(const struct item *item, char out[32])
{
	char hash[24];
	int res = item->has_target && item->has_from ? journal_name(hash, &item->target) : -ENOENT;

	if (res == 0) {
		snprintf(out, 32, "%s.map", hash);
	}
	return res;
}

char *unread_path(struct item *item)
{
	char *dir = NULL;
	char *path = NULL;
	char name[32];
	int fd = journal_open_dir(false, &dir);

	if (fd >= 0) {
		close(fd);
	}
	if (dir != NULL && unread_name(item, name) == 0 && asprintf(&path, "%s/%s", dir, name) < 0) {
		path = NULL;
	}
	free(dir);
	return path;
}

/* ---- which file it is */

static struct badmap_file unread_stat(const struct stat *st, const struct target *name)
{
	if (S_ISREG(st->st_mode)) {
		return (struct badmap_file){
			.size_bytes = (uint64_t)st->st_size,
			.ino = st->st_ino,
			.mtime_s = st->st_mtim.tv_sec,
			.mtime_ns = (uint32_t)st->st_mtim.tv_nsec,
		};
	}
	return (struct badmap_file){ .ino = commit_hash(name->name) }; /* a device: what it was called */
}

static struct badmap_file unread_src(const struct item *item)
{
	const struct target *name = item->from_link != NULL ? item->from_link : &item->from;
	struct badmap_file is = unread_stat(&item->src_st, name);

	if (!S_ISREG(item->src_st.st_mode)) {
		is.size_bytes = item->src.shape.size_bytes;
	}
	return is;
}

/* of: name in at_fd, or at_fd itself with an empty name. */
static struct badmap_file unread_dst(const struct item *item, int at_fd, const char *name,
                                     const struct stat *of)
{
	struct badmap_file is =
	    unread_stat(of, item->target_link != NULL ? item->target_link : &item->target);
	struct statx now;

	if (!S_ISREG(of->st_mode)) {
		return is;
	}
	is.mark = BADMAP_MARK_CHANGE;
	is.mark_s = of->st_ctim.tv_sec;
	is.mark_ns = (uint32_t)of->st_ctim.tv_nsec;
	if (statx(at_fd, name, AT_EMPTY_PATH | AT_SYMLINK_NOFOLLOW, STATX_INO | STATX_BTIME, &now) == 0 &&
	    (now.stx_mask & STATX_BTIME) && now.stx_ino == of->st_ino) {
		is.mark = BADMAP_MARK_BIRTH;
		is.mark_s = now.stx_btime.tv_sec;
		is.mark_ns = now.stx_btime.tv_nsec;
	}
	return is;
}

static bool unread_same(const struct badmap_file *then, const struct badmap_file *now)
{
	return then->size_bytes == now->size_bytes && then->ino == now->ino && then->mark == now->mark &&
	       then->mark_s == now->mark_s && then->mark_ns == now->mark_ns &&
	       (then->open || (then->mtime_s == now->mtime_s && then->mtime_ns == now->mtime_ns));
}

/* ---- reading */

/* The text, ours to free; NULL with -ENOENT: there is none. */
static char *unread_read(int dir_fd, const char *name, size_t *ret_len, int *ret_code)
{
	int fd = openat(dir_fd, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC | O_NOCTTY);
	struct stat st = { 0 };
	char *text = NULL;
	ssize_t len = 0;

	*ret_code = fd < 0 || fstat(fd, &st) < 0 ? -errno : 0;
	if (*ret_code == 0 && (!S_ISREG(st.st_mode) || st.st_uid != geteuid())) {
		*ret_code = -EPERM;
	} else if (*ret_code == 0 && (uint64_t)st.st_size > BADMAP_TEXT_MAX) {
		*ret_code = -EFBIG;
	} else if (*ret_code == 0) {
		text = malloc((size_t)st.st_size + 1);
		len = text != NULL ? read(fd, text, (size_t)st.st_size) : -1;
		*ret_code = text == NULL ? -ENOMEM : len < 0 ? -errno : 0;
	}
	if (fd >= 0) {
		close(fd);
	}
	if (*ret_code < 0) {
		free(text);
		return NULL;
	}
	*ret_len = (size_t)len;
	return text;
}

static void unread_not_used(struct item *item, const char *why)
{
	char *path = unread_path(item);
	char quoted[2][1200];

	report_say(item->report, ZC_MSG_ERROR, "%s: copied anew: the map of what could not be read %s: %s",
	           zc_quote(quoted[0], sizeof(quoted[0]), item_text(item, ZC_SIDE_DST)), why,
	           path != NULL ? zc_quote(quoted[1], sizeof(quoted[1]), path) : "?");
	free(path);
}

static bool unread_fits(struct item *item, const struct badmap *map)
{
	struct badmap_file src = unread_src(item);
	struct badmap_file dst = unread_dst(item, item->target.dir_fd, item->target.name, &item->target.st);
	const char *why = NULL;

	if (!unread_same(&map->src, &src)) {
		why = "is of another source, or it has changed";
	} else if (map->dst.mark == BADMAP_MARK_NONE && dst.mark != BADMAP_MARK_NONE) {
		why = "does not say when its destination was made";
	} else if (!unread_same(&map->dst, &dst)) {
		why = "is of another destination, or it has changed";
	} else if (dst.mark != BADMAP_MARK_NONE && item->target.st.st_nlink > 1 && !item->cfg->inplace) {
		why = "is of a file with other hard links, and they keep the old one";
	}

	if (why != NULL) {
		unread_not_used(item, why);
	}
	return why == NULL;
}

static bool unread_load(struct item *item, struct badmap *ret_map)
{
	const char *why = "is no map";
	unsigned line = 0;
	size_t len = 0;
	char name[32];
	char said[120];
	int dir_fd = unread_dir(item);
	int code = dir_fd < 0 ? dir_fd : unread_name(item, name);
	char *text = code < 0 ? NULL : unread_read(dir_fd, name, &len, &code);

	if (text == NULL && (code == -ENOENT || dir_fd < 0)) {
		return false;
	}
	item->unread_was = true;
	if (text == NULL) {
		snprintf(said, sizeof(said), "cannot be used: %s", strerror(-code));
		unread_not_used(item, said);
		return false;
	}
	code = badmap_parse(ret_map, text, len, &why, &line);
	free(text);
	if (code < 0) {
		snprintf(said, sizeof(said), "cannot be used: line %u: %s", line, why);
		unread_not_used(item, said);
		return false;
	}
	return true;
}

/* Only where what is there may be gone on with, and where our buffers may do it. */
static bool unread_is_wanted(const struct item *item)
{
	const struct zc_job_cfg *cfg = item->cfg;
	mode_t src = item->src_st.st_mode;
	mode_t dst = item->has_target && item->target.exists ? item->target.st.st_mode : 0;

	return (cfg->on_read_error != ZC_ON_READ_ERROR_FAIL || cfg->resume) && item->has_from &&
	       (S_ISREG(src) || S_ISBLK(src)) && (S_ISREG(dst) || S_ISBLK(dst)) && !cfg->attributes_only &&
	       !cfg->remove_dest && cfg->backup == ZC_BACKUP_NONE && cfg->reflink != ZC_WHEN_ALWAYS &&
	       (cfg->route == ZC_ROUTE_AUTO || cfg->route == ZC_ROUTE_BUFFER) && !item->as_new;
}

bool unread_find(struct item *item)
{
	struct badmap map = { 0 };

	if (item->unread_asked || !unread_is_wanted(item)) {
		return item->rescue != NULL;
	}
	item->unread_asked = true;
	if (!unread_load(item, &map)) {
		return false;
	}
	if (unread_fits(item, &map)) {
		item->rescue = calloc(1, sizeof(*item->rescue));
	}
	if (item->rescue == NULL) {
		badmap_clear(&map);
		return false;
	}
	item->rescue->before = map;
	item->rescue->going_on = true;
	item->rescue->old_bytes = map.dst.old;
	return true;
}

/* ---- writing */

static int unread_write(int fd, const struct badmap *map, const char *of_what)
{
	int own = fcntl(fd, F_DUPFD_CLOEXEC, 3);
	FILE *file = own < 0 ? NULL : fdopen(own, "w");
	int res;

	if (file == NULL) {
		res = -errno;
		if (own >= 0) {
			close(own);
		}
		return res;
	}
	badmap_print(map, file, of_what);
	res = fflush(file) != 0 || fdatasync(fd) < 0 ? -errno : ferror(file) ? -EIO : 0;
	return fclose(file) != 0 && res == 0 ? -errno : res;
}

/* The new map takes the old one's place whole, as any file of ours. */
static int unread_replace(struct item *item, const struct badmap *map)
{
	struct zc_fallbacks fallbacks = { 0 }; /* of a file of ours: not the copy's */
	struct target target;
	struct commit commit;
	const char *refused = NULL;
	const char *op;
	char of_what[2500];
	char quoted[2][1200];
	char name[32];
	int dir_fd = unread_dir(item);
	int res = dir_fd < 0 ? dir_fd : unread_name(item, name);

	if (res < 0) {
		return res;
	}
	res = target_open_at(&target, dir_fd, name, TARGET_KEEP, &refused);
	if (res < 0) {
		return res;
	}
	res = commit_begin(&commit, &target, 0600, 0077, &fallbacks, &op);
	if (res == 0) {
		snprintf(of_what, sizeof(of_what), "'%s' -> '%s'",
		         zc_quote(quoted[0], sizeof(quoted[0]), item_text(item, ZC_SIDE_SRC)),
		         zc_quote(quoted[1], sizeof(quoted[1]), item_text(item, ZC_SIDE_DST)));
		res = unread_write(commit.fd, map, of_what);
		res = res == 0 ? commit_publish(&commit, false, &op) : res;
		(void)commit_end(&commit);
	}
	target_close(&target);
	return res;
}

/* list is of the rescue, and stays its own. */
static int unread_save(struct item *item, const struct badmap *list, bool open)
{
	struct badmap map = *list;
	struct stat st;

	if (fstat(item->dst.shape.fd, &st) < 0) {
		return -errno;
	}
	map.src = unread_src(item);
	map.dst = unread_dst(item, item->dst.shape.fd, "", &st);
	map.dst.open = open;
	map.dst.old = item->rescue->old_bytes;
	return unread_replace(item, &map);
}

void unread_drop(struct item *item)
{
	char name[32];

	if (item->unread_was && unread_dir(item) >= 0 && unread_name(item, name) == 0) {
		(void)unlinkat(item->lane->state_fd, name, 0);
	}
	item->unread_was = false;
}

void unread_open(struct item *item)
{
	(void)unread_save(item, &item->rescue->before, true);
}

void unread_keep(struct item *item)
{
	struct rescue *rescue = item->rescue;

	if (rescue == NULL || !(item->dst.shape.caps & (ZC_CAP_REG | ZC_CAP_BLOCK)) || !item->has_target) {
		return;
	}
	if (rescue->bad.count == 0) {
		unread_drop(item);
		return;
	}
	rescue->kept = unread_save(item, &rescue->bad, false) == 0;
	item->unread_was |= rescue->kept;
}

void unread_named(struct item *item)
{
	struct rescue *rescue = item->rescue;
	struct stat st;

	if (rescue != NULL && rescue->kept && fstat(item->dst.shape.fd, &st) == 0 &&
	    unread_dst(item, item->dst.shape.fd, "", &st).mark == BADMAP_MARK_CHANGE) {
		rescue->kept = unread_save(item, &rescue->bad, false) == 0;
	}
}

void unread_keep_rest(struct item *item)
{
	struct rescue *rescue = item->rescue;
	int res = 0;

	if (rescue == NULL || !rescue->going_on || fdatasync(item->dst.shape.fd) < 0) {
		return; /* the old map says that more is missing than is */
	}
	for (unsigned i = 0; i < rescue->before.count && res == 0; i++) {
		struct badmap_range range = rescue->before.list[i];
		uint64_t end = range.off_bytes + range.len_bytes;

		range.off_bytes = zc_max_u64(range.off_bytes, rescue->at_bytes);
		range.len_bytes = end - zc_min_u64(range.off_bytes, end);
		res = range.len_bytes > 0 ? badmap_add(&rescue->bad, &range) : 0;
	}
	if (res == 0) {
		(void)unread_save(item, &rescue->bad, false);
	}
}
