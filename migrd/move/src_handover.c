/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The source while the guest stands still, and when all of it was taken. */
#include "move/priv.h"
#include "move/src.h"
#include "move/src_priv.h"
#include "vm/entry.h"
#include "wire/peer_msg.h"

/* How often we look at a guest that a user's action may still resume at the last moment. */
#define BUSY_TICK_MS 20
/* How often a host without a record of the move is asked: only a person can bring it back. */
#define UNHEARD_RETRY_MS 5000
/* A QEMU that has not said for so long how far it is hears nothing. */
#define DEAF_MS 2000

/* ---- handover ---------------------------------------------------------- */

void move_src_enter_handover(struct machine *machine)
{
	struct move *move = move_of(machine);
	const struct vm *vm = move_vm(move);

	if (move->stream)
		stream_set_link_timeout(move->stream, move->moves->env.handover_link_timeout_ms);
	if (move->stream && move->facts.switch_wanted)
		stream_keep(move->stream);
	move_lease_end(move);
	peer_warm(move->moves->env.peers, move->row.peer);
	move->facts.run = (!vm || vm_intent(vm) == VM_INTENT_STARTED) &&
			  !move->facts.guest_stopped && !move->facts.stopped;
	if (move->machine.is_resumed)
		move->facts.guest_in_doubt = true; /* the guest's events were lost */
	loop_timer_start(move->tick, TICK_MS);
	if (move->machine.is_resumed)
		move_query(move);
	else if (move_src_is_switch_left(move))
		move_src_switch(move);
}

/* QEMU completed just when its connection was cut as a cancel, and the end has not arrived. */
static void note_refusal(struct move *move, const char *why)
{
	if (move->facts.cancel_requested && move->ram.cut_at_ms)
		err_set(&move->error, ERR_CANCELLED, "cancelled on request");
	else
		err_set(&move->error, ERR_REFUSED, "host '%s' refused the guest: %s",
			move->row.peer, why);
}

static void on_go_answered(struct move *move, struct json_object *result, const struct err *err)
{
	struct peer_verdict reply;
	struct err bad;

	if (err) {
		move_note(move, "go-unanswered", "%s", err->msg);
		move_src_ask_again_later(move, err);
		return;
	}
	if (!peer_verdict_decode(result, &reply, &bad)) {
		move_src_ask_again_later(move, &bad);
		return;
	}
	if (reply.verdict == VERDICT_UNKNOWN) {
		loop_timer_start(move->retry, UNHEARD_RETRY_MS);
		move_is_unheard(move, reply.reason);
		return;
	}
	move_stamp(move, MOVE_STAMP_TAKEN);
	move_measure_resumed_there(move, reply.resumed_us);
	move->peer_times = json_object_get(json_get_obj(result, "times"));
	move->verdict = (enum verdict)reply.verdict;
	if (move->verdict == VERDICT_REFUSED && !err_is_set(&move->error))
		note_refusal(move, reply.reason);
	machine_step(&move->machine);
}

static void send_go(struct move *move)
{
	if (move->facts.asked || loop_timer_is_active(move->retry))
		return;
	move_stamp(move, MOVE_STAMP_GO);
	move_src_ask(move, "go", move_claim_json(move, move->facts.run), on_go_answered);
}

static void note_completed(struct move *move)
{
	if (move->facts.saw_completed)
		return;
	move->facts.saw_completed = true;
	move_share_way(move);
	move->facts.all_sent = move_parts_progress(move) == MOVE_PART_DONE;
	move_stamp(move, MOVE_STAMP_COMPLETED);
	send_go(move);
	machine_save(&move->machine); /* in parallel to go, not before it */
}

static void on_guest_seen(struct move *move, struct json_object *result, const struct err *err)
{
	move->facts.query_pending = false;
	if (err)
		return; /* the tick looks again */
	if (qmp_run_state_decode(result) == QMP_RUN_RUNNING) {
		move_give_up(move, ERR_BUSY,
			     "the guest was resumed on the source as the transfer ended");
		return;
	}
	move->facts.guest_in_doubt = false;
	machine_step(&move->machine);
}

/* A resume that QEMU got just before it completed may run the guest here: then
 * the destination's copy is stale. */
