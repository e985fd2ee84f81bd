/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "qmp/block.h"

#include "base/mem.h"
#include "tests/lib/check_main.h"

/* A reply of QEMU 7.2 to x-debug-query-block-graph; PERM: the device's permissions on its disk. */
#define GRAPH(perm)                                                                  \
	"{\"nodes\":[{\"id\":1,\"type\":\"block-driver\",\"name\":\"d-node\"},"      \
	"{\"id\":2,\"type\":\"block-driver\",\"name\":\"#block068\"},"               \
	"{\"id\":3,\"type\":\"block-driver\",\"name\":\"spare\"},"                   \
	"{\"id\":4,\"type\":\"block-backend\",\"name\":\"/machine/peripheral/d\"}]," \
	"\"edges\":[{\"parent\":1,\"child\":2,\"name\":\"file\",\"perm\":[]},"       \
	"{\"parent\":4,\"child\":1,\"name\":\"root\",\"perm\":[" perm "]}]}"

static struct json_object *reply;

static void parse(const char *text)
{
	json_object_put(reply);
	reply = json_tokener_parse(text);
}

static void tear_down(void)
{
	json_object_put(reply);
	reply = NULL;
}

/* Each tree is activated from its root: nodes below a root must not be named. */
START_TEST(graph_of_a_guest_that_arrived_is_inactive_and_has_its_roots)
{
	CLEANUP(json_putp) struct json_object *roots = NULL;
	bool is_inactive = false;

	parse(GRAPH(""));
	roots = qmp_block_roots(reply, &is_inactive);
	ck_assert(is_inactive);
	ck_assert_str_eq(json_object_get_string(roots), "[ \"d-node\", \"spare\" ]");
}
END_TEST

START_TEST(graph_of_a_guest_that_ran_is_active)
{
	bool is_inactive = true;

	parse(GRAPH("\"consistent-read\""));
	json_object_put(qmp_block_roots(reply, &is_inactive));
	ck_assert(!is_inactive);
}
END_TEST

/* A graph of unexpected shape has no roots. */
START_TEST(graph_of_nonsense_has_no_roots)
{
	static const char *const texts[] = { "{}", "[]", "{\"nodes\":1,\"edges\":\"x\"}",
					     "{\"nodes\":[1],\"edges\":[[]]}" };
	CLEANUP(json_putp) struct json_object *roots = NULL;
	bool is_inactive = true;

	parse(texts[_i]);
	roots = qmp_block_roots(reply, &is_inactive);
	ck_assert_uint_eq(json_object_array_length(roots), 0);
	ck_assert(!is_inactive);
}
END_TEST

/* A job that has ended, and only waits to be dismissed, holds no image. */
START_TEST(jobs_concluded_do_not_count)
{
	struct qmp_block_user user;

	parse("[{\"id\":\"old\",\"type\":\"backup\",\"status\":\"concluded\"},"
	      "{\"id\":\"bk\",\"type\":\"mirror\",\"status\":\"ready\"}]");
	ck_assert(qmp_block_user_get(reply, NULL, 0, &user));
	ck_assert_str_eq(user.what, "job");
	ck_assert_str_eq(user.id, "bk");
	ck_assert_str_eq(user.type, "mirror");
	ck_assert(!qmp_block_user_get(reply, NULL, 1, &user));
}
END_TEST

START_TEST(exports_count_but_for_our_own)
{
	struct qmp_block_user user;

	parse("[{\"id\":\"mine\",\"type\":\"nbd\",\"node-name\":\"d\"},"
	      "{\"id\":\"theirs\",\"type\":\"nbd\",\"node-name\":\"d\"}]");
	ck_assert(qmp_block_user_get(reply, "mine", 0, &user));
	ck_assert_str_eq(user.what, "export");
	ck_assert_str_eq(user.id, "theirs");
	ck_assert(!qmp_block_user_get(reply, "mine", 1, &user));
}
END_TEST

START_TEST(bitmaps_that_are_not_in_the_image_are_found)
{
	const char *node, *name;

	parse("[{\"node-name\":\"d\",\"dirty-bitmaps\":[{\"name\":\"keep\",\"persistent\":true},"
	      "{\"persistent\":false},{\"name\":\"temp\",\"persistent\":false}]}]");
	ck_assert(qmp_transient_bitmap_get(reply, 0, &node, &name));
	ck_assert_str_eq(node, "d");
	ck_assert_str_eq(name, "temp");
	ck_assert(!qmp_transient_bitmap_get(reply, 1, &node, &name));
}
END_TEST

Suite *suite(void)
{
	Suite *s = suite_create("qmp_block");
	TCase *tc = tcase_create("block");

	tcase_add_checked_fixture(tc, NULL, tear_down);
	suite_add_tcase(s, tc);
	tcase_add_test(tc, graph_of_a_guest_that_arrived_is_inactive_and_has_its_roots);
	tcase_add_test(tc, graph_of_a_guest_that_ran_is_active);
	tcase_add_loop_test(tc, graph_of_nonsense_has_no_roots, 0, 4);
	tcase_add_test(tc, jobs_concluded_do_not_count);
	tcase_add_test(tc, exports_count_but_for_our_own);
	tcase_add_test(tc, bitmaps_that_are_not_in_the_image_are_found);
	return s;
}
