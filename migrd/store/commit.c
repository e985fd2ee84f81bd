/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* One change: copied on the loop, one transaction on the store's thread,
 * answered on the loop. */
#include <assert.h>

#include "base/fault.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/utf8.h"
#include "store/item.h"

struct commit_item {
	struct store_item item;
	bool has_vm, has_move;
	struct store_vm vm;
	struct store_move move;
	char delete_vm[ID_UUID_SIZE];     /* "": none */
	char timeline_move[ID_UUID_SIZE]; /* "": none */
	struct store_timeline_entry *timeline;
	size_t timeline_count;
	store_done_fn *done;
	void *data;
};

static void copy_id(char to[ID_UUID_SIZE], const char *from)
{
	assert(strlen(from) < ID_UUID_SIZE);
	memcpy(to, from, strlen(from) + 1);
}

/* Who fills an entry by snprintf() may cut a character in two; what the API
 * answers later must be UTF-8. */
static void copy_timeline(struct commit_item *commit, const struct store_txn *txn)
{
	size_t bytes = txn->timeline_count * sizeof(*commit->timeline);

	copy_id(commit->timeline_move, txn->timeline_move);
	commit->timeline_count = txn->timeline_count;
	commit->timeline = xcalloc(1, bytes);
	memcpy(commit->timeline, txn->timeline, bytes);
	for (size_t i = 0; i < commit->timeline_count; i++) {
		utf8_trim(commit->timeline[i].event);
		utf8_trim(commit->timeline[i].detail);
	}
}

static struct commit_item *commit_item_new(const struct store_txn *txn)
{
	struct commit_item *commit = xnew(struct commit_item);

	commit->has_vm = txn->put_vm;
	commit->has_move = txn->put_move;
	if (txn->put_vm)
		store_vm_copy(&commit->vm, txn->put_vm);
	if (txn->put_move)
		store_move_copy(&commit->move, txn->put_move);
	if (txn->delete_vm)
		copy_id(commit->delete_vm, txn->delete_vm);
	if (txn->timeline_move && txn->timeline_count > 0)
		copy_timeline(commit, txn);
	return commit;
}

/* ---- store thread ---- */

/* "store.move.STATE.WHEN": a walk through all states needs one name each. */
static bool fault_move(const struct commit_item *commit, const char *when, struct err *err)
{
	char point[sizeof("store.move..before") + STORE_ENUM_SIZE];

	if (!commit->has_move)
		return false;
	snprintf(point, sizeof(point), "store.move.%s.%s", commit->move.state, when);
	return fault_hit(point, err);
}

/* The delete comes first: the name may go to another VM in the same change. */
static bool apply(struct store_db *db, const struct commit_item *commit, struct err *err)
{
	if (commit->delete_vm[0] && !store_vms_delete(db, commit->delete_vm, err))
		return false;
	if (commit->has_vm && !store_vms_put(db, &commit->vm, err))
		return false;
	if (commit->has_move && !store_moves_put(db, &commit->move, err))
		return false;
	for (size_t i = 0; i < commit->timeline_count; i++) {
		if (!store_timeline_add(db, commit->timeline_move, &commit->timeline[i], err))
			return false;
	}
	return true;
}

static bool commit_run(struct store_item *item, struct store_db *db, struct err *err)
{
	struct commit_item *commit = CONTAINER_OF(item, struct commit_item, item);

	if (fault_hit("store.commit", err) || fault_move(commit, "before", err))
		return false;
	if (!store_sql_run(db, store_sql_stmt(db, STORE_STMT_BEGIN), "begin to write", err))
		return false;
	if (!apply(db, commit, err) || !store_identity_step(db, err) ||
	    !store_sql_run(db, store_sql_stmt(db, STORE_STMT_COMMIT), "commit", err)) {
		store_sql_roll_back(db);
		return false;
	}
	store_identity_stepped(db);
	return !fault_move(commit, "after", err) && !fault_hit("store.committed", err);
}

/* ---- loop ---- */

static void commit_done(struct store_item *item, const struct err *err)
{
	struct commit_item *commit = CONTAINER_OF(item, struct commit_item, item);

	if (commit->done)
		commit->done(commit->data, err);
	else if (err)
		log_error("store", "lost", "move=%s vm=%s error=%s reason=%s", commit->move.id,
			  commit->vm.name, err_name(err->code), err->msg);
	store_vm_fini(&commit->vm);
	store_move_fini(&commit->move);
	free(commit->timeline);
	free(commit);
}

void store_commit(struct store *store, const struct store_txn *txn, store_done_fn *done, void *data)
{
	struct commit_item *commit = commit_item_new(txn);

	commit->done = done;
	commit->data = data;
	commit->item.is_record = true;
	store_item_submit(store, &commit->item, commit_run, commit_done);
}
