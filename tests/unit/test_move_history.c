/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The moves that have ended: in memory, on disk, and as a client reads them. */
#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "check_main.h"
#include "move/priv.h"
#include "move_rig.h"

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

Suite *suite(void)
{
	Suite *s = suite_create("move_history");
	TCase *tc = rig_add_case(s, "history");

	tcase_set_timeout(tc, 240); /* a thousand records */
	tcase_add_test(tc, history_restart_is_newest_first);
	tcase_add_test(tc, record_of_an_earlier_version_shows_the_same_bytes);
	tcase_add_test(tc, history_in_memory_and_on_disk_is_the_same);
	return s;
}
