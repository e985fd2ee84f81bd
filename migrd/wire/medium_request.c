/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "wire/medium_request.h"

#include <string.h>

#include "wire/vm_def_check.h"

const struct json_field medium_request_fields[] = {
	{ .key = "path",
	  .type = JSON_STRING,
	  .required = true,
	  JSON_MEMBER(struct medium_request, path),
	  .check = vm_def_check_path,
	  .pattern = "^/[^\\u0000-\\u001f\\u007f]*$",
	  .help = "Absolute path of the medium's image." },
	{ .key = "format",
	  .type = JSON_ENUM,
	  JSON_MEMBER(struct medium_request, format),
	  .names = vm_def_disk_format_names,
	  .help = "Image format of the medium; default: raw, as an ISO image is." },
	{ .key = "force",
	  .type = JSON_BOOL,
	  JSON_MEMBER(struct medium_request, force),
	  .help = "Open the tray even if the guest has locked it; default: false." },
	{ .key = "timeout_ms",
	  .type = JSON_UINT,
	  JSON_MEMBER(struct medium_request, timeout_ms),
	  .min = 1,
	  .max = MEDIUM_TIMEOUT_MAX_MS,
	  .help = "Time for a guest that has locked the tray to open it, in milliseconds; default: "
		  "5000." },
	{ 0 },
};

bool medium_request_decode(struct json_object *obj, struct medium_request *ret,
			   struct faults *faults)
{
	memset(ret, 0, sizeof(*ret));
	ret->timeout_ms = MEDIUM_TIMEOUT_MS;
	return json_decode(obj, medium_request_fields, ret, "", faults);
}
