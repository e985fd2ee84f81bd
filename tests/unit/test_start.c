/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A start or resume first asks the peers b and c (owner/start.h).  What does it wait for, and
 * what follows from their answers and from their silence? */
#include <string.h>

#include "check_main.h"
#include "newest_rig.h"
#include "owner/claims.h"
#include "owner/start.h"
#include "vm/vm_priv.h"

#define OTHER_MOVE "018f0000-0000-7000-8000-0000000000b1"

/* The answers to up to two requests at once. */
static struct {
	unsigned count; /* how many came */
	struct err err; /* the last */
} answers[2];

static void on_done(void *data, const struct err *err)
{
	const size_t which = (size_t)data;

	answers[which].count++;
	answers[which].err = err ? *err : (struct err){ 0 };
}

static void set_up(void)
{
	memset(answers, 0, sizeof(answers));
	newest_rig_set_up();
	rig_create_vm();
	trace_clear();
}

/* VOUCHED: the host that is vouched for, or NULL. */
static void begin(size_t which, enum vm_action action, const char *vouched)
{
	char hosts[1][ID_NAME_SIZE] = { "" };
	const struct start_wish wish = { .action = action,
					 .assert_dead = hosts,
					 .assert_count = vouched ? 1 : 0,
					 .by = "root",
					 .why = "test" };

	snprintf(hosts[0], sizeof(hosts[0]), "%s", vouched ? vouched : "");
	start_vm(&newest_rig_env, newest_rig, rig_vm(), &wish, on_done, (void *)which);
	ck_assert_uint_eq(answers[which].count, 0); /* not called from inside the call */
	rig_run();
}

static void begin_start(void)
{
	begin(0, VM_ACTION_START, NULL);
}

static void assert_waits(void)
{
	ck_assert_uint_eq(answers[0].count, 0);
	ck_assert_uint_eq(trace_count("qemu start"), 0);
	ck_assert_uint_eq(trace_count("qmp cont"), 0);
}

static void assert_runs(void)
{
	ck_assert_uint_eq(answers[0].count, 1);
	ck_assert_msg(!err_is_set(&answers[0].err), "%s", answers[0].err.msg);
	ck_assert_str_eq(vm_state(rig_vm()), "running");
	ck_assert(rig_guest_runs());
}

static void assert_refused(const char *words)
{
	ck_assert_uint_eq(answers[0].count, 1);
	ck_assert_int_eq(answers[0].err.code, ERR_CONFLICT);
	ck_assert_msg(strstr(answers[0].err.msg, words) != NULL, "'%s' is not in '%s'", words,
		      answers[0].err.msg);
	ck_assert_uint_eq(trace_count("qemu start"), 0);
	ck_assert_uint_eq(trace_count("qmp cont"), 0);
}

/* Host b must answer before a start. */
static void record_host_b(void)
{
	vm_record_host(rig_vm(), "b", NULL, NULL);
	rig_run();
	trace_clear();
}

/* ---- a question without a start ------------------------------------------------- */

static void ask_the_peers(bool is_dry)
{
	const struct start_wish wish = { .action = VM_ACTION_START,
					 .by = "root",
					 .is_dry = is_dry };

	start_ask(&newest_rig_env, newest_rig, rig_vm(), &wish, on_done, (void *)0);
	ck_assert_uint_eq(answers[0].count, 0);
	rig_run();
}

static void begin_question(void)
{
	ask_the_peers(false);
}

START_TEST(question_is_answered_and_nothing_is_started)
{
	begin_question();
	newest_rig_none("b");
	assert_waits();
	newest_rig_none("c");
	ck_assert_uint_eq(answers[0].count, 1);
	ck_assert(!err_is_set(&answers[0].err));
	ck_assert_str_eq(vm_state(rig_vm()), "stopped");
	ck_assert_uint_eq(trace_count("qemu start"), 0);
}
END_TEST

START_TEST(question_is_refused_as_a_start_would_be)
{
	begin_question();
	newest_rig_has("b", "owned", "stopped", RIG_GENERATION + 1);
	newest_rig_none("c");
	assert_refused("b");
	ck_assert_str_eq(vm_state(rig_vm()), "was-here");
}
END_TEST

