/*
 * tune.c: the search for a faster point. tune.h says what it promises.
 *
 *   A --trial--> B --below A: next move-----------> ...        one window each: what was in flight before has
 * to
 *                 \-- else A again --gain? B, A--> verdict      end, then two times what is in flight is
 * timed
 */
#include "tune.h"

#include <string.h>

#define BUDGET_NS      250000000ull
#define BUDGET_PERCENT 1
/* Half a window: what is in flight comes through whole, as often as it takes to be that long and that many
 * requests: it comes in bursts, and half of one says nothing. */
#define HALF_NS_MIN   4000000ull
#define HALF_REQS_MIN 8
/* A half that took so long needs no second one: what hangs for a moment is little of it. */
#define HALF_NS_ENOUGH 15000000ull
/* Kept: better by this share, and by what looks at the same point differ. */
#define GAIN_MIN 0.03
/* More in flight cost less than this: then less in flight will gain nothing. */
#define FLAT_MAX 0.02
/* No second look is needed beyond this one. */
#define GAIN_OBVIOUS 0.25
/* Half a window is enough to see that it is worse by this share, and by more than what hangs for a moment. */
#define LOSS_OBVIOUS    0.3
#define LOSS_OBVIOUS_NS 10e6
/* Of the copy's time, what trying may cost in all. */
#define LOSS_MAX 0.02

/* In the order they are tried. Steps down are long, since what is smaller is also quicker to measure, and
 * what lies between is tried where the long one was no worse. */
static const struct tune_move {
	enum tune_knob knob;
	bool up;
	unsigned factor;
} tune_moves[] = {
	{ TUNE_BLOCK, true, 2 },  { TUNE_DEPTH, true, 2 },  { TUNE_LANES, true, 2 },
	{ TUNE_DEPTH, false, 4 }, { TUNE_DEPTH, false, 2 }, { TUNE_BLOCK, false, 4 },
	{ TUNE_BLOCK, false, 2 }, { TUNE_LANES, false, 2 },
};

const char *tune_verdict_name(enum tune_verdict verdict)
{
	static const char *const names[] = {
		[TUNE_KEPT] = "kept",
		[TUNE_NO_GAIN] = "no gain",
		[TUNE_WORSE] = "worse",
		[TUNE_CUT_OFF] = "cut off",
	};

	return names[verdict];
}

uint64_t tune_flight_bytes(const struct tune_point *point)
{
	return (uint64_t)point->at[TUNE_BLOCK] * point->at[TUNE_DEPTH] * point->at[TUNE_LANES];
}

void tune_init(struct tune *tune, const struct tune_cfg *cfg)
{
	*tune = (struct tune){ .cfg = *cfg, .now = cfg->start, .best = cfg->start, .tied = true };
	tune->decided =
	    cfg->total_bytes < TUNE_BYTES_MIN || memcmp(&cfg->min, &cfg->max, sizeof(cfg->min)) == 0;
}

void tune_add(struct tune *tune, uint64_t bytes)
{
	tune->cfg.total_bytes += bytes;
}

static double tune_base_rate(const struct tune *tune)
{
	return tune->a_rates[tune->a_count - 1];
}

static bool tune_is_trial(const struct tune *tune)
{
	return tune->a_count > 0 && memcmp(&tune->now, &tune->best, sizeof(tune->now)) != 0;
}

/* ---- windows */

static void tune_open_window(struct tune *tune, uint64_t flight_bytes, uint64_t done_bytes, uint64_t now_ns)
{
	tune->window = (struct tune_window){
		.begin_bytes = done_bytes,
		.begin_ns = now_ns,
		.until_bytes = done_bytes + flight_bytes,
	};
}

static void tune_go(struct tune *tune, const struct tune_point *to, uint64_t done_bytes, uint64_t now_ns)
{
	uint64_t flight_bytes = tune_flight_bytes(&tune->now);

	tune->now = *to;
	tune_open_window(tune, flight_bytes, done_bytes, now_ns);
}

void tune_restart(struct tune *tune, uint64_t done_bytes)
{
	struct tune_window *window = &tune->window;

	window->settled = false; /* its beginning stays: the time was lost all the same */
	window->until_bytes = done_bytes + tune_flight_bytes(&tune->now);
}

static void tune_begin_half(struct tune *tune, uint64_t done_bytes, uint64_t now_ns)
{
	struct tune_window *window = &tune->window;

	window->from_bytes = done_bytes;
	window->from_ns = now_ns;
	window->until_bytes = done_bytes + tune_flight_bytes(&tune->now);
}

/* Bytes a second of the half that is being measured, once there is enough to say so; 0 until then. */
static double tune_half_rate(struct tune *tune, uint64_t done_bytes, uint64_t now_ns)
{
	struct tune_window *window = &tune->window;
	uint64_t bytes = done_bytes - window->from_bytes;
	uint64_t ns = now_ns - window->from_ns;

	if (done_bytes < window->until_bytes) {
		return 0;
	}
	if (ns < HALF_NS_MIN || bytes < (uint64_t)HALF_REQS_MIN * tune->now.at[TUNE_BLOCK]) {
		window->until_bytes += tune_flight_bytes(&tune->now);
		return 0;
	}
	return (double)bytes * 1e9 / (double)ns;
}

