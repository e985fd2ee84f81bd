/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "check_main.h"
#include "json_rig.h"
#include "wire/placement.h"

static struct placement placement;

/* CHANGES has ' in place of ". */
static bool change(const char *changes, struct faults *faults)
{
	CLEANUP(json_putp) struct json_object *obj = rig_parse(changes);

	return placement_change(&placement, obj, "/placement", faults);
}

static void assert_is(const char *text)
{
	CLEANUP(json_putp) struct json_object *wanted = rig_parse(text);
	CLEANUP(json_putp)
	struct json_object *is = json_encode(placement_fields, &placement);

	ck_assert_msg(json_object_equal(is, wanted), "%s", json_object_to_json_string(is));
}

START_TEST(changes_are_merged_and_null_removes)
{
	RIG_FAULTS(faults);

	placement = (struct placement){ 0 };
	ck_assert(placement_is_empty(&placement));
	ck_assert(change("{'group':'web','requires':{'zone':'a','disk':'ssd'},'pins':['b','c'],"
			 "'priority':3,'on_evacuation':'save'}",
			 faults));
	assert_is("{'group':'web','requires':{'zone':'a','disk':'ssd'},'pins':['b','c'],"
		  "'priority':3,'on_evacuation':'save'}");
	ck_assert(change("{'group':null,'requires':{'zone':null,'cpu':'new'},'forbids':{'x':'y'},"
			 "'pins':['d']}",
			 faults));
	assert_is("{'requires':{'disk':'ssd','cpu':'new'},'forbids':{'x':'y'},'pins':['d'],"
		  "'priority':3,'on_evacuation':'save'}");
	ck_assert(change("{'requires':{'disk':null,'cpu':null},'forbids':null,'pins':[],"
			 "'priority':null,'on_evacuation':'leave'}",
			 faults));
	ck_assert(placement_is_empty(&placement));
}
END_TEST

static const struct {
	const char *changes, *pointer, *words;
} bad[] = {
	{ "{'groop':'a'}", "/placement/groop", "is 'group' meant" },
	{ "{'group':'-a'}", "/placement/group", "no name" },
	{ "{'priority':8}", "/placement/priority", "0 to 7" },
	{ "{'on_evacuation':'stop'}", "/placement/on_evacuation", "none of 'leave'" },
	{ "{'pins':['b','b']}", "/placement/pins/1", "twice" },
	{ "{'pins':['B']}", "/placement/pins/0", "no host id" },
	{ "{'requires':{'-':'a'}}", "/placement/requires/-", "no label" },
	{ "{'requires':{'a':1}}", "/placement/requires/a", "a string" },
	{ "{'forbids':['a']}", "/placement/forbids", "an object" },
	{ "{'prefers':{'a':'','b':'','c':'','d':'','e':'','f':'','g':'','h':'','i':''}}",
	  "/placement/prefers", "8 are the most" },
};

START_TEST(bad_change_is_named_and_changes_nothing)
{
	RIG_FAULTS(faults);

	placement = (struct placement){ .group = "web" };
	ck_assert(!change(bad[_i].changes, faults));
	rig_assert_fault(faults, bad[_i].pointer, bad[_i].words);
	assert_is("{'group':'web'}");
}
END_TEST

Suite *suite(void)
{
	Suite *s = suite_create("placement");
	TCase *tc = tcase_create("placement");

	tcase_add_test(tc, changes_are_merged_and_null_removes);
	tcase_add_loop_test(tc, bad_change_is_named_and_changes_nothing, 0, (int)ARRAY_LEN(bad));
	suite_add_tcase(s, tc);
	return s;
}
