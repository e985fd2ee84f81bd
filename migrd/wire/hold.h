/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* wire/hold.h -- holds and the cordon of a host (hold/hold.h): what users ask for and are shown.
 *
 * Not the hold of a move (wire/move_request.h), which is a point at which one move waits.
 * Thread: any.
 */
#ifndef MIGRD_WIRE_HOLD_H
#define MIGRD_WIRE_HOLD_H

#include "base/id.h"
#include "base/json.h"
#include "base/when.h"

#define HOLD_OWNER_SIZE  64
#define HOLD_REASON_SIZE 256
#define HOLD_MAX_S       2592000 /* 30 days: who wants it longer renews it */
#define HOLDS_MAX        256     /* of a host, those of its VMs included */

/* When it ends: one of the two. */
struct hold_end {
	char until[WHEN_SIZE]; /* "": for_s says it */
	uint64_t for_s;
};

/* The body of POST /v1/holds. */
struct hold_request {
	char vm[ID_NAME_SIZE];       /* "": the host is to be held */
	char owner[HOLD_OWNER_SIZE]; /* "": the caller */
	char reason[HOLD_REASON_SIZE];
	struct hold_end end;
};
extern const struct json_field hold_request_fields[];

/* The body of PATCH /v1/holds/{id}. */
struct hold_patch {
	struct hold_end end;
};
extern const struct json_field hold_patch_fields[];

/* The body of POST /v1/host/cordon. */
struct cordon_request {
	char reason[HOLD_REASON_SIZE];
};
extern const struct json_field cordon_request_fields[];

/* All set all of *RET, which must not be used after false. */
bool hold_request_decode(struct json_object *obj, struct hold_request *ret, struct faults *faults);
bool hold_patch_decode(struct json_object *obj, struct hold_patch *ret, struct faults *faults);
bool cordon_request_decode(struct json_object *obj, struct cordon_request *ret,
			   struct faults *faults);
/* The moment of END, at NOW_MS (wall clock).  INVALID: it is past, or too far away. */
bool hold_end_ms(const struct hold_end *end, int64_t now_ms, int64_t *ret_ms, struct err *err);

/* ---- what is shown; texts are borrowed ------------------------------------ */

struct hold_reply {
	const char *id, *kind, *host;
	const char *vm, *vm_uuid; /* NULL: it is the host's */
	bool applies;             /* the host's, or the VM is on this host */
	const char *owner, *reason, *created_by;
	int64_t until, created_at, updated_at;
};
extern const struct json_field hold_reply_fields[];

/* What keeps new guests away.  All zero before it is filled, so that two can be compared byte for
 * byte. */
#define CORDONS_MAX 2
struct cordon_reply {
	bool cordoned;
	struct cordon_shown {
		char party[16];
		char reason[HOLD_REASON_SIZE];
		char by[ID_NAME_SIZE];
		int64_t since;
	} cordons[CORDONS_MAX];
	size_t cordon_count;
	uint64_t creations_under_way;
};
extern const struct json_field cordon_reply_fields[];

struct event_hold {
	struct hold_reply hold;
	const char *change, *by;
	int64_t at;
};
extern const struct json_field event_hold_fields[];

struct event_cordon {
	struct cordon_reply cordon;
	const char *host, *change, *party, *by;
	int64_t at;
};
extern const struct json_field event_cordon_fields[];

#endif
