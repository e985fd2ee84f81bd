/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The source's side of a move while the guest runs: begin, prepare, transfer. */
#include "move/src.h"

#include <string.h>

#include "base/fault.h"
#include "base/log.h"
#include "base/mem.h"
#include "move/priv.h"
#include "move/src_priv.h"
#include "qmp/run_state.h"
#include "vm/boot.h"
#include "wire/peer_msg.h"

#define RETRY_FIRST_MS 50
#define RETRY_MAX_MS   1000
/* How long a question waits for its answer.  A lost one can keep the guest waiting that long,
 * while a round trip and two records take milliseconds.  A slow host gets longer each time. */
#define PATIENCE_FIRST_MS 1000
#define PATIENCE_MAX_MS   5000

/* True: it is rolling back, nothing may follow. */
static bool roll_back_if_asked(struct move *move)
{
	if (!move->facts.cancel_requested)
		return false;
	move_give_up(move, ERR_CANCELLED, "cancelled on request");
	return true;
}

/* Puts the reason of the guest's end before ERR: the end may have caused ERR. */
static void explain_by_guest(const struct move *move, struct err *err)
{
	const struct vm *vm = move_vm(move);
	const char *why = vm ? vm_end_reason(vm) : NULL;
	struct err plain = *err;

	if (why)
		err_set(err, plain.code, "%s: %s", why, plain.msg);
}

bool move_src_roll_back_if_gone(struct move *move)
{
	struct err err;

	if (!move_is_gone(move))
		return false;
	err_set(&err, ERR_QEMU, "the guest's QEMU ended on the source");
	explain_by_guest(move, &err);
	move_roll_back(move, &err);
	return true;
}

void move_src_ask(struct move *move, const char *verb, struct json_object *body, move_answer_fn *fn)
{
	move->patience_ms = move->patience_ms ? move->patience_ms * 2 : PATIENCE_FIRST_MS;
	if (move->patience_ms > PATIENCE_MAX_MS)
		move->patience_ms = PATIENCE_MAX_MS;
	move->facts.asked = true;
	move_ask_peer(move, verb, body, move->patience_ms, fn);
}

void move_src_ask_again_later(struct move *move, const struct err *why)
{
	bool has_waited = why->code == ERR_TIMEOUT;

	move->retry_ms = move->retry_ms && !has_waited ? move->retry_ms * 2 : RETRY_FIRST_MS;
	if (move->retry_ms > RETRY_MAX_MS)
		move->retry_ms = RETRY_MAX_MS;
	loop_timer_start(move->retry, move->retry_ms);
	move_is_waiting(move, why);
}

/* ---- begin: nothing has happened, and the other host knows nothing ---- */

void move_src_enter_begin(struct machine *machine)
{
	struct move *move = move_of(machine);

	peer_warm(move->moves->env.peers, move->row.peer);
	if (move->facts.stopped)
		move_src_launch(move);
	else
		move_parts_begin(move, MOVE_PHASE_CHECK);
}

void move_src_step_begin(struct machine *machine)
{
	struct move *move = move_of(machine);

	if (roll_back_if_asked(move) || move_src_is_launching(move) ||
	    move_src_roll_back_if_gone(move))
		return;
	if (move_parts_are_over(move, MOVE_PHASE_CHECK) && !move->begin.plan_deadline_ms)
		move_plan_make(move);
	else if (move_parts_are_over(move, MOVE_PHASE_PREPARE))
		machine_go_to(&move->machine, &(struct machine_change){ .to = MOVE_STATE_PREPARE });
	else
		move_parts_step(move);
	move_plan_step(move);
}

/* ---- prepare: the destination gets ready ------------------------------ */

