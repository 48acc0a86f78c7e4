/*
 * buffer.c: through our buffers. It always fits: this is io.CopyBuffer's loop, with many trips at once.
 *
 *   FREE --take--> READING --> READY --> WRITING --give--> FREE       one trip = one buffer's way
 *                     ^ a direct read goes on        ^ a sparse block has several writes
 *
 * The source's prep and the sink's prep fill the requests, the engine performs them; the only throttle
 * is the pool being empty. A seekable end may have any number of requests in flight, a stream one at a
 * time, in order: completed reads then wait for their turn (sequence numbers).
 * A sink that lends its own pool is read into directly: no byte is copied here in any case.
 *
 * O_DIRECT: offsets and lengths are multiples of the alignment but for the file's tail, which waits
 * until all else has landed and then goes through the page cache. A refused direct request (EINVAL: some
 * file systems accept the flag at open and refuse at the first request) is done again without the flag.
 */
#include "zcopy/route.h"

#include <errno.h>
#include <stdlib.h>

#include "kernel.h"
#include "store.h"
#include "zcopy/arch.h"

#define BATCH_MAX 64
/* What fits the usual pipes needs no larger ones. */
#define GROW_BYTES_MIN (128 * ZC_KIB)

enum trip_state {
	TRIP_IDLE,
	TRIP_READING,
	TRIP_READY,
	TRIP_WRITING,
};

struct zc_trip {
	struct zc_req req;
	struct zc_buf *buf;
	struct zc_trip
	    *in_turn; /* slot of the order ring: the trip with sequence number = index (mod count) */
	uint64_t seq;
	uint64_t off_bytes;  /* of the buffer's first byte, from the source's first byte     */
	uint32_t want_bytes; /* asked of the source                                          */
	uint32_t len_bytes;  /* read so far; final when READY                                */
	uint32_t at_bytes;   /* of these, settled with the sink                              */
	uint64_t since_ns;   /* a probe's: when the request was submitted; 0: it was not     */
	enum trip_state state;
	bool direct; /* the request was issued on an O_DIRECT descriptor             */
};

struct run {
	struct zc_kit *kit;
	struct zc_leg *leg;
	struct zc_pool *pool;
	struct zc_trip *tail;    /* ends at an unaligned byte, waits for O_DIRECT to be off      */
	uint64_t next_off_bytes; /* of the next read                                             */
	uint64_t end_off_bytes;  /* of the span; ZC_SIZE_UNKNOWN                                 */
	uint64_t eof_off_bytes;  /* lowest place where the source ended                          */
	uint64_t gap_off_bytes;  /* lowest place that was not written, once failed               */
	uint64_t read_seq;
	uint64_t write_seq; /* whose turn it is, ordered sinks only                         */
	unsigned reading;
	unsigned writing;
	unsigned batch_count;
	bool src_stream;
	bool dst_stream;
	bool src_done;
	bool failed;
	bool tapped_all;        /* the source's end was seen by the tap                                */
	uint64_t tap_seq;       /* whose turn it is to be seen by the tap, sinks in any order only     */
	uint64_t wait_since_ns; /* a probe's: there is no buffer since then; 0: there is      */
	uint64_t reaped_ns;     /* a probe's: of the requests at hand                         */
	struct zc_req *batch[BATCH_MAX];
};

struct zc_trip *zc_trips_alloc(unsigned count)
{
	return calloc(count, sizeof(struct zc_trip));
}

static bool run_is_stream(const struct zc_end *end)
{
	return !(end->shape.caps & ZC_CAP_SEEK);
}

