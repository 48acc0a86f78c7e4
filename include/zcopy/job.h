/*
 * job: decides. What is copied where (plan), how (choose), with which lane; how the result appears
 * under its name (commit), with which attributes (meta); and what is said about it (report).
 *
 * A job runs on the thread that calls it (that thread is the lane); other threads may read the
 * progress counters while it runs. Nothing here prints; what people read is left in the report.
 */
#ifndef ZCOPY_JOB_H
#define ZCOPY_JOB_H

#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/types.h>

#include "zcopy/engine.h"
#include "zcopy/route.h"

enum zc_durability {
	ZC_DURABILITY_AUTO, /* none for new names, data when replacing, devices flushed */
	ZC_DURABILITY_NONE,
	ZC_DURABILITY_DATA,
	ZC_DURABILITY_FULL,
};

enum zc_when { /* --reflink, --sparse, --direct */
	       ZC_WHEN_AUTO,
	       ZC_WHEN_ALWAYS,
	       ZC_WHEN_NEVER,
};

enum zc_sandbox { /* --sandbox */
	          ZC_SANDBOX_OFF,
	          ZC_SANDBOX_AUTO,    /* as much of it as this kernel has */
	          ZC_SANDBOX_REQUIRE, /* all of it, or nothing is done    */
};

enum zc_cache {
	ZC_CACHE_AUTO,
	ZC_CACHE_KEEP,
	ZC_CACHE_DROP,
};

enum zc_resume {
	ZC_RESUME_OFF,
	ZC_RESUME_TRUST,  /* what an earlier run wrote down holds    */
	ZC_RESUME_VERIFY, /* it is compared with the source first   */
};

enum zc_update { /* --update, -u */
	         ZC_UPDATE_ALL,
	         ZC_UPDATE_NONE,      /* skip what exists, status 0 (also -n)  */
	         ZC_UPDATE_NONE_FAIL, /* skip what exists, status 1            */
	         ZC_UPDATE_OLDER,     /* replace only what is older            */
};

enum zc_on_change {
	ZC_ON_CHANGE_RETRY,
	ZC_ON_CHANGE_WARN,
	ZC_ON_CHANGE_FAIL,
};

enum zc_on_read_error { /* what the storage has lost of a source */
	                ZC_ON_READ_ERROR_FAIL,
	                ZC_ON_READ_ERROR_ZERO, /* becomes zeros                                      */
	                ZC_ON_READ_ERROR_SKIP, /* is not written: a hole, or what stood there before */
};

enum zc_hash { /* --hash */
	       ZC_HASH_AUTO,
	       ZC_HASH_XXH3,
	       ZC_HASH_CRC32C,
	       ZC_HASH_SHA256,
};
/* What a digest of that kind has as hex. */
size_t zc_hash_hex_len(enum zc_hash kind);
/* Whether this build has it. */
bool zc_hash_available(enum zc_hash kind);
const char *zc_hash_name(enum zc_hash kind); /* "xxh3-128" "crc32c" "sha256"; of AUTO the default's */
#define ZC_HASH_HEX_MAX 65                   /* with the NUL */
/* The digest of memory, for a bench. 0 or -ENOMEM. */
int zc_hash_of(enum zc_hash kind, const void *mem, size_t len_bytes, char ret_hex[ZC_HASH_HEX_MAX]);

enum zc_preserve {                            /* bits; -p is the first three together, -a all but NOT_MODE */
	           ZC_PRESERVE_MODE = 1 << 0, /* with it the POSIX ACLs                        */
	           ZC_PRESERVE_OWNER = 1 << 1,
	           ZC_PRESERVE_TIMES = 1 << 2,
	           ZC_PRESERVE_NOT_MODE = 1 << 3, /* --no-preserve=mode: a new file is 0666 & ~umask */
	           ZC_PRESERVE_LINKS = 1 << 4,
	           ZC_PRESERVE_XATTR = 1 << 5,
	           ZC_PRESERVE_CONTEXT = 1 << 6, /* security.selinux */
};

enum zc_deref {                    /* which symlinks are followed */
	        ZC_DEREF_DEFAULT,  /* all of them; with -r none                  */
	        ZC_DEREF_NEVER,    /* -P, -d, -a                                 */
	        ZC_DEREF_ALWAYS,   /* -L                                         */
	        ZC_DEREF_OPERANDS, /* -H: those named on the command line        */
};