/* Writes each reason that the destination gives, in full. */
static void note_reasons(struct move *move, struct json_object *problem)
{
	struct json_object *reasons = problem ? json_object_object_get(problem, "reasons") : NULL;
	size_t count = json_count(reasons);

	for (size_t i = 0; i < count && i < PREFLIGHT_ROWS_MAX; i++) {
		struct json_object *reason = json_object_array_get_idx(reasons, i);
		const char *check = json_get_str(reason, "check");
		const char *detail = json_get_str(reason, "detail");

		move_note(move, "refused", "%s: %s", check ? check : "?", detail ? detail : "?");
	}
}

/* An older destination ignores the evidence, and takes any file for the same. */
static bool was_compared(const struct move *move, const struct peer_prepare_reply *reply,
			 struct err *err)
{
	if (reply->compared || !move->evidence || !move->evidence->file_count ||
	    move->options.assert_same_disks)
		return true;
	return err_set(err, ERR_CONFLICT,
		       "host '%s' has an older migrd, which does not compare the guest's images "
		       "with its own: upgrade it, or, if you know that they are the same, ask with "
		       "assert_same_disks",
		       move->row.peer);
}

/* So long it may wait before memory is sent. */
static uint64_t hold_s(const struct move *move)
{
	return (move->options.has_hold ? move->options.hold.timeout_s : 0) +
	       move_notices_hold_s(move->notices);
}

/* True if the offer or its answer was lost, if QEMU starts slowly there, or if a former move
 * of the guest is still being cleared up there. */
static bool is_to_be_repeated(struct json_object *result, const struct err *err)
{
	return err && ((err->code == ERR_TIMEOUT && !result) || err->code == ERR_BUSY);
}

/* A destination of an older migrd calls a hold that is too long for it `limit', which says that it
 * has no room now and may be asked again.  Its words name the key of its configuration. */
static enum err_code code_of_refusal(const struct move *move, const struct err *err)
{
	if (err->code == ERR_LIMIT && hold_s(move) && strstr(err->msg, "hold_max_s"))
		return ERR_CONFLICT;
	return err->code == ERR_CANCELLED ? ERR_PEER : err->code; /* cancelled there */
}

static void note_start(struct move *move, bool is_started_there)
{
	const struct vm *vm = move_vm(move);
	char words[ERR_MSG_SIZE];

	move->facts.start_is_lost =
		!is_started_there && move->facts.stopped && vm && vm_is_autostart_due(vm);
	if (!move->facts.start_is_lost)
		return;
	move_say_lost_start(move, words);
	move_note(move, "start-lost", "%s", words);
}

static void on_offer_answered(struct move *move, struct json_object *result, const struct err *err)
{
	struct peer_prepare_reply reply;
	struct err bad;

	if (is_to_be_repeated(result, err)) {
		move_src_ask_again_later(move, err);
		return;
	}
	move_parts_tidy(move);
	if (err) {
		note_reasons(move, result);
		err_set(&bad, code_of_refusal(move, err), "host '%s' cannot take the guest: %s",
			move->row.peer, move_peer_words(move, err));
		move_roll_back(move, &bad);
		return;
	}
	if (!peer_prepare_reply_decode(result, &reply, &bad)) {
		err_wrap(&bad, "host '%s' gave an answer that cannot be understood",
			 move->row.peer);
		move_roll_back(move, &bad);
		return;
	}
	if (!was_compared(move, &reply, &bad)) {
		move_roll_back(move, &bad);
		return;
	}
	note_start(move, reply.autostart_due);
	snprintf(move->data_address, sizeof(move->data_address), "%s", reply.data_address);
	snprintf(move->token, sizeof(move->token), "%s", reply.token);
	move->reason[0] = '\0';
	if (!move_start_stream(move, &bad))
		move_roll_back(move, &bad);
	else
		loop_timer_start(move->tick, TICK_MS);
}

/* Its own reason comes with the answer to drop.  It may be a consequence of what QEMU and the stream
 * here did while no coordinator was there, so these are heard first; the other host is asked again. */
