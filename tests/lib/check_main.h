/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* tests/lib/check_main.h -- main() of a unit test program.
 *
 * Each tests/unit/test_x.c includes it once and defines suite().  main() prints
 * Check's closing line and every failure; exit status 1: a test failed.
 * CK_FORK=no runs the tests in one process, for a debugger.  Check itself gives each test 4 s by
 * the clock on the wall, which a busy machine may need for one that takes a moment.
 */
#ifndef MIGRD_TESTS_LIB_CHECK_MAIN_H
#define MIGRD_TESTS_LIB_CHECK_MAIN_H

#include <check.h>
#include <stdlib.h>

#define USUAL_TIMEOUT_S "60" /* of a test whose suite() names no other */

Suite *suite(void);

int main(void)
{
	SRunner *runner;
	int failed;

	setenv("CK_DEFAULT_TIMEOUT", USUAL_TIMEOUT_S, 0);
	runner = srunner_create(suite());
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}

#endif
