/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "wire/transfer_plan.h"

#include <string.h>

#include "base/mem.h"
#include "check_main.h"

static const struct transfer_features all = {
	.capabilities = { "xbzrle", "events", "return-path", "late-block-activate" },
	.capability_count = 4,
};
static const struct transfer_features rich = {
	.capabilities = { "xbzrle", "events", "return-path", "late-block-activate", "multifd",
			  "auto-converge", "zero-copy-send" },
	.capability_count = 7,
	.connections = 64,
	.cpus = 8,
};
static const struct transfer_wish plain;
static const struct transfer_features no_return_path = {
	.capabilities = { "xbzrle", "events", "late-block-activate" },
	.capability_count = 3,
};

static const char *text_of(const struct transfer_plan *plan)
{
	static char text[4096];
	CLEANUP(json_putp) struct json_object *obj = json_encode(transfer_plan_fields, plan);

	snprintf(text, sizeof(text), "%s", json_text(obj, NULL));
	return text;
}

/* Capabilities that every move needs, and both QEMUs have, are on at both ends, with their
 * reasons. */
START_TEST(plan_of_two_that_have_all_is_the_basic_one)
{
	CLEANUP(json_putp) struct json_object *args = NULL;
	struct transfer_plan plan;
	struct err err;

	ck_assert(transfer_plan_make(&plain, &all, &all, &plan, &err));
	for (size_t i = 0; i < plan.capability_count; i++) {
		ck_assert_int_eq(plan.capabilities[i].on, i < 3);
		ck_assert(plan.capabilities[i].why[0]);
	}
	ck_assert_uint_eq(plan.parameter_count, 0);
	ck_assert_uint_eq(plan.channel_count, 1);
	ck_assert_str_eq(plan.channels[0].name, "ram");
	args = transfer_plan_capabilities(&plan, &all);
	ck_assert_str_eq(json_text(args, NULL),
			 "{\"capabilities\":[{\"capability\":\"events\",\"state\":true},"
			 "{\"capability\":\"return-path\",\"state\":true},"
			 "{\"capability\":\"late-block-activate\",\"state\":true},"
			 "{\"capability\":\"xbzrle\",\"state\":false}]}");
}
END_TEST

/* Without such a capability `completed' would mean nothing: the refusal names the side that
 * lacks it. */
START_TEST(plan_without_what_every_move_needs_is_refused)
{
	struct transfer_plan plan;
	struct err err;

	ck_assert(!transfer_plan_make(&plain, &no_return_path, &all, &plan, &err));
	ck_assert_int_eq(err.code, ERR_QEMU);
	ck_assert_ptr_nonnull(strstr(err.msg, "the source's QEMU has no migration capability "
					      "'return-path'"));
	ck_assert(!transfer_plan_make(&plain, &all, &no_return_path, &plan, &err));
	ck_assert_ptr_nonnull(strstr(err.msg, "the destination's QEMU"));
}
END_TEST

/* An older coordinator does not tell the features of its QEMU. */
START_TEST(plan_with_one_that_does_not_say_is_the_basic_one)
{
	struct transfer_plan plan, basic;
	struct err err;

	ck_assert(transfer_plan_make(&plain, &all, &all, &basic, &err));
	ck_assert(transfer_plan_make(&plain, &all, NULL, &plan, &err));
	ck_assert_int_eq(memcmp(&plan, &basic, sizeof(plan)), 0);
	ck_assert(transfer_plan_make(&plain, NULL, NULL, &plan, &err));
	ck_assert_int_eq(memcmp(&plan, &basic, sizeof(plan)), 0);
}
END_TEST

