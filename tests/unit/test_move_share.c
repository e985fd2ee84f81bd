/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A move under the host's budget of bandwidth. */
#include <string.h>

#include "base/clock.h"
#include "base/mem.h"
#include "check_main.h"
#include "move/foresee.h"
#include "move/foresee_guest.h"
#include "move/priv.h"
#include "move_rig.h"

#define MIB (UINT64_C(1) << 20)

static void set_budget(uint64_t bytes_per_s)
{
	moves_set_limits(rig.moves,
			 &(struct moves_limits){ .in_max = 4, .budget_bytes_per_s = bytes_per_s });
	rig_run();
}

static void start(uint64_t own)
{
	rig_start_move_with(&(struct move_options){
		.downtime_limit_ms = 300, .bandwidth_bytes_per_s = own, .has_bandwidth = own > 0 });
	rig_answer_prepare();
	fake_stream_becomes(STREAM_CHANNEL_READY);
	ck_assert_str_eq(rig_state(), "transfer");
}

/* What the stream and QEMU have been told. */
static void assert_limit(uint64_t bytes_per_s)
{
	CLEANUP(free_charp)
	char *text = xasprintf("\"max-bandwidth\":%llu,",
			       (unsigned long long)(bytes_per_s ? bytes_per_s : UINT64_C(1) << 40));

	ck_assert_uint_eq(fake_stream_bytes_per_s, bytes_per_s);
	ck_assert_msg(strstr(fake_qmp_args("migrate-set-parameters"), text) != NULL, "%s",
		      fake_qmp_args("migrate-set-parameters"));
}

static void assert_why(const char *why)
{
	struct move_reply *reply = xnew(struct move_reply);

	*reply = move_show(rig_move());
	ck_assert(reply->progress.has_limit);
	ck_assert_str_eq(reply->progress.limit_why, why);
	free(reply);
}

/* The destination answers meanwhile. */
static void pass(uint64_t ms)
{
	for (; ms > 0; ms -= 500) {
		rig_advance(500);
		if (fake_peer_pending("fate"))
			fake_peer_answer("fate", "{\"state\":\"transfer\",\"final\":false,"
						 "\"verdict\":\"none\"}");
		rig_run();
	}
}

START_TEST(move_is_held_by_the_budget_before_memory_begins)
{
	set_budget(10 * MIB);
	fake_qmp_hold("migrate");
	start(0);
	assert_limit(10 * MIB);
	assert_why("the host's budget is 10 MiB/s");
	ck_assert_uint_eq(rig_move()->options.bandwidth_bytes_per_s, 0);
	fake_qmp_release("migrate");
	trace_clear();
	pass(5000); /* nothing changes, so nothing is told */
	ck_assert_uint_eq(trace_count("qmp migrate-set-parameters"), 0);
	assert_limit(10 * MIB);
}
END_TEST

START_TEST(own_limit_is_never_exceeded)
{
	set_budget(10 * MIB);
	start(3 * MIB);
	assert_limit(3 * MIB);
	assert_why("the request says so");
}
END_TEST

START_TEST(change_of_the_budget_holds_for_a_running_move)
{
	start(20 * MIB);
	assert_limit(20 * MIB);
	set_budget(10 * MIB);
	assert_limit(10 * MIB);
	set_budget(5 * MIB);
	assert_limit(10 * MIB); /* it was told less than a second ago */
	pass(1000);
	assert_limit(5 * MIB);
	set_budget(0);
	assert_limit(20 * MIB);
	assert_why("the request says so");
	ck_assert_uint_eq(rig_move()->facts.budget_least, 5 * MIB);
}
END_TEST

static void on_set(void *data, struct move *move, const struct move_changes *changes,
		   const struct err *err)
{
	struct move_reply *reply = xnew(struct move_reply);

	ck_assert(!err && changes->changed_count == 1);
	*reply = move_show(move);
	*(uint64_t *)data = reply->progress.limit_bytes_per_s;
	ck_assert_uint_eq(reply->options.bandwidth_bytes_per_s, 30 * MIB);
	free(reply);
}

