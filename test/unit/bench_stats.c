/*
 * What the statistics say, against values that scipy 1.10 gave. With the argument "cases" it answers lines of
 * cases on standard input instead, for bench_stats_scipy.py: the same for thousands of them.
 */
#include "zcopy/bench.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "zcopy/base.h"

static const double a[] = { 1.02, 1.05, 0.99, 1.01, 1.08, 1.00, 1.03, 1.04, 0.98, 1.06 };
static const double b[] = { 1.10, 1.07, 1.12, 1.05, 1.09, 1.15, 1.03, 1.11, 1.08, 1.13 };

#define COUNT(list)     (unsigned)ZC_ARRAY_LEN(list)
#define near(got, want) near_at(got, want, __LINE__)
static void near_at(double got, double want, int line)
{
	if (!(fabs(got - want) <= 1e-10 * fabs(want))) {
		fail_msg("line %d: %.17g instead of %.17g", line, got, want);
	}
}

static void test_quantiles(void **state)
{
	double sorted[COUNT(a)];
	const double one = 4;

	(void)state;
	for (unsigned i = 0; i < COUNT(a); i++) {
		sorted[i] = a[i];
	}
	zc_stats_sort(sorted, COUNT(a));
	near(zc_stats_median(sorted, COUNT(a)), 1.025);
	near(zc_stats_quantile(sorted, COUNT(a), 0.25), 1.0025);
	near(zc_stats_quantile(sorted, COUNT(a), 0.75), 1.0475);
	near(zc_stats_quantile(sorted, COUNT(a), 0), 0.98);
	near(zc_stats_quantile(sorted, COUNT(a), 1), 1.08);
	near(zc_stats_median(&one, 1), 4);
}

static void test_median_interval(void **state)
{
	static const unsigned kth[][2] = { { 5, 0 },  { 6, 1 },  { 9, 2 },   { 10, 2 },
		                           { 12, 3 }, { 20, 6 }, { 50, 18 }, { 100, 40 } };
	double sorted[100];

	(void)state;
	for (unsigned i = 0; i < 100; i++) {
		sorted[i] = i + 1;
	}
	for (unsigned i = 0; i < ZC_ARRAY_LEN(kth); i++) {
		unsigned n = kth[i][0];
		unsigned k = kth[i][1];
		struct zc_interval interval = zc_stats_median_interval(sorted, n);

		if (k == 0) {
			assert_true(isnan(interval.low) && isnan(interval.high));
		} else {
			near(interval.low, k);
			near(interval.high, n - k + 1);
		}
	}
}

static void test_need(void **state)
{
	(void)state;
	assert_int_equal(zc_stats_need(50000), 20);
	assert_int_equal(zc_stats_need(95000), 200);
	assert_int_equal(zc_stats_need(99000), 1000);
	assert_int_equal(zc_stats_need(99900), 10000);
	assert_int_equal(zc_stats_need(33333), 15); /* 14.99.. */
}

static void test_distributions(void **state)
{
	(void)state;
	near(zc_stats_student(0.5, 3), 0.651447964848151);
	near(zc_stats_student(-2.1, 9.7), 0.06292229211360996);
	near(zc_stats_student(12, 4), 0.000276428548502973);
	near(zc_stats_student(40, 30), 1.3726045194406362e-27);
	near(zc_stats_student(1e-6, 5), 0.9999992407866203);
	near(zc_stats_student(1e5, 1), 6.366197723463607e-06);
	near(zc_stats_student(0, 5), 1);
	near(zc_stats_student(1e200, 5), 0);
	near(zc_stats_beta(.5, .5, .3, .7), 0.3690101195655454);
	near(zc_stats_beta(10, .5, .99, .01), 0.6579281751567843);
	near(zc_stats_beta(200, .5, .9, .1), 8.707774398966911e-11);
	near(zc_stats_beta(2.5, 7, .2, .8), 0.36749651990402316);
	near(zc_stats_student_beyond(.05, 1), 12.706204736432102);
	near(zc_stats_student_beyond(.05, 9), 2.262157162740992);
	near(zc_stats_student(zc_stats_student_beyond(.001, 17.3), 17.3), .001);
}

static void test_welch(void **state)
{
	static const double same[] = { 2, 2, 2 };
	struct zc_ratio ratio = zc_stats_welch(a, COUNT(a), b, COUNT(b));

	(void)state;
	near(ratio.p, 0.00039742248850458897);
	near(ratio.ratio, 0.9387721073575316);
	near(ratio.interval.low, 0.9104997260409884);
	near(ratio.interval.high, 0.9679223884937525);
	ratio = zc_stats_paired(a, b, COUNT(a));
	near(ratio.p, 0.0022689165166304786);
	near(ratio.interval.low, 0.9074443604901128);
	near(ratio.interval.high, 0.9711813835908488);
	ratio = zc_stats_welch(a, 1, b, 1);
	near(ratio.ratio, 1.02 / 1.10);
	assert_true(isnan(ratio.p) && isnan(ratio.interval.low));
	assert_true(isnan(zc_stats_welch(same, 3, same, 3).p));
}

