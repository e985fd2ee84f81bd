/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The facts of a small machine, made up for this test, on a real store: a row of a save. */
#include "machine/record.h"

#include <string.h>

#include "base/mem.h"
#include "check_main.h"
#include "machine/machine.h"
#include "store_rig.h"

#define JOB_ID "018f0000-0000-7000-8000-000000000001"

enum { OPEN, CLOSED, STATE_COUNT };

struct job {
	struct machine machine;
	struct store_save row;
	struct err error;
	char fact[16];
	unsigned fills, saved;
};

static struct machines machines;
static struct job *job;

static struct job *job_of(struct machine *machine)
{
	return CONTAINER_OF(machine, struct job, machine);
}

static const struct machine_state states[STATE_COUNT] = {
	[OPEN] = { .name = "open", .next = 1u << OPEN | 1u << CLOSED },
	[CLOSED] = { .name = "closed", .flags = MACHINE_FINAL },
};

static void fill_facts(struct machine *machine)
{
	struct job *filled = job_of(machine);

	free(filled->row.detail);
	filled->row.detail = xstrdup(filled->fact);
	filled->fills++;
}

static void fill(struct machine *machine, unsigned to)
{
	struct job *filled = job_of(machine);

	fill_facts(machine);
	machine_fill_columns(machine, to, &filled->error, MACHINE_COLUMNS(&filled->row));
}

static struct store_change row_of(struct machine *machine)
{
	return store_put_save(&job_of(machine)->row);
}

static void recorded(struct machine *machine, unsigned from, const struct machine_change *change)
{
	(void)machine;
	(void)from;
	(void)change;
}

static void ignore(struct machine *machine)
{
	(void)machine;
}

static void refused(struct machine *machine, const struct err *err)
{
	(void)machine;
	(void)err;
}

static void saved(struct machine *machine, const struct err *err)
{
	job_of(machine)->saved += !err;
}

static const struct machine_type type = {
	.name = "made-up",
	.states = states,
	.state_count = STATE_COUNT,
	.has_no_timeline = true,
	.fill = fill,
	.fill_facts = fill_facts,
	.row = row_of,
	.recorded = recorded,
	.entering = ignore,
	.entered = ignore,
	.refused = refused,
	.saved = saved,
};

/* ---- the rig ----------------------------------------------------------------------- */

static void job_free(void)
{
	if (!job)
		return;
	machine_fini(&job->machine);
	store_save_fini(&job->row);
	free(TAKE_PTR(job));
}

static void set_up(void)
{
	rig_set_up();
	machines = (struct machines){ .loop = rig.loop, .store = rig.store };
	job = xnew(struct job);
	job->row = (struct store_save){ .kind = "SAVE", .vm_name = "vm1", .path = xstrdup("/x") };
	memcpy(job->row.id, JOB_ID, sizeof(JOB_ID));
	memcpy(job->row.vm_uuid, JOB_ID, sizeof(JOB_ID));
	machine_init(&job->machine, &type, &machines, JOB_ID);
	machine_begin(&job->machine, &(struct machine_change){ .to = OPEN });
	loop_sim_run(rig.loop);
	ck_assert_uint_eq(job->fills, 1);
}

static void tear_down(void)
{
	rig_limit_files(RLIM_INFINITY);
	job_free();
	rig_tear_down();
}

/* What one was answered that waited. */
struct answer {
	unsigned count;
	enum err_code code;
};

static void on_recorded(void *data, const struct err *err)
{
	struct answer *answer = data;

	answer->count++;
	answer->code = err ? err->code : ERR_NONE;
}

static uint64_t change(const char *fact)
{
	snprintf(job->fact, sizeof(job->fact), "%s", fact);
	return record_change(&job->machine);
}

static void wait_for(struct answer *answer)
{
	*answer = (struct answer){ 0 };
	record_wait(&job->machine, on_recorded, answer);
}

static void assert_answered(const struct answer *answer, enum err_code code)
{
	ck_assert_uint_eq(answer->count, 1);
	ck_assert_int_eq(answer->code, code);
}

static void take_row(void *data, void *row)
{
	struct store_save *save = row;

	snprintf(data, sizeof(job->fact), "%s", save->detail);
	store_save_fini(save);
}

static const char *fact_on_disk(void)
{
	static char fact[sizeof(job->fact)];
	struct err err;

	ck_assert(store_load_blocking(rig.store, STORE_SAVE, take_row, fact, &err));
	return fact;
}