void move_src_is_refused(struct move *move)
{
	struct err err;

	if (move_ram_is_unheard(move))
		return;
	if (roll_back_if_asked(move)) /* it may have noticed the cancel first */
		return;
	if (move_ram_was_let_go(move, &err)) {
		move_src_blame(move, MOVE_BLAME_NONE, &err);
	} else {
		err_set(&err, ERR_PEER, "host '%s' refused the guest", move->row.peer);
		move_src_blame(move, MOVE_BLAME_SILENT, &err);
	}
	move_roll_back(move, &err);
}

static void on_watched(struct move *move, struct json_object *result, const struct err *err)
{
	struct peer_fate fate;
	struct err bad;

	move->facts.lease_asked = false;
	if (!err && peer_fate_decode(result, &fate, &bad) && fate.verdict == VERDICT_REFUSED)
		move_src_is_refused(move);
}

void move_src_watch_peer(struct move *move)
{
	if (move->facts.lease_asked)
		return;
	move->facts.lease_asked = true;
	move_ask_peer(move, NULL, NULL, COMMAND_DEADLINE_MS, on_watched);
}

static struct json_object *offer(const struct move *move)
{
	const struct vm *vm = move_vm(move);
	struct peer_prepare prepare = {
		.generation = move->row.generation,
		.run = vm_intent(vm) == VM_INTENT_STARTED,
		.stopped = move->facts.stopped,
		.autostart_due = move->facts.stopped && vm_is_autostart_due(vm),
		.hold_s = hold_s(move),
		.definition = json_read_back(vm_definition(vm)),
		.options = move->options,
		.plan = json_encode(transfer_plan_fields, move->plan),
		.evidence = move->evidence ? json_encode(evidence_fields, move->evidence) : NULL,
	};
	struct json_object *obj;

	snprintf(prepare.move_id, sizeof(prepare.move_id), "%s", move->row.id);
	snprintf(prepare.source, sizeof(prepare.source), "%s", move->moves->env.host_id);
	prepare.options.has_bandwidth = prepare.options.has_downtime_limit = true;
	peer_prepare_split(&prepare);
	obj = json_encode(peer_prepare_fields, &prepare);
	peer_prepare_fini(&prepare);
	return obj;
}

void move_src_enter_prepare(struct machine *machine)
{
	struct move *move = move_of(machine);

	loop_timer_start(move->tick, move->moves->env.prepare_timeout_ms);
	move_frames_begin(move);
}

void move_src_step_prepare(struct machine *machine)
{
	struct move *move = move_of(machine);
	uint64_t waited_ms = machine_in_state_ms(&move->machine);

	if (roll_back_if_asked(move) || move_src_roll_back_if_gone(move))
		return;
	if (move->facts.stream_ready) {
		move_stamp(move, MOVE_STAMP_PREPARED);
		move->facts.memory_waits = transfer_plan_has_disks(move->plan) ||
					   move->options.has_hold || move_has_notices(move);
		machine_go_to(&move->machine,
			      &(struct machine_change){ .to = MOVE_STATE_TRANSFER });
	} else if (move_stream_fault(move)) {
		struct err err;

		err_set(&err, ERR_PEER, "no data connection to host '%s' at %s: %s", move->row.peer,
			move->data_address, move_stream_fault(move));
		move_roll_back(move, &err);
	} else if (waited_ms >= move->moves->env.prepare_timeout_ms) {
		move_give_up(move, ERR_TIMEOUT, "the destination was not ready in time");
	} else if (!move->facts.asked && !loop_timer_is_active(move->retry)) {
		move_src_ask(move, "prepare", offer(move), on_offer_answered);
	} else if (move->stream && !loop_timer_is_active(move->tick)) {
		move_src_watch_peer(move);
		loop_timer_start(move->tick, TICK_MS);
	}
}

/* ---- transfer: QEMU sends, we watch ------------------------------------ */

