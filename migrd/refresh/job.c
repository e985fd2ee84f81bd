/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* One refresh: its life, its record, and what is shown of it. */
#include <inttypes.h>
#include <stddef.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "refresh/priv.h"
#include "vm/entry.h"
#include "vm/swap.h"

#define KIND "REFRESH"

struct refresh *refresh_of(struct machine *machine)
{
	return (struct refresh *)(void *)((char *)machine - offsetof(struct refresh, machine));
}

struct vm *refresh_vm(const struct refresh *refresh)
{
	return vm_find_uuid(refresh->refreshes->env.vms, refresh->row.vm_uuid);
}

struct qemu *refresh_qemu(const struct refresh *refresh)
{
	const struct vm *vm = refresh_vm(refresh);

	return vm && qemu_is_alive(vm_qemu(vm)) ? vm_qemu(vm) : NULL;
}

static const struct machine_type type;

/* ---- life ------------------------------------------------------------------------ */

static void on_tick(void *data)
{
	struct refresh *refresh = data;

	if (refresh->machine.is_saving)
		return;
	if (refresh->machine.state == REFRESH_STATE_ROLLBACK)
		refresh_look_back(refresh);
	else
		refresh_look_forward(refresh);
}

void refresh_look_later(struct refresh *refresh, uint32_t ms)
{
	if (refresh->tick)
		loop_timer_start(refresh->tick, ms);
}

struct refresh *refresh_new(struct refreshes *refreshes, const char *id)
{
	struct refresh *refresh = xnew(struct refresh);

	refresh->refreshes = refreshes;
	refresh->tick = loop_timer_new(refreshes->env.loop, on_tick, refresh);
	machine_init(&refresh->machine, &type, &refreshes->machines, id);
	refresh->row.created_ms = clock_wall_ms();
	snprintf(refresh->row.id, sizeof(refresh->row.id), "%s", id);
	TAILQ_INSERT_HEAD(&refreshes->list, refresh, link);
	return refresh;
}

static void on_event(void *data, const struct qmp_event *event)
{
	refresh_event(data, REFRESH_SIDE_VM, event);
}

static void on_exited(void *data)
{
	struct refresh *refresh = data;

	machine_step(&refresh->machine);
}

/* A stop ends both QEMUs.  In a rollback the new one goes first: if the old one were gone and it
 * not, a restart would leave it alone (refresh/back.c). */
static uint32_t allowed(const struct refresh *refresh)
{
	unsigned flags = machine_state(&refresh->machine)->flags;
	bool is_certain =
		refresh->machine.state != REFRESH_STATE_ROLLBACK || refresh->is_beside_gone;

	return (flags & REFRESH_MAY_RESUME ? 1u << VM_SYNC_RESUME : 0) |
	       (flags & REFRESH_MAY_STOP && is_certain ? 1u << VM_SYNC_STOP : 0);
}

void refresh_allow(struct refresh *refresh)
{
	refresh->job.allowed = allowed(refresh);
}

bool refresh_hold_vm(struct refresh *refresh, struct vm *vm, struct err *err)
{
	refresh->job = (struct vm_job){
		.kind = KIND,
		.allowed = allowed(refresh),
		.event = on_event,
		.exited = on_exited,
		.data = refresh,
	};
	memcpy(refresh->job.id, refresh->row.id, sizeof(refresh->job.id));
	refresh->holds_vm = vm_job_begin(vm, &refresh->job, err);
	return refresh->holds_vm;
}

/* A guest that a rollback could not let go on is tried again, as after a restart. */
static void let_go_on(struct vm *vm)
{
	bool stands = vm_is_active(vm) && vm_intent(vm) == VM_INTENT_STARTED &&
		      qemu_run_state(vm_qemu(vm)) != QMP_RUN_RUNNING;

	if (stands)
		vm_act(vm, VM_ACTION_RESUME, NULL, NULL);
}

void refresh_release_vm(struct refresh *refresh)
{
	struct vm *vm = refresh_vm(refresh);
	bool is_held = refresh->holds_vm;

	refresh->holds_vm = false;
	if (!is_held || !vm)
		return;
	vm_job_end(vm, &refresh->job);
	vm = refresh_vm(refresh);
	if (vm && !refresh->refreshes->is_closing)
		let_go_on(vm);
}

/* ---- the QEMU beside ----------------------------------------------------------------- */

static void on_beside_exited(void *data)
{
	struct refresh *refresh = data;

	refresh->is_beside_gone = true;
	machine_step(&refresh->machine);
}

static void note_version(const struct qemu *qemu, char *ret, size_t size)
{
	const struct qmp_version *version = qemu ? qemu_version(qemu) : NULL;

	if (version)
		snprintf(ret, size, "%d.%d.%d", version->major, version->minor, version->micro);
}

