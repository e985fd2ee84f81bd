/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* wire/placement.h -- where a VM may be, as people say it: a member of its definition that no guest
 * sees, and that plans keep to (plan/plan.h).
 *
 * Labels are those of hosts, and have the syntax of a VM's (wire/labels.h).  Thread: any (pure).
 */
#ifndef MIGRD_WIRE_PLACEMENT_H
#define MIGRD_WIRE_PLACEMENT_H

#include "base/id.h"
#include "base/json.h"

#define PLACEMENT_LABELS_MAX   8    /* in each list */
#define PLACEMENT_LABELS_SIZE  3200 /* of as many of the longest */
#define PLACEMENT_PINS_MAX     16
#define PLACEMENT_PRIORITY_MAX 7

/* What an evacuation does with a VM that cannot be moved. */
enum placement_evacuation {
	PLACEMENT_LEAVE,   /* nothing: it stays, and the evacuation says so */
	PLACEMENT_RESTART, /* stops it, and starts it again where it was, at the end */
	PLACEMENT_SAVE,    /* saves it to a file, to be restored after the evacuation */
	PLACEMENT_EVACUATION_COUNT
};

struct placement {
	char group[ID_NAME_SIZE];    /* has one member on a host at most; "": none */
	char affinity[ID_NAME_SIZE]; /* members should be on one host; "": none */
	/* Labels as text, as wire/labels.h has them; "": none. */
	char requires[PLACEMENT_LABELS_SIZE];        /* that its host must have */
	char forbids[PLACEMENT_LABELS_SIZE];         /* that its host may not have */
	char prefers[PLACEMENT_LABELS_SIZE];         /* that its host should have */
	char pins[PLACEMENT_PINS_MAX][ID_NAME_SIZE]; /* host ids; none: any host */
	size_t pin_count;
	uint64_t priority; /* the highest goes first, and stays last */
	int on_evacuation; /* enum placement_evacuation */
};

extern const struct json_field placement_fields[];

/* What the table cannot check: the labels of each list, and that a pin comes once.  Faults are at
 * POINTER and below. */
bool placement_check(const struct placement *placement, const char *pointer, struct faults *faults);
bool placement_is_empty(const struct placement *placement);
/* False: the VM is pinned to hosts, and HOST is none of them. */
bool placement_pins_allow(const struct placement *placement, const char *host);
/* CHANGES is a JSON merge patch (RFC 7396): null removes a member or a label of a list, a list of
 * pins is replaced.  False and faults at POINTER: what would come of it is no placement, and
 * PLACEMENT is unchanged. */
bool placement_change(struct placement *placement, struct json_object *changes, const char *pointer,
		      struct faults *faults);
/* placement_change() of a VM without a placement would not fail. */
bool placement_check_changes(struct json_object *changes, const char *pointer,
			     struct faults *faults);

#endif
