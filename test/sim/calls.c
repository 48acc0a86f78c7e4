/*
 * calls.c: the libc calls about files, on the simulated disk. Each begins with sim_enter, which may let time
 * pass, others run and a fault strike, and ends with sim_leave, which puts the result into the trace.
 *
 * What is not simulated answers as a kernel without it would (ENOSYS, ENOENT below /proc and /sys).
 */
#include <dirent.h>
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <linux/stat.h>
#include <poll.h>
#include <sched.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/types.h>
#include <sys/uio.h>
#include <sys/vfs.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "sim.h"

#define SYS_CACHESTAT_NUMBER 451

/* int NAME(params): the wrapped call, declared and defined */
#define WRAP(type, name, params)                                                                             \
	type __wrap_##name params;                                                                           \
	type __wrap_##name params

static int64_t failed(int64_t result)
{
	if (result < 0) {
		errno = (int)-result;
		return -1;
	}
	return result;
}

#define ENTER_AS(type, call)                                                                                 \
	struct strike strike = sim_enter(call);                                                              \
	if (strike.kind == FAULT_ERRNO) {                                                                    \
		return (type)failed(sim_leave(call, 0, -strike.value));                                      \
	}
#define LEAVE_AS(type, call, arg, result) return (type)failed(sim_leave(call, (int64_t)(arg), result))
#define ENTER(call)                       ENTER_AS(int, call)
#define LEAVE(call, arg, result)          LEAVE_AS(int, call, arg, result)
#define ENTER_LONG(call)                  ENTER_AS(ssize_t, call)
#define LEAVE_LONG(call, arg, result)     LEAVE_AS(ssize_t, call, arg, result)

/* ---- descriptors */

int64_t calls_ofd(int fd)
{
	return fd < 0 || fd >= FD_MAX || sim->fds[fd] == 0 ? -EBADF : sim->fds[fd] - 1;
}

static struct ofd *ofd_at(int64_t ofd)
{
	return &sim->ofds[ofd];
}

static int64_t ino_of(int fd)
{
	int64_t ofd = calls_ofd(fd);

	return ofd < 0 ? ofd : ofd_at(ofd)->ino;
}

void calls_ofd_get(uint32_t ofd)
{
	ofd_at(ofd)->refs++;
}

static bool is_pipe(uint32_t ino)
{
	return disk_at(ino)->pipe != NULL;
}

static void pipe_ends(const struct ofd *ofd, int step)
{
	struct pipe *pipe = disk_at(ofd->ino)->pipe;

	if ((ofd->flags & O_ACCMODE) == O_WRONLY) {
		pipe->writers += (uint32_t)step;
	} else {
		pipe->readers += (uint32_t)step;
	}
	sim_wake(pipe);
}

void calls_ofd_put(uint32_t number)
{
	struct ofd *ofd = ofd_at(number);

	if (--ofd->refs != 0) {
		return;
	}
	if (disk_at(ofd->ino)->lock_ofd == number + 1) {
		disk_at(ofd->ino)->lock_ofd = 0;
		sim_wake(disk_at(ofd->ino));
	}
	if (is_pipe(ofd->ino)) {
		pipe_ends(ofd, -1);
	}
	disk_close(ofd->ino);
}

static int64_t ofd_new(uint32_t ino, int flags)
{
	for (uint32_t i = 0; i < OFD_MAX; i++) {
		if (sim->ofds[i].refs == 0) {
			sim->ofds[i] = (struct ofd){ .refs = 1, .ino = ino, .flags = flags };
			disk_open(ino);
			if (is_pipe(ino)) {
				pipe_ends(&sim->ofds[i], 1);
			}
			return i;
		}
	}
	return -ENFILE;
}

static int64_t fd_new(uint32_t ofd, int from)
{
	for (int fd = from; fd < (int)sim->fd_limit && fd < FD_MAX; fd++) {
		if (sim->fds[fd] == 0) {
			sim->fds[fd] = (uint16_t)(ofd + 1);
			return fd;
		}
	}
	return -EMFILE;
}

static int64_t open_ino(uint32_t ino, int flags)
{
	int64_t ofd = ofd_new(ino, flags & ~(O_CREAT | O_EXCL | O_TRUNC | O_CLOEXEC));
	int64_t fd = ofd < 0 ? ofd : fd_new((uint32_t)ofd, 0);

	if (ofd >= 0 && fd < 0) {
		calls_ofd_put((uint32_t)ofd);
	}
	return fd;
}

unsigned calls_fds_open(void)
{
	unsigned count = 0;

	for (int fd = 3; fd < FD_MAX; fd++) {
		count += sim->fds[fd] != 0;
	}
	return count;
}

/* ---- paths */

static void tell(const char *path)
{
	if (sim->trace) {
		sim_say("        '%s'\n", path);
	}
}

/* The directory a path begins at, for AT_FDCWD or a descriptor. */
static int64_t base_of(int dir_fd, const char *path)
{
	tell(path);
	if (*path == '/') {
		return sim->root;
	}
	return dir_fd == AT_FDCWD ? sim->cwd : ino_of(dir_fd);
}

/* /proc/self/fd/N: the open file itself; 0: another path. */
static int64_t proc_fd(const char *path)
{
	static const char prefix[] = "/proc/self/fd/";

	if (strncmp(path, prefix, sizeof(prefix) - 1) != 0) {
		return 0;
	}
	return ino_of(atoi(path + sizeof(prefix) - 1)) < 0 ? -ENOENT
	                                                   : ino_of(atoi(path + sizeof(prefix) - 1));
}

static int64_t find(int dir_fd, const char *path, int flags)
{
	int64_t base = base_of(dir_fd, path);
	int64_t ino = proc_fd(path);

	if (*path == '\0' && (flags & AT_EMPTY_PATH)) {
		return dir_fd == AT_FDCWD ? sim->cwd : ino_of(dir_fd);
	}
	if (base < 0 || ino != 0) {
		return base < 0 ? base : ino;
	}
	return disk_walk((uint32_t)base, path, !(flags & AT_SYMLINK_NOFOLLOW), NULL, NULL);
}

/* Where a name is to be made or unmade. 0 or -errno; *ret_ino 0: it is free. */
static int64_t place(int dir_fd, const char *path, uint32_t *ret_dir, char *ret_name, uint32_t *ret_ino)
{
	int64_t base = base_of(dir_fd, path);
	int64_t ino = base < 0 ? base : disk_walk((uint32_t)base, path, false, ret_dir, ret_name);

	if (ino < 0) {
		return ino;
	}
	*ret_ino = (uint32_t)ino;
	return strcmp(ret_name, ".") == 0 || strcmp(ret_name, "..") == 0 || *ret_name == '\0' ? -EEXIST : 0;
}

/* ---- opening */

static bool below_dst(uint32_t dir)
{
	while (dir != sim->root && dir != sim->dst_dir) {
		dir = disk_at(dir)->parent;
	}
	return dir == sim->dst_dir;
}

static int64_t open_new(uint32_t dir, const char *name, int flags, mode_t mode)
{
	uint32_t ino = disk_new(disk_at(dir)->dev, S_IFREG | (mode & 07777 & ~sim->umask));

	disk_at(ino)->target = below_dst(dir);
	if (name != NULL) {
		int res = disk_name_set(dir, name, ino);

		if (res < 0) {
			return res;
		}
	}
	return open_ino(ino, flags);
}

static int64_t open_found(uint32_t ino, int flags)
{
	struct inode *inode = disk_at(ino);
	bool writes = (flags & O_ACCMODE) != O_RDONLY && !(flags & O_PATH);

	if (S_ISLNK(inode->mode) && !(flags & O_PATH)) {
		return -ELOOP;
	}
	if ((flags & O_DIRECTORY) && !S_ISDIR(inode->mode)) {
		return -ENOTDIR;
	}
	if (S_ISDIR(inode->mode) && writes) {
		return -EISDIR;
	}
	if (S_ISFIFO(inode->mode) && !is_pipe(ino) && !(flags & O_PATH)) {
		return -ENXIO;
	}
	if ((flags & O_DIRECT) && !(flags & O_PATH) && !sim->devs[inode->dev].direct) {
		return -EINVAL;
	}
	if ((flags & O_TRUNC) && S_ISREG(inode->mode)) {
		disk_truncate(ino, 0);
	}
	if (writes && S_ISREG(inode->mode) && inode->named) {
		for (uint32_t dir = sim->dst_dir, i = 0; i < disk_at(dir)->name_count; i++) {
			inode->target |= disk_at(dir)->names[i].ino == ino;
		}
	}
	return open_ino(ino, flags);
}

