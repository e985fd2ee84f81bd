/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* wire/queue_request.h -- the bodies of POST /v1/queue and PATCH /v1/queue/{id}.  Thread: any. */
#ifndef MIGRD_WIRE_QUEUE_REQUEST_H
#define MIGRD_WIRE_QUEUE_REQUEST_H

#include "wire/move_request.h"

#define QUEUE_HOSTS_MAX        16
#define QUEUE_ATTEMPTS_MAX     100
#define QUEUE_ATTEMPTS_DEFAULT 10
#define QUEUE_GIVE_UP_MAX_S    2592000 /* 30 days */

/* An order to move a VM, which makes as many attempts as it takes. */
struct queue_request {
	struct move_request move; /* its `to' is empty: an attempt has one of these */
	char to[QUEUE_HOSTS_MAX][ID_NAME_SIZE];
	size_t to_count;
	uint64_t attempts_max; /* never 0 when it was decoded */
	uint64_t give_up_s;    /* 0: never */
};

struct queue_patch {
	int priority; /* enum move_priority */
};

extern const struct json_field queue_request_fields[];
extern const struct json_field queue_patch_fields[];

/* Both set all of *RET, which must not be used after false.  A body whose `to' is one host alone,
 * not in a list, is taken too. */
bool queue_request_decode(struct json_object *obj, struct queue_request *ret,
			  struct faults *faults);
bool queue_patch_decode(struct json_object *obj, struct queue_patch *ret, struct faults *faults);

#endif
