/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A user's command for QEMU waits for its turn, has a deadline, and is answered once. */
#include <string.h>

#include "base/mem.h"
#include "check_main.h"
#include "move_rig.h"
#include "vm/entry.h"
#include "vm/passthrough.h"

static struct {
	unsigned count;
	bool has_result;
	struct err err;
} answer;

static void on_answer(void *data, struct json_object *result, const struct err *err)
{
	(void)data;
	answer.count++;
	answer.has_result = result != NULL;
	answer.err = err ? *err : (struct err){ 0 };
}

static void send_line(enum monitor_protocol protocol, const char *text, uint64_t timeout_ms)
{
	struct monitor_request request = { .protocol = protocol, .timeout_ms = timeout_ms };
	struct refused_verdict verdict;
	struct err err;

	memset(&answer, 0, sizeof(answer));
	request.line = text;
	snprintf(request.name, sizeof(request.name), "%s", text);
	passthrough_judge(&request, &verdict);
	ck_assert(refused_allows(&verdict, "vm1", &err));
	passthrough_send(rig_vm(), &request, &verdict, on_answer, NULL);
	ck_assert_uint_eq(answer.count, 0);
}

static void assert_answered(enum err_code code, const char *words)
{
	rig_run();
	ck_assert_uint_eq(answer.count, 1);
	ck_assert_msg(answer.err.code == code, "%s: %s", err_name(answer.err.code), answer.err.msg);
	ck_assert_msg(strstr(answer.err.msg, words), "%s", answer.err.msg);
}

static struct vm_entry *entered;

static void on_entered(void *data, struct vm_entry *entry, const struct err *err)
{
	(void)data;
	ck_assert(!err);
	entered = entry;
}

/* Another caller takes the monitor's slot. */
static void hold_slot(void)
{
	vm_enter(rig_vm(), VM_SYNC_DEVICE, VM_ENTRY_USUAL, on_entered, NULL);
	rig_run();
	ck_assert_ptr_nonnull(entered);
}

START_TEST(command_is_sent_and_answered)
{
	rig_run_vm();
	trace_clear();
	send_line(MONITOR_PROTOCOL_QMP, "query-status", 1000);
	assert_answered(ERR_NONE, "");
	ck_assert(answer.has_result);
	send_line(MONITOR_PROTOCOL_QMP, "balloon", 1000);
	assert_answered(ERR_NONE, "");
	send_line(MONITOR_PROTOCOL_HMP, "info name", 1000);
	assert_answered(ERR_NONE, "");
	trace_assert("qmp balloon", "qmp human-monitor-command", NULL);
	ck_assert(!vm_is_busy(rig_vm()));
}
END_TEST

START_TEST(vm_stopped_is_a_conflict)
{
	rig_create_vm();
	send_line(MONITOR_PROTOCOL_QMP, "query-status", 1000);
	assert_answered(ERR_CONFLICT, "it is stopped");
}
END_TEST

/* The deadline covers the wait for the slot and the answer together. */
START_TEST(wait_and_answer_share_the_time)
{
	rig_run_vm();
	hold_slot();
	send_line(MONITOR_PROTOCOL_QMP, "balloon", 1000);
	rig_advance(600);
	ck_assert_uint_eq(answer.count, 0);
	fake_qmp_hold("balloon");
	vm_leave(TAKE_PTR(entered));
	rig_run();
	ck_assert(fake_qmp_is_held("balloon"));
	rig_advance(401);
	assert_answered(ERR_TIMEOUT, "");
	ck_assert(!vm_is_busy(rig_vm()));
	fake_qmp_release("balloon");
	ck_assert_uint_eq(answer.count, 1);
}
END_TEST

START_TEST(turn_that_never_comes_is_busy)
{
	rig_run_vm();
	hold_slot();
	send_line(MONITOR_PROTOCOL_QMP, "query-status", 1000);
	rig_advance(1001);
	assert_answered(ERR_BUSY, "gave up after 1.0 s");
	vm_leave(TAKE_PTR(entered));
}
END_TEST

START_TEST(qemu_refuses_in_its_own_words)
{
	rig_run_vm();
	fake_qmp_refuse("balloon", ERR_QEMU);
	send_line(MONITOR_PROTOCOL_QMP, "balloon", 1000);
	assert_answered(ERR_QEMU, "QEMU says no to 'balloon'");
	ck_assert(!vm_is_busy(rig_vm()));
}
END_TEST

/* Callers treat a QEMU that is gone as a normal answer. */
START_TEST(qemu_dies_meanwhile_is_answered_once)
{
	rig_run_vm();
	fake_qmp_hold("balloon");
	send_line(MONITOR_PROTOCOL_QMP, "balloon", 1000);
	rig_run();
	fake_qemu_dies();
	assert_answered(ERR_UNAVAILABLE, "");
	rig_advance(2000);
	ck_assert_uint_eq(answer.count, 1);
}
END_TEST

START_TEST(move_bears_questions_only)
{
	rig_bring_to("transfer");
	send_line(MONITOR_PROTOCOL_QMP, "query-status", 1000);
	assert_answered(ERR_NONE, "");
	send_line(MONITOR_PROTOCOL_HMP, "info status", 1000);
	assert_answered(ERR_NONE, "");
	send_line(MONITOR_PROTOCOL_QMP, "balloon", 1000);
	assert_answered(ERR_BUSY, "MIGRATION_OUT");
	send_line(MONITOR_PROTOCOL_HMP, "of-the-future", 1000);
	assert_answered(ERR_BUSY, "MIGRATION_OUT");
}
END_TEST

Suite *suite(void)
{
	Suite *s = suite_create("passthrough");
	TCase *tc = rig_add_case(s, "passthrough");

	tcase_add_test(tc, command_is_sent_and_answered);
	tcase_add_test(tc, vm_stopped_is_a_conflict);
	tcase_add_test(tc, wait_and_answer_share_the_time);
	tcase_add_test(tc, turn_that_never_comes_is_busy);
	tcase_add_test(tc, qemu_refuses_in_its_own_words);
	tcase_add_test(tc, qemu_dies_meanwhile_is_answered_once);
	tcase_add_test(tc, move_bears_questions_only);
	return s;
}
