/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* move/outage.h -- how long the network saw nothing of a guest that was moved: from the last frame
 * that it sent before its stop to the first one of its own after that.
 *
 * Two hosts saw these frames, each by its own clock, so the difference is taken out as it is of the
 * blackout (move/clocks.h).  The guest's own silence is part of it: one that sends a frame each
 * second may have been quiet for nearly a second longer than it was out of reach.
 *
 * Thread: any (pure).
 */
#ifndef MIGRD_MOVE_OUTAGE_H
#define MIGRD_MOVE_OUTAGE_H

#include "move/clocks.h"
#include "wire/move_reply.h"
#include "wire/nic_frames.h"

/* So long frames of a guest that runs on are waited for. */
#define OUTAGE_WAIT_MS 10000

struct outage_basis {
	const struct nic_frames_list *here; /* of the source */
	/* Of the host where the guest runs on, which is HERE if it has come back; NULL: not told,
	 * and NO_WORD says why. */
	const struct nic_frames_list *there;
	const char *no_word;
	const char *source, *host; /* where it ran, and runs on */
	const struct clocks *clocks;
	uint64_t clocks_at_us; /* the monotonic clock then */
};

/* What LIST has of NIC; NULL: nothing. */
const struct nic_frames *outage_nic(const struct nic_frames_list *list, const char *nic);
/* Fills the outage of RET, and the rows of its NICs. */
void outage_of(const struct outage_basis *basis, struct move_measured *ret);

#endif
