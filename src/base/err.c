/*
 * What went wrong: the end of a program that broke its own rules, the first error of a piece of work,
 * the names of errors, and the list of refused calls. Invariant: the first error wins, since what
 * follows is usually its consequence.
 */
#include "zcopy/base.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* The only words and the only end below cli: here we no longer know what is true. */
_Noreturn void zc_panic(const char *what, const char *file, int line)
{
	fprintf(stderr, "zcopy: bug at %s:%d: %s does not hold\n", file, line, what);
	abort();
}

int zc_err_set(struct zc_err *err, int code, enum zc_side side, const char *op, uint64_t off_bytes)
{
	zc_assert(code < 0);
	if (err->code == 0) {
		err->code = code;
		err->side = side;
		err->op = op;
		err->off_bytes = off_bytes;
	}
	return code;
}

const char *zc_side_name(enum zc_side side)
{
	static const char *const names[] = {
		[ZC_SIDE_NONE] = "",
		[ZC_SIDE_SRC] = "src",
		[ZC_SIDE_DST] = "dst",
		[ZC_SIDE_ENGINE] = "engine",
	};

	return names[side];
}

/* Our own table: strerrorname_np() is glibc's alone. */
/* clang-format off */
#define NAME(code) [code] = #code
static const char *const errno_names[] = {
	NAME(EPERM), NAME(ENOENT), NAME(ESRCH), NAME(EINTR), NAME(EIO), NAME(ENXIO), NAME(E2BIG),
	NAME(ENOEXEC), NAME(EBADF), NAME(ECHILD), NAME(EAGAIN), NAME(ENOMEM), NAME(EACCES), NAME(EFAULT),
	NAME(ENOTBLK), NAME(EBUSY), NAME(EEXIST), NAME(EXDEV), NAME(ENODEV), NAME(ENOTDIR), NAME(EISDIR),
	NAME(EINVAL), NAME(ENFILE), NAME(EMFILE), NAME(ENOTTY), NAME(ETXTBSY), NAME(EFBIG), NAME(ENOSPC),
	NAME(ESPIPE), NAME(EROFS), NAME(EMLINK), NAME(EPIPE), NAME(EDOM), NAME(ERANGE), NAME(EDEADLK),
	NAME(ENAMETOOLONG), NAME(ENOLCK), NAME(ENOSYS), NAME(ENOTEMPTY), NAME(ELOOP), NAME(ENOMSG),
	NAME(EIDRM), NAME(ECHRNG), NAME(EL2NSYNC), NAME(EL3HLT), NAME(EL3RST), NAME(ELNRNG),
	NAME(EUNATCH), NAME(ENOCSI), NAME(EL2HLT), NAME(EBADE), NAME(EBADR), NAME(EXFULL), NAME(ENOANO),
	NAME(EBADRQC), NAME(EBADSLT), NAME(EBFONT), NAME(ENOSTR), NAME(ENODATA), NAME(ETIME),
	NAME(ENOSR), NAME(ENONET), NAME(ENOPKG), NAME(EREMOTE), NAME(ENOLINK), NAME(EADV), NAME(ESRMNT),
	NAME(ECOMM), NAME(EPROTO), NAME(EMULTIHOP), NAME(EDOTDOT), NAME(EBADMSG), NAME(EOVERFLOW),
	NAME(ENOTUNIQ), NAME(EBADFD), NAME(EREMCHG), NAME(ELIBACC), NAME(ELIBBAD), NAME(ELIBSCN),
	NAME(ELIBMAX), NAME(ELIBEXEC), NAME(EILSEQ), NAME(ERESTART), NAME(ESTRPIPE), NAME(EUSERS),
	NAME(ENOTSOCK), NAME(EDESTADDRREQ), NAME(EMSGSIZE), NAME(EPROTOTYPE), NAME(ENOPROTOOPT),
	NAME(EPROTONOSUPPORT), NAME(ESOCKTNOSUPPORT), NAME(EOPNOTSUPP), NAME(EPFNOSUPPORT),
	NAME(EAFNOSUPPORT), NAME(EADDRINUSE), NAME(EADDRNOTAVAIL), NAME(ENETDOWN), NAME(ENETUNREACH),
	NAME(ENETRESET), NAME(ECONNABORTED), NAME(ECONNRESET), NAME(ENOBUFS), NAME(EISCONN),
	NAME(ENOTCONN), NAME(ESHUTDOWN), NAME(ETOOMANYREFS), NAME(ETIMEDOUT), NAME(ECONNREFUSED),
	NAME(EHOSTDOWN), NAME(EHOSTUNREACH), NAME(EALREADY), NAME(EINPROGRESS), NAME(ESTALE),
	NAME(EUCLEAN), NAME(ENOTNAM), NAME(ENAVAIL), NAME(EISNAM), NAME(EREMOTEIO), NAME(EDQUOT),
	NAME(ENOMEDIUM), NAME(EMEDIUMTYPE), NAME(ECANCELED), NAME(ENOKEY), NAME(EKEYEXPIRED),
	NAME(EKEYREVOKED), NAME(EKEYREJECTED), NAME(EOWNERDEAD), NAME(ENOTRECOVERABLE), NAME(ERFKILL),
	NAME(EHWPOISON),
	[524] = "ENOTSUPP", /* the kernel's own, which some file systems let out */
};
/* clang-format on */
#undef NAME

const char *zc_errno_name(int code)
{
	unsigned index = code < 0 ? 0u - (unsigned)code : (unsigned)code;

	if (index >= ZC_ARRAY_LEN(errno_names) || !errno_names[index]) {
		return "errno ?";
	}
	return errno_names[index];
}

void zc_fallback_add(struct zc_fallbacks *log, const char *from, const char *to, const char *op, int code)
{
	for (unsigned i = 0; i < log->count; i++) {
		struct zc_fallback *seen = &log->list[i];

		if (seen->code == code && !strcmp(seen->from, from) && !strcmp(seen->to, to) &&
		    !strcmp(seen->op, op)) {
			seen->count++;
			return;
		}
	}
	if (log->count < ZC_ARRAY_LEN(log->list)) {
		log->list[log->count++] = (struct zc_fallback){
			.from = from,
			.to = to,
			.op = op,
			.code = code,
			.count = 1,
		};
	}
}
