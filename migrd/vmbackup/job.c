/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* One backup: its life, its record, and what is shown of it. */
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "vm/entry.h"
#include "vmbackup/priv.h"

#define KIND "BACKUP"

struct vmbackup *vmbackup_of(struct machine *machine)
{
	return CONTAINER_OF(machine, struct vmbackup, machine);
}

struct vm *vmbackup_vm(const struct vmbackup *backup)
{
	return vm_find_uuid(backup->backups->env.vms, backup->row.vm_uuid);
}

struct qemu *vmbackup_qemu(const struct vmbackup *backup)
{
	const struct vm *vm = vmbackup_vm(backup);

	return backup->holds_vm && vm && qemu_is_alive(vm_qemu(vm)) ? vm_qemu(vm) : NULL;
}

static const struct machine_type type;

/* ---- life ------------------------------------------------------------------------ */

static void on_tick(void *data)
{
	struct vmbackup *backup = data;

	if (backup->machine.is_saving)
		return;
	if (backup->machine.state == VMBACKUP_STATE_COPY)
		vmbackup_look_copy(backup);
	else
		vmbackup_look_end(backup);
}

void vmbackup_look_later(struct vmbackup *backup, uint32_t ms)
{
	if (backup->tick)
		loop_timer_start(backup->tick, ms);
}

struct vmbackup *vmbackup_new(struct vmbackups *backups, const char *id)
{
	struct vmbackup *backup = xnew(struct vmbackup);

	backup->backups = backups;
	backup->tick = loop_timer_new(backups->env.loop, on_tick, backup);
	machine_init(&backup->machine, &type, &backups->machines, id);
	backup->row.created_ms = clock_wall_ms();
	snprintf(backup->row.id, sizeof(backup->row.id), "%s", id);
	TAILQ_INSERT_HEAD(&backups->list, backup, link);
	return backup;
}

static void on_event(void *data, const struct qmp_event *event)
{
	vmbackup_event_copy(data, event);
}

static void on_exited(void *data)
{
	struct vmbackup *backup = data;

	machine_step(&backup->machine);
}

static void end_early(struct vmbackup *backup, const char *why)
{
	if (backup->is_cancelled)
		return;
	err_text(backup->why_cancelled, "%s", why);
	backup->is_cancelled = true;
	machine_step(&backup->machine);
}

static void give_way(void *data, const char *why)
{
	struct vmbackup *backup = data;

	if (machine_state(&backup->machine)->flags & VMBACKUP_CAN_CANCEL)
		end_early(backup, why);
}

/* What a person may do with the guest meanwhile; a stop, or the guest's own shutdown, ends QEMU and
 * so the backup. */
#define ALLOWED                                                                                  \
	(1u << VM_SYNC_STOP | 1u << VM_SYNC_PAUSE | 1u << VM_SYNC_RESUME | 1u << VM_SYNC_RESET | \
	 1u << VM_SYNC_SHUTDOWN)

bool vmbackup_hold_vm(struct vmbackup *backup, struct vm *vm, struct err *err)
{
	backup->job = (struct vm_job){
		.kind = KIND,
		.allowed = ALLOWED,
		.event = on_event,
		.exited = on_exited,
		.give_way = give_way,
		.data = backup,
	};
	memcpy(backup->job.id, backup->row.id, sizeof(backup->job.id));
	backup->holds_vm = vm_job_begin(vm, &backup->job, err);
	return backup->holds_vm;
}

/* Before 11.0 QEMU lets a guest's write fail when the old content cannot be copied, and stops the
 * guest if the disk of the target is full: now nothing is copied any more, and the write is made.
 */
static void let_go_on(struct vm *vm)
{
	bool stands = vm_is_active(vm) && vm_intent(vm) == VM_INTENT_STARTED &&
		      qemu_run_state(vm_qemu(vm)) == QMP_RUN_IO_ERROR;

	if (stands)
		vm_act(vm, VM_ACTION_RESUME, NULL, NULL);
}