enum zc_backup {
	ZC_BACKUP_NONE,
	ZC_BACKUP_SIMPLE,   /* name~                                             */
	ZC_BACKUP_EXISTING, /* numbered where numbered ones exist, else simple   */
	ZC_BACKUP_NUMBERED, /* name.~N~                                          */
};

#define ZC_TEE_MAX 64

struct zc_tee {          /* --tee */
	const char *end; /* borrowed */
	enum zc_fan_policy policy;
};

/* Everything a user may say about a run. Zero is every default but the ones noted. */
struct zc_job_cfg {
	/* which ends */
	const char *const *sources; /* borrowed                                            */
	unsigned source_count;
	const char *dest;  /* borrowed; with dest_is_dir a directory (-t)         */
	bool dest_is_dir;  /* -t: dest must be a directory                        */
	bool dest_is_file; /* -T                                                  */
	/* what is kept, what is replaced */
	unsigned preserve; /* enum zc_preserve bits                               */
	unsigned require;  /* of those: whose failure makes the item fail         */
	bool xattr_hushed; /* -a: a file system without xattrs is not worth a word */
	enum zc_update update;
	bool force;       /* -f                                                  */
	bool interactive; /* -i: asks on stderr before replacing                 */
	enum zc_backup backup;
	const char *backup_suffix; /* "~" unless -S or SIMPLE_BACKUP_SUFFIX; borrowed */
	bool remove_dest;          /* --remove-destination                            */
	/* trees */
	bool recursive; /* -r, -R, -a                                          */
	enum zc_deref deref;
	bool copy_contents;             /* FIFOs and devices in trees are read                 */
	bool one_file_system;           /* -x                                                  */
	bool parents;                   /* --parents                                           */
	bool keep_dir_links;            /* --keep-directory-symlink                            */
	bool strip_slashes;             /* --strip-trailing-slashes                            */
	bool make_hard_links;           /* -l                                                  */
	bool make_symlinks;             /* -s                                                  */
	bool attributes_only;           /* --attributes-only                                   */
	bool set_context;               /* -Z, --context                                       */
	const char *context;            /* --context=CTX, or NULL: the default one; borrowed   */
	const struct zc_filter *filter; /* --exclude, --include; borrowed, NULL: none */
	const char *files_from;         /* --files-from, "-" is stdin; borrowed       */
	bool names_end_in_nul;          /* -0                                         */
	enum zc_resume resume;          /* what an earlier run has finished is not copied again */
	const char *program;            /* what prompts begin with; borrowed, NULL: zcopy          */
	bool gnu_cp;                    /* called as cp: GNU's words, in place, created directly   */
	bool inplace;
	bool allow_mounted;
	enum zc_sandbox sandbox;
	bool verify;             /* each file is read back from storage before it gets its name      */
	enum zc_hash hash;       /* of --verify and --manifest; alone, of one file: said and reported */
	const char *expect_hash; /* the digest it has to have, by hash; hex, NULL: any; borrowed    */
	bool expect_size;        /* it has to have expect_bytes                                      */
	uint64_t expect_bytes;
	const char *manifest; /* file for a list of digests, NULL: none; borrowed                 */
	bool compare;         /* copy nothing: say what differs (zcopy verify)               */
	enum zc_durability durability;
	enum zc_when reflink; /* ALWAYS is "--reflink"                               */
	enum zc_when sparse;
	enum zc_on_change on_change;
	enum zc_on_read_error on_read_error;
	/* how */
	enum zc_engine_kind engine;
	enum zc_route_kind route; /* ZC_ROUTE_AUTO or a forced one                       */
	enum zc_when direct;
	enum zc_cache cache;
	uint64_t block_bytes; /* 0 = tuned                                           */
	unsigned queue_depth; /* 0 = tuned                                           */
	unsigned jobs;        /* 0 = tuned; helper threads of the sync engine        */
	enum zc_huge huge;
	uint64_t huge_bytes;
	bool numa_off;
	int numa_node; /* ZC_NODE_ANY = auto: set it, zero is node 0          */
	struct zc_tee tees[ZC_TEE_MAX];
	unsigned tee_count;
	uint64_t buffer_bytes;        /* --buffer; 0: none                                      */
	uint64_t pool_bytes;          /* 0 = tuned                                           */
	struct zc_pace *pace;         /* --limit: shared by all lanes; borrowed, NULL: none  */
	uint64_t io_timeout_ns;       /* of TCP ends: to connect, for a peer, without a byte; 0: none */
	bool stable;                  /* no pages of a source are passed on, which may change after that */
	const struct zc_probe *probe; /* a bench's, told of each stage; borrowed; NULL: nobody's */
	mode_t umask;                 /* the process's, read by cli at start                 */
	/* what is said */
	bool explain;
	bool count_ahead;        /* somebody shows progress: trees are counted while they are copied */
	uint64_t count_after_ns; /* but not before                                                  */
	bool verbose;
	bool debug; /* --debug: GNU's line on how each file was copied      */
	bool dry_run;
	bool quiet;
	bool epipe_is_error; /* SIGPIPE was ignored before us: who started us wants to be told */
};

