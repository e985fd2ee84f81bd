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

struct refusal {
	queue_done_fn *done;
	void *data;
	struct err err;
};

static void on_refused(void *data)
{
	struct refusal *refusal = data;

	refusal->done(refusal->data, NULL, &refusal->err);
	free(refusal);
}

void evac_give_refuse(struct evacuations *evacs, const struct err *err, queue_done_fn *done,
		      void *data)
{
	struct refusal *refusal = xnew(struct refusal);

	*refusal = (struct refusal){ done, data, *err };
	loop_post(evacs->env.loop, on_refused, refusal);
}
