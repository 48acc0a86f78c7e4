/*
 * Hosts that refuse io_uring, all or part of it, memory to lock, or threads. A child takes the refusal
 * upon itself by a system call filter, then opens engines and copies with them.
 */
#include "zcopy/engine.h"

#include <dirent.h>
#include <errno.h>
#include <grp.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "zcopy/base.h"
#include "zcopy/mem.h"

enum {
	COUNT = 4,
	BUF_BYTES = 128 * 1024,
	NO_FILTER = 77,
};

/* cmocka belongs to the parent: a child says what is wrong by itself. */
#define CHILD_CHECK(cond)                                                                                    \
	do {                                                                                                 \
		if (!(cond)) {                                                                               \
			dprintf(2, "engine_fallback: line %d: %s\n", __LINE__, #cond);                       \
			_exit(1);                                                                            \
		}                                                                                            \
	} while (0)

static void deny(long nr, int code)
{
	struct sock_filter filter[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (unsigned)nr, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | (unsigned)code),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	struct sock_fprog program = { .len = ZC_ARRAY_LEN(filter), .filter = filter };

	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0 ||
	    prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) != 0) {
		_exit(NO_FILTER);
	}
}

static struct zc_pool *make_pool(void)
{
	struct zc_pool_cfg cfg = {
		.buf_bytes = BUF_BYTES, .buf_count = COUNT, .huge = ZC_HUGE_NEVER, .node = ZC_NODE_ANY
	};
	struct zc_pool *pool;

	CHILD_CHECK(zc_pool_create(&pool, &cfg, NULL) == 0);
	return pool;
}

static bool fell_back(const struct zc_fallbacks *fallbacks, const char *op, int code)
{
	for (unsigned i = 0; i < fallbacks->count; i++) {
		if (strcmp(fallbacks->list[i].op, op) == 0 && fallbacks->list[i].code == code) {
			return true;
		}
	}
	return false;
}

/* Pool buffers to a file and back. */
static void check_copies(struct zc_engine *engine, struct zc_pool *pool)
{
	char path[] = "/tmp/zc-engine-XXXXXX";
	int file = mkstemp(path);
	struct zc_req reqs[COUNT];
	struct zc_req *batch[COUNT];

	unlink(path);
	for (unsigned i = 0; i < COUNT; i++) {
		struct zc_buf *buf = zc_pool_take(pool);

		memset(buf->mem, 'a' + (int)i, BUF_BYTES);
		reqs[i] = (struct zc_req){ .op = ZC_OP_WRITE,
			                   .flags = ZC_REQ_FULL,
			                   .fd = file,
			                   .len_bytes = BUF_BYTES,
			                   .off_bytes = (uint64_t)i * BUF_BYTES,
			                   .mem = buf->mem,
			                   .buf = buf };
		batch[i] = &reqs[i];
	}
	for (unsigned pass = 0; pass < 2; pass++) {
		zc_engine_submit(engine, batch, COUNT);
		CHILD_CHECK(zc_engine_reap(engine, batch, COUNT, COUNT) == COUNT);
		for (unsigned i = 0; i < COUNT; i++) {
			CHILD_CHECK(reqs[i].err == 0 && reqs[i].done_bytes == BUF_BYTES);
			CHILD_CHECK(reqs[i].mem[0] == 'a' + i && reqs[i].mem[BUF_BYTES - 1] == 'a' + i);
			reqs[i].op = ZC_OP_READ;
			memset(reqs[i].mem, pass == 0 ? 0 : 'a' + (int)i, BUF_BYTES);
		}
	}
	for (unsigned i = 0; i < COUNT; i++) {
		zc_pool_give(pool, reqs[i].buf);
	}
	close(file);
}

static struct zc_engine_facts check_engine(enum zc_engine_kind kind, unsigned threads,
                                           struct zc_fallbacks *fallbacks)
{
	struct zc_pool *pool = make_pool();
	struct zc_engine_cfg cfg = { .kind = kind,
		                     .depth = COUNT,
		                     .thread_count = threads,
		                     .pool = pool,
		                     .node = ZC_NODE_ANY,
		                     .fallbacks = fallbacks };
	struct zc_engine_facts facts;
	struct zc_engine *engine;

	CHILD_CHECK(zc_engine_open(&engine, &cfg) == 0);
	check_copies(engine, pool);
	zc_engine_facts(engine, &facts);
	zc_engine_close(engine);
	CHILD_CHECK(zc_pool_destroy(pool) == 0);
	return facts;
}

static int ring_code(void)
{
	struct zc_engine_cfg cfg = { .kind = ZC_ENGINE_URING, .depth = COUNT, .node = ZC_NODE_ANY };
	struct zc_engine *engine;
	int code = zc_engine_open(&engine, &cfg);

	if (code == 0) {
		zc_engine_close(engine);
	}
	return code;
}

static void run_child(void (*work)(long, int), long nr, int code)
{
	int status;
	pid_t child = fork();

	if (child == 0) {
		work(nr, code);
		_exit(0);
	}
	assert_int_equal(waitpid(child, &status, 0), child);
	if (WIFEXITED(status) && WEXITSTATUS(status) == NO_FILTER) {
		print_message("no system call filter here\n");
		skip();
	}
	assert_int_equal(status, 0);
}