static int64_t open_at(int dir_fd, const char *path, int flags, mode_t mode)
{
	uint32_t dir;
	char name[256];
	int64_t base = base_of(dir_fd, path);
	int64_t ino = proc_fd(path);
	bool follow = !(flags & O_NOFOLLOW) && (flags & (O_CREAT | O_EXCL)) != (O_CREAT | O_EXCL);

	if (base < 0 || ino < 0) {
		return base < 0 ? base : ino;
	}
	if ((flags & O_TMPFILE) == O_TMPFILE) {
		ino = disk_walk((uint32_t)base, path, true, NULL, NULL);
		if (ino < 0 || !S_ISDIR(disk_at((uint32_t)ino)->mode)) {
			return ino < 0 ? ino : -ENOTDIR;
		}
		return sim->devs[disk_at((uint32_t)ino)->dev].tmpfile
		           ? open_new((uint32_t)ino, NULL, flags & ~O_TMPFILE, mode)
		           : -EOPNOTSUPP;
	}
	if (ino == 0) {
		ino = disk_walk((uint32_t)base, path, follow, &dir, name);
		if (ino < 0) {
			return ino;
		}
		if (ino == 0) {
			return flags & O_CREAT ? open_new(dir, disk_strdup(name), flags, mode) : -ENOENT;
		}
		if ((flags & O_CREAT) && (flags & O_EXCL)) {
			return -EEXIST;
		}
	}
	return open_found((uint32_t)ino, flags);
}

#define MODE_OF(flags)                                                                                       \
	mode_t mode = 0;                                                                                     \
	if ((flags) & (O_CREAT | (O_TMPFILE & ~O_DIRECTORY))) {                                              \
		va_list args;                                                                                \
		va_start(args, flags);                                                                       \
		mode = va_arg(args, mode_t);                                                                 \
		va_end(args);                                                                                \
	}

WRAP(int, openat64, (int dir_fd, const char *path, int flags, ...))
{
	MODE_OF(flags)
	ENTER(CALL_openat)
	LEAVE(CALL_openat, rng_mix((uint64_t)flags), (int)open_at(dir_fd, path, flags, mode));
}

WRAP(int, open64, (const char *path, int flags, ...))
{
	MODE_OF(flags)
	ENTER(CALL_open)
	LEAVE(CALL_open, flags, (int)open_at(AT_FDCWD, path, flags, mode));
}

WRAP(int, memfd_create, (const char *name, unsigned flags))
{
	(void)name;
	(void)flags;
	ENTER(CALL_memfd)
	LEAVE(CALL_memfd, 0, (int)open_ino(disk_new(0, S_IFREG | 0777), O_RDWR));
}

int __real_close(int fd);
WRAP(int, close, (int fd))
{
	int64_t ofd;
	struct strike strike;

	if (!sim_active()) {
		return __real_close(fd);
	}
	strike = sim_enter(CALL_close);
	ofd = calls_ofd(fd);
	if (ofd >= 0) { /* a close that fails closes all the same, as Linux does */
		sim->fds[fd] = 0;
		calls_ofd_put((uint32_t)ofd);
		ofd = strike.kind == FAULT_ERRNO ? -strike.value : 0;
	}
	LEAVE(CALL_close, fd, ofd);
}

/* ---- looking */

static void stat_of(uint32_t ino, struct stat *st)
{
	const struct inode *inode = disk_at(ino);

	memset(st, 0, sizeof(*st));
	/* what lies on no disk has a major number of 0 */
	st->st_dev = (sim->devs[inode->dev].remote ? 0x20 : 0x800) + inode->dev;
	st->st_ino = ino;
	st->st_mode = inode->mode;
	st->st_nlink = S_ISDIR(inode->mode) ? 2 : inode->nlink;
	st->st_uid = inode->uid;
	st->st_gid = inode->gid;
	st->st_rdev = inode->rdev;
	st->st_size = S_ISLNK(inode->mode) ? (off_t)strlen(inode->link) : (off_t)inode->size;
	st->st_blksize = SIM_PAGE;
	st->st_blocks = (blkcnt_t)disk_blocks(inode);
	st->st_atim = inode->atime;
	st->st_mtim = inode->mtime;
	st->st_ctim = inode->ctime;
}

static int64_t look(int64_t ino, struct stat *st)
{
	if (ino < 0) {
		return ino;
	}
	stat_of((uint32_t)ino, st);
	return 0;
}

WRAP(int, fstat64, (int fd, struct stat *st))
{
	ENTER(CALL_fstat)
	LEAVE(CALL_fstat, fd, (int)look(ino_of(fd), st));
}

WRAP(int, fstatat64, (int fd, const char *path, struct stat *st, int flags))
{
	ENTER(CALL_fstatat)
	LEAVE(CALL_fstatat, 0, (int)look(find(fd, path, flags), st));
}

WRAP(int, stat64, (const char *path, struct stat *st))
{
	return __wrap_fstatat64(AT_FDCWD, path, st, 0);
}

WRAP(int, lstat64, (const char *path, struct stat *st))
{
	return __wrap_fstatat64(AT_FDCWD, path, st, AT_SYMLINK_NOFOLLOW);
}

static struct statx_timestamp stamp_of(struct timespec time)
{
	return (struct statx_timestamp){ .tv_sec = time.tv_sec, .tv_nsec = (uint32_t)time.tv_nsec };
}

WRAP(int, statx, (int fd, const char *path, int flags, unsigned mask, struct statx *stx))
{
	struct stat st;
	int64_t ino;

	ENTER(CALL_statx)
	ino = find(fd, path, flags);
	if (ino >= 0) {
		const struct dev *dev = &sim->devs[disk_at((uint32_t)ino)->dev];

		stat_of((uint32_t)ino, &st);
		memset(stx, 0, sizeof(*stx));
		stx->stx_mask = STATX_BASIC_STATS;
		stx->stx_mode = (uint16_t)st.st_mode;
		stx->stx_ino = st.st_ino;
		stx->stx_dev_major = major(st.st_dev);
		stx->stx_dev_minor = minor(st.st_dev);
		stx->stx_nlink = (uint32_t)st.st_nlink;
		stx->stx_uid = st.st_uid;
		stx->stx_gid = st.st_gid;
		stx->stx_size = (uint64_t)st.st_size;
		stx->stx_blocks = (uint64_t)st.st_blocks;
		stx->stx_atime = stamp_of(st.st_atim);
		stx->stx_mtime = stamp_of(st.st_mtim);
		stx->stx_ctime = stamp_of(st.st_ctim);
		if (dev->btime) {
			stx->stx_mask |= STATX_BTIME;
			stx->stx_btime = stamp_of(disk_at((uint32_t)ino)->btime);
		}
#ifdef STATX_DIOALIGN
		if ((mask & STATX_DIOALIGN) && dev->direct) {
			stx->stx_mask |= STATX_DIOALIGN;
			stx->stx_dio_mem_align = dev->align;
			stx->stx_dio_offset_align = dev->align;
		}
#else
		(void)mask;
#endif
	}
	LEAVE(CALL_statx, 0, ino < 0 ? (int)ino : 0);
}

static int64_t fs_of(int64_t ino, struct statfs *sfs)
{
	if (ino < 0) {
		return ino;
	}
	memset(sfs, 0, sizeof(*sfs));
	sfs->f_type = (__typeof__(sfs->f_type))sim->devs[disk_at((uint32_t)ino)->dev].magic;
	sfs->f_bsize = SIM_PAGE;
	sfs->f_blocks = sfs->f_bfree = sfs->f_bavail = 1 << 20;
	sfs->f_namelen = 255;
	return 0;
}

WRAP(int, fstatfs64, (int fd, struct statfs *sfs))
{
	ENTER(CALL_fstatfs)
	LEAVE(CALL_fstatfs, fd, (int)fs_of(ino_of(fd), sfs));
}

WRAP(int, statfs64, (const char *path, struct statfs *sfs))
{
	ENTER(CALL_fstatfs)
	LEAVE(CALL_fstatfs, 0, (int)fs_of(find(AT_FDCWD, path, 0), sfs));
}

WRAP(int, faccessat, (int fd, const char *path, int mode, int flags))
{
	int64_t ino;

	(void)mode;
	ENTER(CALL_faccessat)
	ino = find(fd, path, flags);
	LEAVE(CALL_faccessat, 0, ino < 0 ? (int)ino : 0);
}

WRAP(ssize_t, readlinkat, (int fd, const char *path, char *out, size_t cap))
{
	int64_t ino;
	size_t len = 0;

	ENTER_LONG(CALL_readlinkat)
	ino = find(fd, path, AT_EMPTY_PATH | AT_SYMLINK_NOFOLLOW);
	if (ino >= 0 && !S_ISLNK(disk_at((uint32_t)ino)->mode)) {
		ino = -EINVAL;
	}
	if (ino >= 0) {
		len = strlen(disk_at((uint32_t)ino)->link);
		len = len < cap ? len : cap;
		memcpy(out, disk_at((uint32_t)ino)->link, len);
	}
	LEAVE_LONG(CALL_readlinkat, 0, ino < 0 ? ino : (int64_t)len);
}

/* ---- names */

WRAP(int, linkat, (int from_fd, const char *from, int to_fd, const char *to, int flags))
{
	uint32_t dir;
	uint32_t old;
	char name[256];
	int64_t ino;
	int64_t res;

	ENTER(CALL_linkat)
	ino = find(from_fd, from,
	           (flags & AT_EMPTY_PATH) | (flags & AT_SYMLINK_FOLLOW ? 0 : AT_SYMLINK_NOFOLLOW));
	res = ino < 0 ? ino : place(to_fd, to, &dir, name, &old);
	if (res == 0 && old != 0) {
		res = -EEXIST;
	} else if (res == 0 && disk_at((uint32_t)ino)->dev != disk_at(dir)->dev) {
		res = -EXDEV;
	} else if (res == 0 && disk_at((uint32_t)ino)->nlink == 0 && disk_at((uint32_t)ino)->named) {
		res = -ENOENT;
	} else if (res == 0) {
		res = disk_name_set(dir, disk_strdup(name), (uint32_t)ino);
	}
	LEAVE(CALL_linkat, ino, (int)res);
}

