/*
 * meta.c: what a file has besides its bytes: owner, mode, ACL, extended attributes, times.
 *
 * Everything goes through descriptors, or a name in a held directory, in the order that loses nothing:
 * owner first (it clears suid and capabilities), attributes while the file may still be written, then
 * ACL and mode, times last (all before change them). Nothing that is not listed is asked for.
 */
#include "meta.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/xattr.h>
#include <unistd.h>

#define ACL_ACCESS  "system.posix_acl_access"
#define ACL_DEFAULT "system.posix_acl_default"
#define CONTEXT     "security.selinux"

enum {
	MODE_SPECIAL = S_ISUID | S_ISGID | S_ISVTX,
	MODE_ALL = 07777,
	ACL_PLAIN_BYTES = 4 + 3 * 8, /* owner, group, others: as the mode says */
};

static bool meta_starts(const char *name, const char *prefix)
{
	return strncmp(name, prefix, strlen(prefix)) == 0;
}

/* ---- replacing: what the old file had */

static bool meta_no_xattrs(int code)
{
	return attr_unsupported(code) || code == -ENODATA || code == -EPERM || code == -EACCES;
}

/* Copies one attribute. What the source does not have, or cannot have, is nothing to copy; what it has
 * and the new file cannot take is an error. */
static int meta_copy_xattr(struct attr_space *space, struct attr_place *from, struct attr_place *to,
                           const char *name)
{
	const char *value;
	ssize_t len = attr_value(space, from, name, &value);

	if (len < 0) {
		return meta_no_xattrs((int)len) ? 0 : (int)len;
	}
	return attr_set(to, name, value, (size_t)len);
}

/* The old file's attributes, as a truncating cp would leave them: not capabilities, which a write takes
 * away, and not what only the kernel or a security module may set. The ACL comes by itself, last. */
static bool meta_xattr_is_kept(const char *name)
{
	return meta_starts(name, "user.") || meta_starts(name, "trusted.");
}

static int meta_keep_xattrs(struct attr_space *space, struct attr_place *from, struct attr_place *to)
{
	const char *names;
	ssize_t len = attr_names(space, from, &names);
	int res = 0;

	if (len < 0) {
		return meta_no_xattrs((int)len) ? 0 : (int)len;
	}
	for (; *names != '\0' && res == 0; names += strlen(names) + 1) {
		if (meta_xattr_is_kept(names)) {
			res = meta_copy_xattr(space, from, to, names);
			if (res == -EACCES && attr_chmod(to, S_IRUSR | S_IWUSR) == 0) {
				res = meta_copy_xattr(space, from, to, names); /* it was born read-only */
			}
		}
	}
	return res;
}

int meta_keep_owner(int fd, const struct stat *old)
{
	struct stat now;

	if (fstat(fd, &now) < 0) {
		return -errno;
	}
	if (now.st_uid == old->st_uid && now.st_gid == old->st_gid) {
		return 0;
	}
	return fchown(fd, old->st_uid, old->st_gid) < 0 ? -errno : 0;
}

int meta_keep_rest(int fd, int old_fd, const struct stat *old, const char **ret_op)
{
	struct attr_space space = { .large_names = NULL };
	struct attr_place from = { .at = &(const struct attr_at){ .fd = old_fd, .name = "" } };
	struct attr_place to = { .at = &(const struct attr_at){ .fd = fd, .name = "" } };
	int res;

	/* user attributes while we may still write: the mode to be kept may say otherwise */
	*ret_op = "fsetxattr";
	res = meta_keep_xattrs(&space, &from, &to);
	if (res == 0) {
		/* a default ACL of the directory may have put one on the new file that the old one did not
		 * have */
		(void)attr_remove(&to, ACL_ACCESS);
		*ret_op = "fchmod";
		res = attr_chmod(&to, old->st_mode & 0777);
	}
	if (res == 0) {
		*ret_op = "fsetxattr";
		res = meta_copy_xattr(&space, &from, &to, ACL_ACCESS);
	}
	attr_space_free(&space);
	return res;
}

/* ---- copying: what the source has */

struct meta_run {
	struct attr_place from;
	struct attr_place to;
	const struct stat *src;
	const struct meta_wish *wish;
	struct meta_result *ret;
	struct attr_space *space;
	const char *names;     /* of the source's attributes, in space                           */
	struct meta_given now; /* what the new file has                                          */
	bool now_acl;          /* it has, or may have, an ACL                                    */
	bool now_default;      /* ... and a default ACL                                          */
	bool now_times;        /* it has the source's already */
	bool now_unsure;       /* suid and sgid of now.mode may be gone                          */
	bool src_acl;          /* listed, or not known                                           */
	bool src_default;
	bool src_context;
	bool set_mode; /* mode is to be set                                                      */
	mode_t mode;   /* what it comes to                                                       */
};

