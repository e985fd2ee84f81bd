/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* wire/adopt_request.h -- the body of POST /v1/vms/adopt.  Thread: any. */
#ifndef MIGRD_WIRE_ADOPT_REQUEST_H
#define MIGRD_WIRE_ADOPT_REQUEST_H

#include <sys/un.h>

#include "base/id.h"
#include "base/json.h"

#define ADOPT_QMP_PREFIX   "unix:"
#define ADOPT_CONFIRM_SIZE 33

struct adopt_request {
	char qmp[sizeof(ADOPT_QMP_PREFIX) + sizeof(((struct sockaddr_un *)0)->sun_path)];
	char name[ID_NAME_SIZE]; /* "": QEMU's own */
	bool disks_shared;
	bool dry_run;
	char confirm[ADOPT_CONFIRM_SIZE]; /* "" with dry_run */
};

extern const struct json_field adopt_request_fields[];

bool adopt_request_decode(struct json_object *obj, struct adopt_request *ret,
			  struct faults *faults);

#endif
