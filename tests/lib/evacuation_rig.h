/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* tests/lib/evacuation_rig.h -- the evacuations of host a of move_rig.h, which has a peer b. */
#ifndef MIGRD_TESTS_LIB_EVACUATION_RIG_H
#define MIGRD_TESTS_LIB_EVACUATION_RIG_H

#include "capacity/capacity.h"
#include "evacuation/priv.h"
#include "move_rig.h"

static struct capacity *capacity;
static struct evacuations *evacs;

static inline void evacuation_set_up(void)
{
	static const char *ids[] = { "b", NULL };

	rig_set_up();
	capacity = capacity_new(&(struct capacity_env){ .loop = rig.loop,
							.vms = rig.vms,
							.moves = rig.moves,
							.peers = rig.peers,
							.peer_ids = ids,
							.host_id = "a",
							.settings = { .ask_every_s = 10 } });
	evacs = evacuations_new(&(struct evacuations_env){ .loop = rig.loop,
							   .store = rig.store,
							   .vms = rig.vms,
							   .moves = rig.moves,
							   .policies = rig.policies,
							   .holds = rig.holds,
							   .capacity = capacity,
							   .peers = rig.peers,
							   .host_id = "a" });
}

static inline void evacuation_tear_down(void)
{
	evacuations_clear(evacs);
	capacity_end(capacity);
	rig_advance(CAPACITY_ASK_MS + 10000); /* the last questions end */
	capacity_free(capacity);
	evacuations_free(evacs);
	rig_tear_down();
}

#endif
