/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What the source asks its QEMU (block jobs, images) before the other host hears of a move. */
#include <string.h>

#include "base/mem.h"
#include "check_main.h"
#include "move_rig.h"

#define JOB    "[{\"id\":\"bk\",\"type\":\"backup\",\"status\":\"running\"}]"
#define EXPORT "[{\"id\":\"ex\",\"type\":\"nbd\",\"node-name\":\"d\"}]"
#define GRAPH(perm)                                                             \
	"{\"nodes\":[{\"id\":1,\"type\":\"block-driver\",\"name\":\"d-node\"}," \
	"{\"id\":2,\"type\":\"block-backend\",\"name\":\"d\"}],"                \
	"\"edges\":[{\"parent\":2,\"child\":1,\"name\":\"root\",\"perm\":[" perm "]}]}"

/* Starts the move with this policy for block jobs. */
static void start(enum move_block_jobs policy)
{
	rig_run_vm();
	rig_start_move_with(
		&(struct move_options){ .downtime_limit_ms = 300, .block_jobs = policy });
}

static void assert_reason(const char *words)
{
	const char *text = move_row(rig_move())->error_text;

	ck_assert_msg(strstr(text, words) != NULL, "%s", text);
}

/* ---- what QEMU does with the guest ------------------------------------------- */

/* QEMU would refuse it only when all disks have been copied. */
START_TEST(begin_guest_that_has_not_run_since_its_last_move_is_refused)
{
	rig_run_vm();
	rig_act(VM_ACTION_PAUSE);
	fake_qemu()->run = QMP_RUN_POSTMIGRATE;
	rig_start_move();
	rig_peer_says("drop", "unknown");
	ck_assert_str_eq(rig_error(), "conflict");
	assert_reason("resume it first");
	ck_assert_uint_eq(trace_count("peer prepare"), 0);
	ck_assert_uint_eq(trace_count("qmp cont"), 0);
}
END_TEST

/* ---- virtqueues ---------------------------------------------------------------- */

static void (*checks_of_the_rig)(const char *verb, struct json_object *body);
static size_t told_queues;

static void note_queues(const char *verb, struct json_object *body)
{
	struct json_object *evidence = NULL, *queues = NULL;

	checks_of_the_rig(verb, body);
	if (strcmp(verb, "prepare") == 0 &&
	    json_object_object_get_ex(body, "evidence", &evidence) &&
	    json_object_object_get_ex(evidence, "queues", &queues))
		told_queues = json_count(queues);
}

/* A QEMU whose devices have queues without end. */
static void start_with_queues(struct qmp_version version)
{
	fake_qemu_version = version;
	fake_qmp_result("x-query-virtio", "[{\"name\":\"virtio-net\","
					  "\"path\":\"/machine/peripheral/net0/virtio-backend\"}]");
	fake_qmp_result("x-query-virtio-queue-status", "{\"vring-num\":1024}");
	checks_of_the_rig = fake_peer_before;
	fake_peer_before = note_queues;
	told_queues = 0;
	rig_run_vm();
	rig_start_move();
	fake_peer_before = checks_of_the_rig;
	ck_assert_uint_eq(trace_count("peer prepare"), 1);
}

/* Their sizes may be another than the definition says, and what QEMU says is limited. */
START_TEST(begin_virtqueues_of_qemu_10_0_are_told_up_to_a_limit)
{
	start_with_queues((struct qmp_version){ .major = 10, .minor = 0 });
	ck_assert_uint_eq(told_queues, 512);
}
END_TEST

START_TEST(begin_virtqueues_of_another_qemu_are_not_asked_for)
{
	start_with_queues((struct qmp_version){ .major = 10, .minor = 1 });
	ck_assert_uint_eq(told_queues, 0);
}
END_TEST

/* QEMU itself refuses what does not fit. */
START_TEST(begin_virtqueues_that_are_not_told_are_no_reason)
{
	fake_qmp_refuse("x-query-virtio", ERR_QEMU);
	start_with_queues((struct qmp_version){ .major = 10, .minor = 0 });
	ck_assert_uint_eq(told_queues, 0);
}
END_TEST

/* ---- block jobs and exports ------------------------------------------------ */

/* A move would end a backup job without a word, and the backup would be missing. */
START_TEST(begin_block_job_runs_move_is_refused_by_its_name)
{
	fake_qmp_result("query-jobs", JOB);
	start(MOVE_BLOCK_JOBS_REFUSE);
	rig_peer_says("drop", "refused");
	ck_assert_str_eq(rig_state(), "failed");
	ck_assert_str_eq(rig_error(), "busy");
	assert_reason("job 'bk' (backup)");
	ck_assert_uint_eq(trace_count("peer prepare"), 0);
	ck_assert(rig_guest_runs());
}
END_TEST

