/*
 * lane.c: one thread's tools. The thread is the one that runs the job; split.c gives it a second one.
 *
 * Everything is made on first need: an in-kernel copy opens no engine, a small copy maps no pool and
 * starts no thread. A lane is kept from file to file and made anew only when the next one wants another.
 */
#include "lane.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "split.h"

void lane_init(struct lane *lane, struct zc_progress *progress, struct zc_report *report)
{
	*lane = (struct lane){
		.kit = { .pipe = { -1, -1 },
		         .null_fd = -1,
		         .progress = progress,
		         .fallbacks = &report->fallbacks },
		.state_fd = -1,
		.report = report,
	};
}

static void lane_close_pipe(struct lane *lane)
{
	for (int i = 0; i < 2; i++) {
		if (lane->kit.pipe[i] >= 0) {
			close(lane->kit.pipe[i]);
			lane->kit.pipe[i] = -1;
		}
	}
	if (lane->kit.null_fd >= 0) {
		close(lane->kit.null_fd);
		lane->kit.null_fd = -1;
	}
}

/* Pool and its storage in one plain allocation: no mapping, no huge pages, a few microseconds. */
static int lane_open_small(struct lane *lane)
{
	const struct lane_cfg *cfg = &lane->cfg;
	size_t mem_bytes = cfg->block_bytes * cfg->buf_count;
	int res = posix_memalign(&lane->small_mem, zc_page_bytes(),
	                         mem_bytes + zc_pool_static_bytes(cfg->buf_count));

	if (res != 0) {
		lane->small_mem = NULL;
		return -res;
	}
	lane->kit.pool = zc_pool_static((uint8_t *)lane->small_mem + mem_bytes, lane->small_mem,
	                                cfg->block_bytes, cfg->buf_count);
	return 0;
}

static int lane_open_pool(struct lane *lane)
{
	struct zc_pool_cfg pool_cfg = {
		.buf_bytes = lane->cfg.block_bytes,
		.buf_count = lane->cfg.buf_count,
		.huge = lane->cfg.huge,
		.huge_bytes = lane->cfg.huge_bytes,
		.node = lane->cfg.node,
	};

	if (lane->cfg.small) {
		return lane_open_small(lane);
	}
	if (lane->cfg.node != ZC_NODE_ANY) {
		(void)zc_topo_run_on(lane->cfg.node);
	}
	return zc_pool_create(&lane->kit.pool, &pool_cfg, lane->kit.fallbacks);
}

static int lane_open_engine(struct lane *lane)
{
	struct zc_engine_cfg engine_cfg = {
		.kind = lane->cfg.engine,
		.depth = lane->cfg.buf_count,
		.thread_count = lane->cfg.thread_count,
		.pool = lane->cfg.small ? NULL : lane->kit.pool,
		.node = lane->cfg.node,
		.fallbacks = lane->kit.fallbacks,
	};

	return zc_engine_open(&lane->kit.engine, &engine_cfg);
}

static void lane_note(struct lane *lane)
{
	struct zc_report *report = lane->report;

	zc_engine_facts(lane->kit.engine, &report->engine);
	report->block_bytes = lane->cfg.block_bytes;
	report->region = *zc_pool_region(lane->kit.pool);
	if (lane->cfg.small) {
		report->region.page_bytes = 0; /* a plain allocation: nobody has asked what it lies on */
	}
}

static bool lane_is(const struct lane *lane, const struct lane_cfg *cfg)
{
	const struct lane_cfg *now = &lane->cfg;

	return lane->open && now->engine == cfg->engine && now->thread_count == cfg->thread_count &&
	       now->buf_count == cfg->buf_count && now->block_bytes == cfg->block_bytes &&
	       now->small == cfg->small && now->store == cfg->store && now->huge == cfg->huge &&
	       now->huge_bytes == cfg->huge_bytes && now->node == cfg->node;
}

int lane_open(struct lane *lane, const struct lane_cfg *cfg, const char **ret_op)
{
	int res;

	if (lane_is(lane, cfg)) {
		return 0;
	}
	lane_close(lane);
	lane->cfg = *cfg;
	*ret_op = "mmap";
	res = lane_open_pool(lane);
	if (res < 0) {
		return res;
	}
	lane->open = true;
	lane->kit.trip_count = zc_pool_buf_count(lane->kit.pool);
	lane->kit.trips = zc_trips_alloc(lane->kit.trip_count);
	res = lane->kit.trips == NULL ? -ENOMEM : 0;
	if (res == 0) {
		*ret_op = "io_uring_setup";
		res = lane_open_engine(lane);
	}
	if (res < 0) {
		lane_close(lane);
		return res;
	}
	if (cfg->store) {
		*ret_op = "malloc";
		res = zc_store_new(&lane->kit.store, lane->kit.pool);
	}
	if (res < 0) {
		lane_close(lane);
		return res;
	}
	lane_note(lane);
	return 0;
}

int zc_lane_run(struct lane *lane, struct zc_leg *leg, const enum zc_route_kind *order, unsigned count,
                uint64_t moved[ZC_ROUTE_COUNT])
{
	int res = zc_copy(&lane->kit, leg, order, count, moved);

	if (res < 0 && res != -EOPNOTSUPP) {
		lane_close_pipe(lane); /* bytes of a failed copy must not reach the next one */
	}
	return res;
}

void lane_close(struct lane *lane)
{
	struct zc_kit *kit = &lane->kit;
	unsigned leaked;

	split_close(lane);
	if (lane->open) {
		if (kit->store != NULL) {
			zc_store_facts(kit->store, &lane->report->store);
			zc_store_free(kit->store);
			kit->store = NULL;
		}
		zc_engine_close(kit->engine);
		leaked = zc_pool_destroy(kit->pool);
		lane->report->leaked_buffers += leaked;
		free(kit->trips);
		if (leaked == 0) {
			free(lane->small_mem); /* else the kernel may still write there */
		}
		kit->engine = NULL;
		kit->pool = NULL;
		kit->trips = NULL;
		kit->trip_count = 0;
		lane->small_mem = NULL;
		lane->open = false;
	}
	lane_close_pipe(lane);
	if (lane->state_fd >= 0) {
		close(lane->state_fd);
		lane->state_fd = -1;
	}
}
