/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "wire/peer_back.h"

#include <string.h>

#include "wire/vm_def_check.h"

#define NUMBER_FIELD(member_, help_)                                                           \
	{                                                                                      \
		.key = #member_, .type = JSON_UINT, .required = true,                          \
		JSON_MEMBER(struct peer_back, member_), .min = 1, .max = PEER_BACK_NUMBER_MAX, \
		.help = help_                                                                  \
	}

const struct json_field peer_back_fields[] = {
	{ .key = "uuid",
	  .type = JSON_STRING,
	  .required = true,
	  JSON_MEMBER(struct peer_back, uuid),
	  .check = vm_def_check_uuid,
	  .pattern = "^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$",
	  .help = "Uuid of the VM." },
	NUMBER_FIELD(number, "Of the VM in the evacuation."),
	NUMBER_FIELD(attempt, "The same one gives the same order."),
	{ 0 },
};

const struct json_field peer_back_reply_fields[] = {
	{ .key = "entry",
	  .type = JSON_STRING,
	  .required = true,
	  JSON_MEMBER(struct peer_back_reply, entry),
	  .help = "Id of its entry in the queue of the host that has the VM." },
	{ .key = "state",
	  .type = JSON_STRING,
	  .required = true,
	  JSON_MEMBER(struct peer_back_reply, state),
	  .help = "State of that entry." },
	{ .key = "final",
	  .type = JSON_BOOL,
	  .required = true,
	  JSON_MEMBER(struct peer_back_reply, final),
	  .help = "The entry has ended." },
	{ .key = "reason",
	  .type = JSON_STRING,
	  .required = true,
	  JSON_MEMBER(struct peer_back_reply, reason),
	  .help = "What it waits for, or how it ended." },
	{ 0 },
};

bool peer_back_decode(struct json_object *obj, struct peer_back *ret, struct err *err)
{
	struct peer_back wish;

	memset(&wish, 0, sizeof(wish));
	if (!json_decode_object(obj, peer_back_fields, &wish, JSON_IGNORE_UNKNOWN, err))
		return false;
	*ret = wish;
	return true;
}

bool peer_back_reply_decode(struct json_object *obj, struct peer_back_reply *ret, struct err *err)
{
	struct peer_back_reply reply;

	memset(&reply, 0, sizeof(reply));
	if (!json_decode_object(obj, peer_back_reply_fields, &reply, JSON_IGNORE_UNKNOWN, err))
		return false;
	*ret = reply;
	return true;
}
