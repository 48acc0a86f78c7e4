/*
 * store.c: the buffer route with a store between two threads (--buffer): the source is read while the sink
 * writes, and a burst of one finds room while the other pauses.
 *
 *   reader thread:  block <- read, as much as there is        lane's thread:  tap, write, give the block back
 *                      full: sleeps until FREE_BYTES are free                 empty: sleeps until START_BYTES
 *
 * The store is a queue of the pool's blocks, oldest first; the newest may be written from while it is still
 * being filled. The pool hands out the block that was given back last: as long as both keep up, the bytes
 * stay in the CPU's cache however large the store is. Sleepers are woken for a good piece of work, not for
 * each block; what is less waits PATIENCE_NS at most.
 *
 * Invariants: the lock guards all of struct zc_store and the pool; a block's bytes [at, len) are the
 * writer's, those from len on the reader's while it reads.
 */
#include "store.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <time.h>

#define WATERMARK_BYTES ZC_MIB      /* or a quarter of a small store */
#define PATIENCE_NS     10000000ull /* of the writer, with less than that */
#define LOOK_NS         50000000ull /* a signal does not end a wait for a condition */
#define LOOK_MS         50

struct zc_store {
	struct zc_pool *pool;
	struct zc_engine *reader_engine;
	pthread_mutex_t lock;
	pthread_cond_t filled; /* the writer waits for it */
	pthread_cond_t freed;  /* the reader does         */
	bool writer_sleeps;
	bool reader_sleeps;
	bool reading;        /* into the newest block */
	bool ended;          /* the reader is done    */
	atomic_bool closing; /* the writer is: the reader shall end */
	bool src_undirected;
	unsigned first;
	unsigned count;
	uint32_t at_bytes; /* of the oldest block, written */
	uint64_t fill_bytes;
	uint64_t mark_bytes;
	struct zc_store_facts facts;
	/* of the leg at hand */
	struct zc_kit *kit;
	struct zc_leg *leg;
	uint64_t next_off_bytes; /* the reader's */
	struct zc_err err;       /* of the reader */
	bool eof;
	uint32_t block_bytes;
	unsigned block_count;
	struct zc_buf *blocks[];
};

int zc_store_new(struct zc_store **ret_store, struct zc_pool *pool)
{
	struct zc_engine_cfg cfg = { .kind = ZC_ENGINE_SYNC, .depth = 1, .node = ZC_NODE_ANY };
	unsigned count = zc_pool_buf_count(pool);
	struct zc_store *store = calloc(1, sizeof(*store) + count * sizeof(store->blocks[0]));
	pthread_condattr_t attr;
	struct zc_buf *block;
	int res;

	if (store == NULL) {
		return -ENOMEM;
	}
	res = zc_engine_open(&store->reader_engine, &cfg);
	if (res < 0) {
		free(store);
		return res;
	}
	block = zc_pool_take(pool);
	store->block_bytes = block->cap_bytes;
	zc_pool_give(pool, block);
	store->pool = pool;
	store->block_count = count;
	pthread_mutex_init(&store->lock, NULL);
	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	pthread_cond_init(&store->filled, &attr);
	pthread_cond_init(&store->freed, &attr);
	pthread_condattr_destroy(&attr);
	*ret_store = store;
	return 0;
}

void zc_store_free(struct zc_store *store)
{
	if (store == NULL) {
		return;
	}
	zc_engine_close(store->reader_engine);
	pthread_cond_destroy(&store->freed);
	pthread_cond_destroy(&store->filled);
	pthread_mutex_destroy(&store->lock);
	free(store);
}

void zc_store_facts(const struct zc_store *store, struct zc_store_facts *ret_facts)
{
	*ret_facts = store->facts;
}

/* The lock is held; true: woken, false: the time is over. */
static bool store_wait(struct zc_store *store, pthread_cond_t *cond, uint64_t ns)
{
	uint64_t until = zc_now_ns() + ns;
	struct timespec at = { .tv_sec = (time_t)(until / 1000000000),
		               .tv_nsec = (long)(until % 1000000000) };

	return pthread_cond_timedwait(cond, &store->lock, &at) == 0;
}

static struct zc_buf *store_block(const struct zc_store *store, unsigned i)
{
	return store->blocks[(store->first + i) % store->block_count];
}

