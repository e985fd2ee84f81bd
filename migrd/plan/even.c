/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "plan/even.h"

#include <math.h>

#include "base/mem.h"
#include "plan/ranks.h"

#define PRICE_FIRST    2.0 /* worth it if one host is empty and the other full */
#define PRICE_FALLS    0.75
#define BESIDE_MIB     512   /* of a move: as much as it could send in its second, or so */
#define PASSES_MAX     8     /* at one price */
#define LOOKS_MAX      12    /* hosts that have room, for each VM */
#define HOSTS_FEW      64    /* so many are all looked at */
#define PARTNERS       2     /* hosts in each direction with which VMs are changed */
#define SWAP_PRICE     0.025 /* from this price on VMs change places: it takes longer */
#define SWAP_PRICE_FEW 1.0   /* if hosts are few */
#define VMS_FEW        200   /* of so many all ways are tried */
#define BUDGET         400000000
/* What a try to change two places costs beside a look at one of them. */
#define SWAP_LOOKS     16
#define REFRESH        16 /* the order of hosts is new after so many moves, or more */
#define GAIN_MIN       1e-15

struct evening {
	struct even *even;
	double swap_price;
	struct ranks ranks;
	bool *is_fixed;         /* VMs */
	uint32_t *left, *right; /* VMs of two hosts */
	uint32_t now;           /* counts steps */
	uint32_t *changed;      /* when each host has changed last */
	uint32_t *swapped;      /* when pairs of it have been looked at last */
	uint32_t since;         /* moves since the order of hosts was made */
	uint32_t changes;
};

/* ---- gain and price -------------------------------------------------------- */

/* The imbalance's square is half the sum of plan_cost()'s squares, but for a constant. */
static double load_gain(const struct plan_state *state, uint32_t from, uint32_t to, double mem,
			double cpu)
{
	const struct plan_use *a = &state->use[from], *b = &state->use[to];

	return (mem * ((2 * (double)a->mem_mib - mem) * state->mem_scale[from] -
		       (2 * (double)b->mem_mib + mem) * state->mem_scale[to]) +
		cpu * ((2 * a->cpu_load - cpu) * state->cpu_scale[from] -
		       (2 * b->cpu_load + cpu) * state->cpu_scale[to])) /
	       2;
}

/* Of a wish that the host does not meet and the one before did: as plan_cost() has it. */
static double wish_loss(const struct even *even, uint32_t vm, uint32_t host)
{
	const struct plan_state *state = even->state;
	const struct plan_vm *what = &state->cluster->vms[vm];
	double missing;

	if (!state->cluster->vm_ids[vm].has_wishes)
		return 0;
	missing = plan_missing(state, vm, host) - plan_missing(state, vm, state->at[vm]);
	return missing > 0 ? missing * ((double)what->mem_mib / state->mem_total +
					what->cpu_load / state->cpu_total)
			   : 0;
}

double even_gain(const struct plan_state *state, uint32_t vm, uint32_t host)
{
	const struct plan_vm *what = &state->cluster->vms[vm];

	return load_gain(state, state->at[vm], host, (double)what->mem_mib, what->cpu_load);
}

static double price_of(const struct plan_state *state, double price, double beside_mib, uint32_t vm)
{
	return price * (plan_send_mib(&state->cluster->vms[vm]) + beside_mib) / state->mem_total /
	       2;
}

/* Two hosts that differ by GAP gain that for each byte, and price_of() takes half the price. */
static double price_for(double gap)
{
	return 2 * gap;
}

double even_price(const struct plan_state *state, double gap, uint32_t vm)
{
	return price_of(state, price_for(gap), BESIDE_MIB, vm);
}

static double price_now(const struct even *even, uint32_t vm)
{
	return price_of(even->state, even->price, even->beside_mib, vm);
}

/* ---- limits ---------------------------------------------------------------- */

static bool is_done(const struct even *even)
{
	double stop_at = even->wanted->stop_at;

	return even->budget == 0 || even->imbalance2 <= stop_at * stop_at;
}

/* MOVES and MIB are what a step adds. */
static bool is_within(struct even *even, int moves, double mib)
{
	const struct plan_balance *wanted = even->wanted;
	bool is = (moves <= 0 || (uint64_t)even->moved + (uint64_t)moves <= wanted->moves_max) &&
		  (mib <= 0 || even->sent_mib + mib <= wanted->mib_max);

	even->was_full = even->was_full || !is;
	return is;
}

static int moves_added(const struct plan_state *state, uint32_t vm, uint32_t host)
{
	uint32_t home = state->cluster->vm_ids[vm].host;

	return (host != home) - (state->at[vm] != home);
}

