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

/* Fills out with what stands for the next character; returns how many bytes of at it covers. */
static unsigned quote_next(char out[5], const char *at, unsigned *ret_len)
{
	unsigned char lead = (unsigned char)at[0];
	unsigned len = zc_utf8_len(at);
	bool c1 = len == 2 && lead == 0xc2 && (unsigned char)at[1] < 0xa0;

	if (len == 0 || c1 || lead < 0x20 || lead == 0x7f || lead == '\\') {
		*ret_len = quote_byte(out, lead);
		return 1; /* what follows a C1 lead is not UTF-8 alone, so it is escaped next */
	}
	memcpy(out, at, len);
	*ret_len = len;
	return len;
}

const char *zc_quote(char *out, size_t cap_bytes, const char *name)
{
	static const char dots[] = "...";
	size_t used = 0;
	size_t cut = 0; /* where the dots can go */

	zc_assert(cap_bytes >= sizeof(dots));
	while (*name != '\0') {
		char next[5];
		unsigned len;

		name += quote_next(next, name, &len);
		if (used + len + 1 > cap_bytes) {
			memcpy(out + cut, dots, sizeof(dots));
			return out;
		}
		memcpy(out + used, next, len);
		used += len;
		if (used + sizeof(dots) <= cap_bytes) {
			cut = used;
		}
	}
	out[used] = '\0';
	return out;
}