/* The answer tells what holds, beside what was asked for. */
START_TEST(change_of_the_own_limit_is_answered_with_what_holds)
{
	const struct move_setting setting = { .options = { .bandwidth_bytes_per_s = 30 * MIB,
							   .has_bandwidth = true } };
	uint64_t holds = 0;
	struct err err;

	set_budget(10 * MIB);
	start(3 * MIB);
	pass(1500);
	ck_assert(move_set(rig_move(), &setting, on_set, &holds, &err));
	rig_run();
	ck_assert_uint_eq(holds, 10 * MIB);
	assert_limit(10 * MIB);
	assert_why("the host's budget is 10 MiB/s");
}
END_TEST

static void on_set_early(void *data, struct move *move, const struct move_changes *changes,
			 const struct err *err)
{
	(void)data;
	(void)changes;
	ck_assert(!err);
	ck_assert_str_eq(move_state_name(move), "prepare");
}

/* The stream, and QEMU perhaps, were told the former one already. */
START_TEST(limit_that_is_changed_while_the_destination_gets_ready_holds_in_the_transfer)
{
	const struct move_setting setting = { .options = { .bandwidth_bytes_per_s = 5 * MIB,
							   .has_bandwidth = true } };
	struct err err;

	rig_start_move_with(&(struct move_options){ .downtime_limit_ms = 300,
						    .bandwidth_bytes_per_s = 3 * MIB,
						    .has_bandwidth = true });
	ck_assert(move_set(rig_move(), &setting, on_set_early, NULL, &err));
	rig_run();
	rig_answer_prepare();
	fake_stream_becomes(STREAM_CHANNEL_READY);
	ck_assert_str_eq(rig_state(), "transfer");
	assert_limit(5 * MIB);
}
END_TEST

static void on_priority_set(void *data, struct move *move, const struct move_changes *changes,
			    const struct err *err)
{
	ck_assert(!err && changes->changed_count == 1);
	ck_assert_str_eq(changes->changed[0], "priority");
	ck_assert_int_eq(move_priority(move), MOVE_PRIORITY_BALANCING);
	move_say_set(move, changes, data);
}

START_TEST(another_priority_is_set_and_the_answer_says_what_that_does)
{
	const struct move_setting setting = { .priority = MOVE_PRIORITY_BALANCING,
					      .has_priority = true };
	char did[MOVE_DID_SIZE] = "";
	struct err err;

	set_budget(10 * MIB);
	start(0);
	ck_assert(move_set(rig_move(), &setting, on_priority_set, did, &err));
	rig_run();
	ck_assert_msg(strstr(did,
			     "priority 'balancing', by which it has its part of this host's "
			     "budget of 10 MiB a second within a second; host 'b' is told") != NULL,
		      "%s", did);
	ck_assert_msg(strstr(rig_move()->row.detail, "\"priority\":\"balancing\"") != NULL, "%s",
		      rig_move()->row.detail);
	assert_limit(10 * MIB); /* it is alone */
}
END_TEST

START_TEST(guest_that_stands_still_is_not_held_back)
{
	set_budget(10 * MIB);
	start(0);
	fake_qemu_migrates("device");
	ck_assert_uint_eq(fake_stream_bytes_per_s, 0);
	assert_why("the guest stands still: nothing is held back");
	pass(2000);
	ck_assert_uint_eq(fake_stream_bytes_per_s, 0);
}
END_TEST

/* What an earlier coordinator set is not what holds now: the budget may be another. */
START_TEST(restart_shares_anew)
{
	set_budget(10 * MIB);
	start(0);
	rig_restart();
	ck_assert_str_eq(rig_state(), "transfer");
	assert_limit(0);
	set_budget(7 * MIB);
	assert_limit(7 * MIB);
}
END_TEST

/* ---- what comes to a host ------------------------------------------------------------------ */

static void destination_lets_come(const char *limit)
{
	CLEANUP(free_charp)
	char *answer =
		xasprintf("{\"state\":\"transfer\",\"final\":false,\"verdict\":\"none\"%s}", limit);

	for (int i = 0; i < 10 && !fake_peer_pending("fate"); i++)
		rig_advance(100);
	fake_peer_answer("fate", answer);
	rig_run();
}

