/*
 * item.c: one item from where both sides are known to its end, and what is said about it.
 */
#include "item.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "check.h"
#include "links.h"
#include "peer.h"
#include "rescue.h"
#include "resume.h"
#include "tee.h"
#include "tree.h"
#include "words.h"

const char *item_text(struct item *item, enum zc_side side)
{
	char **path = side == ZC_SIDE_DST ? &item->dst_path : &item->src_path;
	const char *root;

	if (item->node == NULL) {
		return side == ZC_SIDE_DST ? item->dst_text : item->src_uri.text;
	}
	if (*path == NULL) {
		root = side == ZC_SIDE_DST ? item->tree->dst_text : item->tree->src_text;
		*path = node_path(item->node, root, item->from.name);
	}
	return *path != NULL ? *path : item->from.name;
}

int item_fail(struct item *item, enum zc_side side, int status, const char *op, int code, const char *what,
              const char *hint)
{
	struct zc_err err = { .code = code, .side = side, .op = op, .off_bytes = ZC_OFF_NONE };
	const char *gnu = item->report->gnu ? words_gnu(what) : NULL;

	if (code == -ECANCELED && zc_stopped()) {
		return code; /* the user knows */
	}
	if (gnu != NULL) {
		report_status(item->report, ZC_STATUS_SOME_FAILED);
		report_error(item->report, item_text(item, side), &err);
		report_gnu(item->report, gnu, item_text(item, ZC_SIDE_SRC), item_text(item, ZC_SIDE_DST),
		           words_has_reason(what) ? code : 0);
	} else {
		report_fail(item->report, status, item_text(item, side), &err, what, hint);
	}
	return code == 0 ? -EINVAL : code;
}

int item_skip(struct item *item)
{
	item->report->items.skipped++;
	return ITEM_SKIP;
}

int item_follow(struct item *item, const char **ret_refused)
{
	int res = target_follow_link(&item->target, &item->target_link, ret_refused);

	if (!item->report->gnu || res >= 0) {
		return res;
	}
	if (res == -ENOENT) {
		item->target.exists = false;
		return 0;
	}
	return res == -ELOOP && item->cfg->force ? 0 : res; /* it cannot be opened, and is removed then */
}

void item_unfollow(struct item *item)
{
	if (item->target_link != NULL) {
		target_close(&item->target);
		item->target = *item->target_link;
		free(item->target_link);
		item->target_link = NULL;
	}
}

static void item_drop_link(struct target **link)
{
	if (*link != NULL) {
		target_close(*link);
		free(*link);
		*link = NULL;
	}
}

void item_forget_from(struct item *item)
{
	target_close(&item->from);
	item_drop_link(&item->from_link);
	item->has_from = false;
}

void item_name_heir(struct item *item)
{
	item->target.has_heir = (item->cfg->preserve & ZC_PRESERVE_OWNER) != 0;
	item->target.heir_uid = item->src_st.st_uid;
}

const char *item_dest_name(const struct item *item)
{
	if (item->below != NULL) {
		return item->below;
	}
	return item->target_link != NULL ? item->target_link->name : item->target.name;
}

/* In quotes: the shell's, or plain ones. */
static const char *item_quoted(const struct item *item, char out[1200], const char *text)
{
	char plain[1197];

	if (item->report->gnu) {
		return zc_quote_shell(out, 1200, text);
	}
	snprintf(out, 1200, "'%s'", zc_quote(plain, sizeof(plain), text));
	return out;
}

/* cp says it when the copy has begun, with what became of the old file; and calls stdout by its name. */
void item_say(struct item *item)
{
	char *backup = item->backup == NULL ? NULL : backup_path(item);
	char quoted[3][1200];

	item_quoted(item, quoted[0], item_text(item, ZC_SIDE_SRC));
	item_quoted(item, quoted[1], item_text(item, ZC_SIDE_DST));
	report_say(item->report, ZC_MSG_SAY, "%s -> %s%s%s%s", quoted[0], quoted[1],
	           backup != NULL ? " (backup: " : "",
	           backup != NULL ? item_quoted(item, quoted[2], backup) : "", backup != NULL ? ")" : "");
	free(backup);
	if (!item->report->gnu && item->cfg->verbose && item->has_target && item->target.exists &&
	    item->target.st.st_nlink > 1 && S_ISREG(item->target.st.st_mode) && !item->cfg->inplace) {
		report_say(item->report, ZC_MSG_SAY, "%s: its other hard links keep the old file",
		           zc_quote(quoted[2], sizeof(quoted[2]), item_text(item, ZC_SIDE_DST)));
	}
}

