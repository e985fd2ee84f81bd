/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "vm/medium.h"

#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "check_main.h"
#include "move_rig.h"
#include "vm/devices.h"

#define TRAY "DEVICE_TRAY_MOVED"

/* The CD drive of the fake QEMU. */
static struct {
	const char *medium; /* NULL: empty */
	bool is_open, is_locked, takes_none;
	char text[300];
} drive;
static void (*rules)(const char *command);

static void show(void)
{
	char medium[120] = "";

	if (drive.medium)
		snprintf(medium, sizeof(medium),
			 ",\"inserted\":{\"node-name\":\"cd0-node\",\"file\":\"%s\",\"drv\":"
			 "\"raw\"}",
			 drive.medium);
	snprintf(drive.text, sizeof(drive.text),
		 "[{\"qdev\":\"cd0\",\"device\":\"\",\"tray_open\":%s,\"locked\":%s%s}]",
		 drive.is_open ? "true" : "false", drive.is_locked ? "true" : "false", medium);
	fake_qmp_result("query-block", drive.text);
}

static void obey(const char *command)
{
	rules(command);
	if (strcmp(command, "blockdev-open-tray") == 0 && !drive.is_locked)
		drive.is_open = true;
	else if (strcmp(command, "blockdev-remove-medium") == 0)
		drive.medium = NULL;
	else if (strcmp(command, "blockdev-insert-medium") == 0 && !drive.takes_none)
		drive.medium = "/two.iso";
	else if (strcmp(command, "blockdev-close-tray") == 0)
		drive.is_open = false;
	show();
}

static unsigned answers;
static struct err last;

static void on_done(void *data, const struct err *err)
{
	(void)data;
	answers++;
	last = err ? *err : (struct err){ 0 };
}

static void begin(const char *id, const char *path)
{
	struct medium_request request = { .timeout_ms = 3000 };

	snprintf(request.path, sizeof(request.path), "%s", path);
	vm_change_medium(rig_vm(), id, &request, on_done, NULL);
	rig_run();
}

static void change(const char *path)
{
	begin("cd0", path);
	ck_assert_uint_eq(answers, 1);
}

static void set_up(void)
{
	rig_set_up();
	rig.more_members =
		",\"cdroms\":[{\"id\":\"cd0\",\"bus\":\"sata\",\"path\":\"/one.iso\"}],"
		"\"disks\":[{\"id\":\"d\",\"path\":\"/d.raw\",\"format\":\"raw\",\"shared\":true}]";
	drive.medium = "/one.iso";
	drive.is_open = drive.is_locked = drive.takes_none = false;
	fake_qemu_devices = "[{\"name\":\"cd0\"},{\"name\":\"d\"}]";
	rules = fake_qemu_before;
	fake_qemu_before = obey;
	show();
	answers = 0;
	rig_run_vm();
	trace_clear();
}

static void tear_down(void)
{
	fake_qemu_before = rules;
	fake_qemu_devices = NULL;
	rig_tear_down();
}

static void assert_record(const char *path, const char *tray)
{
	CLEANUP(json_putp) struct json_object *obj = vm_device_json(rig_vm(), "cd0");
	const char *has_path = json_get_str(obj, "path"), *has_tray = json_get_str(obj, "tray");

	ck_assert_str_eq(has_path ? has_path : "", path);
	ck_assert_str_eq(has_tray ? has_tray : "closed", tray);
}

START_TEST(change_opens_the_new_before_the_former_leaves)
{
	change("/two.iso");
	ck_assert_int_eq(last.code, ERR_NONE);
	trace_assert_order("qmp blockdev-add", "qmp blockdev-open-tray");
	trace_assert_order("qmp blockdev-open-tray", "qmp blockdev-remove-medium");
	trace_assert_order("qmp blockdev-remove-medium", "qmp blockdev-insert-medium");
	trace_assert_order("qmp blockdev-insert-medium", "qmp blockdev-close-tray");
	assert_record("/two.iso", "closed");
	rig_restart();
	assert_record("/two.iso", "closed");
}
END_TEST

