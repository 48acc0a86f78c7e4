/* bench.h: the command bench. */
#ifndef ZC_CLI_BENCH_H
#define ZC_CLI_BENCH_H

#include "args.h"

/* Does it and says it: the table on standard output, or on standard error where the report goes to the
 * former. The exit status; after zc_stopped() what there is was said, and the files are gone. */
int bench_main(const struct zc_args *args);
/* The command tune. Likewise. */
int tune_main(const struct zc_args *args);

#endif
