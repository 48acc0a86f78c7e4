/*
 * The ladder of pages: what a region says of itself is what smaps says, on this host, with reserved pages
 * and without, and where the kernel refuses what is optional. What changes the process runs in a child.
 */
#include "zcopy/mem.h"

#include <errno.h>
#include <inttypes.h>
#include <linux/filter.h>
#include <linux/mman.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

/* ---- what the kernel says */

struct mapping {
	uint64_t rss_bytes;
	uint64_t kernel_page_bytes;
	uint64_t anon_huge_bytes;
	uint64_t hugetlb_bytes;
	uint64_t len_bytes;
	bool dont_fork;
	bool dont_dump;
};

static bool mapping_read(const void *mem, struct mapping *ret_mapping)
{
	FILE *file = fopen("/proc/self/smaps", "re");
	struct mapping map = { 0 };
	bool ours = false;
	char line[512];

	if (!file) {
		return false;
	}
	while (fgets(line, sizeof(line), file)) {
		uintptr_t start;
		uintptr_t end;
		uint64_t kib;

		if (sscanf(line, "%" SCNxPTR "-%" SCNxPTR " ", &start, &end) == 2) {
			ours = start == (uintptr_t)mem;
			map.len_bytes = ours ? end - start : map.len_bytes;
		} else if (ours && sscanf(line, "Rss: %" SCNu64, &kib) == 1) {
			map.rss_bytes = kib * ZC_KIB;
		} else if (ours && sscanf(line, "KernelPageSize: %" SCNu64, &kib) == 1) {
			map.kernel_page_bytes = kib * ZC_KIB;
		} else if (ours && sscanf(line, "AnonHugePages: %" SCNu64, &kib) == 1) {
			map.anon_huge_bytes = kib * ZC_KIB;
		} else if (ours && sscanf(line, "Private_Hugetlb: %" SCNu64, &kib) == 1) {
			map.hugetlb_bytes = kib * ZC_KIB;
		} else if (ours && strncmp(line, "VmFlags:", 8) == 0) {
			map.dont_fork = strstr(line, " dc") != NULL;
			map.dont_dump = strstr(line, " dd") != NULL;
		}
	}
	fclose(file);
	*ret_mapping = map;
	return map.len_bytes > 0;
}

