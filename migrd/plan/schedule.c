/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* When each move begins and ends: played through, in the order of the plan, each as soon as its
 * hosts have a move free and it need not wait.  The moves of a host share its link equally, each
 * way; a move goes at the smaller share.  It takes a second beside its data. */
#include <math.h>
#include <stdlib.h>

#include "base/mem.h"
#include "plan/priv.h"

#define BESIDE_S     1.0
#define MIB_PER_GBPS (1e9 / 8 / (1 << 20))
#define DONE_MIB     1e-6 /* so little left is nothing: sums of fractions */

struct run {
	const struct plan_cluster *cluster;
	struct plan *plan;
	bool is_free; /* moves to hosts that receive nothing go first, whatever the order */
	double now_s;
	double *left_mib; /* of each move */
	enum { PENDING, SENDING, ENDING, ENDED } * phases;
	uint32_t *running, running_count;
	uint32_t *pending, pending_count;
	uint32_t *out, *in;            /* moves of each host */
	uint32_t *sending, *receiving; /* those that use the link */
	uint32_t *leaving;             /* the first move out of each host that has not ended */
	uint32_t *next_out;            /* of each move: the next out of the same host */
	uint32_t *before;              /* of each move: that of the same VM before, PLAN_NOWHERE */
	struct plan_use *use;
};

static double link_mib(const struct run *run, uint32_t host)
{
	return run->cluster->hosts[host].nic_gbps * MIB_PER_GBPS;
}

static bool may_start(struct run *run, uint32_t index)
{
	const struct plan_move *move = &run->plan->moves[index];
	uint32_t before = run->before[index];

	if (run->out[move->from] >= run->cluster->limits.out_per_host ||
	    run->in[move->to] >= run->cluster->limits.in_per_host)
		return false;
	if (before != PLAN_NOWHERE && run->phases[before] != ENDED)
		return false;
	return !move->waits || run->leaving[move->to] > index;
}

static void note_worst(struct run *run, uint32_t host)
{
	struct plan_use *worst = &run->plan->fills[host].worst;
	const struct plan_use *use = &run->use[host];

	worst->mem_mib = worst->mem_mib > use->mem_mib ? worst->mem_mib : use->mem_mib;
	worst->vcpus = worst->vcpus > use->vcpus ? worst->vcpus : use->vcpus;
	worst->cpu_load = fmax(worst->cpu_load, use->cpu_load);
}

static void start(struct run *run, uint32_t index)
{
	struct plan_move *move = &run->plan->moves[index];
	const struct plan_vm *vm = &run->cluster->vms[move->vm];

	move->start_s = run->now_s;
	run->left_mib[index] = plan_send_mib(vm);
	run->phases[index] = SENDING;
	run->running[run->running_count++] = index;
	run->out[move->from]++;
	run->in[move->to]++;
	run->sending[move->from]++;
	run->receiving[move->to]++;
	plan_use_add(&run->use[move->to], vm);
	note_worst(run, move->to);
}

/* TO_IDLE: only those whose destination receives nothing else. */
static void start_some(struct run *run, bool to_idle)
{
	uint32_t kept = 0;

	for (uint32_t i = 0; i < run->pending_count; i++) {
		uint32_t index = run->pending[i];

		if (may_start(run, index) &&
		    (!to_idle || run->receiving[run->plan->moves[index].to] == 0))
			start(run, index);
		else
			run->pending[kept++] = index;
	}
	run->pending_count = kept;
}

static void start_all(struct run *run)
{
	if (run->is_free)
		start_some(run, true);
	start_some(run, false);
}

static double rate_of(const struct run *run, const struct plan_move *move)
{
	return fmin(link_mib(run, move->from) / run->sending[move->from],
		    link_mib(run, move->to) / run->receiving[move->to]);
}

