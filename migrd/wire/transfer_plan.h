/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* wire/transfer_plan.h -- the plan of a transfer: how a guest's state goes to the other host.
 *
 * The source makes the plan before the destination is asked for anything, records it with
 * the move, and sends it with `prepare'; both sides set what it says and nothing else.  It
 * depends only on what both QEMUs offer: the same input gives the same plan.
 *
 * Thread: any.  Source of the names: QEMU qapi/migration.json.
 */
#ifndef MIGRD_WIRE_TRANSFER_PLAN_H
#define MIGRD_WIRE_TRANSFER_PLAN_H

#include "base/json.h"
#include "wire/transfer_channel.h"

#define TRANSFER_NAME_SIZE      40
#define TRANSFER_WHY_SIZE       160
#define TRANSFER_CAPABILITY_MAX 64 /* QEMU 11.1 has 27 */

/* What a QEMU offers, from its answer to query-migrate-capabilities. */
struct transfer_features {
	char capabilities[TRANSFER_CAPABILITY_MAX][TRANSFER_NAME_SIZE];
	size_t capability_count;
};

struct transfer_capability {
	char name[TRANSFER_NAME_SIZE];
	bool on;
	char why[TRANSFER_WHY_SIZE];
};

struct transfer_plan {
	/* Those that migrd knows, in the order of its table; others stay as QEMU has them. */
	struct transfer_capability capabilities[TRANSFER_CAPABILITY_MAX];
	size_t capability_count;
	struct transfer_channel channels[TRANSFER_CHANNEL_MAX];
	size_t channel_count;
};

extern const struct json_field transfer_features_fields[];
extern const struct json_field transfer_plan_fields[];

/* Error QEMU: one of the two lacks what every move needs; ERR names it and the side.
 * SOURCE or DESTINATION is NULL if that coordinator has not told what its QEMU offers.  All
 * capabilities are then assumed, and that QEMU itself refuses one that it lacks. */
bool transfer_plan_make(const struct transfer_features *source,
			const struct transfer_features *destination, struct transfer_plan *ret,
			struct err *err);
/* Of a record, or of another coordinator's offer: RET is zeroed.  INVALID: it is no plan, two
 * of its channels have one name, or it has none for memory. */
bool transfer_plan_decode(struct json_object *obj, struct transfer_plan *ret, struct err *err);
/* Reads an answer to query-migrate-capabilities; anything else gives no capabilities. */
void transfer_features_read(struct json_object *answer, struct transfer_features *ret);
bool transfer_features_have(const struct transfer_features *features, const char *capability);
/* The argument of migrate-set-capabilities; the caller owns it. */
struct json_object *transfer_plan_capabilities(const struct transfer_plan *plan);

#endif
