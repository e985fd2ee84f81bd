/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "qmp/codec.h"

#include "base/mem.h"
#include "tests/lib/check_main.h"
#include "tests/lib/recording.h"

static struct qmp_codec codec;
static struct qmp_msg msg;
static struct err err;

static void setup(void)
{
	qmp_codec_init(&codec, QMP_LINE_MAX_BYTES);
	msg = (struct qmp_msg){ .kind = QMP_MSG_OTHER };
	err = (struct err){ .code = ERR_NONE };
}

static void teardown(void)
{
	qmp_msg_release(&msg);
	qmp_codec_fini(&codec);
}

static enum qmp_codec_result feed(const char *text)
{
	qmp_msg_release(&msg);
	qmp_codec_feed(&codec, text, strlen(text));
	return qmp_codec_next(&codec, &msg, &err);
}

/* Describes each message in one line, so that two readings can be compared. */
static void describe(struct strbuf *sb)
{
	enum qmp_codec_result result;

	while ((result = qmp_codec_next(&codec, &msg, &err)) == QMP_CODEC_MSG) {
		strbuf_addf(sb, "%d id=%s name=%s text=%s at=%lld body=%s\n", (int)msg.kind,
			    msg.id ? msg.id : "-", msg.name ? msg.name : "-",
			    msg.text ? msg.text : "-", (long long)msg.time_us,
			    msg.body ? json_object_to_json_string(msg.body) : "-");
		qmp_msg_release(&msg);
	}
	if (result == QMP_CODEC_BROKEN)
		strbuf_adds(sb, "broken\n");
}

/* ---- messages ---------------------------------------------------------- */

START_TEST(greeting_is_known_by_its_member)
{
	ck_assert_int_eq(feed("{\"QMP\": {\"version\": {}, \"capabilities\": []}}\r\n"),
			 QMP_CODEC_MSG);
	ck_assert_int_eq(msg.kind, QMP_MSG_GREETING);
	ck_assert_ptr_nonnull(msg.body);
}
END_TEST

START_TEST(return_has_its_id_and_body)
{
	ck_assert_int_eq(feed("{\"return\": {\"status\": \"running\"}, \"id\": \"x-7\"}\n"),
			 QMP_CODEC_MSG);
	ck_assert_int_eq(msg.kind, QMP_MSG_RETURN);
	ck_assert_str_eq(msg.id, "x-7");
	ck_assert_str_eq(json_get_str(msg.body, "status"), "running");
}
END_TEST

/* Our ids are strings, so a number is another client's id and must not match. */
START_TEST(return_with_number_id_has_no_id)
{
	ck_assert_int_eq(feed("{\"return\": [], \"id\": 7}\n"), QMP_CODEC_MSG);
	ck_assert_int_eq(msg.kind, QMP_MSG_RETURN);
	ck_assert_ptr_null(msg.id);
}
END_TEST

START_TEST(error_has_class_and_words)
{
	feed("{\"id\": \"a\", \"error\": {\"class\": \"DeviceNotFound\", \"desc\": \"no 'x'\"}}\n");
	ck_assert_int_eq(msg.kind, QMP_MSG_ERROR);
	ck_assert_str_eq(msg.name, "DeviceNotFound");
	ck_assert_str_eq(msg.text, "no 'x'");
}
END_TEST

START_TEST(error_without_words_has_some)
{
	feed("{\"error\": {}}\n");
	ck_assert_int_eq(msg.kind, QMP_MSG_ERROR);
	ck_assert_str_eq(msg.name, "GenericError");
	ck_assert_str_eq(msg.text, "(no reason given)");
}
END_TEST

START_TEST(event_has_name_data_and_time)
{
	feed("{\"timestamp\": {\"seconds\": 1700000000, \"microseconds\": 25}, "
	     "\"event\": \"MIGRATION\", \"data\": {\"status\": \"active\"}}\n");
	ck_assert_int_eq(msg.kind, QMP_MSG_EVENT);
	ck_assert_str_eq(msg.name, "MIGRATION");
	ck_assert_str_eq(json_get_str(msg.body, "status"), "active");
	ck_assert_int_eq(msg.time_us, 1700000000000025);
}
END_TEST

/* QEMU writes -1 when its host clock fails; absurd numbers must not overflow. */
START_TEST(event_with_bad_time_has_none)
{
	feed("{\"timestamp\": {\"seconds\": -1, \"microseconds\": -1}, \"event\": \"STOP\"}\n");
	ck_assert_int_eq(msg.time_us, 0);
	ck_assert_ptr_null(msg.body);
	feed("{\"timestamp\": {\"seconds\": 9223372036854775807}, \"event\": \"STOP\"}\n");
	ck_assert_int_eq(msg.time_us, 0);
}
END_TEST

