/*
 * badmap.c: see badmap.h. The format is GNU ddrescue's mapfile ("Mapfile structure" in its manual):
 *
 *   # comments; two of ours say which files the map is of
 *   0x00000000     +               1          where it is, what it does there, which pass
 *   0x00000000  0x00010000  +                 position, size, status: from 0 on without a gap
 *   0x00010000  0x00000200  -
 *
 * Numbers are C's: decimal, 0x hexadecimal, 0 octal. A text that breaks any rule is refused whole: half a map
 * would call unread bytes read.
 */
#include "badmap.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "zc_config.h"
#include "zcopy/base.h"

#define SOURCE_WORDS      "# zcopy: source "
#define DESTINATION_WORDS "# zcopy: destination "
#define BIRTH_WORD        " birth="
#define CHANGE_WORD       " ctime="

int badmap_add(struct badmap *map, const struct badmap_range *range)
{
	struct badmap_range *list = map->list;
	struct badmap_range *last = map->count > 0 ? &list[map->count - 1] : NULL;

	zc_assert(last == NULL || last->off_bytes + last->len_bytes <= range->off_bytes);
	if (last != NULL && last->status == range->status && last->code == range->code &&
	    last->off_bytes + last->len_bytes == range->off_bytes) {
		last->len_bytes += range->len_bytes;
		return 0;
	}
	if (map->count == BADMAP_RANGES_MAX) {
		return -E2BIG;
	}
	if ((map->count & (map->count - 1)) == 0) { /* powers of two: full */
		list = reallocarray(list, map->count == 0 ? 1 : 2 * (size_t)map->count, sizeof(*list));
		if (list == NULL) {
			return -ENOMEM;
		}
		map->list = list;
	}
	list[map->count++] = *range;
	return 0;
}

uint64_t badmap_bytes(const struct badmap *map)
{
	uint64_t sum = 0;

	for (unsigned i = 0; i < map->count; i++) {
		sum += map->list[i].len_bytes;
	}
	return sum;
}

void badmap_clear(struct badmap *map)
{
	free(map->list);
	map->list = NULL;
	map->count = 0;
}

/* ---- to text */

static void print_file(FILE *file, const char *words, const struct badmap_file *is)
{
	fprintf(file, "%ssize=%" PRIu64 " ino=%" PRIu64 " mtime=%" PRId64 ".%09" PRIu32, words,
	        is->size_bytes, is->ino, is->mtime_s, is->mtime_ns);
	if (is->mark != BADMAP_MARK_NONE) {
		fprintf(file, "%s%" PRId64 ".%09" PRIu32,
		        is->mark == BADMAP_MARK_BIRTH ? BIRTH_WORD : CHANGE_WORD, is->mark_s, is->mark_ns);
	}
	fprintf(file, "%s%s\n", is->open ? " open" : "", is->old ? " old" : "");
}

static void print_block(FILE *file, uint64_t from, uint64_t to, char status)
{
	if (to > from) {
		fprintf(file, "0x%08" PRIX64 "  0x%08" PRIX64 "  %c\n", from, to - from, status);
	}
}

void badmap_print(const struct badmap *map, FILE *file, const char *of_what)
{
	uint64_t at = 0;

	fprintf(file, "# Mapfile. Created by zcopy %s\n", ZC_VERSION);
	if (of_what != NULL) {
		fprintf(file, "# %s\n", of_what);
	}
	print_file(file, SOURCE_WORDS, &map->src);
	print_file(file, DESTINATION_WORDS, &map->dst);
	fputs("# current_pos  current_status  current_pass\n"
	      "0x00000000     +               1\n"
	      "#      pos        size  status\n",
	      file);
	for (unsigned i = 0; i < map->count; i++) {
		const struct badmap_range *range = &map->list[i];

		print_block(file, at, range->off_bytes, '+');
		at = range->off_bytes + range->len_bytes;
		print_block(file, range->off_bytes, at, (char)range->status);
	}
	print_block(file, at, map->src.size_bytes, '+');
}

/* ---- from text */

struct cursor {
	const char *at;
	const char *end; /* of the line */
};

struct parse {
	struct badmap map;
	uint64_t end_bytes; /* of the last block             */
	bool has_position;  /* the first line that is no comment */
	bool has_src;
	bool has_dst;
};

static bool skip_word(struct cursor *line, const char *word)
{
	size_t len = strlen(word);

	if ((size_t)(line->end - line->at) < len || memcmp(line->at, word, len) != 0) {
		return false;
	}
	line->at += len;
	return true;
}

static bool skip_blanks(struct cursor *line)
{
	const char *from = line->at;

	while (line->at < line->end && (*line->at == ' ' || *line->at == '\t' || *line->at == '\r')) {
		line->at++;
	}
	return line->at > from;
}

static unsigned digit_of(char c)
{
	return c >= '0' && c <= '9'   ? (unsigned)(c - '0')
	       : c >= 'a' && c <= 'f' ? (unsigned)(c - 'a') + 10
	       : c >= 'A' && c <= 'F' ? (unsigned)(c - 'A') + 10
	                              : 16;
}

static bool parse_digits(struct cursor *line, unsigned base, uint64_t *ret_value)
{
	uint64_t value = 0;
	const char *from = line->at;

	for (; line->at < line->end && digit_of(*line->at) < base; line->at++) {
		if (value > (UINT64_MAX - digit_of(*line->at)) / base) {
			return false;
		}
		value = value * base + digit_of(*line->at);
	}
	*ret_value = value;
	return line->at > from;
}

static bool parse_number(struct cursor *line, uint64_t *ret_value)
{
	if (skip_word(line, "0x") || skip_word(line, "0X")) {
		return parse_digits(line, 16, ret_value);
	}
	return parse_digits(line, line->at < line->end && *line->at == '0' ? 8 : 10, ret_value);
}

