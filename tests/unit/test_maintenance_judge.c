/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Which host of a maintenance is the next, and which orders are refused. */
#include <string.h>

#include "base/mem.h"
#include "check_main.h"
#include "maintenance/judge.h"

/* One letter a host: t todo, u under way, c checking, w waits for a person, d ended, f failed,
 * x failed and perhaps still being emptied; o todo, the conductor's own; g todo, with a go. */
static struct judge_verdict judge(const char *hosts, const char *const *racks,
				  struct judge_view view)
{
	struct judge_host list[16] = { 0 };

	view.count = strlen(hosts);
	view.hosts = list;
	view.failures = view.failures ? view.failures : 1;
	view.at_once = view.at_once ? view.at_once : 1;
	ck_assert_uint_le(view.count, ARRAY_LEN(list));
	for (size_t i = 0; i < view.count; i++) {
		char c = hosts[i];

		list[i].phase = strchr("tog", c)   ? JUDGE_TODO
				: strchr("ucw", c) ? JUDGE_UNDER_WAY
						   : JUDGE_ENDED;
		list[i].rack = racks ? racks[i] : "";
		list[i].is_checking = c == 'c';
		list[i].waits = c == 'w';
		list[i].is_own = c == 'o';
		list[i].has_go = c == 'g';
		list[i].has_failed = c == 'f' || c == 'x';
		list[i].is_unsure = c == 'x';
	}
	return judge_next(&view);
}

static void assert_is(struct judge_verdict verdict, enum judge_what what, size_t host)
{
	ck_assert_int_eq(verdict.what, what);
	ck_assert_uint_eq(verdict.host, host);
}

#define VIEW(...) ((struct judge_view){ __VA_ARGS__ })

START_TEST(hosts_are_begun_in_their_order_as_many_as_may_at_once)
{
	assert_is(judge("ttt", NULL, VIEW()), JUDGE_BEGIN, 0);
	assert_is(judge("utt", NULL, VIEW()), JUDGE_NOTHING, JUDGE_NONE);
	assert_is(judge("dtt", NULL, VIEW()), JUDGE_BEGIN, 1);
	assert_is(judge("utt", NULL, VIEW(.at_once = 2)), JUDGE_BEGIN, 1);
	assert_is(judge("uut", NULL, VIEW(.at_once = 2)), JUDGE_NOTHING, JUDGE_NONE);
	assert_is(judge("ddu", NULL, VIEW()), JUDGE_NOTHING, JUDGE_NONE);
	assert_is(judge("ddd", NULL, VIEW()), JUDGE_OVER, JUDGE_NONE);
}
END_TEST

/* What is only being checked does not say to the others yet that it takes no guests. */
START_TEST(one_host_is_checked_at_a_time)
{
	assert_is(judge("ct", NULL, VIEW(.at_once = 2)), JUDGE_NOTHING, JUDGE_NONE);
}
END_TEST

START_TEST(own_host_comes_last_and_alone)
{
	assert_is(judge("ot", NULL, VIEW(.at_once = 2)), JUDGE_BEGIN, 1);
	assert_is(judge("uo", NULL, VIEW(.at_once = 2)), JUDGE_NOTHING, JUDGE_NONE);
	assert_is(judge("do", NULL, VIEW(.at_once = 2)), JUDGE_BEGIN, 1);
}
END_TEST

START_TEST(hosts_at_once_are_of_one_rack)
{
	static const char *const racks[] = { "r1", "r2", "r1", "" };

	assert_is(judge("uttt", racks, VIEW(.at_once = 3, .by_rack = true)), JUDGE_BEGIN, 2);
	assert_is(judge("udut", racks, VIEW(.at_once = 3, .by_rack = true)), JUDGE_NOTHING,
		  JUDGE_NONE);
	/* A rack that is not known is not the same as another one. */
	assert_is(judge("dduu", racks, VIEW(.at_once = 3, .by_rack = true)), JUDGE_NOTHING,
		  JUDGE_NONE);
	assert_is(judge("dddt", racks, VIEW(.at_once = 3, .by_rack = true)), JUDGE_BEGIN, 3);
}
END_TEST

START_TEST(person_is_waited_for)
{
	assert_is(judge("tt", NULL, VIEW(.pause = true)), JUDGE_WAIT, 0);
	assert_is(judge("tg", NULL, VIEW(.pause = true)), JUDGE_BEGIN, 1);
	assert_is(judge("ut", NULL, VIEW(.pause = true)), JUDGE_NOTHING, JUDGE_NONE);
	assert_is(judge("wt", NULL, VIEW()), JUDGE_WAIT, 0);
	assert_is(judge("wt", NULL, VIEW(.at_once = 2)), JUDGE_BEGIN, 1);
	assert_is(judge("dw", NULL, VIEW()), JUDGE_WAIT, 1);
	assert_is(judge("ut", NULL, VIEW(.is_paused = true)), JUDGE_WAIT, JUDGE_NONE);
	/* With nothing left to be begun a pause keeps nobody. */
	assert_is(judge("dd", NULL, VIEW(.is_paused = true)), JUDGE_OVER, JUDGE_NONE);
}
END_TEST

START_TEST(failures_stop_it)
{
	assert_is(judge("ftt", NULL, VIEW()), JUDGE_STOP, JUDGE_NONE);
	assert_is(judge("ftt", NULL, VIEW(.failures = 2)), JUDGE_BEGIN, 1);
	assert_is(judge("fft", NULL, VIEW(.failures = 2)), JUDGE_STOP, JUDGE_NONE);
	assert_is(judge("ddf", NULL, VIEW()), JUDGE_OVER, JUDGE_NONE);
	assert_is(judge("fut", NULL, VIEW(.is_stopping = true)), JUDGE_NOTHING, JUDGE_NONE);
	assert_is(judge("fdt", NULL, VIEW(.is_stopping = true)), JUDGE_OVER, JUDGE_NONE);
}
END_TEST

