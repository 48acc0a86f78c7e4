/*
 * burst: an end of a pipeline that works by bursts, to measure a buffer between two of them.
 *
 *   burst w BYTES BURST PAUSE_US    writes BYTES, with a pause behind each BURST
 *   burst r BYTES BURST PAUSE_US    reads that many likewise; less is an error
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define BLOCK_BYTES (128u * 1024)

static unsigned char block[BLOCK_BYTES];

int main(int argc, char **argv)
{
	unsigned long long left = argc == 5 ? strtoull(argv[2], NULL, 0) : 0;
	unsigned long long burst = argc == 5 ? strtoull(argv[3], NULL, 0) : 0;
	unsigned long long done = 0;
	ssize_t res;

	if (left == 0 || burst == 0) {
		fprintf(stderr, "usage: burst w|r BYTES BURST PAUSE_US\n");
		return 2;
	}
	memset(block, 'x', sizeof(block));
	while (left > 0) {
		size_t len = left < sizeof(block) ? (size_t)left : sizeof(block);

		res = argv[1][0] == 'w' ? write(STDOUT_FILENO, block, len) : read(STDIN_FILENO, block, len);
		if (res <= 0) {
			return 1;
		}
		left -= (unsigned long long)res;
		done += (unsigned long long)res;
		if (done >= burst && left > 0) {
			done = 0;
			usleep((useconds_t)strtoul(argv[4], NULL, 0));
		}
	}
	return 0;
}
