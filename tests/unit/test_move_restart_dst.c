/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The destination of a move after a restart in each of its states, and after a loss of power. */
#include <string.h>

#include "base/mem.h"
#include "check_main.h"
#include "move/priv.h"
#include "move_rig.h"

#define FATE_FINAL "{\"state\":\"failed\",\"final\":true,\"verdict\":\"none\"}"

static void assert_nothing_left(void)
{
	ck_assert_str_eq(rig_state(), "failed");
	ck_assert_str_eq(rig.disk.verdict, "refused");
	ck_assert(!rig.disk.has_vm);
	ck_assert_ptr_null(rig_vm());
	ck_assert(!fake_qemu()->is_alive);
	ck_assert(!fake_stream_is_alive());
	ck_assert_str_eq(rig_go(true), "refused");
	ck_assert_uint_eq(trace_count("qmp cont"), 0);
}

static void arrive(void)
{
	ck_assert_int_eq(rig_offer(), ERR_NONE);
	rig_loads();
}

START_TEST(dst_prepare_restart_rolls_back)
{
	fake_qmp_hold("migrate-incoming");
	ck_assert_int_eq(rig_offer(), ERR_CODE_COUNT);
	rig_crash();
	fake_stream_dies(); /* a stream ends by itself when no connection comes */
	rig_start_again();
	assert_nothing_left();
}
END_TEST

/* The daemon dies between the start of QEMU and the record of its pid. */
START_TEST(dst_prepare_restart_qemu_is_found_and_ended)
{
	fake_qemu_start_hangs = true;
	ck_assert_int_eq(rig_offer(), ERR_CODE_COUNT);
	rig_crash();
	fake_stream_dies();
	rig_start_again();
	assert_nothing_left();
}
END_TEST

START_TEST(dst_transfer_restart_goes_on)
{
	ck_assert_int_eq(rig_offer(), ERR_NONE);
	fake_stream_becomes(STREAM_CHANNEL_OPEN);
	fake_qemu_migrates("active");
	rig_restart();
	ck_assert_str_eq(rig_state(), "transfer");
	ck_assert(fake_stream_is_alive());
	fake_qemu_migrates("completed");
	ck_assert_str_eq(rig_go(true), "taken");
	ck_assert(rig_guest_runs());
	ck_assert_str_eq(rig_state(), "done");
}
END_TEST

START_TEST(dst_transfer_restart_loaded_meanwhile_goes_on)
{
	ck_assert_int_eq(rig_offer(), ERR_NONE);
	rig_crash();
	fake_qemu()->mig = "completed";
	fake_qemu()->run = QMP_RUN_PAUSED;
	rig_start_again();
	rig_advance(10 * 1000);
	ck_assert_uint_eq(trace_count("qmp cont"), 0);
	ck_assert_str_eq(rig_go(true), "taken");
}
END_TEST

START_TEST(dst_transfer_restart_qemu_dead_is_refused)
{
	arrive();
	rig_crash();
	fake_qemu_dies_unseen();
	rig_start_again();
	assert_nothing_left();
}
END_TEST

/* The source gave up meanwhile, and its drop was not received. */
START_TEST(dst_transfer_restart_asks_for_the_fate)
{
	arrive();
	rig_restart();
	rig_advance(5001);
	fake_peer_answer("fate", FATE_FINAL);
	assert_nothing_left();
}
END_TEST

/* The take was not written, so it has not happened, and the next go takes the guest. */
START_TEST(dst_take_lost_restart_is_taken_by_the_next_go)
{
	arrive();
	rig_disk_hold();
	ck_assert_str_eq(rig_go(true), "");
	rig_restart();
	ck_assert_str_eq(rig_state(), "transfer");
	rig_advance(1000);
	ck_assert(!rig_guest_runs());
	ck_assert_str_eq(rig_go(true), "taken");
	ck_assert(rig_guest_runs());
}
END_TEST

