/*
 * serve.c: zcopy-fault as a server that starts runs of itself: no program has to be loaded for each.
 *
 *   ZC_FAULT_SERVE=FD   a socket of type SOCK_SEQPACKET
 *
 * A request is "DIR\0FAULT\0ARGV0\0ARGV1\0...\0" with two descriptors, the run's stdin and stdout; its stderr
 * and its ZC_FAULT_LOG are ours, its ZC_FAULT is FAULT ("": none). Answers: the run's process id, then, when
 * it has ended, its wait status, both as an int. Ends with the socket.
 */
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "wrap.h"

int __real_main(int argc, char **argv);
int __wrap_main(int argc, char **argv);
int __real_close(int fd);

enum {
	ARGS_MAX = 64,
	REQUEST_BYTES = 4096,
};

/* Its length, or -1 at the end. */
static ssize_t receive(int sock, char *text, int fds[2])
{
	union {
		struct cmsghdr head;
		char room[CMSG_SPACE(2 * sizeof(int))];
	} control;
	struct iovec iov = { .iov_base = text, .iov_len = REQUEST_BYTES - 1 };
	struct msghdr msg = {
		.msg_iov = &iov, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = sizeof(control)
	};
	ssize_t len = recvmsg(sock, &msg, MSG_CMSG_CLOEXEC);
	struct cmsghdr *head = len > 0 ? CMSG_FIRSTHDR(&msg) : NULL;

	if (!head || head->cmsg_len != CMSG_LEN(2 * sizeof(int))) {
		return -1;
	}
	memcpy(fds, CMSG_DATA(head), 2 * sizeof(int));
	text[len] = '\0';
	return len;
}

/* The run itself: in the child. */
static void run(char *text, ssize_t len, const int fds[2])
{
	char *argv[ARGS_MAX + 1];
	int argc = 0;
	char *fault = text + strlen(text) + 1;
	char *at = fault + strlen(fault) + 1;

	for (; at < text + len && argc < ARGS_MAX; at += strlen(at) + 1) {
		argv[argc++] = at;
	}
	argv[argc] = NULL;
	if (argc == 0 || chdir(text) < 0 || dup2(fds[0], 0) < 0 || dup2(fds[1], 1) < 0 ||
	    (*fault ? setenv("ZC_FAULT", fault, 1) : unsetenv("ZC_FAULT")) != 0) {
		abort();
	}
	__real_close(fds[0]);
	__real_close(fds[1]);
	wrap_plan();
	exit(__real_main(argc, argv));
}

static void serve(int sock)
{
	char text[REQUEST_BYTES];
	int fds[2];
	ssize_t len;

	while ((len = receive(sock, text, fds)) > 0) {
		int status = -1;
		pid_t pid = fork();

		if (pid == 0) {
			__real_close(sock);
			run(text, len, fds);
		}
		__real_close(fds[0]);
		__real_close(fds[1]);
		if (pid < 0 || send(sock, &pid, sizeof(pid), 0) < 0 || waitpid(pid, &status, 0) != pid ||
		    send(sock, &status, sizeof(status), 0) < 0) {
			abort();
		}
	}
	_exit(0);
}

int __wrap_main(int argc, char **argv)
{
	const char *sock = getenv("ZC_FAULT_SERVE");

	if (sock) {
		serve(atoi(sock));
	}
	return __real_main(argc, argv);
}
