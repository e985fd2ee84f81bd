/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The disk of move_rig: it notes what is committed, and can be slow, silent or full. */
#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "move_rig.h"
#include "store/item.h"

enum disk_mode { DISK_GOOD, DISK_HELD, DISK_SILENT, DISK_FULL };

struct commit {
	struct commit *next;
	struct store_txn txn; /* of copied rows */
	store_done_fn *done;
	void *data;
	bool is_written;
};

static enum disk_mode disk_mode;
static struct commit *held, **held_end = &held;

/* The names that the linker's --wrap asks for. */
void real_store_commit(struct store *store, const struct store_txn *txn, store_done_fn *done,
		       void *data) __asm__("__real_store_commit");
void wrap_store_commit(struct store *store, const struct store_txn *txn, store_done_fn *done,
		       void *data) __asm__("__wrap_store_commit");

static const void *row_of(const struct commit *commit, enum store_table_id table, enum store_op op)
{
	for (size_t i = 0; i < STORE_TXN_MAX; i++) {
		const struct store_change *change = &commit->txn.list[i];

		if (change->row && change->table == table && change->op == op)
			return change->row;
	}
	return NULL;
}

static void trace_commit(const struct store_move *put, const struct store_vm *vm,
			 bool is_vm_deleted)
{
	char move[80] = "", owner[120] = "";

	if (put)
		snprintf(move, sizeof(move), " %s%s%s%s", put->state, put->verdict[0] ? " " : "",
			 put->verdict,
			 strstr(put->detail, "\"saw_completed\":true") ? " completed" : "");
	if (vm)
		snprintf(owner, sizeof(owner), " vm=%s/%s@%llu", vm->role, vm->intent,
			 (unsigned long long)vm->generation);
	trace_add("disk%s%s%s", move, owner, is_vm_deleted ? " -vm" : "");
}

static void note_commit(const struct commit *commit)
{
	const struct store_move *move = row_of(commit, STORE_MOVE, STORE_PUT);
	const struct store_vm *vm = row_of(commit, STORE_VM, STORE_PUT);
	bool is_vm_deleted = row_of(commit, STORE_VM, STORE_DELETE);

	trace_commit(move, vm, is_vm_deleted);
	if (move) {
		memcpy(rig.disk.state, move->state, sizeof(rig.disk.state));
		memcpy(rig.disk.verdict, move->verdict, sizeof(rig.disk.verdict));
	}
	if (vm) {
		rig.disk.has_vm = true;
		memcpy(rig.disk.vm_role, vm->role, sizeof(rig.disk.vm_role));
		memcpy(rig.disk.vm_intent, vm->intent, sizeof(rig.disk.vm_intent));
		rig.disk.vm_generation = vm->generation;
	}
	if (is_vm_deleted)
		rig.disk.has_vm = false;
}

static void commit_free(struct commit *commit)
{
	store_txn_drop(&commit->txn);
	free(commit);
}

static void hold(struct commit *commit)
{
	*held_end = commit;
	held_end = &commit->next;
}

static void finish(struct commit *commit, const struct err *err)
{
	if (commit->done)
		commit->done(commit->data, err);
	commit_free(commit);
}

static void on_written(void *data, const struct err *err)
{
	struct commit *commit = data;

	ck_assert_msg(!err, "%s", err ? err->msg : "");
	note_commit(commit);
	commit->is_written = true;
	if (disk_mode == DISK_SILENT)
		hold(commit);
	else
		finish(commit, NULL);
}

static void write_out(struct commit *commit)
{
	real_store_commit(rig.store, &commit->txn, on_written, commit);
}

static void refuse(void *data)
{
	struct err err;

	err_set(&err, ERR_NO_SPACE, "the disk is full");
	finish(data, &err);
}

static struct commit *commit_new(const struct store_txn *txn, store_done_fn *done, void *data)
{
	struct commit *commit = xnew(struct commit);

	commit->txn = store_txn_copy(txn);
	commit->done = done;
	commit->data = data;
	return commit;
}

void wrap_store_commit(struct store *store, const struct store_txn *txn, store_done_fn *done,
		       void *data)
{
	struct commit *commit;

	if (!rig.store) { /* a test without the rig has a store of its own */
		real_store_commit(store, txn, done, data);
		return;
	}
	ck_assert_ptr_eq(store, rig.store);
	commit = commit_new(txn, done, data);
	switch (disk_mode) {
	case DISK_GOOD:
	case DISK_SILENT:
		write_out(commit);
		break;
	case DISK_HELD:
		hold(commit);
		break;
	case DISK_FULL:
		loop_post(rig.loop, refuse, commit);
		break;
	}
}

void rig_disk_hold(void)
{
	disk_mode = DISK_HELD;
}

void rig_disk_hold_answers(void)
{
	disk_mode = DISK_SILENT;
}

void rig_disk_is_full(bool is_full)
{
	disk_mode = is_full ? DISK_FULL : DISK_GOOD;
}

static struct commit *take_held(void)
{
	struct commit *commit = held;

	if (!commit)
		return NULL;
	held = commit->next;
	if (!held)
		held_end = &held;
	commit->next = NULL;
	return commit;
}

void rig_disk_go_on(void)
{
	struct commit *commit;

	disk_mode = DISK_GOOD;
	while ((commit = take_held())) {
		if (commit->is_written)
			finish(commit, NULL);
		else
			write_out(commit);
	}
	rig_run();
}

void rig_disk_refuse_first(void)
{
	struct commit *first = take_held();

	ck_assert_ptr_nonnull(first);
	loop_post(rig.loop, refuse, first);
	rig_disk_go_on();
}

void rig_disk_lose(void)
{
	struct commit *commit;
	struct err err;

	err_set(&err, ERR_CANCELLED, "the daemon is gone");
	while ((commit = take_held()))
		finish(commit, &err);
	disk_mode = DISK_GOOD;
}
