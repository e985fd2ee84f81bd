/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "qmp/migrate.h"

#include <string.h>

#include "tests/lib/check_main.h"
#include "tests/lib/recording.h"

static struct qmp_mig_info info;
static struct err err;

static bool decode(const char *text)
{
	struct json_object *reply = json_tokener_parse(text);
	bool ok = qmp_mig_info_decode(reply, &info, &err);

	json_object_put(reply);
	return ok;
}

/* Returns the reply to the NTH COMMAND of a recording; the caller puts it. */
static struct json_object *recorded_reply(const struct recording *rec, const char *command,
					  unsigned nth)
{
	char *id = NULL;
	struct json_object *msg, *result = NULL;

	for (size_t i = 0; i < rec->count && !result; i++) {
		msg = json_tokener_parse(rec->lines[i].text);
		if (rec->lines[i].is_command && !id &&
		    strcmp(json_get_str(msg, "execute"), command) == 0 && nth-- == 0)
			id = strdup(json_get_str(msg, "id"));
		else if (id && json_get_str(msg, "id") && strcmp(json_get_str(msg, "id"), id) == 0)
			result = json_object_get(json_get_obj(msg, "return"));
		json_object_put(msg);
	}
	free(id);
	ck_assert_ptr_nonnull(result);
	return result;
}

static void decode_recorded(const char *name, unsigned nth)
{
	struct recording rec;
	struct json_object *reply;

	recording_load(&rec, name);
	reply = recorded_reply(&rec, "query-migrate", nth);
	ck_assert_msg(qmp_mig_info_decode(reply, &info, &err), "%s", err.msg);
	json_object_put(reply);
	recording_fini(&rec);
}

/* ---- names ------------------------------------------------------------- */

START_TEST(every_state_name_is_found_again)
{
	for (int i = 0; i < QMP_MIG_COUNT; i++)
		ck_assert_int_eq(qmp_mig_state_from_name(qmp_mig_state_name((enum qmp_mig_state)i)),
				 i);
	for (int i = 0; i < QMP_RUN_COUNT; i++)
		ck_assert_int_eq(qmp_run_state_from_name(qmp_run_state_name((enum qmp_run_state)i)),
				 i);
}
END_TEST

/* A state of a newer QEMU must not be taken for one we know. */
START_TEST(unknown_state_is_unknown)
{
	ck_assert_int_eq(qmp_mig_state_from_name("hyper-active"), QMP_MIG_UNKNOWN);
	ck_assert_int_eq(qmp_mig_state_from_name(NULL), QMP_MIG_UNKNOWN);
	ck_assert_int_eq(qmp_mig_state_from_name(""), QMP_MIG_UNKNOWN);
	ck_assert_int_eq(qmp_run_state_from_name("Running"), QMP_RUN_UNKNOWN);
	ck_assert_int_eq(qmp_run_state_decode(NULL), QMP_RUN_UNKNOWN);
	ck_assert_str_eq(qmp_mig_state_name(QMP_MIG_COUNT), "unknown");
}
END_TEST

/* ---- query-migrate, recorded ------------------------------------------- */

START_TEST(fresh_source_has_state_none)
{
	decode_recorded("7.2/precopy-source.txt", 0);
	ck_assert_int_eq(info.state, QMP_MIG_NONE);
	ck_assert_uint_eq(info.ram_total_bytes, 0);
	ck_assert_str_eq(info.error, "");
}
END_TEST

START_TEST(active_source_has_progress)
{
	decode_recorded("7.2/precopy-source.txt", 1);
	ck_assert_int_eq(info.state, QMP_MIG_ACTIVE);
	ck_assert_uint_eq(info.ram_total_bytes, 67641344);
	ck_assert_uint_gt(info.ram_remaining_bytes, 0);
	ck_assert_uint_gt(info.ram_transferred_bytes, 0);
	ck_assert_uint_eq(info.ram_passes, 1);
	ck_assert_uint_eq(info.expected_downtime_ms, 300);
	ck_assert(info.throughput_mbit_per_s > 0);
	ck_assert_uint_eq(info.downtime_ms, 0);
}
END_TEST

START_TEST(completed_source_has_times)
{
	decode_recorded("7.2/precopy-source.txt", 2);
	ck_assert_int_eq(info.state, QMP_MIG_COMPLETED);
	ck_assert_uint_gt(info.total_time_ms, 0);
	ck_assert_uint_gt(info.downtime_ms, 0);
	ck_assert_uint_eq(info.ram_remaining_bytes, 0);
}
END_TEST

