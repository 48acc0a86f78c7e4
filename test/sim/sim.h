/*
 * sim: the whole zcopy on a kernel that exists in memory only.
 *
 *   main.c    seeds, workers, shrinking, the account      scene.c   what a seed means: files, options, faults
 *   check.c   what must hold afterwards                   plan.c    faults: words, drawing, striking
 *   sched.c   threads, clock, signals: one runs           calls.c   the libc calls about files
 *   ring.c    io_uring at liburing's door                 disk.c    inodes, names, what survives a power cut
 *   steer.c    dice in the place of the tuner
 *
 * The linker's --wrap brings every call here (the list is in CMakeLists.txt). The world lies in memory that
 * is shared between the driver and the child which runs zcopy's main(): whatever way the child ends, the
 * driver sees what is left, cuts the power or not, and runs it again.
 *
 * Everything follows from the seed. Exactly one thread runs at any time; who is next is decided here, at each
 * call. Nothing in here may depend on addresses, on the real clock or on the real file system.
 */
#ifndef ZC_SIM_H
#define ZC_SIM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/stat.h>
#include <sys/types.h>

#define SIM_PAGE   4096u
#define SIM_SECTOR 512u

enum {
	INODE_MAX = 4096,
	PAGE_MAX = 40960,
	HEAP_BYTES = 64 << 20,
	OFD_MAX = 1024,
	FD_MAX = 1024,
	NAME_OPS_MAX = 16384,
	XATTR_MAX = 4,
	DEV_MAX = 4,
	FAULT_MAX = 40,
	FAULT_TEXT = 2048,
	TEXT_BYTES = 16384,
	LIE_MAX = 512,
};

/* ---- calls: what faults are counted by */

/* clang-format off */
#define SIM_CALLS(X) \
	X(open) X(openat) X(fstat) X(fstatat) X(statx) X(fstatfs) X(faccessat) X(readlinkat) X(lseek) \
	X(ftruncate) X(fallocate) X(fadvise) X(sync_file_range) X(fchown) X(fchmod) X(setxattr) X(getxattr) \
	X(listxattr) X(removexattr) X(utimens) X(fdatasync) X(fsync) X(syncfs) X(linkat) X(renameat) \
	X(unlinkat) X(mkdirat) X(symlinkat) X(mknodat) X(close) X(flock) X(fcntl) X(ioctl) X(ficlone) \
	X(pread) X(pwrite) X(preadv2) X(read) X(write) X(copy_file_range) X(sendfile) X(splice) X(poll) \
	X(pipe) X(getdents) X(cachestat) X(syscall) X(mmap) X(madvise) X(malloc) X(thread) X(getrandom) X(memfd) X(nanosleep) \
	X(ring_init) X(ring_probe) X(ring_register) X(ring_submit) X(ring_wait) \
	X(sqe_read) X(sqe_write) X(sqe_nop) X(sqe_poll) X(sqe_cancel)
/* clang-format on */

#define SIM_CALL_ENUM(name) CALL_##name,
enum call { SIM_CALLS(SIM_CALL_ENUM) CALL_COUNT };

enum fault_kind {
	FAULT_NONE,
	FAULT_ERRNO,     /* not performed                                    */
	FAULT_SHORT,     /* performed, clamped to value bytes                */
	FAULT_SHORT_END, /* performed, clamped to one byte less than asked   */
	FAULT_STALE,     /* ring: before the answer one of an older generation */
	FAULT_DUPLICATE, /* ring: a second answer                            */
	FAULT_LONG,      /* ring: the answer claims one byte more            */
	FAULT_STUCK,     /* ring: no answer until it is cancelled            */
	FAULT_MISSING,   /* ring: no answer ever, the memory is written late */
	FAULT_DELAY,     /* ring: answered after 300 ms                      */
	FAULT_FEWER,     /* ring: submit takes one request less              */
	FAULT_DROP,      /* lie: says done, nothing happened                 */
	FAULT_MISDIRECT, /* lie: the bytes land elsewhere                    */
	FAULT_FLIP,      /* lie: one bit is wrong                            */
	FAULT_ROT,       /* lie: right in the cache, wrong on the disk       */
	FAULT_KIND_COUNT,
};

