/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "policy/policies.h"

#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "check_main.h"
#include "store_rig.h"

static struct policies *policies;
static unsigned answers;
static struct err answer;

static void add_row(void *data, void *row)
{
	(void)data;
	policies_add_row(policies, row);
}

static void load(void)
{
	struct err err;

	policies = policies_new(rig.store);
	ck_assert_msg(store_load_blocking(rig.store, STORE_POLICY, add_row, NULL, &err), "%s",
		      err.msg);
}

static void set_up(void)
{
	rig_set_up();
	load();
}

static void tear_down(void)
{
	policies_free(policies);
	rig_tear_down();
}

static void on_done(void *data, const struct err *err)
{
	(void)data;
	answers++;
	answer = err ? *err : (struct err){ 0 };
}

static enum err_code put(const char *name, const char *selector)
{
	static struct policy_def def;
	struct err err;
	bool is_new;

	memset(&def, 0, sizeof(def));
	snprintf(def.policy.name, sizeof(def.policy.name), "%s", name);
	snprintf(def.selector, sizeof(def.selector), "%s", selector);
	if (!policies_put(policies, &def, &is_new, on_done, NULL, &err))
		return err.code;
	rig_run();
	return answer.code;
}

static struct policies_choice choose(const char *request, const char *vm, const char *labels)
{
	const struct policies_question question = { request, vm, labels };
	struct policies_choice choice;
	struct err err;

	ck_assert_msg(policies_choose(policies, &question, &choice, &err), "%s", err.msg);
	return choice;
}

static void assert_chosen(struct policies_choice choice, const char *name, enum policy_from from)
{
	ck_assert_str_eq(choice.policy.name, name);
	ck_assert_int_eq(choice.origin.from, from);
	ck_assert(choice.origin.why[0]);
}

/* ---- which one ------------------------------------------------------------ */

START_TEST(request_goes_before_vm_before_labels_before_default)
{
	ck_assert_int_eq(put("by-label", "{\"a\":\"1\"}"), ERR_NONE);
	ck_assert_int_eq(put("by-vm", ""), ERR_NONE);
	assert_chosen(choose("fast", "by-vm", "{\"a\":\"1\"}"), "fast", POLICY_FROM_REQUEST);
	assert_chosen(choose("", "by-vm", "{\"a\":\"1\"}"), "by-vm", POLICY_FROM_VM);
	assert_chosen(choose("", "", "{\"a\":\"1\"}"), "by-label", POLICY_FROM_LABEL);
	assert_chosen(choose("", "", "{\"a\":\"2\"}"), "default", POLICY_FROM_DEFAULT);
	ck_assert(!choose("", "", "").is_told);
}
END_TEST

START_TEST(of_selectors_that_match_the_one_with_most_labels_wins)
{
	struct policies_choice choice;

	ck_assert_int_eq(put("z-two", "{\"a\":\"1\",\"b\":\"1\"}"), ERR_NONE);
	ck_assert_int_eq(put("a-one", "{\"a\":\"1\"}"), ERR_NONE);
	ck_assert_int_eq(put("a-three", "{\"a\":\"1\",\"b\":\"1\",\"c\":\"1\"}"), ERR_NONE);
	choice = choose("", "", "{\"a\":\"1\",\"b\":\"1\"}");
	assert_chosen(choice, "z-two", POLICY_FROM_LABEL);
	ck_assert_ptr_null(strstr(choice.origin.why, "later"));
}
END_TEST

START_TEST(of_two_equal_ones_the_first_name_wins_and_the_other_is_named)
{
	struct policies_choice choice;

	ck_assert_int_eq(put("p2", "{\"b\":\"1\"}"), ERR_NONE);
	ck_assert_int_eq(put("p1", "{\"a\":\"1\"}"), ERR_NONE);
	choice = choose("", "", "{\"a\":\"1\",\"b\":\"1\"}");
	assert_chosen(choice, "p1", POLICY_FROM_LABEL);
	ck_assert_ptr_nonnull(strstr(choice.origin.why, "'p2'"));
	ck_assert(choice.is_told);
}
END_TEST