/* ---- tests ------------------------------------------------------------------------- */

START_TEST(change_is_answered_when_it_is_on_disk)
{
	struct answer answer;
	uint64_t number = change("one");

	wait_for(&answer);
	record_write(&job->machine);
	ck_assert_uint_eq(answer.count, 0);
	ck_assert(!record_has(&job->machine, number));
	loop_sim_run(rig.loop);
	assert_answered(&answer, ERR_NONE);
	ck_assert(record_has(&job->machine, number));
	ck_assert_uint_eq(job->saved, 1);
	ck_assert_str_eq(fact_on_disk(), "one");
}
END_TEST

START_TEST(what_changes_nothing_is_answered_without_a_write)
{
	struct answer answer;

	wait_for(&answer);
	ck_assert_uint_eq(answer.count, 0);
	record_write(&job->machine);
	assert_answered(&answer, ERR_NONE);
	ck_assert_uint_eq(job->fills, 1);
}
END_TEST

/* It is not in the write that is under way, so it is not answered by that. */
START_TEST(change_during_a_write_is_in_the_next)
{
	struct answer first, second;
	uint64_t number;

	change("one");
	wait_for(&first);
	record_write(&job->machine);
	number = change("two");
	wait_for(&second);
	record_write(&job->machine);
	loop_sim_run(rig.loop);
	assert_answered(&first, ERR_NONE);
	ck_assert_uint_eq(second.count, 0);
	ck_assert(!record_has(&job->machine, number));
	record_write(&job->machine);
	loop_sim_run(rig.loop);
	assert_answered(&second, ERR_NONE);
	ck_assert_str_eq(fact_on_disk(), "two");
}
END_TEST

/* Whoever waits hears of it at once, and the change goes to disk as soon as there is room. */
START_TEST(write_that_a_full_disk_refuses_is_tried_again)
{
	struct answer first, second;
	uint64_t number;

	number = change("one");
	wait_for(&first);
	rig_limit_files(1);
	record_write(&job->machine);
	loop_sim_run(rig.loop);
	assert_answered(&first, ERR_NO_SPACE);
	ck_assert(!record_has(&job->machine, number));
	ck_assert_uint_eq(job->saved, 0);
	wait_for(&second);
	record_write(&job->machine); /* not before its time */
	loop_sim_run(rig.loop);
	ck_assert_uint_eq(job->fills, 2);
	loop_sim_advance_ms(rig.loop, 1000);
	assert_answered(&second, ERR_NO_SPACE);
	ck_assert_uint_eq(job->fills, 3);
	rig_limit_files(RLIM_INFINITY);
	loop_sim_advance_ms(rig.loop, 1000);
	ck_assert(record_has(&job->machine, number));
	ck_assert_str_eq(fact_on_disk(), "one");
	loop_sim_advance_ms(rig.loop, 5000);
	ck_assert_uint_eq(job->fills, 4);
}
END_TEST

START_TEST(record_of_a_state_has_the_changes_too)
{
	struct answer answer, later;

	change("one");
	wait_for(&answer);
	machine_go_to(&job->machine, &(struct machine_change){ .to = OPEN });
	change("two");
	wait_for(&later);
	record_write(&job->machine);
	loop_sim_run(rig.loop);
	assert_answered(&answer, ERR_NONE);
	ck_assert_uint_eq(later.count, 0);
	ck_assert_str_eq(fact_on_disk(), "one");
	record_write(&job->machine);
	loop_sim_run(rig.loop);
	assert_answered(&later, ERR_NONE);
}
END_TEST

START_TEST(record_of_a_state_that_the_disk_refuses_is_answered_so)
{
	struct answer answer, later;

	change("one");
	wait_for(&answer);
	rig_limit_files(1);
	machine_go_to(&job->machine, &(struct machine_change){ .to = OPEN });
	change("two");
	wait_for(&later);
	loop_sim_run(rig.loop);
	assert_answered(&answer, ERR_NO_SPACE);
	ck_assert_uint_eq(later.count, 0);
	rig_limit_files(RLIM_INFINITY);
	loop_sim_advance_ms(rig.loop, 1000);
	ck_assert(!job->machine.is_saving);
	ck_assert_str_eq(fact_on_disk(), "one");
	record_write(&job->machine);
	loop_sim_run(rig.loop);
	assert_answered(&later, ERR_NONE);
}
END_TEST

