/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* ETag, If-Match, If-None-Match, Location and Retry-After. */
#include <string.h>

#include "base/mem.h"
#include "tests/lib/http_case.h"

/* ---- tags --------------------------------------------------------------- */

struct inner {
	uint64_t left;
	const char *name;
};
struct thing {
	const char *colour;
	uint64_t progress;
	struct inner inner;
};
static const struct json_field inner_fields[] = {
	JSON_SHOWN(struct inner, left, "Left.", .is_passing = true),
	JSON_SHOWN(struct inner, name, "Name."),
	{ 0 },
};
static const struct json_field thing_fields[] = {
	JSON_SHOWN(struct thing, colour, "Colour."),
	JSON_SHOWN(struct thing, progress, "Progress.", .is_passing = true),
	JSON_SHOWN_OBJECT(struct thing, inner, inner_fields, "Inner."),
	{ 0 },
};

static void tag_of(const struct thing *thing, char ret[HTTP_ETAG_SIZE])
{
	CLEANUP(json_putp) struct json_object *obj = json_encode(thing_fields, thing);
	size_t len;
	const char *text = json_text(obj, &len);

	http_etag_make(thing_fields, obj, text, len, ret);
}

START_TEST(tag_changes_with_the_answer_and_its_first_half_with_what_lasts)
{
	char tag[HTTP_ETAG_SIZE], again[HTTP_ETAG_SIZE], later[HTTP_ETAG_SIZE];
	char deeper[HTTP_ETAG_SIZE], other[HTTP_ETAG_SIZE], named[HTTP_ETAG_SIZE];

	tag_of(&(struct thing){ "red", 1, { 5, "x" } }, tag);
	tag_of(&(struct thing){ "red", 1, { 5, "x" } }, again);
	tag_of(&(struct thing){ "red", 2, { 5, "x" } }, later);
	tag_of(&(struct thing){ "red", 1, { 6, "x" } }, deeper);
	tag_of(&(struct thing){ "blue", 1, { 5, "x" } }, other);
	tag_of(&(struct thing){ "red", 1, { 5, "y" } }, named);
	ck_assert_str_eq(tag, again);
	ck_assert_str_ne(tag, later);
	ck_assert_int_eq(http_etag_compare(tag, later, true), HTTP_ETAG_YES);
	ck_assert_int_eq(http_etag_compare(tag, later, false), HTTP_ETAG_NO);
	ck_assert_str_ne(tag, deeper);
	ck_assert_int_eq(http_etag_compare(tag, deeper, true), HTTP_ETAG_YES);
	ck_assert_int_eq(http_etag_compare(tag, other, true), HTTP_ETAG_NO);
	ck_assert_int_eq(http_etag_compare(tag, named, true), HTTP_ETAG_NO);
}
END_TEST

/* A header is compared as RFC 9110 says, and what is no list is said to be none: a client that
 * leaves the quotes out must not change anything unseen. */
START_TEST(lists_of_tags_are_read)
{
	static const struct {
		const char *list;
		bool lasting;
		enum http_etag_verdict verdict;
	} cases[] = {
		{ "*", true, HTTP_ETAG_YES },
		{ " * ", true, HTTP_ETAG_YES },
		{ "\"0123456789abcdef-0123456789abcdef\"", true, HTTP_ETAG_YES },
		{ "\"0123456789abcdef-ffffffffffffffff\"", true, HTTP_ETAG_YES },
		{ "\"0123456789abcdef-ffffffffffffffff\"", false, HTTP_ETAG_NO },
		{ "\"x\", \"0123456789abcdef-0123456789abcdef\"", false, HTTP_ETAG_YES },
		{ "\"x\" ,\t\"y\"", false, HTTP_ETAG_NO },
		{ "W/\"0123456789abcdef-0123456789abcdef\"", false, HTTP_ETAG_YES },
		{ "W/\"0123456789abcdef-0123456789abcdef\"", true, HTTP_ETAG_NO },
		{ "\"\"", true, HTTP_ETAG_NO },
		{ "", true, HTTP_ETAG_BAD },
		{ "0123456789abcdef-0123456789abcdef", true, HTTP_ETAG_BAD },
		{ "\"0123456789abcdef-0123456789abcdef", true, HTTP_ETAG_BAD },
		{ "\"x\" \"y\"", true, HTTP_ETAG_BAD },
		{ "\"x\",", true, HTTP_ETAG_BAD },
		{ "*, \"x\"", true, HTTP_ETAG_BAD },
	};

	for (size_t i = 0; i < ARRAY_LEN(cases); i++)
		ck_assert_msg(http_etag_compare(cases[i].list,
						"\"0123456789abcdef-0123456789abcdef\"",
						cases[i].lasting) == cases[i].verdict,
			      "%s", cases[i].list);
}
END_TEST

