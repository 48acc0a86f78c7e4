/* The buffers of a lane: counted, owned by one at a time, and caught when somebody breaks the rules. */
#include "zcopy/mem.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdalign.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

static struct zc_pool *pool_of(size_t buf_bytes, unsigned buf_count)
{
	struct zc_pool_cfg cfg = { .buf_bytes = buf_bytes, .buf_count = buf_count, .node = ZC_NODE_ANY };
	struct zc_pool *pool = NULL;

	assert_int_equal(zc_pool_create(&pool, &cfg, NULL), 0);
	return pool;
}

static bool is_mapped(void *mem)
{
	unsigned char resident;

	return mincore(mem, zc_page_bytes(), &resident) == 0;
}

static void every_buffer_is_a_slice_of_one_region(void **state)
{
	struct zc_pool *pool = pool_of(100000, 32);
	size_t slice = zc_align_up(100000, zc_page_bytes());
	const struct zc_region *region = zc_pool_region(pool);

	(void)state;
	assert_int_equal(zc_pool_buf_count(pool), 32);
	for (unsigned i = 0; i < 32; i++) {
		struct zc_buf *buf = zc_pool_take(pool);

		assert_non_null(buf);
		assert_int_equal(buf->state, ZC_BUF_TAKEN);
		assert_int_equal(buf->index, i);
		assert_int_equal(buf->cap_bytes, slice);
		assert_int_equal(buf->len_bytes, 0);
		assert_ptr_equal(buf->mem, (uint8_t *)region->mem + i * slice);
		assert_true(buf->mem + buf->cap_bytes <= (uint8_t *)region->mem + region->len_bytes);
		memset(buf->mem, (int)i, buf->cap_bytes);
		assert_int_equal(zc_pool_free_count(pool), 31 - i);
	}
	assert_null(zc_pool_take(pool));
	assert_null(zc_pool_take(pool));
	assert_int_equal(zc_pool_destroy(pool), 32);
}

static void the_last_given_is_the_next_taken(void **state)
{
	struct zc_pool *pool = pool_of(4096, 3);
	struct zc_buf *first = zc_pool_take(pool);
	struct zc_buf *second = zc_pool_take(pool);

	(void)state;
	first->len_bytes = 77;
	zc_pool_give(pool, first);
	assert_ptr_equal(zc_pool_take(pool), first);
	assert_int_equal(first->len_bytes, 0);
	zc_pool_give(pool, second);
	zc_pool_give(pool, first);
	assert_ptr_equal(zc_pool_take(pool), first);
	assert_ptr_equal(zc_pool_take(pool), second);
	zc_pool_give(pool, first);
	zc_pool_give(pool, second);
	assert_int_equal(zc_pool_free_count(pool), 3);
	assert_int_equal(zc_pool_destroy(pool), 0);
}

static void the_whole_round(void **state)
{
	struct zc_pool *pool = pool_of(65536, 2);

	(void)state;
	for (unsigned i = 0; i < 100000; i++) {
		struct zc_buf *buf = zc_pool_take(pool);

		zc_buf_lend(buf);
		assert_int_equal(buf->state, ZC_BUF_LENT);
		zc_buf_return(buf);
		zc_pool_give(pool, buf);
	}
	assert_int_equal(zc_pool_destroy(pool), 0);
}

static void impossible_pools_are_refused(void **state)
{
	static const struct zc_pool_cfg cfgs[] = {
		{ .buf_bytes = 0, .buf_count = 1 },        { .buf_bytes = 4096, .buf_count = 0 },
		{ .buf_bytes = 4096, .buf_count = 4097 },  { .buf_bytes = 3 * ZC_GIB, .buf_count = 1 },
		{ .buf_bytes = SIZE_MAX, .buf_count = 1 },
	};
	struct zc_pool *pool = NULL;

	(void)state;
	for (unsigned i = 0; i < ZC_ARRAY_LEN(cfgs); i++) {
		assert_int_equal(zc_pool_create(&pool, &cfgs[i], NULL), -EINVAL);
		assert_null(pool);
	}
	assert_int_equal(zc_pool_destroy(NULL), 0);
}

static void leaks_are_counted_and_given_back_to_the_kernel(void **state)
{
	struct zc_pool *pool = pool_of(65536, 8);
	struct zc_buf *buf = zc_pool_take(pool);
	uint8_t *mem = buf->mem;

	(void)state;
	(void)zc_pool_take(pool);
	assert_true(is_mapped(mem));
	assert_int_equal(zc_pool_destroy(pool), 2);
	assert_false(is_mapped(mem));
	assert_int_equal(errno, ENOMEM);
}