/* ---- report.c: what happened */

enum zc_msg_kind {
	ZC_MSG_ERROR,   /* "zcopy: ..." on stderr              */
	ZC_MSG_EXPLAIN, /* stderr, --explain                   */
	ZC_MSG_SAY,     /* stdout: -v, --dry-run               */
};

struct zc_msg {
	enum zc_msg_kind kind;
	char *text; /* one line, no newline; names are quoted already */
};

struct zc_item_error {
	char *path;
	const char *op;
	int code;
	enum zc_side side;
	uint64_t off_bytes;
	uint64_t len_bytes; /* of a range that could not be read; else 0 */
};

struct zc_tee_fact {
	const char *end; /* borrowed from the configuration */
	uint64_t bytes;
	uint64_t dropped_bytes;
	char digest[65]; /* "": nobody asked */
	bool ok;
};

struct zc_report {
	int status;     /* 0, or the highest of 1..9 that occurred (contract 2)     */
	int signal;     /* not 0: die by this signal once all is said               */
	bool gnu;       /* messages are in GNU cp's words                           */
	unsigned lanes; /* threads that copied, when a tree had several          */
	struct {
		uint64_t logical, data, holes;
	} bytes;
	struct {
		uint64_t files, directories, symlinks, hardlinks, specials, skipped, failed;
	} items;
	struct {
		uint64_t copy, durable;
	} ns;
	struct {
		uint64_t files, bytes;
	} routes[ZC_ROUTE_COUNT];
	struct zc_engine_facts engine; /* engine.name NULL: none was opened      */
	uint64_t block_bytes;
	bool direct;
	struct zc_region region; /* region.mem NULL: no pool was mapped    */
	unsigned leaked_buffers;
	struct zc_tee_fact tees[ZC_TEE_MAX];
	unsigned tee_count;
	struct zc_store_facts store; /* --buffer; bytes 0: there was none      */
	struct zc_fallbacks fallbacks;
	const char *durability; /* of the last file; NULL: nothing copied */
	struct {
		const char *mode; /* "storage", "cache", "memory", "compare"; NULL: nothing was verified */
		const char *algorithm; /* "xxh3-128", "bytes" ...                          */
		uint64_t mismatches;   /* items that were not as they should be            */
	} verify;
	struct {
		const char *algorithm; /* NULL: nobody asked for a digest alone              */
		char digest[65];       /* "": there was none                                 */
	} hash;
	struct {
		uint64_t files, ranges, bytes;
	} unread; /* --on-read-error: what copies have not got */
	struct {
		unsigned landlock; /* its version; 0: not confined */
		bool seccomp;
	} sandbox;
	struct zc_item_error *errors;
	unsigned error_count;
	struct zc_msg *msgs;
	unsigned msg_count;
	unsigned msg_next;      /* cli's: the first not yet shown         */
	atomic_int *room_said;  /* a tree's, borrowed: its threads say once that there is no room; or NULL */
	uint64_t room_unsaid;   /* errors of that kind without a message of their own   */
	bool words_lost;        /* there was no memory for some of the errors' words */
	uint64_t hardlinks_cut; /* replaced names whose siblings keep the old file */
	struct {
		uint64_t files, bytes;
	} resumed; /* --resume: what an earlier run had copied of files that it did not finish */
};

/* The contract's JSON object on file. total_ns: since the program began. 0 or -errno. */
int zc_report_write(const struct zc_report *report, FILE *file, uint64_t total_ns);
/* The same facts for people (--stats). */
void zc_report_print(const struct zc_report *report, FILE *file, uint64_t total_ns);

