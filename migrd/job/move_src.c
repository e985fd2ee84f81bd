/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The source's side of a move. */
#include "job/move_src.h"

#include "base/fault.h"
#include "base/log.h"
#include "base/mem.h"
#include "job/downtime.h"
#include "job/move_priv.h"
#include "wire/peer_msg.h"

#define COMMAND_DEADLINE_MS 10000
#define TICK_MS             500
#define GO_DEADLINE_MS      5000
#define GO_RETRY_FIRST_MS   50
#define GO_RETRY_MAX_MS     1000
#define DROP_DEADLINE_MS    5000
/* So long we ask a peer that does not answer to drop its part: it may never run
 * the guest without our go, and asks us for the move's fate when it is back. */
#define DROP_PATIENCE_MS 30000
/* The same for one that never answered, so that it hardly has anything. */
#define DROP_PATIENCE_UNHEARD_MS 3000
/* QEMU may refuse to run a guest whose disks the other side has not let go yet. */
#define RESUME_PATIENCE_MS 30000
/* No byte for so long in transfer: the move is given up. */
#define STALL_MS 60000
/* QEMU has no word for "no limit"; its own default is 128 MiB/s
 * (migration/options.c), far below any link. */
#define BANDWIDTH_UNLIMITED (UINT64_C(1) << 40)

static const char *const capabilities[] = {
	"events",              /* MIGRATION and MIGRATION_PASS */
	"return-path",         /* without it `completed' means nothing */
	"late-block-activate", /* the first cont takes the disks, on whichever side */
	NULL,
};

static bool is_gone(const struct move *move)
{
	return move_qemu(move) == NULL;
}

static void roll_back(struct move *move, enum err_code code, const char *text)
{
	struct err err;

	err_set(&err, code, "%s", text);
	move_roll_back(move, &err);
}

static bool roll_back_if_asked(struct move *move)
{
	if (!move->cancel_requested)
		return false;
	roll_back(move, ERR_CANCELLED, "cancelled on request");
	return true;
}

static bool roll_back_if_gone(struct move *move)
{
	if (!is_gone(move))
		return false;
	roll_back(move, ERR_QEMU, "the guest's QEMU ended on the source");
	return true;
}

/* The next try of a question to the peer, ever more patiently. */
static void ask_again_later(struct move *move, const struct err *why)
{
	move->retry_ms = move->retry_ms ? move->retry_ms * 2 : GO_RETRY_FIRST_MS;
	if (move->retry_ms > GO_RETRY_MAX_MS)
		move->retry_ms = GO_RETRY_MAX_MS;
	loop_timer_start(move->retry, move->retry_ms);
	move_is_waiting(move, why);
}

/* ---- begin: facts and preflight -------------------------------------- */

static struct json_object *parameters(const struct move *move)
{
	const struct move_options *options = &move->options;
	struct json_object *args = json_object_new_object();

	json_add_uint(args, "max-bandwidth",
		      options->bandwidth_bytes_per_s ? options->bandwidth_bytes_per_s
						     : BANDWIDTH_UNLIMITED);
	json_add_uint(args, "downtime-limit",
		      downtime_for_pass(options->downtime_limit_ms, move->pass));
	return args;
}

static void on_applied(struct move *move, struct json_object *result, const struct err *err)
{
	(void)result;
	if (err)
		move_set_reason(move, "QEMU did not take the new limits: %s", err->msg);
}

static void on_prepared_qemu(struct move *move, struct json_object *result, const struct err *err)
{
	(void)result;
	if (err)
		move_roll_back(move, err);
	else
		move->qemu_prepared = true;
	move_step(move);
}

static void on_capabilities(struct move *move, struct json_object *result, const struct err *err)
{
	(void)result;
	if (err)
		move_roll_back(move, err);
	else
		move_qmp(move, "migrate-set-parameters", parameters(move), COMMAND_DEADLINE_MS,
			 on_prepared_qemu);
}

void move_src_apply_options(struct move *move)
{
	if (move->state == MOVE_STATE_TRANSFER)
		move_qmp(move, "migrate-set-parameters", parameters(move), COMMAND_DEADLINE_MS,
			 on_applied);
}

/* Reasons for which QEMU will not migrate this guest (qapi/migration.json,
 * blocked-reasons). */
