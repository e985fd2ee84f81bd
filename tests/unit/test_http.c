/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What the server makes of a request: its path, its body, its protocol. */
#include <string.h>

#include "base/mem.h"
#include "tests/lib/http_case.h"

/* ---- routing ----------------------------------------------------------- */

/* A name may hold characters that a path may not: handlers get it decoded, once. */
START_TEST(path_with_escapes_reaches_handler_decoded)
{
	struct reply reply =
		rig_ask(&rig, "vic", "GET", "/v1/things/a%2Fb%25c/parts/%C3%A9?q=x+y%26z&limit=7",
			NULL, NULL);

	ck_assert_int_eq(reply.status, 200);
	ck_assert_str_eq(reply.body, "{\"name\":\"a/b%c\",\"part\":\"\xc3\xa9\",\"q\":\"x y&z\","
				     "\"caller\":\"vic\",\"role\":1}");
	ck_assert_str_eq(reply.type, "application/json");
	reply_fini(&reply);
}
END_TEST

/* Bytes that no name may hold must not reach a handler, a log or a file name. */
START_TEST(path_of_bad_bytes_is_refused)
{
	expect("vic", "GET", "/v1/things/%00", NULL, NULL, 400, "invalid");
	expect("vic", "GET", "/v1/things/%0a", NULL, NULL, 400, "invalid");
	expect("vic", "GET", "/v1/things/%zz", NULL, NULL, 400, "invalid");
	expect("vic", "GET", "/v1/things/%ff", NULL, NULL, 400, "invalid");
	expect("vic", "GET", "/v1/things/x?q=%c0%80", NULL, NULL, 400, "invalid");
}
END_TEST

/* A misspelt filter must not show everything: all faults are told, each with its key. */
START_TEST(query_that_the_route_does_not_take_is_refused)
{
	struct reply reply =
		rig_ask(&rig, "vic", "GET", "/v1/things/x?Q=1&limit=11&q=&colour=green&limit=3",
			NULL, NULL);

	ck_assert_int_eq(reply.status, 400);
	ck_assert_str_eq(reply_code(&reply), "invalid");
	ck_assert(strstr(reply.body, "{\"pointer\":\"?Q\",\"detail\":\"unknown; this path takes "
				     "'q', 'limit', 'colour', 'some'\"}"));
	ck_assert(strstr(reply.body, "\"?limit\",\"detail\":\"must be a number from 1 to 10\""));
	ck_assert(strstr(reply.body, "\"?limit\",\"detail\":\"stands twice\""));
	ck_assert(strstr(reply.body, "\"?q\",\"detail\":\"must not be empty\""));
	ck_assert(strstr(reply.body, "\"?colour\",\"detail\":\"must be 'red', 'blue'\""));
	reply_fini(&reply);
	expect("vic", "GET", "/v1/fail?x=1", NULL, NULL, 400, "invalid");
	expect("vic", "GET", "/v1/things/x?limit=-1", NULL, NULL, 400, "invalid");
	expect("vic", "GET", "/v1/things/x?limit=+1", NULL, NULL, 400, "invalid");
	expect("vic", "GET", "/v1/things/x?limit=18446744073709551617", NULL, NULL, 400, "invalid");
}
END_TEST

/* A list of names is right when each of them is. */
START_TEST(query_of_names_takes_those_that_there_are)
{
	struct reply reply = rig_ask(&rig, "vic", "GET", "/v1/boxes?fields=id,weight", NULL, NULL);

	ck_assert_int_eq(reply.status, 400);
	ck_assert(strstr(reply.body, "\"?fields\",\"detail\":\"must be some of 'id', 'colour', "
				     "'seconds', with commas between them\""));
	reply_fini(&reply);
	expect("vic", "GET", "/v1/boxes?fields=id,seconds", NULL, NULL, 404, "not-found");
	expect("vic", "GET", "/v1/boxes?fields=id,", NULL, NULL, 400, "invalid");
	expect("vic", "GET", "/v1/boxes?fields=", NULL, NULL, 400, "invalid");
	expect("vic", "GET", "/v1/things/x?some=red,blue", NULL, NULL, 200, "");
	expect("vic", "GET", "/v1/things/x?some=re", NULL, NULL, 400, "invalid");
	expect("vic", "GET", "/v1/things/x?some=", NULL, NULL, 400, "invalid");
}
END_TEST

/* A client tells by the status what it did wrong. */
START_TEST(path_unknown_is_not_found)
{
	expect("vic", "GET", "/v1/nothing", NULL, NULL, 404, "not-found");
	expect("vic", "GET", "/v1/things/", NULL, NULL, 404, "not-found");
	expect("vic", "GET", "/v1/things/x/", NULL, NULL, 404, "not-found");
	expect("vic", "GET", "//v1/things/x", NULL, NULL, 404, "not-found");
	expect("olga", "POST", "/v1/nothing", "{}", NULL, 404, "not-found");
}
END_TEST

