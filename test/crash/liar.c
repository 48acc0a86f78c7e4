/*
 * liar.so, for LD_PRELOAD: flushes that say yes and do nothing. The crash tests have to notice.
 *   ZC_LIE=file  those of files
 *   ZC_LIE=dir   the first of a directory and all that follow: a name is given, and then nothing is flushed
 */
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

static bool lies(int fd)
{
	static bool named;
	const char *about = getenv("ZC_LIE");
	struct stat st;

	if (!about || fstat(fd, &st) < 0) {
		return false;
	}
	named |= S_ISDIR(st.st_mode);
	return strcmp(about, "dir") == 0 ? named : !S_ISDIR(st.st_mode);
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
