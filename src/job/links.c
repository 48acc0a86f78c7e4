/*
 * links.c: see links.h. Open addressing with linear probing; the paths lie in a file, each with a leading
 * length, and an entry knows its offset.
 */
#include "links.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include "target.h"
#include "zcopy/base.h"

#define PATH_OFF_MAX ((1ull << 56) - 1)

enum link_state {
	LINK_FREE,
	LINK_GONE, /* was used: searches go on behind it */
	LINK_BUSY, /* being copied                        */
	LINK_DONE, /* path_off is valid                   */
	LINK_LOST, /* its path is not: path_off is why    */
};

struct link_entry {
	uint64_t ino;
	uint64_t dev;
	uint64_t path_off : 56;
	uint64_t state : 8;
	uint32_t left; /* names still to come                 */
	uint32_t mark; /* of what was copied: a file system gives the number of a deleted file to a new one */
};
_Static_assert(sizeof(struct link_entry) == 32, "the promised size");

struct links {
	pthread_mutex_t lock;
	pthread_cond_t published;
	struct link_entry *table;
	size_t cap;  /* a power of two, or 0 */
	size_t used; /* not FREE             */
	size_t live; /* BUSY, DONE or LOST   */
	uint64_t path_end;
	bool keep; /* see links_keep */
	int path_fd;
	int dir_fd;
};

/* Memory would do as well; a file does not count against anybody. */
static int links_open_file(void)
{
	const char *dir = getenv("TMPDIR");
	int fd = open(dir != NULL && dir[0] != '\0' ? dir : "/tmp", O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);

	return fd >= 0 ? fd : memfd_create("zcopy-links", MFD_CLOEXEC);
}

int links_new(struct links **ret_links, int dir_fd)
{
	struct links *links = calloc(1, sizeof(*links));
	pthread_condattr_t attr;

	if (links == NULL) {
		return -ENOMEM;
	}
	links->path_fd = links_open_file();
	if (links->path_fd < 0) {
		int res = -errno;

		free(links);
		return res;
	}
	links->dir_fd = dir_fd;
	pthread_mutex_init(&links->lock, NULL);
	pthread_condattr_init(&attr); /* a clock that is set back would make a wait as much longer */
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	pthread_cond_init(&links->published, &attr);
	pthread_condattr_destroy(&attr);
	*ret_links = links;
	return 0;
}

void links_keep(struct links *links)
{
	links->keep = true;
}

void links_free(struct links *links)
{
	if (links == NULL) {
		return;
	}
	close(links->path_fd);
	pthread_mutex_destroy(&links->lock);
	pthread_cond_destroy(&links->published);
	free(links->table);
	free(links);
}

static size_t links_hash(const struct links *links, const struct stat *st)
{
	uint64_t hash = ((uint64_t)st->st_ino ^ (uint64_t)st->st_dev << 32) * 0x9e3779b97f4a7c15ull;

	return (size_t)(hash >> 20) & (links->cap - 1);
}

static bool link_is_live(const struct link_entry *entry)
{
	return entry->state > LINK_GONE;
}

static struct link_entry *links_find(struct links *links, const struct stat *st)
{
	if (links->cap == 0) {
		return NULL;
	}
	for (size_t at = links_hash(links, st);; at = (at + 1) & (links->cap - 1)) {
		struct link_entry *entry = &links->table[at];

		if (entry->state == LINK_FREE) {
			return NULL;
		}
		if (link_is_live(entry) && entry->ino == st->st_ino && entry->dev == st->st_dev) {
			return entry;
		}
	}
}

static struct link_entry *links_place(struct links *links, const struct stat *st)
{
	size_t at = links_hash(links, st);

	while (link_is_live(&links->table[at])) {
		at = (at + 1) & (links->cap - 1);
	}
	links->used += links->table[at].state == LINK_FREE;
	links->live++;
	return &links->table[at];
}

/* Room for one more, at most four fifths full (so 40 bytes an inode). A table full of gone ones is made
 * anew at the same size. */
static int links_grow(struct links *links)
{
	struct link_entry *old = links->table;
	size_t old_cap = links->cap;
	size_t cap = old_cap == 0 ? 64 : links->live * 5 >= old_cap * 3 ? old_cap * 2 : old_cap;
	struct link_entry *table;

	if ((links->used + 1) * 5 <= old_cap * 4) {
		return 0;
	}
	table = calloc(cap, sizeof(*table));
	if (table == NULL) {
		return -ENOMEM;
	}
	links->table = table;
	links->cap = cap;
	links->used = links->live = 0;
	for (size_t i = 0; i < old_cap; i++) {
		if (link_is_live(&old[i])) {
			struct stat st = { .st_ino = old[i].ino, .st_dev = old[i].dev };

			*links_place(links, &st) = old[i];
		}
	}
	free(old);
	return 0;
}

static void links_drop(struct links *links, struct link_entry *entry)
{
	entry->state = LINK_GONE;
	links->live--;
}

/* All of it: 0 or -errno. */
static int links_read(const struct links *links, void *mem, size_t len, uint64_t off)
{
	uint8_t *to = mem;

	while (len > 0) {
		ssize_t done = pread(links->path_fd, to, len, (off_t)off);

		if (done < 0 && errno == EINTR) {
			continue;
		}
		if (done <= 0) {
			return done < 0 ? -errno : -EIO;
		}
		to += done;
		off += (uint64_t)done;
		len -= (size_t)done;
	}
	return 0;
}

