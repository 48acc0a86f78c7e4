/*
 * journal: a good journal is written, then the input changes it: bytes, its length, records taken from
 * elsewhere. What is then read must be a beginning of what was written, unless the CRCs really fit (a reader
 * of another make, with a CRC of its own, says); and the copy can be gone on with.
 */
#include "journal.h"

#include <errno.h>
#include <sys/mman.h>
#include <unistd.h>

#include "fuzz.h"

enum {
	EXTENTS_MAX = 12,
	BYTES_MAX = JOURNAL_HEAD_BYTES + EXTENTS_MAX * JOURNAL_EXTENT_BYTES,
};

static uint32_t crc32c(uint32_t crc, const uint8_t *mem, size_t len)
{
	crc = ~crc;
	for (size_t i = 0; i < len; i++) {
		crc ^= mem[i];
		for (int bit = 0; bit < 8; bit++) {
			crc = crc >> 1 ^ (crc & 1 ? 0x82f63b78u : 0);
		}
	}
	return ~crc;
}

static uint64_t word_at(const uint8_t *mem)
{
	uint64_t word = 0;

	for (int i = 7; i >= 0; i--) {
		word = word << 8 | mem[i];
	}
	return word;
}

/* What may be relied on, by the words of journal.h. False: nothing. */
static bool expect(const uint8_t *mem, size_t len, uint64_t *ret_durable, size_t *ret_used)
{
	const size_t head = JOURNAL_HEAD_BYTES - 8;
	uint32_t crc;
	size_t at = JOURNAL_HEAD_BYTES;
	uint64_t durable = 0;

	if (len < JOURNAL_HEAD_BYTES || memcmp(mem, "zcpjrnl1", 8) != 0 ||
	    word_at(mem + head) != crc32c(0, mem, head)) {
		return false;
	}
	crc = crc32c(0, mem, head);
	for (; at + JOURNAL_EXTENT_BYTES <= len; at += JOURNAL_EXTENT_BYTES) {
		const uint8_t *record = mem + at;
		uint64_t size = word_at(record + 16);

		crc = crc32c(crc, record, JOURNAL_EXTENT_BYTES - 8);
		if (word_at(record) != (0x7865ull << 32 | JOURNAL_EXTENT_BYTES) ||
		    word_at(record + 24) != crc || word_at(record + 8) != durable || size == 0 ||
		    size > word_at(mem + JOURNAL_SRC_SIZE * 8u) - durable) {
			break;
		}
		durable += size;
	}
	*ret_durable = durable;
	*ret_used = at;
	return true;
}

/* Writes a journal as a copy does; *ret_len bytes of it to mem. */
static void write_journal(struct journal *journal, struct fuzz_input *input, uint8_t mem[BYTES_MAX],
                          size_t *ret_len)
{
	unsigned count = fuzz_byte(input) % (EXTENTS_MAX + 1);
	struct journal_head head;
	uint64_t end = 0;

	for (unsigned i = 0; i < JOURNAL_HEAD_WORDS; i++) {
		head.word[i] = fuzz_byte(input) * 0x1000001ull;
	}
	head.word[JOURNAL_SRC_SIZE] = 1 + fuzz_byte(input) * 8192u; /* what is said beyond it is no good */
	zc_verify(journal_begin(journal, &head) == 0);
	for (unsigned i = 0; i < count; i++) {
		end += 1 + fuzz_byte(input) * 1024u;
		zc_verify(journal_add(journal, end) == 0 && journal->durable_bytes == end);
	}
	*ret_len = (size_t)pread(journal->fd, mem, BYTES_MAX, 0);
	zc_verify(*ret_len == JOURNAL_HEAD_BYTES + count * JOURNAL_EXTENT_BYTES);
}

static void sign(uint8_t mem[BYTES_MAX], size_t len)
{
	uint32_t crc = crc32c(0, mem, JOURNAL_HEAD_BYTES - 8);

	for (size_t at = JOURNAL_HEAD_BYTES; at <= len; at += JOURNAL_EXTENT_BYTES) {
		for (unsigned i = 0; i < 8; i++) {
			mem[at - 8 + i] = (uint8_t)(i < 4 ? crc >> (8 * i) : 0);
		}
		if (at + JOURNAL_EXTENT_BYTES <= len) {
			crc = crc32c(crc, mem + at, JOURNAL_EXTENT_BYTES - 8);
		}
	}
}

