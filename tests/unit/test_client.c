/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The REST client against a server that answers what the test wants. */
#include <string.h>
#include <sys/stat.h>

#include "agents/lib/client.h"
#include "agents/lib/client_priv.h"
#include "base/mem.h"
#include "tests/lib/check_main.h"
#include "tests/lib/scratch.h"
#include "tests/lib/script_server.h"

#define JSON_HEAD    "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"
#define PROBLEM_HEAD "Content-Type: application/problem+json\r\nConnection: close\r\n\r\n"
#define STREAM_HEAD                                              \
	"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n" \
	"Transfer-Encoding: chunked\r\n\r\n"

static struct script_server *server;
static struct client *client;
static struct faults *faults;
static struct err err;

static void setup(void)
{
	scratch_setup();
	err.code = ERR_NONE;
	faults = faults_new();
}

static void connect_client(void)
{
	struct client_config config = { .socket_path = scratch_path("s"), .faults = faults };

	client = client_new(&config, &err);
	ck_assert_msg(client, "%s", err.msg);
}

static void start(const struct script_step *steps, size_t count)
{
	server = script_server_new(scratch_path("s"), steps, count);
	connect_client();
}

#define START(...)                                                  \
	static const struct script_step steps_[] = { __VA_ARGS__ }; \
	start(steps_, ARRAY_LEN(steps_))

static void teardown(void)
{
	client_free(client);
	if (server)
		script_server_free(server);
	faults_free(faults);
	scratch_teardown();
}

static struct json_object *get(const char *path)
{
	struct json_object *reply = NULL;

	return client_get(client, path, &reply, &err) ? reply : NULL;
}

/* ---- calls ---- */

START_TEST(get_ok_returns_the_document)
{
	struct json_object *reply;

	START({ .pieces = { JSON_HEAD "Content-Length: 10\r\n\r\n{\"id\":\"a\"}", NULL } });
	reply = get("/v1/host");

	ck_assert_msg(reply, "%s", err.msg);
	ck_assert_str_eq(json_get_str(reply, "id"), "a");
	ck_assert_ptr_nonnull(
		strstr(script_server_request(server, 0), "GET /v1/host HTTP/1.1\r\n"));
	json_object_put(reply);
}
END_TEST

/* A name becomes a part of the path: no character of it may end the path or leave it. */
START_TEST(path_names_are_escaped)
{
	CLEANUP(free_charp) char *path = client_path("/v1/vms/", "a/../b?c d", "/start");
	struct json_object *reply;

	ck_assert_str_eq(path, "/v1/vms/a%2F..%2Fb%3Fc%20d/start");
	START({ .pieces = { JSON_HEAD "Content-Length: 2\r\n\r\n{}", NULL } });
	reply = get("/v1/vms/..");
	ck_assert_ptr_nonnull(reply);
	ck_assert_ptr_nonnull(strstr(script_server_request(server, 0), "GET /v1/vms/.. HTTP"));
	json_object_put(reply);
}
END_TEST

START_TEST(post_sends_body_and_key)
{
	struct client_request request = { .method = "POST",
					  .path = "/v1/moves",
					  .body = "{\"a\":1}",
					  .body_len = 7,
					  .idempotency_key = "k-1" };
	struct json_object *reply = NULL;
	const char *sent;

	START({ .pieces = { "HTTP/1.1 202 Accepted\r\nContent-Length: 2\r\n\r\n{}", NULL } });
	ck_assert_msg(client_call(client, &request, &reply, &err), "%s", err.msg);

	sent = script_server_request(server, 0);
	ck_assert_ptr_nonnull(strstr(sent, "POST /v1/moves HTTP/1.1\r\n"));
	ck_assert_ptr_nonnull(strstr(sent, "Content-Type: application/json\r\n"));
	ck_assert_ptr_nonnull(strstr(sent, "Idempotency-Key: k-1\r\n"));
	ck_assert_ptr_nonnull(strstr(sent, "\r\n\r\n{\"a\":1}"));
	json_object_put(reply);
}
END_TEST

/* The server refuses a body of another type with 415, so a request without a body has no type. */
START_TEST(post_without_body_has_no_content_type)
{
	struct client_request request = { .method = "POST", .path = "/v1/vms/a/start" };
	struct json_object *reply = NULL;

	START({ .pieces = { JSON_HEAD "Content-Length: 2\r\n\r\n{}", NULL } });
	ck_assert(client_call(client, &request, &reply, &err));

	ck_assert_ptr_null(strstr(script_server_request(server, 0), "Content-Type"));
	ck_assert_ptr_nonnull(strstr(script_server_request(server, 0), "Content-Length: 0\r\n"));
	json_object_put(reply);
}
END_TEST

