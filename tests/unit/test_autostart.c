/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The host was booted (owner/autostart.h): which VM is started, when, and what of one that cannot
 * be? */
#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "check_main.h"
#include "newest_rig.h"
#include "owner/autostart.h"
#include "owner/start.h"
#include "vm/about.h"
#include "vm/boot.h"
#include "vm/vm_priv.h"

#define OTHER_BOOT "018f0000-0000-7000-8000-0000000000b0"

/* The values of owner/autostart.c. */
#define LOOK_MS      2000
#define AGAIN_MIN_MS 5000

static struct autostart *autostart;
static bool is_allowed;
static struct {
	unsigned count;
	enum autostart_result result; /* the last */
	char reason[ERR_MSG_SIZE];
	uint64_t tries, again_ms;
} told;

static bool may(void *data, struct strbuf *why)
{
	(void)data;
	if (!is_allowed)
		strbuf_addf(why, "a hook runs");
	return is_allowed;
}

static void on_told(void *data, const struct autostart_told *said)
{
	(void)data;
	told.count++;
	told.result = said->result;
	told.tries = said->tries;
	told.again_ms = said->again_ms;
	snprintf(told.reason, sizeof(told.reason), "%s", said->reason ? said->reason : "");
}

static void ignore(void *data, const struct err *err)
{
	(void)data;
	ck_assert_msg(!err, "%s", err ? err->msg : "");
}

static void set_autostart(bool on)
{
	struct vm_patch_request request = { .has_autostart = true, .autostart = on };

	vm_change_about(rig_vm(), &request, ignore, NULL);
	rig_run();
}

static void set_up(void)
{
	memset(&told, 0, sizeof(told));
	is_allowed = true;
	newest_rig_set_up();
	rig_create_vm();
	set_autostart(true);
}

static void end(void)
{
	if (autostart)
		autostart_end(autostart);
}

static void tear_down(void)
{
	end();
	newest_rig_tear_down();
	autostart_free(TAKE_PTR(autostart));
}

/* The coordinator of this boot begins. */
static void begin(void)
{
	end();
	autostart_free(TAKE_PTR(autostart));
	autostart = autostart_new(&(struct autostart_env){ .loop = rig.loop,
							   .vms = rig.vms,
							   .newest_env = &newest_rig_env,
							   .newest = newest_rig,
							   .at_once = 1,
							   .give_up_s = 30,
							   .may = may,
							   .told = on_told });
	autostart_begin(autostart);
	rig_run();
}

static void note_other_boot(void)
{
	struct vm *vm = rig_vm();

	snprintf(vm->row.seen_boot, sizeof(vm->row.seen_boot), "%s", OTHER_BOOT);
	vm_save(vm, NULL, NULL);
	rig_run();
}

static void answer_the_restart(void)
{
	newest_rig_none("b");
	newest_rig_none("c");
	trace_clear();
}

static void boot(void)
{
	note_other_boot();
	newest_rig_restart();
	answer_the_restart();
	begin();
}

static void assert_not_started(void)
{
	ck_assert_uint_eq(trace_count("qemu start"), 0);
	ck_assert_str_eq(vm_state(rig_vm()), "stopped");
}

START_TEST(booted_it_is_started_when_the_peers_do_not_have_it)
{
	boot();
	ck_assert(vm_is_autostart_due(rig_vm()));
	ck_assert_str_eq(vm_state(rig_vm()), "starting");
	newest_rig_none("b");
	newest_rig_none("c");
	ck_assert(rig_guest_runs());
	ck_assert_uint_eq(told.count, 1);
	ck_assert_int_eq(told.result, AUTOSTART_STARTED);
	ck_assert(!vm_is_autostart_due(rig_vm()));
}
END_TEST

START_TEST(same_boot_or_no_wish_nothing_is_started)
{
	newest_rig_restart();
	answer_the_restart();
	begin();
	ck_assert(!vm_is_autostart_due(rig_vm()));
	set_autostart(false);
	boot();
	ck_assert(!vm_is_autostart_due(rig_vm()));
	assert_not_started();
}
END_TEST

