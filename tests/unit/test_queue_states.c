/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The table of states of an entry of the queue, and the lanes to other hosts. */
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/mem.h"
#include "check_main.h"
#include "queue/priv.h"

#define BIT(state) (1u << QUEUE_STATE_##state)

/* ---- states ----------------------------------------------------------------------------- */

START_TEST(attempt_begins_only_from_waiting_and_ends_only_in_moving)
{
	static const struct {
		const char *name;
		uint32_t next;
		bool is_final;
	} wanted[QUEUE_STATE_COUNT] = {
		[QUEUE_STATE_WAITING] = { "waiting", BIT(MOVING) | BIT(FAILED) | BIT(CANCELLED),
					  false },
		[QUEUE_STATE_MOVING] = { "moving",
					 BIT(WAITING) | BIT(DONE) | BIT(FAILED) | BIT(CANCELLED),
					 false },
		[QUEUE_STATE_DONE] = { "done", 0, true },
		[QUEUE_STATE_FAILED] = { "failed", 0, true },
		[QUEUE_STATE_CANCELLED] = { "cancelled", 0, true },
	};

	for (size_t i = 0; i < QUEUE_STATE_COUNT; i++) {
		const struct machine_state *state = &queue_states[i];

		ck_assert_str_eq(state->name, wanted[i].name);
		ck_assert_uint_eq(state->next, wanted[i].next);
		ck_assert_int_eq(!!(state->flags & MACHINE_FINAL), wanted[i].is_final);
		ck_assert_int_eq(state->restart, wanted[i].is_final ? MACHINE_RESTART_NOTHING
								    : MACHINE_RESTART_CONTINUE);
		ck_assert_int_eq(state->enter != NULL, !wanted[i].is_final);
	}
}
END_TEST

/* ---- a host without a free place ------------------------------------------------------------ */

#define ANY   MOVE_PRIORITY_INTERACTIVE
#define OTHER MOVE_PRIORITY_BALANCING

START_TEST(full_host_is_asked_again_when_a_move_has_ended_or_later)
{
	struct lane lane = { .out = 3 };

	ck_assert(!lane_is_closed(&lane, ANY, 1000));
	lane_is_full(&lane, ANY, 1000);
	ck_assert(lane_is_closed(&lane, ANY, 1000));
	lane.out = 2;
	ck_assert(!lane_is_closed(&lane, ANY, 1000));
	lane_add(&lane, ANY, 1000);
	ck_assert(lane_is_closed(&lane, ANY, 1000 + LANES_FULL_MIN_MS - 1));
	ck_assert(!lane_is_closed(&lane, ANY, 1000 + LANES_FULL_MIN_MS));
	ck_assert_uint_eq(lane_opens_ms(&lane, ANY), 1000 + LANES_FULL_MIN_MS);
}
END_TEST

START_TEST(full_host_is_asked_for_one_guest_at_a_time)
{
	struct lane lane = { .out = 3 };
	uint64_t later = 1000 + LANES_FULL_MIN_MS;

	lane_is_full(&lane, ANY, 1000);
	lane_add(&lane, ANY, later);
	ck_assert(lane_is_closed(&lane, ANY, later));
}
END_TEST

/* It may keep its last places for them. */
START_TEST(host_that_refuses_others_is_still_asked_for_interactive_ones)
{
	struct lane lane = { .out = 3 };

	lane_is_full(&lane, OTHER, 1000);
	ck_assert(lane_is_closed(&lane, OTHER, 1000));
	ck_assert(!lane_is_closed(&lane, ANY, 1000));
	lane_add(&lane, ANY, 1000);
	lane_is_full(&lane, ANY, 1500);
	ck_assert(lane_is_closed(&lane, ANY, 1500));
	ck_assert(lane_is_closed(&lane, OTHER, 1400 + LANES_FULL_MIN_MS));
	ck_assert_uint_eq(lane_opens_ms(&lane, OTHER), 1500 + LANES_FULL_MIN_MS);
}
END_TEST

START_TEST(full_host_is_asked_more_and_more_seldom)
{
	struct lane lane = { .out = 1 };
	uint64_t now = 1000, wait = LANES_FULL_MIN_MS;

	for (int i = 0; i < 10; i++) {
		lane_is_full(&lane, OTHER, now);
		lane_is_full(&lane, OTHER, now + 1); /* others that were on their way */
		ck_assert_uint_eq(lane_opens_ms(&lane, OTHER) - now - 1, wait);
		now = lane_opens_ms(&lane, OTHER) + 1;
		wait = wait * 2 < LANES_FULL_MAX_MS ? wait * 2 : LANES_FULL_MAX_MS;
	}
}
END_TEST

START_TEST(lane_of_a_host_is_made_once)
{
	struct lanes lanes = { 0 };

	lanes_to(&lanes, "b")->out = 1;
	lanes_to(&lanes, "c")->out = 2;
	ck_assert_uint_eq(lanes_to(&lanes, "b")->out, 1);
	ck_assert_uint_eq(lanes.count, 2);
	lanes_fini(&lanes);
	ck_assert_uint_eq(lanes.count, 0);
}
END_TEST

