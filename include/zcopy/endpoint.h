/*
 * endpoint: the ends of a copy. An end describes itself as data (zc_shape), says which spans it has
 * (next) and prepares requests (prep); the bulk I/O is done by an engine or by the kernel.
 *
 * Ownership: an end owns its descriptor when it was opened here (zc_end_open_*), and borrows it when
 * it was inherited. An end belongs to one lane. Blocking: open and finish may block, the rest does not.
 */
#ifndef ZCOPY_ENDPOINT_H
#define ZCOPY_ENDPOINT_H

#include <stdint.h>
#include <sys/stat.h>

#include "zcopy/base.h"
#include "zcopy/engine.h"

#define ZC_SIZE_UNKNOWN UINT64_MAX

enum zc_cap {
	ZC_CAP_SEEK = 1 << 0,      /* absolute offsets work                                     */
	ZC_CAP_HOLES = 1 << 1,     /* source: SEEK_DATA is worth asking. sink: holes can be left */
	ZC_CAP_REG = 1 << 2,       /* a regular file                                            */
	ZC_CAP_BLOCK = 1 << 3,     /* a block device                                            */
	ZC_CAP_PIPE = 1 << 4,      /* a pipe or FIFO: splice works                              */
	ZC_CAP_SOCK = 1 << 5,      /* a socket                                                  */
	ZC_CAP_CHAR = 1 << 6,      /* a character device: tty, /dev/null, /dev/zero             */
	ZC_CAP_APPEND = 1 << 7,    /* O_APPEND: only plain write works                          */
	ZC_CAP_SYNTH = 1 << 8,     /* null: zero: gen:                                          */
	ZC_CAP_FRESH = 1 << 9,     /* sink: a new empty file of ours; what is not written reads as zeros */
	ZC_CAP_NONBLOCK = 1 << 10, /* O_NONBLOCK is set by others, who share it               */
	ZC_CAP_DISCARD = 1 << 12,  /* sink: takes all and keeps nothing (null:)                */
	ZC_CAP_LEND = 1 << 11,     /* sink: lends its own buffers (LargeWriteBuffer): end.lent      */
	ZC_CAP_PEER = 1 << 13,     /* a socket that we have connected or accepted                   */
};

/* What routes and choosers look at. Filled by open, read only after. */
struct zc_shape {
	unsigned caps;
	int fd;              /* -1 for synthetic ends                                         */
	uint64_t size_bytes; /* from base_bytes on; ZC_SIZE_UNKNOWN: read to end of file      */
	uint64_t base_bytes; /* offset of the first byte (an inherited file's position)       */
	dev_t dev;           /* st_dev of the file, st_rdev of a device                       */
	ino_t ino;
	uint32_t io_bytes;    /* st_blksize                                                    */
	uint32_t align_bytes; /* O_DIRECT: of offsets, lengths, memory; 0: not asked or refused */
};

enum zc_span_kind {
	ZC_SPAN_DATA,
	ZC_SPAN_HOLE,
	ZC_SPAN_END,
};

/* A piece of an end. Offsets count from the end's first byte (base_bytes). */
struct zc_span {
	enum zc_span_kind kind;
	uint64_t off_bytes;
	uint64_t len_bytes; /* ZC_SIZE_UNKNOWN: to end of file */
};

struct zc_end {
	const struct zc_end_ops *ops;
	struct zc_shape shape;
	bool owned;           /* the descriptor is ours to close                          */
	bool direct;          /* it is O_DIRECT now                                       */
	uint64_t seed;        /* gen:                                                     */
	uint64_t bad_bytes;   /* gen: as a sink: offset of the first wrong byte           */
	struct zc_pool *lent; /* sink with ZC_CAP_LEND: the pool it lends               */
};

/* A missing function is an end without that ability. */
struct zc_end_ops {
	const char *scheme;
	/* Source: the span that starts at from. Holes are a hint; offsets always advance. 0 or -errno. */
	int (*next)(struct zc_end *end, uint64_t from, struct zc_span *ret_span);
	/* Completes a request whose op, mem, len_bytes and off_bytes (counted from the end's first byte)
	 * are set: descriptor and real offset. true: there is nothing to wait for, the result is in req. */
	bool (*prep)(struct zc_end *end, struct zc_req *req);
	/* Sink: what is there now reads as zeros. 0 or -errno; NULL: zeros have to be written. */
	int (*hole)(struct zc_end *end, uint64_t off_bytes, uint64_t len_bytes);
	/* Sink: all bytes are there, size_bytes of them. Makes the size exact. 0 or -errno. */
	int (*finish)(struct zc_end *end, uint64_t size_bytes);
};

/* ---- endpoint.c: from a descriptor or a name to an end */

/* Looks at fd and becomes the fitting end. owned: the descriptor is nobody else's: its flags may be
 * changed, and zc_end_close closes it. After a failure fd is still the caller's. A regular
 * file that is not owned is used at its file position; as a sink it is a stream. */
