/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Random small clusters: a plan leaves no VM that could have gone, as all ways show, and breaks no
 * rule, in whatever order its moves are made.  The rules are written down here again. */
#include <check.h>
#include <string.h>

#include "base/mem.h"
#include "plan/plan.h"
#include "tests/lib/check_main.h"

#define HOSTS_MAX 4
#define VMS_MAX   6
#define STATES    4096 /* HOSTS_MAX to the power of VMS_MAX */
#define CLUSTERS  1500
#define WITH_HUGE 500
#define EMPTIED   0
#define MOVES_MAX (4 * VMS_MAX)

struct world {
	struct plan_host hosts[HOSTS_MAX];
	struct plan_vm vms[VMS_MAX];
	int home[VMS_MAX];
	int host_count, vm_count;
	uint64_t seed;
};

static const char *const names[] = { "n0", "n1", "n2", "n3", "n4", "n5" };
static const struct plan_label zones[] = { { "zone", "a" }, { "zone", "b" } };

/* splitmix64 */
static unsigned pick(struct world *world, unsigned count)
{
	uint64_t z = (world->seed += 0x9e3779b97f4a7c15u);

	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
	z = (z ^ z >> 27) * 0x94d049bb133111ebu;
	return (unsigned)((z ^ z >> 31) % count);
}

static void make(struct world *world, uint64_t seed)
{
	static const char *const groups[] = { NULL, NULL, NULL, "left", "right" };

	memset(world, 0, sizeof(*world));
	world->seed = seed;
	world->host_count = 3 + (int)pick(world, HOSTS_MAX - 2);
	world->vm_count = 3 + (int)pick(world, VMS_MAX - 2);
	for (int i = 0; i < world->host_count; i++)
		world->hosts[i] = (struct plan_host){
			.name = names[i],
			.mem_mib = 8 + pick(world, 6),
			.cpus = 4 + pick(world, 3),
			.nic_gbps = 1,
			.state = pick(world, 12) == 0 ? PLAN_HOST_DRAINING : PLAN_HOST_ONLINE,
			.labels = { &zones[pick(world, 2)], 1 },
		};
	world->hosts[1].state = PLAN_HOST_ONLINE;
	for (int i = 0; i < world->vm_count; i++) {
		world->home[i] = (int)pick(world, (unsigned)world->host_count);
		world->vms[i] = (struct plan_vm){
			.name = names[i],
			.host = names[world->home[i]],
			.mem_mib = 2 + pick(world, 6),
			.vcpus = 1 + pick(world, 2),
			.cpu_load = 0.1 * pick(world, 10),
			.group = groups[pick(world, 5)],
			.is_movable = pick(world, 10) != 0,
			.requires = { &zones[0], pick(world, 6) == 0 },
			.priority = pick(world, 2),
		};
	}
}

/* The same, but some VMs are in huge pages, and hosts may have some, or not tell. */
static void make_huge(struct world *world, uint64_t seed)
{
	make(world, seed);
	for (int i = 0; i < world->host_count; i++) {
		struct plan_host *host = &world->hosts[i];
		uint64_t huge = pick(world, (unsigned)host->mem_mib);

		host->knows_pages = pick(world, 4) != 0;
		host->pages_mib[PLAN_PAGES_ORDINARY] = host->mem_mib - huge;
		host->pages_mib[PLAN_PAGES_2M] = huge;
	}
	for (int i = 0; i < world->vm_count; i++)
		world->vms[i].pages = pick(world, 2) ? PLAN_PAGES_2M : PLAN_PAGES_ORDINARY;
}

/* ---- the rules ------------------------------------------------------------- */

static bool has_label(const struct plan_host *host, const struct plan_label *label)
{
	return strcmp(host->labels.list[0].value, label->value) == 0;
}

/* May VM go to HOST, with the others where AT says?  ALSO: further places that are taken. */
static bool allowed(const struct world *world, const int *at, const int *also, int vm, int host)
{
	const struct plan_vm *what = &world->vms[vm];
	const struct plan_host *where = &world->hosts[host];
	uint64_t mem = what->mem_mib, vcpus = what->vcpus;

	if (host == EMPTIED || world->hosts[host].state != PLAN_HOST_ONLINE ||
	    (what->requires.count && !has_label(&world->hosts[host], &zones[0])))
		return false;
	for (int other = 0; other < world->vm_count; other++) {
		const struct plan_vm *sister = &world->vms[other];

		if (other == vm || (at[other] != host && (!also || also[other] != host)))
			continue;
		if (what->group && sister->group && !strcmp(what->group, sister->group))
			return false;
		if (!where->knows_pages || sister->pages == what->pages)
			mem += sister->mem_mib;
		vcpus += sister->vcpus;
	}
	return mem <= (where->knows_pages ? where->pages_mib[what->pages] : where->mem_mib) &&
	       vcpus <= 2 * where->cpus;
}

