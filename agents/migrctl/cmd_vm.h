/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* migrctl/cmd_vm.h -- migrctl vm: the guests of a host. */
#ifndef MIGRD_MIGRCTL_CMD_VM_H
#define MIGRD_MIGRCTL_CMD_VM_H

#include "agents/lib/cli.h"

extern const struct cli_command cmd_vm_create, cmd_vm_list, cmd_vm_show, cmd_vm_delete;
extern const struct cli_command cmd_vm_start, cmd_vm_stop, cmd_vm_shutdown, cmd_vm_reset,
	cmd_vm_pause, cmd_vm_resume;

#endif
