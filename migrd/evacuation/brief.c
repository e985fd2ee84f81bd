/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* An evacuation in short, for the conductor of a maintenance. */
#include "evacuation/priv.h"

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

void evacuation_brief(const struct evacuations *evacs, const struct evacuation_reply *reply,
		      struct peer_evacuation *ret)
{
	peer_evacuation_of(reply, ret);
	add_blackout(evacs->env.moves, reply, ret);
}
