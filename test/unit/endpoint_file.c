/*
 * Regular files: where their data and holes are, what is in the page cache, O_DIRECT, and how holes and
 * the length are made. Runs on the file systems at hand: that of /tmp and tmpfs.
 */
#include "zcopy/endpoint.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

enum {
	BLOCK = 64 * 1024, /* no file system here has larger blocks */
	LAYOUT_MAX = 16,
	NO_FILTER = 77,
	CACHESTAT = 451,
};

static const char *const places[] = { "/tmp", "/dev/shm" };

static int scratch(const char *place, uint64_t size)
{
	char path[64];
	int fd;

	snprintf(path, sizeof(path), "%s/zc-endpoint-XXXXXX", place);
	fd = mkostemp(path, O_CLOEXEC);
	assert_true(fd >= 0);
	unlink(path);
	assert_int_equal(ftruncate(fd, (off_t)size), 0);
	return fd;
}

static void put(int fd, uint64_t off, uint64_t len, int byte)
{
	uint8_t block[4096];

	memset(block, byte, sizeof(block));
	while (len > 0) {
		ssize_t res = pwrite(fd, block, zc_min_u64(len, sizeof(block)), (off_t)off);

		assert_true(res > 0);
		off += (uint64_t)res;
		len -= (uint64_t)res;
	}
}

static struct zc_end look(int fd, enum zc_dir dir, bool owned)
{
	struct zc_end end;

	assert_int_equal(zc_end_from_fd(&end, fd, dir, owned), 0);
	return end;
}

/* ---- data and holes */

/* A file of blocks, 'd'ata or '.' hole, its length changed by tail bytes. */
static int make_layout(const char *place, const char *layout, int tail)
{
	uint64_t size = strlen(layout) * BLOCK + (uint64_t)(int64_t)tail;
	int fd = scratch(place, size);

	for (uint64_t i = 0; layout[i] != '\0'; i++) {
		if (layout[i] == 'd') {
			put(fd, i * BLOCK, zc_min_u64(BLOCK, size - i * BLOCK), 'd');
		}
	}
	return fd;
}

/* Walks all spans from one offset. They touch, advance, end at the size; no byte of data is in a hole.
 * Returns the bytes in holes. */
static uint64_t walk(struct zc_end *end, const char *layout, uint64_t from)
{
	uint64_t base = end->shape.base_bytes;
	uint64_t holes = 0;
	struct zc_span span;

	for (uint64_t at = from;; at += span.len_bytes) {
		assert_int_equal(end->ops->next(end, at, &span), 0);
		assert_true(span.off_bytes == at);
		if (span.kind == ZC_SPAN_END) {
			assert_true(at == zc_max_u64(from, end->shape.size_bytes));
			return holes;
		}
		assert_true(span.len_bytes > 0);
		assert_true(at + span.len_bytes <= end->shape.size_bytes);
		if (span.kind == ZC_SPAN_HOLE) {
			uint64_t first = (base + at) / BLOCK;
			uint64_t last = (base + at + span.len_bytes - 1) / BLOCK;

			holes += span.len_bytes;
			for (uint64_t i = first; i <= last; i++) {
				assert_int_equal(layout[i], '.');
			}
		}
	}
}

static bool tells_holes(int fd)
{
	return lseek(fd, 0, SEEK_DATA) != 0;
}

static void layouts(void **state)
{
	static const char *const all[] = { "d",     ".",       "dd",      ".d",     "d.",
		                           "..d..", "d.d.d.d", ".d.d.d.", "dd...dd" };
	static const int tails[] = { 0, -1, -4097, 1, 5000 };

	(void)state;
	for (unsigned p = 0; p < ZC_ARRAY_LEN(places); p++) {
		for (unsigned i = 0; i < ZC_ARRAY_LEN(all); i++) {
			for (unsigned t = 0; t < ZC_ARRAY_LEN(tails); t++) {
				char layout[LAYOUT_MAX + 2];
				int fd = make_layout(places[p], all[i], tails[t]);
				struct zc_end end = look(fd, ZC_DIR_SRC, true);

				snprintf(layout, sizeof(layout), "%s%s", all[i], tails[t] > 0 ? "." : "");
				for (uint64_t from = 0; from <= end.shape.size_bytes; from += 30011) {
					uint64_t holes = walk(&end, layout, from);

					if (layout[0] == '.' && tells_holes(fd) && from == 0) {
						assert_true(holes > 0);
					}
				}
				walk(&end, layout, end.shape.size_bytes);
				walk(&end, layout, end.shape.size_bytes + 1);
				zc_end_close(&end);
			}
		}
	}
}

