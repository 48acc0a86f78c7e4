/*
 * flipper JUNK VICTIM TRAP TARGET [VICTIM TRAP TARGET]...
 *
 * Makes each TRAP a symlink to TARGET and exchanges it with VICTIM (renameat2 RENAME_EXCHANGE), a pair at
 * random after a pause at random, as fast as it goes, until SIGTERM. A VICTIM that is not there yet is waited
 * for. Where somebody has replaced the symlink by a thing of his own, the trap is set again: what stands in
 * its place goes to the directory JUNK. At the end every VICTIM is itself again as far as it exists, and
 * "FLIPS N" is said on stdout.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

static volatile sig_atomic_t stopped;

static void stop(int signal_number)
{
	(void)signal_number;
	stopped = 1;
}

static uint64_t draw(void)
{
	static uint64_t state = 0x9e3779b97f4a7c15ull;

	state ^= state << 13;
	state ^= state >> 7;
	state ^= state << 17;
	return state;
}

struct pair {
	char *victim; /* as it is called; dir_fd and name are what it is known by */
	char *name;
	char *trap;
	char *target;
	int dir_fd; /* -1: not found yet */
};

/* The victim's directory, by real directories only: we must not be led outside by traps of our own. */
static void find_dir(struct pair *pair)
{
	char path[4096];
	char *part = path;
	int at_fd = open(".", O_RDONLY | O_DIRECTORY);

	snprintf(path, sizeof(path), "%s", pair->victim);
	for (char *slash; at_fd >= 0 && (slash = strchr(part, '/')) != NULL; part = slash + 1) {
		int fd;

		*slash = '\0';
		fd = openat(at_fd, part, O_RDONLY | O_DIRECTORY | O_NOFOLLOW);
		close(at_fd);
		at_fd = fd;
	}
	if (at_fd >= 0) {
		if (pair->dir_fd >= 0) {
			close(pair->dir_fd);
		}
		pair->dir_fd = at_fd;
	}
}

static bool is_link(int dir_fd, const char *name)
{
	struct stat st;

	return fstatat(dir_fd, name, &st, AT_SYMLINK_NOFOLLOW) == 0 && S_ISLNK(st.st_mode);
}

static bool exchange(const struct pair *pair)
{
	return renameat2(pair->dir_fd, pair->name, AT_FDCWD, pair->trap, RENAME_EXCHANGE) == 0;
}

static void set_trap(const char *junk, const struct pair *pair)
{
	static unsigned count;
	char aside[4096];

	snprintf(aside, sizeof(aside), "%s/%u", junk, count++);
	if (rename(pair->trap, aside) < 0 && errno != ENOENT) {
		perror(pair->trap);
	}
	if (symlink(pair->target, pair->trap) < 0) {
		perror(pair->trap);
	}
}

/* Mostly none at all; sometimes long enough for a look and a use to lie on two sides of it. */
static void pause_a_little(void)
{
	struct timespec nap = { .tv_nsec = (long)(draw() % 200000) };

	if (draw() % 16 == 0) {
		nanosleep(&nap, NULL);
	}
}

static unsigned long flip(const char *junk, struct pair *pair)
{
	bool done;

	if (pair->dir_fd < 0 || draw() % 64 == 0) {
		find_dir(pair);
	}
	if (pair->dir_fd < 0) {
		return 0;
	}
	done = exchange(pair);
	if (!is_link(AT_FDCWD, pair->trap) && !is_link(pair->dir_fd, pair->name)) {
		set_trap(junk, pair);
	}
	return done;
}

int main(int argc, char **argv)
{
	unsigned count = argc < 5 ? 0 : (unsigned)(argc - 2) / 3;
	struct pair *pairs = calloc(count + 1, sizeof(*pairs));
	unsigned long flips = 0;

	if (count == 0 || (argc - 2) % 3 != 0 || pairs == NULL) {
		fprintf(stderr, "usage: flipper JUNK VICTIM TRAP TARGET...\n");
		return 125;
	}
	prctl(PR_SET_PDEATHSIG, SIGTERM);
	signal(SIGTERM, stop);
	for (unsigned i = 0; i < count; i++) {
		char **words = argv + 2 + 3 * (size_t)i;
		char *slash = strrchr(words[0], '/');

		pairs[i] =
		    (struct pair){ words[0], slash == NULL ? words[0] : slash + 1, words[1], words[2], -1 };
		find_dir(&pairs[i]);
		set_trap(argv[1], &pairs[i]);
	}
	while (!stopped) {
		flips += flip(argv[1], &pairs[draw() % count]);
		pause_a_little();
	}
	for (unsigned i = 0; i < count; i++) {
		if (pairs[i].dir_fd >= 0 && is_link(pairs[i].dir_fd, pairs[i].name) &&
		    !is_link(AT_FDCWD, pairs[i].trap)) {
			exchange(&pairs[i]);
		}
	}
	printf("FLIPS %lu\n", flips);
	return 0;
}
