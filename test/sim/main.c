/*
 * main.c: seeds in, verdicts out.
 *
 *   run --seed N [KNOB...]   one seed, told at length; knobs overrule what the seed says
 *   run --seeds A..B         many, on all CPUs; the first failures are shrunk
 *   run --long [--state FILE]   until it is told to stop, from where the last one stopped; the file counts
 */
#include "scene.h"

#include <errno.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <malloc.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "zc_config.h"
#include "zcopy/base.h"

enum {
	HANG_SECONDS = 120,
	WHY_BYTES = 600,
	SHRINK_TRIES = 400,
	STATE_SECONDS = 60,
	LONG_FIRST = 1000001,
};

long __real_syscall(long number, ...);
int __real_sigaction(int number, const struct sigaction *action, struct sigaction *old);
int __real_setrlimit64(__rlimit_resource_t resource, const struct rlimit *limit);

/* ---- one run of zcopy in a child */

/* What the child may ask of the real kernel: memory, threads, its own end. A file call that nobody wrapped
 * ends it with a word. Not under sanitizers, which have business of their own. */
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
static void lock_up(void)
{
}
#else
static void on_escape(int number, siginfo_t *info, void *context)
{
	(void)number;
	(void)context;
	sim_lost("a call escaped to the real kernel: system call %d is not wrapped", info->si_syscall);
}

static void lock_up(void)
{
	static const unsigned allowed[] = {
		SYS_mmap,
		SYS_munmap,
		SYS_mprotect,
		SYS_madvise,
		SYS_brk,
		SYS_mremap,
		SYS_futex,
		SYS_clone,
#ifdef SYS_clone3
		SYS_clone3,
#endif
#ifdef SYS_rseq
		SYS_rseq,
#endif
		SYS_set_robust_list,
		SYS_exit,
		SYS_exit_group,
		SYS_rt_sigprocmask,
		SYS_rt_sigaction,
		SYS_rt_sigreturn,
		SYS_gettid,
		SYS_getpid,
		SYS_tgkill,
		SYS_getrusage,
		SYS_sched_yield,
		SYS_clock_gettime,
		SYS_restart_syscall,
		SYS_getrandom, /* malloc's own */
	};
	struct sock_filter code[80];
	struct sock_fprog program = { .filter = code };
	struct sigaction action = { .sa_sigaction = on_escape, .sa_flags = SA_SIGINFO };
	unsigned n = 0;

	code[n++] = (struct sock_filter)BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr));
	for (unsigned i = 0; i < ZC_ARRAY_LEN(allowed); i++) {
		code[n++] = (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, allowed[i], 0, 1);
		code[n++] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW);
	}
	/* our own words on standard error */
	code[n++] = (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_write, 0, 3);
	code[n++] =
	    (struct sock_filter)BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, args));
	code[n++] = (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, 2, 0, 1);
	code[n++] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW);
	code[n++] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_TRAP);
	program.len = (unsigned short)n;
	__real_sigaction(SIGSYS, &action, NULL);
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0) {
		(void)prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program, 0, 0);
	}
}
#endif

/* A core of the whole disk helps nobody. */
static void child(void)
{
	const struct rlimit none = { 0 };
	const struct sigaction ends = { .sa_handler = SIG_DFL };

	__real_setrlimit64(RLIMIT_CORE, &none);
	__real_sigaction(SIGALRM, &ends, NULL);
	alarm(HANG_SECONDS);
	mallopt(M_ARENA_MAX, 1); /* more of them would ask /sys for the number of CPUs */
	lock_up();
	sim_run(world.argc, world.argv);
}

static bool run_child(char *why)
{
	int status = 0;
	pid_t pid;

	sim->end = END_NONE;
	sim->ops = 0;
	sim->text_err_len = sim->text_out_len = 0;
	memset(sim->text_err, 0, sizeof(sim->text_err));
	fflush(NULL);
	pid = fork();
	if (pid < 0) {
		perror("fork");
		_exit(3);
	}
	if (pid == 0) {
		child();
	}
	while (waitpid(pid, &status, 0) < 0 && errno == EINTR) {
	}
	if (WIFSIGNALED(status)) {
		snprintf(why, WHY_BYTES,
		         WTERMSIG(status) == SIGALRM ? "it hangs (%d)"
		                                     : "it died of signal %d; it said: %.300s",
		         WTERMSIG(status), sim->text_err);
		return false;
	}
	if (sim->end == END_LOST || sim->end == END_NONE) {
		snprintf(why, WHY_BYTES, "%.300s (status %d); it said: %.200s",
		         sim->end == END_LOST ? sim->why : "it ended unasked", WEXITSTATUS(status),
		         sim->text_err);
		return false;
	}
	return true;
}

