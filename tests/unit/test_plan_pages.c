/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Huge pages are a budget of their own: what is free of one kind is of no use for another. */
#include <check.h>
#include <string.h>

#include "plan/plan.h"
#include "tests/lib/check_main.h"
#include "tests/lib/plan_rig.h"

/* Of 100 MiB so many are in huge pages. */
static void set_pages(struct rig *rig, size_t host, uint64_t huge_2m, uint64_t huge_1g)
{
	rig->hosts[host].knows_pages = true;
	rig->hosts[host].pages_mib[PLAN_PAGES_ORDINARY] = 100 - huge_2m - huge_1g;
	rig->hosts[host].pages_mib[PLAN_PAGES_2M] = huge_2m;
	rig->hosts[host].pages_mib[PLAN_PAGES_1G] = huge_1g;
}

/* h0 is emptied of a VM of 20 MiB in PAGES. */
static void setup_one(struct rig *rig, size_t hosts, enum plan_pages pages)
{
	setup(rig, hosts);
	add_vm(rig, 0, 20)->pages = pages;
}

START_TEST(vm_goes_where_its_huge_pages_are)
{
	struct rig rig;

	setup_one(&rig, 3, PLAN_PAGES_2M);
	set_pages(&rig, 1, 0, 0);
	set_pages(&rig, 2, 40, 0);
	add_vm(&rig, 2, 50); /* the other one is the emptier */
	evacuate(&rig, 0, 0);
	ck_assert_uint_eq(host_of(&rig, 0), 2);
	ck_assert_uint_eq(rig.plan->fills[2].after.pages_mib[PLAN_PAGES_2M], 20);
	expect_reject(&rig, 0, 1, "huge pages of 2 MiB: 20 MiB are wanted, and it has 0 for VMs");
	teardown(&rig);
}
END_TEST

START_TEST(size_of_huge_pages_does_not_stand_in_for_another)
{
	struct rig rig;

	setup_one(&rig, 2, PLAN_PAGES_1G);
	set_pages(&rig, 1, 90, 10);
	evacuate(&rig, 0, 0);
	ck_assert_uint_eq(rig.plan->move_count, 0);
	expect_reject(&rig, 0, 1, "huge pages of 1 GiB: 20 MiB are wanted, and it has 10 for VMs");
	ck_assert_str_eq(rig.plan->stays[0].why, "no host takes it: of 2, 1 without so many huge "
						 "pages, 1 to be emptied");
	teardown(&rig);
}
END_TEST

START_TEST(memory_that_is_set_aside_for_huge_pages_is_for_no_other_vm)
{
	struct rig rig;

	setup_one(&rig, 2, PLAN_PAGES_ORDINARY);
	set_pages(&rig, 1, 90, 0);
	evacuate(&rig, 0, 0);
	ck_assert_uint_eq(rig.plan->move_count, 0);
	expect_reject(&rig, 0, 1, "memory: 20 MiB are wanted, 10 of 10 are free");
	teardown(&rig);
}
END_TEST

START_TEST(huge_pages_that_vms_have_are_not_free)
{
	struct rig rig;

	setup_one(&rig, 2, PLAN_PAGES_2M);
	set_pages(&rig, 1, 40, 0);
	add_vm(&rig, 1, 30)->pages = PLAN_PAGES_2M;
	evacuate(&rig, 0, 0);
	ck_assert_uint_eq(rig.plan->move_count, 0);
	expect_reject(&rig, 0, 1, "huge pages of 2 MiB: 20 MiB are wanted, 10 of 40 are free");
	teardown(&rig);
}
END_TEST

/* An older host does not tell what pages it has: it is as full as its memory is, and the
 * destination of a move decides. */
START_TEST(host_of_which_pages_are_not_known_takes_what_its_memory_has_room_for)
{
	struct rig rig;

	setup_one(&rig, 2, PLAN_PAGES_2M);
	add_vm(&rig, 0, 30);
	add_vm(&rig, 0, 60);
	evacuate(&rig, 0, 0);
	ck_assert_uint_eq(rig.plan->move_count, 2);
	ck_assert_uint_eq(rig.plan->fills[1].after.mem_mib, 90);
	expect_reject(&rig, 0, 1, "memory: 20 MiB are wanted, 10 of 100 are free");
	teardown(&rig);
}
END_TEST

/* Only who has the same pages makes room for it. */
START_TEST(others_make_room_in_the_same_pages)
{
	struct rig rig;

	setup_one(&rig, 3, PLAN_PAGES_2M);
	set_pages(&rig, 1, 40, 0);
	set_pages(&rig, 2, 15, 0);
	add_vm(&rig, 1, 15);
	add_vm(&rig, 1, 15)->pages = PLAN_PAGES_2M;
	add_vm(&rig, 1, 15)->pages = PLAN_PAGES_2M;
	evacuate(&rig, 0, 1);
	ck_assert_uint_eq(rig.plan->stay_count, 0);
	ck_assert_uint_eq(rig.plan->move_count, 2);
	ck_assert_uint_eq(host_of(&rig, 0), 1);
	ck_assert_uint_eq(host_of(&rig, 1), 1);
	ck_assert(rig.plan->moves[0].makes_room);
	ck_assert(rig.plan->moves[1].waits);
	ck_assert_uint_eq(rig.plan->after.violations, 0);
	teardown(&rig);
}
END_TEST

START_TEST(too_many_huge_pages_are_a_violation)
{
	struct rig rig;

	setup_one(&rig, 3, PLAN_PAGES_ORDINARY);
	set_pages(&rig, 1, 10, 0);
	add_vm(&rig, 1, 15)->pages = PLAN_PAGES_2M;
	evacuate(&rig, 0, 0);
	ck_assert_uint_eq(rig.plan->before.violations, 1);
	ck_assert_uint_eq(rig.plan->after.violations, 1);
	teardown(&rig);
}
END_TEST

