/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef MIGRD_MIGRCTL_CMD_REFRESH_H
#define MIGRD_MIGRCTL_CMD_REFRESH_H

#include "agents/lib/cli.h"

extern const struct cli_command cmd_vm_refresh, cmd_refresh_list, cmd_refresh_show,
	cmd_refresh_cancel;

#endif