/* A QEMU keeps what an earlier move has set, so all that is off is turned off. */
START_TEST(plan_over_several_connections)
{
	CLEANUP(json_putp) struct json_object *capabilities = NULL;
	CLEANUP(json_putp) struct json_object *parameters = json_object_new_object();
	const struct transfer_wish wish = {
		.has_multifd = true,
		.multifd = { .channels = 4, .compression = TRANSFER_COMPRESSION_ZSTD },
		.auto_converge = true,
	};
	struct transfer_plan plan;
	struct err err;

	ck_assert(transfer_plan_make(&wish, &rich, &rich, &plan, &err));
	ck_assert_uint_eq(plan.channels[0].connections, 5);
	capabilities = transfer_plan_capabilities(&plan, &rich);
	ck_assert_str_eq(json_text(capabilities, NULL),
			 "{\"capabilities\":[{\"capability\":\"events\",\"state\":true},"
			 "{\"capability\":\"return-path\",\"state\":true},"
			 "{\"capability\":\"late-block-activate\",\"state\":true},"
			 "{\"capability\":\"multifd\",\"state\":true},"
			 "{\"capability\":\"xbzrle\",\"state\":false},"
			 "{\"capability\":\"auto-converge\",\"state\":true},"
			 "{\"capability\":\"zero-copy-send\",\"state\":false}]}");
	transfer_plan_add_parameters(&plan, parameters);
	ck_assert_str_eq(json_text(parameters, NULL),
			 "{\"multifd-channels\":4,\"multifd-compression\":\"zstd\"}");
}
END_TEST

START_TEST(plan_chooses_the_number_of_channels_by_the_smaller_host)
{
	static const struct {
		uint64_t source, destination, channels;
	} cases[] = { { 8, 8, 4 },  { 2, 64, 2 },  { 64, 12, 6 },
		      { 0, 16, 2 }, { 96, 96, 8 }, { 1, 1, 2 } };
	const struct transfer_wish wish = { .has_multifd = true };

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct transfer_features source = rich, destination = rich;
		struct transfer_plan plan;
		struct err err;

		source.cpus = cases[i].source;
		destination.cpus = cases[i].destination;
		ck_assert(transfer_plan_make(&wish, &source, &destination, &plan, &err));
		ck_assert_uint_eq(plan.parameters[0].number, cases[i].channels);
		ck_assert_uint_eq(plan.channels[0].connections, cases[i].channels + 1);
	}
}
END_TEST

/* What was asked for and cannot be is refused with all reasons at once. */
START_TEST(plan_of_what_the_hosts_lack_names_every_reason)
{
	const struct transfer_wish wish = { .has_multifd = true, .auto_converge = true };
	struct transfer_plan plan;
	struct err err;

	ck_assert(!transfer_plan_make(&wish, &all, &rich, &plan, &err));
	ck_assert_int_eq(err.code, ERR_QEMU);
	ck_assert_str_eq(err.msg, "the source's QEMU has no migration capability 'multifd'; the "
				  "source's QEMU "
				  "has no migration capability 'auto-converge'");
	ck_assert(!transfer_plan_make(&wish, &rich, &all, &plan, &err));
	ck_assert_ptr_nonnull(strstr(err.msg, "the destination's QEMU has no migration capability "
					      "'multifd'"));
	ck_assert_ptr_nonnull(strstr(err.msg, "3 connections of a channel are too many"));
	ck_assert(!transfer_plan_make(&wish, &rich, NULL, &plan, &err));
	ck_assert_int_eq(err.code, ERR_UNAVAILABLE);
}
END_TEST

START_TEST(wish_that_excludes_itself_is_a_fault)
{
	const struct transfer_wish wish = { .has_multifd = true, .xbzrle = true };
	struct faults *faults = faults_new();

	ck_assert(transfer_wish_check(&plain, faults));
	ck_assert(!transfer_wish_check(&wish, faults));
	ck_assert_uint_eq(faults->count, 1);
	faults_free(faults);
}
END_TEST

