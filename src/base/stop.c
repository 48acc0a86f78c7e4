/* The cancellation flag: written by the signal handler in cli, read by everybody between batches. */
#include "zcopy/base.h"

volatile int zc_stop_signal;
