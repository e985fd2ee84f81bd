/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What is made of the frames that two hosts saw, each by its own clock. */
#include <string.h>

#include "base/mem.h"
#include "check_main.h"
#include "move/outage.h"
#include "net/frames.h"
#include "vm/frames.h"

#define LAST_US  UINT64_C(1795248000000000)
#define AHEAD_US INT64_C(3600000000) /* the destination's clock */
#define BEFORE   UINT64_MAX

static struct nic_frames_list here, there;
static struct clocks clocks;
static struct move_measured shown;

static void set_up(void)
{
	memset(&here, 0, sizeof(here));
	memset(&there, 0, sizeof(there));
	clocks = (struct clocks){ .is_known = true, .ahead_us = AHEAD_US, .error_us = 700 };
}

/* One more NIC, which was quiet for SILENT_US and announced before that. */
static void add_nic(const char *id, uint64_t silent_us, uint64_t announced_us)
{
	struct nic_frames *last = &here.nics[here.count++], *first = &there.nics[there.count++];

	snprintf(last->nic, sizeof(last->nic), "%s", id);
	snprintf(first->nic, sizeof(first->nic), "%s", id);
	last->last_us = LAST_US;
	first->own_us = LAST_US + (uint64_t)AHEAD_US + silent_us;
	first->first_us = LAST_US + (uint64_t)AHEAD_US + announced_us;
}

static const struct move_measured *show_of(const struct nic_frames_list *told)
{
	memset(&shown, 0, sizeof(shown));
	outage_of(&(struct outage_basis){ .here = &here,
					  .there = told,
					  .no_word = "nothing was told",
					  .source = "a",
					  .host = told == &here ? "a" : "b",
					  .clocks = &clocks },
		  &shown);
	return &shown;
}

static void assert_none(const struct nic_frames_list *told, const char *words)
{
	show_of(told);
	ck_assert(!shown.has_outage);
	ck_assert_msg(strstr(shown.outage_note, words), "%s", shown.outage_note);
}

START_TEST(difference_of_the_clocks_is_taken_out)
{
	add_nic("n", 83000, 40000);
	show_of(&there);
	ck_assert(shown.has_outage);
	ck_assert_double_eq(shown.outage_ms, 83);
	ck_assert_double_eq(shown.outage_error_ms, 0.7);
	ck_assert_str_eq(shown.outage_nic, "n");
	ck_assert_str_eq(shown.outage_note, "");
	ck_assert_double_eq(shown.nics[0].announced_ms, 40);
	ck_assert(!shown.nics[0].has_pause);
}
END_TEST

/* A clock that is wrong within its error gives no outage of less than nothing. */
START_TEST(outage_is_never_negative)
{
	add_nic("n", 300, 300);
	clocks.ahead_us = AHEAD_US + 600;
	show_of(&there);
	ck_assert(shown.has_outage);
	ck_assert_double_eq(shown.outage_ms, 0);
}
END_TEST

START_TEST(worst_nic_is_that_of_the_guest)
{
	add_nic("quick", 20000, 20000);
	add_nic("slow", 90000, 20000);
	add_nic("middle", 50000, 20000);
	here.nics[1].pause_us = 80000;
	show_of(&there);
	ck_assert_uint_eq(shown.nic_count, 3);
	ck_assert_double_eq(shown.outage_ms, 90);
	ck_assert_str_eq(shown.outage_nic, "slow");
	ck_assert_double_eq(shown.nics[1].pause_ms, 80);
	ck_assert_double_eq(shown.nics[2].outage_ms, 50);
}
END_TEST

START_TEST(nic_that_sends_nothing_does_not_hide_the_others)
{
	add_nic("silent", 0, 0);
	add_nic("n", 50000, 20000);
	here.nics[0].last_us = 0;
	show_of(&there);
	ck_assert(shown.has_outage);
	ck_assert_str_eq(shown.outage_nic, "n");
	ck_assert_str_eq(shown.outage_note, "");
	ck_assert(!shown.nics[0].has_outage);
	assert_none(NULL, "nothing was told");
	ck_assert_ptr_nonnull(
		strstr(shown.nics[0].note, "no frame of the guest was seen on host 'a'"));
}
END_TEST

/* A frame that there was no room for can have come until the next look. */
START_TEST(frames_that_were_missed_add_to_the_error)
{
	add_nic("n", 83000, 40000);
	here.nics[0].late_us = 5000;
	ck_assert_double_eq(show_of(&there)->outage_error_ms, 5.7);
}
END_TEST

/* One clock, and no host that has to tell. */
START_TEST(guest_that_came_back_is_measured_by_one_clock)
{
	add_nic("n", 0, 0);
	here.nics[0].first_us = LAST_US + 20000;
	here.nics[0].own_us = LAST_US + 30000;
	clocks.is_known = false;
	show_of(&here);
	ck_assert(shown.has_outage);
	ck_assert_double_eq(shown.outage_ms, 30);
	ck_assert_double_eq(shown.outage_error_ms, 0);
}
END_TEST