START_TEST(begin_export_is_there_move_is_refused_by_its_name)
{
	fake_qmp_result("query-block-exports", EXPORT);
	start(MOVE_BLOCK_JOBS_REFUSE);
	rig_peer_says("drop", "refused");
	ck_assert_str_eq(rig_error(), "busy");
	assert_reason("export 'ex' (nbd)");
}
END_TEST

START_TEST(begin_block_job_ends_while_it_waits_move_goes_on)
{
	fake_qmp_result("query-jobs", JOB);
	start(MOVE_BLOCK_JOBS_WAIT);
	rig_advance(60000);
	ck_assert_str_eq(rig_state(), "begin");
	ck_assert_ptr_nonnull(strstr(move_reason(rig_move()), "job 'bk' (backup)"));
	fake_qmp_result("query-jobs", "[]");
	rig_advance(1000);
	ck_assert_str_eq(rig_state(), "prepare");
	ck_assert_uint_eq(trace_count("qmp job-cancel"), 0);
}
END_TEST

/* A mirror never ends by itself. */
START_TEST(begin_block_job_does_not_end_in_time_move_fails)
{
	fake_qmp_result("query-jobs", JOB);
	start(MOVE_BLOCK_JOBS_WAIT);
	rig_advance(601000);
	rig_peer_says("drop", "refused");
	ck_assert_str_eq(rig_error(), "timeout");
	ck_assert(rig_guest_runs());
}
END_TEST

START_TEST(begin_waits_for_a_block_job_cancel_ends_the_move)
{
	struct err err;

	fake_qmp_result("query-jobs", JOB);
	start(MOVE_BLOCK_JOBS_WAIT);
	rig_advance(2000);
	ck_assert(move_cancel(rig_move(), "ops", &err));
	rig_peer_says("drop", "refused");
	ck_assert_str_eq(rig_state(), "cancelled");
}
END_TEST

START_TEST(begin_block_job_is_cancelled_by_rule_and_named)
{
	CLEANUP(free_charp) char *timeline = NULL;

	fake_qmp_result("query-jobs", JOB);
	start(MOVE_BLOCK_JOBS_CANCEL);
	ck_assert_uint_eq(trace_count("qmp job-cancel"), 1);
	fake_qmp_result("query-jobs", "[]");
	fake_qmp_result("query-block-exports", EXPORT);
	rig_advance(500);
	ck_assert_uint_ge(trace_count("qmp block-export-del"), 1);
	fake_qmp_result("query-block-exports", "[]");
	rig_advance(500);
	ck_assert_str_eq(rig_state(), "prepare");
	timeline = rig_timeline();
	ck_assert_ptr_nonnull(strstr(timeline, "job 'bk' (backup) is cancelled"));
	ck_assert_ptr_nonnull(strstr(timeline, "export 'ex' (nbd) is cancelled"));
}
END_TEST

START_TEST(begin_bitmap_that_will_be_lost_is_named)
{
	CLEANUP(free_charp) char *timeline = NULL;

	fake_qmp_result("query-named-block-nodes",
			"[{\"node-name\":\"d\",\"dirty-bitmaps\":[{\"name\":\"inc\"}]}]");
	start(MOVE_BLOCK_JOBS_REFUSE);
	ck_assert_str_eq(rig_state(), "prepare");
	timeline = rig_timeline();
	ck_assert_ptr_nonnull(strstr(timeline, "dirty bitmap 'inc' of node 'd'"));
}
END_TEST

/* ---- images that nobody has taken -------------------------------------------- */

static void start_paused(const char *graph)
{
	rig_run_vm();
	rig_act(VM_ACTION_PAUSE);
	fake_qmp_result("x-debug-query-block-graph", graph);
	rig_start_move_with(&(struct move_options){ .downtime_limit_ms = 300 });
}

START_TEST(begin_paused_guest_has_its_images_nothing_is_done)
{
	start_paused(GRAPH("\"write\""));
	ck_assert_str_eq(rig_state(), "prepare");
	ck_assert_uint_eq(trace_count("qmp blockdev-set-active"), 0);
	ck_assert_uint_eq(trace_count("qmp nbd-server-start"), 0);
}
END_TEST

/* QEMU reports success, but its block graph shows that the images are still inactive: the
 * graph counts. */
