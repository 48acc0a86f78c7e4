/*
 * fuse_fs [SWITCH]... BACKING MOUNTPOINT
 *
 * A file system that passes everything through to the directory BACKING, and lies or fails on request.
 * It stays in the foreground until it is unmounted. It never has O_TMPFILE (libfuse 3 knows none).
 *   --lying-holes          SEEK_HOLE and SEEK_DATA claim that the second half of every file is a hole
 *   --no-seek              they are refused (ENOSYS: the kernel then says: all data)
 *   --size0                every file says it is empty, as in /proc
 *   --short-reads=N        a read gives at most N bytes
 *   --fold-case            names are stored in lower case, whatever they are asked by
 *   --dir=dup              directories give every name twice
 *   --dir=loop             ... the same name for ever, at an offset that never moves
 *   --dir=ghost            ... a name "ghost" that is not there
 *   --dir=long             ... before every name one of 256 bytes and one of 1024
 *   --dir=longer           ... and one of 4000, which older kernels take for an I/O error
 *   --dir=files            ... every name as a regular file's (otherwise no type is said)
 *   --coarse-times         times are cut to two seconds, as on FAT
 *   --flip-write=OFF       the byte at OFF of a file is stored with all its bits turned round; the page cache
 *                          of the kernel has it right
 *   --flip-read=OFF        ... is stored right and read wrong
 *   --bad=ERRNO:OFF:LEN    a read that touches these bytes of a file gives that number; up to 16 of them
 *   --refuse=OP[,OP]...    EOPNOTSUPP from copy_file_range, fallocate, link, rename2 (flags), xattr, chown
 *   --stuck=OP             read or write is never answered (until the mount is gone)
 *   --fail=OP:ERRNO[:OFF]  that number from read, write (at or beyond OFF), flush, fsync, create, rename,
 *                          chmod, utimens, release
 */
#define FUSE_USE_VERSION 31
#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <fuse.h>
#include <limits.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/statvfs.h>
#include <sys/xattr.h>
#include <unistd.h>

static struct {
	int root; /* the directory passed through */
	bool lying_holes;
	bool no_seek;
	bool size0;
	bool fold_case;
	bool coarse_times;
	size_t short_read;
	const char *dir;  /* how directories lie */
	off_t flip_write; /* -1: none */
	off_t flip_read;
	struct {
		int code;
		off_t off, end;
	} bad[16];
	unsigned bad_count;
	const char *refuse;
	const char *fail_op;
	int fail_errno;
	const char *stuck;
	off_t fail_off;
} fs = { .flip_write = -1, .flip_read = -1 };

/* Paths arrive as "/name"; relative to the held directory they must not begin with a slash. What is folded
 * is valid until two more paths of this thread were. */
static const char *rel(const char *path)
{
	static _Thread_local char folded[2][PATH_MAX];
	static _Thread_local unsigned turn;
	size_t len = 0;

	path = path[1] ? path + 1 : ".";
	if (!fs.fold_case) {
		return path;
	}
	turn ^= 1;
	for (; path[len] && len < PATH_MAX - 1; len++) {
		folded[turn][len] = (char)tolower((unsigned char)path[len]);
	}
	folded[turn][len] = '\0';
	return folded[turn];
}

static bool lies(const char *how)
{
	return fs.dir && !strcmp(fs.dir, how);
}

static bool refused(const char *op)
{
	const char *at = fs.refuse ? strstr(fs.refuse, op) : NULL;

	return at && (at == fs.refuse || at[-1] == ',') && (!at[strlen(op)] || at[strlen(op)] == ',');
}

static int failing(const char *op, off_t end)
{
	return fs.fail_op && !strcmp(fs.fail_op, op) && end > fs.fail_off ? -fs.fail_errno : 0;
}

/* As a server that has gone: only the end of this process ends it. */
static void maybe_stuck(const char *op)
{
	while (fs.stuck && !strcmp(fs.stuck, op)) {
		pause();
	}
}

static int result(int ret)
{
	return ret < 0 ? -errno : 0;
}

static int fs_getattr(const char *path, struct stat *st, struct fuse_file_info *fi)
{
	int ret = fi ? fstat((int)fi->fh, st) : fstatat(fs.root, rel(path), st, AT_SYMLINK_NOFOLLOW);

	if (!ret && fs.size0 && S_ISREG(st->st_mode)) {
		st->st_size = 0;
	}
	if (!ret && fs.coarse_times) {
		st->st_ctim.tv_nsec = 0; /* else nobody believes it */
	}
	return result(ret);
}

static int fs_readlink(const char *path, char *buf, size_t size)
{
	ssize_t len = readlinkat(fs.root, rel(path), buf, size - 1);

	if (len < 0) {
		return -errno;
	}
	buf[len] = '\0';
	return 0;
}

