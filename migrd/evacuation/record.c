/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* One evacuation: its life, and what its machine does with it. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "evacuation/priv.h"

static const struct machine_type type;

/* ---- life ------------------------------------------------------------------------ */

static void on_timer(void *data)
{
	evacuations_look(data);
}

struct evacuation *evac_new(struct evacuations *evacs, const char *id)
{
	struct evacuation *evac = xnew(struct evacuation);

	evac->evacs = evacs;
	evac->timer = loop_timer_new(evacs->env.loop, on_timer, evacs);
	machine_init(&evac->machine, &type, &evacs->machines, id);
	evac->row.created_ms = clock_wall_ms();
	snprintf(evac->row.id, sizeof(evac->row.id), "%s", id);
	TAILQ_INSERT_HEAD(&evacs->list, evac, link);
	return evac;
}

void evac_free(struct evacuation *evac)
{
	TAILQ_REMOVE(&evac->evacs->list, evac, link);
	machine_fini(&evac->machine);
	loop_timer_free(evac->timer);
	for (size_t i = 0; i < evac->vm_count; i++) {
		free(evac->vms[i].rejected);
		free(evac->vms[i].refused_as);
	}
	free(evac->vms);
	free(evac->slots);
	free(evac->refusals);
	free(evac->brief);
	free(evac->request);
	json_object_put(evac->wish);
	json_object_put(evac->plan);
	store_evacuation_fini(&evac->row);
	free(evac);
}

void evac_slim(struct evacuation *evac)
{
	json_object_put(TAKE_PTR(evac->plan));
	free(TAKE_PTR(evac->row.vms));
}

/* ---- from state to state ------------------------------------------------------------------- */

/* When the conditions began that are true in the state TO: enum order of evac_states. */
static void note_since(struct evacuation *evac, unsigned to)
{
	static const uint32_t true_in[EVACUATION_CONDITIONS] = {
		1u << EVAC_STATE_PLANNED | 1u << EVAC_STATE_WAITING,
		1u << EVAC_STATE_DRAINING,
		1u << EVAC_STATE_DRAINED,
		1u << EVAC_STATE_DRAINED,
	};
	const struct machine *machine = &evac->machine;

	for (size_t i = 0; i < EVACUATION_CONDITIONS; i++) {
		bool was = !machine->is_new && true_in[i] & 1u << machine->state;

		if (was != (bool)(true_in[i] & 1u << to))
			evac->detail.since_ms[i] = clock_wall_ms();
	}
}

static void fill(struct machine *machine, unsigned to)
{
	struct evacuation *evac = evac_of(machine);

	note_since(evac, to);
	if (to == EVAC_STATE_DRAINED)
		evac->detail.drained_ms = clock_wall_ms();
	evac_fill_facts(machine);
	machine_fill_columns(machine, to, &evac->error, MACHINE_COLUMNS(&evac->row));
}

static struct store_change row_of(struct machine *machine)
{
	return store_put_evacuation(&evac_of(machine)->row);
}

/* ---- who waits for the record ------------------------------------------------------------- */

struct answer {
	struct evacuation *evac;
	evacuation_done_fn *done;
	void *data;
};

static void on_recorded(void *data, const struct err *err)
{
	struct answer *answer = data;

	answer->done(answer->data, answer->evac, err);
	free(answer);
}

void evac_answer_when_saved(struct evacuation *evac, evacuation_done_fn *done, void *data)
{
	struct answer *answer = xnew(struct answer);

	*answer = (struct answer){ evac, done, data };
	record_wait(&evac->machine, on_recorded, answer);
	evacuations_look(evac->evacs);
}

void evac_look_in(struct evacuation *evac, uint64_t ms)
{
	if (evac->timer)
		loop_timer_start(evac->timer, ms);
}

/* ---- what the machine tells ------------------------------------------------------------------ */

void evac_go(struct evacuation *evac, enum evac_state to, const struct err *err)
{
	if (err)
		evac->error = *err;
	machine_go_to(&evac->machine, &(struct machine_change){ .to = to });
}

static void recorded(struct machine *machine, unsigned from, const struct machine_change *change)
{
	struct evacuation *evac = evac_of(machine);
	const struct evacuation_counts counts = evac_counts(evac);

	(void)change;
	log_record(err_is_set(&evac->error) ? LOG_LEVEL_WARNING : LOG_LEVEL_INFO, "evacuation",
		   "state", "evacuation=%s from=%s to=%s vms=%" PRIu64 " left=%" PRIu64 " why=%s",
		   evac->row.id, machine->is_new ? "-" : evac_states[from].name, evac->row.state,
		   counts.total, counts.left, err_is_set(&evac->error) ? evac->error.msg : "");
}

static void entering(struct machine *machine)
{
	struct evacuation *evac = evac_of(machine);

	evac->now = (struct evac_now){ 0 };
	if (evac->timer)
		loop_timer_stop(evac->timer);
	if (machine_is_final(machine)) {
		loop_timer_free(TAKE_PTR(evac->timer));
		machine_retire(machine);
		evac_slim(evac);
	}
}

static void entered(struct machine *machine)
{
	struct evacuation *evac = evac_of(machine);
	struct evacuations *evacs = evac->evacs;

	capacity_note_state(evacs->env.capacity); /* whether this host is being emptied */
	evac_tell(evac);
	evacuations_look(evacs);
	if (machine_is_final(machine))
		evacs_trim(evacs); /* may free it */
}

static void refused(struct machine *machine, const struct err *err)
{
	(void)err;
	evac_tell(evac_of(machine));
}

static void saved(struct machine *machine, const struct err *err)
{
	struct evacuation *evac = evac_of(machine);

	if (!err)
		evac_tell(evac);
	evacuations_look(evac->evacs);
}

static const struct machine_type type = {
	.name = "evacuation",
	.states = evac_states,
	.state_count = EVAC_STATE_COUNT,
	.fill = fill,
	.fill_facts = evac_fill_facts,
	.row = row_of,
	.recorded = recorded,
	.entering = entering,
	.entered = entered,
	.refused = refused,
	.saved = saved,
	.has_no_timeline = true,
};

void evac_tell(struct evacuation *evac)
{
	const struct evacuations_env *env = &evac->evacs->env;

	evac->news++;
	if (env->changed && !evac->evacs->is_closing)
		env->changed(env->data, evac);
}

bool evacuation_is_final(const struct evacuation *evac)
{
	return machine_is_final(&evac->machine);
}

const char *evacuation_id(const struct evacuation *evac)
{
	return evac->row.id;
}

const struct machine *evacuation_machine(const struct evacuation *evac)
{
	return &evac->machine;
}
