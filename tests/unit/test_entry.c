/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Entry to a VM's monitor: which caller is next, how long it may stay, and what happens when it
 * gets no turn. */
#include <signal.h>
#include <string.h>

#include "base/mem.h"
#include "base/strbuf.h"
#include "check_main.h"
#include "move_rig.h"
#include "vm/entry.h"

#define CALLERS_MAX 16

/* A caller that asks for the slot, and keeps it until the test takes it back. */
struct caller {
	const char *name;
	struct vm_entry *entry;
	struct err err;
	bool leaves; /* leaves at once after it has entered */
	unsigned told;
};
static struct caller callers[CALLERS_MAX];
static size_t caller_count;
static struct strbuf log_; /* what each caller was told, in order */

static void on_entered(void *data, struct vm_entry *entry, const struct err *err)
{
	struct caller *caller = data;

	ck_assert((entry == NULL) == (err != NULL));
	caller->told++;
	caller->entry = entry;
	if (err)
		caller->err = *err;
	strbuf_addf(&log_, "%s=%s;", caller->name, err ? err_name(err->code) : "in");
	if (entry && caller->leaves)
		vm_leave(TAKE_PTR(caller->entry));
}

static struct caller *ask(const char *name, enum vm_sync kind, uint32_t deadline_ms)
{
	struct caller *caller = &callers[caller_count++];

	ck_assert_uint_le(caller_count, CALLERS_MAX);
	caller->name = name;
	vm_enter(rig_vm(), kind, deadline_ms, on_entered, caller);
	ck_assert_uint_eq(caller->told, 0);
	return caller;
}

static struct caller *enter(const char *name, enum vm_sync kind)
{
	struct caller *caller = ask(name, kind, VM_ENTRY_USUAL);

	rig_run();
	ck_assert_ptr_nonnull(caller->entry);
	return caller;
}

static void leave(struct caller *caller)
{
	vm_leave(TAKE_PTR(caller->entry));
	rig_run();
}

static bool is_free(void)
{
	struct vm_holder holder;

	return !vm_holder(rig_vm(), &holder) && vm_waiting(rig_vm()) == 0;
}

static void assert_log(const char *text)
{
	ck_assert_str_eq(strbuf_str(&log_), text);
	strbuf_clear(&log_);
}

static void assert_says(const struct caller *caller, const char *text)
{
	ck_assert_msg(strstr(caller->err.msg, text) != NULL, "'%s' lacks '%s'", caller->err.msg,
		      text);
}

static void set_up(void)
{
	rig_set_up();
	memset(callers, 0, sizeof(callers));
	caller_count = 0;
	rig_run_vm();
}

static void tear_down(void)
{
	for (size_t i = 0; i < caller_count; i++) {
		if (callers[i].entry)
			vm_leave(TAKE_PTR(callers[i].entry));
	}
	rig_tear_down();
	strbuf_fini(&log_);
}

/* ---- in turn ------------------------------------------------------------- */

START_TEST(many_ask_order_is_kept)
{
	struct caller *a = enter("a", VM_SYNC_QUERY);
	struct caller *b = ask("b", VM_SYNC_MODIFY, 1000), *c = ask("c", VM_SYNC_QUERY, 1000);

	ask("d", VM_SYNC_DEVICE, 1000);
	rig_run();
	ck_assert_uint_eq(vm_waiting(rig_vm()), 3);
	assert_log("a=in;");
	leave(a);
	leave(b);
	leave(c);
	assert_log("b=in;c=in;d=in;");
}
END_TEST

/* A user's action waits in the same queue as other callers of the monitor. */
START_TEST(action_asked_behind_a_query_waits_for_it)
{
	struct caller *a = enter("a", VM_SYNC_QUERY);

	rig_act_begin(VM_ACTION_PAUSE);
	rig_run();
	ck_assert_uint_eq(trace_count("qmp stop"), 0);
	leave(a);
	ck_assert_int_eq(rig_act_result().code, ERR_NONE);
	ck_assert_str_eq(vm_state(rig_vm()), "paused");
	ck_assert(is_free());
}
END_TEST

