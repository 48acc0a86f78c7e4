/*
 * stuck.c: a read of a server that has gone (NFS, FUSE) waits in the kernel where only a deadly signal ends
 * it. Ours have handlers: the first would never be seen, nor would the second, and Ctrl-C would do nothing.
 * So a thread that takes no signal looks for one that is pending, or that was taken up and has not ended the
 * run, and after a grace has the process die of it. What a killed run leaves is what kill -9 leaves: no
 * destination is half.
 *
 * The thread is never joined; it holds nothing.
 */
#include "stuck.h"

#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/sysmacros.h>
#include <time.h>

#include "zcopy/base.h"
#include "zcopy/endpoint.h"

enum {
	LOOK_MS = 100,
	GRACE_LOOKS = 20,
};

/* The signal that waits to be obeyed; 0: none. */
static int stuck_signal(void)
{
	static const int ours[] = { SIGINT, SIGTERM, SIGHUP };
	sigset_t pending;

	if (zc_stopped()) {
		return zc_stop_signal;
	}
	sigemptyset(&pending);
	(void)sigpending(&pending);
	for (size_t i = 0; i < ZC_ARRAY_LEN(ours); i++) {
		if (sigismember(&pending, ours[i]) == 1) {
			return ours[i];
		}
	}
	return 0;
}

static void *stuck_run(void *arg)
{
	const struct timespec nap = { .tv_nsec = LOOK_MS * 1000L * 1000 };
	unsigned looks = 0;
	sigset_t set;
	int number;

	(void)arg;
	do {
		nanosleep(&nap, NULL);
		number = stuck_signal();
		looks = number != 0 ? looks + 1 : 0;
	} while (looks < GRACE_LOOKS);
	signal(number, SIG_DFL);
	sigemptyset(&set);
	sigaddset(&set, number);
	pthread_sigmask(SIG_UNBLOCK, &set, NULL);
	raise(number);
	return NULL;
}

void stuck_watch(int fd, dev_t dev)
{
	/* what lies on a disk has a number of its own */
	if (fd >= 0 && major(dev) == 0 && zc_fs_is_remote(fd)) {
		stuck_start();
	}
}

void stuck_start(void)
{
	static atomic_flag watched = ATOMIC_FLAG_INIT;
	pthread_t thread;
	sigset_t all;
	sigset_t old;

	if (atomic_flag_test_and_set(&watched)) {
		return;
	}
	sigfillset(&all);
	pthread_sigmask(SIG_BLOCK, &all, &old);
	if (pthread_create(&thread, NULL, stuck_run, NULL) == 0) {
		pthread_detach(thread);
	}
	pthread_sigmask(SIG_SETMASK, &old, NULL);
}
