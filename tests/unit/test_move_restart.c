/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <string.h>

#include "base/mem.h"
#include "check_main.h"
#include "move/priv.h"
#include "move_rig.h"

#define FATE_FINAL "{\"state\":\"failed\",\"final\":true,\"verdict\":\"none\"}"

/* ---- the source --------------------------------------------------------- */

static void assert_failed_here(void)
{
	rig_peer_says("drop", "refused");
	rig_advance(1000);
	ck_assert_str_eq(rig_state(), "failed");
	ck_assert_uint_eq(trace_count("peer go"), 0);
	ck_assert(!fake_stream_is_alive());
	ck_assert_ptr_null(vm_job(rig_vm()));
}

/* A move that has just begun is rolled back: nothing is lost when it is started again. */
START_TEST(src_begin_restart_rolls_back)
{
	rig_run_vm();
	fake_qmp_hold("migrate-set-capabilities");
	rig_start_move();
	rig_restart();
	assert_failed_here();
	ck_assert_str_eq(rig_error(), "unavailable");
	ck_assert_str_eq(vm_state(rig_vm()), "running");
}
END_TEST

START_TEST(src_prepare_restart_rolls_back)
{
	rig_bring_to("prepare");
	rig_restart();
	assert_failed_here();
	ck_assert(rig_guest_runs());
}
END_TEST

START_TEST(src_prepare_restart_qemu_dead_has_crashed)
{
	rig_bring_to("prepare");
	rig_crash();
	fake_qemu_dies_unseen();
	rig_start_again();
	assert_failed_here();
	ck_assert_str_eq(vm_state(rig_vm()), "crashed");
}
END_TEST

/* An upgrade of the daemon costs no move. */
START_TEST(src_transfer_restart_goes_on)
{
	rig_bring_to("transfer");
	rig_restart();
	ck_assert_str_eq(rig_state(), "transfer");
	ck_assert(fake_stream_is_alive());
	rig_advance(2000);
	ck_assert_uint_eq(trace_count("qmp migrate"), 1);
	ck_assert_uint_eq(trace_count("peer drop"), 0);
	rig_completes();
	rig_peer_says("go", "taken");
	ck_assert_str_eq(rig_state(), "done");
	ck_assert_ptr_null(rig_vm());
}
END_TEST

/* The record was written, but QEMU was not told to migrate. */
START_TEST(src_transfer_restart_before_migrate_rolls_back)
{
	rig_run_vm();
	rig_bring_to("prepare");
	rig_disk_hold_answers();
	fake_peer_answer("prepare",
			 "{\"data_address\":\"h:1\",\"token\":\"0000000000000000000000000000000000"
			 "000000000000000000000000000001\",\"channels\":[\"ram\"]}");
	fake_stream_becomes(STREAM_CHANNEL_READY);
	ck_assert_str_eq(rig.disk.state, "transfer");
	rig_restart();
	assert_failed_here();
	ck_assert_uint_eq(trace_count("qmp migrate"), 0);
	ck_assert(rig_guest_runs());
}
END_TEST

/* The same, but QEMU still reports the migration by which the guest came to this host: nothing
 * has left, so the destination must not be asked to go on. */
START_TEST(src_transfer_restart_before_migrate_arrived_before_rolls_back)
{
	rig_run_vm();
	fake_qemu()->mig = "completed";
	fake_qemu()->has_arrived = true;
	rig_bring_to("prepare");
	rig_disk_hold_answers();
	fake_peer_answer("prepare",
			 "{\"data_address\":\"h:1\",\"token\":\"0000000000000000000000000000000000"
			 "000000000000000000000000000001\",\"channels\":[\"ram\"]}");
	fake_stream_becomes(STREAM_CHANNEL_READY);
	rig_restart();
	assert_failed_here();
	ck_assert_uint_eq(trace_count("peer go run"), 0);
	ck_assert(rig_guest_runs());
}
END_TEST

/* The record was not written, so the state before it counts. */
START_TEST(src_transfer_restart_record_lost_rolls_back)
{
	rig_bring_to("prepare");
	fake_peer_answer("prepare",
			 "{\"data_address\":\"h:1\",\"token\":\"0000000000000000000000000000000000"
			 "000000000000000000000000000001\",\"channels\":[\"ram\"]}");
	rig_disk_hold();
	fake_stream_becomes(STREAM_CHANNEL_READY);
	rig_restart();
	assert_failed_here();
	ck_assert(rig_guest_runs());
}
END_TEST

