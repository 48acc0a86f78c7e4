/*
 * profile.h: the block size and queue depth that `zcopy tune` found best between two file systems: a file of
 * one line for them, in $XDG_CACHE_HOME/zcopy. Private to job/.
 */
#ifndef ZC_JOB_PROFILE_H
#define ZC_JOB_PROFILE_H

#include "zcopy/job.h"

#define PROFILE_BYTES_MAX 256

struct profile {
	char fs[2][24]; /* names of the source's and the destination's */
	char kernel[66];
	uint32_t page_bytes;
	uint32_t block_bytes; /* a power of two from 64 KiB to 1 MiB */
	uint32_t depth;       /* 1 to 64                             */
};

/* text is all of the file. false: it is not what profile_print would write. */
bool profile_parse(struct profile *ret_profile, const char *text);
void profile_print(const struct profile *profile, char out[PROFILE_BYTES_MAX]);
/* Of the file systems that the two descriptors are on. *ret_path: the file, there or not; the caller's, NULL
 * without memory or a place for it. 0; -ENOENT: never tuned; -ESTALE: on another kernel, file system or page
 * size; -EBADMSG: not ours; other: cannot be read. */
int profile_read(struct profile *ret_profile, int src_fd, int dst_fd, char **ret_path);

#endif
