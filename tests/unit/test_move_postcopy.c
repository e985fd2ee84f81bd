/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Post-copy, on both sides. */
#include <string.h>

#include "base/mem.h"
#include "check_main.h"
#include "move_rig.h"

static const struct transfer_features there = {
	.capabilities = { "events", "return-path", "late-block-activate", "postcopy-ram" },
	.capability_count = 4,
	.connections = 64,
	.cpus = 2,
};

static void start_source(enum transfer_postcopy_start start)
{
	const struct move_options options = {
		.downtime_limit_ms = 300,
		.transfer = { .has_postcopy = true, .postcopy.start = (int)start },
	};

	fake_peer_features = &there;
	rig_start_move_with(&options);
	rig_answer_prepare();
	fake_stream_becomes(STREAM_CHANNEL_READY);
	ck_assert_str_eq(rig_state(), "transfer");
}

/* Of the source: the destination's answer to "what became of the move". */
static void fate_is(const char *more)
{
	CLEANUP(free_charp)
	char *text =
		xasprintf("{\"state\":\"fetch\",\"final\":false,\"verdict\":\"taken\"%s}", more);

	for (int i = 0; i < 40 && !fake_peer_pending("fate"); i++)
		rig_advance(50);
	fake_peer_answer("fate", text);
	rig_run();
}

/* Time goes by, and the destination answers. */
static void go_on(uint64_t ms)
{
	for (; ms > 0; ms -= 100) {
		rig_advance(100);
		if (fake_peer_pending("fate"))
			fake_peer_answer("fate", "{\"state\":\"transfer\",\"final\":false,"
						 "\"verdict\":\"none\"}");
		rig_run();
	}
}

static void bring_to_fetch(void)
{
	start_source(TRANSFER_POSTCOPY_AT_ONCE);
	fake_qemu_migrates("active");
	fake_qemu_migrates("postcopy-active");
	rig_peer_says("go", "taken");
	ck_assert_str_eq(rig_state(), "fetch");
}

static void new_stream_is_ready(void)
{
	for (int i = 0; i < 60 && !fake_peer_pending("recover"); i++) {
		rig_advance(50);
		if (fake_peer_pending("fate"))
			fate_is(",\"interrupted\":true");
	}
	fake_peer_answer("recover",
			 "{\"data_address\":\"192.0.2.1:8441\",\"token\":"
			 "\"0000000000000000000000000000000000000000000000000000000000000002\","
			 "\"channels\":[\"ram\"]}");
	rig_run();
	fake_stream_becomes(STREAM_CHANNEL_READY);
}

static void assert_lost(void)
{
	ck_assert_str_eq(rig_state(), "lost");
	ck_assert_str_eq(move_owner(rig_move()), rig_vm() ? "a" : "b");
	ck_assert_ptr_nonnull(
		strstr(move_row(rig_move())->error_text, "started anew from its disks"));
}

/* ---- the switch ---------------------------------------------------------------- */

/* A guest that runs at the switch may run on here when its connection breaks: it is stopped
 * before.  The destination may run it only when this QEMU cannot have it back. */
START_TEST(guest_is_stopped_before_the_switch_and_given_away_after_it)
{
	start_source(TRANSFER_POSTCOPY_AT_ONCE);
	trace_clear();
	fake_qemu_migrates("active");
	ck_assert_str_eq(rig_state(), "handover");
	trace_assert("disk handover", "stream timeout 3000", "stream keep", "qmp stop",
		     "qmp migrate-start-postcopy", NULL);
	fake_qemu_migrates("postcopy-device");
	rig_advance(400);
	ck_assert_uint_eq(trace_count("peer go run"), 0);
	fake_qemu_migrates("postcopy-active");
	ck_assert_uint_eq(trace_count("peer go run"), 1);
	rig_peer_says("go", "taken");
	ck_assert_str_eq(rig_state(), "fetch");
	ck_assert(fake_qemu()->is_alive);
	ck_assert_str_eq(move_owner(rig_move()), "b");
	fake_qemu_migrates("completed");
	ck_assert_str_eq(rig_state(), "done");
	ck_assert(!fake_qemu()->is_alive);
}
END_TEST

/* QEMU 11.1 fails on the destination when nothing is left to send at the switch, so it sends one
 * page each 100 ms before.  The guest is stopped shortly before the next one. */