static bool meta_wants(const struct meta_run *run, unsigned bits)
{
	return (run->wish->preserve & bits) != 0;
}

static bool meta_requires(const struct meta_run *run, enum meta_what what)
{
	static const unsigned bits[META_WHAT_COUNT] = {
		[META_OWNER] = ZC_PRESERVE_OWNER, [META_MODE] = ZC_PRESERVE_MODE,
		[META_ACL] = ZC_PRESERVE_MODE,    [META_DEFAULT_ACL] = ZC_PRESERVE_MODE,
		[META_XATTR] = ZC_PRESERVE_XATTR, [META_CONTEXT] = ZC_PRESERVE_CONTEXT,
		[META_TIMES] = ZC_PRESERVE_TIMES,
	};

	if (what == META_MODE && !meta_wants(run, ZC_PRESERVE_MODE)) {
		return true; /* the mode that any file gets is not a wish */
	}
	return (run->wish->require & bits[what]) != 0;
}

static void meta_fail(struct meta_run *run, enum meta_what what, const char *op, int code, const char *xattr)
{
	struct meta_result *ret = run->ret;
	struct meta_failure *failure = &ret->list[ret->count];

	for (unsigned i = 0; i < ret->count; i++) {
		if (ret->list[i].what == what) {
			return;
		}
	}
	*failure = (struct meta_failure){
		.what = what, .code = code, .op = op, .required = meta_requires(run, what)
	};
	snprintf(failure->xattr, sizeof(failure->xattr), "%s", xattr);
	ret->count++;
}

/* GNU's rules: without root's rights a chown that only root may do fails silently, the group is tried
 * alone (not of a symlink), and what the old owner trusted to this file (suid, sgid) is not carried over. A
 * directory's sticky bit takes rights away: it stays. */
static void meta_put_owner(struct meta_run *run)
{
	uid_t uid = run->src->st_uid;
	gid_t gid = run->src->st_gid;
	int res;

	if (run->now.uid == uid && run->now.gid == gid) {
		return;
	}
	run->now_unsure = (run->now.mode & (S_ISUID | S_ISGID)) != 0;
	res = attr_chown(&run->to, uid, gid);
	if (res == 0) {
		return;
	}
	run->mode &= ~(mode_t)(S_ISDIR(run->src->st_mode) ? S_ISUID | S_ISGID : MODE_SPECIAL);
	if (res == -EPERM || res == -EINVAL) {
		if (run->now.gid != gid && run->now.uid != uid && !S_ISLNK(run->src->st_mode)) {
			(void)attr_chown(&run->to, (uid_t)-1, gid);
		}
		if (geteuid() != 0) {
			return;
		}
	}
	meta_fail(run, META_OWNER, "fchown", res, "");
}

/* An old directory's rights are taken back before it changes hands: what the new owner's group may not
 * do in the end it may not do now. */
static void meta_narrow(struct meta_run *run)
{
	mode_t open_to_others = run->now.mode & (S_IRWXG | S_IRWXO);
	mode_t wanted = run->src_acl ? run->mode & ~(mode_t)S_IRWXG : run->mode;

	if (run->set_mode && (open_to_others & ~wanted) != 0 &&
	    attr_chmod(&run->to, run->now.mode & S_IRWXU) == 0) {
		run->now.mode &= S_IRWXU;
	}
}

/* The kernel asks for the right to write an attribute at every call, whatever the descriptor may do. */
static bool meta_make_writable(struct meta_run *run)
{
	mode_t mode = (run->now.mode & S_IRWXU) | S_IWUSR;

	if (S_ISLNK(run->src->st_mode) || (run->now.mode & S_IWUSR) || attr_chmod(&run->to, mode) < 0) {
		return false;
	}
	if (!run->set_mode) {
		run->set_mode = true; /* as it was, when all is done */
		run->mode = run->now.mode;
	}
	run->now.mode = mode;
	return true;
}

static bool meta_xattr_hushed(const struct meta_run *run)
{
	return run->wish->xattr_hushed && !meta_requires(run, META_XATTR);
}

