/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* move/outlook.h -- what is to be expected of a move that goes on: one sentence, and the time that
 * it still takes, from the best case to the worst.
 *
 * The worst case is one in which less is sent and the guest changes more than was seen; where that
 * comes to no end, or the guest's rate is not known yet, there is no latest end.
 *
 * Thread: any (pure).
 */
#ifndef MIGRD_MOVE_OUTLOOK_H
#define MIGRD_MOVE_OUTLOOK_H

#include <stdbool.h>
#include <stdint.h>

#include "wire/move_reply.h"

enum outlook_stage {
	OUTLOOK_READY, /* the destination gets ready */
	OUTLOOK_HELD,  /* nothing is sent until both coordinators can finish the move */
	OUTLOOK_ASKED, /* a user has it wait before memory */
	OUTLOOK_TOLD,  /* it waits before memory for the parties that were told of it */
	OUTLOOK_DISKS, /* local disks are copied, memory follows */
	OUTLOOK_MEMORY,
	OUTLOOK_STILL, /* the guest stands still */
	OUTLOOK_FETCH, /* it runs there, and its memory follows */
	OUTLOOK_END,   /* it runs there, and this host tidies up */
	OUTLOOK_BACK,  /* the guest stays */
};

struct outlook_basis {
	enum outlook_stage stage;
	const char *peer;
	uint64_t pass;        /* over the guest's memory; 1 is the first, 0: none has begun */
	uint64_t total_bytes; /* memory of the guest */
	uint64_t left_bytes;  /* of it, to be sent now */
	uint64_t bytes_per_s; /* sent lately; 0: not known */
	bool is_dirty_known;  /* a pass has ended */
	uint64_t dirty_bytes_per_s;
	uint64_t limit_ms;   /* how long the guest may stand still */
	bool is_held;        /* a limit of bandwidth holds what is sent */
	uint64_t elapsed_ms; /* since memory began */
	uint64_t in_pass_ms; /* since the present pass began */
	uint64_t throttle_percent;
	uint64_t disk_left_bytes, disk_bytes_per_s;
	bool can_switch;  /* post-copy may end it */
	bool will_switch; /* its policy does so when nothing else has helped */
	/* So long until the policy of the move ends it, by TIMEOUT, an enum policy_timeout; 0:
	 * never, or nobody knows when. */
	uint64_t deadline_ms;
	int timeout;
};

struct outlook {
	char sentence[MOVE_SENTENCE_SIZE];
	bool has_min, has_max;
	uint64_t min_ms, max_ms; /* until the guest runs there and has its memory */
};

struct outlook outlook_of(const struct outlook_basis *basis);

#endif
