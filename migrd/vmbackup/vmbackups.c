/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* All backups of this host: how they begin, and how a restart finds them. */
#include <stdio.h>
#include <string.h>

#include "base/log.h"
#include "base/mem.h"
#include "vm/entry.h"
#include "vmbackup/priv.h"

#define THREADS 4 /* so that one target that hangs does not keep the others */

/* ---- the list ------------------------------------------------------------------- */

struct vmbackup *vmbackups_find(struct vmbackups *backups, const char *id)
{
	struct machine *machine = machines_find(&backups->machines, id);

	return machine ? vmbackup_of(machine) : NULL;
}

struct vmbackup *vmbackups_first(struct vmbackups *backups)
{
	return TAILQ_FIRST(&backups->list);
}

struct vmbackup *vmbackup_next(const struct vmbackup *backup)
{
	return TAILQ_NEXT(backup, link);
}

static void vmbackup_free(struct vmbackup *backup)
{
	vmbackup_started_fn *started = TAKE_PTR(backup->started);
	struct err err;

	TAILQ_REMOVE(&backup->backups->list, backup, link);
	if (started) {
		err_set(&err, ERR_CANCELLED, "this coordinator is stopping");
		started(backup->started_data, NULL, &err);
	}
	machine_fini(&backup->machine);
	loop_timer_free(backup->tick);
	json_object_put(backup->detail.definition);
	store_vmbackup_fini(&backup->row);
	free(backup);
}

static struct vmbackup *first_ended(struct vmbackups *backups, size_t *ret_count)
{
	struct vmbackup *backup, *first = NULL;

	*ret_count = 0;
	TAILQ_FOREACH(backup, &backups->list, link)
	{
		if (!vmbackup_is_final(backup))
			continue;
		++*ret_count;
		if (!first || machine_goes_before(&backup->machine, backup->row.ended_ms,
						  &first->machine, first->row.ended_ms))
			first = backup;
	}
	return first;
}

void vmbackups_trim(struct vmbackups *backups)
{
	struct vmbackup *backup;
	size_t count;

	while ((backup = first_ended(backups, &count)) && count > STORE_VMBACKUPS_MAX)
		vmbackup_free(backup);
}

/* ---- life ------------------------------------------------------------------------ */

struct vmbackups *vmbackups_new(const struct vmbackups_env *env)
{
	struct vmbackups *backups = xnew(struct vmbackups);

	backups->env = *env;
	backups->machines.loop = env->loop;
	backups->machines.store = env->store;
	TAILQ_INIT(&backups->list);
	backups->worker = worker_new(env->loop, "vmbackups", THREADS);
	return backups;
}

void vmbackups_clear(struct vmbackups *backups)
{
	if (!backups)
		return;
	backups->is_closing = true;
	for (struct vmbackup *backup = vmbackups_first(backups), *next; backup; backup = next) {
		next = vmbackup_next(backup);
		vmbackup_release_vm(backup);
		vmbackup_free(backup);
	}
}

void vmbackups_free(struct vmbackups *backups)
{
	if (!backups)
		return;
	vmbackups_clear(backups);
	worker_free(backups->worker);
	free(backups);
}

/* ---- after a restart ---------------------------------------------------------------- */

void vmbackups_add_row(struct vmbackups *backups, struct store_vmbackup *row)
{
	struct vmbackup *backup = vmbackup_new(backups, row->id);
	unsigned state;

	store_vmbackup_fini(&backup->row);
	backup->row = *row;
	machines_note_end(&backups->machines, row->ended_ms);
	state = machine_state_of_name(backup->machine.type, row->state);
	/* A state of a later version: rolled back, which removes only what this backup has made. */
	backup->machine.state = state == VMBACKUP_STATE_COUNT ? VMBACKUP_STATE_ROLLBACK : state;
	if (row->error_code[0])
		err_set(&backup->error, err_from_name(row->error_code), "%s", row->error_text);
	vmbackup_detail_decode(backup);
	if (!vmbackup_is_final(backup)) {
		backup->machine.is_dormant = true;
		return;
	}
	loop_timer_free(TAKE_PTR(backup->tick));
	machine_retire(&backup->machine);
}

static void recover(struct vmbackup *backup)
{
	struct vm *vm = vmbackup_vm(backup);
	struct err err;

	if (vm && !vmbackup_hold_vm(backup, vm, &err))
		log_error("vmbackup", "recover", "backup=%s error=%s", backup->row.id, err.msg);
	log_info("vmbackup", "recovered", "backup=%s vm=%s state=%s", backup->row.id,
		 backup->row.vm_name, backup->row.state);
	err_set(&err, ERR_UNAVAILABLE, "the coordinator of host '%s' was restarted in %s",
		backup->backups->env.host_id, backup->row.state);
	machine_restart(&backup->machine, &err);
}

void vmbackups_recover(struct vmbackups *backups)
{
	for (struct vmbackup *backup = vmbackups_first(backups), *next; backup; backup = next) {
		next = vmbackup_next(backup);
		if (!vmbackup_is_final(backup))
			recover(backup);
	}
}

/* ---- how they begin -------------------------------------------------------------------- */

