/*
 * profile: what zcopy tune keeps. A line is believed when each of its words is what the words of such a line
 * are, told by another reader, and then it is printed as it was.
 */
#include "profile.h"

#include "fuzz.h"

#define WORDS 7

static bool is_number(const char *word, unsigned long min, unsigned long max)
{
	size_t len = strspn(word, "0123456789");
	unsigned long value = strtoul(word, NULL, 10);

	return len > 0 && len < 10 && word[len] == '\0' && (word[0] != '0' || len == 1) && value >= min &&
	       value <= max;
}

static bool is_word(const char *word, size_t max)
{
	return *word != '\0' && strlen(word) <= max && strpbrk(word, "\t\n\v\f\r") == NULL;
}

static bool is_profile(const char *text)
{
	char copy[PROFILE_BYTES_MAX + 1] = "";
	char *words[WORDS];
	char *rest = copy;
	size_t len = strlen(text);

	if (len == 0 || len >= PROFILE_BYTES_MAX || text[len - 1] != '\n') {
		return false;
	}
	snprintf(copy, sizeof(copy), "%.*s", (int)len - 1, text);
	for (int i = 0; i < WORDS; i++) {
		words[i] = strsep(&rest, " ");
		if (words[i] == NULL) {
			return false;
		}
	}
	return rest == NULL && strcmp(words[0], "zcopy-tune/1") == 0 && is_word(words[1], 23) &&
	       is_word(words[2], 23) && is_word(words[3], 65) && is_number(words[4], 0, 999999999) &&
	       is_number(words[5], 65536, 1048576) && __builtin_popcountl(strtoul(words[5], NULL, 10)) == 1 &&
	       is_number(words[6], 1, 64);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char text[PROFILE_BYTES_MAX + 1];
	char again[PROFILE_BYTES_MAX];
	struct profile profile;
	size_t len = size < PROFILE_BYTES_MAX ? size : PROFILE_BYTES_MAX;
	bool believed;

	memcpy(text, data, len);
	text[len] = '\0';
	believed = profile_parse(&profile, text);
	zc_verify(believed == is_profile(text));
	if (believed) {
		profile_print(&profile, again);
		zc_verify(strcmp(again, text) == 0);
	}
	return 0;
}
