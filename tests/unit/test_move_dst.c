/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <string.h>

#include "base/mem.h"
#include "check_main.h"
#include "move_rig.h"

#define OTHER_ID "018f0000-0000-7000-8000-0000000000ff"

static void ready_to_go(void)
{
	ck_assert_int_eq(rig_offer(), ERR_NONE);
	rig_loads();
}

/* Nothing of a refused guest stays on this host: no VM, no process, no handover. */
static void assert_refused(void)
{
	ck_assert_str_eq(rig_state(), "failed");
	ck_assert_str_eq(rig.disk.verdict, "refused");
	ck_assert(!rig.disk.has_vm);
	ck_assert_ptr_null(rig_vm());
	ck_assert(!fake_stream_is_alive());
	ck_assert_uint_eq(trace_count("disk handover"), 0);
}

static void assert_nothing_left(void)
{
	assert_refused();
	ck_assert(!fake_qemu()->is_alive);
}

/* ---- a good world ----------------------------------------------------- */

/* A whole move without failure: the guest is recorded as ours before it runs, and the source
 * is told only when it runs. */
START_TEST(guest_arrives_in_this_order)
{
	ready_to_go();
	ck_assert_str_eq(rig_go(true), "taken");
	ck_assert_str_eq(rig_state(), "done");
	trace_assert("disk prepare vm=incoming/stopped@1", "qemu start incoming", "stream start",
		     "qmp migrate-set-capabilities", "disk prepare", "qmp migrate-incoming",
		     "disk transfer vm=incoming/stopped@1",
		     "disk handover taken vm=owned/started@2", "qmp cont", "answer taken",
		     "disk done taken", "stream kill", NULL);
	ck_assert(rig_guest_runs());
	ck_assert_str_eq(vm_state(rig_vm()), "running");
	ck_assert_uint_eq(vm_generation(rig_vm()), RIG_GENERATION + 1);
	ck_assert_ptr_null(vm_job(rig_vm()));
}
END_TEST

/* ---- an offer that does not become a guest -------------------------------- */

static void advance_with_answer(void)
{
	rig_advance(1000);
	if (fake_peer_pending("fate"))
		fake_peer_answer("fate",
				 "{\"state\":\"transfer\",\"final\":false,\"verdict\":\"none\"}");
	rig_run();
}

/* Both sides set the capabilities of the source's plan, and turn off what it does not name. */
START_TEST(plan_of_the_offer_is_recorded_and_told_to_qemu)
{
	rig.plan = json_read_back("{\"capabilities\":[{\"name\":\"events\",\"on\":true},"
				  "{\"name\":\"xbzrle\",\"on\":false}],"
				  "\"channels\":[{\"name\":\"ram\",\"connections\":1}]}");
	rig_offer();
	ck_assert_str_eq(fake_qmp_args("migrate-set-capabilities"),
			 "{\"capabilities\":[{\"capability\":\"events\",\"state\":true},"
			 "{\"capability\":\"xbzrle\",\"state\":false},"
			 "{\"capability\":\"return-path\",\"state\":false},"
			 "{\"capability\":\"late-block-activate\",\"state\":false},"
			 "{\"capability\":\"multifd\",\"state\":false},"
			 "{\"capability\":\"auto-converge\",\"state\":false},"
			 "{\"capability\":\"postcopy-ram\",\"state\":false},"
			 "{\"capability\":\"pause-before-switchover\",\"state\":false}]}");
	ck_assert_ptr_nonnull(strstr(move_row(rig_move())->detail, "\"name\":\"xbzrle\""));
	json_object_put(rig.plan);
}
END_TEST

/* An offer whose plan cannot be understood leaves nothing behind. */
START_TEST(plan_that_is_none_is_refused)
{
	rig.plan = json_read_back("{\"capabilities\":7}");
	ck_assert_int_eq(rig_offer(), ERR_INVALID);
	ck_assert_ptr_null(rig_move());
	json_object_put(rig.plan);
}
END_TEST

/* The source answers that the move goes on, but never sends: this host shows that as the
 * reason, and later refuses for good. */
