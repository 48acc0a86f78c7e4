/*
 * badmap.h: which ranges of a file could not be read, as text that ddrescue reads as well. Private to job/.
 *
 * Nothing here knows where the text lies (rescue.c does). One thread a map. The list is of the heap.
 */
#ifndef ZC_JOB_BADMAP_H
#define ZC_JOB_BADMAP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

/* A million ranges are 24 MB of memory, and a text of 50 MB. */
#define BADMAP_RANGES_MAX 1000000u
#define BADMAP_TEXT_MAX   (64u * 1024 * 1024)

/* ddrescue's letters. What was read ('+') is what is between the ranges of the list. */
enum badmap_status {
	BADMAP_UNREADABLE = '-', /* as narrow as it gets                       */
	BADMAP_WIDE = '*',       /* something in it; its edges were not sought  */
	BADMAP_UNSCRAPED = '/',  /* ddrescue's: edges were sought              */
	BADMAP_UNTRIED = '?',
};

struct badmap_range {
	uint64_t off_bytes;
	uint64_t len_bytes;
	enum badmap_status status;
	int code; /* what the read answered, negative errno; not in the text: 0 */
};

/* By what a file is told from one that got its number later. */
enum badmap_mark {
	BADMAP_MARK_NONE,
	BADMAP_MARK_BIRTH,
	BADMAP_MARK_CHANGE, /* ctime, where the file system knows no births: any change ends it */
};

/* What a file was when the map was made. A device has a size only. */
struct badmap_file {
	uint64_t size_bytes;
	uint64_t ino;
	int64_t mtime_s;
	uint32_t mtime_ns; /* below 1,000,000,000                                              */
	enum badmap_mark mark;
	int64_t mark_s;
	uint32_t mark_ns;
	bool open; /* it was being written to: its time says nothing                  */
	bool old;  /* destination: its ranges hold what they held before, not zeros */
};

struct badmap {
	struct badmap_file src;
	struct badmap_file dst;
	struct badmap_range *list; /* ascending, apart; all below src.size_bytes */
	unsigned count;
};

/* Pure: text (of len_bytes, no NUL needed behind it) becomes *ret_map, whatever it is. 0, or -EINVAL with
 * *ret_why a phrase and *ret_line the line (from 1; 0: the whole), or -ENOMEM; on failure *ret_map stays. */
int badmap_parse(struct badmap *ret_map, const char *text, size_t len_bytes, const char **ret_why,
                 unsigned *ret_line);
/* The text, with lines that begin with # for people: made by whom, of what (may be NULL). Errors stay in the
 * stream. Parsed again it is the same map. */
void badmap_print(const struct badmap *map, FILE *file, const char *of_what);
/* Appends what is behind all ranges there are; touching ones that are alike become one. 0, -ENOMEM, -E2BIG.
 */
int badmap_add(struct badmap *map, const struct badmap_range *range);
/* The bytes of all ranges. */
uint64_t badmap_bytes(const struct badmap *map);
/* Frees the list, and nothing else is changed. */
void badmap_clear(struct badmap *map);

#endif