START_TEST(src_transfer_restart_failed_meanwhile_guest_goes_on)
{
	rig_bring_to("transfer");
	rig_crash();
	fake_qemu()->mig = "failed";
	rig_start_again();
	assert_failed_here();
	ck_assert(rig_guest_runs());
}
END_TEST

/* The transfer completed while the daemon was away: the guest stands still, and is given away. */
START_TEST(src_transfer_restart_completed_meanwhile_goes_on)
{
	rig_bring_to("transfer");
	rig_crash();
	fake_qemu_migrates("device");
	fake_qemu_migrates("completed");
	rig_start_again();
	rig_advance(100);
	ck_assert_str_eq(rig_state(), "handover");
	ck_assert_uint_eq(trace_count("qmp cont"), 0);
	rig_peer_says("go", "taken");
	ck_assert_str_eq(rig_state(), "done");
}
END_TEST

/* Rule 6: QEMU may have resumed the guest before it died, so the destination's copy is stale:
 * the copy is dropped, and the guest has crashed. */
START_TEST(src_transfer_restart_qemu_dead_drops)
{
	rig_bring_to("transfer");
	rig_crash();
	fake_qemu_dies_unseen();
	rig_start_again();
	ck_assert_str_eq(rig_state(), "rollback");
	assert_failed_here();
	ck_assert_str_eq(rig_error(), "qemu-error");
	ck_assert_str_eq(vm_state(rig_vm()), "crashed");
}
END_TEST

/* If the destination answers `taken', the guest runs there. */
START_TEST(src_handover_restart_qemu_dead_taken_confirms)
{
	rig_bring_to("handover");
	rig_disk_hold(); /* the record that it completed is lost */
	fake_qemu_migrates("completed");
	ck_assert_uint_eq(fake_peer_pending("go"), 1);
	rig_crash();
	fake_qemu_dies_unseen();
	rig_start_again();
	ck_assert_str_eq(rig_state(), "rollback");
	rig_peer_says("drop", "taken");
	ck_assert_str_eq(rig_state(), "done");
	ck_assert_ptr_null(rig_vm());
	ck_assert_str_eq(move_owner(rig_move()), "b");
}
END_TEST

/* The destination may have received the go: its guest may run, so this host does not give it
 * up, however long the answer takes, and over any number of restarts. */
START_TEST(src_handover_restart_qemu_dead_unanswered_waits)
{
	rig_bring_to("handover");
	rig_disk_hold();
	fake_qemu_migrates("completed");
	rig_crash();
	fake_qemu_dies_unseen();
	rig_start_again();
	rig_advance(10 * 60 * 1000);
	ck_assert_str_eq(rig_state(), "rollback");
	rig_restart();
	rig_advance(10 * 60 * 1000);
	ck_assert_str_eq(rig_state(), "rollback");
	ck_assert_int_eq(rig_act(VM_ACTION_START).code, ERR_BUSY);
	rig_peer_says("drop", "taken");
	ck_assert_str_eq(rig_state(), "done");
	ck_assert_ptr_null(rig_vm());
}
END_TEST

/* The record of `completed' is on disk: the guest was given away, even if its QEMU has died. */
START_TEST(src_handover_restart_qemu_dead_after_completed_asks_go)
{
	rig_bring_to("handover");
	fake_qemu_migrates("completed");
	rig_crash();
	fake_qemu_dies_unseen();
	rig_start_again();
	ck_assert_str_eq(rig_state(), "handover");
	rig_peer_says("go", "taken");
	ck_assert_str_eq(rig_state(), "done");
	ck_assert_ptr_null(rig_vm());
}
END_TEST

/* The answer to go was lost with the daemon: go is sent again, and the guest stays stopped. */
START_TEST(src_handover_restart_asks_again)
{
	rig_bring_to("handover");
	fake_qemu_migrates("completed");
	rig_restart();
	ck_assert_str_eq(rig_state(), "handover");
	ck_assert_uint_eq(fake_peer_pending("go"), 1);
	ck_assert_uint_eq(trace_count("qmp cont"), 0);
	rig_peer_says("go", "refused");
	ck_assert_str_eq(rig_state(), "failed");
	ck_assert(rig_guest_runs());
}
END_TEST