START_TEST(source_that_sends_nothing_is_refused)
{
	ck_assert_int_eq(rig_offer(), ERR_NONE);
	for (unsigned s = 0; s < 70; s++)
		advance_with_answer();
	ck_assert_str_eq(rig_state(), "transfer");
	ck_assert_ptr_nonnull(strstr(move_reason(rig_move()), "has sent nothing for"));
	for (unsigned s = 0; s < 60; s++)
		advance_with_answer();
	assert_nothing_left();
	ck_assert_str_eq(rig_go(true), "refused");
}
END_TEST

/* A transfer that is slow but not idle may take any time. */
START_TEST(source_that_sends_slowly_is_not_refused)
{
	ck_assert_int_eq(rig_offer(), ERR_NONE);
	fake_stream_becomes(STREAM_CHANNEL_READY);
	fake_stream_becomes(STREAM_CHANNEL_OPEN);
	for (unsigned s = 0; s < 600; s++) {
		fake_stream_received(1000 * (s / 50 + 1));
		advance_with_answer();
	}
	ck_assert_str_eq(rig_state(), "transfer");
	ck_assert_str_eq(move_reason(rig_move()), "");
}
END_TEST

/* The source's coordinator is dead while its stream still holds the connection: the source is
 * not asked, and is refused all the same. */
START_TEST(source_that_is_silent_for_good_is_refused)
{
	ck_assert_int_eq(rig_offer(), ERR_NONE);
	fake_stream_becomes(STREAM_CHANNEL_READY);
	fake_stream_becomes(STREAM_CHANNEL_OPEN);
	fake_stream_received(1000);
	rig_advance(130 * 1000);
	assert_nothing_left();
	ck_assert_str_eq(rig_go(true), "refused");
}
END_TEST

/* While this host cannot write its records the source has to wait, and must not be refused for
 * it. */
START_TEST(source_that_waits_for_our_disk_is_not_refused)
{
	ck_assert_int_eq(rig_offer(), ERR_NONE);
	fake_stream_becomes(STREAM_CHANNEL_READY);
	fake_stream_becomes(STREAM_CHANNEL_OPEN);
	rig_disk_is_full(true);
	for (unsigned s = 0; s < 200; s++) {
		move_can_record(rig_move());
		advance_with_answer();
	}
	rig_disk_is_full(false);
	ck_assert_str_eq(rig_state(), "transfer");
}
END_TEST

/* A guest that was loaded completely may be the only copy: it is kept for a person to decide. */
START_TEST(complete_guest_of_a_silent_source_is_kept)
{
	ready_to_go();
	for (unsigned s = 0; s < 300; s++) {
		rig_advance(1000);
		if (fake_peer_pending("fate"))
			fake_peer_fail("fate", ERR_UNAVAILABLE);
		rig_run();
	}
	ck_assert_str_eq(rig_state(), "stuck");
	ck_assert(fake_qemu()->is_alive);
}
END_TEST

/* A cancel on the destination refuses the move, and the source cannot go on. */
START_TEST(cancel_before_the_guest_is_here_refuses)
{
	struct err err;

	ck_assert_int_eq(rig_offer(), ERR_NONE);
	ck_assert(move_cancel(rig_move(), "ops", &err));
	rig_run();
	assert_nothing_left();
	ck_assert(move_was_cancelled(rig_move()));
	ck_assert_str_eq(rig_go(true), "refused");
}
END_TEST

/* A complete guest may be the only copy: only the source decides. */
START_TEST(cancel_of_a_complete_guest_is_not_taken)
{
	struct err err;

	ready_to_go();
	ck_assert(!move_cancel(rig_move(), "ops", &err));
	ck_assert_int_eq(err.code, ERR_CONFLICT);
	ck_assert_str_eq(rig_go(true), "taken");
}
END_TEST

