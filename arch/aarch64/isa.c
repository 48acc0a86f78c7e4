/* ARM64: CRC-32C by the instructions that ARMv8.1 requires and ARMv8.0 may have. */
#include <asm/hwcap.h>
#include <sys/auxv.h>

#include "crc_lanes.h"
#include "zcopy/arch.h"

static inline uint32_t crc_byte(uint32_t sum, uint64_t data)
{
	__asm__(".arch_extension crc\n\tcrc32cb %w0, %w0, %w1" : "+r"(sum) : "r"(data));
	return sum;
}

static inline uint32_t crc_word(uint32_t sum, uint64_t data)
{
	__asm__(".arch_extension crc\n\tcrc32cx %w0, %w0, %1" : "+r"(sum) : "r"(data));
	return sum;
}

static uint32_t crc_armv8(uint32_t crc, const void *mem, size_t len_bytes)
{
	return zc_crc_run(crc, mem, len_bytes, crc_word, crc_byte);
}

void zc_isa_override(struct zc_arch_ops *ops)
{
	if (getauxval(AT_HWCAP) & HWCAP_CRC32) {
		ops->crc32c_name = "armv8";
		ops->crc32c = crc_armv8;
	}
}
