/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Hosts are emptied: small clusters of which one sees what must come of it. */
#include <check.h>
#include <math.h>
#include <string.h>

#include "base/mem.h"
#include "plan/plan.h"
#include "tests/lib/check_main.h"
#include "tests/lib/plan_rig.h"

/* ---- places ---------------------------------------------------------------- */

START_TEST(host_with_vms_emptied_all_placed)
{
	struct rig rig;

	setup(&rig, 3);
	for (int i = 0; i < 4; i++)
		add_vm(&rig, 0, 20);
	add_vm(&rig, 1, 40);
	evacuate(&rig, 0, 0);
	ck_assert_uint_eq(rig.plan->stay_count, 0);
	ck_assert_uint_eq(rig.plan->move_count, 4);
	/* 40 and three more would be worse than 60 and 60. */
	ck_assert_uint_eq(rig.plan->fills[1].after.mem_mib, 60);
	ck_assert_uint_eq(rig.plan->fills[2].after.mem_mib, 60);
	ck_assert_uint_eq(rig.plan->fills[0].after.mem_mib, 0);
	ck_assert_uint_eq(rig.plan->after.violations, 0);
	ck_assert_uint_eq(rig.plan->before.violations, 0);
	teardown(&rig);
}
END_TEST

/* What each rule says; the VM is on h0, and h1 is the only other host. */
static const struct {
	const char *name, *why;
	struct plan_host host; /* of h1: what is set */
	struct plan_vm vm;
	bool has_sister;
} rules[] = {
	{ "state", "it is draining", { .state = PLAN_HOST_DRAINING }, { 0 }, false },
	{ "offline", "it is offline", { .state = PLAN_HOST_OFFLINE }, { 0 }, false },
	{ "hold", "it is held: ann: disks", { .hold = "ann: disks" }, { 0 }, false },
	{ "pins",
	  "the VM is pinned to h0",
	  { 0 },
	  { .pins = { (const char *const[]){ "h0" }, 1 } },
	  false },
	{ "requires",
	  "it lacks the label zone=a",
	  { .labels = { (const struct plan_label[]){ { "zone", "b" } }, 1 } },
	  { .requires = { (const struct plan_label[]){ { "zone", "a" } }, 1 } },
	  false },
	{ "forbids",
	  "it has the label, which the VM forbids: zone=b",
	  { .labels = { (const struct plan_label[]){ { "zone", "b" } }, 1 } },
	  { .forbids = { (const struct plan_label[]){ { "zone", "b" } }, 1 } },
	  false },
	{ "group", "v1 of the same group 'db' is there", { 0 }, { .group = "db" }, true },
	{ "memory",
	  "memory: 101 MiB are wanted, 100 of 100 are free",
	  { 0 },
	  { .mem_mib = 101 },
	  false },
	{ "vcpus",
	  "vCPUs: 41 are wanted beside 0, and 10 cores with 4 each are allowed",
	  { 0 },
	  { .vcpus = 41 },
	  false },
};

START_TEST(host_that_breaks_a_rule_is_rejected_with_it)
{
	struct rig rig;
	struct plan_vm *vm;

	setup(&rig, 3);
	rig.hosts[0].mem_mib = 200;
	/* So that one is in service whatever h1 is: too small for all. */
	rig.hosts[2].mem_mib = 1;
	vm = add_vm(&rig, 0, rules[_i].vm.mem_mib ? rules[_i].vm.mem_mib : 10);
	if (rules[_i].vm.vcpus)
		vm->vcpus = rules[_i].vm.vcpus;
	vm->pins = rules[_i].vm.pins;
	vm->requires = rules[_i].vm.requires;
	vm->forbids = rules[_i].vm.forbids;
	vm->group = rules[_i].vm.group;
	rig.hosts[1].state = rules[_i].host.state;
	rig.hosts[1].hold = rules[_i].host.hold;
	rig.hosts[1].labels = rules[_i].host.labels;
	if (rules[_i].has_sister)
		add_vm(&rig, 1, 10)->group = rules[_i].vm.group;
	evacuate(&rig, 0, 0);
	ck_assert_uint_eq(rig.plan->move_count, 0);
	ck_assert_uint_eq(rig.plan->stay_count, 1);
	ck_assert(rig.plan->stays[0].has_tried);
	expect_reject(&rig, 0, 1, rules[_i].why);
	expect_reject(&rig, 0, 0, "it is to be emptied too");
	teardown(&rig);
}
END_TEST

