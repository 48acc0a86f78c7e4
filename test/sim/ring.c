/*
 * ring.c: io_uring as uring.c meets it: liburing's functions, wrapped, and the two queues in plain memory.
 *
 * A submitted request is copied, holds its file open, and is performed some time later, in the order of times
 * drawn for each: bytes are taken from or put into the caller's memory only then. The rings die with the
 * process; what is under way at a crash is partly still performed, as a kernel would.
 */
#include "zc_config.h"

#include "sim.h"

#if ZC_HAVE_URING
#include <errno.h>
#include <liburing.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>

void *__real_calloc(size_t count, size_t size);

enum {
	RING_MAX = 64,
	WORK_MAX = 8192,
	MS = 1000000,
};

struct ring {
	struct io_uring *user; /* NULL: not open */
	unsigned sq_head, sq_tail, cq_head, cq_tail, flags, dropped, overflow, sq_mask, cq_mask, sq_count,
	    cq_count;
	struct io_uring_sqe *sqes;
	struct io_uring_cqe *cqes;
	const uint8_t *fixed;
	size_t fixed_len;
};

struct work { /* one request in the kernel's hands */
	bool used;
	struct ring *ring; /* NULL: its ring is gone; it may still write */
	struct io_uring_sqe sqe;
	uint64_t due_ns; /* UINT64_MAX: when it is cancelled */
	uint32_t ofd;
	bool has_ofd;
	struct strike strike;
	bool ghost; /* only an answer, to nothing */
	int ghost_result;
	uint64_t ghost_tag;
};

static struct ring rings[RING_MAX];
static struct work works[WORK_MAX];
static unsigned work_end; /* beyond it none is used */

unsigned ring_open_count(void)
{
	unsigned count = 0;

	for (unsigned i = 0; i < RING_MAX; i++) {
		count += rings[i].user != NULL;
	}
	return count;
}

static struct ring *ring_of(const struct io_uring *user)
{
	for (unsigned i = 0; i < RING_MAX; i++) {
		if (rings[i].user == user) {
			return &rings[i];
		}
	}
	sim_lost("a ring that is not open");
}

/* ---- answers */

static unsigned answers_ready(const struct ring *ring)
{
	return ring->cq_tail - *ring->user->cq.khead;
}

static void answer(struct ring *ring, uint64_t tag, int64_t result)
{
	if (ring == NULL) {
		return;
	}
	if (answers_ready(ring) == ring->cq_count) {
		sim_lost("the completion queue of a ring overflows");
	}
	ring->cqes[ring->cq_tail & ring->cq_mask] =
	    (struct io_uring_cqe){ .user_data = tag, .res = (int)result };
	ring->cq_tail++;
	sim->hash = rng_mix(sim->hash ^ tag ^ (uint64_t)result << 7);
	sim_wake(ring);
}

static void work_end_of(struct work *work)
{
	if (work->has_ofd) {
		calls_ofd_put(work->ofd);
	}
	work->used = false;
	while (work_end > 0 && !works[work_end - 1].used) {
		work_end--;
	}
}

static int64_t work_cancel(const struct work *by)
{
	for (unsigned i = 0; i < work_end; i++) {
		struct work *work = &works[i];

		if (!work->used || work == by || work->ring != by->ring ||
		    work->sqe.user_data != by->sqe.addr) {
			continue;
		}
		if (work->strike.kind == FAULT_MISSING) {
			return -EALREADY;
		}
		if (work->due_ns != UINT64_MAX && sim_draw(2) == 0) {
			return -EALREADY; /* too late: it is being performed */
		}
		answer(work->ring, work->sqe.user_data, -ECANCELED);
		work_end_of(work);
		return 0;
	}
	return -ENOENT;
}

