/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* move/facts.h -- what a move knows: one line for each fact.
 *
 * What happens is noted here, and the present state looks at all facts.  A line makes the
 * member of struct move_facts.  A durable fact is written into the record and read again
 * after a restart under its own name, so that name is never changed or used for something
 * else.  A fact of one side is never set on the other (tests/lib/move_rig.c checks that at
 * the end of each test).
 */
#ifndef MIGRD_MOVE_FACTS_H
#define MIGRD_MOVE_FACTS_H

#include <stdbool.h>
#include <stdint.h>

/* FACT(type, name, side) */
#define MOVE_DURABLE_FACTS(FACT)                                                               \
	/* the VM is stopped, and stays so: its QEMUs are there for the move alone */          \
	FACT(bool, stopped, BOTH)                                                              \
	/* the guest is to run where it ends up */                                             \
	FACT(bool, run, BOTH)                                                                  \
	/* a user or a party has cancelled it */                                               \
	FACT(bool, cancel_requested, BOTH)                                                     \
	/* a person or a fencing agent decided in our place */                                 \
	FACT(bool, resolved, BOTH)                                                             \
	/* the guest stopped by itself (I/O error, panic): it stays as it is */                \
	FACT(bool, guest_stopped, SRC)                                                         \
	/* post-copy: the guest goes over before its memory, and cannot come back */           \
	FACT(bool, switch_wanted, SRC)                                                         \
	/* post-copy: the source has ended with memory that the guest lacks */                 \
	FACT(bool, memory_lost, BOTH)                                                          \
	/* post-copy: so said its go: it cannot have the guest back */                         \
	FACT(bool, source_has_switched, DST)                                                   \
	/* memory has not begun, since disks are copied or the move is held first */           \
	FACT(bool, memory_waits, SRC)                                                          \
	/* before memory the move is held since then (wall clock); 0: not yet */               \
	FACT(uint64_t, held_since_ms, SRC)                                                     \
	/* the hold is over, or will not begin */                                              \
	FACT(bool, hold_released, SRC)                                                         \
	/* before memory it waits for parties since then (wall clock); 0: not yet */           \
	FACT(uint64_t, notice_since_ms, SRC)                                                   \
	/* it waits for parties no more */                                                     \
	FACT(bool, notices_over, SRC)                                                          \
	/* so long it was held or waited for parties, for the policy's deadline */             \
	FACT(uint64_t, hold_took_ms, SRC)                                                      \
	/* the VM was to be started since a boot, and the destination does not do that */      \
	FACT(bool, start_is_lost, SRC)                                                         \
	/* so long the source may hold the move */                                             \
	FACT(uint64_t, hold_s, DST)                                                            \
	/* the policy has raised the limit of the guest's stop to so much; 0: it has not */    \
	FACT(uint64_t, downtime_raised_ms, SRC)                                                \
	/* of bitmaps that are sent, as QEMU counts them (transfer_bitmaps_ms()) */            \
	FACT(uint64_t, bitmap_bytes, SRC)                                                      \
	/* the policy slows the guest's CPUs down by so much */                                \
	FACT(uint64_t, throttle_percent, SRC)                                                  \
	/* the policy has QEMU stop the guest as soon as it can */                             \
	FACT(bool, forced, SRC)                                                                \
	/* a user wants the end as soon as the rest fits into what the policy allows */        \
	FACT(bool, finish_wanted, SRC)                                                         \
	/* or now, for as long as the rest takes */                                            \
	FACT(bool, finish_forced, SRC)                                                         \
	/* forced: the rest may take so long */                                                \
	FACT(uint64_t, rest_ms, SRC)                                                           \
	/* the policy only says what it would have decided; it has said so often */            \
	FACT(uint64_t, observed, SRC)                                                          \
	/* the least that the host's budget has let it send, in bytes a second; 0: none was */ \
	FACT(uint64_t, budget_least, SRC)                                                      \
	/* of the mirror of the firmware's variables when memory began; 0: it has not */       \
	FACT(uint64_t, vars_copied, SRC)                                                       \
	/* its QEMU has sent all, or has switched; it never runs the guest by itself again */  \
	FACT(bool, saw_completed, SRC)                                                         \
	/* it has sent all */                                                                  \
	FACT(bool, all_sent, SRC)                                                              \
	/* a restart cannot know whether go was sent */                                        \
	FACT(bool, go_in_doubt, SRC)                                                           \
	/* reserved here for the guest until the verdict */                                    \
	FACT(uint64_t, memory_mib, DST)                                                        \
	/* the record may be old and the guest may have run: a rollback is no refusal */       \
	FACT(bool, may_have_run, DST)

