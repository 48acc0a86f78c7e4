/*
 * report.c: what happened, for people and for scripts (schema zcopy.report/1).
 *
 * Messages are kept until the cli shows them; running out of memory for a message loses the message,
 * never the status. Absent facts are absent keys.
 */
#include "report.h"

#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#include "zc_config.h"

/* A job with a million failures shows each, but keeps this many for the report. */
#define REPORT_ERRORS_MAX 1000

static void *report_grow(void *list, unsigned count, size_t item_bytes)
{
	/* powers of two: grow when full */
	if (count != 0 && (count & (count - 1)) != 0) {
		return list;
	}
	return reallocarray(list, count == 0 ? 1 : (size_t)count * 2, item_bytes);
}

void report_say(struct zc_report *report, enum zc_msg_kind kind, const char *format, ...)
{
	struct zc_msg *list = report_grow(report->msgs, report->msg_count, sizeof(*list));
	char *text = NULL;
	va_list args;

	report->words_lost |= list == NULL && kind == ZC_MSG_ERROR;
	if (list == NULL) {
		return;
	}
	report->msgs = list;
	va_start(args, format);
	if (vasprintf(&text, format, args) >= 0) {
		list[report->msg_count++] = (struct zc_msg){ .kind = kind, .text = text };
	} else {
		report->words_lost |= kind == ZC_MSG_ERROR;
	}
	va_end(args);
}

void report_status(struct zc_report *report, int status)
{
	if (status > report->status) {
		report->status = status;
	}
}

static int report_status_of(int code)
{
	switch (code) {
	case -ENOSPC:
	case -EDQUOT:
	case -EFBIG:
		return ZC_STATUS_NO_SPACE;
	default:
		return ZC_STATUS_SOME_FAILED;
	}
}

void report_error(struct zc_report *report, const char *path, const struct zc_err *err)
{
	report->items.failed++;
	report_range(report, path, err, 0);
}

void report_range(struct zc_report *report, const char *path, const struct zc_err *err, uint64_t len_bytes)
{
	struct zc_item_error *list;

	if (report->error_count == REPORT_ERRORS_MAX) {
		return;
	}
	list = report_grow(report->errors, report->error_count, sizeof(*list));
	if (list == NULL) {
		return;
	}
	report->errors = list;
	list[report->error_count++] = (struct zc_item_error){
		.path = strdup(path),
		.op = err->op != NULL ? err->op : "check",
		.code = err->code,
		.side = err->side,
		.off_bytes = err->off_bytes,
		.len_bytes = len_bytes,
	};
}

/* The kernel's reason; nothing where the code is our own word for what the message says already. */
static const char *report_reason(int status, int code)
{
	if (code == 0 || code == -ENOTRECOVERABLE || status == ZC_STATUS_CHANGED ||
	    status == ZC_STATUS_MISMATCH) {
		return "";
	}
	return strerror(-code);
}

/* What fails again and again on a full file system is said once a tree; counted, and in the report, is each.
 */
static bool report_is_repeated(struct zc_report *report, const struct zc_err *err)
{
	if (report->room_said == NULL || err->side != ZC_SIDE_DST ||
	    (err->code != -ENOSPC && err->code != -EDQUOT) || atomic_exchange(report->room_said, 1) == 0) {
		return false;
	}
	report->room_unsaid++;
	return true;
}

int report_fail(struct zc_report *report, int status, const char *path, const struct zc_err *err,
                const char *what, const char *hint)
{
	const char *reason = report_reason(status, err->code);
	char quoted[1200];
	char at[40] = "";

	report_status(report, status != 0 ? status : report_status_of(err->code));
	if (err->off_bytes != ZC_OFF_NONE && err->side != ZC_SIDE_NONE) {
		snprintf(at, sizeof(at), " at byte %llu", (unsigned long long)err->off_bytes);
	}
	if (!report_is_repeated(report, err)) {
		report_say(report, ZC_MSG_ERROR, "%s%s %s%s%s%s%s%s%s",
		           path[0] == '\0' ? "''" : zc_quote(quoted, sizeof(quoted), path),
		           strcmp(path, "null:") == 0 ? "" : ":", what, at, reason[0] != '\0' ? ": " : "",
		           reason, hint != NULL ? " (" : "", hint != NULL ? hint : "",
		           hint != NULL ? ")" : "");
	}
	report_error(report, path, err);
	return err->code;
}

