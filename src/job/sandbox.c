/*
 * sandbox.c: what a run may touch, worked out from the command line and handed to the kernel.
 *
 * Readable: the sources, and what describes this process and this machine. Writable: the directory in which a
 * name appears, since a file gets its name there; a tree's own directory; of what is written in place only
 * that. A symlink that is an operand, or stands where a copy of one goes, counts with what it leads to; those
 * within trees do not. Should somebody exchange a name between here and its use, the use fails.
 */
#include "sandbox.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "hash.h"
#include "item.h"
#include "journal.h"
#include "parents.h"
#include "peer.h"

struct sandbox {
	struct zc_confine confine;
	const struct zc_job_cfg *cfg;
	int code; /* of the first rule that could not be made */
};

static void sandbox_allow(struct sandbox *box, int fd, unsigned what)
{
	/* one that was made can be opened: its disk lies open to root. Only trees have them */
	unsigned devices = (what & ZC_ALLOW_WRITE) && box->cfg->recursive ? ZC_ALLOW_DEVICES : 0;
	int res = zc_confine_allow(&box->confine, fd, what | devices);

	if (res < 0 && res != -EBADFD &&
	    box->code == 0) { /* that one: a pipe or memory, which is never refused */
		box->code = res;
	}
}

/* Not there is no failure: it stays out of reach. */
static void sandbox_allow_path(struct sandbox *box, const char *path, int flags, unsigned what)
{
	int fd = openat(AT_FDCWD, path, O_PATH | O_CLOEXEC | flags);

	if (fd >= 0) {
		sandbox_allow(box, fd, what);
		close(fd);
	}
}

static void sandbox_allow_dir_of(struct sandbox *box, const char *path, enum target_link link)
{
	struct target target;
	const char *refused = NULL;

	if (target_open(&target, path, link, &refused) < 0) {
		return;
	}
	if (target.magic) { /* a file that may have no name: itself */
		sandbox_allow_path(box, path, 0, ZC_ALLOW_READ | ZC_ALLOW_WRITE);
	} else if (target.inherited_fd < 0) {
		sandbox_allow(box, target.dir_fd, ZC_ALLOW_READ | ZC_ALLOW_WRITE);
	}
	target_close(&target);
}

/* Written as it is, under the name that it has. */
static bool sandbox_in_place(const struct zc_job_cfg *cfg, const struct stat *st)
{
	if (S_ISDIR(st->st_mode)) { /* a symlink to one may stay */
		return cfg->dest_is_file || cfg->keep_dir_links;
	}
	return cfg->backup == ZC_BACKUP_NONE && !cfg->remove_dest && !cfg->recursive &&
	       (!S_ISREG(st->st_mode) || (cfg->inplace && !cfg->force));
}

/* A file or a directory is to appear, or is, under this path. */
static void sandbox_allow_place(struct sandbox *box, const char *path)
{
	int fd = openat(AT_FDCWD, path, O_PATH | O_CLOEXEC);
	struct stat st;
	bool there = fd >= 0 && fstat(fd, &st) == 0;
	bool in_place = there && sandbox_in_place(box->cfg, &st);

	if (in_place) {
		sandbox_allow(box, fd, ZC_ALLOW_READ | ZC_ALLOW_WRITE);
	}
	if (!in_place || S_ISDIR(st.st_mode)) {
		sandbox_allow_dir_of(box, path, TARGET_KEEP);
	}
	if (!in_place && there && !S_ISDIR(st.st_mode)) {
		sandbox_allow_dir_of(box, path, TARGET_FOLLOW);
	}
	if (fd >= 0) {
		close(fd);
	}
}

static void sandbox_allow_source(struct sandbox *box, const char *text)
{
	const struct zc_job_cfg *cfg = box->cfg;
	const struct item operand = { .cfg = cfg };
	struct zc_uri uri;
	const char *why;

	if (zc_uri_parse(&uri, text, ZC_DIR_SRC, &why) < 0 || uri.kind != ZC_END_PATH) {
		return;
	}
	sandbox_allow_path(box, uri.path, source_follows(&operand) ? 0 : O_NOFOLLOW, ZC_ALLOW_READ);
	if (cfg->make_hard_links) { /* nobody may link to where more is allowed */
		sandbox_allow_path(box, uri.path, O_DIRECTORY, ZC_ALLOW_READ | ZC_ALLOW_WRITE);
		sandbox_allow_dir_of(box, uri.path, TARGET_FOLLOW);
	}
}

/* DEST is a directory: what is there already where an operand goes. */
static void sandbox_allow_inside(struct sandbox *box, const char *source)
{
	const struct zc_job_cfg *cfg = box->cfg;
	size_t len;
	const char *name = target_basename(source, &len);
	char *path;

	if (cfg->parents) {
		len += (size_t)(name - parents_path(source));
		name = parents_path(source);
	}
	if (asprintf(&path, "%s/%.*s", cfg->dest, (int)len, name) >= 0) {
		sandbox_allow_place(box, path);
		free(path);
	}
}

