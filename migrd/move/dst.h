/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* move/dst.h -- what the destination does in each state; see move/priv.h.  Thread: loop. */
#ifndef MIGRD_MOVE_DST_H
#define MIGRD_MOVE_DST_H

#include <stdbool.h>

#include "wire/verdict.h"

struct machine;
struct move;

void move_dst_enter_prepare(struct machine *machine);
void move_dst_step_prepare(struct machine *machine);
void move_dst_enter_transfer(struct machine *machine);
void move_dst_step_transfer(struct machine *machine);
void move_dst_enter_handover(struct machine *machine);
void move_dst_step_handover(struct machine *machine);
void move_dst_enter_fetch(struct machine *machine);
void move_dst_step_fetch(struct machine *machine);
void move_dst_enter_rollback(struct machine *machine);
void move_dst_step_rollback(struct machine *machine);
/* Makes the guest, which is loaded here, ours; it then runs if it is to. */
void move_dst_take(struct move *move);
/* Asks QEMU whether the guest, which is ours, runs; if it is to and does not, it is let run.  Does
 * nothing if QEMU has said so already, or is being asked. */
void move_dst_ask_whether_it_runs(struct move *move);
/* The guest is here with all that it has. */
void move_dst_end(struct move *move);
/* The source has ended its part.  VERDICT TAKEN: the guest is ours, by our own answer or
 * because a person said so in our silence (RUN: it is to run here).  Else our copy is
 * dropped. */
void move_dst_note_end(struct move *move, enum verdict verdict, bool run);

/* The guest is complete here, or, in post-copy, all but its memory. */
bool move_dst_is_loaded(const struct move *move);

/* ---- post-copy: move/dst_fetch.c ---- */

/* QEMU says that the guest waits for memory; this side's stream is broken. */
bool move_dst_is_interrupted(const struct move *move);
bool move_dst_needs_stream(const struct move *move);
/* The source never comes back with what the guest lacks: the guest is lost. */
void move_dst_give_up_memory(struct move *move);

/* ---- an offer that has not become a guest: move/dst_offer.c ---- */

/* This host may refuse for good, whatever the reason: go has not come and the guest is not
 * complete here, so the source has it. */
bool move_dst_may_refuse(const struct move *move);
/* The source has not said go, and has sent nothing for offer_timeout_ms. */
bool move_dst_offer_is_over(struct move *move);
/* The source has sent nothing for half of that time. */
bool move_dst_is_idle(struct move *move);
/* Asks the stream how much has come; if the source is idle, the reason warns of the end. */
void move_dst_say_idle(struct move *move);

#endif
