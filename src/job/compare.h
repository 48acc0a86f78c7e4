/*
 * compare.h: two names that should be the same file: what differs, in one line each. Private to job/.
 *
 * Nothing is written and nothing is followed. Lines go into the report as what is said, errors as errors.
 */
#ifndef ZC_JOB_COMPARE_H
#define ZC_JOB_COMPARE_H

#include "pairs.h"
#include "report.h"

/* Of each of the two buffers that bytes are compared in. */
#define COMPARE_BYTES (64u * 1024)

/* Which of the two, as an index. */
enum {
	COMPARE_SRC,
	COMPARE_DST,
	COMPARE_SIDES,
};

/* One name on both sides. Filled by the caller, who also closes what was opened. */
struct compare {
	struct zc_report *report;
	struct zc_progress *progress;
	struct pairs *pairs;   /* which file is which; NULL: not asked                           */
	uint8_t *mem;          /* 2 x COMPARE_BYTES, borrowed                                    */
	int fd[COMPARE_SIDES]; /* open for reading, or O_PATH where only attributes are looked at */
	struct stat st[COMPARE_SIDES];
	/* the name for a line, on first need: free()d by the callee; NULL: no memory */
	char *(*name)(const struct compare *compare);
	/* says that a side cannot be read or looked at; returns code */
	int (*fail)(struct compare *compare, enum zc_side side, const char *op, int code, const char *what);
	void *arg;    /* of these two, the caller's */
	bool differs; /* something was found        */
};

/* "NAME: what", and the item counts as one that differs. key: for the report, lives for ever. */
void compare_say(struct compare *compare, const char *key, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
/* Type, owner, mode, time, size, device number; needs no descriptors. false: of different types, nothing
 * else can be compared. */
bool compare_stat(struct compare *compare);
/* Whether these are one file on both sides as often as on the other. true: this very pair was here before. */
bool compare_links(struct compare *compare);
/* Extended attributes with ACLs and capabilities. */
void compare_xattrs(struct compare *compare);
/* Where symlinks lead. fds: O_PATH. */
void compare_targets(struct compare *compare);
/* The bytes of two regular files of one size. */
void compare_contents(struct compare *compare);

#endif
