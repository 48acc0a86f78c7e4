/*
 * mallocs.c: the whole zcopy that counts what is allocated while a lane runs: the program zcopy-mallocs.
 *
 * malloc and its kin are replaced for the whole process, libc included, and handed on to glibc's own; the
 * linker's --wrap tells when zc_lane_run is running. At exit one line goes to the file named by
 * ZC_MALLOCS_LOG: runs of a lane, calls in them, calls in all.
 */
#include <errno.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>

#include "zcopy/job.h"

struct lane; /* src/job/lane.h */

void *__libc_malloc(size_t size);
void *__libc_calloc(size_t count, size_t size);
void *__libc_realloc(void *mem, size_t size);
void *__libc_memalign(size_t align, size_t size);
void __libc_free(void *mem);
int __real_zc_lane_run(struct lane *lane, struct zc_leg *leg, const enum zc_route_kind *order, unsigned count,
                       uint64_t moved[ZC_ROUTE_COUNT]);
int __wrap_zc_lane_run(struct lane *lane, struct zc_leg *leg, const enum zc_route_kind *order, unsigned count,
                       uint64_t moved[ZC_ROUTE_COUNT]);

static atomic_uint running;
static atomic_uint runs;
static atomic_ulong calls_in_lane;
static atomic_ulong calls;

static void count_one(void)
{
	atomic_fetch_add(&calls, 1);
	if (atomic_load(&running)) {
		atomic_fetch_add(&calls_in_lane, 1);
	}
}

void *malloc(size_t size)
{
	count_one();
	return __libc_malloc(size);
}

void *calloc(size_t count, size_t size)
{
	count_one();
	return __libc_calloc(count, size);
}

void *realloc(void *mem, size_t size)
{
	count_one();
	return __libc_realloc(mem, size);
}

void free(void *mem)
{
	if (mem) {
		count_one();
	}
	__libc_free(mem);
}

void *aligned_alloc(size_t align, size_t size)
{
	count_one();
	return __libc_memalign(align, size);
}

int posix_memalign(void **out, size_t align, size_t size)
{
	void *mem;

	count_one();
	mem = __libc_memalign(align, size);
	if (!mem) {
		return ENOMEM;
	}
	*out = mem;
	return 0;
}

int __wrap_zc_lane_run(struct lane *lane, struct zc_leg *leg, const enum zc_route_kind *order, unsigned count,
                       uint64_t moved[ZC_ROUTE_COUNT])
{
	int ret;

	atomic_fetch_add(&runs, 1);
	atomic_fetch_add(&running, 1);
	ret = __real_zc_lane_run(lane, leg, order, count, moved);
	atomic_fetch_sub(&running, 1);
	return ret;
}

__attribute__((destructor)) static void account(void)
{
	const char *path = getenv("ZC_MALLOCS_LOG");
	FILE *file = path ? fopen(path, "we") : NULL;

	if (file) {
		fprintf(file, "runs=%u in_lane=%lu all=%lu\n", atomic_load(&runs),
		        atomic_load(&calls_in_lane), atomic_load(&calls));
		fclose(file);
	}
}
