/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* migrctl/cmd_adopt.h -- migrctl vm adopt. */
#ifndef MIGRD_MIGRCTL_CMD_ADOPT_H
#define MIGRD_MIGRCTL_CMD_ADOPT_H

#include "agents/lib/cli.h"

extern const struct cli_command cmd_vm_adopt;

#endif