static bool guest_stands(struct move *move)
{
	const struct vm *vm = move_vm(move);

	if (move->facts.switch_wanted && move->ram.state == QMP_MIG_UNKNOWN &&
	    !move_is_gone(move)) {
		loop_timer_start(move->tick, BUSY_TICK_MS); /* go says whether QEMU has switched */
		return false;
	}
	if (move->facts.saw_completed)
		return true;
	if (vm && vm_is_busy(vm))
		move->facts.guest_in_doubt = true;
	if (!move->facts.guest_in_doubt)
		return true;
	loop_timer_start(move->tick, BUSY_TICK_MS);
	if (move_is_gone(move)) {
		move->facts.go_in_doubt = move->facts.go_in_doubt || move->machine.is_resumed;
		move_src_roll_back_if_gone(move);
	} else if (!vm_is_busy(vm) && !move->facts.query_pending) {
		move->facts.query_pending = true;
		move_qmp(move, "query-status", NULL, COMMAND_DEADLINE_MS, on_guest_seen);
	}
	return false;
}

/* In its last pass QEMU holds its main lock, and for long if the link is dead or much is left: only
 * an out-of-band command gets through (qapi/yank.json). */
bool move_src_yank(struct move *move, const char *why)
{
	struct vm *vm = move_vm(move);
	struct json_object *args, *list, *instance;

	if (move->facts.yank_sent)
		return true;
	if (!vm || !vm_job_has_oob(vm, &move->job))
		return false;
	move->facts.yank_sent = true;
	args = json_object_new_object();
	list = json_object_new_array();
	instance = json_object_new_object();
	json_add_str(instance, "type", "migration");
	json_object_array_add(list, instance);
	json_object_object_add(args, "instances", list);
	move_note(move, "yank", "%s", why);
	vm_job_command_oob(vm, &move->job, "yank", args, COMMAND_DEADLINE_MS, NULL, NULL);
	return true;
}

static void yank_if_late(struct move *move)
{
	uint64_t waited_ms = machine_in_state_ms(&move->machine);
	char why[80];

	if (waited_ms < move_converge_stop_ms(move) + move->moves->env.handover_link_timeout_ms)
		return;
	snprintf(why, sizeof(why), "QEMU did not finish in %llu ms", (unsigned long long)waited_ms);
	move_src_yank(move, why);
}

/* QEMU in its last pass hears nothing but a yank, and lets the guest run on if it has not sent all;
 * after a restart of this coordinator not even that, but it notices the end of its stream. */
static void call_back(struct move *move)
{
	bool is_deaf =
		move->ram.state == QMP_MIG_UNKNOWN && machine_in_state_ms(&move->machine) > DEAF_MS;

	if (move->ram.state != QMP_MIG_UNKNOWN)
		move_parts_cancel(move);
	if ((move->facts.saw_stop || is_deaf) &&
	    !move_src_yank(move, "a user calls the guest back") && move->stream)
		stream_kill(move->stream);
}

/* QEMU does not notice that a link is lost which the streams make again. */
static void look_again_later(struct move *move)
{
	if (loop_timer_is_active(move->tick))
		return;
	if (move->plan && move->plan->channels[0].may_reconnect && move_src_link_is_lost(move))
		move_src_watch_peer(move);
	loop_timer_start(move->tick, TICK_MS);
}

/* The guest stands still without an answer for longer than stuck_after_ms: a person should
 * know. */
static bool is_silent(const struct move *move)
{
	return move->machine.state == MOVE_STATE_HANDOVER && move->retry_ms &&
	       machine_in_state_ms(&move->machine) > move->moves->env.stuck_after_ms;
}

static bool has_sent_all(const struct move *move)
{
	return move->facts.all_sent || move_parts_progress(move) == MOVE_PART_DONE;
}

enum move_state move_src_state_of_taken(const struct move *move)
{
	return move->facts.switch_wanted && !has_sent_all(move) ? MOVE_STATE_FETCH : MOVE_STATE_CONFIRM;
}

/* The destination may lack memory that nobody has any more. */
static bool has_nothing_to_send(const struct move *move)
{
	return move_parts_progress(move) == MOVE_PART_BROKEN ||
	       (move_is_gone(move) && !has_sent_all(move));
}