/* Means the same to a shell without quotes. */
static bool report_is_plain(const char *name)
{
	return name[0] != '\0' && name[strspn(name, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
	                                            "0123456789%+,-./@]_")] == '\0';
}

void report_gnu(struct zc_report *report, const char *format, const char *src, const char *dst, int code)
{
	char line[2500];
	size_t at = 0;

	for (; *format != '\0' && at + 1 < sizeof(line); format++) {
		char kind = *format == '%' ? format[1] : '\0';
		const char *name = kind == 'S' ? src : dst;

		if (kind != 'S' && kind != 'D' && kind != 'F') {
			line[at++] = *format;
			continue;
		}
		format++;
		if (kind == 'F' && report_is_plain(name)) {
			(void)snprintf(line + at, sizeof(line) - at, "%.1100s", name);
		} else {
			(void)zc_quote_shell(line + at, zc_min_u64(sizeof(line) - at, 1100), name);
		}
		at += strlen(line + at);
	}
	line[at] = '\0';
	report_say(report, ZC_MSG_ERROR, "%s%s%s", line, code != 0 ? ": " : "",
	           code != 0 ? strerror(-code) : "");
}

void report_forget_shown(struct zc_report *report)
{
	if (report->msg_next < report->msg_count) {
		return;
	}
	for (unsigned i = 0; i < report->msg_count; i++) {
		free(report->msgs[i].text);
	}
	free(report->msgs);
	report->msgs = NULL;
	report->msg_count = report->msg_next = 0;
}

void report_take_msgs(struct zc_report *into, struct zc_report *from)
{
	for (unsigned i = 0; i < from->msg_count; i++) {
		struct zc_msg *list = report_grow(into->msgs, into->msg_count, sizeof(*list));

		if (list == NULL) {
			into->words_lost |= from->msgs[i].kind == ZC_MSG_ERROR;
			free(from->msgs[i].text);
			continue;
		}
		into->msgs = list;
		list[into->msg_count++] = from->msgs[i];
	}
	free(from->msgs);
	from->msgs = NULL;
	from->msg_count = from->msg_next = 0;
}

static void report_merge_errors(struct zc_report *into, struct zc_report *from)
{
	for (unsigned i = 0; i < from->error_count; i++) {
		struct zc_item_error *list = NULL;

		if (into->error_count < REPORT_ERRORS_MAX) {
			list = report_grow(into->errors, into->error_count, sizeof(*list));
		}
		if (list == NULL) {
			free(from->errors[i].path);
			continue;
		}
		into->errors = list;
		list[into->error_count++] = from->errors[i];
	}
	free(from->errors);
	from->errors = NULL;
	from->error_count = 0;
}

static void report_merge_counts(struct zc_report *into, const struct zc_report *from)
{
	into->bytes.logical += from->bytes.logical;
	into->bytes.data += from->bytes.data;
	into->bytes.holes += from->bytes.holes;
	into->items.files += from->items.files;
	into->items.directories += from->items.directories;
	into->items.symlinks += from->items.symlinks;
	into->items.hardlinks += from->items.hardlinks;
	into->items.specials += from->items.specials;
	into->items.skipped += from->items.skipped;
	into->items.failed += from->items.failed;
	into->ns.copy += from->ns.copy;
	into->ns.durable += from->ns.durable;
	for (int kind = 0; kind < ZC_ROUTE_COUNT; kind++) {
		into->routes[kind].files += from->routes[kind].files;
		into->routes[kind].bytes += from->routes[kind].bytes;
	}
	into->leaked_buffers += from->leaked_buffers;
	into->hardlinks_cut += from->hardlinks_cut;
	into->room_unsaid += from->room_unsaid;
	into->unread.files += from->unread.files;
	into->unread.ranges += from->unread.ranges;
	into->unread.bytes += from->unread.bytes;
	into->resumed.files += from->resumed.files;
	into->resumed.bytes += from->resumed.bytes;
	into->verify.mismatches += from->verify.mismatches;
}

