/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* wire/policy.h -- how a move may treat its guest: what it may cost, and what happens when the
 * guest changes its memory faster than the link takes it.
 *
 * A policy is data.  Some are built in; a user makes others, which the store keeps.  A move
 * takes a copy when it begins, so a policy that is changed later changes no move.
 *
 * Thread: any (pure).
 */
#ifndef MIGRD_WIRE_POLICY_H
#define MIGRD_WIRE_POLICY_H

#include "base/id.h"
#include "base/json.h"
#include "wire/labels.h"
#include "wire/transfer_plan.h"

#define POLICY_DESCRIPTION_SIZE 200
#define POLICY_WHY_SIZE         240
#define POLICY_DEFAULT          "default" /* of a move for which nobody says another */

/* When a move goes over to post-copy.  All but NEVER arm it: QEMU must be told before it sends. */
enum policy_postcopy {
	POLICY_POSTCOPY_NEVER,
	POLICY_POSTCOPY_MANUAL,    /* when a user asks for it */
	POLICY_POSTCOPY_IF_NEEDED, /* when the transfer does not come to its end otherwise */
	POLICY_POSTCOPY_FIRST_PASS,
};

/* What happens at the deadline of a transfer. */
enum policy_timeout {
	POLICY_TIMEOUT_CANCEL,   /* the move is cancelled, the guest stays */
	POLICY_TIMEOUT_FORCE,    /* the guest stands still for as long as the rest takes */
	POLICY_TIMEOUT_POSTCOPY, /* the guest runs on there, and its memory follows */
	POLICY_TIMEOUT_PAUSE,    /* the guest is paused here until all is there */
};

struct policy {
	char name[ID_NAME_SIZE];
	char description[POLICY_DESCRIPTION_SIZE];
	uint64_t bandwidth_bytes_per_s; /* 0: no limit; not given: the configuration's */
	uint64_t downtime_limit_ms;     /* not given: the configuration's */
	uint64_t outage_ping_ms; /* the guest is asked for answers so often; 0: never; likewise */
	bool has_bandwidth, has_downtime_limit, has_outage_ping;
	uint64_t downtime_ceiling_ms; /* the limit may be raised to that; 0: it is not raised */
	uint64_t channels;            /* connections of memory (multifd); 0: one, without multifd */
	int compression;              /* enum transfer_compression; only with channels */
	uint64_t throttle_max_percent; /* the guest's CPUs may be slowed by that; 0: never */
	int postcopy;                  /* enum policy_postcopy */
	/* A transfer may take the sum of both; 0 and 0: as long as it wants. */
	uint64_t deadline_s, deadline_s_per_gib; /* of memory and of local disks */
	int timeout;                             /* enum policy_timeout */
	bool observe;                            /* only say what would be decided */
};

/* A policy as users make it. */
struct policy_def {
	struct policy policy;
	/* Labels (wire/labels.h) that all must match; "": it is never chosen by labels. */
	char selector[LABELS_SIZE];
};

/* Who says which policy a move has; the first that says one, in this order. */
enum policy_from {
	POLICY_FROM_REQUEST,
	POLICY_FROM_VM,
	POLICY_FROM_LABEL, /* its selector matches the VM's labels */
	POLICY_FROM_DEFAULT,
};

/* How a move came to its policy. */
struct policy_origin {
	int from;                         /* enum policy_from */
	char why[POLICY_WHY_SIZE];        /* in words */
	char overridden[POLICY_WHY_SIZE]; /* what the move was told otherwise: "a, b"; "": nothing
					   */
};

extern const char *const policy_postcopy_names[], *const policy_timeout_names[];
extern const struct json_field policy_fields[];
extern const struct json_field policy_def_fields[];
extern const struct json_field policy_origin_fields[];

/* Those that every host has, POLICY_DEFAULT first. */
extern const struct policy policy_built_in[];
extern const size_t policy_built_in_count;
/* NULL: none of that name is built in. */
const struct policy *policy_find_built_in(const char *name);
/* POLICY_DEFAULT without a deadline: of a move that an older migrd began, and of one that another
 * host sends here. */
struct policy policy_of_before(void);

/* Sets all of *RET, which must not be used after false.  A policy that contradicts itself is a
 * fault for each contradiction. */
bool policy_decode(struct json_object *obj, struct policy *ret, struct faults *faults);
bool policy_def_decode(struct json_object *obj, struct policy_def *ret, struct faults *faults);
/* How long a transfer of BYTES may take, in ms; 0: as long as it wants. */
uint64_t policy_deadline_ms(const struct policy *policy, uint64_t bytes);

#endif
