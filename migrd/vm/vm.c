/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "vm/vm.h"

#include <assert.h>
#include <search.h>
#include <stddef.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"
#include "base/mem.h"
#include "base/noise.h"
#include "base/work.h"
#include "qemu/program.h"
#include "vm/reverting.h"
#include "vm/saved.h"
#include "vm/vm_priv.h"

/* Delay before a failed write of a record is repeated. */
#define OWED_RETRY_MS 2000

const char *const vm_role_names[VM_ROLE_COUNT] = {
	[VM_ROLE_OWNED] = "owned",
	[VM_ROLE_INCOMING] = "incoming",
	[VM_ROLE_FORMER] = "was-here",
};

const char *const vm_intent_names[VM_INTENT_COUNT] = {
	[VM_INTENT_STOPPED] = "stopped",
	[VM_INTENT_STARTED] = "started",
	[VM_INTENT_PAUSED] = "paused",
};

/* The index of NAME; 0 for an unknown one, which a newer version wrote. */
static int name_index(const char *const *names, size_t count, const char *name)
{
	for (size_t i = 0; i < count; i++) {
		if (strcmp(names[i], name) == 0)
			return (int)i;
	}
	return 0;
}

/* ---- registry -------------------------------------------------------- */

static void write_owed(void *data);

struct vms *vms_new(const struct vms_env *env)
{
	struct vms *vms = xnew(struct vms);

	vms->env = *env;
	vms->env.qemu.probe = probe_new(env->qemu.loop, env->qemu.binary);
	vms->env.qemu.programs = xnew(struct programs);
	vms->net = worker_new(env->qemu.loop, "net", 1);
	vms->files = worker_new(env->qemu.loop, "files", 1);
	vms->stats = worker_new(env->qemu.loop, "stats", 1);
	vms->owed = loop_timer_new(env->qemu.loop, write_owed, vms);
	return vms;
}

static void on_probed(void *data, const struct qemu_features *features, const struct err *err)
{
	(void)data; /* the probe keeps the answer, and logs it */
	(void)features;
	(void)err;
}

const struct transfer_features *vms_migration_features(struct vms *vms)
{
	const struct qemu_features *features = probe_known(vms->env.qemu.probe);

	if (!features)
		probe_ask(vms->env.qemu.probe, on_probed, vms);
	return features ? &features->migration : NULL;
}

const char *vms_qemu_binary(const struct vms *vms)
{
	return vms->env.qemu.binary;
}

bool vms_may_run(struct vms *vms, const struct vm_def *def, struct err *err)
{
	if (def->accel == VM_DEF_ACCEL_KVM && access("/dev/kvm", R_OK | W_OK) != 0)
		return err_set(err, ERR_CONFLICT,
			       "/dev/kvm cannot be used on this host: load its module, and let the "
			       "user of migrd open it");
	if (!probe_known(vms->env.qemu.probe) ||
	    probe_has_machine(vms->env.qemu.probe, def->machine))
		return true;
	return err_set(err, ERR_CONFLICT,
		       "the QEMU of this host has no machine '%s': install a newer QEMU here, or "
		       "give the VM an older machine",
		       def->machine);
}

/* What the workers still have is answered now, while those who asked are there. */
void vms_clear(struct vms *vms)
{
	if (!vms)
		return;
	for (struct vm *vm = vms->list, *next; vm; vm = next) {
		next = vm->next;
		assert(!vm->job);
		vm_remove(vm);
	}
	worker_free(TAKE_PTR(vms->net));
	worker_free(TAKE_PTR(vms->files));
	worker_free(TAKE_PTR(vms->stats));
}

void vms_free(struct vms *vms)
{
	if (!vms)
		return;
	vms_clear(vms);
	probe_free(vms->env.qemu.probe);
	free(vms->env.qemu.programs);
	loop_timer_free(vms->owed);
	free(vms);
}

/* The keys in the trees are the name and uuid inside the row, so a key leads to its VM. */
static struct vm *vm_of_name(const char *name)
{
	return (struct vm *)(uintptr_t)(name - offsetof(struct vm, row.name));
}

static struct vm *vm_of_uuid(const char *uuid)
{
	return (struct vm *)(uintptr_t)(uuid - offsetof(struct vm, row.uuid));
}

static int compare_keys(const void *a, const void *b)
{
	return strcmp(a, b);
}