static void ring_denied(long nr, int code)
{
	struct zc_fallbacks fallbacks = { 0 };
	struct zc_engine_facts facts;
	int before = ring_code();
	int refused;

	deny(nr, code);
	refused = ring_code();
	CHILD_CHECK(refused == -code || before == -ENOSYS); /* built without liburing it does not even ask */
	facts = check_engine(ZC_ENGINE_AUTO, 2, &fallbacks);
	CHILD_CHECK(strcmp(facts.name, "sync") == 0);
	CHILD_CHECK(fell_back(&fallbacks, "io_uring_setup", refused));
}

/* The set-up refused, or allowed and the rest refused. On a host without io_uring the set-up alone counts. */
static void denied(void **state)
{
	static const int codes[] = { EPERM, ENOSYS, EACCES, ENOMEM, EMFILE };
	static const long calls[] = { SYS_io_uring_setup, SYS_io_uring_enter, SYS_io_uring_register };
	bool ring = ring_code() == 0;

	(void)state;
	for (unsigned k = 0; k < (ring ? ZC_ARRAY_LEN(calls) : 1); k++) {
		for (unsigned i = 0; i < ZC_ARRAY_LEN(codes); i++) {
			run_child(ring_denied, calls[k], codes[i]);
		}
	}
}

/* CAP_IPC_LOCK would lift the limit: become nobody, if we may. */
static void little_to_lock(long nr, int code)
{
	struct rlimit limit = { 65536, 65536 };
	struct zc_fallbacks fallbacks = { 0 };
	struct zc_engine_facts facts;

	(void)nr;
	CHILD_CHECK(setrlimit(RLIMIT_MEMLOCK, &limit) == 0);
	if (geteuid() == 0) {
		CHILD_CHECK(setgroups(0, NULL) == 0 && setgid(65534) == 0 && setuid(65534) == 0);
	}
	facts = check_engine(ZC_ENGINE_AUTO, 2, &fallbacks);
	CHILD_CHECK(!facts.registered);
	if (strcmp(facts.name, "uring") == 0) {
		CHILD_CHECK(fell_back(&fallbacks, "io_uring_register", code));
	}
}

static void memlock(void **state)
{
	(void)state;
	run_child(little_to_lock, 0, -ENOMEM);
}

static void registered(void **state)
{
	struct zc_fallbacks fallbacks = { 0 };
	struct zc_engine_facts facts;

	(void)state;
	if (ring_code() != 0) {
		print_message("no io_uring: %s\n", zc_errno_name(ring_code()));
		skip();
	}
	facts = check_engine(ZC_ENGINE_URING, 0, &fallbacks);
	if (!facts.registered) {
		assert_true(fell_back(&fallbacks, "io_uring_register", -ENOMEM));
		print_message("not enough memory may be locked\n");
		skip();
	}
	assert_int_equal(fallbacks.count, 0);
}

static unsigned count_threads(void)
{
	DIR *dir = opendir("/proc/self/task");
	unsigned count = 0;

	CHILD_CHECK(dir != NULL);
	while (readdir(dir) != NULL) {
		count++;
	}
	closedir(dir);
	return count;
}

/* What tries the registered buffers needs no thread of the kernel's, which may never come. */
static void opens_alone(long nr, int code)
{
	struct zc_pool *pool = make_pool();
	struct zc_engine_cfg cfg = {
		.kind = ZC_ENGINE_URING, .depth = COUNT, .pool = pool, .node = ZC_NODE_ANY
	};
	unsigned before = count_threads();
	struct zc_engine *engine;

	(void)nr;
	(void)code;
	if (zc_engine_open(&engine, &cfg) == 0) {
		CHILD_CHECK(count_threads() == before);
		zc_engine_close(engine);
	}
	CHILD_CHECK(zc_pool_destroy(pool) == 0);
}

static void no_kernel_thread(void **state)
{
	(void)state;
	run_child(opens_alone, 0, 0);
}

/* A ring that never answers, and somebody who has pressed Ctrl-C. */
static void interrupted(long nr, int code)
{
	deny(nr, code);
	zc_stop_signal = SIGINT;
	alarm(120);
	CHILD_CHECK(ring_code() < 0);
}

static void can_be_interrupted(void **state)
{
	(void)state;
	run_child(interrupted, SYS_io_uring_enter, EINTR);
}

static void no_threads(long nr, int code)
{
	struct zc_fallbacks fallbacks = { 0 };
	struct zc_engine_facts facts;

	(void)nr;
	deny(SYS_clone3, code);
	deny(SYS_clone, code);
	facts = check_engine(ZC_ENGINE_SYNC, 4, &fallbacks);
	CHILD_CHECK(strcmp(facts.setup, "inline") == 0 && facts.thread_count == 0);
	CHILD_CHECK(fell_back(&fallbacks, "pthread_create", -code));
}

static void threads_denied(void **state)
{
	(void)state;
	run_child(no_threads, 0, EAGAIN);
}

static void bad_depth(void **state)
{
	static const unsigned depths[] = { 0, 4097 };
	struct zc_engine *engine = NULL;

	(void)state;
	for (unsigned i = 0; i < ZC_ARRAY_LEN(depths); i++) {
		struct zc_engine_cfg cfg = { .kind = ZC_ENGINE_AUTO,
			                     .depth = depths[i],
			                     .node = ZC_NODE_ANY };

		assert_int_equal(zc_engine_open(&engine, &cfg), -EINVAL);
		assert_null(engine);
	}
	zc_engine_close(NULL);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(denied),
		cmocka_unit_test(memlock),
		cmocka_unit_test(registered),
		cmocka_unit_test(threads_denied),
		cmocka_unit_test(bad_depth),
		cmocka_unit_test(no_kernel_thread),
		cmocka_unit_test(can_be_interrupted),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
