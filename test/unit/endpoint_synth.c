/*
 * null: zero: gen: as sources and as sinks. gen: is held against a second writing of its formula, at
 * every alignment, since all other tests trust it to see a wrong byte.
 */
#include "zcopy/endpoint.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum {
	LONGEST = 200,
};

/* The byte at an offset, from the words one by one: byte i of word k is bits 8i of splitmix64(seed + k). */
static uint8_t gen_byte(uint64_t seed, uint64_t off)
{
	uint64_t z = (seed + off / 8) * 0x9e3779b97f4a7c15ull;

	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ull;
	z = (z ^ (z >> 27)) * 0x94d049bb133111ebull;
	z ^= z >> 31;
	return (uint8_t)(z >> (off % 8 * 8));
}

static struct zc_end make(enum zc_end_kind kind, enum zc_dir dir, uint64_t seed, uint64_t size)
{
	struct zc_uri uri = { .kind = kind, .seed = seed, .size_bytes = size };
	struct zc_end end;

	zc_end_from_synth(&end, &uri, dir);
	return end;
}

/* One request; returns the bytes done. */
static uint32_t perform(struct zc_end *end, enum zc_op op, uint8_t *mem, uint32_t len, uint64_t off, int err)
{
	struct zc_req req = { .op = op, .mem = mem, .len_bytes = len, .off_bytes = off, .err = 1 };

	assert_true(end->ops->prep(end, &req));
	assert_int_equal(req.err, err);
	return req.done_bytes;
}

/* splitmix64 seeded with 0 begins 0, e220a8397b1dcdaf, 6e789e6aa1b965f4: word k of seed 0 is its k-th state.
 */
static void known_words(void **state)
{
	static const uint64_t words[3] = { 0, 0xe220a8397b1dcdafull, 0x6e789e6aa1b965f4ull };
	struct zc_end end = make(ZC_END_GEN, ZC_DIR_SRC, 0, 24);
	uint8_t mem[24];

	(void)state;
	assert_int_equal(perform(&end, ZC_OP_READ, mem, 24, 0, 0), 24);
	assert_memory_equal(mem, words, 24);
}

static void fills_anywhere(void **state)
{
	static const uint64_t bases[] = { 0, 1ull << 32, (1ull << 63) - 64 };
	uint8_t mem[LONGEST + 2];

	(void)state;
	for (unsigned b = 0; b < ZC_ARRAY_LEN(bases); b++) {
		struct zc_end end = make(ZC_END_GEN, ZC_DIR_SRC, 0x1234 + b, UINT64_MAX - 1);

		for (uint32_t at = 0; at < 17; at++) {
			for (uint32_t len = 1; len <= LONGEST; len += len < 40 ? 1 : 13) {
				memset(mem, 0xa5, sizeof(mem));
				assert_int_equal(perform(&end, ZC_OP_READ, mem + 1, len, bases[b] + at, 0),
				                 len);
				assert_int_equal(mem[0], 0xa5);
				assert_int_equal(mem[len + 1], 0xa5);
				for (uint32_t i = 0; i < len; i++) {
					assert_int_equal(mem[i + 1], gen_byte(end.seed, bases[b] + at + i));
				}
			}
		}
	}
}

/* What one fills, the other accepts; with any one byte wrong, it names this byte. */
static void checks_anywhere(void **state)
{
	uint8_t mem[LONGEST];

	(void)state;
	for (uint32_t at = 0; at < 9; at++) {
		for (uint32_t len = 1; len <= 40; len++) {
			struct zc_end src = make(ZC_END_GEN, ZC_DIR_SRC, 77, 4096);
			struct zc_end dst = make(ZC_END_GEN, ZC_DIR_DST, 77, 0);

			perform(&src, ZC_OP_READ, mem, len, at, 0);
			assert_int_equal(perform(&dst, ZC_OP_WRITE, mem, len, at, 0), len);
			assert_true(dst.bad_bytes == ZC_OFF_NONE);
			for (uint32_t bad = 0; bad < len; bad++) {
				mem[bad] ^= (uint8_t)(1u << bad % 8);
				dst.bad_bytes = ZC_OFF_NONE;
				assert_int_equal(perform(&dst, ZC_OP_WRITE, mem, len, at, -EBADMSG), bad);
				assert_true(dst.bad_bytes == at + bad);
				mem[bad] ^= (uint8_t)(1u << bad % 8);
			}
		}
	}
}