static void index_add(void **tree, const char *key)
{
	const char *const *node = tsearch(key, tree, compare_keys);

	if (!node)
		abort(); /* out of memory */
	assert(*node == key);
}

static void link_by_name(struct vm *vm)
{
	struct vm **link = &vm->vms->list;

	while (*link && strcmp((*link)->row.name, vm->row.name) < 0)
		link = &(*link)->next;
	vm->next = *link;
	*link = vm;
	index_add(&vm->vms->by_name, vm->row.name);
}

static void unlink_by_name(struct vm *vm)
{
	struct vm **link = &vm->vms->list;

	while (*link != vm)
		link = &(*link)->next;
	*link = vm->next;
	tdelete(vm->row.name, &vm->vms->by_name, compare_keys);
}

void vm_set_name(struct vm *vm, const char *name)
{
	unlink_by_name(vm);
	snprintf(vm->row.name, sizeof(vm->row.name), "%s", name);
	link_by_name(vm);
	if (vm->qemu)
		qemu_rename(vm->qemu, name);
}

struct vm *vm_add(struct vms *vms, const struct store_vm *row)
{
	struct vm *vm = xnew(struct vm);

	vm->vms = vms;
	vm->row = *row;
	TAILQ_INIT(&vm->entries);
	vm->role = (enum vm_role)name_index(vm_role_names, ARRAY_LEN(vm_role_names), row->role);
	vm->intent = (enum vm_intent)name_index(vm_intent_names, ARRAY_LEN(vm_intent_names),
						row->intent);
	if (vm->role == VM_ROLE_FORMER)
		vm_say_former(vm);
	vm_say_saved(vm);
	vm_say_reverting(vm);
	vm_events_init(vm);
	vm_parts_init(vm);
	link_by_name(vm);
	index_add(&vms->by_uuid, vm->row.uuid);
	return vm;
}

void vm_leave_waiting(struct vm *vm)
{
	vm_done_fn *launched = TAKE_PTR(vm->launched);
	struct err err;

	err_set(&err, ERR_CANCELLED, "VM '%s' was let go", vm->row.name);
	vm_parts_let_go(vm, &err);
	vm_action_let_go(vm, &err);
	if (launched)
		launched(vm->launched_data, &err);
}

void vm_remove(struct vm *vm)
{
	unlink_by_name(vm);
	vm->vms->leaving -= vm->leaving_name[0] != '\0';
	tdelete(vm->row.uuid, &vm->vms->by_uuid, compare_keys);
	vm_entries_let_go(vm);
	vm_leave_waiting(vm);
	vm_parts_fini(vm);
	noise_free(vm->noise);
	qemu_free(vm->qemu);
	vm_forget_def(vm);
	free(vm->labels);
	store_vm_fini(&vm->row);
	free(vm->kept.key);
	free(vm->kept.text);
	free(vm);
}

struct vm *vm_find(struct vms *vms, const char *name)
{
	const char *const *node = tfind(name, &vms->by_name, compare_keys);

	return node ? vm_of_name(*node) : NULL;
}

struct vm *vm_find_uuid(struct vms *vms, const char *uuid)
{
	const char *const *node = tfind(uuid, &vms->by_uuid, compare_keys);

	return node ? vm_of_uuid(*node) : NULL;
}

struct vm *vm_next(struct vms *vms, const char *after)
{
	struct vm *vm = after ? vm_find(vms, after) : NULL;

