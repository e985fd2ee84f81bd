/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "wire/transfer_plan.h"

#include <stdio.h>
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

static bool make(const struct transfer_wish *wish, const struct transfer_features *source,
		 const struct transfer_features *destination, struct transfer_plan *ret,
		 struct err *err)
{
	const struct transfer_basis basis = { .wish = wish, .source = source,
					      .destination = destination };

	return transfer_plan_make(&basis, ret, err);
}

static bool is_on(const struct transfer_plan *plan, const char *capability)
{
	for (size_t i = 0; i < plan->capability_count; i++) {
		if (strcmp(plan->capabilities[i].name, capability) == 0)
			return plan->capabilities[i].on;
	}
	ck_abort_msg("the plan does not decide on '%s'", capability);
}

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

	ck_assert(make(&plain, &all, &all, &plan, &err));
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

/* A save whose end a crash has prevented leaves them on, and a move with them would hang. */
START_TEST(capabilities_of_no_plan_are_turned_off)
{
	CLEANUP(json_putp) struct json_object *args = NULL;
	CLEANUP(json_putp) struct json_object *parameters = json_object_new_object();
	struct transfer_features here = all;
	struct transfer_plan plan;
	struct err err;

	ck_assert(make(&plain, &all, &all, &plan, &err));
	here = (struct transfer_features){
		.capabilities = { "mapped-ram", "events", "background-snapshot" },
		.capability_count = 3,
	};
	args = transfer_plan_capabilities(&plan, &here);
	ck_assert_ptr_nonnull(strstr(json_text(args, NULL),
				     "{\"capability\":\"mapped-ram\",\"state\":false},"
				     "{\"capability\":\"background-snapshot\",\"state\":false}]}"));
	here.form.capabilities_as_parameters = true;
	snprintf(here.parameters[here.parameter_count++], TRANSFER_NAME_SIZE, "mapped-ram");
	transfer_plan_add_parameters(&plan, TRANSFER_SOURCE, &here, parameters);
	ck_assert_str_eq(json_text(parameters, NULL), "{\"mapped-ram\":false}");
}
END_TEST

START_TEST(capabilities_without_a_plan_are_all_told)
{
	static const char *const on[] = { "events", "absent", NULL };
	CLEANUP(json_putp) struct json_object *args = NULL;
	CLEANUP(json_putp) struct json_object *none = transfer_capabilities(NULL, on);
	const struct transfer_features here = { .capabilities = { "mapped-ram", "events" },
						.capability_count = 2 };

	args = transfer_capabilities(&here, on);
	ck_assert_str_eq(json_text(args, NULL),
			 "{\"capabilities\":[{\"capability\":\"mapped-ram\",\"state\":false},"
			 "{\"capability\":\"events\",\"state\":true}]}");
	ck_assert_str_eq(json_text(none, NULL), "{\"capabilities\":[]}");
}
END_TEST

/* Without such a capability `completed' would mean nothing: the refusal names the side that
 * lacks it. */
START_TEST(plan_without_what_every_move_needs_is_refused)
{
	struct transfer_plan plan;
	struct err err;

	ck_assert(!make(&plain, &no_return_path, &all, &plan, &err));
	ck_assert_int_eq(err.code, ERR_QEMU);
	ck_assert_ptr_nonnull(strstr(err.msg, "the source's QEMU has no migration capability "
					      "'return-path'"));
	ck_assert(!make(&plain, &all, &no_return_path, &plan, &err));
	ck_assert_ptr_nonnull(strstr(err.msg, "the destination's QEMU"));
}
END_TEST

/* An older coordinator does not tell the features of its QEMU. */
START_TEST(plan_with_one_that_does_not_say_is_the_basic_one)
{
	struct transfer_plan plan, basic;
	struct err err;

	ck_assert(make(&plain, &all, &all, &basic, &err));
	ck_assert(make(&plain, &all, NULL, &plan, &err));
	ck_assert_int_eq(memcmp(&plan, &basic, sizeof(plan)), 0);
	ck_assert(make(&plain, NULL, NULL, &plan, &err));
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

	ck_assert(make(&wish, &rich, &rich, &plan, &err));
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
	transfer_plan_add_parameters(&plan, TRANSFER_DESTINATION, NULL, parameters);
	ck_assert_str_eq(json_text(parameters, NULL),
			 "{\"multifd-channels\":4,\"multifd-compression\":\"zstd\"}");
}
END_TEST

