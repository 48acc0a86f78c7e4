/* The map of unreadable ranges: there and back, ddrescue's own text, and everything that is no map. */
#include "badmap.h"
#include <errno.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define HEAD                                                                                                 \
	"# zcopy: source size=8192 ino=7 mtime=5.000000009\n"                                                \
	"# zcopy: destination size=8192 ino=8 mtime=-6.000000000\n"

static int parse(const char *text, struct badmap *map, const char **why, unsigned *line)
{
	size_t len = strlen(text);
	char *exact = malloc(len + 1); /* no NUL behind it: the sanitizer sees one byte too many */
	int res;

	*map = (struct badmap){ 0 };
	memcpy(exact, text, len);
	exact = realloc(exact, len > 0 ? len : 1);
	res = badmap_parse(map, exact, len, why, line);
	free(exact);
	return res;
}

static int add(struct badmap *map, uint64_t off, uint64_t len, enum badmap_status status)
{
	const struct badmap_range range = { .off_bytes = off, .len_bytes = len, .status = status };

	return badmap_add(map, &range);
}

static void there_and_back(void **state)
{
	struct badmap map = {
		.src = { .size_bytes = 1ull << 40, .ino = UINT64_MAX, .mtime_s = -1, .mtime_ns = 999999999 },
		.dst = { .size_bytes = 1ull << 40,
		         .mtime_s = 77,
		         .mark = BADMAP_MARK_BIRTH,
		         .mark_s = -2,
		         .mark_ns = 5,
		         .open = true,
		         .old = true },
	};
	struct badmap again;
	const char *why;
	unsigned line;
	char *text = NULL;
	size_t len;
	FILE *file = open_memstream(&text, &len);

	(void)state;
	assert_int_equal(add(&map, 0, 512, BADMAP_UNREADABLE), 0);
	assert_int_equal(add(&map, 4096, 512, BADMAP_UNREADABLE), 0);
	assert_int_equal(add(&map, 4608, 512, BADMAP_UNREADABLE), 0); /* one with the last */
	assert_int_equal(add(&map, 5120, 1024, BADMAP_WIDE), 0);
	assert_int_equal(add(&map, (1ull << 40) - 4096, 4096, BADMAP_WIDE), 0);
	assert_int_equal(map.count, 4);
	assert_int_equal(badmap_bytes(&map), 512 + 1024 + 1024 + 4096);
	badmap_print(&map, file, "'a' -> 'b'");
	fclose(file);
	assert_int_equal(badmap_parse(&again, text, len, &why, &line), 0);
	assert_int_equal(again.count, map.count);
	for (unsigned i = 0; i < map.count; i++) {
		assert_int_equal(again.list[i].off_bytes, map.list[i].off_bytes);
		assert_int_equal(again.list[i].len_bytes, map.list[i].len_bytes);
		assert_int_equal(again.list[i].status, map.list[i].status);
	}
	assert_int_equal(again.src.size_bytes, map.src.size_bytes);
	assert_int_equal(again.src.ino, map.src.ino);
	assert_int_equal(again.src.mtime_s, -1);
	assert_int_equal(again.src.mtime_ns, 999999999);
	assert_false(again.src.open);
	assert_false(again.src.old);
	assert_true(again.dst.open);
	assert_true(again.dst.old);
	assert_int_equal(again.dst.mtime_s, 77);
	assert_int_equal(again.src.mark, BADMAP_MARK_NONE);
	assert_int_equal(again.dst.mark, BADMAP_MARK_BIRTH);
	assert_int_equal(again.dst.mark_s, -2);
	assert_int_equal(again.dst.mark_ns, 5);
	badmap_clear(&map);
	badmap_clear(&again);
	free(text);
}

/* As ddrescue 1.27 writes it, ours added. */
static void of_ddrescue(void **state)
{
	struct badmap map;
	const char *why;
	unsigned line;

	(void)state;
	assert_int_equal(parse("# Mapfile. Created by GNU ddrescue version 1.27\n"
	                       "# Command line: ddrescue a b map\n" HEAD
	                       "# current_pos  current_status  current_pass\n"
	                       "0x00001200     -               1\n"
	                       "#      pos        size  status\n"
	                       "0x00000000  0x00000200  +\n"
	                       "0x00000200  512  -\n"
	                       "02000\t01000 /\r\n"
	                       "\n"
	                       "0x00000600  0x00001A00  ?\n",
	                       &map, &why, &line),
	                 0);
	assert_int_equal(map.count, 3);
	assert_int_equal(map.list[0].off_bytes, 512);
	assert_int_equal(map.list[0].status, BADMAP_UNREADABLE);
	assert_int_equal(map.list[1].off_bytes, 1024);
	assert_int_equal(map.list[1].len_bytes, 512);
	assert_int_equal(map.list[2].len_bytes, 0x1a00);
	assert_int_equal(map.src.ino, 7);
	assert_int_equal(map.src.mtime_ns, 9);
	assert_int_equal(map.dst.mtime_s, -6);
	badmap_clear(&map);
	/* an older one has no pass */
	assert_int_equal(parse(HEAD "0x0 +\n0 8192 +\n", &map, &why, &line), 0);
	assert_int_equal(map.count, 0);
}

