/*
 * wrap.c: the whole zcopy with one libc call that fails as it is told: the program zcopy-fault.
 *
 * The linker's --wrap sends every call below to __wrap_NAME here (the list is in CMakeLists.txt). The plan
 * comes from the environment:
 *   ZC_FAULT=CALL:N:ERRNO   the N-th CALL is not performed and fails with that number
 *   ZC_FAULT=CALL:N:sLEN    the N-th CALL is performed with at most LEN bytes: a short result
 *   ZC_FAULT=CALL:N:s-LEN   ... with LEN bytes less than asked
 *   ZC_FAULT=CALL:N:ERRNO+  and all that follow
 *   ZC_FAULT=any:N:!SIGNAL  the N-th step gets that signal before it is performed: a call of any kind but
 *                           those for memory, or a completion of a ring that is looked at
 *   ZC_FAULT_LOG=FD         at exit one line goes there: what was hit how often, and what has leaked
 * A close that fails closes all the same, as Linux does. Counters are atomic: helper threads call, too.
 * What goes through a ring is in wrap_ring.c; serve.c starts one run after the other.
 */
#include "wrap.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/stat.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/types.h>
#include <sys/uio.h>
#include <sys/vfs.h>
#include <time.h>
#include <unistd.h>

#include "zcopy/mem.h"

/* The names behind _FILE_OFFSET_BITS=64: glibc's have a suffix, musl's have not. */
#ifdef __GLIBC__
#define LFS(name) name##64
#else
#define LFS(name) name
#endif
#define PASTE(a, b) a##b
#define REAL(name)  PASTE(__real_, name)
#define WRAP(name)  PASTE(__wrap_, name)

#define CALL_NAME(name) #name,
static const char *const call_names[CALL_COUNT] = { CALLS(CALL_NAME) };

#define FD_MAX 1024

static struct {
	atomic_uint hits[CALL_COUNT];
	atomic_uint steps;
	unsigned signal_at; /* which step; 0: none */
	int signal;
	atomic_bool fired;
	enum call call; /* CALL_COUNT: none */
	unsigned at;
	bool from_then_on;
	int code;       /* errno, or 0: a short result       */
	long len_bytes; /* of that; negative: so much is cut */
	atomic_uint lost_buffers;
	int log_fd;
	bool open_at_start[FD_MAX];
} fault = { .call = CALL_COUNT, .log_fd = -1 };

int REAL(close)(int fd);
ssize_t REAL(write)(int fd, const void *mem, size_t len);

static void step(void)
{
	if (atomic_fetch_add(&fault.steps, 1) + 1 == fault.signal_at) {
		raise(fault.signal);
	}
}

bool wrap_due(enum call call)
{
	unsigned n = atomic_fetch_add(&fault.hits[call], 1) + 1;

	if (call < CALL_malloc) { /* those for memory and of rings stand last */
		step();
	}
	if (call != fault.call || (n != fault.at && !(fault.from_then_on && n > fault.at))) {
		return false;
	}
	atomic_store(&fault.fired, true);
	return true;
}

bool wrap_fails(enum call call)
{
	if (!wrap_due(call)) {
		return false;
	}
	errno = fault.code;
	return true;
}

bool wrap_fails_or_clamps(enum call call, size_t *len)
{
	long most = fault.len_bytes;

	if (!wrap_due(call)) {
		return false;
	}
	if (fault.code == 0) {
		if (most < 0) {
			most = (long)*len + most < 1 ? 1 : (long)*len + most;
		}
		*len = *len < (size_t)most ? *len : (size_t)most;
		return false;
	}
	errno = fault.code;
	return true;
}

/* ---- calls of a fixed form: type, result of failure, CALL, linker's name, parameters, arguments */