/* ---- one scene: the run, what is left, and where it was cut off, once more */

static void calm(void)
{
	sim->fault_count = 0;
	sim->crash_at = sim->change_at = 0;
	memset(sim->signals, 0, sizeof(sim->signals));
	memset(sim->seen, 0, sizeof(sim->seen));
	sim->second_signal = sim->name_refused = false;
	sim->pool_leaks = 0;
	for (uint32_t i = 1; i < sim->inode_count; i++) {
		struct pipe *pipe = disk_at(i)->pipe;

		if (disk_at(i)->used && pipe != NULL) { /* the world outside begins again, too */
			pipe->len = pipe->readers = pipe->writers = 0;
			pipe->outside_writes = i == sim->stdin_ino;
			disk_at(i)->rdev = 0;
		}
	}
	if (sim->stdout_ino != 0) {
		disk_truncate(disk_at(sim->stdout_ino)->parent, 0);
	}
}

static void count_run(struct tally *tally)
{
	for (int call = 0; call < CALL_COUNT; call++) {
		tally->calls[call] += sim->hits[call];
	}
	for (int i = 0; i < CACHED_COUNT; i++) {
		tally->cached[i] += sim->cached[i];
	}
	for (uint32_t i = 0; i < sim->fault_count; i++) {
		const struct fault *fault = &sim->faults[i];

		tally->kinds[fault->kind] += fault->fired;
		for (uint32_t k = 0; k < plan_errno_count() && fault->kind == FAULT_ERRNO; k++) {
			tally->errnos[k] += plan_errno(k) == fault->value ? fault->fired : 0;
		}
	}
	tally->kinds[FAULT_ROT] = 0;
}

/* What was asked for may not be had here, with nothing going wrong. */
static bool may_refuse(const struct scene *scene)
{
	return (sim->status == 2 && (world.forced || scene->shape == SHAPE_stdout)) ||
	       (sim->status == 1 && strstr(scene->options, "=xattr") != NULL);
}

static bool rerun(const struct scene *scene, struct tally *tally, char *why)
{
	/* who had to give a new file a name first meets that name again only when it has to do so again */
	bool named = scene->story != STORY_fault && !world.inplace;

	disk_kill();
	calm();
	sim->name_refused = !named; /* a name nobody will look for again */
	if (!run_child(why)) {
		return false;
	}
	tally->reruns++;
	tally->runs++;
	if (sim->end != END_EXIT || (sim->status != 0 && !may_refuse(scene))) {
		snprintf(why, WHY_BYTES, "run again it ends with status %d; it said: %.400s", sim->status,
		         sim->text_err);
		return false;
	}
	return judge_disk(scene, AFTER_RERUN, sim->status == 0, tally, why);
}

static void count_lies(struct tally *tally)
{
	tally->lies_told += sim->lie_count;
	tally->lies_caught += sim->lie_count;
	for (uint32_t i = 0; i < sim->lie_count; i++) {
		tally->kinds[sim->lies[i].kind] += sim->lies[i].kind == FAULT_ROT;
	}
}

/* The partial file that a run with --resume has left; 0: none. */
static uint32_t partial(void)
{
	const struct inode *dir = disk_at(sim->dst_dir);

	for (uint32_t i = 0; i < dir->name_count; i++) {
		if (dir->names[i].text != NULL && strncmp(dir->names[i].text, ".zcopy-", 7) == 0) {
			return dir->names[i].ino;
		}
	}
	return 0;
}

/* Between two runs: somebody writes to the source, openly or as if nothing had been, or to what is there of
 * the copy. */