static int64_t work_do(struct work *work)
{
	const struct io_uring_sqe *sqe = &work->sqe;
	void *mem = (void *)(uintptr_t)sqe->addr;
	bool fixed = sqe->opcode == IORING_OP_READ_FIXED || sqe->opcode == IORING_OP_WRITE_FIXED;

	if (work->strike.kind == FAULT_ERRNO) {
		return -work->strike.value;
	}
	if (fixed && work->ring != NULL &&
	    ((const uint8_t *)mem < work->ring->fixed ||
	     (const uint8_t *)mem + sqe->len > work->ring->fixed + work->ring->fixed_len)) {
		return -EFAULT;
	}
	switch (sqe->opcode) {
	case IORING_OP_READ:
	case IORING_OP_READ_FIXED:
		return work->has_ofd ? calls_pread(work->ofd, mem, sqe->len, (int64_t)sqe->off, work->strike)
		                     : -EBADF;
	case IORING_OP_WRITE:
	case IORING_OP_WRITE_FIXED:
		return work->has_ofd ? calls_pwrite(work->ofd, mem, sqe->len, (int64_t)sqe->off, work->strike)
		                     : -EBADF;
	case IORING_OP_ASYNC_CANCEL:
		return work_cancel(work);
	case IORING_OP_POLL_ADD:
		return (int64_t)sqe->poll32_events;
	default:
		return sqe->opcode == IORING_OP_NOP ? 0 : -EINVAL;
	}
}

static struct work *work_new(struct ring *ring, uint64_t due_ns)
{
	unsigned i = 0;

	while (i < work_end && works[i].used) {
		i++;
	}
	if (i == WORK_MAX) {
		sim_lost("more than %d requests under way", WORK_MAX);
	}
	work_end = i == work_end ? i + 1 : work_end;
	works[i] = (struct work){ .used = true, .ring = ring, .due_ns = due_ns };
	return &works[i];
}

/* An answer to come that nothing has asked for. */
static void haunt(struct ring *ring, uint64_t tag, int64_t result)
{
	struct work *work = work_new(ring, sim->now_ns + 1 + sim_draw(100000));

	work->ghost = true;
	work->ghost_tag = tag;
	work->ghost_result = (int)result;
}

static void work_say(const struct work *work, int64_t result)
{
	const struct io_uring_sqe *sqe = &work->sqe;

	if (sim->trace) {
		sim_say("%6llu %9.3f ms ring   op %u tag %llx len %u off %llu -> %lld\n",
		        (unsigned long long)sim->ops, (double)sim->now_ns / 1e6, sqe->opcode,
		        (unsigned long long)sqe->user_data, sqe->len, (unsigned long long)sqe->off,
		        (long long)result);
	}
}

static void work_perform(struct work *work)
{
	const struct work done = *work;
	int64_t result = work->ghost ? work->ghost_result : work_do(work);

	work_end_of(work);
	if (done.ghost) {
		answer(done.ring, done.ghost_tag, result);
		return;
	}
	sim->ring_ops++;
	work_say(&done, result);
	if (done.strike.kind == FAULT_MISSING) {
		return;
	}
	answer(done.ring, done.sqe.user_data,
	       done.strike.kind == FAULT_LONG ? (int64_t)done.sqe.len + 1 : result);
	if (done.strike.kind == FAULT_DUPLICATE && done.ring != NULL) {
		haunt(done.ring, done.sqe.user_data, result);
	}
}

/* What only waits for its file: pipes. */
static bool work_waits(const struct work *work)
{
	uint8_t op = work->sqe.opcode;
	bool write = op == IORING_OP_WRITE || op == IORING_OP_WRITE_FIXED ||
	             (op == IORING_OP_POLL_ADD && (work->sqe.poll32_events & POLLOUT));

	return work->has_ofd && work->strike.kind != FAULT_ERRNO && !calls_ready(work->ofd, write);
}

static struct work *work_first(void)
{
	struct work *first = NULL;

	for (unsigned i = 0; i < work_end; i++) {
		if (works[i].used && works[i].due_ns != UINT64_MAX &&
		    (first == NULL || works[i].due_ns < first->due_ns)) {
			first = &works[i];
		}
	}
	return first;
}

uint64_t ring_next_ns(void)
{
	const struct work *first = work_first();

	return first == NULL ? UINT64_MAX : first->due_ns;
}

void ring_turn(void)
{
	struct work *work;

	while ((work = work_first()) != NULL && work->due_ns <= sim->now_ns) {
		if (work_waits(work)) {
			work->due_ns = sim->now_ns + MS;
		} else {
			work_perform(work);
		}
	}
}

void ring_crash(void)
{
	for (unsigned i = 0; i < work_end; i++) {
		if (works[i].used && !works[i].ghost && works[i].sqe.opcode != IORING_OP_ASYNC_CANCEL &&
		    !work_waits(&works[i]) && sim_draw(2) == 0) {
			(void)work_do(&works[i]);
		}
	}
}