void report_merge(struct zc_report *into, struct zc_report *from)
{
	report_status(into, from->status);
	into->words_lost |= from->words_lost;
	report_merge_counts(into, from);
	report_merge_errors(into, from);
	report_take_msgs(into, from);
	for (unsigned i = 0; i < from->fallbacks.count; i++) {
		const struct zc_fallback *one = &from->fallbacks.list[i];

		for (unsigned n = 0; n < one->count; n++) {
			zc_fallback_add(&into->fallbacks, one->from, one->to, one->op, one->code);
		}
	}
	if (from->engine.name != NULL) {
		into->engine = from->engine;
		into->block_bytes = from->block_bytes;
		into->direct = from->direct;
	}
	if (from->region.len_bytes != 0) {
		into->region = from->region;
	}
	if (from->durability != NULL) {
		into->durability = from->durability;
	}
	if (from->verify.mode != NULL) {
		into->verify.mode = from->verify.mode;
		into->verify.algorithm = from->verify.algorithm;
	}
}

void report_fini(struct zc_report *report)
{
	for (unsigned i = 0; i < report->msg_count; i++) {
		free(report->msgs[i].text);
	}
	free(report->msgs);
	for (unsigned i = 0; i < report->error_count; i++) {
		free(report->errors[i].path);
	}
	free(report->errors);
}

/* ---- JSON */

static uint64_t report_ns(struct timeval tv)
{
	return (uint64_t)tv.tv_sec * 1000000000ull + (uint64_t)tv.tv_usec * 1000ull;
}

static void report_routes(const struct zc_report *report, struct zc_json *json)
{
	zc_json_open(json, "routes", '{');
	for (int kind = ZC_ROUTE_AUTO + 1; kind < ZC_ROUTE_COUNT; kind++) {
		if (report->routes[kind].files == 0 && report->routes[kind].bytes == 0) {
			continue;
		}
		zc_json_open(json, zc_route_name((enum zc_route_kind)kind), '{');
		zc_json_u64(json, "files", report->routes[kind].files);
		zc_json_u64(json, "bytes", report->routes[kind].bytes);
		zc_json_close(json, '}');
	}
	zc_json_close(json, '}');
}

static void report_machine(const struct zc_report *report, struct zc_json *json)
{
	if (report->engine.name != NULL) {
		zc_json_open(json, "engine", '{');
		zc_json_str(json, "name", report->engine.name);
		zc_json_u64(json, "block_bytes", report->block_bytes);
		zc_json_u64(json, "queue_depth", report->engine.depth);
		zc_json_u64(json, "lanes", zc_max_u64(1, report->lanes));
		zc_json_bool(json, "direct", report->direct);
		zc_json_close(json, '}');
	}
	if (report->region.len_bytes != 0) {
		zc_json_open(json, "pool", '{');
		zc_json_u64(json, "bytes", report->region.len_bytes);
		if (report->region.page_bytes != 0) {
			zc_json_str(json, "pages", zc_pages_name(report->region.got));
			zc_json_u64(json, "page_bytes", report->region.page_bytes);
		}
		if (report->region.node != ZC_NODE_ANY) {
			zc_json_open(json, "nodes", '[');
			zc_json_u64(json, NULL, (uint64_t)report->region.node);
			zc_json_close(json, ']');
		}
		zc_json_u64(json, "leaked_buffers", report->leaked_buffers);
		zc_json_close(json, '}');
	}
	for (unsigned i = 0; i < report->tee_count; i++) {
		const struct zc_tee_fact *tee = &report->tees[i];

		if (i == 0) {
			zc_json_open(json, "tees", '[');
		}
		zc_json_open(json, NULL, '{');
		zc_json_name(json, "end", tee->end);
		zc_json_bool(json, "ok", tee->ok);
		zc_json_u64(json, "bytes", tee->bytes);
		zc_json_u64(json, "dropped", tee->dropped_bytes);
		if (tee->digest[0] != '\0') {
			zc_json_str(json, "digest", tee->digest);
		}
		zc_json_close(json, '}');
		if (i + 1 == report->tee_count) {
			zc_json_close(json, ']');
		}
	}
	if (report->store.bytes != 0) {
		zc_json_open(json, "buffer", '{');
		zc_json_u64(json, "bytes", report->store.bytes);
		zc_json_u64(json, "peak_bytes", report->store.peak_bytes);
		zc_json_seconds(json, "full_seconds", report->store.full_ns);
		zc_json_seconds(json, "empty_seconds", report->store.empty_ns);
		zc_json_close(json, '}');
	}
	zc_json_open(json, "fallbacks", '[');
	for (unsigned i = 0; i < report->fallbacks.count; i++) {
		const struct zc_fallback *fallback = &report->fallbacks.list[i];

		zc_json_open(json, NULL, '{');
		zc_json_str(json, "from", fallback->from);
		zc_json_str(json, "to", fallback->to);
		zc_json_str(json, "op", fallback->op);
		zc_json_str(json, "reason", fallback->code == 0 ? "0 bytes" : zc_errno_name(fallback->code));
		zc_json_u64(json, "count", fallback->count);
		zc_json_close(json, '}');
	}
	zc_json_close(json, ']');
}

