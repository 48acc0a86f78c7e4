/*
 * stats.c: is B really slower than A, and how sure can one be?
 *
 * Student's t through the regularised incomplete beta function (Lentz's continued fraction), Mann and
 * Whitney's exact distribution by counting subsets, normal tails by erfc. Logarithms where times are
 * compared: what disturbs a run makes it so many percent slower, not so many seconds.
 */
#include "zcopy/bench.h"

#include <float.h>
#include <math.h>
#include <stdlib.h>

#include "zcopy/base.h"

#define EXACT_MAX 20 /* values an arm: 2^37 subsets at most, which a double counts exactly */
#define FLIP_MAX  16
#define FLIPS     20000
#define LEVEL     0.95

/* ---- one sample */

static int stats_compare(const void *a, const void *b)
{
	double left = *(const double *)a;
	double right = *(const double *)b;

	return (left > right) - (left < right);
}

void zc_stats_sort(double *values, unsigned count)
{
	qsort(values, count, sizeof(*values), stats_compare);
}

double zc_stats_quantile(const double *sorted, unsigned count, double fraction)
{
	double at = fraction * (double)(count - 1);
	unsigned low = (unsigned)at;

	if (low + 1 >= count) {
		return sorted[count - 1];
	}
	return sorted[low] + (at - (double)low) * (sorted[low + 1] - sorted[low]);
}

double zc_stats_median(const double *sorted, unsigned count)
{
	return zc_stats_quantile(sorted, count, 0.5);
}

/* From the k-th to the k-th last: k as large as it can be with no more than half of what may be missed below,
 * which is how often fewer than k of count coins show heads. */
struct zc_interval zc_stats_median_interval(const double *sorted, unsigned count)
{
	double term = exp2(-(double)count);
	double below = term;
	unsigned k = 0;

	while (2 * (k + 1) <= count && below <= (1 - LEVEL) / 2) {
		k++;
		term *= (double)(count - k + 1) / (double)k;
		below += term;
	}
	if (k == 0) {
		return (struct zc_interval){ NAN, NAN };
	}
	return (struct zc_interval){ sorted[k - 1], sorted[count - k] };
}

uint64_t zc_stats_need(unsigned percentile_thousandths)
{
	uint64_t beyond = 100000 - percentile_thousandths;

	return (10 * 100000ull + beyond - 1) / beyond;
}

/* ---- distributions */

/* The continued fraction of I_x(a, b), quick where x < (a + 1) / (a + b + 2). */
static double beta_fraction(double a, double b, double x)
{
	double c = 1;
	double d = 1 - (a + b) * x / (a + 1);
	double value;

	d = 1 / (fabs(d) < DBL_MIN ? DBL_MIN : d);
	value = d;
	for (int m = 1; m <= 10000; m++) {
		double twice = 2.0 * m;
		double even = m * (b - m) * x / ((a + twice - 1) * (a + twice));
		double odd = -(a + m) * (a + b + m) * x / ((a + twice) * (a + twice + 1));
		double step;

		d = 1 + even * d;
		c = 1 + even / c;
		d = 1 / (fabs(d) < DBL_MIN ? DBL_MIN : d);
		c = fabs(c) < DBL_MIN ? DBL_MIN : c;
		value *= d * c;
		d = 1 + odd * d;
		c = 1 + odd / c;
		d = 1 / (fabs(d) < DBL_MIN ? DBL_MIN : d);
		c = fabs(c) < DBL_MIN ? DBL_MIN : c;
		step = d * c;
		value *= step;
		if (fabs(step - 1) < 1e-15) {
			break;
		}
	}
	return value;
}

static double log_gamma(double x)
{
	int sign;

	return lgamma_r(x, &sign);
}

double zc_stats_beta(double a, double b, double x, double rest)
{
	double front;

	if (x <= 0 || rest <= 0) {
		return x <= 0 ? 0 : 1;
	}
	front = exp(log_gamma(a + b) - log_gamma(a) - log_gamma(b) + a * log(x) + b * log(rest));
	if (x < (a + 1) / (a + b + 2)) {
		return front * beta_fraction(a, b, x) / a;
	}
	return 1 - front * beta_fraction(b, a, rest) / b;
}

