/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* tests/lib/check_main.h -- main() of a unit test program.
 *
 * Each tests/unit/test_x.c includes it once and defines suite().  main() prints
 * Check's closing line and every failure; exit status 1: a test failed.
 * CK_FORK=no runs the tests in one process, for a debugger.
 */
#ifndef MIGRD_TESTS_LIB_CHECK_MAIN_H
#define MIGRD_TESTS_LIB_CHECK_MAIN_H

#include <check.h>
#include <stdlib.h>

Suite *suite(void);

int main(void)
{
	SRunner *runner = srunner_create(suite());
	int failed;

	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}

#endif