/* A peer must not set in our QEMU whatever it likes. */
START_TEST(plan_of_another_that_sets_what_we_do_not_know_is_refused)
{
	static const struct {
		const char *settings;
		bool ok;
	} cases[] = {
		{ "\"capabilities\":[{\"name\":\"xbzrle\",\"on\":true}]", true },
		{ "\"capabilities\":[{\"name\":\"x-new\",\"on\":false}]", true },
		{ "\"capabilities\":[{\"name\":\"x-colo\",\"on\":true}]", false },
		{ "\"capabilities\":[],\"parameters\":[{\"name\":\"multifd-channels\","
		  "\"number\":16}]",
		  true },
		{ "\"capabilities\":[],\"parameters\":[{\"name\":\"multifd-channels\","
		  "\"number\":17}]",
		  false },
		{ "\"capabilities\":[],\"parameters\":[{\"name\":\"multifd-compression\","
		  "\"word\":\"zlib\"}]",
		  true },
		{ "\"capabilities\":[],\"parameters\":[{\"name\":\"multifd-compression\","
		  "\"word\":\"uadk\"}]",
		  false },
		{ "\"capabilities\":[],\"parameters\":[{\"name\":\"tls-creds\",\"word\":\"x\"}]",
		  false },
	};

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		CLEANUP(free_charp)
		char *text = xasprintf("{%s,\"channels\":[{\"name\":\"ram\",\"connections\":1}]}",
				       cases[i].settings);
		CLEANUP(json_putp) struct json_object *obj = json_read_back(text);
		struct transfer_plan plan = { 0 };
		struct err err;

		ck_assert_msg(transfer_plan_decode(obj, &plan, &err) == cases[i].ok, "%s", text);
	}
}
END_TEST

/* The plan is recorded and sent as text, and must be read back unchanged. */
START_TEST(plan_survives_its_text)
{
	CLEANUP(json_putp) struct json_object *obj = NULL;
	const struct transfer_wish wish = { .has_multifd = true };
	struct transfer_plan plan, back = { 0 };
	struct err err;

	ck_assert(transfer_plan_make(&wish, &rich, &rich, &plan, &err));
	obj = json_read_back(text_of(&plan));
	ck_assert(json_decode_object(obj, transfer_plan_fields, &back, JSON_STRICT, &err));
	ck_assert_int_eq(memcmp(&plan, &back, sizeof(plan)), 0);
}
END_TEST

/* Two channels of one name would share a socket, and the name of the control socket would take
 * its place: a destination must not act on such a plan. */
START_TEST(plan_of_another_with_channels_that_collide_is_refused)
{
	static const struct {
		const char *channels, *why;
	} cases[] = {
		{ "{\"name\":\"ram\",\"connections\":1}", NULL },
		{ "{\"name\":\"ram\",\"connections\":1},{\"name\":\"x\",\"connections\":1}",
		  "does not know the channel 'x'" },
		{ "{\"name\":\"ram\",\"connections\":2}",
		  "QEMU makes 1 connections, and channel 'ram' has 2" },
		{ "{\"name\":\"ram\",\"connections\":1},{\"name\":\"ram\",\"connections\":2}",
		  "two channels are named 'ram'" },
		{ "{\"name\":\"ram\",\"connections\":1},{\"name\":\"control\",\"connections\":1}",
		  "and not 'control'" },
		{ "", "there is no channel 'ram'" },
	};

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		CLEANUP(free_charp)
		char *text =
			xasprintf("{\"capabilities\":[],\"channels\":[%s]}", cases[i].channels);
		CLEANUP(json_putp) struct json_object *obj = json_read_back(text);
		struct transfer_plan plan = { 0 };
		struct err err;
		bool ok = transfer_plan_decode(obj, &plan, &err);

		ck_assert_int_eq(ok, cases[i].why == NULL);
		if (!ok)
			ck_assert_ptr_nonnull(strstr(err.msg, cases[i].why));
	}
}
END_TEST

