/*
 * fault: an engine around another one that fails as it is told. Test binaries only.
 */
#ifndef ZC_ENGINE_FAULT_H
#define ZC_ENGINE_FAULT_H

#include "zcopy/engine.h"

struct zc_engine_fault_plan {
	enum zc_op op;     /* READ or WRITE                                                    */
	unsigned at;       /* which request of that kind, from 1                               */
	bool from_then_on; /* and all that follow                                              */
	int err;           /* negative errno: not performed, returned with it. 0: only delayed */
	unsigned delay_ms; /* before it is performed                                           */
};

/* Owns inner from now on, also on failure. 0 or -ENOMEM. */
int zc_engine_fault_open(struct zc_engine **ret_engine, struct zc_engine *inner,
                         const struct zc_engine_fault_plan *plan);

#endif
