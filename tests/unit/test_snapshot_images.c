/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Which snapshots the images of a VM have, and what forbids one. */
#include <string.h>

#include "base/mem.h"
#include "check_main.h"
#include "json_rig.h"
#include "snapshot/images.h"

#define QCOW2(id) "{'id':'" id "','path':'/" id ".qcow2','format':'qcow2'}"

static struct vm_def *def;
static struct snapshot_images *images;

static void define(const char *members)
{
	CLEANUP(free_charp)
	char *text = xasprintf("{'name':'v','machine':'pc-q35-7.2','memory_mib':64,%s}", members);
	CLEANUP(json_putp) struct json_object *obj = rig_parse(text);
	struct faults *faults = faults_new();

	snapshot_images_fini(images);
	ck_assert_msg(vm_def_decode(obj, def, faults), "%s", faults->list[0].detail);
	faults_free(faults);
	snapshot_images_init(images, def);
}

static void set_up(void)
{
	def = xnew(struct vm_def);
	images = xnew(struct snapshot_images);
	define("'disks':[" QCOW2("a") "," QCOW2(
		"b") ",{'id':'r','path':'/r.raw','format':'raw','readonly':true}]");
}

static void tear_down(void)
{
	snapshot_images_fini(images);
	free(images);
	free(def);
}

static void take(size_t image, const char *snapshots)
{
	CLEANUP(free_charp) char *text = xasprintf("{'snapshots':[%s]}", snapshots);
	CLEANUP(json_putp) struct json_object *info = rig_parse(text);
	struct err err;

	ck_assert_msg(snapshot_image_take(&images->list[image], info, &err), "%s", err.msg);
}

static void assert_shown(const char *expected)
{
	CLEANUP(json_putp) struct json_object *all = snapshot_images_json(images);
	CLEANUP(free_charp) char *text = xstrdup(json_text(all, NULL));

	for (char *c = text; *c; c++)
		*c = *c == '"' ? '\'' : *c;
	ck_assert_str_eq(text, expected);
}

/* ---- names ----------------------------------------------------------------------------- */

static bool is_taken(const char *name, const char *description)
{
	CLEANUP(json_putp) struct json_object *obj = json_object_new_object();
	struct faults *faults = faults_new();
	struct snapshot_request request;
	bool ok;

	json_add_str(obj, "name", name);
	json_add_str(obj, "description", description);
	ok = snapshot_request_decode(obj, &request, faults);
	faults_free(faults);
	return ok;
}

START_TEST(names_that_may_be_given)
{
	static const char *const good[] = { "a", "before-upgrade", "v1.2_3", "d2026-11-30" };
	static const char *const bad[] = { "",    "1",   "42",       "-a",  ".a", "_a",
					   "a b", "a/b", "\xc3\xa4", "a\n", "1a" };

	for (size_t i = 0; i < ARRAY_LEN(good); i++)
		ck_assert_msg(is_taken(good[i], ""), "%s", good[i]);
	for (size_t i = 0; i < ARRAY_LEN(bad); i++)
		ck_assert_msg(!is_taken(bad[i], ""), "%s", bad[i]);
	ck_assert(is_taken("a", "one line: \xc3\xa4"));
	ck_assert(!is_taken("a", "two\nlines"));
}
END_TEST

/* qemu-img would take it for the number of a snapshot, which another may have. */
START_TEST(name_of_digits_is_a_number)
{
	ck_assert(snapshot_is_number("42") && snapshot_is_number(""));
	ck_assert(!snapshot_is_number("4a") && !snapshot_is_number("a4"));
}
END_TEST

/* QEMU cuts what is longer than 255 bytes without a word. */
START_TEST(name_and_description_fit_into_an_image)
{
	struct snapshot_request request;
	char full[SNAPSHOT_FULL_SIZE];
	const char *description;

	memset(request.name, 'n', sizeof(request.name));
	memset(request.description, 'd', sizeof(request.description));
	request.name[sizeof(request.name) - 1] = '\0';
	request.description[sizeof(request.description) - 1] = '\0';
	snapshot_full_name(&request, full);
	ck_assert_uint_eq(strlen(full), SNAPSHOT_NAME_SIZE - 1 + 1 + SNAPSHOT_DESCRIPTION_SIZE - 1);
	ck_assert_uint_eq(snapshot_split(full, &description), SNAPSHOT_NAME_SIZE - 1);
	ck_assert_str_eq(description, request.description);
	request.description[0] = '\0';
	snapshot_full_name(&request, full);
	ck_assert_str_eq(full, request.name);
	ck_assert_uint_eq(snapshot_split(full, &description), SNAPSHOT_NAME_SIZE - 1);
	ck_assert_str_eq(description, "");
}
END_TEST

