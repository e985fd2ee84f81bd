/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <string.h>

#include "base/mem.h"
#include "check_main.h"
#include "move_rig.h"
#include "vm/vm_priv.h"

static void assert_does(enum vm_action action, const char *state)
{
	struct err err = rig_act(action);

	ck_assert_msg(err.code == ERR_NONE, "%s: %s", vm_action_name(action), err.msg);
	ck_assert_str_eq(vm_state(rig_vm()), state);
}

/* All actions except those in the mask ALLOWED are refused, and do nothing. */
static void assert_refuses_all_but(uint32_t allowed)
{
	trace_clear();
	for (unsigned i = 0; i < VM_ACTION_COUNT; i++) {
		if (!(allowed & (1u << i)))
			ck_assert_int_eq(rig_act((enum vm_action)i).code, ERR_CONFLICT);
	}
	trace_assert_empty();
}

#define MAY(action) (1u << VM_ACTION_##action)

/* ---- the life of a VM ----------------------------------------------------- */

/* Each intent is on disk before QEMU is told. */
START_TEST(life_is_in_this_order)
{
	rig_create_vm();
	ck_assert_str_eq(vm_state(rig_vm()), "stopped");
	assert_does(VM_ACTION_START, "running");
	assert_does(VM_ACTION_PAUSE, "paused");
	assert_does(VM_ACTION_RESUME, "running");
	assert_does(VM_ACTION_RESET, "running");
	assert_does(VM_ACTION_SHUTDOWN, "running");
	assert_does(VM_ACTION_STOP, "stopped");
	ck_assert_int_eq(rig_act(VM_ACTION_DELETE).code, ERR_NONE);
	ck_assert_ptr_null(rig_vm());
	trace_assert("disk vm=owned/stopped@1", "disk vm=owned/started@1", "qemu start", "qmp cont",
		     "disk vm=owned/started@1", "disk vm=owned/paused@1", "qmp stop",
		     "disk vm=owned/started@1", "qmp cont", "qmp system_reset",
		     "qmp system_powerdown", "disk vm=owned/stopped@1", "qemu quit",
		     "disk vm=owned/stopped@1", "disk -vm", NULL);
}
END_TEST

/* An action that makes no sense in a state is refused with an explanation. */
START_TEST(stopped_allows_start_and_delete_only)
{
	rig_create_vm();
	assert_refuses_all_but(MAY(START) | MAY(DELETE));
}
END_TEST

START_TEST(running_forbids_start_and_delete)
{
	rig_run_vm();
	assert_refuses_all_but(MAY(STOP) | MAY(PAUSE) | MAY(RESUME) | MAY(RESET) | MAY(SHUTDOWN));
}
END_TEST

START_TEST(crashed_allows_start_and_delete_only)
{
	rig_run_vm();
	fake_qemu_dies();
	assert_refuses_all_but(MAY(START) | MAY(DELETE));
	assert_does(VM_ACTION_START, "running");
}
END_TEST

/* Of a lost guest only its QEMU is known: a new record would be a guess, and by it the next
 * start of the daemon would end the QEMU. */
START_TEST(qemu_of_the_uuid_lives_without_record_and_none_is_created)
{
	fake_qemu_is_stray = true;
	rig_create_vm();
	ck_assert_int_eq(rig_act_result().code, ERR_CONFLICT);
	ck_assert_ptr_null(rig_vm());
	trace_assert_empty();
	fake_qemu_is_stray = false;
	rig_create_vm();
	ck_assert_ptr_nonnull(rig_vm());
}
END_TEST

static void on_paused(void *data, const struct err *err)
{
	(void)data;
	ck_assert(!err);
}

/* A VM does one action at a time; the next one waits for its turn, but not for ever. */
START_TEST(busy_vm_is_busy)
{
	rig_run_vm();
	fake_qmp_hold("stop");
	vm_act(rig_vm(), VM_ACTION_PAUSE, on_paused, NULL);
	rig_run();
	ck_assert(vm_is_busy(rig_vm()));
	rig_act_begin(VM_ACTION_RESET);
	rig_advance(4999);
	ck_assert_int_eq(rig_act_result().code, ERR_CODE_COUNT);
	rig_advance(1);
	ck_assert_int_eq(rig_act_result().code, ERR_BUSY);
	ck_assert_uint_eq(trace_count("qmp system_reset"), 0);
	fake_qmp_release("stop");
	ck_assert(!vm_is_busy(rig_vm()));
	assert_does(VM_ACTION_RESUME, "running");
}
END_TEST

