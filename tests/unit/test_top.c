/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The page of `migrctl top': what is shown of what was heard, at any size, and what keys do. */
#include <locale.h>
#include <stdlib.h>
#include <string.h>

#include "agents/lib/screen.h"
#include "agents/migrctl/top.h"
#include "base/mem.h"
#include "base/when.h"
#include "tests/lib/check_main.h"

#define NOW "2026-12-01T02:00:00Z"

#define HOST(id, state, guests, more)                                              \
	"{\"id\":\"" id "\",\"state\":\"" state "\",\"figures\":{\"memory_mib\":{" \
	"\"total\":5120,\"reserved\":1024,\"guests\":" guests ",\"incoming\":0},"  \
	"\"cores\":4,\"vcpus\":6,\"load\":1.25,\"guests\":3}" more "}"
#define HOSTS                                                                 \
	"{\"items\":[" HOST("a", "draining", "1024",                          \
			    "") "," HOST("b", "online", "3400",               \
					 "") "," HOST("c", "offline", "2048", \
						      ",\"trouble\":\"it does not answer\"") "]}"
#define VM(name, state, cpu)                                                                \
	"{\"name\":\"" name "\",\"state\":\"" state "\",\"cpu\":{\"percent\":" cpu "},"     \
	"\"memory\":{\"resident_bytes\":1073741824},\"disks\":[{\"read\":{\"bytes_per_s\":" \
	"1048576},\"write\":{\"bytes_per_s\":0}}],\"nics\":[]}"
#define VMS                                                                              \
	"{\"items\":[" VM("v1", "running", "12.5") "," VM("v2", "running",               \
							  "180") "," VM("v3", "stopped", \
									"null") "]}"
#define MOVE(id, vm, state, percent, more)                                              \
	"{\"id\":\"" id "\",\"vm\":\"" vm "\",\"state\":\"" state "\",\"final\":false," \
	"\"source\":\"a\",\"destination\":\"b\",\"progress\":{\"percent\":" percent     \
	",\"ram_transferred_bytes\":1048576,\"ram_remaining_bytes\":10485760,"          \
	"\"throughput_mbit_per_s\":800,\"eta_min_ms\":5300,\"eta_max_ms\":40300,"       \
	"\"sentence\":\"the guest writes 20 MiB/s of 95 MiB/s that are sent\"}" more "}"
#define ENDED(id, vm)                                                             \
	"{\"id\":\"" id "\",\"vm\":\"" vm "\",\"state\":\"done\",\"final\":true," \
	"\"source\":\"a\",\"destination\":\"b\"}"
#define EVACUATION                                                                            \
	"{\"id\":\"e1\",\"host\":\"a\",\"state\":\"draining\",\"reason\":\"guests leave\","   \
	"\"blocked_by\":\"v9\",\"counts\":{\"total\":24,\"left\":7,\"moving\":2,"             \
	"\"blocked\":1},\"expected_end\":{\"earliest\":\"2026-12-01T02:00:08.000Z\","         \
	"\"expected\":\"2026-12-01T02:00:11.000Z\",\"latest\":\"2026-12-01T02:00:31.000Z\"}," \
	"\"vms\":[{\"vm\":\"v9\",\"state\":\"blocked\",\"why\":\"no host takes it\","         \
	"\"rejected\":[{\"host\":\"b\",\"why\":\"it lacks 512 MiB of memory\"},"              \
	"{\"host\":\"c\",\"why\":\"it is offline\"}]}],\"plan\":{\"hosts\":[{\"host\":\"b\"," \
	"\"memory_percent_after\":88,\"memory_percent_worst\":96}]}}"

static struct top top;
static struct frame frame;
static struct strbuf text = STRBUF_INIT;

static struct json_object *parse(const char *json)
{
	struct faults *faults = faults_new();
	struct json_object *object = json_parse(json, strlen(json), &json_limits_default, faults);

	ck_assert_msg(object, "%s", json);
	faults_free(faults);
	return object;
}

static void setup(void)
{
	top_init(&top);
	ck_assert(when_parse(NOW, &top.now_ms));
	top_take_host(&top, parse("{\"id\":\"a\"}"));
	top_take_hosts(&top, parse(HOSTS));
	top_take_vms(&top, parse(VMS));
}

static void teardown(void)
{
	frame_fini(&frame);
	strbuf_fini(&text);
	top_fini(&top);
}

/* The page as text; it has LINES lines, none wider than COLUMNS. */
static const char *page(unsigned columns, unsigned lines)
{
	frame_fini(&frame);
	strbuf_clear(&text);
	frame_init(&frame, columns, lines);
	top_page(&top, &frame);
	if (lines != FRAME_NO_LIMIT)
		ck_assert_uint_eq(frame.count, lines);
	for (size_t i = 0; i < frame.count; i++)
		ck_assert_uint_le(frame_columns(strbuf_str(&frame.lines[i].text)), columns);
	frame_text(&frame, &text);
	return strbuf_str(&text);
}

#define assert_has(part) \
	ck_assert_msg(strstr(strbuf_str(&text), part), "no `%s' in:\n%s", part, strbuf_str(&text))