static void test_mann_whitney(void **state)
{
	static const double low[] = { 3, 1, 2 };
	static const double high[] = { 5, 6, 4 };
	static const double a2[] = { 1.02, 1.055, 0.99, 1.01, 1.08, 1.00, 1.03, 1.04, 0.98, 1.06 };
	static const double b2[] = { 1.10, 1.07, 1.12, 1.05, 1.09, 1.15, 1.035, 1.11, 1.083, 1.13 };
	double many[25];
	double more[30];

	(void)state;
	near(zc_stats_mann_whitney(low, 3, high, 3), 0.1);
	near(zc_stats_mann_whitney(a2, COUNT(a2), b2, COUNT(b2)), 0.0007252809110394249);
	near(zc_stats_mann_whitney(a, COUNT(a), b, COUNT(b)), 0.0008335317932841152); /* with ties */
	near(zc_stats_mann_whitney(low, 3, low, 3), 1);
	for (unsigned i = 0; i < 30; i++) {
		many[i % 25] = (i % 25 * 7919) % 101 / 10.0;
		more[i] = (i * 104729) % 97 / 9.0;
	}
	near(zc_stats_mann_whitney(many, 25, more, 30), 0.7738385001169588);
	for (unsigned i = 0; i < 30; i++) {
		many[i % 25] = (i % 25 * 7919) % 13;
		more[i] = (i * 104729) % 11 + 1;
	}
	near(zc_stats_mann_whitney(many, 25, more, 30), 0.747287438747536);
	assert_true(isnan(zc_stats_mann_whitney(low, 0, high, 3)));
}

static void test_sign_flip(void **state)
{
	static const double some[] = { 0.3, -0.1, 0.2, 0.5, -0.2, 0.4, 0.1, 0.6 };
	double many[100];
	double p;

	(void)state;
	near(zc_stats_sign_flip(some, COUNT(some), 0), 0.0859375);
	assert_true(isnan(zc_stats_sign_flip(some, 0, 0)));
	/* drawn: near to the normal distribution, which a hundred signs make, and the same of one seed */
	for (unsigned i = 0; i < 100; i++) {
		many[i] = i % 10 < 6 ? 1.5 : -1.0;
	}
	p = zc_stats_sign_flip(many, 100, 7);
	near(p, zc_stats_sign_flip(many, 100, 7));
	assert_true(fabs(p - erfc(50 / sqrt(60 * 2.25 + 40) / M_SQRT2)) < 3e-4);
	/* weak, so that the two halves of 64 signs would show if they were the same */
	for (unsigned i = 0; i < 100; i++) {
		many[i] = i < 53 ? 1 : -1;
	}
	p = zc_stats_sign_flip(many, 100, 7);
	assert_true(fabs(p - 0.617) < 0.02); /* a binomial's two tails from 53 and 47 on */
}

/* ---- for bench_stats_scipy.py */

static unsigned next_list(char **text, double *list)
{
	unsigned count = (unsigned)strtoul(*text, text, 10);

	for (unsigned i = 0; i < count; i++) {
		list[i] = strtod(*text, text);
	}
	return count;
}

/* A line is a word and one or two lists, each with its length before it; the answer is one line of values. */
static void answer(char *line)
{
	static double first[1000];
	static double second[1000];
	char *text = line + 1;
	unsigned m = next_list(&text, first);
	unsigned n = next_list(&text, second);
	struct zc_ratio ratio;
	struct zc_interval interval;

	switch (line[0]) {
	case 'w':
		ratio = zc_stats_welch(first, m, second, n);
		printf("%.17g %.17g %.17g %.17g\n", ratio.ratio, ratio.interval.low, ratio.interval.high,
		       ratio.p);
		break;
	case 'p':
		ratio = zc_stats_paired(first, second, n);
		printf("%.17g %.17g %.17g %.17g\n", ratio.ratio, ratio.interval.low, ratio.interval.high,
		       ratio.p);
		break;
	case 'm':
		printf("%.17g\n", zc_stats_mann_whitney(first, m, second, n));
		break;
	case 's':
		printf("%.17g\n", zc_stats_sign_flip(first, m, 0));
		break;
	case 'q':
		zc_stats_sort(first, m);
		interval = zc_stats_median_interval(first, m);
		printf("%.17g %.17g %.17g %.17g\n", zc_stats_quantile(first, m, 0.25),
		       zc_stats_median(first, m), interval.low, interval.high);
		break;
	case 't':
		printf("%.17g %.17g\n", zc_stats_student(first[0], first[1]),
		       zc_stats_student_beyond(second[0], first[1]));
		break;
	default:
		printf("?\n");
	}
}

int main(int argc, char **argv)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_quantiles), cmocka_unit_test(test_median_interval),
		cmocka_unit_test(test_need),      cmocka_unit_test(test_distributions),
		cmocka_unit_test(test_welch),     cmocka_unit_test(test_mann_whitney),
		cmocka_unit_test(test_sign_flip),
	};
	static char line[65536];

	if (argc < 2 || strcmp(argv[1], "cases") != 0) {
		return cmocka_run_group_tests(tests, NULL, NULL);
	}
	while (fgets(line, sizeof(line), stdin) != NULL) {
		answer(line);
	}
	return 0;
}
