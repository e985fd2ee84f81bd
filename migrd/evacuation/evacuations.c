/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* All evacuations of this host, and how a restart finds them. */
#include <stdio.h>
#include <string.h>

#include "base/log.h"
#include "evacuation/priv.h"

/* What changes within that time is looked at together. */
#define LOOK_MS 10

/* ---- the list ------------------------------------------------------------------------ */

struct evacuation *evacs_current(const struct evacuations *evacs)
{
	struct evacuation *evac;

	TAILQ_FOREACH(evac, &evacs->list, link)
	{
		if (!evacuation_is_final(evac))
			return evac;
	}
	return NULL;
}

struct evacuation *evacuations_find(struct evacuations *evacs, const char *id)
{
	struct machine *machine;
	struct evacuation *current;

	if (strcmp(id, "current") == 0) {
		current = evacs_current(evacs);
		return current ? current : TAILQ_FIRST(&evacs->list);
	}
	machine = machines_find(&evacs->machines, id);
	return machine ? evac_of(machine) : NULL;
}

struct evacuation *evacuations_first(struct evacuations *evacs)
{
	return TAILQ_FIRST(&evacs->list);
}

struct evacuation *evacuation_next(const struct evacuation *evac)
{
	return TAILQ_NEXT(evac, link);
}

/* NULL: none has ended. */
static struct evacuation *first_ended(const struct evacuations *evacs, size_t *ret_count)
{
	struct evacuation *evac, *first = NULL;

	*ret_count = 0;
	TAILQ_FOREACH(evac, &evacs->list, link)
	{
		if (!evacuation_is_final(evac))
			continue;
		(*ret_count)++;
		if (!first || machine_goes_before(&evac->machine, evac->row.ended_ms,
						  &first->machine, first->row.ended_ms))
			first = evac;
	}
	return first;
}

struct evacuations_ended evacuations_ended(const struct evacuations *evacs)
{
	return (struct evacuations_ended){
		.ended = machines_entered(&evacs->machines, EVAC_STATE_ENDED),
		.aborted = machines_entered(&evacs->machines, EVAC_STATE_ABORTED),
	};
}

/* As the store does it (schema/sql/012-evacuation.sql). */
void evacs_trim(struct evacuations *evacs)
{
	struct evacuation *evac;
	size_t count;

	while ((evac = first_ended(evacs, &count)) && count > STORE_EVACUATIONS_MAX)
		evac_free(evac);
}

bool evacuations_is_on(const struct evacuations *evacs, struct strbuf *why)
{
	const struct evacuation *evac = evacs ? evacs_current(evacs) : NULL;
	unsigned state = evac ? evac->machine.state : EVAC_STATE_ENDED;

	if (state != EVAC_STATE_DRAINING && state != EVAC_STATE_DRAINED)
		return false;
	if (why)
		strbuf_addf(why, "host '%s' is %s by evacuation %s", evacs->env.host_id,
			    state == EVAC_STATE_DRAINED ? "kept empty" : "being emptied",
			    evac->row.id);
	return true;
}

/* Not on its way to another state, as far as is known now: that may be being written, or not even
 * be looked at yet. */
static bool stays_drained(const struct evacuation *evac)
{
	return evac->machine.state == EVAC_STATE_DRAINED && !evac->machine.is_saving &&
	       evac->detail.ending == EVAC_ENDING_NONE && evac_is_empty(&evac->machine);
}

bool evacuations_is_drained_for(const struct evacuations *evacs, const char *who, struct err *err)
{
	const struct evacuation *evac = evacs_current(evacs);

	if (evacs->is_closing)
		return err_set(err, ERR_UNAVAILABLE, "this coordinator is stopping");
	if (!evac || !stays_drained(evac))
		return err_set(err, ERR_CONFLICT, "host '%s' is not drained", evacs->env.host_id);
	return evacuation_has_requester(evac, who) ||
	       err_set(err, ERR_CONFLICT, "host '%s' is drained, but '%s' does not ask for it",
		       evacs->env.host_id, who);
}

/* ---- looks --------------------------------------------------------------------------- */

static void restart(struct evacuation *evac)
{
	struct err unused;

	log_info("evacuation", "recovered", "evacuation=%s state=%s", evac->row.id,
		 evac->row.state);
	err_set(&unused, ERR_UNAVAILABLE, "the coordinator was restarted");
	machine_restart(&evac->machine, &unused);
}

