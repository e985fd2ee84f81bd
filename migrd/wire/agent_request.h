/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* wire/agent_request.h -- the body of a request to a guest agent:
 * POST /v1/vms/{name}/agent/freeze.  Thread: any. */
#ifndef MIGRD_WIRE_AGENT_REQUEST_H
#define MIGRD_WIRE_AGENT_REQUEST_H

#include "base/json.h"

struct agent_freeze_request {
	uint64_t lease_ms;
};

extern const struct json_field agent_freeze_fields[];

/* Sets all of *RET.  OBJ: NULL if there is no body. */
bool agent_freeze_decode(struct json_object *obj, struct agent_freeze_request *ret,
			 struct faults *faults);

#endif
