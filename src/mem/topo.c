/*
 * NUMA nodes: where devices and memory are, and on which CPUs a lane runs. Sole user of libnuma.
 *
 * Most hosts have one node and never come past one look at sysfs. Only where the kernel lists more is
 * libnuma loaded (its constructor reads a good part of sysfs); where it cannot be, everything here
 * behaves as on one node. Invariant: topo is written once, under topo_once, and only read afterwards.
 */
#include "zcopy/mem.h"

#include <dirent.h>
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "zc_config.h"

#if ZC_HAVE_NUMA
#include <numa.h>
#include <numaif.h>
#endif

#define NODE_DIR       "/sys/devices/system/node"
#define TOPO_CPUS_MAX  8192u
#define TOPO_NODES_MAX 1024u
#define TOPO_MASK_BITS (8 * sizeof(unsigned long))

static struct {
	unsigned listed_count; /* nodes with memory, as the kernel lists them; at least 1   */
	unsigned first_node;   /* the first of them                                         */
	unsigned usable_count; /* of those, the ones our cpuset allows, by libnuma; else 1 */
	bool loaded;           /* libnuma is there and works                                */
} topo;
static pthread_once_t topo_once = PTHREAD_ONCE_INIT;

#if ZC_HAVE_NUMA

static struct {
	__typeof__(numa_available) *available;
	__typeof__(numa_get_mems_allowed) *get_mems_allowed;
	__typeof__(numa_bitmask_weight) *bitmask_weight;
	__typeof__(numa_bitmask_free) *bitmask_free;
	__typeof__(mbind) *mbind;
	__typeof__(move_pages) *move_pages;
} numa;

#if ZC_NUMA_LINKED
static bool numa_load(void)
{
	numa.available = numa_available;
	numa.get_mems_allowed = numa_get_mems_allowed;
	numa.bitmask_weight = numa_bitmask_weight;
	numa.bitmask_free = numa_bitmask_free;
	numa.mbind = mbind;
	numa.move_pages = move_pages;
	return true;
}
#else
/* Never unloaded: the pointers are used until the process ends. */
static bool numa_load(void)
{
	void *lib = dlopen("libnuma.so.1", RTLD_NOW | RTLD_LOCAL);

	if (!lib) {
		return false;
	}
	numa.available = dlsym(lib, "numa_available");
	numa.get_mems_allowed = dlsym(lib, "numa_get_mems_allowed");
	numa.bitmask_weight = dlsym(lib, "numa_bitmask_weight");
	numa.bitmask_free = dlsym(lib, "numa_bitmask_free");
	numa.mbind = dlsym(lib, "mbind");
	numa.move_pages = dlsym(lib, "move_pages");
	return numa.available && numa.get_mems_allowed && numa.bitmask_weight && numa.bitmask_free &&
	       numa.mbind && numa.move_pages;
}
#endif

/* The number of nodes this process may take memory from, 0 when libnuma is of no use here. */
static unsigned numa_start(void)
{
	struct bitmask *allowed;
	unsigned count;

	if (!numa_load() || numa.available() < 0) {
		return 0;
	}
	allowed = numa.get_mems_allowed();
	if (!allowed) {
		return 0;
	}
	count = numa.bitmask_weight(allowed);
	numa.bitmask_free(allowed);
	return count;
}

/* Preferred, not bound: a full node must cost speed, not the out-of-memory killer. */
static int numa_prefer(void *mem, size_t len_bytes, unsigned node)
{
	unsigned long mask[TOPO_NODES_MAX / TOPO_MASK_BITS] = { 0 };

	mask[node / TOPO_MASK_BITS] = 1ul << (node % TOPO_MASK_BITS);
	return numa.mbind(mem, len_bytes, MPOL_PREFERRED, mask, TOPO_NODES_MAX, 0) == 0 ? 0 : -errno;
}