START_TEST(begin_images_cannot_be_taken_move_is_refused_and_no_peer_knows)
{
	start_paused(GRAPH(""));
	rig_peer_says("drop", "refused");
	ck_assert_str_eq(rig_state(), "failed");
	ck_assert_str_eq(rig_error(), "conflict");
	ck_assert_uint_eq(trace_count("peer prepare"), 0);
	ck_assert_uint_eq(trace_count("qmp cont"), 0);
}
END_TEST

/* The last question is held, so that the test can change the answer to it. */
START_TEST(begin_images_of_a_paused_guest_are_taken_move_goes_on)
{
	fake_qmp_hold("blockdev-set-active");
	start_paused(GRAPH(""));
	fake_qmp_result("x-debug-query-block-graph", GRAPH("\"write\""));
	fake_qmp_release("blockdev-set-active");
	ck_assert_str_eq(rig_state(), "prepare");
	ck_assert_uint_eq(trace_count("qmp cont"), 0);
}
END_TEST

/* The plan is on disk before the other host hears of the move. */
START_TEST(begin_plan_is_recorded_with_its_reasons)
{
	start(MOVE_BLOCK_JOBS_REFUSE);
	ck_assert_str_eq(rig_state(), "prepare");
	ck_assert_ptr_nonnull(strstr(move_row(rig_move())->detail,
				     "\"plan\":{\"capabilities\":[{\"name\":\"events\",\"on\":true,"
				     "\"why\":\"MIGRATION and"));
}
END_TEST

/* An emulated guest of an old QEMU may lose writes, because the dirty log has a hole. */
START_TEST(begin_emulated_by_old_qemu_says_that_writes_may_be_lost)
{
	CLEANUP(free_charp) char *timeline = NULL;

	start(MOVE_BLOCK_JOBS_REFUSE);
	timeline = rig_timeline();
	ck_assert_ptr_nonnull(strstr(timeline, "QEMU 7.2 without KVM may lose"));
	ck_assert_str_eq(rig_state(), "prepare");
}
END_TEST

/* ---- several connections ----------------------------------------------------- */

static const struct transfer_features there = {
	.capabilities = { "events", "return-path", "late-block-activate", "multifd" },
	.capability_count = 4,
	.connections = 64,
	.cpus = 2,
};
static const struct move_options over_multifd = {
	.downtime_limit_ms = 300,
	.transfer = { .has_multifd = true, .multifd.channels = 4 },
};

START_TEST(begin_multifd_is_told_to_qemu_and_to_the_destination)
{
	CLEANUP(free_charp) char *timeline = NULL;

	fake_peer_features = &there;
	rig_start_move_with(&over_multifd);
	ck_assert_str_eq(rig_state(), "prepare");
	ck_assert_ptr_nonnull(strstr(fake_qmp_args("migrate-set-capabilities"),
				     "{\"capability\":\"multifd\",\"state\":true}"));
	ck_assert_ptr_nonnull(strstr(fake_qmp_args("migrate-set-parameters"),
				     "\"multifd-channels\":4,\"multifd-compression\":\"none\""));
	ck_assert_uint_eq(trace_count("peer fate"), 0);
	timeline = rig_timeline();
	ck_assert_ptr_nonnull(
		strstr(timeline,
		       "plan multifd-channels 4 (as asked for), multifd-compression none"));
}
END_TEST

/* Of several connections a QEMU before 10.0 may fail just as it gives its images up, and let the
 * guest run on: `cont' takes them back. */
START_TEST(multifd_that_fails_in_an_old_qemu_takes_the_images_back)
{
	fake_peer_features = &there;
	rig_start_move_with(&over_multifd);
	rig_answer_prepare();
	fake_stream_becomes(STREAM_CHANNEL_READY);
	ck_assert_str_eq(rig_state(), "transfer");
	fake_qemu_migrates("failed");
	rig_peer_says("drop", "refused");
	ck_assert_str_eq(rig_state(), "failed");
	ck_assert(rig_guest_runs());
	ck_assert_uint_eq(trace_count("qmp cont"), 1);
}
END_TEST

/* A destination that was started just now has not asked its QEMU program yet. */
START_TEST(begin_multifd_waits_until_the_destination_says_what_it_offers)
{
	rig_start_move_with(&over_multifd);
	for (int i = 0; i < 3; i++) {
		ck_assert_str_eq(rig_state(), "begin");
		fake_peer_hello_error = i == 1 ? ERR_TIMEOUT : 0;
		rig_advance(1000);
	}
	fake_peer_hello_error = 0;
	fake_peer_features = &there;
	rig_advance(1000);
	ck_assert_str_eq(rig_state(), "prepare");
}
END_TEST

