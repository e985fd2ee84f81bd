/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef MIGRD_MIGRCTL_CMD_VMBACKUP_H
#define MIGRD_MIGRCTL_CMD_VMBACKUP_H

#include "agents/lib/cli.h"

extern const struct cli_command cmd_vm_backup, cmd_vmbackup_list, cmd_vmbackup_show,
	cmd_vmbackup_cancel, cmd_vmbackup_restore;

#endif
