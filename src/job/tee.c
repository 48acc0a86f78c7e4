/*
 * tee.c: further destinations of one source. Each is an item of its own that shares the source: it finds its
 * place, appears and is thrown away as any other; only its bytes come by the fan of the route.
 */
#include "tee.h"

#include <errno.h>
#include <stdlib.h>

#include "check.h"
#include "hash.h"
#include "peer.h"

struct tee {
	struct zc_job_cfg cfg;
	struct item item;
	struct peers peers;       /* its own, when it is one  */
	struct zc_progress apart; /* the destination's bytes are what counts */
	struct hash *hash;        /* of what it accepted; NULL: nobody asks */
	bool skipped;             /* -n and its kin                          */
};

struct tees {
	struct zc_fan fan;
	struct item *item;
	unsigned count;
	struct tee *list;
	struct zc_fan_sink sinks[ZC_TEE_MAX];
};

static void tee_begin(struct tee *tee, struct item *item, const struct zc_tee *wish)
{
	static const char *const none[] = { "null:" }; /* the source is open */

	peers_init(&tee->peers);
	tee->cfg = *item->cfg;
	tee->cfg.sources = none;
	tee->cfg.dest = wish->end;
	tee->cfg.tee_count = 0;
	tee->cfg.verify = tee->cfg.expect_size = tee->cfg.explain = false;
	tee->cfg.hash = ZC_HASH_AUTO;
	tee->cfg.expect_hash = tee->cfg.manifest = NULL;
	tee->item = (struct item){
		.cfg = &tee->cfg,
		.report = item->report,
		.lane = item->lane,
		.progress = &tee->apart,
		.made = item->made,
		.peers = &tee->peers,
		.dst_text = wish->end,
		.src_uri = item->src_uri,
		.src_st = item->src_st,
		.src = item->src,
		.dest_fd = -1,
		.old_fd = -1,
		.base_fd = -1,
		.state_fd = -1,
	};
	tee->item.src.owned = false;
}

static int tee_open_one(struct tees *tees, struct item *item, const struct zc_tee *wish)
{
	struct tee *tee = &tees->list[tees->count++];
	int res;

	tee_begin(tee, item, wish);
	res = peers_open(&tee->peers, &tee->cfg, item->report);
	if (res == 0) {
		res = item_aim_at(&tee->item);
	}
	if (res == 0) {
		res = item_allowed(&tee->item);
	}
	if (res == ITEM_SKIP) {
		tee->skipped = true;
		return 0;
	}
	if (res == 0) {
		res = sink_open(&tee->item);
	}
	if (res == 0 && item->cfg->hash != ZC_HASH_AUTO && hash_new(&tee->hash, item->cfg->hash) < 0) {
		res = item_fail(&tee->item, ZC_SIDE_NONE, 0, "malloc", -ENOMEM, "cannot be hashed", NULL);
	}
	if (res < 0) {
		return res;
	}
	tees->sinks[tees->fan.count++] = (struct zc_fan_sink){
		.end = &tee->item.dst,
		.policy = wish->policy,
		.tap = tee->hash != NULL ? check_tap : NULL,
		.tap_arg = tee->hash,
		.pipe = { -1, -1 },
	};
	return 0;
}

int tee_open(struct item *item)
{
	const struct zc_job_cfg *cfg = item->cfg;
	struct zc_engine_cfg engine = { .kind = ZC_ENGINE_SYNC, .depth = 1, .node = ZC_NODE_ANY };
	struct tees *tees;
	int res;

	if (cfg->tee_count == 0) {
		return 0;
	}
	tees = calloc(1, sizeof(*tees));
	item->tees = tees;
	if (tees != NULL) {
		tees->item = item;
		tees->fan.sinks = tees->sinks;
		tees->list = calloc(cfg->tee_count, sizeof(*tees->list));
	}
	if (tees == NULL || tees->list == NULL || zc_engine_open(&tees->fan.engine, &engine) < 0) {
		return item_fail(item, ZC_SIDE_NONE, 0, "malloc", -ENOMEM, "no memory for --tee", NULL);
	}
	for (unsigned i = 0; i < cfg->tee_count; i++) {
		res = tee_open_one(tees, item, &cfg->tees[i]);
		if (res < 0) {
			return res;
		}
	}
	return 0;
}

