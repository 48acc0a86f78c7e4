/* census.h: how much there is to copy, counted while the copy runs. Private to job/. */
#ifndef ZC_JOB_CENSUS_H
#define ZC_JOB_CENSUS_H

#include "tree.h"

struct census;

/* Starts a thread that walks the tree's source on its own and adds what it finds to progress->total and
 * progress->items_found; after delay_ns, so that a short copy is over before it begins. The tree is
 * borrowed until census_stop. NULL: no thread to be had, nothing is counted. */
struct census *census_start(const struct tree *tree, uint64_t delay_ns);
/* Ends it, counted to the end or not. NULL is fine. */
void census_stop(struct census *census);

#endif
