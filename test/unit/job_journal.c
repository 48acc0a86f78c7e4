/*
 * The journal of --resume: what was written is read again; cut or changed anywhere, it says the same or less,
 * never more, and never something else.
 */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

#include <cmocka.h>

#include "job_dir.h"
#include "journal.h"

#define EXTENTS 5

static const struct journal_head head = { .word = {
					      [JOURNAL_SRC_FS] = 1,
					      [JOURNAL_SRC_INO] = 2,
					      [JOURNAL_SRC_SIZE] = 1000000,
					      [JOURNAL_SRC_MTIME] = UINT64_MAX,
					      [JOURNAL_PART_BIRTH_NS] = 3,
					  } };

struct fixture {
	struct target target;
	struct journal journal;
	int dir_fd;
	uint64_t durable[EXTENTS + 1]; /* after each extent    */
	uint8_t mem[4096];             /* the file's bytes     */
	size_t len_bytes;
};

static void load(struct fixture *at)
{
	ssize_t len = pread(at->journal.fd, at->mem, sizeof(at->mem), 0);

	assert_true(len > 0);
	at->len_bytes = (size_t)len;
}

static void write_journal(struct fixture *at)
{
	assert_int_equal(journal_begin(&at->journal, &head), 0);
	for (unsigned i = 1; i <= EXTENTS; i++) {
		at->durable[i] = at->durable[i - 1] + i * 1000;
		assert_int_equal(journal_add(&at->journal, at->durable[i]), 0);
	}
	load(at);
}

static int setup(void **state)
{
	struct fixture *at = calloc(1, sizeof(*at));
	const char *refused;

	assert_non_null(at);
	assert_int_equal(dir_set_up(NULL), 0);
	at->dir_fd = open(dir_path, O_PATH | O_DIRECTORY | O_CLOEXEC);
	assert_int_equal(target_open(&at->target, in_dir("dest"), TARGET_FOLLOW, &refused), 0);
	assert_int_equal(journal_open(&at->journal, at->dir_fd, &at->target), 0);
	write_journal(at);
	*state = at;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *at = *state;

	journal_remove(&at->journal);
	target_close(&at->target);
	close(at->dir_fd);
	free(at);
	return dir_tear_down(NULL);
}

static void reads_what_was_written(void **state)
{
	struct fixture *at = *state;
	struct journal_found found;

	assert_int_equal(journal_read(&at->journal, &found), 0);
	assert_int_equal(found.durable_bytes, at->durable[EXTENTS]);
	assert_int_equal(found.used_bytes, at->len_bytes);
	for (unsigned i = JOURNAL_MAGIC + 1; i < JOURNAL_HEAD_WORDS; i++) {
		assert_int_equal(found.head.word[i], head.word[i]);
	}
}

/* A torn tail, at every byte. */
static void a_shorter_one_says_less(void **state)
{
	struct fixture *at = *state;
	struct journal_found found;

	for (size_t len = 0; len < at->len_bytes; len++) {
		int res = journal_parse(at->mem, len, &found);

		if (len < JOURNAL_HEAD_BYTES) {
			assert_int_equal(res, -EBADMSG);
			continue;
		}
		assert_int_equal(res, 0);
		assert_int_equal(found.durable_bytes,
		                 at->durable[(len - JOURNAL_HEAD_BYTES) / JOURNAL_EXTENT_BYTES]);
	}
}

static void every_changed_byte_ends_it(void **state)
{
	struct fixture *at = *state;
	struct journal_found found;

	for (size_t i = 0; i < at->len_bytes; i++) {
		for (unsigned flip = 1; flip < 256; flip++) {
			int res;

			at->mem[i] ^= (uint8_t)flip;
			res = journal_parse(at->mem, at->len_bytes, &found);
			at->mem[i] ^= (uint8_t)flip;
			if (i < JOURNAL_HEAD_BYTES) {
				assert_int_equal(res, -EBADMSG);
				continue;
			}
			assert_int_equal(res, 0);
			assert_int_equal(found.durable_bytes,
			                 at->durable[(i - JOURNAL_HEAD_BYTES) / JOURNAL_EXTENT_BYTES]);
		}
	}
}

