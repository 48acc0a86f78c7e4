/* x86-64: what is one instruction. The rest comes from arch/generic. */
#ifndef ZCOPY_X86_64_ISA_H
#define ZCOPY_X86_64_ISA_H

#include <stdint.h>

struct zc_arch_ops;

#define ZC_ISA_NAME  "x86_64"
#define ZC_ISA_AUDIT AUDIT_ARCH_X86_64

#define zc_relax zc_relax
static inline void zc_relax(void)
{
	__builtin_ia32_pause();
}

#define zc_cycles zc_cycles
static inline uint64_t zc_cycles(void)
{
	return __builtin_ia32_rdtsc();
}

#define zc_isa_override zc_isa_override
void zc_isa_override(struct zc_arch_ops *ops);

#include_next <zc_isa.h>

#endif
