/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Images that a move makes and removes: never another file than its own.  A script stands in for
 * qemu-img; where the real one is installed, it makes the images that the samples describe. */
#include "storage/image.h"

#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "base/mem.h"
#include "preflight/qcow2.h"
#include "tests/lib/check_main.h"
#include "tests/lib/scratch.h"

#define MOVE  "018f0000-0000-7000-8000-0000000000a1"
#define OTHER "018f0000-0000-7000-8000-0000000000a2"

static struct storage_rules rules;
static struct err err;
static char dirs[256], program[256], path[256], mark[256], aside[256];

static const struct disk_copy raw = { .id = "d", .virtual_bytes = 1 << 20 };
static const struct disk_copy qcow2 = {
	.id = "d",
	.format = VM_DEF_DISK_FORMAT_QCOW2,
	.virtual_bytes = 16 << 20,
	.cluster_bytes = 128 << 10,
	.refcount_bits = 64,
	.lazy_refcounts = true,
	.extended_l2 = true,
};

static void write_text(const char *name, const char *text, mode_t mode)
{
	if (!file_write(name, text, strlen(text), mode, &err))
		ck_abort_msg("%s", err.msg);
}

static char *read_text(const char *name)
{
	char *text;
	size_t len;

	if (!file_read(name, 65536, &text, &len, &err))
		ck_abort_msg("%s", err.msg);
	return text;
}

static void setup(void)
{
	CLEANUP(free_charp) char *script = NULL;

	scratch_setup();
	snprintf(dirs, sizeof(dirs), "%s", scratch_path("images"));
	snprintf(program, sizeof(program), "%s", scratch_path("qemu-img"));
	snprintf(path, sizeof(path), "%s", scratch_path("images/d"));
	snprintf(mark, sizeof(mark), "%s", scratch_path("images/.d.migrd-" MOVE));
	snprintf(aside, sizeof(aside), "%s", scratch_path("images/d.moved-to-b-" MOVE));
	ck_assert_int_eq(mkdir(dirs, 0700), 0);
	script = xasprintf("#!/bin/sh\necho \"$@\" >%s/args\n"
			   "[ ! -e %s/fail ] || { echo no luck; exit 1; }\n"
			   "echo made >\"$5\"\n",
			   scratch_dir, scratch_dir);
	write_text(program, script, 0700);
	rules = (struct storage_rules){ .dirs = dirs, .qemu_img = program };
}

static void make(const struct disk_copy *copy)
{
	ck_assert_msg(image_make_blocking(&rules, copy, path, MOVE, &err), "%s", err.msg);
}

static void assert_not_made(const char *words)
{
	ck_assert(!image_make_blocking(&rules, &raw, path, MOVE, &err));
	ck_assert_msg(strstr(err.msg, words) != NULL, "%s", err.msg);
	ck_assert(access(mark, F_OK) != 0);
}

static bool is_there(const char *name)
{
	struct stat st;

	return lstat(name, &st) == 0;
}

static void assert_text(const char *name, const char *text)
{
	CLEANUP(free_charp) char *found = read_text(name);

	ck_assert_str_eq(found, text);
}

/* ---- making ---------------------------------------------------------------------- */

START_TEST(image_is_made_with_its_mark)
{
	struct stat image, its_mark;

	make(&raw);
	ck_assert_int_eq(stat(path, &image), 0);
	ck_assert_int_eq(stat(mark, &its_mark), 0);
	ck_assert_uint_eq(image.st_ino, its_mark.st_ino);
	ck_assert_uint_eq(image.st_mode & 07777, 0600);
	assert_text(path, "made\n");
}
END_TEST

START_TEST(qemu_img_is_told_what_the_source_says)
{
	CLEANUP(free_charp) char *args = NULL;

	make(&qcow2);
	args = read_text(scratch_path("args"));
	ck_assert_ptr_nonnull(strstr(args, "create -q -f qcow2 /proc/self/fd/"));
	ck_assert_ptr_nonnull(strstr(args, " 16777216 -o compat=1.1,cluster_size=131072,"
					   "refcount_bits=64,lazy_refcounts=on,extended_l2=on\n"));
}
END_TEST