#define FORM(type, bad, call, name, params, args)                                                            \
	type REAL(name) params;                                                                              \
	type WRAP(name) params;                                                                              \
	type WRAP(name) params                                                                               \
	{                                                                                                    \
		return wrap_fails(CALL_##call) ? (bad) : REAL(name) args;                                    \
	}
#define FORM_LFS(type, bad, call, params, args) FORM(type, bad, call, LFS(call), params, args)
#define FORM_LEN(call, name, params, args)                                                                   \
	ssize_t REAL(name) params;                                                                           \
	ssize_t WRAP(name) params;                                                                           \
	ssize_t WRAP(name) params                                                                            \
	{                                                                                                    \
		return wrap_fails_or_clamps(CALL_##call, &len) ? -1 : REAL(name) args;                       \
	}

FORM_LFS(int, -1, fstat, (int fd, struct stat *st), (fd, st))
FORM_LFS(int, -1, fstatat, (int fd, const char *name, struct stat *st, int flags), (fd, name, st, flags))
FORM(int, -1, statx, statx, (int fd, const char *name, int flags, unsigned mask, struct statx *st),
     (fd, name, flags, mask, st))
FORM_LFS(int, -1, fstatfs, (int fd, struct statfs *st), (fd, st))
FORM(int, -1, faccessat, faccessat, (int fd, const char *name, int mode, int flags), (fd, name, mode, flags))
FORM(ssize_t, -1, readlinkat, readlinkat, (int fd, const char *name, char *out, size_t len),
     (fd, name, out, len))
FORM_LFS(off_t, -1, lseek, (int fd, off_t off, int whence), (fd, off, whence))
FORM_LFS(int, -1, ftruncate, (int fd, off_t len), (fd, len))
FORM_LFS(int, -1, fallocate, (int fd, int mode, off_t off, off_t len), (fd, mode, off, len))
FORM(int, -1, sync_file_range, sync_file_range, (int fd, off_t off, off_t len, unsigned flags),
     (fd, off, len, flags))
FORM(int, -1, fchown, fchown, (int fd, uid_t uid, gid_t gid), (fd, uid, gid))
FORM(int, -1, fchmod, fchmod, (int fd, mode_t mode), (fd, mode))
FORM(int, -1, fsetxattr, fsetxattr, (int fd, const char *name, const void *value, size_t size, int flags),
     (fd, name, value, size, flags))
FORM(ssize_t, -1, fgetxattr, fgetxattr, (int fd, const char *name, void *value, size_t size),
     (fd, name, value, size))
FORM(ssize_t, -1, flistxattr, flistxattr, (int fd, char *list, size_t size), (fd, list, size))
FORM(int, -1, fremovexattr, fremovexattr, (int fd, const char *name), (fd, name))
FORM(int, -1, futimens, futimens, (int fd, const struct timespec times[2]), (fd, times))
FORM(int, -1, fdatasync, fdatasync, (int fd), (fd))
FORM(int, -1, fsync, fsync, (int fd), (fd))
FORM(int, -1, syncfs, syncfs, (int fd), (fd))
FORM(int, -1, linkat, linkat, (int fd, const char *from, int to_fd, const char *to, int flags),
     (fd, from, to_fd, to, flags))
FORM(int, -1, renameat, renameat, (int fd, const char *from, int to_fd, const char *to),
     (fd, from, to_fd, to))
FORM(int, -1, renameat2, renameat2, (int fd, const char *from, int to_fd, const char *to, unsigned flags),
     (fd, from, to_fd, to, flags))
FORM(int, -1, unlinkat, unlinkat, (int fd, const char *name, int flags), (fd, name, flags))
FORM(int, -1, fchmodat, fchmodat, (int fd, const char *name, mode_t mode, int flags), (fd, name, mode, flags))
FORM(int, -1, fchownat, fchownat, (int fd, const char *name, uid_t uid, gid_t gid, int flags),
     (fd, name, uid, gid, flags))
FORM(int, -1, utimensat, utimensat, (int fd, const char *name, const struct timespec times[2], int flags),
     (fd, name, times, flags))
FORM(int, -1, mkdirat, mkdirat, (int fd, const char *name, mode_t mode), (fd, name, mode))
FORM(int, -1, mknodat, mknodat, (int fd, const char *name, mode_t mode, dev_t dev), (fd, name, mode, dev))
FORM(int, -1, symlinkat, symlinkat, (const char *target, int fd, const char *name), (target, fd, name))
FORM(int, -1, memfd_create, memfd_create, (const char *name, unsigned flags), (name, flags))
FORM(int, -1, mprotect, mprotect, (void *at, size_t len, int prot), (at, len, prot))
FORM(int, -1, flock, flock, (int fd, int op), (fd, op))
FORM(int, -1, poll, poll, (struct pollfd * fds, nfds_t count, int timeout_ms), (fds, count, timeout_ms))
FORM(int, -1, pipe2, pipe2, (int fds[2], int flags), (fds, flags))
FORM(int, -1, pipe, pipe, (int fds[2]), (fds))
FORM_LFS(void *, MAP_FAILED, mmap, (void *at, size_t len, int prot, int flags, int fd, off_t off),
         (at, len, prot, flags, fd, off))
FORM(int, -1, madvise, madvise, (void *at, size_t len, int advice), (at, len, advice))
FORM(ssize_t, -1, getrandom, getrandom, (void *out, size_t size, unsigned flags), (out, size, flags))
FORM(int, -1, sched_setaffinity, sched_setaffinity, (pid_t pid, size_t size, const cpu_set_t *set),
     (pid, size, set))
FORM(void *, NULL, malloc, malloc, (size_t size), (size))
FORM(void *, NULL, calloc, calloc, (size_t count, size_t size), (count, size))
FORM(char *, NULL, strdup, strdup, (const char *text), (text))
/* these return the error */
FORM(int, fault.code, posix_memalign, posix_memalign, (void **out, size_t align, size_t size),
     (out, align, size))
FORM_LFS(int, fault.code, posix_fadvise, (int fd, off_t off, off_t len, int advice), (fd, off, len, advice))
FORM(int, fault.code, pthread_create, pthread_create,
     (pthread_t * thread, const pthread_attr_t *attr, void *(*start)(void *), void *arg),
     (thread, attr, start, arg))

FORM_LEN(pread, LFS(pread), (int fd, void *mem, size_t len, off_t off), (fd, mem, len, off))
FORM_LEN(pwrite, LFS(pwrite), (int fd, const void *mem, size_t len, off_t off), (fd, mem, len, off))
FORM_LEN(read, read, (int fd, void *mem, size_t len), (fd, mem, len))
FORM_LEN(write, write, (int fd, const void *mem, size_t len), (fd, mem, len))
FORM_LEN(copy_file_range, copy_file_range,
         (int in, off_t *in_off, int out, off_t *out_off, size_t len, unsigned flags),
         (in, in_off, out, out_off, len, flags))
FORM_LEN(sendfile, LFS(sendfile), (int out, int in, off_t *off, size_t len), (out, in, off, len))
FORM_LEN(splice, splice, (int in, off_t *in_off, int out, off_t *out_off, size_t len, unsigned flags),
         (in, in_off, out, out_off, len, flags))

#ifdef __GLIBC__
#define PREADV2 preadv64v2
#else
#define PREADV2 preadv2
#endif
FORM(ssize_t, -1, preadv2, PREADV2, (int fd, const struct iovec *iov, int count, off_t off, int flags),
     (fd, iov, count, off, flags))

/* ---- calls of a form of their own */

int WRAP(close)(int fd);
int WRAP(close)(int fd)
{
	bool bad = wrap_fails(CALL_close);
	int code = errno;
	int ret = REAL(close)(fd);

	errno = bad ? code : errno;
	return bad ? -1 : ret;
}

#define OPEN_MODE(flags, last)                                                                               \
	mode_t mode = 0;                                                                                     \
	if ((flags) & (O_CREAT | (O_TMPFILE & ~O_DIRECTORY))) {                                              \
		va_list args;                                                                                \
		va_start(args, last);                                                                        \
		mode = va_arg(args, mode_t);                                                                 \
		va_end(args);                                                                                \
	}

int REAL(LFS(open))(const char *name, int flags, ...);
int WRAP(LFS(open))(const char *name, int flags, ...);
int WRAP(LFS(open))(const char *name, int flags, ...)
{
	OPEN_MODE(flags, flags)
	return wrap_fails(CALL_open) ? -1 : REAL(LFS(open))(name, flags, mode);
}

int REAL(LFS(openat))(int fd, const char *name, int flags, ...);
int WRAP(LFS(openat))(int fd, const char *name, int flags, ...);
int WRAP(LFS(openat))(int fd, const char *name, int flags, ...)
{
	OPEN_MODE(flags, flags)
	return wrap_fails(CALL_openat) ? -1 : REAL(LFS(openat))(fd, name, flags, mode);
}

#define ONE_MORE(last)                                                                                       \
	va_list args;                                                                                        \
	va_start(args, last);                                                                                \
	void *arg = va_arg(args, void *);                                                                    \
	va_end(args);

int REAL(LFS(fcntl))(int fd, int op, ...);
int WRAP(LFS(fcntl))(int fd, int op, ...);
int WRAP(LFS(fcntl))(int fd, int op, ...)
{
	ONE_MORE(op)
	return wrap_fails(CALL_fcntl) ? -1 : REAL(LFS(fcntl))(fd, op, arg);
}

int REAL(ioctl)(int fd, unsigned long op, ...);
int WRAP(ioctl)(int fd, unsigned long op, ...);
int WRAP(ioctl)(int fd, unsigned long op, ...)
{
	ONE_MORE(op)
	return wrap_fails(CALL_ioctl) ? -1 : REAL(ioctl)(fd, op, arg);
}

long REAL(syscall)(long number, ...);
long WRAP(syscall)(long number, ...);
long WRAP(syscall)(long number, ...)
{
	va_list args;
	long a[6];

	va_start(args, number);
	for (int i = 0; i < 6; i++) {
		a[i] = va_arg(args, long);
	}
	va_end(args);
	return wrap_fails(CALL_syscall) ? -1 : REAL(syscall)(number, a[0], a[1], a[2], a[3], a[4], a[5]);
}

/* The engine's own: what a ring has answered is taken up. */
int REAL(zc_req_step)(void *req, int64_t result);
int WRAP(zc_req_step)(void *req, int64_t result);
int WRAP(zc_req_step)(void *req, int64_t result)
{
	step();
	return REAL(zc_req_step)(req, result);
}

/* A buffer that the kernel may own for ever is not given back either: a ring that failed loses some. */
unsigned REAL(zc_pool_destroy)(struct zc_pool *pool);
unsigned WRAP(zc_pool_destroy)(struct zc_pool *pool);
unsigned WRAP(zc_pool_destroy)(struct zc_pool *pool)
{
	unsigned lost = REAL(zc_pool_destroy)(pool);

	atomic_fetch_add(&fault.lost_buffers, lost);
	return lost;
}

/* ---- the plan, and the account at the end */

/* Calls visit for each open descriptor but the log and the directory itself; returns how many there are. */
static unsigned each_fd(bool (*visit)(int fd))
{
	DIR *dir = opendir("/proc/self/fd");
	struct dirent *entry;
	unsigned count = 0;

	if (!dir) {
		return 0;
	}
	while ((entry = readdir(dir))) {
		int fd = entry->d_name[0] == '.' ? -1 : atoi(entry->d_name);

		if (fd >= 0 && fd < FD_MAX && fd != dirfd(dir) && fd != fault.log_fd && visit(fd)) {
			count++;
		}
	}
	closedir(dir);
	return count;
}

static bool note(int fd)
{
	return fault.open_at_start[fd] = true;
}

static bool is_leak(int fd)
{
	return fd > 2 && !fault.open_at_start[fd];
}

/* Is it one of ours? The kernel's own workers of a ring ("iou-...") end when they like. */
static bool is_thread(const char *task)
{
	char name[32] = "";
	FILE *file = NULL;

	if (task[0] != '.') {
		snprintf(name, sizeof(name), "/proc/self/task/%.8s/comm", task);
		file = fopen(name, "re");
	}
	if (!file || !fgets(name, sizeof(name), file)) {
		name[0] = '\0';
	}
	if (file) {
		fclose(file);
	}
	return name[0] && strncmp(name, "iou-", 4) != 0;
}

static unsigned thread_count(void)
{
	DIR *dir = opendir("/proc/self/task");
	struct dirent *entry;
	unsigned count = 0;

	while (dir && (entry = readdir(dir))) {
		count += is_thread(entry->d_name);
	}
	if (dir) {
		closedir(dir);
	}
	return count;
}

void wrap_plan(void)
{
	const char *log = getenv("ZC_FAULT_LOG");
	const char *text = getenv("ZC_FAULT");
	char name[32];
	char what[32];
	unsigned at;

	fault.log_fd = log ? atoi(log) : -1;
	memset(fault.hits, 0, sizeof(fault.hits));
	each_fd(note);
	if (!text) {
		return;
	}
	if (sscanf(text, "%31[^:]:%u:%31s", name, &at, what) != 3) {
		abort();
	}
	if (!strcmp(name, "any") && what[0] == '!') {
		fault.signal_at = at;
		fault.signal = atoi(what + 1);
		return;
	}
	fault.at = at;
	fault.from_then_on = strchr(what, '+') != NULL;
	if (what[0] == 's') {
		fault.len_bytes = strtol(what + 1, NULL, 10);
	} else {
		fault.code = atoi(what);
	}
	for (int call = 0; call < CALL_COUNT; call++) {
		if (!strcmp(name, call_names[call])) {
			fault.call = (enum call)call;
		}
	}
	if (fault.call == CALL_COUNT) {
		abort();
	}
}

__attribute__((constructor)) static void start(void)
{
	wrap_plan();
}

/* A thread that was joined may stand in /proc for a moment longer: one that stays is a leak. */
static unsigned threads_left(void)
{
	const struct timespec nap = { .tv_nsec = 10 * 1000 * 1000 };

	for (unsigned tries = 0; tries < 50 && thread_count() > 1; tries++) {
		nanosleep(&nap, NULL);
	}
	return thread_count() - 1;
}

__attribute__((destructor)) static void account(void)
{
	char line[4096];
	int len;

	if (fault.log_fd < 0) {
		return;
	}
	len = snprintf(line, sizeof(line), "fired=%d fds=%u threads=%u buffers=%u steps=%u",
	               atomic_load(&fault.fired), each_fd(is_leak), threads_left(),
	               atomic_load(&fault.lost_buffers), atomic_load(&fault.steps));
	for (int call = 0; call < CALL_COUNT; call++) {
		unsigned hits = atomic_load(&fault.hits[call]);

		if (hits) {
			len += snprintf(line + len, sizeof(line) - (size_t)len, " %s=%u", call_names[call],
			                hits);
		}
	}
	line[len++] = '\n';
	(void)!REAL(write)(fault.log_fd, line, (size_t)len);
}