START_TEST(src_handover_restart_paused_guest_goes_paused)
{
	rig_run_vm();
	ck_assert_int_eq(rig_act(VM_ACTION_PAUSE).code, ERR_NONE);
	rig_bring_to("handover");
	fake_qemu_migrates("completed");
	rig_restart();
	ck_assert_uint_eq(fake_peer_pending("go"), 1);
	ck_assert_uint_eq(trace_count("peer go run"), 0);
}
END_TEST

START_TEST(src_handover_restart_failed_meanwhile_guest_goes_on)
{
	rig_bring_to("handover");
	rig_crash();
	fake_qemu()->mig = "failed";
	fake_qemu()->run = QMP_RUN_RUNNING;
	rig_start_again();
	assert_failed_here();
	ck_assert(rig_guest_runs());
}
END_TEST

/* QEMU had the user's resume when the daemon died, and ran the guest here after it was given
 * away. */
START_TEST(src_handover_restart_guest_runs_here_drops)
{
	rig_run_vm();
	ck_assert_int_eq(rig_act(VM_ACTION_PAUSE).code, ERR_NONE);
	rig_bring_to("handover");
	rig_crash();
	fake_qemu()->mig = "completed";
	fake_qemu()->run = QMP_RUN_RUNNING;
	rig_start_again();
	rig_advance(100);
	ck_assert_uint_eq(trace_count("peer go"), 0);
	rig_peer_says("drop", "refused");
	rig_advance(1000);
	ck_assert_str_eq(rig_state(), "failed");
}
END_TEST

/* The record of `taken' is on disk: the guest is over there, and the QEMU here is ended. */
START_TEST(src_confirm_restart_ends_qemu)
{
	rig_bring_to("confirm");
	rig_restart();
	fake_qmp_release("query-migrate");
	ck_assert_str_eq(rig_state(), "done");
	ck_assert(!fake_qemu()->is_alive);
	ck_assert_ptr_null(rig_vm());
	ck_assert_uint_eq(trace_count("peer go"), 1);
}
END_TEST

START_TEST(src_confirm_restart_qemu_dead_is_done)
{
	rig_bring_to("confirm");
	rig_crash();
	fake_qemu_dies_unseen();
	rig_start_again();
	ck_assert_str_eq(rig_state(), "done");
	ck_assert_ptr_null(rig_vm());
}
END_TEST

START_TEST(src_rollback_restart_refusal_known_guest_goes_on)
{
	rig_bring_to("handover");
	fake_qemu_migrates("completed");
	fake_qmp_hold("cont");
	rig_peer_says("go", "refused");
	ck_assert_str_eq(rig_state(), "rollback");
	rig_restart();
	fake_qmp_release("cont");
	rig_advance(1000);
	ck_assert_str_eq(rig_state(), "failed");
	ck_assert(rig_guest_runs());
	ck_assert_uint_eq(trace_count("peer drop"), 0);
}
END_TEST

START_TEST(src_rollback_restart_drops_again)
{
	rig_bring_to("transfer");
	fake_qemu_migrates("failed");
	rig_restart();
	ck_assert_str_eq(rig_state(), "rollback");
	assert_failed_here();
	ck_assert(rig_guest_runs());
}
END_TEST

/* The former daemon had told QEMU to migrate: the migration is cancelled. */
START_TEST(src_rollback_restart_still_migrating_is_cancelled)
{
	rig_bring_to("prepare");
	rig_crash();
	fake_qemu()->mig = "active";
	rig_start_again();
	ck_assert_uint_eq(trace_count("qmp migrate_cancel"), 1);
	assert_failed_here();
	ck_assert(rig_guest_runs());
}
END_TEST

/* The migration even completed: only the destination's refusal gives the guest back. */
START_TEST(src_rollback_restart_completed_waits_for_refusal)
{
	rig_bring_to("prepare");
	rig_crash();
	fake_qemu()->mig = "completed";
	fake_qemu()->run = QMP_RUN_POSTMIGRATE;
	rig_start_again();
	rig_advance(10 * 60 * 1000);
	ck_assert_str_eq(rig_state(), "rollback");
	ck_assert_uint_eq(trace_count("qmp cont"), 0);
	ck_assert_int_eq(rig_act(VM_ACTION_RESUME).code, ERR_BUSY);
	rig_peer_says("drop", "refused");
	rig_advance(1000);
	ck_assert_str_eq(rig_state(), "failed");
	ck_assert(rig_guest_runs());
}
END_TEST

