/*
 * badmap: the map of unreadable ranges. A text that is accepted says of each byte what a reader of another
 * make (strtoull, line by line) says, so nothing unread is called read; and the map printed and parsed is the
 * same map. The text has no checksum: a digit that is another digit is another map.
 */
#include "badmap.h"

#include <errno.h>
#include <stdio.h>

#include "fuzz.h"

/* What the list says of the block: every byte of it as bad as the block, or none of it listed. */
static void check_block(const struct badmap *map, uint64_t from, uint64_t len, char status)
{
	for (unsigned i = 0; i < map->count; i++) {
		const struct badmap_range *range = &map->list[i];
		uint64_t end = range->off_bytes + range->len_bytes;

		if (status == '+') {
			zc_verify(end <= from || range->off_bytes >= from + len);
		} else if (range->off_bytes <= from && from < end) {
			zc_verify(end >= from + len && (char)range->status == status);
			return;
		}
	}
	zc_verify(status == '+');
}

/* text: accepted, so that its lines are known to be in order; ended by a NUL. */
static void check_lines(const struct badmap *map, char *text)
{
	uint64_t at = 0;
	unsigned lines = 0;

	for (char *line = strtok(text, "\n"); line; line = strtok(NULL, "\n")) {
		char *rest = line;
		uint64_t from;
		uint64_t len;

		if (line[0] == '#' || line[strspn(line, " \t\r")] == '\0' || lines++ == 0) {
			continue;
		}
		from = strtoull(line, &rest, 0);
		len = strtoull(rest, &rest, 0);
		zc_verify(from == at && len > 0);
		check_block(map, from, len, rest[strspn(rest, " \t\r")]);
		at = from + len;
	}
	zc_verify(at == map->src.size_bytes);
}

static void check_list(const struct badmap *map)
{
	uint64_t at = 0;
	uint64_t sum = 0;

	zc_verify(map->count <= BADMAP_RANGES_MAX);
	for (unsigned i = 0; i < map->count; i++) {
		const struct badmap_range *range = &map->list[i];

		zc_verify(range->off_bytes >= at && range->len_bytes > 0);
		zc_verify(strchr("-*/?", (char)range->status));
		at = range->off_bytes + range->len_bytes;
		zc_verify(at > range->off_bytes && at <= map->src.size_bytes);
		sum += range->len_bytes;
	}
	zc_verify(badmap_bytes(map) == sum);
}

static bool is_same_file(const struct badmap_file *a, const struct badmap_file *b)
{
	return a->size_bytes == b->size_bytes && a->ino == b->ino && a->mtime_s == b->mtime_s &&
	       a->mtime_ns == b->mtime_ns && a->mark == b->mark && a->mark_s == b->mark_s &&
	       a->mark_ns == b->mark_ns && a->open == b->open;
}

static void check_print(const struct badmap *map)
{
	struct badmap again = { .count = 0 };
	const char *why = NULL;
	unsigned line = 0;
	char *text = NULL;
	size_t len = 0;
	FILE *file = open_memstream(&text, &len);

	zc_verify(file);
	badmap_print(map, file, "a word for people");
	fclose(file);
	zc_verify(badmap_parse(&again, text, len, &why, &line) == 0);
	zc_verify(is_same_file(&map->src, &again.src) && is_same_file(&map->dst, &again.dst));
	zc_verify(again.count == map->count);
	for (unsigned i = 0; i < map->count; i++) {
		zc_verify(again.list[i].off_bytes == map->list[i].off_bytes &&
		          again.list[i].len_bytes == map->list[i].len_bytes &&
		          again.list[i].status == map->list[i].status);
	}
	badmap_clear(&again);
	free(text);
}

/* A map made of the input's numbers, as a copy makes it. */
static void check_made(struct fuzz_input input)
{
	static const enum badmap_status kinds[] = { BADMAP_UNREADABLE, BADMAP_WIDE, BADMAP_UNSCRAPED,
		                                    BADMAP_UNTRIED };
	struct badmap map = { .src = { .ino = fuzz_u64(&input), .mtime_s = (int64_t)fuzz_u64(&input) / 2 } };
	uint64_t at = 0;

	map.src.open = map.src.ino & 1;
	map.dst.mtime_ns = fuzz_byte(&input) * 3906250u;
	map.dst.mark = (enum badmap_mark)(map.src.ino % 3);
	if (map.dst.mark != BADMAP_MARK_NONE) {
		map.dst.mark_s = map.src.mtime_s;
		map.dst.mark_ns = map.dst.mtime_ns;
	}
	while (input.left > 0 && map.count < 50) {
		unsigned kind = fuzz_byte(&input);
		struct badmap_range range = {
			.off_bytes = at + (kind >> 2) * 511u,
			.len_bytes = 1 + fuzz_byte(&input) * 512u,
			.status = kinds[kind & 3],
		};

		zc_verify(badmap_add(&map, &range) == 0);
		at = range.off_bytes + range.len_bytes;
	}
	map.src.size_bytes = at + map.dst.mtime_ns;
	check_list(&map);
	check_print(&map);
	badmap_clear(&map);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len_bytes)
{
	struct fuzz_input input = { data, len_bytes };
	struct badmap map = { .count = 77 };
	const char *why = NULL;
	unsigned line = 0;

	if (badmap_parse(&map, (const char *)data, len_bytes, &why, &line) == 0) {
		char *text = fuzz_copy(data, len_bytes);

		zc_verify(data[len_bytes - 1] == '\n');
		check_list(&map);
		check_print(&map);
		if (strlen(text) == len_bytes) { /* a comment may have a NUL in it */
			check_lines(&map, text);
		}
		free(text);
		badmap_clear(&map);
	} else {
		zc_verify(map.count == 77 && !map.list && why && *why);
	}
	check_made(input);
	return 0;
}