static void on_blockers(struct move *move, struct json_object *result, const struct err *err)
{
	struct json_object *reasons =
		err ? NULL : json_object_object_get(result, "blocked-reasons");
	struct err blocked;

	if (err) {
		move_roll_back(move, err);
	} else if (reasons && json_object_is_type(reasons, json_type_array) &&
		   json_object_array_length(reasons) > 0) {
		err_set(&blocked, ERR_QEMU, "QEMU cannot migrate this guest: %s",
			json_object_get_string(json_object_array_get_idx(reasons, 0)));
		move_roll_back(move, &blocked);
	} else {
		move_qmp(move, "migrate-set-capabilities", qmp_mig_caps_args(capabilities),
			 COMMAND_DEADLINE_MS, on_capabilities);
	}
}

void move_src_enter_begin(struct move *move)
{
	peer_warm(move->moves->env.peers, move->row.peer);
	move_qmp(move, "query-migrate", NULL, COMMAND_DEADLINE_MS, on_blockers);
}

void move_src_step_begin(struct move *move)
{
	if (roll_back_if_asked(move) || roll_back_if_gone(move))
		return;
	if (move->qemu_prepared)
		move_go_to(move, &(struct move_change){ .to = MOVE_STATE_PREPARE });
}

/* Why the data channel is broken; NULL: it is not. */
static const char *stream_fault(const struct move *move)
{
	const struct stream_status *status = move->stream ? stream_status(move->stream) : NULL;

	if (status && status->state == STREAM_CHANNEL_FAILED)
		return status->error;
	return move->stream_gone ? "migrd-stream ended" : NULL;
}

/* ---- prepare: the destination gets ready ------------------------------ */

static void on_offer_answered(struct move *move, struct json_object *result, const struct err *err)
{
	struct peer_prepare_reply reply;
	struct err bad;

	if (err) {
		bad = *err;
		err_wrap(&bad, "host '%s' cannot take the guest", move->row.peer);
		move_roll_back(move, &bad);
		return;
	}
	if (!peer_prepare_reply_decode(result, &reply, &bad)) {
		err_wrap(&bad, "host '%s' gave an answer that cannot be understood",
			 move->row.peer);
		move_roll_back(move, &bad);
		return;
	}
	snprintf(move->data_address, sizeof(move->data_address), "%s", reply.data_address);
	snprintf(move->token, sizeof(move->token), "%s", reply.token);
	if (!move_start_stream(move, &bad))
		move_roll_back(move, &bad);
}

static struct json_object *offer(const struct move *move)
{
	struct json_object *obj = json_object_new_object();
	struct json_object *options = json_object_new_object();
	const struct vm *vm = move_vm(move);

	json_add_str(obj, "move_id", move->row.id);
	json_add_str(obj, "source", move->moves->env.host_id);
	json_add_uint(obj, "generation", move->row.generation);
	json_add_bool(obj, "run", vm_intent(vm) == VM_INTENT_STARTED);
	json_object_object_add(obj, "definition", json_tokener_parse(vm_definition(vm)));
	json_add_uint(options, "bandwidth_bytes_per_s", move->options.bandwidth_bytes_per_s);
	json_add_uint(options, "downtime_limit_ms", move->options.downtime_limit_ms);
	json_object_object_add(obj, "options", options);
	return obj;
}

void move_src_enter_prepare(struct move *move)
{
	uint32_t patience_ms = move->moves->env.prepare_timeout_ms;

	move_ask_peer(move, "prepare", offer(move), patience_ms, on_offer_answered);
	loop_timer_start(move->tick, patience_ms);
}

void move_src_step_prepare(struct move *move)
{
	uint64_t waited_ms = loop_now_ms(move->moves->env.loop) - move->entered_ms;

	if (roll_back_if_asked(move) || roll_back_if_gone(move))
		return;
	if (move->stream_ready) {
		move_stamp(move, MOVE_STAMP_PREPARED);
		move_go_to(move, &(struct move_change){ .to = MOVE_STATE_TRANSFER });
	} else if (stream_fault(move)) {
		struct err err;

		err_set(&err, ERR_PEER, "no data connection to host '%s' at %s: %s", move->row.peer,
			move->data_address, stream_fault(move));
		move_roll_back(move, &err);
	} else if (waited_ms >= move->moves->env.prepare_timeout_ms) {
		roll_back(move, ERR_TIMEOUT, "the destination was not ready in time");
	}
}

