/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* When each move begins and ends: played through, in the order of the plan, each as soon as its
 * hosts have a move free and it need not wait.  The moves of a host share its link equally, each
 * way; a move goes at the smaller share.  It takes a second beside its data. */
#include "plan/schedule.h"

#include <math.h>
#include <string.h>

#include "base/mem.h"

#define MIB_PER_GBPS (1e9 / 8 / (1 << 20))
#define DONE_MIB     1e-6 /* so little left is nothing: sums of fractions */

enum phase { PENDING, SENDING, ENDING, ENDED };

/* Moves are numbers of theirs in the plan, positions those in the order that is played. */
struct schedule {
	const struct plan_cluster *cluster;
	struct plan *plan;
	bool to_idle; /* moves to hosts that receive nothing go first, whatever the order */
	double now_s;
	double *left_mib; /* of each move */
	enum phase *phases;
	const uint32_t *order;
	uint32_t *position; /* of each move */
	uint32_t *running, running_count;
	uint32_t *pending, pending_count;
	uint32_t *out, *in;            /* moves of each host */
	uint32_t *sending, *receiving; /* those that use the link */
	uint32_t *to_send;             /* pending moves out of each host */
	uint32_t open;                 /* hosts that have some, and a move free */
	uint32_t *leaving;             /* the first move out of each host that has not ended */
	uint32_t *next_out;            /* of each move: the next out of the same host */
	uint32_t *before;              /* of each move: that of the same VM before, PLAN_NOWHERE */
	uint32_t *last;                /* of each VM: its last move, as a number + 1 */
	struct plan_use *use, *worst;
};

static double link_mib(const struct schedule *run, uint32_t host)
{
	return run->cluster->hosts[host].nic_gbps * MIB_PER_GBPS;
}

static bool may_start(struct schedule *run, uint32_t index)
{
	const struct plan_move *move = &run->plan->moves[index];
	uint32_t before = run->before[index];

	if (run->out[move->from] >= run->cluster->limits.out_per_host ||
	    run->in[move->to] >= run->cluster->limits.in_per_host)
		return false;
	if (before != PLAN_NOWHERE && run->phases[before] != ENDED)
		return false;
	return !move->waits || run->leaving[move->to] == PLAN_NOWHERE ||
	       run->position[run->leaving[move->to]] > run->position[index];
}

static void note_worst(struct schedule *run, uint32_t host)
{
	struct plan_use *worst = &run->worst[host];
	const struct plan_use *use = &run->use[host];

	worst->mem_mib = worst->mem_mib > use->mem_mib ? worst->mem_mib : use->mem_mib;
	worst->vcpus = worst->vcpus > use->vcpus ? worst->vcpus : use->vcpus;
	worst->cpu_load = fmax(worst->cpu_load, use->cpu_load);
}

static bool is_open(const struct schedule *run, uint32_t host)
{
	return run->to_send[host] > 0 && run->out[host] < run->cluster->limits.out_per_host;
}

static void start(struct schedule *run, uint32_t index)
{
	struct plan_move *move = &run->plan->moves[index];
	const struct plan_vm *vm = &run->cluster->vms[move->vm];

	move->start_s = run->now_s;
	run->left_mib[index] = plan_send_mib(vm);
	run->phases[index] = SENDING;
	run->running[run->running_count++] = index;
	run->to_send[move->from]--;
	run->out[move->from]++;
	run->open -= !is_open(run, move->from);
	run->in[move->to]++;
	run->sending[move->from]++;
	run->receiving[move->to]++;
	plan_use_add(&run->use[move->to], vm);
	note_worst(run, move->to);
}

/* TO_IDLE: only those whose destination receives nothing else. */
static void start_some(struct schedule *run, bool to_idle)
{
	uint32_t kept = 0, i = 0;

	for (; i < run->pending_count && run->open > 0; i++) {
		uint32_t index = run->pending[i];

		if (may_start(run, index) &&
		    (!to_idle || run->receiving[run->plan->moves[index].to] == 0))
			start(run, index);
		else
			run->pending[kept++] = index;
	}
	memmove(run->pending + kept, run->pending + i,
		(run->pending_count - i) * sizeof(*run->pending));
	run->pending_count -= i - kept;
}

