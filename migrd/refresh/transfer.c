/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A refresh in transfer: how it goes, and what the record waits for. */
#include <inttypes.h>
#include <string.h>

#include "refresh/priv.h"
#include "vm/entry.h"
#include "vm/swap.h"

/* Of a transfer, and of the guest's stillness in it, which takes some 10 ms and on a busy host a
 * second; both grow with memory that is copied. */
#define TRANSFER_MS 60000
#define STILL_MS    10000
/* After so many passes the guest is stopped, so that one that changes its memory faster than it is
 * copied arrives too. */
#define PASSES_RUNNING 5

/* ---- how it goes ------------------------------------------------------------------ */

static void on_stopped(struct refresh *refresh, struct json_object *result, const struct err *err)
{
	(void)result;
	refresh->facts.is_stopped = !err;
}

static bool wants_stop(const struct refresh *refresh)
{
	return !refresh->facts.is_stopped && refresh->info.ram_passes > PASSES_RUNNING &&
	       refresh->facts.seen[REFRESH_SIDE_VM].migration == QMP_MIG_ACTIVE &&
	       qemu_run_state(refresh_qemu(refresh)) == QMP_RUN_RUNNING;
}

static void on_vm_info(struct refresh *refresh, struct json_object *result, const struct err *err)
{
	refresh_note_migration(refresh, REFRESH_SIDE_VM, result, err);
	refresh_tell(refresh);
	if (wants_stop(refresh))
		refresh_ask(refresh, REFRESH_SIDE_VM, "stop", NULL, on_stopped);
	else
		machine_step(&refresh->machine);
}

static void on_beside_info(struct refresh *refresh, struct json_object *result,
			   const struct err *err)
{
	refresh_note_migration(refresh, REFRESH_SIDE_BESIDE, result, err);
	machine_step(&refresh->machine);
}

static bool can_ask(const struct refresh *refresh, enum refresh_side side)
{
	const struct refresh_seen *seen = &refresh->facts.seen[side];

	return seen->has_begun && !seen->is_asked;
}

/* Events tell sooner; they are lost with a monitor. */
static void look_at_transfer(struct refresh *refresh)
{
	if (can_ask(refresh, REFRESH_SIDE_VM))
		refresh_ask(refresh, REFRESH_SIDE_VM, "query-migrate", NULL, on_vm_info);
	else if (!refresh->facts.seen[REFRESH_SIDE_VM].is_asked && refresh->facts.tries)
		refresh_tell_vm(refresh);
	if (can_ask(refresh, REFRESH_SIDE_BESIDE) && refresh->is_beside_ready)
		refresh_ask(refresh, REFRESH_SIDE_BESIDE, "query-migrate", NULL, on_beside_info);
	machine_step(&refresh->machine);
}

void refresh_look_forward(struct refresh *refresh)
{
	if (refresh->machine.state == REFRESH_STATE_TRANSFER && refresh_qemu(refresh)) {
		refresh_look_later(refresh, REFRESH_LOOK_MS);
		look_at_transfer(refresh);
	} else if (refresh->machine.state == REFRESH_STATE_SWITCHED) {
		refresh_look_switched(refresh);
	} else {
		machine_step(&refresh->machine);
	}
}

/* By the clock of the host, which both QEMUs have.  A guest with taps may stand still twice. */
static void note_stillness(struct refresh *refresh, enum refresh_side side,
			   const struct qmp_event *event)
{
	struct refresh_detail *detail = &refresh->detail;

	if (side != REFRESH_SIDE_VM)
		return;
	if (strcmp(event->name, "STOP") == 0 && refresh->machine.state <= REFRESH_STATE_TRANSFER) {
		refresh->stop_us = event->time_us;
	} else if (strcmp(event->name, "RESUME") == 0 && refresh->stop_us) {
		detail->has_blackout = true;
		detail->blackout_ms += (event->time_us - refresh->stop_us + 999) / 1000;
		refresh->stop_us = 0;
	}
}

void refresh_event(struct refresh *refresh, enum refresh_side side, const struct qmp_event *event)
{
	const char *status = json_get_str(event->data, "status");

	note_stillness(refresh, side, event);
	if (refresh->machine.is_saving || machine_is_final(&refresh->machine))
		return;
	if (strcmp(event->name, "MIGRATION") == 0 && status) {
		refresh->facts.seen[side].migration = qmp_mig_state_from_name(status);
		machine_step(&refresh->machine);
	}
}

/* ---- both are asked again --------------------------------------------------------- */

static bool has_all(const struct refresh *refresh, enum refresh_side side)
{
	return refresh->facts.seen[side].migration == QMP_MIG_COMPLETED;
}

static void note_checked(struct refresh *refresh, enum refresh_side side, enum qmp_run_state run,
			 const struct err *err)
{
	struct err why;

	if (!err && has_all(refresh, side) && run != QMP_RUN_RUNNING && run != QMP_RUN_INMIGRATE) {
		refresh->facts.seen[side].is_checked = true;
		machine_step(&refresh->machine);
		return;
	}
	err_set(&why, ERR_QEMU, "the %s QEMU has not got as far as it had said: %s",
		side == REFRESH_SIDE_VM ? "old" : "new", err ? err->msg : qmp_run_state_name(run));
	refresh_fail(refresh, &why);
}

