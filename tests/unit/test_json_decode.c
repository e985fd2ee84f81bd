/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "base/mem.h"
#include "tests/lib/check_main.h"
#include "tests/lib/json_rig.h"
#include "tests/lib/json_sample.h"

static bool decode(const char *text, struct sample *ret, struct faults *faults)
{
	CLEANUP(json_putp) struct json_object *obj = rig_parse(text);

	*ret = (struct sample){ 0 };
	return json_decode(obj, sample_fields, ret, "", faults);
}

/* A value of each type arrives at its place in the struct. */
START_TEST(every_type_arrives)
{
	RIG_FAULTS(faults);
	struct sample s;

	ck_assert(decode("{'name':'n','text':'t','yes':true,'i':-5,'u':18446744073709551615,"
			 "'colour':'blue','point':{'x':1},'parts':[{'id':'a','note':'m'},"
			 "{'id':'b'}],'words':['w',''],'any':[1]}",
			 &s, faults));
	ck_assert_str_eq(s.name, "n");
	ck_assert_str_eq(s.text, "t");
	ck_assert(s.yes);
	ck_assert_int_eq(s.i, -5);
	ck_assert(s.u == UINT64_MAX && s.has_u);
	ck_assert_int_eq(s.colour, SAMPLE_BLUE);
	ck_assert_int_eq(s.point.x, 1);
	ck_assert_uint_eq(s.part_count, 2);
	ck_assert_str_eq(s.parts[0].note, "m");
	ck_assert_str_eq(s.parts[1].id, "b");
	ck_assert_uint_eq(s.word_count, 2);
	ck_assert_str_eq(s.words[0], "w");
	ck_assert_uint_eq(json_object_array_length(s.any), 1);
	json_release(sample_fields, &s);
	ck_assert_ptr_null(s.text);
	ck_assert_ptr_null(s.any);
}
END_TEST

/* The caller sets the defaults: an absent member is left alone. */
START_TEST(absent_members_keep_their_defaults)
{
	RIG_FAULTS(faults);
	struct sample s = { .i = 7, .colour = SAMPLE_BLUE };
	CLEANUP(json_putp) struct json_object *obj = rig_parse("{'name':'n','maybe':null}");

	ck_assert(json_decode(obj, sample_fields, &s, "", faults));
	ck_assert_int_eq(s.i, 7);
	ck_assert_int_eq(s.colour, SAMPLE_BLUE);
	ck_assert(!s.has_u);
	ck_assert_str_eq(s.maybe, "");
}
END_TEST

/* A number may be written as an integer or not. */
START_TEST(numbers_arrive_within_their_bounds)
{
	static const struct json_field fields[] = {
		{ .key = "n", .type = JSON_NUMBER, .min = -1, .max = 10 },
		{ .key = NULL },
	};
	static const char *const texts[] = { "{'n':1.5}", "{'n':10}", "{'n':-1e0}" };
	static const double values[] = { 1.5, 10, -1 };
	static const char *const wrong[] = { "{'n':10.5}", "{'n':-2}", "{'n':'1'}", "{'n':1e300}" };
	double n;

	for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
		RIG_FAULTS(faults);
		CLEANUP(json_putp) struct json_object *obj = rig_parse(texts[i]);

		ck_assert(json_decode(obj, fields, &n, "", faults));
		ck_assert(n <= values[i] && n >= values[i]);
	}
	for (size_t i = 0; i < ARRAY_LEN(wrong); i++) {
		RIG_FAULTS(faults);
		CLEANUP(json_putp) struct json_object *obj = rig_parse(wrong[i]);

		ck_assert(!json_decode(obj, fields, &n, "", faults));
		rig_assert_fault(faults, "/n",
				 i == 2 ? "found a string where a number is wanted"
					: "is out of range: -1 to 10");
	}
}
END_TEST

