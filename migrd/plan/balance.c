/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Hosts in service get evenly full: by moves that are worth it, in an order in which none lacks
 * room. Hosts in maintenance and what runs there are left alone. */
#include <math.h>
#include <string.h>

#include "base/mem.h"
#include "plan/even.h"
#include "plan/least.h"

/* Pairs of VM and host that are looked at for circles. */
#define ORDER_BUDGET 8000000

/* ---- order ----------------------------------------------------------------- */

/* Each VM once, to where it ends; those for whose move no moment is found stay. */
static void find_moves(struct plan *plan, const struct plan_balance *wanted, unsigned way)
{
	const struct plan_cluster *cluster = plan->cluster;
	struct plan_state *state = plan->state;
	struct plan_task task = {
		.is_todo = xcalloc(cluster->vm_count + 1, sizeof(*task.is_todo)),
	};
	uint32_t *targets = xcalloc(cluster->vm_count + 1, sizeof(*targets));
	uint64_t budget = ORDER_BUDGET;
	struct even even;

	even_out(&even, state, wanted, way);
	plan->was_limited = even.was_full;
	memcpy(targets, state->at, cluster->vm_count * sizeof(*targets));
	plan_state_undo(state, 0);
	plan_order(state, &task, targets, plan, &budget);
	free(targets);
	free(task.is_todo);
}

static void drop_moves(struct plan *plan)
{
	plan->move_count = 0;
	plan_state_undo(plan->state, 0);
}

/* What counts is what is left once the moves have an order. */
static void find_best_moves(struct plan *plan, const struct plan_balance *wanted)
{
	unsigned count = even_ways(plan->state), best = 0;
	double least = INFINITY;

	for (unsigned way = 0; way < count && count > 1; way++) {
		double value;

		find_moves(plan, wanted, way);
		value = even_value(plan->state, wanted);
		drop_moves(plan);
		if (value < least) {
			least = value;
			best = way;
		}
	}
	find_moves(plan, wanted, best);
	plan_mark_waiting(plan);
}

/* ---- what is said of it ---------------------------------------------------- */

static double percent(double part, double whole)
{
	return whole > 0 ? 100 * part / whole : 0;
}

static void add_use(const struct plan_state *state, uint32_t host, struct strbuf *out)
{
	const struct plan_host *what = &state->cluster->hosts[host];
	const struct plan_use *use = &state->use[host];

	strbuf_addf(out, "%s has memory %.0f %% and CPUs %.0f %% used", what->name,
		    percent((double)use->mem_mib, (double)plan_capacity_mib(what)),
		    percent(use->cpu_load, (double)what->cpus));
}

static void explain_move(const struct plan_state *state, struct plan_move *move)
{
	CLEANUP(strbuf_fini) struct strbuf out = STRBUF_INIT;

	if (move->is_detour)
		strbuf_adds(&out, "it goes away for a while, as others wait for its place; ");
	add_use(state, move->from, &out);
	strbuf_adds(&out, ", ");
	add_use(state, move->to, &out);
	move->why = xstrdup(strbuf_str(&out));
}

/* As it is when each begins. */
static void explain_moves(struct plan *plan)
{
	struct plan_state *state = plan_state_new(plan->cluster, NULL);

	for (size_t i = 0; i < plan->move_count; i++) {
		explain_move(state, &plan->moves[i]);
		plan_state_move(state, plan->moves[i].vm, plan->moves[i].to);
	}
	plan_state_free(state);
}

static const char *why_fixed(const struct plan_state *state, uint32_t vm)
{
	const char *why = plan_why_fixed(state->cluster, vm);

	if (why || plan_in_service(state, state->at[vm]))
		return why;
	return "its host is in maintenance: what is there is not balanced";
}

static void explain_stays(struct plan *plan, const struct plan_balance *wanted)
{
	const struct plan_state *state = plan->state;

	plan->stays = xcalloc(wanted->explain_count + 1, sizeof(*plan->stays));
	for (size_t i = 0; i < wanted->explain_count; i++) {
		uint32_t vm = wanted->explain[i];
		const char *why = why_fixed(state, vm);

		if (state->at[vm] != state->cluster->vm_ids[vm].host)
			continue;
		plan->stays[plan->stay_count++] = (struct plan_stay){
			.vm = vm,
			.has_tried = !why,
			.why = xstrdup(why ? why : "no other host is worth a move"),
		};
	}
}

static double after_gain(double imbalance, double gain)
{
	return sqrt(fmax(imbalance * imbalance - gain, 0));
}

bool plan_balance_reject(const struct plan *plan, uint32_t vm, uint32_t host, struct strbuf *out)
{
	const struct plan_state *state = plan->state;
	double now = plan->after.imbalance, gain, price;

	if (host == state->at[vm])
		return strbuf_adds(out, "it is there"), true;
	if (plan_why_not(state, vm, host, out))
		return true;
	if (why_fixed(state, vm))
		return false;
	gain = even_gain(state, vm, host);
	price = even_price(state, plan->gap_min, vm);
	if (gain <= 0)
		strbuf_addf(out, "the imbalance would not get less: %.6f instead of %.6f",
			    after_gain(now, gain), now);
	else if (gain <= price)
		strbuf_addf(out,
			    "the imbalance would be %.6f instead of %.6f; to be worth a move of "
			    "%.3f GiB it would have to be %.6f",
			    after_gain(now, gain), now,
			    plan_send_mib(&state->cluster->vms[vm]) / 1024, after_gain(now, price));
	else
		strbuf_addf(out, "the imbalance would be %.6f instead of %.6f, but %s",
			    after_gain(now, gain), now,
			    plan->was_limited ? "other moves are worth more within the limits"
					      : "this was not among the moves that were looked at");
	return true;
}

/* ---- all ------------------------------------------------------------------- */

/* NULL: no host is in service. */
static struct plan_state *begin(const struct plan_cluster *cluster, struct err *err)
{
	struct plan_state *state = plan_state_new(cluster, NULL);

	for (uint32_t host = 0; host < cluster->host_count; host++)
		if (plan_in_service(state, host))
			return state;
	plan_state_free(state);
	err_set(err, ERR_CONFLICT, "no host is online: there is nothing to be balanced");
	return NULL;
}

struct plan *plan_balance(const struct plan_cluster *cluster, const struct plan_balance *asked,
			  struct err *err)
{
	struct plan_balance limited = *asked, *wanted = &limited;
	struct plan_state *state = begin(cluster, err);
	struct plan *plan;

	if (!state)
		return NULL;
	plan = plan_new(cluster);
	plan->is_balance = true;
	plan->gap_min = wanted->gap_min = fmax(asked->gap_min, PLAN_GAP_MIN);
	plan->state = state;
	plan->before = plan_score(state);
	plan->least_imbalance = least_imbalance(state, wanted);
	for (uint32_t host = 0; host < cluster->host_count; host++)
		plan->fills[host].before = state->use[host];
	find_best_moves(plan, wanted);
	plan_schedule(plan);
	plan_add_gains(plan);
	explain_moves(plan);
	plan->after = plan_score(state);
	for (uint32_t host = 0; host < cluster->host_count; host++)
		plan->fills[host].after = state->use[host];
	explain_stays(plan, wanted);
	return plan;
}
