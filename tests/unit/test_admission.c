/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <string.h>

#include "base/proc.h"
#include "check_main.h"
#include "vm/admission.h"

/* The last MiB may be used. */
START_TEST(guest_that_fits_exactly_is_admitted)
{
	const struct admission admission = { 1000, 300, 200, 500 };
	struct err err;

	ck_assert(admission_check(&admission, "the guest", &err));
}
END_TEST

/* A host that is full says so, with the figures, before anything was started. */
START_TEST(guest_that_does_not_fit_is_refused_with_figures)
{
	const struct admission admission = { 1000, 300, 200, 501 };
	struct err err = { 0 };

	ck_assert(!admission_check(&admission, "the guest", &err));
	ck_assert_int_eq(err.code, ERR_NO_SPACE);
	ck_assert_ptr_nonnull(strstr(err.msg, "501 MiB"));
	ck_assert_ptr_nonnull(strstr(err.msg, "300 MiB are promised"));
}
END_TEST

/* The host has promised more memory than it has: the free memory is 0, not a huge number. */
START_TEST(host_that_promised_too_much_refuses)
{
	const struct admission admission = { 100, 300, 200, 1 };
	struct err err;

	ck_assert(!admission_check(&admission, "the guest", &err));
}
END_TEST

/* If the kernel's figure could not be read, no VM would ever be refused. */
START_TEST(memory_of_this_host_is_known)
{
	uint64_t available = proc_available_mib();

	ck_assert_uint_gt(available, 0);
	ck_assert_uint_ne(available, UINT64_MAX);
}
END_TEST

Suite *suite(void)
{
	Suite *s = suite_create("admission");
	TCase *tc = tcase_create("admission");

	tcase_add_test(tc, guest_that_fits_exactly_is_admitted);
	tcase_add_test(tc, guest_that_does_not_fit_is_refused_with_figures);
	tcase_add_test(tc, host_that_promised_too_much_refuses);
	tcase_add_test(tc, memory_of_this_host_is_known);
	suite_add_tcase(s, tc);
	return s;
}
