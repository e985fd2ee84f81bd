/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "machine/machine.h"

#include <assert.h>
#include <stdarg.h>
#include <string.h>

#include "base/clock.h"
#include "base/fault.h"
#include "base/log.h"
#include "base/mem.h"

/* Delay before a record that the disk refused is written again. */
#define SAVE_RETRY_MS 500
#define NOTES_MAX     64

/* A record under way; its machine is looked up by id, since it may be gone by then. */
struct machine_save {
	struct machines *machines;
	char id[ID_UUID_SIZE];
	struct store_txn with; /* copies of the changes beside the machine's own row */
	char *why;
	struct store_timeline_entry *notes; /* kept until they are on disk */
	size_t note_count;
	uint64_t number; /* of the last change of facts that it has (machine/record.h) */
};

/* ---- life ------------------------------------------------------------ */

static void on_retry(void *data);

void machine_init(struct machine *machine, const struct machine_type *type,
		  struct machines *machines, const char *id)
{
	assert(type->state_count <= MACHINE_STATES_MAX);
	machine->type = type;
	machine->machines = machines;
	snprintf(machine->id, sizeof(machine->id), "%s", id);
	machine->retry = loop_timer_new(machines->loop, on_retry, machine);
	record_init(&machine->record);
	machines_add(machines, machine);
}

void machine_retire(struct machine *machine)
{
	free(TAKE_PTR(machine->notes));
	machine->note_count = 0;
	loop_timer_free(TAKE_PTR(machine->retry));
}

static void save_free(struct machine_save *save)
{
	if (!save)
		return;
	store_txn_drop(&save->with);
	free(save->why);
	free(save->notes);
	free(save);
}

void machine_fini(struct machine *machine)
{
	record_fini(&machine->record);
	save_free(TAKE_PTR(machine->unsaved));
	machine_retire(machine);
	machines_remove(machine->machines, machine);
}

/* ---- what there is to know --------------------------------------------- */

static const struct machine_state *state_at(const struct machine *machine, unsigned state)
{
	assert(state < machine->type->state_count);
	return &machine->type->states[state];
}

const struct machine_state *machine_state(const struct machine *machine)
{
	return state_at(machine, machine->state);
}

bool machine_is_final(const struct machine *machine)
{
	return !machine->is_new && (machine_state(machine)->flags & MACHINE_FINAL);
}

bool machine_can_come_to(const struct machine *machine, unsigned state)
{
	uint32_t found = machine_state(machine)->next, before = 0;

	while (found != before) {
		before = found;
		for (unsigned i = 0; i < machine->type->state_count; i++)
			if (before & (1u << i))
				found |= state_at(machine, i)->next;
	}
	return found & (1u << state);
}

unsigned machine_state_of_name(const struct machine_type *type, const char *name)
{
	unsigned state = 0;

	while (state < type->state_count &&
	       (!type->states[state].name || strcmp(type->states[state].name, name) != 0))
		state++;
	return state;
}

bool machine_goes_before(const struct machine *machine, int64_t end_ms, const struct machine *other,
			 int64_t other_end_ms)
{
	return end_ms != other_end_ms ? end_ms < other_end_ms : strcmp(machine->id, other->id) < 0;
}

uint64_t machines_entered(const struct machines *machines, unsigned state)
{
	assert(state < MACHINE_STATES_MAX);
	return machines->entered[state];
}

uint64_t machine_in_state_ms(const struct machine *machine)
{
	return loop_now_ms(machine->machines->loop) - machine->entered_ms;
}

/* ---- the timeline ----------------------------------------------------- */

void machine_note(struct machine *machine, const char *event, const char *fmt, ...)
{
	struct store_timeline_entry *note;
	va_list ap;

	if (machine->type->has_no_timeline || machine_is_final(machine))
		return;
	if (machine->note_count == NOTES_MAX)
		machine_save(machine);
	if (machine->note_count == NOTES_MAX)
		return; /* a change is being written: the note is lost, nothing waits for it */
	if (!machine->notes)
		machine->notes = xcalloc(NOTES_MAX, sizeof(*machine->notes));
	note = &machine->notes[machine->note_count++];
	note->at_ms = clock_wall_ms();
	snprintf(note->event, sizeof(note->event), "%s", event);
	va_start(ap, fmt);
	err_vtext(note->detail, fmt, ap);
	va_end(ap);
}

