/* sandbox.h: --sandbox. Private to job/. */
#ifndef ZC_JOB_SANDBOX_H
#define ZC_JOB_SANDBOX_H

#include "report.h"

struct peers;

/* Confines this process to what the command line names, when cfg asks for that: before there are threads and
 * rings. A peer that is waited for is accepted all the same. What is opened by a path that is no operand
 * belongs into the list there. 0; or -errno and said: nothing may be copied. */
int sandbox_enter(const struct zc_job_cfg *cfg, const struct peers *peers, struct zc_report *report);

#endif
