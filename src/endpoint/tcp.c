/*
 * tcp.c: a peer at the other end of a TCP connection. Once open it is a stream like any other socket; what is
 * particular is how it begins (names, addresses, deadlines) and how it ends.
 *
 * The end of the stream is the FIN. Whoever writes says it by closing its half only, and stays until the peer
 * has closed the other: a peer that goes away with bytes unread answers by a reset, which nobody would see
 * who had closed already. Whoever reads cannot tell a FIN of a sender that was finished from that of one that
 * was killed: raw TCP has no word for it.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/sockios.h>
#include <linux/tcp.h>
#include <netdb.h>
#include <netinet/in.h>
#include <poll.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "zcopy/endpoint.h"

#define NS_PER_MS 1000000ull

enum {
	LOOK_MS = 100,     /* between two looks at what no descriptor tells         */
	LINGER_MS = 10000, /* for a peer that has everything and does not close     */
	IDLE_S = 60,       /* of a connection, until the peer is asked if it is there */
	ASK_S = 10,
	ASKS = 6,
};

/* ---- waiting */

/* Until fd is ready: 0, -ETIMEDOUT at until_ns (0: never), -ECANCELED. */
static int tcp_wait(int fd, short events, uint64_t until_ns)
{
	struct pollfd pfd = { .fd = fd, .events = events };

	while (!zc_stopped()) {
		uint64_t now = zc_now_ns();
		int wait_ms = -1;
		int res;

		if (until_ns != 0) {
			if (now >= until_ns) {
				return -ETIMEDOUT;
			}
			wait_ms = (int)zc_min_u64((until_ns - now) / NS_PER_MS + 1, 3600 * 1000);
		}
		res = poll(&pfd, 1, wait_ms);
		if (res > 0) {
			return 0;
		}
		if (res < 0 && errno != EINTR) {
			return -errno;
		}
	}
	return -ECANCELED;
}

static uint64_t tcp_until(uint64_t timeout_ns)
{
	return timeout_ns == 0 ? 0 : zc_now_ns() + timeout_ns;
}

/* ---- addresses */

static int tcp_resolve(struct addrinfo **ret_list, const struct zc_uri *uri, int flags, const char **ret_why)
{
	struct addrinfo hints = { .ai_socktype = SOCK_STREAM, .ai_flags = flags | AI_NUMERICSERV };
	char host[256];
	char port[8];
	int res;

	snprintf(host, sizeof(host), "%.*s", (int)uri->host_len, uri->host);
	snprintf(port, sizeof(port), "%u", (unsigned)uri->port);
	res = getaddrinfo(host, port, &hints, ret_list);
	if (res == 0) {
		return 0;
	}
	if (res == EAI_SYSTEM || res == EAI_MEMORY) {
		return res == EAI_MEMORY ? -ENOMEM : -errno;
	}
	*ret_why = gai_strerror(res);
	return -EHOSTUNREACH;
}

const char *zc_tcp_name(char out[ZC_TCP_NAME_BYTES], int fd)
{
	struct sockaddr_storage address;
	socklen_t len = sizeof(address);
	char host[INET6_ADDRSTRLEN + 20]; /* with the name of an interface */
	char port[8];

	if (getsockname(fd, (struct sockaddr *)&address, &len) < 0 ||
	    getnameinfo((struct sockaddr *)&address, len, host, sizeof(host), port, sizeof(port),
	                NI_NUMERICHOST | NI_NUMERICSERV) != 0) {
		snprintf(out, ZC_TCP_NAME_BYTES, "?");
	} else {
		snprintf(out, ZC_TCP_NAME_BYTES, strchr(host, ':') != NULL ? "[%s]:%s" : "%s:%s", host, port);
	}
	return out;
}

/* ---- listening */

static int tcp_bind(int *ret_fd, int family, const void *address, socklen_t len)
{
	static const int on = 1;
	static const int off = 0;
	int fd = socket(family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	int res;

	if (fd < 0) {
		return -errno;
	}
	/* the next run may listen where this one's connection has just ended */
	(void)setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	if (family == AF_INET6) { /* of any address the IPv4 ones, too */
		(void)setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &off, sizeof(off));
	}
	if (bind(fd, address, len) < 0 || listen(fd, 1) < 0) {
		res = -errno;
		close(fd);
		return res;
	}
	*ret_fd = fd;
	return 0;
}

