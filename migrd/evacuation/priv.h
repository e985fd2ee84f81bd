/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* evacuation/priv.h -- shared by the files of migrd/evacuation. */
#ifndef MIGRD_EVACUATION_PRIV_H
#define MIGRD_EVACUATION_PRIV_H

#include <sys/queue.h>

#include "base/mem.h"
#include "evacuation/evacuation.h"
#include "machine/machine.h"

enum evac_state {
	EVAC_STATE_PLANNED,
	EVAC_STATE_WAITING,
	EVAC_STATE_DRAINING,
	EVAC_STATE_DRAINED,
	EVAC_STATE_RETURNING,
	EVAC_STATE_ENDED,
	EVAC_STATE_ABORTED,
	EVAC_STATE_COUNT
};
extern const struct machine_state evac_states[EVAC_STATE_COUNT];

/* What it is on its way to, as soon as nothing of it is under way. */
enum evac_ending {
	EVAC_ENDING_NONE,
	EVAC_ENDING_ABORTED,
	EVAC_ENDING_ENDED,
	EVAC_ENDING_RETURNING
};

enum evac_vm_state {
	EVAC_VM_WAITING, /* for a plan, or for its turn in it */
	EVAC_VM_QUEUED,
	EVAC_VM_MOVING,
	EVAC_VM_MOVED,
	EVAC_VM_BLOCKED, /* nobody takes it now */
	EVAC_VM_HELD,
	EVAC_VM_STOPPING,
	EVAC_VM_STOPPED,
	EVAC_VM_SAVING,
	EVAC_VM_SAVED,
	EVAC_VM_LEFT, /* stays here, and may */
	EVAC_VM_GONE, /* deleted, or moved by somebody else */
	EVAC_VM_RETURNING,
	EVAC_VM_RETURNED,
	EVAC_VM_AWAY, /* does not come back */
	EVAC_VM_STATE_COUNT
};
extern const char *const evac_vm_names[]; /* ended by NULL */

/* Keys of entries of the queue: no user may send one that begins so (api_key_is_valid()). */
#define EVAC_KEY_PREFIX  "@e-"
#define EVAC_BACK_PREFIX "@r-"
#define EVAC_ROOM_PREFIX "@m-"
#define EVAC_KEY_SIZE    (ID_NAME_SIZE + 1)

#define EVAC_REJECTED_OF_VM 64 /* hosts that are named */
struct evac_rejected {
	char host[ID_NAME_SIZE];
	char why[192];
};

struct evac_vm {
	/* On disk. */
	uint64_t number; /* in the evacuation, from 1 on: part of the keys */
	char uuid[ID_UUID_SIZE], name[ID_NAME_SIZE];
	int state;                              /* enum evac_vm_state */
	char to[QUEUE_HOSTS_MAX][ID_NAME_SIZE]; /* of the last attempt */
	size_t to_count;
	uint64_t attempt;        /* number of the last one; 0: there was none */
	bool is_over;            /* that attempt has ended */
	bool stays;              /* request and placement allow it */
	uint64_t failed;         /* attempts */
	char host[ID_NAME_SIZE]; /* where it goes, or is */
	char move[ID_UUID_SIZE]; /* that brought it there */
	char why[QUEUE_REASON_SIZE];
	bool is_cancelling; /* its entry is to end by our wish */
	int64_t silent_ms;  /* wall clock: since then the host that has it has not answered; 0: it
			     * has */
	/* Only here. */
	uint64_t change;             /* number of the change that the attempt was */
	uint64_t cancel_change;      /* of that which is_cancelling was */
	struct queue_entry *live;    /* of the VM, whoever made it; during a look */
	char entry[ID_UUID_SIZE];    /* of the queue; "": not known */
	bool is_adding;              /* queue_add(), or a question to another host, is under way */
	bool is_cancel_told;         /* its entry was told to end */
	bool was_too_late;           /* for that: its move was past the point of no return */
	char too_late[ID_UUID_SIZE]; /* that move; "": it had none yet */
	uint64_t powerdown_ms; /* asked to power off, until then, on the loop's clock; 0: not yet */
	char save[ID_UUID_SIZE]; /* of the save under way, or that was the last; "": none */
	uint64_t again_ms;       /* no plan for it before, on the loop's clock; 0: at once */
	bool awaited_room;       /* a plan had a place for it, if others would give way */
	uint64_t refused;        /* attempts in a row that this host itself has refused */
	uint64_t refused_ms;     /* when the first of them was, on the loop's clock */
	char *refused_as;        /* what it was then, if it cannot be moved; NULL: it can */
	struct evac_rejected *rejected;
	size_t rejected_count;
};

