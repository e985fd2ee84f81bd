/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* plan/priv.h -- what the files of the planner share.
 *
 * A cluster is the input with numbers for names.  A state says where each VM is, and what that
 * makes of the hosts; it is changed move by move and changed back.  All steps of a plan work on
 * one state.
 */
#ifndef MIGRD_PLAN_PRIV_H
#define MIGRD_PLAN_PRIV_H

#include "plan/counts.h"
#include "plan/intern.h"
#include "plan/plan.h"

/* ---- cluster --------------------------------------------------------------- */

/* Sorted; a part of cluster->ids. */
struct plan_ids {
	const uint32_t *list;
	uint32_t count;
};

struct plan_host_ids {
	struct plan_ids labels;
	uint32_t rack; /* PLAN_NOWHERE: none */
};
struct plan_vm_ids {
	uint32_t host, group, affinity; /* PLAN_NOWHERE: none */
	bool has_wishes;                /* something in `shoulds' may matter */
	struct plan_ids requires, forbids, prefers, pins;
};

struct plan_cluster {
	const struct plan_host *hosts;
	const struct plan_vm *vms;
	uint32_t host_count, vm_count;
	struct plan_limits limits;
	struct plan_host_ids *host_ids;
	struct plan_vm_ids *vm_ids;
	uint32_t *ids; /* of all lists */
	struct intern host_names, vm_names, label_names, rack_names, group_names, affinity_names;
};

bool plan_ids_have(const struct plan_ids *ids, uint32_t id);
/* MiB for VMs. */
static inline uint64_t plan_capacity_mib(const struct plan_host *host)
{
	return host->mem_mib - host->reserved_mib;
}

/* Memory for VMs that are in such pages, and how much of it they use. */
static inline uint64_t plan_pages_mib(const struct plan_host *host, enum plan_pages pages)
{
	return host->knows_pages ? host->pages_mib[pages] : plan_capacity_mib(host);
}

static inline uint64_t plan_pages_used_mib(const struct plan_host *host, const struct plan_use *use,
					   enum plan_pages pages)
{
	return host->knows_pages ? use->pages_mib[pages] : use->mem_mib;
}

/* Kinds of memory of which VMs use more than there is. */
unsigned plan_pages_over(const struct plan_host *host, const struct plan_use *use);
/* What a move of the VM sends. */
double plan_send_mib(const struct plan_vm *vm);
/* NULL: plans may move the VM.  Else why not. */
const char *plan_why_fixed(const struct plan_cluster *cluster, uint32_t vm);

/* ---- state ----------------------------------------------------------------- */

struct plan_step {
	uint32_t vm, from; /* or where to */
};

struct plan_state {
	const struct plan_cluster *cluster;
	bool *is_emptied;     /* hosts; they take no VM */
	uint32_t *at;         /* the host of each VM; PLAN_NOWHERE while it is held in the air */
	struct plan_use *use; /* of each host */
	uint32_t *first, *next, *prev; /* the VMs of each host, as lists; PLAN_NOWHERE ends one */
	struct counts groups, affinities, racks; /* members on a host; of a group, in a rack */
	double mem_total, cpu_total;             /* capacity of the hosts in service */
	double *mem_scale,
		*cpu_scale; /* of each host: 1 / (its capacity * the total); 0: it has none */
	struct plan_step *steps;                 /* that can be changed back */
	size_t step_count, step_size;
};

/* All VMs where the input has them.  EMPTIED: bool for each host, or NULL; copied. */
struct plan_state *plan_state_new(const struct plan_cluster *cluster, const bool *emptied);
void plan_state_free(struct plan_state *state);
void plan_state_move(struct plan_state *state, uint32_t vm, uint32_t host);
/* Changes back all but the first COUNT steps. */
void plan_state_undo(struct plan_state *state, size_t count);
bool plan_in_service(const struct plan_state *state, uint32_t host);
double plan_imbalance(const struct plan_state *state);
struct plan_score plan_score(const struct plan_state *state);
void plan_use_add(struct plan_use *use, const struct plan_vm *vm);
void plan_use_sub(struct plan_use *use, const struct plan_vm *vm);

/* ---- nodes.c ---------------------------------------------------------------- */

/* Huge pages that lack on the NUMA nodes of a host. */
struct plan_shortage {
	uint64_t nodes, wanted_mib, free_mib;
};
/* HOST lacks them for what VM has bound to its nodes; ALONE: whatever other VMs come there. */
bool plan_nodes_are_short(const struct plan_state *state, uint32_t vm, uint32_t host, bool alone,
			  struct plan_shortage *ret);

/* ---- constraints ----------------------------------------------------------- */

