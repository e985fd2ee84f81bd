/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* wire/maintenance_request.h -- the bodies of POST /v1/maintenances and of what is asked of one.
 * Thread: any. */
#ifndef MIGRD_WIRE_MAINTENANCE_REQUEST_H
#define MIGRD_WIRE_MAINTENANCE_REQUEST_H

#include "wire/evacuation_request.h"

#define MAINTENANCE_HOSTS_MAX    256
#define MAINTENANCE_AT_ONCE_MAX  32
#define MAINTENANCE_VERSION_SIZE 64
#define MAINTENANCE_WAIT_MAX_S   2592000 /* 30 days */
#define MAINTENANCE_CHECK_S      60
#define MAINTENANCE_EVACUATE_S   86400
#define MAINTENANCE_HOOK_S       3600
#define MAINTENANCE_HEAL_S       900
#define MAINTENANCE_RETURN_S     86400

/* What becomes of a host that fails when it is empty. */
enum maintenance_failed {
	MAINTENANCE_FAILED_KEEP,   /* it stays empty and takes no guests: a person looks */
	MAINTENANCE_FAILED_RETURN, /* as with a host that does well */
};

/* Hosts are to be emptied, handed to a hook and given back, one after another. */
struct maintenance_request {
	char hosts[MAINTENANCE_HOSTS_MAX][ID_NAME_SIZE]; /* in this order */
	size_t host_count;
	char hook[ID_NAME_SIZE]; /* name of a section of each host's configuration; "": by hand */
	char why[EVACUATION_WHY_SIZE];
	/* Of the answer. */
	bool dry_run;
	char state_id[EVACUATION_STATE_ID_SIZE]; /* of the dry run that the caller has seen */
	/* Of the order. */
	char not_before[WHEN_SIZE]; /* "": at once */
	uint64_t at_once;           /* hosts; never 0 when it was decoded */
	bool by_rack;               /* those at once are of one rack */
	bool pause;                 /* each host waits for a person's go */
	uint64_t failures;          /* so many failed hosts stop it; never 0 when decoded */
	/* Of each host. */
	bool spare;     /* not begun if the rest could not lose another host */
	bool adopt;     /* a host that an earlier maintenance has emptied is taken over */
	int back;       /* enum evacuation_back: afterwards */
	int on_failure; /* enum maintenance_failed */
	char version[MAINTENANCE_VERSION_SIZE]; /* as it says to peers, afterwards; "": any */
	/* Deadlines in seconds; never 0 when decoded. */
	uint64_t check_s, evacuate_s, hook_s, heal_s, return_s;
	/* How its guests are moved; only members of the run that the maintenance does not set. */
	struct evacuation_request evacuation;
};

/* The body of POST /v1/maintenances/{id}/go. */
struct maintenance_go {
	char host[ID_NAME_SIZE]; /* "": the one that waits first */
};

struct maintenance_pause {
	char why[EVACUATION_WHY_SIZE];
};

struct maintenance_stop {
	char why[EVACUATION_WHY_SIZE];
};

struct maintenance_abort {
	bool stay; /* what has moved stays where it is; else it comes back */
	char why[EVACUATION_WHY_SIZE];
};

struct maintenance_skip {
	char host[ID_NAME_SIZE];
	char why[EVACUATION_WHY_SIZE];
};

extern const struct json_field maintenance_request_fields[];
extern const struct json_field maintenance_go_fields[];
extern const struct json_field maintenance_pause_fields[];
extern const struct json_field maintenance_stop_fields[];
extern const struct json_field maintenance_abort_fields[];
extern const struct json_field maintenance_skip_fields[];

/* All set all of *RET, which must not be used after false.  OBJ NULL: no body, but for the first
 * and the last. */
bool maintenance_request_decode(struct json_object *obj, struct maintenance_request *ret,
				struct faults *faults);
bool maintenance_go_decode(struct json_object *obj, struct maintenance_go *ret,
			   struct faults *faults);
bool maintenance_pause_decode(struct json_object *obj, struct maintenance_pause *ret,
			      struct faults *faults);
bool maintenance_stop_decode(struct json_object *obj, struct maintenance_stop *ret,
			     struct faults *faults);
bool maintenance_abort_decode(struct json_object *obj, struct maintenance_abort *ret,
			      struct faults *faults);
bool maintenance_skip_decode(struct json_object *obj, struct maintenance_skip *ret,
			     struct faults *faults);

#endif