static void run_init(struct run *run, struct zc_kit *kit, struct zc_leg *leg)
{
	uint64_t from = leg->span.off_bytes + leg->done_bytes;

	*run = (struct run){
		.kit = kit,
		.leg = leg,
		.pool = leg->dst->lent != NULL ? leg->dst->lent : kit->pool,
		.next_off_bytes = from,
		.end_off_bytes = ZC_SIZE_UNKNOWN,
		.eof_off_bytes = ZC_SIZE_UNKNOWN,
		.gap_off_bytes = ZC_SIZE_UNKNOWN,
		.src_stream = run_is_stream(leg->src),
		.dst_stream = run_is_stream(leg->dst),
	};
	if (leg->span.len_bytes != ZC_SIZE_UNKNOWN) {
		run->end_off_bytes = leg->span.off_bytes + leg->span.len_bytes;
	}
	zc_verify(zc_pool_buf_count(run->pool) <= kit->trip_count);
}

static void run_fail(struct run *run, int code, enum zc_side side, const char *op, uint64_t off)
{
	run->failed = true;
	run->src_done = true;
	run->gap_off_bytes = zc_min_u64(run->gap_off_bytes, off);
	if (code == -ECANCELED && zc_stopped()) {
		side = ZC_SIDE_NONE;
	} else if (code == -ENOTRECOVERABLE) {
		side = ZC_SIDE_ENGINE;
	}
	zc_err_set(&run->leg->err, code, side, op, off);
}

/* Of streams one call at a time may take for ever: whose? */
static void run_note_waiting(struct run *run)
{
	if (run->src_stream || run->dst_stream) {
		zc_progress_wait(run->kit->progress, run->reading > 0 && run->writing == 0 ? ZC_SIDE_SRC
		                                     : run->reading == 0                   ? ZC_SIDE_DST
		                                     : zc_pool_free_count(run->pool) > 0   ? ZC_SIDE_SRC
		                                                                           : ZC_SIDE_DST);
	}
}

/* ---- the clock, which is looked at for a probe only: once a batch */

static void run_clock_batch(struct run *run)
{
	uint64_t now = zc_now_ns();

	for (unsigned i = 0; i < run->batch_count; i++) {
		((struct zc_trip *)run->batch[i]->owner)->since_ns = now;
	}
}

static void run_clock_done(struct run *run, struct zc_trip *trip, enum zc_stage stage)
{
	const struct zc_probe *probe = run->kit->probe;

	if (probe != NULL && trip->since_ns != 0) {
		probe->stage(probe->arg, stage, run->reaped_ns - trip->since_ns);
		trip->since_ns = 0;
	}
}

static void run_clock_wait(struct run *run, bool got)
{
	const struct zc_probe *probe = run->kit->probe;
	uint64_t since = run->wait_since_ns;

	if (got) {
		probe->stage(probe->arg, ZC_STAGE_WAIT, since == 0 ? 0 : zc_now_ns() - since);
		run->wait_since_ns = 0;
	} else if (since == 0) {
		run->wait_since_ns = zc_now_ns();
	}
}

static void run_flush(struct run *run)
{
	if (run->batch_count > 0) {
		run_note_waiting(run);
		if (run->kit->probe != NULL) {
			run_clock_batch(run);
		}
		zc_engine_submit(run->kit->engine, run->batch, run->batch_count);
		run->batch_count = 0;
	}
}

static void run_batch(struct run *run, struct zc_trip *trip)
{
	if (run->batch_count == BATCH_MAX) {
		run_flush(run);
	}
	run->batch[run->batch_count++] = &trip->req;
}

static void trip_end(struct run *run, struct zc_trip *trip)
{
	trip->state = TRIP_IDLE;
	if (run->failed && trip->at_bytes < trip->len_bytes) {
		run->gap_off_bytes = zc_min_u64(run->gap_off_bytes, trip->off_bytes + trip->at_bytes);
	}
	if (trip->buf->state != ZC_BUF_LOST) {
		zc_pool_give(run->pool, trip->buf);
	}
	trip->buf = NULL;
}

/* ---- the sink's side */

static void run_write_done(struct run *run, struct zc_trip *trip);

