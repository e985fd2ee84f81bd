/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "base/mem.h"
#include "tests/lib/check_main.h"
#include "tests/lib/json_rig.h"
#include "wire/move_request.h"
#include "wire/peer_msg.h"

#define UUID  "0193e6b2-0000-7000-8000-000000000001"
#define TOKEN "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"

static void assert_equal(struct json_object *obj, const char *text)
{
	CLEANUP(json_putp) struct json_object *wanted = rig_parse(text);

	ck_assert_msg(json_object_equal(obj, wanted), "%s", json_object_to_json_string(obj));
}

START_TEST(hello_arrives_and_goes_out_as_it_was)
{
	static const char text[] = "{'protocol':{'min':1,'max':2},'host':'a','software':'migrd 1'}";
	CLEANUP(json_putp) struct json_object *obj = rig_parse(text);
	CLEANUP(json_putp) struct json_object *out = NULL;
	struct peer_hello hello;
	struct err err;

	ck_assert(peer_hello_decode(obj, &hello, &err));
	ck_assert_uint_eq(hello.protocol.min, 1);
	ck_assert_uint_eq(hello.protocol.max, 2);
	ck_assert_str_eq(hello.host, "a");
	out = json_encode(peer_hello_fields, &hello);
	assert_equal(out, text);
}
END_TEST

/* A coordinator of a newer minor version may send more keys, and is not refused for that. */
START_TEST(keys_of_a_newer_peer_are_skipped)
{
	CLEANUP(json_putp)
	struct json_object *obj =
		rig_parse("{'protocol':{'min':1,'max':9,'new':1},'host':'a','new':{}}");
	struct peer_hello hello;
	struct err err;

	ck_assert(peer_hello_decode(obj, &hello, &err));
	ck_assert_uint_eq(hello.protocol.max, 9);
	ck_assert_str_eq(hello.software, "");
}
END_TEST

START_TEST(prepare_carries_the_definition)
{
	CLEANUP(json_putp)
	struct json_object *obj =
		rig_parse("{'move_id':'" UUID "','generation':3,'source':'a',"
			  "'definition':{'name':'vm1'},'options':{'bandwidth_bytes_per_s':0}}");
	struct peer_prepare prepare;
	struct err err;

	ck_assert(peer_prepare_decode(obj, &prepare, &err));
	ck_assert_str_eq(prepare.move_id, UUID);
	ck_assert_uint_eq(prepare.generation, 3);
	ck_assert_str_eq(json_get_str(prepare.definition, "name"), "vm1");
	ck_assert(prepare.options.has_bandwidth && !prepare.options.has_downtime_limit);
	peer_prepare_fini(&prepare);
	ck_assert_ptr_null(prepare.definition);
}
END_TEST

/* An older coordinator does not say it, and one that does is understood by an older one, which
 * knows no other keys. */
START_TEST(prepare_tells_the_priority_beside_the_options)
{
	static const char usual[] = "{'move_id':'" UUID "','generation':3,'source':'a',"
				    "'definition':{}}";
	struct peer_prepare prepare = { .generation = 3, .source = "a", .move_id = UUID };
	CLEANUP(json_putp) struct json_object *obj = rig_parse(usual);
	CLEANUP(json_putp) struct json_object *out = NULL;
	struct err err;

	ck_assert(peer_prepare_decode(obj, &prepare, &err));
	ck_assert_int_eq(prepare.options.priority, MOVE_PRIORITY_INTERACTIVE);
	out = json_encode(peer_prepare_fields, &prepare);
	ck_assert_ptr_null(json_get_str(out, "priority"));
	json_object_put(out);
	prepare.options.priority = MOVE_PRIORITY_BALANCING;
	out = json_encode(peer_prepare_fields, &prepare);
	ck_assert_str_eq(json_get_str(out, "priority"), "balancing");
	ck_assert_ptr_null(json_get_str(json_get_obj(out, "options"), "priority"));
	peer_prepare_fini(&prepare);
	ck_assert(peer_prepare_decode(out, &prepare, &err));
	ck_assert_int_eq(prepare.options.priority, MOVE_PRIORITY_BALANCING);
	peer_prepare_fini(&prepare);
}
END_TEST

/* A request must not make a record under another id, nor in the name of another host. */
/* An older coordinator refuses a definition with members that it does not know, and ignores other
 * keys of the offer. */
