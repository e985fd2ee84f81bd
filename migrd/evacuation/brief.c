/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* An evacuation in short, for the conductor of a maintenance. */
#include "evacuation/priv.h"

/* Forecasts change with the time alone: so old they may be. */
#define BRIEF_MS 5000

/* Its moves are kept as long as the store keeps them. */
static void add_blackout(struct moves *moves, const struct evacuation_reply *reply,
			 struct peer_evacuation *ret)
{
	for (size_t i = 0; i < reply->vm_count; i++) {
		const char *id = reply->vms[i].move;
		const struct move *move = id ? moves_find(moves, id) : NULL;
		struct move_reply shown;

		if (!move)
			continue;
		shown = move_show(move);
		if (!shown.is_measured || !shown.measured.has_blackout ||
		    (ret->has_blackout && ret->blackout_ms >= shown.measured.blackout_ms))
			continue;
		ret->has_blackout = true;
		ret->blackout_ms = shown.measured.blackout_ms;
	}
}

/* What was said last, and what it was said of. */
struct evac_brief {
	struct peer_evacuation told;
	uint64_t news, at_ms;
	unsigned state;
};

static bool is_good(const struct evacuation *evac, uint64_t now_ms)
{
	const struct evac_brief *brief = evac->brief;

	return brief && brief->news == evac->news && !evac->now.is_news &&
	       brief->state == evac->machine.state && !evac->machine.is_saving &&
	       now_ms - brief->at_ms < BRIEF_MS;
}

const struct peer_evacuation *evacuation_brief_of(struct evacuation *evac)
{
	const uint64_t now_ms = loop_now_ms(evac->evacs->env.loop);

	if (is_good(evac, now_ms))
		return &evac->brief->told;
	if (!evac->brief)
		evac->brief = xnew(struct evac_brief);
	evacuation_brief(evac->evacs, evacuation_show(evac), &evac->brief->told);
	evac->brief->news = evac->news;
	evac->brief->at_ms = now_ms;
	evac->brief->state = evac->machine.state;
	return &evac->brief->told;
}

void evacuation_brief(const struct evacuations *evacs, const struct evacuation_reply *reply,
		      struct peer_evacuation *ret)
{
	peer_evacuation_of(reply, ret);
	add_blackout(evacs->env.moves, reply, ret);
}
