/*
 * Two threads on one file: what they find together is what one alone would have found, whoever comes first.
 *
 * pread, pwrite and pthread_create are wrapped at link time, so that the threads can be made to wait for one
 * another and to meet an end where a case wants it.
 */
#include "split.h"

#include <dirent.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "route_lab.h"

#define PART    (4 * ZC_MIB) /* as split.c hands them out */
#define SIZE    (SPLIT_BYTES_MIN + 12345)
#define NOWHERE UINT64_MAX
#define SEED    77

/* What the next case wants. Offsets are the descriptor's. Set while one thread runs. */
static struct {
	uint64_t read_fails_at; /* reads of this byte fail with EIO                                 */
	uint64_t read_fails_next_at;
	uint64_t write_fails_at; /* likewise with ENOSPC                                             */
	uint64_t shrink_at;      /* a read of this byte cuts the source first ...                    */
	uint64_t shrink_to;
	uint64_t stop_at;  /* a read of this byte is preceded by SIGINT's flag                 */
	uint64_t wait_at;  /* a read of this byte waits until ...                              */
	uint64_t until_at; /* ... a read of that one was answered                              */
	bool both;         /* the first two reads wait for each other: both threads are at work */
	int create_code;   /* of pthread_create                                                */
} plan;

static atomic_bool answered;
static atomic_uint first_reads;
static atomic_uint reads_after_stop;
static atomic_uint creates;
static atomic_bool mate_blocks_signals;
static pthread_t job_thread;

ssize_t __wrap_pread(int fd, void *mem, size_t len, off_t off);
ssize_t __real_pread(int fd, void *mem, size_t len, off_t off);
ssize_t __wrap_pread64(int fd, void *mem, size_t len, off_t off);
ssize_t __wrap_pwrite(int fd, const void *mem, size_t len, off_t off);
ssize_t __real_pwrite(int fd, const void *mem, size_t len, off_t off);
ssize_t __wrap_pwrite64(int fd, const void *mem, size_t len, off_t off);
int __wrap_pthread_create(pthread_t *thread, const pthread_attr_t *attr, void *(*run)(void *), void *arg);
int __real_pthread_create(pthread_t *thread, const pthread_attr_t *attr, void *(*run)(void *), void *arg);

static bool has(uint64_t at, off_t off, size_t len)
{
	return at >= (uint64_t)off && at < (uint64_t)off + len;
}

static void nap(void)
{
	struct timespec little = { .tv_nsec = 100000 };

	nanosleep(&little, NULL);
}

/* Before a read: what the plan has for it. */
static int before_read(int fd, off_t off, size_t len)
{
	if (plan.both && atomic_fetch_add(&first_reads, 1) < 2) {
		while (atomic_load(&first_reads) < 2) {
			nap();
		}
	}
	if (!pthread_equal(pthread_self(), job_thread)) {
		sigset_t now;

		pthread_sigmask(SIG_SETMASK, NULL, &now);
		atomic_store(&mate_blocks_signals, sigismember(&now, SIGINT) && sigismember(&now, SIGALRM));
	}
	while (has(plan.wait_at, off, len) && !atomic_load(&answered)) {
		nap();
	}
	if (has(plan.shrink_at, off, len)) {
		assert_int_equal(ftruncate(fd, (off_t)plan.shrink_to), 0);
	}
	if (has(plan.stop_at, off, len)) {
		__atomic_store_n(&zc_stop_signal, SIGINT, __ATOMIC_RELAXED);
	} else if (zc_stopped()) {
		atomic_fetch_add(&reads_after_stop, 1);
	}
	return has(plan.read_fails_at, off, len) || has(plan.read_fails_next_at, off, len) ? EIO : 0;
}

ssize_t __wrap_pread(int fd, void *mem, size_t len, off_t off)
{
	int code = before_read(fd, off, len);
	ssize_t res = code != 0 ? -1 : __real_pread(fd, mem, len, off);

	if (has(plan.until_at, off, len)) {
		atomic_store(&answered, true);
	}
	if (code != 0) {
		errno = code;
	}
	return res;
}