/* VMs that could be moved and are on the emptied host: of the priority 1 a hundred. */
static int left(const struct world *world, const int *at)
{
	int sum = 0;

	for (int vm = 0; vm < world->vm_count; vm++)
		if (at[vm] == EMPTIED && world->vms[vm].is_movable)
			sum += world->vms[vm].priority ? 100 : 1;
	return sum;
}

/* ---- all ways -------------------------------------------------------------- */

static int number_of(const struct world *world, const int *at)
{
	int number = 0;

	for (int vm = 0; vm < world->vm_count; vm++)
		number = number * HOSTS_MAX + at[vm];
	return number;
}

static void state_of(const struct world *world, int number, int *at)
{
	for (int vm = world->vm_count - 1; vm >= 0; vm--, number /= HOSTS_MAX)
		at[vm] = number % HOSTS_MAX;
}

/* The least that is left in any state that moves one by one lead to. */
static int best_of_all(const struct world *world, bool others)
{
	static bool seen[STATES];
	static int queue[STATES];
	int first = 0, count = 0, best = left(world, world->home), at[VMS_MAX];

	memset(seen, 0, sizeof(seen));
	queue[count++] = number_of(world, world->home);
	seen[queue[0]] = true;
	while (first < count) {
		state_of(world, queue[first++], at);
		best = left(world, at) < best ? left(world, at) : best;
		for (int vm = 0; vm < world->vm_count; vm++) {
			int from = at[vm];

			if (!world->vms[vm].is_movable || (!others && from != EMPTIED))
				continue;
			for (int host = 0; host < world->host_count; host++) {
				int next;

				if (host == from || !allowed(world, at, NULL, vm, host))
					continue;
				at[vm] = host;
				next = number_of(world, at);
				at[vm] = from;
				if (!seen[next])
					queue[count++] = next;
				seen[next] = true;
			}
		}
	}
	return best;
}

/* ---- plans ----------------------------------------------------------------- */

static struct plan *make_plan(struct world *world, unsigned others_max,
			      struct plan_cluster **ret_cluster)
{
	const struct plan_input input = { world->hosts,
					  (size_t)world->host_count,
					  world->vms,
					  (size_t)world->vm_count,
					  { 2, 2, 2 } };
	const uint32_t host = EMPTIED;
	const struct plan_evacuate wanted = { &host, 1, others_max };
	struct plan *plan;
	struct err err;

	*ret_cluster = plan_cluster_new(&input, &err);
	ck_assert_msg(*ret_cluster != NULL, "%s", err.msg);
	plan = plan_evacuate(*ret_cluster, &wanted, &err);
	ck_assert_msg(plan != NULL, "%s", err.msg);
	return plan;
}

/* A move may begin: of the moves before it that have not ended, none is of its VM, and none leaves
 * its destination if it waits. */
static bool may_begin(const struct plan *plan, const bool *has_ended, size_t index)
{
	const struct plan_move *move = &plan->moves[index];

	for (size_t i = 0; i < index; i++)
		if (!has_ended[i] && (plan->moves[i].vm == move->vm ||
				      (move->waits && plan->moves[i].from == move->to)))
			return false;
	return true;
}

/* Begins and ends moves at random; AT becomes what they lead to. */
static void carry_out(struct world *world, const struct plan *plan, int *at)
{
	bool has_begun[MOVES_MAX] = { false }, has_ended[MOVES_MAX] = { false };
	int also[VMS_MAX];
	size_t ended = 0;

	memset(also, 0xff, sizeof(also)); /* -1 */
	memcpy(at, world->home, sizeof(world->home));
	ck_assert_uint_le(plan->move_count, MOVES_MAX);
	for (int tries = 0; ended < plan->move_count; tries++) {
		size_t i = pick(world, (unsigned)plan->move_count);
		const struct plan_move *move = &plan->moves[i];

		ck_assert_int_lt(tries, 10000);
		if (!has_begun[i] && may_begin(plan, has_ended, i)) {
			ck_assert_int_eq(at[move->vm], (int)move->from);
			ck_assert(world->vms[move->vm].is_movable);
			ck_assert(allowed(world, at, also, (int)move->vm, (int)move->to));
			also[move->vm] = (int)move->to;
			has_begun[i] = true;
		} else if (has_begun[i] && !has_ended[i]) {
			at[move->vm] = (int)move->to;
			also[move->vm] = -1;
			has_ended[i] = true;
			ended++;
		}
	}
}

