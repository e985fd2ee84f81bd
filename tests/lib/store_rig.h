/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* tests/lib/store_rig.h -- a store for tests, in a directory of its own. */
#ifndef MIGRD_TESTS_LIB_STORE_RIG_H
#define MIGRD_TESTS_LIB_STORE_RIG_H

#include <check.h>
#include <sys/resource.h>

#include "store/db.h"
#include "store/store.h"

struct rig {
	char dir[64];
	struct loop *loop;
	bool is_real_loop;
	struct store *store;
	/* What rig_load() found. */
	struct store_vm vms[4];
	struct store_move moves[STORE_HISTORY_MAX + 100];
	size_t vm_count, move_count;
	/* What rig_load_timeline() found. */
	struct store_timeline_entry *entries;
	size_t entry_count;
};
extern struct rig rig;

/* Rows with every member set: a VM and a move of it. */
extern const struct store_vm rig_vm1;
extern const struct store_move rig_move1;

/* Fixtures: an open store on a simulated loop; on a real loop; only the directory. */
void rig_set_up(void);
void rig_set_up_real(void);
void rig_set_up_closed(void);
void rig_tear_down(void);
TCase *rig_add_case(Suite *suite, const char *name, SFun set_up);

const char *rig_path(const char *name); /* in the state directory; valid until the next call */
void rig_open(void);
void rig_reopen(void);
struct err rig_open_fails(void);
/* Runs the loop until something was answered. */
void rig_run(void);

/* No file may be made larger than BYTES, as on a full disk; RLIM_INFINITY: there is room again. */
void rig_limit_files(rlim_t bytes);

/* A timeline entry with the present time, valid until the next call. */
const struct store_timeline_entry *rig_entry(const char *event, const char *words);
/* Waits for the answer. */
struct err rig_commit(const struct store_txn *txn);
void rig_commit_ok(const struct store_txn *txn);
void rig_put_both(void);                  /* rig_vm1, rig_move1 and a timeline entry */
void rig_put_ended_moves(uint32_t count); /* queued only */

void rig_load(void);
void rig_free_loaded(void);
void rig_load_timeline(const char *move_id);

/* Compares byte by byte, except the owned text, so that a member that the table of
 * columns forgets is found. */
void rig_assert_vm_same(const struct store_vm *a, const struct store_vm *b);
void rig_assert_move_same(const struct store_move *a, const struct store_move *b);
void rig_assert_says(const struct err *err, enum err_code code, const char *words);

#endif
