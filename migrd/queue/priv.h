/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* queue/priv.h -- shared by the files of migrd/queue. */
#ifndef MIGRD_QUEUE_PRIV_H
#define MIGRD_QUEUE_PRIV_H

#include <sys/queue.h>

#include "base/mem.h"
#include "base/strbuf.h"
#include "machine/machine.h"
#include "move/foresee_guest.h"
#include "queue/lanes.h"
#include "queue/pick.h"
#include "queue/queue.h"

enum queue_state {
	QUEUE_STATE_WAITING,
	QUEUE_STATE_MOVING,
	QUEUE_STATE_DONE,
	QUEUE_STATE_FAILED,
	QUEUE_STATE_CANCELLED,
	QUEUE_STATE_COUNT
};
extern const struct machine_state queue_states[QUEUE_STATE_COUNT];

#define QUEUE_ATTEMPTS_KEPT 8 /* the last ones are shown */
/* Of the move of an attempt: no Idempotency-Key that a user may send begins with it, so that no
 * request of a user is taken for an attempt (api_key_is_valid()). */
#define QUEUE_KEY_PREFIX "@q-"
#define QUEUE_KEY_SIZE   (ID_UUID_SIZE + 24)

/* What must survive beside the request. */
struct queue_detail {
	int priority;          /* enum move_priority; may differ from the request's */
	uint64_t begun;        /* attempts, for the key of the last one's move */
	uint64_t failed;       /* of them those that count */
	uint64_t rounds;       /* in which all destinations were tried since the last success */
	uint64_t next;         /* index of the destination that is tried next */
	int64_t not_before_ms; /* wall clock; 0: at once */
	bool cancel_wanted;
	char by[ID_NAME_SIZE], cancelled_by[ID_NAME_SIZE]; /* "": nobody is known */
	bool is_passing_on; /* the move under way does not have the priority yet */
	bool is_refused_here;
	struct queue_attempt attempts[QUEUE_ATTEMPTS_KEPT]; /* the newest last */
	size_t attempt_count;
};

/* What a user wants of an entry, until it is done and answered. */
struct queue_order {
	STAILQ_ENTRY(queue_order) link;
	enum {
		QUEUE_ORDER_ADD, /* it is to be on disk */
		QUEUE_ORDER_CANCEL,
		QUEUE_ORDER_PRIORITY,
	} kind;
	int priority;
	char by[ID_NAME_SIZE]; /* of a cancel */
	queue_done_fn *done;
	void *data;
};

struct queue_entry {
	struct machine machine;
	TAILQ_ENTRY(queue_entry) link;         /* all, the newest first */
	TAILQ_ENTRY(queue_entry) waiting_link; /* in the order of their turn */
	struct queue *queue;
	struct store_queue_entry row;
	struct queue_request *request; /* NULL: a later version wrote one that this does not know */
	struct queue_detail detail;
	struct err error; /* why it ends; not set: it goes on, or was done */
	bool is_in_turn;  /* it is on the list of those that wait */
	bool is_counted_moving;
	bool is_begun_here; /* of `moving': its move was begun by this run of the daemon */
	bool is_cancel_on_disk;
	uint64_t failed_before;  /* attempts that had failed when this round of all hosts began */
	bool is_order_under_way; /* the first order is being written, or passed on to the move */
	char did[MOVE_DID_SIZE + 80]; /* queue_did() */
	uint64_t position;
	bool is_passed;  /* one that came later stands before it */
	bool is_longest; /* it goes before the others of its priority: pick_longest_goes_first() */
	struct foreseen foreseen;
	bool is_foreseen;
	uint64_t foreseen_ms;   /* when it was looked at, on the loop's clock; 0: not yet */
	uint64_t foreseen_host; /* index of the destination that was meant */
	uint64_t alone_ms;      /* what its move takes by itself, by that; 0: not known */
	bool is_expected;
	struct queue_expected start, end;
	char reason[QUEUE_REASON_SIZE];
	STAILQ_HEAD(, queue_order) orders;
	struct json_object *wish; /* the request, to be shown */
	char *text;               /* queue_text(); NULL: it is to be made anew */
	size_t text_len;
	uint64_t text_no, text_ms; /* shown_no and the time when it was made */
};

TAILQ_HEAD(queue_list, queue_entry);

struct queue {
	struct queue_env env;
	struct machines machines;
	struct queue_list all, waiting;
	size_t unfinished, ended, moving;
	struct lanes lanes;
	uint64_t plan_ms;  /* when the expected times were made; 0: not yet */
	bool is_plan_old;  /* something has changed since */
	uint64_t shown_no; /* of places and expected times: another one when they are others */
	struct histogram waited;
	struct loop_timer *timer; /* the next look, if nothing happens before */
	bool is_ready;            /* recovered */
	bool is_closing;
	bool is_look_posted;
	bool are_positions_old;
};

