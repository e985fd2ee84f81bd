/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A small machine, made up for this test, on a real store: its records are rows of moves. */
#include "machine/machine.h"

#include <signal.h>
#include <stdarg.h>
#include <string.h>

#include "base/clock.h"
#include "base/mem.h"
#include "base/strbuf.h"
#include "check_main.h"
#include "store_rig.h"

enum { IDLE, WORK, DONE, STATE_COUNT };

struct job {
	struct machine machine;
	struct store_move row;
	bool is_finished; /* a fact */
	bool is_broken;
};

static struct machines machines;
static struct job *job;
static struct strbuf said; /* the calls, in order */

static struct job *job_of(struct machine *machine)
{
	return CONTAINER_OF(machine, struct job, machine);
}

static void say(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
static void say(const char *fmt, ...)
{
	char text[200];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	strbuf_addf(&said, "%s%s", said.len ? "; " : "", text);
}

static void assert_said(const char *wanted)
{
	ck_assert_str_eq(strbuf_str(&said), wanted);
	strbuf_clear(&said);
}

/* ---- the type --------------------------------------------------------- */

static void enter_work(struct machine *machine)
{
	say("enter work%s", machine->is_resumed ? " again" : "");
}

static void step_work(struct machine *machine)
{
	say("step");
	if (job_of(machine)->is_finished)
		machine_go_to(machine, &(struct machine_change){ .to = DONE, .why = "finished" });
}

static bool is_whole(const struct machine *machine)
{
	return !((const struct job *)(const void *)machine)->is_broken;
}

static const struct machine_state states[STATE_COUNT] = {
	[IDLE] = { .name = "idle", .next = 1u << WORK, .restart = MACHINE_RESTART_GIVE_UP },
	[WORK] = { .name = "work",
		   .next = 1u << DONE,
		   .restart = MACHINE_RESTART_CONTINUE,
		   .enter = enter_work,
		   .step = step_work,
		   .invariant = is_whole },
	[DONE] = { .name = "done", .flags = MACHINE_FINAL },
};

static void fill(struct machine *machine, unsigned to)
{
	snprintf(job_of(machine)->row.state, sizeof(job_of(machine)->row.state), "%s",
		 states[to].name);
}

static void fill_facts(struct machine *machine)
{
	job_of(machine)->row.generation++;
}

static struct store_change row(struct machine *machine)
{
	return store_put_move(&job_of(machine)->row);
}

static void recorded(struct machine *machine, unsigned from, const struct machine_change *change)
{
	say("recorded %s->%s (%s)", machine->is_new ? "" : states[from].name,
	    states[machine->state].name, change->why);
	ck_assert_uint_eq(change->to, machine->state);
}

static void entering(struct machine *machine)
{
	say("entering %s", machine_state(machine)->name);
}

static void entered(struct machine *machine)
{
	say("entered %s", machine_state(machine)->name);
}

static void refused(struct machine *machine, const struct err *err)
{
	(void)machine;
	say("refused %s", err_name(err->code));
}

static void saved(struct machine *machine, const struct err *err)
{
	(void)machine;
	say("saved%s", err ? " not" : "");
}

static void give_up(struct machine *machine, const struct err *why)
{
	(void)machine;
	say("give up: %s", why->msg);
}

static const struct machine_type type = {
	.name = "made-up",
	.states = states,
	.state_count = STATE_COUNT,
	.fill = fill,
	.fill_facts = fill_facts,
	.row = row,
	.recorded = recorded,
	.entering = entering,
	.entered = entered,
	.refused = refused,
	.saved = saved,
	.give_up = give_up,
};

/* ---- the rig ----------------------------------------------------------- */

static void job_free(void)
{
	if (job)
		machine_fini(&job->machine);
	free(TAKE_PTR(job));
}

static void set_up(void)
{
	rig_set_up();
	machines = (struct machines){ .loop = rig.loop, .store = rig.store };
	job = xnew(struct job);
	job->row = rig_move1;
	machine_init(&job->machine, &type, &machines, rig_move1.id);
}

static void tear_down(void)
{
	job_free();
	strbuf_fini(&said);
	rig_tear_down();
}

static void begin(void)
{
	machine_begin(&job->machine, &(struct machine_change){ .to = IDLE });
	loop_sim_run(rig.loop);
	assert_said("recorded ->idle (); entering idle; entered idle");
}

static const char *state_on_disk(void)
{
	rig_load();
	return rig.move_count ? rig.moves[0].state : "";
}

/* ---- tests ----------------------------------------------------------------- */

/* An action of a state must not begin before a restart would know of the state. */
START_TEST(change_is_entered_when_it_is_on_disk)
{
	begin();
	ck_assert_str_eq(state_on_disk(), "idle");
	machine_go_to(&job->machine, &(struct machine_change){ .to = WORK, .why = "begun" });
	assert_said("");
	ck_assert_uint_eq(job->machine.state, IDLE);
	machine_step(&job->machine);
	assert_said("");
	loop_sim_run(rig.loop);
	assert_said("recorded idle->work (begun); entering work; enter work; step; entered work");
	ck_assert_str_eq(state_on_disk(), "work");
}
END_TEST

/* step() picks the next state by the facts, and a final state takes no step. */
START_TEST(step_goes_on_by_the_facts)
{
	begin();
	machine_go_to(&job->machine, &(struct machine_change){ .to = WORK });
	loop_sim_run(rig.loop);
	strbuf_clear(&said);
	job->is_finished = true;
	machine_step(&job->machine);
	loop_sim_run(rig.loop);
	assert_said("step; recorded work->done (finished); entering done; entered done");
	ck_assert(machine_is_final(&job->machine));
	ck_assert_uint_eq(machines_entered(&machines, IDLE), 1);
	ck_assert_uint_eq(machines_entered(&machines, DONE), 1);
}
END_TEST

/* The VM's name is taken at first, so that the transaction fails; then it is free. */
START_TEST(change_that_the_disk_refuses_is_tried_again)
{
	struct store_vm taken = rig_vm1, vm = rig_vm1;

	begin();
	memcpy(taken.uuid, "018f0000-0000-7000-8000-0000000000ff", sizeof(taken.uuid));
	rig_commit_ok(&(struct store_txn){ { store_put_vm(&taken) } });
	machine_go_to(&job->machine,
		      &(struct machine_change){ .to = WORK, .with = { store_put_vm(&vm) } });
	vm.name[0] = '\0'; /* the row was copied */
	loop_sim_run(rig.loop);
	assert_said("refused exists");
	loop_sim_advance_ms(rig.loop, 2000);
	assert_said("refused exists; refused exists; refused exists; refused exists");
	ck_assert_str_eq(state_on_disk(), "idle");
	rig_commit_ok(&(struct store_txn){ { store_delete_vm(taken.uuid) } });
	loop_sim_advance_ms(rig.loop, 500);
	assert_said("recorded idle->work (); entering work; enter work; step; entered work");
	ck_assert_str_eq(state_on_disk(), "work");
	ck_assert_str_eq(rig.vms[0].name, rig_vm1.name);
}
END_TEST

/* A machine that is freed while its record is written is not called; the record is written. */
START_TEST(machine_that_goes_in_a_change_is_not_called)
{
	begin();
	machine_go_to(&job->machine, &(struct machine_change){ .to = WORK });
	job_free();
	loop_sim_run(rig.loop);
	assert_said("");
	ck_assert_str_eq(state_on_disk(), "work");
	ck_assert_ptr_null(machines_find(&machines, rig_move1.id));
}
END_TEST

/* A note waits for the next record; notes and records keep their order. */
START_TEST(notes_go_to_disk_with_the_next_record)
{
	begin();
	machine_note(&job->machine, "seen", "%d", 1);
	machine_go_to(&job->machine, &(struct machine_change){ .to = WORK, .why = "begun" });
	machine_note(&job->machine, "seen", "%d", 2);
	loop_sim_run(rig.loop);
	machine_save(&job->machine);
	loop_sim_run(rig.loop);
	rig_load_timeline(rig_move1.id);
	ck_assert_uint_eq(rig.entry_count, 4);
	ck_assert_str_eq(rig.entries[0].event, "idle");
	ck_assert_str_eq(rig.entries[1].detail, "1");
	ck_assert_str_eq(rig.entries[2].event, "work");
	ck_assert_str_eq(rig.entries[2].detail, "begun");
	ck_assert_str_eq(rig.entries[3].detail, "2");
}
END_TEST

/* Also if a change of state that has the former value is on its way to the disk. */
START_TEST(value_that_was_put_back_is_written)
{
	begin();
	machine_go_to(&job->machine, &(struct machine_change){ .to = WORK });
	machine_save_put_back(&job->machine);
	loop_sim_run(rig.loop);
	assert_said("recorded idle->work (); entering work; enter work; step; entered work; saved");
	rig_load();
	ck_assert_uint_eq(rig.moves[0].generation, rig_move1.generation + 1);
	machine_save_put_back(&job->machine);
	loop_sim_run(rig.loop);
	assert_said("saved");
	rig_load();
	ck_assert_uint_eq(rig.moves[0].generation, rig_move1.generation + 2);
}
END_TEST

/* After a restart a state gives up or goes on, as its table says; a dormant machine takes no
 * step until it is woken. */
START_TEST(restart_does_what_the_state_says)
{
	struct err why = { 0 };

	err_set(&why, ERR_UNAVAILABLE, "restarted");
	job->machine.is_dormant = true;
	job->machine.state = IDLE;
	machine_restart(&job->machine, &why);
	assert_said("give up: restarted");
	job->machine.is_dormant = true;
	job->machine.state = WORK;
	machine_step(&job->machine);
	assert_said("");
	machine_restart(&job->machine, &why);
	assert_said("entering work; enter work again; step; entered work");
	job->machine.state = DONE;
	machine_restart(&job->machine, &why);
	assert_said("");
}
END_TEST

START_TEST(states_are_found_by_name)
{
	ck_assert_uint_eq(machine_state_of_name(&type, "work"), WORK);
	ck_assert_uint_eq(machine_state_of_name(&type, "later"), STATE_COUNT);
}
END_TEST

/* Who waits for a state is told at once when it cannot come any more. */
START_TEST(state_that_can_come_is_found_over_others)
{
	struct machine machine = { .state = IDLE };

	begin();
	machine.type = job->machine.type;
	ck_assert(machine_can_come_to(&machine, WORK));
	ck_assert(machine_can_come_to(&machine, DONE));
	ck_assert(!machine_can_come_to(&machine, IDLE));
	machine.state = WORK;
	ck_assert(machine_can_come_to(&machine, DONE));
	ck_assert(!machine_can_come_to(&machine, IDLE));
	machine.state = DONE;
	ck_assert(!machine_can_come_to(&machine, DONE));
}
END_TEST

START_TEST(change_that_the_table_forbids_aborts)
{
	begin();
	machine_go_to(&job->machine, &(struct machine_change){ .to = DONE });
}
END_TEST

START_TEST(change_against_the_invariant_aborts)
{
	begin();
	job->is_broken = true;
	machine_go_to(&job->machine, &(struct machine_change){ .to = WORK });
}
END_TEST

/* The clock of the wall was set back by an hour since: the store keeps the newest ends. */
START_TEST(no_end_is_before_another_on_record)
{
	const int64_t then_ms = clock_wall_ms() + 3600000;
	struct store_queue_entry row = { 0 }, next = { 0 };
	const struct err none = { 0 };

	begin();
	machines_note_end(&machines, then_ms);
	machines_note_end(&machines, 0);
	machine_fill_columns(&job->machine, DONE, &none, MACHINE_COLUMNS(&row));
	ck_assert_int_eq(row.ended_ms, then_ms + 1);
	ck_assert_int_lt(row.updated_ms, then_ms);
	machine_fill_columns(&job->machine, DONE, &none, MACHINE_COLUMNS(&next));
	ck_assert_int_eq(next.ended_ms, then_ms + 2);
	/* A record that is written again ended when it did. */
	machine_fill_columns(&job->machine, DONE, &none, MACHINE_COLUMNS(&row));
	ck_assert_int_eq(row.ended_ms, then_ms + 1);
	machine_fill_columns(&job->machine, WORK, &none, MACHINE_COLUMNS(&row));
	ck_assert_int_eq(row.ended_ms, 0);
}
END_TEST

Suite *suite(void)
{
	Suite *s = suite_create("machine");
	TCase *tc = tcase_create("machine");

	tcase_add_checked_fixture(tc, set_up, tear_down);
	tcase_add_test(tc, change_is_entered_when_it_is_on_disk);
	tcase_add_test(tc, step_goes_on_by_the_facts);
	tcase_add_test(tc, change_that_the_disk_refuses_is_tried_again);
	tcase_add_test(tc, machine_that_goes_in_a_change_is_not_called);
	tcase_add_test(tc, notes_go_to_disk_with_the_next_record);
	tcase_add_test(tc, value_that_was_put_back_is_written);
	tcase_add_test(tc, restart_does_what_the_state_says);
	tcase_add_test(tc, states_are_found_by_name);
	tcase_add_test(tc, no_end_is_before_another_on_record);
	tcase_add_test(tc, state_that_can_come_is_found_over_others);
	tcase_add_test_raise_signal(tc, change_that_the_table_forbids_aborts, SIGABRT);
	tcase_add_test_raise_signal(tc, change_against_the_invariant_aborts, SIGABRT);
	suite_add_tcase(s, tc);
	return s;
}
