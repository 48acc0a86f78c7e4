/*
 * check.c: what must hold. The source is the model: a destination is byte for byte the source as it was at
 * one moment, or what it was before; nothing else has a name.
 */
#include "scene.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "zcopy/base.h"

/* commit.c */
void commit_temp_name(char out[64], const char *name, unsigned attempt);

#define WHY_BYTES 600

struct check {
	const struct scene *scene;
	enum moment moment;
	bool complete; /* the run said that all is well */
	struct tally *tally;
	char *why;
	uint32_t dst_of[FILES_MAX]; /* hard links: where the source's inode went */
	uint32_t src_of[FILES_MAX];
	unsigned links;
};

static bool wrong(struct check *check, const char *path, const char *what)
{
	static const char *const moments[] = { "after the run", "after kill -9", "after the power cut",
		                               "after exit 0 and a power cut", "after the second run" };

	snprintf(check->why, WHY_BYTES, "%s: %s (%s)", path, what, moments[check->moment]);
	return false;
}

/* ---- bytes */

static bool same_bytes(const struct fmap *a, uint64_t a_size, const struct fmap *b, uint64_t b_size,
                       uint64_t *ret_at)
{
	uint64_t size = a_size < b_size ? a_size : b_size;

	for (uint64_t at = 0; at < size; at += SIM_PAGE) {
		size_t len = size - at < SIM_PAGE ? (size_t)(size - at) : SIM_PAGE;
		const uint8_t *x = disk_page(a, at / SIM_PAGE);
		const uint8_t *y = disk_page(b, at / SIM_PAGE);

		*ret_at = at;
		if (x != y && memcmp(x, y, len) != 0) {
			return false;
		}
	}
	*ret_at = size;
	return a_size == b_size;
}

/* The source as it was before the run, or as it is now (it changes once at most). */
static bool is_source(uint32_t src, uint32_t dst, bool stored, bool now, uint64_t *ret_at)
{
	const struct inode *to = disk_at(dst);
	const struct fmap *map = stored ? &to->disk : &to->now;

	for (unsigned i = 0; i < world.source_count && !now; i++) {
		const struct before *source = &world.sources[i];

		if (source->ino == src && same_bytes(&source->map, source->size, map, to->size, ret_at)) {
			return true;
		}
	}
	return same_bytes(&disk_at(src)->now, disk_at(src)->size, map, to->size, ret_at);
}

static const struct before *old_of(const char *path)
{
	for (unsigned i = 0; i < world.old_count; i++) {
		if (strcmp(world.olds[i].path, path) == 0) {
			return &world.olds[i];
		}
	}
	return NULL;
}

/* What could not be read is zeros, or what stood there before. */
static bool is_patched(uint32_t src, uint32_t dst, const struct before *old)
{
	const struct inode *to = disk_at(dst);

	for (uint64_t at = 0; at < to->size; at += SIM_SECTOR) {
		size_t in = (size_t)(at % SIM_PAGE);
		size_t len = to->size - at < SIM_SECTOR ? (size_t)(to->size - at) : SIM_SECTOR;
		const uint8_t *now = disk_page(&to->now, at / SIM_PAGE) + in;
		static const uint8_t zeros[SIM_SECTOR];

		if (memcmp(now, disk_page(&disk_at(src)->now, at / SIM_PAGE) + in, len) != 0 &&
		    memcmp(now, zeros, len) != 0 &&
		    (old == NULL || memcmp(now, disk_page(&old->map, at / SIM_PAGE) + in, len) != 0)) {
			return false;
		}
	}
	return to->size == disk_at(src)->size;
}

/* May this destination be neither old nor new? */
static bool may_be_mixed(const struct check *check, uint32_t src, bool replaced)
{
	bool cut = check->moment == AFTER_CUT || check->moment == AFTER_CUT_DONE;
	int durability = world.durability;

	if (world.inplace && (replaced || world.gnu)) {
		return !check->complete || (cut && durability <= 0);
	}
	if (check->scene->change_at != 0 && sim->change_ino == 0 && !check->complete && sim->status == 3 &&
	    strstr(check->scene->options, "on-change=fail") == NULL) {
		return disk_at(src)->mtime.tv_sec >=
		       1700000000 + 2; /* this one changed: published as it was read, and said */
	}
	return cut && (durability == 0 || (durability == -1 && !replaced));
}