START_TEST(plan_with_a_compression_that_a_qemu_was_built_without_is_refused)
{
	const struct transfer_wish wish = {
		.has_multifd = true,
		.multifd = { .channels = 4, .compression = TRANSFER_COMPRESSION_ZSTD },
	};
	struct transfer_features without = rich;
	struct transfer_plan plan;
	struct err err;

	snprintf(without.parameters[without.parameter_count++], TRANSFER_NAME_SIZE,
		 "multifd-compression=none");
	ck_assert(!make(&wish, &without, &rich, &plan, &err));
	ck_assert_msg(strstr(err.msg, "the source's QEMU was built without the compression 'zstd': "
				      "ask for another, or for none"),
		      "%s", err.msg);
	ck_assert(!make(&wish, &rich, &without, &plan, &err));
	ck_assert_msg(strstr(err.msg, "the destination's QEMU was built"), "%s", err.msg);
	snprintf(without.parameters[without.parameter_count++], TRANSFER_NAME_SIZE,
		 "multifd-compression=zstd");
	ck_assert(make(&wish, &without, &without, &plan, &err));
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
		ck_assert(make(&wish, &source, &destination, &plan, &err));
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

	ck_assert(!make(&wish, &all, &rich, &plan, &err));
	ck_assert_int_eq(err.code, ERR_QEMU);
	ck_assert_str_eq(err.msg,
			 "the source's QEMU has no migration capability 'multifd': "
			 "install a QEMU there that has it, or do not ask for what needs it; the "
			 "source's QEMU has no migration capability 'auto-converge': "
			 "install a QEMU there that has it, or do not ask for what needs it");
	ck_assert(!make(&wish, &rich, &all, &plan, &err));
	ck_assert_ptr_nonnull(strstr(err.msg, "the destination's QEMU has no migration capability "
					      "'multifd'"));
	ck_assert_ptr_nonnull(strstr(err.msg, "3 connections of a channel are too many"));
	ck_assert(!make(&wish, &rich, NULL, &plan, &err));
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

	ck_assert(make(&wish, &rich, &rich, &plan, &err));
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

/* Left out, instead of a refusal, unless both have it: an older QEMU works without. */
START_TEST(plan_has_switchover_ack_if_both_have_it)
{
	struct transfer_features with = all;
	struct transfer_plan plan;
	struct err err;

	snprintf(with.capabilities[with.capability_count++], TRANSFER_NAME_SIZE, "switchover-ack");
	ck_assert(make(&plain, &with, &with, &plan, &err));
	ck_assert(is_on(&plan, "switchover-ack"));
	ck_assert(make(&plain, &with, &all, &plan, &err));
	ck_assert(!is_on(&plan, "switchover-ack"));
	ck_assert(make(&plain, &with, NULL, &plan, &err));
	ck_assert(!is_on(&plan, "switchover-ack"));
}
END_TEST

START_TEST(plan_has_no_more_channels_than_fill_the_link)
{
	static const struct {
		uint64_t link_bytes_per_s, channels;
	} cases[] = { { 0, 4 }, { 110000000, 2 }, { 600000000, 3 }, { 5000000000, 4 } };
	const struct transfer_wish wish = { .has_multifd = true };

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		const struct transfer_basis basis = {
			.wish = &wish,
			.source = &rich,
			.destination = &rich,
			.link_bytes_per_s = cases[i].link_bytes_per_s,
		};
		struct transfer_plan plan;
		struct err err;

		ck_assert(transfer_plan_make(&basis, &plan, &err));
		ck_assert_uint_eq(plan.parameters[0].number, cases[i].channels);
	}
}
END_TEST