/* A monitor that does not answer is asked again, at a bounded rate. */
START_TEST(src_rollback_restart_monitor_hung_waits)
{
	rig_bring_to("transfer");
	fake_qemu_migrates("failed");
	rig_crash();
	fake_qemu()->is_hung = true;
	rig_start_again();
	rig_advance(20000);
	ck_assert_str_eq(rig_state(), "rollback");
	fake_qemu_find_monitor();
	rig_advance(5000);
	ck_assert_str_eq(rig_state(), "failed");
	ck_assert(rig_guest_runs());
	ck_assert_str_eq(vm_state(rig_vm()), "running");
}
END_TEST

START_TEST(src_ended_restart_is_history)
{
	rig_bring_to("transfer");
	fake_qemu_migrates("failed");
	rig_peer_says("drop", "refused");
	trace_clear();
	rig_restart();
	rig_advance(60000);
	ck_assert_str_eq(rig_state(), "failed");
	ck_assert(move_is_final(rig_move()));
	ck_assert_uint_eq(trace_count("qmp"), 0);
	ck_assert_uint_eq(trace_count("peer"), trace_count("peer settle"));
	ck_assert_str_eq(vm_state(rig_vm()), "running");
}
END_TEST

/* The destination keeps its verdict until the source tells it the end, over restarts of both. */
START_TEST(src_ended_restart_tells_the_destination_until_it_answers)
{
	rig_bring_to("transfer");
	fake_qemu_migrates("failed");
	rig_peer_says("drop", "refused");
	rig_advance(1);
	fake_peer_fail("settle", ERR_UNAVAILABLE);
	rig_restart();
	rig_advance(1);
	fake_peer_answer("settle", "{\"settled\":true}");
	ck_assert(move_is_settled(rig_move()));
	trace_clear();
	rig_restart();
	rig_advance(120000);
	ck_assert_uint_eq(trace_count("peer"), 0);
}
END_TEST

static struct store_move ended_row(unsigned i, unsigned count)
{
	struct store_move row = { .generation = 1, .is_final = true, .settled = true };

	snprintf(row.id, sizeof(row.id), "018f0000-0000-7000-8000-%012u", i);
	snprintf(row.kind, sizeof(row.kind), "MIGRATION_IN");
	snprintf(row.state, sizeof(row.state), "failed");
	snprintf(row.peer, sizeof(row.peer), "b");
	snprintf(row.verdict, sizeof(row.verdict), "%s", i % 300 ? "refused" : "unknown");
	row.created_ms = row.updated_ms = i + 1;
	row.ended_ms = i * 7919 % count + 1; /* in another order */
	row.detail = strdup("{}");
	return row;
}

/* By a migrd of before, which wrote out what is 0 as well. */
#define EARLIER_RECORD                                                                            \
	"{\"run\":true,\"resolved\":false,\"memory_mib\":0,\"bandwidth_bytes_per_s\":5,"          \
	"\"downtime_limit_ms\":300,\"block_jobs\":\"wait\",\"assert_same_disks\":true,"           \
	"\"assert_same_cpu\":false,\"request\":\"{}\",\"stream_pid\":7,\"stream_start_time\":8,"  \
	"\"qemu_total_ms\":100,\"qemu_setup_ms\":2,\"qemu_downtime_ms\":3,"                       \
	"\"ram_total_bytes\":4096,\"ram_transferred_bytes\":2048,\"ram_passes\":3,"               \
	"\"percent\":90,\"stamps_us\":{\"created\":1000,\"prepared\":2500,\"migrate\":3000,"      \
	"\"stopped\":3000,\"completed\":0,\"go\":0,\"taken\":3000,\"running\":0,\"ended\":9999}," \
	"\"peer_times\":{\"total_ms\":1.500},\"word_of_later\":1}"