START_TEST(create_name_taken_is_refused)
{
	rig_create_vm();
	rig_create_vm();
	ck_assert_int_eq(rig_act_result().code, ERR_EXISTS);
	ck_assert_ptr_null(vm_next(rig.vms, "vm1"));
}
END_TEST

/* ---- QEMU ends --------------------------------------------------------------- */

START_TEST(start_impossible_vm_is_stopped_with_the_reason)
{
	rig_create_vm();
	fake_qemu_start_fails = true;
	ck_assert_int_eq(rig_act(VM_ACTION_START).code, ERR_QEMU);
	ck_assert_str_eq(vm_state(rig_vm()), "stopped");
	ck_assert_ptr_nonnull(strstr(vm_reason(rig_vm()), "no such program"));
	ck_assert_str_eq(rig.disk.vm_intent, "stopped");
	fake_qemu_start_fails = false;
	assert_does(VM_ACTION_START, "running");
}
END_TEST

START_TEST(start_qemu_dies_vm_is_stopped_with_its_words)
{
	rig_create_vm();
	fake_qemu_start_hangs = true;
	rig_act_begin(VM_ACTION_START);
	rig_run();
	ck_assert_str_eq(vm_state(rig_vm()), "starting");
	fake_qemu_dies();
	ck_assert_int_eq(rig_act_result().code, ERR_QEMU);
	ck_assert_str_eq(vm_state(rig_vm()), "stopped");
	ck_assert_ptr_nonnull(strstr(vm_reason(rig_vm()), "bad luck"));
}
END_TEST

/* A QEMU whose monitor never answers cannot be used, so it is ended. */
START_TEST(start_monitor_silent_qemu_is_ended)
{
	rig_create_vm();
	fake_qemu_start_hangs = true;
	rig_act_begin(VM_ACTION_START);
	rig_run();
	fake_qemu_ready("no greeting");
	ck_assert_int_eq(rig_act_result().code, ERR_TIMEOUT);
	ck_assert_uint_eq(trace_count("qemu kill"), 1);
	ck_assert_str_eq(vm_state(rig_vm()), "stopped");
}
END_TEST

START_TEST(start_qemu_dies_before_cont_is_answered)
{
	rig_create_vm();
	fake_qmp_hold("cont");
	rig_act_begin(VM_ACTION_START);
	rig_run();
	fake_qemu_dies();
	ck_assert_int_eq(rig_act_result().code, ERR_UNAVAILABLE);
	ck_assert_str_eq(vm_state(rig_vm()), "crashed");
}
END_TEST

START_TEST(running_qemu_dies_vm_has_crashed)
{
	rig_run_vm();
	fake_qemu_dies();
	ck_assert_str_eq(vm_state(rig_vm()), "crashed");
	ck_assert_ptr_nonnull(strstr(vm_reason(rig_vm()), "last words"));
	rig_restart();
	ck_assert_str_eq(vm_state(rig_vm()), "crashed");
}
END_TEST

/* A guest that powers itself off has not crashed, and is not started again. */
START_TEST(running_guest_powers_off_vm_is_stopped)
{
	rig_run_vm();
	fake_qemu_event("SHUTDOWN", "{\"guest\":true}");
	fake_qemu_dies();
	ck_assert_str_eq(vm_state(rig_vm()), "stopped");
	ck_assert_str_eq(vm_reason(rig_vm()), "the guest powered off");
	ck_assert_str_eq(rig.disk.vm_intent, "stopped");
}
END_TEST

/* QEMU may end at any moment of an action; the caller is answered once. */
START_TEST(action_qemu_dies_while_intent_is_written)
{
	static const enum vm_action list[] = { VM_ACTION_PAUSE, VM_ACTION_RESUME };

	for (size_t i = 0; i < ARRAY_LEN(list); i++) {
		if (!rig_vm())
			rig_create_vm();
		assert_does(VM_ACTION_START, "running");
		rig_disk_hold();
		rig_act_begin(list[i]);
		rig_run();
		fake_qemu_dies();
		rig_disk_go_on();
		ck_assert_int_eq(rig_act_result().code, ERR_CONFLICT);
		ck_assert_str_eq(vm_state(rig_vm()), "crashed");
	}
}
END_TEST

