/*
 * engine_fault.c: makes the program's engines fail as the environment says. For binaries linked with
 * -Wl,--wrap=zc_engine_open and src/engine/fault.c.
 *
 *   ZC_FAULT=engine-write:3:ENOSPC      the third WRITE request fails
 *   ZC_FAULT=engine-read:2+:EIO         the second READ and all later ones fail
 *   ZC_FAULT=engine-write:1:delay=300   the first WRITE starts 300 ms late
 *
 * Several plans are separated by commas; those of other wrappers are left to them. A plan for us that
 * cannot be understood ends the program, lest a test pass because nothing failed.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fault.h"

int __real_zc_engine_open(struct zc_engine **ret_engine, const struct zc_engine_cfg *cfg);
int __wrap_zc_engine_open(struct zc_engine **ret_engine, const struct zc_engine_cfg *cfg);

enum {
	ERRNO_MAX = 200,
};

/* 0: no such name. */
static int errno_of(const char *name)
{
	int code;

	for (code = 1; code < ERRNO_MAX; code++) {
		if (strcmp(zc_errno_name(code), name) == 0) {
			return -code;
		}
	}
	return 0;
}

/* item is "engine-OP:N[+]:WHAT". */
static bool parse(const char *item, struct zc_engine_fault_plan *ret_plan)
{
	struct zc_engine_fault_plan plan = { 0 };
	char op[8];
	char at[16];
	char what[32];
	char *end;

	if (sscanf(item, "engine-%7[a-z]:%15[0-9+]:%31s", op, at, what) != 3) {
		return false;
	}
	if (strcmp(op, "read") != 0 && strcmp(op, "write") != 0) {
		return false;
	}
	plan.op = strcmp(op, "read") == 0 ? ZC_OP_READ : ZC_OP_WRITE;
	plan.at = (unsigned)strtoul(at, &end, 10);
	plan.from_then_on = *end == '+';
	if (sscanf(what, "delay=%u", &plan.delay_ms) != 1) {
		plan.err = errno_of(what);
	}
	if (plan.at == 0 || (plan.err == 0 && plan.delay_ms == 0)) {
		return false;
	}
	*ret_plan = plan;
	return true;
}

static int wrap_with(struct zc_engine **engine, const char *item)
{
	struct zc_engine_fault_plan plan;

	if (strncmp(item, "engine-", strlen("engine-")) != 0) {
		return 0;
	}
	if (!parse(item, &plan)) {
		fprintf(stderr, "ZC_FAULT: not understood: %s\n", item);
		abort();
	}
	return zc_engine_fault_open(engine, *engine, &plan);
}

int __wrap_zc_engine_open(struct zc_engine **ret_engine, const struct zc_engine_cfg *cfg)
{
	const char *text = getenv("ZC_FAULT");
	char items[256];
	char *item;
	char *rest;
	struct zc_engine *engine;
	int code = __real_zc_engine_open(&engine, cfg);

	if (code == 0 && text) {
		snprintf(items, sizeof(items), "%s", text);
		for (item = strtok_r(items, ",", &rest); item && code == 0;
		     item = strtok_r(NULL, ",", &rest)) {
			code = wrap_with(&engine, item);
		}
	}
	if (code == 0) {
		*ret_engine = engine;
	}
	return code;
}
