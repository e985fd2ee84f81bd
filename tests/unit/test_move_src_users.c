/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <string.h>

#include "base/mem.h"
#include "check_main.h"
#include "move/priv.h"
#include "move_rig.h"
#include "peer/client.h"

/* ---- the user beside the move ------------------------------------------ */

/* A resume that was requested in transfer, and carried out after `completed', would run the
 * guest on both hosts. */
START_TEST(user_resume_races_with_completed_no_cont_here)
{
	rig_run_vm();
	ck_assert_int_eq(rig_act(VM_ACTION_PAUSE).code, ERR_NONE);
	rig_bring_to("transfer");
	rig_disk_hold();
	rig_act_begin(VM_ACTION_RESUME);
	rig_run();
	rig_completes();
	rig_disk_go_on();
	ck_assert_str_eq(rig_state(), "handover");
	ck_assert_uint_eq(trace_count("qmp cont"), 0);
	ck_assert(!rig_guest_runs());
	/* The move passes the wish on: the destination is told to run the guest. */
	ck_assert_int_eq(rig_act_result().code, ERR_NONE);
	ck_assert_uint_eq(trace_count("peer go run"), 1);
}
END_TEST

/* QEMU already has the resume, and carries it out after its last pass: the destination must
 * not run the guest. */
START_TEST(user_resume_is_with_qemu_at_completed_destination_is_dropped)
{
	rig_run_vm();
	ck_assert_int_eq(rig_act(VM_ACTION_PAUSE).code, ERR_NONE);
	rig_bring_to("transfer");
	fake_qmp_hold("cont");
	rig_act_begin(VM_ACTION_RESUME);
	rig_run();
	rig_completes();
	ck_assert_uint_eq(trace_count("peer go"), 0);
	fake_qmp_release("cont");
	rig_advance(1000);
	ck_assert(rig_guest_runs());
	ck_assert_uint_eq(trace_count("peer go"), 0);
	rig_peer_says("drop", "refused");
	ck_assert_str_eq(rig_state(), "failed");
	ck_assert(rig_guest_runs());
}
END_TEST

/* The same, but QEMU refused the resume: the guest stands still, and is given away. */
START_TEST(user_resume_is_refused_at_completed_move_goes_on)
{
	rig_run_vm();
	ck_assert_int_eq(rig_act(VM_ACTION_PAUSE).code, ERR_NONE);
	rig_bring_to("transfer");
	fake_qmp_hold("cont");
	fake_qmp_refuse("cont", ERR_QEMU);
	rig_act_begin(VM_ACTION_RESUME);
	rig_run();
	rig_completes();
	fake_qmp_release("cont");
	rig_advance(1000);
	rig_peer_says("go", "taken");
	ck_assert_str_eq(rig_state(), "done");
}
END_TEST

/* A pause that comes too late for this QEMU holds when the guest comes back. */
START_TEST(user_pause_races_with_failure_guest_is_paused)
{
	rig_bring_to("transfer");
	rig_disk_hold();
	rig_act_begin(VM_ACTION_PAUSE);
	rig_run();
	fake_qemu_migrates("device");
	rig_disk_go_on();
	ck_assert_str_eq(rig_state(), "handover");
	ck_assert_int_eq(rig_act_result().code, ERR_NONE);
	fake_qemu_migrates("failed");
	rig_peer_says("drop", "refused");
	ck_assert_str_eq(rig_state(), "failed");
	ck_assert_str_eq(vm_state(rig_vm()), "paused");
}
END_TEST

/* A guest that is on its way cannot be stopped or deleted. */
START_TEST(user_actions_are_refused_while_it_moves)
{
	static const enum vm_action never[] = { VM_ACTION_STOP, VM_ACTION_DELETE, VM_ACTION_START,
						VM_ACTION_RESET, VM_ACTION_SHUTDOWN };

	rig_bring_to("transfer");
	for (size_t i = 0; i < ARRAY_LEN(never); i++)
		ck_assert_int_eq(rig_act(never[i]).code, ERR_BUSY);
	rig_completes();
	ck_assert_int_eq(rig_act(VM_ACTION_RESUME).code, ERR_BUSY);
	ck_assert_int_eq(rig_act(VM_ACTION_PAUSE).code, ERR_BUSY);
}
END_TEST

/* ---- start ----------------------------------------------------------------- */

static enum err_code started; /* COUNT: the start still waits */