/* ---- attributes */

struct meta_wish item_meta_wish(const struct item *item)
{
	return (struct meta_wish){
		.preserve = item->cfg->preserve & ~(unsigned)(ZC_PRESERVE_NOT_MODE | ZC_PRESERVE_LINKS),
		.require = item->cfg->require,
		.xattr_hushed = item->cfg->xattr_hushed,
	};
}

static const char *item_meta_word(const struct meta_failure *failure)
{
	switch (failure->what) {
	case META_OWNER:
		return "cannot keep its owner";
	case META_MODE:
		return "cannot keep its mode";
	case META_ACL:
	case META_DEFAULT_ACL:
		return "cannot keep its access control list";
	case META_CONTEXT:
		return "cannot keep its security context";
	case META_TIMES:
		return "cannot keep its times";
	default:
		return "cannot keep its extended attributes";
	}
}

/* cp goes from times to owner to the rest, and at the first of the two that it fails at it stops. */
static bool item_meta_unsaid(const struct item *item, const struct meta_result *result, enum meta_what what)
{
	for (unsigned i = 0; item->report->gnu && i < result->count; i++) {
		enum meta_what first = result->list[i].what;

		if (result->list[i].required && first != what &&
		    (first == META_TIMES || (first == META_OWNER && what != META_TIMES))) {
			return true;
		}
	}
	return false;
}

int item_meta_result(struct item *item, const struct meta_result *result)
{
	int res = 0;

	for (unsigned i = 0; i < result->count; i++) {
		const struct meta_failure *failure = &result->list[i];
		char quoted[300];

		if (item_meta_unsaid(item, result, failure->what)) {
			continue;
		}
		if (failure->required) {
			res = item_fail(item, ZC_SIDE_DST, 0, failure->op, failure->code,
			                item_meta_word(failure),
			                failure->xattr[0] != '\0' ? failure->xattr : NULL);
		} else if (!item->report->gnu) {
			report_say(item->report, ZC_MSG_ERROR, "%s: %s: %s (the copy is good otherwise)",
			           zc_quote(quoted, sizeof(quoted), item_text(item, ZC_SIDE_DST)),
			           item_meta_word(failure), strerror(-failure->code));
		}
	}
	return res;
}

int item_sync_dir(struct item *item, int dir_fd)
{
	uint64_t from = zc_now_ns();
	int res = 0;
	int fd;

	if (item->cfg->durability != ZC_DURABILITY_FULL || item->cfg->dry_run) {
		return 0;
	}
	fd = openat(dir_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC); /* what is held may be O_PATH */
	if (fd < 0 || fsync(fd) < 0) {
		res = -errno;
	}
	if (fd >= 0) {
		close(fd);
	}
	item->report->ns.durable += zc_now_ns() - from;
	return res < 0 ? item_fail(item, ZC_SIDE_DST, 0, "fsync", res, "cannot be made durable", NULL) : 0;
}

/* ---- hard links that are kept */

static enum links_wait item_patience(const struct item *item)
{
	if (item->node == NULL) {
		return LINKS_WAIT_ALL;
	}
	return item->patient ? LINKS_WAIT_SOME : LINKS_WAIT_NOT;
}

/* Why is a hint: as the code of the failure it would speak of the destination. */
static void item_say_apart(struct item *item, int code)
{
	(void)item_fail(item, ZC_SIDE_DST, ZC_STATUS_SOME_FAILED, "linkat", 0,
	                "copied apart from its other names, which cannot be remembered", strerror(-code));
}

/* 0: link_to tells what it becomes a link to, if anything. */
static int item_ask_links(struct item *item)
{
	int code = 0;

	switch (links_ask(item->links, &item->src_st, item_patience(item), &item->link_to, &code)) {
	case LINKS_FIRST:
		item->links_first = true;
		return 0;
	case LINKS_LINK:
		return 0;
	case LINKS_BUSY:
		return ITEM_LATER;
	case LINKS_STOPPED:
		return -ECANCELED;
	default:
		item_say_apart(item, code);
		return 0;
	}
}

/* Who met it first tells the others what became of it. */
static void item_end_links(struct item *item, int res)
{
	char *path = NULL;

	if (!item->links_first) {
		return;
	}
	item->links_first = false;
	if (res == 0) {
		path = item->node != NULL ? node_path(item->node, item->tree->link_root, item->from.name)
		                          : strdup(item->link_path);
	}
	if (path != NULL) {
		links_publish(item->links, &item->src_st, path);
		free(path);
		return;
	}
	links_give_up(item->links, &item->src_st);
	if (res == 0) {
		item_say_apart(item, -ENOMEM);
	}
}