struct fault {
	enum call call;
	enum fault_kind kind;
	uint32_t at;   /* the call's number, from 1 */
	bool for_good; /* and all that follow       */
	int value;     /* errno, or bytes           */
	uint32_t fired;
};

/* ---- the disk */

struct fmap { /* page numbers of a file; 0 is a hole */
	uint32_t *page;
	uint32_t cap;
};
#define MAP_DIRTY 0x80000000u /* in inode.now: not yet on the disk */

struct xattr {
	char name[40];
	uint32_t len;
	uint8_t value[64];
};

struct name {
	const char *text; /* NULL: a name that was removed: positions stay */
	uint32_t ino;
};

struct inode {
	bool used;
	bool named;  /* was ever in a directory */
	bool target; /* made below the destination: lies may strike */
	mode_t mode; /* with its type */
	uid_t uid;
	gid_t gid;
	uint32_t dev; /* number in sim.devs */
	uint32_t nlink;
	uint32_t opens;
	uint64_t rdev;
	uint64_t size;      /* as every reader sees it              */
	uint64_t safe_size; /* as it would be after a power cut     */
	struct fmap now;    /* through the page cache               */
	struct fmap disk;   /* on the medium, perhaps in its cache  */
	struct fmap safe;   /* after a flush: survives a power cut  */
	struct timespec atime, mtime, ctime, btime;
	struct xattr xattrs[XATTR_MAX];
	uint32_t xattr_count;
	char *link; /* symlink's target */
	struct name *names;
	uint32_t name_count, name_cap;
	uint32_t parent;   /* of a directory    */
	uint32_t lock_ofd; /* flock's holder    */
	bool rotten;       /* FAULT_ROT strikes at its next writeback */
	struct pipe *pipe;
};

struct pipe { /* one direction; the other end may be the world outside */
	uint8_t *ring;
	uint32_t cap, head, len;
	uint32_t readers, writers;
	bool outside_reads, outside_writes; /* the driver's end */
};

struct name_op { /* one change of a directory, in order */
	uint32_t dir;
	uint32_t ino; /* text now means this; 0: is gone         */
	const char *text;
	const char *gone; /* rename: this name went in the same step */
	bool safe;
};

struct dev {
	uint32_t magic;
	bool tmpfile, reflink, cfr, direct, xattr, noreplace, holes, btime, remote;
	uint32_t align;
};

struct ofd { /* an open file description */
	uint32_t refs;
	uint32_t ino;
	int flags;
	uint64_t pos;
};

/* How much of what RWF_NOWAIT asked for was there. */
/* clang-format off */
#define SIM_CACHED(X) X(whole) X(part) X(nothing) X(refused) X(failed)
/* clang-format on */
#define SIM_CACHED_ENUM(name) CACHED_##name,
enum cached { SIM_CACHED(SIM_CACHED_ENUM) CACHED_COUNT };

/* What of the files is in the page cache when RWF_NOWAIT asks. */
enum cold { COLD_NOTHING, COLD_SOME, COLD_REFUSED /* it cannot be asked */ };

enum end_kind { /* how the child ended: its exit status is exact only for END_EXIT */
	        END_NONE,
	        END_EXIT,
	        END_SIGNAL, /* by its own hand: main_die, or the second signal */
	        END_CRASH,  /* at the tick asked for                            */
	        END_LOST,   /* hung, deadlocked, escaped, aborted               */
};

struct lie {
	uint32_t ino;
	uint64_t off;
	uint32_t len;
	enum fault_kind kind;
};

