/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Replies and events in any order, in any pieces, late, twice, to no command, and cut off. */
#include "tests/lib/check_main.h"
#include "tests/lib/qmp_rig.h"

/* ---- the known defect ---------------------------------------------------- */

/* Waits for one answer, and is freed by it, so that a second answer would use freed memory. */
struct waiter {
	char *name;
	struct json_object *answer;
};
static unsigned answered_count;

static void on_answer(void *data, struct json_object *result, const struct err *err)
{
	struct waiter *waiter = data;

	ck_assert(!err);
	answered_count++;
	waiter->answer = json_object_get(result); /* writes through the address it was given */
	strbuf_addf(&trace, "%s=%s;", waiter->name, json_object_to_json_string(waiter->answer));
	json_object_put(waiter->answer);
	free(waiter->name);
	free(waiter);
}

static void ask_for_waiter(const char *name)
{
	struct waiter *waiter = xnew(struct waiter);

	waiter->name = xstrdup(name);
	qmp_command(conn, name, NULL, 1000, on_answer, waiter);
}

/* An event's handler that asks new questions, so that memory that was freed is in use again. */
static void on_event_ask(void *data, const struct qmp_event *event)
{
	(void)data;
	strbuf_addf(&trace, "event %s;", event->name);
	ask_for_waiter("query-status");
	ask_for_waiter("query-block");
}

/* In libvirt the thread that reads keeps the address of the present command; an
 * event's handler between two replies of one read drops the lock, who waited for
 * the first reply wakes and frees the command, and the second reply is written
 * through the dead address.  Here a reply finds its command by id or not at all. */
START_TEST(libvirt_defect_two_replies_with_an_event_handler_between_touch_nothing_freed)
{
	const struct qmp_callbacks cb = { on_ready, on_event_ask, on_closed, NULL };
	char *id, *text;

	open_with(&cb);
	greet_and_run(true);
	ask_for_waiter("stop");
	loop_sim_run(loop);
	id = xstrdup(json_get_str(fake_monitor_last(fm, "stop"), "id"));
	text = xasprintf("{\"return\": 1, \"id\": \"%s\"}\r\n"
			 "{\"event\": \"STOP\"}\r\n"
			 "{\"return\": 2, \"id\": \"%s\"}\r\n"
			 "{\"error\": {\"desc\": \"three\"}, \"id\": \"%s\"}\r\n",
			 id, id, id);
	fake_monitor_send(fm, text); /* one read gets both */
	loop_sim_run(loop);
	assert_trace("stop=1;event STOP;");
	fake_monitor_reply(fm, "query-block", "5");
	fake_monitor_reply(fm, "query-status", "4");
	loop_sim_run(loop);
	assert_trace("stop=1;event STOP;query-block=5;query-status=4;");
	ck_assert_uint_eq(answered_count, 3);
	ck_assert_uint_eq(closed_count, 0);
	free(id);
	free(text);
}
END_TEST

/* ---- floods ---------------------------------------------------------------- */

static unsigned flood_seen;

static void on_flood_event(void *data, const struct qmp_event *event)
{
	(void)data;
	(void)event;
	flood_seen++;
}

/* A hostile QEMU may fill its own monitor, but not use up the loop's time: it is read at a
 * bounded pace, and nothing is lost. */
START_TEST(events_flood_is_read_at_a_bounded_pace_and_wholly)
{
	const struct qmp_callbacks cb = { on_ready, on_flood_event, on_closed, NULL };
	struct strbuf flood = STRBUF_INIT;
	enum { EVENTS = 1000 };

	flood_seen = 0;
	open_with(&cb);
	greet_and_run(true);
	qmp_command(conn, "stop", NULL, 10000, on_reply, NAME("stop"));
	loop_sim_run(loop);
	for (int i = 0; i < EVENTS; i++)
		strbuf_adds(&flood, "{\"event\": \"RTC_CHANGE\"}\r\n");
	fake_monitor_send(fm, strbuf_str(&flood));
	fake_monitor_reply(fm, "stop", "1");
	loop_sim_run(loop);
	ck_assert_uint_gt(flood_seen, 0);
	ck_assert_uint_lt(flood_seen, EVENTS / 3);
	assert_trace("");
	loop_sim_advance_ms(loop, 1000);
	ck_assert_uint_lt(flood_seen, EVENTS / 2);
	loop_sim_advance_ms(loop, 2000);
	ck_assert_uint_lt(flood_seen, EVENTS);
	loop_sim_advance_ms(loop, 1000);
	ck_assert_uint_eq(flood_seen, EVENTS);
	assert_trace("stop=1;");
	ck_assert_uint_eq(closed_count, 0);
	strbuf_fini(&flood);
}
END_TEST

