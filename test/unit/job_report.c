/* The report: its JSON read back by another's parser and held against the schema; statuses and messages. */
#include "report.h"

#include <errno.h>
#include <jansson.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static json_t *read_back(const struct zc_report *report, uint64_t total_ns)
{
	char *text = NULL;
	size_t len = 0;
	FILE *file = open_memstream(&text, &len);
	json_error_t error;
	json_t *root;

	assert_int_equal(zc_report_write(report, file, total_ns), 0);
	fclose(file);
	assert_true(len > 0 && text[len - 1] == '\n' && strchr(text, '\n') == text + len - 1); /* one line */
	root = json_loads(text, JSON_REJECT_DUPLICATES, &error);
	if (root == NULL) {
		fail_msg("%s: %s", error.text, text);
	}
	free(text);
	return root;
}

/* The object has these keys and no other: names with spaces between. */
static void expect_keys(const json_t *object, const char *names)
{
	char list[400];
	size_t count = 0;

	assert_true(json_is_object(object));
	snprintf(list, sizeof(list), "%s", names);
	for (char *save, *name = strtok_r(list, " ", &save); name != NULL;
	     name = strtok_r(NULL, " ", &save)) {
		if (json_object_get(object, name) == NULL) {
			fail_msg("no key %s", name);
		}
		count++;
	}
	assert_int_equal(json_object_size(object), count);
}

static uint64_t number(const json_t *object, const char *key)
{
	const json_t *value = json_object_get(object, key);

	assert_true(json_is_integer(value));
	return (uint64_t)json_integer_value(value);
}

static const char *text_of(const json_t *object, const char *key)
{
	const char *value = json_string_value(json_object_get(object, key));

	assert_non_null(value);
	return value;
}

#define ALWAYS                                                                                               \
	"schema version ok exit_code bytes items seconds cpu_seconds peak_rss_bytes minor_faults routes "    \
	"fallbacks errors"

/* Nothing was done: absent facts are absent keys. */
static void nothing(void **state)
{
	struct zc_report report = { 0 };
	json_t *root = read_back(&report, 1500000000);

	(void)state;
	expect_keys(root, ALWAYS);
	assert_string_equal(text_of(root, "schema"), "zcopy.report/1");
	assert_true(json_is_true(json_object_get(root, "ok")));
	assert_int_equal(number(root, "exit_code"), 0);
	expect_keys(json_object_get(root, "bytes"), "logical data holes");
	expect_keys(json_object_get(root, "items"),
	            "files directories symlinks hardlinks specials skipped failed");
	expect_keys(json_object_get(root, "seconds"), "total copy durable");
	assert_true(json_real_value(json_object_get(json_object_get(root, "seconds"), "total")) == 1.5);
	expect_keys(json_object_get(root, "cpu_seconds"), "user system");
	assert_true(number(root, "peak_rss_bytes") > 100000);
	assert_int_equal(json_object_size(json_object_get(root, "routes")), 0);
	assert_int_equal(json_array_size(json_object_get(root, "fallbacks")), 0);
	assert_int_equal(json_array_size(json_object_get(root, "errors")), 0);
	json_decref(root);
}