/* RFC 9110 section 15.5.6: a 405 names the allowed methods. */
START_TEST(method_unknown_names_the_allowed)
{
	struct reply reply = rig_ask(&rig, "vic", "PUT", "/v1/things/x", NULL, NULL);

	ck_assert_int_eq(reply.status, 405);
	ck_assert_str_eq(reply.allow, "GET, DELETE");
	ck_assert_str_eq(reply_code(&reply), "method-not-allowed");
	reply_fini(&reply);
}
END_TEST

START_TEST(head_is_get_without_body)
{
	struct reply reply = rig_ask(&rig, "vic", "HEAD", "/v1/things/x", NULL, NULL);

	ck_assert_int_eq(reply.status, 200);
	ck_assert_str_eq(reply.body, "");
	reply_fini(&reply);
}
END_TEST

/* ---- bodies ------------------------------------------------------------ */

START_TEST(body_not_json_is_refused)
{
	expect("olga", "POST", "/v1/things", "a=b", "Content-Type: text/plain", 415, "media-type");
	expect("olga", "POST", "/v1/things", "{", NULL, 400, "invalid");
	expect("olga", "POST", "/v1/things", "{}x", NULL, 400, "invalid");
	expect("olga", "POST", "/v1/things", "{\"a\":\"\xff\"}", NULL, 400, "invalid");
	expect("olga", "POST", "/v1/things",
	       "[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]", NULL, 400,
	       "invalid");
}
END_TEST

/* A client that sends a key where none is taken believes that the key has an effect. */
START_TEST(body_where_none_is_taken_is_refused)
{
	expect("b", "POST", "/peer/v1/fail", "{\"force\":true}", "Migrd-Protocol: 1", 400,
	       "invalid");
	expect("b", "POST", "/peer/v1/fail", "[]", "Migrd-Protocol: 1", 400, "invalid");
	expect("b", "POST", "/peer/v1/fail", "{}", "Migrd-Protocol: 1", 409, "busy");
	expect("b", "POST", "/peer/v1/fail", NULL, "Migrd-Protocol: 1", 409, "busy");
}
END_TEST

/* All faults are told at once, each with its place. */
START_TEST(body_with_duplicate_keys_names_them)
{
	struct reply reply = rig_ask(&rig, "olga", "POST", "/v1/things",
				     "{\"a\":1,\"a\":2,\"b\":1,\"b\":2}", NULL);

	ck_assert_int_eq(reply.status, 400);
	ck_assert(strstr(reply.body, "\"errors\":["));
	ck_assert(strstr(reply.body, "\"/a\""));
	ck_assert(strstr(reply.body, "\"/b\""));
	reply_fini(&reply);
}
END_TEST

/* The size of a body is limited, and the client is told so. */
START_TEST(body_too_large_is_refused)
{
	char *just_right = big_json(HTTP_BODY_MAX);
	char *too_large = big_json(HTTP_BODY_MAX + 1);

	expect("olga", "POST", "/v1/things", just_right, NULL, 201, "");
	expect("olga", "POST", "/v1/things", too_large, NULL, 413, "too-large");
	expect("olga", "POST", "/v1/things", too_large, "Transfer-Encoding: chunked", 413,
	       "too-large");
	expect("olga", "POST", "/v1/things", too_large, "Expect: 100-continue", 413, "too-large");
	free(just_right);
	free(too_large);
}
END_TEST

START_TEST(header_too_large_is_refused)
{
	char *header = xcalloc(1, HTTP_HEADER_MAX + 1);

	memset(header, 'x', HTTP_HEADER_MAX);
	memcpy(header, "X: ", 3);
	expect("vic", "GET", "/healthz", NULL, header, 431, "too-large");
	free(header);
}
END_TEST

/* ---- versions ---------------------------------------------------------- */

/* Requests of a coordinator with another protocol version must not be half understood. */
START_TEST(peer_version_missing_or_foreign_is_refused)
{
	expect("b", "POST", "/peer/v1/echo", "{", NULL, 426, "protocol-mismatch");
	expect("b", "POST", "/peer/v1/echo", "{", "Migrd-Protocol: 0", 426, "protocol-mismatch");
	expect("b", "POST", "/peer/v1/echo", "{", "Migrd-Protocol: 2", 426, "protocol-mismatch");
	expect("b", "POST", "/peer/v1/echo", "{", "Migrd-Protocol: 1x", 426, "protocol-mismatch");
}
END_TEST

START_TEST(hello_agrees_or_refuses)
{
	expect("b", "POST", "/peer/v1/hello",
	       "{\"host\":\"b\",\"protocol\":{\"min\":1,\"max\":9},\"new\":1}", NULL, 200, "");
	expect("b", "POST", "/peer/v1/hello", "{\"host\":\"b\",\"protocol\":{\"min\":7,\"max\":9}}",
	       NULL, 426, "protocol-mismatch");
	expect("b", "POST", "/peer/v1/hello", "{\"host\":\"c\",\"protocol\":{\"min\":1,\"max\":1}}",
	       NULL, 403, "forbidden");
	expect("b", "POST", "/peer/v1/hello", NULL, NULL, 400, "invalid");
}
END_TEST