START_TEST(stop_qemu_dies_while_intent_is_written_is_stopped)
{
	rig_run_vm();
	rig_disk_hold();
	rig_act_begin(VM_ACTION_STOP);
	rig_run();
	fake_qemu_dies();
	rig_disk_go_on();
	ck_assert_int_eq(rig_act_result().code, ERR_NONE);
	ck_assert_str_eq(vm_state(rig_vm()), "stopped");
	assert_does(VM_ACTION_START, "running");
}
END_TEST

START_TEST(action_qemu_dies_before_it_answers)
{
	static const struct {
		enum vm_action action;
		const char *command;
	} list[] = { { VM_ACTION_PAUSE, "stop" },
		     { VM_ACTION_RESET, "system_reset" },
		     { VM_ACTION_SHUTDOWN, "system_powerdown" } };

	rig_create_vm();
	for (size_t i = 0; i < ARRAY_LEN(list); i++) {
		assert_does(VM_ACTION_START, "running");
		fake_qmp_hold(list[i].command);
		rig_act_begin(list[i].action);
		rig_run();
		fake_qemu_dies();
		ck_assert_int_eq(rig_act_result().code, ERR_UNAVAILABLE);
		ck_assert(!vm_is_busy(rig_vm()));
	}
}
END_TEST

/* An earlier cont failed for an image's format, and the daemon has no record of it: a resume
 * by a person must be refused, too. */
START_TEST(resume_without_a_disk_is_refused_and_told)
{
	struct err err;

	rig_run_vm();
	ck_assert_int_eq(rig_act(VM_ACTION_PAUSE).code, ERR_NONE);
	trace_clear();
	fake_qmp_result("query-block", "[{\"device\":\"d0\",\"removable\":false}]");
	err = rig_act(VM_ACTION_RESUME);
	ck_assert_int_eq(err.code, ERR_QEMU);
	ck_assert_ptr_nonnull(strstr(err.msg, "drive 'd0'"));
	ck_assert_uint_eq(trace_count("qmp cont"), 0);
	ck_assert_ptr_nonnull(strstr(vm_reason(rig_vm()), "it is not tried again"));
	rig_advance(60000);
	ck_assert_uint_eq(trace_count("qmp cont"), 0);
}
END_TEST

/* QEMU refuses the pause, or does not answer. */
START_TEST(pause_refused_or_unanswered_is_told)
{
	rig_run_vm();
	fake_qmp_refuse("stop", ERR_QEMU);
	ck_assert_int_eq(rig_act(VM_ACTION_PAUSE).code, ERR_QEMU);
	fake_qmp_accept("stop");
	fake_qmp_hold("stop");
	rig_act_begin(VM_ACTION_PAUSE);
	rig_advance(10001);
	ck_assert_int_eq(rig_act_result().code, ERR_TIMEOUT);
	ck_assert(!vm_is_busy(rig_vm()));
}
END_TEST

/* ---- the disk ------------------------------------------------------------------ */

/* An action that cannot be recorded is not done. */
START_TEST(disk_full_nothing_is_done)
{
	rig_disk_is_full(true);
	rig_create_vm();
	ck_assert_int_eq(rig_act_result().code, ERR_NO_SPACE);
	ck_assert_ptr_null(rig_vm());
	rig_disk_is_full(false);
	rig_run_vm();
	rig_disk_is_full(true);
	trace_clear();
	ck_assert_int_eq(rig_act(VM_ACTION_START).code, ERR_CONFLICT);
	trace_assert_empty();
	rig_disk_is_full(false);
	assert_does(VM_ACTION_STOP, "stopped");
	rig_disk_is_full(true);
	ck_assert_int_eq(rig_act(VM_ACTION_DELETE).code, ERR_NO_SPACE);
	ck_assert_int_eq(rig_act(VM_ACTION_START).code, ERR_NO_SPACE);
	ck_assert_str_eq(vm_state(rig_vm()), "stopped");
}
END_TEST

/* An action that only stops a guest's CPUs is safe without a record: it is done at once, and
 * recorded when there is room. */
START_TEST(disk_full_pause_is_done_and_recorded_later)
{
	rig_run_vm();
	rig_disk_is_full(true);
	assert_does(VM_ACTION_PAUSE, "paused");
	ck_assert_int_eq(rig_act(VM_ACTION_RESUME).code, ERR_NO_SPACE);
	ck_assert_str_eq(vm_state(rig_vm()), "paused");
	rig_advance(10000);
	rig_disk_is_full(false);
	rig_advance(10000);
	rig_restart();
	ck_assert_str_eq(vm_state(rig_vm()), "paused");
}
END_TEST