/* From at on: how far there are zero blocks only, or none at all. */
static uint32_t trip_run_end(const struct zc_trip *trip, uint32_t at, uint32_t unit, bool zeros)
{
	const struct zc_arch_ops *arch = zc_arch();

	while (at < trip->len_bytes) {
		uint32_t end = (uint32_t)zc_min_u64(at + unit, trip->len_bytes);

		if (arch->is_zero(trip->buf->mem + at, end - at) != zeros) {
			break;
		}
		at = end;
	}
	return at;
}

/* --sparse=always: settles zero blocks as holes. Returns the length of the data that follows, 0 when the
 * buffer is finished. A sink that cannot leave a hole here gets its zeros written. */
static uint32_t trip_skip_zeros(struct run *run, struct zc_trip *trip)
{
	struct zc_leg *leg = run->leg;
	uint32_t unit = leg->sparse_bytes;
	uint32_t len = trip->len_bytes;
	uint32_t at = trip->at_bytes;
	uint32_t end = trip_run_end(trip, at, unit, true);

	if (end > at && leg->dst->ops->hole(leg->dst, trip->off_bytes + at, end - at) == 0) {
		leg->hole_bytes += end - at;
		leg->done_bytes += end - at;
		zc_progress_add(run->kit->progress, 0, end - at);
		trip->at_bytes = at = end;
	}
	if (at == len) {
		return 0;
	}
	return trip_run_end(trip, end, unit, false) - at; /* with the zeros that have to be written */
}

/* The file's unaligned end waits. Two such ends mean that the source changed under us: the lower one is
 * where it ends for us, what lies beyond is dropped (and the change is reported by the job). */
static void trip_keep_tail(struct run *run, struct zc_trip *trip)
{
	struct zc_trip *other = run->tail;

	trip->state = TRIP_READY;
	if (other != NULL && other->off_bytes < trip->off_bytes) {
		trip_end(run, trip);
		return;
	}
	run->tail = trip;
	if (other != NULL) {
		trip_end(run, other);
	}
}

static void trip_write(struct run *run, struct zc_trip *trip)
{
	struct zc_end *dst = run->leg->dst;
	uint32_t align = dst->direct ? dst->shape.align_bytes : 1;
	uint32_t len = trip->len_bytes - trip->at_bytes;

	if (run->leg->sparse_bytes != 0 && dst->ops->hole != NULL) {
		len = trip_skip_zeros(run, trip);
	}
	if (len == 0) {
		trip_end(run, trip);
		return;
	}
	len = (uint32_t)zc_align_down(len, align);
	if (len == 0) {
		trip_keep_tail(run, trip);
		return;
	}
	if (run->kit->pace != NULL) {
		run_flush(run); /* what was granted before does not wait for this */
	}
	len = (uint32_t)zc_pace_step(run->kit, len, align);
	if (len == 0) {
		run_fail(run, -ECANCELED, ZC_SIDE_NONE, "write", trip->off_bytes + trip->at_bytes);
		trip_end(run, trip);
		return;
	}
	trip->req = (struct zc_req){
		.op = ZC_OP_WRITE,
		.len_bytes = len,
		.off_bytes = trip->off_bytes + trip->at_bytes,
		.mem = trip->buf->mem + trip->at_bytes,
		.buf = trip->buf,
		.owner = trip,
	};
	trip->state = TRIP_WRITING;
	trip->direct = dst->direct;
	run->writing++;
	zc_pace_spend(run->kit, len);
	if (dst->ops->prep(dst, &trip->req)) {
		run_write_done(run, trip);
	} else {
		run_batch(run, trip);
	}
}

/* A direct request was refused with EINVAL: from here on without O_DIRECT. true: go on so. */
static bool run_undirect(struct run *run, const struct zc_trip *trip, struct zc_end *end, const char *op)
{
	if (trip->req.err != -EINVAL || !trip->direct || run->leg->direct_forced) {
		return false;
	}
	if (end->direct) {
		if (zc_end_set_direct(end, false) < 0) {
			return false;
		}
		run->leg->undirected = true;
		zc_fallback_add(run->kit->fallbacks, "O_DIRECT", "page cache", op, -EINVAL);
	}
	return true;
}