static bool parse_time(struct cursor *line, int64_t *ret_s, uint32_t *ret_ns)
{
	bool minus = skip_word(line, "-");
	uint64_t seconds;
	uint64_t nanos;

	if (!parse_digits(line, 10, &seconds) || seconds > INT64_MAX || !skip_word(line, ".") ||
	    !parse_digits(line, 10, &nanos) || nanos > 999999999) {
		return false;
	}
	*ret_s = minus ? -(int64_t)seconds : (int64_t)seconds;
	*ret_ns = (uint32_t)nanos;
	return true;
}

/* There need not be one. */
static bool parse_mark(struct cursor *line, struct badmap_file *is)
{
	is->mark = skip_word(line, BIRTH_WORD)    ? BADMAP_MARK_BIRTH
	           : skip_word(line, CHANGE_WORD) ? BADMAP_MARK_CHANGE
	                                          : BADMAP_MARK_NONE;
	return is->mark == BADMAP_MARK_NONE || parse_time(line, &is->mark_s, &is->mark_ns);
}

static bool parse_file(struct cursor *line, struct badmap_file *ret_is)
{
	struct badmap_file is = { 0 };

	if (!skip_word(line, "size=") || !parse_digits(line, 10, &is.size_bytes) || !skip_blanks(line) ||
	    !skip_word(line, "ino=") || !parse_digits(line, 10, &is.ino) || !skip_blanks(line) ||
	    !skip_word(line, "mtime=") || !parse_time(line, &is.mtime_s, &is.mtime_ns) ||
	    !parse_mark(line, &is)) {
		return false;
	}
	is.open = skip_word(line, " open");
	is.old = skip_word(line, " old");
	skip_blanks(line);
	*ret_is = is;
	return line->at == line->end;
}

static const char *parse_comment(struct parse *parse, struct cursor *line)
{
	bool fits = true;

	if (skip_word(line, SOURCE_WORDS)) {
		fits = !parse->has_src && parse_file(line, &parse->map.src);
		parse->has_src = true;
	} else if (skip_word(line, DESTINATION_WORDS)) {
		fits = !parse->has_dst && parse_file(line, &parse->map.dst);
		parse->has_dst = true;
	}
	return fits ? NULL : "does not say which file it is of";
}

/* "POSITION STATUS [PASS]": where ddrescue would go on. Nothing here depends on it. */
static const char *parse_position(struct parse *parse, struct cursor *line)
{
	uint64_t number;
	bool fits = parse_number(line, &number) && skip_blanks(line) && line->at < line->end &&
	            *line->at != '\0' && strchr("?*/-FG+", *line->at) != NULL;

	if (fits) {
		line->at++;
		fits = !skip_blanks(line) || line->at == line->end || parse_number(line, &number);
		skip_blanks(line);
	}
	parse->has_position = true;
	return fits && line->at == line->end ? NULL : "no position and status";
}

static const char *parse_block(struct parse *parse, struct cursor *line, int *ret_code)
{
	struct badmap_range range = { 0 };
	char status;

	if (!parse_number(line, &range.off_bytes) || !skip_blanks(line) ||
	    !parse_number(line, &range.len_bytes) || !skip_blanks(line) || line->at == line->end ||
	    *line->at == '\0' || strchr("?*/-+", *line->at) == NULL) {
		return "no position, size and status";
	}
	status = *line->at++;
	skip_blanks(line);
	if (line->at != line->end) {
		return "more than position, size and status";
	}
	if (range.off_bytes != parse->end_bytes || range.len_bytes == 0 || range.len_bytes > INT64_MAX ||
	    range.off_bytes > INT64_MAX - range.len_bytes) {
		return "the blocks do not follow each other";
	}
	parse->end_bytes = range.off_bytes + range.len_bytes;
	range.status = (enum badmap_status)status;
	*ret_code = status == '+' ? 0 : badmap_add(&parse->map, &range);
	return NULL;
}

/* NULL, or what is wrong; *ret_code: no memory, or more ranges than are kept. */
static const char *parse_line(struct parse *parse, struct cursor line, int *ret_code)
{
	if (line.at < line.end && *line.at == '#') {
		return parse_comment(parse, &line);
	}
	skip_blanks(&line);
	if (line.at == line.end) {
		return NULL;
	}
	return parse->has_position ? parse_block(parse, &line, ret_code) : parse_position(parse, &line);
}

static const char *parse_whole(const struct parse *parse)
{
	return !parse->has_src || !parse->has_dst              ? "does not say which files it is of"
	       : parse->end_bytes != parse->map.src.size_bytes ? "is not of the whole file"
	                                                       : NULL;
}

int badmap_parse(struct badmap *ret_map, const char *text, size_t len_bytes, const char **ret_why,
                 unsigned *ret_line)
{
	struct parse parse = { 0 };
	struct cursor line = { .at = text };
	const char *why = NULL;
	unsigned number = 0;
	int code = 0;

	for (size_t left = len_bytes; left > 0 && why == NULL && code == 0; number++) {
		line.end = memchr(line.at, '\n', left);
		if (line.end == NULL) {
			why = "ends within a line";
			continue;
		}
		why = parse_line(&parse, line, &code);
		left -= (size_t)(line.end - line.at) + 1;
		line.at = line.end + 1;
	}
	if (why == NULL && code == 0) {
		number = 0;
		why = parse_whole(&parse);
	}
	if (why == NULL && code == 0) {
		*ret_map = parse.map;
		return 0;
	}
	badmap_clear(&parse.map);
	*ret_why = why != NULL ? why : "has too many ranges";
	*ret_line = number;
	return code == -ENOMEM ? code : -EINVAL;
}
