/*
 * manyfiles flat COUNT DIR        COUNT empty files in the directory DIR
 * manyfiles pairs COUNT DIR       COUNT files with a second name each, in a subdirectory
 * manyfiles chain DEPTH LEN DIR   directories in one another, DEPTH of them, names of LEN bytes, a file in
 *                                 each hundredth and in the last
 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static void fail(const char *what)
{
	perror(what);
	exit(1);
}

static void make_file(int dir_fd, const char *name)
{
	int fd = openat(dir_fd, name, O_WRONLY | O_CREAT | O_EXCL, 0644);

	if (fd < 0) {
		fail(name);
	}
	close(fd);
}

static void flat(unsigned long count, int dir_fd)
{
	char name[32];

	for (unsigned long i = 0; i < count; i++) {
		snprintf(name, sizeof(name), "%lx", i);
		make_file(dir_fd, name);
	}
}

static void pairs(unsigned long count, int dir_fd)
{
	char name[32];
	char twin[32];

	mkdirat(dir_fd, "twins", 0755);
	for (unsigned long i = 0; i < count; i++) {
		snprintf(name, sizeof(name), "%lx", i);
		snprintf(twin, sizeof(twin), "twins/%lx", i);
		make_file(dir_fd, name);
		if (linkat(dir_fd, name, dir_fd, twin, 0) < 0) {
			fail(twin);
		}
	}
}

static void chain(unsigned long depth, unsigned long len, int dir_fd)
{
	char name[256] = "";

	memset(name, 'n', len < 255 ? len : 255);
	for (unsigned long i = 1; i <= depth; i++) {
		int fd = -1;

		if (mkdirat(dir_fd, name, 0755) < 0 ||
		    (fd = openat(dir_fd, name, O_RDONLY | O_DIRECTORY)) < 0) {
			fail(name);
		}
		close(dir_fd);
		dir_fd = fd;
		if (i % 100 == 0 || i == depth) {
			make_file(dir_fd, "file");
		}
	}
}

int main(int argc, char **argv)
{
	const char *dir = argc > 1 ? argv[argc - 1] : "";
	unsigned long count = argc > 2 ? strtoul(argv[2], NULL, 10) : 0;
	int dir_fd;

	if (argc < 4 || argc != (strcmp(argv[1], "chain") == 0 ? 5 : 4)) {
		fprintf(stderr, "usage: manyfiles flat|pairs COUNT DIR | chain DEPTH LEN DIR\n");
		return 125;
	}
	mkdir(dir, 0755);
	dir_fd = open(dir, O_RDONLY | O_DIRECTORY);
	if (dir_fd < 0) {
		fail(dir);
	}
	if (!strcmp(argv[1], "flat")) {
		flat(count, dir_fd);
	} else if (!strcmp(argv[1], "pairs")) {
		pairs(count, dir_fd);
	} else {
		chain(count, strtoul(argv[3], NULL, 10), dir_fd);
	}
	return 0;
}
