/*
 * sched.c: threads of which one runs at a time, a clock that moves when somebody calls, signals.
 *
 * Threads are real, so that thread-local variables and sanitizers work, but only the holder of the baton
 * runs. It is passed on at every call, mutex and condition, to whom the seed says. When all of them wait, the
 * clock jumps to the next thing that is due; when nothing is, they wait for ever, and that is a finding.
 */
#include <errno.h>
#include <pthread.h>
#include <semaphore.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

#include "sim.h"
#include "zcopy/base.h"
#include "zcopy/mem.h"

enum {
	TASK_MAX = 1024,
	MUTEX_MAX = 256,
	OPS_MAX = 400000,
	SIGNAL_MAX = 65,
};
#define TIME_MAX_NS (3600ull * 1000000000ull)
#define PATIENCE_NS (300ull * 1000000000ull)

struct task {
	pthread_t thread;
	sem_t baton;
	void *(*start)(void *);
	void *arg;
	const void *key; /* what it waits for; NULL: it can run */
	uint64_t deadline_ns;
	bool interruptible;
	int woken; /* how the wait ended */
	bool done, joined;
	bool gone; /* nobody will ever look at it again */
};

static struct task tasks[TASK_MAX];
static unsigned task_count;
static unsigned now_task;
static __thread unsigned self;
static bool running;
static unsigned no_switch;
static struct {
	const void *mutex;
	unsigned owner;
} held[MUTEX_MAX];
static unsigned held_count;
static struct sigaction actions[SIGNAL_MAX];
static uint64_t timer_ns;
static uint64_t timer_step_ns;

long __real_syscall(long number, ...);
int __real_pthread_create(pthread_t *thread, const pthread_attr_t *attr, void *(*start)(void *), void *arg);
int __real_pthread_join(pthread_t thread, void **result);
unsigned __real_zc_pool_destroy(struct zc_pool *pool);
void __real_zc_buf_lose(struct zc_buf *buf);

bool sim_active(void)
{
	return running;
}

/* ---- the end */

void sim_say(const char *format, ...)
{
	char line[1024];
	va_list args;
	int len;

	va_start(args, format);
	len = vsnprintf(line, sizeof(line), format, args);
	va_end(args);
	len = len < (int)sizeof(line) ? len : (int)sizeof(line) - 1;
	__real_syscall(SYS_write, 2, line, (size_t)len);
}

void sim_exit(enum end_kind end, int status)
{
	sim->end = end;
	sim->status = status;
	sim->ops_all += sim->ops;
	__real_syscall(SYS_exit_group, 0);
	abort();
}

void sim_lost(const char *why, ...)
{
	va_list args;

	va_start(args, why);
	vsnprintf(sim->why, sizeof(sim->why), why, args);
	va_end(args);
	if (!running) {
		sim_say("sim: %s\n", sim->why);
		__real_syscall(SYS_exit_group, 3);
	}
	sim_exit(END_LOST, 0);
}

static void count_leaks(void)
{
	sim->fd_leaks = calls_fds_open();
	sim->ring_leaks = ring_open_count();
	for (unsigned i = 1; i < task_count; i++) {
		sim->thread_leaks += !tasks[i].joined;
	}
}

/* ---- signals */

static void interrupt(unsigned task)
{
	if (tasks[task].key != NULL && tasks[task].interruptible) {
		tasks[task].key = NULL;
		tasks[task].woken = -EINTR;
	}
}

static void deliver(unsigned which)
{
	int number = sim->signals[which].number;
	void (*handler)(int) = actions[number].sa_handler;

	sim->signals[which].number = 0;
	sim->signal_sent = true;
	sim->second_signal = which == 1;
	if (handler == SIG_DFL) {
		sim_exit(END_SIGNAL, number);
	}
	if (handler != SIG_IGN) {
		handler(number);
		interrupt(0); /* only the first thread lets them in */
	}
}

/* ---- who runs */

static unsigned runnable(unsigned *list)
{
	unsigned count = 0;

	for (unsigned i = 0; i < task_count; i++) {
		if (!tasks[i].done && tasks[i].key == NULL) {
			list[count++] = i;
		}
	}
	return count;
}