static void meanwhile(const struct scene *scene, uint64_t *rng)
{
	uint32_t src = world.sources[0].ino;
	struct timespec mtime = disk_at(src)->mtime;
	uint32_t part = partial();
	uint8_t bytes[5000];

	memset(bytes, 0x3c, sizeof(bytes));
	sim->now_ns += 1000000000;
	if (scene->meanwhile == 3 && part != 0) {
		disk_write(part, rng_below(rng, disk_at(part)->size + 1), bytes, sizeof(bytes), false);
	} else if (scene->meanwhile == 1 || (scene->meanwhile == 2 && part != 0)) {
		scene_remember(src); /* the copy may have been complete */
		disk_write(src, rng_below(rng, disk_at(src)->size - sizeof(bytes)), bytes, sizeof(bytes),
		           false);
		disk_at(src)->mtime = scene->meanwhile == 2 ? mtime : disk_at(src)->mtime;
	}
	disk_settle();
}

/* Cut off at some moment: what is there, and the same command again, which may be cut off, too. */
static bool cut_off(const struct scene *scene, bool power, bool done, struct tally *tally, char *why)
{
	uint64_t rng = rng_mix(scene->seed ^ 0xc07c07);
	enum moment moment = !power ? AFTER_KILL : done ? AFTER_CUT_DONE : AFTER_CUT;

	for (unsigned again = world.resume ? (unsigned)rng_below(&rng, 3) : 0;; again--) {
		if (power) {
			*(done ? &tally->cut_after : &tally->cut_midway) += 1;
			disk_power_cut(&rng);
		} else {
			disk_kill();
		}
		if (!judge_disk(scene, moment, done, tally, why)) {
			return false;
		}
		if (world.resume) {
			meanwhile(scene, &rng);
		}
		if (again == 0) {
			return rerun(scene, tally, why);
		}
		calm();
		sim->crash_at = 1 + rng_below(&rng, 400);
		if (!run_child(why)) {
			return false;
		}
		tally->runs++;
		if (sim->end == END_EXIT) { /* it was quicker */
			return rerun(scene, tally, why);
		}
		done = false;
		moment = power ? AFTER_CUT : AFTER_KILL;
	}
}

static bool after(const struct scene *scene, struct tally *tally, char *why)
{
	bool done = sim->end == END_EXIT && sim->status == 0;
	/* what was promised with status 0 holds also after faults that were got around */
	bool power = scene->story == STORY_cut || (scene->story == STORY_fault && done);

	if (sim->end == END_EXIT || (sim->end == END_SIGNAL && !sim->second_signal)) {
		if (!judge_end(scene, tally, why) || !judge_disk(scene, AFTER_RUN, done, tally, why)) {
			return false;
		}
		count_lies(tally);
		if (world.reads_on || (scene->story == STORY_fault && scene->seed % 4 == 0) ||
		    (world.resume && !done && !world.forced)) {
			return rerun(scene, tally, why); /* what was missing comes then */
		}
	}
	if (sim->end == END_CRASH || sim->second_signal || (power && done)) {
		tally->killed += sim->end == END_CRASH && !power;
		tally->ended_twice += sim->second_signal;
		return cut_off(scene, power, done, tally, why);
	}
	return true;
}

bool scene_run(const struct scene *scene, struct tally *tally, char *why)
{
	static struct tally scratch;
	bool good;

	tally = tally == NULL ? &scratch : tally;
	scene_build(scene);
	good = run_child(why);
	tally->runs++;
	count_run(tally);
	good = good && after(scene, tally, why);
	tally->seeds++;
	tally->stories[scene->story]++;
	tally->shapes[scene->shape]++;
	tally->ops += sim->ops_all;
	tally->ring_ops += sim->ring_ops;
	tally->switches += sim->switches;
	return good;
}

/* ---- shrinking: whatever can be taken away while it still fails */

static unsigned shrink_tries;

static bool still_fails(const struct scene *scene)
{
	char why[WHY_BYTES];

	return shrink_tries++ < SHRINK_TRIES && !scene_run(scene, NULL, why);
}

static bool try_scene(struct scene *best, const struct scene *other)
{
	if (memcmp(best, other, sizeof(*best)) == 0 || !still_fails(other)) {
		return false;
	}
	*best = *other;
	return true;
}