static void meta_put_xattr(struct meta_run *run, const char *name)
{
	const char *op = "fgetxattr";
	const char *value;
	ssize_t len = attr_value(run->space, &run->from, name, &value);
	int res = (int)len;

	if (len == -ENODATA) {
		return; /* gone since it was listed */
	}
	if (len >= 0) {
		op = "fsetxattr";
		res = attr_set(&run->to, name, value, (size_t)len);
		if (res == -EACCES && meta_make_writable(run)) {
			res = attr_set(&run->to, name, value, (size_t)len);
		}
	}
	if (res >= 0 || (attr_unsupported(res) && meta_xattr_hushed(run))) {
		return;
	}
	meta_fail(run, META_XATTR, op, res, name);
}

/* Not what has a meaning on its own file system or computer only, nor what is copied as something else.
 * The list is that of libattr's xattr.conf. */
static bool meta_xattr_is_copied(const char *name)
{
	static const char *const skipped[] = {
		"system.",  "security.evm", "security.selinux", "trusted.SGI_", "user.Beagle.",
		"xfsroot.", "afs.",
	};

	for (unsigned i = 0; i < ZC_ARRAY_LEN(skipped); i++) {
		if (meta_starts(name, skipped[i])) {
			return false;
		}
	}
	return true;
}

/* One list says all. Where it cannot be had, whatever may be there is asked for by its name. */
static void meta_look(struct meta_run *run)
{
	bool link = S_ISLNK(run->src->st_mode);
	bool acls = meta_wants(run, ZC_PRESERVE_MODE) && !link;
	ssize_t len;

	run->names = "";
	if (run->wish->no_xattrs || !(acls || meta_wants(run, ZC_PRESERVE_XATTR | ZC_PRESERVE_CONTEXT))) {
		return;
	}
	len = attr_names(run->space, &run->from, &run->names);
	if (len < 0) {
		if (attr_unsupported((int)len)) {
			run->ret->src_no_xattrs = !link;
			return;
		}
		if (link && len == -ENOENT && meta_xattr_hushed(run)) {
			return; /* no /proc, no way to a symlink's */
		}
		if (meta_wants(run, ZC_PRESERVE_XATTR)) {
			meta_fail(run, META_XATTR, "flistxattr", (int)len, "");
		}
		run->src_acl = acls;
		run->src_default = acls && S_ISDIR(run->src->st_mode);
		run->src_context = meta_wants(run, ZC_PRESERVE_CONTEXT);
		return;
	}
	run->src_acl = acls && attr_has(run->names, ACL_ACCESS);
	run->src_default = acls && attr_has(run->names, ACL_DEFAULT);
	run->src_context = meta_wants(run, ZC_PRESERVE_CONTEXT) && attr_has(run->names, CONTEXT);
}

static bool meta_same_time(const struct timespec *a, const struct timespec *b)
{
	return a->tv_sec == b->tv_sec && a->tv_nsec == b->tv_nsec;
}

/* What the new file has, unless it is known. False: it cannot even be looked at. */
static bool meta_look_at_new(struct meta_run *run, const struct meta_given *given)
{
	bool dir = S_ISDIR(run->src->st_mode);
	const char *names = "";
	struct stat st;
	ssize_t len;
	int res;

	if (given != NULL) {
		run->now = *given;
		run->now_acl = given->has_acl;
		run->now_default = given->has_acl && dir;
		return true;
	}
	res = attr_stat(&run->to, &st);
	if (res < 0) {
		meta_fail(run, meta_wants(run, ZC_PRESERVE_OWNER) ? META_OWNER : META_MODE, "fstat", res, "");
		return false;
	}
	run->now = (struct meta_given){ .uid = st.st_uid, .gid = st.st_gid, .mode = st.st_mode };
	run->now_times = meta_same_time(&st.st_mtim, &run->src->st_mtim) &&
	                 meta_same_time(&st.st_atim, &run->src->st_atim);
	if (meta_wants(run, ZC_PRESERVE_MODE) && !S_ISLNK(run->src->st_mode)) {
		len = attr_names(run->space, &run->to, &names);
		run->now_acl = len < 0 ? !attr_unsupported((int)len) : attr_has(names, ACL_ACCESS);
		run->now_default = dir && (len < 0 ? run->now_acl : attr_has(names, ACL_DEFAULT));
	}
	return true;
}

/* The mode of an ACL that cannot be had: the group bits were the mask, the most that anybody named has; they
 * become what the owning group had. (acl(5); the bytes are described at meta_new_mode.) */