/* Each event comes a little after the time that an event may cost: none has to wait. */
START_TEST(events_within_the_pace_are_read_at_once)
{
	const struct qmp_callbacks cb = { on_ready, on_flood_event, on_closed, NULL };

	flood_seen = 0;
	open_with(&cb);
	greet_and_run(true);
	for (unsigned i = 1; i <= 500; i++) {
		fake_monitor_send(fm, "{\"event\": \"RTC_CHANGE\"}\r\n");
		loop_sim_run(loop);
		ck_assert_uint_eq(flood_seen, i);
		loop_sim_advance_ms(loop, 6);
	}
}
END_TEST

/* ---- any order ------------------------------------------------------------- */

#define COMMANDS  40
#define LINES_MAX 200
#define SEEDS     200

static unsigned answers[COMMANDS];
static enum err_code codes[COMMANDS];
static unsigned events_seen;

static void on_numbered(void *data, struct json_object *result, const struct err *err)
{
	unsigned number = (unsigned)(uintptr_t)data;

	answers[number]++;
	codes[number] = err ? err->code : ERR_NONE;
	if (!err)
		ck_assert_uint_eq((unsigned)json_object_get_int(result), number);
}

/* Events keep their order, whatever comes between them. */
static void on_numbered_event(void *data, const struct qmp_event *event)
{
	(void)data;
	ck_assert_int_eq(json_get_int(event->data, "number", -1), (int64_t)events_seen);
	events_seen++;
}

static const struct qmp_callbacks numbered = { on_ready, on_numbered_event, on_closed, NULL };

static void ask_numbered(unsigned number)
{
	char name[16];

	snprintf(name, sizeof(name), "c%u", number);
	qmp_command(conn, name, NULL, 1000, on_numbered, (void *)(uintptr_t)number);
}

struct lines {
	char *text[LINES_MAX];
	size_t count;
	unsigned seed;
};

static void lines_add(struct lines *lines, char *text)
{
	ck_assert_uint_lt(lines->count, LINES_MAX);
	lines->text[lines->count++] = text;
}

static void lines_shuffle(struct lines *lines)
{
	for (size_t i = lines->count; i > 1; i--) {
		size_t k = (size_t)rand_r(&lines->seed) % i;
		char *text = lines->text[k];

		lines->text[k] = lines->text[i - 1];
		lines->text[i - 1] = text;
	}
}

static char *reply_to(struct json_object *message)
{
	const char *name = json_get_str(message, "execute");

	return xasprintf("{\"return\": %s, \"id\": \"%s\"}\r\n", name + 1,
			 json_get_str(message, "id"));
}

static void say_lines(struct lines *lines, unsigned *events_said)
{
	char event[80];

	for (size_t i = 0; i < lines->count; i++) {
		if (rand_r(&lines->seed) % 3 == 0) {
			snprintf(event, sizeof(event), "{\"number\": %u}", (*events_said)++);
			fake_monitor_event(fm, "NEWS", event);
		}
		fake_monitor_send(fm, lines->text[i]);
		free(lines->text[i]);
	}
	lines->count = 0;
}

/* Replies to every command that was heard and not yet replied to, to some of them twice, and
 * to unknown ones, in a random order. */
static void reply_to_all(struct lines *lines, size_t *heard, unsigned *events_said)
{
	for (; *heard < fake_monitor_heard(fm); (*heard)++) {
		struct json_object *message = fake_monitor_message(fm, *heard);

		if (json_get_str(message, "execute")[0] != 'c')
			continue;
		lines_add(lines, reply_to(message));
		if (rand_r(&lines->seed) % 4 == 0)
			lines_add(lines, reply_to(message));
		if (rand_r(&lines->seed) % 4 == 0)
			lines_add(lines, xstrdup("{\"return\": 99, \"id\": \"who-0\"}\r\n"));
	}
	lines_shuffle(lines);
	say_lines(lines, events_said);
}

static void reset_counts(void)
{
	memset(answers, 0, sizeof(answers));
	events_seen = 0;
	strbuf_clear(&trace);
}

