/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The file of a saved guest: complete before it has its name, and whatever is wrong with one is
 * found before anything is begun. */
#include "save/file.h"

#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "base/mem.h"
#include "tests/lib/check_main.h"
#include "tests/lib/scratch.h"

#define ID    "018f0000-0000-7000-8000-0000000000a1"
#define OTHER "018f0000-0000-7000-8000-0000000000a2"
#define DATA  "what QEMU writes"

static struct err err;
static char dirs[256], path[256], temporary[256];
static struct save_file head;
static struct save_former former;

static void setup(void)
{
	scratch_setup();
	snprintf(dirs, sizeof(dirs), "%s", scratch_path("saved"));
	snprintf(path, sizeof(path), "%s", scratch_path("saved/g"));
	snprintf(temporary, sizeof(temporary), "%s", scratch_path("saved/.g.migrd-" ID));
	ck_assert(dir_make(dirs, 0700, &err));
	head = (struct save_file){ .id = ID,
				   .vm = "g",
				   .uuid = "018f0000-0000-7000-8000-0000000000b1",
				   .generation = 7,
				   .qemu_version = "10.0.13",
				   .mode = SAVE_FILE_MAPPED_RAM,
				   .runs = true,
				   .definition = json_object_new_object() };
	json_add_str(head.definition, "name", "g");
}

static void teardown(void)
{
	save_file_fini(&head);
	scratch_teardown();
}

static void begin(void)
{
	int fd;

	if (!save_file_check_blocking(dirs, path, &former, &err))
		ck_abort_msg("%s", err.msg);
	if (!save_file_begin_blocking(dirs, path, &head, &former, &fd, &err))
		ck_abort_msg("%s", err.msg);
	ck_assert_int_eq(lseek(fd, 0, SEEK_CUR), SAVE_FILE_DATA_AT);
	ck_assert_int_eq(write(fd, DATA, strlen(DATA)), (ssize_t)strlen(DATA));
	close(fd);
}

static void save(void)
{
	begin();
	if (!save_file_finish_blocking(path, &head, &former, &err))
		ck_abort_msg("%s", err.msg);
}

static bool is_there(const char *name)
{
	return access(name, F_OK) == 0;
}

static bool read_back(struct save_file *ret, bool *ret_restored)
{
	return save_file_read_blocking(dirs, path, ret, ret_restored, NULL, &err);
}

static void assert_unreadable(const char *words)
{
	struct save_file found;
	bool is_restored;

	ck_assert(!read_back(&found, &is_restored));
	ck_assert_msg(strstr(err.msg, words), "'%s' is not in: %s", words, err.msg);
}

static void change(off_t at, const void *data, size_t len)
{
	CLEANUP(closep) int fd = open(path, O_RDWR | O_CLOEXEC);

	ck_assert_int_eq(pwrite(fd, data, len, at), (ssize_t)len);
}

/* ---- tests ---------------------------------------------------------------------- */

START_TEST(what_was_saved_is_read_back)
{
	struct save_file found;
	bool is_restored;
	char data[sizeof(DATA)] = "";
	int fd;

	save();
	ck_assert(!is_there(temporary));
	ck_assert(save_file_read_blocking(dirs, path, &found, &is_restored, &fd, &err));
	ck_assert(found.complete && found.runs && !is_restored);
	ck_assert_str_eq(found.id, ID);
	ck_assert_uint_eq(found.generation, 7);
	ck_assert_int_eq(found.mode, SAVE_FILE_MAPPED_RAM);
	ck_assert_uint_eq(found.bytes, SAVE_FILE_DATA_AT + strlen(DATA));
	ck_assert(json_object_equal(found.definition, head.definition));
	ck_assert_int_eq(read(fd, data, sizeof(data)), (ssize_t)strlen(DATA));
	ck_assert_str_eq(data, DATA);
	close(fd);
	save_file_fini(&found);
}
END_TEST