static bool dir_empty(uint32_t dir)
{
	for (uint32_t i = 0; i < disk_at(dir)->name_count; i++) {
		if (disk_at(dir)->names[i].text != NULL) {
			return false;
		}
	}
	return true;
}

static int64_t rename_to(int from_fd, const char *from, int to_fd, const char *to, bool keep)
{
	uint32_t dirs[2];
	uint32_t inos[2];
	char names[2][256];
	int64_t res = place(from_fd, from, &dirs[0], names[0], &inos[0]);

	res = res < 0 ? res : place(to_fd, to, &dirs[1], names[1], &inos[1]);
	if (res < 0 || inos[0] == 0) {
		return res < 0 ? res : -ENOENT;
	}
	if (disk_at(dirs[0])->dev != disk_at(dirs[1])->dev) {
		return -EXDEV;
	}
	if (keep && !sim->devs[disk_at(dirs[0])->dev].noreplace) {
		return -EINVAL;
	}
	if (inos[1] != 0 && keep) {
		return -EEXIST;
	}
	if (inos[1] != 0 && S_ISDIR(disk_at(inos[1])->mode)) {
		return !S_ISDIR(disk_at(inos[0])->mode) ? -EISDIR : -ENOTEMPTY;
	}
	if (inos[1] != 0 && S_ISDIR(disk_at(inos[0])->mode)) {
		return -ENOTDIR;
	}
	return disk_name_move(dirs[0], disk_strdup(names[0]), dirs[1], disk_strdup(names[1]));
}

WRAP(int, renameat, (int from_fd, const char *from, int to_fd, const char *to))
{
	ENTER(CALL_renameat)
	LEAVE(CALL_renameat, 0, (int)rename_to(from_fd, from, to_fd, to, false));
}

WRAP(int, renameat2, (int from_fd, const char *from, int to_fd, const char *to, unsigned flags))
{
	ENTER(CALL_renameat)
	LEAVE(CALL_renameat, flags,
	      flags & ~1u ? -EINVAL : (int)rename_to(from_fd, from, to_fd, to, flags & 1));
}

WRAP(int, unlinkat, (int fd, const char *path, int flags))
{
	struct strike strike = sim_enter(CALL_unlinkat);
	uint32_t dir;
	uint32_t ino;
	char name[256];
	int64_t res = place(fd, path, &dir, name, &ino);

	if (strike.kind == FAULT_ERRNO) {
		sim->name_refused = true;
		LEAVE(CALL_unlinkat, 0, -strike.value);
	}
	if (res == 0 && ino == 0) {
		res = -ENOENT;
	} else if (res == 0 && S_ISDIR(disk_at(ino)->mode)) {
		res = !(flags & AT_REMOVEDIR) ? -EISDIR : dir_empty(ino) ? 0 : -ENOTEMPTY;
	} else if (res == 0 && (flags & AT_REMOVEDIR)) {
		res = -ENOTDIR;
	}
	if (res == 0) {
		res = disk_name_drop(dir, name);
	}
	LEAVE(CALL_unlinkat, ino, (int)res);
}

static int64_t make(int fd, const char *path, mode_t mode, uint32_t *ret_ino)
{
	uint32_t dir;
	uint32_t old;
	char name[256];
	int64_t res = place(fd, path, &dir, name, &old);

	if (res < 0 || old != 0) {
		return res < 0 ? res : -EEXIST;
	}
	*ret_ino = disk_new(disk_at(dir)->dev, mode);
	return disk_name_set(dir, disk_strdup(name), *ret_ino);
}

WRAP(int, mkdirat, (int fd, const char *path, mode_t mode))
{
	uint32_t ino;

	ENTER(CALL_mkdirat)
	LEAVE(CALL_mkdirat, 0, (int)make(fd, path, S_IFDIR | (mode & 07777 & ~sim->umask), &ino));
}

WRAP(int, symlinkat, (const char *target, int fd, const char *path))
{
	uint32_t ino;
	int64_t res;

	ENTER(CALL_symlinkat)
	res = make(fd, path, S_IFLNK | 0777, &ino);
	if (res == 0) {
		disk_at(ino)->link = disk_strdup(target);
	}
	LEAVE(CALL_symlinkat, 0, (int)res);
}

WRAP(int, mknodat, (int fd, const char *path, mode_t mode, dev_t dev))
{
	uint32_t ino;
	int64_t res;

	ENTER(CALL_mknodat)
	res = make(fd, path, (mode & S_IFMT) | (mode & 07777 & ~sim->umask), &ino);
	if (res == 0) {
		disk_at(ino)->rdev = dev;
	}
	LEAVE(CALL_mknodat, 0, (int)res);
}

/* struct linux_dirent64 */
static size_t dirent_put(uint8_t *out, uint32_t ino, uint64_t next, const char *name)
{
	size_t len = (19 + strlen(name) + 1 + 7) & ~(size_t)7;
	uint64_t number = ino;
	uint16_t reclen = (uint16_t)len;

	memset(out, 0, len);
	memcpy(out, &number, 8);
	memcpy(out + 8, &next, 8);
	memcpy(out + 16, &reclen, 2);
	out[18] = (uint8_t)IFTODT(disk_at(ino)->mode);
	memcpy(out + 19, name, strlen(name));
	return len;
}

static int64_t list(int fd, uint8_t *out, size_t cap)
{
	int64_t number = calls_ofd(fd);
	struct ofd *ofd = number < 0 ? NULL : ofd_at(number);
	const struct inode *dir = ofd == NULL ? NULL : disk_at(ofd->ino);
	size_t len = 0;

	if (ofd == NULL || !S_ISDIR(dir->mode)) {
		return ofd == NULL ? number : -ENOTDIR;
	}
	while (ofd->pos < dir->name_count + 2u) {
		const struct name *name = ofd->pos < 2 ? NULL : &dir->names[ofd->pos - 2];
		const char *text = name != NULL ? name->text : ofd->pos == 0 ? "." : "..";
		uint32_t ino = name != NULL                        ? name->ino
		               : ofd->pos == 0 || dir->parent == 0 ? ofd->ino
		                                                   : dir->parent;

		if (text != NULL && len + 19 + strlen(text) + 8 > cap) {
			return len == 0 ? -EINVAL : (int64_t)len;
		}
		ofd->pos++;
		len += text == NULL ? 0 : dirent_put(out + len, ino, ofd->pos, text);
	}
	return (int64_t)len;
}

/* What of a file is in the page cache: all of it, or nothing. */
static int64_t cached(int fd, const uint64_t *range, uint64_t *out)
{
	int64_t ino = ino_of(fd);

	if (ino < 0) {
		return ino;
	}
	memset(out, 0, 5 * sizeof(*out));
	if (rng_mix(sim->rng ^ (uint64_t)ino) % 2 != 0) {
		out[0] = (range[1] + SIM_PAGE - 1) / SIM_PAGE;
	}
	return 0;
}

long __real_syscall(long number, ...);
WRAP(long, syscall, (long number, ...))
{
	va_list args;
	long a[6];

	va_start(args, number);
	for (int i = 0; i < 6; i++) {
		a[i] = va_arg(args, long);
	}
	va_end(args);
	if (!sim_active()) {
		return __real_syscall(number, a[0], a[1], a[2], a[3], a[4], a[5]);
	}
	if (number == SYS_getdents64) {
		ENTER_LONG(CALL_getdents)
		LEAVE_LONG(CALL_getdents, a[0], list((int)a[0], (uint8_t *)a[1], (size_t)a[2]));
	}
	if (number == SYS_CACHESTAT_NUMBER) {
		ENTER_LONG(CALL_cachestat)
		LEAVE_LONG(CALL_cachestat, a[0], cached((int)a[0], (const uint64_t *)a[1], (uint64_t *)a[2]));
	}
	ENTER_LONG(CALL_syscall)
	LEAVE_LONG(CALL_syscall, number, -ENOSYS);
}

/* ---- bytes */

static void lie_told(uint32_t ino, uint64_t off, size_t len, enum fault_kind kind)
{
	if (sim->lie_count < LIE_MAX) {
		sim->lies[sim->lie_count++] =
		    (struct lie){ .ino = ino, .off = off, .len = (uint32_t)len, .kind = kind };
	}
}

static bool already_there(uint32_t ino, uint64_t off, const uint8_t *mem, size_t len)
{
	const struct inode *inode = disk_at(ino);

	for (size_t i = 0; i < len; i++) {
		if (disk_page(&inode->now, (off + i) / SIM_PAGE)[(off + i) % SIM_PAGE] != mem[i]) {
			return false;
		}
	}
	return true;
}

/* The bytes go to the file, or something else does and is called a success. */
static int64_t put(uint32_t ino, uint64_t off, const uint8_t *mem, size_t len, bool direct,
                   struct strike strike)
{
	enum fault_kind kind =
	    plan_is_lie(strike.kind) && disk_at(ino)->target && len != 0 ? strike.kind : FAULT_NONE;
	uint64_t to = off;
	uint8_t wrong;

