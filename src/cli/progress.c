/*
 * progress.c: the bar. Bytes read, written and durable are different things and are shown apart: a bar
 * that runs ahead of the disk is a lie told to the person who pulls the plug.
 */
#include "progress.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define TICK_NS       200000000ull
#define SHOW_AFTER_NS 1000000000ull
#define STALLED_NS    500000000ull
/* auto: smaller copies are over before anybody could read a bar */
#define WORTH_BYTES (64 * ZC_MIB)

/* The bytes of all sources, or ZC_SIZE_UNKNOWN. Trees are counted while they are copied. */
static uint64_t progress_total(const struct zc_job_cfg *cfg, bool *ret_trees)
{
	uint64_t total = 0;

	*ret_trees = false;

	for (unsigned i = 0; i < cfg->source_count; i++) {
		struct zc_uri uri;
		const char *why;
		struct stat st;

		if (zc_uri_parse(&uri, cfg->sources[i], ZC_DIR_SRC, &why) < 0) {
			continue;
		}
		if (uri.kind == ZC_END_ZERO || uri.kind == ZC_END_GEN) {
			total += uri.size_bytes;
		} else if (uri.kind != ZC_END_PATH || fstatat(AT_FDCWD, uri.path, &st, 0) < 0 ||
		           (!S_ISREG(st.st_mode) && !S_ISDIR(st.st_mode))) {
			return ZC_SIZE_UNKNOWN;
		} else if (S_ISDIR(st.st_mode)) {
			*ret_trees = cfg->recursive;
		} else {
			total += (uint64_t)st.st_size;
		}
	}
	return total;
}

/* ---- SIGUSR1: one line at once, whatever the program waits for */

static struct zc_progress *progress_shown; /* what the handler reads; NULL: nothing to tell */
static uint64_t progress_began_ns;

struct line {
	char text[160];
	size_t len;
};

static void line_text(struct line *line, const char *text)
{
	while (*text != '\0' && line->len < sizeof(line->text)) {
		line->text[line->len++] = *text++;
	}
}

/* printf may not be called in a handler. */
static void line_number(struct line *line, uint64_t value)
{
	char digits[21];
	size_t at = sizeof(digits) - 1;

	digits[at] = '\0';
	do {
		digits[--at] = (char)('0' + value % 10);
		value /= 10;
	} while (value > 0);
	line_text(line, digits + at);
}

static const char *progress_waits_for(const struct zc_progress *counters)
{
	switch (atomic_load_explicit(&counters->waiting, memory_order_relaxed)) {
	case ZC_SIDE_SRC:
		return "producer";
	case ZC_SIDE_DST:
		return "consumer";
	default:
		return NULL;
	}
}

static void progress_on_signal(int number)
{
	const struct zc_progress *counters = progress_shown;
	struct line line = { .len = 0 };
	const char *side;
	uint64_t ms;
	int saved = errno;

	(void)number;
	if (counters == NULL) {
		return;
	}
	ms = (zc_now_ns() - progress_began_ns) / 1000000;
	side = progress_waits_for(counters);
	line_text(&line, "zcopy: ");
	line_number(&line, atomic_load_explicit(&counters->read, memory_order_relaxed));
	line_text(&line, " bytes read, ");
	line_number(&line, atomic_load_explicit(&counters->written, memory_order_relaxed));
	line_text(&line, " written in ");
	line_number(&line, ms / 1000);
	line_text(&line, ".");
	line_number(&line, ms / 100 % 10);
	line_text(&line, " s");
	if (side != NULL) {
		line_text(&line, ", waiting for ");
		line_text(&line, side);
	}
	line_text(&line, "\n");
	(void)!write(STDERR_FILENO, line.text, line.len);
	errno = saved;
}

static void progress_on_request(struct zc_progress *counters, uint64_t started_ns)
{
	const struct sigaction action = { .sa_handler = progress_on_signal, .sa_flags = SA_RESTART };
	struct sigaction old;

	if (sigaction(SIGUSR1, NULL, &old) == 0 && old.sa_handler != SIG_IGN) {
		progress_shown = counters;
		progress_began_ns = started_ns;
		sigaction(SIGUSR1, &action, NULL);
	}
}

void progress_no_signal(void)
{
	progress_shown = NULL;
}

/* ---- the bar, and objects */

static bool progress_in_foreground(void)
{
	return tcgetpgrp(STDERR_FILENO) == getpgrp();
}

static void progress_erase(struct progress *progress)
{
	if (progress->shown) {
		fputs("\r\033[K", stderr);
		fflush(stderr);
		progress->shown = false;
	}
}