#define assert_lacks(part) \
	ck_assert_msg(!strstr(strbuf_str(&text), part), "`%s' is in:\n%s", part, strbuf_str(&text))

static const char *selected_line(void)
{
	for (size_t i = 0; i < frame.count; i++)
		if (frame.lines[i].is_selected)
			return strbuf_str(&frame.lines[i].text);
	return "";
}

static enum frame_style style_of(const char *word)
{
	for (size_t i = 0; i < frame.count; i++) {
		const struct frame_line *line = &frame.lines[i];
		const char *at = strstr(strbuf_str(&line->text), word);

		for (size_t s = 0; at && s < line->span_count; s++)
			if ((size_t)(at - line->text.data) < line->spans[s].end)
				return line->spans[s].style;
	}
	ck_abort_msg("no `%s'", word);
}

static void keys(const char *pressed)
{
	for (; *pressed; pressed++)
		top_key(&top, *pressed);
}

/* ---- what is shown ------------------------------------------------------ */

START_TEST(hosts_tell_how_full_they_are_and_why_one_takes_nothing)
{
	page(120, 24);
	assert_has("migrd a  3 hosts  3 VMs  0 moves");
	assert_has("2026-12-01T02:00:00Z");
	assert_has("[##--------]  25 %");
	assert_has("1.0 GiB of 4.0 GiB");
	assert_has("[########--]  83 %");
	assert_has("it does not answer");
	assert_lacks("AFTER");
	ck_assert_int_eq(style_of("offline"), FRAME_BAD);
	ck_assert_int_eq(style_of("[########--]"), FRAME_WARN);
}
END_TEST

START_TEST(move_has_its_percent_rate_end_and_why)
{
	top_take_move(&top, parse(MOVE("m1", "v1", "transfer", "45", "")));
	page(120, 24);
	assert_has("1 move ");
	assert_has("[####------]  45 %");
	assert_has("10.0 MiB");
	assert_has("95.4 MiB/s");
	assert_has("6 s to 41 s");
	assert_has("\n  the guest writes 20 MiB/s of 95 MiB/s that are sent");
}
END_TEST

/* A pass that finds much dirty memory makes the daemon's figure fall. */
START_TEST(percent_never_falls)
{
	top_take_move(&top, parse(MOVE("m1", "v1", "transfer", "60", "")));
	top_take_move(&top, parse(MOVE("m1", "v1", "transfer", "45", "")));
	page(120, 24);
	assert_has(" 60 %");
	top_take_moves(&top, parse("{\"items\":[" MOVE("m1", "v1", "transfer", "30", "") "]}"));
	page(120, 24);
	assert_has(" 60 %");
}
END_TEST

START_TEST(move_that_has_ended_is_shown_for_a_while)
{
	top_take_move(&top, parse(MOVE("m1", "v1", "transfer", "60", "")));
	top_take_move(&top, parse(ENDED("m1", "v1")));
	top_take_moves(&top, parse("{\"items\":[]}"));
	page(120, 24);
	assert_has("100 %");
	ck_assert_int_eq(style_of("done"), FRAME_GOOD);
	top.now_ms += TOP_ENDED_SHOW_MS;
	top_take_moves(&top, parse("{\"items\":[]}"));
	page(120, 24);
	assert_lacks("100 %");
}
END_TEST

START_TEST(evacuation_has_its_four_answers)
{
	top_take_evacuation(&top, parse(EVACUATION));
	page(120, 30);
	assert_has("EVACUATION  draining  guests leave");
	assert_has("left        7 of 24: 2 on their way, 1 blocked");
	assert_has("blocked by  v9: no host takes it (b: it lacks 512 MiB of memory; c: it is "
		   "offline)");
	assert_has("ends        in about 11.0 s, 8.0 s to 31.0 s");
	assert_has("AFTER");
	assert_has("88 %");
	assert_has("96 %");
	page(40, 30);
	assert_has("blocked by  v9: no host takes it (b: it\n            lacks 512 MiB of memory; "
		   "c:\n");
	assert_has("88 %");
}
END_TEST

