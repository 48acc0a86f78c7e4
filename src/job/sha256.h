/* sha256.h: SHA-256 (FIPS 180-4), by libcrypto where it can be loaded, else by itself. Private to job/. */
#ifndef ZC_JOB_SHA256_H
#define ZC_JOB_SHA256_H

#include <stddef.h>
#include <stdint.h>

#define SHA256_BYTES 32

struct sha256 {
	void *ctx;         /* libcrypto's, NULL: our own       */
	uint32_t state[8]; /* from here on our own             */
	uint64_t len_bytes;
	uint8_t block[64]; /* the last of them, incomplete     */
};

/* Any thread. The first call loads libcrypto, which costs milliseconds; own: does without. */
void sha256_init(struct sha256 *sha, int own);
void sha256_reset(struct sha256 *sha);
void sha256_add(struct sha256 *sha, const void *mem, size_t len_bytes);
void sha256_end(struct sha256 *sha, uint8_t ret_digest[SHA256_BYTES]);
void sha256_free(struct sha256 *sha);

#endif
