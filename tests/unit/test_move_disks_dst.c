/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The destination of a move that copies local disks. */
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "base/mem.h"
#include "check_main.h"
#include "disk_rig.h"

/* ---- the destination ------------------------------------------------------------- */

#define COPY(id, format)                                                          \
	"{\"id\":\"" id "\",\"format\":\"" format "\",\"virtual_bytes\":1048576," \
	"\"allocated_bytes\":4096,\"cluster_bytes\":65536,\"refcount_bits\":16}"
#define BOTH_COPIES COPY("d0", "raw") "," COPY("d1", "raw")

static void plan(int count, const char *disks)
{
	CLEANUP(free_charp)
	char *text =
		xasprintf("{\"capabilities\":[{\"name\":\"pause-before-switchover\",\"on\":true}],"
			  "\"channels\":[{\"name\":\"ram\",\"connections\":1},"
			  "{\"name\":\"disks\",\"connections\":%d,\"speaks_first\":"
			  "\"destination\"}],\"disks\":[%s]}",
			  count, disks);

	json_object_put(rig.plan);
	rig.plan = json_read_back(text);
	ck_assert_ptr_nonnull(rig.plan);
}

static void forget_plan(void)
{
	json_object_put(TAKE_PTR(rig.plan));
}

static void define_offer(void)
{
	disk_rig_define();
	plan(2, BOTH_COPIES);
}

static bool mark_is_there(const char *name)
{
	CLEANUP(free_charp) char *mark = xasprintf(".%s.migrd-" RIG_MOVE_ID, name);

	return disk_rig_is_there(mark);
}

static uint64_t image_bytes(const char *name)
{
	CLEANUP(free_charp) char *path = disk_rig_path(name);
	struct stat st;

	return stat(path, &st) == 0 ? (uint64_t)st.st_size : 0;
}

static void ready_to_go(void)
{
	define_offer();
	ck_assert_int_eq(rig_offer(), ERR_NONE);
	rig_loads();
}

static void assert_no_images(void)
{
	ck_assert(!disk_rig_is_there("d0"));
	ck_assert(!disk_rig_is_there("d1"));
	ck_assert(!mark_is_there("d0"));
	ck_assert(!mark_is_there("d1"));
}

static void assert_refused(void)
{
	ck_assert_str_eq(rig_state(), "failed");
	ck_assert_str_eq(rig.disk.verdict, "refused");
	ck_assert(!rig.disk.has_vm);
	assert_no_images();
	forget_plan();
}

/* The images are the guest's. */
static void assert_arrived(void)
{
	ck_assert_str_eq(rig_state(), "done");
	ck_assert_uint_eq(image_bytes("d0"), 1 << 20);
	ck_assert_uint_eq(image_bytes("d1"), 1 << 20);
	ck_assert(!mark_is_there("d0"));
	ck_assert(!mark_is_there("d1"));
	ck_assert(rig_guest_runs());
	forget_plan();
}

static void recover_in_doubt(void)
{
	moves_recover_doubtful(rig.moves);
	vms_settle(rig.vms);
}

/* QEMU opens the images at its start, and nobody may write to them when the guest does. */
START_TEST(images_arrive_in_this_order)
{
	fake_qemu_start_hangs = true;
	define_offer();
	ck_assert_int_eq(rig_offer(), ERR_CODE_COUNT);
	ck_assert_uint_eq(image_bytes("d0"), 1 << 20);
	ck_assert_uint_eq(image_bytes("d1"), 1 << 20);
	ck_assert(mark_is_there("d0"));
	ck_assert(!disk_rig_is_there("s"));
	fake_qemu_ready(NULL);
	ck_assert_int_eq(rig_offered(), ERR_NONE);
	ck_assert_ptr_nonnull(strstr(fake_qmp_args("nbd-server-start"), "/disks.sock\""));
	ck_assert_str_eq(fake_qmp_args("block-export-add"),
			 "{\"type\":\"nbd\",\"id\":\"d1\",\"name\":\"d1\",\"node-name\":\"d1-"
			 "node\","
			 "\"writable\":true}");
	rig_loads();
	ck_assert_str_eq(rig_go(true), "taken");
	trace_assert("disk prepare vm=incoming/stopped@1", "stream start", "qemu start incoming",
		     "disk prepare", "qmp nbd-server-start", "qmp block-export-add",
		     "qmp block-export-add", "qmp migrate-set-capabilities", "qmp migrate-incoming",
		     "disk transfer vm=incoming/stopped@1",
		     "disk handover taken vm=owned/started@2", "qmp nbd-server-stop", "qmp cont",
		     "answer taken", "qmp qom-list", "disk done taken", "stream kill", NULL);
	assert_arrived();
}
END_TEST