START_TEST(begin_multifd_destination_never_says_move_is_refused)
{
	rig_start_move_with(&over_multifd);
	rig_advance(6000);
	rig_peer_says("drop", "refused");
	ck_assert_str_eq(rig_state(), "failed");
	ck_assert_str_eq(rig_error(), "unavailable");
	assert_reason("has not told yet what its QEMU offers");
	ck_assert_uint_eq(trace_count("peer prepare"), 0);
	ck_assert(rig_guest_runs());
}
END_TEST

/* A destination that cannot be reached is no destination that has not told. */
START_TEST(begin_multifd_destination_out_of_reach_says_so)
{
	fake_peer_hello_error = ERR_UNAVAILABLE;
	rig_start_move_with(&over_multifd);
	rig_peer_says("drop", "refused");
	ck_assert_str_eq(rig_state(), "failed");
	ck_assert_str_eq(rig_error(), "unavailable");
	assert_reason("host 'b' does not tell what its QEMU offers: the peer says unavailable");
	ck_assert(rig_guest_runs());
}
END_TEST

/* `prepare' has the words for it. */
START_TEST(begin_plain_move_does_not_wait_for_what_the_destination_offers)
{
	fake_peer_hello_error = ERR_UNAVAILABLE;
	rig_start_move();
	ck_assert_str_eq(rig_state(), "prepare");
}
END_TEST

/* A QEMU that an earlier coordinator started is asked how it is spoken to, once. */
START_TEST(begin_qemu_of_unknown_form_is_asked_for_its_schema)
{
	fake_qemu_has_schema = false;
	rig_start_move();
	ck_assert_str_eq(rig_state(), "prepare");
	ck_assert(fake_qemu_has_schema);
}
END_TEST

static void forget_features(void)
{
	fake_qemu_has_schema = true;
	fake_peer_hello_error = 0;
	fake_peer_features = NULL;
}

Suite *suite(void)
{
	Suite *s = suite_create("move_src_begin");
	TCase *tc;

	tc = rig_add_case(s, "block jobs");
	tcase_add_test(tc, begin_guest_that_has_not_run_since_its_last_move_is_refused);
	tcase_add_test(tc, begin_virtqueues_of_qemu_10_0_are_told_up_to_a_limit);
	tcase_add_test(tc, begin_virtqueues_of_another_qemu_are_not_asked_for);
	tcase_add_test(tc, begin_virtqueues_that_are_not_told_are_no_reason);
	tcase_add_test(tc, begin_block_job_runs_move_is_refused_by_its_name);
	tcase_add_test(tc, begin_export_is_there_move_is_refused_by_its_name);
	tcase_add_test(tc, begin_block_job_ends_while_it_waits_move_goes_on);
	tcase_add_test(tc, begin_block_job_does_not_end_in_time_move_fails);
	tcase_add_test(tc, begin_waits_for_a_block_job_cancel_ends_the_move);
	tcase_add_test(tc, begin_block_job_is_cancelled_by_rule_and_named);
	tcase_add_test(tc, begin_bitmap_that_will_be_lost_is_named);
	tcase_add_test(tc, begin_plan_is_recorded_with_its_reasons);
	tcase_add_test(tc, begin_emulated_by_old_qemu_says_that_writes_may_be_lost);

	tc = rig_add_case(s, "multifd");
	tcase_add_checked_fixture(tc, NULL, forget_features);
	tcase_add_test(tc, begin_multifd_is_told_to_qemu_and_to_the_destination);
	tcase_add_test(tc, multifd_that_fails_in_an_old_qemu_takes_the_images_back);
	tcase_add_test(tc, begin_multifd_waits_until_the_destination_says_what_it_offers);
	tcase_add_test(tc, begin_multifd_destination_never_says_move_is_refused);
	tcase_add_test(tc, begin_multifd_destination_out_of_reach_says_so);
	tcase_add_test(tc, begin_qemu_of_unknown_form_is_asked_for_its_schema);
	tcase_add_test(tc, begin_plain_move_does_not_wait_for_what_the_destination_offers);

	tc = rig_add_case(s, "images");
	tcase_add_test(tc, begin_paused_guest_has_its_images_nothing_is_done);
	tcase_add_test(tc, begin_images_cannot_be_taken_move_is_refused_and_no_peer_knows);
	tcase_add_test(tc, begin_images_of_a_paused_guest_are_taken_move_goes_on);
	return s;
}
