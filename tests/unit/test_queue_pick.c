/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "check_main.h"
#include "queue/pick.h"

#define MIB 1048576.0

static struct pick_load load_of(unsigned out, unsigned setting_up)
{
	return (struct pick_load){
		.setups_max = 2, .out = out, .out_max = 16, .setting_up = setting_up
	};
}

/* ---- limits --------------------------------------------------------------------------- */

START_TEST(idle_host_begins)
{
	const struct pick_load load = load_of(0, 0);
	const struct pick_link link = { 0 };

	ck_assert_int_eq(pick_next(&load, &link), PICK_GO);
}
END_TEST

START_TEST(out_max_holds_before_anything_else)
{
	const struct pick_load load = load_of(16, 9);
	const struct pick_link link = { .transfers = 9 };

	ck_assert_int_eq(pick_next(&load, &link), PICK_HOLD_OUT_MAX);
}
END_TEST

START_TEST(no_more_are_set_up_than_is_allowed)
{
	const struct pick_link link = { 0 };

	for (unsigned setting_up = 0; setting_up < 6; setting_up++) {
		const struct pick_load load = load_of(setting_up, setting_up);

		ck_assert_int_eq(pick_next(&load, &link),
				 setting_up < 2 ? PICK_GO : PICK_HOLD_SETTING_UP);
	}
}
END_TEST

/* ---- the link --------------------------------------------------------------------------- */

START_TEST(link_of_which_nothing_is_known_gets_two_transfers_until_they_were_measured)
{
	const struct pick_load load = load_of(2, 0);
	struct pick_link link = { .transfers = 1 };

	ck_assert_int_eq(pick_next(&load, &link), PICK_GO);
	link.transfers = 2;
	ck_assert_int_eq(pick_next(&load, &link), PICK_HOLD_LINK);
	pick_learn(&link, 100 * MIB);
	ck_assert_int_eq(pick_next(&load, &link), PICK_GO);
}
END_TEST

START_TEST(link_that_was_measured_is_filled)
{
	const struct pick_load load = load_of(3, 0);
	struct pick_link link = { .transfers = 3, .measured_bytes_per_s = 100 * MIB };

	link.bytes_per_s[2] = 88 * MIB;
	pick_learn(&link, 89 * MIB);
	ck_assert_int_eq(pick_next(&load, &link), PICK_GO);
	link.bytes_per_s[3] = 91 * MIB;
	ck_assert_int_eq(pick_next(&load, &link), PICK_HOLD_LINK);
}
END_TEST

/* One move alone may get less than the link would give. */
START_TEST(transfers_are_added_while_each_makes_all_of_them_faster)
{
	static const double rates[] = { 0, 100, 190, 260, 275, 274 };
	const struct pick_load load = load_of(3, 0);
	struct pick_link link = { .measured_bytes_per_s = 100 * MIB };

	for (unsigned n = 1; n < 6; n++) {
		link.transfers = n;
		pick_learn(&link, rates[n] * MIB);
		ck_assert_int_eq(pick_next(&load, &link), n < 4 ? PICK_GO : PICK_HOLD_LINK);
	}
}
END_TEST

/* The link could carry more: without this they would be added for ever. */
START_TEST(budget_that_is_used_up_holds_others)
{
	struct pick_load load = load_of(3, 0);
	struct pick_link link = { .transfers = 3, .measured_bytes_per_s = 100 * MIB };

	link.bytes_per_s[3] = 19 * MIB;
	load.transfers = 3;
	load.bytes_per_s = 19 * MIB;
	ck_assert_int_eq(pick_next(&load, &link), PICK_GO);
	load.budget_bytes_per_s = 20 * MIB;
	ck_assert_int_eq(pick_next(&load, &link), PICK_HOLD_BUDGET);
	load.bytes_per_s = 17 * MIB; /* not used up */
	ck_assert_int_eq(pick_next(&load, &link), PICK_GO);
	load.bytes_per_s = 19 * MIB;
	load.transfers = 1; /* it may end, and the next one is to be ready */
	ck_assert_int_eq(pick_next(&load, &link), PICK_GO);
}
END_TEST

START_TEST(budget_of_the_other_host_is_its_link)
{
	const struct pick_load load = load_of(3, 0);
	struct pick_link link = { .transfers = 3,
				  .measured_bytes_per_s = 100 * MIB,
				  .let_come_bytes_per_s = 20 * MIB };

	link.bytes_per_s[3] = 19 * MIB;
	ck_assert_int_eq(pick_next(&load, &link), PICK_HOLD_LINK);
	link.bytes_per_s[3] = 15 * MIB;
	ck_assert_int_eq(pick_next(&load, &link), PICK_GO);
}
END_TEST

START_TEST(what_is_learnt_follows_the_link_slowly_and_stays_in_its_table)
{
	struct pick_link link = { .transfers = 2 };

	pick_learn(&link, 100 * MIB);
	pick_learn(&link, 50 * MIB);
	ck_assert(link.bytes_per_s[2] > 74 * MIB && link.bytes_per_s[2] < 76 * MIB);
	link.transfers = PICK_TRANSFERS_MAX + 1;
	pick_learn(&link, 1);
	link.transfers = 0;
	pick_learn(&link, 1);
	ck_assert(!(link.bytes_per_s[0] > 0));
}
END_TEST

/* ---- the wait after a failure ------------------------------------------------------------- */

START_TEST(wait_doubles_up_to_a_minute_and_differs_by_id)
{
	static const char *const ids[] = { "019e0000-0000-7000-8000-000000000001",
					   "019e0000-0000-7000-8000-000000000002" };
	uint64_t base = PICK_BACKOFF_MIN_MS;

	for (unsigned round = 1; round < 12; round++) {
		uint64_t ms = pick_backoff_ms(round, ids[0]);

		ck_assert(ms >= base && ms <= base + base / 4);
		ck_assert_uint_eq(ms, pick_backoff_ms(round, ids[0]));
		ck_assert_uint_ne(ms, pick_backoff_ms(round, ids[1]));
		base = base * 2 < PICK_BACKOFF_MAX_MS ? base * 2 : PICK_BACKOFF_MAX_MS;
	}
	ck_assert(pick_backoff_ms(4000000000u, ids[0]) <= PICK_BACKOFF_MAX_MS * 5 / 4);
}
END_TEST

Suite *suite(void)
{
	Suite *s = suite_create("queue_pick");
	TCase *t = tcase_create("pick");

	tcase_add_test(t, idle_host_begins);
	tcase_add_test(t, out_max_holds_before_anything_else);
	tcase_add_test(t, no_more_are_set_up_than_is_allowed);
	tcase_add_test(t,
		       link_of_which_nothing_is_known_gets_two_transfers_until_they_were_measured);
	tcase_add_test(t, link_that_was_measured_is_filled);
	tcase_add_test(t, transfers_are_added_while_each_makes_all_of_them_faster);
	tcase_add_test(t, budget_that_is_used_up_holds_others);
	tcase_add_test(t, budget_of_the_other_host_is_its_link);
	tcase_add_test(t, what_is_learnt_follows_the_link_slowly_and_stays_in_its_table);
	tcase_add_test(t, wait_doubles_up_to_a_minute_and_differs_by_id);
	suite_add_tcase(s, t);
	return s;
}
