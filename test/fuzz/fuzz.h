/*
 * fuzz.h: what the fuzz targets share: how bytes are cut into what a target needs. A target checks with
 * zc_verify, which ends the program; it keeps nothing from one input to the next.
 *
 * Texts are copies of their exact length, so that the address sanitizer sees one byte too many.
 */
#ifndef ZC_TEST_FUZZ_H
#define ZC_TEST_FUZZ_H

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "zcopy/base.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len_bytes);

/* The linker's names for a call that is wrapped; with large files glibc has others behind it. */
#ifdef __GLIBC__
#define FUZZ_REAL(call) __real_##call##64
#define FUZZ_WRAP(call) __wrap_##call##64
#else
#define FUZZ_REAL(call) __real_##call
#define FUZZ_WRAP(call) __wrap_##call
#endif

struct fuzz_input {
	const uint8_t *at;
	size_t left;
};

/* The next byte; 0 when there is none. */
static inline unsigned fuzz_byte(struct fuzz_input *input)
{
	if (input->left == 0) {
		return 0;
	}
	input->left--;
	return *input->at++;
}

/* Eight bytes, as many as there are. */
static inline uint64_t fuzz_u64(struct fuzz_input *input)
{
	uint64_t value = 0;

	for (int i = 0; i < 8 && input->left > 0; i++) {
		value = value << 8 | fuzz_byte(input);
	}
	return value;
}

/* A text of the first len bytes, cut at a NUL. The caller's to free. */
static inline char *fuzz_copy(const void *mem, size_t len)
{
	const void *nul = len > 0 ? memchr(mem, '\0', len) : NULL;
	char *text;

	len = nul ? (size_t)((const char *)nul - (const char *)mem) : len;
	text = calloc(1, len + 1);
	zc_verify(text);
	if (len > 0) {
		memcpy(text, mem, len);
	}
	return text;
}

/* What is left up to the next end byte, which is dropped, or all of it; cut at a NUL. The caller's to free.
 */
static inline char *fuzz_text(struct fuzz_input *input, char end)
{
	const uint8_t *stop = input->left > 0 ? memchr(input->at, end, input->left) : NULL;
	size_t len = stop ? (size_t)(stop - input->at) : input->left;
	char *text = fuzz_copy(input->at, len);

	len += stop != NULL;
	input->at += len;
	input->left -= len;
	return text;
}

/* Nothing that moves a cursor or fakes a line: no C0, DEL or C1, all of it UTF-8. */
static inline bool fuzz_is_clean(const char *text)
{
	for (const char *at = text; *at != '\0'; at++) {
		if ((unsigned char)*at < 0x20 || *at == 0x7f ||
		    ((unsigned char)*at == 0xc2 && (unsigned char)at[1] < 0xa0)) {
			return false;
		}
	}
	return zc_utf8_valid(text);
}

#endif