/* The lock is held. */
static void store_filled(struct zc_store *store, int64_t more)
{
	store->fill_bytes += (uint64_t)more;
	store->facts.peak_bytes = zc_max_u64(store->facts.peak_bytes, store->fill_bytes);
	zc_progress_buffered(store->kit->progress, store->fill_bytes);
}

/* One request, now. */
static void store_perform(struct zc_engine *engine, struct zc_end *end, struct zc_req *req)
{
	struct zc_req *done = req;

	if (!end->ops->prep(end, req)) {
		zc_engine_submit(engine, &done, 1);
		(void)zc_engine_reap(engine, &done, 1, 1);
	}
}

/* Some file systems take the flag and refuse the first request. true: again without it. */
static bool store_undirect(const struct zc_store *store, struct zc_end *end, int err)
{
	return err == -EINVAL && end->direct && !store->leg->direct_forced &&
	       zc_end_set_direct(end, false) == 0;
}

/* The lane's thread alone. */
static void store_note_undirect(struct zc_store *store, const char *op)
{
	store->leg->undirected = true;
	zc_fallback_add(store->kit->fallbacks, "O_DIRECT", "page cache", op, -EINVAL);
}

/* ---- the reader */

/* The newest block when there is room in it, else another one; NULL: the store is full. The lock is held. */
static struct zc_buf *store_room(struct zc_store *store)
{
	struct zc_buf *block = store->count > 0 ? store_block(store, store->count - 1) : NULL;

	if (block != NULL && block->len_bytes < block->cap_bytes) {
		return block;
	}
	block = zc_pool_take(store->pool);
	if (block != NULL) {
		block->len_bytes = 0;
		store->blocks[(store->first + store->count++) % store->block_count] = block;
	}
	return block;
}

/* Waits for room. NULL: there is no more to be read. The lock is held. */
static struct zc_buf *reader_room(struct zc_store *store)
{
	struct zc_buf *block = store->closing || zc_stopped() ? NULL : store_room(store);
	uint64_t from;

	if (block != NULL || store->closing || zc_stopped()) {
		return block;
	}
	from = zc_now_ns();
	store->reader_sleeps = true;
	while (store->fill_bytes + store->mark_bytes > store->facts.bytes && !store->closing &&
	       !zc_stopped()) {
		(void)store_wait(store, &store->freed, LOOK_NS);
	}
	store->reader_sleeps = false;
	store->facts.full_ns += zc_now_ns() - from;
	return store->closing || zc_stopped() ? NULL : store_room(store);
}

/* A read that nothing can end would outlast a writer that has failed: not before there is something. */
static bool reader_ready(struct zc_store *store)
{
	const struct zc_shape *shape = &store->leg->src->shape;
	struct pollfd pfd = { .fd = shape->fd, .events = POLLIN };
	int ready = shape->caps & ZC_CAP_SEEK;

	while (ready == 0 && !zc_stopped() && !atomic_load(&store->closing)) {
		ready = poll(&pfd, 1, LOOK_MS);
	}
	return ready != 0;
}

/* Into the room of block. Bytes, 0 at the end, or -errno. */
static int64_t reader_read(struct zc_store *store, struct zc_buf *block)
{
	struct zc_end *src = store->leg->src;
	uint64_t left = store->leg->span.len_bytes == ZC_SIZE_UNKNOWN
	                    ? ZC_SIZE_UNKNOWN
	                    : store->leg->span.off_bytes + store->leg->span.len_bytes - store->next_off_bytes;
	struct zc_req req;

	if (src->direct && block->len_bytes % src->shape.align_bytes != 0) {
		(void)zc_end_set_direct(src, false); /* after a short read: the page cache knows the end */
	}
	do {
		req = (struct zc_req){
			.op = ZC_OP_READ,
			.mem = block->mem + block->len_bytes,
			.len_bytes = block->cap_bytes - block->len_bytes,
			.off_bytes = store->next_off_bytes,
		};
		if (!src->direct) {
			req.len_bytes = (uint32_t)zc_min_u64(req.len_bytes, left);
		}
		if (!reader_ready(store)) {
			return -ECANCELED;
		}
		store_perform(store->reader_engine, src, &req);
		store->src_undirected |= req.err == -EINVAL && src->direct;
	} while (store_undirect(store, src, req.err));
	if (req.done_bytes == 0 && req.err < 0) {
		return req.err;
	}
	return (int64_t)zc_min_u64(req.done_bytes, left);
}

