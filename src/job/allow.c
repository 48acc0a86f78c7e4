/*
 * allow.c: what stands under the destination's name, and whether this item may take its place. GNU's rules;
 * the same for operands and for names in a tree.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "rescue.h"
#include "resume.h"

/* ---- what the user wants */

/* As the destination's file system keeps it: one whose change times are finer than 10 ms does not keep
 * modification times any coarser than 1 us (NTFS and CIFS: 100 ns). */
static bool item_times_equal(struct timespec src, const struct stat *dst)
{
	if (dst->st_ctim.tv_nsec % 10000000 == 0) {
		return meta_times_equal(src, dst->st_mtim);
	}
	if (src.tv_sec != dst->st_mtim.tv_sec) {
		return false;
	}
	for (long grain_ns = 1; grain_ns <= 1000; grain_ns *= 10) {
		if (dst->st_ctim.tv_nsec % grain_ns == 0 &&
		    src.tv_nsec - src.tv_nsec % grain_ns == dst->st_mtim.tv_nsec) {
			return true;
		}
	}
	return false;
}

static bool item_is_newer(const struct item *item)
{
	const struct timespec *src = &item->src_st.st_mtim;
	const struct timespec *dst = &item->target.st.st_mtim;

	if (src->tv_sec < dst->tv_sec || (src->tv_sec == dst->tv_sec && src->tv_nsec <= dst->tv_nsec)) {
		return false;
	}
	/* what was copied with its times to a file system with coarser ones is not older for that */
	return !(item->cfg->preserve & ZC_PRESERVE_TIMES) || !item_times_equal(*src, &item->target.st);
}

/* In the sense of -i: may it be written to? A symlink may. */
static bool item_is_writable(const struct item *item)
{
	const struct target *target = &item->target;

	return target->magic || S_ISLNK(target->st.st_mode) ||
	       faccessat(target->dir_fd, target->name, W_OK, AT_EACCESS) == 0 || errno != EACCES;
}

/* The one place that talks with the user: -i has no other meaning. */
static bool item_ask(struct item *item)
{
	const char *program = item->cfg->program != NULL ? item->cfg->program : "zcopy";
	unsigned mode = item->target.st.st_mode & 07777;
	char quoted[1200];
	char perms[12] = "";
	char *line = NULL;
	size_t cap = 0;
	bool yes;

	zc_quote_shell(quoted, sizeof(quoted), item_text(item, ZC_SIDE_DST));
	for (int bit = 0; bit < 9; bit++) {
		bool special = bit % 3 == 2 && (mode & (04000u >> bit / 3));
		const char *letters = !special                ? "rwxrwxrwx"
		                      : mode & (0400u >> bit) ? "--s--s--t"
		                                              : "--S--S--T";

		perms[bit] = special || (mode & (0400u >> bit)) ? letters[bit] : '-';
	}
	fflush(stdout);
	if (item_is_writable(item)) {
		fprintf(stderr, "%s: overwrite %s? ", program, quoted);
	} else if (item->cfg->force || item->cfg->remove_dest) {
		fprintf(stderr, "%s: replace %s, overriding mode %04o (%s)? ", program, quoted, mode, perms);
	} else {
		fprintf(stderr, "%s: unwritable %s (mode %04o, %s); try anyway? ", program, quoted, mode,
		        perms);
	}
	yes = getline(&line, &cap, stdin) > 0 && (line[0] == 'y' || line[0] == 'Y');
	free(line);
	return yes;
}

/* ---- what this run has met before */

static bool item_is_operand_of_many(const struct item *item)
{
	return item->made != NULL && item->cfg->source_count > 1 && item->dest_fd >= 0;
}

static bool item_under_any_name(const char *a, const char *b)
{
	(void)a;
	(void)b;
	return true;
}

/* A later source of the same name must not take the place of an earlier one. What is written in place may
 * have other names, which are not the same; what is made anew has them only where A is a, or by a symlink. */
static bool item_was_made(const struct item *item)
{
	bool in_place = item->report->gnu || item->cfg->inplace;

	return item_is_operand_of_many(item) && item->cfg->backup != ZC_BACKUP_NUMBERED &&
	       seen_has(&item->made->files, &item->target.st, item_dest_name(item),
	                in_place ? seen_same_text : item_under_any_name);
}

bool item_link_was_made(const struct item *item)
{
	const struct target *link = item->target_link != NULL ? item->target_link : &item->target;

	return item_is_operand_of_many(item) && item->cfg->backup == ZC_BACKUP_NONE &&
	       S_ISLNK(link->st.st_mode) &&
	       seen_has(&item->made->files, &link->st, item_dest_name(item), seen_same_text);
}

int item_refuse_link(struct item *item)
{
	return item_fail(item, ZC_SIDE_DST, ZC_STATUS_REFUSED, "stat", 0,
	                 "not copying through a symlink that this run has just made", NULL);
}

void item_remember(struct item *item)
{
	struct stat st;

	if (item_is_operand_of_many(item) && item->has_target &&
	    fstatat(item->target.dir_fd, item->target.name, &st, AT_SYMLINK_NOFOLLOW) == 0) {
		seen_add(&item->made->files, &st, item_dest_name(item));
	}
}

static int item_warn(struct item *item, const char *what)
{
	char quoted[1200];

	zc_quote_shell(quoted, sizeof(quoted), item_text(item, ZC_SIDE_SRC));
	report_say(item->report, ZC_MSG_ERROR, "warning: source %s %s specified more than once", what,
	           quoted);
	return item_skip(item);
}