static void start_later_source(uint64_t bytes_left)
{
	fake_qemu_version = (struct qmp_version){ .major = 11, .minor = 1 };
	start_source(TRANSFER_POSTCOPY_AT_ONCE);
	fake_qemu()->bytes_left = bytes_left;
	trace_clear();
	fake_qemu_migrates("active");
	trace_assert("qmp migrate-set-parameters", NULL);
	rig_advance(40);
	fake_qemu_event("MIGRATION_PASS", "{\"pass\":2}");
	rig_advance(84);
	ck_assert_str_eq(rig_state(), "transfer");
	rig_advance(1);
	ck_assert_str_eq(rig_state(), "handover");
}

START_TEST(later_qemu_sends_nothing_before_the_switch)
{
	start_later_source(1 << 20);
	trace_assert("qmp migrate-set-parameters", "disk handover", "stream timeout 3000",
		     "stream keep", "qmp migrate-set-parameters", "qmp stop",
		     "qmp migrate-start-postcopy", NULL);
}
END_TEST

START_TEST(later_qemu_with_little_left_sends_it_before_the_guest_goes_over)
{
	start_later_source((1 << 20) - 4096);
	rig_advance(2000);
	trace_assert("qmp migrate-set-parameters", "disk handover", "stream timeout 3000",
		     "stream keep", "qmp migrate-set-parameters", "qmp stop",
		     "qmp migrate-set-parameters", NULL);
	fake_qemu_migrates("device");
	fake_qemu_migrates("completed");
	rig_peer_says("go", "taken");
	ck_assert_str_eq(rig_state(), "done");
}
END_TEST

START_TEST(later_qemu_that_tells_no_pass_is_switched_all_the_same)
{
	fake_qemu_version = (struct qmp_version){ .major = 10, .minor = 1 };
	start_source(TRANSFER_POSTCOPY_AT_ONCE);
	fake_qemu()->bytes_left = 1 << 20;
	fake_qemu_migrates("active");
	rig_advance(300);
	ck_assert_str_eq(rig_state(), "handover");
	ck_assert_uint_eq(trace_count("qmp migrate-start-postcopy"), 1);
}
END_TEST

START_TEST(user_says_when_the_guest_goes_over)
{
	struct err err;

	start_source(TRANSFER_POSTCOPY_MANUAL);
	fake_qemu_migrates("active");
	go_on(3000);
	ck_assert_str_eq(rig_state(), "transfer");
	ck_assert_msg(move_switch(rig_move(), &err), "%s", err.msg);
	rig_run();
	ck_assert_str_eq(rig_state(), "handover");
	ck_assert(!move_switch(rig_move(), &err));
	ck_assert_int_eq(err.code, ERR_TOO_LATE);
}
END_TEST

/* QEMU must be told of post-copy before it sends. */
START_TEST(move_without_postcopy_cannot_be_switched)
{
	struct err err;

	rig_bring_to("transfer");
	ck_assert(!move_switch(rig_move(), &err));
	ck_assert_int_eq(err.code, ERR_CONFLICT);
}
END_TEST

START_TEST(first_pass_is_over_when_qemu_has_looked_at_all)
{
	start_source(TRANSFER_POSTCOPY_FIRST_PASS);
	fake_qmp_result("query-migrate",
			"{\"status\":\"active\",\"ram\":{\"total\":4096000,\"remaining\":3000000,"
			"\"transferred\":1000000,\"normal\":250,\"duplicate\":100,\"page-size\":"
			"4096}}");
	fake_qemu_migrates("active");
	go_on(2000);
	ck_assert_str_eq(rig_state(), "transfer");
	fake_qmp_result("query-migrate",
			"{\"status\":\"active\",\"ram\":{\"total\":4096000,\"remaining\":3000000,"
			"\"transferred\":1000000,\"normal\":800,\"duplicate\":200,\"page-size\":"
			"4096}}");
	go_on(1000);
	ck_assert_str_eq(rig_state(), "handover");
}
END_TEST

/* A connection that breaks before the switch is over leaves the guest here. */
START_TEST(source_that_fails_before_the_switch_keeps_the_guest)
{
	start_source(TRANSFER_POSTCOPY_AT_ONCE);
	fake_qemu_migrates("active");
	fake_qemu_migrates("postcopy-device");
	fake_qemu_migrates("failed");
	ck_assert_str_eq(rig_state(), "rollback");
	rig_peer_says("drop", "refused");
	ck_assert_str_eq(rig_state(), "failed");
	ck_assert(rig_guest_runs());
	ck_assert_uint_eq(trace_count("peer go run"), 0);
}
END_TEST

