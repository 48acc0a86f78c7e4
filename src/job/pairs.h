/*
 * pairs.h: which file of one tree is which of the other, for files with several names. Private to job/.
 *
 * Thread-safe. 160 to 320 bytes a pair, kept until the end.
 */
#ifndef ZC_JOB_PAIRS_H
#define ZC_JOB_PAIRS_H

#include <stdbool.h>
#include <sys/stat.h>

struct pairs;

int pairs_new(struct pairs **ret_pairs); /* 0 or -ENOMEM */
void pairs_free(struct pairs *pairs);    /* NULL is fine */

enum pairs_answer {
	PAIRS_NEW,   /* neither was seen before          */
	PAIRS_KNOWN, /* just these two were              */
	PAIRS_OTHER, /* one was, and beside another file */
	PAIRS_LOST,  /* no memory to tell                */
};

enum pairs_answer pairs_ask(struct pairs *pairs, const struct stat *src, const struct stat *dst);

#endif