START_TEST(vm_that_may_not_be_moved_stays_with_the_reason)
{
	struct rig rig;

	setup(&rig, 2);
	add_vm(&rig, 0, 10)->is_movable = false;
	add_vm(&rig, 0, 10)->hold = "held by bob";
	add_vm(&rig, 0, 10);
	evacuate(&rig, 0, 5);
	ck_assert_uint_eq(rig.plan->move_count, 1);
	ck_assert_uint_eq(rig.plan->stay_count, 2);
	ck_assert_str_eq(rig.plan->stays[0].why, "it is marked as not movable");
	ck_assert_str_eq(rig.plan->stays[1].why, "held by bob");
	ck_assert(!rig.plan->stays[0].has_tried);
	ck_assert_uint_eq(rig.plan->after.violations, 2);
	teardown(&rig);
}
END_TEST

START_TEST(offline_host_emptied_all_stay)
{
	struct rig rig;

	setup(&rig, 2);
	rig.hosts[0].state = PLAN_HOST_OFFLINE;
	add_vm(&rig, 0, 10);
	evacuate(&rig, 0, 5);
	ck_assert_uint_eq(rig.plan->move_count, 0);
	ck_assert_uint_eq(rig.plan->stay_count, 1);
	teardown(&rig);
}
END_TEST

/* A host that is dead elsewhere does not block. */
START_TEST(other_host_offline_others_take_all)
{
	struct rig rig;

	setup(&rig, 3);
	rig.hosts[1].state = PLAN_HOST_OFFLINE;
	add_vm(&rig, 0, 10);
	add_vm(&rig, 1, 10);
	evacuate(&rig, 0, 0);
	ck_assert_uint_eq(host_of(&rig, 0), 2);
	teardown(&rig);
}
END_TEST

/* More of a host than it may have stays, but nothing is added. */
START_TEST(host_over_its_limit_is_given_nothing)
{
	struct rig rig;

	setup(&rig, 3);
	add_vm(&rig, 0, 10);
	add_vm(&rig, 1, 120);
	add_vm(&rig, 2, 80);
	evacuate(&rig, 0, 0);
	ck_assert_uint_eq(host_of(&rig, 0), 2);
	ck_assert_uint_eq(rig.plan->before.violations, 1);
	ck_assert_uint_eq(rig.plan->after.violations, 1);
	teardown(&rig);
}
END_TEST

START_TEST(too_little_room_the_highest_priority_goes)
{
	struct rig rig;

	setup(&rig, 2);
	add_vm(&rig, 0, 60);
	add_vm(&rig, 0, 50)->priority = 3;
	add_vm(&rig, 0, 60);
	evacuate(&rig, 0, 0);
	ck_assert_uint_eq(rig.plan->move_count, 1);
	ck_assert_uint_eq(rig.plan->moves[0].vm, 1);
	expect_reject(&rig, 0, 1, "memory: 60 MiB are wanted, 50 of 100 are free");
	teardown(&rig);
}
END_TEST

/* One large or two small: as few as possible stay. */
START_TEST(too_little_room_as_many_as_possible_go)
{
	struct rig rig;

	setup(&rig, 2);
	add_vm(&rig, 0, 60);
	add_vm(&rig, 0, 50);
	add_vm(&rig, 0, 50);
	evacuate(&rig, 0, 0);
	ck_assert_uint_eq(rig.plan->move_count, 2);
	ck_assert_uint_eq(rig.plan->stays[0].vm, 0);
	teardown(&rig);
}
END_TEST

