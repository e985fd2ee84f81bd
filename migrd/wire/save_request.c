/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "wire/save_request.h"

#include <string.h>

static bool check_path(const char *value, const char **ret_why)
{
	*ret_why = "not an absolute path";
	return value[0] == '/';
}

#define FILE_FIELD(type_, help_)                                                                \
	{                                                                                       \
		.key = "file", .type = JSON_STRING, .required = true, JSON_MEMBER(type_, file), \
		.check = check_path, .pattern = "^/", .help = help_                             \
	}

const struct json_field save_request_fields[] = {
	FILE_FIELD(struct save_request,
		   "Absolute path on the host, below one of its save_dirs. A saved guest of that "
		   "name is replaced when this one is complete."),
	{ .key = "live",
	  .type = JSON_BOOL,
	  JSON_MEMBER(struct save_request, live),
	  .help = "Write the guest as it is at the beginning, while it runs on (background "
		  "snapshot of QEMU 9.0 and later). Only for a guest without writable disks, "
		  "firmware variables and TPM, which would be newer than its memory." },
	{ 0 },
};

const struct json_field restore_request_fields[] = {
	FILE_FIELD(struct restore_request, "Absolute path on the host, of a saved guest."),
	{ .key = "paused",
	  .type = JSON_BOOL,
	  JSON_MEMBER(struct restore_request, paused),
	  .help = "Leave the guest paused, also if it ran when it was saved." },
	{ .key = "remove",
	  .type = JSON_BOOL,
	  JSON_MEMBER(struct restore_request, remove),
	  .help = "Remove the file when the guest is restored." },
	{ .key = "stale_disks_ok",
	  .type = JSON_BOOL,
	  JSON_MEMBER(struct restore_request, stale_disks_ok),
	  .help = "Restore also a file that is not current: the guest has run since, or may have, "
		  "and its disks may be newer than its memory, which destroys file systems. The "
		  "caller vouches that the disks are those of the time of the save." },
	{ 0 },
};

bool save_request_decode(struct json_object *obj, struct save_request *ret, struct faults *faults)
{
	memset(ret, 0, sizeof(*ret));
	return json_decode(obj, save_request_fields, ret, "", faults);
}

bool restore_request_decode(struct json_object *obj, struct restore_request *ret,
			    struct faults *faults)
{
	memset(ret, 0, sizeof(*ret));
	return json_decode(obj, restore_request_fields, ret, "", faults);
}
