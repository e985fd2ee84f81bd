/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The cordon: two rows of the holds, one for each party, without an end. */
#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "hold/priv.h"

static enum hold_kind kind_of(enum cordon_party party)
{
	return party == CORDON_EVACUATION ? HOLD_CORDON_EVACUATION : HOLD_CORDON_PERSON;
}

const char *const cordon_party_names[] = {
	[CORDON_PERSON] = "person",
	[CORDON_EVACUATION] = "evacuation",
	[CORDON_PARTY_COUNT] = NULL,
};

/* Its id is its kind: there is one of each. */
static struct hold_item *find(const struct holds *holds, enum cordon_party party)
{
	return holds ? hold_item_find(holds, hold_kind_names[kind_of(party)]) : NULL;
}

const struct store_hold *cordon_of(const struct holds *holds, enum cordon_party party)
{
	const struct hold_item *item = find(holds, party);

	return item && !item->is_new ? &item->row : NULL;
}

bool cordon_is(const struct store_hold *hold, enum cordon_party *ret_party)
{
	for (int party = 0; party < CORDON_PARTY_COUNT; party++) {
		*ret_party = (enum cordon_party)party;
		if (strcmp(hold->kind, hold_kind_names[kind_of(*ret_party)]) == 0)
			return true;
	}
	return false;
}

/* ---- change ------------------------------------------------------------------------ */

static void put(struct holds *holds, const struct cordon_wish *wish, struct hold_item *item,
		hold_done_fn *done, void *data)
{
	const enum hold_kind kind = kind_of(wish->party);
	bool is_new = !item;
	struct store_hold row;

	if (is_new)
		item = hold_item_new(holds, kind, hold_kind_names[kind], wish->by);
	row = item->row;
	snprintf(row.reason, sizeof(row.reason), "%s", wish->reason);
	snprintf(row.owner, sizeof(row.owner), "%s", wish->by);
	snprintf(row.created_by, sizeof(row.created_by), "%s", wish->by);
	row.updated_ms = holds_now_ms(holds);
	hold_write(holds, item,
		   &(struct hold_write){ .row = &row,
					 .change = is_new ? HOLD_ADDED : HOLD_RENEWED,
					 .by = wish->by,
					 .done = done,
					 .data = data });
}

void cordon_set(struct holds *holds, const struct cordon_wish *wish, hold_done_fn *done, void *data)
{
	struct hold_item *item = find(holds, wish->party);
	struct err err;

	if (item && !hold_may_change(item, &err))
		hold_answer(holds, done, data, NULL, &err);
	else if (wish->on)
		put(holds, wish, item, done, data);
	else if (item)
		hold_write(holds, item,
			   &(struct hold_write){ .change = HOLD_REMOVED,
						 .by = wish->by,
						 .done = done,
						 .data = data });
	else
		hold_answer(holds, done, data, NULL, NULL);
}

/* ---- what others ask ------------------------------------------------------------------ */

/* That of the evacuation first: it ends by itself. */
bool cordon_is_on(const struct holds *holds, struct strbuf *why)
{
	const struct store_hold *evacuation = cordon_of(holds, CORDON_EVACUATION);
	const struct store_hold *row = evacuation ? evacuation : cordon_of(holds, CORDON_PERSON);

	if (row && why)
		strbuf_addf(why,
			    "host '%s' takes no new guests, as '%s' wants it (%s): choose another "
			    "host, or %s",
			    holds->env.host_id, row->created_by, row->reason,
			    evacuation ? "wait for the end of its evacuation, or abort that"
				       : "end that there with `migrctl host uncordon'");
	return row;
}

bool cordon_lets_in(const struct holds *holds, struct err *err)
{
	CLEANUP(strbuf_fini) struct strbuf why = STRBUF_INIT;

	return !cordon_is_on(holds, &why) || err_set(err, ERR_CONFLICT, "%s", strbuf_str(&why));
}

void cordon_creation_begins(struct holds *holds)
{
	holds->creations++;
}

void cordon_creation_ends(struct holds *holds)
{
	holds->creations--;
}

void cordon_count_arrivals(struct holds *holds, cordon_count_fn *fn, const void *data)
{
	if (!holds)
		return;
	holds->arrivals = fn;
	holds->arrivals_data = data;
}

size_t cordon_creations_under_way(const struct holds *holds)
{
	return holds->creations + (holds->arrivals ? holds->arrivals(holds->arrivals_data) : 0);
}