int zc_end_from_fd(struct zc_end *ret_end, int fd, enum zc_dir dir, bool owned);
/* null: zero: gen: */
void zc_end_from_synth(struct zc_end *ret_end, const struct zc_uri *uri, enum zc_dir dir);
/* 0 or close(2)'s own error (NFS, FUSE and quotas speak up late). NULL, zeroed and closed ends are fine. */
int zc_end_close(struct zc_end *end);
/* What one calls such an end: "file", "pipe", "block device", "null:", ... */
const char *zc_end_noun(const struct zc_end *end);

/* ---- file.c: things that only files and block devices know */

/* Switches O_DIRECT on or off. -EINVAL where the file system refuses, -EPERM on a descriptor that is
 * not ours. When switched on, shape.align_bytes is what requests must obey. */
int zc_end_set_direct(struct zc_end *end, bool on);
/* How much of the file's first len_bytes, without its holes, is in the page cache, in percent; -1: this
 * kernel does not say. Asks cachestat(2), else samples preadv2(RWF_NOWAIT); *ret_how names the one that
 * answered. */
int zc_end_resident_percent(struct zc_end *end, uint64_t len_bytes, const char **ret_how);
/* The same of one range, which is taken to be all data. Bytes. */
int zc_end_range_percent(const struct zc_end *end, uint64_t off_bytes, uint64_t len_bytes);
/* How long the data is between two holes, on average of a few places; len_bytes: there are no holes. */
uint64_t zc_end_piece_bytes(const struct zc_end *end, uint64_t len_bytes);
/* Has the kernel read what data there is from that byte on, up to ZC_AHEAD_PIECES pieces, without waiting for
 * it. Returns the byte up to which it was asked; ZC_SIZE_UNKNOWN: there is no more, or nobody knows where it
 * is. */
#define ZC_AHEAD_PIECES 64
uint64_t zc_end_read_ahead(const struct zc_end *end, uint64_t from_bytes);
/* statfs's name for the file system: "ext4", "xfs", ...; "0x1234" style in out when unknown. */
const char *zc_fs_name(int fd, char out[24]);
/* Is there a server behind it (NFS, CIFS, FUSE, Ceph)? */
bool zc_fs_is_remote(int fd);

/* ---- block.c: who else uses a block device */

#define ZC_BLOCK_USER_BYTES 300
/* What keeps it from being opened exclusively, for people: "mounted at /mnt", "used as swap", "in use by
 * dm-0", "in use" when nobody can be named. Of a partition also what is said of the disk, and of a disk what
 * is said of its partitions. false: nobody can be named. */
bool zc_block_is_used(char out[ZC_BLOCK_USER_BYTES], dev_t dev);

/* ---- tcp.c: raw bytes to or from a peer. These block, each until zc_stopped(): -ECANCELED. timeout_ns 0:
 * for ever; else -ETIMEDOUT. */

#define ZC_TCP_NAME_BYTES 80

/* Bound and listening; without an address both of IPv6 and of IPv4. 0, or -errno; a name that is not found is
 * -EHOSTUNREACH with *ret_why the resolver's sentence, which else stays untouched. */
int zc_tcp_listen(int *ret_fd, const struct zc_uri *uri, const char **ret_why);
/* "127.0.0.1:9000", "[::]:9000": where fd listens, or is connected from. */
const char *zc_tcp_name(char out[ZC_TCP_NAME_BYTES], int fd);
/* The first peer that comes. fd stays the caller's. */
int zc_tcp_accept(struct zc_end *ret_end, int fd, enum zc_dir dir, uint64_t timeout_ns);
/* Each address of the host in turn, timeout_ns for all; without one as long as the kernel tries. */
int zc_tcp_connect(struct zc_end *ret_end, const struct zc_uri *uri, enum zc_dir dir, uint64_t timeout_ns,
                   const char **ret_why);
/* Sink, all is written: says so to the peer and waits until it has closed, too, so that a reset is noticed.
 * A peer that has acknowledged all bytes may keep its side open: after a while that is good enough. 0 or
 * -errno. */
int zc_tcp_finish(struct zc_end *end, uint64_t timeout_ns);
/* Bytes that have come from the peer, or that it has acknowledged; *ret_idle: there is nothing to be read
 * now, or no room to write. Any thread may ask. */
uint64_t zc_tcp_moved(const struct zc_end *end, enum zc_dir dir, bool *ret_idle);
/* What waits for the peer returns now. Any thread may call it. */
void zc_tcp_abort(const struct zc_end *end);

extern const struct zc_end_ops zc_end_file;   /* regular files and block devices            */
extern const struct zc_end_ops zc_end_stream; /* pipes, sockets, ttys, inherited sink files */
extern const struct zc_end_ops zc_end_null;
extern const struct zc_end_ops zc_end_zero;
extern const struct zc_end_ops zc_end_gen;

#endif
