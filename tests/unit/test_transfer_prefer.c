/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "wire/transfer_prefer.h"

#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "check_main.h"

static const struct transfer_features rich = {
	.capabilities = { "events", "return-path", "late-block-activate", "multifd",
			  "auto-converge", "postcopy-ram", "xbzrle" },
	.capability_count = 7,
	.parameters = { "max-cpu-throttle", "cpu-throttle-initial" },
	.parameter_count = 2,
	.connections = 64,
	.cpus = 8,
	.postcopy_multifd = true,
	.stopped = true,
};
static const struct transfer_features poor = {
	.capabilities = { "events", "return-path", "late-block-activate" },
	.capability_count = 3,
	.connections = 64,
	.cpus = 8,
	.stopped = true,
};
static const struct transfer_wish nothing;
static const struct policy all_of_it = { .channels = 4,
					 .compression = TRANSFER_COMPRESSION_ZSTD,
					 .throttle_max_percent = 60,
					 .postcopy = POLICY_POSTCOPY_IF_NEEDED };

static struct transfer_basis basis;
static struct transfer_wish wish;
static struct transfer_left_out left_out;

static void set_up(void)
{
	basis = (struct transfer_basis){ .wish = &nothing, .source = &rich, .destination = &rich };
}

static void prefer(const struct policy *policy)
{
	const struct transfer_wish preferred = transfer_preferred(policy);

	wish = *basis.wish;
	transfer_prefer(&basis, &preferred, &wish, &left_out);
}

static const char *why_not(const char *capability)
{
	for (size_t i = 0; i < left_out.count; i++) {
		if (strcmp(left_out.items[i].capability, capability) == 0)
			return left_out.items[i].why;
	}
	ck_abort_msg("'%s' was not left out", capability);
}

/* A destination that refuses it would refuse the move. */
START_TEST(memory_in_a_file_is_not_fetched_unasked)
{
	basis.plain_memory = true;
	prefer(&all_of_it);
	ck_assert(!wish.has_postcopy);
	ck_assert_ptr_nonnull(strstr(why_not("postcopy-ram"), "is in a file"));
}
END_TEST

START_TEST(what_both_can_is_done)
{
	prefer(&all_of_it);
	ck_assert_uint_eq(left_out.count, 0);
	ck_assert(wish.has_multifd && wish.has_postcopy && wish.auto_converge);
	ck_assert_uint_eq(wish.multifd.channels, 4);
	ck_assert_int_eq(wish.multifd.compression, TRANSFER_COMPRESSION_ZSTD);
	ck_assert_int_eq(wish.postcopy.start, TRANSFER_POSTCOPY_MANUAL);
}
END_TEST

/* It would refuse the parameter, and so each move under the policy.  One that names no compression,
 * as a host of an older migrd, is asked for it. */
START_TEST(compression_that_a_qemu_was_built_without_is_left_out)
{
	static const char *const names[] = { "multifd-compression=none", "multifd-compression=zlib",
					     "multifd-compression=zstd" };
	struct transfer_features features = rich;

	for (size_t i = 0; i < ARRAY_LEN(names); i++)
		snprintf(features.parameters[features.parameter_count++], TRANSFER_NAME_SIZE, "%s",
			 names[i]);
	basis.destination = &features;
	prefer(&all_of_it);
	ck_assert_uint_eq(left_out.count, 0);
	features.parameter_count--;
	prefer(&all_of_it);
	ck_assert(!wish.has_multifd);
	ck_assert_str_eq(why_not("multifd"), "the policy's wish is left out: the destination's "
					     "QEMU was built without its compression, 'zstd'");
}
END_TEST

START_TEST(policy_that_only_observes_would_like_nothing)
{
	struct policy policy = all_of_it;

	policy.observe = true;
	prefer(&policy);
	ck_assert(transfer_wish_is_plain(&wish));
	ck_assert_uint_eq(left_out.count, 0);
}
END_TEST

/* A wish of the request would be refused; that of a policy is no reason against the move. */
START_TEST(what_one_lacks_is_left_out_and_the_plan_says_why)
{
	struct transfer_plan plan = { 0 };
	struct err err;

	basis.destination = &poor;
	prefer(&all_of_it);
	ck_assert(transfer_wish_is_plain(&wish));
	ck_assert_uint_eq(left_out.count, 3);
	ck_assert(strstr(why_not("multifd"), "the destination's QEMU does not have it"));
	basis.wish = &wish;
	ck_assert(transfer_plan_make(&basis, &plan, &err));
	transfer_left_out_explain(&left_out, &plan);
	for (size_t i = 0; i < plan.capability_count; i++) {
		if (strcmp(plan.capabilities[i].name, "postcopy-ram") != 0)
			continue;
		ck_assert(!plan.capabilities[i].on);
		ck_assert_str_eq(plan.capabilities[i].why, why_not("postcopy-ram"));
	}
}
END_TEST

