/*
 * after MICROSECONDS SIGNAL -- COMMAND [ARG]...
 *
 * Runs COMMAND with default signal handling (a shell's background jobs ignore SIGINT), sends it SIGNAL
 * (a number) after the time unless it has ended, and says on stderr how it ended: "after: signal N" or
 * "after: exit N". Its own exit status is N of the exit, or 128 + N of the signal. SIGNAL 0 sends none.
 */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static void run(char **command)
{
	sigset_t none;

	for (int i = 1; i < 32; i++) {
		signal(i, SIG_DFL);
	}
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	execvp(command[0], command);
	fprintf(stderr, "after: %s: %s\n", command[0], strerror(errno));
	_exit(127);
}

int main(int argc, char **argv)
{
	sigset_t chld;
	int status;

	if (argc < 5 || strcmp(argv[3], "--") != 0) {
		fprintf(stderr, "usage: after MICROSECONDS SIGNAL -- COMMAND [ARG]...\n");
		return 125;
	}
	long wait_us = atol(argv[1]);
	struct timespec wait_time = { wait_us / 1000000, wait_us % 1000000 * 1000 };

	sigemptyset(&chld);
	sigaddset(&chld, SIGCHLD);
	sigprocmask(SIG_BLOCK, &chld, NULL);
	pid_t pid = fork();

	if (pid < 0) {
		perror("after: fork");
		return 125;
	}
	if (!pid) {
		run(argv + 4);
	}
	/* the child stays a zombie until waited for, so its number cannot be another's */
	if (sigtimedwait(&chld, NULL, &wait_time) < 0 && atoi(argv[2])) {
		kill(pid, atoi(argv[2]));
	}
	if (waitpid(pid, &status, 0) != pid) {
		perror("after: wait");
		return 125;
	}
	if (WIFSIGNALED(status)) {
		fprintf(stderr, "after: signal %d\n", WTERMSIG(status));
		return 128 + WTERMSIG(status);
	}
	fprintf(stderr, "after: exit %d\n", WEXITSTATUS(status));
	return WEXITSTATUS(status);
}
