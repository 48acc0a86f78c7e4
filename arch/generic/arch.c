/*
 * The table of the best implementations. It starts as the generic one; the ISA overrides what this
 * CPU does better. Nothing is asked before the first zc_arch(): a copy that needs no table pays nothing.
 */
#include "zcopy/arch.h"

#include <pthread.h>

#include "generic.h"

const struct zc_arch_ops zc_arch_generic = {
	.isa = ZC_ISA_NAME,
	.crc32c_name = "generic",
	.crc32c = zc_generic_crc32c,
	.is_zero = zc_generic_is_zero,
};

static struct zc_arch_ops best_ops;
static pthread_once_t best_once = PTHREAD_ONCE_INIT;

static void best_fill(void)
{
	best_ops = zc_arch_generic;
	zc_isa_override(&best_ops);
}

const struct zc_arch_ops *zc_arch(void)
{
	pthread_once(&best_once, best_fill);
	return &best_ops;
}
