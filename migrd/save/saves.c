/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* All saves and restores of this host: how they begin, and how a restart finds them. */
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/proc.h"
#include "save/priv.h"
#include "vm/admission.h"
#include "vm/entry.h"
#include "wire/vm_def_memory.h"

/* ---- the list ------------------------------------------------------------------- */

struct save *saves_find(struct saves *saves, const char *id)
{
	struct machine *machine = machines_find(&saves->machines, id);

	return machine ? save_of(machine) : NULL;
}

struct save *saves_first(struct saves *saves)
{
	return TAILQ_FIRST(&saves->list);
}

struct save *save_next(const struct save *save)
{
	return TAILQ_NEXT(save, link);
}

static void save_free(struct save *save)
{
	save_started_fn *started = TAKE_PTR(save->started);
	struct err err;

	TAILQ_REMOVE(&save->saves->list, save, link);
	if (started) {
		err_set(&err, ERR_CANCELLED, "this coordinator is stopping");
		started(save->started_data, NULL, &err);
	}
	machine_fini(&save->machine);
	loop_timer_free(save->tick);
	closep(&save->fd);
	save_file_fini(&save->detail.head);
	free(save->disks);
	store_save_fini(&save->row);
	free(save);
}

static struct save *first_ended(struct saves *saves, size_t *ret_count)
{
	struct save *save, *first = NULL;

	*ret_count = 0;
	TAILQ_FOREACH(save, &saves->list, link)
	{
		if (!save_is_final(save))
			continue;
		++*ret_count;
		if (!first || machine_goes_before(&save->machine, save->row.ended_ms,
						  &first->machine, first->row.ended_ms))
			first = save;
	}
	return first;
}

void saves_trim(struct saves *saves)
{
	struct save *save;
	size_t count;

	while ((save = first_ended(saves, &count)) && count > STORE_SAVES_MAX)
		save_free(save);
}

/* ---- life ------------------------------------------------------------------------ */

uint64_t save_memory_mib(struct vm *vm)
{
	struct err ignored;
	const struct vm_def *def = vm ? vm_def_of(vm, &ignored) : NULL;

	return def ? vm_def_ordinary_memory_mib(def) : 0;
}

static uint64_t promised_mib(void *data)
{
	struct saves *saves = data;
	uint64_t sum = 0;

	for (struct save *save = saves_first(saves); save; save = save_next(save)) {
		enum save_state state = save->machine.state;

		if (save->kind == SAVE_IN &&
		    (state == SAVE_STATE_BEGIN || state == SAVE_STATE_DISKS ||
		     state == SAVE_STATE_LOAD || state == SAVE_STATE_CLAIM))
			sum += save_memory_mib(save_vm(save));
	}
	return sum;
}

struct saves *saves_new(const struct saves_env *env)
{
	struct saves *saves = xnew(struct saves);

	saves->env = *env;
	saves->machines.loop = env->loop;
	saves->machines.store = env->store;
	TAILQ_INIT(&saves->list);
	saves->worker = worker_new(env->loop, "saves", 2);
	vms_count_promises(env->vms, promised_mib, saves);
	return saves;
}

void saves_clear(struct saves *saves)
{
	if (!saves)
		return;
	saves->is_closing = true;
	for (struct save *save = TAILQ_FIRST(&saves->list), *next; save; save = next) {
		next = TAILQ_NEXT(save, link);
		save_release_vm(save);
		save_free(save);
	}
}

void saves_free(struct saves *saves)
{
	if (!saves)
		return;
	saves_clear(saves);
	worker_free(saves->worker);
	free(saves);
}

/* ---- after a restart ---------------------------------------------------------------- */

void saves_add_row(struct saves *saves, struct store_save *row)
{
	enum save_kind kind = strcmp(row->kind, "SAVE") == 0 ? SAVE_OUT : SAVE_IN;
	struct save *save = save_new(saves, kind, row->id);
	unsigned state;

	store_save_fini(&save->row);
	save->row = *row;
	machines_note_end(&saves->machines, row->ended_ms);
	state = machine_state_of_name(save->machine.type, row->state);
	/* A state of a later version: rolled back, which changes nothing of a guest that runs. */
	save->machine.state = state == SAVE_STATE_COUNT ? SAVE_STATE_ROLLBACK : state;
	if (row->error_code[0])
		err_set(&save->error, err_from_name(row->error_code), "%s", row->error_text);
	save_detail_decode(save);
	if (!save_is_final(save)) {
		save->machine.is_dormant = true;
		return;
	}
	loop_timer_free(TAKE_PTR(save->tick));
	machine_retire(&save->machine);
}

