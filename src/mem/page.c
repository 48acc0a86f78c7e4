/*
 * Where the memory of a pool comes from: the ladder from huge pages down to base pages.
 *
 *   AUTO    transparent huge pages -> reserved ones, if they are plentiful -> base pages
 *   SIZE    reserved pages of that size, then as AUTO
 *   NEVER   base pages
 *
 * Invariants: every byte is populated before a region is handed out, so touching it later never faults
 * for want of memory. What is said of a region was read back from the kernel, not taken from what was
 * asked. A rung that fails leaves no mapping behind and a sentence in why.
 *
 * Regions of base or transparent pages have a page without access on both sides. It catches what
 * overruns, and keeps the kernel from merging neighbours, so that smaps speaks of this region only.
 */
#include "zcopy/mem.h"

#include <errno.h>
#include <inttypes.h>
#include <linux/mman.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define THP_DIR        "/sys/kernel/mm/transparent_hugepage"
#define PAGE_BYTES_MAX (1024 * ZC_GIB) /* larger than any CPU's largest */

/* What is wanted, and what was refused on the way down. */
struct page_ask {
	size_t len_bytes;
	int node;
	int bind_code; /* negative errno of each refusal, 0 = none */
	int reserved_code;
	int thp_code;
};

/* What smaps says of one mapping. */
struct page_facts {
	uint64_t kernel_page_bytes;
	uint64_t anon_huge_bytes;
};

const char *zc_pages_name(enum zc_pages pages)
{
	static const char *const names[] = {
		[ZC_PAGES_BASE] = "base",
		[ZC_PAGES_THP] = "thp",
		[ZC_PAGES_HUGETLB] = "hugetlb",
	};

	return names[pages];
}

size_t zc_page_bytes(void)
{
	return (size_t)sysconf(_SC_PAGESIZE);
}

/* Adds to the sentence for --explain; what does not fit is cut. */
__attribute__((format(printf, 2, 3))) static void region_note(struct zc_region *region, const char *fmt, ...)
{
	size_t used = strlen(region->why);
	va_list args;

	if (used > 0 && used + 3 < sizeof(region->why)) {
		region->why[used++] = ';';
		region->why[used++] = ' ';
	}
	va_start(args, fmt);
	vsnprintf(region->why + used, sizeof(region->why) - used, fmt, args);
	va_end(args);
}

/* The first word of a file of sysfs as a number. */
static bool page_read_u64(const char *path, uint64_t *ret_value)
{
	FILE *file = fopen(path, "re");
	uint64_t value;
	bool ok;

	if (!file) {
		return false;
	}
	ok = fscanf(file, "%" SCNu64, &value) == 1;
	fclose(file);
	if (ok) {
		*ret_value = value;
	}
	return ok;
}

/* False when the administrator has switched transparent huge pages off, or this kernel has none. */
static bool page_thp_enabled(void)
{
	FILE *file = fopen(THP_DIR "/enabled", "re");
	char line[64];
	bool enabled;

	if (!file) {
		return false;
	}
	enabled = fgets(line, sizeof(line), file) && !strstr(line, "[never]");
	fclose(file);
	return enabled;
}

/* Reads the entry of the mapping that starts at mem. The regions of a copier lie below its libraries,
 * so this ends early in the file. */
static bool page_facts_of(const void *mem, struct page_facts *ret_facts)
{
	struct page_facts facts = { 0 };
	FILE *file = fopen("/proc/self/smaps", "re");
	bool ours = false;
	bool found = false;
	char *line = NULL;
	size_t cap_bytes = 0;

	if (!file) {
		return false;
	}
	while (getline(&line, &cap_bytes, file) > 0) {
		uintptr_t start;
		uintptr_t end;
		uint64_t kib;

		if (sscanf(line, "%" SCNxPTR "-%" SCNxPTR " ", &start, &end) == 2) {
			if (found) {
				break;
			}
			ours = start == (uintptr_t)mem;
		} else if (ours && sscanf(line, "KernelPageSize: %" SCNu64, &kib) == 1) {
			facts.kernel_page_bytes = kib * ZC_KIB;
			found = true;
		} else if (ours && sscanf(line, "AnonHugePages: %" SCNu64, &kib) == 1) {
			facts.anon_huge_bytes = kib * ZC_KIB;
		}
	}
	free(line);
	fclose(file);
	if (found) {
		*ret_facts = facts;
	}
	return found;
}

/* Node and advice before the first touch: afterwards the pages lie where they lie. */
static void page_prepare(void *mem, size_t len_bytes, int advice, struct page_ask *ask)
{
	if (ask->node != ZC_NODE_ANY) {
		ask->bind_code = zc_topo_bind(mem, len_bytes, ask->node);
	}
	if (madvise(mem, len_bytes, advice) != 0 && advice == MADV_HUGEPAGE) {
		ask->thp_code = -errno;
	}
	/* A forked child would copy the pages the kernel is writing to. Refused: no harm done. */
	(void)madvise(mem, len_bytes, MADV_DONTFORK);
	(void)madvise(mem, len_bytes, MADV_DONTDUMP);
}

