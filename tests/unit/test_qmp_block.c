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

/* ---- the job of a mirror ------------------------------------------------------ */

#define JOBS                                                                                  \
	"[{\"id\":\"migrd-d\",\"type\":\"mirror\",\"status\":\"%s\"%s},"                      \
	"{\"id\":\"migrd-d2\",\"type\":\"mirror\",\"status\":\"concluded\","                  \
	"\"error\":\"No space left on device\",\"current-progress\":3,\"total-progress\":9}," \
	"{\"id\":\"other\",\"type\":\"backup\",\"status\":\"ready\"}]"

static bool get_job(const char *status, const char *more, struct qmp_job *ret)
{
	CLEANUP(free_charp) char *text = xasprintf(JOBS, status, more);

	parse(text);
	return qmp_job_get(reply, "migrd-d", ret);
}

START_TEST(job_has_the_state_that_qemu_tells)
{
	static const struct {
		const char *name;
		enum qmp_job_status status;
	} cases[] = {
		{ "created", QMP_JOB_RUNS },        { "running", QMP_JOB_RUNS },
		{ "paused", QMP_JOB_RUNS },         { "ready", QMP_JOB_READY },
		{ "standby", QMP_JOB_READY },       { "waiting", QMP_JOB_RUNS },
		{ "pending", QMP_JOB_RUNS },        { "aborting", QMP_JOB_RUNS },
		{ "concluded", QMP_JOB_CONCLUDED }, { "x-new", QMP_JOB_RUNS },
	};

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct qmp_job job;

		ck_assert(get_job(cases[i].name, "", &job));
		ck_assert_msg(job.status == cases[i].status, "%s", cases[i].name);
		ck_assert_str_eq(job.error, "");
	}
}
END_TEST

START_TEST(job_tells_how_far_it_is)
{
	struct qmp_job job;

	ck_assert(get_job("running", ",\"current-progress\":512,\"total-progress\":4096", &job));
	ck_assert_uint_eq(job.done, 512);
	ck_assert_uint_eq(job.total, 4096);
	ck_assert(get_job("running", ",\"current-progress\":-1,\"total-progress\":\"x\"", &job));
	ck_assert_uint_eq(job.done, 0);
	ck_assert_uint_eq(job.total, 0);
}
END_TEST

/* The end of a job is a good one only without an error; the name is compared wholly. */
START_TEST(job_that_concluded_says_whether_all_went_well)
{
	struct qmp_job job;

	ck_assert(get_job("concluded", "", &job));
	ck_assert_int_eq(job.status, QMP_JOB_CONCLUDED);
	ck_assert_str_eq(job.error, "");
	ck_assert(qmp_job_get(reply, "migrd-d2", &job));
	ck_assert_int_eq(job.status, QMP_JOB_CONCLUDED);
	ck_assert_str_eq(job.error, "No space left on device");
	ck_assert_uint_eq(job.done, 3);
	ck_assert_uint_eq(job.total, 9);
}
END_TEST

START_TEST(job_that_is_not_there_is_not_found)
{
	static const char *const texts[] = {
		"[]",
		"{}",
		"7",
		"[7,null,[]]",
		"[{\"id\":\"migrd-\",\"status\":\"ready\"}]",
		"[{\"id\":\"migrd-dd\",\"status\":\"ready\"}]",
		"[{\"id\":\"migrd-d\"}]",
		"[{\"status\":\"ready\"}]",
		"[{\"id\":7,\"status\":\"ready\"}]",
		"[{\"id\":\"migrd-d\",\"status\":7}]",
	};

	for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
		struct qmp_job job;

		parse(texts[i]);
		ck_assert_msg(!qmp_job_get(reply, "migrd-d", &job), "%s", texts[i]);
	}
	ck_assert(!qmp_job_get(NULL, "migrd-d", &(struct qmp_job){ 0 }));
}
END_TEST

/* ---- the node of a disk --------------------------------------------------------- */

START_TEST(node_is_that_of_the_device)
{
	parse("[{\"device\":\"\",\"qdev\":\"/machine/peripheral/d2/virtio-backend\","
	      "\"inserted\":{\"node-name\":\"d2-node\"}},"
	      "{\"qdev\":\"/machine/peripheral/d/virtio-backend\","
	      "\"inserted\":{\"node-name\":\"d-node\"}},"
	      "{\"qdev\":\"/machine/peripheral/s\",\"inserted\":{\"node-name\":\"s-node\"}},"
	      "{\"qdev\":\"plain\",\"inserted\":{\"node-name\":\"p-node\"}},"
	      "{\"qdev\":\"/machine/peripheral/cd\"},"
	      "{\"inserted\":{\"node-name\":\"x\"}}]");
	ck_assert_str_eq(qmp_block_node(reply, "d"), "d-node");
	ck_assert_str_eq(qmp_block_node(reply, "d2"), "d2-node");
	ck_assert_str_eq(qmp_block_node(reply, "s"), "s-node");
	ck_assert_str_eq(qmp_block_node(reply, "plain"), "p-node");
	ck_assert_ptr_null(qmp_block_node(reply, "cd"));
	ck_assert_ptr_null(qmp_block_node(reply, "peripheral"));
	ck_assert_ptr_null(qmp_block_node(reply, "pl"));
}
END_TEST

START_TEST(node_of_nonsense_is_none)
{
	static const char *const texts[] = {
		"[]",
		"{}",
		"[7]",
		"[{\"qdev\":7}]",
		"[{\"qdev\":\"d\",\"inserted\":7}]",
		"[{\"qdev\":\"d\",\"inserted\":{\"node-name\":7}}]",
	};

	for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
		parse(texts[i]);
		ck_assert_msg(qmp_block_node(reply, "d") == NULL, "%s", texts[i]);
	}
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
	tcase_add_test(tc, job_has_the_state_that_qemu_tells);
	tcase_add_test(tc, job_tells_how_far_it_is);
	tcase_add_test(tc, job_that_concluded_says_whether_all_went_well);
	tcase_add_test(tc, job_that_is_not_there_is_not_found);
	tcase_add_test(tc, node_is_that_of_the_device);
	tcase_add_test(tc, node_of_nonsense_is_none);
	return s;
}
