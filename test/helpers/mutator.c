/*
 * mutator run SEED MILLISECONDS DIR [OP]...   makes a tree in DIR and changes it for so long
 * mutator make SEED DIR                       makes it only
 * mutator check DIR                           says "PATH: WHAT" for each file whose content no file had
 *
 * Every file tells itself what it must look like: a header { id, shortest, longest }, then bytes that follow
 * from the id and the offset. Its length is between the two at all times, and it is only ever appended to and
 * cut; so whatever length a reader met, the content says whether it was the file's. A name's first letter is
 * the id's class (id modulo 16), which renames and links keep: content under a name that it never had shows.
 * OP: create grow shrink replace delete rename chmod swap link symlink; without any: all.
 */
#include <dirent.h>
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

enum {
	CLASSES = 16,
	DIRS = 12,
	NAMES = 24, /* a class and a directory */
	FILES_AT_FIRST = 400,
	LENGTH_MAX = 700000, /* small files, and some above every limit of the short way */
};

struct header {
	uint64_t id;
	uint32_t shortest;
	uint32_t longest;
};

static uint64_t state;
static uint64_t last_id;

static uint64_t draw(uint64_t below)
{
	state ^= state << 13;
	state ^= state >> 7;
	state ^= state << 17;
	return state % below;
}

/* ---- content */

static uint64_t word_at(uint64_t id, uint64_t index)
{
	uint64_t word = (id << 32 ^ index) * 0x9e3779b97f4a7c15ull;

	return (word ^ word >> 29) * 0xbf58476d1ce4e5b9ull | 1; /* a hole is no content */
}

/* Fills buf with the file's bytes from off on. */
static void fill(char *buf, size_t len, size_t off, const struct header *header)
{
	for (size_t i = 0; i < len; i++) {
		size_t at = off + i;

		if (at < sizeof(*header)) {
			buf[i] = ((const char *)header)[at];
		} else {
			buf[i] = (char)(word_at(header->id, at / 8) >> (at % 8 * 8));
		}
	}
}

static char space[LENGTH_MAX];

static void write_from(int fd, size_t from, size_t to, const struct header *header)
{
	fill(space, to - from, from, header);
	for (size_t at = 0; at < to - from;) {
		ssize_t len = pwrite(fd, space + at, to - from - at, (off_t)(from + at));

		if (len <= 0) {
			return;
		}
		at += (size_t)len;
	}
}

static struct header new_header(unsigned class)
{
	struct header header = { .id = (++last_id << 4) | class };

	header.shortest = (uint32_t)(sizeof(header) + draw(draw(4) == 0 ? 300000 : 4000));
	header.longest = header.shortest + (uint32_t)draw(LENGTH_MAX - header.shortest);
	return header;
}

/* ---- names */

static void some_dir(char out[64])
{
	unsigned dir = (unsigned)draw(DIRS);

	snprintf(out, 64, dir < 4 ? "D%u" : "D%u/E%u", dir % 4, dir / 4);
}

static void some_name(char out[128], unsigned class)
{
	char dir[64];

	some_dir(dir);
	snprintf(out, 128, "%s/%c%u", dir, 'a' + (int)class, (unsigned)draw(NAMES));
}

/* ---- what happens to them. Each may fail: something else was in the way. */

/* A new file appears whole, under a name that is free or, replace, under one that is not. */
static void do_create(bool replace)
{
	unsigned class = (unsigned)draw(CLASSES);
	struct header header = new_header(class);
	char temp[32];
	char name[128];
	int fd;

	snprintf(temp, sizeof(temp), "../mutator-%d", (int)getpid());
	some_name(name, class);
	fd = open(temp, O_WRONLY | O_CREAT | O_TRUNC, 0644);
	if (fd < 0) {
		return;
	}
	write_from(fd, 0, header.shortest, &header);
	close(fd);
	if (renameat2(AT_FDCWD, temp, AT_FDCWD, name, replace ? 0 : RENAME_NOREPLACE) < 0) {
		unlink(temp);
	}
}

static void do_length(bool grow)
{
	struct header header;
	struct stat st;
	char name[128];
	int fd;

	some_name(name, (unsigned)draw(CLASSES));
	fd = open(name, O_RDWR | O_NOFOLLOW);
	if (fd < 0) {
		return;
	}
	if (pread(fd, &header, sizeof(header), 0) == (ssize_t)sizeof(header) && fstat(fd, &st) == 0) {
		size_t now = (size_t)st.st_size;

		if (grow && now < header.longest) {
			write_from(fd, now, now + 1 + draw(header.longest - now), &header);
		} else if (!grow && now > header.shortest) {
			(void)!ftruncate(fd, (off_t)(header.shortest + draw(now - header.shortest)));
		}
	}
	close(fd);
}

static void do_two_names(bool link_it, bool exchange)
{
	unsigned class = (unsigned)draw(CLASSES);
	char from[128];
	char to[128];

	some_name(from, class);
	some_name(to, class);
	if (link_it) {
		(void)!link(from, to);
	} else {
		renameat2(AT_FDCWD, from, AT_FDCWD, to, exchange ? RENAME_EXCHANGE : 0);
	}
}

/* A directory becomes a file of its name, or the other way round: a side street of ../, exchanged. */
static void do_swap(void)
{
	char dir[64];

	some_dir(dir);
	renameat2(AT_FDCWD, dir, AT_FDCWD, draw(2) ? "../side-dir" : "../side-file", RENAME_EXCHANGE);
}

static void do_symlink(void)
{
	char name[128];
	char to[128];

	some_name(name, (unsigned)draw(CLASSES));
	some_name(to, (unsigned)draw(CLASSES));
	unlink(name);
	(void)!symlink(to, name);
}