/* Offsets count from where an inherited file stands. */
static void layout_from_position(void **state)
{
	int fd = make_layout("/tmp", "d..d.d", 100);

	(void)state;
	for (uint64_t base = 0; base < 6 * BLOCK; base += BLOCK / 2 + 1) {
		struct zc_end end;

		lseek(fd, (off_t)base, SEEK_SET);
		end = look(fd, ZC_DIR_SRC, false);
		assert_true(end.shape.base_bytes == base);
		for (uint64_t from = 0; from < end.shape.size_bytes; from += 25013) {
			lseek(fd, (off_t)base, SEEK_SET);
			walk(&end, "d..d.d.", from);
		}
	}
	close(fd);
}

static void one_span(void **state)
{
	int fd = make_layout("/tmp", ".d.", 0);
	struct zc_end end = look(fd, ZC_DIR_SRC, true);
	struct zc_span span;

	(void)state;
	end.shape.caps &= ~(unsigned)ZC_CAP_HOLES; /* not to be asked */
	assert_int_equal(end.ops->next(&end, 5, &span), 0);
	assert_true(span.kind == ZC_SPAN_DATA && span.off_bytes == 5 && span.len_bytes == 3 * BLOCK - 5);
	end.shape.caps |= ZC_CAP_HOLES;
	end.shape.size_bytes = ZC_SIZE_UNKNOWN;
	assert_int_equal(end.ops->next(&end, 5, &span), 0);
	assert_true(span.kind == ZC_SPAN_DATA && span.off_bytes == 5 && span.len_bytes == ZC_SIZE_UNKNOWN);
	zc_end_close(&end);
	/* a file system that cannot say: lseek fails */
	end = (struct zc_end){ .ops = &zc_end_file,
		               .shape = { .caps = ZC_CAP_HOLES | ZC_CAP_SEEK, .fd = -1, .size_bytes = 9 } };
	assert_int_equal(end.ops->next(&end, 2, &span), 0);
	assert_true(span.kind == ZC_SPAN_DATA && span.len_bytes == 7);
}

/* The file shrinks or grows between two questions: what comes is within the size that was seen first. */
static void shrinking(void **state)
{
	(void)state;
	for (unsigned p = 0; p < ZC_ARRAY_LEN(places); p++) {
		int fd = make_layout(places[p], "dddd", 0);
		struct zc_end end = look(fd, ZC_DIR_SRC, true);
		struct zc_span span;

		assert_int_equal(ftruncate(fd, BLOCK + 10), 0);
		assert_int_equal(end.ops->next(&end, 0, &span), 0);
		assert_int_equal(span.kind, ZC_SPAN_DATA);
		assert_true(span.len_bytes >= BLOCK + 10 && span.len_bytes <= 4 * BLOCK);
		assert_int_equal(end.ops->next(&end, 2 * BLOCK, &span), 0);
		assert_true(span.kind != ZC_SPAN_END && span.len_bytes == 2 * BLOCK);
		put(fd, 0, 6 * BLOCK, 'x');
		assert_int_equal(end.ops->next(&end, 0, &span), 0);
		assert_true(span.kind == ZC_SPAN_DATA && span.len_bytes == 4 * BLOCK);
		assert_int_equal(end.ops->next(&end, 4 * BLOCK, &span), 0);
		assert_int_equal(span.kind, ZC_SPAN_END);
		zc_end_close(&end);
	}
}

/* ---- the sink's side */

static void assert_bytes(int fd, uint64_t off, uint64_t len, int byte)
{
	for (uint64_t at = off; at < off + len; at += 1021) {
		uint8_t got = 0;

		assert_int_equal(pread(fd, &got, 1, (off_t)at), 1);
		assert_int_equal(got, byte);
	}
}