struct evac_asker {
	char requester[EVACUATION_WHO_SIZE];
	char why[EVACUATION_WHY_SIZE];
	int64_t asked_ms, until_ms; /* wall clock; UNTIL 0: for ever */
	int on_withdraw;            /* enum evacuation_withdrawn */
};

/* A VM on another host that is to give way, so that one of this host has room there (room.c). */
#define EVAC_ROOMS_MAX 16
enum evac_room_state {
	EVAC_ROOM_WAITING, /* its host is asked, or others go first */
	EVAC_ROOM_MOVING,  /* the order stands in its host's queue */
	EVAC_ROOM_MOVED,
	EVAC_ROOM_FAILED, /* it stays there */
	EVAC_ROOM_LEFT    /* nobody waits for it; its host may still move it */
};
extern const char *const evac_room_names[]; /* ended by NULL */
struct evac_room {
	/* On disk. */
	uint64_t number; /* in the evacuation, from 1 on: part of the key */
	char uuid[ID_UUID_SIZE], name[ID_NAME_SIZE];
	char from[ID_NAME_SIZE], to[ID_NAME_SIZE]; /* host ids */
	int state;                                 /* enum evac_room_state */
	char why[192];
	/* Only here. */
	uint64_t change;    /* by which the record has it */
	uint64_t again_ms;  /* not asked before, on the loop's clock; 0: at once */
	uint64_t silent_ms; /* likewise: since then its host has not answered; 0: it has */
	bool is_asking;
};
extern const struct json_field evac_room_fields[]; /* what is on disk */

/* What must survive beside requests, plan and VMs. */
struct evac_detail {
	struct evac_asker askers[EVACUATION_REQUESTS_MAX];
	size_t asker_count;
	/* Who has withdrawn, or whose request has expired: the newest. */
	char former[EVACUATION_REQUESTS_MAX][EVACUATION_WHO_SIZE];
	size_t former_count;
	/* Names of certificates; "": nobody is known. */
	char began_by[ID_NAME_SIZE], paused_by[ID_NAME_SIZE], aborted_by[ID_NAME_SIZE];
	int64_t not_before_ms, window_until_ms;
	bool approved;
	char state_id[EVACUATION_STATE_ID_SIZE];
	int64_t planned_ms; /* when the plan was made */
	int64_t started_ms, drained_ms, deadline_ms;
	int64_t since_ms[EVACUATION_CONDITIONS];
	bool paused;
	char paused_why[QUEUE_REASON_SIZE];
	bool is_late; /* the deadline has come, and what it says was done */
	int ending;   /* enum evac_ending */
	char ending_why[QUEUE_REASON_SIZE];
	int moves;                   /* enum evacuation_moves, of the last pause or ending */
	char moves_by[ID_NAME_SIZE]; /* whose wish MOVES is; "": its own; a resume keeps both */
	bool keep_cordon;
	int64_t return_until_ms; /* what is not back by then stays where it is; 0: no limit */
	uint64_t next_number;
	struct evac_room rooms[EVAC_ROOMS_MAX]; /* of the round under way, or of the last one */
	size_t room_count;
	int64_t rooms_until_ms; /* the round is over then, on the clock of the wall */
	uint64_t rooms_used;    /* VMs of former rounds that have moved, or may have */
	uint64_t last_room;     /* number */
};

