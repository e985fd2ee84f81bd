/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "wire/known_reply.h"

static const struct json_field guest_fields[] = {
	JSON_SHOWN(struct known_guest_reply, vm, "Name of the VM."),
	JSON_SHOWN(struct known_guest_reply, vm_uuid, "Uuid of the VM."),
	JSON_SHOWN(
		struct known_guest_reply, where,
		"moving (a move between the two has not ended), here-stopped (this host owns it, "
		"and a start asks the peer), there (the peer has it, as far as is known) or here."),
	JSON_SHOWN(struct known_guest_reply, by,
		   "What says so: host (the peer itself), told (the peer itself, before it fell "
		   "silent), record (of the VM on this host) or move."),
	JSON_SHOWN_TIME(struct known_guest_reply, at,
			"Time at which it was told, or of the end, or the last change, of that "
			"move; null: neither says it.",
			.nullable = true),
	JSON_SHOWN(struct known_guest_reply, state,
		   "State of the VM, or of the move; null: not known.", .nullable = true),
	JSON_SHOWN(struct known_guest_reply, move,
		   "Id of the last move between the two; null: none is kept.", .nullable = true),
	JSON_SHOWN(struct known_guest_reply, generation,
		   "Generation of its owner, as far as is known; 0: not."),
	JSON_SHOWN(struct known_guest_reply, what, "What is known, in words."),
	JSON_SHOWN(struct known_guest_reply, may, "What may be done."),
	JSON_SHOWN(struct known_guest_reply, must_not,
		   "What must not be done; null: nothing is dangerous.", .nullable = true),
	{ 0 },
};

const struct json_field known_reply_fields[] = {
	JSON_SHOWN(struct known_reply, id, "Id of the peer."),
	JSON_SHOWN(struct known_reply, address, "Address of its REST API: HOST:PORT."),
	JSON_SHOWN(struct known_reply, by, "Id of the host that tells."),
	JSON_SHOWN_TIME(struct known_reply, at, "Time of the answer."),
	JSON_SHOWN(struct known_reply, answers, "The peer has answered just now."),
	JSON_SHOWN(struct known_reply, silent_because,
		   "Reason why there is no answer; null: there is.", .nullable = true),
	JSON_SHOWN(struct known_reply, advice, "What that means, and what to do first."),
	JSON_SHOWN_TIME(struct known_reply, told_at,
			"When a peer that is silent last told its guests; null: it answers, or has "
			"told nothing since this coordinator was started.",
			.nullable = true),
	JSON_SHOWN(struct known_reply, told_stopped,
		   "VMs that did not run there then, which it only counted."),
	JSON_SHOWN_LIST(struct known_reply, guests, guest_count, guest_fields,
			"Guests that the peer has, had, or is to have, the most urgent first.",
			.required = true),
	JSON_SHOWN(struct known_reply, left_out, "Guests beyond 1000."),
	{ 0 },
};