static void run_write_done(struct run *run, struct zc_trip *trip)
{
	struct zc_leg *leg = run->leg;
	uint32_t done = trip->req.done_bytes;

	run->writing--;
	trip->at_bytes += done;
	leg->done_bytes += done;
	zc_progress_add(run->kit->progress, 0, done);
	zc_pace_return(run->kit, trip->req.len_bytes - done);
	if (trip->req.err < 0 && !run_undirect(run, trip, leg->dst, "write")) {
		run_fail(run, trip->req.err, ZC_SIDE_DST, "write", trip->off_bytes + trip->at_bytes);
	}
	if (run->failed || trip->at_bytes == trip->len_bytes) {
		trip_end(run, trip);
	} else {
		trip_write(run, trip);
	}
}

/* In the order of reading, up to the source's first end: what a growing file has behind it is not its. */
static void run_tap(struct run *run, const struct zc_trip *trip)
{
	struct zc_leg *leg = run->leg;

	if (leg->tap == NULL || run->tapped_all) {
		return;
	}
	leg->tap(leg->tap_arg, trip->off_bytes, trip->buf->mem, trip->len_bytes);
	run->tapped_all =
	    !run->src_stream &&
	    trip->len_bytes < zc_min_u64(trip->want_bytes, run->end_off_bytes - trip->off_bytes);
}

/* With a tap a buffer is written only once all before it were seen. */
static void run_write_tapped(struct run *run)
{
	while (run->tap_seq < run->read_seq) {
		struct zc_trip *trip = run->kit->trips[run->tap_seq % run->kit->trip_count].in_turn;

		if (trip->state != TRIP_READY) {
			return;
		}
		run->tap_seq++;
		if (run->failed) {
			trip_end(run, trip);
		} else {
			run_tap(run, trip);
			trip_write(run, trip);
		}
	}
}

/* A stream takes one buffer at a time, in the order of reading. */
static void run_write_in_turn(struct run *run)
{
	while (run->writing == 0 && run->write_seq < run->read_seq) {
		struct zc_trip *trip = run->kit->trips[run->write_seq % run->kit->trip_count].in_turn;

		if (trip->state != TRIP_READY) {
			return;
		}
		run->write_seq++;
		if (run->failed) {
			trip_end(run, trip);
		} else {
			run_tap(run, trip);
			trip_write(run, trip);
		}
	}
}

/* ---- the source's side */

static void run_read_done(struct run *run, struct zc_trip *trip);

static void trip_read(struct run *run, struct zc_trip *trip)
{
	struct zc_end *src = run->leg->src;

	trip->req = (struct zc_req){
		.op = ZC_OP_READ,
		.len_bytes = trip->want_bytes - trip->len_bytes,
		.off_bytes = trip->off_bytes + trip->len_bytes,
		.mem = trip->buf->mem + trip->len_bytes,
		.buf = trip->buf,
		.owner = trip,
	};
	trip->state = TRIP_READING;
	trip->direct = src->direct;
	run->reading++;
	if (src->ops->prep(src, &trip->req)) {
		run_read_done(run, trip);
		return;
	}
	if (run->src_stream && !run->dst_stream) {
		trip->req.flags |=
		    ZC_REQ_FULL; /* whole blocks for a file; a stream passes on what there is */
	}
	run_batch(run, trip);
}

/* A buffer that the next read may have, or NULL. */
static struct zc_buf *run_take(struct run *run)
{
	const struct zc_knobs *knobs = run->leg->knobs;
	unsigned used = zc_pool_buf_count(run->pool) - zc_pool_free_count(run->pool);

	return knobs != NULL && used >= knobs->depth ? NULL : zc_pool_take(run->pool);
}

