/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "qemu/offers.h"

#include <string.h>

#include "base/mem.h"
#include "check_main.h"
#include "qmp/schema.h"

#define OBJECT(name, members) \
	"{\"name\":\"" name "\",\"meta-type\":\"object\",\"members\":[" members "]}"
#define COMMAND(name, type) \
	"{\"name\":\"" name "\",\"meta-type\":\"command\",\"arg-type\":\"" type "\"}"

START_TEST(capabilities_are_read_of_what_qemu_answers)
{
	CLEANUP(json_putp)
	struct json_object *answer =
		json_read_back("[{\"capability\":\"events\",\"state\":false},{\"other\":1},7,"
			       "{\"capability\":\"multifd\",\"state\":true}]");
	struct transfer_features features = { 0 };

	offers_read_capabilities(answer, &features);
	ck_assert_uint_eq(features.capability_count, 2);
	ck_assert(transfer_features_have(&features, "multifd"));
	ck_assert(!transfer_features_have(&features, "other"));
	offers_read_capabilities(NULL, &features);
	ck_assert_uint_eq(features.capability_count, 0);
}
END_TEST

/* A source before 8.0 puts pages into the wrong memory block. */
START_TEST(requested_pages_have_a_connection_of_their_own_since_8_0)
{
	static const struct {
		struct qmp_version version;
		bool preempt;
	} rows[] = {
		{ { 7, 1, 0, "" }, false },  { { 7, 2, 22, "" }, false }, { { 8, 0, 0, "" }, true },
		{ { 10, 0, 13, "" }, true }, { { 11, 1, 3, "" }, true },
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct transfer_features features = { .preempt = !rows[i].preempt };

		offers_read_version(&rows[i].version, &features);
		ck_assert_int_eq(features.preempt, rows[i].preempt);
	}
}
END_TEST

/* A cancel that comes as the migration completes leaves an earlier one without its images. */
START_TEST(cancel_keeps_the_images_since_10_0)
{
	static const struct {
		struct qmp_version version;
		bool keeps;
	} rows[] = { { { 7, 2, 22, "" }, false },
		     { { 9, 2, 0, "" }, false },
		     { { 10, 0, 13, "" }, true },
		     { { 11, 1, 3, "" }, true } };

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct transfer_features features = { .cancel_keeps_images = !rows[i].keeps };

		offers_read_version(&rows[i].version, &features);
		ck_assert_int_eq(features.cancel_keeps_images, rows[i].keeps);
	}
}
END_TEST

/* A program that names a thousand capabilities must not use up the daemon's memory. */
START_TEST(names_beyond_the_limit_are_left_out)
{
	CLEANUP(json_putp) struct json_object *answer = json_object_new_array();
	struct transfer_features features = { 0 };
	char name[TRANSFER_NAME_SIZE + 1];

	memset(name, 'x', sizeof(name) - 1);
	name[sizeof(name) - 1] = '\0';
	for (int i = 0; i < 1000; i++) {
		struct json_object *item = json_object_new_object();

		json_add_str(item, "capability", i ? "x" : name);
		json_object_array_add(answer, item);
	}
	offers_read_capabilities(answer, &features);
	ck_assert_uint_eq(features.capability_count, TRANSFER_NAMES_MAX);
	ck_assert(!transfer_features_have(&features, name));
}
END_TEST

START_TEST(schema_of_today_is_spoken_to_as_today)
{
	CLEANUP(json_putp)
	struct json_object *answer = json_read_back("[" COMMAND("migrate", "1") "," OBJECT(
		"1",
		"{\"name\":\"uri\"},{\"name\":"
		"\"channels\"}") "," COMMAND("migrate-set-capabilities",
					     "2") "," COMMAND("migrate-set-parameters",
							      "3") "," OBJECT("3",
									      "{\"name\":\"max-"
									      "bandwidth\"},{"
									      "\"name\":"
									      "\"events\"}") "]");
	struct transfer_features features = { 0 };

	offers_read_schema(answer, &features);
	ck_assert(features.has_schema);
	ck_assert(!features.form.channels);
	ck_assert(!features.form.capabilities_as_parameters);
	ck_assert_uint_eq(features.parameter_count, 2);
	ck_assert_str_eq(features.parameters[0], "max-bandwidth");
	offers_read_schema(answer, &features);
	ck_assert_uint_eq(features.parameter_count, 2);
}
END_TEST

