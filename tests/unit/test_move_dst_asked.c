/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What a destination answers to whoever asks: its source, strangers, callers at the data port, users. */
#include <string.h>

#include "base/mem.h"
#include "check_main.h"
#include "move_rig.h"
#include "stream/preamble.h"

#define OTHER_ID "018f0000-0000-7000-8000-0000000000ff"

static void ready_to_go(void)
{
	ck_assert_int_eq(rig_offer(), ERR_NONE);
	rig_loads();
}

/* Nothing of a refused guest stays on this host: no VM, no process, no handover. */
static void assert_refused(void)
{
	ck_assert_str_eq(rig_state(), "failed");
	ck_assert_str_eq(rig.disk.verdict, "refused");
	ck_assert(!rig.disk.has_vm);
	ck_assert_ptr_null(rig_vm());
	ck_assert(!fake_stream_is_alive());
	ck_assert_uint_eq(trace_count("disk handover"), 0);
}

static void assert_nothing_left(void)
{
	assert_refused();
	ck_assert(!fake_qemu()->is_alive);
}

/* ---- who asks ---------------------------------------------------------------- */

/* Another host, or a claim of an older generation, cannot change a move. */
START_TEST(stranger_or_stale_claim_changes_nothing)
{
	ready_to_go();
	trace_clear();
	ck_assert_str_eq(rig_go_of(RIG_MOVE_ID, "c", RIG_GENERATION), "forbidden");
	ck_assert_str_eq(rig_drop_of(RIG_MOVE_ID, "c", RIG_GENERATION), "forbidden");
	ck_assert_str_eq(rig_go_of(RIG_MOVE_ID, "b", RIG_GENERATION + 1), "conflict");
	ck_assert_str_eq(rig_drop_of(RIG_MOVE_ID, "b", RIG_GENERATION - 1), "conflict");
	ck_assert_int_eq(rig_offer_of("c", RIG_GENERATION), ERR_FORBIDDEN);
	ck_assert_int_eq(rig_offer_of("b", RIG_GENERATION + 1), ERR_CONFLICT);
	rig_advance(100);
	trace_assert_empty();
	ck_assert_str_eq(rig_state(), "transfer");
	ck_assert_str_eq(rig_go(true), "taken");
}
END_TEST

/* A drop may overtake its offer: the move is then recorded as unknown, and a late offer is
 * refused. */
START_TEST(unknown_dropped_late_offer_is_refused)
{
	ck_assert_str_eq(rig_drop(), "unknown");
	trace_assert_order("disk failed unknown", "answer unknown");
	ck_assert_int_eq(rig_offer(), ERR_NOT_FOUND);
	ck_assert_str_eq(rig_go(true), "unknown");
	ck_assert_uint_eq(trace_count("qemu"), 0);
	rig_restart();
	ck_assert_int_eq(rig_offer(), ERR_NOT_FOUND);
	ck_assert_str_eq(rig_go(true), "unknown");
	ck_assert_ptr_null(rig_vm());
}
END_TEST

/* A host that lost its records may run the guest: it must not let another host run it. */
START_TEST(unknown_go_is_no_refusal)
{
	ck_assert_str_eq(rig_go(true), "unknown");
	ck_assert_str_eq(rig.disk.verdict, "unknown");
	ck_assert_int_eq(rig_offer(), ERR_NOT_FOUND);
	ck_assert_str_eq(rig_drop(), "unknown");
}
END_TEST

/* The VM's own record answers even when the move's record is gone. */
START_TEST(unknown_go_of_a_vm_that_is_here_is_taken)
{
	ready_to_go();
	ck_assert_str_eq(rig_go(true), "taken");
	ck_assert_str_eq(rig_go_of("018f0000-0000-7000-8000-0000000000a2", "b", RIG_GENERATION),
			 "taken");
	ck_assert_str_eq(rig_go_of("018f0000-0000-7000-8000-0000000000a3", "b", RIG_GENERATION + 1),
			 "unknown");
}
END_TEST

