/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* wire/backup_request.h -- POST /v1/host/backup.  Thread: any. */
#ifndef MIGRD_WIRE_BACKUP_REQUEST_H
#define MIGRD_WIRE_BACKUP_REQUEST_H

#include "base/json.h"

#define BACKUP_FILE_SIZE 1024

struct backup_request {
	char file[BACKUP_FILE_SIZE]; /* absolute; "": the daemon names it */
};

extern const struct json_field backup_request_fields[];

/* Sets all of *RET.  OBJ: NULL if there is no body. */
bool backup_request_decode(struct json_object *obj, struct backup_request *ret,
			   struct faults *faults);

#endif