START_TEST(source_sends_no_more_than_the_destination_lets_come)
{
	start(0);
	destination_lets_come(",\"limit_bytes_per_s\":5242880");
	assert_limit(5 * MIB);
	assert_why("host 'b' lets no more come, by a budget of its own");
	set_budget(3 * MIB);
	assert_limit(3 * MIB);
	set_budget(0);
	destination_lets_come(",\"limit_bytes_per_s\":1"); /* no QEMU can hold it */
	assert_limit(MOVE_BANDWIDTH_MIN);
	destination_lets_come("");
	assert_limit(0);
}
END_TEST

/* Before it has been asked in the transfer, it is held by what its hello has told. */
START_TEST(newcomer_sends_no_more_than_the_destination_has_left_for_it)
{
	fake_peer_lets_come = 6 * MIB;
	fake_qmp_hold("migrate");
	start(0);
	assert_limit(6 * MIB);
	fake_qmp_release("migrate");
	destination_lets_come(",\"limit_bytes_per_s\":5242880");
	assert_limit(5 * MIB);
	destination_lets_come("");
	assert_limit(0);
}
END_TEST

/* ---- another move ----------------------------------------------------------------------- */

/* Beside the move of the rig, by the same stream and to the same host. */
static struct move *add_other(enum move_state state)
{
	struct move *ret = xnew(struct move);

	memset(ret, 0, sizeof(*ret));
	ret->moves = rig.moves;
	ret->side = MOVE_SRC;
	ret->machine.state = state;
	ret->stream = rig_move()->stream;
	memcpy(ret->row.peer, rig_move()->row.peer, sizeof(ret->row.peer));
	TAILQ_INSERT_TAIL(&rig.moves->active, ret, active_link);
	return ret;
}

static void remove_other(struct move *other)
{
	TAILQ_REMOVE(&rig.moves->active, other, active_link);
	free(other);
}

/* The destination would tell so only when it is asked again. */
START_TEST(what_the_destination_lets_come_goes_on_to_the_others_when_all_is_sent)
{
	struct move *other;

	start(0);
	destination_lets_come(",\"limit_bytes_per_s\":5242880");
	other = add_other(MOVE_STATE_TRANSFER);
	other->share.there_bytes_per_s = 3 * MIB;
	move_share_follow(other);
	assert_limit(5 * MIB);
	other->facts.saw_stop = true;
	move_share_follow(other);
	assert_limit(8 * MIB);
	move_share_follow(other); /* it has left it already */
	assert_limit(8 * MIB);
	remove_other(other);
	destination_lets_come(",\"limit_bytes_per_s\":7340032"); /* its word counts */
	assert_limit(7 * MIB);
}
END_TEST

START_TEST(what_another_host_lets_come_does_not_go_on)
{
	struct move *other;

	start(0);
	destination_lets_come(",\"limit_bytes_per_s\":5242880");
	other = add_other(MOVE_STATE_TRANSFER);
	snprintf(other->row.peer, sizeof(other->row.peer), "c");
	other->share.there_bytes_per_s = 3 * MIB;
	move_share_follow(other);
	other->facts.saw_stop = true;
	move_share_follow(other);
	assert_limit(5 * MIB);
	remove_other(other);
}
END_TEST

START_TEST(end_of_one_that_is_handed_over_is_seen_at_once)
{
	struct move *other;

	start(0);
	other = add_other(MOVE_STATE_HANDOVER);
	move_share_follow(other);
	other->share.rates[0] = 4 * MIB;
	set_budget(10 * MIB);
	pass(500);
	assert_limit(6 * MIB);
	other->machine.state = MOVE_STATE_CONFIRM;
	move_share_follow(other);
	assert_limit(10 * MIB);
	remove_other(other);
}
END_TEST

/* ---- way for a guest that stands still ---------------------------------------------------- */