struct evacuation {
	struct machine machine;
	TAILQ_ENTRY(evacuation) link;
	struct evacuations *evacs;
	struct store_evacuation row;
	struct evacuation_request *request; /* NULL: a later version wrote one */
	struct evac_detail detail;
	struct evac_vm *vms;
	size_t vm_count, vm_size;
	uint32_t *slots; /* finds a VM by its uuid: its number + 1; 0: free */
	size_t slot_count;
	struct json_object *wish, *plan; /* to be shown */
	struct err error;                /* why it ends badly; not set: it does not */

	/* VMs of other hosts that do not give way: no plan wants them for a while. */
	struct evac_refusal *refusals; /* EVAC_FIXED_MAX, or NULL */
	size_t refusal_count;

	/* Of the present state; forgotten when another is entered. */
	struct evac_now {
		bool is_cordon_asked, is_cordon_on, is_cordon_off;
		bool is_news;      /* something that is shown has changed since it was told */
		uint64_t planning; /* number of the plan that is being made; 0: none is */
		uint64_t creations_until_ms; /* so long creations are waited for */
		uint64_t plan_again_ms;      /* no plan before; 0: at once */
		unsigned plan_failed;        /* in a row */
		char plan_error[QUEUE_REASON_SIZE];
		size_t creations;
		struct asked *asked; /* back.c, in a look */
	} now;

	uint64_t news;            /* how often it was told that something has changed */
	struct evac_brief *brief; /* brief.c; NULL: nobody has asked */

	struct loop_timer *timer;
};

TAILQ_HEAD(evac_list, evacuation);
TAILQ_HEAD(evac_begins, evac_begin);

struct evacuations {
	struct evacuations_env env;
	struct machines machines;
	struct evac_list list; /* the newest first */
	struct evac_begins begins;
	struct evac_planner *planner;
	uint64_t last_planning; /* number of it */
	char *makes_room_for;   /* NULL: no host */
	struct loop_timer *look;
	struct evac_shown *shown; /* the last one that was */
	bool is_ready;            /* recovered */
	bool is_closing;
};

static inline struct evacuation *evac_of(struct machine *machine)
{
	return CONTAINER_OF(machine, struct evacuation, machine);
}

/* For what is asynchronous: the evacuation is looked up again.  NUMBER: of a VM, or another. */
static inline struct machine_ref *evac_ref_new(const struct evacuation *evac, uint64_t number)
{
	return machine_ref_new(&evac->machine, number);
}

/* Frees REF; NULL: the evacuation is gone. */
static inline struct evacuation *evac_ref_take(struct machine_ref *ref, uint64_t *ret_number)
{
	struct machine *machine = machine_ref_take(ref, ret_number);

	return machine ? evac_of(machine) : NULL;
}

/* Something of the record has changed: it is written after the look.  The number of the change. */
static inline uint64_t evac_change(struct evacuation *evac)
{
	return record_change(&evac->machine);
}

/* The change of this NUMBER is on disk. */
static inline bool evac_has(const struct evacuation *evac, uint64_t number)
{
	return record_has(&evac->machine, number);
}

/* ---- evacuations.c: all of them ---- */
/* The one that has not ended; NULL: none. */
struct evacuation *evacs_current(const struct evacuations *evacs);
void evacs_trim(struct evacuations *evacs);

/* ---- detail.c: what is on disk of one ---- */
void evac_fill_facts(struct machine *machine);
/* False: a later version wrote it; sets the error, and the request to NULL. */
bool evac_decode(struct evacuation *evac);

/* ---- record.c: one, and what its machine does ---- */
struct evacuation *evac_new(struct evacuations *evacs, const char *id);
void evac_free(struct evacuation *evac);
void evac_go(struct evacuation *evac, enum evac_state to, const struct err *err);
/* It has ended: what is large, and can be read from its row again, is not kept. */
void evac_slim(struct evacuation *evac);
void evac_tell(struct evacuation *evac);
/* DONE is called when what has changed until now is on disk. */
void evac_answer_when_saved(struct evacuation *evac, evacuation_done_fn *done, void *data);
/* Another look after MS, if nothing happens before. */
void evac_look_in(struct evacuation *evac, uint64_t ms);

