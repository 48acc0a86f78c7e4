/*
 * The tuner against devices that are computed: latency, bandwidth, parallelism, what a request costs, and
 * memory that gets slower the more of it is in use, with noise from a seed. What is best is looked up by
 * trying all points; the tuner has to get within 5 % of it, in its time, without losing more than 3 % on any
 * copy.
 */
#include "tune.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define CHANNELS_MAX 128
#define SLOTS_MAX    64

/* One station reads, a second one of the same kind writes; a trip goes through both. */
struct device {
	const char *name;
	double latency_ns;     /* of a request, beside its transfer           */
	double bytes_per_ns;   /* all channels share it                       */
	double channel_per_ns; /* of one channel alone; 0: as all             */
	unsigned channels;     /* requests that are served at a time          */
	double request_ns;     /* of the lane's CPU, one after the other      */
	double cpu_per_ns;     /* bytes that the lane's CPU touches; 0: none  */
	double cache_bytes;    /* in flight; each doubling beyond costs ...   */
	double cache_share;    /* ... this share of all speed                 */
};

static const struct device devices[] = {
	{ "memory", 0, 1e3, 0, 64, 100, 6, 64e3, 0.06 },
	{ "compressed memory", 20e3, 2, 0, 4, 4000, 4, 2e6, 0.08 },
	{ "disk that seeks", 4e6, 0.16, 0, 1, 20e3, 0, 1e9, 0 },
	{ "SATA", 100e3, 0.5, 0, 32, 10e3, 0, 1e9, 0 },
	{ "NVMe", 80e3, 3.2, 0, 64, 10e3, 0, 1e9, 0 },
	{ "array of many", 8e6, 6, 0, 128, 10e3, 0, 1e9, 0 },
	{ "slow channels", 200e3, 4, 0.1, 32, 5e3, 0, 16e6, 0.04 },
	{ "remote block device", 2e6, 1.2, 0, 128, 15e3, 0, 1e9, 0 },
};

static const struct tune_cfg usual = {
	.start = { { ZC_MIB, 16, 1 } },
	.min = { { 64 * ZC_KIB, 1, 1 } },
	.max = { { ZC_MIB, 64, 1 } },
};

/* ---- a lane on a device */

struct station {
	double channel_free_ns[CHANNELS_MAX];
	double bus_free_ns;
};

struct slot {
	double at_ns; /* when what it waits for is done */
	uint32_t bytes;
	bool writing;
	bool busy;
};

struct lab {
	const struct device *device;
	double noise; /* share */
	uint64_t random;
	struct station stations[2];
	struct slot slots[SLOTS_MAX];
	double cpu_free_ns;
	double now_ns;
	uint64_t left_bytes; /* not yet asked for */
	uint64_t done_bytes;
	unsigned busy;
	struct tune_point point;
};

static double lab_random(struct lab *lab)
{
	lab->random ^= lab->random << 13;
	lab->random ^= lab->random >> 7;
	lab->random ^= lab->random << 17;
	return (double)(lab->random >> 11) / 9007199254740992.0;
}

/* How much slower all goes for what is in flight. */
static double lab_penalty(const struct lab *lab)
{
	double flight = (double)tune_flight_bytes(&lab->point);
	double penalty = 1;

	for (; flight > lab->device->cache_bytes; flight /= 2) {
		penalty +=
		    lab->device->cache_share *
		    (flight < 2 * lab->device->cache_bytes ? flight / lab->device->cache_bytes - 1 : 1);
	}
	return penalty;
}

static double later(double a, double b)
{
	return a > b ? a : b;
}

static void lab_issue(struct lab *lab, struct slot *slot, bool writing)
{
	const struct device *device = lab->device;
	struct station *station = &lab->stations[writing];
	double penalty = lab_penalty(lab) * (1 + lab->noise * (2 * lab_random(lab) - 1));
	double alone = device->channel_per_ns > 0 ? slot->bytes / device->channel_per_ns : 0;
	double *channel = &station->channel_free_ns[0];
	double start;

	lab->cpu_free_ns = later(lab->now_ns, lab->cpu_free_ns) + device->request_ns;
	if (device->cpu_per_ns > 0) {
		lab->cpu_free_ns += slot->bytes / device->cpu_per_ns * penalty;
	}
	for (unsigned i = 1; i < device->channels; i++) {
		channel = station->channel_free_ns[i] < *channel ? &station->channel_free_ns[i] : channel;
	}
	start = later(lab->cpu_free_ns, *channel) + (device->latency_ns + alone) * penalty;
	station->bus_free_ns =
	    later(start, station->bus_free_ns) + slot->bytes / device->bytes_per_ns * penalty;
	*channel = slot->at_ns = station->bus_free_ns;
	if (lab_random(lab) < 0.01 * lab->noise) { /* now and then the whole lane hangs */
		lab->cpu_free_ns += 3e6;
		slot->at_ns += 3e6;
	}
	slot->writing = writing;
}