/* ---- a server -------------------------------------------------------------- */

static struct reply ask(const char *method, const char *path, const char *body, const char *header)
{
	return rig_ask(&rig, "olga", method, path, body, header);
}

static char *condition(const char *name, const char *tag)
{
	return xasprintf("%s: %s", name, tag);
}

/* On the loop, where the server's handlers use it. */
static struct rig_box box;
static void read_box(struct rig *r)
{
	box = r->box;
}

static void begin_seconds(struct rig *r)
{
	r->box.seconds = 0;
}

/* The box as it is now. */
static const struct rig_box *box_now(void)
{
	rig_call(&rig, read_box);
	return &box;
}

/* Makes the box; returns its tag. */
static char *make_box(const char *colour)
{
	CLEANUP(free_charp) char *body = xasprintf("{\"colour\":\"%s\"}", colour);
	struct reply reply = ask("PUT", "/v1/boxes/b1", body, NULL);
	char *tag = xstrdup(reply.etag);

	ck_assert_msg(reply.status == 200 || reply.status == 201, "%s", reply.body);
	ck_assert_uint_eq(strlen(tag), 35);
	reply_fini(&reply);
	return tag;
}

START_TEST(change_of_a_changed_object_is_refused)
{
	CLEANUP(free_charp) char *old = make_box("red");
	CLEANUP(free_charp) char *old_header = condition("If-Match", old);
	CLEANUP(free_charp) char *none = condition("If-Match", "\"0\"");
	struct reply reply = ask("PUT", "/v1/boxes/b1", "{\"colour\":\"blue\"}", old_header);

	ck_assert_int_eq(reply.status, 200);
	reply_fini(&reply);
	reply = ask("PUT", "/v1/boxes/b1", "{\"colour\":\"green\"}", old_header);
	ck_assert_int_eq(reply.status, 412);
	ck_assert_str_eq(reply_code(&reply), "precondition-failed");
	ck_assert_uint_eq(strlen(reply.etag), 35);
	ck_assert_ptr_nonnull(strstr(reply.body, "GET it (/v1/boxes/b1)"));
	ck_assert_str_eq(box_now()->colour, "blue");
	reply_fini(&reply);
	expect("olga", "DELETE", "/v1/boxes/b1", NULL, none, 412, "precondition-failed");
	expect("olga", "POST", "/v1/boxes/b1/open", NULL, old_header, 412, "precondition-failed");
	ck_assert(box_now()->is_there);
	expect("olga", "DELETE", "/v1/boxes/b1", NULL, "If-Match: *", 204, "");
	expect("olga", "DELETE", "/v1/boxes/b1", NULL, "If-Match: *", 412, "precondition-failed");
	expect("olga", "PUT", "/v1/boxes/b1", "{\"colour\":\"red\"}", old_header, 412,
	       "precondition-failed");
	ck_assert(!box_now()->is_there);
}
END_TEST

/* Its seconds have grown with each reading: a move under way has sent more. */
START_TEST(what_passes_does_not_refuse_a_change)
{
	CLEANUP(free_charp) char *tag = make_box("red");
	CLEANUP(free_charp) char *header = condition("If-Match", tag);
	struct reply reply = ask("GET", "/v1/boxes/b1", NULL, NULL);

	ck_assert_str_ne(reply.etag, tag);
	reply_fini(&reply);
	expect("olga", "POST", "/v1/boxes/b1/open", NULL, header, 202, "");
}
END_TEST

START_TEST(object_that_the_client_has_is_not_sent_again)
{
	CLEANUP(free_charp) char *tag = make_box("red");
	CLEANUP(free_charp) char *header = NULL;
	struct reply reply;

	rig_call(&rig, begin_seconds); /* as in the answer that the tag is of */
	header = condition("If-None-Match", tag);
	reply = ask("GET", "/v1/boxes/b1", NULL, header);
	ck_assert_int_eq(reply.status, 304);
	ck_assert_str_eq(reply.body, "");
	ck_assert_str_eq(reply.etag, tag);
	reply_fini(&reply);
	reply = ask("GET", "/v1/boxes/b1", NULL, header);
	ck_assert_int_eq(reply.status, 200);
	ck_assert_str_ne(reply.etag, tag);
	reply_fini(&reply);
}
END_TEST

