/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "qmp/events.h"

#include <string.h>

#include "tests/lib/check_main.h"

/* Lookup is a binary search: a row out of order would be lost silently. */
START_TEST(table_is_sorted_and_every_name_is_found)
{
	for (int i = 0; i < QMP_EVENT_TYPE_COUNT; i++) {
		const char *name = qmp_event_type_name((enum qmp_event_type)i);

		ck_assert_int_eq(qmp_event_type_from_name(name), i);
		if (i > 0)
			ck_assert_int_lt(strcmp(qmp_event_type_name((enum qmp_event_type)(i - 1)),
						name),
					 0);
	}
}
END_TEST

/* A newer QEMU's events, and hostile names, must be harmless. */
START_TEST(unknown_name_is_unknown_and_asks_nothing)
{
	static const char *const names[] = {
		"", "stop", "STOPP", "STO", "ZZZ", "UNKNOWN", "A", NULL
	};

	for (unsigned i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		ck_assert_int_eq(qmp_event_type_from_name(names[i]), QMP_EVENT_TYPE_UNKNOWN);
	ck_assert_uint_eq(qmp_event_type_flags(QMP_EVENT_TYPE_UNKNOWN), 0);
	ck_assert_str_eq(qmp_event_type_name(QMP_EVENT_TYPE_UNKNOWN), "UNKNOWN");
}
END_TEST

/* The events that drive a move. */
START_TEST(migration_events_have_their_flags)
{
	ck_assert_uint_eq(qmp_event_type_flags(qmp_event_type_from_name("MIGRATION")),
			  QMP_EVENT_MIGRATION);
	ck_assert_uint_eq(qmp_event_type_flags(qmp_event_type_from_name("MIGRATION_PASS")),
			  QMP_EVENT_MIGRATION);
	ck_assert_uint_eq(qmp_event_type_flags(qmp_event_type_from_name("STOP")),
			  QMP_EVENT_RUN_STATE);
	ck_assert_uint_eq(qmp_event_type_flags(qmp_event_type_from_name("RESUME")),
			  QMP_EVENT_RUN_STATE);
	ck_assert(qmp_event_type_flags(QMP_EVENT_TYPE_SHUTDOWN) & QMP_EVENT_ENDING);
}
END_TEST

/* Every row says something: none was added without a thought. */
START_TEST(every_event_has_a_flag)
{
	for (int i = 0; i < QMP_EVENT_TYPE_COUNT; i++)
		ck_assert_uint_ne(qmp_event_type_flags((enum qmp_event_type)i), 0);
}
END_TEST

Suite *suite(void)
{
	Suite *s = suite_create("qmp events");
	TCase *tc = tcase_create("table");

	tcase_add_test(tc, table_is_sorted_and_every_name_is_found);
	tcase_add_test(tc, unknown_name_is_unknown_and_asks_nothing);
	tcase_add_test(tc, migration_events_have_their_flags);
	tcase_add_test(tc, every_event_has_a_flag);
	suite_add_tcase(s, tc);
	return s;
}
