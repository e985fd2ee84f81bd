/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* migrctl/cmd_autostart.h -- migrctl vm autostart. */
#ifndef MIGRD_MIGRCTL_CMD_AUTOSTART_H
#define MIGRD_MIGRCTL_CMD_AUTOSTART_H

#include "agents/lib/cli.h"

extern const struct cli_command cmd_vm_autostart;

#endif
