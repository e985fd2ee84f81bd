/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* wire/policy_reply.h -- what is shown of a policy.  Texts are borrowed.  Thread: any. */
#ifndef MIGRD_WIRE_POLICY_REPLY_H
#define MIGRD_WIRE_POLICY_REPLY_H

#include "wire/policy.h"

struct policy_reply {
	struct policy policy;
	struct json_object *selector; /* borrowed; NULL: it has none */
	bool built_in;
	int64_t created_at, updated_at;
};
extern const struct json_field policy_reply_fields[];

#endif
