/*
 * RISC-V: CRC-32C by the carry-less multiply of Zbc. Its instructions are given by their encoding, and
 * the kernel's question by its number, because compilers and headers of the day may know neither.
 *
 * Eight bytes with the sum added are a polynomial S of degree < 64; the new sum is S * x^32 mod P. By
 * Barrett: Q = S * floor(x^96 / P) / x^64 is the quotient, and the low 32 coefficients of Q * P the
 * rest. Both constants are reflected like everything else, so that no shift is left to do.
 */
#include <sys/syscall.h>
#include <unistd.h>

#include "crc_lanes.h"
#include "zcopy/arch.h"

#define CRC_INVERSE 0x4869ec38dea713f1u /* floor(x^96 / P) */
#define CRC_MODULUS 0x105ec76f1u        /* P               */

/* linux/arch/riscv/include/uapi/asm/hwprobe.h */
#define RISCV_HWPROBE_CALL          258
#define RISCV_HWPROBE_KEY_IMA_EXT_0 4
#define RISCV_HWPROBE_EXT_ZBC       (1u << 7)

struct hwprobe_pair {
	int64_t key;
	uint64_t value;
};

static inline uint64_t multiply_low(uint64_t a, uint64_t b)
{
	uint64_t product;

	__asm__(".insn r 0x33, 1, 5, %0, %1, %2" : "=r"(product) : "r"(a), "r"(b)); /* clmul */
	return product;
}

static inline uint64_t multiply_high(uint64_t a, uint64_t b)
{
	uint64_t product;

	__asm__(".insn r 0x33, 3, 5, %0, %1, %2" : "=r"(product) : "r"(a), "r"(b)); /* clmulh */
	return product;
}

static inline uint32_t crc_reduce(uint64_t data)
{
	return (uint32_t)multiply_high(multiply_low(data, CRC_INVERSE), CRC_MODULUS);
}

static inline uint32_t crc_word(uint32_t sum, uint64_t data)
{
	return crc_reduce(data ^ sum);
}

static inline uint32_t crc_byte(uint32_t sum, uint64_t data)
{
	return (sum >> 8) ^ crc_reduce((sum ^ data) << 56);
}

static uint32_t crc_zbc(uint32_t crc, const void *mem, size_t len_bytes)
{
	return zc_crc_run(crc, mem, len_bytes, crc_word, crc_byte);
}

void zc_isa_override(struct zc_arch_ops *ops)
{
	struct hwprobe_pair pair = { .key = RISCV_HWPROBE_KEY_IMA_EXT_0 };

	/* of all CPUs online; the call is there from Linux 6.4 on, the bit from 6.8 on */
	if (syscall(RISCV_HWPROBE_CALL, &pair, 1, 0, NULL, 0) == 0 && (pair.value & RISCV_HWPROBE_EXT_ZBC)) {
		ops->crc32c_name = "zbc";
		ops->crc32c = crc_zbc;
	}
}