struct sim {
	uint64_t rng; /* of what happens while it runs */
	uint64_t now_ns;
	uint64_t ops;      /* simulated calls of this run */
	uint64_t ops_all;  /* of all runs of this seed    */
	uint64_t hash;     /* of everything that happened */
	uint64_t switches; /* from thread to thread       */
	uint64_t ring_ops;
	/* what is to happen */
	struct fault faults[FAULT_MAX];
	uint32_t fault_count;
	uint32_t seen[CALL_COUNT];
	uint64_t crash_at; /* tick; 0 = never */
	struct {
		uint64_t at;
		int number;
	} signals[2];
	uint64_t change_at; /* a source changes when it is read for this time */
	uint64_t change_seen;
	uint32_t change_ino;
	uint32_t change_how;
	uint32_t switch_chance; /* 1 in so many */
	uint32_t cpus;
	uint32_t fd_limit;
	enum cold cold;
	uint64_t cold_salt;
	bool strict_names; /* names survive by directory, not by the order of the whole file system */
	bool trace;
	/* what has happened */
	enum end_kind end;
	int status;
	char why[512];
	uint32_t fd_leaks, thread_leaks, ring_leaks, pool_leaks;
	bool pool_lost; /* a buffer was lost to the kernel: its pool may leak */
	bool signal_sent;
	bool second_signal;
	bool name_refused; /* an unlink was refused: a temporary may stay */
	bool lock_refused;
	struct lie lies[LIE_MAX];
	uint32_t lie_count;
	uint64_t hits[CALL_COUNT];
	uint64_t cached[CACHED_COUNT];
	char text_err[TEXT_BYTES], text_out[TEXT_BYTES];
	uint32_t text_err_len, text_out_len;
	/* the disk */
	struct dev devs[DEV_MAX];
	uint32_t inode_count, page_count, page_free, pages_used;
	uint32_t root;
	uint32_t cwd;
	uint32_t name_op_count;
	uint32_t heap_used;
	uint32_t stdin_ino, stdout_ino;
	uint32_t dst_dir; /* below it is the destination */
	struct ofd ofds[OFD_MAX];
	uint16_t fds[FD_MAX]; /* number in ofds + 1; 0 = free */
	uint32_t fds_used;
	mode_t umask;
	struct inode inodes[INODE_MAX];
	struct name_op name_ops[NAME_OPS_MAX];
	uint16_t page_refs[PAGE_MAX];
	uint32_t page_next[PAGE_MAX];
	_Alignas(64) uint8_t heap[HEAP_BYTES];
	_Alignas(4096) uint8_t pages[(size_t)PAGE_MAX * SIM_PAGE];
};

extern struct sim *sim;

/* ---- chance */

uint64_t rng_mix(uint64_t x);
uint64_t rng_next(uint64_t *state);
uint64_t rng_below(uint64_t *state, uint64_t limit); /* 0 .. limit - 1 */
bool rng_chance(uint64_t *state, unsigned one_in);

/* ---- disk.c: no faults, no time; errors are negative errnos */

void disk_reset(void);
void *disk_alloc(size_t size); /* zeroed; goes with the next reset */
char *disk_strdup(const char *text);
uint32_t disk_new(uint32_t dev, mode_t mode); /* inode without a name; 0: none left */
int disk_name_set(uint32_t dir, const char *name, uint32_t ino);
int disk_name_move(uint32_t from_dir, const char *from, uint32_t to_dir, const char *to);
int disk_name_drop(uint32_t dir, const char *name);
uint32_t disk_find(uint32_t dir, const char *name); /* 0: not there */
/* The inode a path from dir leads to, or -errno; with last (of 256 bytes) *parent and the last component,
 * which may be missing: then 0. */
