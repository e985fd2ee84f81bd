/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "wire/policy_reply.h"

const struct json_field policy_reply_fields[] = {
	JSON_PART_OF(struct policy_reply, policy, policy_fields),
	JSON_SHOWN_IF(struct policy_reply, selector,
		      "Labels, an object of strings; VMs that have all of them have this policy, "
		      "unless they or their moves name another."),
	JSON_SHOWN(struct policy_reply, built_in,
		   "Every host has it, and nobody can change it or remove it."),
	JSON_SHOWN_TIME(struct policy_reply, created_at, "When it was made; null: it is built in.",
			.nullable = true),
	JSON_SHOWN_TIME(struct policy_reply, updated_at,
			"When it was changed last; null: it is built in.", .nullable = true),
	{ 0 },
};
