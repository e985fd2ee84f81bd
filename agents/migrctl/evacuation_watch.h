/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* migrctl/evacuation_watch.h -- follows an evacuation. */
#ifndef MIGRD_MIGRCTL_EVACUATION_WATCH_H
#define MIGRD_MIGRCTL_EVACUATION_WATCH_H

#include "agents/lib/cli.h"
#include "agents/lib/client.h"

/* Follows the evacuation ID until it has ended or, unless UNTIL_END, the host is drained: as one
 * screen on a terminal, elsewhere with a line whenever the state, the blocking guest or the number
 * of those that are left has changed; with `-o json' silently.  Then it is printed.  A daemon that
 * goes away is waited for.  False: it ended, and not well. */
bool evacuation_watch(struct cli_call *call, struct client *client, const char *id, bool until_end,
		      struct err *err);
/* True unless EVACUATION has ended, and not well. */
bool evacuation_result(struct json_object *evacuation, struct err *err);

#endif
