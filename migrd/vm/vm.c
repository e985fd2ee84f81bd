/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "vm/vm.h"

#include <assert.h>

#include "base/log.h"
#include "base/mem.h"
#include "vm/vm_priv.h"

const char *const vm_role_names[VM_ROLE_COUNT] = {
	[VM_ROLE_OWNED] = "owned",
	[VM_ROLE_INCOMING] = "incoming",
};

const char *const vm_intent_names[VM_INTENT_COUNT] = {
	[VM_INTENT_STOPPED] = "stopped",
	[VM_INTENT_STARTED] = "started",
	[VM_INTENT_PAUSED] = "paused",
};

/* The first name is what an unknown one (of a newer version) is taken for. */
static int name_index(const char *const *names, size_t count, const char *name)
{
	for (size_t i = 0; i < count; i++) {
		if (strcmp(names[i], name) == 0)
			return (int)i;
	}
	return 0;
}

/* ---- registry -------------------------------------------------------- */

struct vms *vms_new(const struct vms_env *env)
{
	struct vms *vms = xnew(struct vms);

	vms->env = *env;
	return vms;
}

void vms_clear(struct vms *vms)
{
	while (vms && vms->list) {
		assert(!vms->list->job);
		vm_remove(vms->list);
	}
}

void vms_free(struct vms *vms)
{
	vms_clear(vms);
	free(vms);
}

struct vm *vm_add(struct vms *vms, const struct store_vm *row)
{
	struct vm *vm = xnew(struct vm);
	struct vm **link = &vms->list;

	vm->vms = vms;
	vm->row = *row;
	vm->role = (enum vm_role)name_index(vm_role_names, ARRAY_LEN(vm_role_names), row->role);
	vm->intent = (enum vm_intent)name_index(vm_intent_names, ARRAY_LEN(vm_intent_names),
						row->intent);
	while (*link && strcmp((*link)->row.name, row->name) < 0)
		link = &(*link)->next;
	vm->next = *link;
	*link = vm;
	return vm;
}

/* Who waits for the QEMU of a VM that is no more. */
static void leave_waiting(struct vm *vm)
{
	vm_done_fn *launched = TAKE_PTR(vm->launched);
	struct err err;

	err_set(&err, ERR_CANCELLED, "VM '%s' was let go", vm->row.name);
	if (vm_action_is_stop(vm))
		vm_action_end(vm->action, &err);
	if (launched)
		launched(vm->launched_data, &err);
}

void vm_remove(struct vm *vm)
{
	struct vm **link = &vm->vms->list;

	while (*link != vm)
		link = &(*link)->next;
	*link = vm->next;
	leave_waiting(vm);
	qemu_free(vm->qemu);
	store_vm_fini(&vm->row);
	free(vm);
}

struct vm *vm_find(struct vms *vms, const char *name)
{
	struct vm *vm = vms->list;

	while (vm && strcmp(vm->row.name, name) != 0)
		vm = vm->next;
	return vm;
}

struct vm *vm_find_uuid(struct vms *vms, const char *uuid)
{
	struct vm *vm = vms->list;

	while (vm && strcmp(vm->row.uuid, uuid) != 0)
		vm = vm->next;
	return vm;
}

struct vm *vm_next(struct vms *vms, const char *after)
{
	struct vm *vm = vms->list;

	while (vm && after && strcmp(vm->row.name, after) <= 0)
		vm = vm->next;
	return vm;
}

/* ---- records --------------------------------------------------------- */

void vm_changed(const struct vm *vm)
{
	if (vm->vms->env.changed)
		vm->vms->env.changed(vm->vms->env.data, vm->row.name, vm);
}

void vm_set_intent(struct vm *vm, enum vm_intent intent)
{
	vm->intent = intent;
	snprintf(vm->row.intent, sizeof(vm->row.intent), "%s", vm_intent_names[intent]);
}

static void on_saved(void *data, const struct err *err)
{
	(void)data;
	if (err)
		log_error("vm", "save", "error=\"%s\"", err->msg);
}

void vm_save(struct vm *vm, store_done_fn *done, void *data)
{
	const struct store_txn txn = { .put_vm = &vm->row };

	store_commit(vm->vms->env.store, &txn, done ? done : on_saved, data);
}

/* ---- the QEMU process ------------------------------------------------ */

static void set_process(struct vm *vm, struct proc_id id)
{
	vm->row.qemu_pid = id.pid;
	vm->row.qemu_start_time = id.start_time;
	snprintf(vm->row.boot_id, sizeof(vm->row.boot_id), "%s", id.pid ? proc_boot_id() : "");
	vm->row.started_ms = id.pid ? clock_wall_ms() : 0;
}

