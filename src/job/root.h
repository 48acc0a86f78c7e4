/* root.h: from a directory operand to its tree. Private to job/. */
#ifndef ZC_JOB_ROOT_H
#define ZC_JOB_ROOT_H

#include "tree.h"

/* The operand is a directory: from here on it is the tree's, step by step. The caller has filled in what is
 * the run's (cfg, progress, links, link_root, manifest); the rest of start is filled in here. The item stays
 * open as long as the tree. Says what is wrong. 0 or -errno; *ret_tree may be set all the same. */
int root_begin(struct item *item, struct tree_start *start, struct tree **ret_tree);

#endif