/* A caller that has just entered leaves, and asks again, from inside its callback. */
static void ask_again(void *data, struct vm_entry *entry, const struct err *err)
{
	struct caller *caller = data;

	ck_assert(!err);
	strbuf_addf(&log_, "%s;", caller->name);
	if (++caller->told < 3)
		vm_enter(vm_entry_vm(entry), VM_SYNC_QUERY, 1000, ask_again, caller);
	vm_leave(entry);
}

START_TEST(entered_asks_again_from_inside_in_turn)
{
	struct caller a = { .name = "a" }, b = { .name = "b" };

	vm_enter(rig_vm(), VM_SYNC_QUERY, 1000, ask_again, &a);
	vm_enter(rig_vm(), VM_SYNC_QUERY, 1000, ask_again, &b);
	assert_log("");
	rig_run();
	assert_log("a;b;a;b;a;b;");
	ck_assert(is_free());
}
END_TEST

/* A user may ask to pause a guest that is just starting. */
START_TEST(pause_asked_during_start_waits_for_it)
{
	ck_assert_int_eq(rig_act(VM_ACTION_STOP).code, ERR_NONE);
	fake_qmp_hold("cont");
	rig_act_begin(VM_ACTION_START);
	ask("pause", VM_SYNC_PAUSE, 1000);
	rig_run();
	assert_log("");
	fake_qmp_release("cont");
	rig_run();
	assert_log("pause=in;");
}
END_TEST

START_TEST(start_asked_during_stop_waits_for_it)
{
	struct caller *a = enter("a", VM_SYNC_QUERY);

	rig_act_begin(VM_ACTION_STOP);
	ask("start", VM_SYNC_START, 1000);
	leave(a);
	ck_assert_int_eq(rig_act_result().code, ERR_NONE);
	assert_log("a=in;start=in;");
}
END_TEST

/* ---- not for ever ----------------------------------------------------------- */

START_TEST(deadline_passes_error_names_the_holder)
{
	struct vm_holder holder;
	char text[256];
	struct caller *late;

	fake_qmp_hold("stop");
	rig_act_begin(VM_ACTION_PAUSE);
	rig_run();
	rig_advance(1500);
	late = ask("late", VM_SYNC_RESET, 2000);
	rig_advance(1999);
	assert_log("");
	rig_advance(1);
	assert_log("late=busy;");
	ck_assert(vm_holder(rig_vm(), &holder));
	snprintf(text, sizeof(text),
		 "cannot reset VM 'vm1': 'pause' (sync job %s, in QEMU's stop) has held its "
		 "monitor for 3.5 s; gave up after 2.0 s",
		 holder.id);
	ck_assert_str_eq(late->err.msg, text);
	ck_assert_uint_eq(vm_waiting(rig_vm()), 0);
}
END_TEST

static struct err command_err;

static void on_command(void *data, struct json_object *result, const struct err *err)
{
	(void)data;
	(void)result;
	command_err = err ? *err : (struct err){ 0 };
}

/* Who asks a QEMU that may never answer does not keep a stop waiting, nor do those behind him. */
START_TEST(stop_takes_the_slot_from_who_waits_for_an_answer)
{
	static const enum vm_sync kinds[] = { VM_SYNC_QUERY, VM_SYNC_MODIFY, VM_SYNC_DEVICE,
					      VM_SYNC_JOB,   VM_SYNC_RESET,  VM_SYNC_PAUSE };
	struct caller *a = enter("a", kinds[_i]), *stop;

	ask("b", VM_SYNC_QUERY, 60000);
	stop = ask("stop", VM_SYNC_STOP, VM_ENTRY_USUAL);
	rig_advance(999);
	assert_log("a=in;");
	rig_advance(1);
	assert_log("stop=in;");
	ck_assert_ptr_null(vm_entry_vm(a->entry));
	vm_entry_command(a->entry, "query-block", NULL, 1000, on_command, NULL);
	rig_run();
	ck_assert_int_eq(command_err.code, ERR_CONFLICT);
	ck_assert_ptr_nonnull(strstr(command_err.msg, "stopped on request"));
	leave(a);
	ck_assert_uint_eq(vm_waiting(rig_vm()), 1);
	leave(stop);
	assert_log("b=in;");
}
END_TEST

