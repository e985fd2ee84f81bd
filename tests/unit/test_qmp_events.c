/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "qmp/events.h"

#include <string.h>

#include "base/json.h"
#include "base/mem.h"
#include "tests/lib/check_main.h"
#include "tests/lib/recording.h"

/* Answers to query-qmp-schema, of which only the events were kept. */
static const char *const schemas[] = { "7.2/schema-events.txt", "10.0/schema-events.txt",
				       "11.1/schema-events.txt" };

static struct json_object *schema_load(const char *name)
{
	struct recording rec;
	struct json_object *reply;

	recording_load(&rec, name);
	ck_assert_uint_eq(rec.count, 2);
	reply = json_tokener_parse(rec.lines[1].text);
	recording_fini(&rec);
	ck_assert_ptr_nonnull(reply);
	return reply;
}

/* Lookup is a binary search, so a row out of order would not be found. */
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

/* Events of a newer QEMU, and hostile names, must do no harm. */
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

/* These events drive a move. */
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

/* Every row has a flag, so that adding an event needs a decision. */
START_TEST(every_event_has_a_flag)
{
	for (int i = 0; i < QMP_EVENT_TYPE_COUNT; i++)
		ck_assert_uint_ne(qmp_event_type_flags((enum qmp_event_type)i), 0);
}
END_TEST

static bool schema_has(const char *schema, const char *name)
{
	CLEANUP(json_putp) struct json_object *reply = schema_load(schema);
	struct json_object *list = json_object_object_get(reply, "return");

	for (size_t i = 0; i < json_object_array_length(list); i++) {
		if (!strcmp(json_get_str(json_object_array_get_idx(list, i), "name"), name))
			return true;
	}
	return false;
}

/* Every event of each supported QEMU is in the table. */
START_TEST(every_event_of_the_schema_is_in_the_table)
{
	CLEANUP(json_putp) struct json_object *reply = schema_load(schemas[_i]);
	struct json_object *list = json_object_object_get(reply, "return");

	ck_assert_uint_gt(json_object_array_length(list), 50);
	for (size_t i = 0; i < json_object_array_length(list); i++) {
		struct json_object *row = json_object_array_get_idx(list, i);
		const char *name = json_get_str(row, "name");

		ck_assert_str_eq(json_get_str(row, "meta-type"), "event");
		ck_assert_msg(qmp_event_type_from_name(name) != QMP_EVENT_TYPE_UNKNOWN, "%s of %s",
			      name, schemas[_i]);
	}
}
END_TEST

/* The table has no event that no supported QEMU knows. */
START_TEST(every_event_of_the_table_is_in_a_schema)
{
	for (int i = 0; i < QMP_EVENT_TYPE_COUNT; i++) {
		const char *name = qmp_event_type_name((enum qmp_event_type)i);
		bool is_of_s390x = i == QMP_EVENT_TYPE_CPU_POLARIZATION_CHANGE;

		ck_assert_msg(is_of_s390x || schema_has(schemas[0], name) ||
				      schema_has(schemas[1], name) || schema_has(schemas[2], name),
			      "%s", name);
	}
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
	tcase_add_loop_test(tc, every_event_of_the_schema_is_in_the_table, 0, ARRAY_LEN(schemas));
	tcase_add_test(tc, every_event_of_the_table_is_in_a_schema);
	suite_add_tcase(s, tc);
	return s;
}