/* A guest that was paused becomes ours and stays paused. */
START_TEST(paused_guest_arrives_paused)
{
	ready_to_go();
	ck_assert_str_eq(rig_go(false), "taken");
	ck_assert_str_eq(rig_state(), "done");
	ck_assert_uint_eq(trace_count("qmp cont"), 0);
	ck_assert_str_eq(rig.disk.vm_intent, "paused");
	ck_assert_str_eq(vm_state(rig_vm()), "paused");
	ck_assert_int_eq(rig_act(VM_ACTION_RESUME).code, ERR_NONE);
	ck_assert(rig_guest_runs());
}
END_TEST

/* The answer to go does not wait for a second write to the disk. */
START_TEST(go_is_answered_before_the_end_is_written)
{
	ready_to_go();
	fake_qmp_hold("cont");
	ck_assert_str_eq(rig_go(true), "");
	rig_disk_hold();
	fake_qmp_release("cont");
	ck_assert_str_eq(rig_verdict(), "taken");
	ck_assert_str_eq(rig_state(), "handover");
	rig_disk_go_on();
	ck_assert_str_eq(rig_state(), "done");
}
END_TEST

/* The guest must not run, and go is not answered, before the guest is ours on disk. */
START_TEST(go_disk_full_guest_waits)
{
	ready_to_go();
	rig_disk_is_full(true);
	ck_assert_str_eq(rig_go(true), "");
	rig_advance(3000);
	ck_assert_uint_eq(trace_count("qmp cont"), 0);
	ck_assert_str_eq(rig_verdict(), "");
	rig_disk_is_full(false);
	rig_advance(500);
	ck_assert_str_eq(rig_verdict(), "taken");
}
END_TEST

/* The go may arrive before QEMU's event that all was loaded. */
START_TEST(go_before_loaded_waits)
{
	ck_assert_int_eq(rig_offer(), ERR_NONE);
	fake_stream_becomes(STREAM_CHANNEL_CLOSED);
	fake_qemu_migrates("active");
	ck_assert_str_eq(rig_go(true), "");
	rig_advance(1000);
	ck_assert_str_eq(rig_verdict(), "");
	ck_assert_uint_eq(trace_count("peer fate"), 0);
	fake_qemu_migrates("completed");
	ck_assert_str_eq(rig_verdict(), "taken");
}
END_TEST

/* The event may be lost with a monitor: QEMU is asked for its state soon. */
START_TEST(go_before_loaded_event_lost_is_found_by_asking)
{
	ck_assert_int_eq(rig_offer(), ERR_NONE);
	fake_stream_becomes(STREAM_CHANNEL_OPEN);
	fake_qemu_migrates("active");
	ck_assert_str_eq(rig_go(true), "");
	fake_qemu()->run = QMP_RUN_PAUSED;
	fake_qemu()->mig = "completed";
	rig_advance(100);
	ck_assert_str_eq(rig_verdict(), "taken");
}
END_TEST

/* The source's guest stands still meanwhile, so the wait has an end. */
START_TEST(go_never_loaded_is_refused)
{
	ck_assert_int_eq(rig_offer(), ERR_NONE);
	fake_stream_becomes(STREAM_CHANNEL_OPEN);
	fake_qemu_migrates("active");
	ck_assert_str_eq(rig_go(true), "");
	rig_advance(9000);
	ck_assert_str_eq(rig_verdict(), "");
	rig_advance(2000);
	ck_assert_str_eq(rig_verdict(), "refused");
	assert_nothing_left();
}
END_TEST

/* ---- refused ------------------------------------------------------------ */

START_TEST(load_fails_is_refused_with_the_reason)
{
	ck_assert_int_eq(rig_offer(), ERR_NONE);
	fake_qemu_migrates("active");
	fake_qemu_migrates("failed");
	assert_nothing_left();
	ck_assert_str_eq(rig_go(true), "refused");
	ck_assert_str_eq(rig_error(), "qemu-error");
}
END_TEST

START_TEST(load_fails_after_go_is_refused)
{
	ck_assert_int_eq(rig_offer(), ERR_NONE);
	fake_qemu_migrates("active");
	ck_assert_str_eq(rig_go(true), "");
	fake_qemu_migrates("failed");
	ck_assert_str_eq(rig_verdict(), "refused");
	assert_nothing_left();
}
END_TEST