/* The best place of each leaves none for the last. */
START_TEST(places_that_fit_only_in_one_way_are_found)
{
	struct rig rig;

	setup(&rig, 4);
	add_vm(&rig, 1, 40);
	add_vm(&rig, 2, 30);
	add_vm(&rig, 3, 45);
	add_vm(&rig, 0, 30);
	add_vm(&rig, 0, 30);
	add_vm(&rig, 0, 35);
	add_vm(&rig, 0, 35);
	add_vm(&rig, 0, 55);
	rig.hosts[0].mem_mib = 200;
	evacuate(&rig, 0, 0);
	ck_assert_uint_eq(rig.plan->stay_count, 0);
	ck_assert_uint_eq(rig.plan->after.violations, 0);
	teardown(&rig);
}
END_TEST

/* ---- wishes ---------------------------------------------------------------- */

START_TEST(group_spread_over_racks)
{
	struct rig rig;

	setup(&rig, 4);
	rig.hosts[1].rack = "left";
	rig.hosts[2].rack = "left";
	rig.hosts[3].rack = "right";
	add_vm(&rig, 0, 10)->group = "db";
	add_vm(&rig, 1, 10)->group = "db";
	evacuate(&rig, 0, 0);
	ck_assert_uint_eq(host_of(&rig, 0), 3);
	teardown(&rig);
}
END_TEST

START_TEST(preferred_label_and_affinity_win_among_similar)
{
	const struct plan_label fast = { "disk", "fast" };
	struct rig rig;

	setup(&rig, 4);
	rig.hosts[2].labels = (struct plan_labels){ &fast, 1 };
	add_vm(&rig, 0, 10)->prefers = (struct plan_labels){ &fast, 1 };
	add_vm(&rig, 0, 10)->affinity = "shop";
	add_vm(&rig, 3, 5)->affinity = "shop";
	evacuate(&rig, 0, 0);
	ck_assert_uint_eq(host_of(&rig, 0), 2);
	ck_assert_uint_eq(host_of(&rig, 1), 3);
	teardown(&rig);
}
END_TEST

/* h1 and h2 are emptier, but each has room for one only. */
START_TEST(vms_that_should_be_together_go_together)
{
	struct rig rig;

	setup(&rig, 4);
	add_vm(&rig, 0, 5)->affinity = "shop";
	add_vm(&rig, 0, 5)->affinity = "shop";
	add_vm(&rig, 1, 21);
	add_vm(&rig, 2, 21);
	add_vm(&rig, 3, 77);
	rig.hosts[1].mem_mib = rig.hosts[2].mem_mib = 30;
	evacuate(&rig, 0, 0);
	ck_assert_uint_eq(host_of(&rig, 0), 3);
	ck_assert_uint_eq(host_of(&rig, 1), 3);
	teardown(&rig);
}
END_TEST

START_TEST(wish_that_is_missed_is_told)
{
	const struct plan_label fast = { "disk", "fast" };
	struct rig rig;

	setup(&rig, 2);
	add_vm(&rig, 0, 10)->prefers = (struct plan_labels){ &fast, 1 };
	evacuate(&rig, 0, 0);
	ck_assert_str_eq(rig.plan->moves[0].why,
			 "h0 is emptied; h1 is the best of 1 that take it, with memory 10 % and "
			 "CPUs "
			 "5 % used in the end, although a label that it prefers is missing");
	teardown(&rig);
}
END_TEST

