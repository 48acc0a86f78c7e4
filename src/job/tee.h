/* tee.h: --tee, further destinations of one source. Private to job/. */
#ifndef ZC_JOB_TEE_H
#define ZC_JOB_TEE_H

#include "item.h"

/* Opens them all, once the item's own is open: item->tees. 0, or -errno and said. */
int tee_open(struct item *item);
/* Why pages cannot be passed to all of them; NULL: they can. */
const char *tee_unfit(const struct item *item);
/* The leg's bytes go to them, too, and to hash, which may be NULL. */
void tee_attach(struct item *item, struct zc_leg *leg);
/* All bytes were copied: those that are files appear. Failures are said and counted, and are not the item's.
 */
void tee_finish(struct item *item);
/* What was not finished is given up. Nothing happens without tees. */
void tee_close(struct item *item);

#endif
