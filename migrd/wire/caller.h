/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* wire/caller.h -- who asks, as the host knows it.  Pointers are borrowed.  Thread: any. */
#ifndef MIGRD_WIRE_CALLER_H
#define MIGRD_WIRE_CALLER_H

#include "base/json.h"

struct caller_reply {
	const char *name; /* of the certificate; "local" on the UNIX socket */
	const char *role;
	const char *host; /* that answers */
};
extern const struct json_field caller_reply_fields[];

#endif
