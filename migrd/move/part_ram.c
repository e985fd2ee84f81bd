/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The guest's memory and the state of its devices: what `migrate' sends. */
#include <string.h>

#include "base/json.h"
#include "base/log.h"
#include "base/mem.h"
#include "move/disks.h"
#include "move/priv.h"
#include "move/src.h"
#include "move/src_priv.h"
#include "qmp/run_state.h"

/* How long a cancel waits for QEMU: less than who asked for it waits (api/moves.c). */
#define CANCEL_DEADLINE_MS 5000
/* A QEMU that writes to a closed socket hears of it at once, and one whose bandwidth is limited
 * writes ten times a second. */
#define CUT_MAX_MS 3000

/* QEMU has no word for "no limit"; its own default is 128 MiB/s
 * (migration/options.c), far below any link. */

/* ---- may it be moved? ------------------------------------------------------ */

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
		move_parts_next(move);
	}
}

static void ask_blockers(struct move *move)
{
	move_qmp(move, "query-migrate", NULL, COMMAND_DEADLINE_MS, on_blockers);
}

/* A guest that did not run when it was sent, and came back at the end of its move, is left so by
 * QEMU, which sends it again only after it has run (migrate_prepare in migration/migration.c).
 * Before 10.0 that is also what a move leaves that ended in pre-switchover. */
static void on_status(struct move *move, struct json_object *result, const struct err *err)
{
	if (err)
		move_roll_back(move, err);
	else if (qmp_run_state_decode(result) == QMP_RUN_POSTMIGRATE)
		move_give_up(move, ERR_CONFLICT,
			     "the guest has not run since a move of it came back at its end, and "
			     "QEMU sends "
			     "it again only after it has run: resume it first, and pause it again "
			     "if it shall not run");
	else
		move_parts_next(move);
}

static void ask_status(struct move *move)
{
	move_qmp(move, "query-status", NULL, COMMAND_DEADLINE_MS, on_status);
}

/* Before 9.0 TCG does not see all that a running guest writes between two passes
 * (findings/tcg-before-9.0-loses-writes-in-a-live-move.sh); KVM does. */
static void note_lost_writes(struct move *move)
{
	const struct vm_def *def = move_definition(move);
	const struct qemu *qemu = move_qemu(move);
	const struct qmp_version *version = qemu ? qemu_version(qemu) : NULL;

	if (!move->facts.stopped && def && def->accel == VM_DEF_ACCEL_TCG && version &&
	    version->major < 9) {
		move_note(move, "may-lose-writes",
			  "QEMU %d.%d without KVM may lose what a guest writes while it is moved: "
			  "pause it first, or use QEMU 9.0",
			  version->major, version->minor);
		log_warning("move", "may-lose-writes", "move=%s vm=%s qemu=%d.%d accel=tcg",
			    move->row.id, move->row.vm_name, version->major, version->minor);
	}
	move_parts_next(move);
}

/* ---- QEMU gets ready --------------------------------------------------------- */

/* NULL: its QEMU has not told what it offers. */
static const struct transfer_features *features_here(const struct move *move)
{
	const struct qemu *qemu = move_qemu(move);

	return qemu ? qemu_migration_features(qemu) : NULL;
}

static uint64_t max_bandwidth(const struct move *move)
{
	if (move->facts.limit_lowered_ms)
		return MOVE_BANDWIDTH_ONE_PAGE;
	if (move->facts.limit_lifted || !move_limit_bytes_per_s(move))
		return MOVE_BANDWIDTH_UNLIMITED;
	return move_limit_bytes_per_s(move);
}

static struct json_object *parameters(struct move *move)
{
	struct json_object *args = json_object_new_object();

	json_add_uint(args, "max-bandwidth", max_bandwidth(move));
	move_converge_add_parameters(move, args);
	return args;
}

static void on_applied(struct move *move, struct json_object *result, const struct err *err)
{
	(void)result;
	if (err)
		move_set_reason(move, "QEMU did not take the new limits: %s", err->msg);
	if (err && err->code != ERR_QEMU)
		move->converge.limit_ms =
			0; /* it may not have been heard: the next look tells it again */
}

/* A QEMU that is forced stops the guest by itself: its stream has no limit from then on, also if
 * this coordinator dies before it sees that, and QEMU is deaf to the next one. */
void move_src_apply_options(struct move *move)
{
	if (move->machine.state == MOVE_STATE_TRANSFER && move->stream && !move->facts.saw_stop &&
	    !move->disks.is_lifted)
		stream_set_bandwidth(move->stream,
				     move->facts.forced ? 0 : move_limit_bytes_per_s(move));
	if (move->machine.state == MOVE_STATE_TRANSFER)
		move_qmp(move, "migrate-set-parameters", parameters(move), COMMAND_DEADLINE_MS,
			 on_applied);
	else
		move->share.is_to_apply = true;
}