/* ---- transfer: QEMU sends, we watch ------------------------------------ */

static void on_migrate(struct move *move, struct json_object *result, const struct err *err)
{
	(void)result;
	if (!err)
		return;
	log_warning("move", "migrate", "move=%s error=\"%s\"", move->row.id, err->msg);
	move->error = *err;
	move->qemu_state = QMP_MIG_FAILED;
	move_step(move);
}

static void send_migrate(struct move *move)
{
	CLEANUP(free_charp) char *dir = move_dir(move);
	CLEANUP(free_charp) char *uri = xasprintf("unix:%s/ram.sock", dir);
	struct json_object *args = json_object_new_object();

	json_add_str(args, "uri", uri);
	move_stamp(move, MOVE_STAMP_MIGRATE);
	move_qmp(move, "migrate", args, COMMAND_DEADLINE_MS, on_migrate);
}

/* While nobody listened. */
static bool has_stopped_itself(const struct move *move)
{
	const struct qemu *qemu = move_qemu(move);
	enum qmp_run_state state = qemu ? qemu_run_state(qemu) : QMP_RUN_UNKNOWN;

	return state == QMP_RUN_IO_ERROR || state == QMP_RUN_GUEST_PANICKED ||
	       state == QMP_RUN_WATCHDOG;
}

void move_src_enter_transfer(struct move *move)
{
	move->moved_at_ms = move->entered_ms;
	loop_timer_start(move->tick, TICK_MS);
	if (move->is_resumed) {
		peer_warm(move->moves->env.peers, move->row.peer);
		move->guest_stopped = has_stopped_itself(move);
		move->guest_in_doubt = true; /* its events were lost */
		move_query(move);
		move_src_apply_options(move); /* they may not have got to QEMU before */
	} else {
		move_lease_begin(move);
		send_migrate(move);
	}
	move_lease_renew(move);
}

static void on_cancel_answered(struct move *move, struct json_object *result, const struct err *err)
{
	(void)result;
	if (err)
		log_warning("move", "cancel", "move=%s error=\"%s\"", move->row.id, err->msg);
	move_query(move);
}

/* QEMU decides the race between a cancel and its own end. */
static void send_cancel(struct move *move)
{
	if (move->cancel_sent)
		return;
	move->cancel_sent = true;
	move_qmp(move, "migrate_cancel", NULL, COMMAND_DEADLINE_MS, on_cancel_answered);
}

static bool is_stalled(const struct move *move)
{
	return loop_now_ms(move->moves->env.loop) - move->moved_at_ms > STALL_MS;
}

static void qemu_failed(struct move *move)
{
	struct err err;

	if (move->cancel_requested)
		err_set(&err, ERR_CANCELLED, "cancelled on request");
	else if (stream_fault(move))
		err_set(&err, ERR_PEER, "the data connection to host '%s' broke: %s",
			move->row.peer, stream_fault(move));
	else
		err_set(&err, ERR_QEMU, "QEMU gave the transfer up: %s",
			move->info.error[0] ? move->info.error : "it does not say why");
	move_roll_back(move, &err);
}

/* After a restart: QEMU was never told to migrate. */
static bool never_began(const struct move *move)
{
	return move->is_resumed && move->qemu_state == QMP_MIG_NONE;
}

void move_src_step_transfer(struct move *move)
{
	if (roll_back_if_gone(move))
		return;
	if (move->qemu_state == QMP_MIG_FAILED || move->qemu_state == QMP_MIG_CANCELLED) {
		qemu_failed(move);
		return;
	}
	if (never_began(move)) {
		roll_back(move, ERR_UNAVAILABLE, "the coordinator was restarted before the start");
		return;
	}
	if (move->saw_stop || move->qemu_state == QMP_MIG_DEVICE ||
	    move->qemu_state == QMP_MIG_COMPLETED) {
		move->error = (struct err){ 0 }; /* of a stall that has ended */
		move_go_to(move, &(struct move_change){ .to = MOVE_STATE_HANDOVER });
		return;
	}
	if (is_stalled(move) && !err_is_set(&move->error)) {
		err_set(&move->error, ERR_TIMEOUT, "no data went to host '%s' for %d s",
			move->row.peer, STALL_MS / 1000);
		send_cancel(move);
	}
	if (move->cancel_requested)
		send_cancel(move);
	if (!loop_timer_is_active(move->tick)) {
		move_lease_renew(move);
		loop_timer_start(move->tick, TICK_MS);
	}
}