static void tee_tap(void *arg, uint64_t off_bytes, const void *mem, size_t len_bytes)
{
	struct tees *tees = arg;

	if (tees->item->hash != NULL) {
		check_tap(tees->item->hash, off_bytes, mem, len_bytes);
	}
	zc_fan_write(&tees->fan, mem, len_bytes);
}

void tee_attach(struct item *item, struct zc_leg *leg)
{
	if (item->tees != NULL) {
		leg->fan = &item->tees->fan;
		leg->tap = tee_tap;
		leg->tap_arg = item->tees;
	}
}

const char *tee_unfit(const struct item *item)
{
	return item->tees == NULL ? NULL : zc_fan_unfit(&item->tees->fan);
}

/* Its end is exact, its attributes, its name. 0, or -errno and said. */
static int tee_appear(struct tee *tee, const struct zc_fan_sink *sink)
{
	struct item *item = &tee->item;
	int res = 0;

	item->total_bytes = sink->done_bytes;
	if (peer_is(&item->dst_uri)) {
		return peer_finish(item);
	}
	if (item->dst.ops->finish != NULL) {
		res = item->dst.ops->finish(&item->dst, item->total_bytes);
	}
	if (res < 0) {
		return item_fail(item, ZC_SIDE_DST, 0, "ftruncate", res, "cannot set its length", NULL);
	}
	res = sink_complete(item);
	if (res == 0) {
		res = sink_sync(item);
	}
	return res == 0 ? sink_name(item) : res;
}

/* An end that may drop bytes may leave, too: then it is dropped all of the rest. */
static int tee_judge(struct tee *tee, const struct zc_fan_sink *sink)
{
	struct item *item = &tee->item;
	struct zc_err err = sink->err;
	int status = item->dst.shape.caps & ZC_CAP_PEER ? ZC_STATUS_PEER : 0;
	const char *what = err.code == -ETIME ? "did not keep up" : "cannot write";

	if (err.code == 0) {
		return tee_appear(tee, sink);
	}
	if (err.code == -EPIPE && sink->policy == ZC_FAN_DROP) {
		return 0;
	}
	if (err.code == -EBADMSG && (item->dst.shape.caps & ZC_CAP_SYNTH)) {
		status = ZC_STATUS_MISMATCH;
		err.off_bytes = item->dst.bad_bytes;
		what = "a byte differs";
	}
	return report_fail(item->report, status, item_text(item, ZC_SIDE_DST), &err, what, NULL);
}

void tee_finish(struct item *item)
{
	struct tees *tees = item->tees;
	unsigned at = 0;

	for (unsigned i = 0; tees != NULL && i < tees->count; i++) {
		struct tee *tee = &tees->list[i];
		struct zc_fan_sink *sink;
		struct zc_tee_fact *fact;

		if (tee->skipped) {
			continue;
		}
		sink = &tees->sinks[at++];
		fact = &item->report->tees[item->report->tee_count++];
		*fact = (struct zc_tee_fact){
			.end = item->cfg->tees[i].end,
			.bytes = sink->done_bytes,
			.dropped_bytes = item->total_bytes - zc_min_u64(sink->done_bytes, item->total_bytes),
		};
		if (tee->hash != NULL) {
			hash_end(tee->hash, sink->done_bytes, fact->digest);
		}
		fact->ok = tee_judge(tee, sink) == 0;
	}
}

void tee_close(struct item *item)
{
	struct tees *tees = item->tees;

	if (tees == NULL) {
		return;
	}
	zc_fan_close(&tees->fan);
	for (unsigned i = 0; i < tees->count; i++) {
		hash_free(tees->list[i].hash);
		item_close(&tees->list[i].item);
		peers_close(&tees->list[i].peers);
	}
	zc_engine_close(tees->fan.engine);
	free(tees->list);
	free(tees);
	item->tees = NULL;
}