START_TEST(what_no_guest_needs_goes_beside_the_definition)
{
	struct peer_prepare prepare = { .definition = rig_parse(
						"{'name':'vm1','labels':{'a':'1'},'policy':'p',"
						"'placement':{'group':'g'}}") };

	peer_prepare_split(&prepare);
	assert_equal(prepare.definition, "{'name':'vm1'}");
	assert_equal(prepare.about, "{'labels':{'a':'1'},'policy':'p','placement':{'group':'g'}}");
	json_add_str(prepare.about, "machine", "none"); /* nothing else is taken from there */
	peer_prepare_join(&prepare);
	assert_equal(prepare.definition, "{'name':'vm1','labels':{'a':'1'},'policy':'p',"
					 "'placement':{'group':'g'}}");
	peer_prepare_fini(&prepare);

	prepare = (struct peer_prepare){ .definition = rig_parse("{'name':'vm1'}") };
	peer_prepare_split(&prepare);
	ck_assert_ptr_null(prepare.about);
	peer_prepare_join(&prepare);
	assert_equal(prepare.definition, "{'name':'vm1'}");
	peer_prepare_fini(&prepare);
}
END_TEST

START_TEST(prepare_of_another_path_or_host_is_refused)
{
	const struct peer_prepare prepare = { .move_id = UUID, .source = "a" };
	struct err err = { 0 };

	ck_assert(peer_prepare_check(&prepare, UUID, "a", &err));
	ck_assert(!peer_prepare_check(&prepare, "0190a000-0000-7000-8000-00000000000f", "a", &err));
	ck_assert_int_eq(err.code, ERR_INVALID);
	ck_assert(!peer_prepare_check(&prepare, UUID, "c", &err));
	ck_assert_int_eq(err.code, ERR_FORBIDDEN);
}
END_TEST

START_TEST(prepare_reply_names_its_channels)
{
	CLEANUP(json_putp)
	struct json_object *obj = rig_parse("{'data_address':'[::1]:8441','token':'" TOKEN
					    "','channels':['ram','ram1']}");
	struct peer_prepare_reply reply;
	struct err err;

	ck_assert(peer_prepare_reply_decode(obj, &reply, &err));
	ck_assert_str_eq(reply.token, TOKEN);
	ck_assert_uint_eq(reply.channel_count, 2);
	ck_assert_str_eq(reply.channels[0], "ram");
}
END_TEST

START_TEST(fate_may_have_no_verdict_yet)
{
	CLEANUP(json_putp)
	struct json_object *obj = rig_parse("{'state':'transfer','final':false,'verdict':'none'}");
	struct peer_fate fate;
	struct err err;

	ck_assert(peer_fate_decode(obj, &fate, &err));
	ck_assert_int_eq(fate.verdict, VERDICT_NONE);
	ck_assert(!fate.final);
}
END_TEST

/* A host of before tells no times, and one that tells nonsense is not believed. */
START_TEST(fate_and_verdict_tell_times)
{
	CLEANUP(json_putp)
	struct json_object *fate_obj = rig_parse(
		"{'state':'fetch','final':false,'verdict':'taken','at_us':1795248000123456,"
		"'resumed_us':1795248000000001}");
	CLEANUP(json_putp)
	struct json_object *verdict_obj =
		rig_parse("{'verdict':'taken','resumed_us':1795248000000001}");
	CLEANUP(json_putp)
	struct json_object *late = rig_parse("{'verdict':'taken','resumed_us':9007199254740993}");
	struct peer_fate fate;
	struct peer_verdict verdict;
	struct err err;

	ck_assert(peer_fate_decode(fate_obj, &fate, &err));
	ck_assert_uint_eq(fate.at_us, UINT64_C(1795248000123456));
	ck_assert_uint_eq(fate.resumed_us, UINT64_C(1795248000000001));
	ck_assert(peer_verdict_decode(verdict_obj, &verdict, &err));
	ck_assert_uint_eq(verdict.resumed_us, UINT64_C(1795248000000001));
	ck_assert(!peer_verdict_decode(late, &verdict, &err));
}
END_TEST

/* A check of the host asks for a peer's VMs; a newer coordinator may have roles that this one
 * does not know. */
START_TEST(vms_arrive_with_their_place)
{
	CLEANUP(json_putp)
	struct json_object *obj =
		rig_parse("{'items':[{'uuid':'" UUID "','name':'g1','role':'lent',"
			  "'state':'running','generation':7,'new':1}],"
			  "'next':'g1'}");
	struct peer_vms *vms = xnew(struct peer_vms);
	struct err err;

	ck_assert(peer_vms_decode(obj, vms, &err));
	ck_assert_uint_eq(vms->count, 1);
	ck_assert_str_eq(vms->items[0].role, "lent");
	ck_assert_uint_eq(vms->items[0].generation, 7);
	ck_assert_str_eq(vms->items[0].move, "");
	ck_assert_str_eq(vms->next, "g1");
	free(vms);
}
END_TEST

