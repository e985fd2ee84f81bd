/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The first line of a data connection, which anybody can send. */
#include <string.h>

#include "base/mem.h"
#include "stream/preamble.h"
#include "tests/lib/check_main.h"

#define MOVE  "01934c5e-7a2b-7c3d-8e4f-5a6b7c8d9e0f"
#define TOKEN "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff"
#define PROOF "ffeeddccbbaa99887766554433221100ffeeddccbbaa99887766554433221100"

static struct stream_preamble proved(const char *key)
{
	struct stream_preamble preamble = { .move_id = MOVE, .channel = "multifd-7", .attempt = 7 };

	stream_preamble_prove(&preamble, key);
	return preamble;
}

/* A line that one host writes is read and accepted by the other. */
START_TEST(proved_line_survives_the_trip_and_is_believed)
{
	char key[STREAM_PROOF_SIZE], line[STREAM_PREAMBLE_MAX];
	struct stream_preamble sent, got;
	const char *why;
	size_t len;

	stream_preamble_key(TOKEN, key);
	sent = proved(key);
	len = stream_preamble_print(&sent, line);
	ck_assert_int_eq(line[len - 1], '\n');
	ck_assert_msg(stream_preamble_parse(line, len - 1, &got, &why), "%s", why);
	ck_assert_str_eq(got.move_id, MOVE);
	ck_assert_str_eq(got.channel, "multifd-7");
	ck_assert_uint_eq(got.attempt, 7);
	ck_assert(stream_preamble_is_proved(&got, key));
}
END_TEST

/* The values of an independent implementation: Python's hmac and hashlib. */
START_TEST(proof_is_hmac_sha256_of_the_line_before_it)
{
	char key[STREAM_PROOF_SIZE];

	stream_preamble_key(TOKEN, key);
	ck_assert_str_eq(key, "269fd2571dcfee375b5c11a8473982bdd4729dfbdb5dfc85b2e7e0aa7173f564");
	ck_assert_str_eq(proved(key).proof,
			 "ef943964764f7a9159428526bec1f9361148f9dfecd130591b9f41526b478d27");
}
END_TEST

/* The proof covers each word: none can be exchanged. */
START_TEST(changed_word_is_not_believed)
{
	struct stream_preamble changed;
	char key[STREAM_PROOF_SIZE], other_key[STREAM_PROOF_SIZE];

	stream_preamble_key(TOKEN, key);
	stream_preamble_key(PROOF, other_key);
	changed = proved(key);
	changed.move_id[0] = '1';
	ck_assert(!stream_preamble_is_proved(&changed, key));
	changed = proved(key);
	changed.channel[8] = '8';
	ck_assert(!stream_preamble_is_proved(&changed, key));
	changed = proved(key);
	changed.attempt++;
	ck_assert(!stream_preamble_is_proved(&changed, key));
	changed = proved(key);
	changed.proof[63] ^= 1;
	ck_assert(!stream_preamble_is_proved(&changed, key));
	changed = proved(other_key);
	ck_assert(!stream_preamble_is_proved(&changed, key));
}
END_TEST

/* A move without a key, such as one whose record has lost it, accepts no connection. */
START_TEST(empty_proof_is_not_believed)
{
	struct stream_preamble preamble = { .move_id = MOVE, .channel = "ram", .attempt = 1 };

	ck_assert(!stream_preamble_is_proved(&preamble, PROOF));
}
END_TEST