START_TEST(candidates_are_those_that_take_it_best_first)
{
	struct rig rig;
	uint32_t hosts[HOSTS];

	setup(&rig, 6);
	add_vm(&rig, 0, 20);
	add_vm(&rig, 1, 30);
	add_vm(&rig, 2, 50);
	add_vm(&rig, 3, 85);
	add_vm(&rig, 4, 40);
	rig.hosts[5].state = PLAN_HOST_DRAINING;
	evacuate(&rig, 0, 0);
	ck_assert_uint_eq(host_of(&rig, 0), 1);
	ck_assert_uint_eq(plan_candidates(rig.plan, 0, hosts, HOSTS), 2);
	ck_assert_uint_eq(hosts[0], 4);
	ck_assert_uint_eq(hosts[1], 2);
	ck_assert_uint_eq(plan_candidates(rig.plan, 0, hosts, 1), 1);
	ck_assert_uint_eq(hosts[0], 4);
	teardown(&rig);
}
END_TEST

/* ---- room, order ----------------------------------------------------------- */

static void setup_big(struct rig *rig)
{
	setup(rig, 3);
	add_vm(rig, 0, 70);
	add_vm(rig, 1, 40);
	add_vm(rig, 2, 50);
}

START_TEST(big_vm_without_room_stays_unless_others_may_move)
{
	struct rig rig;

	setup_big(&rig);
	evacuate(&rig, 0, 0);
	ck_assert_uint_eq(rig.plan->move_count, 0);
	expect_reject(&rig, 0, 1, "memory: 70 MiB are wanted, 60 of 100 are free");
	ck_assert_str_eq(rig.plan->stays[0].why,
			 "no host takes it: of 3, 2 with too little memory free, 1 to be emptied");
	teardown(&rig);
}
END_TEST

START_TEST(big_vm_others_make_room_first)
{
	struct rig rig;

	setup_big(&rig);
	evacuate(&rig, 0, 1);
	ck_assert_uint_eq(rig.plan->stay_count, 0);
	ck_assert_uint_eq(rig.plan->move_count, 2);
	ck_assert(rig.plan->moves[0].makes_room);
	ck_assert(!rig.plan->moves[0].waits);
	ck_assert_uint_eq(rig.plan->moves[1].vm, 0);
	ck_assert(rig.plan->moves[1].waits);
	ck_assert(rig.plan->moves[1].start_s >= rig.plan->moves[0].end_s);
	/* The VM that came was there together with the one that was leaving: no. */
	for (int i = 1; i < 3; i++) {
		ck_assert_uint_le(rig.plan->fills[i].worst.mem_mib, 100);
		ck_assert_uint_le(rig.plan->fills[i].peak.mem_mib, 100);
	}
	teardown(&rig);
}
END_TEST

/* However long the moves take: both may be under way while none of h1 has left. */
START_TEST(peak_counts_all_that_may_be_there_at_once)
{
	struct rig rig;

	setup(&rig, 2);
	rig.input.limits.in_per_host = 1;
	add_vm(&rig, 0, 20);
	add_vm(&rig, 0, 30)->cpu_load = 2;
	add_vm(&rig, 1, 40);
	evacuate(&rig, 0, 0);
	ck_assert_uint_eq(rig.plan->fills[1].peak.mem_mib, 90);
	ck_assert_uint_eq(rig.plan->fills[1].peak.vcpus, 3);
	ck_assert(fabs(rig.plan->fills[1].peak.cpu_load - 3) < 1e-9);
	ck_assert_uint_eq(rig.plan->fills[0].peak.mem_mib, 50);
	teardown(&rig);
}
END_TEST

/* 60 can only go to h1, whose 50 fits h2 only, whose 40 fits h1 only beside it: the two change
 * places by way of h3, which takes neither for good. */
