/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "base/mem.h"
#include "tests/lib/check_main.h"
#include "tests/lib/json_rig.h"
#include "tests/lib/json_sample.h"
#include "tests/lib/json_shown.h"

static void assert_json(struct json_object *obj, const char *expected)
{
	CLEANUP(json_putp) struct json_object *wanted = rig_parse(expected);

	ck_assert_msg(json_object_equal(obj, wanted), "%s", json_object_to_json_string(obj));
}

/* The store keeps encoded objects, so a decoded object must be encoded as it was. */
START_TEST(decoded_object_encodes_as_it_was)
{
	static const char *const texts[] = {
		"{'name':'n'}",
		("{'name':'n','text':'t','yes':true,'i':-5,'u':0,'colour':'blue','point':{'x':1},"
		 "'parts':[{'id':'a','note':'m'},{'id':'b'}],'words':['w',''],'any':[1]}"),
		"{'name':'n','u':18446744073709551615,'maybe':'x','any':{'deep':[null]}}",
	};

	for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
		CLEANUP(json_putp) struct json_object *obj = rig_parse(texts[i]);
		CLEANUP(json_putp) struct json_object *out = NULL;
		RIG_FAULTS(faults);
		struct sample s = { 0 };

		ck_assert(json_decode(obj, sample_fields, &s, "", faults));
		out = json_encode(sample_fields, &s);
		assert_json(out, texts[i]);
		json_release(sample_fields, &s);
	}
}
END_TEST

/* Required members are always written, whatever they hold, because readers rely on them. */
START_TEST(zero_struct_encodes_its_required_members)
{
	struct sample s = { .part_count = 1 };
	CLEANUP(json_putp) struct json_object *out = json_encode(sample_fields, &s);

	assert_json(out, "{'name':'','parts':[{'id':''}]}");
}
END_TEST

/* QEMU's stderr need not be UTF-8, but parts of it go into answers. */
START_TEST(builders_make_valid_json)
{
	CLEANUP(json_putp) struct json_object *obj = json_object_new_object();

	json_add_str(obj, "s", "a\xff");
	json_add_str(obj, "none", NULL);
	json_add_int(obj, "i", INT64_MIN);
	json_add_uint(obj, "u", UINT64_MAX);
	json_add_bool(obj, "b", true);
	assert_json(obj, "{'s':'a\xef\xbf\xbd','none':null,'i':-9223372036854775808,"
			 "'u':18446744073709551615,'b':true}");
}
END_TEST

START_TEST(times_are_rfc3339_in_utc)
{
	CLEANUP(json_putp) struct json_object *obj = json_object_new_object();

	json_object_object_add(obj, "t", json_new_time(INT64_C(1795248000123)));
	json_object_object_add(obj, "epoch", json_new_time(1));
	json_object_object_add(obj, "never", json_new_time(0));
	assert_json(obj, "{'t':'2026-11-21T08:00:00.123Z','epoch':'1970-01-01T00:00:00.001Z',"
			 "'never':null}");
}
END_TEST

/* The order of the keys is that of the table, too. */
static void assert_shown(const struct shown *shown, const char *expected)
{
	CLEANUP(json_putp) struct json_object *obj = json_encode(shown_fields, shown);
	char text[512];
	size_t len = strlen(expected);

	ck_assert_uint_lt(len, sizeof(text));
	for (size_t i = 0; i <= len; i++)
		text[i] = expected[i] == '\'' ? '"' : expected[i];
	ck_assert_str_eq(json_text(obj, NULL), text);
}

/* What a reader may count on is there, if only as null. */
START_TEST(empty_reply_has_its_keys)
{
	struct shown shown = { .exact = 0 };

	assert_shown(&shown, "{'name':'','yes':false,'owner':null,'word':null,'pid':null,"
			     "'exact':0.0,'at':null,'point':null,'points':[],'any':null}");
}
END_TEST

START_TEST(full_reply_has_its_values_in_the_order_of_the_table)
{
	static const struct shown_point points[] = { { 1 }, { 2 } };
	static const char *const words[] = { "a", "b\xff" };
	CLEANUP(json_putp) struct json_object *any = rig_parse("{'x':3}");
	struct shown shown = {
		.head = { "n", true },
		.owner = "o",
		.word = "w",
		.pid = 5,
		.exact = 512.5,
		.rounded = 1.25,
		.has_rounded = true,
		.at = INT64_C(1795248000123),
		.has_point = true,
		.has_other = true,
		.points = points,
		.point_count = 2,
		.words = words,
		.word_count = 2,
		.any = any,
		.count = 7,
		.has_last = true,
	};

	assert_shown(&shown,
		     "{'name':'n','yes':true,'owner':'o','word':'w','pid':5,'exact':512.5,"
		     "'rounded':1.250,'at':'2026-11-21T08:00:00.123Z','point':{'x':0},"
		     "'other':{'x':0},'points':[{'x':1},{'x':2}],'words':['a','b\xef\xbf\xbd'],"
		     "'any':{'x':3},'count':7,'last':null}");
}
END_TEST

/* Nothing that was only shown is freed. */
START_TEST(release_leaves_borrowed_things_alone)
{
	static const char *const words[] = { "a" };
	struct shown shown = { .owner = "o", .words = words, .word_count = 1 };

	json_release(shown_fields, &shown);
	ck_assert_str_eq(shown.owner, "o");
	ck_assert_ptr_eq(shown.words, words);
}
END_TEST

Suite *suite(void)
{
	Suite *s = suite_create("json_encode");
	TCase *t = tcase_create("encode");

	tcase_add_test(t, decoded_object_encodes_as_it_was);
	tcase_add_test(t, zero_struct_encodes_its_required_members);
	tcase_add_test(t, builders_make_valid_json);
	tcase_add_test(t, times_are_rfc3339_in_utc);
	tcase_add_test(t, empty_reply_has_its_keys);
	tcase_add_test(t, full_reply_has_its_values_in_the_order_of_the_table);
	tcase_add_test(t, release_leaves_borrowed_things_alone);
	suite_add_tcase(s, t);
	return s;
}
