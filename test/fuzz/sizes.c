/*
 * sizes: numbers as people write them, against a table of all suffixes and 128-bit arithmetic; and what is
 * formatted of them.
 */
#include <errno.h>
#include <stdio.h>

#include "fuzz.h"

static const struct {
	const char *suffix;
	unsigned base;
	unsigned power;
} suffixes[] = {
	{ "", 1024, 0 },    { "K", 1024, 1 },   { "KiB", 1024, 1 }, { "KB", 1000, 1 },  { "k", 1024, 1 },
	{ "kiB", 1024, 1 }, { "kB", 1000, 1 },  { "M", 1024, 2 },   { "MiB", 1024, 2 }, { "MB", 1000, 2 },
	{ "m", 1024, 2 },   { "miB", 1024, 2 }, { "mB", 1000, 2 },  { "G", 1024, 3 },   { "GiB", 1024, 3 },
	{ "GB", 1000, 3 },  { "g", 1024, 3 },   { "giB", 1024, 3 }, { "gB", 1000, 3 },  { "T", 1024, 4 },
	{ "TiB", 1024, 4 }, { "TB", 1000, 4 },  { "t", 1024, 4 },   { "tiB", 1024, 4 }, { "tB", 1000, 4 },
};

/* Digits as a number; more than fits is kept as something larger. */
static unsigned __int128 digits_of(const char *text, size_t len)
{
	const unsigned __int128 too_much = (unsigned __int128)1 << 80;
	unsigned __int128 value = 0;

	for (size_t i = 0; i < len; i++) {
		value = value * 10 + (unsigned)(text[i] - '0');
		value = value > too_much ? too_much : value;
	}
	return value;
}

static int expect_size(const char *text, uint64_t *ret_bytes)
{
	size_t len = strspn(text, "0123456789");
	unsigned __int128 value = digits_of(text, len);

	if (len == 0) {
		return -EINVAL;
	}
	for (size_t i = 0; i < ZC_ARRAY_LEN(suffixes); i++) {
		if (strcmp(text + len, suffixes[i].suffix) != 0) {
			continue;
		}
		for (unsigned k = 0; k < suffixes[i].power; k++) {
			value *= suffixes[i].base;
		}
		*ret_bytes = (uint64_t)value;
		return value > UINT64_MAX ? -ERANGE : 0;
	}
	return value > UINT64_MAX ? -ERANGE : -EINVAL;
}

static void check_size(const char *text)
{
	uint64_t expected = 0;
	uint64_t bytes = 0x5a5a;
	int err = zc_parse_size(text, &bytes);
	char again[24];

	zc_verify(err == expect_size(text, &expected));
	if (err != 0) {
		zc_verify(bytes == 0x5a5a);
		return;
	}
	zc_verify(bytes == expected);
	snprintf(again, sizeof(again), "%llu", (unsigned long long)bytes);
	zc_verify(zc_parse_size(again, &expected) == 0 && expected == bytes);
}

static void check_count(const char *text, uint64_t min, uint64_t max)
{
	size_t len = strspn(text, "0123456789");
	unsigned __int128 value = digits_of(text, len);
	uint64_t count = 0x5a5a;
	int err = zc_parse_count(text, min, max, &count);

	if (len == 0) {
		zc_verify(err == -EINVAL);
	} else if (value > UINT64_MAX) {
		zc_verify(err == -ERANGE);
	} else if (text[len] != '\0') {
		zc_verify(err == -EINVAL);
	} else {
		zc_verify(err == (value < min || value > max ? -ERANGE : 0));
		zc_verify(err != 0 || count == value);
	}
	zc_verify(err == 0 || count == 0x5a5a);
}

/* What is shown is within half a unit of its last digit. */
static void check_format(uint64_t bytes)
{
	static const char units[] = "KMGTPE";
	char out[16];
	const char *unit;
	double shown;
	double scale = 1;

	zc_verify(zc_format_size(out, bytes) == out);
	zc_verify(memchr(out, '\0', sizeof(out)) && fuzz_is_clean(out));
	shown = strtod(out, NULL);
	unit = strchr(units, out[strcspn(out, " ") + 1]);
	if (!unit) {
		zc_verify(bytes < 1024 && shown == (double)bytes);
		return;
	}
	for (long i = unit - units; i >= 0; i--) {
		scale *= 1024;
	}
	zc_verify(shown >= 1 && shown < 1024);
	zc_verify(shown * scale - (double)bytes <= scale * 0.0511 &&
	          (double)bytes - shown * scale <= scale * 0.0511);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len_bytes)
{
	struct fuzz_input input = { data, len_bytes };
	char *text = fuzz_text(&input, '\n');
	uint64_t bytes = fuzz_u64(&input);

	check_size(text);
	check_count(text, 0, UINT64_MAX);
	check_count(text, bytes % 1000, bytes);
	check_format(bytes);
	check_format(bytes >> (bytes & 63));
	free(text);
	return 0;
}
