/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The source in a rollback: the guest stays and runs on here, and the destination drops its
 * part. */
#include "base/log.h"
#include "move/priv.h"
#include "move/src.h"
#include "move/src_priv.h"
#include "vm/entry.h"
#include "vm/still.h"
#include "wire/peer_msg.h"

/* How long a silent peer is asked to drop its part.  It may never run the guest without
 * our go, and asks us for the move's fate when it is back. */
#define DROP_PATIENCE_MS 30000
/* The same for a peer that never answered, so that it hardly has a part. */
#define DROP_PATIENCE_UNHEARD_MS 3000
/* How long QEMU may refuse to run the guest because the other side still holds its disks. */
#define RESUME_PATIENCE_MS 30000

static uint64_t age_ms(const struct move *move)
{
	return machine_in_state_ms(&move->machine);
}

static void on_stopped(struct move *move, struct json_object *result, const struct err *err)
{
	(void)result;
	if (err) {
		move_set_reason(move, "the guest cannot be stopped yet: %s", err->msg);
		move->facts.query_pending = false; /* the tick looks again */
		return;
	}
	move->facts.guest_safe = true;
	machine_step(&move->machine);
}

/* After a refusal by an image's lock, the move repeats `cont' only for a while; then the VM
 * itself goes on trying, and the move lets it go.  After any other refusal `cont' is never
 * repeated (vm/still.h). */
static void note_still(struct move *move, const struct err *err)
{
	struct vm *vm = move_vm(move);
	struct err why = *err;

	if (move->facts.switch_wanted && move_parts_progress(move) >= MOVE_PART_SWITCHED)
		err_wrap(&why,
			 "QEMU cannot run again what it has sent by post-copy: stop the guest, "
			 "and start it anew from its disks");
	if (vm)
		vm_note_still(vm, &why);
}

static void on_continued(struct move *move, struct json_object *result, const struct err *err)
{
	bool is_refused = err && err->code == ERR_QEMU;

	(void)result;
	if (is_refused)
		note_still(move, err);
	if (err &&
	    (!is_refused || (vm_cont_may_be_repeated(err) && age_ms(move) < RESUME_PATIENCE_MS))) {
		move_set_reason(move, "the guest does not go on yet: %s", err->msg);
		move->facts.query_pending = false; /* the tick looks again */
		return;
	}
	if (err)
		log_error("move", "resume", "move=%s vm=%s error=%s", move->row.id,
			  move->row.vm_name, err->msg);
	move->facts.guest_safe = true;
	machine_step(&move->machine);
}

/* Looks at the disks before `cont': an earlier one, maybe before a restart, may have been
 * refused (vm/still.h). */
static void on_images(struct move *move, struct json_object *result, const struct err *err)
{
	struct err lost;

	if (err) {
		log_warning("move", "rollback", "move=%s error=%s", move->row.id, err->msg);
		move->facts.query_pending = false; /* the tick asks again */
	} else if (!vm_check_images(result, &lost)) {
		on_continued(move, NULL, &lost);
	} else {
		move_note(move, "resume", "the guest goes on on the source");
		move_qmp(move, "cont", NULL, COMMAND_DEADLINE_MS, on_continued);
	}
}

/* Only the destination may run the guest, until it has refused. */
static bool is_given_away(const struct move *move)
{
	bool is_in_doubt = move->facts.switch_wanted && move->facts.go_in_doubt;

	return (move->facts.saw_completed || is_in_doubt ||
		move_parts_progress(move) >= MOVE_PART_SWITCHED) &&
	       move->verdict != VERDICT_REFUSED;
}

/* Of several connections a thread of a QEMU before 10.0 may say that it has failed while the last
 * pass gives the images up, as a cancel may (multifd_send_terminate_threads in
 * migration/multifd.c).
 */
static bool may_lack_images(const struct move *move)
{
	bool may_fail_late = move->ram.state == QMP_MIG_FAILED && move->plan &&
			     transfer_plan_connections(move->plan) > 1;

	return qemu_may_lack_images(move_qemu(move),
				    may_fail_late ? QMP_MIG_CANCELLED : move->ram.state);
}

