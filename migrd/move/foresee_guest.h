/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* move/foresee_guest.h -- how much a move that is to come will send, and what it takes beside that,
 * without a question to anybody: the queue wants it of each guest that waits.
 *
 * By the last sample of the guest's writes, if there is one; else by what the last move of this VM
 * has sent; else by the size of its memory, of which as much is sent as the last moves did of
 * theirs.  Local disks count, in each case, as an earlier move of the VM has shown them.  Thread:
 * loop.
 */
#ifndef MIGRD_MOVE_FORESEE_GUEST_H
#define MIGRD_MOVE_FORESEE_GUEST_H

#include "forecast/forecast.h"
#include "move/move.h"

enum foreseen_by {
	FORESEEN_BY_SAMPLE,
	FORESEEN_BY_EARLIER_MOVE,
	FORESEEN_BY_SIZE,
	FORESEEN_BY_COUNT
};

struct foreseen {
	enum foreseen_by by;
	struct forecast_value bytes;     /* over the link; of a stopped VM those of disks */
	uint64_t disk_bytes;             /* of BYTES, those of local disks */
	struct forecast_value beside_ms; /* what the move takes beside them */
	uint64_t limit_bytes_per_s;      /* its own, by request or policy; 0: none */
};

struct foresee_question {
	struct vm *vm;
	const char *policy;                   /* as in struct move_wish */
	const struct move_options *options;   /* likewise, with the configuration's limits */
	const struct forecast_input *history; /* of foresee_history() */
};
void foresee_guest(struct moves *moves, const struct foresee_question *question,
		   struct foreseen *ret);
/* The same of a MOVE away that has begun and sends nothing yet.  False: its VM is gone. */
bool foresee_begun(const struct move *move, const struct forecast_input *history,
		   struct foreseen *ret);

#endif
