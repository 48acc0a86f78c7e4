/*
 * gnu.c: what only cp does. It takes a file that is in the way away (or gives it its backup's name) before it
 * says that it copies; what fails then gets its old name back.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "item.h"

void gnu_say_removed(struct item *item)
{
	char quoted[1200];

	zc_quote_shell(quoted, sizeof(quoted), item_text(item, ZC_SIDE_DST));
	report_say(item->report, ZC_MSG_SAY, "removed %s", quoted);
}

int gnu_remove(struct item *item)
{
	item_unfollow(item);
	if (unlinkat(item->target.dir_fd, item->target.name, 0) < 0 && errno != ENOENT) {
		return item_fail(item, ZC_SIDE_DST, 0, "unlinkat", -errno, "cannot remove", NULL);
	}
	item->target.exists = false;
	if (item->cfg->verbose) {
		gnu_say_removed(item);
	}
	return 0;
}

/* A name that is to be a symlink, a node or one name less of an old file's is made anew. */
static bool gnu_makes_anew(const struct item *item)
{
	const struct zc_job_cfg *cfg = item->cfg;

	if (cfg->remove_dest) {
		return true;
	}
	/* a symlink that is not followed although a file comes to its place */
	if (S_ISLNK(item->target.st.st_mode) && item->target_link == NULL && S_ISREG(item->src_st.st_mode) &&
	    !source_is_name_only(item)) {
		return true;
	}
	return !cfg->attributes_only &&
	       (((cfg->preserve & ZC_PRESERVE_LINKS) && item->target.st.st_nlink > 1) ||
	        (!source_follows(item) && !S_ISREG(item->src_st.st_mode)));
}

int gnu_clear(struct item *item)
{
	int res;

	if (!item->has_target || !item->target.exists) {
		return 0;
	}
	if (item->cfg->backup == ZC_BACKUP_NONE) {
		return gnu_makes_anew(item) ? gnu_remove(item) : 0;
	}
	res = backup_item(item);
	if (res == 0) {
		item->target.exists = false;
	}
	return res;
}

void gnu_undo(struct item *item)
{
	char quoted[2][1200];
	char *path;

	if (item->backup == NULL) {
		return;
	}
	if (renameat(item->target.dir_fd, item->backup, item->target.dir_fd, item->target.name) < 0) {
		(void)item_fail(item, ZC_SIDE_DST, 0, "renameat", -errno, "cannot be given its old name back",
		                NULL);
		return;
	}
	path = backup_path(item);
	if (item->cfg->verbose && path != NULL) {
		zc_quote_shell(quoted[0], sizeof(quoted[0]), path);
		zc_quote_shell(quoted[1], sizeof(quoted[1]), item_text(item, ZC_SIDE_DST));
		report_say(item->report, ZC_MSG_SAY, "%s -> %s (unbackup)", quoted[0], quoted[1]);
	}
	free(path);
}

void gnu_debug(struct item *item)
{
	const uint64_t *moved = item->moved;
	bool sparse = item->cfg->sparse == ZC_WHEN_ALWAYS;
	bool holes = (item->src.shape.caps & ZC_CAP_REG) &&
	             (uint64_t)item->src_st.st_blocks * 512 < (uint64_t)item->src_st.st_size;
	const char *offload = moved[ZC_ROUTE_CFR] > 0 ? "yes" : item->total_bytes > 0 ? "no" : "unknown";
	const char *reflink = moved[ZC_ROUTE_REFLINK] > 0 ? "yes"
	                      : item->cfg->reflink == ZC_WHEN_NEVER || item->cfg->sparse == ZC_WHEN_NEVER
	                          ? "no"
	                          : "unsupported";

	if (item->cfg->attributes_only) {
		return;
	}
	if (moved[ZC_ROUTE_REFLINK] > 0) {
		offload = "unknown";
	} else if (item->cfg->reflink == ZC_WHEN_NEVER || item->cfg->sparse != ZC_WHEN_AUTO) {
		offload = "avoided";
	}
	report_say(item->report, ZC_MSG_SAY, "copy offload: %s, reflink: %s, sparse detection: %s", offload,
	           reflink,
	           holes && sparse ? "SEEK_HOLE + zeros"
	           : holes         ? "SEEK_HOLE"
	           : sparse        ? "zeros"
	                           : "no");
}
