/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Holds: on disk before they count, and removed when they have expired. */
#include <assert.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/when.h"
#include "hold/priv.h"

static_assert(HOLD_OWNER_SIZE == STORE_HOLD_OWNER_SIZE, "an owner fits into its column");
static_assert(HOLD_REASON_SIZE == STORE_HOLD_REASON_SIZE, "a reason fits into its column");

/* The clock of the wall may be set, so nothing is waited for longer. */
#define LOOK_MAX_MS 60000
#define RETRY_MS    5000

const char *const hold_kind_names[HOLD_KIND_COUNT] = {
	[HOLD_HOST] = "host",
	[HOLD_VM] = "vm",
	[HOLD_CORDON_PERSON] = "cordon-person",
	[HOLD_CORDON_EVACUATION] = "cordon-evacuation",
};

const char *const hold_change_names[] = {
	[HOLD_ADDED] = "added",     [HOLD_RENEWED] = "renewed", [HOLD_REMOVED] = "removed",
	[HOLD_EXPIRED] = "expired", [HOLD_CHANGE_COUNT] = NULL,
};

int64_t holds_now_ms(const struct holds *holds)
{
	return holds->env.now_ms ? holds->env.now_ms() : clock_wall_ms();
}

/* ---- items --------------------------------------------------------------------- */

static bool is_hold(const struct hold_item *item)
{
	return item->kind == HOLD_HOST || item->kind == HOLD_VM;
}

static bool has_expired(const struct holds *holds, const struct hold_item *item)
{
	return is_hold(item) && item->row.until_ms <= holds_now_ms(holds);
}

struct hold_item *hold_item_find(const struct holds *holds, const char *id)
{
	struct hold_item *item;

	TAILQ_FOREACH(item, &holds->items, link)
	{
		if (strcmp(item->row.id, id) == 0)
			return item;
	}
	return NULL;
}

static struct hold_item *item_add(struct holds *holds, enum hold_kind kind)
{
	struct hold_item *item = xnew(struct hold_item);

	item->kind = kind;
	TAILQ_INSERT_TAIL(&holds->items, item, link);
	holds->count += is_hold(item);
	return item;
}

struct hold_item *hold_item_new(struct holds *holds, enum hold_kind kind, const char *id,
				const char *by)
{
	struct hold_item *item = item_add(holds, kind);
	struct store_hold *row = &item->row;

	item->is_new = true;
	snprintf(row->id, sizeof(row->id), "%s", id);
	snprintf(row->kind, sizeof(row->kind), "%s", hold_kind_names[kind]);
	snprintf(row->created_by, sizeof(row->created_by), "%s", by);
	row->created_ms = row->updated_ms = holds_now_ms(holds);
	return item;
}

static void item_free(struct holds *holds, struct hold_item *item)
{
	TAILQ_REMOVE(&holds->items, item, link);
	holds->count -= is_hold(item);
	store_hold_fini(&item->row);
	free(item);
}

/* ---- changes -------------------------------------------------------------------- */

/* The request belongs to the copy. */
static struct store_hold row_copy(const struct store_hold *row)
{
	struct store_hold copy = *row;

	copy.request = row->request ? xstrdup(row->request) : NULL;
	return copy;
}

struct pending {
	struct holds *holds;
	struct store_hold row;
	bool is_removal;
	enum hold_change change;
	char by[ID_NAME_SIZE];
	hold_done_fn *done;
	void *data;
};

static void pending_free(struct pending *pending)
{
	store_hold_fini(&pending->row);
	free(pending);
}

static void look_later(struct holds *holds);

static void tell(struct holds *holds, const struct pending *pending)
{
	const struct store_hold *row = &pending->row;

	log_info("hold", hold_change_names[pending->change],
		 "hold=%s kind=%s vm=%s owner=%s by=%s reason=%s", row->id, row->kind, row->vm_name,
		 row->owner, pending->by, row->reason);
	if (holds->env.changed && !holds->is_closing)
		holds->env.changed(holds->env.data, row, pending->change, pending->by);
}

static void take_over(struct holds *holds, struct hold_item *item, struct pending *pending)
{
	item->is_new = false;
	if (pending->is_removal) {
		item_free(holds, item);
		return;
	}
	store_hold_fini(&item->row);
	item->row = row_copy(&pending->row);
}

