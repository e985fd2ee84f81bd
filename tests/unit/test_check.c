/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <string.h>
#include <sys/stat.h>

#include "base/mem.h"
#include "check/check.h"
#include "check/kinds.h"
#include "check_main.h"
#include "move_rig.h"
#include "tests/lib/reply_check.h"
#include "wire/host_reply.h"

static const char *const peers[] = { "a", "b", NULL }; /* "a" is this host */
static struct check *the_check;
static struct check_env env;
static struct json_object *report; /* of the last check, or NULL */
static struct err result;          /* code COUNT: the check has not ended */

#define NO_VMS "{\"items\":[]}"

static void on_checked(void *data, struct json_object *obj, const struct err *err)
{
	(void)data;
	ck_assert_int_eq(result.code, ERR_CODE_COUNT);
	result = (struct err){ 0 };
	if (err)
		result = *err;
	json_object_put(report);
	report = json_object_get(obj);
	if (report)
		reply_check(report, host_check_fields);
}

static void setup(void)
{
	rig_set_up();
	env = (struct check_env){ .loop = rig.loop,
				  .vms = rig.vms,
				  .moves = rig.moves,
				  .peers = rig.peers,
				  .peer_ids = peers,
				  .host_id = "a",
				  .run_dir = rig.dir,
				  .log_dir = rig.dir,
				  .tpm_dir = "/nowhere" };
	the_check = check_new(&env);
}

static void teardown(void)
{
	check_free(TAKE_PTR(the_check));
	json_object_put(TAKE_PTR(report));
	rig_tear_down();
}

static bool begin(bool repair, struct err *err)
{
	bool ok;

	result.code = ERR_CODE_COUNT;
	ok = check_run(the_check, repair, on_checked, NULL, err);
	ck_assert_int_eq(result.code, ERR_CODE_COUNT); /* not called from inside check_run() */
	rig_run();
	return ok;
}

/* Runs a check to its end; host b answers each question that it has no VM. */
static void run_check(bool repair)
{
	struct err err;

	ck_assert(begin(repair, &err));
	while (result.code == ERR_CODE_COUNT)
		fake_peer_answer("vms", NO_VMS);
	ck_assert_int_eq(result.code, ERR_NONE);
}

static struct json_object *item(size_t index)
{
	return json_object_array_get_idx(json_object_object_get(report, "items"), index);
}

static void assert_item(size_t index, const char *kind, const char *repair)
{
	ck_assert_ptr_nonnull(item(index));
	ck_assert_str_eq(json_get_str(item(index), "kind"), kind);
	ck_assert_str_eq(json_get_str(item(index), "repair"), repair);
}

static void assert_clean(void)
{
	ck_assert(json_get_bool(report, "clean", false));
	ck_assert_ptr_null(item(0));
}

/* Makes an incoming VM without its move, which no present version of the daemon leaves behind. */
static void make_orphan(void)
{
	ck_assert_int_eq(rig_offer(), ERR_NONE);
	vm_job_end(rig_vm(), (struct vm_job *)(uintptr_t)vm_job(rig_vm()));
}

/* ---- the course of a check ---------------------------------------------------- */

/* The host's own section among the peers is not asked. */
START_TEST(host_at_work_is_clean_after_one_question)
{
	struct err err;

	rig_run_vm();
	ck_assert(begin(false, &err));
	ck_assert_uint_eq(fake_peer_pending("vms"), 1);
	fake_peer_answer("vms", NO_VMS);
	ck_assert_int_eq(result.code, ERR_NONE);
	assert_clean();
	ck_assert(rig_guest_runs());
}
END_TEST

/* All pages of a peer's list are read before anything is reported about the peer. */
START_TEST(peer_with_many_vms_is_asked_on)
{
	struct err err;

	rig_run_vm();
	ck_assert(begin(false, &err));
	fake_peer_answer("vms", "{\"items\":[],\"next\":\"m\"}");
	ck_assert_int_eq(result.code, ERR_CODE_COUNT);
	for (int look = 1; look <= 2; look++) {
		fake_peer_answer("vms", "{\"items\":[{\"uuid\":\"" RIG_VM_UUID "\",\"name\":\"n\","
					"\"role\":\"owned\",\"state\":\"running\","
					"\"generation\":7}]}");
	}
	ck_assert_int_eq(result.code, ERR_NONE);
	assert_item(0, "double-claim", "none");
	ck_assert(!json_get_bool(report, "clean", true));
}
END_TEST

/* A finding of the first look that is gone at the second look is not reported. */
START_TEST(claim_that_is_gone_at_the_second_look_is_dropped)
{
	struct err err;

	rig_run_vm();
	ck_assert(begin(false, &err));
	fake_peer_answer("vms", "{\"items\":[{\"uuid\":\"" RIG_VM_UUID "\",\"name\":\"n\","
				"\"role\":\"owned\",\"state\":\"running\",\"generation\":7}]}");
	ck_assert_int_eq(result.code, ERR_CODE_COUNT);
	fake_peer_answer("vms", NO_VMS);
	assert_clean();
}
END_TEST