static mode_t meta_acl_mode(mode_t mode, const char *value, ssize_t len_bytes)
{
	enum { GROUP_OBJ = 0x04 };
	const uint8_t *acl = (const uint8_t *)value;
	unsigned group = 0;

	for (ssize_t at = 4; at + 8 <= len_bytes; at += 8) {
		if ((acl[at] | acl[at + 1] << 8) == GROUP_OBJ) {
			group = acl[at + 2] & 7;
		}
	}
	return mode & (~(mode_t)S_IRWXG | (mode_t)group << 3);
}

/* The source's ACL; the kernel makes the mode's rwx bits of it. True if the new file has it. Else the
 * mode must not say more than the ACL did: its group bits were the mask, the most anybody named has. */
static bool meta_put_acl(struct meta_run *run)
{
	const char *value;
	ssize_t len = attr_value(run->space, &run->from, ACL_ACCESS, &value);
	int res;

	if (len == -ENODATA || attr_unsupported((int)len)) {
		return false;
	}
	if (len < 0) {
		run->mode &= ~(mode_t)S_IRWXG;
		meta_fail(run, META_ACL, "fgetxattr", (int)len, ACL_ACCESS);
		return false;
	}
	res = attr_set(&run->to, ACL_ACCESS, value, (size_t)len);
	if (res == 0) {
		run->now.mode = (run->now.mode & MODE_SPECIAL) | (run->mode & ~(mode_t)MODE_SPECIAL);
		return true;
	}
	run->mode = meta_acl_mode(run->mode, value, len);
	if (len > ACL_PLAIN_BYTES || !attr_unsupported(res)) {
		meta_fail(run, META_ACL, "fsetxattr", res, ACL_ACCESS);
	}
	return false;
}

/* An ACL that the new file inherited. Its mask is the mode's group bits: taken back, unless they are to be
 * the group's, before they become the group's. */
static void meta_clear_acl(struct meta_run *run)
{
	int res = 0;

	if (run->now.mode & S_IRWXG & ~run->mode) {
		res = attr_chmod(&run->to, run->now.mode & S_IRWXU);
		run->now.mode &= res == 0 ? S_IRWXU : MODE_ALL;
	}
	res = attr_remove(&run->to, ACL_ACCESS);
	if (res < 0) {
		run->mode &= ~(mode_t)S_IRWXG; /* keeps its entries shut */
		meta_fail(run, META_ACL, "fremovexattr", res, ACL_ACCESS);
	}
}

static void meta_put_mode(struct meta_run *run)
{
	int res;

	if (meta_wants(run, ZC_PRESERVE_MODE) && !(run->src_acl && meta_put_acl(run)) && run->now_acl) {
		meta_clear_acl(run);
	}
	if (!run->now_unsure && (run->now.mode & MODE_ALL) == run->mode) {
		return;
	}
	res = attr_chmod(&run->to, run->mode);
	if (res < 0) {
		meta_fail(run, META_MODE, "fchmod", res, "");
	}
}

static void meta_put_default_acl(struct meta_run *run)
{
	const char *value;
	ssize_t len = -ENODATA;
	int res = 0;

	if (run->src_default) {
		len = attr_value(run->space, &run->from, ACL_DEFAULT, &value);
	}
	if (len >= 0) {
		res = attr_set(&run->to, ACL_DEFAULT, value, (size_t)len);
	} else if (len != -ENODATA && !attr_unsupported((int)len)) {
		meta_fail(run, META_DEFAULT_ACL, "fgetxattr", (int)len, ACL_DEFAULT);
	}
	if (res == 0 && len < 0 && run->now_default) {
		res = attr_remove(&run->to, ACL_DEFAULT);
	}
	if (res < 0) {
		meta_fail(run, META_DEFAULT_ACL, len >= 0 ? "fsetxattr" : "fremovexattr", res, ACL_DEFAULT);
	}
}

/* Best effort unless required: a label is often not ours to give, or means nothing here. */
static void meta_put_context(struct meta_run *run)
{
	const char *op = "fgetxattr";
	const char *value;
	ssize_t len = attr_value(run->space, &run->from, CONTEXT, &value);
	int res = (int)len;

	if (len >= 0) {
		op = "fsetxattr";
		res = attr_set(&run->to, CONTEXT, value, (size_t)len);
	}
	if (res >= 0 || len == -ENODATA) {
		return;
	}
	if (!meta_requires(run, META_CONTEXT) &&
	    (attr_unsupported(res) || res == -EPERM || res == -EACCES || res == -EINVAL)) {
		return;
	}
	meta_fail(run, META_CONTEXT, op, res, CONTEXT);
}

