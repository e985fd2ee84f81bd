/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* migrctl/watch.h -- follows one move to its end. */
#ifndef MIGRD_MIGRCTL_WATCH_H
#define MIGRD_MIGRCTL_WATCH_H

#include "agents/lib/cli.h"
#include "agents/lib/client.h"

/* Shows progress (nothing with -o json), then the outcome.  True only when the
 * move is done; otherwise *err says how it ended and who owns the guest.  An
 * interrupt ends the program, not the move, and says so. */
bool watch_move(struct cli_call *call, struct client *client, const char *move_id, struct err *err);

#endif
