/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "wire/labels.h"

#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "check_main.h"

static size_t faults_of(const char *text, bool with_null, const char *pointer)
{
	CLEANUP(json_putp) struct json_object *obj = json_read_back(text);
	struct faults *faults = faults_new();
	size_t count;

	ck_assert_msg(obj != NULL, "no JSON: %s", text);
	ck_assert_int_eq(labels_check(obj, "/labels", with_null, faults), faults->count == 0);
	count = faults->count;
	if (pointer && count)
		ck_assert_str_eq(faults->list[0].pointer, pointer);
	faults_free(faults);
	return count;
}

#define L63 "a23456789012345678901234567890123456789012345678901234567890123"

START_TEST(syntax_is_that_of_kubernetes)
{
	static const char *const good[] = {
		"{}",
		"{\"a\":\"\",\"A.b_c-9\":\"v1.2_x-y\",\"example.org/name\":\"1\"}",
		"{\"" L63 "\":\"" L63 "\"}",
		"{\"a-b.c/x\":\"y\"}",
	};
	static const struct {
		const char *text, *pointer;
	} bad[] = {
		{ "{\"\":\"x\"}", "/labels/" },
		{ "{\"-a\":\"x\"}", "/labels/-a" },
		{ "{\"a.\":\"x\"}", "/labels/a." },
		{ "{\"a/\":\"x\"}", "/labels/a~1" },
		{ "{\"/a\":\"x\"}", "/labels/~1a" },
		{ "{\"a/b/c\":\"x\"}", "/labels/a~1b~1c" },
		{ "{\"Example.org/a\":\"x\"}", "/labels/Example.org~1a" },
		{ "{\"a..b/c\":\"x\"}", "/labels/a..b~1c" },
		{ "{\"a./c\":\"x\"}", "/labels/a.~1c" },
		{ "{\"a~\":\"x\"}", "/labels/a~0" },
		{ "{\"" L63 "4\":\"x\"}", NULL },
		{ "{\"a\":\"" L63 "4\"}", "/labels/a" },
		{ "{\"a\":\"b c\"}", "/labels/a" },
		{ "{\"a\":\"-b\"}", "/labels/a" },
		{ "{\"a\":5}", "/labels/a" },
		{ "{\"a\":null}", "/labels/a" },
		{ "[]", "/labels" },
	};

	for (size_t i = 0; i < ARRAY_LEN(good); i++)
		ck_assert_msg(faults_of(good[i], false, NULL) == 0, "refused: %s", good[i]);
	for (size_t i = 0; i < ARRAY_LEN(bad); i++)
		ck_assert_msg(faults_of(bad[i].text, false, bad[i].pointer) == 1, "not once: %s",
			      bad[i].text);
	ck_assert_uint_eq(faults_of("{\"a\":null}", true, NULL), 0);
}
END_TEST

static void add_many(struct json_object *obj, int count, int first)
{
	for (int i = 0; i < count; i++) {
		char key[400]; /* 253 + 1 + 63 */

		snprintf(key, sizeof(key), "%061d.%063d.%063d.%063d/%s", first + i, 0, 0, 0, L63);
		json_add_str(obj, key, L63);
	}
}

/* As many of the longest fit. */
START_TEST(more_than_32_are_refused_and_change_nothing)
{
	CLEANUP(json_putp) struct json_object *most = json_object_new_object();
	CLEANUP(json_putp) struct json_object *one = json_object_new_object();
	static char labels[LABELS_SIZE], former[LABELS_SIZE];
	struct err err = { 0 };

	add_many(most, LABELS_MAX, 0);
	ck_assert(labels_change(labels, most, &err));
	ck_assert_uint_eq(labels_count(labels), LABELS_MAX);
	memcpy(former, labels, sizeof(labels));
	add_many(one, 1, LABELS_MAX);
	ck_assert(!labels_change(labels, one, &err));
	ck_assert_int_eq(err.code, ERR_LIMIT);
	ck_assert_str_eq(labels, former);
}
END_TEST

START_TEST(change_adds_replaces_and_removes)
{
	CLEANUP(json_putp)
	struct json_object *changes = json_read_back("{\"a\":null,\"b\":\"2\",\"c\":\"3\"}");
	CLEANUP(json_putp)
	struct json_object *none = json_read_back("{\"b\":null,\"c\":null,\"d\":null}");
	static char labels[LABELS_SIZE] = "{\"a\":\"1\",\"b\":\"1\"}";
	struct err err = { 0 };

	ck_assert(labels_change(labels, changes, &err));
	ck_assert(labels_match(labels, "{\"b\":\"2\",\"c\":\"3\"}"));
	ck_assert_uint_eq(labels_count(labels), 2);
	ck_assert(labels_change(labels, none, &err));
	ck_assert_str_eq(labels, "");
}
END_TEST

START_TEST(selector_matches_if_all_of_it_is_there)
{
	static const char labels[] = "{\"a\":\"1\",\"b\":\"\"}";

	ck_assert(labels_match(labels, "{\"a\":\"1\"}"));
	ck_assert(labels_match(labels, "{\"a\":\"1\",\"b\":\"\"}"));
	ck_assert(!labels_match(labels, "{\"a\":\"2\"}"));
	ck_assert(!labels_match(labels, "{\"a\":\"1\",\"c\":\"\"}"));
	ck_assert(!labels_match(labels, ""));
	ck_assert(!labels_match(labels, "{}"));
	ck_assert(!labels_match("", "{\"a\":\"1\"}"));
}
END_TEST

Suite *suite(void)
{
	Suite *s = suite_create("labels");
	TCase *t = tcase_create("labels");

	tcase_add_test(t, syntax_is_that_of_kubernetes);
	tcase_add_test(t, more_than_32_are_refused_and_change_nothing);
	tcase_add_test(t, change_adds_replaces_and_removes);
	tcase_add_test(t, selector_matches_if_all_of_it_is_there);
	suite_add_tcase(s, t);
	return s;
}
