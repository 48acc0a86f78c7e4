/*
 * seen.c: a hash table by inode. What is looked up is hardly ever in it, and a name is only compared when
 * the inode is the same.
 */
#include "seen.h"

#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "target.h"

struct seen_entry {
	dev_t dev;
	ino_t ino;
	char *name; /* NULL: free */
};

static size_t seen_slot(const struct seen *seen, dev_t dev, ino_t ino)
{
	uint64_t hash = ((uint64_t)ino ^ (uint64_t)dev << 32) * 0x9e3779b97f4a7c15ull;

	return (size_t)(hash >> 20) & (seen->cap - 1);
}

bool seen_has(const struct seen *seen, const struct stat *st, const char *name, seen_alike_fn alike)
{
	if (seen->cap == 0) {
		return false;
	}
	for (size_t at = seen_slot(seen, st->st_dev, st->st_ino); seen->table[at].name != NULL;
	     at = (at + 1) & (seen->cap - 1)) {
		const struct seen_entry *entry = &seen->table[at];

		if (entry->ino == st->st_ino && entry->dev == st->st_dev && alike(entry->name, name)) {
			return true;
		}
	}
	return false;
}

static void seen_put(struct seen *seen, struct seen_entry entry)
{
	size_t at = seen_slot(seen, entry.dev, entry.ino);

	while (seen->table[at].name != NULL) {
		at = (at + 1) & (seen->cap - 1);
	}
	seen->table[at] = entry;
	seen->count++;
}

/* At most half full. */
static bool seen_grow(struct seen *seen)
{
	struct seen old = *seen;
	struct seen_entry *table;

	if ((seen->count + 1) * 2 <= seen->cap) {
		return true;
	}
	table = calloc(old.cap == 0 ? 16 : old.cap * 2, sizeof(*table));
	if (table == NULL) {
		return false;
	}
	*seen = (struct seen){ .table = table, .cap = old.cap == 0 ? 16 : old.cap * 2 };
	for (size_t i = 0; i < old.cap; i++) {
		if (old.table[i].name != NULL) {
			seen_put(seen, old.table[i]);
		}
	}
	free(old.table);
	return true;
}

void seen_add(struct seen *seen, const struct stat *st, const char *name)
{
	char *copy = seen_grow(seen) ? strdup(name) : NULL;

	if (copy != NULL) {
		seen_put(seen, (struct seen_entry){ .dev = st->st_dev, .ino = st->st_ino, .name = copy });
	}
}

void seen_free(struct seen *seen)
{
	for (size_t i = 0; i < seen->cap; i++) {
		free(seen->table[i].name);
	}
	free(seen->table);
	*seen = (struct seen){ 0 };
}

bool seen_same_text(const char *a, const char *b)
{
	return strcmp(a, b) == 0;
}

static bool seen_stat_dir(const char *path, size_t len, struct stat *ret_st)
{
	char *dir = len == 0 ? strdup(".") : strndup(path, len);
	bool known = dir != NULL && fstatat(AT_FDCWD, dir, ret_st, 0) == 0;

	free(dir);
	return known;
}

bool seen_same_entry(const char *a, const char *b)
{
	size_t a_len;
	size_t b_len;
	const char *a_name = target_basename(a, &a_len);
	const char *b_name = target_basename(b, &b_len);
	struct stat a_dir;
	struct stat b_dir;

	if (strcmp(a, b) == 0) {
		return true;
	}
	return a_len == b_len && memcmp(a_name, b_name, a_len) == 0 &&
	       seen_stat_dir(a, (size_t)(a_name - a), &a_dir) &&
	       seen_stat_dir(b, (size_t)(b_name - b), &b_dir) && a_dir.st_dev == b_dir.st_dev &&
	       a_dir.st_ino == b_dir.st_ino;
}
