/*
 * job: decides. What is copied where (plan), how (choose), with which lane; how the result appears
 * under its name (commit), with which attributes (meta); and what is said about it (report).
 *
 * A job runs on the thread that calls it (that thread is the lane); other threads may read the
 * progress counters while it runs. Nothing here prints; what people read is left in the report.
 */
#ifndef ZCOPY_JOB_H
#define ZCOPY_JOB_H

#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/types.h>

#include "zcopy/engine.h"
#include "zcopy/route.h"

enum zc_durability {
	ZC_DURABILITY_AUTO, /* none for new names, data when replacing, devices flushed */
	ZC_DURABILITY_NONE,
	ZC_DURABILITY_DATA,
	ZC_DURABILITY_FULL,
};

enum zc_when { /* --reflink, --sparse, --direct */
	       ZC_WHEN_AUTO,
	       ZC_WHEN_ALWAYS,
	       ZC_WHEN_NEVER,
};

enum zc_cache {
	ZC_CACHE_AUTO,
	ZC_CACHE_KEEP,
	ZC_CACHE_DROP,
};

enum zc_update { /* --update, -u */
	         ZC_UPDATE_ALL,
	         ZC_UPDATE_NONE,      /* skip what exists, status 0 (also -n)  */
	         ZC_UPDATE_NONE_FAIL, /* skip what exists, status 1            */
	         ZC_UPDATE_OLDER,     /* replace only what is older            */
};

enum zc_on_change {
	ZC_ON_CHANGE_RETRY,
	ZC_ON_CHANGE_WARN,
	ZC_ON_CHANGE_FAIL,
};

enum zc_preserve { /* bits; -p is the three together */
	           ZC_PRESERVE_MODE = 1 << 0,
	           ZC_PRESERVE_OWNER = 1 << 1,
	           ZC_PRESERVE_TIMES = 1 << 2,
	           ZC_PRESERVE_NOT_MODE = 1 << 3, /* --no-preserve=mode: a new file is 0666 & ~umask */
};

/* Everything a user may say about a run. Zero is every default but the ones noted. */
struct zc_job_cfg {
	/* which ends */
	const char *const *sources; /* borrowed                                            */
	unsigned source_count;
	const char *dest;  /* borrowed; with dest_is_dir a directory (-t)         */
	bool dest_is_dir;  /* -t: dest must be a directory                        */
	bool dest_is_file; /* -T                                                  */
	/* what is kept, what is replaced */
	unsigned preserve; /* enum zc_preserve bits                               */
	enum zc_update update;
	bool force; /* -f                                                  */
	bool inplace;
	bool allow_mounted;
	enum zc_durability durability;
	enum zc_when reflink; /* ALWAYS is "--reflink"                               */
	enum zc_when sparse;
	enum zc_on_change on_change;
	/* how */
	enum zc_engine_kind engine;
	enum zc_route_kind route; /* ZC_ROUTE_AUTO or a forced one                       */
	enum zc_when direct;
	enum zc_cache cache;
	uint64_t block_bytes; /* 0 = tuned                                           */
	unsigned queue_depth; /* 0 = tuned                                           */
	unsigned jobs;        /* 0 = tuned; helper threads of the sync engine        */
	enum zc_huge huge;
	uint64_t huge_bytes;
	bool numa_off;
	int numa_node;       /* ZC_NODE_ANY = auto: set it, zero is node 0          */
	uint64_t pool_bytes; /* 0 = tuned                                           */
	mode_t umask;        /* the process's, read by cli at start                 */
	/* what is said */
	bool explain;
	bool verbose;
	bool dry_run;
	bool quiet;
	bool epipe_is_error; /* SIGPIPE was ignored before us: who started us wants to be told */
};

/* ---- report.c: what happened */

enum zc_msg_kind {
	ZC_MSG_ERROR,   /* "zcopy: ..." on stderr              */
	ZC_MSG_EXPLAIN, /* stderr, --explain                   */
	ZC_MSG_SAY,     /* stdout: -v, --dry-run               */
};

struct zc_msg {
	enum zc_msg_kind kind;
	char *text; /* one line, no newline; names are quoted already */
};

struct zc_item_error {
	char *path;
	const char *op;
	int code;
	enum zc_side side;
	uint64_t off_bytes;
};

struct zc_report {
	int status; /* 0, or the highest of 1..9 that occurred (contract 2)     */
	int signal; /* not 0: die by this signal once all is said               */
	struct {
		uint64_t logical, data, holes;
	} bytes;
	struct {
		uint64_t files, skipped, failed;
	} items;
	struct {
		uint64_t copy, durable;
	} ns;
	struct {
		uint64_t files, bytes;
	} routes[ZC_ROUTE_COUNT];
	struct zc_engine_facts engine; /* engine.name NULL: none was opened      */
	uint64_t block_bytes;
	bool direct;
	struct zc_region region; /* region.mem NULL: no pool was mapped    */
	unsigned leaked_buffers;
	struct zc_fallbacks fallbacks;
	const char *durability; /* of the last file; NULL: nothing copied */
	struct zc_item_error *errors;
	unsigned error_count;
	struct zc_msg *msgs;
	unsigned msg_count;
	unsigned msg_next;      /* cli's: the first not yet shown         */
	uint64_t hardlinks_cut; /* replaced names whose siblings keep the old file */
};

/* The contract's JSON object on file. total_ns: since the program began. 0 or -errno. */
int zc_report_write(const struct zc_report *report, FILE *file, uint64_t total_ns);
/* The same facts for people (--stats). */
void zc_report_print(const struct zc_report *report, FILE *file, uint64_t total_ns);

/* ---- run.c: a run of one command line */

struct zc_job;

/* cfg and progress are borrowed until close. 0 or -ENOMEM; whatever else goes wrong is in the report. */
int zc_job_open(struct zc_job **ret_job, const struct zc_job_cfg *cfg, struct zc_progress *progress);
/* Copies the next source; false: there is none left, or we were asked to stop. Between steps the caller
 * shows the new messages. */
bool zc_job_step(struct zc_job *job);
struct zc_report *zc_job_report(struct zc_job *job);
/* Gives everything back (leaked buffers are counted into the report first). NULL is fine. */
void zc_job_finish(struct zc_job *job); /* lane closed, report final; messages still there */
void zc_job_close(struct zc_job *job);

#endif
