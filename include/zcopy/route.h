/*
 * route: ways to move one span from a source to a sink, best first. In-kernel routes move bytes
 * without our buffers; the buffer route always fits. A route that answers "not me" leaves
 * leg->done_bytes exact, and the next one goes on from there.
 *
 * A kit is what a lane lends to routes: nothing is allocated while a route runs. One thread.
 */
#ifndef ZCOPY_ROUTE_H
#define ZCOPY_ROUTE_H

#include <stdatomic.h>
#include <stdint.h>

#include "zcopy/endpoint.h"
#include "zcopy/engine.h"

enum zc_route_kind {
	ZC_ROUTE_AUTO,
	ZC_ROUTE_REFLINK,
	ZC_ROUTE_CFR,
	ZC_ROUTE_SENDFILE,
	ZC_ROUTE_SPLICE,
	ZC_ROUTE_BUFFER,
	ZC_ROUTE_COUNT,
};
const char *zc_route_name(enum zc_route_kind kind);

/* Counters that another thread may read at any time; the lane alone writes. Bytes. */
struct zc_progress {
	_Atomic uint64_t total;       /* ZC_SIZE_UNKNOWN while unknown    */
	_Atomic uint64_t read;        /* taken from the source            */
	_Atomic uint64_t written;     /* accepted by the destination      */
	_Atomic uint64_t durable;     /* safe from a power cut            */
	_Atomic uint64_t resumed;     /* there already: of an earlier run      */
	_Atomic uint64_t items_done;  /* names of trees that are done with     */
	_Atomic uint64_t items_found; /* names of trees known by now           */
	_Atomic uint32_t waiting;     /* enum zc_side of the call that runs, of streams; NONE: unknown */
	_Atomic uint64_t buffered;    /* read and not written yet: --buffer    */
	_Atomic uint64_t buffer;      /* its size; 0: there is none            */
	struct zc_progress *sum;      /* where read and written count as well; NULL: nowhere */
};

static inline void zc_progress_add(struct zc_progress *progress, uint64_t read, uint64_t written)
{
	for (; progress != NULL; progress = progress->sum) {
		atomic_fetch_add_explicit(&progress->read, read, memory_order_relaxed);
		atomic_fetch_add_explicit(&progress->written, written, memory_order_relaxed);
	}
}

/* A call of this side begins, which may take as long as whoever is behind it likes. */
static inline void zc_progress_wait(struct zc_progress *progress, enum zc_side side)
{
	for (; progress != NULL; progress = progress->sum) {
		atomic_store_explicit(&progress->waiting, side, memory_order_relaxed);
	}
}

static inline void zc_progress_buffered(struct zc_progress *progress, uint64_t bytes)
{
	for (; progress != NULL; progress = progress->sum) {
		atomic_store_explicit(&progress->buffered, bytes, memory_order_relaxed);
	}
}

/* ---- pace.c: --limit. One for all who copy, any number of threads. */

struct zc_kit;
struct zc_pace {
	uint64_t bytes_per_second;
	_Atomic uint64_t due_ns; /* when what was granted so far should have been written */
};
void zc_pace_init(struct zc_pace *pace, uint64_t bytes_per_second);
/* How many of want_bytes (> 0) kit may write now: waits until it is granted some. Granted bytes are paid for
 * at once, whoever else asks, and stay kit's until they are spent. A multiple of align_bytes if want_bytes is
 * one (a power of two); 0: zc_stopped(). Without kit->pace all of them. */
uint64_t zc_pace_step(struct zc_kit *kit, uint64_t want_bytes, uint32_t align_bytes);
/* They are written, or on their way. */
void zc_pace_spend(struct zc_kit *kit, uint64_t bytes);
/* They were not, after all. */
void zc_pace_return(struct zc_kit *kit, uint64_t bytes);

/* Where a buffer's way spends its time. */
enum zc_stage {
	ZC_STAGE_WAIT,  /* a read could be started, but every buffer was on its way */
	ZC_STAGE_READ,  /* from the request's submission until it was reaped        */
	ZC_STAGE_WRITE, /* likewise                                                 */
	ZC_STAGE_COUNT,
};

/* A bench's: is told how long each stage of the buffer route took. Any lane's thread. What takes no request
 * (null: zero: gen:) is not told of. */
struct zc_probe {
	void (*stage)(void *arg, enum zc_stage stage, uint64_t ns);
	void *arg;
};
/* ---- fan.c: --tee, further sinks of the same bytes. One thread. */

enum zc_fan_policy {               /* with a pipe or socket that takes nothing now */
	             ZC_FAN_BLOCK, /* all wait for it                                */
	             ZC_FAN_DROP,  /* it does not get these bytes                     */
	             ZC_FAN_FAIL,  /* after ZC_FAN_FAIL_MS it gets no more            */
};
#define ZC_FAN_FAIL_MS 1000

struct zc_fan_sink {
	struct zc_end *end; /* borrowed */
	enum zc_fan_policy policy;
	/* NULL, or sees what the sink has accepted, in order. Buffer route only. */
	void (*tap)(void *arg, uint64_t off_bytes, const void *mem, size_t len_bytes);
	void *tap_arg;
	int pipe[2]; /* route's own; -1 */
	size_t owed_bytes;
	/* results */
	uint64_t done_bytes;
	uint64_t dropped_bytes;
	struct zc_err err; /* it gets nothing more; the others go on */
};

struct zc_fan {
	struct zc_fan_sink *sinks;
	unsigned count;
	struct zc_engine *engine; /* inline, of depth 1 at least; the caller's */
	bool teed;                /* tee(2) works here                         */
};

