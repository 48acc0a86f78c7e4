/*
 * report: whatever names and numbers it holds, the JSON of --report is one line that jansson reads back as
 * what was put in, and what people are shown is clean.
 */
#include "report.h"

#include <errno.h>
#include <jansson.h>

#include "fuzz.h"

/* One failed item; its path goes to where the report keeps it. */
static void add_error(struct zc_report *report, struct fuzz_input *input)
{
	static const char *const ops[] = { "read", "linkat", NULL };
	unsigned kind = fuzz_byte(input);
	struct zc_err err = {
		.code = -(int)(fuzz_byte(input) % 140),
		.side = (enum zc_side)(kind % 4),
		.op = ops[kind / 4 % 3],
		.off_bytes = kind & 64 ? ZC_OFF_NONE : fuzz_u64(input) >> 1,
	};
	char *path = fuzz_text(input, '\n');

	if (kind & 128) {
		char *other = fuzz_text(input, '\n');

		report_gnu(report, "cannot create hard link %D to %S, or %F", path, other, err.code);
		report_error(report, path, &err);
		free(other);
	} else {
		zc_verify(report_fail(report, (int)(kind % 10), path, &err, "cannot be read",
		                      kind & 32 ? "why not" : NULL) == err.code);
	}
	free(path);
}

static void fill(struct zc_report *report, struct fuzz_input *input)
{
	unsigned kind = fuzz_byte(input);

	report->bytes.logical = fuzz_u64(input) >> 1;
	report->items.files = fuzz_u64(input) >> 1;
	report->routes[kind % ZC_ROUTE_COUNT].bytes = fuzz_u64(input) >> 1;
	report->ns.copy = fuzz_u64(input);
	report->region.len_bytes = kind & 16 ? 4096 : 0;
	report->region.node = kind & 32 ? 3 : ZC_NODE_ANY;
	report->engine.name = kind & 64 ? "sync" : NULL;
	report->engine.setup = "inline";
	report->verify.mode = kind & 128 ? "storage" : NULL;
	report->verify.algorithm = "sha256";
	for (unsigned n = kind % 4; n > 0; n--) {
		zc_fallback_add(&report->fallbacks, "cfr", "buffer", "copy_file_range",
		                -(int)fuzz_byte(input));
	}
	while (input->left > 0) {
		add_error(report, input);
	}
}

static void check_path(const json_t *object, const char *path)
{
	const char *text = json_string_value(json_object_get(object, "path"));
	const char *base64 = json_string_value(json_object_get(object, "path_b64"));

	zc_verify((text != NULL) != (base64 != NULL));
	zc_verify(text ? strcmp(text, path) == 0 : strlen(base64) == (strlen(path) + 2) / 3 * 4);
	zc_verify((text != NULL) == zc_utf8_valid(path));
}

static void check_errors(const struct zc_report *report, const json_t *list)
{
	zc_verify(json_array_size(list) == report->error_count);
	for (unsigned i = 0; i < report->error_count; i++) {
		const struct zc_item_error *error = &report->errors[i];
		const json_t *object = json_array_get(list, i);
		const json_t *offset = json_object_get(object, "offset");

		check_path(object, error->path);
		zc_verify((offset != NULL) == (error->off_bytes != ZC_OFF_NONE));
		zc_verify(!offset || (uint64_t)json_integer_value(offset) == error->off_bytes);
		zc_verify((json_object_get(object, "errno") != NULL) == (error->code != 0));
	}
}

static void check_json(const struct zc_report *report, uint64_t total_ns)
{
	char *text = NULL;
	size_t len = 0;
	FILE *file = open_memstream(&text, &len);
	json_t *root;
	json_t *bytes;

	zc_verify(file && zc_report_write(report, file, total_ns) == 0);
	fclose(file);
	zc_verify(len > 1 && text[len - 1] == '\n');
	text[len - 1] = '\0';
	zc_verify(fuzz_is_clean(text));
	root = json_loads(text, JSON_REJECT_DUPLICATES, NULL);
	zc_verify(root);
	bytes = json_object_get(root, "bytes");
	zc_verify((uint64_t)json_integer_value(json_object_get(bytes, "logical")) == report->bytes.logical);
	zc_verify(json_integer_value(json_object_get(root, "exit_code")) == report->status);
	zc_verify(json_is_true(json_object_get(root, "ok")) == (report->status == 0));
	check_errors(report, json_object_get(root, "errors"));
	json_decref(root);
	free(text);
}

static void check_words(const struct zc_report *report, uint64_t total_ns)
{
	char *text = NULL;
	size_t len = 0;
	FILE *file = open_memstream(&text, &len);

	for (unsigned i = 0; i < report->msg_count; i++) {
		zc_verify(fuzz_is_clean(report->msgs[i].text));
	}
	zc_verify(file);
	zc_report_print(report, file, total_ns);
	fclose(file);
	for (char *line = text; *line != '\0';) {
		char *end = strchr(line, '\n');

		zc_verify(end);
		*end = '\0';
		zc_verify(fuzz_is_clean(line));
		line = end + 1;
	}
	free(text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len_bytes)
{
	struct fuzz_input input = { data, len_bytes };
	uint64_t total_ns = fuzz_u64(&input);
	struct zc_report report = { .status = 0 };
	struct zc_report all = { .status = 0 };
	unsigned errors;
	unsigned msgs;

	fill(&report, &input);
	check_words(&report, total_ns);
	check_json(&report, total_ns);
	errors = report.error_count;
	msgs = report.msg_count;
	report_merge(&all, &report);
	zc_verify(all.error_count == errors && all.msg_count == msgs && all.status == report.status);
	check_json(&all, total_ns);
	report_fini(&report);
	report_fini(&all);
	return 0;
}