/* A QEMU without a record may belong to a database that was lost: a second QEMU of that guest
 * must not start. */
START_TEST(offer_of_a_guest_whose_qemu_lives_without_record_is_refused)
{
	fake_qemu_is_stray = true;
	ck_assert_int_eq(rig_offer(), ERR_CONFLICT);
	ck_assert_ptr_null(rig_vm());
	ck_assert_str_eq(rig_go(true), "unknown");
	ck_assert_ptr_nonnull(strstr(move_row(rig_move())->error_text, "a QEMU of this VM"));
	fake_qemu_is_stray = false;
}
END_TEST

/* Requests for unknown moves leave a bounded number of records, and push out no others. */
START_TEST(unknown_go_without_end_is_limited)
{
	char id[ID_UUID_SIZE];
	unsigned limited = 0;

	ready_to_go();
	ck_assert_str_eq(rig_go(true), "taken");
	for (unsigned i = 0; i < 300; i++) {
		trace_clear();
		snprintf(id, sizeof(id), "018f0000-0000-7000-8000-%012u", 1000 + i);
		limited += strcmp(rig_go_of(id, "c", 7), "limit") == 0;
	}
	ck_assert_uint_eq(limited, 300 - 256);
	ck_assert_int_eq(move_verdict(moves_find(rig.moves, RIG_MOVE_ID)), VERDICT_TAKEN);
	ck_assert_str_eq(rig_go_of("018f0000-0000-7000-8000-0000000000a4", "x1", 7), "forbidden");
}
END_TEST

static enum err_code settle(enum verdict verdict)
{
	struct move *move = NULL;
	struct err err = { 0 };
	bool ok = moves_settle(rig.moves,
			       &(struct move_claim){ .id = RIG_MOVE_ID,
						     .source = "b",
						     .vm_uuid = RIG_VM_UUID,
						     .generation = RIG_GENERATION,
						     .verdict = verdict },
			       &move, &err);

	rig_run();
	return ok ? ERR_NONE : err.code;
}

/* The verdict is kept, over a restart too, until the source has noted it. */
START_TEST(taken_is_kept_until_the_source_settles_it)
{
	ready_to_go();
	ck_assert_str_eq(rig_go(true), "taken");
	rig_restart();
	ck_assert(!move_is_settled(rig_move()));
	ck_assert_int_eq(settle(VERDICT_REFUSED), ERR_CONFLICT);
	ck_assert(!move_is_settled(rig_move()));
	ck_assert_int_eq(settle(VERDICT_TAKEN), ERR_NONE);
	ck_assert(move_is_settled(rig_move()));
	rig_restart();
	ck_assert(move_is_settled(rig_move()));
}
END_TEST

/* A source that does not settle a move is asked; if its own move has ended, that settles it
 * too. */
START_TEST(taken_unsettled_asks_the_source)
{
	ready_to_go();
	ck_assert_str_eq(rig_go(true), "taken");
	rig_advance(10000);
	fake_peer_fail("fate", ERR_UNAVAILABLE);
	rig_advance(1000);
	fake_peer_answer("fate", "{\"state\":\"unknown\",\"final\":false,\"verdict\":\"unknown\"}");
	ck_assert(!move_is_settled(rig_move()));
	rig_advance(2000);
	fake_peer_answer("fate", "{\"state\":\"done\",\"final\":true,\"verdict\":\"taken\"}");
	ck_assert(move_is_settled(rig_move()));
	rig_advance(120000);
	ck_assert_uint_eq(fake_peer_pending("fate"), 0);
}
END_TEST

/* The source may never come back: then a person settles the move. */
START_TEST(taken_unsettled_is_settled_by_a_person)
{
	ready_to_go();
	ck_assert_str_eq(rig_go(true), "taken");
	ck_assert_int_eq(rig_resolve(MOVE_KEEP_SOURCE, "b"), ERR_CONFLICT);
	ck_assert_int_eq(rig_resolve(MOVE_KEEP_DESTINATION, ""), ERR_CONFLICT);
	ck_assert_int_eq(rig_resolve(MOVE_KEEP_DESTINATION, "b"), ERR_NONE);
	ck_assert(move_is_settled(rig_move()));
	ck_assert_str_eq(rig.disk.verdict, "taken");
}
END_TEST