/* Clients and the records of before rely on both. */
START_TEST(record_of_an_earlier_version_shows_the_same_bytes)
{
	struct store_move row = ended_row(1, 7);
	CLEANUP(json_putp) struct json_object *obj = NULL;

	free(row.detail);
	row.detail = strdup(EARLIER_RECORD);
	snprintf(row.kind, sizeof(row.kind), "MIGRATION_OUT");
	snprintf(row.vm_name, sizeof(row.vm_name), "vm/1");
	snprintf(row.error_code, sizeof(row.error_code), "timeout");
	snprintf(row.error_text, sizeof(row.error_text), "no answer");
	moves_add_row(rig.moves, &row);
	obj = move_json(moves_first(rig.moves));
	ck_assert_str_eq(json_text(obj, NULL),
			 "{\"id\":\"018f0000-0000-7000-8000-000000000001\",\"vm\":\"vm/1\","
			 "\"vm_uuid\":\"\",\"kind\":\"MIGRATION_OUT\",\"source\":\"a\","
			 "\"destination\":\"b\",\"state\":\"failed\",\"final\":true,"
			 "\"can_cancel\":false,\"held\":false,\"held_until\":null,"
			 "\"owner\":\"a\",\"generation\":1,\"reason\":\"\","
			 "\"error\":{\"code\":\"timeout\",\"detail\":\"no answer\"},"
			 "\"progress\":{\"percent\":90,\"ram_total_bytes\":4096,"
			 "\"ram_remaining_bytes\":0,\"ram_transferred_bytes\":2048,"
			 "\"passes\":3,\"throughput_mbit_per_s\":0.0,\"dirty_pages_per_s\":0,"
			 "\"expected_downtime_ms\":0,\"throttle_percent\":0},"
			 "\"times\":{\"total_ms\":8.999,\"qemu_total_ms\":100,"
			 "\"qemu_setup_ms\":2,\"qemu_downtime_ms\":3,"
			 "\"created_to_prepared_ms\":1.500,\"prepared_to_migrate_ms\":0.500,"
			 "\"blackout_ms\":0.000,\"answer_to_end_ms\":6.999,"
			 "\"destination\":{\"total_ms\":1.500}},"
			 "\"options\":{\"bandwidth_bytes_per_s\":5,\"downtime_limit_ms\":300,"
			 "\"priority\":\"interactive\",\"block_jobs\":\"wait\","
			 "\"outage_ping_ms\":0,\"assert_same_disks\":true,"
			 "\"assert_same_cpu\":false},"
			 "\"created_at\":\"1970-01-01T00:00:00.002Z\","
			 "\"updated_at\":\"1970-01-01T00:00:00.002Z\","
			 "\"ended_at\":\"1970-01-01T00:00:00.003Z\"}");
}
END_TEST

/* The history in memory and the rows on disk must be the same moves. */
START_TEST(history_in_memory_and_on_disk_is_the_same)
{
	enum { COUNT = STORE_HISTORY_MAX + 20 };
	bool kept[COUNT];
	struct store_move row;

	for (unsigned i = 0; i < COUNT; i++) {
		row = ended_row(i, COUNT);
		store_commit(rig.store, &(struct store_txn){ { store_put_move(&row) } }, NULL,
			     NULL);
		moves_add_row(rig.moves, &row);
		rig_run();
		trace_clear();
	}
	moves_settled(rig.moves);
	rig_run();
	for (unsigned i = 0; i < COUNT; i++) {
		row = ended_row(i, COUNT);
		kept[i] = moves_find(rig.moves, row.id) != NULL;
		store_move_fini(&row);
	}
	rig_restart();
	for (unsigned i = 0; i < COUNT; i++) {
		row = ended_row(i, COUNT);
		ck_assert(kept[i] == (moves_find(rig.moves, row.id) != NULL));
		store_move_fini(&row);
	}
	ck_assert(!kept[300] && !kept[600]);
}
END_TEST

/* ---- the destination ----------------------------------------------------- */

static void assert_nothing_left(void)
{
	ck_assert_str_eq(rig_state(), "failed");
	ck_assert_str_eq(rig.disk.verdict, "refused");
	ck_assert(!rig.disk.has_vm);
	ck_assert_ptr_null(rig_vm());
	ck_assert(!fake_qemu()->is_alive);
	ck_assert(!fake_stream_is_alive());
	ck_assert_str_eq(rig_go(true), "refused");
	ck_assert_uint_eq(trace_count("qmp cont"), 0);
}

static void arrive(void)
{
	ck_assert_int_eq(rig_offer(), ERR_NONE);
	rig_loads();
}

START_TEST(dst_prepare_restart_rolls_back)
{
	fake_qmp_hold("migrate-incoming");
	ck_assert_int_eq(rig_offer(), ERR_CODE_COUNT);
	rig_crash();
	fake_stream_dies(); /* a stream ends by itself when no connection comes */
	rig_start_again();
	assert_nothing_left();
}
END_TEST