void vm_drop_qemu(struct vm *vm)
{
	vm->is_ready = false;
	qemu_free(TAKE_PTR(vm->qemu));
	set_process(vm, (struct proc_id){ 0 });
}

static void recovered_one(struct vms *vms)
{
	if (vms->recovering && --vms->recovering == 0)
		vms->recovered(vms->recovered_data, NULL);
}

/* Its log stays: it has the last words. */
static void remove_dead_files(const struct vm *vm)
{
	const struct qemu_env *env = &vm->vms->env.qemu;

	if (!qemu_has_listener(env, vm->row.uuid))
		qemu_remove_files(env, vm->row.uuid, false);
}

static void on_attached(struct vm *vm, const struct err *err)
{
	if (!err) {
		set_process(vm, qemu_proc_id(vm->qemu));
	} else if (!qemu_is_alive(vm->qemu)) {
		snprintf(vm->reason, sizeof(vm->reason),
			 "its QEMU ended while the coordinator was away");
		vm_drop_qemu(vm);
		remove_dead_files(vm);
	} else {
		snprintf(vm->reason, sizeof(vm->reason), "%s", err->msg);
	}
	recovered_one(vm->vms);
}

static void on_ready(void *data, const struct err *err)
{
	struct vm *vm = data;
	vm_done_fn *launched = TAKE_PTR(vm->launched);

	vm->is_ready = !err;
	if (!launched) {
		on_attached(vm, err);
		return;
	}
	if (err) {
		if (vm->qemu)
			qemu_kill(vm->qemu);
		vm_drop_qemu(vm);
	}
	launched(vm->launched_data, err);
}

static void on_event(void *data, const struct qmp_event *event)
{
	struct vm *vm = data;

	if (strcmp(event->name, "SHUTDOWN") == 0)
		vm->guest_ended = json_get_bool(event->data, "guest", false);
	if (vm->job)
		vm->job->event(vm->job->data, event);
	vm_changed(vm);
}

void vm_explain_end(const struct vm *vm, struct err *err)
{
	char words[200];
	struct err explained = *err;

	qemu_last_words(&vm->vms->env.qemu, vm->row.uuid, words, sizeof(words));
	err_set(err, explained.code, "%s: %s", explained.msg, words);
}

/* A guest that powers itself off is stopped; anything else is a crash. */
static void note_end(struct vm *vm)
{
	char words[200];

	if (vm->guest_ended) {
		vm_set_intent(vm, VM_INTENT_STOPPED);
		snprintf(vm->reason, sizeof(vm->reason), "the guest powered off");
		return;
	}
	qemu_last_words(&vm->vms->env.qemu, vm->row.uuid, words, sizeof(words));
	snprintf(vm->reason, sizeof(vm->reason), "its QEMU ended unexpectedly: %s", words);
	log_error("vm", "crashed", "vm=%s reason=\"%s\"", vm->row.name, vm->reason);
}

static void on_exited(void *data)
{
	struct vm *vm = data;
	bool is_stop = vm_action_is_stop(vm);

	if (vm->job) {
		vm->job->exited(vm->job->data);
		return; /* the job says what becomes of the VM */
	}
	if (is_stop)
		snprintf(vm->reason, sizeof(vm->reason), "stopped on request");
	else
		note_end(vm);
	vm_drop_qemu(vm);
	qemu_remove_files(&vm->vms->env.qemu, vm->row.uuid, false);
	vm_save(vm, is_stop ? vm_action_end : NULL, is_stop ? vm->action : NULL);
	vm_changed(vm);
}

static struct qemu_callbacks callbacks(struct vm *vm)
{
	return (struct qemu_callbacks){ on_ready, on_event, on_exited, vm };
}

struct late_error {
	vm_done_fn *fn;
	void *data;
	struct err err;
};

static void give_late_error(void *data)
{
	struct late_error *late = data;

	late->fn(late->data, &late->err);
	free(late);
}

void vms_fail_later(struct vms *vms, vm_done_fn *fn, void *data, const struct err *err)
{
	struct late_error *late = xnew(struct late_error);

	late->fn = fn;
	late->data = data;
	late->err = *err;
	loop_post(vms->env.qemu.loop, give_late_error, late);
}

static bool decode_definition(const struct vm *vm, struct vm_def *ret, struct err *err)
{
	struct faults *faults = faults_new();
	CLEANUP(json_putp)
	struct json_object *obj = json_parse(vm->row.definition, strlen(vm->row.definition),
					     &json_limits_default, faults);
	bool ok = obj && vm_def_decode(obj, ret, faults);

	if (!ok)
		faults_to_err(faults, err);
	faults_free(faults);
	return ok;
}

