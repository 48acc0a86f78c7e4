/*
 * liar.so, for LD_PRELOAD: flushes that say yes and do nothing. The crash tests have to notice.
 *   ZC_LIE=file  those of files         ZC_LIE=dir  those of directories
 */
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

static bool lies(int fd)
{
	const char *about = getenv("ZC_LIE");
	struct stat st;

	return about && fstat(fd, &st) == 0 && strcmp(about, S_ISDIR(st.st_mode) ? "dir" : "file") == 0;
}

int fsync(int fd)
{
	return lies(fd) ? 0 : (int)syscall(SYS_fsync, fd);
}

int fdatasync(int fd)
{
	return lies(fd) ? 0 : (int)syscall(SYS_fdatasync, fd);
}

int syncfs(int fd)
{
	return lies(fd) ? 0 : (int)syscall(SYS_syncfs, fd);
}