static void on_written(void *data, const struct err *err)
{
	struct pending *pending = data;
	struct holds *holds = pending->holds;
	struct hold_item *item = hold_item_find(holds, pending->row.id);

	item->is_changing = false;
	if (err && item->is_new)
		item_free(holds, item);
	else if (!err)
		take_over(holds, item, pending);
	if (pending->change == HOLD_EXPIRED)
		holds->has_failed = err;
	if (err)
		log_error("hold", "save", "hold=%s error=%s", pending->row.id, err->msg);
	else
		tell(holds, pending);
	look_later(holds);
	if (pending->done)
		pending->done(pending->data, err ? NULL : &pending->row, err);
	pending_free(pending);
}

void hold_write(struct holds *holds, struct hold_item *item, const struct hold_write *write)
{
	struct pending *pending = xnew(struct pending);
	struct store_txn txn = { 0 };

	assert(!item->is_changing);
	item->is_changing = true;
	pending->holds = holds;
	pending->row = row_copy(write->row ? write->row : &item->row);
	pending->is_removal = !write->row;
	pending->change = write->change;
	snprintf(pending->by, sizeof(pending->by), "%s", write->by);
	pending->done = write->done;
	pending->data = write->data;
	txn.list[0] =
		write->row ? store_put_hold(&pending->row) : store_delete_hold(pending->row.id);
	store_commit(holds->env.store, &txn, on_written, pending);
}

struct answer {
	hold_done_fn *done;
	void *data;
	bool has_row, has_err;
	struct store_hold row;
	struct err err;
};

static void on_answer(void *data)
{
	struct answer *answer = data;

	answer->done(answer->data, answer->has_row ? &answer->row : NULL,
		     answer->has_err ? &answer->err : NULL);
	store_hold_fini(&answer->row);
	free(answer);
}

void hold_answer(struct holds *holds, hold_done_fn *done, void *data, const struct store_hold *row,
		 const struct err *err)
{
	struct answer *answer = xnew(struct answer);

	answer->done = done;
	answer->data = data;
	if (row) {
		answer->has_row = true;
		answer->row = row_copy(row);
	}
	if (err) {
		answer->has_err = true;
		answer->err = *err;
	}
	loop_post(holds->env.loop, on_answer, answer);
}

bool hold_may_change(const struct hold_item *item, struct err *err)
{
	return !item->is_changing ||
	       err_set(err, ERR_BUSY, "another change of it is being written: try again");
}

/* ---- those that have expired ------------------------------------------------------ */

static void look_later(struct holds *holds)
{
	const struct hold_item *item;
	int64_t wait_ms = LOOK_MAX_MS, now_ms = holds_now_ms(holds);
	bool is_any = false;

	if (holds->is_closing)
		return;
	TAILQ_FOREACH(item, &holds->items, link)
	{
		if (!is_hold(item) || item->is_changing)
			continue;
		is_any = true;
		if (item->row.until_ms - now_ms < wait_ms)
			wait_ms = item->row.until_ms - now_ms;
	}
	if (!is_any) {
		loop_timer_stop(holds->timer);
		return;
	}
	if (wait_ms < 0)
		wait_ms = 0;
	if (holds->has_failed && wait_ms < RETRY_MS)
		wait_ms = RETRY_MS;
	loop_timer_start(holds->timer, (uint64_t)wait_ms);
}

static void on_timer(void *data)
{
	struct holds *holds = data;
	struct hold_item *item;

	TAILQ_FOREACH(item, &holds->items, link)
	{
		if (has_expired(holds, item) && !item->is_changing)
			hold_write(holds, item,
				   &(struct hold_write){ .change = HOLD_EXPIRED, .by = "" });
	}
	look_later(holds);
}

/* ---- life --------------------------------------------------------------------------- */

struct holds *holds_new(const struct holds_env *env)
{
	struct holds *holds = xnew(struct holds);

	holds->env = *env;
	TAILQ_INIT(&holds->items);
	holds->timer = loop_timer_new(env->loop, on_timer, holds);
	return holds;
}

void holds_end(struct holds *holds)
{
	if (!holds)
		return;
	holds->is_closing = true;
	loop_timer_free(TAKE_PTR(holds->timer));
}

void holds_free(struct holds *holds)
{
	if (!holds)
		return;
	holds_end(holds);
	for (struct hold_item *item = TAILQ_FIRST(&holds->items), *next; item; item = next) {
		next = TAILQ_NEXT(item, link);
		item_free(holds, item);
	}
	free(holds);
}

/* A kind of a later version stays on disk as it is. */
void holds_add_row(struct holds *holds, struct store_hold *row)
{
	for (int kind = 0; kind < HOLD_KIND_COUNT; kind++) {
		if (strcmp(hold_kind_names[kind], row->kind) == 0) {
			item_add(holds, (enum hold_kind)kind)->row = *row;
			return;
		}
	}
	log_warning("hold", "record", "hold=%s kind=%s error=%s", row->id, row->kind,
		    "a later version of migrd wrote it: it does not count here");
	store_hold_fini(row);
}