/* One change. Returns the new length. */
static size_t change(uint8_t mem[BYTES_MAX], size_t len, struct fuzz_input *input)
{
	unsigned kind = fuzz_byte(input);
	size_t at = (fuzz_byte(input) << 8 | fuzz_byte(input)) % BYTES_MAX;
	size_t from = JOURNAL_HEAD_BYTES + fuzz_byte(input) % EXTENTS_MAX * JOURNAL_EXTENT_BYTES;
	size_t to = JOURNAL_HEAD_BYTES + at % EXTENTS_MAX * JOURNAL_EXTENT_BYTES;

	switch (kind % 6) {
	case 0: /* a torn end */
		return at < len ? at : len;
	case 1: /* a record of elsewhere */
		memmove(mem + to, mem + from, JOURNAL_EXTENT_BYTES);
		return len;
	case 2: /* room that was never written, or another file's */
		memset(mem + len, (int)kind, BYTES_MAX - len);
		return BYTES_MAX;
	case 3: /* bytes of the input itself */
		for (size_t i = at; i < len && input->left > 0; i++) {
			mem[i] = (uint8_t)fuzz_byte(input);
		}
		return len;
	case 4: /* by somebody who knows CRCs */
		sign(mem, len);
		return len;
	default:
		mem[at] ^= (uint8_t)(1u << (kind / 6 % 8));
		return len;
	}
}

static void check_going_on(struct journal *journal, const struct journal_found *found)
{
	struct journal_found again;
	uint64_t end = found->durable_bytes + 1;

	if (end > found->head.word[JOURNAL_SRC_SIZE]) {
		return;
	}
	zc_verify(journal_go_on(journal, found) == 0 && journal_add(journal, end) == 0);
	zc_verify(journal_read(journal, &again) == 0 && again.durable_bytes == end);
	zc_verify(again.used_bytes == found->used_bytes + JOURNAL_EXTENT_BYTES);
}

static void check(struct journal *journal, const uint8_t *written, size_t written_len, const uint8_t *mem,
                  size_t len)
{
	struct journal_found found;
	uint64_t durable;
	size_t used;
	bool good = expect(mem, len, &durable, &used);

	zc_verify(ftruncate(journal->fd, 0) == 0 && pwrite(journal->fd, mem, len, 0) == (ssize_t)len);
	if (!good) {
		zc_verify(journal_read(journal, &found) == -EBADMSG);
		return;
	}
	zc_verify(journal_read(journal, &found) == 0);
	zc_verify(found.durable_bytes == durable && found.used_bytes == used && used <= len);
	zc_verify(durable <= found.head.word[JOURNAL_SRC_SIZE]);
	/* more than was written is believed only where a CRC was made to fit */
	zc_verify(len > written_len || memcmp(mem, written, used) == 0 ||
	          word_at(mem + used - 8) != word_at(written + used - 8));
	check_going_on(journal, &found);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len_bytes)
{
	static uint8_t written[BYTES_MAX];
	static uint8_t mem[BYTES_MAX];
	static int fd = -1;
	struct fuzz_input input = { data, len_bytes };
	struct journal journal = { .dir_fd = -1 };
	struct journal_found found;
	size_t written_len;
	size_t len;

	if (fd < 0) {
		fd = memfd_create("journal", MFD_CLOEXEC);
	}
	journal.fd = fd;
	zc_verify(journal_parse(data, len_bytes, &found) == 0 || len_bytes < JOURNAL_HEAD_BYTES ||
	          memcmp(data, "zcpjrnl1", 8) != 0 ||
	          word_at(data + JOURNAL_HEAD_BYTES - 8) != crc32c(0, data, JOURNAL_HEAD_BYTES - 8));
	write_journal(&journal, &input, written, &written_len);
	memcpy(mem, written, sizeof(mem));
	len = written_len;
	check(&journal, written, written_len, mem, len);
	while (input.left > 0) {
		len = change(mem, len, &input);
		check(&journal, written, written_len, mem, len);
	}
	return 0;
}
