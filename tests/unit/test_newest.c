/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* At its start the daemon asks the peers b and c which VMs they have (owner/newest.h).  What
 * waits for the answers while the store is in doubt, and how do they change the records? */
#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "check_main.h"
#include "newest_rig.h"

/* The values of owner/newest.c. */
#define ASK_MS       5000
#define AGAIN_MS     1000
#define AGAIN_MAX_MS 30000

static bool is_sure(void)
{
	struct err err = { 0 };
	bool ok = newest_is_sure(newest_rig, &err);

	ck_assert_int_eq(ok ? ERR_NONE : ERR_UNAVAILABLE, err.code);
	return ok;
}

static void assert_unsure(const char *words)
{
	struct err err = { 0 };

	ck_assert(!newest_is_sure(newest_rig, &err));
	ck_assert_msg(strstr(err.msg, words) != NULL, "'%s' is not in '%s'", words, err.msg);
}

/* Cuts off a resume by a crash: its record is on disk, but QEMU was not told. */
static void cut_off_a_resume(void)
{
	rig_run_vm();
	ck_assert_int_eq(rig_act(VM_ACTION_PAUSE).code, ERR_NONE);
	rig_disk_hold_answers();
	rig_act_begin(VM_ACTION_RESUME);
	rig_run();
	ck_assert_str_eq(rig.disk.vm_intent, "started");
	ck_assert(!rig_guest_runs());
	trace_clear();
}

static void all_have_none(void)
{
	newest_rig_none("b");
	newest_rig_none("c");
}

/* ---- when the records count ------------------------------------------------- */

/* A host whose peers are off must come up with its own guests. */
START_TEST(in_order_what_was_cut_off_goes_on_before_any_answer)
{
	cut_off_a_resume();
	newest_rig_restart();
	ck_assert(is_sure());
	ck_assert(!newest_was_in_doubt(newest_rig));
	ck_assert_uint_eq(fake_peer_pending("vms"), 2);
	ck_assert(rig_guest_runs());
}
END_TEST

/* The records may be older than a move: what they ask for is not done, then or later. */
START_TEST(in_doubt_what_was_cut_off_never_goes_on_by_the_record)
{
	cut_off_a_resume();
	newest_rig_restart_in_doubt();
	ck_assert(newest_was_in_doubt(newest_rig));
	assert_unsure("a copy");
	all_have_none();
	ck_assert(is_sure());
	rig_advance(60000);
	ck_assert(!rig_guest_runs());
	ck_assert_str_eq(vm_state(rig_vm()), "paused");
	ck_assert_str_eq(rig.disk.vm_intent, "paused");
}
END_TEST

/* A move that may be unfinished only in an old record does not go on. */
START_TEST(in_doubt_moves_stay_where_they_are_until_all_have_answered)
{
	rig_bring_to("prepare");
	trace_clear();
	newest_rig_restart_in_doubt();
	newest_rig_none("b");
	ck_assert_str_eq(rig_state(), "prepare");
	ck_assert_uint_eq(trace_count("peer drop"), 0);
	newest_rig_none("c");
	ck_assert_str_ne(rig_state(), "prepare");
}
END_TEST

/* Once all peers have answered, the next start does not wait for them. */
START_TEST(in_doubt_heard_all_is_trusted_over_the_next_restart)
{
	newest_rig_restart_in_doubt();
	all_have_none();
	ck_assert(is_sure());
	newest_rig_restart();
	ck_assert(is_sure());
	ck_assert(!newest_was_in_doubt(newest_rig));
}
END_TEST

/* While one peer has not answered, it is asked again after every restart. */
START_TEST(in_doubt_one_silent_stays_in_doubt_over_the_next_restart)
{
	newest_rig_restart_in_doubt();
	newest_rig_none("b");
	newest_rig_restart();
	ck_assert(newest_was_in_doubt(newest_rig));
	assert_unsure("a copy");
}
END_TEST

/* The operator is told which host to bring back. */
START_TEST(in_doubt_who_is_silent_is_named_and_asked_until_it_answers)
{
	newest_rig_restart_in_doubt();
	assert_unsure("(they are being asked)");
	newest_rig_none("b");
	rig_advance(ASK_MS + 1);
	assert_unsure("have not: 'c'; bring them back");
	rig_advance(AGAIN_MS);
	all_have_none();
	ck_assert(is_sure());
}
END_TEST

