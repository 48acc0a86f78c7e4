/* facts.c: the host and the devices, as the kernel describes them; and the clock. What is not told is "". */
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/sysinfo.h>
#include <sys/sysmacros.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "bench.h"
#include "zcopy/mem.h"

#define CLOCK_READS 1000
#define CLOCK_TRIES 20 /* others may run in between: the best one counts */

/* The first bytes of a file of the kernel's, without what ends the last line. */
static void facts_text(const char *path, char *out, size_t cap_bytes)
{
	int fd = openat(AT_FDCWD, path, O_RDONLY | O_CLOEXEC);
	ssize_t len = fd < 0 ? -1 : read(fd, out, cap_bytes - 1);

	if (fd >= 0) {
		close(fd);
	}
	out[len < 0 ? 0 : len] = '\0';
	while (len > 0 && (out[len - 1] == '\n' || out[len - 1] == ' ')) {
		out[--len] = '\0';
	}
}

/* What stands behind "KEY" and a colon in one line of text; "" where there is none. */
static void facts_line(const char *text, const char *key, char *out, size_t cap_bytes)
{
	const char *at = strstr(text, key);

	out[0] = '\0';
	if (at == NULL) {
		return;
	}
	at += strlen(key);
	at += strspn(at, " \t:");
	snprintf(out, cap_bytes, "%.*s", (int)strcspn(at, "\n"), at);
}

/* Of "a [b] c" the b; else all of it. */
static void facts_chosen(char *text)
{
	char *open = strchr(text, '[');
	char *close = open == NULL ? NULL : strchr(open, ']');

	if (close != NULL) {
		*close = '\0';
		memmove(text, open + 1, strlen(open + 1) + 1);
	}
}

static void facts_cpu(struct facts *facts)
{
	static char text[4096];
	cpu_set_t set;

	facts_text("/proc/cpuinfo", text, sizeof(text));
	facts_line(text, "model name", facts->cpu, sizeof(facts->cpu));
	if (facts->cpu[0] == '\0') {
		facts_line(text, "CPU part", facts->cpu, sizeof(facts->cpu));
	}
	if (facts->cpu[0] == '\0') {
		facts_line(text, "isa", facts->cpu, sizeof(facts->cpu));
	}
	facts->cpus = sched_getaffinity(0, sizeof(set), &set) == 0 ? (unsigned)CPU_COUNT(&set) : 1;
	facts_text("/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor", facts->governor,
	           sizeof(facts->governor));
}

/* The smallest step that the clock was seen to make, and what it costs to read it. */
static void facts_clock(struct facts *facts)
{
	facts->clock_cost_ns = facts->clock_tick_ns = UINT64_MAX;
	for (int i = 0; i < CLOCK_TRIES; i++) {
		uint64_t began = zc_now_ns();
		uint64_t last = began;

		for (int n = 0; n < CLOCK_READS; n++) {
			uint64_t now = zc_now_ns();

			if (now > last) {
				facts->clock_tick_ns = zc_min_u64(facts->clock_tick_ns, now - last);
			}
			last = now;
		}
		facts->clock_cost_ns = zc_min_u64(facts->clock_cost_ns, (last - began) / CLOCK_READS);
	}
	facts_text("/sys/devices/system/clocksource/clocksource0/current_clocksource", facts->clocksource,
	           sizeof(facts->clocksource));
}

/* A partition's queue and model are its disk's, one directory up. */
static void facts_device_text(const struct disk_facts *disk, const char *name, char *out, size_t cap_bytes)
{
	static const char *const places[] = { "", "../" };
	char path[128];

	out[0] = '\0';
	for (unsigned i = 0; i < ZC_ARRAY_LEN(places) && out[0] == '\0'; i++) {
		snprintf(path, sizeof(path), "/sys/dev/block/%s/%s%s", disk->numbers, places[i], name);
		facts_text(path, out, cap_bytes);
	}
}

static void facts_disk(struct disk_facts *facts, dev_t dev)
{
	char text[512];

	snprintf(facts->numbers, sizeof(facts->numbers), "%u:%u", major(dev), minor(dev));
	facts_device_text(facts, "uevent", text, sizeof(text));
	facts_line(text, "DEVNAME=", facts->device, sizeof(facts->device));
	facts_device_text(facts, "device/model", facts->model, sizeof(facts->model));
	facts_device_text(facts, "queue/scheduler", facts->scheduler, sizeof(facts->scheduler));
	facts_chosen(facts->scheduler);
	facts_device_text(facts, "queue/rotational", facts->rotational, sizeof(facts->rotational));
}

int facts_gather(struct zc_bench *bench)
{
	struct facts *facts = calloc(1, sizeof(*facts));
	struct utsname name;
	struct sysinfo info;

	bench->facts = facts;
	if (facts == NULL) {
		return bench_fail(bench, 1, "out of memory");
	}
	facts->disks = calloc(bench->disk_count + 1, sizeof(*facts->disks));
	if (facts->disks == NULL) {
		return bench_fail(bench, 1, "out of memory");
	}
	if (uname(&name) == 0) {
		snprintf(facts->kernel, sizeof(facts->kernel), "%s", name.release);
		snprintf(facts->machine, sizeof(facts->machine), "%s", name.machine);
	}
	if (sysinfo(&info) == 0) {
		facts->memory_bytes = (uint64_t)info.totalram * info.mem_unit;
	}
	facts->page_bytes = zc_page_bytes();
	facts_text("/sys/kernel/mm/transparent_hugepage/enabled", facts->huge, sizeof(facts->huge));
	facts_chosen(facts->huge);
	facts_cpu(facts);
	facts_clock(facts);
	for (unsigned i = 0; i < bench->disk_count; i++) {
		facts_disk(&facts->disks[i], bench->disks[i].dev);
	}
	return 0;
}

void facts_free(struct facts *facts)
{
	if (facts != NULL) {
		free(facts->disks);
		free(facts);
	}
}

uint64_t facts_dirty_bytes(void)
{
	static const char *const keys[] = { "\nDirty:", "\nWriteback:" };
	char text[4096];
	char value[32];
	uint64_t sum = 0;

	facts_text("/proc/meminfo", text, sizeof(text));
	for (unsigned i = 0; i < ZC_ARRAY_LEN(keys); i++) {
		facts_line(text, keys[i], value, sizeof(value));
		sum += strtoull(value, NULL, 10) * ZC_KIB;
	}
	return sum;
}
