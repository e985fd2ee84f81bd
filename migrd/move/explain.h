/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* move/explain.h -- why a move that has ended took as long as it did, in a few sentences.
 *
 * Thread: any (pure).
 */
#ifndef MIGRD_MOVE_EXPLAIN_H
#define MIGRD_MOVE_EXPLAIN_H

#include <stdbool.h>
#include <stdint.h>

#include "wire/move_reply.h"

/* How a decision begins that a user made, or that was only said. */
#define MOVE_DECIDED_BY_USER "on request: "
#define MOVE_NOT_DECIDED     "would have decided: "

enum explain_end { EXPLAIN_DONE, EXPLAIN_STAYED, EXPLAIN_LOST };

/* Times are in ms; 0: that did not happen, or is not known. */
struct explain_basis {
	enum explain_end end;
	const char *destination;
	bool is_still; /* the guest did not run, before and in the move */
	uint64_t total_ms;
	uint64_t prepare_ms;   /* until the destination was ready */
	uint64_t disks_ms;     /* from there until memory began, but for the next two */
	uint64_t hold_ms;      /* it was held before memory, as was asked for */
	uint64_t parties_ms;   /* memory waited for the parties that were told */
	const char *delays;    /* of them, who had asked for one: "party 'a' had ..."; "": nobody */
	uint64_t memory_ms;    /* from there until the guest stood still, or to the end */
	uint64_t still_ms;     /* until it ran there, as it was measured or else at most */
	uint64_t last_pass_ms; /* of that, until QEMU had sent all */
	uint64_t fetch_ms;     /* post-copy: from there until its memory was there */
	uint64_t tidy_ms;      /* from there to the end */
	uint64_t disk_bytes;
	uint64_t ram_bytes, sent_bytes, passes;
	uint64_t limit_bytes_per_s;   /* of the bandwidth; 0: none */
	uint64_t budget_bytes_per_s;  /* the least that the host's budget let it send; 0: all */
	uint64_t dirty_bytes_per_s;   /* the most that was seen in a pass */
	uint64_t throttle_percent;    /* likewise */
	const char *decision; /* the last one, while memory was sent; NULL: there was none */
	const char *policy;   /* that made it, unless it begins as below */
	uint64_t held_ms, held_count; /* nothing was sent, since one host could not finish */
	uint64_t rejoins;             /* post-copy: data streams that were lost and made again */
	bool has_outage;
	uint64_t outage_ms; /* the network saw nothing of the guest */
};

void explain(const struct explain_basis *basis, char ret[MOVE_EXPLANATION_SIZE]);

#endif
