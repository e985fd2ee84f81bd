/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Guests of this host that another one asks for: what is common to all such orders. */
#include "evacuation/priv.h"
#include "vm/vm.h"

bool evac_give_check(const struct evacuations *evacs, const char *uuid, const struct vm *vm,
		     struct err *err)
{
	if (!vm)
		return err_set(err, ERR_NOT_FOUND, "host '%s' has no VM %s", evacs->env.host_id,
			       uuid);
	return vm_role(vm) != VM_ROLE_FORMER ||
	       err_set(err, ERR_NOT_FOUND, "VM '%s' is on host '%s' now", vm_name(vm),
		       vm_row(vm)->elsewhere);
}
