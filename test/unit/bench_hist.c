/* The histogram against a sort of the very same values: each percentile within 0.4 %, whatever is merged
 * when. */
#include "zcopy/bench.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "zcopy/base.h"

#define COUNT  20000
#define ROUNDS 20

static uint64_t seed = 20240607;
static uint64_t draw(void)
{
	seed ^= seed << 13;
	seed ^= seed >> 7;
	seed ^= seed << 17;
	return seed;
}

static int compare(const void *a, const void *b)
{
	uint64_t left = *(const uint64_t *)a;
	uint64_t right = *(const uint64_t *)b;

	return (left > right) - (left < right);
}

/* Within 1 / 256 of the value, and exact where values are as narrow as bins. */
static void assert_near(uint64_t got, uint64_t want)
{
	uint64_t off = got > want ? got - want : want - got;

	if (off * 256 > want || (want < 256 && off != 0)) {
		fail_msg("%llu instead of %llu", (unsigned long long)got, (unsigned long long)want);
	}
}

static void test_edges(void **state)
{
	struct zc_hist *hist = calloc(1, sizeof(*hist));

	(void)state;
	assert_non_null(hist);
	assert_int_equal(zc_hist_percentile(hist, 50000), 0);
	for (unsigned bit = 0; bit < 42; bit++) {
		for (int off = -1; off <= 1; off++) {
			uint64_t ns = (1ull << bit) + (unsigned long long)off;

			memset(hist, 0, sizeof(*hist));
			zc_hist_add(hist, ns);
			zc_hist_add(hist, UINT64_MAX); /* so that the highest value does not help */
			assert_near(zc_hist_percentile(hist, 50000), ns);
		}
	}
	memset(hist, 0, sizeof(*hist));
	zc_hist_add(hist, (1ull << 42) - 1);
	zc_hist_add(hist, 1ull << 50);
	assert_near(zc_hist_percentile(hist, 50000), (1ull << 42) - 1);
	assert_int_equal(zc_hist_percentile(hist, 100000), 1ull << 50);
	assert_int_equal(hist->max_ns, 1ull << 50);
	for (unsigned bin = 1; bin < ZC_HIST_BINS; bin++) {
		assert_true(zc_hist_value(bin) > zc_hist_value(bin - 1));
	}
	free(hist);
}

static void test_as_sorted(void **state)
{
	static const unsigned percentiles[] = { 1, 1000, 25000, 50000, 95000, 99000, 99900, 99990, 100000 };
	uint64_t *values = calloc(COUNT, sizeof(*values));
	struct zc_hist *whole = calloc(1, sizeof(*whole));
	struct zc_hist *part = calloc(3, sizeof(*part));

	(void)state;
	assert_true(values != NULL && whole != NULL && part != NULL);
	for (unsigned round = 0; round < ROUNDS; round++) {
		unsigned count = 1 + (unsigned)(draw() % COUNT);
		uint64_t sum = 0;

		memset(whole, 0, sizeof(*whole));
		memset(part, 0, 3 * sizeof(*part));
		for (unsigned i = 0; i < count; i++) {
			values[i] = draw() >> (22 + draw() % 42);
			sum += values[i];
			zc_hist_add(whole, values[i]);
			zc_hist_add(&part[draw() % 3], values[i]);
		}
		zc_hist_merge(&part[1], &part[2]);
		zc_hist_merge(&part[0], &part[1]);
		assert_memory_equal(&part[0], whole, sizeof(*whole));
		assert_int_equal(whole->count, count);
		assert_int_equal(whole->sum_ns, sum);
		qsort(values, count, sizeof(*values), compare);
		assert_int_equal(whole->max_ns, values[count - 1]);
		for (unsigned i = 0; i < ZC_ARRAY_LEN(percentiles); i++) {
			uint64_t rank = ((uint64_t)count * percentiles[i] + 99999) / 100000;

			assert_near(zc_hist_percentile(whole, percentiles[i]), values[rank - 1]);
		}
	}
	free(values);
	free(whole);
	free(part);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_edges),
		cmocka_unit_test(test_as_sorted),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
