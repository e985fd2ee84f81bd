/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The source of a move that copies local disks: in a good world, and what is refused in begin. */
#include <string.h>

#include "base/file.h"
#include "base/mem.h"
#include "check_main.h"
#include "disk_rig.h"
#include "move/priv.h"

/* ---- a good world -------------------------------------------------------------- */

/* Each step waits for the end of the one before: nothing of the disks may lack when the
 * destination gets the guest. */
START_TEST(disks_are_copied_in_this_order)
{
	disk_rig_copy();
	trace_assert("disk transfer", "qmp blockdev-add", "peer fate", "qmp blockdev-mirror",
		     "qmp blockdev-add", "qmp blockdev-mirror", NULL);
	ck_assert_ptr_nonnull(
		strstr(fake_qmp_args("blockdev-mirror"), "\"copy-mode\":\"background\""));
	trace_clear();
	fake_qemu_job("migrd-d0", "ready", NULL);
	rig_advance(1500);
	ck_assert_uint_eq(trace_count("qmp migrate"), 0);
	fake_qemu_job("migrd-d1", "ready", NULL);
	ck_assert_uint_eq(trace_count("qmp migrate"), 1);
	fake_qemu_migrates("active");
	rig_advance(1500);
	ck_assert_uint_eq(trace_count("qmp block-job-cancel"), 0);
	trace_clear();
	fake_qemu_migrates("pre-switchover");
	trace_assert("disk handover", "stream timeout 3000", "qmp block-job-cancel",
		     "qmp block-job-cancel", NULL);
	fake_qemu_job("migrd-d0", "concluded", NULL);
	rig_advance(1500);
	ck_assert_uint_eq(trace_count("qmp migrate-continue"), 0);
	ck_assert_uint_eq(trace_count("qmp block-job-cancel"), 2);
	fake_qemu_job("migrd-d1", "concluded", NULL);
	ck_assert_uint_eq(trace_count("qmp migrate-continue"), 1);
	ck_assert_str_eq(fake_qmp_args("migrate-continue"), "{\"state\":\"pre-switchover\"}");
	rig_advance(1500);
	ck_assert_uint_eq(trace_count("peer go run"), 0);
	disk_rig_assert_done();
	ck_assert_uint_eq(trace_count("qmp migrate-continue"), 1);
}
END_TEST

/* QEMU is told what was planned: the names are how a restart finds the mirrors. */
START_TEST(mirrors_write_to_the_exports_of_the_plan)
{
	disk_rig_copy();
	ck_assert_ptr_nonnull(
		strstr(fake_qmp_args("migrate-set-capabilities"),
		       "{\"capability\":\"pause-before-switchover\",\"state\":true}"));
	ck_assert_ptr_nonnull(strstr(fake_qmp_args("blockdev-add"), "\"export\":\"d1\""));
	ck_assert_ptr_nonnull(strstr(fake_qmp_args("blockdev-add"), "\"driver\":\"nbd\""));
	ck_assert_ptr_nonnull(strstr(fake_qmp_args("blockdev-mirror"),
				     "\"job-id\":\"migrd-d1\",\"device\":\"d1-node\","
				     "\"target\":\"migrd-d1\",\"sync\":\"full\""));
	ck_assert_ptr_nonnull(strstr(move_row(rig_move())->detail, "\"virtual_bytes\":1048576"));
}
END_TEST

/* A mirror is ready once, and the guest may write more than it copies after that. */
START_TEST(memory_goes_when_little_is_left_of_the_disks)
{
	disk_rig_copy();
	fake_jobs_find(&fake_qemu()->jobs, "migrd-d0")->total = UINT64_C(100) << 20;
	disk_rig_mirrors("ready");
	disk_rig_leave(UINT64_C(64) << 20);
	disk_rig_leave((UINT64_C(1) << 20) + 1000);
	ck_assert_uint_eq(trace_count("qmp migrate"), 0);
	ck_assert_str_eq(rig_state(), "transfer");
	disk_rig_leave(1 << 19);
	ck_assert_uint_eq(trace_count("qmp migrate"), 1);
}
END_TEST

/* 90 MiB in 2.4 s: in 150 ms, half of the allowed downtime, 5.6 MiB. */
START_TEST(more_may_be_left_where_copies_are_fast)
{
	disk_rig_copy();
	for (int i = 0; i < 4; i++)
		disk_rig_leave(UINT64_C(10) << 20);
	disk_rig_mirrors("ready");
	disk_rig_leave(UINT64_C(7) << 20);
	ck_assert_uint_eq(trace_count("qmp migrate"), 0);
	disk_rig_leave(UINT64_C(5) << 20);
	ck_assert_uint_eq(trace_count("qmp migrate"), 1);
}
END_TEST

