/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* VMs wait for each other's places in a circle: some go away for a while.  Looked for step by step,
 * from the states from which it seems shortest; each state is looked at once. */
#include <string.h>

#include "base/mem.h"
#include "plan/priv.h"

#define NODES_FIRST 64
#define NODES_MAX   65536 /* 64 times a power of 4 */
#define MOVERS_MAX  64    /* VMs that may take part */
#define ALL_HOSTS   24    /* of more, a VM goes away only to so many as follow */
#define SOME_HOSTS  8
#define DEPTH_MAX   120
#define KEYS        1024

struct node {
	uint32_t parent, next; /* of the same key */
	uint32_t vm, host;     /* the step that leads here */
	uint16_t depth, misplaced, helpers;
};

struct untangle {
	const struct plan_tangle *tangle;
	uint32_t movers[MOVERS_MAX], mover_count;
	struct node *nodes;
	uint32_t node_count, node_size;
	uint32_t heads[KEYS]; /* nodes of each key that are still to be looked at */
	uint64_t *seen;       /* states; 0: free */
	uint32_t seen_size;   /* twice that of nodes: a state that is seen makes one */
};

/* ---- states ---------------------------------------------------------------- */

static uint64_t mix(uint32_t vm, uint32_t host)
{
	uint64_t z = ((uint64_t)vm << 32 | host) + 0x9e3779b97f4a7c15u;

	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
	z = (z ^ z >> 27) * 0x94d049bb133111ebu;
	return z ^ z >> 31;
}

static uint64_t number_of(const struct untangle *untangle)
{
	uint64_t sum = 1;

	for (uint32_t i = 0; i < untangle->mover_count; i++)
		sum += mix(untangle->movers[i], untangle->tangle->state->at[untangle->movers[i]]);
	return sum ? sum : 1;
}

/* False: it has been seen already. */
static bool add_seen(struct untangle *untangle, uint64_t number)
{
	uint32_t slot = (uint32_t)(number >> 20) % untangle->seen_size;

	while (untangle->seen[slot]) {
		if (untangle->seen[slot] == number)
			return false;
		slot = (slot + 1) % untangle->seen_size;
	}
	untangle->seen[slot] = number;
	return true;
}

static void grow(struct untangle *untangle)
{
	uint64_t *seen = untangle->seen;
	uint32_t size = untangle->seen_size;

	untangle->node_size = untangle->node_size ? 4 * untangle->node_size : NODES_FIRST;
	untangle->nodes = xrealloc(untangle->nodes, untangle->node_size * sizeof(*untangle->nodes));
	untangle->seen_size = 2 * untangle->node_size;
	untangle->seen = xcalloc(untangle->seen_size, sizeof(*untangle->seen));
	for (uint32_t i = 0; i < size; i++)
		if (seen[i])
			add_seen(untangle, seen[i]);
	free(seen);
}

/* The state of a node, from that of the beginning. */
static void go_to(const struct untangle *untangle, size_t mark, uint32_t index)
{
	uint32_t path[DEPTH_MAX + 1], count = 0;

	plan_state_undo(untangle->tangle->state, mark);
	for (; index != 0; index = untangle->nodes[index].parent)
		path[count++] = index;
	while (count > 0) {
		const struct node *node = &untangle->nodes[path[--count]];

		plan_state_move(untangle->tangle->state, node->vm, node->host);
	}
}

/* ---- nodes ----------------------------------------------------------------- */

static void push(struct untangle *untangle, const struct node *node)
{
	uint32_t key = node->depth + 2u * node->misplaced, index = untangle->node_count++;

	if (untangle->node_count == untangle->node_size && untangle->node_size < NODES_MAX)
		grow(untangle);
	key = key < KEYS ? key : KEYS - 1;
	untangle->nodes[index] = *node;
	untangle->nodes[index].next = untangle->heads[key];
	untangle->heads[key] = index;
}

static uint32_t pop(struct untangle *untangle)
{
	for (uint32_t key = 0; key < KEYS; key++) {
		uint32_t index = untangle->heads[key];

		if (index == PLAN_NOWHERE)
			continue;
		untangle->heads[key] = untangle->nodes[index].next;
		return index;
	}
	return PLAN_NOWHERE;
}

/* The VM is where it always was, and is to be: that it goes away has to be allowed. */
static bool is_helper(const struct untangle *untangle, uint32_t vm, uint32_t index)
{
	if (untangle->tangle->targets[vm] != untangle->tangle->state->cluster->vm_ids[vm].host ||
	    untangle->tangle->state->at[vm] != untangle->tangle->targets[vm])
		return false;
	for (; index != 0; index = untangle->nodes[index].parent)
		if (untangle->nodes[index].vm == vm)
			return false;
	return true;
}