void vm_launch(struct vm *vm, bool incoming, vm_done_fn *launched, void *data)
{
	const struct qemu_callbacks cb = callbacks(vm);
	struct vm_def *def = xnew(struct vm_def);
	struct err err;

	vm->reason[0] = '\0';
	vm->guest_ended = false;
	if (decode_definition(vm, def, &err))
		vm->qemu = qemu_start(&vm->vms->env.qemu, def, incoming, &cb, &err);
	free(def);
	if (!vm->qemu) {
		vms_fail_later(vm->vms, launched, data, &err);
		return;
	}
	vm->launched = launched;
	vm->launched_data = data;
	set_process(vm, qemu_proc_id(vm->qemu));
	vm_changed(vm);
}

/* ---- restart --------------------------------------------------------- */

void vms_add_row(struct vms *vms, struct store_vm *row)
{
	vm_add(vms, row);
}

/* After a power loss no QEMU can be left, whatever pid was recorded. */
static bool may_have_qemu(const struct vm *vm)
{
	if (vm->row.qemu_pid)
		return strcmp(vm->row.boot_id, proc_boot_id()) == 0;
	return vm->intent != VM_INTENT_STOPPED || vm->role == VM_ROLE_INCOMING;
}

void vms_recover(struct vms *vms, vm_done_fn *done, void *data)
{
	vms->recovered = done;
	vms->recovered_data = data;
	vms->recovering = 1; /* ourselves, so that it cannot end early */
	for (struct vm *vm = vms->list; vm; vm = vm->next) {
		const struct qemu_callbacks cb = callbacks(vm);
		const struct proc_id id = { vm->row.qemu_pid, vm->row.qemu_start_time };

		if (!may_have_qemu(vm)) {
			if (vm->row.qemu_pid)
				snprintf(vm->reason, sizeof(vm->reason), "the host was restarted");
			set_process(vm, (struct proc_id){ 0 });
			remove_dead_files(vm);
			continue;
		}
		vms->recovering++;
		vm->qemu = qemu_attach(&vms->env.qemu, vm->row.uuid, vm->row.name, id, &cb);
	}
	recovered_one(vms);
}

static bool is_known(void *data, const char *uuid)
{
	return vm_find_uuid(data, uuid) != NULL;
}

void vms_settle(struct vms *vms)
{
	for (struct vm *vm = vms->list, *next; vm; vm = next) {
		next = vm->next;
		if (vm->job)
			continue;
		if (vm->role == VM_ROLE_INCOMING) {
			log_warning("vm", "leftover", "vm=%s: no move knows it; removed",
				    vm->row.name);
			vm_discard(vm);
			continue;
		}
		vm_finish_interrupted(vm);
		vm_save(vm, NULL, NULL);
	}
	qemu_remove_leftovers(&vms->env.qemu, is_known, vms);
}

/* ---- what there is to know ------------------------------------------- */

const char *vm_name(const struct vm *vm)
{
	return vm->row.name;
}

const char *vm_uuid(const struct vm *vm)
{
	return vm->row.uuid;
}

static const char *run_state_word(enum qmp_run_state state)
{
	if (state == QMP_RUN_PRELAUNCH || state == QMP_RUN_POSTMIGRATE)
		return "paused";
	return qmp_run_state_name(state);
}

/* A monitor that was hung at our start may have come back since. */
static bool is_ready(const struct vm *vm)
{
	return vm->is_ready || (!vm->launched && qemu_monitor(vm->qemu));
}

const char *vm_state(const struct vm *vm)
{
	if (vm->role == VM_ROLE_INCOMING)
		return "incoming";
	if (!qemu_is_alive(vm->qemu) && !vm->launched)
		return vm->intent == VM_INTENT_STOPPED ? "stopped" : "crashed";
	if (!is_ready(vm))
		return vm->launched ? "starting" : "unreachable";
	return run_state_word(qemu_run_state(vm->qemu));
}

const char *vm_reason(const struct vm *vm)
{
	return vm->reason;
}

enum vm_role vm_role(const struct vm *vm)
{
	return vm->role;
}

enum vm_intent vm_intent(const struct vm *vm)
{
	return vm->intent;
}

uint64_t vm_generation(const struct vm *vm)
{
	return vm->row.generation;
}

const char *vm_definition(const struct vm *vm)
{
	return vm->row.definition;
}

struct qemu *vm_qemu(const struct vm *vm)
{
	return vm->qemu;
}

bool vm_is_active(const struct vm *vm)
{
	return vm->qemu && is_ready(vm) && qemu_is_alive(vm->qemu);
}

const struct store_vm *vm_row(const struct vm *vm)
{
	return &vm->row;
}

/* ---- for the async job ----------------------------------------------- */

