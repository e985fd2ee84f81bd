/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Signatures of notices, the files of their keys, and what answers mean. */
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "base/mem.h"
#include "notify/answer.h"
#include "notify/notify.h"
#include "notify/parties.h"
#include "notify/sign.h"
#include "tests/lib/check_main.h"

/* The vector of the libraries of Standard Webhooks (libraries/javascript/src/webhook.test.ts). */
#define KEY       "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
#define ID        "msg_p5jXN8AQM9LWM0D4loKWxJek"
#define BODY      "{\"test\": 2432232314}"
#define SIGNATURE "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="

static char dir[] = "/tmp/migrd-notify-XXXXXX";
static char secret[64];
static struct notify_parties *parties;

static void set_up(void)
{
	memcpy(dir + sizeof(dir) - 7, "XXXXXX", 6);
	ck_assert_ptr_nonnull(mkdtemp(dir));
	snprintf(secret, sizeof(secret), "%s/secret", dir);
	parties = notify_parties_new();
}

static void tear_down(void)
{
	struct err err;

	notify_parties_free(parties);
	ck_assert(dir_remove(dir, &err));
}

static bool add(const char *text, mode_t mode, struct err *err)
{
	const struct notify_setting setting = { .name = "backup",
						.url = "https://party.example/",
						.secret_file = secret,
						.timeout_ms = 1000,
						.label = "tier=database",
						.before = true };

	ck_assert(file_write(secret, text, strlen(text), mode, err));
	return notify_parties_add_blocking(parties, &setting, err);
}

START_TEST(signature_is_that_of_the_published_vector)
{
	char text[NOTIFY_SIGNATURE_SIZE];
	struct err err;

	ck_assert_msg(add(KEY "\n", 0600, &err), "%s", err.msg);
	ck_assert(notify_sign(notify_parties_find(parties, "backup"), ID, 1614265330, BODY, text,
			      &err));
	ck_assert_str_eq(text, SIGNATURE);
}
END_TEST

START_TEST(two_keys_make_two_signatures)
{
	char text[NOTIFY_SIGNATURE_SIZE];
	struct err err;

	ck_assert_msg(add("whsec_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA\n" KEY, 0400, &err), "%s",
		      err.msg);
	ck_assert(notify_sign(notify_parties_find(parties, "backup"), ID, 1614265330, BODY, text,
			      &err));
	ck_assert_str_eq(strchr(text, ' '), " " SIGNATURE);
	ck_assert_int_eq(strncmp(text, "v1,", 3), 0);
}
END_TEST

static const struct {
	const char *text;
	mode_t mode;
	const char *words;
} bad_secrets[] = {
	{ KEY, 0640, "mode 0640" },
	{ KEY, 0604, "mode 0604" },
	{ "", 0600, "one line" },
	{ "\n", 0600, "one line" },
	{ "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", 0600, "one line" },
	{ "whsec_", 0600, "one line" },
	{ "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaS", 0600, "one line" },
	{ "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaS!", 0600, "one line" },
	{ "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLQ==", 0600, "one line" }, /* 22 bytes */
	{ KEY " ", 0600, "one line" },
	{ KEY "\n" KEY "\n" KEY "\n", 0600, "one line" },
	{ "whsec_"
	  "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"
	  "A",
	  0600, "one line" }, /* 66 bytes */
};

/* What is in the file is never said. */
START_TEST(bad_secret_is_refused_in_words)
{
	struct err err;

	ck_assert(!add(bad_secrets[_i].text, bad_secrets[_i].mode, &err));
	ck_assert_int_eq(err.code, ERR_INVALID);
	ck_assert_ptr_nonnull(strstr(err.msg, bad_secrets[_i].words));
	ck_assert_ptr_nonnull(strstr(err.msg, "[notify backup]"));
	ck_assert_ptr_nonnull(strstr(err.msg, secret));
	ck_assert_ptr_null(strstr(err.msg, "MfKQ"));
	ck_assert_ptr_null(notify_parties_next(parties, NULL));
}
END_TEST

START_TEST(secret_that_is_no_file_is_refused)
{
	struct notify_setting setting = { .name = "backup",
					  .url = "https://a/",
					  .secret_file = dir };
	struct err err;

	ck_assert(!notify_parties_add_blocking(parties, &setting, &err));
	ck_assert_ptr_nonnull(strstr(err.msg, "no regular file"));
	setting.secret_file = "/nonexistent/secret";
	ck_assert(!notify_parties_add_blocking(parties, &setting, &err));
	ck_assert_ptr_nonnull(strstr(err.msg, "cannot be read"));
}
END_TEST

START_TEST(missing_ca_file_is_refused)
{
	const struct notify_setting setting = { .name = "backup",
						.url = "https://a/",
						.secret_file = secret,
						.ca_file = "/nonexistent/ca.pem" };
	struct err err;

	ck_assert(file_write(secret, KEY, strlen(KEY), 0600, &err));
	ck_assert(!notify_parties_add_blocking(parties, &setting, &err));
	ck_assert_ptr_nonnull(strstr(err.msg, "ca_file"));
}
END_TEST