/* A newer QEMU may send unknown objects. */
START_TEST(unknown_object_is_other)
{
	ck_assert_int_eq(feed("{\"news\": 1}\n"), QMP_CODEC_MSG);
	ck_assert_int_eq(msg.kind, QMP_MSG_OTHER);
}
END_TEST

START_TEST(blank_lines_are_skipped)
{
	ck_assert_int_eq(feed("\r\n \t\n\n"), QMP_CODEC_MORE);
	ck_assert_int_eq(feed("\n{\"return\": {}}\r\n"), QMP_CODEC_MSG);
	ck_assert_int_eq(msg.kind, QMP_MSG_RETURN);
}
END_TEST

/* ---- rules ------------------------------------------------------------- */

static const char *const not_messages[] = {
	"hello\n",
	"{\n",
	"[]\n",
	"\"text\"\n",
	"12\n",
	"null\n",
	"{} {}\n",
	"{\"a\": 1, \"a\": 2}\n",
	"{\"a\": \"\xff\"}\n",
	"{\"a\": nan}\n",
	"HTTP/1.1 400 Bad Request\r\n",
};

/* A line that is not QMP breaks the stream, and nothing after it counts. */
START_TEST(line_not_a_json_object_breaks_the_stream)
{
	ck_assert_int_eq(feed(not_messages[_i]), QMP_CODEC_BROKEN);
	ck_assert_int_eq(err.code, ERR_INVALID);
	ck_assert_int_eq(feed("{\"return\": {}}\n"), QMP_CODEC_BROKEN);
}
END_TEST

START_TEST(nul_byte_breaks_the_stream)
{
	qmp_codec_feed(&codec, "{\"return\": {}}\0\n", 16);
	ck_assert_int_eq(qmp_codec_next(&codec, &msg, &err), QMP_CODEC_BROKEN);
}
END_TEST

START_TEST(line_at_limit_is_read_and_one_byte_more_is_not)
{
	char line[65] = "{\"return\": \"";

	memset(line + 12, 'x', 50);
	memcpy(line + 62, "\"}", 3);
	codec.max_line_bytes = 64;
	feed(line);
	ck_assert_int_eq(feed("\n"), QMP_CODEC_MSG);
	codec.max_line_bytes = 63;
	ck_assert_int_eq(feed(line), QMP_CODEC_BROKEN);
	ck_assert_ptr_nonnull(strstr(err.msg, "63"));
	ck_assert_int_eq(feed("\n"), QMP_CODEC_BROKEN);
}
END_TEST

/* The limit holds even when the line's end came with it, so that the cuts between reads do not
 * matter. */
START_TEST(line_over_limit_fed_whole_breaks)
{
	codec.max_line_bytes = 14;
	ck_assert_int_eq(feed("{\"return\": {}}\n"), QMP_CODEC_MSG);
	codec.max_line_bytes = 13;
	ck_assert_int_eq(feed("{\"return\": {}}\n"), QMP_CODEC_BROKEN);
}
END_TEST

/* The other end may never send a line end: memory must not grow with its bytes. */
START_TEST(endless_line_breaks_and_holds_no_memory)
{
	static char noise[1 << 16];
	enum qmp_codec_result result = QMP_CODEC_MORE;

	memset(noise, '{', sizeof(noise));
	for (unsigned i = 0; i < 1000; i++) {
		qmp_codec_feed(&codec, noise, sizeof(noise));
		result = qmp_codec_next(&codec, &msg, &err);
		ck_assert_uint_le(codec.buf.size, 2 * (QMP_LINE_MAX_BYTES + sizeof(noise)));
	}
	ck_assert_int_eq(result, QMP_CODEC_BROKEN);
	ck_assert_uint_eq(codec.buf.size, 0);
}
END_TEST

/* Sixteen megabytes of "[]," would become gigabytes of parsed values. */
START_TEST(line_of_too_many_values_breaks)
{
	struct strbuf sb = STRBUF_INIT;

	strbuf_adds(&sb, "{\"return\": [0");
	for (unsigned i = 0; i < 300000; i++)
		strbuf_adds(&sb, ",[]");
	strbuf_adds(&sb, "]}\n");
	ck_assert_int_eq(feed(strbuf_str(&sb)), QMP_CODEC_BROKEN);
	strbuf_fini(&sb);
}
END_TEST

START_TEST(deep_nesting_breaks)
{
	struct strbuf sb = STRBUF_INIT;

	strbuf_adds(&sb, "{\"return\": ");
	for (unsigned i = 0; i < 100000; i++)
		strbuf_adds(&sb, "[");
	strbuf_adds(&sb, "\n");
	ck_assert_int_eq(feed(strbuf_str(&sb)), QMP_CODEC_BROKEN);
	strbuf_fini(&sb);
}
END_TEST