static void report_errors(const struct zc_report *report, struct zc_json *json)
{
	zc_json_open(json, "errors", '[');
	for (unsigned i = 0; i < report->error_count; i++) {
		const struct zc_item_error *error = &report->errors[i];

		zc_json_open(json, NULL, '{');
		if (error->path != NULL) {
			zc_json_name(json, "path", error->path);
		}
		zc_json_str(json, "op", error->op);
		if (error->code != 0) {
			zc_json_str(json, "errno", zc_errno_name(error->code));
		}
		if (error->off_bytes != ZC_OFF_NONE) {
			zc_json_u64(json, "offset", error->off_bytes);
		}
		if (error->len_bytes != 0) {
			zc_json_u64(json, "length", error->len_bytes);
		}
		if (error->side != ZC_SIDE_NONE) {
			zc_json_str(json, "side", zc_side_name(error->side));
		}
		zc_json_close(json, '}');
	}
	zc_json_close(json, ']');
}

static void report_counts(const struct zc_report *report, struct zc_json *json)
{
	zc_json_open(json, "bytes", '{');
	zc_json_u64(json, "logical", report->bytes.logical);
	zc_json_u64(json, "data", report->bytes.data);
	zc_json_u64(json, "holes", report->bytes.holes);
	if (report->unread.files != 0) {
		zc_json_u64(json, "unread", report->unread.bytes);
	}
	zc_json_close(json, '}');
	zc_json_open(json, "items", '{');
	zc_json_u64(json, "files", report->items.files);
	zc_json_u64(json, "directories", report->items.directories);
	zc_json_u64(json, "symlinks", report->items.symlinks);
	zc_json_u64(json, "hardlinks", report->items.hardlinks);
	zc_json_u64(json, "specials", report->items.specials);
	zc_json_u64(json, "skipped", report->items.skipped);
	zc_json_u64(json, "failed", report->items.failed);
	if (report->hardlinks_cut != 0) {
		zc_json_u64(json, "links_cut", report->hardlinks_cut);
	}
	zc_json_close(json, '}');
}

static void report_seconds(const struct zc_report *report, struct zc_json *json, uint64_t total_ns)
{
	struct rusage usage;

	zc_json_open(json, "seconds", '{');
	zc_json_seconds(json, "total", total_ns);
	zc_json_seconds(json, "copy", report->ns.copy);
	zc_json_seconds(json, "durable", report->ns.durable);
	zc_json_close(json, '}');
	if (getrusage(RUSAGE_SELF, &usage) == 0) {
		zc_json_open(json, "cpu_seconds", '{');
		zc_json_seconds(json, "user", report_ns(usage.ru_utime));
		zc_json_seconds(json, "system", report_ns(usage.ru_stime));
		zc_json_close(json, '}');
		zc_json_u64(json, "peak_rss_bytes", (uint64_t)usage.ru_maxrss * 1024);
		zc_json_u64(json, "minor_faults", (uint64_t)usage.ru_minflt);
	}
}

static void report_resumed(const struct zc_report *report, struct zc_json *json)
{
	if (report->resumed.files > 0) {
		zc_json_open(json, "resumed", '{');
		zc_json_u64(json, "files", report->resumed.files);
		zc_json_u64(json, "bytes", report->resumed.bytes);
		zc_json_close(json, '}');
	}
}

static void report_hash(const struct zc_report *report, struct zc_json *json)
{
	if (report->hash.algorithm != NULL) {
		zc_json_open(json, "hash", '{');
		zc_json_str(json, "algorithm", report->hash.algorithm);
		zc_json_str(json, "digest", report->hash.digest);
		zc_json_close(json, '}');
	}
}

static void report_verify(const struct zc_report *report, struct zc_json *json)
{
	if (report->verify.mode == NULL) {
		return;
	}
	zc_json_open(json, "verify", '{');
	zc_json_str(json, "mode", report->verify.mode);
	zc_json_str(json, "algorithm", report->verify.algorithm);
	zc_json_u64(json, "mismatches", report->verify.mismatches);
	zc_json_close(json, '}');
}

