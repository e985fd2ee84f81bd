/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* migrctl/cmd_rename.h -- migrctl vm rename. */
#ifndef MIGRD_MIGRCTL_CMD_RENAME_H
#define MIGRD_MIGRCTL_CMD_RENAME_H

#include "agents/lib/cli.h"

extern const struct cli_command cmd_vm_rename;

#endif
