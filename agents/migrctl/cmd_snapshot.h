/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef MIGRD_MIGRCTL_CMD_SNAPSHOT_H
#define MIGRD_MIGRCTL_CMD_SNAPSHOT_H

#include "agents/lib/cli.h"

extern const struct cli_command cmd_snapshot_create, cmd_snapshot_list, cmd_snapshot_delete,
	cmd_snapshot_revert;

#endif
