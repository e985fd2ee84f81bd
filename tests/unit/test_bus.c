/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <stdio.h>
#include <string.h>

#include "base/bus.h"
#include "base/mem.h"
#include "check_main.h"

static struct bus *bus;
static size_t heard;
static uint64_t lost;
static struct bus_about last_about;
static char last_id[64];
static char last_json[128];

static void setup(void)
{
	bus = bus_new();
	heard = 0;
}

static void teardown(void)
{
	bus_free(bus);
}

static void note(void *data, const struct bus_event *event)
{
	(void)data;
	heard++;
	snprintf(last_id, sizeof(last_id), "%s", event->id);
	snprintf(last_json, sizeof(last_json), "%s", event->json);
	last_about = *event->about;
}

static void publish(int number)
{
	struct json_object *obj = json_object_new_object();

	json_add_int(obj, "n", number);
	bus_publish(bus, "vm", obj);
}

/* A listener without an id wants only the events from now on. */
START_TEST(listener_new_hears_only_what_follows)
{
	struct bus_listener *listener;

	publish(1);
	ck_assert_int_eq(bus_gap_after(bus, NULL, &lost), BUS_GAP_NONE);
	listener = bus_listen(bus, NULL, note, NULL);
	ck_assert_uint_eq(heard, 0);
	publish(2);
	ck_assert_uint_eq(heard, 1);
	ck_assert_str_eq(last_json, "{\"n\":2}");
	bus_unlisten(listener);
}
END_TEST

/* A listener that was away hears each missed event once. */
START_TEST(listener_returning_hears_what_it_missed)
{
	struct bus_listener *listener;
	char seen[64];

	listener = bus_listen(bus, NULL, note, NULL);
	publish(1);
	bus_unlisten(listener);
	snprintf(seen, sizeof(seen), "%s", last_id);
	publish(2);
	publish(3);
	heard = 0;
	ck_assert_int_eq(bus_gap_after(bus, seen, &lost), BUS_GAP_NONE);
	listener = bus_listen(bus, seen, note, NULL);
	ck_assert_uint_eq(heard, 2);
	bus_unlisten(listener);
}
END_TEST

/* More was missed than is kept: the listener must be told to read again. */
START_TEST(listener_away_too_long_is_told_of_the_gap)
{
	struct bus_listener *listener;
	char seen[64];

	listener = bus_listen(bus, NULL, note, NULL);
	publish(0);
	bus_unlisten(listener);
	snprintf(seen, sizeof(seen), "%s", last_id);
	for (int i = 1; i <= BUS_KEEP + 1; i++)
		publish(i);
	heard = 0;
	ck_assert_int_eq(bus_gap_after(bus, seen, &lost), BUS_GAP_OVERFLOW);
	ck_assert_uint_eq(lost, 1);
	listener = bus_listen(bus, seen, note, NULL);
	ck_assert_uint_eq(heard, BUS_KEEP);
	bus_unlisten(listener);
}
END_TEST

/* An id of the daemon's former run, or a made-up one, is a gap and no error. */
START_TEST(listener_with_foreign_id_is_told_of_the_gap)
{
	static const struct {
		const char *id;
		enum bus_gap gap;
	} cases[] = { { "1-1", BUS_GAP_RESTART },
		      { "noise", BUS_GAP_UNKNOWN },
		      { "", BUS_GAP_UNKNOWN },
		      { "99999999999999999999-1", BUS_GAP_UNKNOWN },
		      { "-", BUS_GAP_UNKNOWN } };

	publish(1);
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct bus_listener *listener;

		heard = 0;
		ck_assert_msg(bus_gap_after(bus, cases[i].id, &lost) == cases[i].gap, "id '%s'",
			      cases[i].id);
		listener = bus_listen(bus, cases[i].id, note, NULL);
		ck_assert_uint_eq(heard, 1);
		bus_unlisten(listener);
	}
}
END_TEST

/* Who reads a list and then listens from its position must hear what comes between, also when
 * nothing has happened yet. */
START_TEST(position_is_that_of_the_last_event)
{
	char position[BUS_ID_SIZE];

	for (int i = 0; i < 2; i++) {
		struct bus_listener *listener;

		bus_position(bus, position);
		ck_assert_int_eq(bus_gap_after(bus, position, &lost), BUS_GAP_NONE);
		publish(i);
		heard = 0;
		listener = bus_listen(bus, position, note, NULL);
		ck_assert_uint_eq(heard, 1);
		bus_unlisten(listener);
	}
}
END_TEST

START_TEST(event_says_what_it_is_about)
{
	struct bus_listener *listener = bus_listen(bus, NULL, note, NULL);
	struct json_object *move = json_object_new_object(), *vm = json_object_new_object();

	json_add_str(move, "id", "m1");
	json_add_str(move, "vm", "v1");
	json_add_str(move, "source", "a");
	json_add_str(move, "destination", "b");
	bus_publish(bus, "move", move);
	ck_assert_str_eq(last_about.vm, "v1");
	ck_assert_str_eq(last_about.move, "m1");
	ck_assert_str_eq(last_about.hosts[1], "a");
	ck_assert_str_eq(last_about.hosts[2], "b");
	json_add_str(vm, "name", "v2");
	json_add_str(vm, "id", "m1");
	json_add_str(vm, "host", "c");
	json_add_str(vm, "elsewhere", NULL);
	bus_publish(bus, "vm", vm);
	ck_assert_str_eq(last_about.vm, "v2");
	ck_assert_str_eq(last_about.move, "");
	ck_assert_str_eq(last_about.hosts[0], "c");
	ck_assert_str_eq(last_about.hosts[4], "");
	bus_unlisten(listener);
}
END_TEST

Suite *suite(void)
{
	Suite *s = suite_create("bus");
	TCase *tc = tcase_create("bus");

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, listener_new_hears_only_what_follows);
	tcase_add_test(tc, listener_returning_hears_what_it_missed);
	tcase_add_test(tc, listener_away_too_long_is_told_of_the_gap);
	tcase_add_test(tc, listener_with_foreign_id_is_told_of_the_gap);
	tcase_add_test(tc, position_is_that_of_the_last_event);
	tcase_add_test(tc, event_says_what_it_is_about);
	suite_add_tcase(s, tc);
	return s;
}