int64_t disk_walk(uint32_t dir, const char *path, bool follow, uint32_t *parent, char *last);
void disk_open(uint32_t ino);
void disk_close(uint32_t ino);
ssize_t disk_read(uint32_t ino, uint64_t off, void *mem, size_t len, bool direct);
ssize_t disk_write(uint32_t ino, uint64_t off, const void *mem, size_t len, bool direct);
int disk_truncate(uint32_t ino, uint64_t size);
int disk_punch(uint32_t ino, uint64_t off, uint64_t len);
int64_t disk_seek(uint32_t ino, uint64_t off, bool data);
int64_t disk_share(uint32_t src, uint32_t dst); /* the whole file's blocks */
void disk_writeback(uint32_t ino);
void disk_lose(uint32_t ino);
void disk_drop_cache(uint32_t ino);
void disk_sync(uint32_t ino);     /* fsync */
void disk_sync_all(uint32_t dev); /* syncfs */
void disk_settle(void);           /* all there is is safe */
void disk_power_cut(uint64_t *rng);
void disk_kill(void); /* descriptors and locks go, and with them files without a name */
struct fmap disk_copy_map(const struct fmap *map);
/* The bytes of page index of a map as they are (a hole's are zeros). */
const uint8_t *disk_page(const struct fmap *map, uint64_t index);
void disk_touch(struct inode *inode, bool data);
uint64_t disk_blocks(const struct inode *inode);

static inline struct inode *disk_at(uint32_t ino)
{
	return &sim->inodes[ino];
}

/* ---- sched.c */

struct strike { /* what the plan has for this call */
	enum fault_kind kind;
	int value;
};

bool sim_active(void); /* in the child, in zcopy's own code */
/* A call begins: time passes, others may run, what is due happens. Returns the fault, if one is due. */
struct strike sim_enter(enum call call);
/* A call has its result: part of the trace. */
int64_t sim_leave(enum call call, int64_t arg, int64_t result);
/* One part of a call that moves bytes, or one request of a ring: counted, no time passes. */
struct strike sim_strike(enum call call);
/* The wait of this thread for key, at most until the deadline (0: none). 0, -ETIME or -EINTR. */
int sim_wait(const void *key, uint64_t deadline_ns, bool interruptible);
void sim_wake(const void *key);
/* The bytes of a file are about to be read: the moment for a source to change. */
void sim_reads(uint32_t ino);
uint64_t sim_draw(uint64_t limit);
__attribute__((noreturn, format(printf, 1, 2))) void sim_lost(const char *why, ...);
__attribute__((noreturn)) void sim_exit(enum end_kind end, int status);
/* Runs zcopy's main in this process and ends it. */
__attribute__((noreturn)) void sim_run(int argc, char **argv);
void sim_say(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* ---- ring.c */

uint64_t ring_next_ns(void); /* when the next request is due; UINT64_MAX: none is under way */
void ring_turn(void);        /* performs what is due                                         */
void ring_crash(void);       /* some of what is under way is still performed                 */
unsigned ring_open_count(void);
void ring_forget(const void *mem, size_t len); /* memory goes away */

/* ---- calls.c: what a ring's requests do */

int64_t calls_pread(uint32_t ofd, void *mem, size_t len, int64_t off, struct strike strike);
int64_t calls_pwrite(uint32_t ofd, const void *mem, size_t len, int64_t off, struct strike strike);
bool calls_ready(uint32_t ofd, bool write);
bool calls_is_dry(uint32_t ofd); /* nothing can be read from it ever again */
int64_t calls_ofd(int fd);       /* or -EBADF */
void calls_ofd_get(uint32_t ofd);
void calls_ofd_put(uint32_t ofd);
unsigned calls_fds_open(void);
void calls_std(void); /* descriptors 0, 1, 2 */

/* ---- plan.c */

extern const char *const call_names[CALL_COUNT];
const char *plan_kind_name(enum fault_kind kind);
bool plan_is_lie(enum fault_kind kind);
bool plan_parse(const char *text, struct fault *faults, uint32_t *count);
void plan_print(const struct fault *faults, uint32_t count, char *out, size_t size);
struct strike plan_strike(enum call call);
uint32_t plan_errno_count(void);
int plan_errno(uint32_t index);

#endif
