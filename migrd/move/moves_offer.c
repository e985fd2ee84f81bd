/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* An offered guest: this host is looked at before the move is made. */
#include <string.h>

#include "base/log.h"
#include "base/mem.h"
#include "hold/hold.h"
#include "move/priv.h"
#include "move/rehearsed.h"

struct waiter {
	struct waiter *next;
	moves_offered_fn *fn;
	void *data;
};

/* DEADLINE and WAITERS end with the answer; all else is kept until the work is done. */
struct offer_look {
	struct fair_work work;
	struct moves *moves;
	struct offer_look *next;
	struct loop_timer *deadline;
	struct preflight *preflight;
	struct rehearsed *rehearsed; /* of a trial; NULL: QEMU would not start anyway */
	struct waiter *waiters;
	bool is_answered;
	char source[ID_NAME_SIZE];
	uint64_t generation;
	struct json_object *definition, *plan;
	struct move_options options;
	bool run, stopped, is_trial;
	bool autostart_due;
	uint64_t hold_s;
};

static struct offer_look *find(const struct moves *moves, const char *id, bool is_trial)
{
	struct offer_look *look = moves->looks;

	while (look && (look->is_answered || look->is_trial != is_trial ||
			strcmp(look->preflight->id, id) != 0))
		look = look->next;
	return look;
}

static void look_free(struct offer_look *look)
{
	struct offer_look **link = &look->moves->looks;

	while (*link != look)
		link = &(*link)->next;
	*link = look->next;
	preflight_free(look->preflight);
	rehearsed_free(look->rehearsed);
	json_object_put(look->definition);
	json_object_put(look->plan);
	free(look);
}

static void answer(struct offer_look *look, struct move *move,
		   const struct preflight_reasons *reasons, const struct err *err)
{
	struct waiter *waiters = TAKE_PTR(look->waiters);

	look->is_answered = true;
	loop_timer_free(TAKE_PTR(look->deadline));
	while (waiters) {
		struct waiter *waiter = waiters;

		waiters = waiter->next;
		waiter->fn(waiter->data, move, reasons, err);
		free(waiter);
	}
}

/* ---- the end of a look ------------------------------------------------------------- */

static void log_reasons(const struct offer_look *look, const struct preflight_reasons *reasons)
{
	for (size_t i = 0; i < reasons->count; i++) {
		if (!reasons->list[i].is_warning &&
		    noise_note(look->moves->noise, look->source, reasons->list[i].text))
			log_warning("move", "refused", "move=%s peer=%s check=%s reason=%s",
				    look->preflight->id, look->source, reasons->list[i].check,
				    reasons->list[i].text);
	}
}

static struct move_offer offer_of(const struct offer_look *look)
{
	return (struct move_offer){
		.id = look->preflight->id,
		.source = look->source,
		.generation = look->generation,
		.definition = look->definition,
		.plan = look->plan,
		.options = look->options,
		.run = look->run,
		.stopped = look->stopped,
		.autostart_due = look->autostart_due,
		.hold_s = look->hold_s,
	};
}

static void take(struct offer_look *look)
{
	const struct move_offer offer = offer_of(look);
	struct err err;
	struct move *move = moves_offered(look->moves, &offer, &err);

	if (move && !move->offer.compared && move->machine.state == MOVE_STATE_PREPARE) {
		move->offer.compared = TAKE_PTR(look->preflight);
		move->offer.was_compared = move->offer.compared->has_evidence;
	}
	answer(look, move, NULL, move ? NULL : &err);
}

static void judge(struct offer_look *look)
{
	struct preflight_reasons *reasons = xnew(struct preflight_reasons);
	struct err err;

	preflight_judge(look->preflight, reasons);
	if (look->is_trial) {
		const struct move_offer offer = offer_of(look);

		moves_judge_offer(look->moves, &offer, reasons);
		if (look->rehearsed)
			rehearsed_judge(look->rehearsed, look->preflight->there, reasons);
		answer(look, NULL, reasons, NULL);
	} else if (preflight_blocks(reasons)) {
		log_reasons(look, reasons);
		preflight_to_err(reasons, &err);
		answer(look, NULL, reasons, &err);
	} else {
		take(look);
	}
	free(reasons);
}

static void run_look(struct fair_work *work)
{
	struct offer_look *look = (struct offer_look *)work;

	preflight_look_blocking(look->preflight);
	if (look->rehearsed)
		rehearsed_run_blocking(look->rehearsed);
}

static void look_done(struct fair_work *work)
{
	struct offer_look *look = (struct offer_look *)work;

	if (!look->is_answered)
		judge(look);
	look_free(look);
}