/* Who ends QEMU, or waits for its start, is waited for. */
START_TEST(stop_waits_for_another_stop)
{
	enter("a", VM_SYNC_STOP);
	ask("b", VM_SYNC_STOP, 3000);
	rig_advance(2999);
	assert_log("a=in;");
	rig_advance(1);
	assert_log("b=busy;");
}
END_TEST

START_TEST(stop_goes_past_an_action_that_qemu_does_not_answer)
{
	struct caller *stop;

	fake_qmp_hold("stop");
	rig_act_begin(VM_ACTION_PAUSE);
	rig_run();
	stop = ask("stop", VM_SYNC_STOP, VM_ENTRY_USUAL);
	rig_advance(1000);
	assert_log("stop=in;");
	rig_advance(10000);
	ck_assert_int_eq(rig_act_result().code, ERR_TIMEOUT);
	leave(stop);
	ck_assert(is_free());
}
END_TEST

/* Each caller has its own deadline, whatever its place in the queue. */
START_TEST(deadlines_differ_each_is_told_at_its_own)
{
	struct caller *a = enter("a", VM_SYNC_QUERY);

	ask("b", VM_SYNC_QUERY, 3000);
	ask("c", VM_SYNC_QUERY, 1000);
	ask("d", VM_SYNC_QUERY, VM_ENTRY_USUAL);
	rig_advance(1000);
	assert_log("a=in;c=busy;");
	rig_advance(2000);
	assert_log("b=busy;");
	rig_advance(1999);
	leave(a);
	assert_log("d=in;");
}
END_TEST

static unsigned told_in, told_late, told_limit;

static void count(void *data, struct vm_entry *entry, const struct err *err)
{
	unsigned number = (unsigned)(uintptr_t)data;

	if (entry) {
		ck_assert_uint_eq(number, told_in);
		told_in++;
		vm_leave(entry);
	} else if (err->code == ERR_LIMIT) {
		told_limit++;
	} else {
		ck_assert_int_eq(err->code, ERR_BUSY);
		told_late++;
	}
}

static void ask_thousand(uint32_t deadline_ms)
{
	told_in = told_late = told_limit = 0;
	for (uintptr_t i = 0; i < VM_ENTRY_MAX + 2; i++)
		vm_enter(rig_vm(), VM_SYNC_QUERY, deadline_ms, count, (void *)i);
	rig_run();
	ck_assert_uint_eq(told_limit, 2);
}

START_TEST(thousand_wait_all_enter_in_order)
{
	struct caller *a = enter("a", VM_SYNC_QUERY);

	ask_thousand(1000);
	leave(a);
	ck_assert_uint_eq(told_in, VM_ENTRY_MAX);
	ck_assert(is_free());
}
END_TEST

START_TEST(thousand_wait_all_are_told_at_the_deadline)
{
	enter("a", VM_SYNC_QUERY);
	ask_thousand(1000);
	rig_advance(1000);
	ck_assert_uint_eq(told_late, VM_ENTRY_MAX);
	ck_assert_uint_eq(vm_waiting(rig_vm()), 0);
}
END_TEST

START_TEST(one_too_many_is_told_so)
{
	struct caller *last;

	enter("a", VM_SYNC_QUERY);
	ask_thousand(1000);
	last = ask("last", VM_SYNC_RESET, 1000);
	rig_run();
	ck_assert_int_eq(last->err.code, ERR_LIMIT);
	ck_assert_str_eq(last->err.msg, "cannot reset VM 'vm1': 1000 wait for its monitor already");
}
END_TEST

/* ---- the VM ends ----------------------------------------------------------------- */

/* A caller that needs a monitor is not kept waiting for one that is gone; one that needs none
 * gets its turn. */