/* qemu-user makes up smaps and keeps some advice to itself: then nothing can be shown here. */
static void need_real_kernel(void)
{
	struct mapping map = { 0 };
	void *mem = mmap(NULL, zc_page_bytes(), PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	bool real = mem != MAP_FAILED && madvise(mem, zc_page_bytes(), MADV_DONTFORK) == 0 &&
	            mapping_read(mem, &map) && map.dont_fork;

	munmap(mem, zc_page_bytes());
	if (!real) {
		print_message("skipped: /proc/self/smaps does not show MADV_DONTFORK (an emulator)\n");
		skip();
	}
}

static uint64_t read_number(const char *path)
{
	FILE *file = fopen(path, "re");
	uint64_t value = 0;

	if (file) {
		if (fscanf(file, "%" SCNu64, &value) != 1) {
			value = 0;
		}
		fclose(file);
	}
	return value;
}

static uint64_t thp_bytes(void)
{
	return read_number("/sys/kernel/mm/transparent_hugepage/hpage_pmd_size");
}

/* What holds for each region, on whatever pages. */
static bool region_is_true(const struct zc_region *region, size_t wanted_bytes)
{
	struct mapping map;
	bool thp;

	if (!mapping_read(region->mem, &map) || map.len_bytes != region->len_bytes ||
	    region->len_bytes < wanted_bytes || region->len_bytes % region->page_bytes != 0 ||
	    !map.dont_fork || !map.dont_dump || memchr(region->why, '\0', sizeof(region->why)) == NULL) {
		return false;
	}
	thp = map.anon_huge_bytes == region->len_bytes;
	switch (region->got) {
	case ZC_PAGES_HUGETLB:
		return map.kernel_page_bytes == region->page_bytes &&
		       map.hugetlb_bytes == region->len_bytes && region->page_bytes > zc_page_bytes();
	case ZC_PAGES_THP:
		return thp && region->page_bytes == thp_bytes() && map.rss_bytes == region->len_bytes &&
		       (uintptr_t)region->mem % region->page_bytes == 0;
	case ZC_PAGES_BASE:
		return !thp && region->page_bytes == zc_page_bytes() && map.rss_bytes == region->len_bytes;
	}
	return false;
}

static void assert_region(const struct zc_region *region, size_t wanted_bytes)
{
	if (!region_is_true(region, wanted_bytes)) {
		print_error("got %s, %zu bytes: %s\n", zc_pages_name(region->got), region->len_bytes,
		            region->why);
	}
	assert_true(region_is_true(region, wanted_bytes));
	memset(region->mem, 0xa5, region->len_bytes);
}

/* ---- reserved pages */

static char reserved_path[96];
static uint64_t reserved_before;

static void write_reserved(uint64_t count)
{
	FILE *file = fopen(reserved_path, "we");

	if (file) {
		fprintf(file, "%" PRIu64, count);
		fclose(file);
	}
}

/* Exactly count pages of the THP size that are free and nobody's. */
static void need_reserved(uint64_t count)
{
	char path[96];
	uint64_t unused;

	if (reserved_before > 0) {
		print_message("skipped: this host has reserved huge pages, which may be somebody's\n");
		skip();
	}
	write_reserved(count);
	snprintf(path, sizeof(path), "/sys/kernel/mm/hugepages/hugepages-%" PRIu64 "kB/free_hugepages",
	         thp_bytes() / 1024);
	unused = read_number(path);
	if (thp_bytes() == 0 || unused != count) {
		print_message("skipped: %" PRIu64 " of %" PRIu64
		              " huge pages could be reserved (not root, or "
		              "memory is in pieces)\n",
		              unused, count);
		skip();
	}
}

static int reserved_save(void **state)
{
	(void)state;
	snprintf(reserved_path, sizeof(reserved_path),
	         "/sys/kernel/mm/hugepages/hugepages-%" PRIu64 "kB/nr_hugepages", thp_bytes() / 1024);
	reserved_before = read_number(reserved_path);
	return 0;
}

static int reserved_restore(void **state)
{
	(void)state;
	prctl(PR_SET_THP_DISABLE, 0, 0, 0, 0);
	write_reserved(reserved_before);
	return 0;
}

/* ---- children */

static void no_core(void)
{
	struct rlimit none = { 0, 0 };

	setrlimit(RLIMIT_CORE, &none);
	signal(SIGSEGV, SIG_DFL);
}

/* The child's exit status, or minus the signal that ended it. */
static int child_end(pid_t pid)
{
	int status = 0;

	assert_true(pid > 0);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	return WIFSIGNALED(status) ? -WTERMSIG(status) : WEXITSTATUS(status);
}

/* ---- the tests */

static void never_takes_base_pages(void **state)
{
	struct zc_fallbacks fallbacks = { 0 };
	struct zc_region region;

	(void)state;
	need_real_kernel();
	assert_int_equal(zc_region_map(&region, 4 * ZC_MIB + 1, ZC_HUGE_NEVER, 0, ZC_NODE_ANY, &fallbacks),
	                 0);
	assert_int_equal(region.got, ZC_PAGES_BASE);
	assert_int_equal(region.len_bytes, 4 * ZC_MIB + zc_page_bytes());
	assert_int_equal(fallbacks.count, 0);
	assert_region(&region, 4 * ZC_MIB + 1);
	zc_region_unmap(&region);
	assert_null(region.mem);
	zc_region_unmap(&region);
	zc_region_unmap(NULL);
}

static void auto_takes_transparent_pages(void **state)
{
	struct zc_region region;
	size_t len_bytes = 2 * thp_bytes() + 1;

	(void)state;
	need_real_kernel();
	assert_int_equal(zc_region_map(&region, len_bytes, ZC_HUGE_AUTO, 0, ZC_NODE_ANY, NULL), 0);
	assert_region(&region, len_bytes);
	if (region.got != ZC_PAGES_THP) {
		print_message("skipped: this host gave no transparent huge pages: %s\n", region.why);
		zc_region_unmap(&region);
		skip();
	}
	assert_int_equal(region.len_bytes, 3 * thp_bytes());
	assert_non_null(strstr(region.why, "AnonHugePages"));
	zc_region_unmap(&region);
}

static void small_regions_take_base_pages(void **state)
{
	struct zc_fallbacks fallbacks = { 0 };
	struct zc_region region;

	(void)state;
	need_real_kernel();
	assert_int_equal(zc_region_map(&region, 1, ZC_HUGE_AUTO, 0, ZC_NODE_ANY, &fallbacks), 0);
	assert_int_equal(region.len_bytes, zc_page_bytes());
	assert_int_equal(region.got, ZC_PAGES_BASE);
	assert_int_equal(fallbacks.count, 0);
	assert_region(&region, 1);
	zc_region_unmap(&region);
}

/* Two lanes' regions side by side: each must be seen by itself. */
static void neighbours_are_told_apart(void **state)
{
	struct zc_region regions[4];

	(void)state;
	need_real_kernel();
	for (unsigned i = 0; i < 4; i++) {
		enum zc_huge huge = i % 2 ? ZC_HUGE_NEVER : ZC_HUGE_AUTO;

		assert_int_equal(zc_region_map(&regions[i], 2 * ZC_MIB, huge, 0, ZC_NODE_ANY, NULL), 0);
	}
	for (unsigned i = 0; i < 4; i++) {
		assert_region(&regions[i], 2 * ZC_MIB);
		zc_region_unmap(&regions[i]);
	}
}

/* A reserved page may be a database's: 2 x the need or nothing, and only when THP did not come. */
static void auto_leaves_reserved_pages_alone(void **state)
{
	struct zc_region region;
	size_t len_bytes = 2 * thp_bytes();

	(void)state;
	need_real_kernel();
	need_reserved(4);
	assert_int_equal(zc_region_map(&region, len_bytes, ZC_HUGE_AUTO, 0, ZC_NODE_ANY, NULL), 0);
	assert_region(&region, len_bytes);
	if (region.got == ZC_PAGES_HUGETLB) { /* right only where THP is off */
		assert_non_null(strstr(region.why, "never"));
	}
	zc_region_unmap(&region);

	assert_int_equal(prctl(PR_SET_THP_DISABLE, 1, 0, 0, 0), 0);
	assert_int_equal(zc_region_map(&region, len_bytes, ZC_HUGE_AUTO, 0, ZC_NODE_ANY, NULL), 0);
	assert_int_equal(region.got, ZC_PAGES_HUGETLB);
	assert_region(&region, len_bytes);
	zc_region_unmap(&region);

	need_reserved(3);
	assert_int_equal(zc_region_map(&region, len_bytes, ZC_HUGE_AUTO, 0, ZC_NODE_ANY, NULL), 0);
	assert_int_equal(region.got, ZC_PAGES_BASE);
	assert_non_null(strstr(region.why, "3 free"));
	assert_region(&region, len_bytes);
	zc_region_unmap(&region);
}

static void pages_promised_to_others_do_not_count(void **state)
{
	struct zc_region region;
	size_t page_bytes = thp_bytes();
	void *promised;

	(void)state;
	need_real_kernel();
	need_reserved(2);
	/* mapped, so promised, but not yet touched, so still free */
	promised = mmap(NULL, page_bytes, PROT_READ | PROT_WRITE,
	                MAP_PRIVATE | MAP_ANONYMOUS | MAP_HUGETLB |
	                    (int)((unsigned)__builtin_ctzll(page_bytes) << MAP_HUGE_SHIFT),
	                -1, 0);
	assert_ptr_not_equal(promised, MAP_FAILED);
	assert_int_equal(prctl(PR_SET_THP_DISABLE, 1, 0, 0, 0), 0);
	assert_int_equal(zc_region_map(&region, page_bytes, ZC_HUGE_AUTO, 0, ZC_NODE_ANY, NULL), 0);
	assert_int_equal(region.got, ZC_PAGES_BASE);
	zc_region_unmap(&region);
	munmap(promised, page_bytes);
	assert_int_equal(zc_region_map(&region, page_bytes, ZC_HUGE_AUTO, 0, ZC_NODE_ANY, NULL), 0);
	assert_int_equal(region.got, ZC_PAGES_HUGETLB);
	zc_region_unmap(&region);
}

static void a_size_takes_reserved_pages(void **state)
{
	struct zc_fallbacks fallbacks = { 0 };
	struct zc_region region;
	size_t page_bytes = thp_bytes();

	(void)state;
	need_real_kernel();
	need_reserved(3);
	assert_int_equal(
	    zc_region_map(&region, 2 * page_bytes + 1, ZC_HUGE_SIZE, page_bytes, ZC_NODE_ANY, &fallbacks), 0);
	assert_int_equal(region.got, ZC_PAGES_HUGETLB);
	assert_int_equal(region.len_bytes, 3 * page_bytes);
	assert_int_equal(fallbacks.count, 0);
	assert_region(&region, 2 * page_bytes + 1);
	zc_region_unmap(&region);
}

static void a_size_that_is_not_there_is_recorded(void **state)
{
	static const size_t sizes[] = { 0, 1, 3 * ZC_MIB, 4096, ZC_GIB << 6, SIZE_MAX };

	(void)state;
	need_real_kernel();
	for (unsigned i = 0; i < ZC_ARRAY_LEN(sizes); i++) {
		struct zc_fallbacks fallbacks = { 0 };
		struct zc_region region;
		int rc = zc_region_map(&region, 4 * ZC_MIB, ZC_HUGE_SIZE, sizes[i], ZC_NODE_ANY, &fallbacks);

		assert_int_equal(rc, 0);
		assert_true(fallbacks.count >= 1);
		assert_string_equal(fallbacks.list[0].from, "hugetlb");
		assert_string_equal(fallbacks.list[0].to, zc_pages_name(region.got));
		assert_non_null(strstr(region.why, "reserved pages of"));
		assert_region(&region, 4 * ZC_MIB);
		zc_region_unmap(&region);
	}
}

static void too_much_is_an_error_and_touches_nothing(void **state)
{
	struct zc_region region;
	struct zc_region before;

	(void)state;
	memset(&region, 0x5a, sizeof(region));
	before = region;
	assert_int_equal(zc_region_map(&region, SIZE_MAX, ZC_HUGE_AUTO, 0, ZC_NODE_ANY, NULL), -ENOMEM);
	assert_int_equal(zc_region_map(&region, SIZE_MAX / 8, ZC_HUGE_AUTO, 0, ZC_NODE_ANY, NULL), -ENOMEM);
	assert_int_equal(zc_region_map(&region, SIZE_MAX / 8, ZC_HUGE_NEVER, 0, ZC_NODE_ANY, NULL), -ENOMEM);
	assert_memory_equal(&region, &before, sizeof(region));
}

static void a_child_does_not_inherit(void **state)
{
	struct zc_region region;
	pid_t pid;

	(void)state;
	need_real_kernel();
	assert_int_equal(zc_region_map(&region, 4 * ZC_MIB, ZC_HUGE_AUTO, 0, ZC_NODE_ANY, NULL), 0);
	pid = fork();
	if (pid == 0) {
		no_core();
		_exit(*(volatile uint8_t *)region.mem);
	}
	assert_int_equal(child_end(pid), -SIGSEGV);
	zc_region_unmap(&region);
}

static void what_lies_beside_cannot_be_touched(void **state)
{
	struct zc_region region;

	(void)state;
	assert_int_equal(zc_region_map(&region, 4 * ZC_MIB, ZC_HUGE_NEVER, 0, ZC_NODE_ANY, NULL), 0);
	for (int side = 0; side < 2; side++) {
		volatile uint8_t *beside = (uint8_t *)region.mem + (side ? (ptrdiff_t)region.len_bytes : -1);
		pid_t pid = fork();

		if (pid == 0) {
			no_core();
			*beside = 1;
			_exit(0);
		}
		assert_int_equal(child_end(pid), -SIGSEGV);
	}
	zc_region_unmap(&region);
}

/* An ordinary user with the smallest of limits gets a region all the same. */
static void memlock_is_not_needed(void **state)
{
	pid_t pid;

	(void)state;
	need_real_kernel();
	pid = fork();
	if (pid == 0) {
		struct rlimit limit = { 64 * ZC_KIB, 64 * ZC_KIB };
		struct zc_region region;
		int rc = setrlimit(RLIMIT_MEMLOCK, &limit);

		if (rc == 0 && geteuid() == 0) {
			rc = setresuid(65534, 65534, 65534);
		}
		if (rc != 0) {
			_exit(2);
		}
		rc = zc_region_map(&region, 8 * ZC_MIB, ZC_HUGE_AUTO, 0, ZC_NODE_ANY, NULL);
		_exit(rc == 0 && region_is_true(&region, 8 * ZC_MIB) ? 0 : 1);
	}
	assert_int_equal(child_end(pid), 0);
}

/* Without smaps nothing is known of transparent pages, so nothing is claimed. */
static void without_proc_no_thp_is_claimed(void **state)
{
	pid_t pid = fork();
	int end;

	(void)state;
	if (pid == 0) {
		struct zc_region region;

		if (unshare(CLONE_NEWNS) != 0 || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) != 0 ||
		    umount2("/proc", MNT_DETACH) != 0) {
			_exit(77);
		}
		if (zc_region_map(&region, 8 * ZC_MIB, ZC_HUGE_AUTO, 0, ZC_NODE_ANY, NULL) != 0) {
			_exit(1);
		}
		memset(region.mem, 1, region.len_bytes);
		_exit(region.got != ZC_PAGES_THP ? 0 : 2);
	}
	end = child_end(pid);
	if (end == 77) {
		print_message("skipped: not allowed to unmount /proc in a child\n");
		skip();
	}
	assert_int_equal(end, 0);
}