/* The source lost its records and will never send go, and the guest that is complete here may
 * be the only copy. */
START_TEST(source_without_record_loaded_guest_is_stuck)
{
	const char *unknown = "{\"state\":\"unknown\",\"final\":false,\"verdict\":\"unknown\"}";

	ready_to_go();
	rig_advance(5000);
	fake_peer_answer("fate", unknown);
	ck_assert_str_eq(rig_state(), "stuck");
	ck_assert_ptr_nonnull(strstr(move_reason(rig_move()), "has no record"));
	rig_advance(5000);
	fake_peer_answer("fate", unknown);
	ck_assert_str_eq(rig_state(), "stuck");
	ck_assert(!rig_guest_runs());
}
END_TEST

/* A verdict that is not on disk is not answered. */
START_TEST(unknown_go_disk_full_is_not_answered)
{
	rig_disk_is_full(true);
	ck_assert_str_eq(rig_go(true), "");
	rig_advance(2000);
	ck_assert_str_eq(rig_verdict(), "");
	rig_disk_is_full(false);
	rig_advance(1000);
	ck_assert_str_eq(rig_verdict(), "unknown");
}
END_TEST

/* Messages may come twice, and late: the records answer them. */
START_TEST(replays_are_harmless)
{
	ready_to_go();
	ck_assert_int_eq(rig_offer(), ERR_NONE);
	ck_assert_str_eq(rig_go(true), "taken");
	trace_clear();
	ck_assert_str_eq(rig_go(true), "taken");
	ck_assert_str_eq(rig_go(false), "taken");
	ck_assert_str_eq(rig_drop(), "taken");
	rig_offer();
	trace_assert("answer taken", "answer taken", "answer taken", NULL);
	ck_assert(rig_guest_runs());
	ck_assert_str_eq(vm_state(rig_vm()), "running");
}
END_TEST

/* A second go with another wish comes too late: the first is already carried out. */
START_TEST(go_twice_first_decides)
{
	ready_to_go();
	fake_qmp_hold("cont");
	ck_assert_str_eq(rig_go(true), "");
	ck_assert_str_eq(rig_go(false), "");
	fake_qmp_release("cont");
	ck_assert_str_eq(rig_verdict(), "taken");
	ck_assert(rig_guest_runs());
	ck_assert_uint_eq(trace_count("disk handover"), 1);
	ck_assert_uint_eq(trace_count("qmp cont"), 1);
	ck_assert_uint_eq(trace_count("answer taken"), 2);
}
END_TEST

/* A guest that is being recorded as running must run. */
START_TEST(go_twice_while_taken_is_written_first_decides)
{
	ready_to_go();
	rig_disk_hold();
	ck_assert_str_eq(rig_go(true), "");
	ck_assert_str_eq(rig_go(false), "");
	rig_disk_go_on();
	ck_assert_str_eq(rig_verdict(), "taken");
	ck_assert(rig_guest_runs());
	ck_assert_int_eq(vm_intent(rig_vm()), VM_INTENT_STARTED);
}
END_TEST

START_TEST(offer_twice_is_one_move)
{
	fake_qmp_hold("migrate-incoming");
	ck_assert_int_eq(rig_offer(), ERR_CODE_COUNT);
	ck_assert_int_eq(rig_offer(), ERR_CODE_COUNT);
	fake_qmp_release("migrate-incoming");
	ck_assert_int_eq(rig_offered(), ERR_NONE);
	ck_assert_uint_eq(trace_count("qemu start"), 1);
}
END_TEST

/* ---- the fate ------------------------------------------------------------------ */

#define FATE(state, final) "{\"state\":\"" state "\",\"final\":" final ",\"verdict\":\"none\"}"

/* The source's drop was lost: the destination cleans up without it, because it asks for the
 * fate. */