static void lab_fill(struct lab *lab)
{
	unsigned depth = lab->point.at[TUNE_DEPTH] * lab->point.at[TUNE_LANES];

	for (unsigned i = 0; i < SLOTS_MAX && lab->busy < depth && lab->left_bytes > 0; i++) {
		struct slot *slot = &lab->slots[i];

		if (!slot->busy) {
			slot->busy = true;
			lab->busy++;
			slot->bytes = (uint32_t)zc_min_u64(lab->point.at[TUNE_BLOCK], lab->left_bytes);
			lab->left_bytes -= slot->bytes;
			lab_issue(lab, slot, false);
		}
	}
}

/* The next request that ends. */
static void lab_reap(struct lab *lab)
{
	struct slot *next = NULL;

	for (unsigned i = 0; i < SLOTS_MAX; i++) {
		if (lab->slots[i].busy && (next == NULL || lab->slots[i].at_ns < next->at_ns)) {
			next = &lab->slots[i];
		}
	}
	assert_non_null(next);
	lab->now_ns = later(lab->now_ns, next->at_ns);
	if (!next->writing) {
		lab_issue(lab, next, true);
		return;
	}
	next->busy = false;
	lab->busy--;
	lab->done_bytes += next->bytes;
}

struct run {
	double seconds;
	uint64_t bytes;
};

/* Copies all of it, at one point or as tune will have it: then, if until_decided, only so far. */
static struct run lab_copy(const struct device *device, const struct tune_point *point, struct tune *tune,
                           uint64_t bytes, double noise, uint64_t seed, bool until_decided)
{
	struct lab lab = { .device = device, .noise = noise, .random = seed * 2654435761u + 1 };

	lab.point = *point;
	lab.left_bytes = bytes;
	for (lab_fill(&lab); lab.busy > 0; lab_fill(&lab)) {
		lab_reap(&lab);
		if (tune != NULL && tune_step(tune, lab.done_bytes, (uint64_t)lab.now_ns + 1)) {
			lab.point = tune->now;
		}
		if (until_decided && tune->decided) {
			break;
		}
	}
	return (struct run){ lab.now_ns / 1e9, lab.done_bytes };
}

/* Bytes a second without noise. */
static double speed(const struct device *device, const struct tune_point *point)
{
	uint64_t bytes = 64 * tune_flight_bytes(point);

	bytes = zc_min_u64(zc_max_u64(bytes, 64 * ZC_MIB), 2 * ZC_GIB);
	return (double)bytes / lab_copy(device, point, NULL, bytes, 0, 1, false).seconds;
}

static double best_of_grid(const struct device *device, struct tune_point *ret_best)
{
	double best = 0;

	for (uint32_t block = 64 * ZC_KIB; block <= ZC_MIB; block *= 2) {
		for (uint32_t depth = 1; depth <= 64; depth *= 2) {
			struct tune_point point = { { block, depth, 1 } };
			double rate = speed(device, &point);

			if (rate > best) {
				best = rate;
				*ret_best = point;
			}
		}
	}
	return best;
}

/* ---- the cases */

#define SEEDS 20

/* Where it ends, as a share of the best: never more than its time is used. */
static double find(const struct device *device, double best, double noise, uint64_t seed)
{
	struct tune_cfg cfg = usual;
	struct tune tune;
	struct run run;

	cfg.total_bytes = 64 * ZC_GIB;
	tune_init(&tune, &cfg);
	assert_false(tune.decided);
	run = lab_copy(device, &cfg.start, &tune, cfg.total_bytes, noise, seed, true);
	assert_true(tune.decided);
	if (run.seconds > 0.26) {
		assert_in_range(run.bytes, 0, cfg.total_bytes / 100 + 2 * ZC_MIB);
	}
	return speed(device, &tune.now) / best;
}

static void finds_what_the_grid_finds(void **state)
{
	(void)state;
	for (unsigned i = 0; i < ZC_ARRAY_LEN(devices); i++) {
		struct tune_point where = usual.start;
		double best = best_of_grid(&devices[i], &where);
		double least = 1;
		double noisy = 0;

		for (uint64_t seed = 1; seed <= SEEDS; seed++) {
			double ratio = find(&devices[i], best, 0.03, seed);

			least = ratio < least ? ratio : least;
			noisy += find(&devices[i], best, 0.1, seed) / SEEDS;
		}
		print_message("%s: best %uK x %u %.0f MB/s, begun at %.3f, found at least %.3f, noisy %.3f\n",
		              devices[i].name, where.at[TUNE_BLOCK] / 1024, where.at[TUNE_DEPTH], best / 1e6,
		              speed(&devices[i], &usual.start) / best, least, noisy);
		assert_true(least >= 0.95);
		assert_true(noisy >= 0.95);
	}
}