/* Longer than any file system in the kernel has them. */
static void fill_long(void *buf, fuse_fill_dir_t fill)
{
	static const size_t lens[] = { NAME_MAX + 1, 1024, 4000 };
	char name[4001];

	for (unsigned i = 0; i < (lies("longer") ? 3 : 2); i++) {
		memset(name, 'n', lens[i]);
		name[lens[i]] = '\0';
		fill(buf, name, NULL, 0, 0);
	}
}

static int fs_readdir(const char *path, void *buf, fuse_fill_dir_t fill, off_t off, struct fuse_file_info *fi,
                      enum fuse_readdir_flags flags)
{
	int fd = openat(fs.root, rel(path), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *dir = fd < 0 ? NULL : fdopendir(fd);
	struct stat file = { .st_mode = S_IFREG };
	struct dirent *entry;

	(void)off, (void)fi, (void)flags;
	if (!dir) {
		return -errno;
	}
	if (lies("loop")) {
		fill(buf, "again", NULL, 1, 0);
	}
	if (lies("ghost")) {
		fill(buf, "ghost", NULL, 0, 0);
	}
	while (!lies("loop") && (entry = readdir(dir))) {
		if (lies("long") || lies("longer")) {
			fill_long(buf, fill);
		}
		fill(buf, entry->d_name, lies("files") ? &file : NULL, 0, 0);
		if (lies("dup")) {
			fill(buf, entry->d_name, NULL, 0, 0);
		}
	}
	closedir(dir);
	return 0;
}

static int fs_mkdir(const char *path, mode_t mode)
{
	return result(mkdirat(fs.root, rel(path), mode));
}

static int fs_unlink(const char *path)
{
	return result(unlinkat(fs.root, rel(path), 0));
}

static int fs_rmdir(const char *path)
{
	return result(unlinkat(fs.root, rel(path), AT_REMOVEDIR));
}

static int fs_symlink(const char *target, const char *path)
{
	return result(symlinkat(target, fs.root, rel(path)));
}

static int fs_rename(const char *from, const char *to, unsigned flags)
{
	int err = failing("rename", 1);

	if (flags && refused("rename2")) {
		return -EINVAL;
	}
	return err ? err : result(renameat2(fs.root, rel(from), fs.root, rel(to), flags));
}

static int fs_link(const char *from, const char *to)
{
	return refused("link") ? -EOPNOTSUPP : result(linkat(fs.root, rel(from), fs.root, rel(to), 0));
}

static int fs_chmod(const char *path, mode_t mode, struct fuse_file_info *fi)
{
	int err = failing("chmod", 1);

	if (err) {
		return err;
	}
	return result(fi ? fchmod((int)fi->fh, mode) : fchmodat(fs.root, rel(path), mode, 0));
}

static int fs_chown(const char *path, uid_t uid, gid_t gid, struct fuse_file_info *fi)
{
	if (refused("chown")) {
		return -EPERM;
	}
	return result(fi ? fchown((int)fi->fh, uid, gid)
	                 : fchownat(fs.root, rel(path), uid, gid, AT_SYMLINK_NOFOLLOW));
}

static int fs_truncate(const char *path, off_t size, struct fuse_file_info *fi)
{
	if (fi) {
		return result(ftruncate((int)fi->fh, size));
	}
	int fd = openat(fs.root, rel(path), O_WRONLY | O_CLOEXEC);

	if (fd < 0) {
		return -errno;
	}
	int ret = result(ftruncate(fd, size));

	close(fd);
	return ret;
}

static int fs_utimens(const char *path, const struct timespec times[2], struct fuse_file_info *fi)
{
	int err = failing("utimens", 1);

	if (err) {
		return err;
	}
	struct timespec coarse[2] = { times[0], times[1] };

	if (fs.coarse_times && coarse[1].tv_nsec < 1000000000) { /* not UTIME_NOW or UTIME_OMIT */
		coarse[1].tv_sec -= coarse[1].tv_sec & 1;
		coarse[1].tv_nsec = 0;
	}
	times = coarse;
	return result(fi ? futimens((int)fi->fh, times)
	                 : utimensat(fs.root, rel(path), times, AT_SYMLINK_NOFOLLOW));
}

static int hold(int fd, struct fuse_file_info *fi)
{
	if (fd < 0) {
		return -errno;
	}
	fi->fh = (uint64_t)fd;
	fi->direct_io = fs.size0 || fs.short_read; /* or the kernel believes the size */
	return 0;
}

static int fs_open(const char *path, struct fuse_file_info *fi)
{
	return hold(openat(fs.root, rel(path), (fi->flags & ~O_DIRECT) | O_CLOEXEC), fi);
}

static int fs_create(const char *path, mode_t mode, struct fuse_file_info *fi)
{
	int err = failing("create", 1);

	return err ? err
	           : hold(openat(fs.root, rel(path), (fi->flags & ~O_DIRECT) | O_CREAT | O_CLOEXEC, mode),
	                  fi);
}

static int fs_read(const char *path, char *buf, size_t size, off_t off, struct fuse_file_info *fi)
{
	int err = failing("read", off + (off_t)size);

	(void)path;
	maybe_stuck("read");
	for (unsigned i = 0; i < fs.bad_count && !err; i++) {
		err = off < fs.bad[i].end && off + (off_t)size > fs.bad[i].off ? -fs.bad[i].code : 0;
	}
	if (err) {
		return err;
	}
	ssize_t got =
	    pread((int)fi->fh, buf, fs.short_read && fs.short_read < size ? fs.short_read : size, off);

	if (fs.flip_read >= off && fs.flip_read < off + got) {
		buf[fs.flip_read - off] = (char)~buf[fs.flip_read - off];
	}
	return got < 0 ? -errno : (int)got;
}

static int fs_write(const char *path, const char *buf, size_t size, off_t off, struct fuse_file_info *fi)
{
	int err = failing("write", off + (off_t)size);

	(void)path;
	maybe_stuck("write");
	if (err) {
		return err;
	}
	ssize_t put = pwrite((int)fi->fh, buf, size, off);
	off_t at = fs.flip_write - off;

	if (at >= 0 && at < put) {
		char wrong = (char)~buf[at];

		(void)!pwrite((int)fi->fh, &wrong, 1, fs.flip_write);
	}
	return put < 0 ? -errno : (int)put;
}

static int fs_statfs(const char *path, struct statvfs *st)
{
	(void)path;
	return result(fstatvfs(fs.root, st));
}

static int fs_flush(const char *path, struct fuse_file_info *fi)
{
	(void)path; /* the flags in fi are not filled here */
	return (fcntl((int)fi->fh, F_GETFL) & O_ACCMODE) == O_RDONLY ? 0 : failing("flush", 1);
}

static int fs_release(const char *path, struct fuse_file_info *fi)
{
	(void)path;
	close((int)fi->fh);
	return 0;
}

static int fs_fsync(const char *path, int datasync, struct fuse_file_info *fi)
{
	int err = failing("fsync", 1);

	(void)path;
	return err ? err : result(datasync ? fdatasync((int)fi->fh) : fsync((int)fi->fh));
}

static int fs_flock(const char *path, struct fuse_file_info *fi, int op)
{
	(void)path;
	return result(flock((int)fi->fh, op));
}

static int fs_fallocate(const char *path, int mode, off_t off, off_t len, struct fuse_file_info *fi)
{
	(void)path;
	return refused("fallocate") ? -EOPNOTSUPP : result(fallocate((int)fi->fh, mode, off, len));
}

static ssize_t fs_copy_file_range(const char *from, struct fuse_file_info *in, off_t in_off, const char *to,
                                  struct fuse_file_info *out, off_t out_off, size_t len, int flags)
{
	int err = failing("write", out_off + (off_t)len);

