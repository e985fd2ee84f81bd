/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "vm/agent.h"

#include <string.h>

#include "base/mem.h"
#include "check_main.h"
#include "move_rig.h"
#include "tests/lib/fake_agent.h"

#define LEASE_MS 60000
#define HOUR_NS  (INT64_C(3600) * 1000000000)

static struct fake_agent *fa;
static enum err_code answered; /* COUNT: no answer yet */
static char words[ERR_MSG_SIZE];
static char reply[512];

static void on_done(void *data, struct json_object *result, const struct err *err)
{
	(void)data;
	ck_assert_int_eq(answered, ERR_CODE_COUNT);
	ck_assert(!result != !err);
	answered = err ? err->code : ERR_NONE;
	snprintf(words, sizeof(words), "%s", err ? err->msg : "");
	snprintf(reply, sizeof(reply), "%s",
		 result ? json_object_to_json_string_ext(result, JSON_C_TO_STRING_PLAIN) : "");
}

static void call_begin(enum vm_agent_call call)
{
	answered = ERR_CODE_COUNT;
	vm_agent_call(rig_vm(), call, LEASE_MS, on_done, NULL);
	ck_assert_int_eq(answered, ERR_CODE_COUNT);
	rig_run();
}

static enum err_code call_now(enum vm_agent_call call)
{
	call_begin(call);
	return answered;
}

static void port(bool is_open)
{
	fake_qemu_event("VSERPORT_CHANGE", is_open ? "{\"id\":\"agent-port\",\"open\":true}"
						   : "{\"id\":\"agent-port\",\"open\":false}");
	rig_run();
}

static struct vm_agent_state state(void)
{
	struct vm_agent_state ret;

	ck_assert(vm_agent_state(rig_vm(), &ret));
	return ret;
}

static void make_agent(void)
{
	char path[160];

	snprintf(path, sizeof(path), "%s/%s.agent", rig.dir, RIG_VM_UUID);
	fa = fake_agent_new(rig.loop, path);
}

static void set_up(void)
{
	rig_set_up();
	rig.more_members = ",\"guest_agent\":true";
	make_agent();
}

/* rig_tear_down() frees the loop, so the agent is freed before. */
static void tear_down(void)
{
	fake_agent_free(fa);
	rig_tear_down();
}

/* Starts a guest whose agent runs. */
static void run_guest(void)
{
	rig_run_vm();
	port(true);
	fake_agent_clear_heard(fa);
}

static void freeze(void)
{
	ck_assert_int_eq(call_now(VM_AGENT_FREEZE), ERR_NONE);
	ck_assert(fake_agent_guest(fa)->is_frozen);
	ck_assert(state().is_frozen);
	fake_agent_clear_heard(fa);
}

static void assert_thawed(void)
{
	ck_assert(!fake_agent_guest(fa)->is_frozen);
	ck_assert(!state().is_frozen);
}

/* ---- is it there? --------------------------------------------------------------- */

/* Nothing is sent before the guest has opened the channel. */
START_TEST(agent_is_there_while_the_channel_is_open)
{
	rig_run_vm();
	ck_assert(!fake_agent_has_client(fa));
	ck_assert(!state().is_connected);
	ck_assert_int_eq(call_now(VM_AGENT_PING), ERR_UNAVAILABLE);
	port(true);
	ck_assert(state().is_connected);
	ck_assert_int_eq(call_now(VM_AGENT_PING), ERR_NONE);
	ck_assert_str_eq(reply, "{}");
	port(false);
	ck_assert(!state().is_connected);
	ck_assert(!fake_agent_has_client(fa));
	ck_assert_int_eq(call_now(VM_AGENT_PING), ERR_UNAVAILABLE);
}
END_TEST

/* QEMU's event was lost while there was no monitor: a request finds the agent at the second
 * try. */
START_TEST(agent_whose_event_was_lost_is_found_when_asked)
{
	rig_run_vm();
	ck_assert_int_eq(call_now(VM_AGENT_PING), ERR_UNAVAILABLE);
	ck_assert(state().is_connected);
	ck_assert_int_eq(call_now(VM_AGENT_PING), ERR_NONE);
}
END_TEST

