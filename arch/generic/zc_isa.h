/*
 * What an instruction set may put inline, complete in plain C. An ISA's own zc_isa.h shadows this one
 * by include order: it defines what it does better, each with a macro of the same name, and then takes
 * the rest from here with #include_next.
 */
#ifndef ZCOPY_GENERIC_ISA_H
#define ZCOPY_GENERIC_ISA_H

#include <stdint.h>
#include <time.h>

struct zc_arch_ops;

#ifndef ZC_ISA_NAME
#define ZC_ISA_NAME "generic"
#endif

/* What the kernel calls it, of linux/audit.h; 0 also where the first half of 64 bits is the high one. */
#ifndef ZC_ISA_AUDIT
#define ZC_ISA_AUDIT 0
#endif

/* In a loop that waits for another thread. */
#ifndef zc_relax
static inline void zc_relax(void)
{
	__asm__ volatile("" ::: "memory");
}
#endif

/* A clock that costs next to nothing to read. Its unit is zc_arch_measure's business. */
#ifndef zc_cycles
static inline uint64_t zc_cycles(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}
#endif

/* Puts into the table what this CPU does better; called once. */
#ifndef zc_isa_override
static inline void zc_isa_override(struct zc_arch_ops *ops)
{
	(void)ops;
}
#endif

#endif