ssize_t __wrap_pread64(int fd, void *mem, size_t len, off_t off)
{
	return __wrap_pread(fd, mem, len, off);
}

ssize_t __wrap_pwrite(int fd, const void *mem, size_t len, off_t off)
{
	if (has(plan.write_fails_at, off, len)) {
		errno = ENOSPC;
		return -1;
	}
	return __real_pwrite(fd, mem, len, off);
}

ssize_t __wrap_pwrite64(int fd, const void *mem, size_t len, off_t off)
{
	return __wrap_pwrite(fd, mem, len, off);
}

int __wrap_pthread_create(pthread_t *thread, const pthread_attr_t *attr, void *(*run)(void *), void *arg)
{
	atomic_fetch_add(&creates, 1);
	return plan.create_code != 0 ? plan.create_code : __real_pthread_create(thread, attr, run, arg);
}

/* ---- a lane with two threads, and a file to be copied by them */

struct copying {
	struct lane lane;
	struct zc_report report;
	struct zc_progress progress;
	struct zc_end src;
	struct zc_end dst;
	struct zc_leg leg;
	uint64_t moved[ZC_ROUTE_COUNT];
};

static const struct lane_cfg lane_cfg = {
	.engine = ZC_ENGINE_SYNC,
	.buf_count = 1,
	.block_bytes = SPLIT_BLOCK_BYTES,
	.small = true,
	.node = ZC_NODE_ANY,
};

static void nothing_planned(void)
{
	memset(&plan, 0, sizeof(plan));
	plan.read_fails_at = plan.read_fails_next_at = plan.write_fails_at = plan.shrink_at = NOWHERE;
	plan.stop_at = plan.wait_at = plan.until_at = NOWHERE;
	zc_stop_signal = 0;
}

static void set_up(struct copying *lab)
{
	memset(lab, 0, sizeof(*lab));
	nothing_planned();
	answered = false;
	first_reads = 0;
	reads_after_stop = 0;
	job_thread = pthread_self();
	lane_init(&lab->lane, &lab->progress, &lab->report);
	lab->src = lab_end(lab_source("/tmp", SIZE, SEED), ZC_DIR_SRC, true);
	lab->dst = lab_end(lab_file("/tmp", 0), ZC_DIR_DST, true);
}

static int run(struct copying *lab, uint64_t off)
{
	const char *op;
	int res;

	assert_int_equal(lane_open(&lab->lane, &lane_cfg, &op), 0);
	assert_true(split_open(&lab->lane, &lane_cfg));
	lab->leg = (struct zc_leg){
		.src = &lab->src,
		.dst = &lab->dst,
		.span = { .kind = ZC_SPAN_DATA, .off_bytes = off, .len_bytes = SIZE - off },
	};
	res = split_run(&lab->lane, &lab->leg, lab->moved);
	nothing_planned(); /* for what the test itself reads */
	return res;
}

static void tear_down(struct copying *lab)
{
	lane_close(&lab->lane);
	assert_null(lab->lane.split);
	assert_int_equal(lab->report.leaked_buffers, 0);
	assert_int_equal(lab->report.fallbacks.count, 0);
	zc_end_close(&lab->src);
	zc_end_close(&lab->dst);
}

static void *ends_at_once(void *arg)
{
	return arg;
}

static unsigned thread_count(void)
{
	DIR *dir = opendir("/proc/self/task");
	unsigned count = 0;

	assert_non_null(dir);
	for (struct dirent *entry = readdir(dir); entry != NULL; entry = readdir(dir)) {
		count += entry->d_name[0] != '.';
	}
	closedir(dir);
	return count;
}

/* A joined thread may be seen for a moment longer, above all under an emulator: the least of many looks. */
static unsigned threads_left(void)
{
	const struct timespec nap = { .tv_nsec = 10 * 1000 * 1000 };
	unsigned least = thread_count();

	for (int look = 0; look < 20; look++) {
		unsigned now = thread_count();

		least = now < least ? now : least;
		nanosleep(&nap, NULL);
	}
	return least;
}

