/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* check/view.h -- copies of all that a check of the host looks at: what is there
 * (check/scan.h), what the records of this host say, and what the peers answered.  The
 * checks are pure functions of it.
 */
#ifndef MIGRD_CHECK_VIEW_H
#define MIGRD_CHECK_VIEW_H

#include "check/scan.h"
#include "move/move.h"
#include "storage/marks.h"
#include "wire/peer_msg.h"

struct check_vm {
	char uuid[ID_UUID_SIZE];
	char name[ID_NAME_SIZE];
	char state[STORE_ENUM_SIZE];
	char reason[ERR_MSG_SIZE];
	char fault[128]; /* what this version does not understand of its row, or "" */
	char move[ID_UUID_SIZE];
	bool is_incoming, is_former;
	bool has_qemu;     /* one that lives, or is being looked for */
	bool is_still;     /* shall run and does not (vm/still.h) */
	bool is_sent_away; /* vm_is_sent_away() */
	bool is_refreshed; /* a second QEMU takes its guest over (refresh/refresh.h) */
	bool has_tpm;
	bool is_second;    /* its QEMU, and the state of its TPM, have the second of its names */
	bool never_ran;    /* there is no QEMU, or its guest was never let run */
	struct proc_id id; /* of its QEMU; pid 0: none, or not known yet */
	uint64_t generation;
	char *definition; /* JSON, owned; NULL: there is no QEMU */
};

struct check_move {
	char id[ID_UUID_SIZE];
	char vm[ID_NAME_SIZE];
	char vm_uuid[ID_UUID_SIZE];
	char peer[ID_NAME_SIZE];
	char state[STORE_ENUM_SIZE];
	char reason[ERR_MSG_SIZE];
	char fault[128];
	bool is_out, is_final, is_stuck, can_cancel;
	bool is_unsettled; /* ended some time ago, and the peer has not noted that */
	enum verdict verdict;
};

/* What one peer said, or why it said nothing. */
struct check_peer {
	char id[ID_NAME_SIZE];
	char silence[256]; /* why the peer did not answer; "": it did */
	struct peer_vm *vms;
	size_t vm_count;
};

struct check_view {
	char host_id[ID_NAME_SIZE];
	char doubt[ERR_MSG_SIZE]; /* why the records may be old, and what to do; "" */
	struct check_dirs dirs;
	struct check_seen *seen;
	struct storage_marks *marks; /* in the storage of this host */
	struct check_vm *vms;
	size_t vm_count;
	struct check_move *moves;
	size_t move_count;
	struct check_peer *peers;
	size_t peer_count;
};

void check_view_free(struct check_view *view); /* accepts NULL */
/* Copies the present records.  Thread: loop. */
void check_view_add_records(struct check_view *view, struct vms *vms, struct moves *moves);

const struct check_vm *check_view_vm(const struct check_view *view, const char *uuid);
const struct check_move *check_view_move(const struct check_view *view, const char *id);

#endif