/* Until it is certain that the guest runs here, a rollback must know the images. */
START_TEST(marks_go_before_the_record_of_the_end)
{
	ready_to_go();
	fake_qmp_hold("cont");
	ck_assert_str_eq(rig_go(true), "");
	ck_assert_str_eq(rig.disk.state, "handover");
	ck_assert(mark_is_there("d0"));
	rig_disk_is_full(true);
	fake_qmp_release("cont");
	ck_assert_str_eq(rig_verdict(), "taken");
	ck_assert_str_eq(rig.disk.state, "handover");
	ck_assert(!mark_is_there("d0"));
	ck_assert(!mark_is_there("d1"));
	rig_disk_is_full(false);
	rig_advance(2000);
	assert_arrived();
}
END_TEST

/* It is closed when the guest is ours, and the guest runs only then. */
START_TEST(guest_waits_for_the_end_of_the_server)
{
	ready_to_go();
	fake_qmp_hold("nbd-server-stop");
	ck_assert_str_eq(rig_go(true), "");
	rig_advance(1000);
	ck_assert_str_eq(rig.disk.verdict, "taken");
	ck_assert_uint_eq(trace_count("qmp nbd-server-stop"), 1);
	ck_assert_uint_eq(trace_count("qmp cont"), 0);
	fake_qmp_release("nbd-server-stop");
	assert_arrived();
}
END_TEST

START_TEST(server_that_is_gone_keeps_no_guest_still)
{
	ready_to_go();
	fake_qmp_refuse("nbd-server-stop", ERR_QEMU);
	ck_assert_str_eq(rig_go(true), "taken");
	assert_arrived();
}
END_TEST

/* ---- offers that are refused ---------------------------------------------------------- */

/* Another guest's image may be of that name. */
START_TEST(image_that_is_there_already_refuses_the_offer)
{
	define_offer();
	disk_rig_write("d1");
	ck_assert_int_eq(rig_offer(), ERR_CONFLICT);
	ck_assert_uint_eq(trace_count("qemu start incoming"), 0);
	ck_assert_str_eq(rig_state(), "failed");
	ck_assert_str_eq(rig.disk.verdict, "refused");
	ck_assert_uint_eq(image_bytes("d1"), 3);
	ck_assert(!disk_rig_is_there("d0"));
	ck_assert(!mark_is_there("d0"));
	ck_assert(!mark_is_there("d1"));
	ck_assert_str_eq(rig_go(true), "refused");
	forget_plan();
}
END_TEST

START_TEST(image_below_no_directory_refuses_the_offer)
{
	define_offer();
	rig.more_members =
		",\"disks\":[{\"id\":\"d0\",\"path\":\"/nowhere/d0\",\"format\":\"raw\"}]";
	plan(1, COPY("d0", "raw"));
	ck_assert_int_eq(rig_offer(), ERR_CONFLICT);
	ck_assert_ptr_null(rig_move());
	forget_plan();
}
END_TEST