static double time_left(const struct run *run, uint32_t index)
{
	const struct plan_move *move = &run->plan->moves[index];

	if (run->phases[index] == ENDING)
		return move->end_s - run->now_s;
	return run->left_mib[index] / rate_of(run, move);
}

static void sent(struct run *run, uint32_t index)
{
	struct plan_move *move = &run->plan->moves[index];

	run->phases[index] = ENDING;
	move->end_s = run->now_s + BESIDE_S;
	run->sending[move->from]--;
	run->receiving[move->to]--;
}

static void end(struct run *run, uint32_t index)
{
	const struct plan_move *move = &run->plan->moves[index];

	run->phases[index] = ENDED;
	run->out[move->from]--;
	run->in[move->to]--;
	plan_use_sub(&run->use[move->from], &run->cluster->vms[move->vm]);
	while (run->leaving[move->from] != PLAN_NOWHERE &&
	       run->phases[run->leaving[move->from]] == ENDED)
		run->leaving[move->from] = run->next_out[run->leaving[move->from]];
}

/* Until the next move has sent all, or has ended. */
static void go_on(struct run *run)
{
	double step_s = INFINITY;
	uint32_t kept = 0, count = run->running_count;

	for (uint32_t i = 0; i < count; i++)
		step_s = fmin(step_s, time_left(run, run->running[i]));
	for (uint32_t i = 0; i < count; i++) {
		uint32_t index = run->running[i];

		if (run->phases[index] == SENDING)
			run->left_mib[index] -= step_s * rate_of(run, &run->plan->moves[index]);
	}
	run->now_s += step_s;
	for (uint32_t i = 0; i < count; i++) {
		uint32_t index = run->running[i];

		if (run->phases[index] == SENDING && run->left_mib[index] <= DONE_MIB)
			sent(run, index);
		else if (run->phases[index] == ENDING &&
			 run->plan->moves[index].end_s <= run->now_s + 1e-9)
			end(run, index);
		if (run->phases[index] != ENDED)
			run->running[kept++] = index;
	}
	run->running_count = kept;
}

/* ---- the bound ------------------------------------------------------------- */

struct sums {
	double out_mib, in_mib;
	double out_s, in_s; /* each move at the full rate of the slower link */
};

/* How long a move takes if it shares no link. */
static double alone_s(const struct run *run, const struct plan_move *move)
{
	return plan_send_mib(&run->cluster->vms[move->vm]) /
		       fmin(link_mib(run, move->from), link_mib(run, move->to)) +
	       BESIDE_S;
}

/* A host cannot send faster than its link, nor can its moves be faster each than with links of
 * their own. */
static double bound_of(const struct run *run)
{
	const struct plan_limits *limits = &run->cluster->limits;
	struct sums *sums = xcalloc(run->cluster->host_count, sizeof(*sums));
	double bound = 0;

	for (size_t i = 0; i < run->plan->move_count; i++) {
		const struct plan_move *move = &run->plan->moves[i];
		double mib = plan_send_mib(&run->cluster->vms[move->vm]);
		double alone = alone_s(run, move);

		sums[move->from].out_mib += mib;
		sums[move->from].out_s += alone;
		sums[move->to].in_mib += mib;
		sums[move->to].in_s += alone;
		bound = fmax(bound, alone);
	}
	for (uint32_t host = 0; host < run->cluster->host_count; host++) {
		double most_mib = fmax(sums[host].out_mib, sums[host].in_mib);

		if (most_mib > 0)
			bound = fmax(bound, most_mib / link_mib(run, host) + BESIDE_S);
		bound = fmax(bound, sums[host].out_s / limits->out_per_host);
		bound = fmax(bound, sums[host].in_s / limits->in_per_host);
	}
	free(sums);
	return bound;
}

/* ---- all ------------------------------------------------------------------- */

