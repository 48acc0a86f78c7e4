/*
 * Which way a copy goes, as tables: ends and options in, routes and lane out. The numbers of the priors
 * are tuned and not repeated here; what must hold for any of them is.
 */
#include "choose.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "report.h"
#include "split.h"

enum end_kind {
	TMP,       /* a file of ours in /tmp                          */
	WARM,      /* the same, in the page cache                     */
	SHM,       /* a file of ours on another file system           */
	SHM_FULL,  /* the same, without holes                         */
	INHERITED, /* a file of somebody else's                       */
	PIPE,
	SOCK,
	SYNTH, /* gen: as a source, null: as a sink */
};

static int scratch(const char *place)
{
	char path[64];
	int fd;

	snprintf(path, sizeof(path), "%s/zc-choose-XXXXXX", place);
	fd = mkostemp(path, O_CLOEXEC);
	assert_true(fd >= 0);
	unlink(path);
	return fd;
}

static void fill(int fd, uint64_t size)
{
	char *block = calloc(1, ZC_MIB);

	for (uint64_t at = 0; at < size; at += ZC_MIB) {
		assert_true(pwrite(fd, block, zc_min_u64(ZC_MIB, size - at), (off_t)at) > 0);
	}
	free(block);
}

/* *ret_spare: the other side of a pipe or socket, to be closed as well. */
static struct zc_end make_end(enum end_kind kind, enum zc_dir dir, uint64_t size, int *ret_spare)
{
	struct zc_uri uri = { .kind = dir == ZC_DIR_SRC ? ZC_END_GEN : ZC_END_NULL, .size_bytes = size };
	struct zc_end end;
	int fds[2];

	*ret_spare = -1;
	switch (kind) {
	case SYNTH:
		zc_end_from_synth(&end, &uri, dir);
		return end;
	case PIPE:
		assert_int_equal(pipe2(fds, O_CLOEXEC), 0);
		break;
	case SOCK:
		assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), 0);
		break;
	default:
		fds[dir] = scratch(kind == SHM || kind == SHM_FULL ? "/dev/shm" : "/tmp");
		fds[!dir] = -1;
		if (dir == ZC_DIR_SRC) {
			assert_int_equal(ftruncate(fds[dir], (off_t)size), 0);
		}
		if (dir == ZC_DIR_SRC && kind == TMP) { /* blocks, of which none is cached */
			assert_int_equal(size == 0 ? 0 : posix_fallocate(fds[dir], 0, (off_t)size), 0);
		}
		if (kind == WARM || kind == SHM_FULL) {
			fill(fds[dir], size);
		}
		break;
	}
	*ret_spare = fds[!dir];
	assert_int_equal(zc_end_from_fd(&end, fds[dir], dir, kind != INHERITED), 0);
	return end;
}

struct setting {
	struct zc_end src;
	struct zc_end dst;
	struct zc_job_cfg cfg;
	struct zc_report report;
	struct choice choice;
	bool clone; /* first */
	const char *why;
	int spare[2];
};

static unsigned fresh; /* ZC_CAP_FRESH: the sinks are new files, as nearly all are */

static int set(struct setting *set, enum end_kind src, uint64_t size, enum end_kind dst,
               const struct zc_job_cfg *cfg)
{
	memset(set, 0, sizeof(*set));
	set->cfg = *cfg;
	set->cfg.numa_node = ZC_NODE_ANY;
	set->src = make_end(src, ZC_DIR_SRC, size, &set->spare[0]);
	set->dst = make_end(dst, ZC_DIR_DST, size, &set->spare[1]);
	set->dst.shape.caps |= fresh;
	set->choice.kernel_count = 99;
	set->clone = choose_clone(&set->cfg, &set->src, &set->dst, &set->report);
	return choose(&set->choice, &set->cfg, &set->src, &set->dst, &set->report, &set->why);
}

static void unset(struct setting *set)
{
	report_fini(&set->report);
	set->src.owned = set->dst.owned = true;
	zc_end_close(&set->src);
	zc_end_close(&set->dst);
	for (int i = 0; i < 2; i++) {
		if (set->spare[i] >= 0) {
			close(set->spare[i]);
		}
	}
}

