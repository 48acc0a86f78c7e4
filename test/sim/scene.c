/*
 * scene.c: a seed's story. Each part is drawn from its own stream, so that overruling one leaves the others
 * as they were: that is what makes shrinking work.
 */
#include "scene.h"

#include <errno.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "zc_config.h"
#include "zcopy/base.h"

#define SIM_NAME(name) #name,
const char *const story_names[STORY_COUNT] = { SIM_STORIES(SIM_NAME) };
const char *const shape_names[SHAPE_COUNT] = { SIM_SHAPES(SIM_NAME) };
const char *const cached_names[CACHED_COUNT] = { SIM_CACHED(SIM_NAME) };

struct world world;

enum stream {
	STREAM_STORY,
	STREAM_SIZE,
	STREAM_OPTIONS,
	STREAM_FAULTS,
	STREAM_TIMES,
	STREAM_DISK,
	STREAM_TREE,
	STREAM_RUN,
	STREAM_CACHE
};

static uint64_t stream_of(const struct scene *scene, enum stream stream)
{
	return rng_mix(scene->seed * 64 + stream);
}

#define PICK(rng, ...)                                                                                       \
	((const char *const[]){                                                                              \
	    __VA_ARGS__ }[rng_below(rng, ZC_ARRAY_LEN(((const char *const[]){ __VA_ARGS__ })))])

/* ---- what */

static void draw_cache(struct scene *scene)
{
	uint64_t rng = stream_of(scene, STREAM_CACHE);
	uint64_t dice = rng_below(&rng, 5);

	scene->cold = dice < 2 ? COLD_NOTHING : dice < 4 ? COLD_SOME : COLD_REFUSED;
}

static void draw_shape(struct scene *scene)
{
	static const unsigned sizes[] = { 5000, 70000, 300000, 1000000, 3000000 };
	uint64_t rng = stream_of(scene, STREAM_SIZE);
	uint64_t dice = rng_below(&rng, 16);

	scene->shape = dice < 4    ? SHAPE_file
	               : dice < 6  ? SHAPE_many
	               : dice < 14 ? SHAPE_tree
	               : dice < 15 ? SHAPE_stdin
	                           : SHAPE_stdout;
	scene->files = 1;
	scene->max_bytes = sizes[rng_below(&rng, 5)];
	if (scene->shape == SHAPE_many) {
		scene->files = 1 + (unsigned)rng_below(&rng, 12);
	} else if (scene->shape == SHAPE_tree) {
		scene->files = 20 + (unsigned)rng_below(&rng, 120);
		scene->max_bytes = sizes[rng_below(&rng, 4)];
	} else if (rng_chance(&rng, 3)) {
		scene->max_bytes = 4000000 + (unsigned)rng_below(&rng, 6000000);
	}
	if (scene->shape == SHAPE_file &&
	    (rng_chance(&rng, 3) ||
	     ((scene->story == STORY_cut || scene->story == STORY_kill) && rng_chance(&rng, 2)))) {
		scene->max_bytes = RESUME_BYTES + (unsigned)rng_below(&rng, RESUME_BYTES / 4);
		scene->resume = true; /* only files as large as that have a journal */
	}
	scene->replace = rng_chance(&rng, 2);
	scene->plain_threads = rng_chance(&rng, 5);
}

/* ---- how */

static void add(struct scene *scene, const char *format, ...) __attribute__((format(printf, 2, 3)));
static void add(struct scene *scene, const char *format, ...)
{
	size_t len = strlen(scene->options);
	va_list args;

	if (len != 0) {
		scene->options[len++] = ' ';
	}
	va_start(args, format);
	vsnprintf(scene->options + len, sizeof(scene->options) - len, format, args);
	va_end(args);
}