static void costs_at_most_three_percent(void **state)
{
	static const uint64_t sizes[] = { 256 * ZC_MIB, 400 * ZC_MIB, ZC_GIB, 3 * ZC_GIB };

	(void)state;
	for (unsigned i = 0; i < ZC_ARRAY_LEN(devices); i++) {
		for (unsigned s = 0; s < ZC_ARRAY_LEN(sizes); s++) {
			for (uint64_t seed = 1; seed <= SEEDS; seed++) {
				struct tune_cfg cfg = usual;
				struct tune tune;
				struct run with;
				struct run without;

				cfg.total_bytes = sizes[s];
				tune_init(&tune, &cfg);
				with = lab_copy(&devices[i], &cfg.start, &tune, sizes[s], 0.1, seed, false);
				without = lab_copy(&devices[i], &cfg.start, NULL, sizes[s], 0.1, seed, false);
				if (with.seconds > 1.03 * without.seconds) {
					fail_msg("%s, %d MiB, seed %d: %f s, not %f s", devices[i].name,
					         (int)(sizes[s] / ZC_MIB), (int)seed, with.seconds,
					         without.seconds);
				}
			}
		}
	}
}

static struct tune tuned(const struct tune_cfg *cfg)
{
	struct tune tune;

	tune_init(&tune, cfg);
	lab_copy(&devices[5], &cfg->start, &tune, cfg->total_bytes, 0.03, 1, true);
	return tune;
}

static void leaves_alone_what_is_pinned(void **state)
{
	struct tune_cfg cfg = usual;
	struct tune tune;

	(void)state;
	cfg.total_bytes = 64 * ZC_GIB;
	cfg.start.at[TUNE_BLOCK] = cfg.min.at[TUNE_BLOCK] = cfg.max.at[TUNE_BLOCK] = 768 * ZC_KIB;
	tune = tuned(&cfg);
	assert_int_equal(tune.now.at[TUNE_BLOCK], 768 * ZC_KIB);
	assert_int_equal(tune.now.at[TUNE_DEPTH], 64);

	cfg.min.at[TUNE_DEPTH] = cfg.max.at[TUNE_DEPTH] = 16;
	cfg.max.at[TUNE_LANES] = 4;
	tune = tuned(&cfg);
	assert_int_equal(tune.now.at[TUNE_DEPTH], 16);
	assert_int_equal(tune.now.at[TUNE_LANES], 4);

	cfg.max.at[TUNE_LANES] = 1;
	tune_init(&tune, &cfg);
	assert_true(tune.decided);
	assert_memory_equal(&tune.now, &cfg.start, sizeof(cfg.start));
}

static void leaves_small_copies_alone(void **state)
{
	struct tune_cfg cfg = usual;
	struct tune tune;

	(void)state;
	cfg.total_bytes = TUNE_BYTES_MIN - 1;
	tune_init(&tune, &cfg);
	assert_true(tune.decided);
	assert_false(tune_step(&tune, 1, 1));
}

/* What was emptied in between says nothing about a point. */
static void does_not_judge_what_was_interrupted(void **state)
{
	struct tune_cfg cfg = usual;
	struct tune tune;
	uint64_t at = 0;

	(void)state;
	cfg.total_bytes = 64 * ZC_GIB;
	tune_init(&tune, &cfg);
	while (!tune.decided) {
		at += ZC_MIB;
		tune_step(&tune, at, at);
		if (at % (16 * ZC_MIB) == 0) {
			tune_restart(&tune, at);
		}
		assert_in_range(at, 0, 700 * ZC_MIB);
	}
	assert_int_equal(tune.try_count, 0);
	assert_memory_equal(&tune.now, &cfg.start, sizeof(cfg.start));
}

/* A second file goes on where the first one ended. */
static void goes_on_with_the_next_file(void **state)
{
	struct tune_cfg cfg = usual;
	struct tune tune;
	struct run run;

	(void)state;
	cfg.total_bytes = 300 * ZC_MIB;
	tune_init(&tune, &cfg);
	run = lab_copy(&devices[3], &cfg.start, &tune, 50 * ZC_MIB, 0, 1, false); /* the rest were holes */
	assert_false(tune.decided);
	assert_int_equal(tune.cfg.total_bytes, 300 * ZC_MIB);
	tune_add(&tune, ZC_GIB);
	tune_restart(&tune, run.bytes);
	tune_step(&tune, run.bytes + 1, (uint64_t)(run.seconds * 1e9) + 2);
	assert_false(tune.decided);
	assert_int_equal(tune.cfg.total_bytes, 300 * ZC_MIB + ZC_GIB);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(finds_what_the_grid_finds),
		cmocka_unit_test(costs_at_most_three_percent),
		cmocka_unit_test(leaves_alone_what_is_pinned),
		cmocka_unit_test(leaves_small_copies_alone),
		cmocka_unit_test(does_not_judge_what_was_interrupted),
		cmocka_unit_test(goes_on_with_the_next_file),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
