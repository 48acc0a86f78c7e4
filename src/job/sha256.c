/*
 * sha256.c: libcrypto is loaded when the first digest is asked for: linked, it would cost each start of the
 * program more than a small copy does. Where there is none (a static program, a bare host) plain C does the
 * same, more slowly.
 */
#include "sha256.h"

#include <dlfcn.h>
#include <pthread.h>
#include <string.h>

#include "zc_config.h"
#include "zcopy/base.h"

/* ---- libcrypto. Opaque to us: its headers are not needed to build. */

static struct {
	void *(*new_ctx)(void);
	void (*free_ctx)(void *ctx);
	const void *(*sha256)(void);
	int (*init)(void *ctx, const void *type, void *engine);
	int (*update)(void *ctx, const void *mem, size_t len);
	int (*final)(void *ctx, unsigned char *digest, unsigned *ret_len);
	bool usable;
} crypto;

#if ZC_STATIC
static void crypto_load(void)
{
}
#else
/* Never unloaded: the pointers are used until the process ends. */
static void crypto_load(void)
{
	static const char *const names[] = { "libcrypto.so.3", "libcrypto.so.1.1" };
	void *lib = NULL;

	for (unsigned i = 0; i < ZC_ARRAY_LEN(names) && lib == NULL; i++) {
		lib = dlopen(names[i], RTLD_NOW | RTLD_LOCAL);
	}
	if (lib == NULL) {
		return;
	}
	crypto.new_ctx = dlsym(lib, "EVP_MD_CTX_new");
	crypto.free_ctx = dlsym(lib, "EVP_MD_CTX_free");
	crypto.sha256 = dlsym(lib, "EVP_sha256");
	crypto.init = dlsym(lib, "EVP_DigestInit_ex");
	crypto.update = dlsym(lib, "EVP_DigestUpdate");
	crypto.final = dlsym(lib, "EVP_DigestFinal_ex");
	crypto.usable = crypto.new_ctx && crypto.free_ctx && crypto.sha256 && crypto.init && crypto.update &&
	                crypto.final;
}
#endif

/* ---- plain C, after FIPS 180-4, section 6.2 */

static const uint32_t round_words[64] = {
	0x428a2f98, 0x71374491, 0xb5c0fbcf, 0xe9b5dba5, 0x3956c25b, 0x59f111f1, 0x923f82a4, 0xab1c5ed5,
	0xd807aa98, 0x12835b01, 0x243185be, 0x550c7dc3, 0x72be5d74, 0x80deb1fe, 0x9bdc06a7, 0xc19bf174,
	0xe49b69c1, 0xefbe4786, 0x0fc19dc6, 0x240ca1cc, 0x2de92c6f, 0x4a7484aa, 0x5cb0a9dc, 0x76f988da,
	0x983e5152, 0xa831c66d, 0xb00327c8, 0xbf597fc7, 0xc6e00bf3, 0xd5a79147, 0x06ca6351, 0x14292967,
	0x27b70a85, 0x2e1b2138, 0x4d2c6dfc, 0x53380d13, 0x650a7354, 0x766a0abb, 0x81c2c92e, 0x92722c85,
	0xa2bfe8a1, 0xa81a664b, 0xc24b8b70, 0xc76c51a3, 0xd192e819, 0xd6990624, 0xf40e3585, 0x106aa070,
	0x19a4c116, 0x1e376c08, 0x2748774c, 0x34b0bcb5, 0x391c0cb3, 0x4ed8aa4a, 0x5b9cca4f, 0x682e6ff3,
	0x748f82ee, 0x78a5636f, 0x84c87814, 0x8cc70208, 0x90befffa, 0xa4506ceb, 0xbef9a3f7, 0xc67178f2,
};

static uint32_t rotated(uint32_t word, unsigned by)
{
	return word >> by | word << (32 - by);
}

static uint32_t big_endian(const uint8_t *mem)
{
	return (uint32_t)mem[0] << 24 | (uint32_t)mem[1] << 16 | (uint32_t)mem[2] << 8 | mem[3];
}

static void sha256_schedule(uint32_t words[64], const uint8_t *block)
{
	for (unsigned t = 0; t < 16; t++) {
		words[t] = big_endian(block + 4 * (size_t)t);
	}
	for (unsigned t = 16; t < 64; t++) {
		uint32_t early = words[t - 15];
		uint32_t late = words[t - 2];

		words[t] = (rotated(late, 17) ^ rotated(late, 19) ^ late >> 10) + words[t - 7] +
		           (rotated(early, 7) ^ rotated(early, 18) ^ early >> 3) + words[t - 16];
	}
}