/* The guest stopped by itself before the move, or while no migrd listened. */
static bool has_stopped_itself(const struct move *move)
{
	const struct qemu *qemu = move_qemu(move);
	enum qmp_run_state state = qemu ? qemu_run_state(qemu) : QMP_RUN_UNKNOWN;

	return state == QMP_RUN_IO_ERROR || state == QMP_RUN_GUEST_PANICKED ||
	       state == QMP_RUN_SHUTDOWN || state == QMP_RUN_WATCHDOG;
}

void move_src_enter_transfer(struct machine *machine)
{
	struct move *move = move_of(machine);

	loop_timer_start(move->tick, TICK_MS);
	move->facts.guest_stopped = has_stopped_itself(move);
	move_measure_begin(move);
	if (move->machine.is_resumed) {
		move_frames_begin(move);
		peer_warm(move->moves->env.peers, move->row.peer);
		move->facts.guest_in_doubt = true; /* the guest's events were lost */
	} else {
		move_lease_begin(move);
	}
	move_converge_begin(move);
	move_share_begin(move);
	move_parts_start(move);
	move_lease_renew(move);
}

void move_src_step_transfer(struct machine *machine)
{
	struct move *move = move_of(machine);
	enum move_part_progress progress = move_parts_progress(move);

	if (move_src_roll_back_if_gone(move))
		return;
	/* With disks QEMU would wait for a connection that is stuck; a rollback ends it first. */
	if ((transfer_plan_has_disks(move->plan) || !move->ram.may_have_begun) &&
	    roll_back_if_asked(move))
		return;
	if (progress == MOVE_PART_BROKEN) {
		move_parts_give_up(move);
		return;
	}
	if (progress >= MOVE_PART_LAST || move_src_may_switch(move)) {
		move->facts.switch_wanted =
			move->facts.switch_wanted || progress == MOVE_PART_FLOWS;
		move->error = (struct err){ 0 }; /* it was of a stall that has ended */
		machine_go_to(&move->machine,
			      &(struct machine_change){ .to = MOVE_STATE_HANDOVER });
		return;
	}
	move_parts_step(move);
	if (move->facts.cancel_requested && move_src_may_cancel_qemu(move))
		move_parts_cancel(move);
	if (!loop_timer_is_active(move->tick)) {
		move_lease_renew(move);
		loop_timer_start(move->tick, TICK_MS);
	}
	move_converge_step(move);
}

/* ---- events ------------------------------------------------------------ */

void move_src_event(void *data, const struct qmp_event *event)
{
	struct move *move = data;
	enum qmp_run_state state;

	if (move_parts_event(move, event)) {
		; /* noted */
	} else if (qmp_event_stops_guest(event, &state)) {
		/* The STOP that follows is not QEMU's last pass. */
		move_note(move, event->name, "at %lld us", (long long)event->time_us);
		move->facts.guest_stopped = true;
	} else if (strcmp(event->name, "STOP") == 0 && move->machine.state == MOVE_STATE_TRANSFER &&
		   vm_intent(move_vm(move)) == VM_INTENT_STARTED && !move->facts.guest_stopped) {
		move_note(move, "STOP", "at %lld us", (long long)event->time_us);
		move_measure_stop(move, event);
		move->facts.saw_stop = true;
		move_lease_end(move);
		move_share_follow(move);
	} else if (strcmp(event->name, "STOP") == 0 && move->facts.stop_sent) {
		move_note(move, "STOP", "at %lld us", (long long)event->time_us);
		move_measure_stop(move, event);
	} else if (strcmp(event->name, "RESUME") == 0) {
		move_note(move, "RESUME", "at %lld us", (long long)event->time_us);
		move_measure_resume(move, event);
		move->facts.guest_in_doubt = true; /* RESUME may come after `completed' */
		move->facts.guest_stopped = false;
	} else {
		move_note(move, event->name, "at %lld us", (long long)event->time_us);
	}
	machine_step(&move->machine);
}
