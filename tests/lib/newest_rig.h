/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* tests/lib/newest_rig.h -- move_rig.h, and what main() begins after it: the question
 * to the peers b and c which VMs they have (owner/newest.h).
 *
 * The store is identified, so that it can be in doubt.
 */
#ifndef MIGRD_TESTS_LIB_NEWEST_RIG_H
#define MIGRD_TESTS_LIB_NEWEST_RIG_H

#include "move_rig.h"
#include "owner/newest.h"

extern struct newest_env newest_rig_env;
extern struct newest *newest_rig;

/* Fixtures. Both peers have said at the start that they have no VM. */
void newest_rig_set_up(void);
void newest_rig_tear_down(void);
TCase *newest_rig_add_case(Suite *suite, const char *name);

/* A crash of the daemon and its next start; what it asks then is not answered. */
void newest_rig_restart(void);
/* The same, and a copy of the store is found in the place of the store. */
void newest_rig_restart_in_doubt(void);
/* The first half of newest_rig_restart(); rig_start_again() is the second. */
void newest_rig_crash(void);

/* HOST answers the oldest question: it has no VM, or the one of the rig. */
void newest_rig_none(const char *host);
void newest_rig_has(const char *host, const char *role, const char *state, uint64_t generation);
/* ...by the move of that id. */
void newest_rig_has_by(const char *host, const char *role, const char *state, uint64_t generation,
		       const char *move);

#endif