/* QEMU 7.2 that has sent all and then loses its connection stays so for ever. */
START_TEST(guest_that_was_refused_runs_here_although_qemu_stays_in_postcopy)
{
	start_source(TRANSFER_POSTCOPY_AT_ONCE);
	fake_qemu_migrates("active");
	fake_qemu_migrates("postcopy-active");
	rig_peer_says("go", "refused");
	ck_assert_str_eq(rig_state(), "rollback");
	rig_advance(2000);
	ck_assert(!rig_guest_runs());
	rig_advance(2000);
	ck_assert(rig_guest_runs());
	ck_assert_str_eq(rig_state(), "failed");
}
END_TEST

/* The destination has all, so nothing is lost with this QEMU. */
START_TEST(source_that_ends_when_all_is_sent_gives_the_guest_away)
{
	start_source(TRANSFER_POSTCOPY_AT_ONCE);
	fake_qemu_migrates("active");
	fake_qemu_migrates("completed");
	fake_qemu_dies();
	ck_assert_str_eq(rig_state(), "handover");
	rig_peer_says("go", "taken");
	ck_assert_str_eq(rig_state(), "done");
}
END_TEST

/* The streams wait for each other on a lost link, so only the destination's words tell that it has
 * given up. */
START_TEST(destination_that_refuses_in_transfer_is_heard)
{
	start_source(TRANSFER_POSTCOPY_MANUAL);
	fake_qemu_migrates("active");
	for (int i = 0; i < 40 && !fake_peer_pending("fate"); i++)
		rig_advance(50);
	fake_peer_answer("fate", "{\"state\":\"failed\",\"final\":true,\"verdict\":\"refused\"}");
	rig_run();
	ck_assert_str_eq(rig_state(), "rollback");
	fake_qemu_migrates("cancelled");
	rig_peer_says("drop", "refused");
	ck_assert_str_eq(rig_state(), "failed");
	ck_assert(rig_guest_runs());
}
END_TEST

/* Its QEMU ends when ours gives up, which it may tell before our QEMU has. */
START_TEST(cancel_that_the_destination_notices_first_is_a_cancel)
{
	struct err err;

	start_source(TRANSFER_POSTCOPY_MANUAL);
	fake_qemu_migrates("active");
	fake_qmp_hold("migrate_cancel");
	ck_assert_msg(move_cancel(rig_move(), "ops", &err), "%s", err.msg);
	for (int i = 0; i < 40 && !fake_peer_pending("fate"); i++)
		rig_advance(50);
	fake_peer_answer("fate", "{\"state\":\"failed\",\"final\":true,\"verdict\":\"refused\"}");
	rig_run();
	ck_assert_str_eq(rig_state(), "rollback");
	fake_qmp_release("migrate_cancel");
	rig_peer_says("drop", "refused");
	ck_assert_str_eq(rig_state(), "cancelled");
	ck_assert(rig_guest_runs());
}
END_TEST

/* ---- fetch: the source ------------------------------------------------------------ */

START_TEST(move_ends_when_the_destination_says_that_it_has_all)
{
	bring_to_fetch();
	fate_is("");
	ck_assert_str_eq(rig_state(), "fetch");
	rig_advance(1000);
	fake_peer_answer("fate", "{\"state\":\"done\",\"final\":true,\"verdict\":\"taken\"}");
	rig_run();
	ck_assert_str_eq(rig_state(), "done");
	ck_assert_ptr_null(rig_vm());
}
END_TEST

START_TEST(guest_cannot_come_back_from_fetch)
{
	struct err err;

	bring_to_fetch();
	ck_assert(!move_cancel(rig_move(), "ops", &err));
	ck_assert_int_eq(err.code, ERR_TOO_LATE);
	ck_assert_int_eq(rig_resolve(MOVE_KEEP_SOURCE, "b"), ERR_CONFLICT);
	ck_assert_int_eq(rig_resolve(MOVE_KEEP_DESTINATION, "b"), ERR_CONFLICT); /* it answers */
	ck_assert_str_eq(rig_state(), "fetch");
}
END_TEST