/* The same source twice, and not so that each copy is kept. */
static int item_repeated(struct item *item)
{
	const char *text = item->src_uri.text;

	if (!item_is_operand_of_many(item) || !item->has_from) {
		return 0;
	}
	if (item->cfg->backup == ZC_BACKUP_NONE &&
	    seen_has(&item->made->sources, &item->src_st, text, seen_same_entry)) {
		return item_warn(item, "file");
	}
	seen_add(&item->made->sources, &item->src_st, text);
	return 0;
}

int item_dir_allowed(struct item *item)
{
	if (!item_is_operand_of_many(item)) {
		return 0;
	}
	if (seen_has(&item->made->dirs, &item->src_st, item_dest_name(item), seen_same_text)) {
		return item_warn(item, "directory");
	}
	seen_add(&item->made->dirs, &item->src_st, item_dest_name(item));
	return 0;
}

/* ---- may it be replaced */

/* A file that we may not write is replaced with -f only. cp finds out by writing. */
static int item_may_write(struct item *item)
{
	if (item->report->gnu || !S_ISREG(item->target.st.st_mode) || item->cfg->remove_dest ||
	    source_is_name_only(item) || item_is_writable(item)) {
		return 0;
	}
	item->as_new = true;
	if (!item->cfg->force && !item->cfg->interactive) {
		return item_fail(item, ZC_SIDE_DST, 0, "access", -EACCES, "is not writable",
		                 "-f replaces it, if its directory is writable");
	}
	return 0;
}

/* --resume: a name that an earlier run has finished. A file appears only when it is whole, with its times;
 * where those are not kept, one of the same size that is younger than the source is taken for whole. */
static bool item_is_complete(const struct item *item)
{
	const struct stat *src = &item->src_st;
	const struct stat *dst = &item->target.st;
	char paths[2][PATH_MAX];
	ssize_t len;

	if ((src->st_mode & S_IFMT) != (dst->st_mode & S_IFMT)) {
		return false;
	}
	switch (src->st_mode & S_IFMT) {
	case S_IFREG:
		return src->st_size == dst->st_size &&
		       (item->cfg->preserve & ZC_PRESERVE_TIMES ? meta_times_equal(src->st_mtim, dst->st_mtim)
		                                                : !item_is_newer(item));
	case S_IFLNK:
		if ((item->cfg->preserve & ZC_PRESERVE_TIMES) &&
		    !meta_times_equal(src->st_mtim, dst->st_mtim)) {
			return false; /* made, but not finished */
		}
		len = readlinkat(item->from.dir_fd, item->from.name, paths[0], PATH_MAX);
		return len >= 0 &&
		       readlinkat(item->target.dir_fd, item->target.name, paths[1], PATH_MAX) == len &&
		       memcmp(paths[0], paths[1], (size_t)len) == 0;
	default:
		return src->st_rdev == dst->st_rdev && (!(item->cfg->preserve & ZC_PRESERVE_TIMES) ||
		                                        meta_times_equal(src->st_mtim, dst->st_mtim));
	}
}

/* 0, ITEM_SKIP, or refused: what the options say about files that exist. */
static int item_update_rule(struct item *item)
{
	bool unread = S_ISREG(item->src_st.st_mode) && unread_find(item);

	switch (item->cfg->update) {
	case ZC_UPDATE_NONE:
		return item_skip(item);
	case ZC_UPDATE_NONE_FAIL:
		return item_fail(item, ZC_SIDE_DST, ZC_STATUS_SOME_FAILED, "stat", -EEXIST,
		                 "not replacing it", NULL);
	case ZC_UPDATE_OLDER:
		if ((item->report->gnu || !S_ISDIR(item->target.st.st_mode)) && !unread &&
		    !item_is_newer(item)) {
			item->stays = true;
			return item_skip(item);
		}
		break;
	default:
		break;
	}
	if (item->cfg->resume && item->has_from && !unread && item_is_complete(item)) {
		item->stays = true;
		if (!item->cfg->dry_run) {
			resume_forget(item);
		}
		return item_skip(item);
	}
	if (item->cfg->interactive && !item_ask(item)) {
		report_status(item->report, ZC_STATUS_SOME_FAILED); /* as POSIX has it, without a word */
		return item_skip(item);
	}
	if (!S_ISDIR(item->target.st.st_mode) && item_was_made(item)) {
		return item_fail(item, ZC_SIDE_DST, ZC_STATUS_SOME_FAILED, "stat", -EEXIST,
		                 "not overwriting what this run has just made", NULL);
	}
	if (S_ISDIR(item->target.st.st_mode)) {
		return item_fail(item, ZC_SIDE_DST, ZC_STATUS_SOME_FAILED, "stat", -EISDIR,
		                 "cannot overwrite a directory with a file", NULL);
	}
	return item_may_write(item);
}

int item_allowed(struct item *item)
{
	bool exists = item->has_target && item->target.exists;
	bool keeps = item->cfg->update == ZC_UPDATE_NONE || item->cfg->update == ZC_UPDATE_NONE_FAIL;
	int res = item_repeated(item);

	/* what need not be copied is not the same file either */
	if (res == 0 && !(exists && keeps)) {
		res = same_allowed(item);
	}
	if (res == 0 && exists) {
		res = item_update_rule(item);
	}
	return res == 0 && item_link_was_made(item) ? item_refuse_link(item) : res;
}