/* ---- what trying may cost, in time */

static double tune_loss_ns(const struct tune *tune, uint64_t done_bytes, uint64_t now_ns)
{
	return tune->loss_ns + (double)(now_ns - tune->window.begin_ns) -
	       (double)(done_bytes - tune->window.begin_bytes) * 1e9 / tune_base_rate(tune);
}

static double tune_allowed_ns(const struct tune *tune)
{
	return LOSS_MAX * 1e9 * (double)tune->cfg.total_bytes / tune_base_rate(tune);
}

/* To go down and up again takes about as long as what is in flight, should it be much worse there. */
static bool tune_may_go_down(const struct tune *tune)
{
	double trip_ns = (double)tune_flight_bytes(&tune->best) * 1e9 / tune_base_rate(tune);

	return tune->loss_ns + trip_ns <= tune_allowed_ns(tune);
}

/* ---- moves */

static void tune_note(struct tune *tune, enum tune_verdict verdict, double from_rate, double to_rate)
{
	if (tune->try_count < TUNE_TRIES_MAX) {
		tune->tries[tune->try_count++] = (struct tune_try){
			.from = tune->best,
			.to = tune->trial,
			.from_rate = from_rate,
			.to_rate = to_rate,
			.verdict = verdict,
		};
	}
}

/* The move's point, if it is to be tried at all. */
static bool tune_reach(const struct tune *tune, const struct tune_move *move, struct tune_point *ret_to)
{
	uint32_t at = tune->best.at[move->knob];

	*ret_to = tune->best;
	ret_to->at[move->knob] = move->up ? at * move->factor : at / move->factor;
	if (move->up) {
		return at <= tune->cfg.max.at[move->knob] / move->factor;
	}
	return !tune->flat && !(tune->grown & 1u << move->knob) && tune_may_go_down(tune) &&
	       at / move->factor >= tune->cfg.min.at[move->knob] &&
	       at / move->factor % tune->cfg.min.at[move->knob] == 0 && (move->factor > 2 || tune->tied);
}

static void tune_decide(struct tune *tune)
{
	tune->now = tune->best;
	tune->decided = true;
}

/* On to the next move that can be made, or to the end. */
static void tune_next_move(struct tune *tune, uint64_t done_bytes, uint64_t now_ns)
{
	struct tune_point to;

	for (;;) {
		if (tune->move == ZC_ARRAY_LEN(tune_moves)) {
			if (!tune->kept) {
				tune_decide(tune);
				return;
			}
			tune->move = 0;
			tune->grown = 0;
			tune->flat = false;
			tune->kept = false;
		}
		if (tune_reach(tune, &tune_moves[tune->move], &to)) {
			break;
		}
		tune->tied = true; /* what cannot be tried says nothing about a shorter step */
		tune->move++;
	}
	tune->a_rates[0] = tune_base_rate(tune);
	tune->a_count = 1;
	tune->b_count = 0;
	tune->trial = to;
	tune_go(tune, &to, done_bytes, now_ns);
}

static double tune_mean(const double *rates, unsigned count)
{
	double sum = 0;

	for (unsigned i = 0; i < count; i++) {
		sum += rates[i];
	}
	return sum / count;
}

/* Half of what looks at the same point differ by, as a share. */
static double tune_noise(const struct tune *tune)
{
	double low = tune->a_rates[0];
	double high = low;

	for (unsigned i = 1; i < tune->a_count; i++) {
		low = tune->a_rates[i] < low ? tune->a_rates[i] : low;
		high = tune->a_rates[i] > high ? tune->a_rates[i] : high;
	}
	return (high - low) / (high + low);
}

static void tune_keep(struct tune *tune, uint64_t done_bytes, uint64_t now_ns)
{
	const struct tune_move *move = &tune_moves[tune->move];

	tune_note(tune, TUNE_KEPT, tune_mean(tune->a_rates, tune->a_count),
	          tune_mean(tune->b_rates, tune->b_count));
	tune->best = tune->trial;
	tune->kept = true;
	tune->grown |= move->up ? 1u << move->knob : 0;
	tune->a_rates[0] = tune_mean(tune->b_rates, tune->b_count);
	tune->a_count = 1;
	tune_next_move(tune, done_bytes, now_ns);
}

static void tune_drop(struct tune *tune, enum tune_verdict verdict, double to_rate, uint64_t done_bytes,
                      uint64_t now_ns)
{
	double from_rate = tune_mean(tune->a_rates, tune->a_count);

	tune_note(tune, verdict, from_rate, to_rate);
	tune->tied = to_rate > (1 - GAIN_MIN) * from_rate;
	tune->flat |= tune_moves[tune->move].up && to_rate > (1 - FLAT_MAX) * from_rate;
	tune->move++;
	tune_next_move(tune, done_bytes, now_ns);
}