static void on_vm_status(struct refresh *refresh, struct json_object *result, const struct err *err)
{
	enum qmp_run_state run = err ? QMP_RUN_UNKNOWN : qmp_run_state_decode(result);

	if (!err)
		vm_note_run_state(refresh_vm(refresh), run);
	note_checked(refresh, REFRESH_SIDE_VM, run, err);
}

static void on_beside_status(struct refresh *refresh, struct json_object *result,
			     const struct err *err)
{
	enum qmp_run_state run = err ? QMP_RUN_UNKNOWN : qmp_run_state_decode(result);

	if (!err)
		qemu_note_run_state(refresh->beside, run);
	note_checked(refresh, REFRESH_SIDE_BESIDE, run, err);
}

static void on_vm_again(struct refresh *refresh, struct json_object *result, const struct err *err)
{
	refresh_note_migration(refresh, REFRESH_SIDE_VM, result, err);
	refresh_ask(refresh, REFRESH_SIDE_VM, "query-status", NULL, on_vm_status);
}

static void on_beside_again(struct refresh *refresh, struct json_object *result,
			    const struct err *err)
{
	refresh_note_migration(refresh, REFRESH_SIDE_BESIDE, result, err);
	refresh_ask(refresh, REFRESH_SIDE_BESIDE, "query-status", NULL, on_beside_status);
}

static void check_both(struct refresh *refresh)
{
	const struct refresh_seen *seen = refresh->facts.seen;

	if (refresh->facts.is_checking || seen[REFRESH_SIDE_VM].is_asked ||
	    seen[REFRESH_SIDE_BESIDE].is_asked)
		return;
	refresh->facts.is_checking = true;
	refresh_ask(refresh, REFRESH_SIDE_VM, "query-migrate", NULL, on_vm_again);
	refresh_ask(refresh, REFRESH_SIDE_BESIDE, "query-migrate", NULL, on_beside_again);
}

static void switch_over(struct refresh *refresh)
{
	struct vm *vm = refresh_vm(refresh);
	const struct proc_id old = qemu_proc_id(vm_qemu(vm));
	struct store_vm row = vm_swapped_row(vm, qemu_proc_id(refresh->beside));

	refresh->detail.pid = old.pid;
	refresh->detail.start_time = old.start_time;
	refresh_go(refresh, REFRESH_STATE_SWITCHED,
		   &(struct store_change){ STORE_VM, STORE_PUT, &row });
}

static bool fail_if_failed(struct refresh *refresh)
{
	struct err err;

	for (int side = 0; side < REFRESH_SIDE_COUNT; side++) {
		enum qmp_mig_state state = refresh->facts.seen[side].migration;

		if (state != QMP_MIG_FAILED && state != QMP_MIG_CANCELLED)
			continue;
		err_set(&err, ERR_QEMU, "the %s QEMU could not %s the guest (its migration is %s)",
			side == REFRESH_SIDE_VM ? "old" : "new",
			side == REFRESH_SIDE_VM ? "give away" : "take over",
			qmp_mig_state_name(state));
		vm_explain_beside(refresh_vm(refresh), &err);
		refresh_fail(refresh, &err);
		return true;
	}
	return false;
}

static bool fail_if_slow(struct refresh *refresh)
{
	uint64_t now = loop_now_ms(refresh->refreshes->env.loop);
	struct err err;
	const struct vm_def *def = vm_def_of(refresh_vm(refresh), &err);
	uint64_t mib = def ? vm_def_memory_mib(def) : 0;
	uint64_t still_ms = STILL_MS + mib * refresh_way(refresh)->still_ms_per_mib;

	if (refresh->stop_us && !refresh->facts.stopped_ms)
		refresh->facts.stopped_ms = now;
	if (!refresh->facts.stopped_ms || now - refresh->facts.stopped_ms < still_ms)
		return refresh_fail_if_late(refresh,
					    TRANSFER_MS +
						    mib * refresh_way(refresh)->transfer_ms_per_mib,
					    "the new QEMU has not got the guest");
	err_set(&err, ERR_TIMEOUT, "the guest has stood still for %" PRIu64 " s", still_ms / 1000);
	refresh_fail(refresh, &err);
	return true;
}

void refresh_step_transfer(struct machine *machine)
{
	struct refresh *refresh = refresh_of(machine);
	struct refresh_seen *vm = &refresh->facts.seen[REFRESH_SIDE_VM];
	struct refresh_seen *beside = &refresh->facts.seen[REFRESH_SIDE_BESIDE];

	if (refresh_fail_if_cancelled(refresh) || refresh_fail_if_gone(refresh))
		return;
	if (vm->is_checked && beside->is_checked)
		switch_over(refresh);
	else if (vm->has_begun && has_all(refresh, REFRESH_SIDE_VM) &&
		 has_all(refresh, REFRESH_SIDE_BESIDE) && refresh_tpm_is_synced(refresh))
		check_both(refresh);
	else if ((vm->has_begun && fail_if_failed(refresh)) || fail_if_slow(refresh))
		;
	else if (vm->has_begun && refresh->is_beside_ready && !refresh->facts.is_beside_told)
		refresh_begin_beside(refresh);
}