START_TEST(loaded_qemu_dies_is_refused)
{
	ready_to_go();
	fake_qemu_dies();
	assert_nothing_left();
	ck_assert_ptr_nonnull(strstr(move_row(rig_move())->error_text, "last words"));
	ck_assert_str_eq(rig_go(true), "refused");
}
END_TEST

/* A cont that QEMU refuses runs no guest, so the move can still be refused. */
START_TEST(cont_refused_by_qemu_is_refused)
{
	ready_to_go();
	fake_qmp_refuse("cont", ERR_QEMU);
	ck_assert_str_eq(rig_go(true), "refused");
	ck_assert_str_eq(rig_state(), "failed");
	ck_assert(!rig.disk.has_vm);
	ck_assert(!fake_qemu()->is_alive);
	trace_assert_order("disk handover taken", "qmp cont");
	trace_assert_order("disk rollback refused", "answer refused");
}
END_TEST

/* Without an answer to cont the guest may run, so it counts as ours. */
START_TEST(cont_unanswered_guest_runs_is_taken)
{
	ready_to_go();
	fake_qmp_hold("cont");
	ck_assert_str_eq(rig_go(true), "");
	fake_qemu()->run = QMP_RUN_RUNNING;
	rig_advance(20000);
	ck_assert_str_eq(rig_verdict(), "taken");
	ck_assert_uint_eq(trace_count("qmp cont"), 1);
}
END_TEST

/* A guest that does not run after the lost answer is sent a second cont. */
START_TEST(cont_lost_is_tried_again)
{
	ready_to_go();
	fake_qmp_refuse("cont", ERR_UNAVAILABLE);
	ck_assert_str_eq(rig_go(true), "");
	rig_advance(6000);
	ck_assert_str_eq(rig_verdict(), "");
	fake_qmp_accept("cont");
	rig_advance(6000);
	ck_assert_str_eq(rig_verdict(), "taken");
	ck_assert(rig_guest_runs());
}
END_TEST

/* A taken guest that dies has died as ours, and is not given back. */
START_TEST(taken_qemu_dies_guest_has_crashed_here)
{
	ready_to_go();
	fake_qmp_hold("cont");
	ck_assert_str_eq(rig_go(true), "");
	fake_qemu_dies();
	ck_assert_str_eq(rig_verdict(), "taken");
	ck_assert_str_eq(rig_state(), "done");
	ck_assert_str_eq(vm_state(rig_vm()), "crashed");
}
END_TEST

/* ---- drop ---------------------------------------------------------------- */

START_TEST(prepare_dropped_nothing_stays)
{
	fake_qmp_hold("migrate-incoming");
	ck_assert_int_eq(rig_offer(), ERR_CODE_COUNT);
	ck_assert_str_eq(rig_drop(), "refused");
	assert_nothing_left();
	ck_assert_int_eq(rig_offered(), ERR_CANCELLED);
}
END_TEST

/* The drop comes before the first record is written: no QEMU is started. */
START_TEST(new_dropped_starts_no_qemu)
{
	rig_disk_hold();
	ck_assert_int_eq(rig_offer(), ERR_CODE_COUNT);
	ck_assert_str_eq(rig_drop(), "");
	rig_disk_go_on();
	ck_assert_str_eq(rig_verdict(), "refused");
	assert_refused();
	ck_assert_uint_eq(trace_count("start"), 0);
}
END_TEST

/* The drop comes while QEMU starts: QEMU is ended before it was ever ready. */
START_TEST(starting_dropped_nothing_stays)
{
	fake_qemu_start_hangs = true;
	ck_assert_int_eq(rig_offer(), ERR_CODE_COUNT);
	ck_assert_str_eq(rig_drop(), "refused");
	assert_nothing_left();
}
END_TEST

START_TEST(transfer_dropped_nothing_stays)
{
	ck_assert_int_eq(rig_offer(), ERR_NONE);
	ck_assert_str_eq(rig_drop(), "refused");
	assert_nothing_left();
}
END_TEST

