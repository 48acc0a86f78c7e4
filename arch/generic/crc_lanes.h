/*
 * CRC-32C as every implementation here does it; they differ only in how eight bytes and one byte are
 * taken in. Such a step waits for the one before it, so long runs are read as three lanes side by side
 * and joined: taking in N more bytes multiplies what was there by x^(8N), and the lanes are then added.
 *
 * A polynomial is held reflected, as iSCSI's bit order wants it: bit 31 is x^0.
 */
#ifndef ZCOPY_CRC_LANES_H
#define ZCOPY_CRC_LANES_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

#define ZC_CRC32C_POLY 0x82f63b78u

/* One lane. Long enough that joining, about 200 cycles, is lost in it. test/arch proves the powers. */
#define ZC_CRC_LANE_BYTES 4096
#define ZC_CRC_ONE_LANE   0x35d73a62u /* x^(8 * 4096) mod P */
#define ZC_CRC_TWO_LANES  0x28461564u /* x^(8 * 8192) mod P */

/* Takes data (eight bytes as loaded, or one) into the sum. */
typedef uint32_t zc_crc_step(uint32_t sum, uint64_t data);

/* a * b mod P */
static inline uint32_t zc_crc_multiply(uint32_t a, uint32_t b)
{
	uint32_t product = 0;

	for (unsigned bit = 0; bit < 32; bit++) {
		product ^= b & -(a >> 31);
		a <<= 1;
		b = (b >> 1) ^ (ZC_CRC32C_POLY & -(b & 1));
	}
	return product;
}

static inline uint64_t zc_crc_load(const uint8_t *mem)
{
	uint64_t word;

	memcpy(&word, mem, sizeof(word));
	return word;
}

/* Always inlined, so that the steps are too. */
static inline __attribute__((always_inline)) uint32_t zc_crc_three_lanes(uint32_t sum, const uint8_t *mem,
                                                                         zc_crc_step *word)
{
	uint32_t second = 0;
	uint32_t third = 0;

	for (size_t at = 0; at < ZC_CRC_LANE_BYTES; at += 8) {
		sum = word(sum, zc_crc_load(mem + at));
		second = word(second, zc_crc_load(mem + ZC_CRC_LANE_BYTES + at));
		third = word(third, zc_crc_load(mem + 2 * ZC_CRC_LANE_BYTES + at));
	}
	return zc_crc_multiply(sum, ZC_CRC_TWO_LANES) ^ zc_crc_multiply(second, ZC_CRC_ONE_LANE) ^ third;
}

static inline __attribute__((always_inline)) uint32_t
zc_crc_run(uint32_t crc, const uint8_t *mem, size_t len_bytes, zc_crc_step *word, zc_crc_step *byte)
{
	uint32_t sum = ~crc;

	/* aligned loads: there are CPUs where the others trap */
	for (; len_bytes > 0 && (uintptr_t)mem % 8 != 0; mem++, len_bytes--) {
		sum = byte(sum, *mem);
	}
	while (len_bytes >= 3 * ZC_CRC_LANE_BYTES) {
		sum = zc_crc_three_lanes(sum, mem, word);
		mem += 3 * ZC_CRC_LANE_BYTES;
		len_bytes -= 3 * ZC_CRC_LANE_BYTES;
	}
	for (; len_bytes >= 8; mem += 8, len_bytes -= 8) {
		sum = word(sum, zc_crc_load(mem));
	}
	for (; len_bytes > 0; mem++, len_bytes--) {
		sum = byte(sum, *mem);
	}
	return ~sum;
}

#endif