static void draw_way(struct scene *scene, uint64_t *rng)
{
	bool ring = ZC_HAVE_URING && (scene->story == STORY_ring || rng_chance(rng, 3));

	if (scene->story != STORY_ring && scene->story != STORY_change && rng_chance(rng, 4)) {
		return; /* as it comes: in trees the short way, for one file what the kernel has */
	}
	if (ring) {
		add(scene, "--engine=uring");
	} else if (rng_chance(rng, 4)) {
		add(scene, "--engine=sync");
	} else if (rng_chance(rng, 3)) {
		add(scene, "--route=%s",
		    PICK(rng, "buffer", "buffer", "cfr", "sendfile", "splice", "reflink"));
	}
	if (rng_chance(rng, 2) || scene->story == STORY_ring || scene->story == STORY_change) {
		add(scene, "--block-size=%s", PICK(rng, "4K", "4K", "8K", "16K", "64K", "256K"));
	}
	if (rng_chance(rng, 2) || scene->story == STORY_ring) {
		add(scene, "--queue-depth=%s", PICK(rng, "1", "2", "3", "8", "16", "32"));
	}
	if (rng_chance(rng, 3)) {
		add(scene, "--jobs=%s", PICK(rng, "1", "2", "4", "7"));
	}
	if (rng_chance(rng, 8)) {
		add(scene, "--direct=%s", PICK(rng, "always", "never", "auto"));
	}
	if (rng_chance(rng, 6)) {
		add(scene, "--cache=drop");
	}
	if (rng_chance(rng, 6)) {
		add(scene, "--hugepages=never");
	}
}

/* An interruption in the middle of a large file, then another one perhaps, and what somebody does meanwhile.
 */
static void draw_resume(struct scene *scene, uint64_t *rng)
{
	bool verify = rng_chance(rng, 3);

	add(scene, "--resume%s", verify ? "=verify" : "");
	scene->meanwhile = (unsigned)rng_below(rng, verify ? 4 : 3);
}

static void draw_options(struct scene *scene)
{
	uint64_t rng = stream_of(scene, STREAM_OPTIONS);
	bool verify;

	scene->options[0] = '\0';
	draw_way(scene, &rng);
	if (scene->resume) {
		draw_resume(scene, &rng);
	}
	if (scene->shape == SHAPE_tree) {
		add(scene, "%s -T", PICK(&rng, "-r", "-a", "-a", "-rp"));
	} else if (rng_chance(&rng, 4)) {
		add(scene, "%s", PICK(&rng, "-p", "-a", "--preserve=xattr"));
	}
	if (rng_chance(&rng, 2) || scene->story == STORY_cut) {
		add(scene, "--durability=%s",
		    scene->resume ? PICK(&rng, "data", "full")
		                  : PICK(&rng, "none", "data", "data", "full", "full"));
	}
	verify = scene->story == STORY_lie || rng_chance(&rng, 8);
	if (verify) {
		add(scene, "--verify");
	}
	if (rng_chance(&rng, 8)) {
		const char *kind = PICK(&rng, "sha256", "crc32c", "xxh3");

		if (verify) { /* by itself it is for one file, which it forces through buffers */
			add(scene, "--hash=%s", kind);
		}
	}
	if (rng_chance(&rng, 10) && !scene->resume) {
		add(scene, "--inplace");
	}
	if (rng_chance(&rng, 5)) {
		add(scene, "--sparse=%s", PICK(&rng, "always", "never", "auto"));
	}
	if (rng_chance(&rng, 6)) {
		add(scene, "--reflink=%s", PICK(&rng, "never", "auto", "always"));
	}
	if (rng_chance(&rng, 4)) {
		add(scene, "--on-change=%s", PICK(&rng, "retry", "warn", "fail"));
	}
	if (scene->story == STORY_fault && rng_chance(&rng, 6)) {
		add(scene, "--on-read-error=%s", PICK(&rng, "zero", "skip"));
	}
	if (scene->replace && rng_chance(&rng, 8) && strstr(scene->options, "--inplace") == NULL) {
		add(scene, "--backup=%s", PICK(&rng, "simple", "numbered"));
	}
	if (rng_chance(&rng, 8)) {
		add(scene, "%s",
		    PICK(&rng, "--progress=json", "--explain", "--stats", "--report=/tmp/r",
		         "--manifest=/tmp/m", "-v"));
	}
	if ((scene->story == STORY_clean || scene->story == STORY_fault || scene->story == STORY_signal) &&
	    scene->shape < SHAPE_stdin && !scene->resume && rng_chance(&rng, 6)) {
		snprintf(scene->options, sizeof(scene->options), "as-cp%s",
		         scene->shape == SHAPE_tree ? PICK(&rng, " -r -T", " -a -T")
		                                    : PICK(&rng, "", " -p", " -a"));
	}
}