	if (kind == FAULT_DROP || kind == FAULT_MISDIRECT) {
		if (!already_there(ino, off, mem, len)) {
			lie_told(ino, off, len, kind);
		}
		to = off >= SIM_PAGE ? off - SIM_PAGE : off + SIM_PAGE;
		return kind == FAULT_DROP ? (int64_t)len : disk_write(ino, to, mem, len, direct);
	}
	disk_write(ino, off, mem, len, direct);
	if (kind == FAULT_FLIP) {
		to = off + sim_draw(len);
		disk_read(ino, to, &wrong, 1, false);
		wrong ^= (uint8_t)(1u << sim_draw(8));
		disk_write(ino, to, &wrong, 1, false);
		lie_told(ino, to, 1, kind);
	} else if (kind == FAULT_ROT) {
		disk_at(ino)->rotten = true;
	}
	return (int64_t)len;
}

static size_t clamped(struct strike strike, size_t len)
{
	if (strike.kind == FAULT_SHORT && (size_t)strike.value < len) {
		return (size_t)strike.value;
	}
	return strike.kind == FAULT_SHORT_END && len > 1 ? len - 1 : len; /* nothing would be the end */
}

/* What is direct is short by whole blocks. */
static size_t clamped_for(const struct ofd *ofd, struct strike strike, size_t len)
{
	size_t align = sim->devs[disk_at(ofd->ino)->dev].align;
	size_t rest = clamped(strike, len);

	if (rest != len && (ofd->flags & O_DIRECT)) {
		rest = rest / align * align;
		return rest == 0 ? len : rest;
	}
	return rest;
}

static bool misaligned(const struct ofd *ofd, const void *mem, size_t len, int64_t off)
{
	uint64_t align = sim->devs[disk_at(ofd->ino)->dev].align;

	return (ofd->flags & O_DIRECT) && ((uintptr_t)mem | len | (uint64_t)off) % align != 0;
}

/* ---- pipes: the other end may be the world outside, which is never ready for long and never full */

static size_t pipe_take(struct pipe *pipe, uint8_t *mem, size_t len)
{
	size_t done = len < pipe->len ? len : pipe->len;

	for (size_t i = 0; i < done; i++) {
		mem[i] = pipe->ring[(pipe->head + i) % pipe->cap];
	}
	pipe->head = (uint32_t)((pipe->head + done) % pipe->cap);
	pipe->len -= (uint32_t)done;
	sim_wake(pipe);
	return done;
}

static size_t pipe_add(struct pipe *pipe, const uint8_t *mem, size_t len)
{
	size_t done = len < pipe->cap - pipe->len ? len : pipe->cap - pipe->len;

	for (size_t i = 0; i < done; i++) {
		pipe->ring[(pipe->head + pipe->len + i) % pipe->cap] = mem[i];
	}
	pipe->len += (uint32_t)done;
	sim_wake(pipe);
	return done;
}

/* The world outside writes its next bytes, or reads what there is into the file behind it. */
static void pipe_outside(uint32_t ino)
{
	struct inode *inode = disk_at(ino);
	struct pipe *pipe = inode->pipe;
	uint8_t block[4096];
	size_t len;

	while (pipe->outside_writes && pipe->len < pipe->cap) {
		len = pipe->cap - pipe->len < sizeof(block) ? pipe->cap - pipe->len : sizeof(block);
		len = 1 + sim_draw(len);
		len = (size_t)disk_read(inode->parent, inode->rdev, block, len, false);
		if (len == 0) {
			pipe->outside_writes = false;
			break;
		}
		pipe_add(pipe, block, len);
		inode->rdev += len; /* how far it has come */
		if (sim_draw(3) == 0) {
			break;
		}
	}
	while (pipe->outside_reads && (len = pipe_take(pipe, block, sizeof(block))) != 0) {
		disk_write(inode->parent, disk_at(inode->parent)->size, block, len, false);
	}
}

static bool pipe_has_writers(const struct pipe *pipe)
{
	return pipe->writers != 0 || pipe->outside_writes;
}

static bool pipe_has_readers(const struct pipe *pipe)
{
	return pipe->readers != 0 || pipe->outside_reads;
}

static bool pipe_ready(uint32_t ino, bool write)
{
	struct pipe *pipe = disk_at(ino)->pipe;

	pipe_outside(ino);
	return write ? pipe->len < pipe->cap || !pipe_has_readers(pipe)
	             : pipe->len != 0 || !pipe_has_writers(pipe);
}

bool calls_ready(uint32_t ofd, bool write)
{
	return !is_pipe(ofd_at(ofd)->ino) || pipe_ready(ofd_at(ofd)->ino, write);
}

bool calls_is_dry(uint32_t ofd)
{
	const struct pipe *pipe = disk_at(ofd_at(ofd)->ino)->pipe;

	return pipe != NULL && pipe->len == 0 && !pipe_has_writers(pipe);
}

/* Waits until the pipe is ready. 0 or -errno. */
static int64_t pipe_wait(const struct ofd *ofd, bool write, bool may_wait)
{
	while (!pipe_ready(ofd->ino, write)) {
		if (!may_wait || (ofd->flags & O_NONBLOCK)) {
			return -EAGAIN;
		}
		if (sim_wait(disk_at(ofd->ino)->pipe, sim->now_ns + 100000, true) == -EINTR) {
			return -EINTR;
		}
	}
	return 0;
}

static int64_t pipe_read(const struct ofd *ofd, void *mem, size_t len, bool may_wait)
{
	int64_t res = pipe_wait(ofd, false, may_wait);

	return res < 0 ? res : (int64_t)pipe_take(disk_at(ofd->ino)->pipe, mem, len);
}

static int64_t pipe_write(const struct ofd *ofd, const void *mem, size_t len, bool may_wait)
{
	int64_t res = pipe_wait(ofd, true, may_wait);

	if (res == 0 && !pipe_has_readers(disk_at(ofd->ino)->pipe)) {
		res = -EPIPE;
	}
	if (res == 0) {
		res = (int64_t)pipe_add(disk_at(ofd->ino)->pipe, mem, len);
		pipe_outside(ofd->ino);
	}
	return res;
}

/* ---- reading and writing */

/* off -1: at the position, which moves. */
int64_t calls_pread(uint32_t number, void *mem, size_t len, int64_t off, struct strike strike)
{
	struct ofd *ofd = ofd_at(number);
	struct inode *inode = disk_at(ofd->ino);
	uint64_t at = off < 0 ? ofd->pos : (uint64_t)off;
	int64_t res;

	len = clamped_for(ofd, strike, len);
	if (len == 0) {
		return 0;
	}
	if ((ofd->flags & O_ACCMODE) == O_WRONLY || (ofd->flags & O_PATH)) {
		return -EBADF;
	}
	if (S_ISDIR(inode->mode)) {
		return -EISDIR;
	}
	if (is_pipe(ofd->ino)) {
		return pipe_read(ofd, mem, len, true);
	}
	if (!S_ISREG(inode->mode)) {
		return 0; /* the null device */
	}
	if (strike.kind != FAULT_SHORT && strike.kind != FAULT_SHORT_END &&
	    misaligned(ofd, mem, len, (int64_t)at)) {
		return -EINVAL;
	}
	sim_reads(ofd->ino);
	res = disk_read(ofd->ino, at, mem, len, ofd->flags & O_DIRECT);
	if (strike.kind == FAULT_FLIP && inode->target && res > 0) {
		((uint8_t *)mem)[sim_draw((uint64_t)res)] ^= 1;
	}
	ofd->pos += off < 0 ? (uint64_t)res : 0;
	return res;
}

int64_t calls_pwrite(uint32_t number, const void *mem, size_t len, int64_t off, struct strike strike)
{
	struct ofd *ofd = ofd_at(number);
	struct inode *inode = disk_at(ofd->ino);
	uint64_t at = off < 0 ? (ofd->flags & O_APPEND ? inode->size : ofd->pos) : (uint64_t)off;
	int64_t res;

	len = clamped_for(ofd, strike, len);
	if ((ofd->flags & O_ACCMODE) == O_RDONLY || (ofd->flags & O_PATH)) {
		return -EBADF;
	}
	if (is_pipe(ofd->ino)) {
		return len == 0 ? 0 : pipe_write(ofd, mem, len, true);
	}
	if (!S_ISREG(inode->mode)) {
		return (int64_t)len;
	}
	if (strike.kind != FAULT_SHORT && strike.kind != FAULT_SHORT_END &&
	    misaligned(ofd, mem, len, (int64_t)at)) {
		return -EINVAL;
	}
	res = put(ofd->ino, at, mem, len, ofd->flags & O_DIRECT, strike);
	ofd->pos += off < 0 ? (uint64_t)res : 0;
	return res;
}

static int64_t transfer(enum call call, int fd, void *mem, size_t len, int64_t off, bool write)
{
	struct strike strike = sim_enter(call);
	int64_t ofd = calls_ofd(fd);
	int64_t res;

	if (strike.kind == FAULT_ERRNO || ofd < 0) {
		return sim_leave(call, fd, strike.kind == FAULT_ERRNO ? -strike.value : ofd);
	}
	calls_ofd_get((uint32_t)ofd); /* another thread may close it meanwhile */
	res = write ? calls_pwrite((uint32_t)ofd, mem, len, off, strike)
	            : calls_pread((uint32_t)ofd, mem, len, off, strike);
	calls_ofd_put((uint32_t)ofd);
	return sim_leave(call, off, res);
}