START_TEST(medium_that_is_there_stays_as_it_is)
{
	change("/one.iso");
	ck_assert_uint_eq(trace_count("qmp blockdev-open-tray"), 0);
	assert_record("/one.iso", "closed");
}
END_TEST

START_TEST(eject_leaves_the_tray_open_and_may_be_repeated)
{
	change("");
	assert_record("", "open");
	answers = 0;
	trace_clear();
	change("");
	ck_assert_int_eq(last.code, ERR_NONE);
	ck_assert_uint_eq(trace_count("qmp blockdev-open-tray"), 0);
}
END_TEST

/* The new file cannot be opened. */
START_TEST(new_medium_cannot_be_opened_nothing_changes)
{
	fake_qmp_refuse("blockdev-add", ERR_QEMU);
	change("/two.iso");
	ck_assert_int_eq(last.code, ERR_QEMU);
	ck_assert_uint_eq(trace_count("qmp blockdev-open-tray"), 0);
	assert_record("/one.iso", "closed");
}
END_TEST

/* The record tells the drive's true state even after a failure half-way. */
START_TEST(insertion_fails_the_record_says_that_it_is_empty)
{
	drive.takes_none = true;
	fake_qmp_refuse("blockdev-insert-medium", ERR_QEMU);
	change("/two.iso");
	ck_assert_int_eq(last.code, ERR_QEMU);
	ck_assert_ptr_nonnull(strstr(last.msg, "the drive is empty now"));
	assert_record("", "open");
}
END_TEST

START_TEST(guest_keeps_the_tray_locked_it_is_told_in_time)
{
	drive.is_locked = true;
	begin("cd0", "/two.iso");
	ck_assert_uint_eq(answers, 0);
	rig_advance(2000);
	fake_qemu_event(TRAY, "{\"id\":\"other\",\"tray-open\":true}"); /* another drive's */
	rig_run();
	ck_assert_uint_eq(answers, 0);
	rig_advance(999);
	ck_assert_uint_eq(answers, 0);
	rig_advance(1);
	ck_assert_uint_eq(answers, 1);
	ck_assert_int_eq(last.code, ERR_TIMEOUT);
	ck_assert_uint_eq(trace_count("qmp blockdev-remove-medium"), 0);
	assert_record("/one.iso", "closed");
}
END_TEST

START_TEST(guest_opens_the_tray_late_the_change_goes_on)
{
	drive.is_locked = true;
	begin("cd0", "/two.iso");
	drive.is_locked = false;
	drive.is_open = true;
	show();
	fake_qemu_event(TRAY, "{\"id\":\"cd0\",\"tray-open\":true}");
	rig_run();
	ck_assert_uint_eq(answers, 1);
	ck_assert_int_eq(last.code, ERR_NONE);
	assert_record("/two.iso", "closed");
}
END_TEST

START_TEST(qemu_ends_while_the_tray_is_waited_for_caller_is_answered)
{
	drive.is_locked = true;
	begin("cd0", "/two.iso");
	fake_qemu_dies();
	rig_run();
	ck_assert_uint_eq(answers, 1);
	ck_assert_int_ne(last.code, ERR_NONE);
	assert_record("/one.iso", "closed");
}
END_TEST

START_TEST(daemon_ends_while_the_tray_is_waited_for_caller_is_answered)
{
	drive.is_locked = true;
	begin("cd0", "/two.iso");
	rig_restart();
	ck_assert_uint_eq(answers, 1);
	assert_record("/one.iso", "closed");
}
END_TEST

/* The guest may move the tray by itself. */
START_TEST(guest_opens_the_tray_the_record_follows)
{
	drive.is_open = true;
	show();
	fake_qemu_event(TRAY, "{\"id\":\"cd0\",\"tray-open\":true}");
	rig_run();
	assert_record("/one.iso", "open");
	drive.is_open = false; /* a reset closes the tray without an event */
	show();
	fake_qemu_event("RESET", "{\"guest\":true}");
	rig_advance(1000);
	assert_record("/one.iso", "closed");
}
END_TEST

static void move_tray(bool is_open)
{
	drive.is_open = is_open;
	show();
	fake_qemu_event(TRAY, "{\"id\":\"cd0\",\"tray-open\":true}");
	rig_run();
}

