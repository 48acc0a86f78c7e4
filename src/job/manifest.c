/*
 * manifest.c: see manifest.h. Lines are gathered in one buffer under a lock and written when it is full.
 */
#include "manifest.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "commit.h"

#define BUFFER_BYTES (64u * 1024)

struct manifest {
	const char *path;
	mode_t mask;
	pthread_mutex_t lock; /* of all below */
	struct target target;
	struct commit commit;
	struct zc_fallbacks fallbacks; /* of a file of ours: not the copy's */
	bool open;
	int code; /* the first failure, and where */
	const char *op;
	size_t used;
	char buffer[BUFFER_BYTES];
};

static void manifest_fail(struct manifest *manifest, int code, const char *op)
{
	if (manifest->code == 0) {
		manifest->code = code;
		manifest->op = op;
	}
}

static int manifest_open(struct manifest *manifest, const char **ret_op)
{
	const char *refused = NULL;
	int res;

	*ret_op = "open";
	res = target_open(&manifest->target, manifest->path, TARGET_FOLLOW, &refused);
	if (res == 0 && manifest->target.exists && !S_ISREG(manifest->target.st.st_mode)) {
		res = -EINVAL; /* nothing that can be replaced */
	} else if (res == 0 && manifest->target.inherited_fd >= 0) {
		res = -EINVAL;
	} else if (res == 0) {
		res = commit_begin(&manifest->commit, &manifest->target, 0666, manifest->mask,
		                   &manifest->fallbacks, ret_op);
		manifest->open = res == 0;
	} else {
		return res;
	}
	if (res < 0) {
		target_close(&manifest->target);
	}
	return res;
}

int manifest_new(struct manifest **ret_manifest, const char *path, mode_t mask, const char **ret_op)
{
	struct manifest *manifest = calloc(1, sizeof(*manifest));
	int res;

	*ret_op = "malloc";
	if (manifest == NULL) {
		return -ENOMEM;
	}
	manifest->path = path;
	manifest->mask = mask;
	pthread_mutex_init(&manifest->lock, NULL);
	res = manifest_open(manifest, ret_op);
	if (res < 0 && res != -ENOENT) {
		manifest_free(manifest);
		return res;
	}
	*ret_manifest = manifest;
	return 0;
}

static void manifest_flush(struct manifest *manifest)
{
	const char *op;
	int res = manifest->open || manifest->code != 0 ? 0 : manifest_open(manifest, &op);

	if (res < 0) {
		manifest_fail(manifest, res, op);
	}
	for (size_t at = 0; at < manifest->used && manifest->code == 0;) {
		ssize_t len = write(manifest->commit.fd, manifest->buffer + at, manifest->used - at);

		if (len == 0 || (len < 0 && errno != EINTR)) {
			manifest_fail(manifest, len == 0 ? -EIO : -errno, "write");
		}
		at += len > 0 ? (size_t)len : 0;
	}
	manifest->used = 0;
}

static void manifest_put(struct manifest *manifest, const char *text, size_t len)
{
	while (len > 0) {
		size_t part = (size_t)zc_min_u64(len, BUFFER_BYTES - manifest->used);

		memcpy(manifest->buffer + manifest->used, text, part);
		manifest->used += part;
		text += part;
		len -= part;
		if (manifest->used == BUFFER_BYTES) {
			manifest_flush(manifest);
		}
	}
}

static void manifest_put_name(struct manifest *manifest, const char *name)
{
	while (*name != '\0') {
		size_t len = strcspn(name, "\\\n\r");

		manifest_put(manifest, name, len);
		name += len;
		if (*name != '\0') {
			manifest_put(manifest, *name == '\n' ? "\\n" : *name == '\r' ? "\\r" : "\\\\", 2);
			name++;
		}
	}
}

void manifest_add(struct manifest *manifest, const char *hex, const char *name)
{
	pthread_mutex_lock(&manifest->lock);
	if (!manifest->open && manifest->code == 0) {
		manifest_flush(manifest); /* its directory is there by now, or never */
	}
	if (strpbrk(name, "\\\n\r") != NULL) {
		manifest_put(manifest, "\\", 1);
	}
	manifest_put(manifest, hex, strlen(hex));
	manifest_put(manifest, "  ", 2);
	manifest_put_name(manifest, name);
	manifest_put(manifest, "\n", 1);
	pthread_mutex_unlock(&manifest->lock);
}

int manifest_publish(struct manifest *manifest, const char **ret_op)
{
	int res;

	manifest_flush(manifest);
	*ret_op = manifest->op;
	if (manifest->code != 0) {
		return manifest->code;
	}
	if (manifest->commit.private_mode && fchmod(manifest->commit.fd, manifest->commit.final_mode) < 0) {
		*ret_op = "fchmod";
		return -errno;
	}
	if (manifest->target.exists && fdatasync(manifest->commit.fd) < 0 && !commit_is_refusal(errno)) {
		*ret_op = "fdatasync";
		return -errno;
	}
	res = commit_publish(&manifest->commit, false, ret_op);
	if (res == 0) {
		*ret_op = "close";
		res = commit_end(&manifest->commit);
	}
	return res;
}

void manifest_free(struct manifest *manifest)
{
	if (manifest == NULL) {
		return;
	}
	if (manifest->open) {
		(void)commit_end(&manifest->commit);
		target_close(&manifest->target);
	}
	pthread_mutex_destroy(&manifest->lock);
	free(manifest);
}