#define MOVE_OTHER_FACTS(FACT)                                                                    \
	/* ---- of the present state: unset when a state is entered ---- */                       \
	/* the question of this state was sent */                                                 \
	FACT(bool, asked, BOTH)                                                                   \
	/* its answer has come */                                                                 \
	FACT(bool, answered, BOTH)                                                                \
	/* cont was sent, or QEMU was asked whether the guest runs */                             \
	FACT(bool, run_asked, DST)                                                                \
	/* a question to QEMU is under way */                                                     \
	FACT(bool, query_pending, BOTH)                                                           \
	/* ---- the stream ---- */                                                                \
	FACT(bool, stream_started, BOTH)                                                          \
	FACT(bool, stream_ready, BOTH)                                                            \
	FACT(bool, stream_gone, BOTH)                                                             \
	/* ---- QEMU and the guest ---- */                                                        \
	/* begin: block jobs have to end first */                                                 \
	FACT(bool, waits_for_jobs, SRC)                                                           \
	/* begin: the destination has not said yet what it offers */                              \
	FACT(bool, plan_waits, SRC)                                                               \
	/* this move started QEMU's NBD server */                                                 \
	FACT(bool, nbd_is_ours, SRC)                                                              \
	/* fetch: it has sent all, and its connection broke: 7.2 neither fails nor pauses then */ \
	FACT(bool, hangs_at_end, SRC)                                                             \
	/* post-copy is about to begin, and QEMU has no limit of bandwidth any more */            \
	FACT(bool, limit_lifted, SRC)                                                             \
	/* the same, and QEMU sends one page each time that it wakes (src_switch.c) */            \
	FACT(uint64_t, limit_lowered_ms, SRC)                                                     \
	/* handover: the guest is being stopped for post-copy */                                  \
	FACT(bool, stop_sent, SRC)                                                                \
	/* QEMU was told to let it go over, or to send the little that was left */                \
	FACT(bool, switch_sent, SRC)                                                              \
	FACT(bool, cancel_sent, SRC)                                                              \
	FACT(bool, yank_sent, SRC)                                                                \
	FACT(bool, saw_stop, SRC)                                                                 \
	/* somebody may have resumed the guest at the last moment */                              \
	FACT(bool, guest_in_doubt, SRC)                                                           \
	/* rollback: the guest is as it was before */                                             \
	FACT(bool, guest_safe, SRC)                                                               \
	/* its QEMU was started */                                                                \
	FACT(bool, launch_asked, DST)                                                             \
	/* the monitor of its QEMU answered */                                                    \
	FACT(bool, qemu_launched, BOTH)                                                           \
	/* the QEMU of a stopped VM was told to end */                                            \
	FACT(bool, quit_sent, SRC)                                                                \
	/* the guest is ours, and QEMU has answered cont, or it was not wanted */                 \
	FACT(bool, is_running, DST)                                                               \
	/* ---- users and the other host ---- */                                                  \
	/* cancel_requested is not on disk yet, since then; being written (move/cancel.c) */      \
	FACT(bool, cancel_unrecorded, SRC)                                                        \
	FACT(bool, cancel_recording, SRC)                                                         \
	FACT(uint64_t, cancel_asked_ms, SRC)                                                      \
	/* the other host has no record, see move_is_unheard() */                                 \
	FACT(bool, is_unheard, BOTH)                                                              \
	/* see move/lease.c */                                                                    \
	FACT(bool, lease_asked, SRC)                                                              \
	FACT(bool, lease_held, SRC)                                                               \
	FACT(bool, go_requested, DST)                                                             \
	FACT(bool, drop_requested, DST)                                                           \
	/* the source's part is over, see source_verdict */                                       \
	FACT(bool, source_has_ended, DST)

#define MOVE_FACT_MEMBER(type, name, side) type name;
struct move_facts {
	MOVE_DURABLE_FACTS(MOVE_FACT_MEMBER)
	MOVE_OTHER_FACTS(MOVE_FACT_MEMBER)
};
#undef MOVE_FACT_MEMBER

#endif
