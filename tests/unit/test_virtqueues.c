/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The walk over the virtqueues of a QEMU, whose answers are written here. */
#include "vm/virtqueues.h"

#include <string.h>

#include "base/mem.h"
#include "check_main.h"

#define PATH(id) "/machine/peripheral/" id "/virtio-backend"

static struct evidence there, room;
static struct virtqueues_walk walk;

static void begin(bool wants_room)
{
	there.queue_count = room.queue_count = 0;
	walk = (struct virtqueues_walk){ .there = &there, .room = wants_room ? &room : NULL };
}

/* The next question is COMMAND, with ARGS as JSON, and QEMU answers ANSWER; NULL: by an error. */
static void answer(const char *command, const char *args, const char *text)
{
	CLEANUP(json_putp) struct json_object *question = NULL;
	CLEANUP(json_putp) struct json_object *result = text ? json_read_back(text) : NULL;
	const char *next = virtqueues_next(&walk, &question);

	ck_assert_ptr_nonnull(next);
	ck_assert_str_eq(next, command);
	if (args)
		ck_assert_str_eq(json_text(question, NULL), args);
	else
		ck_assert_ptr_null(question);
	virtqueues_take(&walk, result);
}

#define QUEUE(path, number) "{\"path\":\"" path "\",\"queue\":" #number "}"

static void answer_queue(const char *args, const char *text)
{
	answer("x-query-virtio-queue-status", args, text);
}

static void assert_over(void)
{
	struct json_object *args;

	ck_assert_ptr_null(virtqueues_next(&walk, &args));
	ck_assert_ptr_null(args);
	virtqueues_walk_fini(&walk);
}

static void assert_queue(size_t index, const char *path, uint64_t queue, uint64_t entries,
			 uint64_t entries_of_room)
{
	ck_assert_str_eq(there.queues[index].path, path);
	ck_assert_uint_eq(there.queues[index].queue, queue);
	ck_assert_uint_eq(there.queues[index].entries, entries);
	ck_assert_uint_eq(room.queues[index].entries, entries_of_room);
}

/* What the properties say is asked for first; a device without any has what it always has, and of
 * one that is not known nothing is said. */
START_TEST(virtqueues_of_all_devices_are_told_with_their_room)
{
	begin(true);
	answer("x-query-virtio", NULL,
	       "[{\"name\":\"virtio-net\",\"path\":\"" PATH(
		       "n") "\"},{\"name\":\"virtio-rng\",\"path\":\"" PATH("r") "\"},"
										 "{\"name\":"
										 "\"virtio-new\","
										 "\"path\":\"" PATH(
											 "x") "\"}"
											      "]");
	answer("qom-get", "{\"path\":\"" PATH("n") "\",\"property\":\"rx_queue_size\"}", "512");
	answer("qom-get", "{\"path\":\"" PATH("n") "\",\"property\":\"tx_queue_size\"}", "256");
	answer_queue(QUEUE(PATH("n"), 0), "{\"vring-num\":1024}");
	answer_queue(QUEUE(PATH("n"), 1), "{\"vring-num\":1024}");
	answer_queue(QUEUE(PATH("n"), 2), NULL);
	answer_queue(QUEUE(PATH("r"), 0), "{\"vring-num\":8}");
	answer_queue(QUEUE(PATH("r"), 1), "{\"vring-num\":0}");
	answer_queue(QUEUE(PATH("x"), 0), "{\"vring-num\":1024}");
	answer_queue(QUEUE(PATH("x"), 1), NULL);
	assert_over();
	ck_assert_uint_eq(there.queue_count, 4);
	ck_assert_uint_eq(room.queue_count, 4);
	assert_queue(0, PATH("n"), 0, 1024, 512);
	assert_queue(1, PATH("n"), 1, 1024, 256);
	assert_queue(2, PATH("r"), 0, 8, 8);
	assert_queue(3, PATH("x"), 0, 1024, 0);
}
END_TEST

/* A property that this QEMU does not have says nothing. */
START_TEST(virtqueues_without_their_property_have_no_known_room)
{
	begin(true);
	answer("x-query-virtio", NULL, "[{\"name\":\"virtio-blk\",\"path\":\"" PATH("d") "\"}]");
	answer("qom-get", "{\"path\":\"" PATH("d") "\",\"property\":\"queue-size\"}", NULL);
	answer_queue(QUEUE(PATH("d"), 0), "{\"vring-num\":1024}");
	answer_queue(QUEUE(PATH("d"), 1), NULL);
	assert_over();
	assert_queue(0, PATH("d"), 0, 1024, 0);
}
END_TEST

START_TEST(virtqueues_alone_are_told_without_a_question_for_room)
{
	begin(false);
	answer("x-query-virtio", NULL, "[{\"name\":\"virtio-blk\",\"path\":\"" PATH("d") "\"}]");
	answer_queue(QUEUE(PATH("d"), 0), "{\"vring-num\":1024}");
	answer_queue(QUEUE(PATH("d"), 1), NULL);
	assert_over();
	ck_assert_uint_eq(there.queue_count, 1);
}
END_TEST

START_TEST(virtqueues_of_a_qemu_that_tells_none_are_none)
{
	begin(true);
	answer("x-query-virtio", NULL, "[]");
	assert_over();
	begin(true);
	answer("x-query-virtio", NULL, NULL);
	assert_over();
	ck_assert_uint_eq(there.queue_count, 0);
}
END_TEST

START_TEST(virtqueues_are_large_in_10_0_and_refused_since_11_1)
{
	const struct qmp_version old = { .major = 7, .minor = 2 }, large = { .major = 10 },
				 strict = { .major = 11, .minor = 1 };

	ck_assert(!virtqueues_may_be_large(NULL) && !virtqueues_are_strict(NULL));
	ck_assert(!virtqueues_may_be_large(&old) && !virtqueues_are_strict(&old));
	ck_assert(virtqueues_may_be_large(&large) && !virtqueues_are_strict(&large));
	ck_assert(!virtqueues_may_be_large(&strict) && virtqueues_are_strict(&strict));
}
END_TEST

Suite *suite(void)
{
	Suite *s = suite_create("virtqueues");
	TCase *tc = tcase_create("virtqueues");

	suite_add_tcase(s, tc);
	tcase_add_test(tc, virtqueues_of_all_devices_are_told_with_their_room);
	tcase_add_test(tc, virtqueues_without_their_property_have_no_known_room);
	tcase_add_test(tc, virtqueues_alone_are_told_without_a_question_for_room);
	tcase_add_test(tc, virtqueues_of_a_qemu_that_tells_none_are_none);
	tcase_add_test(tc, virtqueues_are_large_in_10_0_and_refused_since_11_1);
	return s;
}