/* The standard's a to h are v[0] to v[7] before the first round; each round calls the next place a, so that
 * none of them has to move. */
static inline void sha256_round(uint32_t v[8], unsigned t, uint32_t word)
{
	uint32_t a = v[(0 - t) & 7];
	uint32_t b = v[(1 - t) & 7];
	uint32_t c = v[(2 - t) & 7];
	uint32_t e = v[(4 - t) & 7];
	uint32_t f = v[(5 - t) & 7];
	uint32_t g = v[(6 - t) & 7];
	uint32_t *h = &v[(7 - t) & 7];
	uint32_t one = *h + (rotated(e, 6) ^ rotated(e, 11) ^ rotated(e, 25)) + ((e & f) ^ (~e & g)) + word;

	v[(3 - t) & 7] += one;
	*h = one + (rotated(a, 2) ^ rotated(a, 13) ^ rotated(a, 22)) + ((a & b) ^ (a & c) ^ (b & c));
}

static void sha256_block(uint32_t state[8], const uint8_t *block)
{
	uint32_t words[64];
	uint32_t v[8];

	sha256_schedule(words, block);
	memcpy(v, state, sizeof(v));
	for (unsigned t = 0; t < 64; t += 8) {
#pragma GCC unroll 8
		for (unsigned i = 0; i < 8; i++) {
			sha256_round(v, i, round_words[t + i] + words[t + i]);
		}
	}
	for (unsigned i = 0; i < 8; i++) {
		state[i] += v[i];
	}
}

static void own_reset(struct sha256 *sha)
{
	static const uint32_t first[8] = { 0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a,
		                           0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19 };

	memcpy(sha->state, first, sizeof(first));
	sha->len_bytes = 0;
}

static void own_add(struct sha256 *sha, const uint8_t *mem, size_t len)
{
	size_t have = sha->len_bytes % sizeof(sha->block);

	sha->len_bytes += len;
	if (have > 0) {
		size_t part = (size_t)zc_min_u64(len, sizeof(sha->block) - have);

		memcpy(sha->block + have, mem, part);
		mem += part;
		len -= part;
		if (have + part < sizeof(sha->block)) {
			return;
		}
		sha256_block(sha->state, sha->block);
	}
	for (; len >= sizeof(sha->block); len -= sizeof(sha->block), mem += sizeof(sha->block)) {
		sha256_block(sha->state, mem);
	}
	memcpy(sha->block, mem, len);
}

static void own_end(struct sha256 *sha, uint8_t digest[SHA256_BYTES])
{
	static const uint8_t pad[64] = { 0x80 };
	uint64_t bits = sha->len_bytes * 8;
	uint8_t tail[8];

	for (unsigned i = 0; i < 8; i++) {
		tail[i] = (uint8_t)(bits >> (56 - 8 * i));
	}
	own_add(sha, pad, 1 + (size_t)((119 - sha->len_bytes % 64) % 64));
	own_add(sha, tail, sizeof(tail));
	for (unsigned i = 0; i < SHA256_BYTES; i++) {
		digest[i] = (uint8_t)(sha->state[i / 4] >> (24 - 8 * (i % 4)));
	}
}

/* ---- either */

void sha256_init(struct sha256 *sha, int own)
{
	static pthread_once_t once = PTHREAD_ONCE_INIT;

	sha->ctx = NULL;
	if (!own) {
		(void)pthread_once(&once, crypto_load);
		sha->ctx = crypto.usable ? crypto.new_ctx() : NULL;
	}
	sha256_reset(sha);
}

void sha256_reset(struct sha256 *sha)
{
	/* a libcrypto that has no SHA-256 to give (a policy's) is none */
	if (sha->ctx != NULL && crypto.init(sha->ctx, crypto.sha256(), NULL) != 1) {
		sha256_free(sha);
	}
	own_reset(sha);
}

void sha256_add(struct sha256 *sha, const void *mem, size_t len_bytes)
{
	if (sha->ctx == NULL) {
		own_add(sha, mem, len_bytes);
	} else {
		zc_verify(crypto.update(sha->ctx, mem, len_bytes) == 1);
	}
}

void sha256_end(struct sha256 *sha, uint8_t ret_digest[SHA256_BYTES])
{
	unsigned len = 0;

	if (sha->ctx == NULL) {
		own_end(sha, ret_digest);
	} else {
		zc_verify(crypto.final(sha->ctx, ret_digest, &len) == 1 && len == SHA256_BYTES);
	}
}

void sha256_free(struct sha256 *sha)
{
	if (sha->ctx != NULL) {
		crypto.free_ctx(sha->ctx);
		sha->ctx = NULL;
	}
}
