/*
 * output.c: a report must never cost what it reports on. Its file is opened, but not emptied, before the
 * copy, so that an unwritable one is said early; compared with every end; emptied and written at the end.
 */
#include "output.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define STATUS_FAILED   1
#define STATUS_USAGE    2
#define STATUS_NO_SPACE 5
#define STATUS_REFUSED  9

static bool output_same(const struct stat *a, const struct stat *b)
{
	return a->st_dev == b->st_dev && a->st_ino == b->st_ino;
}

/* What an operand leads to now; false when there is nothing. */
static bool output_stat_end(const char *text, enum zc_dir dir, struct stat *ret_st)
{
	struct zc_uri uri;
	const char *why;

	if (zc_uri_parse(&uri, text, dir, &why) < 0) {
		return false;
	}
	if (uri.kind == ZC_END_FD) {
		return fstat(uri.fd, ret_st) == 0;
	}
	return uri.kind == ZC_END_PATH && fstatat(AT_FDCWD, uri.path, ret_st, 0) == 0;
}

bool output_stdout_is_an_end(const struct zc_job_cfg *cfg)
{
	struct stat end;
	struct stat out;

	for (unsigned i = 0; i < cfg->tee_count; i++) {
		if (output_stat_end(cfg->tees[i].end, ZC_DIR_DST, &end) && fstat(STDOUT_FILENO, &out) == 0 &&
		    output_same(&end, &out)) {
			return true;
		}
	}
	/* two directories' entries may be alike, two names of one tty are no data */
	return !cfg->dest_is_dir && output_stat_end(cfg->dest, ZC_DIR_DST, &end) &&
	       fstat(STDOUT_FILENO, &out) == 0 && output_same(&end, &out);
}

/* DEST/name of a source that is copied into a directory. */
static bool output_is_in_dest(const struct zc_job_cfg *cfg, const char *source, const struct stat *report)
{
	char path[4096];
	const char *name = strrchr(source, '/');
	struct stat st;

	name = name == NULL ? source : name + 1;
	return snprintf(path, sizeof(path), "%s/%s", cfg->dest, name) < (int)sizeof(path) &&
	       fstatat(AT_FDCWD, path, &st, 0) == 0 && output_same(&st, report);
}

static bool output_is_an_end(const struct zc_job_cfg *cfg, const struct stat *report)
{
	struct stat st;

	if (S_ISCHR(report->st_mode)) {
		return false; /* a tty or /dev/null may be both */
	}
	if (output_stat_end(cfg->dest, ZC_DIR_DST, &st) && output_same(&st, report)) {
		return true;
	}
	for (unsigned i = 0; i < cfg->tee_count; i++) {
		if (output_stat_end(cfg->tees[i].end, ZC_DIR_DST, &st) && output_same(&st, report)) {
			return true;
		}
	}
	for (unsigned i = 0; i < cfg->source_count; i++) {
		if ((output_stat_end(cfg->sources[i], ZC_DIR_SRC, &st) && output_same(&st, report)) ||
		    output_is_in_dest(cfg, cfg->sources[i], report)) {
			return true;
		}
	}
	return false;
}

/* Our own new file, or the one that is there. */
static int output_open(const char *path, bool *ret_made)
{
	int fd = openat(AT_FDCWD, path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOCTTY, 0666);

	*ret_made = fd >= 0;
	return fd >= 0 ? fd : openat(AT_FDCWD, path, O_WRONLY | O_CREAT | O_CLOEXEC | O_NOCTTY, 0666);
}

static FILE *output_open_file(const struct zc_args *args, int *ret_status)
{
	const char *path = args->report_path;
	struct stat st;
	FILE *file;
	bool made;
	int fd = output_open(path, &made);

	if (fd < 0 || fstat(fd, &st) < 0) {
		fprintf(stderr, "zcopy: %s: cannot open the report: %s\n", path, strerror(errno));
		*ret_status = STATUS_FAILED;
	} else if (output_is_an_end(&args->job, &st)) {
		fprintf(stderr, "zcopy: %s: the report would overwrite an end of this copy\n", path);
		*ret_status = STATUS_REFUSED;
		if (made) {
			(void)unlinkat(AT_FDCWD, path, 0);
		}
	} else {
		file = fdopen(fd, "w");
		if (file != NULL) {
			*ret_status = 0;
			return file;
		}
		fprintf(stderr, "zcopy: %s: cannot open the report: %s\n", path, strerror(errno));
		*ret_status = STATUS_FAILED;
	}
	if (fd >= 0) {
		close(fd);
	}
	return NULL;
}

FILE *output_open_report(const struct zc_args *args, int *ret_status)
{
	*ret_status = 0;
	if (args->report_path == NULL) {
		return NULL;
	}
	if (strcmp(args->report_path, "-") != 0) {
		return output_open_file(args, ret_status);
	}
	if (output_stdout_is_an_end(&args->job)) {
		fprintf(stderr, "zcopy: --report=-: standard output is an end of this copy\n"
		                "Try 'zcopy --help' for more information.\n");
		*ret_status = STATUS_USAGE;
		return NULL;
	}
	return stdout;
}

void output_close_report(FILE *file)
{
	if (file != NULL && file != stdout) {
		(void)fclose(file);
	}
}

/* At once, or the stream forgets why a byte of it could not be written. */
static int output_put(FILE *file, const char *text, size_t len)
{
	errno = EIO;
	return fwrite(text, 1, len, file) != len || fflush(file) != 0 ? -errno : 0;
}

static int output_replace(FILE *file, const char *text, size_t len)
{
	struct stat st;

	if (file != stdout && fstat(fileno(file), &st) == 0 && S_ISREG(st.st_mode) &&
	    ftruncate(fileno(file), 0) < 0) {
		return -errno;
	}
	return output_put(file, text, len);
}

static int output_compose(char **ret_text, size_t *ret_len, int (*compose)(const void *what, FILE *stream),
                          const void *what)
{
	FILE *stream = open_memstream(ret_text, ret_len);
	int res = stream == NULL ? -ENOMEM : compose(what, stream);

	if (stream != NULL && fclose(stream) != 0 && res == 0) {
		res = -ENOMEM;
	}
	return res;
}

int output_put_report(const struct zc_args *args, FILE *file, int (*compose)(const void *what, FILE *stream),
                      const void *what)
{
	char *text = NULL;
	size_t len = 0;
	int res = output_compose(&text, &len, compose, what);

	if (res == 0) {
		res = output_replace(file, text, len);
	}
	if (file != stdout && fclose(file) != 0 && res == 0) {
		res = -errno;
	}
	free(text);
	if (res < 0) {
		fprintf(stderr, "zcopy: %s: cannot write the report: %s\n", args->report_path,
		        strerror(-res));
		return res == -ENOSPC || res == -EDQUOT || res == -EFBIG ? STATUS_NO_SPACE : STATUS_FAILED;
	}
	return 0;
}
