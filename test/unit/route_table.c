/*
 * Which routes fit which ends, as one table over every pair of shapes; that the answer comes from the
 * shapes alone; and the names.
 */
#include "zcopy/route.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#define FILE_CAPS (ZC_CAP_REG | ZC_CAP_SEEK | ZC_CAP_HOLES)

enum {
	SINK_COUNT = 8,
};

static const struct zc_shape sinks[SINK_COUNT] = {
	{ .caps = FILE_CAPS, .fd = -1 },                  /* a file of ours             */
	{ .caps = ZC_CAP_REG, .fd = -1 },                 /* "> file"                   */
	{ .caps = ZC_CAP_REG | ZC_CAP_APPEND, .fd = -1 }, /* ">> file"                  */
	{ .caps = ZC_CAP_BLOCK | ZC_CAP_SEEK, .fd = -1 }, /* a disk                     */
	{ .caps = ZC_CAP_PIPE, .fd = -1 },                /* a pipe                     */
	{ .caps = ZC_CAP_SOCK, .fd = -1 },                /* a socket                   */
	{ .caps = ZC_CAP_CHAR, .fd = -1 },                /* a tty                      */
	{ .caps = ZC_CAP_SYNTH | ZC_CAP_SEEK, .fd = -1 }, /* null:, gen:                */
};

/* Letters: r reflink, c copy_file_range, f sendfile, s splice. Buffer always fits. */
static const struct {
	const char *what;
	struct zc_shape src;
	const char *fit[SINK_COUNT];
} rows[] = {
	{ "file", { .caps = FILE_CAPS, .size_bytes = 100 }, { "rcf", "f", "", "f", "fs", "fs", "f", "" } },
	{ "file, size unknown",
	  { .caps = FILE_CAPS, .size_bytes = ZC_SIZE_UNKNOWN },
	  { "rcf", "f", "", "f", "fs", "fs", "f", "" } },
	{ "file, from its middle",
	  { .caps = FILE_CAPS, .size_bytes = 100, .base_bytes = 1 },
	  { "cf", "f", "", "f", "fs", "fs", "f", "" } },
	{ "disk",
	  { .caps = ZC_CAP_BLOCK | ZC_CAP_SEEK, .size_bytes = 100 },
	  { "f", "f", "", "f", "fs", "fs", "f", "" } },
	{ "pipe",
	  { .caps = ZC_CAP_PIPE, .size_bytes = ZC_SIZE_UNKNOWN },
	  { "s", "s", "", "s", "s", "s", "s", "" } },
	{ "socket",
	  { .caps = ZC_CAP_SOCK, .size_bytes = ZC_SIZE_UNKNOWN },
	  { "s", "s", "", "s", "s", "s", "s", "" } },
	{ "tty",
	  { .caps = ZC_CAP_CHAR, .size_bytes = ZC_SIZE_UNKNOWN },
	  { "", "", "", "", "s", "s", "", "" } },
	{ "gen:",
	  { .caps = ZC_CAP_SYNTH | ZC_CAP_SEEK, .size_bytes = 100 },
	  { "", "", "", "", "", "", "", "" } },
	{ "eventfd", { .caps = 0, .size_bytes = ZC_SIZE_UNKNOWN }, { "", "", "", "", "s", "s", "", "" } },
};

static const struct {
	enum zc_route_kind kind;
	char letter;
	const char *name;
} routes[] = {
	{ ZC_ROUTE_REFLINK, 'r', "reflink" },
	{ ZC_ROUTE_CFR, 'c', "cfr" },
	{ ZC_ROUTE_SENDFILE, 'f', "sendfile" },
	{ ZC_ROUTE_SPLICE, 's', "splice" },
};

static void table(void **state)
{
	/* what must not matter */
	static const unsigned noise[] = { 0, ZC_CAP_NONBLOCK, ZC_CAP_FRESH, ZC_CAP_NONBLOCK | ZC_CAP_FRESH };

	(void)state;
	for (unsigned i = 0; i < ZC_ARRAY_LEN(rows); i++) {
		for (unsigned k = 0; k < SINK_COUNT * ZC_ARRAY_LEN(routes) * ZC_ARRAY_LEN(noise); k++) {
			unsigned r = k % ZC_ARRAY_LEN(routes);
			unsigned n = k / ZC_ARRAY_LEN(routes) % ZC_ARRAY_LEN(noise);
			unsigned d = k / ZC_ARRAY_LEN(routes) / ZC_ARRAY_LEN(noise);
			struct zc_shape src = rows[i].src;
			struct zc_shape dst = sinks[d];
			const char *unfit;

			src.fd = -1;
			src.caps |= noise[n];
			dst.caps |= noise[n];
			unfit = zc_route(routes[r].kind)->unfit(&src, &dst);
			if ((unfit == NULL) != (strchr(rows[i].fit[d], routes[r].letter) != NULL)) {
				fail_msg("%s to sink %u by %s: %s", rows[i].what, d, routes[r].name,
				         unfit != NULL ? unfit : "fits");
			}
			assert_true(unfit == NULL || strlen(unfit) > 10);
			assert_null(zc_route_buffer.unfit(&src, &dst));
		}
	}
}

static void names(void **state)
{
	(void)state;
	assert_string_equal(zc_route_name(ZC_ROUTE_AUTO), "auto");
	assert_string_equal(zc_route_name(ZC_ROUTE_BUFFER), "buffer");
	assert_int_equal(zc_route(ZC_ROUTE_BUFFER)->kind, ZC_ROUTE_BUFFER);
	for (unsigned i = 0; i < ZC_ARRAY_LEN(routes); i++) {
		assert_string_equal(zc_route_name(routes[i].kind), routes[i].name);
		assert_int_equal(zc_route(routes[i].kind)->kind, routes[i].kind);
	}
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(table),
		cmocka_unit_test(names),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
