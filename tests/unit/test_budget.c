/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* How moves share a budget: cases by hand, and what is true of any. */
#include <stdlib.h>
#include <string.h>

#include "check_main.h"
#include "move/budget.h"

#define MIB       (UINT64_C(1) << 20)
#define MOVES_MAX 12
#define LEAST     MIB /* that the configuration lets a budget be */

static uint64_t ret[MOVES_MAX];

static struct budget_move busy(enum move_priority priority, uint64_t given)
{
	return (struct budget_move){
		.priority = priority, .given = given, .used = given, .is_known = true
	};
}

static void assert_near(uint64_t is, uint64_t wanted)
{
	ck_assert_msg(is + 64 >= wanted && is <= wanted, "%llu, not %llu", (unsigned long long)is,
		      (unsigned long long)wanted);
}

START_TEST(one_move_has_all_of_it)
{
	struct budget_move move = { .priority = MOVE_PRIORITY_BALANCING };

	budget_share(100 * MIB, &move, 1, ret);
	assert_near(ret[0], 100 * MIB);
	move.own = 30 * MIB;
	budget_share(100 * MIB, &move, 1, ret);
	assert_near(ret[0], 30 * MIB);
	budget_share(100 * MIB, NULL, 0, ret);
}
END_TEST

START_TEST(moves_that_want_all_share_by_weight)
{
	const struct budget_move moves[] = {
		{ .priority = MOVE_PRIORITY_INTERACTIVE },
		{ .priority = MOVE_PRIORITY_EVACUATION },
		{ .priority = MOVE_PRIORITY_BALANCING },
	};

	budget_share(70 * MIB, moves, 3, ret);
	assert_near(ret[0], 40 * MIB);
	assert_near(ret[1], 20 * MIB);
	assert_near(ret[2], 10 * MIB);
}
END_TEST

/* What an own limit leaves, and what a move does not use, is the others'. */
START_TEST(what_one_does_not_use_the_others_get)
{
	struct budget_move moves[] = { busy(MOVE_PRIORITY_INTERACTIVE, 40 * MIB),
				       busy(MOVE_PRIORITY_BALANCING, 10 * MIB) };

	moves[0].own = 8 * MIB;
	budget_share(50 * MIB, moves, 2, ret);
	assert_near(ret[0], 8 * MIB);
	assert_near(ret[1], 42 * MIB);
	moves[0].own = 0;
	moves[0].used = 8 * MIB;
	budget_share(50 * MIB, moves, 2, ret);
	assert_near(ret[0], 10 * MIB); /* a quarter more, to grow */
	assert_near(ret[1], 40 * MIB);
}
END_TEST

/* One that had little and wants more again has its part at once. */
START_TEST(move_that_wants_more_again_has_its_part)
{
	const struct budget_move moves[] = { busy(MOVE_PRIORITY_INTERACTIVE, 10 * MIB),
					     busy(MOVE_PRIORITY_BALANCING, 40 * MIB) };

	budget_share(50 * MIB, moves, 2, ret);
	assert_near(ret[0], 40 * MIB);
	assert_near(ret[1], 10 * MIB);
}
END_TEST

/* No move is kept below what nobody else wants. */
START_TEST(what_nobody_wants_is_given_too)
{
	struct budget_move moves[] = { busy(MOVE_PRIORITY_EVACUATION, 50 * MIB),
				       busy(MOVE_PRIORITY_EVACUATION, 50 * MIB) };

	moves[0].used = moves[1].used = 4 * MIB;
	budget_share(100 * MIB, moves, 2, ret);
	assert_near(ret[0], 50 * MIB);
	assert_near(ret[1], 50 * MIB);
}
END_TEST

/* A guest that stands still, or waits for its memory, is not held back: the others are. */
START_TEST(others_give_way_to_a_move_that_is_free)
{
	struct budget_move moves[] = { busy(MOVE_PRIORITY_BALANCING, 60 * MIB),
				       busy(MOVE_PRIORITY_INTERACTIVE, 60 * MIB) };

	moves[0].is_free = true;
	budget_share(100 * MIB, moves, 2, ret);
	ck_assert_uint_eq(ret[0], 0);
	assert_near(ret[1], 40 * MIB);
	moves[0].used = 500 * MIB;
	budget_share(100 * MIB, moves, 2, ret);
	ck_assert_uint_eq(ret[1], BUDGET_MOVE_MIN_BYTES_PER_S);
}
END_TEST

START_TEST(small_changes_are_not_made)
{
	struct budget_move moves[] = { busy(MOVE_PRIORITY_INTERACTIVE, 40 * MIB),
				       busy(MOVE_PRIORITY_BALANCING, 10 * MIB) };

	moves[0].used = 30 * MIB; /* would be 37.5 */
	budget_share(50 * MIB, moves, 2, ret);
	ck_assert_uint_ne(ret[1], 10 * MIB); /* by more than a tenth of the small one */
	moves[1].given = moves[1].used = 12 * MIB;
	moves[0].given = 38 * MIB;
	budget_share(50 * MIB, moves, 2, ret);
	ck_assert_uint_eq(ret[0], 38 * MIB);
	ck_assert_uint_eq(ret[1], 12 * MIB);
	budget_share(49 * MIB, moves, 2, ret); /* what is over the budget is taken back */
	ck_assert_uint_le(ret[0] + ret[1], 49 * MIB);
}
END_TEST

