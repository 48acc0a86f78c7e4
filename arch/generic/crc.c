/*
 * CRC-32C by tables: eight bytes a step, one look-up for each. The tables (8 KiB) are made when the
 * first sum is asked for and never change again.
 */
#include <pthread.h>

#include "crc_lanes.h"
#include "generic.h"

/* crc_table[n][b]: what byte b, with n more bytes behind it, adds to the sum. */
static uint32_t crc_table[8][256];
static pthread_once_t crc_once = PTHREAD_ONCE_INIT;

static void crc_fill_tables(void)
{
	for (uint32_t byte = 0; byte < 256; byte++) {
		uint32_t sum = byte;

		for (unsigned bit = 0; bit < 8; bit++) {
			sum = (sum >> 1) ^ (ZC_CRC32C_POLY & -(sum & 1));
		}
		crc_table[0][byte] = sum;
	}
	for (unsigned more = 1; more < 8; more++) {
		for (unsigned byte = 0; byte < 256; byte++) {
			uint32_t sum = crc_table[more - 1][byte];

			crc_table[more][byte] = (sum >> 8) ^ crc_table[0][sum & 0xff];
		}
	}
}

static inline uint32_t crc_byte(uint32_t sum, uint64_t data)
{
	return (sum >> 8) ^ crc_table[0][(sum ^ data) & 0xff];
}

static inline uint32_t crc_word(uint32_t sum, uint64_t data)
{
	data ^= sum;
	return crc_table[7][data & 0xff] ^ crc_table[6][data >> 8 & 0xff] ^ crc_table[5][data >> 16 & 0xff] ^
	       crc_table[4][data >> 24 & 0xff] ^ crc_table[3][data >> 32 & 0xff] ^
	       crc_table[2][data >> 40 & 0xff] ^ crc_table[1][data >> 48 & 0xff] ^ crc_table[0][data >> 56];
}

uint32_t zc_generic_crc32c(uint32_t crc, const void *mem, size_t len_bytes)
{
	pthread_once(&crc_once, crc_fill_tables);
	return zc_crc_run(crc, mem, len_bytes, crc_word, crc_byte);
}
