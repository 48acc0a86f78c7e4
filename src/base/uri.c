/*
 * The names of ends. A name is looked at, never touched: no system call here, so whether a local file
 * of a remote-looking name exists is the caller's check. Whatever is not one of our words is a path.
 */
#include "zcopy/base.h"

#include <errno.h>
#include <limits.h>
#include <string.h>

#define URI_HOST_MAX 255 /* a name of DNS */

/* The text after prefix, or NULL when it does not start so. */
static const char *uri_after(const char *text, const char *prefix)
{
	size_t len = strlen(prefix);

	return strncmp(text, prefix, len) == 0 ? text + len : NULL;
}

/* The N of a name that means "descriptor N of this process", -1 for every other name. */
static int uri_fd(const char *text, enum zc_dir dir)
{
	const char *number;
	uint64_t fd;

	if (!strcmp(text, "-")) {
		return dir == ZC_DIR_SRC ? 0 : 1;
	}
	if (!strcmp(text, "/dev/stdin")) {
		return 0;
	}
	if (!strcmp(text, "/dev/stdout")) {
		return 1;
	}
	if (!strcmp(text, "/dev/stderr")) {
		return 2;
	}
	number = uri_after(text, "/dev/fd/");
	if (!number) {
		number = uri_after(text, "/proc/self/fd/");
	}
	/* The kernel knows no "01": as a path it will not be found, which is the truth. */
	if (!number || (number[0] == '0' && number[1] != '\0') ||
	    zc_parse_count(number, 0, INT_MAX, &fd) != 0) {
		return -1;
	}
	return (int)fd;
}

/* HOST:PATH: something before the first ':', and no '/' in it. Of ":x" the colon is part of the name,
 * as with scp. */
static bool uri_is_remote(const char *text)
{
	static const char *const schemes[] = { "ssh://", "zcopy://" };
	size_t head = strcspn(text, "/:");

	for (size_t i = 0; i < ZC_ARRAY_LEN(schemes); i++) {
		if (uri_after(text, schemes[i])) {
			return true;
		}
	}
	return head > 0 && text[head] == ':';
}

/* A size that is also an offset: the kernel's offsets end at INT64_MAX. */
static int uri_size(const char *text, uint64_t *ret_bytes, const char **ret_why)
{
	uint64_t bytes;
	int err = zc_parse_size(text, &bytes);

	if (err == 0 && bytes > INT64_MAX) {
		err = -ERANGE;
	}
	if (err != 0) {
		*ret_why = err == -ERANGE ? "the size is too large" : "the size is not a number like 64M";
		return err;
	}
	*ret_bytes = bytes;
	return 0;
}

static int uri_zero(struct zc_uri *uri, const char *args, enum zc_dir dir, const char **ret_why)
{
	if (dir == ZC_DIR_DST) {
		*ret_why = "it is a source only; what discards bytes is null:";
		return -EINVAL;
	}
	uri->kind = ZC_END_ZERO;
	return uri_size(args, &uri->size_bytes, ret_why);
}

static int uri_gen(struct zc_uri *uri, const char *args, enum zc_dir dir, const char **ret_why)
{
	size_t seed_len = strcspn(args, ",");
	bool has_size = args[seed_len] == ',';
	char seed[24]; /* UINT64_MAX has 20 digits */
	int err;

	if (has_size != (dir == ZC_DIR_SRC)) {
		*ret_why =
		    dir == ZC_DIR_SRC ? "as a source it is gen:SEED,SIZE" : "as a destination it is gen:SEED";
		return -EINVAL;
	}
	if (seed_len >= sizeof(seed)) {
		*ret_why = "the seed is too large";
		return -ERANGE;
	}
	memcpy(seed, args, seed_len);
	seed[seed_len] = '\0';
	err = zc_parse_count(seed, 0, UINT64_MAX, &uri->seed);
	if (err != 0) {
		*ret_why = err == -ERANGE ? "the seed is too large" : "the seed is not a whole number";
		return err;
	}
	uri->kind = ZC_END_GEN;
	return has_size ? uri_size(args + seed_len + 1, &uri->size_bytes, ret_why) : 0;
}

/* HOST:PORT, [ADDRESS]:PORT, and to listen on any address :PORT. */
static int uri_tcp(struct zc_uri *uri, const char *args, bool listens, const char **ret_why)
{
	bool bracket = *args == '[';
	const char *host = args + bracket;
	size_t len = strcspn(host, bracket ? "[]/" : ":/");
	const char *port = host + len;
	uint64_t number;

	port += bracket && *port == ']';
	if (*port != ':' || (len == 0 && (bracket || !listens)) || len > URI_HOST_MAX) {
		*ret_why = listens ? "it is tcp-listen://:PORT, tcp-listen://ADDRESS:PORT or "
		                     "tcp-listen://[ADDRESS]:PORT"
		                   : "it is tcp://HOST:PORT or tcp://[ADDRESS]:PORT";
		return -EINVAL;
	}
	if (strchr(port + 1, ':') != NULL) {
		*ret_why = "an IPv6 address stands in brackets, as in [::1]:PORT";
		return -EINVAL;
	}
	if (zc_parse_count(port + 1, listens ? 0 : 1, UINT16_MAX, &number) != 0) {
		*ret_why = listens ? "the port is not a number from 0 to 65535"
		                   : "the port is not a number from 1 to 65535";
		return -EINVAL;
	}
	uri->kind = listens ? ZC_END_TCP_LISTEN : ZC_END_TCP;
	uri->host = len > 0 ? host : NULL;
	uri->host_len = (uint32_t)len;
	uri->port = (uint16_t)number;
	return 0;
}

int zc_uri_parse(struct zc_uri *ret_uri, const char *text, enum zc_dir dir, const char **ret_why)
{
	struct zc_uri uri = { .text = text, .fd = -1 };
	const char *args;
	int err = 0;

	uri.fd = uri_fd(text, dir);
	if (uri.fd >= 0) {
		uri.kind = ZC_END_FD;
	} else if ((args = uri_after(text, "null:"))) {
		uri.kind = ZC_END_NULL;
		if (*args != '\0') {
			*ret_why = "nothing may follow the colon";
			err = -EINVAL;
		}
	} else if ((args = uri_after(text, "zero:"))) {
		err = uri_zero(&uri, args, dir, ret_why);
	} else if ((args = uri_after(text, "gen:"))) {
		err = uri_gen(&uri, args, dir, ret_why);
	} else if ((args = uri_after(text, "tcp://"))) {
		err = uri_tcp(&uri, args, false, ret_why);
	} else if ((args = uri_after(text, "tcp-listen://"))) {
		err = uri_tcp(&uri, args, true, ret_why);
	} else if (uri_is_remote(text)) {
		uri.kind = ZC_END_REMOTE;
	} else {
		uri.kind = ZC_END_PATH;
		uri.path = text;
	}
	if (err == 0) {
		*ret_uri = uri;
	}
	return err;
}
