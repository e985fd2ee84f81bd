/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "wire/vmbackup_request.h"

#include <stdio.h>
#include <string.h>

static const char *const target_type_names[] = {
	[VMBACKUP_TARGET_FILE] = "file", [VMBACKUP_TARGET_NBD] = "nbd", NULL
};
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

static bool check_uri(const char *value, const char **ret_why)
{
	struct nbd_uri uri;

	return nbd_uri_parse(value, &uri, ret_why);
}

static const struct json_field export_fields[] = {
	{ .key = "disk",
	  .type = JSON_STRING,
	  .required = true,
	  JSON_MEMBER(struct vmbackup_export, disk),
	  .help = "Id of the disk." },
	{ .key = "uri",
	  .type = JSON_STRING,
	  .required = true,
	  JSON_MEMBER(struct vmbackup_export, uri),
	  .check = check_uri,
	  .pattern = "^nbd[+]unix:///[^?]*[?]socket=/",
	  .help = "nbd+unix:///EXPORT?socket=/PATH, with the socket below one of the host's "
		  "backup_dirs. The export must be as large as the disk." },
	{ 0 },
};

static const struct json_field target_fields[] = {
	{ .key = "type",
	  .type = JSON_ENUM,
	  .required = true,
	  .names = target_type_names,
	  JSON_MEMBER(struct vmbackup_target, type),
	  .help = "file: an image for each disk, and a description, in a directory; nbd: the "
		  "description stays in the directory, and the content of each disk is pushed to "
		  "an export of an NBD server." },
	{ .key = "directory",
	  .type = JSON_STRING,
	  .required = true,
	  JSON_MEMBER(struct vmbackup_target, directory),
	  .check = check_path,
	  .pattern = "^/",
	  .help = "Absolute path of a directory of the host, below one of its backup_dirs. The "
		  "backup gets a directory in it, named by its id, when it is complete." },
	{ .key = "exports",
	  .type = JSON_ARRAY,
	  JSON_MEMBERS(struct vmbackup_target, exports, export_count),
	  .fields = export_fields,
	  .help = "Of nbd: the disks that are backed up, and where each goes." },
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
	  .help = "Of a target of type file: ids of the disks; without it all to which the guest "
		  "may write, and the "
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

static bool check_exports(const struct vmbackup_request *wish, struct faults *faults)
{
	const struct vmbackup_target *target = &wish->target;
	const char *where = "/target/exports";

	if (target->type != VMBACKUP_TARGET_NBD && target->export_count) {
		faults_add(faults, where, "only of a target of type nbd");
		return false;
	}
	if (target->type == VMBACKUP_TARGET_NBD && !target->export_count) {
		faults_add(faults, where, "required: the disks, and an export for each");
		return false;
	}
	if (target->export_count && wish->disk_count) {
		faults_add(faults, "/disks", "not with exports, which name the disks");
		return false;
	}
	for (size_t i = 0; i < target->export_count; i++) {
		for (size_t j = 0; j < i; j++) {
			if (strcmp(target->exports[i].disk, target->exports[j].disk) != 0 &&
			    strcmp(target->exports[i].uri, target->exports[j].uri) != 0)
				continue;
			faults_add(faults, where, "a disk or an export twice: '%s', '%s'",
				   target->exports[i].disk, target->exports[i].uri);
			return false;
		}
	}
	return true;
}

bool vmbackup_request_decode(struct json_object *obj, struct vmbackup_request *ret,
			     struct faults *faults)
{
	memset(ret, 0, sizeof(*ret));
	if (!json_decode(obj, vmbackup_request_fields, ret, "", faults) ||
	    !check_exports(ret, faults))
		return false;
	for (size_t i = 0; i < ret->target.export_count; i++)
		snprintf(ret->disks[ret->disk_count++], VM_DEF_ID_SIZE, "%s",
			 ret->target.exports[i].disk);
	return true;
}
