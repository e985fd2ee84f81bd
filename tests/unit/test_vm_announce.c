/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "vm/announce.h"

#include <string.h>

#include "base/mem.h"
#include "check_main.h"
#include "fake_net.h"
#include "move_rig.h"

#define ALL_ROUNDS_MS 30000

static void set_up(void)
{
	rig_set_up();
	fake_net_fails = false; /* names the fake, so that it is linked */
	rig.more_members =
		",\"nics\":[{\"id\":\"n0\",\"type\":\"tap\",\"ifname\":\"tap0\",\"rx_filter\":true},"
		"{\"id\":\"n1\",\"type\":\"tap\",\"ifname\":\"tap1\"}]";
	fake_qemu_rx_filters = "[{\"name\":\"n0\",\"main-mac\":\"52:54:00:00:00:20\"},"
			       "{\"name\":\"n1\",\"main-mac\":\"52:54:00:00:00:21\"}]";
}

/* A guest comes by a move; before it is taken nothing is announced. */
static void arrive(bool run)
{
	ck_assert_int_eq(rig_offer(), ERR_NONE);
	rig_loads();
	ck_assert_uint_eq(trace_count("qmp announce-self"), 0);
	ck_assert_str_eq(rig_go(run), "taken");
}

/* The switch, or an SDN, may learn late: the guest is announced several times. */
START_TEST(arrived_guest_is_announced_again_and_again)
{
	arrive(true);
	rig_run();
	ck_assert_uint_eq(trace_count("qmp announce-self"), 1);
	rig_advance(ANNOUNCE_FIRST_MS);
	ck_assert_uint_eq(trace_count("qmp announce-self"), 2);
	rig_advance(ALL_ROUNDS_MS);
	ck_assert_uint_eq(trace_count("qmp announce-self"), ANNOUNCE_ROUNDS);
}
END_TEST

/* announce-self takes the addresses of the definition. */
START_TEST(trusted_guest_is_announced_with_the_addresses_that_it_has)
{
	arrive(true);
	rig_advance(ALL_ROUNDS_MS);
	ck_assert_uint_ge(trace_count("announce tap0 20+0"), ANNOUNCE_ROUNDS - 1);
	ck_assert_uint_eq(trace_count("announce tap1"), 0);
}
END_TEST

START_TEST(guest_that_arrived_paused_is_announced_when_it_runs)
{
	arrive(false);
	rig_advance(ALL_ROUNDS_MS);
	ck_assert_uint_eq(trace_count("qmp announce-self"), 0);
	ck_assert_int_eq(rig_act(VM_ACTION_RESUME).code, ERR_NONE);
	rig_advance(ALL_ROUNDS_MS);
	ck_assert_uint_eq(trace_count("qmp announce-self"), ANNOUNCE_ROUNDS);
}
END_TEST

/* A host that goes on announcing takes the guest's traffic away from where it is. */
START_TEST(guest_that_does_not_run_is_not_announced)
{
	arrive(true);
	rig_run();
	ck_assert_int_eq(rig_act(VM_ACTION_PAUSE).code, ERR_NONE);
	trace_clear();
	rig_advance(ALL_ROUNDS_MS);
	ck_assert_uint_eq(trace_count("qmp announce-self"), 0);
	fake_qemu_dies();
	rig_advance(ALL_ROUNDS_MS);
	ck_assert_uint_eq(trace_count("qmp announce-self"), 0);
}
END_TEST

/* The network has heard of no other place: what the destination's QEMU sends before the guest
 * runs waits in it. */
START_TEST(guest_that_came_back_is_not_announced)
{
	rig_run_vm();
	rig_bring_to("handover");
	rig_completes();
	rig_peer_says("go", "refused");
	rig_advance(ALL_ROUNDS_MS);
	ck_assert_str_eq(rig_state(), "failed");
	ck_assert_uint_eq(trace_count("qmp announce-self"), 0);
}
END_TEST

START_TEST(guest_without_nic_is_not_announced)
{
	rig.more_members = NULL;
	arrive(true);
	rig_advance(ALL_ROUNDS_MS);
	ck_assert_uint_eq(trace_count("qmp announce-self"), 0);
}
END_TEST

static void tear_down(void)
{
	rig.more_members = NULL;
	rig_tear_down();
}

Suite *suite(void)
{
	Suite *s = suite_create("vm_announce");
	TCase *tc = tcase_create("announce");

	tcase_add_checked_fixture(tc, set_up, tear_down);
	suite_add_tcase(s, tc);
	tcase_add_test(tc, arrived_guest_is_announced_again_and_again);
	tcase_add_test(tc, trusted_guest_is_announced_with_the_addresses_that_it_has);
	tcase_add_test(tc, guest_that_arrived_paused_is_announced_when_it_runs);
	tcase_add_test(tc, guest_that_does_not_run_is_not_announced);
	tcase_add_test(tc, guest_that_came_back_is_not_announced);
	tcase_add_test(tc, guest_without_nic_is_not_announced);
	return s;
}
