/*
 * deny ERRNO SYSCALL... [ERRNO SYSCALL...]... -- COMMAND [ARG]...
 *
 * Runs COMMAND where the named system calls fail with the errno before them, as container runtimes
 * make them fail: a seccomp filter, no library needed. With SIGSYS for an errno they kill the process, as
 * some sandboxes do. Exits 77 where seccomp itself is refused.
 */
#include <errno.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#ifndef SYS_cachestat
#define SYS_cachestat 451
#endif
#ifndef SYS_openat2
#define SYS_openat2 437
#endif

#if defined(__x86_64__)
#define THIS_ARCH AUDIT_ARCH_X86_64
#elif defined(__aarch64__)
#define THIS_ARCH AUDIT_ARCH_AARCH64
#elif defined(__riscv)
#define THIS_ARCH AUDIT_ARCH_RISCV64
#endif

enum {
	HEAD_LEN = 4,
	RULES_MAX = 64,
	KILL = 4096, /* above all errnos */
};

struct word {
	const char *name;
	int number;
};

static const struct word syscalls[] = {
	{ "io_uring_setup", 425 },
	{ "io_uring_enter", 426 },
	{ "io_uring_register", 427 },
	{ "copy_file_range", SYS_copy_file_range },
	{ "splice", SYS_splice },
	{ "tee", SYS_tee },
	{ "sendfile", SYS_sendfile },
	{ "openat2", SYS_openat2 },
	{ "statx", SYS_statx },
	{ "renameat2", SYS_renameat2 },
	{ "memfd_create", SYS_memfd_create },
	{ "cachestat", SYS_cachestat },
	{ "fallocate", SYS_fallocate },
	{ "fadvise64", SYS_fadvise64 },
	{ "mbind", SYS_mbind },
	{ "move_pages", SYS_move_pages },
	{ "get_mempolicy", SYS_get_mempolicy },
	{ "pipe2", SYS_pipe2 },
	{ "flock", SYS_flock },
	{ "sched_setaffinity", SYS_sched_setaffinity },
	{ "set_mempolicy", SYS_set_mempolicy },
	{ "unshare", SYS_unshare },
	{ "setns", SYS_setns },
	{ "mount", SYS_mount },
	{ "bpf", SYS_bpf },
	{ "perf_event_open", SYS_perf_event_open },
	{ "userfaultfd", SYS_userfaultfd },
	{ "add_key", SYS_add_key },
	{ "keyctl", SYS_keyctl },
	{ "request_key", SYS_request_key },
	{ "kcmp", SYS_kcmp },
	{ "open_by_handle_at", SYS_open_by_handle_at },
	{ "process_vm_readv", SYS_process_vm_readv },
	{ "process_vm_writev", SYS_process_vm_writev },
	{ "personality", SYS_personality },
	{ "landlock_create_ruleset", 444 },
	{ "seccomp", SYS_seccomp },
};

static const struct word errnos[] = {
	{ "EPERM", EPERM },   { "ENOSYS", ENOSYS },         { "EACCES", EACCES },
	{ "ENOMEM", ENOMEM }, { "SIGSYS", KILL },           { "EINVAL", EINVAL },
	{ "EXDEV", EXDEV },   { "EOPNOTSUPP", EOPNOTSUPP }, { "EIO", EIO },
};

/* The number that goes with name, or -1. */
static int look_up(const struct word *words, size_t count, const char *name)
{
	for (size_t i = 0; i < count; i++) {
		if (!strcmp(words[i].name, name)) {
			return words[i].number;
		}
	}
	return -1;
}

static int install(const struct sock_filter *rules, size_t rule_count)
{
	static const struct sock_filter head[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, arch)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, THIS_ARCH, 1, 0),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
	};
	static const struct sock_filter tail = BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW);
	struct sock_filter code[HEAD_LEN + 2 * RULES_MAX + 1];
	struct sock_fprog prog = { .len = (unsigned short)(HEAD_LEN + rule_count + 1), .filter = code };

	memcpy(code, head, sizeof(head));
	memcpy(code + HEAD_LEN, rules, rule_count * sizeof(rules[0]));
	code[HEAD_LEN + rule_count] = tail;
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)) {
		return -errno;
	}
	return prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &prog) ? -errno : 0;
}

int main(int argc, char **argv)
{
	struct sock_filter rules[2 * RULES_MAX];
	size_t count = 0;
	int code = EPERM;
	int at = 1;

	for (; at < argc && strcmp(argv[at], "--") != 0; at++) {
		int number = look_up(errnos, sizeof(errnos) / sizeof(errnos[0]), argv[at]);

		if (number > 0) {
			code = number;
			continue;
		}
		number = look_up(syscalls, sizeof(syscalls) / sizeof(syscalls[0]), argv[at]);
		if (number < 0 || count + 2 > 2 * RULES_MAX) {
			fprintf(stderr, "deny: %s: unknown, or too many\n", argv[at]);
			return 125;
		}
		rules[count++] =
		    (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (unsigned)number, 0, 1);
		rules[count++] = (struct sock_filter)BPF_STMT(
		    BPF_RET | BPF_K,
		    code == KILL ? SECCOMP_RET_KILL_PROCESS : SECCOMP_RET_ERRNO | (unsigned)code);
	}
	if (at + 1 >= argc) {
		fprintf(stderr, "usage: deny ERRNO SYSCALL... -- COMMAND [ARG]...\n");
		return 125;
	}
	int err = install(rules, count);

	if (err) {
		fprintf(stderr, "deny: seccomp: %s\n", strerror(-err));
		return 77;
	}
	execvp(argv[at + 1], argv + at + 1);
	fprintf(stderr, "deny: %s: %s\n", argv[at + 1], strerror(errno));
	return 127;
}
