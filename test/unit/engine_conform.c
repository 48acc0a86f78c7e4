/*
 * What every engine must do, run for each: the ring, helper threads, and performed inside submit.
 * Where there is no ring its run is skipped, with the reason.
 */
#include "zcopy/engine.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "zcopy/base.h"
#include "zcopy/mem.h"

enum {
	DEPTH = 16,
	BUF_BYTES = 64 * 1024,
};

static struct zc_engine_cfg cfg; /* of the run: kind and thread_count */

struct fixture {
	struct zc_engine *engine;
	struct zc_pool *pool;
	char path[64];
	int file;
	int pipe[2];
};

static struct zc_engine *open_engine(unsigned depth, struct zc_pool *pool)
{
	struct zc_engine_cfg mine = cfg;
	struct zc_engine *engine;

	mine.depth = depth;
	mine.pool = pool;
	mine.node = ZC_NODE_ANY;
	assert_int_equal(zc_engine_open(&engine, &mine), 0);
	return engine;
}

static int set_up(void **state)
{
	struct zc_pool_cfg pool_cfg = {
		.buf_bytes = BUF_BYTES, .buf_count = DEPTH, .huge = ZC_HUGE_NEVER, .node = ZC_NODE_ANY
	};
	struct fixture *fixture = calloc(1, sizeof(*fixture));

	zc_stop_signal = 0;
	assert_int_equal(zc_pool_create(&fixture->pool, &pool_cfg, NULL), 0);
	fixture->engine = open_engine(DEPTH, fixture->pool);
	strcpy(fixture->path, "/tmp/zc-engine-XXXXXX");
	fixture->file = mkstemp(fixture->path);
	assert_true(fixture->file >= 0);
	assert_int_equal(pipe2(fixture->pipe, O_CLOEXEC), 0);
	*state = fixture;
	return 0;
}

static int tear_down(void **state)
{
	struct fixture *fixture = *state;

	zc_engine_close(fixture->engine);
	assert_int_equal(zc_pool_destroy(fixture->pool), 0);
	close(fixture->file);
	unlink(fixture->path);
	close(fixture->pipe[0]);
	if (fixture->pipe[1] >= 0) {
		close(fixture->pipe[1]);
	}
	free(fixture);
	return 0;
}

static uint8_t pattern(uint64_t off)
{
	return (uint8_t)((off * 2654435761u) >> 13 ^ off >> 8);
}

static void fill(uint8_t *mem, uint64_t off, size_t len)
{
	for (size_t i = 0; i < len; i++) {
		mem[i] = pattern(off + i);
	}
}

static void check(const uint8_t *mem, uint64_t off, size_t len)
{
	for (size_t i = 0; i < len; i++) {
		if (mem[i] != pattern(off + i)) {
			fail_msg("byte %zu of the block at %llu is wrong", i, (unsigned long long)off);
		}
	}
}

static struct zc_req *run_one(struct fixture *fixture, struct zc_req *req)
{
	struct zc_req *done = NULL;

	zc_engine_submit(fixture->engine, &req, 1);
	assert_int_equal(zc_engine_in_flight(fixture->engine), 1);
	assert_int_equal(zc_engine_reap(fixture->engine, &done, 1, 1), 1);
	assert_ptr_equal(done, req);
	assert_int_equal(zc_engine_in_flight(fixture->engine), 0);
	return done;
}

static void assert_result(struct fixture *fixture, struct zc_req req, int err, uint32_t done_bytes)
{
	run_one(fixture, &req);
	assert_int_equal(req.err, err);
	assert_int_equal(req.done_bytes, done_bytes);
}

/* ---- whole files */

struct pass {
	struct fixture *fixture;
	struct zc_engine *engine;
	enum zc_op op;
	unsigned depth;
	uint32_t block;
	uint64_t size;
};

static void start_block(struct pass *pass, struct zc_req *req, uint64_t off, struct zc_buf *buf)
{
	*req = (struct zc_req){
		.op = pass->op,
		.flags = ZC_REQ_FULL,
		.fd = pass->fixture->file,
		.len_bytes = (uint32_t)zc_min_u64(pass->block, pass->size - off),
		.off_bytes = off,
		.mem = buf->mem,
		.buf = buf,
	};
	if (pass->op == ZC_OP_WRITE) {
		fill(buf->mem, off, req->len_bytes);
	}
	zc_engine_submit(pass->engine, &req, 1);
	assert_int_equal(buf->state, ZC_BUF_LENT);
}

