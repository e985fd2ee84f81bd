/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "wire/policy.h"

#include <string.h>

#include "base/mem.h"
#include "check_main.h"

static bool decode(const char *text, struct policy *ret, struct faults *faults)
{
	CLEANUP(json_putp) struct json_object *obj = json_read_back(text);

	ck_assert_msg(obj != NULL, "no JSON: %s", text);
	return policy_decode(obj, ret, faults);
}

static void expect_fault(const char *text, const char *pointer)
{
	struct faults *faults = faults_new();
	struct policy policy;

	ck_assert_msg(!decode(text, &policy, faults), "taken: %s", text);
	ck_assert_uint_eq(faults->count, 1);
	ck_assert_str_eq(faults->list[0].pointer, pointer);
	faults_free(faults);
}

START_TEST(each_built_in_is_a_policy_that_its_own_table_takes)
{
	ck_assert_str_eq(policy_built_in[0].name, POLICY_DEFAULT);
	ck_assert_uint_eq(policy_built_in_count, 5);
	for (size_t i = 0; i < policy_built_in_count; i++) {
		CLEANUP(json_putp)
		struct json_object *obj = json_encode(policy_fields, &policy_built_in[i]);
		struct faults *faults = faults_new();
		struct policy policy;

		ck_assert_msg(policy_decode(obj, &policy, faults), "%s: %s",
			      policy_built_in[i].name, faults->list[0].detail);
		ck_assert(memcmp(&policy, &policy_built_in[i], sizeof(policy)) == 0);
		ck_assert_ptr_eq(policy_find_built_in(policy.name), &policy_built_in[i]);
		faults_free(faults);
	}
	ck_assert_ptr_null(policy_find_built_in("Default"));
}
END_TEST