/* The first one comes when the VMs are settled. */
static void on_look(void *data)
{
	struct evacuations *evacs = data;
	struct evacuation *evac = evacs_current(evacs);

	if (!evac || !evacs->is_ready || evac->machine.is_saving)
		return;
	if (evac->machine.is_dormant)
		restart(evac);
	else
		machine_step(&evac->machine);
	record_write(&evac->machine);
}

void evacuations_look(struct evacuations *evacs)
{
	if (evacs && evacs->look && evacs->is_ready && !loop_timer_is_active(evacs->look) &&
	    evacs_current(evacs))
		loop_timer_start(evacs->look, LOOK_MS);
}

/* ---- life ---------------------------------------------------------------------------- */

struct evacuations *evacuations_new(const struct evacuations_env *env)
{
	struct evacuations *evacs = xnew(struct evacuations);

	evacs->env = *env;
	evacs->machines.loop = env->loop;
	evacs->machines.store = env->store;
	TAILQ_INIT(&evacs->list);
	TAILQ_INIT(&evacs->begins);
	evacs->look = loop_timer_new(env->loop, on_look, evacs);
	evacs->planner = evac_planner_new(evacs);
	return evacs;
}

void evacuations_clear(struct evacuations *evacs)
{
	struct evacuation *evac;

	if (!evacs)
		return;
	evacs->is_closing = true;
	loop_timer_free(TAKE_PTR(evacs->look));
	evac_dismiss_begins(evacs);
	evac_planner_end(evacs->planner);
	while ((evac = TAILQ_FIRST(&evacs->list)))
		evac_free(evac);
	evac_shown_free(TAKE_PTR(evacs->shown));
}

void evacuations_free(struct evacuations *evacs)
{
	evacuations_clear(evacs);
	if (!evacs)
		return;
	evac_planner_free(evacs->planner);
	free(evacs->makes_room_for);
	free(evacs);
}

void evacuations_set_makes_room_for(struct evacuations *evacs, const char *hosts)
{
	free(evacs->makes_room_for);
	evacs->makes_room_for = hosts ? xstrdup(hosts) : NULL;
}

/* ---- after a restart ------------------------------------------------------------------- */

/* A state of a later version, or a record that is not understood, ends it: its VMs are looked at by
 * nobody then, and its entries in the queue go on. */
static void add_unknown(struct evacuation *evac, const char *state)
{
	if (!err_is_set(&evac->error))
		err_set(&evac->error, ERR_STORE,
			"a later version of migrd wrote its state '%s', which this one does not "
			"know",
			state);
	free(TAKE_PTR(evac->request));
}

void evacuations_add_row(struct evacuations *evacs, struct store_evacuation *row)
{
	struct evacuation *evac = evac_new(evacs, row->id);
	unsigned state = machine_state_of_name(evac->machine.type, row->state);

	store_evacuation_fini(&evac->row);
	evac->row = *row;
	machines_note_end(&evacs->machines, row->ended_ms);
	evac->machine.state = state != EVAC_STATE_COUNT ? state
			      : row->is_final           ? EVAC_STATE_ENDED
							: EVAC_STATE_RETURNING;
	if (row->error_code[0])
		err_set(&evac->error, err_from_name(row->error_code), "%s", row->error_text);
	evac_decode(evac);
	if (state == EVAC_STATE_COUNT && !row->is_final)
		add_unknown(evac, row->state);
	if (row->is_final) {
		loop_timer_free(TAKE_PTR(evac->timer));
		machine_retire(&evac->machine);
		evac_slim(evac);
		return;
	}
	evac_recall_rejected(evac);
	evac->machine.is_dormant = true;
}

static void on_cordon_off(void *data, const struct store_hold *hold, const struct err *err)
{
	(void)data;
	(void)hold;
	if (err)
		log_error("evacuation", "cordon", "error=%s", err->msg);
}

/* Its evacuation is not on record any more, as after damage: nobody else would end it. */
static void end_stray_cordon(struct evacuations *evacs)
{
	if (evacs_current(evacs) || !cordon_of(evacs->env.holds, CORDON_EVACUATION))
		return;
	log_warning("evacuation", "cordon", "reason=%s",
		    "it is on, and there is no evacuation: it is taken off");
	cordon_set(evacs->env.holds,
		   &(struct cordon_wish){
			   .party = CORDON_EVACUATION, .on = false, .by = "evacuation" },
		   on_cordon_off, NULL);
}

void evacuations_recover(struct evacuations *evacs)
{
	evacs->is_ready = true;
	end_stray_cordon(evacs);
	evacuations_look(evacs);
}
