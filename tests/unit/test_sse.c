/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Server-sent events are the same wherever the network cuts them. */
#include <string.h>

#include "agents/lib/sse.h"
#include "base/mem.h"
#include "tests/lib/check_main.h"

static struct sse sse;
static struct strbuf seen; /* "type|data|id;" for each event */
static struct err err;

static void note(void *data, const struct sse_event *event)
{
	ck_assert_ptr_eq(data, &sse);
	ck_assert_uint_eq(strlen(event->data), event->data_len);
	strbuf_addf(&seen, "%s|%s|%s;", event->type, event->data, event->id);
}

static void setup(void)
{
	sse_init(&sse, note, &sse);
	err.code = ERR_NONE;
}

static void teardown(void)
{
	sse_fini(&sse);
	strbuf_fini(&seen);
}

static void feed(const char *text)
{
	ck_assert_msg(sse_feed(&sse, text, strlen(text), &err), "%s", err.msg);
}

/* Each row is a stream and the events that it gives. */
static const struct {
	const char *stream, *events;
} streams[] = {
	{ "data: x\n\n", "message|x|;" },
	{ "event: move\nid: 7\ndata: {\"a\":1}\n\n", "move|{\"a\":1}|7;" },
	{ "data: x\r\n\r\n", "message|x|;" },
	{ "data: x\r\rdata: y\r\r", "message|x|;message|y|;" },
	{ "data: 1\ndata: 2\ndata:3\n\n", "message|1\n2\n3|;" },
	{ ": comment\n\ndata: x\n\n", "message|x|;" },
	{ "event: lost\n\ndata: x\n\n", "message|x|;" },
	{ "id: 1\ndata: a\n\ndata: b\n\nid\ndata: c\n\n", "message|a|1;message|b|1;message|c|;" },
	{ "data\n\n", "message||;" },
	{ "data:  two\n\n", "message| two|;" },
	{ "retry: 100\nunknown: 1\ndata: x\n\n", "message|x|;" },
	{ "\xef\xbb\xbf"
	  "data: x\n\n",
	  "message|x|;" },
	{ "\xef\xbb"
	  "data: x\n\n",
	  "" }, /* half a byte order mark belongs to the field's name */
	{ "data: cut off", "" },
	{ "data: no empty line\n", "" },
	{ "", "" },
};

START_TEST(whole_stream_gives_its_events)
{
	feed(streams[_i].stream);
	ck_assert_str_eq(strbuf_str(&seen), streams[_i].events);
}
END_TEST

/* TCP cuts where it likes: the result must not depend on it. */
START_TEST(split_anywhere_gives_same_events)
{
	size_t len = strlen(streams[_i].stream);

	for (size_t cut = 0; cut <= len; cut++) {
		ck_assert(sse_feed(&sse, streams[_i].stream, cut, &err));
		ck_assert(sse_feed(&sse, streams[_i].stream + cut, len - cut, &err));
		ck_assert_str_eq(strbuf_str(&seen), streams[_i].events);
		teardown();
		setup();
	}
	for (size_t i = 0; i < len; i++)
		ck_assert(sse_feed(&sse, streams[_i].stream + i, 1, &err));
	ck_assert_str_eq(strbuf_str(&seen), streams[_i].events);
}
END_TEST

/* An id is sent back as a header: a NUL would cut it. */
START_TEST(id_with_nul_ignored)
{
	static const char stream[] = "id: 1\n\nid: 2\0x\ndata: d\n\n";

	ck_assert(sse_feed(&sse, stream, sizeof(stream) - 1, &err));
	ck_assert_str_eq(strbuf_str(&seen), "message|d|1;");
}
END_TEST

/* A faulty peer must not fill the memory. */
START_TEST(endless_line_refused)
{
	CLEANUP(free_charp) char *chunk = xcalloc(1, 65536);
	size_t fed = 0;

	memset(chunk, 'a', 65536);
	while (fed <= SSE_EVENT_MAX_BYTES && sse_feed(&sse, chunk, 65536, &err))
		fed += 65536;
	ck_assert_uint_eq(fed, SSE_EVENT_MAX_BYTES);
	ck_assert_int_eq(err.code, ERR_TOO_LARGE);
}
END_TEST

START_TEST(endless_event_refused)
{
	size_t fed = 0;

	while (fed <= 2 * SSE_EVENT_MAX_BYTES && sse_feed(&sse, "data: 0123456789\n", 17, &err))
		fed += 11;
	ck_assert_uint_lt(fed, SSE_EVENT_MAX_BYTES + 11);
	ck_assert_int_eq(err.code, ERR_TOO_LARGE);
}
END_TEST

START_TEST(long_id_refused)
{
	char line[SSE_ID_MAX_BYTES + 8];

	snprintf(line, sizeof(line), "id: %0*d\n", (int)SSE_ID_MAX_BYTES + 1, 0);
	ck_assert(!sse_feed(&sse, line, strlen(line), &err));
	ck_assert_int_eq(err.code, ERR_TOO_LARGE);
}
END_TEST

Suite *suite(void)
{
	Suite *s = suite_create("sse");
	TCase *tc = tcase_create("sse");

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_loop_test(tc, whole_stream_gives_its_events, 0, ARRAY_LEN(streams));
	tcase_add_loop_test(tc, split_anywhere_gives_same_events, 0, ARRAY_LEN(streams));
	tcase_add_test(tc, id_with_nul_ignored);
	tcase_add_test(tc, endless_line_refused);
	tcase_add_test(tc, endless_event_refused);
	tcase_add_test(tc, long_id_refused);
	suite_add_tcase(s, tc);
	return s;
}
