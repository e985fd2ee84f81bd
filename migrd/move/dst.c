/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The destination's side of a move. */
#include "move/dst.h"

#include "base/fault.h"
#include "base/log.h"
#include "base/mem.h"
#include "move/priv.h"
#include "vm/announce.h"
#include "vm/still.h"
#include "vm/taps.h"
#include "wire/peer_msg.h"

#define COMMAND_DEADLINE_MS 10000
#define FATE_DEADLINE_MS    5000
/* How often the source is asked what became of the move, while nothing happens. */
#define FATE_EVERY_MS 5000
/* How long an empty destination waits for a silent source. */
#define OFFER_PATIENCE_MS 60000
/* How long QEMU may take after go until it has loaded everything. */
#define LOAD_PATIENCE_MS 10000
#define LOAD_TICK_MS     20
/* How long a drop waits for the end of a QEMU whose link is broken: that QEMU has the reason. */
#define LAST_WORDS_MS 500
/* How often we look at a guest that is ours and may stand still. */
#define DOUBT_TICK_MS 100
/* How long QEMU may take for its answer to `cont' while memory is missing here. */
#define CONT_PATIENCE_MS 1000

bool move_dst_is_loaded(const struct move *move)
{
	return move_parts_progress(move) >= MOVE_PART_SWITCHED;
}

static void roll_back_gone(struct move *move)
{
	const struct vm *vm = move_vm(move);
	struct err err;

	err_set(&err, ERR_QEMU, "its QEMU ended");
	if (vm)
		vm_explain_end(vm, &err);
	move_roll_back(move, &err);
}

/* ---- prepare: a QEMU that waits ----------------------------------------- */

struct launch {
	struct moves *moves;
	char id[ID_UUID_SIZE];
};

static void on_launched(void *data, const struct err *err)
{
	struct launch *launch = data;
	struct move *move = moves_find(launch->moves, launch->id);

	free(launch);
	if (!move)
		return;
	if (move->machine.state != MOVE_STATE_PREPARE || move->machine.is_saving) {
		machine_step(&move->machine); /* a rollback waits for this end */
	} else if (err) {
		move_roll_back(move, err);
	} else {
		move->facts.qemu_launched = true;
		move_parts_begin(move, MOVE_PHASE_CHECK);
	}
}

static void launch(struct move *move)
{
	struct launch *launch = xnew(struct launch);

	launch->moves = move->moves;
	memcpy(launch->id, move->row.id, sizeof(launch->id));
	move->facts.launch_asked = true;
	vm_launch_incoming(move_vm(move), on_launched, launch);
}

void move_dst_enter_prepare(struct machine *machine)
{
	struct move *move = move_of(machine);
	struct err err;

	loop_timer_start(move->tick, move->moves->env.prepare_timeout_ms);
	move_parts_tidy(move); /* the files were compared; a lost source never tidies up */
	move_frames_begin(move);
	move_parts_begin(move, MOVE_PHASE_PROVIDE);
	id_token_new(move->token);
	stream_preamble_key(move->token, move->offer.port_key);
	if (!move_start_stream(move, &err))
		move_roll_back(move, &err);
}

void move_dst_step_prepare(struct machine *machine)
{
	struct move *move = move_of(machine);
	uint64_t waited_ms = machine_in_state_ms(&move->machine);

	if (move->facts.drop_requested) {
		move_give_up(move, ERR_CANCELLED, MOVE_DROPPED);
	} else if (move->facts.cancel_requested) {
		move_give_up(move, ERR_CANCELLED, "it was cancelled on the destination");
	} else if (move->facts.qemu_launched && move_is_gone(move)) {
		roll_back_gone(move);
	} else if (move->facts.stream_gone) {
		move_give_up(move, ERR_INTERNAL, "migrd-stream ended at its start");
	} else if (move_parts_are_over(move, MOVE_PHASE_PROVIDE) && !move->facts.launch_asked) {
		launch(move);
	} else if (move_parts_are_over(move, MOVE_PHASE_CHECK)) {
		move_parts_begin(move, MOVE_PHASE_PREPARE);
	} else if (move_parts_are_over(move, MOVE_PHASE_PREPARE) && move->facts.stream_started) {
		move_stamp(move, MOVE_STAMP_PREPARED);
		machine_go_to(&move->machine,
			      &(struct machine_change){
				      .to = MOVE_STATE_TRANSFER,
				      .with = { store_put_vm(vm_row(move_vm(move))) } });
	} else if (waited_ms >= move->moves->env.prepare_timeout_ms) {
		move_give_up(move, ERR_TIMEOUT, "QEMU was not ready in time");
	}
}