static void end_block(struct pass *pass, struct zc_req *req)
{
	assert_int_equal(req->err, 0);
	assert_int_equal(req->done_bytes, req->len_bytes);
	assert_int_equal(req->buf->state, ZC_BUF_TAKEN);
	if (pass->op == ZC_OP_READ) {
		check(req->mem, req->off_bytes, req->len_bytes);
	}
	zc_pool_give(pass->fixture->pool, req->buf);
	req->buf = NULL;
}

static void run_pass(struct pass *pass)
{
	struct zc_req reqs[DEPTH] = { 0 };
	struct zc_req *done[DEPTH];
	uint64_t off = 0;

	while (off < pass->size || zc_engine_in_flight(pass->engine) != 0) {
		for (unsigned i = 0; i < pass->depth && off < pass->size; i++) {
			if (!reqs[i].buf) {
				start_block(pass, &reqs[i], off, zc_pool_take(pass->fixture->pool));
				off += pass->block;
			}
		}
		unsigned in_flight = zc_engine_in_flight(pass->engine);
		unsigned wait = 1 + (unsigned)rand() % in_flight;
		unsigned count = zc_engine_reap(pass->engine, done, DEPTH, wait);

		assert_true(count >= wait && in_flight <= pass->depth);
		for (unsigned i = 0; i < count; i++) {
			end_block(pass, done[i]);
		}
	}
}

static void whole_files(void **state)
{
	static const uint64_t sizes[] = { 1, 511, 513, 4095, 4097, 65537, 1048575, 1048577, 3 * 1048576 + 7 };
	struct fixture *fixture = *state;

	srand(7);
	for (unsigned i = 0; i < ZC_ARRAY_LEN(sizes); i++) {
		struct pass pass = {
			.fixture = fixture,
			.op = ZC_OP_WRITE,
			.depth = 1 + (unsigned)rand() % DEPTH,
			.block = 1 + (uint32_t)rand() % BUF_BYTES,
			.size = sizes[i],
		};

		pass.block = sizes[i] > 65536 ? pass.block | 4096 : pass.block;
		pass.engine = open_engine(pass.depth, fixture->pool);
		assert_int_equal(ftruncate(fixture->file, 0), 0);
		run_pass(&pass);
		assert_int_equal(lseek(fixture->file, 0, SEEK_END), sizes[i]);
		pass.op = ZC_OP_READ;
		run_pass(&pass);
		zc_engine_close(pass.engine);
	}
}

static void end_of_file(void **state)
{
	struct fixture *fixture = *state;
	uint8_t mem[4096];
	struct zc_req req = { .op = ZC_OP_READ,
		              .flags = ZC_REQ_FULL,
		              .fd = fixture->file,
		              .len_bytes = sizeof(mem),
		              .mem = mem };

	assert_result(fixture, req, 0, 0);
	fill(mem, 0, 1000);
	assert_int_equal(pwrite(fixture->file, mem, 1000, 0), 1000);
	memset(mem, 0, sizeof(mem));
	assert_result(fixture, req, 0, 1000);
	check(mem, 0, 1000);
	req.off_bytes = 1000;
	assert_result(fixture, req, 0, 0);
	req.off_bytes = 999;
	req.flags = 0;
	assert_result(fixture, req, 0, 1);
}

/* An inherited regular file is a stream: it goes on where the descriptor stands. */
static void file_position(void **state)
{
	struct fixture *fixture = *state;
	uint8_t mem[2000];
	struct zc_req req = { .op = ZC_OP_WRITE,
		              .fd = fixture->file,
		              .len_bytes = 1000,
		              .off_bytes = ZC_OFF_STREAM,
		              .mem = mem };

	fill(mem, 0, sizeof(mem));
	assert_result(fixture, req, 0, 1000);
	req.mem = mem + 1000;
	assert_result(fixture, req, 0, 1000);
	assert_int_equal(lseek(fixture->file, 0, SEEK_CUR), 2000);
	assert_int_equal(lseek(fixture->file, 500, SEEK_SET), 500);
	req.op = ZC_OP_READ;
	req.mem = mem;
	assert_result(fixture, req, 0, 1000);
	check(mem, 500, 1000);
	assert_result(fixture, req, 0, 500);
	assert_result(fixture, req, 0, 0);
}

