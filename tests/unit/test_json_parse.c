/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "base/mem.h"
#include "base/strbuf.h"
#include "base/utf8.h"
#include "tests/lib/check_main.h"
#include "tests/lib/json_rig.h"

static struct json_object *parse(const char *text, struct faults *faults)
{
	return json_parse(text, strlen(text), &json_limits_default, faults);
}

/* Every valid document that a client may send is parsed without loss. */
START_TEST(valid_document_is_taken)
{
	static const char *const texts[] = {
		"{}",
		"[]",
		" { \"a\" : [ 1 , -0 , 1.5e-3 , true , false , null ] } \r\n\t",
		"\"\"",
		"12",
		"-1",
		"1.0",
		"true",
		"\"\\\"\\\\\\/\\b\\f\\n\\r\\t\\u00e9\"",
		"\"\\ud83d\\ude00 \xf0\x9f\x98\x80\"",
		"18446744073709551615",
		"-9223372036854775808",
		"1e308",
		"{\"\":{\"\":1}}",
		"\"\x7f\"",
	};

	for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
		RIG_FAULTS(faults);
		CLEANUP(json_putp) struct json_object *obj = parse(texts[i], faults);

		ck_assert_msg(obj && faults->count == 0, "%s: %s", texts[i],
			      faults->list[0].detail);
	}
}
END_TEST

/* A document that another parser might read differently is refused. */
START_TEST(broken_document_is_refused_with_its_place)
{
	static const struct {
		const char *text, *pointer, *words;
	} cases[] = {
		{ "", "", "missing" },
		{ " ", "", "line 1, column 2" },
		{ "nul", "", "a value is wanted" },
		{ "null", "", "null is not a document" },
		{ "True", "", "a value is wanted" },
		{ "NaN", "", "a value is wanted" },
		{ "[Infinity]", "/0", "a value is wanted" },
		{ "[-Infinity]", "/0", "needs a digit" },
		{ "[1,]", "/1", "a value is wanted" },
		{ "[1 2]", "", "',' or ']'" },
		{ "{\"a\":1,}", "", "a key in quotes" },
		{ "{'a':1}", "", "a key in quotes" },
		{ "{a:1}", "", "a key in quotes" },
		{ "{\"a\" 1}", "/a", "':'" },
		{ "{\"a\":1 \"b\":2}", "", "',' or '}'" },
		{ "{} {}", "", "nothing may follow" },
		{ "/* */{}", "", "a value is wanted" },
		{ "01", "", "may not begin with 0" },
		{ "+1", "", "a value is wanted" },
		{ ".5", "", "a value is wanted" },
		{ "1.", "", "must follow the point" },
		{ "1e", "", "exponent" },
		{ "0x10", "", "nothing may follow" },
		{ "\"a", "", "no end" },
		{ "\"\\x\"", "", "no such escape" },
		{ "\"\\u12g4\"", "", "four hexadecimal digits" },
		{ "\"\\u12", "", "four hexadecimal digits" },
		{ "\"a\nb\"", "", "control character" },
		{ "{\n \"a\": [\n  tru ]}", "/a/0", "line 3, column 3" },
	};

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		RIG_FAULTS(faults);

		ck_assert_ptr_null(parse(cases[i].text, faults));
		ck_assert_uint_eq(faults->count, 1);
		rig_assert_fault(faults, cases[i].pointer, cases[i].words);
	}
}
END_TEST

/* json-c keeps the last of two equal keys without a word, but a checker before us may have
 * read the first. */
START_TEST(duplicate_keys_are_all_named)
{
	RIG_FAULTS(faults);
	struct json_object *obj =
		parse("{\"a\":1,\"b\":{\"x/~\":1,\"y\":2,\"x/~\":3,\"\\u0079\":4},\"a\":{\"a\":1},"
		      "\"a\":3,\"c\":[{\"d\":1},{\"d\":1,\"d\":2}]}",
		      faults);

	ck_assert_ptr_null(obj);
	ck_assert_uint_eq(faults->count, 5);
	rig_assert_fault(faults, "/a", "there already");
	rig_assert_fault(faults, "/b/x~1~0", "there already");
	rig_assert_fault(faults, "/b/y", "there already");
	rig_assert_fault(faults, "/c/1/d", "there already");
}
END_TEST