static double mib_added(const struct plan_state *state, uint32_t vm, uint32_t host)
{
	return moves_added(state, vm, host) * plan_send_mib(&state->cluster->vms[vm]);
}

/* How much more its way from home costs on HOST than where it is. */
static double price_change(const struct even *even, uint32_t vm, uint32_t host)
{
	return moves_added(even->state, vm, host) * price_now(even, vm);
}

/* ---- steps ----------------------------------------------------------------- */

static void spend(struct even *even, uint64_t looks)
{
	even->budget -= even->budget < looks ? even->budget : looks;
}

static void move(struct evening *run, uint32_t vm, uint32_t host)
{
	struct even *even = run->even;
	struct plan_state *state = even->state;
	uint32_t from = state->at[vm];

	even->imbalance2 -= even_gain(state, vm, host);
	even->sent_mib += mib_added(state, vm, host);
	even->moved += (uint32_t)moves_added(state, vm, host);
	plan_state_move(state, vm, host);
	run->changes++;
	run->changed[from] = run->changed[host] = ++run->now;
	if (++run->since < REFRESH + run->ranks.count / 16)
		return;
	ranks_refresh(&run->ranks, state);
	run->since = 0;
}

/* Nothing could be gained on the emptiest of hosts: most VMs end here. */
static bool is_hopeless(const struct evening *run, uint32_t vm, double mem, double cpu,
			double price)
{
	const struct plan_state *state = run->even->state;
	const struct plan_host *host = &state->cluster->hosts[state->at[vm]];
	const struct plan_use *use = &state->use[state->at[vm]];
	double mem_use = (double)use->mem_mib / fmax((double)plan_capacity_mib(host), 1);
	double cpu_use = use->cpu_load / (double)host->cpus;

	return state->at[vm] == state->cluster->vm_ids[vm].host &&
	       mem * (mem_use - run->ranks.mem_least) + cpu * (cpu_use - run->ranks.cpu_least) <=
		       price;
}

struct best {
	double gain;
	uint32_t host;
};

/* False: it has no room.  PRICE: of the VM now. */
static bool try_host(struct evening *run, uint32_t vm, uint32_t host, double price,
		     struct best *best)
{
	struct even *even = run->even;
	double gain;

	if (host == even->state->at[vm])
		return false;
	gain = even_gain(even->state, vm, host) - moves_added(even->state, vm, host) * price;
	if (gain <= best->gain)
		return true;
	if (!plan_fits(even->state, vm, host))
		return false;
	gain -= wish_loss(even, vm, host);
	if (gain > best->gain &&
	    is_within(even, moves_added(even->state, vm, host), mib_added(even->state, vm, host)))
		*best = (struct best){ gain, host };
	return true;
}

static void relocate(struct evening *run, uint32_t vm)
{
	const struct plan_state *state = run->even->state;
	const struct plan_vm *what = &state->cluster->vms[vm];
	double mem = (double)what->mem_mib / state->mem_total;
	double cpu = what->cpu_load / state->cpu_total;
	uint32_t home = state->cluster->vm_ids[vm].host, looks = 0;
	double price = price_now(run->even, vm);
	struct best best = { GAIN_MIN, PLAN_NOWHERE };
	const uint32_t *hosts;

	if (is_hopeless(run, vm, mem, cpu, price))
		return;
	hosts = ranks_for(&run->ranks, mem, cpu);
	for (uint32_t i = 0; i < run->ranks.count; i++) {
		looks += try_host(run, vm, hosts[i], price, &best);
		if (looks >= LOOKS_MAX && run->ranks.count > HOSTS_FEW) {
			spend(run->even, i);
			break;
		}
	}
	spend(run->even, looks + 1);
	if (state->at[vm] != home && plan_in_service(state, home))
		try_host(run, vm, home, price, &best);
	if (best.host != PLAN_NOWHERE)
		move(run, vm, best.host);
}

/* ---- two change places ----------------------------------------------------- */

struct pair {
	uint32_t a, b;
	double gain;
	bool a_first; /* the other way there is no room */
};

/* There is room for one after the other. */
static bool can_swap(struct even *even, struct pair *pair)
{
	struct plan_state *state = even->state;
	uint32_t left = state->at[pair->a], right = state->at[pair->b];
	size_t mark = state->step_count;
	bool can = false;

	spend(even, SWAP_LOOKS);
	for (int turn = 0; turn < 2 && !can; turn++) {
		pair->a_first = turn == 0;
		if (!plan_fits(state, pair->a_first ? pair->a : pair->b,
			       pair->a_first ? right : left))
			continue;
		plan_state_move(state, pair->a_first ? pair->a : pair->b,
				pair->a_first ? right : left);
		can = plan_fits(state, pair->a_first ? pair->b : pair->a,
				pair->a_first ? left : right);
		plan_state_undo(state, mark);
	}
	return can;
}

