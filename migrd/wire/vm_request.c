/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "wire/vm_request.h"

#include <string.h>

static bool check_host(const char *value, const char **ret_why)
{
	*ret_why = "no host id: 1 to 63 of a-z 0-9 -, no '-' at either end";
	return id_host_is_valid(value);
}

const struct json_field vm_start_fields[] = {
	{ .key = "assert_dead",
	  .type = JSON_STRINGS,
	  JSON_MEMBERS(struct vm_start_request, assert_dead, assert_count),
	  .check = check_host,
	  .pattern = "^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$",
	  .help = "Hosts that do not answer: the caller vouches that the guest does not run there "
		  "and never will. For administrators." },
	{ .key = "why",
	  .type = JSON_STRING,
	  JSON_MEMBER(struct vm_start_request, why),
	  .help = "Reason, for the log." },
	{ 0 },
};

bool vm_start_decode(struct json_object *obj, struct vm_start_request *ret, struct faults *faults)
{
	memset(ret, 0, sizeof(*ret));
	return !obj || json_decode(obj, vm_start_fields, ret, "", faults);
}
