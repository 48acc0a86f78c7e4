/* words.h: the failures of the job in GNU cp's words. Private to job/. */
#ifndef ZC_JOB_WORDS_H
#define ZC_JOB_WORDS_H

#include <stdbool.h>

/* A format for report_gnu: %S the source, %D the destination, %F it quoted only if need be. Valid for ever;
 * NULL: cp has none. */
const char *words_gnu(const char *what);
/* GNU prints strerror behind it. */
bool words_has_reason(const char *what);

#endif