/* ---- splitting --------------------------------------------------------- */

/* A line that comes byte by byte is scanned once, not again for each byte. */
START_TEST(trickling_line_is_read)
{
	const char *line = "{\"return\": {\"a\": [1, 2]}, \"id\": \"q\"}\r\n";

	for (const char *p = line; p[1]; p++) {
		qmp_codec_feed(&codec, p, 1);
		ck_assert_int_eq(qmp_codec_next(&codec, &msg, &err), QMP_CODEC_MORE);
	}
	ck_assert_int_eq(feed("\n"), QMP_CODEC_MSG);
	ck_assert_str_eq(msg.id, "q");
}
END_TEST

static char *read_in_pieces(const char *text, unsigned seed)
{
	struct strbuf sb = STRBUF_INIT;
	size_t len = strlen(text), n;

	teardown();
	setup();
	for (size_t at = 0; at < len; at += n) {
		n = 1 + (seed ? (size_t)rand_r(&seed) % (rand_r(&seed) % 8 ? 40 : 2000) : len);
		n = n < len - at ? n : len - at;
		qmp_codec_feed(&codec, text + at, n);
		describe(&sb);
	}
	return strbuf_take(&sb);
}

/* The messages must not depend on how the kernel cuts the bytes. */
START_TEST(recorded_bytes_cut_anywhere_read_the_same)
{
	struct recording rec;
	char *said, *whole, *pieces;

	recording_load(&rec, recording_names[_i]);
	said = recording_said(&rec);
	whole = read_in_pieces(said, 0);
	ck_assert_ptr_nonnull(strstr(whole, "id=rec-1 "));
	ck_assert_ptr_null(strstr(whole, "broken"));
	for (unsigned seed = 1; seed <= 150; seed++) {
		pieces = read_in_pieces(said, seed);
		ck_assert_str_eq(pieces, whole);
		free(pieces);
	}
	free(whole);
	free(said);
	recording_fini(&rec);
}
END_TEST

/* ---- commands ---------------------------------------------------------- */

START_TEST(command_is_one_line_with_its_id)
{
	struct json_object *args = json_object_new_object();
	char *text;

	json_add_str(args, "uri", "unix:/run/a\nb");
	text = qmp_codec_command("migrate", args, "t-1", false);
	ck_assert_str_eq(text, "{\"execute\":\"migrate\",\"arguments\":"
			       "{\"uri\":\"unix:/run/a\\nb\"},\"id\":\"t-1\"}\n");
	free(text);
	ck_assert_int_eq(json_object_put(args), 1); /* encoding only borrowed it */
	text = qmp_codec_command("yank", NULL, "t-2", true);
	ck_assert_str_eq(text, "{\"exec-oob\":\"yank\",\"id\":\"t-2\"}\n");
	free(text);
}
END_TEST

static TCase *cases(const char *name, Suite *s)
{
	TCase *tc = tcase_create(name);

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_set_timeout(tc, 240);
	suite_add_tcase(s, tc);
	return tc;
}

Suite *suite(void)
{
	Suite *s = suite_create("qmp codec");
	TCase *tc = cases("messages", s);

	tcase_add_test(tc, greeting_is_known_by_its_member);
	tcase_add_test(tc, return_has_its_id_and_body);
	tcase_add_test(tc, return_with_number_id_has_no_id);
	tcase_add_test(tc, error_has_class_and_words);
	tcase_add_test(tc, error_without_words_has_some);
	tcase_add_test(tc, event_has_name_data_and_time);
	tcase_add_test(tc, event_with_bad_time_has_none);
	tcase_add_test(tc, unknown_object_is_other);
	tcase_add_test(tc, blank_lines_are_skipped);
	tc = cases("rules", s);
	tcase_add_loop_test(tc, line_not_a_json_object_breaks_the_stream, 0,
			    (int)ARRAY_LEN(not_messages));
	tcase_add_test(tc, nul_byte_breaks_the_stream);
	tcase_add_test(tc, line_at_limit_is_read_and_one_byte_more_is_not);
	tcase_add_test(tc, line_over_limit_fed_whole_breaks);
	tcase_add_test(tc, endless_line_breaks_and_holds_no_memory);
	tcase_add_test(tc, line_of_too_many_values_breaks);
	tcase_add_test(tc, deep_nesting_breaks);
	tc = cases("splitting", s);
	tcase_add_test(tc, trickling_line_is_read);
	tcase_add_loop_test(tc, recorded_bytes_cut_anywhere_read_the_same, 0, 7);
	tc = cases("commands", s);
	tcase_add_test(tc, command_is_one_line_with_its_id);
	return s;
}
