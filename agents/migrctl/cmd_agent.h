/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* migrctl/cmd_agent.h -- migrctl vm agent: requests to the agent in a guest. */
#ifndef MIGRD_MIGRCTL_CMD_AGENT_H
#define MIGRD_MIGRCTL_CMD_AGENT_H

#include "agents/lib/cli.h"

extern const struct cli_command cmd_vm_agent;
/* What can be asked of an agent: the name of the I-th call; NULL: there are no more. */
const char *cmd_agent_call(size_t i);

#endif
