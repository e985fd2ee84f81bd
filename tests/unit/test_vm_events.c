/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "vm/events.h"

#include <string.h>

#include "base/mem.h"
#include "check_main.h"
#include "move_rig.h"

static void event(const char *name, const char *data)
{
	fake_qemu_event(name, data);
	rig_run();
}

/* ---- why the guest stands still or has ended -------------------------------- */

static const struct {
	const char *name, *data, *reason;
} reasons[] = {
	{ "GUEST_PANICKED", "{\"action\":\"pause\"}", "the guest panicked" },
	{ "GUEST_PANICKED", NULL, "the guest panicked" },
	{ "WATCHDOG", "{\"action\":\"pause\"}", "the guest's watchdog fired" },
	{ "BLOCK_IO_ERROR",
	  "{\"device\":\"\",\"node-name\":\"root-node\",\"operation\":\"write\","
	  "\"action\":\"stop\",\"nospace\":true,\"reason\":\"No space left on device\"}",
	  "stopped by an I/O error on disk 'root': No space left on device" },
	{ "BLOCK_IO_ERROR", "{\"action\":\"stop\"}",
	  "stopped by an I/O error on disk '?': QEMU does not say why" },
	{ "BLOCK_IO_ERROR", "{\"node-name\":\"root-node\",\"action\":\"report\"}", "" },
	{ "SHUTDOWN", "{\"guest\":true,\"reason\":\"guest-shutdown\"}", "the guest powered off" },
	{ "NO_SUCH_EVENT", "{\"action\":\"stop\"}", "" },
};

START_TEST(guest_stops_the_reason_says_why)
{
	rig_run_vm();
	event(reasons[_i].name, reasons[_i].data);
	ck_assert_str_eq(vm_reason(rig_vm()), reasons[_i].reason);
	event("RESUME", NULL);
	ck_assert_str_eq(vm_reason(rig_vm()), "");
}
END_TEST

static const struct {
	const char *name, *data, *state, *intent, *reason;
} ends[] = {
	{ "SHUTDOWN", "{\"guest\":true,\"reason\":\"guest-shutdown\"}", "stopped", "stopped",
	  "the guest powered off" },
	{ "SHUTDOWN", "{\"guest\":true,\"reason\":\"of-the-future\"}", "stopped", "stopped",
	  "the guest powered off" },
	{ "SHUTDOWN", "{\"guest\":true,\"reason\":\"guest-reset\"}", "stopped", "stopped",
	  "the guest rebooted, and was to end then" },
	{ "SHUTDOWN", "{\"guest\":true,\"reason\":\"guest-panic\"}", "crashed", "started",
	  "the guest panicked" },
	{ "SHUTDOWN", "{\"guest\":false,\"reason\":\"host-signal\"}", "crashed", "started",
	  "its QEMU was ended by a signal" },
	{ "SHUTDOWN", NULL, "crashed", "started", "its QEMU ended unexpectedly: last words" },
	{ "WATCHDOG", "{\"action\":\"poweroff\"}", "crashed", "started",
	  "the guest's watchdog fired" },
};

START_TEST(qemu_ends_after_its_event_the_reason_says_why)
{
	rig_run_vm();
	event(ends[_i].name, ends[_i].data);
	fake_qemu_dies();
	ck_assert_str_eq(vm_state(rig_vm()), ends[_i].state);
	ck_assert_str_eq(vm_reason(rig_vm()), ends[_i].reason);
	ck_assert_str_eq(rig.disk.vm_intent, ends[_i].intent);
}
END_TEST

/* After a reset the guest's former end does not count any more. */
START_TEST(shutdown_that_pauses_is_forgotten_after_a_reset)
{
	rig_run_vm();
	event("SHUTDOWN", "{\"guest\":true,\"reason\":\"guest-shutdown\"}");
	event("STOP", NULL);
	event("RESET", "{\"guest\":false}");
	ck_assert_str_eq(vm_reason(rig_vm()), "");
	fake_qemu_dies();
	ck_assert_str_eq(vm_state(rig_vm()), "crashed");
}
END_TEST

/* Events are not repeated after a restart, but the run state still tells the reason. */
START_TEST(restart_guest_stood_still_the_reason_is_found_again)
{
	rig_run_vm();
	fake_qemu()->run = QMP_RUN_GUEST_PANICKED;
	rig_restart();
	ck_assert_str_eq(vm_state(rig_vm()), "guest-panicked");
	ck_assert_str_eq(vm_reason(rig_vm()), "the guest panicked");
}
END_TEST

/* The monitor hung at the restart, and answers later. */
START_TEST(restart_guest_stood_still_late_the_reason_is_found)
{
	rig_run_vm();
	rig_crash();
	fake_qemu()->run = QMP_RUN_GUEST_PANICKED;
	fake_qemu()->is_hung = true;
	rig_start_again();
	ck_assert_str_eq(vm_state(rig_vm()), "unreachable");
	rig.changed = 0;
	fake_qemu_find_monitor();
	ck_assert_str_eq(vm_state(rig_vm()), "guest-panicked");
	ck_assert_str_eq(vm_reason(rig_vm()), "the guest panicked");
	ck_assert_uint_ge(rig.changed, 1);
}
END_TEST

