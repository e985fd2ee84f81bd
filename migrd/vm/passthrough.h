/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* vm/passthrough.h -- sends a user's command to a VM's QEMU, in its turn.
 * Thread: loop. */
#ifndef MIGRD_VM_PASSTHROUGH_H
#define MIGRD_VM_PASSTHROUGH_H

#include "guard/refused.h"
#include "qmp/conn.h"
#include "vm/vm.h"
#include "wire/monitor_request.h"

/* Classifies the command of REQUEST; refused_allows() says whether it may be sent. */
void passthrough_judge(const struct monitor_request *request, struct refused_verdict *ret);
/* Waits for the VM's sync slot (vm/entry.h; VM_SYNC_QUERY or VM_SYNC_MODIFY) and sends
 * the command; waiting and answer together have the request's time.  DONE as for
 * qmp_command(), with the errors of vm_enter() too. */
void passthrough_send(struct vm *vm, const struct monitor_request *request,
		      const struct refused_verdict *verdict, qmp_reply_fn *done, void *data);

#endif
