/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <string.h>

#include "check_main.h"
#include "move/passes.h"

static struct passes passes;

static void set_up(void)
{
	memset(&passes, 0, sizeof(passes));
}

static void note(uint64_t pass, uint64_t at_ms, uint64_t sent, uint64_t left, uint64_t rate)
{
	passes_note(&passes, &(struct passes_sample){ .pass = pass,
						      .at_ms = at_ms,
						      .sent_bytes = sent,
						      .left_bytes = left,
						      .dirty_pages_per_s = rate });
}

START_TEST(each_pass_has_its_own_bytes_time_and_rate)
{
	note(0, 0, 0, 1000, 0); /* QEMU sets up */
	note(1, 10, 0, 1000, 0);
	note(1, 510, 600, 400, 0);
	note(2, 1010, 1000, 300, 77);
	note(2, 1200, 1200, 100, 77);
	note(3, 1310, 1300, 50, 55);
	note(3, 1330, 1350, 0, 55);
	ck_assert_uint_eq(passes.count, 3);
	ck_assert_uint_eq(passes.rows[0].sent_bytes, 1000);
	ck_assert_uint_eq(passes.rows[0].duration_ms, 1000);
	ck_assert_uint_eq(passes.rows[0].dirty_pages_per_s, 77);
	ck_assert_uint_eq(passes.rows[1].to_send_bytes, 300);
	ck_assert_uint_eq(passes.rows[1].sent_bytes, 300);
	ck_assert_uint_eq(passes.rows[1].duration_ms, 300);
	ck_assert_uint_eq(passes.rows[1].dirty_pages_per_s, 55);
	ck_assert_uint_eq(passes.rows[2].sent_bytes, 50);
	ck_assert_uint_eq(passes.rows[2].duration_ms, 20);
}
END_TEST

/* Answers may be late, and events lost. */
START_TEST(passes_that_nobody_saw_are_part_of_the_next_row)
{
	note(1, 0, 0, 1000, 0);
	note(5, 900, 1500, 20, 7);
	note(4, 950, 1520, 10, 7);
	note(5, 800, 1400, 30, 7);
	ck_assert_uint_eq(passes.count, 2);
	ck_assert_uint_eq(passes.rows[1].first, 2);
	ck_assert_uint_eq(passes.rows[1].last, 5);
	ck_assert_uint_eq(passes.rows[1].sent_bytes, 0);
}
END_TEST

/* Then QEMU does not tell any more what it counted before. */
START_TEST(end_of_the_transfer_ends_the_last_row)
{
	note(1, 0, 0, 1000, 0);
	note(2, 500, 1000, 300, 9);
	passes_note(&passes, &(struct passes_sample){
				     .pass = 4, .at_ms = 900, .sent_bytes = 1350, .is_end = true });
	ck_assert_uint_eq(passes.count, 2);
	ck_assert_uint_eq(passes.rows[1].last, 4);
	ck_assert_uint_eq(passes.rows[1].sent_bytes, 350);
	ck_assert_uint_eq(passes.rows[1].duration_ms, 400);
	ck_assert_uint_eq(passes.rows[1].dirty_pages_per_s, 9);
}
END_TEST

/* The link drops to a tenth in the midst of a pass. */
START_TEST(rate_follows_the_link_within_a_pass)
{
	uint64_t at_ms = 0, sent = 0;

	for (; at_ms < 20000; at_ms += 500, sent += 50000)
		note(1, at_ms, sent, 9000000 - sent, 0);
	ck_assert_uint_eq(passes_bytes_per_s(&passes), 100000);
	for (; at_ms < 25000; at_ms += 500, sent += 5000)
		note(1, at_ms, sent, 9000000 - sent, 0);
	ck_assert_uint_eq(passes_bytes_per_s(&passes), 10000);
	/* Nothing is sent: that is no rate. */
	for (; at_ms < 35000; at_ms += 500)
		note(1, at_ms, sent, 9000000 - sent, 0);
	ck_assert_uint_eq(passes_bytes_per_s(&passes), sent * 1000 / 34500);
}
END_TEST

START_TEST(counts_that_begin_anew_are_another_rate)
{
	for (uint64_t ms = 0; ms <= 3000; ms += 100)
		note(1, ms, ms * 1000, 1, 0);
	for (uint64_t ms = 3100; ms <= 6000; ms += 100)
		note(2, ms, (ms - 3000) * 10, 1, 0);
	ck_assert_uint_eq(passes_bytes_per_s(&passes), 10000);
}
END_TEST

/* Thousands of short passes and a long one: sums and order stay, and the long one is apart. */
START_TEST(many_passes_take_bounded_room_and_lose_nothing)
{
	enum { PASSES = 3000, LONG = 1000 };
	uint64_t at_ms = 0, sent = 0, sum_ms = 0, sum_bytes = 0, next = 1;
	bool is_apart = false;

	for (uint64_t pass = 1; pass <= PASSES; pass++) {
		note(pass, at_ms, sent, 4096, 10);
		if (pass == 2000)
			passes_decide(&passes, "slow the guest down");
		at_ms += pass == LONG ? 60000 : 100 + pass % 7;
		sent += 4096;
	}
	note(PASSES, at_ms, sent, 0, 10);
	ck_assert_uint_eq(passes.count, PASSES_MAX);
	for (size_t i = 0; i < passes.count; i++) {
		const struct move_pass *row = &passes.rows[i];

		ck_assert_uint_eq(row->first, next);
		ck_assert_uint_eq(row->began_ms, sum_ms);
		next = row->last + 1;
		sum_ms += row->duration_ms;
		sum_bytes += row->sent_bytes;
		is_apart = is_apart || (row->first == LONG && row->last == LONG);
	}
	ck_assert_uint_eq(next, PASSES + 1);
	ck_assert_uint_eq(sum_ms, at_ms);
	ck_assert_uint_eq(sum_bytes, sent);
	ck_assert(is_apart);
}
END_TEST

START_TEST(decision_stays_with_its_pass_when_rows_are_joined)
{
	passes_decide(&passes, "before any pass: lost");
	for (uint64_t pass = 1; pass <= 200; pass++) {
		note(pass, pass * 10, pass, 1, 1);
		if (pass == 3)
			passes_decide(&passes, "three");
	}
	for (size_t i = 0; i < passes.count; i++)
		if (passes.rows[i].decision[0]) {
			ck_assert_str_eq(passes.rows[i].decision, "three");
			ck_assert_uint_eq(passes.rows[i].last, 3);
			return;
		}
	ck_abort_msg("the decision is gone");
}
END_TEST

Suite *suite(void)
{
	Suite *s = suite_create("passes");
	TCase *tc = tcase_create("passes");

	tcase_add_checked_fixture(tc, set_up, NULL);
	tcase_add_test(tc, each_pass_has_its_own_bytes_time_and_rate);
	tcase_add_test(tc, passes_that_nobody_saw_are_part_of_the_next_row);
	tcase_add_test(tc, end_of_the_transfer_ends_the_last_row);
	tcase_add_test(tc, rate_follows_the_link_within_a_pass);
	tcase_add_test(tc, counts_that_begin_anew_are_another_rate);
	tcase_add_test(tc, many_passes_take_bounded_room_and_lose_nothing);
	tcase_add_test(tc, decision_stays_with_its_pass_when_rows_are_joined);
	suite_add_tcase(s, tc);
	return s;
}
