/*
 * synth.c: ends made of arithmetic. null: discards, zero: yields zeros, gen: yields pseudo-random bytes
 * and, as a sink, checks every byte: a copy can be proved right without a second file and without a hash.
 *
 * gen: is position-addressable, so that reads and checks may come in any order: the 8 bytes at offset
 * 8*k are splitmix64's output function of seed + k (Steele, Lea, Flood: "Fast splittable pseudorandom
 * number generators", OOPSLA 2014). It does not compress.
 */
#include "zcopy/endpoint.h"

#include <errno.h>
#include <string.h>

static uint64_t gen_word(uint64_t seed, uint64_t index)
{
	uint64_t z = (seed + index) * 0x9e3779b97f4a7c15ull;

	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ull;
	z = (z ^ (z >> 27)) * 0x94d049bb133111ebull;
	return z ^ (z >> 31);
}

/* The word at an offset that is no multiple of 8 is pieced together from two (little-endian). */
static uint64_t gen_word_at(uint64_t seed, uint64_t off)
{
	unsigned shift = (unsigned)(off & 7) * 8;
	uint64_t low = gen_word(seed, off / 8) >> shift;

	return shift == 0 ? low : low | gen_word(seed, off / 8 + 1) << (64 - shift);
}

static void gen_fill(uint8_t *mem, size_t len, uint64_t seed, uint64_t off)
{
	size_t at = 0;

	for (; at + 8 <= len; at += 8) {
		uint64_t word = gen_word_at(seed, off + at);

		memcpy(mem + at, &word, 8);
	}
	if (at < len) {
		uint64_t word = gen_word_at(seed, off + at);

		memcpy(mem + at, &word, len - at);
	}
}

/* The index of the first wrong byte, or len. */
static size_t gen_check(const uint8_t *mem, size_t len, uint64_t seed, uint64_t off)
{
	size_t at = 0;

	for (; at + 8 <= len; at += 8) {
		uint64_t word = gen_word_at(seed, off + at);

		if (memcmp(mem + at, &word, 8) != 0) {
			break;
		}
	}
	for (; at < len; at++) {
		if (mem[at] != (uint8_t)gen_word_at(seed, off + at)) {
			break;
		}
	}
	return at;
}

static int synth_next(struct zc_end *end, uint64_t from, struct zc_span *ret_span)
{
	uint64_t size = end->shape.size_bytes;

	*ret_span = (struct zc_span){ .kind = ZC_SPAN_END, .off_bytes = from };
	if (from < size) {
		ret_span->kind = ZC_SPAN_DATA;
		ret_span->len_bytes = size - from;
	}
	return 0;
}

/* What a source of known size gives for a request at this offset. */
static void synth_done(const struct zc_end *end, struct zc_req *req)
{
	uint64_t size = end->shape.size_bytes;
	uint64_t left = req->off_bytes < size ? size - req->off_bytes : 0;

	req->err = 0;
	req->done_bytes =
	    req->op == ZC_OP_WRITE ? req->len_bytes : (uint32_t)zc_min_u64(left, req->len_bytes);
}

static bool null_prep(struct zc_end *end, struct zc_req *req)
{
	synth_done(end, req);
	return true;
}

static int null_hole(struct zc_end *end, uint64_t off_bytes, uint64_t len_bytes)
{
	(void)end;
	(void)off_bytes;
	(void)len_bytes;
	return 0;
}

static bool zero_prep(struct zc_end *end, struct zc_req *req)
{
	synth_done(end, req);
	memset(req->mem, 0, req->done_bytes);
	return true;
}

static bool gen_prep(struct zc_end *end, struct zc_req *req)
{
	synth_done(end, req);
	if (req->op == ZC_OP_READ) {
		gen_fill(req->mem, req->done_bytes, end->seed, req->off_bytes);
		return true;
	}
	req->done_bytes = (uint32_t)gen_check(req->mem, req->len_bytes, end->seed, req->off_bytes);
	if (req->done_bytes < req->len_bytes) {
		req->err = -EBADMSG;
		end->bad_bytes = zc_min_u64(end->bad_bytes, req->off_bytes + req->done_bytes);
	}
	return true;
}

const struct zc_end_ops zc_end_null = {
	.scheme = "null:",
	.next = synth_next,
	.prep = null_prep,
	.hole = null_hole,
};

const struct zc_end_ops zc_end_zero = {
	.scheme = "zero:",
	.next = synth_next,
	.prep = zero_prep,
};

const struct zc_end_ops zc_end_gen = {
	.scheme = "gen:",
	.next = synth_next,
	.prep = gen_prep,
};