static int links_read_path(const struct links *links, const struct link_entry *entry, char **ret_path)
{
	uint32_t len;
	char *path;
	int res = links_read(links, &len, sizeof(len), entry->path_off);

	if (res < 0) {
		return res;
	}
	path = malloc((size_t)len + 1);
	if (path == NULL) {
		return -ENOMEM;
	}
	res = links_read(links, path, len, entry->path_off + sizeof(len));
	if (res < 0) {
		free(path);
		return res;
	}
	path[len] = '\0';
	*ret_path = path;
	return 0;
}

/* Of a file that has another one since, no name is linked to the copy any more: it is another file, or has
 * other contents. */
static uint32_t links_mark(const struct stat *st)
{
	uint64_t mark = (uint64_t)st->st_size * 0x9e3779b97f4a7c15ull;

	mark = (mark ^ (uint64_t)st->st_mtim.tv_sec) * 0xbf58476d1ce4e5b9ull;
	mark = (mark ^ (uint64_t)st->st_mtim.tv_nsec) * 0x94d049bb133111ebull;
	return (uint32_t)(mark >> 32);
}

static enum links_answer links_add(struct links *links, const struct stat *st, int *ret_code)
{
	struct link_entry *entry;
	int res = links_grow(links);

	if (res < 0) {
		*ret_code = res;
		return LINKS_COPY;
	}
	entry = links_place(links, st);
	*entry = (struct link_entry){
		.ino = st->st_ino,
		.dev = st->st_dev,
		.left = (uint32_t)st->st_nlink - 1,
		.mark = links_mark(st),
		.state = LINK_BUSY,
	};
	return LINKS_FIRST;
}

/* The copier finishes soon, or was told to stop as we were: looked at ten times a second. */
static void links_wait(struct links *links)
{
	struct timespec until;

	clock_gettime(CLOCK_MONOTONIC, &until);
	until.tv_nsec += 100 * 1000 * 1000;
	if (until.tv_nsec >= 1000000000) {
		until.tv_sec++;
		until.tv_nsec -= 1000000000;
	}
	(void)pthread_cond_timedwait(&links->published, &links->lock, &until);
}

enum links_answer links_ask(struct links *links, const struct stat *st, enum links_wait wait, char **ret_path,
                            int *ret_code)
{
	enum links_answer answer = LINKS_STOPPED;
	struct link_entry *entry;
	int res;

	pthread_mutex_lock(&links->lock);
	while ((entry = links_find(links, st)) != NULL && entry->state == LINK_BUSY && !zc_stopped() &&
	       wait != LINKS_WAIT_NOT) {
		links_wait(links);
		wait = wait == LINKS_WAIT_SOME ? LINKS_WAIT_NOT : wait;
	}
	if (entry != NULL && entry->state != LINK_BUSY && entry->mark != links_mark(st)) {
		links_drop(links, entry);
		entry = NULL;
	}
	if (entry == NULL) {
		answer = links_add(links, st, ret_code);
	} else if (entry->state == LINK_BUSY && !zc_stopped()) {
		answer = LINKS_BUSY;
	} else if (entry->state != LINK_BUSY) {
		res = entry->state == LINK_LOST ? -(int)entry->path_off
		                                : links_read_path(links, entry, ret_path);
		answer = res < 0 ? LINKS_COPY : LINKS_LINK;
		*ret_code = res;
		if (!links->keep && --entry->left == 0) {
			links_drop(links, entry);
		}
	}
	pthread_mutex_unlock(&links->lock);
	return answer;
}

/* All of it: 0 or -errno. */
static int links_write(const struct links *links, const void *mem, size_t len, uint64_t off)
{
	const uint8_t *from = mem;

	while (len > 0) {
		ssize_t done = pwrite(links->path_fd, from, len, (off_t)off);

		if (done < 0 && errno == EINTR) {
			continue;
		}
		if (done <= 0) {
			return done < 0 ? -errno : -EIO;
		}
		from += done;
		off += (uint64_t)done;
		len -= (size_t)done;
	}
	return 0;
}

void links_publish(struct links *links, const struct stat *st, const char *path)
{
	uint32_t len = (uint32_t)strlen(path);
	struct link_entry *entry;
	uint64_t off;
	int res;

	pthread_mutex_lock(&links->lock);
	entry = links_find(links, st);
	if (entry != NULL) {
		res = links_write(links, &len, sizeof(len), links->path_end);
		res = res < 0 ? res : links_write(links, path, len, links->path_end + sizeof(len));
		entry->state = res < 0 ? LINK_LOST : LINK_DONE;
		off = res < 0 ? (uint64_t)-res : links->path_end;
		entry->path_off = off & PATH_OFF_MAX;
		links->path_end += sizeof(len) + len;
	}
	pthread_cond_broadcast(&links->published);
	pthread_mutex_unlock(&links->lock);
}

void links_give_up(struct links *links, const struct stat *st)
{
	struct link_entry *entry;

	pthread_mutex_lock(&links->lock);
	entry = links_find(links, st);
	if (entry != NULL) {
		links_drop(links, entry);
	}
	pthread_cond_broadcast(&links->published);
	pthread_mutex_unlock(&links->lock);
}

int links_make(struct links *links, const char *path, int dir_fd, const char *name)
{
	const char *last;
	int fd;
	int res = target_walk(links->dir_fd, path, O_NOFOLLOW, &fd, &last);

	if (res < 0) {
		return res;
	}
	res = linkat(fd, last, dir_fd, name, 0) < 0 ? -errno : 0;
	close(fd);
	return res;
}