/* QEMU would take the limit for the speed of its last pass, which has none. */
START_TEST(plan_of_a_limited_move_tells_the_source_the_speed_of_the_link)
{
	static const struct {
		uint64_t limit, link;
		bool is_set;
	} cases[] = {
		{ 1000000, 100000000, true },
		{ 0, 100000000, false },
		{ 1000000, 0, false },
		{ 1000000, 900000, false },
	};
	struct transfer_features with = all;

	snprintf(with.parameters[with.parameter_count++], TRANSFER_NAME_SIZE,
		 "avail-switchover-bandwidth");
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		CLEANUP(json_putp) struct json_object *source = json_object_new_object();
		CLEANUP(json_putp) struct json_object *destination = json_object_new_object();
		const struct transfer_basis basis = {
			.wish = &plain,
			.source = &with,
			.destination = &with,
			.limit_bytes_per_s = cases[i].limit,
			.link_bytes_per_s = cases[i].link,
		};
		struct transfer_plan plan;
		struct err err;

		ck_assert(transfer_plan_make(&basis, &plan, &err));
		transfer_plan_add_parameters(&plan, TRANSFER_SOURCE, &with, source);
		transfer_plan_add_parameters(&plan, TRANSFER_DESTINATION, &with, destination);
		ck_assert_uint_eq((uint64_t)json_get_int(source, "avail-switchover-bandwidth", 7),
				  cases[i].is_set ? cases[i].link : 0);
		ck_assert_int_eq(json_object_object_length(destination), 0);
	}
}
END_TEST

/* QEMU is to merge capabilities into parameters, and may drop `uri'. */
START_TEST(plan_speaks_the_form_that_the_schema_recommends)
{
	CLEANUP(json_putp) struct json_object *capabilities = NULL;
	CLEANUP(json_putp) struct json_object *parameters = json_object_new_object();
	CLEANUP(json_putp) struct json_object *uri = NULL;
	CLEANUP(json_putp) struct json_object *channels = NULL;
	struct transfer_features later = {
		.parameters = { "events", "return-path", "late-block-activate", "multifd" },
		.parameter_count = 4,
		.form = { .channels = true, .capabilities_as_parameters = true },
	};
	struct transfer_plan plan;
	struct err err;

	ck_assert(make(&plain, &later, &all, &plan, &err));
	capabilities = transfer_plan_capabilities(&plan, &later);
	ck_assert_ptr_null(capabilities);
	transfer_plan_add_parameters(&plan, TRANSFER_SOURCE, &later, parameters);
	ck_assert_str_eq(json_text(parameters, NULL),
			 "{\"events\":true,\"return-path\":true,\"late-block-activate\":true,"
			 "\"multifd\":false}");
	uri = transfer_address(&all, "/run/x.sock");
	ck_assert_str_eq(json_text(uri, NULL), "{\"uri\":\"unix:/run/x.sock\"}");
	channels = transfer_address(&later, "/run/x.sock");
	ck_assert_str_eq(json_text(channels, NULL),
			 "{\"channels\":[{\"channel-type\":\"main\",\"addr\":{\"transport\":"
			 "\"socket\",\"type\":\"unix\",\"path\":\"/run/x.sock\"}}]}");
}
END_TEST

/* ---- post-copy ------------------------------------------------------------------ */

/* What the guest waits for goes over a connection of its own, unless the source's QEMU is one that
 * then sends pages to a wrong place, or multifd is asked for. */
START_TEST(plan_with_postcopy_preempts_if_the_source_can)
{
	struct transfer_features old = {
		.capabilities = { "events", "return-path", "late-block-activate", "postcopy-ram",
				  "postcopy-preempt", "multifd" },
		.capability_count = 6,
		.connections = 64,
		.postcopy_multifd = true,
	};
	struct transfer_features later = old;
	struct transfer_wish wish = { .has_postcopy = true };
	struct transfer_plan plan;
	struct err err;

	later.preempt = true;
	ck_assert(make(&wish, &later, &old, &plan, &err));
	ck_assert(is_on(&plan, "postcopy-ram") && is_on(&plan, "postcopy-preempt"));
	ck_assert_uint_eq(plan.channels[0].connections, 2);
	ck_assert(make(&wish, &old, &later, &plan, &err));
	ck_assert(is_on(&plan, "postcopy-ram") && !is_on(&plan, "postcopy-preempt"));
	ck_assert_uint_eq(plan.channels[0].connections, 1);
	ck_assert_ptr_nonnull(strstr(text_of(&plan), "the source's is 8.0 or later"));
	wish.has_multifd = true;
	ck_assert(make(&wish, &later, &later, &plan, &err));
	ck_assert(!is_on(&plan, "postcopy-preempt"));
	wish = plain;
	ck_assert(make(&wish, &later, &later, &plan, &err));
	ck_assert(!is_on(&plan, "postcopy-preempt"));
}
END_TEST

/* ---- local disks --------------------------------------------------------------- */

