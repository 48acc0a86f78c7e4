/*
 * main.c: a target without a fuzzer, for compilers that have none: every file of the given directories, each
 * beginning of it, and it with each byte changed in a few ways. What was being tried is said when it fails.
 */
#include <dirent.h>
#include <signal.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "fuzz.h"

enum {
	SEED_MAX = 8192,
};

/* The sanitizers' own, where there is one: they end the program without a signal. */
void __sanitizer_set_death_callback(void (*callback)(void)) __attribute__((weak));

static char trying[600];
static uint8_t seed[SEED_MAX];

static void say(void)
{
	(void)!write(STDERR_FILENO, trying, strlen(trying));
}

static void on_abort(int signal_number)
{
	(void)signal_number;
	say();
}

static void run(const uint8_t *data, size_t len)
{
	uint8_t *copy = malloc(len > 0 ? len : 1); /* its exact length */

	zc_verify(copy);
	for (size_t i = 0; i < len; i++) {
		copy[i] = data[i];
	}
	(void)LLVMFuzzerTestOneInput(copy, len);
	free(copy);
}

static void replay(const char *path)
{
	static const uint8_t changes[] = { 0x01, 0x20, 0x80 };
	FILE *file = fopen(path, "r");
	size_t len;

	zc_verify(file);
	len = fread(seed, 1, sizeof(seed), file);
	fclose(file);
	for (size_t cut = 0; cut <= len; cut++) {
		snprintf(trying, sizeof(trying), "in: the first %zu bytes of %s\n", cut, path);
		run(seed, cut);
	}
	for (size_t at = 0; at < len; at++) {
		for (size_t i = 0; i < sizeof(changes); i++) {
			snprintf(trying, sizeof(trying), "in: %s with byte %zu ^ %#x\n", path, at,
			         changes[i]);
			seed[at] ^= changes[i];
			run(seed, len);
			seed[at] ^= changes[i];
		}
	}
}

static unsigned replay_all(const char *dir_name)
{
	DIR *dir = opendir(dir_name);
	struct dirent *entry;
	unsigned count = 0;
	char path[500];

	zc_verify(dir);
	while ((entry = readdir(dir))) {
		if (entry->d_name[0] != '.') {
			snprintf(path, sizeof(path), "%s/%s", dir_name, entry->d_name);
			replay(path);
			count++;
		}
	}
	closedir(dir);
	return count;
}

int main(int argc, char **argv)
{
	unsigned count = 0;

	signal(SIGABRT, on_abort);
	if (__sanitizer_set_death_callback) {
		__sanitizer_set_death_callback(say);
	}
	for (int i = 1; i < argc; i++) {
		struct stat st;

		zc_verify(stat(argv[i], &st) == 0);
		if (S_ISDIR(st.st_mode)) {
			count += replay_all(argv[i]);
		} else {
			replay(argv[i]);
			count++;
		}
	}
	printf("%u seeds\n", count);
	return count == 0;
}
