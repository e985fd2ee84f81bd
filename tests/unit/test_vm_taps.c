/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "vm/taps.h"

#include <string.h>

#include "check_main.h"
#include "fake_net.h"
#include "move_rig.h"

static void set_up(void)
{
	rig_set_up();
	fake_net_bad_tap = NULL;
	rig.more_members =
		",\"nics\":[{\"id\":\"n0\",\"type\":\"tap\",\"ifname\":\"tap0\",\"bridge\":\"br0\"}"
		",{\"id\":\"n1\",\"type\":\"user\"}]"
		",\"extra_args\":[\"-netdev\",\"tap,id=r,ifname=tap1,script=no,downscript=no\"]";
}

/* QEMU would make a missing tap by itself, outside of any bridge, and the guest would have no
 * network. */
START_TEST(start_looks_at_every_tap_first)
{
	rig_run_vm();
	ck_assert_uint_eq(trace_count("tap tap0 br0"), 1);
	ck_assert_uint_eq(trace_count("tap tap1 -"), 1);
}
END_TEST

START_TEST(start_with_a_tap_that_is_down_is_refused_and_stopped)
{
	struct err err;

	rig_run_vm();
	ck_assert_int_eq(rig_act(VM_ACTION_STOP).code, ERR_NONE);
	fake_net_bad_tap = "tap1";
	err = rig_act(VM_ACTION_START);
	ck_assert_int_eq(err.code, ERR_CONFLICT);
	ck_assert_ptr_nonnull(strstr(err.msg, "nic 'r': interface 'tap1' is down"));
	ck_assert_str_eq(vm_state(rig_vm()), "stopped");
	fake_net_bad_tap = NULL;
	ck_assert_int_eq(rig_act(VM_ACTION_START).code, ERR_NONE);
}
END_TEST

/* The tap was right when the guest was offered, minutes before. */
START_TEST(go_with_a_tap_that_left_its_bridge_is_refused)
{
	ck_assert_int_eq(rig_offer(), ERR_NONE);
	rig_loads();
	fake_net_bad_tap = "tap0";
	ck_assert_str_eq(rig_go(true), "refused");
	ck_assert_uint_eq(trace_count("qmp cont"), 0);
	ck_assert_ptr_null(rig_vm());
}
END_TEST

START_TEST(go_with_good_taps_is_taken)
{
	ck_assert_int_eq(rig_offer(), ERR_NONE);
	rig_loads();
	ck_assert_str_eq(rig_go(true), "taken");
	ck_assert_uint_eq(trace_count("tap tap0 br0"), 1);
}
END_TEST

Suite *suite(void)
{
	Suite *s = suite_create("vm taps");
	TCase *tc = tcase_create("taps");

	tcase_add_checked_fixture(tc, set_up, rig_tear_down);
	tcase_add_test(tc, start_looks_at_every_tap_first);
	tcase_add_test(tc, start_with_a_tap_that_is_down_is_refused_and_stopped);
	tcase_add_test(tc, go_with_a_tap_that_left_its_bridge_is_refused);
	tcase_add_test(tc, go_with_good_taps_is_taken);
	suite_add_tcase(s, tc);
	return s;
}