void holds_recover(struct holds *holds)
{
	look_later(holds);
}

/* ---- what users do -------------------------------------------------------------------- */

static char *text_of(const struct hold_request *request)
{
	CLEANUP(json_putp) struct json_object *obj = json_encode(hold_request_fields, request);

	return xstrdup(json_text(obj, NULL));
}

static struct hold_item *find_key(const struct holds *holds, const char *key)
{
	struct hold_item *item;

	TAILQ_FOREACH(item, &holds->items, link)
	{
		if (key && strcmp(item->row.idempotency_key, key) == 0 &&
		    (item->is_new || !has_expired(holds, item)))
			return item;
	}
	return NULL;
}

/* The request was made before: its hold may be on its way to the disk. */
struct repeat {
	struct holds *holds;
	char id[ID_UUID_SIZE];
	hold_done_fn *done;
	void *data;
};

static void on_repeated(void *data, const struct err *err)
{
	struct repeat *repeat = data;
	const struct hold_item *item = hold_item_find(repeat->holds, repeat->id);
	struct err gone;

	err_set(&gone, ERR_UNAVAILABLE,
		"the first request with this key has failed just now: try "
		"again");
	if (err || !item || item->is_new)
		repeat->done(repeat->data, NULL, err ? err : &gone);
	else
		repeat->done(repeat->data, &item->row, NULL);
	free(repeat);
}

/* Commits are answered in their order, so what was written before has been answered by then. */
static void answer_again(struct holds *holds, const struct hold_item *item, hold_done_fn *done,
			 void *data)
{
	const struct store_txn nothing = { 0 };
	struct repeat *repeat = xnew(struct repeat);

	repeat->holds = holds;
	memcpy(repeat->id, item->row.id, sizeof(repeat->id));
	repeat->done = done;
	repeat->data = data;
	store_commit(holds->env.store, &nothing, on_repeated, repeat);
}

static bool may_add(const struct holds *holds, const struct hold_wish *wish, int64_t *ret_until_ms,
		    struct err *err)
{
	if (!hold_end_ms(&wish->request->end, holds_now_ms(holds), ret_until_ms, err))
		return false;
	return holds->count < HOLDS_MAX ||
	       err_set(err, ERR_LIMIT,
		       "there are %d holds on this host, which are the most: remove one "
		       "(`migrctl hold list' shows them)",
		       HOLDS_MAX);
}

static void add(struct holds *holds, const struct hold_wish *wish, int64_t until_ms,
		hold_done_fn *done, void *data)
{
	const struct hold_request *request = wish->request;
	struct hold_item *item;
	struct store_hold *row;
	char id[ID_UUID_SIZE];

	id_uuid_new(id);
	item = hold_item_new(holds, wish->vm_uuid ? HOLD_VM : HOLD_HOST, id, wish->by);
	row = &item->row;
	snprintf(row->vm_uuid, sizeof(row->vm_uuid), "%s", wish->vm_uuid ? wish->vm_uuid : "");
	snprintf(row->vm_name, sizeof(row->vm_name), "%s", request->vm);
	snprintf(row->owner, sizeof(row->owner), "%s",
		 request->owner[0] ? request->owner : wish->by);
	snprintf(row->reason, sizeof(row->reason), "%s", request->reason);
	snprintf(row->idempotency_key, sizeof(row->idempotency_key), "%s",
		 wish->key ? wish->key : "");
	row->request = wish->key ? text_of(request) : NULL;
	row->until_ms = until_ms;
	hold_write(holds, item,
		   &(struct hold_write){ .row = row,
					 .change = HOLD_ADDED,
					 .by = wish->by,
					 .done = done,
					 .data = data });
}

static bool is_same_request(const struct hold_item *item, const struct hold_wish *wish,
			    struct err *err)
{
	CLEANUP(free_charp) char *text = text_of(wish->request);

	return (item->row.request && strcmp(item->row.request, text) == 0) ||
	       err_set(err, ERR_KEY_REUSED,
		       "the Idempotency-Key '%s' was used for another request, which made hold %s: "
		       "a new request wants a new key",
		       wish->key, item->row.id);
}

