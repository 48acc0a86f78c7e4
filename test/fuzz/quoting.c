/*
 * quoting: names for people and for JSON. What is quoted is clean and reads back as what it was; what is cut
 * is a beginning of it. jansson reads what json.c writes.
 */
#include <jansson.h>
#include <stdio.h>

#include "fuzz.h"

/* at: behind the backslash. Returns what is behind the escape. */
static const char *unescape(char **out, const char *at)
{
	static const char names[] = "abtnvfr";
	const char *named = strchr(names, *at);

	zc_verify(*at != '\0');
	if (*at == '\\') {
		*(*out)++ = '\\';
		return at + 1;
	}
	if (named) {
		*(*out)++ = (char)(named - names + 7);
		return at + 1;
	}
	for (int i = 0; i < 3; i++) {
		zc_verify(at[i] >= '0' && at[i] <= (i == 0 ? '3' : '7'));
	}
	*(*out)++ = (char)((at[0] - '0') * 64 + (at[1] - '0') * 8 + (at[2] - '0'));
	return at + 3;
}

static void unquote(char *out, const char *text)
{
	while (*text != '\0') {
		if (*text == '\\') {
			text = unescape(&out, text + 1);
		} else {
			*out++ = *text++;
		}
	}
	*out = '\0';
}

/* One word as a shell reads it; at: behind the opening quote. Returns what is behind the closing one. */
static const char *unquote_part(char **out, const char *at, char quote, bool escapes)
{
	static const char special[] = "$`\\!"; /* in double quotes these are not themselves */

	while (*at != quote) {
		zc_verify(*at != '\0' && (quote != '"' || !strchr(special, *at)));
		if (escapes && *at == '\\') {
			at = unescape(out, at + 1);
		} else {
			*(*out)++ = *at++;
		}
	}
	return at + 1;
}

static void unquote_shell(char *out, const char *text)
{
	while (*text != '\0') {
		if (*text == '\'' || *text == '"') {
			text = unquote_part(&out, text + 1, *text, false);
		} else if (text[0] == '$') {
			zc_verify(text[1] == '\'');
			text = unquote_part(&out, text + 2, '\'', true);
		} else {
			zc_verify(text[0] == '\\' && text[1] == '\'');
			*out++ = '\'';
			text += 2;
		}
	}
	*out = '\0';
}

static void check_quote(const char *name, size_t cap, const char *(*quote)(char *, size_t, const char *),
                        void (*back)(char *, const char *))
{
	size_t room = 12 * strlen(name) + 8;
	char *whole = malloc(room);
	char *read_back = malloc(room);
	char *cut = malloc(cap);

	zc_verify(whole && read_back && cut);
	zc_verify(quote(whole, room, name) == whole && fuzz_is_clean(whole));
	back(read_back, whole);
	zc_verify(strcmp(read_back, name) == 0);
	zc_verify(quote(cut, cap, name) == cut && fuzz_is_clean(cut));
	if (strcmp(cut, whole) != 0) {
		size_t len = strlen(cut);

		zc_verify(len >= 3 && len < cap && strcmp(cut + len - 3, "...") == 0);
		zc_verify(strncmp(cut, whole, len - 3) == 0);
		zc_verify(strlen(whole) >= cap); /* cut only when it must be */
	}
	free(whole);
	free(read_back);
	free(cut);
}

static unsigned base64_value(char digit)
{
	static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
	const char *at = strchr(digits, digit);

	zc_verify(digit != '\0' && at);
	return (unsigned)(at - digits);
}

static void check_base64(const char *text, const char *name)
{
	size_t len = strlen(text);
	size_t at = 0;
	uint32_t bits = 0;

	zc_verify(len % 4 == 0);
	for (size_t i = 0; i < len && text[i] != '='; i++) {
		bits = bits << 6 | base64_value(text[i]);
		if (i % 4 != 0) {
			unsigned shift = 6 - 2 * (unsigned)(i % 4);

			zc_verify((char)(bits >> shift & 0xff) == name[at] && name[at] != '\0');
			at++;
		}
	}
	zc_verify(name[at] == '\0');
}

static void check_json(const char *name)
{
	bool valid = zc_utf8_valid(name);
	struct zc_json json;
	char *text = NULL;
	size_t len = 0;
	FILE *file = open_memstream(&text, &len);
	json_t *root;

	zc_verify(file);
	zc_json_init(&json, file);
	zc_json_open(&json, NULL, '{');
	zc_json_name(&json, "path", name);
	zc_json_str(&json, "text", name);
	zc_json_close(&json, '}');
	fclose(file);
	zc_verify(fuzz_is_clean(text));
	root = json_loadb(text, len, JSON_REJECT_DUPLICATES, NULL);
	zc_verify(root && json_object_size(root) == 2);
	if (valid) {
		zc_verify(strcmp(json_string_value(json_object_get(root, "path")), name) == 0);
		zc_verify(strcmp(json_string_value(json_object_get(root, "text")), name) == 0);
	} else {
		check_base64(json_string_value(json_object_get(root, "path_b64")), name);
		zc_verify(zc_utf8_valid(json_string_value(json_object_get(root, "text"))));
	}
	json_decref(root);
	free(text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len_bytes)
{
	struct fuzz_input input = { data, len_bytes };
	size_t cap = 4 + fuzz_byte(&input);
	char *name = fuzz_text(&input, '\0');

	check_quote(name, cap, zc_quote, unquote);
	check_quote(name, cap, zc_quote_shell, unquote_shell);
	check_json(name);
	free(name);
	return 0;
}