/* At the path that this host's map gives. */
START_TEST(image_is_made_over_its_backing_file)
{
	CLEANUP(free_charp) char *args = NULL;
	struct disk_copy over = qcow2;

	snprintf(over.backing, sizeof(over.backing), "/there/base");
	over.backing_format = VM_DEF_DISK_FORMAT_QCOW2;
	rules.map = "/there:/here";
	make(&over);
	args = read_text(scratch_path("args"));
	ck_assert_ptr_nonnull(strstr(args, "extended_l2=on -F qcow2 -b /here/base\n"));
}
END_TEST

/* It would be another disk. */
START_TEST(image_is_not_made_over_a_backing_file_of_another_format)
{
	struct disk_copy over = qcow2;

	if (access("/usr/bin/qemu-img", X_OK) != 0)
		return;
	rules.qemu_img = "qemu-img";
	snprintf(over.backing, sizeof(over.backing), "%s", scratch_path("base"));
	over.backing_format = VM_DEF_DISK_FORMAT_QCOW2;
	write_text(over.backing, "no header", 0600);
	ck_assert(!image_make_blocking(&rules, &over, path, MOVE, &err));
	ck_assert_msg(strstr(err.msg, over.backing) != NULL, "%s", err.msg);
	ck_assert(!is_there(path) && !is_there(mark));
	over.backing_format = VM_DEF_DISK_FORMAT_RAW;
	make(&over);
}
END_TEST

START_TEST(what_the_real_one_makes_has_its_options)
{
	unsigned char head[512];
	struct qcow2_head read;
	struct stat st;
	int fd;

	if (access("/usr/bin/qemu-img", X_OK) != 0)
		return;
	rules.qemu_img = "qemu-img";
	make(&qcow2);
	ck_assert_int_eq(stat(path, &st), 0);
	ck_assert_uint_eq(st.st_mode & 07777, 0600);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	ck_assert_int_eq(pread(fd, head, sizeof(head), 0), sizeof(head));
	close(fd);
	ck_assert(qcow2_head_read(head, sizeof(head), &read, &err));
	ck_assert_uint_eq(head[23], 17); /* cluster bits: docs/interop/qcow2.txt */
	ck_assert_uint_eq(head[99], 6);  /* refcount order */
	ck_assert(image_remove_blocking(path, MOVE, &err));
	make(&raw);
	ck_assert_int_eq(stat(path, &st), 0);
	ck_assert_int_eq(st.st_size, 1 << 20);
}
END_TEST

/* A coordinator that crashed in between makes it again. */
START_TEST(image_of_the_same_move_is_made_again)
{
	make(&raw);
	ck_assert_int_eq(truncate(path, 1), 0);
	make(&raw);
	assert_text(path, "made\n");
}
END_TEST

START_TEST(half_made_image_is_made_again)
{
	write_text(mark, "half", 0600);
	make(&raw);
	assert_text(path, "made\n");
}
END_TEST

START_TEST(name_that_is_taken_stays_as_it_is)
{
	write_text(path, "somebody's", 0600);
	assert_not_made("move it away, or, if it is the same storage");
	ck_assert_int_eq(err.code, ERR_CONFLICT);
	assert_text(path, "somebody's");
}
END_TEST

START_TEST(dangling_link_is_a_name_too)
{
	ck_assert_int_eq(symlink("/nowhere/at/all", path), 0);
	assert_not_made("is there already");
	ck_assert(is_there(path));
}
END_TEST

START_TEST(qemu_img_that_fails_leaves_nothing)
{
	write_text(scratch_path("fail"), "", 0600);
	assert_not_made("status 1: no luck");
	ck_assert(!is_there(path));
}
END_TEST

START_TEST(directory_that_is_not_there_is_named)
{
	snprintf(path, sizeof(path), "%s", scratch_path("images/vm1/d"));
	assert_not_made("images/vm1' is not there on this host: make it");
}
END_TEST

START_TEST(link_out_of_the_dirs_is_refused)
{
	ck_assert_int_eq(mkdir(scratch_path("outside"), 0700), 0);
	ck_assert_int_eq(symlink("../outside", scratch_path("images/vm1")), 0);
	snprintf(path, sizeof(path), "%s", scratch_path("images/vm1/d"));
	assert_not_made("add one to 'dirs' of [storage]");
	ck_assert(!is_there(scratch_path("outside/d")));
}
END_TEST