START_TEST(object_can_be_made_only_if_it_is_new)
{
	expect("olga", "PUT", "/v1/boxes/b1", "{\"colour\":\"red\"}", "If-None-Match: *", 201, "");
	expect("olga", "PUT", "/v1/boxes/b1", "{\"colour\":\"blue\"}", "If-None-Match: *", 412,
	       "precondition-failed");
	ck_assert_str_eq(box_now()->colour, "red");
}
END_TEST

/* A condition that would not be looked at is refused, not ignored. */
START_TEST(condition_that_cannot_be_checked_is_refused)
{
	free(make_box("red"));
	expect("olga", "POST", "/v1/boxes", NULL, "If-Match: \"x\"", 400, "invalid");
	expect("olga", "DELETE", "/v1/boxes/b1", NULL, "If-Match: x", 400, "invalid");
	expect("olga", "DELETE", "/v1/boxes/b1", NULL, "If-None-Match: x", 400, "invalid");
	ck_assert(box_now()->is_there);
}
END_TEST

/* A change of the box that is being written. */
static void begin_change(struct raw *raw, const char *path)
{
	CLEANUP(free_charp)
	char *text =
		xasprintf("POST %s/hold HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n", path);

	raw_open(raw, &rig, "olga");
	raw_send(raw, text);
	rig_wait(&rig.held_added);
}

/* What another request is writing could change the object after the comparison. */
START_TEST(change_beside_another_one_is_refused_for_now)
{
	CLEANUP(free_charp) char *tag = make_box("red");
	CLEANUP(free_charp) char *header = condition("If-Match", tag);
	struct raw raw;
	struct reply reply;

	begin_change(&raw, "/v1/boxes/b1");
	reply = ask("DELETE", "/v1/boxes/b1", NULL, header);
	ck_assert_int_eq(reply.status, 409);
	ck_assert_str_eq(reply_code(&reply), "busy");
	ck_assert_str_eq(reply.retry_after, "1");
	ck_assert_ptr_nonnull(strstr(reply.body, "\"retry\":true"));
	reply_fini(&reply);
	expect("olga", "PUT", "/v1/boxes/b2", "{\"colour\":\"red\"}", "If-Match: *", 200, "");
	expect("olga", "DELETE", "/v1/boxes/b1", NULL, NULL, 204, "");
	raw_close(&raw);
}
END_TEST

/* One object may have two names in paths. */
START_TEST(change_by_another_name_is_refused_too)
{
	struct raw raw;

	free(make_box("red"));
	begin_change(&raw, "/v1/boxes/current");
	expect("olga", "DELETE", "/v1/boxes/b1", NULL, "If-Match: *", 409, "busy");
	raw_close(&raw);
	begin_change(&raw, "/v1/boxes/b1");
	expect("olga", "DELETE", "/v1/boxes/current", NULL, "If-Match: *", 409, "busy");
	raw_close(&raw);
	ck_assert(box_now()->is_there);
}
END_TEST

static void keep_waiting(struct rig *r)
{
	pthread_mutex_lock(&r->server->lock);
	http_inbox_begin_turn(&r->server->inbox, loop_now_ms(r->loop));
	http_inbox_charge(&r->server->inbox, HTTP_CLASS_OPERATOR, 1 << 30);
	http_inbox_charge(&r->server->inbox, HTTP_CLASS_VIEWER, 1 << 30);
	pthread_mutex_unlock(&r->server->lock);
}

static void take_all(struct rig *r)
{
	pthread_mutex_lock(&r->server->lock);
	r->server->inbox.classes[HTTP_CLASS_OPERATOR].credit += 1 << 30;
	r->server->inbox.classes[HTTP_CLASS_VIEWER].credit += 1 << 30;
	pthread_mutex_unlock(&r->server->lock);
	http_wake(r->server);
}

static size_t waiting;

static void count_waiting(struct rig *r)
{
	static const enum http_class classes[] = { HTTP_CLASS_OPERATOR, HTTP_CLASS_VIEWER };
	const struct http_request *req;

	waiting = 0;
	pthread_mutex_lock(&r->server->lock);
	for (size_t i = 0; i < ARRAY_LEN(classes); i++)
		TAILQ_FOREACH(req, &r->server->inbox.classes[classes[i]].waiting, link)
	waiting++;
	pthread_mutex_unlock(&r->server->lock);
}

