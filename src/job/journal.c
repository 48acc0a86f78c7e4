/*
 * journal.c: the file of journal.h, and where it lives.
 *
 * Nothing here decides whether a temporary may be trusted: resume.c does. Losing a journal, or the end of it,
 * loses progress and nothing else, so records are not flushed one by one.
 */
#include "journal.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/ioctl.h>
#include <sys/vfs.h>
#include <time.h>
#include <unistd.h>

#include "commit.h"
#include "zcopy/arch.h"

#define MAGIC       0x316c6e726a70637aull /* "zcpjrnl1" */
#define KIND_EXTENT 0x7865ull             /* "ex"       */
/* Who removes it again and again between open and lock is no run of ours. */
#define OPEN_TRIES_MAX 100

/* ---- the format */

static uint64_t journal_get(const uint8_t *mem)
{
	uint64_t word = 0;

	for (unsigned i = 0; i < 8; i++) {
		word |= (uint64_t)mem[i] << (8 * i);
	}
	return word;
}

static void journal_put(uint8_t *mem, uint64_t word)
{
	for (unsigned i = 0; i < 8; i++) {
		mem[i] = (uint8_t)(word >> (8 * i));
	}
}

static void journal_put_head(uint8_t mem[JOURNAL_HEAD_BYTES], const struct journal_head *head,
                             uint32_t *ret_crc)
{
	for (unsigned i = 0; i < JOURNAL_HEAD_WORDS; i++) {
		journal_put(mem + (size_t)i * 8, i == JOURNAL_MAGIC ? MAGIC : head->word[i]);
	}
	*ret_crc = zc_arch()->crc32c(0, mem, JOURNAL_HEAD_BYTES - 8);
	journal_put(mem + JOURNAL_HEAD_BYTES - 8, *ret_crc);
}

static void journal_put_extent(uint8_t mem[JOURNAL_EXTENT_BYTES], uint64_t off, uint64_t len, uint32_t *crc)
{
	journal_put(mem, KIND_EXTENT << 32 | JOURNAL_EXTENT_BYTES);
	journal_put(mem + 8, off);
	journal_put(mem + 16, len);
	*crc = zc_arch()->crc32c(*crc, mem, JOURNAL_EXTENT_BYTES - 8);
	journal_put(mem + 24, *crc);
}

/* The next record, if it is what must follow. */
static bool journal_parse_extent(const uint8_t *mem, struct journal_found *found)
{
	uint32_t crc = zc_arch()->crc32c(found->crc, mem, JOURNAL_EXTENT_BYTES - 8);
	uint64_t len = journal_get(mem + 16);

	if (journal_get(mem) != (KIND_EXTENT << 32 | JOURNAL_EXTENT_BYTES) || journal_get(mem + 24) != crc ||
	    journal_get(mem + 8) != found->durable_bytes || len == 0 ||
	    len > found->head.word[JOURNAL_SRC_SIZE] - found->durable_bytes) {
		return false;
	}
	found->crc = crc;
	found->durable_bytes += len;
	found->used_bytes += JOURNAL_EXTENT_BYTES;
	return true;
}

int journal_parse(const uint8_t *mem, size_t len_bytes, struct journal_found *ret_found)
{
	struct journal_found found = { .used_bytes = JOURNAL_HEAD_BYTES };

	if (len_bytes < JOURNAL_HEAD_BYTES) {
		return -EBADMSG;
	}
	for (unsigned i = 0; i < JOURNAL_HEAD_WORDS; i++) {
		found.head.word[i] = journal_get(mem + (size_t)i * 8);
	}
	found.crc = zc_arch()->crc32c(0, mem, JOURNAL_HEAD_BYTES - 8);
	if (found.head.word[JOURNAL_MAGIC] != MAGIC ||
	    journal_get(mem + JOURNAL_HEAD_BYTES - 8) != found.crc) {
		return -EBADMSG;
	}
	while (len_bytes - found.used_bytes >= JOURNAL_EXTENT_BYTES &&
	       journal_parse_extent(mem + found.used_bytes, &found)) {
	}
	*ret_found = found;
	return 0;
}

/* ---- where they live */

/* To root, the directory of somebody else, as $HOME is under many a sudo. What root makes there is in its
 * owner's way, and a link there may lead anywhere. */
static bool journal_is_anothers(int fd)
{
	struct stat st;

	return geteuid() == 0 && (fstat(fd, &st) < 0 || st.st_uid != 0);
}

