/* Sizes and counts as people write them: all that is accepted, all that is refused, and noise. */
#include "zcopy/base.h"

#include <errno.h>
#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static void sizes(void **state)
{
	static const struct {
		const char *text;
		uint64_t bytes;
	} good[] = {
		{ "0", 0 },
		{ "1", 1 },
		{ "007", 7 },
		{ "64K", 65536 },
		{ "64k", 65536 },
		{ "64KiB", 65536 },
		{ "64kiB", 65536 },
		{ "64KB", 64000 },
		{ "64kB", 64000 },
		{ "3M", 3 * ZC_MIB },
		{ "3m", 3 * ZC_MIB },
		{ "3MiB", 3 * ZC_MIB },
		{ "3MB", 3000000 },
		{ "2G", 2 * ZC_GIB },
		{ "2g", 2 * ZC_GIB },
		{ "2GiB", 2 * ZC_GIB },
		{ "2GB", 2000000000 },
		{ "1T", 1024 * ZC_GIB },
		{ "1TiB", 1024 * ZC_GIB },
		{ "1TB", 1000000000000 },
		{ "18446744073709551615", UINT64_MAX },
		{ "16777215T", 16777215ull << 40 },
		{ "18446744TB", 18446744000000000000ull },
	};

	(void)state;
	for (size_t i = 0; i < ZC_ARRAY_LEN(good); i++) {
		uint64_t bytes = 77;

		assert_int_equal(zc_parse_size(good[i].text, &bytes), 0);
		assert_int_equal(bytes, good[i].bytes);
	}
}

static void sizes_refused(void **state)
{
	static const struct {
		const char *text;
		int err;
	} bad[] = {
		{ "", -EINVAL },
		{ " 1", -EINVAL },
		{ "1 ", -EINVAL },
		{ "+1", -EINVAL },
		{ "-1", -EINVAL },
		{ "-", -EINVAL },
		{ "K", -EINVAL },
		{ "1.5G", -EINVAL },
		{ "0x10", -EINVAL },
		{ "1KK", -EINVAL },
		{ "1Ki", -EINVAL },
		{ "1KiBx", -EINVAL },
		{ "1KBx", -EINVAL },
		{ "1Kb", -EINVAL },
		{ "1B", -EINVAL },
		{ "1iB", -EINVAL },
		{ "1P", -EINVAL },
		{ "1K ", -EINVAL },
		{ "1\xc2\xa0K", -EINVAL },
		{ "18446744073709551616", -ERANGE },
		{ "99999999999999999999999999999999999999", -ERANGE },
		{ "16777216T", -ERANGE },
		{ "18446745TB", -ERANGE },
	};

	(void)state;
	for (size_t i = 0; i < ZC_ARRAY_LEN(bad); i++) {
		uint64_t bytes = 77;

		assert_int_equal(zc_parse_size(bad[i].text, &bytes), bad[i].err);
		assert_int_equal(bytes, 77); /* untouched */
	}
}

static void times(void **state)
{
	static const char *const wrong[] = { "", "5", "s", "5 s", "-1s", "1.5s", "5S", "5sec", "5us", "1d" };
	uint64_t ns;

	(void)state;
	assert_int_equal(zc_parse_time("200ms", &ns), 0);
	assert_true(ns == 200000000);
	assert_int_equal(zc_parse_time("5s", &ns), 0);
	assert_true(ns == 5000000000);
	assert_int_equal(zc_parse_time("2m", &ns), 0);
	assert_true(ns == 120000000000);
	assert_int_equal(zc_parse_time("1h", &ns), 0);
	assert_true(ns == 3600000000000);
	for (size_t i = 0; i < ZC_ARRAY_LEN(wrong); i++) {
		assert_int_equal(zc_parse_time(wrong[i], &ns), -EINVAL);
	}
	assert_int_equal(zc_parse_time("99999999999999h", &ns), -ERANGE);
	assert_int_equal(zc_parse_time("99999999999999999999s", &ns), -ERANGE);
}

