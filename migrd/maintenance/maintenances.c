/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* All maintenances that this host conducts or has conducted, and how a restart finds them. */
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "maintenance/priv.h"

/* What changes within that time is looked at together. */
#define LOOK_MS 10

/* ---- the list ------------------------------------------------------------------------ */

struct maintenance *maints_current(const struct maintenances *all)
{
	struct maintenance *m;

	TAILQ_FOREACH(m, &all->list, link)
	{
		if (!maintenance_is_final(m))
			return m;
	}
	return NULL;
}

struct maintenance *maintenances_find(struct maintenances *all, const char *id)
{
	struct machine *machine;
	struct maintenance *current;

	if (strcmp(id, "current") == 0) {
		current = maints_current(all);
		return current ? current : TAILQ_FIRST(&all->list);
	}
	machine = machines_find(&all->machines, id);
	return machine ? maint_of(machine) : NULL;
}

struct maintenance *maintenances_first(struct maintenances *all)
{
	return TAILQ_FIRST(&all->list);
}

struct maintenance *maintenance_next(const struct maintenance *m)
{
	return TAILQ_NEXT(m, link);
}

/* NULL: none has ended. */
static struct maintenance *first_ended(const struct maintenances *all, size_t *ret_count)
{
	struct maintenance *m, *first = NULL;

	*ret_count = 0;
	TAILQ_FOREACH(m, &all->list, link)
	{
		if (!maintenance_is_final(m))
			continue;
		(*ret_count)++;
		if (!first || m->row.ended_ms <= first->row.ended_ms)
			first = m;
	}
	return first;
}

struct maintenances_ended maintenances_ended(const struct maintenances *all)
{
	return (struct maintenances_ended){
		.done = machines_entered(&all->machines, MAINT_STATE_DONE),
		.failed = machines_entered(&all->machines, MAINT_STATE_FAILED),
		.aborted = machines_entered(&all->machines, MAINT_STATE_ABORTED),
	};
}

/* As the store does it (schema/sql/014-maintenance.sql). */
void maints_trim(struct maintenances *all)
{
	struct maintenance *m;
	size_t count;

	while ((m = first_ended(all, &count)) && count > STORE_MAINTENANCES_MAX)
		maint_free(m);
}

/* ---- looks --------------------------------------------------------------------------- */

static void restart(struct maintenance *m)
{
	struct err unused;

	log_info("maintenance", "recovered", "maintenance=%s state=%s", m->row.id, m->row.state);
	err_set(&unused, ERR_UNAVAILABLE, "the coordinator was restarted");
	machine_restart(&m->machine, &unused);
}

static void on_look(void *data)
{
	struct maintenances *all = data;
	struct maintenance *m = maints_current(all);

	if (!m || !all->is_ready || m->machine.is_saving)
		return;
	if (m->machine.is_dormant)
		restart(m);
	else
		machine_step(&m->machine);
	record_write(&m->machine);
}

void maints_look(struct maintenances *all)
{
	if (all->look && all->is_ready && !loop_timer_is_active(all->look) && maints_current(all))
		loop_timer_start(all->look, LOOK_MS);
}

/* ---- life ---------------------------------------------------------------------------- */

struct maintenances *maintenances_new(const struct maintenances_env *env)
{
	struct maintenances *all = xnew(struct maintenances);

	all->env = *env;
	all->machines.loop = env->loop;
	all->machines.store = env->store;
	TAILQ_INIT(&all->list);
	TAILQ_INIT(&all->begins);
	all->look = loop_timer_new(env->loop, on_look, all);
	return all;
}

void maintenances_clear(struct maintenances *all)
{
	struct maintenance *m;

	if (!all)
		return;
	all->is_closing = true;
	loop_timer_free(TAKE_PTR(all->look));
	maint_dismiss_begins(all);
	while ((m = TAILQ_FIRST(&all->list)))
		maint_free(m);
	maint_shown_free(TAKE_PTR(all->shown));
}

void maintenances_free(struct maintenances *all)
{
	maintenances_clear(all);
	free(all);
}

/* ---- after a restart ------------------------------------------------------------------- */

void maintenances_add_row(struct maintenances *all, struct store_maintenance *row)
{
	struct maintenance *m = maint_new(all, row->id);
	unsigned state = machine_state_of_name(m->machine.type, row->state);
	bool is_known;

	store_maintenance_fini(&m->row);
	m->row = *row;
	machines_note_end(&all->machines, row->ended_ms);
	if (row->error_code[0])
		err_set(&m->error, err_from_name(row->error_code), "%s", row->error_text);
	is_known = maint_decode(m) && state != MAINT_STATE_COUNT;
	if (!is_known && !row->is_final) {
		/* It is shown, nothing of it is done, and another may be begun. */
		if (!err_is_set(&m->error))
			err_set(&m->error, ERR_STORE,
				"a later version of migrd wrote its state '%s', which this one "
				"does not know: what its hosts do goes on, and is ended there",
				row->state);
		log_error("maintenance", "record", "maintenance=%s error=%s", row->id,
			  m->error.msg);
		state = MAINT_STATE_FAILED;
	}
	m->machine.state = state != MAINT_STATE_COUNT ? state : MAINT_STATE_FAILED;
	if (maintenance_is_final(m)) {
		loop_timer_free(TAKE_PTR(m->timer));
		machine_retire(&m->machine);
		return;
	}
	m->machine.is_dormant = true;
}

void maintenances_recover(struct maintenances *all)
{
	all->is_ready = true;
	all->recovered_ms = clock_wall_ms();
	all->recovered_loop_ms = loop_now_ms(all->env.loop);
	maints_look(all);
}