/* A choice in one word: r for a clone first, the kernel's routes, B when buffers may follow, D and d for
 * O_DIRECT at the source and the sink, h when holes are asked for, z when zeros are looked for. */
static const char *in_short(const struct setting *set)
{
	const struct choice *choice = &set->choice;
	static const char letters[ZC_ROUTE_COUNT] = { '?', 'r', 'c', 'f', 's', 'b' };
	static char word[32];
	unsigned at = 0;

	if (set->clone) {
		word[at++] = letters[ZC_ROUTE_REFLINK];
	}
	for (unsigned i = 0; i < choice->kernel_count; i++) {
		word[at++] = letters[choice->kernel[i]];
	}
	snprintf(word + at, sizeof(word) - at, "%s%s%s%s%s", choice->buffer ? "B" : "",
	         choice->src_direct ? "D" : "", choice->dst_direct ? "d" : "", choice->keep_holes ? "h" : "",
	         choice->sparse_bytes != 0 ? "z" : "");
	return word;
}

static bool can_direct(void)
{
	int spare;
	struct zc_end end = make_end(TMP, ZC_DIR_SRC, 4096, &spare);
	bool can = zc_end_set_direct(&end, true) == 0;

	zc_end_close(&end);
	return can;
}

static const struct {
	const char *what;
	enum end_kind src;
	uint64_t size;
	enum end_kind dst;
	struct zc_job_cfg cfg;
	const char *word;
} rows[] = {
	/* files */
	{ "small", TMP, 4096, TMP, { 0 }, "rcfBh" },
	{ "size 0: unknown", TMP, 0, TMP, { 0 }, "rBh" },
	{ "another file system", TMP, ZC_MIB, SHM, { 0 }, "cfBh" },
	{ "below cold", TMP, 64 * ZC_MIB - 1, TMP, { 0 }, "rcfBh" },
	{ "cold", TMP, 64 * ZC_MIB, TMP, { 0 }, "rBDdh" },
	{ "cold, to be kept cached", TMP, 64 * ZC_MIB, TMP, { .cache = ZC_CACHE_KEEP }, "rBh" },
	{ "cached, to be left to others", WARM, 64 * ZC_MIB, TMP, { .cache = ZC_CACHE_DROP }, "rBDdh" },
	{ "cold, never direct", TMP, 64 * ZC_MIB, TMP, { .direct = ZC_WHEN_NEVER }, "rBh" },
	{ "warm", WARM, 64 * ZC_MIB, TMP, { 0 }, "rcfBh" },
	{ "direct", TMP, 4096, TMP, { .direct = ZC_WHEN_ALWAYS }, "BDdh" },
	{ "inherited source", INHERITED, 4096, TMP, { 0 }, "rcfBh" },
	{ "inherited sink", TMP, 4096, INHERITED, { 0 }, "Bh" },
	{ "an engine", TMP, ZC_MIB, TMP, { .engine = ZC_ENGINE_SYNC }, "rBh" },
	/* what was said about blocks and holes */
	{ "reflink never", TMP, ZC_MIB, TMP, { .reflink = ZC_WHEN_NEVER }, "fBh" },
	{ "reflink always", TMP, ZC_MIB, TMP, { .reflink = ZC_WHEN_ALWAYS }, "rh" },
	{ "reflink always, elsewhere", TMP, ZC_MIB, SHM, { .reflink = ZC_WHEN_ALWAYS }, "rh" },
	{ "sparse never", TMP, ZC_MIB, TMP, { .sparse = ZC_WHEN_NEVER }, "fB" },
	{ "sparse always", TMP, ZC_MIB, TMP, { .sparse = ZC_WHEN_ALWAYS }, "Bhz" },
	{ "cold, sparse always", TMP, 64 * ZC_MIB, TMP, { .sparse = ZC_WHEN_ALWAYS }, "Bhz" },
	/* streams */
	{ "pipe to pipe", PIPE, 0, PIPE, { 0 }, "sBh" },
	{ "pipe to file", PIPE, 0, TMP, { 0 }, "sBh" },
	{ "file to pipe", TMP, ZC_MIB, PIPE, { 0 }, "sBh" },
	{ "file to socket", TMP, ZC_MIB, SOCK, { 0 }, "fsBh" },
	{ "socket to file", SOCK, 0, TMP, { 0 }, "sBh" },
	{ "little to a pipe", TMP, 4096, PIPE, { 0 }, "Bh" },
	{ "pipe, an engine", PIPE, 0, PIPE, { .engine = ZC_ENGINE_SYNC }, "Bh" },
	{ "pipe to holes", PIPE, 0, TMP, { .sparse = ZC_WHEN_ALWAYS }, "Bhz" },
	{ "pipe to direct", PIPE, 0, TMP, { .direct = ZC_WHEN_ALWAYS }, "Bdh" },
	{ "gen: to a file", SYNTH, ZC_MIB, TMP, { 0 }, "Bh" },
	{ "file to null:", TMP, ZC_MIB, SYNTH, { 0 }, "Bh" },
	{ "gen: to a pipe", SYNTH, ZC_MIB, PIPE, { 0 }, "Bh" },
	/* forced */
	{ "reflink", TMP, 4096, TMP, { .route = ZC_ROUTE_REFLINK }, "rh" },
	{ "cfr", TMP, 4096, SHM, { .route = ZC_ROUTE_CFR }, "ch" },
	{ "sendfile", TMP, 4096, PIPE, { .route = ZC_ROUTE_SENDFILE }, "fh" },
	{ "splice", TMP, 4096, PIPE, { .route = ZC_ROUTE_SPLICE }, "sh" },
	{ "buffer", TMP, 4096, TMP, { .route = ZC_ROUTE_BUFFER }, "Bh" },
	{ "buffer, cold", TMP, 64 * ZC_MIB, TMP, { .route = ZC_ROUTE_BUFFER }, "BDdh" },
};