START_TEST(no_content_is_success_without_reply)
{
	struct client_request request = { .method = "DELETE", .path = "/v1/vms/a" };
	struct json_object *reply = NULL;

	START({ .pieces = { "HTTP/1.1 204 No Content\r\n\r\n", NULL } });
	ck_assert_msg(client_call(client, &request, &reply, &err), "%s", err.msg);
	ck_assert_ptr_null(reply);
}
END_TEST

/* All faults are told at once, each with its place. */
START_TEST(problem_document_gives_code_and_all_faults)
{
	START({ .pieces = { "HTTP/1.1 400 Bad Request\r\n" PROBLEM_HEAD,
			    "{\"code\":\"invalid\",\"title\":\"t\",\"status\":400,"
			    "\"detail\":\"3 faults\",\"errors\":["
			    "{\"pointer\":\"/a\",\"detail\":\"one\"},"
			    "{\"pointer\":\"/b\",\"detail\":\"two\"},"
			    "{\"pointer\":\"/c/0\",\"detail\":\"three\"}]}",
			    NULL } });
	ck_assert_ptr_null(get("/v1/vms"));

	ck_assert_int_eq(err.code, ERR_INVALID);
	ck_assert_str_eq(err.msg, "3 faults");
	ck_assert_uint_eq(faults->count, 3);
	ck_assert_str_eq(faults->list[2].pointer, "/c/0");
	ck_assert_str_eq(faults->list[2].detail, "three");
}
END_TEST

/* The problem document of a cancel that comes too late tells which host has the guest. */
START_TEST(problem_document_stays_readable)
{
	START({ .pieces = { "HTTP/1.1 409 Conflict\r\n" PROBLEM_HEAD
			    "{\"code\":\"too-late\",\"detail\":\"d\",\"owner\":\"b\"}",
			    NULL } });
	ck_assert_ptr_null(get("/v1/moves/x/cancel"));

	ck_assert_int_eq(err.code, ERR_TOO_LATE);
	ck_assert_str_eq(json_get_str(client_problem(client), "owner"), "b");
}
END_TEST

/* A proxy in between, or an older migrd, answers without a code. */
START_TEST(error_without_document_maps_the_status)
{
	START({ .pieces = { "HTTP/1.1 404 Not Found\r\nConnection: close\r\n\r\n<html>", NULL } },
	      { .pieces = { "HTTP/1.1 503 Busy\r\nContent-Length: 0\r\nConnection: close\r\n\r\n",
			    NULL } },
	      { .pieces = { "HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:1/\r\n"
			    "Content-Length: 0\r\nConnection: close\r\n\r\n",
			    NULL } });
	ck_assert_ptr_null(get("/x"));
	ck_assert_int_eq(err.code, ERR_NOT_FOUND);
	ck_assert_ptr_null(get("/x"));
	ck_assert_int_eq(err.code, ERR_UNAVAILABLE);
	ck_assert_ptr_null(get("/x")); /* the redirection is not followed */
	ck_assert_int_eq(err.code, ERR_INVALID);
}
END_TEST

static const struct {
	const char *answer;
	enum err_code code;
} bad_answers[] = {
	{ JSON_HEAD "Content-Length: 8\r\n\r\nnot JSON", ERR_PROTOCOL },
	{ JSON_HEAD "Content-Length: 2\r\n\r\n[]", ERR_PROTOCOL },
	{ JSON_HEAD "Content-Length: 13\r\n\r\n{\"a\":1,\"a\":2}", ERR_PROTOCOL },
	{ JSON_HEAD "Content-Length: 0\r\n\r\n", ERR_PROTOCOL },
	{ "SSH-2.0-OpenSSH_9.2\r\n", ERR_PROTOCOL },
	{ JSON_HEAD "Content-Length: 100\r\n\r\n{\"id\"", ERR_UNAVAILABLE },
	{ "HTTP/1.1 200", ERR_UNAVAILABLE },
	{ "", ERR_UNAVAILABLE },
};

/* Whatever answers on that socket, the client neither crashes nor takes it for success. */
START_TEST(bad_answer_is_an_error)
{
	static struct script_step step;

	step.pieces[0] = bad_answers[_i].answer;
	start(&step, 1);
	ck_assert_ptr_null(get("/v1/host"));
	ck_assert_msg(err.code == bad_answers[_i].code, "%s: %s", err_name(err.code), err.msg);
}
END_TEST

START_TEST(endless_answer_refused)
{
	static char piece[65537];

	memset(piece, ' ', sizeof(piece) - 1);
	START({ .pieces = { JSON_HEAD "Connection: close\r\n\r\n", piece, NULL },
		.repeat_last = CLIENT_REPLY_MAX_BYTES / 65536 + 2 });
	ck_assert_ptr_null(get("/v1/vms"));
	ck_assert_int_eq(err.code, ERR_TOO_LARGE);
}
END_TEST