static void on_started(void *data, struct move *move, const struct err *err)
{
	(void)data;
	ck_assert_int_eq(started, ERR_CODE_COUNT);
	ck_assert((move != NULL) == (err == NULL));
	started = err ? err->code : ERR_NONE;
}

static const char *request; /* the request of the next start */

static enum err_code start(const char *vm, const char *to, const char *key)
{
	const struct move_wish wish = { vm,  to,      { .downtime_limit_ms = 300 },
					key, request, .may_start = false };

	started = ERR_CODE_COUNT;
	moves_start(rig.moves, &wish, on_started, NULL);
	ck_assert_int_eq(started, ERR_CODE_COUNT);
	rig_run();
	return started;
}

START_TEST(start_impossible_is_refused_at_once)
{
	ck_assert_int_eq(start("vm1", "b", NULL), ERR_NOT_FOUND);
	rig_create_vm();
	ck_assert_int_eq(start("vm1", "b", NULL), ERR_CONFLICT);
	ck_assert_int_eq(rig_act(VM_ACTION_START).code, ERR_NONE);
	ck_assert_int_eq(start("vm1", "a", NULL), ERR_CONFLICT);
	ck_assert_int_eq(start("vm1", "unknown", NULL), ERR_NOT_FOUND);
	ck_assert_int_eq(start("vm1", "b", NULL), ERR_NONE);
	ck_assert_int_eq(start("vm1", "b", NULL), ERR_BUSY);
}
END_TEST

/* A start waits, within limits, for an action that is under way. */
START_TEST(start_beside_an_action_waits_for_it)
{
	rig_run_vm();
	fake_qmp_hold("system_reset");
	rig_act_begin(VM_ACTION_RESET);
	ck_assert_int_eq(start("vm1", "b", "k1"), ERR_CODE_COUNT);
	fake_qmp_release("system_reset");
	ck_assert_int_eq(rig_act_result().code, ERR_NONE);
	ck_assert_int_eq(started, ERR_NONE);
	ck_assert_ptr_nonnull(vm_job(rig_vm()));
}
END_TEST

START_TEST(start_beside_a_hung_action_is_busy)
{
	rig_run_vm();
	fake_qmp_hold("system_reset");
	rig_act_begin(VM_ACTION_RESET);
	ck_assert_int_eq(start("vm1", "b", NULL), ERR_CODE_COUNT);
	rig_advance(5000);
	ck_assert_int_eq(started, ERR_BUSY);
	ck_assert_ptr_null(moves_first(rig.moves));
}
END_TEST

/* A start that had to wait is judged by the VM's state when its turn comes. */
START_TEST(start_vm_ends_while_it_waits_is_refused)
{
	rig_run_vm();
	fake_qmp_hold("system_reset");
	rig_act_begin(VM_ACTION_RESET);
	ck_assert_int_eq(start("vm1", "b", NULL), ERR_CODE_COUNT);
	fake_qemu_dies();
	ck_assert_int_eq(started, ERR_CONFLICT);
	ck_assert_ptr_null(moves_first(rig.moves));
}
END_TEST

/* A client that repeats a request because the answer was lost gets one move. */
START_TEST(start_same_key_is_same_move)
{
	rig_run_vm();
	request = "{\"vm\":\"vm1\",\"to\":\"b\"}";
	ck_assert_int_eq(start("vm1", "b", "k1"), ERR_NONE);
	ck_assert_int_eq(start("vm1", "b", "k1"), ERR_NONE);
	rig_restart();
	ck_assert_int_eq(start("vm1", "c", "k1"), ERR_KEY_REUSED);
	request = "{\"vm\":\"vm1\",\"to\":\"b\",\"downtime_limit_ms\":7}";
	ck_assert_int_eq(start("vm1", "b", "k1"), ERR_KEY_REUSED);
	request = NULL;
	ck_assert_ptr_null(move_next(moves_first(rig.moves)));
}
END_TEST

/* ---- while it runs -------------------------------------------------------- */

static unsigned sets;
static enum err_code set_error;

static void on_set(void *data, struct move *move, const struct move_changes *changes,
		   const struct err *err)
{
	(void)data;
	(void)changes;
	ck_assert_ptr_eq(move, rig_move());
	sets++;
	set_error = err ? err->code : ERR_NONE;
}

/* The limits of a move can be changed while it runs, and QEMU hears of it. */
START_TEST(transfer_set_reaches_qemu)
{
	const struct move_setting setting = { .options = { .bandwidth_bytes_per_s = 5,
							   .has_bandwidth = true } };
	struct err err = { 0 };

	sets = 0;
	rig_bring_to("transfer");
	trace_clear();
	ck_assert(move_set(rig_move(), &setting, on_set, NULL, &err));
	rig_run();
	trace_assert("disk transfer", "qmp migrate-set-parameters", NULL);
	ck_assert_uint_eq(sets, 1);
}
END_TEST