START_TEST(fetch_goes_on_after_a_restart)
{
	bring_to_fetch();
	rig_restart();
	ck_assert_str_eq(rig_state(), "fetch");
	ck_assert_uint_eq(fake_stream_lease_ms, STREAM_LEASE_FOREVER);
	fake_qemu_migrates("completed");
	ck_assert_str_eq(rig_state(), "done");
}
END_TEST

START_TEST(source_goes_on_over_a_new_stream)
{
	bring_to_fetch();
	fake_stream_dies();
	fake_qemu_migrates("postcopy-paused");
	new_stream_is_ready();
	ck_assert_ptr_nonnull(strstr(fake_qmp_args("migrate"), "\"resume\":true"));
	fake_qemu_migrates("postcopy-recover");
	fake_qemu_migrates("postcopy-active");
	rig_advance(2000);
	ck_assert_uint_eq(trace_count("peer recover"), 1);
	fake_qemu_migrates("completed");
	ck_assert_str_eq(rig_state(), "done");
}
END_TEST

/* A QEMU that pauses late is not one that hangs. */
START_TEST(source_that_pauses_late_goes_on)
{
	bring_to_fetch();
	fake_stream_dies();
	rig_advance(4000);
	fake_qemu_migrates("postcopy-paused");
	new_stream_is_ready();
	fake_qemu_migrates("postcopy-active");
	fake_qemu_migrates("completed");
	ck_assert_str_eq(rig_state(), "done");
}
END_TEST

/* The guest may have run there, so only a person can end the wait for a host that is gone. */
START_TEST(guest_whose_source_ended_in_doubt_is_given_by_a_person)
{
	start_source(TRANSFER_POSTCOPY_AT_ONCE);
	fake_qemu_migrates("active");
	fake_qemu_migrates("postcopy-active");
	fake_qemu_dies();
	ck_assert_str_eq(rig_state(), "rollback");
	for (int i = 0; i < 200; i++) {
		if (fake_peer_pending("drop"))
			fake_peer_fail("drop", ERR_UNAVAILABLE);
		rig_advance(500);
	}
	ck_assert_str_eq(rig_state(), "rollback");
	ck_assert_int_eq(rig_resolve(MOVE_KEEP_SOURCE, "b"), ERR_NONE);
	ck_assert_str_eq(rig_state(), "failed");
}
END_TEST

/* Nothing is missing there, and this host knows so after a restart. */
START_TEST(restarted_source_whose_qemu_ended_gives_the_guest_if_all_was_sent)
{
	start_source(TRANSFER_POSTCOPY_AT_ONCE);
	fake_qemu_migrates("active");
	fake_qemu_migrates("completed");
	fake_peer_fail("go", ERR_PEER);
	rig_run();
	fake_qemu_dies();
	rig_restart();
	ck_assert_str_eq(rig_state(), "handover");
	rig_peer_says("go", "taken");
	ck_assert_str_eq(rig_state(), "done");
}
END_TEST

START_TEST(stream_that_cannot_be_made_is_tried_again)
{
	bring_to_fetch();
	fake_stream_dies();
	fake_qemu_migrates("postcopy-paused");
	for (int i = 0; i < 3; i++) {
		while (!fake_peer_pending("recover"))
			rig_advance(50);
		fake_peer_fail("recover", ERR_BUSY);
		rig_run();
		ck_assert_ptr_nonnull(strstr(move_reason(rig_move()), "cannot be made again yet"));
	}
	rig_restart();
	new_stream_is_ready();
	fake_qemu_migrates("postcopy-active");
	fake_qemu_migrates("completed");
	ck_assert_str_eq(rig_state(), "done");
}
END_TEST

/* Only the destination knows whether something is missing there. */
START_TEST(source_that_ends_is_lost_only_if_the_destination_waits)
{
	bring_to_fetch();
	fake_qemu_dies();
	fate_is("");
	ck_assert_str_eq(rig_state(), "fetch");
	fate_is(",\"interrupted\":true");
	assert_lost();
	ck_assert(move_has_lost_memory(rig_move()));
}
END_TEST

/* ---- the destination ----------------------------------------------------------------- */

static void offer(void)
{
	rig.plan = json_read_back(
		"{\"capabilities\":[{\"name\":\"events\",\"on\":true},"
		"{\"name\":\"postcopy-ram\",\"on\":true}],"
		"\"channels\":[{\"name\":\"ram\",\"connections\":1,\"may_reconnect\":true}]}");
	ck_assert_int_eq(rig_offer(), ERR_NONE);
	fake_stream_becomes(STREAM_CHANNEL_READY);
	fake_stream_becomes(STREAM_CHANNEL_OPEN);
	fake_qemu_migrates("active");
}