START_TEST(silent_server_times_out)
{
	struct client_request request = { .method = "GET", .path = "/", .timeout_ms = 50 };
	struct json_object *reply = NULL;

	START({ .pieces = { NULL }, .end = SCRIPT_HOLD });
	ck_assert(!client_call(client, &request, &reply, &err));
	ck_assert_int_eq(err.code, ERR_TIMEOUT);
}
END_TEST

/* The most common mistake of a newcomer must not read like a defect. */
START_TEST(no_daemon_says_so)
{
	connect_client();
	ck_assert_ptr_null(get("/v1/host"));
	ck_assert_int_eq(err.code, ERR_UNAVAILABLE);
	ck_assert_ptr_nonnull(strstr(err.msg, "migrd is not running: there is no socket"));

	server = script_server_new(scratch_path("s"), NULL, 0);
	script_server_free(server); /* leaves the socket file, as a killed daemon does */
	server = NULL;
	ck_assert_ptr_null(get("/v1/host"));
	ck_assert_ptr_nonnull(strstr(err.msg, "nobody listens"));
}
END_TEST

START_TEST(forbidden_socket_says_what_to_do)
{
	START({ .pieces = { NULL } });
	if (geteuid() == 0) /* root may open any file, so become another user */
		ck_assert_int_eq(seteuid(65534), 0);
	else
		ck_assert_int_eq(chmod(scratch_path("s"), 0), 0);
	ck_assert_ptr_null(get("/v1/host"));
	if (getuid() == 0)
		ck_assert_int_eq(seteuid(0), 0);
	ck_assert_int_eq(err.code, ERR_FORBIDDEN);
	ck_assert_ptr_nonnull(strstr(err.msg, "you may not open socket"));
}
END_TEST

/* ---- lists ---- */

START_TEST(list_follows_cursors_to_the_end)
{
	struct json_object *list = NULL, *items;

	START({ .pieces = { JSON_HEAD "Connection: close\r\n\r\n"
				      "{\"items\":[{\"n\":1}],\"next\":\"a b\"    }",
			    NULL } },
	      { .pieces = { JSON_HEAD "Connection: close\r\n\r\n"
				      "{\"items\":[{\"n\":2},{\"n\":3}],\"next\":null}",
			    NULL } });
	ck_assert_msg(client_list(client, "/v1/moves", "state=active", &list, &err), "%s", err.msg);

	ck_assert(json_object_object_get_ex(list, "items", &items));
	ck_assert_uint_eq(json_object_array_length(items), 3);
	ck_assert_ptr_nonnull(
		strstr(script_server_request(server, 0), "GET /v1/moves?state=active HTTP"));
	ck_assert_ptr_nonnull(strstr(script_server_request(server, 1),
				     "GET /v1/moves?state=active&after=a%20b HTTP"));
	json_object_put(list);
}
END_TEST

/* ---- streams ---- */

START_TEST(stream_split_oddly_gives_whole_events)
{
	struct client_stream *stream;
	struct client_event event;

	START({ .pieces = { "HTTP/1.1 200 OK\r\nContent-Type: text/event-str",
			    "eam\r\nTransfer-Encoding: chunked\r\n\r\n", "6\r\nevent:", "\r\n",
			    "8\r\n mo", "ve\nid\r\n", "b\r\n: 1\ndata: a\r\n", "2\r\n\n\n",
			    "\r\n0\r\n\r\n", NULL } });
	stream = client_stream_open(client, "/v1/events", "9", &err);
	ck_assert_msg(stream, "%s", err.msg);
	ck_assert_int_eq(client_stream_next(stream, 10000, &event, &err), CLIENT_EVENT);
	ck_assert_str_eq(event.type, "move");
	ck_assert_str_eq(event.data, "a");
	ck_assert_str_eq(event.id, "1");
	ck_assert_int_eq(client_stream_next(stream, 10000, &event, &err), CLIENT_BROKEN);
	ck_assert_int_eq(err.code, ERR_UNAVAILABLE);
	ck_assert_ptr_nonnull(strstr(script_server_request(server, 0), "Last-Event-ID: 9\r\n"));
	client_stream_free(stream);
}
END_TEST

START_TEST(stream_open_before_first_event)
{
	struct client_stream *stream;
	struct client_event event;

	START({ .pieces = { STREAM_HEAD, NULL }, .end = SCRIPT_HOLD });
	stream = client_stream_open(client, "/v1/events", NULL, &err);
	ck_assert_msg(stream, "%s", err.msg);
	ck_assert_int_eq(client_stream_next(stream, 20, &event, &err), CLIENT_SILENCE);
	ck_assert_ptr_null(strstr(script_server_request(server, 0), "Last-Event-ID"));
	client_stream_free(stream);
}
END_TEST