/* To all sinks that have not failed, before it returns: for the tap of a leg. */
void zc_fan_write(struct zc_fan *fan, const void *mem, size_t len_bytes);
/* Why its sinks cannot have pages by tee(2); NULL: they can. fan may be NULL. */
const char *zc_fan_unfit(const struct zc_fan *fan);
void zc_fan_close(struct zc_fan *fan); /* the pipes */

/* ---- store.c: --buffer, a store of bytes between a thread that reads and the lane's own, which writes. */

struct zc_store;

struct zc_store_facts {
	uint64_t bytes;
	uint64_t peak_bytes; /* the most there was in it                     */
	uint64_t full_ns;    /* the reader had no room: the consumer is slow  */
	uint64_t empty_ns;   /* the writer had nothing: the producer is       */
};

/* Over all of pool, which nobody else uses meanwhile; borrowed until free. 0 or -ENOMEM. */
int zc_store_new(struct zc_store **ret_store, struct zc_pool *pool);
void zc_store_free(struct zc_store *store); /* NULL is fine */
void zc_store_facts(const struct zc_store *store, struct zc_store_facts *ret_facts);

struct zc_trip; /* one buffer's way through the buffer route */

struct zc_kit {
	struct zc_engine *engine; /* buffer route                                     */
	struct zc_pool *pool;     /* buffer route; a lending sink's is used instead   */
	struct zc_store *store;   /* buffer route: not NULL: through it, whose pool is pool   */
	struct zc_trip *trips;    /* zc_trips_alloc(trip_count), trip_count >= buffers */
	unsigned trip_count;
	int pipe[2]; /* splice route: private pipe, opened on first use; -1 */
	int null_fd; /* splice route: what null: is to splice, likewise; -1 */
	uint32_t pipe_bytes;
	uint32_t src_pipe_bytes; /* of the ends of the last leg that are pipes; else 0 */
	uint32_t dst_pipe_bytes;
	struct zc_progress *progress; /* never NULL                                     */
	struct zc_pace *pace;         /* NULL: as fast as it goes                       */
	uint64_t granted_bytes;       /* by pace, to be spent                           */
	struct zc_fallbacks *fallbacks;
	const struct zc_probe *probe; /* NULL: the clock is not looked at                       */
};
struct zc_trip *zc_trips_alloc(unsigned count); /* free() it; NULL = no memory */

/* How large and how many requests are while the route runs. Whoever copies owns it. */
struct zc_knobs {
	uint32_t block_bytes; /* of the next reads, a multiple of the ends' alignment; at most a buffer's */
	unsigned depth; /* most buffers in use, 1 or more                                              */
	bool halt;      /* read no more: move returns 0, with the rest of the span to be gone on with   */
	/* May change the above. Called after each batch of requests, with the leg's done_bytes by then. */
	void (*beat)(struct zc_knobs *knobs, uint64_t done_bytes);
};

struct zc_leg {
	struct zc_end *src;
	struct zc_end *dst;
	struct zc_span span;   /* DATA; len ZC_SIZE_UNKNOWN: to end of file                   */
	uint32_t sparse_bytes; /* not 0: runs of this many zeros become holes (--sparse=always) */
	bool direct_forced;    /* O_DIRECT refused at a request is an error, not a fallback   */
	/* NULL, or sees all bytes as they were read, in order, before they are written. Buffer route only. */
	void (*tap)(void *arg, uint64_t off_bytes, const void *mem, size_t len_bytes);
	void *tap_arg;
	struct zc_fan *fan;     /* splice route: NULL, or further sinks. The others: a matter of the tap */
	struct zc_knobs *knobs; /* NULL: all buffers, whole. Buffer route only.                       */
	/* results, exact at every return. Where the buffer route failed between two ends that can be
	 * positioned in, done_bytes is how many were written, in any places. */
	uint64_t done_bytes;  /* from span.off_bytes on                                      */
	uint64_t hole_bytes;  /* of those, left as holes                                     */
	uint64_t whole_bytes; /* so many from span.off_bytes on are written without a gap: also there */
	bool undirected;      /* an end refused O_DIRECT at a request and went on without          */
	bool eof;             /* the source ended before span did                            */
	struct zc_err err;
};

struct zc_route_ops {
	enum zc_route_kind kind;
	const char *name;
	/* Pure: looks at the shapes only. NULL = it fits, else why not (a phrase that lives for ever). */
	const char *(*unfit)(const struct zc_shape *src, const struct zc_shape *dst);
	/* 0: moved all of the span, or up to the source's end (leg->eof) or a knob's halt | -EOPNOTSUPP: "not
	 * me", why in leg->err | other: a real failure, in leg->err. -ECANCELED after zc_stopped(). */
	int (*move)(struct zc_kit *kit, struct zc_leg *leg);
};

const struct zc_route_ops *zc_route(enum zc_route_kind kind);

/* io.Copy: tries the routes in order until the span is moved. A route's "not me" is noted in
 * kit->fallbacks. *ret_used: the route that moved the last bytes. moved[kind] += bytes by each route.
 * Result as zc_route_ops.move; -EOPNOTSUPP only when the last route of the list said so. */
int zc_copy(struct zc_kit *kit, struct zc_leg *leg, const enum zc_route_kind *order, unsigned count,
            uint64_t moved[ZC_ROUTE_COUNT]);
/* io.CopyBuffer: the buffer route's own loop, for callers that bring buffers (kit->pool). */
int zc_copy_buffer(struct zc_kit *kit, struct zc_leg *leg);

extern const struct zc_route_ops zc_route_reflink;
extern const struct zc_route_ops zc_route_cfr;
extern const struct zc_route_ops zc_route_sendfile;
extern const struct zc_route_ops zc_route_splice;
extern const struct zc_route_ops zc_route_buffer;

#endif