/* A host that is off for a week is not asked every second. */
START_TEST(silent_peer_is_asked_again_after_a_longer_and_longer_time)
{
	uint64_t step_ms = AGAIN_MS;

	newest_rig_restart();
	for (unsigned i = 0; i < 8; i++) {
		rig_advance(ASK_MS);
		ck_assert_uint_eq(fake_peer_pending("vms"), 0);
		rig_advance(step_ms - 1);
		ck_assert_uint_eq(fake_peer_pending("vms"), 0);
		rig_advance(1);
		ck_assert_uint_eq(fake_peer_pending("vms"), 2);
		step_ms = step_ms * 2 < AGAIN_MAX_MS ? step_ms * 2 : AGAIN_MAX_MS;
	}
	ck_assert_uint_eq(step_ms, AGAIN_MAX_MS);
}
END_TEST

/* Peers that have answered are not asked again. */
START_TEST(all_heard_are_not_asked_again)
{
	newest_rig_restart();
	all_have_none();
	trace_clear();
	rig_advance(10 * AGAIN_MAX_MS);
	ck_assert_uint_eq(trace_count("peer vms"), 0);
}
END_TEST

/* ---- what the answers make of a record ------------------------------------------ */

static void stopped_here_and_heard(const char *role, const char *state, uint64_t generation)
{
	rig_create_vm();
	newest_rig_restart();
	newest_rig_none("c");
	newest_rig_has("b", role, state, generation);
}

/* An operator sees where the VM is before a start is tried. */
START_TEST(newer_generation_elsewhere_makes_a_stopped_record_was_here)
{
	stopped_here_and_heard("owned", "running", RIG_GENERATION + 1);
	ck_assert_str_eq(vm_state(rig_vm()), "was-here");
	ck_assert_ptr_nonnull(strstr(vm_reason(rig_vm()), "'b'"));
	newest_rig_restart();
	ck_assert_str_eq(vm_state(rig_vm()), "was-here");
}
END_TEST

/* A person decides which of the two is the right one; from now on b must be heard before a
 * start. */
START_TEST(same_generation_elsewhere_stays_ours_and_the_host_is_noted)
{
	stopped_here_and_heard("owned", "running", RIG_GENERATION);
	ck_assert_str_eq(vm_state(rig_vm()), "stopped");
	newest_rig_restart();
	ck_assert(vm_knows_host(rig_vm(), "b"));
	ck_assert(!vm_knows_host(rig_vm(), "c"));
}
END_TEST

START_TEST(older_generation_elsewhere_changes_nothing)
{
	stopped_here_and_heard("owned", "stopped", RIG_GENERATION - 1);
	ck_assert_str_eq(vm_state(rig_vm()), "stopped");
	ck_assert(!vm_knows_host(rig_vm(), "b"));
}
END_TEST

static void runs_here_and_b_has_a_newer_one(void (*restart)(void))
{
	rig_run_vm();
	restart();
	newest_rig_none("c");
	newest_rig_has("b", "owned", "stopped", RIG_GENERATION + 1);
}

/* With records in order the guest runs by right: a peer's claim does not end it. */
START_TEST(newer_generation_elsewhere_leaves_a_running_guest_to_a_person)
{
	runs_here_and_b_has_a_newer_one(newest_rig_restart);
	ck_assert_int_eq(vm_role(rig_vm()), VM_ROLE_OWNED);
	ck_assert(vm_knows_host(rig_vm(), "b"));
	ck_assert(rig_guest_runs());
}
END_TEST

/* In doubt the record here is the older one, but its QEMU is left alone all the same. */
START_TEST(in_doubt_newer_generation_elsewhere_gives_up_the_record_of_a_running_guest)
{
	runs_here_and_b_has_a_newer_one(newest_rig_restart_in_doubt);
	ck_assert_int_eq(vm_role(rig_vm()), VM_ROLE_FORMER);
	ck_assert(rig_guest_runs());
}
END_TEST

/* It was renamed where it is; what counts is the uuid, with a higher generation. */
START_TEST(vm_that_was_here_may_come_back_with_another_name)
{
	struct vm_def *def = xnew(struct vm_def);
	struct err err = { 0 };

	rig_create_vm();
	newest_rig_restart();
	newest_rig_none("c");
	newest_rig_has("b", "owned", "stopped", RIG_GENERATION + 1);
	ck_assert_int_eq(vm_role(rig_vm()), VM_ROLE_FORMER);
	ck_assert(vm_copy_definition(rig_vm(), def, &err));
	snprintf(def->name, sizeof(def->name), "renamed");
	ck_assert(!vm_may_come(rig.vms, def, RIG_GENERATION, &err));
	ck_assert_int_eq(err.code, ERR_EXISTS);
	ck_assert(vm_may_come(rig.vms, def, RIG_GENERATION + 9, &err));
	free(def);
}
END_TEST

