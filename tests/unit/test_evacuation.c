/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The table of states of an evacuation, its keys, and what may be asked of one. */
#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "check_main.h"
#include "evacuation/priv.h"
#include "wire/peer_back.h"
#include "wire/peer_room.h"

#define BIT(state) (1u << EVAC_STATE_##state)

/* ---- states ------------------------------------------------------------------------- */

START_TEST(evacuation_ends_from_each_state_and_is_drained_only_from_draining)
{
	static const struct {
		const char *name;
		uint32_t next;
		bool is_final;
	} wanted[EVAC_STATE_COUNT] = {
		[EVAC_STATE_PLANNED] = { "planned", BIT(WAITING) | BIT(DRAINING) | BIT(ABORTED),
					 false },
		[EVAC_STATE_WAITING] = { "waiting", BIT(DRAINING) | BIT(ABORTED), false },
		[EVAC_STATE_DRAINING] = { "draining",
					  BIT(DRAINED) | BIT(RETURNING) | BIT(ENDED) | BIT(ABORTED),
					  false },
		[EVAC_STATE_DRAINED] = { "drained", BIT(DRAINING) | BIT(RETURNING) | BIT(ENDED),
					 false },
		[EVAC_STATE_RETURNING] = { "returning", BIT(ENDED), false },
		[EVAC_STATE_ENDED] = { "ended", 0, true },
		[EVAC_STATE_ABORTED] = { "aborted", 0, true },
	};

	for (size_t i = 0; i < EVAC_STATE_COUNT; i++) {
		const struct machine_state *state = &evac_states[i];

		ck_assert_str_eq(state->name, wanted[i].name);
		ck_assert_uint_eq(state->next, wanted[i].next);
		ck_assert_int_eq(!!(state->flags & MACHINE_FINAL), wanted[i].is_final);
		ck_assert_int_eq(state->restart, wanted[i].is_final ? MACHINE_RESTART_NOTHING
								    : MACHINE_RESTART_CONTINUE);
		ck_assert_int_eq(state->step != NULL, !wanted[i].is_final);
	}
	ck_assert(evac_states[EVAC_STATE_DRAINED].invariant == evac_is_empty);
}
END_TEST

/* A VM that is blocked, held, on its way or unknown keeps the host from being drained. */
START_TEST(vm_is_settled_only_when_it_is_away_or_may_stay)
{
	static const bool wanted[EVAC_VM_STATE_COUNT] = {
		[EVAC_VM_MOVED] = true, [EVAC_VM_STOPPED] = true, [EVAC_VM_SAVED] = true,
		[EVAC_VM_LEFT] = true,  [EVAC_VM_GONE] = true,
	};

	for (int i = 0; i < EVAC_VM_STATE_COUNT; i++) {
		ck_assert_ptr_nonnull(evac_vm_names[i]);
		ck_assert_int_eq(evac_vm_is_settled(&(struct evac_vm){ .state = i }), wanted[i]);
	}
	ck_assert_ptr_null(evac_vm_names[EVAC_VM_STATE_COUNT]);
}
END_TEST

/* The longest that a host, or a peer, can make is not cut. */
START_TEST(keys_of_attempts_differ_and_fit)
{
	const char *id = "01a22bf1-4a2b-76da-a80e-535e716d2089";
	const uint64_t max = PEER_BACK_NUMBER_MAX;
	char first[EVAC_KEY_SIZE], second[EVAC_KEY_SIZE];

	evac_key(EVAC_KEY_PREFIX, id, max, max, first);
	ck_assert_str_eq(first, "@e-01a22bf1-4a2b-76da-a80e-535e716d2089-999999999-999999999");
	evac_key(EVAC_KEY_PREFIX, id, max, max - 1, second);
	ck_assert_str_ne(first, second);
	evac_key(EVAC_BACK_PREFIX, id, max, max - 1, first);
	ck_assert_str_ne(first, second);
}
END_TEST

/* ---- the way back ------------------------------------------------------------------------- */

/* Two that ask at once for the way back want the same; another end is carried out. */
START_TEST(way_back_that_is_asked_for_twice_is_gone)
{
	struct evacuation evac = { .detail.ending = EVAC_ENDING_RETURNING };

	evac_enter_returning(&evac.machine);
	ck_assert_int_eq(evac.detail.ending, EVAC_ENDING_NONE);
	ck_assert_uint_eq(evac.machine.record.change, 1);
	evac.detail.ending = EVAC_ENDING_ENDED;
	evac_enter_returning(&evac.machine);
	ck_assert_int_eq(evac.detail.ending, EVAC_ENDING_ENDED);
}
END_TEST

/* ---- the deadline -------------------------------------------------------------------------- */

