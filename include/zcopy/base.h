/*
 * base: the words every room uses. Checked sizes, the clock, error records, the list of
 * fallbacks, the names of ends, quoting and JSON. Nothing here prints or exits.
 *
 * Errors: functions return 0 or a count, else a negative errno; global errno never crosses a room.
 * Threads: everything is reentrant; a struct belongs to one thread unless its comment says otherwise.
 */
#ifndef ZCOPY_BASE_H
#define ZCOPY_BASE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

/* zc_assert: our own mistakes, debug builds. zc_verify: continuing would corrupt data, always on. */
#define zc_verify(cond) ((cond) ? (void)0 : zc_panic(#cond, __FILE__, __LINE__))
#ifdef NDEBUG
#define zc_assert(cond) ((void)sizeof(!(cond)))
#else
#define zc_assert(cond) zc_verify(cond)
#endif
_Noreturn void zc_panic(const char *what, const char *file, int line);

#define ZC_ARRAY_LEN(a) (sizeof(a) / sizeof((a)[0]))
#define ZC_KIB          1024ull
#define ZC_MIB          (1024ull * 1024ull)
#define ZC_GIB          (1024ull * 1024ull * 1024ull)

static inline uint64_t zc_min_u64(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

static inline uint64_t zc_max_u64(uint64_t a, uint64_t b)
{
	return a > b ? a : b;
}

/* Whole, and as near as it gets to what does not fit. */
static inline uint64_t zc_clamp_u64(double value)
{
	return value >= 0x1p64 ? UINT64_MAX : value > 0 ? (uint64_t)value : 0;
}

/* Rounds down / up to a power of two. Up: the caller knows that it does not wrap. */
static inline uint64_t zc_align_down(uint64_t value, uint64_t align)
{
	return value & ~(align - 1);
}

static inline uint64_t zc_align_up(uint64_t value, uint64_t align)
{
	return (value + align - 1) & ~(align - 1);
}

/* ---- num.c: numbers as people write them. -EINVAL: not a number of that kind; -ERANGE: too big. */

/* "64K" "1.5G" is refused: whole numbers only. K M G T and KiB.. are 1024, KB MB.. are 1000. */
int zc_parse_size(const char *text, uint64_t *ret_bytes);
/* "200ms" "5s" "2m" "1h": whole numbers only, a unit always. */
int zc_parse_time(const char *text, uint64_t *ret_ns);
/* A decimal whole number from min to max. */
int zc_parse_count(const char *text, uint64_t min, uint64_t max, uint64_t *ret_count);
/* "1.4 GiB", at most 15 characters; returns out. */
const char *zc_format_size(char out[16], uint64_t bytes);

/* ---- clock.c */

uint64_t zc_now_ns(void); /* CLOCK_MONOTONIC */

/* ---- err.c */

enum zc_side {
	ZC_SIDE_NONE,
	ZC_SIDE_SRC,
	ZC_SIDE_DST,
	ZC_SIDE_ENGINE,
};

/* The first thing that went wrong in a piece of work. op is a string that lives for ever. */
struct zc_err {
	int code;           /* negative errno; 0 = nothing went wrong   */
	enum zc_side side;  /* whose fault                              */
	const char *op;     /* "read", "linkat", ...                    */
	uint64_t off_bytes; /* where in the file; ZC_OFF_NONE = nowhere */
};
#define ZC_OFF_NONE UINT64_MAX

/* Keeps the first error only; returns code, so that "return zc_err_set(...)" reads well. */
int zc_err_set(struct zc_err *err, int code, enum zc_side side, const char *op, uint64_t off_bytes);
const char *zc_side_name(enum zc_side side); /* "src", "dst", "engine", "" */
/* "ENOSPC"; "errno ?" for a number without a name. Valid for ever. code may be negative. */
const char *zc_errno_name(int code);

/* ---- fallbacks: what was refused and what was used in its place (report, --explain). */

struct zc_fallback {
	const char *from; /* strings that live for ever */
	const char *to;
	const char *op; /* the call that was refused  */
	int code;       /* negative errno             */
	unsigned count;
};

/* One per run; only the thread that runs the job writes it. A full list drops the newest. */
struct zc_fallbacks {
	struct zc_fallback list[24];
	unsigned count;
};
void zc_fallback_add(struct zc_fallbacks *log, const char *from, const char *to, const char *op, int code);

/* ---- stop.c: cancellation. Holds the signal number once somebody asked us to stop, else 0.
 * Written by the signal handler in cli, read by everybody between batches. */
extern volatile int zc_stop_signal;
static inline bool zc_stopped(void)
{
	return __atomic_load_n(&zc_stop_signal, __ATOMIC_RELAXED) != 0;
}

/* ---- uri.c: the names of ends (contract 1) */

enum zc_end_kind {
	ZC_END_PATH,
	ZC_END_FD, /* "-", /dev/stdin, /dev/fd/N: a descriptor we were given and must not close */
	ZC_END_NULL,
	ZC_END_ZERO,
	ZC_END_GEN,
	ZC_END_TCP,        /* tcp://HOST:PORT        */
	ZC_END_TCP_LISTEN, /* tcp-listen://[ADDR]:PORT */
	ZC_END_REMOTE,     /* ssh://, zcopy://, HOST:PATH */
};

struct zc_uri {
	enum zc_end_kind kind;
	const char *text;    /* as typed; borrowed                    */
	const char *path;    /* ZC_END_PATH; borrowed                 */
	int fd;              /* ZC_END_FD                             */
	uint64_t seed;       /* ZC_END_GEN                            */
	uint64_t size_bytes; /* ZERO and GEN as a source              */
	const char *host;    /* TCP, without brackets; borrowed, not ended by a NUL; NULL: any address */
	uint32_t host_len;
	uint16_t port;
};

enum zc_dir {
	ZC_DIR_SRC,
	ZC_DIR_DST,
};

/* text must outlive ret_uri. 0, or -EINVAL / -ERANGE with *ret_why a sentence for the user. */
int zc_uri_parse(struct zc_uri *ret_uri, const char *text, enum zc_dir dir, const char **ret_why);

/* ---- quote.c: file names for people. Control bytes, invalid UTF-8 and backslash are escaped C-style.
 * Writes at most cap_bytes including the NUL, cutting with "..." (so at least 4); returns out. */
const char *zc_quote(char *out, size_t cap_bytes, const char *name);
/* As GNU's tools quote a name for a shell, with the quotes: 'a b', "it's", 'a'$'\n''b'. Nothing but
 * printable UTF-8 either. Cut and returned as by zc_quote. */
const char *zc_quote_shell(char *out, size_t cap_bytes, const char *name);
bool zc_utf8_valid(const char *text);
/* Bytes of the well-formed character that text starts with (1 at the NUL); 0 = it is none. */
unsigned zc_utf8_len(const char *text);

/* ---- json.c: writes JSON to a stream, all on one line, no newline behind it. Keys are plain ASCII.
 * Errors stay in the stream (ferror). */

struct zc_json {
	FILE *file;
	unsigned depth;
	bool comma; /* the next item needs one */
};
void zc_json_init(struct zc_json *json, FILE *file);
void zc_json_open(struct zc_json *json, const char *key, char bracket); /* '{' or '['; key NULL in arrays */
void zc_json_close(struct zc_json *json, char bracket);                 /* '}' or ']' */
void zc_json_str(struct zc_json *json, const char *key, const char *value);
void zc_json_u64(struct zc_json *json, const char *key, uint64_t value);
/* As short as it reads back to the same; what is not a number is not written at all. */
void zc_json_real(struct zc_json *json, const char *key, double value);
void zc_json_bool(struct zc_json *json, const char *key, bool value);
void zc_json_seconds(struct zc_json *json, const char *key, uint64_t ns);
/* "path", or "path_b64" when the name is not UTF-8 (contract 3): the key gets "_b64" appended. */
void zc_json_name(struct zc_json *json, const char *key, const char *name);

/* ---- confine.c: this process gives up rights for good. For the thread that calls and those it makes
 * afterwards, so before there are others. What is open already stays as it is. */

struct zc_confine { /* while the rules are gathered */
	int fd;
	unsigned abi; /* Landlock's version */
	uint64_t handled;
	bool accepts; /* the caller's: it will accept a connection to a socket that listens already */
};

enum zc_allow { /* of a file; of a directory and all below it           */
	        ZC_ALLOW_READ = 1,
	        ZC_ALLOW_WRITE = 2,   /* its data, and which names are there                  */
	        ZC_ALLOW_DEVICES = 4, /* device nodes can be made, and so what they are of be reached */
};

/* 0; -ENOSYS, -EOPNOTSUPP: this kernel has no Landlock that would do. */
int zc_confine_begin(struct zc_confine *ret_confine);
/* fd may be O_PATH and is not needed afterwards. 0 or -errno. */
int zc_confine_allow(const struct zc_confine *confine, int fd, unsigned what);
/* From here on nothing but what was allowed can be opened, made, removed, renamed or run; *ret_seccomp is 0,
 * or the negative errno for which other calls (network, mounts, other processes) are not refused. Ends
 * confine. 0, or -errno and nothing is confined. */
int zc_confine_enforce(struct zc_confine *confine, int *ret_seccomp);

#endif
