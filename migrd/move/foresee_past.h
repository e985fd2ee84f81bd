/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* move/foresee_past.h -- single figures of a move that has been made, for the forecast of the next.
 * Private to the forecast of the layer.  Thread: loop. */
#ifndef MIGRD_MOVE_FORESEE_PAST_H
#define MIGRD_MOVE_FORESEE_PAST_H

#include "move/priv.h"

/* Milliseconds; 0: one of the two was not reached. */
double foresee_ms_between(const struct move *move, enum move_stamp from, enum move_stamp to);
/* From the request to the end, without what it waited for a release and for parties; 0: it has not
 * ended. */
double foresee_duration_ms(const struct move *move);
/* What the first pass has sent, or all, if it is not told by pass. */
uint64_t foresee_first_pass_bytes(const struct move *move);

#endif