/* The first coordinator of the boot was lost before it has started the VM. */
START_TEST(lost_coordinator_leaves_it_to_the_next_one)
{
	boot();
	end();
	newest_rig_restart();
	answer_the_restart();
	begin();
	newest_rig_none("b");
	newest_rig_none("c");
	ck_assert(rig_guest_runs());
}
END_TEST

/* Such a record tells nothing of boots. */
START_TEST(in_doubt_it_is_not_started)
{
	note_other_boot();
	newest_rig_restart_in_doubt();
	answer_the_restart();
	begin();
	ck_assert(!vm_is_autostart_due(rig_vm()));
	assert_not_started();
}
END_TEST

/* The backup was made in this boot, when the VM was still to be started. */
START_TEST(in_doubt_what_an_old_record_says_of_this_boot_does_not_count)
{
	rig_vm()->row.autostart_due = true;
	vm_save(rig_vm(), NULL, NULL);
	rig_run();
	newest_rig_restart_in_doubt();
	answer_the_restart();
	begin();
	ck_assert(!vm_is_autostart_due(rig_vm()));
	assert_not_started();
}
END_TEST

/* The move says later that it is this host's; its own record is not written before. */
START_TEST(coming_when_the_host_went_down_it_is_to_be_started_when_it_is_ours)
{
	struct vm *vm = rig_vm();

	snprintf(vm->row.seen_boot, sizeof(vm->row.seen_boot), "%s", OTHER_BOOT);
	vm->role = VM_ROLE_INCOMING;
	ck_assert(!vm_see_boot(vm, false));
	ck_assert(vm_is_autostart_due(vm));
	ck_assert(!vm_see_boot(vm, false));
	ck_assert(vm_is_autostart_due(vm));
	vm->role = VM_ROLE_OWNED;
}
END_TEST

/* It came stopped from a host that was to start it; this one was booted long ago. */
START_TEST(arrived_it_is_started)
{
	newest_rig_restart();
	answer_the_restart();
	begin();
	vm_autostart_comes(rig_vm());
	autostart_note(autostart, rig_vm());
	rig_run();
	newest_rig_none("b");
	newest_rig_none("c");
	ck_assert(rig_guest_runs());
	ck_assert_int_eq(told.result, AUTOSTART_STARTED);
}
END_TEST

START_TEST(still_coming_it_is_neither_started_nor_forgotten)
{
	newest_rig_restart();
	answer_the_restart();
	begin();
	vm_autostart_comes(rig_vm());
	rig_vm()->role = VM_ROLE_INCOMING;
	autostart_note(autostart, rig_vm());
	rig_advance(LOOK_MS + 1);
	ck_assert(vm_is_autostart_due(rig_vm()));
	ck_assert_uint_eq(trace_count("qemu start"), 0);
	ck_assert_uint_eq(fake_peer_pending("vms"), 0);
	rig_vm()->role = VM_ROLE_OWNED;
	rig_advance(LOOK_MS);
	newest_rig_none("b");
	newest_rig_none("c");
	ck_assert(rig_guest_runs());
}
END_TEST

/* QEMU is there, and refuses to let the guest run. */
START_TEST(guest_that_does_not_run_is_told)
{
	fake_qmp_refuse("cont", ERR_QEMU);
	boot();
	newest_rig_none("b");
	newest_rig_none("c");
	ck_assert(!rig_guest_runs());
	ck_assert(!vm_is_autostart_due(rig_vm()));
	ck_assert_uint_eq(told.count, 1);
	ck_assert_int_eq(told.result, AUTOSTART_GAVE_UP);
	ck_assert_uint_eq(told.tries, 1);
	ck_assert_str_ne(told.reason, "");
	rig_advance(AGAIN_MIN_MS);
	ck_assert_uint_eq(told.count, 1);
}
END_TEST

