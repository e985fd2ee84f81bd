/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Which bitmaps of local disks go along with a move, and what QEMU is told of them. */
#include "move/bitmaps.h"

#include "base/mem.h"
#include "check_main.h"

#define MIB UINT64_C(1048576)
#define BITMAP(name, members) \
	"{\"name\":\"" name "\",\"granularity\":65536,\"persistent\":true," members "}"
#define NODES(bitmaps) "[{\"node-name\":\"n\",\"dirty-bitmaps\":[" bitmaps "]}]"

static const struct vm_def_disk disk = { .id = "d" };

static void choose(const char *nodes, uint64_t bytes, struct move_bitmaps *ret)
{
	CLEANUP(json_putp) struct json_object *obj = json_read_back(nodes);
	struct move_bitmap_sums sums = { .go_count = 1, .go_bytes = 5, .stay_count = 2 };

	move_bitmaps_choose(obj, "n", &disk, bytes, &sums, ret);
	ck_assert_uint_eq(sums.go_count, 1 + ret->go_count);
	ck_assert_uint_eq(sums.go_bytes, 5 + ret->go_bytes);
	ck_assert_uint_eq(sums.stay_count, 2 + ret->stay_count);
}

START_TEST(those_that_are_kept_go)
{
	struct move_bitmaps bitmaps;
	const char *nodes =
		NODES(BITMAP("c", "\"recording\":true") ",{\"granularity\":65536}," BITMAP(
			"b", "\"recording\":false") "," BITMAP("a", "\"recording\":true"));

	choose(nodes, 64 * MIB, &bitmaps);
	ck_assert_uint_eq(bitmaps.go_count, 3);
	ck_assert_uint_eq(bitmaps.stay_count, 0);
	ck_assert(!bitmaps.go[1].is_recording);
	/* 64 MiB have 1024 bits, for each of which QEMU counts a byte; and a part of one more. */
	ck_assert_uint_eq(bitmaps.go_bytes, 3 * 1025);
}
END_TEST

/* QEMU would end the migration. */
START_TEST(image_with_a_bitmap_that_is_not_whole_keeps_all)
{
	struct move_bitmaps bitmaps;

	choose(NODES(BITMAP("b", "\"recording\":true") "," BITMAP("a", "\"recording\":false,"
								       "\"inconsistent\":true")),
	       MIB, &bitmaps);
	ck_assert_uint_eq(bitmaps.go_count, 0);
	ck_assert_uint_eq(bitmaps.stay_count, 2);
	choose(NODES(BITMAP("b", "\"recording\":true,\"busy\":true")), MIB, &bitmaps);
	ck_assert_uint_eq(bitmaps.go_count, 0);
}
END_TEST

START_TEST(copies_are_sent_under_the_names_of_the_originals)
{
	CLEANUP(json_putp) struct json_object *actions = json_object_new_array();
	CLEANUP(json_putp) struct json_object *mapping = json_object_new_array();
	CLEANUP(json_putp)
	struct json_object *nodes = json_read_back(NODES(BITMAP("a", "\"recording\":true")));
	struct move_bitmap_sums sums = { 0 };
	struct move_bitmaps bitmaps;

	move_bitmaps_choose(nodes, "n", &disk, MIB, &sums, &bitmaps);
	move_bitmaps_add(&bitmaps, "n", "d", actions, mapping);
	ck_assert_str_eq(json_text(mapping, NULL),
			 "[{\"node-name\":\"n\",\"alias\":\"d-node\",\"bitmaps\":[{\"name\":"
			 "\"migrd-move-0\",\"alias\":\"a\",\"transform\":{\"persistent\":true}}]}"
			 "]");
	ck_assert_str_eq(json_text(actions, NULL),
			 "[{\"type\":\"block-dirty-bitmap-add\",\"data\":{\"node\":\"n\",\"name\":"
			 "\"migrd-move-0\",\"granularity\":65536,\"disabled\":false}},"
			 "{\"type\":\"block-dirty-bitmap-merge\",\"data\":{\"node\":\"n\","
			 "\"target\":\"migrd-move-0\",\"bitmaps\":[\"a\"]}}]");
}
END_TEST

START_TEST(only_a_copy_that_nobody_uses_is_removed)
{
	CLEANUP(json_putp)
	struct json_object *none = json_read_back(
		NODES(BITMAP("migrd-move-7",
			     "\"recording\":true") ","
						   "{\"name\":\"migrd-move-1\",\"busy\":true},{"
						   "\"name\":\"mine\"},{\"granularity\":1}"));
	CLEANUP(json_putp)
	struct json_object *one = json_read_back(NODES("{\"name\":\"migrd-move-1\"}"));
	CLEANUP(json_putp) struct json_object *args = move_bitmaps_copy_left(one);

	ck_assert_ptr_null(move_bitmaps_copy_left(none));
	ck_assert_str_eq(json_text(args, NULL), "{\"node\":\"n\",\"name\":\"migrd-move-1\"}");
}
END_TEST

Suite *suite(void)
{
	Suite *s = suite_create("move_bitmaps");
	TCase *tc = tcase_create("move_bitmaps");

	suite_add_tcase(s, tc);
	tcase_add_test(tc, those_that_are_kept_go);
	tcase_add_test(tc, image_with_a_bitmap_that_is_not_whole_keeps_all);
	tcase_add_test(tc, copies_are_sent_under_the_names_of_the_originals);
	tcase_add_test(tc, only_a_copy_that_nobody_uses_is_removed);
	return s;
}
