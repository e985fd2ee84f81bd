/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* move/src.h -- what the source does in each state; see move/priv.h.  Thread: loop. */
#ifndef MIGRD_MOVE_SRC_H
#define MIGRD_MOVE_SRC_H

struct machine;
struct move;

void move_src_enter_begin(struct machine *machine);
void move_src_step_begin(struct machine *machine);
void move_src_enter_prepare(struct machine *machine);
void move_src_step_prepare(struct machine *machine);
void move_src_enter_transfer(struct machine *machine);
void move_src_step_transfer(struct machine *machine);
void move_src_enter_handover(struct machine *machine);
void move_src_step_handover(struct machine *machine);
void move_src_enter_fetch(struct machine *machine);
void move_src_step_fetch(struct machine *machine);
void move_src_enter_confirm(struct machine *machine);
void move_src_step_confirm(struct machine *machine);
void move_src_enter_rollback(struct machine *machine);
void move_src_step_rollback(struct machine *machine);
void move_src_step_stuck(struct machine *machine);

/* The options of a move that is in transfer were changed: tells QEMU. */
void move_src_apply_options(struct move *move);

#endif