static void progress_rate(struct progress *progress, uint64_t now_ns, uint64_t written)
{
	double seconds = (double)(now_ns - progress->last_ns) / 1e9;
	/* a source that changed is copied once more, from 0 */
	uint64_t more = written > progress->last_written ? written - progress->last_written : 0;
	double now = seconds > 0 ? (double)more / seconds : 0;

	progress->rate = progress->last_ns == progress->started_ns ? now : progress->rate * 0.7 + now * 0.3;
	progress->still_ns = more > 0 ? now_ns : progress->still_ns;
	progress->last_ns = now_ns;
	progress->last_written = written;
}

/* Whom nothing has come from, or gone to, for a while; NULL: bytes move. */
static const char *progress_stalled(const struct progress *progress)
{
	return progress->last_ns - progress->still_ns < STALLED_NS ? NULL
	                                                           : progress_waits_for(progress->counters);
}

static void progress_json(const struct progress *progress, uint64_t now_ns)
{
	const struct zc_progress *counters = progress->counters;
	uint64_t total = atomic_load_explicit(&counters->total, memory_order_relaxed);
	uint64_t resumed = atomic_load_explicit(&counters->resumed, memory_order_relaxed);
	uint64_t buffer = atomic_load_explicit(&counters->buffer, memory_order_relaxed);
	const char *stalled = progress_stalled(progress);

	fprintf(stderr, "{\"seconds\":%.3f,\"read\":%" PRIu64 ",\"written\":%" PRIu64 ",\"durable\":%" PRIu64,
	        (double)(now_ns - progress->started_ns) / 1e9,
	        atomic_load_explicit(&counters->read, memory_order_relaxed),
	        atomic_load_explicit(&counters->written, memory_order_relaxed),
	        atomic_load_explicit(&counters->durable, memory_order_relaxed));
	if (total != ZC_SIZE_UNKNOWN) {
		fprintf(stderr, ",\"total\":%" PRIu64, total);
	}
	if (resumed > 0) {
		fprintf(stderr, ",\"resumed\":%" PRIu64, resumed);
	}
	if (atomic_load_explicit(&counters->items_done, memory_order_relaxed) > 0) {
		fprintf(stderr, ",\"items\":%" PRIu64 ",\"items_found\":%" PRIu64,
		        atomic_load_explicit(&counters->items_done, memory_order_relaxed),
		        atomic_load_explicit(&counters->items_found, memory_order_relaxed));
	}
	if (buffer > 0) {
		fprintf(stderr, ",\"buffered\":%" PRIu64 ",\"buffer\":%" PRIu64,
		        atomic_load_explicit(&counters->buffered, memory_order_relaxed), buffer);
	}
	if (stalled != NULL) {
		fprintf(stderr, ",\"waiting_for\":\"%s\"", stalled);
	}
	fprintf(stderr, ",\"rate\":%.0f}\n", progress->rate);
	fflush(stderr);
}

static void progress_bar(struct progress *progress)
{
	const struct zc_progress *counters = progress->counters;
	uint64_t total = atomic_load_explicit(&counters->total, memory_order_relaxed);
	uint64_t written = progress->last_written;
	uint64_t there = written + atomic_load_explicit(&counters->resumed, memory_order_relaxed);
	char read_text[16];
	char written_text[16];
	char durable_text[16];
	char rate_text[16];
	char share[64] = "";
	char items[64] = "";
	char filled[24] = "";
	uint64_t buffer = atomic_load_explicit(&counters->buffer, memory_order_relaxed);
	const char *stalled = progress_stalled(progress);
	uint64_t done = atomic_load_explicit(&counters->items_done, memory_order_relaxed);
	uint64_t found = atomic_load_explicit(&counters->items_found, memory_order_relaxed);

	if (total != ZC_SIZE_UNKNOWN && total > 0) {
		uint64_t left = total > there ? total - there : 0;
		uint64_t eta = progress->rate > 1 ? zc_clamp_u64((double)left / progress->rate) : 0;

		snprintf(share, sizeof(share), "%3u%%  ETA %u:%02u  ",
		         (unsigned)((double)zc_min_u64(there, total) * 100 / (double)total),
		         (unsigned)(eta / 60), (unsigned)(eta % 60));
	}
	if (buffer > 0) {
		snprintf(filled, sizeof(filled), "  buffer %3u%%",
		         (unsigned)(atomic_load_explicit(&counters->buffered, memory_order_relaxed) * 100 /
		                    buffer));
	}
	if (done > 0) { /* the copy may be ahead of the count */
		snprintf(items, sizeof(items), "%" PRIu64 " of %" PRIu64 " items  ", done,
		         zc_max_u64(done, found));
	}
	fprintf(stderr, "\r\033[K%s%s%s/s  read %s  written %s  durable %s%s%s%s", share, items,
	        zc_format_size(rate_text, zc_clamp_u64(progress->rate)),
	        zc_format_size(read_text, atomic_load_explicit(&counters->read, memory_order_relaxed)),
	        zc_format_size(written_text, written),
	        zc_format_size(durable_text, atomic_load_explicit(&counters->durable, memory_order_relaxed)),
	        filled, stalled != NULL ? "  waiting for " : "", stalled != NULL ? stalled : "");
	fflush(stderr);
	progress->shown = true;
}