/* Each look costs questions to QEMU and perhaps a commit, so a guest must not set their pace. */
START_TEST(guest_moves_its_tray_without_end_one_look_a_second)
{
	for (unsigned i = 0; i < 100; i++)
		move_tray(i % 2 == 0);
	ck_assert_uint_eq(trace_count("qmp qom-list"), 1);
	move_tray(true); /* the last move of the series */
	rig_advance(999);
	ck_assert_uint_eq(trace_count("qmp qom-list"), 1);
	rig_advance(1);
	ck_assert_uint_eq(trace_count("qmp qom-list"), 2);
	assert_record("/one.iso", "open");
	rig_advance(60000);
	ck_assert_uint_eq(trace_count("qmp qom-list"), 2);
	move_tray(false); /* after a pause the look comes at once */
	assert_record("/one.iso", "closed");
}
END_TEST

START_TEST(restart_the_record_follows_what_was_changed_meanwhile)
{
	rig_crash();
	drive.medium = NULL;
	drive.is_open = true;
	show();
	rig_start_again();
	assert_record("", "open");
}
END_TEST

START_TEST(stopped_vm_has_it_in_its_definition)
{
	ck_assert_int_eq(rig_act(VM_ACTION_STOP).code, ERR_NONE);
	trace_clear();
	change("/two.iso");
	ck_assert_int_eq(last.code, ERR_NONE);
	ck_assert_uint_eq(trace_count("qmp"), 0);
	rig_restart();
	assert_record("/two.iso", "closed");
}
END_TEST

START_TEST(what_is_no_cd_drive_is_refused)
{
	static const struct {
		const char *id, *path;
		enum err_code code;
	} cases[] = {
		{ "nobody", "/x", ERR_NOT_FOUND },
		{ "a-longer-id-than-any-device-has", "/x", ERR_NOT_FOUND },
		{ "d", "/x", ERR_CONFLICT },
		{ "cd0", "/d.raw", ERR_INVALID },
	};

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		answers = 0;
		begin(cases[i].id, cases[i].path);
		ck_assert_uint_eq(answers, 1);
		ck_assert_int_eq(last.code, cases[i].code);
	}
	assert_record("/one.iso", "closed");
}
END_TEST

START_TEST(move_is_refused_where_drive_and_record_differ)
{
	drive.medium = "/three.iso"; /* changed over another monitor, and the event was lost */
	show();
	rig_start_move();
	rig_peer_says("drop", "refused");
	ck_assert_str_eq(rig_state(), "failed");
	ck_assert_ptr_nonnull(strstr(move_row(rig_move())->error_text, "/three.iso"));
	ck_assert(rig_guest_runs());
}
END_TEST

Suite *suite(void)
{
	Suite *s = suite_create("medium");
	TCase *t = tcase_create("medium");

	tcase_add_checked_fixture(t, set_up, tear_down);
	tcase_add_test(t, change_opens_the_new_before_the_former_leaves);
	tcase_add_test(t, medium_that_is_there_stays_as_it_is);
	tcase_add_test(t, eject_leaves_the_tray_open_and_may_be_repeated);
	tcase_add_test(t, new_medium_cannot_be_opened_nothing_changes);
	tcase_add_test(t, insertion_fails_the_record_says_that_it_is_empty);
	tcase_add_test(t, guest_keeps_the_tray_locked_it_is_told_in_time);
	tcase_add_test(t, guest_opens_the_tray_late_the_change_goes_on);
	tcase_add_test(t, qemu_ends_while_the_tray_is_waited_for_caller_is_answered);
	tcase_add_test(t, daemon_ends_while_the_tray_is_waited_for_caller_is_answered);
	tcase_add_test(t, guest_opens_the_tray_the_record_follows);
	tcase_add_test(t, guest_moves_its_tray_without_end_one_look_a_second);
	tcase_add_test(t, restart_the_record_follows_what_was_changed_meanwhile);
	tcase_add_test(t, stopped_vm_has_it_in_its_definition);
	tcase_add_test(t, what_is_no_cd_drive_is_refused);
	tcase_add_test(t, move_is_refused_where_drive_and_record_differ);
	suite_add_tcase(s, t);
	return s;
}