START_TEST(disk_full_stop_is_done_and_recorded_later)
{
	rig_run_vm();
	rig_disk_is_full(true);
	assert_does(VM_ACTION_STOP, "stopped");
	rig_advance(10000);
	rig_disk_is_full(false);
	rig_advance(10000);
	rig_restart();
	ck_assert_str_eq(vm_state(rig_vm()), "stopped");
}
END_TEST

/* ---- restarts --------------------------------------------------------------------- */

/* A restart of the daemon leaves guests alone. */
START_TEST(running_restart_guest_runs_on)
{
	rig_run_vm();
	trace_clear();
	rig_restart();
	ck_assert_str_eq(vm_state(rig_vm()), "running");
	trace_assert("qemu attach", "disk vm=owned/started@1", NULL);
	assert_does(VM_ACTION_PAUSE, "paused");
	rig_restart();
	ck_assert_str_eq(vm_state(rig_vm()), "paused");
	assert_does(VM_ACTION_STOP, "stopped");
}
END_TEST

/* The next daemon finishes an action whose intent is on disk. */
START_TEST(pause_restart_is_finished)
{
	rig_run_vm();
	rig_disk_hold_answers();
	rig_act_begin(VM_ACTION_PAUSE);
	rig_run();
	rig_restart();
	ck_assert_str_eq(vm_state(rig_vm()), "paused");
}
END_TEST

START_TEST(resume_restart_is_finished)
{
	rig_run_vm();
	assert_does(VM_ACTION_PAUSE, "paused");
	rig_disk_hold_answers();
	rig_act_begin(VM_ACTION_RESUME);
	rig_run();
	rig_restart();
	ck_assert_str_eq(vm_state(rig_vm()), "running");
}
END_TEST

START_TEST(stop_restart_is_finished)
{
	rig_run_vm();
	rig_disk_hold_answers();
	rig_act_begin(VM_ACTION_STOP);
	rig_run();
	rig_restart();
	ck_assert_str_eq(vm_state(rig_vm()), "stopped");
	ck_assert(!fake_qemu()->is_alive);
}
END_TEST

/* Its QEMU has ended, but this is not on disk yet: only the write ends the stop. */
START_TEST(stop_restart_before_the_end_is_recorded_is_answered_once)
{
	rig_run_vm();
	fake_qemu_quit_hangs = true;
	rig_act_begin(VM_ACTION_STOP);
	rig_run();
	rig_disk_hold();
	fake_qemu_dies();
	ck_assert_int_eq(rig_act_result().code, ERR_CODE_COUNT);
	rig_restart();
	ck_assert_int_eq(rig_act_result().code, ERR_CANCELLED);
	ck_assert_str_eq(vm_state(rig_vm()), "stopped");
}
END_TEST

/* QEMU was started, but its pid is not recorded yet. */
START_TEST(start_restart_pid_lost_is_finished)
{
	rig_create_vm();
	fake_qemu_start_hangs = true;
	rig_act_begin(VM_ACTION_START);
	rig_run();
	rig_restart();
	ck_assert_str_eq(vm_state(rig_vm()), "running");
	ck_assert_int_eq(rig_act_result().code, ERR_CANCELLED);
}
END_TEST

/* No QEMU was started, so none has crashed: the VM can be started at once. */
START_TEST(start_restart_before_qemu_is_stopped)
{
	rig_create_vm();
	rig_disk_hold_answers();
	rig_act_begin(VM_ACTION_START);
	rig_run();
	ck_assert_str_eq(rig.disk.vm_intent, "started");
	rig_restart();
	ck_assert_str_eq(vm_state(rig_vm()), "stopped");
	ck_assert_ptr_nonnull(strstr(vm_reason(rig_vm()), "before it was started"));
	ck_assert_str_eq(rig.disk.vm_intent, "stopped");
	ck_assert_int_eq(rig_act(VM_ACTION_START).code, ERR_NONE);
}
END_TEST

/* A crashed VM stays crashed, even after a start that the disk refused. */
START_TEST(crashed_restart_has_crashed)
{
	rig_run_vm();
	fake_qemu_dies();
	rig_disk_is_full(true);
	ck_assert_int_eq(rig_act(VM_ACTION_START).code, ERR_NO_SPACE);
	rig_disk_is_full(false);
	rig_restart();
	ck_assert_str_eq(vm_state(rig_vm()), "crashed");
}
END_TEST

/* An intent that was not on disk is forgotten. */
START_TEST(action_restart_record_lost_is_forgotten)
{
	rig_run_vm();
	rig_disk_hold();
	rig_act_begin(VM_ACTION_STOP);
	rig_run();
	rig_restart();
	ck_assert_str_eq(vm_state(rig_vm()), "running");
}
END_TEST

