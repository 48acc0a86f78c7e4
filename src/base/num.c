/*
 * Numbers as people write them. Stricter than strtoull(): no blanks, no sign, no base prefix, nothing
 * after the number, no silent wrap. Independent of the locale.
 */
#include "zcopy/base.h"

#include <errno.h>
#include <string.h>

/* Reads the digits at *text and moves past them. */
static int num_digits(const char **text, uint64_t *ret_value)
{
	const char *at = *text;
	uint64_t value = 0;

	if (*at < '0' || *at > '9') {
		return -EINVAL;
	}
	for (; *at >= '0' && *at <= '9'; at++) {
		if (__builtin_mul_overflow(value, 10, &value) ||
		    __builtin_add_overflow(value, (uint64_t)(*at - '0'), &value)) {
			return -ERANGE;
		}
	}
	*text = at;
	*ret_value = value;
	return 0;
}

/* "" K KB KiB M ...: what one of the unit is in bytes. Small letters as dd takes them. */
static int num_unit(const char *suffix, uint64_t *ret_unit)
{
	static const char letters[] = "KMGTkmgt";
	uint64_t base = 1024;
	uint64_t unit = 1;
	const char *letter;

	if (*suffix == '\0') {
		*ret_unit = 1;
		return 0;
	}
	letter = strchr(letters, *suffix);
	if (!letter) {
		return -EINVAL;
	}
	if (!strcmp(suffix + 1, "B")) {
		base = 1000;
	} else if (suffix[1] != '\0' && strcmp(suffix + 1, "iB") != 0) {
		return -EINVAL;
	}
	for (long power = (letter - letters) % 4; power >= 0; power--) {
		unit *= base;
	}
	*ret_unit = unit;
	return 0;
}

int zc_parse_size(const char *text, uint64_t *ret_bytes)
{
	uint64_t value;
	uint64_t unit;
	int err = num_digits(&text, &value);

	if (err == 0) {
		err = num_unit(text, &unit);
	}
	if (err != 0) {
		return err;
	}
	if (__builtin_mul_overflow(value, unit, &value)) {
		return -ERANGE;
	}
	*ret_bytes = value;
	return 0;
}

int zc_parse_time(const char *text, uint64_t *ret_ns)
{
	static const struct {
		const char *name;
		uint64_t ns;
	} units[] = {
		{ "ms", 1000000ull },
		{ "s", 1000000000ull },
		{ "m", 60000000000ull },
		{ "h", 3600000000000ull },
	};
	uint64_t value;
	int err = num_digits(&text, &value);

	for (size_t i = 0; err == 0 && i < ZC_ARRAY_LEN(units); i++) {
		if (strcmp(text, units[i].name) == 0) {
			return __builtin_mul_overflow(value, units[i].ns, ret_ns) ? -ERANGE : 0;
		}
	}
	return err == 0 ? -EINVAL : err;
}

int zc_parse_count(const char *text, uint64_t min, uint64_t max, uint64_t *ret_count)
{
	uint64_t value;
	int err = num_digits(&text, &value);

	if (err != 0) {
		return err;
	}
	if (*text != '\0') {
		return -EINVAL;
	}
	if (value < min || value > max) {
		return -ERANGE;
	}
	*ret_count = value;
	return 0;
}

const char *zc_format_size(char out[16], uint64_t bytes)
{
	static const char units[] = "KMGTPE";
	uint64_t whole = bytes;
	uint64_t tenths = 0;
	unsigned shift = 0;

	if (bytes < 1024) {
		snprintf(out, 16, "%u B", (unsigned)bytes);
		return out;
	}
	/* The next unit as soon as rounding to tenths would show 1024.0 of this one. */
	do {
		shift += 10;
		uint64_t rest = bytes & ((1ull << shift) - 1);

		whole = bytes >> shift;
		/* the top 10 bits of the rest are enough for one decimal, and cannot overflow */
		tenths = ((rest >> (shift - 10)) * 10 + 512) / 1024;
		whole += tenths / 10;
		tenths %= 10;
	} while (whole >= 1024);
	snprintf(out, 16, "%u.%u %ciB", (unsigned)whole, (unsigned)tenths, units[shift / 10 - 1]);
	return out;
}