/* Each directory of path in turn. */
static int journal_open_path(const char *path, bool make)
{
	int fd = openat(AT_FDCWD, "/", O_PATH | O_DIRECTORY | O_CLOEXEC);

	while (fd >= 0) {
		bool anothers = journal_is_anothers(fd);
		char name[NAME_MAX + 1];
		size_t len;
		int next;

		path += strspn(path, "/");
		len = strcspn(path, "/");
		if (len == 0 && anothers) {
			close(fd);
			return -EPERM;
		}
		if (len == 0) {
			return fd;
		}
		if (len > NAME_MAX) {
			close(fd);
			return -ENAMETOOLONG;
		}
		snprintf(name, sizeof(name), "%.*s", (int)len, path);
		next = openat(fd, name, O_PATH | O_DIRECTORY | O_CLOEXEC | (anothers ? O_NOFOLLOW : 0));
		if (next < 0 && errno == ENOENT && anothers) {
			errno = EPERM;
		}
		if (next < 0 && errno == ENOENT && make &&
		    (mkdirat(fd, name, 0700) == 0 || errno == EEXIST)) {
			next = openat(fd, name, O_PATH | O_DIRECTORY | O_CLOEXEC);
		}
		next = next < 0 ? -errno : next;
		close(fd);
		if (next < 0) {
			return next;
		}
		fd = next;
		path += len;
	}
	return -errno;
}

static int journal_open_home(const char *variable, const char *below_home, bool make, char **ret_path)
{
	const char *state = getenv(variable);
	const char *home = getenv("HOME");
	bool own = state != NULL && state[0] == '/'; /* the rules say that no other counts */

	*ret_path = NULL;
	if (!own && (home == NULL || home[0] != '/')) {
		return -ENOENT;
	}
	if (asprintf(ret_path, "%s%s/zcopy", own ? state : home, own ? "" : below_home) < 0) {
		*ret_path = NULL;
		return -ENOMEM;
	}
	return journal_open_path(*ret_path, make);
}

int journal_open_dir(bool make, char **ret_path)
{
	return journal_open_home("XDG_STATE_HOME", "/.local/state", make, ret_path);
}

int journal_open_cache_dir(bool make, char **ret_path)
{
	return journal_open_home("XDG_CACHE_HOME", "/.cache", make, ret_path);
}

/* FS_IOC_GETFSUUID, from Linux 6.9 on; the headers may be older. */
struct journal_uuid {
	uint8_t len_bytes;
	uint8_t byte[16];
};
#define JOURNAL_GETFSUUID _IOR(0x15, 0, struct journal_uuid)

uint64_t journal_fs(int fd, dev_t dev)
{
	struct journal_uuid uuid = { 0 };
	struct statfs sfs;
	uint64_t id = 0;

	if (fstatfs(fd, &sfs) == 0) {
		id = (uint64_t)(uint32_t)sfs.f_fsid.__val[0] << 32 | (uint32_t)sfs.f_fsid.__val[1];
	}
	/* XFS and others make it of the device's number, which may be another one after a reboot. btrfs does
	 * not, and tells its subvolumes apart by it, as the UUID does not. */
	if ((uint32_t)id == 0 && ioctl(fd, JOURNAL_GETFSUUID, &uuid) == 0) {
		id = journal_get(uuid.byte) ^ journal_get(uuid.byte + 8);
	}
	return id != 0 ? id : dev;
}

/* ---- one of them */

static int journal_lock(int fd)
{
	const struct timespec nap = { .tv_nsec = 50 * 1000 * 1000 };

	for (unsigned tries = 0; flock(fd, LOCK_EX | LOCK_NB) < 0; tries++) {
		if (errno != EWOULDBLOCK) {
			return -errno;
		}
		if (tries == 5) { /* a killed process's lock may outlive it a little: see commit.c */
			return -EBUSY;
		}
		nanosleep(&nap, NULL);
	}
	return 0;
}

