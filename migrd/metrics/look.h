/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* metrics/look.h -- what is looked at together, and not at each request: it takes longer the more
 * VMs, hosts and descriptors there are. */
#ifndef MIGRD_METRICS_LOOK_H
#define MIGRD_METRICS_LOOK_H

#include "metrics/metrics.h"
#include "metrics/process.h"

/* Hosts of a plan: this one, and as many peers as a configuration may have (CONFIG_PEER_MAX). */
#define LOOK_HOSTS_MAX 257

/* States of a VM: vm_state() has QEMU's own names too, which count as the last. */
#define LOOK_VM_STATES 9
extern const char *const look_vm_states[LOOK_VM_STATES];

struct look_evacuation {
	char state[STORE_ENUM_SIZE]; /* "": none is under way */
	bool is_paused;
	struct evacuation_counts counts;
	int64_t end_ms, deadline_ms; /* 0: not known, none */
	struct look_blocked {
		char vm[ID_NAME_SIZE], why[METRICS_VALUE_MAX + 1];
	} blocked[METRICS_VMS_MAX];
	size_t blocked_count;
	struct look_fill {
		char host[ID_NAME_SIZE];
		double before, after, worst; /* 1 is full */
	} fills[LOOK_HOSTS_MAX];
	size_t fill_count;
};

struct look {
	uint64_t vms[LOOK_VM_STATES];
	struct look_evacuation evacuation;
	struct {
		char state[STORE_ENUM_SIZE]; /* likewise */
		struct maintenance_counts counts;
	} maintenance;
	struct process process;
};

/* Sets all of *RET. */
void look(const struct metrics_env *env, struct look *ret);

#endif