static void everything(void **state)
{
	struct zc_report report = {
		.bytes = { .logical = 300, .data = 200, .holes = 100 },
		.items = { .files = 3, .skipped = 2 },
		.routes[ZC_ROUTE_CFR] = { .files = 2, .bytes = 150 },
		.routes[ZC_ROUTE_BUFFER] = { .files = 1, .bytes = 50 },
		.engine = { .name = "uring", .setup = "plain", .depth = 16 },
		.block_bytes = 65536,
		.direct = true,
		.region = { .len_bytes = 1048576, .got = ZC_PAGES_THP, .page_bytes = 2097152, .node = 1 },
		.durability = "full",
		.hardlinks_cut = 4,
	};
	json_t *root;
	json_t *part;
	uint64_t sum = 0;
	const char *key;
	json_t *value;

	(void)state;
	zc_fallback_add(&report.fallbacks, "uring", "sync", "io_uring_setup", -EPERM);
	zc_fallback_add(&report.fallbacks, "uring", "sync", "io_uring_setup", -EPERM);
	zc_fallback_add(&report.fallbacks, "cfr", "sendfile", "copy_file_range", 0);
	root = read_back(&report, 1);
	expect_keys(root, ALWAYS " engine pool durability");
	assert_true(json_is_true(json_object_get(root, "ok")));
	assert_string_equal(text_of(root, "durability"), "full");
	expect_keys(json_object_get(root, "items"),
	            "files directories symlinks hardlinks specials skipped failed links_cut");
	part = json_object_get(root, "routes");
	expect_keys(part, "cfr buffer");
	json_object_foreach(part, key, value)
	{
		expect_keys(value, "files bytes");
		sum += number(value, "bytes");
	}
	assert_true(sum == number(json_object_get(root, "bytes"), "data"));
	part = json_object_get(root, "engine");
	expect_keys(part, "name block_bytes queue_depth lanes direct");
	assert_true(number(part, "block_bytes") == 65536 && number(part, "queue_depth") == 16);
	assert_true(json_is_true(json_object_get(part, "direct")));
	part = json_object_get(root, "pool");
	expect_keys(part, "bytes pages page_bytes nodes leaked_buffers");
	assert_string_equal(text_of(part, "pages"), "thp");
	assert_int_equal(json_integer_value(json_array_get(json_object_get(part, "nodes"), 0)), 1);
	part = json_object_get(root, "fallbacks");
	assert_int_equal(json_array_size(part), 2);
	expect_keys(json_array_get(part, 0), "from to op reason count");
	assert_string_equal(text_of(json_array_get(part, 0), "reason"), "EPERM");
	assert_int_equal(number(json_array_get(part, 0), "count"), 2);
	assert_string_equal(text_of(json_array_get(part, 1), "reason"), "0 bytes");
	json_decref(root);
}

/* An unknown node is no node. */
static void absent_facts(void **state)
{
	struct zc_report report = { .region = {
					.len_bytes = 4096, .page_bytes = 4096, .node = ZC_NODE_ANY } };
	json_t *root = read_back(&report, 1);

	(void)state;
	expect_keys(json_object_get(root, "pool"), "bytes pages page_bytes leaked_buffers");
	json_decref(root);
}

static void fail_with(struct zc_report *report, int code, enum zc_side side, const char *path)
{
	const struct zc_err err = { .code = code, .side = side, .op = "write", .off_bytes = 4096 };

	assert_int_equal(report_fail(report, 0, path, &err, "cannot write", NULL), code);
}

static void errors(void **state)
{
	static const char odd[] = "b\xffz\n";
	struct zc_report report = { 0 };
	const struct zc_err nowhere = { .off_bytes = ZC_OFF_NONE };
	json_t *root;
	json_t *list;

	(void)state;
	fail_with(&report, -ENOSPC, ZC_SIDE_DST, "d\xc3\xbcnn \"quoted\"\n");
	fail_with(&report, -EIO, ZC_SIDE_SRC, odd);
	report_error(&report, "c", &nowhere);
	root = read_back(&report, 1);
	assert_true(json_is_false(json_object_get(root, "ok")));
	assert_int_equal(number(root, "exit_code"), 5);
	assert_int_equal(number(json_object_get(root, "items"), "failed"), 3);
	list = json_object_get(root, "errors");
	assert_int_equal(json_array_size(list), 3);
	expect_keys(json_array_get(list, 0), "path op errno offset side");
	assert_string_equal(text_of(json_array_get(list, 0), "path"), "d\xc3\xbcnn \"quoted\"\n");
	assert_string_equal(text_of(json_array_get(list, 0), "errno"), "ENOSPC");
	assert_string_equal(text_of(json_array_get(list, 0), "side"), "dst");
	assert_int_equal(number(json_array_get(list, 0), "offset"), 4096);
	expect_keys(json_array_get(list, 1), "path_b64 op errno offset side");
	assert_string_equal(text_of(json_array_get(list, 1), "path_b64"), "Yv96Cg==");
	expect_keys(json_array_get(list, 2), "path op");
	json_decref(root);
	report_fini(&report);
}

