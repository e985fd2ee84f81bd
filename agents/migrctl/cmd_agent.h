/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* migrctl/cmd_agent.h -- migrctl vm agent: requests to the agent in a guest. */
#ifndef MIGRD_MIGRCTL_CMD_AGENT_H
#define MIGRD_MIGRCTL_CMD_AGENT_H

#include "agents/lib/cli.h"

extern const struct cli_command cmd_vm_agent;

#endif
