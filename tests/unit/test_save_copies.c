/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The copies of a guest's disks beside their images: at every name that a crash can leave, what is
 * to be done next, or undone, is known. */
#include "save/copies.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "base/mem.h"
#include "tests/lib/check_main.h"
#include "tests/lib/scratch.h"

#define SAVE "018f0000-0000-7000-8000-0000000000a1"
#define OLD  "018f0000-0000-7000-8000-0000000000a2"
#define JOB  "018f0000-0000-7000-8000-0000000000c1"
#define NOW  "present"
#define THEN "saved"

static struct err err;
static struct save_file head;
static char image[256], copy[320], before[320];

static void put(const char *path, const char *text)
{
	if (!file_write(path, text, strlen(text), 0600, &err))
		ck_abort_msg("%s", err.msg);
}

/* NULL: it is not there. */
static void assert_file(const char *path, const char *text)
{
	CLEANUP(free_charp) char *found = NULL;
	size_t len;

	if (!text) {
		ck_assert_int_ne(access(path, F_OK), 0);
		return;
	}
	if (!file_read(path, 100, &found, &len, &err))
		ck_abort_msg("%s", err.msg);
	ck_assert_str_eq(found, text);
}

static void assert_files(const char *of_image, const char *of_copy, const char *of_before)
{
	assert_file(image, of_image);
	assert_file(copy, of_copy);
	assert_file(before, of_before);
}

static struct json_object *definition(void)
{
	CLEANUP(free_charp)
	char *text =
		xasprintf("{\"name\":\"g\",\"machine\":\"pc-q35-7.2\",\"memory_mib\":64,"
			  "\"disks\":[{\"id\":\"boot\",\"path\":\"/nowhere\",\"format\":\"raw\","
			  "\"readonly\":true},{\"id\":\"data\",\"path\":\"%s\",\"format\":"
			  "\"raw\"}]}",
			  scratch_path("link"));

	return json_read_back(text);
}

static void setup(void)
{
	scratch_setup();
	snprintf(image, sizeof(image), "%s", scratch_path("disk"));
	snprintf(copy, sizeof(copy), "%s.saved-" SAVE, image);
	snprintf(before, sizeof(before), "%s.before-" JOB, image);
	put(image, NOW);
	ck_assert_int_eq(symlink(image, scratch_path("link")), 0);
	head = (struct save_file){ .id = SAVE, .live = true, .definition = definition() };
	if (!save_copies_find_blocking(&head, &err))
		ck_abort_msg("%s", err.msg);
	put(copy, THEN);
	if (!save_copies_note_blocking(&head, &err))
		ck_abort_msg("%s", err.msg);
}

static void teardown(void)
{
	save_file_fini(&head);
	scratch_teardown();
}

static void place(void)
{
	if (!save_copies_place_blocking(&head, JOB, &err))
		ck_abort_msg("%s", err.msg);
}

static void take_back(void)
{
	if (!save_copies_take_back_blocking(&head, JOB, &err))
		ck_abort_msg("%s", err.msg);
}

static void assert_says(bool is_ok, const char *words)
{
	ck_assert(!is_ok);
	ck_assert_msg(strstr(err.msg, words), "'%s' is not in: %s", words, err.msg);
}

/* ---- which ---------------------------------------------------------------------- */

START_TEST(writable_disks_are_found_behind_links)
{
	ck_assert_uint_eq(head.disk_count, 1);
	ck_assert_str_eq(head.disks[0].id, "data");
	ck_assert_str_eq(head.disks[0].image, image);
	ck_assert_str_eq(head.disks[0].copy, copy);
}
END_TEST

START_TEST(what_is_no_file_has_no_copy)
{
	ck_assert_int_eq(unlink(scratch_path("link")), 0);
	ck_assert_int_eq(symlink("/dev/null", scratch_path("link")), 0);
	assert_says(save_copies_find_blocking(&head, &err), "is no file");
	ck_assert_int_eq(unlink(scratch_path("link")), 0);
	assert_says(save_copies_find_blocking(&head, &err), "cannot be found");
}
END_TEST

/* ---- checks --------------------------------------------------------------------- */

START_TEST(copy_as_it_was_passes)
{
	ck_assert(save_copies_check_blocking(&head, &err));
}
END_TEST

START_TEST(copy_that_is_not_as_it_was_is_refused)
{
	const struct timespec times[2] = { { .tv_nsec = UTIME_OMIT }, { .tv_sec = 1 } };

	ck_assert_int_eq(utimensat(AT_FDCWD, copy, times, 0), 0);
	assert_says(save_copies_check_blocking(&head, &err), "was changed since");
	put(copy, "another length");
	assert_says(save_copies_check_blocking(&head, &err), "was changed since");
	ck_assert_int_eq(unlink(copy), 0);
	assert_says(save_copies_check_blocking(&head, &err), "cannot be found");
}
END_TEST

