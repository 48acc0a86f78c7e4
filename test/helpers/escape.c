/*
 * escape.c, to be preloaded: at the first copy_file_range the process turns on its user. What it tries and
 * what came of it is a line each on stderr: "escape NAME yes", or the error's number instead of yes.
 *
 * In $ESCAPE are secret, victim, other, empty/ and the like, outside of what is copied; $ESCAPE_SRC is the
 * source and $ESCAPE_DST a file in the destination's directory.
 */
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/inotify.h>
#include <sys/mount.h>
#include <sys/ptrace.h>
#include <sys/shm.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/wait.h>
#include <unistd.h>

static void tell(const char *name, long res)
{
	if (res >= 0) {
		dprintf(2, "escape %s yes\n", name);
	} else {
		dprintf(2, "escape %s %d\n", name, errno);
	}
}

static void try_open(const char *name, const char *path, int flags)
{
	int fd = open(path, flags | O_CLOEXEC, 0600);

	tell(name, fd);
	if (fd >= 0) {
		close(fd);
	}
}

static void try_files(void)
{
	const char *dst = getenv("ESCAPE_DST");

	try_open("read", "secret", O_RDONLY);
	try_open("write", "secret", O_WRONLY);
	try_open("create", "new", O_WRONLY | O_CREAT | O_EXCL);
	try_open("tmpfile", ".", O_WRONLY | O_TMPFILE);
	try_open("list", ".", O_RDONLY | O_DIRECTORY);
	try_open("proc", "/proc/1/status", O_RDONLY);
	tell("truncate", truncate("secret", 1));
	tell("mkdir", mkdir("dir", 0700));
	tell("symlink", symlink("secret", "sym"));
	tell("mkfifo", mkfifo("fifo", 0600));
	tell("unlink", unlink("victim"));
	tell("rename", rename("other", "renamed"));
	tell("rmdir", rmdir("empty"));
	tell("link-in", linkat(AT_FDCWD, "secret", AT_FDCWD, dst, 0));
	tell("move-in", rename("secret", dst));
	tell("device", mknod(dst, S_IFCHR | 0600, makedev(1, 1)));
}

static void try_source(void)
{
	const char *src = getenv("ESCAPE_SRC");
	char beside[4096];

	snprintf(beside, sizeof(beside), "%s.new", src);
	try_open("write-source", src, O_WRONLY);
	try_open("beside-source", beside, O_WRONLY | O_CREAT);
	tell("truncate-source", truncate(src, 1));
	tell("rename-source", rename(src, beside));
}

static void try_processes(void)
{
	char word[] = "true";
	char *const words[] = { word, NULL };
	siginfo_t queued = { .si_code = SI_QUEUE };
	pid_t child = fork();

	if (child == 0) {
		execv("/bin/true", words);
		_exit(1);
	}
	tell("fork", child);
	if (child > 0) {
		int status = 0;

		waitpid(child, &status, 0);
		tell("exec", status == 0 ? 0 : -1);
	} else {
		tell("exec", execv("/bin/true", words)); /* returns only when it fails */
	}
	tell("signal", kill(getppid(), 0));
	tell("signal-group", kill(0, 0));
	tell("signal-thread", syscall(SYS_tgkill, getppid(), getppid(), 0));
	tell("signal-queue", syscall(SYS_rt_sigqueueinfo, getppid(), 0, &queued));
	tell("ptrace", ptrace(PTRACE_TRACEME, 0, 0, 0));
	tell("unshare", unshare(CLONE_FS));
}

static void try_rest(void)
{
	int pair[2];

	tell("socket", socket(AF_INET, SOCK_STREAM, 0));
	tell("unix-socket", socket(AF_UNIX, SOCK_STREAM, 0));
	tell("socketpair", socketpair(AF_UNIX, SOCK_STREAM, 0, pair));
	tell("mount", mount("escape", "mounted", "tmpfs", 0, NULL));
	umount2("mounted", MNT_DETACH);
	tell("chroot", chroot("/"));
	tell("watch", syscall(SYS_inotify_add_watch, inotify_init(), ".", IN_OPEN));
	tell("shared-memory", shmget(IPC_PRIVATE, 1, 0600));
}

ssize_t copy_file_range(int in_fd, off64_t *in_off, int out_fd, off64_t *out_off, size_t len, unsigned flags)
{
	static int once;

	if (once++ == 0 && chdir(getenv("ESCAPE")) == 0) {
		try_files();
		try_source();
		try_processes();
		try_rest();
	}
	return syscall(SYS_copy_file_range, in_fd, in_off, out_fd, out_off, len, flags);
}
