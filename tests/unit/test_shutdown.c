/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* When a shutdown of the host waits, is refused, and goes on: against a logind that is played here
 * (the real one: tests/system/test_shutdown.py). */
#include <string.h>

#include "base/mem.h"
#include "check_main.h"
#include "shutdown/logind.h"
#include "shutdown/shutdown.h"

/* ---- the logind that is played ------------------------------------------------ */

struct logind {
	struct logind_state state;
	loop_fn *changed;
	void *data;
	const char *why[LOGIND_LOCK_COUNT];
};

const bool logind_is_built = true;
static struct logind logind_;

struct logind *logind_new(struct loop *loop, loop_fn *changed, void *data)
{
	(void)loop;
	logind_.changed = changed;
	logind_.data = data;
	return &logind_;
}

void logind_free(struct logind *logind)
{
	(void)logind;
}

const struct logind_state *logind_state(const struct logind *logind)
{
	return &logind->state;
}

/* As the real one: no new lock once a shutdown has begun. */
void logind_want(struct logind *logind, enum logind_lock lock, const char *why)
{
	bool may_have = logind->state.is_there && !logind->state.is_preparing;

	logind->why[lock] = why;
	logind->state.has[lock] = why && (may_have || logind->state.has[lock]);
}

void logind_look_again(struct logind *logind)
{
	(void)logind;
}

/* ---- the host ------------------------------------------------------------------ */

static struct loop *loop;
static struct shutdown *shutdown_;
static struct host_shutdown shown;
static bool has_guests_;
static unsigned evacuated, called_off, changes;
static uint64_t evacuated_within_s;

static bool has_guests(void *data)
{
	(void)data;
	return has_guests_;
}

static void on_evacuate(void *data, uint64_t limit_s)
{
	(void)data;
	evacuated++;
	evacuated_within_s = limit_s;
}

static void on_called_off(void *data)
{
	(void)data;
	called_off++;
}

static void on_changed(void *data)
{
	(void)data;
	changes++;
}

static void show(void)
{
	memset(&shown, 0, sizeof(shown));
	shutdown_show(shutdown_, &shown);
}

static void logind_says(bool is_there, bool is_preparing)
{
	logind_.state.is_there = is_there;
	logind_.state.is_preparing = is_preparing;
	logind_.changed(logind_.data);
	loop_sim_run(loop);
	show();
}

static void set_guests(bool has)
{
	has_guests_ = has;
	shutdown_look(shutdown_);
	loop_sim_run(loop);
	show();
}

static void begin(enum shutdown_mode mode, bool has, uint64_t delay_max_s)
{
	loop = loop_new_sim();
	memset(&logind_, 0, sizeof(logind_));
	logind_.state.delay_max_ms = delay_max_s * 1000;
	evacuated = called_off = changes = 0;
	has_guests_ = has;
	shutdown_ = shutdown_new(&(struct shutdown_env){
		.loop = loop,
		.mode = mode,
		.limit_s = 600,
		.has_guests = has_guests,
		.evacuate = on_evacuate,
		.called_off = on_called_off,
		.changed = on_changed,
	});
	loop_sim_run(loop);
	if (mode != SHUTDOWN_OFF)
		logind_says(true, false);
	show();
}

static void end(void)
{
	shutdown_free(shutdown_);
	loop_free(loop);
}

#define ASSERT_HELD(by_delay, by_block)                               \
	do {                                                          \
		ck_assert(shown.delays == (by_delay));                \
		ck_assert(shown.refuses == (by_block));               \
		ck_assert(!logind_.why[LOGIND_DELAY] == !(by_delay)); \
		ck_assert(!logind_.why[LOGIND_BLOCK] == !(by_block)); \
	} while (0)

/* ---- modes ----------------------------------------------------------------------- */

START_TEST(off_asks_nobody)
{
	begin(SHUTDOWN_OFF, true, 0);
	ck_assert_str_eq(shown.mode, "off");
	ck_assert_str_eq(shown.logind, "off");
	ASSERT_HELD(false, false);
	set_guests(false);
	ck_assert_uint_eq(changes, 0);
	end();
}
END_TEST

START_TEST(limit_delays_with_and_without_guests_and_refuses_nothing)
{
	begin(SHUTDOWN_LIMIT, false, 600);
	ASSERT_HELD(true, false);
	set_guests(true);
	ASSERT_HELD(true, false);
	ck_assert_str_eq(shown.problem, "");
	ck_assert_uint_eq(called_off, 1);
	end();
}
END_TEST

/* Who shuts the host down is told what to do. */
START_TEST(wait_refuses_while_guests_are_here)
{
	begin(SHUTDOWN_WAIT, false, 600);
	ASSERT_HELD(true, false);
	set_guests(true);
	ASSERT_HELD(true, true);
	ck_assert_ptr_nonnull(strstr(logind_.why[LOGIND_BLOCK], "migrctl host evacuate"));
	set_guests(false);
	ASSERT_HELD(true, false);
	end();
}
END_TEST

/* ---- a shutdown -------------------------------------------------------------------- */

START_TEST(shutdown_waits_for_the_guests_and_goes_on_when_the_last_is_gone)
{
	begin(SHUTDOWN_LIMIT, true, 900);
	logind_says(true, true);
	ck_assert_str_eq(shown.stage, "evacuating");
	ck_assert_uint_eq(evacuated, 1);
	ck_assert_uint_eq(evacuated_within_s, 600);
	ck_assert_int_ne(shown.until, 0);
	set_guests(true); /* one of them has gone */
	ck_assert_uint_eq(evacuated, 1);
	ASSERT_HELD(true, false);
	set_guests(false);
	ck_assert_str_eq(shown.stage, "empty");
	ASSERT_HELD(false, false);
	end();
}
END_TEST