START_TEST(port_of_another_device_is_none_of_ours)
{
	rig_run_vm();
	fake_qemu_event("VSERPORT_CHANGE", "{\"id\":\"spice\",\"open\":true}");
	fake_qemu_event("VSERPORT_CHANGE", NULL);
	rig_run();
	ck_assert(!state().is_connected);
}
END_TEST

/* The agent ends while the daemon waits for its answer. */
START_TEST(channel_closes_in_mid_exchange_is_told_at_once)
{
	run_guest();
	fake_agent_mute(fa, "guest-ping");
	call_begin(VM_AGENT_PING);
	port(false);
	ck_assert_int_eq(answered, ERR_UNAVAILABLE);
	fake_agent_unmute(fa);
	fake_agent_restart(fa);
	port(true);
	ck_assert_int_eq(call_now(VM_AGENT_PING), ERR_NONE);
}
END_TEST

/* The agent restarts before the daemon has noticed its end. */
START_TEST(channel_reopens_at_once_agent_is_found_anew)
{
	run_guest();
	fake_agent_mute(fa, "");
	port(true); /* asks, and waits */
	fake_qemu_event("VSERPORT_CHANGE", "{\"id\":\"agent-port\",\"open\":false}");
	fake_agent_unmute(fa);
	fake_agent_restart(fa);
	fake_agent_guest(fa)->is_frozen = true; /* frozen by another program, without a lease */
	fake_qemu_event("VSERPORT_CHANGE", "{\"id\":\"agent-port\",\"open\":true}");
	rig_run();
	ck_assert(state().is_connected);
	assert_thawed();
}
END_TEST

START_TEST(vm_without_channel_or_stopped_says_so)
{
	struct vm_agent_state ignored;

	rig.more_members = NULL;
	rig_create_vm();
	ck_assert_int_eq(call_now(VM_AGENT_PING), ERR_CONFLICT);
	ck_assert_ptr_nonnull(strstr(words, "is stopped"));
	rig_act(VM_ACTION_START);
	ck_assert_int_eq(call_now(VM_AGENT_PING), ERR_CONFLICT);
	ck_assert_ptr_nonnull(strstr(words, "set guest_agent"));
	ck_assert(!vm_agent_state(rig_vm(), &ignored));
}
END_TEST

/* The VM's QEMU ends while a caller waits. */
START_TEST(qemu_dies_who_waits_is_answered)
{
	run_guest();
	fake_agent_mute(fa, "guest-info");
	call_begin(VM_AGENT_INFO);
	fake_qemu_dies();
	rig_run();
	ck_assert_int_eq(answered, ERR_UNAVAILABLE);
}
END_TEST

/* A guest that shuts down without an answer has done what it was asked to. */
START_TEST(shutdown_qemu_ends_is_success)
{
	run_guest();
	call_begin(VM_AGENT_SHUTDOWN);
	ck_assert_int_eq(answered, ERR_CODE_COUNT);
	fake_qemu_event("SHUTDOWN", "{\"guest\":true}");
	fake_qemu_dies();
	rig_run();
	ck_assert_int_eq(answered, ERR_NONE);
}
END_TEST

/* ---- the freeze ------------------------------------------------------------------ */

START_TEST(freeze_is_told_and_ends_by_thaw)
{
	run_guest();
	freeze();
	ck_assert_str_eq(reply, "{\"file_systems\":2,\"lease_ms\":60000}");
	ck_assert_uint_eq(state().lease_left_ms, LEASE_MS);
	ck_assert_int_eq(call_now(VM_AGENT_THAW), ERR_NONE);
	ck_assert_str_eq(reply, "{\"file_systems\":2}");
	assert_thawed();
	rig_advance(2 * LEASE_MS);
	ck_assert_str_eq(fake_agent_heard(fa), "guest-fsfreeze-thaw;");
}
END_TEST