/* ---- cases */

static void whole(void **state)
{
	struct copying lab;
	pthread_t thread;
	unsigned before;

	(void)state;
	/* a sanitizer starts a thread of its own beside the first */
	assert_int_equal(__real_pthread_create(&thread, NULL, ends_at_once, NULL), 0);
	pthread_join(thread, NULL);
	before = threads_left();
	set_up(&lab);
	plan.both = true;
	assert_int_equal(run(&lab, 0), 0);
	assert_true(first_reads > 2);
	assert_true(mate_blocks_signals);
	assert_int_equal(thread_count(), before + 1);
	assert_false(lab.leg.eof);
	assert_int_equal(lab.leg.done_bytes, SIZE);
	assert_int_equal(lab.moved[ZC_ROUTE_BUFFER], SIZE);
	assert_int_equal(lab.progress.read, SIZE);
	assert_int_equal(lab.progress.written, SIZE);
	assert_int_equal(lab_size(lab.dst.shape.fd), SIZE);
	lab_check(lab.dst.shape.fd, 0, SIZE, SEED, 0);
	/* the same two threads again, from the middle of a part on, of a source that has grown since */
	creates = 0;
	lab_put(lab.src.shape.fd, SIZE, 100, SEED, SIZE);
	assert_int_equal(ftruncate(lab.dst.shape.fd, 0), 0);
	assert_int_equal(run(&lab, 12345), 0);
	assert_int_equal(creates, 0);
	assert_int_equal(lab.leg.done_bytes, SIZE - 12345);
	assert_int_equal(lab_size(lab.dst.shape.fd), SIZE);
	lab_check(lab.dst.shape.fd, 12345, SIZE - 12345, SEED, 12345);
	tear_down(&lab);
	assert_int_equal(threads_left(), before);
}

/* An inherited source starts where its position stands. */
static void from_a_position(void **state)
{
	struct copying lab;

	(void)state;
	set_up(&lab);
	lab.src.shape.base_bytes = 1000;
	assert_int_equal(run(&lab, 0), 0);
	assert_true(lab.leg.eof); /* the span is 1000 bytes too long now */
	assert_int_equal(lab.leg.done_bytes, SIZE - 1000);
	lab_check(lab.dst.shape.fd, 0, SIZE - 1000, SEED, 1000);
	tear_down(&lab);
}

/* The source is cut below what the other thread has copied already: what was behind does not count. */
static void shrinks(void **state)
{
	static const uint64_t places[] = { 0, 1, 5 * ZC_MIB + 5, 8 * ZC_MIB - 1 };

	(void)state;
	for (unsigned i = 0; i < ZC_ARRAY_LEN(places); i++) {
		struct copying lab;

		set_up(&lab);
		plan.both = true;
		plan.wait_at = plan.shrink_at = zc_align_down(places[i], PART);
		plan.until_at = plan.wait_at == 0 ? PART : 0; /* part of the other thread */
		plan.shrink_to = places[i];
		assert_int_equal(run(&lab, 0), 0);
		assert_true(lab.leg.eof);
		assert_int_equal(lab.leg.done_bytes, places[i]);
		assert_int_equal(lab.moved[ZC_ROUTE_BUFFER], places[i]);
		lab_check(lab.dst.shape.fd, 0, places[i], SEED, 0);
		tear_down(&lab);
	}
}

