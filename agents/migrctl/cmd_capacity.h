/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* migrctl/cmd_capacity.h -- what hosts have room for, and where guests may be.  Thread: main. */
#ifndef MIGRD_MIGRCTL_CMD_CAPACITY_H
#define MIGRD_MIGRCTL_CMD_CAPACITY_H

#include "agents/lib/cli.h"

extern const struct cli_command cmd_host_list;
extern const struct cli_command cmd_vm_place;

#endif
