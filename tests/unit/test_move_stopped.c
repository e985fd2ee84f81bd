/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A stopped VM: both sides have a QEMU for the move alone, and its guest never runs. */
#include <string.h>

#include "base/json.h"
#include "base/mem.h"
#include "check_main.h"
#include "move_rig.h"
#include "vm/boot.h"
#include "vm/vm_priv.h"
#include "wire/transfer_plan.h"

static struct transfer_features there = {
	.capabilities = { "events", "return-path", "late-block-activate" },
	.capability_count = 3,
	.connections = 64,
	.cpus = 2,
};
static void (*look_before)(const char *verb, struct json_object *body);
static bool run, stopped, due; /* as the last message said */

static void note_message(const char *verb, struct json_object *body)
{
	look_before(verb, body);
	run = json_get_bool(body, "run", false);
	stopped = json_get_bool(body, "stopped", false);
	due = json_get_bool(body, "autostart_due", false);
}

static void set_up(void)
{
	there.stopped = true;
	fake_peer_features = &there;
	look_before = fake_peer_before;
	fake_peer_before = note_message;
	rig.is_stopped = true;
}

static void assert_error(const char *words)
{
	const char *text = move_row(rig_move())->error_text;

	ck_assert_msg(strstr(text, words) != NULL, "'%s' is not in '%s'", words, text);
}

/* The VM is what it was before: stopped, without a QEMU, and free for its user. */
static void assert_is_stopped(void)
{
	ck_assert_uint_eq(trace_count("qmp cont"), 0);
	ck_assert_str_eq(vm_state(rig_vm()), "stopped");
	ck_assert_str_eq(vm_reason(rig_vm()), "");
	ck_assert_ptr_null(vm_job(rig_vm()));
	ck_assert_str_eq(rig.disk.vm_intent, "stopped");
	ck_assert_uint_eq(vm_generation(rig_vm()), RIG_GENERATION);
}

static void assert_stays_stopped(void)
{
	ck_assert(!fake_qemu()->is_alive);
	assert_is_stopped();
}

/* ---- the source -------------------------------------------------------------- */

START_TEST(source_starts_a_qemu_and_ends_it_when_the_vm_was_taken)
{
	set_up();
	rig_bring_to("handover");
	ck_assert_str_eq(vm_state(rig_vm()), "stopped");
	ck_assert_str_eq(rig.disk.vm_intent, "stopped");
	rig_completes();
	ck_assert_uint_eq(fake_peer_pending("go"), 1);
	ck_assert(!run);
	rig_peer_says("go", "taken");
	ck_assert_str_eq(rig_state(), "done");
	ck_assert_ptr_null(rig_vm());
	ck_assert(!rig.disk.has_vm);
	ck_assert(!fake_qemu()->is_alive);
	ck_assert_uint_eq(trace_count("qmp cont"), 0);
}
END_TEST

START_TEST(offer_says_that_it_is_stopped)
{
	set_up();
	rig_bring_to("prepare");
	ck_assert(stopped);
	ck_assert(!run);
}
END_TEST

/* Its host was booted, and it was not started before it is moved. */
static void set_up_due(void)
{
	set_up();
	rig.more_members = ",\"autostart\":true";
	rig_create_vm();
	vm_autostart_comes(rig_vm());
	ck_assert(vm_is_autostart_due(rig_vm()));
	vm_save(rig_vm(), NULL, NULL);
	rig_run();
}

static void end_as_taken(void)
{
	rig_bring_to("handover");
	rig_completes();
	rig_peer_says("go", "taken");
	ck_assert_str_eq(rig_state(), "done");
}

START_TEST(that_it_is_to_be_started_goes_with_it)
{
	set_up_due();
	rig.is_to_be_started = true;
	rig_bring_to("prepare");
	ck_assert(due);
	end_as_taken();
	ck_assert_uint_eq(rig.starts_lost, 0);
}
END_TEST

START_TEST(destination_that_does_not_start_it_is_told_of_when_it_has_it)
{
	CLEANUP(free_charp) char *timeline = NULL;

	set_up_due();
	rig_bring_to("transfer");
	ck_assert_uint_eq(rig.starts_lost, 0);
	rig_restart();
	rig_completes();
	rig_peer_says("go", "taken");
	ck_assert_str_eq(rig_state(), "done");
	ck_assert_uint_eq(rig.starts_lost, 1);
	timeline = rig_timeline();
	ck_assert_ptr_nonnull(strstr(timeline, "start-lost it was to be started"));
}
END_TEST

START_TEST(move_that_fails_leaves_it_to_be_started_here)
{
	set_up_due();
	rig_bring_to("handover");
	rig_completes();
	rig_peer_says("go", "refused");
	ck_assert_str_eq(rig_state(), "failed");
	ck_assert(vm_is_autostart_due(rig_vm()));
	ck_assert_uint_eq(rig.starts_lost, 0);
}
END_TEST

