/*
 * zcopy: moves bytes between any two ends; a destination is the old file or the whole new one.
 *
 * The map of the house (docs/design.md tells it at length; each room has a header in include/zcopy):
 *
 *   cli       main.c this file | option.c values.c args.c the command line | help.c | output.c the report's
 *             file | progress.c the bar | bench.c the command bench
 *   bench     run.c rounds of runs | arms.c what is compared | disk.c files and what is cached of them |
 *             work.c one run | facts.c the host | stats.c hist.c summary.c | print.c write.c |
 *             tune.c the race of zcopy tune
 *   job       run.c a command line, operand by operand | aim.c, target.c where it goes | source.c what is
 *             read | allow.c same.c seen.c may it be | item.c one of them, from end to end
 *             choose.c which way and why | copy.c span by span, once more on change | lane.c engine, pool
 *             and pipe | steer.c, tune.c its requests' size and number, profile.c what is known of them
 *             split.c two lanes for one file | sink.c, commit.c how a file appears
 *             make.c names without data | meta.c attributes | backup.c | parents.c | gnu.c, words.c as cp
 *             sandbox.c what the kernel shall let us touch
 *             trees: root.c the top | tree.c threads and piles of work | walk.c directories | entry.c one
 *             name | small.c the short way | links.c hard links | census.c counts ahead | filter.c
 *             verify.c compare.c pairs.c two trees | check.c hash.c manifest.c | report.c what happened
 *             tee.c further destinations
 *   route     reflink.c cfr.c sendfile.c splice.c: the kernel moves a span | buffer.c: our buffers do
 *             store.c --buffer: two threads | fan.c --tee | pace.c --limit
 *   endpoint  file.c stream.c synth.c: what an end is and which request moves its bytes | block.c who uses it
 *             tcp.c how a peer is met and left
 *   engine    uring.c | sync.c: perform requests, pulled completions
 *   mem       page.c huge page ladder | topo.c NUMA | pool.c buffers of one lane
 *   base      errors, numbers, names of ends, quoting, JSON; confine.c
 *   arch      what depends on the instruction set
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio_ext.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <unistd.h>

#include "args.h"
#include "bench.h"
#include "output.h"
#include "progress.h"

#define STATUS_FAILED 1
#define STATUS_USAGE  2

/* ---- signals: the first asks the job to stop and clean up, the second ends us at once */

static void main_on_signal(int number)
{
	const struct itimerval nudge = { .it_interval = { .tv_usec = 50000 },
		                         .it_value = { .tv_usec = 50000 } };

	if (zc_stopped()) {
		signal(number, SIG_DFL);
		raise(number);
		return;
	}
	__atomic_store_n(&zc_stop_signal, number, __ATOMIC_RELAXED);
	/* a blocking call entered just now would miss this signal: interrupt it again and again */
	setitimer(ITIMER_REAL, &nudge, NULL);
}

static void main_on_nudge(int number)
{
	(void)number;
}

static void main_catch(int number, void (*handler)(int))
{
	struct sigaction old;
	struct sigaction action = { .sa_handler = handler }; /* no SA_RESTART: blocking calls shall return */

	if (sigaction(number, NULL, &old) == 0 && old.sa_handler == SIG_IGN) {
		return; /* as nohup and shells' background jobs want it */
	}
	sigaction(number, &action, NULL);
}

static void main_signals(bool *ret_epipe_is_error)
{
	const struct sigaction nudged = { .sa_handler = main_on_nudge };
	sigset_t set;

	main_catch(SIGINT, main_on_signal);
	main_catch(SIGTERM, main_on_signal);
	main_catch(SIGHUP, main_on_signal);
	sigaction(SIGALRM, &nudged, NULL); /* ours alone, whatever it was before */
	sigemptyset(&set);
	sigaddset(&set, SIGALRM);
	sigprocmask(SIG_UNBLOCK, &set, NULL);
	*ret_epipe_is_error =
	    signal(SIGPIPE, SIG_IGN) == SIG_IGN; /* EPIPE says it with the side that failed */
	signal(SIGXFSZ, SIG_IGN);                /* EFBIG says it */
}

/* A data file must never become descriptor 0, 1 or 2. What was closed fails when used. */
static void main_guard_descriptors(void)
{
	for (int fd = 0; fd <= 2; fd++) {
		if (fcntl(fd, F_GETFD) < 0 && errno == EBADF) {
			(void)!open("/dev/null", fd == 0 ? O_WRONLY : O_RDONLY);
		}
	}
}

/* ---- what is said */

static const char *main_name = "zcopy"; /* or what cp was called as: GNU's tools show their argv[0] */
static bool main_is_cp;

static int main_usage(const char *message, int err)
{
	fprintf(stderr, "%s: %s\n", main_name, message);
	if (err == -EINVAL) {
		fprintf(stderr, "Try '%s --help' for more information.\n", main_name);
	}
	return STATUS_USAGE;
}

static void main_show(struct zc_report *report, const struct zc_args *args, FILE *say)
{
	for (; report->msg_next < report->msg_count; report->msg_next++) {
		const struct zc_msg *msg = &report->msgs[report->msg_next];

		switch (msg->kind) {
		case ZC_MSG_ERROR:
			fprintf(stderr, "%s: %s\n", main_name, msg->text);
			break;
		case ZC_MSG_EXPLAIN:
			fprintf(stderr, "zcopy: explain: %s\n", msg->text);
			break;
		case ZC_MSG_SAY:
			if (!args->job.quiet) {
				fprintf(say, "%s\n", msg->text);
			}
			break;
		}
	}
}