START_TEST(qemu_dies_waiting_are_answered_at_once)
{
	struct caller *a = enter("a", VM_SYNC_QUERY), *b = ask("b", VM_SYNC_PAUSE, 60000);

	ask("c", VM_SYNC_DELETE, 60000);
	fake_qemu_dies();
	assert_log("a=in;b=conflict;");
	assert_says(b, "cannot pause VM 'vm1': its QEMU has ended");
	leave(a);
	assert_log("c=in;");
}
END_TEST

START_TEST(qemu_dies_under_a_move_waiting_are_answered_at_once)
{
	rig_bring_to("transfer");
	enter("a", VM_SYNC_QUERY);
	ask("b", VM_SYNC_PAUSE, 60000);
	fake_qemu_dies();
	assert_log("a=in;b=conflict;");
}
END_TEST

/* The caller was granted the slot in the moment in which its VM ended. */
START_TEST(qemu_dies_between_grant_and_entry)
{
	ask("a", VM_SYNC_PAUSE, 1000);
	fake_qemu_dies();
	assert_log("a=conflict;");
	ck_assert(is_free());
}
END_TEST

START_TEST(stopped_vm_is_refused_at_once)
{
	struct caller *a;

	ck_assert_int_eq(rig_act(VM_ACTION_STOP).code, ERR_NONE);
	a = ask("a", VM_SYNC_MODIFY, 60000);
	rig_run();
	assert_log("a=conflict;");
	assert_says(a, "cannot modify VM 'vm1': it is stopped");
}
END_TEST

/* The definition of a stopped VM can change. */
START_TEST(stopped_vm_has_devices)
{
	ck_assert_int_eq(rig_act(VM_ACTION_STOP).code, ERR_NONE);
	ask("a", VM_SYNC_DEVICE, 60000);
	rig_run();
	assert_log("a=in;");
}
END_TEST

/* The VM itself goes away: waiting callers are told, and the holder of the slot finds it gone. */
START_TEST(vm_is_forgotten_all_are_told_and_the_holder_finds_it_gone)
{
	struct caller *a = enter("a", VM_SYNC_QUERY), *b = ask("b", VM_SYNC_QUERY, 60000);

	vm_forget(rig_vm());
	assert_log("a=in;b=not-found;");
	assert_says(b, "VM 'vm1' is gone");
	ck_assert_ptr_null(vm_entry_vm(a->entry));
	vm_entry_command(a->entry, "query-block", NULL, 1000, on_command, NULL);
	rig_run();
	ck_assert_int_eq(command_err.code, ERR_UNAVAILABLE);
	leave(a);
}
END_TEST

START_TEST(vm_is_forgotten_between_grant_and_entry)
{
	ask("a", VM_SYNC_QUERY, 1000);
	vm_forget(rig_vm());
	rig_run();
	assert_log("a=not-found;");
}
END_TEST

/* The daemon ends, with callers in every state. */
START_TEST(daemon_ends_every_caller_is_answered_once)
{
	struct caller *a = enter("a", VM_SYNC_QUERY);

	ask("b", VM_SYNC_QUERY, 1000);
	ask("c", VM_SYNC_START, 1000); /* in vain, as the VM runs */
	rig_restart();
	for (size_t i = 0; i < caller_count; i++)
		ck_assert_uint_eq(callers[i].told, 1);
	ck_assert_ptr_null(vm_entry_vm(a->entry));
	ck_assert(is_free());
}
END_TEST

/* ---- the slot is given back -------------------------------------------------------- */

static void act_and_lose_qemu(void)
{
	fake_qmp_hold("stop");
	rig_act_begin(VM_ACTION_PAUSE);
	rig_run();
	fake_qemu_dies();
}

static void act_and_get_no_answer(void)
{
	fake_qmp_hold("stop");
	rig_act_begin(VM_ACTION_PAUSE);
	rig_advance(10001);
}

static void act_and_be_refused(void)
{
	fake_qmp_refuse("stop", ERR_QEMU);
	rig_act(VM_ACTION_PAUSE);
}

/* A resume needs its record on disk, unlike a pause and a stop, which are safe without one. */
static void act_on_a_full_disk(void)
{
	rig_act(VM_ACTION_PAUSE);
	rig_disk_is_full(true);
	rig_act(VM_ACTION_RESUME);
}

