/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What plans of all kinds have in common. */
#include "base/mem.h"
#include "plan/priv.h"

struct plan *plan_new(const struct plan_cluster *cluster)
{
	struct plan *plan = xnew(struct plan);

	plan->cluster = cluster;
	plan->fills = xcalloc(cluster->host_count, sizeof(*plan->fills));
	return plan;
}

void plan_add_gains(struct plan *plan)
{
	struct plan_state *state = plan_state_new(plan->cluster, plan->state->is_emptied);
	double before = plan_imbalance(state), after;

	for (size_t i = 0; i < plan->move_count; i++) {
		plan_state_move(state, plan->moves[i].vm, plan->moves[i].to);
		after = plan_imbalance(state);
		plan->moves[i].gain = before - after;
		before = after;
	}
	plan_state_free(state);
}

void plan_free(struct plan *plan)
{
	if (!plan)
		return;
	for (size_t i = 0; i < plan->move_count; i++)
		free(plan->moves[i].why);
	for (size_t i = 0; i < plan->stay_count; i++)
		free(plan->stays[i].why);
	free(plan->moves);
	free(plan->stays);
	free(plan->fills);
	plan_state_free(plan->state);
	free(plan);
}

bool plan_reject(const struct plan *plan, uint32_t vm, uint32_t host, struct strbuf *out)
{
	if (plan->is_balance)
		return plan_balance_reject(plan, vm, host, out);
	return plan_why_not(plan->state, vm, host, out);
}