static bool check_file(struct check *check, uint32_t src, uint32_t dst, const char *path)
{
	const struct before *old = old_of(path);
	uint64_t at = 0;
	uint64_t unused;
	char text[80];

	check->tally->files_compared++;
	if (check->complete && check->moment != AFTER_CUT_DONE &&
	    is_source(src, dst, world.verify, check->moment == AFTER_RERUN && check->scene->meanwhile != 0,
	              &at)) {
		check->tally->became_new++;
		return true;
	}
	if (!check->complete || check->moment == AFTER_CUT_DONE) {
		bool must_be_new = check->moment == AFTER_CUT_DONE && world.durability == 2;

		if (is_source(src, dst, false, false, &at)) {
			check->tally->became_new++;
			return true;
		}
		if (!must_be_new && old != NULL &&
		    same_bytes(&old->map, old->size, &disk_at(dst)->now, disk_at(dst)->size, &unused)) {
			check->tally->kept_old++;
			return true;
		}
		if (may_be_mixed(check, src, old != NULL) ||
		    (world.reads_on && !check->complete && is_patched(src, dst, old))) {
			return true;
		}
	}
	snprintf(text, sizeof(text), "is %s, from byte %llu on (%llu of %llu)",
	         check->complete ? "not the source" : "neither old nor new", (unsigned long long)at,
	         (unsigned long long)disk_at(dst)->size, (unsigned long long)disk_at(src)->size);
	return wrong(check, path, text);
}

/* ---- attributes and links, when all is said to be well */

static bool check_attributes(struct check *check, uint32_t src, uint32_t dst, const char *path)
{
	const struct inode *a = disk_at(src);
	const struct inode *b = disk_at(dst);

	if (!check->complete || !world.keeps_attributes || check->moment == AFTER_CUT_DONE ||
	    S_ISLNK(a->mode) || check->scene->change_at != 0) {
		return true;
	}
	if ((a->mode & 07777) != (b->mode & 07777)) {
		return wrong(check, path, "has another mode");
	}
	if (a->uid != b->uid || a->gid != b->gid) {
		return wrong(check, path, "has another owner");
	}
	if (a->mtime.tv_sec != b->mtime.tv_sec || a->mtime.tv_nsec != b->mtime.tv_nsec) {
		return wrong(check, path, "has another time");
	}
	return true;
}

static bool check_links(struct check *check, uint32_t src, uint32_t dst, const char *path)
{
	if (!check->complete || !world.keeps_links || check->scene->shape != SHAPE_tree ||
	    disk_at(src)->nlink < 2 || check->moment == AFTER_CUT_DONE || check->scene->change_at != 0) {
		return true;
	}
	for (unsigned i = 0; i < check->links; i++) {
		if (check->src_of[i] == src) {
			return check->dst_of[i] == dst ||
			       wrong(check, path, "is not the same file as its hard link");
		}
	}
	check->src_of[check->links] = src;
	check->dst_of[check->links++] = dst;
	return true;
}

/* ---- names */

static bool is_temporary(const char *name)
{
	return strncmp(name, ".zcopy-", 7) == 0;
}

static bool check_tree(struct check *check, uint32_t src, uint32_t dst, const char *path);

static bool check_kind(struct check *check, uint32_t src, uint32_t dst, const char *path)
{
	const struct inode *a = disk_at(src);
	const struct inode *b = disk_at(dst);

	if ((a->mode & S_IFMT) != (b->mode & S_IFMT)) {
		return wrong(check, path, "is of another kind");
	}
	if (S_ISLNK(a->mode) && (b->link == NULL || strcmp(a->link, b->link) != 0)) {
		return wrong(check, path, "is another symlink");
	}
	if (S_ISDIR(a->mode) && !check_tree(check, src, dst, path)) {
		return false;
	}
	if (S_ISREG(a->mode) && (!check_file(check, src, dst, path) || !check_links(check, src, dst, path))) {
		return false;
	}
	return check_attributes(check, src, dst, path);
}

