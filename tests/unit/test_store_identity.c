/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Opening a store finds out that it is an old copy, and never suspects the newest one. */
#include <stdio.h>
#include <unistd.h>

#include "base/file.h"
#include "base/mem.h"
#include "check_main.h"
#include "store/backup.h"
#include "store_rig.h"

static char run_dir[80];

static void identify(void)
{
	struct err err = { 0 };

	rig_open();
	ck_assert_msg(store_identify_blocking(rig.store, run_dir, &err), "%s", err.msg);
}

static void close_store(void)
{
	store_close(rig.store);
	rig.store = NULL;
}

static void set_up(void)
{
	rig_set_up_closed();
	snprintf(run_dir, sizeof(run_dir), "%s", rig.dir);
	identify();
}

static void copy_file(const char *from, const char *to)
{
	CLEANUP(free_charp) char *path = xstrdup(rig_path(from));
	CLEANUP(free_charp) char *data = NULL;
	struct err err = { 0 };
	size_t len;

	ck_assert_msg(file_read(path, 64u << 20, &data, &len, &err), "%s", err.msg);
	ck_assert_msg(file_write(rig_path(to), data, len, 0600, &err), "%s", err.msg);
}

static void assert_doubt(const char *words)
{
	const char *doubt = store_identity(rig.store)->doubt;

	ck_assert_msg(words ? strstr(doubt, words) != NULL : !doubt[0], "doubt: '%s'", doubt);
}

/* An ordinary restart must not stop moves. */
START_TEST(closed_and_opened_again_is_in_order_in_the_next_epoch)
{
	uint64_t epoch = store_identity(rig.store)->epoch;

	rig_put_both();
	close_store();
	identify();
	assert_doubt(NULL);
	ck_assert_uint_eq(store_identity(rig.store)->epoch, epoch + 1);
}
END_TEST

/* A mark in the run directory is newer than the copy. */
START_TEST(backup_put_back_over_the_file_is_in_doubt)
{
	close_store();
	copy_file("migrd.db", "copy");
	identify();
	rig_put_both();
	close_store();
	copy_file("copy", "migrd.db");
	identify();
	assert_doubt("an old copy was put back");
}
END_TEST

/* After a boot of the host there is no mark: the file itself shows that it is a copy. */
START_TEST(copy_in_the_place_of_the_file_is_in_doubt_without_a_mark)
{
	CLEANUP(free_charp) char *copy = xstrdup(rig_path("copy"));

	close_store();
	copy_file("migrd.db", "copy");
	ck_assert_int_eq(unlink(rig_path("store.mark")), 0);
	ck_assert_int_eq(rename(copy, rig_path("migrd.db")), 0);
	identify();
	assert_doubt("but a copy");
}
END_TEST

/* An operator who moves the store away, to start without any VM, gets a new one that is in
 * doubt. */
START_TEST(store_moved_away_and_made_anew_is_in_doubt)
{
	close_store();
	ck_assert_int_eq(unlink(rig_path("migrd.db")), 0);
	identify();
	assert_doubt("moved away");
}
END_TEST

/* The doubt outlives restarts, and ends only when all peers were heard. */
START_TEST(doubt_stays_over_a_restart_until_it_is_ended)
{
	close_store();
	ck_assert_int_eq(unlink(rig_path("migrd.db")), 0);
	identify();
	close_store();
	identify();
	assert_doubt("moved away");
	store_trust(rig.store, NULL, NULL);
	rig_put_both();
	assert_doubt(NULL);
	close_store();
	identify();
	assert_doubt(NULL);
}
END_TEST

static struct err backup_result;
static bool is_backed_up;

static void on_backup(void *data, const struct err *err)
{
	(void)data;
	is_backed_up = true;
	backup_result = err ? *err : (struct err){ 0 };
}

static void back_up(const char *name)
{
	is_backed_up = false;
	store_backup(rig.store, rig_path(name), on_backup, NULL);
	while (!is_backed_up)
		rig_run();
}

/* A backup has all that was answered before it, and its records are in doubt. */
START_TEST(backup_is_restored_and_in_doubt_and_the_former_file_is_kept)
{
	CLEANUP(free_charp) char *file = xstrdup(rig_path("backup.db"));
	CLEANUP(free_charp) char *kept = NULL;
	struct err err = { 0 };

	rig_put_both();
	back_up("backup.db");
	ck_assert_msg(!err_is_set(&backup_result), "%s", backup_result.msg);
	close_store();
	ck_assert_msg(store_restore_blocking(rig.dir, file, &kept, &err), "%s", err.msg);
	ck_assert_int_eq(access(kept, F_OK), 0);
	identify();
	assert_doubt("restored from");
	rig_load();
	ck_assert_uint_eq(rig.vm_count, 1);
	rig_free_loaded();
}
END_TEST

/* A backup never overwrites a file. */
START_TEST(backup_into_a_file_that_is_there_is_refused)
{
	back_up("backup.db");
	back_up("backup.db");
	rig_assert_says(&backup_result, ERR_EXISTS, "already");
}
END_TEST

/* A wrong file name must not cost the existing database. */
START_TEST(restore_of_what_is_no_backup_changes_nothing)
{
	CLEANUP(free_charp) char *file = xstrdup(rig_path("noise"));
	CLEANUP(free_charp) char *kept = NULL;
	struct err err = { 0 };

	rig_put_both();
	close_store();
	ck_assert(file_write(file, "noise", 5, 0600, &err));
	ck_assert(!store_restore_blocking(rig.dir, file, &kept, &err));
	rig_assert_says(&err, ERR_STORE, "was not put back");
	identify();
	assert_doubt(NULL);
	rig_load();
	ck_assert_uint_eq(rig.vm_count, 1);
	rig_free_loaded();
}
END_TEST

Suite *suite(void)
{
	Suite *s = suite_create("store_identity");
	TCase *c = rig_add_case(s, "identity", set_up);

	tcase_add_test(c, closed_and_opened_again_is_in_order_in_the_next_epoch);
	tcase_add_test(c, backup_put_back_over_the_file_is_in_doubt);
	tcase_add_test(c, copy_in_the_place_of_the_file_is_in_doubt_without_a_mark);
	tcase_add_test(c, store_moved_away_and_made_anew_is_in_doubt);
	tcase_add_test(c, doubt_stays_over_a_restart_until_it_is_ended);
	tcase_add_test(c, backup_is_restored_and_in_doubt_and_the_former_file_is_kept);
	tcase_add_test(c, backup_into_a_file_that_is_there_is_refused);
	tcase_add_test(c, restore_of_what_is_no_backup_changes_nothing);
	return s;
}