/* Its images would stay empty, or be of another kind than the guest's. */
START_TEST(plan_that_does_not_copy_just_the_local_disks_is_refused)
{
	static const struct {
		int count;
		const char *disks;
	} plans[] = {
		{ 1, COPY("d0", "raw") },
		{ 3, BOTH_COPIES "," COPY("s", "raw") },
		{ 3, BOTH_COPIES "," COPY("x", "raw") },
		{ 2, COPY("d0", "raw") "," COPY("s", "raw") },
		{ 2, COPY("d0", "raw") "," COPY("d1", "qcow2") },
	};

	disk_rig_define();
	for (size_t i = 0; i < ARRAY_LEN(plans); i++) {
		plan(plans[i].count, plans[i].disks);
		ck_assert_msg(rig_offer() == ERR_INVALID, "%s", plans[i].disks);
		ck_assert_ptr_null(rig_move());
	}
	forget_plan();
	ck_assert_int_eq(rig_offer(), ERR_INVALID); /* an older coordinator has no plan */
	ck_assert_ptr_null(rig_move());
	ck_assert_uint_eq(trace_count("disk"), 0);
	assert_no_images();
}
END_TEST

/* A guest without local disks must not get images either. */
START_TEST(plan_that_copies_disks_of_a_guest_without_any_is_refused)
{
	plan(1, COPY("d0", "raw"));
	ck_assert_int_eq(rig_offer(), ERR_INVALID);
	ck_assert_ptr_null(rig_move());
	forget_plan();
}
END_TEST

START_TEST(qemu_that_does_not_start_leaves_no_images)
{
	define_offer();
	fake_qemu_start_fails = true;
	ck_assert_int_eq(rig_offer(), ERR_QEMU);
	assert_refused();
}
END_TEST

START_TEST(server_that_does_not_start_refuses_the_offer)
{
	static const char *const commands[] = { "nbd-server-start", "block-export-add" };

	define_offer();
	fake_qmp_refuse(commands[_i], ERR_QEMU);
	ck_assert_int_eq(rig_offer(), ERR_QEMU);
	ck_assert_uint_eq(trace_count("qmp migrate-incoming"), 0);
	ck_assert(!fake_qemu()->is_alive);
	assert_refused();
}
END_TEST

/* Its QEMU still has the images open: it ends first. */
START_TEST(images_of_a_dropped_move_are_removed_when_qemu_has_ended)
{
	ready_to_go();
	ck_assert(mark_is_there("d0"));
	ck_assert_str_eq(rig_drop(), "refused");
	trace_assert_order("qemu kill", "disk failed refused -vm");
	ck_assert(!fake_qemu()->is_alive);
	assert_refused();
}
END_TEST

/* A crash between the removal and the record finds nothing to remove. */
START_TEST(images_go_before_the_record_of_the_refusal)
{
	ready_to_go();
	rig_disk_hold();
	ck_assert_str_eq(rig_drop(), "");
	ck_assert(disk_rig_is_there("d0")); /* the refusal is not on disk */
	rig_disk_go_on();
	rig_advance(2000);
	assert_refused();
}
END_TEST

/* The move is being refused already when it turns out that an image cannot be made. */
START_TEST(image_that_cannot_be_made_for_a_dropped_move_is_no_matter)
{
	define_offer();
	disk_rig_write("d1");
	rig_disk_hold_answers();
	ck_assert_int_eq(rig_offer(), ERR_CODE_COUNT);
	ck_assert_str_eq(rig_drop(), "");
	rig_disk_go_on();
	rig_advance(1000);
	ck_assert_str_eq(rig_state(), "failed");
	ck_assert_str_eq(rig_error(), "cancelled");
	ck_assert_uint_eq(image_bytes("d1"), 3);
	ck_assert(!disk_rig_is_there("d0"));
	ck_assert_uint_eq(trace_count("qemu start incoming"), 0);
	forget_plan();
}
END_TEST

START_TEST(guest_that_qemu_does_not_run_leaves_no_images)
{
	ready_to_go();
	fake_qmp_refuse("cont", ERR_QEMU);
	ck_assert_str_eq(rig_go(true), "refused");
	rig_run();
	assert_refused();
}
END_TEST