/* ---- begin.c: the plan and the first record ---- */
/* The daemon stops. */
void evac_dismiss_begins(struct evacuations *evacs);

/* ---- request.c: who wants it ---- */
/* Adds a request of WHO, or renews it.  INVALID, LIMIT. */
bool evac_ask(struct evacuation *evac, const struct evacuation_request *request, const char *who,
	      struct err *err);
/* False: WHO has none. */
bool evac_withdraw(struct evacuation *evac, const char *who);
/* Withdraws those that have expired.  RET_MS: when the next will, on the clock of the wall; 0: none
 * will. */
void evac_expire(struct evacuation *evac, int64_t now_ms, int64_t *ret_ms);

/* ---- seen.c: the VMs of this host of which a plan is made ---- */
struct evac_seen_vm {
	char uuid[ID_UUID_SIZE], name[ID_NAME_SIZE];
	bool is_stopped;
	bool is_busy;     /* has a job, or its QEMU does not answer, which passes */
	char *definition; /* of a stopped one; NULL: it is not asked for */
};
struct evac_seen {
	struct evac_seen_vm *list; /* in the order of names */
	size_t count, size;
	struct evac_seen_vm **by_uuid;
};
/* Thread: loop. */
struct evac_seen *evac_seen_new(const struct evacuations *evacs,
				const struct evacuation_request *request);
void evac_seen_free(struct evac_seen *seen); /* accepts NULL */
/* NULL: there was none.  Thread: any. */
const struct evac_seen_vm *evac_seen_find(const struct evac_seen *seen, const char *uuid);
/* The VM is what it was, so what was planned for it is still right.  Thread: loop. */
bool evac_seen_is_right(const struct evac_seen *seen, const struct evacuations *evacs,
			const char *uuid);

/* ---- plan.c: where to; thread: any ---- */
struct evac_choice {
	char uuid[ID_UUID_SIZE], name[ID_NAME_SIZE];
	bool is_stopped; /* and the plan library does not know it */
	char to[QUEUE_HOSTS_MAX][ID_NAME_SIZE];
	size_t to_count;     /* 0: it stays */
	bool waits_for_room; /* VMs of others have to leave its destination first */
	char *why;
	int becomes; /* enum evac_vm_state: LEFT, STOPPING, SAVING; BLOCKED: it may not stay */
	bool is_of_moment; /* a host that may take it is silent: the guest is not stopped at once */
	bool waits_for_asking; /* nor, if it has awaited room, before others are asked once more */
	struct evac_rejected *rejected;
	size_t rejected_count;
};
struct evac_plan {
	char state_id[EVACUATION_STATE_ID_SIZE];
	struct json_object *shown; /* of evacuation_plan_fields */
	char *text;                /* the same */
	struct evac_choice *list;  /* each VM of this host */
	size_t count, size;
	struct evac_choice **by_uuid;
	size_t by_uuid_count;
	size_t rejected_count; /* of all choices */
	struct evac_seen *seen;
	struct evac_room rooms[EVAC_ROOMS_MAX]; /* whom it wants to give way, in its order */
	size_t room_count;
};
/* What a plan may do with VMs of other hosts. */
#define EVAC_FIXED_MAX 32
struct evac_fixed {
	char host[ID_NAME_SIZE];
	char uuid[ID_UUID_SIZE]; /* "": all of that host */
};
struct evac_others {
	unsigned max;                            /* so many may be moved */
	struct evac_fixed fixed[EVAC_FIXED_MAX]; /* and none of these */
	size_t fixed_count;
	bool is_asked_again; /* one of these soon, as it was refused once, for what may pass */
};
struct evac_refusal {
	struct evac_fixed what;
	uint64_t until_ms; /* on the loop's clock */
	unsigned times;
	bool is_lasting; /* the last one was for what its host's configuration or version says */
};
struct evac_making;
/* CONFLICT: no other host takes guests; INTERNAL. */
struct evac_plan *evac_plan_make(struct evac_making *making, struct err *err);
void evac_plan_free(struct evac_plan *plan); /* accepts NULL */
struct evac_choice *evac_plan_add(struct evac_plan *plan, const char *uuid, const char *name);
/* One more host where it may go; more than a request takes are left out. */
void evac_plan_add_host(const struct evac_making *making, struct evac_choice *choice,
			uint32_t host);
