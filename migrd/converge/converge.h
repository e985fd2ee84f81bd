/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* converge/converge.h -- how a transfer comes to its end, although the guest goes on changing its
 * memory.
 *
 * QEMU stops the guest as soon as it thinks that the rest can be sent within its downtime-limit.
 * So a guest that leaves less and less is stopped for the whole limit, and one that does not is
 * sent for ever.  Here is decided, after each pass and at the deadline, what QEMU is told:
 *
 *   1. Its limit is an eighth of what may be used, so that the stop is short.  The transfer may
 *      take 3 % longer for that than plain QEMU would have taken, with its stop; when the next pass
 *      would take longer, the limit is the whole.  So it is after the first pass where a limit of
 *      bandwidth holds the transfer: the stop has none, and QEMU, if it looks earlier, need not
 *      send what the guest changes again before its turn comes.
 *   2. Two passes that leave no less than before: the limit is raised, step by step, if the least
 *      that was left so far can be sent within the policy's ceiling.
 *   3. Else the guest's CPUs are slowed down, by as much as it takes, again if two passes with that
 *      in force are not enough.
 *   4. Then the guest goes over by post-copy; if it may not, the limit is the ceiling.
 *   5. At the deadline the policy's `timeout' is carried out; `force' and `pause' in its last fifth
 *      already, when no more is left than at any time before, and passes bring no progress.
 *
 * A user who wants the end now is served before all that: the limit is the ceiling at once, or QEMU
 * is forced.
 *
 * Pure: the same input gives the same decision.  Thread: any.
 */
#ifndef MIGRD_CONVERGE_CONVERGE_H
#define MIGRD_CONVERGE_CONVERGE_H

#include "converge/history.h"
#include "wire/policy.h"

#define CONVERGE_WHY_SIZE     300
#define CONVERGE_LIMIT_MAX_MS 2000000 /* QEMU's own, of downtime-limit */

enum converge_action {
	CONVERGE_NONE,
	CONVERGE_LIMIT,    /* value: the guest may stand still for so many ms */
	CONVERGE_THROTTLE, /* value: its CPUs are slowed down by so many percent */
	CONVERGE_POSTCOPY,
	CONVERGE_FORCE, /* QEMU stops it as soon as it can, for as long as it takes */
	CONVERGE_CANCEL,
	CONVERGE_ACTION_COUNT
};
extern const char *const converge_action_names[];

/* What a user asks for. */
enum converge_wish {
	CONVERGE_WISH_NONE,
	CONVERGE_WISH_END,   /* as soon as the rest fits into what is allowed */
	CONVERGE_WISH_FORCE, /* now, for as long as the rest takes */
};

struct converge_basis {
	const struct converge_history *history;
	const struct policy *policy;
	uint64_t downtime_limit_ms;      /* as asked for; the policy's has been looked at */
	uint64_t bandwidth_bytes_per_s;  /* at most, while the guest runs; 0: no limit */
	uint64_t deadline_ms;            /* on the clock of the history; 0: none */
	bool can_throttle, can_postcopy; /* QEMU was told before it began */
	/* What was decided before, and when: 0: not. */
	uint64_t raised_ms, raised_at_ms;
	uint64_t throttle_percent, throttled_at_ms;
	/* As QEMU says now, also in the midst of a pass; 0: not known. */
	uint64_t left_bytes, sent_bytes_per_s;
	enum converge_wish wish;
};

struct converge_decision {
	enum converge_action action;
	uint64_t value;
	uint64_t rest_ms; /* FORCE: how long the rest takes as it looks */
	bool is_wish;     /* a user has asked for it, and not the policy */
	char why[CONVERGE_WHY_SIZE];
};

/* At the end of a pass, and at the deadline.  After LIMIT and THROTTLE, which are in BASIS from
 * then on, the next passes are waited for; the others are the last. */
struct converge_decision converge_decide(const struct converge_basis *basis, uint64_t now_ms);
/* What is still to be done of the wish in BASIS, at any time; NONE: nothing, or there is none. */
struct converge_decision converge_grant(const struct converge_basis *basis, uint64_t now_ms);
/* What would be sent if the guest were stopped now: what is left, and what it has changed since the
 * last pass ended. */
struct converge_rest {
	uint64_t left_bytes;
	uint64_t sent_bytes_per_s; /* 0: not known yet */
	uint64_t ms;               /* so long it would stand still; 0 if that is not known */
};
struct converge_rest converge_rest(const struct converge_basis *basis, uint64_t now_ms);
/* How long the guest may stand still when a user wants the end: never less than was asked for. */
uint64_t converge_end_limit_ms(const struct converge_basis *basis);
/* QEMU's downtime-limit at NOW_MS, from 1 to what was asked for or raised. */
uint64_t converge_limit_ms(const struct converge_basis *basis, uint64_t now_ms);
/* A limit of bandwidth holds what is sent.  Neither QEMU nor the stream holds to it while the guest
 * stands still, so the stop is short without being waited for. */
bool converge_is_held(uint64_t bandwidth_bytes_per_s, uint64_t sent_bytes_per_s);
/* The same rule for who says what will be: would the guest be stopped at the end of a pass? */
struct converge_stop {
	uint64_t limit_ms;
	double left_ms;    /* in which what the pass leaves is sent */
	double elapsed_ms; /* since the beginning */
	bool is_held; /* a limit of bandwidth holds what is sent, and a pass has ended before */
};
/* *PLAIN_END_MS is when plain QEMU would have been done; 0 at first. */
bool converge_would_stop(const struct converge_stop *at, double *plain_end_ms);
/* QEMU's limit until that rule has it raised. */
uint64_t converge_first_limit_ms(uint64_t limit_ms);

#endif
