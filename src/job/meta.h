/* meta.h: a file's attributes, through descriptors. Private to job/. Errors: 0 or -errno. */
#ifndef ZC_JOB_META_H
#define ZC_JOB_META_H

#include "attr.h"
#include "zcopy/job.h"

/* Replacing without -p: the new file takes over the old one's owner (asked before any byte is copied,
 * since an owner that cannot be restored is a refusal) ... */
int meta_keep_owner(int fd, const struct stat *old);
/* ... and, once complete, its mode (not suid, sgid), ACL and user attributes. old_fd
 * may be O_PATH. What the old file has and the new one cannot take is an error. */
int meta_keep_rest(int fd, int old_fd, const struct stat *old, const char **ret_op);

/* ---- the whole of cp -a */

/* What the new file is known to have already: calls that would change nothing are saved. */
struct meta_given {
	uid_t uid;
	gid_t gid;
	mode_t mode;  /* as st_mode; the type does not matter */
	bool has_acl; /* or, a directory, a default ACL       */
};

enum meta_what {
	META_OWNER,
	META_MODE,
	META_ACL,
	META_DEFAULT_ACL,
	META_XATTR,
	META_CONTEXT,
	META_TIMES,
	META_WHAT_COUNT,
};

struct meta_failure {
	enum meta_what what;
	int code; /* -errno */
	const char *op;
	bool required;  /* the item fails; else worth a word only           */
	char xattr[64]; /* which attribute, cut if need be; "" for the rest */
};

struct meta_result {
	unsigned count;
	struct meta_failure list[META_WHAT_COUNT]; /* of each kind the first */
	bool src_no_xattrs; /* the source's file system has none: wish.no_xattrs for the rest of it */
};

struct meta_wish {
	unsigned preserve; /* enum zc_preserve: MODE (with ACLs), OWNER, TIMES, XATTR, CONTEXT */
	unsigned require;  /* those of them whose failure is required to be none              */
	bool xattr_hushed; /* -a: a destination without xattrs is no failure, unless required */
	bool set_mode;     /* mode is to be set where MODE is not preserved; ACLs then stay   */
	mode_t mode;
	bool no_xattrs; /* of the source's file system; nothing is asked */
};

/*
 * Gives dst what src has, of any type (src_st says which; both are of the same). given is NULL where
 * nothing is known. ret is filled, never read. All that can be copied is, also behind a failure.
 *
 * dst is narrow (0600, 0700) or has no name yet, or it is an old directory: group and others never get
 * more in between than they had or will have. A directory comes after its entries, a file after its
 * last write. May be called by any number of threads.
 */
void meta_copy(const struct attr_at *src, const struct stat *src_st, const struct attr_at *dst,
               const struct meta_given *given, const struct meta_wish *wish, struct meta_result *ret);

/* Whether dst is src's time, as a file system may keep it (FAT: 2 s, exFAT: 10 ms, CIFS: 100 ns). */
bool meta_times_equal(struct timespec src, struct timespec dst);

/* The mode of a new file in this directory, where the kernel cannot be left to work it out. */
mode_t meta_new_mode(int dir_fd, mode_t mode, mode_t mask);

#endif
