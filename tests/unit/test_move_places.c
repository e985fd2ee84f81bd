/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The places of a host for moves to it. */
#include <string.h>
#include <unistd.h>

#include "base/mem.h"
#include "check_main.h"
#include "move/priv.h"
#include "move_rig.h"

static void add_incoming(unsigned i)
{
	struct store_move row = { .generation = 1, .created_ms = 1, .updated_ms = 1 };

	snprintf(row.id, sizeof(row.id), "018f0000-0000-7000-8000-0000000000c%u", i);
	snprintf(row.kind, sizeof(row.kind), "MIGRATION_IN");
	snprintf(row.state, sizeof(row.state), "transfer");
	snprintf(row.peer, sizeof(row.peer), "c");
	row.detail = xstrdup("{}");
	moves_add_row(rig.moves, &row);
}

static void assert_place(enum move_priority priority, const char *words)
{
	const struct move_offer offer = { .options.priority = (int)priority };
	struct err err = { 0 };

	ck_assert_int_eq(moves_have_place(rig.moves, &offer, &err), !words);
	ck_assert_int_eq(err.code, words ? ERR_LIMIT : ERR_NONE);
	ck_assert_msg(!words || strstr(err.msg, words), "%s", err.msg);
}

START_TEST(last_places_are_for_interactive_moves)
{
	for (unsigned i = 0; i < 3; i++) {
		assert_place(MOVE_PRIORITY_BALANCING, NULL);
		add_incoming(i);
	}
	assert_place(MOVE_PRIORITY_BALANCING,
		     "3 of the 4 places for moves to host 'a' are taken, and the last 1 are for "
		     "moves with priority `interactive': try again");
	assert_place(MOVE_PRIORITY_EVACUATION, "raise in_max there");
	assert_place(MOVE_PRIORITY_INTERACTIVE, NULL);
	add_incoming(3);
	assert_place(MOVE_PRIORITY_INTERACTIVE, "4 of the 4 places");
}
END_TEST

START_TEST(offer_without_a_place_is_refused_before_a_look)
{
	for (unsigned i = 0; i < 4; i++)
		add_incoming(i);
	ck_assert_int_eq(rig_offer_to_look(RIG_MOVE_ID), ERR_LIMIT);
	moves_set_limits(rig.moves, &(struct moves_limits){ .in_max = 5 });
	ck_assert_int_eq(rig_offer(), ERR_NONE);
}
END_TEST

/* Its former move goes as soon as this host knows of its end: the source tries again. */
START_TEST(former_move_of_the_same_guest_takes_no_place)
{
	moves_set_limits(rig.moves, &(struct moves_limits){ .in_max = 1 });
	ck_assert_int_eq(rig_offer(), ERR_NONE);
	ck_assert_int_eq(rig_offer_to_look("018f0000-0000-7000-8000-0000000000b1"), ERR_NONE);
	rig_run();
	ck_assert_int_eq(rig_offered(), ERR_BUSY);
}
END_TEST

/* Those of this host's guests count together with those of the one that comes; 0 is no limit. */
START_TEST(too_many_vcpus_to_a_core_are_refused)
{
	unsigned cores = (unsigned)sysconf(_SC_NPROCESSORS_ONLN);
	CLEANUP(free_charp) char *fits = xasprintf(",\"vcpus\":%u", cores);
	CLEANUP(free_charp) char *more = xasprintf(",\"vcpus\":%u", cores + 1);
	struct vm_def *def = xnew(struct vm_def);
	struct err err;

	moves_set_limits(rig.moves, &(struct moves_limits){ .in_max = 4, .vcpus_per_core = 1 });
	rig.more_members = more;
	ck_assert_int_eq(rig_offer(), ERR_NO_SPACE);
	rig.more_members = fits;
	ck_assert_int_eq(rig_offer(), ERR_NONE);
	def->vcpus = 1;
	ck_assert(!moves_have_cores(rig.moves, def, &err)); /* the one on its way counts */
	ck_assert_int_eq(err.code, ERR_NO_SPACE);
	ck_assert_msg(strstr(err.msg, "raise vcpus_per_core there") != NULL, "%s", err.msg);
	moves_set_limits(rig.moves, &(struct moves_limits){ .in_max = 4, .vcpus_per_core = 2 });
	ck_assert(moves_have_cores(rig.moves, def, &err));
	moves_set_limits(rig.moves, &(struct moves_limits){ .in_max = 4 });
	def->vcpus = 10 * cores;
	ck_assert(moves_have_cores(rig.moves, def, &err));
	free(def);
}
END_TEST

Suite *suite(void)
{
	Suite *s = suite_create("move_places");
	TCase *tc = rig_add_case(s, "places");

	tcase_add_test(tc, last_places_are_for_interactive_moves);
	tcase_add_test(tc, offer_without_a_place_is_refused_before_a_look);
	tcase_add_test(tc, former_move_of_the_same_guest_takes_no_place);
	tcase_add_test(tc, too_many_vcpus_to_a_core_are_refused);
	return s;
}