START_TEST(running_restart_qemu_dead_has_crashed)
{
	rig_run_vm();
	rig_crash();
	fake_qemu_dies_unseen();
	rig_start_again();
	ck_assert_str_eq(vm_state(rig_vm()), "crashed");
	ck_assert_ptr_nonnull(strstr(vm_reason(rig_vm()), "while the coordinator was away"));
	assert_does(VM_ACTION_START, "running");
}
END_TEST

/* The daemon looks for an adopted QEMU at that QEMU's own monitor, until it has ended. */
static void adopt_vm(void)
{
	rig_run_vm();
	vm_take_qemu(rig_vm(), vm_qemu(rig_vm()), "/run/vm0.sock");
	vm_save(rig_vm(), NULL, NULL);
	rig_run();
}

START_TEST(adopted_restart_is_found_by_its_own_monitor)
{
	adopt_vm();
	trace_clear();
	rig_restart();
	ck_assert_uint_eq(trace_count("qemu monitor /run/vm0.sock"), 1);
	ck_assert_str_eq(vm_state(rig_vm()), "running");
	ck_assert_str_eq(vm_row(rig_vm())->monitor, "/run/vm0.sock");
	ck_assert_int_eq(rig_act(VM_ACTION_STOP).code, ERR_NONE);
	ck_assert_str_eq(vm_row(rig_vm())->monitor, "");
	ck_assert_int_eq(rig_act(VM_ACTION_START).code, ERR_NONE);
}
END_TEST

START_TEST(adopted_power_loss_is_adopted_no_more)
{
	adopt_vm();
	rig_crash();
	fake_boot_id[0] = '7';
	trace_clear();
	rig_start_again();
	ck_assert_uint_eq(trace_count("qemu monitor /run/vm0.sock"), 0);
	ck_assert_str_eq(vm_state(rig_vm()), "crashed");
	ck_assert_str_eq(vm_row(rig_vm())->monitor, "");
}
END_TEST

/* After a power loss the pid may belong to another process, which must not be asked. */
START_TEST(running_power_loss_has_crashed)
{
	rig_run_vm();
	rig_crash();
	fake_boot_id[0] = '7';
	trace_clear();
	rig_start_again();
	ck_assert_uint_eq(trace_count("qemu attach"), 0);
	ck_assert_str_eq(vm_state(rig_vm()), "crashed");
	ck_assert_str_eq(vm_reason(rig_vm()), "the host was restarted");
}
END_TEST

/* A hung monitor tells nothing about the guest: the guest is left alone, and can be used again
 * when the monitor answers. */
START_TEST(running_restart_monitor_hung_is_unreachable_until_it_answers)
{
	rig_run_vm();
	rig_crash();
	fake_qemu()->is_hung = true;
	rig_start_again();
	ck_assert_str_eq(vm_state(rig_vm()), "unreachable");
	ck_assert_int_eq(rig_act(VM_ACTION_PAUSE).code, ERR_CONFLICT);
	ck_assert_int_eq(rig_act(VM_ACTION_START).code, ERR_CONFLICT);
	ck_assert(fake_qemu()->is_alive);
	rig.changed = 0;
	fake_qemu_find_monitor();
	ck_assert_str_eq(vm_state(rig_vm()), "running");
	ck_assert_uint_ge(rig.changed, 1);
	assert_does(VM_ACTION_STOP, "stopped");
}
END_TEST

/* A person ends it all the same: its process is that of the record, and needs no monitor for that.
 */
START_TEST(running_restart_monitor_hung_can_be_stopped)
{
	rig_run_vm();
	rig_crash();
	fake_qemu()->is_hung = true;
	rig_start_again();
	ck_assert_str_eq(vm_state(rig_vm()), "unreachable");
	assert_does(VM_ACTION_STOP, "stopped");
	ck_assert_str_eq(vm_reason(rig_vm()), "stopped on request");
}
END_TEST

/* An interrupted action is finished when the monitor answers, even if late. */
START_TEST(pause_restart_monitor_hung_is_finished_when_it_answers)
{
	rig_run_vm();
	rig_act_begin(VM_ACTION_PAUSE);
	fake_qmp_hold("stop");
	rig_run();
	rig_crash();
	fake_qemu()->is_hung = true;
	rig_start_again();
	ck_assert_str_eq(vm_state(rig_vm()), "unreachable");
	fake_qmp_release("stop");
	fake_qemu_find_monitor();
	ck_assert_str_eq(vm_state(rig_vm()), "paused");
}
END_TEST

