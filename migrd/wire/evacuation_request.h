/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* wire/evacuation_request.h -- the bodies of POST /v1/evacuations and of what is asked of one.
 * Thread: any. */
#ifndef MIGRD_WIRE_EVACUATION_REQUEST_H
#define MIGRD_WIRE_EVACUATION_REQUEST_H

#include "wire/move_request.h"

#define EVACUATION_WHO_SIZE        64
#define EVACUATION_WHY_SIZE        256
#define EVACUATION_DIR_SIZE        512
#define EVACUATION_STATE_ID_SIZE   20      /* 16 hexadecimal digits */
#define EVACUATION_DEADLINE_MAX_S  2592000 /* 30 days */
#define EVACUATION_OTHERS_MAX      1000
#define EVACUATION_POWERDOWN_S     60
#define EVACUATION_POWERDOWN_MAX_S 3600

/* What follows when nobody wants the host to be empty any more. */
enum evacuation_withdrawn {
	EVACUATION_WITHDRAWN_STAY,   /* it ends; what has moved stays where it is */
	EVACUATION_WITHDRAWN_RETURN, /* what has moved comes back */
	EVACUATION_WITHDRAWN_KEEP,   /* nothing: it goes on, as if the request were still there */
};
extern const char *const evacuation_withdrawn_names[]; /* ended by NULL */

enum evacuation_late {
	EVACUATION_LATE_PAUSE, /* nothing more is begun, until somebody says resume */
	EVACUATION_LATE_ABORT, /* it ends as by an abort that lets moves finish */
	EVACUATION_LATE_LEAVE, /* what has not moved by then stays here */
};
extern const char *const evacuation_late_names[];

/* What becomes of moves that are under way. */
enum evacuation_moves { EVACUATION_MOVES_FINISH, EVACUATION_MOVES_CANCEL };
extern const char *const evacuation_moves_names[];

enum evacuation_stopped { EVACUATION_STOPPED_MOVE, EVACUATION_STOPPED_LEAVE };

/* Somebody wants this host to be empty. */
struct evacuation_request {
	/* Of the request, of which an evacuation may have several. */
	char requester[EVACUATION_WHO_SIZE]; /* "": the caller */
	char why[EVACUATION_WHY_SIZE];
	char until[WHEN_SIZE]; /* withdrawn by itself then; "": never */
	int on_withdraw;       /* enum evacuation_withdrawn; that of the last one counts */
	/* Of the answer. */
	bool dry_run;
	char state_id[EVACUATION_STATE_ID_SIZE]; /* the plan that the caller has seen; "": any */
	bool complete; /* refused if by the plan a VM would stay that may not */
	/* Of the run: those of the request that begins it count, and one that joins may not say
	 * others. */
	char not_before[WHEN_SIZE];   /* "": at once */
	char window_until[WHEN_SIZE]; /* not begun from then on; "": no end */
	bool approval;                /* not begun before somebody approves of it */
	uint64_t others_max;          /* VMs of other hosts that may be moved to make room */
	uint64_t deadline_s;          /* from the begin on; 0: none */
	int on_deadline;              /* enum evacuation_late */
	/* What may be done with a running VM that cannot be moved, if its placement says so too. */
	bool may_leave, may_stop, may_save;
	uint64_t powerdown_s; /* may_stop: time to power off by itself; never 0 when decoded */
	char save_dir[EVACUATION_DIR_SIZE]; /* may_save: files are made there */
	int stopped;                        /* enum evacuation_stopped: VMs that do not run */
	struct move_request move;           /* options of each move; its `vm' and `to' are empty */
};

struct evacuation_withdraw {
	char requester[EVACUATION_WHO_SIZE]; /* "": the caller */
};

struct evacuation_approve {
	char state_id[EVACUATION_STATE_ID_SIZE]; /* "": whatever the plan is then */
};

struct evacuation_pause {
	int moves; /* enum evacuation_moves */
	char why[EVACUATION_WHY_SIZE];
};

struct evacuation_abort {
	int moves;
	bool back;        /* what has moved comes back */
	bool keep_cordon; /* the host takes no guests afterwards either */
	char why[EVACUATION_WHY_SIZE];
};

enum evacuation_back {
	EVACUATION_BACK_MOVE, /* the VMs come back from where they are */
	EVACUATION_BACK_STAY, /* they stay there; only the cordon ends */
};

/* A host with a VM that is to come back is asked so long without an answer, unless the request
 * says another time for all of them. */
#define EVACUATION_SILENT_S 3600

struct evacuation_return {
	int vms; /* enum evacuation_back */
	uint64_t give_up_s; /* a VM that is not back by then stays where it is; 0: no limit, but for
			     * hosts that do not answer */
	char why[EVACUATION_WHY_SIZE];
};

extern const struct json_field evacuation_request_fields[];
/* Of it, how VMs are moved and what may be done with those that cannot be. */
extern const struct json_field evacuation_option_fields[];
extern const struct json_field evacuation_withdraw_fields[];
extern const struct json_field evacuation_approve_fields[];
extern const struct json_field evacuation_pause_fields[];
extern const struct json_field evacuation_abort_fields[];
extern const struct json_field evacuation_return_fields[];

/* All set all of *RET, which must not be used after false.  OBJ NULL: no body, but for the first.
 * Moments are checked here, and compared with the clock by who begins the evacuation. */
bool evacuation_request_decode(struct json_object *obj, struct evacuation_request *ret,
			       struct faults *faults);
/* What evacuation_option_fields do not say; the place of a fault begins with POINTER.  Sets what is
 * absent to its default. */
bool evacuation_options_check(struct evacuation_request *request, const char *pointer,
			      struct faults *faults);
bool evacuation_withdraw_decode(struct json_object *obj, struct evacuation_withdraw *ret,
				struct faults *faults);
bool evacuation_approve_decode(struct json_object *obj, struct evacuation_approve *ret,
			       struct faults *faults);
bool evacuation_pause_decode(struct json_object *obj, struct evacuation_pause *ret,
			     struct faults *faults);
bool evacuation_abort_decode(struct json_object *obj, struct evacuation_abort *ret,
			     struct faults *faults);
bool evacuation_return_decode(struct json_object *obj, struct evacuation_return *ret,
			      struct faults *faults);

#endif
