/*
 * block.c: who else uses a block device, as /proc and /sys tell it. It is for people: whether a device is in
 * use is the kernel's own answer to O_EXCL, which sees all of these at once and without a race. Only where
 * that may not be asked it has to do.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "zcopy/endpoint.h"

/* The folder of a device in sysfs, open; -1. */
static int block_open(dev_t dev)
{
	char path[64];

	snprintf(path, sizeof(path), "/sys/dev/block/%u:%u", major(dev), minor(dev));
	return openat(AT_FDCWD, path, O_PATH | O_DIRECTORY | O_CLOEXEC);
}

/* The device number in dir_fd's file "dev"; 0 when there is none. */
static dev_t block_number(int dir_fd, const char *path)
{
	int fd = openat(dir_fd, path, O_RDONLY | O_CLOEXEC);
	char text[32] = "";
	char *end;
	unsigned long first;

	if (fd < 0) {
		return 0;
	}
	(void)!read(fd, text, sizeof(text) - 1);
	close(fd);
	first = strtoul(text, &end, 10);
	return *end == ':' ? makedev((unsigned)first, (unsigned)strtoul(end + 1, NULL, 10)) : 0;
}

/* Is a the same disk as b, the whole of which it is a part of, or a part of it? */
static bool block_overlaps(dev_t a, dev_t b)
{
	int fd = a == b ? -1 : block_open(a);
	bool part;

	if (fd < 0) {
		return a == b;
	}
	part = faccessat(fd, "partition", F_OK, 0) == 0 && block_number(fd, "../dev") == b;
	close(fd);
	return part;
}

static bool block_is_used_by(dev_t dev, dev_t other)
{
	return other != 0 && (block_overlaps(dev, other) || block_overlaps(other, dev));
}

static dev_t block_of_path(const char *path)
{
	struct stat st;

	return path[0] == '/' && fstatat(AT_FDCWD, path, &st, 0) == 0 && S_ISBLK(st.st_mode) ? st.st_rdev : 0;
}

/* A line of mountinfo: "36 35 98:0 /root /mnt options [...] - type source options". A file system of several
 * devices (btrfs) has a number of its own: then by its source's name. */
static bool block_is_mounted(dev_t dev, const char *line, char out[ZC_BLOCK_USER_BYTES])
{
	const char *rest = strstr(line, " - ");
	char source[200] = "";
	char quoted[240];
	char at[200];
	unsigned numbers[2];

	if (sscanf(line, "%*s %*s %u:%u %*s %199s", &numbers[0], &numbers[1], at) != 3) {
		return false;
	}
	if (rest != NULL) {
		(void)sscanf(rest, " - %*s %199s", source);
	}
	if (!block_is_used_by(dev, makedev(numbers[0], numbers[1])) &&
	    !block_is_used_by(dev, block_of_path(source))) {
		return false;
	}
	snprintf(out, ZC_BLOCK_USER_BYTES, "mounted at %s", zc_quote(quoted, sizeof(quoted), at));
	return true;
}

/* A line of swaps: "/dev/sda2 partition size used priority". */
static bool block_is_swap(dev_t dev, const char *line, char out[ZC_BLOCK_USER_BYTES])
{
	char path[200];

	if (sscanf(line, "%199s", path) != 1 || !block_is_used_by(dev, block_of_path(path))) {
		return false;
	}
	snprintf(out, ZC_BLOCK_USER_BYTES, "used as swap");
	return true;
}

static bool block_ask(const char *path, dev_t dev, bool (*says)(dev_t, const char *, char *), char *out)
{
	FILE *file = fopen(path, "re");
	char *line = NULL;
	size_t cap = 0;
	bool found = false;

	while (file != NULL && !found && getline(&line, &cap, file) > 0) {
		found = says(dev, line, out);
	}
	free(line);
	if (file != NULL) {
		fclose(file);
	}
	return found;
}

/* LVM, RAID and their kin. */
static bool block_is_held(dev_t dev, char out[ZC_BLOCK_USER_BYTES])
{
	int at = block_open(dev);
	int fd = at < 0 ? -1 : openat(at, "holders", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *dir = fd < 0 ? NULL : fdopendir(fd);
	bool found = false;

	for (struct dirent *entry; dir != NULL && !found && (entry = readdir(dir)) != NULL;) {
		if (entry->d_name[0] != '.') {
			snprintf(out, ZC_BLOCK_USER_BYTES, "in use by %s", entry->d_name);
			found = true;
		}
	}
	if (dir != NULL) {
		closedir(dir);
	} else if (fd >= 0) {
		close(fd);
	}
	if (at >= 0) {
		close(at);
	}
	return found;
}

bool zc_block_is_used(char out[ZC_BLOCK_USER_BYTES], dev_t dev)
{
	snprintf(out, ZC_BLOCK_USER_BYTES, "in use");
	return block_ask("/proc/self/mountinfo", dev, block_is_mounted, out) ||
	       block_ask("/proc/swaps", dev, block_is_swap, out) || block_is_held(dev, out);
}
