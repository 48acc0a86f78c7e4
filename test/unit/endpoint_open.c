/*
 * What a descriptor is taken for: every kind there is, ours or inherited, source or sink. A wrong bit here
 * is a wrong route later.
 */
#include "zcopy/endpoint.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/loop.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include <cmocka.h>

static int scratch(uint64_t size)
{
	char path[] = "/tmp/zc-endpoint-XXXXXX";
	int fd = mkostemp(path, O_CLOEXEC);

	assert_true(fd >= 0);
	unlink(path);
	assert_int_equal(ftruncate(fd, (off_t)size), 0);
	return fd;
}

/* A second open of the same file, with other flags. */
static int reopen(int fd, int flags)
{
	char path[40];
	int again;

	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	again = open(path, flags | O_CLOEXEC);
	assert_true(again >= 0);
	return again;
}

static bool is_open(int fd)
{
	return fcntl(fd, F_GETFD) >= 0;
}

static struct zc_end look(int fd, enum zc_dir dir, bool owned)
{
	struct zc_end end;

	memset(&end, 0xa5, sizeof(end));
	assert_int_equal(zc_end_from_fd(&end, fd, dir, owned), 0);
	assert_int_equal(end.shape.fd, fd);
	assert_int_equal(end.owned, owned);
	assert_false(end.direct);
	assert_null(end.lent);
	return end;
}

static void owned_file(void **state)
{
	const unsigned caps = ZC_CAP_REG | ZC_CAP_SEEK | ZC_CAP_HOLES;
	int fd = scratch(12345);
	struct stat st;
	struct zc_end end;

	(void)state;
	assert_int_equal(fstat(fd, &st), 0);
	lseek(fd, 100, SEEK_SET); /* the position of a file of our own means nothing */
	end = look(fd, ZC_DIR_SRC, true);
	assert_int_equal(end.shape.caps, caps);
	assert_ptr_equal(end.ops, &zc_end_file);
	assert_true(end.shape.size_bytes == 12345 && end.shape.base_bytes == 0);
	assert_true(end.shape.dev == st.st_dev && end.shape.ino == st.st_ino);
	assert_int_equal(end.shape.io_bytes, st.st_blksize);
	assert_string_equal(zc_end_noun(&end), "file");

	end = look(fd, ZC_DIR_DST, true);
	assert_int_equal(end.shape.caps, caps);
	assert_true(end.shape.size_bytes == ZC_SIZE_UNKNOWN);
	assert_int_equal(zc_end_close(&end), 0);
	assert_false(is_open(fd));
	assert_int_equal(zc_end_close(&end), 0); /* twice is fine */
	assert_int_equal(zc_end_close(NULL), 0);
}

static void inherited_source(void **state)
{
	static const struct {
		off_t at;
		uint64_t base_bytes, size_bytes;
	} rows[] = { { 0, 0, 1000 }, { 1, 1, 999 }, { 999, 999, 1 }, { 1000, 1000, 0 }, { 5000, 5000, 0 } };
	int fd = scratch(1000);

	(void)state;
	for (unsigned i = 0; i < ZC_ARRAY_LEN(rows); i++) {
		struct zc_end end;

		lseek(fd, rows[i].at, SEEK_SET);
		end = look(fd, ZC_DIR_SRC, false);
		assert_int_equal(end.shape.caps, ZC_CAP_REG | ZC_CAP_SEEK | ZC_CAP_HOLES);
		assert_true(end.shape.base_bytes == rows[i].base_bytes);
		assert_true(end.shape.size_bytes == rows[i].size_bytes);
		assert_int_equal(zc_end_close(&end), 0);
		assert_true(is_open(fd)); /* not ours to close */
	}
	close(fd);
}

/* A shell's "> file" and ">> file": others write there after us, so it is a stream. */
static void inherited_sink(void **state)
{
	int fd = scratch(1000);
	int append = reopen(fd, O_WRONLY | O_APPEND);
	struct zc_end end = look(fd, ZC_DIR_DST, false);

	(void)state;
	assert_int_equal(end.shape.caps, ZC_CAP_REG);
	assert_ptr_equal(end.ops, &zc_end_stream);
	assert_string_equal(zc_end_noun(&end), "inherited file");
	end = look(append, ZC_DIR_DST, false);
	assert_int_equal(end.shape.caps, ZC_CAP_REG | ZC_CAP_APPEND);
	assert_ptr_equal(end.ops, &zc_end_stream);
	close(append);
	close(fd);
}

/* Size 0 says nothing: an empty file, /proc and /sys are read to their end. */
static void size_zero(void **state)
{
	int fd = scratch(0);
	struct zc_end end = look(fd, ZC_DIR_SRC, true);

	(void)state;
	assert_true(end.shape.size_bytes == ZC_SIZE_UNKNOWN);
	zc_end_close(&end);
	fd = open("/proc/self/status", O_RDONLY | O_CLOEXEC);
	end = look(fd, ZC_DIR_SRC, true);
	assert_true(end.shape.size_bytes == ZC_SIZE_UNKNOWN);
	assert_true(end.shape.caps & ZC_CAP_REG);
	zc_end_close(&end);
}