bool vm_job_begin(struct vm *vm, struct vm_job *job, struct err *err)
{
	uint64_t now = loop_now_ms(vm->vms->env.qemu.loop);

	if (vm->job)
		return err_set(err, ERR_BUSY, "VM '%s' is held by job %s (%s) for %.1f s",
			       vm->row.name, vm->job->id, vm->job->kind,
			       (double)(now - vm->job->since_ms) / 1000);
	if (vm->action)
		return err_set(err, ERR_BUSY, "VM '%s' is being worked on; try again",
			       vm->row.name);
	job->since_ms = now;
	vm->job = job;
	return true;
}

void vm_job_end(struct vm *vm, struct vm_job *job)
{
	assert(vm->job == job);
	vm->job = NULL;
	if (vm->qemu && !qemu_is_alive(vm->qemu))
		on_exited(vm); /* the end that the job kept to itself */
	else
		vm_changed(vm);
}

const struct vm_job *vm_job(const struct vm *vm)
{
	return vm->job;
}

static bool is_name_free(struct vms *vms, const struct vm_def *def, struct err *err)
{
	const struct vm *vm = vm_find(vms, def->name);

	if (vm)
		return err_set(err, ERR_EXISTS, "this host has a VM '%s' already (%s)", def->name,
			       vm_state(vm));
	vm = vm_find_uuid(vms, def->uuid);
	if (vm)
		return err_set(err, ERR_EXISTS, "the uuid %s belongs to VM '%s'", def->uuid,
			       vm->row.name);
	return true;
}

static struct vm *add_new(struct vms *vms, const struct vm_def *def, enum vm_role role,
			  uint64_t generation)
{
	CLEANUP(json_putp) struct json_object *obj = vm_def_encode(def);
	struct store_vm row = { .generation = generation, .created_ms = clock_wall_ms() };

	snprintf(row.uuid, sizeof(row.uuid), "%s", def->uuid);
	snprintf(row.name, sizeof(row.name), "%s", def->name);
	snprintf(row.role, sizeof(row.role), "%s", vm_role_names[role]);
	snprintf(row.intent, sizeof(row.intent), "%s", vm_intent_names[VM_INTENT_STOPPED]);
	row.definition = xstrdup(json_object_to_json_string_ext(obj, JSON_C_TO_STRING_PLAIN));
	return vm_add(vms, &row);
}

struct vm *vm_new_incoming(struct vms *vms, const struct vm_def *def, uint64_t generation,
			   struct err *err)
{
	if (!is_name_free(vms, def, err))
		return NULL;
	return add_new(vms, def, VM_ROLE_INCOMING, generation);
}

void vm_launch_incoming(struct vm *vm, vm_done_fn *done, void *data)
{
	vm_launch(vm, true, done, data);
}

struct store_vm vm_promoted_row(const struct vm *vm, uint64_t generation, enum vm_intent intent)
{
	struct store_vm row = vm->row;

	row.generation = generation;
	snprintf(row.role, sizeof(row.role), "%s", vm_role_names[VM_ROLE_OWNED]);
	snprintf(row.intent, sizeof(row.intent), "%s", vm_intent_names[intent]);
	return row;
}

void vm_promote(struct vm *vm, uint64_t generation, enum vm_intent intent)
{
	vm->row = vm_promoted_row(vm, generation, intent);
	vm->role = VM_ROLE_OWNED;
	vm->intent = intent;
	vm_changed(vm);
}

void vm_forget(struct vm *vm)
{
	struct vms *vms = vm->vms;
	char name[ID_NAME_SIZE];

	vm->job = NULL;
	if (vm->qemu)
		qemu_kill(vm->qemu);
	qemu_remove_files(&vms->env.qemu, vm->row.uuid, true);
	snprintf(name, sizeof(name), "%s", vm->row.name);
	vm_remove(vm);
	if (vms->env.changed)
		vms->env.changed(vms->env.data, name, NULL);
}

/* ---- creation -------------------------------------------------------- */

struct creation {
	struct vms *vms;
	char uuid[ID_UUID_SIZE];
	vm_done_fn *done;
	void *data;
};

static void on_created(void *data, const struct err *err)
{
	struct creation *creation = data;
	struct vm *vm = vm_find_uuid(creation->vms, creation->uuid);

	if (err && vm)
		vm_remove(vm);
	else if (vm)
		vm_changed(vm);
	creation->done(creation->data, err);
	free(creation);
}

void vm_create(struct vms *vms, const struct vm_def *def, vm_done_fn *done, void *data)
{
	struct creation *creation;
	struct vm *vm;
	struct err err;

	if (!is_name_free(vms, def, &err)) {
		vms_fail_later(vms, done, data, &err);
		return;
	}
	vm = add_new(vms, def, VM_ROLE_OWNED, 1);
	creation = xnew(struct creation);
	creation->vms = vms;
	memcpy(creation->uuid, vm->row.uuid, sizeof(creation->uuid));
	creation->done = done;
	creation->data = data;
	vm_save(vm, on_created, creation);
}