/* -EAGAIN: it was removed by the run that had it, just now. */
static int journal_open_once(struct journal *journal)
{
	struct stat st;
	struct stat by_name;
	int res;

	journal->fd = openat(journal->dir_fd, journal->name,
	                     O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC | O_NOCTTY, 0600);
	if (journal->fd < 0) {
		return -errno;
	}
	res = journal_lock(journal->fd);
	if (res == 0 && (fstat(journal->fd, &st) < 0 || !S_ISREG(st.st_mode) || st.st_uid != geteuid() ||
	                 st.st_nlink > 1)) { /* with another name it may be any file of ours */
		res = -EPERM;
	}
	if (res == 0 && fstatat(journal->dir_fd, journal->name, &by_name, AT_SYMLINK_NOFOLLOW) < 0) {
		res = errno == ENOENT ? -EAGAIN : -errno;
	} else if (res == 0 && (by_name.st_ino != st.st_ino || by_name.st_dev != st.st_dev)) {
		res = -EAGAIN;
	}
	if (res < 0) {
		journal_close(journal);
	}
	return res;
}

int journal_name(char out[24], const struct target *target)
{
	uint64_t hash = commit_hash(target->name);
	struct stat st;

	if (fstat(target->dir_fd, &st) < 0) {
		return -errno;
	}
	hash = (hash ^ journal_fs(target->dir_fd, st.st_dev)) * 0x100000001b3ull;
	hash = (hash ^ st.st_ino) * 0x100000001b3ull;
	snprintf(out, 24, "%016llx", (unsigned long long)hash);
	return 0;
}

int journal_open(struct journal *ret_journal, int dir_fd, const struct target *target)
{
	struct journal journal = { .dir_fd = dir_fd };
	int res = journal_name(journal.name, target);

	if (res < 0) {
		return res;
	}
	res = journal_open_once(&journal);
	for (unsigned tries = 1; res == -EAGAIN && tries < OPEN_TRIES_MAX; tries++) {
		res = journal_open_once(&journal);
	}
	if (res == 0) {
		*ret_journal = journal;
	}
	return res;
}

int journal_read(const struct journal *journal, struct journal_found *ret_found)
{
	struct stat st;
	uint8_t *mem;
	ssize_t len;
	int res;

	if (fstat(journal->fd, &st) < 0) {
		return -errno;
	}
	if (st.st_size == 0 || (uint64_t)st.st_size > JOURNAL_BYTES_MAX) {
		return -EBADMSG;
	}
	mem = malloc((size_t)st.st_size);
	if (mem == NULL) {
		return -ENOMEM;
	}
	len = pread(journal->fd, mem, (size_t)st.st_size, 0);
	res = len < 0 ? -errno : journal_parse(mem, (size_t)len, ret_found);
	free(mem);
	return res;
}

static int journal_write(struct journal *journal, const uint8_t *mem, size_t len_bytes)
{
	ssize_t len = pwrite(journal->fd, mem, len_bytes, (off_t)journal->len_bytes);

	if (len < 0 || (size_t)len != len_bytes) {
		return len < 0 ? -errno : -ENOSPC;
	}
	journal->len_bytes += len_bytes;
	return 0;
}

int journal_begin(struct journal *journal, const struct journal_head *head)
{
	uint8_t mem[JOURNAL_HEAD_BYTES];

	journal->len_bytes = 0;
	journal->durable_bytes = 0;
	if (ftruncate(journal->fd, 0) < 0) {
		return -errno;
	}
	journal_put_head(mem, head, &journal->crc);
	return journal_write(journal, mem, sizeof(mem));
}

int journal_sync(const struct journal *journal)
{
	return fdatasync(journal->fd) < 0 ? -errno : 0;
}

int journal_go_on(struct journal *journal, const struct journal_found *found)
{
	if (ftruncate(journal->fd, (off_t)found->used_bytes) < 0) {
		return -errno;
	}
	journal->len_bytes = found->used_bytes;
	journal->durable_bytes = found->durable_bytes;
	journal->crc = found->crc;
	return 0;
}

int journal_add(struct journal *journal, uint64_t end_bytes)
{
	uint8_t mem[JOURNAL_EXTENT_BYTES];
	int res;

	journal_put_extent(mem, journal->durable_bytes, end_bytes - journal->durable_bytes, &journal->crc);
	res = journal_write(journal, mem, sizeof(mem));
	if (res == 0) {
		journal->durable_bytes = end_bytes;
	}
	return res;
}

void journal_remove(struct journal *journal)
{
	if (journal->fd >= 0) {
		(void)unlinkat(journal->dir_fd, journal->name, 0);
		journal_close(journal);
	}
}

void journal_close(struct journal *journal)
{
	if (journal->fd >= 0) {
		close(journal->fd);
		journal->fd = -1;
	}
}
