/* seen.h: which files a run of several operands has met or made, each with a name. Private to job/. */
#ifndef ZC_JOB_SEEN_H
#define ZC_JOB_SEEN_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/stat.h>

struct seen_entry;

/* All zero is an empty set. One thread. */
struct seen {
	struct seen_entry *table;
	size_t cap; /* a power of two, or 0 */
	size_t count;
};

/* Whether two names of one file are the same name to this set. */
typedef bool (*seen_alike_fn)(const char *a, const char *b);

/* Is the file st in it, under a name like that one? */
bool seen_has(const struct seen *seen, const struct stat *st, const char *name, seen_alike_fn alike);
/* The name is copied. Without memory for it the file is not remembered. */
void seen_add(struct seen *seen, const struct stat *st, const char *name);
void seen_free(struct seen *seen);

/* The same text. */
bool seen_same_text(const char *a, const char *b);
/* Paths of the same entry of the same directory, however they are written. Looks at the directories. */
bool seen_same_entry(const char *a, const char *b);

#endif
