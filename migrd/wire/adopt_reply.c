/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "wire/adopt_reply.h"

#include "wire/vm_def.h"

static const struct json_field note_fields[] = {
	{ .key = "option",
	  .type = JSON_STRING,
	  .required = true,
	  JSON_MEMBER(struct fault, pointer),
	  .help = "Argument on the command line of the QEMU." },
	{ .key = "note",
	  .type = JSON_STRING,
	  .required = true,
	  JSON_MEMBER(struct fault, detail),
	  .help = "Difference between the argument and the definition." },
	{ 0 },
};

const struct json_field adopt_reply_fields[] = {
	JSON_SHOWN(struct adopt_reply, definition, "Definition that the VM would have.",
		   .fields = vm_def_fields),
	JSON_SHOWN_LIST(struct adopt_reply, notes, note_count, note_fields,
			"What the caller should know.", .required = true),
	JSON_SHOWN(struct adopt_reply, pid, "Process id of the QEMU."),
	JSON_SHOWN(struct adopt_reply, qemu_version, "Version of the QEMU."),
	JSON_SHOWN(struct adopt_reply, state, "Run state of the guest, in QEMU's word."),
	JSON_SHOWN(struct adopt_reply, confirm,
		   "Value of confirm in a request that adopts this process with this definition."),
	{ 0 },
};
