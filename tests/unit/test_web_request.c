/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Which requests of a browser `migrctl web' passes on. */
#include <string.h>

#include "agents/migrctl/web_request.h"
#include "base/mem.h"
#include "base/strbuf.h"
#include "tests/lib/check_main.h"

#define TOKEN  "00112233445566778899aabbccddeeff"
#define COOKIE "ffeeddccbbaa99887766554433221100"
#define OWN    "Host: 127.0.0.1:4242\r\n"
#define KNOWN  OWN "Cookie: a=b; migrctl-4242=" COOKIE "\r\n"

static struct web_gate gate;
static char *head;
static struct web_request request;
static const char *why;

static void set_up(void)
{
	gate = (struct web_gate){ .port = 4242, .token = TOKEN, .cookie = COOKIE };
}

static void tear_down(void)
{
	free(TAKE_PTR(head));
}

static enum web_parsed parse(const char *text)
{
	free(head);
	head = xstrdup(text);
	return web_request_parse(head, strlen(text), &request, &why);
}

static enum web_verdict judge(const char *first, const char *headers)
{
	CLEANUP(free_charp) char *text = xasprintf("%s HTTP/1.1\r\n%s\r\n", first, headers);

	ck_assert_int_eq(parse(text), WEB_COMPLETE);
	return web_request_judge(&gate, &request, &why);
}

START_TEST(head_is_cut_into_what_counts)
{
	ck_assert_int_eq(parse("POST /v1/moves?dry_run=true HTTP/1.1\r\n" OWN
			       "content-type:application/json\r\nX-Other: 1\r\nContent-Length: "
			       "2\r\n"
			       "Origin: http://127.0.0.1:4242\r\n\r\n{}"),
			 WEB_COMPLETE);
	ck_assert_str_eq(request.method, "POST");
	ck_assert_str_eq(request.target, "/v1/moves?dry_run=true");
	ck_assert_str_eq(request.host, "127.0.0.1:4242");
	ck_assert_uint_eq(request.body_len, 2);
	ck_assert_str_eq(head + request.head_len, "{}");
	ck_assert_str_eq(request.lines[0], "content-type:application/json");
	ck_assert_ptr_null(request.lines[1]);
}
END_TEST

START_TEST(head_that_is_not_all_there_is_waited_for)
{
	ck_assert_int_eq(parse("GET /ui HTTP/1.1\r\nHost: a\r\n"), WEB_INCOMPLETE);
}
END_TEST

START_TEST(head_that_could_be_read_in_two_ways_is_malformed)
{
	static const char *const bad[] = {
		"GET /ui HTTP/1.0\r\n\r\n",
		"GET http://b/ui HTTP/1.1\r\n\r\n",
		"GET /u\ti HTTP/1.1\r\n\r\n",
		"TRACE /ui HTTP/1.1\r\n\r\n",
		"GET /ui HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n",
		"GET /ui HTTP/1.1\r\nHost : a\r\n\r\n",
		"GET /ui HTTP/1.1\r\nA: b\r\n c: d\r\n\r\n",
		"POST /ui HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n",
		"POST /ui HTTP/1.1\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n",
		"POST /ui HTTP/1.1\r\nContent-Length: -1\r\n\r\n",
		"POST /ui HTTP/1.1\r\nContent-Length: 1048577\r\n\r\n",
		"\r\n\r\n",
	};

	for (size_t i = 0; i < ARRAY_LEN(bad); i++)
		ck_assert_msg(parse(bad[i]) == WEB_MALFORMED, "%s", bad[i]);
}
END_TEST

START_TEST(head_without_an_end_is_bounded)
{
	struct strbuf text = STRBUF_INIT;

	strbuf_adds(&text, "GET /ui HTTP/1.1\r\n");
	while (text.len < WEB_HEAD_MAX)
		strbuf_adds(&text, "A: b\r\n");
	ck_assert_int_eq(parse(strbuf_str(&text)), WEB_MALFORMED);
	strbuf_fini(&text);
}
END_TEST

/* The first one who comes with the token is let in, and nobody after that. */
START_TEST(token_is_taken_once)
{
	ck_assert_int_eq(judge("GET /?token=" COOKIE, OWN), WEB_REFUSE);
	ck_assert_int_eq(judge("GET /?token=" TOKEN, OWN), WEB_ENTER);
	ck_assert_int_eq(judge("GET /?token=" TOKEN, OWN), WEB_REFUSE);
	ck_assert_int_eq(judge("GET /?token=", OWN), WEB_REFUSE);
	ck_assert_int_eq(judge("GET /?token=" TOKEN, KNOWN), WEB_HOME);
}
END_TEST

START_TEST(only_the_cookie_lets_in)
{
	ck_assert_int_eq(judge("GET /ui", KNOWN), WEB_PASS);
	ck_assert_int_eq(judge("GET /", KNOWN), WEB_HOME);
	ck_assert_int_eq(judge("GET /ui", OWN), WEB_REFUSE);
	ck_assert_int_eq(judge("GET /ui", OWN "Cookie: migrctl-4242=" TOKEN "\r\n"), WEB_REFUSE);
	ck_assert_int_eq(judge("GET /ui", OWN "Cookie: migrctl-4243=" COOKIE "\r\n"), WEB_REFUSE);
	ck_assert_int_eq(judge("GET /ui", OWN "Cookie: migrctl-4242=" COOKIE "0\r\n"), WEB_REFUSE);
	ck_assert_int_eq(judge("GET /ui", OWN "Cookie: migrctl-4242=\r\n"), WEB_REFUSE);
}
END_TEST

/* A page of somebody else can make a name of its own point to 127.0.0.1. */
START_TEST(other_name_of_this_port_is_refused)
{
	ck_assert_int_eq(judge("GET /ui",
			       "Host: evil.example:4242\r\nCookie: migrctl-4242=" COOKIE "\r\n"),
			 WEB_REFUSE);
	ck_assert_int_eq(judge("GET /?token=" TOKEN, "Host: evil.example\r\n"), WEB_REFUSE);
	ck_assert_int_eq(judge("GET /?token=" TOKEN, "Host: 127.0.0.1:4243\r\n"), WEB_REFUSE);
	ck_assert_int_eq(judge("GET /?token=" TOKEN, ""), WEB_REFUSE);
	ck_assert_int_eq(judge("GET /?token=" TOKEN, OWN),
			 WEB_ENTER); /* it was not taken by them */
}
END_TEST

START_TEST(usual_port_is_left_out_by_browsers)
{
	gate.port = 80;
	ck_assert_int_eq(judge("GET /?token=" TOKEN, "Host: 127.0.0.1:8080\r\n"), WEB_REFUSE);
	ck_assert_int_eq(judge("GET /?token=" TOKEN, "Host: 127.0.0.1\r\n"), WEB_ENTER);
	ck_assert_int_eq(judge("POST /v1/moves",
			       "Host: 127.0.0.1\r\nOrigin: http://127.0.0.1\r\n"
			       "Cookie: migrctl-80=" COOKIE "\r\n"),
			 WEB_PASS);
}
END_TEST

/* The cookie of a browser of today does not come from another page; that is not relied upon. */
START_TEST(request_of_another_page_is_refused)
{
	ck_assert_int_eq(judge("POST /v1/moves", KNOWN), WEB_REFUSE);
	ck_assert_int_eq(judge("POST /v1/moves", KNOWN "Origin: null\r\n"), WEB_REFUSE);
	ck_assert_int_eq(judge("POST /v1/moves", KNOWN "Origin: https://127.0.0.1:4242\r\n"),
			 WEB_REFUSE);
	ck_assert_int_eq(judge("POST /v1/moves", KNOWN "Origin: http://localhost:4242\r\n"),
			 WEB_REFUSE);
	ck_assert_int_eq(judge("GET /v1/vms", KNOWN "Origin: http://evil.example\r\n"), WEB_REFUSE);
	ck_assert_int_eq(judge("GET /v1/vms", KNOWN "Sec-Fetch-Site: same-site\r\n"), WEB_REFUSE);
	ck_assert_int_eq(judge("GET /v1/vms", KNOWN "Sec-Fetch-Site: same-origin\r\n"), WEB_PASS);
	ck_assert_int_eq(judge("POST /v1/moves", KNOWN "Origin: http://127.0.0.1:4242\r\n"),
			 WEB_PASS);
}
END_TEST

START_TEST(paths_of_others_are_not_there)
{
	ck_assert_int_eq(judge("GET /metrics", KNOWN), WEB_NOT_FOUND);
	ck_assert_int_eq(judge("GET /peer/v1/fleet/vms", KNOWN), WEB_NOT_FOUND);
	ck_assert_int_eq(judge("GET /uix", KNOWN), WEB_NOT_FOUND);
	ck_assert_int_eq(judge("GET /ui/style.css", KNOWN), WEB_PASS);
}
END_TEST

Suite *suite(void)
{
	Suite *suite = suite_create("web_request");
	TCase *tcase = tcase_create("web_request");

	tcase_add_checked_fixture(tcase, set_up, tear_down);
	tcase_add_test(tcase, head_is_cut_into_what_counts);
	tcase_add_test(tcase, head_that_is_not_all_there_is_waited_for);
	tcase_add_test(tcase, head_that_could_be_read_in_two_ways_is_malformed);
	tcase_add_test(tcase, head_without_an_end_is_bounded);
	tcase_add_test(tcase, token_is_taken_once);
	tcase_add_test(tcase, only_the_cookie_lets_in);
	tcase_add_test(tcase, other_name_of_this_port_is_refused);
	tcase_add_test(tcase, usual_port_is_left_out_by_browsers);
	tcase_add_test(tcase, request_of_another_page_is_refused);
	tcase_add_test(tcase, paths_of_others_are_not_there);
	suite_add_tcase(suite, tcase);
	return suite;
}
