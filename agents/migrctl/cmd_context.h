/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* migrctl/cmd_context.h -- names for daemons elsewhere. */
#ifndef MIGRD_MIGRCTL_CMD_CONTEXT_H
#define MIGRD_MIGRCTL_CMD_CONTEXT_H

#include "agents/lib/cli.h"

extern const struct cli_command cmd_context_add, cmd_context_list, cmd_context_use,
	cmd_context_show, cmd_context_remove;

#endif