/* ---- transfer: the guest arrives ----------------------------------------- */

/* The source has been silent for longer than stuck_after_ms: a person should know. */
static bool is_silent(struct move *move)
{
	uint64_t now_ms = loop_now_ms(move->moves->env.loop);

	if (!move->offer.silent_since_ms)
		move->offer.silent_since_ms = now_ms;
	return now_ms - move->offer.silent_since_ms > move->moves->env.stuck_after_ms;
}

void move_dst_note_end(struct move *move, enum verdict verdict, bool run)
{
	move->facts.source_has_ended = true;
	move->source_verdict = verdict;
	if (verdict != VERDICT_TAKEN) {
		move->facts.drop_requested = true;
	} else if (!move->facts.go_requested) {
		move->facts.go_requested = true;
		move->offer.go_at_ms = loop_now_ms(move->moves->env.loop);
		move->facts.run = run;
	}
}

/* The source has no record, so its go will never come.  But a guest that is complete here
 * may be the only copy. */
static void note_unheard(struct move *move)
{
	if (!move_dst_is_loaded(move)) {
		move_give_up(move, ERR_NOT_FOUND, "the source has no record of this move any more");
	} else if (!move->facts.go_requested) {
		move_is_unheard(move, "the source has no record of this move");
	}
}

static void note_fate(struct move *move, const struct peer_fate *fate)
{
	if (fate->verdict == VERDICT_UNKNOWN) {
		note_unheard(move);
		return;
	}
	if (move->offer.silent_since_ms || !move_dst_is_idle(move))
		move->reason[0] = '\0';
	move->offer.silent_since_ms = 0;
	if (fate->final)
		move_dst_note_end(move, (enum verdict)fate->verdict, fate->run);
	machine_step(&move->machine);
}

/* The source's answer to: what became of this move? */
static void on_fate(struct move *move, struct json_object *result, const struct err *err)
{
	struct peer_fate fate;
	struct err bad;
	bool unheard;

	move->facts.asked = false;
	if (!err && peer_fate_decode(result, &fate, &bad)) {
		note_fate(move, &fate);
		return;
	}
	err = err ? err : &bad;
	unheard = machine_in_state_ms(&move->machine) > OFFER_PATIENCE_MS;
	if (!move_dst_is_loaded(move) && !move->facts.stream_ready && unheard)
		move_give_up(move, err->code, "the source never came");
	else if (move_dst_is_loaded(move) && move->machine.state == MOVE_STATE_TRANSFER &&
		 is_silent(move))
		move_become_stuck(move);
	else
		move_is_waiting(move, err);
}

/* Data still flows to QEMU, so the source need not be asked. */
static bool is_busy(const struct move *move)
{
	return !move_dst_is_loaded(move) && move->facts.stream_ready && !move->facts.stream_gone &&
	       move->stream && stream_status(move->stream)->state == STREAM_CHANNEL_OPEN &&
	       !stream_status(move->stream)->error[0];
}

static void ask_fate(struct move *move)
{
	if (move->facts.asked || is_busy(move))
		return;
	move->facts.asked = true;
	move_ask_peer(move, NULL, NULL, FATE_DEADLINE_MS, on_fate);
}

void move_dst_enter_transfer(struct machine *machine)
{
	struct move *move = move_of(machine);

	if (move->machine.is_resumed)
		move_query(move);
	if (move->machine.is_resumed)
		move_frames_begin(move);
	move_share_begin(move);
	loop_timer_start(move->tick, FATE_EVERY_MS);
}

static enum vm_intent intent_of(const struct move *move)
{
	if (move->facts.stopped)
		return VM_INTENT_STOPPED;
	return move->facts.run ? VM_INTENT_STARTED : VM_INTENT_PAUSED;
}