static void start_all(struct schedule *run)
{
	if (run->to_idle)
		start_some(run, true);
	start_some(run, false);
}

static double rate_of(const struct schedule *run, const struct plan_move *move)
{
	return fmin(link_mib(run, move->from) / run->sending[move->from],
		    link_mib(run, move->to) / run->receiving[move->to]);
}

static double time_left(const struct schedule *run, uint32_t index)
{
	const struct plan_move *move = &run->plan->moves[index];

	if (run->phases[index] == ENDING)
		return move->end_s - run->now_s;
	return run->left_mib[index] / rate_of(run, move);
}

static void sent(struct schedule *run, uint32_t index)
{
	struct plan_move *move = &run->plan->moves[index];

	run->phases[index] = ENDING;
	move->end_s = run->now_s + SCHEDULE_BESIDE_S;
	run->sending[move->from]--;
	run->receiving[move->to]--;
}

static void end(struct schedule *run, uint32_t index)
{
	const struct plan_move *move = &run->plan->moves[index];

	run->phases[index] = ENDED;
	run->open -= is_open(run, move->from);
	run->out[move->from]--;
	run->open += is_open(run, move->from);
	run->in[move->to]--;
	plan_use_sub(&run->use[move->from], &run->cluster->vms[move->vm]);
	while (run->leaving[move->from] != PLAN_NOWHERE &&
	       run->phases[run->leaving[move->from]] == ENDED)
		run->leaving[move->from] = run->next_out[run->leaving[move->from]];
}

/* Until the next move has sent all, or has ended; true: one has ended. */
static bool go_on(struct schedule *run)
{
	double step_s = INFINITY;
	uint32_t kept = 0, count = run->running_count;
	bool has_ended;

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
	has_ended = kept < count;
	run->running_count = kept;
	return has_ended;
}

/* ---- the bound ------------------------------------------------------------- */

struct sums {
	double out_s, in_s; /* see busy_s() */
	double out_alone_s, in_alone_s;
};

double schedule_alone_s(const struct plan_cluster *cluster, const struct plan_move *move)
{
	return plan_send_mib(&cluster->vms[move->vm]) /
		       fmin(cluster->hosts[move->from].nic_gbps,
			    cluster->hosts[move->to].nic_gbps) /
		       MIB_PER_GBPS +
	       SCHEDULE_BESIDE_S;
}

/* How long the data of a move keep a host's link busy at the least: COUNT moves at a time are each
 * no faster than the other host's link, and with all of them no faster than their share. */
static double busy_s(double mib, double link, double other, unsigned count)
{
	return mib / fmin(link, other * count);
}

/* In any moment in which N <= COUNT moves share a link, each does no more than 1/N of a second of
 * its busy_s() in a second.  And each takes its own time, COUNT at a time.  After the last data
 * there is the end of a move. */
double schedule_bound_s(const struct schedule *run)
{
	const struct plan_limits *limits = &run->cluster->limits;
	struct sums *sums = xcalloc(run->cluster->host_count, sizeof(*sums));
	double bound = 0;

	for (size_t i = 0; i < run->plan->move_count; i++) {
		const struct plan_move *move = &run->plan->moves[i];
		struct sums *out = &sums[move->from], *in = &sums[move->to];
		double mib = plan_send_mib(&run->cluster->vms[move->vm]);
		double from = link_mib(run, move->from), to = link_mib(run, move->to);
		double alone = schedule_alone_s(run->cluster, move);

		out->out_s += busy_s(mib, from, to, limits->out_per_host);
		in->in_s += busy_s(mib, to, from, limits->in_per_host);
		out->out_alone_s += alone;
		in->in_alone_s += alone;
		bound = fmax(bound, alone);
	}
	for (uint32_t host = 0; host < run->cluster->host_count; host++) {
		double most = fmax(sums[host].out_s, sums[host].in_s);

		if (most > 0)
			bound = fmax(bound, most + SCHEDULE_BESIDE_S);
		bound = fmax(bound, sums[host].out_alone_s / limits->out_per_host);
		bound = fmax(bound, sums[host].in_alone_s / limits->in_per_host);
	}
	free(sums);
	return bound;
}