/* Each is asked once, and goes on when all of the guest is sent. */
START_TEST(others_give_way_while_a_guest_stands_still)
{
	struct move *held, *over;

	start(0);
	held = add_other(MOVE_STATE_TRANSFER);
	over = add_other(MOVE_STATE_CONFIRM);
	move_share_follow(held);
	move_share_follow(over);
	trace_clear();
	fake_qemu_migrates("device");
	ck_assert_uint_eq(trace_count("stream give-way"), 1);
	ck_assert_uint_eq(trace_count("stream give-way 300"), 1);
	ck_assert(held->share.gives_way && !over->share.gives_way);
	trace_clear();
	fake_qemu_migrates("completed");
	ck_assert_uint_eq(trace_count("stream give-way 0"), 1);
	ck_assert(!held->share.gives_way);
	remove_other(held);
	remove_other(over);
}
END_TEST

START_TEST(one_that_stops_too_gives_way_no_longer)
{
	struct move *other;

	start(0);
	other = add_other(MOVE_STATE_TRANSFER);
	move_share_follow(other);
	fake_qemu_migrates("device");
	ck_assert(other->share.gives_way);
	trace_clear();
	other->facts.saw_stop = true;
	move_share_follow(other);
	ck_assert_uint_eq(trace_count("stream give-way 0"), 1);
	ck_assert(!other->share.gives_way);
	remove_other(other);
}
END_TEST

/* Its link may be dead: who waits for it would wait for nothing. */
START_TEST(guest_that_has_stood_still_for_long_is_given_no_way)
{
	struct move *other, *third;

	start(0);
	other = add_other(MOVE_STATE_TRANSFER);
	third = add_other(MOVE_STATE_TRANSFER);
	move_share_follow(other);
	move_share_follow(third);
	fake_qemu_migrates("device");
	pass(2000);
	trace_clear();
	third->facts.saw_stop = true;
	move_share_follow(third);
	ck_assert_uint_eq(trace_count("stream give-way 300"), 1); /* to the third */
	rig_advance(50);
	third->facts.saw_completed = true;
	move_share_way(third);
	ck_assert_uint_eq(trace_count("stream give-way 0"), 2);
	remove_other(other);
	remove_other(third);
}
END_TEST

/* A guest that its user has paused, or a stopped VM, is in no hurry. */
START_TEST(paused_guest_is_given_no_way)
{
	struct move *held, *paused;

	start(0);
	held = add_other(MOVE_STATE_TRANSFER);
	paused = add_other(MOVE_STATE_TRANSFER);
	move_share_follow(held);
	move_share_follow(paused);
	trace_clear();
	paused->machine.state = MOVE_STATE_HANDOVER;
	move_share_follow(paused);
	ck_assert_uint_eq(trace_count("stream give-way"), 0);
	remove_other(held);
	remove_other(paused);
}
END_TEST

START_TEST(destination_tells_what_it_lets_come)
{
	struct moves_limits limits = { .in_max = 4, .budget_in_bytes_per_s = 8 * MIB };

	moves_set_limits(rig.moves, &limits);
	ck_assert_int_eq(rig_offer(), ERR_NONE);
	ck_assert_str_eq(rig_state(), "transfer");
	ck_assert_uint_eq(move_share_let_come(rig_move()), 8 * MIB);
	assert_why("the host's budget is 8.0 MiB/s");
	limits.budget_in_bytes_per_s = 0;
	moves_set_limits(rig.moves, &limits);
	ck_assert_uint_eq(move_share_let_come(rig_move()), 0);
}
END_TEST

/* ---- a priority that is changed while the move runs ---------------------------------- */

static void on_balancing(void *data, struct move *move, const struct move_changes *changes,
			 const struct err *err)
{
	ck_assert(!err);
	move_say_set(move, changes, data);
}

static void set_balancing(char did[MOVE_DID_SIZE])
{
	const struct move_setting setting = { .priority = MOVE_PRIORITY_BALANCING,
					      .has_priority = true };
	struct err err;

	ck_assert(move_set(rig_move(), &setting, on_balancing, did, &err));
	rig_run();
}

static const char *next_question(void)
{
	for (int i = 0; i < 10 && !fake_peer_pending("fate"); i++)
		rig_advance(100);
	return fake_peer_path("fate");
}

