/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Hosts are evened out: small clusters of which one sees what must come of it. */
#include <check.h>
#include <math.h>
#include <string.h>

#include "base/mem.h"
#include "plan/plan.h"
#include "tests/lib/check_main.h"
#include "tests/lib/plan_rig.h"

#define GIB 1024 /* MiB */

/* The rig's sizes are taken as GiB: a move of a few MiB costs more than it sends. */
static void balance_with(struct rig *rig, struct plan_balance wanted)
{
	for (size_t i = 0; i < rig->input.host_count; i++)
		rig->hosts[i].mem_mib *= GIB;
	for (size_t i = 0; i < rig->input.vm_count; i++)
		rig->vms[i].mem_mib *= GIB;
	rig->cluster = plan_cluster_new(&rig->input, &rig->err);
	ck_assert_ptr_nonnull(rig->cluster);
	rig->plan = plan_balance(rig->cluster, &wanted, &rig->err);
	ck_assert_ptr_nonnull(rig->plan);
}

static void balance(struct rig *rig)
{
	balance_with(rig, (struct plan_balance){ .moves_max = VMS, .mib_max = INFINITY });
}

/* Four of one size on h0, and a host that is empty. */
static void fill_one(struct rig *rig, size_t hosts)
{
	setup(rig, hosts);
	for (size_t i = 0; i < 4; i++)
		add_vm(rig, 0, 20);
}

START_TEST(full_host_beside_empty_one_shares_evenly)
{
	struct rig rig;

	fill_one(&rig, 2);
	balance(&rig);
	ck_assert_uint_eq(rig.plan->move_count, 2);
	ck_assert_uint_eq(rig.plan->fills[0].after.mem_mib, 40 * GIB);
	ck_assert_uint_eq(rig.plan->fills[1].after.mem_mib, 40 * GIB);
	ck_assert(rig.plan->after.imbalance < 1e-9);
	ck_assert(rig.plan->moves[0].gain > 0);
	ck_assert_str_eq(rig.plan->moves[0].why, "h0 has memory 80 % and CPUs 20 % used, "
						 "h1 has memory 0 % and CPUs 0 % used");
	teardown(&rig);
}
END_TEST

START_TEST(even_hosts_nothing_moves_and_each_host_is_rejected_with_the_reason)
{
	CLEANUP(strbuf_fini) struct strbuf out = STRBUF_INIT;
	const uint32_t vm = 0;
	struct rig rig;

	setup(&rig, 2);
	add_vm(&rig, 0, 20);
	add_vm(&rig, 1, 20);
	balance_with(&rig, (struct plan_balance){ .moves_max = VMS,
						  .mib_max = INFINITY,
						  .explain = &vm,
						  .explain_count = 1 });
	ck_assert_uint_eq(rig.plan->move_count, 0);
	ck_assert_uint_eq(rig.plan->stay_count, 1);
	ck_assert_str_eq(rig.plan->stays[0].why, "no other host is worth a move");
	ck_assert(plan_reject(rig.plan, 0, 0, &out));
	ck_assert_str_eq(strbuf_str(&out), "it is there");
	strbuf_clear(&out);
	ck_assert(plan_reject(rig.plan, 0, 1, &out));
	/* Memory of 0.4 and 0 instead of 0.2 and 0.2: s is 0.2, and 0.05 for the load. */
	ck_assert_str_eq(strbuf_str(&out),
			 "the imbalance would not get less: 0.145774 instead of 0.000000");
	teardown(&rig);
}
END_TEST

/* Each VM is as big as the others: only who has the load can change. */
START_TEST(load_on_one_side_two_change_places)
{
	struct rig rig;

	setup(&rig, 2);
	for (size_t i = 0; i < 4; i++)
		add_vm(&rig, i / 2, 30)->cpu_load = i < 2 ? 4 : 0;
	balance(&rig);
	ck_assert_uint_eq(rig.plan->move_count, 2);
	ck_assert_uint_eq(rig.plan->fills[0].after.mem_mib, 60 * GIB);
	ck_assert(rig.plan->after.imbalance < 1e-9);
	/* 60 and 30 more is room enough: for one at a time. */
	ck_assert_uint_le(rig.plan->fills[0].peak.mem_mib, 100 * GIB);
	ck_assert_uint_le(rig.plan->fills[1].peak.mem_mib, 100 * GIB);
	teardown(&rig);
}
END_TEST

/* What is done to h1, which is empty and would get VMs. */
static const struct {
	const char *name;
	struct plan_host host; /* what is set */
} closed[] = {
	{ "draining", { .state = PLAN_HOST_DRAINING } },
	{ "offline", { .state = PLAN_HOST_OFFLINE } },
	{ "held", { .hold = "ann: disks" } },
};

