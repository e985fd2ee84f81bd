/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* One save or restore: its life, its record, and what is shown of it. */
#include <stddef.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "save/priv.h"
#include "vm/entry.h"

static const char *const kind_names[] = { [SAVE_OUT] = "SAVE", [SAVE_IN] = "RESTORE" };

struct save *save_of(struct machine *machine)
{
	return (struct save *)(void *)((char *)machine - offsetof(struct save, machine));
}

struct vm *save_vm(const struct save *save)
{
	return vm_find_uuid(save->saves->env.vms, save->row.vm_uuid);
}

struct qemu *save_qemu(const struct save *save)
{
	const struct vm *vm = save_vm(save);

	return vm && qemu_is_alive(vm_qemu(vm)) ? vm_qemu(vm) : NULL;
}

static const struct machine_type *type_of(enum save_kind kind);

/* ---- life ------------------------------------------------------------------------ */

static void on_tick(void *data)
{
	struct save *save = data;

	if (save->machine.is_saving)
		return;
	if (save->kind == SAVE_OUT)
		save_out_look(save);
	else
		save_in_look(save);
}

void save_look_later(struct save *save, uint32_t ms)
{
	if (save->tick)
		loop_timer_start(save->tick, ms);
}

struct save *save_new(struct saves *saves, enum save_kind kind, const char *id)
{
	struct save *save = xnew(struct save);

	save->saves = saves;
	save->kind = kind;
	save->fd = -1;
	save->tick = loop_timer_new(saves->env.loop, on_tick, save);
	machine_init(&save->machine, type_of(kind), &saves->machines, id);
	save->row.created_ms = clock_wall_ms();
	snprintf(save->row.id, sizeof(save->row.id), "%s", id);
	snprintf(save->row.kind, sizeof(save->row.kind), "%s", kind_names[kind]);
	TAILQ_INSERT_HEAD(&saves->list, save, link);
	return save;
}

static void on_event(void *data, const struct qmp_event *event)
{
	struct save *save = data;

	if (strcmp(event->name, "MIGRATION") == 0 || strcmp(event->name, "MIGRATION_PASS") == 0)
		save_look_later(save, 0);
	save_disks_event(save, event);
}

static void on_exited(void *data)
{
	struct save *save = data;

	machine_step(&save->machine);
}

static uint32_t allowed(const struct save *save)
{
	unsigned flags = machine_state(&save->machine)->flags;

	return (flags & SAVE_MAY_RESUME ? 1u << VM_SYNC_RESUME : 0) |
	       (flags & SAVE_MAY_STOP ? 1u << VM_SYNC_STOP : 0);
}

bool save_hold_vm(struct save *save, struct vm *vm, struct err *err)
{
	save->job = (struct vm_job){
		.kind = kind_names[save->kind],
		.allowed = allowed(save),
		.event = on_event,
		.exited = on_exited,
		.data = save,
	};
	memcpy(save->job.id, save->row.id, sizeof(save->job.id));
	save->holds_vm = vm_job_begin(vm, &save->job, err);
	return save->holds_vm;
}

/* A guest that a rollback could not let go on is tried again, as after a restart. */
static void let_go_on(struct vm *vm)
{
	bool stands = vm_is_active(vm) && vm_intent(vm) == VM_INTENT_STARTED &&
		      qemu_run_state(vm_qemu(vm)) != QMP_RUN_RUNNING;

	if (stands)
		vm_act(vm, VM_ACTION_RESUME, NULL, NULL);
}

void save_release_vm(struct save *save)
{
	struct vm *vm = save_vm(save);
	bool is_held = save->holds_vm;

	save->holds_vm = false;
	if (!is_held || !vm)
		return;
	vm_job_end(vm, &save->job);
	vm = save_vm(save);
	if (vm && !save->saves->is_closing && save->kind == SAVE_OUT)
		let_go_on(vm);
}

/* ---- from state to state ------------------------------------------------------------ */

void save_go(struct save *save, enum save_state to, const struct store_change *with)
{
	struct machine_change change = { .to = to };

	if (with)
		change.with[0] = *with;
	machine_go_to(&save->machine, &change);
}