/* ---- pipes */

struct mate {
	int fd;
	size_t len;
	size_t step;
	pthread_t thread;
};

static void short_sleep(void)
{
	usleep(2000);
}

static void *mate_writes(void *arg)
{
	struct mate *mate = arg;
	uint8_t mem[65536];

	for (size_t off = 0; off < mate->len; off += mate->step) {
		size_t len = zc_min_u64(mate->step, mate->len - off);

		short_sleep();
		fill(mem, off, len);
		for (size_t at = 0; at < len;) {
			ssize_t put = write(mate->fd, mem + at, len - at);

			at += put > 0 ? (size_t)put : 0;
		}
	}
	close(mate->fd);
	return NULL;
}

/* Returns NULL when every byte was right. */
static void *mate_reads(void *arg)
{
	struct mate *mate = arg;
	uint8_t mem[65536];
	size_t off = 0;

	while (off < mate->len) {
		ssize_t got;

		short_sleep();
		got = read(mate->fd, mem, mate->step);
		for (ssize_t i = 0; i < got; i++) {
			if (mem[i] != pattern(off + (size_t)i)) {
				return mate;
			}
		}
		off += got > 0 ? (size_t)got : 0;
	}
	return NULL;
}

static void start_mate(struct mate *mate, void *(*work)(void *), int fd, size_t len, size_t step)
{
	mate->fd = fd;
	mate->len = len;
	mate->step = step;
	assert_int_equal(pthread_create(&mate->thread, NULL, work, mate), 0);
}

static void end_mate(struct mate *mate)
{
	void *wrong;

	pthread_join(mate->thread, &wrong);
	assert_null(wrong);
}

static struct zc_req pipe_req(struct fixture *fixture, enum zc_op op, uint8_t *mem, uint32_t len,
                              unsigned flags)
{
	return (struct zc_req){ .op = op,
		                .flags = flags,
		                .fd = fixture->pipe[op == ZC_OP_WRITE],
		                .len_bytes = len,
		                .off_bytes = ZC_OFF_STREAM,
		                .mem = mem };
}

static void pipe_short_read(void **state)
{
	struct fixture *fixture = *state;
	uint8_t mem[4096];

	fill(mem, 0, 100);
	assert_int_equal(write(fixture->pipe[1], mem, 100), 100);
	memset(mem, 0, sizeof(mem));
	assert_result(fixture, pipe_req(fixture, ZC_OP_READ, mem, sizeof(mem), 0), 0, 100);
	check(mem, 0, 100);
	close(fixture->pipe[1]);
	fixture->pipe[1] = -1;
	assert_result(fixture, pipe_req(fixture, ZC_OP_READ, mem, sizeof(mem), 0), 0, 0);
}

static void full_read(struct fixture *fixture)
{
	static uint8_t mem[40000];
	struct mate mate;

	start_mate(&mate, mate_writes, fixture->pipe[1], 30001, 1000);
	fixture->pipe[1] = -1;
	assert_result(fixture, pipe_req(fixture, ZC_OP_READ, mem, 30000, ZC_REQ_FULL), 0, 30000);
	check(mem, 0, 30000);
	assert_result(fixture, pipe_req(fixture, ZC_OP_READ, mem, sizeof(mem), ZC_REQ_FULL), 0, 1);
	check(mem, 30000, 1);
	end_mate(&mate);
}

static void full_write(struct fixture *fixture)
{
	static uint8_t mem[500000];
	struct mate mate;

	fill(mem, 0, sizeof(mem));
	start_mate(&mate, mate_reads, fixture->pipe[0], sizeof(mem), 9999);
	assert_result(fixture, pipe_req(fixture, ZC_OP_WRITE, mem, sizeof(mem), 0), 0, sizeof(mem));
	end_mate(&mate);
}

static void set_nonblock(struct fixture *fixture)
{
	assert_int_equal(fcntl(fixture->pipe[0], F_SETFL, O_NONBLOCK), 0);
	assert_int_equal(fcntl(fixture->pipe[1], F_SETFL, O_NONBLOCK), 0);
}

static void pipe_full_read(void **state)
{
	full_read(*state);
}

static void pipe_full_write(void **state)
{
	full_write(*state);
}