/* A limit of I/O that an earlier move has left, and one of somebody else on the other disk. */
#define LIMITED(id, group)                                                       \
	"{\"qdev\":\"/machine/peripheral/" id "/virtio-backend\",\"inserted\":{" \
	"\"node-name\":\"" id "-node\",\"group\":\"" group "\"}}"

START_TEST(guest_that_writes_too_fast_is_named_and_only_slowed_down_if_that_is_allowed)
{
	const struct move_options options = { .downtime_limit_ms = 300,
					      .transfer = { .auto_converge = _i == 1 } };

	disk_rig_copy_with(&options);
	disk_rig_leave(UINT64_C(50) << 20);
	disk_rig_mirrors("ready");
	for (int i = 0; i < 12; i++)
		disk_rig_leave(UINT64_C(50) << 20);
	ck_assert_uint_eq(trace_count("qmp migrate"), 0);
	ck_assert_uint_eq(trace_count("qmp block_set_io_throttle"), _i ? 4 : 0);
	if (_i)
		ck_assert_ptr_nonnull(strstr(fake_qmp_args("block_set_io_throttle"),
					     "d1/virtio-backend\",\"group\":\"migrd-d1\""));
	else
		ck_assert_ptr_nonnull(
			strstr(move_reason(rig_move()), "faster than they are copied"));
	disk_rig_leave(0);
	ck_assert_uint_eq(trace_count("qmp migrate"), 1);
}
END_TEST

START_TEST(limit_of_writes_is_lifted_if_it_is_ours)
{
	disk_rig_copy();
	trace_clear();
	fake_qmp_result("query-block",
			"[" DISK_RIG_BLOCK(
				"s") "," LIMITED("d0", "other") "," LIMITED("d1", "migrd-d1") "]");
	disk_rig_cancel();
	disk_rig_assert_back("cancelled");
	ck_assert_uint_eq(trace_count("qmp block_set_io_throttle"), 1);
	ck_assert_ptr_nonnull(strstr(fake_qmp_args("block_set_io_throttle"), "\"bps_wr\":0"));
	ck_assert_ptr_nonnull(
		strstr(fake_qmp_args("block_set_io_throttle"), "peripheral/d1/virtio-backend\""));
}
END_TEST

/* A stop waits in QEMU until what the mirrors have under way is written. */
START_TEST(guest_that_is_stopped_while_it_is_copied_waits_for_no_limit)
{
	disk_rig_copy_with(&(struct move_options){ .downtime_limit_ms = 300,
						   .bandwidth_bytes_per_s = 100000 });
	ck_assert_int_eq(rig_act(VM_ACTION_PAUSE).code, ERR_NONE);
	fake_stream_bytes_per_s = 100000;
	fake_qmp_hold("query-jobs");
	fake_qemu_event("STOP", "{}");
	rig_run();
	ck_assert_uint_eq(fake_stream_bytes_per_s, 0);
	fake_qmp_release("query-jobs");
	rig_run();
	ck_assert_uint_eq(fake_stream_bytes_per_s, 100000);
}
END_TEST

START_TEST(old_images_are_put_aside_or_removed_as_asked)
{
	CLEANUP(free_charp) char *aside = NULL;

	disk_rig_copy_with(
		&(struct move_options){ .downtime_limit_ms = 300, .remove_source_disks = _i == 1 });
	disk_rig_mirrors("ready");
	fake_qemu_migrates("active");
	fake_qemu_migrates("pre-switchover");
	disk_rig_mirrors("concluded");
	aside = xasprintf("d0.moved-to-b-%s", rig.move_id);
	ck_assert(disk_rig_is_there("d0"));
	disk_rig_assert_done();
	ck_assert_int_eq(disk_rig_is_there(aside), _i == 0);
}
END_TEST

/* A QEMU that waits for the network in its last pass answers late, when the mirrors have ended
 * well long ago. */
START_TEST(answer_after_the_end_of_the_mirrors_is_no_error)
{
	disk_rig_settle();
	fake_qmp_hold("migrate-continue");
	disk_rig_mirrors("concluded");
	ck_assert_uint_eq(trace_count("qmp migrate-continue"), 1);
	fake_qmp_hold("query-jobs");
	rig_advance(1000);
	ck_assert(fake_qmp_is_held("query-jobs"));
	fake_qmp_release("migrate-continue");
	fake_qmp_release("query-jobs");
	ck_assert_uint_eq(trace_count("qmp migrate-continue"), 1);
	disk_rig_assert_done();
}
END_TEST

