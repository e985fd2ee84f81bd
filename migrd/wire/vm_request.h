/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* wire/vm_request.h -- the body of the requests that let a guest run:
 * POST /v1/vms/{name}/start and /resume, of PATCH /v1/vms/{name} and POST /v1/vms/{name}/rename.
 * Thread: any. */
#ifndef MIGRD_WIRE_VM_REQUEST_H
#define MIGRD_WIRE_VM_REQUEST_H

#include "base/id.h"
#include "base/json.h"
#include "wire/vm_edit.h"

#define VM_ASSERT_MAX 16

struct vm_start_request {
	/* Hosts that the caller vouches for: the guest does not run there, and never will. */
	char assert_dead[VM_ASSERT_MAX][ID_NAME_SIZE];
	size_t assert_count;
	char why[200];
};

extern const struct json_field vm_start_fields[];

/* When an edit is to be made. */
enum vm_edit_when {
	VM_EDIT_AUTO, /* now if it can be, else at the next start */
	VM_EDIT_NOW,
	VM_EDIT_NEXT_START,
};

/* What people say of a VM, and what they change of it. */
struct vm_patch_request {
	struct json_object *labels; /* changes, null removing one; owned; NULL: none */
	bool has_policy;
	char policy[ID_NAME_SIZE]; /* "": none from now on */
	bool has_autostart, autostart, has_autostart_order;
	uint64_t autostart_order;
	struct json_object *placement; /* changes (wire/placement.h); owned; NULL: none */
	struct vm_edit edit;
	int when; /* enum vm_edit_when */
};
extern const struct json_field vm_patch_fields[];

struct vm_rename_request {
	char name[ID_NAME_SIZE];
};
extern const struct json_field vm_rename_fields[];

/* Sets all of *RET, which json_release() ends.  A request that changes nothing is a fault. */
bool vm_patch_decode(struct json_object *obj, struct vm_patch_request *ret, struct faults *faults);
/* Sets all of *RET.  OBJ: NULL if there is no body. */
bool vm_start_decode(struct json_object *obj, struct vm_start_request *ret, struct faults *faults);

#endif
