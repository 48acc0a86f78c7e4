/*
 * fault.c: the decorator. A request that is to fail is never given to the inner engine: nothing of it
 * happens, as with a real error. Built into test binaries only.
 *
 * Invariant: the inner engine is driven through its ops, not through zc_engine_submit and reap, which
 * have already lent the buffer to us.
 */
#include "fault.h"

#include <errno.h>
#include <stdlib.h>
#include <time.h>

#include "req.h"

struct fault_engine {
	struct zc_engine base;
	struct zc_engine *inner;
	struct zc_engine_fault_plan plan;
	unsigned seen;  /* requests of the plan's kind so far */
	unsigned below; /* requests the inner engine has      */
	struct zc_req_list failed;
};

static const struct zc_engine_ops fault_ops;

static bool is_due(struct fault_engine *fault, const struct zc_req *req)
{
	if (req->op != fault->plan.op) {
		return false;
	}
	fault->seen++;
	return fault->seen == fault->plan.at || (fault->plan.from_then_on && fault->seen > fault->plan.at);
}

static void delay(unsigned delay_ms)
{
	struct timespec time = { .tv_sec = delay_ms / 1000, .tv_nsec = delay_ms % 1000 * 1000000L };

	nanosleep(&time, NULL);
}

static void fault_submit(struct zc_engine *engine, struct zc_req *const *reqs, unsigned count)
{
	struct fault_engine *fault = (struct fault_engine *)engine;
	unsigned i;

	for (i = 0; i < count; i++) {
		bool due = is_due(fault, reqs[i]);

		if (due && fault->plan.err != 0) {
			reqs[i]->err = fault->plan.err;
			zc_req_push(&fault->failed, reqs[i]);
			continue;
		}
		if (due) {
			delay(fault->plan.delay_ms);
		}
		fault->inner->ops->submit(fault->inner, &reqs[i], 1);
		fault->below++;
	}
}

static unsigned fault_reap(struct zc_engine *engine, struct zc_req **ret_done, unsigned max,
                           unsigned wait_min)
{
	struct fault_engine *fault = (struct fault_engine *)engine;
	unsigned count = zc_req_pop_many(&fault->failed, ret_done, max);
	unsigned below = 0;

	if (fault->below != 0 && count < max) {
		below = fault->inner->ops->reap(fault->inner, ret_done + count, max - count,
		                                wait_min > count ? wait_min - count : 0);
	}
	fault->below -= below;
	return count + below;
}

static void fault_facts(const struct zc_engine *engine, struct zc_engine_facts *ret_facts)
{
	const struct fault_engine *fault = (const struct fault_engine *)engine;

	fault->inner->ops->facts(fault->inner, ret_facts);
}

static void fault_close(struct zc_engine *engine)
{
	struct fault_engine *fault = (struct fault_engine *)engine;

	fault->inner->ops->close(fault->inner);
	free(fault);
}

int zc_engine_fault_open(struct zc_engine **ret_engine, struct zc_engine *inner,
                         const struct zc_engine_fault_plan *plan)
{
	struct fault_engine *fault = calloc(1, sizeof(*fault));

	if (!fault) {
		zc_engine_close(inner);
		return -ENOMEM;
	}
	fault->base.ops = &fault_ops;
	fault->base.depth = inner->depth;
	fault->inner = inner;
	fault->plan = *plan;
	*ret_engine = &fault->base;
	return 0;
}

/* Opened by wrapping, never by the engine table: no open. */
static const struct zc_engine_ops fault_ops = {
	.name = "fault",
	.submit = fault_submit,
	.reap = fault_reap,
	.facts = fault_facts,
	.close = fault_close,
};