static int tcp_bind_any(int *ret_fd, uint16_t port)
{
	struct sockaddr_in6 six = { .sin6_family = AF_INET6, .sin6_port = htons(port) };
	struct sockaddr_in four = { .sin_family = AF_INET, .sin_port = htons(port) };
	int res = tcp_bind(ret_fd, AF_INET6, &six, sizeof(six));

	if (res == -EAFNOSUPPORT || res == -EADDRNOTAVAIL) { /* this host has no IPv6 */
		res = tcp_bind(ret_fd, AF_INET, &four, sizeof(four));
	}
	return res;
}

int zc_tcp_listen(int *ret_fd, const struct zc_uri *uri, const char **ret_why)
{
	struct addrinfo *list;
	int res;

	if (uri->host == NULL) {
		return tcp_bind_any(ret_fd, uri->port);
	}
	res = tcp_resolve(&list, uri, AI_PASSIVE, ret_why);
	if (res < 0) {
		return res;
	}
	res = -EADDRNOTAVAIL;
	for (struct addrinfo *at = list; at != NULL && res < 0; at = at->ai_next) {
		res = tcp_bind(ret_fd, at->ai_family, at->ai_addr, at->ai_addrlen);
	}
	freeaddrinfo(list);
	return res;
}

/* ---- a connection becomes an end */

static void tcp_set(int fd, int level, int name, uint64_t value)
{
	int number = (int)zc_min_u64(value, INT32_MAX);

	(void)setsockopt(fd, level, name, &number, sizeof(number));
}

/* Small pieces go at once; a peer whose host has gone is found out although nothing is written. */
static int tcp_become(struct zc_end *ret_end, int fd, enum zc_dir dir, uint64_t timeout_ns)
{
	uint64_t timeout_s = timeout_ns / (1000 * NS_PER_MS);
	int flags = fcntl(fd, F_GETFL);
	int res;

	tcp_set(fd, IPPROTO_TCP, TCP_NODELAY, 1);
	tcp_set(fd, SOL_SOCKET, SO_KEEPALIVE, 1);
	tcp_set(fd, IPPROTO_TCP, TCP_KEEPIDLE, timeout_ns == 0 ? IDLE_S : zc_max_u64(1, timeout_s / 2));
	tcp_set(fd, IPPROTO_TCP, TCP_KEEPINTVL, timeout_ns == 0 ? ASK_S : zc_max_u64(1, timeout_s / 12));
	tcp_set(fd, IPPROTO_TCP, TCP_KEEPCNT, ASKS);
	if (timeout_ns != 0) {
		tcp_set(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, zc_max_u64(1, timeout_ns / NS_PER_MS));
	}
	if (flags < 0 || fcntl(fd, F_SETFL, flags & ~O_NONBLOCK) < 0) {
		return -errno;
	}
	res = zc_end_from_fd(ret_end, fd, dir, true);
	if (res == 0) {
		ret_end->shape.caps |= ZC_CAP_PEER;
	}
	return res;
}

int zc_tcp_accept(struct zc_end *ret_end, int fd, enum zc_dir dir, uint64_t timeout_ns)
{
	uint64_t until = tcp_until(timeout_ns);

	for (;;) {
		int res = tcp_wait(fd, POLLIN, until);
		int peer;

		if (res < 0) {
			return res;
		}
		peer = accept4(fd, NULL, NULL, SOCK_CLOEXEC);
		if (peer >= 0) {
			res = tcp_become(ret_end, peer, dir, timeout_ns);
			if (res < 0) {
				close(peer);
			}
			return res;
		}
		/* who had called is gone already: the next one */
		if (errno != EAGAIN && errno != EINTR && errno != ECONNABORTED && errno != EPROTO) {
			return -errno;
		}
	}
}

