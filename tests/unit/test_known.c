/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What this host knows of the guests of host b, which may be dead (owner/known.h). */
#include <string.h>

#include "check_main.h"
#include "move_rig.h"
#include "owner/known.h"

#define OTHER "0190a000-0000-7000-8000-000000000002"

static struct claim claim;
static struct claims claims;
static struct known_told told;
static struct known *known;
static struct known_words words;

static void set_up(void)
{
	memset(&claim, 0, sizeof(claim));
	claims = (struct claims){ .list = &claim };
	told = (struct known_told){ 0 };
	known = NULL;
	rig_set_up();
}

static void tear_down(void)
{
	known_free(known);
	rig_tear_down();
}

/* Host b says so. */
static void says(const char *uuid, const char *role, uint64_t generation)
{
	claims.count = 1;
	snprintf(claim.host, sizeof(claim.host), "b");
	snprintf(claim.vm.uuid, sizeof(claim.vm.uuid), "%s", uuid);
	snprintf(claim.vm.name, sizeof(claim.vm.name), "other");
	snprintf(claim.vm.role, sizeof(claim.vm.role), "%s", role);
	snprintf(claim.vm.state, sizeof(claim.vm.state), "running");
	claim.vm.generation = generation;
}

static void gather(void)
{
	known_free(known);
	known = known_gather(rig.vms, rig.moves, "b", &claims, told.count ? &told : NULL);
}

static const struct known_guest *the_one(enum known_where where, const char *by)
{
	gather();
	ck_assert_uint_eq(known->count, 1);
	ck_assert_int_eq(known->list[0].where, where);
	ck_assert_str_eq(known->list[0].by, by);
	known_say(&known->list[0], "b", true, &words);
	return &known->list[0];
}

START_TEST(guest_that_never_had_to_do_with_the_host_is_left_out)
{
	rig_run_vm();
	gather();
	ck_assert_uint_eq(known->count, 0);
}
END_TEST

/* A start of it asks b, so it is told how somebody vouches for that host, and that it is dangerous.
 */
START_TEST(stopped_guest_that_the_host_may_have_needs_its_answer)
{
	rig_create_vm();
	vm_note_host(rig_vm(), "b");
	the_one(KNOWN_HERE_STOPPED, "record");
	ck_assert_ptr_nonnull(strstr(words.may, "--assert-dead b"));
	ck_assert_ptr_nonnull(strstr(words.must_not, "--assert-dead while"));
	known_say(&known->list[0], "b", false, &words); /* it answers */
	ck_assert_str_eq(words.must_not, "");
}
END_TEST

START_TEST(guest_that_runs_here_is_this_hosts_whatever_becomes_of_the_other)
{
	rig_run_vm();
	vm_note_host(rig_vm(), "b");
	the_one(KNOWN_HERE, "record");
	ck_assert_str_eq(words.must_not, "");
}
END_TEST

START_TEST(move_that_has_not_ended_comes_before_the_record_of_the_vm)
{
	rig_run_vm();
	rig_start_move();
	rig_bring_to("transfer");
	ck_assert_str_eq(the_one(KNOWN_MOVING, "move")->state, "transfer");
	ck_assert_ptr_nonnull(strstr(words.must_not, "move resolve"));
}
END_TEST

/* The VM's record has gone with it, so only the move tells. */
START_TEST(guest_that_was_given_away_is_there_by_its_move)
{
	rig_run_vm();
	rig_start_move();
	rig_bring_to("handover");
	rig_completes();
	rig_peer_says("go", "taken");
	ck_assert_str_eq(rig_state(), "done");
	ck_assert_ptr_null(rig_vm());
	ck_assert_int_ne(the_one(KNOWN_THERE, "move")->at_ms, 0);
	ck_assert_ptr_nonnull(strstr(words.must_not, "two QEMUs would write"));
}
END_TEST