static const struct transfer_features pausing = {
	.capabilities = { "events", "return-path", "late-block-activate", "postcopy-ram",
			  "pause-before-switchover" },
	.capability_count = 5,
};
static const struct disk_copy two_disks[] = {
	{ .id = "d0", .virtual_bytes = 1 << 20, .allocated_bytes = 4096 },
	{ .id = "d1",
	  .format = VM_DEF_DISK_FORMAT_QCOW2,
	  .virtual_bytes = 1 << 20,
	  .cluster_bytes = 65536,
	  .refcount_bits = 16 },
};

static bool make_with_disks(const struct transfer_wish *wish,
			    const struct transfer_features *source,
			    const struct transfer_features *destination, struct transfer_plan *ret,
			    struct err *err)
{
	const struct transfer_basis basis = {
		.wish = wish,
		.source = source,
		.destination = destination,
		.disks = two_disks,
		.disk_count = ARRAY_LEN(two_disks),
	};

	return transfer_plan_make(&basis, ret, err);
}

/* Each disk has a connection of its own, on which the destination's NBD server greets first. */
START_TEST(plan_with_local_disks_has_a_channel_for_them)
{
	CLEANUP(json_putp) struct json_object *obj = NULL;
	struct transfer_plan plan, back = { 0 };
	struct err err;

	ck_assert(make_with_disks(&plain, &pausing, &pausing, &plan, &err));
	ck_assert(is_on(&plan, "pause-before-switchover"));
	ck_assert_uint_eq(plan.channel_count, 2);
	ck_assert_str_eq(plan.channels[0].name, "ram");
	ck_assert_uint_eq(plan.channels[0].connections, 1);
	ck_assert_str_eq(plan.channels[1].name, "disks");
	ck_assert_uint_eq(plan.channels[1].connections, 2);
	ck_assert_int_eq(plan.channels[1].speaks_first, TRANSFER_DESTINATION);
	ck_assert(plan.channels[0].may_reconnect && plan.channels[1].may_reconnect);
	ck_assert(transfer_plan_has_disks(&plan));
	ck_assert_uint_eq(plan.disk_count, 2);
	ck_assert_str_eq(plan.disks[1].id, "d1");
	obj = json_read_back(text_of(&plan));
	ck_assert_msg(transfer_plan_decode(obj, &back, &err), "%s", err.msg);
	ck_assert_int_eq(memcmp(&plan, &back, sizeof(plan)), 0);
}
END_TEST

/* Without disks QEMU must not wait for anybody. */
START_TEST(plan_without_local_disks_does_not_pause)
{
	struct transfer_plan plan;
	struct err err;

	ck_assert(make(&plain, &pausing, &pausing, &plan, &err));
	ck_assert(!is_on(&plan, "pause-before-switchover"));
	ck_assert(!transfer_plan_has_disks(&plan));
	ck_assert(!transfer_plan_has_disks(NULL));
	ck_assert_uint_eq(plan.channel_count, 1);
}
END_TEST

START_TEST(plan_with_local_disks_and_postcopy_is_refused)
{
	const struct transfer_wish wish = { .has_postcopy = true };
	struct transfer_plan plan;
	struct err err;

	ck_assert(make(&wish, &pausing, &pausing, &plan, &err));
	ck_assert(!make_with_disks(&wish, &pausing, &pausing, &plan, &err));
	ck_assert_int_eq(err.code, ERR_QEMU);
	ck_assert_ptr_nonnull(strstr(err.msg, "post-copy is not possible while local disks"));
}
END_TEST

/* QEMU would not wait for the disks, or the other migrd make no images. */
START_TEST(plan_with_local_disks_and_a_side_that_does_not_say_is_refused)
{
	struct transfer_plan plan;
	struct err err;

	ck_assert(!make_with_disks(&plain, &pausing, NULL, &plan, &err));
	ck_assert_int_eq(err.code, ERR_UNAVAILABLE);
	ck_assert_ptr_nonnull(strstr(err.msg, "the destination has not told"));
	ck_assert(!make_with_disks(&plain, NULL, &pausing, &plan, &err));
	ck_assert_int_eq(err.code, ERR_UNAVAILABLE);
	ck_assert_ptr_nonnull(strstr(err.msg, "the source has not told"));
}
END_TEST

