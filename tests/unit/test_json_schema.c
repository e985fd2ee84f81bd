/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <regex.h>

#include "base/mem.h"
#include "tests/lib/check_main.h"
#include "tests/lib/json_rig.h"
#include "tests/lib/json_sample.h"
#include "tests/lib/json_shown.h"
#include "wire/adopt_reply.h"
#include "wire/event.h"
#include "wire/host_reply.h"
#include "wire/schema.h"
#include "wire/vm_def.h"

/* The schema is the published contract, so each rule of the table must be in it. */
START_TEST(schema_says_what_the_table_says)
{
	CLEANUP(json_putp)
	struct json_object *schema =
		json_schema(sample_fields, JSON_SCHEMA_REQUEST, "Sample", "For tests.");
	CLEANUP(json_putp)
	struct json_object *wanted = rig_parse(
		"{'$schema':'https://json-schema.org/draft/2020-12/schema','title':'Sample',"
		"'description':'For tests.','type':'object','additionalProperties':false,"
		"'required':['name'],'properties':{"
		"'name':{'description':'Its name.','type':'string','minLength':1,'maxLength':7},"
		"'text':{'type':'string'},'yes':{'type':'boolean'},"
		"'i':{'type':'integer','minimum':-10,'maximum':10},"
		"'u':{'type':'integer','minimum':0},"
		"'colour':{'type':'string','enum':['red','blue']},"
		"'point':{'type':'object','additionalProperties':false,"
		"'properties':{'x':{'type':'integer'}}},"
		"'parts':{'type':'array','maxItems':3,'items':{'type':'object',"
		"'additionalProperties':false,'required':['id'],'properties':{"
		"'id':{'description':'Id.','type':'string','minLength':1,'maxLength':7,"
		"'pattern':'^[a-z]*$'},'note':{'type':'string','maxLength':100}}}},"
		"'words':{'type':'array','maxItems':2,'items':{'type':'string','maxLength':7}},"
		"'maybe':{'type':['string','null'],'maxLength':7},'any':{}}}");

	ck_assert_msg(json_object_equal(schema, wanted), "%s", json_object_to_json_string(schema));
}
END_TEST

/* A reader ignores what it does not know: a newer migrd may tell more. */
START_TEST(schema_of_a_reply_says_what_is_there_and_allows_more)
{
	CLEANUP(json_putp)
	struct json_object *schema = json_schema(shown_fields, JSON_SCHEMA_REPLY, NULL, NULL);
	CLEANUP(json_putp)
	struct json_object *wanted = rig_parse(
		"{'$schema':'https://json-schema.org/draft/2020-12/schema','type':'object',"
		"'required':['name','yes','owner','word','pid','exact','at','point','points',"
		"'any'],'properties':{"
		"'name':{'description':'Its name.','type':'string'},"
		"'yes':{'description':'Or no.','type':'boolean'},"
		"'owner':{'description':'Or null.','type':['string','null']},"
		"'word':{'description':'Or null.','type':['string','null'],'maxLength':7},"
		"'pid':{'description':'Or null.','type':['integer','null'],'minimum':0},"
		"'exact':{'description':'As it is.','type':'number'},"
		"'rounded':{'description':'In ms.','type':'number'},"
		"'at':{'description':'Or null.','type':['string','null'],'format':'date-time'},"
		"'point':{'description':'Or null.','type':['object','null'],'required':['x'],"
		"'properties':{'x':{'description':'In mm.','type':'integer'}}},"
		"'other':{'description':'If there is one.','type':'object','required':['x'],"
		"'properties':{'x':{'description':'In mm.','type':'integer'}}},"
		"'points':{'description':'Some.','type':'array','items':{'type':'object',"
		"'required':['x'],'properties':{'x':{'description':'In mm.','type':'integer'}}}},"
		"'words':{'description':'If there are any.','type':'array',"
		"'items':{'type':'string'}},"
		"'any':{'description':'A point.','type':'object','required':['x'],"
		"'properties':{'x':{'description':'In mm.','type':'integer'}}},"
		"'count':{'description':'Unless 0.','type':'integer','minimum':0},"
		"'last':{'description':'Or null, or not there.','type':['string','null']}}}");

	ck_assert_msg(json_object_equal(schema, wanted), "%s", json_object_to_json_string(schema));
}
END_TEST