void holds_add(struct holds *holds, const struct hold_wish *wish, hold_done_fn *done, void *data)
{
	const struct hold_item *former = find_key(holds, wish->key);
	int64_t until_ms;
	struct err err;

	if (former && is_same_request(former, wish, &err))
		answer_again(holds, former, done, data);
	else if (!former && may_add(holds, wish, &until_ms, &err))
		add(holds, wish, until_ms, done, data);
	else
		hold_answer(holds, done, data, NULL, &err);
}

/* One that can be changed. */
static struct hold_item *find(const struct holds *holds, const char *id, struct err *err)
{
	struct hold_item *item = hold_item_find(holds, id);

	if (!item || !is_hold(item) || item->is_new || has_expired(holds, item)) {
		err_set(err, ERR_NOT_FOUND,
			"there is no hold '%.40s' on this host: it was removed, or has expired",
			id);
		return NULL;
	}
	return hold_may_change(item, err) ? item : NULL;
}

void holds_renew(struct holds *holds, const char *id, const struct hold_patch *patch,
		 const char *by, hold_done_fn *done, void *data)
{
	struct err err;
	struct hold_item *item = find(holds, id, &err);
	struct store_hold row;
	int64_t until_ms;

	if (!item || !hold_end_ms(&patch->end, holds_now_ms(holds), &until_ms, &err)) {
		hold_answer(holds, done, data, NULL, &err);
		return;
	}
	row = item->row;
	row.until_ms = until_ms;
	row.updated_ms = holds_now_ms(holds);
	hold_write(holds, item,
		   &(struct hold_write){ .row = &row,
					 .change = HOLD_RENEWED,
					 .by = by,
					 .done = done,
					 .data = data });
}

void holds_remove(struct holds *holds, const char *id, const char *by, hold_done_fn *done,
		  void *data)
{
	struct err err;
	struct hold_item *item = find(holds, id, &err);

	if (item)
		hold_write(holds, item,
			   &(struct hold_write){
				   .change = HOLD_REMOVED, .by = by, .done = done, .data = data });
	else
		hold_answer(holds, done, data, NULL, &err);
}

/* ---- what others ask --------------------------------------------------------------------- */

static bool counts(const struct holds *holds, const struct hold_item *item, enum hold_kind kind,
		   const char *vm)
{
	return item->kind == kind && !item->is_new &&
	       (kind != HOLD_VM || strcmp(item->row.vm_uuid, vm) == 0) && !has_expired(holds, item);
}

/* ROW ends last of all, and OTHERS more are there. */
static void say(const struct holds *holds, const struct store_hold *row, size_t others,
		struct strbuf *out)
{
	char until[WHEN_SIZE];

	when_text(row->until_ms, until);
	if (row->vm_uuid[0])
		strbuf_addf(out, "VM '%s' is held", row->vm_name);
	else
		strbuf_addf(out, "host '%s' is held", holds->env.host_id);
	strbuf_addf(out, " by '%s' until %s (%s)", row->owner, until, row->reason);
	if (others)
		strbuf_addf(out, " and by %zu other%s", others, others > 1 ? "s" : "");
	strbuf_addf(out, ": `migrctl hold remove %s' ends that", row->id);
}

static bool is_held(const struct holds *holds, enum hold_kind kind, const char *vm,
		    struct strbuf *why)
{
	const struct hold_item *item, *last = NULL;
	size_t count = 0;

	if (!holds)
		return false;
	TAILQ_FOREACH(item, &holds->items, link)
	{
		if (!counts(holds, item, kind, vm))
			continue;
		count++;
		if (!last || item->row.until_ms > last->row.until_ms)
			last = item;
	}
	if (last && why)
		say(holds, &last->row, count - 1, why);
	return last;
}

bool holds_host(const struct holds *holds, struct strbuf *why)
{
	return is_held(holds, HOLD_HOST, "", why);
}

bool holds_vm(const struct holds *holds, const char *vm, struct strbuf *why)
{
	return is_held(holds, HOLD_VM, vm, why) || holds_host(holds, why);
}

/* ---- what is shown ------------------------------------------------------------------------- */

const struct store_hold *holds_next(const struct holds *holds, const struct store_hold *after)
{
	const struct hold_item *item = after ? hold_item_find(holds, after->id) : NULL;

	item = item ? TAILQ_NEXT(item, link) : TAILQ_FIRST(&holds->items);
	while (item && (!is_hold(item) || item->is_new || has_expired(holds, item)))
		item = TAILQ_NEXT(item, link);
	return item ? &item->row : NULL;
}

const struct store_hold *holds_find(const struct holds *holds, const char *id)
{
	const struct hold_item *item = hold_item_find(holds, id);

	return item && is_hold(item) && !item->is_new && !has_expired(holds, item) ? &item->row
										   : NULL;
}
