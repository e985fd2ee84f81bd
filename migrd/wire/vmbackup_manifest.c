/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "wire/vmbackup_manifest.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/file.h"
#include "base/mem.h"

#define MANIFEST_MAX (UINT64_C(1) << 20)

static bool check_id(const char *value, const char **ret_why)
{
	*ret_why = "not the id of a backup";
	return id_uuid_is_valid(value);
}

static bool check_parent(const char *value, const char **ret_why)
{
	return !*value || check_id(value, ret_why);
}

#define M(member) JSON_MEMBER(struct vmbackup_manifest, member)

#define READ_AND_WRITTEN                                                                          \
	{ .key = "version", .type = JSON_UINT, .required = true, M(version) },                    \
		{ .key = "id", .type = JSON_STRING, .required = true, .check = check_id, M(id) }, \
		{ .key = "parent", .type = JSON_STRING, .check = check_parent, M(parent) },       \
		{ .key = "vm", .type = JSON_STRING, .required = true, M(vm) },                    \
		{ .key = "uuid", .type = JSON_STRING, .required = true, M(uuid) },                \
		{ .key = "host", .type = JSON_STRING, M(host) },                                  \
		{ .key = "generation", .type = JSON_UINT, M(generation) },                        \
		{ .key = "qemu_version", .type = JSON_STRING, M(qemu_version) },                  \
		{ .key = "taken_ms", .type = JSON_INT, M(taken_ms) },                             \
		{ .key = "was_frozen", .type = JSON_BOOL, M(was_frozen) },                        \
	{                                                                                         \
		.key = "disks", .type = JSON_ARRAY, .required = true,                             \
		JSON_MEMBERS(struct vmbackup_manifest, disks, disk_count),                        \
		.fields = vmbackup_disk_file_fields                                               \
	}

static const struct json_field read_fields[] = { READ_AND_WRITTEN, { 0 } };
static const struct json_field written_fields[] = {
	READ_AND_WRITTEN,
	{ .key = "definition", .type = JSON_ANY, M(definition) },
	{ 0 },
};

bool vmbackup_manifest_write_blocking(const char *path, const struct vmbackup_manifest *manifest,
				      struct err *err)
{
	CLEANUP(json_putp) struct json_object *obj = json_encode(written_fields, manifest);
	size_t len;
	const char *text = json_text(obj, &len);

	return file_write(path, text, len, 0600, err);
}

bool vmbackup_manifest_read_blocking(const char *path, struct vmbackup_manifest *ret,
				     struct err *err)
{
	const struct json_limits limits = { .max_bytes = MANIFEST_MAX, .max_depth = 16 };
	CLEANUP(free_charp) char *text = NULL;
	CLEANUP(json_putp) struct json_object *obj = NULL;
	struct faults *faults;
	size_t len;

	memset(ret, 0, sizeof(*ret));
	if (!file_read(path, MANIFEST_MAX, &text, &len, err))
		return false;
	faults = faults_new();
	obj = json_parse(text, len, &limits, faults);
	faults_free(faults);
	if (!obj || !json_decode_object(obj, read_fields, ret, JSON_IGNORE_UNKNOWN, err))
		return err_set(err, ERR_INVALID, "'%s' is no description of a backup", path);
	return ret->version == VMBACKUP_MANIFEST_VERSION ||
	       err_set(err, ERR_INVALID,
		       "'%s' has the version %" PRIu64 ", and this migrd knows %d: use a later one",
		       path, ret->version, VMBACKUP_MANIFEST_VERSION);
}