/* ---- from host to host ---------------------------------------------------------------------- */

struct choosing {
	struct queue queue;
	struct queue_request request;
	struct queue_entry entry;
	uint64_t ms;
};

/* Of hosts b and c, c without a free place. */
static struct choosing *choosing_new(void)
{
	struct choosing *choosing = xnew(struct choosing);

	choosing->request.to_count = 2;
	snprintf(choosing->request.to[0], ID_NAME_SIZE, "b");
	snprintf(choosing->request.to[1], ID_NAME_SIZE, "c");
	choosing->entry.queue = &choosing->queue;
	choosing->entry.request = &choosing->request;
	lane_is_full(lanes_to(&choosing->queue.lanes, "c"), MOVE_PRIORITY_INTERACTIVE, 1000);
	return choosing;
}

static void choosing_free(struct choosing *choosing)
{
	lanes_fini(&choosing->queue.lanes);
	free(choosing);
}

START_TEST(host_that_fails_beside_a_full_one_is_not_tried_again_at_once)
{
	struct choosing *choosing = choosing_new();
	struct queue_detail *detail = &choosing->entry.detail;
	int64_t before_ms = clock_wall_ms();

	ck_assert_str_eq(queue_choose_host(&choosing->entry, 1000, &choosing->ms), "b");
	detail->failed = 1; /* and the next one is c */
	detail->next = 1;
	ck_assert_ptr_null(queue_choose_host(&choosing->entry, 1000, &choosing->ms));
	ck_assert_int_ge(detail->not_before_ms, before_ms + PICK_BACKOFF_MIN_MS);
	ck_assert_uint_eq(detail->rounds, 1);
	ck_assert_str_eq(queue_choose_host(&choosing->entry, 1000, &choosing->ms), "b");
	choosing_free(choosing);
}
END_TEST

START_TEST(entry_whose_hosts_are_full_waits_for_the_lanes_alone)
{
	struct choosing *choosing = choosing_new();
	struct queue_detail *detail = &choosing->entry.detail;

	detail->next = 1;
	ck_assert_str_eq(queue_choose_host(&choosing->entry, 1000, &choosing->ms), "b");
	lane_is_full(lanes_to(&choosing->queue.lanes, "b"), MOVE_PRIORITY_INTERACTIVE, 1500);
	ck_assert_ptr_null(queue_choose_host(&choosing->entry, 1500, &choosing->ms));
	ck_assert_uint_eq(choosing->ms, LANES_FULL_MIN_MS - 500 + 1);
	ck_assert_int_eq(detail->not_before_ms, 0);
	choosing_free(choosing);
}
END_TEST

/* ---- odd records, clocks and keys ------------------------------------- */

static struct queue *queue_of(struct loop *loop)
{
	return queue_new(
		&(struct queue_env){ .loop = loop, .host_id = "a", .out_max = 1, .setups_max = 1 });
}

/* One that has ended. */
static void add_ended(struct queue *queue, const char *id, const char *key, int64_t ended_ms)
{
	struct store_queue_entry row = { .is_final = true, .ended_ms = ended_ms };

	snprintf(row.id, sizeof(row.id), "%s", id);
	snprintf(row.state, sizeof(row.state), "done");
	snprintf(row.idempotency_key, sizeof(row.idempotency_key), "%s", key);
	queue_add_row(queue, &row);
}

static void on_answer(void *data, struct queue_entry *entry, const struct err *err)
{
	(void)entry;
	*(struct err *)data = err ? *err : (struct err){ .code = ERR_NONE };
}

START_TEST(request_about_an_entry_that_is_dropped_is_not_answered_with_an_end_of_the_daemon)
{
	struct loop *loop = loop_new_sim();
	struct queue *queue = queue_of(loop);
	char oldest[ID_UUID_SIZE], id[ID_UUID_SIZE];
	struct err err = { .code = ERR_INTERNAL };

	id_uuid_new(oldest);
	add_ended(queue, oldest, "", 1);
	for (int i = 0; i < STORE_QUEUE_ENDED_MAX; i++) {
		id_uuid_new(id);
		add_ended(queue, id, "", 2 + i);
	}
	queue_cancel(queue_find(queue, oldest), "ops", on_answer, &err);
	queue_trim(queue);
	ck_assert_int_eq(err.code, ERR_TOO_LATE);
	loop_sim_run(loop);
	ck_assert_ptr_null(queue_find(queue, oldest));
	ck_assert_ptr_nonnull(queue_find(queue, id));
	queue_free(queue);
	loop_free(loop);
}
END_TEST

