/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* owner/newest.h -- whether the records of this host are the newest, as far as the
 * peers know.
 *
 * At the start all peers are asked which VMs they have.  A VM that one of them
 * owns with a higher generation was here: its record stays, and never starts.  They are
 * asked again while one is silent, or a guest was sent away and may run elsewhere
 * (vm_is_sent_away()).
 * When the store is in doubt (store/identity.h), nothing goes on by its records
 * before every configured peer has answered: moves stay where they are, no guest
 * is resumed or ended, and nothing is promised to a peer.
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
};

struct newest;

struct newest *newest_new(const struct newest_env *env);
/* After the VMs were recovered: recovers the moves and settles the VMs, at once or
 * when the doubt has ended. */
void newest_begin(struct newest *newest);
/* Before the VMs and moves of ENV are cleared.  Answers that still come find it gone. */
void newest_end(struct newest *newest);
void newest_free(struct newest *newest); /* when the peers are freed; accepts NULL */

/* Nothing is in doubt; else false and ERR (UNAVAILABLE): why, who is silent, and what
 * to do. */
bool newest_is_sure(const struct newest *newest, struct err *err);
/* The store was in doubt when this daemon began. */
bool newest_was_in_doubt(const struct newest *newest);

#endif