/* From here on in this process madvise(MADV_POPULATE_WRITE), or all of madvise, answers code. */
static bool deny_madvise(bool all, int code)
{
	struct sock_filter filter[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_madvise, 0, 3),
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, args[2])),
		BPF_JUMP(BPF_JMP | (all ? BPF_JGE : BPF_JEQ) | BPF_K, all ? 0 : MADV_POPULATE_WRITE, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | (uint32_t)code),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	struct sock_fprog program = { ZC_ARRAY_LEN(filter), filter };

	return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 &&
	       prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) == 0;
}

static void try_denied(bool all, int code)
{
	pid_t pid = fork();

	if (pid == 0) {
		struct zc_fallbacks fallbacks = { 0 };
		struct zc_region region;
		struct mapping map;

		if (!deny_madvise(all, code)) {
			_exit(77);
		}
		if (zc_region_map(&region, 2 * thp_bytes(), ZC_HUGE_SIZE, thp_bytes(), ZC_NODE_ANY,
		                  &fallbacks) != 0 ||
		    !mapping_read(region.mem, &map) || map.rss_bytes != region.len_bytes) {
			_exit(1);
		}
		/* reserved pages could be SIGBUS here, so they must not have been taken */
		_exit(region.got != ZC_PAGES_HUGETLB && fallbacks.count >= 1 ? 0 : 2);
	}
	assert_int_equal(child_end(pid), 0);
}