/* Which moves leave the same host, and which are of the same VM. */
static void link_moves(struct run *run)
{
	uint32_t *last = xcalloc(run->cluster->vm_count + 1, sizeof(*last)); /* number + 1 */

	for (uint32_t host = 0; host < run->cluster->host_count; host++)
		run->leaving[host] = PLAN_NOWHERE;
	for (size_t i = run->plan->move_count; i > 0; i--) {
		const struct plan_move *move = &run->plan->moves[i - 1];

		run->next_out[i - 1] = run->leaving[move->from];
		run->leaving[move->from] = (uint32_t)(i - 1);
	}
	for (uint32_t i = 0; i < run->plan->move_count; i++) {
		uint32_t *before = &last[run->plan->moves[i].vm];

		run->before[i] = *before ? *before - 1 : PLAN_NOWHERE;
		*before = i + 1;
		run->pending[i] = i;
	}
	run->pending_count = (uint32_t)run->plan->move_count;
	free(last);
}

static void play(struct plan *plan, bool is_free)
{
	const struct plan_cluster *cluster = plan->cluster;
	size_t moves = plan->move_count + 1, hosts = cluster->host_count;
	struct run run = {
		.cluster = cluster,
		.plan = plan,
		.is_free = is_free,
		.left_mib = xcalloc(moves, sizeof(*run.left_mib)),
		.phases = xcalloc(moves, sizeof(*run.phases)),
		.running = xcalloc(moves, sizeof(*run.running)),
		.pending = xcalloc(moves, sizeof(*run.pending)),
		.out = xcalloc(hosts, sizeof(*run.out)),
		.in = xcalloc(hosts, sizeof(*run.in)),
		.sending = xcalloc(hosts, sizeof(*run.sending)),
		.receiving = xcalloc(hosts, sizeof(*run.receiving)),
		.leaving = xcalloc(hosts, sizeof(*run.leaving)),
		.next_out = xcalloc(moves, sizeof(*run.next_out)),
		.before = xcalloc(moves, sizeof(*run.before)),
		.use = xcalloc(hosts, sizeof(*run.use)),
	};

	for (uint32_t host = 0; host < hosts; host++) {
		run.use[host] = plan->fills[host].before;
		plan->fills[host].worst = plan->fills[host].before;
	}
	link_moves(&run);
	for (start_all(&run); run.running_count > 0; start_all(&run))
		go_on(&run);
	plan->makespan_s = run.now_s;
	plan->bound_s = bound_of(&run);
	free(run.left_mib);
	free(run.phases);
	free(run.running);
	free(run.pending);
	free(run.out);
	free(run.in);
	free(run.sending);
	free(run.receiving);
	free(run.leaving);
	free(run.next_out);
	free(run.before);
	free(run.use);
}

static int compare_start(const void *a, const void *b)
{
	const struct plan_move *left = a, *right = b;

	if (left->start_s > right->start_s || left->start_s < right->start_s)
		return left->start_s < right->start_s ? -1 : 1;
	return (left->vm > right->vm) - (left->vm < right->vm);
}

/* The order of moves that need not wait for each other and are as urgent is free: the longest
 * first, and so that two of a host do not share the link of one that takes both. */
static void arrange(struct plan *plan)
{
	const struct plan_vm *vms = plan->cluster->vms;

	for (size_t i = 0; i < plan->move_count; i++)
		if (plan->moves[i].waits || plan->moves[i].is_detour ||
		    vms[plan->moves[i].vm].priority != vms[plan->moves[0].vm].priority)
			return;
	if (plan->move_count == 0)
		return;
	for (size_t i = 0; i < plan->move_count; i++)
		plan->moves[i].start_s =
			-alone_s(&(struct run){ .cluster = plan->cluster }, &plan->moves[i]);
	qsort(plan->moves, plan->move_count, sizeof(*plan->moves), compare_start);
	play(plan, true);
	qsort(plan->moves, plan->move_count, sizeof(*plan->moves), compare_start);
}

void plan_schedule(struct plan *plan)
{
	arrange(plan);
	play(plan, false);
}
