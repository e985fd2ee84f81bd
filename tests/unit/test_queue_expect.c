/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The queue played through, and the order of those that wait. */
#include <math.h>
#include <stdlib.h>

#include "base/mem.h"
#include "check_main.h"
#include "queue/expect.h"
#include "queue/pick.h"

#define MIB   1048576.0
#define BATCH 64

static struct expect_host host = { .setups_max = 2, .out_max = 16 };

static void set_up(void)
{
	host = (struct expect_host){ .setups_max = 2, .out_max = 16 };
}

static struct expect_move move_of(double beside_s, double mib)
{
	return (struct expect_move){ .beside_s = beside_s, .bytes = mib * MIB };
}

static void play(struct expect_move *list, size_t count)
{
	const struct expect_lane lanes[] = { { 100 * MIB, 2 }, { 50 * MIB, 2 } };

	expect_play(&host, lanes, list, count, 0);
}

static void assert_times(const struct expect_move *move, double start_s, double end_s)
{
	ck_assert_msg(fabs(move->start_s - start_s) < 0.001 && fabs(move->end_s - end_s) < 0.001,
		      "%.3f to %.3f, not %.3f to %.3f", move->start_s, move->end_s, start_s, end_s);
}

/* ---- what each gets ----------------------------------------------------------------- */

START_TEST(move_takes_its_time_beside_its_data)
{
	struct expect_move list[] = { move_of(1, 100) };

	play(list, 1);
	assert_times(&list[0], 0, 2);
}
END_TEST

START_TEST(two_share_a_link_and_the_other_link_is_not_touched)
{
	struct expect_move list[] = { move_of(1, 100), move_of(1, 100), move_of(1, 100) };

	list[2].lane = 1;
	host.setups_max = 3;
	play(list, 3);
	assert_times(&list[0], 0, 3);
	assert_times(&list[1], 0, 3);
	assert_times(&list[2], 0, 3);
}
END_TEST

START_TEST(what_a_limited_one_leaves_is_the_others)
{
	struct expect_move list[] = { move_of(1, 100), move_of(1, 180) };

	list[0].limit_bytes_per_s = 10 * MIB;
	play(list, 2);
	assert_times(&list[1], 0, 3);
	assert_times(&list[0], 0, 11);
}
END_TEST

START_TEST(budget_is_shared_by_all_links)
{
	struct expect_move list[] = { move_of(0, 100), move_of(0, 50) };

	host.budget_bytes_per_s = 75 * MIB;
	list[1].lane = 1;
	play(list, 2);
	assert_times(&list[0], 0, 2);
	assert_times(&list[1], 0, 2);
}
END_TEST

START_TEST(guest_without_memory_takes_what_is_beside_it)
{
	struct expect_move list[] = { move_of(2, 0), move_of(0, 0) };

	play(list, 2);
	assert_times(&list[0], 0, 2);
	assert_times(&list[1], 0, 0);
}
END_TEST

/* ---- when each begins ---------------------------------------------------------------- */

START_TEST(next_one_begins_when_there_is_a_place)
{
	struct expect_move list[] = { move_of(1, 100), move_of(1, 300), move_of(1, 100) };

	host.out_max = 2;
	play(list, 3);
	assert_times(&list[0], 0, 3);
	assert_times(&list[1], 0, 6); /* alone while the next one is set up */
	assert_times(&list[2], 3, 6);
}
END_TEST

START_TEST(no_more_are_set_up_at_once_than_is_allowed)
{
	struct expect_move list[6];

	for (size_t i = 0; i < 6; i++)
		list[i] = move_of(1, 0);
	play(list, 6);
	for (size_t i = 0; i < 6; i += 2) {
		double start_s = (double)i / 2;

		assert_times(&list[i], start_s, start_s + 1);
		assert_times(&list[i + 1], start_s, start_s + 1);
	}
}
END_TEST

START_TEST(full_link_holds_its_own_and_not_the_others)
{
	struct expect_move list[] = { move_of(0, 100), move_of(0, 100), move_of(0, 100),
				      move_of(0, 50) };

	list[3].lane = 1;
	play(list, 4);
	assert_times(&list[2], 2, 3);
	assert_times(&list[3], 0, 1);
}
END_TEST

START_TEST(one_that_waits_after_a_failure_lets_others_go_first)
{
	struct expect_move list[] = { move_of(0, 100), move_of(0, 100) };

	list[0].not_before_s = 5;
	play(list, 2);
	assert_times(&list[1], 0, 1);
	assert_times(&list[0], 5, 6);
}
END_TEST