START_TEST(destination_that_says_nothing_gets_the_plain_move)
{
	basis.destination = NULL;
	prefer(&all_of_it);
	ck_assert(transfer_wish_is_plain(&wish));
	ck_assert(strstr(why_not("multifd"), "has not told"));
}
END_TEST

/* Post-copy is what ends the move. */
START_TEST(of_postcopy_and_multifd_that_exclude_each_other_postcopy_is_done)
{
	struct transfer_features older = rich;

	older.postcopy_multifd = false;
	basis.destination = &older;
	prefer(&all_of_it);
	ck_assert(wish.has_postcopy && !wish.has_multifd);
	ck_assert(strstr(why_not("multifd"), "one QEMU cannot"));
}
END_TEST

START_TEST(wish_of_the_request_goes_before_that_of_the_policy)
{
	struct transfer_features older = rich;
	struct transfer_wish asked = { .has_multifd = true, .multifd = { .channels = 2 } };

	older.postcopy_multifd = false;
	basis.destination = &older;
	basis.wish = &asked;
	prefer(&all_of_it);
	ck_assert_uint_eq(wish.multifd.channels, 2);
	ck_assert(!wish.has_postcopy);
	ck_assert(strstr(why_not("postcopy-ram"), "the request asks for multifd"));

	asked = (struct transfer_wish){ .xbzrle = true };
	prefer(&all_of_it);
	ck_assert(wish.xbzrle && !wish.has_multifd && wish.has_postcopy);
	ck_assert(strstr(why_not("multifd"), "xbzrle"));
}
END_TEST

START_TEST(postcopy_is_left_out_where_no_move_can_have_it)
{
	static const struct disk_copy disk;

	basis.stopped = true;
	prefer(&all_of_it);
	ck_assert(strstr(why_not("postcopy-ram"), "stopped"));
	basis.stopped = false;
	basis.disks = &disk;
	basis.disk_count = 1;
	prefer(&all_of_it);
	ck_assert(strstr(why_not("postcopy-ram"), "local disks"));
}
END_TEST

static uint64_t number_of(const struct transfer_plan *plan, const char *name)
{
	for (size_t i = 0; i < plan->parameter_count; i++) {
		if (strcmp(plan->parameters[i].name, name) == 0)
			return plan->parameters[i].number;
	}
	ck_abort_msg("the plan does not set '%s'", name);
}

/* QEMU refuses a maximum below the initial value, and keeps both from move to move. */
START_TEST(limit_of_the_throttle_is_set_in_each_move_that_throttles)
{
	struct transfer_plan plan = { 0 };
	struct err err;

	prefer(&all_of_it);
	wish.has_multifd = wish.has_postcopy = false;
	basis.wish = &wish;
	basis.throttle_max_percent = 10;
	ck_assert(transfer_plan_make(&basis, &plan, &err));
	ck_assert_uint_eq(number_of(&plan, "max-cpu-throttle"), 1);
	ck_assert_uint_eq(number_of(&plan, "cpu-throttle-initial"), 1);
	basis.throttle_max_percent = 0;
	ck_assert(transfer_plan_make(&basis, &plan, &err));
	ck_assert_uint_eq(number_of(&plan, "max-cpu-throttle"), 99);
	ck_assert_uint_eq(number_of(&plan, "cpu-throttle-initial"), 20);
}
END_TEST

Suite *suite(void)
{
	Suite *s = suite_create("transfer_prefer");
	TCase *t = tcase_create("wishes of a policy");

	tcase_add_checked_fixture(t, set_up, NULL);
	tcase_add_test(t, what_both_can_is_done);
	tcase_add_test(t, memory_in_a_file_is_not_fetched_unasked);
	tcase_add_test(t, compression_that_a_qemu_was_built_without_is_left_out);
	tcase_add_test(t, policy_that_only_observes_would_like_nothing);
	tcase_add_test(t, what_one_lacks_is_left_out_and_the_plan_says_why);
	tcase_add_test(t, destination_that_says_nothing_gets_the_plain_move);
	tcase_add_test(t, of_postcopy_and_multifd_that_exclude_each_other_postcopy_is_done);
	tcase_add_test(t, wish_of_the_request_goes_before_that_of_the_policy);
	tcase_add_test(t, postcopy_is_left_out_where_no_move_can_have_it);
	tcase_add_test(t, limit_of_the_throttle_is_set_in_each_move_that_throttles);
	suite_add_tcase(s, t);
	return s;
}