/* ---- after the end ------------------------------------------------------------ */

/* The answer is a promise, so it comes only when the limit is on disk. */
START_TEST(transfer_set_is_answered_when_it_is_on_disk)
{
	const struct move_setting setting = { .options = { .bandwidth_bytes_per_s = 5,
							   .has_bandwidth = true } };
	struct err err = { 0 };

	sets = 0;
	rig_bring_to("transfer");
	rig_disk_hold();
	ck_assert(move_set(rig_move(), &setting, on_set, NULL, &err));
	rig_advance(1000);
	ck_assert_uint_eq(sets, 0);
	rig_disk_go_on();
	ck_assert_uint_eq(sets, 1);
	rig_restart();
	ck_assert_ptr_nonnull(strstr(move_row(rig_move())->detail, "\"bandwidth_bytes_per_s\":5"));
}
END_TEST

/* The change is requested while a state is being written: it follows that record. */
START_TEST(handover_set_while_it_is_written_waits)
{
	const struct move_setting setting = { .options = { .downtime_limit_ms = 7,
							   .has_downtime_limit = true } };
	struct err err = { 0 };

	sets = 0;
	rig_bring_to("transfer");
	rig_disk_hold();
	rig_completes();
	ck_assert(move_set(rig_move(), &setting, on_set, NULL, &err));
	rig_run();
	rig_disk_go_on();
	ck_assert_uint_eq(sets, 1);
	ck_assert_str_eq(rig_state(), "handover");
	ck_assert_ptr_nonnull(strstr(move_row(rig_move())->detail, "\"downtime_limit_ms\":7"));
}
END_TEST

/* ---- two changes at once ---- */

/* In the order of their answers: what was wanted, and what came of it. */
static struct {
	size_t count;
	enum err_code codes[2];
	uint64_t downtimes_ms[2]; /* of the move, then */
} answered;

static void on_answered(void *data, struct move *move, const struct move_changes *changes,
			const struct err *err)
{
	(void)data;
	(void)changes;
	ck_assert_uint_lt(answered.count, 2);
	answered.codes[answered.count] = err ? err->code : ERR_NONE;
	answered.downtimes_ms[answered.count++] = move_show(move).options.downtime_limit_ms;
}

static void set_downtimes(uint64_t first_ms, uint64_t second_ms)
{
	const uint64_t ms[] = { first_ms, second_ms };
	struct err err;

	memset(&answered, 0, sizeof(answered));
	for (size_t i = 0; i < ARRAY_LEN(ms); i++) {
		const struct move_setting setting = { .options = { .downtime_limit_ms = ms[i],
								   .has_downtime_limit = true } };

		ck_assert(move_set(rig_move(), &setting, on_answered, NULL, &err));
	}
	rig_run();
}

static void assert_downtime(uint64_t ms)
{
	ck_assert_uint_eq(move_show(rig_move()).options.downtime_limit_ms, ms);
	rig_restart();
	ck_assert_uint_eq(move_show(rig_move()).options.downtime_limit_ms, ms);
}

/* What is taken back of the first must not be what the second has set. */
START_TEST(first_of_two_changes_is_not_written_and_the_second_holds)
{
	rig_bring_to("transfer");
	rig_disk_hold();
	set_downtimes(70, 80);
	rig_disk_refuse_first();
	ck_assert_uint_eq(answered.count, 2);
	ck_assert_int_eq(answered.codes[0], ERR_NO_SPACE);
	ck_assert_uint_eq(answered.downtimes_ms[0], 300);
	ck_assert_int_eq(answered.codes[1], ERR_NONE);
	ck_assert_uint_eq(answered.downtimes_ms[1], 80);
	assert_downtime(80);
}
END_TEST

/* Also if both have to wait for the record of a state. */
START_TEST(second_of_two_changes_comes_last)
{
	rig_bring_to("transfer");
	if (_i) {
		rig_disk_hold();
		rig_completes();
	}
	set_downtimes(70, 80);
	rig_disk_go_on();
	ck_assert_uint_eq(answered.count, 2);
	ck_assert_uint_eq(answered.downtimes_ms[0], 70);
	ck_assert_uint_eq(answered.downtimes_ms[1], 80);
	assert_downtime(80);
}
END_TEST

