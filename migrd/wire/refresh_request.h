/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* wire/refresh_request.h -- POST /v1/vms/{name}/refresh.  Thread: any. */
#ifndef MIGRD_WIRE_REFRESH_REQUEST_H
#define MIGRD_WIRE_REFRESH_REQUEST_H

#include "base/json.h"
#include "wire/vm_def.h"

/* How the guest comes to the new QEMU. */
enum refresh_way {
	REFRESH_WAY_CPR,    /* with its pages, which both QEMUs have (cpr-transfer) */
	REFRESH_WAY_STREAM, /* as in a move, so its memory is there twice for a while */
	REFRESH_WAY_COUNT
};
extern const char *const refresh_way_names[REFRESH_WAY_COUNT + 1];

struct refresh_request {
	char emulator[VM_DEF_PATH_SIZE]; /* "": that of the host */
	int way;                         /* enum refresh_way */
	bool has_way;                    /* else the first that can be gone */
};
extern const struct json_field refresh_request_fields[];

/* Sets all of *RET.  OBJ may be NULL: a body is not needed. */
bool refresh_request_decode(struct json_object *obj, struct refresh_request *ret,
			    struct faults *faults);

#endif
