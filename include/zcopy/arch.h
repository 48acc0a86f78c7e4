/*
 * arch: what depends on the instruction set. Pure functions, no allocation, and no system call but the
 * one question to the kernel about the CPU on first use.
 * The generic implementation is complete; an ISA overrides only what it does better (test/arch
 * compares and times each override).
 *
 * zc_relax() and zc_cycles() are inline, from arch/<isa>/zc_isa.h, which shadows arch/generic/zc_isa.h
 * by include order. The rest is a table, filled once on first use.
 */
#ifndef ZCOPY_ARCH_H
#define ZCOPY_ARCH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "zc_isa.h" /* static inline void zc_relax(void); static inline uint64_t zc_cycles(void); */

struct zc_arch_ops {
	const char *isa;         /* "x86_64"                                              */
	const char *crc32c_name; /* which implementation: "generic" "sse4.2" "armv8" "zbc"    */
	/* CRC-32C (Castagnoli, reflected), as iSCSI: start with 0, feed the result back in. */
	uint32_t (*crc32c)(uint32_t crc, const void *mem, size_t len_bytes);
	bool (*is_zero)(const void *mem, size_t len_bytes);
};

/* The best for this CPU. Any thread; the first call asks the CPU. */
const struct zc_arch_ops *zc_arch(void);
extern const struct zc_arch_ops zc_arch_generic;

struct zc_arch_facts {
	unsigned line_bytes;      /* cache line */
	unsigned page_bytes;      /* base page  */
	double cycles_per_second; /* of zc_cycles(), calibrated against CLOCK_MONOTONIC */
	double tick_ns;           /* smallest step that zc_cycles() was seen to make    */
};
/* Takes about 10 ms (calibration). For bench and tests only, never for a copy. */
void zc_arch_measure(struct zc_arch_facts *ret_facts);

#endif