/* ---- what goes wrong */

static uint32_t draw_nth(uint64_t *rng)
{
	return 1 + (uint32_t)rng_below(rng, 1u << rng_below(rng, 8));
}

static void draw_faults(struct scene *scene, uint64_t *rng)
{
	struct fault faults[FAULT_MAX];
	uint32_t count = 1 + (uint32_t)rng_below(rng, 6);

	for (uint32_t i = 0; i < count; i++) {
		struct fault *fault = &faults[i];
		bool moves;

		*fault = (struct fault){ .kind = FAULT_ERRNO,
			                 .at = draw_nth(rng),
			                 .for_good = rng_chance(rng, 6) };
		fault->call = (enum call)rng_below(rng, CALL_COUNT);
		if (rng_chance(rng, 2)) { /* where the bytes are */
			static const enum call busy[] = {
				CALL_pread,           CALL_pwrite,      CALL_read,
				CALL_write,           CALL_sqe_read,    CALL_sqe_write,
				CALL_copy_file_range, CALL_sendfile,    CALL_splice,
				CALL_openat,          CALL_linkat,      CALL_renameat,
				CALL_fdatasync,       CALL_syncfs,      CALL_fsync,
				CALL_close,           CALL_ring_submit, CALL_ring_wait,
				CALL_preadv2
			};

			fault->call = busy[rng_below(rng, ZC_ARRAY_LEN(busy))];
		}
		moves = fault->call >= CALL_pread && fault->call <= CALL_splice;
		moves |= fault->call == CALL_sqe_read || fault->call == CALL_sqe_write;
		if (fault->call == CALL_fdatasync || fault->call == CALL_fsync ||
		    fault->call == CALL_syncfs) {
			fault->at =
			    1 + (uint32_t)rng_below(rng, scene->files < 4 ? 1 : 4); /* there are few */
		}
		if (fault->call == CALL_preadv2) {
			fault->at = 1 + (uint32_t)rng_below(rng, 4); /* after a refusal there are no more */
		}
		fault->value = plan_errno((uint32_t)rng_below(rng, plan_errno_count()));
		fault->for_good &= fault->value != EINTR; /* a signal ends */
		if (moves && (scene->shape == SHAPE_stdin || scene->shape == SHAPE_stdout)) {
			fault->for_good &= fault->value != EAGAIN; /* so does a wait for the other side */
		}
		if (moves && rng_chance(rng, 2)) {
			static const int shorts[] = { 0, 1, 511, 512 }; /* and one less than asked */

			fault->kind = rng_chance(rng, 5) ? FAULT_SHORT_END : FAULT_SHORT;
			/* a plain read of 0 is the end of the file, whatever its size says */
			fault->value = shorts[rng_below(rng, 4)];
			if (fault->value == 0 && (fault->call == CALL_pread || fault->call == CALL_read ||
			                          fault->call == CALL_splice)) {
				fault->value = 1;
			}
			fault->value =
			    fault->for_good && fault->value == 1 ? 511 : fault->value; /* it has to end */
			fault->value = fault->kind == FAULT_SHORT ? fault->value : 0;
		}
	}
	if (strstr(scene->options, "--on-read-error") != NULL) {
		static const enum call reads[] = { CALL_pread, CALL_read, CALL_sqe_read };

		for (unsigned i = 0; i < 3; i++) {
			faults[count++] = (struct fault){
				.call = reads[i], .kind = FAULT_ERRNO, .at = draw_nth(rng), .value = EIO
			};
		}
	}
	if (scene->shape == SHAPE_tree && scene->cold != COLD_NOTHING) { /* the rest of what was not cached */
		faults[count++] = (struct fault){ .call = CALL_pread,
			                          .kind = rng_chance(rng, 2) ? FAULT_SHORT_END : FAULT_SHORT,
			                          .at = draw_nth(rng),
			                          .value = 511 };
		if (rng_chance(rng, 4)) {
			faults[count++] = (struct fault){ .call = CALL_preadv2,
				                          .kind = FAULT_ERRNO,
				                          .at = 1 + (uint32_t)rng_below(rng, 4),
				                          .value = plan_errno(
							      (uint32_t)rng_below(rng, plan_errno_count())) };
		}
	}
	plan_print(faults, count, scene->faults, sizeof(scene->faults));
}

