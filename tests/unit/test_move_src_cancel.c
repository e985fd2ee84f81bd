/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <string.h>

#include "base/mem.h"
#include "check_main.h"
#include "move/priv.h"
#include "move_rig.h"
#include "peer/client.h"

static bool cancel(void)
{
	struct err err = { 0 };
	bool ok = move_cancel(rig_move(), "ops", &err);

	if (!ok)
		ck_assert_int_eq(err.code, ERR_TOO_LATE);
	rig_run();
	return ok;
}

START_TEST(begin_cancelled_ends_at_once)
{
	rig_run_vm();
	fake_qmp_hold("migrate-set-capabilities");
	rig_start_move();
	ck_assert(cancel());
	rig_peer_says("drop", "refused");
	ck_assert_str_eq(rig_state(), "cancelled");
	ck_assert_str_eq(rig_error(), "cancelled");
	fake_qmp_release("migrate-set-capabilities");
	ck_assert_str_eq(rig_state(), "cancelled");
	ck_assert(rig_guest_runs());
}
END_TEST

START_TEST(prepare_cancelled_late_answer_is_harmless)
{
	rig_bring_to("prepare");
	ck_assert(cancel());
	rig_peer_says("drop", "refused");
	ck_assert_str_eq(rig_state(), "cancelled");
	rig_answer_prepare();
	ck_assert_uint_eq(trace_count("stream start"), 0);
	ck_assert_str_eq(rig_state(), "cancelled");
}
END_TEST

/* A QEMU before 10.0 may let it run without its images, so it is told `cont' too. */
START_TEST(transfer_cancelled_guest_goes_on)
{
	fake_qemu_version.major = _i ? 10 : 7;
	rig_bring_to("transfer");
	ck_assert(cancel());
	ck_assert_uint_eq(trace_count("qmp migrate_cancel"), 1);
	rig_peer_says("drop", "refused");
	ck_assert_str_eq(rig_state(), "cancelled");
	ck_assert(rig_guest_runs());
	ck_assert_uint_eq(trace_count("qmp cont"), _i ? 0 : 1);
}
END_TEST

/* ---- cancel of a QEMU before 10.0 ------------------------------------------ */

static void bring_old_to_transfer(void)
{
	fake_qemu_cancel_keeps_images = false;
	rig_bring_to("transfer");
	trace_clear();
}

/* It may give its images up by a `migrate_cancel', and takes them back when it loses its
 * connection. A crash makes no difference. */
START_TEST(transfer_of_an_old_qemu_is_cut_to_cancel)
{
	bring_old_to_transfer();
	ck_assert(cancel());
	trace_assert_order("disk transfer", "stream kill");
	if (_i)
		rig_restart();
	fake_qemu_migrates("failed");
	rig_advance(1000);
	rig_peer_says("drop", "refused");
	ck_assert_str_eq(rig_state(), "cancelled");
	ck_assert_str_eq(rig_error(), "cancelled");
	ck_assert(rig_guest_runs());
	ck_assert_uint_eq(trace_count("qmp migrate_cancel"), 0);
}
END_TEST

/* One that does not notice is told all the same. */
START_TEST(old_qemu_that_does_not_notice_the_cut_is_told)
{
	bring_old_to_transfer();
	ck_assert(cancel());
	rig_advance(2900);
	ck_assert_uint_eq(trace_count("qmp migrate_cancel"), 0);
	rig_advance(1000);
	ck_assert_uint_eq(trace_count("qmp migrate_cancel"), 1);
	rig_peer_says("drop", "refused");
	ck_assert_str_eq(rig_state(), "cancelled");
	ck_assert_uint_eq(trace_count("qmp cont"), 1); /* it may lack its images */
}
END_TEST

/* It completed just then.  The end of its data has arrived, or it has not, which only the
 * destination knows. */
START_TEST(old_qemu_that_completes_as_it_is_cut_is_where_the_destination_says)
{
	bring_old_to_transfer();
	ck_assert(cancel());
	ck_assert_uint_eq(trace_count("stream kill"), 1);
	rig_completes();
	ck_assert_str_eq(rig_state(), "handover");
	rig_peer_says("go", _i ? "refused" : "taken");
	if (_i)
		rig_advance(1000);
	ck_assert_str_eq(rig_state(), _i ? "cancelled" : "done");
	ck_assert_str_eq(rig_error(), _i ? "cancelled" : "");
	ck_assert(!_i || rig_guest_runs());
}
END_TEST

/* The cancel comes before the first record is on disk. */
START_TEST(new_cancelled_ends)
{
	rig_run_vm();
	rig_disk_hold();
	rig_start_move();
	ck_assert(cancel());
	rig_disk_go_on();
	rig_peer_says("drop", "refused");
	ck_assert_str_eq(rig_state(), "cancelled");
}
END_TEST