void vmbackup_release_vm(struct vmbackup *backup)
{
	struct vm *vm = vmbackup_vm(backup);
	bool is_held = backup->holds_vm;

	backup->holds_vm = false;
	if (!is_held || !vm)
		return;
	vm_job_end(vm, &backup->job);
	vm = vmbackup_vm(backup);
	if (vm && !backup->backups->is_closing)
		let_go_on(vm);
}

/* ---- from state to state ------------------------------------------------------------ */

void vmbackup_go(struct vmbackup *backup, enum vmbackup_state to)
{
	machine_go_to(&backup->machine, &(struct machine_change){ .to = to });
}

void vmbackup_fail(struct vmbackup *backup, const struct err *err)
{
	bool can_fail = machine_state(&backup->machine)->next & (1u << VMBACKUP_STATE_ROLLBACK);

	if (backup->machine.is_saving || !can_fail)
		return;
	backup->error = *err;
	vmbackup_go(backup, VMBACKUP_STATE_ROLLBACK);
}

bool vmbackup_has_lost(struct vmbackup *backup)
{
	struct vm *vm = vmbackup_vm(backup);
	struct err err;

	if (backup->is_cancelled) {
		err_set(&err, ERR_CANCELLED, "%s", backup->why_cancelled);
	} else if (!vmbackup_qemu(backup)) {
		err_set(&err, ERR_QEMU, "the QEMU of VM '%s' has ended, and the backup with it",
			backup->row.vm_name);
		if (vm)
			vm_explain_end(vm, &err);
	} else {
		return false;
	}
	vmbackup_fail(backup, &err);
	return true;
}

bool vmbackup_cancel(struct vmbackup *backup, struct err *err)
{
	const struct machine_state *state = machine_state(&backup->machine);

	if (!(state->flags & VMBACKUP_CAN_CANCEL) &&
	    backup->machine.state != VMBACKUP_STATE_ROLLBACK)
		return err_set(err, ERR_TOO_LATE, "the backup is %s", state->name);
	end_early(backup, "cancelled on request");
	return true;
}

/* ---- the record ---------------------------------------------------------------------- */

#define D(member) JSON_MEMBER(struct vmbackup_detail, member)

static const struct json_field detail_fields[] = {
	{ .key = "wish", .type = JSON_OBJECT, D(wish), .fields = vmbackup_request_fields },
	{ .key = "parent", .type = JSON_STRING, D(parent) },
	{ .key = "disks",
	  .type = JSON_ARRAY,
	  JSON_MEMBERS(struct vmbackup_detail, disks, disk_count),
	  .fields = vmbackup_disk_record_fields },
	{ .key = "taken_ms", .type = JSON_INT, D(taken_ms) },
	{ .key = "was_frozen", .type = JSON_BOOL, D(was_frozen) },
	{ .key = "qemu_version", .type = JSON_STRING, D(qemu_version) },
	{ .key = "bitmaps",
	  .type = JSON_STRINGS,
	  JSON_MEMBERS(struct vmbackup_detail, bitmaps, bitmap_count) },
	{ .key = "definition", .type = JSON_ANY, D(definition) },
	{ 0 },
};

static void fill_facts(struct machine *machine)
{
	struct vmbackup *backup = vmbackup_of(machine);
	CLEANUP(json_putp) struct json_object *obj = json_encode(detail_fields, &backup->detail);

	free(backup->row.detail);
	backup->row.detail = xstrdup(json_text(obj, NULL));
}

void vmbackup_detail_decode(struct vmbackup *backup)
{
	CLEANUP(json_putp) struct json_object *obj = json_read_back(backup->row.detail);
	struct err err;

	if (!obj ||
	    !json_decode_object(obj, detail_fields, &backup->detail, JSON_IGNORE_UNKNOWN, &err))
		log_error("vmbackup", "record", "backup=%s error=%s", backup->row.id,
			  obj ? err.msg : "no detail");
}

static void fill(struct machine *machine, unsigned to)
{
	struct vmbackup *backup = vmbackup_of(machine);

	fill_facts(machine);
	machine_fill_columns(machine, to, &backup->error, MACHINE_COLUMNS(&backup->row));
}

