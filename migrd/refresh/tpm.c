/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The state of the guest's TPM, which QEMU sends to the new QEMU with the guest, by either way.
 * Each of the two swtpm has a directory of its own (vm/tpm.h), since one that both had would fail
 * the guest when it stands still already.
 *
 * Each state of the job does one thing to them, once. */
#include "base/log.h"
#include "base/mem.h"
#include "refresh/priv.h"
#include "vm/swap.h"

struct tpm_task {
	struct refreshes *refreshes;
	char id[ID_UUID_SIZE];
	unsigned state;
	bool may_fail; /* the job goes on, and the check of the host shows what is left */
};

static void on_done(void *data, const struct err *err)
{
	struct tpm_task *task = data;
	struct refresh *refresh = refreshes_find(task->refreshes, task->id);
	bool is_current =
		refresh && refresh->machine.state == task->state && !refresh->machine.is_saving;

	if (err)
		log_warning("refresh", "tpm", "refresh=%s error=%s", task->id, err->msg);
	if (is_current && err && !task->may_fail) {
		refresh_fail(refresh, err);
	} else if (is_current) {
		refresh->facts.is_tpm_done = true;
		machine_step(&refresh->machine);
	}
	free(task);
}

static bool is_done(struct refresh *refresh, enum vm_tpm_action action, bool may_fail)
{
	struct vm *vm = refresh_vm(refresh);
	struct tpm_task *task;

	if (!vm || refresh->facts.is_tpm_done || !vm_has_tpm(vm))
		return true;
	if (refresh->facts.is_tpm_asked)
		return false;
	refresh->facts.is_tpm_asked = true;
	task = xnew(struct tpm_task);
	task->refreshes = refresh->refreshes;
	memcpy(task->id, refresh->row.id, sizeof(task->id));
	task->state = refresh->machine.state;
	task->may_fail = may_fail;
	vm_tpm_act(vm, action, refresh->row.id, on_done, task);
	return false;
}

bool refresh_tpm_is_made(struct refresh *refresh)
{
	return is_done(refresh, VM_TPM_MAKE, false);
}

bool refresh_tpm_is_synced(struct refresh *refresh)
{
	return is_done(refresh, VM_TPM_SYNC, false);
}

bool refresh_tpm_is_removed(struct refresh *refresh)
{
	struct vm *vm = refresh_vm(refresh);

	return (vm && vm_has_beside(vm)) || is_done(refresh, VM_TPM_REMOVE, true);
}

/* With a QEMU in the other place this record is older than its keys. */
bool refresh_tpm_is_settled(struct refresh *refresh)
{
	struct vm *vm = refresh_vm(refresh);

	return (vm && vm_has_beside(vm)) || is_done(refresh, VM_TPM_SETTLE, true);
}