/* Neither does the record change, nor does a peer that asks hear of a start. */
START_TEST(dry_question_is_refused_and_changes_nothing)
{
	ask_the_peers(true);
	ck_assert_uint_eq(rig_vm()->asking, 0);
	newest_rig_has("b", "owned", "stopped", RIG_GENERATION + 1);
	newest_rig_none("c");
	assert_refused("b");
	ck_assert_str_eq(vm_state(rig_vm()), "stopped");
	ck_assert(!vm_knows_host(rig_vm(), "b"));
	ck_assert_uint_eq(rig_vm()->asking, 0);
	ck_assert_uint_eq(trace_count("disk"), 0);
}
END_TEST

/* Only a start takes the word of a person for a silent host. */
START_TEST(question_host_of_the_record_silent_names_the_start)
{
	record_host_b();
	begin_question();
	newest_rig_none("c");
	rig_advance(START_ASK_MS + 1);
	assert_refused("start it and say so with --assert-dead b");
}
END_TEST

/* ---- who is waited for ------------------------------------------------------- */

/* The usual case: each peer is asked once, and none has the VM. */
START_TEST(start_waits_for_all_peers_and_runs)
{
	begin_start();
	ck_assert_uint_eq(fake_peer_pending("vms"), 2);
	newest_rig_none("b");
	assert_waits();
	newest_rig_none("c");
	assert_runs();
	ck_assert_uint_eq(trace_count("peer vms"), 2);
}
END_TEST

/* The host of the record was removed from the configuration, but may still run the VM. */
START_TEST(start_host_of_the_record_that_is_no_peer_is_asked_too)
{
	vm_record_host(rig_vm(), "d", NULL, NULL);
	begin_start();
	ck_assert_uint_eq(fake_peer_pending_at("d", "vms"), 1);
	newest_rig_none("b");
	newest_rig_none("c");
	rig_advance(CLAIMS_GRACE_MS + 1);
	assert_waits();
	newest_rig_none("d");
	assert_runs();
}
END_TEST

/* A host that never had the VM, and is off, must not keep every guest from starting. */
START_TEST(start_peer_that_never_had_it_silent_is_waited_for_a_moment)
{
	begin_start();
	newest_rig_none("b");
	rig_advance(CLAIMS_GRACE_MS - 1);
	assert_waits();
	rig_advance(2);
	assert_runs();
}
END_TEST

/* The other host has the VM by now, but its answer comes after the wait. */
START_TEST(start_late_answer_is_ignored)
{
	begin_start();
	newest_rig_none("b");
	rig_advance(CLAIMS_GRACE_MS + 1);
	assert_runs();
	newest_rig_has("c", "owned", "running", RIG_GENERATION + 1);
	assert_runs();
	ck_assert_int_eq(vm_role(rig_vm()), VM_ROLE_OWNED);
	ck_assert(!vm_knows_host(rig_vm(), "c"));
}
END_TEST

/* No start waits longer than START_ASK_MS. */
START_TEST(start_host_of_the_record_silent_is_answered_at_the_deadline)
{
	record_host_b();
	begin_start();
	newest_rig_none("c");
	rig_advance(START_ASK_MS - 1);
	assert_waits();
	rig_advance(2);
	assert_refused("not known");
}
END_TEST

START_TEST(start_vm_deleted_meanwhile_is_told_that_it_is_gone)
{
	begin_start();
	ck_assert_int_eq(rig_act(VM_ACTION_DELETE).code, ERR_NONE);
	newest_rig_none("b");
	newest_rig_none("c");
	ck_assert_uint_eq(answers[0].count, 1);
	ck_assert_int_eq(answers[0].err.code, ERR_NOT_FOUND);
	ck_assert_uint_eq(trace_count("qemu start"), 0);
}
END_TEST

/* ---- a peer has it -------------------------------------------------------------- */

/* The record here is old: the VM shows it, after a restart too, and never starts. */
START_TEST(start_newer_generation_elsewhere_makes_the_record_was_here)
{
	begin_start();
	newest_rig_none("c");
	newest_rig_has("b", "owned", "stopped", RIG_GENERATION + 1);
	assert_refused("is on host 'b' now");
	ck_assert_str_eq(vm_state(rig_vm()), "was-here");
	newest_rig_restart();
	ck_assert_str_eq(vm_state(rig_vm()), "was-here");
	ck_assert_ptr_nonnull(strstr(vm_reason(rig_vm()), "'b'"));
}
END_TEST

