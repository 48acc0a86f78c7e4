/* meta.h: a file's attributes, through descriptors. Private to job/. Errors: 0 or -errno. */
#ifndef ZC_JOB_META_H
#define ZC_JOB_META_H

#include <sys/stat.h>

#include "zcopy/job.h"

/* Replacing without -p: the new file takes over the old one's owner (asked before any byte is copied,
 * since an owner that cannot be restored is a refusal) ... */
int meta_keep_owner(int fd, const struct stat *old);
/* ... and, once complete, its mode (not suid, sgid), ACL and user attributes. old_fd
 * may be O_PATH. What the old file has and the new one cannot take is an error. */
int meta_keep_rest(int fd, int old_fd, const struct stat *old, const char **ret_op);
/* -p and --preserve: from the source. */
int meta_preserve(int fd, int src_fd, const struct stat *src, unsigned preserve, const char **ret_op);
/* The mode of a new file in this directory, where the kernel cannot be left to work it out. */
mode_t meta_new_mode(int dir_fd, mode_t mode, mode_t mask);

#endif