WRAP(ssize_t, pread64, (int fd, void *mem, size_t len, off_t off))
{
	return off < 0 ? failed(-EINVAL) : failed(transfer(CALL_pread, fd, mem, len, off, false));
}

WRAP(ssize_t, pwrite64, (int fd, const void *mem, size_t len, off_t off))
{
	return off < 0 ? failed(-EINVAL)
	               : failed(transfer(CALL_pwrite, fd, (void *)(uintptr_t)mem, len, off, true));
}

WRAP(ssize_t, read, (int fd, void *mem, size_t len))
{
	return failed(transfer(CALL_read, fd, mem, len, -1, false));
}

ssize_t __real_write(int fd, const void *mem, size_t len);
WRAP(ssize_t, write, (int fd, const void *mem, size_t len))
{
	if (!sim_active()) {
		return __real_write(fd, mem, len);
	}
	return failed(transfer(CALL_write, fd, (void *)(uintptr_t)mem, len, -1, true));
}

/* How many of len bytes from off can be had without waiting, or -errno. A file is cached, or not, or up to
 * some page. */
static int64_t nowait_bytes(uint32_t ino, uint64_t off, size_t len)
{
	uint64_t dice = rng_mix(sim->cold_salt ^ ino);
	uint64_t size = disk_at(ino)->size;
	uint64_t upto = dice % 4 == 0   ? 0
	                : dice % 4 == 1 ? (dice >> 8) % (size / SIM_PAGE + 1) * SIM_PAGE
	                                : size;

	if (sim->cold == COLD_REFUSED) {
		return -EOPNOTSUPP;
	}
	if (sim->cold == COLD_NOTHING || off >= size || off + len <= upto) {
		return (int64_t)len;
	}
	return off < upto ? (int64_t)(upto - off) : -EAGAIN;
}

/* The end of the file is no want of bytes. */
static void nowait_count(uint32_t ino, uint64_t off, size_t len, int64_t res)
{
	uint64_t size = disk_at(ino)->size;
	uint64_t there = off < size ? size - off : 0;
	enum cached cached = res == -EAGAIN                                ? CACHED_nothing
	                     : res == -EOPNOTSUPP                          ? CACHED_refused
	                     : res < 0                                     ? CACHED_failed
	                     : (uint64_t)res < (len < there ? len : there) ? CACHED_part
	                                                                   : CACHED_whole;

	sim->cached[cached]++;
}

static int64_t read_nowait(int fd, uint32_t ino, const struct iovec *vector, off_t off)
{
	int64_t len = nowait_bytes(ino, (uint64_t)off, vector->iov_len);

	if (len < 0) {
		struct strike strike = sim_enter(CALL_preadv2);

		return sim_leave(CALL_preadv2, off, strike.kind == FAULT_ERRNO ? -strike.value : len);
	}
	return transfer(CALL_preadv2, fd, vector->iov_base, (size_t)len, off, false);
}

WRAP(ssize_t, preadv64v2, (int fd, const struct iovec *vectors, int count, off_t off, int flags))
{
	int64_t ino = ino_of(fd);
	int64_t res;

	if (count != 1 || ino < 0 || flags != RWF_NOWAIT) {
		return failed(ino < 0 ? ino : -EOPNOTSUPP);
	}
	res = read_nowait(fd, (uint32_t)ino, vectors, off);
	nowait_count((uint32_t)ino, (uint64_t)off, vectors[0].iov_len, res);
	return failed(res);
}

/* From the page cache of one file to another's, by way of a block. */
static int64_t move(uint32_t src, uint64_t from, uint32_t dst, uint64_t to, size_t len, struct strike strike)
{
	uint8_t block[16384];
	size_t done = 0;

	sim_reads(src);
	while (done < len) {
		size_t part = len - done < sizeof(block) ? len - done : sizeof(block);
		ssize_t got = disk_read(src, from + done, block, part, false);

		if (got <= 0) {
			break;
		}
		put(dst, to + done, block, (size_t)got, false, strike);
		done += (size_t)got;
		strike.kind = FAULT_NONE; /* one lie is enough */
	}
	return (int64_t)done;
}

WRAP(ssize_t, copy_file_range, (int in, off_t *in_off, int out, off_t *out_off, size_t len, unsigned flags))
{
	int64_t src;
	int64_t dst;
	uint64_t from;
	uint64_t to;
	int64_t res;

	(void)flags;
	ENTER_LONG(CALL_copy_file_range)
	src = calls_ofd(in);
	dst = calls_ofd(out);
	if (src < 0 || dst < 0) {
		LEAVE_LONG(CALL_copy_file_range, 0, -EBADF);
	}
	if (!S_ISREG(disk_at(ofd_at(src)->ino)->mode) || !S_ISREG(disk_at(ofd_at(dst)->ino)->mode)) {
		LEAVE_LONG(CALL_copy_file_range, 0, -EINVAL);
	}
	if (!sim->devs[disk_at(ofd_at(dst)->ino)->dev].cfr) {
		LEAVE_LONG(CALL_copy_file_range, 0, -EOPNOTSUPP);
	}
	if (disk_at(ofd_at(src)->ino)->dev != disk_at(ofd_at(dst)->ino)->dev) {
		LEAVE_LONG(CALL_copy_file_range, 0, -EXDEV);
	}
	from = in_off == NULL ? ofd_at(src)->pos : (uint64_t)*in_off;
	to = out_off == NULL ? ofd_at(dst)->pos : (uint64_t)*out_off;
	res = move(ofd_at(src)->ino, from, ofd_at(dst)->ino, to,
	           clamped(strike, len < (1u << 30) ? len : 1u << 30), strike);
	*(in_off == NULL ? (off_t *)&ofd_at(src)->pos : in_off) += res;
	*(out_off == NULL ? (off_t *)&ofd_at(dst)->pos : out_off) += res;
	LEAVE_LONG(CALL_copy_file_range, from, res);
}

/* Some of a file at from into a file at its position, or into a pipe. */
static int64_t send_some(uint32_t src, uint64_t from, int64_t dst, size_t len, struct strike strike)
{
	uint8_t block[16384];
	struct ofd *out = ofd_at(dst);
	int64_t res;

	if (!is_pipe(out->ino)) {
		res = move(src, from, out->ino, out->pos, len, strike);
		out->pos += (uint64_t)res;
		return res;
	}
	sim_reads(src);
	res = disk_read(src, from, block, len < sizeof(block) ? len : sizeof(block), false);
	return res <= 0 ? res : pipe_write(out, block, (size_t)res, true);
}

WRAP(ssize_t, sendfile64, (int out, int in, off_t *off, size_t len))
{
	int64_t src;
	int64_t dst;
	int64_t res;
	uint64_t from;

	ENTER_LONG(CALL_sendfile)
	src = calls_ofd(in);
	dst = calls_ofd(out);
	if (src < 0 || dst < 0 || !S_ISREG(disk_at(ofd_at(src)->ino)->mode)) {
		LEAVE_LONG(CALL_sendfile, 0, src < 0 || dst < 0 ? -EBADF : -EINVAL);
	}
	from = off == NULL ? ofd_at(src)->pos : (uint64_t)*off;
	res = send_some(ofd_at(src)->ino, from, dst, clamped(strike, len < (1u << 30) ? len : 1u << 30),
	                strike);
	if (res > 0) {
		*(off == NULL ? (off_t *)&ofd_at(src)->pos : off) += res;
	}
	LEAVE_LONG(CALL_sendfile, from, res);
}

/* One side is a pipe. Never more than the pipe holds or the side has. */
static int64_t splice_some(struct ofd *in, off_t *in_off, struct ofd *out, off_t *out_off, size_t len,
                           struct strike strike)
{
	static uint8_t block[65536];
	struct pipe *pipe = disk_at(in->ino)->pipe;
	int64_t res;
	uint64_t at;

	len = len < sizeof(block) ? len : sizeof(block);
	if (!is_pipe(in->ino)) {
		res = pipe_wait(out, true, true);
		if (res < 0) {
			return res;
		}
		pipe = disk_at(out->ino)->pipe;
		len = len < pipe->cap - pipe->len ? len : pipe->cap - pipe->len;
		at = in_off == NULL ? in->pos : (uint64_t)*in_off;
		sim_reads(in->ino);
		res = disk_read(in->ino, at, block, len, false);
		*(in_off == NULL ? (off_t *)&in->pos : in_off) += res > 0 ? res : 0;
		return res <= 0 ? res : pipe_write(out, block, (size_t)res, false);
	}
	if (is_pipe(out->ino)) {
		res = pipe_wait(out, true, true);
		if (res < 0) {
			return res;
		}
		len = len < disk_at(out->ino)->pipe->cap - disk_at(out->ino)->pipe->len
		          ? len
		          : disk_at(out->ino)->pipe->cap - disk_at(out->ino)->pipe->len;
	}
	res = pipe_read(in, block, len, true);
	if (res <= 0) {
		return res;
	}
	if (is_pipe(out->ino)) {
		return pipe_write(out, block, (size_t)res, false);
	}
	at = out_off == NULL ? out->pos : (uint64_t)*out_off;
	put(out->ino, at, block, (size_t)res, false, strike);
	*(out_off == NULL ? (off_t *)&out->pos : out_off) += res;
	return res;
}