static void expire(void)
{
	for (unsigned i = 0; i < task_count; i++) {
		if (tasks[i].key != NULL && tasks[i].deadline_ns != 0 &&
		    tasks[i].deadline_ns <= sim->now_ns) {
			tasks[i].key = NULL;
			tasks[i].woken = -ETIME;
		}
	}
	if (timer_ns != 0 && timer_ns <= sim->now_ns) {
		timer_ns = timer_step_ns == 0 ? 0 : sim->now_ns + timer_step_ns;
		interrupt(0);
	}
	ring_turn();
}

/* Whoever waits for ever gets impatient users. */
static bool nudge(void)
{
	for (unsigned i = 0; i < 2; i++) {
		if (sim->signals[i].number != 0) {
			deliver(i);
			return true;
		}
	}
	return false;
}

static void jump(void)
{
	uint64_t next = ring_next_ns();

	for (unsigned i = 0; i < task_count; i++) {
		if (tasks[i].key != NULL && tasks[i].deadline_ns != 0 && tasks[i].deadline_ns < next) {
			next = tasks[i].deadline_ns;
		}
	}
	if (timer_ns != 0 && timer_ns < next) {
		next = timer_ns;
	}
	if (next > TIME_MAX_NS && nudge()) {
		return;
	}
	if (next == UINT64_MAX) {
		sim_lost("deadlock: every thread waits for ever");
	}
	if (next > TIME_MAX_NS) {
		sim_lost("no end in an hour of simulated time");
	}
	if (next > sim->now_ns) {
		sim->now_ns = next;
	}
}

static unsigned pick(void)
{
	unsigned list[TASK_MAX];
	unsigned count;

	expire();
	while ((count = runnable(list)) == 0) {
		jump();
		expire();
	}
	return count == 1 ? list[0] : list[sim_draw(count)];
}

static void pass(unsigned to)
{
	unsigned me = self;

	if (to == me) {
		return;
	}
	sim->switches++;
	now_task = to;
	sem_post(&tasks[to].baton);
	if (!tasks[me].done) {
		while (sem_wait(&tasks[me].baton) != 0) {
		}
	}
}

int sim_wait(const void *key, uint64_t deadline_ns, bool interruptible)
{
	struct task *task = &tasks[self];

	task->key = key;
	task->deadline_ns = deadline_ns;
	task->interruptible = interruptible;
	task->woken = 0;
	pass(pick());
	return task->woken;
}

void sim_wake(const void *key)
{
	for (unsigned i = 0; i < task_count; i++) {
		if (tasks[i].key == key) {
			tasks[i].key = NULL;
		}
	}
}

uint64_t sim_draw(uint64_t limit)
{
	return rng_below(&sim->rng, limit);
}

/* ---- a call */

void sim_reads(uint32_t ino)
{
	struct inode *inode = disk_at(ino);
	uint8_t bytes[600];

	if (ino != sim->change_ino || ++sim->change_seen != sim->change_at) {
		return;
	}
	memset(bytes, 0xc5, sizeof(bytes));
	if (sim->change_how == 0) {
		disk_write(ino, inode->size, bytes, sizeof(bytes), false);
	} else if (sim->change_how == 1) {
		disk_truncate(ino, inode->size / 2);
	} else if (sim->change_how == 2) { /* what was read is nothing when it is read again */
		disk_punch(ino, 0, inode->size / 2);
	} else { /* in two places, one of them read already */
		disk_write(ino, 0, bytes, sizeof(bytes), false);
		disk_write(ino, inode->size <= sizeof(bytes) ? 0 : inode->size - sizeof(bytes), bytes,
		           sizeof(bytes), false);
	}
	sim->change_ino = 0;
}

static void world(void)
{
	if (sim->ops == sim->crash_at) {
		ring_crash();
		sim_exit(END_CRASH, 0);
	}
	for (unsigned i = 0; i < 2; i++) {
		/* at its tick, or when nothing has come to an end for minutes */
		if (sim->signals[i].number != 0 &&
		    (sim->ops == sim->signals[i].at || sim->now_ns > (i + 1) * PATIENCE_NS)) {
			deliver(i);
		}
	}
	if (sim->ops > OPS_MAX) {
		sim_lost("no end after %d calls", OPS_MAX);
	}
}