static void draw_ring_faults(struct scene *scene, uint64_t *rng)
{
	static const enum fault_kind kinds[] = { FAULT_STALE, FAULT_DUPLICATE, FAULT_LONG,
		                                 FAULT_STUCK, FAULT_MISSING,   FAULT_DELAY,
		                                 FAULT_FEWER, FAULT_ERRNO,     FAULT_SHORT };
	struct fault faults[FAULT_MAX];
	uint32_t count = 1 + (uint32_t)rng_below(rng, 3);

	for (uint32_t i = 0; i < count; i++) {
		struct fault *fault = &faults[i];

		*fault = (struct fault){ .call = rng_chance(rng, 2) ? CALL_sqe_read : CALL_sqe_write,
			                 .at = draw_nth(rng) };
		fault->kind = kinds[rng_below(rng, ZC_ARRAY_LEN(kinds))];
		fault->value = fault->kind == FAULT_ERRNO ? plan_errno((uint32_t)rng_below(rng, 19)) : 1;
		if (fault->kind == FAULT_FEWER || (fault->kind == FAULT_ERRNO && rng_chance(rng, 2))) {
			fault->call = fault->kind == FAULT_FEWER || rng_chance(rng, 2) ? CALL_ring_submit
			                                                               : CALL_ring_wait;
		}
	}
	plan_print(faults, count, scene->faults, sizeof(scene->faults));
}

static void draw_lies(struct scene *scene, uint64_t *rng)
{
	static const enum call calls[] = { CALL_pwrite,          CALL_write,    CALL_sqe_write,
		                           CALL_copy_file_range, CALL_sendfile, CALL_splice };
	struct fault faults[FAULT_MAX];
	uint32_t count = 0;

	for (unsigned i = 0; i < ZC_ARRAY_LEN(calls); i++) {
		uint32_t at = 0;

		for (unsigned k = 0; k < 6; k++) {
			at += 1 + (uint32_t)rng_below(rng, 1u << rng_below(rng, 6));
			faults[count++] = (struct fault){
				.call = calls[i],
				.kind = FAULT_DROP + (enum fault_kind)rng_below(rng, 4),
				.at = at,
			};
		}
	}
	plan_print(faults, count, scene->faults, sizeof(scene->faults));
}

/* About as many calls as such a run makes; beyond it nothing would happen. */
static uint64_t guess_ops(const struct scene *scene)
{
	uint64_t guess = 60 + (uint64_t)scene->files * (scene->shape == SHAPE_tree ? 25 : 40);

	return strstr(scene->options, "=4K") != NULL || strstr(scene->options, "=8K") != NULL
	           ? guess + (uint64_t)scene->files * scene->max_bytes / 2 / 8192
	           : guess;
}

static void draw_times(struct scene *scene)
{
	uint64_t rng = stream_of(scene, STREAM_TIMES);
	uint64_t guess = guess_ops(scene);
	bool stuck = strstr(scene->faults, "stuck") != NULL || strstr(scene->faults, "missing") != NULL;

	if (scene->resume) { /* a call moves at most 64 MiB, a request a block */
		guess = strstr(scene->options, "block-size") != NULL ? 3000 : 110;
	}
	if (scene->story == STORY_kill || scene->story == STORY_cut) {
		scene->crash_at =
		    scene->story == STORY_cut && rng_chance(&rng, 5) ? 0 : 1 + rng_below(&rng, guess);
	}
	if (scene->story == STORY_change) {
		scene->change_at = 1 + rng_below(&rng, 1u << rng_below(&rng, 6));
	}
	if (scene->story == STORY_signal) {
		scene->signal_at = 1 + rng_below(&rng, guess);
		scene->signal_again_at = rng_chance(&rng, 6) ? scene->signal_at + 1 + rng_below(&rng, 40) : 0;
	}
	if (stuck) { /* nobody but the user ends that */
		scene->signal_at = guess * 2 + 500;
		scene->signal_again_at = scene->signal_at + 500;
	}
}