/* The guest may have run here: a person may need what it wrote. */
START_TEST(images_of_a_guest_that_may_have_run_stay)
{
	ready_to_go();
	rig_crash();
	fake_qemu_dies_unseen();
	rig.begin = recover_in_doubt;
	rig_start_again();
	rig_advance(1000);
	ck_assert_str_eq(rig_state(), "failed");
	ck_assert_str_eq(rig.disk.verdict, "unknown");
	ck_assert_uint_eq(image_bytes("d0"), 1 << 20);
	ck_assert_uint_eq(image_bytes("d1"), 1 << 20);
	forget_plan();
}
END_TEST

/* ---- restarts ---------------------------------------------------------------------- */

START_TEST(restart_in_prepare_refuses_and_removes_the_images)
{
	static const char *const commands[] = { "nbd-server-start", "block-export-add",
						"migrate-incoming" };

	define_offer();
	fake_qmp_hold(commands[_i]);
	ck_assert_int_eq(rig_offer(), ERR_CODE_COUNT);
	ck_assert(mark_is_there("d1"));
	rig_restart();
	rig_advance(1000);
	ck_assert(!fake_qemu()->is_alive);
	assert_refused();
}
END_TEST

/* The record was written, and no image was made yet: what is there is another's. */
START_TEST(restart_before_the_images_were_made_removes_none_of_another)
{
	define_offer();
	rig_disk_hold_answers();
	ck_assert_int_eq(rig_offer(), ERR_CODE_COUNT);
	ck_assert_str_eq(rig.disk.state, "prepare");
	ck_assert(!disk_rig_is_there("d0"));
	disk_rig_write("d0");
	rig_restart();
	rig_advance(1000);
	ck_assert_str_eq(rig_state(), "failed");
	ck_assert_uint_eq(image_bytes("d0"), 3);
	forget_plan();
}
END_TEST

START_TEST(restart_in_transfer_goes_on)
{
	define_offer();
	ck_assert_int_eq(rig_offer(), ERR_NONE);
	trace_clear();
	rig_restart();
	ck_assert(mark_is_there("d0"));
	rig_loads();
	ck_assert_str_eq(rig_go(true), "taken");
	ck_assert_uint_eq(trace_count("qmp nbd-server-start"), 0);
	trace_assert_order("qmp nbd-server-stop", "qmp cont");
	assert_arrived();
}
END_TEST

/* A stream ends by itself soon after all has come. */
START_TEST(guest_that_came_before_its_stream_ended_is_kept)
{
	ready_to_go();
	fake_qmp_hold("query-migrate");
	rig_crash();
	fake_stream_dies();
	rig_start_again();
	ck_assert_str_eq(rig_state(), "transfer");
	fake_qmp_release("query-migrate");
	ck_assert_str_eq(rig_go(true), "taken");
	assert_arrived();
}
END_TEST

START_TEST(stream_that_ends_before_all_has_come_ends_the_move)
{
	define_offer();
	ck_assert_int_eq(rig_offer(), ERR_NONE);
	rig_crash();
	fake_stream_dies();
	rig_start_again();
	rig_advance(1000);
	assert_refused();
}
END_TEST

START_TEST(restart_in_transfer_without_qemu_removes_the_images)
{
	ready_to_go();
	rig_crash();
	fake_qemu_dies_unseen();
	rig_start_again();
	rig_advance(1000);
	assert_refused();
}
END_TEST

START_TEST(restart_in_handover_goes_on)
{
	static const char *const commands[] = { "nbd-server-stop", "cont" };

	ready_to_go();
	fake_qmp_hold(commands[_i]);
	ck_assert_str_eq(rig_go(true), "");
	ck_assert_str_eq(rig.disk.verdict, "taken");
	trace_clear();
	rig_restart();
	fake_qmp_release(commands[_i]);
	rig_advance(1000);
	trace_assert_order("qmp nbd-server-stop", "qmp cont");
	assert_arrived();
}
END_TEST