/* A, B and A again were seen, perhaps B and A once more. */
static void tune_judge(struct tune *tune, uint64_t done_bytes, uint64_t now_ns)
{
	double to_rate = tune_mean(tune->b_rates, tune->b_count);
	double gain = to_rate / tune_mean(tune->a_rates, tune->a_count) - 1;
	double noise = tune_noise(tune);

	if (gain <= GAIN_MIN + noise) {
		tune_drop(tune, TUNE_NO_GAIN, to_rate, done_bytes, now_ns);
	} else if (tune->b_count == ZC_ARRAY_LEN(tune->b_rates) || gain > GAIN_OBVIOUS + noise) {
		tune_keep(tune, done_bytes, now_ns);
	} else {
		tune_go(tune, &tune->trial, done_bytes, now_ns);
	}
}

static void tune_base_done(struct tune *tune, double rate, uint64_t done_bytes, uint64_t now_ns)
{
	tune->a_rates[tune->a_count++] = rate;
	if (tune->a_count == 1) {
		tune_next_move(tune, done_bytes, now_ns);
	} else {
		tune_judge(tune, done_bytes, now_ns);
	}
}

static void tune_trial_done(struct tune *tune, double rate, uint64_t done_bytes, uint64_t now_ns)
{
	tune->loss_ns = tune_loss_ns(tune, done_bytes, now_ns);
	tune->b_rates[tune->b_count++] = rate;
	if (rate < (1 - GAIN_MIN) * tune_base_rate(tune)) {
		tune_drop(tune, TUNE_WORSE, rate, done_bytes, now_ns);
	} else {
		tune_go(tune, &tune->best, done_bytes, now_ns);
	}
}

/* ---- limits */

static bool tune_is_over(const struct tune *tune, uint64_t done_bytes, uint64_t now_ns)
{
	if (now_ns - tune->start_ns >= BUDGET_NS &&
	    done_bytes >= tune->cfg.total_bytes / 100 * BUDGET_PERCENT) {
		return true;
	}
	return tune_is_trial(tune) && tune_loss_ns(tune, done_bytes, now_ns) > tune_allowed_ns(tune);
}

void tune_stop(struct tune *tune)
{
	if (tune->decided) {
		return;
	}
	if (tune->a_count > 0 && memcmp(&tune->trial, &tune->best, sizeof(tune->trial)) != 0) {
		tune_note(tune, TUNE_CUT_OFF, tune_mean(tune->a_rates, tune->a_count),
		          tune->b_count > 0 ? tune_mean(tune->b_rates, tune->b_count) : 0);
	}
	tune_decide(tune);
}

/* Does half a window say it all? */
static bool tune_is_obvious(const struct tune *tune, double rate, uint64_t now_ns)
{
	double half_ns = (double)(now_ns - tune->window.from_ns);

	if (tune_is_trial(tune)) {
		double share = 1 - rate / tune_base_rate(tune);

		return share > LOSS_OBVIOUS && share * half_ns > LOSS_OBVIOUS_NS;
	}
	return tune->a_count == 1 && tune->b_rates[0] > (1 + 2 * GAIN_OBVIOUS) * rate &&
	       tune->b_rates[0] > (1 + 2 * GAIN_OBVIOUS) * tune->a_rates[0];
}

/* Of a window's halves the better one counts: what hangs for a moment is not the point's fault. */
static void tune_look(struct tune *tune, uint64_t done_bytes, uint64_t now_ns)
{
	struct tune_window *window = &tune->window;
	double rate = tune_half_rate(tune, done_bytes, now_ns);

	if (rate == 0) {
		return;
	}
	if (window->half_rate == 0 && now_ns - window->from_ns < HALF_NS_ENOUGH &&
	    !tune_is_obvious(tune, rate, now_ns)) {
		window->half_rate = rate;
		tune_begin_half(tune, done_bytes, now_ns);
		return;
	}
	rate = rate > window->half_rate ? rate : window->half_rate;
	if (tune_is_trial(tune)) {
		tune_trial_done(tune, rate, done_bytes, now_ns);
	} else {
		tune_base_done(tune, rate, done_bytes, now_ns);
	}
}

bool tune_step(struct tune *tune, uint64_t done_bytes, uint64_t now_ns)
{
	struct tune_point before = tune->now;
	struct tune_window *window = &tune->window;

	if (tune->decided) {
		return false;
	}
	if (tune->start_ns == 0) {
		tune->start_ns = now_ns;
		tune_open_window(tune, tune_flight_bytes(&tune->now), done_bytes, now_ns);
	}
	if (tune_is_over(tune, done_bytes, now_ns)) {
		tune_stop(tune);
	} else if (!window->settled && done_bytes >= window->until_bytes) {
		window->settled = true;
		tune_begin_half(tune, done_bytes, now_ns);
	} else if (window->settled) {
		tune_look(tune, done_bytes, now_ns);
	}
	return memcmp(&before, &tune->now, sizeof(before)) != 0;
}