/* Only a person can tell which of the two is the right one. */
START_TEST(start_same_generation_elsewhere_is_refused_and_stays_ours)
{
	begin_start();
	newest_rig_none("c");
	newest_rig_has("b", "owned", "stopped", RIG_GENERATION);
	assert_refused("host 'b' has VM 'vm1' too");
	ck_assert_str_eq(vm_state(rig_vm()), "stopped");
}
END_TEST

/* A host that once claimed the VM must be heard before each later start. */
START_TEST(start_claim_makes_the_host_one_of_the_record)
{
	begin_start();
	newest_rig_none("c");
	newest_rig_has("b", "unrecorded", "unknown", 0);
	assert_refused("has no record of it");
	newest_rig_restart();
	ck_assert(vm_knows_host(rig_vm(), "b"));
	ck_assert(!vm_knows_host(rig_vm(), "c"));
}
END_TEST

/* An older record forbids a start only while its guest runs. */
START_TEST(start_older_generation_elsewhere_forbids_while_it_runs)
{
	begin_start();
	newest_rig_none("c");
	newest_rig_has("b", "owned", "running", RIG_GENERATION - 1);
	assert_refused("host 'b' has VM 'vm1' too");
	memset(answers, 0, sizeof(answers));
	begin_start();
	newest_rig_none("c");
	newest_rig_has("b", "owned", "stopped", RIG_GENERATION - 1);
	assert_runs();
}
END_TEST

/* A person may vouch for a host that does not answer, but not against a host's answer. */
START_TEST(start_host_that_has_it_and_is_vouched_for_is_believed)
{
	record_host_b();
	begin(0, VM_ACTION_START, "b");
	newest_rig_none("c");
	newest_rig_has("b", "owned", "running", RIG_GENERATION);
	assert_refused("host 'b' has VM 'vm1' too");
}
END_TEST

/* The move that brings the VM there may let it run at any moment. */
START_TEST(start_incoming_elsewhere_is_refused_by_the_name_of_its_move)
{
	begin_start();
	newest_rig_none("c");
	newest_rig_has_by("b", "incoming", "incoming", RIG_GENERATION, OTHER_MOVE);
	assert_refused(OTHER_MOVE);
}
END_TEST

/* Our own move to that host has failed, and the host does not know yet: it will never run the
 * VM. */
START_TEST(start_incoming_elsewhere_by_our_move_that_has_failed_is_no_claim)
{
	ck_assert_int_eq(rig_act(VM_ACTION_START).code, ERR_NONE);
	rig_start_move();
	fake_peer_fail("prepare", ERR_EXISTS);
	rig_peer_says("drop", "refused");
	rig_advance(1000);
	ck_assert_str_eq(rig_state(), "failed");
	ck_assert_int_eq(rig_act(VM_ACTION_STOP).code, ERR_NONE);
	trace_clear();
	begin_start();
	newest_rig_none("c");
	newest_rig_has_by("b", "incoming", "incoming", RIG_GENERATION, rig.move_id);
	assert_runs();
}
END_TEST

/* ---- a peer is silent --------------------------------------------------------------- */

/* The refusal tells the operator what is not known, and how to vouch for it. */
START_TEST(start_host_of_the_record_silent_is_refused_with_what_is_not_known)
{
	record_host_b();
	begin_start();
	newest_rig_none("c");
	rig_advance(START_ASK_MS + 1);
	assert_refused("whether VM 'vm1' runs elsewhere is not known: not heard: 'b' (");
	assert_refused("--assert-dead b");
	ck_assert_str_eq(vm_state(rig_vm()), "stopped");
}
END_TEST

/* An answer that cannot be read counts as silence. */
START_TEST(start_answer_of_the_host_of_the_record_not_understood_is_silence)
{
	record_host_b();
	begin_start();
	newest_rig_none("c");
	fake_peer_answer_at("b", "vms", "{\"items\":7}");
	assert_refused("not heard: 'b'");
}
END_TEST

/* The operator's word is recorded: the next start does not need it again. */
START_TEST(start_silent_host_vouched_for_runs_and_is_forgotten)
{
	record_host_b();
	begin(0, VM_ACTION_START, "b");
	newest_rig_none("c");
	rig_advance(START_ASK_MS + 1);
	assert_runs();
	newest_rig_restart();
	ck_assert(!vm_knows_host(rig_vm(), "b"));
}
END_TEST