static void counts(void **state)
{
	uint64_t count = 77;

	(void)state;
	assert_int_equal(zc_parse_count("", 0, 9, &count), -EINVAL);
	assert_int_equal(zc_parse_count("1K", 0, 9999, &count), -EINVAL);
	assert_int_equal(zc_parse_count("-1", 0, 9, &count), -EINVAL);
	assert_int_equal(zc_parse_count("0", 1, 9, &count), -ERANGE);
	assert_int_equal(zc_parse_count("10", 1, 9, &count), -ERANGE);
	assert_int_equal(zc_parse_count("18446744073709551616", 0, UINT64_MAX, &count), -ERANGE);
	assert_int_equal(count, 77);
	assert_int_equal(zc_parse_count("9", 1, 9, &count), 0);
	assert_int_equal(count, 9);
	assert_int_equal(zc_parse_count("18446744073709551615", 0, UINT64_MAX, &count), 0);
	assert_int_equal(count, UINT64_MAX);
}

static void shown(uint64_t bytes, const char *expected)
{
	char out[16];

	assert_string_equal(zc_format_size(out, bytes), expected);
}

static void formats(void **state)
{
	(void)state;
	shown(0, "0 B");
	shown(1023, "1023 B");
	shown(1024, "1.0 KiB");
	shown(1433, "1.4 KiB");
	shown(1024 * 1024 - 1, "1.0 MiB");
	shown(1023 * 1024, "1023.0 KiB");
	shown(1536 * ZC_MIB, "1.5 GiB");
	shown(UINT64_MAX, "16.0 EiB");
	shown(1ull << 63, "8.0 EiB");
}

/* At any size: short, one decimal, and within half a tenth of the truth. */
static void formats_are_near(void **state)
{
	static const char units[] = "KMGTPE";

	(void)state;
	srandom(1);
	for (int i = 0; i < 20000; i++) {
		uint64_t bytes = ((uint64_t)random() << 33 ^ (uint64_t)random() << 11) >> (random() % 64);
		char out[16];
		char unit;
		double value;

		assert_true(strlen(zc_format_size(out, bytes)) <= 15);
		if (bytes < 1024) {
			continue;
		}
		assert_int_equal(sscanf(out, "%lf %ciB", &value, &unit), 2);
		assert_true(value >= 1.0 && value < 1024.0);
		double scale = (double)(1ull << (10 * (unsigned)(strchr(units, unit) - units + 1)));
		double off = value - (double)bytes / scale;

		assert_true(off < 0.0511 && off > -0.0511);
	}
}

/* Noise near the grammar never crashes, and what is accepted reads back as the same number. */
static void noise(void **state)
{
	static const char alphabet[] = "0123456789012345678901234567890123456789KMGTkmgtiB.-+ ,x";

	(void)state;
	srandom(2);
	for (int i = 0; i < 200000; i++) {
		char text[32];
		char again[32];
		size_t len = (size_t)random() % (sizeof(text) - 1);
		uint64_t bytes;
		uint64_t same;

		for (size_t k = 0; k < len; k++) {
			text[k] = alphabet[(size_t)random() % (sizeof(alphabet) - 1)];
		}
		text[len] = '\0';
		if (zc_parse_size(text, &bytes) == 0) {
			snprintf(again, sizeof(again), "%" PRIu64, bytes);
			assert_int_equal(zc_parse_size(again, &same), 0);
			assert_int_equal(same, bytes);
			assert_true(text[0] >= '0' && text[0] <= '9');
		}
		if (zc_parse_count(text, 0, UINT64_MAX, &bytes) == 0) {
			assert_int_equal(bytes, strtoull(text, NULL, 10));
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(times),  cmocka_unit_test(sizes),   cmocka_unit_test(sizes_refused),
		cmocka_unit_test(counts), cmocka_unit_test(formats), cmocka_unit_test(formats_are_near),
		cmocka_unit_test(noise),
	};

	return cmocka_run_group_tests_name("base/num", tests, NULL, NULL);
}