static bool reader_at_end(const struct zc_store *store)
{
	const struct zc_span *span = &store->leg->span;

	return span->len_bytes != ZC_SIZE_UNKNOWN &&
	       store->next_off_bytes >= span->off_bytes + span->len_bytes;
}

static void *reader_main(void *arg)
{
	struct zc_store *store = arg;
	struct zc_buf *block;

	pthread_mutex_lock(&store->lock);
	while (!store->ended && !reader_at_end(store) && (block = reader_room(store)) != NULL) {
		int64_t got;

		store->reading = true;
		pthread_mutex_unlock(&store->lock);
		got = reader_read(store, block);
		pthread_mutex_lock(&store->lock);
		store->reading = false;
		if (got > 0) {
			block->len_bytes += (uint32_t)got;
			store->next_off_bytes += (uint64_t)got;
			zc_progress_add(store->kit->progress, (uint64_t)got, 0);
			store_filled(store, got);
		} else {
			store->ended = true;
			store->eof = got == 0;
			if (got < 0) {
				zc_err_set(&store->err, (int)got,
				           got == -ECANCELED ? ZC_SIDE_NONE : ZC_SIDE_SRC, "read",
				           store->next_off_bytes);
			}
		}
		if (store->writer_sleeps && (store->fill_bytes >= store->mark_bytes || store->ended)) {
			pthread_cond_signal(&store->filled);
		}
	}
	store->ended = true;
	pthread_cond_signal(&store->filled);
	pthread_mutex_unlock(&store->lock);
	return NULL;
}

/* ---- the writer */

/* Bytes that can be written now: 0 when all is done. A direct sink takes whole units until the end. The lock
 * is held. */
static uint32_t writer_piece(struct zc_store *store, uint32_t align)
{
	const struct zc_buf *block = store->count > 0 ? store_block(store, 0) : NULL;
	uint32_t len = block == NULL ? 0 : block->len_bytes - store->at_bytes;

	return store->ended && store->count <= 1 ? len : (uint32_t)zc_align_down(len, align);
}

/* Waits for a good piece, but not for ever. */
static uint32_t writer_wait(struct zc_store *store, uint32_t align)
{
	uint32_t len = writer_piece(store, align);
	uint64_t from;

	if (len > 0 || store->ended) {
		return len;
	}
	from = zc_now_ns();
	zc_progress_wait(store->kit->progress, ZC_SIDE_SRC);
	store->writer_sleeps = true;
	while (store->fill_bytes < store->mark_bytes && !store->ended && !zc_stopped()) {
		if (!store_wait(store, &store->filled, PATIENCE_NS) && writer_piece(store, align) > 0) {
			break;
		}
	}
	store->writer_sleeps = false;
	store->facts.empty_ns += zc_now_ns() - from;
	return writer_piece(store, align);
}

/* The oldest block is written; it goes back unless more is being read into it. The lock is held. */
static void writer_release(struct zc_store *store)
{
	struct zc_buf *block = store_block(store, 0);

	if (store->at_bytes < block->len_bytes || (store->count == 1 && store->reading)) {
		return;
	}
	zc_pool_give(store->pool, block);
	store->first = (store->first + 1) % store->block_count;
	store->count--;
	store->at_bytes = 0;
}

/* len bytes of mem to where the sink stands. 0 or -errno; leg->done_bytes is exact. */
static int writer_write(struct zc_store *store, uint8_t *mem, uint32_t len)
{
	struct zc_leg *leg = store->leg;
	struct zc_end *dst = leg->dst;
	uint32_t done = 0;

	if (dst->direct && len % dst->shape.align_bytes != 0) {
		(void)zc_end_set_direct(dst, false); /* the last bytes */
	}
	zc_progress_wait(store->kit->progress, ZC_SIDE_DST);
	while (done < len) {
		uint32_t align = dst->direct ? dst->shape.align_bytes : 1;
		struct zc_req req = {
			.op = ZC_OP_WRITE,
			.mem = mem + done,
			.len_bytes = (uint32_t)zc_pace_step(store->kit, len - done, align),
			.off_bytes = leg->span.off_bytes + leg->done_bytes,
		};

		if (req.len_bytes == 0) {
			return zc_err_set(&leg->err, -ECANCELED, ZC_SIDE_NONE, "write", req.off_bytes);
		}
		store_perform(store->kit->engine, dst, &req);
		done += req.done_bytes;
		leg->done_bytes += req.done_bytes;
		zc_progress_add(store->kit->progress, 0, req.done_bytes);
		zc_pace_spend(store->kit, req.done_bytes);
		if (req.err < 0 && store_undirect(store, dst, req.err)) {
			store_note_undirect(store, "write");
		} else if (req.err < 0) {
			return zc_err_set(&leg->err, req.err,
			                  req.err == -ECANCELED && zc_stopped() ? ZC_SIDE_NONE : ZC_SIDE_DST,
			                  "write", leg->span.off_bytes + leg->done_bytes);
		}
	}
	return 0;
}