/* A plain allocation goes back to malloc, or pages to the system. */
void ring_forget(const void *mem, size_t len)
{
	const uint8_t *low = mem;

	for (unsigned i = 0; i < work_end; i++) {
		const uint8_t *at = (const uint8_t *)(uintptr_t)works[i].sqe.addr;
		uint8_t op = works[i].sqe.opcode;

		if (works[i].used && (op == IORING_OP_READ || op == IORING_OP_READ_FIXED) && at >= low &&
		    at < low + len && !(works[i].has_ofd && calls_is_dry(works[i].ofd))) {
			sim_lost("memory is given away that a ring still reads into");
		}
	}
}

/* ---- submission */

static enum call work_call(const struct io_uring_sqe *sqe)
{
	switch (sqe->opcode) {
	case IORING_OP_READ:
	case IORING_OP_READ_FIXED:
		return CALL_sqe_read;
	case IORING_OP_WRITE:
	case IORING_OP_WRITE_FIXED:
		return CALL_sqe_write;
	case IORING_OP_POLL_ADD:
		return CALL_sqe_poll;
	case IORING_OP_ASYNC_CANCEL:
		return CALL_sqe_cancel;
	default:
		return CALL_sqe_nop;
	}
}

static uint64_t work_latency(enum fault_kind kind)
{
	if (kind == FAULT_DELAY) {
		return 300ull * MS;
	}
	if (kind == FAULT_STUCK) {
		return UINT64_MAX;
	}
	if (kind == FAULT_MISSING) {
		return 2500ull * MS;
	}
	return sim_draw(32) == 0 ? sim_draw(20 * MS) : sim_draw(200000);
}

/* What a ring tries itself with, on a file of no directory, is not where it lies. */
static struct strike strike_of(const struct io_uring_sqe *sqe)
{
	struct strike strike = sim_strike(work_call(sqe));
	int64_t ofd = calls_ofd(sqe->fd);

	if (strike.kind >= FAULT_STALE && strike.kind <= FAULT_MISSING && ofd >= 0 &&
	    disk_at(sim->ofds[ofd].ino)->nlink == 0 && !disk_at(sim->ofds[ofd].ino)->target) {
		strike.kind = FAULT_NONE;
	}
	return strike;
}

static void take(struct ring *ring, const struct io_uring_sqe *sqe)
{
	struct work *work = work_new(ring, 0);
	uint64_t latency;
	int64_t ofd;

	work->sqe = *sqe;
	work->strike = strike_of(sqe);
	latency = work_latency(work->strike.kind);
	work->due_ns = latency == UINT64_MAX ? latency : sim->now_ns + latency;
	ofd = sqe->opcode == IORING_OP_NOP || sqe->opcode == IORING_OP_ASYNC_CANCEL ? -EBADF
	                                                                            : calls_ofd(sqe->fd);
	if (ofd >= 0) {
		work->ofd = (uint32_t)ofd;
		work->has_ofd = true;
		calls_ofd_get((uint32_t)ofd);
	}
	if (work->strike.kind == FAULT_STALE) {
		work->due_ns += 100000;
		haunt(ring, sqe->user_data - (1ull << 32), sqe->len);
	}
}

static int submit(struct io_uring *user, struct strike strike)
{
	struct ring *ring = ring_of(user);
	unsigned ready = user->sq.sqe_tail - user->sq.sqe_head;
	unsigned count = 0;

	if (strike.kind == FAULT_ERRNO) {
		return -strike.value;
	}
	if (strike.kind == FAULT_FEWER && ready > 1) { /* none at all is an error, never a count */
		ready--;
	}
	while (count < ready) {
		take(ring, &user->sq.sqes[user->sq.sqe_head & ring->sq_mask]);
		user->sq.sqe_head++;
		count++;
	}
	ring->sq_head = user->sq.sqe_head;
	ring->sq_tail = user->sq.sqe_tail;
	return (int)count;
}

int __wrap_io_uring_submit(struct io_uring *user);
int __wrap_io_uring_submit(struct io_uring *user)
{
	int res = submit(user, sim_enter(CALL_ring_submit));

	return (int)sim_leave(CALL_ring_submit, 0, res);
}

/* ---- waiting */

static int wait_for(struct io_uring *user, unsigned count, uint64_t deadline_ns)
{
	struct ring *ring = ring_of(user);
	int res = 0;

	while (answers_ready(ring) < count && res == 0) {
		res = sim_wait(ring, deadline_ns, true);
	}
	return answers_ready(ring) >= count ? 0 : res;
}