/* QEMU resumes the guest itself when a transfer fails; after `completed' only we may
 * resume it, and only after the destination's refusal. */
static void on_guest_state(struct move *move, struct json_object *result, const struct err *err)
{
	const struct vm *vm = move_vm(move);
	bool shall_run = vm && vm_intent(vm) == VM_INTENT_STARTED && !move->facts.guest_stopped;

	if (err) {
		log_warning("move", "rollback", "move=%s error=%s", move->row.id, err->msg);
		move->facts.query_pending = false; /* the tick asks again */
	} else if ((qmp_run_state_decode(result) == QMP_RUN_RUNNING) == shall_run &&
		   !(shall_run && may_lack_images(move))) {
		move->facts.guest_safe = true;
		machine_step(&move->machine);
	} else if (!shall_run) {
		move_qmp(move, "stop", NULL, COMMAND_DEADLINE_MS, on_stopped);
	} else if (is_given_away(move)) {
		move->facts.query_pending = false; /* the answer to drop decides */
	} else {
		move_qmp(move, "query-block", NULL, COMMAND_DEADLINE_MS, on_images);
	}
}

/* The tick asks for a state that is not known yet: to ask again at once, in the answer,
 * would be a busy loop while there is no monitor. */
/* QEMU 7.2 that has sent all and lost its connection after the switch stays postcopy-active
 * (findings/postcopy-source-7.2-stays-active-when-the-last-answer-is-lost.sh). */
static bool hangs_at_end(struct move *move)
{
	return move->ram.state == QMP_MIG_POSTCOPY_ACTIVE && move->verdict == VERDICT_REFUSED &&
	       machine_in_state_ms(&move->machine) > MOVE_PAUSE_MAX_MS;
}

/* What QEMU does with the guest is not over. */
static bool is_unsettled(struct move *move)
{
	return move->ram.state == QMP_MIG_UNKNOWN || move->ram.state == QMP_MIG_CANCELLING ||
	       move->ram.state == QMP_MIG_FAILING || move->ram.state == QMP_MIG_POSTCOPY_DEVICE ||
	       (move->ram.state == QMP_MIG_POSTCOPY_ACTIVE && !hangs_at_end(move));
}

static void make_guest_safe(struct move *move)
{
	if (move_is_gone(move)) {
		move->facts.guest_safe = true;
	} else if (move->facts.stopped) {
		move_src_end_stopped(move);
	} else if (is_unsettled(move)) {
		; /* the tick asks */
	} else if (move->ram.state == QMP_MIG_ACTIVE || move->ram.state == QMP_MIG_SETUP ||
		   move->ram.state == QMP_MIG_PRE_SWITCHOVER) {
		move_parts_cancel(move); /* a restart in the middle of a rollback */
	} else if (!move->facts.query_pending) {
		move->facts.query_pending = true;
		move_qmp(move, "query-status", NULL, COMMAND_DEADLINE_MS, on_guest_state);
	}
}

static bool go_may_be_out(const struct move *move)
{
	return move->stamps[MOVE_STAMP_GO] || move->facts.go_in_doubt;
}

static void on_dropped(struct move *move, struct json_object *result, const struct err *err)
{
	struct peer_verdict reply;
	struct err bad;
	bool is_unknown;

	if (err) {
		move_src_ask_again_later(move, err);
		return;
	}
	if (!peer_verdict_decode(result, &reply, &bad)) {
		move_src_ask_again_later(move, &bad);
		return;
	}
	is_unknown = reply.verdict == VERDICT_UNKNOWN;
	if (is_unknown && go_may_be_out(move)) {
		move_is_unheard(move, reply.reason);
		return;
	}
	/* No go was sent, so the guest cannot have been taken: as good as a refusal. */
	if (is_unknown)
		reply.verdict = VERDICT_REFUSED;
	move->facts.answered = true;
	move->verdict = (enum verdict)reply.verdict;
	if (!is_unknown)
		move_src_blame_peer(move, reply.reason);
	machine_step(&move->machine);
}

