/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "vm/boot.h"

#include <stdio.h>
#include <string.h>

#include "base/log.h"
#include "base/mem.h"
#include "base/proc.h"
#include "vm/vm_priv.h"

/* By the text, as vm_def_of() would keep a struct for each VM. */
static bool has_autostart(const struct vm *vm)
{
	CLEANUP(json_putp) struct json_object *def = json_read_back(vm->row.definition);

	return json_get_bool(def, "autostart", false);
}

/* False: it was seen in this boot.  A record that may be old may say of this boot that the VM is to
 * be started, although it was since. */
static bool note_boot(struct vm *vm, bool may_be_old)
{
	bool is_wrong = may_be_old && vm->row.autostart_due;

	vm->row.autostart_due = vm->row.autostart_due && !may_be_old;
	if (strcmp(vm->row.seen_boot, proc_boot_id()) == 0)
		return is_wrong;
	snprintf(vm->row.seen_boot, sizeof(vm->row.seen_boot), "%s", proc_boot_id());
	return true;
}

/* An empty `seen_boot' is of a version that did not note it, perhaps in this very boot.  Whether
 * one that was coming when the host went down is this host's, its move will say, which writes its
 * record too. */
bool vm_see_boot(struct vm *vm, bool may_be_old)
{
	const char *seen = vm->row.seen_boot;
	bool is_booted = seen[0] && strcmp(seen, proc_boot_id()) != 0;

	if (!note_boot(vm, may_be_old))
		return false;
	vm->row.autostart_due = is_booted && !may_be_old && vm->role != VM_ROLE_FORMER &&
				!vm->qemu && has_autostart(vm);
	if (vm->row.autostart_due)
		log_info("vm", "autostart", "vm=%s reason=%s", vm->row.name, "the host was booted");
	return vm->role != VM_ROLE_INCOMING;
}

bool vm_is_autostart_due(const struct vm *vm)
{
	return vm->row.autostart_due;
}

void vm_autostart_comes(struct vm *vm)
{
	vm->row.autostart_due = has_autostart(vm);
}

void vm_autostart_over(struct vm *vm)
{
	if (!vm->row.autostart_due)
		return;
	vm->row.autostart_due = false;
	vm_save(vm, NULL, NULL);
}