START_TEST(loaded_dropped_nothing_stays)
{
	ready_to_go();
	ck_assert_str_eq(rig_drop(), "refused");
	assert_nothing_left();
	ck_assert_str_eq(rig_go(true), "refused");
}
END_TEST

/* A drop that comes after go is answered with the true verdict. */
START_TEST(handover_dropped_is_taken)
{
	ready_to_go();
	fake_qmp_hold("cont");
	ck_assert_str_eq(rig_go(true), "");
	ck_assert_str_eq(rig_drop(), "");
	fake_qmp_release("cont");
	ck_assert_str_eq(rig_verdict(), "taken");
	ck_assert_str_eq(rig_drop(), "taken");
	ck_assert(rig_guest_runs());
}
END_TEST

/* Go and drop cross: the one that is written first decides. */
START_TEST(go_crosses_drop_first_written_wins)
{
	ready_to_go();
	rig_disk_hold();
	ck_assert_str_eq(rig_drop(), "");
	ck_assert_str_eq(rig_go(true), "");
	rig_disk_go_on();
	ck_assert_str_eq(rig_verdict(), "refused");
	assert_nothing_left();
}
END_TEST

/* ---- prepare fails --------------------------------------------------------- */

START_TEST(prepare_qemu_cannot_start_fails)
{
	fake_qemu_start_fails = true;
	ck_assert_int_eq(rig_offer(), ERR_QEMU);
	ck_assert_str_eq(rig_state(), "failed");
	ck_assert_ptr_nonnull(strstr(move_row(rig_move())->error_text, "no such program"));
	ck_assert_ptr_null(rig_vm());
	ck_assert(!fake_stream_is_alive());
}
END_TEST

START_TEST(prepare_stream_cannot_start_fails)
{
	fake_stream_start_fails = true;
	ck_assert_int_eq(rig_offer(), ERR_NOT_FOUND);
	assert_nothing_left();
}
END_TEST

START_TEST(prepare_both_cannot_start_fails)
{
	fake_stream_start_fails = fake_qemu_start_fails = true;
	ck_assert(rig_offer() != ERR_NONE);
	ck_assert_str_eq(rig_state(), "failed");
	ck_assert_ptr_null(rig_vm());
}
END_TEST

START_TEST(prepare_stream_dies_fails)
{
	fake_qmp_hold("migrate-incoming");
	ck_assert_int_eq(rig_offer(), ERR_CODE_COUNT);
	fake_stream_dies();
	ck_assert_int_eq(rig_offered(), ERR_INTERNAL);
	assert_nothing_left();
}
END_TEST

START_TEST(prepare_qemu_refuses_fails)
{
	fake_qmp_refuse("migrate-incoming", ERR_QEMU);
	ck_assert_int_eq(rig_offer(), ERR_QEMU);
	assert_nothing_left();
}
END_TEST

/* The refusal has QEMU's own words, and comes at once, because the source waits for it. */
START_TEST(prepare_qemu_dies_at_its_start_fails)
{
	fake_qemu_start_hangs = true;
	ck_assert_int_eq(rig_offer(), ERR_CODE_COUNT);
	fake_qemu_dies();
	ck_assert_int_eq(rig_offered(), ERR_QEMU);
	ck_assert_ptr_nonnull(strstr(move_row(rig_move())->error_text, "bad luck"));
	assert_nothing_left();
}
END_TEST

START_TEST(prepare_qemu_dies_while_it_is_set_up_fails_at_once)
{
	fake_qmp_hold("migrate-incoming");
	ck_assert_int_eq(rig_offer(), ERR_CODE_COUNT);
	fake_qemu_dies();
	ck_assert_int_eq(rig_offered(), ERR_QEMU);
	ck_assert_ptr_nonnull(strstr(move_row(rig_move())->error_text, "last words"));
	assert_nothing_left();
}
END_TEST

START_TEST(prepare_qemu_silent_times_out)
{
	fake_qemu_start_hangs = true;
	ck_assert_int_eq(rig_offer(), ERR_CODE_COUNT);
	rig_advance(30001);
	ck_assert_int_eq(rig_offered(), ERR_TIMEOUT);
	assert_nothing_left();
}
END_TEST

