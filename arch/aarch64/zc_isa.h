/* ARM64: what is one instruction. The rest comes from arch/generic. */
#ifndef ZCOPY_AARCH64_ISA_H
#define ZCOPY_AARCH64_ISA_H

#include <stdint.h>

struct zc_arch_ops;

#define ZC_ISA_NAME  "aarch64"
#define ZC_ISA_AUDIT AUDIT_ARCH_AARCH64

#define zc_relax zc_relax
static inline void zc_relax(void)
{
	__asm__ volatile("yield" ::: "memory");
}

/* The generic timer: the same on every CPU, 1 MHz to 1 GHz. */
#define zc_cycles zc_cycles
static inline uint64_t zc_cycles(void)
{
	uint64_t count;

	__asm__ volatile("mrs %0, cntvct_el0" : "=r"(count)::"memory");
	return count;
}

#define zc_isa_override zc_isa_override
void zc_isa_override(struct zc_arch_ops *ops);

#include_next <zc_isa.h>

#endif
