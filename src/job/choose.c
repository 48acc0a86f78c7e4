/*
 * choose.c: which way a copy goes, decided from facts of this host.
 *
 * The order of the questions is the order of the explain lines:
 *   0. may the file system share the blocks? Where it does, nothing else is asked.
 *   1. may the kernel move the bytes (copy_file_range, sendfile, splice)?
 *   2. if not, or where our buffers measured better: how cached is the source; O_DIRECT or page cache?
 *   3. which engine, how many buffers of which size, which pages, which node?
 * The thresholds are priors, measured as docs/design.md section 4 says; options pin each of them.
 */
#include "choose.h"

#include <errno.h>
#include <sched.h>
#include <stdarg.h>
#include <string.h>

#include "check.h"
#include "report.h"
#include "split.h"

/* Up to here one read and one write from a plain buffer: nothing else is worth starting. */
#define SMALL_BYTES (128 * ZC_KIB)
/* From here on a queue of buffers pays, where the kernel's own copy is refused. */
#define QUEUE_BYTES (8 * ZC_MIB)
/* From here on a source that is not cached is worth O_DIRECT and a deep queue. */
#define COLD_DIRECT_BYTES (64 * ZC_MIB)
/* From here on a device is written by O_DIRECT. */
#define DEVICE_DIRECT_BYTES ZC_MIB
/* What a device is asked to zero at the least when zeros are looked for: each is a request of its own. */
#define DEVICE_ZERO_BYTES (64 * ZC_KIB)
/* "Not cached": at most this much of it is. */
#define COLD_PERCENT_MAX 50
/* Less is not worth asking where it is. */
#define MIXED_PERCENT_MIN 3
/* "Cached": at least this much of it is. Two threads that wait for one disk gain nothing. */
#define WARM_PERCENT_MIN 90
/* With holes closer than this one piece after the other would be waited for: not by O_DIRECT. */
#define COLD_PIECE_BYTES (4 * ZC_MIB)
/* From here on it pays to find all blocks at once. */
#define ALLOCATE_BYTES (4 * ZC_MIB)

/* --buffer: of one block, and how many there are at least; and at most, in any pool. */
#define STORE_BLOCK_BYTES (256 * ZC_KIB)
#define STORE_BLOCKS_MIN  4
#define POOL_BUFS_MAX     4096

struct chooser {
	const struct zc_job_cfg *cfg;
	struct zc_end *src;
	struct zc_end *dst;
	struct zc_report *report;
	struct choice *choice;
	uint64_t size_bytes;  /* ZC_SIZE_UNKNOWN */
	int resident_percent; /* -1: unknown     */
	const char *resident_how;
	bool src_in_memory;   /* a large file on tmpfs */
	uint64_t piece_bytes; /* of data between holes */
};