/* QEMU 7.2's waiting destination sends an address and no status. */
START_TEST(waiting_destination_has_state_none)
{
	decode_recorded("7.2/precopy-destination.txt", 1);
	ck_assert_int_eq(info.state, QMP_MIG_NONE);
	decode_recorded("7.2/precopy-destination.txt", 3);
	ck_assert_int_eq(info.state, QMP_MIG_COMPLETED);
}
END_TEST

START_TEST(failed_source_has_qemus_words)
{
	decode_recorded("7.2/failed-source.txt", 0);
	ck_assert_int_eq(info.state, QMP_MIG_FAILED);
	ck_assert_ptr_nonnull(strstr(info.error, "No such file or directory"));
	decode_recorded("7.2/cancelled-source.txt", 1);
	ck_assert_int_eq(info.state, QMP_MIG_CANCELLED);
}
END_TEST

START_TEST(run_state_of_source_before_and_after)
{
	struct recording rec;
	struct json_object *before, *after;

	recording_load(&rec, "7.2/precopy-source.txt");
	before = recorded_reply(&rec, "query-status", 0);
	after = recorded_reply(&rec, "query-status", 2);
	ck_assert_int_eq(qmp_run_state_decode(before), QMP_RUN_RUNNING);
	ck_assert_int_eq(qmp_run_state_decode(after), QMP_RUN_POSTMIGRATE);
	json_object_put(before);
	json_object_put(after);
	recording_fini(&rec);
}
END_TEST

/* ---- query-migrate, odd ------------------------------------------------ */

START_TEST(wrong_shapes_are_refused_and_leave_the_result_alone)
{
	info.total_time_ms = 42;
	ck_assert(!decode("[]"));
	ck_assert_int_eq(err.code, ERR_INVALID);
	ck_assert(!decode("{\"status\": 3}"));
	ck_assert(!qmp_mig_info_decode(NULL, &info, &err));
	ck_assert_uint_eq(info.total_time_ms, 42);
}
END_TEST

/* Numbers are used in arithmetic: none may wrap or be negative. */
START_TEST(odd_members_count_as_zero)
{
	ck_assert(decode("{\"status\": \"active\", \"total-time\": -5, \"downtime\": \"x\","
			 "\"cpu-throttle-percentage\": 900, \"ram\": {\"total\": -1,"
			 "\"remaining\": {}, \"mbps\": -3.5, \"dirty-pages-rate\": 1.5e300}}"));
	ck_assert_uint_eq(info.total_time_ms, 0);
	ck_assert_uint_eq(info.downtime_ms, 0);
	ck_assert_uint_eq(info.throttle_percent, 100);
	ck_assert_uint_eq(info.ram_total_bytes, 0);
	ck_assert_uint_eq(info.ram_remaining_bytes, 0);
	ck_assert_uint_eq(info.ram_dirty_pages_per_s, 0);
	ck_assert(info.throughput_mbit_per_s == 0);
	ck_assert(decode("{\"ram\": 5}"));
	ck_assert(decode("{\"ram\": {\"mbps\": 7}}"));
	ck_assert(info.throughput_mbit_per_s == 7);
}
END_TEST

START_TEST(long_error_text_is_cut)
{
	char text[2000] = "{\"status\": \"failed\", \"error-desc\": \"";

	memset(text + strlen(text), 'e', sizeof(text) - strlen(text) - 3);
	memcpy(text + sizeof(text) - 3, "\"}", 3);
	ck_assert(decode(text));
	ck_assert_uint_eq(strlen(info.error), sizeof(info.error) - 1);
}
END_TEST

Suite *suite(void)
{
	Suite *s = suite_create("qmp migrate");
	TCase *tc = tcase_create("words");

	tcase_add_test(tc, every_state_name_is_found_again);
	tcase_add_test(tc, unknown_state_is_unknown);
	tcase_add_test(tc, fresh_source_has_state_none);
	tcase_add_test(tc, active_source_has_progress);
	tcase_add_test(tc, completed_source_has_times);
	tcase_add_test(tc, waiting_destination_has_state_none);
	tcase_add_test(tc, failed_source_has_qemus_words);
	tcase_add_test(tc, run_state_of_source_before_and_after);
	tcase_add_test(tc, wrong_shapes_are_refused_and_leave_the_result_alone);
	tcase_add_test(tc, odd_members_count_as_zero);
	tcase_add_test(tc, long_error_text_is_cut);
	suite_add_tcase(s, tc);
	return s;
}
