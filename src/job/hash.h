/*
 * hash.h: a digest of a file's bytes, taken while they pass by. Private to job/. One thread each.
 *
 * Bytes are given by their place. They come in order, but a piece may begin before the end of the last one
 * (what is known already is left out) or behind it (what is between is a hole: zeros).
 */
#ifndef ZC_JOB_HASH_H
#define ZC_JOB_HASH_H

#include "zcopy/job.h"

struct badmap;
struct hash;

/* The default is what this build has of the fastest. */
enum zc_hash hash_kind(enum zc_hash kind);
int hash_new(struct hash **ret_hash, enum zc_hash kind); /* 0 or -ENOMEM */
void hash_free(struct hash *hash);                       /* NULL is fine */
void hash_reset(struct hash *hash);
void hash_at(struct hash *hash, uint64_t off_bytes, const void *mem, size_t len_bytes);
/* Of a file of that length, which is not before the last byte given: what is missing is a hole. */
void hash_end(struct hash *hash, uint64_t total_bytes, char ret_hex[ZC_HASH_HEX_MAX]);

/* The first len_bytes of what fd reads from from_bytes on. Holes are not read where the file system tells
 * them. mem: cap_bytes that also O_DIRECT takes. fd_plain: where fd refuses a request, or -1. 0; -errno with
 * *ret_off_bytes the place; -ENODATA: the file ends there. */
struct hash_source {
	int fd;
	int fd_plain;
	uint64_t from_bytes;
	uint64_t len_bytes;
	uint8_t *mem;
	size_t cap_bytes;
	const struct badmap *left_out; /* ranges that are taken for zeros; NULL: none */
};
/* Once, at that place: bytes, 0 at the end, or -errno. */
ssize_t hash_read(const struct hash_source *source, uint64_t at);
int hash_file(struct hash *hash, const struct hash_source *source, uint64_t *ret_off_bytes);

#endif