static void send_to_wait(struct raw *raw, const char *cert, const char *text)
{
	const size_t before = waiting;

	raw_open(raw, &rig, cert);
	raw_send(raw, text);
	while (waiting == before)
		rig_call(&rig, count_waiting);
}

/* Of those that come in one turn of the loop, it comes to one after the other: a change that is
 * refused, and one that follows, are no change that is under way. */
START_TEST(requests_that_come_with_it_do_not_count)
{
	static const char *const texts[] = {
		"DELETE /v1/boxes/b1 HTTP/1.1\r\nHost: a\r\nIf-Match: *\r\n\r\n",
		"DELETE /v1/boxes/b1 HTTP/1.1\r\nHost: a\r\n\r\n",
		"DELETE /v1/boxes/b1 HTTP/1.1\r\nHost: a\r\n\r\n",
	};
	static const char *const answers[] = { "204 No Content", "204 No Content",
					       "403 Forbidden" };
	struct raw raws[ARRAY_LEN(texts)];
	struct strbuf got = STRBUF_INIT;

	free(make_box("red"));
	waiting = 0;
	rig_call(&rig, keep_waiting);
	for (size_t i = 0; i < ARRAY_LEN(texts); i++)
		send_to_wait(&raws[i], i < 2 ? "olga" : "vic", texts[i]);
	rig_call(&rig, take_all);
	for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
		ck_assert_msg(raw_read_until(&raws[i], answers[i], &got), "%s", strbuf_str(&got));
		raw_close(&raws[i]);
		strbuf_clear(&got);
	}
	strbuf_fini(&got);
}
END_TEST

START_TEST(what_was_made_says_where_it_is)
{
	struct reply reply = ask("POST", "/v1/boxes", NULL, NULL);

	ck_assert_int_eq(reply.status, 201);
	ck_assert_str_eq(reply.location, "/v1/boxes/new%2F1");
	ck_assert_uint_eq(strlen(reply.etag), 35);
	reply_fini(&reply);
	reply = ask("POST", "/v1/boxes/b%2F2/open", NULL, NULL);
	ck_assert_int_eq(reply.status, 202);
	ck_assert_str_eq(reply.location, "/v1/boxes/b%2F2");
	ck_assert_str_eq(reply.etag, "");
	reply_fini(&reply);
	reply = ask("PUT", "/v1/boxes/b1", "{\"colour\":\"red\"}", NULL);
	ck_assert_int_eq(reply.status, 200);
	ck_assert_str_eq(reply.location, "");
	reply_fini(&reply);
}
END_TEST

START_TEST(problem_says_whether_to_try_again)
{
	struct reply reply = ask("GET", "/v1/fail", NULL, NULL);

	ck_assert_int_eq(reply.status, 409);
	ck_assert_str_eq(reply.retry_after, "1");
	reply_fini(&reply);
	reply = ask("GET", "/v1/boxes/b1", NULL, NULL);
	ck_assert_int_eq(reply.status, 404);
	ck_assert_str_eq(reply.retry_after, "");
	ck_assert_ptr_nonnull(strstr(reply.body, "\"retry\":false"));
	reply_fini(&reply);
}
END_TEST

Suite *suite(void)
{
	Suite *s = suite_create("http_etag");
	TCase *tags = tcase_create("tags");
	TCase *served = tcase_create("served");

	tcase_add_test(tags, tag_changes_with_the_answer_and_its_first_half_with_what_lasts);
	tcase_add_test(tags, lists_of_tags_are_read);
	suite_add_tcase(s, tags);

	tcase_add_unchecked_fixture(served, make_pki, remove_pki);
	tcase_add_checked_fixture(served, start_rig, stop_rig);
	tcase_set_timeout(served, 240);
	tcase_add_test(served, change_of_a_changed_object_is_refused);
	tcase_add_test(served, what_passes_does_not_refuse_a_change);
	tcase_add_test(served, object_that_the_client_has_is_not_sent_again);
	tcase_add_test(served, object_can_be_made_only_if_it_is_new);
	tcase_add_test(served, condition_that_cannot_be_checked_is_refused);
	tcase_add_test(served, change_beside_another_one_is_refused_for_now);
	tcase_add_test(served, change_by_another_name_is_refused_too);
	tcase_add_test(served, requests_that_come_with_it_do_not_count);
	tcase_add_test(served, what_was_made_says_where_it_is);
	tcase_add_test(served, problem_says_whether_to_try_again);
	suite_add_tcase(s, served);
	return s;
}
