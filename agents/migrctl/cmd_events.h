/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* migrctl/cmd_events.h -- migrctl events: what happens, as it happens. */
#ifndef MIGRD_MIGRCTL_CMD_EVENTS_H
#define MIGRD_MIGRCTL_CMD_EVENTS_H

#include "agents/lib/cli.h"

extern const struct cli_command cmd_events;

#endif
