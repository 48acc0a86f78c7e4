/*
 * Writes JSON to a stream. Whatever the input, the output is well-formed and pure: control characters
 * are escaped, and a byte that is not UTF-8 becomes U+FFFD (names, which must survive, go as base64).
 * Numbers do not depend on the locale.
 */
#include "zcopy/base.h"

#include <float.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

void zc_json_init(struct zc_json *json, FILE *file)
{
	*json = (struct zc_json){ .file = file };
}

static void json_string(FILE *file, const char *value)
{
	putc('"', file);
	while (*value != '\0') {
		unsigned char byte = (unsigned char)*value;
		unsigned len = zc_utf8_len(value);

		if (len == 0) {
			fputs("\\ufffd", file);
			len = 1;
		} else if (byte == '"' || byte == '\\') {
			fprintf(file, "\\%c", byte);
		} else if (byte < 0x20 || byte == 0x7f) {
			fprintf(file, "\\u%04x", byte);
		} else if (byte == 0xc2 && (unsigned char)value[1] < 0xa0) { /* C1 controls */
			fprintf(file, "\\u%04x", (unsigned char)value[1]);
		} else {
			fwrite(value, 1, len, file);
		}
		value += len;
	}
	putc('"', file);
}

/* The comma before an item, and its key. */
static void json_item(struct zc_json *json, const char *key, const char *key_end)
{
	if (json->comma) {
		putc(',', json->file);
	}
	json->comma = true;
	if (key) {
		fprintf(json->file, "\"%s%s\":", key, key_end);
	}
}

void zc_json_open(struct zc_json *json, const char *key, char bracket)
{
	json_item(json, key, "");
	putc(bracket, json->file);
	json->depth++;
	json->comma = false;
}

void zc_json_close(struct zc_json *json, char bracket)
{
	zc_assert(json->depth > 0);
	putc(bracket, json->file);
	json->depth--;
	json->comma = json->depth > 0;
}

void zc_json_str(struct zc_json *json, const char *key, const char *value)
{
	json_item(json, key, "");
	json_string(json->file, value);
}

void zc_json_u64(struct zc_json *json, const char *key, uint64_t value)
{
	json_item(json, key, "");
	fprintf(json->file, "%" PRIu64, value);
}

void zc_json_real(struct zc_json *json, const char *key, double value)
{
	char text[32];
	int digits = 1;

	if (value != value || value > DBL_MAX || value < -DBL_MAX) {
		return;
	}
	do {
		snprintf(text, sizeof(text), "%.*g", digits, value);
	} while (strtod(text, NULL) != value && digits++ < 17);
	json_item(json, key, "");
	fputs(text, json->file);
}

void zc_json_bool(struct zc_json *json, const char *key, bool value)
{
	json_item(json, key, "");
	fputs(value ? "true" : "false", json->file);
}

void zc_json_seconds(struct zc_json *json, const char *key, uint64_t ns)
{
	json_item(json, key, "");
	fprintf(json->file, "%" PRIu64 ".%06u", ns / 1000000000u, (unsigned)(ns % 1000000000u / 1000));
}

/* RFC 4648, with padding. */
static void json_base64(FILE *file, const unsigned char *name, size_t len_bytes)
{
	static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

	putc('"', file);
	for (size_t i = 0; i < len_bytes; i += 3) {
		size_t left = len_bytes - i;
		unsigned bits = (unsigned)name[i] << 16;

		bits |= left > 1 ? (unsigned)name[i + 1] << 8 : 0;
		bits |= left > 2 ? name[i + 2] : 0;
		putc(digits[bits >> 18], file);
		putc(digits[(bits >> 12) & 63], file);
		putc(left > 1 ? digits[(bits >> 6) & 63] : '=', file);
		putc(left > 2 ? digits[bits & 63] : '=', file);
	}
	putc('"', file);
}

void zc_json_name(struct zc_json *json, const char *key, const char *name)
{
	if (zc_utf8_valid(name)) {
		zc_json_str(json, key, name);
		return;
	}
	json_item(json, key, "_b64");
	json_base64(json->file, (const unsigned char *)name, strlen(name));
}