/* The daemon dies between the start of QEMU and the record of its pid. */
START_TEST(dst_prepare_restart_qemu_is_found_and_ended)
{
	fake_qemu_start_hangs = true;
	ck_assert_int_eq(rig_offer(), ERR_CODE_COUNT);
	rig_crash();
	fake_stream_dies();
	rig_start_again();
	assert_nothing_left();
}
END_TEST

START_TEST(dst_transfer_restart_goes_on)
{
	ck_assert_int_eq(rig_offer(), ERR_NONE);
	fake_stream_becomes(STREAM_CHANNEL_OPEN);
	fake_qemu_migrates("active");
	rig_restart();
	ck_assert_str_eq(rig_state(), "transfer");
	ck_assert(fake_stream_is_alive());
	fake_qemu_migrates("completed");
	ck_assert_str_eq(rig_go(true), "taken");
	ck_assert(rig_guest_runs());
	ck_assert_str_eq(rig_state(), "done");
}
END_TEST

START_TEST(dst_transfer_restart_loaded_meanwhile_goes_on)
{
	ck_assert_int_eq(rig_offer(), ERR_NONE);
	rig_crash();
	fake_qemu()->mig = "completed";
	fake_qemu()->run = QMP_RUN_PAUSED;
	rig_start_again();
	rig_advance(10 * 1000);
	ck_assert_uint_eq(trace_count("qmp cont"), 0);
	ck_assert_str_eq(rig_go(true), "taken");
}
END_TEST

START_TEST(dst_transfer_restart_qemu_dead_is_refused)
{
	arrive();
	rig_crash();
	fake_qemu_dies_unseen();
	rig_start_again();
	assert_nothing_left();
}
END_TEST

/* The source gave up meanwhile, and its drop was not received. */
START_TEST(dst_transfer_restart_asks_for_the_fate)
{
	arrive();
	rig_restart();
	rig_advance(5001);
	fake_peer_answer("fate", FATE_FINAL);
	assert_nothing_left();
}
END_TEST

/* The take was not written, so it has not happened, and the next go takes the guest. */
START_TEST(dst_take_lost_restart_is_taken_by_the_next_go)
{
	arrive();
	rig_disk_hold();
	ck_assert_str_eq(rig_go(true), "");
	rig_restart();
	ck_assert_str_eq(rig_state(), "transfer");
	rig_advance(1000);
	ck_assert(!rig_guest_runs());
	ck_assert_str_eq(rig_go(true), "taken");
	ck_assert(rig_guest_runs());
}
END_TEST

/* The take was not written, and the source drops the move. */
START_TEST(dst_take_lost_restart_can_be_dropped)
{
	arrive();
	rig_disk_hold();
	ck_assert_str_eq(rig_go(true), "");
	rig_restart();
	ck_assert_str_eq(rig_drop(), "refused");
	assert_nothing_left();
}
END_TEST

/* The take is on disk, but cont was never sent: the guest is ours, and is let run. */
START_TEST(dst_take_written_restart_lets_it_run)
{
	arrive();
	rig_disk_hold_answers();
	ck_assert_str_eq(rig_go(true), "");
	ck_assert_str_eq(rig.disk.verdict, "taken");
	rig_restart();
	ck_assert_str_eq(rig_state(), "done");
	ck_assert(rig_guest_runs());
	ck_assert_uint_eq(trace_count("qmp cont"), 1);
	ck_assert_str_eq(rig_go(true), "taken");
	ck_assert_str_eq(vm_state(rig_vm()), "running");
	ck_assert_uint_eq(vm_generation(rig_vm()), RIG_GENERATION + 1);
}
END_TEST

START_TEST(dst_take_written_restart_paused_stays_paused)
{
	arrive();
	rig_disk_hold_answers();
	ck_assert_str_eq(rig_go(false), "");
	rig_restart();
	ck_assert_str_eq(rig_state(), "done");
	ck_assert_uint_eq(trace_count("qmp cont"), 0);
	ck_assert_str_eq(rig_go(true), "taken");
	ck_assert_str_eq(vm_state(rig_vm()), "paused");
}
END_TEST