void scene_draw(struct scene *scene, uint64_t seed)
{
	static const enum story stories[] = { STORY_clean,  STORY_fault, STORY_fault,  STORY_fault,
		                              STORY_fault,  STORY_ring,  STORY_ring,   STORY_lie,
		                              STORY_lie,    STORY_lie,   STORY_change, STORY_change,
		                              STORY_signal, STORY_kill,  STORY_kill,   STORY_cut,
		                              STORY_cut };
	uint64_t rng;

	*scene = (struct scene){ .seed = seed };
	rng = stream_of(scene, STREAM_STORY);
	scene->story = stories[rng_below(&rng, ZC_ARRAY_LEN(stories))];
	if (scene->story == STORY_ring && !ZC_HAVE_URING) {
		scene->story = STORY_fault;
	}
	draw_cache(scene);
	draw_shape(scene);
	if (scene->story == STORY_change && scene->shape == SHAPE_stdin) {
		scene->shape = SHAPE_file; /* what comes through a pipe has no versions */
	}
	draw_options(scene);
	rng = stream_of(scene, STREAM_FAULTS);
	snprintf(scene->faults, sizeof(scene->faults), "none");
	if (scene->story == STORY_fault) {
		draw_faults(scene, &rng);
	} else if (scene->story == STORY_ring) {
		draw_ring_faults(scene, &rng);
	} else if (scene->story == STORY_lie) {
		draw_lies(scene, &rng);
	}
	draw_times(scene);
}

void scene_words(const struct scene *scene, char *out, size_t size)
{
	snprintf(
	    out, size,
	    "--seed %llu --story %s --shape %s --files %u --max-bytes %u --replace %d --plain-threads %d "
	    "--cold %d --options '%s' --faults %s --meanwhile %u --crash-at %llu --signal-at %llu "
	    "--signal-again-at %llu --change-at %llu",
	    (unsigned long long)scene->seed, story_names[scene->story], shape_names[scene->shape],
	    scene->files, scene->max_bytes, scene->replace, scene->plain_threads, (int)scene->cold,
	    scene->options, scene->faults, scene->meanwhile, (unsigned long long)scene->crash_at,
	    (unsigned long long)scene->signal_at, (unsigned long long)scene->signal_again_at,
	    (unsigned long long)scene->change_at);
}

/* ---- the disk */

static void build_devs(uint64_t *rng, bool one_dev)
{
	static const uint32_t magics[] = { 0xef53,     0xef53,     0x58465342, 0x9123683e,
		                           0x01021994, 0x794c7630, 0x6969,     0x65735546 };

	for (uint32_t i = 0; i < DEV_MAX; i++) {
		sim->devs[i] = (struct dev){
			.magic = magics[rng_below(rng, ZC_ARRAY_LEN(magics))],
			.tmpfile = !rng_chance(rng, 4),
			.reflink = rng_chance(rng, 4),
			.cfr = !rng_chance(rng, 4),
			.direct = !rng_chance(rng, 4),
			.xattr = !rng_chance(rng, 4),
			.noreplace = !rng_chance(rng, 4),
			.btime = !rng_chance(rng, 4),
			.holes = !rng_chance(rng, 8),
			.align = rng_chance(rng, 2) ? 512 : 4096,
		};
	}
	for (uint32_t i = 0; i < DEV_MAX; i++) {
		sim->devs[i].remote = sim->devs[i].magic == 0x6969 || sim->devs[i].magic == 0x65735546;
	}
	if (one_dev) {
		sim->devs[2] = sim->devs[1];
	}
}

static uint32_t build_dir(uint32_t parent, const char *name, uint32_t dev)
{
	uint32_t ino = disk_new(dev, S_IFDIR | 0755);

	disk_name_set(parent, disk_strdup(name), ino);
	return ino;
}

