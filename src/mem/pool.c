/*
 * The buffers of one lane: one region cut into equal slices, with a free list.
 *
 *   FREE --take--> TAKEN --lend--> LENT --return--> TAKEN --give--> FREE
 *                                  LENT --lose--> LOST
 *
 * Invariants: a buffer belongs to exactly one of pool, lane and engine, and its state says to whom; every
 * step verifies it in all builds, since a buffer with two owners is somebody's data in somebody's file.
 * The list is last in, first out, so the next taken is the one still warm in the cache. One thread: no locks.
 */
#include "zcopy/mem.h"

#include <errno.h>
#include <stdalign.h>
#include <stdlib.h>

#define POOL_BUFS_MAX      4096u
#define POOL_BUF_BYTES_MAX ((size_t)2 * ZC_GIB)

struct zc_pool {
	struct zc_region region;
	struct zc_buf *free;
	unsigned free_count;
	unsigned buf_count;
	bool mapped; /* region and pool are ours, not the caller's */
	struct zc_buf bufs[];
};

static void pool_push(struct zc_pool *pool, struct zc_buf *buf)
{
	buf->state = ZC_BUF_FREE;
	buf->next_free = pool->free;
	pool->free = buf;
	pool->free_count++;
}

/* Cuts the region; the first slice ends up on top of the list. */
static void pool_cut(struct zc_pool *pool, size_t buf_bytes, unsigned buf_count)
{
	pool->buf_count = buf_count;
	for (unsigned i = buf_count; i-- > 0;) {
		struct zc_buf *buf = &pool->bufs[i];

		*buf = (struct zc_buf){
			.mem = (uint8_t *)pool->region.mem + i * buf_bytes,
			.cap_bytes = (uint32_t)buf_bytes,
			.index = (uint16_t)i,
		};
		pool_push(pool, buf);
	}
}

size_t zc_pool_static_bytes(unsigned buf_count)
{
	return sizeof(struct zc_pool) + buf_count * sizeof(struct zc_buf);
}

int zc_pool_create(struct zc_pool **ret_pool, const struct zc_pool_cfg *cfg, struct zc_fallbacks *fallbacks)
{
	struct zc_pool *pool;
	size_t buf_bytes;
	int rc;

	if (cfg->buf_bytes == 0 || cfg->buf_bytes > POOL_BUF_BYTES_MAX || cfg->buf_count == 0 ||
	    cfg->buf_count > POOL_BUFS_MAX) {
		return -EINVAL;
	}
	pool = calloc(1, zc_pool_static_bytes(cfg->buf_count));
	if (!pool) {
		return -ENOMEM;
	}
	buf_bytes = zc_align_up(cfg->buf_bytes, zc_page_bytes());
	rc = zc_region_map(&pool->region, buf_bytes * cfg->buf_count, cfg->huge, cfg->huge_bytes, cfg->node,
	                   fallbacks);
	if (rc < 0) {
		free(pool);
		return rc;
	}
	pool->mapped = true;
	pool_cut(pool, buf_bytes, cfg->buf_count);
	*ret_pool = pool;
	return 0;
}

struct zc_pool *zc_pool_static(void *storage, void *mem, size_t buf_bytes, unsigned buf_count)
{
	struct zc_pool *pool = storage;

	zc_verify((uintptr_t)storage % alignof(struct zc_pool) == 0);
	zc_verify((uintptr_t)mem % zc_page_bytes() == 0);
	zc_verify(buf_bytes > 0 && buf_bytes <= POOL_BUF_BYTES_MAX && buf_bytes % zc_page_bytes() == 0);
	zc_verify(buf_count > 0 && buf_count <= POOL_BUFS_MAX);
	*pool = (struct zc_pool){
		.region = {
			.mem = mem,
			.len_bytes = buf_bytes * buf_count,
			.got = ZC_PAGES_BASE,
			.page_bytes = zc_page_bytes(),
			.node = ZC_NODE_ANY,
			.why = "too little for a region of its own",
		},
	};
	pool_cut(pool, buf_bytes, buf_count);
	return pool;
}

/* Whether the kernel may still write to a buffer: the engine has it, or gave it up. */
static bool pool_in_kernel(const struct zc_pool *pool)
{
	for (unsigned i = 0; i < pool->buf_count; i++) {
		if (pool->bufs[i].state == ZC_BUF_LENT || pool->bufs[i].state == ZC_BUF_LOST) {
			return true;
		}
	}
	return false;
}

unsigned zc_pool_destroy(struct zc_pool *pool)
{
	unsigned missing;

	if (!pool) {
		return 0;
	}
	missing = pool->buf_count - pool->free_count;
	if (pool->mapped) {
		/* Unmapped, the address could become somebody else's memory under the kernel's pen. */
		if (!pool_in_kernel(pool)) {
			zc_region_unmap(&pool->region);
		}
		free(pool);
	}
	return missing;
}

struct zc_buf *zc_pool_take(struct zc_pool *pool)
{
	struct zc_buf *buf = pool->free;

	if (!buf) {
		return NULL;
	}
	zc_verify(buf->state == ZC_BUF_FREE);
	pool->free = buf->next_free;
	pool->free_count--;
	buf->next_free = NULL;
	buf->len_bytes = 0;
	buf->state = ZC_BUF_TAKEN;
	return buf;
}

static bool pool_owns(const struct zc_pool *pool, const struct zc_buf *buf)
{
	return buf->index < pool->buf_count && buf == &pool->bufs[buf->index];
}

void zc_pool_give(struct zc_pool *pool, struct zc_buf *buf)
{
	zc_verify(pool_owns(pool, buf));
	zc_verify(buf->state == ZC_BUF_TAKEN);
	pool_push(pool, buf);
}

void zc_buf_lend(struct zc_buf *buf)
{
	zc_verify(buf->state == ZC_BUF_TAKEN);
	buf->state = ZC_BUF_LENT;
}

void zc_buf_return(struct zc_buf *buf)
{
	zc_verify(buf->state == ZC_BUF_LENT);
	buf->state = ZC_BUF_TAKEN;
}

void zc_buf_lose(struct zc_buf *buf)
{
	zc_verify(buf->state == ZC_BUF_LENT);
	buf->state = ZC_BUF_LOST;
}

unsigned zc_pool_free_count(const struct zc_pool *pool)
{
	return pool->free_count;
}

unsigned zc_pool_buf_count(const struct zc_pool *pool)
{
	return pool->buf_count;
}

const struct zc_region *zc_pool_region(const struct zc_pool *pool)
{
	return &pool->region;
}
