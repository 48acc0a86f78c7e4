/*
 * uri: names of ends. What is not one of the words is a path, to the byte; what is one says the same when it
 * is written again from what was understood.
 */
#include <limits.h>
#include <stdio.h>

#include "fuzz.h"

static bool starts(const char *text, const char *word)
{
	return strncmp(text, word, strlen(word)) == 0;
}

/* Whether the name may be anything but a path. */
static bool is_special(const char *text)
{
	static const char *const words[] = { "null:", "zero:", "gen:", "/dev/", "/proc/self/fd/" };
	const char *colon = strchr(text, ':');
	const char *slash = strchr(text, '/');

	for (size_t i = 0; i < ZC_ARRAY_LEN(words); i++) {
		if (starts(text, words[i])) {
			return true;
		}
	}
	return strcmp(text, "-") == 0 || (colon && colon != text && (!slash || colon < slash));
}

static void check_fd(const struct zc_uri *uri)
{
	char name[40];

	zc_verify(uri->fd >= 0);
	if (strcmp(uri->text, "-") == 0) {
		zc_verify(uri->fd <= 1);
		return;
	}
	zc_verify(starts(uri->text, "/dev/") || starts(uri->text, "/proc/self/fd/"));
	if (strncmp(uri->text, "/dev/std", 8) == 0) {
		zc_verify(uri->fd <= 2);
		return;
	}
	snprintf(name, sizeof(name), "/%d", uri->fd);
	zc_verify(strcmp(strrchr(uri->text, '/'), name) == 0);
}

/* Writes what was understood. False: there is nothing to write. */
static bool rewrite(const struct zc_uri *uri, enum zc_dir dir, char out[80])
{
	unsigned long long size = uri->size_bytes;

	if (uri->kind == ZC_END_ZERO) {
		snprintf(out, 80, "zero:%llu", size);
	} else if (uri->kind == ZC_END_GEN && dir == ZC_DIR_SRC) {
		snprintf(out, 80, "gen:%llu,%llu", (unsigned long long)uri->seed, size);
	} else if (uri->kind == ZC_END_GEN) {
		snprintf(out, 80, "gen:%llu", (unsigned long long)uri->seed);
	} else if (uri->kind == ZC_END_TCP || uri->kind == ZC_END_TCP_LISTEN) {
		zc_verify((uri->host != NULL) == (uri->host_len > 0) && uri->host_len <= 255);
		zc_verify(uri->host != NULL || uri->kind == ZC_END_TCP_LISTEN);
		if (uri->host_len > 40) {
			return false;
		}
		snprintf(out, 80,
		         memchr(uri->host ? uri->host : "", ':', uri->host_len) ? "%s[%.*s]:%u" : "%s%.*s:%u",
		         uri->kind == ZC_END_TCP ? "tcp://" : "tcp-listen://", (int)uri->host_len,
		         uri->host ? uri->host : "", uri->port);
	} else if (uri->kind == ZC_END_FD) {
		snprintf(out, 80, "/dev/fd/%d", uri->fd);
	} else {
		return false;
	}
	return true;
}

static void check(const char *text, enum zc_dir dir)
{
	const char *why = NULL;
	struct zc_uri uri;
	struct zc_uri again;
	char out[80];

	memset(&uri, 0x55, sizeof(uri));
	memcpy(&again, &uri, sizeof(uri));
	if (zc_uri_parse(&uri, text, dir, &why) < 0) {
		zc_verify(memcmp(&uri, &again, sizeof(uri)) == 0);
		zc_verify(why && *why && is_special(text));
		return;
	}
	zc_verify(uri.text == text && uri.size_bytes <= INT64_MAX);
	zc_verify(uri.kind != ZC_END_PATH || (uri.path == text && strcmp(text, "-") != 0));
	zc_verify(uri.kind == ZC_END_PATH || is_special(text));
	zc_verify(uri.kind != ZC_END_NULL || strcmp(text, "null:") == 0);
	zc_verify(uri.kind != ZC_END_ZERO || dir == ZC_DIR_SRC);
	if (uri.kind == ZC_END_FD) {
		check_fd(&uri);
	}
	if (rewrite(&uri, dir, out)) {
		zc_verify(zc_uri_parse(&again, out, dir, &why) == 0);
		zc_verify(again.kind == uri.kind && again.fd == uri.fd && again.seed == uri.seed &&
		          again.size_bytes == uri.size_bytes && again.port == uri.port);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len_bytes)
{
	struct fuzz_input input = { data, len_bytes };
	char *text = fuzz_text(&input, '\0');

	check(text, ZC_DIR_SRC);
	check(text, ZC_DIR_DST);
	free(text);
	return 0;
}
