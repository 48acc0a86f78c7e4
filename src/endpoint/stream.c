/*
 * stream.c: ends without a position of their own: pipes, FIFOs, sockets, ttys and other character
 * devices, and a regular file that others gave us to write to. One request in flight at a time, in order.
 */
#include "zcopy/endpoint.h"

#include <unistd.h>

/* A stream is one span to wherever it ends. */
static int stream_next(struct zc_end *end, uint64_t from, struct zc_span *ret_span)
{
	(void)end;
	*ret_span = (struct zc_span){ .kind = ZC_SPAN_DATA, .off_bytes = from, .len_bytes = ZC_SIZE_UNKNOWN };
	return 0;
}

static bool stream_prep(struct zc_end *end, struct zc_req *req)
{
	req->fd = end->shape.fd;
	req->off_bytes = ZC_OFF_STREAM;
	req->flags = 0;
	return false;
}

const struct zc_end_ops zc_end_stream = {
	.scheme = "stream",
	.next = stream_next,
	.prep = stream_prep,
};