/* It was taken and may have run, so it has ended as ours. */
START_TEST(restart_in_handover_without_qemu_keeps_the_images)
{
	ready_to_go();
	fake_qmp_hold("cont");
	ck_assert_str_eq(rig_go(true), "");
	rig_crash();
	fake_qemu_dies_unseen();
	rig_start_again();
	rig_advance(1000);
	ck_assert_str_eq(rig_state(), "done");
	ck_assert_uint_eq(image_bytes("d0"), 1 << 20);
	ck_assert(!mark_is_there("d0"));
	forget_plan();
}
END_TEST

/* The marks are gone, the record of the end is not written. */
START_TEST(restart_before_the_end_is_recorded_keeps_the_images)
{
	ready_to_go();
	fake_qmp_hold("cont");
	rig_go(true);
	rig_disk_hold();
	fake_qmp_release("cont");
	ck_assert(!mark_is_there("d0"));
	rig_restart();
	rig_advance(1000);
	assert_arrived();
}
END_TEST

START_TEST(restart_in_rollback_removes_the_images)
{
	ready_to_go();
	fake_qemu_quit_hangs = true;
	rig_disk_hold_answers();
	ck_assert_str_eq(rig_drop(), "");
	ck_assert_str_eq(rig.disk.state, "rollback");
	ck_assert(disk_rig_is_there("d0"));
	rig_restart();
	rig_advance(1000);
	assert_refused();
}
END_TEST

Suite *suite(void)
{
	Suite *s = suite_create("move_disks_dst");
	TCase *tc = rig_add_case(s, "destination");

	tcase_add_test(tc, images_arrive_in_this_order);
	tcase_add_test(tc, marks_go_before_the_record_of_the_end);
	tcase_add_test(tc, guest_waits_for_the_end_of_the_server);
	tcase_add_test(tc, server_that_is_gone_keeps_no_guest_still);
	tc = rig_add_case(s, "refusals");
	tcase_add_test(tc, image_that_is_there_already_refuses_the_offer);
	tcase_add_test(tc, image_below_no_directory_refuses_the_offer);
	tcase_add_test(tc, plan_that_does_not_copy_just_the_local_disks_is_refused);
	tcase_add_test(tc, plan_that_copies_disks_of_a_guest_without_any_is_refused);
	tcase_add_test(tc, qemu_that_does_not_start_leaves_no_images);
	tcase_add_loop_test(tc, server_that_does_not_start_refuses_the_offer, 0, 2);
	tcase_add_test(tc, images_of_a_dropped_move_are_removed_when_qemu_has_ended);
	tcase_add_test(tc, images_go_before_the_record_of_the_refusal);
	tcase_add_test(tc, image_that_cannot_be_made_for_a_dropped_move_is_no_matter);
	tcase_add_test(tc, guest_that_qemu_does_not_run_leaves_no_images);
	tcase_add_test(tc, images_of_a_guest_that_may_have_run_stay);
	tc = rig_add_case(s, "restart there");
	tcase_add_loop_test(tc, restart_in_prepare_refuses_and_removes_the_images, 0, 3);
	tcase_add_test(tc, restart_before_the_images_were_made_removes_none_of_another);
	tcase_add_test(tc, restart_in_transfer_goes_on);
	tcase_add_test(tc, guest_that_came_before_its_stream_ended_is_kept);
	tcase_add_test(tc, stream_that_ends_before_all_has_come_ends_the_move);
	tcase_add_test(tc, restart_in_transfer_without_qemu_removes_the_images);
	tcase_add_loop_test(tc, restart_in_handover_goes_on, 0, 2);
	tcase_add_test(tc, restart_in_handover_without_qemu_keeps_the_images);
	tcase_add_test(tc, restart_before_the_end_is_recorded_keeps_the_images);
	tcase_add_test(tc, restart_in_rollback_removes_the_images);
	return s;
}
