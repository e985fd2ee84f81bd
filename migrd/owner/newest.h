/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* owner/newest.h -- whether the records of this host are the newest, as far as the
 * peers know.
 *
 * At the start all peers are asked which VMs they have.  If one of them owns a VM with a higher
 * generation, the VM was here: its record stays, and never starts.  The peers are asked again
 * while one is silent, or a guest was sent away and may run elsewhere (vm_is_sent_away()).
 * When the store is in doubt (store/identity.h), nothing is done by its records until every
 * configured peer has answered: moves stay where they are, no guest is resumed or ended, and
 * nothing is promised to a peer.
 *
 * Thread: loop.
 */
#ifndef MIGRD_OWNER_NEWEST_H
#define MIGRD_OWNER_NEWEST_H

#include "move/move.h"
#include "store/identity.h"

struct newest_env {
	struct loop *loop;
	struct store *store;
	struct vms *vms;
	struct moves *moves;
	struct peer_clients *peers;
	const char *const *peer_ids; /* ended by NULL; our own id may be among them */
	const char *host_id;
	/* Other jobs that hold VMs; called before the VMs are settled. */
	void (*recover)(void *data);
	/* The VMs are settled, at once or when the doubt has ended.  NULL: nobody wants to know. */
	void (*settled)(void *data);
	void *data;
};

struct newest;

struct newest *newest_new(const struct newest_env *env);
/* To be called after the VMs were recovered.  Recovers the moves and settles the VMs, at once
 * or when the doubt has ended. */
void newest_begin(struct newest *newest);
/* To be called before the VMs and moves of ENV are cleared.  Answers that still come are
 * dropped. */
void newest_end(struct newest *newest);
void newest_free(struct newest *newest); /* once the peers are freed; accepts NULL */

/* True: the records are not in doubt.  False: ERR (UNAVAILABLE) says why they are, who is
 * silent, and what to do. */
bool newest_is_sure(const struct newest *newest, struct err *err);
/* The store was in doubt when this daemon began. */
bool newest_was_in_doubt(const struct newest *newest);

#endif