/* json-c clamps: a memory size of 2^64 would become another size. */
START_TEST(number_out_of_range_is_refused)
{
	RIG_FAULTS(faults);
	struct json_object *obj = parse("{\"a\":18446744073709551616,\"b\":[-9223372036854775809],"
					"\"c\":1e999,\"d\":-1e999,\"e\":18446744073709551615}",
					faults);

	ck_assert_ptr_null(obj);
	ck_assert_uint_eq(faults->count, 4);
	rig_assert_fault(faults, "/a", "18446744073709551616 does not fit");
	rig_assert_fault(faults, "/b/0", "does not fit");
	rig_assert_fault(faults, "/c", "too large");
	rig_assert_fault(faults, "/d", "too large");
}
END_TEST

/* The kernel would end a path at a NUL, a check would not. */
START_TEST(nul_in_string_or_key_is_refused)
{
	static const char raw[] = "\"a\0b\"";
	RIG_FAULTS(faults);

	ck_assert_ptr_null(parse("[\"a\\u0000b\"]", faults));
	rig_assert_fault(faults, "/0", "U+0000");
	ck_assert_ptr_null(parse("{\"a\\u0000\":1}", faults));
	ck_assert_ptr_null(json_parse(raw, sizeof(raw) - 1, &json_limits_default, faults));
	ck_assert_ptr_null(json_parse("1\0", 2, &json_limits_default, faults));
	ck_assert_uint_eq(faults->count, 4);
}
END_TEST

START_TEST(text_that_is_not_utf8_is_refused)
{
	static const char *const texts[] = {
		"\"\xff\"",         "\"\xc0\xaf\"",         "\"\xe0\x80\xaf\"",
		"\"\xed\xa0\x80\"", "\"\xf4\x90\x80\x80\"", "\"\xe2\x82\"",
		"\"\x80\"",         "{\"\xc3\":1}",         "\"\\ud800\"",
		"\"\\udc00\"",      "\"\\ud800\\u0041\"",
	};

	for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
		RIG_FAULTS(faults);

		ck_assert_ptr_null(parse(texts[i], faults));
		ck_assert_uint_eq(faults->count, 1);
	}
}
END_TEST

/* Nesting costs stack, and size costs memory, so both are limited. */
START_TEST(limits_of_depth_and_size_hold)
{
	static const struct json_limits limits = { .max_bytes = 20, .max_depth = 2 };
	RIG_FAULTS(faults);
	CLEANUP(json_putp) struct json_object *obj = json_parse("[{},[]]", 7, &limits, faults);

	ck_assert_ptr_nonnull(obj);
	ck_assert_ptr_null(json_parse("[[[]]]", 6, &limits, faults));
	rig_assert_fault(faults, "/0/0", "more than 2 deep");
	ck_assert_ptr_null(json_parse("\"0123456789012345678\"", 21, &limits, faults));
	rig_assert_fault(faults, "", "21 bytes are too many: at most 20");
}
END_TEST

/* Comparing the keys of a large body with each other must not keep the loop busy. */
START_TEST(many_keys_are_checked_in_time)
{
	enum { KEYS = 90000 };
	static const struct json_limits limits = { .max_bytes = 1 << 20, .max_depth = 16 };
	RIG_FAULTS(faults);
	struct strbuf text = STRBUF_INIT;

	strbuf_adds(&text, "{\"0\":1");
	for (int i = 0; i < KEYS; i++)
		strbuf_addf(&text, ",\"%d\":1", i);
	strbuf_adds(&text, "}");
	ck_assert_ptr_null(json_parse(text.data, text.len, &limits, faults));
	ck_assert_uint_eq(faults->count, 1);
	rig_assert_fault(faults, "/0", "there already");
	strbuf_fini(&text);
}
END_TEST

