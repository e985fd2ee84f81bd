/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A move that copies local disks, on both sides. */
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "base/mem.h"
#include "check_main.h"
#include "move_rig.h"

#define BLOCK(id)                                             \
	"{\"device\":\"\",\"qdev\":\"/machine/peripheral/" id \
	"/virtio-backend\",\"removable\":false,\"inserted\":{\"node-name\":\"" id "-node\"}}"
#define NODE(id)                                                                         \
	"{\"node-name\":\"" id "-node\",\"image\":{\"format\":\"raw\",\"virtual-size\":" \
	"1048576,\"actual-size\":4096}}"

static const struct transfer_features there = {
	.capabilities = { "events", "return-path", "late-block-activate", "pause-before-switchover",
			  "auto-converge" },
	.capability_count = 5,
	.connections = 64,
	.cpus = 2,
};
static char members[512];

static char *image_path(const char *name)
{
	return xasprintf("%s/images/%s", rig.dir, name);
}

static bool image_is_there(const char *name)
{
	CLEANUP(free_charp) char *path = image_path(name);

	return access(path, F_OK) == 0;
}

static void write_image(const char *name)
{
	CLEANUP(free_charp) char *path = image_path(name);
	struct err err;

	ck_assert_msg(file_write(path, "old", 3, 0600, &err), "%s", err.msg);
}

/* D0 and D1 are local; S is shared, and goes its own way. */
static void define(void)
{
	CLEANUP(free_charp) char *dir = image_path("");

	ck_assert_int_eq(mkdir(dir, 0700), 0);
	snprintf(members, sizeof(members),
		 ",\"disks\":[{\"id\":\"d0\",\"path\":\"%sd0\",\"format\":\"raw\"},"
		 "{\"id\":\"s\",\"path\":\"%ss\",\"format\":\"raw\",\"shared\":true},"
		 "{\"id\":\"d1\",\"path\":\"%sd1\",\"format\":\"raw\"}]",
		 dir, dir, dir);
	rig.more_members = members;
}

/* ---- the source ---------------------------------------------------------------- */

static void prepare_world(void)
{
	define();
	write_image("d0");
	write_image("d1");
	write_image("s");
	fake_peer_features = &there;
	fake_qmp_result("query-block", "[" BLOCK("s") "," BLOCK("d0") "," BLOCK("d1") "]");
	fake_qmp_result("query-named-block-nodes", "[" NODE("d1") "," NODE("d0") "," NODE("s") "]");
}

static void begin(const struct move_options *options)
{
	prepare_world();
	rig_start_move_with(options);
	for (int i = 0; i < 40 && !fake_peer_pending("prepare"); i++)
		rig_advance(50);
}

static void answer_prepare(void)
{
	char reply[200];

	snprintf(reply, sizeof(reply),
		 "{\"data_address\":\"192.0.2.1:8441\",\"token\":\"%064d\",\"compared\":true,"
		 "\"channels\":[\"ram\",\"disks\"]}",
		 1);
	fake_peer_answer("prepare", reply);
}

/* Two mirrors copy. */
static void bring_to_copying_with(const struct move_options *options)
{
	begin(options);
	answer_prepare();
	trace_clear();
	fake_stream_becomes(STREAM_CHANNEL_READY);
	ck_assert_str_eq(rig_state(), "transfer");
	ck_assert_uint_eq(trace_count("qmp blockdev-mirror"), 2);
}

static void bring_to_copying(void)
{
	bring_to_copying_with(&(struct move_options){ .downtime_limit_ms = 300 });
}

static void mirrors_become(const char *status)
{
	fake_qemu_job("migrd-d0", status, NULL);
	fake_qemu_job("migrd-d1", status, NULL);
}

static void bring_to_memory(void)
{
	bring_to_copying();
	mirrors_become("ready");
	ck_assert_uint_eq(trace_count("qmp migrate"), 1);
	fake_qemu_migrates("active");
}

/* The guest stands still, and the mirrors were told to end. */
static void bring_to_settling(void)
{
	bring_to_memory();
	fake_qemu_migrates("pre-switchover");
	ck_assert_str_eq(rig_state(), "handover");
	ck_assert_uint_eq(trace_count("qmp block-job-cancel"), 2);
}

static void assert_all_is_gone(void)
{
	ck_assert(fake_jobs_are_none(&fake_qemu()->jobs));
	ck_assert(image_is_there("d0"));
	ck_assert(image_is_there("d1"));
}

/* The move has ended as STATE, the guest runs here, and of the mirrors nothing is left. */
static void assert_back(const char *state)
{
	ck_assert_str_eq(rig_state(), "rollback");
	rig_peer_says("drop", "refused");
	rig_advance(1000);
	ck_assert_str_eq(rig_state(), state);
	ck_assert(rig_guest_runs());
	ck_assert_uint_eq(trace_count("peer go run"), 0);
	ck_assert_uint_eq(trace_count("qmp migrate-continue"), 0);
	assert_all_is_gone();
}

/* A late answer of query-jobs must not make an error of a good move. */
static void assert_done(void)
{
	fake_qemu_migrates("completed");
	ck_assert_uint_eq(trace_count("peer go run"), 1);
	rig_peer_says("go", "taken");
	rig_run();
	ck_assert_str_eq(rig_state(), "done");
	ck_assert_str_eq(rig_error(), "");
	ck_assert(!image_is_there("d0"));
	ck_assert(!image_is_there("d1"));
	ck_assert(image_is_there("s"));
}

