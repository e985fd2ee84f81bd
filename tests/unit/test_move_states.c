/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "check_main.h"
#include "move/priv.h"

/* State names are stored in databases and used by other programs, so they must not differ. */
START_TEST(states_have_one_name_on_both_sides)
{
	for (size_t i = 0; i < MOVE_STATE_COUNT; i++) {
		ck_assert_ptr_nonnull(move_src_states[i].name);
		ck_assert_str_eq(move_src_states[i].name, move_dst_states[i].name);
		for (size_t j = 0; j < i; j++)
			ck_assert_str_ne(move_src_states[i].name, move_src_states[j].name);
	}
}
END_TEST

static bool can_cancel(const struct machine_state *state)
{
	return state->flags & MOVE_CAN_CANCEL;
}

static bool bears_any(const struct machine_state *state)
{
	return state->flags >= MOVE_BEARS(0);
}

/* After the handover began the guest may have been given away, so a cancel could not keep its
 * promise. */
START_TEST(cancel_is_possible_only_before_the_handover)
{
	for (size_t i = 0; i < MOVE_STATE_COUNT; i++)
		ck_assert_int_eq(can_cancel(&move_src_states[i]), i == MOVE_STATE_BEGIN ||
									  i == MOVE_STATE_PREPARE ||
									  i == MOVE_STATE_TRANSFER);
}
END_TEST

/* A cancel on the destination refuses the move, so it must come before the guest may be
 * complete. */
START_TEST(refusal_is_possible_only_before_the_handover)
{
	for (size_t i = 0; i < MOVE_STATE_COUNT; i++)
		ck_assert_int_eq(can_cancel(&move_dst_states[i]),
				 i == MOVE_STATE_PREPARE || i == MOVE_STATE_TRANSFER);
}
END_TEST

/* A final state has no next one, and nothing is repeated after a restart. */
START_TEST(states_final_have_no_next)
{
	const struct machine_state *const tables[] = { move_src_states, move_dst_states };

	for (size_t t = 0; t < ARRAY_LEN(tables); t++) {
		for (size_t i = 0; i < MOVE_STATE_COUNT; i++) {
			if (!(tables[t][i].flags & MACHINE_FINAL))
				continue;
			ck_assert_uint_eq(tables[t][i].next, 0);
			ck_assert_int_eq(tables[t][i].restart, MACHINE_RESTART_NOTHING);
		}
	}
}
END_TEST

/* Users may not start or resume a VM whose CPUs may run on the other host.  In fetch they run on
 * the destination. */
START_TEST(vm_cannot_be_touched_in_handover)
{
	ck_assert(!bears_any(&move_src_states[MOVE_STATE_HANDOVER]));
	ck_assert(!bears_any(&move_src_states[MOVE_STATE_CONFIRM]));
	ck_assert(bears_any(&move_src_states[MOVE_STATE_TRANSFER]));
	ck_assert(!bears_any(&move_src_states[MOVE_STATE_FETCH]));
	for (size_t i = 0; i < MOVE_STATE_COUNT; i++)
		ck_assert_int_eq(bears_any(&move_dst_states[i]), i == MOVE_STATE_FETCH);
}
END_TEST

Suite *suite(void)
{
	Suite *s = suite_create("move_states");
	TCase *tc = tcase_create("tables");

	tcase_add_test(tc, states_have_one_name_on_both_sides);
	tcase_add_test(tc, cancel_is_possible_only_before_the_handover);
	tcase_add_test(tc, refusal_is_possible_only_before_the_handover);
	tcase_add_test(tc, states_final_have_no_next);
	tcase_add_test(tc, vm_cannot_be_touched_in_handover);
	suite_add_tcase(s, tc);
	return s;
}