START_TEST(key_of_an_entry_whose_request_is_damaged_is_used)
{
	struct loop *loop = loop_new_sim();
	struct queue *queue = queue_of(loop);
	struct queue_request *request = xnew(struct queue_request);
	char id[ID_UUID_SIZE];
	struct err err = { .code = ERR_NONE };

	id_uuid_new(id);
	add_ended(queue, id, "k", 1);
	queue_add(queue, &(struct queue_wish){ .request = request, .key = "k" }, on_answer, &err);
	loop_sim_run(loop);
	ck_assert_int_eq(err.code, ERR_KEY_REUSED);
	free(request);
	queue_free(queue);
	loop_free(loop);
}
END_TEST

START_TEST(wait_that_the_clock_makes_negative_counts_as_none)
{
	struct loop *loop = loop_new_sim();
	struct queue *queue = queue_of(loop);

	queue_count_wait(queue, -5000);
	queue_count_wait(queue, 2000);
	ck_assert_uint_eq(queue_waited(queue)->count, 2);
	ck_assert(queue_waited(queue)->sum > 1.99 && queue_waited(queue)->sum < 2.01);
	queue_free(queue);
	loop_free(loop);
}
END_TEST

/* Else a move of theirs would be taken for an attempt. */
START_TEST(no_user_can_send_the_key_of_an_attempt)
{
	ck_assert(!id_name_is_valid(QUEUE_KEY_PREFIX "019e0000-0000-7000-8000-000000000001-1"));
	ck_assert(id_name_is_valid("q-019e0000-0000-7000-8000-000000000001-1"));
	ck_assert_uint_lt(strlen(QUEUE_KEY_PREFIX "019e0000-0000-7000-8000-000000000001-") + 20,
			  QUEUE_KEY_SIZE);
	ck_assert_uint_le(QUEUE_KEY_SIZE, sizeof(((struct store_move *)NULL)->idempotency_key));
}
END_TEST

/* ---- requests --------------------------------------------------------- */

static struct queue_request decode(const char *text, size_t *ret_faults)
{
	CLEANUP(json_putp) struct json_object *obj = json_read_back(text);
	struct faults *faults = faults_new();
	struct queue_request request;

	(void)queue_request_decode(obj, &request, faults);
	*ret_faults = faults->count;
	faults_free(faults);
	return request;
}

START_TEST(one_host_may_stand_alone_and_options_are_those_of_a_move)
{
	size_t faults;
	struct queue_request request = decode("{\"vm\":\"v\",\"to\":\"b\",\"priority\":"
					      "\"evacuation\",\"downtime_limit_ms\":7}",
					      &faults);

	ck_assert_uint_eq(faults, 0);
	ck_assert_uint_eq(request.to_count, 1);
	ck_assert_str_eq(request.to[0], "b");
	ck_assert_int_eq(request.move.options.priority, MOVE_PRIORITY_EVACUATION);
	ck_assert_uint_eq(request.move.options.downtime_limit_ms, 7);
	ck_assert(request.move.options.has_downtime_limit);
	ck_assert_uint_eq(request.attempts_max, QUEUE_ATTEMPTS_DEFAULT);
}
END_TEST

START_TEST(each_host_gets_an_attempt_unless_the_user_says_fewer)
{
	size_t faults;
	struct queue_request request = decode("{\"vm\":\"v\",\"to\":[\"a\",\"b\",\"c\",\"d\",\"e\","
					      "\"f\",\"g\",\"h\",\"i\",\"j\",\"k\",\"l\"]}",
					      &faults);

	ck_assert_uint_eq(faults, 0);
	ck_assert_uint_eq(request.attempts_max, 12);
	request = decode("{\"vm\":\"v\",\"to\":[\"a\",\"b\"],\"attempts_max\":1}", &faults);
	ck_assert_uint_eq(request.attempts_max, 1);
}
END_TEST

Suite *suite(void)
{
	Suite *s = suite_create("queue_states");
	TCase *t = tcase_create("states");

	tcase_add_test(t, attempt_begins_only_from_waiting_and_ends_only_in_moving);
	tcase_add_test(t, full_host_is_asked_again_when_a_move_has_ended_or_later);
	tcase_add_test(t, full_host_is_asked_for_one_guest_at_a_time);
	tcase_add_test(t, host_that_refuses_others_is_still_asked_for_interactive_ones);
	tcase_add_test(t, full_host_is_asked_more_and_more_seldom);
	tcase_add_test(t, lane_of_a_host_is_made_once);
	tcase_add_test(t, host_that_fails_beside_a_full_one_is_not_tried_again_at_once);
	tcase_add_test(t, entry_whose_hosts_are_full_waits_for_the_lanes_alone);
	tcase_add_test(
		t,
		request_about_an_entry_that_is_dropped_is_not_answered_with_an_end_of_the_daemon);
	tcase_add_test(t, key_of_an_entry_whose_request_is_damaged_is_used);
	tcase_add_test(t, wait_that_the_clock_makes_negative_counts_as_none);
	tcase_add_test(t, no_user_can_send_the_key_of_an_attempt);
	tcase_add_test(t, one_host_may_stand_alone_and_options_are_those_of_a_move);
	tcase_add_test(t, each_host_gets_an_attempt_unless_the_user_says_fewer);
	suite_add_tcase(s, t);
	return s;
}
