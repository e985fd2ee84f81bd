/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What a host must have for a VM: a table. */
#include <inttypes.h>

#include "base/mem.h"
#include "plan/priv.h"

struct candidate {
	const struct plan_state *state;
	const struct plan_vm *vm;
	const struct plan_vm_ids *vm_ids;
	uint32_t number_of_vm;
	uint32_t at;     /* where the VM is */
	uint32_t number; /* of the host */
	const struct plan_host *host;
	const struct plan_host_ids *host_ids;
	const struct plan_use *use;
};

static struct candidate candidate_of(const struct plan_state *state, uint32_t vm, uint32_t host)
{
	const struct plan_cluster *cluster = state->cluster;

	return (struct candidate){
		.state = state,
		.vm = &cluster->vms[vm],
		.vm_ids = &cluster->vm_ids[vm],
		.number_of_vm = vm,
		.at = state->at[vm],
		.number = host,
		.host = &cluster->hosts[host],
		.host_ids = &cluster->host_ids[host],
		.use = &state->use[host],
	};
}

/* ---- must: whatever else is on the host ------------------------------------ */

static bool allows_state(const struct candidate *c)
{
	return c->host->state == PLAN_HOST_ONLINE;
}

static void explain_state(const struct candidate *c, struct strbuf *out)
{
	strbuf_adds(out, c->host->state == PLAN_HOST_OFFLINE ? "it is offline" : "it is draining");
}

static bool allows_emptied(const struct candidate *c)
{
	return !c->state->is_emptied[c->number];
}

static void explain_emptied(const struct candidate *c, struct strbuf *out)
{
	(void)c;
	strbuf_adds(out, "it is to be emptied too");
}

static bool allows_hold(const struct candidate *c)
{
	return !c->host->hold;
}

static void explain_hold(const struct candidate *c, struct strbuf *out)
{
	strbuf_addf(out, "it is held: %s", c->host->hold);
}

static bool allows_pins(const struct candidate *c)
{
	return c->vm_ids->pins.count == 0 || plan_ids_have(&c->vm_ids->pins, c->number);
}

static void explain_pins(const struct candidate *c, struct strbuf *out)
{
	const struct plan_ids *pins = &c->vm_ids->pins;

	strbuf_addf(out, "the VM is pinned to %s", c->state->cluster->hosts[pins->list[0]].name);
	if (pins->count > 1)
		strbuf_addf(out, " and %u other%s", pins->count - 1, pins->count == 2 ? "" : "s");
}

/* The first of IDS of which the host says HAS; PLAN_NOWHERE: none. */
static uint32_t first_label(const struct candidate *c, const struct plan_ids *ids, bool has)
{
	for (uint32_t i = 0; i < ids->count; i++)
		if (plan_ids_have(&c->host_ids->labels, ids->list[i]) == has)
			return ids->list[i];
	return PLAN_NOWHERE;
}

static void explain_label(const struct candidate *c, const char *what, uint32_t label,
			  struct strbuf *out)
{
	const struct intern_name *name = &c->state->cluster->label_names.names[label];

	strbuf_addf(out, "%s %s=%s", what, name->first, name->second);
}

static bool allows_required(const struct candidate *c)
{
	return first_label(c, &c->vm_ids->requires, false) == PLAN_NOWHERE;
}

static void explain_required(const struct candidate *c, struct strbuf *out)
{
	explain_label(c, "it lacks the label", first_label(c, &c->vm_ids->requires, false), out);
}

static bool allows_forbidden(const struct candidate *c)
{
	return first_label(c, &c->vm_ids->forbids, true) == PLAN_NOWHERE;
}

static void explain_forbidden(const struct candidate *c, struct strbuf *out)
{
	explain_label(c, "it has the label, which the VM forbids:",
		      first_label(c, &c->vm_ids->forbids, true), out);
}

static const char *const page_names[PLAN_PAGES_COUNT] = {
	[PLAN_PAGES_ORDINARY] = "memory",
	[PLAN_PAGES_2M] = "huge pages of 2 MiB",
	[PLAN_PAGES_1G] = "huge pages of 1 GiB",
};

/* All of them together would be too few. */
static bool allows_pages(const struct candidate *c)
{
	return c->vm->pages == PLAN_PAGES_ORDINARY || !c->host->knows_pages ||
	       c->vm->mem_mib <= plan_pages_mib(c->host, c->vm->pages);
}

static void explain_pages(const struct candidate *c, struct strbuf *out)
{
	uint64_t has = plan_pages_mib(c->host, c->vm->pages);

	strbuf_addf(out, "%s: %" PRIu64 " MiB are wanted, and it has %" PRIu64 " for VMs",
		    page_names[c->vm->pages], c->vm->mem_mib, has);
}

static bool allows_nodes(const struct candidate *c)
{
	struct plan_shortage unused;

	return !plan_nodes_are_short(c->state, c->number_of_vm, c->number, true, &unused);
}

static void explain_nodes_with(const struct candidate *c, bool alone, struct strbuf *out)
{
	struct plan_shortage shortage;
	const char *before = "";

	if (!plan_nodes_are_short(c->state, c->number_of_vm, c->number, alone, &shortage))
		return;
	strbuf_addf(out, "%s on its NUMA node ", page_names[c->vm->pages]);
	for (unsigned node = 0; node < PLAN_NODES_MAX; node++) {
		if (!(shortage.nodes & UINT64_C(1) << node))
			continue;
		strbuf_addf(out, "%s%u", before, node);
		before = ", ";
	}
	strbuf_addf(out, ": %" PRIu64 " MiB are wanted, %" PRIu64 " are free", shortage.wanted_mib,
		    shortage.free_mib);
}

