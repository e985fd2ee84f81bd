/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* move/src_priv.h -- shared by the files of the source's side.  Thread: loop. */
#ifndef MIGRD_MOVE_SRC_PRIV_H
#define MIGRD_MOVE_SRC_PRIV_H

#include <stdbool.h>

#include "move/priv.h"

#define COMMAND_DEADLINE_MS 10000
/* The export by which we activate images (move/images.c); move/part_disks.c ignores it. */
#define MOVE_EXPORT_ID "migrd-activate"
/* Fallback poll, for a lost event or answer. */
#define TICK_MS 500

/* A step of begin: gets images that no `cont' has taken yet (move/images.c). */
void move_images_activate(struct move *move);

/* ---- all states ----------------------------------------------------------- */

/* Rolls back if the guest's QEMU has ended; true: it did, and the caller must return. */
bool move_src_roll_back_if_gone(struct move *move);
/* Asks the peer a question that may be repeated any number of times.  The question may be
 * lost, or the peer only slow: the first one waits one second for its answer, the next ones
 * longer. */
void move_src_ask(struct move *move, const char *verb, struct json_object *body,
		  move_answer_fn *fn);
/* Starts the timer of the next try: soon after a question that waited its full time, else
 * after a pause that grows with each try. */
void move_src_ask_again_later(struct move *move, const struct err *why);
/* Make WHY, what the destination says (REASON), or the end of the guest the error of the
 * move, if it ranks higher than the present one; see move/reason.c. */
void move_src_blame(struct move *move, enum move_blame blame, const struct err *why);
void move_src_blame_peer(struct move *move, const char *reason);
void move_src_blame_guest(struct move *move);

#endif