static int tcp_call(int *ret_fd, const struct addrinfo *at, uint64_t until)
{
	int fd = socket(at->ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	socklen_t len = sizeof(int);
	int code = 0;
	int res;

	if (fd < 0) {
		return -errno;
	}
	res = connect(fd, at->ai_addr, at->ai_addrlen) < 0 && errno != EINTR ? -errno : 0;
	if (res == 0 || res == -EINPROGRESS) {
		res = tcp_wait(fd, POLLOUT, until);
	}
	if (res == 0 && getsockopt(fd, SOL_SOCKET, SO_ERROR, &code, &len) == 0) {
		res = -code;
	}
	if (res < 0) {
		close(fd);
		return res;
	}
	*ret_fd = fd;
	return 0;
}

int zc_tcp_connect(struct zc_end *ret_end, const struct zc_uri *uri, enum zc_dir dir, uint64_t timeout_ns,
                   const char **ret_why)
{
	uint64_t until = tcp_until(timeout_ns);
	struct addrinfo *list;
	int fd = -1;
	int res = tcp_resolve(&list, uri, 0, ret_why);

	if (res < 0) {
		return res;
	}
	res = -EHOSTUNREACH;
	for (struct addrinfo *at = list; at != NULL && res < 0 && res != -ECANCELED && res != -ETIMEDOUT;
	     at = at->ai_next) {
		res = tcp_call(&fd, at, until);
	}
	freeaddrinfo(list);
	if (res == 0) {
		res = tcp_become(ret_end, fd, dir, timeout_ns);
		if (res < 0) {
			close(fd);
		}
	}
	return res;
}

/* ---- the end */

/* What a peer says when it should listen is not ours to keep, but unread it would make our close a reset.
 * 1: it has closed; 0: not yet; -errno. */
static int tcp_drain(int fd)
{
	char block[4096];

	for (;;) {
		ssize_t res = recv(fd, block, sizeof(block), MSG_DONTWAIT);

		if (res == 0) {
			return 1;
		}
		if (res < 0 && errno != EINTR) {
			return errno == EAGAIN ? 0 : -errno;
		}
		if (zc_stopped()) {
			return -ECANCELED;
		}
	}
}

/* Bytes that the peer's kernel has not acknowledged. */
static int tcp_unacknowledged(int fd)
{
	int bytes = 0;

	return ioctl(fd, SIOCOUTQ, &bytes) == 0 ? bytes : 0;
}

int zc_tcp_finish(struct zc_end *end, uint64_t timeout_ns)
{
	uint64_t patience = timeout_ns != 0 ? timeout_ns : LINGER_MS * NS_PER_MS;
	uint64_t since = zc_now_ns();
	int fd = end->shape.fd;
	int before = -1;
	int res;

	if (shutdown(fd, SHUT_WR) < 0) {
		return errno == ENOTCONN ? -ECONNRESET : -errno;
	}
	while ((res = tcp_drain(fd)) == 0) {
		int left = tcp_unacknowledged(fd);

		if (left != before) {
			before = left;
			since = zc_now_ns();
		} else if (zc_now_ns() - since >= patience && (left == 0 || timeout_ns != 0)) {
			return left == 0 ? 0 : -ETIMEDOUT;
		}
		res = tcp_wait(fd, POLLIN, zc_now_ns() + LOOK_MS * NS_PER_MS);
		if (res < 0 && res != -ETIMEDOUT) {
			return res;
		}
	}
	return res < 0 ? res : 0;
}

/* ---- watched by another thread */

uint64_t zc_tcp_moved(const struct zc_end *end, enum zc_dir dir, bool *ret_idle)
{
	struct pollfd pfd = { .fd = end->shape.fd, .events = dir == ZC_DIR_SRC ? POLLIN : POLLOUT };
	struct tcp_info info = { 0 };
	socklen_t len = sizeof(info);

	*ret_idle = poll(&pfd, 1, 0) == 0;
	(void)getsockopt(end->shape.fd, IPPROTO_TCP, TCP_INFO, &info, &len);
	return dir == ZC_DIR_SRC ? info.tcpi_bytes_received : info.tcpi_bytes_acked;
}

void zc_tcp_abort(const struct zc_end *end)
{
	(void)shutdown(end->shape.fd, SHUT_RDWR);
}