int zc_report_write(const struct zc_report *report, FILE *file, uint64_t total_ns)
{
	struct zc_json json;
	int status = report->signal != 0 ? 128 + report->signal : report->status;

	zc_json_init(&json, file);
	zc_json_open(&json, NULL, '{');
	zc_json_str(&json, "schema", "zcopy.report/1");
	zc_json_str(&json, "version", ZC_VERSION);
	zc_json_bool(&json, "ok", status == 0);
	zc_json_u64(&json, "exit_code", (uint64_t)status);
	report_counts(report, &json);
	report_seconds(report, &json, total_ns);
	report_routes(report, &json);
	report_machine(report, &json);
	report_hash(report, &json);
	report_verify(report, &json);
	report_resumed(report, &json);
	if (report->durability != NULL) {
		zc_json_str(&json, "durability", report->durability);
	}
	if (report->sandbox.landlock != 0) {
		zc_json_open(&json, "sandbox", '{');
		zc_json_u64(&json, "landlock", report->sandbox.landlock);
		zc_json_bool(&json, "seccomp", report->sandbox.seccomp);
		zc_json_close(&json, '}');
	}
	report_errors(report, &json);
	zc_json_close(&json, '}');
	fputc('\n', file);
	return fflush(file) != 0 || ferror(file) ? -EIO : 0;
}

/* ---- people */

void zc_report_print(const struct zc_report *report, FILE *file, uint64_t total_ns)
{
	char logical[16];
	char data[16];
	char rate[16];
	double seconds = (double)total_ns / 1e9;
	const char *mode = report->verify.mode;
	const char *copied = mode != NULL && strcmp(mode, "compare") == 0 ? "compared" : "copied";

	fprintf(file, "zcopy: %s in %.3f s (%s/s), %s of it data",
	        zc_format_size(logical, report->bytes.logical), seconds,
	        zc_format_size(rate, seconds > 0 ? zc_clamp_u64((double)report->bytes.logical / seconds) : 0),
	        zc_format_size(data, report->bytes.data));
	for (int kind = ZC_ROUTE_AUTO + 1; kind < ZC_ROUTE_COUNT; kind++) {
		if (report->routes[kind].bytes != 0) {
			fprintf(file, ", %s by %s", zc_format_size(data, report->routes[kind].bytes),
			        zc_route_name((enum zc_route_kind)kind));
		}
	}
	fputc('\n', file);
	if (report->engine.name != NULL) {
		fprintf(file, "zcopy: engine %s (%s), %s x %u%s\n", report->engine.name, report->engine.setup,
		        zc_format_size(data, report->block_bytes), report->engine.depth,
		        report->direct ? ", O_DIRECT" : "");
	}
	for (unsigned i = 0; i < report->tee_count; i++) {
		char quoted[1200];

		fprintf(file, "zcopy: also to %s: %s, %s of it dropped\n",
		        zc_quote(quoted, sizeof(quoted), report->tees[i].end),
		        zc_format_size(logical, report->tees[i].bytes),
		        zc_format_size(data, report->tees[i].dropped_bytes));
	}
	if (report->store.bytes != 0) {
		fprintf(file, "zcopy: buffer of %s: at most %s in it; full for %.3f s, empty for %.3f s\n",
		        zc_format_size(data, report->store.bytes),
		        zc_format_size(logical, report->store.peak_bytes),
		        (double)report->store.full_ns / 1e9, (double)report->store.empty_ns / 1e9);
	}
	if (report->resumed.files > 0) {
		fprintf(file, "zcopy: resumed: %s of %llu files were there\n",
		        zc_format_size(data, report->resumed.bytes),
		        (unsigned long long)report->resumed.files);
	}
	if (report->hash.algorithm != NULL) {
		fprintf(file, "zcopy: %s %s\n", report->hash.algorithm, report->hash.digest);
	}
	if (mode != NULL) {
		fprintf(file, "zcopy: verified (%s, %s): %llu differ\n", mode, report->verify.algorithm,
		        (unsigned long long)report->verify.mismatches);
	}
	if (report->unread.files != 0) {
		fprintf(file, "zcopy: %s in %llu ranges of %llu files could not be read\n",
		        zc_format_size(data, report->unread.bytes), (unsigned long long)report->unread.ranges,
		        (unsigned long long)report->unread.files);
	}
	fprintf(file, "zcopy: %llu %s, %llu skipped, %llu failed\n", (unsigned long long)report->items.files,
	        copied, (unsigned long long)report->items.skipped, (unsigned long long)report->items.failed);
}