/* The name becomes part of a path when the next page is requested. */
START_TEST(vms_with_a_name_that_is_none_are_refused)
{
	CLEANUP(json_putp)
	struct json_object *obj = rig_parse("{'items':[{'uuid':'" UUID "','name':'../g1',"
					    "'role':'owned','state':'x','generation':7}]}");
	CLEANUP(json_putp)
	struct json_object *next = rig_parse("{'items':[],'next':'a&b'}");
	struct peer_vms *vms = xnew(struct peer_vms);
	struct err err;

	ck_assert(!peer_vms_decode(obj, vms, &err));
	ck_assert(!peer_vms_decode(next, vms, &err));
	ck_assert_int_eq(err.code, ERR_INVALID);
	free(vms);
}
END_TEST

/* The answer to `go' decides which host runs the guest, so it must be exact. */
START_TEST(vague_verdict_is_refused)
{
	static const char *const texts[] = { "{}",
					     "{'verdict':'none'}",
					     "{'verdict':null}",
					     "{'verdict':'Taken'}",
					     "{'verdict':true}",
					     "[]" };

	for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
		CLEANUP(json_putp) struct json_object *obj = rig_parse(texts[i]);
		struct peer_verdict verdict = { .verdict = -1 };
		struct err err;

		ck_assert_msg(!peer_verdict_decode(obj, &verdict, &err), "%s", texts[i]);
		ck_assert_int_eq(err.code, ERR_INVALID);
		ck_assert_int_eq(verdict.verdict, -1); /* the outputs are left alone */
	}
}
END_TEST

START_TEST(clear_verdict_arrives)
{
	CLEANUP(json_putp)
	struct json_object *obj = rig_parse("{'verdict':'refused','reason':'QEMU died'}");
	struct peer_verdict verdict;
	struct err err;

	ck_assert(peer_verdict_decode(obj, &verdict, &err));
	ck_assert_int_eq(verdict.verdict, VERDICT_REFUSED);
	ck_assert_str_eq(verdict.reason, "QEMU died");
}
END_TEST

/* A faulty prepare is answered with all its faults. */
START_TEST(broken_prepare_names_every_fault)
{
	CLEANUP(json_putp)
	struct json_object *obj =
		rig_parse("{'move_id':'x','generation':-1,'source':'A','definition':{},"
			  "'options':{'downtime_limit_ms':0}}");
	struct peer_prepare prepare;
	struct err err;

	ck_assert(!peer_prepare_decode(obj, &prepare, &err));
	ck_assert_ptr_nonnull(strstr(err.msg, "4 faults"));
	ck_assert_ptr_nonnull(strstr(err.msg, "/options/downtime_limit_ms: 0 is out of range"));
}
END_TEST

/* A guest that was paused before the move must not be woken by it. */
START_TEST(go_runs_the_guest_only_when_told)
{
	CLEANUP(json_putp) struct json_object *run = rig_parse("{'generation':1,'run':true}");
	CLEANUP(json_putp) struct json_object *stay = rig_parse("{'generation':1}");
	struct peer_claim claim;
	struct err err;

	ck_assert(peer_claim_decode(run, &claim, &err));
	ck_assert(claim.run);
	ck_assert(peer_claim_decode(stay, &claim, &err));
	ck_assert(!claim.run);
}
END_TEST

START_TEST(generation_fits_into_the_store)
{
	CLEANUP(json_putp)
	struct json_object *most = rig_parse("{'generation':9007199254740990}");
	CLEANUP(json_putp)
	struct json_object *more = rig_parse("{'generation':9007199254740991}");
	struct peer_claim claim;
	struct err err;

	ck_assert(peer_claim_decode(most, &claim, &err));
	ck_assert(claim.generation == PEER_GENERATION_MAX);
	ck_assert(!peer_claim_decode(more, &claim, &err));
}
END_TEST

START_TEST(hello_with_crossed_versions_is_refused)
{
	CLEANUP(json_putp)
	struct json_object *obj = rig_parse("{'protocol':{'min':2,'max':1},'host':'a'}");
	struct peer_hello hello;
	struct err err;

	ck_assert(!peer_hello_decode(obj, &hello, &err));
	ck_assert_ptr_nonnull(strstr(err.msg, "/protocol"));
}
END_TEST

