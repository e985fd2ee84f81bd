/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <pthread.h>
#include <string.h>

#include "base/clock.h"
#include "base/id.h"
#include "base/loop.h"
#include "base/mem.h"
#include "check_main.h"

/* Lists are ordered by id, and cursors are ids: a later id must sort later, even among
 * thousands made within one millisecond. */
START_TEST(uuid_new_ones_are_valid_and_only_grow)
{
	char last[ID_UUID_SIZE] = "";

	for (int i = 0; i < 20000; i++) {
		char uuid[ID_UUID_SIZE];

		id_uuid_new(uuid);
		ck_assert(id_uuid_is_valid(uuid));
		ck_assert_int_eq(uuid[14], '7');
		ck_assert_ptr_nonnull(strchr("89ab", uuid[19]));
		ck_assert_str_lt(last, uuid);
		memcpy(last, uuid, sizeof(last));
	}
}
END_TEST

/* The first 48 bits are the time (RFC 9562), and tools read it there. */
START_TEST(uuid_begins_with_the_time)
{
	char uuid[ID_UUID_SIZE];
	int64_t before = clock_wall_ms();
	unsigned high, low;

	id_uuid_new(uuid);
	ck_assert_int_eq(sscanf(uuid, "%8x-%4x-", &high, &low), 2);
	ck_assert_int_ge(((int64_t)high << 16) + low, before);
	ck_assert_int_le(((int64_t)high << 16) + low, clock_wall_ms() + 1);
}
END_TEST

static void *make_uuids(void *data)
{
	char(*uuids)[ID_UUID_SIZE] = data;

	for (int i = 0; i < 2000; i++)
		id_uuid_new(uuids[i]);
	return NULL;
}

static int compare_uuids(const void *a, const void *b)
{
	return memcmp(a, b, ID_UUID_SIZE);
}

/* The HTTP threads make request ids while the loop makes move ids. */
START_TEST(uuid_from_many_threads_are_all_different)
{
	static char uuids[8000][ID_UUID_SIZE];
	pthread_t threads[4];

	for (int i = 0; i < 4; i++)
		pthread_create(&threads[i], NULL, make_uuids, uuids[2000 * i]);
	for (int i = 0; i < 4; i++)
		pthread_join(threads[i], NULL);
	qsort(uuids, 8000, ID_UUID_SIZE, compare_uuids);
	for (int i = 1; i < 8000; i++)
		ck_assert_str_ne(uuids[i - 1], uuids[i]);
}
END_TEST

struct word {
	const char *text;
	bool is_uuid, is_name, is_host;
};

#define SIXTY "abcdefghijklmnopqrstuvwxyz0123456789abcdefghijklmnopqrstuvwx"

static const struct word words[] = {
	{ "", false, false, false },
	{ "a", false, true, true },
	{ "Web-1.example_x", false, true, false },
	{ "web-1", false, true, true },
	{ "-v", false, false, false },
	{ "..", false, false, false },
	{ ".hidden", false, false, false },
	{ "a/b", false, false, false },
	{ "a b", false, false, false },
	{ "a\n", false, false, false },
	{ "a-", false, true, false },
	{ "\xC3\xA4", false, false, false },
	{ SIXTY "abc", false, true, true },
	{ SIXTY "abcd", false, false, false },
	{ "01a1fd24-3bd9-7320-856e-dc9a68ddc51c", true, true, true },
	{ "550e8400-e29b-41d4-a716-446655440000", true, true, true },
	{ "550E8400-e29b-41d4-a716-446655440000", false, true, false },
	{ "550e8400-e29b-41d4-a716-44665544000", false, true, true },
	{ "550e8400-e29b-41d4-a716-4466554400000", false, true, true },
	{ "550e8400e29b-41d4-a716-4466-55440000", false, true, true },
};

/* Names become paths and arguments: a name must not leave its directory or look like an
 * option. */
START_TEST(name_is_judged_by_its_characters)
{
	const struct word *word = &words[_i];

	ck_assert_msg(id_uuid_is_valid(word->text) == word->is_uuid, "uuid '%s'", word->text);
	ck_assert_msg(id_name_is_valid(word->text) == word->is_name, "name '%s'", word->text);
	ck_assert_msg(id_host_is_valid(word->text) == word->is_host, "host '%s'", word->text);
}
END_TEST

/* A token opens the data port once: it must be hard to guess, and no part of it may open. */
START_TEST(token_equals_only_itself)
{
	char a[ID_TOKEN_SIZE], b[ID_TOKEN_SIZE];

	id_token_new(a);
	id_token_new(b);
	ck_assert(id_token_is_valid(a));
	ck_assert_str_ne(a, b);
	ck_assert(!id_token_equal(a, b));
	memcpy(b, a, sizeof(b));
	ck_assert(id_token_equal(a, b));
	b[63] = b[63] == '0' ? '1' : '0';
	ck_assert(!id_token_equal(a, b));
	a[63] = b[63] = '\0';
	ck_assert(!id_token_is_valid(a));
	ck_assert(!id_token_equal(a, b));
	ck_assert(!id_token_equal("", ""));
}
END_TEST

START_TEST(list_has_whole_ids_only)
{
	static const struct {
		const char *list;
		bool has_b;
	} rows[] = {
		{ "b", true },       { "a,b", true },  { "b,a", true }, { "a, b ,c", true },
		{ "a,bb,cb", false }, { "a,", false }, { "", false },   { NULL, false },
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		ck_assert_msg(id_list_has(rows[i].list, "b") == rows[i].has_b, "row %zu", i);
	ck_assert(!id_list_has("a,,b", ""));
}
END_TEST

Suite *suite(void)
{
	Suite *s = suite_create("id");
	TCase *tc = tcase_create("id");

	tcase_add_test(tc, uuid_new_ones_are_valid_and_only_grow);
	tcase_add_test(tc, uuid_begins_with_the_time);
	tcase_add_test(tc, uuid_from_many_threads_are_all_different);
	tcase_add_loop_test(tc, name_is_judged_by_its_characters, 0, ARRAY_LEN(words));
	tcase_add_test(tc, token_equals_only_itself);
	tcase_add_test(tc, list_has_whole_ids_only);
	suite_add_tcase(s, tc);
	return s;
}
