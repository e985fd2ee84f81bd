/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The explanations of moves as they were recorded. */
#include <string.h>

#include "base/mem.h"
#include "check_main.h"
#include "move/explain.h"

#define MIB (UINT64_C(1) << 20)

static char text[MOVE_EXPLANATION_SIZE];

static const struct explain_basis idle = {
	.destination = "b",
	.total_ms = 1450,
	.prepare_ms = 420,
	.memory_ms = 600,
	.still_ms = 71,
	.last_pass_ms = 48,
	.tidy_ms = 330,
	.ram_bytes = 512 * MIB,
	.sent_bytes = 60 * MIB,
	.passes = 3,
};

/* A guest that does nothing, over a fast link. */
START_TEST(short_move_says_where_its_time_went)
{
	explain(&idle, text);
	ck_assert_str_eq(
		text, "It took 1.4 s: 420 ms until the destination was ready, 600 ms for memory "
		      "while the guest ran, 71 ms of standstill, 330 ms to tidy up. 3 passes over "
		      "512 MiB of memory sent 60 MiB at 93 MiB/s, what the link and the hosts "
		      "gave. The guest stood still for 71 ms: 48 ms until all of it was sent, 23 "
		      "ms until it ran on host 'b'.");
}
END_TEST

/* 128 MiB at 16 MiB/s, of which the guest changed 64 MiB again and again; throttled. */
START_TEST(busy_guest_over_a_limited_link_says_what_held_it)
{
	struct explain_basis basis = idle;

	basis.total_ms = 65400;
	basis.memory_ms = 64500;
	basis.ram_bytes = 128 * MIB;
	basis.sent_bytes = 1000 * MIB;
	basis.passes = 17;
	basis.limit_bytes_per_s = 16 * MIB;
	basis.dirty_bytes_per_s = 4002 * 4096;
	basis.throttle_percent = 60;
	explain(&basis, text);
	ck_assert_ptr_nonnull(strstr(text, "It took 1 min 5 s:"));
	ck_assert_ptr_nonnull(strstr(text,
				     "17 passes over 128 MiB of memory sent 1000 MiB at 15 MiB/s, "
				     "the limit of the bandwidth."));
	ck_assert_ptr_nonnull(strstr(text,
				     "The guest changed up to 16 MiB/s meanwhile, so at least "
				     "872 MiB went more than once."));
	ck_assert_ptr_nonnull(strstr(text, "QEMU slowed its CPUs down by up to 60 %."));
}
END_TEST

START_TEST(move_that_the_budget_held_says_so)
{
	struct explain_basis basis = idle;

	basis.budget_bytes_per_s = 100 * MIB;
	explain(&basis, text);
	ck_assert_ptr_nonnull(strstr(text, "sent 60 MiB at 93 MiB/s, its part of the host's budget "
					   "of bandwidth."));
	basis.budget_bytes_per_s = 1000 * MIB;
	explain(&basis, text);
	ck_assert_ptr_nonnull(strstr(text, "what the link and the hosts gave."));
}
END_TEST

START_TEST(local_disks_are_told_with_their_rate)
{
	struct explain_basis basis = idle;

	basis.total_ms = 41000;
	basis.disks_ms = 40000;
	basis.disk_bytes = 4096 * MIB;
	explain(&basis, text);
	ck_assert_ptr_nonnull(strstr(text, "40.0 s for local disks"));
	ck_assert_ptr_nonnull(
		strstr(text, "Of local disks 4.0 GiB were copied at 102 MiB/s, what "));
}
END_TEST