static void choose_explain(const struct chooser *ch, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
static void choose_explain(const struct chooser *ch, const char *format, ...)
{
	char line[400];
	va_list args;

	if (!ch->cfg->explain) {
		return;
	}
	va_start(args, format);
	vsnprintf(line, sizeof(line), format, args);
	va_end(args);
	report_say(ch->report, ZC_MSG_EXPLAIN, "%s", line);
}

static void choose_explain_ends(const struct chooser *ch)
{
	const struct zc_end *ends[2] = { ch->src, ch->dst };
	const char *names[2] = { "source", "destination" };
	char size[16];
	char fs[24];

	if (!ch->cfg->explain) {
		return;
	}
	for (int i = 0; i < 2; i++) {
		const struct zc_shape *shape = &ends[i]->shape;

		choose_explain(ch, "%s: %s%s%s, %s", names[i], zc_end_noun(ends[i]),
		               shape->caps & ZC_CAP_REG ? " on " : "",
		               shape->caps & ZC_CAP_REG ? zc_fs_name(shape->fd, fs) : "",
		               i == 1 ? "to be written"
		               : shape->size_bytes == ZC_SIZE_UNKNOWN
		                   ? "size unknown: read to its end"
		                   : zc_format_size(size, shape->size_bytes));
	}
}

static void choose_kernel(struct chooser *ch, enum zc_route_kind kind)
{
	if (zc_route(kind)->unfit(&ch->src->shape, &ch->dst->shape) == NULL) {
		ch->choice->kernel[ch->choice->kernel_count++] = kind;
	}
}

/* Blocks that are shared are as unreadable as they were: here every byte is to be read. */
static bool choose_is_rescue(const struct chooser *ch)
{
	return ch->cfg->on_read_error != ZC_ON_READ_ERROR_FAIL;
}

/* Both on the same file system, or on two of a kind (btrfs subvolumes differ in st_dev). Asking costs one
 * refused ioctl, so it is asked wherever it may be true. */
static bool choose_may_reflink(const struct chooser *ch)
{
	char src_fs[24];
	char dst_fs[24];

	if (ch->cfg->direct == ZC_WHEN_ALWAYS) {
		return false; /* asked to move the bytes, and how */
	}
	if (ch->cfg->tee_count != 0 || ch->cfg->reflink == ZC_WHEN_NEVER ||
	    ch->cfg->sparse == ZC_WHEN_ALWAYS || ch->cfg->sparse == ZC_WHEN_NEVER || choose_is_rescue(ch)) {
		return false;
	}
	if (ch->src->shape.dev == ch->dst->shape.dev) {
		return true;
	}
	return ch->size_bytes > SMALL_BYTES && strcmp(zc_fs_name(ch->src->shape.fd, src_fs), "btrfs") == 0 &&
	       strcmp(zc_fs_name(ch->dst->shape.fd, dst_fs), "btrfs") == 0;
}

/* copy_file_range may share blocks and keep or fill holes as it likes: not when the user said otherwise. */
static bool choose_may_cfr(const struct chooser *ch)
{
	return ch->cfg->reflink != ZC_WHEN_NEVER && ch->cfg->sparse != ZC_WHEN_NEVER;
}

/* The server copies: bytes need not cross the network twice. */
static bool choose_is_remote_fs(const struct chooser *ch)
{
	return ch->src->shape.dev == ch->dst->shape.dev && zc_fs_is_remote(ch->src->shape.fd);
}

static bool choose_is_on(const struct zc_end *end, const char *fs)
{
	char out[24];

	return strcmp(zc_fs_name(end->shape.fd, out), fs) == 0;
}

/* What lies in memory only is not counted page by page, which would cost 2 % of its copy. */
static void choose_residency(struct chooser *ch)
{
	ch->resident_percent = -1;
	ch->piece_bytes = ch->size_bytes;
	if (ch->src_in_memory) {
		ch->resident_percent = 100;
		ch->resident_how = "tmpfs";
	} else if (ch->size_bytes != ZC_SIZE_UNKNOWN && ch->size_bytes >= SPLIT_BYTES_MIN) {
		ch->resident_percent = zc_end_resident_percent(ch->src, ch->size_bytes, &ch->resident_how);
		ch->piece_bytes = zc_end_piece_bytes(ch->src, ch->size_bytes);
	}
}

/* tmpfs looks at every page to find a hole; one with as many blocks as bytes has none worth that. */
static bool choose_has_no_holes(const struct chooser *ch)
{
	struct stat st;

	return ch->src_in_memory && fstat(ch->src->shape.fd, &st) == 0 &&
	       (uint64_t)st.st_blocks * 512 >= (uint64_t)st.st_size;
}

static bool choose_is_cold(const struct chooser *ch)
{
	return ch->resident_percent >= 0 && ch->resident_percent <= COLD_PERCENT_MAX &&
	       ch->size_bytes >= COLD_DIRECT_BYTES && ch->piece_bytes >= COLD_PIECE_BYTES;
}

/* Small pieces between holes, to be read one by one: each would be waited for alone. */
static bool choose_is_scattered(const struct chooser *ch)
{
	return ch->resident_percent >= 0 && ch->resident_percent <= COLD_PERCENT_MAX &&
	       (ch->src->shape.caps & ZC_CAP_REG) && ch->piece_bytes < COLD_PIECE_BYTES &&
	       ch->choice->keep_holes;
}

/* The page cache would be of no use, or is to be left to others. */
static bool choose_is_past_cache(const struct chooser *ch)
{
	return choose_is_cold(ch) ||
	       (ch->cfg->cache == ZC_CACHE_DROP && ch->size_bytes != ZC_SIZE_UNKNOWN && !ch->src_in_memory &&
	        ch->size_bytes >= COLD_DIRECT_BYTES && ch->piece_bytes >= COLD_PIECE_BYTES);
}

/* Blocks that are shared are read once more; all else has to pass our buffers. */
static bool choose_is_hashed(const struct chooser *ch)
{
	return check_is_asked(ch->cfg);
}

/* Files both: is it our buffers that shall move them? */
static bool choose_buffer_first(struct chooser *ch, const char **ret_because)
{
	if (choose_is_hashed(ch)) {
		*ret_because = "the bytes are hashed as they pass";
		return true;
	}
	if (ch->cfg->tee_count != 0) {
		*ret_because = "there are several destinations";
		return true;
	}
	if (ch->cfg->buffer_bytes != 0) {
		*ret_because = "a buffer was asked for";
		return true;
	}
	if (choose_is_rescue(ch)) {
		*ret_because = "read errors are to be got around";
		return true;
	}
	if (ch->cfg->engine != ZC_ENGINE_AUTO) {
		*ret_because = "an engine was asked for";
		return true;
	}
	if (ch->cfg->direct == ZC_WHEN_ALWAYS) {
		*ret_because = "O_DIRECT was asked for";
		return true;
	}
	if (ch->cfg->sparse == ZC_WHEN_ALWAYS) {
		*ret_because = "zeros are looked for";
		return true;
	}
	if (ch->size_bytes == ZC_SIZE_UNKNOWN) {
		*ret_because = "the size is unknown";
		return true;
	}
	if (choose_is_past_cache(ch) && !choose_is_remote_fs(ch)) {
		*ret_because =
		    choose_is_cold(ch) ? "the source is not cached" : "the cache is left to others, as asked";
		return true;
	}
	*ret_because = choose_is_cold(ch)                   ? "the file server can copy by itself"
	               : ch->size_bytes < COLD_DIRECT_BYTES ? "small enough to be cached or soon read"
	               : ch->piece_bytes < COLD_PIECE_BYTES
	                   ? "its data lies in small pieces between holes"
	                   : "the source is cached: one copy in the kernel is the least work";
	return false;
}

/* ---- question 1 */

static bool choose_is_clone_forced(const struct zc_job_cfg *cfg)
{
	return cfg->route == ZC_ROUTE_REFLINK ||
	       (cfg->route == ZC_ROUTE_AUTO && cfg->reflink == ZC_WHEN_ALWAYS);
}

static int choose_forced_route(struct chooser *ch, enum zc_route_kind kind, const char **ret_why)
{
	const struct zc_route_ops *route = zc_route(kind);
	const char *unfit = route->unfit(&ch->src->shape, &ch->dst->shape);

	if (unfit != NULL) {
		*ret_why = unfit;
		return -EINVAL;
	}
	if (kind == ZC_ROUTE_REFLINK) {
		return 0; /* choose_clone has said it */
	}
	if (kind == ZC_ROUTE_BUFFER) {
		ch->choice->buffer = true;
	} else {
		ch->choice->kernel[ch->choice->kernel_count++] = kind;
	}
	choose_explain(ch, "route: %s, as asked", route->name);
	return 0;
}

static unsigned choose_cpu_count(void)
{
	cpu_set_t set;

	return sched_getaffinity(0, sizeof(set), &set) == 0 ? (unsigned)CPU_COUNT(&set) : 1;
}

/* Two threads, each with parts of its own? NULL: yes, else why not. Where the kernel's one copy is not held
 * up by finding blocks (tmpfs, XFS) they cost more than they gain. */
static const char *choose_split_unfit(const struct chooser *ch)
{
	return ch->size_bytes < SPLIT_BYTES_MIN        ? "less than 32 MiB"
	       : ch->cfg->jobs != 0                    ? "as asked"
	       : ch->cfg->pace != NULL                 ? "the rate is limited"
	       : ch->cfg->pool_bytes != 0              ? "the memory is limited"
	       : !(ch->dst->shape.caps & ZC_CAP_FRESH) ? "written in place"
	       : !choose_is_on(ch->dst, "ext4")        ? "more pays on ext4 only"
	       : !choose_is_on(ch->src, "ext4") && !choose_is_on(ch->src, "tmpfs")
	           ? "not measured from this file system"
	       : ch->resident_percent < WARM_PERCENT_MIN ? "not all of the source is cached"
	       : choose_cpu_count() < SPLIT_LANES        ? "one CPU"
	                                                 : NULL;
}

/* A growing file of ext4 reserves room block by block: all at once saves a quarter of the CPU. On tmpfs and
 * XFS it measured no better; others may copy on write. */
static bool choose_may_allocate(const struct chooser *ch)
{
	return ch->size_bytes >= ALLOCATE_BYTES && (ch->dst->shape.caps & ZC_CAP_FRESH) &&
	       choose_is_on(ch->dst, "ext4");
}

static void choose_file_routes(struct chooser *ch)
{
	struct choice *choice = ch->choice;
	const char *because;
	const char *alone = NULL; /* why not by two threads */
	bool buffer_first = choose_buffer_first(ch, &because);

	if (!buffer_first) {
		if (choose_may_cfr(ch)) {
			choose_kernel(ch, ZC_ROUTE_CFR);
		}
		choose_kernel(ch, ZC_ROUTE_SENDFILE);
		alone = choose_split_unfit(ch);
		choice->split = alone == NULL;
		choice->allocate = choose_may_allocate(ch);
		choice->shared =
		    ch->size_bytes >= SPLIT_BYTES_MIN && ch->resident_percent >= WARM_PERCENT_MIN;
	}
	if (ch->resident_percent >= 0) {
		choose_explain(ch, "cache: %d %% of the source is resident (%s; cold is at most %d %%)",
		               ch->resident_percent, ch->resident_how, COLD_PERCENT_MAX);
	}
	choose_explain(ch, "route: %s first: %s",
	               choice->split || choice->kernel_count == 0 ? "buffer"
	                                                          : zc_route_name(choice->kernel[0]),
	               choice->split ? "the source is cached: two threads outdo the kernel's copy" : because);
	if (!buffer_first) {
		choose_explain(ch, "lanes: %s%s", choice->split ? "2, each with parts of its own" : "1: ",
		               choice->split ? "" : alone);
		choose_explain(ch, "room: %s", choice->allocate ? "allocated first" : "as the file grows");
	}
}

/* A device is written in depth, past a cache that would hold what nobody reads again. */
static bool choose_is_device(const struct chooser *ch)
{
	return (ch->dst->shape.caps & ZC_CAP_BLOCK) && ch->cfg->direct == ZC_WHEN_AUTO &&
	       ch->cfg->cache != ZC_CACHE_KEEP && ch->size_bytes >= DEVICE_DIRECT_BYTES;
}

static void choose_stream_routes(struct chooser *ch)
{
	unsigned caps = ch->src->shape.caps | ch->dst->shape.caps;
	bool tiny = ch->size_bytes <= SMALL_BYTES;

	if (ch->cfg->engine == ZC_ENGINE_AUTO && ch->cfg->sparse != ZC_WHEN_ALWAYS && !choose_is_hashed(ch) &&
	    !choose_is_rescue(ch) && ch->cfg->direct != ZC_WHEN_ALWAYS && !tiny && !ch->cfg->stable &&
	    !choose_is_device(ch) && ch->cfg->buffer_bytes == 0 && (caps & (ZC_CAP_PIPE | ZC_CAP_SOCK))) {
		if ((ch->dst->shape.caps & ZC_CAP_SOCK) && ch->cfg->tee_count == 0) {
			choose_kernel(ch, ZC_ROUTE_SENDFILE);
		}
		choose_kernel(ch, ZC_ROUTE_SPLICE);
	}
	choose_explain(ch, "route: %s first: %s",
	               ch->choice->kernel_count > 0 ? zc_route_name(ch->choice->kernel[0]) : "buffer",
	               ch->choice->kernel_count > 0 ? "pages can be passed to or from a pipe or socket"
	               : choose_is_device(ch)       ? "a device is written by whole blocks, many at a time"
	               : tiny                       ? "too small for anything else"
	               : ch->cfg->buffer_bytes != 0 ? "a buffer was asked for"
	               : ch->cfg->stable            ? "no pages are passed on, as asked"
	                                            : "these ends take plain reads and writes");
}

static int choose_routes(struct chooser *ch, const char **ret_why)
{
	if (choose_is_clone_forced(ch->cfg)) {
		return choose_forced_route(ch, ZC_ROUTE_REFLINK, ret_why);
	}
	if (ch->cfg->route != ZC_ROUTE_AUTO) {
		return choose_forced_route(ch, ch->cfg->route, ret_why);
	}
	ch->choice->buffer = true;
	if ((ch->src->shape.caps & ch->dst->shape.caps & ZC_CAP_REG) && (ch->dst->shape.caps & ZC_CAP_SEEK)) {
		choose_file_routes(ch);
	} else {
		choose_stream_routes(ch);
	}
	return 0;
}

/* ---- question 2 */

static bool choose_direct_end(struct chooser *ch, struct zc_end *end, const char *name, const char **ret_why)
{
	int res;

	if (!(end->shape.caps & (ZC_CAP_REG | ZC_CAP_BLOCK))) {
		return false;
	}
	res = zc_end_set_direct(end, true);
	if (res < 0) {
		choose_explain(ch, "direct: off for the %s: fcntl O_DIRECT: %s", name, zc_errno_name(res));
		if (ch->cfg->direct == ZC_WHEN_AUTO) {
			zc_fallback_add(&ch->report->fallbacks, "O_DIRECT", "page cache", "fcntl F_SETFL",
			                res);
		}
		*ret_why = "O_DIRECT is refused by the file system, or the descriptor is not ours";
		return false;
	}
	return true;
}

static int choose_direct(struct chooser *ch, const char **ret_why)
{
	struct choice *choice = ch->choice;
	bool wanted = ch->cfg->direct == ZC_WHEN_ALWAYS;
	bool device = choose_is_device(ch);

	if (ch->cfg->direct == ZC_WHEN_AUTO && choice->buffer && choice->kernel_count == 0) {
		wanted = choose_is_past_cache(ch) && ch->cfg->cache != ZC_CACHE_KEEP &&
		         ch->cfg->sparse != ZC_WHEN_ALWAYS;
	}
	if ((!wanted && !device) || !choice->buffer) {
		choose_explain(ch, "direct: off: %s",
		               ch->cfg->direct == ZC_WHEN_NEVER     ? "as asked"
		               : ch->cfg->cache == ZC_CACHE_KEEP    ? "--cache=keep"
		               : ch->size_bytes < COLD_DIRECT_BYTES ? "smaller than 64 MiB"
		               : ch->piece_bytes < COLD_PIECE_BYTES ? "small pieces between holes"
		                                                    : "the page cache serves better here");
		return 0;
	}
	choice->src_direct = wanted && choose_direct_end(ch, ch->src, "source", ret_why);
	choice->dst_direct = choose_direct_end(ch, ch->dst, "destination", ret_why);
	if (ch->cfg->direct == ZC_WHEN_ALWAYS &&
	    ((!choice->src_direct && (ch->src->shape.caps & (ZC_CAP_REG | ZC_CAP_BLOCK))) ||
	     (!choice->dst_direct && (ch->dst->shape.caps & (ZC_CAP_REG | ZC_CAP_BLOCK))) ||
	     (!choice->src_direct && !choice->dst_direct))) {
		if (*ret_why == NULL) {
			*ret_why = "neither end is a file or block device";
		}
		return -EINVAL;
	}
	choice->mixed = choice->src_direct && ch->cfg->direct == ZC_WHEN_AUTO &&
	                ch->cfg->cache == ZC_CACHE_AUTO && ch->resident_percent >= MIXED_PERCENT_MIN;
	if (choice->mixed) {
		choose_explain(ch, "direct: not where %s of the source are cached", "64 MiB");
	}
	choose_explain(ch, "direct: source %s, destination %s; requests aligned to %u and %u bytes",
	               choice->src_direct ? "on" : "off", choice->dst_direct ? "on" : "off",
	               choice->src_direct ? ch->src->shape.align_bytes : 1,
	               choice->dst_direct ? ch->dst->shape.align_bytes : 1);
	return 0;
}

/* ---- question 3 */

static int choose_node(const struct chooser *ch)
{
	int node;

	if (ch->cfg->numa_off) {
		return ZC_NODE_ANY;
	}
	if (ch->cfg->numa_node != ZC_NODE_ANY) {
		return ch->cfg->numa_node;
	}
	node = zc_topo_node_of_dev(ch->dst->shape.dev);
	return node != ZC_NODE_ANY ? node : zc_topo_node_of_dev(ch->src->shape.dev);
}

/* A ring only for direct requests in depth: it is what it wins at. Size and number of buffers, and who
 * performs the requests, before the user's own numbers. */
static void choose_prior(struct chooser *ch, struct lane_cfg *lane)
{
	bool direct = ch->choice->src_direct || ch->choice->dst_direct;
	uint64_t buffer = ch->cfg->buffer_bytes;
	bool stream = !(ch->src->shape.caps & ZC_CAP_SEEK) || !(ch->dst->shape.caps & ZC_CAP_SEEK);

	if (buffer != 0) { /* blocks that fit the CPU's cache, a few at least */
		lane->engine = ZC_ENGINE_SYNC;
		lane->store = true;
		lane->block_bytes =
		    zc_align_up(zc_max_u64(zc_min_u64(STORE_BLOCK_BYTES, buffer / STORE_BLOCKS_MIN),
		                           buffer / POOL_BUFS_MAX),
		                zc_page_bytes());
		lane->buf_count = (unsigned)zc_max_u64(STORE_BLOCKS_MIN,
		                                       zc_min_u64(buffer / lane->block_bytes, POOL_BUFS_MAX));
		return;
	}
	if (direct) {
		lane->block_bytes = ZC_MIB;
		lane->buf_count = 16;
		lane->thread_count = 16; /* should there be no ring */
		return;
	}
	if (lane->engine == ZC_ENGINE_AUTO) {
		lane->engine = ZC_ENGINE_SYNC;
	}
	if (ch->choice->split) {
		lane->block_bytes = SPLIT_BLOCK_BYTES;
		lane->buf_count = 1;
		lane->small = true;
	} else if (ch->size_bytes == ZC_SIZE_UNKNOWN || ch->size_bytes < QUEUE_BYTES || stream ||
	           (lane->engine == ZC_ENGINE_SYNC && !choose_is_cold(ch))) {
		/* one buffer that stays in the CPU's cache. Threads cost half as much CPU again on cached
		 * files, and a file of /proc makes its text anew up to each offset that is asked for */
		lane->block_bytes = SMALL_BYTES;
		lane->buf_count = 1;
		lane->small = true;
	} else {
		lane->block_bytes = 256 * ZC_KIB;
		lane->buf_count = 8;
		lane->thread_count = 2; /* the disk is read while the cache is written */
	}
}

static void choose_pinned(const struct chooser *ch, struct lane_cfg *lane)
{
	const struct zc_job_cfg *cfg = ch->cfg;

	if (cfg->block_bytes != 0) {
		lane->block_bytes = zc_align_up(cfg->block_bytes, zc_page_bytes());
	}
	if (cfg->queue_depth != 0) {
		lane->buf_count = cfg->queue_depth;
	}
	if (cfg->jobs != 0) {
		lane->thread_count = cfg->jobs;
		lane->small = false;
		if (cfg->queue_depth == 0) { /* one being read and one being written for each */
			lane->buf_count = (unsigned)zc_max_u64(lane->buf_count, 2ull * cfg->jobs);
		}
	}
	if (cfg->pool_bytes != 0) {
		lane->block_bytes =
		    zc_max_u64(zc_page_bytes(), zc_min_u64(lane->block_bytes, cfg->pool_bytes));
		lane->buf_count =
		    (unsigned)zc_max_u64(1, zc_min_u64(cfg->pool_bytes / lane->block_bytes, 4096));
	}
	if (lane->block_bytes * lane->buf_count > ZC_MIB || cfg->pool_bytes != 0 ||
	    cfg->huge == ZC_HUGE_SIZE) {
		lane->small = false;
	}
	if (lane->small) {
		lane->thread_count = 0;
	}
}

/* Requests in depth are worth tuning: where each of them goes to a device. */
static bool choose_is_tuned(const struct chooser *ch)
{
	return ch->choice->src_direct && ch->choice->dst_direct && ch->size_bytes != ZC_SIZE_UNKNOWN &&
	       ch->cfg->pace == NULL && ch->cfg->buffer_bytes == 0 && !choose_is_rescue(ch);
}

static void choose_lane(struct chooser *ch)
{
	struct lane_cfg *lane = &ch->choice->lane;

	*lane = (struct lane_cfg){ 0 };
	lane->engine = ch->cfg->engine;
	lane->huge = ch->cfg->huge;
	lane->huge_bytes = ch->cfg->huge_bytes;
	choose_prior(ch, lane);
	choose_pinned(ch, lane);
	lane->node = lane->small ? ZC_NODE_ANY : choose_node(ch);
	ch->choice->tuned = choose_is_tuned(ch);
	if (ch->choice->buffer) {
		char size[16];

		choose_explain(ch, "buffers: %u of %s%s%s, should they be needed", lane->buf_count,
		               zc_format_size(size, lane->block_bytes),
		               lane->store ? " between a thread that reads and one that writes" : "",
		               lane->engine == ZC_ENGINE_AUTO    ? ", by a ring"
		               : lane->engine == ZC_ENGINE_URING ? ", by a ring as asked"
		                                                 : ", by reads and writes");
	}
}

bool choose_clone(const struct zc_job_cfg *cfg, struct zc_end *src, struct zc_end *dst,
                  struct zc_report *report)
{
	const struct chooser ch = {
		.cfg = cfg,
		.src = src,
		.dst = dst,
		.report = report,
		.size_bytes = src->shape.size_bytes,
	};
	bool forced = choose_is_clone_forced(cfg);

	choose_explain_ends(&ch);
	if (zc_route_reflink.unfit(&src->shape, &dst->shape) != NULL ||
	    (!forced && (cfg->route != ZC_ROUTE_AUTO || !choose_may_reflink(&ch)))) {
		return false;
	}
	choose_explain(&ch, "route: reflink%s",
	               forced ? ", as asked" : " first: the file system may share the blocks");
	return true;
}

int choose(struct choice *ret_choice, const struct zc_job_cfg *cfg, struct zc_end *src, struct zc_end *dst,
           struct zc_report *report, const char **ret_why)
{
	struct choice choice = { .keep_holes = cfg->sparse != ZC_WHEN_NEVER };
	struct chooser ch = {
		.cfg = cfg,
		.src = src,
		.dst = dst,
		.report = report,
		.choice = &choice,
		.size_bytes = src->shape.size_bytes,
	};
	const char *why = NULL;
	int res;

	if (cfg->sparse == ZC_WHEN_ALWAYS) {
		choice.sparse_bytes = dst->shape.caps & ZC_CAP_BLOCK
		                          ? (uint32_t)DEVICE_ZERO_BYTES
		                          : (uint32_t)zc_max_u64(4096, zc_page_bytes());
	}
	ch.src_in_memory = (src->shape.caps & ZC_CAP_REG) && ch.size_bytes != ZC_SIZE_UNKNOWN &&
	                   ch.size_bytes >= SPLIT_BYTES_MIN && choose_is_on(src, "tmpfs");
	choose_residency(&ch);
	choice.keep_holes = choice.keep_holes && cfg->tee_count == 0 && !choose_has_no_holes(&ch);
	res = choose_routes(&ch, &why);
	if (res == 0) {
		res = choose_direct(&ch, &why);
	}
	if (res < 0) {
		*ret_why = why;
		return res;
	}
	choice.ahead = choose_is_scattered(&ch);
	if (choice.ahead) {
		choose_explain(&ch, "ahead: the next %u pieces of data are asked for while one is copied",
		               ZC_AHEAD_PIECES);
	}
	choose_lane(&ch);
	if (cfg->pace != NULL) {
		char rate[16];

		choose_explain(&ch, "limit: %s/s", zc_format_size(rate, cfg->pace->bytes_per_second));
	}
	*ret_choice = choice;
	return 0;
}