static void send_drop(struct move *move)
{
	if (move->facts.asked || move->facts.answered || loop_timer_is_active(move->retry))
		return;
	move_src_ask(move, "drop", move_claim_json(move, false), on_dropped);
}

void move_src_enter_rollback(struct machine *machine)
{
	struct move *move = move_of(machine);

	loop_timer_start(move->tick, TICK_MS);
	move->facts.guest_safe = false;
	if (move->verdict == VERDICT_REFUSED)
		move->facts.answered = true;
	if (move->stream)
		stream_kill(move->stream);
	move_parts_tidy(move);
	if (move->ram.state == QMP_MIG_UNKNOWN)
		move_query(move);
}

/* The destination will ask us when it is back.  But if our go may have reached it, it may
 * have taken the guest, which then must not be started here again. */
static bool may_end_without_answer(struct move *move)
{
	uint64_t patience_ms = move->token[0] ? DROP_PATIENCE_MS : DROP_PATIENCE_UNHEARD_MS;

	if (move->facts.go_in_doubt || age_ms(move) < patience_ms)
		return false;
	move_note(move, "drop-unanswered", "host '%s' will ask us when it is back", move->row.peer);
	return true;
}

/* The destination has the guest.  If its QEMU here has ended, all is well; so it is after a
 * switch to post-copy, since this QEMU was not resumed.  If it is still here otherwise, both
 * hosts have the guest, which is a conflict. */
static void taken_after_all(struct move *move)
{
	if (move_is_gone(move) || move->facts.switch_wanted) {
		machine_go_to(&move->machine,
			      &(struct machine_change){ .to = move_src_state_of_taken(move) });
		return;
	}
	err_set(&move->error, ERR_CONFLICT,
		"host '%s' has taken the guest, and it is here too: stop one of them, then resolve",
		move->row.peer);
	machine_go_to(&move->machine,
		      &(struct machine_change){ .to = MOVE_STATE_STUCK, .why = move->error.msg });
}

/* A guest that may be the other host's is neither resumed nor stopped here by a user; our own
 * resume obeys the same rule.  Where the owner is certain, no user waits for a silent host. */
static void set_sync_jobs(struct move *move)
{
	bool is_unknown = move->ram.state == QMP_MIG_UNKNOWN;
	bool is_ours = move->verdict == VERDICT_REFUSED;

	move->job.allowed = move_sync_jobs(move, MOVE_STATE_ROLLBACK);
	if (is_given_away(move) || is_unknown)
		move->job.allowed &= ~(1u << VM_SYNC_RESUME);
	if (is_given_away(move) || (is_unknown && !is_ours))
		move->job.allowed &= ~(1u << VM_SYNC_STOP);
}

void move_src_step_rollback(struct machine *machine)
{
	struct move *move = move_of(machine);
	bool cancelled = move->error.code == ERR_CANCELLED;

	set_sync_jobs(move);
	move_src_blame_guest(move);
	if (!move->facts.guest_safe)
		make_guest_safe(move);
	send_drop(move);
	move_parts_step(move);
	if (move->verdict == VERDICT_TAKEN) {
		taken_after_all(move);
	} else if (move->facts.guest_safe && !move_parts_are_over(move, MOVE_PHASE_UNDO)) {
		move_parts_begin(move, MOVE_PHASE_UNDO);
	} else if (move->facts.guest_safe &&
		   (move->facts.answered || move->verdict == VERDICT_REFUSED ||
		    may_end_without_answer(move))) {
		machine_go_to(&move->machine,
			      &(struct machine_change){ .to = cancelled ? MOVE_STATE_CANCELLED
									: MOVE_STATE_FAILED,
							.why = move->error.msg });
	} else if (!loop_timer_is_active(move->tick)) {
		loop_timer_start(move->tick, TICK_MS);
	}
}