/* The guest is ours from here on; that is on disk before it runs. */
void move_dst_take(struct move *move)
{
	const struct vm *vm = move_vm(move);
	struct store_vm row = vm_promoted_row(vm, move->row.generation + 1, intent_of(move));

	move->verdict = VERDICT_TAKEN;
	machine_go_to(&move->machine, &(struct machine_change){ .to = MOVE_STATE_HANDOVER,
								.with = { store_put_vm(&row) } });
}

/* The check of the taps may end while the daemon stops: MOVES exist as long as the VM does. */
struct taps_look {
	struct vms *vms;
	struct moves *moves;
	char vm[ID_UUID_SIZE], id[ID_UUID_SIZE];
};

static void on_taps(void *data, const struct err *err)
{
	struct taps_look *look = data;
	struct move *move =
		vm_find_uuid(look->vms, look->vm) ? moves_find(look->moves, look->id) : NULL;

	free(look);
	if (!move)
		return;
	move->offer.taps =
		MOVE_TAPS_UNKNOWN; /* an answer during a save is dropped, and asked for again */
	if (move->machine.state != MOVE_STATE_TRANSFER || move->machine.is_saving)
		return;
	move->offer.taps = MOVE_TAPS_GOOD;
	if (err && (move->facts.source_has_ended || move->facts.source_has_switched))
		move_note(move, "taps", "%s", err->msg);
	else if (err)
		move_roll_back(move, err);
	machine_step(&move->machine);
}

/* With bad taps the guest would lose a network that it has on the source, so the source may
 * have it back.  A source that has ended the move cannot: then the guest is taken with the
 * taps as they are. */
static bool taps_are_good(struct move *move)
{
	struct taps_look *look;

	if (move->facts.source_has_ended || move->offer.taps == MOVE_TAPS_GOOD)
		return true;
	if (move->offer.taps == MOVE_TAPS_ASKED)
		return false;
	look = xnew(struct taps_look);
	look->vms = move->moves->env.vms;
	look->moves = move->moves;
	memcpy(look->vm, move->row.vm_uuid, sizeof(look->vm));
	memcpy(look->id, move->row.id, sizeof(look->id));
	move->offer.taps = MOVE_TAPS_ASKED;
	if (vm_taps_check(move_vm(move), on_taps, look))
		return false;
	free(look);
	return true;
}

static bool load_is_late(const struct move *move)
{
	return loop_now_ms(move->moves->env.loop) - move->offer.go_at_ms > LOAD_PATIENCE_MS;
}

/* The source drops a move whose link broke.  If our QEMU broke it, the end of that QEMU comes
 * a moment later with the true reason, so the drop waits. */
static bool may_explain_itself(const struct move *move)
{
	const struct stream_status *status = move->stream ? stream_status(move->stream) : NULL;
	bool is_broken =
		move->facts.stream_gone || (status && (status->state == STREAM_CHANNEL_CLOSED ||
						       status->state == STREAM_CHANNEL_FAILED));

	return is_broken && !move_dst_is_loaded(move) && move->offer.drop_at_ms &&
	       loop_now_ms(move->moves->env.loop) - move->offer.drop_at_ms < LAST_WORDS_MS;
}

void move_dst_step_transfer(struct machine *machine)
{
	struct move *move = move_of(machine);

	if (move_is_gone(move)) {
		roll_back_gone(move);
	} else if (move_parts_progress(move) == MOVE_PART_BROKEN) {
		qemu_kill(move_qemu(move)); /* its log has the reason; its end rolls back */
	} else if (move->facts.stream_gone && !move_dst_is_loaded(move) &&
		   move->ram.state != QMP_MIG_UNKNOWN && transfer_plan_has_disks(move->plan)) {
		/* QEMU does not notice it before memory comes. */
		move_give_up(move, ERR_UNAVAILABLE, "migrd-stream ended on the destination");
	} else if (move->facts.drop_requested && may_explain_itself(move)) {
		loop_timer_start(move->tick, DOUBT_TICK_MS);
	} else if (move->facts.drop_requested) {
		move_give_up(move, ERR_CANCELLED, MOVE_DROPPED);
	} else if (move->facts.cancel_requested && move_dst_may_refuse(move)) {
		move_give_up(move, ERR_CANCELLED, "it was cancelled on the destination");
	} else if (move_dst_offer_is_over(move)) {
		move_give_up(move, ERR_TIMEOUT, "the source sent nothing for too long");
	} else if (move->facts.go_requested && move_dst_is_loaded(move) && taps_are_good(move)) {
		move_dst_take(move);
	} else if (move->facts.go_requested && load_is_late(move) &&
		   !move->facts.source_has_switched) {
		move_give_up(move, ERR_TIMEOUT,
			     move_dst_is_loaded(move) ? "the host's taps could not be looked at"
						      : "QEMU did not finish loading the guest");
	} else if (!loop_timer_is_active(move->tick)) {
		bool is_loading = move->facts.go_requested && !load_is_late(move);

		if (!move->facts.go_requested)
			move_dst_say_idle(move);
		if (!is_loading)
			ask_fate(move);
		loop_timer_start(move->tick, is_loading ? LOAD_TICK_MS : FATE_EVERY_MS);
	}
}

