/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "wire/agent_request.h"

/* How long a guest's file systems stay frozen.  A backup takes its snapshot within
 * seconds; a guest that is frozen for longer soon stops doing its work. */
#define LEASE_DEFAULT_MS 60000
#define LEASE_MAX_MS     3600000

const struct json_field agent_freeze_fields[] = {
	{ .key = "lease_ms",
	  .type = JSON_UINT,
	  JSON_MEMBER(struct agent_freeze_request, lease_ms),
	  .min = 1000,
	  .max = LEASE_MAX_MS,
	  .help = "After so many milliseconds the file systems are thawed, whoever froze them; "
		  "default: 60000." },
	{ 0 },
};

bool agent_freeze_decode(struct json_object *obj, struct agent_freeze_request *ret,
			 struct faults *faults)
{
	*ret = (struct agent_freeze_request){ .lease_ms = LEASE_DEFAULT_MS };
	return !obj || json_decode(obj, agent_freeze_fields, ret, "", faults);
}
