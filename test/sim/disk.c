/*
 * disk.c: the files. Three views of a file's bytes: through the page cache (now), on the medium (disk), and
 * what a power cut leaves (safe). A page is shared between views and files until it is written to.
 *
 * Names are a log of changes in their order, and directories its sum. A power cut keeps a part of the log
 * that a journal could keep: of all of it a beginning, or of each directory's own changes (strict_names).
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>

#include "sim.h"

struct sim *sim;

/* ---- chance: splitmix64 */

uint64_t rng_mix(uint64_t x)
{
	x += 0x9e3779b97f4a7c15ull;
	x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9ull;
	x = (x ^ (x >> 27)) * 0x94d049bb133111ebull;
	return x ^ (x >> 31);
}

uint64_t rng_next(uint64_t *state)
{
	*state += 0x9e3779b97f4a7c15ull;
	return rng_mix(*state);
}

uint64_t rng_below(uint64_t *state, uint64_t limit)
{
	return limit == 0 ? 0 : rng_next(state) % limit;
}

bool rng_chance(uint64_t *state, unsigned one_in)
{
	return one_in != 0 && rng_next(state) % one_in == 0;
}

/* ---- memory */

void disk_reset(void)
{
	memset(sim->page_refs, 0, sim->page_count * sizeof(sim->page_refs[0]));
	memset(sim, 0, offsetof(struct sim, inodes));
	sim->page_count = 1; /* page 0 is never a page */
	sim->inode_count = 1;
}

void *disk_alloc(size_t size)
{
	uint32_t at = sim->heap_used;

	size = (size + 15) & ~(size_t)15;
	if (size > HEAP_BYTES - at) {
		sim_lost("the simulated disk is too small: heap");
	}
	sim->heap_used += (uint32_t)size;
	memset(sim->heap + at, 0, size);
	return sim->heap + at;
}

char *disk_strdup(const char *text)
{
	size_t len = strlen(text) + 1;

	return memcpy(disk_alloc(len), text, len);
}

static uint32_t page_new(void)
{
	uint32_t page = sim->page_free;

	if (page != 0) {
		sim->page_free = sim->page_next[page];
	} else if (sim->page_count < PAGE_MAX) {
		page = sim->page_count++;
	} else {
		sim_lost("the simulated disk is too small: pages");
	}
	sim->page_refs[page] = 1;
	return page;
}

static uint8_t *page_mem(uint32_t page)
{
	return sim->pages + (size_t)(page & ~MAP_DIRTY) * SIM_PAGE;
}

static void page_put(uint32_t page)
{
	page &= ~MAP_DIRTY;
	if (page != 0 && --sim->page_refs[page] == 0) {
		sim->page_next[page] = sim->page_free;
		sim->page_free = page;
	}
}

static uint32_t page_get(uint32_t page)
{
	page &= ~MAP_DIRTY;
	if (page != 0) {
		sim->page_refs[page]++;
	}
	return page;
}

static uint32_t map_at(const struct fmap *map, uint64_t index)
{
	return index < map->cap ? map->page[index] : 0;
}

static void map_grow(struct fmap *map, uint64_t count)
{
	uint32_t cap = map->cap == 0 ? 4 : map->cap;
	uint32_t *page;

	if (count <= map->cap) {
		return;
	}
	while (cap < count) {
		cap *= 2;
	}
	page = disk_alloc(cap * sizeof(*page));
	if (map->cap != 0) {
		memcpy(page, map->page, map->cap * sizeof(*page));
	}
	*map = (struct fmap){ .page = page, .cap = cap };
}

/* Takes over the caller's reference. */
static void map_set(struct fmap *map, uint64_t index, uint32_t page)
{
	if (page == 0 && index >= map->cap) {
		return;
	}
	map_grow(map, index + 1);
	page_put(map->page[index]);
	map->page[index] = page;
}

static void map_cut(struct fmap *map, uint64_t first)
{
	for (uint64_t i = first; i < map->cap; i++) {
		page_put(map->page[i]);
		map->page[i] = 0;
	}
}

struct fmap disk_copy_map(const struct fmap *map)
{
	struct fmap copy = { 0 };

