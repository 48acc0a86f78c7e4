/*
 * aim.c: where an operand goes: DEST itself, or its own name in DEST. From the words of the command line to
 * item->target.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "item.h"
#include "parents.h"
#include "walk.h"

int item_parse(struct item *item, struct zc_uri *uri, const char *text, enum zc_dir dir, enum zc_side side)
{
	const char *why = NULL;

	if (item->cfg->gnu_cp) { /* to cp every operand is a file name */
		*uri = (struct zc_uri){ .kind = ZC_END_PATH, .text = text, .path = text };
		return 0;
	}
	uri->text = text; /* for the message, should it not parse */
	if (zc_uri_parse(uri, text, dir, &why) < 0) {
		uri->text = text;
		return item_fail(item, side, ZC_STATUS_USAGE, "parse", 0, why, NULL);
	}
	if (uri->kind == ZC_END_REMOTE) {
		return item_fail(item, side, ZC_STATUS_USAGE, "parse", 0,
		                 "network ends are not in this version", NULL);
	}
	return 0;
}

/* A link may have led to a descriptor of ours. */
static void item_aimed(struct item *item)
{
	if (item->target.inherited_fd >= 0) {
		item->dst_uri.kind = ZC_END_FD;
		item->dst_uri.fd = item->target.inherited_fd;
		item_unfollow(item);
		target_close(&item->target);
		item->has_target = false;
	}
}

/* Is a symlink under the destination's name followed? As cp: for the data of a file, and not where the name
 * itself is to be another thing. */
static enum target_link item_link_rule(const struct item *item)
{
	const struct zc_job_cfg *cfg = item->cfg;
	bool name_only = source_is_name_only(item) || S_ISDIR(item->src_st.st_mode);

	return name_only || cfg->remove_dest || cfg->backup != ZC_BACKUP_NONE ? TARGET_KEEP : TARGET_FOLLOW;
}

static int item_aim_fail(struct item *item, int res, const char *refused, const char *what)
{
	return item_fail(item, ZC_SIDE_DST, refused != NULL ? ZC_STATUS_REFUSED : 0, "open", res,
	                 refused != NULL ? refused : what, NULL);
}

static int item_join(struct item *item, const char *dir, const char *name)
{
	size_t len = strlen(name);
	const char *slash = len == 0 || dir[strlen(dir) - 1] == '/' ? "" : "/";

	while (len > 1 && name[len - 1] == '/') {
		len--;
	}
	if (asprintf(&item->dst_path, "%s%s%.*s", dir, slash, (int)len, name) < 0) {
		item->dst_path = NULL;
		return item_fail(item, ZC_SIDE_DST, 0, "malloc", -ENOMEM, "no memory for its name", NULL);
	}
	item->dst_text = item->dst_path;
	item->dst_uri =
	    (struct zc_uri){ .kind = ZC_END_PATH, .text = item->dst_path, .path = item->dst_path };
	return 0;
}

/* The source's own name; "" for one that has none: ".", ".." and "/". */
static int item_own_name(struct item *item, char name[NAME_MAX + 1])
{
	size_t len;
	const char *base;

	if (item->src_uri.kind != ZC_END_PATH) {
		return item_fail(item, ZC_SIDE_SRC, ZC_STATUS_USAGE, "parse", 0,
		                 "has no name to be copied under; name the destination file", NULL);
	}
	base = target_basename(item->src_uri.path, &len);
	if (len > NAME_MAX || (len == 0 && item->src_uri.path[0] == '\0')) {
		return item_fail(item, ZC_SIDE_SRC, 0, "parse", len == 0 ? -ENOENT : -ENAMETOOLONG,
		                 "cannot be copied", NULL);
	}
	memcpy(name, base, len);
	name[len] = '\0';
	if (walk_is_dot(name)) {
		name[0] = '\0';
	}
	return 0;
}

/* What stands behind DEST in messages. */
static const char *item_shown_name(const struct item *item, const char *name)
{
	size_t len;
	const char *base;

	if (item->below != NULL || name[0] != '\0') {
		return item->below != NULL ? item->below : name;
	}
	base = target_basename(item->src_uri.path, &len);
	return len == 1 && base[0] == '.' ? "." : "";
}