/* Whatever a file says, only what the definition names is touched. */
START_TEST(file_that_names_other_disks_is_refused)
{
	snprintf(head.disks[0].id, sizeof(head.disks[0].id), "other");
	assert_says(save_copies_check_blocking(&head, &err), "does not have the disks");
	snprintf(head.disks[0].id, sizeof(head.disks[0].id), "data");
	head.disk_count = 2;
	assert_says(save_copies_check_blocking(&head, &err), "does not have the disks");
	head.disk_count = 1;
	snprintf(head.disks[0].copy, sizeof(head.disks[0].copy), "/etc/passwd");
	ck_assert(save_copies_check_blocking(&head, &err));
	ck_assert_str_eq(head.disks[0].copy, copy);
	snprintf(head.disks[0].image, sizeof(head.disks[0].image), "/etc/passwd");
	assert_says(save_copies_check_blocking(&head, &err), "and was '/etc/passwd'");
	snprintf(head.id, sizeof(head.id), "../../x");
	assert_says(save_copies_check_blocking(&head, &err), "does not have the disks");
}
END_TEST

/* ---- a restore ------------------------------------------------------------------- */

START_TEST(copy_takes_the_place_and_gives_it_back)
{
	place();
	assert_files(THEN, NULL, NOW);
	place();
	assert_files(THEN, NULL, NOW);
	take_back();
	assert_files(NOW, THEN, NULL);
	take_back();
	assert_files(NOW, THEN, NULL);
}
END_TEST

START_TEST(half_a_step_is_finished_or_undone)
{
	ck_assert_int_eq(rename(image, before), 0);
	place();
	assert_files(THEN, NULL, NOW);
	take_back();
	ck_assert_int_eq(rename(image, before), 0);
	take_back();
	assert_files(NOW, THEN, NULL);
}
END_TEST

START_TEST(half_of_the_way_back_is_finished)
{
	place();
	ck_assert_int_eq(rename(image, copy), 0);
	take_back();
	assert_files(NOW, THEN, NULL);
}
END_TEST

START_TEST(nothing_of_somebody_else_is_replaced)
{
	ck_assert_int_eq(rename(image, before), 0);
	put(image, "else");
	assert_says(save_copies_take_back_blocking(&head, JOB, &err), "somebody has made");
	assert_says(save_copies_place_blocking(&head, JOB, &err), "cannot rename");
	assert_files("else", THEN, NOW);
	ck_assert_int_eq(unlink(image), 0);
	take_back();
	assert_files(NOW, THEN, NULL);
	ck_assert_int_eq(unlink(copy), 0);
	assert_says(save_copies_place_blocking(&head, JOB, &err), "is gone");
	assert_files(NOW, NULL, NULL);
}
END_TEST

/* ---- removing -------------------------------------------------------------------- */

START_TEST(copies_of_a_replaced_file_go)
{
	CLEANUP(free_charp) char *old = xasprintf("%s.saved-" OLD, image);

	put(old, "old");
	ck_assert(save_copies_forget_blocking(&head, "", &err));
	ck_assert(save_copies_forget_blocking(&head, SAVE, &err));
	assert_file(old, "old");
	ck_assert(save_copies_forget_blocking(&head, OLD, &err));
	assert_file(old, NULL);
	assert_files(NOW, THEN, NULL);
}
END_TEST

START_TEST(only_what_is_marked_is_dropped)
{
	CLEANUP(free_charp)
	char *mark = xasprintf("%s/.disk.saved-" SAVE ".migrd-" SAVE, scratch_dir);

	ck_assert(save_copies_drop_blocking(&head, &err));
	assert_files(NOW, THEN, NULL);
	ck_assert_int_eq(link(copy, mark), 0);
	ck_assert(save_copies_drop_blocking(&head, &err));
	assert_files(NOW, NULL, NULL);
	assert_file(mark, NULL);
}
END_TEST

START_TEST(what_is_kept_is_not_dropped)
{
	CLEANUP(free_charp)
	char *mark = xasprintf("%s/.disk.saved-" SAVE ".migrd-" SAVE, scratch_dir);

	ck_assert_int_eq(link(copy, mark), 0);
	ck_assert(save_copies_keep_blocking(&head, &err));
	ck_assert(save_copies_drop_blocking(&head, &err));
	assert_files(NOW, THEN, NULL);
	assert_file(mark, NULL);
}
END_TEST

Suite *suite(void)
{
	Suite *s = suite_create("save_copies");
	TCase *tc = tcase_create("copies");

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, writable_disks_are_found_behind_links);
	tcase_add_test(tc, what_is_no_file_has_no_copy);
	tcase_add_test(tc, copy_as_it_was_passes);
	tcase_add_test(tc, copy_that_is_not_as_it_was_is_refused);
	tcase_add_test(tc, file_that_names_other_disks_is_refused);
	tcase_add_test(tc, copy_takes_the_place_and_gives_it_back);
	tcase_add_test(tc, half_a_step_is_finished_or_undone);
	tcase_add_test(tc, half_of_the_way_back_is_finished);
	tcase_add_test(tc, nothing_of_somebody_else_is_replaced);
	tcase_add_test(tc, copies_of_a_replaced_file_go);
	tcase_add_test(tc, only_what_is_marked_is_dropped);
	tcase_add_test(tc, what_is_kept_is_not_dropped);
	suite_add_tcase(s, tc);
	return s;
}
