/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "qmp/run_state.h"

#include "base/mem.h"
#include "tests/lib/check_main.h"

static struct qmp_run run;

static void event(const char *name, const char *data)
{
	CLEANUP(json_putp) struct json_object *obj = data ? json_tokener_parse(data) : NULL;

	qmp_run_follow(&run, &(struct qmp_event){ name, obj, 1 });
}

static void begin(enum qmp_run_state state)
{
	qmp_run_init(&run);
	run.state = state;
}

/* STOP alone is a pause by a user; an event just before it gives another reason. */
static const struct {
	const char *name, *data;
	enum qmp_run_state state;
} reasons[] = {
	{ "RTC_CHANGE", "{\"offset\":1}", QMP_RUN_PAUSED },
	{ "BLOCK_IO_ERROR", "{\"action\":\"stop\"}", QMP_RUN_IO_ERROR },
	{ "BLOCK_IO_ERROR", "{\"action\":\"report\"}", QMP_RUN_PAUSED },
	{ "GUEST_PANICKED", "{\"action\":\"pause\"}", QMP_RUN_GUEST_PANICKED },
	{ "GUEST_PANICKED", "{\"action\":\"run\"}", QMP_RUN_PAUSED },
	{ "GUEST_PANICKED", "{}", QMP_RUN_PAUSED },
	{ "GUEST_PANICKED", NULL, QMP_RUN_PAUSED },
	{ "SHUTDOWN", "{\"guest\":true}", QMP_RUN_SHUTDOWN },
	{ "WATCHDOG", "{\"action\":\"pause\"}", QMP_RUN_WATCHDOG },
	{ "WATCHDOG", "{\"action\":\"none\"}", QMP_RUN_PAUSED },
};

START_TEST(stop_after_a_reason_is_of_that_reason)
{
	begin(QMP_RUN_RUNNING);
	event(reasons[_i].name, reasons[_i].data);
	ck_assert_int_eq(run.state, QMP_RUN_RUNNING);
	event("STOP", NULL);
	ck_assert_int_eq(run.state, reasons[_i].state);
}
END_TEST

/* A reason counts only for one stop. */
START_TEST(stop_after_a_resume_is_a_pause_again)
{
	begin(QMP_RUN_RUNNING);
	event("GUEST_PANICKED", "{\"action\":\"pause\"}");
	event("STOP", NULL);
	event("RESUME", NULL);
	ck_assert_int_eq(run.state, QMP_RUN_RUNNING);
	event("STOP", NULL);
	ck_assert_int_eq(run.state, QMP_RUN_PAUSED);
}
END_TEST

/* An error that comes while the guest is stopped is not the reason for the next stop. */
START_TEST(stop_after_reason_while_stopped_and_resume_is_a_pause)
{
	begin(QMP_RUN_IO_ERROR);
	event("BLOCK_IO_ERROR", "{\"action\":\"stop\"}");
	event("RESUME", NULL);
	event("STOP", NULL);
	ck_assert_int_eq(run.state, QMP_RUN_PAUSED);
}
END_TEST

START_TEST(reset_of_a_guest_that_stood_still_leaves_it_at_its_beginning)
{
	begin(QMP_RUN_GUEST_PANICKED);
	event("RESET", "{\"guest\":false}");
	ck_assert_int_eq(run.state, QMP_RUN_PRELAUNCH);
	begin(QMP_RUN_RUNNING);
	event("RESET", "{\"guest\":true}");
	ck_assert_int_eq(run.state, QMP_RUN_RUNNING);
	begin(QMP_RUN_INMIGRATE);
	event("RESET", NULL);
	ck_assert_int_eq(run.state, QMP_RUN_INMIGRATE);
}
END_TEST

START_TEST(arrival_without_a_run_is_a_pause)
{
	begin(QMP_RUN_INMIGRATE);
	event("MIGRATION", "{\"status\":\"active\"}");
	ck_assert_int_eq(run.state, QMP_RUN_INMIGRATE);
	event("MIGRATION", "{\"status\":\"completed\"}");
	ck_assert_int_eq(run.state, QMP_RUN_PAUSED);
}
END_TEST

START_TEST(sleep_and_waking_are_followed)
{
	begin(QMP_RUN_RUNNING);
	event("SUSPEND", NULL);
	ck_assert_int_eq(run.state, QMP_RUN_SUSPENDED);
	event("WAKEUP", NULL);
	ck_assert_int_eq(run.state, QMP_RUN_RUNNING);
}
END_TEST

Suite *suite(void)
{
	Suite *s = suite_create("qmp run state");
	TCase *tc = tcase_create("events");

	tcase_add_loop_test(tc, stop_after_a_reason_is_of_that_reason, 0, ARRAY_LEN(reasons));
	tcase_add_test(tc, stop_after_a_resume_is_a_pause_again);
	tcase_add_test(tc, stop_after_reason_while_stopped_and_resume_is_a_pause);
	tcase_add_test(tc, reset_of_a_guest_that_stood_still_leaves_it_at_its_beginning);
	tcase_add_test(tc, arrival_without_a_run_is_a_pause);
	tcase_add_test(tc, sleep_and_waking_are_followed);
	suite_add_tcase(s, tc);
	return s;
}