/* ---- run.c: a run of one command line */

struct zc_job;

/* cfg and progress are borrowed until close. 0 or -ENOMEM; whatever else goes wrong is in the report. */
int zc_job_open(struct zc_job **ret_job, const struct zc_job_cfg *cfg, struct zc_progress *progress);
/* Copies the next source; false: there is none left, or we were asked to stop. Between steps the caller
 * shows the new messages. */
bool zc_job_step(struct zc_job *job);
struct zc_report *zc_job_report(struct zc_job *job);
/* Gives everything back (leaked buffers are counted into the report first). NULL is fine. */
void zc_job_finish(struct zc_job *job); /* lane closed, report final; messages still there */
void zc_job_close(struct zc_job *job);

/* ---- profile.c: what is known of two devices. Copies of so much and more read it; "zcopy tune" alone writes
 * it. */

#define ZC_PROFILE_BYTES_MIN (64 * ZC_MIB)

/* Between the file systems of two descriptors direct copies begin with that block size (a power of two, 64
 * KiB to 1 MiB) and queue depth (1 to 64) from now on and tune nothing, until the kernel is another one; 0:
 * forget what was known. *ret_path is the file, the caller's to free, or NULL. 0 or -errno; -ENOENT: nothing
 * was known, or there is no home to keep it in. */
int zc_profile_write(int src_fd, int dst_fd, uint32_t block_bytes, uint32_t depth, char **ret_path);

/* ---- filter.c: which names of a tree are left out, and lists of names. Bytes, whatever the locale.
 *
 * Rules are rsync's: asked in their order, the first that matches decides, what none matches is taken. Who
 * walks does not descend into a directory that is left out. Paths begin where rsync's do, which the
 * operand's spelling alone decides (not -T, not whether the destination exists): "src" gives "src" and
 * "src/a"; "src/", "src/." and ".." give "a", and the directory itself is not asked about.
 * --strip-trailing-slashes comes before. With --parents and --files-from the path is the one that was given,
 * and the directories before its last name are not asked about. */

struct zc_filter; /* built by one thread; then many may ask */

int zc_filter_new(struct zc_filter **ret_filter); /* 0 or -ENOMEM  */
void zc_filter_free(struct zc_filter *filter);    /* NULL is fine */
/* The pattern is copied. It may begin with "- " or "+ ", which beats exclude; "!" drops all rules so far, ""
 * is none. 0, or -EINVAL, -ENAMETOOLONG, -ENOMEM with *ret_why a sentence and the filter as it was. Refused
 * are patterns that rsync would accept and that no name can match, like an open "[". */
int zc_filter_add(struct zc_filter *filter, bool exclude, const char *pattern, const char **ret_why);
/* Adds each line of a file ("-" is standard input), or what ends in NUL; not empty ones and not those that
 * begin with # or ;. Errors as above or the file's; *ret_line is 0 when no line is to blame. Rules of
 * earlier lines stay. */
int zc_filter_add_file(struct zc_filter *filter, const char *path, bool exclude, bool nul,
                       const char **ret_why, unsigned *ret_line);
/* Is the entry left out? path as above, without a slash at either end. Allocates nothing and takes at most
 * strlen(path) x strlen(pattern) steps a rule. */
bool zc_filter_excludes(const struct zc_filter *filter, const char *path, bool is_dir);
/* What the paths of an operand begin with: *ret_len bytes of the result, which is in operand. 0: nothing. */
const char *zc_filter_root(const char *operand, size_t *ret_len);

struct zc_names; /* a list of names while it is read; one thread */

int zc_names_open(struct zc_names **ret_names, const char *path, bool nul); /* lines as above; 0 or -errno */
void zc_names_close(struct zc_names *names);                                /* NULL is fine */
/* The next name, valid until the next call, relative to the source (a slash in front means that as well).
 * "." and ".." are resolved in the text, as rsync does; the source itself is ".". *ret_inside: written as
 * "a/" or "a/.", which means what is in it, too. 1, 0 at the end, or -errno with *ret_why a sentence; after
 * -EINVAL, -ENAMETOOLONG and -EXDEV (it leads out of the source: never let through) one may go on. */
int zc_names_next(struct zc_names *names, const char **ret_name, bool *ret_inside, const char **ret_why);
unsigned zc_names_line(const struct zc_names *names); /* of the last name or error, from 1 */

#endif