START_TEST(host_in_maintenance_gets_nothing_and_gives_nothing)
{
	struct rig rig;

	fill_one(&rig, 3);
	add_vm(&rig, 1, 90);
	rig.hosts[1].state = closed[_i].host.state;
	rig.hosts[1].hold = closed[_i].host.hold;
	balance(&rig);
	ck_assert_uint_eq(rig.plan->move_count, 2);
	for (size_t i = 0; i < rig.plan->move_count; i++) {
		ck_assert_uint_eq(rig.plan->moves[i].from, 0);
		ck_assert_uint_eq(rig.plan->moves[i].to, 2);
	}
	teardown(&rig);
}
END_TEST

START_TEST(limit_of_moves_and_bytes_is_kept_and_told)
{
	const struct plan_balance limits[] = {
		{ .moves_max = 1, .mib_max = INFINITY },
		{ .moves_max = VMS, .mib_max = 39 * GIB },
		{ .moves_max = 0, .mib_max = INFINITY },
		{ .moves_max = VMS, .mib_max = 0 },
	};
	struct rig rig;

	fill_one(&rig, 2);
	balance_with(&rig, limits[_i]);
	ck_assert_uint_eq(rig.plan->move_count, _i < 2 ? 1 : 0);
	ck_assert(rig.plan->was_limited);
	ck_assert(rig.plan->least_imbalance <= rig.plan->after.imbalance + 1e-12);
	/* That is not enough to make it even, and the bound knows. */
	ck_assert(rig.plan->least_imbalance > 0.001);
	teardown(&rig);
}
END_TEST

START_TEST(imbalance_that_is_good_enough_ends_it)
{
	struct rig rig;

	fill_one(&rig, 2);
	balance_with(&rig, (struct plan_balance){
				   .moves_max = VMS, .mib_max = INFINITY, .stop_at = 0.2 });
	ck_assert_uint_eq(rig.plan->move_count, 1);
	ck_assert(rig.plan->after.imbalance <= 0.2);
	ck_assert(!rig.plan->was_limited);
	teardown(&rig);
}
END_TEST

START_TEST(vm_that_may_not_move_stays_and_bounds_what_can_be_reached)
{
	struct rig rig;

	fill_one(&rig, 2);
	for (size_t i = 0; i < 4; i++)
		rig.vms[i].is_movable = i == 3;
	balance(&rig);
	ck_assert_uint_eq(rig.plan->move_count, 1);
	ck_assert_uint_eq(rig.plan->moves[0].vm, 3);
	/* All that could be done was done. */
	ck_assert(fabs(rig.plan->least_imbalance - rig.plan->after.imbalance) < 1e-6);
	teardown(&rig);
}
END_TEST

START_TEST(member_of_a_group_is_not_moved_to_its_sister)
{
	struct rig rig;

	setup(&rig, 2);
	add_vm(&rig, 0, 60)->group = "db";
	add_vm(&rig, 1, 10)->group = "db";
	add_vm(&rig, 0, 30)->is_movable = false;
	rig.vms[1].is_movable = false;
	balance(&rig);
	ck_assert_uint_eq(rig.plan->move_count, 0);
	ck_assert_uint_eq(rig.plan->after.violations, 0);
	teardown(&rig);
}
END_TEST

START_TEST(no_host_online_is_refused)
{
	const struct plan_balance wanted = { .moves_max = 1, .mib_max = 1 };
	struct rig rig;

	fill_one(&rig, 2);
	rig.hosts[0].state = rig.hosts[1].state = PLAN_HOST_DRAINING;
	rig.cluster = plan_cluster_new(&rig.input, &rig.err);
	ck_assert_ptr_null(plan_balance(rig.cluster, &wanted, &rig.err));
	ck_assert_int_eq(rig.err.code, ERR_CONFLICT);
	teardown(&rig);
}
END_TEST

Suite *suite(void)
{
	Suite *suite = suite_create("plan: balance");
	TCase *tc = tcase_create("core");

	tcase_add_test(tc, full_host_beside_empty_one_shares_evenly);
	tcase_add_test(tc, even_hosts_nothing_moves_and_each_host_is_rejected_with_the_reason);
	tcase_add_test(tc, load_on_one_side_two_change_places);
	tcase_add_loop_test(tc, host_in_maintenance_gets_nothing_and_gives_nothing, 0,
			    (int)ARRAY_LEN(closed));
	tcase_add_loop_test(tc, limit_of_moves_and_bytes_is_kept_and_told, 0, 4);
	tcase_add_test(tc, imbalance_that_is_good_enough_ends_it);
	tcase_add_test(tc, vm_that_may_not_move_stays_and_bounds_what_can_be_reached);
	tcase_add_test(tc, member_of_a_group_is_not_moved_to_its_sister);
	tcase_add_test(tc, no_host_online_is_refused);
	suite_add_tcase(suite, tc);
	return suite;
}