WRAP(ssize_t, splice, (int in, off_t *in_off, int out, off_t *out_off, size_t len, unsigned flags))
{
	int64_t src;
	int64_t dst;

	(void)flags;
	ENTER_LONG(CALL_splice)
	src = calls_ofd(in);
	dst = calls_ofd(out);
	if (src < 0 || dst < 0) {
		LEAVE_LONG(CALL_splice, 0, -EBADF);
	}
	if (!is_pipe(ofd_at(src)->ino) && !is_pipe(ofd_at(dst)->ino)) {
		LEAVE_LONG(CALL_splice, 0, -EINVAL);
	}
	LEAVE_LONG(CALL_splice, 0,
	           splice_some(ofd_at(src), in_off, ofd_at(dst), out_off, clamped(strike, len), strike));
}

static uint32_t pipe_new(void)
{
	uint32_t ino = disk_new(0, S_IFIFO | 0600);

	disk_at(ino)->pipe = disk_alloc(sizeof(struct pipe));
	disk_at(ino)->pipe->cap = 65536;
	disk_at(ino)->pipe->ring = disk_alloc(disk_at(ino)->pipe->cap);
	return ino;
}

WRAP(int, pipe2, (int fds[2], int flags))
{
	uint32_t ino;
	int64_t res;

	ENTER(CALL_pipe)
	ino = pipe_new();
	res = open_ino(ino, O_RDONLY | (flags & O_NONBLOCK));
	fds[0] = (int)res;
	if (res >= 0) {
		res = open_ino(ino, O_WRONLY | (flags & O_NONBLOCK));
		fds[1] = (int)res;
		if (res < 0) {
			calls_ofd_put((uint32_t)calls_ofd(fds[0]));
			sim->fds[fds[0]] = 0;
		}
	}
	LEAVE(CALL_pipe, 0, res < 0 ? (int)res : 0);
}

static int ready_fds(struct pollfd *fds, nfds_t count)
{
	int ready = 0;

	for (nfds_t i = 0; i < count; i++) {
		int64_t ofd = calls_ofd(fds[i].fd);

		fds[i].revents = 0;
		if (ofd < 0) {
			fds[i].revents = POLLNVAL;
		} else if ((fds[i].events & POLLIN) && calls_ready((uint32_t)ofd, false)) {
			fds[i].revents |= POLLIN;
		} else if ((fds[i].events & POLLOUT) && calls_ready((uint32_t)ofd, true)) {
			fds[i].revents |= POLLOUT;
		}
		ready += fds[i].revents != 0;
	}
	return ready;
}

WRAP(int, poll, (struct pollfd * fds, nfds_t count, int timeout_ms))
{
	uint64_t until;
	int ready;

	ENTER(CALL_poll)
	until = timeout_ms < 0 ? UINT64_MAX : sim->now_ns + (uint64_t)timeout_ms * 1000000;
	while ((ready = ready_fds(fds, count)) == 0 && sim->now_ns < until) {
		if (sim_wait(fds, sim->now_ns + 100000, true) == -EINTR) {
			LEAVE(CALL_poll, count, -EINTR);
		}
	}
	LEAVE(CALL_poll, count, ready);
}

/* ---- sizes, positions, syncing */

WRAP(off_t, lseek64, (int fd, off_t off, int whence))
{
	int64_t number;
	struct ofd *ofd;
	int64_t res;

	ENTER_LONG(CALL_lseek)
	number = calls_ofd(fd);
	if (number < 0) {
		LEAVE_LONG(CALL_lseek, off, number);
	}
	ofd = ofd_at(number);
	if (is_pipe(ofd->ino)) {
		LEAVE_LONG(CALL_lseek, off, -ESPIPE);
	}
	switch (whence) {
	case SEEK_DATA:
	case SEEK_HOLE:
		res = disk_seek(ofd->ino, (uint64_t)off, whence == SEEK_DATA);
		break;
	case SEEK_CUR:
		res = (int64_t)ofd->pos + off;
		break;
	case SEEK_END:
		res = (int64_t)disk_at(ofd->ino)->size + off;
		break;
	default:
		res = off;
		break;
	}
	if (res >= 0) {
		ofd->pos = (uint64_t)res;
	}
	LEAVE_LONG(CALL_lseek, off, res);
}

static int64_t writable(int fd)
{
	int64_t ofd = calls_ofd(fd);

	if (ofd < 0) {
		return ofd;
	}
	if ((ofd_at(ofd)->flags & O_ACCMODE) == O_RDONLY || !S_ISREG(disk_at(ofd_at(ofd)->ino)->mode)) {
		return -EINVAL;
	}
	return ofd_at(ofd)->ino;
}

WRAP(int, ftruncate64, (int fd, off_t size))
{
	int64_t ino;

	ENTER(CALL_ftruncate)
	ino = writable(fd);
	LEAVE(CALL_ftruncate, size, ino < 0 ? (int)ino : disk_truncate((uint32_t)ino, (uint64_t)size));
}

WRAP(int, fallocate64, (int fd, int mode, off_t off, off_t len))
{
	int64_t ino;

	ENTER(CALL_fallocate)
	ino = writable(fd);
	if (ino >= 0 && (mode & FALLOC_FL_PUNCH_HOLE)) {
		ino = sim->devs[disk_at((uint32_t)ino)->dev].holes
		          ? disk_punch((uint32_t)ino, (uint64_t)off, (uint64_t)len)
		          : -EOPNOTSUPP;
	} else if (ino >= 0 && !(mode & FALLOC_FL_KEEP_SIZE) &&
	           (uint64_t)(off + len) > disk_at((uint32_t)ino)->size) {
		ino = disk_truncate((uint32_t)ino, (uint64_t)(off + len));
	}
	LEAVE(CALL_fallocate, off, ino < 0 ? (int)ino : 0);
}

WRAP(int, posix_fadvise64, (int fd, off_t off, off_t len, int advice))
{
	struct strike strike = sim_enter(CALL_fadvise);
	int64_t ino = ino_of(fd);

	(void)off;
	(void)len;
	if (strike.kind == FAULT_ERRNO || ino < 0) {
		ino = strike.kind == FAULT_ERRNO ? -strike.value : ino;
		return (int)-sim_leave(CALL_fadvise, advice, ino); /* it returns its error */
	}
	if (advice == POSIX_FADV_DONTNEED) {
		disk_drop_cache((uint32_t)ino);
	}
	return (int)sim_leave(CALL_fadvise, advice, 0);
}

WRAP(int, sync_file_range, (int fd, off_t off, off_t len, unsigned flags))
{
	int64_t ino;

	(void)off;
	(void)len;
	ENTER(CALL_sync_file_range)
	ino = ino_of(fd);
	if (ino >= 0) {
		disk_writeback((uint32_t)ino);
	}
	LEAVE(CALL_sync_file_range, flags, ino < 0 ? (int)ino : 0);
}

static int64_t sync_fd(int fd, struct strike strike)
{
	int64_t ofd = calls_ofd(fd);

	if (ofd < 0 || (ofd_at(ofd)->flags & O_PATH)) {
		return -EBADF;
	}
	if (strike.kind == FAULT_ERRNO) {
		disk_lose(ofd_at(ofd)->ino);
		return -strike.value;
	}
	disk_sync(ofd_at(ofd)->ino);
	return 0;
}

WRAP(int, fdatasync, (int fd))
{
	struct strike strike = sim_enter(CALL_fdatasync);

	LEAVE(CALL_fdatasync, fd, sync_fd(fd, strike));
}

WRAP(int, fsync, (int fd))
{
	struct strike strike = sim_enter(CALL_fsync);

	LEAVE(CALL_fsync, fd, sync_fd(fd, strike));
}

WRAP(int, syncfs, (int fd))
{
	struct strike strike = sim_enter(CALL_syncfs);
	int64_t ofd = calls_ofd(fd);
	uint32_t dev;

	if (ofd >= 0 && (ofd_at(ofd)->flags & O_PATH)) {
		ofd = -EBADF;
	}
	if (ofd >= 0) {
		dev = disk_at(ofd_at(ofd)->ino)->dev;
		for (uint32_t i = 1; i < sim->inode_count && strike.kind == FAULT_ERRNO; i++) {
			if (disk_at(i)->used && disk_at(i)->dev == dev) {
				disk_lose(i);
			}
		}
		if (strike.kind == FAULT_ERRNO) {
			ofd = -strike.value;
		} else {
			disk_sync_all(dev);
		}
	}
	LEAVE(CALL_syncfs, fd, ofd < 0 ? (int)ofd : 0);
}

/* ---- attributes */

static int64_t own(int64_t ino, uid_t uid, gid_t gid)
{
	if (ino < 0) {
		return ino;
	}
	disk_at((uint32_t)ino)->uid = uid == (uid_t)-1 ? disk_at((uint32_t)ino)->uid : uid;
	disk_at((uint32_t)ino)->gid = gid == (gid_t)-1 ? disk_at((uint32_t)ino)->gid : gid;
	if (S_ISREG(disk_at((uint32_t)ino)->mode)) {
		disk_at((uint32_t)ino)->mode &= ~(mode_t)(S_ISUID | S_ISGID);
	}
	disk_touch(disk_at((uint32_t)ino), false);
	return 0;
}