/* What the kernel may still write to must not become somebody else's. */
static void lost_and_lent_memory_stays(void **state)
{
	for (int lost = 0; lost < 2; lost++) {
		struct zc_pool *pool = pool_of(65536, 8);
		struct zc_buf *buf = zc_pool_take(pool);
		uint8_t *mem = buf->mem;

		zc_buf_lend(buf);
		if (lost) {
			zc_buf_lose(buf);
			assert_int_equal(buf->state, ZC_BUF_LOST);
		}
		assert_int_equal(zc_pool_free_count(pool), 7);
		assert_int_equal(zc_pool_destroy(pool), 1);
		assert_true(is_mapped(mem));
		memset(mem, 1, 65536);
	}
	(void)state;
}

static void a_static_pool_is_the_callers_memory(void **state)
{
	static alignas(65536) uint8_t mem[4 * 65536];
	struct zc_pool *pool;
	struct zc_buf *buf;
	void *storage = malloc(zc_pool_static_bytes(4));

	(void)state;
	assert_non_null(storage);
	pool = zc_pool_static(storage, mem, 65536, 4);
	assert_int_equal(zc_pool_buf_count(pool), 4);
	assert_int_equal(zc_pool_region(pool)->got, ZC_PAGES_BASE);
	assert_ptr_equal(zc_pool_region(pool)->mem, mem);
	assert_int_equal(zc_pool_region(pool)->len_bytes, sizeof(mem));
	for (unsigned i = 0; i < 4; i++) {
		buf = zc_pool_take(pool);
		assert_ptr_equal(buf->mem, mem + (size_t)i * 65536);
		assert_int_equal(buf->cap_bytes, 65536);
	}
	assert_null(zc_pool_take(pool));
	zc_pool_give(pool, buf);
	assert_int_equal(zc_pool_destroy(pool), 3);
	free(storage);
}

/* ---- broken rules: each ends the program, also in release builds */

static void give_twice(struct zc_pool *pool, struct zc_buf *buf)
{
	zc_pool_give(pool, buf);
	zc_pool_give(pool, buf);
}

static void give_lent(struct zc_pool *pool, struct zc_buf *buf)
{
	zc_buf_lend(buf);
	zc_pool_give(pool, buf);
}

static void give_lost(struct zc_pool *pool, struct zc_buf *buf)
{
	zc_buf_lend(buf);
	zc_buf_lose(buf);
	zc_pool_give(pool, buf);
}

static void give_to_another(struct zc_pool *pool, struct zc_buf *buf)
{
	(void)pool;
	zc_pool_give(pool_of(4096, 4), buf);
}

static void lend_twice(struct zc_pool *pool, struct zc_buf *buf)
{
	(void)pool;
	zc_buf_lend(buf);
	zc_buf_lend(buf);
}

static void lend_free(struct zc_pool *pool, struct zc_buf *buf)
{
	zc_pool_give(pool, buf);
	zc_buf_lend(buf);
}

static void return_not_lent(struct zc_pool *pool, struct zc_buf *buf)
{
	(void)pool;
	zc_buf_return(buf);
}

static void lose_not_lent(struct zc_pool *pool __attribute__((unused)), struct zc_buf *buf)
{
	zc_buf_lose(buf);
}

static void broken_rules_abort(void **state)
{
	static void (*const rules[])(struct zc_pool *, struct zc_buf *) = {
		give_twice, give_lent, give_lost,       give_to_another,
		lend_twice, lend_free, return_not_lent, lose_not_lent,
	};

	(void)state;
	for (unsigned i = 0; i < ZC_ARRAY_LEN(rules); i++) {
		pid_t pid = fork();
		int status = 0;

		if (pid == 0) {
			struct rlimit none = { 0, 0 };
			struct zc_pool *pool = pool_of(4096, 4);
			int null_fd = open("/dev/null", O_WRONLY | O_CLOEXEC);

			setrlimit(RLIMIT_CORE, &none);
			signal(SIGABRT, SIG_DFL);
			dup2(null_fd, STDERR_FILENO);
			rules[i](pool, zc_pool_take(pool));
			_exit(0);
		}
		assert_true(pid > 0);
		assert_int_equal(waitpid(pid, &status, 0), pid);
		assert_true(WIFSIGNALED(status));
		assert_int_equal(WTERMSIG(status), SIGABRT);
	}
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_buffer_is_a_slice_of_one_region),
		cmocka_unit_test(the_last_given_is_the_next_taken),
		cmocka_unit_test(the_whole_round),
		cmocka_unit_test(impossible_pools_are_refused),
		cmocka_unit_test(leaks_are_counted_and_given_back_to_the_kernel),
		cmocka_unit_test(lost_and_lent_memory_stays),
		cmocka_unit_test(a_static_pool_is_the_callers_memory),
		cmocka_unit_test(broken_rules_abort),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