START_TEST(others_that_change_places_one_goes_by_a_third_host)
{
	const struct plan_label small = { "small", "yes" };
	struct rig rig;

	setup(&rig, 4);
	rig.hosts[3].mem_mib = 45;
	rig.hosts[3].labels = (struct plan_labels){ &small, 1 };
	add_vm(&rig, 0, 60);
	add_vm(&rig, 1, 50);
	add_vm(&rig, 2, 40);
	add_vm(&rig, 2, 45)->is_movable = false;
	add_vm(&rig, 3, 5);
	evacuate(&rig, 0, 4);
	ck_assert_uint_eq(rig.plan->stay_count, 0);
	ck_assert_uint_eq(rig.plan->after.violations, 0);
	for (int i = 1; i < 4; i++)
		ck_assert_uint_le(rig.plan->fills[i].worst.mem_mib, rig.hosts[i].mem_mib);
	teardown(&rig);
}
END_TEST

START_TEST(moves_of_a_host_go_so_many_at_a_time)
{
	struct rig rig;

	setup(&rig, 3);
	for (int i = 0; i < 6; i++)
		add_vm(&rig, 0, 15);
	evacuate(&rig, 0, 0);
	for (size_t i = 0; i < 6; i++) {
		int at_once = 0;

		for (size_t j = 0; j < 6; j++)
			at_once += rig.plan->moves[j].start_s <= rig.plan->moves[i].start_s &&
				   rig.plan->moves[j].end_s > rig.plan->moves[i].start_s;
		ck_assert_int_le(at_once, 2);
	}
	ck_assert(rig.plan->makespan_s >= rig.plan->bound_s);
	ck_assert(rig.plan->makespan_s <= rig.plan->bound_s * 1.2);
	teardown(&rig);
}
END_TEST

/* ---- what may be lost; what is refused ------------------------------------- */

START_TEST(host_that_may_not_be_lost_is_told)
{
	struct rig rig;

	setup(&rig, 3);
	add_vm(&rig, 0, 60);
	add_vm(&rig, 1, 60);
	evacuate(&rig, 0, 0);
	for (int i = 0; i < 3; i++)
		ck_assert_uint_eq(rig.plan->fills[i].homeless_before, PLAN_NOWHERE);
	/* h1 and h2 have 60 each, and neither takes both. */
	ck_assert_uint_eq(rig.plan->fills[1].homeless_after, 1);
	ck_assert_uint_eq(rig.plan->fills[2].homeless_after, 0);
	ck_assert_uint_eq(rig.plan->fills[0].homeless_after, PLAN_NOWHERE);
	teardown(&rig);
}
END_TEST

/* 40 to h3, 35 and 25 to h2: not the largest to the first that takes it. */
START_TEST(host_may_be_lost_if_its_vms_are_placed_well)
{
	struct rig rig;

	setup(&rig, 4);
	add_vm(&rig, 1, 40);
	add_vm(&rig, 1, 35);
	add_vm(&rig, 1, 25);
	add_vm(&rig, 2, 40);
	add_vm(&rig, 3, 60);
	evacuate(&rig, 0, 0);
	ck_assert_uint_eq(rig.plan->fills[1].homeless_after, PLAN_NOWHERE);
	teardown(&rig);
}
END_TEST

START_TEST(no_host_left_is_refused)
{
	struct rig rig;

	setup(&rig, 2);
	rig.hosts[1].state = PLAN_HOST_OFFLINE;
	add_vm(&rig, 0, 10);
	try_evacuate(&rig, 0, 0);
	ck_assert_ptr_null(rig.plan);
	ck_assert_int_eq(rig.err.code, ERR_CONFLICT);
	teardown(&rig);
}
END_TEST

static void break_name(struct rig *rig)
{
	rig->vms[1].name = "v0";
}
static void break_host(struct rig *rig)
{
	rig->vms[1].host = "h9";
}
static void break_hosts(struct rig *rig)
{
	rig->hosts[1].name = "h0";
}
static void break_load(struct rig *rig)
{
	rig->vms[1].cpu_load = NAN;
}
static void break_ratio(struct rig *rig)
{
	rig->input.limits.vcpu_ratio = 0;
}
static void break_reserved(struct rig *rig)
{
	rig->hosts[1].reserved_mib = 101;
}
static void break_pin(struct rig *rig)
{
	static const char *const pins[] = { "h1", "h7" };

	rig->vms[1].pins = (struct plan_names){ pins, 2 };
}
static void break_link(struct rig *rig)
{
	rig->hosts[0].nic_gbps = 0;
}

