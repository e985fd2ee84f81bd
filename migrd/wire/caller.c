/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "wire/caller.h"

const struct json_field caller_reply_fields[] = {
	JSON_SHOWN(struct caller_reply, name, "Name in the certificate, or local."),
	JSON_SHOWN(struct caller_reply, role, "Role: viewer, operator or admin."),
	JSON_SHOWN(struct caller_reply, host, "Host id of the host that answers."),
	{ 0 },
};