static const char *const bad_lines[] = {
	"",
	"MIGRD2",
	"MIGRD2 ",
	"MIGRD1 " MOVE " ram",
	"MIGRD3 " MOVE " ram 1 " PROOF,
	"migrd2 " MOVE " ram 1 " PROOF,
	"MIGRD2 " MOVE,
	"MIGRD2 " MOVE " ram",
	"MIGRD2 " MOVE " ram 1",
	"MIGRD2 " MOVE " ram 1 ",
	"MIGRD2 " MOVE " ram 1 " PROOF " ",
	"MIGRD2 " MOVE " ram 1 " PROOF "\r",
	"MIGRD2 " MOVE " ram 1 " PROOF "0",
	"MIGRD2 " MOVE " ram 0 " PROOF,
	"MIGRD2 " MOVE " ram 01 " PROOF,
	"MIGRD2 " MOVE " ram -1 " PROOF,
	"MIGRD2 " MOVE " ram 1000000000 " PROOF,
	"MIGRD2 " MOVE " RAM 1 " PROOF,
	"MIGRD2  " MOVE " ram 1 " PROOF,
	"MIGRD2 " MOVE "  ram 1 " PROOF,
	"MIGRD2 01934C5E-7A2B-7C3D-8E4F-5A6B7C8D9E0F ram 1 " PROOF,
	"MIGRD2 01934c5e-7a2b-7c3d-8e4f-5a6b7c8d9e0 ram 1 " PROOF,
	"MIGRD2 ../../../../../../../../../../../.. ram 1 " PROOF,
	"MIGRD2 " MOVE " ../../ram 1 " PROOF,
	"MIGRD2 " MOVE " a-name-of-16-byte 1 " PROOF,
	"GET / HTTP/1.1",
};

START_TEST(bad_line_is_refused)
{
	struct stream_preamble got;
	const char *why = NULL;

	ck_assert_msg(!stream_preamble_parse(bad_lines[_i], strlen(bad_lines[_i]), &got, &why),
		      "%s", bad_lines[_i]);
	ck_assert_ptr_nonnull(why);
}
END_TEST

/* The log tells an administrator that the other host is not upgraded yet. */
START_TEST(line_of_an_older_migrd_is_named_as_such)
{
	struct stream_preamble got;
	const char *why = NULL;

	ck_assert(!stream_preamble_parse("MIGRD1 " MOVE " ram", strlen("MIGRD1 " MOVE " ram"), &got,
					 &why));
	ck_assert_ptr_nonnull(strstr(why, "older migrd"));
}
END_TEST

/* Connections that are made at once overtake each other; a line that was overheard comes a
 * second time. */
START_TEST(attempt_is_taken_once_in_any_order)
{
	static const uint32_t order[] = { 2, 1, 5, 3, 4, 66, 65, 6, 64 };
	struct stream_attempts attempts = { 0 };

	for (size_t i = 0; i < ARRAY_LEN(order); i++)
		ck_assert(stream_attempts_take(&attempts, order[i]));
	for (size_t i = 0; i < ARRAY_LEN(order); i++)
		ck_assert(!stream_attempts_take(&attempts, order[i]));
}
END_TEST

/* An attempt that is too old to be remembered counts as taken. */
START_TEST(attempt_far_below_the_highest_is_not_taken)
{
	struct stream_attempts attempts = { 0 };

	ck_assert(stream_attempts_take(&attempts, 100));
	ck_assert(stream_attempts_take(&attempts, 37));
	ck_assert(!stream_attempts_take(&attempts, 36));
	ck_assert(!stream_attempts_take(&attempts, 1));
	ck_assert(stream_attempts_take(&attempts, 999999999));
	ck_assert(!stream_attempts_take(&attempts, 99));
}
END_TEST

Suite *suite(void)
{
	Suite *s = suite_create("stream_preamble");
	TCase *tc = tcase_create("preamble");

	tcase_add_test(tc, proved_line_survives_the_trip_and_is_believed);
	tcase_add_test(tc, proof_is_hmac_sha256_of_the_line_before_it);
	tcase_add_test(tc, changed_word_is_not_believed);
	tcase_add_test(tc, empty_proof_is_not_believed);
	tcase_add_loop_test(tc, bad_line_is_refused, 0, (int)ARRAY_LEN(bad_lines));
	tcase_add_test(tc, line_of_an_older_migrd_is_named_as_such);
	tcase_add_test(tc, attempt_is_taken_once_in_any_order);
	tcase_add_test(tc, attempt_far_below_the_highest_is_not_taken);
	suite_add_tcase(s, tc);
	return s;
}