/* A refused write of facts is under its pause when the state comes, which has them. */
START_TEST(facts_of_a_refused_write_go_with_the_next_state)
{
	uint64_t number = change("one");

	rig_limit_files(1);
	record_write(&job->machine);
	loop_sim_run(rig.loop);
	rig_limit_files(RLIM_INFINITY);
	machine_go_to(&job->machine, &(struct machine_change){ .to = OPEN });
	loop_sim_run(rig.loop);
	ck_assert(record_has(&job->machine, number));
	ck_assert_str_eq(fact_on_disk(), "one");
	loop_sim_advance_ms(rig.loop, 5000);
	ck_assert_uint_eq(job->fills, 3);
}
END_TEST

START_TEST(end_answers_all_that_wait)
{
	struct answer answer;

	machine_go_to(&job->machine, &(struct machine_change){ .to = CLOSED });
	change("too late");
	wait_for(&answer);
	loop_sim_run(rig.loop);
	assert_answered(&answer, ERR_NONE);
}
END_TEST

START_TEST(machine_that_goes_answers_all_that_wait)
{
	struct answer answer;

	change("one");
	wait_for(&answer);
	record_write(&job->machine);
	job_free();
	assert_answered(&answer, ERR_UNAVAILABLE);
	loop_sim_run(rig.loop);
	assert_answered(&answer, ERR_UNAVAILABLE);
	ck_assert_str_eq(fact_on_disk(), "one");
}
END_TEST

/* A large record is not written for each change. */
START_TEST(pause_of_the_owner_is_kept_between_writes)
{
	job->machine.record.pause_ms = 100;
	change("one");
	record_write(&job->machine);
	loop_sim_run(rig.loop);
	change("two");
	record_write(&job->machine);
	loop_sim_advance_ms(rig.loop, 99);
	ck_assert_uint_eq(job->fills, 2);
	loop_sim_advance_ms(rig.loop, 1);
	ck_assert_uint_eq(job->fills, 3);
	ck_assert_str_eq(fact_on_disk(), "two");
}
END_TEST

START_TEST(columns_are_of_the_state_and_of_the_error)
{
	ck_assert_str_eq(job->row.state, "open");
	ck_assert(!job->row.is_final);
	ck_assert_str_eq(job->row.error_code, "");
	err_set(&job->error, ERR_CANCELLED, "by hand");
	machine_go_to(&job->machine, &(struct machine_change){ .to = CLOSED });
	ck_assert_str_eq(job->row.state, "closed");
	ck_assert(job->row.is_final);
	ck_assert_int_eq(job->row.ended_ms, job->row.updated_ms);
	ck_assert_str_eq(job->row.error_code, "cancelled");
	ck_assert_str_eq(job->row.error_text, "by hand");
}
END_TEST

START_TEST(reference_finds_the_machine_until_it_is_gone)
{
	struct machine_ref *first = machine_ref_new(&job->machine, 7);
	struct machine_ref *second = machine_ref_new(&job->machine, 8);
	uint64_t number;

	ck_assert_ptr_eq(machine_ref_take(first, &number), &job->machine);
	ck_assert_uint_eq(number, 7);
	job_free();
	ck_assert_ptr_null(machine_ref_take(second, NULL));
}
END_TEST

Suite *suite(void)
{
	Suite *s = suite_create("record");
	TCase *tc = tcase_create("record");

	tcase_add_checked_fixture(tc, set_up, tear_down);
	suite_add_tcase(s, tc);
	tcase_add_test(tc, change_is_answered_when_it_is_on_disk);
	tcase_add_test(tc, what_changes_nothing_is_answered_without_a_write);
	tcase_add_test(tc, change_during_a_write_is_in_the_next);
	tcase_add_test(tc, write_that_a_full_disk_refuses_is_tried_again);
	tcase_add_test(tc, record_of_a_state_has_the_changes_too);
	tcase_add_test(tc, record_of_a_state_that_the_disk_refuses_is_answered_so);
	tcase_add_test(tc, facts_of_a_refused_write_go_with_the_next_state);
	tcase_add_test(tc, end_answers_all_that_wait);
	tcase_add_test(tc, machine_that_goes_answers_all_that_wait);
	tcase_add_test(tc, pause_of_the_owner_is_kept_between_writes);
	tcase_add_test(tc, columns_are_of_the_state_and_of_the_error);
	tcase_add_test(tc, reference_finds_the_machine_until_it_is_gone);
	return s;
}
