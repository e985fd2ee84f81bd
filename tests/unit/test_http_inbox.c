/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The order in which waiting requests get their turn. */
#include <string.h>

#include "base/mem.h"
#include "http/internal.h"
#include "tests/lib/check_main.h"

enum { VIEWERS = 20 };

static const uint64_t now_ms = 1000000;
static struct http_request waiting[VIEWERS + 2];
static struct http_inbox inbox;

/* Twenty requests of viewers came first, then an operator's, then a peer's that ends a move. */
static void fill_inbox(void)
{
	static char list[] = "/v1/moves", go[] = "/peer/v1/moves/1/go";

	inbox = (struct http_inbox){ 0 };
	http_inbox_init(&inbox);
	for (size_t i = 0; i < ARRAY_LEN(waiting); i++) {
		waiting[i] = (struct http_request){ .role = HTTP_ROLE_VIEWER, .path = list };
		if (i == VIEWERS)
			waiting[i].role = HTTP_ROLE_OPERATOR;
		if (i == VIEWERS + 1)
			waiting[i] = (struct http_request){ .role = HTTP_ROLE_PEER, .path = go };
		http_inbox_add(&inbox, &waiting[i]);
	}
	http_inbox_begin_turn(&inbox, now_ms);
}

/* A guest stands still while a request of its handover waits. */
START_TEST(inbox_handover_behind_viewers_is_first)
{
	ck_assert_ptr_eq(http_inbox_take(&inbox), &waiting[VIEWERS + 1]);
	ck_assert_ptr_eq(http_inbox_take(&inbox), &waiting[VIEWERS]);
	ck_assert_ptr_eq(http_inbox_take(&inbox), &waiting[0]);
}
END_TEST

/* A caller with twenty connections gets no more turns than one with a single one. */
START_TEST(inbox_callers_take_turns_however_many_they_ask)
{
	struct http_request lone = { .role = HTTP_ROLE_VIEWER };
	unsigned taken = 0;

	memcpy(lone.caller, "lone", sizeof("lone"));
	lone.path = waiting[0].path;
	http_inbox_add(&inbox, &lone);
	for (unsigned answered = 0; answered < 3; taken++) {
		const struct http_request *req = http_inbox_take(&inbox);

		http_inbox_begin_turn(&inbox, now_ms);
		if (req != &lone)
			continue;
		answered++;
		http_inbox_add(&inbox, &lone); /* asks again at once */
	}
	/* Between two requests of `lone' comes one of the other viewer's. */
	ck_assert_uint_le(taken, 2 + 2 * 3);
	ck_assert_ptr_ne(http_inbox_take(&inbox), &lone);
}
END_TEST

/* However many requests wait, the loop gets to its other descriptors. */
START_TEST(inbox_many_viewers_have_their_share_of_a_turn)
{
	size_t count = 0;

	while (http_inbox_take(&inbox))
		count++;
	ck_assert_uint_lt(count, VIEWERS / 2);
	ck_assert_uint_eq(http_inbox_wait_ms(&inbox), 0);
	http_inbox_begin_turn(&inbox, now_ms);
	ck_assert_ptr_nonnull(http_inbox_take(&inbox));
}
END_TEST

/* Takes the waiting requests, turn after turn at one time, and answers each with BYTES;
 * returns how many were of CLASS. */
static unsigned take_all(enum http_class class, size_t bytes)
{
	unsigned count = 0;

	while (http_inbox_wait_ms(&inbox) == 0) {
		const struct http_request *req = http_inbox_take(&inbox);

		if (!req) {
			http_inbox_begin_turn(&inbox, now_ms);
			continue;
		}
		http_inbox_charge(&inbox, req->class, bytes);
		count += req->class == class;
	}
	return count;
}

/* One thread writes and encrypts all answers: a class that got long answers has to wait until
 * their cost in time is paid, and no other class does. */
START_TEST(inbox_long_answers_hold_viewers_back_for_their_time)
{
	uint32_t wait_ms;

	ck_assert_uint_eq(take_all(HTTP_CLASS_VIEWER, 1 << 20), 1);
	wait_ms = http_inbox_wait_ms(&inbox);
	ck_assert_uint_gt(wait_ms, 300);
	ck_assert_uint_lt(wait_ms, 500);
	http_inbox_add(&inbox, &waiting[VIEWERS + 1]);
	ck_assert_uint_eq(http_inbox_wait_ms(&inbox), 0);
	ck_assert_ptr_eq(http_inbox_take(&inbox), &waiting[VIEWERS + 1]);
	http_inbox_begin_turn(&inbox, now_ms + wait_ms - 1);
	ck_assert_ptr_null(http_inbox_take(&inbox));
	http_inbox_begin_turn(&inbox, now_ms + wait_ms);
	ck_assert_ptr_nonnull(http_inbox_take(&inbox));
}
END_TEST

/* A turn may follow another within the same millisecond, or after a long pause. */
START_TEST(inbox_credit_grows_with_time_up_to_a_limit)
{
	uint32_t wait_ms;

	take_all(HTTP_CLASS_VIEWER, 1 << 20);
	wait_ms = http_inbox_wait_ms(&inbox);
	for (uint32_t ms = 0; ms < 100; ms++)
		for (unsigned turn = 0; turn < 3; turn++)
			http_inbox_begin_turn(&inbox, now_ms + ms);
	ck_assert_uint_eq(http_inbox_wait_ms(&inbox), wait_ms - 99);
	http_inbox_begin_turn(&inbox, now_ms + 1000000);
	ck_assert_uint_le(take_all(HTTP_CLASS_VIEWER, 64 << 10), 4);
}
END_TEST

/* A body is read and decoded before its meaning is known. */
START_TEST(inbox_long_bodies_hold_operators_back)
{
	for (size_t i = 0; i < ARRAY_LEN(waiting); i++)
		http_inbox_take_any(&inbox);
	for (size_t i = 0; i < VIEWERS; i++) {
		waiting[i].role = HTTP_ROLE_OPERATOR;
		waiting[i].body_bytes = 1 << 20;
		http_inbox_add(&inbox, &waiting[i]);
	}
	http_inbox_begin_turn(&inbox, now_ms);
	ck_assert_uint_eq(take_all(HTTP_CLASS_OPERATOR, 100), 1);
	ck_assert_uint_gt(http_inbox_wait_ms(&inbox), 100);
}
END_TEST

Suite *suite(void)
{
	Suite *s = suite_create("http_inbox");
	TCase *tc = tcase_create("inbox");

	tcase_add_checked_fixture(tc, fill_inbox, NULL);
	tcase_add_test(tc, inbox_handover_behind_viewers_is_first);
	tcase_add_test(tc, inbox_callers_take_turns_however_many_they_ask);
	tcase_add_test(tc, inbox_many_viewers_have_their_share_of_a_turn);
	tcase_add_test(tc, inbox_long_answers_hold_viewers_back_for_their_time);
	tcase_add_test(tc, inbox_credit_grows_with_time_up_to_a_limit);
	tcase_add_test(tc, inbox_long_bodies_hold_operators_back);
	suite_add_tcase(s, tc);
	return s;
}