/* What is needed most stays when there is less and less room. */
START_TEST(page_fits_every_size)
{
	top_take_evacuation(&top, parse(EVACUATION));
	top_take_move(&top, parse(MOVE("m1", "v1", "transfer", "45", "")));
	for (unsigned columns = 1; columns <= 140; columns += 13)
		for (unsigned lines = 1; lines <= 40; lines += 3)
			page(columns, lines);
	page(40, 24);
	assert_has("MOVE OF");
	assert_has(" 45 %");
	assert_has("25 %");
	assert_has("q quit");
}
END_TEST

START_TEST(many_rows_are_shown_around_the_one_that_is_chosen)
{
	CLEANUP(strbuf_fini) struct strbuf list = STRBUF_INIT;

	strbuf_adds(&list, "{\"items\":[");
	for (int i = 0; i < 300; i++)
		strbuf_addf(&list, "%s" VM("m%03d", "running", "1"), i ? "," : "", i);
	strbuf_adds(&list, "]}");
	top_take_vms(&top, parse(strbuf_str(&list)));
	top.section = TOP_VMS;
	page(80, 24);
	assert_has("300 VMs");
	assert_has("of 300");
	ck_assert(strstr(selected_line(), "m000"));
	top_key(&top, SCREEN_END);
	page(80, 24);
	ck_assert_msg(strstr(selected_line(), "m299"), "%s", strbuf_str(&text));
	top_key(&top, SCREEN_PAGE_UP);
	page(80, 24);
	ck_assert(strstr(selected_line(), "m289"));
}
END_TEST

START_TEST(lost_connection_is_told_and_what_was_heard_stays)
{
	top.lost_ms = top.now_ms - 12000;
	snprintf(top.trouble, sizeof(top.trouble), "/run/migrd/api.sock: nobody listens");
	page(100, 24);
	assert_has("no connection for 12.0 s, trying again: /run/migrd/api.sock: nobody listens");
	assert_has("v2");
}
END_TEST

START_TEST(foreign_text_is_made_harmless_and_wide_characters_count_twice)
{
	top_take_hosts(&top, parse("{\"items\":[{\"id\":\"b\\u001b[2J\",\"state\":\"online\","
				   "\"why\":\"\\u4e2d\\u6587 \\u009b5m\"}]}"));
	page(100, 24);
	assert_lacks("\x1b");
	assert_lacks("\xc2\x9b");
	if (setlocale(LC_CTYPE, "C.UTF-8")) {
		page(100, 24);
		assert_has("\xe4\xb8\xad\xe6\x96\x87");
		ck_assert_uint_eq(frame_columns("\xe4\xb8\xad\xe6\x96\x87"), 4);
		assert_lacks("\xc2\x9b");
		setlocale(LC_CTYPE, "C");
	}
}
END_TEST

START_TEST(text_has_all_rows_and_no_keys)
{
	top_take_move(&top, parse(MOVE("m1", "v1", "transfer", "45", "")));
	page(132, FRAME_NO_LIMIT);
	assert_has("v3");
	assert_has("45 %");
	assert_lacks("q quit");
	ck_assert_str_eq(selected_line(), "");
}
END_TEST

/* ---- keys --------------------------------------------------------------- */

START_TEST(order_and_filter_of_vms)
{
	const char *shown = page(100, 24);

	ck_assert(strstr(shown, "\nv2 ") < strstr(shown, "\nv1 "));
	keys("ssss");
	shown = page(100, 24);
	assert_has("sort: name");
	ck_assert(strstr(shown, "\nv1 ") < strstr(shown, "\nv2 "));
	keys("/V2");
	page(100, 24);
	assert_has("/V2_");
	assert_lacks("\nv1 ");
	top_key(&top, SCREEN_ENTER);
	page(100, 24);
	assert_lacks("\nv1 ");
	assert_has("q quit");
	top_key(&top, SCREEN_ESCAPE);
	page(100, 24);
	assert_has("\nv1 ");
}
END_TEST

START_TEST(row_stays_chosen_when_the_order_changes)
{
	top.section = TOP_VMS;
	top_key(&top, SCREEN_DOWN);
	page(100, 24);
	ck_assert(strstr(selected_line(), "v1 "));
	keys("ssss");
	page(100, 24);
	ck_assert(strstr(selected_line(), "v1 "));
}
END_TEST