static void holes_are_made(void **state)
{
	(void)state;
	for (unsigned p = 0; p < ZC_ARRAY_LEN(places); p++) {
		int fd = make_layout(places[p], "dddd", 0);
		struct zc_end end = look(fd, ZC_DIR_DST, true);
		struct stat before;
		struct stat after;

		assert_int_equal(fstat(fd, &before), 0);
		assert_int_equal(end.ops->hole(&end, BLOCK, 2 * BLOCK), 0);
		assert_int_equal(fstat(fd, &after), 0);
		assert_true(after.st_size == before.st_size);
		assert_true(after.st_blocks <= before.st_blocks - 2 * BLOCK / 512);
		assert_bytes(fd, 0, BLOCK, 'd');
		assert_bytes(fd, BLOCK, 2 * BLOCK, 0);
		assert_bytes(fd, 3 * BLOCK, BLOCK, 'd');
		/* in a fresh file there is nothing to punch: not even a call */
		end.shape.caps |= ZC_CAP_FRESH;
		assert_int_equal(end.ops->hole(&end, 0, BLOCK), 0);
		assert_bytes(fd, 0, BLOCK, 'd');
		zc_end_close(&end);
	}
}

static void hole_refused(void **state)
{
	int file = make_layout("/tmp", "d", 0);
	char path[40];
	struct zc_end end;

	(void)state;
	snprintf(path, sizeof(path), "/proc/self/fd/%d", file);
	end = look(open(path, O_RDONLY | O_CLOEXEC), ZC_DIR_DST, true);
	assert_int_equal(end.ops->hole(&end, 0, 4096), -EBADF);
	zc_end_close(&end);
	close(file);
}

static void finishes(void **state)
{
	static const uint64_t sizes[] = { 0, 1, BLOCK, 3 * BLOCK + 1 };
	int fd = make_layout("/tmp", "dd", 0);
	struct zc_end end = look(fd, ZC_DIR_DST, true);
	struct stat st;

	(void)state;
	for (unsigned i = 0; i < ZC_ARRAY_LEN(sizes); i++) {
		assert_int_equal(end.ops->finish(&end, sizes[i]), 0);
		assert_int_equal(fstat(fd, &st), 0);
		assert_true((uint64_t)st.st_size == sizes[i]);
	}
	end.shape.base_bytes = 10;
	assert_int_equal(end.ops->finish(&end, 5), 0);
	assert_int_equal(fstat(fd, &st), 0);
	assert_int_equal(st.st_size, 15);
	zc_end_close(&end);
}

static void prepares(void **state)
{
	int fd = scratch("/tmp", 10);
	struct zc_end end = look(fd, ZC_DIR_SRC, true);
	struct zc_req req = { .op = ZC_OP_READ, .off_bytes = 100 };

	(void)state;
	end.shape.base_bytes = 7;
	assert_false(end.ops->prep(&end, &req));
	assert_int_equal(req.fd, fd);
	assert_true(req.off_bytes == 107 && req.flags == ZC_REQ_FULL);
	end.direct = true; /* a continued direct read would begin at an unaligned byte */
	assert_false(end.ops->prep(&end, &req));
	assert_int_equal(req.flags, 0);
	end.ops = &zc_end_stream;
	assert_false(end.ops->prep(&end, &req));
	assert_true(req.off_bytes == ZC_OFF_STREAM && req.flags == 0 && req.fd == fd);
	close(fd);
}

/* ---- O_DIRECT */

/* Where the flag is taken, requests of the alignment that was told work; where not, -EINVAL and no change. */
static void direct(void **state)
{
	(void)state;
	for (unsigned p = 0; p < ZC_ARRAY_LEN(places); p++) {
		int fd = make_layout(places[p], "dd", 0);
		struct zc_end end = look(fd, ZC_DIR_SRC, true);
		int res = zc_end_set_direct(&end, true);
		void *mem;

		if (res < 0) {
			assert_int_equal(res, -EINVAL);
			assert_false(end.direct);
			assert_false(fcntl(fd, F_GETFL) & O_DIRECT);
			zc_end_close(&end);
			continue;
		}
		assert_true(end.direct);
		assert_true(fcntl(fd, F_GETFL) & O_DIRECT);
		assert_true(end.shape.align_bytes >= 1 && end.shape.align_bytes <= zc_page_bytes());
		assert_int_equal(posix_memalign(&mem, zc_page_bytes(), zc_page_bytes()), 0);
		assert_true(pread(fd, mem, end.shape.align_bytes, (off_t)end.shape.align_bytes) ==
		            (ssize_t)end.shape.align_bytes);
		free(mem);
		assert_int_equal(zc_end_set_direct(&end, true), 0); /* it is so already */
		assert_int_equal(zc_end_set_direct(&end, false), 0);
		assert_false(end.direct);
		assert_false(fcntl(fd, F_GETFL) & O_DIRECT);
		zc_end_close(&end);
	}
}