static void meta_run_all(struct meta_run *run)
{
	const struct timespec times[2] = { run->src->st_atim, run->src->st_mtim };
	int res;

	if (meta_wants(run, ZC_PRESERVE_OWNER)) {
		meta_narrow(run);
		meta_put_owner(run);
	}
	if (meta_wants(run, ZC_PRESERVE_XATTR)) {
		for (const char *name = run->names; *name != '\0'; name += strlen(name) + 1) {
			if (meta_xattr_is_copied(name)) {
				meta_put_xattr(run, name);
			}
		}
	}
	if (run->set_mode) {
		meta_put_mode(run);
	}
	if (meta_wants(run, ZC_PRESERVE_MODE) && S_ISDIR(run->src->st_mode)) {
		meta_put_default_acl(run);
	}
	if (run->src_context) {
		meta_put_context(run);
	}
	/* nothing above changes them: a tree that is as it was is not written to */
	if (meta_wants(run, ZC_PRESERVE_TIMES) && !run->now_times) {
		res = attr_utimens(&run->to, times);
		if (res < 0) {
			meta_fail(run, META_TIMES, "utimensat", res, "");
		}
	}
}

void meta_copy(const struct attr_at *src, const struct stat *src_st, const struct attr_at *dst,
               const struct meta_given *given, const struct meta_wish *wish, struct meta_result *ret)
{
	bool link = S_ISLNK(src_st->st_mode);
	bool keeps_mode = (wish->preserve & ZC_PRESERVE_MODE) != 0;
	unsigned asks = ZC_PRESERVE_OWNER | ZC_PRESERVE_MODE | ZC_PRESERVE_XATTR;
	struct attr_space space;
	struct meta_run run = {
		.from.at = src,
		.to.at = dst,
		.src = src_st,
		.wish = wish,
		.ret = ret,
		.space = &space,
		.set_mode = !link && (keeps_mode || wish->set_mode),
		.mode = (keeps_mode ? src_st->st_mode : wish->mode) & MODE_ALL,
	};

	space.large_names = NULL; /* the rest, which is large, is not written before it is used */
	space.large_value = NULL;
	ret->count = 0;
	ret->src_no_xattrs = false;
	if (!(run.set_mode || meta_wants(&run, asks)) || meta_look_at_new(&run, given)) {
		meta_look(&run);
		meta_run_all(&run);
	}
	attr_space_free(&space);
}

/* ---- odds and ends */

bool meta_times_equal(struct timespec src, struct timespec dst)
{
	static const long grains_ns[] = { 1, 100, 1000, 1000000, 10000000, 1000000000 };

	for (unsigned i = 0; i < ZC_ARRAY_LEN(grains_ns); i++) {
		if (src.tv_sec == dst.tv_sec && src.tv_nsec - src.tv_nsec % grains_ns[i] == dst.tv_nsec) {
			return true;
		}
	}
	return dst.tv_nsec == 0 && dst.tv_sec % 2 == 0 && src.tv_sec - 1 == dst.tv_sec;
}

/* The rights a file of this mode would get from the directory's default ACL (acl(5), "object creation"):
 * a POSIX ACL xattr is a version word and entries of { u16 tag, u16 perm, u32 id }, little-endian. */
mode_t meta_new_mode(int dir_fd, mode_t mode, mode_t mask)
{
	enum { USER_OBJ = 0x01, GROUP_OBJ = 0x04, MASK = 0x10, OTHER = 0x20 };
	uint8_t acl[4096];
	ssize_t len = fgetxattr(dir_fd, "system.posix_acl_default", acl, sizeof(acl));
	unsigned user = 7;
	unsigned group = 7;
	unsigned other = 7;

	if (len < 0 && errno == ERANGE) {
		return mode & 0700; /* hundreds of entries: rather too little than too much */
	}
	if (len < 4) {
		return mode & 0777 & ~mask;
	}
	for (ssize_t at = 4; at + 8 <= len; at += 8) {
		unsigned tag = acl[at] | (unsigned)acl[at + 1] << 8;
		unsigned perm = acl[at + 2] & 7;

		if (tag == USER_OBJ) {
			user = perm;
		} else if (tag == MASK || tag == GROUP_OBJ) {
			group =
			    perm; /* entries are sorted: a mask, where there is one, comes later and counts */
		} else if (tag == OTHER) {
			other = perm;
		}
	}
	return mode & (mode_t)(user << 6 | group << 3 | other);
}