static void recover(struct save *save)
{
	struct vm *vm = save_vm(save);
	struct err err;

	if (vm && !save_hold_vm(save, vm, &err))
		log_error("save", "recover", "save=%s error=%s", save->row.id, err.msg);
	log_info("save", "recovered", "save=%s vm=%s state=%s", save->row.id, save->row.vm_name,
		 save->row.state);
	err_set(&err, ERR_UNAVAILABLE, "the coordinator of host '%s' was restarted in %s",
		save->saves->env.host_id, save->row.state);
	machine_restart(&save->machine, &err);
}

void saves_recover(struct saves *saves)
{
	for (struct save *save = saves_first(saves), *next; save; save = next) {
		next = save_next(save);
		if (!save_is_final(save))
			recover(save);
	}
}

/* ---- how they begin -------------------------------------------------------------------- */

static void describe(struct save *save, struct vm *vm, bool is_live)
{
	const struct transfer_features *features = qemu_migration_features(vm_qemu(vm));
	const struct qmp_version *version = qemu_version(vm_qemu(vm));
	struct save_file *head = &save->detail.head;
	struct err ignored;
	const struct vm_def *def = vm_def_of(vm, &ignored);

	snprintf(head->id, sizeof(head->id), "%s", save->row.id);
	snprintf(head->vm, sizeof(head->vm), "%s", vm_name(vm));
	snprintf(head->uuid, sizeof(head->uuid), "%s", vm_uuid(vm));
	snprintf(head->host, sizeof(head->host), "%s", save->saves->env.host_id);
	snprintf(head->machine, sizeof(head->machine), "%s", def ? def->machine : "");
	if (version)
		snprintf(head->qemu_version, sizeof(head->qemu_version), "%d.%d.%d", version->major,
			 version->minor, version->micro);
	head->generation = vm_generation(vm);
	head->live = is_live;
	head->mode = !is_live && features && transfer_features_have(features, "mapped-ram")
			     ? SAVE_FILE_MAPPED_RAM
			     : SAVE_FILE_STREAM;
	save->detail.has_mode = true;
	head->runs = vm_intent(vm) == VM_INTENT_STARTED;
	head->saved_at = clock_wall_ms();
	head->definition = json_read_back(vm_definition(vm));
	snprintf(save->detail.boot_id, sizeof(save->detail.boot_id), "%s", proc_boot_id());
}

/* A job of KIND, which holds VM; NULL with ERR: something else does. */
static struct save *make(struct saves *saves, enum save_kind kind, struct vm *vm, const char *path,
			 struct err *err)
{
	char id[ID_UUID_SIZE];
	struct save *save;

	id_uuid_new(id);
	save = save_new(saves, kind, id);
	snprintf(save->row.vm_uuid, sizeof(save->row.vm_uuid), "%s", vm_uuid(vm));
	snprintf(save->row.vm_name, sizeof(save->row.vm_name), "%s", vm_name(vm));
	save->row.path = xstrdup(path);
	if (save_hold_vm(save, vm, err))
		return save;
	save_free(save);
	return NULL;
}

static void begin(struct save *save, save_started_fn *started, void *data)
{
	save->started = started;
	save->started_data = data;
	machine_begin(&save->machine, &(struct machine_change){ .to = SAVE_STATE_BEGIN });
}

/* A look at storage before a job is made. */
struct look {
	struct work work;
	struct saves *saves;
	/* of a save */
	char uuid[ID_UUID_SIZE];
	struct save_request save;
	struct save_former former;
	/* of a restore */
	struct restore_request wish;
	char *dirs;
	struct save_file head;
	bool is_marked, ok;
	struct err err;
	save_started_fn *started;
	vm_done_fn *tried; /* in place of `started': nothing is begun */
	save_looked_fn *looked;
	void *data;
};

static struct look *look_new(struct saves *saves, void *data)
{
	struct look *look = xnew(struct look);

	look->saves = saves;
	look->dirs = saves->env.dirs ? xstrdup(saves->env.dirs) : NULL;
	look->data = data;
	return look;
}

static void look_free(struct look *look)
{
	save_file_fini(&look->head);
	free(look->dirs);
	free(look);
}

static bool is_stopping(const struct look *look, struct err *err)
{
	return look->saves->is_closing &&
	       !err_set(err, ERR_UNAVAILABLE, "this coordinator is stopping");
}

/* ---- a save ---- */

static void look_at_place(struct work *work)
{
	struct look *look = (struct look *)work;

	look->ok = save_file_check_blocking(look->dirs, look->save.file, &look->former, &look->err);
}

/* Both kinds of reasons, in one answer. */
static bool check_save(struct look *look, struct vm *vm, struct err *err)
{
	if (!save_check_vm(look->saves, vm, &look->save, &look->former, err))
		return look->ok ? false : err_wrap(err, "%s", look->err.msg);
	if (!look->ok)
		*err = look->err;
	return look->ok;
}

