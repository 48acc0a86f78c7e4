/*
 * manifest.h: the list of what was copied, as sha256sum and its kin read it. Private to job/. Thread-safe.
 *
 * Lines go to a file that has no name before the end of the run (or a temporary one where O_TMPFILE is
 * refused): an interrupted run leaves the old list.
 */
#ifndef ZC_JOB_MANIFEST_H
#define ZC_JOB_MANIFEST_H

#include "zcopy/job.h"

struct manifest;

/* path: borrowed. Where its directory is not there yet (it may be what is copied) it is opened with the first
 * line. 0, or -errno with *ret_op. */
int manifest_new(struct manifest **ret_manifest, const char *path, mode_t mask, const char **ret_op);
/* "HASH  NAME", or "\HASH  NAME" with a newline, carriage return or backslash in it escaped. A failure is
 * kept for manifest_publish. */
void manifest_add(struct manifest *manifest, const char *hex, const char *name);
/* Gives the list its name. 0, or -errno with *ret_op: also of any line before. */
int manifest_publish(struct manifest *manifest, const char **ret_op);
void manifest_free(struct manifest *manifest); /* what was not published is gone; NULL is fine */

#endif
