/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Ranks the reasons why a move ended, whichever arrives first.
 *
 * When a guest ends, or its destination cannot load it, the stream breaks too, and its error
 * often comes first.  A better reason replaces a worse one for as long as the move rolls
 * back: the guest ended > the destination's own words > QEMU's > the stream's. */
#include <string.h>

#include "base/mem.h"
#include "move/priv.h"
#include "move/src_priv.h"

/* Errors of peer/ begin with the host's name; the texts here name the host themselves. */
const char *move_peer_words(const struct move *move, const struct err *err)
{
	static const char *const seams[] = { ": ", " at " };
	size_t len = strlen(move->row.peer);

	if (strncmp(err->msg, "host ", 5) != 0 || strncmp(err->msg + 5, move->row.peer, len) != 0)
		return err->msg;
	for (size_t i = 0; i < ARRAY_LEN(seams); i++) {
		if (strncmp(err->msg + 5 + len, seams[i], strlen(seams[i])) == 0)
			return err->msg + 5 + len + strlen(seams[i]);
	}
	return err->msg;
}

void move_src_blame(struct move *move, enum move_blame blame, const struct err *why)
{
	if (err_is_set(&move->error) && blame <= move->blame)
		return;
	if (move->error.code == ERR_CANCELLED || (err_is_set(&move->error) && !move->blame))
		return; /* a user cancelled, or nothing explains it better */
	move->error = *why;
	move->blame = blame;
}

void move_src_blame_peer(struct move *move, const char *reason)
{
	struct err err;

	/* A destination that only obeyed our drop explains nothing. */
	if (!reason[0] || strcmp(reason, MOVE_DROPPED) == 0 || move_is_gone(move))
		return;
	err_set(&err, ERR_QEMU, "host '%s' %s: %s", move->row.peer,
		move->stamps[MOVE_STAMP_MIGRATE] ? "did not take the guest"
						 : "could not prepare for the guest",
		reason);
	move_src_blame(move, MOVE_BLAME_PEER, &err);
}

void move_src_blame_guest(struct move *move)
{
	const struct vm *vm = move_vm(move);
	const char *why = vm ? vm_end_reason(vm) : NULL;
	struct err err;

	if (!why || move->blame == MOVE_BLAME_NONE || move->blame >= MOVE_BLAME_GUEST)
		return;
	err_set(&err, move->error.code, "%s: %s", why, move->error.msg);
	move_src_blame(move, MOVE_BLAME_GUEST, &err);
}