START_TEST(silent_host_that_must_answer_is_asked_again)
{
	vm_record_host(rig_vm(), "b", NULL, NULL);
	boot();
	newest_rig_none("c");
	rig_advance(START_ASK_MS);
	ck_assert_uint_eq(told.count, 1);
	ck_assert_int_eq(told.result, AUTOSTART_FAILED);
	ck_assert_uint_eq(told.again_ms, AGAIN_MIN_MS);
	ck_assert_ptr_nonnull(strstr(told.reason, "not heard"));
	assert_not_started();
	rig_advance(AGAIN_MIN_MS);
	newest_rig_none("b");
	newest_rig_none("c");
	ck_assert(rig_guest_runs());
	ck_assert_uint_eq(told.tries, 2);
	ck_assert_int_eq(told.result, AUTOSTART_STARTED);
}
END_TEST

START_TEST(silent_for_too_long_it_is_given_up)
{
	vm_record_host(rig_vm(), "b", NULL, NULL);
	boot();
	for (int i = 0; i < 40 && vm_is_autostart_due(rig_vm()); i++)
		rig_advance(1000);
	ck_assert_int_eq(told.result, AUTOSTART_GAVE_UP);
	ck_assert_uint_eq(told.again_ms, 0);
	ck_assert(!vm_is_autostart_due(rig_vm()));
	assert_not_started();
}
END_TEST

START_TEST(elsewhere_it_is_not_started)
{
	boot();
	newest_rig_has("b", "owned", "running", 7);
	newest_rig_none("c");
	ck_assert_str_eq(vm_state(rig_vm()), "was-here");
	ck_assert_int_eq(told.result, AUTOSTART_GAVE_UP);
	ck_assert(!vm_is_autostart_due(rig_vm()));
}
END_TEST

START_TEST(kept_empty_the_host_starts_none_and_the_time_does_not_count)
{
	CLEANUP(strbuf_fini) struct strbuf why = STRBUF_INIT;

	is_allowed = false;
	boot();
	rig_advance(600000);
	assert_not_started();
	ck_assert_uint_eq(told.count, 0);
	ck_assert(autostart_waits(autostart, rig_vm(), &why));
	ck_assert_ptr_nonnull(strstr(strbuf_str(&why), "a hook runs"));
	is_allowed = true;
	autostart_look(autostart);
	rig_run();
	newest_rig_none("b");
	newest_rig_none("c");
	ck_assert(rig_guest_runs());
}
END_TEST

START_TEST(taken_back_it_is_not_started)
{
	is_allowed = false;
	boot();
	set_autostart(false);
	is_allowed = true;
	autostart_look(autostart);
	rig_run();
	ck_assert(!vm_is_autostart_due(rig_vm()));
	assert_not_started();
}
END_TEST

Suite *suite(void)
{
	Suite *s = suite_create("autostart");
	TCase *tc = tcase_create("autostart");

	tcase_add_checked_fixture(tc, set_up, tear_down);
	tcase_add_test(tc, booted_it_is_started_when_the_peers_do_not_have_it);
	tcase_add_test(tc, same_boot_or_no_wish_nothing_is_started);
	tcase_add_test(tc, lost_coordinator_leaves_it_to_the_next_one);
	tcase_add_test(tc, in_doubt_it_is_not_started);
	tcase_add_test(tc, in_doubt_what_an_old_record_says_of_this_boot_does_not_count);
	tcase_add_test(tc, coming_when_the_host_went_down_it_is_to_be_started_when_it_is_ours);
	tcase_add_test(tc, arrived_it_is_started);
	tcase_add_test(tc, still_coming_it_is_neither_started_nor_forgotten);
	tcase_add_test(tc, guest_that_does_not_run_is_told);
	tcase_add_test(tc, silent_host_that_must_answer_is_asked_again);
	tcase_add_test(tc, silent_for_too_long_it_is_given_up);
	tcase_add_test(tc, elsewhere_it_is_not_started);
	tcase_add_test(tc, kept_empty_the_host_starts_none_and_the_time_does_not_count);
	tcase_add_test(tc, taken_back_it_is_not_started);
	suite_add_tcase(s, tc);
	return s;
}
