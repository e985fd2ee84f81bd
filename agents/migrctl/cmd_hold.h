/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* migrctl/cmd_hold.h -- migrctl hold, and what keeps guests from coming to a host. */
#ifndef MIGRD_MIGRCTL_CMD_HOLD_H
#define MIGRD_MIGRCTL_CMD_HOLD_H

#include "agents/lib/cli.h"

extern const struct cli_command cmd_hold_add, cmd_hold_list, cmd_hold_show, cmd_hold_renew,
	cmd_hold_remove;
extern const struct cli_command cmd_host_hold, cmd_host_cordon, cmd_host_uncordon;

#endif