	map_grow(&copy, map->cap);
	for (uint32_t i = 0; i < map->cap; i++) {
		copy.page[i] = page_get(map->page[i]);
	}
	return copy;
}

const uint8_t *disk_page(const struct fmap *map, uint64_t index)
{
	static const uint8_t zeros[SIM_PAGE];
	uint32_t page = map_at(map, index) & ~MAP_DIRTY;

	return page == 0 ? zeros : page_mem(page);
}

/* ---- inodes */

static struct timespec disk_time(void)
{
	uint64_t ns = sim->now_ns;

	return (struct timespec){ .tv_sec = 1700000000 + (time_t)(ns / 1000000000),
		                  .tv_nsec = (long)(ns % 1000000000) };
}

void disk_touch(struct inode *inode, bool data)
{
	inode->ctime = disk_time();
	if (data) {
		inode->mtime = inode->ctime;
	}
}

uint32_t disk_new(uint32_t dev, mode_t mode)
{
	struct inode *inode;

	if (sim->inode_count == INODE_MAX) {
		sim_lost("the simulated disk is too small: inodes");
	}
	inode = disk_at(sim->inode_count);
	memset(inode, 0, sizeof(*inode));
	inode->used = true;
	inode->dev = dev;
	inode->mode = mode;
	disk_touch(inode, true);
	inode->atime = inode->btime = inode->mtime;
	return sim->inode_count++; /* numbers are not used twice: a file that went stays recognisable */
}

static void inode_free(struct inode *inode)
{
	map_cut(&inode->now, 0);
	map_cut(&inode->disk, 0);
	map_cut(&inode->safe, 0);
	inode->used = false;
}

static void inode_look(struct inode *inode)
{
	/* what had a name once may have it again after a power cut */
	if (inode->used && !inode->named && inode->nlink == 0 && inode->opens == 0) {
		inode_free(inode);
	}
}

void disk_open(uint32_t ino)
{
	disk_at(ino)->opens++;
}

void disk_close(uint32_t ino)
{
	struct inode *inode = disk_at(ino);

	inode->opens--;
	inode_look(inode);
}

uint64_t disk_blocks(const struct inode *inode)
{
	uint64_t count = 0;

	for (uint32_t i = 0; i < inode->now.cap; i++) {
		count += inode->now.page[i] != 0;
	}
	return count * (SIM_PAGE / 512);
}

/* ---- names */

static struct name *name_find(struct inode *dir, const char *text)
{
	for (uint32_t i = 0; i < dir->name_count; i++) {
		if (dir->names[i].text != NULL && strcmp(dir->names[i].text, text) == 0) {
			return &dir->names[i];
		}
	}
	return NULL;
}

uint32_t disk_find(uint32_t dir, const char *name)
{
	const struct name *found = name_find(disk_at(dir), name);

	return found == NULL ? 0 : found->ino;
}

static void name_clear(struct inode *dir, const char *text)
{
	struct name *found = name_find(dir, text);

	if (found != NULL) {
		found->text = NULL;
	}
}

static void name_put(uint32_t dir_ino, const char *text, uint32_t ino)
{
	struct inode *dir = disk_at(dir_ino);
	struct name *found = name_find(dir, text);

	if (found != NULL) {
		found->ino = ino;
		return;
	}
	if (dir->name_count == dir->name_cap) {
		uint32_t cap = dir->name_cap == 0 ? 8 : dir->name_cap * 2;
		struct name *names = disk_alloc(cap * sizeof(*names));

		if (dir->name_count != 0) {
			memcpy(names, dir->names, dir->name_count * sizeof(*names));
		}
		dir->names = names;
		dir->name_cap = cap;
	}
	dir->names[dir->name_count++] = (struct name){ .text = text, .ino = ino };
	if (S_ISDIR(disk_at(ino)->mode)) {
		disk_at(ino)->parent = dir_ino;
	}
}

static void name_apply(const struct name_op *op)
{
	if (op->gone != NULL) {
		name_clear(disk_at(op->dir), op->gone);
	}
	if (op->text != NULL && op->ino != 0) {
		name_put(op->dir, op->text, op->ino);
	} else if (op->text != NULL) {
		name_clear(disk_at(op->dir), op->text);
	}
}