static bool run_is_halted(const struct run *run)
{
	return run->leg->knobs != NULL && run->leg->knobs->halt;
}

/* Starts the next read; false when there is none to start now. */
static bool run_read(struct run *run)
{
	struct zc_end *src = run->leg->src;
	struct zc_buf *buf;
	struct zc_trip *trip;
	uint64_t want;

	if (run->src_done || run->next_off_bytes >= run->end_off_bytes || run_is_halted(run) ||
	    (run->src_stream && run->reading > 0)) {
		return false;
	}
	if (zc_stopped()) {
		run_fail(run, -ECANCELED, ZC_SIDE_NONE, "read", run->next_off_bytes);
		return false;
	}
	buf = run_take(run);
	if (run->kit->probe != NULL) {
		run_clock_wait(run, buf != NULL);
	}
	if (buf == NULL) {
		return false;
	}
	want = run->leg->knobs == NULL ? buf->cap_bytes
	                               : zc_min_u64(buf->cap_bytes, run->leg->knobs->block_bytes);
	want = zc_min_u64(want, run->end_off_bytes - run->next_off_bytes);
	if (src->direct) {
		want = zc_align_up(want, src->shape.align_bytes);
	}
	trip = &run->kit->trips[buf->index];
	trip->buf = buf;
	trip->seq = run->read_seq++;
	trip->off_bytes = run->next_off_bytes;
	trip->want_bytes = (uint32_t)want;
	trip->len_bytes = 0;
	trip->at_bytes = 0;
	trip->since_ns = 0;
	run->kit->trips[trip->seq % run->kit->trip_count].in_turn = trip;
	if (!run->src_stream) {
		run->next_off_bytes += want;
	}
	trip_read(run, trip);
	return true;
}

/* All that this buffer will get from the source is there: on to the sink. */
static void trip_ready(struct run *run, struct zc_trip *trip)
{
	zc_progress_add(run->kit->progress, trip->len_bytes, 0);
	trip->state = TRIP_READY;
	if (run->dst_stream) {
		return; /* run_write_in_turn() takes it */
	}
	if (run->leg->tap != NULL) {
		run_write_tapped(run);
	} else if (run->failed) {
		trip_end(run, trip);
	} else {
		trip_write(run, trip);
	}
}

static void run_at_eof(struct run *run, uint64_t off)
{
	run->src_done = true;
	run->eof_off_bytes = zc_min_u64(run->eof_off_bytes, off);
}

/* A direct read fell short, which need not be the end: the engine does not continue it, since what is left
 * may start at a byte that O_DIRECT refuses. There the page cache goes on, and knows the end. */
static void trip_read_on(struct run *run, struct zc_trip *trip)
{
	struct zc_end *src = run->leg->src;

	if (trip->len_bytes % src->shape.align_bytes != 0) {
		(void)zc_end_set_direct(src, false);
	}
	trip_read(run, trip);
}

static void run_read_done(struct run *run, struct zc_trip *trip)
{
	struct zc_leg *leg = run->leg;
	uint32_t done = trip->req.done_bytes;
	uint64_t span_left = run->end_off_bytes - trip->off_bytes;

	run->reading--;
	trip->len_bytes += done;
	if (trip->req.err < 0 && run_undirect(run, trip, leg->src, "read")) {
		trip_read(run, trip);
		return;
	}
	if (trip->req.err < 0) {
		run_fail(run, trip->req.err, ZC_SIDE_SRC, "read", trip->off_bytes + trip->len_bytes);
	} else if (run->src_stream) {
		run->next_off_bytes += done;
		if (done == 0 || ((trip->req.flags & ZC_REQ_FULL) && done < trip->want_bytes)) {
			run_at_eof(run, run->next_off_bytes);
		}
	} else if (trip->direct && done > 0 && trip->len_bytes < zc_min_u64(trip->want_bytes, span_left)) {
		trip_read_on(run, trip);
		return;
	} else if (trip->len_bytes < zc_min_u64(trip->want_bytes, span_left)) {
		run_at_eof(run, trip->off_bytes + trip->len_bytes);
	}
	/* a direct read is rounded up and may see beyond the span */
	trip->len_bytes = (uint32_t)zc_min_u64(trip->len_bytes, span_left);
	trip_ready(run, trip);
}