static void on_beside_ready(void *data, const struct err *err)
{
	struct refresh *refresh = data;

	if (!err) {
		refresh->is_beside_ready = true;
		note_version(refresh->beside, refresh->detail.to_version,
			     sizeof(refresh->detail.to_version));
	} else if (qemu_is_alive(refresh->beside)) {
		refresh_fail(refresh, err);
		return;
	} else {
		refresh->is_beside_gone = true;
	}
	machine_step(&refresh->machine);
}

static void on_beside_event(void *data, const struct qmp_event *event)
{
	refresh_event(data, REFRESH_SIDE_BESIDE, event);
}

/* Its events were lost for a while. */
static void on_beside_found(void *data)
{
	refresh_look_later(data, 0);
}

struct qemu_callbacks refresh_beside_callbacks(struct refresh *refresh)
{
	return (struct qemu_callbacks){ on_beside_ready, on_beside_event, on_beside_exited,
					on_beside_found, refresh };
}

/* ---- from state to state ------------------------------------------------------------ */

void refresh_go(struct refresh *refresh, enum refresh_state to, const struct store_change *with)
{
	struct machine_change change = { .to = to };

	if (with)
		change.with[0] = *with;
	machine_go_to(&refresh->machine, &change);
}

void refresh_fail(struct refresh *refresh, const struct err *err)
{
	if (refresh->machine.is_saving || refresh->machine.state > REFRESH_STATE_TRANSFER)
		return;
	refresh->error = *err;
	refresh_go(refresh, REFRESH_STATE_ROLLBACK, NULL);
}

bool refresh_cancel(struct refresh *refresh, struct err *err)
{
	const struct machine *machine = &refresh->machine;
	bool can_end = machine->state == REFRESH_STATE_ROLLBACK ||
		       (machine_state(machine)->flags & REFRESH_CAN_CANCEL);

	if (!can_end)
		return err_set(err, ERR_TOO_LATE, "the job is %s", machine_state(machine)->name);
	if (machine->is_saving && machine->target == REFRESH_STATE_SWITCHED)
		return err_set(err, ERR_TOO_LATE, "the new QEMU has the guest");
	refresh->is_cancelled = true;
	machine_step(&refresh->machine);
	return true;
}

/* ---- the record ---------------------------------------------------------------------- */

#define D(member) JSON_MEMBER(struct refresh_detail, member)

#define TAP(member) JSON_MEMBER(struct net_tap_settings, member)

static const struct json_field tap_fields[] = {
	{ .key = "header_bytes", .type = JSON_UINT, TAP(header_bytes) },
	{ .key = "offloads", .type = JSON_UINT, TAP(offloads) },
	{ 0 },
};

static const struct json_field detail_fields[] = {
	{ .key = "way", .type = JSON_ENUM, .names = refresh_way_names, D(way) },
	{ .key = "pid", .type = JSON_INT, D(pid) },
	{ .key = "start_time", .type = JSON_UINT, D(start_time) },
	{ .key = "blackout_ms",
	  .type = JSON_INT,
	  D(blackout_ms),
	  .present_offset = offsetof(struct refresh_detail, has_blackout) },
	{ .key = "from_version", .type = JSON_STRING, D(from_version) },
	{ .key = "to_version", .type = JSON_STRING, D(to_version) },
	{ .key = "taps",
	  .type = JSON_ARRAY,
	  JSON_MEMBERS(struct refresh_detail, taps.list, taps.count),
	  .fields = tap_fields },
	{ 0 },
};

static void fill_facts(struct machine *machine)
{
	struct refresh *refresh = refresh_of(machine);
	CLEANUP(json_putp)
	struct json_object *obj = json_encode(detail_fields, &refresh->detail);

	free(refresh->row.detail);
	refresh->row.detail = xstrdup(json_text(obj, NULL));
}

void refresh_detail_decode(struct refresh *refresh)
{
	CLEANUP(json_putp) struct json_object *obj = json_read_back(refresh->row.detail);
	struct err err;

	if (!obj ||
	    !json_decode_object(obj, detail_fields, &refresh->detail, JSON_IGNORE_UNKNOWN, &err))
		log_error("refresh", "record", "refresh=%s error=%s", refresh->row.id,
			  obj ? err.msg : "no detail");
}

static void fill(struct machine *machine, unsigned to)
{
	struct refresh *refresh = refresh_of(machine);

	fill_facts(machine);
	machine_fill_columns(machine, to, &refresh->error, MACHINE_COLUMNS(&refresh->row));
}

static struct store_change row_of(struct machine *machine)
{
	return store_put_refresh(&refresh_of(machine)->row);
}