/* ---- a file with data */

/* What the backup is called is known once it is made, which is last of all. */
static bool item_says_late(const struct item *item)
{
	return item->cfg->verbose && !item->report->gnu && item->has_target && item->target.exists &&
	       item->cfg->backup != ZC_BACKUP_NONE;
}

static int item_appear(struct item *item)
{
	int res = sink_name(item);

	if (res == 0) {
		if (item->committing) {
			resume_forget(item);
		}
		check_list(item);
		rescue_tell(item);
		item->report->items.files++;
		item_remember(item);
	}
	return res;
}

int item_finish(struct item *item, int code)
{
	int res = code < 0 ? item_fail(item, ZC_SIDE_DST, 0, "sync", code, "cannot be made durable", NULL)
	                   : item_appear(item);

	item_end_links(item, res);
	if (res == 0 && item_says_late(item)) {
		item_say(item);
	}
	return res;
}

void item_let_go(struct item *item)
{
	(void)zc_end_close(&item->src);
	if (item->old_fd >= 0) {
		close(item->old_fd);
		item->old_fd = -1;
	}
	item->target.dir_fd = -1;
	item->from.dir_fd = -1;
}

static int item_transfer_open(struct item *item)
{
	uint64_t from = zc_now_ns();
	int res = sink_open(item);

	if (res < 0) {
		return res;
	}
	if (item->node == NULL && item->cfg->source_count == 1) { /* of several, others have the sum */
		atomic_store_explicit(&item->progress->total, item->src.shape.size_bytes,
		                      memory_order_relaxed);
	}
	res = check_begin(item);
	if (res == 0) {
		res = rescue_begin(item);
	}
	if (res == 0) {
		res = tee_open(item);
	}
	if (res < 0) {
		return res;
	}
	res = item->cfg->attributes_only ? 0 : copy_item(item);
	item->report->ns.copy += zc_now_ns() - from;
	if (res == 0) {
		item->report->durability = sink_durability_name(item);
		res = sink_complete(item);
	}
	if (res == 0 && item->may_wait && sink_may_wait(item)) {
		return ITEM_WAITS;
	}
	if (res == 0) {
		item->may_wait = false;
		res = sink_sync(item);
	}
	if (res == 0) {
		tee_finish(item);
	}
	return res == 0 ? item_appear(item) : res;
}

int item_transfer(struct item *item)
{
	int res = item_transfer_open(item);

	resume_end(item, res);
	if (res == 0 && item->cfg->debug && item->report->gnu) {
		gnu_debug(item);
	}
	return res;
}