WRAP(int, fchown, (int fd, uid_t uid, gid_t gid))
{
	ENTER(CALL_fchown)
	LEAVE(CALL_fchown, fd, (int)own(ino_of(fd), uid, gid));
}

WRAP(int, fchownat, (int fd, const char *path, uid_t uid, gid_t gid, int flags))
{
	ENTER(CALL_fchown)
	LEAVE(CALL_fchown, fd, (int)own(find(fd, path, flags), uid, gid));
}

static int64_t allow(int64_t ino, mode_t mode)
{
	if (ino < 0) {
		return ino;
	}
	disk_at((uint32_t)ino)->mode = (disk_at((uint32_t)ino)->mode & S_IFMT) | (mode & 07777);
	disk_touch(disk_at((uint32_t)ino), false);
	return 0;
}

WRAP(int, fchmod, (int fd, mode_t mode))
{
	ENTER(CALL_fchmod)
	LEAVE(CALL_fchmod, fd, (int)allow(ino_of(fd), mode));
}

WRAP(int, fchmodat, (int fd, const char *path, mode_t mode, int flags))
{
	ENTER(CALL_fchmod)
	LEAVE(CALL_fchmod, fd, (int)allow(find(fd, path, flags), mode));
}

static void time_set(struct timespec *time, struct timespec to, struct timespec now)
{
	if (to.tv_nsec != UTIME_OMIT) {
		*time = to.tv_nsec == UTIME_NOW ? now : to;
	}
}

static int64_t date(int64_t ino, const struct timespec times[2])
{
	struct inode *inode = ino < 0 ? NULL : disk_at((uint32_t)ino);

	if (inode == NULL) {
		return ino;
	}
	disk_touch(inode, false);
	time_set(&inode->atime, times[0], inode->ctime);
	time_set(&inode->mtime, times[1], inode->ctime);
	return 0;
}

WRAP(int, futimens, (int fd, const struct timespec times[2]))
{
	ENTER(CALL_utimens)
	LEAVE(CALL_utimens, fd, (int)date(ino_of(fd), times));
}

WRAP(int, utimensat, (int fd, const char *path, const struct timespec times[2], int flags))
{
	ENTER(CALL_utimens)
	LEAVE(CALL_utimens, fd, (int)date(find(fd, path, flags), times));
}

static int64_t xattr_set(int64_t ino, const char *name, const void *value, size_t len)
{
	struct inode *inode = ino < 0 ? NULL : disk_at((uint32_t)ino);
	uint32_t i = 0;

	if (inode == NULL || !sim->devs[inode->dev].xattr || strncmp(name, "system.", 7) == 0) {
		return inode == NULL ? ino : -EOPNOTSUPP;
	}
	while (i < inode->xattr_count && strcmp(inode->xattrs[i].name, name) != 0) {
		i++;
	}
	if (i == XATTR_MAX || len > sizeof(inode->xattrs[0].value) ||
	    strlen(name) >= sizeof(inode->xattrs[0].name)) {
		return -ENOSPC;
	}
	inode->xattr_count = i == inode->xattr_count ? i + 1 : inode->xattr_count;
	memcpy(inode->xattrs[i].name, name, strlen(name) + 1);
	inode->xattrs[i].len = (uint32_t)len;
	if (len != 0) {
		memcpy(inode->xattrs[i].value, value, len);
	}
	return 0;
}

static int64_t xattr_get(int64_t ino, const char *name, void *value, size_t cap)
{
	const struct inode *inode = ino < 0 ? NULL : disk_at((uint32_t)ino);

	if (inode == NULL || !sim->devs[inode->dev].xattr) {
		return inode == NULL ? ino : -EOPNOTSUPP;
	}
	for (uint32_t i = 0; i < inode->xattr_count; i++) {
		const struct xattr *xattr = &inode->xattrs[i];

		if (strcmp(xattr->name, name) == 0) {
			if (cap != 0 && cap < xattr->len) {
				return -ERANGE;
			}
			memcpy(value, xattr->value, cap == 0 ? 0 : xattr->len);
			return xattr->len;
		}
	}
	return -ENODATA;
}

static int64_t xattr_list(int64_t ino, char *out, size_t cap)
{
	const struct inode *inode = ino < 0 ? NULL : disk_at((uint32_t)ino);
	size_t len = 0;

	if (inode == NULL || !sim->devs[inode->dev].xattr) {
		return inode == NULL ? ino : -EOPNOTSUPP;
	}
	for (uint32_t i = 0; i < inode->xattr_count; i++) {
		size_t one = strlen(inode->xattrs[i].name) + 1;

		if (cap != 0 && len + one > cap) {
			return -ERANGE;
		}
		if (cap != 0) {
			memcpy(out + len, inode->xattrs[i].name, one);
		}
		len += one;
	}
	return (int64_t)len;
}

static int64_t xattr_drop(int64_t ino, const char *name)
{
	struct inode *inode = ino < 0 ? NULL : disk_at((uint32_t)ino);

	for (uint32_t i = 0; inode != NULL && i < inode->xattr_count; i++) {
		if (strcmp(inode->xattrs[i].name, name) == 0) {
			inode->xattrs[i] = inode->xattrs[--inode->xattr_count];
			return 0;
		}
	}
	return inode == NULL ? ino : -ENODATA;
}

