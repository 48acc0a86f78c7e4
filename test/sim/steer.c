/*
 * steer.c: instead of the tuner, which needs more time and bytes than there are here, dice: any block size,
 * any depth, at any time, beyond what the pool has as well.
 */
#include "../../src/job/tune.h"
#include "sim.h"

void __real_tune_init(struct tune *tune, const struct tune_cfg *cfg);
void __wrap_tune_init(struct tune *tune, const struct tune_cfg *cfg);
bool __wrap_tune_step(struct tune *tune, uint64_t done_bytes, uint64_t now_ns);

void __wrap_tune_init(struct tune *tune, const struct tune_cfg *cfg)
{
	__real_tune_init(tune, cfg);
	tune->decided = cfg->min.at[TUNE_DEPTH] == cfg->max.at[TUNE_DEPTH] &&
	                cfg->min.at[TUNE_BLOCK] == cfg->max.at[TUNE_BLOCK];
	if (cfg->min.at[TUNE_BLOCK] != cfg->max.at[TUNE_BLOCK]) {
		tune->cfg.min.at[TUNE_BLOCK] = SIM_PAGE; /* files are small here */
	}
	if (cfg->min.at[TUNE_DEPTH] != cfg->max.at[TUNE_DEPTH]) {
		tune->cfg.max.at[TUNE_DEPTH] *= 2; /* and now and then the pool is too small */
	}
}

bool __wrap_tune_step(struct tune *tune, uint64_t done_bytes, uint64_t now_ns)
{
	const struct tune_cfg *cfg = &tune->cfg;
	uint64_t dice =
	    sim->rng ^ (done_bytes + now_ns) * 0x9e3779b97f4a7c15; /* the seed's own stays as it is */

	if (!rng_chance(&dice, 2)) {
		return false;
	}
	for (int knob = TUNE_BLOCK; knob <= TUNE_DEPTH; knob++) {
		uint32_t at = cfg->min.at[knob];

		while (at < cfg->max.at[knob] && at <= cfg->max.at[knob] / 2 && !rng_chance(&dice, 4)) {
			at *= 2;
		}
		tune->now.at[knob] = at;
	}
	tune->best = tune->now;
	tune->decided = rng_chance(&dice, 16);
	return true;
}