/* The state's record has the value, as it is written before the change is refused. */
START_TEST(change_that_is_not_written_is_in_no_record_of_another_reason)
{
	const struct move_setting setting = { .options = { .downtime_limit_ms = 70,
							   .has_downtime_limit = true } };
	struct err err;

	memset(&answered, 0, sizeof(answered));
	rig_bring_to("transfer");
	rig_disk_hold();
	ck_assert(move_set(rig_move(), &setting, on_answered, NULL, &err));
	rig_run();
	rig_completes();
	rig_disk_refuse_first();
	ck_assert_int_eq(answered.codes[0], ERR_NO_SPACE);
	ck_assert_str_eq(rig_state(), "handover");
	assert_downtime(300);
}
END_TEST

START_TEST(policy_that_is_not_written_leaves_no_trace)
{
	const struct move_setting setting = { .policy = "gentle" };
	struct move *move;
	struct err err;

	memset(&answered, 0, sizeof(answered));
	rig_bring_to("transfer");
	move = rig_move();
	move->facts.throttle_percent = 60;
	move->converge.is_over = true;
	rig_disk_hold();
	ck_assert(move_set(move, &setting, on_answered, NULL, &err));
	rig_run();
	rig_disk_refuse_first();
	ck_assert_int_eq(answered.codes[0], ERR_NO_SPACE);
	ck_assert_str_eq(move->policy.name, "default");
	ck_assert_uint_eq(move->facts.throttle_percent, 60);
	ck_assert(move->converge.is_over);
}
END_TEST

/* A limit that could not be recorded is not in force. */
START_TEST(transfer_set_disk_full_is_refused)
{
	const struct move_setting setting = { .options = { .bandwidth_bytes_per_s = 5,
							   .has_bandwidth = true } };
	struct err err = { 0 };

	rig_bring_to("transfer");
	trace_clear();
	rig_disk_is_full(true);
	ck_assert(move_set(rig_move(), &setting, on_set, NULL, &err));
	rig_run();
	ck_assert_int_eq(set_error, ERR_NO_SPACE);
	ck_assert_uint_eq(trace_count("qmp migrate-set-parameters"), 0);
}
END_TEST

static unsigned moments;

static void on_moment(void *data, struct move *move)
{
	(void)data;
	(void)move;
	moments++;
}

static unsigned dismissals;

static void on_dismissal(void *data, struct move *move)
{
	(void)data;
	ck_assert_ptr_null(move);
	dismissals++;
}

/* A message that comes after the end changes nothing. */
START_TEST(end_late_messages_are_harmless)
{
	const struct move_claim claim = { .id = rig.move_id,
					  .source = "b",
					  .generation = RIG_GENERATION };
	const struct move_setting setting = { .options = { .has_bandwidth = true } };
	struct err err = { 0 };

	rig_bring_to("transfer");
	fake_qemu_migrates("failed");
	rig_peer_says("drop", "refused");
	ck_assert_str_eq(rig_state(), "failed");
	trace_clear();
	fake_qemu_migrates("completed");
	fake_qemu_event("STOP", NULL);
	rig_advance(60000);
	ck_assert(!move_cancel(rig_move(), "ops", &err));
	ck_assert(!move_set(rig_move(), &setting, on_set, NULL, &err));
	ck_assert_ptr_null(moves_go(rig.moves, &claim, &err));
	ck_assert_int_eq(err.code, ERR_FORBIDDEN);
	ck_assert_ptr_null(moves_drop(rig.moves, &claim, &err));
	moments = 0;
	for (int i = MOVE_RECORDED; i <= MOVE_ENDED; i++)
		move_when(rig_move(), (enum move_moment)i, on_moment, NULL);
	ck_assert_uint_eq(moments, 0);
	rig_run();
	ck_assert_uint_eq(moments, MOVE_ENDED + 1);
	ck_assert_uint_eq(trace_count("qmp"), 0);
	ck_assert_uint_eq(trace_count("disk"), 0);
}
END_TEST

/* A caller that waits for a moment of the move is told once, when it comes. */
START_TEST(waiters_are_told_once)
{
	rig_bring_to("transfer");
	moments = 0;
	move_when(rig_move(), MOVE_RECORDED, on_moment, NULL);
	move_when(rig_move(), MOVE_ENDED, on_moment, NULL);
	rig_run();
	ck_assert_uint_eq(moments, 1);
	rig_completes();
	rig_peer_says("go", "taken");
	ck_assert_uint_eq(moments, 2);
	rig_advance(1000);
	ck_assert_uint_eq(moments, 2);
}
END_TEST