/* An answer with all faults saves a user a round for each mistake. */
START_TEST(all_faults_are_found_at_once)
{
	RIG_FAULTS(faults);
	struct sample s;

	ck_assert(!decode("{'nmae':'n','text':5,'yes':'true','i':11,'u':-1,'colour':'bleu',"
			  "'point':[],'parts':[{'id':''},7,{'x/y':1,'id':'BAD'}],"
			  "'words':['too long a word',3],'any':1}",
			  &s, faults));
	rig_assert_fault(faults, "/nmae", "is 'name' meant?");
	rig_assert_fault(faults, "/name", "required, but missing");
	rig_assert_fault(faults, "/text", "found an integer where a string is wanted");
	rig_assert_fault(faults, "/yes", "found a string where true or false is wanted");
	rig_assert_fault(faults, "/i", "11 is out of range: -10 to 10");
	rig_assert_fault(faults, "/u", "-1 is out of range: 0 to 18446744073709551615");
	rig_assert_fault(faults, "/colour", "'bleu' is none of 'red', 'blue'");
	rig_assert_fault(faults, "/point", "found an array where an object is wanted");
	rig_assert_fault(faults, "/parts/0/id", "may not be empty");
	rig_assert_fault(faults, "/parts/1", "found an integer where an object is wanted");
	rig_assert_fault(faults, "/parts/2/x~1y", "unknown key: the known ones are id, note");
	rig_assert_fault(faults, "/parts/2/id", "lower case");
	rig_assert_fault(faults, "/words/0", "15 bytes: at most 7");
	rig_assert_fault(faults, "/words/1", "found an integer where a string is wanted");
	ck_assert_uint_eq(faults->count, 14);
	json_release(sample_fields, &s);
}
END_TEST

struct with_part {
	char first[8];
	struct sample_part part;
	int64_t last;
};

static const struct json_field with_part_fields[] = {
	{ .key = "first", .type = JSON_STRING, JSON_MEMBER(struct with_part, first) },
	JSON_PART_OF(struct with_part, part, sample_part_fields),
	{ .key = "last", .type = JSON_INT, JSON_MEMBER(struct with_part, last) },
	{ 0 },
};

START_TEST(members_of_a_part_stand_beside_the_others)
{
	RIG_FAULTS(faults);
	CLEANUP(json_putp)
	struct json_object *good =
		json_read_back("{\"last\":5,\"note\":\"n\",\"id\":\"a\",\"first\":\"f\"}");
	CLEANUP(json_putp)
	struct json_object *bad = json_read_back("{\"first\":\"f\",\"nute\":1,\"\":2,\"no\":3}");
	struct with_part s = { 0 };

	ck_assert(json_decode(good, with_part_fields, &s, "", faults));
	ck_assert_str_eq(s.first, "f");
	ck_assert_str_eq(s.part.id, "a");
	ck_assert_str_eq(s.part.note, "n");
	ck_assert_int_eq(s.last, 5);
	json_release(with_part_fields, &s);
	ck_assert_ptr_null(s.part.note);
	ck_assert(!json_decode(bad, with_part_fields, &s, "", faults));
	rig_assert_fault(faults, "/nute", "is 'note' meant?");
	rig_assert_fault(faults, "/", "unknown key");
	rig_assert_fault(faults, "/id", "required, but missing");
	json_release(with_part_fields, &s);
}
END_TEST

/* Bounds are inclusive at both ends, and 64 bits wide. */
START_TEST(bounds_are_exact)
{
	static const struct {
		const char *text;
		bool fits;
	} cases[] = {
		{ "{'name':'n','i':-10}", true },
		{ "{'name':'n','i':-11}", false },
		{ "{'name':'n','i':10}", true },
		{ "{'name':'n','i':9223372036854775808}", false },
		{ "{'name':'n','i':18446744073709551615}", false },
		{ "{'name':'n','i':1.0}", false },
		{ "{'name':'n','i':1e1}", false },
		{ "{'name':'n','i':null}", false },
		{ "{'name':'1234567'}", true },
		{ "{'name':'12345678'}", false },
		{ "{'name':''}", false },
		{ "{'name':'n','parts':[{'id':'a'},{'id':'b'},{'id':'c'}]}", true },
		{ "{'name':'n','parts':[{'id':'a'},{'id':'b'},{'id':'c'},{'id':'d'}]}", false },
		{ "{'name':'n','words':['','','']}", false },
		{ "{'name':null}", false },
		{ "{'name':'n','any':null}", true },
		{ "{'name':'n','maybe':null}", true },
	};

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		RIG_FAULTS(faults);
		struct sample s;

		ck_assert_msg(decode(cases[i].text, &s, faults) == cases[i].fits, "%s",
			      cases[i].text);
		json_release(sample_fields, &s);
	}
}
END_TEST

/* A definition may be part of a message: the caller's pointer stands in front of its faults. */
START_TEST(pointer_of_the_caller_is_the_root)
{
	RIG_FAULTS(faults);
	struct sample s = { 0 };
	CLEANUP(json_putp) struct json_object *obj = rig_parse("{'name':1}");

	ck_assert(!json_decode(obj, sample_fields, &s, "/outer/0", faults));
	rig_assert_fault(faults, "/outer/0/name", "found an integer");
	ck_assert(!json_decode(NULL, sample_fields, &s, "/outer", faults));
	rig_assert_fault(faults, "/outer", "found null where an object is wanted");
}
END_TEST

