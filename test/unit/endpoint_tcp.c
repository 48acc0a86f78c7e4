/* endpoint/tcp.c: how a connection begins and ends. */
#include <errno.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "zcopy/endpoint.h"

#define MS 1000000ull

static struct zc_uri uri_of(const char *text)
{
	const char *why = NULL;
	struct zc_uri uri;

	assert_int_equal(zc_uri_parse(&uri, text, ZC_DIR_SRC, &why), 0);
	return uri;
}

/* Two ends of one connection. */
static void pair(struct zc_end *ret_near, struct zc_end *ret_far)
{
	struct zc_uri uri = uri_of("tcp-listen://127.0.0.1:0");
	char name[ZC_TCP_NAME_BYTES];
	char text[ZC_TCP_NAME_BYTES + 8];
	const char *why = NULL;
	int fd = -1;

	assert_int_equal(zc_tcp_listen(&fd, &uri, &why), 0);
	snprintf(text, sizeof(text), "tcp://%s", zc_tcp_name(name, fd));
	uri = uri_of(text);
	assert_true(uri.port != 0);
	assert_int_equal(zc_tcp_connect(ret_near, &uri, ZC_DIR_DST, 5000 * MS, &why), 0);
	assert_int_equal(zc_tcp_accept(ret_far, fd, ZC_DIR_SRC, 5000 * MS), 0);
	close(fd);
}

static void shapes(void **state)
{
	struct zc_end near;
	struct zc_end far;
	uint64_t moved;
	bool idle;

	(void)state;
	pair(&near, &far);
	assert_int_equal(near.shape.caps, ZC_CAP_SOCK | ZC_CAP_PEER);
	assert_true(near.owned && near.shape.size_bytes == ZC_SIZE_UNKNOWN);
	assert_string_equal(zc_end_noun(&far), "TCP peer");
	assert_true(zc_tcp_moved(&far, ZC_DIR_SRC, &idle) == 0 && idle);
	assert_int_equal(send(near.shape.fd, "abc", 3, 0), 3);
	for (int i = 0; i < 6000 && idle; i++) {
		usleep(10000);
		(void)zc_tcp_moved(&far, ZC_DIR_SRC, &idle);
	}
	assert_false(idle);
	moved = zc_tcp_moved(&far, ZC_DIR_SRC, &idle);
	assert_true(moved == 3 || moved == 0); /* 0: an emulator does not count */
	zc_tcp_abort(&far);
	zc_end_close(&near);
	zc_end_close(&far);
}

static void *close_late(void *arg)
{
	struct zc_end *far = arg;
	char bytes[8];

	usleep(100000);
	assert_int_equal(recv(far->shape.fd, bytes, sizeof(bytes), MSG_WAITALL), 3);
	zc_end_close(far);
	return NULL;
}

/* It waits for the peer; a peer that has all and stays is good enough after a while; a reset is none. */
static void ends(void **state)
{
	const struct linger at_once = { .l_onoff = 1 };
	struct zc_end near;
	struct zc_end far;
	pthread_t thread;
	uint64_t from;

	(void)state;
	pair(&near, &far);
	assert_int_equal(send(near.shape.fd, "abc", 3, 0), 3);
	from = zc_now_ns();
	assert_int_equal(pthread_create(&thread, NULL, close_late, &far), 0);
	assert_int_equal(zc_tcp_finish(&near, 0), 0);
	assert_true(zc_now_ns() - from >= 90 * MS);
	pthread_join(thread, NULL);
	zc_end_close(&near);

	pair(&near, &far);
	assert_int_equal(send(near.shape.fd, "abc", 3, 0), 3);
	assert_int_equal(zc_tcp_finish(&near, 200 * MS), 0);
	zc_end_close(&near);
	zc_end_close(&far);

	pair(&near, &far);
	assert_int_equal(send(near.shape.fd, "abc", 3, 0), 3);
	assert_int_equal(setsockopt(far.shape.fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof(at_once)), 0);
	zc_end_close(&far);
	assert_int_equal(zc_tcp_finish(&near, 5000 * MS), -ECONNRESET);
	zc_end_close(&near);
}

static void refusals(void **state)
{
	struct zc_uri uri = uri_of("tcp-listen://127.0.0.1:0");
	struct zc_uri nowhere = uri_of("tcp://host.invalid:9");
	char name[ZC_TCP_NAME_BYTES];
	char text[ZC_TCP_NAME_BYTES + 16];
	const char *why = NULL;
	struct zc_end end;
	uint64_t from = zc_now_ns();
	int fd;
	int other;

	(void)state;
	assert_int_equal(zc_tcp_listen(&fd, &uri, &why), 0);
	assert_int_equal(zc_tcp_accept(&end, fd, ZC_DIR_SRC, 100 * MS), -ETIMEDOUT);
	assert_true(zc_now_ns() - from >= 100 * MS);
	snprintf(text, sizeof(text), "tcp-listen://%s", zc_tcp_name(name, fd));
	uri = uri_of(text);
	assert_int_equal(zc_tcp_listen(&other, &uri, &why), -EADDRINUSE);
	close(fd);
	uri.kind = ZC_END_TCP;
	assert_int_equal(zc_tcp_connect(&end, &uri, ZC_DIR_DST, 5000 * MS, &why), -ECONNREFUSED);
	assert_null(why);
	assert_int_equal(zc_tcp_connect(&end, &nowhere, ZC_DIR_DST, 5000 * MS, &why), -EHOSTUNREACH);
	assert_non_null(why);
	zc_stop_signal = 2;
	assert_int_equal(zc_tcp_listen(&fd, &(struct zc_uri){ .kind = ZC_END_TCP_LISTEN }, &why), 0);
	assert_int_equal(zc_tcp_accept(&end, fd, ZC_DIR_SRC, 0), -ECANCELED);
	zc_stop_signal = 0;
	close(fd);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(shapes),
		cmocka_unit_test(ends),
		cmocka_unit_test(refusals),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