static void receive(void)
{
	offer();
	fake_qemu_migrates("postcopy-active");
	ck_assert_str_eq(rig_go(true), "taken");
	ck_assert_str_eq(rig_state(), "fetch");
	ck_assert(rig_guest_runs());
}

static void fini_plan(void)
{
	json_object_put(rig.plan);
	rig.plan = NULL;
}

START_TEST(guest_runs_when_its_devices_are_loaded)
{
	offer();
	ck_assert_str_eq(rig_go(true), "");
	fake_qemu_migrates("postcopy-active");
	ck_assert_str_eq(rig_verdict(), "taken");
	ck_assert_str_eq(rig_state(), "fetch");
	fake_qemu_migrates("completed");
	rig_advance(3000); /* the source's QEMU is to hear of it */
	ck_assert_str_eq(rig_state(), "done");
	ck_assert_ptr_null(vm_job(rig_vm()));
	fini_plan();
}
END_TEST

static unsigned moments;

static void on_rejoined(void *data, struct move *move)
{
	(void)data;
	(void)move;
	moments++;
}

static bool ask_to_rejoin(struct err *err)
{
	const struct move_claim claim = {
		.id = RIG_MOVE_ID, .vm_uuid = "", .source = "b", .generation = RIG_GENERATION
	};
	struct move *move = moves_rejoin(rig.moves, &claim, err);

	if (move)
		move_when(move, MOVE_REJOINED, on_rejoined, NULL);
	rig_run();
	return move != NULL;
}

START_TEST(destination_waits_for_the_source_on_a_new_stream)
{
	struct err err;

	moments = 0;
	receive();
	ck_assert(!move_is_interrupted(rig_move()));
	fake_stream_dies();
	ck_assert(move_needs_stream(rig_move()));
	ck_assert(!move_is_interrupted(rig_move()));
	ck_assert_msg(ask_to_rejoin(&err), "%s", err.msg);
	ck_assert_uint_eq(moments, 0);
	fake_qemu_migrates("postcopy-paused");
	rig_advance(500);
	ck_assert_uint_eq(moments, 1);
	ck_assert(!move_rejoin_failed(rig_move(), &err));
	ck_assert_uint_eq(trace_count("qmp migrate-recover"), 1);
	fake_qemu_migrates("postcopy-active");
	ck_assert(!move_is_interrupted(rig_move()));
	fake_qemu_migrates("completed");
	rig_advance(3000);
	ck_assert_str_eq(rig_state(), "done");
	ck_assert(!ask_to_rejoin(&err));
	ck_assert_int_eq(err.code, ERR_TOO_LATE);
	fini_plan();
}
END_TEST

START_TEST(destination_says_why_it_has_no_new_stream)
{
	struct err err;

	moments = 0;
	receive();
	fake_stream_dies();
	fake_qemu_migrates("postcopy-paused");
	fake_qmp_refuse("migrate-recover", ERR_QEMU);
	ck_assert(ask_to_rejoin(&err));
	rig_advance(500);
	ck_assert_uint_eq(moments, 1);
	ck_assert(move_rejoin_failed(rig_move(), &err));
	ck_assert(move_is_interrupted(rig_move()));
	fake_qmp_accept("migrate-recover");
	ck_assert(ask_to_rejoin(&err));
	rig_advance(500);
	ck_assert_uint_eq(moments, 2);
	ck_assert(!move_rejoin_failed(rig_move(), &err));
	fini_plan();
}
END_TEST

START_TEST(guest_is_lost_when_the_source_says_so)
{
	receive();
	fake_stream_dies();
	fake_qemu_migrates("postcopy-paused");
	fate_is("");
	ck_assert_str_eq(rig_state(), "fetch");
	fate_is(",\"memory_lost\":true");
	assert_lost();
	ck_assert_ptr_null(vm_job(rig_vm()));
	fini_plan();
}
END_TEST