START_TEST(shutdown_of_an_empty_host_goes_on_at_once)
{
	begin(SHUTDOWN_WAIT, false, 600);
	logind_says(true, true);
	ck_assert_str_eq(shown.stage, "empty");
	ck_assert_uint_eq(evacuated, 0);
	ASSERT_HELD(false, false);
	end();
}
END_TEST

START_TEST(limit_over_lets_the_host_go_down)
{
	begin(SHUTDOWN_LIMIT, true, 900);
	logind_says(true, true);
	loop_sim_advance_ms(loop, 599000);
	show();
	ASSERT_HELD(true, false);
	loop_sim_advance_ms(loop, 2000);
	show();
	ck_assert_str_eq(shown.stage, "gave-up");
	ASSERT_HELD(false, false);
	end();
}
END_TEST

/* Before systemd 257 root is not refused: then the shutdown waits as long as logind lets it. */
START_TEST(wait_never_gives_up_by_itself)
{
	begin(SHUTDOWN_WAIT, true, 900);
	logind_says(true, true);
	ck_assert_uint_eq(evacuated_within_s, 900);
	loop_sim_advance_ms(loop, 86400000);
	show();
	ck_assert_str_eq(shown.stage, "evacuating");
	ASSERT_HELD(true, true);
	set_guests(false);
	ASSERT_HELD(false, false);
	end();
}
END_TEST

START_TEST(shutdown_called_off_is_as_before)
{
	begin(SHUTDOWN_LIMIT, true, 600);
	logind_says(true, true);
	ck_assert_uint_eq(called_off, 1);
	logind_says(true, false);
	ck_assert_uint_eq(called_off, 2);
	ck_assert_str_eq(shown.stage, "none");
	ck_assert_int_eq(shown.until, 0);
	ASSERT_HELD(true, false);
	loop_sim_advance_ms(loop, 700000); /* the limit of before is no more */
	show();
	ck_assert_str_eq(shown.stage, "none");
	logind_says(true, true);
	ck_assert_uint_eq(evacuated, 2);
	end();
}
END_TEST

START_TEST(empty_host_that_does_not_go_down_takes_its_lock_again)
{
	begin(SHUTDOWN_LIMIT, true, 600);
	logind_says(true, true);
	set_guests(false);
	ASSERT_HELD(false, false);
	logind_says(true, false);
	ASSERT_HELD(true, false);
	end();
}
END_TEST

/* ---- logind and its limits ------------------------------------------------------------- */

/* A logind that was restarted has forgotten the shutdown; while it is away nothing is known. */
START_TEST(logind_away_changes_nothing_and_restarted_calls_off)
{
	begin(SHUTDOWN_LIMIT, true, 600);
	logind_says(true, true);
	logind_says(false, false);
	ck_assert_str_eq(shown.logind, "away");
	ck_assert_str_eq(shown.stage, "evacuating");
	ck_assert_uint_eq(called_off, 1);
	logind_says(true, false);
	ck_assert_str_eq(shown.stage, "none");
	ck_assert_uint_eq(called_off, 2);
	end();
}
END_TEST

START_TEST(limit_of_logind_that_is_shorter_is_told_and_counts)
{
	begin(SHUTDOWN_LIMIT, true, 5);
	ck_assert_ptr_nonnull(strstr(shown.problem, "InhibitDelayMaxSec=600"));
	ck_assert_uint_eq(shown.logind_limit_s, 5);
	logind_says(true, true);
	ck_assert_uint_eq(evacuated_within_s, 5);
	end();
}
END_TEST

/* migrd was started when logind granted no locks any more. */
START_TEST(shutdown_that_had_begun_before_is_told_as_one_that_does_not_wait)
{
	begin(SHUTDOWN_LIMIT, true, 600);
	logind_says(false, false);
	logind_.state.has[LOGIND_DELAY] = false;
	logind_says(true, true);
	ck_assert_str_eq(shown.stage, "evacuating");
	ck_assert_ptr_nonnull(strstr(shown.problem, "without waiting"));
	end();
}
END_TEST

/* An event of each look would drown the others. */
START_TEST(only_what_is_another_is_told)
{
	begin(SHUTDOWN_WAIT, true, 600);
	changes = 0;
	for (int i = 0; i < 5; i++)
		set_guests(true);
	ck_assert_uint_eq(changes, 0);
	set_guests(false);
	ck_assert_uint_eq(changes, 1);
	end();
}
END_TEST

Suite *suite(void)
{
	Suite *all = suite_create("shutdown");
	TCase *tcase = tcase_create("shutdown");

	tcase_add_test(tcase, off_asks_nobody);
	tcase_add_test(tcase, limit_delays_with_and_without_guests_and_refuses_nothing);
	tcase_add_test(tcase, wait_refuses_while_guests_are_here);
	tcase_add_test(tcase, shutdown_waits_for_the_guests_and_goes_on_when_the_last_is_gone);
	tcase_add_test(tcase, shutdown_of_an_empty_host_goes_on_at_once);
	tcase_add_test(tcase, limit_over_lets_the_host_go_down);
	tcase_add_test(tcase, wait_never_gives_up_by_itself);
	tcase_add_test(tcase, shutdown_called_off_is_as_before);
	tcase_add_test(tcase, empty_host_that_does_not_go_down_takes_its_lock_again);
	tcase_add_test(tcase, logind_away_changes_nothing_and_restarted_calls_off);
	tcase_add_test(tcase, limit_of_logind_that_is_shorter_is_told_and_counts);
	tcase_add_test(tcase, shutdown_that_had_begun_before_is_told_as_one_that_does_not_wait);
	tcase_add_test(tcase, only_what_is_another_is_told);
	suite_add_tcase(all, tcase);
	return all;
}