static void name_log(uint32_t dir, const char *text, uint32_t ino, const char *gone)
{
	struct name_op *op;

	if (sim->name_op_count == NAME_OPS_MAX) {
		sim_lost("the simulated disk is too small: names");
	}
	op = &sim->name_ops[sim->name_op_count++];
	*op = (struct name_op){
		.dir = dir,
		.ino = ino,
		.text = disk_strdup(text),
		.gone = gone == NULL ? NULL : disk_strdup(gone),
	};
	name_apply(op);
	disk_touch(disk_at(dir), true);
}

int disk_name_set(uint32_t dir, const char *name, uint32_t ino)
{
	if (strlen(name) > 255) {
		return -ENAMETOOLONG;
	}
	if (name_find(disk_at(dir), name) != NULL) {
		return -EEXIST;
	}
	disk_at(ino)->nlink++;
	disk_at(ino)->named = true;
	disk_touch(disk_at(ino), false);
	name_log(dir, name, ino, NULL);
	return 0;
}

int disk_name_drop(uint32_t dir, const char *name)
{
	uint32_t ino = disk_find(dir, name);

	if (ino == 0) {
		return -ENOENT;
	}
	name_log(dir, name, 0, NULL);
	disk_at(ino)->nlink--;
	disk_touch(disk_at(ino), false);
	inode_look(disk_at(ino));
	return 0;
}

int disk_name_move(uint32_t from_dir, const char *from, uint32_t to_dir, const char *to)
{
	uint32_t ino = disk_find(from_dir, from);
	uint32_t old = disk_find(to_dir, to);

	if (ino == 0) {
		return -ENOENT;
	}
	if (old == ino) {
		return 0;
	}
	if (from_dir == to_dir) {
		name_log(to_dir, to, ino, from);
	} else {
		name_log(to_dir, to, ino, NULL);
		name_log(from_dir, from, 0, NULL);
	}
	disk_touch(disk_at(ino), false);
	if (old != 0) {
		disk_at(old)->nlink--;
		inode_look(disk_at(old));
	}
	return 0;
}

static int64_t walk_from(uint32_t dir, const char *path, bool follow, uint32_t *parent, char *last,
                         unsigned links)
{
	if (*path == '\0') {
		return -ENOENT;
	}
	if (*path == '/') {
		dir = sim->root;
	}
	if (last != NULL) {
		*last = '\0';
		*parent = dir;
	}
	for (;;) {
		char part[256];
		size_t len;
		uint32_t next;
		bool more;

		while (*path == '/') {
			path++;
		}
		if (*path == '\0') {
			return dir;
		}
		len = strcspn(path, "/");
		if (len > 255) {
			return -ENAMETOOLONG;
		}
		memcpy(part, path, len);
		part[len] = '\0';
		path += len;
		more = path[strspn(path, "/")] != '\0';
		if (!S_ISDIR(disk_at(dir)->mode)) {
			return -ENOTDIR;
		}
		if (strcmp(part, ".") == 0) {
			next = dir;
		} else if (strcmp(part, "..") == 0) {
			next = dir == sim->root ? dir : disk_at(dir)->parent;
		} else {
			next = disk_find(dir, part);
		}
		if (last != NULL) {
			*parent = dir;
			memcpy(last, part, len + 1);
		}
		if (next == 0) {
			return more || last == NULL ? -ENOENT : 0;
		}
		if (S_ISLNK(disk_at(next)->mode) && (more || follow || *path == '/')) {
			int64_t res =
			    links == 0 ? -ELOOP
				       : walk_from(dir, disk_at(next)->link, true, parent, last, links - 1);
			if (res < 0 || (res == 0 && more)) {
				return res < 0 ? res : -ENOENT;
			}
			if (res == 0) {
				return 0;
			}
			next = (uint32_t)res;
		}
		if (*path == '/' && !S_ISDIR(disk_at(next)->mode)) {
			return -ENOTDIR;
		}
		dir = next;
	}
}

int64_t disk_walk(uint32_t dir, const char *path, bool follow, uint32_t *parent, char *last)
{
	return walk_from(dir, path, follow, parent, last, 40);
}

/* ---- bytes */