/* After exit 0 and a power cut. */
static bool must_be_there(const struct check *check)
{
	(void)check;
	return world.durability == 2;
}

/* The old file has another name now. */
static bool check_backup(struct check *check, uint32_t dst_dir, const char *name, const char *path)
{
	const struct before *old = old_of(path);
	char other[300];
	uint64_t at;
	uint32_t ino;

	if (!world.backup || old == NULL || check->moment != AFTER_RUN || !check->complete) {
		return true;
	}
	snprintf(other, sizeof(other), "%s%s", name,
	         strstr(check->scene->options, "=numbered") ? ".~1~" : "~");
	ino = disk_find(dst_dir, other);
	return (ino != 0 && same_bytes(&old->map, old->size, &disk_at(ino)->now, disk_at(ino)->size, &at)) ||
	       wrong(check, path, "has no backup");
}

static bool check_name(struct check *check, uint32_t src, uint32_t dst_dir, const char *name,
                       const char *path)
{
	uint32_t dst = dst_dir == 0 ? 0 : disk_find(dst_dir, name);
	bool must = check->complete && (check->moment != AFTER_CUT_DONE || must_be_there(check));

	if (dst != 0) {
		return check_backup(check, dst_dir, name, path) && check_kind(check, src, dst, path);
	}
	if (S_ISREG(disk_at(src)->mode) && old_of(path) != NULL && !world.gnu) {
		return wrong(check, path, "existed and is gone");
	}
	if (must) {
		return wrong(check, path, "is missing");
	}
	check->tally->stayed_absent++;
	return true;
}

/* A temporary of a killed run is met again by who makes the same file; not when the name becomes a hard link
 * to what another name was copied to first. */
static bool is_of_link(uint32_t src, const char *temporary)
{
	for (uint32_t i = 0; i < disk_at(src)->name_count && world.keeps_links; i++) {
		const struct name *name = &disk_at(src)->names[i];
		char text[64];

		if (name->text == NULL || !S_ISREG(disk_at(name->ino)->mode) ||
		    disk_at(name->ino)->nlink < 2) {
			continue;
		}
		commit_temp_name(text, name->text, 0);
		if (strcmp(text, temporary) == 0) {
			return true;
		}
	}
	return false;
}

/* Nothing but what is to be there. */
static bool check_strangers(struct check *check, uint32_t src, uint32_t dst, const char *path)
{
	bool left = check->moment == AFTER_KILL || check->moment == AFTER_CUT ||
	            check->moment == AFTER_CUT_DONE || sim->name_refused ||
	            (world.resume && !check->complete); /* which is gone on with */

	for (uint32_t i = 0; i < disk_at(dst)->name_count; i++) {
		const struct name *name = &disk_at(dst)->names[i];

		if (name->text == NULL || disk_find(src, name->text) != 0) {
			continue;
		}
		if ((is_temporary(name->text) && (left || is_of_link(src, name->text))) ||
		    (world.backup && name->text[strlen(name->text) - 1] == '~')) {
			continue;
		}
		return wrong(check, name->text,
		             is_temporary(name->text) ? "a temporary is left" : "nobody has asked for that");
	}
	(void)path;
	return true;
}

static bool check_tree(struct check *check, uint32_t src, uint32_t dst, const char *path)
{
	for (uint32_t i = 0; i < disk_at(src)->name_count; i++) {
		const struct name *name = &disk_at(src)->names[i];
		char at[300];

		snprintf(at, sizeof(at), "%.200s/%.90s", path, name->text);
		if (!check_name(check, name->ino, dst, name->text, at)) {
			return false;
		}
	}
	return check_strangers(check, src, dst, path);
}

