/*
 * manifest: --manifest's lines, read back as sha256sum -c reads them: the names that went in come out, in
 * their order. The file is one in memory, in place of commit.c and target.c, and writes to it are short.
 */
#include "manifest.h"

#include <errno.h>
#include <stdio.h>
#include <sys/mman.h>
#include <unistd.h>

#include "commit.h"
#include "fuzz.h"

static const char hex[] = "0123456789abcdef";
static int fd = -1;

int __wrap_target_open(struct target *ret_target, const char *path, enum target_link link,
                       const char **ret_refused);
void __wrap_target_close(struct target *target);
int __wrap_commit_begin(struct commit *ret_commit, const struct target *target, mode_t mode, mode_t mask,
                        struct zc_fallbacks *fallbacks, const char **ret_op);
int __wrap_commit_publish(struct commit *commit, bool keep_existing, const char **ret_op);
int __wrap_commit_end(struct commit *commit);
ssize_t __real_write(int to, const void *mem, size_t len);
ssize_t __wrap_write(int to, const void *mem, size_t len);

int __wrap_target_open(struct target *ret_target, const char *path, enum target_link link,
                       const char **ret_refused)
{
	(void)link;
	(void)ret_refused;
	*ret_target = (struct target){ .inherited_fd = -1 };
	return *path == '\0' ? -ENOENT : 0;
}

void __wrap_target_close(struct target *target)
{
	(void)target;
}

int __wrap_commit_begin(struct commit *ret_commit, const struct target *target, mode_t mode, mode_t mask,
                        struct zc_fallbacks *fallbacks, const char **ret_op)
{
	(void)mode;
	(void)mask;
	(void)fallbacks;
	(void)ret_op;
	*ret_commit = (struct commit){ .target = target, .fd = fd };
	return 0;
}

int __wrap_commit_publish(struct commit *commit, bool keep_existing, const char **ret_op)
{
	(void)keep_existing;
	(void)ret_op;
	return commit->fd == fd ? 0 : -EBADF;
}

int __wrap_commit_end(struct commit *commit)
{
	(void)commit;
	return 0;
}

ssize_t __wrap_write(int to, const void *mem, size_t len)
{
	return __real_write(to, mem, to == fd && len > 30000 ? 30000 : len);
}

/* One line as the tool reads it: a backslash in front says that there are escapes. */
static void check_line(const char *line, size_t len, const char *name)
{
	bool escaped = line[0] == '\\';
	const char *at = line + escaped;
	const char *end = line + len;

	zc_verify((size_t)(end - at) >= sizeof(hex) + 1 && memcmp(at, hex, sizeof(hex) - 1) == 0);
	at += sizeof(hex) - 1;
	zc_verify(memcmp(at, "  ", 2) == 0);
	for (at += 2; at < end; at++, name++) {
		char byte = *at;

		zc_verify(byte != '\n' && byte != '\r');
		if (escaped && byte == '\\') {
			at++;
			zc_verify(at < end && strchr("nr\\", *at));
			byte = *at == 'n' ? '\n' : *at == 'r' ? '\r' : '\\';
		}
		zc_verify(byte == *name);
	}
	zc_verify(*name == '\0');
}

/* Only little is listed often, lest it take long. */
static unsigned times_of(struct fuzz_input *input)
{
	return 1 + fuzz_byte(input) % (input->left < 400 ? 256 : 4);
}

static void check(struct fuzz_input names)
{
	unsigned times = times_of(&names);
	off_t len = lseek(fd, 0, SEEK_END);
	char *text = malloc((size_t)len + 1);
	char *line = text;

	zc_verify(text && pread(fd, text, (size_t)len, 0) == len);
	text[len] = '\0';
	while (names.left > 0) {
		char *name = fuzz_text(&names, '\0');

		for (unsigned i = 0; i < times; i++) {
			char *end = memchr(line, '\n', (size_t)(text + len - line));

			zc_verify(end);
			check_line(line, (size_t)(end - line), name);
			line = end + 1;
		}
		free(name);
	}
	zc_verify(line == text + len);
	free(text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len_bytes)
{
	struct fuzz_input input = { data, len_bytes };
	struct fuzz_input again = input;
	struct manifest *manifest;
	unsigned times = times_of(&input);
	const char *op = NULL;

	if (fd < 0) {
		fd = memfd_create("manifest", MFD_CLOEXEC);
	}
	zc_verify(fd >= 0 && ftruncate(fd, 0) == 0 && lseek(fd, 0, SEEK_SET) == 0);
	zc_verify(manifest_new(&manifest, "list", 022, &op) == 0);
	while (input.left > 0) {
		char *name = fuzz_text(&input, '\0');

		for (unsigned i = 0; i < times; i++) {
			manifest_add(manifest, hex, name);
		}
		free(name);
	}
	zc_verify(manifest_publish(manifest, &op) == 0);
	manifest_free(manifest);
	check(again);
	return 0;
}