/* ---- what there is ------------------------------------------------------------------------- */

START_TEST(snapshots_of_all_disks_are_one)
{
	ck_assert_uint_eq(images->count, 2);
	take(0, "{'name':'late its words','date-sec':200,'date-nsec':5000000,'vm-state-size':0},"
		"{'name':'one','date-sec':100,'vm-state-size':7}");
	take(1, "{'name':'late its words','date-sec':200,'date-nsec':6000000}");
	assert_shown("[{'name':'one','description':null,'created_at':'1970-01-01T00:01:40.000Z',"
		     "'complete':false,'disks':['a'],'missing':['b'],'memory_bytes':7},"
		     "{'name':'late','description':'its words',"
		     "'created_at':'1970-01-01T00:03:20.005Z','complete':true,'disks':['a','b'],"
		     "'missing':[],'memory_bytes':0}]");
	take(0, "");
	assert_shown("[{'name':'late','description':'its words',"
		     "'created_at':'1970-01-01T00:03:20.006Z','complete':false,'disks':['b'],"
		     "'missing':['a'],'memory_bytes':0}]");
}
END_TEST

START_TEST(answers_of_any_shape_are_borne)
{
	CLEANUP(json_putp) struct json_object *list = rig_parse("{'snapshots':[7,{'name':8},{}]}");
	CLEANUP(json_putp) struct json_object *odd = rig_parse("[{'snapshots':{}}]");
	struct err err;

	ck_assert(snapshot_image_take(&images->list[0], list, &err));
	ck_assert_uint_eq(images->list[0].count, 3);
	ck_assert_str_eq(images->list[0].list[0].full, "");
	ck_assert(snapshot_image_take(&images->list[0], odd, &err));
	ck_assert(snapshot_image_take(&images->list[0], NULL, &err));
	ck_assert_uint_eq(images->list[0].count, 0);
}
END_TEST

START_TEST(image_with_too_many_is_refused)
{
	CLEANUP(json_putp) struct json_object *info = json_object_new_object();
	struct json_object *list = json_object_new_array();
	struct err err = { 0 };

	json_object_object_add(info, "snapshots", list);
	for (int i = 0; i <= SNAPSHOTS_MAX; i++)
		json_object_array_add(list, json_object_new_object());
	ck_assert(!snapshot_image_take(&images->list[0], info, &err));
	ck_assert_int_eq(err.code, ERR_LIMIT);
}
END_TEST

START_TEST(nodes_and_images_are_those_of_query_block)
{
	CLEANUP(json_putp)
	struct json_object *blocks = rig_parse(
		"[{'qdev':'/machine/peripheral/r/virtio-backend','inserted':{'node-name':'rn'}},"
		"{'qdev':'/machine/peripheral/b/"
		"virtio-backend','inserted':{'node-name':'bn','image':{"
		"'snapshots':[{'name':'s'}],'format-specific':{'data':{'bitmaps':[{'name':'x'}]}}}}"
		"},"
		"{'qdev':'/machine/peripheral/a/"
		"virtio-backend','inserted':{'node-name':'an','image':{}}}]");
	CLEANUP(json_putp) struct json_object *without = rig_parse("[{'qdev':'a'}]");
	struct err err = { 0 };

	ck_assert_msg(snapshot_images_take_blocks(images, def, blocks, &err), "%s", err.msg);
	ck_assert_str_eq(images->list[0].node, "an");
	ck_assert_str_eq(images->list[1].node, "bn");
	ck_assert_uint_eq(images->list[0].count, 0);
	ck_assert_uint_eq(images->list[1].count, 1);
	ck_assert_uint_eq(images->list[1].bitmap_count, 1);
	ck_assert_str_eq(images->list[1].bitmaps[0], "x");
	ck_assert(!snapshot_images_take_blocks(images, def, without, &err));
	ck_assert_int_eq(err.code, ERR_CONFLICT);
}
END_TEST