/* The gain of the pair is that of its loads alone. */
static void try_pair(struct evening *run, struct pair pair, struct pair *best)
{
	struct even *even = run->even;
	struct plan_state *state = even->state;
	uint32_t left = state->at[pair.a], right = state->at[pair.b];

	pair.gain -= price_change(even, pair.a, right) + price_change(even, pair.b, left);
	if (pair.gain <= best->gain)
		return;
	pair.gain -= wish_loss(even, pair.a, right) + wish_loss(even, pair.b, left);
	if (pair.gain > best->gain &&
	    is_within(even, moves_added(state, pair.a, right) + moves_added(state, pair.b, left),
		      mib_added(state, pair.a, right) + mib_added(state, pair.b, left)) &&
	    can_swap(even, &pair))
		*best = pair;
}

/* Those of HOST that may be moved.  What is tried changes the order of the state's lists. */
static uint32_t list_movable(const struct evening *run, uint32_t host, uint32_t *vms)
{
	const struct plan_state *state = run->even->state;
	uint32_t count = 0;

	for (uint32_t vm = state->first[host]; vm != PLAN_NOWHERE; vm = state->next[vm])
		if (!run->is_fixed[vm])
			vms[count++] = vm;
	return count;
}

/* What each unit of memory and of load that goes from LEFT to RIGHT gains at first, and loses of
 * that for each unit more. */
struct slope {
	double mem, cpu, mem_falls, cpu_falls;
};

static struct slope slope_of(const struct plan_state *state, uint32_t left, uint32_t right)
{
	const struct plan_use *a = &state->use[left], *b = &state->use[right];

	return (struct slope){
		.mem = (double)a->mem_mib * state->mem_scale[left] -
		       (double)b->mem_mib * state->mem_scale[right],
		.cpu = a->cpu_load * state->cpu_scale[left] - b->cpu_load * state->cpu_scale[right],
		.mem_falls = (state->mem_scale[left] + state->mem_scale[right]) / 2,
		.cpu_falls = (state->cpu_scale[left] + state->cpu_scale[right]) / 2,
	};
}

/* The best pair of two hosts, if there is one that is worth it. */
static void swap_between(struct evening *run, uint32_t left, uint32_t right)
{
	const struct slope slope = slope_of(run->even->state, left, right);
	struct pair best = { PLAN_NOWHERE, PLAN_NOWHERE, GAIN_MIN, false };
	uint32_t left_count = list_movable(run, left, run->left);
	uint32_t right_count = list_movable(run, right, run->right);

	for (uint32_t i = 0; i < left_count && !is_done(run->even); i++) {
		const struct plan_vm *a = &run->even->state->cluster->vms[run->left[i]];

		spend(run->even, right_count / 4 + 1);
		for (uint32_t j = 0; j < right_count; j++) {
			const struct plan_vm *b = &run->even->state->cluster->vms[run->right[j]];
			double mem = (double)a->mem_mib - (double)b->mem_mib;
			double cpu = a->cpu_load - b->cpu_load;
			double gain = mem * (slope.mem - mem * slope.mem_falls) +
				      cpu * (slope.cpu - cpu * slope.cpu_falls);

			if (gain > best.gain)
				try_pair(run,
					 (struct pair){ run->left[i], run->right[j], gain, false },
					 &best);
		}
	}
	if (best.a == PLAN_NOWHERE)
		return;
	move(run, best.a_first ? best.a : best.b, best.a_first ? right : left);
	move(run, best.a_first ? best.b : best.a, best.a_first ? left : right);
}

/* A pair of hosts is looked at again only when one of them has changed since. */
static bool is_news(const struct evening *run, uint32_t left, uint32_t right)
{
	return run->changed[left] > run->swapped[left] || run->changed[right] > run->swapped[left];
}

static void swap_all_few(struct evening *run, uint32_t left)
{
	for (uint32_t i = 0; i < run->ranks.count && !is_done(run->even); i++)
		if (run->ranks.lists[0][i] > left && is_news(run, left, run->ranks.lists[0][i]))
			swap_between(run, left, run->ranks.lists[0][i]);
}

/* With the hosts that are least like it. */
static void swap_host(struct evening *run, uint32_t left)
{
	for (unsigned direction = 0; direction < RANKS_DIRECTIONS; direction++)
		for (uint32_t i = 0; i < PARTNERS && i < run->ranks.count; i++) {
			uint32_t right = run->ranks.lists[direction][i];

			if (right != left && is_news(run, left, right) && !is_done(run->even))
				swap_between(run, left, right);
		}
}