/* Nobody knows whether it is still being emptied: it counts on. */
START_TEST(host_that_may_be_empty_counts_among_those_at_once)
{
	assert_is(judge("xt", NULL, VIEW(.failures = 5)), JUDGE_STUCK, JUDGE_NONE);
	assert_is(judge("xt", NULL, VIEW(.failures = 5, .at_once = 2)), JUDGE_BEGIN, 1);
	assert_is(judge("xut", NULL, VIEW(.failures = 5, .at_once = 2)), JUDGE_NOTHING, JUDGE_NONE);
	assert_is(judge("xo", NULL, VIEW(.failures = 5, .at_once = 2)), JUDGE_STUCK, JUDGE_NONE);
}
END_TEST

/* Whatever is so: no more than at_once are under way after a begin, and something always ends or
 * is wanted. */
START_TEST(each_view_of_four_hosts_goes_on_or_says_who_is_waited_for)
{
	static const char kinds[] = "tucwdfxg";
	size_t over = 0;

	for (unsigned n = 0; n < 8u * 8 * 8 * 8 * 16; n++) {
		char hosts[5] = { kinds[n & 7], kinds[n >> 3 & 7], kinds[n >> 6 & 7],
				  kinds[n >> 9 & 7], '\0' };
		struct judge_view view = { .at_once = 1 + (n >> 12 & 1),
					   .failures = n >> 13 & 1 ? 9 : 1,
					   .pause = n >> 14 & 1,
					   .is_paused = n >> 15 & 1 };
		struct judge_verdict verdict = judge(hosts, NULL, view);
		size_t busy = 0, under_way = 0, todo = 0;

		for (size_t i = 0; i < 4; i++) {
			busy += strchr("ucwx", hosts[i]) != NULL;
			under_way += strchr("ucw", hosts[i]) != NULL;
			todo += strchr("tg", hosts[i]) != NULL;
		}
		if (verdict.what == JUDGE_BEGIN) {
			ck_assert_uint_lt(busy, view.at_once);
			ck_assert(strchr("tg", hosts[verdict.host]));
		}
		if (verdict.what == JUDGE_NOTHING)
			ck_assert_uint_gt(under_way, 0);
		if (verdict.what == JUDGE_OVER) {
			ck_assert_uint_eq(under_way + todo, 0);
			over++;
		}
		if (verdict.what == JUDGE_STUCK)
			ck_assert_ptr_nonnull(strchr(hosts, 'x'));
	}
	ck_assert_uint_gt(over, 0);
}
END_TEST

/* ---- orders ---------------------------------------------------------------------------- */

static const struct judge_member three[] = {
	{ .is_ordered = true, .takes = true, .memory_mib = 1000, .used_mib = 400 },
	{ .is_ordered = true, .takes = true, .memory_mib = 1000, .used_mib = 400 },
	{ .is_ordered = true, .takes = true, .memory_mib = 2000, .used_mib = 400 },
};

static void assert_refused(const struct judge_member *members, size_t count, uint64_t at_once,
			   const char *why)
{
	struct err err = { 0 };

	ck_assert(!judge_order(members, count, at_once, &err));
	ck_assert_int_eq(err.code, ERR_CONFLICT);
	ck_assert_msg(strstr(err.msg, why), "%s", err.msg);
}

START_TEST(all_hosts_at_once_are_refused)
{
	assert_refused(three, 3, 3, "give at_once 2 at most");
	assert_refused(three, 3, 32, "give at_once 2 at most");
	assert_refused(three, 1, 1, "no other host takes guests");
}
END_TEST

START_TEST(order_without_room_is_refused)
{
	struct err err = { 0 };
	struct judge_member tight[3];

	ck_assert(judge_order(three, 3, 1, &err));
	assert_refused(three, 3, 2, "the others have 1000 MiB");
	memcpy(tight, three, sizeof(tight));
	tight[0].used_mib = 1300;
	assert_refused(tight, 3, 1, "make room first");
	/* Host 2 stays out of it: only the smaller ones are emptied. */
	tight[0].used_mib = 400;
	tight[2].is_ordered = false;
	ck_assert(judge_order(tight, 3, 2, &err));
	/* One that takes none has no room, and its guests have to go somewhere all the same. */
	tight[2].takes = false;
	assert_refused(tight, 3, 1, "have 1000 MiB");
}
END_TEST

Suite *suite(void)
{
	Suite *s = suite_create("maintenance_judge");
	TCase *next = tcase_create("next"), *order = tcase_create("order");

	tcase_add_test(next, hosts_are_begun_in_their_order_as_many_as_may_at_once);
	tcase_add_test(next, one_host_is_checked_at_a_time);
	tcase_add_test(next, own_host_comes_last_and_alone);
	tcase_add_test(next, hosts_at_once_are_of_one_rack);
	tcase_add_test(next, person_is_waited_for);
	tcase_add_test(next, failures_stop_it);
	tcase_add_test(next, host_that_may_be_empty_counts_among_those_at_once);
	tcase_add_test(next, each_view_of_four_hosts_goes_on_or_says_who_is_waited_for);
	tcase_add_test(order, all_hosts_at_once_are_refused);
	tcase_add_test(order, order_without_room_is_refused);
	suite_add_tcase(s, next);
	suite_add_tcase(s, order);
	return s;
}