/* ---- handover: the guest stands still ---------------------------------- */

#define BUSY_TICK_MS 20

void move_src_enter_handover(struct move *move)
{
	const struct vm *vm = move_vm(move);

	if (move->stream)
		stream_set_link_timeout(move->stream, move->moves->env.handover_link_timeout_ms);
	move_lease_end(move);
	peer_warm(move->moves->env.peers, move->row.peer);
	move->run = (!vm || vm_intent(vm) == VM_INTENT_STARTED) && !move->guest_stopped;
	if (move->is_resumed)
		move->guest_in_doubt = true; /* its events were lost */
	loop_timer_start(move->tick, TICK_MS);
	if (move->is_resumed)
		move_query(move);
}

static void on_go_answered(struct move *move, struct json_object *result, const struct err *err)
{
	struct peer_verdict reply;
	struct err bad;

	if (err) {
		move_note(move, "go-unanswered", "%s", err->msg);
		ask_again_later(move, err);
		return;
	}
	if (!peer_verdict_decode(result, &reply, &bad)) {
		ask_again_later(move, &bad);
		return;
	}
	move_stamp(move, MOVE_STAMP_TAKEN);
	move->peer_times = json_object_get(json_get_obj(result, "times"));
	move->verdict =
		reply.verdict == PEER_VERDICT_TAKEN ? MOVE_VERDICT_TAKEN : MOVE_VERDICT_REFUSED;
	if (move->verdict == MOVE_VERDICT_REFUSED && !err_is_set(&move->error))
		err_set(&move->error, ERR_REFUSED, "host '%s' refused the guest: %s",
			move->row.peer, reply.reason);
	move_step(move);
}

static void send_go(struct move *move)
{
	struct json_object *body;

	if (move->asked || loop_timer_is_active(move->retry))
		return;
	body = json_object_new_object();
	json_add_uint(body, "generation", move->row.generation);
	json_add_bool(body, "run", move->run);
	move->asked = true;
	move_stamp(move, MOVE_STAMP_GO);
	move_ask_peer(move, "go", body, GO_DEADLINE_MS, on_go_answered);
}

static void note_completed(struct move *move)
{
	if (move->saw_completed)
		return;
	move->saw_completed = true;
	move_stamp(move, MOVE_STAMP_COMPLETED);
	send_go(move);
	move_save_detail(move); /* beside the question, not before it */
}

static void on_guest_seen(struct move *move, struct json_object *result, const struct err *err)
{
	move->query_pending = false;
	if (err)
		return; /* the tick looks again */
	if (qmp_run_state_decode(result) == QMP_RUN_RUNNING) {
		roll_back(move, ERR_BUSY,
			  "the guest was resumed on the source as the transfer ended");
		return;
	}
	move->guest_in_doubt = false;
	move_step(move);
}

/* A resume that was with QEMU when it completed may run the guest here: then
 * what the destination has is stale. */
static bool guest_stands(struct move *move)
{
	const struct vm *vm = move_vm(move);

	if (move->saw_completed)
		return true;
	if (vm && vm_is_busy(vm))
		move->guest_in_doubt = true;
	if (!move->guest_in_doubt)
		return true;
	loop_timer_start(move->tick, BUSY_TICK_MS);
	if (is_gone(move)) {
		move->go_in_doubt = move->is_resumed;
		roll_back_if_gone(move);
	} else if (!vm_is_busy(vm) && !move->query_pending) {
		move->query_pending = true;
		move_qmp(move, "query-status", NULL, COMMAND_DEADLINE_MS, on_guest_seen);
	}
	return false;
}

/* A dead link holds QEMU's main lock in its last pass: only an out-of-band
 * command gets through (qapi/yank.json). */
