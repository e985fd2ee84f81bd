/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* evacuation/evacuation.h -- this host is emptied.
 *
 *     planned   -> waiting, draining, aborted
 *     waiting   -> draining, aborted
 *     draining  -> drained, returning, ended, aborted
 *     drained   -> draining, returning, ended
 *     returning -> ended
 *
 * Of a host there is one *evacuation* at most that has not ended, and any number of *requests* for
 * it: who wants the host to be empty, why, and until when.
 *
 * planned: the plan is on disk, and nothing was done.  waiting: for a window of time, or for an
 * approval.  draining: no new guest comes (hold/hold.h), and each VM has an entry in the queue
 * (queue/queue.h) with the destinations of a plan that was made just before.  The number of the
 * entry is on disk before the entry is made, and the entry has an idempotency key of evacuation, VM
 * and number; so a restart finds it, or makes it, and no VM gets two.  When all destinations have
 * refused a VM, the hosts are asked again what they have room for, and a new plan gives it another
 * entry.  Plans are made by another thread (evacuation/planner.c).  drained: no VM of the store is
 * this host's, but for those that may stay by request and placement; each that was moved is with
 * another host by the records of both (evacuation/vm.c). returning: the hosts that have them are
 * asked to move them back.
 *
 * The cordon is on disk before the first move, and off before `ended' and `aborted' are on disk.
 *
 * The move decides who may run a guest, never the evacuation.  Thread: loop.
 */
#ifndef MIGRD_EVACUATION_EVACUATION_H
#define MIGRD_EVACUATION_EVACUATION_H

#include "capacity/capacity.h"
#include "hold/hold.h"
#include "owner/newest.h"
#include "queue/queue.h"
#include "save/save.h"
#include "wire/evacuation_reply.h"
#include "wire/peer_evacuation.h"
#include "wire/peer_room.h"

#define EVACUATION_REQUESTS_MAX 16

struct evacuations;
struct evacuation;

struct evacuations_env {
	struct loop *loop;
	struct store *store;
	struct vms *vms;
	struct moves *moves;
	struct policies *policies;
	struct saves *saves;
	struct queue *queue;
	struct holds *holds;
	struct capacity *capacity;
	struct peer_clients *peers;
	const struct newest_env *newest_env;
	const struct newest *newest;
	const char *host_id;
	/* Guests may not come back now, as a hook of the host runs: a request that has expired
	 * waits.  Its end is told by evacuations_look().  NULL: they always may. */
	bool (*is_kept_empty)(void *data);
	/* Called when something changed that the API shows. */
	void (*changed)(void *data, struct evacuation *evac);
	void *data;
};

struct evacuations *evacuations_new(const struct evacuations_env *env);
/* Frees all evacuations; entries of the queue and moves go on. */
void evacuations_clear(struct evacuations *evacs);
/* To be called when store, peers and capacity are closed, so that no answer can come any more.
 * Waits for the end of a plan that is being made. */
void evacuations_free(struct evacuations *evacs);

/* Takes over a row of the store. */
void evacuations_add_row(struct evacuations *evacs, struct store_evacuation *row);
/* When the queue was recovered. */
void evacuations_recover(struct evacuations *evacs);
/* A VM, a move, a hold or an entry of the queue has changed.  EVACS may be NULL. */
void evacuations_look(struct evacuations *evacs);

/* ---- what the user does ---------------------------------------------------- */

/* Called once, on the loop, never from inside the call.  EVAC NULL and ERR: nothing has changed;
 * EVAC and ERR: it came too late, or could not be written. */
typedef void evacuation_done_fn(void *data, struct evacuation *evac, const struct err *err);

/* Hosts are asked, a plan is made, and an evacuation with it; if there is one that has not ended,
 * the request joins it.  BY is the caller.  CONFLICT: no other host takes guests, the plan is not
 * that of the state id, or a VM would stay and the request wants none to, or it joins one and has
 * other wishes for the run; INVALID: a moment is past; NOT_FOUND: the policy; LIMIT: of requesters,
 * or of plans that are waited for. */
void evacuations_request(struct evacuations *evacs, const struct evacuation_request *request,
			 const char *by, evacuation_done_fn *done, void *data);
/* The same without any change.  REPLY is borrowed. */
typedef void evacuation_tried_fn(void *data, const struct evacuation_reply *reply,
				 const struct err *err);
void evacuations_try(struct evacuations *evacs, const struct evacuation_request *request,
		     const char *by, evacuation_tried_fn *done, void *data);

/* What somebody wants of one; DONE as above, once it is on disk.  TOO_LATE: it has ended; CONFLICT:
 * not in this state, or a stale state id; NOT_FOUND: there is no such request. */
