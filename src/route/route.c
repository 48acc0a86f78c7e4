/*
 * route.c: the table of routes and the ladder over it.
 *
 * The caller gives the order (job chooses it); each route either moves the rest of the span or says "not
 * me" at an exact byte, from where the next one goes on. Errors are final: after bytes have moved, what
 * the kernel says is about the data, not about the route.
 */
#include "zcopy/route.h"

#include <errno.h>

static const struct zc_route_ops *const route_table[ZC_ROUTE_COUNT] = {
	[ZC_ROUTE_REFLINK] = &zc_route_reflink,   [ZC_ROUTE_CFR] = &zc_route_cfr,
	[ZC_ROUTE_SENDFILE] = &zc_route_sendfile, [ZC_ROUTE_SPLICE] = &zc_route_splice,
	[ZC_ROUTE_BUFFER] = &zc_route_buffer,
};

const struct zc_route_ops *zc_route(enum zc_route_kind kind)
{
	zc_assert(kind > ZC_ROUTE_AUTO && kind < ZC_ROUTE_COUNT);
	return route_table[kind];
}

const char *zc_route_name(enum zc_route_kind kind)
{
	return kind == ZC_ROUTE_AUTO ? "auto" : zc_route(kind)->name;
}

int zc_copy(struct zc_kit *kit, struct zc_leg *leg, const enum zc_route_kind *order, unsigned count,
            uint64_t moved[ZC_ROUTE_COUNT])
{
	int res = -EOPNOTSUPP;

	for (unsigned i = 0; i < count; i++) {
		const struct zc_route_ops *route = zc_route(order[i]);
		uint64_t before = leg->done_bytes - leg->hole_bytes;
		uint64_t after;

		leg->err = (struct zc_err){ 0 };
		res = route->move(kit, leg);
		if (res == 0 || route->kind != ZC_ROUTE_BUFFER) {
			leg->whole_bytes = leg->done_bytes;
		}
		after = leg->done_bytes - leg->hole_bytes;
		moved[order[i]] += after > before ? after - before : 0;
		if (res != -EOPNOTSUPP) {
			return res;
		}
		if (i + 1 < count) {
			zc_fallback_add(kit->fallbacks, route->name, zc_route_name(order[i + 1]), leg->err.op,
			                leg->err.code);
		}
	}
	return res;
}
