/*
 * hash.c: the digests: XXH3 (128 bits) of libxxhash's header, CRC-32C of arch/, SHA-256. Sole user of
 * xxhash.h, whose code is compiled in: nothing is loaded at start.
 */
#include "hash.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "badmap.h"
#include "sha256.h"
#include "zc_config.h"
#include "zcopy/arch.h"

#if ZC_HAVE_XXHASH
#define XXH_INLINE_ALL
#include <xxhash.h>
#endif

#define DIRECT_ALIGN 4096 /* where it may not be enough, fd_plain serves */

struct hash {
	enum zc_hash kind;
	uint64_t end_bytes; /* of what was given        */
	uint32_t crc;
	struct sha256 sha;
	void *xxh;
};

#if ZC_HAVE_XXHASH
static bool hash_xxh_new(struct hash *hash)
{
	hash->xxh = XXH3_createState();
	return hash->xxh != NULL;
}

static void hash_xxh_reset(struct hash *hash)
{
	(void)XXH3_128bits_reset(hash->xxh);
}

static void hash_xxh_add(struct hash *hash, const void *mem, size_t len)
{
	(void)XXH3_128bits_update(hash->xxh, mem, len);
}

/* As xxh128sum shows it: big-endian. */
static size_t hash_xxh_end(const struct hash *hash, uint8_t digest[32])
{
	XXH128_canonical_t canonical;

	XXH128_canonicalFromHash(&canonical, XXH3_128bits_digest(hash->xxh));
	memcpy(digest, canonical.digest, sizeof(canonical.digest));
	return sizeof(canonical.digest);
}

static void hash_xxh_free(struct hash *hash)
{
	(void)XXH3_freeState(hash->xxh);
}
#else
static bool hash_xxh_new(struct hash *hash)
{
	(void)hash;
	return false;
}

static void hash_xxh_reset(struct hash *hash)
{
	(void)hash;
}

static void hash_xxh_add(struct hash *hash, const void *mem, size_t len)
{
	(void)hash, (void)mem, (void)len;
}

static size_t hash_xxh_end(const struct hash *hash, uint8_t digest[32])
{
	(void)hash, (void)digest;
	return 0;
}

static void hash_xxh_free(struct hash *hash)
{
	(void)hash;
}
#endif

/* ---- one of them */

bool zc_hash_available(enum zc_hash kind)
{
	return kind != ZC_HASH_XXH3 || ZC_HAVE_XXHASH;
}

size_t zc_hash_hex_len(enum zc_hash kind)
{
	switch (hash_kind(kind)) {
	case ZC_HASH_CRC32C:
		return 8;
	case ZC_HASH_SHA256:
		return 2 * (size_t)SHA256_BYTES;
	default:
		return 32;
	}
}

enum zc_hash hash_kind(enum zc_hash kind)
{
	if (kind != ZC_HASH_AUTO) {
		return kind;
	}
	return zc_hash_available(ZC_HASH_XXH3) ? ZC_HASH_XXH3 : ZC_HASH_CRC32C;
}

const char *zc_hash_name(enum zc_hash kind)
{
	switch (hash_kind(kind)) {
	case ZC_HASH_CRC32C:
		return "crc32c";
	case ZC_HASH_SHA256:
		return "sha256";
	default:
		return "xxh3-128";
	}
}

int hash_new(struct hash **ret_hash, enum zc_hash kind)
{
	struct hash *hash = calloc(1, sizeof(*hash));

	if (hash == NULL) {
		return -ENOMEM;
	}
	hash->kind = hash_kind(kind);
	if (hash->kind == ZC_HASH_XXH3 && !hash_xxh_new(hash)) {
		free(hash);
		return -ENOMEM;
	}
	if (hash->kind == ZC_HASH_SHA256) {
		sha256_init(&hash->sha, 0);
	}
	hash_reset(hash);
	*ret_hash = hash;
	return 0;
}

void hash_free(struct hash *hash)
{
	if (hash == NULL) {
		return;
	}
	if (hash->kind == ZC_HASH_XXH3) {
		hash_xxh_free(hash);
	}
	sha256_free(&hash->sha);
	free(hash);
}

void hash_reset(struct hash *hash)
{
	hash->end_bytes = 0;
	hash->crc = 0;
	if (hash->kind == ZC_HASH_XXH3) {
		hash_xxh_reset(hash);
	} else if (hash->kind == ZC_HASH_SHA256) {
		sha256_reset(&hash->sha);
	}
}

static void hash_add(struct hash *hash, const void *mem, size_t len)
{
	hash->end_bytes += len;
	if (hash->kind == ZC_HASH_XXH3) {
		hash_xxh_add(hash, mem, len);
	} else if (hash->kind == ZC_HASH_SHA256) {
		sha256_add(&hash->sha, mem, len);
	} else {
		hash->crc = zc_arch()->crc32c(hash->crc, mem, len);
	}
}

static void hash_zeros(struct hash *hash, uint64_t until)
{
	static const uint8_t zeros[64 * ZC_KIB];

	while (hash->end_bytes < until) {
		hash_add(hash, zeros, (size_t)zc_min_u64(sizeof(zeros), until - hash->end_bytes));
	}
}

