/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Which of the ended jobs are forgotten, if there are too many: who ended first, as the store does
 * it, and not who began first. */
#include <stdio.h>

#include "base/mem.h"
#include "check_main.h"
#include "refresh/priv.h"
#include "save/priv.h"
#include "store_rig.h"
#include "vm/vm.h"
#include "vmbackup/priv.h"

#define TOO_MANY 3

static struct vms *vms; /* none of them is there any more */

static void set_up(void)
{
	rig_set_up();
	vms = vms_new(&(struct vms_env){ .qemu.loop = rig.loop });
}

static void tear_down(void)
{
	vms_free(vms);
	rig_tear_down();
}

static const char *id_of(unsigned number)
{
	static char id[ID_UUID_SIZE];

	snprintf(id, sizeof(id), "01a22bf1-4a2b-76da-a80e-%012u", number);
	return id;
}

/* They began in the order of their numbers, and ended in the reverse order. */
#define ROW(type, number)                                  \
	struct type row = { .state = "done",               \
			    .is_final = true,              \
			    .detail = xstrdup("{}"),       \
			    .created_ms = number,          \
			    .ended_ms = 1000 - (number) }; \
	snprintf(row.id, sizeof(row.id), "%s", id_of(number))

/* Of COUNT jobs those that began last ended first. */
#define CHECK_LEFT(find, all, count)                                                             \
	do {                                                                                     \
		for (unsigned i_ = 0; i_ < (count); i_++)                                        \
			ck_assert_msg((find(all, id_of(i_)) != NULL) == (i_ < (count)-TOO_MANY), \
				      "%u", i_);                                                 \
	} while (0)

START_TEST(backups_that_ended_first_are_forgotten)
{
	const unsigned count = STORE_VMBACKUPS_MAX + TOO_MANY;
	struct vmbackups *all =
		vmbackups_new(&(struct vmbackups_env){ .loop = rig.loop, .vms = vms });

	for (unsigned i = 0; i < count; i++) {
		ROW(store_vmbackup, i);
		row.directory = xstrdup("/backups");
		vmbackups_add_row(all, &row);
	}
	vmbackups_trim(all);
	CHECK_LEFT(vmbackups_find, all, count);
	vmbackups_free(all);
}
END_TEST

START_TEST(refreshes_that_ended_first_are_forgotten)
{
	const unsigned count = STORE_REFRESHES_MAX + TOO_MANY;
	struct refreshes *all =
		refreshes_new(&(struct refreshes_env){ .loop = rig.loop, .vms = vms });

	for (unsigned i = 0; i < count; i++) {
		ROW(store_refresh, i);
		refreshes_add_row(all, &row);
	}
	refreshes_trim(all);
	CHECK_LEFT(refreshes_find, all, count);
	refreshes_free(all);
}
END_TEST

START_TEST(saves_that_ended_first_are_forgotten)
{
	const unsigned count = STORE_SAVES_MAX + TOO_MANY;
	struct saves *all = saves_new(&(struct saves_env){ .loop = rig.loop, .vms = vms });

	for (unsigned i = 0; i < count; i++) {
		ROW(store_save, i);
		snprintf(row.kind, sizeof(row.kind), "SAVE");
		saves_add_row(all, &row);
	}
	saves_trim(all);
	CHECK_LEFT(saves_find, all, count);
	saves_free(all);
}
END_TEST

/* Of two that ended together the one with the greater id stays. */
START_TEST(of_two_that_ended_together_the_lesser_id_goes)
{
	const struct machine one = { .id = "a" }, other = { .id = "b" };

	ck_assert(machine_goes_before(&one, 7, &other, 7));
	ck_assert(!machine_goes_before(&other, 7, &one, 7));
	ck_assert(machine_goes_before(&other, 6, &one, 7));
}
END_TEST

Suite *suite(void)
{
	Suite *s = suite_create("ended_first");
	TCase *tc = tcase_create("ended_first");

	suite_add_tcase(s, tc);
	tcase_add_checked_fixture(tc, set_up, tear_down);
	tcase_add_test(tc, backups_that_ended_first_are_forgotten);
	tcase_add_test(tc, refreshes_that_ended_first_are_forgotten);
	tcase_add_test(tc, saves_that_ended_first_are_forgotten);
	tcase_add_test(tc, of_two_that_ended_together_the_lesser_id_goes);
	return s;
}