static void on_set(struct move *move, struct json_object *result, const struct err *err)
{
	(void)result;
	if (err)
		move_roll_back(move, err);
	else
		move_parts_next(move);
}

static void on_schema(struct move *move, struct json_object *result, const struct err *err)
{
	struct qemu *qemu = move_qemu(move);

	if (!err && qemu)
		qemu_note_schema(qemu, result);
	else if (err)
		log_warning("move", "schema", "move=%s error=%s", move->row.id, err->msg);
	move_parts_next(move);
}

/* How this QEMU is spoken to.  It is known of a program that was asked before its start; a
 * QEMU that an earlier coordinator started, or that was taken over, may be of another. */
static void learn_schema(struct move *move)
{
	struct qemu *qemu = move_qemu(move);

	if (qemu && qemu_knows_schema(qemu))
		move_parts_next(move);
	else
		move_qmp(move, "query-qmp-schema", NULL, COMMAND_DEADLINE_MS, on_schema);
}

static void set_capabilities(struct move *move)
{
	struct json_object *args = transfer_plan_capabilities(move->plan, features_here(move));

	if (args)
		move_qmp(move, "migrate-set-capabilities", args, COMMAND_DEADLINE_MS, on_set);
	else
		move_parts_next(move);
}

static void set_parameters(struct move *move)
{
	struct json_object *args = parameters(move);

	transfer_plan_add_parameters(move->plan, TRANSFER_SOURCE, features_here(move), args);
	move_qmp(move, "migrate-set-parameters", args, COMMAND_DEADLINE_MS, on_set);
}

/* Before QEMU listens: the number of channels is how many connections may queue. */
static void set_plan_parameters(struct move *move)
{
	struct json_object *args = json_object_new_object();

	transfer_plan_add_parameters(move->plan, TRANSFER_DESTINATION, features_here(move), args);
	if (json_object_object_length(args)) {
		move_qmp(move, "migrate-set-parameters", args, COMMAND_DEADLINE_MS, on_set);
	} else {
		json_object_put(args);
		move_parts_next(move);
	}
}

static void send_address(struct move *move, const char *command, move_answer_fn *fn)
{
	CLEANUP(free_charp) char *path = move_channel_path(move, TRANSFER_CHANNEL_RAM);

	move_qmp(move, command, transfer_address(features_here(move), path), COMMAND_DEADLINE_MS,
		 fn);
}

static void listen_for_source(struct move *move)
{
	send_address(move, "migrate-incoming", on_set);
}

/* ---- it is sent ---------------------------------------------------------------- */

static void on_migrate(struct move *move, struct json_object *result, const struct err *err)
{
	(void)result;
	if (!err)
		return;
	log_warning("move", "migrate", "move=%s error=%s", move->row.id, err->msg);
	move->error = *err;
	move->ram.state = QMP_MIG_FAILED;
	machine_step(&move->machine);
}

static void begin(struct move *move)
{
	move->ram.moved_at_ms = loop_now_ms(move->moves->env.loop);
	move->ram.is_answer_old = move->facts.query_pending;
	move->ram.may_have_begun = true;
	move->ram.is_begun_here = true;
	move_measure_memory(move);
	send_address(move, "migrate", on_migrate);
}

/* The record that memory begins, on its way to the disk. */
struct beginning {
	struct moves *moves;
	char id[ID_UUID_SIZE];
};

static void on_recorded(void *data, const struct err *err)
{
	struct beginning *beginning = data;
	struct move *move = moves_find(beginning->moves, beginning->id);

	free(beginning);
	if (!move)
		return;
	move->ram.is_recording = false;
	if (err)
		move->facts.memory_waits = true; /* the tick tries again */
	else if (move->machine.state == MOVE_STATE_TRANSFER && !move->machine.is_saving)
		begin(move);
}

/* After a restart nothing else would tell that QEMU was told to begin: it keeps the end of its last
 * migration, which may be that of an earlier move. */
static void begin_when_recorded(struct move *move)
{
	struct beginning *beginning = xnew(struct beginning);

	beginning->moves = move->moves;
	memcpy(beginning->id, move->row.id, sizeof(beginning->id));
	move->ram.is_recording = true;
	move->ram.is_begun_here = true;
	move->facts.memory_waits = false;
	if (transfer_plan_has_disks(move->plan))
		move_src_disks_note_vars(move);
	machine_save_for(&move->machine, on_recorded, beginning);
}