static void converse(unsigned seed)
{
	struct lines lines = { .seed = seed };
	unsigned asked = 0, events_said = 0;
	size_t heard = 0;

	reset_counts();
	open_with(&numbered);
	greet_and_run(true);
	fake_monitor_split(fm, seed % 2 ? seed : 0);
	while (asked < COMMANDS || heard < fake_monitor_heard(fm)) {
		for (unsigned n = (unsigned)rand_r(&lines.seed) % 6; n && asked < COMMANDS; n--)
			ask_numbered(asked++);
		loop_sim_run(loop);
		reply_to_all(&lines, &heard, &events_said);
		loop_sim_run(loop);
	}
	for (unsigned i = 0; i < COMMANDS; i++)
		ck_assert_msg(answers[i] == 1 && codes[i] == ERR_NONE, "seed %u: c%u: %u, %s", seed,
			      i, answers[i], err_name(codes[i]));
	ck_assert_uint_eq(events_seen, events_said);
	assert_trace("");
}

START_TEST(any_order_any_pieces_each_answer_finds_its_command_once)
{
	for (unsigned seed = 1; seed <= SEEDS; seed++)
		converse(seed);
}
END_TEST

/* A caller that gave up is not answered again, a later one is. */
START_TEST(late_replies_in_any_order_among_new_ones_are_nobodys)
{
	struct lines lines = { .seed = (unsigned)_i + 1 };
	unsigned events_said = 0;
	size_t heard = 0;

	open_with(&numbered);
	greet_and_run(true);
	for (unsigned i = 0; i < 4; i++)
		ask_numbered(i);
	loop_sim_advance_ms(loop, 1000);
	for (unsigned i = 4; i < 8; i++)
		ask_numbered(i);
	for (unsigned round = 0; round < 4; round++) {
		loop_sim_run(loop);
		reply_to_all(&lines, &heard, &events_said);
	}
	loop_sim_run(loop);
	for (unsigned i = 0; i < 8; i++) {
		ck_assert_uint_eq(answers[i], 1);
		ck_assert_int_eq(codes[i], i < 4 ? ERR_TIMEOUT : ERR_NONE);
	}
}
END_TEST

/* ---- cut off ------------------------------------------------------------------ */

/* The end may come after any byte: every caller is answered once, and the end is reported. */
START_TEST(monitor_closes_after_any_byte_everyone_is_answered_once)
{
	char *text, *ids[3], name[4];
	size_t len = 1;

	for (size_t cut = 0; cut < len; cut++) {
		reset_counts();
		closed_count = 0;
		open_with(&numbered);
		greet_and_run(true);
		for (unsigned i = 0; i < 3; i++)
			ask_numbered(i);
		loop_sim_run(loop);
		for (unsigned i = 0; i < 3; i++) {
			snprintf(name, sizeof(name), "c%u", i);
			ids[i] = reply_to(fake_monitor_last(fm, name));
		}
		text = xasprintf("%s{\"event\": \"NEWS\", \"data\": {\"number\": 0}}\r\n%s%s",
				 ids[0], ids[1], ids[2]);
		len = strlen(text);
		fake_monitor_send_bytes(fm, text, cut);
		fake_monitor_close(fm);
		loop_sim_run(loop);
		for (unsigned i = 0; i < 3; i++) {
			ck_assert_uint_eq(answers[i], 1);
			ck_assert(codes[i] == ERR_NONE || codes[i] == ERR_UNAVAILABLE);
			free(ids[i]);
		}
		ck_assert_uint_eq(closed_count, 1);
		free(text);
	}
	ck_assert_uint_gt(len, 100);
}
END_TEST

Suite *suite(void)
{
	Suite *s = suite_create("qmp_conn_order");
	TCase *tc = cases(s, "order", setup);

	tcase_add_test(
		tc, libvirt_defect_two_replies_with_an_event_handler_between_touch_nothing_freed);
	tcase_add_test(tc, events_flood_is_read_at_a_bounded_pace_and_wholly);
	tcase_add_test(tc, events_within_the_pace_are_read_at_once);
	tcase_add_test(tc, any_order_any_pieces_each_answer_finds_its_command_once);
	tcase_add_loop_test(tc, late_replies_in_any_order_among_new_ones_are_nobodys, 0, 20);
	tcase_add_test(tc, monitor_closes_after_any_byte_everyone_is_answered_once);
	return s;
}