START_TEST(stream_refused_gives_the_problem)
{
	START({ .pieces = { "HTTP/1.1 429 Too Many\r\n" PROBLEM_HEAD
			    "{\"code\":\"limit\",\"detail\":\"too many watchers\"}",
			    NULL } },
	      { .pieces = { JSON_HEAD "Content-Length: 2\r\n\r\n{}", NULL } });
	ck_assert_ptr_null(client_stream_open(client, "/v1/events", NULL, &err));
	ck_assert_int_eq(err.code, ERR_LIMIT);
	ck_assert_str_eq(err.msg, "too many watchers");
	ck_assert_ptr_null(client_stream_open(client, "/v1/events", NULL, &err));
	ck_assert_int_eq(err.code, ERR_PROTOCOL);
}
END_TEST

START_TEST(stream_cut_off_is_unavailable)
{
	struct client_stream *stream;
	struct client_event event;

	START({ .pieces = { STREAM_HEAD "5\r\ndata:", NULL } });
	stream = client_stream_open(client, "/v1/events", NULL, &err);
	ck_assert_ptr_nonnull(stream);
	ck_assert_int_eq(client_stream_next(stream, 10000, &event, &err), CLIENT_BROKEN);
	ck_assert_msg(err.code == ERR_UNAVAILABLE, "%s", err.msg);
	client_stream_free(stream);
}
END_TEST

/* ---- options ---- */

static const struct {
	struct client_config config;
	const char *part;
} bad_configs[] = {
	{ { .host = "h", .socket_path = "/s" }, "exclude each other" },
	{ { .host = "h", .ca_file = "c" }, "needs --cert, --key and --ca" },
	{ { .ca_file = "c" }, "--host is missing" },
	{ { .host = "http://h", .ca_file = "c", .cert_file = "c", .key_file = "k" }, "https only" },
	{ { .host = "h/x", .ca_file = "c", .cert_file = "c", .key_file = "k" }, "no meaning" },
	{ { .host = "", .ca_file = "c", .cert_file = "c", .key_file = "k" }, "form" },
	{ { .host = "h:99999", .ca_file = "c", .cert_file = "c", .key_file = "k" }, "form" },
	{ { .host = "h", .host_id = "B_", .ca_file = "c", .cert_file = "c", .key_file = "k" },
	  "no host id" },
	{ { .socket_path = "/0123456789012345678901234567890123456789012345678901234567890123456789"
			   "0123456789012345678901234567890123456789" },
	  "too long" },
};

START_TEST(contradictory_options_refused)
{
	ck_assert_ptr_null(client_new(&bad_configs[_i].config, &err));
	ck_assert_int_eq(err.code, ERR_INVALID);
	ck_assert_msg(strstr(err.msg, bad_configs[_i].part), "%s", err.msg);
}
END_TEST

START_TEST(socket_from_environment)
{
	struct client_config config = { .faults = NULL };

	setenv(CLIENT_SOCKET_VARIABLE, "/x/y", 1);
	client = client_new(&config, &err);
	ck_assert_str_eq(client->address, "/x/y");
	unsetenv(CLIENT_SOCKET_VARIABLE);
	client_free(client);
	client = client_new(&config, &err);
	ck_assert_str_eq(client->address, CLIENT_SOCKET);
}
END_TEST

Suite *suite(void)
{
	Suite *s = suite_create("client");
	TCase *tc = tcase_create("calls");

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, get_ok_returns_the_document);
	tcase_add_test(tc, path_names_are_escaped);
	tcase_add_test(tc, post_sends_body_and_key);
	tcase_add_test(tc, post_without_body_has_no_content_type);
	tcase_add_test(tc, no_content_is_success_without_reply);
	tcase_add_test(tc, problem_document_gives_code_and_all_faults);
	tcase_add_test(tc, problem_document_stays_readable);
	tcase_add_test(tc, error_without_document_maps_the_status);
	tcase_add_loop_test(tc, bad_answer_is_an_error, 0, ARRAY_LEN(bad_answers));
	tcase_add_test(tc, endless_answer_refused);
	tcase_add_test(tc, silent_server_times_out);
	tcase_add_test(tc, no_daemon_says_so);
	tcase_add_test(tc, forbidden_socket_says_what_to_do);
	tcase_add_test(tc, list_follows_cursors_to_the_end);
	suite_add_tcase(s, tc);
	tc = tcase_create("streams");
	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, stream_split_oddly_gives_whole_events);
	tcase_add_test(tc, stream_open_before_first_event);
	tcase_add_test(tc, stream_refused_gives_the_problem);
	tcase_add_test(tc, stream_cut_off_is_unavailable);
	suite_add_tcase(s, tc);
	tc = tcase_create("options");
	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_loop_test(tc, contradictory_options_refused, 0, ARRAY_LEN(bad_configs));
	tcase_add_test(tc, socket_from_environment);
	suite_add_tcase(s, tc);
	return s;
}