static uint64_t build_size(uint64_t *rng, unsigned max_bytes)
{
	static const unsigned edges[] = { 0, 1, 511, 512, 4095, 4096, 4097, 65536, 131072, 131073 };
	uint64_t dice = rng_below(rng, 8);
	uint64_t size = rng_below(rng, max_bytes + 1u);

	if (dice == 0) {
		size = edges[rng_below(rng, ZC_ARRAY_LEN(edges))];
	} else if (dice < 4) {
		size = rng_below(rng, size + 1);
	}
	if (max_bytes >= RESUME_BYTES) {
		size = max_bytes - rng_below(rng, 70000);
	}
	return size < max_bytes ? size : max_bytes;
}

/* Bytes that differ from place to place, some pages of zeros, some holes. */
static void build_bytes(uint32_t ino, uint64_t size, uint64_t *rng)
{
	uint64_t words[SIM_PAGE / 8];
	uint64_t salt = rng_next(rng);
	bool sparse = rng_chance(rng, 4);
	bool hole = false;

	for (uint64_t at = 0; at < size; at += SIM_PAGE) {
		uint64_t len = size - at < SIM_PAGE ? size - at : SIM_PAGE;

		hole = sparse && (rng_chance(rng, 6) ? !hole : hole);
		if (hole) {
			continue;
		}
		for (unsigned i = 0; i < SIM_PAGE / 8; i++) {
			words[i] = (salt + at + i) * 0x9e3779b97f4a7c15ull;
		}
		if (rng_chance(rng, 16)) {
			memset(words, 0, sizeof(words));
		}
		disk_write(ino, at, words, (size_t)len, false);
	}
	disk_truncate(ino, size);
}

static void build_attributes(uint32_t ino, uint64_t *rng)
{
	static const mode_t modes[] = { 0644, 0600, 0755, 0444 };
	struct inode *inode = disk_at(ino);

	inode->mode = (inode->mode & S_IFMT) | modes[rng_below(rng, 4)];
	inode->uid = rng_chance(rng, 4) ? 1000 : 0;
	inode->gid = inode->uid;
	inode->mtime.tv_sec -= (time_t)rng_below(rng, 1000000);
	if (sim->devs[inode->dev].xattr && rng_chance(rng, 6)) {
		inode->xattrs[0] = (struct xattr){ .name = "user.colour", .len = 4, .value = "blue" };
		inode->xattr_count = 1;
	}
}

static uint32_t build_file(uint32_t dir, const char *name, uint32_t dev, unsigned max_bytes, uint64_t *rng)
{
	uint32_t ino = disk_new(dev, S_IFREG | 0644);

	disk_name_set(dir, disk_strdup(name), ino);
	build_bytes(ino, build_size(rng, max_bytes), rng);
	build_attributes(ino, rng);
	return ino;
}

static void remember(struct before *list, unsigned *count, uint32_t ino, const char *path)
{
	struct before *before = &list[(*count)++];

	*before = (struct before){ .ino = ino,
		                   .size = disk_at(ino)->size,
		                   .map = disk_copy_map(&disk_at(ino)->now) };
	snprintf(before->path, sizeof(before->path), "%s", path);
}

void scene_remember(uint32_t ino)
{
	if (world.source_count < FILES_MAX) {
		remember(world.sources, &world.source_count, ino, "");
	}
}

static void build_old(const struct scene *scene, uint32_t dir, const char *name, const char *path,
                      uint64_t *rng)
{
	uint32_t ino;

	if (!scene->replace || rng_chance(rng, 2)) {
		return;
	}
	ino = build_file(dir, name, 2, 20000, rng);
	disk_at(ino)->dev = disk_at(dir)->dev;
	remember(world.olds, &world.old_count, ino, path);
}

static void build_other(uint32_t dir, const char *name, uint32_t dev, unsigned kind, uint64_t *rng)
{
	uint32_t ino;

	if (kind == 0) {
		ino = disk_new(dev, S_IFLNK | 0777);
		disk_at(ino)->link = disk_strdup(PICK(rng, "f1", "../nowhere", "/src", "d0/f2"));
	} else if (kind == 1 && world.source_count > 0) {
		ino = world.sources[rng_below(rng, world.source_count)].ino;
	} else {
		ino = disk_new(dev, S_IFIFO | 0640);
	}
	disk_name_set(dir, disk_strdup(name), ino);
}