static struct store_change row_of(struct machine *machine)
{
	return store_put_vmbackup(&vmbackup_of(machine)->row);
}

static void recorded(struct machine *machine, unsigned from, const struct machine_change *change)
{
	struct vmbackup *backup = vmbackup_of(machine);
	bool has_failed = machine->state == VMBACKUP_STATE_FAILED;

	(void)change;
	log_record(has_failed ? LOG_LEVEL_WARNING : LOG_LEVEL_INFO, "vmbackup", "state",
		   "backup=%s vm=%s from=%s to=%s why=%s", backup->row.id, backup->row.vm_name,
		   machine->is_new ? "-" : machine->type->states[from].name, backup->row.state,
		   err_is_set(&backup->error) ? backup->error.msg : "");
}

static void entering(struct machine *machine)
{
	struct vmbackup *backup = vmbackup_of(machine);

	backup->facts = (struct vmbackup_facts){ 0 };
	backup->reason[0] = '\0';
	loop_timer_stop(backup->tick);
	if (machine_is_final(machine)) {
		vmbackup_release_vm(backup);
		loop_timer_free(TAKE_PTR(backup->tick));
		machine_retire(machine);
	}
}

static void entered(struct machine *machine)
{
	struct vmbackup *backup = vmbackup_of(machine);
	vmbackup_started_fn *started = TAKE_PTR(backup->started);

	if (started)
		started(backup->started_data, backup, NULL);
	vmbackup_tell(backup);
	if (machine_is_final(machine))
		vmbackups_trim(backup->backups); /* may free it */
}

static void refused(struct machine *machine, const struct err *err)
{
	struct vmbackup *backup = vmbackup_of(machine);

	err_text(backup->reason, "cannot record state '%s', trying again: %s", backup->row.state,
		 err->msg);
	vmbackup_tell(backup);
}

static void give_up(struct machine *machine, const struct err *why)
{
	vmbackup_fail(vmbackup_of(machine), why);
}

static const struct machine_type type = {
	.name = "vmbackup",
	.states = vmbackup_states,
	.state_count = VMBACKUP_STATE_COUNT,
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

void vmbackup_tell(const struct vmbackup *backup)
{
	const struct vmbackups_env *env = &backup->backups->env;

	if (env->changed && !backup->backups->is_closing)
		env->changed(env->data, backup);
}

bool vmbackup_is_final(const struct vmbackup *backup)
{
	return machine_is_final(&backup->machine);
}

static const char *quiesced(const struct vmbackup_detail *detail)
{
	if (!detail->taken_ms)
		return NULL;
	return detail->was_frozen ? "frozen" : "not-frozen";
}

struct vmbackup_reply vmbackup_show(const struct vmbackup *backup)
{
	const struct store_vmbackup *row = &backup->row;
	const struct vmbackup_detail *detail = &backup->detail;

	return (struct vmbackup_reply){
		.id = row->id,
		.kind = KIND,
		.vm = row->vm_name,
		.vm_uuid = row->vm_uuid,
		.directory = row->directory,
		.mode = vmbackup_mode_names[detail->wish.mode],
		.parent = detail->parent[0] ? detail->parent : NULL,
		.quiesced = quiesced(detail),
		.state = machine_state(&backup->machine)->name,
		.final = vmbackup_is_final(backup),
		.can_cancel = machine_state(&backup->machine)->flags & VMBACKUP_CAN_CANCEL,
		.reason = backup->reason,
		.has_failed = err_is_set(&backup->error),
		.error = { err_name(backup->error.code), backup->error.msg },
		.disks = detail->disks,
		.disk_count = detail->disk_count,
		.taken_at = detail->taken_ms,
		.created_at = row->created_ms,
		.updated_at = row->updated_ms,
		.ended_at = row->ended_ms,
	};
}

const struct machine *vmbackup_machine(const struct vmbackup *backup)
{
	return &backup->machine;
}
