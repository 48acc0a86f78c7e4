/*
 * pairs.c: one hash table by open addressing, in which each pair stands twice: under its source and under
 * its destination. At most half full.
 */
#include "pairs.h"

#include <errno.h>
#include <pthread.h>
#include <stdint.h>
#include <stdlib.h>

#include "zcopy/base.h"

#define PAIRS_FIRST_COUNT 256 /* a power of two */

struct pair {
	dev_t dev;
	ino_t ino;
	dev_t mate_dev;
	ino_t mate_ino;
	uint8_t side; /* 0 = empty, 1 = a source, 2 = a destination: they may be of one file system */
};

struct pairs {
	pthread_mutex_t lock; /* of the rest */
	struct pair *list;
	size_t room; /* a power of two */
	size_t used;
};

int pairs_new(struct pairs **ret_pairs)
{
	struct pairs *pairs = calloc(1, sizeof(*pairs));

	if (pairs == NULL) {
		return -ENOMEM;
	}
	pthread_mutex_init(&pairs->lock, NULL);
	*ret_pairs = pairs;
	return 0;
}

void pairs_free(struct pairs *pairs)
{
	if (pairs == NULL) {
		return;
	}
	pthread_mutex_destroy(&pairs->lock);
	free(pairs->list);
	free(pairs);
}

/* The place of that file, or the empty one where it would be. */
static struct pair *pairs_find(struct pair *list, size_t room, uint8_t side, dev_t dev, ino_t ino)
{
	uint64_t hash = ((uint64_t)ino * 2 + side) * 0x9e3779b97f4a7c15ull ^ (uint64_t)dev;
	size_t at = (size_t)(hash ^ hash >> 32) & (room - 1);

	while (list[at].side != 0 && (list[at].side != side || list[at].ino != ino || list[at].dev != dev)) {
		at = (at + 1) & (room - 1);
	}
	return &list[at];
}

static bool pairs_make_room(struct pairs *pairs)
{
	size_t room = pairs->room == 0 ? PAIRS_FIRST_COUNT : pairs->room * 2;
	struct pair *list;

	if (pairs->used + 2 <= pairs->room / 2) {
		return true;
	}
	list = calloc(room, sizeof(*list));
	if (list == NULL) {
		return false;
	}
	for (size_t i = 0; i < pairs->room; i++) {
		const struct pair *old = &pairs->list[i];

		if (old->side != 0) {
			*pairs_find(list, room, old->side, old->dev, old->ino) = *old;
		}
	}
	free(pairs->list);
	pairs->list = list;
	pairs->room = room;
	return true;
}

static enum pairs_answer pairs_ask_locked(struct pairs *pairs, const struct stat *src, const struct stat *dst)
{
	struct pair *here;
	struct pair *there;

	if (!pairs_make_room(pairs)) {
		return PAIRS_LOST;
	}
	here = pairs_find(pairs->list, pairs->room, 1, src->st_dev, src->st_ino);
	there = pairs_find(pairs->list, pairs->room, 2, dst->st_dev, dst->st_ino);
	if (here->side != 0 && here->mate_dev == dst->st_dev && here->mate_ino == dst->st_ino) {
		return PAIRS_KNOWN;
	}
	if (here->side != 0 || there->side != 0) {
		return PAIRS_OTHER;
	}
	*here = (struct pair){ src->st_dev, src->st_ino, dst->st_dev, dst->st_ino, 1 };
	/* the first may have taken the place that was found for the second */
	there = pairs_find(pairs->list, pairs->room, 2, dst->st_dev, dst->st_ino);
	*there = (struct pair){ dst->st_dev, dst->st_ino, src->st_dev, src->st_ino, 2 };
	pairs->used += 2;
	return PAIRS_NEW;
}

enum pairs_answer pairs_ask(struct pairs *pairs, const struct stat *src, const struct stat *dst)
{
	enum pairs_answer answer;

	pthread_mutex_lock(&pairs->lock);
	answer = pairs_ask_locked(pairs, src, dst);
	pthread_mutex_unlock(&pairs->lock);
	return answer;
}