START_TEST(destination_is_told_another_priority_until_it_has_it)
{
	char did[MOVE_DID_SIZE] = "";

	start(0);
	destination_lets_come(",\"priority\":\"interactive\"");
	set_balancing(did);
	ck_assert_ptr_null(strstr(did, "older"));
	destination_lets_come(",\"priority\":\"interactive\"");
	ck_assert_ptr_nonnull(strstr(next_question(), "&priority=balancing"));
	destination_lets_come(",\"priority\":\"balancing\"");
	ck_assert_ptr_null(strstr(next_question(), "priority"));
	rig_restart(); /* and the other host too, whose record is older */
	destination_lets_come(",\"priority\":\"interactive\"");
	ck_assert_ptr_nonnull(strstr(next_question(), "&priority=balancing"));
}
END_TEST

/* It would refuse the question, and the transfer would wait for its answer. */
START_TEST(older_destination_is_not_told_another_priority)
{
	char did[MOVE_DID_SIZE] = "";

	start(0);
	destination_lets_come("");
	set_balancing(did);
	ck_assert_msg(strstr(did, "host 'b' has an older migrd, and keeps what it was told") !=
			      NULL,
		      "%s", did);
	ck_assert_ptr_null(strstr(next_question(), "priority"));
}
END_TEST

START_TEST(destination_shares_by_the_priority_that_it_is_told)
{
	moves_set_limits(rig.moves,
			 &(struct moves_limits){ .in_max = 4, .budget_in_bytes_per_s = 30 * MIB });
	ck_assert_int_eq(rig_offer(), ERR_NONE);
	ck_assert_str_eq(rig_state(), "transfer");
	ck_assert_uint_eq(moves_let_come_of_new(rig.moves), 15 * MIB);
	move_follow_priority(rig_move(), "balancing");
	ck_assert_int_eq(move_priority(rig_move()), MOVE_PRIORITY_BALANCING);
	ck_assert_uint_eq(moves_let_come_of_new(rig.moves), 24 * MIB);
	move_follow_priority(rig_move(), "of-the-future");
	ck_assert_int_eq(move_priority(rig_move()), MOVE_PRIORITY_BALANCING);
}
END_TEST

START_TEST(source_takes_its_priority_from_nobody)
{
	start(0);
	move_follow_priority(rig_move(), "balancing");
	ck_assert_int_eq(move_priority(rig_move()), MOVE_PRIORITY_INTERACTIVE);
}
END_TEST

/* ---- what an ended move tells of the link ----------------------------------------------- */

static void add_ended(uint64_t budget_least)
{
	struct store_move row = {
		.generation = 1, .created_ms = 1, .updated_ms = 1, .ended_ms = 1
	};
	struct err err;

	snprintf(row.id, sizeof(row.id), "018f0000-0000-7000-8000-0000000000d1");
	snprintf(row.kind, sizeof(row.kind), "MIGRATION_OUT");
	snprintf(row.state, sizeof(row.state), "done");
	snprintf(row.peer, sizeof(row.peer), "b");
	/* 1000 MiB in a second. */
	row.detail = xasprintf("{\"ram_transferred_bytes\":1048576000,\"budget_least\":%llu,"
			       "\"stamps_us\":{\"created\":1,\"migrate\":1000000,"
			       "\"stopped\":1900000,\"completed\":2000000,\"taken\":2010000}}",
			       (unsigned long long)budget_least);
	moves_add_row(rig.moves, &row);
	moves_first(rig.moves)->plan = move_plan_decode(NULL, &err);
}

/* One that the budget may have held tells nothing; the link of others is known by them. */
START_TEST(link_is_not_learned_from_a_move_that_the_budget_held)
{
	static const struct {
		uint64_t budget_least;
		unsigned moves;
	} cases[] = { { 0, 1 }, { 1050 * MIB, 0 }, { 200 * MIB, 0 }, { 2000 * MIB, 1 } };
	struct forecast_input input = { 0 };

	add_ended(cases[_i].budget_least);
	foresee_history(rig.moves, "b", &input);
	ck_assert_uint_eq(input.link_moves, cases[_i].moves);
}
END_TEST