START_TEST(sizes_of_pages_are_told_apart)
{
	ck_assert_int_eq(plan_pages_of(0), PLAN_PAGES_ORDINARY);
	ck_assert_int_eq(plan_pages_of(2), PLAN_PAGES_2M);
	ck_assert_int_eq(plan_pages_of(1024), PLAN_PAGES_1G);
	ck_assert_int_eq(plan_pages_of(16), PLAN_PAGES_COUNT);
}
END_TEST

/* ---- NUMA nodes ------------------------------------------------------------ */

/* h1 and h2 have 40 MiB in huge pages of 2 MiB: free are 5 and 35 on their nodes. */
static const struct plan_node left[] = { { 0, PLAN_PAGES_2M, 5 }, { 1, PLAN_PAGES_2M, 35 } };
static const struct plan_node right[] = { { 0, PLAN_PAGES_2M, 35 }, { 1, PLAN_PAGES_2M, 5 } };

static void setup_nodes(struct rig *rig, const struct plan_bound *bounds, size_t count)
{
	setup_one(rig, 3, PLAN_PAGES_2M);
	set_pages(rig, 1, 40, 0);
	set_pages(rig, 2, 40, 0);
	rig->hosts[1].nodes = (struct plan_nodes){ left, 2 };
	rig->hosts[2].nodes = (struct plan_nodes){ right, 2 };
	rig->vms[0].bounds = (struct plan_bounds){ bounds, count };
}

START_TEST(vm_that_is_bound_to_a_node_goes_where_that_has_pages)
{
	static const struct plan_bound to_0[] = { { 1, 20 } };
	struct rig rig;

	setup_nodes(&rig, to_0, 1);
	add_vm(&rig, 2, 50); /* the other one is the emptier */
	evacuate(&rig, 0, 0);
	ck_assert_uint_eq(host_of(&rig, 0), 2);
	expect_reject(&rig, 0, 1,
		      "huge pages of 2 MiB on its NUMA node 0: 20 MiB are wanted, 5 are free");
	teardown(&rig);
}
END_TEST

START_TEST(two_vms_do_not_have_the_same_pages_of_a_node)
{
	static const struct plan_bound to_0[] = { { 1, 18 } };
	struct rig rig;
	uint32_t stays;

	setup_nodes(&rig, to_0, 1);
	for (int i = 0; i < 2; i++) {
		struct plan_vm *vm = add_vm(&rig, 0, 18);

		vm->pages = PLAN_PAGES_2M;
		vm->bounds = (struct plan_bounds){ to_0, 1 };
	}
	rig.vms[0].mem_mib = 18;
	evacuate(&rig, 0, 5);
	ck_assert_uint_eq(rig.plan->move_count, 1);
	ck_assert_uint_eq(rig.plan->stay_count, 2);
	stays = rig.plan->stays[0].vm;
	expect_reject(&rig, stays, 2,
		      "huge pages of 2 MiB on its NUMA node 0: 18 MiB are wanted, 17 are free");
	ck_assert_str_eq(rig.plan->stays[0].why,
			 "no host takes it: of 3, 1 with too few huge pages on its NUMA nodes, 1 "
			 "without so many huge pages on its NUMA nodes, 1 to be emptied");
	teardown(&rig);
}
END_TEST

/* Of a set of nodes any will do, and what is bound to one node is added up. */
START_TEST(parts_of_a_vm_are_bound_apart)
{
	static const struct plan_bound any[] = { { 3, 38 } };
	static const struct plan_bound both[] = { { 1, 20 }, { 1, 16 } };
	struct rig rig;

	setup_nodes(&rig, any, 1);
	rig.vms[0].mem_mib = 38;
	evacuate(&rig, 0, 0);
	ck_assert_uint_eq(rig.plan->move_count, 1);
	teardown(&rig);
	setup_nodes(&rig, both, 2);
	rig.vms[0].mem_mib = 36;
	evacuate(&rig, 0, 0);
	ck_assert_uint_eq(rig.plan->move_count, 0);
	expect_reject(&rig, 0, 2,
		      "huge pages of 2 MiB on its NUMA node 0: 36 MiB are wanted, 35 are free");
	teardown(&rig);
}
END_TEST

Suite *suite(void)
{
	Suite *suite = suite_create("plan: huge pages");
	TCase *tcase = tcase_create("pages");

	tcase_add_test(tcase, vm_goes_where_its_huge_pages_are);
	tcase_add_test(tcase, size_of_huge_pages_does_not_stand_in_for_another);
	tcase_add_test(tcase, memory_that_is_set_aside_for_huge_pages_is_for_no_other_vm);
	tcase_add_test(tcase, huge_pages_that_vms_have_are_not_free);
	tcase_add_test(tcase, host_of_which_pages_are_not_known_takes_what_its_memory_has_room_for);
	tcase_add_test(tcase, others_make_room_in_the_same_pages);
	tcase_add_test(tcase, too_many_huge_pages_are_a_violation);
	tcase_add_test(tcase, sizes_of_pages_are_told_apart);
	tcase_add_test(tcase, vm_that_is_bound_to_a_node_goes_where_that_has_pages);
	tcase_add_test(tcase, two_vms_do_not_have_the_same_pages_of_a_node);
	tcase_add_test(tcase, parts_of_a_vm_are_bound_apart);
	suite_add_tcase(suite, tcase);
	return suite;
}