void move_src_step_handover(struct machine *machine)
{
	struct move *move = move_of(machine);
	enum move_part_progress progress = move_parts_progress(move);

	if (move->verdict == VERDICT_TAKEN) {
		machine_go_to(&move->machine,
			      &(struct machine_change){ .to = move_src_state_of_taken(move) });
	} else if (move->verdict == VERDICT_REFUSED) {
		move_roll_back(move, &move->error);
	} else if (move->facts.switch_wanted && has_nothing_to_send(move)) {
		/* Nobody has what is missing there but this QEMU: drop tells what is there.
		 * Before a restart, go may have been sent without a record of it. */
		move->facts.go_in_doubt = move->facts.go_in_doubt || move->machine.is_resumed ||
					  move->stamps[MOVE_STAMP_GO];
		if (!move_src_roll_back_if_gone(move))
			move_parts_give_up(move);
	} else if (progress >= MOVE_PART_SWITCHED || move->facts.saw_completed) {
		if (!guest_stands(move))
			return;
		note_completed(move);
		if (is_silent(move))
			move_become_stuck(move);
		else
			send_go(move);
	} else if (progress == MOVE_PART_BROKEN) {
		move_parts_give_up(move);
	} else if (move_is_gone(move)) {
		/* Before a restart, go may have been sent without a record of it on disk. */
		move->facts.go_in_doubt = move->facts.go_in_doubt || move->machine.is_resumed;
		move_src_roll_back_if_gone(move);
	} else if (move_is_calling_back(move)) {
		if (move_src_may_cancel_qemu(move))
			call_back(move);
		look_again_later(move);
	} else if (move_src_is_switch_left(move)) {
		move_src_switch(move);
	} else if (move->ram.state == QMP_MIG_PRE_SWITCHOVER) {
		move_parts_settle(move);
		if (!move->machine.is_saving)
			look_again_later(move);
	} else {
		yank_if_late(move);
		look_again_later(move);
	}
}

/* Both hosts claim the guest.  Only a wrong decision of an operator can cause that, and only
 * an operator may end it. */
static bool is_conflict(const struct move *move)
{
	return move->error.code == ERR_CONFLICT && !move->facts.resolved;
}

static void on_fate(struct move *move, struct json_object *result, const struct err *err)
{
	struct peer_fate fate;
	struct err bad;

	if (err || !peer_fate_decode(result, &fate, &bad)) {
		move_src_ask_again_later(move, err ? err : &bad);
	} else if (fate.verdict == VERDICT_UNKNOWN) {
		loop_timer_start(move->retry, UNHEARD_RETRY_MS);
		move_is_unheard(move, fate.reason);
	} else if (fate.verdict == VERDICT_NONE) {
		move_roll_back(move, &move->error); /* the destination waits: drop decides */
	} else {
		move->verdict = (enum verdict)fate.verdict;
		machine_step(&move->machine);
	}
}

/* The guest's QEMU died here, and it is not known whether go was sent.  So neither go nor
 * drop may be sent, and the destination is asked what it has. */
static bool is_in_doubt(const struct move *move)
{
	bool may_say_go = move->facts.switch_wanted
				  ? !has_nothing_to_send(move)
				  : move->facts.saw_completed || !move_is_gone(move);

	return move->facts.go_in_doubt && move->verdict == VERDICT_NONE && !may_say_go;
}

void move_src_step_stuck(struct machine *machine)
{
	struct move *move = move_of(machine);

	if (is_conflict(move))
		return;
	if (!is_in_doubt(move))
		move_src_step_handover(machine);
	else if (!move->facts.asked && !loop_timer_is_active(move->retry))
		move_src_ask(move, NULL, NULL, on_fate);
}

/* ---- confirm: the guest is there, our QEMU may end ---------------------- */

/* Reads QEMU's own figures of the migration before QEMU ends. */
void move_src_enter_confirm(struct machine *machine)
{
	struct move *move = move_of(machine);

	move_end_stream(move);
	move_measure_pace(move, MOVE_PACE_STOP);
	move_query(move);
}

void move_src_step_confirm(struct machine *machine)
{
	struct move *move = move_of(machine);

	if (move_parts_are_over(move, MOVE_PHASE_END)) {
		machine_go_to(&move->machine,
			      &(struct machine_change){
				      .to = move->facts.memory_lost ? MOVE_STATE_LOST
								    : MOVE_STATE_DONE,
				      .with = { store_delete_vm(move->row.vm_uuid) } });
	} else if (move_is_gone(move)) {
		move_parts_begin(move, MOVE_PHASE_END);
	} else if (!move->facts.query_pending && !move->facts.asked) {
		move->facts.asked = true;
		qemu_quit(move_qemu(move));
	}
}