/* ---- handover: let it run -------------------------------------------------- */

void move_dst_end(struct move *move)
{
	machine_go_to(&move->machine, &(struct machine_change){ .to = MOVE_STATE_DONE });
	/* Last, as the guest may be moved on at once: the record of that must follow this one. */
	move_release_vm(move);
}

/* After a restart it is not known yet whether all memory is there: fetch finds out. */
static void go_on_from_handover(struct move *move)
{
	if (transfer_plan_has_postcopy(move->plan) && move_parts_progress(move) != MOVE_PART_DONE)
		machine_go_to(&move->machine, &(struct machine_change){ .to = MOVE_STATE_FETCH });
	else
		move_parts_begin(move, MOVE_PHASE_END);
}

/* QEMU has said what became of `cont'. */
static void note_answer(struct move *move)
{
	move->facts.is_running = true;
	move_tell(move); /* the answer to go does not wait for the disk */
	if (move->machine.state == MOVE_STATE_HANDOVER)
		go_on_from_handover(move);
}

static void finish(struct move *move)
{
	move_stamp(move, MOVE_STAMP_RUNNING);
	if (move_vm(move) && !move->facts.stopped)
		vm_announce(move_vm(move));
	note_answer(move);
}

/* It is not known whether the guest runs: the next tick asks QEMU. */
static void doubt(struct move *move, const struct err *err)
{
	move->facts.run_asked = false;
	move->machine.is_resumed = true;
	move_set_reason(move, "cannot let the guest run: %s", err->msg);
}

/* After the switch to post-copy the source cannot have the guest back, and in fetch it has been
 * told that the guest is here. */
static bool must_stay(const struct move *move)
{
	return move->facts.source_has_switched || move->machine.state == MOVE_STATE_FETCH;
}

/* The guest stays here, and the VM says why it does not run. */
static void stay_still(struct move *move, const struct err *err)
{
	if (move_vm(move))
		vm_note_still(move_vm(move), err);
	note_answer(move);
}

/* If QEMU refuses `cont', the guest has not run here and nobody was told otherwise:
 * the source may have it back. */
static void on_running(struct move *move, struct json_object *result, const struct err *err)
{
	struct vm *vm = move_vm(move);

	(void)result;
	if (!err && vm)
		vm_note_run_state(vm, QMP_RUN_RUNNING);
	if (!err)
		finish(move);
	else if (err->code == ERR_QEMU && must_stay(move))
		stay_still(move, err);
	else if (err->code == ERR_QEMU)
		move_roll_back(move, err);
	else
		doubt(move, err);
}

/* Looks at the disks before `cont': an earlier one may have been refused, and a second one
 * would run the guest without a disk (vm/still.h). */
static void on_images(struct move *move, struct json_object *result, const struct err *err)
{
	struct err lost;

	if (err)
		doubt(move, err);
	else if (!vm_check_images(result, &lost))
		on_running(move, NULL, &lost);
	else
		move_qmp(move, "cont", NULL, COMMAND_DEADLINE_MS, on_running);
}

static void on_state(struct move *move, struct json_object *result, const struct err *err)
{
	enum qmp_run_state state;
	struct vm *vm = move_vm(move);

	move->facts.run_asked = false;
	if (err || !vm || vm_is_busy(vm))
		return; /* the tick asks again */
	state = qmp_run_state_decode(result);
	vm_note_run_state(vm, state);
	if (vm_intent(vm) == VM_INTENT_STARTED &&
	    (state == QMP_RUN_PAUSED || state == QMP_RUN_PRELAUNCH)) {
		move->facts.run_asked = true; /* one cont at a time */
		move_qmp(move, "query-block", NULL, COMMAND_DEADLINE_MS, on_images);
	} else {
		finish(move);
	}
}

