/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* wire/peer_back.h -- a host that was emptied asks for a guest that came from it:
 *
 *     POST /peer/v1/evacuations/{id}/back   peer_back -> peer_back_reply
 *
 * The same number and attempt give the same order.  Keys that a decoder does not know are skipped:
 * an older coordinator, which does not know `move' and `give_up_s', moves the guest as it moves any
 * of its own.  One of before this route says that there is no such path (wire/problem.h).  Thread:
 * any. */
#ifndef MIGRD_WIRE_PEER_BACK_H
#define MIGRD_WIRE_PEER_BACK_H

#include "base/err.h"
#include "base/id.h"
#include "base/json.h"
#include "wire/queue_request.h"

#define PEER_BACK_NUMBER_MAX 999999999

struct peer_back {
	char uuid[ID_UUID_SIZE]; /* of the VM */
	uint64_t number;         /* of the VM in the evacuation */
	uint64_t attempt;
	uint64_t give_up_s; /* no attempt is made after that; 0: as long as it takes */
	/* Its policy and options, without a hold and remove_source_disks; all zero: the defaults of
	 * the host that is asked. */
	struct move_request move;
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

/* Takes out of MOVE what no host says to another. */
void peer_back_keep_common(struct move_request *move);

bool peer_back_decode(struct json_object *obj, struct peer_back *ret, struct err *err);
bool peer_back_reply_decode(struct json_object *obj, struct peer_back_reply *ret, struct err *err);

#endif
