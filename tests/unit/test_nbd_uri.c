/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Names of NBD exports: what they say is told to other programs as it is. */
#include <string.h>

#include "tests/lib/check_main.h"
#include "wire/nbd_uri.h"

static bool is_taken(const char *uri)
{
	struct nbd_uri ret;
	const char *why = NULL;
	bool ok = nbd_uri_parse(uri, &ret, &why);

	ck_assert(ok || (why && *why));
	return ok;
}

START_TEST(its_parts_are_read)
{
	struct nbd_uri uri;
	const char *why;

	ck_assert(nbd_uri_parse("nbd+unix:///vm1/vda?socket=/run/nbd.sock", &uri, &why));
	ck_assert_str_eq(uri.export, "vm1/vda");
	ck_assert_str_eq(uri.socket, "/run/nbd.sock");
	ck_assert(nbd_uri_parse("nbd+unix:///?socket=/s", &uri, &why));
	ck_assert_str_eq(uri.export, "");
}
END_TEST

START_TEST(others_are_refused)
{
	char text[600] = "nbd+unix:///x?socket=/";

	ck_assert(!is_taken(""));
	ck_assert(!is_taken("nbd://host/x"));
	ck_assert(!is_taken("nbds+unix:///x?socket=/s"));
	ck_assert(!is_taken("nbd+unix:///x"));
	ck_assert(!is_taken("nbd+unix://?socket=/s"));
	ck_assert(!is_taken("nbd+unix:///x?socket="));
	ck_assert(!is_taken("nbd+unix:///x?socket=s"));
	ck_assert(!is_taken("nbd+unix:///x?socket=/a/../s"));
	ck_assert(!is_taken("nbd+unix:///x?socket=/s/"));
	ck_assert(!is_taken("nbd+unix:///x?socket=/s&tls=1"));
	ck_assert(!is_taken("nbd+unix:///x,file.export=y?socket=/s"));
	ck_assert(!is_taken("nbd+unix:///%2e?socket=/s"));
	memset(text + strlen(text), 'a', 500);
	ck_assert(!is_taken(text));
	text[strlen("nbd+unix:///x?socket=/") + 90] = '\0';
	ck_assert(is_taken(text));
}
END_TEST

Suite *suite(void)
{
	Suite *suite = suite_create("nbd_uri");
	TCase *tcase = tcase_create("nbd_uri");

	tcase_add_test(tcase, its_parts_are_read);
	tcase_add_test(tcase, others_are_refused);
	suite_add_tcase(suite, tcase);
	return suite;
}