static void nonblock_read(void **state)
{
	set_nonblock(*state);
	full_read(*state);
}

static void nonblock_write(void **state)
{
	set_nonblock(*state);
	full_write(*state);
}

static void broken_pipe(void **state)
{
	struct fixture *fixture = *state;
	uint8_t mem[10] = { 0 };
	void (*before)(int) = signal(SIGPIPE, SIG_IGN);

	close(fixture->pipe[0]);
	fixture->pipe[0] = open("/dev/null", O_RDONLY | O_CLOEXEC);
	assert_result(fixture, pipe_req(fixture, ZC_OP_WRITE, mem, sizeof(mem), 0), -EPIPE, 0);
	signal(SIGPIPE, before);
}

/* ---- errors */

static void refused(void **state)
{
	struct fixture *fixture = *state;
	uint8_t mem[100] = { 0 };
	struct zc_req req = { .op = ZC_OP_WRITE, .len_bytes = sizeof(mem), .mem = mem };

	req.fd = open(fixture->path, O_RDONLY | O_CLOEXEC);
	assert_result(fixture, req, -EBADF, 0);
	close(req.fd);
	req.fd = -1;
	assert_result(fixture, req, -EBADF, 0);
	req.op = ZC_OP_READ;
	req.fd = open("/", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	assert_result(fixture, req, -EISDIR, 0);
	close(req.fd);
}

static void no_space(void **state)
{
	struct fixture *fixture = *state;
	uint8_t mem[100] = { 0 };
	struct zc_req req = { .op = ZC_OP_WRITE, .len_bytes = sizeof(mem), .mem = mem };

	req.fd = open("/dev/full", O_WRONLY | O_CLOEXEC);
	assert_result(fixture, req, -ENOSPC, 0);
	req.off_bytes = ZC_OFF_STREAM;
	assert_result(fixture, req, -ENOSPC, 0);
	close(req.fd);
}

/* What fits below the limit is written and counted, then comes the error. */
static void partly(void **state)
{
	struct fixture *fixture = *state;
	struct rlimit limit;
	struct rlimit small;
	uint8_t mem[8192] = { 0 };
	struct zc_req req = { .op = ZC_OP_WRITE, .fd = fixture->file, .len_bytes = sizeof(mem), .mem = mem };
	void (*before)(int) = signal(SIGXFSZ, SIG_IGN);

	getrlimit(RLIMIT_FSIZE, &limit);
	small = limit;
	small.rlim_cur = 5000;
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &small), 0);
	run_one(fixture, &req);
	setrlimit(RLIMIT_FSIZE, &limit);
	signal(SIGXFSZ, before);
	assert_int_equal(req.err, -EFBIG);
	assert_int_equal(req.done_bytes, 5000);
	assert_int_equal(lseek(fixture->file, 0, SEEK_END), 5000);
}

/* ---- many at once */

static void many(void **state)
{
	struct fixture *fixture = *state;
	struct zc_req reqs[DEPTH];
	struct zc_req *batch[DEPTH];
	struct zc_req *done[DEPTH];
	uint8_t mem[DEPTH][100];
	unsigned seen[DEPTH] = { 0 };
	unsigned left = DEPTH;

	assert_int_equal(ftruncate(fixture->file, 1 << 20), 0);
	for (unsigned i = 0; i < DEPTH; i++) {
		reqs[i] = (struct zc_req){ .op = i % 3 == 0 ? ZC_OP_NOP : ZC_OP_READ,
			                   .fd = fixture->file,
			                   .off_bytes = i * 4096,
			                   .len_bytes = sizeof(mem[i]),
			                   .mem = mem[i],
			                   .owner = &seen[i] };
		batch[DEPTH - 1 - i] = &reqs[i];
	}
	zc_engine_submit(fixture->engine, batch, DEPTH);
	while (left > 0) {
		unsigned count =
		    zc_engine_reap(fixture->engine, done, 1 + (unsigned)rand() % DEPTH, left > 0);

		for (unsigned i = 0; i < count; i++) {
			assert_int_equal(done[i]->err, 0);
			assert_int_equal(done[i]->done_bytes, done[i]->op == ZC_OP_NOP ? 0 : sizeof(mem[0]));
			(*(unsigned *)done[i]->owner)++;
		}
		left -= count;
	}
	for (unsigned i = 0; i < DEPTH; i++) {
		assert_int_equal(seen[i], 1);
	}
	assert_int_equal(zc_engine_reap(fixture->engine, done, DEPTH, 0), 0);
}