START_TEST(link_into_another_dir_is_fine)
{
	CLEANUP(free_charp) char *both = xasprintf("%s:%s", dirs, scratch_path("more"));

	ck_assert_int_eq(mkdir(scratch_path("more"), 0700), 0);
	ck_assert_int_eq(symlink("../more", scratch_path("images/vm1")), 0);
	snprintf(path, sizeof(path), "%s", scratch_path("images/vm1/d"));
	rules.dirs = both;
	make(&raw);
	assert_text(scratch_path("more/d"), "made\n");
}
END_TEST

START_TEST(copy_out_of_range_is_refused_before_anything)
{
	const struct disk_copy empty = { .id = "d" };

	ck_assert(!image_make_blocking(&rules, &empty, path, MOVE, &err));
	ck_assert_int_eq(err.code, ERR_INVALID);
	ck_assert(!is_there(mark));
}
END_TEST

/* ---- removing, keeping ------------------------------------------------------------- */

START_TEST(image_of_the_move_is_removed)
{
	make(&raw);
	ck_assert(image_remove_blocking(path, MOVE, &err));
	ck_assert(!is_there(path));
	ck_assert(!is_there(mark));
	ck_assert(image_remove_blocking(path, MOVE, &err));
}
END_TEST

START_TEST(image_of_another_is_not_removed)
{
	make(&raw);
	ck_assert(image_remove_blocking(path, OTHER, &err));
	ck_assert(is_there(path));
	ck_assert_int_eq(unlink(path), 0);
	write_text(path, "somebody's", 0600);
	ck_assert(image_remove_blocking(path, MOVE, &err));
	assert_text(path, "somebody's");
	ck_assert(!is_there(mark));
}
END_TEST

/* Once it is kept, no rollback can remove it. */
START_TEST(image_that_is_kept_stays)
{
	make(&raw);
	ck_assert(image_keep_blocking(path, MOVE, &err));
	ck_assert(image_keep_blocking(path, MOVE, &err));
	ck_assert(!is_there(mark));
	ck_assert(image_remove_blocking(path, MOVE, &err));
	ck_assert(is_there(path));
}
END_TEST

START_TEST(directory_that_is_gone_has_nothing_to_remove)
{
	ck_assert(image_remove_blocking(scratch_path("gone/d"), MOVE, &err));
	ck_assert(image_keep_blocking(scratch_path("gone/d"), MOVE, &err));
	ck_assert(image_discard_blocking(scratch_path("gone/d"), &err));
}
END_TEST

/* ---- the source ---------------------------------------------------------------------- */

START_TEST(image_is_put_aside_once)
{
	write_text(path, "data", 0600);
	ck_assert_msg(image_put_aside_blocking(path, "b", MOVE, &err), "%s", err.msg);
	ck_assert(!is_there(path));
	assert_text(aside, "data");
	ck_assert(image_put_aside_blocking(path, "b", MOVE, &err));
	assert_text(aside, "data");
}
END_TEST

START_TEST(image_is_put_over_nothing)
{
	write_text(path, "data", 0600);
	write_text(aside, "other", 0600);
	ck_assert(!image_put_aside_blocking(path, "b", MOVE, &err));
	ck_assert_int_eq(err.code, ERR_CONFLICT);
	assert_text(path, "data");
	assert_text(aside, "other");
}
END_TEST

START_TEST(image_that_is_nowhere_cannot_be_put_aside)
{
	ck_assert(!image_put_aside_blocking(path, "b", MOVE, &err));
	ck_assert_int_eq(err.code, ERR_NOT_FOUND);
}
END_TEST

START_TEST(image_is_discarded)
{
	write_text(path, "data", 0600);
	ck_assert(image_discard_blocking(path, &err));
	ck_assert(!is_there(path));
	ck_assert(image_discard_blocking(path, &err));
}
END_TEST