#define XATTR_FORMS(type, call, name, tail_params, tail)                                                     \
	WRAP(type, f##name, (int fd, tail_params))                                                           \
	{                                                                                                    \
		ENTER_AS(type, call)                                                                         \
		LEAVE_AS(type, call, fd, tail(ino_of(fd)));                                                  \
	}                                                                                                    \
	WRAP(type, name, (const char *path, tail_params))                                                    \
	{                                                                                                    \
		ENTER_AS(type, call)                                                                         \
		LEAVE_AS(type, call, 0, tail(find(AT_FDCWD, path, 0)));                                      \
	}                                                                                                    \
	WRAP(type, l##name, (const char *path, tail_params))                                                 \
	{                                                                                                    \
		ENTER_AS(type, call)                                                                         \
		LEAVE_AS(type, call, 0, tail(find(AT_FDCWD, path, AT_SYMLINK_NOFOLLOW)));                    \
	}
#define COMMA        ,
#define DO_SET(ino)  ((void)flags, xattr_set(ino, name, value, size))
#define DO_GET(ino)  xattr_get(ino, name, value, size)
#define DO_LIST(ino) xattr_list(ino, list_out, size)
#define DO_DROP(ino) xattr_drop(ino, name)
XATTR_FORMS(int, CALL_setxattr, setxattr,
            const char *name COMMA const void *value COMMA size_t size COMMA int flags, DO_SET)
XATTR_FORMS(ssize_t, CALL_getxattr, getxattr, const char *name COMMA void *value COMMA size_t size, DO_GET)
XATTR_FORMS(ssize_t, CALL_listxattr, listxattr, char *list_out COMMA size_t size, DO_LIST)
XATTR_FORMS(int, CALL_removexattr, removexattr, const char *name, DO_DROP)

/* ---- locks and flags */

WRAP(int, flock, (int fd, int op))
{
	struct strike strike = sim_enter(CALL_flock);
	int64_t ofd;
	struct inode *inode;

	if (strike.kind == FAULT_ERRNO) {
		sim->name_refused = true; /* somebody else has the lock, and the name with it */
		LEAVE(CALL_flock, op, -strike.value);
	}
	ofd = calls_ofd(fd);
	if (ofd < 0) {
		LEAVE(CALL_flock, op, ofd);
	}
	inode = disk_at(ofd_at(ofd)->ino);
	if ((op & ~LOCK_NB) == LOCK_UN) {
		inode->lock_ofd = inode->lock_ofd == (uint32_t)ofd + 1 ? 0 : inode->lock_ofd;
		LEAVE(CALL_flock, op, 0);
	}
	while (inode->lock_ofd != 0 && inode->lock_ofd != (uint32_t)ofd + 1) {
		if (op & LOCK_NB) {
			LEAVE(CALL_flock, op, -EWOULDBLOCK);
		}
		if (sim_wait(inode, 0, true) == -EINTR) {
			LEAVE(CALL_flock, op, -EINTR);
		}
	}
	inode->lock_ofd = (uint32_t)ofd + 1;
	LEAVE(CALL_flock, op, 0);
}

WRAP(int, fcntl64, (int fd, int op, ...))
{
	va_list args;
	int arg;
	int64_t ofd;
	int64_t res = -EINVAL;
	struct strike strike;

	va_start(args, op);
	arg = va_arg(args, int);
	va_end(args);
	strike = sim_enter(CALL_fcntl);
	if (strike.kind == FAULT_ERRNO && op != F_GETFD) { /* which fails for what is not open only */
		LEAVE(CALL_fcntl, op, -strike.value);
	}
	ofd = calls_ofd(fd);
	if (ofd < 0) {
		LEAVE(CALL_fcntl, op, ofd);
	}
	switch (op) {
	case F_GETFD:
	case F_SETFD:
		res = 0;
		break;
	case F_GETFL:
		res = ofd_at(ofd)->flags;
		break;
	case F_SETFL:
		res = (arg & O_DIRECT) && !sim->devs[disk_at(ofd_at(ofd)->ino)->dev].direct ? -EINVAL : 0;
		if (res == 0) {
			ofd_at(ofd)->flags = (ofd_at(ofd)->flags & (O_ACCMODE | O_PATH)) |
			                     (arg & (O_DIRECT | O_NONBLOCK | O_APPEND));
		}
		break;
	case F_DUPFD:
	case F_DUPFD_CLOEXEC:
		res = fd_new((uint32_t)ofd, arg);
		if (res >= 0) {
			calls_ofd_get((uint32_t)ofd);
		}
		break;
	case F_GETPIPE_SZ:
		res = is_pipe(ofd_at(ofd)->ino) ? (int64_t)disk_at(ofd_at(ofd)->ino)->pipe->cap : -EBADF;
		break;
	case F_SETPIPE_SZ:
		res = -EPERM;
		break;
	default:
		break;
	}
	LEAVE(CALL_fcntl, op, (int)res);
}

static int64_t clone_file(int dst_fd, int src_fd)
{
	int64_t src = ino_of(src_fd);
	int64_t dst = writable(dst_fd);

	if (src < 0 || dst < 0) {
		return -EBADF;
	}
	if (!sim->devs[disk_at((uint32_t)dst)->dev].reflink) {
		return -EOPNOTSUPP;
	}
	if (disk_at((uint32_t)src)->dev != disk_at((uint32_t)dst)->dev) {
		return -EXDEV;
	}
	sim_reads((uint32_t)src);
	return disk_share((uint32_t)src, (uint32_t)dst);
}

WRAP(int, ioctl, (int fd, unsigned long op, ...))
{
	va_list args;
	int arg;

	va_start(args, op);
	arg = va_arg(args, int);
	va_end(args);
	if (op == FICLONE) {
		ENTER(CALL_ficlone)
		LEAVE(CALL_ficlone, fd, (int)clone_file(fd, arg));
	}
	ENTER(CALL_ioctl)
	LEAVE(CALL_ioctl, fd, -ENOTTY);
}

/* ---- streams: what is said goes to the driver; the few files that are read by lines do not exist here */

static ssize_t err_write(void *cookie, const char *mem, size_t len)
{
	bool err = cookie != NULL;
	char *text = err ? sim->text_err : sim->text_out;
	uint32_t *used = err ? &sim->text_err_len : &sim->text_out_len;
	size_t room = TEXT_BYTES - 1 - *used;

	memcpy(text + *used, mem, len < room ? len : room);
	*used += (uint32_t)(len < room ? len : room);
	return (ssize_t)len;
}

static ssize_t file_read(void *cookie, char *mem, size_t len)
{
	return failed(transfer(CALL_read, (int)(intptr_t)cookie - 1, mem, len, -1, false));
}

/* A stream of the C library goes on after a short write, which one with functions of its own takes for an
 * error. */
static ssize_t file_write(void *cookie, const char *mem, size_t len)
{
	size_t done = 0;

	while (done < len) {
		ssize_t res = failed(transfer(CALL_write, (int)(intptr_t)cookie - 1,
		                              (void *)(uintptr_t)(mem + done), len - done, -1, true));

		if (res <= 0) {
			return res < 0 && done == 0 ? res : (ssize_t)done;
		}
		done += (size_t)res;
	}
	return (ssize_t)done;
}

static int file_close(void *cookie)
{
	return __wrap_close((int)(intptr_t)cookie - 1);
}

FILE *__real_fdopen(int fd, const char *mode);
WRAP(FILE *, fdopen, (int fd, const char *mode))
{
	cookie_io_functions_t io = { .read = file_read, .write = file_write, .close = file_close };

	return sim_active() ? fopencookie((void *)(intptr_t)(fd + 1), mode, io) : __real_fdopen(fd, mode);
}

FILE *__real_fopen64(const char *path, const char *mode);
WRAP(FILE *, fopen64, (const char *path, const char *mode))
{
	int fd;

	if (!sim_active()) {
		return __real_fopen64(path, mode);
	}
	fd = __wrap_openat64(AT_FDCWD, path, *mode == 'r' ? O_RDONLY : O_WRONLY | O_CREAT | O_TRUNC, 0666);
	return fd < 0 ? NULL : __wrap_fdopen(fd, mode);
}

WRAP(DIR *, fdopendir, (int fd))
{
	(void)fd;
	errno = ENOMEM;
	return NULL;
}

void calls_std(void)
{
	cookie_io_functions_t io = { .write = err_write };

	stderr = fopencookie(stderr, "w", io);
	setvbuf(stderr, NULL, _IONBF, 0);
	stdout = fopencookie(NULL, "w", io);
	for (int fd = 0; fd <= 2; fd++) {
		uint32_t ino = fd == 0 ? sim->stdin_ino : fd == 1 ? sim->stdout_ino : 0;

		ino = ino != 0 ? ino : (uint32_t)disk_walk(sim->root, "/dev/null", true, NULL, NULL);
		if (open_ino(ino, fd == 0 ? O_RDONLY : O_WRONLY) != fd) {
			sim_lost("no descriptor %d", fd);
		}
	}
}

/* ---- memory, chance, and who and where we are */

void *__real_mmap64(void *at, size_t len, int prot, int flags, int fd, off_t off);
WRAP(void *, mmap64, (void *at, size_t len, int prot, int flags, int fd, off_t off))
{
	struct strike strike;

	if (!sim_active()) {
		return __real_mmap64(at, len, prot, flags, fd, off);
	}
	strike = sim_enter(CALL_mmap);
	if (strike.kind == FAULT_ERRNO || (flags & MAP_HUGETLB)) {
		errno = strike.kind == FAULT_ERRNO ? strike.value : ENOMEM;
		sim_leave(CALL_mmap, (int64_t)len, -errno);
		return MAP_FAILED;
	}
	sim_leave(CALL_mmap, (int64_t)len, 0);
	return __real_mmap64(at, len, prot, flags, -1, 0);
}

int __real_munmap(void *at, size_t len);
WRAP(int, munmap, (void *at, size_t len))
{
	if (sim_active()) {
		ring_forget(at, len);
	}
	return __real_munmap(at, len);
}

/* Populating costs the host time and changes nothing here. */
WRAP(int, madvise, (void *at, size_t len, int advice))
{
	(void)at;
	ENTER(CALL_madvise)
	(void)advice;
	LEAVE(CALL_madvise, len, 0);
}

static bool no_memory(void)
{
	if (!sim_active() || sim_strike(CALL_malloc).kind != FAULT_ERRNO) {
		return false;
	}
	errno = ENOMEM;
	return true;
}

void *__real_malloc(size_t size);
WRAP(void *, malloc, (size_t size))
{
	return no_memory() ? NULL : __real_malloc(size);
}

void *__real_calloc(size_t count, size_t size);
WRAP(void *, calloc, (size_t count, size_t size))
{
	return no_memory() ? NULL : __real_calloc(count, size);
}

char *__real_strdup(const char *text);
WRAP(char *, strdup, (const char *text))
{
	return no_memory() ? NULL : __real_strdup(text);
}

int __real_posix_memalign(void **out, size_t align, size_t size);
WRAP(int, posix_memalign, (void **out, size_t align, size_t size))
{
	return no_memory() ? ENOMEM : __real_posix_memalign(out, align, size);
}

WRAP(ssize_t, getrandom, (void *out, size_t len, unsigned flags))
{
	uint8_t *mem = out;

	(void)flags;
	ENTER_LONG(CALL_getrandom)
	for (size_t i = 0; i < len; i++) {
		mem[i] = (uint8_t)sim_draw(256);
	}
	LEAVE_LONG(CALL_getrandom, len, (int64_t)len);
}

WRAP(int, getrlimit64, (__rlimit_resource_t resource, struct rlimit *limit))
{
	*limit = (struct rlimit){ .rlim_cur = RLIM_INFINITY, .rlim_max = RLIM_INFINITY };
	if (resource == RLIMIT_NOFILE) {
		*limit = (struct rlimit){ .rlim_cur = sim->fd_limit, .rlim_max = sim->fd_limit };
	}
	return 0;
}

WRAP(int, setrlimit64, (__rlimit_resource_t resource, const struct rlimit *limit))
{
	(void)resource;
	(void)limit;
	return (int)failed(-EPERM);
}

WRAP(int, sched_getaffinity, (pid_t pid, size_t size, cpu_set_t *set))
{
	(void)pid;
	memset(set, 0, size);
	for (uint32_t i = 0; i < sim->cpus; i++) {
		CPU_SET(i, set);
	}
	return 0;
}

WRAP(int, sched_setaffinity, (pid_t pid, size_t size, const cpu_set_t *set))
{
	(void)pid;
	(void)size;
	(void)set;
	return 0;
}

WRAP(mode_t, umask, (mode_t mask))
{
	mode_t old = sim->umask;

	sim->umask = mask & 0777;
	return old;
}

WRAP(uid_t, geteuid, (void))
{
	return 0;
}

WRAP(int, isatty, (int fd))
{
	(void)fd;
	return 0;
}

WRAP(pid_t, tcgetpgrp, (int fd))
{
	(void)fd;
	return -1;
}

WRAP(void *, dlopen, (const char *name, int flags))
{
	(void)name;
	(void)flags;
	return NULL;
}