START_TEST(long_answer_is_not_read)
{
	CLEANUP(free_charp) char *body = xcalloc(1, NOTIFY_ANSWER_MAX + 2);
	struct notify_judged judged;

	memset(body, ' ', NOTIFY_ANSWER_MAX + 1);
	judged = notify_judge(200, body, NOTIFY_ANSWER_MAX + 1, 60);
	ck_assert_int_eq(judged.verdict, NOTIFY_UNHEARD);
	ck_assert_ptr_nonnull(strstr(judged.words, "over 4096 bytes"));
}
END_TEST

START_TEST(reason_of_any_length_and_kind_is_borne)
{
	static const char fits[] = "{\"delay_s\":1,\"reason\":\"%0200d\"}";
	static const char is_longer[] = "{\"delay_s\":1,\"reason\":\"%0201d\"}";
	char body[400];
	struct notify_judged judged;

	snprintf(body, sizeof(body), fits, 7);
	judged = notify_judge(200, body, strlen(body), 60);
	ck_assert_int_eq(judged.verdict, NOTIFY_DELAY);
	ck_assert_uint_eq(strlen(judged.reason), 200);
	snprintf(body, sizeof(body), is_longer, 7);
	judged = notify_judge(200, body, strlen(body), 60);
	ck_assert_int_eq(judged.verdict, NOTIFY_UNHEARD);
	judged = notify_judge(200, "{\"delay_s\":86401}", 17, 60);
	ck_assert_int_eq(judged.verdict, NOTIFY_UNHEARD);
}
END_TEST

/* ---- parties that take a connection and say nothing -------------------------------- */

#define SILENT_NOTICES (NOTIFY_AT_ONCE_MAX + 1)

static struct loop *loop;
static bool has_heard;
static size_t ended;

static int listen_here(char ret_url[64])
{
	struct sockaddr_in at = { .sin_family = AF_INET };
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	socklen_t size = sizeof(at);

	at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	ck_assert_int_eq(bind(fd, (struct sockaddr *)&at, size), 0);
	ck_assert_int_eq(listen(fd, 16), 0);
	ck_assert_int_eq(getsockname(fd, (struct sockaddr *)&at, &size), 0);
	snprintf(ret_url, 64, "https://127.0.0.1:%u/", ntohs(at.sin_port));
	return fd;
}

static void add_silent(const char *name, const char *url)
{
	const struct notify_setting setting = {
		.name = name, .url = url, .secret_file = secret, .timeout_ms = 60000, .before = true
	};
	struct err err;

	ck_assert_msg(notify_parties_add_blocking(parties, &setting, &err), "%s", err.msg);
}

static void on_heard(void *data, unsigned ready)
{
	(void)data;
	(void)ready;
	has_heard = true;
	loop_stop(loop);
}

static void on_late(void *data)
{
	(void)data;
	loop_stop(loop);
}

static void on_end(void *data, const struct notify_reply *reply, const struct err *err)
{
	(void)data;
	(void)reply;
	ended += err && err->code == ERR_CANCELLED;
}

START_TEST(party_that_says_nothing_keeps_no_other_waiting)
{
	struct notify_message message = {
		.party = "silent", .id = "i", .type = "after", .body = ""
	};
	char silent_url[64], other_url[64];
	int silent = listen_here(silent_url), other = listen_here(other_url);
	struct loop_watch *watch;
	struct loop_timer *late;
	struct notify *notify;
	struct err err;

	ck_assert(file_write(secret, KEY, strlen(KEY), 0600, &err));
	add_silent("silent", silent_url);
	add_silent("other", other_url);
	has_heard = false;
	ended = 0;
	loop = loop_new();
	notify = notify_new(loop, TAKE_PTR(parties), &err);
	ck_assert_ptr_nonnull(notify);
	watch = loop_watch_new(loop, other, on_heard, NULL);
	loop_watch_set(watch, LOOP_READ);
	late = loop_timer_new(loop, on_late, NULL);
	loop_timer_start(late, 15000);
	for (size_t i = 0; i < SILENT_NOTICES; i++)
		notify_send(notify, &message, on_end, NULL);
	message.party = "other";
	notify_send(notify, &message, on_end, NULL);
	loop_run(loop);
	ck_assert(has_heard);
	loop_watch_free(watch);
	loop_timer_free(late);
	notify_free(notify);
	ck_assert_uint_eq(ended, SILENT_NOTICES + 1);
	loop_free(loop);
	close(silent);
	close(other);
}
END_TEST

Suite *suite(void)
{
	Suite *suite = suite_create("notify");
	TCase *tc = tcase_create("notify");

	tcase_add_checked_fixture(tc, set_up, tear_down);
	tcase_add_test(tc, signature_is_that_of_the_published_vector);
	tcase_add_test(tc, two_keys_make_two_signatures);
	tcase_add_loop_test(tc, bad_secret_is_refused_in_words, 0, (int)ARRAY_LEN(bad_secrets));
	tcase_add_test(tc, secret_that_is_no_file_is_refused);
	tcase_add_test(tc, missing_ca_file_is_refused);
	tcase_add_test(tc, long_answer_is_not_read);
	tcase_add_test(tc, reason_of_any_length_and_kind_is_borne);
	tcase_set_timeout(tc, 240);
	tcase_add_test(tc, party_that_says_nothing_keeps_no_other_waiting);
	suite_add_tcase(suite, tc);
	return suite;
}