/* The state with VM on HOST, if it was not seen. */
static void add_child(struct untangle *untangle, uint32_t parent, uint32_t vm, uint32_t host)
{
	struct plan_state *state = untangle->tangle->state;
	const struct node *from = &untangle->nodes[parent]; /* until nodes grow */
	uint32_t target = untangle->tangle->targets[vm], left = state->at[vm];
	size_t mark = state->step_count;
	struct node node = {
		.parent = parent,
		.vm = vm,
		.host = host,
		.depth = from->depth + 1,
		.misplaced = (uint16_t)(from->misplaced + (left == target) - (host == target)),
		.helpers = (uint16_t)(from->helpers + is_helper(untangle, vm, parent)),
	};

	if (node.helpers > untangle->tangle->helpers_max || node.depth > DEPTH_MAX ||
	    untangle->node_count >= NODES_MAX)
		return;
	plan_state_move(state, vm, host);
	if (add_seen(untangle, number_of(untangle)))
		push(untangle, &node);
	plan_state_undo(state, mark);
}

static void expand_mover(struct untangle *untangle, uint32_t index, uint32_t vm)
{
	const struct plan_state *state = untangle->tangle->state;
	uint32_t hosts = state->cluster->host_count, target = untangle->tangle->targets[vm];
	uint32_t some = hosts > ALL_HOSTS ? SOME_HOSTS : hosts;

	if (state->at[vm] != target && plan_fits(state, vm, target))
		add_child(untangle, index, vm, target);
	for (uint32_t i = 0; i < hosts && some > 0; i++) {
		uint32_t host = (target + 1 + i) % hosts;

		if (*untangle->tangle->budget == 0)
			return;
		--*untangle->tangle->budget;
		if (host == target || host == state->at[vm] || !plan_fits(state, vm, host))
			continue;
		add_child(untangle, index, vm, host);
		some--;
	}
}

/* ---- who takes part -------------------------------------------------------- */

static bool is_target(const struct plan_tangle *tangle, uint32_t host)
{
	for (uint32_t i = 0; i < tangle->count; i++)
		if (tangle->targets[tangle->wait[i]] == host)
			return true;
	return false;
}

static bool may_help(const struct plan_tangle *tangle, uint32_t vm)
{
	const struct plan_state *state = tangle->state;

	return !tangle->task->is_todo[vm] && state->at[vm] == tangle->targets[vm] &&
	       state->at[vm] != PLAN_NOWHERE && plan_in_service(state, state->at[vm]) &&
	       !plan_why_fixed(state->cluster, vm);
}

/* Those that wait, then those on hosts where somebody wants to go, then the rest. */
static bool list_movers(struct untangle *untangle)
{
	const struct plan_tangle *tangle = untangle->tangle;

	if (tangle->count > MOVERS_MAX)
		return false;
	memcpy(untangle->movers, tangle->wait, tangle->count * sizeof(*tangle->wait));
	untangle->mover_count = tangle->count;
	for (int near = 1; near >= 0; near--)
		for (uint32_t vm = 0; vm < tangle->state->cluster->vm_count; vm++)
			if (untangle->mover_count < MOVERS_MAX && may_help(tangle, vm) &&
			    is_target(tangle, tangle->state->at[vm]) == near)
				untangle->movers[untangle->mover_count++] = vm;
	return true;
}

/* ---- all ------------------------------------------------------------------- */

static struct plan_step *path_to(const struct untangle *untangle, uint32_t index,
				 uint32_t *ret_count)
{
	uint32_t count = untangle->nodes[index].depth;
	struct plan_step *steps = xcalloc(count + 1, sizeof(*steps));

	*ret_count = count;
	for (; index != 0; index = untangle->nodes[index].parent)
		steps[--count] = (struct plan_step){ untangle->nodes[index].vm,
						     untangle->nodes[index].host };
	return steps;
}

static struct plan_step *look(struct untangle *untangle, uint32_t *ret_count)
{
	struct plan_state *state = untangle->tangle->state;
	size_t mark = state->step_count;
	struct plan_step *steps = NULL;
	uint32_t index;

	push(untangle, &(struct node){ .misplaced = (uint16_t)untangle->tangle->count });
	add_seen(untangle, number_of(untangle));
	while (!steps && *untangle->tangle->budget > 0) {
		index = pop(untangle);
		if (index == PLAN_NOWHERE)
			break;
		if (untangle->nodes[index].misplaced == 0) {
			steps = path_to(untangle, index, ret_count);
			break;
		}
		go_to(untangle, mark, index);
		for (uint32_t i = 0; i < untangle->mover_count; i++)
			expand_mover(untangle, index, untangle->movers[i]);
	}
	plan_state_undo(state, mark);
	return steps;
}

struct plan_step *plan_untangle(const struct plan_tangle *tangle, uint32_t *ret_count)
{
	struct untangle *untangle = xnew(struct untangle);
	struct plan_step *steps = NULL;

	untangle->tangle = tangle;
	memset(untangle->heads, 0xff, sizeof(untangle->heads)); /* PLAN_NOWHERE */
	if (list_movers(untangle)) {
		grow(untangle);
		steps = look(untangle, ret_count);
		free(untangle->nodes);
		free(untangle->seen);
	}
	free(untangle);
	return steps;
}