	(void)from, (void)to;
	if (refused("copy_file_range")) {
		return -EOPNOTSUPP;
	}
	if (err) {
		return err;
	}
	ssize_t done = copy_file_range((int)in->fh, &in_off, (int)out->fh, &out_off, len, (unsigned)flags);

	return done < 0 ? -errno : done;
}

static off_t fs_lseek(const char *path, off_t off, int whence, struct fuse_file_info *fi)
{
	struct stat st;

	(void)path;
	if (fs.no_seek) {
		return -ENOSYS;
	}
	if (!fs.lying_holes || fstat((int)fi->fh, &st)) {
		off_t at = lseek((int)fi->fh, off, whence);

		return at < 0 ? -errno : at;
	}
	if (off >= st.st_size || (whence == SEEK_DATA && off >= st.st_size / 2)) {
		return -ENXIO;
	}
	return whence == SEEK_DATA || off >= st.st_size / 2 ? off : st.st_size / 2;
}

static int fs_setxattr(const char *path, const char *name, const char *value, size_t size, int flags)
{
	char at[4096];

	snprintf(at, sizeof(at), "/proc/self/fd/%d/%s", fs.root, rel(path));
	return refused("xattr") ? -EOPNOTSUPP : result(lsetxattr(at, name, value, size, flags));
}

static int fs_getxattr(const char *path, const char *name, char *value, size_t size)
{
	char at[4096];

	snprintf(at, sizeof(at), "/proc/self/fd/%d/%s", fs.root, rel(path));
	ssize_t len = refused("xattr") ? (errno = EOPNOTSUPP, -1) : lgetxattr(at, name, value, size);

	return len < 0 ? -errno : (int)len;
}

static int fs_listxattr(const char *path, char *list, size_t size)
{
	char at[4096];

	snprintf(at, sizeof(at), "/proc/self/fd/%d/%s", fs.root, rel(path));
	ssize_t len = refused("xattr") ? (errno = EOPNOTSUPP, -1) : llistxattr(at, list, size);

	return len < 0 ? -errno : (int)len;
}

static void *fs_init(struct fuse_conn_info *conn, struct fuse_config *cfg)
{
	(void)conn;
	cfg->use_ino = 1;
	cfg->hard_remove = 1; /* no renaming of open files that are removed */
	cfg->attr_timeout = 0;
	cfg->entry_timeout = 0;
	return NULL;
}

static const struct fuse_operations ops = {
	.init = fs_init,
	.getattr = fs_getattr,
	.readlink = fs_readlink,
	.readdir = fs_readdir,
	.mkdir = fs_mkdir,
	.unlink = fs_unlink,
	.rmdir = fs_rmdir,
	.symlink = fs_symlink,
	.rename = fs_rename,
	.link = fs_link,
	.chmod = fs_chmod,
	.chown = fs_chown,
	.truncate = fs_truncate,
	.utimens = fs_utimens,
	.open = fs_open,
	.create = fs_create,
	.read = fs_read,
	.write = fs_write,
	.statfs = fs_statfs,
	.flush = fs_flush,
	.release = fs_release,
	.fsync = fs_fsync,
	.flock = fs_flock,
	.fallocate = fs_fallocate,
	.lseek = fs_lseek,
	.setxattr = fs_setxattr,
	.getxattr = fs_getxattr,
	.listxattr = fs_listxattr,
	.copy_file_range = fs_copy_file_range,
};

/* OP:ERRNO[:OFF] */
static void parse_fail(char *text)
{
	char *code = strchr(text, ':');
	char *off = code ? strchr(code + 1, ':') : NULL;

	if (!code) {
		fprintf(stderr, "fuse_fs: --fail=OP:ERRNO[:OFF]\n");
		exit(2);
	}
	*code = '\0';
	fs.fail_op = text;
	fs.fail_errno = atoi(code + 1);
	fs.fail_off = off ? atoll(off + 1) : 0;
}

/* ERRNO:OFF:LEN */
static bool parse_bad(const char *text)
{
	int code;
	long long off;
	long long len;

	if (fs.bad_count == sizeof(fs.bad) / sizeof(fs.bad[0]) ||
	    sscanf(text, "%d:%lld:%lld", &code, &off, &len) != 3) {
		return false;
	}
	fs.bad[fs.bad_count].code = code;
	fs.bad[fs.bad_count].off = off;
	fs.bad[fs.bad_count++].end = off + len;
	return true;
}

static bool parse_switch(char *arg)
{
	if (!strcmp(arg, "--lying-holes")) {
		fs.lying_holes = true;
	} else if (!strcmp(arg, "--no-seek")) {
		fs.no_seek = true;
	} else if (!strcmp(arg, "--size0")) {
		fs.size0 = true;
	} else if (!strcmp(arg, "--fold-case")) {
		fs.fold_case = true;
	} else if (!strcmp(arg, "--coarse-times")) {
		fs.coarse_times = true;
	} else if (!strncmp(arg, "--dir=", 6)) {
		fs.dir = arg + 6;
	} else if (!strncmp(arg, "--short-reads=", 14)) {
		fs.short_read = (size_t)atol(arg + 14);
	} else if (!strncmp(arg, "--flip-write=", 13)) {
		fs.flip_write = atoll(arg + 13);
	} else if (!strncmp(arg, "--flip-read=", 12)) {
		fs.flip_read = atoll(arg + 12);
	} else if (!strncmp(arg, "--bad=", 6)) {
		return parse_bad(arg + 6);
	} else if (!strncmp(arg, "--refuse=", 9)) {
		fs.refuse = arg + 9;
	} else if (!strncmp(arg, "--stuck=", 8)) {
		fs.stuck = arg + 8;
	} else if (!strncmp(arg, "--fail=", 7)) {
		parse_fail(arg + 7);
	} else {
		return false;
	}
	return true;
}

int main(int argc, char **argv)
{
	int at = 1;

	while (at < argc && parse_switch(argv[at])) {
		at++;
	}
	if (argc - at != 2) {
		fprintf(stderr, "usage: fuse_fs [SWITCH]... BACKING MOUNTPOINT\n");
		return 2;
	}
	fs.root = open(argv[at], O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fs.root < 0) {
		fprintf(stderr, "fuse_fs: %s: %s\n", argv[at], strerror(errno));
		return 1;
	}
	umask(0);
	char *args[] = { argv[0],          (char[]){ "-f" },
		         (char[]){ "-o" }, (char[]){ "default_permissions,allow_other,fsname=zc-test" },
		         argv[at + 1],     NULL };

	return fuse_main(5, args, &ops, NULL);
}
