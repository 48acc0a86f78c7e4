/* pass.h: one way through an item's source. Private to job/. Results: 0, or -errno and said; -ECANCELED:
 * stopped; -ENOTRECOVERABLE, unsaid: the ring broke, and what it was to write is not known. */
#ifndef ZC_JOB_PASS_H
#define ZC_JOB_PASS_H

#include "choose.h"
#include "item.h"

/* Zeroed, but for item (borrowed) and where it is to begin. */
struct pass {
	struct item *item;
	struct choice choice;
	bool clone;              /* to be tried first                               */
	bool chosen;             /* choice is valid                                 */
	uint64_t at_bytes;       /* where the next span starts                      */
	uint64_t asked_bytes;    /* the kernel was asked for what is before         */
	uint64_t ask_at_bytes;   /* and is asked for more from here on              */
	uint64_t stop_bytes;     /* where resume_mark is to be called               */
	bool warm;               /* what is copied now is read from the cache, for once */
	bool begun;              /* a span of it was copied                         */
	bool steered;            /* the lane's tuner knows of it                    */
	uint64_t data_end_bytes; /* end of the last byte that was really read       */
	uint64_t whole_bytes;    /* so many are written without a gap               */
	struct behind behind;
	uint64_t hole_bytes;
	uint64_t stayed_bytes; /* an earlier run has copied them                  */
	bool eof;
	bool pipes_said; /* by --explain */
};

/* Decides what can be decided before a byte moves. */
int pass_prepare(struct pass *pass);
/* The source from at_bytes to its end, by a clone or span by span, or what an earlier run left out. */
int pass_bytes(struct pass *pass);
/* The same span by span: also what was appended since. */
int pass_spans(struct pass *pass);

#endif