/* An answer that cannot be read, or none within the deadline, counts as silence. */
START_TEST(peer_without_a_good_answer_is_said)
{
	struct err err;

	ck_assert(begin(false, &err));
	fake_peer_answer("vms", "{\"items\":[{}]}");
	assert_item(0, "silent-peer", "none");
	ck_assert(begin(false, &err));
	rig_advance(3000);
	assert_item(0, "silent-peer", "none");
	ck_assert_ptr_nonnull(strstr(json_get_str(item(0), "explanation"), "did not answer"));
}
END_TEST

START_TEST(second_check_at_once_is_busy)
{
	struct err err;

	ck_assert(begin(false, &err));
	ck_assert(!check_run(the_check, true, on_checked, NULL, &err));
	ck_assert_int_eq(err.code, ERR_BUSY);
	fake_peer_answer("vms", NO_VMS);
	assert_clean();
	run_check(false);
}
END_TEST

/* The caller is answered, and a peer's answer that comes later reaches nobody. */
START_TEST(check_that_is_freed_answers_and_lets_go)
{
	struct err err;

	ck_assert(begin(true, &err));
	check_free(TAKE_PTR(the_check));
	ck_assert_int_eq(result.code, ERR_UNAVAILABLE);
	fake_peer_answer("vms", NO_VMS);
}
END_TEST

/* ---- repair --------------------------------------------------------------------- */

START_TEST(incoming_without_a_move_is_removed_by_a_repair_only)
{
	make_orphan();
	run_check(false);
	assert_item(0, "orphan-incoming", "possible");
	ck_assert_ptr_nonnull(rig_vm());
	run_check(true);
	assert_item(0, "orphan-incoming", "done");
	ck_assert(json_get_bool(report, "clean", false));
	ck_assert_ptr_null(rig_vm());
	ck_assert(!rig.disk.has_vm);
	run_check(true);
	assert_clean();
}
END_TEST

/* The guest's memory has arrived: this may be its only copy. */
START_TEST(incoming_that_was_loaded_is_left_alone)
{
	make_orphan();
	fake_qemu()->run = QMP_RUN_PAUSED;
	run_check(true);
	assert_item(0, "orphan-incoming", "none");
	ck_assert_ptr_nonnull(rig_vm());
	fake_qemu()->run = QMP_RUN_INMIGRATE;
	run_check(true);
	assert_item(0, "orphan-incoming", "done");
}
END_TEST

static struct check_finding finding_of(const char *path, const char *key)
{
	struct check_finding finding = { .is_safe = true };

	snprintf(finding.object, sizeof(finding.object), "%s", path);
	snprintf(finding.key, sizeof(finding.key), "%s", key);
	return finding;
}

/* A user may have started the VM between the look and the repair. */
START_TEST(directory_that_came_into_use_is_left_alone)
{
	CLEANUP(free_charp) char *path = xasprintf("%s/x", rig.dir);
	const struct check_finding finding = finding_of(path, RIG_VM_UUID);
	struct err err = { 0 };
	struct stat st;

	ck_assert_int_eq(mkdir(path, 0700), 0);
	rig_run_vm();
	ck_assert(!check_repair_vm_dir(&env, &finding, &err));
	ck_assert_int_eq(err.code, ERR_CONFLICT);
	ck_assert(!check_repair_log(&env, &finding, &err));
	ck_assert_int_eq(stat(path, &st), 0);
	ck_assert_int_eq(rig_act(VM_ACTION_STOP).code, ERR_NONE);
	ck_assert(check_repair_vm_dir(&env, &finding, &err));
	ck_assert_int_ne(stat(path, &st), 0);
}
END_TEST

/* The same for a move's directory: removing it would cut the move's stream. */
START_TEST(move_that_came_to_life_is_left_alone)
{
	CLEANUP(free_charp) char *path = xasprintf("%s/x", rig.dir);
	const struct check_finding finding = finding_of(path, RIG_MOVE_ID);
	struct err err = { 0 };

	ck_assert_int_eq(rig_offer(), ERR_NONE);
	ck_assert(!check_repair_move_dir(&env, &finding, &err));
	ck_assert_int_eq(err.code, ERR_CONFLICT);
	ck_assert(!check_repair_stream(&env, &finding, &err));
	ck_assert_int_eq(err.code, ERR_CONFLICT);
}
END_TEST

Suite *suite(void)
{
	Suite *s = suite_create("check");
	TCase *course = tcase_create("course");
	TCase *repair = tcase_create("repair");

	tcase_add_checked_fixture(course, setup, teardown);
	tcase_add_test(course, host_at_work_is_clean_after_one_question);
	tcase_add_test(course, peer_with_many_vms_is_asked_on);
	tcase_add_test(course, claim_that_is_gone_at_the_second_look_is_dropped);
	tcase_add_test(course, peer_without_a_good_answer_is_said);
	tcase_add_test(course, second_check_at_once_is_busy);
	tcase_add_test(course, check_that_is_freed_answers_and_lets_go);
	suite_add_tcase(s, course);
	tcase_add_checked_fixture(repair, setup, teardown);
	tcase_add_test(repair, incoming_without_a_move_is_removed_by_a_repair_only);
	tcase_add_test(repair, incoming_that_was_loaded_is_left_alone);
	tcase_add_test(repair, directory_that_came_into_use_is_left_alone);
	tcase_add_test(repair, move_that_came_to_life_is_left_alone);
	suite_add_tcase(s, repair);
	return s;
}
