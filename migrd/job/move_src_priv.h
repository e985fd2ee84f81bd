/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* job/move_src_priv.h -- shared by the files of the source's side.  Thread: loop. */
#ifndef MIGRD_JOB_MOVE_SRC_PRIV_H
#define MIGRD_JOB_MOVE_SRC_PRIV_H

#include <stdbool.h>

#include "job/move_priv.h"

#define COMMAND_DEADLINE_MS 10000
/* What QEMU and the peer do has events and answers; this is for when they fail. */
#define TICK_MS 500

/* True: it is rolling back, nothing may follow. */
bool move_src_roll_back_if_gone(struct move *move);
/* A question to the peer that may be asked any number of times.  It may be lost,
 * or only slow: the first waits one second for its answer, the next ones longer. */
void move_src_ask(struct move *move, const char *verb, struct json_object *body,
		  move_answer_fn *fn);
/* The next try: soon after a question that had its time, else after a pause that
 * grows too. */
void move_src_ask_again_later(struct move *move, const struct err *why);
/* QEMU decides the race between a cancel and its own end. */
void move_src_send_cancel(struct move *move);
/* QEMU says failed or cancelled: rolls back, with the likeliest reason. */
void move_src_qemu_failed(struct move *move);

#endif
