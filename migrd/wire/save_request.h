/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* wire/save_request.h -- POST /v1/vms/{name}/save and POST /v1/vms/restore.  Thread: any. */
#ifndef MIGRD_WIRE_SAVE_REQUEST_H
#define MIGRD_WIRE_SAVE_REQUEST_H

#include "base/json.h"
#include "wire/vm_def.h"

struct save_request {
	char file[VM_DEF_PATH_SIZE];
	bool live; /* the guest runs on; its memory is written as it was at the beginning */
};
extern const struct json_field save_request_fields[];

struct restore_request {
	char file[VM_DEF_PATH_SIZE];
	bool paused;         /* the guest stays paused, also if it ran when it was saved */
	bool remove;         /* the file goes when the guest runs */
	bool stale_disks_ok; /* also if the guest may have run since */
};
extern const struct json_field restore_request_fields[];

/* Both set all of *RET. */
bool save_request_decode(struct json_object *obj, struct save_request *ret, struct faults *faults);
bool restore_request_decode(struct json_object *obj, struct restore_request *ret,
			    struct faults *faults);

#endif