/* What must hold for any choice: a lane that can be opened and costs no more than the work. */
static void check_lane(const struct setting *set, uint64_t size)
{
	const struct lane_cfg *lane = &set->choice.lane;

	assert_true(lane->block_bytes >= zc_page_bytes() && lane->block_bytes % zc_page_bytes() == 0);
	assert_in_range(lane->buf_count, 1, 4096);
	if (lane->small) {
		assert_true(lane->block_bytes * lane->buf_count <= ZC_MIB);
		assert_int_equal(lane->thread_count, 0);
		assert_int_equal(lane->node, ZC_NODE_ANY);
	}
	if (size < ZC_MIB && !set->src.direct && !set->dst.direct) {
		assert_true(lane->small);
		assert_int_not_equal(lane->engine, ZC_ENGINE_AUTO); /* no ring is even tried */
	}
	assert_int_equal(set->choice.src_direct, set->src.direct);
	assert_int_equal(set->choice.dst_direct, set->dst.direct);
}

/* Whether this kernel (or emulator) says what is in the page cache. */
static bool can_tell(void)
{
	int fd = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
	const char *how = "";
	struct zc_end end;
	int percent;

	assert_int_equal(zc_end_from_fd(&end, fd, ZC_DIR_SRC, true), 0);
	percent = zc_end_resident_percent(&end, 4096, &how);
	zc_end_close(&end);
	return percent >= 0;
}

static void table(void **state)
{
	bool direct = can_direct();
	bool tell = can_tell();

	(void)state;
	for (unsigned i = 0; i < ZC_ARRAY_LEN(rows); i++) {
		struct setting now;
		int res;

		if (!direct && strpbrk(rows[i].word, "Dd") != NULL) {
			continue;
		}
		if (!tell && strstr(rows[i].what, "cold") != NULL) {
			continue;
		}
		res = set(&now, rows[i].src, rows[i].size, rows[i].dst, &rows[i].cfg);
		if (res != 0 || strcmp(in_short(&now), rows[i].word) != 0) {
			fail_msg("%s: %d, %s instead of %s", rows[i].what, res, in_short(&now), rows[i].word);
		}
		assert_null(now.why);
		assert_int_equal(now.report.msg_count, 0); /* not asked to explain */
		check_lane(&now, rows[i].size);
		unset(&now);
	}
}