/* Names in a directory, some of them directories again; the same directories may stand at the destination. */
static void build_tree(const struct scene *scene, uint32_t src, uint32_t dst, const char *path,
                       unsigned *left, unsigned depth, uint64_t *rng)
{
	unsigned count = depth == 0 ? *left : 1 + (unsigned)rng_below(rng, *left);

	for (unsigned i = 0; i<count && * left> 0; i++) {
		char name[64];
		char at[300];
		uint64_t dice = rng_below(rng, 24);

		(*left)--;
		snprintf(name, sizeof(name), "%s%u%s", dice < 3 ? "d" : "f", i,
		         rng_chance(rng, 12) ? " \t\"x" : "");
		snprintf(at, sizeof(at), "%s%s%s", path, *path == '\0' ? "" : "/", name);
		if (dice < 3 && depth < 6) {
			uint32_t below = build_dir(src, name, disk_at(src)->dev);
			uint32_t old =
			    dst != 0 && rng_chance(rng, 2) ? build_dir(dst, name, disk_at(dst)->dev) : 0;

			build_tree(scene, below, old, at, left, depth + 1, rng);
			build_attributes(below, rng);
			disk_at(below)->mode |= 0700;
			count++;
		} else if (dice < 6) {
			build_other(src, name, disk_at(src)->dev, (unsigned)dice % 3, rng);
		} else {
			remember(world.sources, &world.source_count,
			         build_file(src, name, disk_at(src)->dev, scene->max_bytes, rng), "");
			if (dst != 0) {
				build_old(scene, dst, name, at, rng);
			}
		}
	}
}

static void build_pipes(const struct scene *scene)
{
	uint32_t ino = disk_new(0, S_IFIFO | 0600);
	struct pipe *pipe = disk_alloc(sizeof(*pipe));

	pipe->cap = 65536;
	pipe->ring = disk_alloc(pipe->cap);
	disk_at(ino)->pipe = pipe;
	disk_at(ino)->named = true; /* the world outside has it */
	if (scene->shape == SHAPE_stdin) {
		pipe->outside_writes = true;
		disk_at(ino)->parent = world.sources[0].ino;
		sim->stdin_ino = ino;
	} else {
		pipe->outside_reads = true;
		disk_at(ino)->parent = disk_new(0, S_IFREG | 0600);
		disk_at(disk_at(ino)->parent)->named = true;
		sim->stdout_ino = ino;
	}
}

static void argument(const char *text)
{
	world.argv[world.argc++] = disk_strdup(text);
	world.argv[world.argc] = NULL;
}

static void build_files(const struct scene *scene, uint32_t src, uint32_t dst, uint64_t *rng)
{
	char path[300];

	for (unsigned i = 0; i < scene->files; i++) {
		char name[16];

		snprintf(name, sizeof(name), "f%u", i);
		remember(world.sources, &world.source_count, build_file(src, name, 1, scene->max_bytes, rng),
		         "");
		build_old(scene, dst, name, name, rng);
		snprintf(path, sizeof(path), "/src/%s", name);
		argument(scene->shape == SHAPE_stdin ? "-" : path);
	}
	snprintf(path, sizeof(path), "/dst%s", scene->shape == SHAPE_many ? "" : "/f0");
	argument(scene->shape == SHAPE_stdout ? "-" : path);
	world.src_top = src;
}

static bool has(const struct scene *scene, const char *option)
{
	return strstr(scene->options, option) != NULL;
}

static void build_argv(const struct scene *scene)
{
	char copy[OPTIONS_BYTES];
	char *save = NULL;

	world.gnu = has(scene, "as-cp");
	argument(world.gnu ? "cp" : "zcopy");
	snprintf(copy, sizeof(copy), "%s", scene->options);
	for (char *word = strtok_r(copy, " ", &save); word != NULL; word = strtok_r(NULL, " ", &save)) {
		if (strcmp(word, "as-cp") != 0) {
			argument(word);
		}
	}
	world.inplace = has(scene, "--inplace") || world.gnu;
	world.backup = has(scene, "--backup");
	world.resume = has(scene, "--resume");
	world.reads_on = has(scene, "--on-read-error");
	world.verify = has(scene, "--verify");
	for (int i = 1; i < world.argc; i++) {
		world.keeps_links |= strcmp(world.argv[i], "-a") == 0;
		world.keeps_attributes |=
		    strcmp(world.argv[i], "-p") == 0 || strcmp(world.argv[i], "-rp") == 0;
	}
	world.keeps_attributes = (world.keeps_attributes || world.keeps_links) && scene->shape != SHAPE_stdin;
	world.durability = has(scene, "=full")             ? 2
	                   : has(scene, "=data")           ? 1
	                   : has(scene, "durability=none") ? 0
	                                                   : -1;
	world.durability = world.resume && world.durability < 0 ? 1 : world.durability;
	world.forced = has(scene, "--engine=uring") || has(scene, "--route=") ||
	               has(scene, "--direct=always") || has(scene, "--reflink=always");
}