/* The name is in use here: no QEMU is started and nothing is recorded. */
START_TEST(prepare_name_taken_is_refused)
{
	rig_run_vm();
	trace_clear();
	ck_assert_int_eq(rig_offer(), ERR_EXISTS);
	trace_assert_empty();
	ck_assert_str_eq(vm_state(rig_vm()), "running");
}
END_TEST

static enum err_code created;

static void on_created(void *data, const struct err *err)
{
	(void)data;
	created = err ? err->code : ERR_NONE;
}

/* Another VM of this host, stopped, with the CID. */
static enum err_code create_with_cid(uint64_t cid)
{
	struct vm_def *def = xnew(struct vm_def);

	snprintf(def->name, sizeof(def->name), "other");
	snprintf(def->uuid, sizeof(def->uuid), OTHER_ID);
	snprintf(def->machine, sizeof(def->machine), "pc-q35-7.2");
	def->memory_mib = 64;
	def->vsock_count = 1;
	snprintf(def->vsocks[0].id, sizeof(def->vsocks[0].id), "vs0");
	def->vsocks[0].cid = cid;
	created = ERR_CODE_COUNT;
	vm_create(rig.vms, def, on_created, NULL);
	free(def);
	rig_run();
	return created;
}

#define WITH_CID_42 ",\"vsocks\":[{\"id\":\"vs0\",\"cid\":42,\"pci_address\":\"0x4\"}]"

/* Only one guest of a host can be reached by a CID, so it is refused before a QEMU is started. */
START_TEST(prepare_cid_taken_is_refused)
{
	rig.more_members = WITH_CID_42;
	ck_assert_int_eq(create_with_cid(42), ERR_NONE);
	trace_clear();
	ck_assert_int_eq(rig_offer(), ERR_CONFLICT);
	trace_assert_empty();
	ck_assert_ptr_null(rig_vm());
}
END_TEST

/* The record tells which host has the VM. */
START_TEST(cid_taken_leaves_the_old_record_of_the_vm)
{
	rig_create_vm();
	vm_give_up(rig_vm(), "b", RIG_GENERATION + 1);
	rig_run();
	ck_assert_int_eq(create_with_cid(42), ERR_NONE);
	rig.more_members = WITH_CID_42;
	ck_assert_int_eq(rig_offer_of("b", RIG_GENERATION + 1), ERR_CONFLICT);
	ck_assert_ptr_nonnull(rig_vm());
	ck_assert_str_eq(vm_state(rig_vm()), "was-here");
}
END_TEST

START_TEST(prepare_other_cid_is_free)
{
	rig.more_members = WITH_CID_42;
	ck_assert_int_eq(create_with_cid(43), ERR_NONE);
	ck_assert_int_eq(rig_offer(), ERR_NONE);
}
END_TEST

START_TEST(cid_of_a_guest_on_its_way_is_taken)
{
	rig.more_members = WITH_CID_42;
	ck_assert_int_eq(rig_offer(), ERR_NONE);
	ck_assert_int_eq(create_with_cid(42), ERR_CONFLICT);
	ck_assert_int_eq(create_with_cid(43), ERR_NONE);
}
END_TEST

/* One peer must not use up all looks at storage; a repeated offer is not counted again. */
START_TEST(offers_that_wait_for_a_look_are_limited)
{
	char id[] = "018f0000-0000-7000-8000-0000000000b1";

	for (int i = 0; i < 2; i++, id[sizeof(id) - 2]++) {
		ck_assert_int_eq(rig_offer_to_look(id), ERR_NONE);
		ck_assert_int_eq(rig_offer_to_look(id), ERR_NONE);
	}
	ck_assert_int_eq(rig_offer_to_look(id), ERR_LIMIT);
	rig_run();
	ck_assert_int_ne(rig_offer_to_look(id), ERR_LIMIT);
}
END_TEST

/* Whoever waits for a look is answered when the daemon stops. */
START_TEST(offer_that_waits_for_a_look_is_answered_when_the_daemon_stops)
{
	ck_assert_int_eq(rig_offer_to_look("018f0000-0000-7000-8000-0000000000b1"), ERR_NONE);
	rig_crash();
	ck_assert_int_eq(rig_offered(), ERR_UNAVAILABLE);
	rig_start_again();
}
END_TEST