static void no_map(void **state)
{
	static const struct {
		const char *text;
		unsigned line;
	} wrong[] = {
		{ "", 0 },
		{ HEAD, 0 },
		{ "\n", 0 },
		{ "0 +\n0 8192 +\n", 0 },      /* of which files?      */
		{ HEAD "0 +\n0 8191 +\n", 0 }, /* not all of it        */
		{ HEAD "0 +\n0 8193 +\n", 0 }, /* more than all of it  */
		{ HEAD "0 8192 +\n", 3 },      /* no position          */
		{ HEAD "0 x\n", 3 },
		{ HEAD "0 +\n0 8192 x\n", 4 },
		{ HEAD "0 +\n0 8192\n", 4 },
		{ HEAD "0 +\n0 8192 + 1\n", 4 },
		{ HEAD "0 +\n0 4096 +\n4095 4097 -\n", 5 }, /* overlapping          */
		{ HEAD "0 +\n0 4096 +\n4097 4095 -\n", 5 }, /* a gap                */
		{ HEAD "0 +\n1 8191 +\n", 4 },
		{ HEAD "0 +\n0 0 -\n0 8192 +\n", 4 },
		{ HEAD "0 +\n0 0xFFFFFFFFFFFFFFFF -\n", 4 }, /* would wrap           */
		{ HEAD "0 +\n0 0x10000000000000000 -\n", 4 },
		{ HEAD "0 +\n0 18446744073709551616 -\n", 4 },
		{ HEAD "0 +\n0 0x -\n", 4 },
		{ HEAD "0 +\n0 08192 +\n", 4 }, /* no octal            */
		{ HEAD "0 +\n0 8192 +", 4 },    /* cut                 */
		{ HEAD HEAD "0 +\n0 8192 +\n", 3 },
		{ "# zcopy: source size=8192 ino=7 mtime=5\n", 1 },
		{ "# zcopy: source size=8192 ino=7 mtime=5.1000000000\n", 1 },
		{ "# zcopy: source size=8192 ino=7 mtime=5.1 shut\n", 1 },
		{ "# zcopy: source size=1 ino=7 mtime=5.1 birth=5\n", 1 },
		{ "# zcopy: source size=1 ino=7 mtime=5.1 birth=5.1 ctime=5.1\n", 1 },
		{ "# zcopy: source size=-1 ino=7 mtime=5.1\n", 1 },
		{ "# zcopy: destination \n", 1 },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		struct badmap map;
		const char *why = NULL;
		unsigned line = 99;

		if (parse(wrong[i].text, &map, &why, &line) != -EINVAL || line != wrong[i].line) {
			print_error("%s: line %u\n", wrong[i].text, line);
		}
		assert_non_null(why);
		assert_int_equal(line, wrong[i].line);
		assert_null(map.list);
	}
}

/* Every prefix and every changed byte of a good one: refused, or a map that keeps its promises. */
static void damaged(void **state)
{
	static const char good[] = HEAD "0x0 + 1\n0 512 +\n512 512 -\n1024 7168 +\n";
	char text[sizeof(good)];

	(void)state;
	for (size_t at = 0; at + 1 < sizeof(good); at++) {
		for (int byte = 0; byte < 256; byte++) {
			struct badmap map = { 0 };
			const char *why;
			unsigned line;
			uint64_t end = 0;

			memcpy(text, good, sizeof(good));
			text[at] = (char)byte;
			if (badmap_parse(&map, text, byte == 0 ? at : sizeof(good) - 1, &why, &line) < 0) {
				continue;
			}
			for (unsigned i = 0; i < map.count; i++) {
				assert_true(map.list[i].off_bytes >= end && map.list[i].len_bytes > 0);
				end = map.list[i].off_bytes + map.list[i].len_bytes;
			}
			assert_true(end <= map.src.size_bytes);
			badmap_clear(&map);
		}
	}
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(there_and_back),
		cmocka_unit_test(of_ddrescue),
		cmocka_unit_test(no_map),
		cmocka_unit_test(damaged),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