START_TEST(plan_with_local_disks_names_the_side_that_cannot_pause)
{
	struct transfer_plan plan;
	struct err err;

	ck_assert(!make_with_disks(&plain, &all, &pausing, &plan, &err));
	ck_assert_int_eq(err.code, ERR_QEMU);
	ck_assert_ptr_nonnull(strstr(err.msg, "the source's QEMU has no migration capability "
					      "'pause-before-switchover': install"));
	ck_assert(!make_with_disks(&plain, &pausing, &all, &plan, &err));
	ck_assert_ptr_nonnull(strstr(err.msg, "the destination's QEMU has no migration capability "
					      "'pause-before-switchover': install"));
}
END_TEST

#define PAUSE    "{\"name\":\"pause-before-switchover\",\"on\":true}"
#define RAM      "{\"name\":\"ram\",\"connections\":1}"
#define DISKS(n) "{\"name\":\"disks\",\"connections\":" n ",\"speaks_first\":\"destination\"}"
#define RAW(id)  "{\"id\":\"" id "\",\"format\":\"raw\",\"virtual_bytes\":512,\"allocated_bytes\":0}"

/* The destination would make images that nobody fills, or wait for a connection that never
 * comes, or run a guest whose disks are not complete. */
START_TEST(plan_of_another_whose_disks_do_not_fit_is_refused)
{
	static const struct {
		const char *capabilities, *channels, *disks, *why;
	} cases[] = {
		{ PAUSE, RAM "," DISKS("1"), RAW("d"), NULL },
		{ PAUSE, RAM "," DISKS("2"), RAW("d") "," RAW("e"), NULL },
		{ PAUSE, RAM, "", NULL },
		{ PAUSE, RAM, RAW("d"), "channel 'disks' has 0 connections for 1 disks" },
		{ PAUSE, RAM "," DISKS("1"), "", "channel 'disks' has 1 connections for 0 disks" },
		{ PAUSE, RAM "," DISKS("2"), RAW("d"), "has 2 connections for 1 disks" },
		{ PAUSE, RAM "," DISKS("1"), RAW("d") "," RAW("e"),
		  "has 1 connections for 2 disks" },
		{ PAUSE, RAM "," DISKS("2"), RAW("d") "," RAW("d"), "disk 'd' is there twice" },
		{ PAUSE, RAM "," DISKS("1") "," DISKS("1"), RAW("d"), "two channels are named" },
		{ "", RAM "," DISKS("1"), RAW("d"), "QEMU would not wait" },
		{ "{\"name\":\"pause-before-switchover\",\"on\":false}", RAM "," DISKS("1"),
		  RAW("d"), "QEMU would not wait" },
		{ PAUSE, RAM "," DISKS("1"),
		  "{\"id\":\"d\",\"format\":\"raw\",\"virtual_bytes\":513,\"allocated_bytes\":0}",
		  "disk 'd': virtual_bytes is 513" },
		{ PAUSE, RAM "," DISKS("1"),
		  "{\"id\":\"d\",\"format\":\"qcow2\",\"virtual_bytes\":512,"
		  "\"allocated_bytes\":0,\"cluster_bytes\":65537,\"refcount_bits\":16}",
		  "cluster_bytes is 65537" },
		{ PAUSE, RAM "," DISKS("1"),
		  "{\"id\":\"../x\",\"format\":\"raw\",\"virtual_bytes\":512,"
		  "\"allocated_bytes\":0}",
		  "id" },
	};

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		CLEANUP(free_charp)
		char *text = xasprintf("{\"capabilities\":[%s],\"channels\":[%s],\"disks\":[%s]}",
				       cases[i].capabilities, cases[i].channels, cases[i].disks);
		CLEANUP(json_putp) struct json_object *obj = json_read_back(text);
		struct transfer_plan plan = { 0 };
		struct err err = { 0 };
		bool ok = transfer_plan_decode(obj, &plan, &err);

		ck_assert_msg(ok == (cases[i].why == NULL), "%s: %s", text, err.msg);
		if (!ok)
			ck_assert_msg(strstr(err.msg, cases[i].why) != NULL, "%s", err.msg);
		if (!ok)
			ck_assert_int_eq(err.code, ERR_INVALID);
	}
}
END_TEST