START_TEST(waiting_and_lost_streams_are_told)
{
	struct explain_basis basis = idle;

	basis.hold_ms = 120000;
	basis.parties_ms = 20000;
	basis.delays = "party 'backup' had asked for a delay (busy)";
	basis.held_count = 2;
	basis.held_ms = 31000;
	basis.fetch_ms = 9000;
	basis.rejoins = 1;
	explain(&basis, text);
	ck_assert_ptr_nonnull(strstr(text, "9.0 s for memory that followed the guest"));
	ck_assert_ptr_nonnull(strstr(text,
				     "2 min 0 s held as was asked for, 20.0 s for the answers "
				     "of parties that were told before memory, 600 ms for "
				     "memory"));
	ck_assert_ptr_nonnull(strstr(text, "Memory was not sent before that, since party 'backup' "
					   "had asked for a delay (busy)."));
	ck_assert_ptr_nonnull(strstr(text,
				     "For 31.0 s in all, 2 times, nothing was sent, since one of "
				     "the hosts could not have finished the move."));
	ck_assert_ptr_nonnull(strstr(text, "The data stream was lost and made again 1 time."));
}
END_TEST

START_TEST(move_that_failed_tells_no_arrival)
{
	struct explain_basis basis = { .end = EXPLAIN_STAYED,
				       .destination = "b",
				       .total_ms = 3000,
				       .prepare_ms = 400,
				       .memory_ms = 2600,
				       .still_ms = 5 };

	explain(&basis, text);
	ck_assert_str_eq(text, "It took 3.0 s: 400 ms until the destination was ready, 2.6 s for "
			       "memory while the guest ran, 5 ms of standstill.");
}
END_TEST

/* The page of a move that ended otherwise than by itself says what was decided, and by whom. */
START_TEST(decision_is_told_with_who_made_it)
{
	struct explain_basis basis = idle;

	basis.decision = "the guest stands still for as long as the rest takes, for about 3200 ms";
	basis.policy = "suspend";
	explain(&basis, text);
	ck_assert_ptr_nonnull(strstr(text, " Policy 'suspend' decided in the end: the guest "
					   "stands still for as long as the rest takes, for "
					   "about 3200 ms."));
	basis.decision = "on request: the guest stands still for as long as the rest takes";
	explain(&basis, text);
	ck_assert_ptr_nonnull(strstr(text, " A user decided: the guest stands still for as long "
					   "as the rest takes."));
	basis.policy = "shy";
	basis.decision = "would have decided: the guest's CPUs are slowed down by 20 %";
	explain(&basis, text);
	ck_assert_ptr_nonnull(strstr(text, " Policy 'shy' would have decided: the guest's CPUs"));
}
END_TEST

/* What does not fit is left out whole. */
START_TEST(largest_numbers_are_survived)
{
	static char delays[2 * MOVE_EXPLANATION_SIZE];
	struct explain_basis basis;

	memset(delays, 'x', sizeof(delays) - 1);
	memset(&basis, 0xff, sizeof(basis));
	basis.delays = delays;
	basis.end = EXPLAIN_DONE;
	basis.has_outage = basis.is_still = true;
	basis.destination = "a-host-whose-name-has-as-many-as-sixty-three-characters-in-it-all";
	basis.last_pass_ms = 1;
	basis.decision = basis.policy = basis.destination;
	explain(&basis, text);
	ck_assert_uint_lt(strlen(text), sizeof(text));
	ck_assert_int_eq(text[strlen(text) - 1], '.');
	ck_assert_ptr_null(strstr(text, "xx"));
}
END_TEST

Suite *suite(void)
{
	Suite *s = suite_create("explain");
	TCase *tc = tcase_create("explain");

	tcase_add_test(tc, short_move_says_where_its_time_went);
	tcase_add_test(tc, busy_guest_over_a_limited_link_says_what_held_it);
	tcase_add_test(tc, move_that_the_budget_held_says_so);
	tcase_add_test(tc, local_disks_are_told_with_their_rate);
	tcase_add_test(tc, waiting_and_lost_streams_are_told);
	tcase_add_test(tc, decision_is_told_with_who_made_it);
	tcase_add_test(tc, move_that_failed_tells_no_arrival);
	tcase_add_test(tc, largest_numbers_are_survived);
	suite_add_tcase(s, tc);
	return s;
}
