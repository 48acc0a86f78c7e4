/*
 * names: --files-from and --exclude-from as files. The first byte says what ends a line. A reader of another
 * make, which keeps the components in a list, must find the same names on the same lines; none leads out of
 * the source.
 */
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <sys/mman.h>
#include <unistd.h>

#include "fuzz.h"
#include "zcopy/job.h"

struct line {
	const uint8_t *at;
	size_t len;
	unsigned number;
};

/* The next line that says something. */
static bool next_line(struct fuzz_input *input, bool nul, unsigned *ended, struct line *ret)
{
	while (input->left > 0) {
		struct line line = { .at = input->at, .number = *ended + 1 };
		bool done = false;

		while (!done && input->left > 0) {
			unsigned byte = fuzz_byte(input);

			done = nul ? byte == '\0' : byte == '\n' || byte == '\r';
			*ended += nul ? done : byte == '\n';
			line.len += !done;
		}
		if (line.len > 0 && line.at[0] != '#' && line.at[0] != ';') {
			*ret = line;
			return true;
		}
	}
	return false;
}

/* What the line means: 0, or what zc_names_next says. */
static int expect_name(const struct line *line, char name[PATH_MAX], bool *ret_inside)
{
	static const char *parts[PATH_MAX];
	static size_t lens[PATH_MAX];
	char text[PATH_MAX];
	unsigned count = 0;
	size_t used = 0;

	if (line->len >= PATH_MAX) {
		return -ENAMETOOLONG;
	}
	if (memchr(line->at, '\0', line->len)) {
		return -EINVAL;
	}
	snprintf(text, sizeof(text), "%.*s", (int)line->len, (const char *)line->at);
	for (char *at = text;; at++) {
		size_t len = strcspn(at, "/");

		*ret_inside = len == 0 || strncmp(at, "..", zc_max_u64(len, 1)) == 0;
		if (len == 2 && strncmp(at, "..", 2) == 0) {
			if (count == 0) {
				return -EXDEV;
			}
			count--;
		} else if (!*ret_inside) {
			parts[count] = at;
			lens[count++] = len;
		}
		at += len;
		if (*at == '\0') {
			break;
		}
	}
	snprintf(name, PATH_MAX, ".");
	for (unsigned i = 0; i < count; i++) {
		used += (size_t)snprintf(name + used, PATH_MAX - used, "%s%.*s", i > 0 ? "/" : "",
		                         (int)lens[i], parts[i]);
	}
	return 0;
}

static void check_names(const char *file, struct fuzz_input input, bool nul)
{
	struct zc_names *names;
	struct line line;
	unsigned ended = 0;

	zc_verify(zc_names_open(&names, file, nul) == 0);
	while (next_line(&input, nul, &ended, &line)) {
		static char expected[PATH_MAX];
		const char *name = NULL;
		const char *why = NULL;
		bool expected_inside = false;
		bool inside = false;
		int err = expect_name(&line, expected, &expected_inside);
		int res = zc_names_next(names, &name, &inside, &why);

		zc_verify(zc_names_line(names) == line.number);
		zc_verify(res == (err == 0 ? 1 : err));
		if (res < 0) {
			zc_verify(why && *why);
			continue;
		}
		zc_verify(strcmp(name, expected) == 0 && inside == expected_inside);
		zc_verify(*name != '/' && strcmp(name, "..") != 0 && strncmp(name, "../", 3) != 0);
	}
	for (int i = 0; i < 2; i++) { /* the end stays the end */
		const char *name;
		const char *why;
		bool inside;

		zc_verify(zc_names_next(names, &name, &inside, &why) == 0);
	}
	zc_names_close(names);
}

/* Rules of a file are the same as rules given one by one. */
static void check_rules(const char *file, struct fuzz_input input, bool nul)
{
	struct fuzz_input probe = input;
	struct zc_filter *by_file;
	struct zc_filter *by_hand;
	struct line line;
	const char *why = NULL;
	unsigned ended = 0;
	unsigned number = 0;
	int res = 0;

	zc_verify(zc_filter_new(&by_file) == 0 && zc_filter_new(&by_hand) == 0);
	while (res == 0 && next_line(&input, nul, &ended, &line)) {
		char *text = fuzz_copy(line.at, line.len);

		res = strlen(text) != line.len && line.len < PATH_MAX ? -EINVAL : 0;
		res = res == 0 && line.len >= PATH_MAX ? -ENAMETOOLONG : res;
		res = res == 0 ? zc_filter_add(by_hand, true, text, &why) : res;
		number = res < 0 ? line.number : 0;
		free(text);
	}
	ended = 0;
	zc_verify(zc_filter_add_file(by_file, file, true, nul, &why, &ended) == res);
	zc_verify(ended == number);
	while (probe.left > 0) {
		char *path = fuzz_text(&probe, '\n');

		zc_verify(zc_filter_excludes(by_file, path, true) == zc_filter_excludes(by_hand, path, true));
		free(path);
	}
	zc_filter_free(by_file);
	zc_filter_free(by_hand);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len_bytes)
{
	static int fd = -1;
	struct fuzz_input input = { data, len_bytes };
	bool nul = fuzz_byte(&input) & 1;
	char file[40];

	if (fd < 0) {
		fd = memfd_create("list", MFD_CLOEXEC);
	}
	zc_verify(fd >= 0 && ftruncate(fd, 0) == 0);
	zc_verify(pwrite(fd, input.at, input.left, 0) == (ssize_t)input.left);
	snprintf(file, sizeof(file), "/proc/self/fd/%d", fd);
	check_names(file, input, nul);
	check_rules(file, input, nul);
	return 0;
}