static void on_deadline(void *data)
{
	struct offer_look *look = data;
	struct err err;

	err_set(&err, ERR_UNAVAILABLE,
		"the storage of the guest's images did not answer host '%s' in %u s: mend it, and "
		"try again",
		look->moves->env.host_id, look->moves->env.prepare_timeout_ms / 1000);
	answer(look, NULL, NULL, &err);
}

/* ---- the beginning ------------------------------------------------------------------ */

/* A QEMU without the machine or without KVM would only repeat what vms_may_run() tells. */
static struct rehearsed *rehearse(const struct moves *moves, const struct move_offer *offer,
				  const struct vm_def *def)
{
	struct err ignored;

	return offer->is_trial && vms_may_run(moves->env.vms, def, &ignored)
		       ? rehearsed_new(vms_qemu_binary(moves->env.vms), def)
		       : NULL;
}

static bool decode(const struct moves *moves, const struct move_offer *offer,
		   struct preflight **ret, struct rehearsed **ret_rehearsed, struct err *err)
{
	CLEANUP(free_planp) struct transfer_plan *plan = move_plan_decode(offer->plan, err);
	struct vm_def *def = xnew(struct vm_def);
	struct evidence *there = offer->evidence ? xnew(struct evidence) : NULL;
	bool ok = plan && move_offer_decode(offer, def, err) &&
		  (!there || evidence_decode(offer->evidence, there, err));

	if (ok) {
		*ret_rehearsed = rehearse(moves, offer, def);
		*ret = preflight_new(offer->id, offer->source, def, TAKE_PTR(there),
				     &(struct preflight_images){ .rules = &moves->env.storage,
								 .copies = plan->disks,
								 .copy_count = plan->disk_count });
		(*ret)->fetches = transfer_plan_has_postcopy(plan);
	}
	free(there);
	free(def);
	return ok;
}

/* A look counts until it ends, so one at storage that does not answer counts on. */
static bool may_look(const struct moves *moves, const char *source, struct err *err)
{
	size_t count = fair_worker_count(moves->looker, source);

	if (count < moves->env.offers_max)
		return true;
	return err_set(err, ERR_LIMIT,
		       "host '%s' is still looking at the storage of %zu other guests that host "
		       "'%s' offers: wait for them, or raise offers_max there",
		       moves->env.host_id, count, source);
}

static struct offer_look *look_new(struct moves *moves, const struct move_offer *offer,
				   struct err *err)
{
	struct rehearsed *rehearsed = NULL;
	struct preflight *preflight;
	struct offer_look *look;

	if (!moves_may_add(moves, offer->source, err) || !may_look(moves, offer->source, err) ||
	    (!offer->is_trial &&
	     (!cordon_lets_in(moves->env.holds, err) || !moves_hold_allows(moves, offer, err) ||
	      !moves_have_place(moves, offer, err))) ||
	    !decode(moves, offer, &preflight, &rehearsed, err))
		return NULL;
	look = xnew(struct offer_look);
	look->moves = moves;
	look->preflight = preflight;
	look->rehearsed = rehearsed;
	look->generation = offer->generation;
	look->options = offer->options;
	look->run = offer->run;
	look->stopped = offer->stopped;
	look->autostart_due = offer->autostart_due;
	look->hold_s = offer->hold_s;
	look->is_trial = offer->is_trial;
	look->definition = json_object_get(offer->definition);
	look->plan = json_object_get(offer->plan);
	snprintf(look->source, sizeof(look->source), "%s", offer->source);
	look->deadline = loop_timer_new(moves->env.loop, on_deadline, look);
	loop_timer_start(look->deadline, moves->env.prepare_timeout_ms);
	look->work.run = run_look;
	look->work.done = look_done;
	look->next = moves->looks;
	moves->looks = look;
	fair_worker_submit(moves->looker, look->source, &look->work);
	return look;
}

bool moves_offer(struct moves *moves, const struct move_offer *offer, moves_offered_fn *fn,
		 void *data, struct err *err)
{
	struct offer_look *look = find(moves, offer->id, offer->is_trial);
	struct waiter *waiter;

	if (!look)
		look = look_new(moves, offer, err);
	if (!look)
		return false;
	if (strcmp(look->source, offer->source) != 0)
		return err_set(err, ERR_FORBIDDEN, "move %s is not one from host '%s'", offer->id,
			       offer->source);
	waiter = xnew(struct waiter);
	waiter->fn = fn;
	waiter->data = data;
	waiter->next = look->waiters;
	look->waiters = waiter;
	return true;
}

void moves_offers_clear(struct moves *moves)
{
	struct err err;

	err_set(&err, ERR_UNAVAILABLE, "host '%s' is stopping", moves->env.host_id);
	for (struct offer_look *look = moves->looks; look; look = look->next)
		answer(look, NULL, NULL, &err);
}