/* Maps len_bytes at a multiple of align_bytes, a page without access on both sides. NULL: no memory. */
static uint8_t *page_map_guarded(size_t len_bytes, size_t align_bytes)
{
	size_t guard = zc_page_bytes();
	size_t whole_bytes = guard + len_bytes + align_bytes;
	uint8_t *low = mmap(NULL, whole_bytes, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	uint8_t *mem;
	uint8_t *end;

	if (low == MAP_FAILED) {
		return NULL;
	}
	mem = (uint8_t *)(uintptr_t)zc_align_up((uintptr_t)low + guard, align_bytes);
	end = mem + len_bytes + guard;
	if (mem - guard > low) {
		munmap(low, (size_t)(mem - guard - low));
	}
	if (low + whole_bytes > end) {
		munmap(end, (size_t)(low + whole_bytes - end));
	}
	if (mprotect(mem, len_bytes, PROT_READ | PROT_WRITE) != 0) {
		munmap(mem - guard, len_bytes + 2 * guard);
		return NULL;
	}
	return mem;
}

/* One region of anonymous memory, populated. advice: MADV_HUGEPAGE, MADV_NOHUGEPAGE or MADV_NORMAL. */
static int region_map_anon(struct zc_region *region, size_t align_bytes, int advice, struct page_ask *ask)
{
	size_t len_bytes = zc_align_up(ask->len_bytes, align_bytes);
	size_t step = zc_page_bytes();
	uint8_t *mem = page_map_guarded(len_bytes, align_bytes);

	if (!mem) {
		return -ENOMEM;
	}
	page_prepare(mem, len_bytes, advice, ask);
	if (madvise(mem, len_bytes, MADV_POPULATE_WRITE) != 0) {
		if (errno == ENOMEM) {
			munmap(mem - step, len_bytes + 2 * step);
			return -ENOMEM;
		}
		/* before 5.14, or a sandbox: by hand */
		for (size_t at = 0; at < len_bytes; at += step) {
			*(volatile uint8_t *)(mem + at) = 0;
		}
	}
	region->mem = mem;
	region->len_bytes = len_bytes;
	region->got = ZC_PAGES_BASE;
	region->page_bytes = step;
	return 0;
}

/* One region of reserved pages. The reservation is the host's, not the node's or the cgroup's: a page may
 * still be missing at first touch, which is SIGBUS when done by hand. So: populated by the kernel, or not
 * at all. */
static int region_map_reserved(struct zc_region *region, size_t page_bytes, struct page_ask *ask)
{
	int flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_HUGETLB;
	struct page_facts facts;
	size_t len_bytes;
	void *mem;

	if (page_bytes <= zc_page_bytes() || page_bytes > PAGE_BYTES_MAX ||
	    (page_bytes & (page_bytes - 1)) != 0) {
		return -EINVAL;
	}
	flags |= (int)((unsigned)__builtin_ctzll(page_bytes) << MAP_HUGE_SHIFT);
	len_bytes = zc_align_up(ask->len_bytes, page_bytes);
	mem = mmap(NULL, len_bytes, PROT_READ | PROT_WRITE, flags, -1, 0);
	if (mem == MAP_FAILED) {
		return -errno;
	}
	page_prepare(mem, len_bytes, MADV_NORMAL, ask);
	if (madvise(mem, len_bytes, MADV_POPULATE_WRITE) != 0) {
		int code = -errno;

		munmap(mem, len_bytes);
		return code;
	}
	/* An emulator may take the flag and give something else. */
	if (page_facts_of(mem, &facts) && facts.kernel_page_bytes != page_bytes) {
		munmap(mem, len_bytes);
		return -EOPNOTSUPP;
	}
	region->mem = mem;
	region->len_bytes = len_bytes;
	region->got = ZC_PAGES_HUGETLB;
	region->page_bytes = page_bytes;
	return 0;
}

/* --hugepages=SIZE: the user's word, so no question of plenty. */
static int region_try_size(struct zc_region *region, size_t huge_bytes, struct page_ask *ask)
{
	char size[16];
	int rc = region_map_reserved(region, huge_bytes, ask);

	zc_format_size(size, huge_bytes);
	if (rc < 0) {
		ask->reserved_code = rc;
		region_note(region, "reserved pages of %s: %s", size, zc_errno_name(rc));
		return rc;
	}
	region_note(region, "reserved pages of %s, as asked", size);
	return 0;
}

/* Leaves region->mem NULL when there is nothing to be had, and region->got not THP when the kernel gave
 * fewer huge pages than the region has room for. */
static void region_try_thp(struct zc_region *region, struct page_ask *ask)
{
	struct page_facts facts = { 0 };
	char have[16];
	char want[16];
	uint64_t pmd_bytes;
	int rc;

	if (!page_thp_enabled() || !page_read_u64(THP_DIR "/hpage_pmd_size", &pmd_bytes)) {
		region_note(region, "transparent_hugepage/enabled: never, or absent");
		return;
	}
	if (ask->len_bytes < pmd_bytes) {
		region_note(region, "%s is less than a huge page of %s", zc_format_size(have, ask->len_bytes),
		            zc_format_size(want, pmd_bytes));
		return;
	}
	rc = region_map_anon(region, pmd_bytes, MADV_HUGEPAGE, ask);
	if (rc < 0) {
		ask->thp_code = rc;
		region_note(region, "transparent huge pages: %s", zc_errno_name(rc));
		return;
	}
	(void)page_facts_of(region->mem, &facts); /* no /proc: nothing is known, so nothing is claimed */
	region_note(region, "smaps: AnonHugePages %s of %s", zc_format_size(have, facts.anon_huge_bytes),
	            zc_format_size(want, region->len_bytes));
	if (facts.anon_huge_bytes >= region->len_bytes) {
		region->got = ZC_PAGES_THP;
		region->page_bytes = pmd_bytes;
	} else if (ask->thp_code == 0) {
		ask->thp_code = -ENOMEM;
	}
}

/* One of the kernel's counters of reserved pages; false when it has no pages of that size. */
static bool page_read_reserved(size_t page_bytes, const char *counter, uint64_t *ret_count)
{
	char path[96];

	snprintf(path, sizeof(path), "/sys/kernel/mm/hugepages/hugepages-%zukB/%s", page_bytes / 1024,
	         counter);
	return page_read_u64(path, ret_count);
}

/* Reserved pages that nobody asked for by name are somebody else's, a database's perhaps: they are used
 * only when twice the need is free and unreserved. The largest size that the region fills comes first. */
static int region_try_plenty(struct zc_region *region, struct page_ask *ask)
{
	size_t largest = (size_t)1 << (63 - __builtin_clzll(ask->len_bytes));

	for (size_t page_bytes = largest; page_bytes > zc_page_bytes(); page_bytes /= 2) {
		size_t need = zc_align_up(ask->len_bytes, page_bytes) / page_bytes;
		uint64_t unused;
		uint64_t promised;
		bool plenty;

		if (!page_read_reserved(page_bytes, "free_hugepages", &unused) ||
		    !page_read_reserved(page_bytes, "resv_hugepages", &promised)) {
			continue;
		}
		plenty = unused >= promised + 2 * need;
		region_note(region, "%zukB pages: %" PRIu64 " free, %" PRIu64 " promised, %zu needed",
		            page_bytes / 1024, unused, promised, need);
		if (plenty && region_map_reserved(region, page_bytes, ask) == 0) {
			return 0;
		}
	}
	return -ENOMEM;
}

static int region_try_auto(struct zc_region *region, struct page_ask *ask)
{
	struct zc_region thin;

	region_try_thp(region, ask);
	if (region->got == ZC_PAGES_THP) {
		return 0;
	}
	thin = *region;
	if (region_try_plenty(region, ask) == 0) {
		zc_region_unmap(&thin);
		return 0;
	}
	if (region->mem) {
		return 0; /* base pages, with some huge ones among them */
	}
	return region_map_anon(region, zc_page_bytes(), MADV_NORMAL, ask);
}

static void ask_report(const struct page_ask *ask, const struct zc_region *region,
                       struct zc_fallbacks *fallbacks)
{
	const char *got = zc_pages_name(region->got);

	if (ask->reserved_code < 0) {
		zc_fallback_add(fallbacks, "hugetlb", got, "mmap", ask->reserved_code);
	}
	if (ask->thp_code < 0) {
		zc_fallback_add(fallbacks, "thp", got, "madvise", ask->thp_code);
	}
	if (ask->bind_code < 0) {
		zc_fallback_add(fallbacks, "node", "any node", "mbind", ask->bind_code);
	}
}

int zc_region_map(struct zc_region *ret_region, size_t len_bytes, enum zc_huge huge, size_t huge_bytes,
                  int node, struct zc_fallbacks *fallbacks)
{
	struct zc_region region = { .got = ZC_PAGES_BASE };
	struct page_ask ask = { .len_bytes = len_bytes, .node = node };
	int rc = -EOPNOTSUPP;

	zc_assert(len_bytes > 0);
	if (len_bytes > SIZE_MAX / 8) {
		return -ENOMEM; /* so that no rounding up below wraps */
	}
	if (huge == ZC_HUGE_NEVER) {
		region_note(&region, "huge pages were not wanted");
		rc = region_map_anon(&region, zc_page_bytes(), MADV_NOHUGEPAGE, &ask);
	} else {
		if (huge == ZC_HUGE_SIZE) {
			rc = region_try_size(&region, huge_bytes, &ask);
		}
		if (rc < 0) {
			rc = region_try_auto(&region, &ask);
		}
	}
	if (rc < 0) {
		return -ENOMEM;
	}
	region.node = zc_topo_node_of_mem(region.mem);
	if (fallbacks) {
		ask_report(&ask, &region, fallbacks);
	}
	*ret_region = region;
	return 0;
}

void zc_region_unmap(struct zc_region *region)
{
	size_t guard;

	if (!region || !region->mem) {
		return;
	}
	/* reserved pages have no guards: they would have to be as large */
	guard = region->got == ZC_PAGES_HUGETLB ? 0 : zc_page_bytes();
	munmap((uint8_t *)region->mem - guard, region->len_bytes + 2 * guard);
	region->mem = NULL;
}
