/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* migrctl/maintenance_watch.h -- follows a maintenance to its end. */
#ifndef MIGRD_MIGRCTL_MAINTENANCE_WATCH_H
#define MIGRD_MIGRCTL_MAINTENANCE_WATCH_H

#include "agents/lib/cli.h"
#include "agents/lib/client.h"

/* As page_watch() does.  A conductor that goes away, as it does when it maintains itself, is waited
 * for. */
bool maintenance_watch(struct cli_call *call, struct client *client, const char *id,
		       struct err *err);
/* True unless MAINTENANCE has ended, and not well: also one host that has failed is an error. */
bool maintenance_result(struct json_object *maintenance, struct err *err);

#endif
