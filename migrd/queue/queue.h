/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* queue/queue.h -- the queue of moves away from this host.
 *
 *     waiting   -> moving, failed, cancelled
 *     moving    -> waiting, done, failed, cancelled
 *
 * An *entry* is an order to move a VM to one of some hosts.  It makes attempts: each is a move
 * (move/move.h), which is what it is without the queue.  `moving' is on disk before the attempt's
 * move is begun, and the move has an idempotency key made of the entry's id and the attempt's
 * number; so a restart finds the move of the attempt, or begins it, and no attempt is made twice.
 *
 * A new attempt is begun only when the move before has ended and the VM is this host's.  An attempt
 * that failed is followed by one to the next host; after all of them comes a wait (queue/pick.h). A
 * move that is stuck is waited for; one that somebody cancelled ends its entry.
 *
 * No attempt of an entry is begun whose priority is not `interactive' while its VM or this host is
 * held (hold/hold.h); one that has begun goes on.
 *
 * Thread: loop.
 */
#ifndef MIGRD_QUEUE_QUEUE_H
#define MIGRD_QUEUE_QUEUE_H

#include "move/move.h"
#include "move/totals.h"
#include "owner/newest.h"
#include "wire/queue_reply.h"

#define QUEUE_UNFINISHED_MAX 1000

struct queue;
struct queue_entry;
struct holds;

struct queue_env {
	struct loop *loop;
	struct store *store;
	struct vms *vms;
	struct moves *moves;
	struct policies *policies;
	const struct holds *holds; /* NULL: nothing is held */
	struct peer_clients *peers;
	const struct newest_env *newest_env;
	const struct newest *newest;
	const struct move_options *defaults; /* limits of a move that has none */
	const char *host_id;
	unsigned out_max; /* moves that go out at once, those of the queue and others; at the start
			   */
	unsigned setups_max; /* moves in begin, prepare or handover at once */
	/* Called when something changed that the API shows. */
	void (*changed)(void *data, const struct queue_entry *entry);
	void *data;
};

struct queue *queue_new(const struct queue_env *env);
/* 1 or more.  With fewer than go out now no other begins until enough of them have ended. */
void queue_set_out_max(struct queue *queue, unsigned out_max);
/* Frees all entries; their moves go on. */
void queue_clear(struct queue *queue);
/* To be called when the store and the moves are closed, so that no answer can come any more. */
void queue_free(struct queue *queue);

/* Takes over a row of the store. */
void queue_add_row(struct queue *queue, struct store_queue_entry *row);
/* When the moves were recovered. */
void queue_recover(struct queue *queue);

/* ---- what the user does ------------------------------------------------ */

/* Called once, on the loop, never from inside the call.  ENTRY NULL and ERR: nothing has changed;
 * ENTRY and ERR: the order came too late, or the entry could not be written. */
typedef void queue_done_fn(void *data, struct queue_entry *entry, const struct err *err);
struct queue_wish {
	const struct queue_request *request;
	const char *by;  /* who makes it: kept and shown, of its moves too; NULL: nobody is named */
	const char *key; /* Idempotency-Key: the same key gives the same entry; may be NULL */
	bool is_known_by_key; /* whatever the request of that entry for the same VM says: KEY comes
			       * from a machine, whose words may be another version's the next time
			       */
};
/* INVALID: the hold is one up to a moment that is past, or too far away;
 * NOT_FOUND: this host has no such VM, policy or peer; CONFLICT: the VM has an entry that has not
 * ended, or is on a wished host already, or outage_ping_ms is wanted and not allowed here; LIMIT;
 * KEY_REUSED. */
void queue_add(struct queue *queue, const struct queue_wish *wish, queue_done_fn *done, void *data);
/* Calls DONE later, as queue_add() does, for an order that was refused before it was made.  ERR is
 * copied. */
void queue_refuse(struct loop *loop, const struct err *err, queue_done_fn *done, void *data);
/* One that waits ends at once; one that is moving has its move cancelled, and ends with it.
 * TOO_LATE as move_cancel(), or the entry has ended.  BY, who asks, is kept and shown: the first
 * who did. */
void queue_cancel(struct queue_entry *entry, const char *by, queue_done_fn *done, void *data);
/* Its move has the priority too, if one is under way, and within a second its part of the host's
 * budget of bandwidth.  TOO_LATE: the entry has ended. */
void queue_set_priority(struct queue_entry *entry, int priority, queue_done_fn *done, void *data);
/* What queue_set_priority() has done, in words; for DONE, until it returns. */
const char *queue_did(const struct queue_entry *entry);

/* A VM, a move or a hold has changed. */
void queue_look(struct queue *queue);

/* ---- what there is to know --------------------------------------------- */

struct queue_entry *queue_find(struct queue *queue, const char *id);
/* That of the Idempotency-Key; NULL: there is none (any more), or KEY is NULL. */
struct queue_entry *queue_find_key(struct queue *queue, const char *key);
/* The newest first; good until the callback returns. */
struct queue_entry *queue_first(struct queue *queue);
struct queue_entry *queue_next(const struct queue_entry *entry);
bool queue_is_final(const struct queue_entry *entry);
/* Its state machine, to be looked at only. */
const struct machine *queue_machine(const struct queue_entry *entry);
const struct store_queue_entry *queue_row(const struct queue_entry *entry);
/* It has failed because this host itself has refused the move before another was asked, for a
 * reason that stays as long as the VM is as it is. */
bool queue_is_refused_here(const struct queue_entry *entry);
/* Borrowed until ENTRY changes. */
struct queue_reply queue_show(const struct queue_entry *entry);
/* The same as JSON text, borrowed until the loop goes on: it is kept, so that a list of a thousand
 * is put together by copying.  That of one that waits may be older than queue_show() by a second.
 */
const char *queue_text(struct queue_entry *entry, size_t *ret_len);

/* How many entries wait, and how many are being moved. */
struct queue_counts {
	size_t waiting, moving;
};
struct queue_counts queue_counts(const struct queue *queue);
/* How many this process has brought to their end. */
struct queue_ended {
	uint64_t done, failed, cancelled;
};
struct queue_ended queue_ended(const struct queue *queue);
/* How long entries waited from their request to their first attempt, since the daemon's start; of
 * the kind totals_duration. */
const struct histogram *queue_waited(const struct queue *queue);

#endif