static bool drop_words(struct scene *best, size_t offset, char between)
{
	bool any = false;
	unsigned word = 0;

	for (;;) {
		struct scene other = *best;
		char *list = (char *)&other + offset;
		char *from = list;
		char *end;

		for (unsigned i = 0; i < word && from != NULL; i++) {
			from = strchr(from, between);
			from = from == NULL ? NULL : from + 1;
		}
		if (from == NULL || *from == '\0' || strcmp(list, "none") == 0) {
			return any;
		}
		if (*from == '-' && from[1] != '-' && best->shape == SHAPE_tree) {
			word++;
			continue; /* without these it is another story */
		}
		end = strchr(from, between);
		if (end != NULL) {
			memmove(from, end + 1, strlen(end + 1) + 1);
		} else if (from == list) {
			strcpy(list, between == ',' ? "none" : "");
		} else {
			from[-1] = '\0';
		}
		if (try_scene(best, &other)) {
			any = true;
		} else {
			word++;
		}
	}
}

static bool lower(struct scene *best, size_t offset, bool wide, uint64_t least)
{
	bool any = false;

	for (uint64_t part = 2; part <= 64; part *= 2) {
		struct scene other = *best;
		void *at = (char *)&other + offset;
		uint64_t now = wide ? *(uint64_t *)at : *(unsigned *)at;
		uint64_t next = now - now / part;

		if (now <= least || next < least || next == now) {
			continue;
		}
		if (wide) {
			*(uint64_t *)at = next;
		} else {
			*(unsigned *)at = (unsigned)next;
		}
		if (try_scene(best, &other)) {
			any = true;
			part = 1;
		}
	}
	return any;
}

static void shrink(struct scene *best)
{
	bool any = true;
	struct scene other;

	shrink_tries = 0;
	best->trace = false;
	while (any) {
		any = drop_words(best, offsetof(struct scene, faults), ',');
		any |= drop_words(best, offsetof(struct scene, options), ' ');
		any |= best->shape != SHAPE_file && lower(best, offsetof(struct scene, files), false, 1);
		any |= lower(best, offsetof(struct scene, max_bytes), false, 0);
		any |= lower(best, offsetof(struct scene, crash_at), true, 1);
		any |= lower(best, offsetof(struct scene, signal_at), true, 1);
		any |= lower(best, offsetof(struct scene, change_at), true, 1);
		other = *best;
		other.plain_threads = true;
		any |= try_scene(best, &other);
		other = *best;
		other.replace = false;
		any |= try_scene(best, &other);
		other = *best;
		other.cold = COLD_NOTHING;
		any |= try_scene(best, &other);
	}
}

static void report(const struct scene *scene, const char *why)
{
	char words[OPTIONS_BYTES + FAULT_TEXT + 512];
	char now[WHY_BYTES] = "";
	struct scene best = *scene;

	printf("FAILED seed %llu (%s, %s): %s\n", (unsigned long long)scene->seed, story_names[scene->story],
	       shape_names[scene->shape], why);
	printf("  again:    test/sim/run --seed %llu\n", (unsigned long long)scene->seed);
	fflush(stdout);
	shrink(&best);
	scene_run(&best, NULL, now);
	scene_words(&best, words, sizeof(words));
	printf("  smallest: test/sim/run %s\n  there:    %s\n", words, now);
	fflush(stdout);
}

/* ---- many seeds */

static void add_tally(struct tally *all, const struct tally *one)
{
	uint64_t *to = (uint64_t *)all;
	const uint64_t *from = (const uint64_t *)one;

	for (size_t i = 0; i < offsetof(struct tally, failed_seeds) / sizeof(uint64_t); i++) {
		__atomic_fetch_add(&to[i], from[i], __ATOMIC_RELAXED);
	}
}

static void map_world(void)
{
	sim = mmap(NULL, sizeof(*sim), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS | MAP_NORESERVE, -1,
	           0);
	if (sim == MAP_FAILED) {
		perror("sim: mmap");
		exit(3);
	}
	sim->page_count = sim->inode_count = 1;
}

static bool first_only; /* stop at the first failure */

static void worker(struct tally *all, uint64_t last)
{
	map_world();
	while (!__atomic_load_n(&all->stop, __ATOMIC_RELAXED)) {
		uint64_t seed = __atomic_fetch_add(&all->next_seed, 1, __ATOMIC_RELAXED);
		struct tally one = { 0 };
		char why[WHY_BYTES] = "";
		struct scene scene;

		if (seed > last) {
			break;
		}
		scene_draw(&scene, seed);
		if (!scene_run(&scene, &one, why)) {
			uint64_t n = __atomic_fetch_add(&all->failures, 1, __ATOMIC_RELAXED);

			if (n < ZC_ARRAY_LEN(all->failed_seeds)) {
				all->failed_seeds[n] = seed;
			}
			if (n >= 20 || first_only) {
				all->stop = true;
			}
		}
		add_tally(all, &one);
	}
}