/* A slow request does not hold up a later one. */
static void out_of_order(void **state)
{
	struct fixture *fixture = *state;
	uint8_t mem[2] = { 0 };
	struct zc_req slow = pipe_req(fixture, ZC_OP_READ, mem, 1, 0);
	struct zc_req quick = pipe_req(fixture, ZC_OP_WRITE, mem + 1, 1, 0);
	struct zc_req *both[] = { &slow, &quick };
	struct zc_req *done[2];

	if (cfg.kind == ZC_ENGINE_SYNC && cfg.thread_count == 0) {
		return; /* performs the slow one first, by its nature */
	}
	quick.fd = fixture->file;
	zc_engine_submit(fixture->engine, both, 2);
	assert_int_equal(zc_engine_reap(fixture->engine, done, 2, 1), 1);
	assert_ptr_equal(done[0], &quick);
	assert_int_equal(write(fixture->pipe[1], "x", 1), 1);
	assert_int_equal(zc_engine_reap(fixture->engine, done, 2, 1), 1);
	assert_ptr_equal(done[0], &slow);
	assert_int_equal(mem[0], 'x');
}

static void too_many(void **state)
{
	struct fixture *fixture = *state;
	int status;
	pid_t child = fork();

	if (child == 0) {
		struct rlimit none = { 0 };
		struct zc_req nop = { .op = ZC_OP_NOP };
		struct zc_req *batch[DEPTH + 1];

		setrlimit(RLIMIT_CORE, &none);
		signal(SIGABRT, SIG_DFL);
		close(2);
		for (unsigned i = 0; i <= DEPTH; i++) {
			batch[i] = &nop;
		}
		zc_engine_submit(fixture->engine, batch, DEPTH + 1);
		_exit(0);
	}
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT);
}

/* ---- stopping */

static void stop_handler(int number)
{
	__atomic_store_n(&zc_stop_signal, number, __ATOMIC_RELAXED);
}

/* SIGALRM now and then, as cli has it: one may come just before the wait. */
static void stop_soon(void)
{
	struct sigaction action = { .sa_handler = stop_handler };
	struct itimerval soon = { .it_value.tv_usec = 50000, .it_interval.tv_usec = 50000 };

	sigaction(SIGALRM, &action, NULL);
	setitimer(ITIMER_REAL, &soon, NULL);
}

static void stop_over(void)
{
	struct itimerval never = { 0 };

	setitimer(ITIMER_REAL, &never, NULL);
	signal(SIGALRM, SIG_DFL);
	zc_stop_signal = 0;
}

static void assert_stops(struct fixture *fixture, struct zc_req *const *reqs, unsigned count,
                         uint32_t done_bytes)
{
	struct zc_req *done[DEPTH];
	uint64_t begin = zc_now_ns();
	unsigned got = 0;

	stop_soon();
	zc_engine_submit(fixture->engine, reqs, count);
	while (zc_engine_in_flight(fixture->engine) != 0) {
		got += zc_engine_reap(fixture->engine, done + got, DEPTH - got, 1);
	}
	assert_true(zc_now_ns() - begin < 60000000000ull);
	assert_int_equal(got, count);
	for (unsigned i = 0; i < got; i++) {
		assert_int_equal(done[i]->err, -ECANCELED);
		assert_int_equal(done[i]->done_bytes, done_bytes);
	}
	/* Nothing new is begun. */
	zc_engine_submit(fixture->engine, reqs, 1);
	assert_int_equal(zc_engine_reap(fixture->engine, done, 1, 1), 1);
	assert_int_equal(done[0]->err, -ECANCELED);
	assert_int_equal(done[0]->done_bytes, 0);
	stop_over();
}

static void stop_reads(void **state)
{
	struct fixture *fixture = *state;
	struct zc_req reqs[DEPTH];
	struct zc_req *batch[DEPTH];

	for (unsigned i = 0; i < DEPTH; i++) {
		struct zc_buf *buf = zc_pool_take(fixture->pool);

		reqs[i] = pipe_req(fixture, ZC_OP_READ, buf->mem, 100, i % 2 ? ZC_REQ_FULL : 0);
		reqs[i].buf = buf;
		batch[i] = &reqs[i];
	}
	assert_stops(fixture, batch, DEPTH, 0);
	for (unsigned i = 0; i < DEPTH; i++) {
		assert_int_equal(reqs[i].buf->state, ZC_BUF_TAKEN);
		zc_pool_give(fixture->pool, reqs[i].buf);
	}
	/* The engine goes on as if nothing had been. */
	pipe_short_read(state);
}