static void act_and_lose_qemu_in_the_record(void)
{
	rig_disk_hold();
	rig_act_begin(VM_ACTION_PAUSE);
	rig_run();
	fake_qemu_dies();
	rig_disk_go_on();
}

static void start_in_vain(void)
{
	rig_act(VM_ACTION_STOP);
	fake_qemu_start_fails = true;
	rig_act(VM_ACTION_START);
}

static void delete_in_vain(void)
{
	rig_act(VM_ACTION_STOP);
	rig_disk_is_full(true);
	rig_act(VM_ACTION_DELETE);
}

static void (*const mishaps[])(void) = {
	act_and_lose_qemu,  act_and_get_no_answer,           act_and_be_refused,
	act_on_a_full_disk, act_and_lose_qemu_in_the_record, start_in_vain,
	delete_in_vain,
};

START_TEST(whatever_happens_the_slot_is_given_back)
{
	mishaps[_i]();
	ck_assert_int_ne(rig_act_result().code, ERR_NONE);
	ck_assert_int_ne(rig_act_result().code, ERR_CODE_COUNT);
	ck_assert(is_free());
	ck_assert(!vm_is_busy(rig_vm()));
}
END_TEST

/* ---- beside a move ----------------------------------------------------------------------- */

static const char *const states[] = { "prepare", "transfer", "handover", "confirm" };

/* All kinds beside all states of the source: no state bears a change of devices, each bears a
 * question; the CPUs may be stopped and let run while QEMU still obeys. */
START_TEST(move_in_each_state_bears_what_its_table_says)
{
	const uint32_t always = 1u << VM_SYNC_QUERY;
	const uint32_t cpus = (1u << VM_SYNC_PAUSE) | (1u << VM_SYNC_RESUME);
	const uint32_t borne = _i < 2 ? always | cpus : always;
	struct caller caller;

	rig_bring_to(states[_i]);
	for (unsigned kind = 0; kind < VM_SYNC_COUNT; kind++) {
		caller = (struct caller){ .name = vm_sync_name(kind), .leaves = true };
		vm_enter(rig_vm(), (enum vm_sync)kind, 1000, on_entered, &caller);
		rig_run();
		ck_assert_uint_eq(caller.told, 1);
		ck_assert_msg(caller.err.code == (borne & (1u << kind) ? ERR_NONE : ERR_BUSY),
			      "%s beside %s: %s", caller.name, states[_i], caller.err.msg);
	}
}
END_TEST

START_TEST(move_does_not_bear_it_error_names_the_job)
{
	char text[160];
	struct caller *a;

	rig_bring_to("transfer");
	rig_advance(1500);
	a = ask("a", VM_SYNC_DEVICE, 1000);
	rig_run();
	assert_log("a=busy;");
	snprintf(text, sizeof(text),
		 "cannot change the devices of VM 'vm1' now: job %s (MIGRATION_OUT) has held it "
		 "for 1.5 s",
		 rig.move_id);
	assert_says(a, text);
}
END_TEST

/* A hung query holds the slot: the owner of the job sends its commands all the same. */
START_TEST(move_speaks_beside_the_holder_of_the_slot)
{
	struct err err;

	rig_bring_to("transfer");
	enter("a", VM_SYNC_QUERY);
	ck_assert(move_cancel(rig_move(), "ops", &err));
	rig_run();
	ck_assert_uint_eq(trace_count("qmp migrate_cancel"), 1);
	assert_log("a=in;");
}
END_TEST

/* While the caller waited, the move came to a state that does not bear its kind. */
START_TEST(move_goes_on_meanwhile_late_turn_is_refused)
{
	struct caller *a;

	rig_bring_to("transfer");
	a = enter("a", VM_SYNC_QUERY);
	ask("pause", VM_SYNC_PAUSE, 60000);
	rig_completes();
	leave(a);
	assert_log("a=in;pause=busy;");
}
END_TEST

