/*
 * plan.c: which call is struck by which fault. As words: CALL:N:WHAT with a + behind it for all that follow,
 * where WHAT is an errno, short=BYTES, or a kind; a list has commas.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "sim.h"
#include "zcopy/base.h"

#define SIM_CALL_NAME(name) #name,
const char *const call_names[CALL_COUNT] = { SIM_CALLS(SIM_CALL_NAME) };

static const char *const kind_names[FAULT_KIND_COUNT] = {
	[FAULT_NONE] = "none",           [FAULT_ERRNO] = "errno", [FAULT_SHORT] = "short",
	[FAULT_SHORT_END] = "short-end", [FAULT_STALE] = "stale", [FAULT_DUPLICATE] = "duplicate",
	[FAULT_LONG] = "long",           [FAULT_STUCK] = "stuck", [FAULT_MISSING] = "missing",
	[FAULT_DELAY] = "delay",         [FAULT_FEWER] = "fewer", [FAULT_DROP] = "drop",
	[FAULT_MISDIRECT] = "misdirect", [FAULT_FLIP] = "flip",   [FAULT_ROT] = "rot",
};

/* The nineteen of a disk, a network and a ring that fail. */
static const int errnos[] = {
	EINTR,
	EAGAIN,
	ENOMEM,
	ENOBUFS,
	EIO,
	ENOSPC,
	EDQUOT,
	EFBIG,
	ECANCELED,
	EFAULT,
	EINVAL,
	EOPNOTSUPP,
	EBADF,
	ESTALE,
	ETIMEDOUT,
	EUCLEAN,
	EREMOTEIO,
	EPIPE,
	ECONNRESET,
	/* and what set-up calls are refused with */
	ENOSYS,
	EPERM,
	EMFILE,
	EACCES,
	EBUSY,
};

uint32_t plan_errno_count(void)
{
	return ZC_ARRAY_LEN(errnos);
}

int plan_errno(uint32_t index)
{
	return errnos[index];
}

const char *plan_kind_name(enum fault_kind kind)
{
	return kind_names[kind];
}

bool plan_is_lie(enum fault_kind kind)
{
	return kind >= FAULT_DROP && kind <= FAULT_ROT;
}

static bool parse_what(char *what, struct fault *fault)
{
	size_t len = strlen(what);

	fault->for_good = len > 0 && what[len - 1] == '+';
	if (fault->for_good) {
		what[len - 1] = '\0';
	}
	if (sscanf(what, "short=%d", &fault->value) == 1) {
		fault->kind = FAULT_SHORT;
		return true;
	}
	for (int kind = FAULT_SHORT_END; kind < FAULT_KIND_COUNT; kind++) {
		if (strcmp(what, kind_names[kind]) == 0) {
			fault->kind = (enum fault_kind)kind;
			return true;
		}
	}
	for (uint32_t i = 0; i < ZC_ARRAY_LEN(errnos); i++) {
		const char *name = zc_errno_name(errnos[i]);

		if (name != NULL && strcmp(what, name) == 0) {
			fault->kind = FAULT_ERRNO;
			fault->value = errnos[i];
			return true;
		}
	}
	return false;
}

static bool parse_one(char *word, struct fault *fault)
{
	char name[32];
	char what[32];

	*fault = (struct fault){ 0 };
	if (sscanf(word, "%31[^:]:%u:%31s", name, &fault->at, what) != 3) {
		return false;
	}
	for (int call = 0; call < CALL_COUNT; call++) {
		if (strcmp(name, call_names[call]) == 0) {
			fault->call = (enum call)call;
			return parse_what(what, fault);
		}
	}
	return false;
}

bool plan_parse(const char *text, struct fault *faults, uint32_t *count)
{
	char copy[FAULT_TEXT];
	char *save = NULL;

	*count = 0;
	snprintf(copy, sizeof(copy), "%s", strcmp(text, "none") == 0 ? "" : text);
	for (char *word = strtok_r(copy, ",", &save); word != NULL; word = strtok_r(NULL, ",", &save)) {
		if (*count == FAULT_MAX || !parse_one(word, &faults[*count])) {
			return false;
		}
		(*count)++;
	}
	return true;
}

void plan_print(const struct fault *faults, uint32_t count, char *out, size_t size)
{
	size_t len = 0;

	snprintf(out, size, "none");
	for (uint32_t i = 0; i < count && len < size; i++) {
		const struct fault *fault = &faults[i];

		len += (size_t)snprintf(out + len, size - len, "%s%s:%u:", i == 0 ? "" : ",",
		                        call_names[fault->call], fault->at);
		if (len >= size) {
			return;
		}
		if (fault->kind == FAULT_SHORT) {
			len += (size_t)snprintf(out + len, size - len, "short=%d", fault->value);
		} else {
			len += (size_t)snprintf(out + len, size - len, "%s",
			                        fault->kind == FAULT_ERRNO ? zc_errno_name(fault->value)
			                                                   : kind_names[fault->kind]);
		}
		if (fault->for_good && len < size) {
			len += (size_t)snprintf(out + len, size - len, "+");
		}
	}
}

struct strike plan_strike(enum call call)
{
	uint32_t n = ++sim->seen[call];
	struct strike strike = { FAULT_NONE, 0 };

	for (uint32_t i = 0; i < sim->fault_count; i++) {
		struct fault *fault = &sim->faults[i];

		if (fault->call == call && (n == fault->at || (fault->for_good && n > fault->at))) {
			fault->fired++;
			strike = (struct strike){ fault->kind, fault->value };
		}
	}
	return strike;
}