static void do_op(const char *op)
{
	unsigned class = (unsigned)draw(CLASSES);
	char name[128];

	some_name(name, class);
	if (!strcmp(op, "create") || !strcmp(op, "replace")) {
		do_create(op[0] == 'r');
	} else if (!strcmp(op, "grow") || !strcmp(op, "shrink")) {
		do_length(op[0] == 'g');
	} else if (!strcmp(op, "delete")) {
		unlink(name);
	} else if (!strcmp(op, "rename") || !strcmp(op, "link")) {
		do_two_names(op[0] == 'l', draw(2) == 0);
	} else if (!strcmp(op, "chmod")) {
		chmod(name, (mode_t)(0400 | draw(0400)));
	} else if (!strcmp(op, "swap")) {
		do_swap();
	} else if (!strcmp(op, "symlink")) {
		do_symlink();
	} else {
		fprintf(stderr, "mutator: no op '%s'\n", op);
		exit(125);
	}
}

/* ---- run */

static uint64_t now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

static void make_tree(void)
{
	char dir[64];

	mkdir("../side-dir", 0755);
	close(open("../side-file", O_WRONLY | O_CREAT, 0644));
	for (unsigned i = 0; i < DIRS; i++) {
		snprintf(dir, sizeof(dir), i < 4 ? "D%u" : "D%u/E%u", i % 4, i / 4);
		mkdir(dir, 0755);
	}
	for (unsigned i = 0; i < FILES_AT_FIRST; i++) {
		do_create(true);
	}
}

static int run(uint64_t span_ms, char **wanted, unsigned op_count)
{
	static const char *const all[] = { "create",  "grow",   "grow",   "shrink", "replace",
		                           "replace", "delete", "delete", "rename", "chmod",
		                           "swap",    "swap",   "link",   "link",   "symlink" };
	const char *const *ops = (const char *const *)wanted;
	uint64_t until;
	unsigned long count = 0;

	prctl(PR_SET_PDEATHSIG, SIGTERM);
	if (op_count == 0) {
		ops = all;
		op_count = sizeof(all) / sizeof(all[0]);
	}
	puts("ready");
	fflush(stdout);
	for (until = now_ms() + span_ms; now_ms() < until; count++) {
		do_op(ops[draw(op_count)]);
	}
	printf("CHANGES %lu\n", count);
	return 0;
}

/* ---- check */

static const char *check_content(const char *name, int fd)
{
	static char have[LENGTH_MAX + 1];
	static char want[LENGTH_MAX + 1];
	struct header header;
	ssize_t len = 0;
	ssize_t got;

	while (len < (ssize_t)sizeof(have) && (got = read(fd, have + len, sizeof(have) - (size_t)len)) > 0) {
		len += got;
	}
	if (len == 0 && (name[0] == 'D' || name[0] == 'E')) {
		return NULL; /* the side street's file under a directory's name */
	}
	if (len < (ssize_t)sizeof(header)) {
		return "shorter than any file was";
	}
	memcpy(&header, have, sizeof(header));
	if (header.longest > LENGTH_MAX || len < (ssize_t)header.shortest || len > (ssize_t)header.longest) {
		return "of a length that it never had";
	}
	fill(want, (size_t)len, 0, &header);
	if (memcmp(have, want, (size_t)len) != 0) {
		return "content is not its own";
	}
	return header.id % CLASSES == (uint64_t)(name[0] - 'a') ? NULL : "content of another name";
}

static unsigned long checked;

static int check(int dir_fd, const char *path)
{
	DIR *dir = fdopendir(dir_fd);
	const struct dirent *entry;
	int bad = 0;

	while (dir != NULL && (entry = readdir(dir)) != NULL) {
		char below[1024];
		const char *wrong = NULL;
		struct stat st;
		int fd;

		if (!strcmp(entry->d_name, ".") || !strcmp(entry->d_name, "..")) {
			continue;
		}
		snprintf(below, sizeof(below), "%s%s%s", path, path[0] == '\0' ? "" : "/", entry->d_name);
		if (fstatat(dirfd(dir), entry->d_name, &st, AT_SYMLINK_NOFOLLOW) < 0 || S_ISLNK(st.st_mode)) {
			continue;
		}
		fd = openat(dirfd(dir), entry->d_name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK);
		if (fd >= 0 && S_ISDIR(st.st_mode)) {
			bad |= check(fd, below);
			continue;
		}
		wrong = fd < 0 ? strerror(errno) : check_content(entry->d_name, fd);
		checked++;
		if (wrong != NULL) {
			printf("%s: %s\n", below, wrong);
			bad = 1;
		}
		close(fd);
	}
	closedir(dir);
	return bad;
}

int main(int argc, char **argv)
{
	const char *verb = argc > 1 ? argv[1] : "";
	int bad;

	if (argc == 3 && !strcmp(verb, "check")) {
		bad = check(open(argv[2], O_RDONLY | O_DIRECTORY), "");
		fprintf(stderr, "CHECKED %lu\n", checked);
		return bad;
	}
	if (!(argc >= 5 && !strcmp(verb, "run")) && !(argc == 4 && !strcmp(verb, "make"))) {
		fprintf(stderr,
		        "usage: mutator run SEED MILLISECONDS DIR [OP]... | make SEED DIR | check DIR\n");
		return 125;
	}
	state = strtoull(argv[2], NULL, 10) * 0x9e3779b97f4a7c15ull | 1;
	if (chdir(argv[verb[0] == 'r' ? 4 : 3]) < 0) {
		perror("mutator");
		return 125;
	}
	if (verb[0] == 'm') {
		make_tree();
		return 0;
	}
	last_id = 1000000; /* ids of make are below */
	return run(strtoull(argv[3], NULL, 10), argv + 5, (unsigned)argc - 5);
}
