/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Snapshots of a running guest: what its agent and its QEMU are told, in which order. */
#include "snapshot/snapshots.h"

#include <string.h>

#include "base/mem.h"
#include "check_main.h"
#include "move_rig.h"
#include "tests/lib/fake_agent.h"
#include "vm/agent.h"
#include "vm/devices_priv.h"
#include "vm/entry.h"

#define BLOCK(snapshots)                                                                   \
	"[{\"qdev\":\"/machine/peripheral/d/virtio-backend\",\"inserted\":{\"node-name\":" \
	"\"d-node\",\"image\":{\"snapshots\":[" snapshots "]}}}]"

static struct fake_agent *fa;
static struct snapshots *snapshots;
static enum err_code answered; /* COUNT: no answer yet */
static char words[ERR_MSG_SIZE];
static bool has_result;

static void on_done(void *data, struct json_object *result, const struct err *err)
{
	(void)data;
	ck_assert_int_eq(answered, ERR_CODE_COUNT);
	answered = err ? err->code : ERR_NONE;
	snprintf(words, sizeof(words), "%s", err ? err->msg : "");
	has_result = result != NULL;
}

static void set_up(void)
{
	char path[160];

	rig_set_up();
	rig.more_members = ",\"guest_agent\":true,\"disks\":[{\"id\":\"d\",\"path\":\"/d.qcow2\","
			   "\"format\":\"qcow2\",\"shared\":true}]";
	snprintf(path, sizeof(path), "%s/%s.agent", rig.dir, RIG_VM_UUID);
	fa = fake_agent_new(rig.loop, path);
	snapshots = snapshots_new(&(struct snapshots_env){
		.loop = rig.loop, .vms = rig.vms, .qemu_img = "/nowhere/qemu-img" });
	fake_qmp_result("query-block", BLOCK(""));
	rig_run_vm();
	fake_qemu_event("VSERPORT_CHANGE", "{\"id\":\"agent-port\",\"open\":true}");
	rig_run();
	fake_agent_clear_heard(fa);
	trace_clear();
	answered = ERR_CODE_COUNT;
}

/* rig_tear_down() frees the loop, so what is on it is freed before. */
static void tear_down(void)
{
	snapshots_free(snapshots);
	fake_agent_free(fa);
	rig_tear_down();
}

static void create(bool freeze, bool is_dry)
{
	const struct snapshot_request request = { .name = "s",
						  .description = "its words",
						  .freeze = freeze };

	snapshots_create(snapshots, rig_vm(), &request, is_dry, on_done, NULL);
	ck_assert_int_eq(answered, ERR_CODE_COUNT); /* never from inside */
	rig_run();
}

/* The guest stands still on its disks from before until after the moment. */
START_TEST(guest_is_frozen_while_it_is_made)
{
	fake_qmp_hold("transaction");
	create(true, false);
	ck_assert(fake_agent_guest(fa)->is_frozen);
	ck_assert(fake_qmp_is_held("transaction"));
	ck_assert_str_eq(fake_qmp_args("transaction"),
			 "{\"actions\":[{\"type\":\"blockdev-snapshot-internal-sync\",\"data\":{"
			 "\"device\":\"d-node\",\"name\":\"s its words\"}}]}");
	fake_qmp_result("query-block", BLOCK("{\"name\":\"s its words\"}"));
	fake_qmp_release("transaction");
	rig_run();
	ck_assert(!fake_agent_guest(fa)->is_frozen);
	ck_assert_msg(answered == ERR_NONE, "%s", words);
	ck_assert(has_result);
}
END_TEST

START_TEST(guest_is_thawed_when_it_fails)
{
	fake_qmp_refuse("transaction", ERR_QEMU);
	create(true, false);
	ck_assert_int_eq(answered, ERR_QEMU);
	ck_assert(!fake_agent_guest(fa)->is_frozen);
}
END_TEST

START_TEST(nothing_is_done_if_the_guest_cannot_be_frozen)
{
	fake_agent_on(fa, "guest-fsfreeze-freeze",
		      "\"error\":{\"class\":\"GenericError\",\"desc\":\"no\"}");
	create(true, false);
	ck_assert_msg(strstr(words, "nothing was done") != NULL, "%s", words);
	trace_assert_empty();
}
END_TEST

