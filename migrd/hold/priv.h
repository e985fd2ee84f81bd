/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* hold/priv.h -- shared by the files of migrd/hold. */
#ifndef MIGRD_HOLD_PRIV_H
#define MIGRD_HOLD_PRIV_H

#include <sys/queue.h>

#include "hold/hold.h"

/* Of a row; the name is stored. */
enum hold_kind { HOLD_HOST, HOLD_VM, HOLD_CORDON_PERSON, HOLD_CORDON_EVACUATION, HOLD_KIND_COUNT };
extern const char *const hold_kind_names[HOLD_KIND_COUNT];

struct hold_item {
	TAILQ_ENTRY(hold_item) link;
	struct store_hold row; /* as it is on disk */
	enum hold_kind kind;
	bool is_new;      /* its first record is being written: it does not count yet */
	bool is_changing; /* a record of it is being written */
};
TAILQ_HEAD(hold_list, hold_item);

struct holds {
	struct holds_env env;
	struct hold_list items; /* the oldest first; cordons too */
	size_t count;           /* of holds, new ones too */
	struct loop_timer *timer;
	bool is_closing;
	bool has_failed; /* the last removal of an expired one could not be written */
	size_t creations;
	cordon_count_fn *arrivals;
	const void *arrivals_data;
};

int64_t holds_now_ms(const struct holds *holds);
/* Also one that is new, or has expired. */
struct hold_item *hold_item_find(const struct holds *holds, const char *id);
/* A new one, at the end of the list, that is not on disk yet. */
struct hold_item *hold_item_new(struct holds *holds, enum hold_kind kind, const char *id,
				const char *by);

/* A change of ITEM, which no other change is being written of. */
struct hold_write {
	const struct store_hold *row; /* what it becomes; NULL: it is removed */
	enum hold_change change;
	const char *by;
	hold_done_fn *done; /* may be NULL */
	void *data;
};
void hold_write(struct holds *holds, struct hold_item *item, const struct hold_write *write);
/* DONE gets ERR, or ROW, which is copied, or neither; not from inside the call. */
void hold_answer(struct holds *holds, hold_done_fn *done, void *data, const struct store_hold *row,
		 const struct err *err);
/* False: another change of ITEM is being written. */
bool hold_may_change(const struct hold_item *item, struct err *err);

#endif