/* The client that asked for the freeze may be gone. */
START_TEST(freeze_lease_is_over_guest_is_thawed)
{
	run_guest();
	freeze();
	rig_advance(LEASE_MS - 1);
	ck_assert(fake_agent_guest(fa)->is_frozen);
	rig_advance(1);
	assert_thawed();
}
END_TEST

START_TEST(freeze_again_is_a_new_lease)
{
	run_guest();
	freeze();
	rig_advance(LEASE_MS - 1);
	ck_assert_int_eq(call_now(VM_AGENT_FREEZE), ERR_NONE);
	ck_assert_str_eq(reply, "{\"file_systems\":2,\"lease_ms\":60000}");
	ck_assert_str_eq(fake_agent_heard(fa), "");
	rig_advance(LEASE_MS - 1);
	ck_assert(fake_agent_guest(fa)->is_frozen);
	rig_advance(1);
	assert_thawed();
}
END_TEST

static void on_second(void *data, struct json_object *result, const struct err *err)
{
	ck_assert(result && !err);
	*(bool *)data = true;
}

/* A user thaws, and before that is done another one freezes. */
START_TEST(freeze_behind_a_thaw_is_a_freeze)
{
	bool is_done = false;

	run_guest();
	freeze();
	fake_agent_mute(fa, "guest-fsfreeze-thaw");
	call_begin(VM_AGENT_THAW);
	vm_agent_call(rig_vm(), VM_AGENT_FREEZE, LEASE_MS, on_second, &is_done);
	rig_run();
	ck_assert(!is_done);
	fake_agent_unmute(fa);
	fake_agent_answer(fa, 0);
	rig_run();
	ck_assert(is_done && answered == ERR_NONE);
	ck_assert(fake_agent_guest(fa)->is_frozen);
	ck_assert(state().is_frozen);
}
END_TEST

/* A thaw that the agent refuses is repeated until it succeeds. */
START_TEST(thaw_fails_is_repeated)
{
	run_guest();
	freeze();
	fake_agent_on(fa, "guest-fsfreeze-thaw", "\"error\":{\"desc\":\"not now\"}");
	rig_advance(LEASE_MS);
	rig_advance(10000);
	ck_assert(state().is_frozen);
	fake_agent_on(fa, "", "");
	rig_advance(6000);
	assert_thawed();
}
END_TEST

/* The agent froze the guest after its caller had given up. */
START_TEST(freeze_done_after_its_deadline_is_undone)
{
	run_guest();
	fake_agent_mute(fa, "guest-fsfreeze-freeze");
	call_begin(VM_AGENT_FREEZE);
	rig_advance(70000);
	ck_assert_int_eq(answered, ERR_TIMEOUT);
	fake_agent_unmute(fa);
	fake_agent_answer(fa, 0);
	ck_assert(fake_agent_guest(fa)->is_frozen);
	rig_advance(2000);
	assert_thawed();
}
END_TEST

/* The agent restarted while the guest stayed frozen: the lease goes on. */
START_TEST(agent_restarts_while_frozen_lease_goes_on)
{
	run_guest();
	freeze();
	port(false);
	port(true);
	ck_assert(state().is_frozen);
	ck_assert(fake_agent_guest(fa)->is_frozen);
	rig_advance(LEASE_MS);
	assert_thawed();
}
END_TEST

/* A reset ends the freeze. */
START_TEST(guest_is_reset_freeze_is_forgotten)
{
	run_guest();
	freeze();
	fake_agent_guest(fa)->is_frozen = false;
	port(false);
	fake_qemu_event("RESET", NULL);
	rig_run();
	assert_thawed();
	rig_advance(2 * LEASE_MS);
	ck_assert_str_eq(fake_agent_heard(fa), "");
}
END_TEST

/* A guest whose CPUs are stopped is sent nothing: a thaw that is due waits until they run. */
START_TEST(paused_guest_is_not_spoken_to_and_thawed_later)
{
	run_guest();
	freeze();
	rig_act(VM_ACTION_PAUSE);
	ck_assert_int_eq(call_now(VM_AGENT_PING), ERR_CONFLICT);
	ck_assert_ptr_nonnull(strstr(words, "is paused"));
	rig_advance(2 * LEASE_MS);
	ck_assert_str_eq(fake_agent_heard(fa), "");
	rig_act(VM_ACTION_RESUME);
	rig_run();
	assert_thawed();
}
END_TEST