static void explain_nodes(const struct candidate *c, struct strbuf *out)
{
	explain_nodes_with(c, true, out);
}

/* ---- must: because of the VMs that are there ------------------------------- */

static bool allows_group(const struct candidate *c)
{
	return c->vm_ids->group == PLAN_NOWHERE ||
	       counts_get(&c->state->groups, c->vm_ids->group, c->number) == 0;
}

static void explain_group(const struct candidate *c, struct strbuf *out)
{
	const struct plan_state *state = c->state;
	uint32_t vm = state->first[c->number];

	while (state->cluster->vm_ids[vm].group != c->vm_ids->group)
		vm = state->next[vm];
	strbuf_addf(out, "%s of the same group '%s' is there", state->cluster->vms[vm].name,
		    c->vm->group);
}

static bool allows_memory(const struct candidate *c)
{
	return plan_pages_used_mib(c->host, c->use, c->vm->pages) + c->vm->mem_mib <=
	       plan_pages_mib(c->host, c->vm->pages);
}

static void explain_memory(const struct candidate *c, struct strbuf *out)
{
	enum plan_pages pages = c->vm->pages;
	uint64_t all = plan_pages_mib(c->host, pages);
	uint64_t used = plan_pages_used_mib(c->host, c->use, pages);

	strbuf_addf(out, "%s: %" PRIu64 " MiB are wanted, %" PRIu64 " of %" PRIu64 " are free",
		    page_names[c->host->knows_pages ? pages : PLAN_PAGES_ORDINARY], c->vm->mem_mib,
		    all > used ? all - used : 0, all);
}

static bool allows_nodes_beside(const struct candidate *c)
{
	return plan_has_nodes(c->state, c->number_of_vm, c->number);
}

static void explain_nodes_beside(const struct candidate *c, struct strbuf *out)
{
	explain_nodes_with(c, false, out);
}

/* With room for the error of a ratio that is no binary fraction. */
static bool allows_vcpus(const struct candidate *c)
{
	return (double)(c->use->vcpus + c->vm->vcpus) <=
	       c->state->cluster->limits.vcpu_ratio * (double)c->host->cpus + 1e-9;
}

static void explain_vcpus(const struct candidate *c, struct strbuf *out)
{
	strbuf_addf(out,
		    "vCPUs: %" PRIu64 " are wanted beside %" PRIu64 ", and %" PRIu64
		    " cores with %g each are allowed",
		    c->vm->vcpus, c->use->vcpus, c->host->cpus,
		    c->state->cluster->limits.vcpu_ratio);
}

/* The first that refuses is the reason that is told: so first what does not change. */
static const struct {
	bool is_lasting; /* whatever VMs are on the host */
	const char *what; /* of several hosts, in a few words */
	bool (*allows)(const struct candidate *c);
	void (*explain)(const struct candidate *c, struct strbuf *out);
} musts[] = {
	{ true, "not online", allows_state, explain_state },
	{ true, "to be emptied", allows_emptied, explain_emptied },
	{ true, "held", allows_hold, explain_hold },
	{ true, "not one to which it is pinned", allows_pins, explain_pins },
	{ true, "without a label that it requires", allows_required, explain_required },
	{ true, "with a label that it forbids", allows_forbidden, explain_forbidden },
	{ true, "without so many huge pages", allows_pages, explain_pages },
	{ true, "without so many huge pages on its NUMA nodes", allows_nodes, explain_nodes },
	{ false, "with a VM of its group", allows_group, explain_group },
	{ false, "with too few huge pages on its NUMA nodes", allows_nodes_beside,
	  explain_nodes_beside },
	{ false, "with too little memory free", allows_memory, explain_memory },
	{ false, "with too few vCPUs free", allows_vcpus, explain_vcpus },
};

bool plan_has_nodes(const struct plan_state *state, uint32_t vm, uint32_t host)
{
	struct plan_shortage unused;

	return !plan_nodes_are_short(state, vm, host, false, &unused);
}

bool plan_fits(const struct plan_state *state, uint32_t vm, uint32_t host)
{
	const struct candidate c = candidate_of(state, vm, host);

	/* The last two say no most often. */
	for (size_t i = ARRAY_LEN(musts); i > 0; i--)
		if (!musts[i - 1].allows(&c))
			return false;
	return true;
}

bool plan_may(const struct plan_state *state, uint32_t vm, uint32_t host)
{
	const struct candidate c = candidate_of(state, vm, host);

	for (size_t i = 0; i < ARRAY_LEN(musts); i++)
		if (musts[i].is_lasting && !musts[i].allows(&c))
			return false;
	return true;
}

bool plan_why_not(const struct plan_state *state, uint32_t vm, uint32_t host, struct strbuf *out)
{
	const struct candidate c = candidate_of(state, vm, host);

	for (size_t i = 0; i < ARRAY_LEN(musts); i++) {
		if (musts[i].allows(&c))
			continue;
		musts[i].explain(&c, out);
		return true;
	}
	return false;
}

void plan_why_none(const struct plan_state *state, uint32_t vm, struct strbuf *out)
{
	uint32_t counts[ARRAY_LEN(musts)] = { 0 };
	const char *before = "";

	for (uint32_t host = 0; host < state->cluster->host_count; host++) {
		const struct candidate c = candidate_of(state, vm, host);
		size_t i = 0;

		while (i < ARRAY_LEN(musts) && musts[i].allows(&c))
			i++;
		if (i < ARRAY_LEN(musts))
			counts[i]++;
	}
	/* What could be changed most easily first. */
	for (size_t i = ARRAY_LEN(musts); i > 0; i--) {
		if (counts[i - 1] == 0)
			continue;
		strbuf_addf(out, "%s%u %s", before, counts[i - 1], musts[i - 1].what);
		before = ", ";
	}
}