/* A move asks its peer by itself, so its guest is left to it. */
START_TEST(guest_that_a_move_holds_is_left_to_the_move)
{
	rig_bring_to("prepare");
	newest_rig_crash();
	fake_qemu_dies_unseen();
	rig_start_again();
	ck_assert_str_eq(rig_state(), "rollback");
	newest_rig_none("c");
	newest_rig_has("b", "owned", "running", RIG_GENERATION + 1);
	ck_assert_int_eq(vm_role(rig_vm()), VM_ROLE_OWNED);
	ck_assert_str_eq(rig_state(), "rollback");
}
END_TEST

/* The guest was sent away by a move that no record knows: a person may start it on the other
 * host at any time. */
START_TEST(guest_that_was_sent_away_is_asked_after_until_it_is_found)
{
	rig_run_vm();
	fake_qemu()->mig = "completed";
	fake_qemu()->run = QMP_RUN_POSTMIGRATE;
	newest_rig_restart_in_doubt();
	all_have_none();
	ck_assert(vm_is_sent_away(rig_vm()));
	rig_advance(AGAIN_MS);
	newest_rig_none("c");
	newest_rig_has("b", "owned", "running", RIG_GENERATION + 1);
	ck_assert_str_eq(vm_state(rig_vm()), "was-here");
	ck_assert_ptr_null(vm_qemu(rig_vm()));
}
END_TEST

/* ---- the end ------------------------------------------------------------------------ */

/* At the daemon's end its VMs are freed: an answer that comes later reaches nobody. */
START_TEST(answer_after_the_end_changes_nothing)
{
	rig_create_vm();
	newest_rig_restart();
	newest_end(newest_rig);
	newest_rig_none("c");
	newest_rig_has("b", "owned", "running", RIG_GENERATION + 1);
	ck_assert_str_eq(vm_state(rig_vm()), "stopped");
	rig_advance(AGAIN_MAX_MS);
	ck_assert_uint_eq(fake_peer_pending("vms"), 0);
}
END_TEST

static void add_doubt(Suite *s)
{
	TCase *tc = newest_rig_add_case(s, "doubt");

	tcase_add_test(tc, in_order_what_was_cut_off_goes_on_before_any_answer);
	tcase_add_test(tc, in_doubt_what_was_cut_off_never_goes_on_by_the_record);
	tcase_add_test(tc, in_doubt_moves_stay_where_they_are_until_all_have_answered);
	tcase_add_test(tc, in_doubt_heard_all_is_trusted_over_the_next_restart);
	tcase_add_test(tc, in_doubt_one_silent_stays_in_doubt_over_the_next_restart);
	tcase_add_test(tc, in_doubt_who_is_silent_is_named_and_asked_until_it_answers);
	tcase_add_test(tc, silent_peer_is_asked_again_after_a_longer_and_longer_time);
	tcase_add_test(tc, all_heard_are_not_asked_again);
	tcase_add_test(tc, answer_after_the_end_changes_nothing);
}

static void add_records(Suite *s)
{
	TCase *tc = newest_rig_add_case(s, "records");

	tcase_add_test(tc, newer_generation_elsewhere_makes_a_stopped_record_was_here);
	tcase_add_test(tc, same_generation_elsewhere_stays_ours_and_the_host_is_noted);
	tcase_add_test(tc, older_generation_elsewhere_changes_nothing);
	tcase_add_test(tc, newer_generation_elsewhere_leaves_a_running_guest_to_a_person);
	tcase_add_test(tc,
		       in_doubt_newer_generation_elsewhere_gives_up_the_record_of_a_running_guest);
	tcase_add_test(tc, vm_that_was_here_may_come_back_with_another_name);
	tcase_add_test(tc, guest_that_a_move_holds_is_left_to_the_move);
	tcase_add_test(tc, guest_that_was_sent_away_is_asked_after_until_it_is_found);
}

Suite *suite(void)
{
	Suite *s = suite_create("newest");

	add_doubt(s);
	add_records(s);
	return s;
}