static const struct {
	void (*spoil)(struct rig *rig);
	const char *message;
} faults[] = {
	{ break_name, "/vms/1 ('v0'): a VM before it has the same name" },
	{ break_host, "/vms/1 ('v1'): on the host 'h9', which does not exist" },
	{ break_hosts, "/hosts/1 ('h0'): a host before it has the same name" },
	{ break_load, "/vms/1 ('v1'): the load is nan: 0 to 100000 is allowed" },
	{ break_ratio, "/limits/vcpu_ratio is 0: more than 0 is wanted, at most 1e+06" },
	{ break_reserved, "/hosts/1 ('h1'): the reserved memory is 101: 0 to 100 are allowed" },
	{ break_pin, "/vms/1 ('v1'): pinned to the host 'h7', which does not exist" },
	{ break_link, "/hosts/0 ('h0'): the link in Gbit/s is 0: 1e-06 to 1e+06 is allowed" },
};

START_TEST(wrong_input_is_refused_with_its_place)
{
	struct rig rig;

	setup(&rig, 2);
	add_vm(&rig, 0, 10);
	add_vm(&rig, 0, 10);
	faults[_i].spoil(&rig);
	ck_assert_ptr_null(plan_cluster_new(&rig.input, &rig.err));
	ck_assert_int_eq(rig.err.code, ERR_INVALID);
	ck_assert_str_eq(rig.err.msg, faults[_i].message);
}
END_TEST

Suite *suite(void)
{
	Suite *suite = suite_create("plan");
	TCase *tcase = tcase_create("evacuate");

	tcase_add_test(tcase, host_with_vms_emptied_all_placed);
	tcase_add_loop_test(tcase, host_that_breaks_a_rule_is_rejected_with_it, 0,
			    (int)ARRAY_LEN(rules));
	tcase_add_test(tcase, vm_that_may_not_be_moved_stays_with_the_reason);
	tcase_add_test(tcase, offline_host_emptied_all_stay);
	tcase_add_test(tcase, other_host_offline_others_take_all);
	tcase_add_test(tcase, host_over_its_limit_is_given_nothing);
	tcase_add_test(tcase, too_little_room_the_highest_priority_goes);
	tcase_add_test(tcase, too_little_room_as_many_as_possible_go);
	tcase_add_test(tcase, places_that_fit_only_in_one_way_are_found);
	tcase_add_test(tcase, group_spread_over_racks);
	tcase_add_test(tcase, preferred_label_and_affinity_win_among_similar);
	tcase_add_test(tcase, vms_that_should_be_together_go_together);
	tcase_add_test(tcase, wish_that_is_missed_is_told);
	tcase_add_test(tcase, candidates_are_those_that_take_it_best_first);
	tcase_add_test(tcase, big_vm_without_room_stays_unless_others_may_move);
	tcase_add_test(tcase, big_vm_others_make_room_first);
	tcase_add_test(tcase, peak_counts_all_that_may_be_there_at_once);
	tcase_add_test(tcase, others_that_change_places_one_goes_by_a_third_host);
	tcase_add_test(tcase, moves_of_a_host_go_so_many_at_a_time);
	tcase_add_test(tcase, host_that_may_not_be_lost_is_told);
	tcase_add_test(tcase, host_may_be_lost_if_its_vms_are_placed_well);
	tcase_add_test(tcase, no_host_left_is_refused);
	tcase_add_loop_test(tcase, wrong_input_is_refused_with_its_place, 0,
			    (int)ARRAY_LEN(faults));
	suite_add_tcase(suite, tcase);
	return suite;
}
