/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* How far QEMU's migration is, by its events and by query-migrate. */
#include <string.h>

#include "base/clock.h"
#include "base/json.h"
#include "base/log.h"
#include "base/mem.h"
#include "move/priv.h"
#include "move/src.h"
#include "move/src_priv.h"

#define QUERY_DEADLINE_MS 5000
/* The most that is buffered between QEMU and the network for each connection: in two sockets
 * and the stream. */
#define BUFFERED_BYTES UINT64_C(1000000)

/* ---- query-migrate --------------------------------------------------------- */

/* What is there of all that is to be sent; memory goes after the disks. */
static uint64_t percent(const struct move *move)
{
	const struct qmp_mig_info *info = &move->ram.info;
	bool is_sent = info->state == QMP_MIG_ACTIVE || info->state == QMP_MIG_POSTCOPY_ACTIVE;
	const struct vm_def *def = info->ram_total_bytes ? NULL : move_definition(move);
	uint64_t total = def ? vm_def_memory_mib(def) << 20 : info->ram_total_bytes;
	uint64_t done = 0;

	if (is_sent && info->ram_remaining_bytes <= info->ram_total_bytes)
		done = info->ram_total_bytes - info->ram_remaining_bytes;
	for (size_t i = 0; i < VM_DEF_IMAGE_MAX; i++) {
		total += move->disks.mirrors[i].total;
		done += move->disks.mirrors[i].done;
	}
	return total ? 99 * done / total : 0;
}

void move_note_percent(struct move *move)
{
	uint64_t now = percent(move);

	if (now > move->percent)
		move->percent = now;
}

static void note_progress(struct move *move)
{
	const struct qmp_mig_info *info = &move->ram.info;

	move_note_percent(move);
	if (info->ram_transferred_bytes != move->ram.moved_bytes) {
		move->ram.moved_bytes = info->ram_transferred_bytes;
		move->ram.moved_at_ms = loop_now_ms(move->moves->env.loop);
	}
}

/* QEMU tells the end of its last migration until it is told to begin another.  And one that once
 * took a guest in reports that as `completed' until it sends a guest itself
 * (fill_destination_migration_info in QEMU's migration/migration.c); only a source that is done
 * reports figures of its RAM.  With disks QEMU completes only after handover was recorded. */
static bool is_of_another(const struct move *move)
{
	bool is_complete = move->ram.info.state == QMP_MIG_COMPLETED;
	bool is_early =
		move->machine.state == MOVE_STATE_TRANSFER && transfer_plan_has_disks(move->plan);

	if (move->side != MOVE_SRC)
		return false;
	return !move->ram.may_have_begun ||
	       (is_complete && (is_early || move->ram.info.ram_total_bytes == 0));
}

/* The last pass has ended with QEMU's `completed', whenever it is asked. */
static void note_pass_figures(struct move *move)
{
	const struct qmp_mig_info *info = &move->ram.info;
	uint64_t now_us = clock_monotonic_us(), end_us = move->stamps[MOVE_STAMP_COMPLETED];
	uint64_t began_us = move->stamps[MOVE_STAMP_MIGRATE];
	bool is_end = info->state == QMP_MIG_COMPLETED;

	if (move->side != MOVE_SRC || !began_us || !info->ram_passes)
		return;
	if (is_end && end_us)
		now_us = end_us;
	if (!move->passes)
		move->passes = xnew(struct passes);
	passes_note(move->passes, &(struct passes_sample){
					  .pass = info->ram_passes,
					  .at_ms = (now_us - began_us) / 1000,
					  .sent_bytes = info->ram_transferred_bytes,
					  .left_bytes = info->ram_remaining_bytes,
					  .dirty_pages_per_s = info->ram_dirty_pages_per_s,
					  .throttle_percent = info->throttle_percent,
					  .is_end = is_end,
				  });
}

const struct move_pass *move_passes(const struct move *move, size_t *ret_count)
{
	*ret_count = move->passes ? move->passes->count : 0;
	return move->passes ? move->passes->rows : NULL;
}

static void note_info(struct move *move)
{
	if (is_of_another(move))
		move->ram.info = (struct qmp_mig_info){ .state = QMP_MIG_NONE };
	move->ram.info_us = clock_monotonic_us();
	move->ram.state = move->ram.info.state;
	if (move->ram.info.ram_passes > move->ram.pass)
		move->ram.pass = move->ram.info.ram_passes;
	note_progress(move);
	note_pass_figures(move);
}

static void on_info(struct move *move, struct json_object *result, const struct err *err)
{
	bool is_old = move->ram.is_answer_old;
	struct err bad;

	move->facts.query_pending = move->ram.is_answer_old = false;
	if (is_old)
		return; /* the tick asks again */
	if (err) {
		log_warning("move", "query", "move=%s error=%s", move->row.id, err->msg);
	} else if (!qmp_mig_info_decode(result, &move->ram.info, &bad)) {
		log_warning("move", "query", "move=%s error=%s", move->row.id, bad.msg);
	} else {
		note_info(move);
		move_converge_note(move);
		move_tell(move);
	}
	machine_step(&move->machine);
}