START_TEST(those_under_way_are_not_held)
{
	const struct expect_lane lane = { 100 * MIB, 2 };
	struct expect_move list[] = { move_of(0, 100), move_of(0, 100), move_of(0, 100),
				      move_of(0, 100) };

	host.out_max = 1;
	expect_play(&host, &lane, list, 4, 3);
	for (size_t i = 0; i < 3; i++)
		assert_times(&list[i], 0, 3);
	assert_times(&list[3], 3, 4);
}
END_TEST

START_TEST(those_that_are_held_keep_the_others_from_nothing_but_places)
{
	const struct expect_lane lane = { 100 * MIB, 2 };
	struct expect_move list[7];

	for (size_t i = 0; i < 7; i++)
		list[i] = move_of(i < 5 ? 0 : 1, 100);
	for (size_t i = 0; i < 5; i++)
		list[i].held_s = 600;
	host.out_max = 6;
	expect_play(&host, &lane, list, 7, 5);
	assert_times(&list[5], 0, 2);
	assert_times(&list[6], 2, 4);
	assert_times(&list[0], 0, 605);
}
END_TEST

START_TEST(one_that_will_be_held_is_set_up_before)
{
	struct expect_move list[5];

	for (size_t i = 0; i < 5; i++) {
		list[i] = move_of(1, 50);
		list[i].held_s = i < 4 ? 100 : 0;
	}
	host.setups_max = 4;
	play(list, 5);
	assert_times(&list[0], 0, 103);
	assert_times(&list[4], 1, 2.5);
}
END_TEST

START_TEST(nothing_is_played)
{
	play(NULL, 0);
}
END_TEST

START_TEST(thousand_are_played_and_all_end)
{
	struct expect_move *list = xcalloc(1000, sizeof(*list));
	double last = 0;

	for (size_t i = 0; i < 1000; i++) {
		list[i] = move_of(0.5, (double)(1 + i * 37 % 500));
		list[i].lane = i % 2;
		list[i].not_before_s = i % 10 == 0 ? (double)i : 0;
	}
	play(list, 1000);
	for (size_t i = 0; i < 1000; i++) {
		ck_assert(list[i].end_s >= list[i].start_s + 0.5 - 0.001);
		ck_assert(list[i].start_s >= list[i].not_before_s - 0.001);
		last = fmax(last, list[i].end_s);
	}
	/* No sooner than the link carries it. */
	ck_assert(last > 500 * 250.5 / 50);
	free(list);
}
END_TEST

/* ---- the order ------------------------------------------------------------------------- */

struct batch {
	struct expect_move list[BATCH];
	double mean_wait_s, makespan_s;
};

static double alone_s(const struct expect_move *move)
{
	double rate = move->limit_bytes_per_s > 0 ? move->limit_bytes_per_s : 100 * MIB;

	return move->beside_s + move->bytes / rate;
}

static int shorter(const void *a, const void *b)
{
	double left = alone_s(a), right = alone_s(b);

	return (left > right) - (left < right);
}

static int longer(const void *a, const void *b)
{
	return shorter(b, a);
}

/* Sizes as hosts have them: many small ones, few large ones. */
static struct batch *batch_new(double single_mib)
{
	struct batch *batch = xnew(struct batch);
	uint32_t x = 12345;

	for (size_t i = 0; i < BATCH; i++) {
		x = x * 1664525u + 1013904223u;
		batch->list[i] = move_of(1, 64.0 * (double)(1u << (x >> 29)) * 0.5);
		batch->list[i].limit_bytes_per_s = single_mib * MIB;
	}
	return batch;
}

static void play_batch(struct batch *batch)
{
	const struct expect_lane lane = { 100 * MIB, 3 };

	expect_play(&host, &lane, batch->list, BATCH, 0);
	batch->mean_wait_s = batch->makespan_s = 0;
	for (size_t i = 0; i < BATCH; i++) {
		batch->mean_wait_s += batch->list[i].start_s / BATCH;
		batch->makespan_s = fmax(batch->makespan_s, batch->list[i].end_s);
	}
}

/* Guests wait less, and the last one ends at nearly the same time. */
START_TEST(short_ones_first_makes_the_wait_small_and_the_whole_hardly_longer)
{
	struct batch *came = batch_new(60), *sorted = batch_new(60), *reverse = batch_new(60);

	qsort(sorted->list, BATCH, sizeof(sorted->list[0]), shorter);
	qsort(reverse->list, BATCH, sizeof(reverse->list[0]), longer);
	play_batch(came);
	play_batch(sorted);
	play_batch(reverse);
	ck_assert_msg(sorted->mean_wait_s < 0.65 * came->mean_wait_s, "%.1f of %.1f s",
		      sorted->mean_wait_s, came->mean_wait_s);
	ck_assert_msg(sorted->makespan_s < 1.05 * reverse->makespan_s, "%.1f of %.1f s",
		      sorted->makespan_s, reverse->makespan_s);
	free(came);
	free(sorted);
	free(reverse);
}
END_TEST