/* NULL: the plan has no such VM. */
struct evac_choice *evac_plan_find(const struct evac_plan *plan, const char *uuid);
/* A VM that may not stay and has no destination; NULL: there is none. */
const struct evac_choice *evac_plan_blocked(const struct evac_plan *plan);

/* ---- planner.c: who wants a plan, one after the other ---- */
#define EVAC_PLANS_MAX 8 /* that are waited for; more are refused */
struct evac_planner;
struct evac_planner *evac_planner_new(struct evacuations *evacs);
/* Each that waits is answered with UNAVAILABLE. */
void evac_planner_end(struct evac_planner *planner);
void evac_planner_free(struct evac_planner *planner); /* accepts NULL */
/* PLAN is the callee's to take choices from until it returns, and tells what hosts and VMs were
 * when it was begun, which is not long ago. */
typedef void evac_planned_fn(void *data, struct evac_plan *plan, const struct err *err);
/* DONE is called once, on the loop, never from inside the call.  IS_RUN: an evacuation that is
 * under way wants it, and waits for at most one other.  As evac_plan_make(); LIMIT; UNAVAILABLE. */
void evac_plan_ask(struct evac_planner *planner, const struct evacuation_request *request,
		   const struct evac_others *others, bool is_run, evac_planned_fn *done,
		   void *data);

/* ---- plan_room.c, plan_stopped.c, plan_sum.c, plan_show.c: parts of a plan; thread: any ---- */
#define EVAC_OWN 0 /* index of this host in the picture */
/* All that a plan is made of. */
struct evac_making {
	const struct evacuation_request *request;
	const struct evac_others *others;
	struct capacity_picture *picture;
	struct evac_seen *seen;
	struct evac_choice **choices; /* of each VM of the picture; NULL: none yet */
	struct plan_input input;
	const struct capacity_host *hosts;
	const struct capacity_vm *vms;
	struct plan *plan; /* NULL: there is nothing to be planned */
	struct evac_plan *ret;
};
/* Sets the rooms, and which choices wait for them. */
void evac_plan_rooms(const struct evac_making *making);
/* Adds the choices for VMs that do not run. */
void evac_plan_stopped(const struct evac_making *making);
/* Sets the state id. */
void evac_plan_sum(const struct evac_making *making);
/* Sets what is shown. */
void evac_plan_show(const struct evac_making *making);
/* plan.c: what guests may have of the memory of HOST; never 0. */
uint64_t evac_memory_mib(const struct plan_host *host);

/* plan.c: what request and placement allow for VM, which cannot be moved: enum evac_vm_state. */
int evac_becomes(const struct evacuation_request *request, const struct capacity_vm *vm);

/* ---- vm.c: each VM ---- */
/* The uuids of its VMs have changed. */
void evac_vms_index(struct evacuation *evac);
struct evac_vm *evac_vm_find(const struct evacuation *evac, const char *uuid);
struct evac_vm *evac_vm_of_number(const struct evacuation *evac, uint64_t number);
struct evac_vm *evac_vm_add(struct evacuation *evac, const char *uuid, const char *name);
/* Takes the VMs of this host that are not known yet, and notes what has become of each. */
void evac_vms_look(struct evacuation *evac);
void evac_vm_set(struct evacuation *evac, struct evac_vm *vm, enum evac_vm_state state,
		 const char *fmt, ...) __attribute__((format(printf, 4, 5)));