/* Lost output is a failure: a full disk behind "zcopy -v > log" must not pass for success. */
static int main_close_stdout(void)
{
	bool failed = ferror(stdout) != 0;
	bool owed = __fpending(stdout) > 0;

	/* a closed stdout is no loss when there was nothing to say */
	if ((fclose(stdout) != 0 && (errno != EBADF || owed)) || failed) {
		fprintf(stderr, "%s: %s: %s\n", main_name,
		        main_is_cp ? "write error" : "standard output: cannot write", strerror(errno));
		return STATUS_FAILED;
	}
	return 0;
}

/* Ends by the signal itself, so that a shell sees what it would see of any program. Returns only when the
 * signal is kept from us. */
static int main_die(int number)
{
	sigset_t set;

	fflush(NULL);
	signal(number, SIG_DFL);
	sigemptyset(&set);
	sigaddset(&set, number);
	sigprocmask(SIG_UNBLOCK, &set, NULL);
	raise(number);
	return 128 + number;
}

/* ---- the run */

struct main_result {
	const struct zc_report *report;
	uint64_t total_ns;
};

static int main_compose(const void *what, FILE *stream)
{
	const struct main_result *result = what;

	return zc_report_write(result->report, stream, result->total_ns);
}

static int main_report(const struct zc_args *args, struct zc_report *report, FILE *file, uint64_t started_ns)
{
	struct main_result result = { report, zc_now_ns() - started_ns };

	if (args->stats && !args->job.quiet) {
		zc_report_print(report, stderr, result.total_ns);
	}
	return file != NULL ? output_put_report(args, file, main_compose, &result) : 0;
}

static int main_copy(struct zc_args *args, uint64_t started_ns)
{
	struct zc_progress counters = { 0 };
	struct progress progress;
	static struct zc_pace pace; /* args keeps its address */
	struct zc_job *job;
	struct zc_report *report;
	bool stdout_is_end = output_stdout_is_an_end(&args->job);
	int status;
	FILE *file = output_open_report(args, &status);

	if (status != 0) {
		return status;
	}
	if (args->limit_bytes != 0) {
		zc_pace_init(&pace, args->limit_bytes);
		args->job.pace = &pace;
	}
	if (zc_job_open(&job, &args->job, &counters) < 0) {
		fprintf(stderr, "%s: out of memory\n", main_name);
		output_close_report(file);
		return STATUS_FAILED;
	}
	report = zc_job_report(job);
	progress_start(&progress, args, &counters, started_ns);
	while (zc_job_step(job)) {
		progress_pause(&progress);
		main_show(report, args, stdout_is_end ? stderr : stdout);
		progress_resume(&progress);
	}
	progress_stop(&progress);
	zc_job_finish(job);
	progress_no_signal();
	if (report->words_lost) {
		fprintf(stderr, "%s: out of memory: not every error could be said\n", main_name);
	}
	main_show(report, args, stdout_is_end ? stderr : stdout);
	status = main_report(args, report, file, started_ns);
	status = status > report->status ? status : report->status;
	if (report->signal != 0) {
		status = main_die(report->signal);
	}
	zc_job_close(job);
	return status;
}

/* Parses and does what was asked. Returns the exit status. */
static int main_run(int argc, char **argv, uint64_t started_ns)
{
	struct zc_args args;
	char message[ZC_ARGS_MESSAGE_BYTES];
	int status = zc_args_parse(&args, argc, argv, message, sizeof(message));

	if (status < 0) {
		return main_usage(message, status);
	}
	main_signals(&args.job.epipe_is_error);
	args.job.program = main_name;
	args.job.umask = umask(0);
	umask(args.job.umask);
	switch (args.command) {
	case ZC_COMMAND_HELP:
		if (args.help_of_bench) {
			zc_args_help_bench(stdout);
		} else {
			zc_args_help(stdout, args.job.gnu_cp);
		}
		break;
	case ZC_COMMAND_BENCH:
	case ZC_COMMAND_TUNE:
		status = args.command == ZC_COMMAND_TUNE ? tune_main(&args) : bench_main(&args);
		if (zc_stopped()) {
			status = main_die(zc_stop_signal);
		}
		break;
	case ZC_COMMAND_VERSION:
		zc_args_version(stdout, args.job.gnu_cp);
		break;
	case ZC_COMMAND_VERIFY:
	case ZC_COMMAND_COPY:
		if (args.warning != NULL) {
			fprintf(stderr, "%s: %s\n", main_name, args.warning);
		}
		status = main_copy(&args, started_ns);
		break;
	}
	zc_args_close(&args);
	return status;
}

int main(int argc, char **argv)
{
	uint64_t started_ns = zc_now_ns();
	int status;
	int lost;

	main_guard_descriptors();
	main_is_cp = zc_args_is_cp(argv[0]);
	main_name = main_is_cp ? argv[0] : main_name;
	status = main_run(argc, argv, started_ns);
	lost = main_close_stdout();
	status = status > lost ? status : lost;
	/* cp knows 0 and 1; what is above 128 is a signal */
	return main_is_cp && status > 0 && status < 128 ? STATUS_FAILED : status;
}
