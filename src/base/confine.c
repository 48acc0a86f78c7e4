/*
 * confine.c: gives up rights for good: Landlock for what has a name in a file system, seccomp for the rest.
 *
 * Both are the kernel's plain interface. Landlock's constants stand here because the headers of the oldest
 * systems that build this know the first two of its versions only. The filter compares the call's number with
 * a list: less than it takes to use libseccomp, which would be one more library at run time.
 */
#include <errno.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <stddef.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "zc_isa.h"
#include "zcopy/base.h"

/* ---- Landlock: linux/landlock.h */

#ifndef SYS_landlock_create_ruleset
#define SYS_landlock_create_ruleset 444
#define SYS_landlock_add_rule       445
#define SYS_landlock_restrict_self  446
#endif
#define LL_VERSION 1u /* a flag: which version is there? */
#define LL_BENEATH 1  /* a kind of rule */
#define LL_ABI_MIN 2  /* the first where files can be renamed and linked from one directory to another */
#define LL_NET_ALL 3u /* from version 4 on: bind, connect by TCP */
#define LL_SCOPES  3u /* from 6 on: abstract sockets, signals, of processes outside */

enum ll_fs {
	LL_EXECUTE = 1 << 0,
	LL_WRITE_FILE = 1 << 1,
	LL_READ_FILE = 1 << 2,
	LL_READ_DIR = 1 << 3,
	LL_MAKE_CHAR = 1 << 6,
	LL_MAKE_BLOCK = 1 << 11,
	LL_ALL_OF_FIRST = (1 << 13) - 1,
	LL_REFER = 1 << 13,
	LL_TRUNCATE = 1 << 14,
	LL_IOCTL_DEV = 1 << 15,
};

struct ll_ruleset {
	uint64_t fs;
	uint64_t net;
	uint64_t scoped;
};

struct ll_beneath {
	uint64_t allowed;
	int32_t fd;
} __attribute__((packed));

int zc_confine_begin(struct zc_confine *ret_confine)
{
	struct ll_ruleset ruleset = { .fs = LL_ALL_OF_FIRST | LL_REFER };
	long abi = syscall(SYS_landlock_create_ruleset, NULL, 0, LL_VERSION);
	long fd;

	if (abi < LL_ABI_MIN) {
		return abi < 0 ? -errno : -ENOSYS;
	}
	ruleset.fs |= abi >= 3 ? LL_TRUNCATE : 0;
	ruleset.fs |= abi >= 5 ? LL_IOCTL_DEV : 0;
	ruleset.net = abi >= 4 ? LL_NET_ALL : 0;
	ruleset.scoped = abi >= 6 ? LL_SCOPES : 0;
	fd = syscall(SYS_landlock_create_ruleset, &ruleset, sizeof(ruleset), 0);
	if (fd < 0) {
		return -errno;
	}
	*ret_confine = (struct zc_confine){ .fd = (int)fd, .abi = (unsigned)abi, .handled = ruleset.fs };
	return 0;
}

int zc_confine_allow(const struct zc_confine *confine, int fd, unsigned what)
{
	struct ll_beneath beneath = { .fd = fd };
	struct stat st;

	if (fstat(fd, &st) < 0) {
		return -errno;
	}
	if (what & ZC_ALLOW_READ) {
		beneath.allowed |= LL_READ_FILE | LL_READ_DIR;
	}
	if (what & ZC_ALLOW_WRITE) {
		beneath.allowed |=
		    (LL_ALL_OF_FIRST & ~(LL_EXECUTE | LL_MAKE_CHAR | LL_MAKE_BLOCK)) | LL_REFER | LL_TRUNCATE;
	}
	if (what & ZC_ALLOW_DEVICES) {
		beneath.allowed |= LL_MAKE_CHAR | LL_MAKE_BLOCK;
	}
	if (!S_ISDIR(st.st_mode)) { /* a device that was named may be asked for its size */
		beneath.allowed &= LL_READ_FILE | LL_WRITE_FILE | LL_TRUNCATE;
		beneath.allowed |= LL_IOCTL_DEV;
	}
	beneath.allowed &= confine->handled;
	return syscall(SYS_landlock_add_rule, confine->fd, LL_BENEATH, &beneath, 0) < 0 ? -errno : 0;
}

/* ---- seccomp */

/* What a copy never does: other programs and processes, the network, mounts, the kernel itself. And no ring:
 * what is asked of one does not come by here. */
