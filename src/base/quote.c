/*
 * File names for people. What could move a cursor, change a colour or fake a line of output never
 * reaches a terminal: control characters (C0, DEL and C1), bytes that are not UTF-8 and, so that the
 * result is unambiguous, the backslash are written as C writes them.
 */
#include "zcopy/base.h"

#include <string.h>

/* RFC 3629. Never reads past the NUL, since a NUL is not a continuation byte. */
unsigned zc_utf8_len(const char *name)
{
	const unsigned char *text = (const unsigned char *)name;
	unsigned char lead = text[0];
	unsigned char low = 0x80; /* what the second byte may be */
	unsigned char high = 0xbf;
	unsigned len;

	if (lead < 0x80) {
		return 1;
	}
	if (lead >= 0xc2 && lead <= 0xdf) {
		len = 2;
	} else if (lead >= 0xe0 && lead <= 0xef) {
		len = 3;
		low = lead == 0xe0 ? 0xa0 : 0x80;  /* else: overlong  */
		high = lead == 0xed ? 0x9f : 0xbf; /* else: surrogate */
	} else if (lead >= 0xf0 && lead <= 0xf4) {
		len = 4;
		low = lead == 0xf0 ? 0x90 : 0x80;  /* else: overlong       */
		high = lead == 0xf4 ? 0x8f : 0xbf; /* else: above U+10FFFF */
	} else {
		return 0;
	}
	if (text[1] < low || text[1] > high) {
		return 0;
	}
	for (unsigned i = 2; i < len; i++) {
		if ((text[i] & 0xc0) != 0x80) {
			return 0;
		}
	}
	return len;
}

bool zc_utf8_valid(const char *text)
{
	while (*text != '\0') {
		unsigned len = zc_utf8_len(text);

		if (len == 0) {
			return false;
		}
		text += len;
	}
	return true;
}

/* One byte as C writes it: \n or \033. Returns the length. */
static unsigned quote_byte(char out[5], unsigned char byte)
{
	static const char names[] = "abtnvfr"; /* 7 .. 13 */

	out[0] = '\\';
	if (byte == '\\') {
		out[1] = '\\';
		return 2;
	}
	if (byte >= '\a' && byte <= '\r') {
		out[1] = names[byte - '\a'];
		return 2;
	}
	out[1] = (char)('0' + (byte >> 6));
	out[2] = (char)('0' + ((byte >> 3) & 7));
	out[3] = (char)('0' + (byte & 7));
	return 4;
}

/* Bytes of the character at that may be shown as it is; 0 = it may not: a control, or not UTF-8. What
 * follows a C1's lead is not UTF-8 alone, so it is escaped next. */
static unsigned quote_plain_len(const char *at)
{
	unsigned char lead = (unsigned char)at[0];
	unsigned len = zc_utf8_len(at);
	bool c1 = len == 2 && lead == 0xc2 && (unsigned char)at[1] < 0xa0;

	return c1 || lead < 0x20 || lead == 0x7f ? 0 : len;
}

/* Fills out with what stands for the next character; returns how many bytes of at it covers. */
static unsigned quote_next(char out[5], const char *at, unsigned *ret_len)
{
	unsigned char lead = (unsigned char)at[0];
	unsigned len = quote_plain_len(at);

	if (len == 0 || lead == '\\') {
		*ret_len = quote_byte(out, lead);
		return 1;
	}
	memcpy(out, at, len);
	*ret_len = len;
	return len;
}

/* Where a quoted name goes: pieces are put whole or, once one does not fit, not at all. */
struct quote_out {
	char *text;
	size_t cap_bytes;
	size_t used;
	size_t cut; /* where the dots can go */
};

static const char quote_dots[] = "...";

static bool quote_put(struct quote_out *out, const char *piece, size_t len)
{
	if (out->used + len + 1 > out->cap_bytes) {
		memcpy(out->text + out->cut, quote_dots, sizeof(quote_dots));
		return false;
	}
	memcpy(out->text + out->used, piece, len);
	out->used += len;
	out->text[out->used] = '\0';
	if (out->used + sizeof(quote_dots) <= out->cap_bytes) {
		out->cut = out->used;
	}
	return true;
}

const char *zc_quote(char *out, size_t cap_bytes, const char *name)
{
	struct quote_out to = { .text = out, .cap_bytes = cap_bytes };
	char next[5];
	unsigned len;

	zc_assert(cap_bytes >= sizeof(quote_dots));
	out[0] = '\0';
	while (*name != '\0') {
		name += quote_next(next, name, &len);
		if (!quote_put(&to, next, len)) {
			break;
		}
	}
	return out;
}

/* ---- as the shell wants it */

/* Whether a name with a single quote in it is plain enough for double ones: all its other characters mean
 * the same there. */
static bool shell_is_double(const char *name)
{
	static const char special[] = "!\"$&()*;<=>?[^`|\\{}";
	bool single = false;

	for (const char *at = name; *at != '\0';) {
		unsigned len = quote_plain_len(at);

		if (len == 0 || strchr(special, *at) || (at != name && (*at == '#' || *at == '~'))) {
			return false;
		}
		single = single || *at == '\'';
		at += len;
	}
	return single;
}

/* One character, or a byte that must be escaped. *escaped: we are behind a $'. */
static unsigned shell_next(char out[8], const char *at, bool *escaped, unsigned *ret_len)
{
	unsigned len = quote_plain_len(at);
	unsigned used = 0;

	if (*at == '\'') { /* ends the quotes, stands for itself, opens new ones */
		memcpy(out, "'\\''", sizeof("'\\''"));
		*ret_len = 4;
		*escaped = false;
		return 1;
	}
	if (*escaped != (len == 0)) {
		used = len == 0 ? 3 : 2;
		memcpy(out, len == 0 ? "'$'" : "''", used);
		*escaped = len == 0;
	}
	if (len == 0) {
		*ret_len = used + quote_byte(out + used, (unsigned char)*at);
		return 1;
	}
	memcpy(out + used, at, len);
	*ret_len = used + len;
	return len;
}

const char *zc_quote_shell(char *out, size_t cap_bytes, const char *name)
{
	struct quote_out to = { .text = out, .cap_bytes = cap_bytes };
	bool plain = shell_is_double(name);
	const char *quote = plain ? "\"" : "'";
	bool escaped = false;
	bool fits;

	zc_assert(cap_bytes >= sizeof(quote_dots));
	fits = quote_put(&to, quote, 1);
	while (fits && *name != '\0') {
		char next[8];
		unsigned len = plain ? quote_plain_len(name) : 0;

		if (plain) {
			fits = quote_put(&to, name, len);
			name += len;
		} else {
			name += shell_next(next, name, &escaped, &len);
			fits = quote_put(&to, next, len);
		}
	}
	if (fits) {
		quote_put(&to, quote, 1);
	}
	return out;
}