static void take_notes(struct machine_save *save, struct machine *machine)
{
	save->notes = TAKE_PTR(machine->notes);
	save->note_count = machine->note_count;
	machine->note_count = 0;
}

/* The disk refused the notes of SAVE: puts them before those that have come since. */
static void give_notes_back(struct machine_save *save, struct machine *machine)
{
	struct store_timeline_entry *later = TAKE_PTR(machine->notes);
	size_t room = NOTES_MAX - save->note_count;
	size_t count = machine->note_count < room ? machine->note_count : room;

	machine->notes = xcalloc(NOTES_MAX, sizeof(*machine->notes));
	if (save->note_count)
		memcpy(machine->notes, save->notes, save->note_count * sizeof(*save->notes));
	if (count)
		memcpy(machine->notes + save->note_count, later, count * sizeof(*later));
	machine->note_count = save->note_count + count;
	free(later);
}

/* ---- from state to state --------------------------------------------- */

static void save_if_owed(struct machine *machine)
{
	if (machine->must_save && !machine->is_saving)
		machine_save(machine);
}

static void enter(struct machine *machine)
{
	const struct machine_state *state = machine_state(machine);

	machine->is_saving = false;
	machine->is_new = false;
	machine->entered_ms = loop_now_ms(machine->machines->loop);
	loop_timer_stop(machine->retry);
	record_filled_is_on_disk(&machine->record);
	machine->type->entering(machine);
	if (state->enter)
		state->enter(machine);
	machine_step(machine);
	save_if_owed(machine);
	record_entered(machine);
	machine->type->entered(machine);
}

void machine_step(struct machine *machine)
{
	const struct machine_state *state = machine_state(machine);

	if (!machine->is_saving && !machine->is_dormant && state->step)
		state->step(machine);
}

/* Fault point of a state that is on disk and not entered yet. */
static void fault_point(const struct machine *machine)
{
	char point[64];
	struct err ignored;

	snprintf(point, sizeof(point), "%s.%s", machine->type->name,
		 state_at(machine, machine->target)->name);
	fault_hit(point, &ignored);
}

static void on_committed(void *data, const struct err *err)
{
	struct machine_save *save = data;
	struct machine *machine = machines_find(save->machines, save->id);
	struct machine_change change;
	unsigned from;

	if (!machine) {
		save_free(save);
		return;
	}
	if (err) {
		machine->unsaved = save;
		loop_timer_start(machine->retry, SAVE_RETRY_MS);
		log_error(machine->type->name, "save", "id=%s state=%s error=%s; trying again",
			  machine->id, state_at(machine, machine->target)->name, err->msg);
		record_refused(&machine->record, err);
		machine->type->refused(machine, err);
		return;
	}
	fault_point(machine);
	from = machine->state;
	machine->state = machine->target;
	machine->machines->entered[machine->state]++;
	change = (struct machine_change){ machine->state,
					  { save->with.list[0], save->with.list[1] },
					  save->why };
	machine->type->recorded(machine, from, &change);
	save_free(save);
	enter(machine);
}

static void commit(struct machine_save *save, struct machine *machine, store_done_fn *done)
{
	const struct store_notes notes = { machine->id, save->notes, save->note_count };
	const struct store_txn txn = { { save->with.list[0], save->with.list[1],
					 machine->type->row(machine), store_put_notes(&notes) } };

	store_commit(machine->machines->store, &txn, done, save);
}

static void on_retry(void *data)
{
	struct machine *machine = data;

	if (machine->unsaved)
		commit(TAKE_PTR(machine->unsaved), machine, on_committed);
	else
		record_write(machine);
}

static struct machine_save *save_new(struct machine *machine)
{
	struct machine_save *save = xnew(struct machine_save);

