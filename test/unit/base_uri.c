/* The names of ends: each kind, each refusal with its sentence, and noise. */
#include "zcopy/base.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static struct zc_uri good(const char *text, enum zc_dir dir, enum zc_end_kind kind)
{
	struct zc_uri uri = { 0 };
	const char *why = NULL;

	assert_int_equal(zc_uri_parse(&uri, text, dir, &why), 0);
	assert_int_equal(uri.kind, kind);
	assert_ptr_equal(uri.text, text);
	assert_ptr_equal(uri.path, kind == ZC_END_PATH ? text : NULL);
	assert_null(why);
	if (kind != ZC_END_FD) {
		assert_int_equal(uri.fd, -1);
	}
	return uri;
}

static void bad(const char *text, enum zc_dir dir, int expected)
{
	struct zc_uri uri;
	struct zc_uri before;
	const char *why = NULL;

	memset(&uri, 0x55, sizeof(uri));
	memcpy(&before, &uri, sizeof(uri));
	assert_int_equal(zc_uri_parse(&uri, text, dir, &why), expected);
	assert_non_null(why);
	assert_true(strlen(why) > 10);
	assert_memory_equal(&uri, &before, sizeof(uri));
}

static void paths(void **state)
{
	static const char *const texts[] = {
		"",
		"a",
		"./a",
		"/a:b",
		"./a:b",
		":a",
		"a/b:c",
		"./-",
		"--",
		"null",
		"zero",
		"gen",
		"/dev/stdinx",
		"/dev/fd",
		"./n:",
		"/dev/fd/",
		"/dev/fd/x",
		"/dev/fd/01",
		"/dev/fd/3/x",
		"/dev/fd/-1",
		"/dev/null",
		"::",
		"/dev/fd/0x1",
		"/dev/fd/99999999999",
		"/proc/self/fd/",
		"/proc/1/fd/1",
	};

	(void)state;
	for (size_t i = 0; i < ZC_ARRAY_LEN(texts); i++) {
		good(texts[i], ZC_DIR_SRC, ZC_END_PATH);
		good(texts[i], ZC_DIR_DST, ZC_END_PATH);
	}
}

static void descriptors(void **state)
{
	(void)state;
	assert_int_equal(good("-", ZC_DIR_SRC, ZC_END_FD).fd, 0);
	assert_int_equal(good("-", ZC_DIR_DST, ZC_END_FD).fd, 1);
	assert_int_equal(good("/dev/stdin", ZC_DIR_SRC, ZC_END_FD).fd, 0);
	assert_int_equal(good("/dev/stdout", ZC_DIR_DST, ZC_END_FD).fd, 1);
	assert_int_equal(good("/dev/stderr", ZC_DIR_DST, ZC_END_FD).fd, 2);
	assert_int_equal(good("/dev/fd/0", ZC_DIR_SRC, ZC_END_FD).fd, 0);
	assert_int_equal(good("/dev/fd/63", ZC_DIR_SRC, ZC_END_FD).fd, 63);
	assert_int_equal(good("/proc/self/fd/7", ZC_DIR_DST, ZC_END_FD).fd, 7);
}

static void remotes(void **state)
{
	static const char *const texts[] = {
		"ssh://u@h:22/p", "zcopy://h/p", "h:p", "u@h:p", "h:", "h:/p", "h:a:b", "http://h/p",
	};

	(void)state;
	for (size_t i = 0; i < ZC_ARRAY_LEN(texts); i++) {
		good(texts[i], ZC_DIR_SRC, ZC_END_REMOTE);
		good(texts[i], ZC_DIR_DST, ZC_END_REMOTE);
	}
}

static void check_tcp(const char *text, enum zc_end_kind kind, const char *host, unsigned port)
{
	for (int dir = ZC_DIR_SRC; dir <= ZC_DIR_DST; dir++) {
		struct zc_uri uri = good(text, (enum zc_dir)dir, kind);

		assert_int_equal(uri.port, port);
		assert_int_equal(uri.host_len, strlen(host));
		assert_true(uri.host == NULL ? host[0] == '\0' : strncmp(uri.host, host, uri.host_len) == 0);
	}
}

static void tcp(void **state)
{
	static const char *const wrong[] = {
		"tcp://",        "tcp://h",        "tcp://h:",
		"tcp://:1",      "tcp://h:0",      "tcp://h:65536",
		"tcp://h:1x",    "tcp://h:-1",     "tcp://::1:1",
		"tcp://[::1]",   "tcp://[::1]1",   "tcp://[]:1",
		"tcp://[::1:1",  "tcp://h/x:1",    "tcp://h:1/x",
		"tcp-listen://", "tcp-listen://h", "tcp-listen://[]:1",
		"tcp://h:1:2",   "tcp://h: 1",     "tcp-listen://:65536",
	};

	(void)state;
	check_tcp("tcp://host:1", ZC_END_TCP, "host", 1);
	check_tcp("tcp://127.0.0.1:65535", ZC_END_TCP, "127.0.0.1", 65535);
	check_tcp("tcp://[::1]:9000", ZC_END_TCP, "::1", 9000);
	check_tcp("tcp://[fe80::1%eth0]:9000", ZC_END_TCP, "fe80::1%eth0", 9000);
	check_tcp("tcp-listen://:0", ZC_END_TCP_LISTEN, "", 0);
	check_tcp("tcp-listen://:9000", ZC_END_TCP_LISTEN, "", 9000);
	check_tcp("tcp-listen://localhost:9000", ZC_END_TCP_LISTEN, "localhost", 9000);
	check_tcp("tcp-listen://[::]:9000", ZC_END_TCP_LISTEN, "::", 9000);
	for (size_t i = 0; i < ZC_ARRAY_LEN(wrong); i++) {
		bad(wrong[i], ZC_DIR_SRC, -EINVAL);
		bad(wrong[i], ZC_DIR_DST, -EINVAL);
	}
}