START_TEST(start_other_host_vouched_for_is_no_word_for_the_silent_one)
{
	record_host_b();
	begin(0, VM_ACTION_START, "c");
	newest_rig_none("c");
	rig_advance(START_ASK_MS + 1);
	assert_refused("not heard: 'b'");
}
END_TEST

/* ---- two at once, and who asks meanwhile --------------------------------------------- */

/* Two operators, or an impatient script, start one QEMU only. */
START_TEST(two_starts_at_once_run_one_qemu_and_both_are_answered)
{
	begin_start();
	begin(1, VM_ACTION_START, NULL);
	for (int i = 0; i < 2; i++) {
		newest_rig_none("b");
		newest_rig_none("c");
	}
	assert_runs();
	ck_assert_uint_eq(answers[1].count, 1);
	ck_assert_int_eq(answers[1].err.code, ERR_CONFLICT);
	ck_assert_uint_eq(trace_count("qemu start"), 1);
}
END_TEST

/* Two hosts may ask each other at the same time: only one of them may hear that the other does
 * not start the VM. */
START_TEST(start_that_asks_says_starting_until_it_is_refused)
{
	begin_start();
	ck_assert_str_eq(vm_state(rig_vm()), "starting");
	newest_rig_none("c");
	newest_rig_has("b", "owned", "stopped", RIG_GENERATION);
	assert_refused("host 'b'");
	ck_assert_str_eq(vm_state(rig_vm()), "stopped");
}
END_TEST

/* When one start ends, the other may still start the VM. */
START_TEST(two_starts_at_once_one_refused_says_starting_for_the_other)
{
	record_host_b();
	begin_start();
	newest_rig_none("c");
	rig_advance(START_ASK_MS - 1);
	begin(1, VM_ACTION_START, "b");
	rig_advance(2);
	assert_refused("not heard: 'b'");
	ck_assert_str_eq(vm_state(rig_vm()), "starting");
}
END_TEST

/* The disk may be slow between the answers and the start of QEMU. */
START_TEST(start_allowed_says_starting_while_the_disk_is_slow)
{
	begin_start();
	rig_disk_hold();
	newest_rig_none("b");
	newest_rig_none("c");
	assert_waits();
	ck_assert_str_eq(vm_state(rig_vm()), "starting");
	rig_disk_go_on();
	assert_runs();
}
END_TEST

/* ---- resume -------------------------------------------------------------------------- */

static void pause_vm(void)
{
	ck_assert_int_eq(rig_act(VM_ACTION_START).code, ERR_NONE);
	ck_assert_int_eq(rig_act(VM_ACTION_PAUSE).code, ERR_NONE);
	trace_clear();
}

/* The VM's QEMU is here and the records are in order: no other host can have the VM. */
START_TEST(resume_asks_nobody)
{
	pause_vm();
	begin(0, VM_ACTION_RESUME, NULL);
	assert_runs();
	ck_assert_uint_eq(trace_count("peer vms"), 0);
}
END_TEST

/* The record may be older than a move, even when the doubt has ended since. */
START_TEST(resume_after_a_doubt_waits_for_every_peer)
{
	pause_vm();
	newest_rig_restart_in_doubt();
	newest_rig_none("b");
	newest_rig_none("c");
	ck_assert(newest_is_sure(newest_rig, &(struct err){ 0 }));
	trace_clear();
	begin(0, VM_ACTION_RESUME, NULL);
	newest_rig_none("b");
	rig_advance(CLAIMS_GRACE_MS + 1);
	assert_waits();
	newest_rig_none("c");
	assert_runs();
}
END_TEST

/* A guest that was sent away may have run elsewhere since: its memory is older than its disks. */
START_TEST(resume_of_a_guest_that_was_sent_away_is_refused_whoever_is_vouched_for)
{
	pause_vm();
	fake_qemu()->mig = "completed";
	fake_qemu()->run = QMP_RUN_POSTMIGRATE;
	newest_rig_restart_in_doubt();
	newest_rig_none("b");
	newest_rig_none("c");
	ck_assert(vm_is_sent_away(rig_vm()));
	trace_clear();
	begin(0, VM_ACTION_RESUME, "b");
	assert_refused("has sent the guest to another host");
}
END_TEST