/* A parsed body is walked and freed on the loop, so even a small body must not make very many
 * values. */
START_TEST(values_over_the_limit_are_refused_at_the_first)
{
	static const struct json_limits limits = { .max_bytes = 100,
						   .max_depth = 3,
						   .max_values = 4 };
	CLEANUP(json_putp) struct json_object *obj = NULL;
	RIG_FAULTS(faults);

	obj = json_parse("{\"a\":[1,2],\"b\":3}", 17, &limits, faults);
	ck_assert_ptr_nonnull(obj);
	ck_assert_ptr_null(json_parse("[0,1,2,3,4,5,6]", 15, &limits, faults));
	ck_assert_uint_eq(faults->count, 1);
	rig_assert_fault(faults, "/4", "more than 4 values");
}
END_TEST

/* Users see the list of faults: it must not cut a character, nor grow with the input. */
START_TEST(faults_are_cut_but_counted)
{
	RIG_FAULTS(faults);
	struct err err;
	char long_key[400];

	memset(long_key, 'x', sizeof(long_key));
	memcpy(long_key + sizeof(long_key) - 1, "", 1);
	memcpy(long_key + 158, "\xc3\xa9", 2);
	for (int i = 0; i < FAULT_MAX + 10; i++)
		faults_add(faults, long_key, "%s", long_key);
	ck_assert_uint_eq(faults->count, FAULT_MAX + 10);
	ck_assert_uint_eq(strlen(faults->list[0].pointer), 158);
	ck_assert(!faults_to_err(faults, &err));
	ck_assert_int_eq(err.code, ERR_INVALID);
	ck_assert_int_eq(strncmp(err.msg, "74 faults: xxx", 14), 0);
}
END_TEST

START_TEST(one_fault_reads_as_a_sentence)
{
	RIG_FAULTS(faults);
	struct err err;

	faults_add(faults, "/a", "is %s", "wrong");
	ck_assert(!faults_to_err(faults, &err));
	ck_assert_str_eq(err.msg, "/a: is wrong");
	faults_add(faults, "", "all is");
	ck_assert(!faults_to_err(faults, &err));
	ck_assert_str_eq(err.msg, "2 faults: /a: is wrong; all is");
}
END_TEST

START_TEST(text_cut_within_a_character_loses_the_rest_of_it)
{
	char cut[] = "a\xf0\x9f\x98", whole[] = "a\xc3\xa9", empty[] = "";
	CLEANUP(free_charp) char *repaired = utf8_repair("a\xff\xc3\xa9\xc3");

	utf8_trim(cut);
	utf8_trim(whole);
	utf8_trim(empty);
	ck_assert_str_eq(cut, "a");
	ck_assert_str_eq(whole, "a\xc3\xa9");
	ck_assert_str_eq(repaired, "a\xef\xbf\xbd\xc3\xa9\xef\xbf\xbd");
}
END_TEST

Suite *suite(void)
{
	Suite *s = suite_create("json_parse");
	TCase *t = tcase_create("parse");

	tcase_add_test(t, valid_document_is_taken);
	tcase_add_test(t, broken_document_is_refused_with_its_place);
	tcase_add_test(t, duplicate_keys_are_all_named);
	tcase_add_test(t, number_out_of_range_is_refused);
	tcase_add_test(t, nul_in_string_or_key_is_refused);
	tcase_add_test(t, text_that_is_not_utf8_is_refused);
	tcase_add_test(t, limits_of_depth_and_size_hold);
	tcase_add_test(t, many_keys_are_checked_in_time);
	tcase_add_test(t, values_over_the_limit_are_refused_at_the_first);
	tcase_add_test(t, faults_are_cut_but_counted);
	tcase_add_test(t, one_fault_reads_as_a_sentence);
	tcase_add_test(t, text_cut_within_a_character_loses_the_rest_of_it);
	suite_add_tcase(s, t);
	return s;
}