static struct io_uring_cqe *first_answer(struct io_uring *user)
{
	struct ring *ring = ring_of(user);

	return answers_ready(ring) == 0 ? NULL : &ring->cqes[*user->cq.khead & ring->cq_mask];
}

int __wrap_io_uring_wait_cqes(struct io_uring *user, struct io_uring_cqe **cqe, unsigned count,
                              struct __kernel_timespec *timeout, sigset_t *mask);
int __wrap_io_uring_wait_cqes(struct io_uring *user, struct io_uring_cqe **cqe, unsigned count,
                              struct __kernel_timespec *timeout, sigset_t *mask)
{
	struct strike strike = sim_enter(CALL_ring_wait);
	uint64_t ns =
	    timeout == NULL ? 0 : (uint64_t)timeout->tv_sec * 1000000000 + (uint64_t)timeout->tv_nsec;
	int res;

	(void)mask;
	if (strike.kind == FAULT_ERRNO) {
		return (int)sim_leave(CALL_ring_wait, count, -strike.value);
	}
	res = wait_for(user, count, timeout == NULL ? 0 : sim->now_ns + ns);
	*cqe = first_answer(user);
	return (int)sim_leave(CALL_ring_wait, count, res);
}

int __wrap___io_uring_get_cqe(struct io_uring *user, struct io_uring_cqe **cqe, unsigned submit_count,
                              unsigned wait_count, sigset_t *mask);
int __wrap___io_uring_get_cqe(struct io_uring *user, struct io_uring_cqe **cqe, unsigned submit_count,
                              unsigned wait_count, sigset_t *mask)
{
	int res;

	(void)submit_count;
	(void)mask;
	sim_enter(CALL_ring_wait);
	res = wait_for(user, wait_count, 0);
	*cqe = first_answer(user);
	return (int)sim_leave(CALL_ring_wait, 0, res == 0 && *cqe == NULL ? -EAGAIN : res);
}

int __wrap_io_uring_submit_and_wait(struct io_uring *user, unsigned count);
int __wrap_io_uring_submit_and_wait(struct io_uring *user, unsigned count)
{
	int res = submit(user, sim_enter(CALL_ring_submit));

	if (res >= 0) {
		int waited = wait_for(user, count, 0);

		res = waited == -EINTR && res == 0 ? waited : res;
	}
	return (int)sim_leave(CALL_ring_submit, count, res);
}

unsigned __wrap_io_uring_peek_batch_cqe(struct io_uring *user, struct io_uring_cqe **cqes, unsigned count);
unsigned __wrap_io_uring_peek_batch_cqe(struct io_uring *user, struct io_uring_cqe **cqes, unsigned count)
{
	struct ring *ring = ring_of(user);
	unsigned ready;

	ring_turn();
	ready = answers_ready(ring);
	ready = ready < count ? ready : count;
	if (ready > 1 && sim_draw(4) == 0) {
		ready = 1 + (unsigned)sim_draw(ready); /* the rest comes a moment later */
	}
	for (unsigned i = 0; i < ready; i++) {
		cqes[i] = &ring->cqes[(*user->cq.khead + i) & ring->cq_mask];
	}
	return ready;
}

/* ---- opening, registering, closing */

static unsigned power_of_two(unsigned count)
{
	unsigned power = 1;

	while (power < count) {
		power *= 2;
	}
	return power;
}

int __wrap_io_uring_queue_init_params(unsigned entries, struct io_uring *user,
                                      struct io_uring_params *params);
