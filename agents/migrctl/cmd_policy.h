/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* migrctl/cmd_policy.h -- migrctl policy, and what ties a guest to one. */
#ifndef MIGRD_MIGRCTL_CMD_POLICY_H
#define MIGRD_MIGRCTL_CMD_POLICY_H

#include "agents/lib/cli.h"

extern const struct cli_command cmd_policy_list, cmd_policy_show, cmd_policy_set, cmd_policy_delete;
extern const struct cli_command cmd_vm_label, cmd_vm_set_policy;

#endif