/* One that does not count is not waited for: it would be looked at without a pause. */
START_TEST(deadline_counts_until_it_is_met_missed_or_the_end_is_wanted)
{
	struct evacuation_request request = { 0 };
	struct evacuation evac = { .request = &request, .detail.deadline_ms = 1000 };

	ck_assert_int_eq(evac_deadline_ms(&evac), 1000);
	evac.detail.ending = EVAC_ENDING_ABORTED;
	ck_assert_int_eq(evac_deadline_ms(&evac), 0);
	evac.detail.ending = EVAC_ENDING_NONE;
	evac.detail.drained_ms = 900;
	ck_assert_int_eq(evac_deadline_ms(&evac), 0);
	evac.detail.drained_ms = 0;
	evac.detail.is_late = true;
	ck_assert_int_eq(evac_deadline_ms(&evac), 0);
	evac.detail.is_late = false;
	evac.request = NULL;
	ck_assert_int_eq(evac_deadline_ms(&evac), 0);
}
END_TEST

/* ---- requests ----------------------------------------------------------------------------- */

static size_t faults_of(const char *text, char *ret_pointer, size_t size)
{
	CLEANUP(json_putp) struct json_object *obj = json_read_back(text);
	struct evacuation_request *request = xnew(struct evacuation_request);
	struct faults *faults = faults_new();
	bool ok = evacuation_request_decode(obj, request, faults);
	size_t count = faults->count;

	ck_assert_int_eq(ok, count == 0);
	snprintf(ret_pointer, size, "%s", count ? faults->list[0].pointer : "");
	ck_assert_int_eq(request->move.options.priority, MOVE_PRIORITY_EVACUATION);
	faults_free(faults);
	free(request);
	return count;
}

START_TEST(requests_are_taken_or_refused_with_the_place)
{
	static const struct {
		const char *body, *pointer; /* "": it is taken */
	} rows[] = {
		{ "{}", "" },
		{ "{\"requester\":\"kernel update\",\"until\":\"2030-01-01T00:00:00Z\"}", "" },
		{ "{\"move\":{\"policy\":\"gentle\"},\"stopped\":\"leave\"}", "" },
		{ "{\"may_save\":true,\"save_dir\":\"/var/saved\"}", "" },
		{ "{\"deadline_s\":60,\"on_deadline\":\"leave\"}", "" },
		{ "{\"requester\":\" x\"}", "/requester" },
		{ "{\"requester\":\"a\\u0007\"}", "/requester" },
		{ "{\"until\":\"tomorrow\"}", "/until" },
		{ "{\"may_save\":true}", "/save_dir" },
		{ "{\"save_dir\":\"/x\"}", "/save_dir" },
		{ "{\"on_deadline\":\"abort\"}", "/on_deadline" },
		{ "{\"state_id\":\"0123456789ABCDEF\"}", "/state_id" },
		{ "{\"others_max\":1001}", "/others_max" },
		{ "{\"not_before\":\"2030-01-02T00:00:00Z\","
		  "\"window_until\":\"2030-01-02T00:00:00Z\"}",
		  "/window_until" },
		{ "{\"move\":{\"vm\":\"x\"}}", "/move/vm" },
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		char pointer[160];

		faults_of(rows[i].body, pointer, sizeof(pointer));
		ck_assert_msg(strcmp(pointer, rows[i].pointer) == 0, "%s: '%s'", rows[i].body,
			      pointer);
	}
}
END_TEST

/* A body may be left out, and says nothing unusual then. */
START_TEST(orders_without_a_body_have_their_defaults)
{
	struct faults *faults = faults_new();
	struct evacuation_abort abort_wish;
	struct evacuation_return return_wish;
	struct evacuation_pause pause_wish;

	ck_assert(evacuation_abort_decode(NULL, &abort_wish, faults));
	ck_assert(evacuation_return_decode(NULL, &return_wish, faults));
	ck_assert(evacuation_pause_decode(NULL, &pause_wish, faults));
	ck_assert_int_eq(abort_wish.moves, EVACUATION_MOVES_FINISH);
	ck_assert(!abort_wish.back && !abort_wish.keep_cordon);
	ck_assert_int_eq(return_wish.vms, EVACUATION_BACK_MOVE);
	ck_assert_uint_eq(return_wish.give_up_s, 0);
	ck_assert_int_eq(pause_wish.moves, EVACUATION_MOVES_FINISH);
	faults_free(faults);
}
END_TEST