/* ---- before anything is copied ------------------------------------------------------ */

static void assert_refused_in_begin(const char *code, const char *words)
{
	rig_advance(8000);
	ck_assert_uint_eq(trace_count("peer prepare run"), 0);
	ck_assert_uint_eq(trace_count("qmp blockdev-add"), 0);
	ck_assert_str_eq(rig_error(), code);
	ck_assert_msg(strstr(move_row(rig_move())->error_text, words) != NULL, "%s",
		      move_row(rig_move())->error_text);
	if (fake_peer_pending("drop"))
		rig_peer_says("drop", "refused");
	ck_assert_str_eq(rig_state(), "failed");
	ck_assert(rig_guest_runs());
	ck_assert(disk_rig_is_there("d0"));
}

START_TEST(disk_that_qemu_does_not_know_ends_the_move)
{
	disk_rig_prepare();
	fake_qmp_result("query-block", "[" DISK_RIG_BLOCK("s") "," DISK_RIG_BLOCK("d0") "]");
	rig_start_move();
	assert_refused_in_begin("qemu-error", "QEMU does not tell the image of disk 'd1'");
}
END_TEST

START_TEST(image_that_qemu_does_not_describe_ends_the_move)
{
	disk_rig_prepare();
	fake_qmp_result("query-named-block-nodes",
			"[" DISK_RIG_NODE("d0") "," DISK_RIG_NODE("s") "]");
	rig_start_move();
	assert_refused_in_begin("qemu-error", "disk 'd1'");
}
END_TEST

/* It would make no images, and wait for no disks. */
START_TEST(destination_that_cannot_take_disks_is_asked_for_nothing)
{
	static const struct transfer_features old = {
		.capabilities = { "events", "return-path", "late-block-activate" },
		.capability_count = 3,
	};

	disk_rig_prepare();
	fake_peer_features = _i == 0 ? &old : NULL;
	rig_start_move();
	assert_refused_in_begin(_i == 0 ? "qemu-error" : "unavailable",
				_i == 0 ? "no migration capability 'pause-before-switchover'"
					: "the destination has not told");
}
END_TEST

/* It was started just now, and has not asked its QEMU yet. */
START_TEST(destination_that_does_not_tell_yet_is_asked_again)
{
	disk_rig_prepare();
	fake_peer_features = NULL;
	rig_start_move();
	rig_advance(1000);
	ck_assert_str_eq(rig_state(), "begin");
	fake_peer_features = &disk_rig_features;
	rig_advance(1000);
	ck_assert_str_eq(rig_state(), "prepare");
}
END_TEST

#define OVERLAY(id, more)                                                                   \
	"{\"node-name\":\"" id "-node\",\"image\":{\"format\":\"qcow2\",\"virtual-size\":"  \
	"1048576,\"cluster-size\":65536,\"format-specific\":{\"data\":{\"compat\":\"1.1\"," \
	"\"refcount-bits\":16}},\"backing-filename\":\"/base\"," more "}}"

/* The user is told that the copy needs more room than the image. */
START_TEST(backing_file_is_noted)
{
	CLEANUP(free_charp) char *timeline = NULL;

	disk_rig_prepare();
	fake_qmp_result(
		"query-named-block-nodes",
		"[{\"node-name\":\"d0-node\",\"image\":{\"format\":\"raw\",\"virtual-size\":"
		"1048576,\"actual-size\":4096,\"backing-filename\":\"/base\"}}," DISK_RIG_NODE(
			"d1") "]");
	rig_start_move();
	timeline = rig_timeline();
	ck_assert_ptr_nonnull(strstr(timeline, "flattened disk 'd0': the copy has the content of "
					       "'/base' too"));
	ck_assert_ptr_null(strstr(timeline, "flattened disk 'd1'"));
}
END_TEST

static void define_overlays(void)
{
	static char members[600];
	CLEANUP(free_charp) char *dir = NULL;

	disk_rig_prepare();
	dir = disk_rig_path("");
	snprintf(members, sizeof(members),
		 ",\"disks\":[{\"id\":\"d0\",\"path\":\"%sd0\",\"format\":\"qcow2\","
		 "\"shared_base\":true},{\"id\":\"d1\",\"path\":\"%sd1\",\"format\":\"qcow2\","
		 "\"shared_base\":true}]",
		 dir, dir);
	rig.more_members = members;
}