START_TEST(fate_final_drops)
{
	ready_to_go();
	rig_advance(5001);
	fake_peer_answer("fate", FATE("transfer", "false"));
	ck_assert_str_eq(rig_state(), "transfer");
	rig_advance(5001);
	fake_peer_answer("fate", FATE("failed", "true"));
	assert_nothing_left();
}
END_TEST

/* A person gave the guest to this host while it was away: a drop would lose the guest. */
START_TEST(fate_final_and_taken_is_taken_here)
{
	ready_to_go();
	rig_advance(5001);
	rig_resolved_there();
	fake_peer_answer("fate", "{\"state\":\"done\",\"final\":true,\"verdict\":\"taken\","
				 "\"run\":true}");
	ck_assert_str_eq(rig_state(), "done");
	ck_assert(rig_guest_runs());
}
END_TEST

/* A loaded guest may be the only copy, so it is kept until somebody decides. */
START_TEST(fate_unanswered_loaded_guest_is_kept)
{
	ready_to_go();
	rig_advance(10 * 60 * 1000);
	ck_assert_str_eq(rig_state(), "stuck");
	ck_assert(fake_qemu()->is_alive);
	ck_assert_uint_eq(trace_count("qmp cont"), 0);
	ck_assert_str_eq(rig_go(true), "taken");
}
END_TEST

/* An answer now and then shows that the source lives: no person is called. */
START_TEST(fate_answered_now_and_then_is_not_stuck)
{
	ready_to_go();
	for (int i = 0; i < 4; i++) {
		rig_advance(21000);
		while (!fake_peer_pending("fate"))
			rig_advance(500);
		fake_peer_answer("fate", FATE("handover", "false"));
	}
	ck_assert_str_eq(rig_state(), "transfer");
}
END_TEST

/* A person says that the source is dead: the guest becomes ours and runs. */
START_TEST(stuck_resolved_for_destination_is_taken)
{
	ready_to_go();
	rig_advance(60000);
	ck_assert_int_eq(rig_resolve(MOVE_KEEP_DESTINATION, "b"), ERR_NONE);
	ck_assert_str_eq(rig_state(), "done");
	ck_assert(rig_guest_runs());
	ck_assert_str_eq(rig_drop(), "taken");
}
END_TEST

START_TEST(stuck_resolved_for_source_is_refused)
{
	ready_to_go();
	rig_advance(60000);
	ck_assert_int_eq(rig_resolve(MOVE_KEEP_SOURCE, "a"), ERR_NONE);
	assert_nothing_left();
	ck_assert_str_eq(rig_go(true), "refused");
}
END_TEST

/* A stuck move can still be dropped. */
START_TEST(stuck_dropped_nothing_stays)
{
	ready_to_go();
	rig_advance(60000);
	ck_assert_str_eq(rig_state(), "stuck");
	ck_assert_str_eq(rig_drop(), "refused");
	assert_nothing_left();
}
END_TEST

/* Nothing came and the source does not answer: a QEMU that would wait for ever is removed. */
START_TEST(fate_unanswered_nothing_came_is_given_up)
{
	ck_assert_int_eq(rig_offer(), ERR_NONE);
	rig_advance(59000);
	ck_assert_str_eq(rig_state(), "transfer");
	rig_advance(15000);
	assert_nothing_left();
	ck_assert_str_eq(rig_go(true), "refused");
}
END_TEST

/* The source is not asked while bytes flow. */
START_TEST(fate_is_not_asked_while_bytes_flow)
{
	ck_assert_int_eq(rig_offer(), ERR_NONE);
	fake_stream_becomes(STREAM_CHANNEL_READY);
	fake_stream_becomes(STREAM_CHANNEL_OPEN);
	fake_qemu_migrates("active");
	rig_advance(60000);
	ck_assert_uint_eq(trace_count("peer fate"), 0);
	fake_stream_becomes(STREAM_CHANNEL_FAILED);
	rig_advance(6000);
	ck_assert_uint_eq(trace_count("peer fate"), 1);
}
END_TEST

