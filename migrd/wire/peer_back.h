/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* wire/peer_back.h -- a host that was emptied asks for a guest that came from it:
 *
 *     POST /peer/v1/evacuations/{id}/back   peer_back -> peer_back_reply
 *
 * The same number and attempt give the same order.  Keys that a decoder does not know are skipped.
 * Thread: any. */
#ifndef MIGRD_WIRE_PEER_BACK_H
#define MIGRD_WIRE_PEER_BACK_H

#include "base/err.h"
#include "base/id.h"
#include "base/json.h"

#define PEER_BACK_NUMBER_MAX 999999999

struct peer_back {
	char uuid[ID_UUID_SIZE]; /* of the VM */
	uint64_t number;         /* of the VM in the evacuation */
	uint64_t attempt;
};

/* What the order is now. */
struct peer_back_reply {
	char entry[ID_UUID_SIZE]; /* of the queue of the host that has the VM */
	char state[32];
	char reason[512];
	bool final;
};

extern const struct json_field peer_back_fields[];
extern const struct json_field peer_back_reply_fields[];

bool peer_back_decode(struct json_object *obj, struct peer_back *ret, struct err *err);
bool peer_back_reply_decode(struct json_object *obj, struct peer_back_reply *ret, struct err *err);

#endif