struct strike sim_enter(enum call call)
{
	sim->ops++;
	sim->hits[call]++;
	sim->now_ns += 200 + sim_draw(3000);
	sim->hash = rng_mix(sim->hash ^ ((uint64_t)call << 32 | self));
	world();
	if (no_switch == 0 && task_count > 1 && rng_chance(&sim->rng, sim->switch_chance)) {
		pass(pick());
	} else {
		expire();
	}
	return plan_strike(call);
}

struct strike sim_strike(enum call call)
{
	sim->hits[call]++;
	return plan_strike(call);
}

int64_t sim_leave(enum call call, int64_t arg, int64_t result)
{
	sim->hash = rng_mix(sim->hash ^ (uint64_t)result * 31 ^ (uint64_t)arg);
	if (sim->trace) {
		sim_say("%6llu %9.3f ms t%u %-16s %lld -> %lld\n", (unsigned long long)sim->ops,
		        (double)sim->now_ns / 1e6, self, call_names[call], (long long)arg, (long long)result);
	}
	return result;
}

/* ---- threads */

static void *task_main(void *arg)
{
	struct task *task = arg;
	unsigned me = (unsigned)(task - tasks);
	void *result;

	self = me;
	while (sem_wait(&task->baton) != 0) {
	}
	result = task->start(task->arg);
	task->done = true;
	sim_wake(task);
	pass(pick());
	return result;
}

/* Where there is no room any more, one that was joined makes it. */
static struct task *task_free(void)
{
	if (task_count < TASK_MAX) {
		return &tasks[task_count];
	}
	for (unsigned i = 1; i < TASK_MAX; i++) {
		if (tasks[i].gone) {
			sem_destroy(&tasks[i].baton);
			return &tasks[i];
		}
	}
	sim_lost("more than %d threads", TASK_MAX);
}

int __wrap_pthread_create(pthread_t *thread, const pthread_attr_t *attr, void *(*start)(void *), void *arg);
int __wrap_pthread_create(pthread_t *thread, const pthread_attr_t *attr, void *(*start)(void *), void *arg)
{
	struct strike strike;
	struct task *task;
	int res;

	if (!running) {
		return __real_pthread_create(thread, attr, start, arg);
	}
	strike = sim_enter(CALL_thread);
	if (strike.kind == FAULT_ERRNO) {
		return (int)-sim_leave(CALL_thread, 0, -strike.value);
	}
	task = task_free();
	*task = (struct task){ .start = start, .arg = arg };
	sem_init(&task->baton, 0, 0);
	res = __real_pthread_create(&task->thread, attr, task_main, task);
	if (res != 0) {
		sim_lost("the host gives no more threads");
	}
	*thread = task->thread;
	task_count += task == &tasks[task_count];
	return (int)sim_leave(CALL_thread, task_count, 0);
}

static struct task *task_of(pthread_t thread)
{
	for (unsigned i = 1; i < task_count; i++) {
		if (!tasks[i].joined && pthread_equal(tasks[i].thread, thread)) {
			return &tasks[i];
		}
	}
	sim_lost("a thread that is not ours");
}

int __wrap_pthread_join(pthread_t thread, void **result);
int __wrap_pthread_join(pthread_t thread, void **result)
{
	struct task *task;
	int res;

	if (!running) {
		return __real_pthread_join(thread, result);
	}
	task = task_of(thread);
	while (!task->done) {
		sim_wait(task, 0, false);
	}
	task->joined = true;
	res = __real_pthread_join(thread, result);
	task->gone = true;
	return res;
}

int __wrap_pthread_detach(pthread_t thread);
int __wrap_pthread_detach(pthread_t thread)
{
	task_of(thread)->joined = true;
	return 0;
}

int __wrap_pthread_kill(pthread_t thread, int number);
int __wrap_pthread_kill(pthread_t thread, int number)
{
	(void)number;
	interrupt((unsigned)(task_of(thread) - tasks));
	return 0;
}

/* ---- locks: only a waiter's view of them is simulated, the memory is not touched */

static unsigned held_at(const void *mutex)
{
	for (unsigned i = 0; i < held_count; i++) {
		if (held[i].mutex == mutex) {
			return i;
		}
	}
	return held_count;
}