/* The take was not written, and the source drops the move. */
START_TEST(dst_take_lost_restart_can_be_dropped)
{
	arrive();
	rig_disk_hold();
	ck_assert_str_eq(rig_go(true), "");
	rig_restart();
	ck_assert_str_eq(rig_drop(), "refused");
	assert_nothing_left();
}
END_TEST

/* The take is on disk, but cont was never sent: the guest is ours, and is let run. */
START_TEST(dst_take_written_restart_lets_it_run)
{
	arrive();
	rig_disk_hold_answers();
	ck_assert_str_eq(rig_go(true), "");
	ck_assert_str_eq(rig.disk.verdict, "taken");
	rig_restart();
	ck_assert_str_eq(rig_state(), "done");
	ck_assert(rig_guest_runs());
	ck_assert_uint_eq(trace_count("qmp cont"), 1);
	ck_assert_str_eq(rig_go(true), "taken");
	ck_assert_str_eq(vm_state(rig_vm()), "running");
	ck_assert_uint_eq(vm_generation(rig_vm()), RIG_GENERATION + 1);
}
END_TEST

START_TEST(dst_take_written_restart_paused_stays_paused)
{
	arrive();
	rig_disk_hold_answers();
	ck_assert_str_eq(rig_go(false), "");
	rig_restart();
	ck_assert_str_eq(rig_state(), "done");
	ck_assert_uint_eq(trace_count("qmp cont"), 0);
	ck_assert_str_eq(rig_go(true), "taken");
	ck_assert_str_eq(vm_state(rig_vm()), "paused");
}
END_TEST

/* cont was sent and its answer lost: a guest that runs is not sent a second one. */
START_TEST(dst_handover_restart_guest_runs_already)
{
	arrive();
	fake_qmp_hold("cont");
	ck_assert_str_eq(rig_go(true), "");
	rig_crash();
	fake_qemu()->run = QMP_RUN_RUNNING;
	rig_start_again();
	ck_assert_str_eq(rig_state(), "done");
	ck_assert_uint_eq(trace_count("qmp cont"), 1);
	ck_assert_str_eq(rig_go(true), "taken");
}
END_TEST

/* cont was sent, and failed for an image's format: QEMU would accept a second one, and run the
 * guest without that disk.  QEMU's own report shows it. */
START_TEST(dst_handover_restart_disk_is_lost_no_second_cont)
{
	arrive();
	fake_qmp_hold("cont");
	ck_assert_str_eq(rig_go(true), "");
	rig_crash();
	fake_qmp_result("query-block",
			"[{\"device\":\"\",\"qdev\":\"/machine/peripheral/d0/virtio-backend\","
			"\"removable\":false},{\"device\":\"cd\",\"removable\":true}]");
	rig_start_again();
	rig_advance(1000);
	ck_assert_uint_eq(trace_count("qmp cont"), 1);
	ck_assert_str_eq(rig_go(true), "refused");
}
END_TEST

/* A taken guest stays taken, even if its QEMU died while the daemon was away. */
START_TEST(dst_handover_restart_qemu_dead_is_taken)
{
	arrive();
	rig_disk_hold_answers();
	ck_assert_str_eq(rig_go(true), "");
	rig_crash();
	fake_qemu_dies_unseen();
	rig_start_again();
	ck_assert_str_eq(rig_state(), "done");
	ck_assert_str_eq(rig_go(true), "taken");
	ck_assert_str_eq(vm_state(rig_vm()), "crashed");
}
END_TEST

START_TEST(dst_handover_restart_drop_is_told_taken)
{
	arrive();
	fake_qmp_hold("cont");
	ck_assert_str_eq(rig_go(true), "");
	rig_restart();
	ck_assert_str_eq(rig_drop(), "");
	fake_qmp_release("cont");
	ck_assert_str_eq(rig_verdict(), "taken");
}
END_TEST