/* The record of an older migrd does not tell that memory waited for disks. */
static bool is_left_to_us(const struct move *move)
{
	return !move->machine.is_resumed ||
	       (transfer_plan_has_disks(move->plan) && move->ram.state == QMP_MIG_NONE);
}

static void start(struct move *move)
{
	move->ram.is_due = true;
	if (move->facts.memory_waits) {
		begin_when_recorded(move);
	} else if (is_left_to_us(move)) {
		if (transfer_plan_has_disks(move->plan))
			move_src_disks_note_vars(move);
		begin(move);
	} else {
		move->ram.moved_at_ms = loop_now_ms(move->moves->env.loop);
		move_query(move);
		move_src_apply_options(move); /* QEMU may not have got them yet */
	}
}

static void step(struct move *move)
{
	if (move->ram.is_due && move->facts.memory_waits && !move->ram.is_recording &&
	    !move->machine.is_saving && move->machine.state == MOVE_STATE_TRANSFER)
		begin_when_recorded(move);
	move_ram_step(move);
}

static void on_continued(struct move *move, struct json_object *result, const struct err *err)
{
	(void)result;
	if (err)
		move_note(move, "migrate-continue", "%s", err->msg);
	if (err && err->code == ERR_QEMU)
		move_query(move);
	if (err)
		move->ram.is_continued = false; /* the tick tries again */
}

/* All that goes beside QEMU's migration is there. */
static void go_on(struct move *move)
{
	struct json_object *args;

	if (move->ram.is_continued || move->ram.state != QMP_MIG_PRE_SWITCHOVER)
		return;
	move->ram.is_continued = true;
	args = json_object_new_object();
	json_add_str(args, "state", "pre-switchover");
	move_qmp(move, "migrate-continue", args, COMMAND_DEADLINE_MS, on_continued);
}

void move_ram_resume(struct move *move, move_answer_fn *fn)
{
	CLEANUP(free_charp) char *path = move_channel_path(move, TRANSFER_CHANNEL_RAM);
	struct json_object *args = transfer_address(features_here(move), path);

	json_add_bool(args, "resume", true);
	move_qmp(move, "migrate", args, COMMAND_DEADLINE_MS, fn);
}

/* QEMU knows this command only with `uri'. */
void move_ram_await_source(struct move *move, move_answer_fn *fn)
{
	CLEANUP(free_charp) char *path = move_channel_path(move, TRANSFER_CHANNEL_RAM);
	CLEANUP(free_charp) char *uri = xasprintf("unix:%s", path);
	struct json_object *args = json_object_new_object();

	json_add_str(args, "uri", uri);
	move_qmp_oob(move, "migrate-recover", args, COMMAND_DEADLINE_MS, fn);
}

/* QEMU may never answer: the rollback ends the stream, without which nothing arrives, and lets a
 * user stop the guest. */
static void end_unheard(struct move *move)
{
	struct err err;

	if (move->facts.cancel_requested)
		err_set(&err, ERR_CANCELLED, "cancelled on request");
	else
		err = move->error; /* of a stall */
	move_roll_back(move, &err);
}

/* QEMU has switched, or has sent all: an end of its connection would only hurt the guest that runs
 * on the destination. */
static bool is_past_cancel(const struct move *move)
{
	return move->facts.switch_wanted || move->facts.saw_completed;
}

static void on_cancel_answered(struct move *move, struct json_object *result, const struct err *err)
{
	(void)result;
	if (err)
		log_warning("move", "cancel", "move=%s error=%s", move->row.id, err->msg);
	if (err && err->code != ERR_QEMU)
		move->facts.cancel_sent = false; /* it may not have been heard */
	if (!move->facts.cancel_sent && move->machine.state == MOVE_STATE_HANDOVER &&
	    !is_past_cancel(move))
		move_src_yank(move, "QEMU does not answer a cancel");
	if (!move->facts.cancel_sent && move->machine.state == MOVE_STATE_TRANSFER)
		end_unheard(move);
	else
		move_query(move);
}

/* A QEMU before 10.0 that hears `migrate_cancel' just when it begins its last pass gives its images
 * up, and lets the guest run on without them (qemu_may_lack_images()).  One that loses its
 * connection takes them back before the guest runs (migration_completion in its
 * migration/migration.c, at `fail').  Not so over several connections, where a thread that sends
 * says first that it has failed; and with disks QEMU looks for a cancel before it gives them up
 * (migration_maybe_pause). */