/* Forced choices that cannot be had: a reason, and the choice untouched. */
static void refusals(void **state)
{
	static const struct {
		enum end_kind src, dst;
		struct zc_job_cfg cfg;
	} forced[] = {
		{ PIPE, TMP, { .route = ZC_ROUTE_REFLINK } },
		{ PIPE, TMP, { .route = ZC_ROUTE_CFR } },
		{ PIPE, PIPE, { .route = ZC_ROUTE_SENDFILE } },
		{ TMP, TMP, { .route = ZC_ROUTE_SPLICE } },
		{ TMP, SYNTH, { .route = ZC_ROUTE_SENDFILE } },
		{ SYNTH, TMP, { .route = ZC_ROUTE_CFR } },
		{ PIPE, TMP, { .reflink = ZC_WHEN_ALWAYS } },
		{ TMP, INHERITED, { .reflink = ZC_WHEN_ALWAYS } },
		{ PIPE, PIPE, { .direct = ZC_WHEN_ALWAYS } },
		{ INHERITED, TMP, { .direct = ZC_WHEN_ALWAYS } },
		{ TMP, INHERITED, { .direct = ZC_WHEN_ALWAYS } },
	};

	(void)state;
	for (unsigned i = 0; i < ZC_ARRAY_LEN(forced); i++) {
		struct setting now;

		assert_int_equal(set(&now, forced[i].src, 8192, forced[i].dst, &forced[i].cfg), -EINVAL);
		assert_non_null(now.why);
		assert_int_equal(now.choice.kernel_count, 99);
		unset(&now);
	}
}

/* Each number can be pinned; the others stay. */
static void pins(void **state)
{
	static const struct zc_job_cfg plain = { 0 };
	struct setting now;
	struct zc_job_cfg cfg = plain;

	(void)state;
	cfg.block_bytes = zc_page_bytes() + 1;
	cfg.queue_depth = 7;
	assert_int_equal(set(&now, TMP, 4096, TMP, &cfg), 0);
	assert_int_equal(now.choice.lane.block_bytes, 2 * zc_page_bytes());
	assert_int_equal(now.choice.lane.buf_count, 7);
	assert_true(now.choice.lane.small);
	unset(&now);

	cfg.block_bytes = ZC_MIB;
	assert_int_equal(set(&now, TMP, 4096, TMP, &cfg), 0);
	assert_false(now.choice.lane.small); /* 7 MiB are a pool's work */
	unset(&now);

	cfg = plain;
	cfg.pool_bytes = ZC_MIB;
	cfg.block_bytes = 64 * ZC_KIB;
	assert_int_equal(set(&now, TMP, 4096, TMP, &cfg), 0);
	assert_int_equal(now.choice.lane.buf_count, 16);
	assert_false(now.choice.lane.small);
	unset(&now);

	cfg.pool_bytes = 1;
	assert_int_equal(set(&now, TMP, 4096, TMP, &cfg), 0);
	assert_int_equal(now.choice.lane.buf_count, 1);
	unset(&now);

	cfg.pool_bytes = ZC_GIB;
	cfg.block_bytes = 4096;
	assert_int_equal(set(&now, TMP, 4096, TMP, &cfg), 0);
	assert_int_equal(now.choice.lane.buf_count, 4096);
	unset(&now);

	cfg = plain;
	cfg.jobs = 3;
	assert_int_equal(set(&now, WARM, 16 * ZC_MIB, TMP, &cfg), 0);
	assert_int_equal(now.choice.lane.thread_count, 3);
	unset(&now);

	cfg = plain;
	cfg.huge = ZC_HUGE_SIZE;
	cfg.huge_bytes = 2 * ZC_MIB;
	assert_int_equal(set(&now, TMP, 4096, TMP, &cfg), 0);
	assert_false(now.choice.lane.small);
	assert_true(now.choice.lane.huge == ZC_HUGE_SIZE && now.choice.lane.huge_bytes == 2 * ZC_MIB);
	unset(&now);

	cfg = plain;
	cfg.engine = ZC_ENGINE_URING;
	assert_int_equal(set(&now, TMP, 16 * ZC_MIB, TMP, &cfg), 0);
	assert_int_equal(now.choice.lane.engine, ZC_ENGINE_URING);
	unset(&now);
}

