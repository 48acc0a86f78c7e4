/* bench.h: what the files of this room share. Private to bench/. */
#ifndef ZC_BENCH_BENCH_H
#define ZC_BENCH_BENCH_H

#include <sys/types.h>

#include "zcopy/bench.h"

#define ARM_MAX        16
#define WHY_BYTES      512
#define STATUS_NO_ROOM 5

/* ---- arms.c: what is compared */

enum arm_kind {
	ARM_COPY,
	ARM_READ,
	ARM_WRITE,
	ARM_NOP,
	ARM_MEM_COPY,
	ARM_MEM_FILL,
	ARM_HASH,
};

/* One run. A count that nobody took is absent: -1, or 0 where that cannot be. */
struct run {
	unsigned round;    /* 0: to warm up, not counted */
	bool timed;        /* the stages were            */
	uint64_t start_ns; /* since the bench began */
	uint64_t wall_ns, durable_ns;
	uint64_t user_ns, system_ns;
	uint64_t minor_faults, major_faults, switches;
	uint64_t dirty_bytes; /* in the whole host's page cache before it  */
	uint64_t shared_bytes;
	int resident_before, resident_after; /* percent of the source */
};

/* How the runs of an arm were done, of the last one's report. */
struct way {
	const char *route;
	char engine[48];
	uint64_t block_bytes;
	unsigned depth;
	bool direct;
	const char *pages;
};

/* One value a run; rates are a second's. */
struct summary {
	unsigned count;
	double median, first_quartile, third_quartile;
	struct zc_interval interval;
	double variation;     /* standard deviation over mean */
	double cpu_s_per_gib; /* median                       */
	double durable_share; /* of the time, median          */
};

struct arm {
	enum arm_kind kind;
	char name[96];
	bool asked;   /* else a part of the ceiling */
	bool as_copy; /* past the page cache when the first copy went so, and where that is not refused */
	unsigned src, dst; /* indices of directories    */
	struct zc_job_cfg job;
	struct run *runs; /* in the order of rounds     */
	unsigned run_count;
	struct way way;
	struct zc_hist *stages; /* ZC_STAGE_COUNT of them      */
	struct summary summary;
};

/* ---- disk.c: a directory that is measured */

struct disk {
	const char *path;
	int fd;
	dev_t dev;
	char dst_name[48]; /* in it */
	char *dst_path;    /* as an operand */
	int src_fd;        /* -1: none needed, or not made yet */
	char *src_path;    /* as an operand */
	char src_name[64]; /* "": it has lost its name         */
	const char *how;   /* residency was asked              */
	char fs[24];
};

struct zc_bench {
	struct zc_bench_cfg cfg;
	struct arm arms[ARM_MAX];
	unsigned arm_count;
	struct disk *disks;
	unsigned disk_count;
	struct facts *facts;
	struct zc_pool *pool; /* mem, hash                   */
	double gen_rate;      /* GiB/s of the random bytes that are written; 0: none are */
	unsigned round, turn; /* of the next run             */
	uint64_t began_ns;
	bool complete;
	int status;
	char why[WHY_BYTES];
};

/* Notes the first thing that went wrong; returns status. */
int bench_fail(struct zc_bench *bench, int status, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* One run of a copy, a reading or a writing: prepared, done, and what it wrote removed. */
int bench_run_disk(struct zc_bench *bench, struct arm *arm, struct run *run);

int arms_make(struct zc_bench *bench);
/* Bytes that one run moves; requests of a nop. */
const char *arm_unit(const struct arm *arm);
double arm_value(const struct zc_bench *bench, const struct arm *arm, const struct run *run);

int disks_open(struct zc_bench *bench);
int disk_make_source(struct zc_bench *bench, struct disk *disk);
/* Before a run: nothing to write, and the source in the cache or not. */
int disk_prepare(struct zc_bench *bench, struct disk *src, struct disk *dst, struct run *run);
int disk_resident(struct disk *disk, uint64_t size_bytes);
/* After it: the destination goes. -errno when it is not as it has to be. */
int disk_remove(struct disk *disk, uint64_t size_bytes);
void disks_close(struct zc_bench *bench);

/* ---- work.c: does a run. 0 or an exit status, said. */
int work_job(struct zc_bench *bench, struct arm *arm, const char *src, const char *dst, struct run *run);
int work_floor(struct zc_bench *bench, struct arm *arm, struct run *run);

/* ---- facts.c: what host this is */

struct disk_facts {
	char numbers[24]; /* "259:0" */
	char device[32];
	char model[64];
	char scheduler[32];
	char rotational[4];
};

struct facts {
	char kernel[128];
	char machine[72];
	char cpu[128];
	char governor[32];
	char clocksource[32];
	char huge[64];
	unsigned cpus;
	uint64_t page_bytes;
	uint64_t memory_bytes;
	uint64_t clock_tick_ns, clock_cost_ns;
	struct disk_facts *disks; /* disk_count of them */
};
int facts_gather(struct zc_bench *bench);
void facts_free(struct facts *facts);
uint64_t facts_dirty_bytes(void);

/* ---- summary.c */
void summary_make(struct zc_bench *bench);
struct versus {
	const struct arm *a, *b;
	struct zc_ratio welch, paired;
	double mann_whitney, sign_flip;
};
/* Of an arm that was asked for and the first one: false for the first itself. */
bool summary_versus(const struct zc_bench *bench, const struct arm *arm, struct versus *ret_versus);
struct ceiling {
	double rate;
	const struct arm *limit; /* the slower */
};
bool summary_ceiling(const struct zc_bench *bench, struct ceiling *ret_ceiling);
/* How many times as long the runs took whose stages were timed. false: none were. */
bool summary_observer(const struct zc_bench *bench, const struct arm *arm, struct zc_ratio *ret_ratio);
extern const char *const stage_names[ZC_STAGE_COUNT];
const char *bench_work_name(enum zc_bench_work work);

#endif
