/*
 * nonblock FD... -- COMMAND [ARG]...
 *
 * Runs COMMAND with O_NONBLOCK set on the descriptors, as a careless parent leaves them.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

int main(int argc, char **argv)
{
	int at = 1;

	for (; at < argc && strcmp(argv[at], "--") != 0; at++) {
		int fd = atoi(argv[at]);
		int flags = fcntl(fd, F_GETFL);

		if (flags < 0 || fcntl(fd, F_SETFL, flags | O_NONBLOCK)) {
			fprintf(stderr, "nonblock: %d: %s\n", fd, strerror(errno));
			return 125;
		}
	}
	if (at + 1 >= argc) {
		fprintf(stderr, "usage: nonblock FD... -- COMMAND [ARG]...\n");
		return 125;
	}
	execvp(argv[at + 1], argv + at + 1);
	fprintf(stderr, "nonblock: %s: %s\n", argv[at + 1], strerror(errno));
	return 127;
}