/* ---- restart ---------------------------------------------------------------------- */

START_TEST(restart_agent_is_found_by_its_answer)
{
	run_guest();
	rig_restart();
	rig_run();
	ck_assert(state().is_connected);
	ck_assert_int_eq(call_now(VM_AGENT_PING), ERR_NONE);
}
END_TEST

/* While the monitor hangs it is unknown whether the guest runs. */
START_TEST(restart_monitor_hung_guest_frozen_is_thawed_when_it_answers)
{
	run_guest();
	freeze();
	rig_crash();
	fake_qemu()->is_hung = true;
	rig_start_again();
	fake_qemu_find_monitor();
	rig_run();
	assert_thawed();
	ck_assert(state().is_connected);
}
END_TEST

/* The lease of a freeze does not depend on the monitor. */
START_TEST(monitor_lost_agent_came_is_found_and_freeze_stays)
{
	rig_run_vm();
	fake_qemu_lose_monitor();
	ck_assert(!state().is_connected);
	fake_qemu_find_monitor();
	rig_run();
	ck_assert(state().is_connected);
	freeze();
	fake_qemu_lose_monitor();
	fake_qemu_find_monitor();
	rig_run();
	ck_assert(state().is_frozen);
}
END_TEST

START_TEST(restart_guest_frozen_is_thawed)
{
	run_guest();
	freeze();
	rig_restart();
	rig_run();
	assert_thawed();
}
END_TEST

/* The agent is slow to answer: it is not asked again and again, and the thaw is still done. */
START_TEST(restart_guest_frozen_agent_wakes_late_is_thawed)
{
	run_guest();
	freeze();
	fake_agent_mute(fa, "");
	rig_restart();
	rig_advance(3600000);
	ck_assert(!state().is_connected);
	ck_assert_str_eq(fake_agent_heard(fa), "");
	fake_agent_unmute(fa);
	fake_agent_answer(fa, 0);
	rig_advance(2000);
	assert_thawed();
	ck_assert(state().is_connected);
}
END_TEST

/* The agent answers now what an earlier daemon asked. */
START_TEST(restart_answers_to_an_earlier_life_are_dropped)
{
	run_guest();
	fake_agent_mute(fa, "guest-info");
	call_begin(VM_AGENT_INFO);
	rig_restart();
	fake_agent_unmute(fa);
	fake_agent_answer(fa, 0);
	rig_run();
	ck_assert_int_eq(call_now(VM_AGENT_PING), ERR_NONE);
	ck_assert_str_eq(reply, "{}");
}
END_TEST

/* ---- a move ------------------------------------------------------------------------ */

static void arrive(void)
{
	ck_assert_int_eq(rig_offer(), ERR_NONE);
	rig_loads();
	rig_run();
	ck_assert_str_eq(fake_agent_heard(fa), "");
	ck_assert_str_eq(rig_go(true), "taken");
	rig_run();
}

/* The client that froze the guest knows only the source. */
START_TEST(arrives_frozen_is_thawed_and_its_clock_set)
{
	fake_agent_guest(fa)->is_frozen = true;
	fake_agent_guest(fa)->clock_ns = HOUR_NS;
	arrive();
	assert_thawed();
	ck_assert(state().is_connected);
	ck_assert_int_gt(fake_agent_guest(fa)->clock_ns, 1000 * HOUR_NS);
	ck_assert_str_eq(fake_agent_heard(fa),
			 "guest-fsfreeze-status;guest-fsfreeze-thaw;guest-fsfreeze-status;"
			 "guest-get-time;guest-set-time;");
}
END_TEST