static void row(const char *name, uint64_t count, bool *zero)
{
	printf(" %s %llu", name, (unsigned long long)count);
	*zero |= count == 0;
}

/* Everything that may happen has happened, or the run was too short to say much. */
static bool print_tally(const struct tally *tally, double seconds)
{
	bool zero = false;
	bool ignore = false;

	printf("sim: %llu seeds, %llu runs, %llu simulated calls (%.0f a seed, %llu of them requests of a "
	       "ring), %llu switches"
	       " of threads, %.1f s, %.1f ms a seed\n",
	       (unsigned long long)tally->seeds, (unsigned long long)tally->runs,
	       (unsigned long long)(tally->ops + tally->ring_ops),
	       (double)(tally->ops + tally->ring_ops) / (double)(tally->seeds ? tally->seeds : 1),
	       (unsigned long long)tally->ring_ops, (unsigned long long)tally->switches, seconds,
	       seconds * 1000 / (double)(tally->seeds ? tally->seeds : 1));
	printf("stories:");
	for (int i = 0; i < STORY_COUNT; i++) {
		row(story_names[i], tally->stories[i], i == STORY_ring && !ZC_HAVE_URING ? &ignore : &zero);
	}
	printf("\nshapes:");
	for (int i = 0; i < SHAPE_COUNT; i++) {
		row(shape_names[i], tally->shapes[i], &zero);
	}
	printf("\nfaults that struck:");
	for (int i = FAULT_ERRNO; i < FAULT_KIND_COUNT; i++) {
		bool never = !ZC_HAVE_URING && i >= FAULT_STALE && i <= FAULT_FEWER;
		bool *counts = never ? &ignore : &zero;

		row(plan_kind_name((enum fault_kind)i), tally->kinds[i], counts);
	}
	printf("\nerrnos:");
	for (uint32_t i = 0; i < plan_errno_count(); i++) {
		row(zc_errno_name(plan_errno(i)), tally->errnos[i], &zero);
	}
	printf("\ncalls:");
	for (int i = 0; i < CALL_COUNT; i++) {
		row(call_names[i], tally->calls[i], &ignore);
	}
	printf("\nreads of what is cached:");
	for (int i = 0; i < CACHED_COUNT; i++) {
		row(cached_names[i], tally->cached[i], &zero);
	}
	printf("\nends:");
	for (int i = 0; i < 6; i++) {
		char name[16];

		snprintf(name, sizeof(name), "status-%d", i);
		row(name, tally->statuses[i], &zero);
	}
	row("signal", tally->ended_by_signal, &zero);
	row("second-signal", tally->ended_twice, &zero);
	row("kill-9", tally->killed, &zero);
	row("power-cut", tally->cut_midway, &zero);
	row("power-cut-after-exit-0", tally->cut_after, &zero);
	row("run-again", tally->reruns, &zero);
	printf("\nfiles:");
	row("compared", tally->files_compared, &zero);
	row("new", tally->became_new, &zero);
	row("old", tally->kept_old, &zero);
	row("absent", tally->stayed_absent, &zero);
	printf("\nlies: %llu told and effective, %llu caught\n", (unsigned long long)tally->lies_told,
	       (unsigned long long)tally->lies_caught);
	printf("failures: %llu\n", (unsigned long long)tally->failures);
	return !zero;
}

static struct tally *shared_tally;

static void on_stop(int number)
{
	if (number != SIGALRM) { /* which only wakes whoever counts */
		shared_tally->stop = true;
	}
}

/* Without SA_RESTART: wait() shall return. */
static void on_signal(int number)
{
	struct sigaction action = { .sa_handler = on_stop };

	__real_sigaction(number, &action, NULL);
}