static void sandbox_allow_dest(struct sandbox *box)
{
	const struct zc_job_cfg *cfg = box->cfg;
	struct zc_uri uri;
	const char *why;
	size_t len;
	char *path;
	int fd = -1;

	if (zc_uri_parse(&uri, cfg->dest, ZC_DIR_DST, &why) < 0 || uri.kind != ZC_END_PATH) {
		return;
	}
	if (!cfg->dest_is_file) {
		fd = openat(AT_FDCWD, uri.path, O_PATH | O_DIRECTORY | O_CLOEXEC);
	}
	if (fd >= 0) {
		sandbox_allow(box, fd, ZC_ALLOW_READ | ZC_ALLOW_WRITE);
		for (unsigned i = 0; i < cfg->source_count && cfg->files_from == NULL; i++) {
			sandbox_allow_inside(box, cfg->sources[i]);
		}
		close(fd);
		return;
	}
	len = strlen(uri.path);
	while (len > 1 && uri.path[len - 1] == '/') { /* a directory that is still to be made */
		len--;
	}
	path = strndup(uri.path, len);
	if (path != NULL) {
		sandbox_allow_place(box, path);
		free(path);
	}
}

/* What is opened by a path and is no operand. */
static void sandbox_allow_others(struct sandbox *box)
{
	const struct zc_job_cfg *cfg = box->cfg;
	bool keeps = cfg->resume != ZC_RESUME_OFF || cfg->on_read_error != ZC_ON_READ_ERROR_FAIL;
	char *path;
	int fd;

	sandbox_allow_path(box, "/proc/self", 0, ZC_ALLOW_READ);
	sandbox_allow_path(box, "/sys", 0, ZC_ALLOW_READ);
	if (cfg->deref == ZC_DEREF_ALWAYS && cfg->recursive) { /* links lead anywhere */
		sandbox_allow_path(box, "/", 0, ZC_ALLOW_READ);
	}
	if (cfg->files_from != NULL) {
		sandbox_allow_path(box, cfg->files_from, 0, ZC_ALLOW_READ);
	}
	if (cfg->manifest != NULL) {
		sandbox_allow_dir_of(box, cfg->manifest,
		                     TARGET_FOLLOW); /* replaced, whatever --inplace says */
	}
	fd = journal_open_dir(keeps && !cfg->dry_run, &path); /* any run removes what is out of date there */
	if (fd >= 0) {
		sandbox_allow(box, fd, ZC_ALLOW_READ | ZC_ALLOW_WRITE);
		close(fd);
	}
	free(path);
	fd = journal_open_cache_dir(false, &path); /* what is known of devices */
	if (fd >= 0) {
		sandbox_allow(box, fd, ZC_ALLOW_READ);
		close(fd);
	}
	free(path);
}

/* Libraries that are loaded when they are first asked for: now, or never. */
static void sandbox_load(const struct zc_job_cfg *cfg)
{
	struct hash *hash;

	(void)zc_topo_node_count();
	if ((cfg->verify || cfg->manifest != NULL) && hash_new(&hash, hash_kind(cfg->hash)) == 0) {
		hash_free(hash);
	}
}

static int sandbox_close(struct sandbox *box, struct zc_report *report)
{
	int seccomp;
	int res = zc_confine_enforce(&box->confine, &seccomp);

	if (res < 0) {
		return res;
	}
	report->sandbox.landlock = box->confine.abi;
	report->sandbox.seccomp = seccomp == 0;
	if (box->cfg->explain) {
		report_say(report, ZC_MSG_EXPLAIN,
		           "sandbox: Landlock %u%s: readable %s, /proc/self, /sys; "
		           "writable where the result goes",
		           box->confine.abi, seccomp == 0 ? " and seccomp" : "",
		           box->cfg->deref == ZC_DEREF_ALWAYS && box->cfg->recursive ? "everything (-L)"
		                                                                     : "what is copied");
	}
	return seccomp < 0 ? seccomp : box->code;
}

int sandbox_enter(const struct zc_job_cfg *cfg, const struct peers *peers, struct zc_report *report)
{
	struct sandbox box = { .cfg = cfg };
	struct zc_err err = { .side = ZC_SIDE_NONE, .op = "sandbox", .off_bytes = ZC_OFF_NONE };

	if (cfg->sandbox == ZC_SANDBOX_OFF) {
		return 0;
	}
	err.code = zc_confine_begin(&box.confine);
	if (err.code == 0) {
		sandbox_load(cfg);
		for (unsigned i = 0; i < cfg->source_count; i++) {
			sandbox_allow_source(&box, cfg->sources[i]);
		}
		sandbox_allow_dest(&box);
		sandbox_allow_others(&box);
		box.confine.accepts = peers_listening(peers);
		err.code = sandbox_close(&box, report);
	}
	if (err.code == 0) {
		return 0;
	}
	if (cfg->sandbox == ZC_SANDBOX_REQUIRE) {
		return report_fail(report, ZC_STATUS_USAGE, "--sandbox=require", &err, "cannot be had", NULL);
	}
	zc_fallback_add(&report->fallbacks, "sandbox",
	                report->sandbox.landlock != 0 ? "a part of it" : "none", "landlock, seccomp",
	                err.code);
	return 0;
}