/* cont was sent and its answer lost: a guest that runs is not sent a second one. */
START_TEST(dst_handover_restart_guest_runs_already)
{
	arrive();
	fake_qmp_hold("cont");
	ck_assert_str_eq(rig_go(true), "");
	rig_crash();
	fake_qemu()->run = QMP_RUN_RUNNING;
	rig_start_again();
	ck_assert_str_eq(rig_state(), "done");
	ck_assert_uint_eq(trace_count("qmp cont"), 1);
	ck_assert_str_eq(rig_go(true), "taken");
}
END_TEST

/* cont was sent, and failed for an image's format: QEMU would accept a second one, and run the
 * guest without that disk.  QEMU's own report shows it. */
START_TEST(dst_handover_restart_disk_is_lost_no_second_cont)
{
	arrive();
	fake_qmp_hold("cont");
	ck_assert_str_eq(rig_go(true), "");
	rig_crash();
	fake_qmp_result("query-block",
			"[{\"device\":\"\",\"qdev\":\"/machine/peripheral/d0/virtio-backend\","
			"\"removable\":false},{\"device\":\"cd\",\"removable\":true}]");
	rig_start_again();
	rig_advance(1000);
	ck_assert_uint_eq(trace_count("qmp cont"), 1);
	ck_assert_str_eq(rig_go(true), "refused");
}
END_TEST

/* A taken guest stays taken, even if its QEMU died while the daemon was away. */
START_TEST(dst_handover_restart_qemu_dead_is_taken)
{
	arrive();
	rig_disk_hold_answers();
	ck_assert_str_eq(rig_go(true), "");
	rig_crash();
	fake_qemu_dies_unseen();
	rig_start_again();
	ck_assert_str_eq(rig_state(), "done");
	ck_assert_str_eq(rig_go(true), "taken");
	ck_assert_str_eq(vm_state(rig_vm()), "crashed");
}
END_TEST

START_TEST(dst_handover_restart_drop_is_told_taken)
{
	arrive();
	fake_qmp_hold("cont");
	ck_assert_str_eq(rig_go(true), "");
	rig_restart();
	ck_assert_str_eq(rig_drop(), "");
	fake_qmp_release("cont");
	ck_assert_str_eq(rig_verdict(), "taken");
}
END_TEST

/* The refusal is on disk, but QEMU still lives: it is ended. */
START_TEST(dst_rollback_restart_cleans_up)
{
	arrive();
	rig_disk_hold_answers();
	ck_assert_str_eq(rig_drop(), "");
	ck_assert_str_eq(rig.disk.state, "rollback");
	rig_restart();
	assert_nothing_left();
}
END_TEST

START_TEST(dst_rollback_restart_qemu_dead_cleans_up)
{
	arrive();
	rig_disk_hold_answers();
	ck_assert_str_eq(rig_drop(), "");
	rig_crash();
	fake_qemu_dies_unseen();
	rig_start_again();
	assert_nothing_left();
}
END_TEST

START_TEST(dst_done_restart_is_taken_for_ever)
{
	arrive();
	ck_assert_str_eq(rig_go(true), "taken");
	rig_restart();
	ck_assert_str_eq(rig_go(true), "taken");
	ck_assert_str_eq(rig_drop(), "taken");
	ck_assert_str_eq(vm_state(rig_vm()), "running");
}
END_TEST

/* After a power loss every QEMU is gone, and a pid of our records may belong to another
 * process. */
START_TEST(dst_transfer_power_loss_is_refused)
{
	arrive();
	rig_crash();
	fake_boot_id[0] = '7';
	fake_stream_dies();
	trace_clear();
	rig_start_again();
	ck_assert_uint_eq(trace_count("qemu attach"), 0);
	ck_assert_str_eq(rig_state(), "failed");
	ck_assert_str_eq(rig_go(true), "refused");
	ck_assert_ptr_null(rig_vm());
}
END_TEST

START_TEST(dst_handover_power_loss_is_taken_and_crashed)
{
	arrive();
	rig_disk_hold_answers();
	ck_assert_str_eq(rig_go(true), "");
	rig_crash();
	fake_boot_id[0] = '7';
	fake_qemu_dies_unseen();
	rig_start_again();
	ck_assert_str_eq(rig_go(true), "taken");
	ck_assert_str_eq(vm_state(rig_vm()), "crashed");
	ck_assert_int_eq(rig_act(VM_ACTION_START).code, ERR_NONE);
}
END_TEST

/* ---- the list ------------------------------------------------------------ */

