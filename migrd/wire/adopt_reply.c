/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "wire/adopt_reply.h"

#include "wire/vm_def.h"

static const struct json_field note_fields[] = {
	{ .key = "option",
	  .type = JSON_STRING,
	  .required = true,
	  JSON_MEMBER(struct fault, pointer),
	  .help = "Of its command line." },
	{ .key = "note",
	  .type = JSON_STRING,
	  .required = true,
	  JSON_MEMBER(struct fault, detail),
	  .help = "What the definition does not say of it, or says otherwise." },
	{ 0 },
};

const struct json_field adopt_reply_fields[] = {
	JSON_SHOWN(struct adopt_reply, definition, "That it would have.", .fields = vm_def_fields),
	JSON_SHOWN_LIST(struct adopt_reply, notes, note_count, note_fields,
			"What the caller should know.", .required = true),
	JSON_SHOWN(struct adopt_reply, pid, "Of the QEMU."),
	JSON_SHOWN(struct adopt_reply, qemu_version, "Of the QEMU."),
	JSON_SHOWN(struct adopt_reply, state, "What its guest does now, in QEMU's word."),
	JSON_SHOWN(struct adopt_reply, confirm,
		   "To be sent back for an adoption of just this definition and process."),
	{ 0 },
};