	save->machines = machine->machines;
	memcpy(save->id, machine->id, sizeof(save->id));
	return save;
}

static void write_change(struct machine *machine, const struct machine_change *change)
{
	const struct machine_state *to = state_at(machine, change->to);
	struct machine_save *save = save_new(machine);

	assert(!to->invariant || to->invariant(machine));
	save->with = store_txn_copy(&(struct store_txn){ { change->with[0], change->with[1] } });
	save->why = xstrdup(change->why ? change->why : "");
	machine->is_saving = true;
	machine->must_save = false;
	machine->target = change->to;
	machine->type->fill(machine, change->to);
	record_fill(&machine->record);
	machine_note(machine, to->name, "%s", save->why);
	take_notes(save, machine);
	commit(save, machine, on_committed);
}

void machine_go_to(struct machine *machine, const struct machine_change *change)
{
	assert(!machine->is_saving);
	assert(machine_state(machine)->next & (1u << change->to));
	machine->is_resumed = false;
	write_change(machine, change);
}

void machine_fill_columns(const struct machine *machine, unsigned to, const struct err *err,
			  const struct machine_columns *ret)
{
	const struct machine_state *state = state_at(machine, to);
	bool has_failed = err_is_set(err);

	snprintf(*ret->state, sizeof(*ret->state), "%s", state->name);
	snprintf(*ret->error_code, sizeof(*ret->error_code), "%s",
		 has_failed ? err_name(err->code) : "");
	snprintf(*ret->error_text, sizeof(*ret->error_text), "%s", has_failed ? err->msg : "");
	*ret->is_final = state->flags & MACHINE_FINAL;
	*ret->updated_ms = clock_wall_ms();
	if (!*ret->is_final) {
		*ret->ended_ms = 0;
	} else if (!*ret->ended_ms) {
		*ret->ended_ms = *ret->updated_ms;
		if (*ret->ended_ms <= machine->machines->last_end_ms)
			*ret->ended_ms = machine->machines->last_end_ms + 1;
		machines_note_end(machine->machines, *ret->ended_ms);
	}
}

void machine_begin(struct machine *machine, const struct machine_change *change)
{
	machine->is_new = true;
	machine->state = change->to;
	write_change(machine, change);
}

void machine_restart(struct machine *machine, const struct err *why)
{
	machine->entered_ms = loop_now_ms(machine->machines->loop);
	machine->is_dormant = false;
	switch (machine_state(machine)->restart) {
	case MACHINE_RESTART_NOTHING:
		break;
	case MACHINE_RESTART_GIVE_UP:
		machine->type->give_up(machine, why);
		break;
	case MACHINE_RESTART_CONTINUE:
		machine->is_resumed = true;
		enter(machine);
		break;
	}
}

/* ---- without a change of state ------------------------------------------ */

static void on_saved(void *data, const struct err *err)
{
	struct machine_save *save = data;
	struct machine *machine = machines_find(save->machines, save->id);

	if (machine) {
		if (err && !machine_is_final(machine))
			give_notes_back(save, machine);
		if (err)
			log_error(machine->type->name, "save", "id=%s error=%s", machine->id,
				  err->msg);
		record_written(machine, save->number, err);
		if (machine->type->saved)
			machine->type->saved(machine, err);
	}
	save_free(save);
}

void machine_save(struct machine *machine)
{
	struct machine_save *save;

	if (machine->is_saving)
		return;
	machine->must_save = false;
	machine->type->fill_facts(machine);
	save = save_new(machine);
	save->number = machine->record.change;
	take_notes(save, machine);
	commit(save, machine, on_saved);
}

void machine_save_for(struct machine *machine, store_done_fn *done, void *data)
{
	assert(!machine->is_saving);
	machine->type->fill_facts(machine);
	store_commit(machine->machines->store,
		     &(struct store_txn){ { machine->type->row(machine) } }, done, data);
}

void machine_save_put_back(struct machine *machine)
{
	machine->must_save = true;
	save_if_owed(machine);
}
