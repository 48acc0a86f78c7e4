/*
 * scene: what one seed means, each part of it open to being overruled from the command line, and the verdict.
 */
#ifndef ZC_SIM_SCENE_H
#define ZC_SIM_SCENE_H

#include "sim.h"

/* clang-format off */
#define SIM_STORIES(X) \
	X(clean)  /* nothing goes wrong                                      */ \
	X(fault)  /* calls fail, are short, transient or for good            */ \
	X(ring)   /* the ring itself misbehaves                              */ \
	X(lie)    /* the disk says done and has not: --verify has to see it   */ \
	X(change) /* a source changes while it is read                       */ \
	X(signal) /* asked to stop, sometimes twice                          */ \
	X(kill)   /* kill -9, then once more                                 */ \
	X(cut)    /* power cut, then once more                               */
#define SIM_SHAPES(X) X(file) X(many) X(tree) X(stdin) X(stdout)
/* clang-format on */

#define SIM_STORY_ENUM(name) STORY_##name,
#define SIM_SHAPE_ENUM(name) SHAPE_##name,
enum story { SIM_STORIES(SIM_STORY_ENUM) STORY_COUNT };
enum shape { SIM_SHAPES(SIM_SHAPE_ENUM) SHAPE_COUNT };
extern const char *const story_names[STORY_COUNT];
extern const char *const shape_names[SHAPE_COUNT];
extern const char *const cached_names[CACHED_COUNT];

enum {
	OPTIONS_BYTES = 512,
	FILES_MAX = 256,
	RESUME_BYTES = 17 << 20,
};

struct scene {
	uint64_t seed;
	enum story story;
	enum shape shape;
	unsigned files;
	unsigned max_bytes; /* of one file */
	bool resume;        /* one large file, gone on with */
	unsigned meanwhile; /* before it is: 1 its source changes, 2 that and back, 3 what is there of it */
	enum cold cold;
	bool replace;       /* some of the destinations exist */
	bool plain_threads; /* no switch but where a thread has to wait */
	char options[OPTIONS_BYTES];
	char faults[FAULT_TEXT];
	uint64_t crash_at;
	uint64_t signal_at;
	uint64_t signal_again_at;
	uint64_t change_at;
	bool trace;
};

/* What was there before: of sources and destinations. */
struct before {
	uint32_t ino;
	char path[300]; /* of a destination, from the destination's directory */
	uint64_t size;
	struct fmap map;
};

struct world { /* of the seed that runs in this process */
	struct before sources[FILES_MAX];
	unsigned source_count;
	struct before olds[FILES_MAX];
	unsigned old_count;
	uint32_t src_top; /* the directory or file that is copied */
	char *argv[64];
	int argc;
	bool inplace;
	int durability; /* -1 auto, 0 none, 1 data, 2 full */
	bool verify, keeps_attributes, keeps_links, forced, gnu, backup, reads_on, resume;
};

struct tally { /* over many seeds; shared by the workers */
	uint64_t seeds, runs, ops, ring_ops, switches, failures;
	uint64_t stories[STORY_COUNT], shapes[SHAPE_COUNT];
	uint64_t calls[CALL_COUNT];
	uint64_t cached[CACHED_COUNT];
	uint64_t kinds[FAULT_KIND_COUNT];
	uint64_t errnos[40];
	uint64_t statuses[10];
	uint64_t ended_by_signal, ended_twice, killed, cut_midway, cut_after, reruns;
	uint64_t kept_old, became_new, stayed_absent, files_compared;
	uint64_t lies_told, lies_caught;
	uint64_t failed_seeds[64];
	uint64_t next_seed;
	bool stop;
};

extern struct world world;

void scene_draw(struct scene *scene, uint64_t seed);
void scene_build(const struct scene *scene); /* the disk, argv, the plan */
void scene_remember(uint32_t ino);           /* a source as it is now: what a copy may be from now on */
void scene_words(const struct scene *scene, char *out, size_t size); /* as options of the simulator */

/* Runs it, judges it; false: *why (of 600 bytes) says what is wrong. tally may be NULL. */
bool scene_run(const struct scene *scene, struct tally *tally, char *why);

/* ---- check.c */

enum moment { AFTER_RUN, AFTER_KILL, AFTER_CUT, AFTER_CUT_DONE, AFTER_RERUN };
/* What lies on the disk. complete: every destination has to be the source. */
bool judge_disk(const struct scene *scene, enum moment moment, bool complete, struct tally *tally, char *why);
/* How the run ended and what it said. */
bool judge_end(const struct scene *scene, struct tally *tally, char *why);

#endif
