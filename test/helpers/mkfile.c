/*
 * mkfile LAYOUT BYTES SEED PATH
 *
 * Writes a file of exactly BYTES with pseudo-random data (never a zero byte, so that data cannot be
 * mistaken for a hole) and holes by LAYOUT:
 *   dense      no hole             leading    the first half is a hole
 *   hole       nothing but hole    trailing   the second half is a hole
 *   alt4k      4 KiB data, 4 KiB hole, ...    alt64k  the same with 64 KiB
 */
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum {
	BLOCK = 65536,
};

static uint64_t state;

static uint64_t next_word(void)
{
	state ^= state << 13;
	state ^= state >> 7;
	state ^= state << 17;
	return state | 0x0101010101010101ull; /* no byte is zero */
}

/* The first offset after off where data turns into hole or back. */
static uint64_t span_end(const char *layout, uint64_t off, uint64_t bytes, bool *ret_data)
{
	uint64_t half = bytes / 2 & ~4095ull;
	uint64_t step = !strcmp(layout, "alt4k") ? 4096 : 65536;

	if (!strcmp(layout, "dense") || !strcmp(layout, "hole")) {
		*ret_data = layout[0] == 'd';
		return bytes;
	}
	if (!strcmp(layout, "leading") || !strcmp(layout, "trailing")) {
		*ret_data = (off >= half) == (layout[0] == 'l');
		return off < half ? half : bytes;
	}
	*ret_data = off / step % 2 == 0;
	return (off / step + 1) * step < bytes ? (off / step + 1) * step : bytes;
}

static void write_data(int fd, uint64_t off, uint64_t end)
{
	static uint64_t block[BLOCK / 8];

	while (off < end) {
		size_t len = end - off < BLOCK ? (size_t)(end - off) : BLOCK;

		for (size_t i = 0; i < (len + 7) / 8; i++) {
			block[i] = next_word();
		}
		if (pwrite(fd, block, len, (off_t)off) != (ssize_t)len) {
			fprintf(stderr, "mkfile: write: %s\n", strerror(errno));
			exit(1);
		}
		off += len;
	}
}

int main(int argc, char **argv)
{
	static const char *const layouts[] = { "dense", "hole", "leading", "trailing", "alt4k", "alt64k" };
	bool known = false;

	for (size_t i = 0; argc == 5 && i < sizeof(layouts) / sizeof(layouts[0]); i++) {
		known = known || !strcmp(argv[1], layouts[i]);
	}
	if (!known) {
		fprintf(stderr, "usage: mkfile LAYOUT BYTES SEED PATH\n");
		return 2;
	}
	uint64_t bytes = strtoull(argv[2], NULL, 10);
	int fd = open(argv[4], O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);

	if (fd < 0 || ftruncate(fd, (off_t)bytes)) {
		fprintf(stderr, "mkfile: %s: %s\n", argv[4], strerror(errno));
		return 1;
	}
	state = strtoull(argv[3], NULL, 10) * 0x9E3779B97F4A7C15ull + 1;
	for (uint64_t off = 0; off < bytes;) {
		bool data;
		uint64_t end = span_end(argv[1], off, bytes, &data);

		if (data) {
			write_data(fd, off, end);
		}
		off = end;
	}
	return close(fd) ? 1 : 0;
}