static int numa_node_of(void *mem)
{
	int node = ZC_NODE_ANY;

	if (numa.move_pages(0, 1, &mem, NULL, &node, 0) != 0 || node < 0) {
		return ZC_NODE_ANY; /* a negative status is an errno: not touched, or not ours */
	}
	return node;
}

#else

static unsigned numa_start(void)
{
	return 0;
}

static int numa_prefer(void *mem, size_t len_bytes, unsigned node)
{
	(void)mem, (void)len_bytes, (void)node;
	return -ENOSYS;
}

static int numa_node_of(void *mem)
{
	(void)mem;
	return ZC_NODE_ANY;
}

#endif

/* The first line of a small file; false when it cannot be read. A path is looked up from dir_fd. */
static bool topo_read(int dir_fd, const char *path, char *ret_text, size_t cap_bytes)
{
	int fd = openat(dir_fd, path, O_RDONLY | O_CLOEXEC);
	ssize_t got;

	if (fd < 0) {
		return false;
	}
	got = read(fd, ret_text, cap_bytes - 1);
	close(fd);
	if (got <= 0) {
		return false;
	}
	ret_text[got] = '\0';
	return true;
}

/* The next range of a kernel list such as "0-3,8,10-11", moving *text behind it; false at the end. */
static bool topo_next_range(const char **text, unsigned *ret_first, unsigned *ret_last)
{
	char *end;
	unsigned long first = strtoul(*text, &end, 10);
	unsigned long last = first;

	if (end == *text) {
		return false;
	}
	if (*end == '-') {
		last = strtoul(end + 1, &end, 10);
	}
	*text = *end == ',' ? end + 1 : end;
	*ret_first = (unsigned)first;
	*ret_last = (unsigned)last;
	return true;
}

static void topo_start(void)
{
	char text[256];
	const char *at = text;
	unsigned first;
	unsigned last;

	topo.usable_count = 1;
	if (topo_read(AT_FDCWD, NODE_DIR "/has_memory", text, sizeof(text))) {
		while (topo_next_range(&at, &first, &last)) {
			if (topo.listed_count == 0) {
				topo.first_node = first;
			}
			topo.listed_count += last - first + 1;
		}
	}
	if (topo.listed_count <= 1) {
		topo.listed_count = 1;
		return;
	}
	first = numa_start();
	topo.loaded = first > 0;
	if (topo.loaded) {
		topo.usable_count = first;
	}
}

unsigned zc_topo_node_count(void)
{
	pthread_once(&topo_once, topo_start);
	return topo.usable_count;
}

/* A mapped device (LVM, dm-crypt) lies on the disk named in its slaves folder. With several disks (a RAID)
 * there is no one node. Returns the disk's folder, or -1. */
bool zc_topo_has_node(int node)
{
	char text[256];
	const char *at = text;
	unsigned first;
	unsigned last;

	if (!topo_read(AT_FDCWD, NODE_DIR "/has_memory", text, sizeof(text))) {
		return node == 0; /* a kernel without NUMA */
	}
	while (topo_next_range(&at, &first, &last)) {
		if (node >= 0 && (unsigned)node >= first && (unsigned)node <= last) {
			return true;
		}
	}
	return false;
}

