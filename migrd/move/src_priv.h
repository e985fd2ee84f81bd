/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* move/src_priv.h -- shared by the files of the source's side.  Thread: loop. */
#ifndef MIGRD_MOVE_SRC_PRIV_H
#define MIGRD_MOVE_SRC_PRIV_H

#include <stdbool.h>

#include "move/priv.h"

#define COMMAND_DEADLINE_MS 10000
/* Of the export by which images are activated; nobody else's business. */
#define MOVE_EXPORT_ID "migrd-activate"
/* What QEMU and the peer do has events and answers; this is for when they fail. */
#define TICK_MS 500

/* A step of begin: gets images that no `cont' has taken yet (move/images.c). */
void move_images_activate(struct move *move);

/* ---- all states ----------------------------------------------------------- */

/* True: it is rolling back, nothing may follow. */
bool move_src_roll_back_if_asked(struct move *move);
/* The same. */
bool move_src_roll_back_if_gone(struct move *move);
/* A question to the peer that may be asked any number of times.  It may be lost,
 * or only slow: the first waits one second for its answer, the next ones longer. */
void move_src_ask(struct move *move, const char *verb, struct json_object *body,
		  move_answer_fn *fn);
/* The next try: soon after a question that had its time, else after a pause that
 * grows too. */
void move_src_ask_again_later(struct move *move, const struct err *why);
/* Of what broke a move: takes the place of the present reason if it ranks higher, see
 * move/reason.c.  PEER: REASON is what the destination says. */
void move_src_blame(struct move *move, enum move_blame blame, const struct err *why);
void move_src_blame_peer(struct move *move, const char *reason);
void move_src_blame_guest(struct move *move);

#endif
