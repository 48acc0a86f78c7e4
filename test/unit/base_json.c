/* The JSON writer: exact text for every kind of item, and well-formed whatever the strings hold. */
#include "zcopy/base.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

struct page {
	struct zc_json json;
	FILE *file;
	char *text;
	size_t len;
};

static void page_open(struct page *page)
{
	page->text = NULL;
	page->file = open_memstream(&page->text, &page->len);
	assert_non_null(page->file);
	zc_json_init(&page->json, page->file);
}

static void page_expect(struct page *page, const char *expected)
{
	assert_int_equal(fclose(page->file), 0);
	assert_string_equal(page->text, expected);
	free(page->text);
}

static void items(void **state)
{
	struct page page;

	(void)state;
	page_open(&page);
	zc_json_open(&page.json, NULL, '{');
	zc_json_str(&page.json, "schema", "zcopy.report/1");
	zc_json_bool(&page.json, "ok", true);
	zc_json_bool(&page.json, "no", false);
	zc_json_u64(&page.json, "most", UINT64_MAX);
	zc_json_open(&page.json, "list", '[');
	zc_json_u64(&page.json, NULL, 0);
	zc_json_str(&page.json, NULL, "x");
	zc_json_open(&page.json, NULL, '{');
	zc_json_close(&page.json, '}');
	zc_json_close(&page.json, ']');
	zc_json_open(&page.json, "empty", '[');
	zc_json_close(&page.json, ']');
	zc_json_seconds(&page.json, "total", 1000002000);
	zc_json_seconds(&page.json, "never", UINT64_MAX);
	zc_json_real(&page.json, "half", -0.5);
	zc_json_real(&page.json, "tenth", 0.1);
	zc_json_real(&page.json, "third", 1.0 / 3);
	zc_json_real(&page.json, "none", NAN);
	zc_json_real(&page.json, "more", INFINITY);
	zc_json_real(&page.json, "large", 1e300);
	zc_json_close(&page.json, '}');
	page_expect(&page,
	            "{\"schema\":\"zcopy.report/1\",\"ok\":true,\"no\":false,\"most\":18446744073709551615,"
	            "\"list\":[0,\"x\",{}],\"empty\":[],\"total\":1.000002,\"never\":18446744073.709551,"
	            "\"half\":-0.5,\"tenth\":0.1,\"third\":0.3333333333333333,\"large\":1e+300}");
}

static void one_object_a_line(void **state)
{
	struct page page;

	(void)state;
	page_open(&page);
	for (uint64_t i = 0; i < 2; i++) {
		zc_json_open(&page.json, NULL, '{');
		zc_json_u64(&page.json, "n", i);
		zc_json_close(&page.json, '}');
		fputc('\n', page.file);
	}
	page_expect(&page, "{\"n\":0}\n{\"n\":1}\n");
}

static void string_is(const char *value, const char *expected)
{
	struct page page;
	char line[256];

	page_open(&page);
	zc_json_open(&page.json, NULL, '[');
	zc_json_str(&page.json, NULL, value);
	zc_json_close(&page.json, ']');
	snprintf(line, sizeof(line), "[%s]", expected);
	page_expect(&page, line);
}

static void name_is(const char *name, const char *expected)
{
	struct page page;
	char line[256];

	page_open(&page);
	zc_json_open(&page.json, NULL, '{');
	zc_json_name(&page.json, "path", name);
	zc_json_close(&page.json, '}');
	snprintf(line, sizeof(line), "{%s}", expected);
	page_expect(&page, line);
}

static void strings(void **state)
{
	(void)state;
	string_is("", "\"\"");
	string_is("a\"b\\c/d", "\"a\\\"b\\\\c/d\"");
	string_is("\x01\n\x1b\x7f", "\"\\u0001\\u000a\\u001b\\u007f\"");
	string_is("\xc3\xa9", "\"\xc3\xa9\"");
	string_is("\xff.\xe2\x82", "\"\\ufffd.\\ufffd\\ufffd\"");
	string_is("\xc2\x9b", "\"\\u009b\"");
}

static void names(void **state)
{
	(void)state;
	name_is("a\nb", "\"path\":\"a\\u000ab\"");
	name_is("\xff", "\"path_b64\":\"/w==\"");
	name_is("\xff\xfe", "\"path_b64\":\"//4=\"");
	name_is("\xff\xfe\xfd", "\"path_b64\":\"//79\"");
	name_is("abc\xff", "\"path_b64\":\"YWJj/w==\"");
}

/* Reads one string of the writer's back; returns where it ended. */
static const char *unescape(char *out, const char *text)
{
	assert_int_equal(*text++, '"');
	while (*text != '"') {
		unsigned code;

		assert_true((unsigned char)*text >= 0x20);
		if (*text != '\\') {
			*out++ = *text++;
		} else if (text[1] == 'u') {
			assert_int_equal(sscanf(text + 2, "%4x", &code), 1);
			assert_true(code < 0xa0);
			if (code >= 0x80) {
				*out++ = (char)0xc2;
			}
			*out++ = (char)code;
			text += 6;
		} else {
			assert_true(text[1] == '"' || text[1] == '\\');
			*out++ = text[1];
			text += 2;
		}
	}
	*out = '\0';
	return text + 1;
}

static const char *unbase64(char *out, const char *text)
{
	static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
	unsigned bits = 0;
	unsigned count = 0;

	assert_int_equal(*text++, '"');
	for (; *text != '"'; text++) {
		const char *digit = strchr(digits, *text);

		if (*text == '=') {
			continue;
		}
		assert_non_null(digit);
		bits = bits << 6 | (unsigned)(digit - digits);
		count += 6;
		if (count >= 8) {
			count -= 8;
			*out++ = (char)(bits >> count);
			bits &= (1u << count) - 1;
		}
	}
	assert_int_equal(bits, 0);
	*out = '\0';
	return text + 1;
}

static void round_trip(void **state)
{
	(void)state;
	srandom(5);
	for (int i = 0; i < 50000; i++) {
		struct page page;
		char name[24];
		char back[sizeof(name)];
		size_t len = (size_t)random() % (sizeof(name) - 1);
		int range = i & 1 ? 126 : 255; /* half of them ASCII */
		const char *end;

		for (size_t k = 0; k < len; k++) {
			name[k] = (char)(random() % range + 1);
		}
		name[len] = '\0';
		page_open(&page);
		zc_json_open(&page.json, NULL, '{');
		zc_json_name(&page.json, "p", name);
		zc_json_close(&page.json, '}');
		assert_int_equal(fclose(page.file), 0);
		if (!strncmp(page.text, "{\"p\":", 5)) {
			end = unescape(back, page.text + 5);
		} else {
			assert_int_equal(strncmp(page.text, "{\"p_b64\":", 9), 0);
			end = unbase64(back, page.text + 9);
		}
		assert_string_equal(end, "}");
		assert_string_equal(back, name);
		free(page.text);
	}
}

static void errors_stay_in_the_stream(void **state)
{
	struct zc_json json;
	FILE *full = fopen("/dev/full", "w");

	(void)state;
	assert_non_null(full);
	setvbuf(full, NULL, _IONBF, 0);
	zc_json_init(&json, full);
	zc_json_open(&json, NULL, '{');
	zc_json_close(&json, '}');
	assert_true(ferror(full));
	fclose(full);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(items),      cmocka_unit_test(one_object_a_line),
		cmocka_unit_test(strings),    cmocka_unit_test(names),
		cmocka_unit_test(round_trip), cmocka_unit_test(errors_stay_in_the_stream),
	};

	return cmocka_run_group_tests_name("base/json", tests, NULL, NULL);
}