void move_query(struct move *move)
{
	if (move->facts.query_pending || !move_qemu(move))
		return;
	move->facts.query_pending = true;
	move_qmp(move, "query-migrate", NULL, QUERY_DEADLINE_MS, on_info);
}

/* ---- events ------------------------------------------------------------------ */

static void note_state(struct move *move, const struct qmp_event *event)
{
	const char *status = json_get_str(event->data, "status");

	move_note(move, "MIGRATION", "%s at %lld us", status ? status : "?",
		  (long long)event->time_us);
	if (move->side == MOVE_SRC && status && strcmp(status, "failed") == 0)
		move_query(move); /* the answer has the state and QEMU's reason */
	else
		move->ram.state = qmp_mig_state_from_name(status ? status : "");
	if (move->ram.state == QMP_MIG_COMPLETED)
		move_stamp(move, MOVE_STAMP_COMPLETED);
}

static void note_pass(struct move *move, int64_t pass)
{
	move_note(move, "MIGRATION_PASS", "%lld", (long long)pass);
	move->ram.pass = pass > 0 ? (uint64_t)pass : 0;
	move->ram.pass_at_ms = loop_now_ms(move->moves->env.loop);
	if (!move->facts.saw_stop && !move->facts.stop_sent)
		move_query(move); /* the figures of the pass that has ended, and what is left now */
}

bool move_ram_event(struct move *move, const struct qmp_event *event)
{
	if (strcmp(event->name, "MIGRATION") == 0)
		note_state(move, event);
	else if (move->side == MOVE_SRC && strcmp(event->name, "MIGRATION_PASS") == 0)
		note_pass(move, json_get_int(event->data, "pass", 0));
	else
		return false;
	return true;
}

/* ---- what follows from it ------------------------------------------------------ */

/* After a restart: QEMU was never told to migrate, and is not being told now. */
static bool never_began(const struct move *move)
{
	return move->machine.state == MOVE_STATE_TRANSFER && move->side == MOVE_SRC &&
	       move->machine.is_resumed && move->ram.state == QMP_MIG_NONE &&
	       !move->facts.memory_waits && !move->ram.is_begun_here &&
	       !transfer_plan_has_disks(move->plan);
}

bool move_ram_has_started(const struct move *move)
{
	return move->ram.moved_at_ms > 0;
}

/* On the destination when the state of the devices is loaded.  On the source from the moment at
 * which its QEMU cannot have the guest back: before 11.0 when it has sent that state, since then
 * (postcopy-device comes before) when the destination has loaded it.  In postcopy-device a QEMU
 * that loses its connection fails, so the destination must not run the guest yet. */
static bool is_switched(const struct move *move)
{
	enum qmp_mig_state state = move->ram.state;

	return state == QMP_MIG_POSTCOPY_ACTIVE || state == QMP_MIG_POSTCOPY_PAUSED ||
	       state == QMP_MIG_POSTCOPY_RECOVER_SETUP || state == QMP_MIG_POSTCOPY_RECOVER;
}

enum move_part_progress move_ram_progress(const struct move *move)
{
	bool is_cancelled = move->side == MOVE_SRC && move->ram.state == QMP_MIG_CANCELLED;

	if (move->ram.state == QMP_MIG_FAILED || is_cancelled || never_began(move))
		return MOVE_PART_BROKEN;
	if (move->ram.state == QMP_MIG_COMPLETED)
		return MOVE_PART_DONE;
	if (is_switched(move))
		return MOVE_PART_SWITCHED;
	if (move->ram.state == QMP_MIG_PRE_SWITCHOVER || move->ram.state == QMP_MIG_DEVICE ||
	    move->facts.saw_stop)
		return MOVE_PART_LAST;
	return MOVE_PART_FLOWS;
}

/* With a low bandwidth limit the stream may be busy for long with what QEMU gave it at once,
 * so the time for that is added. */
bool move_is_stalled_since(const struct move *move, uint64_t buffered_bytes, uint64_t since_ms)
{
	uint64_t rate = move_limit_bytes_per_s(move);
	uint64_t allowed_ms = MOVE_STALL_MS + (rate ? buffered_bytes * 1000 / rate : 0);

	return loop_now_ms(move->moves->env.loop) - since_ms > allowed_ms;
}

static bool is_stalled(const struct move *move)
{
	return move_is_stalled_since(move, BUFFERED_BYTES * transfer_plan_connections(move->plan),
				     move->ram.moved_at_ms);
}

void move_ram_step(struct move *move)
{
	if (move->machine.state != MOVE_STATE_TRANSFER || !move_ram_has_started(move))
		return;
	if (move->ram.cut_at_ms)
		move_ram_cancel(move); /* until QEMU notices */
	if (!is_stalled(move) || err_is_set(&move->error))
		return;
	err_set(&move->error, ERR_TIMEOUT, "no data went to host '%s' for %d s", move->row.peer,
		MOVE_STALL_MS / 1000);
	move_ram_cancel(move);
}