static bool is_cut_to_cancel(const struct move *move)
{
	const struct transfer_features *here = features_here(move);
	bool is_sent = move->machine.state == MOVE_STATE_TRANSFER ||
		       move->machine.state == MOVE_STATE_ROLLBACK || move_is_calling_back(move);

	return is_sent && move->stream && here && !here->cancel_keeps_images && move->plan &&
	       transfer_plan_connections(move->plan) == 1 && !transfer_plan_has_disks(move->plan);
}

/* False: QEMU does not notice, and is to be told. */
static bool cut(struct move *move)
{
	const uint64_t now_ms = loop_now_ms(move->moves->env.loop);

	if (!move->ram.cut_at_ms) {
		move->ram.cut_at_ms = now_ms;
		move_note(move, "cut", "QEMU loses its connection, as a cancel");
		stream_kill(move->stream);
	}
	return now_ms - move->ram.cut_at_ms < CUT_MAX_MS;
}

void move_ram_cancel(struct move *move)
{
	if (move->facts.cancel_sent ||
	    (move->machine.state == MOVE_STATE_TRANSFER && !move_ram_has_started(move)))
		return;
	if (is_cut_to_cancel(move) && cut(move))
		return; /* the tick looks again */
	move->facts.cancel_sent = true;
	move_qmp(move, "migrate_cancel", NULL, CANCEL_DEADLINE_MS, on_cancel_answered);
}

/* By migrd-stream (stream/deadman.h). */
static bool is_let_go(const struct move *move, const char *link)
{
	return (link && strcmp(link, STREAM_LET_GO) == 0) ||
	       (move->ram.state == QMP_MIG_CANCELLED && !move->facts.cancel_sent &&
		transfer_plan_has_disks(move->plan));
}

bool move_ram_was_let_go(const struct move *move, struct err *ret_why)
{
	if (!is_let_go(move, move_stream_fault(move)))
		return false;
	err_set(ret_why, ERR_UNAVAILABLE,
		"this coordinator was away while the guest stood still, so the guest was let run "
		"on here");
	return true;
}

static void qemu_failed(struct move *move)
{
	bool has_words = move->ram.info.error[0] != '\0';
	const char *link = move_stream_fault(move);
	enum move_blame blame = has_words ? MOVE_BLAME_QEMU : MOVE_BLAME_SILENT;
	struct err err;

	if (move->facts.cancel_requested) {
		blame = MOVE_BLAME_NONE;
		err_set(&err, ERR_CANCELLED, "cancelled on request");
	} else if (move_ram_was_let_go(move, &err)) {
		blame = MOVE_BLAME_NONE; /* nothing that the others say explains it better */
	} else if (link) {
		blame = MOVE_BLAME_STREAM; /* QEMU's error only tells of its socket to it */
		err_set(&err, ERR_PEER, "the data connection to host '%s' broke: %s",
			move->row.peer, link);
	} else {
		err_set(&err, ERR_QEMU, "QEMU gave the transfer up: %s",
			has_words ? move->ram.info.error : "it does not say why");
	}
	if (!err_is_set(&move->error))
		move->blame = blame;
	move_roll_back(move, &err);
}

/* After a restart: it is asked, and says why QEMU lost its connection. */
static bool is_stream_unheard(const struct move *move)
{
	return move->machine.is_resumed && move->stream && !move->facts.stream_started &&
	       !move->facts.stream_gone;
}

bool move_ram_is_unheard(const struct move *move)
{
	return is_stream_unheard(move) ||
	       (move->machine.is_resumed && move->machine.state == MOVE_STATE_TRANSFER &&
		move->ram.state == QMP_MIG_NONE);
}

static void give_up(struct move *move)
{
	if (is_stream_unheard(move))
		return; /* its answer, or that there is none, steps the machine */
	if (move->ram.state == QMP_MIG_NONE)
		move_give_up(move, ERR_UNAVAILABLE,
			     "the coordinator was restarted before the start");
	else
		qemu_failed(move);
}

const struct move_part move_part_ram = {
	.name = "ram",
	.steps = { [MOVE_SRC] = { [MOVE_PHASE_CHECK] = { ask_status, ask_blockers, note_lost_writes,
							 learn_schema },
				  [MOVE_PHASE_PREPARE] = { set_capabilities, set_parameters } },
		   [MOVE_DST] = { [MOVE_PHASE_PREPARE] = { learn_schema, set_capabilities,
							   set_plan_parameters,
							   listen_for_source } } },
	.start = start,
	.step = step,
	.event = move_ram_event,
	.settle = go_on,
	.progress = move_ram_progress,
	.cancel = move_ram_cancel,
	.give_up = give_up,
};