/* The source says that it does not know the move: a guest that was not loaded is given up. */
START_TEST(fate_unknown_to_source_is_given_up)
{
	ck_assert_int_eq(rig_offer(), ERR_NONE);
	for (int i = 0; i < 12; i++) {
		rig_advance(5001);
		fake_peer_fail("fate", ERR_NOT_FOUND);
	}
	rig_advance(5001);
	if (fake_peer_pending("fate"))
		fake_peer_fail("fate", ERR_NOT_FOUND);
	assert_nothing_left();
}
END_TEST

/* ---- the data port --------------------------------------------------------------- */

/* Claims a connection as a stream would that was told TOKEN. */
static bool claim(const char *id, const char *token, uint32_t attempt)
{
	struct stream_preamble preamble = { .channel = "ram", .attempt = attempt };
	char key[STREAM_PROOF_SIZE];

	snprintf(preamble.move_id, sizeof(preamble.move_id), "%s", id);
	stream_preamble_key(token, key);
	stream_preamble_prove(&preamble, key);
	return moves_claim(rig.moves, &preamble, -1);
}

static const char *token_of_move(void)
{
	return move_token(moves_find(rig.moves, RIG_MOVE_ID));
}

/* Only a move that waits for its stream gets the connection. */
START_TEST(claim_is_for_the_move_that_waits)
{
	char token[ID_TOKEN_SIZE];

	id_token_new(token);
	ck_assert(!claim(RIG_MOVE_ID, token, 1));
	ck_assert_int_eq(rig_offer(), ERR_NONE);
	snprintf(token, sizeof(token), "%s", token_of_move());
	ck_assert(!claim(OTHER_ID, token, 1));
	ck_assert(claim(RIG_MOVE_ID, token, 1));
	ck_assert_uint_eq(trace_count("stream accept"), 1);
	ck_assert_str_eq(rig_drop(), "refused");
	ck_assert(!claim(RIG_MOVE_ID, token, 2));
}
END_TEST

/* Every viewer can read a move's id, so a claim without the token must not harm the move. */
START_TEST(claim_without_the_token_costs_the_move_nothing)
{
	char token[ID_TOKEN_SIZE];

	id_token_new(token);
	ck_assert_int_eq(rig_offer(), ERR_NONE);
	for (uint32_t i = 1; i < 100; i++)
		ck_assert(!claim(RIG_MOVE_ID, token, i));
	ck_assert_uint_eq(trace_count("stream accept"), 0);
	ck_assert(claim(RIG_MOVE_ID, token_of_move(), 1));
}
END_TEST

/* An observer of the network can repeat a line, so each line is good once.  Connections that
 * are made at once may overtake each other. */
START_TEST(claim_that_was_overheard_is_refused)
{
	ck_assert_int_eq(rig_offer(), ERR_NONE);
	ck_assert(claim(RIG_MOVE_ID, token_of_move(), 2));
	ck_assert(!claim(RIG_MOVE_ID, token_of_move(), 2));
	ck_assert(claim(RIG_MOVE_ID, token_of_move(), 1));
	ck_assert(!claim(RIG_MOVE_ID, token_of_move(), 1));
	ck_assert(claim(RIG_MOVE_ID, token_of_move(), 3));
	ck_assert(!claim(RIG_MOVE_ID, token_of_move(), 2));
	ck_assert_uint_eq(trace_count("stream accept"), 3);
}
END_TEST

/* ---- users ------------------------------------------------------------------------- */

/* A user must not start a guest that still belongs to another host. */
START_TEST(user_actions_are_refused_before_it_is_ours)
{
	ready_to_go();
	ck_assert_str_eq(vm_state(rig_vm()), "incoming");
	for (unsigned i = 0; i < VM_ACTION_COUNT; i++)
		ck_assert_int_eq(rig_act((enum vm_action)i).code, ERR_BUSY);
	ck_assert_uint_eq(trace_count("qmp cont"), 0);
}
END_TEST

