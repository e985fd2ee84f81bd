/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Rows of timelines, and the question for one. */
#include <assert.h>
#include <string.h>

#include "base/mem.h"
#include "base/strbuf.h"
#include "base/utf8.h"
#include "store/item.h"

/* A move that asks its peer again for days must not fill the disk.  A reader wants
 * to see how it began and how it stands now, so the middle is deleted. */
#define KEEP_FIRST 100
#define KEEP_LAST  (STORE_TIMELINE_MAX - KEEP_FIRST)

static bool prepare(struct store_db *db, struct err *err)
{
	CLEANUP(strbuf_fini) struct strbuf trim = STRBUF_INIT;

	strbuf_addf(&trim,
		    "DELETE FROM timeline WHERE move_id = ?1 AND seq > %d AND seq <= "
		    "(SELECT max(seq) FROM timeline WHERE move_id = ?1) - %d",
		    KEEP_FIRST, KEEP_LAST);
	return store_sql_prepare(db,
				 "INSERT INTO timeline (move_id, seq, at_ms, event, detail) VALUES "
				 "(?1, (SELECT coalesce(max(seq), 0) + 1 FROM timeline "
				 "WHERE move_id = ?1), ?2, ?3, ?4)",
				 &db->stmts[STORE_STMT_TIMELINE_ADD], err) &&
	       store_sql_prepare(db, strbuf_str(&trim), &db->stmts[STORE_STMT_TIMELINE_TRIM],
				 err) &&
	       store_sql_prepare(db,
				 "SELECT at_ms, event, detail FROM timeline WHERE move_id = ? "
				 "ORDER BY seq",
				 &db->stmts[STORE_STMT_TIMELINE_LIST], err);
}

static bool add_entry(struct store_db *db, const char *move_id,
		      const struct store_timeline_entry *entry, struct err *err)
{
	sqlite3_stmt *add = store_sql_stmt(db, STORE_STMT_TIMELINE_ADD);
	sqlite3_stmt *trim = store_sql_stmt(db, STORE_STMT_TIMELINE_TRIM);

	sqlite3_bind_text(add, 1, move_id, -1, SQLITE_STATIC);
	sqlite3_bind_int64(add, 2, entry->at_ms);
	sqlite3_bind_text(add, 3, entry->event, -1, SQLITE_STATIC);
	sqlite3_bind_text(add, 4, entry->detail, -1, SQLITE_STATIC);
	sqlite3_bind_text(trim, 1, move_id, -1, SQLITE_STATIC);
	if (store_sql_run(db, add, "write a timeline entry", err))
		return store_sql_run(db, trim, "shorten a timeline", err);
	if (sqlite3_extended_errcode(db->sqlite) == SQLITE_CONSTRAINT_FOREIGNKEY)
		return err_set(err, ERR_NOT_FOUND, "there is no move '%s'", move_id);
	return false;
}

/* ---- entries of a transaction ---- */

struct notes {
	struct store_notes head; /* its pointers lead into what follows */
	char move_id[ID_UUID_SIZE];
	struct store_timeline_entry list[];
};

/* An entry that was filled by snprintf() may end with half a character, but what
 * the API answers later must be UTF-8. */
static void *copy(const void *row)
{
	const struct store_notes *from = row;
	size_t bytes = from->count * sizeof(from->list[0]);
	struct notes *notes = xcalloc(1, sizeof(*notes) + bytes);

	assert(strlen(from->move_id) < sizeof(notes->move_id));
	memcpy(notes->move_id, from->move_id, strlen(from->move_id));
	if (bytes)
		memcpy(notes->list, from->list, bytes);
	for (size_t i = 0; i < from->count; i++) {
		utf8_trim(notes->list[i].event);
		utf8_trim(notes->list[i].detail);
	}
	notes->head = (struct store_notes){ notes->move_id, notes->list, from->count };
	return notes;
}

static bool put(struct store_db *db, const void *row, struct err *err)
{
	const struct store_notes *notes = row;

	for (size_t i = 0; i < notes->count; i++) {
		if (!add_entry(db, notes->move_id, &notes->list[i], err))
			return false;
	}
	return true;
}

static const char *key(const void *row)
{
	return ((const struct store_notes *)row)->move_id;
}

const struct store_rows store_notes_rows = {
	.name = "timeline",
	.prepare = prepare,
	.copy = copy,
	.key = key,
	.put = put,
};

/* ---- a whole timeline ---- */

static void read_entry(sqlite3_stmt *stmt, struct store_timeline_entry *entry)
{
	entry->at_ms = sqlite3_column_int64(stmt, 0);
	snprintf(entry->event, sizeof(entry->event), "%s", sqlite3_column_text(stmt, 1));
	snprintf(entry->detail, sizeof(entry->detail), "%s", sqlite3_column_text(stmt, 2));
}

static bool list_entries(struct store_db *db, const char *move_id,
			 struct store_timeline_entry **ret_entries, size_t *ret_count,
			 struct err *err)
{
	sqlite3_stmt *stmt = store_sql_stmt(db, STORE_STMT_TIMELINE_LIST);
	CLEANUP(strbuf_fini) struct strbuf entries = STRBUF_INIT;
	size_t count = 0;
	int rc;

	sqlite3_bind_text(stmt, 1, move_id, -1, SQLITE_STATIC);
	while ((rc = sqlite3_step(stmt)) == SQLITE_ROW && count < STORE_TIMELINE_MAX) {
		struct store_timeline_entry entry = { 0 };

		read_entry(stmt, &entry);
		strbuf_add(&entries, &entry, sizeof(entry));
		count++;
	}
	if (rc != SQLITE_DONE && rc != SQLITE_ROW)
		store_sql_err(db, err, "read a timeline");
	sqlite3_reset(stmt);
	if (rc != SQLITE_DONE && rc != SQLITE_ROW)
		return false;
	*ret_entries = (void *)strbuf_take(&entries);
	*ret_count = count;
	return true;
}

/* ---- the question ---- */

struct timeline_item {
	struct store_item item;
	char move_id[ID_UUID_SIZE];
	store_timeline_fn *fn;
	void *data;
	struct store_timeline_entry *entries;
	size_t count;
};

static bool list_run(struct store_item *item, struct store_db *db, struct err *err)
{
	struct timeline_item *question = CONTAINER_OF(item, struct timeline_item, item);

	return list_entries(db, question->move_id, &question->entries, &question->count, err);
}

static void list_done(struct store_item *item, const struct err *err)
{
	struct timeline_item *question = CONTAINER_OF(item, struct timeline_item, item);

	question->fn(question->data, question->entries, question->count, err);
	free(question->entries);
	free(question);
}

void store_timeline(struct store *store, const char *move_id, store_timeline_fn *fn, void *data)
{
	struct timeline_item *question = xnew(struct timeline_item);

	snprintf(question->move_id, sizeof(question->move_id), "%s", move_id);
	question->fn = fn;
	question->data = data;
	store_item_submit(store, &question->item, list_run, list_done);
}