static void yank_if_late(struct move *move)
{
	uint64_t waited_ms = loop_now_ms(move->moves->env.loop) - move->entered_ms;
	struct qmp_conn *conn = qemu_monitor(move_qemu(move));
	struct json_object *args, *list, *instance;

	if (waited_ms <
		    move->options.downtime_limit_ms + move->moves->env.handover_link_timeout_ms ||
	    move->yank_sent || !conn || !qmp_conn_has_oob(conn))
		return;
	move->yank_sent = true;
	args = json_object_new_object();
	list = json_object_new_array();
	instance = json_object_new_object();
	json_add_str(instance, "type", "migration");
	json_object_array_add(list, instance);
	json_object_object_add(args, "instances", list);
	move_note(move, "yank", "QEMU did not finish in %llu ms", (unsigned long long)waited_ms);
	qmp_command_oob(conn, "yank", args, COMMAND_DEADLINE_MS, NULL, NULL);
}

/* The guest has stood still for so long that somebody should know. */
static bool is_silent(const struct move *move)
{
	return move->state == MOVE_STATE_HANDOVER && move->retry_ms &&
	       loop_now_ms(move->moves->env.loop) - move->entered_ms >
		       move->moves->env.stuck_after_ms;
}

void move_src_step_handover(struct move *move)
{
	if (move->verdict == MOVE_VERDICT_TAKEN) {
		move_go_to(move, &(struct move_change){ .to = MOVE_STATE_CONFIRM });
	} else if (move->verdict == MOVE_VERDICT_REFUSED) {
		move_roll_back(move, &move->error);
	} else if (move->qemu_state == QMP_MIG_COMPLETED || move->saw_completed) {
		if (!guest_stands(move))
			return;
		note_completed(move);
		if (is_silent(move))
			move_become_stuck(move);
		else
			send_go(move);
	} else if (move->qemu_state == QMP_MIG_FAILED || move->qemu_state == QMP_MIG_CANCELLED) {
		qemu_failed(move);
	} else if (is_gone(move)) {
		/* What was seen before a restart and not yet on disk is not known. */
		move->go_in_doubt = move->is_resumed;
		roll_back_if_gone(move);
	} else {
		yank_if_late(move);
		if (!loop_timer_is_active(move->tick))
			loop_timer_start(move->tick, TICK_MS);
	}
}

/* Two claims, which only a wrong word of an operator can make: not ours to end. */
static bool is_conflict(const struct move *move)
{
	return move->error.code == ERR_CONFLICT && !move->resolved;
}

void move_src_step_stuck(struct move *move)
{
	if (!is_conflict(move))
		move_src_step_handover(move);
}

/* ---- confirm: the guest is there, ours may go --------------------------- */

/* QEMU's own account of the migration is read before it goes. */
void move_src_enter_confirm(struct move *move)
{
	move_end_stream(move);
	move_query(move);
}

void move_src_step_confirm(struct move *move)
{
	if (is_gone(move)) {
		move_go_to(move, &(struct move_change){ .to = MOVE_STATE_DONE,
							.delete_vm = move->row.vm_uuid });
	} else if (!move->query_pending && !move->asked) {
		move->asked = true;
		qemu_quit(move_qemu(move));
	}
}

/* ---- rollback: the guest is ours, the destination drops its part --------- */

static uint64_t age_ms(const struct move *move)
{
	return loop_now_ms(move->moves->env.loop) - move->entered_ms;
}

/* The guest is left as it is only when QEMU itself says no for good. */
static void on_guest_set(struct move *move, struct json_object *result, const struct err *err)
{
	(void)result;
	if (err && (err->code != ERR_QEMU || age_ms(move) < RESUME_PATIENCE_MS)) {
		move_set_reason(move, "the guest does not go on yet: %s", err->msg);
		move->query_pending = false; /* the tick looks again */
		return;
	}
	if (err)
		log_error("move", "resume", "move=%s vm=%s error=\"%s\"", move->row.id,
			  move->row.vm_name, err->msg);
	move->guest_safe = true;
	move_step(move);
}

/* Nobody but the destination may run it, until it has refused. */
static bool is_given_away(const struct move *move)
{
	return (move->saw_completed || move->qemu_state == QMP_MIG_COMPLETED) &&
	       move->verdict != MOVE_VERDICT_REFUSED;
}

