/*
 * pattern: --exclude and --include. The input's first line is a path (a directory when it ends in a slash),
 * each other one a rule; a matcher of another make, a table over (pattern, path), must give the same answer.
 */
#include <limits.h>
#include <wctype.h>

#include "fuzz.h"
#include "zcopy/job.h"

enum {
	RULES_MAX = 12,
	PATTERN_MAX = 120,
	PATH_BYTES = 100,
};

struct rules {
	char *texts[RULES_MAX];
	unsigned count;
};

/* 0: not known yet, 1: no, 2: yes. From a place in the pattern, with what is left of the path. */
static char known[PATTERN_MAX + 8][PATH_BYTES + 8];

static bool in_class(const char *name, size_t len, int byte)
{
	char text[16];
	wctype_t class;

	snprintf(text, sizeof(text), "%.*s", (int)len, name);
	class = wctype(text);
	zc_verify(class != 0); /* one that does not exist is refused */
	return byte < 0x80 && iswctype((wint_t)byte, class) != 0;
}

/* One member of a set that starts at *at, which it moves; *low is the byte before a "-", or -1. */
static bool in_member(const char **at, int *low, int byte)
{
	const char *end;
	bool range = **at == '-' && *low >= 0 && (*at)[1] != ']';
	int first;
	int last;

	if (!range && strncmp(*at, "[:", 2) == 0 && (end = strchr(*at + 2, ']')) && end > *at + 2 &&
	    end[-1] == ':') {
		const char *name = *at + 2;

		*at = end + 1;
		*low = -1;
		return in_class(name, (size_t)(end - 1 - name), byte);
	}
	*at += range ? 1 : 0;
	*at += **at == '\\' ? 1 : 0;
	zc_verify(**at != '\0');
	first = range ? *low : (unsigned char)**at;
	last = (unsigned char)*(*at)++;
	*low = range ? -1 : last;
	return byte >= first && byte <= last;
}

/* at: behind the "[". *ret_end: behind the "]". */
static bool in_set(const char *at, int byte, const char **ret_end)
{
	bool not = *at == '!' || *at == '^';
	bool has = false;
	bool first = true;
	int low = -1;

	for (at += not ; first || *at != ']'; first = false) {
		has |= in_member(&at, &low, byte);
	}
	*ret_end = at + 1;
	return has != not &&byte != '/';
}

static bool matches(const char *start, const char *pattern, const char *path)
{
	char *note = &known[pattern - start][strlen(path)];
	const char *next = pattern + 1;
	bool yes = *note == 2;

	if (*note != 0) {
		return yes;
	}
	if (*pattern == '\0') {
		yes = *path == '\0';
	} else if (*pattern == '*') {
		size_t stars = strspn(pattern, "*");

		yes = matches(start, pattern + stars, path) ||
		      (*path != '\0' && (stars > 1 || *path != '/') && matches(start, pattern, path + 1));
	} else if (*pattern == '?') {
		yes = *path != '\0' && *path != '/' && matches(start, next, path + 1);
	} else if (*pattern == '[') {
		yes = *path != '\0' && in_set(next, (unsigned char)*path, &next) &&
		      matches(start, next, path + 1);
	} else {
		pattern += *pattern == '\\';
		yes = *pattern == *path && matches(start, pattern + 1, path + 1);
	}
	*note = yes ? 2 : 1;
	return yes;
}

/* The path, or what is behind any of its slashes when the pattern may start anywhere. */
static bool matches_somewhere(const char *pattern, const char *path, bool wild, bool anywhere)
{
	bool yes;

	do {
		memset(known, 0, sizeof(known));
		yes = wild ? matches(pattern, pattern, path) : strcmp(pattern, path) == 0;
		path = strchr(path, '/');
	} while (!yes && anywhere && path++);
	return yes;
}

/* text: one rule without its sign; as rsync's manual has it. */
static bool rule_takes(const char *text, const char *path, bool is_dir)
{
	char pattern[PATTERN_MAX + 1];
	char name[PATH_BYTES + 4];
	size_t len = strlen(text);
	bool dirs_only = len > 1 && text[len - 1] == '/';
	bool wild, whole, anchored;
	const char *base = strrchr(path, '/') ? strrchr(path, '/') + 1 : path;

	snprintf(pattern, sizeof(pattern), "%.*s", (int)(len - dirs_only), text);
	len = strlen(pattern);
	wild = strpbrk(pattern, "*[?") != NULL;
	whole = strstr(pattern, "**") || strchr(pattern, '/');
	anchored = pattern[0] == '/';
	snprintf(name, sizeof(name), "%s%s%s", wild && strncmp(pattern, "**", 2) == 0 ? "/" : "", path,
	         wild && is_dir && len >= 3 && strcmp(pattern + len - 3, "***") == 0 ? "/" : "");
	return (is_dir || !dirs_only) &&
	       matches_somewhere(pattern + anchored, whole ? name : base, wild, whole && !anchored);
}

static bool expected(const struct rules *rules, const char *path, bool is_dir)
{
	for (unsigned i = 0; i < rules->count; i++) {
		const char *text = rules->texts[i];
		bool sign = (text[0] == '-' || text[0] == '+') && text[1] == ' ';

		if (*text != '\0' && strcmp(text, "!") != 0 && rule_takes(text + 2 * sign, path, is_dir)) {
			return !sign || text[0] == '-';
		}
	}
	return false;
}

/* Each component once, no slash at either end. */
static void tidy(char *path)
{
	char *to = path;

	for (const char *at = path; *at != '\0'; at++) {
		if (*at != '/' || (to != path && to[-1] != '/')) {
			*to++ = *at;
		}
	}
	to -= to != path && to[-1] == '/';
	*to = '\0';
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len_bytes)
{
	struct fuzz_input input = { data, len_bytes };
	char *path = fuzz_text(&input, '\n');
	bool is_dir = *path != '\0' && path[strlen(path) - 1] == '/';
	struct rules rules = { .count = 0 };
	struct zc_filter *filter;

	path[strnlen(path, PATH_BYTES)] = '\0';
	tidy(path);
	zc_verify(zc_filter_new(&filter) == 0);
	while (input.left > 0 && rules.count < RULES_MAX) {
		char *text = fuzz_text(&input, '\n');
		const char *why = NULL;

		text[strnlen(text, PATTERN_MAX)] = '\0';
		while (strcmp(text, "!") == 0 && rules.count > 0) {
			free(rules.texts[--rules.count]);
		}
		if (zc_filter_add(filter, true, text, &why) == 0) {
			rules.texts[rules.count++] = text;
			continue;
		}
		zc_verify(strpbrk(text, "[\\") || text[1] == ' '); /* the rest is never refused */
		free(text);
	}
	zc_verify(*path == '\0' ||
	          zc_filter_excludes(filter, path, is_dir) == expected(&rules, path, is_dir));
	zc_filter_free(filter);
	while (rules.count > 0) {
		free(rules.texts[--rules.count]);
	}
	free(path);
	return 0;
}