static void old_kernels_and_sandboxes_get_touched_pages(void **state)
{
	(void)state;
	need_real_kernel();
	need_reserved(2);
	try_denied(false, EINVAL); /* before 5.14 */
	try_denied(false, ENOSYS);
	try_denied(true, EPERM);
}

static void names(void **state)
{
	(void)state;
	assert_string_equal(zc_pages_name(ZC_PAGES_BASE), "base");
	assert_string_equal(zc_pages_name(ZC_PAGES_THP), "thp");
	assert_string_equal(zc_pages_name(ZC_PAGES_HUGETLB), "hugetlb");
	assert_int_equal(zc_page_bytes(), sysconf(_SC_PAGESIZE));
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(names),
		cmocka_unit_test(never_takes_base_pages),
		cmocka_unit_test(auto_takes_transparent_pages),
		cmocka_unit_test(small_regions_take_base_pages),
		cmocka_unit_test(neighbours_are_told_apart),
		cmocka_unit_test(too_much_is_an_error_and_touches_nothing),
		cmocka_unit_test(a_size_that_is_not_there_is_recorded),
		cmocka_unit_test(a_child_does_not_inherit),
		cmocka_unit_test(what_lies_beside_cannot_be_touched),
		cmocka_unit_test(memlock_is_not_needed),
		cmocka_unit_test(without_proc_no_thp_is_claimed),
		cmocka_unit_test_setup_teardown(auto_leaves_reserved_pages_alone, reserved_save,
		                                reserved_restore),
		cmocka_unit_test_setup_teardown(pages_promised_to_others_do_not_count, reserved_save,
		                                reserved_restore),
		cmocka_unit_test_setup_teardown(a_size_takes_reserved_pages, reserved_save, reserved_restore),
		cmocka_unit_test_setup_teardown(old_kernels_and_sandboxes_get_touched_pages, reserved_save,
		                                reserved_restore),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