static void stop_nonblock_read(void **state)
{
	struct fixture *fixture = *state;
	uint8_t mem[100];
	struct zc_req req = pipe_req(fixture, ZC_OP_READ, mem, sizeof(mem), 0);
	struct zc_req *batch[] = { &req };

	set_nonblock(fixture);
	assert_stops(fixture, batch, 1, 0);
}

/* What went into the pipe before the stop is counted. */
static void stop_write(void **state)
{
	static uint8_t mem[300000];
	struct fixture *fixture = *state;
	struct zc_req req = pipe_req(fixture, ZC_OP_WRITE, mem, sizeof(mem), 0);
	struct zc_req *batch[] = { &req };
	int size = fcntl(fixture->pipe[1], F_GETPIPE_SZ);

	assert_stops(fixture, batch, 1, (uint32_t)size);
}

static void facts(void **state)
{
	struct fixture *fixture = *state;
	struct zc_engine_facts facts_now;

	zc_engine_facts(fixture->engine, &facts_now);
	assert_string_equal(facts_now.name, cfg.kind == ZC_ENGINE_URING ? "uring" : "sync");
	assert_int_equal(facts_now.depth, DEPTH);
	assert_int_equal(facts_now.thread_count, cfg.thread_count);
	assert_string_not_equal(facts_now.setup, "");
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test_setup_teardown(whole_files, set_up, tear_down),
	cmocka_unit_test_setup_teardown(end_of_file, set_up, tear_down),
	cmocka_unit_test_setup_teardown(file_position, set_up, tear_down),
	cmocka_unit_test_setup_teardown(pipe_short_read, set_up, tear_down),
	cmocka_unit_test_setup_teardown(pipe_full_read, set_up, tear_down),
	cmocka_unit_test_setup_teardown(pipe_full_write, set_up, tear_down),
	cmocka_unit_test_setup_teardown(nonblock_read, set_up, tear_down),
	cmocka_unit_test_setup_teardown(nonblock_write, set_up, tear_down),
	cmocka_unit_test_setup_teardown(broken_pipe, set_up, tear_down),
	cmocka_unit_test_setup_teardown(refused, set_up, tear_down),
	cmocka_unit_test_setup_teardown(no_space, set_up, tear_down),
	cmocka_unit_test_setup_teardown(partly, set_up, tear_down),
	cmocka_unit_test_setup_teardown(many, set_up, tear_down),
	cmocka_unit_test_setup_teardown(out_of_order, set_up, tear_down),
	cmocka_unit_test_setup_teardown(too_many, set_up, tear_down),
	cmocka_unit_test_setup_teardown(stop_reads, set_up, tear_down),
	cmocka_unit_test_setup_teardown(stop_nonblock_read, set_up, tear_down),
	cmocka_unit_test_setup_teardown(stop_write, set_up, tear_down),
	cmocka_unit_test_setup_teardown(facts, set_up, tear_down),
};

static bool has_ring(void)
{
	struct zc_engine_cfg ring = { .kind = ZC_ENGINE_URING, .depth = 1, .node = ZC_NODE_ANY };
	struct zc_engine *engine;
	int code = zc_engine_open(&engine, &ring);

	if (code == 0) {
		zc_engine_close(engine);
	} else {
		printf("engine_conform: the ring is not tested: %s\n", zc_errno_name(code));
	}
	return code == 0;
}

int main(void)
{
	int failed = 0;

	cfg = (struct zc_engine_cfg){ .kind = ZC_ENGINE_URING };
	if (has_ring()) {
		failed += cmocka_run_group_tests_name("uring", tests, NULL, NULL);
	}
	cfg = (struct zc_engine_cfg){ .kind = ZC_ENGINE_SYNC, .thread_count = 4 };
	failed += cmocka_run_group_tests_name("sync, threads", tests, NULL, NULL);
	cfg.thread_count = 0;
	failed += cmocka_run_group_tests_name("sync, inline", tests, NULL, NULL);
	return failed != 0;
}
