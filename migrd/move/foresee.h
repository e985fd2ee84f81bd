/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* move/foresee.h -- what this host knows for the forecast of a move: what earlier moves to the same
 * host have shown, what is asked for, and how much memory QEMU has.  Thread: loop, unless said
 * otherwise. */
#ifndef MIGRD_MOVE_FORESEE_H
#define MIGRD_MOVE_FORESEE_H

#include "forecast/forecast.h"
#include "move/move.h"
#include "vm/dirty.h"

struct transfer_plan;

/* Fills what earlier moves to PEER tell, and one under way: the link, of moves that no limit held
 * back and that were long enough; what a move takes beside its data, of moves with disks if
 * RET->disk_bytes is set; by how much forecasts were missed.  And what a probe told. */
void foresee_history(struct moves *moves, const char *peer, struct forecast_input *ret);
/* The rate of the link to PEER is known by moves, and not from long ago. */
bool foresee_knows_link(struct moves *moves, const char *peer);
/* Fills what OPTIONS ask for, and what PLAN (may be NULL) says.  The destination would let LET_COME
 * bytes a second come; 0: all. */
void foresee_request(const struct moves *moves, const struct move_options *options,
		     const struct transfer_plan *plan, uint64_t let_come,
		     struct forecast_input *ret);
/* How long a transfer of what INPUT has may take by POLICY; 0: as long as it wants. */
uint64_t foresee_deadline_ms(const struct policy *policy, const struct forecast_input *input);
struct foresee_guest {
	const char *vm_uuid;
	uint64_t memory_bytes, resident_bytes; /* foresee_resident_blocking() */
};
/* Fills memory_bytes, resident_bytes, nonzero_bytes and dirty. */
void foresee_memory(struct moves *moves, const struct foresee_guest *guest,
		    const struct vm_dirty *dirty, uint64_t now_ms, struct forecast_input *ret);
/* How much of a guest's memory of MEMORY_BYTES its QEMU has had to provide: what was never written
 * is zero, and takes nothing.  By /proc/PID/smaps, of the mappings of just that size; if there is
 * none (NUMA nodes), of the whole process.  0: it cannot be read.  Thread: a worker, since it may
 * take a second for a hundred GiB. */
uint64_t foresee_resident_blocking(pid_t pid, uint64_t memory_bytes);

/* Source: makes the forecast of a move whose plan is made, and keeps it with the move, if its guest
 * was sampled by a dry run in the last minute and nobody is to release it.  A move does not wait
 * for a sample. */
void foresee_move(struct move *move);
/* Source, at the end of a move that is done: counts how well its forecast was met. */
void foresee_compare(struct move *move);

#endif