/* The time of a QEMU's start stays the same over a restart. */
START_TEST(running_restart_keeps_the_time_of_its_start)
{
	int64_t started_ms;

	rig_run_vm();
	rig_vm()->row.started_ms -= 1000;
	started_ms = rig_vm()->row.started_ms;
	vm_save(rig_vm(), NULL, NULL);
	rig_run();
	rig_restart();
	ck_assert_int_eq(rig_vm()->row.started_ms, started_ms);
}
END_TEST

/* A daemon that ends in the middle of a start or a stop still answers the caller. */
START_TEST(stop_daemon_ends_caller_is_answered)
{
	rig_run_vm();
	rig_act_begin(VM_ACTION_STOP);
	rig_disk_hold_answers();
	rig_run();
	rig_restart();
	ck_assert_int_ne(rig_act_result().code, ERR_CODE_COUNT);
	ck_assert_str_eq(vm_state(rig_vm()), "stopped");
}
END_TEST

/* An incoming VM without its move has no owner. */
START_TEST(incoming_without_move_is_removed)
{
	const struct store_vm row = {
		.uuid = RIG_VM_UUID,
		.name = "vm1",
		.role = "incoming",
		.intent = "stopped",
		.generation = 1,
		.definition = (char[]){ "{}" },
	};

	store_commit(rig.store, &(struct store_txn){ { store_put_vm(&row) } }, NULL, NULL);
	rig_run();
	rig_restart();
	ck_assert_ptr_null(rig_vm());
	ck_assert(!rig.disk.has_vm);
}
END_TEST

static TCase *tcase;
#define ADD(test) tcase_add_test(tcase, test)

static void add_restarts(Suite *s)
{
	tcase = rig_add_case(s, "restarts");
	ADD(running_restart_guest_runs_on);
	ADD(pause_restart_is_finished);
	ADD(resume_restart_is_finished);
	ADD(stop_restart_is_finished);
	ADD(stop_restart_before_the_end_is_recorded_is_answered_once);
	ADD(start_restart_pid_lost_is_finished);
	ADD(start_restart_before_qemu_is_stopped);
	ADD(crashed_restart_has_crashed);
	ADD(action_restart_record_lost_is_forgotten);
	ADD(running_restart_qemu_dead_has_crashed);
	ADD(adopted_restart_is_found_by_its_own_monitor);
	ADD(qemu_of_the_uuid_lives_without_record_and_none_is_created);
	ADD(adopted_power_loss_is_adopted_no_more);
	ADD(running_power_loss_has_crashed);
	ADD(running_restart_monitor_hung_is_unreachable_until_it_answers);
	ADD(running_restart_monitor_hung_can_be_stopped);
	ADD(pause_restart_monitor_hung_is_finished_when_it_answers);
	ADD(running_restart_keeps_the_time_of_its_start);
	ADD(stop_daemon_ends_caller_is_answered);
	ADD(incoming_without_move_is_removed);
}

Suite *suite(void)
{
	Suite *s = suite_create("vm");

	tcase = rig_add_case(s, "actions");
	ADD(life_is_in_this_order);
	ADD(stopped_allows_start_and_delete_only);
	ADD(running_forbids_start_and_delete);
	ADD(crashed_allows_start_and_delete_only);
	ADD(busy_vm_is_busy);
	ADD(create_name_taken_is_refused);
	tcase = rig_add_case(s, "ends");
	ADD(start_impossible_vm_is_stopped_with_the_reason);
	ADD(start_qemu_dies_vm_is_stopped_with_its_words);
	ADD(start_monitor_silent_qemu_is_ended);
	ADD(start_qemu_dies_before_cont_is_answered);
	ADD(running_qemu_dies_vm_has_crashed);
	ADD(running_guest_powers_off_vm_is_stopped);
	ADD(action_qemu_dies_while_intent_is_written);
	ADD(stop_qemu_dies_while_intent_is_written_is_stopped);
	ADD(action_qemu_dies_before_it_answers);
	ADD(resume_without_a_disk_is_refused_and_told);
	ADD(pause_refused_or_unanswered_is_told);
	ADD(disk_full_nothing_is_done);
	ADD(disk_full_pause_is_done_and_recorded_later);
	ADD(disk_full_stop_is_done_and_recorded_later);
	add_restarts(s);
	return s;
}