START_TEST(cancel_asks_and_only_a_yes_counts)
{
	top_take_move(&top, parse(MOVE("m1", "v1", "transfer", "45", "")));
	keys("c");
	page(100, 24);
	assert_has("cancel the move of 'v1'?");
	ck_assert_int_eq(top_key(&top, 'q'), TOP_STAY);
	ck_assert_str_eq(top.asked, "");
	keys("c");
	ck_assert_int_eq(top_key(&top, 'y'), TOP_CANCEL);
	ck_assert_str_eq(top.asked, "m1");
}
END_TEST

/* Whoever asks for keys until there is none would never come to an end. */
START_TEST(lost_terminal_ends_the_page_whatever_is_asked)
{
	top_take_move(&top, parse(MOVE("m1", "v1", "transfer", "45", "")));
	ck_assert_int_eq(top_key(&top, SCREEN_GONE), TOP_QUIT);
	top_key(&top, '/');
	ck_assert_int_eq(top_key(&top, SCREEN_GONE), TOP_QUIT);
	top_key(&top, SCREEN_ESCAPE);
	top_key(&top, 'c');
	ck_assert_int_eq(top_key(&top, SCREEN_GONE), TOP_QUIT);
}
END_TEST

START_TEST(what_has_ended_and_hosts_cannot_be_cancelled)
{
	top_take_move(&top, parse(ENDED("m1", "v1")));
	keys("c");
	ck_assert_str_eq(top.asked, "");
	page(100, 24);
	assert_has("there is no move to cancel");
	top.section = TOP_HOSTS;
	keys("c");
	ck_assert_str_eq(top.asked, "");
}
END_TEST

START_TEST(move_is_opened_from_its_vm_too_and_scrolled)
{
	top_take_move(&top, parse(MOVE("m1", "v2", "transfer", "45", ",\"owner\":\"a\"")));
	top.section = TOP_VMS;
	ck_assert_int_eq(top_key(&top, SCREEN_ENTER), TOP_OPEN);
	ck_assert_str_eq(top.opened, "m1");
	page(100, 24);
	assert_has("m1");
	assert_has("owner");
	assert_lacks("MOVE OF");
	for (int i = 0; i < 100; i++)
		top_key(&top, SCREEN_DOWN);
	page(100, 6);
	assert_has("q back");
	assert_lacks("m1");
	ck_assert_int_eq(top_key(&top, 'q'), TOP_STAY);
	page(100, 24);
	assert_has("MOVE OF");
	ck_assert_int_eq(top_key(&top, 'q'), TOP_QUIT);
}
END_TEST

START_TEST(tab_goes_to_the_next_part_that_has_rows)
{
	page(100, 24);
	keys("\t");
	ck_assert_int_eq(top.section, TOP_VMS);
	keys("\t");
	ck_assert_int_eq(top.section, TOP_HOSTS);
	keys("\t");
	ck_assert_int_eq(top.section, TOP_VMS);
}
END_TEST

Suite *suite(void)
{
	Suite *s = suite_create("top");
	TCase *tc = tcase_create("page");

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, hosts_tell_how_full_they_are_and_why_one_takes_nothing);
	tcase_add_test(tc, move_has_its_percent_rate_end_and_why);
	tcase_add_test(tc, percent_never_falls);
	tcase_add_test(tc, move_that_has_ended_is_shown_for_a_while);
	tcase_add_test(tc, evacuation_has_its_four_answers);
	tcase_add_test(tc, page_fits_every_size);
	tcase_add_test(tc, many_rows_are_shown_around_the_one_that_is_chosen);
	tcase_add_test(tc, lost_connection_is_told_and_what_was_heard_stays);
	tcase_add_test(tc, foreign_text_is_made_harmless_and_wide_characters_count_twice);
	tcase_add_test(tc, text_has_all_rows_and_no_keys);
	tcase_add_test(tc, order_and_filter_of_vms);
	tcase_add_test(tc, row_stays_chosen_when_the_order_changes);
	tcase_add_test(tc, cancel_asks_and_only_a_yes_counts);
	tcase_add_test(tc, lost_terminal_ends_the_page_whatever_is_asked);
	tcase_add_test(tc, what_has_ended_and_hosts_cannot_be_cancelled);
	tcase_add_test(tc, move_is_opened_from_its_vm_too_and_scrolled);
	tcase_add_test(tc, tab_goes_to_the_next_part_that_has_rows);
	suite_add_tcase(s, tc);
	return s;
}
