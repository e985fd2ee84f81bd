/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* One maintenance: its life, and what its machine does with it. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "maintenance/priv.h"

static const struct machine_type type;

/* ---- life ------------------------------------------------------------------------ */

static void on_timer(void *data)
{
	maints_look(data);
}

struct maintenance *maint_new(struct maintenances *all, const char *id)
{
	struct maintenance *m = xnew(struct maintenance);

	m->all = all;
	m->waits_for = JUDGE_NONE;
	m->timer = loop_timer_new(all->env.loop, on_timer, all);
	machine_init(&m->machine, &type, &all->machines, id);
	m->row.created_ms = clock_wall_ms();
	snprintf(m->row.id, sizeof(m->row.id), "%s", id);
	TAILQ_INSERT_HEAD(&all->list, m, link);
	return m;
}

void maint_hosts_new(struct maintenance *m, size_t count)
{
	m->hosts = xcalloc(count + 1, sizeof(*m->hosts));
	m->host_count = count;
	for (size_t i = 0; i < count; i++)
		m->hosts[i].hook = HOOK_STATE_COUNT;
}

void maint_free(struct maintenance *m)
{
	TAILQ_REMOVE(&m->all->list, m, link);
	machine_fini(&m->machine);
	loop_timer_free(m->timer);
	free(m->hosts);
	free(m->request);
	json_object_put(m->wish);
	store_maintenance_fini(&m->row);
	free(m);
}

/* ---- from state to state ------------------------------------------------------------------- */

static void fill(struct machine *machine, unsigned to)
{
	struct maintenance *m = maint_of(machine);

	maint_fill_facts(machine);
	machine_fill_columns(machine, to, &m->error, MACHINE_COLUMNS(&m->row));
}

static struct store_change row_of(struct machine *machine)
{
	return store_put_maintenance(&maint_of(machine)->row);
}

/* ---- changes, and who waits for them ------------------------------------------------------- */

uint64_t maint_change(struct maintenance *m)
{
	maints_look(m->all);
	return record_change(&m->machine);
}

struct answer {
	struct maintenance *m;
	maintenance_done_fn *done;
	void *data;
};

static void on_recorded(void *data, const struct err *err)
{
	struct answer *answer = data;

	answer->done(answer->data, answer->m, err);
	free(answer);
}

void maint_answer_when_saved(struct maintenance *m, maintenance_done_fn *done, void *data)
{
	struct answer *answer = xnew(struct answer);

	*answer = (struct answer){ m, done, data };
	record_wait(&m->machine, on_recorded, answer);
	maints_look(m->all);
}

/* ---- what the machine tells ------------------------------------------------------------------ */

void maint_go_to(struct maintenance *m, enum maint_state to, const struct err *err)
{
	if (err)
		m->error = *err;
	machine_go_to(&m->machine, &(struct machine_change){ .to = to });
}

static void recorded(struct machine *machine, unsigned from, const struct machine_change *change)
{
	struct maintenance *m = maint_of(machine);

	(void)change;
	log_record(err_is_set(&m->error) ? LOG_LEVEL_WARNING : LOG_LEVEL_INFO, "maintenance",
		   "state", "maintenance=%s from=%s to=%s hosts=%zu why=%s", m->row.id,
		   machine->is_new ? "-" : maint_states[from].name, m->row.state, m->host_count,
		   err_is_set(&m->error) ? m->error.msg : "");
}

static void entering(struct machine *machine)
{
	struct maintenance *m = maint_of(machine);

	if (m->timer)
		loop_timer_stop(m->timer);
	if (machine_is_final(machine)) {
		loop_timer_free(TAKE_PTR(m->timer));
		machine_retire(machine);
	}
}

static void entered(struct machine *machine)
{
	struct maintenance *m = maint_of(machine);
	struct maintenances *all = m->all;

	maint_tell(m);
	maints_look(all);
	if (machine_is_final(machine))
		maints_trim(all); /* may free it */
}

static void refused(struct machine *machine, const struct err *err)
{
	(void)err;
	maint_tell(maint_of(machine));
}

static void saved(struct machine *machine, const struct err *err)
{
	struct maintenance *m = maint_of(machine);

	if (!err)
		maint_tell(m);
	maints_look(m->all);
}

static const struct machine_type type = {
	.name = "maintenance",
	.states = maint_states,
	.state_count = MAINT_STATE_COUNT,
	.fill = fill,
	.fill_facts = maint_fill_facts,
	.row = row_of,
	.recorded = recorded,
	.entering = entering,
	.entered = entered,
	.refused = refused,
	.saved = saved,
	.has_no_timeline = true,
};

void maint_tell(struct maintenance *m)
{
	const struct maintenances_env *env = &m->all->env;

	if (env->changed && !m->all->is_closing)
		env->changed(env->data, m);
}

bool maintenance_is_final(const struct maintenance *m)
{
	return machine_is_final(&m->machine);
}

const char *maintenance_id(const struct maintenance *m)
{
	return m->row.id;
}

const struct machine *maintenance_machine(const struct maintenance *m)
{
	return &m->machine;
}
