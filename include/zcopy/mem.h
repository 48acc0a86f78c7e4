/*
 * mem: where buffers live. page.c finds pages (huge page ladder), topo.c knows the NUMA nodes (sole
 * user of libnuma, loaded on first need), pool.c cuts one region into the buffers of one lane.
 *
 * A pool belongs to one thread; take and give do not lock. Only create and destroy make system calls.
 * Nothing here fails for lack of huge pages, memlock or NUMA: it takes what there is and says so.
 */
#ifndef ZCOPY_MEM_H
#define ZCOPY_MEM_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "zcopy/base.h"

#define ZC_NODE_ANY (-1)

enum zc_pages {
	ZC_PAGES_BASE,
	ZC_PAGES_THP,
	ZC_PAGES_HUGETLB,
};
const char *zc_pages_name(enum zc_pages pages); /* "base" "thp" "hugetlb": the report's words */

enum zc_huge {
	ZC_HUGE_AUTO, /* THP first; reserved pages only when twice the need is free and unreserved */
	ZC_HUGE_NEVER,
	ZC_HUGE_SIZE, /* reserved pages of huge_bytes first, then as AUTO */
};

/* ---- page.c: one region of memory, populated, not inherited by fork, not in core dumps. */

struct zc_region {
	void *mem;         /* page aligned                                             */
	size_t len_bytes;  /* as mapped, a multiple of page_bytes                      */
	enum zc_pages got; /* read back from the kernel, not what was asked for        */
	size_t page_bytes; /* of the pages it really lies on                           */
	int node;          /* where the first page really lies; ZC_NODE_ANY = unknown  */
	char why[96];      /* a sentence for --explain: what was refused and why       */
};

/* huge_bytes counts for ZC_HUGE_SIZE only. node: bound before first touch, or ZC_NODE_ANY.
 * 0 or -ENOMEM. fallbacks may be NULL. */
int zc_region_map(struct zc_region *ret_region, size_t len_bytes, enum zc_huge huge, size_t huge_bytes,
                  int node, struct zc_fallbacks *fallbacks);
void zc_region_unmap(struct zc_region *region); /* NULL and zeroed regions are fine */
size_t zc_page_bytes(void);                     /* base page */

/* ---- pool.c */

enum zc_buf_state {
	ZC_BUF_FREE,  /* in the pool                                         */
	ZC_BUF_TAKEN, /* the lane's                                          */
	ZC_BUF_LENT,  /* the engine's (the kernel may read or write it)      */
	ZC_BUF_LOST,  /* the kernel may own it for ever: never used again    */
};

struct zc_buf {
	uint8_t *mem;             /* page aligned, never moves                      */
	uint32_t cap_bytes;       /* multiple of the base page size                 */
	uint32_t len_bytes;       /* valid bytes; the holder's                      */
	uint16_t index;           /* in the pool, from 0                            */
	uint16_t state;           /* enum zc_buf_state                              */
	struct zc_buf *next_free; /* pool's own                                     */
};

struct zc_pool_cfg {
	size_t buf_bytes;   /* of one buffer; rounded up to the base page size */
	unsigned buf_count; /* 1 .. 4096                                       */
	enum zc_huge huge;
	size_t huge_bytes;
	int node;
};

struct zc_pool;

/* 0, -EINVAL or -ENOMEM. fallbacks may be NULL. */
int zc_pool_create(struct zc_pool **ret_pool, const struct zc_pool_cfg *cfg, struct zc_fallbacks *fallbacks);
/* A pool over the caller's memory (page aligned, cap = len): no system call, no allocation beyond
 * storage, which must hold zc_pool_static_bytes(buf_count). For copies too small for a region. */
size_t zc_pool_static_bytes(unsigned buf_count);
struct zc_pool *zc_pool_static(void *storage, void *mem, size_t buf_bytes, unsigned buf_count);
/* The number of buffers that were not given back (0 when all is well). NULL is fine. Lost buffers'
 * memory stays mapped for ever, since the kernel may still write to it. */
unsigned zc_pool_destroy(struct zc_pool *pool);

/* NULL = empty: the only throttle there is. The buffer is TAKEN and the caller's until given. */
struct zc_buf *zc_pool_take(struct zc_pool *pool);
void zc_pool_give(struct zc_pool *pool, struct zc_buf *buf);
/* TAKEN -> LENT and back: the engine's two ends of a loan, verified always. */
void zc_buf_lend(struct zc_buf *buf);
void zc_buf_return(struct zc_buf *buf);
void zc_buf_lose(struct zc_buf *buf); /* LENT -> LOST */

unsigned zc_pool_free_count(const struct zc_pool *pool);
unsigned zc_pool_buf_count(const struct zc_pool *pool);
/* One region, to be registered with the engine as one buffer. A static pool's is the caller's memory. */
const struct zc_region *zc_pool_region(const struct zc_pool *pool);

/* ---- topo.c */

/* Nodes with memory that this process may use; 1 where there is no NUMA. */
unsigned zc_topo_node_count(void);
/* Whether this host has that node, with memory on it. */
bool zc_topo_has_node(int node);
/* The node of the disk under device number dev (st_dev), from sysfs; ZC_NODE_ANY when there is one
 * node only, or the kernel does not say. */
int zc_topo_node_of_dev(dev_t dev);
/* Binds untouched memory; 0, or -errno (harmless: the memory is then wherever the kernel puts it). */
int zc_topo_bind(void *mem, size_t len_bytes, int node);
/* The node a touched page lies on (move_pages), or ZC_NODE_ANY. */
int zc_topo_node_of_mem(void *mem);
/* Lets the calling thread run on the node's CPUs only (those it was allowed before). 0 or -errno. */
int zc_topo_run_on(int node);

#endif
