/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* wire/vmbackup_request.h -- POST /v1/vms/{name}/backup.  Thread: any. */
#ifndef MIGRD_WIRE_VMBACKUP_REQUEST_H
#define MIGRD_WIRE_VMBACKUP_REQUEST_H

#include "base/json.h"
#include "wire/vm_def.h"

enum vmbackup_target_type { VMBACKUP_TARGET_FILE };

struct vmbackup_target {
	int type;                         /* enum vmbackup_target_type */
	char directory[VM_DEF_PATH_SIZE]; /* of a file: the backup gets a directory in this one */
};

/* What is asked for, and what was made of a disk. */
enum vmbackup_mode { VMBACKUP_FULL, VMBACKUP_INCREMENTAL };
extern const char *const vmbackup_mode_names[];

/* A disk of which no incremental backup can be made. */
enum vmbackup_fallback {
	VMBACKUP_FALLBACK_FULL,   /* all of it is copied */
	VMBACKUP_FALLBACK_REFUSE, /* the backup fails */
};

/* Whether the guest's file systems are frozen at the moment of the backup. */
enum vmbackup_quiesce {
	VMBACKUP_QUIESCE_AUTO,    /* if its agent does it */
	VMBACKUP_QUIESCE_REQUIRE, /* or the backup fails */
	VMBACKUP_QUIESCE_NO,
};

struct vmbackup_request {
	struct vmbackup_target target;
	int mode, fallback, quiesce; /* enums of above */
	char disks[VM_DEF_IMAGE_MAX][VM_DEF_ID_SIZE];
	size_t disk_count;              /* 0: all to which the guest writes */
	uint64_t bandwidth_bytes_per_s; /* of all disks together; 0: no limit */
	bool compress;
};
extern const struct json_field vmbackup_request_fields[];

/* Sets all of *RET. */
bool vmbackup_request_decode(struct json_object *obj, struct vmbackup_request *ret,
			     struct faults *faults);

#endif