/* The source's host never comes back. */
START_TEST(guest_is_lost_when_a_person_says_so)
{
	receive();
	fake_stream_dies();
	fake_qemu_migrates("postcopy-paused");
	rig_advance(6000);
	ck_assert_ptr_nonnull(
		strstr(move_reason(rig_move()), "--keep destination --assert-dead b"));
	ck_assert_int_eq(rig_resolve(MOVE_KEEP_SOURCE, "a"), ERR_CONFLICT);
	ck_assert_int_eq(rig_resolve(MOVE_KEEP_DESTINATION, "a"), ERR_CONFLICT);
	ck_assert_int_eq(rig_resolve(MOVE_KEEP_DESTINATION, "b"), ERR_NONE);
	assert_lost();
	fini_plan();
}
END_TEST

/* QEMU needs a page itself, and its stream is broken: it answers `cont' when there is a new one,
 * for which the source asks when it has heard that the guest is here. */
START_TEST(qemu_that_waits_for_memory_at_cont_does_not_keep_the_source_waiting)
{
	struct err err;

	offer();
	fake_qemu_migrates("postcopy-active");
	fake_stream_dies();
	fake_qemu_migrates("postcopy-paused");
	fake_qmp_hold("cont");
	fake_qmp_hold("query-status");
	ck_assert_str_eq(rig_go_switched(), "");
	rig_advance(2000);
	ck_assert_str_eq(rig_verdict(), "taken");
	ck_assert_str_eq(rig_state(), "fetch");
	ck_assert(!rig_guest_runs());
	ck_assert_msg(ask_to_rejoin(&err), "%s", err.msg);
	rig_advance(500);
	fake_qemu_migrates("postcopy-active");
	fake_qmp_release("cont");
	fake_qmp_release("query-status");
	rig_advance(500);
	ck_assert(rig_guest_runs());
	ck_assert_uint_eq(trace_count("qmp cont"), 1);
	fini_plan();
}
END_TEST

/* The same, and the coordinator ends before QEMU was told. */
START_TEST(guest_that_was_not_let_run_in_handover_is_let_run_in_fetch)
{
	offer();
	fake_qemu_migrates("postcopy-active");
	fake_qmp_hold("cont");
	fake_qmp_hold("query-status");
	ck_assert_str_eq(rig_go_switched(), "");
	ck_assert_str_eq(rig_state(), "handover");
	rig_restart();
	rig_advance(2000);
	ck_assert_str_eq(rig_state(), "fetch");
	fake_qemu_migrates("completed");
	rig_advance(5000);
	ck_assert_str_eq(rig_state(), "fetch");        /* a move that has ended lets no guest run */
	ck_assert_uint_eq(trace_count("qmp cont"), 1); /* that of the former coordinator */
	fake_qmp_release("query-status");
	rig_advance(500);
	ck_assert_uint_eq(trace_count("qmp cont"), 2);
	fake_qmp_release("cont");
	rig_advance(500);
	ck_assert(rig_guest_runs());
	ck_assert_uint_eq(trace_count("qmp cont"), 2);
	rig_advance(3000);
	ck_assert_str_eq(rig_state(), "done");
	fini_plan();
}
END_TEST

/* It lost its connection while it loaded the devices: it cannot pause then, and may hang as it
 * ends. */
START_TEST(qemu_that_fails_in_fetch_is_ended)
{
	receive();
	fake_qemu_migrates("failed");
	rig_advance(1000);
	ck_assert(!fake_qemu()->is_alive);
	ck_assert_str_eq(rig_state(), "done");
	ck_assert_str_eq(vm_state(rig_vm()), "crashed");
	fini_plan();
}
END_TEST

/* All memory is there, so that QEMU waits for nothing: its answer is awaited, and the move does
 * not end before the guest runs. */
START_TEST(cont_that_is_slow_with_all_memory_there_does_not_end_the_move)
{
	offer();
	fake_qemu_migrates("postcopy-active");
	fake_qmp_hold("cont");
	ck_assert_str_eq(rig_go_switched(), "");
	fake_qemu_migrates("completed");
	rig_advance(3000);
	ck_assert_str_eq(rig_state(), "handover");
	ck_assert_str_eq(rig_verdict(), "");
	fake_qmp_release("cont");
	rig_advance(500);
	ck_assert(rig_guest_runs());
	ck_assert_uint_eq(trace_count("qmp cont"), 1);
	ck_assert_str_eq(rig_state(), "done");
	fini_plan();
}
END_TEST

