/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* move/passes.h -- the passes of a transfer over the guest's memory: what each sent, how long it
 * took, how fast the guest changed memory meanwhile, and what was decided.
 *
 * A row is one pass, or several that follow each other: at most PASSES_MAX rows are kept, and when
 * there are more, the two neighbours that took the least time become one.  So sums stay right,
 * and what took long stays apart.
 *
 * Thread: any (pure).
 */
#ifndef MIGRD_MOVE_PASSES_H
#define MIGRD_MOVE_PASSES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "wire/move_reply.h"

#define PASSES_MAX    24
#define PASSES_RECENT 8

struct passes {
	struct move_pass rows[PASSES_MAX];
	size_t count;
	/* What was sent in all at the newest moments, half a second apart; not recorded. */
	struct {
		uint64_t at_ms, sent_bytes;
	} recent[PASSES_RECENT];
	size_t recent_count;
};

/* What QEMU says at one moment. */
struct passes_sample {
	uint64_t pass;  /* 0: none has begun */
	uint64_t at_ms; /* since memory began to be sent */
	uint64_t sent_bytes, left_bytes;
	uint64_t dirty_pages_per_s, throttle_percent;
	bool is_end; /* QEMU has sent all, and tells neither what is left nor a rate */
};

/* Takes a sample into account; one of an earlier pass, or of an earlier time, is ignored. */
void passes_note(struct passes *passes, const struct passes_sample *sample);
/* What was sent in the last seconds, in bytes per second: a link that becomes slow shows in the
 * midst of a pass.  Where nothing was, or a restart has forgotten them, by the newest passes that
 * took a second together, or by all; 0: not known. */
uint64_t passes_bytes_per_s(const struct passes *passes);
/* What the fastest of the passes got that have ended and were long enough to tell, in bytes per
 * second: what the link takes, also where later passes had little to send; 0: not known. */
uint64_t passes_top_bytes_per_s(const struct passes *passes);
/* Sets what was decided for the pass that runs, cut to fit; without one it is lost. */
void passes_decide(struct passes *passes, const char *decision);

#endif