/* Its room is wanted back, and its data gone.  The second time as after a crash in between. */
START_TEST(image_behind_links_is_discarded_with_them)
{
	char image[256], between[256], other[256];

	snprintf(image, sizeof(image), "%s", scratch_path("more/disk"));
	snprintf(between, sizeof(between), "%s", scratch_path("more/between"));
	snprintf(other, sizeof(other), "%s", scratch_path("more/other"));
	ck_assert_int_eq(mkdir(scratch_path("more"), 0700), 0);
	write_text(image, "data", 0600);
	write_text(other, "other", 0600);
	ck_assert_int_eq(symlink("disk", between), 0);
	ck_assert_int_eq(symlink("../more/between", path), 0);
	if (_i == 1)
		ck_assert_int_eq(unlink(image), 0);
	if (_i == 2)
		ck_assert(unlink(image) == 0 && unlink(between) == 0);
	ck_assert_msg(image_discard_blocking(path, &err), "%s", err.msg);
	ck_assert(!is_there(path));
	ck_assert(!is_there(between));
	ck_assert(!is_there(image));
	assert_text(other, "other");
	ck_assert(image_discard_blocking(path, &err));
}
END_TEST

/* Its name is free then, and no data has moved. */
START_TEST(link_is_put_aside_and_its_image_stays)
{
	write_text(scratch_path("images/disk"), "data", 0600);
	ck_assert_int_eq(symlink("disk", path), 0);
	ck_assert_msg(image_put_aside_blocking(path, "b", MOVE, &err), "%s", err.msg);
	ck_assert(!is_there(path));
	assert_text(aside, "data");
	assert_text(scratch_path("images/disk"), "data");
}
END_TEST

/* Somebody who may write in the directory has put a link there. */
START_TEST(link_to_a_file_of_another_user_removes_nothing)
{
	char image[256];

	if (geteuid() != 0)
		return; /* only root can make what is another's */
	snprintf(image, sizeof(image), "%s", scratch_path("images/disk"));
	write_text(image, "data", 0600);
	ck_assert_int_eq(symlink("disk", path), 0);
	ck_assert_int_eq(lchown(path, 12345, 12345), 0);
	ck_assert(!image_discard_blocking(path, &err));
	ck_assert_int_eq(err.code, ERR_CONFLICT);
	ck_assert_ptr_nonnull(strstr(err.msg, "12345"));
	ck_assert(is_there(path));
	assert_text(image, "data");
	ck_assert_int_eq(lchown(image, 12345, 12345), 0); /* it is theirs */
	ck_assert_msg(image_discard_blocking(path, &err), "%s", err.msg);
	ck_assert(!is_there(path));
	ck_assert(!is_there(image));
}
END_TEST

/* A guest's disk may be a device, whose node is not ours. */
START_TEST(what_is_no_file_is_left_alone)
{
	ck_assert_int_eq(symlink("/dev/null", path), 0);
	ck_assert(!image_put_aside_blocking(path, "b", MOVE, &err));
	ck_assert_int_eq(err.code, ERR_CONFLICT);
	ck_assert(!image_discard_blocking(path, &err));
	ck_assert(is_there(path));
}
END_TEST

/* ---- looking first -------------------------------------------------------------------- */

static struct image_wish wishes[3];

static void wish(size_t at, const char *name, uint64_t bytes)
{
	wishes[at] = (struct image_wish){ .bytes = bytes };
	snprintf(wishes[at].path, sizeof(wishes[at].path), "%s", scratch_path(name));
}

static void assert_error(size_t at, const char *words)
{
	ck_assert_msg(*words ? strstr(wishes[at].err.msg, words) != NULL
			     : !err_is_set(&wishes[at].err),
		      "%zu: %s", at, wishes[at].err.msg);
}

START_TEST(images_that_can_be_made_are_fine_and_nothing_changes)
{
	wish(0, "images/a", 1 << 20);
	wish(1, "images/b", 0);
	image_look_blocking(&rules, MOVE, wishes, 2);
	assert_error(0, "");
	assert_error(1, "");
	ck_assert_int_eq(rmdir(dirs), 0);
}
END_TEST

START_TEST(each_image_has_its_own_error)
{
	write_text(path, "somebody's", 0600);
	wish(0, "images/d", 0);
	wish(1, "images/gone/a", 0);
	wish(2, "images/c", 0);
	err_set(&wishes[2].err, ERR_INVALID, "of before");
	image_look_blocking(&rules, MOVE, wishes, 3);
	assert_error(0, "is there already");
	assert_error(1, "make it");
	assert_error(2, "of before");
}
END_TEST