/* A job that gets its turn first keeps out the callers behind it. */
START_TEST(move_begins_while_others_wait)
{
	struct caller *a = enter("a", VM_SYNC_QUERY);

	ask("before", VM_SYNC_QUERY, 60000)->leaves = true;
	rig_start_move();
	ask("after", VM_SYNC_RESET, 60000);
	leave(a);
	ck_assert_ptr_nonnull(vm_job(rig_vm()));
	assert_log("a=in;before=in;after=busy;");
}
END_TEST

static struct vm_job job = { .kind = "TEST", .data = callers };

/* A holder of the async job that asked for the slot would wait for itself. */
START_TEST(owner_asks_for_the_slot_is_a_bug)
{
	struct err err;

	ck_assert(vm_job_begin(rig_vm(), &job, &err));
	vm_enter(rig_vm(), VM_SYNC_QUERY, 1000, on_entered, callers);
}
END_TEST

START_TEST(stranger_speaks_as_the_owner_is_a_bug)
{
	vm_job_command(rig_vm(), &job, "query-status", NULL, 1000, on_command, NULL);
}
END_TEST

static TCase *add_case(Suite *s, const char *name)
{
	TCase *tc = tcase_create(name);

	tcase_add_checked_fixture(tc, set_up, tear_down);
	tcase_set_timeout(tc, 240);
	suite_add_tcase(s, tc);
	return tc;
}

static void add_turns(Suite *s)
{
	TCase *tc = add_case(s, "turns");

	tcase_add_test(tc, many_ask_order_is_kept);
	tcase_add_test(tc, action_asked_behind_a_query_waits_for_it);
	tcase_add_test(tc, entered_asks_again_from_inside_in_turn);
	tcase_add_test(tc, pause_asked_during_start_waits_for_it);
	tcase_add_test(tc, start_asked_during_stop_waits_for_it);
	tcase_add_test(tc, deadline_passes_error_names_the_holder);
	tcase_add_loop_test(tc, stop_takes_the_slot_from_who_waits_for_an_answer, 0, 6);
	tcase_add_test(tc, stop_waits_for_another_stop);
	tcase_add_test(tc, stop_goes_past_an_action_that_qemu_does_not_answer);
	tcase_add_test(tc, deadlines_differ_each_is_told_at_its_own);
	tcase_add_test(tc, thousand_wait_all_enter_in_order);
	tcase_add_test(tc, thousand_wait_all_are_told_at_the_deadline);
	tcase_add_test(tc, one_too_many_is_told_so);
}

static void add_ends(Suite *s)
{
	TCase *tc = add_case(s, "ends");

	tcase_add_test(tc, qemu_dies_waiting_are_answered_at_once);
	tcase_add_test(tc, qemu_dies_under_a_move_waiting_are_answered_at_once);
	tcase_add_test(tc, qemu_dies_between_grant_and_entry);
	tcase_add_test(tc, stopped_vm_is_refused_at_once);
	tcase_add_test(tc, stopped_vm_has_devices);
	tcase_add_test(tc, vm_is_forgotten_all_are_told_and_the_holder_finds_it_gone);
	tcase_add_test(tc, vm_is_forgotten_between_grant_and_entry);
	tcase_add_test(tc, daemon_ends_every_caller_is_answered_once);
	tcase_add_loop_test(tc, whatever_happens_the_slot_is_given_back, 0, ARRAY_LEN(mishaps));
}

static void add_moves(Suite *s)
{
	TCase *tc = add_case(s, "moves");

	tcase_add_loop_test(tc, move_in_each_state_bears_what_its_table_says, 0, ARRAY_LEN(states));
	tcase_add_test(tc, move_does_not_bear_it_error_names_the_job);
	tcase_add_test(tc, move_speaks_beside_the_holder_of_the_slot);
	tcase_add_test(tc, move_goes_on_meanwhile_late_turn_is_refused);
	tcase_add_test(tc, move_begins_while_others_wait);
	tcase_add_test_raise_signal(tc, owner_asks_for_the_slot_is_a_bug, SIGABRT);
	tcase_add_test_raise_signal(tc, stranger_speaks_as_the_owner_is_a_bug, SIGABRT);
}

Suite *suite(void)
{
	Suite *s = suite_create("entry");

	add_turns(s);
	add_ends(s);
	add_moves(s);
	return s;
}