/* It would be a paused guest there. */
START_TEST(older_destination_is_never_asked)
{
	set_up();
	there.stopped = false;
	rig_start_move();
	rig_peer_says("drop", "unknown");
	ck_assert_str_eq(rig_state(), "failed");
	assert_error("older migrd");
	ck_assert_uint_eq(trace_count("peer prepare"), 0);
	assert_stays_stopped();
}
END_TEST

START_TEST(post_copy_is_refused)
{
	set_up();
	rig_start_move_with(&(struct move_options){ .downtime_limit_ms = 300,
						    .transfer = { .has_postcopy = true } });
	rig_peer_says("drop", "unknown");
	assert_error("the VM is stopped: leave out postcopy");
	assert_stays_stopped();
}
END_TEST

START_TEST(qemu_that_cannot_be_started_ends_the_move)
{
	set_up();
	fake_qemu_start_fails = true;
	rig_start_move();
	rig_peer_says("drop", "unknown");
	fake_qemu_start_fails = false;
	ck_assert_str_eq(rig_state(), "failed");
	assert_error("the QEMU that sends the stopped VM");
	assert_is_stopped();
}
END_TEST

START_TEST(no_user_touches_it_meanwhile)
{
	static const char *const states[] = { "prepare", "transfer", "handover" };

	for (size_t i = 0; i < sizeof(states) / sizeof(*states); i++) {
		rig_tear_down();
		rig_set_up();
		set_up();
		rig_bring_to(states[i]);
		for (unsigned action = 0; action < VM_ACTION_COUNT; action++)
			ck_assert_int_eq(rig_act((enum vm_action)action).code, ERR_BUSY);
		ck_assert_str_eq(vm_state(rig_vm()), "stopped");
	}
}
END_TEST

START_TEST(cancel_ends_its_qemu)
{
	struct err err;

	set_up();
	rig_bring_to("transfer");
	ck_assert(move_cancel(rig_move(), "ops", &err));
	fake_qemu_migrates("cancelled");
	rig_peer_says("drop", "refused");
	ck_assert_str_eq(rig_state(), "cancelled");
	assert_stays_stopped();
}
END_TEST

START_TEST(refusal_after_all_was_sent_ends_its_qemu)
{
	set_up();
	rig_bring_to("handover");
	rig_completes();
	rig_peer_says("go", "refused");
	ck_assert_str_eq(rig_state(), "failed");
	assert_stays_stopped();
}
END_TEST

/* The QEMU outlives the coordinator, which finds what it is there for. */
START_TEST(restart_goes_on_or_gives_up_and_never_runs_it)
{
	static const struct {
		const char *state, *then;
	} cases[] = { { "prepare", "failed" }, { "transfer", "done" }, { "handover", "done" } };

	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		bool goes_on = strcmp(cases[i].then, "done") == 0;

		rig_tear_down();
		rig_set_up();
		set_up();
		rig_bring_to(cases[i].state);
		rig_restart();
		ck_assert_str_eq(vm_state(rig_vm()), "stopped");
		if (goes_on)
			rig_completes();
		rig_peer_says(goes_on ? "go" : "drop", goes_on ? "taken" : "refused");
		ck_assert_str_eq(rig_state(), cases[i].then);
		if (!goes_on)
			assert_stays_stopped();
	}
}
END_TEST

static void recover_in_doubt(void)
{
	moves_recover_doubtful(rig.moves);
}

/* The database is older than the end of the move and the start that followed. */
START_TEST(old_record_never_ends_a_guest_that_was_started_since)
{
	set_up();
	rig_bring_to("transfer");
	rig_crash();
	fake_qemu()->run = QMP_RUN_RUNNING;
	rig.begin = recover_in_doubt;
	rig_start_again();
	rig_advance(60000);
	ck_assert(rig_guest_runs());
	ck_assert_str_eq(vm_state(rig_vm()), "running");
	ck_assert_ptr_nonnull(strstr(move_reason(rig_move()), "left alone"));
	ck_assert_uint_eq(trace_count("qmp stop"), 0);
}
END_TEST

START_TEST(old_record_ends_the_qemu_of_a_move_whose_guest_never_ran)
{
	set_up();
	rig_bring_to("prepare");
	rig_crash();
	rig.begin = recover_in_doubt;
	rig_start_again();
	rig_peer_says("drop", "refused");
	ck_assert_str_eq(rig_state(), "failed");
	assert_stays_stopped();
}
END_TEST

/* ---- the destination ------------------------------------------------------------ */

