/*
 * journal.h: what an interrupted copy has made durable, so that a later run goes on there. Private to job/.
 *
 * One file for each destination that is being copied to with --resume, in $XDG_STATE_HOME/zcopy, held by
 * flock as long as a run writes it. It says which source was copied to which temporary, and, record by
 * record, up to which byte that is durable. Appended to only; a record goes in when fdatasync has returned
 * for its bytes.
 *
 *   head:   JOURNAL_HEAD_WORDS words | CRC-32C, as a word
 *   extent: kind and length in bytes | offset | length | CRC-32C of this and of all before it, as a word
 *
 * Words are 64 bits, little-endian. The first byte that is not as it should be ends the journal there: what
 * is before it holds. Extents follow each other without a gap, from byte 0 on.
 */
#ifndef ZC_JOB_JOURNAL_H
#define ZC_JOB_JOURNAL_H

#include <sys/stat.h>

#include "target.h"
#include "zcopy/base.h"

enum journal_word {
	JOURNAL_MAGIC,
	JOURNAL_SRC_FS, /* the source, as it was                                        */
	JOURNAL_SRC_INO,
	JOURNAL_SRC_SIZE,
	JOURNAL_SRC_MTIME,
	JOURNAL_SRC_MTIME_NS,
	JOURNAL_SRC_CTIME,
	JOURNAL_SRC_CTIME_NS,
	JOURNAL_DIR_FS, /* where the temporary is                                       */
	JOURNAL_DIR_INO,
	JOURNAL_NAME, /* hash of the destination's name                               */
	JOURNAL_PART_INO,
	JOURNAL_PART_BIRTH, /* when it was made; both all ones: the file system does not say */
	JOURNAL_PART_BIRTH_NS,
	JOURNAL_HEAD_WORDS,
};

struct journal_head {
	uint64_t word[JOURNAL_HEAD_WORDS];
};

#define JOURNAL_HEAD_BYTES   ((JOURNAL_HEAD_WORDS + 1) * 8)
#define JOURNAL_EXTENT_BYTES 32u
#define JOURNAL_BYTES_MAX    (64 * ZC_MIB) /* of one that is read: 128 TiB in pieces of 64 MiB */

/* What a journal says. */
struct journal_found {
	struct journal_head head;
	uint64_t durable_bytes; /* of the source, from its first byte on     */
	size_t used_bytes;      /* of the journal; behind it nothing is good */
	uint32_t crc;           /* up to there                               */
};

/* Pure: bytes to what they say, whatever they are. 0, or -EBADMSG: the head is not good. */
int journal_parse(const uint8_t *mem, size_t len_bytes, struct journal_found *ret_found);

/* One that is open. One thread at a time. */
struct journal {
	int dir_fd; /* borrowed                    */
	int fd;     /* ours, locked; -1: not open  */
	char name[24];
	uint64_t len_bytes;
	uint64_t durable_bytes;
	uint32_t crc;
};

/* Opens $XDG_STATE_HOME/zcopy, ~/.local/state/zcopy without that. make: and what is missing of it, 0700.
 * Root neither uses nor makes one in another user's directory: -EPERM.
 * A descriptor, or -errno with *ret_path what it was about: free() it, NULL when no place is known. */
int journal_open_dir(bool make, char **ret_path);
int journal_open_cache_dir(bool make, char **ret_path); /* the same of $XDG_CACHE_HOME */
/* A file system, by what stays the same over a reboot where there is such a thing. */
uint64_t journal_fs(int fd, dev_t dev);
/* What the state of that destination is called: 16 hex digits. 0 or -errno. */
int journal_name(char out[24], const struct target *target);
/* The one of that destination, made when there is none, and locked. 0; -EBUSY: another run has it; -errno. */
int journal_open(struct journal *ret_journal, int dir_fd, const struct target *target);
/* What it says. 0; -EBADMSG: nothing to rely on; -errno. */
int journal_read(const struct journal *journal, struct journal_found *ret_found);
/* Begins anew. 0 or -errno. */
int journal_begin(struct journal *journal, const struct journal_head *head);
/* Makes that durable: where a temporary stays, what was said of it is void before its bytes change. */
int journal_sync(const struct journal *journal);
/* Goes on behind what was found good; the rest is cut off. 0 or -errno. */
int journal_go_on(struct journal *journal, const struct journal_found *found);
/* All up to end_bytes is durable. 0 or -errno; after that nothing more may be added. */
int journal_add(struct journal *journal, uint64_t end_bytes);
/* The name goes, too. */
void journal_remove(struct journal *journal);
void journal_close(struct journal *journal);

#endif