START_TEST(record_that_is_old_says_that_the_host_has_it)
{
	rig_create_vm();
	vm_give_up(rig_vm(), "b", 9);
	the_one(KNOWN_THERE, "record");
	vm_give_up(rig_vm(), "c", 10);
	gather();
	ck_assert_uint_eq(known->count, 0);
}
END_TEST

START_TEST(word_of_the_host_itself_counts_and_old_records_there_do_not)
{
	says(OTHER, "owned", 4);
	ck_assert_uint_eq(the_one(KNOWN_THERE, "host")->generation, 4);
	says(OTHER, "was-here", 4);
	gather();
	ck_assert_uint_eq(known->count, 0);
}
END_TEST

/* Host b told so at that moment. */
static void told_at(const char *uuid, int64_t at_ms)
{
	static struct known_told_guest guest;

	guest = (struct known_told_guest){ uuid, "other", "running" };
	told = (struct known_told){ &guest, 1, at_ms };
}

/* Nobody else has heard of that guest. */
START_TEST(what_the_host_told_before_it_fell_silent_is_said_with_its_time)
{
	const struct known_guest *guest;

	told_at(OTHER, 1000);
	guest = the_one(KNOWN_THERE, "told");
	ck_assert_str_eq(guest->name, "other");
	ck_assert_str_eq(guest->state, "running");
	ck_assert_int_eq(guest->at_ms, 1000);
	ck_assert_ptr_nonnull(strstr(words.what, "before it fell silent"));
	ck_assert_ptr_nonnull(strstr(words.must_not, "two QEMUs would write"));
}
END_TEST

START_TEST(guest_that_this_host_has_is_not_there_whatever_was_told)
{
	rig_run_vm();
	told_at(RIG_VM_UUID, INT64_MAX);
	gather();
	ck_assert_uint_eq(known->count, 0);
	vm_note_host(rig_vm(), "b");
	the_one(KNOWN_HERE, "record");
}
END_TEST

/* The record says that it went on; what the host has told may be newer, and is what it saw. */
START_TEST(what_was_told_counts_unless_a_move_has_ended_since)
{
	rig_run_vm();
	rig_start_move();
	rig_bring_to("handover");
	rig_completes();
	rig_peer_says("go", "taken");
	told_at(RIG_VM_UUID, 1);
	the_one(KNOWN_THERE, "move");
	told_at(RIG_VM_UUID, INT64_MAX);
	ck_assert_str_ne(the_one(KNOWN_THERE, "told")->move, "");
}
END_TEST

/* It has gone on since, or could not come. */
START_TEST(guest_that_comes_from_a_third_host_is_not_there)
{
	rig_offer_of("c", 1);
	told_at(RIG_VM_UUID, INT64_MAX);
	gather();
	ck_assert_uint_eq(known->count, 0);
}
END_TEST

Suite *suite(void)
{
	Suite *s = suite_create("known");
	TCase *t = tcase_create("known");

	tcase_add_checked_fixture(t, set_up, tear_down);
	tcase_add_test(t, guest_that_never_had_to_do_with_the_host_is_left_out);
	tcase_add_test(t, stopped_guest_that_the_host_may_have_needs_its_answer);
	tcase_add_test(t, guest_that_runs_here_is_this_hosts_whatever_becomes_of_the_other);
	tcase_add_test(t, move_that_has_not_ended_comes_before_the_record_of_the_vm);
	tcase_add_test(t, guest_that_was_given_away_is_there_by_its_move);
	tcase_add_test(t, record_that_is_old_says_that_the_host_has_it);
	tcase_add_test(t, word_of_the_host_itself_counts_and_old_records_there_do_not);
	tcase_add_test(t, what_the_host_told_before_it_fell_silent_is_said_with_its_time);
	tcase_add_test(t, guest_that_this_host_has_is_not_there_whatever_was_told);
	tcase_add_test(t, what_was_told_counts_unless_a_move_has_ended_since);
	tcase_add_test(t, guest_that_comes_from_a_third_host_is_not_there);
	suite_add_tcase(s, t);
	return s;
}
