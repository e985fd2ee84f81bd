/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* wire/medium_request.h -- PUT /v1/vms/{name}/devices/{id}/medium.  Thread: any. */
#ifndef MIGRD_WIRE_MEDIUM_REQUEST_H
#define MIGRD_WIRE_MEDIUM_REQUEST_H

#include "wire/vm_def.h"

/* How long a guest that has locked the tray may take to open it. */
#define MEDIUM_TIMEOUT_MS     5000
#define MEDIUM_TIMEOUT_MAX_MS 60000

struct medium_request {
	char path[VM_DEF_PATH_SIZE]; /* "": eject */
	int format;                  /* enum vm_def_disk_format */
	bool force;                  /* open the tray though the guest has locked it */
	uint64_t timeout_ms;
};

extern const struct json_field medium_request_fields[];

/* Sets all of *RET. */
bool medium_request_decode(struct json_object *obj, struct medium_request *ret,
			   struct faults *faults);

#endif