void move_dst_ask_whether_it_runs(struct move *move)
{
	if (move->facts.is_running || move->facts.run_asked || !move_qemu(move))
		return;
	move->facts.run_asked = true;
	move_qmp(move, "query-status", NULL, COMMAND_DEADLINE_MS, on_state);
}

/* QEMU may answer nothing before it has memory that it needs itself, such as the rings of a virtio
 * device.  If the data stream is broken, that comes only over a new one, for which the source asks
 * when it has heard that the guest is here. */
static bool may_wait_for_memory(const struct move *move)
{
	return move->facts.source_has_switched && move->facts.run_asked &&
	       move_parts_progress(move) != MOVE_PART_DONE &&
	       machine_in_state_ms(&move->machine) > CONT_PATIENCE_MS;
}

void move_dst_enter_handover(struct machine *machine)
{
	struct move *move = move_of(machine);
	struct vm *vm = move_vm(move);

	if (move->machine.is_resumed)
		move->facts.run = vm_intent(vm) == VM_INTENT_STARTED;
	move_stamp(move, MOVE_STAMP_TAKEN);
	if (vm_role(vm) == VM_ROLE_INCOMING)
		vm_promote(vm, move->row.generation + 1, intent_of(move));
	move_frames_await(move, 0);
	loop_timer_start(move->tick, DOUBT_TICK_MS);
}

void move_dst_step_handover(struct machine *machine)
{
	struct move *move = move_of(machine);

	if (move_parts_are_over(move, MOVE_PHASE_END)) {
		move_dst_end(move);
	} else if (move->cursor.phase == MOVE_PHASE_END) {
		; /* what belongs to the move is being put in order */
	} else if (move_is_gone(move) && !move->facts.run_asked && !move->machine.is_resumed) {
		roll_back_gone(move); /* the guest has not run here, and nobody was told */
	} else if (move_is_gone(move)) {
		finish(move); /* it was taken, so it has died as ours */
	} else if (!move_parts_are_over(move, MOVE_PHASE_TAKE)) {
		move_parts_begin(move, MOVE_PHASE_TAKE);
	} else if (may_wait_for_memory(move)) {
		go_on_from_handover(move);
	} else if (!move->facts.run_asked) {
		if (move->facts.stopped)
			qemu_quit(move_qemu(move)); /* its end is that of the handover */
		else if (move->machine.is_resumed || !move->facts.run)
			move_dst_ask_whether_it_runs(move);
		else
			move_qmp(move, "cont", NULL, COMMAND_DEADLINE_MS, on_running);
		move->facts.run_asked = true;
	}
	if (!move->machine.is_saving && !loop_timer_is_active(move->tick))
		loop_timer_start(move->tick, DOUBT_TICK_MS);
}

/* ---- rollback: refused, and nothing stays -------------------------------- */

void move_dst_enter_rollback(struct machine *machine)
{
	struct move *move = move_of(machine);
	struct qemu *qemu = move_qemu(move);

	if (qemu)
		qemu_kill(qemu);
	if (move->stream)
		stream_kill(move->stream);
}

void move_dst_step_rollback(struct machine *machine)
{
	struct move *move = move_of(machine);

	if (move_parts_are_over(move, MOVE_PHASE_UNDO))
		machine_go_to(&move->machine,
			      &(struct machine_change){
				      .to = MOVE_STATE_FAILED,
				      .with = { store_delete_vm(move->row.vm_uuid) } });
	else if (move_is_gone(move))
		move_parts_begin(move, MOVE_PHASE_UNDO);
	else if (!loop_timer_is_active(move->tick))
		loop_timer_start(move->tick, FATE_EVERY_MS);
}

/* ---- events ------------------------------------------------------------- */

void move_dst_event(void *data, const struct qmp_event *event)
{
	struct move *move = data;

	if (strcmp(event->name, "RESUME") == 0)
		move_measure_resume(move, event);
	if (!move_parts_event(move, event))
		move_note(move, event->name, "at %lld us", (long long)event->time_us);
	machine_step(&move->machine);
}
