/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* move/src_priv.h -- shared by the files of the source's side.  Thread: loop. */
#ifndef MIGRD_MOVE_SRC_PRIV_H
#define MIGRD_MOVE_SRC_PRIV_H

#include <stdbool.h>

#include "converge/converge.h"
#include "move/priv.h"

#define COMMAND_DEADLINE_MS 10000
/* The export by which we activate images (move/images.c); move/part_jobs.c ignores it. */
#define MOVE_EXPORT_ID "migrd-activate"
/* Fallback poll, for a lost event or answer. */
#define TICK_MS 500

/* For max-bandwidth, bytes per second: none, and one page each time that QEMU's thread wakes. */
#define MOVE_BANDWIDTH_UNLIMITED (UINT64_C(1) << 40)
#define MOVE_BANDWIDTH_ONE_PAGE  UINT64_C(40960)

/* After the switch to post-copy: QEMU notices the end of its connection at once, and pauses. */
#define MOVE_PAUSE_MAX_MS 3000

/* A step of begin: gets images that no `cont' has taken yet (move/images.c). */
void move_images_activate(struct move *move);

/* ---- a stopped VM: src_stopped.c ------------------------------------------ */

/* In begin: starts its QEMU, then begins MOVE_PHASE_CHECK or rolls the move back. */
void move_src_launch(struct move *move);
/* That QEMU is not there yet. */
bool move_src_is_launching(const struct move *move);
/* In rollback: ends that QEMU, whose guest has never run. */
void move_src_end_stopped(struct move *move);

/* ---- all states ----------------------------------------------------------- */

/* Rolls back if the guest's QEMU has ended; true: it did, and the caller must return. */
bool move_src_roll_back_if_gone(struct move *move);
/* Rolls back if the data connection broke while nothing was on its way, so that nobody else would
 * notice; true: likewise. */
bool move_src_roll_back_if_cut(struct move *move);
/* Asks the peer a question that may be repeated any number of times.  The question may be
 * lost, or the peer only slow: the first one waits one second for its answer, the next ones
 * longer. */
void move_src_ask(struct move *move, const char *verb, struct json_object *body,
		  move_answer_fn *fn);
/* Starts the timer of the next try: soon after a question that waited its full time, else
 * after a pause that grows with each try. */
void move_src_ask_again_later(struct move *move, const struct err *why);
/* In fetch: its QEMU has ended, failed, or hangs. */
bool move_src_sends_no_more(const struct move *move);
/* Where the source goes when the destination has taken the guest: fetch, while post-copy may lack
 * something there. */
enum move_state move_src_state_of_taken(const struct move *move);
/* Asks the destination whether it has refused, in a state in which the end of its stream may not
 * be seen: ours still tries to reach it.  Rolls back if it has. */
void move_src_watch_peer(struct move *move);
/* The destination has said so. */
void move_src_is_refused(struct move *move);
/* In transfer: post-copy is to begin now: the next state stops the guest. */
bool move_src_may_switch(struct move *move);
/* In handover: the guest is still to go over before its memory. */
bool move_src_is_switch_left(const struct move *move);
/* A step of that: stops the guest, looks at what is left to send, lets QEMU switch. */
void move_src_switch(struct move *move);

/* ---- what the policy decides: src_converge.c -------------------------------- */

/* Transfer was entered, maybe by a restart. */
void move_converge_begin(struct move *move);
/* The move gets POLICY in the place of its own: what was only said decides no more, and what was
 * done beyond POLICY is taken back. */
void move_converge_change(struct move *move, const struct policy *policy);
/* QEMU has answered query-migrate. */
void move_converge_note(struct move *move);
/* In transfer: something has happened, or the tick came: decides at the deadline. */
void move_converge_step(struct move *move);
/* Adds what QEMU is told of the stop and of the CPUs to ARGS of migrate-set-parameters. */
void move_converge_add_parameters(struct move *move, struct json_object *args);
/* What would be sent if the guest were stopped now; up to how long a stop may take when a user
 * wants the end. */
struct converge_rest move_converge_rest(const struct move *move);
uint64_t move_converge_end_limit_ms(const struct move *move);
/* So long until the policy ends the transfer at its deadline, in ms; 0: it has none, only observes,
 * or has done all that it can. */
uint64_t move_converge_deadline_ms(const struct move *move);
/* How long the guest may stand still at most, before something is taken to be wrong. */
uint64_t move_converge_stop_ms(const struct move *move);

/* What move_finish() is about to do, and what it costs. */
void move_say_finish(const struct move *move, bool force, struct move_finishing *ret);

/* A user cancels, before the fact says so: it is to be recorded. */
void move_src_note_cancel(struct move *move);
/* QEMU may be told of the cancel, which is on disk, or was not in time.  False: the machine is
 * stepped when it is, or the tick does it. */
bool move_src_may_cancel_qemu(struct move *move);

/* In handover: the guest was stopped for as long as the rest takes, and QEMU has not sent it all:
 * a cancel may call the guest back, and QEMU decides which was first. */
bool move_src_may_call_back(const struct move *move);
/* In handover: breaks QEMU's connection, past a main loop that waits for it.  Once; false: QEMU has
 * no monitor for that. */
bool move_src_yank(struct move *move, const char *why);

/* There is no connection between the streams at the moment. */
bool move_src_link_is_lost(const struct move *move);
/* Make WHY, what the destination says (REASON), or the end of the guest the error of the
 * move, if it ranks higher than the present one; see move/reason.c. */
void move_src_blame(struct move *move, enum move_blame blame, const struct err *why);
void move_src_blame_peer(struct move *move, const char *reason);
void move_src_blame_guest(struct move *move);

#endif