/* Symlinks are followed by the rule, or where the name says so by a slash behind it. */
static int item_aim_follow(struct item *item, bool always, const char *what)
{
	const char *refused = NULL;
	int res;

	item->has_target = true;
	res = always || item_link_rule(item) == TARGET_FOLLOW ? item_follow(item, &refused) : 0;
	if (res < 0) {
		return item_link_was_made(item) ? item_refuse_link(item)
		                                : item_aim_fail(item, res, refused, what);
	}
	item_aimed(item);
	return 0;
}

/* --dry-run: its directory is still to be made, so there is nothing in its way. */
static void item_aim_nowhere(struct item *item, const char *name)
{
	item->target = (struct target){ .dir_fd = -1, .borrowed = true, .inherited_fd = -1 };
	memcpy(item->target.name, name, strlen(name) + 1);
	item->has_target = true;
}

/* DEST/name, where name is the source's own, or with --parents all of its path. */
int item_aim_into(struct item *item)
{
	const char *refused = NULL;
	char name[NAME_MAX + 1] = "";
	int dir_fd = item->dest_fd;
	int res = item_own_name(item, name);

	if (res == 0) {
		res = item_join(item, item->cfg->dest, item_shown_name(item, name));
	}
	if (res == 0 && item->below != NULL && item->cfg->dry_run) {
		if (parents_find(item, &dir_fd) < 0) {
			item_aim_nowhere(item, name);
			return 0;
		}
	} else if (res == 0 && item->below != NULL) {
		res = parents_make(item, &dir_fd);
	}
	if (res < 0) {
		return res;
	}
	if (name[0] == '\0') { /* its contents go into the directory itself */
		item->into_itself = true;
		item->target.name[0] = '.';
		item->target.dir_fd = dir_fd;
		item->target.borrowed = item->below == NULL;
		item->target.inherited_fd = -1;
		item->has_target = true;
		return fstat(dir_fd, &item->target.st) < 0
		           ? item_aim_fail(item, -errno, NULL, "cannot be reached")
		           : 0;
	}
	res = target_open_in(&item->target, dir_fd, name, TARGET_KEEP, &refused);
	if (item->below != NULL) {
		close(dir_fd);
	}
	return res < 0 ? item_aim_fail(item, res, refused, "cannot be reached")
	               : item_aim_follow(item, false, "cannot be reached");
}

/* A directory may be named with a slash behind it before it is there. */
static int item_trim(struct item *item)
{
	size_t len;

	if (!S_ISDIR(item->src_st.st_mode)) {
		return 0;
	}
	len = strlen(item->dst_uri.path);
	while (len > 1 && item->dst_uri.path[len - 1] == '/') {
		len--;
	}
	item->dst_path = strndup(item->dst_uri.path, len);
	if (item->dst_path == NULL) {
		return item_fail(item, ZC_SIDE_DST, 0, "malloc", -ENOMEM, "no memory for its name", NULL);
	}
	item->dst_uri.path = item->dst_path;
	return 0;
}

/* cp says that the name cannot be looked at; or, when it is only not there, later what cannot be made. */
static int item_aim_gnu(struct item *item, int code)
{
	struct stat st;

	if (fstatat(AT_FDCWD, item->cfg->dest, &st, 0) < 0 && errno != ENOENT) {
		return item_fail(item, ZC_SIDE_DST, 0, "fstatat", -errno, "cannot be reached", NULL);
	}
	item->target = (struct target){ .dir_fd = -1, .borrowed = true, .inherited_fd = -1 };
	item->has_target = true;
	item->aim_code = code;
	return 0;
}

int item_aim_at(struct item *item)
{
	size_t len = strlen(item->cfg->dest);
	bool slash = len > 0 && item->cfg->dest[len - 1] == '/';
	const char *refused = NULL;
	int res = item_parse(item, &item->dst_uri, item->cfg->dest, ZC_DIR_DST, ZC_SIDE_DST);

	if (res < 0 || item->dst_uri.kind != ZC_END_PATH) {
		return res;
	}
	res = item_trim(item);
	if (res < 0) {
		return res;
	}
	res = target_open(&item->target, item->dst_uri.path, TARGET_KEEP, &refused);
	if (res < 0) {
		return item->report->gnu ? item_aim_gnu(item, res)
		                         : item_aim_fail(item, res, refused, "cannot be created");
	}
	return item_aim_follow(item, slash, item->report->gnu ? "cannot be reached" : "cannot be created");
}