int __wrap_io_uring_queue_init_params(unsigned entries, struct io_uring *user, struct io_uring_params *params)
{
	struct strike strike = sim_enter(CALL_ring_init);
	struct ring *ring = ring_of(NULL);

	if (strike.kind == FAULT_ERRNO) {
		return (int)sim_leave(CALL_ring_init, entries, -strike.value);
	}
	*ring = (struct ring){ .user = user, .sq_count = power_of_two(entries) };
	ring->cq_count =
	    params->flags & IORING_SETUP_CQSIZE ? power_of_two(params->cq_entries) : ring->sq_count * 2;
	ring->sq_mask = ring->sq_count - 1;
	ring->cq_mask = ring->cq_count - 1;
	ring->sqes = __real_calloc(ring->sq_count, sizeof(ring->sqes[0]));
	ring->cqes = __real_calloc(ring->cq_count, sizeof(ring->cqes[0]));
	if (ring->sqes == NULL || ring->cqes == NULL) {
		sim_lost("no memory for a ring");
	}
	memset(user, 0, sizeof(*user));
	user->flags = params->flags;
	user->ring_fd = -1;
	user->features = IORING_FEAT_NODROP | IORING_FEAT_EXT_ARG | IORING_FEAT_SUBMIT_STABLE;
	user->sq.khead = &ring->sq_head;
	user->sq.ktail = &ring->sq_tail;
	user->sq.kring_mask = &ring->sq_mask;
	user->sq.kring_entries = &ring->sq_count;
	user->sq.ring_mask = ring->sq_mask;
	user->sq.ring_entries = ring->sq_count;
	user->sq.kflags = &ring->flags;
	user->sq.kdropped = &ring->dropped;
	user->sq.sqes = ring->sqes;
	user->cq.khead = &ring->cq_head;
	user->cq.ktail = &ring->cq_tail;
	user->cq.kring_mask = &ring->cq_mask;
	user->cq.kring_entries = &ring->cq_count;
	user->cq.ring_mask = ring->cq_mask;
	user->cq.ring_entries = ring->cq_count;
	user->cq.kflags = &ring->flags;
	user->cq.koverflow = &ring->overflow;
	user->cq.cqes = ring->cqes;
	return (int)sim_leave(CALL_ring_init, entries, 0);
}

/* The kernel takes a ring down behind its owner's back: what is under way may still be performed. */
void __wrap_io_uring_queue_exit(struct io_uring *user);
void __wrap_io_uring_queue_exit(struct io_uring *user)
{
	struct ring *ring = ring_of(user);

	for (unsigned i = 0; i < work_end; i++) {
		if (works[i].used && works[i].ring == ring && works[i].ghost) {
			works[i].used = false;
		} else if (works[i].used && works[i].ring == ring) {
			works[i].ring = NULL;
			works[i].due_ns = sim->now_ns + 1 + sim_draw(50 * MS);
		}
	}
	free(ring->sqes);
	free(ring->cqes);
	ring->user = NULL;
}

int __wrap_io_uring_register_probe(struct io_uring *user, struct io_uring_probe *probe, unsigned count);
int __wrap_io_uring_register_probe(struct io_uring *user, struct io_uring_probe *probe, unsigned count)
{
	struct strike strike = sim_enter(CALL_ring_probe);

	(void)user;
	if (strike.kind == FAULT_ERRNO) {
		return (int)sim_leave(CALL_ring_probe, 0, -strike.value);
	}
	probe->last_op = (uint8_t)(count < 48 ? count - 1 : 47);
	for (unsigned i = 0; i <= probe->last_op; i++) {
		probe->ops[i].flags = IO_URING_OP_SUPPORTED;
	}
	if (strike.kind == FAULT_DROP) { /* an operation is missing */
		probe->ops[IORING_OP_READ_FIXED].flags = 0;
	}
	return (int)sim_leave(CALL_ring_probe, 0, 0);
}

int __wrap_io_uring_register_buffers(struct io_uring *user, const struct iovec *vectors, unsigned count);
int __wrap_io_uring_register_buffers(struct io_uring *user, const struct iovec *vectors, unsigned count)
{
	struct strike strike = sim_enter(CALL_ring_register);

	if (strike.kind == FAULT_ERRNO || count != 1) {
		return (int)sim_leave(CALL_ring_register, 0, -strike.value);
	}
	ring_of(user)->fixed = vectors->iov_base;
	ring_of(user)->fixed_len = vectors->iov_len;
	return (int)sim_leave(CALL_ring_register, 0, 0);
}

int __wrap_io_uring_unregister_buffers(struct io_uring *user);
int __wrap_io_uring_unregister_buffers(struct io_uring *user)
{
	ring_of(user)->fixed = NULL;
	ring_of(user)->fixed_len = 0;
	return 0;
}

int __wrap_io_uring_ring_dontfork(struct io_uring *user);
int __wrap_io_uring_ring_dontfork(struct io_uring *user)
{
	(void)user;
	return 0;
}

#else

unsigned ring_open_count(void)
{
	return 0;
}

uint64_t ring_next_ns(void)
{
	return UINT64_MAX;
}

void ring_turn(void)
{
}

void ring_crash(void)
{
}

void ring_forget(const void *mem, size_t len)
{
	(void)mem;
	(void)len;
}
#endif
