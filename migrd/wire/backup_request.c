/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "wire/backup_request.h"

#include <string.h>

static bool check_path(const char *value, const char **ret_why)
{
	*ret_why = "not an absolute path";
	return value[0] == '/';
}

const struct json_field backup_request_fields[] = {
	{ .key = "file",
	  .type = JSON_STRING,
	  JSON_MEMBER(struct backup_request, file),
	  .check = check_path,
	  .pattern = "^/",
	  .help = "Absolute path on the host of the coordinator, of a file that is not there yet; "
		  "default: one in the directory backup of the state directory." },
	{ 0 },
};

bool backup_request_decode(struct json_object *obj, struct backup_request *ret,
			   struct faults *faults)
{
	memset(ret, 0, sizeof(*ret));
	return !obj || json_decode(obj, backup_request_fields, ret, "", faults);
}