void evac_vm_set_host(struct evacuation *evac, struct evac_vm *vm, const char *host);
bool evac_vm_is_settled(const struct evac_vm *vm); /* nothing is to be done with it */
/* No VM of the store is this host's but those that may stay; each that was moved is with another
 * host by the records of both. */
bool evac_is_empty(const struct machine *machine);

/* ---- attempt.c: its entries in the queue ---- */
/* PREFIX: of EVAC_KEY_PREFIX and its sisters. */
void evac_key(const char *prefix, const char *id, uint64_t number, uint64_t attempt,
	      char ret[EVAC_KEY_SIZE]);
/* Notes for each VM its entry that has not ended, whoever made it, and that of its last attempt. */
void evac_vms_find_entries(struct evacuation *evac);
/* That of the last attempt, whatever has become of it; NULL: there is none any more. */
struct queue_entry *evac_vm_attempt_entry(const struct evacuation *evac, const struct evac_vm *vm);
/* The same if it has not ended; NULL: none. */
struct queue_entry *evac_vm_entry(const struct evacuation *evac, const struct evac_vm *vm);
void evac_vm_drop_rejected(struct evac_vm *vm);
/* ENTRY has ended, and the VM is on this host. */
void evac_vm_attempt_ended(struct evacuation *evac, struct evac_vm *vm,
			   const struct queue_entry *entry);
/* ENTRY is done, and the VM is not. */
void evac_vm_attempt_done(struct evacuation *evac, struct evac_vm *vm,
			  const struct queue_entry *entry);
/* It is blocked, and tried again after a while. */
void evac_vm_attempt_failed(struct evacuation *evac, struct evac_vm *vm, const char *why);
/* What a plan says of it is shown, and nothing is begun. */
void evac_vm_foresee(struct evacuation *evac, struct evac_vm *vm, struct evac_choice *choice);
/* Its next attempt is by CHOICE. */
void evac_vm_take_choice(struct evacuation *evac, struct evac_vm *vm, struct evac_choice *choice);
/* The plan has no such VM: it neither runs nor is it stopped. */
void evac_vm_has_no_choice(struct evacuation *evac, struct evac_vm *vm);
/* True: it needs a plan now.  *RET_MS: else when, on the loop's clock; UINT64_MAX: by no time. */
bool evac_vm_wants_plan(const struct evacuation *evac, const struct evac_vm *vm, uint64_t *ret_ms);
/* Gives each VM, whose attempt is on disk, its entry in the queue. */
void evac_vms_feed(struct evacuation *evac);

/* ---- cannot.c: VMs that this host itself does not let go ---- */
/* It was refused so COUNT times in a row, over MS, and BECOMES (enum evac_vm_state) what is done
 * then: that is no matter of the moment. */
bool evac_is_refused_for_good(uint64_t count, uint64_t ms, int becomes);
/* An attempt has failed so: the VM is tried again, or becomes what it may if it cannot be moved. */
void evac_vm_refused(struct evacuation *evac, struct evac_vm *evac_vm, const char *why);
/* A plan has no place for it, and that may pass: true: it is tried again, and nothing else. */
bool evac_vm_waits_out(struct evacuation *evac, struct evac_vm *evac_vm,
		       const struct evac_choice *choice);
void evac_vm_forget_refusals(struct evac_vm *evac_vm);
/* One that cannot be moved is tried again when VM is not what it was then. */
void evac_vm_look_at_refused(struct evacuation *evac, struct evac_vm *evac_vm, const struct vm *vm);

/* ---- room.c: room on other hosts ---- */
/* What the next plan may do with their VMs. */
void evac_rooms_others(const struct evacuation *evac, struct evac_others *ret);
/* HOST has refused to let UUID ("": all of its VMs) give way.  IS_LASTING: by its configuration or
 * version. */
void evac_rooms_refused(struct evacuation *evac, const char *host, const char *uuid,
			bool is_lasting);