/* By its values, since a distribution may build a QEMU without a library. */
START_TEST(schema_tells_what_memory_is_compressed_with)
{
	CLEANUP(json_putp)
	struct json_object *answer =
		json_read_back("[" COMMAND("migrate-set-parameters", "3") "," OBJECT(
			"3", "{\"name\":\"multifd-compression\",\"type\":\"4\"}") ",{\"name\":"
										  "\"4\",\"meta-"
										  "type\":\"enum\","
										  "\"values\":["
										  "\"none\",7,"
										  "\"zlib\"]}]");
	struct transfer_features features = { 0 };

	offers_read_schema(answer, &features);
	ck_assert_uint_eq(features.parameter_count, 3);
	ck_assert_str_eq(features.parameters[0], "multifd-compression");
	ck_assert_str_eq(features.parameters[1], "multifd-compression=none");
	ck_assert_str_eq(features.parameters[2], "multifd-compression=zlib");
}
END_TEST

START_TEST(schema_that_deprecates_a_form_is_spoken_to_in_the_other)
{
	CLEANUP(json_putp)
	struct json_object *answer = json_read_back(
		"[" COMMAND("migrate", "1") "," OBJECT("1", "{\"name\":\"uri\",\"features\":["
							    "\"deprecated\"]},{\"name\":"
							    "\"channels\"}") ",{\"name\":\"migrate-"
									     "set-capabilities\","
									     "\"meta-type\":"
									     "\"command\","
									     "\"arg-type\":\"2\","
									     "\"features\":["
									     "\"deprecated\"]}]");
	struct transfer_features features = { 0 };

	offers_read_schema(answer, &features);
	ck_assert(features.form.channels);
	ck_assert(features.form.capabilities_as_parameters);
}
END_TEST

START_TEST(schema_knows_commands_and_arguments)
{
	CLEANUP(json_putp)
	struct json_object *schema = json_read_back(
		"[" COMMAND("a", "1") "," OBJECT("1", "{\"name\":\"x\"},7,{}") ",null,{\"name\":"
									       "\"b\",\"meta-"
									       "type\":"
									       "\"event\"}]");

	ck_assert(qmp_schema_has(schema, "a", NULL));
	ck_assert(qmp_schema_has(schema, "a", "x"));
	ck_assert(qmp_schema_recommends(schema, "a", "x"));
	ck_assert(!qmp_schema_has(schema, "a", "y"));
	ck_assert(!qmp_schema_has(schema, "b", NULL));
	ck_assert(!qmp_schema_recommends(schema, "b", NULL));
	ck_assert(!qmp_schema_has(NULL, "a", NULL));
}
END_TEST

Suite *suite(void)
{
	Suite *s = suite_create("offers");
	TCase *tc = tcase_create("offers");

	suite_add_tcase(s, tc);
	tcase_add_test(tc, capabilities_are_read_of_what_qemu_answers);
	tcase_add_test(tc, requested_pages_have_a_connection_of_their_own_since_8_0);
	tcase_add_test(tc, cancel_keeps_the_images_since_10_0);
	tcase_add_test(tc, names_beyond_the_limit_are_left_out);
	tcase_add_test(tc, schema_of_today_is_spoken_to_as_today);
	tcase_add_test(tc, schema_tells_what_memory_is_compressed_with);
	tcase_add_test(tc, schema_that_deprecates_a_form_is_spoken_to_in_the_other);
	tcase_add_test(tc, schema_knows_commands_and_arguments);
	return s;
}
