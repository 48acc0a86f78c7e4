/*
 * stuck.h: signals while the kernel waits for a server that does not answer. Private to job/.
 */
#ifndef ZC_JOB_STUCK_H
#define ZC_JOB_STUCK_H

#include <sys/types.h>

/* fd lies on device dev. Where a server is behind it, a thread watches from now on, until the process ends: a
 * signal that has not ended the run after two seconds ends the process. Once for all; any thread. */
void stuck_watch(int fd, dev_t dev);
/* The same, whatever it is that may not answer. */
void stuck_start(void);

#endif