static inline struct queue_entry *queue_entry_of(struct machine *machine)
{
	return CONTAINER_OF(machine, struct queue_entry, machine);
}

/* For what is asynchronous: the entry is looked up again. */
static inline struct machine_ref *queue_ref_new(const struct queue_entry *entry)
{
	return machine_ref_new(&entry->machine, 0);
}

/* Frees REF; NULL: the entry is gone. */
static inline struct queue_entry *queue_ref_take(struct machine_ref *ref)
{
	struct machine *machine = machine_ref_take(ref, NULL);

	return machine ? queue_entry_of(machine) : NULL;
}

/* ---- entry.c: one entry, its record, and what is shown of it ---- */

/* Adds an entry as the newest; ID must be free. */
struct queue_entry *queue_entry_new(struct queue *queue, const char *id);
void queue_entry_free(struct queue_entry *entry);
bool queue_entry_decode(struct queue_entry *entry);
/* ERR may be NULL. */
void queue_go(struct queue_entry *entry, enum queue_state to, const struct err *err);
void queue_tell(struct queue_entry *entry);
/* The attempt that is under way or was the last; NULL: there was none. */
struct queue_attempt *queue_last_attempt(const struct queue_entry *entry);
/* When no attempt is begun any more; 0: never. */
int64_t queue_give_up_ms(const struct queue_entry *entry);

/* ---- run.c: from attempt to attempt ---- */

/* What the move of an attempt gets, with the configuration's limits. */
struct move_options queue_options_of(const struct queue_entry *entry);

/* Tries ENTRY, which waits, on HOST. */
void queue_attempt(struct queue_entry *entry, const char *host);
/* Each host was tried, or has no place now: the next attempt goes to the first one, after a wait if
 * an attempt of this round has failed.  False: none has; the lanes say when a host is asked again.
 */
bool queue_end_round(struct queue_entry *entry);
void queue_enter_waiting(struct machine *machine);
void queue_enter_moving(struct machine *machine);
void queue_step(struct machine *machine);

/* ---- look.c: who is next ---- */

/* False and ERR: the VM of ENTRY is not this host's any more. */
bool queue_has_vm(const struct queue_entry *entry, struct vm **ret_vm, struct err *err);
/* Its VM or this host is held, and that counts for its priority; adds why, which may be NULL. */
bool queue_is_held(const struct queue_entry *entry, struct strbuf *why);
/* VM has another job, or starts: for how long is not known. */
bool queue_is_held_up(const struct vm *vm);
/* The destination that is tried next, without those that have said that they have no place now.
 * NULL: there is none, or a round has ended and the entry waits; *RET_MS: when one may be asked
 * again, UINT64_MAX: no lane says it. */
const char *queue_choose_host(struct queue_entry *entry, uint64_t now_ms, uint64_t *ret_ms);
void queue_join(struct queue_entry *entry);  /* takes its place among those that wait */
void queue_leave(struct queue_entry *entry); /* accepts one that does not wait */
void queue_number(struct queue *queue);      /* sets the position of each */

/* ---- foresight.c: what is foreseen, and when it will begin and end ---- */

/* Foresees some of those that wait, of which nothing is known or only what is old.  False: there
 * are others. */
bool queue_foresee(struct queue *queue, uint64_t now_ms);
/* Who goes before the others of its priority, as it takes as long as all of them. */
void queue_find_longest(struct queue *queue);
/* Makes the expected times anew, unless they are new enough. */
void queue_plan(struct queue *queue);

/* ---- orders.c: what users want of an entry ---- */

/* DONE is called when it is done, or why not. */
void queue_order(struct queue_entry *entry, const struct queue_order *order);
/* Does what can be done now. */
void queue_carry_out(struct queue_entry *entry);
/* The entry has ended: answers all. */
void queue_answer_all(struct queue_entry *entry);
/* ENTRY's MOVE has been begun or, after a restart, found: it gets the priority that was changed
 * meanwhile.  One that has it keeps what a user has given to the move alone. */
void queue_pass_on_late(struct queue_entry *entry, struct move *move);
/* The daemon stops. */
void queue_dismiss_all(struct queue_entry *entry);

/* ---- queue.c ---- */
void queue_trim(struct queue *queue);
/* A first attempt begins WAITED_MS after its request, by the clock of the wall: less than 0 if that
 * was put back, which counts as 0. */
void queue_count_wait(struct queue *queue, int64_t waited_ms);

#endif