static int topo_open_slave(int dir_fd)
{
	int list_fd = openat(dir_fd, "slaves", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *list = list_fd < 0 ? NULL : fdopendir(list_fd);
	const struct dirent *entry;
	unsigned count = 0;
	int slave_fd = -1;

	if (!list) {
		if (list_fd >= 0) {
			close(list_fd);
		}
		return -1;
	}
	while ((entry = readdir(list)) && count < 2) {
		if (entry->d_name[0] != '.' && count++ == 0) {
			slave_fd = openat(list_fd, entry->d_name, O_PATH | O_DIRECTORY | O_CLOEXEC);
		}
	}
	closedir(list);
	if (count != 1 && slave_fd >= 0) {
		close(slave_fd);
		slave_fd = -1;
	}
	return slave_fd;
}

/* From the folder of a disk or partition up to the first folder (controller, PCI function) that names its
 * node. Takes dir_fd over. */
static int topo_node_above(int dir_fd)
{
	int node = ZC_NODE_ANY;

	/* deep enough for a volume on a disk behind many bridges, and an end if sysfs is strange */
	for (unsigned steps = 0; steps < 32; steps++) {
		char text[32];
		int next_fd;

		if (topo_read(dir_fd, "numa_node", text, sizeof(text))) {
			node = (int)strtol(text, NULL, 10);
			break;
		}
		next_fd = topo_open_slave(dir_fd);
		if (next_fd < 0) {
			next_fd = openat(dir_fd, "..", O_PATH | O_DIRECTORY | O_CLOEXEC);
		}
		close(dir_fd);
		dir_fd = next_fd;
		if (dir_fd < 0) {
			return ZC_NODE_ANY;
		}
	}
	close(dir_fd);
	return node < 0 ? ZC_NODE_ANY : node;
}

int zc_topo_node_of_dev(dev_t dev)
{
	char path[64];
	int fd;

	if (zc_topo_node_count() <= 1) {
		return ZC_NODE_ANY;
	}
	snprintf(path, sizeof(path), "/sys/dev/block/%u:%u", major(dev), minor(dev));
	fd = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
	return fd < 0 ? ZC_NODE_ANY : topo_node_above(fd);
}

int zc_topo_bind(void *mem, size_t len_bytes, int node)
{
	if (node == ZC_NODE_ANY) {
		return 0;
	}
	if (node < 0 || (unsigned)node >= TOPO_NODES_MAX) {
		return -EINVAL;
	}
	pthread_once(&topo_once, topo_start);
	if (topo.listed_count == 1) {
		return (unsigned)node == topo.first_node ? 0 : -EINVAL;
	}
	return topo.loaded ? numa_prefer(mem, len_bytes, (unsigned)node) : -ENOSYS;
}

int zc_topo_node_of_mem(void *mem)
{
	pthread_once(&topo_once, topo_start);
	if (topo.listed_count == 1) {
		return (int)topo.first_node;
	}
	return topo.loaded ? numa_node_of(mem) : ZC_NODE_ANY;
}

/* Sysfs and the scheduler's own call: no library is needed for this, and none may warn on stderr. */
int zc_topo_run_on(int node)
{
	cpu_set_t allowed[TOPO_CPUS_MAX / CPU_SETSIZE];
	cpu_set_t wanted[TOPO_CPUS_MAX / CPU_SETSIZE];
	char path[64];
	char text[4096];
	const char *at = text;
	unsigned first;
	unsigned last;

	if (node == ZC_NODE_ANY || zc_topo_node_count() <= 1) {
		return 0;
	}
	snprintf(path, sizeof(path), NODE_DIR "/node%d/cpulist", node);
	if (!topo_read(AT_FDCWD, path, text, sizeof(text))) {
		return -ENOENT;
	}
	CPU_ZERO_S(sizeof(allowed), allowed);
	CPU_ZERO_S(sizeof(wanted), wanted);
	if (sched_getaffinity(0, sizeof(allowed), allowed) != 0) {
		return -errno;
	}
	while (topo_next_range(&at, &first, &last)) {
		for (unsigned cpu = first; cpu <= last && cpu < TOPO_CPUS_MAX; cpu++) {
			CPU_SET_S(cpu, sizeof(wanted), wanted);
		}
	}
	CPU_AND_S(sizeof(wanted), wanted, wanted, allowed);
	if (CPU_COUNT_S(sizeof(wanted), wanted) == 0) {
		return -EINVAL; /* a node without CPUs, or all of them denied: stay where we are */
	}
	return sched_setaffinity(0, sizeof(wanted), wanted) == 0 ? 0 : -errno;
}