static void check_stays(const struct world *world, const struct plan *plan, const int *at)
{
	struct strbuf why = STRBUF_INIT;

	for (size_t i = 0; i < plan->stay_count; i++) {
		const struct plan_stay *stay = &plan->stays[i];

		ck_assert_int_eq(at[stay->vm], EMPTIED);
		ck_assert(stay->has_tried == world->vms[stay->vm].is_movable);
		for (int host = 0; host < world->host_count && stay->has_tried; host++) {
			ck_assert(!allowed(world, at, NULL, (int)stay->vm, host));
			ck_assert(plan_reject(plan, stay->vm, (uint32_t)host, &why));
		}
	}
	strbuf_fini(&why);
}

/* Returns what is left. */
static int plan_and_check(struct world *world, unsigned others_max)
{
	struct plan_cluster *cluster;
	struct plan *plan = make_plan(world, others_max, &cluster);
	unsigned others = 0;
	int at[VMS_MAX], result;

	for (int round = 0; round < 5; round++)
		carry_out(world, plan, at);
	check_stays(world, plan, at);
	for (int vm = 0; vm < world->vm_count; vm++)
		others += at[vm] != world->home[vm] && world->home[vm] != EMPTIED;
	ck_assert_uint_le(others, others_max);
	result = left(world, at);
	plan_free(plan);
	plan_cluster_free(cluster);
	return result;
}

START_TEST(small_cluster_no_vm_left_that_could_go)
{
	int possible = 0, impossible = 0;

	for (uint64_t seed = 1; seed <= CLUSTERS; seed++) {
		struct world world;
		int best;

		make(&world, seed);
		best = best_of_all(&world, false);
		ck_assert_msg(plan_and_check(&world, 0) == best, "seed %d", (int)seed);
		possible += best == 0;
		impossible += best != 0;
	}
	/* Both are tried. */
	ck_assert_int_gt(possible, CLUSTERS / 10);
	ck_assert_int_gt(impossible, CLUSTERS / 10);
}
END_TEST

START_TEST(small_cluster_others_move_no_vm_left_that_could_go)
{
	int helped = 0;

	for (uint64_t seed = 1; seed <= CLUSTERS; seed++) {
		struct world world;
		int best;

		make(&world, seed);
		best = best_of_all(&world, true);
		ck_assert_msg(plan_and_check(&world, VMS_MAX) == best, "seed %d", (int)seed);
		helped += best < best_of_all(&world, false);
	}
	ck_assert_int_gt(helped, CLUSTERS / 50);
}
END_TEST

START_TEST(huge_pages_no_vm_left_that_could_go)
{
	int left_of_all = 0, helped = 0;

	for (uint64_t seed = 1; seed <= WITH_HUGE; seed++) {
		struct world world;
		int best, with_others;

		make_huge(&world, seed);
		best = best_of_all(&world, false);
		with_others = best_of_all(&world, true);
		ck_assert_msg(plan_and_check(&world, 0) == best, "seed %d", (int)seed);
		ck_assert_msg(plan_and_check(&world, VMS_MAX) == with_others, "seed %d", (int)seed);
		left_of_all += best != 0;
		helped += with_others < best;
	}
	ck_assert_int_gt(left_of_all, WITH_HUGE / 10);
	ck_assert_int_gt(helped, WITH_HUGE / 50);
}
END_TEST

/* Clusters in which a VM that is moved for no other reason has to go away for a while, or more than
 * one VM makes a detour at a time. */
static const uint64_t tangled[] = { 1034505, 1046887 };

START_TEST(tangled_cluster_no_vm_left_that_could_go)
{
	struct world world;
	int best;

	make(&world, tangled[_i]);
	best = best_of_all(&world, true);
	ck_assert_int_lt(best, best_of_all(&world, false));
	ck_assert_int_eq(plan_and_check(&world, VMS_MAX), best);
}
END_TEST

Suite *suite(void)
{
	Suite *suite = suite_create("plan: all ways");
	TCase *tcase = tcase_create("small clusters");

	tcase_add_test(tcase, small_cluster_no_vm_left_that_could_go);
	tcase_add_test(tcase, small_cluster_others_move_no_vm_left_that_could_go);
	tcase_add_test(tcase, huge_pages_no_vm_left_that_could_go);
	tcase_add_loop_test(tcase, tangled_cluster_no_vm_left_that_could_go, 0,
			    (int)ARRAY_LEN(tangled));
	suite_add_tcase(suite, tcase);
	return suite;
}