/* QEMU resumes the guest itself when a transfer fails; after `completed' only we
 * may, and only with a refusal in hand. */
static void on_guest_state(struct move *move, struct json_object *result, const struct err *err)
{
	const struct vm *vm = move_vm(move);
	bool shall_run = vm && vm_intent(vm) == VM_INTENT_STARTED && !move->guest_stopped;

	if (err) {
		log_warning("move", "rollback", "move=%s error=\"%s\"", move->row.id, err->msg);
		move->query_pending = false; /* the tick asks again */
	} else if ((qmp_run_state_decode(result) == QMP_RUN_RUNNING) == shall_run) {
		move->guest_safe = true;
		move_step(move);
	} else if (!shall_run) {
		move_qmp(move, "stop", NULL, COMMAND_DEADLINE_MS, on_guest_set);
	} else if (is_given_away(move)) {
		move->query_pending = false; /* the answer to drop decides */
	} else {
		move_note(move, "resume", "the guest goes on on the source");
		move_qmp(move, "cont", NULL, COMMAND_DEADLINE_MS, on_guest_set);
	}
}

/* What is not known yet, the tick asks: an answer that asks again at once would
 * run hot while there is no monitor. */
static void make_guest_safe(struct move *move)
{
	if (is_gone(move)) {
		move->guest_safe = true;
	} else if (move->qemu_state == QMP_MIG_UNKNOWN || move->qemu_state == QMP_MIG_CANCELLING) {
		; /* the tick asks */
	} else if (move->qemu_state == QMP_MIG_ACTIVE || move->qemu_state == QMP_MIG_SETUP) {
		send_cancel(move); /* a restart in the middle of a rollback */
	} else if (!move->query_pending) {
		move->query_pending = true;
		move_qmp(move, "query-status", NULL, COMMAND_DEADLINE_MS, on_guest_state);
	}
}

static void on_dropped(struct move *move, struct json_object *result, const struct err *err)
{
	struct peer_verdict reply;
	struct err bad;

	if (err) {
		ask_again_later(move, err);
		return;
	}
	if (!peer_verdict_decode(result, &reply, &bad)) {
		ask_again_later(move, &bad);
		return;
	}
	move->answered = true;
	move->verdict =
		reply.verdict == PEER_VERDICT_TAKEN ? MOVE_VERDICT_TAKEN : MOVE_VERDICT_REFUSED;
	if (move->error.code == ERR_QEMU && reply.reason[0] && !is_gone(move))
		err_set(&move->error, ERR_QEMU, "the transfer failed; host '%s' says: %s",
			move->row.peer, reply.reason);
	move_step(move);
}

static void send_drop(struct move *move)
{
	struct json_object *body;

	if (move->asked || move->answered || loop_timer_is_active(move->retry))
		return;
	body = json_object_new_object();
	json_add_uint(body, "generation", move->row.generation);
	move->asked = true;
	move_ask_peer(move, "drop", body, DROP_DEADLINE_MS, on_dropped);
}

void move_src_enter_rollback(struct move *move)
{
	loop_timer_start(move->tick, TICK_MS);
	move->guest_safe = false;
	if (move->verdict == MOVE_VERDICT_REFUSED)
		move->answered = true;
	if (move->stream)
		stream_kill(move->stream);
	if (move->qemu_state == QMP_MIG_UNKNOWN)
		move_query(move);
}

/* The destination will ask us when it is back; but one that may have had our go
 * may have taken the guest, and then it must not be started here again. */
static bool may_end_without_answer(struct move *move)
{
	uint64_t patience_ms = move->token[0] ? DROP_PATIENCE_MS : DROP_PATIENCE_UNHEARD_MS;

	if (move->go_in_doubt || age_ms(move) < patience_ms)
		return false;
	move_note(move, "drop-unanswered", "host '%s' will ask us when it is back", move->row.peer);
	return true;
}

/* A guest whose QEMU died here after it was given away is there, and all is
 * well.  One that runs here as well is a conflict. */
static void taken_after_all(struct move *move)
{
	if (is_gone(move)) {
		move_go_to(move, &(struct move_change){ .to = MOVE_STATE_CONFIRM });
		return;
	}
	err_set(&move->error, ERR_CONFLICT,
		"host '%s' has taken the guest, and it is here too: stop one of them, then resolve",
		move->row.peer);
	move_go_to(move, &(struct move_change){ .to = MOVE_STATE_STUCK, .why = move->error.msg });
}