START_TEST(published_schemas_are_found_by_name)
{
	const char *name;

	for (size_t i = 0; (name = wire_schema_name(i)); i++) {
		CLEANUP(json_putp) struct json_object *schema = wire_schema(name);

		ck_assert_str_eq(json_get_str(schema, "type"), "object");
	}
	ck_assert_ptr_null(wire_schema("none"));
}
END_TEST

static void assert_documented(const struct json_field *fields)
{
	for (; fields->key; fields++) {
		ck_assert_msg(fields->help || fields->type == JSON_PART, "%s has no help",
			      fields->key);
		if (fields->fields)
			assert_documented(fields->fields);
	}
}

START_TEST(every_field_of_a_definition_is_documented)
{
	assert_documented(vm_def_fields);
}
END_TEST

/* Its readers have nothing else to go by. */
START_TEST(every_field_of_a_reply_is_documented)
{
	static const struct json_field *const replies[] = {
		problem_fields,     host_reply_fields,    host_check_fields,
		host_backup_fields, host_peer_fields,     vm_reply_fields,
		vm_device_fields,   vm_agent_fields,      vm_monitor_fields,
		vm_console_fields,  vm_vnc_fields,        adopt_reply_fields,
		move_reply_fields,  move_cancel_fields,   move_timeline_fields,
		job_reply_fields,   event_vm_fields,      event_move_fields,
		event_qemu_fields,  event_vm_gone_fields, event_monitor_fields,
	};

	for (size_t i = 0; i < ARRAY_LEN(replies); i++)
		assert_documented(replies[i]);
}
END_TEST

static const char *const values[] = {
	"",
	"a",
	"A",
	"1",
	"-",
	".",
	"_",
	"a-b",
	"a.b_c-1",
	"a/b",
	"a b",
	"pc-q35-7.2",
	"q35",
	"pc-",
	"pc--q35",
	"PC-q35-7.2",
	"pc-i440fx-2.12",
	"0193e6b2-0000-7000-8000-000000000001",
	"0193E6B2-0000-7000-8000-000000000001",
	"0193e6b2-0000-7000-8000-00000000001",
	"qemu64,+x,-y=on",
	"qemu64;x",
	"host",
	",x",
	"0x1",
	"0x1f",
	"0x20",
	"0x0",
	"0x01",
	"0x1F",
	"1f",
	"0xa",
	"52:54:00:12:34:56",
	"53:54:00:12:34:56",
	"52:54:00:12:34",
	"5a:FF:00:12:34:5g",
	"52-54-00-12-34-56",
	"abcdefghijklmnopqrstuvwx",
	"abcdefghijklmnop",
	"abcdefghijklmno",
	"../x",
	"a\n",
	"\xc3\xa9",
};

/* The pattern in the schema and the check in C must express the same rule. */
static void assert_pattern_agrees(const struct json_field *field)
{
	regex_t regex;

	ck_assert_int_eq(regcomp(&regex, field->pattern, REG_EXTENDED | REG_NOSUB), 0);
	for (size_t i = 0; i < ARRAY_LEN(values); i++) {
		const char *why;
		bool by_check = strlen(values[i]) < field->size && field->check(values[i], &why);
		bool by_pattern = strlen(values[i]) < field->size &&
				  regexec(&regex, values[i], 0, NULL, 0) == 0;

		ck_assert_msg(by_check == by_pattern, "%s: '%s'", field->key, values[i]);
	}
	regfree(&regex);
}

static void assert_patterns_agree(const struct json_field *fields)
{
	for (; fields->key; fields++) {
		/* POSIX lacks the \u escapes that a path's pattern has.  That of an object is its
		 * members'. */
		if (fields->pattern && fields->type == JSON_STRING && !strstr(fields->pattern, "\\u"))
			assert_pattern_agrees(fields);
		if (fields->fields)
			assert_patterns_agree(fields->fields);
	}
}

START_TEST(patterns_and_checks_agree)
{
	assert_patterns_agree(vm_def_fields);
}
END_TEST

Suite *suite(void)
{
	Suite *s = suite_create("json_schema");
	TCase *t = tcase_create("schema");

	tcase_add_test(t, schema_says_what_the_table_says);
	tcase_add_test(t, schema_of_a_reply_says_what_is_there_and_allows_more);
	tcase_add_test(t, published_schemas_are_found_by_name);
	tcase_add_test(t, every_field_of_a_definition_is_documented);
	tcase_add_test(t, every_field_of_a_reply_is_documented);
	tcase_add_test(t, patterns_and_checks_agree);
	suite_add_tcase(s, t);
	return s;
}
