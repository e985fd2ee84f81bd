/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Moves of a VM, and to a host, that are held; and to one that is cordoned. */
#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "check_main.h"
#include "move/priv.h"
#include "move_rig.h"

static struct err started;

static void on_started(void *data, struct move *move, const struct err *err)
{
	(void)data;
	started = err ? *err : (struct err){ 0 };
	if (move)
		snprintf(rig.move_id, sizeof(rig.move_id), "%s", move_row(move)->id);
}

static void begin(enum move_priority priority, const char *key)
{
	const struct move_wish wish = { .vm = "vm1",
					.to = "b",
					.key = key,
					.options = { .bandwidth_bytes_per_s = 5000,
						     .downtime_limit_ms = 300,
						     .priority = (int)priority } };

	started = (struct err){ .code = ERR_CODE_COUNT };
	moves_start(rig.moves, &wish, on_started, NULL);
	rig_run();
}

static void on_held(void *data, const struct store_hold *hold, const struct err *err)
{
	ck_assert_msg(!err, "%s", err ? err->msg : "");
	if (data)
		snprintf(data, ID_UUID_SIZE, "%s", hold->id);
}

static void hold(const char *vm_uuid, char ret_id[ID_UUID_SIZE])
{
	struct hold_request request = { .reason = "new disks", .end.for_s = 3600 };

	snprintf(request.vm, sizeof(request.vm), "%s", vm_uuid ? "vm1" : "");
	holds_add(rig.holds,
		  &(struct hold_wish){ .request = &request, .vm_uuid = vm_uuid, .by = "alice" },
		  on_held, ret_id);
	rig_run();
}

static void begin_cordon(bool on)
{
	cordon_set(rig.holds,
		   &(struct cordon_wish){
			   .party = CORDON_PERSON, .on = on, .reason = "firmware", .by = "alice" },
		   on_held, NULL);
}

static void set_cordon(bool on)
{
	begin_cordon(on);
	rig_run();
}

static bool may_come(enum move_priority priority, const char *words)
{
	const struct move_offer offer = { .options.priority = (int)priority };
	struct err err = { 0 };
	bool ok = moves_hold_allows(rig.moves, &offer, &err);

	ck_assert_int_eq(err.code, ok ? ERR_NONE : ERR_CONFLICT);
	ck_assert_msg(ok || strstr(err.msg, words), "%s", err.msg);
	return ok;
}

/* ---- away --------------------------------------------------------------------- */

START_TEST(automatic_move_of_a_held_vm_is_refused_and_nothing_begins)
{
	char id[ID_UUID_SIZE];

	rig_run_vm();
	hold(vm_uuid(rig_vm()), id);
	trace_clear();
	begin(MOVE_PRIORITY_EVACUATION, NULL);
	ck_assert_int_eq(started.code, ERR_CONFLICT);
	ck_assert_ptr_nonnull(strstr(started.msg, "VM 'vm1' is held by 'alice' until "));
	ck_assert_ptr_nonnull(strstr(started.msg, "`interactive'"));
	begin(MOVE_PRIORITY_BALANCING, NULL);
	ck_assert_int_eq(started.code, ERR_CONFLICT);
	trace_assert_empty();
	ck_assert_ptr_null(vm_job(rig_vm()));
	holds_remove(rig.holds, id, "alice", on_held, NULL);
	rig_run();
	begin(MOVE_PRIORITY_EVACUATION, NULL);
	ck_assert_int_eq(started.code, ERR_NONE);
}
END_TEST

START_TEST(move_that_a_person_orders_goes_on_and_its_timeline_names_the_hold)
{
	CLEANUP(free_charp) char *timeline = NULL;

	rig_run_vm();
	hold(NULL, NULL);
	begin(MOVE_PRIORITY_INTERACTIVE, NULL);
	ck_assert_int_eq(started.code, ERR_NONE);
	rig_bring_to("transfer");
	timeline = rig_timeline();
	ck_assert_ptr_nonnull(strstr(timeline, "holds host 'a' is held by 'alice' until "));
}
END_TEST