/* A correct clock is left alone, because even a small step back may disturb the guest. */
START_TEST(arrives_clock_is_right_is_not_touched)
{
	arrive();
	ck_assert_str_eq(fake_agent_heard(fa), "guest-fsfreeze-status;guest-get-time;");
	ck_assert(state().is_connected);
}
END_TEST

START_TEST(arrives_clock_is_its_own_affair)
{
	rig.more_members = ",\"guest_agent\":true,\"clock_after_move\":\"keep\"";
	fake_agent_guest(fa)->clock_ns = HOUR_NS;
	arrive();
	ck_assert_str_eq(fake_agent_heard(fa), "guest-fsfreeze-status;");
	ck_assert_int_eq(fake_agent_guest(fa)->clock_ns, HOUR_NS);
}
END_TEST

/* The guest's agent is busy when the guest arrives. */
START_TEST(arrives_agent_wakes_late_is_looked_after)
{
	fake_agent_guest(fa)->is_frozen = true;
	fake_agent_guest(fa)->clock_ns = HOUR_NS;
	fake_agent_mute(fa, "");
	arrive();
	rig_advance(60000);
	ck_assert(fake_agent_guest(fa)->is_frozen);
	fake_agent_unmute(fa);
	fake_agent_answer(fa, 0);
	rig_advance(2000);
	assert_thawed();
	ck_assert_int_gt(fake_agent_guest(fa)->clock_ns, 1000 * HOUR_NS);
}
END_TEST

static TCase *add_case(Suite *s, const char *name)
{
	TCase *tc = tcase_create(name);

	tcase_add_checked_fixture(tc, set_up, tear_down);
	suite_add_tcase(s, tc);
	return tc;
}

Suite *suite(void)
{
	Suite *s = suite_create("vm/agent");
	TCase *tc = add_case(s, "is it there?");

	tcase_add_test(tc, agent_is_there_while_the_channel_is_open);
	tcase_add_test(tc, agent_whose_event_was_lost_is_found_when_asked);
	tcase_add_test(tc, port_of_another_device_is_none_of_ours);
	tcase_add_test(tc, channel_closes_in_mid_exchange_is_told_at_once);
	tcase_add_test(tc, channel_reopens_at_once_agent_is_found_anew);
	tcase_add_test(tc, vm_without_channel_or_stopped_says_so);
	tcase_add_test(tc, qemu_dies_who_waits_is_answered);
	tcase_add_test(tc, shutdown_qemu_ends_is_success);
	tc = add_case(s, "the freeze");
	tcase_add_test(tc, freeze_is_told_and_ends_by_thaw);
	tcase_add_test(tc, freeze_lease_is_over_guest_is_thawed);
	tcase_add_test(tc, freeze_again_is_a_new_lease);
	tcase_add_test(tc, freeze_behind_a_thaw_is_a_freeze);
	tcase_add_test(tc, thaw_fails_is_repeated);
	tcase_add_test(tc, freeze_done_after_its_deadline_is_undone);
	tcase_add_test(tc, agent_restarts_while_frozen_lease_goes_on);
	tcase_add_test(tc, guest_is_reset_freeze_is_forgotten);
	tcase_add_test(tc, paused_guest_is_not_spoken_to_and_thawed_later);
	tc = add_case(s, "restart");
	tcase_add_test(tc, restart_agent_is_found_by_its_answer);
	tcase_add_test(tc, restart_monitor_hung_guest_frozen_is_thawed_when_it_answers);
	tcase_add_test(tc, monitor_lost_agent_came_is_found_and_freeze_stays);
	tcase_add_test(tc, restart_guest_frozen_is_thawed);
	tcase_add_test(tc, restart_guest_frozen_agent_wakes_late_is_thawed);
	tcase_add_test(tc, restart_answers_to_an_earlier_life_are_dropped);
	tc = add_case(s, "a move");
	tcase_add_test(tc, arrives_frozen_is_thawed_and_its_clock_set);
	tcase_add_test(tc, arrives_clock_is_right_is_not_touched);
	tcase_add_test(tc, arrives_clock_is_its_own_affair);
	tcase_add_test(tc, arrives_agent_wakes_late_is_looked_after);
	return s;
}