static void end_look(struct look *look, const struct err *err)
{
	if (look->tried)
		look->tried(look->data, err);
	else if (err)
		look->started(look->data, NULL, err);
	look_free(look);
}

/* Nobody else speaks to QEMU at the moment in which the job begins. */
static void on_entered(void *data, struct vm_entry *entry, const struct err *err)
{
	struct look *look = data;
	struct vm *vm = entry ? vm_entry_vm(entry) : NULL;
	struct save *save = NULL;
	struct err why;

	if (vm)
		save = save_check_vm(look->saves, vm, &look->save, &look->former, &why)
			       ? make(look->saves, SAVE_OUT, vm, look->save.file, &why)
			       : NULL;
	else if (err)
		why = *err;
	else
		err_set(&why, ERR_NOT_FOUND, "the VM is gone");
	if (save) {
		describe(save, vm, look->save.live);
		save->detail.former = look->former;
		begin(save, look->started, look->data);
	}
	if (entry)
		vm_leave(entry);
	end_look(look, save ? NULL : &why);
}

static void place_looked_at(struct work *work)
{
	struct look *look = (struct look *)work;
	struct vm *vm = vm_find_uuid(look->saves->env.vms, look->uuid);
	struct err err;

	if (is_stopping(look, &err))
		;
	else if (!vm)
		err_set(&err, ERR_NOT_FOUND, "the VM is gone");
	else if (check_save(look, vm, &err)) {
		if (look->tried) {
			end_look(look, NULL);
			return;
		}
		vm_enter(vm, VM_SYNC_JOB, VM_ENTRY_USUAL, on_entered, look);
		return;
	}
	end_look(look, &err);
}

static void look_for_save(struct look *look, const struct vm *vm, const struct save_request *wish)
{
	look->save = *wish;
	snprintf(look->uuid, sizeof(look->uuid), "%s", vm_uuid(vm));
	look->work = (struct work){ .run = look_at_place, .done = place_looked_at };
	worker_submit(look->saves->worker, &look->work);
}

void saves_save(struct saves *saves, struct vm *vm, const struct save_request *wish,
		save_started_fn *started, void *data)
{
	struct look *look = look_new(saves, data);

	look->started = started;
	look_for_save(look, vm, wish);
}

void saves_try_save(struct saves *saves, struct vm *vm, const struct save_request *wish,
		    vm_done_fn *tried, void *data)
{
	struct look *look = look_new(saves, data);

	look->tried = tried;
	look_for_save(look, vm, wish);
}

/* ---- a restore ---- */

static void look_at_file(struct work *work)
{
	struct look *look = (struct look *)work;

	look->ok = save_file_read_blocking(look->dirs, look->wish.file, &look->head,
					   &look->is_marked, NULL, &look->err);
	if (look->ok && !look->is_marked)
		look->ok = save_copies_check_blocking(&look->head, &look->err);
}

static void file_looked_at(struct work *work)
{
	struct look *look = (struct look *)work;
	struct err err = look->err;
	bool ok = !is_stopping(look, &err) && look->ok &&
		  save_judge(look->saves, &look->wish, &look->head, look->is_marked, NULL, &err);

	look->looked(look->data, ok ? look->head.uuid : NULL, ok ? NULL : &err);
	look_free(look);
}

void saves_look(struct saves *saves, const struct restore_request *wish, save_looked_fn *looked,
		void *data)
{
	struct look *look = look_new(saves, data);

	look->wish = *wish;
	look->looked = looked;
	look->work = (struct work){ .run = look_at_file, .done = file_looked_at };
	worker_submit(saves->worker, &look->work);
}

struct late {
	save_started_fn *started;
	void *data;
};

static void on_late(void *data, const struct err *err)
{
	struct late *late = data;

	late->started(late->data, NULL, err);
	free(late);
}

void saves_restore(struct saves *saves, struct vm *vm, const struct restore_request *wish,
		   save_started_fn *started, void *data)
{
	struct save *save = NULL;
	struct late *late;
	struct err err;

	if (vm_role(vm) == VM_ROLE_OWNED && !vm_qemu(vm)) {
		save = make(saves, SAVE_IN, vm, wish->file, &err);
	} else {
		err_set(&err, ERR_CONFLICT, "VM '%s' is %s: stop it first", vm_name(vm),
			vm_state(vm));
	}
	if (save) {
		save->detail.wish = *wish;
		begin(save, started, data);
		return;
	}
	late = xnew(struct late);
	*late = (struct late){ started, data };
	vms_fail_later(saves->env.vms, on_late, late, &err);
}