/* A later coordinator may say more; one that says less is not understood. */
START_TEST(peer_that_wants_a_guest_back_says_which)
{
	CLEANUP(json_putp)
	struct json_object *good =
		json_read_back("{\"uuid\":\"01a22bf1-4a2b-76da-a80e-535e716d2089\",\"number\":1,"
			       "\"attempt\":2,\"later\":true}");
	CLEANUP(json_putp)
	struct json_object *bad = json_read_back("{\"uuid\":\"x\",\"number\":1,\"attempt\":1}");
	struct peer_back wish;
	struct err err;

	ck_assert(peer_back_decode(good, &wish, &err));
	ck_assert_uint_eq(wish.attempt, 2);
	ck_assert(!peer_back_decode(bad, &wish, &err));
	ck_assert_int_eq(err.code, ERR_INVALID);
}
END_TEST

/* What contradicts itself is refused; what the host that has the guest decides is left out. */
START_TEST(peer_says_how_its_guest_is_to_be_moved)
{
	CLEANUP(json_putp)
	struct json_object *good = json_read_back(
		"{\"uuid\":\"01a22bf1-4a2b-76da-a80e-535e716d2089\",\"number\":1,\"attempt\":2,"
		"\"give_up_s\":60,\"move\":{\"policy\":\"gentle\",\"priority\":\"interactive\","
		"\"hold\":{\"timeout_s\":60},\"remove_source_disks\":true,\"later\":1}}");
	CLEANUP(json_putp)
	struct json_object *bad = json_read_back(
		"{\"uuid\":\"01a22bf1-4a2b-76da-a80e-535e716d2089\",\"number\":1,\"attempt\":2,"
		"\"move\":{\"bandwidth_bytes_per_s\":5}}");
	struct peer_back wish;
	struct err err;

	ck_assert_msg(peer_back_decode(good, &wish, &err), "%s", err.msg);
	ck_assert_uint_eq(wish.give_up_s, 60);
	ck_assert_str_eq(wish.move.policy, "gentle");
	ck_assert_int_eq(wish.move.options.priority, MOVE_PRIORITY_EVACUATION);
	ck_assert(!wish.move.options.has_hold && !wish.move.options.remove_source_disks);
	ck_assert(!peer_back_decode(bad, &wish, &err));
	ck_assert_int_eq(err.code, ERR_INVALID);
}
END_TEST

START_TEST(peer_that_wants_room_says_which_where_and_how_long)
{
	static const struct {
		const char *text;
		bool is_good;
	} rows[] = {
		{ "{\"uuid\":\"01a22bf1-4a2b-76da-a80e-535e716d2089\",\"to\":\"c\",\"number\":1,"
		  "\"give_up_s\":60,\"later\":true}",
		  true },
		{ "{\"uuid\":\"01a22bf1-4a2b-76da-a80e-535e716d2089\",\"number\":1,\"give_up_s\":60}",
		  false },
		{ "{\"uuid\":\"01a22bf1-4a2b-76da-a80e-535e716d2089\",\"to\":\"c\",\"number\":0,"
		  "\"give_up_s\":60}",
		  false },
		{ "{\"uuid\":\"01a22bf1-4a2b-76da-a80e-535e716d2089\",\"to\":\"c\",\"number\":1,"
		  "\"give_up_s\":0}",
		  false },
		{ "{\"uuid\":\"g0\",\"to\":\"c\",\"number\":1,\"give_up_s\":60}", false },
		{ "{\"uuid\":\"01a22bf1-4a2b-76da-a80e-535e716d2089\",\"to\":\"C\",\"number\":1,"
		  "\"give_up_s\":60}",
		  false },
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		CLEANUP(json_putp) struct json_object *obj = json_read_back(rows[i].text);
		struct peer_room room = { .number = 7 };
		struct err err;

		ck_assert_msg(peer_room_decode(obj, &room, &err) == rows[i].is_good, "row %zu", i);
		ck_assert_uint_eq(room.number, rows[i].is_good ? 1 : 7);
		ck_assert_str_eq(room.to, rows[i].is_good ? "c" : "");
	}
}
END_TEST

Suite *suite(void)
{
	Suite *s = suite_create("evacuation");
	TCase *tc = tcase_create("evacuation");

	tcase_add_test(tc, evacuation_ends_from_each_state_and_is_drained_only_from_draining);
	tcase_add_test(tc, vm_is_settled_only_when_it_is_away_or_may_stay);
	tcase_add_test(tc, keys_of_attempts_differ_and_fit);
	tcase_add_test(tc, way_back_that_is_asked_for_twice_is_gone);
	tcase_add_test(tc, deadline_counts_until_it_is_met_missed_or_the_end_is_wanted);
	tcase_add_test(tc, requests_are_taken_or_refused_with_the_place);
	tcase_add_test(tc, orders_without_a_body_have_their_defaults);
	tcase_add_test(tc, peer_that_wants_a_guest_back_says_which);
	tcase_add_test(tc, peer_says_how_its_guest_is_to_be_moved);
	tcase_add_test(tc, peer_that_wants_room_says_which_where_and_how_long);
	suite_add_tcase(s, tc);
	return s;
}
