/*
 * wrap.h: the calls that zcopy-fault can make fail, and what its wrappers ask the plan. Any thread may ask.
 */
#ifndef ZC_WRAP_H
#define ZC_WRAP_H

#include <stdbool.h>
#include <stddef.h>

/* The last line is a ring: what is called of liburing, and what goes through it. ring_opcode is one operation
 * of the kernel's list; its N-th is missing. */
/* clang-format off */
#define CALLS(X) \
	X(open) X(openat) X(fstat) X(fstatat) X(statx) X(fstatfs) X(faccessat) X(readlinkat) X(lseek) \
	X(ftruncate) X(fallocate) X(posix_fadvise) X(sync_file_range) X(fchown) X(fchmod) X(fsetxattr) \
	X(fgetxattr) X(flistxattr) X(fremovexattr) X(futimens) X(fdatasync) X(fsync) X(syncfs) X(linkat) X(renameat) \
	X(renameat2) X(unlinkat) X(close) X(flock) X(fcntl) X(ioctl) X(pread) X(pwrite) X(preadv2) X(read) \
	X(write) X(copy_file_range) X(sendfile) X(splice) X(poll) X(pipe2) X(pipe) X(syscall) X(mmap) \
	X(madvise) X(mprotect) X(memfd_create) X(pthread_create) X(getrandom) X(sched_setaffinity) \
	X(fchmodat) X(fchownat) X(utimensat) X(mkdirat) X(mknodat) X(symlinkat) \
	X(malloc) X(calloc) X(posix_memalign) X(strdup) \
	X(ring_setup) X(ring_probe) X(ring_opcode) X(ring_buffers) X(ring_submit) X(ring_submit_wait) \
	X(ring_wait) X(ring_read) X(ring_write)
/* clang-format on */

#define CALL_ENUM(name) CALL_##name,
enum call { CALLS(CALL_ENUM) CALL_COUNT };

/* Is this the one? Counts it in any case. */
bool wrap_due(enum call call);
/* The same; true: errno is set, the call is not to be performed. */
bool wrap_fails(enum call call);
/* For calls that move bytes: fails, or makes the length short. */
bool wrap_fails_or_clamps(enum call call, size_t *len);
/* Takes the plan from the environment, counts from 0, and what is open now is no leak. */
void wrap_plan(void);

#endif