/* A restart in handover leads to fetch also if nothing was switched. */
START_TEST(cont_that_is_refused_in_fetch_leaves_the_guest_here)
{
	offer();
	fake_qemu_migrates("completed");
	fake_qmp_hold("cont");
	ck_assert_str_eq(rig_go(true), "");
	fake_qmp_hold("query-migrate");
	rig_restart();
	rig_advance(500);
	fake_qmp_release("cont");
	rig_advance(500);
	ck_assert_str_eq(rig_state(), "fetch");
	fake_qmp_refuse("cont", ERR_QEMU);
	fake_qemu()->run = QMP_RUN_PAUSED; /* by a person at its own monitor */
	rig_restart();
	rig_advance(1000);
	ck_assert_str_eq(rig_state(), "fetch");
	ck_assert(vm_reason(rig_vm())[0]);
	fake_qmp_release("query-migrate");
	rig_advance(5000);
	ck_assert_str_eq(rig_state(), "done");
	ck_assert(!rig_guest_runs());
	fini_plan();
}
END_TEST

START_TEST(guest_that_dies_in_fetch_has_died_here)
{
	receive();
	fake_qemu_dies();
	ck_assert_str_eq(rig_state(), "done");
	ck_assert_str_eq(vm_state(rig_vm()), "crashed");
	fini_plan();
}
END_TEST

Suite *suite(void)
{
	Suite *s = suite_create("move_postcopy");
	TCase *tc = rig_add_case(s, "switch");

	tcase_add_test(tc, guest_is_stopped_before_the_switch_and_given_away_after_it);
	tcase_add_test(tc, later_qemu_sends_nothing_before_the_switch);
	tcase_add_test(tc, later_qemu_with_little_left_sends_it_before_the_guest_goes_over);
	tcase_add_test(tc, later_qemu_that_tells_no_pass_is_switched_all_the_same);
	tcase_add_test(tc, user_says_when_the_guest_goes_over);
	tcase_add_test(tc, move_without_postcopy_cannot_be_switched);
	tcase_add_test(tc, first_pass_is_over_when_qemu_has_looked_at_all);
	tcase_add_test(tc, source_that_fails_before_the_switch_keeps_the_guest);
	tcase_add_test(tc, guest_that_was_refused_runs_here_although_qemu_stays_in_postcopy);
	tcase_add_test(tc, source_that_ends_when_all_is_sent_gives_the_guest_away);
	tcase_add_test(tc, destination_that_refuses_in_transfer_is_heard);
	tcase_add_test(tc, cancel_that_the_destination_notices_first_is_a_cancel);
	tc = rig_add_case(s, "source");
	tcase_add_test(tc, move_ends_when_the_destination_says_that_it_has_all);
	tcase_add_test(tc, guest_cannot_come_back_from_fetch);
	tcase_add_test(tc, fetch_goes_on_after_a_restart);
	tcase_add_test(tc, source_goes_on_over_a_new_stream);
	tcase_add_test(tc, source_that_pauses_late_goes_on);
	tcase_add_test(tc, guest_whose_source_ended_in_doubt_is_given_by_a_person);
	tcase_add_test(tc, restarted_source_whose_qemu_ended_gives_the_guest_if_all_was_sent);
	tcase_add_test(tc, stream_that_cannot_be_made_is_tried_again);
	tcase_add_test(tc, source_that_ends_is_lost_only_if_the_destination_waits);
	tc = rig_add_case(s, "destination");
	tcase_add_test(tc, guest_runs_when_its_devices_are_loaded);
	tcase_add_test(tc, destination_waits_for_the_source_on_a_new_stream);
	tcase_add_test(tc, destination_says_why_it_has_no_new_stream);
	tcase_add_test(tc, guest_is_lost_when_the_source_says_so);
	tcase_add_test(tc, guest_is_lost_when_a_person_says_so);
	tcase_add_test(tc, qemu_that_waits_for_memory_at_cont_does_not_keep_the_source_waiting);
	tcase_add_test(tc, guest_that_was_not_let_run_in_handover_is_let_run_in_fetch);
	tcase_add_test(tc, qemu_that_fails_in_fetch_is_ended);
	tcase_add_test(tc, cont_that_is_slow_with_all_memory_there_does_not_end_the_move);
	tcase_add_test(tc, cont_that_is_refused_in_fetch_leaves_the_guest_here);
	tcase_add_test(tc, guest_that_dies_in_fetch_has_died_here);
	return s;
}
