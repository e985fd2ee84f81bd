/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <string.h>

#include "base/mem.h"
#include "check_main.h"
#include "converge/converge.h"
#include "move/outlook.h"
#include "move/passes.h"
#include "wire/policy.h"

#define MIB (UINT64_C(1) << 20)

static const struct outlook_basis flowing = {
	.stage = OUTLOOK_MEMORY,
	.peer = "b",
	.pass = 8, /* of which on the guest may stand still for all that is allowed */
	.total_bytes = 8192 * MIB,
	.left_bytes = 2000 * MIB,
	.bytes_per_s = 900 * MIB,
	.is_dirty_known = true,
	.dirty_bytes_per_s = 600 * MIB,
	.limit_ms = 300,
};

START_TEST(guest_that_converges_has_an_end_and_a_range)
{
	struct outlook outlook = outlook_of(&flowing);

	ck_assert_str_eq(outlook.sentence,
			 "the guest changes 600 MiB/s, and 900 MiB/s are sent: 6 more passes, then "
			 "it stands still for about 193 ms");
	ck_assert(outlook.has_min);
	ck_assert_uint_gt(outlook.min_ms, 2000);
	ck_assert_uint_lt(outlook.min_ms, 6000);
	/* With a quarter less sent and a third more changed it never ends. */
	ck_assert(!outlook.has_max);
}
END_TEST

START_TEST(range_has_both_ends_when_the_worst_case_ends_too)
{
	struct outlook_basis basis = flowing;
	struct outlook outlook;

	basis.dirty_bytes_per_s = 100 * MIB;
	outlook = outlook_of(&basis);
	ck_assert(outlook.has_min && outlook.has_max);
	ck_assert_uint_lt(outlook.min_ms, 2500);
	ck_assert_uint_gt(outlook.max_ms, outlook.min_ms);
	ck_assert_ptr_nonnull(strstr(outlook.sentence, "2 more passes, then"));
}
END_TEST

START_TEST(guest_that_is_too_fast_has_no_end_in_sight)
{
	struct outlook_basis basis = flowing;
	struct outlook outlook;

	basis.dirty_bytes_per_s = 950 * MIB;
	basis.throttle_percent = 40;
	outlook = outlook_of(&basis);
	ck_assert_str_eq(outlook.sentence, "the guest changes 950 MiB/s (its CPUs are slowed down "
					   "by 40 %), and 900 MiB/s are sent: no end is in sight");
	ck_assert(!outlook.has_max);
	basis.can_switch = true;
	ck_assert_ptr_nonnull(
		strstr(outlook_of(&basis).sentence, "no end is in sight; post-copy can end it"));
}
END_TEST

/* Who reads that no end is in sight wants to know what comes of it. */
START_TEST(transfer_without_end_says_how_its_policy_ends_it)
{
	static const char *const ends[] = {
		[POLICY_TIMEOUT_CANCEL] = ("no end is in sight; the move is given up in 1 min 5 s "
					   "at the latest"),
		[POLICY_TIMEOUT_FORCE] = "; the guest is stopped until all is sent in 1 min 5 s",
		[POLICY_TIMEOUT_POSTCOPY] = "; the guest goes over by post-copy in 1 min 5 s",
		[POLICY_TIMEOUT_PAUSE] = "; the guest is stopped until all is sent in 1 min 5 s",
	};
	struct outlook_basis basis = flowing;

	basis.dirty_bytes_per_s = 950 * MIB;
	basis.deadline_ms = 65000;
	for (size_t i = 0; i < ARRAY_LEN(ends); i++) {
		basis.timeout = (int)i;
		ck_assert_msg(strstr(outlook_of(&basis).sentence, ends[i]), "%s",
			      outlook_of(&basis).sentence);
	}
	basis.will_switch = true;
	ck_assert_ptr_nonnull(strstr(outlook_of(&basis).sentence,
				     "; the guest goes over by post-copy if that stays so"));
}
END_TEST

/* A rate of 0 in the first pass is no rate: QEMU has not looked yet. */
START_TEST(first_pass_has_no_latest_end)
{
	struct outlook_basis basis = flowing;
	struct outlook outlook;

	basis.pass = 1;
	basis.is_dirty_known = false;
	basis.dirty_bytes_per_s = 0;
	outlook = outlook_of(&basis);
	ck_assert(outlook.has_min && !outlook.has_max);
	ck_assert_ptr_nonnull(strstr(outlook.sentence, "2.0 GiB left at 900 MiB/s"));
}
END_TEST

/* Rates of 0, and the largest that JSON can say. */
START_TEST(extremes_are_survived)
{
	static const uint64_t values[] = { 0, 1, UINT64_C(1) << 53, UINT64_MAX };

	for (int stage = OUTLOOK_READY; stage <= OUTLOOK_BACK; stage++)
		for (size_t i = 0; i < 4 * 4 * 4; i++) {
			struct outlook_basis basis = flowing;

			basis.stage = (enum outlook_stage)stage;
			basis.left_bytes = values[i % 4];
			basis.bytes_per_s = basis.disk_bytes_per_s = values[i / 4 % 4];
			basis.dirty_bytes_per_s = values[i / 16];
			basis.disk_left_bytes = values[i % 4] / 2;
			ck_assert_uint_gt(strlen(outlook_of(&basis).sentence), 0);
		}
}
END_TEST

