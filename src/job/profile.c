/* profile.c: one line, written whole under another name and renamed; read only when it is exactly such a
 * line. */
#include "profile.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "journal.h"
#include "zcopy/endpoint.h"

#define BLOCK_BYTES_MIN (64 * ZC_KIB)
#define BLOCK_BYTES_MAX ZC_MIB
#define DEPTH_MAX       64

void profile_print(const struct profile *profile, char out[PROFILE_BYTES_MAX])
{
	snprintf(out, PROFILE_BYTES_MAX, "zcopy-tune/1 %s %s %s %u %u %u\n", profile->fs[0], profile->fs[1],
	         profile->kernel, profile->page_bytes, profile->block_bytes, profile->depth);
}

bool profile_parse(struct profile *ret_profile, const char *text)
{
	struct profile profile = { 0 };
	char again[PROFILE_BYTES_MAX];

	if (sscanf(text, "zcopy-tune/1 %23s %23s %65s %9u %9u %9u", profile.fs[0], profile.fs[1],
	           profile.kernel, &profile.page_bytes, &profile.block_bytes, &profile.depth) != 6 ||
	    profile.block_bytes < BLOCK_BYTES_MIN || profile.block_bytes > BLOCK_BYTES_MAX ||
	    (profile.block_bytes & (profile.block_bytes - 1)) != 0 || profile.depth < 1 ||
	    profile.depth > DEPTH_MAX) {
		return false;
	}
	profile_print(&profile, again);
	*ret_profile = profile;
	return strcmp(again, text) == 0;
}

/* What it has to be of, for these two. */
static void profile_of(struct profile *ret_profile, const int fds[2])
{
	struct utsname host = { 0 };
	char out[24];

	*ret_profile = (struct profile){ .page_bytes = (uint32_t)zc_page_bytes() };
	(void)uname(&host);
	snprintf(ret_profile->kernel, sizeof(ret_profile->kernel), "%s", host.release);
	for (int i = 0; i < 2; i++) {
		snprintf(ret_profile->fs[i], sizeof(ret_profile->fs[i]), "%s", zc_fs_name(fds[i], out));
	}
}

static void profile_name(char out[48], const int fds[2])
{
	uint64_t ids[2] = { 0 };
	struct stat st;

	for (int i = 0; i < 2; i++) {
		ids[i] = fstat(fds[i], &st) == 0 ? journal_fs(fds[i], st.st_dev) : 0;
	}
	snprintf(out, 48, "tune-%016llx-%016llx", (unsigned long long)ids[0], (unsigned long long)ids[1]);
}

/* The directory's descriptor or -errno; name and *ret_path are the file's. */
static int profile_open_dir(bool make, const int fds[2], char name[48], char **ret_path)
{
	char *dir_path;
	int dir_fd = journal_open_cache_dir(make, &dir_path);

	profile_name(name, fds);
	if (dir_path == NULL || asprintf(ret_path, "%s/%s", dir_path, name) < 0) {
		*ret_path = NULL;
	}
	free(dir_path);
	return dir_fd;
}

int profile_read(struct profile *ret_profile, int src_fd, int dst_fd, char **ret_path)
{
	const int fds[2] = { src_fd, dst_fd };
	char text[PROFILE_BYTES_MAX + 1];
	struct profile here;
	char name[48];
	ssize_t len;
	int dir_fd = profile_open_dir(false, fds, name, ret_path);
	int fd;

	if (dir_fd < 0) {
		return dir_fd;
	}
	fd = openat(dir_fd, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	len = fd < 0 ? -errno : read(fd, text, PROFILE_BYTES_MAX);
	len = fd >= 0 && len < 0 ? -errno : len;
	if (fd >= 0) {
		close(fd);
	}
	close(dir_fd);
	if (len < 0) {
		return (int)len;
	}
	text[len] = '\0';
	if (strlen(text) != (size_t)len || !profile_parse(ret_profile, text)) {
		return -EBADMSG;
	}
	profile_of(&here, fds);
	return strcmp(here.fs[0], ret_profile->fs[0]) != 0 || strcmp(here.fs[1], ret_profile->fs[1]) != 0 ||
	               strcmp(here.kernel, ret_profile->kernel) != 0 ||
	               here.page_bytes != ret_profile->page_bytes
	           ? -ESTALE
	           : 0;
}

static int profile_replace(int dir_fd, const char *name, const char *text)
{
	char temp[64];
	ssize_t len = (ssize_t)strlen(text);
	int res = 0;
	int fd;

	snprintf(temp, sizeof(temp), "%s.%d", name, (int)getpid());
	fd = openat(dir_fd, temp, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (fd < 0) {
		return -errno;
	}
	if (write(fd, text, (size_t)len) != len) {
		res = errno != 0 ? -errno : -EIO;
	}
	if (close(fd) < 0 && res == 0) {
		res = -errno;
	}
	if (res == 0 && renameat(dir_fd, temp, dir_fd, name) < 0) {
		res = -errno;
	}
	if (res < 0) {
		(void)unlinkat(dir_fd, temp, 0);
	}
	return res;
}

int zc_profile_write(int src_fd, int dst_fd, uint32_t block_bytes, uint32_t depth, char **ret_path)
{
	const int fds[2] = { src_fd, dst_fd };
	char text[PROFILE_BYTES_MAX];
	struct profile profile;
	char name[48];
	int res;
	int dir_fd;

	*ret_path = NULL;
	dir_fd = profile_open_dir(block_bytes != 0, fds, name, ret_path);
	if (dir_fd < 0) {
		return dir_fd;
	}
	if (block_bytes == 0) {
		res = unlinkat(dir_fd, name, 0) < 0 ? -errno : 0;
	} else {
		profile_of(&profile, fds);
		profile.block_bytes = block_bytes;
		profile.depth = depth;
		profile_print(&profile, text);
		res = profile_replace(dir_fd, name, text);
	}
	close(dir_fd);
	return res;
}