/* Until the reader is done and all is written. */
static int writer_run(struct zc_store *store)
{
	struct zc_leg *leg = store->leg;
	uint32_t len;
	int res = 0;

	pthread_mutex_lock(&store->lock);
	while (res == 0 && !zc_stopped() &&
	       (len = writer_wait(store, leg->dst->direct ? leg->dst->shape.align_bytes : 1)) > 0) {
		uint8_t *mem = store_block(store, 0)->mem + store->at_bytes;

		pthread_mutex_unlock(&store->lock);
		if (leg->tap != NULL) {
			leg->tap(leg->tap_arg, leg->span.off_bytes + leg->done_bytes, mem, len);
		}
		res = writer_write(store, mem, len);
		pthread_mutex_lock(&store->lock);
		store->at_bytes += len;
		store_filled(store, -(int64_t)len);
		writer_release(store);
		if (store->reader_sleeps && store->fill_bytes + store->mark_bytes <= store->facts.bytes) {
			pthread_cond_signal(&store->freed);
		}
	}
	store->closing = true;
	pthread_cond_signal(&store->freed);
	pthread_mutex_unlock(&store->lock);
	return res;
}

static void store_begin(struct zc_store *store, struct zc_kit *kit, struct zc_leg *leg)
{
	store->kit = kit;
	store->leg = leg;
	store->next_off_bytes = leg->span.off_bytes + leg->done_bytes;
	store->err = (struct zc_err){ 0 };
	store->reading = store->ended = false;
	atomic_store(&store->closing, false);
	store->eof = store->src_undirected = false;
	store->first = store->count = store->at_bytes = 0;
	store->fill_bytes = 0;
	for (struct zc_progress *progress = kit->progress; progress != NULL; progress = progress->sum) {
		atomic_store(&progress->buffer, (uint64_t)store->block_bytes * store->block_count);
	}
	store->facts.bytes = (uint64_t)store->block_bytes * store->block_count;
	store->mark_bytes =
	    zc_max_u64(store->block_bytes, zc_min_u64(WATERMARK_BYTES, store->facts.bytes / 4));
}

/* What a failure has left goes back. */
static void store_clear(struct zc_store *store)
{
	for (; store->count > 0; store->count--) {
		zc_pool_give(store->pool, store_block(store, store->count - 1));
	}
	zc_progress_buffered(store->kit->progress, 0);
}

int zc_store_move(struct zc_kit *kit, struct zc_leg *leg)
{
	struct zc_store *store = kit->store;
	sigset_t all;
	sigset_t before;
	pthread_t reader;
	int res;

	store_begin(store, kit, leg);
	sigfillset(&all); /* signals are for the lane's thread */
	pthread_sigmask(SIG_SETMASK, &all, &before);
	res = -pthread_create(&reader, NULL, reader_main, store);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	if (res < 0) {
		return zc_err_set(&leg->err, res, ZC_SIDE_ENGINE, "pthread_create", ZC_OFF_NONE);
	}
	res = writer_run(store);
	pthread_join(reader, NULL);
	store_clear(store);
	if (store->src_undirected) {
		store_note_undirect(store, "read");
	}
	if (res == 0 && zc_stopped()) {
		return zc_err_set(&leg->err, -ECANCELED, ZC_SIDE_NONE, "read", store->next_off_bytes);
	}
	if (res == 0 && store->err.code < 0) {
		leg->err = store->err;
		return store->err.code;
	}
	leg->eof = res == 0 && store->eof;
	return res;
}