/* ---- what forbids it ------------------------------------------------------------------------ */

static void assert_judged(bool (*judge)(const struct snapshot_images *images, const char *name,
					struct err *err),
			  const char *name, enum err_code code, const char *words)
{
	struct err err = { 0 };

	ck_assert(judge(images, name, &err) == (code == ERR_NONE));
	ck_assert_int_eq(err.code, code);
	if (words)
		ck_assert_msg(strstr(err.msg, words) != NULL, "%s", err.msg);
}

START_TEST(what_is_there_or_not_is_told)
{
	take(0, "{'name':'both x'},{'name':'a-only'},{'name':'two'},{'name':'two "
		"words'},{'name':'7'}");
	take(1, "{'name':'both y'},{'name':'7'}");
	assert_judged(snapshot_judge_create, "new", ERR_NONE, NULL);
	assert_judged(snapshot_judge_create, "bot", ERR_NONE, NULL);
	assert_judged(snapshot_judge_create, "a-only", ERR_EXISTS, "'a'");
	assert_judged(snapshot_judge_delete, "both", ERR_NONE, NULL);
	assert_judged(snapshot_judge_delete, "a-only", ERR_NONE, NULL);
	assert_judged(snapshot_judge_delete, "new", ERR_NOT_FOUND, NULL);
	assert_judged(snapshot_judge_delete, "", ERR_NOT_FOUND, NULL);
	assert_judged(snapshot_judge_delete, "two", ERR_CONFLICT, "2 snapshots");
	assert_judged(snapshot_judge_delete, "7", ERR_CONFLICT, "qemu-img");
	assert_judged(snapshot_judge_revert, "both", ERR_NONE, NULL);
	assert_judged(snapshot_judge_revert, "a-only", ERR_CONFLICT, "disk 'b' has no snapshot");
	assert_judged(snapshot_judge_revert, "new", ERR_NOT_FOUND, NULL);
	assert_judged(snapshot_judge_revert, "7", ERR_CONFLICT, "qemu-img");
}
END_TEST

static void assert_definition(const char *members, const char *words)
{
	struct err err = { 0 };

	define(members);
	ck_assert(snapshot_judge_definition(def, &err) == !words);
	if (words)
		ck_assert_msg(strstr(err.msg, words) != NULL, "%s", err.msg);
}

START_TEST(disks_that_can_have_no_snapshot_are_named)
{
	assert_definition("'disks':[" QCOW2("a") "]", NULL);
	assert_definition("'disks':[]", "no disk");
	assert_definition("'disks':[" QCOW2("a") ",{'id':'x','path':'/x','format':'raw'}]",
			  "disk 'x' is raw");
	assert_definition("'disks':[" QCOW2("a") "],'extra_args':['-drive','file=/y,if=none,id=y']",
			  "-drive of extra_args");
	assert_definition("'disks':[" QCOW2("a") "],'extra_args':['-drive','file=/"
						 "y,if=none,id=y,readonly=on']",
			  NULL);
}
END_TEST

Suite *suite(void)
{
	Suite *suite = suite_create("snapshot-images");
	TCase *tcase = tcase_create("snapshot-images");

	tcase_add_checked_fixture(tcase, set_up, tear_down);
	tcase_add_test(tcase, names_that_may_be_given);
	tcase_add_test(tcase, name_of_digits_is_a_number);
	tcase_add_test(tcase, name_and_description_fit_into_an_image);
	tcase_add_test(tcase, snapshots_of_all_disks_are_one);
	tcase_add_test(tcase, answers_of_any_shape_are_borne);
	tcase_add_test(tcase, image_with_too_many_is_refused);
	tcase_add_test(tcase, nodes_and_images_are_those_of_query_block);
	tcase_add_test(tcase, what_is_there_or_not_is_told);
	tcase_add_test(tcase, disks_that_can_have_no_snapshot_are_named);
	suite_add_tcase(suite, tcase);
	return suite;
}