/* A guest may move again right after a cancelled move, while its former QEMU still ends here. */
START_TEST(offer_while_a_former_move_is_cleared_up_is_busy)
{
	ready_to_go();
	ck_assert_int_eq(rig_offer_to_look("018f0000-0000-7000-8000-0000000000b1"), ERR_NONE);
	rig_run();
	ck_assert_int_eq(rig_offered(), ERR_BUSY);
	ck_assert_str_eq(rig_drop(), "refused");
	ck_assert_int_eq(rig_offer_to_look("018f0000-0000-7000-8000-0000000000b1"), ERR_NONE);
	rig_run();
	ck_assert_int_eq(rig_offered(), ERR_NONE);
}
END_TEST

static TCase *tcase;
#define ADD(test) tcase_add_test(tcase, test)

static void add_refusals(Suite *s)
{
	tcase = rig_add_case(s, "refusals");
	ADD(load_fails_is_refused_with_the_reason);
	ADD(load_fails_after_go_is_refused);
	ADD(loaded_qemu_dies_is_refused);
	ADD(cont_refused_by_qemu_is_refused);
	ADD(cont_unanswered_guest_runs_is_taken);
	ADD(cont_lost_is_tried_again);
	ADD(taken_qemu_dies_guest_has_crashed_here);
	ADD(prepare_dropped_nothing_stays);
	ADD(new_dropped_starts_no_qemu);
	ADD(starting_dropped_nothing_stays);
	ADD(transfer_dropped_nothing_stays);
	ADD(loaded_dropped_nothing_stays);
	ADD(handover_dropped_is_taken);
	ADD(go_crosses_drop_first_written_wins);
}

static void add_prepare(Suite *s)
{
	tcase = rig_add_case(s, "prepare");
	ADD(prepare_qemu_cannot_start_fails);
	ADD(prepare_stream_cannot_start_fails);
	ADD(prepare_both_cannot_start_fails);
	ADD(prepare_stream_dies_fails);
	ADD(prepare_qemu_refuses_fails);
	ADD(prepare_qemu_dies_at_its_start_fails);
	ADD(prepare_qemu_dies_while_it_is_set_up_fails_at_once);
	ADD(prepare_qemu_silent_times_out);
	ADD(prepare_name_taken_is_refused);
	ADD(prepare_cid_taken_is_refused);
	ADD(cid_taken_leaves_the_old_record_of_the_vm);
	ADD(prepare_other_cid_is_free);
	ADD(cid_of_a_guest_on_its_way_is_taken);
	ADD(offers_that_wait_for_a_look_are_limited);
	ADD(offer_that_waits_for_a_look_is_answered_when_the_daemon_stops);
	ADD(offer_while_a_former_move_is_cleared_up_is_busy);
}

Suite *suite(void)
{
	Suite *s = suite_create("move_dst");

	tcase = rig_add_case(s, "handover");
	ADD(guest_arrives_in_this_order);
	ADD(plan_of_the_offer_is_recorded_and_told_to_qemu);
	ADD(plan_that_is_none_is_refused);
	ADD(source_that_sends_nothing_is_refused);
	ADD(source_that_sends_slowly_is_not_refused);
	ADD(source_that_is_silent_for_good_is_refused);
	ADD(source_that_waits_for_our_disk_is_not_refused);
	ADD(complete_guest_of_a_silent_source_is_kept);
	ADD(cancel_before_the_guest_is_here_refuses);
	ADD(cancel_of_a_complete_guest_is_not_taken);
	ADD(paused_guest_arrives_paused);
	ADD(go_is_answered_before_the_end_is_written);
	ADD(go_disk_full_guest_waits);
	ADD(go_before_loaded_waits);
	ADD(go_before_loaded_event_lost_is_found_by_asking);
	ADD(go_never_loaded_is_refused);
	add_refusals(s);
	add_prepare(s);
	return s;
}
