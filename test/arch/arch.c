/*
 * The arch room: each implementation against known answers, against a bit-by-bit model and thus against
 * each other, over lengths and alignments, with memory that must not be touched on both sides; the
 * cycle clock against the kernel's; and a table of what the overrides bring, which asserts nothing.
 *
 * test_arch [SEED]: the seed is printed, and the same seed does the same.
 */
#include "zcopy/arch.h"

#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#define LEN_MAX         70000
#define ALIGN_MAX       64
#define CRC_LANES_BYTES 12288 /* where crc_lanes.h takes another turn */

#define CHECK(cond, ...)                                                                                     \
	do {                                                                                                 \
		if (!(cond)) {                                                                               \
			printf("FAILED %s:%d: %s: ", __FILE__, __LINE__, #cond);                             \
			printf(__VA_ARGS__);                                                                 \
			printf("\n");                                                                        \
			exit(1);                                                                             \
		}                                                                                            \
	} while (0)

/* ---- memory between two pages that nobody may touch */

static uint8_t *arena;
static size_t arena_bytes;

static void arena_map(void)
{
	size_t page = (size_t)sysconf(_SC_PAGESIZE);
	uint8_t *all;

	arena_bytes = (LEN_MAX + ALIGN_MAX + page - 1) / page * page;
	all = mmap(NULL, arena_bytes + 2 * page, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	CHECK(all != MAP_FAILED, "mmap");
	arena = all + page;
	CHECK(mprotect(arena, arena_bytes, PROT_READ | PROT_WRITE) == 0, "mprotect");
}

/* ---- random numbers: xorshift64* */

static uint64_t random_state;

static uint64_t random_next(void)
{
	random_state ^= random_state >> 12;
	random_state ^= random_state << 25;
	random_state ^= random_state >> 27;
	return random_state * 0x2545f4914f6cdd1du;
}

static void random_fill(uint8_t *mem, size_t len_bytes)
{
	for (size_t i = 0; i < len_bytes; i++) {
		mem[i] = (uint8_t)(random_next() >> 56);
	}
}

/* ---- CRC-32C */

/* The definition, shared with nothing under test. */
static uint32_t crc_model(uint32_t crc, const uint8_t *mem, size_t len_bytes)
{
	crc = ~crc;
	while (len_bytes-- > 0) {
		crc ^= *mem++;
		for (unsigned bit = 0; bit < 8; bit++) {
			crc = (crc >> 1) ^ (0x82f63b78u & -(crc & 1));
		}
	}
	return ~crc;
}

static void crc_check(const struct zc_arch_ops *ops, uint32_t start, const uint8_t *mem, size_t len_bytes)
{
	uint32_t want = crc_model(start, mem, len_bytes);
	uint32_t got = ops->crc32c(start, mem, len_bytes);

	CHECK(got == want, "%s: %zu bytes at %p: %08" PRIx32 ", not %08" PRIx32, ops->crc32c_name, len_bytes,
	      (const void *)mem, got, want);
}

/* The check value of the catalogues, and RFC 3720 B.4. */
static void test_crc_known(const struct zc_arch_ops *ops)
{
	uint8_t mem[32] = { 0 };

	CHECK(ops->crc32c(0, mem, 0) == 0, "empty");
	CHECK(ops->crc32c(0, "123456789", 9) == 0xe3069283u, "check value");
	CHECK(ops->crc32c(0, mem, 32) == 0x8a9136aau, "32 zeros");
	memset(mem, 0xff, sizeof(mem));
	CHECK(ops->crc32c(0, mem, 32) == 0x62a8ab43u, "32 ones");
	for (unsigned i = 0; i < 32; i++) {
		mem[i] = (uint8_t)i;
	}
	CHECK(ops->crc32c(0, mem, 32) == 0x46dd794eu, "ascending");
	for (unsigned i = 0; i < 32; i++) {
		mem[i] = (uint8_t)(31 - i);
	}
	CHECK(ops->crc32c(0, mem, 32) == 0x113fdb5cu, "descending");
}

static void test_crc_short(const struct zc_arch_ops *ops)
{
	random_fill(arena, arena_bytes);
	for (size_t align = 0; align < ALIGN_MAX; align++) {
		for (size_t len = 0; len <= 96; len++) {
			crc_check(ops, (uint32_t)random_next(), arena + align, len);
		}
	}
}

static void test_crc_long(const struct zc_arch_ops *ops)
{
	random_fill(arena, arena_bytes);
	for (unsigned i = 0; i < 150; i++) {
		size_t len = random_next() % (LEN_MAX + 1);

		crc_check(ops, (uint32_t)random_next(), arena + random_next() % ALIGN_MAX, len);
		crc_check(ops, 0, arena + arena_bytes - len, len);
	}
	for (size_t len = CRC_LANES_BYTES; len < LEN_MAX; len += CRC_LANES_BYTES) {
		for (size_t extra = 0; extra <= 18; extra++) {
			crc_check(ops, 0, arena + extra, len - 9 + extra);
		}
	}
}

static void test_crc_pieces(const struct zc_arch_ops *ops)
{
	uint32_t want = crc_model(0, arena, LEN_MAX);

	for (unsigned i = 0; i < 50; i++) {
		uint32_t crc = 0;
		size_t piece_max = (size_t)1 << random_next() % 17;

		for (size_t at = 0; at < LEN_MAX;) {
			size_t piece = random_next() % (piece_max + 1);

			piece = piece < LEN_MAX - at ? piece : LEN_MAX - at;
			crc = ops->crc32c(crc, arena + at, piece);
			at += piece;
		}
		CHECK(crc == want, "%s in pieces of up to %zu", ops->crc32c_name, piece_max);
	}
}

/* ---- all zeros? */

static void zero_check(const struct zc_arch_ops *ops, uint8_t *mem, size_t len_bytes)
{
	memset(arena, 0xff, arena_bytes);
	memset(mem, 0, len_bytes);
	CHECK(ops->is_zero(mem, len_bytes), "%zu zeros", len_bytes);
	for (size_t at = 0; at < len_bytes; at++) {
		if (at == 150 && len_bytes > 300) {
			at = len_bytes - 150; /* near the ends is where code differs */
		}
		mem[at] = (uint8_t)(1u << at % 8);
		CHECK(!ops->is_zero(mem, len_bytes), "bit %zu of byte %zu in %zu", at % 8, at, len_bytes);
		mem[at] = 0;
	}
}

static void test_zero(const struct zc_arch_ops *ops)
{
	for (size_t len = 0; len <= 330; len++) {
		zero_check(ops, arena + len % ALIGN_MAX, len);
		zero_check(ops, arena + arena_bytes - len, len);
	}
	for (size_t align = 0; align < ALIGN_MAX; align++) {
		size_t len = random_next() % (LEN_MAX + 1);

		zero_check(ops, arena + align, len);
		zero_check(ops, arena + arena_bytes - len, len);
	}
	for (unsigned i = 0; i < 200; i++) { /* and anywhere */
		size_t at = random_next() % LEN_MAX;

		memset(arena, 0, arena_bytes);
		arena[at] = 0x10;
		CHECK(!ops->is_zero(arena, LEN_MAX), "byte %zu", at);
		CHECK(ops->is_zero(arena, at) && ops->is_zero(arena + at + 1, LEN_MAX - at - 1), "byte %zu",
		      at);
	}
}

/* ---- the table, asked for by many at once: run first, and under the thread sanitizer */

static void *table_ask(void *arg)
{
	const struct zc_arch_ops **ret_ops = arg;

	*ret_ops = zc_arch();
	return (*ret_ops)->crc32c(0, "123456789", 9) == 0xe3069283u ? arg : NULL;
}

static void test_table(void)
{
	pthread_t threads[8];
	const struct zc_arch_ops *ops[8];
	void *ok;

	for (unsigned i = 0; i < 8; i++) {
		CHECK(pthread_create(&threads[i], NULL, table_ask, &ops[i]) == 0, "thread %u", i);
	}
	for (unsigned i = 0; i < 8; i++) {
		CHECK(pthread_join(threads[i], &ok) == 0 && ok, "thread %u", i);
		CHECK(ops[i] == zc_arch(), "thread %u was given another table", i);
	}
}

/* ---- the clock */

static double seconds_now(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (double)now.tv_sec + (double)now.tv_nsec * 1e-9;
}

/* The calibrated clock over 50 ms against the kernel's. Another program may come between: many tries. */
static void test_clock(void)
{
	const struct timespec nap = { .tv_nsec = 50000000 };
	struct zc_arch_facts facts;
	double ratio = 0;

	for (unsigned try = 0; try < 100; try++) {
		double start;
		uint64_t cycles;

		zc_arch_measure(&facts);
		start = seconds_now();
		cycles = zc_cycles();
		nanosleep(&nap, NULL);
		zc_relax();
		cycles = zc_cycles() - cycles;
		ratio = (double)cycles / facts.cycles_per_second / (seconds_now() - start);
		if (ratio > 0.98 && ratio < 1.02) {
			break;
		}
	}
	CHECK(ratio > 0.98 && ratio < 1.02, "cycle clock runs at %.3f of CLOCK_MONOTONIC", ratio);
	CHECK(facts.cycles_per_second >= 1e5 && facts.cycles_per_second <= 1e11, "%g Hz",
	      facts.cycles_per_second);
	CHECK(facts.tick_ns > 0 && facts.tick_ns < 1e5, "tick %g ns", facts.tick_ns);
	CHECK(facts.line_bytes >= 16 && facts.line_bytes <= 1024 &&
	          !(facts.line_bytes & (facts.line_bytes - 1)),
	      "line of %u", facts.line_bytes);
	CHECK(facts.page_bytes == (unsigned)sysconf(_SC_PAGESIZE), "page of %u", facts.page_bytes);
	printf("clock %.3f MHz, tick %.2f ns, line %u, page %u\n", facts.cycles_per_second / 1e6,
	       facts.tick_ns, facts.line_bytes, facts.page_bytes);
}

/* ---- what it brings */

static volatile uint64_t time_sink;

/* GB/s: the best of several goes at a megabyte, which leaves out the neighbours. */
static double time_op(const struct zc_arch_ops *ops, bool zero, const uint8_t *mem, size_t len_bytes)
{
	double best = 1e9;

	for (unsigned go = 0; go < 15; go++) {
		size_t count = (1u << 20) / len_bytes;
		double start = seconds_now();

		for (size_t i = 0; i < count; i++) {
			time_sink += zero ? ops->is_zero(mem, len_bytes) : ops->crc32c(0, mem, len_bytes);
		}
		start = seconds_now() - start;
		best = start < best ? start : best;
	}
	return 1048576 / best / 1e9;
}

static void time_table(const struct zc_arch_ops *best)
{
	static const size_t sizes[] = { 64, 512, 4096, 65536 };

	memset(arena, 0, arena_bytes);
	printf("%-10s %8s %10s %10s %6s   (%s: generic, %s)\n", "GB/s", "bytes", "generic", "best", "ratio",
	       best->isa, best->crc32c_name);
	for (unsigned row = 0; row < 8; row++) {
		bool zero = row >= 4;
		size_t len = sizes[row % 4];
		double generic = time_op(&zc_arch_generic, zero, arena, len);
		double better = time_op(best, zero, arena, len);

		printf("%-10s %8zu %10.2f %10.2f %5.2fx\n", zero ? "is_zero" : "crc32c", len, generic, better,
		       better / generic);
	}
}

static void test_ops(const struct zc_arch_ops *ops)
{
	test_crc_known(ops);
	test_crc_short(ops);
	test_crc_long(ops);
	test_crc_pieces(ops);
	test_zero(ops);
}

int main(int argc, char **argv)
{
	setvbuf(stdout, NULL, _IOLBF, 0);
	random_state = argc > 1 ? strtoull(argv[1], NULL, 0) : (uint64_t)time(NULL);
	random_state |= 1; /* never zero, or it stays so */
	printf("seed %" PRIu64 "\n", random_state);
	arena_map();
	test_table();
	test_ops(&zc_arch_generic);
	test_ops(zc_arch());
	test_clock();
	time_table(zc_arch());
	return 0;
}
