/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* wire/move_request.h -- the bodies of POST /v1/moves, PATCH /v1/moves/{id} and
 * POST /v1/moves/{id}/resolve.  Thread: any. */
#ifndef MIGRD_WIRE_MOVE_REQUEST_H
#define MIGRD_WIRE_MOVE_REQUEST_H

#include "base/id.h"
#include "base/json.h"
#include "base/when.h"
#include "wire/transfer_plan.h"

#define MOVE_BANDWIDTH_MIN 1024 /* bytes a second */

/* What happens to block jobs and exports on the guest's disks, which would end with
 * the source's QEMU. */
enum move_block_jobs {
	MOVE_BLOCK_JOBS_REFUSE, /* the move is refused, with their names */
	MOVE_BLOCK_JOBS_WAIT,   /* the move waits for their end, up to a limit */
	MOVE_BLOCK_JOBS_CANCEL, /* they are cancelled */
};
extern const char *const move_block_jobs_names[]; /* ended by NULL */

/* Who comes first where moves share what a host has: places (in_max), bandwidth. */
enum move_priority {
	MOVE_PRIORITY_INTERACTIVE, /* a person waits for it */
	MOVE_PRIORITY_EVACUATION,  /* the host is to be empty */
	MOVE_PRIORITY_BALANCING,   /* nobody waits for it */
	MOVE_PRIORITY_COUNT
};
extern const char *const move_priority_names[]; /* ended by NULL */

/* A move may wait before the guest's memory is sent, with its local disks copied by then. */
#define MOVE_HOLD_MAX_S 604800 /* a week */
enum move_hold_end {
	MOVE_HOLD_CANCEL,  /* at its end the move is cancelled */
	MOVE_HOLD_RELEASE, /* it goes on */
};
struct move_hold {
	uint64_t timeout_s;    /* as long as that; or: */
	char until[WHEN_SIZE]; /* up to this moment; "": timeout_s says it */
	int then;              /* enum move_hold_end */
	bool has_then;
};
extern const struct json_field move_hold_fields[];

/* Makes all members of a hold of a request from those that it has, at NOW_MS (wall clock): what
 * happens at its end, and timeout_s if it has `until'.  INVALID: that is past, or too far. */
bool move_hold_complete(struct move_hold *hold, int64_t now_ms, struct err *err);

#define MOVE_OUTAGE_PING_MAX_MS 1000

/* The configuration decides about an option that was not given, hence the has_ members. */
struct move_options {
	uint64_t bandwidth_bytes_per_s; /* 0: no limit */
	uint64_t downtime_limit_ms;
	bool has_bandwidth; /* not the first member: a present_offset of 0 means none */
	bool has_downtime_limit;
	int block_jobs; /* enum move_block_jobs; source only */
	/* Source only: the guest is asked for answers so often around its switch; 0: it is not. */
	uint64_t outage_ping_ms;
	bool has_outage_ping;
	/* The rest is said only when a move is started. */
	int priority; /* enum move_priority; the destination is told beside the options */
	struct transfer_wish transfer; /* source only; the destination gets the plan */
	/* The user vouches for what cannot be proved. */
	bool assert_same_disks, assert_same_cpu, assert_safe_cache;
	bool remove_source_disks; /* source only: images that were copied are not kept there */
	struct move_hold hold;    /* source only; the destination is told how long */
	bool has_hold;
};

struct move_request {
	char vm[ID_NAME_SIZE];
	char to[ID_NAME_SIZE]; /* host id of the destination */
	char policy[ID_NAME_SIZE]; /* "": as the VM or its labels say */
	struct move_options options;
};

/* Changes of a move that is under way. */
struct move_patch {
	struct move_options options; /* the limits that it has_... */
	char policy[ID_NAME_SIZE];   /* "": it stays as it is */
	int priority;                /* enum move_priority */
	bool has_priority;
};

/* The end of a move that is under way is wanted now. */
struct move_finish_request {
	bool force; /* whatever the rest costs */
};

struct move_resolve_request {
	int keep;                       /* enum: 0 source, 1 destination */
	char assert_dead[ID_NAME_SIZE]; /* host id; "" if not said */
	char why[200];
};

extern const struct json_field move_finish_fields[];
extern const struct json_field move_resolve_fields[];
extern const struct json_field move_options_fields[]; /* peer_msg.h */
extern const struct json_field move_patch_fields[];
extern const struct json_field move_request_fields[];
/* Its members but `vm' and `to'. */
extern const struct json_field move_order_fields[];

/* The name of a VM, a host id; *RET_WHY says in words that VALUE is none. */
bool move_check_vm(const char *value, const char **ret_why);
bool move_check_host(const char *value, const char **ret_why);
/* What the tables do not say of a request. */
bool move_order_check(const struct move_request *order, struct faults *faults);

/* Both set all of *RET, which must not be used after false. */
bool move_request_decode(struct json_object *obj, struct move_request *ret, struct faults *faults);
bool move_finish_decode(struct json_object *obj, struct move_finish_request *ret,
			struct faults *faults); /* OBJ NULL: no body */
bool move_resolve_decode(struct json_object *obj, struct move_resolve_request *ret,
			 struct faults *faults);
/* A PATCH that changes nothing is a fault: its sender has misunderstood something. */
bool move_patch_decode(struct json_object *obj, struct move_patch *ret, struct faults *faults);

#endif
