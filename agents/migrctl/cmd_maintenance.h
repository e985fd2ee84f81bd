/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* migrctl/cmd_maintenance.h -- migrctl maintenance: hosts that are emptied, looked after and filled
 * again, one after another. */
#ifndef MIGRD_MIGRCTL_CMD_MAINTENANCE_H
#define MIGRD_MIGRCTL_CMD_MAINTENANCE_H

#include "agents/lib/cli.h"

extern const struct cli_command cmd_maintenance_start, cmd_maintenance_list, cmd_maintenance_show,
	cmd_maintenance_watch, cmd_maintenance_go, cmd_maintenance_pause, cmd_maintenance_resume,
	cmd_maintenance_stop, cmd_maintenance_abort, cmd_maintenance_skip;

/* Before the first command: its options are made of those of other commands, too. */
void cmd_maintenance_set_up(void);

#endif