/* Where one thing is missing they stay, and the plan says which. */
START_TEST(plan_sends_bitmaps_where_qemu_is_told_of_a_link_that_is_fast_enough)
{
	static const struct transfer_features with = {
		.capabilities = { "events", "return-path", "late-block-activate", "dirty-bitmaps" },
		.capability_count = 4,
		.parameters = { "avail-switchover-bandwidth" },
		.parameter_count = 1,
		.bitmaps = true,
	};
	struct transfer_features older = with, lacking = with, untold = with;
	const struct transfer_basis good = {
		.wish = &plain,
		.source = &with,
		.destination = &with,
		.link_bytes_per_s = 1000000,
		.bitmap_count = 1,
		.bitmap_bytes = 36999,
		.first_limit_ms = 37,
	};
	struct transfer_basis cases[] = { good, good, good, good, good, good };
	static const char *const why[] = {
		"keeps bitmaps",      "migrd does not take them",   "one of the two QEMUs",
		"cannot be told how", "shown how fast the link is", "too large for the link",
	};
	struct transfer_plan plan;
	struct err err;

	ck_assert(transfer_plan_make(&good, &plan, &err));
	ck_assert(is_on(&plan, "dirty-bitmaps"));
	ck_assert_uint_eq(transfer_plan_number(&plan, "avail-switchover-bandwidth"), 1000000);
	older.bitmaps = false;
	lacking.capability_count = 3;
	untold.parameter_count = 0;
	cases[0].bitmap_count = 0;
	cases[1].destination = &older;
	cases[2].destination = &lacking;
	cases[3].source = &untold;
	cases[4].link_bytes_per_s = 0;
	cases[5].bitmap_bytes = 37000;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		ck_assert(transfer_plan_make(&cases[i], &plan, &err));
		ck_assert(!is_on(&plan, "dirty-bitmaps"));
		ck_assert_msg(strstr(transfer_plan_why(&plan, "dirty-bitmaps"), why[i]) != NULL,
			      "%s", transfer_plan_why(&plan, "dirty-bitmaps"));
		ck_assert_uint_eq(transfer_plan_number(&plan, "avail-switchover-bandwidth"), 0);
	}
}
END_TEST

Suite *suite(void)
{
	Suite *s = suite_create("transfer_plan");
	TCase *tc = tcase_create("plan");

	tcase_add_test(tc, plan_of_two_that_have_all_is_the_basic_one);
	tcase_add_test(tc, capabilities_of_no_plan_are_turned_off);
	tcase_add_test(tc, capabilities_without_a_plan_are_all_told);
	tcase_add_test(tc, plan_without_what_every_move_needs_is_refused);
	tcase_add_test(tc, plan_with_one_that_does_not_say_is_the_basic_one);
	tcase_add_test(tc, plan_over_several_connections);
	tcase_add_test(tc, plan_with_a_compression_that_a_qemu_was_built_without_is_refused);
	tcase_add_test(tc, plan_chooses_the_number_of_channels_by_the_smaller_host);
	tcase_add_test(tc, plan_of_what_the_hosts_lack_names_every_reason);
	tcase_add_test(tc, wish_that_excludes_itself_is_a_fault);
	tcase_add_test(tc, plan_of_another_that_sets_what_we_do_not_know_is_refused);
	tcase_add_test(tc, plan_survives_its_text);
	tcase_add_test(tc, plan_of_another_with_channels_that_collide_is_refused);
	tcase_add_test(tc, plan_has_switchover_ack_if_both_have_it);
	tcase_add_test(tc, plan_has_no_more_channels_than_fill_the_link);
	tcase_add_test(tc, plan_of_a_limited_move_tells_the_source_the_speed_of_the_link);
	tcase_add_test(tc, plan_speaks_the_form_that_the_schema_recommends);
	tcase_add_test(tc, plan_of_another_has_as_many_connections_as_qemu_makes);
	tcase_add_test(tc, plan_with_local_disks_has_a_channel_for_them);
	tcase_add_test(tc, plan_without_local_disks_does_not_pause);
	tcase_add_test(tc, plan_with_postcopy_preempts_if_the_source_can);
	tcase_add_test(tc, plan_with_local_disks_and_postcopy_is_refused);
	tcase_add_test(tc, plan_with_local_disks_and_a_side_that_does_not_say_is_refused);
	tcase_add_test(tc, plan_with_local_disks_names_the_side_that_cannot_pause);
	tcase_add_test(tc, plan_of_another_whose_disks_do_not_fit_is_refused);
	tcase_add_test(tc, plan_sends_bitmaps_where_qemu_is_told_of_a_link_that_is_fast_enough);
	suite_add_tcase(s, tc);
	return s;
}
