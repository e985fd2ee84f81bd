/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* tests/lib/newest_rig.h -- move_rig.h, and the question at the start of the daemon: which
 * VMs have the peers b and c (owner/newest.h)?
 *
 * The store is identified, so that it can be in doubt.
 */
#ifndef MIGRD_TESTS_LIB_NEWEST_RIG_H
#define MIGRD_TESTS_LIB_NEWEST_RIG_H

#include "move_rig.h"
#include "owner/newest.h"

extern struct newest_env newest_rig_env;
extern struct newest *newest_rig;

/* Fixtures.  Both peers have already answered that they have no VM. */
void newest_rig_set_up(void);
void newest_rig_tear_down(void);
TCase *newest_rig_add_case(Suite *suite, const char *name);

/* The daemon crashes and starts again; its question is not answered yet. */
void newest_rig_restart(void);
/* The same, but the daemon finds a copy of its store in place of the store. */
void newest_rig_restart_in_doubt(void);
/* The first half of newest_rig_restart(); rig_start_again() is the second. */
void newest_rig_crash(void);

/* HOST answers the oldest question: it has no VM, or it has the VM of the rig. */
void newest_rig_none(const char *host);
void newest_rig_has(const char *host, const char *role, const char *state, uint64_t generation);
/* The same; HOST got the VM by the move of that id. */
void newest_rig_has_by(const char *host, const char *role, const char *state, uint64_t generation,
		       const char *move);

#endif