START_TEST(former_file_is_there_until_the_new_one_is_complete)
{
	struct save_file found;
	bool is_restored;

	save();
	memcpy(head.id, OTHER, sizeof(OTHER));
	begin();
	ck_assert(read_back(&found, &is_restored));
	ck_assert_str_eq(found.id, ID);
	save_file_fini(&found);
	ck_assert(save_file_finish_blocking(path, &head, &former, &err));
	ck_assert(read_back(&found, &is_restored));
	ck_assert_str_eq(found.id, OTHER);
	save_file_fini(&found);
}
END_TEST

static void assert_not_finished(const char *words)
{
	ck_assert(!save_file_finish_blocking(path, &head, &former, &err));
	ck_assert_int_eq(err.code, ERR_CONFLICT);
	ck_assert_msg(strstr(err.msg, words), "'%s' is not in: %s", words, err.msg);
}

/* It may be the guest of another VM by now, saved by another path of the same directory. */
START_TEST(what_has_come_under_the_name_meanwhile_is_not_replaced)
{
	begin();
	ck_assert(!former.is_there);
	ck_assert(file_write(path, "mine", 4, 0600, &err));
	assert_not_finished("is no saved guest: it is not replaced");
	ck_assert_int_eq(unlink(path), 0);
	memcpy(head.id, OTHER, sizeof(OTHER));
	save();
	memcpy(head.id, ID, sizeof(ID));
	former.is_there = false;
	former.id[0] = '\0';
	assert_not_finished("since the save began");
	ck_assert(save_file_check_blocking(dirs, path, &former, &err));
	ck_assert_str_eq(former.id, OTHER);
	ck_assert(save_file_finish_blocking(path, &head, &former, &err));
}
END_TEST

START_TEST(saved_guest_that_is_damaged_may_be_replaced)
{
	save();
	change(16, "x", 1);
	ck_assert(save_file_check_blocking(dirs, path, &former, &err));
	ck_assert(former.is_there && !former.id[0]);
	memcpy(head.id, OTHER, sizeof(OTHER));
	save();
}
END_TEST

START_TEST(finishing_again_after_a_crash_is_harmless)
{
	save();
	ck_assert(save_file_finish_blocking(path, &head, &former, &err));
	memcpy(head.id, OTHER, sizeof(OTHER));
	ck_assert(!save_file_finish_blocking(path, &head, &former, &err));
	ck_assert_int_eq(err.code, ERR_NOT_FOUND);
}
END_TEST

START_TEST(save_into_which_nothing_was_written_is_not_finished)
{
	int fd;

	former = (struct save_former){ .is_there = false };
	ck_assert(save_file_begin_blocking(dirs, path, &head, &former, &fd, &err));
	close(fd);
	ck_assert(!save_file_finish_blocking(path, &head, &former, &err));
	ck_assert(!is_there(path));
	ck_assert(save_file_drop_blocking(path, ID, &err));
	ck_assert(!is_there(temporary));
}
END_TEST

START_TEST(dropping_leaves_a_complete_file_alone)
{
	save();
	ck_assert(save_file_drop_blocking(path, ID, &err));
	ck_assert(is_there(path));
}
END_TEST

START_TEST(file_that_is_not_complete_is_refused)
{
	begin();
	ck_assert_int_eq(rename(temporary, path), 0);
	assert_unreadable("is not complete");
}
END_TEST

START_TEST(damaged_files_are_refused)
{
	save();
	change(4096, "x", 1);
	assert_unreadable("cut or damaged");
	save();
	change(16, "x", 1);
	assert_unreadable("cut or damaged");
	save();
	ck_assert_int_eq(truncate(path, 4100), 0);
	assert_unreadable("cut or damaged");
	save();
	ck_assert_int_eq(truncate(path, SAVE_FILE_DATA_AT + 1), 0);
	assert_unreadable("was cut or changed");
	save();
	change(8, "\2", 1);
	assert_unreadable("has the format 2");
	save();
	change(12, "\377\377\377\377", 4); /* a length that no memory should be asked for */
	assert_unreadable("cut or damaged");
	change(0, "QEVM", 4);
	assert_unreadable("no guest that migrd has saved");
	ck_assert_int_eq(truncate(path, 0), 0);
	assert_unreadable("no guest that migrd has saved");
	ck_assert_int_eq(unlink(path), 0);
	assert_unreadable("there is no file");
	ck_assert_int_eq(err.code, ERR_NOT_FOUND);
}
END_TEST