static void lock(const void *mutex)
{
	while (held_at(mutex) != held_count) {
		if (held[held_at(mutex)].owner == self) {
			sim_lost("a mutex is taken twice by one thread");
		}
		sim_wait(mutex, 0, false);
	}
	if (held_count == MUTEX_MAX) {
		sim_lost("more than %d mutexes", MUTEX_MAX);
	}
	held[held_count].mutex = mutex;
	held[held_count++].owner = self;
}

static void unlock(const void *mutex)
{
	unsigned i = held_at(mutex);

	if (i == held_count || held[i].owner != self) {
		sim_lost("a mutex is given back by a thread that does not hold it");
	}
	held[i] = held[--held_count];
	sim_wake(mutex);
}

static void maybe_pass(void)
{
	if (task_count > 1 && no_switch == 0 && rng_chance(&sim->rng, sim->switch_chance)) {
		pass(pick());
	}
}

#define LOCK_CALL(name, type)                                                                                \
	int __real_##name(type *object);                                                                     \
	int __wrap_##name(type *object);                                                                     \
	int __wrap_##name(type *object)

LOCK_CALL(pthread_mutex_lock, pthread_mutex_t)
{
	if (!running) {
		return __real_pthread_mutex_lock(object);
	}
	maybe_pass();
	lock(object);
	return 0;
}

LOCK_CALL(pthread_mutex_unlock, pthread_mutex_t)
{
	if (!running) {
		return __real_pthread_mutex_unlock(object);
	}
	unlock(object);
	maybe_pass();
	return 0;
}

LOCK_CALL(pthread_mutex_destroy, pthread_mutex_t)
{
	if (running && held_at(object) != held_count) {
		sim_lost("a mutex is destroyed while it is held");
	}
	return __real_pthread_mutex_destroy(object);
}

static int wait_for(pthread_cond_t *cond, pthread_mutex_t *mutex, uint64_t deadline_ns)
{
	int res;

	unlock(mutex);
	res = sim_wait(cond, deadline_ns, false);
	lock(mutex);
	return res == -ETIME ? ETIMEDOUT : 0;
}

int __wrap_pthread_cond_wait(pthread_cond_t *cond, pthread_mutex_t *mutex);
int __wrap_pthread_cond_wait(pthread_cond_t *cond, pthread_mutex_t *mutex)
{
	/* POSIX allows a wait to end for no reason */
	(void)wait_for(cond, mutex, rng_chance(&sim->rng, 16) ? sim->now_ns + 1000 : 0);
	return 0;
}

int __wrap_pthread_cond_timedwait(pthread_cond_t *cond, pthread_mutex_t *mutex, const struct timespec *until);
int __wrap_pthread_cond_timedwait(pthread_cond_t *cond, pthread_mutex_t *mutex, const struct timespec *until)
{
	uint64_t deadline = (uint64_t)until->tv_sec * 1000000000 + (uint64_t)until->tv_nsec;

	if (deadline <= sim->now_ns) {
		unlock(mutex);
		maybe_pass();
		lock(mutex);
		return ETIMEDOUT;
	}
	return wait_for(cond, mutex, deadline);
}

LOCK_CALL(pthread_cond_signal, pthread_cond_t)
{
	unsigned list[TASK_MAX];
	unsigned count = 0;

	if (!running) {
		return __real_pthread_cond_signal(object);
	}
	for (unsigned i = 0; i < task_count; i++) {
		if (tasks[i].key == object) {
			list[count++] = i;
		}
	}
	if (count != 0) {
		tasks[list[sim_draw(count)]].key = NULL;
	}
	return 0;
}

LOCK_CALL(pthread_cond_broadcast, pthread_cond_t)
{
	if (!running) {
		return __real_pthread_cond_broadcast(object);
	}
	sim_wake(object);
	return 0;
}

/* The function may call: nobody else may meet the half-done once meanwhile. */
int __real_pthread_once(pthread_once_t *once, void (*function)(void));
int __wrap_pthread_once(pthread_once_t *once, void (*function)(void));
int __wrap_pthread_once(pthread_once_t *once, void (*function)(void))
{
	int res;

	no_switch++;
	res = __real_pthread_once(once, function);
	no_switch--;
	return res;
}

