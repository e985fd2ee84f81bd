/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "wire/snapshot.h"

#include <stdio.h>
#include <string.h>

#define NAME_CHARACTERS "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._-"

bool snapshot_is_number(const char *name)
{
	return name[strspn(name, "0123456789")] == '\0';
}

static bool check_name(const char *value, const char **ret_why)
{
	*ret_why = "not a letter, and letters, digits, '.', '_' and '-' behind it";
	return strspn(value, NAME_CHARACTERS) == strlen(value) &&
	       strcspn(value, "0123456789._-") > 0;
}

static bool check_description(const char *value, const char **ret_why)
{
	*ret_why = "not one line of text";
	for (; *value; value++)
		if ((unsigned char)*value < ' ' || *value == 0x7f)
			return false;
	return true;
}

const struct json_field snapshot_request_fields[] = {
	{ .key = "name",
	  .type = JSON_STRING,
	  .required = true,
	  JSON_MEMBER(struct snapshot_request, name),
	  .min = 1,
	  .max = SNAPSHOT_NAME_SIZE - 1,
	  .check = check_name,
	  .pattern = "^[A-Za-z][A-Za-z0-9._-]*$",
	  .help = "Unique among the snapshots of the VM." },
	{ .key = "description",
	  .type = JSON_STRING,
	  JSON_MEMBER(struct snapshot_request, description),
	  .check = check_description,
	  .pattern = "^[^\\u0000-\\u001f\\u007f]*$",
	  .help = "One line, kept in the images." },
	{ .key = "freeze",
	  .type = JSON_BOOL,
	  JSON_MEMBER(struct snapshot_request, freeze),
	  .help = "The agent in the running guest freezes its file systems for the moment of the "
		  "snapshot; default: false, and the disks are as after a power cut." },
	{ 0 },
};

bool snapshot_request_decode(struct json_object *obj, struct snapshot_request *ret,
			     struct faults *faults)
{
	memset(ret, 0, sizeof(*ret));
	return json_decode(obj, snapshot_request_fields, ret, "", faults);
}

void snapshot_full_name(const struct snapshot_request *request, char ret[SNAPSHOT_FULL_SIZE])
{
	snprintf(ret, SNAPSHOT_FULL_SIZE, "%s%s%s", request->name,
		 request->description[0] ? " " : "", request->description);
}

size_t snapshot_split(const char *full, const char **ret_description)
{
	size_t len = strcspn(full, " ");

	*ret_description = full + len + (full[len] == ' ');
	return len;
}

const struct json_field snapshot_reply_fields[] = {
	JSON_SHOWN(struct snapshot_reply, name, "Unique among the snapshots of the VM."),
	JSON_SHOWN(struct snapshot_reply, description, "Its description; null: none.",
		   .nullable = true),
	JSON_SHOWN_TIME(struct snapshot_reply, created_at, "Time of the snapshot."),
	JSON_SHOWN(struct snapshot_reply, complete,
		   "All disks to which the guest may write have it; else it can only be deleted."),
	JSON_SHOWN_LIST(struct snapshot_reply, disks, disk_count, NULL,
			"Ids of the disks that have it.", .required = true),
	JSON_SHOWN_LIST(struct snapshot_reply, missing, missing_count, NULL,
			"Ids of the disks that do not have it, though the guest may write to them.",
			.required = true),
	JSON_SHOWN(struct snapshot_reply, memory_bytes,
		   "Memory of the guest that another program has put into it, in bytes, which is "
		   "of "
		   "no use here; 0: none."),
	{ 0 },
};