START_TEST(it_arrives_stopped_and_the_source_hears_of_it_when_qemu_has_ended)
{
	set_up();
	fake_qemu_quit_hangs = true;
	ck_assert_int_eq(rig_offer(), ERR_NONE);
	rig_loads();
	ck_assert_str_eq(rig_go(false), "");
	ck_assert_str_eq(rig.disk.vm_role, "owned");
	ck_assert_str_eq(rig.disk.vm_intent, "stopped");
	ck_assert_str_eq(vm_state(rig_vm()), "stopped");
	fake_qemu_quit_hangs = false;
	fake_qemu_dies();
	ck_assert_str_eq(rig_verdict(), "taken");
	ck_assert_str_eq(rig_state(), "done");
	ck_assert_str_eq(vm_state(rig_vm()), "stopped");
	ck_assert_str_eq(vm_reason(rig_vm()), "");
	ck_assert_uint_eq(vm_generation(rig_vm()), RIG_GENERATION + 1);
	ck_assert_ptr_null(vm_job(rig_vm()));
	ck_assert_uint_eq(trace_count("qmp cont"), 0);
}
END_TEST

static void arrive(void)
{
	set_up();
	rig.is_to_be_started = true;
	ck_assert_int_eq(rig_offer(), ERR_NONE);
	rig_loads();
	ck_assert_str_eq(rig_go(false), "taken");
	ck_assert_str_eq(vm_state(rig_vm()), "stopped");
}

START_TEST(it_is_to_be_started_here_if_it_was_to_be_there)
{
	rig.more_members = ",\"autostart\":true";
	arrive();
	ck_assert(vm_is_autostart_due(rig_vm()));
	rig_restart();
	ck_assert(vm_is_autostart_due(rig_vm()));
}
END_TEST

START_TEST(it_is_not_to_be_started_if_its_definition_does_not_say_so)
{
	arrive();
	ck_assert(!vm_is_autostart_due(rig_vm()));
}
END_TEST

/* Whatever go says: a source that forgot it in a restart would say `run'. */
START_TEST(go_cannot_make_it_run)
{
	set_up();
	ck_assert_int_eq(rig_offer(), ERR_NONE);
	rig_loads();
	ck_assert_str_eq(rig_go(true), "taken");
	ck_assert_str_eq(rig.disk.vm_intent, "stopped");
	ck_assert_uint_eq(trace_count("qmp cont"), 0);
	ck_assert(!fake_qemu()->is_alive);
}
END_TEST

START_TEST(restart_between_taken_and_the_end_of_its_qemu_ends_it)
{
	set_up();
	fake_qemu_quit_hangs = true;
	ck_assert_int_eq(rig_offer(), ERR_NONE);
	rig_loads();
	rig_go(false);
	fake_qemu_quit_hangs = false;
	rig_restart();
	rig_advance(200);
	ck_assert_str_eq(rig_state(), "done");
	ck_assert_str_eq(vm_state(rig_vm()), "stopped");
	ck_assert(!fake_qemu()->is_alive);
	ck_assert_uint_eq(trace_count("qmp cont"), 0);
}
END_TEST

Suite *suite(void)
{
	Suite *suite = suite_create("move_stopped");
	TCase *tc = rig_add_case(suite, "source");

	tcase_add_test(tc, source_starts_a_qemu_and_ends_it_when_the_vm_was_taken);
	tcase_add_test(tc, offer_says_that_it_is_stopped);
	tcase_add_test(tc, that_it_is_to_be_started_goes_with_it);
	tcase_add_test(tc, destination_that_does_not_start_it_is_told_of_when_it_has_it);
	tcase_add_test(tc, move_that_fails_leaves_it_to_be_started_here);
	tcase_add_test(tc, older_destination_is_never_asked);
	tcase_add_test(tc, post_copy_is_refused);
	tcase_add_test(tc, qemu_that_cannot_be_started_ends_the_move);
	tcase_add_test(tc, no_user_touches_it_meanwhile);
	tcase_add_test(tc, cancel_ends_its_qemu);
	tcase_add_test(tc, refusal_after_all_was_sent_ends_its_qemu);
	tcase_add_test(tc, restart_goes_on_or_gives_up_and_never_runs_it);
	tcase_add_test(tc, old_record_never_ends_a_guest_that_was_started_since);
	tcase_add_test(tc, old_record_ends_the_qemu_of_a_move_whose_guest_never_ran);
	tc = rig_add_case(suite, "destination");
	tcase_add_test(tc, it_is_to_be_started_here_if_it_was_to_be_there);
	tcase_add_test(tc, it_is_not_to_be_started_if_its_definition_does_not_say_so);
	tcase_add_test(tc, it_arrives_stopped_and_the_source_hears_of_it_when_qemu_has_ended);
	tcase_add_test(tc, go_cannot_make_it_run);
	tcase_add_test(tc, restart_between_taken_and_the_end_of_its_qemu_ends_it);
	return suite;
}
