/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* wire/vm_request.h -- the body of the requests that let a guest run:
 * POST /v1/vms/{name}/start and /resume.  Thread: any. */
#ifndef MIGRD_WIRE_VM_REQUEST_H
#define MIGRD_WIRE_VM_REQUEST_H

#include "base/id.h"
#include "base/json.h"

#define VM_ASSERT_MAX 16

struct vm_start_request {
	/* Hosts that the caller vouches for: the guest does not run there, and never will. */
	char assert_dead[VM_ASSERT_MAX][ID_NAME_SIZE];
	size_t assert_count;
	char why[200];
};

extern const struct json_field vm_start_fields[];

/* Sets all of *RET.  OBJ: NULL if there is no body. */
bool vm_start_decode(struct json_object *obj, struct vm_start_request *ret, struct faults *faults);

#endif