START_TEST(mark_is_set_and_taken_back)
{
	struct save_file found;
	bool is_restored;

	save();
	ck_assert(save_file_mark_blocking(path, ID, true, &err));
	ck_assert(read_back(&found, &is_restored) && is_restored);
	save_file_fini(&found);
	ck_assert(save_file_mark_blocking(path, ID, false, &err));
	ck_assert(read_back(&found, &is_restored) && !is_restored);
	save_file_fini(&found);
	ck_assert(!save_file_mark_blocking(path, OTHER, true, &err));
	ck_assert_int_eq(err.code, ERR_CONFLICT);
}
END_TEST

START_TEST(only_the_file_of_the_save_is_removed)
{
	save();
	ck_assert(save_file_remove_blocking(path, OTHER, &err));
	ck_assert(is_there(path));
	ck_assert(save_file_remove_blocking(path, ID, &err));
	ck_assert(!is_there(path));
	ck_assert(save_file_remove_blocking(path, ID, &err));
}
END_TEST

static void assert_no_place(const char *file, const char *words)
{
	ck_assert(!save_file_check_blocking(dirs, file, &former, &err));
	ck_assert_msg(strstr(err.msg, words), "'%s' is not in: %s", words, err.msg);
}

START_TEST(places_that_are_refused)
{
	char file[300];

	assert_no_place("g", "no path for a saved guest");
	snprintf(file, sizeof(file), "%s/../g", dirs);
	assert_no_place(file, "no path for a saved guest");
	assert_no_place(scratch_path("g"), "'save_dirs' of [storage]");
	snprintf(file, sizeof(file), "%s/none/g", dirs);
	assert_no_place(file, "is not there: make it");
	snprintf(file, sizeof(file), "%s/link", dirs);
	ck_assert_int_eq(symlink("..", file), 0);
	snprintf(file, sizeof(file), "%s/link/g", dirs);
	assert_no_place(file, "'save_dirs' of [storage]");
	ck_assert(file_write(path, "mine", 4, 0600, &err));
	assert_no_place(path, "is no saved guest: it is not replaced");
	ck_assert_int_eq(unlink(path), 0);
	ck_assert(save_file_check_blocking(dirs, path, &former, &err));
	ck_assert(!save_file_check_blocking(NULL, path, &former, &err));
}
END_TEST

Suite *suite(void)
{
	Suite *s = suite_create("save_file");
	TCase *tc = tcase_create("file");

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, what_was_saved_is_read_back);
	tcase_add_test(tc, former_file_is_there_until_the_new_one_is_complete);
	tcase_add_test(tc, what_has_come_under_the_name_meanwhile_is_not_replaced);
	tcase_add_test(tc, saved_guest_that_is_damaged_may_be_replaced);
	tcase_add_test(tc, finishing_again_after_a_crash_is_harmless);
	tcase_add_test(tc, save_into_which_nothing_was_written_is_not_finished);
	tcase_add_test(tc, dropping_leaves_a_complete_file_alone);
	tcase_add_test(tc, file_that_is_not_complete_is_refused);
	tcase_add_test(tc, damaged_files_are_refused);
	tcase_add_test(tc, mark_is_set_and_taken_back);
	tcase_add_test(tc, only_the_file_of_the_save_is_removed);
	tcase_add_test(tc, places_that_are_refused);
	suite_add_tcase(s, tc);
	return s;
}