ssize_t disk_read(uint32_t ino, uint64_t off, void *mem, size_t len, bool direct)
{
	struct inode *inode = disk_at(ino);
	uint8_t *out = mem;
	size_t done = 0;

	if (direct) {
		disk_writeback(ino);
	}
	if (off >= inode->size) {
		return 0;
	}
	if (len > inode->size - off) {
		len = (size_t)(inode->size - off);
	}
	while (done < len) {
		size_t in = (size_t)((off + done) % SIM_PAGE);
		size_t part = SIM_PAGE - in < len - done ? SIM_PAGE - in : len - done;

		memcpy(out + done,
		       disk_page(direct ? &inode->disk : &inode->now, (off + done) / SIM_PAGE) + in, part);
		done += part;
	}
	return (ssize_t)done;
}

/* The page of this map, ours alone and with its bytes. */
static uint32_t page_own(struct fmap *map, uint64_t index, bool whole)
{
	uint32_t page = map_at(map, index) & ~MAP_DIRTY;
	uint32_t own;

	if (page != 0 && sim->page_refs[page] == 1) {
		return page;
	}
	own = page_new();
	if (!whole) {
		memcpy(page_mem(own), disk_page(map, index), SIM_PAGE);
	}
	map_set(map, index, own);
	return own;
}

ssize_t disk_write(uint32_t ino, uint64_t off, const void *mem, size_t len, bool direct)
{
	struct inode *inode = disk_at(ino);
	const uint8_t *in_mem = mem;
	size_t done = 0;

	if (direct) {
		disk_writeback(ino);
	}
	while (done < len) {
		uint64_t index = (off + done) / SIM_PAGE;
		size_t in = (size_t)((off + done) % SIM_PAGE);
		size_t part = SIM_PAGE - in < len - done ? SIM_PAGE - in : len - done;
		uint32_t page = page_own(&inode->now, index, part == SIM_PAGE);

		memcpy(page_mem(page) + in, in_mem + done, part);
		inode->now.page[index] = page | (direct ? 0 : MAP_DIRTY);
		if (direct) {
			map_set(&inode->disk, index, page_get(page));
		}
		done += part;
	}
	if (off + len > inode->size && len != 0) {
		inode->size = off + len;
	}
	disk_touch(inode, true);
	return (ssize_t)len;
}

int disk_truncate(uint32_t ino, uint64_t size)
{
	struct inode *inode = disk_at(ino);
	uint64_t index = size / SIM_PAGE;
	size_t in = (size_t)(size % SIM_PAGE);

	if (size < inode->size) {
		disk_writeback(ino);
		map_cut(&inode->now, index + (in != 0));
		map_cut(&inode->disk, index + (in != 0));
		if (in != 0 && map_at(&inode->now, index) != 0) {
			uint32_t page = page_own(&inode->now, index, false);

			memset(page_mem(page) + in, 0, SIM_PAGE - in);
			inode->now.page[index] = page | MAP_DIRTY;
		}
	}
	inode->size = size;
	disk_touch(inode, true);
	return 0;
}

int disk_punch(uint32_t ino, uint64_t off, uint64_t len)
{
	static const uint8_t zeros[SIM_PAGE];
	struct inode *inode = disk_at(ino);
	uint64_t size = inode->size;
	uint64_t end = off + len;

	for (uint64_t at = off; at < end && at / SIM_PAGE < inode->now.cap;) {
		size_t in = (size_t)(at % SIM_PAGE);
		size_t part = SIM_PAGE - in < end - at ? SIM_PAGE - in : (size_t)(end - at);

		if (part == SIM_PAGE) {
			map_set(&inode->now, at / SIM_PAGE, 0);
			map_set(&inode->disk, at / SIM_PAGE, 0);
		} else if (map_at(&inode->now, at / SIM_PAGE) != 0) {
			disk_write(ino, at, zeros, part, false);
		}
		at += part;
	}
	inode->size = size;
	disk_touch(inode, true);
	return 0;
}