/* Two images over the backing file /base; MORE: what else QEMU tells of them. */
static void prepare_overlays(const char *more)
{
	static char nodes[1000]; /* the fake keeps no copy */

	define_overlays();
	snprintf(nodes, sizeof(nodes), "[" OVERLAY("d0", "%s") "," OVERLAY("d1", "%s") "]", more,
		 more);
	fake_qmp_result("query-named-block-nodes", nodes);
}

START_TEST(image_over_a_shared_base_is_copied_alone)
{
	CLEANUP(free_charp) char *timeline = NULL;

	prepare_overlays("\"backing-filename-format\":\"raw\"");
	rig_start_move();
	for (int i = 0; i < 40 && !fake_peer_pending("prepare"); i++)
		rig_advance(50);
	disk_rig_answer_prepare();
	fake_stream_becomes(STREAM_CHANNEL_READY);
	ck_assert_ptr_nonnull(strstr(fake_qmp_args("blockdev-mirror"), "\"sync\":\"top\""));
	ck_assert_ptr_nonnull(strstr(move_row(rig_move())->detail, "\"backing\":"));
	timeline = rig_timeline();
	ck_assert_ptr_nonnull(
		strstr(timeline, "overlay disk 'd1': only the image itself is copied"));
	ck_assert_ptr_null(strstr(timeline, "flattened"));
	disk_rig_mirrors("ready");
	fake_qemu_migrates("active");
	fake_qemu_migrates("pre-switchover");
	disk_rig_mirrors("concluded");
	disk_rig_assert_done();
}
END_TEST

START_TEST(images_whose_bases_cannot_be_kept_end_the_move_with_all_reasons)
{
	prepare_overlays("\"actual-size\":4096");
	rig_start_move();
	assert_refused_in_begin("conflict", "disk 'd0'");
	ck_assert_ptr_nonnull(strstr(move_row(rig_move())->error_text, "; disk 'd1'"));
}
END_TEST

START_TEST(restart_before_transfer_ends_the_move)
{
	disk_rig_begin(&(struct move_options){ .downtime_limit_ms = 300 });
	if (_i == 1)
		disk_rig_answer_prepare();
	rig_restart();
	rig_advance(1000);
	disk_rig_assert_back("failed");
	ck_assert_uint_eq(trace_count("qmp blockdev-add"), 0);
}
END_TEST

START_TEST(restart_in_begin_ends_the_move)
{
	disk_rig_prepare();
	fake_qmp_hold("query-block");
	rig_start_move();
	ck_assert_str_eq(rig_state(), "begin");
	rig_restart();
	fake_qmp_release("query-block");
	rig_advance(1000);
	disk_rig_assert_back("failed");
}
END_TEST

Suite *suite(void)
{
	Suite *s = suite_create("move_disks");
	TCase *tc = rig_add_case(s, "source");

	tcase_add_test(tc, disks_are_copied_in_this_order);
	tcase_add_test(tc, mirrors_write_to_the_exports_of_the_plan);
	tcase_add_test(tc, memory_goes_when_little_is_left_of_the_disks);
	tcase_add_test(tc, more_may_be_left_where_copies_are_fast);
	tcase_add_loop_test(
		tc, guest_that_writes_too_fast_is_named_and_only_slowed_down_if_that_is_allowed, 0,
		2);
	tcase_add_test(tc, limit_of_writes_is_lifted_if_it_is_ours);
	tcase_add_test(tc, guest_that_is_stopped_while_it_is_copied_waits_for_no_limit);
	tcase_add_loop_test(tc, old_images_are_put_aside_or_removed_as_asked, 0, 2);
	tcase_add_test(tc, answer_after_the_end_of_the_mirrors_is_no_error);
	tc = rig_add_case(s, "begin");
	tcase_add_test(tc, disk_that_qemu_does_not_know_ends_the_move);
	tcase_add_test(tc, image_that_qemu_does_not_describe_ends_the_move);
	tcase_add_loop_test(tc, destination_that_cannot_take_disks_is_asked_for_nothing, 0, 2);
	tcase_add_test(tc, destination_that_does_not_tell_yet_is_asked_again);
	tcase_add_test(tc, backing_file_is_noted);
	tcase_add_test(tc, image_over_a_shared_base_is_copied_alone);
	tcase_add_test(tc, images_whose_bases_cannot_be_kept_end_the_move_with_all_reasons);
	tcase_add_loop_test(tc, restart_before_transfer_ends_the_move, 0, 2);
	tcase_add_test(tc, restart_in_begin_ends_the_move);
	return s;
}