/* A caller whose moment has not come when the daemon stops is told so, and can free what it
 * keeps. */
START_TEST(waiters_are_dismissed_when_the_daemon_stops)
{
	rig_bring_to("transfer");
	dismissals = 0;
	move_when(rig_move(), MOVE_ENDED, on_dismissal, NULL);
	move_when(rig_move(), MOVE_SETTLED, on_dismissal, NULL);
	rig_run();
	ck_assert_uint_eq(dismissals, 0);
	rig_crash();
	ck_assert_uint_eq(dismissals, 2);
	rig_start_again();
}
END_TEST

/* A change of the limits that waits for a record is answered likewise. */
START_TEST(limits_that_wait_are_answered_when_the_daemon_stops)
{
	const struct move_setting setting = { .options = { .has_bandwidth = true } };
	struct err err = { 0 };

	rig_bring_to("transfer");
	sets = 0;
	ck_assert(move_set(rig_move(), &setting, on_set, NULL, &err));
	rig_crash();
	ck_assert_uint_eq(sets, 1);
	rig_start_again();
}
END_TEST

/* The guest certainly belongs to this host: its user can stop it without waiting for a silent
 * peer. */
START_TEST(rollback_peer_silent_vm_is_stopped)
{
	rig_bring_to("transfer");
	fake_qemu_migrates("failed");
	rig_advance(2000);
	ck_assert_str_eq(rig_state(), "rollback");
	rig_act_begin(VM_ACTION_STOP);
	rig_advance(1000);
	ck_assert(!fake_qemu()->is_alive);
	rig_advance(30000);
	ck_assert_str_eq(rig_state(), "failed");
	ck_assert_int_eq(rig_act_result().code, ERR_NONE);
	ck_assert_str_eq(vm_state(rig_vm()), "stopped");
}
END_TEST

/* A thousand notes in one state must not be lost, nor use memory without limit. */
START_TEST(transfer_many_events_are_kept)
{
	rig_bring_to("transfer");
	for (int i = 0; i < 1000; i++) {
		fake_qemu_event("MIGRATION_PASS", "{\"pass\":1}");
		rig_run();
	}
	ck_assert_uint_gt(trace_count("disk transfer"), 10);
	rig_completes();
	rig_peer_says("go", "taken");
	ck_assert_str_eq(rig_state(), "done");
}
END_TEST

Suite *suite(void)
{
	Suite *s = suite_create("move_src_users");
	TCase *tc;

	tc = rig_add_case(s, "users");
	tcase_add_test(tc, user_resume_races_with_completed_no_cont_here);
	tcase_add_test(tc, user_resume_is_with_qemu_at_completed_destination_is_dropped);
	tcase_add_test(tc, user_resume_is_refused_at_completed_move_goes_on);
	tcase_add_test(tc, user_pause_races_with_failure_guest_is_paused);
	tcase_add_test(tc, user_actions_are_refused_while_it_moves);
	tcase_add_test(tc, start_impossible_is_refused_at_once);
	tcase_add_test(tc, start_beside_an_action_waits_for_it);
	tcase_add_test(tc, start_beside_a_hung_action_is_busy);
	tcase_add_test(tc, start_vm_ends_while_it_waits_is_refused);
	tcase_add_test(tc, start_same_key_is_same_move);
	tcase_add_test(tc, transfer_set_reaches_qemu);
	tcase_add_test(tc, transfer_set_is_answered_when_it_is_on_disk);
	tcase_add_test(tc, handover_set_while_it_is_written_waits);
	tcase_add_test(tc, transfer_set_disk_full_is_refused);
	tcase_add_test(tc, first_of_two_changes_is_not_written_and_the_second_holds);
	tcase_add_loop_test(tc, second_of_two_changes_comes_last, 0, 2);
	tcase_add_test(tc, change_that_is_not_written_is_in_no_record_of_another_reason);
	tcase_add_test(tc, policy_that_is_not_written_leaves_no_trace);

	tc = rig_add_case(s, "ends");
	tcase_add_test(tc, end_late_messages_are_harmless);
	tcase_add_test(tc, waiters_are_told_once);
	tcase_add_test(tc, waiters_are_dismissed_when_the_daemon_stops);
	tcase_add_test(tc, limits_that_wait_are_answered_when_the_daemon_stops);
	tcase_add_test(tc, rollback_peer_silent_vm_is_stopped);
	tcase_add_test(tc, transfer_many_events_are_kept);
	return s;
}
