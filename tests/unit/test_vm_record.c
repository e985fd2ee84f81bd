/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What a VM is when its record could not be written: as before, in memory and on disk. */
#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "check_main.h"
#include "move_rig.h"
#include "vm/about.h"
#include "vm/devices.h"
#include "vm/medium.h"
#include "vm/vm_priv.h"

static unsigned answers;
static enum err_code code;

static void on_done(void *data, const struct err *err)
{
	(void)data;
	answers++;
	code = err ? err->code : ERR_NONE;
}

static void on_attached(void *data, const struct faults *faults, const struct err *err)
{
	(void)faults;
	on_done(data, err);
}

static void set_up(void)
{
	rig_set_up();
	rig.more_members =
		",\"labels\":{\"tier\":\"gold\"},"
		"\"cdroms\":[{\"id\":\"cd0\",\"bus\":\"sata\",\"path\":\"/one.iso\"}],"
		"\"disks\":[{\"id\":\"d\",\"path\":\"/d.raw\",\"format\":\"raw\",\"shared\":true}]";
	answers = 0;
	code = ERR_CODE_COUNT;
}

/* ---- the definition --------------------------------------------------------------- */

static void change_labels(void)
{
	struct vm_patch_request request = { .labels = json_object_new_object() };

	json_add_str(request.labels, "tier", "iron");
	vm_change_about(rig_vm(), &request, on_done, NULL);
	json_object_put(request.labels);
}

static void change_medium(void)
{
	struct medium_request request = { .timeout_ms = 3000 };

	snprintf(request.path, sizeof(request.path), "/two.iso");
	vm_change_medium(rig_vm(), "cd0", &request, on_done, NULL);
}

static void attach_disk(void)
{
	CLEANUP(json_putp)
	struct json_object *disk = json_read_back("{\"kind\":\"disk\",\"id\":\"e\",\"path\":"
						  "\"/e.raw\",\"format\":\"raw\"}");

	vm_attach(rig_vm(), disk, on_attached, NULL);
}

static void detach_disk(void)
{
	vm_detach(rig_vm(), "d", 1000, on_done, NULL);
}

static void (*const changes[])(void) = { change_labels, change_medium, attach_disk, detach_disk };

/* Another record of the VM is written meanwhile, with all that the VM has then. */
START_TEST(definition_that_is_not_written_is_as_before)
{
	CLEANUP(free_charp) char *former = NULL;

	rig_create_vm();
	former = xstrdup(vm_definition(rig_vm()));
	rig_disk_hold();
	changes[_i]();
	rig_run();
	ck_assert_uint_eq(answers, 0);
	vm_record_host(rig_vm(), "c", NULL, NULL);
	rig_disk_refuse_first();
	ck_assert_uint_eq(answers, 1);
	ck_assert_int_eq(code, ERR_NO_SPACE);
	ck_assert_str_eq(vm_definition(rig_vm()), former);
	rig_advance(10000); /* what the disk did not take is written again */
	rig_restart();
	ck_assert_str_eq(vm_definition(rig_vm()), former);
}
END_TEST

START_TEST(definition_that_is_written_stays)
{
	CLEANUP(free_charp) char *former = NULL;

	rig_create_vm();
	former = xstrdup(vm_definition(rig_vm()));
	changes[_i]();
	rig_run();
	ck_assert_int_eq(code, ERR_NONE);
	ck_assert_str_ne(vm_definition(rig_vm()), former);
	free(former);
	former = xstrdup(vm_definition(rig_vm()));
	rig_restart();
	ck_assert_str_eq(vm_definition(rig_vm()), former);
}
END_TEST

/* ---- the intent -------------------------------------------------------------------- */

/* It has powered itself off while a pause was on its way to the disk: it has not crashed. */
START_TEST(intent_of_the_guest_is_not_taken_back)
{
	rig_run_vm();
	rig_disk_hold();
	rig_act_begin(VM_ACTION_PAUSE);
	rig_run();
	fake_qemu_event("SHUTDOWN", "{\"guest\":true,\"reason\":\"guest-shutdown\"}");
	fake_qemu_dies();
	rig_disk_refuse_first();
	ck_assert_int_eq(rig_act_result().code, ERR_NO_SPACE);
	ck_assert_str_eq(vm_state(rig_vm()), "stopped");
	rig_restart();
	ck_assert_str_eq(vm_state(rig_vm()), "stopped");
}
END_TEST

/* The record of the start must not keep it. */
START_TEST(intent_that_is_not_written_is_in_no_other_record)
{
	rig_create_vm();
	rig_disk_hold();
	rig_act_begin(VM_ACTION_START);
	rig_run();
	vm_record_host(rig_vm(), "c", NULL, NULL);
	rig_disk_refuse_first();
	ck_assert_int_eq(rig_act_result().code, ERR_NO_SPACE);
	ck_assert_str_eq(vm_state(rig_vm()), "stopped");
	rig_advance(10000);
	ck_assert_str_eq(rig.disk.vm_intent, "stopped");
}
END_TEST

/* ---- hosts that must be asked ------------------------------------------------------- */

/* It may start the VM by an answer, so there is none before the host is on disk. */
START_TEST(host_is_recorded_when_it_is_on_disk)
{
	rig_create_vm();
	rig_disk_hold();
	vm_record_host(rig_vm(), "c", on_done, NULL);
	rig_run();
	ck_assert(vm_knows_host(rig_vm(), "c"));
	ck_assert(!vm_has_recorded_host(rig_vm(), "c"));
	rig_disk_refuse_first();
	ck_assert_int_eq(code, ERR_NO_SPACE);
	ck_assert(!vm_has_recorded_host(rig_vm(), "c"));
	vm_record_host(rig_vm(), "c", on_done, NULL);
	rig_run();
	ck_assert_int_eq(code, ERR_NONE);
	ck_assert(vm_has_recorded_host(rig_vm(), "c"));
	ck_assert(!vm_has_recorded_host(rig_vm(), "d"));
	rig_restart();
	ck_assert(vm_has_recorded_host(rig_vm(), "c"));
}
END_TEST

/* The record of the second has both. */
START_TEST(hosts_recorded_at_once_are_told_apart)
{
	rig_create_vm();
	rig_disk_hold();
	vm_record_host(rig_vm(), "c", on_done, NULL);
	vm_record_host(rig_vm(), "d", on_done, NULL);
	rig_run();
	rig_disk_refuse_first();
	ck_assert_uint_eq(answers, 2);
	ck_assert(vm_has_recorded_host(rig_vm(), "c"));
	rig_restart();
	ck_assert(vm_has_recorded_host(rig_vm(), "c"));
	ck_assert(vm_has_recorded_host(rig_vm(), "d"));
}
END_TEST

Suite *suite(void)
{
	Suite *s = suite_create("vm_record");
	TCase *tc = tcase_create("not written");

	tcase_add_checked_fixture(tc, set_up, rig_tear_down);
	tcase_add_loop_test(tc, definition_that_is_not_written_is_as_before, 0,
			    (int)ARRAY_LEN(changes));
	tcase_add_loop_test(tc, definition_that_is_written_stays, 0, (int)ARRAY_LEN(changes));
	tcase_add_test(tc, intent_of_the_guest_is_not_taken_back);
	tcase_add_test(tc, intent_that_is_not_written_is_in_no_other_record);
	tcase_add_test(tc, host_is_recorded_when_it_is_on_disk);
	tcase_add_test(tc, hosts_recorded_at_once_are_told_apart);
	suite_add_tcase(s, tc);
	return s;
}