static bool check_stdout(struct check *check)
{
	uint32_t out = disk_at(sim->stdout_ino)->parent;
	uint64_t at = 0;

	if (check->complete && !is_source(world.sources[0].ino, out, false, false, &at)) {
		return wrong(check, "standard output", "is not the source");
	}
	return true;
}

bool judge_disk(const struct scene *scene, enum moment moment, bool complete, struct tally *tally, char *why)
{
	struct check check = {
		.scene = scene, .moment = moment, .complete = complete, .tally = tally, .why = why
	};
	char name[16];

	for (uint32_t i = 1; i < sim->inode_count && world.verify; i++) {
		if (disk_at(i)->target) {
			disk_writeback(i); /* what storage has is what counts */
		}
	}
	if (scene->shape == SHAPE_tree) {
		return check_name(&check, world.src_top, sim->dst_dir, "t", "t") &&
		       (!disk_find(sim->dst_dir, "t") ||
		        check_strangers(&check, world.src_top, disk_find(sim->dst_dir, "t"), "t"));
	}
	if (scene->shape == SHAPE_stdout) { /* where it went no power is cut */
		return moment == AFTER_CUT_DONE || check_stdout(&check);
	}
	for (unsigned i = 0; i < scene->files; i++) {
		snprintf(name, sizeof(name), "f%u", i);
		if (!check_name(&check, world.sources[i].ino, sim->dst_dir, name, name)) {
			return false;
		}
	}
	return check_strangers(&check, world.src_top, sim->dst_dir, "");
}

/* ---- how it ended */

static bool bad(char *why, const char *what)
{
	snprintf(why, WHY_BYTES, "%s; it said: %.400s", what, sim->text_err);
	return false;
}

/* What has to be got around without a word: less than was asked for, and calls that a signal ended. */
static bool is_harmless(const struct fault *fault)
{
	bool moves = (fault->call >= CALL_pread && fault->call <= CALL_splice) ||
	             fault->call == CALL_sqe_read || fault->call == CALL_sqe_write;

	return fault->call == CALL_preadv2 || /* asks what need not be waited for, no more */
	       fault->kind == FAULT_DELAY || fault->kind == FAULT_FEWER || fault->kind == FAULT_SHORT_END ||
	       (fault->kind == FAULT_SHORT && fault->value != 0) ||
	       (fault->kind == FAULT_ERRNO && fault->value == EINTR && moves);
}

static bool harmed(void)
{
	for (uint32_t i = 0; i < sim->fault_count; i++) {
		if (sim->faults[i].fired != 0 && !is_harmless(&sim->faults[i])) {
			return true;
		}
	}
	return false;
}

/* A file handle that is stale, or an end that is none, looks as if the source had changed. */
static bool seems_changed(void)
{
	for (uint32_t i = 0; i < sim->fault_count; i++) {
		const struct fault *fault = &sim->faults[i];

		if (fault->fired != 0 && ((fault->kind == FAULT_ERRNO && fault->value == ESTALE) ||
		                          (fault->kind == FAULT_SHORT && fault->value == 0))) {
			return true;
		}
	}
	return false;
}

/* Something may be refused for which the run says so and does without. */
static bool check_status(const struct scene *scene, char *why)
{
	/* "=xattr" is what not every disk has */
	bool disturbed = harmed() || strstr(scene->options, "=xattr") != NULL;

	switch (sim->status) {
	case 0:
		return true;
	case 1:
	case 5:
		return disturbed || bad(why, "status 1 or 5, and nothing went wrong");
	case 2:
		return world.forced || (world.verify && scene->shape == SHAPE_stdout) ||
		       bad(why, "status 2, and nothing was forced");
	case 3:
		return scene->change_at != 0 || seems_changed() ||
		       bad(why, "status 3, and no source changed");
	case 4:
		return world.verify && disturbed ? true : bad(why, "status 4, and nobody lied");
	case 9:
		return disturbed || bad(why, "status 9, and nothing unsafe was asked for");
	default:
		return bad(why, "a status that is not documented");
	}
}

