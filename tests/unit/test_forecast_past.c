/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What earlier moves tell of the next one. */
#include <check.h>

#include "base/mem.h"
#include "forecast/past.h"
#include "tests/lib/check_main.h"

#define MIB ((double)(1 << 20))

/* Of a guest that is all sent, at 100 MiB/s. */
static struct forecast_past past_of(double memory_mib, double sent_mib)
{
	return (struct forecast_past){
		.prepare_ms = 100,
		.setup_ms = 2,
		.sending_ms = sent_mib * 10 +
			      (memory_mib - sent_mib) * MIB * 1000 / FORECAST_ZERO_BYTES_PER_S,
		.still_ms = 30,
		.end_ms = 10,
		.memory_bytes = memory_mib * MIB,
		.sent_bytes = sent_mib * MIB,
		.first_pass_bytes = sent_mib * MIB,
	};
}

static struct forecast_input learned(const struct forecast_past *list, size_t count)
{
	struct forecast_history history = { .sent_count = 0 };
	struct forecast_input input = { 0 };

	for (size_t i = 0; i < count; i++)
		forecast_history_add(&history, &list[i]);
	forecast_learn(&history, &input);
	return input;
}

/* ---- memory that is zero ---------------------------------------------------------------- */

/* Moves from one host to another as QEMU 7.2 made them on two busy CPUs, newest first: the one with
 * the most memory that is zero was the fastest for reasons of its own, and a line through the
 * four says that zero takes less than no time. */
static const struct forecast_sent noisy[] = {
	{ 0.168, 69 * MIB, 123 * MIB },
	{ 0.530, 132 * MIB, 60 * MIB },
	{ 0.697, 265 * MIB, 119 * MIB },
	{ 0.690, 264 * MIB, 120 * MIB },
};

START_TEST(noise_of_the_link_is_not_taken_for_a_scan)
{
	double zero = forecast_learn_zero(noisy, ARRAY_LEN(noisy));

	ck_assert_double_ge(zero, FORECAST_ZERO_BYTES_PER_S / 2);
	ck_assert_double_le(zero, FORECAST_ZERO_BYTES_PER_S * 3);
}
END_TEST

/* Whatever the times are. */
START_TEST(scan_is_one_that_memory_can_have)
{
	static const double seconds[] = { 1e-6, 0.001, 0.05, 1, 30, 4000 };

	for (size_t a = 0; a < ARRAY_LEN(seconds); a++)
		for (size_t b = 0; b < ARRAY_LEN(seconds); b++) {
			const struct forecast_sent list[] = {
				{ seconds[a], 2 * MIB, 100000 * MIB },
				{ seconds[b], 900 * MIB, 0 },
			};
			double zero = forecast_learn_zero(list, ARRAY_LEN(list));

			ck_assert_double_ge(zero, FORECAST_ZERO_MIN);
			ck_assert_double_le(zero, FORECAST_ZERO_MAX);
		}
}
END_TEST

/* Half of the time went by without a byte, or all of it did. */
START_TEST(move_that_was_mostly_zero_tells_no_link)
{
	const struct forecast_sent mostly = { 0.097, 35 * MIB, 477 * MIB };
	const struct forecast_sent instant = { 0.002, 70 * MIB, 0 };

	ck_assert_double_gt(forecast_link_of(&mostly, 3.2e10), 0);
	ck_assert_double_eq(forecast_link_of(&mostly, 6.0e9), 0);
	ck_assert_double_eq(forecast_link_of(&instant, 8.0e9), 0);
}
END_TEST

/* ---- the link -------------------------------------------------------------------------------- */

START_TEST(link_is_of_moves_that_nothing_held_back)
{
	struct forecast_past list[] = { past_of(1024, 900), past_of(1024, 900), past_of(1024, 900),
					past_of(256, 40) };
	struct forecast_input input;

	list[0].sending_ms = 30000;
	list[0].memory_was_held = true;
	list[1].sending_ms = 30000;
	list[1].has_disks = true;
	list[2].age_ms = 5000;
	input = learned(list, ARRAY_LEN(list));
	ck_assert_uint_eq(input.link_moves, 1);
	ck_assert_uint_eq(input.link_age_ms, 5000);
	ck_assert_double_eq_tol(input.link_bytes_per_s[0] / MIB, 100, 1);
	ck_assert_uint_eq(input.small_moves, 1);
	ck_assert_double_eq_tol(input.small_bytes_per_s[0] / MIB, 100, 1);
}
END_TEST

START_TEST(newest_moves_count)
{
	struct forecast_past list[2 * FORECAST_LINK_MOVES];
	struct forecast_input input;

	for (size_t i = 0; i < ARRAY_LEN(list); i++) {
		list[i] = past_of(512, 512);
		if (i >= FORECAST_LINK_MOVES)
			list[i].sending_ms *= 10;
		list[i].prepare_ms = i < FORECAST_LINK_MOVES ? 100 : 9000;
	}
	input = learned(list, ARRAY_LEN(list));
	ck_assert_uint_eq(input.link_moves, FORECAST_LINK_MOVES);
	for (size_t i = 0; i < FORECAST_LINK_MOVES; i++)
		ck_assert_double_eq_tol(input.link_bytes_per_s[i] / MIB, 100, 1);
	ck_assert_double_eq(input.costs.prepare_ms, 102);
}
END_TEST