/* Only the source knows whether the move may still be cancelled. */
START_TEST(cancel_is_for_the_source)
{
	struct err err;

	ready_to_go();
	ck_assert(!move_cancel(rig_move(), "ops", &err));
	ck_assert_int_eq(err.code, ERR_CONFLICT);
}
END_TEST

/* ---- after the end ------------------------------------------------------------------- */

START_TEST(end_late_events_are_harmless)
{
	ready_to_go();
	ck_assert_str_eq(rig_go(true), "taken");
	trace_clear();
	fake_qemu_event("MIGRATION", "{\"status\":\"failed\"}");
	rig_advance(120000);
	ck_assert_uint_eq(trace_count("qmp"), 0);
	ck_assert_uint_eq(trace_count("disk"), 0);
	ck_assert_str_eq(rig_state(), "done");
	ck_assert_int_eq(rig_act(VM_ACTION_STOP).code, ERR_NONE);
	ck_assert_int_eq(rig_act(VM_ACTION_DELETE).code, ERR_NONE);
	ck_assert_str_eq(rig_go(true), "taken");
}
END_TEST

/* The source must not let the guest stop while this host cannot record that it took the guest. */
START_TEST(transfer_disk_full_is_told_to_the_source)
{
	ck_assert_int_eq(rig_offer(), ERR_NONE);
	trace_clear();
	ck_assert(move_can_record(rig_move()));
	rig_run();
	trace_assert_empty(); /* its record was written a moment ago */
	rig_disk_is_full(true);
	rig_advance(2000);
	ck_assert(move_can_record(rig_move()));
	rig_run();
	ck_assert(!move_can_record(rig_move()));
	rig_disk_is_full(false);
	rig_advance(2000);
	ck_assert(!move_can_record(rig_move()));
	rig_run();
	ck_assert(move_can_record(rig_move()));
}
END_TEST

#define ADD(test) tcase_add_test(tcase, test)

Suite *suite(void)
{
	Suite *s = suite_create("move_dst_asked");
	TCase *tcase = rig_add_case(s, "messages");

	tcase_set_timeout(tcase, 240); /* hundreds of records */
	ADD(stranger_or_stale_claim_changes_nothing);
	ADD(unknown_dropped_late_offer_is_refused);
	ADD(unknown_go_is_no_refusal);
	ADD(unknown_go_of_a_vm_that_is_here_is_taken);
	ADD(offer_of_a_guest_whose_qemu_lives_without_record_is_refused);
	ADD(unknown_go_without_end_is_limited);
	ADD(taken_is_kept_until_the_source_settles_it);
	ADD(taken_unsettled_asks_the_source);
	ADD(taken_unsettled_is_settled_by_a_person);
	ADD(source_without_record_loaded_guest_is_stuck);
	ADD(unknown_go_disk_full_is_not_answered);
	ADD(replays_are_harmless);
	ADD(go_twice_first_decides);
	ADD(go_twice_while_taken_is_written_first_decides);
	ADD(offer_twice_is_one_move);
	ADD(fate_final_drops);
	ADD(fate_final_and_taken_is_taken_here);
	ADD(fate_unanswered_loaded_guest_is_kept);
	ADD(fate_answered_now_and_then_is_not_stuck);
	ADD(stuck_resolved_for_destination_is_taken);
	ADD(stuck_resolved_for_source_is_refused);
	ADD(stuck_dropped_nothing_stays);
	ADD(fate_unanswered_nothing_came_is_given_up);
	ADD(transfer_disk_full_is_told_to_the_source);
	ADD(fate_is_not_asked_while_bytes_flow);
	ADD(fate_unknown_to_source_is_given_up);
	ADD(claim_is_for_the_move_that_waits);
	ADD(claim_without_the_token_costs_the_move_nothing);
	ADD(claim_that_was_overheard_is_refused);
	ADD(user_actions_are_refused_before_it_is_ours);
	ADD(cancel_is_for_the_source);
	ADD(end_late_events_are_harmless);
	return s;
}
