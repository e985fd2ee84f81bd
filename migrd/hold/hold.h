/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* hold/hold.h -- what keeps automata away from this host or from a VM, and new guests from this
 * host.
 *
 * A *hold* is a lease: somebody (its owner) wants, for a reason and until a moment, that nothing
 * moves guests by itself: of the host, none to it and none away; of a VM, not this one.  It stops
 * moves with the priorities `evacuation' and `balancing', new attempts of the queue among them.
 * What a person orders (`interactive') goes on, and is told of the hold; so does a move that has
 * begun. A hold of a VM is of its uuid, and of this host: it does not travel with the VM, and
 * counts again if that comes back.
 *
 * A *cordon* is a mark of the host: no new guest comes, by a creation, an adoption or a move of any
 * priority.  A guest that is here may be stopped, started, restored and moved away.  A person has
 * one, and the evacuation another, so that neither ends the other's.
 *
 * Both are on disk before they are answered, and count from then on.  A hold that has expired
 * counts no more, at once, and is removed soon.  Thread: loop.
 */
#ifndef MIGRD_HOLD_HOLD_H
#define MIGRD_HOLD_HOLD_H

#include "base/strbuf.h"
#include "store/store.h"
#include "wire/hold.h"

struct holds;

enum hold_change { HOLD_ADDED, HOLD_RENEWED, HOLD_REMOVED, HOLD_EXPIRED, HOLD_CHANGE_COUNT };
extern const char *const hold_change_names[]; /* ended by NULL */

struct holds_env {
	struct loop *loop;
	struct store *store;
	const char *host_id;
	int64_t (*now_ms)(void); /* wall clock; NULL: the host's */
	/* On disk: a hold has changed, or a cordon (cordon_of()).  BY: who asked for it; "" of one
	 * that has expired.  HOLD is borrowed. */
	void (*changed)(void *data, const struct store_hold *hold, enum hold_change change,
			const char *by);
	void *data;
};

struct holds *holds_new(const struct holds_env *env);
/* Ends its timer; changes that are under way are still answered. */
void holds_end(struct holds *holds);
/* To be called when the store is closed, so that no answer can come any more. */
void holds_free(struct holds *holds);
/* At the start: takes over a row of the store. */
void holds_add_row(struct holds *holds, struct store_hold *row);
/* When all rows are there: those that have expired meanwhile are removed. */
void holds_recover(struct holds *holds);

/* ---- what others ask ----------------------------------------------------- */

/* True: it is held; one sentence is added to WHY (may be NULL): by whom, until when, why, and how
 * to end that.  HOLDS may be NULL: nothing is held.  VM is a uuid; its host counts too. */
bool holds_host(const struct holds *holds, struct strbuf *why);
bool holds_vm(const struct holds *holds, const char *vm, struct strbuf *why);

/* The same: no new guest may come here, and what to do. */
bool cordon_is_on(const struct holds *holds, struct strbuf *why);
/* False and ERR, CONFLICT: the host is cordoned.  A creation or an adoption asks before it begins,
 * and then tells its beginning and its end, each once. */
bool cordon_lets_in(const struct holds *holds, struct err *err);
void cordon_creation_begins(struct holds *holds);
void cordon_creation_ends(struct holds *holds);
/* FN tells how many guests are on their way here, until another call with FN NULL. */
typedef size_t cordon_count_fn(const void *data);
void cordon_count_arrivals(struct holds *holds, cordon_count_fn *fn, const void *data);
/* How many creations, adoptions and moves to here are under way.  With a cordon, 0 stays 0. */
size_t cordon_creations_under_way(const struct holds *holds);

/* ---- what users do ------------------------------------------------------- */

/* Called once, on the loop, never from inside the call.  HOLD, borrowed, as it is (was) on disk;
 * ERR: nothing has changed. */
typedef void hold_done_fn(void *data, const struct store_hold *hold, const struct err *err);

struct hold_wish {
	const struct hold_request *request;
	const char *vm_uuid; /* of request->vm; NULL: the host is to be held */
	const char *key;     /* Idempotency-Key: the same key gives the same hold; may be NULL */
	const char *by;      /* the caller, who is the owner if the request names none */
};
/* INVALID: it ends in the past, or too late; LIMIT: there are HOLDS_MAX; KEY_REUSED. */
void holds_add(struct holds *holds, const struct hold_wish *wish, hold_done_fn *done, void *data);
/* NOT_FOUND: it was removed, or has expired; INVALID; BUSY: another change is being written. */
void holds_renew(struct holds *holds, const char *id, const struct hold_patch *patch,
		 const char *by, hold_done_fn *done, void *data);
void holds_remove(struct holds *holds, const char *id, const char *by, hold_done_fn *done,
		  void *data);

enum cordon_party { CORDON_PERSON, CORDON_EVACUATION, CORDON_PARTY_COUNT };
extern const char *const cordon_party_names[]; /* ended by NULL */
struct cordon_wish {
	enum cordon_party party;
	bool on;
	const char *reason; /* ON: why, cut to HOLD_REASON_SIZE; an evacuation names its id */
	const char *by;     /* who wants it */
};
/* On when it is on already: another reason.  Off when it is off: done.  DONE gets the cordon of
 * that party; with OFF and none, NULL and no error.  BUSY. */
void cordon_set(struct holds *holds, const struct cordon_wish *wish, hold_done_fn *done,
		void *data);

/* ---- what is shown ------------------------------------------------------- */

/* The next hold that has not expired, in the order in which they were made; AFTER NULL: the first;
 * NULL: no more.  Good until the callback returns, but not over a change. */
const struct store_hold *holds_next(const struct holds *holds, const struct store_hold *after);
const struct store_hold *holds_find(const struct holds *holds, const char *id);
/* NULL: that party has none.  True: HOLD, of changed(), is the cordon of *RET_PARTY. */
bool cordon_is(const struct store_hold *hold, enum cordon_party *ret_party);
const struct store_hold *cordon_of(const struct holds *holds, enum cordon_party party);

#endif