START_TEST(what_is_not_known_is_said_and_is_no_zero)
{
	add_nic("n", 83000, 40000);
	assert_none(NULL, "nothing was told");
	clocks.is_known = false;
	assert_none(&there, "the clocks of the two hosts were not compared");
	clocks.is_known = true;
	there.nics[0].own_us = 0;
	assert_none(&there, "on host 'b' within 10 s but for announcements");
	there.is_watching = true;
	assert_none(&there, "was seen yet on host 'b'");
	there.is_watching = false;
	there.nics[0].first_us = 0;
	assert_none(&there, "on host 'b' within 10 s");
	ck_assert_ptr_null(strstr(shown.outage_note, "announcements"));
	snprintf(there.nics[0].note, sizeof(there.nics[0].note), "it needs CAP_NET_RAW");
	assert_none(&there, "on host 'b': it needs CAP_NET_RAW");
	there.count = 0;
	snprintf(there.note, sizeof(there.note), "migrd was restarted there");
	assert_none(&there, "on host 'b': migrd was restarted there");
	here.nics[0].last_us = 0;
	assert_none(&there, "no frame of the guest was seen on host 'a'");
	snprintf(here.nics[0].note, sizeof(here.nics[0].note), "the interface is gone");
	assert_none(&there, "on host 'a': the interface is gone");
}
END_TEST

START_TEST(guest_without_a_tap_gives_no_figure)
{
	snprintf(here.note, sizeof(here.note), "the VM has no tap");
	assert_none(&there, "the VM has no tap");
}
END_TEST

/* ---- frame by frame -------------------------------------------------------- */

static void count(struct nic_frames *nic, uint64_t at_us, bool is_announcement, uint64_t runs_on_us)
{
	vm_frames_count(nic,
			&(struct net_frame){ .at_us = at_us, .is_announcement = is_announcement },
			runs_on_us);
}

START_TEST(announcement_is_told_from_a_frame_of_the_guest)
{
	struct nic_frames nic = { 0 };

	count(&nic, 100, true, 0);
	ck_assert_uint_eq(nic.first_us, 100);
	ck_assert_uint_eq(nic.own_us, 0);
	count(&nic, 150, true, 0);
	count(&nic, 170, false, 0);
	count(&nic, 190, false, 0);
	ck_assert_uint_eq(nic.first_us, 100);
	ck_assert_uint_eq(nic.own_us, 170);
	ck_assert_uint_eq(nic.last_us, 0);
}
END_TEST

START_TEST(last_frame_and_longest_pause_are_of_the_guest_itself)
{
	struct nic_frames nic = { 0 };

	count(&nic, 1000, false, BEFORE);
	count(&nic, 1300, false, BEFORE);
	count(&nic, 1400, false, BEFORE);
	count(&nic, 5000, true, BEFORE); /* it had come by a move a moment ago */
	ck_assert_uint_eq(nic.last_us, 1400);
	ck_assert_uint_eq(nic.pause_us, 300);
	ck_assert_uint_eq(nic.first_us, 0);
	count(&nic, 7000, false, 6500); /* came back at 6500 */
	count(&nic, 7100, false, 6500);
	ck_assert_uint_eq(nic.last_us, 1400);
	ck_assert_uint_eq(nic.own_us, 7000);
}
END_TEST

START_TEST(kind_and_sender_of_a_frame_are_read_as_far_as_it_goes)
{
	uint8_t frame[62] = { 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 2, 0, 0, 0, 0, 1, 0x80, 0x35 };
	const uint8_t address[4] = { 192, 0, 2, 7 };
	uint32_t ipv4;

	memcpy(&ipv4, address, sizeof(ipv4));
	ck_assert(net_frame_read(frame, sizeof(frame)).is_announcement);
	ck_assert(!net_frame_read(frame, 13).is_announcement);
	frame[12] = 0x08;
	frame[13] = 0x06; /* ARP: a guest that announces itself does run */
	memcpy(frame + 28, address, sizeof(address));
	ck_assert(!net_frame_read(frame, sizeof(frame)).is_announcement);
	ck_assert(net_frame_read(frame, sizeof(frame)).is_arp);
	ck_assert_uint_eq(net_frame_read(frame, sizeof(frame)).ipv4, ipv4);
	ck_assert_uint_eq(net_frame_read(frame, 31).ipv4, 0);
	frame[13] = 0x00;
	memcpy(frame + 26, address, sizeof(address));
	ck_assert_uint_eq(net_frame_read(frame, sizeof(frame)).ipv4, ipv4);
	ck_assert(!net_frame_read(frame, sizeof(frame)).is_arp);
	ck_assert_uint_eq(net_frame_read(frame, 0).ipv4, 0);
}
END_TEST

Suite *suite(void)
{
	Suite *s = suite_create("outage");
	TCase *tc = tcase_create("outage");

	tcase_add_checked_fixture(tc, set_up, NULL);
	tcase_add_test(tc, difference_of_the_clocks_is_taken_out);
	tcase_add_test(tc, outage_is_never_negative);
	tcase_add_test(tc, worst_nic_is_that_of_the_guest);
	tcase_add_test(tc, nic_that_sends_nothing_does_not_hide_the_others);
	tcase_add_test(tc, frames_that_were_missed_add_to_the_error);
	tcase_add_test(tc, guest_that_came_back_is_measured_by_one_clock);
	tcase_add_test(tc, what_is_not_known_is_said_and_is_no_zero);
	tcase_add_test(tc, guest_without_a_tap_gives_no_figure);
	tcase_add_test(tc, announcement_is_told_from_a_frame_of_the_guest);
	tcase_add_test(tc, last_frame_and_longest_pause_are_of_the_guest_itself);
	tcase_add_test(tc, kind_and_sender_of_a_frame_are_read_as_far_as_it_goes);
	suite_add_tcase(s, tc);
	return s;
}