START_TEST(other_stages_say_what_is_waited_for)
{
	struct outlook_basis basis = flowing;

	basis.stage = OUTLOOK_READY;
	ck_assert_str_eq(outlook_of(&basis).sentence, "host 'b' gets ready");
	basis.stage = OUTLOOK_ASKED;
	ck_assert_str_eq(outlook_of(&basis).sentence,
			 "the move is held before memory is sent, as was asked for");
	basis.stage = OUTLOOK_TOLD;
	ck_assert_str_eq(outlook_of(&basis).sentence,
			 "memory waits for the parties that were told of the move");
	basis.stage = OUTLOOK_STILL;
	ck_assert_str_eq(outlook_of(&basis).sentence,
			 "the guest stands still until host 'b' has the rest and lets it run");
	basis.stage = OUTLOOK_DISKS;
	basis.disk_left_bytes = 3000 * MIB;
	basis.disk_bytes_per_s = 100 * MIB;
	ck_assert_str_eq(outlook_of(&basis).sentence,
			 "local disks have 2.9 GiB left at 100 MiB/s, then memory is sent");
	ck_assert(outlook_of(&basis).has_min);
	basis.stage = OUTLOOK_FETCH;
	ck_assert_str_eq(outlook_of(&basis).sentence, "the guest runs on host 'b', and 2.0 GiB of "
						      "its memory follow at 900 MiB/s");
	ck_assert(outlook_of(&basis).has_max);
}
END_TEST

/* ---- a link that drops to a tenth ------------------------------------------------------ */

#define DROP_MS    2000
#define DIRTY      (3 * MIB) /* a second */
#define TOLD_MS    500
#define TOLD_MAX   400
#define NOTICED_MS 4000 /* so long is a rate smoothed */

static struct outlook told[TOLD_MAX];
static uint64_t left[TOLD_MAX];

static void tell(struct outlook_basis *basis, struct passes *passes, uint64_t sent,
		 uint64_t began_ms)
{
	basis->in_pass_ms = basis->elapsed_ms - began_ms;
	ck_assert_uint_lt(basis->elapsed_ms, TOLD_MAX * TOLD_MS);
	passes_note(passes, &(struct passes_sample){ .pass = basis->pass,
						     .at_ms = basis->elapsed_ms,
						     .sent_bytes = sent,
						     .left_bytes = basis->left_bytes,
						     .dirty_pages_per_s = DIRTY / 4096 });
	basis->bytes_per_s = passes_bytes_per_s(passes);
	told[basis->elapsed_ms / TOLD_MS] = outlook_of(basis);
	left[basis->elapsed_ms / TOLD_MS] = basis->left_bytes;
}

/* Returns when it ends. */
static uint64_t send_over_dropping_link(struct outlook_basis *basis)
{
	struct passes passes = { .count = 0 };
	uint64_t sent = 0, began_ms = 0, rate = 100 * MIB;

	for (; basis->left_bytes > rate * converge_first_limit_ms(basis->limit_ms) / 1000;
	     basis->elapsed_ms += 100) {
		rate = basis->elapsed_ms < DROP_MS ? 100 * MIB : 10 * MIB;
		if (basis->elapsed_ms % TOLD_MS == 0)
			tell(basis, &passes, sent, began_ms);
		sent += rate / 10;
		if (basis->left_bytes > rate / 10) {
			basis->left_bytes -= rate / 10;
			continue;
		}
		basis->left_bytes = DIRTY * (basis->elapsed_ms + 100 - began_ms) / 1000;
		basis->is_dirty_known = true;
		began_ms = basis->elapsed_ms + 100;
		basis->pass++;
	}
	return basis->elapsed_ms + basis->left_bytes * 1000 / rate;
}

START_TEST(range_is_right_soon_after_the_link_drops_to_a_tenth)
{
	struct outlook_basis basis = { .stage = OUTLOOK_MEMORY,
				       .peer = "b",
				       .pass = 1,
				       .total_bytes = 512 * MIB,
				       .left_bytes = 512 * MIB,
				       .dirty_bytes_per_s = DIRTY,
				       .limit_ms = 300 };
	uint64_t end_ms = send_over_dropping_link(&basis);

	ck_assert_uint_gt(end_ms, 30000);
	for (uint64_t ms = 0; ms < basis.elapsed_ms; ms += TOLD_MS) {
		const struct outlook *is = &told[ms / TOLD_MS];

		ck_assert(!is->has_max || is->min_ms <= is->max_ms);
		if (ms < DROP_MS + NOTICED_MS)
			continue;
		ck_assert_msg(is->has_min && is->min_ms <= end_ms - ms, "at %llu: %s",
			      (unsigned long long)ms, is->sentence);
		ck_assert_msg(!is->has_max || is->max_ms >= end_ms - ms, "at %llu: %s, %llu",
			      (unsigned long long)ms, is->sentence, (unsigned long long)is->max_ms);
		/* By the rate of before it would be a tenth. */
		ck_assert_msg(is->min_ms >= left[ms / TOLD_MS] * 1000 / (12 * MIB), "at %llu: %llu",
			      (unsigned long long)ms, (unsigned long long)is->min_ms);
	}
}
END_TEST

Suite *suite(void)
{
	Suite *s = suite_create("outlook");
	TCase *tc = tcase_create("outlook");

	tcase_add_test(tc, guest_that_converges_has_an_end_and_a_range);
	tcase_add_test(tc, range_has_both_ends_when_the_worst_case_ends_too);
	tcase_add_test(tc, guest_that_is_too_fast_has_no_end_in_sight);
	tcase_add_test(tc, transfer_without_end_says_how_its_policy_ends_it);
	tcase_add_test(tc, first_pass_has_no_latest_end);
	tcase_add_test(tc, extremes_are_survived);
	tcase_add_test(tc, range_is_right_soon_after_the_link_drops_to_a_tenth);
	tcase_add_test(tc, other_stages_say_what_is_waited_for);
	suite_add_tcase(s, tc);
	return s;
}
