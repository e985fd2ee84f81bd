/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "wire/refresh_request.h"

#include <string.h>

static bool check_path(const char *value, const char **ret_why)
{
	*ret_why = "not an absolute path";
	return value[0] == '/';
}

const char *const refresh_way_names[REFRESH_WAY_COUNT + 1] = {
	[REFRESH_WAY_CPR] = "cpr-transfer",
	[REFRESH_WAY_STREAM] = "stream",
};

const struct json_field refresh_request_fields[] = {
	{ .key = "emulator",
	  .type = JSON_STRING,
	  JSON_MEMBER(struct refresh_request, emulator),
	  .check = check_path,
	  .pattern = "^/",
	  .help = "Absolute path of the QEMU program that is to have the guest. Without it: that "
		  "of "
		  "the host's configuration, as it is now. Only an administrator may name one." },
	{ .key = "way",
	  .type = JSON_ENUM,
	  .names = refresh_way_names,
	  JSON_MEMBER(struct refresh_request, way),
	  .present_offset = offsetof(struct refresh_request, has_way),
	  .help = "cpr-transfer: with its pages, from QEMU 10.0 and of a VM with memory_share; "
		  "stream: its memory is copied, and so there twice for a while. Without it: the "
		  "first of the two that can be gone." },
	{ 0 },
};

bool refresh_request_decode(struct json_object *obj, struct refresh_request *ret,
			    struct faults *faults)
{
	memset(ret, 0, sizeof(*ret));
	return !obj || json_decode(obj, refresh_request_fields, ret, "", faults);
}