static bool says(const struct setting *set, const char *text)
{
	for (unsigned i = 0; i < set->report.msg_count; i++) {
		assert_int_equal(set->report.msgs[i].kind, ZC_MSG_EXPLAIN);
		if (strstr(set->report.msgs[i].text, text) != NULL) {
			return true;
		}
	}
	return false;
}

/* The lines carry what was read here: another fact, another line. */
static void explains(void **state)
{
	static const struct zc_job_cfg cfg = { .explain = true };
	struct setting now;

	(void)state;
	if (!can_tell()) {
		print_message("neither cachestat nor RWF_NOWAIT here\n");
		skip();
	}
	assert_int_equal(set(&now, TMP, 64 * ZC_MIB, TMP, &cfg), 0);
	assert_true(says(&now, "source: file on "));
	assert_true(says(&now, "64.0 MiB") || says(&now, "64 MiB"));
	assert_true(says(&now, "cache: 0 %"));
	assert_true(says(&now, "route: reflink first: the file system may share the blocks"));
	assert_true(says(&now, "route: buffer first: the source is not cached"));
	unset(&now);
	assert_int_equal(set(&now, WARM, 64 * ZC_MIB, SHM, &cfg), 0);
	assert_true(says(&now, "cache: 100 %"));
	assert_true(says(&now, "route: cfr first"));
	assert_true(says(&now, "destination: file on tmpfs"));
	assert_true(says(&now, "direct: off"));
	unset(&now);
	assert_int_equal(set(&now, PIPE, 0, PIPE, &cfg), 0);
	assert_true(says(&now, "source: pipe, size unknown"));
	assert_true(says(&now, "route: splice first"));
	unset(&now);
}

/* Two threads, and room allocated first: only where both were measured to win. */
static const struct {
	const char *what;
	enum end_kind src;
	uint64_t size;
	enum end_kind dst;
	struct zc_job_cfg cfg;
	bool split;
	bool allocate;
} pair_rows[] = {
	{ "cached", WARM, SPLIT_BYTES_MIN, TMP, { 0 }, true, true },
	{ "cached, big", WARM, 65 * ZC_MIB, TMP, { 0 }, true, true },
	{ "on tmpfs", SHM_FULL, SPLIT_BYTES_MIN, TMP, { 0 }, true, true },
	{ "holes are filled", WARM, SPLIT_BYTES_MIN, TMP, { .sparse = ZC_WHEN_NEVER }, true, true },
	{ "a block size", WARM, SPLIT_BYTES_MIN, TMP, { .block_bytes = 65536 }, true, true },
	{ "on tmpfs, with holes", SHM, SPLIT_BYTES_MIN, TMP, { 0 }, true, true },
	{ "too small", WARM, SPLIT_BYTES_MIN - 1, TMP, { 0 }, false, true },
	{ "small", WARM, 128 * ZC_KIB, TMP, { 0 }, false, false },
	{ "not cached", TMP, SPLIT_BYTES_MIN, TMP, { 0 }, false, true },
	{ "to tmpfs", WARM, SPLIT_BYTES_MIN, SHM, { 0 }, false, false },
	{ "one job", WARM, SPLIT_BYTES_MIN, TMP, { .jobs = 1 }, false, true },
	{ "little memory", WARM, SPLIT_BYTES_MIN, TMP, { .pool_bytes = 65536 }, false, true },
	{ "a route", WARM, SPLIT_BYTES_MIN, TMP, { .route = ZC_ROUTE_CFR }, false, false },
	{ "buffers", WARM, SPLIT_BYTES_MIN, TMP, { .route = ZC_ROUTE_BUFFER }, false, false },
	{ "an engine", WARM, SPLIT_BYTES_MIN, TMP, { .engine = ZC_ENGINE_SYNC }, false, false },
	{ "direct", WARM, SPLIT_BYTES_MIN, TMP, { .direct = ZC_WHEN_ALWAYS }, false, false },
	{ "zeros are looked for", WARM, SPLIT_BYTES_MIN, TMP, { .sparse = ZC_WHEN_ALWAYS }, false, false },
	{ "a pipe", PIPE, 0, TMP, { 0 }, false, false },
	{ "to a pipe", WARM, SPLIT_BYTES_MIN, PIPE, { 0 }, false, false },
	{ "to an inherited file", WARM, SPLIT_BYTES_MIN, INHERITED, { 0 }, false, false },
};