static void pipes_and_sockets(void **state)
{
	int fds[2];
	struct zc_end end;

	(void)state;
	assert_int_equal(pipe2(fds, O_CLOEXEC), 0);
	for (int i = 0; i < 2; i++) {
		end = look(fds[i], i == 0 ? ZC_DIR_SRC : ZC_DIR_DST, true);
		assert_int_equal(end.shape.caps, ZC_CAP_PIPE);
		assert_ptr_equal(end.ops, &zc_end_stream);
		assert_true(end.shape.size_bytes == ZC_SIZE_UNKNOWN);
		assert_string_equal(zc_end_noun(&end), "pipe");
		zc_end_close(&end);
	}
	assert_int_equal(pipe2(fds, O_CLOEXEC | O_NONBLOCK), 0);
	end = look(fds[0], ZC_DIR_SRC, false);
	assert_int_equal(end.shape.caps, ZC_CAP_PIPE | ZC_CAP_NONBLOCK);
	close(fds[0]);
	close(fds[1]);
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), 0);
	end = look(fds[0], ZC_DIR_SRC, false);
	assert_int_equal(end.shape.caps, ZC_CAP_SOCK);
	assert_string_equal(zc_end_noun(&end), "socket");
	close(fds[0]);
	close(fds[1]);
}

static void characters_and_others(void **state)
{
	int fd = open("/dev/zero", O_RDONLY | O_CLOEXEC);
	struct zc_end end = look(fd, ZC_DIR_SRC, true);
	struct zc_span span;

	(void)state;
	assert_int_equal(end.shape.caps, ZC_CAP_CHAR);
	assert_ptr_equal(end.ops, &zc_end_stream);
	assert_string_equal(zc_end_noun(&end), "character device");
	assert_int_equal(end.ops->next(&end, 77, &span), 0);
	assert_int_equal(span.kind, ZC_SPAN_DATA);
	assert_true(span.off_bytes == 77 && span.len_bytes == ZC_SIZE_UNKNOWN);
	zc_end_close(&end);
	fd = eventfd(0, EFD_CLOEXEC);
	end = look(fd, ZC_DIR_SRC, true);
	assert_int_equal(end.shape.caps, 0);
	assert_string_equal(zc_end_noun(&end), "descriptor");
	zc_end_close(&end);
}

/* A loop device over a file of 1 MiB, or -1. */
static int attach_loop(int file, char path[32])
{
	int control = open("/dev/loop-control", O_RDWR | O_CLOEXEC);
	int number = control < 0 ? -1 : ioctl(control, LOOP_CTL_GET_FREE);
	int fd = -1;

	if (control >= 0) {
		close(control);
	}
	if (number >= 0) {
		snprintf(path, 32, "/dev/loop%d", number);
		fd = open(path, O_RDWR | O_CLOEXEC);
	}
	if (fd >= 0 && ioctl(fd, LOOP_SET_FD, file) < 0) {
		close(fd);
		fd = -1;
	}
	return fd;
}

/* A device zeroes whole blocks, and no other. */
static void check_zeroing(struct zc_end *end)
{
	uint8_t bytes[3 * 4096];

	memset(bytes, 1, sizeof(bytes));
	assert_int_equal(pwrite(end->shape.fd, bytes, sizeof(bytes), 0), sizeof(bytes));
	assert_int_equal(end->ops->hole(end, 1, 100), -EOPNOTSUPP);
	assert_int_equal(end->ops->hole(end, 4096, 4096), 0);
	assert_int_equal(pread(end->shape.fd, bytes, sizeof(bytes), 0), sizeof(bytes));
	for (size_t i = 0; i < sizeof(bytes); i++) {
		assert_int_equal(bytes[i], i / 4096 != 1);
	}
}

static void block_device(void **state)
{
	int file = scratch(ZC_MIB);
	char path[32];
	int fd = attach_loop(file, path);
	struct stat st;
	struct zc_end end;
	int direct = 0;

	(void)state;
	if (fd < 0) {
		close(file);
		print_message("no loop devices here\n");
		skip();
	}
	assert_int_equal(fstat(fd, &st), 0);
	for (int dir = ZC_DIR_SRC; dir <= ZC_DIR_DST; dir++) {
		int again = reopen(fd, O_RDWR);

		end = look(again, (enum zc_dir)dir, true);
		assert_int_equal(end.shape.caps, ZC_CAP_BLOCK | ZC_CAP_SEEK);
		assert_ptr_equal(end.ops, &zc_end_file);
		assert_true(end.shape.size_bytes == ZC_MIB);
		assert_true(end.shape.dev == st.st_rdev); /* not the directory's */
		assert_string_equal(zc_end_noun(&end), "block device");
		check_zeroing(&end);
		assert_int_equal(end.ops->finish(&end, 4096), 0);
		direct = zc_end_set_direct(&end, true);
		if (direct == 0) {
			assert_true(end.shape.align_bytes >= 512 && end.shape.align_bytes <= 4096);
			assert_int_equal(zc_end_set_direct(&end, false), 0);
		}
		zc_end_close(&end);
	}
	assert_int_equal(ioctl(fd, LOOP_CLR_FD), 0);
	close(fd);
	if (direct == -EINVAL) {
		print_message("statx says that a block device has no O_DIRECT: an emulator\n");
		skip();
	}
	assert_int_equal(direct, 0);
	close(file);
}

/* After a failure the descriptor is still the caller's, and ret_end as it was. */
static void refusals(void **state)
{
	struct zc_end end = { .seed = 42 };
	int fd = open("/tmp", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	(void)state;
	assert_int_equal(zc_end_from_fd(&end, fd, ZC_DIR_SRC, true), -EISDIR);
	assert_true(is_open(fd));
	assert_int_equal(close(fd), 0);
	assert_int_equal(zc_end_from_fd(&end, fd, ZC_DIR_SRC, true), -EBADF);
	assert_null(end.ops);
	assert_int_equal(end.seed, 42);
	assert_int_equal(zc_end_close(&end), 0); /* a zeroed end */
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(owned_file),        cmocka_unit_test(inherited_source),
		cmocka_unit_test(inherited_sink),    cmocka_unit_test(size_zero),
		cmocka_unit_test(pipes_and_sockets), cmocka_unit_test(characters_and_others),
		cmocka_unit_test(block_device),      cmocka_unit_test(refusals),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
