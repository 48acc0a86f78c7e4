/* Digests: the published values, pieces in any cut, holes, and both ways to a SHA-256. */
#include "hash.h"
#include <errno.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "badmap.h"
#include "sha256.h"

static const enum zc_hash kinds[] = { ZC_HASH_XXH3, ZC_HASH_CRC32C, ZC_HASH_SHA256 };
static uint8_t data[300000];

static void fill(void)
{
	uint32_t word = 1;

	for (size_t i = 0; i < sizeof(data); i++) {
		word = word * 1664525 + 1013904223;
		data[i] = (uint8_t)(word >> 24);
	}
}

static void digest(enum zc_hash kind, const void *mem, size_t len, char hex[ZC_HASH_HEX_MAX])
{
	struct hash *hash;

	assert_int_equal(hash_new(&hash, kind), 0);
	hash_at(hash, 0, mem, len);
	hash_end(hash, len, hex);
	hash_free(hash);
}

static void published(void **state)
{
	static const struct {
		enum zc_hash kind;
		const char *text;
		const char *hex;
	} values[] = {
		{ ZC_HASH_SHA256, "", "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855" },
		{ ZC_HASH_SHA256, "abc", "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad" },
		{ ZC_HASH_SHA256, "abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq",
		  "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1" },
		{ ZC_HASH_CRC32C, "123456789", "e3069283" },
		{ ZC_HASH_CRC32C, "", "00000000" },
		{ ZC_HASH_XXH3, "", "99aa06d3014798d86001c324468d497f" },
	};
	char hex[ZC_HASH_HEX_MAX];

	(void)state;
	for (size_t i = 0; i < ZC_ARRAY_LEN(values); i++) {
		if (zc_hash_available(values[i].kind)) {
			digest(values[i].kind, values[i].text, strlen(values[i].text), hex);
			assert_string_equal(hex, values[i].hex);
			assert_int_equal(
			    zc_hash_of(values[i].kind, values[i].text, strlen(values[i].text), hex), 0);
			assert_string_equal(hex, values[i].hex);
		}
	}
}

/* In one piece, in pieces, in pieces that overlap, and after something else. */
static void pieces(void **state)
{
	char whole[ZC_HASH_HEX_MAX];
	char hex[ZC_HASH_HEX_MAX];

	(void)state;
	for (size_t i = 0; i < ZC_ARRAY_LEN(kinds); i++) {
		struct hash *hash;

		if (!zc_hash_available(kinds[i])) {
			continue;
		}
		digest(kinds[i], data, sizeof(data), whole);
		assert_int_equal(hash_new(&hash, kinds[i]), 0);
		for (size_t step = 1; step < 100000; step = step * 3 + 7) {
			hash_at(hash, 0, "rubbish", 7);
			hash_reset(hash);
			for (size_t at = 0; at < sizeof(data); at += step) {
				size_t back = at > 1000 ? 1000 : 0;

				hash_at(hash, at - back, data + at - back,
				        (size_t)zc_min_u64(step + back, sizeof(data) - at + back));
			}
			hash_at(hash, 5, data + 5, 100); /* known */
			hash_end(hash, sizeof(data), hex);
			assert_string_equal(hex, whole);
			hash_reset(hash);
		}
		hash_free(hash);
	}
}

static void holes(void **state)
{
	char whole[ZC_HASH_HEX_MAX];
	char hex[ZC_HASH_HEX_MAX];

	(void)state;
	memset(data + 1000, 0, 150000);
	memset(data + 299000, 0, 1000);
	for (size_t i = 0; i < ZC_ARRAY_LEN(kinds); i++) {
		struct hash *hash;

		if (!zc_hash_available(kinds[i])) {
			continue;
		}
		digest(kinds[i], data, sizeof(data), whole);
		assert_int_equal(hash_new(&hash, kinds[i]), 0);
		hash_at(hash, 0, data, 1000);
		hash_at(hash, 151000, data + 151000, 148000);
		hash_end(hash, sizeof(data), hex);
		assert_string_equal(hex, whole);
		hash_free(hash);
	}
	fill();
}

static void differs(void **state)
{
	char one[ZC_HASH_HEX_MAX];
	char other[ZC_HASH_HEX_MAX];

	(void)state;
	for (size_t i = 0; i < ZC_ARRAY_LEN(kinds); i++) {
		if (!zc_hash_available(kinds[i])) {
			continue;
		}
		for (size_t at = 0; at < sizeof(data); at = at * 2 + 1) {
			digest(kinds[i], data, sizeof(data), one);
			data[at] ^= 1;
			digest(kinds[i], data, sizeof(data), other);
			data[at] ^= 1;
			assert_string_not_equal(one, other);
		}
		digest(kinds[i], data, sizeof(data) - 1, other);
		assert_string_not_equal(one, other);
	}
}

/* Each length around the ends of blocks, by libcrypto and without it. */
static void own_sha256(void **state)
{
	struct sha256 loaded;
	struct sha256 own;

	(void)state;
	sha256_init(&loaded, 0);
	sha256_init(&own, 1);
	assert_null(own.ctx);
	if (loaded.ctx == NULL) {
		print_message("no libcrypto here: compared with itself\n");
	}
	for (size_t len = 0; len < 300; len++) {
		uint8_t digests[2][SHA256_BYTES];

		sha256_reset(&loaded);
		sha256_reset(&own);
		sha256_add(&loaded, data, len);
		sha256_add(&own, data, len / 3);
		sha256_add(&own, data + len / 3, len - len / 3);
		sha256_end(&loaded, digests[0]);
		sha256_end(&own, digests[1]);
		assert_memory_equal(digests[0], digests[1], SHA256_BYTES);
	}
	sha256_free(&loaded);
	sha256_free(&own);
}

