/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* maintenance/judge.h -- which host of a maintenance is the next, and whether that is over.  Pure:
 * no clock, no I/O.  Thread: any. */
#ifndef MIGRD_MAINTENANCE_JUDGE_H
#define MIGRD_MAINTENANCE_JUDGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

#define JUDGE_NONE SIZE_MAX /* no host */

enum judge_phase { JUDGE_TODO, JUDGE_UNDER_WAY, JUDGE_ENDED };

struct judge_host {
	enum judge_phase phase;
	const char *rack; /* "": not known, and then nobody else's */
	bool is_checking; /* and so not known to others as one that takes no guests */
	bool is_own;      /* of the conductor: it comes last, and alone */
	bool has_go;      /* a person has let it begin */
	bool waits;       /* under way, and a person has to say go */
	bool has_failed;
	bool is_unsure; /* it has ended, and may still be being emptied */
};

struct judge_view {
	const struct judge_host *hosts;
	size_t count;
	uint64_t at_once, failures; /* never 0 */
	bool by_rack, pause;        /* wire/maintenance_request.h */
	bool is_paused, is_stopping;
};

enum judge_what {
	JUDGE_NOTHING, /* what is under way goes on */
	JUDGE_BEGIN,   /* HOST */
	JUDGE_WAIT,    /* a person has to say go for HOST, or resume (JUDGE_NONE) */
	JUDGE_STOP,    /* too many have failed */
	JUDGE_STUCK,   /* none may begin, and nothing that would end is under way */
	JUDGE_OVER     /* nothing is left */
};

struct judge_verdict {
	enum judge_what what;
	size_t host;
};

struct judge_verdict judge_next(const struct judge_view *view);

/* ---- an order ---------------------------------------------------------------- */

struct judge_member {
	bool is_ordered;               /* is to be maintained */
	bool takes;                    /* takes guests now */
	uint64_t memory_mib, used_mib; /* for guests, and of them that guests have */
};

/* CONFLICT: no host would be left to take guests, or not enough memory, when AT_ONCE of the hosts
 * are empty. */
bool judge_order(const struct judge_member *members, size_t count, uint64_t at_once,
		 struct err *err);

#endif