/* The thread with the higher part fails first, the other one later but lower: that one is what counts. */
static void lowest_error(void **state)
{
	struct copying lab;

	(void)state;
	set_up(&lab);
	plan.both = true;
	plan.read_fails_at = PART;
	plan.until_at = PART;
	plan.wait_at = ZC_MIB;
	plan.read_fails_next_at = ZC_MIB;
	assert_int_equal(run(&lab, 0), -EIO);
	assert_int_equal(lab.leg.err.code, -EIO);
	assert_int_equal(lab.leg.err.side, ZC_SIDE_SRC);
	assert_int_equal(lab.leg.err.off_bytes, ZC_MIB);
	assert_false(lab.leg.eof);
	assert_int_equal(lab.leg.done_bytes, lab.progress.written);
	assert_true(lab.leg.done_bytes < 2 * PART);
	lab_check(lab.dst.shape.fd, 0, ZC_MIB, SEED, 0);
	tear_down(&lab);
}

/* An error behind the place where the source turned out to end is none; one before it is. */
static void error_or_end(void **state)
{
	struct copying lab;

	(void)state;
	set_up(&lab);
	plan.both = true;
	plan.read_fails_at = PART;
	plan.until_at = PART;
	plan.wait_at = plan.shrink_at = 2 * ZC_MIB;
	plan.shrink_to = 2 * ZC_MIB + 1;
	assert_int_equal(run(&lab, 0), 0);
	assert_true(lab.leg.eof);
	assert_int_equal(lab.leg.err.code, 0);
	assert_int_equal(lab.leg.done_bytes, 2 * ZC_MIB + 1);
	tear_down(&lab);

	set_up(&lab);
	plan.both = true;
	plan.shrink_at = PART;
	plan.shrink_to = PART + 1;
	plan.until_at = PART;
	plan.wait_at = ZC_MIB;
	plan.write_fails_at = ZC_MIB;
	assert_int_equal(run(&lab, 0), -ENOSPC);
	assert_int_equal(lab.leg.err.side, ZC_SIDE_DST);
	assert_int_equal(lab.leg.err.off_bytes, ZC_MIB);
	tear_down(&lab);
}

/* No room: both threads meet it sooner or later, one error comes of it and nothing more is begun. */
static void no_space(void **state)
{
	struct copying lab;

	(void)state;
	set_up(&lab);
	plan.write_fails_at = 2 * PART + 1;
	assert_int_equal(run(&lab, 0), -ENOSPC);
	assert_int_equal(lab.leg.err.code, -ENOSPC);
	assert_int_equal(lab.leg.err.side, ZC_SIDE_DST);
	assert_string_equal(lab.leg.err.op, "write");
	assert_int_equal(lab.leg.err.off_bytes, 2 * PART);
	assert_true(lab.progress.read <= 6 * PART);
	assert_int_equal(lab.moved[ZC_ROUTE_BUFFER], lab.leg.done_bytes);
	tear_down(&lab);
}

static void stops(void **state)
{
	struct copying lab;

	(void)state;
	set_up(&lab);
	plan.both = true;
	plan.stop_at = PART + ZC_MIB;
	assert_int_equal(run(&lab, 0), -ECANCELED);
	assert_int_equal(lab.leg.err.code, -ECANCELED);
	assert_true(reads_after_stop <= 2); /* each thread's that was under way */
	tear_down(&lab);
}

/* No thread: once noted, not tried again, and the lane is as it was. */
static void no_thread(void **state)
{
	struct copying lab;

	(void)state;
	set_up(&lab);
	plan.create_code = EAGAIN;
	creates = 0;
	assert_false(split_open(&lab.lane, &lane_cfg));
	assert_false(split_open(&lab.lane, &lane_cfg));
	assert_int_equal(creates, 1);
	assert_null(lab.lane.split);
	assert_true(lab.lane.alone);
	assert_int_equal(lab.report.fallbacks.count, 1);
	assert_string_equal(lab.report.fallbacks.list[0].op, "pthread_create");
	assert_int_equal(lab.report.fallbacks.list[0].code, -EAGAIN);
	lab.report.fallbacks.count = 0;
	tear_down(&lab);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(whole),        cmocka_unit_test(from_a_position), cmocka_unit_test(shrinks),
		cmocka_unit_test(lowest_error), cmocka_unit_test(error_or_end),    cmocka_unit_test(no_space),
		cmocka_unit_test(stops),        cmocka_unit_test(no_thread),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