static void synthetic(void **state)
{
	struct zc_uri uri;

	(void)state;
	good("null:", ZC_DIR_SRC, ZC_END_NULL);
	good("null:", ZC_DIR_DST, ZC_END_NULL);
	assert_int_equal(good("zero:64M", ZC_DIR_SRC, ZC_END_ZERO).size_bytes, 64 * ZC_MIB);
	assert_int_equal(good("zero:0", ZC_DIR_SRC, ZC_END_ZERO).size_bytes, 0);
	assert_int_equal(good("zero:9223372036854775807", ZC_DIR_SRC, ZC_END_ZERO).size_bytes, INT64_MAX);
	uri = good("gen:42,1GB", ZC_DIR_SRC, ZC_END_GEN);
	assert_int_equal(uri.seed, 42);
	assert_int_equal(uri.size_bytes, 1000000000);
	uri = good("gen:18446744073709551615", ZC_DIR_DST, ZC_END_GEN);
	assert_int_equal(uri.seed, UINT64_MAX);
}

static void synthetic_refused(void **state)
{
	static const char *const sources[] = {
		"null:x",   "zero:",     "zero:x",    "zero:1x", "zero:-1",  "zero:1,2", "gen:",
		"gen:1",    "gen:,",     "gen:1,",    "gen:,1",  "gen:x,1",  "gen:1,x",  "gen:-1,1",
		"gen:1 ,1", "gen:1,1,1", "gen:0x1,1", "zero: 1", "gen:1K,1",
	};
	static const char *const sinks[] = {
		"null:x", "zero:1", "zero:", "gen:1,1", "gen:", "gen:x", "gen:1x"
	};

	(void)state;
	for (size_t i = 0; i < ZC_ARRAY_LEN(sources); i++) {
		bad(sources[i], ZC_DIR_SRC, -EINVAL);
	}
	for (size_t i = 0; i < ZC_ARRAY_LEN(sinks); i++) {
		bad(sinks[i], ZC_DIR_DST, -EINVAL);
	}
	bad("zero:9223372036854775808", ZC_DIR_SRC, -ERANGE);
	bad("zero:99999999999999999999T", ZC_DIR_SRC, -ERANGE);
	bad("gen:18446744073709551616,1", ZC_DIR_SRC, -ERANGE);
	bad("gen:00000000000000000000000000005,1", ZC_DIR_SRC, -ERANGE);
	bad("gen:1,99999999999T", ZC_DIR_SRC, -ERANGE);
	bad("gen:18446744073709551616", ZC_DIR_DST, -ERANGE);
}

/* Any text is either an end or an error with a sentence. What parses as PATH keeps its text. */
static void noise(void **state)
{
	static const char *const parts[] = {
		"-",           "null:",    "zero:",
		"gen:",        "/dev/fd/", "/dev/std",
		"in",          "tcp://",   "ssh://",
		":",           "/",        ",",
		"1",           "64",       "K",
		"iB",          "B",        "x",
		"@",           "\xff",     "/proc/self/fd/",
		"99999999999", " ",        "0",
		"[",           "]",        "tcp-listen://",
	};

	(void)state;
	srandom(3);
	for (int i = 0; i < 200000; i++) {
		enum zc_dir dir = random() & 1 ? ZC_DIR_SRC : ZC_DIR_DST;
		struct zc_uri uri;
		const char *why = NULL;
		char text[128] = "";

		for (long k = random() % 5; k > 0; k--) {
			strcat(text, parts[(size_t)random() % ZC_ARRAY_LEN(parts)]);
		}
		int err = zc_uri_parse(&uri, text, dir, &why);

		if (err != 0) {
			assert_true(err == -EINVAL || err == -ERANGE);
			assert_non_null(why);
			continue;
		}
		assert_ptr_equal(uri.text, text);
		assert_true((uri.kind == ZC_END_PATH) == (uri.path == text));
		assert_true((uri.kind == ZC_END_FD) == (uri.fd >= 0));
		if (uri.kind == ZC_END_REMOTE) {
			assert_true(strchr(text, ':') > text);
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(paths), cmocka_unit_test(descriptors), cmocka_unit_test(remotes),
		cmocka_unit_test(tcp),   cmocka_unit_test(synthetic),   cmocka_unit_test(synthetic_refused),
		cmocka_unit_test(noise),
	};

	return cmocka_run_group_tests_name("base/uri", tests, NULL, NULL);
}
