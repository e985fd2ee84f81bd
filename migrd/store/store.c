/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The loop's side: the queue of the store's thread, its begin and its end. */
#include <assert.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "store/item.h"

/* Beyond this size the log is checkpointed even while moves are under way: 64 MiB of frames (a
 * page of 4096 bytes and a header of 24, sqlite.org/fileformat2.html). */
#define WAL_MAX_FRAMES (64 * 1024 * 1024 / (4096 + 24))

struct store {
	struct worker *worker;
	struct store_db *db; /* the worker's while anything is pending */
	size_t pending;
	bool is_closing;
	struct store_item *late_first, *late_last; /* submitted while closing */
	bool is_housekeeping;
	int wal_frames;     /* after the last item */
	struct err trouble; /* why the last record was not written, if it was not */
	struct histogram writes;
	struct store_sizes sizes; /* after the last record */
	struct store_identity identity;
};

static void item_run(struct work *work)
{
	struct store_item *item = CONTAINER_OF(work, struct store_item, work);
	uint64_t started_ns = clock_monotonic_ns();

	item->ok = item->run(item, item->store->db, &item->err);
	item->took_ns = clock_monotonic_ns() - started_ns;
	item->wal_frames = item->store->db->wal_frames;
	if (item->is_record)
		item->sizes = store_db_sizes(item->store->db);
}

static void housekeep(struct store *store);

/* Logs the begin and the end of a trouble, not every record that fails. */
static void note_trouble(struct store *store, const struct err *err)
{
	bool had_trouble = err_is_set(&store->trouble);

	store->trouble = err ? *err : (struct err){ 0 };
	if (err && !had_trouble)
		log_error("store", "refused", "error=%s reason=%s", err_name(err->code), err->msg);
	else if (!err && had_trouble)
		log_info("store", "works-again", "%s", "");
}

const char *store_trouble(const struct store *store)
{
	return err_is_set(&store->trouble) ? store->trouble.msg : NULL;
}

const struct histogram_kind store_write_kind = {
	.bounds = { 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1, 5 },
	.count = 11,
};

static void note_record(struct store *store, const struct store_item *item)
{
	histogram_add(&store->writes, &store_write_kind, (double)item->took_ns / 1e9);
	store->sizes = item->sizes;
}

struct store_figures store_figures(const struct store *store)
{
	return (struct store_figures){
		.writes = store->writes,
		.file_bytes = store->sizes.file,
		.log_bytes = store->sizes.log,
		.waiting = store->pending,
		.is_refusing = store_trouble(store),
	};
}

/* True: the disk failed, the request was not wrong. */
static bool is_of_the_disk(const struct err *err)
{
	return err->code == ERR_NO_SPACE || err->code == ERR_STORE;
}

static void item_done(struct work *work)
{
	struct store_item *item = CONTAINER_OF(work, struct store_item, work);
	struct store *store = item->store;

	store->pending--;
	store->wal_frames = item->wal_frames;
	if (item->is_record)
		note_record(store, item);
	if (item->is_record && (item->ok || is_of_the_disk(&item->err)))
		note_trouble(store, item->ok ? NULL : &item->err);
	item->done(item, item->ok ? NULL : &item->err);
	if (store->wal_frames > WAL_MAX_FRAMES)
		housekeep(store);
}

void store_item_submit(struct store *store, struct store_item *item, store_item_run_fn *run,
		       store_item_done_fn *done)
{
	item->work.run = item_run;
	item->work.done = item_done;
	item->store = store;
	item->run = run;
	item->done = done;
	store->pending++;
	if (!store->is_closing) {
		worker_submit(store->worker, &item->work);
		return;
	}
	/* Submitted by a done() while store_close() drains the queue; run at its end. */
	if (store->late_last)
		store->late_last->next = item;
	else
		store->late_first = item;
	store->late_last = item;
}

/* ---- housekeeping ---- */

struct housekeeping_item {
	struct store_item item;
	bool has_more;
};

static bool housekeeping_run(struct store_item *item, struct store_db *db, struct err *err)
{
	struct housekeeping_item *keeping = CONTAINER_OF(item, struct housekeeping_item, item);

	return store_housekeep(db, &keeping->has_more, err);
}

static void housekeeping_done(struct store_item *item, const struct err *err)
{
	struct housekeeping_item *keeping = CONTAINER_OF(item, struct housekeeping_item, item);
	struct store *store = item->store;
	bool has_more = keeping->has_more;

	free(keeping);
	store->is_housekeeping = false;
	if (err)
		log_warning("store", "housekeeping-failed", "action=%s error=%s reason=%s",
			    "try again at the next chance", err_name(err->code), err->msg);
	else if (has_more)
		housekeep(store);
}

/* One at a time, because commits queue behind it. */
static void housekeep(struct store *store)
{
	struct housekeeping_item *keeping;

	if (store->is_housekeeping || store->is_closing)
		return;
	store->is_housekeeping = true;
	keeping = xnew(struct housekeeping_item);
	store_item_submit(store, &keeping->item, housekeeping_run, housekeeping_done);
}

void store_idle(struct store *store)
{
	if (store->wal_frames > 0)
		housekeep(store);
}

/* ---- identity ---- */

bool store_identify_blocking(struct store *store, const char *run_dir, struct err *err)
{
	assert(store->pending == 0);
	return store_identity_begin(store->db, run_dir, &store->identity, err);
}

const struct store_identity *store_identity(const struct store *store)
{
	return &store->identity;
}

struct trust_item {
	struct store_item item;
	store_done_fn *done;
	void *data;
};

static bool trust_run(struct store_item *item, struct store_db *db, struct err *err)
{
	(void)item;
	return store_sql_exec(db, "UPDATE identity SET doubt = ''", err);
}

static void trust_done(struct store_item *item, const struct err *err)
{
	struct trust_item *trust = CONTAINER_OF(item, struct trust_item, item);

	if (err)
		log_warning("store", "trust", "reason=%s", err->msg);
	else
		item->store->identity.doubt[0] = '\0';
	if (trust->done)
		trust->done(trust->data, err);
	free(trust);
}

void store_trust(struct store *store, store_done_fn *done, void *data)
{
	struct trust_item *trust = xnew(struct trust_item);

	trust->done = done;
	trust->data = data;
	store_item_submit(store, &trust->item, trust_run, trust_done);
}

/* ---- life ---- */

struct store *store_open_blocking(struct loop *loop, const char *dir, struct err *err)
{
	struct store_db *db = store_db_open(dir, err);
	struct store *store;

	if (!db)
		return NULL;
	store = xnew(struct store);
	store->db = db;
	store->wal_frames = 1; /* the run before may have left some */
	store->sizes = store_db_sizes(db);
	store->worker = worker_new(loop, "store", 1);
	return store;
}

static void finish_late(struct store *store)
{
	while (store->late_first) {
		struct store_item *item = store->late_first;

		store->late_first = item->next;
		if (!store->late_first)
			store->late_last = NULL;
		item_run(&item->work);
		item_done(&item->work);
	}
}

void store_close(struct store *store)
{
	if (!store)
		return;
	store->is_closing = true;
	worker_free(store->worker);
	finish_late(store);
	assert(store->pending == 0);
	store_db_free(store->db);
	free(store);
}

bool store_load_blocking(struct store *store, enum store_table_id table, store_row_fn *each,
			 void *data, struct err *err)
{
	assert(store->pending == 0);
	return store_rows_load(store->db, table, each, data, err);
}
