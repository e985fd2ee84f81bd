/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* vm/agent_priv.h -- shared by agent.c (the channel and the freeze), agent_call.c
 * (what users ask) and the files that make up a VM. */
#ifndef MIGRD_VM_AGENT_PRIV_H
#define MIGRD_VM_AGENT_PRIV_H

#include "qga/conn.h"
#include "vm/agent.h"
#include "vm/parts.h"
#include "vm/vm_priv.h"

enum vm_agent_presence {
	VM_AGENT_UNKNOWN, /* QEMU's event came before we listened; an answer will tell */
	VM_AGENT_ABSENT,
	VM_AGENT_PRESENT,
};

/* Exists while this host owns the VM, and the VM has a QEMU and a channel for an agent. */
struct vm_agent {
	struct vm *vm;
	enum vm_agent_presence presence;
	struct qga_conn *conn; /* NULL: absent, or lost */
	uint64_t number;       /* of the connection; late answers of an earlier one are ignored */
	bool is_asked;         /* for its freeze status; the answer is awaited */
	bool is_thawing;
	unsigned thaws;        /* thaws of users that are under way */
	bool is_frozen;        /* or may be frozen */
	uint64_t frozen_count; /* frozen file systems */
	bool sets_clock;       /* the guest arrived by a move, and its clock stood still */
	uint64_t lease_ends_ms;
	struct loop_timer *lease; /* of the freeze */
	struct loop_timer *again; /* for the next look at the agent */
};

/* What an answer needs to find its agent again. */
struct vm_agent_ref {
	struct vms *vms;
	char uuid[ID_UUID_SIZE];
	uint64_t number;
};
struct vm_agent_ref vm_agent_ref(const struct vm_agent *agent);
struct vm_agent *vm_agent_find(const struct vm_agent_ref *ref); /* NULL: gone */

/* Does nothing if the VM is not ours or has no channel.  With HOW VM_HERE_FOUND an
 * agent that is known already keeps its freeze, and is asked whether it is there. */
void vm_agent_begin(struct vm *vm, enum vm_here how);
void vm_agent_end(struct vm *vm);
void vm_agent_event(struct vm *vm, const struct qmp_event *event);

/* Asks for the freeze status if there is a reason: it is not known whether the agent is
 * there, the guest is frozen without a lease, or its clock is to be set. */
void vm_agent_look(struct vm_agent *agent);
/* The same, even without a reason. */
void vm_agent_probe(struct vm_agent *agent);
bool vm_agent_connect(struct vm_agent *agent, struct err *err);
bool vm_agent_may_speak(const struct vm_agent *agent); /* its guest's CPUs run */
void vm_agent_set_frozen(struct vm_agent *agent, uint32_t lease_ms);
void vm_agent_set_thawed(struct vm_agent *agent);
/* A qga_request.make_args for guest-set-time. */
struct json_object *vm_agent_time_args(void);

#endif