START_TEST(each_lives_by_a_small_budget)
{
	struct budget_move moves[MOVES_MAX];

	for (size_t i = 0; i < MOVES_MAX; i++)
		moves[i] = (struct budget_move){ .priority = i % MOVE_PRIORITY_COUNT };
	budget_share(LEAST, moves, MOVES_MAX, ret);
	for (size_t i = 0; i < MOVES_MAX; i++)
		ck_assert_uint_ge(ret[i], LEAST / MOVES_MAX);
}
END_TEST

/* ---- what is true of any ------------------------------------------------------------- */

static uint64_t some(uint64_t most)
{
	return (uint64_t)random() % (most + 1);
}

static size_t make(struct budget_move *moves)
{
	size_t count = 1 + some(MOVES_MAX - 1);

	for (size_t i = 0; i < count; i++)
		moves[i] = (struct budget_move){
			.priority = (enum move_priority)some(MOVE_PRIORITY_COUNT - 1),
			.own = some(2) ? 0 : MOVE_BANDWIDTH_MIN + some(80 * MIB),
			.given = some(3) ? 1 + some(100 * MIB) : 0,
			.used = some(100 * MIB),
			.is_known = some(3),
			.is_free = !some(9),
		};
	return count;
}

static uint64_t free_use(const struct budget_move *moves, size_t count)
{
	uint64_t used = 0;

	for (size_t i = 0; i < count; i++)
		used += moves[i].is_free ? moves[i].used : 0;
	return used;
}

static bool is_hungry(const struct budget_move *move, uint64_t limit)
{
	bool wants = !move->is_known || !move->given || move->used * 10 >= move->given * 9;

	return !move->is_free && wants && (!move->own || limit < move->own / 10 * 9);
}

static void assert_sound(uint64_t budget, const struct budget_move *moves, size_t count)
{
	uint64_t used = free_use(moves, count), sum = 0, held = 0, least;
	uint64_t there = used < budget ? budget - used : 0;
	bool is_somebody_hungry = false;

	ck_assert_uint_gt(count, 0);
	least = budget / count < MIB ? budget / count : MIB;
	for (size_t i = 0; i < count; i++) {
		if (moves[i].is_free) {
			ck_assert_uint_eq(ret[i], 0);
			continue;
		}
		held++;
		sum += ret[i];
		ck_assert_uint_ge(ret[i], MOVE_BANDWIDTH_MIN);
		ck_assert(!moves[i].own || ret[i] <= moves[i].own);
		ck_assert(ret[i] >= least || ret[i] == moves[i].own);
		is_somebody_hungry = is_somebody_hungry || is_hungry(&moves[i], ret[i]);
	}
	there = there > least * held ? there : least * held;
	ck_assert_uint_le(sum, there);
	if (is_somebody_hungry) /* nothing is wasted, but for what a tenth less is not told of */
		ck_assert_uint_ge(sum + MOVES_MAX, there - there / 10 - 1);
}

START_TEST(any_share_is_sound_and_comes_to_rest)
{
	struct budget_move moves[MOVES_MAX];
	uint64_t first[MOVES_MAX];

	srandom((unsigned)_i);
	for (int round = 0; round < 2000; round++) {
		uint64_t budget = LEAST + some(200 * MIB);
		size_t count = make(moves);

		budget_share(budget, moves, count, ret);
		assert_sound(budget, moves, count);
		memcpy(first, ret, sizeof(first));
		budget_share(budget, moves, count, ret); /* the same again */
		ck_assert_mem_eq(first, ret, count * sizeof(*ret));
		for (size_t i = 0; i < count; i++) {
			bool wants = is_hungry(&moves[i], 0);

			moves[i].given = ret[i];
			moves[i].is_known = !wants; /* what it uses of the new limit is not known */
		}
		budget_share(budget, moves, count, ret);
		assert_sound(budget, moves, count);
	}
}
END_TEST

/* Moves that send what they are let, up to what their link or disk gives: after a few seconds each
 * has what it wants or its part, and nothing is told any more. */
START_TEST(moves_that_send_what_they_can_come_to_rest)
{
	struct budget_move moves[MOVES_MAX];
	uint64_t can[MOVES_MAX];

	srandom((unsigned)_i);
	for (int round = 0; round < 300; round++) {
		uint64_t budget = 10 * MIB + some(200 * MIB), told = 0;
		size_t count = make(moves);

		for (size_t i = 0; i < count; i++)
			can[i] = MIB + some(100 * MIB);
		for (int second = 0; second < 20; second++) {
			told = 0;
			budget_share(budget, moves, count, ret);
			assert_sound(budget, moves, count);
			for (size_t i = 0; i < count; i++) {
				told += ret[i] != moves[i].given;
				moves[i].given = ret[i];
				if (!moves[i].is_free)
					moves[i].used = can[i] < ret[i] ? can[i] : ret[i];
				moves[i].is_known = true;
			}
		}
		ck_assert_uint_eq(told, 0);
	}
}
END_TEST

Suite *suite(void)
{
	Suite *s = suite_create("budget");
	TCase *t = tcase_create("budget");

	tcase_add_test(t, one_move_has_all_of_it);
	tcase_add_test(t, moves_that_want_all_share_by_weight);
	tcase_add_test(t, what_one_does_not_use_the_others_get);
	tcase_add_test(t, move_that_wants_more_again_has_its_part);
	tcase_add_test(t, what_nobody_wants_is_given_too);
	tcase_add_test(t, others_give_way_to_a_move_that_is_free);
	tcase_add_test(t, small_changes_are_not_made);
	tcase_add_test(t, each_lives_by_a_small_budget);
	tcase_add_loop_test(t, any_share_is_sound_and_comes_to_rest, 0, 8);
	tcase_add_loop_test(t, moves_that_send_what_they_can_come_to_rest, 0, 8);
	suite_add_tcase(s, t);
	return s;
}
