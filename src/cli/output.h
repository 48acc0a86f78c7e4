/* output.h: where words go: standard output, or not when it is an end; and the report's file. */
#ifndef ZC_CLI_OUTPUT_H
#define ZC_CLI_OUTPUT_H

#include <stdio.h>

#include "args.h"

/* Whether the copy writes to what standard output is open on. */
bool output_stdout_is_an_end(const struct zc_job_cfg *cfg);

/* Opens the report's file, which nothing is written to before the run is over; stdout for "-"; NULL with
 * *ret_status 0 for no report. An end of the copy is never the report: refused before anything is touched.
 * *ret_status is else the exit status, and the reason has been printed. */
FILE *output_open_report(const struct zc_args *args, int *ret_status);
/* Of a run that came to nothing: as it was. NULL is fine. */
void output_close_report(FILE *file);
/* Writes what compose (0 or -errno) gives to its stream, whole, in place of what the file holds, and closes
 * it. 0, or the exit status of what went wrong, which has been printed. */
int output_put_report(const struct zc_args *args, FILE *file, int (*compose)(const void *what, FILE *stream),
                      const void *what);

#endif
