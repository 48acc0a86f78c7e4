/* verify.h: the walk of `zcopy verify`: two files or two trees, side by side. Private to job/. */
#ifndef ZC_JOB_VERIFY_H
#define ZC_JOB_VERIFY_H

#include "tree.h"

/* item: its source is parsed, nothing is opened. Two files are compared at once; of two directories *ret_tree
 * becomes the walk, to be stepped and closed as one that copies. Says itself what is wrong. 0 or -errno. */
int verify_begin(struct item *item, struct tree **ret_tree);

#endif
