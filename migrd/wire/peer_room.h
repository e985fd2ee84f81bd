/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* wire/peer_room.h -- a host that is being emptied asks another one to move one of its guests to a
 * third one, so that a guest of the first has room there:
 *
 *     POST /peer/v1/evacuations/{id}/room   peer_room -> peer_back_reply (wire/peer_back.h)
 *
 * The same number gives the same order, and tells what has become of it.  Keys that a decoder does
 * not know are skipped; a coordinator of before this route says that there is no such path
 * (wire/problem.h).  The guest is moved as its own host moves any: nothing is said of how.  Thread:
 * any. */
#ifndef MIGRD_WIRE_PEER_ROOM_H
#define MIGRD_WIRE_PEER_ROOM_H

#include "wire/peer_back.h"

struct peer_room {
	char uuid[ID_UUID_SIZE]; /* of the VM */
	char to[ID_NAME_SIZE];   /* host id */
	uint64_t number;         /* of the order in the evacuation, from 1 on */
	uint64_t give_up_s;      /* no attempt is made after that; at least 1 */
};

extern const struct json_field peer_room_fields[];

bool peer_room_decode(struct json_object *obj, struct peer_room *ret, struct err *err);

#endif
