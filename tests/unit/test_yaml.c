/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* JSON is printed as YAML that every reader takes for the same. */
#include <stdio.h>
#include <string.h>

#include "agents/lib/yaml.h"
#include "base/mem.h"
#include "tests/lib/check_main.h"

static const struct {
	const char *json, *yaml;
} rows[] = {
	{ "{}", "{}\n" },
	{ "[]", "[]\n" },
	{ "{\"a\":1,\"b\":-2.5,\"c\":true,\"d\":null}", "a: 1\nb: -2.5\nc: true\nd: null\n" },
	{ "{\"a\":{\"b\":{\"c\":\"x\"}},\"d\":[]}", "a:\n  b:\n    c: x\nd: []\n" },
	{ "{\"items\":[{\"a\":1,\"b\":[1,2]},{\"a\":{}}]}",
	  "items:\n  - a: 1\n    b:\n      - 1\n      - 2\n  - a: {}\n" },
	{ "[[1,2],[{\"a\":{\"b\":1}}]]", "- - 1\n  - 2\n- - a:\n      b: 1\n" },
	/* Words that would be something else, or would end a scalar. */
	{ "{\"a\":\"no\",\"yes\":\"1\",\"c\":\"\",\"d\":\"x: y\",\"e\":\"- x\",\"f\":\"~\"}",
	  "a: \"no\"\n\"yes\": \"1\"\nc: \"\"\nd: \"x: y\"\ne: \"- x\"\nf: \"~\"\n" },
	{ "{\"a\":\"2026-11-30\",\"b\":\"x #y\",\"c\":\"/dev/x\",\"d\":\"vm-1.a_b\"}",
	  "a: \"2026-11-30\"\nb: \"x #y\"\nc: \"/dev/x\"\nd: vm-1.a_b\n" },
	/* What could steer a terminal. */
	{ "{\"a\":\"x\\u001b[2J\",\"b\":\"\\n\",\"c\":\"\\u007f\",\"d\":\"\\u009b2J\"}",
	  "a: \"x\\u001b[2J\"\nb: \"\\n\"\nc: \"\\u007f\"\nd: \"\\u009b2J\"\n" },
};

START_TEST(json_is_printed_as_yaml)
{
	struct json_object *obj = json_read_back(rows[_i].json);
	char *text = NULL;
	size_t len = 0;
	FILE *out = open_memstream(&text, &len);

	ck_assert_ptr_nonnull(obj);
	yaml_print(out, obj);
	fclose(out);
	ck_assert_msg(strncmp(text, "---\n", 4) == 0, "%s", text);
	ck_assert_str_eq(text + 4, rows[_i].yaml);
	json_object_put(obj);
	free(text);
}
END_TEST

Suite *suite(void)
{
	Suite *s = suite_create("yaml");
	TCase *tc = tcase_create("yaml");

	tcase_add_loop_test(tc, json_is_printed_as_yaml, 0, ARRAY_LEN(rows));
	suite_add_tcase(s, tc);
	return s;
}