/* The rooms of PLAN, if it has some, are the next round. */
void evac_rooms_take(struct evacuation *evac, const struct evac_plan *plan);
/* Then no plan is made. */
bool evac_rooms_are_under_way(const struct evacuation *evac);
/* VM has to wait for room by CHOICE. */
void evac_vm_await_room(struct evacuation *evac, struct evac_vm *vm,
			const struct evac_choice *choice);
/* WHY a VM has no place, and whose refusal that may be due to; the caller frees it. */
char *evac_rooms_why(const struct evacuation *evac, const char *why);
/* Asks their hosts. */
void evac_rooms_step(struct evacuation *evac, uint64_t *wait_ms);
/* Nobody waits for them any more. */
void evac_rooms_leave(struct evacuation *evac);

/* ---- recall.c ---- */
/* Sets `rejected' of the VMs that are blocked, of the plan that is on record. */
void evac_recall_rejected(struct evacuation *evac);

/* ---- run.c: from planned to drained ---- */
void evac_step_planned(struct machine *machine);
void evac_enter_draining(struct machine *machine);
void evac_step_draining(struct machine *machine);
void evac_step_drained(struct machine *machine);

/* ---- end.c: pauses and ends ---- */
/* Its entries that wait, and those under way if CANCEL, are to end.  True: none is left. */
bool evac_entries_end(struct evacuation *evac, bool cancel);
/* Tells those that are to end, once that is on disk. */
void evac_entries_cancel(struct evacuation *evac);
/* What becomes of its entries under way (enum evacuation_moves), and whose wish that is, by whose
 * name they are cancelled; "": its own. */
void evac_set_moves(struct evacuation *evac, int moves, const char *by);
/* MOVES and BY as of evac_set_moves(). */
void evac_want_end(struct evacuation *evac, enum evac_ending ending, int moves, const char *by,
		   const char *why);
bool evac_is_just_ending(const struct evacuation *evac); /* its end is being written */
bool evac_is_returning(const struct evacuation *evac);   /* or that state is being written */
/* An ending is wanted, and nothing is under way any more. */
void evac_end(struct evacuation *evac);
/* The deadline that is still to be met; 0: there is none, as it has none, was drained in time, or
 * is on its way to an end. */
int64_t evac_deadline_ms(const struct evacuation *evac);
/* What its deadline says is done, once. */
void evac_look_at_deadline(struct evacuation *evac);
/* True: the evacuation's cordon is ON (off) on disk. */
bool evac_cordon(struct evacuation *evac, bool on);

/* ---- stay.c: VMs that are stopped or saved ---- */
/* Stops and saves them, when no other is under way. */
void evac_stays_end(struct evacuation *evac, uint64_t *wait_ms);
/* Lets them go on.  True: none is to go on any more. */
bool evac_stays_go_on(struct evacuation *evac);

/* ---- back.c: the way back ---- */
void evac_enter_returning(struct machine *machine);
void evac_step_returning(struct machine *machine);

/* ---- give.c: a guest of this host that another one asks for ---- */
/* VM is that of UUID.  NOT_FOUND: it is not here (any more). */
bool evac_give_check(const struct evacuations *evacs, const char *uuid, const struct vm *vm,
		     struct err *err);

/* ---- say.c: how far it is ---- */
struct evacuation_counts evac_counts(const struct evacuation *evac);
/* The first VM that is blocked or held; NULL: none is. */
const struct evac_vm *evac_blocking(const struct evacuation *evac);
void evac_say(const struct evacuation *evac, struct strbuf *text); /* one sentence */

/* ---- show.c ---- */
struct evac_shown;
void evac_shown_free(struct evac_shown *shown);
/* Of a dry run. */
struct evac_shown *evac_show_plan(const struct evacuations *evacs, const struct evac_plan *plan,
				  const struct evacuation_request *request, const char *by);
const struct evacuation_reply *evac_shown_reply(const struct evac_shown *shown);

#endif