/* What would be written to: for a file one that has no name and is gone when closed. */
static int item_pretend_sink(struct item *item, struct zc_end *ret_end)
{
	const struct target *target = &item->target;
	int fd;
	int res;

	if (item->dst_uri.kind == ZC_END_FD) {
		return zc_end_from_fd(ret_end, item->dst_uri.fd, ZC_DIR_DST, false);
	}
	if (!item->has_target) {
		zc_end_from_synth(ret_end, &item->dst_uri, ZC_DIR_DST);
		return 0;
	}
	if (target->exists && !S_ISREG(target->st.st_mode)) {
		fd = openat(target->dir_fd, target->name, O_PATH | O_CLOEXEC);
	} else {
		fd = openat(target->dir_fd, ".", O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
	}
	if (fd < 0) {
		return -errno;
	}
	res = zc_end_from_fd(ret_end, fd, ZC_DIR_DST, true);
	if (res < 0) {
		close(fd);
	} else if (!target->exists || S_ISREG(target->st.st_mode)) {
		ret_end->shape.caps |= ZC_CAP_FRESH;
	}
	return res;
}

/* With --dry-run the choice is made and explained all the same. */
static int item_pretend(struct item *item)
{
	struct zc_end dst = { 0 };
	struct choice choice;
	const char *why = NULL;
	int res;

	if (!item->cfg->explain || source_is_name_only(item)) {
		return 0;
	}
	if (peer_is(&item->src_uri) || peer_is(&item->dst_uri)) {
		report_say(item->report, ZC_MSG_EXPLAIN, "nobody is called or waited for to try it");
		return 0;
	}
	res = source_open(item);
	if (res < 0) {
		return res;
	}
	if (item_pretend_sink(item, &dst) < 0) {
		report_say(item->report, ZC_MSG_EXPLAIN,
		           "this destination cannot be tried without writing to it");
		return 0;
	}
	(void)choose_clone(item->cfg, &item->src, &dst, item->report);
	res = choose(&choice, item->cfg, &item->src, &dst, item->report, &why);
	(void)zc_end_close(&dst);
	return res < 0 ? item_fail(item, ZC_SIDE_NONE, ZC_STATUS_USAGE, "choose", 0,
	                           "cannot be copied as asked", why)
	               : 0;
}

/* ---- from where both sides are known */

/* One of several names of a file: the first is copied, the others become links to that copy. */
static int item_copy_or_link(struct item *item, int (*copy)(struct item *item))
{
	int res = item->link_to == NULL ? -ENOENT : make_kept_link(item, item->link_to);

	if (res == 0) {
		resume_forget(item); /* an earlier run may have begun with this name */
	}
	/* no more links to that one: a copy of its own */
	return res == -EMLINK || res == -EXDEV || res == -ENOENT ? copy(item) : res;
}

static int item_copy_data(struct item *item)
{
	int res = source_open(item);

	if (res == 0) {
		res = source_ready(item);
	}
	return res < 0 ? res : item_transfer(item);
}

/* A file of several names; or one that symlinks that are followed may lead to again. */
static bool item_is_linked(const struct item *item)
{
	const struct zc_job_cfg *cfg = item->cfg;
	bool again = cfg->deref == ZC_DEREF_ALWAYS || (cfg->deref == ZC_DEREF_OPERANDS && item->node == NULL);

	return item->links != NULL && (item->src_st.st_nlink > 1 || again) && item->has_target &&
	       item->has_from && !cfg->make_hard_links && !cfg->make_symlinks;
}

/* Nothing to copy: the file that is there is the one that other names are linked to. */
static int item_stay(struct item *item)
{
	(void)item_skip(item);
	return 0;
}

static void item_say_skipped(struct item *item, int res)
{
	char quoted[1200];

	if (res == ITEM_SKIP && item->cfg->debug) {
		zc_quote_shell(quoted, sizeof(quoted), item_text(item, ZC_SIDE_DST));
		report_say(item->report, ZC_MSG_SAY, "skipped %s", quoted);
	}
}

static int item_run_gnu(struct item *item, int (*copy)(struct item *item))
{
	int res = gnu_clear(item);

	if (res < 0) {
		return res;
	}
	if (item->cfg->verbose) {
		item_say(item);
	}
	res = item_copy_or_link(item, copy);
	if (res < 0) {
		gnu_undo(item);
	}
	return res;
}

static int item_run_own(struct item *item, int (*copy)(struct item *item))
{
	bool late = item_says_late(item);
	int res;

	if (item->cfg->verbose && !late) {
		item_say(item);
	}
	res = item_copy_or_link(item, copy);
	if (late && res == 0) {
		item_say(item);
	}
	return res;
}

static int item_run_allowed(struct item *item, int (*copy)(struct item *item), bool stays)
{
	int res = item_is_linked(item) ? item_ask_links(item) : 0;

	if (res != 0) {
		return res;
	}
	if (stays) {
		res = item_copy_or_link(item, item_stay);
	} else {
		res = item->report->gnu ? item_run_gnu(item, copy) : item_run_own(item, copy);
	}
	if (res != ITEM_WAITS) {
		item_end_links(item, res);
	}
	return res;
}

int item_run(struct item *item)
{
	int (*copy)(struct item * item) = source_is_name_only(item) ? make_item : item_copy_data;
	int res = item_allowed(item);
	bool stays = res == ITEM_SKIP && item->stays && item_is_linked(item) && !item->cfg->dry_run;

	if (res != 0 && !stays) {
		item_say_skipped(item, res);
		return res;
	}
	if (item->cfg->dry_run) {
		item_say(item);
		return item_pretend(item);
	}
	item->report->items.skipped -= stays; /* it may become a link, or be asked for again later */
	return item_run_allowed(item, copy, stays);
}

void item_close(struct item *item)
{
	item_end_links(item, -ECANCELED); /* its group could not give it a name: others wait for it */
	tee_close(item);
	check_end(item);
	rescue_end(item);
	sink_close(item);
	if (item->has_target) {
		target_close(&item->target);
	}
	if (item->has_from) {
		target_close(&item->from);
	}
	item_drop_link(&item->target_link);
	item_drop_link(&item->from_link);
	(void)zc_end_close(&item->src);
	free(item->src_path);
	free(item->dst_path);
	free(item->backup);
	free(item->filter_root);
	free(item->link_to);
}