/* A file that is shorter than it should be is said, one with holes is read past them. */
static void files(void **state)
{
	char path[] = "/tmp/unit_job_hash.XXXXXX";
	int fd = mkstemp(path);
	uint8_t *mem = malloc(4096);
	struct hash_source source = { .fd = fd, .fd_plain = -1, .mem = mem, .cap_bytes = 4096 };
	uint8_t *whole = calloc(1, 2000003);
	char expected[ZC_HASH_HEX_MAX];
	char hex[ZC_HASH_HEX_MAX];
	struct hash *hash;
	uint64_t off = 0;

	(void)state;
	assert_true(fd >= 0);
	assert_int_equal(unlink(path), 0);
	assert_int_equal(pwrite(fd, data, 10, 5), 10);
	assert_int_equal(pwrite(fd, data, 1000, 1500007), 1000);
	assert_int_equal(ftruncate(fd, 2000003), 0);
	memcpy(whole + 5, data, 10);
	memcpy(whole + 1500007, data, 1000);
	assert_int_equal(hash_new(&hash, ZC_HASH_CRC32C), 0);
	source.len_bytes = 2000003;
	assert_int_equal(hash_file(hash, &source, &off), 0);
	hash_end(hash, 2000003, hex);
	digest(ZC_HASH_CRC32C, whole, 2000003, expected);
	assert_string_equal(hex, expected);
	source.from_bytes = 3; /* of an inherited descriptor */
	source.len_bytes = 1600000;
	assert_int_equal(hash_file(hash, &source, &off), 0);
	hash_end(hash, 1600000, hex);
	digest(ZC_HASH_CRC32C, whole + 3, 1600000, expected);
	assert_string_equal(hex, expected);
	source.from_bytes = 0;
	source.len_bytes = 2000003;
	assert_int_equal(ftruncate(fd, 2000002), 0);
	assert_int_equal(hash_file(hash, &source, &off), -ENODATA);
	assert_int_equal(ftruncate(fd, 100), 0);
	assert_int_equal(hash_file(hash, &source, &off), -ENODATA);
	hash_free(hash);
	free(whole);
	free(mem);
	close(fd);
}

/* Ranges that are left out count as zeros, wherever they begin and end, and are not read. */
static void left_out(void **state)
{
	static const struct badmap_range cases[][3] = {
		{ { .off_bytes = 0, .len_bytes = 1 } },
		{ { .off_bytes = 0, .len_bytes = sizeof(data) } },
		{ { .off_bytes = 1, .len_bytes = 4096 }, { .off_bytes = 5000, .len_bytes = 3 } },
		{ { .off_bytes = 4095, .len_bytes = 2 }, { .off_bytes = 4097, .len_bytes = 4095 } },
		{ { .off_bytes = 70000, .len_bytes = 100000 }, { .off_bytes = 299999, .len_bytes = 1 } },
		{ { .off_bytes = 8192, .len_bytes = 8192 }, { .off_bytes = 290000, .len_bytes = 1 << 20 } },
	};
	char path[] = "/tmp/unit_job_hash.XXXXXX";
	int fd = mkstemp(path);
	uint8_t mem[4096];
	struct hash_source source = { .fd = fd, .fd_plain = -1, .mem = mem, .cap_bytes = sizeof(mem) };
	uint8_t *want = malloc(sizeof(data));
	char expected[ZC_HASH_HEX_MAX];
	char hex[ZC_HASH_HEX_MAX];
	struct hash *hash;
	uint64_t off = 0;

	(void)state;
	assert_true(fd >= 0);
	assert_int_equal(unlink(path), 0);
	assert_int_equal(pwrite(fd, data, sizeof(data), 0), sizeof(data));
	assert_int_equal(hash_new(&hash, ZC_HASH_CRC32C), 0);
	source.len_bytes = sizeof(data);
	for (size_t i = 0; i < ZC_ARRAY_LEN(cases); i++) {
		struct badmap map = { 0 };

		memcpy(want, data, sizeof(data));
		for (size_t n = 0; n < 3 && cases[i][n].len_bytes > 0; n++) {
			const struct badmap_range *range = &cases[i][n];

			assert_int_equal(badmap_add(&map, range), 0);
			memset(want + range->off_bytes, 0,
			       zc_min_u64(range->len_bytes, sizeof(data) - range->off_bytes));
		}
		source.left_out = &map;
		assert_int_equal(hash_file(hash, &source, &off), 0);
		hash_end(hash, sizeof(data), hex);
		digest(ZC_HASH_CRC32C, want, sizeof(data), expected);
		assert_string_equal(hex, expected);
		badmap_clear(&map);
	}
	hash_free(hash);
	free(want);
	close(fd);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(published), cmocka_unit_test(pieces),     cmocka_unit_test(holes),
		cmocka_unit_test(differs),   cmocka_unit_test(own_sha256), cmocka_unit_test(files),
		cmocka_unit_test(left_out),
	};

	fill();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