/* A user's resume obeys the same rule as ours. */
static void set_vm_actions(struct move *move)
{
	move->job.allowed = move_def(move, MOVE_STATE_ROLLBACK)->vm_actions;
	if (is_given_away(move) || move->qemu_state == QMP_MIG_UNKNOWN)
		move->job.allowed &= ~(1u << VM_ACTION_RESUME);
}

void move_src_step_rollback(struct move *move)
{
	bool cancelled = move->error.code == ERR_CANCELLED;

	set_vm_actions(move);
	if (!move->guest_safe)
		make_guest_safe(move);
	send_drop(move);
	if (move->verdict == MOVE_VERDICT_TAKEN) {
		taken_after_all(move);
	} else if (move->guest_safe && (move->answered || may_end_without_answer(move))) {
		move_go_to(move, &(struct move_change){ .to = cancelled ? MOVE_STATE_CANCELLED
									: MOVE_STATE_FAILED,
							.why = move->error.msg });
	} else if (!loop_timer_is_active(move->tick)) {
		loop_timer_start(move->tick, TICK_MS);
	}
}

static void note_pass(struct move *move, int64_t pass)
{
	uint64_t former_ms = downtime_for_pass(move->options.downtime_limit_ms, move->pass);

	move_note(move, "MIGRATION_PASS", "%lld", (long long)pass);
	move->pass = pass > 0 ? (uint64_t)pass : 0;
	if (downtime_for_pass(move->options.downtime_limit_ms, move->pass) != former_ms)
		move_src_apply_options(move);
}

/* ---- events ------------------------------------------------------------ */

/* A guest that stops for a reason of its own says so before the STOP, which is
 * then not QEMU's last pass (qapi/run-state.json, qapi/block-core.json). */
static bool stops_the_guest(const struct qmp_event *event)
{
	static const struct {
		const char *event, *action;
	} stops[] = {
		{ "BLOCK_IO_ERROR", "stop" },
		{ "GUEST_PANICKED", "pause" },
		{ "WATCHDOG", "pause" },
	};
	const char *action = json_get_str(event->data, "action");

	for (size_t i = 0; action && i < ARRAY_LEN(stops); i++) {
		if (strcmp(event->name, stops[i].event) == 0 &&
		    strcmp(action, stops[i].action) == 0)
			return true;
	}
	return false;
}

void move_src_event(void *data, const struct qmp_event *event)
{
	struct move *move = data;

	if (strcmp(event->name, "MIGRATION") == 0) {
		const char *status = json_get_str(event->data, "status");

		move_note(move, "MIGRATION", "%s at %lld us", status ? status : "?",
			  (long long)event->time_us);
		if (status && strcmp(status, "failed") == 0)
			move_query(move); /* the state comes with QEMU's reason */
		else
			move->qemu_state = qmp_mig_state_from_name(status ? status : "");
		if (move->qemu_state == QMP_MIG_COMPLETED)
			move_stamp(move, MOVE_STAMP_COMPLETED);
	} else if (stops_the_guest(event)) {
		move_note(move, event->name, "at %lld us", (long long)event->time_us);
		move->guest_stopped = true;
	} else if (strcmp(event->name, "STOP") == 0 && move->state == MOVE_STATE_TRANSFER &&
		   vm_intent(move_vm(move)) == VM_INTENT_STARTED && !move->guest_stopped) {
		move_note(move, "STOP", "at %lld us", (long long)event->time_us);
		move_stamp(move, MOVE_STAMP_STOPPED);
		move->saw_stop = true;
		move_lease_end(move);
	} else if (strcmp(event->name, "RESUME") == 0) {
		move_note(move, "RESUME", "at %lld us", (long long)event->time_us);
		move->guest_in_doubt = true; /* it may come after `completed' */
		move->guest_stopped = false;
	} else if (strcmp(event->name, "MIGRATION_PASS") == 0) {
		note_pass(move, json_get_int(event->data, "pass", 0));
	} else {
		move_note(move, event->name, "at %lld us", (long long)event->time_us);
	}
	move_step(move);
}
