/*
 * logdisk DISK LOG MOUNTPOINT
 *
 * A disk that remembers in which order it was written to: a file system with two files. "disk" is the file
 * DISK, whose size it has; a loop device on top of it makes it a disk. What is written to "mark" is a mark
 * between the writes. It stays in the foreground until it is unmounted.
 *
 * LOG gets a record for each write ('W', with the data), each flush ('F') and each mark ('M', with its text):
 * kind, offset and length as 64 bits each in the host's order, then the data. One thread serves, so a flush
 * covers the writes before it in the log, and a mark is behind all that was answered when it was made.
 */
#define FUSE_USE_VERSION 31
#include <errno.h>
#include <fcntl.h>
#include <fuse.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

struct record {
	uint64_t kind;
	uint64_t off_bytes;
	uint64_t len_bytes;
};

static int disk_fd;
static int log_fd;

static bool is_disk(const char *path)
{
	return strcmp(path, "/disk") == 0;
}

static bool is_mark(const char *path)
{
	return strcmp(path, "/mark") == 0;
}

/* A log with a gap is worse than none. */
static void note(char kind, const void *data, size_t len, off_t off)
{
	struct record head = { .kind = (uint8_t)kind, .off_bytes = (uint64_t)off, .len_bytes = len };
	struct iovec parts[] = { { &head, sizeof(head) }, { (void *)(uintptr_t)data, len } };

	if (writev(log_fd, parts, 2) != (ssize_t)(sizeof(head) + len)) {
		perror("logdisk");
		abort();
	}
}

static int disk_getattr(const char *path, struct stat *st, struct fuse_file_info *fi)
{
	(void)fi;
	if (fstat(disk_fd, st) < 0) {
		return -errno;
	}
	if (is_disk(path)) {
		return 0;
	}
	st->st_size = 0;
	st->st_mode = is_mark(path) ? S_IFREG | 0200 : S_IFDIR | 0755;
	return is_mark(path) || strcmp(path, "/") == 0 ? 0 : -ENOENT;
}

static int disk_open(const char *path, struct fuse_file_info *fi)
{
	fi->direct_io = is_mark(path);
	return is_disk(path) || is_mark(path) ? 0 : -ENOENT;
}

static int disk_truncate(const char *path, off_t len, struct fuse_file_info *fi)
{
	(void)len, (void)fi;
	return is_mark(path) ? 0 : -EPERM;
}

static int disk_read(const char *path, char *buf, size_t size, off_t off, struct fuse_file_info *fi)
{
	ssize_t got = is_disk(path) ? pread(disk_fd, buf, size, off) : 0;

	(void)fi;
	return got < 0 ? -errno : (int)got;
}

static int disk_write(const char *path, const char *buf, size_t size, off_t off, struct fuse_file_info *fi)
{
	ssize_t got = (ssize_t)size;

	(void)fi;
	if (is_disk(path)) {
		got = pwrite(disk_fd, buf, size, off);
	}
	if (got > 0) {
		note(is_disk(path) ? 'W' : 'M', buf, (size_t)got, off);
	}
	return got < 0 ? -errno : (int)got;
}

static int disk_fsync(const char *path, int datasync, struct fuse_file_info *fi)
{
	(void)datasync, (void)fi;
	if (is_disk(path)) {
		note('F', NULL, 0, 0);
	}
	return 0;
}

static const struct fuse_operations disk_ops = {
	.getattr = disk_getattr,
	.open = disk_open,
	.truncate = disk_truncate,
	.read = disk_read,
	.write = disk_write,
	.fsync = disk_fsync,
};

int main(int argc, char **argv)
{
	char foreground[] = "-f";
	char one_thread[] = "-s";
	char *fuse_argv[] = { argv[0], foreground, one_thread, NULL, NULL };

	if (argc != 4) {
		fprintf(stderr, "usage: logdisk DISK LOG MOUNTPOINT\n");
		return 2;
	}
	fuse_argv[3] = argv[3];
	disk_fd = open(argv[1], O_RDWR | O_CLOEXEC);
	log_fd = open(argv[2], O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
	if (disk_fd < 0 || log_fd < 0) {
		perror("logdisk");
		return 1;
	}
	return fuse_main(4, fuse_argv, &disk_ops, NULL);
}
