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
	VM_AGENT_UNKNOWN, /* QEMU told it before we were there: the agent's answer tells */
	VM_AGENT_ABSENT,
	VM_AGENT_PRESENT,
};

/* It lives as long as the QEMU is ours to speak to. */
struct vm_agent {
	struct vm *vm;
	enum vm_agent_presence presence;
	struct qga_conn *conn; /* NULL: absent, or lost */
	uint64_t number;       /* of the connection: a late answer finds only its own */
	bool is_asked;         /* whether it is frozen */
	bool is_thawing;
	unsigned thaws;        /* under way for users */
	bool is_frozen;        /* or may be */
	uint64_t frozen_count; /* file systems */
	bool sets_clock;       /* it has arrived by a move, and its clock stood still */
	uint64_t lease_ends_ms;
	struct loop_timer *lease; /* of the freeze */
	struct loop_timer *again; /* to look after it once more */
};

/* What an answer needs to find its agent again. */
struct vm_agent_ref {
	struct vms *vms;
	char uuid[ID_UUID_SIZE];
	uint64_t number;
};
struct vm_agent_ref vm_agent_ref(const struct vm_agent *agent);
struct vm_agent *vm_agent_find(const struct vm_agent_ref *ref); /* NULL: gone */

/* Does nothing if the VM is not ours or has no channel; an agent that is FOUND again keeps
 * its freeze, and is asked whether it is there. */
void vm_agent_begin(struct vm *vm, enum vm_here how);
void vm_agent_end(struct vm *vm);
void vm_agent_event(struct vm *vm, const struct qmp_event *event);

/* Speaks to it where there is something to be learned or done: is it there, is it
 * frozen without a lease, is its clock wrong? */
void vm_agent_look(struct vm_agent *agent);
/* The same, without a reason. */
void vm_agent_probe(struct vm_agent *agent);
bool vm_agent_connect(struct vm_agent *agent, struct err *err);
bool vm_agent_may_speak(const struct vm_agent *agent); /* its guest's CPUs run */
void vm_agent_set_frozen(struct vm_agent *agent, uint32_t lease_ms);
void vm_agent_set_thawed(struct vm_agent *agent);
/* A qga_request.make_args for guest-set-time. */
struct json_object *vm_agent_time_args(void);

#endif