/* ---- beside the data ----------------------------------------------------------------------- */

START_TEST(without_moves_costs_are_assumed)
{
	struct forecast_input input = learned(NULL, 0);

	ck_assert_uint_eq(input.link_moves, 0);
	ck_assert_double_eq(input.zero_bytes_per_s, 0);
	ck_assert_double_gt(input.costs.prepare_ms, input.costs_low.prepare_ms);
	ck_assert_double_gt(input.costs_high.prepare_ms, input.costs.prepare_ms);
}
END_TEST

/* 1 MiB at 100 MiB/s is 10 ms of 30. */
START_TEST(handover_is_without_the_data_that_was_sent_meanwhile)
{
	struct forecast_past past = past_of(512, 512);

	past.last_bytes = MIB;
	ck_assert_double_eq_tol(learned(&past, 1).costs.handover_ms, 20, 0.5);
	past.last_bytes = 9 * MIB; /* the link was faster then */
	ck_assert_double_eq_tol(learned(&past, 1).costs.handover_ms, 15, 0.1);
}
END_TEST

/* Passes that were too short to be told apart tell no bytes: then the data that was foreseen
 * counts, so that a blackout that was met once is met again. */
START_TEST(handover_is_without_the_data_that_was_foreseen)
{
	struct forecast *said = xnew(struct forecast);
	struct forecast_past past = past_of(512, 512);

	said->duration_ms.expected = said->bytes.expected = 1;
	said->blackout_ms.expected = 32;
	said->basis.handover_ms = 22;
	past.said = said;
	ck_assert_double_eq_tol(learned(&past, 1).costs.handover_ms, 20, 0.1);
	said->blackout_ms.expected = 20; /* less than the hand-over */
	ck_assert_double_eq_tol(learned(&past, 1).costs.handover_ms, 30, 0.1);
	free(said);
}
END_TEST

START_TEST(moves_with_disks_have_costs_of_their_own)
{
	struct forecast_past list[] = { past_of(512, 512), past_of(512, 512) };
	struct forecast_history history = { .sent_count = 0 };
	struct forecast_input input = { .disk_bytes = 1 };

	list[0].has_disks = true;
	list[0].prepare_ms = 300;
	list[0].disk_bytes = 100 * MIB;
	list[0].disks_ms = 2020;
	forecast_history_add(&history, &list[0]);
	forecast_history_add(&history, &list[1]);
	forecast_learn(&history, &input);
	ck_assert_double_eq(input.costs.prepare_ms, 302);
	ck_assert_double_eq_tol(input.disk_bytes_per_s / MIB, 50, 1);
	input = (struct forecast_input){ 0 };
	forecast_learn(&history, &input);
	ck_assert_double_eq(input.costs.prepare_ms, 102);
}
END_TEST

START_TEST(what_forecasts_missed_is_told)
{
	struct forecast *said = xnew(struct forecast);
	struct forecast_past list[] = { past_of(512, 512), past_of(512, 512) };
	struct forecast_input input;

	said->duration_ms.expected = 1000;
	said->blackout_ms.expected = 60;
	said->bytes.expected = (uint64_t)(256 * MIB);
	list[0].duration_ms = 2000;
	list[0].said = said;
	input = learned(list, ARRAY_LEN(list));
	ck_assert_uint_eq(input.missed_count, 1);
	ck_assert_double_eq(input.missed[0].duration, 2);
	ck_assert_double_eq(input.missed[0].blackout, 0.5);
	ck_assert_double_eq(input.missed[0].bytes, 2);
	free(said);
}
END_TEST

Suite *suite(void)
{
	Suite *s = suite_create("forecast_past");
	TCase *tc = tcase_create("forecast_past");

	tcase_add_test(tc, noise_of_the_link_is_not_taken_for_a_scan);
	tcase_add_test(tc, scan_is_one_that_memory_can_have);
	tcase_add_test(tc, move_that_was_mostly_zero_tells_no_link);
	tcase_add_test(tc, link_is_of_moves_that_nothing_held_back);
	tcase_add_test(tc, newest_moves_count);
	tcase_add_test(tc, without_moves_costs_are_assumed);
	tcase_add_test(tc, handover_is_without_the_data_that_was_sent_meanwhile);
	tcase_add_test(tc, handover_is_without_the_data_that_was_foreseen);
	tcase_add_test(tc, moves_with_disks_have_costs_of_their_own);
	tcase_add_test(tc, what_forecasts_missed_is_told);
	suite_add_tcase(s, tc);
	return s;
}