START_TEST(contradiction_is_a_fault_at_its_member)
{
	static const struct {
		const char *text, *pointer;
	} rows[] = {
		{ "{\"name\":\"p\",\"bandwidth_bytes_per_s\":1000}", "/bandwidth_bytes_per_s" },
		{ "{\"name\":\"p\",\"downtime_limit_ms\":500,\"downtime_ceiling_ms\":499}",
		  "/downtime_ceiling_ms" },
		{ "{\"name\":\"p\",\"compression\":\"zstd\"}", "/compression" },
		{ "{\"name\":\"p\",\"timeout\":\"force\"}", "/timeout" },
		{ "{\"name\":\"p\",\"timeout\":\"pause\"}", "/timeout" },
		{ "{\"name\":\"p\",\"timeout\":\"postcopy\",\"deadline_s\":60}", "/timeout" },
		{ "{\"name\":\"../p\"}", "/name" },
		{ "{\"name\":\"p\",\"channels\":17}", "/channels" },
		{ "{\"name\":\"p\",\"throttle_max_percent\":100}", "/throttle_max_percent" },
		{ "{\"name\":\"p\",\"throttle\":10}", "/throttle" },
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		expect_fault(rows[i].text, rows[i].pointer);
}
END_TEST

START_TEST(all_contradictions_are_told_at_once)
{
	struct faults *faults = faults_new();
	struct policy policy;

	ck_assert(!decode("{\"name\":\"p\",\"bandwidth_bytes_per_s\":1,\"compression\":\"zlib\","
			  "\"timeout\":\"postcopy\"}",
			  &policy, faults));
	ck_assert_uint_eq(faults->count, 4); /* the timeout contradicts two others */
	faults_free(faults);
}
END_TEST

/* A setting that needs others, of each group at least one. */
static const struct setting {
	const char *text;
	const char *needs[2];
} settings[] = {
	{ "\"bandwidth_bytes_per_s\":65536", { NULL } },
	{ "\"downtime_limit_ms\":500", { NULL } },
	{ "\"downtime_ceiling_ms\":400", { NULL } }, /* less than the limit */
	{ "\"channels\":2", { NULL } },
	{ "\"compression\":\"zstd\"", { "channels" } },
	{ "\"throttle_max_percent\":50", { NULL } },
	{ "\"postcopy\":\"manual\"", { NULL } },
	{ "\"postcopy\":\"if-needed\"", { NULL } },
	{ "\"postcopy\":\"first-pass\"", { NULL } },
	{ "\"deadline_s\":60", { NULL } },
	{ "\"deadline_s_per_gib\":60", { NULL } },
	{ "\"timeout\":\"force\"", { "deadline_s" } },
	{ "\"timeout\":\"pause\"", { "deadline_s" } },
	{ "\"timeout\":\"postcopy\"", { "deadline_s", "\"postcopy\":" } },
	{ "\"observe\":true", { NULL } },
};

static bool has_needs(const struct setting *setting, const char *text)
{
	for (size_t i = 0; i < ARRAY_LEN(setting->needs) && setting->needs[i]; i++)
		if (!strstr(text, setting->needs[i]))
			return false;
	return true;
}

/* Each pair of settings is taken, or refused with words. */
START_TEST(each_pair_of_settings_is_taken_or_refused)
{
	const struct setting *a = &settings[_i];

	for (size_t i = 0; i < ARRAY_LEN(settings); i++) {
		const struct setting *b = &settings[i];
		size_t key = strcspn(a->text, ":");
		CLEANUP(free_charp)
		char *text = xasprintf("{\"name\":\"p\",%s,%s}", a->text, b->text);
		bool is_low = strstr(text, "_limit_ms\":500") && strstr(text, "ceiling_ms\":400");
		struct faults *faults = faults_new();
		struct policy policy;
		bool is_taken;

		if (strncmp(a->text, b->text, key + 1) == 0) { /* the same member twice */
			faults_free(faults);
			continue;
		}
		is_taken = decode(text, &policy, faults);
		ck_assert_msg(is_taken == (!is_low && has_needs(a, text) && has_needs(b, text)),
			      "%s", text);
		ck_assert(is_taken || strlen(faults->list[0].detail) > 20);
		faults_free(faults);
	}
}
END_TEST

START_TEST(limits_that_agree_are_taken)
{
	struct faults *faults = faults_new();
	struct policy policy;

	ck_assert(decode("{\"name\":\"p\",\"bandwidth_bytes_per_s\":0,\"downtime_limit_ms\":500,"
			 "\"downtime_ceiling_ms\":500,\"channels\":1,\"compression\":\"zlib\","
			 "\"postcopy\":\"manual\",\"deadline_s\":1,\"timeout\":\"postcopy\","
			 "\"outage_ping_ms\":0}",
			 &policy, faults));
	ck_assert(policy.has_bandwidth && policy.has_downtime_limit && policy.has_outage_ping);
	ck_assert_uint_eq(policy_deadline_ms(&policy, UINT64_C(8) << 30), 1000);
	faults_free(faults);
}
END_TEST

START_TEST(deadline_grows_with_what_is_to_be_sent)
{
	const struct policy policy = { .deadline_s = 10, .deadline_s_per_gib = 20 };
	const struct policy none = { 0 };

	ck_assert_uint_eq(policy_deadline_ms(&policy, 0), 10000);
	ck_assert_uint_eq(policy_deadline_ms(&policy, UINT64_C(1) << 30), 30000);
	ck_assert_uint_eq(policy_deadline_ms(&policy, UINT64_C(512) << 20), 20000);
	ck_assert_uint_eq(policy_deadline_ms(&none, UINT64_C(1) << 40), 0);
}
END_TEST

/* A move that an older migrd began goes on without a deadline that it did not have. */
START_TEST(policy_of_before_is_the_default_without_deadline)
{
	const struct policy policy = policy_of_before();

	ck_assert_str_eq(policy.name, POLICY_DEFAULT);
	ck_assert_uint_eq(policy_deadline_ms(&policy, UINT64_C(1) << 40), 0);
	ck_assert_int_eq(policy.timeout, POLICY_TIMEOUT_CANCEL);
	ck_assert_int_eq(policy.postcopy, POLICY_POSTCOPY_NEVER);
	ck_assert_uint_eq(policy.throttle_max_percent, 0);
}
END_TEST

Suite *suite(void)
{
	Suite *s = suite_create("policy");
	TCase *t = tcase_create("data");

	tcase_add_test(t, each_built_in_is_a_policy_that_its_own_table_takes);
	tcase_add_test(t, contradiction_is_a_fault_at_its_member);
	tcase_add_test(t, all_contradictions_are_told_at_once);
	tcase_add_loop_test(t, each_pair_of_settings_is_taken_or_refused, 0,
			    (int)ARRAY_LEN(settings));
	tcase_add_test(t, limits_that_agree_are_taken);
	tcase_add_test(t, deadline_grows_with_what_is_to_be_sent);
	tcase_add_test(t, policy_of_before_is_the_default_without_deadline);
	suite_add_tcase(s, t);
	return s;
}