static void cancel(void)
{
	struct err err;

	ck_assert_msg(move_cancel(rig_move(), &err), "%s", err.msg);
	rig_run();
}

/* ---- a good world -------------------------------------------------------------- */

/* Each step waits for the end of the one before: nothing of the disks may lack when the
 * destination gets the guest. */
START_TEST(disks_are_copied_in_this_order)
{
	bring_to_copying();
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
	assert_done();
	ck_assert_uint_eq(trace_count("qmp migrate-continue"), 1);
}
END_TEST

/* QEMU is told what was planned: the names are how a restart finds the mirrors. */
START_TEST(mirrors_write_to_the_exports_of_the_plan)
{
	bring_to_copying();
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

/* The destination is there. */
static void let_flow(void)
{
	if (fake_peer_pending("fate"))
		fake_peer_answer("fate", "{\"state\":\"transfer\",\"final\":false,"
					 "\"verdict\":\"none\"}");
	rig_run();
}

/* D0 has copied all but LEFT bytes of 100 MiB. */
static void leave(uint64_t left)
{
	struct fake_job *job = fake_jobs_find(&fake_qemu()->jobs, "migrd-d0");

	job->total = UINT64_C(100) << 20;
	job->done = job->total - left;
	rig_advance(600);
	let_flow();
}

/* A mirror is ready once, and the guest may write more than it copies after that. */
START_TEST(memory_goes_when_little_is_left_of_the_disks)
{
	bring_to_copying();
	fake_jobs_find(&fake_qemu()->jobs, "migrd-d0")->total = UINT64_C(100) << 20;
	mirrors_become("ready");
	leave(UINT64_C(64) << 20);
	leave((UINT64_C(1) << 20) + 1000);
	ck_assert_uint_eq(trace_count("qmp migrate"), 0);
	ck_assert_str_eq(rig_state(), "transfer");
	leave(1 << 19);
	ck_assert_uint_eq(trace_count("qmp migrate"), 1);
}
END_TEST

/* 90 MiB in 2.4 s: in 150 ms, half of the allowed downtime, 5.6 MiB. */
START_TEST(more_may_be_left_where_copies_are_fast)
{
	bring_to_copying();
	for (int i = 0; i < 4; i++)
		leave(UINT64_C(10) << 20);
	mirrors_become("ready");
	leave(UINT64_C(7) << 20);
	ck_assert_uint_eq(trace_count("qmp migrate"), 0);
	leave(UINT64_C(5) << 20);
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

	bring_to_copying_with(&options);
	leave(UINT64_C(50) << 20);
	mirrors_become("ready");
	for (int i = 0; i < 12; i++)
		leave(UINT64_C(50) << 20);
	ck_assert_uint_eq(trace_count("qmp migrate"), 0);
	ck_assert_uint_eq(trace_count("qmp block_set_io_throttle"), _i ? 4 : 0);
	if (_i)
		ck_assert_ptr_nonnull(strstr(fake_qmp_args("block_set_io_throttle"),
					     "d1/virtio-backend\",\"group\":\"migrd-d1\""));
	else
		ck_assert_ptr_nonnull(
			strstr(move_reason(rig_move()), "faster than they are copied"));
	leave(0);
	ck_assert_uint_eq(trace_count("qmp migrate"), 1);
}
END_TEST

START_TEST(limit_of_writes_is_lifted_if_it_is_ours)
{
	bring_to_copying();
	trace_clear();
	fake_qmp_result("query-block",
			"[" BLOCK("s") "," LIMITED("d0", "other") "," LIMITED("d1",
									      "migrd-d1") "]");
	cancel();
	assert_back("cancelled");
	ck_assert_uint_eq(trace_count("qmp block_set_io_throttle"), 1);
	ck_assert_ptr_nonnull(strstr(fake_qmp_args("block_set_io_throttle"), "\"bps_wr\":0"));
	ck_assert_ptr_nonnull(
		strstr(fake_qmp_args("block_set_io_throttle"), "peripheral/d1/virtio-backend\""));
}
END_TEST

/* A stop waits in QEMU until what the mirrors have under way is written. */
START_TEST(guest_that_is_stopped_while_it_is_copied_waits_for_no_limit)
{
	bring_to_copying_with(&(struct move_options){ .downtime_limit_ms = 300,
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

	bring_to_copying_with(
		&(struct move_options){ .downtime_limit_ms = 300, .remove_source_disks = _i == 1 });
	mirrors_become("ready");
	fake_qemu_migrates("active");
	fake_qemu_migrates("pre-switchover");
	mirrors_become("concluded");
	aside = xasprintf("d0.moved-to-b-%s", rig.move_id);
	ck_assert(image_is_there("d0"));
	assert_done();
	ck_assert_int_eq(image_is_there(aside), _i == 0);
}
END_TEST

/* A QEMU that waits for the network in its last pass answers late, when the mirrors have ended
 * well long ago. */
START_TEST(answer_after_the_end_of_the_mirrors_is_no_error)
{
	bring_to_settling();
	fake_qmp_hold("migrate-continue");
	mirrors_become("concluded");
	ck_assert_uint_eq(trace_count("qmp migrate-continue"), 1);
	fake_qmp_hold("query-jobs");
	rig_advance(1000);
	ck_assert(fake_qmp_is_held("query-jobs"));
	fake_qmp_release("migrate-continue");
	fake_qmp_release("query-jobs");
	ck_assert_uint_eq(trace_count("qmp migrate-continue"), 1);
	assert_done();
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
	ck_assert(image_is_there("d0"));
}

START_TEST(disk_that_qemu_does_not_know_ends_the_move)
{
	prepare_world();
	fake_qmp_result("query-block", "[" BLOCK("s") "," BLOCK("d0") "]");
	rig_start_move();
	assert_refused_in_begin("qemu-error", "QEMU does not tell the image of disk 'd1'");
}
END_TEST

START_TEST(image_that_qemu_does_not_describe_ends_the_move)
{
	prepare_world();
	fake_qmp_result("query-named-block-nodes", "[" NODE("d0") "," NODE("s") "]");
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

	prepare_world();
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
	prepare_world();
	fake_peer_features = NULL;
	rig_start_move();
	rig_advance(1000);
	ck_assert_str_eq(rig_state(), "begin");
	fake_peer_features = &there;
	rig_advance(1000);
	ck_assert_str_eq(rig_state(), "prepare");
}
END_TEST

/* The user is told that the copy needs more room than the image. */
START_TEST(backing_file_is_noted)
{
	CLEANUP(free_charp) char *timeline = NULL;

	prepare_world();
	fake_qmp_result(
		"query-named-block-nodes",
		"[{\"node-name\":\"d0-node\",\"image\":{\"format\":\"raw\",\"virtual-size\":"
		"1048576,\"actual-size\":4096,\"backing-filename\":\"/base\"}}," NODE("d1") "]");
	rig_start_move();
	timeline = rig_timeline();
	ck_assert_ptr_nonnull(strstr(timeline, "flattened disk 'd0': the copy has the content of "
					       "'/base' too"));
	ck_assert_ptr_null(strstr(timeline, "flattened disk 'd1'"));
}
END_TEST

START_TEST(restart_before_transfer_ends_the_move)
{
	begin(&(struct move_options){ .downtime_limit_ms = 300 });
	if (_i == 1)
		answer_prepare();
	rig_restart();
	rig_advance(1000);
	assert_back("failed");
	ck_assert_uint_eq(trace_count("qmp blockdev-add"), 0);
}
END_TEST

START_TEST(restart_in_begin_ends_the_move)
{
	prepare_world();
	fake_qmp_hold("query-block");
	rig_start_move();
	ck_assert_str_eq(rig_state(), "begin");
	rig_restart();
	fake_qmp_release("query-block");
	rig_advance(1000);
	assert_back("failed");
}
END_TEST

/* ---- mirrors that fail ------------------------------------------------------------ */

START_TEST(target_that_cannot_be_opened_ends_the_move)
{
	begin(&(struct move_options){ .downtime_limit_ms = 300 });
	answer_prepare();
	fake_qmp_refuse("blockdev-add", ERR_QEMU);
	fake_stream_becomes(STREAM_CHANNEL_READY);
	ck_assert_uint_eq(trace_count("qmp migrate"), 0);
	ck_assert_uint_eq(trace_count("qmp blockdev-mirror"), 0);
	assert_back("failed");
	ck_assert_ptr_nonnull(strstr(move_row(rig_move())->error_text,
				     "the copy of disk 'd0' to host 'b' failed"));
}
END_TEST

/* The target of the mirror that could not begin is removed too. */
START_TEST(mirror_that_cannot_begin_ends_the_move)
{
	begin(&(struct move_options){ .downtime_limit_ms = 300 });
	answer_prepare();
	fake_qmp_refuse("blockdev-mirror", ERR_QEMU);
	fake_stream_becomes(STREAM_CHANNEL_READY);
	ck_assert_uint_eq(trace_count("qmp migrate"), 0);
	assert_back("failed");
}
END_TEST

START_TEST(mirror_that_fails_while_it_copies_ends_the_move)
{
	bring_to_copying();
	fake_qemu_job("migrd-d0", "ready", NULL);
	fake_qemu_job("migrd-d1", "concluded", "No space left on device");
	ck_assert_uint_eq(trace_count("qmp migrate"), 0);
	assert_back("failed");
	ck_assert_ptr_nonnull(strstr(move_row(rig_move())->error_text,
				     "'d1' to host 'b' failed: No space left on device"));
	ck_assert_uint_eq(trace_count("qmp migrate_cancel"), 0);
}
END_TEST

/* The event may be lost: the tick asks. */
START_TEST(mirror_whose_end_is_not_told_is_noticed)
{
	bring_to_copying();
	fake_jobs_find(&fake_qemu()->jobs, "migrd-d1")->status = "concluded";
	fake_jobs_find(&fake_qemu()->jobs, "migrd-d1")->error = "No space left on device";
	rig_advance(1100);
	assert_back("failed");
}
END_TEST

START_TEST(mirror_that_fails_while_memory_flows_ends_the_move)
{
	bring_to_memory();
	fake_qemu_job("migrd-d0", "concluded", "Input/output error");
	ck_assert_uint_eq(trace_count("qmp migrate_cancel"), 1);
	assert_back("failed");
	ck_assert_ptr_nonnull(
		strstr(move_row(rig_move())->error_text, "'d0' to host 'b' failed: Input/output"));
}
END_TEST

/* The guest has written since, so the copy is old although the job ended well. */
START_TEST(mirror_that_somebody_ended_fails_the_move)
{
	if (_i == 0)
		bring_to_copying();
	else
		bring_to_memory();
	fake_qemu_job("migrd-d0", "concluded", NULL);
	assert_back("failed");
	ck_assert_ptr_nonnull(
		strstr(move_row(rig_move())->error_text, "failed: somebody ended it"));
}
END_TEST

START_TEST(mirror_that_somebody_dismissed_fails_the_move)
{
	bring_to_memory();
	fake_jobs_find(&fake_qemu()->jobs, "migrd-d0")->status = NULL;
	rig_advance(1100);
	assert_back("failed");
	ck_assert_ptr_nonnull(strstr(move_row(rig_move())->error_text, "no such job any more"));
}
END_TEST

/* The guest stands still, and goes on here. */
START_TEST(mirror_that_fails_at_its_end_gives_the_guest_back)
{
	bring_to_settling();
	fake_qemu_job("migrd-d0", "concluded", NULL);
	fake_qemu_job("migrd-d1", "concluded", "Input/output error");
	ck_assert_uint_eq(trace_count("qmp migrate_cancel"), 1);
	assert_back("failed");
	ck_assert_ptr_nonnull(strstr(move_row(rig_move())->error_text,
				     "'d1' to host 'b' failed: Input/output error"));
}
END_TEST

START_TEST(mirror_that_does_not_end_gives_the_guest_back)
{
	bring_to_settling();
	fake_qemu_job("migrd-d0", "concluded", NULL);
	rig_advance(2900);
	ck_assert_str_eq(rig_state(), "handover");
	rig_advance(700);
	assert_back("failed");
	ck_assert_ptr_nonnull(strstr(move_row(rig_move())->error_text,
				     "'d1' to host 'b' failed: it did not end"));
}
END_TEST

/* The second disk is copied, and the destination is there. */
static void copy_for(int seconds)
{
	for (; seconds > 0; seconds--) {
		fake_jobs_find(&fake_qemu()->jobs, "migrd-d1")->done++;
		rig_advance(1000);
		let_flow();
	}
}

START_TEST(copies_that_send_nothing_are_given_up)
{
	bring_to_copying();
	fake_qemu_job("migrd-d0", "ready", NULL);
	copy_for(100);
	ck_assert_str_eq(rig_state(), "transfer");
	rig_advance(59000);
	ck_assert_str_eq(rig_state(), "transfer");
	rig_advance(3000);
	assert_back("failed");
	ck_assert_msg(strstr(move_row(rig_move())->error_text,
			     "'d1' to host 'b' failed: nothing was sent for 60 s") != NULL,
		      "%s", move_row(rig_move())->error_text);
}
END_TEST

/* Disks flow on without the other coordinator.  Memory has not begun, so it has not stalled. */
START_TEST(silent_peer_is_no_stall_of_memory_that_has_not_begun)
{
	bring_to_copying();
	rig_advance(3000);
	copy_for(100);
	ck_assert_str_eq(rig_state(), "transfer");
	ck_assert_uint_eq(trace_count("qmp migrate_cancel"), 0);
	mirrors_become("ready");
	fake_qemu_migrates("active");
	fake_qemu_migrates("pre-switchover");
	fake_qemu_job("migrd-d0", "concluded", "Input/output error");
	ck_assert_uint_eq(trace_count("qmp migrate_cancel"), 1);
	assert_back("failed");
}
END_TEST

/* A disk that is ready is not idle: it waits for the others. */
START_TEST(disk_that_waits_for_a_slow_one_is_no_stall)
{
	bring_to_copying();
	fake_qemu_job("migrd-d0", "ready", NULL);
	copy_for(100);
	ck_assert_str_eq(rig_state(), "transfer");
	ck_assert_uint_eq(trace_count("qmp migrate"), 0);
}
END_TEST

/* ---- cancel ------------------------------------------------------------------------- */

START_TEST(cancel_while_disks_are_copied)
{
	bring_to_copying();
	cancel();
	assert_back("cancelled");
	ck_assert_uint_eq(trace_count("qmp migrate"), 0);
	ck_assert_uint_eq(trace_count("qmp migrate_cancel"), 0);
	trace_assert_order("qmp job-cancel", "qmp job-dismiss");
	trace_assert_order("qmp job-dismiss", "qmp blockdev-del");
	trace_assert_order("qmp blockdev-del", "disk cancelled");
}
END_TEST

START_TEST(cancel_while_memory_flows)
{
	bring_to_memory();
	cancel();
	ck_assert_uint_eq(trace_count("qmp migrate_cancel"), 1);
	assert_back("cancelled");
	trace_assert_order("qmp migrate_cancel", "qmp job-cancel");
}
END_TEST

/* QEMU was told to migrate, and has not said that it does. */
START_TEST(cancel_just_after_migrate_ends_the_migration_too)
{
	bring_to_copying();
	fake_qmp_hold("query-status");
	fake_qmp_hold("query-migrate");
	mirrors_become("ready");
	ck_assert_uint_eq(trace_count("qmp migrate"), 1);
	cancel();
	fake_qemu_migrates("active");
	fake_qmp_release("query-status");
	fake_qmp_release("query-migrate");
	rig_run();
	ck_assert_uint_eq(trace_count("qmp migrate_cancel"), 1);
	assert_back("cancelled");
}
END_TEST

START_TEST(cancel_after_the_guest_stopped_is_too_late)
{
	struct err err;

	bring_to_settling();
	ck_assert(!move_cancel(rig_move(), &err));
	ck_assert_int_eq(err.code, ERR_TOO_LATE);
}
END_TEST

/* A job that QEMU does not end at once is waited for; the move does not end before. */
START_TEST(rollback_waits_for_the_end_of_the_jobs)
{
	bring_to_copying();
	fake_qmp_hold("job-cancel");
	cancel();
	rig_peer_says("drop", "refused");
	rig_advance(3000);
	ck_assert_str_eq(rig_state(), "rollback");
	ck_assert(rig_guest_runs());
	ck_assert_uint_eq(trace_count("qmp blockdev-del"), 0);
	fake_qmp_release("job-cancel");
	rig_advance(1000);
	ck_assert_str_eq(rig_state(), "cancelled");
	assert_all_is_gone();
}
END_TEST

/* ... but not for ever: the next move tries again. */
START_TEST(rollback_does_not_wait_for_ever)
{
	bring_to_copying();
	fake_qmp_refuse("job-cancel", ERR_QEMU);
	cancel();
	rig_peer_says("drop", "refused");
	rig_advance(11000);
	ck_assert_str_eq(rig_state(), "cancelled");
	ck_assert(!fake_jobs_are_none(&fake_qemu()->jobs));
	fake_qmp_accept("job-cancel");
	trace_clear();
	rig_start_move();
	rig_advance(1000);
	ck_assert(fake_jobs_are_none(&fake_qemu()->jobs));
	ck_assert_str_eq(rig_state(), "prepare");
	trace_assert_order("qmp blockdev-del", "peer prepare run");
}
END_TEST

/* The jobs of an earlier move do not end; the user does not wait for them. */
START_TEST(cancel_while_old_jobs_are_cleared)
{
	bring_to_copying();
	fake_qmp_refuse("job-cancel", ERR_QEMU);
	cancel();
	rig_peer_says("drop", "refused");
	rig_advance(11000);
	rig_start_move();
	rig_advance(1000);
	ck_assert_str_eq(rig_state(), "begin");
	fake_qmp_hold("query-status");
	cancel();
	rig_advance(1000);
	ck_assert_str_eq(rig_state(), "rollback");
	fake_qmp_accept("job-cancel");
	rig_advance(1000);
	fake_qmp_release("query-status");
	assert_back("cancelled");
	ck_assert_uint_eq(trace_count("peer prepare run"), 0);
}
END_TEST

/* ---- restarts ---------------------------------------------------------------------- */

/* Those that wait for a mirror that a restart has cut off would wait for ever. */
START_TEST(restart_before_all_mirrors_began_ends_the_move)
{
	begin(&(struct move_options){ .downtime_limit_ms = 300 });
	answer_prepare();
	fake_qmp_hold("blockdev-mirror");
	fake_stream_becomes(STREAM_CHANNEL_READY);
	ck_assert_str_eq(rig_state(), "transfer");
	rig_restart();
	fake_qmp_release("blockdev-mirror");
	rig_advance(600);
	assert_back("failed");
	ck_assert_uint_eq(trace_count("qmp migrate"), 0);
}
END_TEST

START_TEST(restart_while_disks_are_copied_goes_on)
{
	bring_to_copying();
	trace_clear();
	rig_restart();
	rig_advance(1100);
	ck_assert_str_eq(rig_state(), "transfer");
	ck_assert_uint_eq(trace_count("qmp blockdev-mirror"), 0);
	ck_assert_uint_eq(trace_count("qmp migrate"), 0);
	mirrors_become("ready");
	ck_assert_uint_eq(trace_count("qmp migrate"), 1);
	fake_qemu_migrates("active");
	fake_qemu_migrates("pre-switchover");
	mirrors_become("concluded");
	assert_done();
}
END_TEST

START_TEST(restart_with_a_mirror_that_failed_meanwhile_ends_the_move)
{
	bring_to_copying();
	rig_crash();
	fake_jobs_find(&fake_qemu()->jobs, "migrd-d0")->status = "concluded";
	fake_jobs_find(&fake_qemu()->jobs, "migrd-d0")->error = _i ? "Input/output error" : NULL;
	rig_start_again();
	rig_advance(600);
	assert_back("failed");
	ck_assert_uint_eq(trace_count("qmp migrate"), 0);
}
END_TEST

/* All mirrors are ready, and QEMU was not told to migrate: that is left to do. */
START_TEST(restart_between_disks_and_memory_goes_on)
{
	bring_to_copying();
	rig_crash();
	mirrors_become("ready");
	trace_clear();
	rig_start_again();
	rig_advance(600);
	ck_assert_uint_eq(trace_count("qmp migrate"), 1);
	fake_qemu_migrates("active");
	fake_qemu_migrates("pre-switchover");
	mirrors_become("concluded");
	assert_done();
}
END_TEST

/* Only QEMU knows whether it was told to migrate. */
START_TEST(restart_waits_until_qemu_tells_of_its_migration)
{
	bring_to_copying();
	rig_crash();
	mirrors_become("ready");
	fake_qmp_hold("query-migrate");
	trace_clear();
	rig_start_again();
	rig_advance(1100);
	ck_assert_str_eq(rig_state(), "transfer");
	ck_assert_uint_eq(trace_count("qmp migrate"), 0);
	fake_qmp_release("query-migrate");
	rig_advance(600);
	ck_assert_uint_eq(trace_count("qmp migrate"), 1);
}
END_TEST

START_TEST(restart_while_memory_flows_goes_on)
{
	bring_to_memory();
	trace_clear();
	rig_restart();
	rig_advance(600);
	ck_assert_str_eq(rig_state(), "transfer");
	ck_assert_uint_eq(trace_count("qmp migrate"), 0);
	fake_qemu_migrates("pre-switchover");
	ck_assert_uint_eq(trace_count("qmp block-job-cancel"), 2);
	mirrors_become("concluded");
	assert_done();
}
END_TEST

/* The guest stopped while no coordinator listened. */
START_TEST(restart_finds_a_guest_that_stands_still)
{
	bring_to_memory();
	rig_crash();
	fake_qemu_migrates("pre-switchover");
	trace_clear();
	rig_start_again();
	rig_advance(1100);
	ck_assert_str_eq(rig_state(), "handover");
	trace_assert_order("disk handover", "qmp block-job-cancel");
	ck_assert_uint_eq(trace_count("qmp block-job-cancel"), 2);
	mirrors_become("concluded");
	assert_done();
}
END_TEST

START_TEST(restart_before_the_mirrors_ended_ends_them)
{
	bring_to_settling();
	trace_clear();
	rig_restart();
	rig_advance(600);
	ck_assert_uint_eq(trace_count("qmp block-job-cancel"), 2);
	ck_assert_uint_eq(trace_count("qmp migrate-continue"), 0);
	mirrors_become("concluded");
	assert_done();
}
END_TEST

/* QEMU waits until somebody has seen that the mirrors ended well. */
/* The monitor was lost as the mirrors were told to end. */
START_TEST(mirrors_that_did_not_hear_are_told_again)
{
	bring_to_memory();
	fake_qmp_hold("block-job-cancel");
	fake_qemu_migrates("pre-switchover");
	ck_assert_uint_eq(trace_count("qmp block-job-cancel"), 2);
	fake_qemu_lose_monitor();
	rig_advance(500);
	fake_qmp_release("block-job-cancel");
	trace_clear();
	fake_qemu_find_monitor();
	rig_advance(1100);
	ck_assert_str_eq(rig_state(), "handover");
	ck_assert_uint_eq(trace_count("qmp block-job-cancel"), 2);
	mirrors_become("concluded");
	assert_done();
}
END_TEST

START_TEST(restart_after_the_mirrors_ended_lets_qemu_go_on)
{
	bring_to_settling();
	rig_crash();
	mirrors_become("concluded");
	trace_clear();
	rig_start_again();
	rig_advance(600);
	ck_assert_uint_eq(trace_count("qmp block-job-cancel"), 0);
	ck_assert_uint_eq(trace_count("qmp migrate-continue"), 1);
	assert_done();
}
END_TEST

START_TEST(restart_after_a_mirror_failed_at_its_end_gives_the_guest_back)
{
	bring_to_settling();
	rig_crash();
	fake_qemu_job("migrd-d0", "concluded", NULL);
	fake_qemu_job("migrd-d1", "concluded", "Input/output error");
	rig_start_again();
	rig_advance(600);
	assert_back("failed");
}
END_TEST

START_TEST(restart_after_qemu_went_on_goes_on)
{
	bring_to_settling();
	mirrors_become("concluded");
	trace_clear();
	rig_restart();
	rig_advance(1100);
	ck_assert_uint_eq(trace_count("qmp migrate-continue"), 0);
	assert_done();
}
END_TEST

START_TEST(restart_after_completed_asks_for_go)
{
	bring_to_settling();
	mirrors_become("concluded");
	fake_qemu_migrates("completed");
	rig_restart();
	rig_advance(600);
	ck_assert_str_eq(rig_state(), "handover");
	rig_peer_says("go", "taken");
	rig_run();
	ck_assert_str_eq(rig_state(), "done");
	ck_assert_str_eq(rig_error(), "");
	ck_assert(!image_is_there("d0"));
}
END_TEST

START_TEST(restart_in_rollback_clears_the_mirrors)
{
	bring_to_memory();
	fake_qmp_hold("job-cancel");
	cancel();
	rig_restart();
	fake_qmp_release("job-cancel");
	rig_advance(1100);
	assert_back("cancelled");
}
END_TEST

/* After completed only the destination's word counts, and the copies there are complete. */
START_TEST(refusal_after_completed_gives_the_guest_back)
{
	bring_to_settling();
	mirrors_become("concluded");
	fake_qemu_migrates("completed");
	rig_peer_says("go", "refused");
	rig_advance(1000);
	ck_assert_str_eq(rig_state(), "failed");
	ck_assert(rig_guest_runs());
	assert_all_is_gone();
}
END_TEST

/* ---- another move before ------------------------------------------------------------- */

/* QEMU tells the end of its last migration until it begins another. */
static void former_was_cancelled(void)
{
	bring_to_memory();
	cancel();
	assert_back("cancelled");
}

static void former_failed(void)
{
	bring_to_memory();
	fake_qemu_migrates("failed");
	assert_back("failed");
}

static void former_was_refused(void)
{
	bring_to_settling();
	mirrors_become("concluded");
	fake_qemu_migrates("completed");
	rig_peer_says("go", "refused");
	rig_advance(1000);
	ck_assert_str_eq(rig_state(), "failed");
	ck_assert(rig_guest_runs());
}

static void (*const formers[])(void) = { former_was_cancelled, former_failed, former_was_refused };

static void begin_again(void)
{
	if (fake_peer_pending("settle"))
		fake_peer_answer("settle", "{\"settled\":true}");
	rig_start_move();
	for (int i = 0; i < 40 && !fake_peer_pending("prepare"); i++)
		rig_advance(50);
	trace_clear();
	answer_prepare();
	rig_advance(1500); /* the data connection takes its time */
	ck_assert_str_eq(rig_state(), "prepare");
	fake_stream_becomes(STREAM_CHANNEL_READY);
	rig_advance(1500);
	ck_assert_str_eq(rig_state(), "transfer");
	ck_assert_uint_eq(trace_count("qmp migrate"), 0);
}

static void go_on_with_memory(void)
{
	ck_assert_str_eq(rig_state(), "transfer");
	ck_assert_uint_eq(trace_count("qmp migrate"), 1);
	fake_qemu_migrates("active");
	fake_qemu_migrates("pre-switchover");
	mirrors_become("concluded");
	assert_done();
}

static void go_on_to_the_end(void)
{
	mirrors_become("ready");
	go_on_with_memory();
}

START_TEST(move_after_a_former_one_waits_for_its_own_memory)
{
	formers[_i]();
	begin_again();
	go_on_to_the_end();
}
END_TEST

/* What QEMU says to a restarted coordinator may be of the former move: that is no reason to give
 * the guest away, nor to leave it with mirrors. */
START_TEST(restart_in_a_move_after_a_refused_one_goes_on)
{
	former_was_refused();
	begin_again();
	rig_restart();
	rig_advance(1500);
	ck_assert_str_eq(rig_state(), "transfer");
	ck_assert_uint_eq(trace_count("peer go run"), 0);
	go_on_to_the_end();
}
END_TEST

START_TEST(restart_in_a_move_after_a_failed_one_ends_well)
{
	formers[_i]();
	begin_again();
	rig_restart();
	rig_advance(1500);
	assert_back("failed");
}
END_TEST

/* A question that was asked before `migrate' is answered after it. */
START_TEST(answer_of_before_memory_began_is_not_taken_for_its_end)
{
	former_was_cancelled();
	begin_again();
	fake_qmp_result("query-migrate", "{\"status\":\"cancelled\"}");
	fake_qmp_hold("query-migrate");
	rig_advance(600);
	ck_assert(fake_qmp_is_held("query-migrate"));
	mirrors_become("ready");
	ck_assert_uint_eq(trace_count("qmp migrate"), 1);
	fake_qmp_release("query-migrate");
	ck_assert_str_eq(rig_state(), "transfer");
	fake_qmp_result("query-migrate", NULL);
	rig_advance(1100);
	go_on_with_memory();
}
END_TEST

/* ---- the end of QEMU ------------------------------------------------------------- */

static void step_clears_old_jobs(void)
{
	bring_to_copying();
	fake_qmp_refuse("job-cancel", ERR_QEMU);
	cancel();
	rig_peer_says("drop", "refused");
	rig_advance(11000);
	rig_start_move();
	rig_advance(200);
	ck_assert_str_eq(rig_state(), "begin");
}

static void step_rolls_back(void)
{
	bring_to_copying();
	fake_qmp_hold("query-jobs");
	cancel();
	ck_assert_str_eq(rig_state(), "rollback");
}

static void step_sends_devices(void)
{
	bring_to_settling();
	mirrors_become("concluded");
}

START_TEST(qemu_that_ends_ends_the_move)
{
	static void (*const steps[])(void) = {
		step_clears_old_jobs, bring_to_copying,   bring_to_memory,
		bring_to_settling,    step_sends_devices, step_rolls_back,
	};

	steps[_i]();
	fake_qemu_dies();
	ck_assert_str_eq(rig_state(), "rollback");
	rig_peer_says("drop", "refused");
	rig_advance(1000);
	ck_assert_str_eq(rig_state(), _i == 5 ? "cancelled" : "failed");
	ck_assert_uint_eq(trace_count("peer go run"), 0);
	ck_assert(image_is_there("d0"));
}
END_TEST

START_TEST(qemu_that_ended_unseen_ends_the_move)
{
	static void (*const steps[])(void) = { bring_to_copying, bring_to_memory,
					       bring_to_settling };

	steps[_i]();
	rig_crash();
	fake_qemu_dies_unseen();
	rig_start_again();
	rig_advance(600);
	rig_peer_says("drop", "refused");
	rig_advance(1000);
	ck_assert_str_eq(rig_state(), "failed");
	ck_assert_uint_eq(trace_count("peer go run"), 0);
	ck_assert(image_is_there("d0"));
}
END_TEST

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
	define();
	plan(2, BOTH_COPIES);
}

static bool mark_is_there(const char *name)
{
	CLEANUP(free_charp) char *mark = xasprintf(".%s.migrd-" RIG_MOVE_ID, name);

	return image_is_there(mark);
}

static uint64_t image_bytes(const char *name)
{
	CLEANUP(free_charp) char *path = image_path(name);
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
	ck_assert(!image_is_there("d0"));
	ck_assert(!image_is_there("d1"));
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
	ck_assert(!image_is_there("s"));
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
	write_image("d1");
	ck_assert_int_eq(rig_offer(), ERR_CONFLICT);
	ck_assert_uint_eq(trace_count("qemu start incoming"), 0);
	ck_assert_str_eq(rig_state(), "failed");
	ck_assert_str_eq(rig.disk.verdict, "refused");
	ck_assert_uint_eq(image_bytes("d1"), 3);
	ck_assert(!image_is_there("d0"));
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

	define();
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
	ck_assert(image_is_there("d0")); /* the refusal is not on disk */
	rig_disk_go_on();
	rig_advance(2000);
	assert_refused();
}
END_TEST

/* The move is being refused already when it turns out that an image cannot be made. */
START_TEST(image_that_cannot_be_made_for_a_dropped_move_is_no_matter)
{
	define_offer();
	write_image("d1");
	rig_disk_hold_answers();
	ck_assert_int_eq(rig_offer(), ERR_CODE_COUNT);
	ck_assert_str_eq(rig_drop(), "");
	rig_disk_go_on();
	rig_advance(1000);
	ck_assert_str_eq(rig_state(), "failed");
	ck_assert_str_eq(rig_error(), "cancelled");
	ck_assert_uint_eq(image_bytes("d1"), 3);
	ck_assert(!image_is_there("d0"));
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
	ck_assert(!image_is_there("d0"));
	write_image("d0");
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
	ck_assert(image_is_there("d0"));
	rig_restart();
	rig_advance(1000);
	assert_refused();
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
	tcase_add_loop_test(tc, restart_before_transfer_ends_the_move, 0, 2);
	tcase_add_test(tc, restart_in_begin_ends_the_move);
	tc = rig_add_case(s, "failures");
	tcase_add_test(tc, target_that_cannot_be_opened_ends_the_move);
	tcase_add_test(tc, mirror_that_cannot_begin_ends_the_move);
	tcase_add_test(tc, mirror_that_fails_while_it_copies_ends_the_move);
	tcase_add_test(tc, mirror_whose_end_is_not_told_is_noticed);
	tcase_add_test(tc, mirror_that_fails_while_memory_flows_ends_the_move);
	tcase_add_loop_test(tc, mirror_that_somebody_ended_fails_the_move, 0, 2);
	tcase_add_test(tc, mirror_that_somebody_dismissed_fails_the_move);
	tcase_add_test(tc, mirror_that_fails_at_its_end_gives_the_guest_back);
	tcase_add_test(tc, mirror_that_does_not_end_gives_the_guest_back);
	tcase_add_test(tc, copies_that_send_nothing_are_given_up);
	tcase_add_test(tc, silent_peer_is_no_stall_of_memory_that_has_not_begun);
	tcase_add_test(tc, disk_that_waits_for_a_slow_one_is_no_stall);
	tc = rig_add_case(s, "cancel");
	tcase_add_test(tc, cancel_while_disks_are_copied);
	tcase_add_test(tc, cancel_while_memory_flows);
	tcase_add_test(tc, cancel_just_after_migrate_ends_the_migration_too);
	tcase_add_test(tc, cancel_after_the_guest_stopped_is_too_late);
	tcase_add_test(tc, rollback_waits_for_the_end_of_the_jobs);
	tcase_add_test(tc, rollback_does_not_wait_for_ever);
	tcase_add_test(tc, cancel_while_old_jobs_are_cleared);
	tc = rig_add_case(s, "restart");
	tcase_add_test(tc, restart_before_all_mirrors_began_ends_the_move);
	tcase_add_test(tc, restart_while_disks_are_copied_goes_on);
	tcase_add_loop_test(tc, restart_with_a_mirror_that_failed_meanwhile_ends_the_move, 0, 2);
	tcase_add_test(tc, restart_between_disks_and_memory_goes_on);
	tcase_add_test(tc, restart_waits_until_qemu_tells_of_its_migration);
	tcase_add_test(tc, restart_while_memory_flows_goes_on);
	tcase_add_test(tc, restart_finds_a_guest_that_stands_still);
	tcase_add_test(tc, restart_before_the_mirrors_ended_ends_them);
	tcase_add_test(tc, mirrors_that_did_not_hear_are_told_again);
	tcase_add_test(tc, restart_after_the_mirrors_ended_lets_qemu_go_on);
	tcase_add_test(tc, restart_after_a_mirror_failed_at_its_end_gives_the_guest_back);
	tcase_add_test(tc, restart_after_qemu_went_on_goes_on);
	tcase_add_test(tc, restart_after_completed_asks_for_go);
	tcase_add_test(tc, restart_in_rollback_clears_the_mirrors);
	tcase_add_test(tc, refusal_after_completed_gives_the_guest_back);
	tc = rig_add_case(s, "another move before");
	tcase_add_test(tc, answer_of_before_memory_began_is_not_taken_for_its_end);
	tcase_add_loop_test(tc, move_after_a_former_one_waits_for_its_own_memory, 0, 3);
	tcase_add_test(tc, restart_in_a_move_after_a_refused_one_goes_on);
	tcase_add_loop_test(tc, restart_in_a_move_after_a_failed_one_ends_well, 0, 2);
	tc = rig_add_case(s, "the end of QEMU");
	tcase_add_loop_test(tc, qemu_that_ends_ends_the_move, 0, 6);
	tcase_add_loop_test(tc, qemu_that_ended_unseen_ends_the_move, 0, 3);
	tc = rig_add_case(s, "destination");
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
	tcase_add_test(tc, restart_in_transfer_without_qemu_removes_the_images);
	tcase_add_loop_test(tc, restart_in_handover_goes_on, 0, 2);
	tcase_add_test(tc, restart_in_handover_without_qemu_keeps_the_images);
	tcase_add_test(tc, restart_before_the_end_is_recorded_keeps_the_images);
	tcase_add_test(tc, restart_in_rollback_removes_the_images);
	return s;
}
