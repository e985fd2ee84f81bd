/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "wire/vmbackup_request.h"

#include <string.h>

static const char *const target_type_names[] = { [VMBACKUP_TARGET_FILE] = "file", NULL };
const char *const vmbackup_mode_names[] = {
	[VMBACKUP_FULL] = "full", [VMBACKUP_INCREMENTAL] = "incremental", NULL
};
static const char *const fallback_names[] = {
	[VMBACKUP_FALLBACK_FULL] = "full", [VMBACKUP_FALLBACK_REFUSE] = "refuse", NULL
};
static const char *const quiesce_names[] = { [VMBACKUP_QUIESCE_AUTO] = "auto",
					     [VMBACKUP_QUIESCE_REQUIRE] = "require",
					     [VMBACKUP_QUIESCE_NO] = "no",
					     NULL };

static bool check_path(const char *value, const char **ret_why)
{
	*ret_why = "not an absolute path";
	return value[0] == '/';
}

static const struct json_field target_fields[] = {
	{ .key = "type",
	  .type = JSON_ENUM,
	  .required = true,
	  .names = target_type_names,
	  JSON_MEMBER(struct vmbackup_target, type),
	  .help = "file: an image for each disk, and a description, in a directory." },
	{ .key = "directory",
	  .type = JSON_STRING,
	  .required = true,
	  JSON_MEMBER(struct vmbackup_target, directory),
	  .check = check_path,
	  .pattern = "^/",
	  .help = "Absolute path of a directory of the host, below one of its backup_dirs. The "
		  "backup gets a directory in it, named by its id, when it is complete." },
	{ 0 },
};

const struct json_field vmbackup_request_fields[] = {
	{ .key = "target",
	  .type = JSON_OBJECT,
	  .required = true,
	  JSON_MEMBER(struct vmbackup_request, target),
	  .fields = target_fields,
	  .help = "Where it goes." },
	{ .key = "mode",
	  .type = JSON_ENUM,
	  .names = vmbackup_mode_names,
	  JSON_MEMBER(struct vmbackup_request, mode),
	  .help = "incremental: only what has changed since an earlier backup in the same "
		  "directory, which is needed for a restore. Default: full." },
	{ .key = "fallback",
	  .type = JSON_ENUM,
	  .names = fallback_names,
	  JSON_MEMBER(struct vmbackup_request, fallback),
	  .help = "What becomes of a disk of which no incremental backup can be made: full, and "
		  "the answer says why, or the backup fails. Default: full." },
	{ .key = "quiesce",
	  .type = JSON_ENUM,
	  .names = quiesce_names,
	  JSON_MEMBER(struct vmbackup_request, quiesce),
	  .help = "Whether the guest's file systems are frozen at the moment of the backup: auto, "
		  "if its agent does it; require, else the backup fails. Default: auto." },
	{ .key = "disks",
	  .type = JSON_STRINGS,
	  JSON_MEMBERS(struct vmbackup_request, disks, disk_count),
	  .help = "Ids of the disks; without it all to which the guest may write, and the "
		  "variables of its firmware (firmware-vars)." },
	{ .key = "bandwidth_bytes_per_s",
	  .type = JSON_UINT,
	  .min = 1,
	  .max = INT64_C(1) << 50,
	  JSON_MEMBER(struct vmbackup_request, bandwidth_bytes_per_s),
	  .help = "Limit of the copy, of all disks together; default: none." },
	{ .key = "compress",
	  .type = JSON_BOOL,
	  JSON_MEMBER(struct vmbackup_request, compress),
	  .help = "Compress the images." },
	{ 0 },
};

bool vmbackup_request_decode(struct json_object *obj, struct vmbackup_request *ret,
			     struct faults *faults)
{
	memset(ret, 0, sizeof(*ret));
	return json_decode(obj, vmbackup_request_fields, ret, "", faults);
}