/* A newer coordinator may send more keys; a user who does so has made a mistake. */
START_TEST(unknown_keys_are_skipped_only_on_request)
{
	struct sample s = { 0 };
	struct err err = { 0 };
	CLEANUP(json_putp)
	struct json_object *obj = rig_parse("{'name':'n','new':1,'point':{'x':1,'z':2}}");

	ck_assert(json_decode_object(obj, sample_fields, &s, JSON_IGNORE_UNKNOWN, &err));
	ck_assert_int_eq(s.point.x, 1);
	ck_assert(!json_decode_object(obj, sample_fields, &s, JSON_STRICT, &err));
	ck_assert_int_eq(err.code, ERR_INVALID);
	ck_assert_ptr_nonnull(strstr(err.msg, "/new: unknown key"));
	ck_assert_ptr_nonnull(strstr(err.msg, "/point/z: unknown key"));
}
END_TEST

/* A guess compares a key with every known one, so a body of unknown keys must not cause many
 * guesses. */
START_TEST(unknown_keys_in_great_number_are_counted_and_the_first_explained)
{
	struct sample s = { 0 };
	RIG_FAULTS(faults);
	CLEANUP(json_putp) struct json_object *obj = json_object_new_object();

	json_object_object_add(obj, "name", json_object_new_string("n"));
	for (int i = 0; i < 5000; i++) {
		char key[16];

		snprintf(key, sizeof(key), "nam%d", i);
		json_object_object_add(obj, key, NULL);
	}
	ck_assert(!json_decode(obj, sample_fields, &s, "", faults));
	ck_assert_uint_eq(faults->count, 5000);
	rig_assert_fault(faults, "/nam0", "is 'name' meant?");
	ck_assert_str_eq(rig_fault_at(faults, "/nam16"), "unknown key");
}
END_TEST

/* A failed decode must not leak the parts that it had decoded. */
START_TEST(failed_decode_of_an_object_releases_its_parts)
{
	struct sample s = { 0 };
	struct err err;
	CLEANUP(json_putp)
	struct json_object *obj =
		rig_parse("{'text':'allocated','any':{},'parts':[{'id':'a','note':'too'}]}");

	ck_assert(!json_decode_object(obj, sample_fields, &s, JSON_STRICT, &err));
	ck_assert_ptr_null(s.text);
	ck_assert_ptr_null(s.any);
	ck_assert_ptr_null(s.parts[0].note);
}
END_TEST

/* A getter returns its default for a value of another type. */
START_TEST(getters_fall_back_on_another_shape)
{
	CLEANUP(json_putp)
	struct json_object *obj = rig_parse("{'s':'x','i':3,'b':true,'o':{'s':'y'}}");

	ck_assert_str_eq(json_get_str(obj, "s"), "x");
	ck_assert_str_eq(json_get_str(json_get_obj(obj, "o"), "s"), "y");
	ck_assert_int_eq(json_get_int(obj, "i", 9), 3);
	ck_assert(json_get_bool(obj, "b", false));
	ck_assert_ptr_null(json_get_str(obj, "i"));
	ck_assert_ptr_null(json_get_str(NULL, "s"));
	ck_assert_ptr_null(json_get_obj(obj, "s"));
	ck_assert_int_eq(json_get_int(obj, "s", 9), 9);
	ck_assert(json_get_bool(obj, "none", true));
}
END_TEST

Suite *suite(void)
{
	Suite *s = suite_create("json_decode");
	TCase *t = tcase_create("decode");

	tcase_add_test(t, every_type_arrives);
	tcase_add_test(t, numbers_arrive_within_their_bounds);
	tcase_add_test(t, absent_members_keep_their_defaults);
	tcase_add_test(t, all_faults_are_found_at_once);
	tcase_add_test(t, members_of_a_part_stand_beside_the_others);
	tcase_add_test(t, bounds_are_exact);
	tcase_add_test(t, pointer_of_the_caller_is_the_root);
	tcase_add_test(t, unknown_keys_are_skipped_only_on_request);
	tcase_add_test(t, unknown_keys_in_great_number_are_counted_and_the_first_explained);
	tcase_add_test(t, failed_decode_of_an_object_releases_its_parts);
	tcase_add_test(t, getters_fall_back_on_another_shape);
	suite_add_tcase(s, t);
	return s;
}
