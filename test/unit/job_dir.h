/* job_dir.h: a directory of a test's own, gone afterwards. Include it behind cmocka.h. */
#ifndef ZC_TEST_JOB_DIR_H
#define ZC_TEST_JOB_DIR_H

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
	DIR_PATHS = 8,
};

static char dir_path[64];

/* dir_path + name; valid for the next few calls. */
static inline const char *in_dir(const char *name)
{
	static char paths[DIR_PATHS][8192];
	static unsigned next;
	char *path = paths[next++ % DIR_PATHS];

	snprintf(path, sizeof(paths[0]), "%s/%s", dir_path, name);
	return path;
}

static inline int dir_make(const char *place)
{
	snprintf(dir_path, sizeof(dir_path), "%s/zc-job-XXXXXX", place);
	return mkdtemp(dir_path) == NULL ? -1 : chmod(dir_path, 0755);
}

static inline int dir_set_up(void **state)
{
	(void)state;
	return dir_make("/tmp");
}

static inline int dir_remove_one(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	(void)st;
	(void)type;
	(void)ftw;
	return remove(path);
}

static inline int dir_tear_down(void **state)
{
	(void)state;
	return nftw(dir_path, dir_remove_one, 8, FTW_DEPTH | FTW_PHYS);
}

static inline void dir_put(const char *name, const char *text)
{
	int fd = open(in_dir(name), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);

	assert_true(fd >= 0);
	assert_true(write(fd, text, strlen(text)) == (ssize_t)strlen(text));
	close(fd);
}

static inline void dir_expect(const char *name, const char *text)
{
	char got[256] = "";
	int fd = open(in_dir(name), O_RDONLY | O_CLOEXEC);

	assert_true(fd >= 0);
	assert_true(read(fd, got, sizeof(got) - 1) >= 0);
	assert_string_equal(got, text);
	close(fd);
}

/* Names in a directory, "." and ".." aside. */
static inline unsigned dir_count(const char *path)
{
	DIR *dir = opendir(path);
	unsigned count = 0;

	assert_non_null(dir);
	while (readdir(dir) != NULL) {
		count++;
	}
	closedir(dir);
	return count - 2;
}

static inline unsigned open_fds(void)
{
	return dir_count("/proc/self/fd");
}

#endif