/* Its requester hears of the move that it has, and not of the hold. */
START_TEST(move_that_began_before_the_hold_goes_on_and_is_found_by_its_key)
{
	char id[ID_UUID_SIZE];

	rig_run_vm();
	begin(MOVE_PRIORITY_EVACUATION, "k");
	ck_assert_int_eq(started.code, ERR_NONE);
	memcpy(id, rig.move_id, sizeof(id));
	hold(vm_uuid(rig_vm()), NULL);
	begin(MOVE_PRIORITY_EVACUATION, "k");
	ck_assert_int_eq(started.code, ERR_NONE);
	ck_assert_str_eq(rig.move_id, id);
	rig_bring_to("confirm");
}
END_TEST

/* ---- to here -------------------------------------------------------------------- */

START_TEST(held_host_takes_only_what_a_person_sends)
{
	hold(NULL, NULL);
	ck_assert(!may_come(MOVE_PRIORITY_EVACUATION, "host 'a' is held by 'alice'"));
	ck_assert(!may_come(MOVE_PRIORITY_BALANCING, "new disks"));
	ck_assert(may_come(MOVE_PRIORITY_INTERACTIVE, ""));
	ck_assert_int_eq(rig_offer(), ERR_NONE);
}
END_TEST

/* Of a VM that was here before. */
START_TEST(hold_of_a_vm_does_not_keep_it_from_coming)
{
	hold(RIG_VM_UUID, NULL);
	ck_assert(may_come(MOVE_PRIORITY_BALANCING, ""));
}
END_TEST

START_TEST(cordoned_host_refuses_before_and_after_its_look_and_takes_it_later)
{
	set_cordon(true);
	ck_assert_int_eq(rig_offer_to_look(RIG_MOVE_ID), ERR_CONFLICT);
	ck_assert_int_eq(rig_offer(), ERR_CONFLICT);
	ck_assert_ptr_null(rig_vm());
	set_cordon(false);
	begin_cordon(true); /* on disk before the look is over */
	ck_assert_int_eq(rig_offer_to_look(RIG_MOVE_ID), ERR_NONE);
	rig_run();
	ck_assert_int_eq(rig_offered(), ERR_CONFLICT);
	ck_assert_ptr_null(rig_vm());
	set_cordon(false);
	ck_assert_int_eq(rig_offer(), ERR_NONE);
}
END_TEST

START_TEST(guest_that_was_on_its_way_before_the_cordon_arrives_and_is_counted_until_then)
{
	ck_assert_uint_eq(cordon_creations_under_way(rig.holds), 0);
	ck_assert_int_eq(rig_offer(), ERR_NONE);
	set_cordon(true);
	ck_assert_uint_eq(cordon_creations_under_way(rig.holds), 1);
	ck_assert_int_eq(rig_offer(), ERR_NONE); /* the same offer, again */
	rig_restart();
	ck_assert_uint_eq(cordon_creations_under_way(rig.holds), 1);
	rig_loads();
	ck_assert_str_eq(rig_go(true), "taken");
	ck_assert_str_eq(rig_state(), "done");
	ck_assert_uint_eq(cordon_creations_under_way(rig.holds), 0);
	ck_assert(cordon_is_on(rig.holds, NULL));
	ck_assert(rig_guest_runs());
}
END_TEST

Suite *suite(void)
{
	Suite *s = suite_create("move_held");
	TCase *tc = rig_add_case(s, "held");

	tcase_add_test(tc, automatic_move_of_a_held_vm_is_refused_and_nothing_begins);
	tcase_add_test(tc, move_that_a_person_orders_goes_on_and_its_timeline_names_the_hold);
	tcase_add_test(tc, move_that_began_before_the_hold_goes_on_and_is_found_by_its_key);
	tcase_add_test(tc, held_host_takes_only_what_a_person_sends);
	tcase_add_test(tc, hold_of_a_vm_does_not_keep_it_from_coming);
	tcase_add_test(tc, cordoned_host_refuses_before_and_after_its_look_and_takes_it_later);
	tcase_add_test(
		tc, guest_that_was_on_its_way_before_the_cordon_arrives_and_is_counted_until_then);
	return s;
}