/* Good records of another place, or of another journal, are none. */
static void records_out_of_order_end_it(void **state)
{
	struct fixture *at = *state;
	uint8_t *first = at->mem + JOURNAL_HEAD_BYTES;
	struct journal_head other = head;
	struct journal_found found;
	uint8_t kept[JOURNAL_EXTENT_BYTES];

	memcpy(kept, first + JOURNAL_EXTENT_BYTES, sizeof(kept));
	memcpy(first + JOURNAL_EXTENT_BYTES, first, sizeof(kept));
	assert_int_equal(journal_parse(at->mem, at->len_bytes, &found), 0);
	assert_int_equal(found.durable_bytes, at->durable[1]);
	memcpy(first, kept, sizeof(kept));
	assert_int_equal(journal_parse(at->mem, at->len_bytes, &found), 0);
	assert_int_equal(found.durable_bytes, 0);
	other.word[JOURNAL_SRC_INO]++;
	load(at);
	memcpy(kept, first, sizeof(kept));
	assert_int_equal(journal_begin(&at->journal, &other), 0);
	assert_int_equal(journal_add(&at->journal, at->durable[1]), 0);
	load(at);
	memcpy(first, kept, sizeof(kept));
	assert_int_equal(journal_parse(at->mem, at->len_bytes, &found), 0);
	assert_int_equal(found.durable_bytes, 0);
}

static void no_more_than_the_source_has(void **state)
{
	struct fixture *at = *state;
	struct journal_found found;

	assert_int_equal(journal_add(&at->journal, head.word[JOURNAL_SRC_SIZE] + 1), 0);
	assert_int_equal(journal_read(&at->journal, &found), 0);
	assert_int_equal(found.durable_bytes, at->durable[EXTENTS]);
}

static void goes_on_behind_a_torn_record(void **state)
{
	struct fixture *at = *state;
	struct journal_found found;

	assert_int_equal(ftruncate(at->journal.fd, (off_t)at->len_bytes - 1), 0);
	assert_int_equal(journal_read(&at->journal, &found), 0);
	assert_int_equal(found.durable_bytes, at->durable[EXTENTS - 1]);
	assert_int_equal(journal_go_on(&at->journal, &found), 0);
	assert_int_equal(journal_add(&at->journal, 999999), 0);
	assert_int_equal(journal_read(&at->journal, &found), 0);
	assert_int_equal(found.durable_bytes, 999999);
}

static void one_run_at_a_time(void **state)
{
	struct fixture *at = *state;
	struct journal second;

	assert_int_equal(journal_open(&second, at->dir_fd, &at->target), -EBUSY);
	journal_close(&at->journal);
	assert_int_equal(journal_open(&second, at->dir_fd, &at->target), 0);
	journal_remove(&second);
	assert_int_equal(journal_open(&at->journal, at->dir_fd, &at->target), 0);
	assert_int_equal(journal_read(&at->journal, &(struct journal_found){ 0 }), -EBADMSG);
}

static void the_place_is_made(void **state)
{
	char *path = NULL;
	char home[100];
	struct stat st;
	int fd = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);

	(void)state;
	if (faccessat(fd, "proc/self", F_OK, 0) < 0) {
		close(fd);
		print_message("/ leads somewhere else here: an emulator\n");
		skip();
	}
	close(fd);
	snprintf(home, sizeof(home), "%s/a/b", dir_path);
	assert_int_equal(setenv("XDG_STATE_HOME", home, 1), 0);
	assert_int_equal(journal_open_dir(false, &path), -ENOENT);
	free(path);
	fd = journal_open_dir(true, &path);
	assert_true(fd >= 0);
	assert_int_equal(fstat(fd, &st), 0);
	assert_int_equal(st.st_mode & 0777, 0700);
	close(fd);
	assert_string_equal(path + strlen(path) - strlen("/a/b/zcopy"), "/a/b/zcopy");
	free(path);
	assert_int_equal(setenv("XDG_STATE_HOME", "not/absolute", 1), 0);
	assert_int_equal(setenv("HOME", home, 1), 0);
	fd = journal_open_dir(true, &path);
	assert_true(fd >= 0);
	close(fd);
	assert_string_equal(path + strlen(path) - strlen("/b/.local/state/zcopy"), "/b/.local/state/zcopy");
	free(path);
	assert_int_equal(unsetenv("HOME"), 0);
	assert_int_equal(journal_open_dir(true, &path), -ENOENT);
	assert_null(path);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(reads_what_was_written, setup, teardown),
		cmocka_unit_test_setup_teardown(a_shorter_one_says_less, setup, teardown),
		cmocka_unit_test_setup_teardown(every_changed_byte_ends_it, setup, teardown),
		cmocka_unit_test_setup_teardown(records_out_of_order_end_it, setup, teardown),
		cmocka_unit_test_setup_teardown(no_more_than_the_source_has, setup, teardown),
		cmocka_unit_test_setup_teardown(goes_on_behind_a_torn_record, setup, teardown),
		cmocka_unit_test_setup_teardown(one_run_at_a_time, setup, teardown),
		cmocka_unit_test_setup_teardown(the_place_is_made, dir_set_up, dir_tear_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
