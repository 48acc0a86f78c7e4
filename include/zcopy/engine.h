/*
 * engine: performs requests. It knows descriptors and bytes, never files or peers.
 * uring.c (sole liburing user) and sync.c (plain system calls, helper threads) give the same results.
 *
 * Flow: the caller fills requests, submits them, reaps them: completions are pulled, never called back.
 * A request and its memory belong to the engine from submit until reap returns it. After zc_stopped()
 * the engine cancels what waits on pipes and devices and returns everything it holds: -ECANCELED.
 * Threads: an engine belongs to the thread that opened it. Nothing is allocated after open.
 */
#ifndef ZCOPY_ENGINE_H
#define ZCOPY_ENGINE_H

#include <stdint.h>

#include "zcopy/base.h"
#include "zcopy/mem.h"

enum zc_op {
	ZC_OP_NOP,
	ZC_OP_READ,
	ZC_OP_WRITE,
};

#define ZC_OFF_STREAM UINT64_MAX /* the descriptor has no position we may name: pipe, tty, inherited file */

enum zc_req_flag {
	/* A short result is continued until len_bytes, end of file or an error. Without it a READ
	 * completes with what one read gave (streams pass on what there is). WRITE always continues. */
	ZC_REQ_FULL = 1 << 0,
};

struct zc_req {
	/* the caller's, constant while the engine has it */
	enum zc_op op;
	unsigned flags;
	int fd;
	uint32_t len_bytes; /* 1 .. 1 GiB                                                    */
	uint64_t off_bytes; /* or ZC_OFF_STREAM                                              */
	uint8_t *mem;       /* len_bytes long                                                */
	struct zc_buf *buf; /* the pool buffer mem lies in (TAKEN; LENT while in flight), or NULL */
	void *owner;        /* opaque here                                                   */
	/* the result, valid once reaped */
	uint32_t done_bytes; /* bytes really moved, also when err is set                      */
	int err;             /* 0 or negative errno. READ: done < len and 0 = end of file (FULL) */
	/* the engine's own */
	struct zc_req *next;
	uint32_t slot;
	uint32_t tries;
};

enum zc_engine_kind {
	ZC_ENGINE_AUTO, /* the ring; where it is refused, the other one */
	ZC_ENGINE_URING,
	ZC_ENGINE_SYNC,
};

struct zc_engine_cfg {
	enum zc_engine_kind kind;
	unsigned depth;                 /* most requests in flight, 1 .. 4096                              */
	unsigned thread_count;          /* sync: helper threads, 0 = requests are performed inside submit  */
	struct zc_pool *pool;           /* registered with the ring where memlock allows; NULL = none      */
	int node;                       /* helper threads run on this node's CPUs; ZC_NODE_ANY             */
	struct zc_fallbacks *fallbacks; /* what was refused at open, and later; may be NULL       */
};

struct zc_engine_facts {
	const char *name;  /* "uring" or "sync"                                                */
	const char *setup; /* "single_issuer+defer_taskrun", "coop_taskrun", "plain", "threads", "inline" */
	unsigned depth;
	unsigned thread_count;
	bool registered; /* the pool's region is a registered buffer                         */
};

struct zc_engine;

/* 0 or -errno: ZC_ENGINE_URING: why there is no ring (ENOSYS, EPERM, EACCES, ENOMEM ...); AUTO and SYNC
 * fail for memory or threads only (sync without threads works inline, so practically never). */
int zc_engine_open(struct zc_engine **ret_engine, const struct zc_engine_cfg *cfg);
/* Accepts count requests (all of them; count + in flight <= depth is the caller's duty) and starts
 * them. Never fails: what cannot be started is reaped with its error. */
void zc_engine_submit(struct zc_engine *engine, struct zc_req *const *reqs, unsigned count);
/* Waits until at least wait_min (<= in flight) requests are done, returns up to max of them. After
 * zc_stopped() it cancels and still returns requests until none is left: call until in flight is 0.
 * A request whose memory the kernel may still own comes back with err -ENOTRECOVERABLE and its buffer
 * LOST; the ring was then rebuilt (or is gone: everything later answers -ENOTRECOVERABLE at once, its
 * buffer TAKEN). wait_min <= max. */
unsigned zc_engine_reap(struct zc_engine *engine, struct zc_req **ret_done, unsigned max, unsigned wait_min);
unsigned zc_engine_in_flight(const struct zc_engine *engine);
void zc_engine_facts(const struct zc_engine *engine, struct zc_engine_facts *ret_facts);
/* In flight must be 0. NULL is fine. */
void zc_engine_close(struct zc_engine *engine);

/* ---- what an engine implements (uring.c, sync.c, and in tests fault.c) */

struct zc_engine_ops {
	const char *name;
	int (*open)(struct zc_engine **ret_engine, const struct zc_engine_cfg *cfg);
	void (*submit)(struct zc_engine *engine, struct zc_req *const *reqs, unsigned count);
	unsigned (*reap)(struct zc_engine *engine, struct zc_req **ret_done, unsigned max, unsigned wait_min);
	void (*facts)(const struct zc_engine *engine, struct zc_engine_facts *ret_facts);
	void (*close)(struct zc_engine *engine);
};

/* Every engine's struct starts with this. */
struct zc_engine {
	const struct zc_engine_ops *ops;
	unsigned in_flight;
	unsigned depth;
};

extern const struct zc_engine_ops zc_engine_uring;
extern const struct zc_engine_ops zc_engine_sync;

#endif
