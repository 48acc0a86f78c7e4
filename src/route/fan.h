/* fan.h: what the splice route has to do for further sinks. Private to route/. NULL is no fan. */
#ifndef ZC_ROUTE_FAN_H
#define ZC_ROUTE_FAN_H

#include "zcopy/route.h"

/* A pipe of pipe_bytes for each sink. 0 or -errno: then tee is not the way. */
int fan_open(struct zc_fan *fan, uint32_t pipe_bytes);
/* The first len bytes in the pipe from_fd to every sink; they stay in it. 0, or -errno when tee(2) itself is
 * refused and nobody has got anything yet. What goes wrong with a sink is the sink's. */
int fan_tee(struct zc_fan *fan, int from_fd, size_t len);

#endif
