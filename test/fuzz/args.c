/*
 * args: a command line, one word a line, argv[0] first ("cp": GNU's personality); a line "$NAME=VALUE" is for
 * the environment. It is parsed, never run: 0, or a refusal of one clean line with the result untouched; and
 * the words as getopt has ordered them mean the same once more. Whether there is SELinux is made up.
 */
#include "args.h"

#include <errno.h>
#include <linux/magic.h>
#include <sys/vfs.h>

#include "fuzz.h"

enum {
	WORDS_MAX = 64,
};

struct vector {
	int count;
	char *words[WORDS_MAX + 1];
};

static const char *const variables[] = { "ZCOPY_ENGINE", "ZCOPY_JOBS", "VERSION_CONTROL",
	                                 "SIMPLE_BACKUP_SUFFIX" };

/* In place of filter.c's: a name may be a device that never ends. */
int __wrap_zc_filter_add_file(struct zc_filter *filter, const char *path, bool exclude, bool nul,
                              const char **ret_why, unsigned *ret_line);
int __wrap_zc_filter_add_file(struct zc_filter *filter, const char *path, bool exclude, bool nul,
                              const char **ret_why, unsigned *ret_line)
{
	(void)filter;
	(void)exclude;
	(void)nul;
	if (*path == 'e' || *path == 'l') {
		*ret_why = "it cannot be opened";
		*ret_line = *path == 'l' ? 7 : 0;
		return -ENOENT;
	}
	return 0;
}

static bool selinux;

int FUZZ_WRAP(statfs)(const char *path, struct statfs *ret_fs);
int FUZZ_WRAP(statfs)(const char *path, struct statfs *ret_fs)
{
	zc_verify(strcmp(path, "/sys/fs/selinux") == 0);
	*ret_fs = (struct statfs){ .f_type = (__typeof__(ret_fs->f_type))SELINUX_MAGIC };
	return selinux ? 0 : -1;
}

int __wrap_faccessat(int dir_fd, const char *path, int mode, int flags);
int __wrap_faccessat(int dir_fd, const char *path, int mode, int flags)
{
	(void)dir_fd;
	(void)mode;
	(void)flags;
	return strchr(path, '.') ? -1 : 0;
}

static void set_variable(const char *text)
{
	static char room[ZC_ARRAY_LEN(variables)][300]; /* setenv would keep memory */

	for (size_t i = 0; i < ZC_ARRAY_LEN(variables); i++) {
		size_t len = strlen(variables[i]);

		if (strncmp(text, variables[i], len) == 0 && text[len] == '=') {
			snprintf(room[i], sizeof(room[i]), "%s", text);
			putenv(room[i]);
		}
	}
}

static void check_message(const char *message, bool gnu_cp)
{
	char line[ZC_ARGS_MESSAGE_BYTES];

	zc_verify(*message != '\0' && (gnu_cp || !strchr(message, '\n')));
	zc_verify(strlen(message) + 1 < ZC_ARGS_MESSAGE_BYTES); /* it was not cut */
	while (*message != '\0') {
		size_t len = strcspn(message, "\n");

		snprintf(line, sizeof(line), "%.*s", (int)len, message);
		zc_verify(fuzz_is_clean(line));
		message += len + (message[len] == '\n');
	}
}

static bool is_word(const struct vector *vector, const char *text)
{
	for (int i = 0; i < vector->count; i++) {
		size_t len = strlen(vector->words[i]);

		if (text >= vector->words[i] && text <= vector->words[i] + len) {
			return true;
		}
	}
	return false;
}

/* What everybody behind relies on. */
static void check_args(const struct vector *vector, const struct zc_args *args)
{
	const struct zc_job_cfg *job = &args->job;

	if (args->command != ZC_COMMAND_COPY && args->command != ZC_COMMAND_VERIFY) {
		return;
	}
	zc_verify(job->source_count > 0 && job->dest && is_word(vector, job->dest));
	for (unsigned i = 0; i < job->source_count; i++) {
		zc_verify(is_word(vector, job->sources[i]));
	}
	zc_verify(job->block_bytes % 512 == 0 && job->block_bytes <= 64 * ZC_MIB);
	zc_verify(job->queue_depth <= 4096 && job->jobs <= 256 && job->numa_node >= ZC_NODE_ANY);
	zc_verify((job->require & ~job->preserve) == 0);
	zc_verify(!job->backup_suffix || (*job->backup_suffix && !strchr(job->backup_suffix, '/')));
	zc_verify(job->filter == args->filter && !(job->dest_is_dir && job->dest_is_file));
	zc_verify(!(job->make_hard_links && job->make_symlinks));
	zc_verify((args->command == ZC_COMMAND_VERIFY) == job->compare);
}

/* 0 or the refusal. The filter has been freed: args is for comparing. */
static int parse(struct vector *vector, struct zc_args *args)
{
	struct zc_args before;
	char message[ZC_ARGS_MESSAGE_BYTES] = "";
	bool gnu_cp = zc_args_is_cp(vector->words[0]);
	int err;

	memset(args, 0x55, sizeof(*args));
	before = *args;
	err = zc_args_parse(args, vector->count, vector->words, message, sizeof(message));
	zc_verify(err == 0 || err == -EINVAL || (gnu_cp && err == -ECANCELED));
	if (err != 0) {
		zc_verify(memcmp(args, &before, sizeof(before)) == 0);
		check_message(message, gnu_cp);
		return err;
	}
	check_args(vector, args);
	zc_args_close(args);
	args->job.sources = NULL; /* it is where it is now */
	return 0;
}

static void read_words(struct vector *vector, struct fuzz_input *input)
{
	while (input->left > 0 && vector->count < WORDS_MAX) {
		char *word = fuzz_text(input, '\n');

		if (word[0] == '$' && vector->count > 0) {
			set_variable(word + 1);
			free(word);
		} else {
			vector->words[vector->count++] = word;
		}
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len_bytes)
{
	struct fuzz_input input = { data, len_bytes };
	struct vector vector = { .count = 0 };
	struct vector given;
	struct zc_args first;
	struct zc_args again;
	int err;

	for (size_t i = 0; i < ZC_ARRAY_LEN(variables); i++) {
		unsetenv(variables[i]);
	}
	read_words(&vector, &input);
	given = vector;
	if (vector.count > 0) {
		selinux = strstr(vector.words[0], "selinux/") != NULL;
		err = parse(&vector, &first);
		if (err == 0 && first.command != ZC_COMMAND_HELP && first.command != ZC_COMMAND_VERSION) {
			zc_verify(parse(&vector, &again) == 0);
			zc_verify(memcmp(&first, &again, sizeof(first)) == 0);
		}
	}
	while (given.count > 0) {
		free(given.words[--given.count]);
	}
	return 0;
}
