/*
 * The thread behind a copy: the journal never says more than an fdatasync that had begun later has covered, a
 * failed one is final, and all of it holds without a thread.
 */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "job_dir.h"
#include "trail.h"

#define PIECES 50

static atomic_uint flushes;
static unsigned fail_at; /* which flush; 0: none  */
static bool no_thread;
static atomic_ullong given;   /* to trail_add, so far          */
static atomic_ullong covered; /* by flushes that have returned */
static atomic_bool early;     /* the journal said what was not durable */
static struct journal *watched;

int __wrap_fdatasync(int fd);
int __wrap_pthread_create(pthread_t *thread, const pthread_attr_t *attr, void *(*run)(void *), void *arg);
int __real_pthread_create(pthread_t *thread, const pthread_attr_t *attr, void *(*run)(void *), void *arg);

int __wrap_fdatasync(int fd)
{
	uint64_t covers = atomic_load(&given);

	(void)fd;
	if (watched->durable_bytes > atomic_load(&covered)) {
		atomic_store(&early, true);
	}
	usleep(200);
	if (atomic_fetch_add(&flushes, 1) + 1 == fail_at) {
		errno = EIO;
		return -1;
	}
	atomic_store(&covered, covers);
	return 0;
}

int __wrap_pthread_create(pthread_t *thread, const pthread_attr_t *attr, void *(*run)(void *), void *arg)
{
	return no_thread ? EAGAIN : __real_pthread_create(thread, attr, run, arg);
}

struct fixture {
	struct target target;
	struct journal journal;
	struct zc_progress progress;
	struct trail *trail;
	int dir_fd;
};

static int setup(void **state)
{
	static const struct journal_head head = { .word = { [JOURNAL_SRC_SIZE] = 1ull << 40 } };
	struct fixture *at = calloc(1, sizeof(*at));
	const char *refused;

	assert_non_null(at);
	assert_int_equal(dir_set_up(NULL), 0);
	at->dir_fd = open(dir_path, O_PATH | O_DIRECTORY | O_CLOEXEC);
	assert_int_equal(target_open(&at->target, in_dir("dest"), TARGET_FOLLOW, &refused), 0);
	assert_int_equal(journal_open(&at->journal, at->dir_fd, &at->target), 0);
	assert_int_equal(journal_begin(&at->journal, &head), 0);
	watched = &at->journal;
	atomic_store(&flushes, 0);
	atomic_store(&given, 0);
	atomic_store(&covered, 0);
	fail_at = 0;
	*state = at;
	return 0;
}

static int setup_alone(void **state)
{
	no_thread = true;
	return setup(state);
}

static int teardown(void **state)
{
	struct fixture *at = *state;

	no_thread = false;
	assert_false(atomic_load(&early));
	journal_remove(&at->journal);
	target_close(&at->target);
	close(at->dir_fd);
	free(at);
	return dir_tear_down(NULL);
}

static int give(struct fixture *at, uint64_t end_bytes)
{
	atomic_store(&given, end_bytes);
	return trail_add(at->trail, end_bytes);
}

static void in_order(void **state)
{
	struct fixture *at = *state;
	struct journal_found found;
	struct trail_result result;

	assert_int_equal(trail_open(&at->trail, 0, &at->journal, &at->progress, 0), 0);
	for (unsigned i = 1; i <= PIECES; i++) {
		assert_int_equal(give(at, i * 1000), 0);
	}
	result = trail_end(at->trail, true);
	assert_int_equal(result.code, 0);
	assert_int_equal(result.durable_bytes, PIECES * 1000);
	assert_int_equal(atomic_load(&at->progress.durable), PIECES * 1000);
	assert_int_equal(journal_read(&at->journal, &found), 0);
	assert_int_equal(found.durable_bytes, PIECES * 1000);
}

static void a_failed_flush_is_final(void **state)
{
	struct fixture *at = *state;
	struct journal_found found;
	struct trail_result result;
	int res = 0;

	fail_at = 3;
	assert_int_equal(trail_open(&at->trail, 0, &at->journal, &at->progress, 0), 0);
	for (unsigned i = 1; i <= PIECES && res == 0; i++) {
		res = give(at, i * 1000);
	}
	assert_int_equal(res, -EIO);
	result = trail_end(at->trail, true);
	assert_int_equal(result.code, -EIO);
	assert_int_equal(atomic_load(&flushes), 3);
	assert_int_equal(journal_read(&at->journal, &found), 0);
	assert_int_equal(found.durable_bytes, result.durable_bytes);
	assert_true(found.durable_bytes <= atomic_load(&covered));
}

static void a_lost_journal_does_not_stop_the_copy(void **state)
{
	struct fixture *at = *state;
	struct trail_result result;
	int fd = at->journal.fd;

	at->journal.fd = -1;
	assert_int_equal(trail_open(&at->trail, 0, &at->journal, &at->progress, 0), 0);
	for (unsigned i = 1; i <= 3; i++) {
		assert_int_equal(give(at, i * 1000), 0);
	}
	result = trail_end(at->trail, true);
	assert_int_equal(result.code, 0);
	assert_int_equal(result.journal_code, -EBADF);
	assert_int_equal(at->journal.durable_bytes, 0);
	at->journal.fd = fd;
}

static void pieces_are_bounded_and_aligned(void **state)
{
	struct fixture *at = *state;
	uint64_t next = 5;

	assert_int_equal(trail_open(&at->trail, 0, &at->journal, &at->progress, 5), 0);
	for (unsigned i = 0; i < 20; i++) {
		uint64_t end = trail_next(at->trail, next);

		assert_true(end > next && end - next <= TRAIL_BYTES_MAX);
		assert_int_equal(end % ZC_MIB, 0);
		next = end;
	}
	(void)trail_end(at->trail, false);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(in_order, setup, teardown),
		cmocka_unit_test_setup_teardown(in_order, setup_alone, teardown),
		cmocka_unit_test_setup_teardown(a_failed_flush_is_final, setup, teardown),
		cmocka_unit_test_setup_teardown(a_failed_flush_is_final, setup_alone, teardown),
		cmocka_unit_test_setup_teardown(a_lost_journal_does_not_stop_the_copy, setup, teardown),
		cmocka_unit_test_setup_teardown(pieces_are_bounded_and_aligned, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
