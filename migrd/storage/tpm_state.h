/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* storage/tpm_state.h -- the directory that holds the state of a VM's TPM, and so its keys.
 *
 * A move makes it empty on the destination: the state travels in QEMU's stream.  Beside it is then
 * a mark, `.NAME.migrd-MOVE', which is made first: as long as it is there, a rollback may remove
 * the directory, and no other.  A move that has been completed keeps the directory by removing the
 * mark, and removes that of the source.  A refresh does the same on one host.
 *
 * Every function may be called again after a crash in the middle of it, and syncs before it says
 * that it is done.  PATH is absolute, MOVE is the id of a move or a refresh.  Thread: a worker.
 */
#ifndef MIGRD_STORAGE_TPM_STATE_H
#define MIGRD_STORAGE_TPM_STATE_H

#include "storage/place.h"

/* Looks whether a TPM can arrive for the VM: swtpm is there, and the VM has no state here, by
 * either of its names, but what MOVE has made.  Changes nothing.  CONFLICT: the text says what to
 * do. */
bool tpm_state_look_blocking(const struct storage_rules *rules, const char *uuid, const char *move,
			     struct err *err);
/* Makes PATH, empty and private, and its mark; and the directory for all TPMs, if it is not there.
 * What an earlier try of the same move made is removed first, so it must not be called once a swtpm
 * has it.  CONFLICT: somebody else's state is there, which stays. */
bool tpm_state_make_blocking(const char *path, const char *move, struct err *err);
/* Syncs the files of PATH, which swtpm has written.  Nothing there is fine. */
bool tpm_state_sync_blocking(const char *path, struct err *err);
/* Removes the mark, so that the state stays for good.  No mark there is fine. */
bool tpm_state_keep_blocking(const char *path, const char *move, struct err *err);
/* Removes PATH if the move made it, then the mark.  Nothing there is fine. */
bool tpm_state_remove_blocking(const char *path, const char *move, struct err *err);
/* Removes PATH, whoever made it.  Nothing there is fine. */
bool tpm_state_discard_blocking(const char *path, struct err *err);

#endif