/* ---- all ------------------------------------------------------------------- */

/* Which moves leave the same host, and which are of the same VM. */
static void link_moves(struct schedule *run)
{
	size_t moves = run->plan->move_count;

	for (uint32_t host = 0; host < run->cluster->host_count; host++)
		run->leaving[host] = PLAN_NOWHERE;
	for (size_t i = moves; i > 0; i--) {
		uint32_t index = run->order[i - 1];
		uint32_t from = run->plan->moves[index].from;

		run->position[index] = (uint32_t)(i - 1);
		run->next_out[index] = run->leaving[from];
		run->leaving[from] = index;
		run->open += run->to_send[from]++ == 0;
	}
	for (size_t i = 0; i < moves; i++) {
		uint32_t index = run->order[i], *last = &run->last[run->plan->moves[index].vm];

		run->before[index] = *last ? *last - 1 : PLAN_NOWHERE;
		*last = index + 1;
		run->pending[i] = index;
	}
	run->pending_count = (uint32_t)moves;
	for (size_t i = 0; i < moves; i++)
		run->last[run->plan->moves[i].vm] = 0;
}

double schedule_play(struct schedule *run, const uint32_t *order, bool to_idle)
{
	uint32_t hosts = run->cluster->host_count;
	size_t moves = run->plan->move_count;

	run->order = order;
	run->to_idle = to_idle;
	run->now_s = 0;
	run->running_count = run->open = 0;
	memset(run->phases, 0, moves * sizeof(*run->phases)); /* PENDING */
	memset(run->out, 0, hosts * sizeof(*run->out));
	memset(run->in, 0, hosts * sizeof(*run->in));
	memset(run->sending, 0, hosts * sizeof(*run->sending));
	memset(run->receiving, 0, hosts * sizeof(*run->receiving));
	memset(run->to_send, 0, hosts * sizeof(*run->to_send));
	for (uint32_t host = 0; host < hosts; host++)
		run->use[host] = run->worst[host] = run->plan->fills[host].before;
	link_moves(run);
	start_all(run);
	while (run->running_count > 0)
		if (go_on(run))
			start_all(run);
	return run->now_s;
}

const struct plan_use *schedule_worst(const struct schedule *run, uint32_t host)
{
	return &run->worst[host];
}

struct schedule *schedule_new(struct plan *plan)
{
	size_t moves = plan->move_count + 1, hosts = plan->cluster->host_count;
	struct schedule *run = xnew(struct schedule);

	*run = (struct schedule){
		.cluster = plan->cluster,
		.plan = plan,
		.left_mib = xcalloc(moves, sizeof(*run->left_mib)),
		.phases = xcalloc(moves, sizeof(*run->phases)),
		.position = xcalloc(moves, sizeof(*run->position)),
		.running = xcalloc(moves, sizeof(*run->running)),
		.pending = xcalloc(moves, sizeof(*run->pending)),
		.out = xcalloc(hosts, sizeof(*run->out)),
		.in = xcalloc(hosts, sizeof(*run->in)),
		.sending = xcalloc(hosts, sizeof(*run->sending)),
		.receiving = xcalloc(hosts, sizeof(*run->receiving)),
		.to_send = xcalloc(hosts, sizeof(*run->to_send)),
		.leaving = xcalloc(hosts, sizeof(*run->leaving)),
		.next_out = xcalloc(moves, sizeof(*run->next_out)),
		.before = xcalloc(moves, sizeof(*run->before)),
		.last = xcalloc(plan->cluster->vm_count + 1, sizeof(*run->last)),
		.use = xcalloc(hosts, sizeof(*run->use)),
		.worst = xcalloc(hosts, sizeof(*run->worst)),
	};
	return run;
}

void schedule_free(struct schedule *run)
{
	free(run->left_mib);
	free(run->phases);
	free(run->position);
	free(run->running);
	free(run->pending);
	free(run->out);
	free(run->in);
	free(run->sending);
	free(run->receiving);
	free(run->to_send);
	free(run->leaving);
	free(run->next_out);
	free(run->before);
	free(run->last);
	free(run->use);
	free(run->worst);
	free(run);
}