/* The highest status of 1..9 stands; a signal beats it. */
static void statuses(void **state)
{
	static const struct {
		int code, status;
	} codes[] = { { -EIO, 1 },   { -ENOENT, 1 },  { -ENOSPC, 5 }, { -EDQUOT, 5 },
		      { -EFBIG, 5 }, { -EBADMSG, 1 }, { -EPIPE, 1 } };
	struct zc_report report;
	json_t *root;

	(void)state;
	for (unsigned i = 0; i < ZC_ARRAY_LEN(codes); i++) {
		memset(&report, 0, sizeof(report));
		fail_with(&report, codes[i].code, ZC_SIDE_DST, "p");
		assert_int_equal(report.status, codes[i].status);
		report_status(&report, ZC_STATUS_REFUSED);
		report_status(&report, ZC_STATUS_CHANGED);
		assert_int_equal(report.status, 9);
		report.signal = 13;
		root = read_back(&report, 1);
		assert_int_equal(number(root, "exit_code"), 128 + 13);
		assert_true(json_is_false(json_object_get(root, "ok")));
		json_decref(root);
		report_fini(&report);
	}
}

static void messages(void **state)
{
	struct zc_report report = { 0 };
	const struct zc_err err = {
		.code = -EACCES, .side = ZC_SIDE_DST, .op = "open", .off_bytes = ZC_OFF_NONE
	};

	(void)state;
	fail_with(&report, -EIO, ZC_SIDE_SRC, "a\x1b[31m");
	report_fail(&report, 2, "b", &err, "cannot open", "try harder");
	report_say(&report, ZC_MSG_SAY, "%d of %s", 3, "x");
	assert_int_equal(report.msg_count, 3);
	assert_string_equal(report.msgs[0].text, "a\\033[31m: cannot write at byte 4096: Input/output error");
	assert_string_equal(report.msgs[1].text, "b: cannot open: Permission denied (try harder)");
	assert_string_equal(report.msgs[2].text, "3 of x");
	assert_int_equal(report.msgs[2].kind, ZC_MSG_SAY);
	report_fini(&report);
}

/* A million failures are counted, and the first thousand kept. */
static void many(void **state)
{
	struct zc_report report = { 0 };
	const struct zc_err err = { .code = -EIO, .op = "read", .off_bytes = ZC_OFF_NONE };
	json_t *root;

	(void)state;
	for (int i = 0; i < 3000; i++) {
		report_error(&report, "p", &err);
		report_say(&report, ZC_MSG_ERROR, "message %d", i);
	}
	assert_int_equal(report.msg_count, 3000);
	assert_string_equal(report.msgs[2999].text, "message 2999");
	root = read_back(&report, 1);
	assert_int_equal(number(json_object_get(root, "items"), "failed"), 3000);
	assert_int_equal(json_array_size(json_object_get(root, "errors")), 1000);
	json_decref(root);
	report_fini(&report);
}

static void no_room_for_it(void **state)
{
	const struct zc_report report = { 0 };
	FILE *file = fopen("/dev/full", "w");

	(void)state;
	assert_true(zc_report_write(&report, file, 1) < 0);
	fclose(file);
}

static void for_people(void **state)
{
	struct zc_report report = { .bytes = { .logical = ZC_MIB, .data = ZC_MIB },
		                    .items = { .files = 1 },
		                    .routes[ZC_ROUTE_SPLICE] = { .files = 1, .bytes = ZC_MIB } };
	char text[400] = "";
	FILE *file = fmemopen(text, sizeof(text), "w");

	(void)state;
	zc_report_print(&report, file, 500000000);
	fclose(file);
	assert_non_null(strstr(text, "in 0.500 s"));
	assert_non_null(strstr(text, "by splice"));
	assert_non_null(strstr(text, "1 copied, 0 skipped, 0 failed"));
	assert_null(strstr(text, "engine"));
}

/* A hole of 4 EiB is copied in no time. */
static void too_fast_to_count(void **state)
{
	struct zc_report report = { .bytes = { .logical = 1ull << 62, .holes = 1ull << 62 } };
	char text[400] = "";
	FILE *file = fmemopen(text, sizeof(text), "w");

	(void)state;
	zc_report_print(&report, file, 1000000);
	fclose(file);
	assert_non_null(strstr(text, "(16.0 EiB/s)"));
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(nothing),      cmocka_unit_test(everything),
		cmocka_unit_test(absent_facts), cmocka_unit_test(errors),
		cmocka_unit_test(statuses),     cmocka_unit_test(messages),
		cmocka_unit_test(many),         cmocka_unit_test(no_room_for_it),
		cmocka_unit_test(for_people),   cmocka_unit_test(too_fast_to_count),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