/* The newest move comes first in the history, and the oldest ones are removed. */
START_TEST(history_restart_is_newest_first)
{
	const struct move *move;

	rig_drop_of("018f0000-0000-7000-8000-0000000000b1", "b", RIG_GENERATION);
	rig_drop_of("018f0000-0000-7000-8000-0000000000b2", "b", RIG_GENERATION);
	rig_drop_of("018f0000-0000-7000-8000-0000000000b3", "b", RIG_GENERATION);
	rig_restart();
	move = moves_first(rig.moves);
	for (unsigned i = 3; i > 0; i--, move = move_next(move)) {
		const char *id = move_row(move)->id;

		ck_assert_int_eq(id[strlen(id) - 1], (int)('0' + i));
		ck_assert_ptr_eq(moves_find(rig.moves, id), move);
	}
	ck_assert_ptr_null(move);
	ck_assert_uint_eq(moves_active_count(rig.moves), 0);
}
END_TEST

static TCase *tcase;
#define ADD(test) tcase_add_test(tcase, test)

static void add_src(Suite *s)
{
	tcase = rig_add_case(s, "source");
	tcase_set_timeout(tcase, 60); /* a thousand records */
	ADD(src_begin_restart_rolls_back);
	ADD(src_prepare_restart_rolls_back);
	ADD(src_prepare_restart_qemu_dead_has_crashed);
	ADD(src_transfer_restart_goes_on);
	ADD(src_transfer_restart_before_migrate_rolls_back);
	ADD(src_transfer_restart_before_migrate_arrived_before_rolls_back);
	ADD(src_transfer_restart_record_lost_rolls_back);
	ADD(src_transfer_restart_failed_meanwhile_guest_goes_on);
	ADD(src_transfer_restart_completed_meanwhile_goes_on);
	ADD(src_transfer_restart_qemu_dead_drops);
	ADD(src_handover_restart_qemu_dead_taken_confirms);
	ADD(src_handover_restart_qemu_dead_unanswered_waits);
	ADD(src_handover_restart_qemu_dead_after_completed_asks_go);
	ADD(src_handover_restart_asks_again);
	ADD(src_handover_restart_paused_guest_goes_paused);
	ADD(src_handover_restart_failed_meanwhile_guest_goes_on);
	ADD(src_handover_restart_guest_runs_here_drops);
	ADD(src_confirm_restart_ends_qemu);
	ADD(src_confirm_restart_qemu_dead_is_done);
	ADD(src_rollback_restart_refusal_known_guest_goes_on);
	ADD(src_rollback_restart_drops_again);
	ADD(src_rollback_restart_still_migrating_is_cancelled);
	ADD(src_rollback_restart_completed_waits_for_refusal);
	ADD(src_rollback_restart_monitor_hung_waits);
	ADD(src_ended_restart_is_history);
	ADD(history_restart_is_newest_first);
	ADD(record_of_an_earlier_version_shows_the_same_bytes);
	ADD(history_in_memory_and_on_disk_is_the_same);
	ADD(src_ended_restart_tells_the_destination_until_it_answers);
}

static void add_dst(Suite *s)
{
	tcase = rig_add_case(s, "destination");
	ADD(dst_prepare_restart_rolls_back);
	ADD(dst_prepare_restart_qemu_is_found_and_ended);
	ADD(dst_transfer_restart_goes_on);
	ADD(dst_transfer_restart_loaded_meanwhile_goes_on);
	ADD(dst_transfer_restart_qemu_dead_is_refused);
	ADD(dst_transfer_restart_asks_for_the_fate);
	ADD(dst_take_lost_restart_is_taken_by_the_next_go);
	ADD(dst_take_lost_restart_can_be_dropped);
	ADD(dst_take_written_restart_lets_it_run);
	ADD(dst_take_written_restart_paused_stays_paused);
	ADD(dst_handover_restart_guest_runs_already);
	ADD(dst_handover_restart_disk_is_lost_no_second_cont);
	ADD(dst_handover_restart_qemu_dead_is_taken);
	ADD(dst_handover_restart_drop_is_told_taken);
	ADD(dst_rollback_restart_cleans_up);
	ADD(dst_rollback_restart_qemu_dead_cleans_up);
	ADD(dst_done_restart_is_taken_for_ever);
	ADD(dst_transfer_power_loss_is_refused);
	ADD(dst_handover_power_loss_is_taken_and_crashed);
}

Suite *suite(void)
{
	Suite *s = suite_create("move_restart");

	add_src(s);
	add_dst(s);
	return s;
}