void save_fail(struct save *save, const struct err *err)
{
	if (save->machine.is_saving || save->machine.state == SAVE_STATE_ROLLBACK ||
	    machine_is_final(&save->machine))
		return;
	if (err)
		save->error = *err;
	else
		err_set(&save->error, ERR_NOT_FOUND, "the VM is gone");
	save_go(save, SAVE_STATE_ROLLBACK, NULL);
}

bool save_cancel(struct save *save, struct err *err)
{
	if (!(machine_state(&save->machine)->flags & SAVE_CAN_CANCEL) &&
	    save->machine.state != SAVE_STATE_ROLLBACK)
		return err_set(err, ERR_TOO_LATE, "the job is %s",
			       machine_state(&save->machine)->name);
	save->is_cancelled = true;
	machine_step(&save->machine);
	return true;
}

/* ---- the record ---------------------------------------------------------------------- */

#define D(member) JSON_MEMBER(struct save_detail, member)

static const struct json_field detail_fields[] = {
	{ .key = "id", .type = JSON_STRING, D(head.id) },
	{ .key = "generation", .type = JSON_UINT, D(head.generation) },
	{ .key = "qemu_version", .type = JSON_STRING, D(head.qemu_version) },
	{ .key = "machine", .type = JSON_STRING, D(head.machine) },
	{ .key = "mode",
	  .type = JSON_ENUM,
	  .names = save_file_mode_names,
	  D(head.mode),
	  .present_offset = offsetof(struct save_detail, has_mode) },
	{ .key = "runs", .type = JSON_BOOL, D(head.runs) },
	{ .key = "live", .type = JSON_BOOL, D(head.live) },
	{ .key = "saved_at", .type = JSON_INT, D(head.saved_at) },
	{ .key = "disks",
	  .type = JSON_ARRAY,
	  JSON_MEMBERS(struct save_detail, head.disks, head.disk_count),
	  .fields = save_disk_fields },
	{ .key = "definition", .type = JSON_ANY, D(head.definition) },
	{ .key = "replaces", .type = JSON_BOOL, D(former.is_there) },
	{ .key = "former", .type = JSON_STRING, D(former.id) },
	{ .key = "paused", .type = JSON_BOOL, D(wish.paused) },
	{ .key = "remove", .type = JSON_BOOL, D(wish.remove) },
	{ .key = "stale_disks_ok", .type = JSON_BOOL, D(wish.stale_disks_ok) },
	{ .key = "boot_id", .type = JSON_STRING, D(boot_id) },
	{ .key = "was_marked", .type = JSON_BOOL, D(was_marked) },
	{ .key = "marked", .type = JSON_BOOL, D(marked) },
	{ 0 },
};

static void fill_facts(struct machine *machine)
{
	struct save *save = save_of(machine);
	CLEANUP(json_putp) struct json_object *obj = json_encode(detail_fields, &save->detail);

	free(save->row.detail);
	save->row.detail = xstrdup(json_text(obj, NULL));
}

void save_detail_decode(struct save *save)
{
	CLEANUP(json_putp) struct json_object *obj = json_read_back(save->row.detail);
	struct save_file *head = &save->detail.head;
	struct err err;

	if (!obj ||
	    !json_decode_object(obj, detail_fields, &save->detail, JSON_IGNORE_UNKNOWN, &err))
		log_error("save", "record", "save=%s error=%s", save->row.id,
			  obj ? err.msg : "no detail");
	snprintf(head->vm, sizeof(head->vm), "%s", save->row.vm_name);
	snprintf(head->uuid, sizeof(head->uuid), "%s", save->row.vm_uuid);
	snprintf(head->host, sizeof(head->host), "%s", save->saves->env.host_id);
	snprintf(save->detail.wish.file, sizeof(save->detail.wish.file), "%s", save->row.path);
}

static void fill(struct machine *machine, unsigned to)
{
	struct save *save = save_of(machine);

	fill_facts(machine);
	machine_fill_columns(machine, to, &save->error, MACHINE_COLUMNS(&save->row));
}

static struct store_change row(struct machine *machine)
{
	return store_put_save(&save_of(machine)->row);
}

static void answer(struct save *save)
{
	save_started_fn *started = TAKE_PTR(save->started);

	if (started)
		started(save->started_data, save, NULL);
}

struct vm_saved save_outcome(const struct save *save)
{
	bool runs = save->detail.head.runs && !save->detail.wish.paused;

