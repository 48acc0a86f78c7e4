/*
 * disk.c: the files of a bench. What is read is made through a job, synced, and unlinked while we hold it, so
 * that nothing is left of it however we end; it is named by /proc/PID/fd/N, or where that is not to be had
 * keeps its name until the end. The destination of a run has its name from the copy's last step until the run
 * is over.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "bench.h"
#include "zcopy/endpoint.h"

#define TRIES 5

/* DIR/name, so that it cannot be taken for anything but a path. */
static char *disk_operand(const struct disk *disk, const char *name)
{
	char *text;

	return asprintf(&text, "%s%s/%s", disk->path[0] == '/' ? "" : "./", disk->path, name) < 0 ? NULL
	                                                                                          : text;
}

static int disk_open(struct zc_bench *bench, struct disk *disk, const char *path)
{
	char quoted[200];
	char fs[24];
	struct stat st;

	disk->path = path;
	disk->fd = openat(AT_FDCWD, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (disk->fd < 0 || fstat(disk->fd, &st) < 0) {
		return bench_fail(bench, 1, "%s: cannot open the directory: %s",
		                  zc_quote(quoted, sizeof(quoted), path), strerror(errno));
	}
	disk->dev = st.st_dev;
	snprintf(disk->fs, sizeof(disk->fs), "%s", zc_fs_name(disk->fd, fs));
	snprintf(disk->dst_name, sizeof(disk->dst_name), ".zcopy-bench-%d-%u", (int)getpid(),
	         (unsigned)(disk - bench->disks));
	snprintf(disk->src_name, sizeof(disk->src_name), "%s-source", disk->dst_name);
	(void)unlinkat(disk->fd, disk->dst_name, 0); /* of a process that was killed and had our number */
	(void)unlinkat(disk->fd, disk->src_name, 0);
	disk->dst_path = disk_operand(disk, disk->dst_name);
	return disk->dst_path == NULL ? bench_fail(bench, 1, "out of memory") : 0;
}

/* A sixteenth more than the files: the file system's own needs. */
static int disk_check_room(struct zc_bench *bench, const struct disk *disk, unsigned files)
{
	uint64_t need = files * bench->cfg.size_bytes;
	char quoted[200];
	char needed[16];
	char free_text[16];
	struct statvfs st;
	uint64_t room;

	if (fstatvfs(disk->fd, &st) < 0) {
		return 0; /* who does not know it does not limit it */
	}
	need += need / 16;
	room = (uint64_t)st.f_bavail * st.f_frsize;
	if (room >= need) {
		return 0;
	}
	return bench_fail(bench, STATUS_NO_ROOM, "%s: %s are needed and %s free; --size=SIZE takes less",
	                  zc_quote(quoted, sizeof(quoted), disk->path), zc_format_size(needed, need),
	                  zc_format_size(free_text, room));
}

/* What is read is there all the time, each directory's; what is written goes after its run. */
static unsigned disk_files(const struct zc_bench *bench, const struct disk *disk)
{
	unsigned count = 0;

	for (unsigned i = 0; i < bench->disk_count; i++) {
		count += bench->disks[i].dev == disk->dev;
	}
	return bench->cfg.work == ZC_BENCH_READ                                 ? count
	       : bench->cfg.work == ZC_BENCH_COPY && count == bench->disk_count ? 2
	                                                                        : 1;
}

static int disks_check_room(struct zc_bench *bench)
{
	int status = 0;

	for (unsigned i = 0; i < bench->disk_count && status == 0; i++) {
		status = disk_check_room(bench, &bench->disks[i], disk_files(bench, &bench->disks[i]));
	}
	return status;
}

int disks_open(struct zc_bench *bench)
{
	unsigned count = bench->cfg.dir_count;
	int status = 0;

	if (count == 0) {
		return 0;
	}
	bench->disks = calloc(count, sizeof(*bench->disks));
	if (bench->disks == NULL) {
		return bench_fail(bench, 1, "out of memory");
	}
	for (; bench->disk_count < count && status == 0; bench->disk_count++) {
		bench->disks[bench->disk_count].src_fd = -1;
		status =
		    disk_open(bench, &bench->disks[bench->disk_count], bench->cfg.dirs[bench->disk_count]);
	}
	return status == 0 ? disks_check_room(bench) : status;
}

int disk_make_source(struct zc_bench *bench, struct disk *disk)
{
	struct arm maker = { .name = "making what is read", .job = { .numa_node = ZC_NODE_ANY } };
	struct run run = { 0 };
	char gen[64];
	int status;

	disk->src_path = disk_operand(disk, disk->src_name);
	if (disk->src_path == NULL) {
		return bench_fail(bench, 1, "out of memory");
	}
	maker.job.umask = bench->cfg.job.umask;
	maker.job.durability = ZC_DURABILITY_DATA;
	snprintf(gen, sizeof(gen), "gen:%llu,%llu", (unsigned long long)bench->cfg.seed,
	         (unsigned long long)bench->cfg.size_bytes);
	status = work_job(bench, &maker, gen, disk->src_path, &run);
	if (status != 0) {
		return status;
	}
	disk->src_fd = openat(disk->fd, disk->src_name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
	if (disk->src_fd < 0) {
		return bench_fail(bench, 1, "%s: cannot open: %s", disk->src_path, strerror(errno));
	}
	snprintf(gen, sizeof(gen), "/proc/%d/fd/%d", (int)getpid(), disk->src_fd);
	if (faccessat(AT_FDCWD, gen, R_OK, 0) == 0) {
		(void)unlinkat(disk->fd, disk->src_name, 0);
		disk->src_name[0] = '\0';
		free(disk->src_path);
		disk->src_path = strdup(gen);
	}
	return disk->src_path == NULL ? bench_fail(bench, 1, "out of memory") : 0;
}

/* ---- the page cache */

int disk_resident(struct disk *disk, uint64_t size_bytes)
{
	struct zc_end end;

	if (disk->src_fd < 0 || zc_end_from_fd(&end, disk->src_fd, ZC_DIR_SRC, false) < 0) {
		return -1;
	}
	return zc_end_resident_percent(&end, size_bytes, &disk->how);
}

/* Pages that are locked or on their way elsewhere stay: asked again a little later. */
static int disk_cool(const struct zc_bench *bench, struct disk *disk)
{
	int percent = 100;

	for (int i = 0; i < TRIES; i++) {
		if (i > 0) {
			(void)usleep(20000);
		}
		(void)posix_fadvise(disk->src_fd, 0, 0, POSIX_FADV_DONTNEED);
		percent = disk_resident(disk, bench->cfg.size_bytes);
		if (percent <= 0) {
			break;
		}
	}
	return percent;
}

static int disk_warm(struct zc_bench *bench, struct disk *disk, int *ret_percent)
{
	struct arm reader = {
		.name = "reading into the cache",
		.job = { .numa_node = ZC_NODE_ANY, .direct = ZC_WHEN_NEVER, .cache = ZC_CACHE_KEEP }
	};
	struct run run = { 0 };
	int status = 0;

	*ret_percent = disk_resident(disk, bench->cfg.size_bytes);
	for (int i = 0; i < TRIES && *ret_percent >= 0 && *ret_percent < 100 && status == 0; i++) {
		status = work_job(bench, &reader, disk->src_path, "null:", &run);
		*ret_percent = disk_resident(disk, bench->cfg.size_bytes);
	}
	return status;
}

int disk_prepare(struct zc_bench *bench, struct disk *src, struct disk *dst, struct run *run)
{
	int status = 0;

	if (dst != NULL) {
		(void)syncfs(dst->fd);
	}
	if (src != NULL) {
		if (dst == NULL || src->dev != dst->dev) {
			(void)syncfs(src->fd);
		}
		if (bench->cfg.warm) {
			status = disk_warm(bench, src, &run->resident_before);
		} else {
			run->resident_before = disk_cool(bench, src);
		}
	}
	run->dirty_bytes = facts_dirty_bytes();
	return status;
}

/* ---- the end */

/* What it held is given back and written away before the next run begins: disk_prepare syncs. */
int disk_remove(struct disk *disk, uint64_t size_bytes)
{
	struct stat st;
	int res = fstatat(disk->fd, disk->dst_name, &st, AT_SYMLINK_NOFOLLOW) < 0 ? -errno : 0;

	if (res == 0 && unlinkat(disk->fd, disk->dst_name, 0) < 0) {
		res = -errno;
	}
	return res == 0 && (uint64_t)st.st_size != size_bytes ? -EIO : res;
}

void disks_close(struct zc_bench *bench)
{
	for (unsigned i = 0; i < bench->disk_count; i++) {
		struct disk *disk = &bench->disks[i];

		if (disk->src_name[0] != '\0') {
			(void)unlinkat(disk->fd, disk->src_name, 0);
		}
		if (disk->src_fd >= 0) {
			close(disk->src_fd);
		}
		if (disk->fd >= 0) {
			close(disk->fd);
		}
		free(disk->src_path);
		free(disk->dst_path);
	}
	free(bench->disks);
	bench->disks = NULL;
	bench->disk_count = 0;
}