	if (vm)
		return vm->next;
	vm = vms->list;
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

static const struct noise_kind repeated = { LOG_LEVEL_INFO, "vm", "repeated", "vm" };

bool vm_may_log(struct vm *vm, const char *what)
{
	if (!vm->noise)
		vm->noise = noise_new(vm->vms->env.qemu.loop, &repeated);
	return noise_note(vm->noise, vm->row.name, what);
}

void vm_set_intent(struct vm *vm, enum vm_intent intent)
{
	vm->intent = intent;
	vm->intent_no++;
	snprintf(vm->row.intent, sizeof(vm->row.intent), "%s", vm_intent_names[intent]);
}

static void on_saved(void *data, const struct err *err)
{
	(void)data;
	if (err)
		log_error("vm", "save", "error=%s", err->msg);
}

/* ---- what the disk did not take ---- */

struct owed {
	struct vms *vms;
	char uuid[ID_UUID_SIZE];
};

static void on_owed_saved(void *data, const struct err *err)
{
	struct owed *owed = data;
	struct vm *vm = vm_find_uuid(owed->vms, owed->uuid);

	if (vm && err)
		vm_owe_record(vm);
	free(owed);
}

static void write_owed(void *data)
{
	struct vms *vms = data;

	for (struct vm *vm = vms->list; vm; vm = vm->next) {
		struct owed *owed;

		if (!vm->owes_record)
			continue;
		vm->owes_record = false;
		owed = xnew(struct owed);
		owed->vms = vms;
		memcpy(owed->uuid, vm->row.uuid, sizeof(owed->uuid));
		vm_save(vm, on_owed_saved, owed);
	}
}

void vm_owe_record(struct vm *vm)
{
	vm->owes_record = true;
	if (!loop_timer_is_active(vm->vms->owed))
		loop_timer_start(vm->vms->owed, OWED_RETRY_MS);
}

void vm_save(struct vm *vm, store_done_fn *done, void *data)
{
	const struct store_txn txn = { { store_put_vm(&vm->row) } };

	store_commit(vm->vms->env.store, &txn, done ? done : on_saved, data);
}

/* ---- what there is to know ------------------------------------------- */

struct vm_place vm_place(const struct vm *vm)
{
	struct vm_place place;

	qemu_place(vm->row.uuid, vm->row.qemu_is_second, place.name);
	return place;
}

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

const char *vm_state(const struct vm *vm)
{
	if (vm->role == VM_ROLE_INCOMING)
		return "incoming";
	if (vm->role == VM_ROLE_FORMER)
		return "was-here";
	if (vm->job && vm->job->is_of_stopped)
		return "stopped";
	if (!qemu_is_alive(vm->qemu) && vm->asking)
		return "starting";
	if (!qemu_is_alive(vm->qemu) && !vm->launched)
		return vm->intent == VM_INTENT_STOPPED ? "stopped" : "crashed";
	if (!vm->is_ready)
		return vm->launched ? "starting" : "unreachable";
	return run_state_word(qemu_run_state(vm->qemu));
}

const char *vm_reason(const struct vm *vm)
{
	bool is_lost = qemu_is_alive(vm->qemu) && !vm->launched && !qemu_monitor(vm->qemu);

	return is_lost ? qemu_trouble(vm->qemu) : vm->reason;
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

/* False: CONFLICT; MEMBER of the definition says that there is WHAT. */
static bool may_open(struct vm *vm, bool has_it, const char *what, const char *member,
		     struct err *err)
{
	if (!has_it)
		return err_set(err, ERR_CONFLICT,
			       "VM '%s' has no %s: its definition needs %s before it is started",
			       vm_name(vm), what, member);
	return qemu_is_alive(vm->qemu) ||
	       err_set(err, ERR_CONFLICT, "VM '%s' does not run: start it first", vm_name(vm));
}

char *vm_console_path(struct vm *vm, struct err *err)
{
	const struct vm_def *def = vm_def_of(vm, err);

	if (!def || !may_open(vm, def->serial.type == VM_DEF_SERIAL_TYPE_CONSOLE, "console",
			      "\"serial\": {\"type\": \"console\"}", err))
		return NULL;
	return qemu_console_path(&vm->vms->env.qemu, vm_place(vm).name);
}

char *vm_vnc_path(struct vm *vm, struct err *err)
{
	const struct vm_def *def = vm_def_of(vm, err);

	if (!def || !may_open(vm, def->graphics.type == VM_DEF_GRAPHICS_TYPE_VNC, "VNC",
			      "\"graphics\": {\"type\": \"vnc\"}", err))
		return NULL;
	return qemu_vnc_path(&vm->vms->env.qemu, vm_place(vm).name);
}

bool vm_is_active(const struct vm *vm)
{
	return vm->qemu && vm->is_ready && qemu_is_alive(vm->qemu);
}

bool vm_is_stopped(const struct vm *vm)
{
	return vm->role == VM_ROLE_OWNED && vm->intent == VM_INTENT_STOPPED && !vm->qemu;
}

const struct store_vm *vm_row(const struct vm *vm)
{
	return &vm->row;
}

struct vm_kept *vm_kept(struct vm *vm)
{
	return &vm->kept;
}