START_TEST(policy_of_the_vm_that_is_not_here_falls_back_and_that_of_the_request_is_refused)
{
	const struct policies_question asked = { "none", "", "" };
	struct policies_choice choice = choose("", "none", "");
	struct err err;

	assert_chosen(choice, "default", POLICY_FROM_DEFAULT);
	ck_assert_ptr_nonnull(strstr(choice.origin.why, "'none'"));
	ck_assert(choice.is_told);
	ck_assert(!policies_choose(policies, &asked, &choice, &err));
	ck_assert_int_eq(err.code, ERR_NOT_FOUND);
}
END_TEST

/* ---- the list --------------------------------------------------------------- */

START_TEST(list_has_the_built_in_ones_first_and_others_by_name)
{
	static const char *const names[] = { "default", "fast", "gentle", "must-complete",
					     "suspend", "aa",   "b" };
	struct policies_item item;
	const char *after = NULL;

	ck_assert_int_eq(put("b", ""), ERR_NONE);
	ck_assert_int_eq(put("aa", ""), ERR_NONE);
	for (size_t i = 0; i < ARRAY_LEN(names); i++) {
		ck_assert(policies_next(policies, after, &item));
		ck_assert_str_eq(item.policy->name, names[i]);
		ck_assert_int_eq(item.is_built_in, i < 5);
		after = item.policy->name;
	}
	ck_assert(!policies_next(policies, after, &item));
}
END_TEST

START_TEST(restart_keeps_what_was_answered)
{
	struct policies_item item;
	struct err err;

	ck_assert_int_eq(put("p", "{\"a\":\"1\"}"), ERR_NONE);
	ck_assert_int_eq(put("q", ""), ERR_NONE);
	ck_assert(policies_delete(policies, "q", on_done, NULL, &err));
	rig_run();
	rig_reopen();
	policies_free(policies);
	load();
	ck_assert(policies_find(policies, "p", &item));
	ck_assert_str_eq(item.selector, "{\"a\":\"1\"}");
	ck_assert(item.created_ms > 0);
	ck_assert(!policies_find(policies, "q", &item));
}
END_TEST

START_TEST(built_in_ones_are_neither_changed_nor_removed)
{
	struct err err;

	answers = 0;
	ck_assert_int_eq(put("gentle", ""), ERR_CONFLICT);
	ck_assert(!policies_delete(policies, "gentle", on_done, NULL, &err));
	ck_assert_int_eq(err.code, ERR_CONFLICT);
	ck_assert(!policies_delete(policies, "none", on_done, NULL, &err));
	ck_assert_int_eq(err.code, ERR_NOT_FOUND);
	ck_assert_uint_eq(answers, 0);
}
END_TEST

START_TEST(there_are_256_at_most_and_those_can_be_changed)
{
	for (int i = 0; i < POLICIES_MAX; i++) {
		char name[ID_NAME_SIZE];

		snprintf(name, sizeof(name), "p%03d", i);
		ck_assert_int_eq(put(name, ""), ERR_NONE);
	}
	ck_assert_int_eq(put("one-more", ""), ERR_LIMIT);
	ck_assert_int_eq(put("p000", "{\"a\":\"1\"}"), ERR_NONE);
}
END_TEST

Suite *suite(void)
{
	Suite *s = suite_create("policies");
	TCase *t = tcase_create("policies of a host");

	tcase_add_checked_fixture(t, set_up, tear_down);
	tcase_add_test(t, request_goes_before_vm_before_labels_before_default);
	tcase_add_test(t, of_selectors_that_match_the_one_with_most_labels_wins);
	tcase_add_test(t, of_two_equal_ones_the_first_name_wins_and_the_other_is_named);
	tcase_add_test(
		t, policy_of_the_vm_that_is_not_here_falls_back_and_that_of_the_request_is_refused);
	tcase_add_test(t, list_has_the_built_in_ones_first_and_others_by_name);
	tcase_add_test(t, restart_keeps_what_was_answered);
	tcase_add_test(t, built_in_ones_are_neither_changed_nor_removed);
	tcase_add_test(t, there_are_256_at_most_and_those_can_be_changed);
	suite_add_tcase(s, t);
	return s;
}
