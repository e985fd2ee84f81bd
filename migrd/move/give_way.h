/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* move/give_way.h -- how long the other transfers of a host give way to a guest that stands still.
 *
 * While it stands still, what it still has to send shares the link with them.  They lose little, as
 * it is over in some milliseconds; but a link may be dead, and guests may stand still one after
 * another without a pause.  So they give way for GIVE_WAY_MAX_MS at most, and get that back as fast
 * as time passes in which they do not: over any longer time they give way for half of it at most.
 *
 * Thread: any (pure).
 */
#ifndef MIGRD_MOVE_GIVE_WAY_H
#define MIGRD_MOVE_GIVE_WAY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define GIVE_WAY_MAX_MS 300
/* For less than this it is not begun. */
#define GIVE_WAY_MIN_MS 20

struct give_way {
	uint64_t used_ms; /* of GIVE_WAY_MAX_MS, at LOOKED_MS */
	uint64_t looked_ms;
	bool is_on;
};

/* STANDING guests, of those that have not stood for long, stand still from now on.  Returns for how
 * long the others give way from now on, if nothing changes; 0: they go on.  WAY was zeroed. */
uint64_t give_way_step(struct give_way *way, size_t standing, uint64_t now_ms);

#endif