static void swap_pass(struct evening *run)
{
	uint32_t count = run->ranks.count;
	uint32_t *hosts = xcalloc(count + 1, sizeof(*hosts));

	for (uint32_t i = 0; i < count; i++)
		hosts[i] = run->ranks.lists[0][i];
	for (uint32_t i = count; i > 0 && !is_done(run->even); i--) {
		uint32_t now = run->now;

		if (count <= HOSTS_FEW)
			swap_all_few(run, hosts[i - 1]);
		else
			swap_host(run, hosts[i - 1]);
		run->swapped[hosts[i - 1]] = now;
	}
	free(hosts);
}

/* ---- all ------------------------------------------------------------------- */

static void move_pass(struct evening *run)
{
	const struct plan_state *state = run->even->state;

	for (uint32_t vm = 0; vm < state->cluster->vm_count && !is_done(run->even); vm++)
		if (!run->is_fixed[vm])
			relocate(run, vm);
}

/* VMs of hosts in maintenance too. */
static void find_fixed(struct evening *run)
{
	const struct plan_state *state = run->even->state;

	for (uint32_t vm = 0; vm < state->cluster->vm_count; vm++)
		run->is_fixed[vm] = plan_why_fixed(state->cluster, vm) ||
				    !plan_in_service(state, state->at[vm]);
}

static void begin(struct even *even, struct plan_state *state, const struct plan_balance *wanted)
{
	*even = (struct even){ .state = state, .wanted = wanted, .budget = BUDGET };
	even->imbalance2 = plan_imbalance(state) * plan_imbalance(state);
	even->beside_mib = BESIDE_MIB;
	if (wanted->moves_max < state->cluster->vm_count)
		even->beside_mib += 4 * state->mem_total / fmax(state->cluster->vm_count, 1);
}

static void even_at_price(struct evening *run)
{
	for (unsigned pass = 0; pass < PASSES_MAX && !is_done(run->even); pass++) {
		run->changes = 0;
		move_pass(run);
		if (run->even->price <= run->swap_price)
			swap_pass(run);
		if (run->changes == 0)
			break;
	}
}

/* From SWAP_PRICE on VMs change places, and the price is FALLS times the last one, each time. */
struct way {
	double swap_price, falls;
};

static const struct way many_hosts = { SWAP_PRICE, PRICE_FALLS };
static const struct way ways[] = {
	{ SWAP_PRICE_FEW, PRICE_FALLS }, { SWAP_PRICE, PRICE_FALLS }, { SWAP_PRICE, 0.9 },
	{ SWAP_PRICE_FEW, 0.9 },         { SWAP_PRICE_FEW, 0.1 },     { 0.1, 0.5 },
};

unsigned even_ways(const struct plan_state *state)
{
	return state->cluster->vm_count <= VMS_FEW ? sizeof(ways) / sizeof(ways[0]) : 1;
}

double even_value(const struct plan_state *state, const struct plan_balance *wanted)
{
	double value = fmax(plan_imbalance(state), wanted->stop_at);

	value *= value;
	for (uint32_t vm = 0; vm < state->cluster->vm_count; vm++)
		if (state->at[vm] != state->cluster->vm_ids[vm].host)
			value += even_price(state, wanted->gap_min, vm);
	return value;
}

void even_out(struct even *even, struct plan_state *state, const struct plan_balance *wanted,
	      unsigned number)
{
	bool is_few = state->cluster->host_count <= HOSTS_FEW;
	const struct way *way = is_few || number > 0 ? &ways[number] : &many_hosts;
	double last = price_for(wanted->gap_min);
	struct evening run = {
		.even = even,
		.swap_price = way->swap_price,
		.is_fixed = xcalloc(state->cluster->vm_count + 1, sizeof(*run.is_fixed)),
		.left = xcalloc(state->cluster->vm_count + 1, sizeof(*run.left)),
		.right = xcalloc(state->cluster->vm_count + 1, sizeof(*run.right)),
		.now = 1,
		.changed = xcalloc(state->cluster->host_count, sizeof(*run.changed)),
		.swapped = xcalloc(state->cluster->host_count, sizeof(*run.swapped)),
	};

	begin(even, state, wanted);
	for (uint32_t host = 0; host < state->cluster->host_count; host++)
		run.changed[host] = 1;
	find_fixed(&run);
	ranks_init(&run.ranks, state);
	even->price = fmax(PRICE_FIRST, last);
	even_at_price(&run);
	while (even->price > last && !is_done(even)) {
		even->price = fmax(even->price * way->falls, last);
		even_at_price(&run);
	}
	ranks_fini(&run.ranks);
	free(run.is_fixed);
	free(run.left);
	free(run.changed);
	free(run.swapped);
	free(run.right);
}