/* ---- clock and signals */

int __real_clock_gettime(clockid_t clock, struct timespec *now);
int __wrap_clock_gettime(clockid_t clock, struct timespec *now);
int __wrap_clock_gettime(clockid_t clock, struct timespec *now)
{
	uint64_t ns;

	if (!running) {
		return __real_clock_gettime(clock, now);
	}
	ns = ++sim->now_ns;
	now->tv_sec = (time_t)(ns / 1000000000) + (clock == CLOCK_MONOTONIC ? 0 : 1700000000);
	now->tv_nsec = (long)(ns % 1000000000);
	return 0;
}

int __real_nanosleep(const struct timespec *time, struct timespec *rest);
int __wrap_nanosleep(const struct timespec *time, struct timespec *rest);
int __wrap_nanosleep(const struct timespec *time, struct timespec *rest)
{
	int res;

	if (!running) {
		return __real_nanosleep(time, rest);
	}
	sim_enter(CALL_nanosleep);
	res =
	    sim_wait(time, sim->now_ns + (uint64_t)time->tv_sec * 1000000000 + (uint64_t)time->tv_nsec, true);
	errno = EINTR;
	return sim_leave(CALL_nanosleep, 0, res) == -EINTR ? -1 : 0;
}

int __wrap_setitimer(int which, const struct itimerval *value, struct itimerval *old);
int __wrap_setitimer(int which, const struct itimerval *value, struct itimerval *old)
{
	(void)which;
	(void)old;
	timer_step_ns = (uint64_t)value->it_interval.tv_usec * 1000;
	timer_ns = sim->now_ns + (uint64_t)value->it_value.tv_usec * 1000;
	return 0;
}

int __wrap_sigaction(int number, const struct sigaction *action, struct sigaction *old);
int __wrap_sigaction(int number, const struct sigaction *action, struct sigaction *old)
{
	if (old != NULL) {
		*old = actions[number];
	}
	if (action != NULL) {
		actions[number] = *action;
	}
	return 0;
}

sighandler_t __wrap_signal(int number, sighandler_t handler);
sighandler_t __wrap_signal(int number, sighandler_t handler)
{
	sighandler_t old = actions[number].sa_handler;

	actions[number].sa_handler = handler;
	return old;
}

int __wrap_sigpending(sigset_t *set);
int __wrap_sigpending(sigset_t *set)
{
	return sigemptyset(set);
}

int __wrap_raise(int number);
int __wrap_raise(int number)
{
	sim->second_signal |= self != 0; /* another thread ends us, in the middle of whatever we do */
	if (actions[number].sa_handler == SIG_DFL) {
		if (!sim->second_signal) {
			count_leaks();
			sim->fd_leaks = 0; /* the job is still open */
		}
		sim_exit(END_SIGNAL, number);
	}
	return 0;
}

int __wrap_pthread_sigmask(int how, const sigset_t *set, sigset_t *old);
int __wrap_pthread_sigmask(int how, const sigset_t *set, sigset_t *old)
{
	(void)how;
	(void)set;
	if (old != NULL) {
		sigemptyset(old);
	}
	return 0;
}

int __wrap_sigprocmask(int how, const sigset_t *set, sigset_t *old);
int __wrap_sigprocmask(int how, const sigset_t *set, sigset_t *old)
{
	return __wrap_pthread_sigmask(how, set, old);
}

/* ---- buffers: what the pool itself says about them */

void __wrap_zc_buf_lose(struct zc_buf *buf);
void __wrap_zc_buf_lose(struct zc_buf *buf)
{
	sim->pool_lost = true;
	__real_zc_buf_lose(buf);
}

unsigned __wrap_zc_pool_destroy(struct zc_pool *pool);
unsigned __wrap_zc_pool_destroy(struct zc_pool *pool)
{
	unsigned missing = __real_zc_pool_destroy(pool);

	sim->pool_leaks += missing;
	return missing;
}

/* ---- the run */

int zcopy_main(int argc, char **argv);

void sim_run(int argc, char **argv)
{
	int status;

	task_count = 1;
	calls_std();
	running = true;
	status = zcopy_main(argc, argv);
	count_leaks();
	sim_exit(END_EXIT, status);
}