static bool tmp_is_ext4(void)
{
	char out[24];
	int fd = scratch("/tmp");
	bool is = strcmp(zc_fs_name(fd, out), "ext4") == 0;

	close(fd);
	return is;
}

static unsigned cpus(void)
{
	cpu_set_t set;

	return sched_getaffinity(0, sizeof(set), &set) == 0 ? (unsigned)CPU_COUNT(&set) : 1;
}

static void pairs(void **state)
{
	(void)state;
	if (!can_tell() || !can_direct() || !tmp_is_ext4() || cpus() < 2) {
		print_message("no ext4 in /tmp, one CPU, or a kernel that does not say what is cached\n");
		skip();
	}
	for (unsigned i = 0; i < ZC_ARRAY_LEN(pair_rows); i++) {
		struct setting now;
		int res;

		fresh = pair_rows[i].dst == INHERITED || pair_rows[i].dst == PIPE ? 0 : ZC_CAP_FRESH;
		res = set(&now, pair_rows[i].src, pair_rows[i].size, pair_rows[i].dst, &pair_rows[i].cfg);
		fresh = 0;
		if (res != 0 || now.choice.split != pair_rows[i].split ||
		    now.choice.allocate != pair_rows[i].allocate) {
			fail_msg("%s: %d, split %d, allocate %d", pair_rows[i].what, res, now.choice.split,
			         now.choice.allocate);
		}
		assert_int_equal(now.choice.keep_holes,
		                 pair_rows[i].src != SHM_FULL && pair_rows[i].cfg.sparse != ZC_WHEN_NEVER);
		if (now.choice.split) {
			assert_true(now.choice.lane.small);
			assert_int_equal(now.choice.lane.thread_count, 0);
			assert_int_equal(now.choice.lane.engine, ZC_ENGINE_SYNC);
		}
		unset(&now);
	}
}

/* One CPU: one thread; a file that is written in place: as before. Each has its line. */
static void alone(void **state)
{
	static const struct zc_job_cfg cfg = { .explain = true };
	struct setting now;
	cpu_set_t before;
	cpu_set_t one;

	(void)state;
	if (!can_tell() || !tmp_is_ext4() || sched_getaffinity(0, sizeof(before), &before) != 0) {
		skip();
	}
	assert_int_equal(set(&now, WARM, SPLIT_BYTES_MIN, TMP, &cfg), 0);
	assert_false(now.choice.split || now.choice.allocate);
	assert_true(says(&now, "lanes: 1: written in place") && says(&now, "room: as the file grows"));
	unset(&now);
	CPU_ZERO(&one);
	for (size_t cpu = 0; CPU_COUNT(&one) == 0; cpu++) {
		if (CPU_ISSET(cpu, &before)) {
			CPU_SET(cpu, &one);
		}
	}
	assert_int_equal(sched_setaffinity(0, sizeof(one), &one), 0);
	fresh = ZC_CAP_FRESH;
	assert_int_equal(set(&now, WARM, SPLIT_BYTES_MIN, TMP, &cfg), 0);
	fresh = 0;
	assert_int_equal(sched_setaffinity(0, sizeof(before), &before), 0);
	assert_false(now.choice.split);
	assert_true(now.choice.allocate);
	assert_true(says(&now, "lanes: 1: one CPU") && says(&now, "room: allocated first"));
	unset(&now);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(table),    cmocka_unit_test(refusals), cmocka_unit_test(pins),
		cmocka_unit_test(explains), cmocka_unit_test(pairs),    cmocka_unit_test(alone),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