/* An offer that comes again after a crash finds what it made itself. */
START_TEST(image_of_the_same_move_is_no_obstacle)
{
	make(&raw);
	wish(0, "images/d", 0);
	image_look_blocking(&rules, MOVE, wishes, 1);
	assert_error(0, "");
	image_look_blocking(&rules, OTHER, wishes, 1);
	assert_error(0, "is there already");
}
END_TEST

/* Each fits, all together do not. */
START_TEST(room_is_counted_for_all_images)
{
	uint64_t half = UINT64_MAX / 2 + 1;

	wish(0, "images/a", half);
	wish(1, "images/b", half);
	wish(2, "images/c", 0);
	image_look_blocking(&rules, MOVE, wishes, 3);
	assert_error(0, "make room");
	ck_assert_int_eq(wishes[0].err.code, ERR_NO_SPACE);
	assert_error(1, "");
	assert_error(2, "");
}
END_TEST

START_TEST(one_name_for_two_disks_is_refused)
{
	ck_assert_int_eq(symlink(".", scratch_path("images/loop")), 0);
	wish(0, "images/a", 0);
	wish(1, "images/loop/a", 0);
	image_look_blocking(&rules, MOVE, wishes, 2);
	assert_error(0, "");
	assert_error(1, "the image of two disks");
}
END_TEST

START_TEST(missing_program_is_told)
{
	rules.qemu_img = "/nowhere/qemu-img";
	wish(0, "images/a", 0);
	image_look_blocking(&rules, MOVE, wishes, 1);
	assert_error(0, "'qemu_img' of [storage]");
}
END_TEST

Suite *suite(void)
{
	Suite *s = suite_create("storage_image");
	TCase *tc = tcase_create("image");

	tcase_add_checked_fixture(tc, setup, scratch_teardown);
	suite_add_tcase(s, tc);
	tcase_add_test(tc, image_is_made_with_its_mark);
	tcase_add_test(tc, qemu_img_is_told_what_the_source_says);
	tcase_add_test(tc, image_is_made_over_its_backing_file);
	tcase_add_test(tc, image_is_not_made_over_a_backing_file_of_another_format);
	tcase_add_test(tc, what_the_real_one_makes_has_its_options);
	tcase_add_test(tc, image_of_the_same_move_is_made_again);
	tcase_add_test(tc, half_made_image_is_made_again);
	tcase_add_test(tc, name_that_is_taken_stays_as_it_is);
	tcase_add_test(tc, dangling_link_is_a_name_too);
	tcase_add_test(tc, qemu_img_that_fails_leaves_nothing);
	tcase_add_test(tc, directory_that_is_not_there_is_named);
	tcase_add_test(tc, link_out_of_the_dirs_is_refused);
	tcase_add_test(tc, link_into_another_dir_is_fine);
	tcase_add_test(tc, copy_out_of_range_is_refused_before_anything);
	tcase_add_test(tc, image_of_the_move_is_removed);
	tcase_add_test(tc, image_of_another_is_not_removed);
	tcase_add_test(tc, image_that_is_kept_stays);
	tcase_add_test(tc, directory_that_is_gone_has_nothing_to_remove);
	tcase_add_test(tc, image_is_put_aside_once);
	tcase_add_test(tc, image_is_put_over_nothing);
	tcase_add_test(tc, image_that_is_nowhere_cannot_be_put_aside);
	tcase_add_test(tc, image_is_discarded);
	tcase_add_loop_test(tc, image_behind_links_is_discarded_with_them, 0, 3);
	tcase_add_test(tc, link_is_put_aside_and_its_image_stays);
	tcase_add_test(tc, link_to_a_file_of_another_user_removes_nothing);
	tcase_add_test(tc, what_is_no_file_is_left_alone);
	tcase_add_test(tc, images_that_can_be_made_are_fine_and_nothing_changes);
	tcase_add_test(tc, each_image_has_its_own_error);
	tcase_add_test(tc, image_of_the_same_move_is_no_obstacle);
	tcase_add_test(tc, room_is_counted_for_all_images);
	tcase_add_test(tc, one_name_for_two_disks_is_refused);
	tcase_add_test(tc, missing_program_is_told);
	return s;
}