/* The flag is shared with whoever gave us the descriptor; and a stream has no offsets to align. */
static void direct_not_ours(void **state)
{
	int fd = scratch("/tmp", BLOCK);
	struct zc_end end = look(fd, ZC_DIR_SRC, false);
	int fds[2];

	(void)state;
	assert_int_equal(zc_end_set_direct(&end, true), -EPERM);
	assert_int_equal(zc_end_set_direct(&end, false), 0);
	assert_false(fcntl(fd, F_GETFL) & O_DIRECT);
	close(fd);
	assert_int_equal(pipe2(fds, O_CLOEXEC), 0);
	end = look(fds[0], ZC_DIR_SRC, true);
	assert_int_equal(zc_end_set_direct(&end, true), -EPERM); /* O_DIRECT on a pipe is packet mode */
	close(fds[0]);
	close(fds[1]);
}

/* ---- the page cache */

/* Returns the percentage in the cache of a written file whose second half, or all of it, is dropped. */
static int resident_after(uint64_t drop_from, const char *how)
{
	const uint64_t size = 64 * BLOCK;
	int fd = scratch("/tmp", 0);
	struct zc_end end;
	const char *said = "";
	int percent;

	put(fd, 0, size, 'x');
	assert_int_equal(fsync(fd), 0);
	assert_int_equal(posix_fadvise(fd, (off_t)drop_from, 0, POSIX_FADV_DONTNEED), 0);
	end = look(fd, ZC_DIR_SRC, true);
	percent = zc_end_resident_percent(&end, size, &said);
	assert_string_equal(said, how);
	zc_end_close(&end);
	return percent;
}

static const char *this_kernels_way(void)
{
	uint64_t range[2] = { 0, 0 };
	uint64_t stat[5];
	int fd = scratch("/tmp", 10);
	long res = syscall(CACHESTAT, fd, range, stat, 0);

	close(fd);
	return res == 0 ? "cachestat" : "RWF_NOWAIT";
}

static void need_residency(void)
{
	int fd = scratch("/tmp", 10);
	struct zc_end end = look(fd, ZC_DIR_SRC, true);
	const char *how = "";
	int percent = zc_end_resident_percent(&end, 10, &how);

	zc_end_close(&end);
	if (percent < 0) {
		print_message("neither cachestat nor RWF_NOWAIT here\n");
		skip();
	}
}

static void resident(void **state)
{
	const char *how = this_kernels_way();
	int half;

	(void)state;
	need_residency();
	assert_int_equal(resident_after(64 * BLOCK, how), 100);
	half = resident_after(32 * BLOCK, how);
	assert_true(half >= 40 && half <= 60);
	assert_true(resident_after(0, how) <= 6);
}

static void resident_odd(void **state)
{
	int fd = scratch("/tmp", 0);
	struct zc_end end = look(fd, ZC_DIR_SRC, true);
	const char *how = "";
	int fds[2];

	(void)state;
	need_residency();
	put(fd, 0, 1, 'x');
	assert_int_equal(zc_end_resident_percent(&end, 1, &how), 100);
	zc_end_close(&end);
	assert_int_equal(pipe2(fds, O_CLOEXEC), 0);
	end = look(fds[0], ZC_DIR_SRC, true);
	assert_int_equal(zc_end_resident_percent(&end, 1, &how), -1);
	close(fds[0]);
	close(fds[1]);
}