/* It was frozen by a user, who thaws it. */
START_TEST(guest_that_is_frozen_already_stays_so)
{
	vm_agent_call(rig_vm(), VM_AGENT_FREEZE, 60000, on_done, NULL);
	rig_run();
	answered = ERR_CODE_COUNT;
	fake_qmp_refuse("transaction", ERR_QEMU);
	create(true, false);
	ck_assert_int_eq(answered, ERR_QEMU);
	ck_assert(fake_agent_guest(fa)->is_frozen);
}
END_TEST

START_TEST(guest_is_not_frozen_unasked)
{
	fake_qmp_hold("transaction");
	create(false, false);
	ck_assert(!fake_agent_guest(fa)->is_frozen);
	ck_assert(fake_qmp_is_held("transaction"));
	fake_qmp_release("transaction");
	rig_run();
	ck_assert_int_eq(answered, ERR_INTERNAL); /* QEMU does not tell of it */
}
END_TEST

START_TEST(dry_run_only_looks)
{
	create(true, true);
	ck_assert_msg(answered == ERR_NONE, "%s", words);
	ck_assert(!has_result);
	trace_assert_empty();
	ck_assert_str_eq(fake_agent_heard(fa), "");
}
END_TEST

START_TEST(job_and_snapshot_exclude_each_other)
{
	rig_start_move();
	create(false, false);
	ck_assert_int_eq(answered, ERR_BUSY);
}
END_TEST

static struct vm_entry *entry;

static void on_entered(void *data, struct vm_entry *entered, const struct err *err)
{
	(void)data;
	ck_assert_ptr_null(err);
	entry = entered;
}

/* Else it would be one of some of the disks, and be said to be complete. */
START_TEST(disk_that_came_while_it_waited_is_in_it)
{
	struct vm_def *def = xnew(struct vm_def);
	struct err err;

	vm_enter(rig_vm(), VM_SYNC_DEVICE, VM_ENTRY_USUAL, on_entered, NULL);
	rig_run();
	create(false, false);
	ck_assert(vm_copy_definition(rig_vm(), def, &err));
	def->disks[def->disk_count] = def->disks[0];
	snprintf(def->disks[def->disk_count++].id, sizeof(def->disks[0].id), "e");
	vm_set_definition(rig_vm(), def);
	free(def);
	vm_leave(entry);
	rig_run();
	ck_assert_int_eq(answered, ERR_CONFLICT);
	ck_assert_msg(strstr(words, "no disk 'e'") != NULL, "%s", words);
	trace_assert_empty();
}
END_TEST

/* A stop ends QEMU, whatever that has to do yet. */
START_TEST(stop_does_not_wait_for_it)
{
	fake_qmp_hold("transaction");
	create(true, false);
	rig_act_begin(VM_ACTION_STOP);
	rig_advance(1000);
	ck_assert_int_eq(rig_act_result().code, ERR_NONE);
	fake_qmp_release("transaction");
	rig_run();
	ck_assert_int_ne(answered, ERR_CODE_COUNT);
	ck_assert_int_ne(answered, ERR_NONE);
}
END_TEST

START_TEST(running_guest_keeps_its_disks)
{
	fake_qmp_result("query-block", BLOCK("{\"name\":\"s\"}"));
	snapshots_revert(snapshots, rig_vm(), "s", false, on_done, NULL);
	rig_run();
	ck_assert_int_eq(answered, ERR_CONFLICT);
	trace_assert_empty();
}
END_TEST

Suite *suite(void)
{
	Suite *suite = suite_create("snapshot");
	TCase *tcase = tcase_create("snapshot");

	tcase_add_checked_fixture(tcase, set_up, tear_down);
	tcase_add_test(tcase, guest_is_frozen_while_it_is_made);
	tcase_add_test(tcase, guest_is_thawed_when_it_fails);
	tcase_add_test(tcase, nothing_is_done_if_the_guest_cannot_be_frozen);
	tcase_add_test(tcase, guest_that_is_frozen_already_stays_so);
	tcase_add_test(tcase, guest_is_not_frozen_unasked);
	tcase_add_test(tcase, dry_run_only_looks);
	tcase_add_test(tcase, job_and_snapshot_exclude_each_other);
	tcase_add_test(tcase, disk_that_came_while_it_waited_is_in_it);
	tcase_add_test(tcase, stop_does_not_wait_for_it);
	tcase_add_test(tcase, running_guest_keeps_its_disks);
	suite_add_tcase(suite, tcase);
	return suite;
}