START_TEST(plan_of_another_has_as_many_connections_as_qemu_makes)
{
	static const struct {
		const char *parameters;
		uint64_t connections;
		bool ok;
	} cases[] = {
		{ "[{\"name\":\"multifd-channels\",\"number\":4}]", 5, true },
		{ "[{\"name\":\"multifd-channels\",\"number\":4}]", 4, false },
		{ "[]", 3, true }, /* 2 channels are QEMU's default */
		{ "[]", 1, false },
	};

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		CLEANUP(free_charp)
		char *text = xasprintf("{\"capabilities\":[{\"name\":\"multifd\",\"on\":true}],"
				       "\"parameters\":%s,\"channels\":[{\"name\":\"ram\","
				       "\"connections\":%d}]}",
				       cases[i].parameters, (int)cases[i].connections);
		CLEANUP(json_putp) struct json_object *obj = json_read_back(text);
		struct transfer_plan plan = { 0 };
		struct err err;

		ck_assert_msg(transfer_plan_decode(obj, &plan, &err) == cases[i].ok, "%s", text);
	}
	ck_assert_uint_eq(transfer_plan_connections(NULL), 1);
}
END_TEST

START_TEST(features_are_read_of_what_qemu_answers)
{
	CLEANUP(json_putp)
	struct json_object *answer =
		json_read_back("[{\"capability\":\"events\",\"state\":false},{\"other\":1},7,"
			       "{\"capability\":\"multifd\",\"state\":true}]");
	struct transfer_features features;

	transfer_features_read(answer, &features);
	ck_assert_uint_eq(features.capability_count, 2);
	ck_assert(transfer_features_have(&features, "multifd"));
	ck_assert(!transfer_features_have(&features, "other"));
	transfer_features_read(NULL, &features);
	ck_assert_uint_eq(features.capability_count, 0);
}
END_TEST

/* A program that names a thousand capabilities must not use up the daemon's memory. */
START_TEST(features_beyond_the_limit_are_left_out)
{
	CLEANUP(json_putp) struct json_object *answer = json_object_new_array();
	struct transfer_features features;
	char name[TRANSFER_NAME_SIZE + 1];

	memset(name, 'x', sizeof(name) - 1);
	name[sizeof(name) - 1] = '\0';
	for (int i = 0; i < 1000; i++) {
		struct json_object *item = json_object_new_object();

		json_add_str(item, "capability", i ? "x" : name);
		json_object_array_add(answer, item);
	}
	transfer_features_read(answer, &features);
	ck_assert_uint_eq(features.capability_count, TRANSFER_CAPABILITY_MAX);
	ck_assert(!transfer_features_have(&features, name));
}
END_TEST

Suite *suite(void)
{
	Suite *s = suite_create("transfer_plan");
	TCase *tc = tcase_create("plan");

	tcase_add_test(tc, plan_of_two_that_have_all_is_the_basic_one);
	tcase_add_test(tc, plan_without_what_every_move_needs_is_refused);
	tcase_add_test(tc, plan_with_one_that_does_not_say_is_the_basic_one);
	tcase_add_test(tc, plan_over_several_connections);
	tcase_add_test(tc, plan_chooses_the_number_of_channels_by_the_smaller_host);
	tcase_add_test(tc, plan_of_what_the_hosts_lack_names_every_reason);
	tcase_add_test(tc, wish_that_excludes_itself_is_a_fault);
	tcase_add_test(tc, plan_of_another_that_sets_what_we_do_not_know_is_refused);
	tcase_add_test(tc, plan_survives_its_text);
	tcase_add_test(tc, plan_of_another_with_channels_that_collide_is_refused);
	tcase_add_test(tc, plan_of_another_has_as_many_connections_as_qemu_makes);
	tcase_add_test(tc, features_are_read_of_what_qemu_answers);
	tcase_add_test(tc, features_beyond_the_limit_are_left_out);
	suite_add_tcase(s, tc);
	return s;
}
