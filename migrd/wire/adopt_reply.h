/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* wire/adopt_reply.h -- what a QEMU of somebody else would become: the answer of
 * POST /v1/vms/adopt with dry_run.  Pointers are borrowed.  Thread: any. */
#ifndef MIGRD_WIRE_ADOPT_REPLY_H
#define MIGRD_WIRE_ADOPT_REPLY_H

#include "base/json.h"

struct adopt_reply {
	struct json_object *definition;
	const struct fault *notes; /* pointer: the option; detail: the note */
	size_t note_count;
	int64_t pid;
	char qemu_version[48];
	const char *state, *confirm;
};
extern const struct json_field adopt_reply_fields[];

#endif