/* The configuration decides what a user leaves out, so an explicit 0 must differ from it. */
START_TEST(move_request_tells_zero_from_absent)
{
	CLEANUP(json_putp)
	struct json_object *obj = rig_parse("{'vm':'vm1','to':'b','bandwidth_bytes_per_s':0}");
	RIG_FAULTS(faults);
	struct move_request request;

	ck_assert(move_request_decode(obj, &request, faults));
	ck_assert_str_eq(request.to, "b");
	ck_assert(request.options.has_bandwidth && !request.options.has_downtime_limit);
}
END_TEST

START_TEST(move_request_of_a_user_is_strict)
{
	CLEANUP(json_putp)
	struct json_object *obj = rig_parse("{'vm':'../x','to':'B','bandwith_bytes_per_s':1}");
	RIG_FAULTS(faults);
	struct move_request request;

	ck_assert(!move_request_decode(obj, &request, faults));
	rig_assert_fault(faults, "/vm", "no name of a VM");
	rig_assert_fault(faults, "/to", "no host id");
	rig_assert_fault(faults, "/bandwith_bytes_per_s", "is 'bandwidth_bytes_per_s' meant?");
	ck_assert_uint_eq(faults->count, 3);
}
END_TEST

START_TEST(move_patch_must_change_something)
{
	CLEANUP(json_putp) struct json_object *empty = rig_parse("{}");
	CLEANUP(json_putp) struct json_object *obj = rig_parse("{'downtime_limit_ms':50}");
	RIG_FAULTS(faults);
	struct move_patch patch;

	ck_assert(move_patch_decode(obj, &patch, faults));
	ck_assert(!patch.options.has_bandwidth && patch.options.has_downtime_limit);
	ck_assert_uint_eq(patch.options.downtime_limit_ms, 50);
	ck_assert(!move_patch_decode(empty, &patch, faults));
	rig_assert_fault(faults, "", "nothing to change");
}
END_TEST

/* Too low a limit could not be kept: thousands of times as much would pass, so it is refused. */
START_TEST(move_request_limit_too_low_is_refused)
{
	static const struct {
		const char *text;
		bool is_good;
	} cases[] = {
		{ "{\"bandwidth_bytes_per_s\":0}", true },
		{ "{\"bandwidth_bytes_per_s\":1}", false },
		{ "{\"bandwidth_bytes_per_s\":1023}", false },
		{ "{\"bandwidth_bytes_per_s\":1024}", true },
	};
	CLEANUP(json_putp) struct json_object *obj = json_tokener_parse(cases[_i].text);
	struct faults *faults = faults_new();
	struct move_patch patch;

	ck_assert(move_patch_decode(obj, &patch, faults) == cases[_i].is_good);
	faults_free(faults);
}
END_TEST

Suite *suite(void)
{
	Suite *s = suite_create("peer_msg");
	TCase *t = tcase_create("peer_msg");

	tcase_add_loop_test(t, move_request_limit_too_low_is_refused, 0, 4);
	tcase_add_test(t, hello_arrives_and_goes_out_as_it_was);
	tcase_add_test(t, keys_of_a_newer_peer_are_skipped);
	tcase_add_test(t, prepare_carries_the_definition);
	tcase_add_test(t, prepare_tells_the_priority_beside_the_options);
	tcase_add_test(t, what_no_guest_needs_goes_beside_the_definition);
	tcase_add_test(t, prepare_of_another_path_or_host_is_refused);
	tcase_add_test(t, prepare_reply_names_its_channels);
	tcase_add_test(t, fate_may_have_no_verdict_yet);
	tcase_add_test(t, fate_and_verdict_tell_times);
	tcase_add_test(t, vms_arrive_with_their_place);
	tcase_add_test(t, vms_with_a_name_that_is_none_are_refused);
	tcase_add_test(t, vague_verdict_is_refused);
	tcase_add_test(t, clear_verdict_arrives);
	tcase_add_test(t, broken_prepare_names_every_fault);
	tcase_add_test(t, go_runs_the_guest_only_when_told);
	tcase_add_test(t, generation_fits_into_the_store);
	tcase_add_test(t, hello_with_crossed_versions_is_refused);
	tcase_add_test(t, move_request_tells_zero_from_absent);
	tcase_add_test(t, move_request_of_a_user_is_strict);
	tcase_add_test(t, move_patch_must_change_something);
	suite_add_tcase(s, t);
	return s;
}