/* QEMU decides the race: the transfer completed, so the guest is given away. */
START_TEST(cancel_races_with_completed_move_goes_on)
{
	rig_bring_to("transfer");
	fake_qmp_hold("migrate_cancel");
	ck_assert(cancel());
	rig_completes();
	fake_qmp_release("migrate_cancel");
	ck_assert_str_eq(rig_state(), "handover");
	ck_assert_uint_eq(trace_count("qmp cont"), 0);
	rig_peer_says("go", "taken");
	ck_assert_str_eq(rig_state(), "done");
	ck_assert_str_eq(rig_error(), "");
}
END_TEST

/* After the point of no return a cancel could not give the guest back. */
START_TEST(cancel_in_handover_is_too_late)
{
	rig_bring_to("handover");
	ck_assert(!cancel());
	fake_qemu_migrates("completed");
	ck_assert(!cancel());
	rig_peer_says("go", "taken");
	ck_assert(!cancel());
	ck_assert_str_eq(rig_state(), "done");
}
END_TEST

/* QEMU says only that it was cancelled: that a user has done it is on disk before. */
START_TEST(transfer_cancelled_and_crashed_is_cancelled)
{
	rig_bring_to("transfer");
	trace_clear();
	ck_assert(cancel());
	trace_assert_order("disk transfer", "qmp migrate_cancel");
	if (_i)
		fake_qemu_migrates("cancelled");
	rig_restart();
	if (!_i)
		fake_qemu_migrates("cancelled");
	rig_advance(1000);
	ck_assert_str_eq(rig_state(), "rollback");
	rig_peer_says("drop", "refused");
	ck_assert_str_eq(rig_state(), "cancelled");
	ck_assert(rig_guest_runs());
}
END_TEST

/* The crash came before QEMU was told. */
START_TEST(cancel_that_is_only_on_disk_is_carried_out)
{
	rig_bring_to("transfer");
	rig_disk_hold_answers();
	ck_assert(cancel());
	ck_assert_uint_eq(trace_count("qmp migrate_cancel"), 0);
	rig_restart();
	rig_advance(1000);
	ck_assert_uint_eq(trace_count("qmp migrate_cancel"), 1);
	fake_qemu_migrates("cancelled");
	rig_peer_says("drop", "refused");
	ck_assert_str_eq(rig_state(), "cancelled");
}
END_TEST

/* A disk that takes nothing does not keep QEMU from the cancel for long. */
START_TEST(cancel_waits_a_second_for_the_disk)
{
	rig_bring_to("transfer");
	rig_disk_hold();
	ck_assert(cancel());
	rig_advance(900);
	ck_assert_uint_eq(trace_count("qmp migrate_cancel"), 0);
	rig_advance(600);
	ck_assert_uint_eq(trace_count("qmp migrate_cancel"), 1);
	rig_disk_go_on();
	fake_qemu_migrates("cancelled");
	rig_peer_says("drop", "refused");
	ck_assert_str_eq(rig_state(), "cancelled");
}
END_TEST

/* A second cancel is accepted and changes nothing. */
START_TEST(cancel_twice_is_once)
{
	rig_bring_to("transfer");
	fake_qmp_hold("migrate_cancel");
	ck_assert(cancel());
	ck_assert(cancel());
	ck_assert_uint_eq(trace_count("qmp migrate_cancel"), 1);
	fake_qmp_release("migrate_cancel");
	rig_peer_says("drop", "refused");
	ck_assert_str_eq(rig_state(), "cancelled");
}
END_TEST

Suite *suite(void)
{
	Suite *s = suite_create("move_src_cancel");
	TCase *tc = rig_add_case(s, "cancel");

	tcase_add_test(tc, begin_cancelled_ends_at_once);
	tcase_add_test(tc, prepare_cancelled_late_answer_is_harmless);
	tcase_add_loop_test(tc, transfer_cancelled_and_crashed_is_cancelled, 0, 2);
	tcase_add_test(tc, cancel_that_is_only_on_disk_is_carried_out);
	tcase_add_test(tc, cancel_waits_a_second_for_the_disk);
	tcase_add_loop_test(tc, transfer_cancelled_guest_goes_on, 0, 2);
	tcase_add_loop_test(tc, transfer_of_an_old_qemu_is_cut_to_cancel, 0, 2);
	tcase_add_test(tc, old_qemu_that_does_not_notice_the_cut_is_told);
	tcase_add_loop_test(tc, old_qemu_that_completes_as_it_is_cut_is_where_the_destination_says,
			    0, 2);
	tcase_add_test(tc, new_cancelled_ends);
	tcase_add_test(tc, cancel_races_with_completed_move_goes_on);
	tcase_add_test(tc, cancel_in_handover_is_too_late);
	tcase_add_test(tc, cancel_twice_is_once);
	return s;
}
