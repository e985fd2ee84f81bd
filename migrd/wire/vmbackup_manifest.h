/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* wire/vmbackup_manifest.h -- the description of a backup, in its directory.
 *
 * Thread: a worker, for what waits for storage; any for the rest.
 */
#ifndef MIGRD_WIRE_VMBACKUP_MANIFEST_H
#define MIGRD_WIRE_VMBACKUP_MANIFEST_H

#include "base/id.h"
#include "wire/vmbackup_reply.h"

#define VMBACKUP_MANIFEST         "manifest.json"
#define VMBACKUP_MANIFEST_VERSION 1

struct vmbackup_manifest {
	uint64_t version;
	char id[ID_UUID_SIZE];
	char parent[ID_UUID_SIZE]; /* "": it needs none */
	char vm[ID_NAME_SIZE], uuid[ID_UUID_SIZE], host[ID_NAME_SIZE];
	uint64_t generation;
	char qemu_version[48];
	int64_t taken_ms; /* wall clock */
	bool was_frozen;
	struct vmbackup_disk disks[VM_DEF_IMAGE_MAX];
	size_t disk_count;
	struct json_object *definition; /* of the VM; borrowed, and not read */
};

/* Writes and syncs it. */
bool vmbackup_manifest_write_blocking(const char *path, const struct vmbackup_manifest *manifest,
				      struct err *err);
/* Without its definition.  INVALID: it is none, or of a later version. */
bool vmbackup_manifest_read_blocking(const char *path, struct vmbackup_manifest *ret,
				     struct err *err);

#endif
