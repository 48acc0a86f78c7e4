/*
 * same.c: a file onto itself. GNU cp's answers, for zcopy as well: what looks the same may be two links to
 * one file, a link and what it leads to, or two names, and some options make the copy harmless.
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "item.h"

static bool same_inode(const struct stat *a, const struct stat *b)
{
	return a->st_dev == b->st_dev && a->st_ino == b->st_ino;
}

/* Both sides lead to one file, or one block device by two nodes. dst: what the destination is. */
static bool same_file(const struct item *item, struct stat *dst)
{
	const struct stat *src = &item->src_st;

	if (item->src.shape.caps & ZC_CAP_SYNTH) {
		return false;
	}
	if (item->dst_uri.kind == ZC_END_FD) {
		if (fstat(item->dst_uri.fd, dst) < 0) {
			return false;
		}
	} else if (!item->has_target || !item->target.exists) {
		return false;
	} else {
		*dst = item->target.st;
	}
	if (S_ISBLK(dst->st_mode) && S_ISBLK(src->st_mode) && !source_is_name_only(item)) {
		return dst->st_rdev == src->st_rdev;
	}
	/* a terminal may be both, and so may /dev/null; cp says no */
	return (item->report->gnu || !S_ISCHR(dst->st_mode)) && !S_ISDIR(dst->st_mode) &&
	       same_inode(src, dst);
}

/* The names as they were given: of a link that was followed the link. */
static const struct target *same_src_name(const struct item *item)
{
	return item->from_link != NULL ? item->from_link : &item->from;
}

static const struct target *same_dst_name(const struct item *item)
{
	return item->target_link != NULL ? item->target_link : &item->target;
}

static bool same_entry(const struct item *item)
{
	const struct target *src = same_src_name(item);
	const struct target *dst = same_dst_name(item);
	struct stat src_dir;
	struct stat dst_dir;

	return strcmp(src->name, dst->name) == 0 && fstat(src->dir_fd, &src_dir) == 0 &&
	       fstat(dst->dir_fd, &dst_dir) == 0 && same_inode(&src_dir, &dst_dir);
}

static bool same_look(const struct target *name, int flags, struct stat *ret_st)
{
	return fstatat(name->dir_fd, name->name, ret_st, flags) == 0;
}

/* Is it harmless that the old name is given another one, or taken away, before the new one is made? */
static bool same_backup_allowed(const struct item *item, bool never, const struct stat *src,
                                const struct stat *dst)
{
	if (same_inode(src, dst)) {
		return !same_entry(item);
	}
	/* a link that leads to the name that is moved away would lead nowhere */
	return never || !S_ISLNK(src->st_mode) || S_ISLNK(dst->st_mode);
}

static bool same_remove_allowed(const struct item *item, const struct stat *src, const struct stat *dst)
{
	return S_ISLNK(dst->st_mode) || (same_inode(src, dst) && dst->st_nlink > 1 && !same_entry(item));
}

/* src, dst: of the names themselves. 0: go on, ITEM_SKIP: nothing to do, -1: refused. */
static int same_verdict(const struct item *item, bool never, const struct stat *src, const struct stat *dst)
{
	const struct zc_job_cfg *cfg = item->cfg;
	bool links = S_ISLNK(src->st_mode) || S_ISLNK(dst->st_mode);
	struct stat src_end = *src;
	struct stat dst_end = *dst;

	if (cfg->backup != ZC_BACKUP_NONE) {
		return same_backup_allowed(item, never, src, dst) ? 0 : -1;
	}
	if (cfg->remove_dest && same_remove_allowed(item, src, dst)) {
		return 0;
	}
	if (!links) {
		return !same_inode(src, dst) ? 0 : cfg->make_hard_links ? ITEM_SKIP : -1;
	}
	if (cfg->make_symlinks && S_ISLNK(dst->st_mode)) {
		return 0; /* it is made once more */
	}
	if (!never) {
		return -1;
	}
	if ((S_ISLNK(src->st_mode) && !same_look(same_src_name(item), 0, &src_end)) ||
	    (S_ISLNK(dst->st_mode) && !same_look(same_dst_name(item), 0, &dst_end)) ||
	    !same_inode(&src_end, &dst_end)) {
		return 0;
	}
	return !cfg->make_hard_links ? -1 : S_ISLNK(dst->st_mode) ? 0 : ITEM_SKIP;
}

/* Two symlinks, neither followed. */
static int same_links(const struct item *item, bool same)
{
	if (same_entry(item)) {
		return -1;
	}
	return same && item->cfg->backup == ZC_BACKUP_NONE ? ITEM_SKIP : 0;
}

static int same_ask(const struct item *item)
{
	bool never = !source_follows(item);
	struct stat src;
	struct stat dst;
	bool same = same_file(item, &dst);

	if (!item->has_from || !item->has_target || item->dst_uri.kind == ZC_END_FD) {
		return same ? -1 : 0;
	}
	if (!item->target.exists || S_ISDIR(item->target.st.st_mode)) {
		return 0;
	}
	if (same && !same_inode(&item->src_st, &dst)) { /* two nodes of one device */
		return -1;
	}
	if (same && item->cfg->make_hard_links) {
		return ITEM_SKIP;
	}
	if (never) {
		return S_ISLNK(item->src_st.st_mode) && S_ISLNK(item->target.st.st_mode)
		           ? same_links(item, same)
		           : same_verdict(item, true, &item->src_st, &item->target.st);
	}
	if (!same || !same_look(same_src_name(item), AT_SYMLINK_NOFOLLOW, &src) ||
	    !same_look(same_dst_name(item), AT_SYMLINK_NOFOLLOW, &dst)) {
		return 0;
	}
	if (S_ISLNK(src.st_mode) && S_ISLNK(dst.st_mode) && item->cfg->remove_dest) {
		return 0;
	}
	return same_verdict(item, false, &src, &dst);
}

int same_allowed(struct item *item)
{
	int res = same_ask(item);

	return res >= 0 ? res
	                : item_fail(item, ZC_SIDE_DST, ZC_STATUS_REFUSED, "stat", 0,
	                            "is the same file as the source", NULL);
}
