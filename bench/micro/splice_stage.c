/*
 * splice_stage: the least that a stage of a pipeline can do, to measure zcopy - - against: standard input
 * to standard output by splice(2), both pipes grown. No private pipe, so no word on whose fault an error is;
 * no fallback; no count.
 */
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

#define PIPE_BYTES (1024 * 1024)

int main(void)
{
	ssize_t res;

	(void)fcntl(STDIN_FILENO, F_SETPIPE_SZ, PIPE_BYTES);
	(void)fcntl(STDOUT_FILENO, F_SETPIPE_SZ, PIPE_BYTES);
	do {
		res = splice(STDIN_FILENO, NULL, STDOUT_FILENO, NULL, PIPE_BYTES, SPLICE_F_MOVE);
	} while (res > 0);
	if (res < 0) {
		perror("splice");
		return 1;
	}
	return 0;
}
