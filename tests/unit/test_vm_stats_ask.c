/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* When a QEMU is asked for what its guest uses, and when it is not. */
#include <string.h>

#include "base/mem.h"
#include "check_main.h"
#include "move_rig.h"
#include "vm/entry.h"
#include "vm/stats.h"

#define FIRST "query-cpus-fast"

static unsigned answers;

static void on_answer(void *data)
{
	(void)data;
	answers++;
}

static void ask(void)
{
	vm_stats_ask(rig_vm(), on_answer, NULL);
	rig_run();
}

static void set_up(void)
{
	rig_set_up();
	answers = 0;
}

static TCase *add_case(Suite *suite)
{
	TCase *tcase = tcase_create("vm-stats-ask");

	tcase_add_checked_fixture(tcase, set_up, rig_tear_down);
	suite_add_tcase(suite, tcase);
	return tcase;
}

static const char *note(void)
{
	static struct vm_stats stats;

	vm_stats_show(rig_vm(), &stats);
	ck_assert_str_eq(stats.uuid, RIG_VM_UUID);
	return stats.note;
}

START_TEST(vm_without_a_qemu_is_answered_at_once)
{
	rig_create_vm();
	vm_stats_ask(rig_vm(), on_answer, NULL);
	ck_assert_uint_eq(answers, 0); /* never from inside */
	rig_run();
	ck_assert_uint_eq(answers, 1);
	ck_assert_str_eq(note(), "it does not run here");
}
END_TEST

/* So many who ask are one question. */
START_TEST(all_who_ask_share_a_look)
{
	rig_run_vm();
	fake_qmp_hold(FIRST);
	ask();
	ck_assert(fake_qmp_is_held(FIRST));
	ask();
	ask();
	ck_assert_uint_eq(answers, 0);
	ck_assert_uint_eq(vm_waiting(rig_vm()), 0);
	fake_qmp_release(FIRST);
	rig_run();
	ck_assert_uint_eq(answers, 3);
}
END_TEST

START_TEST(qemu_that_does_not_answer_is_left_alone_for_a_while)
{
	rig_run_vm();
	fake_qemu()->is_hung = true;
	ask();
	rig_advance(999);
	ck_assert_uint_eq(answers, 0);
	rig_advance(1);
	ck_assert_uint_eq(answers, 1);
	ask();
	ck_assert_uint_eq(answers, 2);
	rig_advance(STATS_DEAF_MS);
	fake_qemu()->is_hung = false;
	fake_qmp_hold(FIRST);
	ask();
	ck_assert(fake_qmp_is_held(FIRST));
	fake_qmp_release(FIRST);
	rig_run();
	ck_assert_uint_eq(answers, 3);
}
END_TEST

START_TEST(qemu_is_asked_in_a_transfer)
{
	rig_bring_to("transfer");
	fake_qmp_hold(FIRST);
	ask();
	ck_assert(fake_qmp_is_held(FIRST));
	fake_qmp_release(FIRST);
	rig_run();
	ck_assert_uint_eq(answers, 1);
}
END_TEST

/* The guest stands still, and the loop of its QEMU has more to do. */
START_TEST(qemu_is_not_asked_in_a_handover)
{
	rig_bring_to("handover");
	fake_qmp_hold(FIRST);
	ask();
	ck_assert(!fake_qmp_is_held(FIRST));
	ck_assert_uint_eq(answers, 1);
	fake_qmp_release(FIRST);
}
END_TEST

/* Another has the slot for long: what the kernel tells is there all the same. */
START_TEST(question_does_not_wait_for_its_turn_for_ever)
{
	rig_bring_to("transfer");
	fake_qmp_hold("stop");
	rig_act_begin(VM_ACTION_PAUSE);
	rig_run();
	fake_qmp_hold(FIRST);
	ask();
	ck_assert(!fake_qmp_is_held(FIRST));
	ck_assert_uint_eq(answers, 0);
	rig_advance(1000);
	ck_assert_uint_eq(answers, 1);
	fake_qmp_release("stop");
	fake_qmp_release(FIRST);
	rig_run();
}
END_TEST

START_TEST(end_of_the_qemu_answers_all)
{
	rig_run_vm();
	fake_qmp_hold(FIRST);
	ask();
	ask();
	fake_qemu_dies();
	rig_run();
	ck_assert_uint_eq(answers, 2);
	ck_assert_str_eq(note(), "it does not run here");
	fake_qmp_release(FIRST);
}
END_TEST

START_TEST(end_of_the_daemon_answers_all)
{
	rig_run_vm();
	fake_qmp_hold(FIRST);
	ask();
	rig_crash();
	ck_assert_uint_eq(answers, 1);
	fake_qmp_release(FIRST);
	rig_start_again();
}
END_TEST

Suite *suite(void)
{
	Suite *suite = suite_create("vm-stats-ask");
	TCase *tcase = add_case(suite);

	tcase_add_test(tcase, vm_without_a_qemu_is_answered_at_once);
	tcase_add_test(tcase, all_who_ask_share_a_look);
	tcase_add_test(tcase, qemu_that_does_not_answer_is_left_alone_for_a_while);
	tcase_add_test(tcase, qemu_is_asked_in_a_transfer);
	tcase_add_test(tcase, qemu_is_not_asked_in_a_handover);
	tcase_add_test(tcase, question_does_not_wait_for_its_turn_for_ever);
	tcase_add_test(tcase, end_of_the_qemu_answers_all);
	tcase_add_test(tcase, end_of_the_daemon_answers_all);
	return suite;
}
