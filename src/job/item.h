/*
 * item.h: one source on its way to one destination. Private to job/.
 *
 *   source_open -> item_aim (where to) -> item_allowed -> sink_open -> copy_item -> sink_publish ->
 * item_close
 *
 * Each step says what went wrong in the report itself and returns the negative errno; ITEM_SKIP means
 * that there is nothing to do for this item and nothing is wrong.
 */
#ifndef ZC_JOB_ITEM_H
#define ZC_JOB_ITEM_H

#include "choose.h"
#include "commit.h"
#include "lane.h"
#include "report.h"
#include "target.h"

#define ITEM_SKIP 1

/* What a run of several sources has made so far: not to be overwritten by a later one. */
struct made_file {
	dev_t dev;
	ino_t ino;
};

struct made {
	struct made_file *list;
	unsigned count;
};

struct item {
	const struct zc_job_cfg *cfg;
	struct zc_report *report;
	struct lane *lane;
	struct zc_progress *progress;
	struct made *made;
	/* source */
	struct zc_uri src_uri;
	struct zc_end src;
	struct stat src_st; /* as it was before the first byte; synthetic ends: zeroed   */
	/* destination */
	const char *dst_text; /* for messages; item's dst_path when it was composed        */
	int dest_fd;          /* the directory to copy into; borrowed; -1                   */
	char *dst_path;       /* DEST/name, ours                                           */
	struct zc_uri dst_uri;
	struct target target;
	bool has_target; /* target is open                                            */
	struct zc_end dst;
	struct commit commit;
	bool committing; /* dst.fd is commit.fd, and commit owns it                   */
	bool as_new;     /* -f on a file that we may not write: nothing of it is kept */
	bool replacing;  /* an existing regular file gets new contents                */
	bool in_place;
	int old_fd; /* the replaced file, for its attributes; -1                 */
	enum zc_durability durability;
	/* result */
	uint64_t read_before; /* the progress counters when this item began                */
	uint64_t written_before;
	uint64_t total_bytes; /* length of the result                                      */
	uint64_t moved[ZC_ROUTE_COUNT];
	bool changed; /* the source changed while it was read                      */
};

/* source.c */
int source_open(struct item *item);
/* Just before reading: waits for a FIFO's writer, and makes reads block. */
int source_ready(struct item *item);

/* sink.c: where and how the result appears */
int sink_open(struct item *item);
const char *sink_durability_name(const struct item *item); /* "none" "data" "full" */
int sink_publish(struct item *item);
void sink_close(struct item *item);

/* copy.c: the bytes */
int copy_item(struct item *item);

/* "PATH: what: strerror" for this item's source or destination. Returns code. */
int item_fail(struct item *item, enum zc_side side, int status, const char *op, int code, const char *what,
              const char *hint);

#endif
