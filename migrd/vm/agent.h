/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* vm/agent.h -- the guest agent of a VM: whether it is there, and what users ask of it.
 *
 * Only migrd speaks to the agent, so a guest whose file systems are frozen was frozen
 * by migrd.  A freeze is a lease: it ends when its time is over, when a coordinator
 * finds the guest again after a restart, and on the destination of a move, always by a
 * thaw that is repeated until it succeeds.  Nothing is sent to the agent while the
 * guest's CPUs stand still.
 *
 * Thread: loop.
 */
#ifndef MIGRD_VM_AGENT_H
#define MIGRD_VM_AGENT_H

#include "base/err.h"
#include "base/json.h"
#include "vm/vm.h"

enum vm_agent_call {
	VM_AGENT_PING,
	VM_AGENT_INFO,
	VM_AGENT_FREEZE,
	VM_AGENT_THAW,
	VM_AGENT_SHUTDOWN, /* a program in the guest does it; answers when that has begun */
	VM_AGENT_SET_TIME, /* to the time of this host */
	VM_AGENT_FS_LIST,
	VM_AGENT_NETWORK,
	VM_AGENT_CALL_COUNT
};
/* VM_AGENT_CALL_COUNT: there is no such name. */
enum vm_agent_call vm_agent_call_from_name(const char *name);

/* Called once, on the loop, never from inside the call.  RESULT is borrowed, one of
 * the objects of qga/reply.h. */
typedef void vm_agent_done_fn(void *data, struct json_object *result, const struct err *err);

/* LEASE_MS counts for a freeze only; a freeze of a frozen guest renews it.  Calls queue
 * in order, each with its deadline.  CONFLICT: the VM has no channel for an agent, or
 * does not run; UNAVAILABLE: no agent has opened it; and the errors of qga/conn.h. */
void vm_agent_call(struct vm *vm, enum vm_agent_call call, uint32_t lease_ms,
		   vm_agent_done_fn *done, void *data);

/* Sends COMMAND of QEMU's guest agent, which no user can ask for: to run a program and to ask for
 * its end.  ARGS are taken over; RESULT is the agent's own words.  Otherwise as vm_agent_call(). */
void vm_agent_command(struct vm *vm, const char *command, struct json_object *args,
		      uint32_t deadline_ms, vm_agent_done_fn *done, void *data);

struct vm_agent_state {
	bool is_connected; /* an agent in the guest has opened the channel */
	bool is_frozen;
	uint64_t lease_left_ms; /* of the freeze */
};
/* False: the VM has no channel, or does not run. */
bool vm_agent_state(const struct vm *vm, struct vm_agent_state *ret);

#endif
