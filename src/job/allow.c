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

#include "item.h"

/* ---- the same file */

static bool item_is_same_inode(const struct item *item, const struct stat **ret_dst, struct stat *scratch)
{
	const struct stat *dst = &item->target.st;

	if (item->src.shape.caps & ZC_CAP_SYNTH) {
		return false;
	}
	if (item->dst_uri.kind == ZC_END_FD) {
		if (fstat(item->dst_uri.fd, scratch) < 0) {
			return false;
		}
		dst = scratch;
	} else if (!item->has_target || !item->target.exists) {
		return false;
	}
	*ret_dst = dst;
	if (S_ISBLK(dst->st_mode) && S_ISBLK(item->src_st.st_mode)) {
		return dst->st_rdev == item->src_st.st_rdev;
	}
	return !S_ISCHR(dst->st_mode) && !S_ISDIR(dst->st_mode) && dst->st_dev == item->src_st.st_dev &&
	       dst->st_ino == item->src_st.st_ino;
}

/* Both sides are one directory entry, not only one file. */
static bool item_is_same_name(const struct item *item)
{
	struct stat src;
	struct stat dst;

	if (!item->has_from || !item->has_target || strcmp(item->from.name, item->target.name) != 0) {
		return false;
	}
	return fstat(item->from.dir_fd, &src) == 0 && fstat(item->target.dir_fd, &dst) == 0 &&
	       src.st_dev == dst.st_dev && src.st_ino == dst.st_ino;
}

/* One file may still be copied onto another of its own names when that name is taken away first. */
static int item_refuse_same(struct item *item)
{
	const struct stat *dst = NULL;
	struct stat scratch;

	if (!item_is_same_inode(item, &dst, &scratch)) {
		return 0;
	}
	if (item->cfg->make_hard_links && item->has_target) {
		return ITEM_SKIP; /* it is that link already */
	}
	if ((item->cfg->remove_dest || item->cfg->backup != ZC_BACKUP_NONE) && dst->st_nlink > 1 &&
	    !item_is_same_name(item)) {
		return 0;
	}
	return item_fail(item, ZC_SIDE_DST, ZC_STATUS_REFUSED, "stat", 0, "is the same file as the source",
	                 NULL);
}

/* ---- may it be replaced */

static bool item_is_newer(const struct item *item)
{
	const struct timespec *src = &item->src_st.st_mtim;
	const struct timespec *dst = &item->target.st.st_mtim;

	/* what was copied to a file system with coarser times is not older for that */
	return (src->tv_sec > dst->tv_sec || (src->tv_sec == dst->tv_sec && src->tv_nsec > dst->tv_nsec)) &&
	       !meta_times_equal(*src, *dst);
}

/* The one place that talks with the user: -i has no other meaning. */
static bool item_ask(struct item *item, bool writable)
{
	char quoted[1200];
	char perms[12];
	char *line = NULL;
	size_t cap = 0;
	bool yes;

	if (item->report->gnu) {
		zc_quote_shell(quoted, sizeof(quoted), item_text(item, ZC_SIDE_DST));
	} else {
		zc_quote(quoted, sizeof(quoted), item_text(item, ZC_SIDE_DST));
	}
	fflush(stdout);
	if (writable) {
		fprintf(stderr, "%s: overwrite %s? ", item->report->gnu ? "cp" : "zcopy", quoted);
	} else {
		unsigned mode = item->target.st.st_mode & 07777;

		for (int bit = 0; bit < 9; bit++) {
			perms[bit] = mode & (0400u >> bit) ? "rwxrwxrwx"[bit] : '-';
		}
		perms[9] = '\0';
		fprintf(stderr, "%s: %s %s, overriding mode %04o (%s)? ", item->report->gnu ? "cp" : "zcopy",
		        item->cfg->force || item->cfg->remove_dest ? "replace" : "unwritable", quoted, mode,
		        perms);
	}
	yes = getline(&line, &cap, stdin) > 0 && (line[0] == 'y' || line[0] == 'Y');
	free(line);
	return yes;
}

static bool item_was_made(const struct item *item)
{
	const struct stat *st = &item->target.st;

	for (unsigned i = 0; item->made != NULL && i < item->made->count; i++) {
		if (item->made->list[i].dev == st->st_dev && item->made->list[i].ino == st->st_ino) {
			return true;
		}
	}
	return false;
}

void item_remember(struct item *item)
{
	struct made *made = item->made;
	struct made_file *list;
	struct stat st;

	if (made == NULL || item->cfg->source_count < 2 || !item->has_target ||
	    fstatat(item->target.dir_fd, item->target.name, &st, AT_SYMLINK_NOFOLLOW) < 0) {
		return;
	}
	list = made->list;
	if ((made->count & (made->count - 1)) == 0) { /* full at every power of two */
		list = reallocarray(list, made->count == 0 ? 1 : (size_t)made->count * 2, sizeof(*list));
		if (list == NULL) {
			return; /* the next one replaces it, as rename would */
		}
		made->list = list;
	}
	made->list[made->count++] = (struct made_file){ .dev = st.st_dev, .ino = st.st_ino };
}

/* As cp: a file that we may not write is replaced with -f only. */
static int item_may_write(struct item *item, bool *ret_writable)
{
	*ret_writable = true;
	if (!S_ISREG(item->target.st.st_mode) || item->target.magic || item->cfg->remove_dest ||
	    source_is_name_only(item)) {
		return 0;
	}
	if (faccessat(item->target.dir_fd, item->target.name, W_OK, AT_EACCESS) == 0 || errno != EACCES) {
		return 0;
	}
	*ret_writable = false;
	item->as_new = true;
	if (!item->cfg->force && !item->cfg->interactive) {
		return item_fail(item, ZC_SIDE_DST, 0, "access", -EACCES,
		                 item->report->gnu ? "cannot create" : "is not writable",
		                 "-f replaces it, if its directory is writable");
	}
	return 0;
}

/* 0, ITEM_SKIP, or refused: what the options say about files that exist. */
static int item_update_rule(struct item *item)
{
	bool writable;
	int res;

	switch (item->cfg->update) {
	case ZC_UPDATE_NONE:
		return item_skip(item);
	case ZC_UPDATE_NONE_FAIL:
		return item_fail(item, ZC_SIDE_DST, ZC_STATUS_SOME_FAILED, "stat", -EEXIST,
		                 "not replacing it", NULL);
	case ZC_UPDATE_OLDER:
		if (!S_ISDIR(item->target.st.st_mode) && !item_is_newer(item)) {
			return item_skip(item);
		}
		break;
	default:
		break;
	}
	if (S_ISDIR(item->target.st.st_mode)) {
		return item_fail(item, ZC_SIDE_DST, ZC_STATUS_SOME_FAILED, "stat", -EISDIR,
		                 "cannot overwrite a directory with a file", NULL);
	}
	if (item_was_made(item)) {
		return item_fail(item, ZC_SIDE_DST, ZC_STATUS_SOME_FAILED, "stat", -EEXIST,
		                 "not overwriting what this run has just made", NULL);
	}
	res = item_may_write(item, &writable);
	if (res == 0 && item->cfg->interactive && !item_ask(item, writable)) {
		return item_skip(item);
	}
	return res;
}

int item_allowed(struct item *item)
{
	int res;

	/* -u: a file that need not be copied is not the same file either; -n likewise */
	if (item->has_target && item->target.exists && item->cfg->update == ZC_UPDATE_NONE) {
		return item_skip(item);
	}
	res = item_refuse_same(item);
	if (res == 0 && item->has_target && item->target.exists) {
		res = item_update_rule(item);
	}
	return res;
}