/* The refusal is on disk, but QEMU still lives: it is ended. */
START_TEST(dst_rollback_restart_cleans_up)
{
	arrive();
	rig_disk_hold_answers();
	ck_assert_str_eq(rig_drop(), "");
	ck_assert_str_eq(rig.disk.state, "rollback");
	rig_restart();
	assert_nothing_left();
}
END_TEST

START_TEST(dst_rollback_restart_qemu_dead_cleans_up)
{
	arrive();
	rig_disk_hold_answers();
	ck_assert_str_eq(rig_drop(), "");
	rig_crash();
	fake_qemu_dies_unseen();
	rig_start_again();
	assert_nothing_left();
}
END_TEST

START_TEST(dst_done_restart_is_taken_for_ever)
{
	arrive();
	ck_assert_str_eq(rig_go(true), "taken");
	rig_restart();
	ck_assert_str_eq(rig_go(true), "taken");
	ck_assert_str_eq(rig_drop(), "taken");
	ck_assert_str_eq(vm_state(rig_vm()), "running");
}
END_TEST

/* After a power loss every QEMU is gone, and a pid of our records may belong to another
 * process. */
START_TEST(dst_transfer_power_loss_is_refused)
{
	arrive();
	rig_crash();
	fake_boot_id[0] = '7';
	fake_stream_dies();
	trace_clear();
	rig_start_again();
	ck_assert_uint_eq(trace_count("qemu attach"), 0);
	ck_assert_str_eq(rig_state(), "failed");
	ck_assert_str_eq(rig_go(true), "refused");
	ck_assert_ptr_null(rig_vm());
}
END_TEST

START_TEST(dst_handover_power_loss_is_taken_and_crashed)
{
	arrive();
	rig_disk_hold_answers();
	ck_assert_str_eq(rig_go(true), "");
	rig_crash();
	fake_boot_id[0] = '7';
	fake_qemu_dies_unseen();
	rig_start_again();
	ck_assert_str_eq(rig_go(true), "taken");
	ck_assert_str_eq(vm_state(rig_vm()), "crashed");
	ck_assert_int_eq(rig_act(VM_ACTION_START).code, ERR_NONE);
}
END_TEST

Suite *suite(void)
{
	Suite *s = suite_create("move_restart_dst");
	TCase *tc = rig_add_case(s, "destination");

	tcase_add_test(tc, dst_prepare_restart_rolls_back);
	tcase_add_test(tc, dst_prepare_restart_qemu_is_found_and_ended);
	tcase_add_test(tc, dst_transfer_restart_goes_on);
	tcase_add_test(tc, dst_transfer_restart_loaded_meanwhile_goes_on);
	tcase_add_test(tc, dst_transfer_restart_qemu_dead_is_refused);
	tcase_add_test(tc, dst_transfer_restart_asks_for_the_fate);
	tcase_add_test(tc, dst_take_lost_restart_is_taken_by_the_next_go);
	tcase_add_test(tc, dst_take_lost_restart_can_be_dropped);
	tcase_add_test(tc, dst_take_written_restart_lets_it_run);
	tcase_add_test(tc, dst_take_written_restart_paused_stays_paused);
	tcase_add_test(tc, dst_handover_restart_guest_runs_already);
	tcase_add_test(tc, dst_handover_restart_disk_is_lost_no_second_cont);
	tcase_add_test(tc, dst_handover_restart_qemu_dead_is_taken);
	tcase_add_test(tc, dst_handover_restart_drop_is_told_taken);
	tcase_add_test(tc, dst_rollback_restart_cleans_up);
	tcase_add_test(tc, dst_rollback_restart_qemu_dead_cleans_up);
	tcase_add_test(tc, dst_done_restart_is_taken_for_ever);
	tcase_add_test(tc, dst_transfer_power_loss_is_refused);
	tcase_add_test(tc, dst_handover_power_loss_is_taken_and_crashed);
	return s;
}