double zc_stats_student(double t, double freedom)
{
	double square = t * t;

	if (isinf(square)) {
		return 0;
	}
	return zc_stats_beta(freedom / 2, 0.5, freedom / (freedom + square), square / (freedom + square));
}

/* By halving: the tail falls with t. */
double zc_stats_student_beyond(double p, double freedom)
{
	double low = 0;
	double high = 1;

	while (zc_stats_student(high, freedom) > p && high < DBL_MAX / 4) {
		high *= 2;
	}
	for (int i = 0; i < 200 && high - low > high * 1e-15; i++) {
		double middle = low + (high - low) / 2;

		*(zc_stats_student(middle, freedom) > p ? &low : &high) = middle;
	}
	return low + (high - low) / 2;
}

/* ---- two arms */

struct moments {
	double mean;
	double variance; /* of the values; NAN below two of them */
};

static struct moments stats_moments(const double *values, const double *divisors, unsigned count)
{
	struct moments moments = { 0, NAN };
	double sum = 0;
	double squares = 0;

	for (unsigned i = 0; i < count; i++) {
		sum += log(divisors != NULL ? values[i] / divisors[i] : values[i]);
	}
	moments.mean = sum / count;
	for (unsigned i = 0; i < count; i++) {
		double off = log(divisors != NULL ? values[i] / divisors[i] : values[i]) - moments.mean;

		squares += off * off;
	}
	if (count >= 2) {
		moments.variance = squares / (count - 1);
	}
	return moments;
}

/* error: of the difference of the means. */
static struct zc_ratio stats_ratio(double difference, double error, double freedom)
{
	struct zc_ratio ratio = { exp(difference), { NAN, NAN }, NAN };
	double reach;

	if (isnan(error) || error <= 0) {
		return ratio;
	}
	reach = error * zc_stats_student_beyond(1 - LEVEL, freedom);
	ratio.interval = (struct zc_interval){ exp(difference - reach), exp(difference + reach) };
	ratio.p = zc_stats_student(difference / error, freedom);
	return ratio;
}

struct zc_ratio zc_stats_welch(const double *a, unsigned a_count, const double *b, unsigned b_count)
{
	struct moments left = stats_moments(a, NULL, a_count);
	struct moments right = stats_moments(b, NULL, b_count);
	double u = left.variance / a_count;
	double v = right.variance / b_count;

	return stats_ratio(left.mean - right.mean, sqrt(u + v),
	                   (u + v) * (u + v) / (u * u / (a_count - 1) + v * v / (b_count - 1)));
}

struct zc_ratio zc_stats_paired(const double *a, const double *b, unsigned count)
{
	struct moments moments = stats_moments(a, b, count);

	return stats_ratio(moments.mean, sqrt(moments.variance / count), count - 1);
}

/* ---- ranks */

struct ranked {
	double value;
	bool from_a;
	unsigned rank; /* twice the mean rank of its equals, so a whole number */
};

static int ranked_compare(const void *a, const void *b)
{
	return stats_compare(&((const struct ranked *)a)->value, &((const struct ranked *)b)->value);
}

/* Fills and ranks list; returns the sum of t^3 - t over groups of equals. */
static double stats_rank(struct ranked *list, const double *a, unsigned a_count, const double *b,
                         unsigned b_count)
{
	unsigned count = a_count + b_count;
	double ties = 0;
	unsigned end;

	for (unsigned i = 0; i < count; i++) {
		list[i] = (struct ranked){ i < a_count ? a[i] : b[i - a_count], i < a_count, 0 };
	}
	qsort(list, count, sizeof(*list), ranked_compare);
	for (unsigned i = 0; i < count; i = end) {
		double equals;

		for (end = i + 1; end < count && list[end].value == list[i].value; end++) {
		}
		for (unsigned j = i; j < end; j++) {
			list[j].rank = i + 1 + end;
		}
		equals = end - i;
		ties += equals * equals * equals - equals;
	}
	return ties;
}