/* Holes are neither in the cache nor missing there. */
static int resident_sparse(bool drop)
{
	const uint64_t size = 1024 * BLOCK;
	int fd = scratch("/tmp", 0);
	struct zc_end end;
	const char *how = "";
	int percent;

	assert_int_equal(ftruncate(fd, (off_t)size), 0);
	for (unsigned i = 0; i < 16; i++) {
		put(fd, (64 * i + 8) * BLOCK, 2 * BLOCK, 'x');
	}
	assert_int_equal(fsync(fd), 0);
	if (drop) {
		assert_int_equal(posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED), 0);
	}
	end = look(fd, ZC_DIR_SRC, true);
	percent = zc_end_resident_percent(&end, size, &how);
	assert_true(zc_end_piece_bytes(&end, size) >= 2 * BLOCK);
	assert_true(zc_end_piece_bytes(&end, size) <= 16 * BLOCK);
	zc_end_close(&end);
	return percent;
}

static void resident_between_holes(void **state)
{
	int fd = scratch("/tmp", 0);
	struct zc_end end;

	(void)state;
	need_residency();
	put(fd, 0, 64 * BLOCK, 'x');
	end = look(fd, ZC_DIR_SRC, true);
	assert_int_equal(zc_end_piece_bytes(&end, 64 * BLOCK), 64 * BLOCK);
	zc_end_close(&end);
	assert_true(resident_sparse(false) >= 90); /* the file system counts its own blocks, too */
	assert_true(resident_sparse(true) <= 13);
}

static void deny(unsigned nr, int code)
{
	struct sock_filter filter[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, nr, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | (unsigned)code),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	struct sock_fprog program = { .len = ZC_ARRAY_LEN(filter), .filter = filter };

	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0 ||
	    prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) != 0) {
		_exit(NO_FILTER);
	}
}

/* Older kernels, and sandboxes: the same question by reads that may not wait. */
static void resident_without_cachestat(void **state)
{
	static const int codes[] = { ENOSYS, EPERM };

	(void)state;
	for (unsigned i = 0; i < ZC_ARRAY_LEN(codes); i++) {
		pid_t child = fork();
		int status;

		if (child == 0) {
			bool right = false;

			deny(CACHESTAT, codes[i]);
			/* a busy host takes pages away, or reads them ahead: some of the looks are right */
			for (int tries = 0; tries < 30 && !right; tries++) {
				usleep(tries == 0 ? 0 : 100000);
				int half = resident_after(32 * BLOCK, "RWF_NOWAIT");

				right = resident_after(64 * BLOCK, "RWF_NOWAIT") == 100 && half >= 40 &&
				        half <= 60 && resident_after(0, "RWF_NOWAIT") <= 13 &&
				        resident_sparse(false) >= 90 && resident_sparse(true) <= 13;
			}
			_exit(right ? 0 : 1);
		}
		assert_int_equal(waitpid(child, &status, 0), child);
		if (WIFEXITED(status) && WEXITSTATUS(status) == NO_FILTER) {
			print_message("no system call filter here\n");
			skip();
		}
		assert_int_equal(status, 0);
	}
}

static void file_systems(void **state)
{
	static const struct {
		const char *path, *name;
	} known[] = { { "/proc/self", "proc" }, { "/sys/kernel", "sysfs" }, { "/dev/shm", "tmpfs" } };
	char out[24];

	(void)state;
	for (unsigned i = 0; i < ZC_ARRAY_LEN(known); i++) {
		int fd = open(known[i].path, O_PATH | O_CLOEXEC);

		assert_string_equal(zc_fs_name(fd, out), known[i].name);
		close(fd);
	}
	assert_string_equal(zc_fs_name(-1, out), "?");
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(layouts),        cmocka_unit_test(layout_from_position),
		cmocka_unit_test(one_span),       cmocka_unit_test(shrinking),
		cmocka_unit_test(holes_are_made), cmocka_unit_test(hole_refused),
		cmocka_unit_test(finishes),       cmocka_unit_test(prepares),
		cmocka_unit_test(direct),         cmocka_unit_test(direct_not_ours),
		cmocka_unit_test(resident),       cmocka_unit_test(resident_between_holes),
		cmocka_unit_test(resident_odd),   cmocka_unit_test(resident_without_cachestat),
		cmocka_unit_test(file_systems),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
