/*
 * progress.h: how far a copy is, on stderr. A thread of its own reads the job's counters; the job knows
 * nothing of it. Everything here is called by the main thread.
 */
#ifndef ZC_CLI_PROGRESS_H
#define ZC_CLI_PROGRESS_H

#include <pthread.h>

#include "args.h"

struct progress {
	struct zc_progress *counters;
	uint64_t started_ns;
	pthread_t thread;
	pthread_mutex_t lock; /* held while a line is written, and while others write */
	pthread_cond_t wake;
	bool running;
	bool stop;  /* under lock */
	bool shown; /* a bar stands on the tty now; under lock */
	enum zc_progress_mode mode;
	uint64_t last_ns; /* of the rate shown */
	uint64_t last_written;
	double rate;       /* bytes per second, smoothed */
	uint64_t still_ns; /* since when nothing has moved */
};

/* SIGUSR1 says how far the copy is from here on until progress_no_signal, also where there is no bar; not
 * where it was ignored before us, and not for a cp. Called by progress_start. */
void progress_no_signal(void);
/* Asks the job to count trees ahead when there is something to show. Starts nothing when nothing is to be
 * shown: not a tty, quiet, or a copy that will be over at once. */
void progress_start(struct progress *progress, struct zc_args *args, struct zc_progress *counters,
                    uint64_t started_ns);
/* Takes the bar away so that lines can be written; resume lets it come back. */
void progress_pause(struct progress *progress);
void progress_resume(struct progress *progress);
void progress_stop(struct progress *progress);

#endif