int64_t disk_seek(uint32_t ino, uint64_t off, bool data)
{
	struct inode *inode = disk_at(ino);

	if (off >= inode->size) {
		return -ENXIO;
	}
	if (!sim->devs[inode->dev].holes) {
		return data ? (int64_t)off : (int64_t)inode->size;
	}
	while (off < inode->size && (map_at(&inode->now, off / SIM_PAGE) != 0) != data) {
		off = (off / SIM_PAGE + 1) * SIM_PAGE;
	}
	if (off >= inode->size) {
		return data ? -ENXIO : (int64_t)inode->size;
	}
	return (int64_t)off;
}

int64_t disk_share(uint32_t src_ino, uint32_t dst_ino)
{
	struct inode *src = disk_at(src_ino);
	struct inode *dst = disk_at(dst_ino);

	disk_writeback(src_ino);
	map_cut(&dst->now, 0);
	map_cut(&dst->disk, 0);
	dst->now = disk_copy_map(&src->now);
	dst->disk = disk_copy_map(&src->disk);
	dst->size = src->size;
	disk_touch(dst, true);
	return 0;
}

/* ---- what reaches the medium, and what stays there */

static void rot(struct inode *inode, uint64_t index)
{
	uint32_t page = page_new();

	memcpy(page_mem(page), disk_page(&inode->disk, index), SIM_PAGE);
	page_mem(page)[0] ^= 0x10;
	map_set(&inode->disk, index, page);
	inode->rotten = false;
	if (sim->lie_count < LIE_MAX) {
		sim->lies[sim->lie_count++] = (struct lie){ .ino = (uint32_t)(inode - sim->inodes),
			                                    .off = index * SIM_PAGE,
			                                    .len = 1,
			                                    .kind = FAULT_ROT };
	}
}

void disk_writeback(uint32_t ino)
{
	struct inode *inode = disk_at(ino);

	for (uint32_t i = 0; i < inode->now.cap; i++) {
		if (!(inode->now.page[i] & MAP_DIRTY)) {
			continue;
		}
		inode->now.page[i] &= ~MAP_DIRTY;
		map_set(&inode->disk, i, page_get(inode->now.page[i]));
		if (inode->rotten && (uint64_t)i * SIM_PAGE < inode->size) {
			rot(inode, i);
		}
	}
}

/* A flush that failed: what could not be written is lost and called clean, so that who asks again is told
 * that all is well. */
void disk_lose(uint32_t ino)
{
	struct inode *inode = disk_at(ino);

	for (uint32_t i = 0; i < inode->now.cap; i++) {
		inode->now.page[i] &= ~MAP_DIRTY;
	}
}

void disk_drop_cache(uint32_t ino)
{
	struct inode *inode = disk_at(ino);

	for (uint32_t i = 0; i < inode->now.cap; i++) {
		if (!(inode->now.page[i] & MAP_DIRTY) && inode->now.page[i] != map_at(&inode->disk, i)) {
			map_set(&inode->now, i, page_get(map_at(&inode->disk, i)));
		}
	}
}

static void names_sync(uint32_t dir)
{
	for (uint32_t i = 0; i < sim->name_op_count; i++) {
		struct name_op *op = &sim->name_ops[i];

		if (!sim->strict_names || op->dir == dir) {
			op->safe = true;
		}
	}
}

static void bytes_sync(uint32_t ino)
{
	struct inode *inode = disk_at(ino);

	disk_writeback(ino);
	map_cut(&inode->safe, 0);
	inode->safe = disk_copy_map(&inode->disk);
	inode->safe_size = inode->size;
}

void disk_sync(uint32_t ino)
{
	bytes_sync(ino);
	names_sync(ino);
}

void disk_sync_all(uint32_t dev)
{
	for (uint32_t i = 1; i < sim->inode_count; i++) {
		if (disk_at(i)->used && disk_at(i)->dev == dev) {
			bytes_sync(i);
		}
	}
	for (uint32_t i = 0; i < sim->name_op_count; i++) {
		sim->name_ops[i].safe |= disk_at(sim->name_ops[i].dir)->dev == dev;
	}
}

void disk_settle(void)
{
	for (uint32_t dev = 0; dev < DEV_MAX; dev++) {
		disk_sync_all(dev);
	}
}