void evacuation_approve(struct evacuation *evac, const struct evacuation_approve *wish,
			evacuation_done_fn *done, void *data);
/* BY, who asks, is kept and shown; of an abort the first who did. */
void evacuation_pause(struct evacuation *evac, const struct evacuation_pause *wish, const char *by,
		      evacuation_done_fn *done, void *data);
void evacuation_resume(struct evacuation *evac, evacuation_done_fn *done, void *data);
void evacuation_abort(struct evacuation *evac, const struct evacuation_abort *wish, const char *by,
		      evacuation_done_fn *done, void *data);
void evacuation_return(struct evacuation *evac, const struct evacuation_return *wish,
		       evacuation_done_fn *done, void *data);
void evacuation_withdraw(struct evacuation *evac, const char *requester, evacuation_done_fn *done,
			 void *data);

/* ---- what there is to know ------------------------------------------------- */

/* "current": the one that has not ended, else the newest. */
struct evacuation *evacuations_find(struct evacuations *evacs, const char *id);
/* The newest one that WHO has asked for, or did before that was withdrawn or had expired; it may
 * have ended.  NULL: none that is kept. */
struct evacuation *evacuation_of_requester(struct evacuations *evacs, const char *who);
/* WHO's request is still there. */
bool evacuation_has_requester(const struct evacuation *evac, const char *who);
/* The newest first; good until the callback returns. */
struct evacuation *evacuations_first(struct evacuations *evacs);
struct evacuation *evacuation_next(const struct evacuation *evac);
bool evacuation_is_final(const struct evacuation *evac);
/* Its state machine, to be looked at only. */
const struct machine *evacuation_machine(const struct evacuation *evac);
/* How many this process has brought to their end. */
struct evacuations_ended {
	uint64_t ended, aborted;
};
struct evacuations_ended evacuations_ended(const struct evacuations *evacs);
const char *evacuation_id(const struct evacuation *evac);
/* Borrowed until one is shown again, or the loop goes on. */
const struct evacuation_reply *evacuation_show(struct evacuation *evac);
/* In short, for the conductor of a maintenance, which asks twice a second: it is made anew when
 * something of it has changed, or after 5 s, as there may be thousands of VMs.  Borrowed, likewise.
 */
const struct peer_evacuation *evacuation_brief_of(struct evacuation *evac);
/* The same of REPLY, which may be of a dry run; sets all of *RET. */
void evacuation_brief(const struct evacuations *evacs, const struct evacuation_reply *reply,
		      struct peer_evacuation *ret);
/* Of one that has not ended: DONE is called when what was wanted of it until now is on disk. */
void evacuation_await(struct evacuation *evac, evacuation_done_fn *done, void *data);
/* This host is drained, for WHO too.  CONFLICT: it is not; UNAVAILABLE: this coordinator stops. */
bool evacuations_is_drained_for(const struct evacuations *evacs, const char *who, struct err *err);
/* This host is being emptied, or is empty; one sentence is added to WHY.  EVACS may be NULL. */
bool evacuations_is_on(const struct evacuations *evacs, struct strbuf *why);

/* ---- what a peer asks ------------------------------------------------------- */

/* A guest that came from PEER is to go back there. */
struct evacuation_back_wish {
	const char *peer;      /* host id of the caller's certificate */
	const char *uuid, *id; /* of the VM; of PEER's evacuation */
	uint64_t number, attempt, give_up_s;
	const struct move_request *move; /* wire/peer_back.h */
};
/* ENTRY and no error: the order stands in the queue.  NOT_FOUND: the VM is not here (any more);
 * FORBIDDEN: it did not come from PEER. */
void evacuations_send_back(struct evacuations *evacs, const struct evacuation_back_wish *wish,
			   queue_done_fn *done, void *data);

/* The hosts that may ask for what follows: ids with commas between them, NULL: none.  Copied. */
void evacuations_set_makes_room_for(struct evacuations *evacs, const char *hosts);
/* PEER is being emptied, and a guest of it wants the room of a guest of this host. */
struct evacuation_room_wish {
	const char *peer, *id; /* host id of the caller's certificate; PEER's evacuation */
	const struct peer_room *room;
};
/* ENTRY and no error: the order is in the queue, or has ended.  FORBIDDEN: PEER may not ask for it;
 * NOT_FOUND: the VM is not here (any more); CONFLICT: VM, placement, a hold or somebody's move of
 * it is against it; UNAVAILABLE: what labels the other host has is not known now. */
void evacuations_make_room(struct evacuations *evacs, const struct evacuation_room_wish *wish,
			   queue_done_fn *done, void *data);

#endif