START_TEST(link_is_not_learned_from_a_move_that_the_budget_holds)
{
	struct forecast_input free_of_it = { 0 }, held = { 0 };
	struct move *move;

	start(0);
	move = rig_move();
	move->stamps[MOVE_STAMP_MIGRATE] = clock_monotonic_us() - 1000000;
	move->ram.info.ram_transferred_bytes = 100 * MIB; /* in a second, or some more */
	foresee_history(rig.moves, "b", &free_of_it);
	ck_assert_uint_eq(free_of_it.link_moves, 1);
	move->facts.budget_least = MIB;
	foresee_history(rig.moves, "b", &held);
	ck_assert_uint_eq(held.link_moves, 0);
}
END_TEST

static struct foreseen foreseen_of_vm(void)
{
	const struct move_options options = { .downtime_limit_ms = 300 };
	struct forecast_input history = { 0 };
	struct foreseen ret;

	foresee_history(rig.moves, "b", &history);
	foresee_guest(rig.moves,
		      &(struct foresee_question){ .vm = rig_vm(),
						  .policy = "",
						  .options = &options,
						  .history = &history },
		      &ret);
	return ret;
}

/* What the last move of the VM sent, with its disks: which go over again, whatever is known of its
 * memory; and those of a stopped VM, which sends nothing else. */
START_TEST(guest_is_foreseen_by_its_last_move_and_disks_count_apart)
{
	struct move *move;
	struct foreseen by;

	rig_run_vm();
	ck_assert_int_eq(foreseen_of_vm().by, FORESEEN_BY_SIZE);
	add_ended(0);
	move = moves_first(rig.moves);
	snprintf(move->row.vm_uuid, sizeof(move->row.vm_uuid), "%s", RIG_VM_UUID);
	move->ram.info.ram_total_bytes = 2000 * MIB;
	move->plan->disk_count = 1;
	move->plan->disks[0].allocated_bytes = 300 * MIB;
	by = foreseen_of_vm();
	ck_assert_int_eq(by.by, FORESEEN_BY_EARLIER_MOVE);
	ck_assert_uint_eq(by.bytes.expected, 1300 * MIB);
	ck_assert_uint_eq(by.disk_bytes, 300 * MIB);
	ck_assert_uint_eq(by.bytes.low, 1000 * MIB / 100 * 70 + 300 * MIB);
	move->facts.stopped = true;
	by = foreseen_of_vm();
	ck_assert_int_eq(by.by, FORESEEN_BY_SIZE);
	ck_assert_uint_eq(by.disk_bytes, 300 * MIB);
	ck_assert_uint_gt(by.bytes.expected, 300 * MIB);
}
END_TEST

/* Else the queue would take it for one that sends nothing. */
START_TEST(move_that_is_set_up_is_foreseen_as_its_guest)
{
	const struct forecast_input history = { 0 };
	struct foreseen by;

	rig_start_move_with(&(struct move_options){ .downtime_limit_ms = 300,
						    .bandwidth_bytes_per_s = 3 * MIB,
						    .has_bandwidth = true });
	ck_assert_str_eq(rig_state(), "prepare");
	ck_assert(foresee_begun(rig_move(), &history, &by));
	ck_assert_int_eq(by.by, FORESEEN_BY_SIZE);
	ck_assert_uint_eq(by.bytes.expected, foreseen_of_vm().bytes.expected);
	ck_assert_uint_gt(by.bytes.expected, MIB);
	ck_assert_uint_eq(by.limit_bytes_per_s, 3 * MIB);
}
END_TEST

/* Its QEMU is there for its disks. */
START_TEST(stopped_vm_whose_disks_are_moved_has_no_memory_to_send)
{
	const struct forecast_input history = { 0 };
	struct foreseen by;

	start(0);
	rig_move()->facts.stopped = true;
	ck_assert(foresee_begun(rig_move(), &history, &by));
	ck_assert_uint_eq(by.bytes.expected, 0);
	rig_move()->job.is_of_stopped = true;
	ck_assert_uint_eq(foreseen_of_vm().bytes.expected, 0);
}
END_TEST

