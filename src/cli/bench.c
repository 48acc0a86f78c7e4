/* bench.c: the commands bench and tune, from the user's words to the results. */
#include "bench.h"

#include <string.h>
#include <unistd.h>

#include "output.h"

#define STATUS_FAILED 1

/* On a terminal, one line that is written over. */
static void bench_show(const struct zc_args *args, const struct zc_bench *bench)
{
	char where[160] = "";

	if (args->job.quiet || !isatty(STDERR_FILENO)) {
		return;
	}
	if (bench != NULL) {
		zc_bench_where(bench, where, sizeof(where));
	}
	fprintf(stderr, "\r%.*s\033[K", 78, where);
}

static int bench_compose(const void *what, FILE *stream)
{
	return zc_bench_write(what, stream);
}

static int bench_say(const struct zc_args *args, const struct zc_bench *bench, FILE *file)
{
	if (!args->job.quiet) {
		zc_bench_print(bench, file == stdout ? stderr : stdout);
	}
	return file != NULL ? output_put_report(args, file, bench_compose, bench) : 0;
}

int bench_main(const struct zc_args *args)
{
	struct zc_bench_cfg cfg = args->bench;
	struct zc_bench *bench;
	char why[600];
	const char *failed;
	int status;
	int said;
	FILE *file = output_open_report(args, &status);

	if (status != 0) {
		return status;
	}
	cfg.job = args->job;
	status = zc_bench_open(&bench, &cfg, why, sizeof(why));
	if (status != 0) {
		if (!zc_stopped()) {
			fprintf(stderr, "zcopy: %s\n", why);
		}
		output_close_report(file);
		return status;
	}
	do {
		bench_show(args, bench);
	} while (zc_bench_step(bench));
	bench_show(args, NULL);
	status = zc_bench_finish(bench, &failed);
	if (status != 0) {
		fprintf(stderr, "zcopy: %s\n", failed);
	}
	said = bench_say(args, bench, file);
	zc_bench_close(bench);
	return status > said ? status : said;
}

int tune_main(const struct zc_args *args)
{
	struct zc_bench_cfg cfg = args->bench;
	char why[600] = "";
	int status;

	cfg.job = args->job;
	status = zc_tune(&cfg, args->job.quiet ? NULL : stdout, why, sizeof(why));
	if (status != 0 && !zc_stopped()) {
		fprintf(stderr, "zcopy: %s\n", why);
	}
	return status;
}