/* ---- the loop */

static void run_reap(struct run *run)
{
	struct zc_req *done[BATCH_MAX];
	unsigned count = zc_engine_reap(run->kit->engine, done, BATCH_MAX, 1);

	if (run->kit->probe != NULL) {
		run->reaped_ns = zc_now_ns();
	}
	for (unsigned i = 0; i < count; i++) {
		struct zc_trip *trip = done[i]->owner;

		if (trip->state == TRIP_READING) {
			run_clock_done(run, trip, ZC_STAGE_READ);
			run_read_done(run, trip);
		} else {
			zc_verify(trip->state == TRIP_WRITING);
			run_clock_done(run, trip, ZC_STAGE_WRITE);
			run_write_done(run, trip);
		}
	}
}

static void run_to_end(struct run *run)
{
	for (;;) {
		while (run_read(run)) {
			if (run->dst_stream) {
				run_write_in_turn(run);
			}
		}
		if (run->dst_stream) {
			run_write_in_turn(run);
		}
		run_flush(run);
		if (run->reading == 0 && run->writing == 0) {
			if (run->src_done || run->next_off_bytes >= run->end_off_bytes ||
			    run_is_halted(run)) {
				return;
			}
			if (zc_pool_free_count(run->pool) == 0) {
				run_fail(run, -ENOTRECOVERABLE, ZC_SIDE_ENGINE, "buffer",
				         run->next_off_bytes);
				return; /* every buffer was lost to the kernel */
			}
			continue;
		}
		if (zc_engine_in_flight(run->kit->engine) > 0) {
			run_reap(run);
		}
		if (run->leg->knobs != NULL) {
			run->leg->knobs->beat(run->leg->knobs, run->leg->done_bytes);
		}
	}
}

/* The last bytes of the file, which O_DIRECT cannot write. */
static void run_tail(struct run *run)
{
	struct zc_trip *trip = run->tail;

	if (trip == NULL) {
		return;
	}
	run->tail = NULL;
	if (!run->failed) {
		int code = zc_end_set_direct(run->leg->dst, false);

		if (code < 0) {
			run_fail(run, code, ZC_SIDE_DST, "fcntl F_SETFL", trip->off_bytes);
		}
	}
	if (run->failed) {
		trip_end(run, trip);
		return;
	}
	trip_write(run, trip);
	run_to_end(run);
}

int zc_copy_buffer(struct zc_kit *kit, struct zc_leg *leg)
{
	struct run run;

	if (leg->span.len_bytes > GROW_BYTES_MIN) {
		kernel_grow_pipes(kit, leg);
	}
	if (kit->store != NULL) {
		return zc_store_move(kit, leg);
	}
	run_init(&run, kit, leg);
	run_to_end(&run);
	run_tail(&run);
	zc_verify(run.reading == 0 && run.writing == 0 && run.tail == NULL);
	if (run.failed) {
		leg->whole_bytes = run.gap_off_bytes - leg->span.off_bytes;
		return leg->err.code;
	}
	if (run.eof_off_bytes != ZC_SIZE_UNKNOWN) {
		leg->eof = true;
		leg->done_bytes = run.eof_off_bytes - leg->span.off_bytes;
	}
	return 0;
}

static const char *buffer_unfit(const struct zc_shape *src, const struct zc_shape *dst)
{
	(void)src;
	(void)dst;
	return NULL;
}

const struct zc_route_ops zc_route_buffer = {
	.kind = ZC_ROUTE_BUFFER,
	.name = "buffer",
	.unfit = buffer_unfit,
	.move = zc_copy_buffer,
};