/* The record names the new QEMU as the VM's. */
static void swap(struct refresh *refresh)
{
	const struct qemu_callbacks cb = refresh_beside_callbacks(refresh);
	struct vm *vm = refresh_vm(refresh);

	refresh->beside = vm_swap_qemu(vm, refresh->beside, &cb);
	refresh->is_beside_gone = !qemu_is_alive(refresh->beside);
}

static void recorded(struct machine *machine, unsigned from, const struct machine_change *change)
{
	struct refresh *refresh = refresh_of(machine);
	bool has_failed = machine->state == REFRESH_STATE_FAILED;

	(void)change;
	if (machine->state == REFRESH_STATE_SWITCHED)
		swap(refresh);
	log_record(has_failed ? LOG_LEVEL_WARNING : LOG_LEVEL_INFO, "refresh", "state",
		   "refresh=%s vm=%s from=%s to=%s blackout_ms=%" PRId64 " why=%s", refresh->row.id,
		   refresh->row.vm_name, machine->is_new ? "-" : machine->type->states[from].name,
		   refresh->row.state, refresh->detail.blackout_ms,
		   err_is_set(&refresh->error) ? refresh->error.msg : "");
}

static void entering(struct machine *machine)
{
	struct refresh *refresh = refresh_of(machine);

	refresh->facts = (struct refresh_facts){ 0 };
	refresh->facts.seen[REFRESH_SIDE_VM].migration = QMP_MIG_UNKNOWN;
	refresh->facts.seen[REFRESH_SIDE_BESIDE].migration = QMP_MIG_UNKNOWN;
	refresh->reason[0] = '\0';
	refresh_allow(refresh);
	loop_timer_stop(refresh->tick);
	if (machine_is_final(machine)) {
		qemu_free(TAKE_PTR(refresh->beside));
		probe_free(TAKE_PTR(refresh->probe));
		refresh_release_vm(refresh);
		loop_timer_free(TAKE_PTR(refresh->tick));
		machine_retire(machine);
	}
}

static void entered(struct machine *machine)
{
	struct refresh *refresh = refresh_of(machine);
	refresh_started_fn *started = TAKE_PTR(refresh->started);

	if (started)
		started(refresh->started_data, refresh, NULL);
	refresh_tell(refresh);
	if (machine_is_final(machine))
		refreshes_trim(refresh->refreshes); /* may free it */
}

static void refused(struct machine *machine, const struct err *err)
{
	struct refresh *refresh = refresh_of(machine);

	err_text(refresh->reason, "cannot record state '%s', trying again: %s", refresh->row.state,
		 err->msg);
	refresh_tell(refresh);
}

static void give_up(struct machine *machine, const struct err *why)
{
	refresh_fail(refresh_of(machine), why);
}

static const struct machine_type type = {
	.name = "refresh",
	.states = refresh_states,
	.state_count = REFRESH_STATE_COUNT,
	.fill = fill,
	.fill_facts = fill_facts,
	.row = row_of,
	.recorded = recorded,
	.entering = entering,
	.entered = entered,
	.refused = refused,
	.give_up = give_up,
	.has_no_timeline = true,
};

/* ---- what is shown -------------------------------------------------------------------- */

void refresh_tell(const struct refresh *refresh)
{
	const struct refreshes_env *env = &refresh->refreshes->env;

	if (env->changed && !refresh->refreshes->is_closing)
		env->changed(env->data, refresh);
}

bool refresh_is_final(const struct refresh *refresh)
{
	return machine_is_final(&refresh->machine);
}

struct refresh_reply refresh_show(const struct refresh *refresh)
{
	const struct store_refresh *row = &refresh->row;
	const struct refresh_detail *detail = &refresh->detail;

	return (struct refresh_reply){
		.id = row->id,
		.kind = KIND,
		.vm = row->vm_name,
		.vm_uuid = row->vm_uuid,
		.emulator = row->emulator,
		.way = refresh_way_names[detail->way],
		.from_version = detail->from_version,
		.to_version = detail->to_version[0] ? detail->to_version : NULL,
		.state = machine_state(&refresh->machine)->name,
		.final = refresh_is_final(refresh),
		.can_cancel = machine_state(&refresh->machine)->flags & REFRESH_CAN_CANCEL,
		.reason = refresh->reason,
		.has_failed = err_is_set(&refresh->error),
		.error = { err_name(refresh->error.code), refresh->error.msg },
		.progress = { refresh->info.ram_total_bytes, refresh->info.ram_remaining_bytes,
			      refresh->info.ram_transferred_bytes },
		.has_blackout = detail->has_blackout,
		.blackout_ms = (uint64_t)detail->blackout_ms,
		.created_at = row->created_ms,
		.updated_at = row->updated_ms,
		.ended_at = row->ended_ms,
	};
}

const struct machine *refresh_machine(const struct refresh *refresh)
{
	return &refresh->machine;
}