static bool check_words(const struct scene *scene, char *why)
{
	const char *line = sim->text_err;
	bool stats = strstr(scene->options, "--stats") != NULL ||
	             strstr(scene->options, "-v") != NULL; /* lines of their own */

	if ((sim->status == 0 && sim->end == END_EXIT) ||
	    sim->text_err_len == TEXT_BYTES - 1) { /* or cut short */
		return true;
	}
	if (sim->end == END_EXIT && *line == '\0') {
		return bad(why, "it failed without a word");
	}
	while (*line != '\0') {
		if (strncmp(line, world.gnu ? "cp: " : "zcopy: ", world.gnu ? 4 : 7) != 0 &&
		    strncmp(line, "Try 'zcopy", 10) != 0 && *line != '{' && !stats) {
			return bad(why, "a message that does not begin with zcopy:");
		}
		line += strcspn(line, "\n");
		line += *line == '\n';
	}
	return true;
}

/* When one errno struck and one file failed with status 1 or 5, its message names that errno. */
static bool check_named(char *why)
{
	const struct fault *only = NULL;

	for (uint32_t i = 0; i < sim->fault_count; i++) {
		if (sim->faults[i].fired != 0) {
			if (only != NULL) {
				return true;
			}
			only = &sim->faults[i];
		}
	}
	if (world.gnu || strstr(sim->text_err, "extended attributes") != NULL ||
	    strstr(sim->text_err, "no memory") != NULL) {
		return true; /* cp has fewer numbers; a disk without attributes was not the fault's doing */
	}
	if (strlen(sim->text_err) + 1 == sizeof(sim->text_err)) {
		return true; /* so much was explained that the rest did not fit */
	}
	if (strstr(sim->text_err, "cannot be remembered") != NULL) {
		return true; /* it struck the list of hard links, which is not in the destination */
	}
	if (sim->end != END_EXIT || (sim->status != 1 && sim->status != 5) || only == NULL ||
	    only->kind != FAULT_ERRNO || only->call == CALL_malloc || only->call == CALL_mmap ||
	    only->call == CALL_thread || only->call == CALL_fcntl) {
		return true;
	}
	if ((only->value == ENOSPC || only->value == EDQUOT || only->value == EFBIG) && sim->status != 5 &&
	    (only->call == CALL_pwrite || only->call == CALL_sqe_write || only->call == CALL_write)) {
		return bad(why, "no space, and the status is not 5");
	}
	/* why a ring broke is in the report */
	return strstr(sim->text_err, strerror(only->value)) != NULL ||
	       strstr(sim->text_err, "no memory") != NULL ||
	       strstr(sim->text_err, "the ring broke") != NULL ||
	       bad(why, "the message does not name the error");
}

static bool check_leaks(char *why)
{
	char text[120];

	if (strstr(sim->text_err, "zcopy: out of memory\n") != NULL) {
		return true; /* before it had begun: the report's file is open */
	}
	if (sim->second_signal || (sim->fd_leaks == 0 && sim->thread_leaks == 0 && sim->ring_leaks == 0 &&
	                           (sim->pool_leaks == 0 || sim->pool_lost))) {
		return true;
	}
	snprintf(text, sizeof(text), "leaks: %u descriptors, %u threads, %u rings, %u buffers", sim->fd_leaks,
	         sim->thread_leaks, sim->ring_leaks, sim->pool_leaks);
	return bad(why, text);
}

bool judge_end(const struct scene *scene, struct tally *tally, char *why)
{
	if (sim->end == END_SIGNAL) {
		tally->ended_by_signal++;
		return (scene->signal_at != 0 || (scene->shape == SHAPE_stdout && sim->status == 13) ||
		        bad(why, "it ended by a signal nobody sent")) &&
		       check_leaks(why);
	}
	if (sim->status >= 0 && sim->status < 10) {
		tally->statuses[sim->status]++;
	}
	return check_status(scene, why) && check_words(scene, why) && check_named(why) && check_leaks(why);
}