/* One of the larger sources: one that is read in several pieces. */
static uint32_t build_changing(uint64_t *rng)
{
	const struct before *best = &world.sources[rng_below(rng, world.source_count)];

	for (unsigned i = 0; i < 4; i++) {
		const struct before *other = &world.sources[rng_below(rng, world.source_count)];

		best = other->size > best->size ? other : best;
	}
	return best->ino;
}

static void build_plan(const struct scene *scene)
{
	uint64_t rng = stream_of(scene, STREAM_RUN);

	sim->rng = rng_next(&rng);
	sim->switch_chance = scene->plain_threads ? 0 : 1u << rng_below(&rng, 6);
	sim->cpus = 1 + (uint32_t)rng_below(&rng, 4);
	sim->fd_limit = rng_chance(&rng, 4) ? 40 + (uint32_t)rng_below(&rng, 60) : 1024;
	sim->strict_names = rng_chance(&rng, 2);
	sim->umask = 022;
	sim->trace = scene->trace;
	if (!plan_parse(scene->faults, sim->faults, &sim->fault_count)) {
		sim_lost("not a list of faults: %s", scene->faults);
	}
	sim->crash_at = scene->crash_at;
	sim->change_at = scene->change_at;
	sim->change_how = (uint32_t)rng_below(&rng, 4);
	sim->change_ino = scene->change_at != 0 && world.source_count != 0 ? build_changing(&rng) : 0;
	sim->signals[0].at = scene->signal_at;
	sim->signals[0].number = scene->signal_at == 0 ? 0 : rng_chance(&rng, 2) ? SIGTERM : SIGINT;
	sim->signals[1].at = scene->signal_again_at;
	sim->signals[1].number = scene->signal_again_at == 0 ? 0 : SIGINT;
	sim->cold = scene->cold;
	sim->cold_salt = rng_next(&rng);
}

void scene_build(const struct scene *scene)
{
	uint64_t rng = stream_of(scene, STREAM_DISK);
	uint64_t tree_rng = stream_of(scene, STREAM_TREE);
	bool one_dev = rng_chance(&rng, 2);
	uint32_t src;
	uint32_t dst;

	disk_reset();
	memset(&world, 0, sizeof(world));
	sim->now_ns = 1000000000;
	build_devs(&rng, one_dev);
	sim->root = sim->cwd = disk_new(0, S_IFDIR | 0755);
	disk_at(sim->root)->named = true;
	disk_name_set(build_dir(sim->root, "dev", 0), "null", disk_new(0, S_IFCHR | 0666));
	build_dir(sim->root, "tmp", 0);
	build_dir(sim->root, "state", 0);
	src = build_dir(sim->root, "src", 1);
	dst = build_dir(sim->root, "dst", one_dev ? 1 : 2);
	sim->dst_dir = dst;
	build_argv(scene);
	if (scene->shape == SHAPE_tree) {
		unsigned left = scene->files;

		world.src_top = build_dir(src, "t", 1);
		build_tree(scene, world.src_top, scene->replace ? build_dir(dst, "t", disk_at(dst)->dev) : 0,
		           "t", &left, 0, &tree_rng);
		argument("/src/t");
		argument("/dst/t");
	} else {
		build_files(scene, src, dst, &tree_rng);
	}
	if (scene->shape == SHAPE_stdin || scene->shape == SHAPE_stdout) {
		build_pipes(scene);
	}
	disk_settle();
	sim->now_ns += 1000000000;
	build_plan(scene);
}
