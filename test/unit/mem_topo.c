/*
 * Nodes. What can be read is tried on made-up folders of sysfs (topo.c is included for that); the rest runs
 * as it is, on one node or many: on one node it must be free of harm, on many it must be true.
 */
#include "../../src/mem/topo.c"

#include <setjmp.h>
#include <stdarg.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include <cmocka.h>

static void ranges(void **state)
{
	static const unsigned want[][2] = { { 0, 3 }, { 8, 8 }, { 10, 11 } };
	const char *at = "0-3,8,10-11\n";
	unsigned first;
	unsigned last;

	(void)state;
	for (unsigned i = 0; i < ZC_ARRAY_LEN(want); i++) {
		assert_true(topo_next_range(&at, &first, &last));
		assert_int_equal(first, want[i][0]);
		assert_int_equal(last, want[i][1]);
	}
	assert_false(topo_next_range(&at, &first, &last));
	at = "\n";
	assert_false(topo_next_range(&at, &first, &last));
}

/* ---- a small sysfs under a temporary folder, which is the working directory meanwhile */

static char top[] = "/tmp/zcopy-topo-XXXXXX";

static void put(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);

	assert_true(fd >= 0);
	assert_int_equal(write(fd, text, strlen(text)), (ssize_t)strlen(text));
	close(fd);
}

static int sysfs_make(void **state)
{
	static const char *const folders[] = {
		"pci",
		"pci/ctl",
		"pci/ctl/disk",
		"pci/ctl/disk/slaves",
		"pci/ctl/disk/part",
		"other",
		"other/disk",
		"virtual",
		"virtual/crypt",
		"virtual/crypt/slaves",
		"virtual/volume",
		"virtual/volume/slaves",
		"virtual/raid",
		"virtual/raid/slaves",
		"virtual/loop",
		"virtual/loop/slaves",
		"unsaid",
		"unsaid/disk",
	};

	(void)state;
	if (!mkdtemp(top) || chdir(top) != 0) {
		return -1;
	}
	for (unsigned i = 0; i < ZC_ARRAY_LEN(folders); i++) {
		if (mkdir(folders[i], 0700) != 0) {
			return -1;
		}
	}
	put("pci/numa_node", "1\n");
	put("other/numa_node", "0\n");
	put("unsaid/numa_node", "-1\n");
	return symlink("../../../pci/ctl/disk/part", "virtual/crypt/slaves/part") ||
	       symlink("../../../virtual/crypt", "virtual/volume/slaves/crypt") ||
	       symlink("../../../pci/ctl/disk", "virtual/raid/slaves/one") ||
	       symlink("../../../other/disk", "virtual/raid/slaves/two");
}

static int sysfs_remove(void **state)
{
	char command[64];

	(void)state;
	snprintf(command, sizeof(command), "rm -rf %s", top);
	return chdir("/") || system(command);
}

static void a_device_lies_where_its_controller_lies(void **state)
{
	static const struct {
		const char *path;
		int node;
	} cases[] = {
		{ "pci/ctl/disk", 1 },
		{ "pci/ctl/disk/part", 1 },
		{ "other/disk", 0 },
		{ "virtual/crypt", 1 },
		{ "virtual/volume", 1 },
		{ "virtual/raid", ZC_NODE_ANY },
		{ "virtual/loop", ZC_NODE_ANY },
		{ "unsaid/disk", ZC_NODE_ANY },
	};

	(void)state;
	for (unsigned i = 0; i < ZC_ARRAY_LEN(cases); i++) {
		int fd = open(cases[i].path, O_PATH | O_DIRECTORY | O_CLOEXEC);

		assert_true(fd >= 0);
		assert_int_equal(topo_node_above(fd), cases[i].node);
		assert_int_equal(fcntl(fd, F_GETFD), -1);
	}
}

/* ---- this host */

