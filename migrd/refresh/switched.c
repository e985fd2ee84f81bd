/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A refresh whose new QEMU has the guest: only forward. */
#include <string.h>

#include "base/mem.h"
#include "refresh/priv.h"
#include "vm/entry.h"
#include "vm/still.h"
#include "vm/swap.h"

#define RESUME_TRIES 20

/* In case the event of its going on was lost. */
static void on_run_state(struct refresh *refresh, struct json_object *result, const struct err *err)
{
	if (!err)
		vm_note_run_state(refresh_vm(refresh), qmp_run_state_decode(result));
	refresh->facts.is_tidied = true;
	machine_step(&refresh->machine);
}

static void say_silent(struct refresh *refresh, const struct err *err)
{
	err_text(refresh->reason,
		 "the new QEMU does not answer (a stop of the VM ends it, and this job): %s",
		 err->msg);
	refresh_tell(refresh);
	refresh_look_later(refresh, REFRESH_LOOK_MS);
}

static void on_tidied(struct refresh *refresh, struct json_object *result, const struct err *err)
{
	(void)result;
	if (err)
		say_silent(refresh, err);
	else
		refresh_ask(refresh, REFRESH_SIDE_VM, "query-status", NULL, on_run_state);
}

/* The guest runs, or is to stand still: now there is time for the rest. */
static void settle(struct refresh *refresh)
{
	refresh->facts.has_run = true;
	if (refresh_qemu(refresh))
		vm_swap_settled(refresh_vm(refresh));
	refresh_end_beside(refresh);
	machine_step(&refresh->machine);
}

struct resumed {
	struct refreshes *refreshes;
	char id[ID_UUID_SIZE];
};

/* A refusal of QEMU is the VM's reason, and the VM sees to it (vm/still.h).  What did not reach
 * QEMU is tried again, and is the VM's reason when that was in vain. */
static void on_resumed(void *data, const struct err *err)
{
	struct resumed *resumed = data;
	struct refresh *refresh = refreshes_find(resumed->refreshes, resumed->id);

	free(resumed);
	if (!refresh || refresh->machine.state != REFRESH_STATE_SWITCHED ||
	    refresh->machine.is_saving)
		return;
	refresh->reason[0] = '\0';
	if (err)
		err_text(refresh->reason, "the guest stands still in the new QEMU: %s", err->msg);
	if (err && err->code != ERR_QEMU && ++refresh->facts.tries < RESUME_TRIES) {
		refresh_look_later(refresh, REFRESH_LOOK_MS);
		return;
	}
	if (err && err->code != ERR_QEMU && refresh_qemu(refresh))
		vm_note_still(refresh_vm(refresh), err);
	settle(refresh);
}

/* The usual way, which looks at the images first: this may not be the first `cont'. */
static void resume(struct refresh *refresh)
{
	struct resumed *resumed = xnew(struct resumed);

	resumed->refreshes = refresh->refreshes;
	memcpy(resumed->id, refresh->row.id, sizeof(resumed->id));
	vm_act(refresh_vm(refresh), VM_ACTION_RESUME, on_resumed, resumed);
}

static void on_continued(struct refresh *refresh, struct json_object *result, const struct err *err)
{
	struct vm *vm = refresh_vm(refresh);

	(void)result;
	if (err && err->code == ERR_QEMU)
		vm_note_still(vm, err);
	if (err && err->code != ERR_QEMU && refresh_qemu(refresh))
		say_silent(refresh, err);
	else if (err && vm_cont_may_be_repeated(err) && refresh_qemu(refresh))
		refresh_look_later(refresh, REFRESH_LOOK_MS);
	else
		settle(refresh);
}

static bool is_to_run(const struct refresh *refresh)
{
	return vm_intent(refresh_vm(refresh)) == VM_INTENT_STARTED;
}

void refresh_enter_switched(struct machine *machine)
{
	struct refresh *refresh = refresh_of(machine);

	if (!refresh_qemu(refresh) || (!machine->is_resumed && !is_to_run(refresh)))
		settle(refresh);
	else if (!machine->is_resumed)
		refresh_ask(refresh, REFRESH_SIDE_VM, "cont", NULL, on_continued);
	else
		refresh_look_later(refresh, 0);
}

static void fail_switched(struct refresh *refresh)
{
	struct vm *vm = refresh_vm(refresh);

	if (vm && vm_intent(vm) == VM_INTENT_STOPPED)
		err_set(&refresh->error, ERR_CANCELLED,
			"the VM was stopped on request when the new QEMU ('%s') had the guest",
			refresh->row.emulator);
	else
		err_set(&refresh->error, ERR_QEMU,
			"the new QEMU ('%s') has ended when it had the guest",
			refresh->row.emulator);
	if (vm && refresh->error.code == ERR_QEMU)
		vm_explain_end(vm, &refresh->error);
	if (vm)
		vm_remove_beside(vm);
	refresh_go(refresh, REFRESH_STATE_FAILED, NULL);
}

void refresh_step_switched(struct machine *machine)
{
	struct refresh *refresh = refresh_of(machine);
	bool lives = refresh_qemu(refresh) != NULL;

	if (!refresh->facts.has_run) {
		if (!lives)
			settle(refresh);
	} else if (!refresh->is_beside_gone) {
		; /* its exit is seen */
	} else if (!lives) {
		if (refresh_tpm_is_settled(refresh))
			fail_switched(refresh);
	} else if (!refresh->facts.is_tidied) {
		if (!refresh->facts.seen[REFRESH_SIDE_VM].is_asked &&
		    vm_is_active(refresh_vm(refresh)))
			refresh_tidy(refresh, on_tidied);
	} else if (refresh_tpm_is_settled(refresh)) {
		vm_remove_beside(refresh_vm(refresh));
		refresh_go(refresh, REFRESH_STATE_DONE, NULL);
	}
}

void refresh_look_switched(struct refresh *refresh)
{
	struct vm *vm = refresh_vm(refresh);

	if (refresh->facts.has_run || !refresh_qemu(refresh))
		machine_step(&refresh->machine);
	else if (!vm_is_active(vm))
		refresh_look_later(refresh, REFRESH_LOOK_MS); /* until its monitor answers */
	else if (is_to_run(refresh) && qemu_run_state(vm_qemu(vm)) != QMP_RUN_RUNNING)
		resume(refresh);
	else
		settle(refresh);
}