/* A look at the target before a job is made. */
struct look {
	struct work work;
	struct vmbackups *backups;
	char uuid[ID_UUID_SIZE];
	struct vmbackup_request wish;
	char *dirs;
	bool ok;
	struct err err;
	vmbackup_started_fn *started;
	vm_done_fn *tried; /* not NULL: only look */
	void *data;
};

static void end_look(struct look *look, const struct err *err)
{
	if (look->tried)
		look->tried(look->data, err);
	else if (err)
		look->started(look->data, NULL, err);
	free(look->dirs);
	free(look);
}

static bool make(struct look *look, struct vm *vm, struct err *err)
{
	const struct qmp_version *version = qemu_version(vm_qemu(vm));
	char id[ID_UUID_SIZE];
	struct vmbackup *backup;

	id_uuid_new(id);
	backup = vmbackup_new(look->backups, id);
	snprintf(backup->row.vm_uuid, sizeof(backup->row.vm_uuid), "%s", vm_uuid(vm));
	snprintf(backup->row.vm_name, sizeof(backup->row.vm_name), "%s", vm_name(vm));
	backup->row.directory = xstrdup(look->wish.target.directory);
	backup->detail.wish = look->wish;
	backup->detail.definition = json_read_back(vm_definition(vm));
	if (version)
		snprintf(backup->detail.qemu_version, sizeof(backup->detail.qemu_version),
			 "%d.%d.%d", version->major, version->minor, version->micro);
	if (!vmbackup_hold_vm(backup, vm, err)) {
		vmbackup_free(backup);
		return false;
	}
	backup->started = look->started;
	backup->started_data = look->data;
	machine_begin(&backup->machine, &(struct machine_change){ .to = VMBACKUP_STATE_BEGIN });
	return true;
}

/* Nobody else speaks to QEMU at the moment in which the job begins. */
static void on_entered(void *data, struct vm_entry *entry, const struct err *err)
{
	struct look *look = data;
	struct vm *vm = entry ? vm_entry_vm(entry) : NULL;
	struct err why;
	bool is_made = false;

	if (vm && vm_is_active(vm))
		is_made = make(look, vm, &why);
	else if (err)
		why = *err;
	else
		err_set(&why, ERR_CONFLICT, "the VM does not run any more");
	if (entry)
		vm_leave(entry);
	end_look(look, is_made ? NULL : &why);
}

static bool check_disks(struct vm *vm, const struct vmbackup_request *wish, struct err *err)
{
	struct vmbackup_detail *detail = xnew(struct vmbackup_detail);
	const struct vm_def *def = vm_def_of(vm, err);
	bool ok = def && vmbackup_look_at(def, wish, NULL, detail, err);

	free(detail);
	return ok;
}

static bool check(struct look *look, struct vm *vm, struct err *err)
{
	if (look->backups->is_closing)
		return err_set(err, ERR_UNAVAILABLE, "this coordinator is stopping");
	if (!vm)
		return err_set(err, ERR_NOT_FOUND, "the VM is gone");
	if (!vm_is_active(vm))
		return err_set(err, ERR_CONFLICT,
			       "VM '%s' is %s, and only a guest that runs or is paused can be "
			       "backed "
			       "up: of a stopped VM copy the images (qemu-img convert)",
			       vm_name(vm), vm_state(vm));
	if (!check_disks(vm, &look->wish, err))
		return false;
	if (!look->ok)
		*err = look->err;
	return look->ok;
}

static void run_look(struct work *work)
{
	struct look *look = CONTAINER_OF(work, struct look, work);

	look->ok =
		vmbackup_files_check_blocking(look->dirs, look->wish.target.directory, &look->err);
}

static void on_looked(struct work *work)
{
	struct look *look = CONTAINER_OF(work, struct look, work);
	struct vm *vm = vm_find_uuid(look->backups->env.vms, look->uuid);
	struct err err;

	if (!check(look, vm, &err))
		end_look(look, &err);
	else if (look->tried)
		end_look(look, vm_may_enter(vm, VM_SYNC_JOB, &err) ? NULL : &err);
	else
		vm_enter(vm, VM_SYNC_JOB, VM_ENTRY_USUAL, on_entered, look);
}

static void look_at_target(struct vmbackups *backups, const struct vm *vm,
			   const struct vmbackup_request *wish, vmbackup_started_fn *started,
			   vm_done_fn *tried, void *data)
{
	struct look *look = xnew(struct look);

	*look = (struct look){
		.work = { .run = run_look, .done = on_looked },
		.backups = backups,
		.wish = *wish,
		.dirs = backups->env.dirs ? xstrdup(backups->env.dirs) : NULL,
		.started = started,
		.tried = tried,
		.data = data,
	};
	snprintf(look->uuid, sizeof(look->uuid), "%s", vm_uuid(vm));
	worker_submit(backups->worker, &look->work);
}

void vmbackups_begin(struct vmbackups *backups, struct vm *vm, const struct vmbackup_request *wish,
		     vmbackup_started_fn *started, void *data)
{
	look_at_target(backups, vm, wish, started, NULL, data);
}

void vmbackups_try(struct vmbackups *backups, const struct vm *vm,
		   const struct vmbackup_request *wish, vm_done_fn *tried, void *data)
{
	look_at_target(backups, vm, wish, NULL, tried, data);
}
