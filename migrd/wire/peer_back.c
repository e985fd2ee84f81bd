/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "wire/peer_back.h"

#include <string.h>

#include "wire/vm_def_check.h"

/* What the host that has the guest decides alone: whether it waits, and what becomes of its files.
 */
void peer_back_keep_common(struct move_request *move)
{
	move->options.priority = MOVE_PRIORITY_EVACUATION;
	move->options.has_hold = move->options.remove_source_disks = false;
	memset(&move->options.hold, 0, sizeof(move->options.hold));
}

static bool check_move(const struct peer_back *wish, struct err *err)
{
	struct faults *faults = faults_new();
	bool ok = move_order_check(&wish->move, faults);

	if (!ok)
		faults_to_err(faults, err);
	faults_free(faults);
	return ok;
}

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
	{ .key = "give_up_s",
	  .type = JSON_UINT,
	  JSON_MEMBER(struct peer_back, give_up_s),
	  .max = QUEUE_GIVE_UP_MAX_S,
	  .help = "No attempt is made when so many seconds have passed; default: as long as it "
		  "takes." },
	{ .key = "move",
	  .type = JSON_OBJECT,
	  JSON_MEMBER(struct peer_back, move),
	  .fields = move_order_fields,
	  .help = "Policy and options of the move; its priority is always evacuation, it has no "
		  "hold, and images that are copied are kept. A policy that the host does not know "
		  "is left out." },
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
	peer_back_keep_common(&wish.move);
	if (!check_move(&wish, err))
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