/* A single transfer gets 40 % of the link. */
START_TEST(one_as_long_as_all_others_goes_first_and_the_whole_is_shorter)
{
	struct batch *last = batch_new(40), *first = batch_new(40);
	struct pick_longest longest = { 0 };
	double others_mib = 0;

	for (size_t i = 1; i < BATCH; i++)
		others_mib += last->list[i].bytes / MIB;
	last->list[0].bytes = first->list[0].bytes = others_mib * 1.1 * MIB;
	qsort(last->list, BATCH, sizeof(last->list[0]), shorter);
	for (size_t i = 0; i < BATCH; i++)
		(void)pick_longest_add(&longest, (uint64_t)(alone_s(&last->list[i]) * 1000));
	ck_assert(pick_longest_goes_first(&longest));
	play_batch(last);
	play_batch(first);
	ck_assert_msg(first->makespan_s < 0.9 * last->makespan_s, "%.1f of %.1f s",
		      first->makespan_s, last->makespan_s);
	free(last);
	free(first);
}
END_TEST

START_TEST(longest_is_one_of_three_or_more_and_none_of_equals)
{
	struct pick_longest of = { 0 };

	ck_assert(pick_longest_add(&of, 3000));
	ck_assert(!pick_longest_add(&of, 1000));
	ck_assert(!pick_longest_goes_first(&of));
	ck_assert(!pick_longest_add(&of, 1000));
	ck_assert(pick_longest_goes_first(&of));
	of.unknown = 1;
	ck_assert(!pick_longest_goes_first(&of));
	of.unknown = 0;
	ck_assert(!pick_longest_add(&of, 3000));
	ck_assert(!pick_longest_goes_first(&of));
}
END_TEST

START_TEST(long_one_is_passed_only_by_those_that_came_soon_after_it)
{
	const int64_t came = 1000000;

	ck_assert_int_eq(pick_turn_ms(came, 0), came);
	/* A move of 60 s lets one of 10 s pass that came 400 s later, and not one of 600 s later.
	 */
	ck_assert(pick_turn_ms(came + 400000, 10000) < pick_turn_ms(came, 60000));
	ck_assert(pick_turn_ms(came + 600000, 10000) > pick_turn_ms(came, 60000));
	/* However long it is. */
	ck_assert(pick_turn_ms(came, UINT64_MAX) <= came + PICK_PASSED_MAX_MS);
	ck_assert(pick_turn_ms(came + PICK_PASSED_MAX_MS + 1, 1) > pick_turn_ms(came, UINT64_MAX));
}
END_TEST

Suite *suite(void)
{
	Suite *s = suite_create("queue_expect");
	TCase *t = tcase_create("expect");

	tcase_add_checked_fixture(t, set_up, NULL);
	tcase_add_test(t, move_takes_its_time_beside_its_data);
	tcase_add_test(t, two_share_a_link_and_the_other_link_is_not_touched);
	tcase_add_test(t, what_a_limited_one_leaves_is_the_others);
	tcase_add_test(t, budget_is_shared_by_all_links);
	tcase_add_test(t, guest_without_memory_takes_what_is_beside_it);
	tcase_add_test(t, next_one_begins_when_there_is_a_place);
	tcase_add_test(t, no_more_are_set_up_at_once_than_is_allowed);
	tcase_add_test(t, full_link_holds_its_own_and_not_the_others);
	tcase_add_test(t, one_that_waits_after_a_failure_lets_others_go_first);
	tcase_add_test(t, those_under_way_are_not_held);
	tcase_add_test(t, those_that_are_held_keep_the_others_from_nothing_but_places);
	tcase_add_test(t, one_that_will_be_held_is_set_up_before);
	tcase_add_test(t, nothing_is_played);
	tcase_add_test(t, thousand_are_played_and_all_end);
	tcase_add_test(t, short_ones_first_makes_the_wait_small_and_the_whole_hardly_longer);
	tcase_add_test(t, one_as_long_as_all_others_goes_first_and_the_whole_is_shorter);
	tcase_add_test(t, longest_is_one_of_three_or_more_and_none_of_equals);
	tcase_add_test(t, long_one_is_passed_only_by_those_that_came_soon_after_it);
	suite_add_tcase(s, t);
	return s;
}
