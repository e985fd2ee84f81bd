/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <string.h>

#include "check_main.h"
#include "move_rig.h"

/* The whole of a good move: the guest is ours on disk before it runs, and the
 * source hears of it only when it runs. */
START_TEST(guest_arrives_in_this_order)
{
	ck_assert_int_eq(rig_offer(), ERR_NONE);
	ck_assert_str_eq(rig_state(), "transfer");
	rig_loads();
	ck_assert_str_eq(rig_go(true), "taken");
	ck_assert_str_eq(rig_state(), "done");
	trace_assert("disk prepare vm=incoming/stopped@1", "qemu start incoming", "stream start",
		     "qmp migrate-set-capabilities", "qmp migrate-incoming",
		     "disk transfer vm=incoming/stopped@1",
		     "disk handover taken vm=owned/started@2", "qmp cont", "answer taken",
		     "disk done taken", "stream kill", NULL);
	ck_assert(rig_guest_runs());
	ck_assert_str_eq(vm_state(rig_vm()), "running");
	ck_assert_uint_eq(vm_generation(rig_vm()), RIG_GENERATION + 1);
}
END_TEST

Suite *suite(void)
{
	Suite *s = suite_create("move_dst");
	TCase *tc = rig_add_case(s, "good");

	tcase_add_test(tc, guest_arrives_in_this_order);
	return s;
}