/* A forecast is of what a new move would get beside those that run. */
START_TEST(new_move_is_expected_to_get_its_part)
{
	const struct move_options usual = { .priority = MOVE_PRIORITY_INTERACTIVE };
	const struct move_options low = { .priority = MOVE_PRIORITY_BALANCING };
	const struct move_options own = { .bandwidth_bytes_per_s = MIB };

	ck_assert_uint_eq(moves_limit_of_new(rig.moves, &usual), 0);
	set_budget(20 * MIB);
	ck_assert_uint_eq(moves_limit_of_new(rig.moves, &low), 20 * MIB);
	start(0);
	ck_assert_uint_eq(moves_limit_of_new(rig.moves, &usual) >> 10, 10 << 10);
	ck_assert_uint_eq((moves_limit_of_new(rig.moves, &low) + 64) >> 20, 4);
	ck_assert_uint_eq(moves_limit_of_new(rig.moves, &own), MIB);
}
END_TEST

/* What goes out takes nothing of what may come. */
START_TEST(new_move_to_here_is_expected_to_get_its_part)
{
	ck_assert_uint_eq(moves_let_come_of_new(rig.moves), 0);
	moves_set_limits(rig.moves, &(struct moves_limits){ .in_max = 4,
							    .budget_bytes_per_s = 20 * MIB,
							    .budget_in_bytes_per_s = 30 * MIB });
	start(0);
	ck_assert_uint_eq(moves_let_come_of_new(rig.moves), 30 * MIB);
}
END_TEST

Suite *suite(void)
{
	Suite *s = suite_create("move_share");
	TCase *tc = rig_add_case(s, "budget");

	tcase_add_test(tc, move_is_held_by_the_budget_before_memory_begins);
	tcase_add_test(tc, own_limit_is_never_exceeded);
	tcase_add_test(tc, change_of_the_budget_holds_for_a_running_move);
	tcase_add_test(tc, change_of_the_own_limit_is_answered_with_what_holds);
	tcase_add_test(
		tc, limit_that_is_changed_while_the_destination_gets_ready_holds_in_the_transfer);
	tcase_add_test(tc, another_priority_is_set_and_the_answer_says_what_that_does);
	tcase_add_test(tc, guest_that_stands_still_is_not_held_back);
	tcase_add_test(tc, restart_shares_anew);
	tcase_add_test(tc, source_sends_no_more_than_the_destination_lets_come);
	tcase_add_test(tc, newcomer_sends_no_more_than_the_destination_has_left_for_it);
	tcase_add_test(tc, what_the_destination_lets_come_goes_on_to_the_others_when_all_is_sent);
	tcase_add_test(tc, what_another_host_lets_come_does_not_go_on);
	tcase_add_test(tc, end_of_one_that_is_handed_over_is_seen_at_once);
	tcase_add_test(tc, others_give_way_while_a_guest_stands_still);
	tcase_add_test(tc, one_that_stops_too_gives_way_no_longer);
	tcase_add_test(tc, guest_that_has_stood_still_for_long_is_given_no_way);
	tcase_add_test(tc, paused_guest_is_given_no_way);
	tcase_add_test(tc, destination_tells_what_it_lets_come);
	tcase_add_test(tc, destination_is_told_another_priority_until_it_has_it);
	tcase_add_test(tc, older_destination_is_not_told_another_priority);
	tcase_add_test(tc, destination_shares_by_the_priority_that_it_is_told);
	tcase_add_test(tc, source_takes_its_priority_from_nobody);
	tcase_add_test(tc, link_is_not_learned_from_a_move_that_the_budget_holds);
	tcase_add_test(tc, new_move_is_expected_to_get_its_part);
	tcase_add_test(tc, guest_is_foreseen_by_its_last_move_and_disks_count_apart);
	tcase_add_test(tc, move_that_is_set_up_is_foreseen_as_its_guest);
	tcase_add_test(tc, stopped_vm_whose_disks_are_moved_has_no_memory_to_send);
	tcase_add_test(tc, new_move_to_here_is_expected_to_get_its_part);
	tcase_add_loop_test(tc, link_is_not_learned_from_a_move_that_the_budget_held, 0, 4);
	return s;
}