/* After a lost monitor the present state counts, not one that is over. */
START_TEST(monitor_lost_the_reason_is_that_of_the_state_found)
{
	rig_run_vm();
	fake_qemu_lose_monitor();
	fake_qemu()->run = QMP_RUN_GUEST_PANICKED;
	fake_qemu_find_monitor();
	ck_assert_str_eq(vm_reason(rig_vm()), "the guest panicked");
	fake_qemu_lose_monitor();
	fake_qemu()->run = QMP_RUN_RUNNING;
	rig.changed = 0;
	fake_qemu_find_monitor();
	ck_assert_str_eq(vm_reason(rig_vm()), "");
	ck_assert_uint_ge(rig.changed, 1);
}
END_TEST

/* ---- telling ----------------------------------------------------------------- */

static struct {
	struct vm_job job;
	unsigned heard, told_before;
	bool forgets;
} listener;

static void on_job_event(void *data, const struct qmp_event *qmp_event)
{
	(void)data;
	(void)qmp_event;
	listener.heard++;
	listener.told_before = rig.told_events;
	if (listener.forgets)
		vm_forget(rig_vm());
}

static void listen_as_job(void)
{
	struct err err;

	rig_run_vm();
	memset(&listener, 0, sizeof(listener));
	listener.job = (struct vm_job){ .kind = "MIGRATION_OUT", .event = on_job_event };
	id_uuid_new(listener.job.id);
	ck_assert(vm_job_begin(rig_vm(), &listener.job, &err));
	rig.told_events = 0;
}

/* The blackout lasts until the job is told, so the job is told first. */
START_TEST(job_hears_an_event_before_everybody_else)
{
	listen_as_job();
	event("STOP", NULL);
	ck_assert_uint_eq(listener.heard, 1);
	ck_assert_uint_eq(listener.told_before, 0);
	ck_assert_uint_eq(rig.told_events, 1);
	vm_job_end(rig_vm(), &listener.job);
}
END_TEST

START_TEST(vm_that_its_job_lets_go_at_an_event_is_told_nothing_more)
{
	listen_as_job();
	listener.forgets = true;
	event("STOP", NULL);
	ck_assert_uint_eq(listener.heard, 1);
	ck_assert_uint_eq(rig.told_events, 0);
	ck_assert_ptr_null(rig_vm());
}
END_TEST

/* A guest can cause events at will, and must not hide other guests' events. */
START_TEST(flood_is_told_in_part_and_counted)
{
	rig_run_vm();
	rig_advance(10000);
	rig.told_events = 0;
	for (unsigned i = 0; i < EVENTS_BURST + 50; i++)
		event("BLOCK_IO_ERROR", "{\"action\":\"report\"}");
	ck_assert_uint_eq(rig.told_events, EVENTS_BURST);
	ck_assert_uint_eq(rig.left_out, 0);
	rig_advance(1000);
	event("RTC_CHANGE", NULL);
	ck_assert_uint_eq(rig.told_events, EVENTS_BURST + 1);
	ck_assert_uint_eq(rig.left_out, 50);
	rig_advance(100000);
	for (unsigned i = 0; i < EVENTS_BURST + 50; i++)
		event("RTC_CHANGE", NULL);
	ck_assert_uint_eq(rig.told_events, 2 * EVENTS_BURST + 1);
}
END_TEST

/* An event that is left out of the report still has its effect. */
START_TEST(flood_before_a_panic_the_panic_counts)
{
	rig_run_vm();
	for (unsigned i = 0; i < EVENTS_BURST + 50; i++)
		event("RTC_CHANGE", NULL);
	event("GUEST_PANICKED", "{\"action\":\"pause\"}");
	ck_assert_str_eq(vm_reason(rig_vm()), "the guest panicked");
}
END_TEST

/* The VM counts as changed only if the API shows something new. */
START_TEST(event_that_changes_nothing_shown_leaves_the_vm_alone)
{
	rig_run_vm();
	event("RTC_CHANGE", NULL);
	rig.changed = 0;
	event("RTC_CHANGE", NULL);
	event("BLOCK_JOB_READY", "{}");
	ck_assert_uint_eq(rig.changed, 0);
	event("GUEST_PANICKED", "{}");
	ck_assert_uint_eq(rig.changed, 1);
}
END_TEST

Suite *suite(void)
{
	Suite *s = suite_create("vm events");
	TCase *tc = rig_add_case(s, "reasons");

	tcase_add_loop_test(tc, guest_stops_the_reason_says_why, 0, ARRAY_LEN(reasons));
	tcase_add_loop_test(tc, qemu_ends_after_its_event_the_reason_says_why, 0, ARRAY_LEN(ends));
	tcase_add_test(tc, shutdown_that_pauses_is_forgotten_after_a_reset);
	tcase_add_test(tc, restart_guest_stood_still_the_reason_is_found_again);
	tcase_add_test(tc, restart_guest_stood_still_late_the_reason_is_found);
	tcase_add_test(tc, monitor_lost_the_reason_is_that_of_the_state_found);
	tc = rig_add_case(s, "telling");
	tcase_add_test(tc, job_hears_an_event_before_everybody_else);
	tcase_add_test(tc, vm_that_its_job_lets_go_at_an_event_is_told_nothing_more);
	tcase_add_test(tc, flood_is_told_in_part_and_counted);
	tcase_add_test(tc, flood_before_a_panic_the_panic_counts);
	tcase_add_test(tc, event_that_changes_nothing_shown_leaves_the_vm_alone);
	return s;
}