	if (save->kind == SAVE_OUT)
		return (struct vm_saved){ .intent = VM_INTENT_STOPPED,
					  .id = save->row.id,
					  .path = save->row.path };
	return (struct vm_saved){ .intent = runs ? VM_INTENT_STARTED : VM_INTENT_PAUSED,
				  .id = "",
				  .has_arrived = true };
}

static void recorded(struct machine *machine, unsigned from, const struct machine_change *change)
{
	struct save *save = save_of(machine);
	bool has_failed = machine->state == SAVE_STATE_FAILED;
	struct vm *vm = save_vm(save);

	(void)change;
	log_record(has_failed ? LOG_LEVEL_WARNING : LOG_LEVEL_INFO, "save", "state",
		   "save=%s kind=%s vm=%s from=%s to=%s why=%s", save->row.id, save->row.kind,
		   save->row.vm_name, machine->is_new ? "-" : machine->type->states[from].name,
		   save->row.state, err_is_set(&save->error) ? save->error.msg : "");
	if (vm && (machine->state == SAVE_STATE_END || machine->state == SAVE_STATE_RUN)) {
		const struct vm_saved saved = save_outcome(save);

		vm_set_saved(vm, &saved);
	}
}

static void entering(struct machine *machine)
{
	struct save *save = save_of(machine);

	save->facts = (struct save_facts){ .migration = QMP_MIG_UNKNOWN };
	save->reason[0] = '\0';
	save->job.allowed = allowed(save);
	free(TAKE_PTR(save->disks));
	if (save->tick)
		loop_timer_stop(save->tick);
	if (machine_is_final(machine)) {
		save_release_vm(save);
		loop_timer_free(TAKE_PTR(save->tick));
		machine_retire(machine);
	}
}

static void entered(struct machine *machine)
{
	struct save *save = save_of(machine);

	answer(save);
	save_tell(save);
	if (machine_is_final(machine))
		saves_trim(save->saves); /* may free it */
}

static void refused(struct machine *machine, const struct err *err)
{
	struct save *save = save_of(machine);

	err_text(save->reason, "cannot record state '%s', trying again: %s", save->row.state,
		 err->msg);
	save_tell(save);
}

static void give_up(struct machine *machine, const struct err *why)
{
	save_fail(save_of(machine), why);
}

#define HOOKS                                                                                \
	.state_count = SAVE_STATE_COUNT, .fill = fill, .fill_facts = fill_facts, .row = row, \
	.recorded = recorded, .entering = entering, .entered = entered, .refused = refused,  \
	.give_up = give_up, .has_no_timeline = true

static const struct machine_type *type_of(enum save_kind kind)
{
	static const struct machine_type types[] = {
		[SAVE_OUT] = { .name = "save.out", .states = save_out_states, HOOKS },
		[SAVE_IN] = { .name = "save.in", .states = save_in_states, HOOKS },
	};

	return &types[kind];
}

/* ---- what is shown -------------------------------------------------------------------- */

void save_tell(const struct save *save)
{
	if (save->saves->env.changed && !save->saves->is_closing)
		save->saves->env.changed(save->saves->env.data, save);
}

bool save_is_final(const struct save *save)
{
	return machine_is_final(&save->machine);
}

struct save_reply save_show(const struct save *save)
{
	const struct store_save *row_of = &save->row;

	return (struct save_reply){
		.id = row_of->id,
		.kind = row_of->kind,
		.vm = row_of->vm_name,
		.vm_uuid = row_of->vm_uuid,
		.file = row_of->path,
		.state = machine_state(&save->machine)->name,
		.mode = save->detail.has_mode ? save_file_mode_names[save->detail.head.mode] : NULL,
		.live = save->detail.head.live,
		.final = save_is_final(save),
		.can_cancel = machine_state(&save->machine)->flags & SAVE_CAN_CANCEL,
		.reason = save->reason,
		.has_failed = err_is_set(&save->error),
		.error = { err_name(save->error.code), save->error.msg },
		.progress = { save->info.ram_total_bytes, save->info.ram_remaining_bytes,
			      save->info.ram_transferred_bytes },
		.disks = save->detail.head.disks,
		.disk_count = save->detail.head.disk_count,
		.created_at = row_of->created_ms,
		.updated_at = row_of->updated_ms,
		.ended_at = row_of->ended_ms,
	};
}

const struct machine *save_machine(const struct save *save)
{
	return &save->machine;
}
