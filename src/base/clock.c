/* The one clock of the program: monotonic, so that a step of the wall clock never makes a rate negative. */
#include "zcopy/base.h"

#include <time.h>

uint64_t zc_now_ns(void)
{
	struct timespec now;

	zc_verify(clock_gettime(CLOCK_MONOTONIC, &now) == 0);
	return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}