static double seconds_now(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

/* ---- --long: what was done so far, over all runs */

struct account {
	unsigned long long next, seeds, calls, lies_told, lies_caught, failures;
};

static void account_read(const char *path, struct account *account)
{
	FILE *file = fopen(path, "r");

	*account = (struct account){ .next = LONG_FIRST };
	if (file == NULL) {
		return;
	}
	if (fscanf(file, "next %llu seeds %llu calls %llu lies-told %llu lies-caught %llu failures %llu",
	           &account->next, &account->seeds, &account->calls, &account->lies_told,
	           &account->lies_caught, &account->failures) != 6) {
		*account = (struct account){ .next = LONG_FIRST };
	}
	fclose(file);
}

/* Those before, and what this run has come to. */
static void account_write(const char *path, const struct account *before, const struct tally *tally)
{
	char temporary[4096];
	FILE *file;

	snprintf(temporary, sizeof(temporary), "%s.new", path);
	file = fopen(temporary, "w");
	if (file == NULL) {
		perror(temporary);
		return;
	}
	fprintf(file, "next %llu\nseeds %llu\ncalls %llu\nlies-told %llu\nlies-caught %llu\nfailures %llu\n",
	        (unsigned long long)tally->next_seed, before->seeds + (unsigned long long)tally->seeds,
	        before->calls + (unsigned long long)(tally->ops + tally->ring_ops),
	        before->lies_told + (unsigned long long)tally->lies_told,
	        before->lies_caught + (unsigned long long)tally->lies_caught,
	        before->failures + (unsigned long long)tally->failures);
	if (fclose(file) != 0 || rename(temporary, path) < 0) {
		perror(path);
	}
}

static int run_seeds(uint64_t first, uint64_t last, unsigned jobs, const char *state)
{
	struct tally *all =
	    mmap(NULL, sizeof(*all), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	double start = seconds_now();
	struct account before = { 0 };
	bool full;

	if (state != NULL) {
		account_read(state, &before);
		first = before.next;
	}
	all->next_seed = first;
	shared_tally = all;
	for (unsigned i = 0; i < jobs; i++) {
		fflush(NULL);
		if (fork() == 0) {
			worker(all, last);
			_exit(0);
		}
	}
	alarm(state == NULL ? 0 : STATE_SECONDS);
	while (wait(NULL) > 0 || errno == EINTR) {
		if (state != NULL) {
			account_write(state, &before, all);
			alarm(all->stop ? 0 : STATE_SECONDS);
		}
	}
	full = print_tally(all, seconds_now() - start);
	map_world();
	for (unsigned i = 0; i < all->failures && i < 3 && !first_only; i++) {
		struct scene scene;
		char why[WHY_BYTES] = "(not again)";

		scene_draw(&scene, all->failed_seeds[i]);
		if (scene_run(&scene, NULL, why)) {
			printf("FAILED seed %llu, but not a second time\n", (unsigned long long)scene.seed);
		} else {
			report(&scene, why);
		}
	}
	for (unsigned i = first_only ? 0 : 3; i < all->failures && i < ZC_ARRAY_LEN(all->failed_seeds); i++) {
		printf("FAILED also: test/sim/run --seed %llu\n", (unsigned long long)all->failed_seeds[i]);
	}
	if (last - first + 1 >= 2000 && state == NULL && !full) {
		printf("FAILED: something of the above was never seen\n");
		return 1;
	}
	return all->failures != 0 || all->seeds == 0;
}

/* ---- words */

static bool knob(struct scene *scene, const char *name, const char *value)
{
	for (int i = 0; i < STORY_COUNT && strcmp(name, "--story") == 0; i++) {
		scene->story = strcmp(value, story_names[i]) == 0 ? (enum story)i : scene->story;
	}
	for (int i = 0; i < SHAPE_COUNT && strcmp(name, "--shape") == 0; i++) {
		scene->shape = strcmp(value, shape_names[i]) == 0 ? (enum shape)i : scene->shape;
	}
	if (strcmp(name, "--files") == 0) {
		scene->files = (unsigned)atoi(value);
	} else if (strcmp(name, "--max-bytes") == 0) {
		scene->max_bytes = (unsigned)atoi(value);
	} else if (strcmp(name, "--replace") == 0) {
		scene->replace = atoi(value) != 0;
	} else if (strcmp(name, "--plain-threads") == 0) {
		scene->plain_threads = atoi(value) != 0;
	} else if (strcmp(name, "--cold") == 0) {
		scene->cold = (enum cold)atoi(value);
	} else if (strcmp(name, "--options") == 0) {
		snprintf(scene->options, sizeof(scene->options), "%s", value);
	} else if (strcmp(name, "--faults") == 0) {
		snprintf(scene->faults, sizeof(scene->faults), "%s", value);
	} else if (strcmp(name, "--meanwhile") == 0) {
		scene->meanwhile = (unsigned)atoi(value);
	} else if (strcmp(name, "--crash-at") == 0) {
		scene->crash_at = strtoull(value, NULL, 10);
	} else if (strcmp(name, "--signal-at") == 0) {
		scene->signal_at = strtoull(value, NULL, 10);
	} else if (strcmp(name, "--signal-again-at") == 0) {
		scene->signal_again_at = strtoull(value, NULL, 10);
	} else if (strcmp(name, "--change-at") == 0) {
		scene->change_at = strtoull(value, NULL, 10);
	} else {
		return strcmp(name, "--story") == 0 || strcmp(name, "--shape") == 0;
	}
	return true;
}

static int run_one(const struct scene *scene, bool hash)
{
	char words[OPTIONS_BYTES + FAULT_TEXT + 512];
	char why[WHY_BYTES] = "";
	bool good;

	map_world();
	good = scene_run(scene, NULL, why);
	if (hash) {
		printf("%llu %016llx\n", (unsigned long long)scene->seed, (unsigned long long)sim->hash);
		return good ? 0 : 1;
	}
	scene_words(scene, words, sizeof(words));
	printf("%s\n", words);
	for (int i = 0; i < world.argc; i++) {
		printf("%s%s", i == 0 ? "" : " ", world.argv[i]);
	}
	printf("\n%llu calls, end %d, status %d, trace %016llx\n%s", (unsigned long long)sim->ops_all,
	       sim->end, sim->status, (unsigned long long)sim->hash, sim->text_err);
	if (!good) {
		report(scene, why);
	}
	return good ? 0 : 1;
}

/* The same for everybody. */
static void environment(void)
{
	first_only |= getenv("ZC_SIM_FIRST") != NULL;
	clearenv();
	setenv("XDG_STATE_HOME", "/state", 1);
}

static int usage(void)
{
	fputs(
	    "usage: test/sim/run --seed N [--trace] [--hash] [KNOB VALUE]...\n"
	    "       test/sim/run --seeds A..B [--jobs N] [--first]\n"
	    "       test/sim/run --long [--state FILE] [--jobs N]\n"
	    "knobs: --story --shape --files --max-bytes --replace --plain-threads --cold --options --faults\n"
	    "       --meanwhile --crash-at --signal-at --signal-again-at --change-at\n",
	    stderr);
	return 2;
}

int main(int argc, char **argv)
{
	unsigned long long first = 1;
	unsigned long long last = 0;
	unsigned jobs = (unsigned)sysconf(_SC_NPROCESSORS_ONLN);
	struct scene scene = { 0 };
	const char *state = NULL;
	bool one = false;
	bool hash = false;

	for (int i = 1; i < argc; i++) {
		const char *value = i + 1 < argc ? argv[i + 1] : "";

		if (strcmp(argv[i], "--trace") == 0) {
			scene.trace = true;
		} else if (strcmp(argv[i], "--hash") == 0) {
			hash = true;
		} else if (strcmp(argv[i], "--first") == 0) {
			first_only = true;
		} else if (strcmp(argv[i], "--long") == 0) {
			last = UINT64_MAX - 1;
			state = state == NULL ? "zcopy-sim.state" : state;
		} else if (strcmp(argv[i], "--state") == 0 && i + 1 < argc) {
			state = argv[++i];
		} else if (strcmp(argv[i], "--seed") == 0 && i + 1 < argc) {
			bool trace = scene.trace;

			scene_draw(&scene, strtoull(argv[++i], NULL, 10));
			scene.trace = trace;
			one = true;
		} else if (strcmp(argv[i], "--jobs") == 0 && i + 1 < argc) {
			jobs = (unsigned)atoi(argv[++i]);
		} else if (strcmp(argv[i], "--seeds") == 0 &&
		           sscanf(value, "%llu..%llu", &first, &last) == 2) {
			i++;
		} else if (one && i + 1 < argc && knob(&scene, argv[i], value)) {
			i++;
		} else {
			return usage();
		}
	}
	setvbuf(stdout, NULL, _IOLBF, 0);
	environment();
	if (one) {
		return run_one(&scene, hash);
	}
	if (last < first || jobs == 0) {
		return usage();
	}
	on_signal(SIGINT);
	on_signal(SIGTERM);
	on_signal(SIGALRM);
	return run_seeds(first, last, jobs, state);
}