/* Each sector is the safe one, what the medium had in its cache, or what the page cache held. */
static void cut_page(struct inode *inode, uint64_t index, uint64_t *rng)
{
	const uint8_t *views[3] = { disk_page(&inode->safe, index), disk_page(&inode->disk, index),
		                    disk_page(&inode->now, index) };
	uint32_t page = page_new();
	unsigned habit = (unsigned)rng_below(rng, 4); /* 3: each sector by itself */

	for (unsigned at = 0; at < SIM_PAGE; at += SIM_SECTOR) {
		memcpy(page_mem(page) + at, views[habit == 3 ? rng_below(rng, 3) : habit] + at, SIM_SECTOR);
	}
	map_set(&inode->now, index, page);
}

static void cut_bytes(struct inode *inode, uint64_t *rng)
{
	uint64_t low = inode->safe_size < inode->size ? inode->safe_size : inode->size;
	uint64_t high = inode->safe_size < inode->size ? inode->size : inode->safe_size;
	uint32_t count = inode->now.cap > inode->safe.cap ? inode->now.cap : inode->safe.cap;

	for (uint32_t i = 0; i < count; i++) {
		uint32_t now = map_at(&inode->now, i) & ~MAP_DIRTY;

		if (now != map_at(&inode->safe, i) || now != map_at(&inode->disk, i)) {
			cut_page(inode, i, rng);
		}
	}
	if (low != high) {
		uint64_t pick = rng_below(rng, 3);
		uint64_t size = pick == 0 ? low : pick == 1 ? high : low + rng_below(rng, high - low);

		inode->size = high;
		disk_truncate((uint32_t)(inode - sim->inodes), size);
	}
}

/* The longest beginning is everything; the shortest ends with the last change that was made safe. */
static void cut_names(uint64_t *rng, uint32_t dir)
{
	uint32_t count = 0;
	uint32_t keep = 0;
	uint32_t seen = 0;

	for (uint32_t i = 0; i < sim->name_op_count; i++) {
		if (dir == 0 || sim->name_ops[i].dir == dir) {
			count++;
			keep = sim->name_ops[i].safe ? count : keep;
		}
	}
	keep += (uint32_t)rng_below(rng, count - keep + 1);
	for (uint32_t i = 0; i < sim->name_op_count; i++) {
		struct name_op *op = &sim->name_ops[i];

		if (dir == 0 || op->dir == dir) {
			op->safe = seen < keep;
			seen++;
		}
	}
}

static void count_links(uint32_t dir)
{
	for (uint32_t i = 0; i < disk_at(dir)->name_count; i++) {
		const struct name *name = &disk_at(dir)->names[i];

		if (name->text != NULL && disk_at(name->ino)->nlink++ == 0 &&
		    S_ISDIR(disk_at(name->ino)->mode)) {
			count_links(name->ino);
		}
	}
}

/* The directories are what is left of the log. */
static void names_rebuild(void)
{
	uint32_t kept = 0;

	for (uint32_t i = 1; i < sim->inode_count; i++) {
		disk_at(i)->name_count = 0;
		disk_at(i)->nlink = 0;
	}
	for (uint32_t i = 0; i < sim->name_op_count; i++) {
		if (sim->name_ops[i].safe) {
			sim->name_ops[kept] = sim->name_ops[i];
			name_apply(&sim->name_ops[kept++]);
		}
	}
	sim->name_op_count = kept;
	disk_at(sim->root)->nlink = 1;
	count_links(sim->root);
}

void disk_power_cut(uint64_t *rng)
{
	for (uint32_t i = 1; i < sim->inode_count; i++) {
		if (sim->inodes[i].used) {
			cut_bytes(disk_at(i), rng);
		}
	}
	if (!sim->strict_names) {
		cut_names(rng, 0);
	}
	for (uint32_t i = 1; i < sim->inode_count && sim->strict_names; i++) {
		if (sim->inodes[i].used && S_ISDIR(disk_at(i)->mode)) {
			cut_names(rng, i);
		}
	}
	names_rebuild();
	disk_kill();
	disk_settle();
}

void disk_kill(void)
{
	memset(sim->ofds, 0, sizeof(sim->ofds));
	memset(sim->fds, 0, sizeof(sim->fds));
	for (uint32_t i = 1; i < sim->inode_count; i++) {
		disk_at(i)->opens = 0;
		disk_at(i)->lock_ofd = 0;
		inode_look(disk_at(i));
	}
}
