/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A guest that shall run and does not, since QEMU refused its `cont'. */
#include "vm/still.h"

#include <string.h>

#include "base/log.h"
#include "base/mem.h"
#include "vm/vm_priv.h"

#define AGAIN_FIRST_MS 250
#define AGAIN_MAX_MS   5000

/* block/file-posix.c: Failed to get "write" lock; Failed to get shared "write" lock. */
bool vm_cont_may_be_repeated(const struct err *err)
{
	return err->code == ERR_QEMU && strstr(err->msg, "Failed to get ") &&
	       strstr(err->msg, " lock");
}

static const char *drive_name(struct json_object *block)
{
	const char *device = json_get_str(block, "device"), *qdev = json_get_str(block, "qdev");

	return device && *device ? device : qdev ? qdev : "?";
}

bool vm_check_images(struct json_object *blocks, struct err *err)
{
	size_t count = json_count(blocks);

	for (size_t i = 0; i < count; i++) {
		struct json_object *block = json_object_array_get_idx(blocks, i);

		if (!json_get_bool(block, "removable", true) && !json_get_obj(block, "inserted"))
			return err_set(err, ERR_QEMU,
				       "QEMU has not opened the image of drive '%.100s' again, and "
				       "would run the guest without it: mend the image, then stop "
				       "and "
				       "start the VM",
				       drive_name(block));
	}
	return true;
}

bool vm_is_still(const struct vm *vm)
{
	enum qmp_run_state state = vm_is_active(vm) ? qemu_run_state(vm->qemu) : QMP_RUN_UNKNOWN;

	return vm->role == VM_ROLE_OWNED && vm->intent == VM_INTENT_STARTED && !vm->job &&
	       (state == QMP_RUN_PAUSED || state == QMP_RUN_PRELAUNCH ||
		state == QMP_RUN_POSTMIGRATE);
}

static void again_later(struct vm *vm)
{
	vm->again_ms = vm->again_ms ? vm->again_ms * 2 : AGAIN_FIRST_MS;
	if (vm->again_ms > AGAIN_MAX_MS)
		vm->again_ms = AGAIN_MAX_MS;
	loop_timer_start(vm->again, vm->again_ms);
}

struct trial {
	struct vms *vms;
	char uuid[ID_UUID_SIZE];
};

/* vm_note_still() has handled a refusal by QEMU.  Any other error is temporary, such as
 * a busy VM, so the `cont' is tried again. */
static void on_tried(void *data, const struct err *err)
{
	struct trial *trial = data;
	struct vm *vm = vm_find_uuid(trial->vms, trial->uuid);

	if (vm && err && err->code != ERR_QEMU && vm_is_still(vm))
		again_later(vm);
	free(trial);
}

static void on_again(void *data)
{
	struct vm *vm = data;
	struct trial *trial;

	if (vm->job) {
		loop_timer_start(vm->again, vm->again_ms); /* the move tries `cont' itself */
		return;
	}
	if (!vm_is_still(vm)) {
		vm_still_over(vm);
		return;
	}
	trial = xnew(struct trial);
	trial->vms = vm->vms;
	memcpy(trial->uuid, vm->row.uuid, sizeof(trial->uuid));
	vm_act(vm, VM_ACTION_RESUME, on_tried, trial);
}

void vm_note_still(struct vm *vm, const struct err *err)
{
	bool is_repeated = vm_cont_may_be_repeated(err);
	char former[ERR_MSG_SIZE];

	memcpy(former, vm->reason, sizeof(former));
	err_text(vm->reason, "the guest shall run and does not: %s: %s",
		 is_repeated ? "somebody holds the image; it is tried again until it runs"
			     : "it is not tried again, look at its disks, then resume or stop it",
		 err->msg);
	vm->events.has_reason = true;
	if (is_repeated) {
		if (!vm->again)
			vm->again = loop_timer_new(vm->vms->env.qemu.loop, on_again, vm);
		again_later(vm);
	}
	if (strcmp(former, vm->reason) == 0)
		return;
	log_error("vm", "still", "vm=%s reason=%s", vm->row.name, vm->reason);
	vm_changed(vm);
}

void vm_still_fini(struct vm *vm)
{
	loop_timer_free(vm->again);
}

void vm_still_over(struct vm *vm)
{
	vm->again_ms = 0;
	if (vm->again)
		loop_timer_stop(vm->again);
}
