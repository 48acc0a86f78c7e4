/*
 * rescue.h: --on-read-error=zero and skip: around what cannot be read. Private to job/.
 *
 *   unread_find -> (the sink is opened) -> rescue_begin -> rescue_restart, rescue_move ... -> unread_keep
 *                                                                          -> rescue_tell -> rescue_end
 *
 * rescue.c moves bytes and remembers what it had to leave out; unread.c keeps that in a file, from which a
 * later run goes on: only the ranges of the map are tried again, in the destination as it stands.
 */
#ifndef ZC_JOB_RESCUE_H
#define ZC_JOB_RESCUE_H

#include "badmap.h"
#include "item.h"

struct rescue {
	struct badmap bad;      /* what this run could not read                              */
	struct badmap before;   /* what an earlier run could not: going_on                   */
	struct badmap restored; /* of before, what this run could                            */
	bool going_on;          /* the destination is an earlier run's                       */
	bool old_bytes;         /* in ranges that are left out is what stood there before     */
	uint64_t at_bytes;      /* up to where the source is dealt with                      */
	unsigned tries_left;    /* failing reads of single blocks                            */
	bool kept;              /* the map is where unread_path says                         */
};

/* ---- rescue.c */

/* Both ends are open: does this item want it? 0 or -ENOMEM and said. */
int rescue_begin(struct item *item);
/* The pass begins at the first byte. */
void rescue_restart(struct item *item);
/* Moves leg's span by the item's lane (which is open), with what cannot be read left out, or as zeros. As
 * zc_route_ops.move. */
int rescue_move(struct item *item, struct zc_leg *leg);
/* Before the first piece of an earlier run's destination; leg for its sink. As rescue_move. */
int rescue_clear(struct item *item, struct zc_leg *leg);
/* What of the destination did not come from the source in this run and is not zeros either, so that it cannot
 * be compared. The caller clears it. 0 or -ENOMEM */
int rescue_left_out(const struct item *item, struct badmap *ret_map);
/* The copy has its name: says what is missing in it. */
void rescue_tell(struct item *item);
void rescue_end(struct item *item);

/* ---- unread.c */

/* Is the destination what an earlier run made of this source, with ranges that it could not read? Makes
 * item->rescue then. A map that does not fit is said and not used. */
bool unread_find(struct item *item);
/* Before the destination is written to again: from now on its times say nothing. */
void unread_open(struct item *item);
/* The destination is complete and durable but for its name: keeps the map of what is missing, or removes the
 * one that there was. Failing is said by rescue_tell. */
void unread_keep(struct item *item);
/* It has got its name: where that is how it is known, when. */
void unread_named(struct item *item);
/* Going on was interrupted: what is not yet tried stays in the map. */
void unread_keep_rest(struct item *item);
/* The copy got no name: nor does a map. */
void unread_drop(struct item *item);
/* Where the map is, for people. free() it; NULL: it could not be kept. */
char *unread_path(struct item *item);

#endif
