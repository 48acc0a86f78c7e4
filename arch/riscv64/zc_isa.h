/* RISC-V: what is one instruction. The rest comes from arch/generic. */
#ifndef ZCOPY_RISCV64_ISA_H
#define ZCOPY_RISCV64_ISA_H

#include <stdint.h>

struct zc_arch_ops;

#define ZC_ISA_NAME  "riscv64"
#define ZC_ISA_AUDIT AUDIT_ARCH_RISCV64

/* "pause" of Zihintpause by its encoding: a fence that orders nothing, so harmless where it is not known. */
#define zc_relax zc_relax
static inline void zc_relax(void)
{
	__asm__ volatile(".4byte 0x0100000f" ::: "memory");
}

/* Not rdcycle, which kernels from 6.6 on refuse to user space. A tick may be 300 ns. */
#define zc_cycles zc_cycles
static inline uint64_t zc_cycles(void)
{
	uint64_t count;

	__asm__ volatile("rdtime %0" : "=r"(count)::"memory");
	return count;
}

#define zc_isa_override zc_isa_override
void zc_isa_override(struct zc_arch_ops *ops);

#include_next <zc_isa.h>

#endif