void hash_at(struct hash *hash, uint64_t off_bytes, const void *mem, size_t len_bytes)
{
	uint64_t known;

	hash_zeros(hash, off_bytes);
	known = hash->end_bytes - off_bytes;
	if (known < len_bytes) {
		hash_add(hash, (const uint8_t *)mem + known, len_bytes - (size_t)known);
	}
}

void hash_end(struct hash *hash, uint64_t total_bytes, char ret_hex[ZC_HASH_HEX_MAX])
{
	static const char digits[] = "0123456789abcdef";
	uint8_t digest[32] = { 0 };
	size_t len = 4;

	hash_zeros(hash, total_bytes);
	if (hash->kind == ZC_HASH_XXH3) {
		len = hash_xxh_end(hash, digest);
	} else if (hash->kind == ZC_HASH_SHA256) {
		sha256_end(&hash->sha, digest);
		len = SHA256_BYTES;
	} else {
		for (unsigned i = 0; i < 4; i++) {
			digest[i] = (uint8_t)(hash->crc >> (24 - 8 * i));
		}
	}
	for (size_t i = 0; i < len; i++) {
		ret_hex[2 * i] = digits[digest[i] >> 4];
		ret_hex[2 * i + 1] = digits[digest[i] & 15];
	}
	ret_hex[2 * len] = '\0';
}

int zc_hash_of(enum zc_hash kind, const void *mem, size_t len_bytes, char ret_hex[ZC_HASH_HEX_MAX])
{
	struct hash *hash;
	int res = hash_new(&hash, kind);

	if (res < 0) {
		return res;
	}
	hash_at(hash, 0, mem, len_bytes);
	hash_end(hash, len_bytes, ret_hex);
	hash_free(hash);
	return 0;
}

/* ---- all of a file */

/* Where data may be from at on. */
static uint64_t hash_next_data(const struct hash_source *source, uint64_t at)
{
	off_t data = lseek(source->fd, (off_t)(source->from_bytes + at), SEEK_DATA);

	if (data < 0) {
		return errno == ENXIO ? source->len_bytes : at;
	}
	return zc_min_u64((uint64_t)data - source->from_bytes, source->len_bytes);
}

/* Where the next byte is that is not left out, and how far it is from there to one that is. *turn: the first
 * range that may matter. */
static uint64_t hash_behind_left_out(const struct hash_source *source, uint64_t at, unsigned *turn,
                                     uint64_t *ret_until)
{
	const struct badmap *map = source->left_out;

	*ret_until = source->len_bytes;
	for (; map != NULL && *turn < map->count; (*turn)++) {
		const struct badmap_range *range = &map->list[*turn];

		if (at < range->off_bytes) {
			*ret_until = zc_min_u64(range->off_bytes, source->len_bytes);
			break;
		}
		at = zc_max_u64(at, range->off_bytes + range->len_bytes);
	}
	return zc_min_u64(at, source->len_bytes);
}

ssize_t hash_read(const struct hash_source *source, uint64_t at)
{
	for (;;) {
		ssize_t len =
		    pread(source->fd, source->mem, source->cap_bytes, (off_t)(source->from_bytes + at));

		if (len < 0 && errno == EINVAL && source->fd_plain >= 0) {
			len = pread(source->fd_plain, source->mem, source->cap_bytes,
			            (off_t)(source->from_bytes + at));
		}
		if (len >= 0) {
			return len;
		}
		if (errno != EINTR) {
			return -errno;
		}
		if (zc_stopped()) {
			return -ECANCELED;
		}
	}
}

int hash_file(struct hash *hash, const struct hash_source *source, uint64_t *ret_off_bytes)
{
	struct stat st;
	bool sparse = fstat(source->fd, &st) == 0 && S_ISREG(st.st_mode) &&
	              (uint64_t)st.st_blocks * 512 < (uint64_t)st.st_size;
	unsigned turn = 0;

	hash_reset(hash);
	if (sparse && (uint64_t)st.st_size < source->from_bytes + source->len_bytes) {
		*ret_off_bytes = 0; /* or what is missing would pass for a hole */
		return -ENODATA;
	}
	for (uint64_t at = 0; at < source->len_bytes;) {
		uint64_t data;
		uint64_t until;
		uint64_t before; /* read for the alignment only */
		ssize_t len;

		if (zc_stopped()) {
			return -ECANCELED;
		}
		data = sparse ? hash_next_data(source, at) : at;
		data = hash_behind_left_out(source, data, &turn, &until);
		if (data == source->len_bytes) {
			break;
		}
		before = data > at ? data % DIRECT_ALIGN : 0;
		len = hash_read(source, data - before);
		if (before > 0 && len > 0 && (uint64_t)len <= before) { /* it reads in short pieces */
			before = 0;
			len = hash_read(source, data);
		}
		if (len <= 0) {
			*ret_off_bytes = data;
			return len < 0 ? (int)len : -ENODATA;
		}
		at = zc_min_u64(data - before + (uint64_t)len, until);
		hash_at(hash, data, source->mem + before, (size_t)(at - data));
	}
	return 0;
}