/* Writes come in any order; the lowest wrong byte is what a user is told. */
static void lowest_wrong_byte(void **state)
{
	struct zc_end src = make(ZC_END_GEN, ZC_DIR_SRC, 5, 4096);
	struct zc_end dst = make(ZC_END_GEN, ZC_DIR_DST, 5, 0);
	uint8_t mem[64];

	(void)state;
	perform(&src, ZC_OP_READ, mem, 64, 1000, 0);
	mem[9] ^= 1;
	mem[60] ^= 1;
	assert_int_equal(perform(&dst, ZC_OP_WRITE, mem, 64, 1000, -EBADMSG), 9);
	perform(&src, ZC_OP_READ, mem, 64, 2000, 0);
	mem[0] ^= 0x80;
	assert_int_equal(perform(&dst, ZC_OP_WRITE, mem, 64, 2000, -EBADMSG), 0);
	assert_true(dst.bad_bytes == 1009);
	/* another seed is another stream */
	dst = make(ZC_END_GEN, ZC_DIR_DST, 6, 0);
	perform(&src, ZC_OP_READ, mem, 64, 0, 0);
	assert_true(perform(&dst, ZC_OP_WRITE, mem, 64, 0, -EBADMSG) < 8);
}

static void ends_where_it_says(void **state)
{
	static const enum zc_end_kind kinds[] = { ZC_END_ZERO, ZC_END_GEN };
	uint8_t mem[32];
	struct zc_span span;

	(void)state;
	for (unsigned k = 0; k < ZC_ARRAY_LEN(kinds); k++) {
		struct zc_end end = make(kinds[k], ZC_DIR_SRC, 1, 100);

		assert_true(end.shape.size_bytes == 100);
		assert_int_equal(end.shape.caps, ZC_CAP_SYNTH | ZC_CAP_SEEK);
		assert_int_equal(end.shape.fd, -1);
		assert_int_equal(perform(&end, ZC_OP_READ, mem, 32, 68, 0), 32);
		memset(mem, 0xa5, sizeof(mem));
		assert_int_equal(perform(&end, ZC_OP_READ, mem, 32, 77, 0), 23);
		assert_int_equal(mem[23], 0xa5);
		assert_int_equal(perform(&end, ZC_OP_READ, mem, 32, 100, 0), 0);
		assert_int_equal(perform(&end, ZC_OP_READ, mem, 32, UINT64_MAX - 40, 0), 0);
		assert_int_equal(end.ops->next(&end, 0, &span), 0);
		assert_int_equal(span.kind, ZC_SPAN_DATA);
		assert_true(span.off_bytes == 0 && span.len_bytes == 100);
		assert_int_equal(end.ops->next(&end, 99, &span), 0);
		assert_true(span.kind == ZC_SPAN_DATA && span.off_bytes == 99 && span.len_bytes == 1);
		assert_int_equal(end.ops->next(&end, 100, &span), 0);
		assert_int_equal(span.kind, ZC_SPAN_END);
		assert_int_equal(zc_end_close(&end), 0);
	}
}

static void zero_is_zeros(void **state)
{
	struct zc_end end = make(ZC_END_ZERO, ZC_DIR_SRC, 0, 40);
	uint8_t mem[64];

	(void)state;
	memset(mem, 0xa5, sizeof(mem));
	assert_int_equal(perform(&end, ZC_OP_READ, mem, 64, 3, 0), 37);
	for (unsigned i = 0; i < 64; i++) {
		assert_int_equal(mem[i], i < 37 ? 0 : 0xa5);
	}
}

/* null: is empty as a source and bottomless as a sink, where holes cost nothing either. */
static void null_has_nothing(void **state)
{
	struct zc_end src = make(ZC_END_NULL, ZC_DIR_SRC, 0, 99);
	struct zc_end dst = make(ZC_END_NULL, ZC_DIR_DST, 0, 0);
	uint8_t mem[8] = { 0 };
	struct zc_span span;

	(void)state;
	assert_true(src.shape.size_bytes == 0);
	assert_int_equal(src.ops->next(&src, 0, &span), 0);
	assert_int_equal(span.kind, ZC_SPAN_END);
	assert_int_equal(perform(&src, ZC_OP_READ, mem, 8, 0, 0), 0);
	assert_int_equal(perform(&dst, ZC_OP_WRITE, mem, 8, 1ull << 60, 0), 8);
	assert_int_equal(dst.ops->hole(&dst, 0, 1ull << 60), 0);
	assert_null(dst.ops->finish);
}

static void nouns(void **state)
{
	static const struct {
		enum zc_end_kind kind;
		const char *noun;
	} names[] = { { ZC_END_NULL, "null:" }, { ZC_END_ZERO, "zero:" }, { ZC_END_GEN, "gen:" } };

	(void)state;
	for (unsigned i = 0; i < ZC_ARRAY_LEN(names); i++) {
		struct zc_end end = make(names[i].kind, ZC_DIR_SRC, 0, 1);

		assert_string_equal(zc_end_noun(&end), names[i].noun);
	}
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(known_words),        cmocka_unit_test(fills_anywhere),
		cmocka_unit_test(checks_anywhere),    cmocka_unit_test(lowest_wrong_byte),
		cmocka_unit_test(ends_where_it_says), cmocka_unit_test(zero_is_zeros),
		cmocka_unit_test(null_has_nothing),   cmocka_unit_test(nouns),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
