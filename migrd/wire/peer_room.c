/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "wire/peer_room.h"

#include <string.h>

#include "wire/vm_def_check.h"

const struct json_field peer_room_fields[] = {
	{ .key = "uuid",
	  .type = JSON_STRING,
	  .required = true,
	  JSON_MEMBER(struct peer_room, uuid),
	  .check = vm_def_check_uuid,
	  .pattern = "^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$",
	  .help = "Uuid of the VM." },
	{ .key = "to",
	  .type = JSON_STRING,
	  .required = true,
	  JSON_MEMBER(struct peer_room, to),
	  .check = move_check_host,
	  .pattern = "^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$",
	  .help = "Host id of the host to which it is to move." },
	{ .key = "number",
	  .type = JSON_UINT,
	  .required = true,
	  JSON_MEMBER(struct peer_room, number),
	  .min = 1,
	  .max = PEER_BACK_NUMBER_MAX,
	  .help = "Of the order in the evacuation; the same one gives the same order." },
	{ .key = "give_up_s",
	  .type = JSON_UINT,
	  .required = true,
	  JSON_MEMBER(struct peer_room, give_up_s),
	  .min = 1,
	  .max = QUEUE_GIVE_UP_MAX_S,
	  .help = "No attempt is made when so many seconds have passed." },
	{ 0 },
};

bool peer_room_decode(struct json_object *obj, struct peer_room *ret, struct err *err)
{
	struct peer_room wish;

	memset(&wish, 0, sizeof(wish));
	if (!json_decode_object(obj, peer_room_fields, &wish, JSON_IGNORE_UNKNOWN, err))
		return false;
	*ret = wish;
	return true;
}