/* ways[k][s]: in how many ways k of the ranks add up to s. The p value is twice the lighter tail. */
#define RANK_SUM_MAX (2 * EXACT_MAX * (2 * EXACT_MAX + 1) + 1)
static double ranks_exact(const struct ranked *list, unsigned a_count, unsigned count, unsigned sum)
{
	double(*ways)[RANK_SUM_MAX] = calloc(a_count + 1, sizeof(*ways));
	double below = 0;
	double above = 0;
	double all = 0;

	if (ways == NULL) {
		return NAN;
	}
	ways[0][0] = 1;
	for (unsigned i = 0; i < count; i++) {
		for (unsigned k = a_count; k >= 1; k--) {
			for (unsigned s = list[i].rank; s < RANK_SUM_MAX; s++) {
				ways[k][s] += ways[k - 1][s - list[i].rank];
			}
		}
	}
	for (unsigned s = 0; s < RANK_SUM_MAX; s++) {
		all += ways[a_count][s];
		below += s <= sum ? ways[a_count][s] : 0;
		above += s >= sum ? ways[a_count][s] : 0;
	}
	free(ways);
	return fmin(1, 2 * fmin(below, above) / all);
}

static double ranks_normal(unsigned a_count, unsigned b_count, unsigned twice_sum, double ties)
{
	double n = (double)a_count + b_count;
	double pairs = (double)a_count * b_count;
	double u = twice_sum / 2.0 - (double)a_count * (a_count + 1) / 2;
	double variance = pairs / 12 * (n + 1 - ties / (n * (n - 1)));
	double off = fabs(u - pairs / 2) - 0.5; /* ranks are whole numbers, the normal is not */

	if (variance <= 0) {
		return NAN;
	}
	return fmin(1, erfc(off / sqrt(variance) / M_SQRT2));
}

double zc_stats_mann_whitney(const double *a, unsigned a_count, const double *b, unsigned b_count)
{
	unsigned count = a_count + b_count;
	struct ranked *list;
	unsigned sum = 0;
	double ties;
	double p;

	if (a_count == 0 || b_count == 0) {
		return NAN;
	}
	list = malloc(count * sizeof(*list));
	if (list == NULL) {
		return NAN;
	}
	ties = stats_rank(list, a, a_count, b, b_count);
	for (unsigned i = 0; i < count; i++) {
		sum += list[i].from_a ? list[i].rank : 0;
	}
	if (a_count <= EXACT_MAX && b_count <= EXACT_MAX) {
		p = ranks_exact(list, a_count, count, sum);
	} else {
		p = ranks_normal(a_count, b_count, sum, ties);
	}
	free(list);
	return p;
}

/* ---- signs */

/* splitmix64 */
static uint64_t stats_random(uint64_t *state)
{
	uint64_t z = *state += 0x9e3779b97f4a7c15;

	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
	z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
	return z ^ (z >> 31);
}

/* The sign of differences[i] is turned where bit i of signs is set, of which seed has the next 64, and so on.
 */
static double flipped_sum(const double *differences, unsigned count, uint64_t signs, uint64_t *seed)
{
	double sum = 0;

	for (unsigned i = 0; i < count; i++) {
		sum += signs & 1 ? -differences[i] : differences[i];
		signs = i % 64 == 63 ? stats_random(seed) : signs >> 1;
	}
	return fabs(sum);
}

double zc_stats_sign_flip(const double *differences, unsigned count, uint64_t seed)
{
	bool exact = count <= FLIP_MAX;
	unsigned ways = exact ? 1u << count : FLIPS;
	double seen = 0;
	double least;
	unsigned extreme = 0;

	if (count == 0) {
		return NAN;
	}
	for (unsigned i = 0; i < count; i++) {
		seen += differences[i];
	}
	least = fabs(seen) * (1 - 1e-12); /* sums of another order may differ in the last bit */
	for (unsigned i = 0; i < ways; i++) {
		extreme += flipped_sum(differences, count, exact ? i : stats_random(&seed), &seed) >= least;
	}
	/* of drawn ways the one that was seen is one more */
	return exact ? (double)extreme / ways : (extreme + 1.0) / (ways + 1.0);
}