static void one_node_costs_nothing(void **state)
{
	struct stat root;

	(void)state;
	assert_true(zc_topo_node_count() >= 1);
	if (topo.listed_count > 1) {
		print_message("skipped: this host has %u nodes\n", topo.listed_count);
		skip();
	}
	assert_false(topo.loaded);
	assert_int_equal(stat("/", &root), 0);
	assert_int_equal(zc_topo_node_of_dev(root.st_dev), ZC_NODE_ANY);
	assert_int_equal(zc_topo_run_on(0), 0);
	assert_int_equal(zc_topo_run_on(ZC_NODE_ANY), 0);
	assert_int_equal(zc_topo_bind(&root, 1, (int)topo.first_node), 0);
	assert_int_equal(zc_topo_bind(&root, 1, 999), -EINVAL);
}

static void nonsense_is_harmless(void **state)
{
	(void)state;
	assert_int_equal(zc_topo_bind(NULL, 0, ZC_NODE_ANY), 0);
	assert_int_equal(zc_topo_bind(NULL, 0, -7), -EINVAL);
	assert_int_equal(zc_topo_bind(NULL, 0, 1 << 20), -EINVAL);
	assert_int_equal(zc_topo_node_of_dev(makedev(0, 0)), ZC_NODE_ANY);
	assert_int_equal(zc_topo_node_of_dev(makedev(4095, 1048575)), ZC_NODE_ANY);
}

static void memory_lies_on_the_node_it_was_bound_to(void **state)
{
	unsigned tried = 0;

	(void)state;
	zc_topo_node_count();
	for (int node = 0; node < 8; node++) {
		size_t len_bytes = 16 * zc_page_bytes();
		uint8_t *mem =
		    mmap(NULL, len_bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

		assert_ptr_not_equal(mem, MAP_FAILED);
		if (zc_topo_bind(mem, len_bytes, node) == 0) {
			memset(mem, 1, len_bytes);
			assert_int_equal(zc_topo_node_of_mem(mem), node);
			assert_int_equal(zc_topo_node_of_mem(mem + 15 * zc_page_bytes()), node);
			tried++;
		}
		munmap(mem, len_bytes);
	}
	assert_true(tried >= 1 || !topo.loaded);
	print_message("%u of %u nodes were tried\n", tried, topo.listed_count);
}

static void a_region_and_a_lane_go_to_their_node(void **state)
{
	(void)state;
	if (zc_topo_node_count() < 2) {
		print_message("skipped: one node only\n");
		skip();
	}
	for (int node = 0; node < 2; node++) {
		struct zc_fallbacks fallbacks = { 0 };
		struct zc_region region;
		cpu_set_t before;
		cpu_set_t after;
		cpu_set_t common;

		assert_int_equal(zc_region_map(&region, 8 * ZC_MIB, ZC_HUGE_AUTO, 0, node, &fallbacks), 0);
		assert_int_equal(region.node, node);
		zc_region_unmap(&region);
		/* reserved pages, where there are some, else a fallback: the node holds for both */
		assert_int_equal(
		    zc_region_map(&region, 8 * ZC_MIB, ZC_HUGE_SIZE, 2 * ZC_MIB, node, &fallbacks), 0);
		print_message("node %d: %s\n", node, zc_pages_name(region.got));
		assert_int_equal(region.node, node);
		zc_region_unmap(&region);

		assert_int_equal(sched_getaffinity(0, sizeof(before), &before), 0);
		assert_int_equal(zc_topo_run_on(node), 0);
		assert_int_equal(sched_getaffinity(0, sizeof(after), &after), 0);
		CPU_AND(&common, &before, &after);
		assert_true(CPU_EQUAL(&common, &after));
		assert_true(CPU_COUNT(&after) < CPU_COUNT(&before));
		/* the other node's CPUs are no longer ours to choose */
		assert_int_equal(zc_topo_run_on(!node), -EINVAL);
		assert_int_equal(sched_setaffinity(0, sizeof(before), &before), 0);
	}
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(ranges),
		cmocka_unit_test_setup_teardown(a_device_lies_where_its_controller_lies, sysfs_make,
		                                sysfs_remove),
		cmocka_unit_test(one_node_costs_nothing),
		cmocka_unit_test(nonsense_is_harmless),
		cmocka_unit_test(memory_lies_on_the_node_it_was_bound_to),
		cmocka_unit_test(a_region_and_a_lane_go_to_their_node),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