/* clang-format off */
static const int filter_denied[] = {
	SYS_execve, SYS_execveat, SYS_ptrace, SYS_process_vm_readv, SYS_process_vm_writev, SYS_socket,
	SYS_socketpair, SYS_connect, SYS_bind, SYS_listen, SYS_accept, SYS_accept4, SYS_mount, SYS_umount2,
	SYS_pivot_root, SYS_chroot, SYS_setns, SYS_unshare, SYS_bpf, SYS_perf_event_open, SYS_userfaultfd,
	SYS_keyctl, SYS_add_key, SYS_request_key, SYS_init_module, SYS_finit_module, SYS_delete_module,
	SYS_kexec_load, SYS_open_by_handle_at, SYS_quotactl, SYS_swapon, SYS_swapoff, SYS_acct, SYS_reboot,
	SYS_fanotify_init, SYS_inotify_add_watch, SYS_syslog, SYS_kcmp, SYS_shmget, SYS_semget, SYS_msgget,
	SYS_mq_open, SYS_truncate, SYS_io_uring_setup, SYS_rt_sigqueueinfo, SYS_rt_tgsigqueueinfo,
	SYS_settimeofday, SYS_clock_settime, SYS_clock_adjtime, SYS_adjtimex, SYS_sethostname,
	SYS_setdomainname,
#ifdef __GLIBC__ /* musl wakes its threads by it, glibc by tgkill, which says whose the thread is */
	SYS_tkill,
#endif
#ifdef SYS_fork
	SYS_fork, SYS_vfork,
#endif
#ifdef SYS_open_tree
	SYS_open_tree, SYS_move_mount, SYS_fsopen, SYS_fsmount, SYS_fsconfig, SYS_fspick,
#endif
#ifdef SYS_mount_setattr
	SYS_mount_setattr,
#endif
#ifdef SYS_pidfd_getfd
	SYS_pidfd_open, SYS_pidfd_getfd, SYS_pidfd_send_signal,
#endif
};
/* clang-format on */

#ifndef SYS_clone3
#define SYS_clone3 435
#endif
#define FILTER_OTHER_ABI 0x40000000u /* x32's numbers begin here, nobody else's reach it */
#define FILTER_FIXED     24u

#define LOAD(field)         BPF_STMT(BPF_LD | BPF_W | BPF_ABS, (uint32_t)offsetof(struct seccomp_data, field))
#define ANSWER(code)        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | (code))
#define PASS                BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW)
#define WHEN(test, k, next) BPF_JUMP(BPF_JMP | (test) | BPF_K, (uint32_t)(k), 0, next)

/* A call that passes when its first argument passes the test. The low half comes first on all machines that
 * have a ZC_ISA_AUDIT, and is all that the kernel looks at of these. */
static size_t filter_only(struct sock_filter *code, size_t at, int call, int test, uint32_t k)
{
	code[at++] = (struct sock_filter)WHEN(BPF_JEQ, call, 4);
	code[at++] = (struct sock_filter)LOAD(args[0]);
	code[at++] = (struct sock_filter)WHEN(test, k, 1);
	code[at++] = (struct sock_filter)PASS;
	code[at++] = (struct sock_filter)ANSWER(EPERM);
	return at;
}

/* Threads are made by clone, whose flags can be looked at; clone3's cannot, and C libraries know what to do
 * without it. Signals are for our own threads. */
static size_t filter_write(struct sock_filter *code, bool accepts)
{
	size_t at = 0;

	code[at++] = (struct sock_filter)LOAD(arch);
	code[at++] = (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, ZC_ISA_AUDIT, 1, 0);
	code[at++] = (struct sock_filter)ANSWER(ENOSYS);
	code[at++] = (struct sock_filter)LOAD(nr);
	code[at++] = (struct sock_filter)WHEN(BPF_JGE, FILTER_OTHER_ABI, 1);
	code[at++] = (struct sock_filter)ANSWER(ENOSYS);
	code[at++] = (struct sock_filter)WHEN(BPF_JEQ, SYS_clone3, 1);
	code[at++] = (struct sock_filter)ANSWER(ENOSYS);
	for (size_t i = 0; i < ZC_ARRAY_LEN(filter_denied); i++) {
		if (accepts && (filter_denied[i] == SYS_accept || filter_denied[i] == SYS_accept4)) {
			continue;
		}
		code[at++] = (struct sock_filter)WHEN(BPF_JEQ, filter_denied[i], 1);
		code[at++] = (struct sock_filter)ANSWER(EPERM);
	}
	at = filter_only(code, at, SYS_kill, BPF_JEQ, (uint32_t)getpid());
	at = filter_only(code, at, SYS_tgkill, BPF_JEQ, (uint32_t)getpid());
	at = filter_only(code, at, SYS_clone, BPF_JSET, CLONE_THREAD);
	code[at++] = (struct sock_filter)PASS;
	return at;
}

static int filter_install(bool accepts)
{
	struct sock_filter code[FILTER_FIXED + 2 * ZC_ARRAY_LEN(filter_denied)];
	struct sock_fprog program = { .filter = code };

	if (ZC_ISA_AUDIT == 0) {
		return -ENOSYS;
	}
	program.len = (unsigned short)filter_write(code, accepts);
	/* the flag: who is confined need not also pay for slower branches, as kernels before 5.16 had it */
	if (syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_SPEC_ALLOW, &program) == 0) {
		return 0;
	}
	return syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &program) < 0 ? -errno : 0;
}

/* ---- for good */

int zc_confine_enforce(struct zc_confine *confine, int *ret_seccomp)
{
	int res = 0;

	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0 ||
	    syscall(SYS_landlock_restrict_self, confine->fd, 0) < 0) {
		res = -errno;
	}
	close(confine->fd);
	*ret_seccomp = res < 0 ? res : filter_install(confine->accepts);
	return res;
}
