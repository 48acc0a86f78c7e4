/*
 * x86-64: CRC-32C by the instruction that SSE4.2 brought. cpuid is asked here, not through the
 * compiler's helper, whose constructor would ask it at the start of every run.
 */
#include <cpuid.h>

#include "crc_lanes.h"
#include "zcopy/arch.h"

static inline uint32_t crc_byte(uint32_t sum, uint64_t data)
{
	__asm__("crc32b %b1, %0" : "+r"(sum) : "r"(data));
	return sum;
}

static inline uint32_t crc_word(uint32_t sum, uint64_t data)
{
	uint64_t wide = sum;

	__asm__("crc32q %1, %0" : "+r"(wide) : "r"(data));
	return (uint32_t)wide;
}

static uint32_t crc_sse42(uint32_t crc, const void *mem, size_t len_bytes)
{
	return zc_crc_run(crc, mem, len_bytes, crc_word, crc_byte);
}

void zc_isa_override(struct zc_arch_ops *ops)
{
	unsigned eax, ebx, ecx, edx;

	if (__get_cpuid(1, &eax, &ebx, &ecx, &edx) && (ecx & bit_SSE4_2)) {
		ops->crc32c_name = "sse4.2";
		ops->crc32c = crc_sse42;
	}
}
