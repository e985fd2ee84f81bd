/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* tests/lib/plan_rig.h -- a small cluster that a test fills, and of which a host is emptied. */
#ifndef MIGRD_TESTS_LIB_PLAN_RIG_H
#define MIGRD_TESTS_LIB_PLAN_RIG_H

#include <check.h>
#include <string.h>

#include "plan/plan.h"

#define HOSTS 6
#define VMS   16

/* A cluster that a test fills: hosts h0, h1, ... with 100 MiB and 10 cores each. */
struct rig {
	struct plan_host hosts[HOSTS];
	struct plan_vm vms[VMS];
	struct plan_input input;
	struct plan_cluster *cluster;
	struct plan *plan;
	struct err err;
};

static const char *const host_names[HOSTS] = { "h0", "h1", "h2", "h3", "h4", "h5" };
static const char *const vm_names[VMS] = { "v0", "v1", "v2",  "v3",  "v4",  "v5",  "v6",  "v7",
					   "v8", "v9", "v10", "v11", "v12", "v13", "v14", "v15" };

static inline void setup(struct rig *rig, size_t hosts)
{
	memset(rig, 0, sizeof(*rig));
	for (size_t i = 0; i < hosts; i++)
		rig->hosts[i] = (struct plan_host){
			.name = host_names[i], .mem_mib = 100, .cpus = 10, .nic_gbps = 1
		};
	rig->input = (struct plan_input){ rig->hosts, hosts, rig->vms, 0, { 4, 2, 2 } };
}

static inline struct plan_vm *add_vm(struct rig *rig, size_t host, uint64_t mem_mib)
{
	size_t number = rig->input.vm_count++;
	struct plan_vm *vm = &rig->vms[number];

	*vm = (struct plan_vm){ .name = vm_names[number],
				.host = host_names[host],
				.mem_mib = mem_mib,
				.vcpus = 1,
				.cpu_load = 0.5,
				.is_movable = true };
	return vm;
}

static inline void teardown(struct rig *rig)
{
	plan_free(rig->plan);
	plan_cluster_free(rig->cluster);
}

static inline void try_evacuate(struct rig *rig, uint32_t host, unsigned others_max)
{
	const struct plan_evacuate wanted = { &host, 1, others_max };

	rig->cluster = plan_cluster_new(&rig->input, &rig->err);
	ck_assert_msg(rig->cluster != NULL, "%s", rig->err.msg);
	rig->plan = plan_evacuate(rig->cluster, &wanted, &rig->err);
}

static inline void evacuate(struct rig *rig, uint32_t host, unsigned others_max)
{
	try_evacuate(rig, host, others_max);
	ck_assert_msg(rig->plan != NULL, "%s", rig->err.msg);
}

/* Where the VM is in the end. */
static inline uint32_t host_of(const struct rig *rig, uint32_t vm)
{
	uint32_t host = plan_find_host(rig->cluster, rig->vms[vm].host);

	for (size_t i = 0; i < rig->plan->move_count; i++)
		if (rig->plan->moves[i].vm == vm)
			host = rig->plan->moves[i].to;
	return host;
}

static inline void expect_reject(const struct rig *rig, uint32_t vm, uint32_t host, const char *why)
{
	struct strbuf out = STRBUF_INIT;

	ck_assert(plan_reject(rig->plan, vm, host, &out));
	ck_assert_str_eq(strbuf_str(&out), why);
	strbuf_fini(&out);
}

#endif