/* ---- after the answer ------------------------------------------------------ */

static char read_after[sizeof(rig.read_after)];

static void take_read_after(struct rig *r)
{
	memcpy(read_after, r->read_after, sizeof(read_after));
	r->read_after[0] = '\0';
}

static void answer_and_read(struct rig *r)
{
	struct http_request *req = r->held[--r->held_count];

	http_reply(req, 200, json_object_new_object());
	rig_read(r, req);
}

/* Whoever answers a request may go on reading it until the loop has its turn again: a handler, what
 * answers later, and a handler that is only asked for an object's ETag. */
START_TEST(request_lasts_until_who_answers_it_has_returned)
{
	struct raw raw;
	CLEANUP(strbuf_fini) struct strbuf got = STRBUF_INIT;

	expect("olga", "POST", "/v1/careless/now?q=x+y", "{\"a\":1}", "X-Word: hello", 200, "");
	rig_call(&rig, take_read_after);
	ck_assert_str_eq(read_after,
			 "/v1/careless/now name=now q=x y word=hello body={\"a\":1} by=olga");

	raw_open(&raw, &rig, "olga");
	raw_send(&raw, "POST /v1/careless/later?q=z HTTP/1.1\r\nHost: a\r\nX-Word: hi\r\n"
		       "Content-Length: 0\r\n\r\n");
	rig_wait(&rig.held_added);
	rig_call(&rig, answer_and_read);
	ck_assert(raw_read_until(&raw, "200 OK", &got));
	raw_close(&raw);
	rig_call(&rig, take_read_after);
	ck_assert_str_eq(read_after, "/v1/careless/later name=later q=z word=hi body= by=olga");

	expect("olga", "DELETE", "/v1/boxes/b1", NULL, "If-Match: *", 412, "precondition-failed");
	rig_call(&rig, take_read_after);
	ck_assert_str_eq(read_after, "/v1/boxes/b1 name= q= word= body= by=olga");
}
END_TEST

/* ---- set-up ------------------------------------------------------------ */

static void expect_new_fails(struct http_config config, const char *text)
{
	struct loop *loop = loop_new();
	struct err err = { 0 };

	ck_assert_ptr_null(http_server_new(loop, &config, &err));
	ck_assert_msg(strstr(err.msg, text), "'%s' in '%s'", text, err.msg);
	loop_free(loop);
}

/* A server with a wrong configuration is not made, and the error says why. */
START_TEST(server_with_bad_configuration_is_refused)
{
	static const struct http_route none[] = { { 0 } };
	struct http_config good = { .listen = "127.0.0.1:0",
				    .ca_file = pki.ca_file,
				    .cert_file = http_pki_cert(&pki, "a"),
				    .key_file = http_pki_key(&pki, "a"),
				    .routes = none };
	struct http_config config = good;

	config.listen = "localhost:1";
	expect_new_fails(config, "numeric");
	config = good;
	config.listen = "192.0.2.1:1";
	expect_new_fails(config, "cannot listen");
	config = good;
	config.key_file = http_pki_key(&pki, "b");
	expect_new_fails(config, "key");
	config = good;
	config.socket_path = "/nonexistent/api.sock";
	expect_new_fails(config, "/nonexistent");
}
END_TEST

Suite *suite(void)
{
	Suite *s = suite_create("http");
	TCase *plain = tcase_create("served");
	TCase *own = tcase_create("life");

	tcase_add_unchecked_fixture(plain, make_pki, remove_pki);
	tcase_add_checked_fixture(plain, start_rig, stop_rig);
	tcase_set_timeout(plain, 240);
	tcase_add_test(plain, path_with_escapes_reaches_handler_decoded);
	tcase_add_test(plain, path_of_bad_bytes_is_refused);
	tcase_add_test(plain, query_that_the_route_does_not_take_is_refused);
	tcase_add_test(plain, query_of_names_takes_those_that_there_are);
	tcase_add_test(plain, path_unknown_is_not_found);
	tcase_add_test(plain, method_unknown_names_the_allowed);
	tcase_add_test(plain, head_is_get_without_body);
	tcase_add_test(plain, body_not_json_is_refused);
	tcase_add_test(plain, body_where_none_is_taken_is_refused);
	tcase_add_test(plain, body_with_duplicate_keys_names_them);
	tcase_add_test(plain, body_too_large_is_refused);
	tcase_add_test(plain, header_too_large_is_refused);
	tcase_add_test(plain, peer_version_missing_or_foreign_is_refused);
	tcase_add_test(plain, hello_agrees_or_refuses);
	tcase_add_test(plain, request_lasts_until_who_answers_it_has_returned);
	suite_add_tcase(s, plain);

	tcase_add_unchecked_fixture(own, make_pki, remove_pki);
	tcase_set_timeout(own, 240);
	tcase_add_test(own, server_with_bad_configuration_is_refused);
	suite_add_tcase(s, own);
	return s;
}
