/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "vm/tpm.h"

#include "base/fault.h"
#include "base/mem.h"
#include "base/work.h"
#include "storage/tpm_state.h"
#include "vm/vm_priv.h"

struct discard {
	struct work work;
	vm_done_fn *done;
	void *data;
	char path[VM_DEF_PATH_SIZE];
	struct err err;
};

static void run(struct work *work)
{
	struct discard *discard = CONTAINER_OF(work, struct discard, work);

	if (!fault_hit("tpm.discard", &discard->err))
		tpm_state_discard_blocking(discard->path, &discard->err);
	if (err_is_set(&discard->err))
		err_wrap(&discard->err,
			 "the VM is deleted, and the state of its TPM is still in '%s'",
			 discard->path);
}

static void done(struct work *work)
{
	struct discard *discard = CONTAINER_OF(work, struct discard, work);

	discard->done(discard->data, err_is_set(&discard->err) ? &discard->err : NULL);
	free(discard);
}

bool vm_tpm_discard(struct vm *vm, vm_done_fn *done_fn, void *data)
{
	struct err ignored; /* a definition that cannot be read has no TPM that ran */
	const struct vm_def *def = vm_def_of(vm, &ignored);
	struct discard *discard;

	if (!def || !vm_def_has_tpm(def))
		return false;
	discard = xnew(struct discard);
	discard->work = (struct work){ .run = run, .done = done };
	discard->done = done_fn;
	discard->data = data;
	snprintf(discard->path, sizeof(discard->path), "%s/%s", vm->vms->env.qemu.tpm_dir,
		 vm->row.uuid);
	worker_submit(vm->vms->files, &discard->work);
	return true;
}
