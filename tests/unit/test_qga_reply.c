/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "qga/reply.h"

#include "base/mem.h"
#include "base/strbuf.h"
#include "check_main.h"
#include "tests/lib/reply_check.h"
#include "wire/vm_reply.h"

/* Decoding SAID gives EXPECTED: the answer as the API shows it, or "refused". */
static void assert_reply(qga_reply_decode_fn *decode, const char *said, const char *expected)
{
	CLEANUP(json_putp) struct json_object *result = json_tokener_parse(said);
	CLEANUP(json_putp) struct json_object *obj = NULL;
	struct err err = { 0 };

	obj = decode(result, &err);
	ck_assert_str_eq(obj ? json_object_to_json_string_ext(
				       obj, JSON_C_TO_STRING_PLAIN | JSON_C_TO_STRING_NOSLASHESCAPE)
			     : "refused",
			 expected);
	ck_assert_int_eq(err.code, obj ? ERR_NONE : ERR_AGENT);
	if (obj)
		reply_check(obj, vm_agent_fields);
}

START_TEST(counts_are_numbers_from_zero_up)
{
	assert_reply(qga_reply_count, "3", "{\"file_systems\":3}");
	assert_reply(qga_reply_count, "-1", "refused");
	assert_reply(qga_reply_count, "\"3\"", "refused");
	assert_reply(qga_reply_count, "null", "refused");
}
END_TEST

START_TEST(info_has_the_commands_that_are_enabled)
{
	assert_reply(qga_reply_info,
		     "{\"version\":\"7.2\",\"x\":1,\"supported_commands\":["
		     "{\"name\":\"guest-ping\",\"enabled\":true,\"success-response\":true},"
		     "{\"name\":\"guest-exec\",\"enabled\":false}]}",
		     "{\"version\":\"7.2\",\"commands\":[\"guest-ping\"]}");
	assert_reply(qga_reply_info, "{\"supported_commands\":[]}", "refused");
	assert_reply(qga_reply_info, "{\"version\":\"7.2\",\"supported_commands\":{}}", "refused");
	assert_reply(qga_reply_info, "{\"version\":\"7.2\",\"supported_commands\":[1]}", "refused");
	assert_reply(qga_reply_info, "[]", "refused");
}
END_TEST

START_TEST(file_systems_in_our_words)
{
	assert_reply(qga_reply_fs_list,
		     "[{\"name\":\"vda1\",\"mountpoint\":\"/\",\"type\":\"ext4\",\"used-bytes\":1,"
		     "\"total-bytes\":2,\"disk\":[{\"dev\":\"/dev/vda1\",\"bus\":0},{\"bus\":1}]},"
		     "{\"name\":\"sr0\",\"mountpoint\":\"/m\",\"type\":\"iso9660\",\"disk\":[]}]",
		     "{\"items\":[{\"name\":\"vda1\",\"mount_point\":\"/\",\"type\":\"ext4\","
		     "\"used_bytes\":1,\"total_bytes\":2,\"devices\":[\"/dev/vda1\"]},"
		     "{\"name\":\"sr0\",\"mount_point\":\"/"
		     "m\",\"type\":\"iso9660\",\"devices\":[]}]}");
	assert_reply(qga_reply_fs_list, "[]", "{\"items\":[]}");
	assert_reply(qga_reply_fs_list, "{}", "refused");
	assert_reply(qga_reply_fs_list, "[{\"name\":1}]", "refused");
	assert_reply(qga_reply_fs_list,
		     "[{\"name\":\"a\",\"mountpoint\":\"/\",\"type\":\"t\",\"used-bytes\":-1}]",
		     "refused");
	assert_reply(qga_reply_fs_list,
		     "[{\"name\":\"a\",\"mountpoint\":\"/\",\"type\":\"t\",\"disk\":[7]}]",
		     "refused");
}
END_TEST

START_TEST(interfaces_in_our_words)
{
	assert_reply(qga_reply_network,
		     "[{\"name\":\"lo\"},{\"name\":\"eth0\",\"hardware-address\":\"52:54:00:1:2:"
		     "3\","
		     "\"ip-addresses\":[{\"ip-address\":\"192.0.2.1\",\"ip-address-type\":\"ipv4\","
		     "\"prefix\":24}],\"statistics\":{}}]",
		     "{\"items\":[{\"name\":\"lo\",\"addresses\":[]},{\"name\":\"eth0\","
		     "\"mac\":\"52:54:00:1:2:3\",\"addresses\":[{\"address\":\"192.0.2.1\","
		     "\"prefix\":24}]}]}");
	assert_reply(qga_reply_network, "[{\"name\":\"a\",\"ip-addresses\":[{}]}]", "refused");
	assert_reply(qga_reply_network, "[null]", "refused");
}
END_TEST

/* A list that was cut would be taken for the whole list. */
START_TEST(lists_and_strings_beyond_the_limits_are_refused)
{
	CLEANUP(strbuf_fini) struct strbuf many = STRBUF_INIT;
	CLEANUP(strbuf_fini) struct strbuf longer = STRBUF_INIT;

	strbuf_adds(&many, "[");
	for (int i = 0; i < QGA_LIST_MAX; i++)
		strbuf_adds(&many, "{\"name\":\"a\"},");
	strbuf_adds(&many, "{\"name\":\"a\"}]");
	assert_reply(qga_reply_network, many.data, "refused");
	strbuf_adds(&longer, "[{\"name\":\"");
	for (int i = 0; i <= QGA_STRING_MAX; i++)
		strbuf_adds(&longer, "a");
	strbuf_adds(&longer, "\"}]");
	assert_reply(qga_reply_network, longer.data, "refused");
}
END_TEST

Suite *suite(void)
{
	Suite *s = suite_create("qga/reply");
	TCase *tc = tcase_create("answers");

	tcase_add_test(tc, counts_are_numbers_from_zero_up);
	tcase_add_test(tc, info_has_the_commands_that_are_enabled);
	tcase_add_test(tc, file_systems_in_our_words);
	tcase_add_test(tc, interfaces_in_our_words);
	tcase_add_test(tc, lists_and_strings_beyond_the_limits_are_refused);
	suite_add_tcase(s, tc);
	return s;
}