/* While the records are in doubt it is unknown which move sent the guest away. */
START_TEST(resume_of_a_copy_in_doubt_is_refused_whoever_is_vouched_for)
{
	pause_vm();
	fake_qemu()->mig = "completed";
	fake_qemu()->run = QMP_RUN_POSTMIGRATE;
	newest_rig_restart_in_doubt();
	trace_clear();
	begin(0, VM_ACTION_RESUME, "b");
	assert_refused("may be old");
}
END_TEST

/* ---- a store in doubt ------------------------------------------------------------------ */

/* A record in doubt may have forgotten which hosts had the VM. */
START_TEST(start_in_doubt_peer_silent_is_refused_although_it_never_had_it)
{
	newest_rig_restart_in_doubt();
	newest_rig_none("b"); /* what newest asks */
	begin_start();
	newest_rig_none("b");
	rig_advance(START_ASK_MS + 1);
	assert_refused("not heard: 'c'");
}
END_TEST

static void add_asking(Suite *s)
{
	TCase *tc = tcase_create("asking");

	tcase_add_checked_fixture(tc, set_up, newest_rig_tear_down);
	suite_add_tcase(s, tc);
	tcase_add_test(tc, question_is_answered_and_nothing_is_started);
	tcase_add_test(tc, question_is_refused_as_a_start_would_be);
	tcase_add_test(tc, dry_question_is_refused_and_changes_nothing);
	tcase_add_test(tc, question_host_of_the_record_silent_names_the_start);
	tcase_add_test(tc, start_waits_for_all_peers_and_runs);
	tcase_add_test(tc, start_host_of_the_record_that_is_no_peer_is_asked_too);
	tcase_add_test(tc, start_peer_that_never_had_it_silent_is_waited_for_a_moment);
	tcase_add_test(tc, start_late_answer_is_ignored);
	tcase_add_test(tc, start_host_of_the_record_silent_is_answered_at_the_deadline);
	tcase_add_test(tc, start_vm_deleted_meanwhile_is_told_that_it_is_gone);
	tcase_add_test(tc, two_starts_at_once_run_one_qemu_and_both_are_answered);
	tcase_add_test(tc, start_that_asks_says_starting_until_it_is_refused);
	tcase_add_test(tc, two_starts_at_once_one_refused_says_starting_for_the_other);
	tcase_add_test(tc, start_allowed_says_starting_while_the_disk_is_slow);
}

static void add_answers(Suite *s)
{
	TCase *tc = tcase_create("answers");

	tcase_add_checked_fixture(tc, set_up, newest_rig_tear_down);
	suite_add_tcase(s, tc);
	tcase_add_test(tc, start_newer_generation_elsewhere_makes_the_record_was_here);
	tcase_add_test(tc, start_same_generation_elsewhere_is_refused_and_stays_ours);
	tcase_add_test(tc, start_claim_makes_the_host_one_of_the_record);
	tcase_add_test(tc, start_older_generation_elsewhere_forbids_while_it_runs);
	tcase_add_test(tc, start_host_that_has_it_and_is_vouched_for_is_believed);
	tcase_add_test(tc, start_incoming_elsewhere_is_refused_by_the_name_of_its_move);
	tcase_add_test(tc, start_incoming_elsewhere_by_our_move_that_has_failed_is_no_claim);
	tcase_add_test(tc, start_host_of_the_record_silent_is_refused_with_what_is_not_known);
	tcase_add_test(tc, start_answer_of_the_host_of_the_record_not_understood_is_silence);
	tcase_add_test(tc, start_silent_host_vouched_for_runs_and_is_forgotten);
	tcase_add_test(tc, start_other_host_vouched_for_is_no_word_for_the_silent_one);
	tcase_add_test(tc, start_in_doubt_peer_silent_is_refused_although_it_never_had_it);
}

static void add_resume(Suite *s)
{
	TCase *tc = tcase_create("resume");

	tcase_add_checked_fixture(tc, set_up, newest_rig_tear_down);
	suite_add_tcase(s, tc);
	tcase_add_test(tc, resume_asks_nobody);
	tcase_add_test(tc, resume_after_a_doubt_waits_for_every_peer);
	tcase_add_test(tc, resume_of_a_guest_that_was_sent_away_is_refused_whoever_is_vouched_for);
	tcase_add_test(tc, resume_of_a_copy_in_doubt_is_refused_whoever_is_vouched_for);
}

Suite *suite(void)
{
	Suite *s = suite_create("start");

	add_asking(s);
	add_answers(s);
	add_resume(s);
	return s;
}