static void progress_tick(struct progress *progress)
{
	uint64_t now_ns = zc_now_ns();

	progress_rate(progress, now_ns,
	              atomic_load_explicit(&progress->counters->written, memory_order_relaxed));
	if (progress->mode == ZC_PROGRESS_JSON) {
		progress_json(progress, now_ns);
	} else if (progress->mode == ZC_PROGRESS_ALWAYS ||
	           (now_ns - progress->started_ns >= SHOW_AFTER_NS && progress_in_foreground())) {
		progress_bar(progress);
	}
}

static void *progress_thread(void *arg)
{
	struct progress *progress = arg;

	pthread_mutex_lock(&progress->lock);
	while (!progress->stop) {
		struct timespec until;
		uint64_t at = zc_now_ns() + TICK_NS;

		until.tv_sec = (time_t)(at / 1000000000ull);
		until.tv_nsec = (long)(at % 1000000000ull);
		if (pthread_cond_timedwait(&progress->wake, &progress->lock, &until) == ETIMEDOUT &&
		    !progress->stop) {
			progress_tick(progress);
		}
	}
	pthread_mutex_unlock(&progress->lock);
	return NULL;
}

void progress_start(struct progress *progress, struct zc_args *args, struct zc_progress *counters,
                    uint64_t started_ns)
{
	pthread_condattr_t attr;
	bool trees;
	uint64_t total;
	sigset_t all;
	sigset_t old;

	*progress = (struct progress){
		.counters = counters,
		.started_ns = started_ns,
		.last_ns = started_ns,
		.still_ns = started_ns,
		.mode = args->progress,
	};
	if (!args->job.gnu_cp) {
		progress_on_request(counters, started_ns);
	}
	if (args->progress == ZC_PROGRESS_NEVER || args->job.dry_run ||
	    (args->progress == ZC_PROGRESS_AUTO && (args->job.quiet || !isatty(STDERR_FILENO)))) {
		return;
	}
	total = progress_total(&args->job, &trees);
	if (args->progress == ZC_PROGRESS_AUTO && total < WORTH_BYTES && !trees) {
		return;
	}
	args->job.count_ahead = trees;
	args->job.count_after_ns = args->progress == ZC_PROGRESS_AUTO ? SHOW_AFTER_NS : 0;
	atomic_store(&counters->total, total);
	pthread_mutex_init(&progress->lock, NULL);
	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	pthread_cond_init(&progress->wake, &attr);
	pthread_condattr_destroy(&attr);
	sigfillset(&all); /* signals are for the thread that copies */
	pthread_sigmask(SIG_SETMASK, &all, &old);
	progress->running = pthread_create(&progress->thread, NULL, progress_thread, progress) == 0;
	pthread_sigmask(SIG_SETMASK, &old, NULL);
}

void progress_pause(struct progress *progress)
{
	if (progress->running) {
		pthread_mutex_lock(&progress->lock);
		progress_erase(progress);
	}
}

void progress_resume(struct progress *progress)
{
	if (progress->running) {
		pthread_mutex_unlock(&progress->lock);
	}
}

void progress_stop(struct progress *progress)
{
	if (!progress->running) {
		return;
	}
	pthread_mutex_lock(&progress->lock);
	progress->stop = true;
	pthread_cond_signal(&progress->wake);
	pthread_mutex_unlock(&progress->lock);
	pthread_join(progress->thread, NULL);
	if (progress->mode == ZC_PROGRESS_JSON || progress->mode == ZC_PROGRESS_ALWAYS) {
		progress_tick(progress); /* the last line says where it ended */
	}
	if (progress->mode == ZC_PROGRESS_ALWAYS) {
		fputc('\n', stderr);
	} else {
		progress_erase(progress);
	}
	progress->running = false;
}
