/*
 * engine.c: chooses an engine, and stands at its door: every request is checked and its buffer lent on
 * the way in, checked and returned on the way out, so no engine needs to.
 *
 * Invariants: in_flight = submitted - reaped <= depth. A buffer is LENT exactly while its request is in
 * flight; it comes back TAKEN, or LOST with -ENOTRECOVERABLE.
 */
#include "zcopy/engine.h"

#include <errno.h>

#include "zc_config.h"
#include "zcopy/base.h"
#include "zcopy/mem.h"

enum {
	DEPTH_MAX = 4096,
};

#if ZC_HAVE_URING
static int open_ring(struct zc_engine **ret_engine, const struct zc_engine_cfg *cfg)
{
	return zc_engine_uring.open(ret_engine, cfg);
}
#else
static int open_ring(struct zc_engine **ret_engine, const struct zc_engine_cfg *cfg)
{
	(void)ret_engine;
	(void)cfg;
	return -ENOSYS; /* built without liburing */
}
#endif

int zc_engine_open(struct zc_engine **ret_engine, const struct zc_engine_cfg *cfg)
{
	int code;

	if (cfg->depth < 1 || cfg->depth > DEPTH_MAX) {
		return -EINVAL;
	}
	if (cfg->kind != ZC_ENGINE_SYNC) {
		code = open_ring(ret_engine, cfg);
		if (code == 0 || cfg->kind == ZC_ENGINE_URING) {
			return code;
		}
		if (cfg->fallbacks) {
			zc_fallback_add(cfg->fallbacks, "uring", "sync", "io_uring_setup", code);
		}
	}
	return zc_engine_sync.open(ret_engine, cfg);
}

static void req_lend(struct zc_req *req)
{
	if (req->op != ZC_OP_NOP) {
		zc_verify(req->mem);
		zc_verify(req->len_bytes >= 1);
		zc_verify(req->len_bytes <= ZC_GIB);
	}
	if (req->buf) {
		zc_verify(req->mem >= req->buf->mem);
		zc_verify(req->mem + req->len_bytes <= req->buf->mem + req->buf->cap_bytes);
		zc_buf_lend(req->buf);
	}
	req->done_bytes = 0;
	req->err = 0;
	req->next = NULL;
	req->tries = 0;
}

static void req_return(struct zc_req *req)
{
	zc_verify(req->done_bytes <= req->len_bytes);
	zc_verify(req->err <= 0);
	if (req->op == ZC_OP_WRITE && req->err == 0) {
		zc_verify(req->done_bytes == req->len_bytes);
	}
	if (!req->buf) {
		return;
	}
	if (req->buf->state == ZC_BUF_LOST) {
		zc_verify(req->err == -ENOTRECOVERABLE);
	} else {
		zc_buf_return(req->buf);
	}
}

void zc_engine_submit(struct zc_engine *engine, struct zc_req *const *reqs, unsigned count)
{
	unsigned i;

	zc_verify(count <= engine->depth - engine->in_flight);
	for (i = 0; i < count; i++) {
		req_lend(reqs[i]);
	}
	engine->in_flight += count;
	engine->ops->submit(engine, reqs, count);
}

unsigned zc_engine_reap(struct zc_engine *engine, struct zc_req **ret_done, unsigned max, unsigned wait_min)
{
	unsigned count;
	unsigned i;

	zc_verify(wait_min <= engine->in_flight);
	zc_verify(wait_min <= max);
	count = engine->ops->reap(engine, ret_done, max, wait_min);
	zc_verify(count >= wait_min);
	zc_verify(count <= engine->in_flight);
	for (i = 0; i < count; i++) {
		req_return(ret_done[i]);
	}
	engine->in_flight -= count;
	return count;
}

unsigned zc_engine_in_flight(const struct zc_engine *engine)
{
	return engine->in_flight;
}

void zc_engine_facts(const struct zc_engine *engine, struct zc_engine_facts *ret_facts)
{
	engine->ops->facts(engine, ret_facts);
}

void zc_engine_close(struct zc_engine *engine)
{
	if (!engine) {
		return;
	}
	zc_verify(engine->in_flight == 0);
	engine->ops->close(engine);
}