/* Looked at for a VM that is not on the host. */
bool plan_fits(const struct plan_state *state, uint32_t vm, uint32_t host);
/* Its NUMA nodes have the huge pages beside those that are there: no VM that leaves would help. */
bool plan_has_nodes(const struct plan_state *state, uint32_t vm, uint32_t host);
/* By what no other VM has to do with. */
bool plan_may(const struct plan_state *state, uint32_t vm, uint32_t host);
/* What the VM adds to the square of the imbalance there, and what it would rather have. */
double plan_cost(const struct plan_state *state, uint32_t vm, uint32_t host);
/* The same if it is less than LIMIT; else anything that is not. */
double plan_cost_below(const struct plan_state *state, uint32_t vm, uint32_t host, double limit);
/* What the VM would rather have than the host, as a share of its capacity; 0: nothing. */
double plan_missing(const struct plan_state *state, uint32_t vm, uint32_t host);
/* Adds the first reason why not; false: it fits. */
bool plan_why_not(const struct plan_state *state, uint32_t vm, uint32_t host, struct strbuf *out);

/* Adds how many hosts do not take it for which reason. */
void plan_why_none(const struct plan_state *state, uint32_t vm, struct strbuf *out);
/* Adds what the VM would rather have; false: nothing. */
bool plan_why_not_ideal(const struct plan_state *state, uint32_t vm, uint32_t host,
			struct strbuf *out);

/* ---- places ---------------------------------------------------------------- */

/* The VMs to be moved away, and which others may be. */
struct plan_task {
	uint32_t *todo; /* in the order of their importance */
	uint32_t count;
	bool *is_todo; /* VMs */
	unsigned others_max;
	unsigned others; /* that have been moved so far */
	bool all_or_none; /* a place for some of them is of no use */
	uint64_t budget; /* so many pairs of VM and host may still be looked at */
};

/* Each VM of the task that is on an emptied host: to its best host, one after the other. */
void plan_place(struct plan_state *state, const struct plan_task *task);
/* What has no place: by having others give way, first those of the task; those that find none
 * are nowhere then.  Those not of the task are where they were in the beginning.  The task's budget is spent.
 */
void plan_make_room(struct plan_state *state, struct plan_task *task);
/* If there are few VMs, tries all ways; true: all have been tried.  Those that have no place are
 * nowhere then. */
bool plan_search(struct plan_state *state, struct plan_task *task);
/* Better places for those of the task, until there are none. */
void plan_improve(struct plan_state *state, struct plan_task *task);
/* It is on an emptied host, or nowhere. */
bool plan_is_left(const struct plan_state *state, uint32_t vm);
/* VMs of the task that are still on an emptied host, or nowhere. */
uint32_t plan_left(const struct plan_state *state, const struct plan_task *task);

/* How good places are: fewer VMs left of the highest priority, of the next, ...; then fewer others
 * moved. */
struct plan_result {
	uint32_t left[PLAN_PRIORITY_MAX + 1];
	uint32_t others;
};

struct plan_result plan_result_of(const struct plan_state *state, const struct plan_task *task);
bool plan_result_is_better(const struct plan_result *a, const struct plan_result *b);

/* ---- balance.c ------------------------------------------------------------- */

/* plan_reject() for a balance: what lacks there, or that it is not worth it. */
bool plan_balance_reject(const struct plan *plan, uint32_t vm, uint32_t host, struct strbuf *out);

/* ---- made.c ---------------------------------------------------------------- */

/* With no moves; plan_free() frees it. */
struct plan *plan_new(const struct plan_cluster *cluster);
/* By how much each move lessens the imbalance. */
void plan_add_gains(struct plan *plan);

/* ---- order and time -------------------------------------------------------- */

/* Adds moves to those of the plan: from STATE, which is carried on, to the host of each VM in
 * TARGETS.  A VM without one, or for whose move there is no moment, stays where it is.  Others that
 * are not of the task and have no target may go away for a while, as far as the task allows it.
 * BUDGET: as that of the task. */
void plan_order(struct plan_state *state, const struct plan_task *task, const uint32_t *targets,
		struct plan *plan, uint64_t *budget);
/* There is an order of moves from the input to the places in STATE. */
bool plan_can_order(const struct plan_state *state, const struct plan_task *task, uint64_t *budget);
/* Moves by which VMs of other hosts that wait for each other in a circle get where they belong. */
struct plan_tangle {
	struct plan_state *state; /* where all are; the same afterwards */
	const struct plan_task *task;
	const uint32_t *targets; /* of each VM */
	const uint32_t *wait;    /* VMs that are not there */
	uint32_t count;
	unsigned helpers_max; /* so many that are where they belong may go away for a while */
	uint64_t *budget;
};
/* The steps, vm and to: the caller's; NULL: none were found. */
struct plan_step *plan_untangle(const struct plan_tangle *tangle, uint32_t *ret_count);
/* A move waits if its destination has no room for it as long as nothing has left there.  Then there
 * is room at any moment: take the last move of the list that has begun there.  If it did not wait,
 * all before it find room beside it; if it did, so they do with what has left, as in the list. */
void plan_mark_waiting(struct plan *plan);
/* The times of the moves, and the worst of each fill; those have `before'.  Changes the order where
 * it is free, so that all is done soon (plan/hasten.c). */
void plan_schedule(struct plan *plan);
/* If HOST were lost: one of its VMs that finds no place on the others; PLAN_NOWHERE: all find one.
 * BUDGET: as that of a task, for the search if they find none one after the other. */
uint32_t plan_homeless(struct plan_state *state, uint32_t host, uint64_t *budget);

#endif
