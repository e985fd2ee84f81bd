/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The state of a TPM: only what a move made is removed by its rollback, and nothing with keys is
 * left that was to go. */
#include "storage/tpm_state.h"

#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "base/mem.h"
#include "tests/lib/check_main.h"
#include "tests/lib/scratch.h"

#define VM    "018f0000-0000-7000-8000-000000000001"
#define MOVE  "018f0000-0000-7000-8000-0000000000a1"
#define OTHER "018f0000-0000-7000-8000-0000000000a2"
#define STATE "tpm/" VM
#define MARK  "tpm/." VM ".migrd-" MOVE
#define KEYS  STATE "/tpm2-00.permall"

static struct err err;
static char state[256];

static void setup(void)
{
	scratch_setup();
	snprintf(state, sizeof(state), "%s", scratch_path(STATE));
}

static bool is_there(const char *name)
{
	return access(scratch_path(name), F_OK) == 0;
}

static void write_keys(void)
{
	if (!file_write(scratch_path(KEYS), "keys", 4, 0600, &err))
		ck_abort_msg("%s", err.msg);
}

static void make_other(void)
{
	if (!dir_make(state, 0700, &err))
		ck_abort_msg("%s", err.msg);
	write_keys();
}

static void make(void)
{
	if (!tpm_state_make_blocking(state, MOVE, &err))
		ck_abort_msg("%s", err.msg);
}

START_TEST(state_is_made_empty_and_private_under_a_mark)
{
	struct stat st;

	make();
	ck_assert(is_there(MARK));
	ck_assert_int_eq(stat(state, &st), 0);
	ck_assert_uint_eq(st.st_mode & 0777, 0700);
	ck_assert_int_eq(stat(scratch_path("tpm"), &st), 0);
	ck_assert_uint_eq(st.st_mode & 0777, 0700);
	write_keys();
	make();
	ck_assert(!is_there(KEYS));
}
END_TEST

START_TEST(state_of_another_stays)
{
	make_other();
	ck_assert(!tpm_state_make_blocking(state, MOVE, &err));
	ck_assert_int_eq(err.code, ERR_CONFLICT);
	ck_assert_ptr_nonnull(strstr(err.msg, "holds keys"));
	ck_assert(!is_there(MARK));
	ck_assert(tpm_state_remove_blocking(state, MOVE, &err));
	ck_assert(is_there(KEYS));
}
END_TEST

START_TEST(rollback_removes_what_its_move_made)
{
	make();
	write_keys();
	ck_assert(tpm_state_remove_blocking(state, OTHER, &err));
	ck_assert(is_there(KEYS));
	ck_assert(tpm_state_remove_blocking(state, MOVE, &err));
	ck_assert(!is_there(STATE) && !is_there(MARK));
	ck_assert(tpm_state_remove_blocking(state, MOVE, &err));
}
END_TEST

/* A crash came between the mark and the directory. */
START_TEST(mark_alone_goes_too)
{
	make();
	ck_assert_int_eq(rmdir(state), 0);
	ck_assert(tpm_state_remove_blocking(state, MOVE, &err));
	ck_assert(!is_there(MARK));
}
END_TEST

START_TEST(state_that_is_kept_is_no_rollbacks)
{
	make();
	write_keys();
	ck_assert(tpm_state_keep_blocking(state, MOVE, &err));
	ck_assert(tpm_state_keep_blocking(state, MOVE, &err));
	ck_assert(!is_there(MARK));
	ck_assert(tpm_state_remove_blocking(state, MOVE, &err));
	ck_assert(is_there(KEYS));
}
END_TEST

START_TEST(state_is_synced_with_whatever_is_in_it)
{
	ck_assert(tpm_state_sync_blocking(state, &err)); /* nothing is there */
	make();
	write_keys();
	ck_assert_int_eq(mkfifo(scratch_path(STATE "/fifo"), 0600), 0);
	ck_assert_int_eq(symlink("nowhere", scratch_path(STATE "/link")), 0);
	ck_assert_msg(tpm_state_sync_blocking(state, &err), "%s", err.msg);
	ck_assert(is_there(KEYS));
}
END_TEST

START_TEST(source_discards_all)
{
	make_other();
	ck_assert(tpm_state_discard_blocking(state, &err));
	ck_assert(!is_there(STATE));
	ck_assert(tpm_state_discard_blocking(state, &err));
	ck_assert_int_eq(rmdir(scratch_path("tpm")), 0);
	ck_assert(tpm_state_discard_blocking(state, &err));
}
END_TEST

static bool look(const char *swtpm)
{
	CLEANUP(free_charp) char *dir = xstrdup(scratch_path("tpm"));
	struct storage_rules rules = { .tpm_dir = dir, .swtpm = swtpm };

	return tpm_state_look_blocking(&rules, VM, MOVE, &err);
}

START_TEST(look_names_what_is_missing)
{
	ck_assert(!look("/nowhere/swtpm"));
	ck_assert_ptr_nonnull(strstr(err.msg, "'swtpm' of [tpm]"));
	ck_assert(look("sh"));
	ck_assert(!is_there("tpm"));
	make();
	ck_assert(look("sh"));
	ck_assert(tpm_state_keep_blocking(state, MOVE, &err));
	ck_assert(!look("sh"));
	ck_assert_ptr_nonnull(strstr(err.msg, state));
}
END_TEST

/* A guest that a refresh has brought to its second place, and that has moved away since. */
START_TEST(look_knows_both_names_of_a_state)
{
	CLEANUP(free_charp) char *second = xasprintf("%s.2", state);

	ck_assert_msg(tpm_state_make_blocking(second, OTHER, &err), "%s", err.msg);
	ck_assert(!look("sh"));
	ck_assert_ptr_nonnull(strstr(err.msg, second));
	ck_assert(tpm_state_remove_blocking(second, OTHER, &err));
	ck_assert(look("sh"));
}
END_TEST

Suite *suite(void)
{
	Suite *s = suite_create("storage_tpm");
	TCase *tc = tcase_create("tpm");

	tcase_add_checked_fixture(tc, setup, scratch_teardown);
	suite_add_tcase(s, tc);
	tcase_add_test(tc, state_is_made_empty_and_private_under_a_mark);
	tcase_add_test(tc, state_of_another_stays);
	tcase_add_test(tc, rollback_removes_what_its_move_made);
	tcase_add_test(tc, mark_alone_goes_too);
	tcase_add_test(tc, state_that_is_kept_is_no_rollbacks);
	tcase_add_test(tc, state_is_synced_with_whatever_is_in_it);
	tcase_add_test(tc, source_discards_all);
	tcase_add_test(tc, look_names_what_is_missing);
	tcase_add_test(tc, look_knows_both_names_of_a_state);
	return s;
}
