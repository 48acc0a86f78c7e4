/* store.h: the buffer route by two threads with a store between them. Private to route/. */
#ifndef ZC_ROUTE_STORE_H
#define ZC_ROUTE_STORE_H

#include "zcopy/route.h"

/* As zc_copy_buffer, with kit->store, whose pool is kit->pool; a sink that lends is written to all the same.
 * --sparse=always is not looked after. */
int zc_store_move(struct zc_kit *kit, struct zc_leg *leg);

#endif
