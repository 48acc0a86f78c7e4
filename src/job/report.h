/* report.h: how the job's own files add to the report. Private to job/. */
#ifndef ZC_JOB_REPORT_H
#define ZC_JOB_REPORT_H

#include "zcopy/job.h"

/* Statuses of contract section 2. */
enum zc_status {
	ZC_STATUS_SOME_FAILED = 1,
	ZC_STATUS_USAGE = 2,
	ZC_STATUS_CHANGED = 3,
	ZC_STATUS_MISMATCH = 4,
	ZC_STATUS_NO_SPACE = 5,
	ZC_STATUS_PEER = 6,
	ZC_STATUS_REFUSED = 9,
};

void report_say(struct zc_report *report, enum zc_msg_kind kind, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* One failed item: "PATH: what: strerror", with hint behind it when not NULL. status 0: from the error
 * (no space 5, else 1). Returns err->code, so that "return report_fail(...)" reads well. */
int report_fail(struct zc_report *report, int status, const char *path, const struct zc_err *err,
                const char *what, const char *hint);
/* Counts a failed item and keeps it for the report, without a message. */
void report_error(struct zc_report *report, const char *path, const struct zc_err *err);
/* Keeps a range that could not be read, and counts nothing. */
void report_range(struct zc_report *report, const char *path, const struct zc_err *err, uint64_t len_bytes);
/* The same in GNU cp's words, for two names: %D and %S in format are the destination's and the source's,
 * quoted as GNU does (%F: the destination's, only if need be); strerror(code) follows when code is not 0. */
void report_gnu(struct zc_report *report, const char *format, const char *src, const char *dst, int code);
void report_status(struct zc_report *report, int status);
/* Moves the messages, and only these, behind into's own. */
void report_take_msgs(struct zc_report *into, struct zc_report *from);
/* Adds up counts, errors, fallbacks and messages of another lane; from is empty of lists then. */
void report_merge(struct zc_report *into, struct zc_report *from);
/* Forgets what has been shown (msg_next): a million lines need not be kept. */
void report_forget_shown(struct zc_report *report);
void report_fini(struct zc_report *report);

#endif
